//! The language of texts for people: as asked for, as configured, or that of the locale.
// SPDX-License-Identifier: GPL-3.0-or-later

use clap::{Args, ValueEnum};

use crate::config::Language;

/// A language of texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lang {
    De,
    En,
}

/// The option that commands with texts for people have.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct LangArg {
    /// The language; without it, that of the configuration or the locale.
    #[arg(long, value_name = "LANGUAGE")]
    lang: Option<Asked>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Asked {
    De,
    En,
}

impl LangArg {
    /// The language to write in.
    pub(super) fn choose(self, configured: Language) -> Lang {
        let language = match self.lang {
            Some(Asked::De) => Language::De,
            Some(Asked::En) => Language::En,
            None => configured,
        };
        Lang::of(language, |name| std::env::var(name).ok())
    }
}

impl Lang {
    fn of(language: Language, variable: impl Fn(&str) -> Option<String>) -> Self {
        match language {
            Language::De => Self::De,
            Language::En => Self::En,
            Language::Auto => {
                let set = |name: &&str| variable(name).filter(|value| !value.is_empty());
                let locale = ["LC_ALL", "LC_MESSAGES", "LANG"].iter().find_map(set);
                let german = locale.is_some_and(|locale| {
                    locale.split(['_', '.', '@']).next().is_some_and(|word| word == "de")
                });
                if german { Self::De } else { Self::En }
            }
        }
    }

    /// One of two texts.
    pub(super) fn pick<T>(self, english: T, german: T) -> T {
        match self {
            Self::En => english,
            Self::De => german,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_is_the_configured_one_or_that_of_the_locale() {
        let of = |language, locale: &str| {
            Lang::of(language, |name| (name == "LANG").then(|| locale.to_owned()))
        };
        assert_eq!(of(Language::Auto, "de_AT.UTF-8"), Lang::De);
        assert_eq!(of(Language::Auto, "den"), Lang::En);
        assert_eq!(of(Language::Auto, ""), Lang::En);
        assert_eq!(of(Language::De, "en_GB"), Lang::De);
        assert_eq!(of(Language::En, "de_DE"), Lang::En);
    }
}
