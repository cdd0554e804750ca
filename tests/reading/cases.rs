//! The corpus: every program in every language it speaks, in every form it writes.
// SPDX-License-Identifier: GPL-3.0-or-later

use crate::clients::{CLIENTS, ClientRow, Original, Written};
use crate::compose::{Encoding, body, message};
use crate::later::LATER;
use crate::score::{Case, Client, Mark, Score, Truth};

pub(crate) const COLLEAGUE: &str =
    "=?utf-8?q?Sabine_Kr=C3=BCger?= <sabine.krueger@acme-werke.example>";

pub(crate) const COMMENTS: [&str; 4] = [
    "Hallo zusammen,\n\nbitte aufnehmen, danke!",
    "",
    "Bitte erfassen.\n\n--\nSabine Krüger\nTelefon: 030 5550-200\nE-Mail: sabine.krueger@acme-werke.example\nDatum: 03.03.2025\nSitz der Gesellschaft: Musterstadt",
    "ACHTUNG: Diese E-Mail kommt von außen (security@filter.example).\n\nFYI, siehe auch agentur@personal.example",
];

/// A colleague's forward, as a program writes it.
pub(crate) fn forwarded(client: &ClientRow) -> Vec<Case> {
    let mut cases = Vec::new();
    for w in client.rows() {
        let original = Original::of(w);
        for (i, comment) in COMMENTS.iter().enumerate() {
            let written = (client.program)(w, &original, comment);
            let prefix = if client.prefix == "-" { w.prefix } else { client.prefix };
            for (form, written) in forms(&written) {
                let encoding = [Encoding::QuotedPrintable, Encoding::Base64, Encoding::EightBit]
                    [(i + form.len()) % 3];
                let part = body(written.text.as_deref(), written.html.as_deref(), encoding);
                let subject = format!("{prefix}: {}", original.subject);
                cases.push(Case {
                    id: format!("{} {} {form} {i}", client.name, w.code),
                    client: client.name.into(),
                    language: w.code.into(),
                    category: format!("inline, {form}"),
                    mail: message(COLLEAGUE, &subject, "", &part).into_bytes(),
                    from: Client::Inside,
                    sender: None,
                    truth: Truth::One(original.address.clone()),
                    kind: None,
                    subject: Some(original.subject.clone()),
                    name: Some(original.name.clone()),
                    date: None,
                });
            }
        }
    }
    cases
}

fn forms(written: &Written) -> Vec<(&'static str, Written)> {
    let Written { text, html } = written.clone();
    let mut forms = Vec::new();
    if text.is_some() {
        forms.push(("text", Written { text: text.clone(), html: None }));
    }
    if html.is_some() {
        forms.push(("html", Written { text: None, html: html.clone() }));
    }
    if text.is_some() && html.is_some() {
        forms.push(("both", Written { text, html }));
    }
    forms
}

#[test]
fn forwards_of_known_programs_are_read() {
    let cases: Vec<_> = CLIENTS.iter().flat_map(forwarded).collect();
    let score = Score::of(&cases);
    score.print();
    assert_eq!(score.total[Mark::Wrong as usize], 0);
    assert!(score.right() >= 999, "{} per mille", score.right());
}

#[test]
fn forwards_of_programs_met_later_are_read() {
    let cases: Vec<_> = LATER.iter().flat_map(forwarded).collect();
    let score = Score::of(&cases);
    score.print();
    assert_eq!(score.total[Mark::Wrong as usize], 0);
    assert!(score.right() >= 999, "{} per mille", score.right());
}
