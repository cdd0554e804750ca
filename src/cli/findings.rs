//! `help RM-POSTFIX-12`: what the manual says of a finding, by its id. The page
//! recruit-milter-findings(7) has all of them, and the same words.
// SPDX-License-Identifier: GPL-3.0-or-later

use super::{Exit, document, say};
use crate::config::suggest;
use crate::findings::Id;
use crate::smtp_test;

/// What the manual says of an id.
pub(super) struct Told {
    pub(super) id: String,
    /// How bad it can be; empty for a cause of `smtp-test`, which is the reason of what does not work.
    pub(super) severity: String,
    pub(super) title: String,
    pub(super) meaning: String,
}

/// All of them, in the order of the manual.
pub(super) fn all() -> impl Iterator<Item = Told> {
    let findings = Id::all().map(|id| Told {
        id: id.to_string(),
        severity: id.severities().iter().map(ToString::to_string).collect::<Vec<_>>().join(" or "),
        title: id.title().to_owned(),
        meaning: id.meaning().to_owned(),
    });
    let causes = smtp_test::ALL.into_iter().map(|cause| {
        let (title, meaning) = cause.in_the_manual();
        Told { id: cause.id(), severity: String::new(), title, meaning }
    });
    findings.chain(causes)
}

/// Whether somebody asks for an id and not for a command.
pub(super) fn is_id(word: &str) -> bool {
    word.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("rm-"))
}

pub(super) fn help(wanted: &str) -> Exit {
    if let Some(told) = all().find(|told| parts(&told.id) == parts(wanted)) {
        return document(&text(&told));
    }
    let near = near(wanted).map(|near| format!("\n  = {near}")).unwrap_or_default();
    say(&format!(
        "error: there is no finding {wanted:?}{near}\n  \
         = recruit-milter man recruit-milter-findings | man -l -  shows all of them"
    ));
    Exit::Usage
}

fn text(told: &Told) -> String {
    let severity =
        if told.severity.is_empty() { String::new() } else { format!(" ({})", told.severity) };
    format!("{}{severity}: {}\n\n{}", told.id, told.title, told.meaning)
}

/// The family of an id and its number, however they are written.
fn parts(id: &str) -> Option<(String, u32)> {
    let (family, number) = id.rsplit_once('-')?;
    Some((family.to_uppercase(), number.parse().ok()?))
}

/// Which ids may have been meant: the next ones of that family, else one that is spelt alike.
fn near(wanted: &str) -> Option<String> {
    let ids: Vec<String> = all().map(|told| told.id).collect();
    if let Some((family, number)) = parts(wanted) {
        let of_family = |id: &&String| parts(id).is_some_and(|(its, _)| its == family);
        let number_of = |id: &String| parts(id).map_or(0, |(_, number)| number);
        let before = ids.iter().filter(of_family).rfind(|id| number_of(id) < number);
        let after = ids.iter().filter(of_family).find(|id| number_of(id) > number);
        let both: Vec<&str> = before.into_iter().chain(after).map(String::as_str).collect();
        if !both.is_empty() {
            return Some(format!("near it: {}", both.join(", ")));
        }
    }
    suggest(&wanted.to_uppercase(), ids.iter().map(String::as_str))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_known_however_it_is_written_and_others_are_near_it() {
        for word in ["RM-POSTFIX-01", "rm-postfix-1", "RM-POSTFIX-001"] {
            let told = all().find(|told| parts(&told.id) == parts(word)).unwrap();
            assert!(
                text(&told).starts_with("RM-POSTFIX-01 (error): Postfix is too old\n\nPostfix ")
            );
        }
        let found = |word| near(word).unwrap_or_default();
        assert_eq!(found("RM-POSTFIX-39"), "near it: RM-POSTFIX-38, RM-POSTFIX-40");
        assert_eq!(found("RM-DOCTOR-999"), "near it: RM-DOCTOR-104");
        assert_eq!(found("RM-POSTFX-12"), "did you mean \"RM-POSTFIX-12\"?");
        assert_eq!(found("mail"), "");
        assert!(is_id("rm-postfix-1") && !is_id("run") && !is_id("rm"));
    }
}
