//! What others see in the ledger is what the agent writes: after its rounds, however many look, and when
//! somebody takes the files away under it.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use recruit_milter::journal::{Action, Entry, Pass};
use recruit_milter::ledger::{self, Access};

use super::{HOST, config, life, positions, records, time};
use crate::harness::daemon::{Daemon, command};
use crate::harness::site::{ERIKA, JOBS, KARRIERE, Setup};
use crate::harness::{LIMIT, Mail, Scratch, Site, locks, process, wait_until};

/// The agent's first round is a minute after its start.
const ROUND: Duration = Duration::from_secs(150);

/// A file of the ledger.
fn part(ledger: &Path, suffix: &str) -> PathBuf {
    let mut name = ledger.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// What the system's own SQLite says, in a process that opens the ledger and closes it.
fn sqlite(ledger: &Path, sql: &str) -> String {
    let mut shell = Command::new("sqlite3");
    let output = process::output(shell.arg(ledger).arg(".timeout 5000").arg(sql), b"");
    assert!(output.status.success(), "{sql}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// How many copies of mail `list` knows, in a process of its own.
fn listed(config: &Path) -> usize {
    let output = command(&["list", "--config", config.to_str().unwrap(), "--json"]);
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter(|line| line.contains("\"probe\":null")).count()
}

#[test]
fn a_process_that_opens_the_ledger_again_keeps_its_locks_and_others_see_what_it_writes() {
    let scratch = Scratch::new();
    let config = config(scratch.path(), "ledger.sqlite", HOST);
    let file = ledger::file_of(&config).unwrap();
    let [one, two] = positions(2)[..] else { panic!("two positions") };
    let mut keeper = ledger::open(&config, Access::Write).unwrap();
    keeper.apply(HOST, None, &one, &records(life("aaaa", 0))).unwrap();
    assert!(locks::held(std::process::id(), &file));
    // As a round of the agent does while its books are open.
    let changed = Entry::new(time(5), Pass::Agent, Action::Changed);
    ledger::open(&config, Access::Write).unwrap().record(HOST, &changed).unwrap();
    drop(ledger::open(&config, Access::Read).unwrap());
    assert!(locks::held(std::process::id(), &file), "closing another connection takes none away");
    let count = "SELECT count(*) FROM copy";
    assert_eq!(sqlite(&file, count), "1");
    for suffix in ["-wal", "-shm"] {
        assert!(part(&file, suffix).exists(), "whoever looks leaves {suffix} alone");
    }
    keeper.apply(HOST, Some(&one), &two, &records(life("bbbb", 60))).unwrap();
    assert_eq!(sqlite(&file, count), "2");
    assert!(keeper.is_in_place());
}

/// The scene with the agent in a process of its own.
struct Scene {
    site: Site,
    agent: Daemon,
    sent: usize,
}

impl Scene {
    fn start(config: &str) -> Self {
        let mut site = Site::prepare(Setup { config: config.into(), ..Setup::default() });
        site.daemon.only("milter");
        site.run();
        let mut agent = site.agent();
        agent.start();
        Self { site, agent, sent: 0 }
    }

    fn file(&self) -> PathBuf {
        self.site.scratch().join("state/ledger.sqlite")
    }

    /// Sends an application; then those who look see all so far.
    #[track_caller]
    fn send(&mut self, what: &str) {
        let text = format!("From: {ERIKA}\r\nSubject: {what}\r\n\r\nHello\r\n");
        Mail::new(ERIKA, &[JOBS], text).send(self.site.mx.port());
        self.site.settle();
        self.sent += 1;
        let sees = || listed(&self.site.config) == self.sent;
        if crate::harness::within(LIMIT, || sees().then_some(())).is_none() {
            let (now, log) = (listed(&self.site.config), self.agent.log());
            panic!("{what}: {now} of {} are seen\n{log}", self.sent);
        }
    }

    /// How far `status` is with an address: its state, and how many copies failed.
    fn status(&self, address: &str) -> (String, u64) {
        let config = self.site.config.to_str().unwrap();
        let output = command(&["status", address, "--config", config, "--json"]);
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        (json[0]["state"].as_str().unwrap().to_owned(), json[0]["failed"].as_u64().unwrap())
    }
}

#[test]
fn after_the_agents_rounds_those_who_look_see_what_comes() {
    let mut scene = Scene::start("");
    wait_until("there is a ledger", LIMIT, || scene.file().exists());
    scene.send("before the first round");
    let file = scene.file();
    assert!(locks::held(scene.agent.pid(), &file));
    // The round has opened the ledger for writing beside the books, several times.
    let probed = format!(
        "SELECT count(*) FROM event WHERE action = 'probe-sent' AND address = '{KARRIERE}'"
    );
    wait_until("a round", ROUND, || sqlite(&file, &probed) == "1");
    wait_until("its evidence", LIMIT, || scene.status(KARRIERE).0 == "verified");
    assert!(locks::held(scene.agent.pid(), &file), "{}", scene.agent.log());
    assert!(part(&file, "-wal").exists() && part(&file, "-shm").exists());
    scene.send("after it");
    // What matters most: that a copy failed.
    scene.site.ats.set(&[(
        "smtpd_recipient_restrictions",
        "check_client_access static:{550 5.7.1 No applications today}",
    )]);
    scene.site.ats.reload();
    scene.send("one that fails");
    wait_until("status knows", LIMIT, || scene.status(JOBS).1 == 1);
    assert_eq!(sqlite(&file, "PRAGMA integrity_check"), "ok");
    let log = scene.agent.log();
    assert!(!log.contains("alarm=ledger") && !log.contains("I/O error"), "{log}");
    assert!(scene.agent.stop().success());
}

/// What somebody does with the files.
struct Meddling {
    what: &'static str,
    does: fn(&Path),
}

const MEDDLING: &[Meddling] = &[
    Meddling {
        what: "log and index deleted",
        does: |file| {
            fs::remove_file(part(file, "-wal")).unwrap();
            fs::remove_file(part(file, "-shm")).unwrap();
        },
    },
    Meddling { what: "the file deleted", does: |file| fs::remove_file(file).unwrap() },
    Meddling {
        what: "all of it moved away",
        does: |file| {
            for suffix in ["", "-wal", "-shm"] {
                let from = part(file, suffix);
                fs::rename(&from, from.with_file_name(format!("away{suffix}"))).unwrap();
            }
        },
    },
    Meddling {
        what: "an older one put in its place",
        does: |file| {
            fs::remove_file(part(file, "-wal")).unwrap();
            fs::remove_file(part(file, "-shm")).unwrap();
            fs::rename(file.with_file_name("older"), file).unwrap();
        },
    },
];

#[test]
fn when_the_files_are_taken_away_under_the_agent_it_says_so_and_catches_up() {
    let mut scene = Scene::start("[verify]\nevery = \"off\"\n");
    wait_until("there is a ledger", LIMIT, || scene.file().exists());
    scene.send("first");
    let file = scene.file();
    sqlite(&file, &format!("VACUUM INTO '{}'", file.with_file_name("older").display()));
    for meddling in MEDDLING {
        scene.send("before");
        let log = scene.agent.log().len();
        (meddling.does)(&file);
        wait_until(meddling.what, LIMIT, || {
            scene.agent.log()[log..].contains("alarm=ledger-replaced")
        });
        scene.send(meddling.what);
        assert_eq!(sqlite(&file, "PRAGMA integrity_check"), "ok", "{}", meddling.what);
    }
    let log = scene.agent.log();
    assert_eq!(log.matches("alarm=ledger-replaced").count(), MEDDLING.len(), "{log}");
    assert!(!log.contains("alarm=ledger-damaged"), "{log}");
    assert!(scene.agent.stop().success());
}
