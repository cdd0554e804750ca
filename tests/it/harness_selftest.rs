//! The harness tested by itself: what it says of Postfix, sockets and processes has to be true
//! before anything is concluded from it.
// SPDX-License-Identifier: GPL-3.0-or-later

use crate::harness::{LIMIT, Mail, Postfix, Scratch, Smtp, process, wait_until};

const HELLO: &str = "From: a@out.example\r\nSubject: hello\r\n\r\nbody\r\n";

#[test]
fn a_private_postfix_accepts_delivers_restarts_and_leaves_nothing_behind() {
    let scratch = Scratch::new();
    let mut mx = Postfix::builder(&scratch, "mx").mailbox("jobs@acme.example").start();
    Mail::new("a@out.example", &["jobs@acme.example"], HELLO).send(mx.port());
    let found = mx.wait_for_mail("jobs@acme.example", 1);
    assert_eq!(found[0].envelope_sender, "a@out.example");
    assert_eq!(found[0].original_to, "jobs@acme.example");
    assert!(found[0].text().ends_with("body\n"), "{}", found[0].text());
    let before = mx.processes();
    assert!(before.iter().any(|p| p.name == "qmgr"), "{before:?}");
    mx.restart();
    mx.sendmail("b@out.example", &["jobs+x@acme.example"], b"Subject: 2\n\n2\n");
    assert_eq!(mx.wait_for_mail("jobs+x@acme.example", 1)[0].envelope_sender, "b@out.example");
    mx.wait_until_idle();
    assert!(mx.report_records().is_empty());
    let all = [before, mx.processes()].concat();
    drop(mx);
    for p in all {
        assert!(!process::is_alive(p.pid), "{p:?} is left over");
    }
}

#[test]
fn what_cannot_be_delivered_is_bounced_or_waits_with_its_reason() {
    let scratch = Scratch::new();
    let mut ats = Postfix::builder(&scratch, "ats").catch_all().start();
    let mx = Postfix::builder(&scratch, "mx")
        .mailbox("a@acme.example")
        .param("transport_maps", &format!("inline:{{ats.example=smtp:[127.0.0.1]:{}}}", ats.port()))
        .start();
    let mut smtp = Smtp::hello(mx.port());
    let unknown = Mail::new("a@acme.example", &["nobody@acme.example"], HELLO);
    assert_eq!(smtp.try_mail(&unknown).unwrap().code, 550);
    mx.sendmail("a@acme.example", &["x@elsewhere.example"], b"Subject: 1\n\n1\n");
    let report = mx.wait_for_mail("a@acme.example", 1).remove(0);
    assert_eq!(report.envelope_sender, "");
    assert!(report.text().contains("no route out of this test"));

    ats.stop();
    smtp.try_mail(&Mail::new("a@acme.example", &["in@ats.example"], HELLO)).unwrap().ok();
    wait_until("the message is deferred", LIMIT, || {
        mx.queue().iter().any(|m| m.queue == "deferred" && m.recipients[0].1.contains("refused"))
    });
    ats.start();
    assert_eq!(ats.wait_for_mail("in@ats.example", 1)[0].envelope_sender, "a@acme.example");
    mx.wait_until_idle();
}
