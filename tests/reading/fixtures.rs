//! Whole messages with their truth.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::path::Path;

use crate::score::{Case, Client, Score, Truth};

fn fixtures() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reading/fixtures");
    let truth = std::fs::read_to_string(folder.join("truth.json")).unwrap();
    let truth: serde_json::Value = serde_json::from_str(&truth).unwrap();
    let text = |v: &serde_json::Value| v.as_str().map(str::to_owned);
    let case = |v: &serde_json::Value| {
        let id = text(&v["id"]).unwrap();
        let address = text(&v["applicant"]["address"]);
        Case {
            mail: std::fs::read(folder.join(format!("{id}.eml"))).unwrap(),
            client: text(&v["client"]).unwrap(),
            language: text(&v["lang"]).unwrap(),
            category: text(&v["category"]).unwrap(),
            from: if v["outside"] == true { Client::Outside } else { Client::Inside },
            sender: None,
            truth: address.map_or(Truth::Nobody, Truth::One),
            kind: None,
            subject: text(&v["original"]["subject"]),
            name: text(&v["applicant"]["name"]),
            date: text(&v["original"]["date_text"]),
            id,
        }
    };
    truth.as_array().unwrap().iter().map(case).collect()
}

#[test]
fn every_fixture_is_read_right() {
    let cases = fixtures();
    assert!(cases.len() >= 18);
    let score = Score::of(&cases);
    score.print();
    assert_eq!(score.total[0], cases.len());
}
