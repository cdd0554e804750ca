//! Who somebody is to us: a colleague, an address of our own, a job board, or a person outside.
//!
//! Must not know messages.
// SPDX-License-Identifier: GPL-3.0-or-later

use super::relays::{
    APPLY_WORDS, BOARD_WORDS, JOB_WORDS, NEWS, RELAYS, UNREAD, VIA, VIA_OF_BOARDS,
};
use super::value::{Named, author};
use crate::mail::domain::{domain_key, domain_spellings};
use crate::mail::mailbox::Mailbox;
use crate::mail::text::head;
use crate::policy::rules::Rules;

/// What an address is to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// A recruiting address, or the inbound address of a system.
    Own,
    /// In an internal domain.
    Colleague,
    /// In a subdomain of an internal domain that nobody declared.
    Doubtful,
    /// Anybody else.
    Outside,
}

/// Answers by the rules.
#[derive(Clone, Copy)]
pub(crate) struct Who<'a> {
    /// The rules.
    pub(super) rules: &'a Rules,
    /// Domains of further job boards.
    pub(super) boards: &'a [String],
}

fn is_below(domain: &str, above: &str) -> bool {
    domain.strip_suffix(above).is_some_and(|rest| rest.ends_with('.'))
}

impl Who<'_> {
    /// What an address is to us.
    pub(crate) fn standing(&self, mailbox: &Mailbox) -> Standing {
        let key = mailbox.key();
        let own = self.rules.lookup(&key).is_some()
            || self.rules.systems.iter().any(|s| s.inbound.key() == key);
        if own {
            return Standing::Own;
        }
        let domain = domain_key(mailbox.domain());
        let internal = self.rules.internal_domains.iter().map(|d| domain_key(d)).peekable();
        let mut standing = Standing::Outside;
        for known in internal {
            if known == domain {
                return Standing::Colleague;
            }
            if is_below(&domain, &known) {
                standing = Standing::Doubtful;
            }
        }
        standing
    }

    /// Whether a list field names one of the company's own groups.
    pub(super) fn mentions_us(&self, field: &str) -> bool {
        let id = field.rsplit(['<', '@', ':']).next().unwrap_or(field);
        let id = domain_key(id.trim_end_matches(['>', ' ']));
        self.rules.internal_domains.iter().any(|d| {
            let d = domain_key(d);
            id == d || is_below(&id, &d)
        })
    }

    /// Whether an address belongs to a job board that writes for others.
    pub(crate) fn is_relay(&self, mailbox: &Mailbox) -> bool {
        let domain = domain_key(mailbox.domain());
        let known = |d: &str| domain == d || is_below(&domain, d);
        RELAYS.iter().any(|d| known(d)) || self.boards.iter().any(|d| known(&domain_key(d)))
    }

    /// The one for whom a job board writes: its reply address, with the name from the author field.
    pub(crate) fn behind_relay(&self, from: &Mailbox, reply_to: Option<&str>) -> Option<Mailbox> {
        let name = from.name.as_deref().unwrap_or_default();
        let board = self.is_relay(from)
            || is_unread(from)
            || without_via(name) != name
            || is_like_board(from);
        if !board {
            return None;
        }
        let Named::One { mailbox, sure: true } = author(reply_to?) else {
            return None;
        };
        let usable = mailbox.key() != from.key()
            && self.standing(&mailbox) == Standing::Outside
            && !is_unread(&mailbox);
        let name = from.name.clone().or_else(|| mailbox.name.clone()).unwrap_or_default();
        usable.then(|| mailbox.named(without(&name, VIA_OF_BOARDS)))
    }
}

/// Whether nobody reads what is sent to an address.
pub(crate) fn is_unread(mailbox: &Mailbox) -> bool {
    let mut local = mailbox.local_part().to_lowercase();
    local.retain(|c| !matches!(c, '.' | '-' | '_'));
    UNREAD.iter().any(|u| local.starts_with(u))
        || local.ends_with("noreply")
        // There are people of that name: nobody.owens@x.example.
        || mailbox.local_part().eq_ignore_ascii_case("nobody")
}

/// Whether an address looks like a job board's: by the words of its domain, or by those of both its
/// sides (`applications@jobs24.example`).
fn is_like_board(mailbox: &Mailbox) -> bool {
    let domains = domain_spellings(mailbox.domain());
    let domains: Vec<String> = domains.iter().map(|domain| domain.replace('-', "")).collect();
    let has = |word: &str| domains.iter().any(|domain| domain.contains(word));
    let local = mailbox.local_part().to_lowercase();
    BOARD_WORDS.iter().any(|w| has(w))
        || (JOB_WORDS.iter().any(|w| has(w)) && APPLY_WORDS.iter().any(|w| local.starts_with(w)))
}

/// Whether a job board sends its own news from an address.
pub(crate) fn is_news(mailbox: &Mailbox) -> bool {
    let local = mailbox.local_part().to_lowercase();
    is_unread(mailbox) || local.split(['.', '-', '_', '+']).any(|word| NEWS.contains(&word))
}

/// A name without the "via ..." that a relay or a group puts behind it.
pub(crate) fn without_via(name: &str) -> &str {
    without(name, VIA)
}

/// A name that ends where one of these words stands in it.
fn without<'n>(name: &'n str, words: &[&str]) -> &'n str {
    let at = words.iter().filter_map(|w| name.find(w)).min();
    let own = at.map_or(name, |at| head(name, at).trim());
    own.trim_matches(|c| matches!(c, '\'' | '"')).trim()
}
