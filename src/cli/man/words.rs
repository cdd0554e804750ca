//! recruit-milter-words(7): the words for what became of a mail, out of the lists themselves.
// SPDX-License-Identifier: GPL-3.0-or-later

use clap_mangen::roff::{Roff, bold, roman};

use super::{see_also, title};
use crate::cli::looking;
use crate::language::Language;
use crate::policy::outcome::Outcome;
use crate::policy::report::Said;

/// The page.
pub(in crate::cli) fn page() -> String {
    let mut roff = Roff::new();
    roff.control("SH", ["NAME"]);
    roff.text([roman("recruit-milter-words - what became of a mail, in a word")]);
    roff.control("SH", ["DESCRIPTION"]);
    roff.text([roman(
        "What became of a copy has one word. It is the same in the log (action=), the journal, the ledger, \
         in explain, list and trace and in the figures.",
    )]);
    let german = |one| looking::outcome(one, Language::De);
    let text = |one: Outcome| format!("{} In German: {}.", one.meaning(), german(one));
    let copies = Outcome::ALL.map(|one| (one.word(), text(one)));
    section(&mut roff, "WHAT BECAME OF A COPY", &copies);
    let reports = Said::ALL.map(|said| {
        let copy = Outcome::reported(said).map(|one| format!(" The copy is {one} then."));
        (said.word(), format!("{}{}", said.meaning(), copy.unwrap_or_default()))
    });
    section(&mut roff, "WHAT A DELIVERY REPORT SAYS", &reports);
    let also = ["recruit-milter-list(8)", "recruit-milter-trace(8)", "recruit-milter.toml(5)"];
    title("recruit-milter-words", "7") + &roff.to_roff() + &see_also(&also)
}

fn section(roff: &mut Roff, heading: &str, words: &[(&str, String)]) {
    roff.control("SH", [heading]);
    for (word, meaning) in words {
        roff.control("TP", []).text([bold(*word)]).text([roman(meaning.as_str())]);
    }
}
