//! Several hosts on one ledger: whoever is killed whenever, no entry is lost or doubled.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use recruit_milter::config;
use recruit_milter::journal::{Action, Entry, Journal, Pass};
use recruit_milter::ledger::{self, Access, EventFilter, Filter};
use recruit_milter::policy::outcome::Outcome;
use recruit_milter::policy::report::Said;
use rustix::process::Signal;

use super::entry;
use crate::harness::daemon::{Daemon, command};
use crate::harness::postgresql::Postgresql;
use crate::harness::site::{ERIKA, JOBS, Setup};
use crate::harness::{LIMIT, Mail, Scratch, Site, wait_until};

/// How many copies each host makes.
const COPIES: i64 = 600;

/// A host: its journal, and an agent that reads it.
struct Host {
    name: &'static str,
    config: PathBuf,
    state: PathBuf,
    agent: Daemon,
}

fn host(scratch: &Scratch, name: &'static str, url: &str) -> Host {
    let folder = scratch.join(name);
    let state = folder.join("state");
    fs::create_dir_all(&state).unwrap();
    let config = folder.join("recruit-milter.toml");
    let text = format!(
        "state_dir = \"{0}\"\n\
         [milter]\nfront = \"unix:{1}/f\"\nsubmission = \"unix:{1}/s\"\nhandoff = \"unix:{1}/h\"\n\
         [system.personio]\ninbound = \"in@ats.example\"\naddresses = [\"jobs@acme.example\"]\n\
         [ledger]\ndatabase = \"{url}\"\nhost = \"{name}\"\n[verify]\nevery = \"off\"\n",
        state.display(),
        folder.display()
    );
    fs::write(&config, text).unwrap();
    crate::harness::daemon::succeed(&["init-key", "--config", config.to_str().unwrap()]);
    let mut agent = Daemon::new(&config, Vec::new());
    agent.only("agent");
    Host { name, config, state, agent }
}

impl Host {
    /// Half of each copy's life is here, the other half at the other host.
    fn write(&self, journal: &Journal, from: i64, to: i64) {
        for n in from..to {
            let own = format!("{}aaaa{n:04}", self.name);
            let other = if self.name == "mxa" { "mxb" } else { "mxa" };
            let front = entry(&own, n, Pass::Front, Action::Copy(Outcome::Diverted));
            let handoff = entry(&own, n + 1, Pass::Handoff, Action::Copy(Outcome::HandedOver));
            let mut report =
                entry(&format!("{other}aaaa{n:04}"), n + 2, Pass::Handoff, Action::Report);
            report.report = Some(Said::Relayed);
            for entry in [front, handoff, report] {
                journal.record(entry);
            }
        }
    }
}

/// Two whole companies' servers: real mail, and the daemons killed under it.
#[test]
fn two_mx_hosts_with_real_mail_share_a_ledger() {
    let scratch = Scratch::new();
    let mut server = Postgresql::start(&scratch);
    let mut sites = ["mxa", "mxb"].map(|name| {
        let config = format!(
            "[ledger]\ndatabase = \"{}\"\nhost = \"{name}\"\n[verify]\nevery = \"off\"\n",
            server.url()
        );
        Site::with(Setup { config, ..Setup::default() })
    });
    let mails = 12;
    for number in 0..mails {
        for site in &mut sites {
            let text = format!("From: {ERIKA}\r\nMessage-ID: <{number}@x>\r\n\r\nHello\r\n");
            let mail = Mail::new(ERIKA, &[JOBS], text);
            if number % 3 == 1 {
                site.daemon.kill();
                site.daemon.start();
            }
            // A client tries again.
            wait_until("it is taken", LIMIT, || {
                mail.try_send(site.mx.port()).is_ok_and(|r| r.is_ok())
            });
        }
        if number == mails / 2 {
            server.kill();
            std::thread::sleep(Duration::from_millis(500));
            server.run();
        }
    }
    for site in &sites {
        wait_until("all copies arrive", LIMIT, || {
            site.mx.flush();
            site.inbound().len() == mails
        });
        site.settle();
    }
    let config = config::load(&sites[0].config).unwrap().config;
    let mut ledger = ledger::open(&config, Access::Read).unwrap();
    let lines: usize = sites.iter().map(|site| site.journal().len()).sum();
    wait_until("all is read", LIMIT, || {
        ledger.events(&EventFilter::default()).unwrap().len() == lines
    });
    // A daemon that is killed may have had the last line of a copy's life in its memory: the ledger has
    // what the journals have.
    let copies = ledger.copies(&Filter::default()).unwrap();
    let delivered = copies.iter().filter(|copy| copy.state == Outcome::Delivered).count();
    assert!(copies.len() <= 2 * mails && delivered > mails, "{delivered} of {}", copies.len());
    // Either host tells of both.
    let args = ["status", "--json", "--config", sites[1].config.to_str().unwrap()];
    let json: serde_json::Value = serde_json::from_slice(&command(&args).stdout).unwrap();
    assert_eq!(json[0]["delivered"], delivered);
}

#[test]
fn two_hosts_share_a_ledger_and_nothing_is_lost_or_doubled_whoever_dies() {
    let scratch = Scratch::new();
    let mut server = Postgresql::start(&scratch);
    let mut hosts = ["mxa", "mxb"].map(|name| host(&scratch, name, &server.url()));
    let journals = [0, 1].map(|at: usize| Journal::open(&hosts[at].state, 64 << 10, 100));
    for host in &mut hosts {
        host.agent.start();
    }
    let rounds = 12;
    for round in 0..rounds {
        let (from, to) = (COPIES * round / rounds, COPIES * (round + 1) / rounds);
        for (host, journal) in hosts.iter().zip(&journals) {
            host.write(journal, from, to);
        }
        std::thread::sleep(Duration::from_millis(150 + 130 * u64::try_from(round % 4).unwrap()));
        match round % 4 {
            0 => {
                hosts[0].agent.kill();
                hosts[0].agent.start();
            }
            1 => {
                hosts[1].agent.kill();
                hosts[1].agent.start();
            }
            2 => {
                server.kill();
                std::thread::sleep(Duration::from_millis(300));
                server.run();
            }
            _ => {
                hosts[0].agent.signal(Signal::STOP);
                std::thread::sleep(Duration::from_millis(300));
                hosts[0].agent.signal(Signal::CONT);
            }
        }
    }
    for journal in &journals {
        assert!(journal.close(LIMIT));
        assert_eq!(journal.lost(), 0);
    }
    let config = config::load(&hosts[0].config).unwrap().config;
    let mut ledger = ledger::open(&config, Access::Read).unwrap();
    let expected = u64::try_from(COPIES * 3).unwrap();
    wait_until("all is read", 3 * LIMIT, || {
        let state = ledger.state().unwrap();
        state.hosts.len() == 2 && state.hosts.iter().all(|host| host.entries >= expected)
    });
    let mut seen: HashMap<(String, Option<String>, Action), u32> = HashMap::new();
    for (host, entry) in ledger.events(&EventFilter::default()).unwrap() {
        let Entry { token, action, .. } = entry;
        *seen.entry((host, token, action)).or_default() += 1;
    }
    assert_eq!(seen.len() as u64, 2 * expected, "nothing is lost");
    assert_eq!(seen.values().max(), Some(&1), "nothing is doubled");
    let copies = ledger.copies(&Filter::default()).unwrap();
    assert_eq!(i64::try_from(copies.len()), Ok(2 * COPIES));
    let unsettled: Vec<_> = copies.iter().filter(|copy| copy.state != Outcome::Delivered).collect();
    assert!(unsettled.is_empty(), "{unsettled:?}");
    for host in &mut hosts {
        assert!(host.agent.stop().success());
    }
}
