//! What became of applications, as `trace`, `list` and `status` tell it, with the far side's own words.
// SPDX-License-Identifier: GPL-3.0-or-later

use jiff::{SignedDuration, Timestamp};
use recruit_milter::config;
use recruit_milter::journal::{Action, Entry, Journal, Pass, replay};
use recruit_milter::ledger::{self, Access};
use recruit_milter::policy::outcome::Outcome;

use crate::harness::daemon::command;
use crate::harness::site::{BOB, ERIKA, JOBS, KARRIERE, Setup};
use crate::harness::{LIMIT, Mail, Site, wait_until};

/// The exit code of a command and what it prints.
fn ask(site: &Site, args: &[&str]) -> (i32, String) {
    let mut all = vec![args[0], "--config", site.config.to_str().unwrap()];
    all.extend(&args[1..]);
    let output = command(&all);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code().unwrap(), text + &String::from_utf8_lossy(&output.stderr))
}

fn send(site: &Site, to: &str, number: u8, octets: usize) -> String {
    let text = format!(
        "From: Erika <{ERIKA}>\r\nTo: {to}\r\nSubject: Application\r\n\
         Message-ID: <{number}@example.org>\r\n\r\n{}\r\n",
        "x\r\n".repeat(octets / 3)
    );
    let said =
        Mail::new(ERIKA, &[to], text).mail_arg(&format!("SIZE={octets}")).send(site.mx.port());
    said.rsplit_once(' ').map_or(said.clone(), |(_, id)| id.trim().to_owned())
}

/// Waits until a mail's trace says something.
#[track_caller]
fn expect(site: &Site, needle: &str, says: &[&str]) {
    wait_until(&format!("trace {needle} says {says:?}"), LIMIT, || {
        let (_, text) = ask(site, &["trace", needle, "--lang", "en"]);
        says.iter().all(|says| text.contains(says))
    });
}

#[test]
fn whatever_the_far_side_does_is_told_in_its_own_words() {
    let mut site = Site::with(Setup {
        mx: Some(|mx| mx.param("delay_warning_time", "2s").param("queue_run_delay", "1s")),
        ..Setup::default()
    });
    let ats = |site: &mut Site, name: &str, value: &str| {
        site.ats.set(&[(name, value)]);
        site.ats.reload();
    };

    let id = send(&site, JOBS, 1, 3000);
    expect(
        &site,
        &id,
        &[
            "jobs@acme.example -> personio: delivered",
            "application, 2 KB, token ",
            "diverted",
            "handed-over for personio",
            "delivered at 127.0.0.1",
            "250 2.0.0 Ok: queued as",
        ],
    );
    // By whatever names it.
    expect(&site, ERIKA, &["delivered", &id]);
    expect(&site, "<1@example.org>", &["delivered", &id]);

    ats(
        &mut site,
        "smtpd_recipient_restrictions",
        "check_client_access static:{550 5.7.1 No applications today}",
    );
    let id = send(&site, JOBS, 2, 300);
    expect(
        &site,
        &id,
        &[
            "failed",
            "failed at 127.0.0.1",
            "550 5.7.1",
            "No applications today",
            "recruit-milter resend",
        ],
    );

    ats(
        &mut site,
        "smtpd_recipient_restrictions",
        "check_client_access static:{450 4.7.1 Greylisted}",
    );
    let id = send(&site, KARRIERE, 3, 300);
    expect(&site, &id, &["handed-over"]);
    expect(
        &site,
        &id,
        &["delayed", "delayed at 127.0.0.1", "450 4.7.1", "Greylisted", "postqueue -f"],
    );
    ats(&mut site, "smtpd_recipient_restrictions", "");
    site.mx.flush();
    expect(&site, &id, &["delivered", "delivered at 127.0.0.1"]);

    ats(
        &mut site,
        "smtpd_data_restrictions",
        "check_client_access static:{554 5.7.1 Not like this}",
    );
    let id = send(&site, JOBS, 4, 300);
    expect(&site, &id, &["failed", "554 5.7.1", "Not like this"]);
    ats(&mut site, "smtpd_data_restrictions", "");

    ats(&mut site, "message_size_limit", "4000");
    let id = send(&site, JOBS, 5, 9000);
    expect(&site, &id, &["failed", "message size", "exceeds size limit 4000", "8 KB"]);
    ats(&mut site, "message_size_limit", "10240000");

    site.ats.stop();
    let id = send(&site, JOBS, 6, 300);
    expect(&site, &id, &["delayed", "Connection refused"]);
    site.ats.start();
    site.mx.flush();
    expect(&site, &id, &["delivered"]);

    status_counts_it(&site);
    list_finds_it(&site);
}

fn status_counts_it(site: &Site) {
    let ask = |args: &[&str]| ask(site, args);
    let (code, text) = ask(&["status", "--lang", "en"]);
    assert_eq!(code, 1, "{text}");
    let row =
        |address: &str| text.lines().find(|line| line.starts_with(address)).unwrap().to_owned();
    assert!(row(JOBS).ends_with("2 forwarded, 3 failed"), "{text}");
    assert!(row(KARRIERE).ends_with("1 forwarded, 0 failed"), "{text}");
    assert!(row(KARRIERE).contains("verified"), "a copy that was taken is evidence: {text}");
    assert!(
        text.contains("recruit-milter list --address jobs@acme.example --state failed"),
        "{text}"
    );
    let (code, text) = ask(&["status", KARRIERE, "--monitor"]);
    assert_eq!(
        (code, text.trim()),
        (0, "OK - 1 of 1 addresses verified | verified=1 forwarded=1 waiting=0 failed=0")
    );
    let (code, text) = ask(&["status", "--monitor"]);
    assert_eq!(code, 2, "{text}");
    let (code, text) = ask(&["status", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, &json[0]["failed"], &json[0]["state"]), (1, &3.into(), &"verified".into()));
}

fn list_finds_it(site: &Site) {
    let ask = |args: &[&str]| ask(site, args);
    let (code, text) = ask(&["list", "--state", "failed", "--lang", "de"]);
    assert_eq!((code, text.lines().count()), (0, 3), "{text}");
    assert!(text.lines().all(|line| line.contains("gescheitert")), "{text}");
    let (_, text) = ask(&["list", "--json", "--limit", "2"]);
    let last: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!((text.lines().count(), &last["state"]), (2, &"delivered".into()));
    let (code, text) = ask(&["list", "--state", "fialed"]);
    assert_eq!(code, 64);
    assert!(text.contains("did you mean \"failed\"?"), "{text}");
    let (code, text) = ask(&["trace", "nobody@nowhere.example", "--lang", "en"]);
    assert_eq!(code, 1);
    assert!(
        text.contains("nothing is known of \"nobody@nowhere.example\": the ledger reaches back to"),
        "{text}"
    );
}

#[test]
fn what_somebody_has_to_look_at_is_told_apart() {
    let config = format!(
        "[address.\"{JOBS}\"]\nperson = \"{BOB}\"\nkinds = {{ application = \"to-person\" }}\n"
    );
    let site = Site::with(Setup { config, ..Setup::default() });
    let id = send(&site, JOBS, 1, 300);
    expect(&site, &id, &["to-person"]);
    site.settle();
    let (_, text) = ask(&site, &["list", "--state", "to-person", "--json"]);
    assert_eq!(text.lines().count(), 1, "{text}");
    let (_, text) = ask(&site, &["status", JOBS, "--json"]);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&json[0]["stayed"], &json[0]["failed"]), (&1.into(), &0.into()));
}

#[test]
fn without_a_ledger_it_is_said_what_to_do() {
    let site = Site::prepare(Setup::default());
    for args in [&["status"][..], &["list"], &["trace", "4XABC"]] {
        let (code, text) = ask(&site, args);
        assert_eq!(code, 69, "{text}");
        assert!(text.contains("there is no ledger yet"), "{text}");
        assert!(text.contains("start the agent: recruit-milter run"), "{text}");
    }
    let (code, text) = ask(&site, &["status", "--monitor"]);
    assert_eq!(code, 2);
    assert!(text.starts_with("CRITICAL - recruit-milter: there is no ledger yet"), "{text}");
}

#[test]
fn a_ledger_of_yesterday_is_told_by_all_who_show_it() {
    let site = Site::prepare(Setup::default());
    let config = config::load(&site.config).unwrap().config;
    let mut ledger = ledger::open(&config, Access::Write).unwrap();
    let journal = Journal::open(&config.state_dir, 1 << 20, 1);
    let line = |back: i64| {
        let time = Timestamp::now() - SignedDuration::from_secs(back);
        journal.record(Entry::new(time, Pass::Front, Action::Copy(Outcome::Diverted)));
    };
    let says = "the ledger is behind: the agent has not read what came since";
    let shown = || ask(&site, &["list"]).1.contains(says);
    // The agent reads it in a moment.
    line(2);
    let written = || replay(&config.state_dir, None).count();
    wait_until("the line is written", LIMIT, || written() == 1);
    assert!(!shown());
    line(3600);
    wait_until("the line is written", LIMIT, || written() == 2);
    for (args, expected) in [
        (&["list"][..], 0),
        (&["export"], 0),
        (&["trace", "4XABC"], 1),
        (&["status"], 1),
        (&["status", "--json"], 1),
        (&["status", "--monitor"], 2),
    ] {
        let (code, text) = ask(&site, args);
        assert_eq!(code, expected, "{args:?}: {text}");
        assert!(text.contains(says), "{args:?}: {text}");
        let remedy = text.contains("systemctl status recruit-milter-agent");
        assert!(remedy || text.starts_with("CRITICAL - "), "{args:?}: {text}");
    }
    let etc = site.mx.config_dir();
    let doctor = || ask(&site, &["doctor", "--verbose", "--config-dir", etc.to_str().unwrap()]).1;
    assert!(doctor().contains("RM-DOCTOR-06"));
    let all: Vec<_> = replay(&config.state_dir, None).collect();
    let to = all.last().unwrap().0.unwrap();
    let records: Vec<_> = all.into_iter().map(|(_, record)| record.unwrap()).collect();
    ledger.apply(&ledger::host_of(&config), None, &to, &records).unwrap();
    assert!(!shown() && !doctor().contains("RM-DOCTOR-06"), "it has caught up");
}
