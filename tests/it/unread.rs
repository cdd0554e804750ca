//! Reading is advice: what cannot be read reaches the recruiting system all the same, through a real
//! Postfix, and where no local copy is kept it is not lost.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::time::Duration;

use recruit_milter::policy::unread::Place;

use crate::harness::dovecot::PASSWORD;
use crate::harness::hooked::{Fault, Hooked};
use crate::harness::site::{ERIKA, HR, JOBS, KARRIERE, SABINE, Setup, ours, without_ours};
use crate::harness::{Mail, Site};

/// Received fields above what was sent, at the recruiting system.
const HOPS: usize = 3;
/// What a hang may take until it is given up.
const SHORT: Duration = Duration::from_millis(500);

/// The only copy that the system got since the last call: our fields, and whether all else is as sent.
#[track_caller]
fn only_copy(site: &Site, sent: &str) -> Vec<String> {
    site.settle();
    let copies = site.inbound();
    assert_eq!(copies.len(), 1, "{sent}");
    let rest = without_ours(&copies[0].bytes, HOPS);
    assert_eq!(String::from_utf8_lossy(&rest), sent.replace("\r\n", "\n"));
    site.ats.clear_deliveries();
    ours(&copies[0].bytes)
}

#[test]
fn brackets_of_east_asia_stop_no_mail_that_has_no_local_copy() {
    let site = Site::with(Setup { logins: true, ..Setup::default() });
    let erika =
        "X-Recruiting-Applicant: Erika <erika@example.org>; source=from; confidence=certain";
    for subject in [
        "【求人】応募の件",
        "Re: 【求人】応募の件",
        "WG: 【求人】応募の件",
        "[EXTERN] 【】",
        "=?utf-8?B?44CQ5rGC5Lq644CR5b+c5Yuf?=",
        "\u{200f}【求人\u{2069}",
    ] {
        let text = format!("From: Erika <{ERIKA}>\r\nSubject: {subject}\r\n\r\nHi\r\n");
        for to in [KARRIERE, JOBS] {
            Mail::new(ERIKA, &[to], text.as_str()).send(site.mx.port());
            let fields = only_copy(&site, &text);
            assert!(fields.iter().any(|field| field == erika), "{subject}: {fields:?}");
        }
    }
    let forward = "From: Sabine <sabine@acme.example>\r\nSubject: Fwd: Bewerbung\r\n\
        Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\
        ---------- Forwarded message ---------\r\nFrom: 【人事】Yamada <yamada@yubin.example>\r\n\
        Date: Mon, 3 Mar 2025 10:15\r\nSubject: 【求人】Bewerbung\r\nTo: <karriere@acme.example>\r\n\r\nx\r\n";
    Mail::new(SABINE, &[KARRIERE], forward).send_as(SABINE, PASSWORD, site.submission_port());
    let fields = only_copy(&site, forward);
    let yamada = "X-Recruiting-Applicant: Yamada <yamada@yubin.example>; source=inline-forward; \
        confidence=certain";
    assert!(fields.iter().any(|field| field == yamada), "{fields:?}");
}

#[test]
fn what_cannot_be_read_goes_on_for_review_by_a_real_postfix() {
    let mut site = Site::start();
    site.daemon.stop();
    let milter = Hooked::start(&site.config, |config| config.milter.deadline = SHORT);
    let text = "From: Erika <erika@example.org>\r\nX-Recruiting-Kind: forged\r\n\
        Content-Type: multipart/mixed; boundary=b\r\nSubject: CV\r\n\r\n--b\r\n\r\nHi\r\n--b--\r\n";
    let unforged = text.replace("X-Recruiting-Kind: forged\r\n", "");
    for (place, fault, unread) in [
        (Place::Field, Fault::Panic, true),
        (Place::Need, Fault::Panic, true),
        (Place::Need, Fault::Hang, true),
        (Place::Message, Fault::Panic, true),
        (Place::Message, Fault::Hang, true),
        (Place::Sender, Fault::Panic, false),
        (Place::Seal, Fault::Panic, false),
        (Place::Author, Fault::Panic, false),
        (Place::Attached, Fault::Hang, false),
        (Place::Journal, Fault::Panic, false),
        (Place::Journal, Fault::Slow(SHORT / 10), false),
    ] {
        milter.break_readers(Some((place, fault)));
        Mail::new(ERIKA, &[KARRIERE], text).send(site.mx.port());
        let fields = only_copy(&site, &unforged);
        let review = "X-Recruiting-Review: applicant, unread".to_owned();
        assert_eq!(fields.contains(&review), unread, "{place} {fault:?} {fields:?}");
        assert!(fields.contains(&"X-Recruiting-Kind: application".to_owned()), "{fields:?}");
    }
    // Nothing waited, came back or was left at home.
    assert_eq!(site.mx.delivery_count(), 0);
    milter.break_readers(None);
    drop(milter);
    let journal = site.journal();
    let told = |word: &str| journal.iter().filter(|line| line.contains(word)).count();
    assert_eq!(told("\"reason\":\"unread-panic\""), 3, "{journal:?}");
    assert_eq!(told("\"reason\":\"unread-deadline\""), 2, "{journal:?}");
}

#[test]
fn a_report_on_the_only_copy_that_cannot_be_read_comes_to_the_fallback() {
    let mut site = Site::start();
    site.daemon.stop();
    let milter = Hooked::start(&site.config, |config| config.milter.deadline = SHORT);
    site.ats
        .set(&[("smtpd_recipient_restrictions", "reject"), ("smtpd_relay_restrictions", "reject")]);
    site.ats.reload();
    for fault in [Fault::Panic, Fault::Hang] {
        milter.break_readers(Some((Place::Report, fault)));
        let text = format!("From: {ERIKA}\r\nSubject: CV\r\n\r\nHi {fault:?}\r\n");
        Mail::new(ERIKA, &[KARRIERE], text.as_str()).send(site.mx.port());
        site.settle();
        let back = site.mx.maildir(HR);
        let mine = format!("Hi {fault:?}\n");
        assert_eq!(back.iter().filter(|mail| mail.text().contains(&mine)).count(), 1, "{fault:?}");
    }
    assert_eq!(site.mx.delivery_count(), 2, "and nobody else hears of it");
}
