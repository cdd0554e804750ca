//! Values about kinds of mail: what happens with them, and the verdicts of spam filters.
// SPDX-License-Identifier: GPL-3.0-or-later

use toml::de::DeValue;

use super::{Complaint, Complaints, Input, Items, Why, not_among, why};
use crate::policy::kind::{Action, Kind, Verdict};

pub(in crate::config) fn verdicts(v: &Input<'_>) -> Result<Items<Verdict>, Complaints> {
    v.list("a list of fields", |text| {
        Verdict::parse(text).ok_or_else(|| {
            why(
                "it is not a field with the beginning of its body",
                "write \"X-Spam-Flag: yes\", or \"X-Report: *spam\" for a word anywhere in it",
            )
        })
    })
}

/// A table of kinds of mail and what happens with them. `forward` stands for all forwards.
pub(in crate::config) fn kinds(v: &Input<'_>) -> Result<Items<(Vec<Kind>, Action)>, Complaints> {
    let DeValue::Table(table) = v.value else {
        return Err(v.not("a table of kinds"));
    };
    let mut good = Vec::new();
    let mut complaints = Vec::new();
    for (key, value) in table {
        let word: &str = key.get_ref();
        let kinds = kinds_of(word);
        if kinds.is_empty() {
            let Why(reason, remedy) = not_among(word, KIND_WORDS.iter().copied());
            complaints.push(Complaint {
                range: key.span(),
                value: Some(word.to_owned()),
                message: format!("{word:?} is no kind of mail: {reason}"),
                remedy,
            });
            continue;
        }
        let item = Input { info: v.info, value: value.get_ref(), range: value.span() };
        match item.text("a table of words", |text| {
            let action = Action::ALL.into_iter().find(|action| action.word() == text);
            action.ok_or_else(|| not_among(text, Action::ALL.iter().map(|a| a.word())))
        }) {
            Ok(action) => good.push((key.span(), (kinds, action))),
            Err(list) => complaints.extend(list),
        }
    }
    if complaints.is_empty() { Ok(good) } else { Err(complaints) }
}

/// The words for kinds of mail, in the order in which they are explained.
const KIND_WORDS: [&str; 16] = [
    "application",
    "reply",
    "forward",
    "forward-inline",
    "forward-attached",
    "forward-msg",
    "forward-tnef",
    "system-test",
    "probe",
    "outbound-copy",
    "auto-reply",
    "bounce",
    "list",
    "calendar",
    "needs-human",
    "spam",
];

fn kinds_of(word: &str) -> Vec<Kind> {
    let all = || Kind::ALL.into_iter();
    match word {
        "forward" => all().filter(|kind| matches!(kind, Kind::Forward(_))).collect(),
        _ => all().filter(|kind| kind.word() == word).collect(),
    }
}
