//! What can be said of a setting without knowing its type, and what somebody meant who misspelt a word.
//!
//! Must not know which settings there are.
// SPDX-License-Identifier: GPL-3.0-or-later

/// Where a setting stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Section {
    Top,
    Milter,
    Handoff,
    Agent,
    System,
    Address,
    Login,
    Route,
    Outbound,
    Internal,
    Reading,
    Bounces,
    Seal,
    Loop,
    Log,
    Journal,
    Ledger,
    Verify,
    Alerts,
    Metrics,
}

impl Section {
    pub(super) const ALL: [Self; 20] = [
        Self::Top,
        Self::Milter,
        Self::Handoff,
        Self::Agent,
        Self::System,
        Self::Address,
        Self::Login,
        Self::Route,
        Self::Outbound,
        Self::Internal,
        Self::Reading,
        Self::Bounces,
        Self::Seal,
        Self::Loop,
        Self::Log,
        Self::Journal,
        Self::Ledger,
        Self::Verify,
        Self::Alerts,
        Self::Metrics,
    ];

    /// Its name in the file.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Top => "",
            Self::Milter => "milter",
            Self::Handoff => "handoff",
            Self::Agent => "agent",
            Self::System => "system",
            Self::Address => "address",
            Self::Login => "login",
            Self::Route => "route",
            Self::Outbound => "outbound",
            Self::Internal => "internal",
            Self::Reading => "reading",
            Self::Bounces => "bounces",
            Self::Seal => "seal",
            Self::Loop => "loop",
            Self::Log => "log",
            Self::Journal => "journal",
            Self::Ledger => "ledger",
            Self::Verify => "verify",
            Self::Alerts => "alerts",
            Self::Metrics => "metrics",
        }
    }

    /// Whether there may be many of it, each with a name, and what such a header looks like.
    pub(super) fn named(self) -> Option<&'static str> {
        match self {
            Self::System => Some("[system.personio]"),
            Self::Address => Some("[address.\"jobs@acme.example\"]"),
            Self::Login => Some("[login.personio]"),
            Self::Route => Some("[route.own]"),
            _ => None,
        }
    }
}

/// What a setting has where it is not set.
#[derive(Clone, Copy, Debug)]
pub(super) enum Preset {
    /// This, in TOML.
    Default(&'static str),
    /// Something that depends on others, or nothing. For messages there is an example, in TOML.
    Example(&'static str),
}

/// What can be said of a setting without knowing its type.
#[derive(Debug)]
pub(super) struct Info {
    pub(super) section: Section,
    pub(super) name: &'static str,
    pub(super) preset: Preset,
    /// What it means, in a line or two.
    #[cfg_attr(not(test), expect(dead_code, reason = "read by a test: none may be empty"))]
    pub(super) doc: &'static str,
}

impl Info {
    /// How it may be written, in TOML.
    pub(super) fn example(&self) -> &'static str {
        match self.preset {
            Preset::Default(text) | Preset::Example(text) => text,
        }
    }
}

/// The words of a setting that takes one of a few.
pub(super) type Words<T> = &'static [(&'static str, T)];

/// The kinds of recruiting systems that have a name here.
pub(super) static PROFILES: &[&str] = &[
    "generic",
    "personio",
    "odoo",
    "rt",
    "frappe",
    "freescout",
    "chatwoot",
    "rexx",
    "softgarden",
    "ebms",
    "greenhouse",
    "lever",
    "workable",
    "zammad",
    "znuny",
    "otrs",
];

/// The candidate that a misspelt or cut word is nearest to, if one is near.
pub(super) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    // Nobody misspells a word of this length, and the comparison costs its square.
    if word.len() > 128 {
        return None;
    }
    let word = word.to_lowercase();
    let distance = |candidate: &&str| {
        let candidate = candidate.to_lowercase();
        if word.len() >= 3 && candidate.starts_with(&word) {
            return 1;
        }
        strsim::osa_distance(&word, &candidate)
    };
    let best = candidates.into_iter().min_by_key(distance)?;
    let limit = (word.chars().count().max(best.chars().count()) / 3).max(1);
    (distance(&best) <= limit).then_some(best)
}

/// `did you mean "..."?`, where there is something near.
pub(crate) fn suggest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    nearest(word, candidates).map(|meant| format!("did you mean {meant:?}?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_word_is_recognised_and_a_strange_one_is_not() {
        let words = ["local_copy", "fallback", "owner"];
        let found = |w: &str| suggest(w, words);
        for word in ["local_copies", "local-copy", "LOCAL_COPY", "locla_copy", "local"] {
            assert_eq!(found(word).unwrap(), "did you mean \"local_copy\"?");
        }
        assert_eq!(found("onwer").unwrap(), "did you mean \"owner\"?");
        assert_eq!(found("credential"), None);
        assert_eq!(found(""), None);
        assert_eq!(found(&"local_copy".repeat(100_000)), None);
    }
}
