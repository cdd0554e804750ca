//! What recruit-milter costs, as ratios taken in one run: what is compared is measured in turn,
//! round by round, and the median of the rounds' ratios counts. A missed aim is said and is no
//! failure.
// SPDX-License-Identifier: GPL-3.0-or-later
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "what cannot be measured ends the bench"
)]

#[path = "../it/harness/mod.rs"]
mod harness;
#[path = "../demo/table.rs"]
mod table;

mod cpu;
mod figures;
mod hosts;
mod programs;
mod protocol;
mod record;

use figures::Figures;
use harness::site::{BOB, ERIKA, JOBS};
use harness::{LIMIT, Scratch, Smtp, wait_until};
use hosts::{Host, message};
use programs::{Nothing, PostSrsd};

/// A mail with a few lines of text.
const SMALL: usize = 1_000;
/// One with a short CV.
const MEDIUM: usize = 50_000;
/// One with everything.
const LARGE: usize = 10_000_000;

fn main() {
    // cargo passes --bench; a word of the caller's chooses the parts whose name it begins.
    let chosen: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let wanted = |part: &str| chosen.is_empty() || chosen.iter().any(|c| part.starts_with(c));
    protocol::raise_descriptors();
    let mut figures = Figures::default();
    eprintln!("Measuring; this takes a few minutes ...");
    if wanted("protocol") {
        protocol(&mut figures);
    }
    if wanted("others") {
        mail_of_others(&mut figures);
    }
    if wanted("submission") {
        submission(&mut figures);
    }
    if wanted("forwarding") {
        forwarding(&mut figures);
    }
    println!("\n{}", figures.report());
}

/// Mail that is not ours: Postfix and the milter together, against Postfix alone.
fn mail_of_others(figures: &mut Figures) {
    let scratch = Scratch::new();
    let nothing = Nothing::start(&scratch);
    let early = hosts::site(true);
    let mut site = hosts::site(false);
    let milters = [String::new(), hosts::front(&early), nothing.endpoint.for_postfix()];
    let ports = milters.map(|milter| hosts::add_smtpd(&site.mx, &milter));
    site.mx.start();
    for port in &ports {
        // It is the first smtpd alone that `start` waits for.
        wait_until("all smtpd listen", LIMIT, || Smtp::connect(port.number()).is_ok());
    }
    let host = |port: u16, beside| Host { postfix: &site.mx, port, beside, login: None };
    let hosts = [
        host(ports[0].number(), None),
        host(site.mx.port(), Some(site.daemon.pid())),
        host(ports[1].number(), Some(early.daemon.pid())),
        host(ports[2].number(), Some(nothing.pid())),
    ];
    for (size, rounds, count, words, aims) in
        [(SMALL, 15, 200, "1 KB", [1.15, 1.15]), (LARGE, 15, 4, "10 MB", [1.12, 1.04])]
    {
        let ratios = hosts::ratios(&hosts, rounds, count, BOB, &message(size));
        let name = |with| format!("CPU, {words} of others, {with} : no milter");
        figures.ratio(&name("recruit-milter"), &ratios[0], Some(aims[0]));
        figures.ratio(&name("with accept_early"), &ratios[1], Some(aims[1]));
        figures.ratio(&name("do-nothing libmilter"), &ratios[2], None);
    }
}

/// Mail on the submission socket that is not ours, against a program that does nothing with the same;
/// and what limits cost a login.
fn submission(figures: &mut Figures) {
    let scratch = Scratch::new();
    let nothing = Nothing::with_header(&scratch);
    let mut site = hosts::with_logins();
    let milters = [String::new(), nothing.endpoint.for_postfix(), hosts::submission(&site)];
    let ports = milters.map(|milter| hosts::add_smtpd(&site.mx, &milter));
    site.mx.start();
    for port in &ports {
        wait_until("all smtpd listen", LIMIT, || Smtp::connect(port.number()).is_ok());
    }
    let ours = Some(site.daemon.pid());
    let host = |at: usize, beside, login| Host {
        postfix: &site.mx,
        port: ports[at].number(),
        beside,
        login,
    };
    let compared = [host(0, None, None), host(1, Some(nothing.pid()), None), host(2, ours, None)];
    for (size, words) in [(SMALL, "1 KB"), (MEDIUM, "50 KB")] {
        let ratios = hosts::ratios(&compared, 15, 100, BOB, &message(size));
        let against: Vec<f64> = ratios[1].iter().zip(&ratios[0]).map(|(a, b)| a / b).collect();
        let name = |with, to| format!("CPU, {words} of others at submission, {with} : {to}");
        figures.ratio(&name("recruit-milter", "do-nothing"), &against, Some(1.05));
        figures.ratio(&name("recruit-milter", "no milter"), &ratios[1], None);
        figures.ratio(&name("do-nothing libmilter", "no milter"), &ratios[0], None);
    }
    let logins = [host(2, ours, Some("free")), host(2, ours, Some("limited"))];
    let ratios = hosts::ratios(&logins, 15, 100, BOB, &message(SMALL));
    figures.ratio("CPU, a login with four limits : one without", &ratios[0], None);
}

/// Forwarding with a local copy, against an alias with PostSRSd.
fn forwarding(figures: &mut Figures) {
    let scratch = Scratch::new();
    let mut site = hosts::site(false);
    site.ats.start();
    site.mx.start();
    let srs = PostSrsd::start(&scratch);
    let alias = hosts::alias(&scratch, &srs, site.ats.port());
    let hosts = [
        Host { postfix: &alias, port: alias.port(), beside: Some(srs.pid()), login: None },
        Host {
            postfix: &site.mx,
            port: site.mx.port(),
            beside: Some(site.daemon.pid()),
            login: None,
        },
    ];
    for (size, rounds, count, words) in [(MEDIUM, 7, 40, "50 KB"), (LARGE, 7, 3, "10 MB")] {
        let ratios = hosts::ratios(&hosts, rounds, count, JOBS, &message(size));
        let name = format!("CPU, forwarding {words}, recruit-milter : alias and PostSRSd");
        figures.ratio(&name, &ratios[0], None);
    }
}

/// The milter by itself.
fn protocol(figures: &mut Figures) {
    let scratch = Scratch::new();
    let mut ours = protocol::Ours::start(&message(LARGE));
    let octets = ours.others.octets();
    let addresses = ours.others.octets_of(BOB) + ours.others.octets_of(ERIKA);
    let note = format!("{addresses} of them the test's addresses");
    let octets = f64::from(u32::try_from(octets).unwrap());
    figures.amount("front socket, 10 MB of others", octets, "bytes", &note, Some(210.0));

    let nothing = Nothing::start(&scratch);
    let dialogue = protocol::dialogue_with(&nothing, &scratch, &message(SMALL));
    for (at_once, words) in [(1, "one at a time"), (10, "ten at once")] {
        let ratios = protocol::ratios(&ours, (&nothing, &dialogue), (5, 10_000, at_once));
        let name = format!("CPU, protocol alone, {words} : do-nothing libmilter");
        figures.ratio(&name, &ratios, Some(0.6));
    }

    let note = |memory: &protocol::Memory| format!("{:.1} MB not backed by a file", memory.own);
    let memory = ours.idle();
    figures.amount("memory, idle", memory.resident, "MB", &note(&memory), None);
    let memory = ours.with_idle_sessions(1_000);
    figures.amount(
        "memory, 1,000 idle sessions",
        memory.resident,
        "MB",
        &note(&memory),
        Some(24.0),
    );
    let (memory, most) = ours.with_applications(100);
    let note = format!("{}; {most:.1} MB at most", note(&memory));
    figures.amount("memory, 100 forwards of 10 MB", memory.resident, "MB", &note, Some(16.0));
}
