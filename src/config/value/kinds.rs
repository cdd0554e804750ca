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
            let Why(reason, remedy) = not_among(word, words());
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

/// The words for kinds of mail: those of the kinds, and `forward`.
fn words() -> impl Iterator<Item = &'static str> + Clone {
    ["forward"].into_iter().chain(Kind::ALL.iter().map(|kind| kind.word()))
}

fn kinds_of(word: &str) -> Vec<Kind> {
    let all = || Kind::ALL.into_iter();
    match word {
        "forward" => all().filter(|kind| matches!(kind, Kind::Forward(_))).collect(),
        _ => all().filter(|kind| kind.word() == word).collect(),
    }
}
