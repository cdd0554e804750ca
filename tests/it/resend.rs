//! A copy that failed, sent once more; and what the ledger tells of people, and forgets.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fs;

use crate::harness::daemon::command;
use crate::harness::site::{BOB, ERIKA, HR, JOBS, KARRIERE, SABINE, Setup, without_ours};
use crate::harness::{LIMIT, Mail, Site, wait_until};

fn ask(site: &Site, args: &[&str]) -> (i32, String) {
    let config = site.config.to_str().unwrap();
    let output = command(&[args, &["--config", config]].concat());
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code().unwrap(), text + &String::from_utf8_lossy(&output.stderr))
}

const BODY: &str = "From: Erika <erika@example.org>\r\nTo: karriere@acme.example\r\n\
    Subject: Bewerbung\r\nMessage-ID: <1@example.org>\r\n\r\n.Hello\r\n\r\n";

fn failed_token(site: &Site) -> String {
    let mut token = String::new();
    wait_until("the failure is known", LIMIT, || {
        let (_, text) = ask(site, &["list", "--state", "failed", "--json"]);
        let line =
            text.lines().next().and_then(|l| serde_json::from_str::<serde_json::Value>(l).ok());
        token = line.and_then(|l| l["token"].as_str().map(str::to_owned)).unwrap_or_default();
        !token.is_empty()
    });
    token
}

#[test]
fn a_copy_that_failed_is_sent_once_more_from_wherever_it_lies() {
    let config =
        format!("[alerts]\nto = [\"{BOB}\"]\n[address.\"{JOBS}\"]\nowner = \"{SABINE}\"\n");
    let mut site = Site::with(Setup { config, ..Setup::default() });
    let refuse = "check_client_access static:{550 5.7.1 Not today}";
    site.ats.set(&[("smtpd_recipient_restrictions", refuse)]);
    site.ats.reload();
    // One keeps its copy, the other comes back to the fallback.
    let jobs = BODY.replace("karriere@", "jobs@");
    Mail::new(ERIKA, &[JOBS], jobs.as_str()).send(site.mx.port());
    let local = site.mx.wait_for_mail(JOBS, 1).swap_remove(0);
    let token = failed_token(&site);
    Mail::new(ERIKA, &[KARRIERE], BODY).send(site.mx.port());
    let report = site.mx.wait_for_mail(HR, 1).swap_remove(0);
    site.ats.set(&[("smtpd_recipient_restrictions", "")]);
    site.ats.reload();

    let file = site.scratch().join("local.eml");
    fs::write(&file, &local.bytes).unwrap();
    let file = file.to_str().unwrap();
    let (code, text) = ask(&site, &["resend", file, "--dry-run"]);
    assert_eq!(code, 0, "{text}");
    assert!(
        text.contains("from <erika@example.org> for jobs@acme.example; nothing was sent"),
        "{text}"
    );
    let (code, text) = ask(&site, &["resend", file, "--token", &token]);
    assert_eq!(code, 0, "{text}");
    wait_until("it arrives", LIMIT, || site.inbound().len() == 1);
    let copy = &site.inbound()[0];
    assert!(copy.text().contains("X-Recruiting-Envelope-Sender: <erika@example.org>\n"));
    let bytes = String::from_utf8_lossy(&without_ours(&copy.bytes, 3)).into_owned();
    assert_eq!(bytes, jobs.replace("\r\n", "\n"));
    // The same entry, settled now.
    wait_until("its trace says so", LIMIT, || {
        let (_, text) = ask(&site, &["trace", &token, "--lang", "en"]);
        text.contains("delivered") && text.contains("sent once more") && text.contains("Not today")
    });
    let (code, text) = ask(&site, &["resend", file, "--token", &token]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("was delivered already"), "{text}");

    let file = site.scratch().join("report.eml");
    fs::write(&file, &report.bytes).unwrap();
    let (code, text) = ask(&site, &["resend", file.to_str().unwrap()]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("sent once more for karriere@acme.example"), "{text}");
    wait_until("it arrives", LIMIT, || site.inbound().len() == 2);
    site.settle();
    assert_eq!(site.mx.maildir(JOBS).len(), 1, "nothing more in the mailbox");

    // Somebody was told: who hears of all, and the owner of the one.
    let told = site.mx.wait_for_mail(BOB, 1).swap_remove(0).text();
    for says in [
        "A mail to jobs@acme.example did not reach personio.",
        "Eine Mail an karriere@acme.example hat personio nicht erreicht.",
        "Not today",
        "The mail is in the mailbox of jobs@acme.example.",
        "The mail went to hr@acme.example, inside the report.",
        &format!("recruit-milter trace {token}"),
    ] {
        assert!(told.contains(says), "{says:?} is missing: {told}");
    }
    let told = site.mx.wait_for_mail(SABINE, 1).swap_remove(0).text();
    assert!(told.contains("jobs@acme.example") && !told.contains("karriere@"), "{told}");

    let none = site.scratch().join("none.eml");
    fs::write(&none, "To: eve@x.example\n\nx\n").unwrap();
    let (code, text) = ask(&site, &["resend", none.to_str().unwrap()]);
    assert_eq!(code, 64, "{text}");
    assert!(text.contains("it names no recruiting address"), "{text}");
}

#[test]
fn somebody_is_found_forgotten_and_exported_without_his_name() {
    let site = Site::start();
    for number in 0..3 {
        let sender = if number == 2 { "max@example.net" } else { ERIKA };
        let text = BODY.replace("<1@", &format!("<{number}@")).replace(ERIKA, sender);
        Mail::new(sender, &[JOBS], text).send(site.mx.port());
    }
    wait_until("all are known", LIMIT, || {
        ask(&site, &["list", "--state", "delivered", "--json"]).1.lines().count() == 3
    });
    let find = |who: &str| {
        let (code, text) = ask(&site, &["subject", "find", who]);
        assert_eq!(code, 0, "{text}");
        text.lines().filter(|line| line.starts_with('{')).count()
    };
    assert_eq!((find("ERIKA@example.org"), find("max@example.net")), (2, 1));
    let (code, text) = ask(&site, &["subject", "erase", ERIKA]);
    assert_eq!(code, 0, "{text}");
    assert!(text.starts_with("2 copies"), "{text}");
    assert_eq!((find(ERIKA), find("max@example.net")), (0, 1));
    let (code, text) = ask(&site, &["export", "--events"]);
    assert_eq!((code, text.lines().count()), (0, 3), "{text}");
    for line in text.lines() {
        let json: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(json["events"].as_array().unwrap().len(), 3, "{line}");
    }
    assert!(!text.contains("erika") && !text.contains("max@"), "{text}");
    let (code, text) = ask(&site, &["subject", "fields"]);
    assert_eq!(code, 0, "{text}");
    assert!(text.ends_with("Kept for 30 days, then deleted.\n"), "{text}");
}
