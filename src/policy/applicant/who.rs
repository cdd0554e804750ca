//! Who somebody is to us: a colleague, an address of our own, a job board, or a person outside.
//!
//! Must not know messages.
// SPDX-License-Identifier: GPL-3.0-or-later

use super::labels::fold;
use super::relays::{
    APPLY_WORDS, BOARD_WORDS, GROUP_WORDS, JOB_WORDS, NEWS, NEWSLETTERS, RELAYS, SERVICE_NAMES,
    UNREAD, VIA, VIA_OF_BOARDS,
};
use super::value::{Named, author};
use crate::mail::domain::{domain_key, domain_spellings};
use crate::mail::mailbox::Mailbox;
use crate::mail::text::head;
use crate::policy::kind::{is_role, is_service};
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

    /// Whether a list field names a list that could be a group of the company's, hosted elsewhere: by
    /// the company's name, or as one for applications.
    pub(super) fn is_like_ours(&self, field: &str) -> bool {
        let own = self.rules.internal_domains.iter().flat_map(|domain| {
            let first = domain.split('.').next().unwrap_or_default().to_lowercase();
            first.split('-').filter(|w| w.len() > 3).map(str::to_owned).collect::<Vec<_>>()
        });
        GROUP_WORDS.iter().any(|word| field.contains(word))
            || own.into_iter().any(|word| field.contains(&word))
    }

    /// Whether a domain of a Message-ID is the company's or a recruiting system's.
    pub(super) fn is_of_us(&self, domain: &str) -> bool {
        let domain = domain_key(domain);
        let systems = self.rules.systems.iter().filter_map(|s| {
            let key = s.inbound.key();
            key.rsplit_once('@').map(|(_, domain)| domain.to_owned())
        });
        let internal = self.rules.internal_domains.iter().map(|d| domain_key(d));
        internal.chain(systems).any(|known| domain == known || is_below(&domain, &known))
    }

    /// Whether an address belongs to a job board that writes for others.
    pub(crate) fn is_relay(&self, mailbox: &Mailbox) -> bool {
        let domain = domain_key(mailbox.domain());
        let known = |d: &str| domain == d || is_below(&domain, d);
        RELAYS.iter().any(|d| known(d)) || self.boards.iter().any(|d| known(&domain_key(d)))
    }

    /// The one for whom a job board, a form or another service writes: its reply address and the name
    /// there, or the one in the author field where that is a person's.
    pub(crate) fn behind_relay(&self, from: &Mailbox, reply_to: Option<&str>) -> Option<Mailbox> {
        let Named::One { mailbox, sure: true } = author(reply_to?) else {
            return None;
        };
        if !self.writes_for(from, &mailbox) {
            return None;
        }
        let usable = mailbox.key() != from.key()
            && self.standing(&mailbox) == Standing::Outside
            && !is_unread(&mailbox);
        let shown = from.name.as_deref().unwrap_or_default();
        let via = without(shown, VIA_OF_BOARDS);
        // Within a firm or a school it is theirs.
        let firm = from.domain() == mailbox.domain()
            && !(self.is_relay(from) || is_like_board(from) || is_service(from));
        let person = via != shown || firm || is_persons_name(shown, from);
        // What stands there twice is the board's, unless it is a person's.
        let own = mailbox.name.clone().filter(|name| person || name != shown);
        let name = own.unwrap_or_else(|| if person { via.to_owned() } else { String::new() });
        usable.then(|| mailbox.named(without(&name, VIA_OF_BOARDS)))
    }

    /// Whether an author writes for others, to whom answers go at another address.
    pub(super) fn writes_for(&self, from: &Mailbox, reply_to: &Mailbox) -> bool {
        let name = from.name.as_deref().unwrap_or_default();
        self.is_relay(from)
            || is_unread(from)
            || without_via(name) != name
            || is_like_board(from)
            || is_service(from)
            || is_role(from)
            || (is_named_by_domain(from) && !is_alike(from, reply_to))
    }
}

/// Whether a name is a person's, as far as one can see: some words that begin as names do, and neither
/// the name of the domain nor a word of services.
pub(super) fn is_persons_name(name: &str, from: &Mailbox) -> bool {
    let words: Vec<&str> = name.split_whitespace().collect();
    let plain = |c: char| c.is_alphabetic() || " -.'’,\"()".contains(c);
    let begins = |word: &&str| word.chars().next().is_some_and(|c| !c.is_lowercase());
    let folded = fold(name);
    (2..=5).contains(&words.len())
        && name.chars().all(plain)
        && words.first().is_some_and(begins)
        && words.last().is_some_and(begins)
        && !folded.split([' ', '-']).any(|word| SERVICE_NAMES.iter().any(|s| word.contains(s)))
        && !is_named_by_domain(from)
}

/// The letters of a text.
fn letters(text: &str) -> String {
    fold(text).chars().filter(|c| c.is_alphanumeric()).collect()
}

/// Whether an author is called as his domain is: `HireHub <...@hirehub.example>`.
fn is_named_by_domain(mailbox: &Mailbox) -> bool {
    let name = mailbox.name.as_deref().unwrap_or_default();
    let whole = letters(name);
    let words: Vec<String> = name.split([' ', '.', '-']).map(letters).collect();
    let domain = mailbox.domain().to_lowercase();
    let labels = domain.rsplit('.').skip(1).map(letters).filter(|label| label.len() > 4);
    labels.into_iter().any(|label| {
        words.contains(&label)
            || whole == label
            || (label.len() > 7 && whole.contains(&label))
            || (whole.len() > 7 && (whole.starts_with(&label) || label.starts_with(&whole)))
    })
}

/// Whether two mailboxes look like the same person's or firm's: by a word of the one's name in the
/// other, or by the same name of the domain.
fn is_alike(one: &Mailbox, other: &Mailbox) -> bool {
    let text = letters(&other.to_string());
    let name = one.name.as_deref().unwrap_or_default();
    one.domain() == other.domain()
        || name.split_whitespace().map(letters).any(|word| word.len() > 2 && text.contains(&word))
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
pub(super) fn is_like_board(mailbox: &Mailbox) -> bool {
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

/// Whether somebody sends his own news from an address, and no notices of what others did.
pub(super) fn is_newsletter(mailbox: &Mailbox) -> bool {
    let local = mailbox.local_part().to_lowercase();
    local.split(['.', '-', '_', '+']).any(|word| NEWSLETTERS.contains(&word))
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
