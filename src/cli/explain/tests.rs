//! What `explain` says of mails, as cases.
// SPDX-License-Identifier: GPL-3.0-or-later

use super::*;
use crate::policy::testing::{keys, rules};

fn ask(from: &str, to: &[&str], message: &str) -> Explanation {
    let question = Question {
        message: Message::parse(message.as_bytes()),
        from: from.into(),
        to: to.iter().map(|t| (*t).to_owned()).collect(),
        origin: Origin::default(),
        user: None,
        client: None,
    };
    explain(&rules(), &keys(), 1_795_551_688, &question).unwrap()
}

#[test]
fn an_application_is_explained_from_end_to_end() {
    let text = ask(
        "erika@example.org",
        &["jobs@acme.example", "bob@acme.example"],
        "From: Erika <erika@example.org>\nX-Recruiting-Kind: forged\nSubject: CV\x1b[31m\n\nHi\n",
    )
    .to_string();
    // Tokens and the seal are long and tested elsewhere.
    let shape: Vec<String> = text
        .lines()
        .map(|line| {
            line.split(' ')
                .map(|w| if w.len() > 60 { "..." } else { w })
                .collect::<Vec<_>>()
                .join(" ")
        })
        .collect();
    let expected = "\
kind       application
applicant  Erika <erika@example.org> (from, certain)
because    header: a first contact from outside
           header: from is the author
outcome    handed-over (rule)

envelope   from <erika@example.org> to <jobs@acme.example>, <bob@acme.example>
           jobs@acme.example  recruiting address, local copy kept (personio)
           bob@acme.example   not ours, untouched

pass 1, incoming mail
           add_rcpt ... NOTIFY=NEVER ORCPT=rfc822;jobs@acme.example
           continue

pass 2, the copy for jobs@acme.example: handed-over (rule)
           add_rcpt <acme-jobs@m-personio.example> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;jobs@acme.example
           del_header 1 X-Recruiting-Kind
           ins_header 0 X-Recruiting-Applicant Erika <erika@example.org>; source=from; confidence=certain
           ins_header 0 X-Recruiting-Kind application
           ins_header 0 X-Recruiting-Envelope-Sender <erika@example.org>
           ins_header 0 X-Recruiting-Address jobs@acme.example
           ins_header 0 X-Recruiting-System personio";
    assert_eq!(shape[..expected.lines().count()].join("\n"), expected);
    assert!(text.contains("\n         - X-Recruiting-Kind: forged\n"));
    assert!(text.contains("\n         + X-Recruiting-System: personio\n"));
    assert!(!text.contains('\x1b'));
}

#[test]
fn mail_of_others_is_explained_in_a_line() {
    let answer = ask("a@x.example", &["bob@acme.example"], "Subject: x\n\n");
    assert!(answer.copies.is_empty());
    assert_eq!(answer.pass1, ["continue"]);
    assert_eq!((answer.outcome, answer.kind), ("untouched", "application"));
}

/// Asks where every place that is read at is one at which reading panics.
fn ask_unreadable(at: Place, to: &str) -> Explanation {
    let hook = move |place| assert_ne!(place, at, "on purpose");
    let net = Net::with_hook(std::sync::Arc::new(hook));
    let message = "From: Erika <erika@example.org>\nSubject: CV\n\nHi\n";
    let question = Question {
        message: Message::parse(message.as_bytes()),
        from: "erika@example.org".into(),
        to: vec![to.into()],
        origin: Origin::default(),
        user: None,
        client: None,
    };
    let world = World { rules: &rules(), keys: &keys(), now: 1_795_551_688, net: &net };
    explain_in(world, &question).unwrap()
}

#[test]
fn what_cannot_be_read_is_shown_to_go_on_for_review() {
    for at in [Place::Field, Place::Need, Place::Message] {
        let answer = ask_unreadable(at, "jobs@acme.example");
        assert_eq!((answer.outcome, answer.reason), ("handed-over", "unread-panic"), "{at}");
        assert_eq!(answer.envelope.to, ["acme-jobs@m-personio.example"], "{at}");
        let text = answer.to_string();
        assert!(text.contains("because    header: could not be read (panic), for review\n"));
        assert!(text.contains("\n         + X-Recruiting-Review: applicant, unread\n"), "{text}");
    }
    for at in [Place::Sender, Place::Seal, Place::Author, Place::Attached] {
        let answer = ask_unreadable(at, "jobs@acme.example");
        assert_eq!((answer.outcome, answer.reason), ("handed-over", "rule"), "{at}");
    }
    let alone = ask_unreadable(Place::Message, "bob@acme.example");
    assert_eq!((alone.outcome, alone.needs_review), ("untouched", true));
}
