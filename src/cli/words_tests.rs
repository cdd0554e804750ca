//! What became of a copy has one word: each outcome, driven through each place that tells it.
// SPDX-License-Identifier: GPL-3.0-or-later

use jiff::Timestamp;

use super::{list, looking};
use crate::journal::{Action, Entry, Pass};
use crate::language::Language;
use crate::ledger::Copy;
use crate::policy::forward;
use crate::policy::outcome::Outcome;
use crate::policy::report::Said;

/// The entry of the journal that tells an outcome.
fn entry(outcome: Outcome) -> Entry {
    let said = Said::ALL.into_iter().find(|said| Outcome::reported(*said) == Some(outcome));
    let action = if said.is_some() { Action::Report } else { Action::Copy(outcome) };
    let now = Timestamp::from_second(1_795_500_000).unwrap();
    let token = Some("aaaa".to_owned());
    Entry { token, report: said, ..Entry::new(now, Pass::Handoff, action) }
}

#[test]
fn each_outcome_has_the_same_word_wherever_it_is_told() {
    let page = super::man::words::page();
    for outcome in Outcome::ALL {
        let word = outcome.word();
        let entry = entry(outcome);
        let json = serde_json::to_value(&entry).unwrap();
        let told = json.get("report").unwrap_or(&json["action"]);
        // `explain` prints the word of the decision, as the journal does.
        assert_eq!(forward::Action::Copy(outcome).word(), word);
        assert_eq!(told, word, "journal");
        let copy = Copy::begun_by(&entry, "mx1").unwrap();
        assert_eq!(serde_json::to_value(&copy).unwrap()["state"], word, "ledger, list --json");
        let line = list::line(&copy, Language::En);
        assert!(line.split("  ").any(|column| column.trim() == word), "list: {line}");
        let what = looking::what(&entry, Language::En);
        assert_eq!(what.split(' ').next(), Some(word), "trace: {what}");
        let named = format!(".TP\n\\fB{}\\fR\n", word.replace('-', "\\-"));
        assert!(page.contains(&named), "manual: {word}");
    }
}
