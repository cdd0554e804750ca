//! The languages of texts for people. Logs, and what programs read, are English always.
//!
//! A third language is: a variant of [`Language`] with its word and its prefix of a locale, which makes the
//! compiler lead to each text (a text has a value for each language, in [`Language::pick`] or in a `match`); its
//! word in the manual; and a file of its own beside `smtp_test/texts/en.rs`. (The words by which mail in many
//! languages is *read* are data elsewhere: `policy/applicant/languages.rs`.)
//!
//! Must not know any text.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::env;

/// A language of texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// English.
    En,
    /// German.
    De,
}

/// What an admin chose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// By the locale.
    Auto,
    /// This one.
    Of(Language),
}

impl Language {
    /// Each of them, in the order in which they stand where all are shown.
    pub const ALL: &[Self] = &[Self::En, Self::De];

    /// One of the texts.
    pub fn pick<T>(self, english: T, german: T) -> T {
        match self {
            Self::En => english,
            Self::De => german,
        }
    }

    /// The language of a locale (POSIX 8.2: the first of the three variables that is set, and not empty). None where
    /// that is a language without texts, or none at all (`C`, `POSIX`).
    fn of_locale(variable: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let set = |name: &&str| variable(name).filter(|value| !value.is_empty());
        let locale = ["LC_ALL", "LC_MESSAGES", "LANG"].iter().find_map(set)?;
        match locale.split(['_', '.', '@']).next() {
            Some("de") => Some(Self::De),
            Some("en") => Some(Self::En),
            _ => None,
        }
    }
}

impl Choice {
    /// The language for who reads at the terminal: English where nobody can tell.
    pub fn here(self) -> Language {
        self.known(|name| env::var(name).ok()).unwrap_or(Language::En)
    }

    /// The languages of a text that is passed on: all where nobody can tell who will read it.
    pub fn for_others(self, variable: impl Fn(&str) -> Option<String>) -> &'static [Language] {
        match self.known(variable) {
            Some(Language::En) => &[Language::En],
            Some(Language::De) => &[Language::De],
            None => Language::ALL,
        }
    }

    fn known(self, variable: impl Fn(&str) -> Option<String>) -> Option<Language> {
        match self {
            Self::Of(language) => Some(language),
            Self::Auto => Language::of_locale(variable),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_is_the_chosen_one_or_that_of_the_locale() {
        let of = |variables: &[(&str, &str)]| {
            Language::of_locale(|name| {
                let found = variables.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            })
        };
        assert_eq!(of(&[("LANG", "de_AT.UTF-8")]), Some(Language::De));
        assert_eq!(
            of(&[("LC_ALL", ""), ("LC_MESSAGES", "en_GB"), ("LANG", "de_DE")]),
            Some(Language::En)
        );
        assert_eq!(of(&[("LC_ALL", "de"), ("LANG", "en_US")]), Some(Language::De));
        for none in ["C", "C.UTF-8", "POSIX", "fr_FR", "den", ""] {
            assert_eq!(of(&[("LANG", none)]), None, "{none}");
        }
        assert_eq!(Choice::Of(Language::De).for_others(|_| Some("en".into())), [Language::De]);
        assert_eq!(Choice::Auto.for_others(|_| Some("en".into())), [Language::En]);
        assert_eq!(Choice::Auto.for_others(|_| None), Language::ALL);
    }
}
