//! How much a login may send, over all connections at once.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::thread;

use rustix::process::Signal;

use super::{CONFIG, ERIKA, JOE, mail, send, with};
use crate::harness::site::{BOB, JOBS};
use crate::harness::submission::Encryption;
use crate::harness::{LIMIT, Site, Smtp, wait_for, wait_until};

/// How many connections are open at once.
const CONNECTIONS: usize = 20;

fn limited(lines: &str) -> Site {
    with(&CONFIG.replace("[login.personio]\n", &format!("[login.personio]\n{lines}\n")))
}

/// Sends so many mails at once, each by a connection of its own; how many were taken, and what the
/// others were told.
fn at_once(site: &Site, count: usize, to: &[&str]) -> (usize, Vec<String>) {
    let replies: Vec<String> = thread::scope(|scope| {
        let sending: Vec<_> = (0..count)
            .map(|number| {
                let mail = mail(JOBS, JOBS, to, &format!("many-{number}"));
                scope.spawn(move || send(site, "personio", &mail).to_string())
            })
            .collect();
        sending.into_iter().map(|sending| sending.join().unwrap()).collect()
    });
    let mut others: Vec<String> = replies.into_iter().filter(|r| !r.starts_with("250")).collect();
    let taken = count - others.len();
    others.dedup();
    (taken, others)
}

const TOO_MUCH: &str = "450 4.7.1 This login has sent too much - try again later";

#[test]
fn a_limit_of_messages_holds_over_many_connections_and_a_reload() {
    let mut site = limited("messages_per_day = 7\nmessages_per_minute = 600");
    assert_eq!(at_once(&site, CONNECTIONS, &[ERIKA]), (7, vec![TOO_MUCH.to_owned()]));
    site.daemon.signal(Signal::HUP);
    site.daemon.wait_for_log("reloaded");
    assert_eq!(at_once(&site, 3, &[ERIKA]), (0, vec![TOO_MUCH.to_owned()]));
    site.settle();
    assert_eq!(site.own().delivery_count(), 7);
    // Nobody else is bounded by it.
    send(&site, "odoo", &mail("jobs@other.example", "", &[ERIKA], "other")).ok();
    send(&site, BOB, &mail(BOB, BOB, &[ERIKA], "colleague")).ok();
    let log = site.daemon.wait_for_log("reason=limit");
    assert!(log.contains("login=personio") && log.contains("stage=mail"), "{log}");
    // The limit is raised: what was counted stays.
    let text = site.config_text().replace("messages_per_day = 7", "messages_per_day = 9");
    site.daemon.configure(&text);
    site.daemon.signal(Signal::HUP);
    wait_until("the second reload", LIMIT, || site.daemon.log().matches("reloaded").count() == 2);
    assert_eq!(at_once(&site, 5, &[ERIKA]), (2, vec![TOO_MUCH.to_owned()]));
    assert!(site.daemon.is_running());
}

#[test]
fn a_limit_of_recipients_counts_each_and_what_is_refused_costs_nothing() {
    let site = limited("recipients_per_day = 5");
    // Refused for its author, again and again: nothing of it counts.
    for number in 0..4 {
        let forged = mail("ceo@acme.example", JOBS, &[ERIKA, JOE], &format!("forged-{number}"));
        assert_eq!(send(&site, "personio", &forged).code, 550);
    }
    send(&site, "personio", &mail(JOBS, JOBS, &[ERIKA, JOE], "two")).ok();
    send(&site, "personio", &mail(JOBS, JOBS, &[ERIKA, JOE], "four")).ok();
    // One of the next two is taken.
    send(&site, "personio", &mail(JOBS, JOBS, &[ERIKA, JOE], "five")).ok();
    let arrivals = site.arrivals("five");
    assert_eq!(arrivals.len(), 1);
    assert_eq!(arrivals[0].recipients, [ERIKA]);
    let reply = send(&site, "personio", &mail(JOBS, JOBS, &[ERIKA], "six"));
    assert_eq!(reply.to_string(), TOO_MUCH);
}

#[test]
fn what_is_only_to_be_logged_goes_on() {
    let site = limited("messages_per_day = 1\non_violation = \"log\"");
    for (number, from) in [JOBS, JOBS, "ceo@acme.example"].iter().enumerate() {
        send(&site, "personio", &mail(from, JOBS, &[ERIKA], &format!("logged-{number}"))).ok();
        assert_eq!(site.arrivals(&format!("logged-{number}")).len(), 1);
    }
    for reason in ["reason=limit", "reason=not-allowed"] {
        let line = site.daemon.wait_for_log(reason);
        assert!(line.contains("action=would-refuse"), "{line}");
    }
}

#[test]
fn what_is_aborted_gives_its_room_back_and_leaves_nothing_to_the_next_message() {
    let site = limited("messages_per_day = 3");
    let password = site.password("personio").to_owned();
    let mut smtp = Smtp::access(&site.access(Encryption::Implicit));
    smtp.login("personio", &password).ok();
    let good = mail(JOBS, JOBS, &[ERIKA], "good");
    let forged = mail("ceo@acme.example", JOBS, &[ERIKA], "forged");
    // Begun and taken back, in one session and by a client that is gone.
    for _ in 0..5 {
        smtp.command(&good.mail_line()).ok();
        smtp.command(&good.rcpt_lines()[0]).ok();
        smtp.command("RSET").ok();
        let mut gone = Smtp::access(&site.access(Encryption::Implicit));
        gone.login("personio", &password).ok();
        gone.command(&good.mail_line()).ok();
        gone.abort();
    }
    // One after the other in one session: each is judged by itself.
    let mut codes = Vec::new();
    for mail in [&good, &forged, &good, &forged, &good, &good] {
        // The place of a client that is gone is free a moment later.
        let reply = wait_for("an answer for good", LIMIT, || {
            let reply = smtp.try_mail(mail).unwrap();
            (codes.len() == 5 || !reply.is_temporary()).then_some(reply)
        });
        codes.push(reply.code);
    }
    assert_eq!(codes, [250, 550, 250, 550, 250, 450]);
    assert_eq!(site.arrivals("good").len(), 3);
    assert!(site.arrivals("forged").is_empty());
}
