//! The main job, end to end: what each mailbox gets, and who hears of it.
// SPDX-License-Identifier: GPL-3.0-or-later

use crate::harness::site::{
    BOB, ERIKA, HR, INBOUND, JOBS, KARRIERE, OTHER_INBOUND, OTHER_JOBS, without_ours,
};
use crate::harness::{Mail, Site};

const APPLICATION: &str = "From: Erika <erika@example.org>\r\nTo: jobs@acme.example\r\n\
    Subject: Application\r\nMessage-ID: <1@example.org>\r\n\r\nDear all,\r\n.\r\nErika\r\n";

fn send(site: &Site, sender: &str, recipients: &[&str]) {
    Mail::new(sender, recipients, APPLICATION).send(site.mx.port());
    site.settle();
}

#[test]
fn an_application_reaches_the_system_and_the_local_mailbox() {
    let site = Site::start();
    send(&site, ERIKA, &[JOBS, BOB]);
    let copies = site.inbound();
    assert_eq!(copies.len(), 1);
    let text = copies[0].text();
    for field in [
        "X-Recruiting-System: personio\n",
        "X-Recruiting-Address: jobs@acme.example\n",
        "X-Recruiting-Envelope-Sender: <erika@example.org>\n",
        "X-Recruiting-Kind: application\n",
        "X-Recruiting-Applicant: Erika <erika@example.org>; source=from;\n\tconfidence=certain\n",
    ] {
        assert!(text.contains(field), "{field}{text}");
    }
    let sent = APPLICATION.replace("\r\n", "\n");
    assert_eq!(String::from_utf8_lossy(&without_ours(&copies[0].bytes, 3)), sent);
    assert!(copies[0].envelope_sender.starts_with("recruit-bounces+"));
    for mailbox in [JOBS, BOB] {
        let local = site.mx.maildir(mailbox);
        assert_eq!(local.len(), 1, "{mailbox}");
        assert_eq!(local[0].envelope_sender, ERIKA);
        assert_eq!(String::from_utf8_lossy(&without_ours(&local[0].bytes, 1)), sent);
        assert!(!local[0].text().contains("X-Recruiting"));
    }
    assert_eq!(site.mx.delivery_count() + site.ats.delivery_count(), 3, "nobody else got anything");
    site.daemon.wait_for_log("action=report, outcome=relayed");
    assert_eq!(site.mx.report_records(), Vec::<std::path::PathBuf>::new());
}

#[test]
fn without_a_local_copy_only_the_system_gets_it() {
    let site = Site::start();
    send(&site, ERIKA, &["Karriere+Berlin@acme.example"]);
    assert_eq!(site.inbound().len(), 1);
    assert!(
        site.inbound()[0].text().contains("X-Recruiting-Address: Karriere+Berlin@acme.example\n")
    );
    assert_eq!(site.mx.delivery_count(), 0);
}

#[test]
fn two_addresses_of_one_system_are_one_copy_and_two_systems_two() {
    let site = Site::start();
    send(&site, ERIKA, &[JOBS, KARRIERE, OTHER_JOBS]);
    assert_eq!(site.inbound().len(), 1);
    assert_eq!(site.ats.maildir(OTHER_INBOUND).len(), 1);
    assert_eq!(site.ats.delivery_count(), 2);
    assert_eq!(site.mx.maildir(JOBS).len(), 1);
    assert_eq!(site.mx.maildir(KARRIERE).len(), 0);
    assert_eq!(site.mx.delivery_count(), 2);
}

#[test]
fn what_we_sealed_comes_back_only_to_the_local_mailbox() {
    let site = Site::start();
    send(&site, ERIKA, &[JOBS]);
    let copy = String::from_utf8(site.inbound()[0].bytes.clone()).unwrap().replace('\n', "\r\n");
    Mail::new("mailer@m-personio.example", &[JOBS], copy.clone()).send(site.mx.port());
    site.settle();
    assert_eq!(site.inbound().len(), 1, "not forwarded again");
    assert_eq!(site.mx.maildir(JOBS).len(), 2);
    Mail::new("mailer@m-personio.example", &[KARRIERE], copy).send(site.mx.port());
    site.settle();
    assert_eq!(site.inbound().len(), 1);
    let back = site.mx.maildir(HR);
    assert_eq!(back.len(), 1, "given back to the fallback");
    assert_eq!(back[0].envelope_sender, "mailer@m-personio.example");
    site.daemon.wait_for_log("action=returned");
}

#[test]
fn the_systems_test_mail_comes_back_unchanged_until_the_budget_is_spent() {
    let site = Site::start();
    let test = "From: Personio <acme-jobs@m-personio.example>\r\nTo: jobs@acme.example\r\n\
        Subject: Test\r\nAuto-Submitted: auto-generated\r\nX-Loop: yes\r\n\r\nTest\r\n";
    for _ in 0..12 {
        Mail::new(INBOUND, &[JOBS], test).send(site.mx.port());
    }
    site.settle();
    let copies = site.inbound();
    assert_eq!(copies.len(), 10, "ten an hour");
    for copy in &copies {
        assert_eq!(
            String::from_utf8_lossy(&without_ours(&copy.bytes, 3)),
            test.replace("\r\n", "\n")
        );
        assert!(copy.text().contains("X-Recruiting-Kind: system-test\n"));
    }
    assert_eq!(site.mx.maildir(JOBS).len(), 12);
    site.daemon.wait_for_log("alarm=loop-budget");
}

#[test]
fn mail_from_sendmail_is_forwarded_as_well() {
    let site = Site::start();
    site.mx.sendmail("bob@acme.example", &[JOBS], b"From: bob@acme.example\nSubject: x\n\nx\n");
    site.settle();
    assert_eq!(site.inbound().len(), 1);
    assert_eq!(site.mx.maildir(JOBS).len(), 1);
}

#[test]
fn a_copy_that_fails_and_is_the_only_one_comes_to_the_fallback() {
    let mut site = Site::start();
    site.ats
        .set(&[("smtpd_recipient_restrictions", "reject"), ("smtpd_relay_restrictions", "reject")]);
    site.ats.reload();
    send(&site, ERIKA, &[KARRIERE]);
    let back = site.mx.maildir(HR);
    assert_eq!(back.len(), 1);
    assert!(
        back[0].text().contains("Subject: Application\n"),
        "the whole message is in the report"
    );
    assert!(back[0].text().contains("Dear all,\n"));
    assert_eq!(site.mx.delivery_count(), 1, "and nobody else hears of it");
    site.daemon.wait_for_log("outcome=failed");
}
