//! Names of colleagues, for chains in which a program wrote just a name.
//!
//! Within a company Outlook shows authors without their addresses. Must not know blocks.
// SPDX-License-Identifier: GPL-3.0-or-later

use super::labels::fold;
use super::value::{Named, author};
use crate::mail::mailbox::Mailbox;
use crate::mail::text::{head, tail};

/// Names, whatever the order of their parts: `Becker, Tom (HR)` is `Tom Becker`.
#[derive(Debug, Default)]
pub(super) struct Names(Vec<String>);

impl Names {
    /// The names of mailboxes.
    pub(super) fn of(mailboxes: impl Iterator<Item = Mailbox>) -> Self {
        Self(mailboxes.filter_map(|m| key(m.name.as_deref()?)).collect())
    }

    /// Whether a name is one of them.
    pub(super) fn has(&self, name: &str) -> bool {
        key(name).is_some_and(|key| self.0.contains(&key))
    }

    /// Whether a list of recipients holds a name as it is.
    pub(super) fn within(list: &str, name: &str) -> bool {
        let name = fold(name);
        name.contains(' ') && fold(list).contains(&name)
    }
}

/// Whether a list of recipients shows a name before an address of which something holds.
pub(super) fn names_before(list: &str, name: &str, holds: impl Fn(&Mailbox) -> bool) -> bool {
    let name = name.trim();
    if !name.contains(' ') {
        return false;
    }
    list.match_indices(name).take(8).any(|(at, _)| {
        let behind = tail(list, at + name.len()).trim_start_matches(['"', '\'', ' ']);
        let end = behind.find([';', ',']).unwrap_or(behind.len());
        behind.starts_with(['<', '[', '('])
            && matches!(author(head(behind, end)), Named::One { mailbox, .. } if holds(&mailbox))
    })
}

/// The parts of a name in a fixed order; a name of one part may be anybody's.
fn key(name: &str) -> Option<String> {
    let plain = name.split('(').next().unwrap_or_default();
    let folded = fold(plain);
    let mut parts: Vec<&str> =
        folded.split(|c: char| !c.is_alphanumeric()).filter(|p| !p.is_empty()).collect();
    parts.sort_unstable();
    (parts.len() >= 2).then(|| parts.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_same_in_any_order() {
        let tom = Mailbox::parse("tom@acme.example").unwrap().named("Becker, Tom (HR)");
        let names = Names::of(std::iter::once(tom));
        for name in ["Tom Becker", "Becker, Tom", "TOM BECKER", "Becker Tom (Werk 2)"] {
            assert!(names.has(name), "{name}");
        }
        for name in ["Tom", "Tom Beck", "Tom Becker Lang", ""] {
            assert!(!names.has(name), "{name}");
        }
    }

    #[test]
    fn a_name_before_an_address_is_known_by_it() {
        let list = "HR; Vogt, Jens <jens@acme.example>; Eva Lund <eva@x.example>";
        let inside = |m: &Mailbox| m.domain() == "acme.example";
        assert!(names_before(list, "Vogt, Jens", inside));
        assert!(!names_before(list, "Eva Lund", inside));
        assert!(!names_before(list, "HR", inside));
    }
}
