//! The tables of `tests/outbound` through a real session: what a login may not send is refused, and
//! what it may send arrives as it was.
// SPDX-License-Identifier: GPL-3.0-or-later

use super::{ERIKA, send, with};
use crate::harness::Mail;
use crate::harness::site::JOBS;

#[path = "../../outbound/table.rs"]
mod table;

use table::{Case, FORGERIES, LEGITIMATE, cases};

/// What the tables are written for.
const CONFIG: &str = r#"[login.personio]
may_send_as = ["jobs@acme.example", "karriere@acme.example", "bewerbung@müller.example"]
route = "own"

[login.odoo]
may_send_as = ["nobody@acme.example"]

[route.own]
bounces_to = "hr@acme.example"

[internal]
domains = ["acme.example", "müller.example"]
"#;

fn message(case: &Case) -> Vec<u8> {
    let mut text = Vec::new();
    for (name, body) in &case.fields {
        text.extend([&name[..], b":", &lines(body)[..], b"\r\n"].concat());
    }
    text.extend(b"X-Test: yes\r\n\r\nHello\r\n");
    text
}

/// Line ends as SMTP wants them; what is none stays.
fn lines(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for (at, &octet) in body.iter().enumerate() {
        if octet == b'\n' && at.checked_sub(1).is_none_or(|before| body[before] != b'\r') {
            out.push(b'\r');
        }
        out.push(octet);
    }
    out
}

fn sent(case: &Case) -> Mail {
    Mail::new(JOBS, &[ERIKA], message(case)).mail_arg("SMTPUTF8")
}

#[test]
fn no_forgery_passes_and_each_is_refused_for_good() {
    let site = with(CONFIG);
    let mut passed = Vec::new();
    let all = cases(FORGERIES);
    assert!(all.len() >= 60);
    for case in &all {
        let reply = send(&site, "personio", &sent(case));
        if reply.to_string() != "550 5.7.1 This login may not send as this address" {
            passed.push(case.title.as_str());
        }
    }
    // Postfix: a field ends at a NUL, for us and for whoever gets the message.
    assert_eq!(passed, ["NUL and another address behind ours: unreadable"]);
    site.settle();
    let arrived = site.own().deliveries();
    assert_eq!(arrived.len(), 1);
    let text = arrived[0].text();
    let authors: Vec<&str> = text.lines().filter(|line| line.starts_with("From:")).collect();
    assert_eq!(authors, ["From: jobs@acme.example"]);
    assert!(!text.contains("ceo"), "{text}");
}

#[test]
fn no_legitimate_mail_is_refused() {
    let site = with(CONFIG);
    let mut refused = Vec::new();
    let all = cases(LEGITIMATE);
    assert!(all.len() >= 60);
    for case in &all {
        let reply = send(&site, "personio", &sent(case));
        if !reply.is_ok() {
            refused.push(format!("{}: {reply}", case.title));
        }
    }
    site.settle();
    assert!(refused.is_empty(), "{refused:#?}");
    assert_eq!(site.own().delivery_count(), all.len());
}
