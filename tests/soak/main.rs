//! An hour of mail, and every second somebody who looks into the ledger: what is seen is never older than
//! what was sent, and in the end the ledger has the journal's lines, each once. `make acceptance`; the
//! minutes are the argument.
// SPDX-License-Identifier: GPL-3.0-or-later
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a soak that cannot go on shall stop at once"
)]

#[path = "../it/harness/mod.rs"]
mod harness;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use harness::daemon::{Daemon, command};
use harness::site::{ERIKA, JOBS, Setup};
use harness::{LIMIT, Mail, Port, Site, locks, process, wait_until};
use recruit_milter::config;
use recruit_milter::journal::{Entry, Pass, Record, replay};
use recruit_milter::ledger::{self, Access, EventFilter};

/// How often somebody looks; a mail comes every second time.
const LOOK: Duration = Duration::from_secs(1);
/// A mail that is sent is seen within so many looks.
const SEEN: usize = 30;

struct Soak {
    site: Site,
    agent: Daemon,
    metrics: Port,
    /// How many mails were sent at each look.
    sent: Vec<usize>,
    id: String,
    seen: usize,
    furthest: usize,
}

fn main() {
    let minutes = std::env::args().skip(1).find_map(|arg| arg.parse().ok()).unwrap_or(60);
    let metrics = Port::reserve();
    let config = format!("[metrics]\nlisten = \"127.0.0.1:{}\"\n", metrics.number());
    let mut site = Site::prepare(Setup { config, ..Setup::default() });
    site.daemon.only("milter");
    site.run();
    let mut agent = site.agent();
    agent.start();
    let mut soak =
        Soak { site, agent, metrics, sent: vec![], id: String::new(), seen: 0, furthest: 0 };
    wait_until("there is a ledger", LIMIT, || soak.file().exists());
    let begun = Instant::now();
    let end = begun + Duration::from_secs(60 * minutes);
    while Instant::now() < end {
        let next = Instant::now() + LOOK;
        soak.second();
        if soak.sent.len().is_multiple_of(60) {
            soak.tell(begun);
        }
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    soak.finish(begun);
}

impl Soak {
    fn file(&self) -> PathBuf {
        self.site.scratch().join("state/ledger.sqlite")
    }

    fn sends(&mut self, count: usize) {
        let text = format!(
            "From: Erika <{ERIKA}>\r\nTo: {JOBS}\r\nSubject: Application {count}\r\n\
             Message-ID: <{count}@example.org>\r\n\r\nHello\r\n"
        );
        let said = Mail::new(ERIKA, &[JOBS], text).send(self.site.mx.port());
        said.rsplit(' ').next().unwrap().trim().clone_into(&mut self.id);
    }

    /// A command of the program, as somebody types it.
    fn ask(&self, args: &[&str]) -> String {
        let config = self.site.config.to_str().unwrap();
        let output = command(&[args, &["--config", config]].concat());
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(error.is_empty(), "{args:?}: {error}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// What Debian's own SQLite says.
    fn sqlite(&self, sql: &str) -> String {
        let mut shell = Command::new("sqlite3");
        let output = process::output(shell.arg(self.file()).arg(".timeout 5000").arg(sql), b"");
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        assert!(output.status.success(), "{sql}: {text} {:?}", output.stderr);
        text
    }

    /// How many mails have a copy in the ledger, by one who has just come.
    fn look(&self, turn: usize) -> usize {
        let of_jobs = |line: &str| line.contains(JOBS) && line.contains("\"probe\":null");
        match turn % 4 {
            0 => {
                let text = self.ask(&["status", JOBS, "--json"]);
                let json: serde_json::Value = serde_json::from_str(&text).expect(&text);
                let count = |name: &str| json[0][name].as_u64().unwrap();
                let all = ["delivered", "handed_over", "waiting", "failed", "stayed"].map(count);
                usize::try_from(all.iter().sum::<u64>()).unwrap()
            }
            1 => {
                let text = self.ask(&["list", "--address", JOBS, "--json", "--limit", "100000"]);
                text.lines().filter(|line| of_jobs(line)).count()
            }
            2 => {
                assert_eq!(self.sqlite("PRAGMA quick_check"), "ok");
                let sql =
                    format!("SELECT count(*) FROM copy WHERE address = '{JOBS}' AND probe IS NULL");
                self.sqlite(&sql).parse().unwrap()
            }
            _ => {
                let mut metrics = TcpStream::connect(("127.0.0.1", self.metrics.number())).unwrap();
                let question =
                    b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
                metrics.write_all(question).unwrap();
                let mut text = String::new();
                metrics.read_to_string(&mut text).unwrap();
                assert!(text.contains("recruit_milter_ledger_up 1"), "{text}");
                drop(self.ask(&["trace", &self.id, "--lang", "en"]));
                self.seen
            }
        }
    }

    fn second(&mut self) {
        let turn = self.sent.len();
        let before = self.sent.last().copied().unwrap_or(0);
        let sent = before + usize::from(turn.is_multiple_of(2));
        if sent > before {
            self.sends(sent);
        }
        self.sent.push(sent);
        let seen = self.look(turn);
        assert!(seen >= self.seen, "{seen} seen, {} before\n{}", self.seen, self.agent.log());
        self.seen = seen;
        let behind = self.sent.iter().rev().take_while(|sent| **sent > seen).count();
        self.furthest = self.furthest.max(behind);
        let log = self.agent.log();
        assert!(behind <= SEEN, "{seen} of {sent} seen for {behind} looks\n{log}");
        assert!(locks::held(self.agent.pid(), &self.file()), "the agent has no lock\n{log}");
    }

    fn tell(&self, begun: Instant) {
        println!(
            "{:5.0?}: {} looks, {} mails sent, {} seen, at most {} looks behind",
            begun.elapsed(),
            self.sent.len(),
            self.sent.last().unwrap_or(&0),
            self.seen,
            self.furthest,
        );
    }

    /// Counts it all up.
    fn finish(mut self, begun: Instant) {
        let sent = self.sent.last().copied().unwrap_or(0);
        self.site.settle();
        wait_until("the ledger has all", LIMIT, || self.look(0) == sent);
        self.seen = sent;
        self.tell(begun);
        // Its last lines are in the milter's memory for a moment.
        assert!(self.site.daemon.stop().success());
        let config = config::load(&self.site.config).unwrap().config;
        let lines = replay(&config.state_dir, None).map(|(_, line)| line.unwrap());
        let lines = lines.map(|line| match line {
            Record::Entry(entry) => key(&entry),
            Record::Lost(lost) => panic!("{lost:?}"),
        });
        let mut lines: Vec<String> = lines.collect();
        lines.sort();
        let entries = || {
            let mut ledger = ledger::open(&config, Access::Read).unwrap();
            let events = ledger.events(&EventFilter::default()).unwrap();
            let ours = events.iter().filter(|(_, entry)| entry.pass != Pass::Agent);
            let mut keys: Vec<String> = ours.map(|(_, entry)| key(entry)).collect();
            keys.sort();
            (keys, events.len())
        };
        wait_until("the ledger has each line once", LIMIT, || entries().0 == lines);
        let log = self.agent.log();
        assert!(!log.contains("alarm=ledger") && !log.contains("I/O error"), "{log}");
        let check = self.sqlite("PRAGMA integrity_check");
        assert!(self.agent.stop().success());
        let after = self.sqlite("PRAGMA integrity_check");
        let (keys, all) = entries();
        println!(
            "{} lines in the journal, {} entries of them in the ledger, and {} of the agent's own; \
             integrity_check while it runs: {check}, afterwards: {after}; {} copies arrived",
            lines.len(),
            keys.len(),
            all - keys.len(),
            self.site.inbound().len(),
        );
        assert_eq!((check.as_str(), after.as_str()), ("ok", "ok"));
        assert_eq!(self.site.inbound().len(), sent);
        assert_eq!(keys, lines);
    }
}

/// What tells an entry from all others. Without hashes of people, which the ledger keeps elsewhere.
fn key(entry: &Entry) -> String {
    let Entry { time, pass, action, token, queue_id, address, report, .. } = entry;
    format!("{time} {pass:?} {action:?} {token:?} {queue_id:?} {address:?} {report:?}")
}
