//! Whatever becomes of the ledger, mail does not notice, and the ledger catches up.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use recruit_milter::config;
use recruit_milter::ledger::{self, Access, Filter};
use recruit_milter::policy::outcome::Outcome;
use rusqlite::Connection;

use crate::harness::site::{BOB, ERIKA, JOBS, Setup, without_ours};
use crate::harness::{LIMIT, Mail, Site, locks, wait_until, within};

const MESSAGE: &str = "From: erika@example.org\r\nSubject: x\r\nMessage-ID: <1@x>\r\n\r\nHello\r\n";

/// A way to break it, and to mend it.
struct Fault {
    what: &'static str,
    breaks: fn(&mut Site) -> Broken,
    /// Whether the ledger has all of it afterwards. If not, it says so.
    catches_up: bool,
    /// What the log says, if anything.
    logs: &'static str,
}

/// What mends it again.
type Broken = Box<dyn FnOnce()>;

fn file(site: &Site) -> PathBuf {
    site.scratch().join("state/ledger.sqlite")
}

fn in_place_of(path: &Path, make: impl FnOnce(&Path)) -> Broken {
    let (path, hidden) = (path.to_owned(), path.with_extension("hidden"));
    fs::rename(&path, &hidden).unwrap();
    make(&path);
    Box::new(move || {
        let gone = if path.is_dir() { fs::remove_dir(&path) } else { fs::remove_file(&path) };
        gone.unwrap();
        fs::rename(hidden, path).unwrap();
    })
}

const FAULTS: &[Fault] = &[
    Fault { what: "none", breaks: |_| Box::new(|| ()), catches_up: true, logs: "" },
    Fault {
        what: "locked",
        breaks: |site| {
            let connection = Connection::open(file(site)).unwrap();
            connection.execute_batch("BEGIN EXCLUSIVE").unwrap();
            Box::new(move || drop(connection))
        },
        catches_up: true,
        logs: "the ledger is locked",
    },
    Fault {
        what: "slow by seconds",
        breaks: |site| {
            let path = file(site);
            let slow = Arc::new(AtomicBool::new(true));
            let mended = Arc::clone(&slow);
            let others = thread::spawn(move || {
                let connection = Connection::open(path).unwrap();
                connection.busy_timeout(LIMIT).unwrap();
                while slow.load(Ordering::Relaxed) {
                    connection.execute_batch("BEGIN EXCLUSIVE").unwrap();
                    thread::sleep(Duration::from_secs(3));
                    connection.execute_batch("COMMIT").unwrap();
                    thread::sleep(Duration::from_millis(300));
                }
            });
            Box::new(move || {
                mended.store(false, Ordering::Relaxed);
                others.join().unwrap();
            })
        },
        catches_up: true,
        logs: "",
    },
    Fault {
        what: "corrupt",
        breaks: |site| {
            // With its write-ahead log, which alone could still be right.
            for suffix in ["", "-wal"] {
                let mut name = file(site).into_os_string();
                name.push(suffix);
                let length = fs::metadata(&name).map_or(0, |m| m.len());
                let length = usize::try_from(length).unwrap().max(4096);
                fs::write(&name, "damaged ".repeat(length / 8)).unwrap();
            }
            Box::new(|| ())
        },
        catches_up: true,
        logs: "alarm=ledger-damaged",
    },
    Fault {
        what: "of a later version",
        breaks: |site| {
            let connection = Connection::open(file(site)).unwrap();
            connection.execute_batch("UPDATE meta SET value = 99").unwrap();
            Box::new(move || connection.execute_batch("UPDATE meta SET value = 1").unwrap())
        },
        catches_up: true,
        logs: "tables are of version 99",
    },
    Fault {
        what: "on a full disk",
        breaks: |site| {
            let folder = site.scratch().join("small");
            let _ = fs::create_dir(&folder);
            let options = ["-t", "tmpfs", "-o", "size=64k", "tmpfs"];
            assert!(Command::new("mount").args(options).arg(&folder).status().unwrap().success());
            fs::write(folder.join("filler"), vec![0; 60 << 10]).unwrap();
            let mend = in_place_of(&file(site), |path| {
                std::os::unix::fs::symlink(folder.join("ledger.sqlite"), path).unwrap();
            });
            Box::new(move || {
                assert!(Command::new("umount").arg(&folder).status().unwrap().success());
                mend();
            })
        },
        catches_up: true,
        logs: "alarm=ledger",
    },
    Fault {
        what: "with a journal that cannot be written",
        breaks: |site| {
            let journal = site.scratch().join("state/journal");
            in_place_of(&journal, |path| fs::create_dir(path).unwrap())
        },
        catches_up: false,
        logs: "alarm=journal",
    },
];

/// Sends an application with a bystander; what the client was told, and what arrived.
fn exchange(site: &Site) -> (Vec<String>, Vec<Vec<u8>>) {
    site.ats.clear_deliveries();
    site.mx.clear_deliveries();
    let said = Mail::new(ERIKA, &[JOBS, BOB], MESSAGE).try_send(site.mx.port()).unwrap();
    let refused = Mail::new(ERIKA, &["nobody@acme.example"], MESSAGE).try_send(site.mx.port());
    let replies = [said, refused.unwrap()];
    // Queue IDs differ each time.
    let replies = replies.map(|reply| {
        let text = format!("{reply:?}");
        text.split("queued as").next().unwrap().to_owned()
    });
    site.settle();
    let of = |mails: Vec<crate::harness::Delivered>, hops| -> Vec<Vec<u8>> {
        mails.iter().map(|mail| without_ours(&mail.bytes, hops)).collect()
    };
    let arrived =
        [of(site.inbound(), 3), of(site.mx.maildir(JOBS), 1), of(site.mx.maildir(BOB), 1)];
    assert!(arrived.iter().all(|mails| mails.len() == 1), "{arrived:?}");
    (replies.into(), arrived.concat())
}

fn delivered(site: &Site) -> Result<usize, ledger::Error> {
    let config = config::load(&site.config).unwrap().config;
    let mut ledger = ledger::open(&config, Access::Read)?;
    let filter = Filter { states: vec![Outcome::Delivered], ..Filter::default() };
    ledger.copies(&filter).map(|copies| copies.len())
}

#[test]
fn mail_is_the_same_whatever_becomes_of_the_ledger() {
    let mut site =
        Site::with(Setup { config: "[verify]\nevery = \"off\"\n".into(), ..<_>::default() });
    let expected = exchange(&site);
    let mut sent = 1;
    wait_until("the ledger has it", LIMIT, || delivered(&site) == Ok(sent));
    for fault in FAULTS {
        // One that is just opening it could meet the fault itself, and be killed before it has told.
        wait_until("the agent has it open", LIMIT, || locks::held(site.daemon.pid(), &file(&site)));
        // The agent begins anew, so that it meets the fault whatever it had open.
        let log = site.daemon.log().len();
        let mend = (fault.breaks)(&mut site);
        site.daemon.kill();
        site.daemon.start();
        assert_eq!(exchange(&site), expected, "{}", fault.what);
        sent += usize::from(fault.catches_up);
        if !fault.logs.is_empty() {
            let told = || site.daemon.log()[log..].contains(fault.logs).then_some(());
            let said = || format!("{} is not told:\n{}", fault.what, &site.daemon.log()[log..]);
            assert!(within(LIMIT, told).is_some(), "{}", said());
        }
        // What it has open on a disk of its own would keep that disk. Not killed: the last lines of the
        // journal are in its memory for a moment.
        assert!(site.daemon.stop().success());
        mend();
        site.daemon.start();
        let until = std::time::Instant::now() + 2 * LIMIT;
        while delivered(&site) != Ok(sent) {
            let now = delivered(&site);
            let log = &site.daemon.log()[log..];
            assert!(
                std::time::Instant::now() < until,
                "the ledger that was {} has {now:?} of {sent}:\n{log}",
                fault.what
            );
            thread::sleep(Duration::from_millis(50));
        }
    }
    // Without an agent there is none to be asked, and mail goes on.
    assert!(site.daemon.stop().success());
    site.daemon.only("milter");
    site.daemon.start();
    assert_eq!(exchange(&site), expected);
    let mut agent = site.agent();
    agent.start();
    wait_until("an agent that comes later reads it", LIMIT, || delivered(&site) == Ok(sent + 1));
    thread::sleep(Duration::from_millis(10));
    assert!(agent.stop().success());
}
