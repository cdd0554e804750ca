//! Probes through the real Postfix: they come in as an applicant's mail does, and end where they are to.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use recruit_milter::config;
use recruit_milter::mail::Address;
use recruit_milter::policy::keys::Keys;
use recruit_milter::policy::probe::Probe;
use recruit_milter::policy::token::TokenId;

use crate::harness::site::{BOB, HR, JOBS, KARRIERE, Setup};
use crate::harness::{Mail, Site};

const TEXT: &str = "From: recruit-bounces@acme.example\r\nSubject: Probe\r\n\r\nA test.\r\n";

fn probe(site: &Site, nonce: u8, to: &str) -> (Probe, String) {
    let config = config::load(&site.config).unwrap().config;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let id = TokenId { time: u32::try_from(now).unwrap(), nonce: [nonce; 6] };
    let probe = Probe::new(id, &Address::parse(to).unwrap());
    (probe, probe.sender(&config.rules, &config.keys).unwrap().to_string())
}

/// The words of the journal about a probe.
fn journal(site: &Site, probe: Probe) -> Vec<String> {
    let mine = format!("\"probe\":\"{}\"", probe.id);
    let lines = site.journal().into_iter().filter(|line| line.contains(&mine));
    let action = |line: String| {
        let (_, rest) = line.split_once("\"action\":\"").unwrap();
        rest.split('"').next().unwrap().to_owned()
    };
    lines.map(action).collect()
}

#[test]
fn a_probe_goes_the_whole_way_and_litters_nothing_and_a_replay_is_mail() {
    let site = Site::start();
    let (jobs, from) = probe(&site, 1, JOBS);
    Mail::new(&from, &[JOBS], TEXT).send(site.mx.port());
    let (karriere, other) = probe(&site, 2, KARRIERE);
    Mail::new(&other, &[KARRIERE], TEXT).send(site.mx.port());
    site.settle();
    for probe in [jobs, karriere] {
        assert_eq!(journal(&site, probe), ["diverted", "probe-arrived"]);
    }
    assert_eq!((site.mx.delivery_count(), site.ats.delivery_count()), (0, 0));
    // Somebody has seen the sender and uses it: his mail is in the mailbox that it was meant for.
    Mail::new(&from, &[JOBS], "Subject: mine\r\n\r\nHello\r\n").send(site.mx.port());
    // Somebody makes one up, or uses it for another address: mail as any other.
    Mail::new(&from.replace("+8", "+8a"), &[JOBS], TEXT).send(site.mx.port());
    Mail::new(&other, &[JOBS], TEXT).send(site.mx.port());
    site.settle();
    let local = site.mx.maildir(JOBS);
    assert_eq!(local.len(), 3);
    assert!(local.iter().any(|mail| mail.text().contains("Subject: mine")));
    site.daemon.wait_for_log("action=returned");
    assert_eq!(journal(&site, jobs).len(), 3, "pass 1 cannot know that it was used");
    assert_eq!(site.mx.report_records(), Vec::<std::path::PathBuf>::new());
}

#[test]
fn a_probe_that_the_milter_does_not_know_lies_in_no_mailbox_and_is_no_application() {
    let site = Site::start();
    let config = config::load(&site.config).unwrap().config;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let sender = |key: (u8, u8), seconds_ago: u64| {
        let id = TokenId { time: u32::try_from(now - seconds_ago).unwrap(), nonce: *b"abcdef" };
        let keys = match key {
            (1, 0) => config.keys.clone(),
            (id, octet) => Keys::new(vec![(id, vec![octet; 32])]).unwrap(),
        };
        let probe = Probe::new(id, &Address::parse(JOBS).unwrap());
        probe.sender(&config.rules, &keys).unwrap().to_string()
    };
    for (what, from) in [
        ("signed with the next key", sender((2, 2), 0)),
        ("signed with another key of the same number", sender((1, 7), 0)),
        ("two days on its way", sender((1, 0), 2 * 86_400)),
    ] {
        for to in [JOBS, KARRIERE] {
            let reply = Mail::new(&from, &[to], TEXT).try_send(site.mx.port()).unwrap();
            let text = reply.to_string();
            assert!(text.starts_with("550 5.7.1 Sender is for test mail"), "{what}: {text}");
        }
        // What sendmail(1) gives is taken before anybody is asked, and comes back to where nobody reads.
        site.mx.sendmail(&from, &[JOBS], TEXT.as_bytes());
    }
    site.daemon.wait_for_log("reason=unknown-probe");
    site.settle();
    assert_eq!((site.mx.delivery_count(), site.ats.delivery_count()), (0, 0));
    // Whoever has nothing to do with us is not looked at.
    Mail::new(&sender((2, 2), 0), &[BOB], TEXT).send(site.mx.port());
    site.mx.wait_for_mail(BOB, 1);
}

#[test]
fn a_probe_that_goes_through_arrives_and_its_report_comes_back() {
    let config = "[verify]\nprobes = \"through\"\n".to_owned();
    let site = Site::with(Setup { config, ..Setup::default() });
    let (probe, from) = probe(&site, 1, KARRIERE);
    Mail::new(&from, &[KARRIERE], TEXT).send(site.mx.port());
    site.settle();
    let arrived = site.inbound();
    assert_eq!(arrived.len(), 1);
    assert!(arrived[0].text().contains("X-Recruiting-Kind: probe\n"), "{}", arrived[0].text());
    assert_eq!(journal(&site, probe), ["diverted", "handed-over"]);
    site.daemon.wait_for_log("action=report, outcome=relayed");
    assert_eq!((site.mx.delivery_count(), site.ats.delivery_count()), (0, 1));
    assert_eq!(site.mx.maildir(HR).len(), 0);
}

#[test]
fn what_comes_back_to_a_probe_is_journalled_and_bothers_nobody() {
    let site = Site::start();
    let (probe, from) = probe(&site, 1, JOBS);
    // To an address that Postfix takes and cannot deliver to, as where an alias has lost its target.
    site.mx.sendmail(&from, &["nobody@acme.example"], TEXT.as_bytes());
    site.settle();
    let lines = site.journal();
    let mine = lines.iter().filter(|line| line.contains(&probe.id.to_string()));
    let mine: Vec<&String> = mine.collect();
    assert_eq!(mine.len(), 1, "{lines:?}");
    assert!(mine[0].contains("\"action\":\"report\"") && mine[0].contains("\"report\":\"failed\""));
    assert_eq!(site.mx.delivery_count(), 0);
    assert!(fs::read_to_string(site.daemon.log_file()).unwrap().contains("outcome=failed"));
}
