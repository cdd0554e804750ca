//! The option --lang.
// SPDX-License-Identifier: GPL-3.0-or-later

use clap::{Args, ValueEnum};

use crate::language::{Choice, Language};

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
    pub(super) fn choose(self, configured: Choice) -> Language {
        let asked = self.lang.map(|asked| match asked {
            Asked::De => Language::De,
            Asked::En => Language::En,
        });
        asked.map_or(configured, Choice::Of).here()
    }
}
