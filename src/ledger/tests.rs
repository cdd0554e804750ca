//! The ledger in an SQLite file. The same statements on PostgreSQL are tried in `tests/it`.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;

use super::*;
use crate::config::Config;
use crate::journal::{Action, Entry, Journal, Lost, Pass, Position, Record, replay};
use crate::policy::outcome::Outcome;
use crate::policy::report::Said;

const HOST: &str = "mx1";

/// A configuration with its ledger in a folder.
fn config(folder: &Path) -> Config {
    let text = format!(
        "state_dir = {folder:?}\n[system.personio]\ninbound = \"in@ats.example\"\n\
         addresses = [\"jobs@acme.example\"]\n[ledger]\nhost = \"{HOST}\"\n"
    );
    crate::config::parse(&[("recruit-milter.toml".into(), text)]).unwrap().config
}

struct Scene {
    config: Config,
    ledger: Ledger,
    folder: TempDir,
}

fn scene() -> Scene {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path());
    let ledger = open(&config, Access::Write).unwrap();
    Scene { config, ledger, folder }
}

fn time(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_500_000 + second).unwrap()
}

fn entry(token: &str, second: i64, pass: Pass, action: Action) -> Entry {
    Entry {
        token: Some(token.into()),
        address: Some("jobs@acme.example".into()),
        system: Some("personio".into()),
        queue_id: Some(format!("Q{second}")),
        ..Entry::new(time(second), pass, action)
    }
}

fn life(token: &str, second: i64) -> Vec<Record> {
    let mut front = entry(token, second, Pass::Front, Action::Copy(Outcome::Diverted));
    front.subjects = vec!["erika".into()];
    front.sender = Some("h:erika".into());
    let mut handoff = entry(token, second + 1, Pass::Handoff, Action::Copy(Outcome::HandedOver));
    handoff.kind = Some("application".into());
    handoff.message = Some("mid".into());
    let mut report = entry(token, second + 2, Pass::Handoff, Action::Report);
    report.report = Some(Said::Relayed);
    report.reply = Some("250 taken".into());
    report.queue_id = None;
    [front, handoff, report].map(|entry| Record::Entry(Box::new(entry))).into()
}

/// Positions as a journal has them.
fn positions(count: usize) -> Vec<Position> {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path(), 1 << 20, 1);
    for _ in 0..count {
        journal.record(Entry::new(time(0), Pass::Front, Action::Copy(Outcome::Diverted)));
    }
    assert!(journal.close(std::time::Duration::from_secs(5)));
    replay(folder.path(), None).filter_map(|(position, _)| position).collect()
}

#[test]
fn each_line_is_taken_once_and_in_its_place() {
    let Scene { mut ledger, folder: _folder, .. } = scene();
    let [one, two] = positions(2)[..] else { panic!("two positions") };
    assert_eq!(ledger.position(HOST), Ok(None));
    ledger.apply(HOST, None, &one, &life("aaaa", 0)).unwrap();
    assert_eq!(ledger.position(HOST), Ok(Some(one)));
    // Read again by somebody who does not know.
    assert_eq!(ledger.apply(HOST, None, &one, &life("aaaa", 0)), Err(Error::Overtaken));
    ledger.apply(HOST, Some(&one), &two, &life("bbbb", 60)).unwrap();
    let copies = ledger.copies(&Filter::default()).unwrap();
    let seen: Vec<_> = copies.iter().map(|copy| (copy.token.as_str(), copy.state)).collect();
    assert_eq!(seen, [("aaaa", Outcome::Delivered), ("bbbb", Outcome::Delivered)]);
    assert_eq!(copies[0].queue_ids, ["Q0", "Q1"]);
    assert_eq!(copies[0].reply.as_deref(), Some("250 taken"));
    let actions: Vec<_> = ledger.entries("aaaa").unwrap().iter().map(|(_, e)| e.action).collect();
    assert_eq!(
        actions,
        [Action::Copy(Outcome::Diverted), Action::Copy(Outcome::HandedOver), Action::Report]
    );
    assert_eq!(ledger.state().unwrap().hosts[0].entries, 6);
}

#[test]
fn a_copy_is_found_by_whatever_names_it() {
    let Scene { mut ledger, folder: _folder, .. } = scene();
    let place = positions(1)[0];
    let records = [life("aaaa", 0), life("bbbb", 60)].concat();
    ledger.apply(HOST, None, &place, &records).unwrap();
    let mut find = |needle| -> Vec<String> {
        ledger.find(&needle).unwrap().into_iter().map(|copy| copy.token).collect()
    };
    assert_eq!(find(Needle::Token("bbbb".into())), ["bbbb"]);
    assert_eq!(find(Needle::QueueId("Q61".into())), ["bbbb"]);
    assert_eq!(find(Needle::Subject(vec!["erika".into()])), ["aaaa", "bbbb"]);
    assert_eq!(find(Needle::Message(vec!["other".into(), "mid".into()])), ["aaaa", "bbbb"]);
    assert_eq!(find(Needle::Subject(vec!["eve".into()])), [""; 0]);
    let filter = |change: fn(&mut Filter)| {
        let mut filter = Filter::default();
        change(&mut filter);
        filter
    };
    for (filter, expected) in [
        (filter(|f| f.address = Some("jobs@acme.example".into())), 2),
        (filter(|f| f.address = Some("@acme.example".into())), 2),
        (filter(|f| f.address = Some("@a_me.example".into())), 0),
        (filter(|f| f.address = Some("jobs@ACME.example".into())), 2),
        (filter(|f| f.kind = Some("spam".into())), 0),
        (filter(|f| f.states = vec![Outcome::Failed, Outcome::Delivered]), 2),
        (filter(|f| f.states = vec![Outcome::Failed]), 0),
        (filter(|f| f.since = Some(time(60))), 1),
        (filter(|f| f.until = Some(time(60))), 1),
        (filter(|f| f.changed_after = Some(time(2))), 1),
        (filter(|f| f.limit = Some(1)), 1),
    ] {
        assert_eq!(ledger.copies(&filter).unwrap().len(), expected, "{filter:?}");
    }
}

#[test]
fn the_summary_counts_by_state_and_knows_the_last_of_each() {
    let Scene { mut ledger, folder: _folder, .. } = scene();
    let waiting =
        Record::Entry(Box::new(entry("cccc", 90, Pass::Front, Action::Copy(Outcome::Diverted))));
    let mut failed = entry("dddd", 91, Pass::Handoff, Action::Report);
    failed.report = Some(Said::Failed);
    let mut probe = entry("eeee", 99, Pass::Front, Action::Copy(Outcome::Diverted));
    probe.probe = Some("p".into());
    let more = [waiting, Record::Entry(Box::new(failed)), Record::Entry(Box::new(probe))];
    let records = [life("aaaa", 0), life("bbbb", 60), more.into()].concat();
    ledger.apply(HOST, None, &positions(1)[0], &records).unwrap();
    let summary = ledger.summary(time(30)).unwrap();
    assert_eq!(
        summary,
        [Summary {
            address: "jobs@acme.example".into(),
            counts: vec![(Outcome::Diverted, 1), (Outcome::Delivered, 1), (Outcome::Failed, 1)],
            waiting: Some((2, time(90))),
            last_application: Some(time(91)),
            last_delivered: Some(time(62)),
            last_failed: Some(time(91)),
        }]
    );
    let probes = EventFilter { probes: true, ..EventFilter::default() };
    assert_eq!(ledger.events(&probes).unwrap().len(), 1);
}

#[test]
fn copies_that_are_not_through_pass_2_are_known() {
    let Scene { mut ledger, folder: _folder, .. } = scene();
    let one = |token: &str, second, action: Action| {
        let pass =
            if action == Action::Copy(Outcome::Diverted) { Pass::Front } else { Pass::Handoff };
        let mut entry = entry(token, second, pass, action);
        entry.queue_id = Some(format!("4X{token}{second}"));
        Record::Entry(Box::new(entry))
    };
    let mut probe = entry("pppp", 1, Pass::Front, Action::Copy(Outcome::Diverted));
    probe.probe = Some("p".into());
    // One waits, one is through, one was let go by pass 2 and refused behind it again and again.
    let mut records = vec![
        one("aaaa", 2, Action::Copy(Outcome::Diverted)),
        one("bbbb", 3, Action::Copy(Outcome::Diverted)),
    ];
    records.extend([
        one("bbbb", 4, Action::Copy(Outcome::HandedOver)),
        one("cccc", 5, Action::Copy(Outcome::Diverted)),
    ]);
    records.extend([6, 7, 8].map(|second| one("cccc", second, Action::Copy(Outcome::HandedOver))));
    records
        .extend([one("dddd", 90, Action::Copy(Outcome::Diverted)), Record::Entry(Box::new(probe))]);
    ledger.apply(HOST, None, &positions(1)[0], &records).unwrap();
    let mut stuck = |before| ledger.not_through(time(before)).unwrap();
    assert_eq!(stuck(2), []);
    assert_eq!(stuck(60), [("jobs@acme.example".into(), 2, time(2))]);
    assert_eq!(stuck(91), [("jobs@acme.example".into(), 3, time(2))]);
    // Nobody tries it any more: it is through, and waits for the recruiting system.
    assert_eq!(stuck(10 + 7200), [("jobs@acme.example".into(), 2, time(2))]);
}

#[test]
fn what_is_too_old_goes_and_with_it_the_key_of_its_time() {
    let Scene { mut ledger, folder: _folder, .. } = scene();
    let records = [life("aaaa", 0), life("bbbb", 1000)].concat();
    ledger.apply(HOST, None, &positions(1)[0], &records).unwrap();
    assert_eq!(ledger.expire(time(500), 1), Ok(1));
    assert_eq!(ledger.copies(&Filter::default()).unwrap().len(), 1);
    while ledger.expire(time(500), 1).unwrap() > 0 {}
    assert_eq!(ledger.events(&EventFilter::default()).unwrap().len(), 3);
    assert_eq!(ledger.find(&Needle::Subject(vec!["erika".into()])).unwrap().len(), 1);
    // A key of another time: whoever has it cannot tell any more who was who.
    let later = millis(Timestamp::now());
    let engine = &mut *ledger.engine;
    engine.script("UPDATE hash_key SET begun = 5").unwrap();
    subject::Hasher::current(engine).unwrap();
    subject::Hasher::destroy_old(engine, later - 1000).unwrap();
    let count = |engine: &mut dyn Engine| {
        engine.rows("SELECT COUNT(*) FROM hash_key", &[]).unwrap()[0].int().unwrap()
    };
    assert_eq!(count(engine), 2, "the one before may still be in use");
    subject::Hasher::destroy_old(engine, later + 60_000).unwrap();
    assert_eq!(count(engine), 1);
    assert_eq!(ledger.find(&Needle::Subject(vec!["erika".into()])).unwrap(), []);
}

#[test]
fn somebody_can_be_forgotten() {
    let Scene { mut ledger, config, folder: _folder } = scene();
    ledger.apply(HOST, None, &positions(1)[0], &life("aaaa", 0)).unwrap();
    assert_eq!(ledger.erase(&["eve".into()]), Ok(0));
    assert_eq!(ledger.erase(&["erika".into()]), Ok(1));
    assert_eq!(ledger.find(&Needle::Subject(vec!["erika".into()])).unwrap(), []);
    assert_eq!(ledger.find(&Needle::Message(vec!["mid".into()])).unwrap(), []);
    let copy = &ledger.copies(&Filter::default()).unwrap()[0];
    assert_eq!((copy.sender.as_ref(), copy.state), (None, Outcome::Delivered));
    for (_, entry) in ledger.entries("aaaa").unwrap() {
        assert_eq!((entry.sender, entry.reply), (None, None));
    }
    drop(ledger);
    let file = std::fs::read(file_of(&config).unwrap()).unwrap();
    assert!(!file.windows(7).any(|part| part == b"h:erika"), "nothing is left in the file");
}

#[test]
fn a_ledger_is_private_to_its_owner_and_says_what_it_is_not() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path());
    assert!(matches!(open(&config, Access::Read), Err(Error::Missing(_))));
    drop(open(&config, Access::Write).unwrap());
    let file = file_of(&config).unwrap();
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let mut reader = open(&config, Access::Read).unwrap();
    let refused = reader.record(HOST, &Entry::new(time(0), Pass::Agent, Action::Resent));
    assert!(matches!(refused, Err(Error::NotPermitted(_))), "{refused:?}");
    let mut writer = open(&config, Access::Write).unwrap();
    writer.engine.script("UPDATE meta SET value = 99").unwrap();
    let too_new = Error::TooNew { found: 99, known: schema::VERSION };
    assert_eq!(open(&config, Access::Write).unwrap_err(), too_new);
    assert_eq!(open(&config, Access::Read).unwrap_err(), too_new);
    drop((reader, writer));
    std::fs::write(&file, "no database at all, but long enough to look like one".repeat(99))
        .unwrap();
    assert!(matches!(open(&config, Access::Write), Err(Error::Damaged(_))));
    let aside = set_aside(&file).unwrap();
    assert!(aside.exists() && !file.exists());
    drop(open(&config, Access::Write).unwrap());
}

#[test]
fn lost_lines_are_counted() {
    let Scene { mut ledger, folder: _folder, .. } = scene();
    let lost = Record::Lost(Lost { time: time(0), lost: 17 });
    ledger.apply(HOST, None, &positions(1)[0], &[lost]).unwrap();
    assert_eq!(ledger.state().unwrap().hosts[0].lost, 17);
    let hour = SignedDuration::from_hours(1);
    assert!(ledger.state().unwrap().hosts[0].updated > Timestamp::now() - hour);
}

#[test]
fn a_writer_notices_that_its_files_are_not_those_that_others_open() {
    let aside = |file: &Path, suffix: &str| {
        let mut name = file.as_os_str().to_owned();
        name.push(suffix);
        std::fs::rename(&name, file.with_file_name("aside")).unwrap();
    };
    for suffix in ["", "-wal", "-shm"] {
        let Scene { mut ledger, config, folder: _folder } = scene();
        ledger.apply(HOST, None, &positions(1)[0], &life("aaaa", 0)).unwrap();
        assert!(ledger.is_in_place());
        drop((open(&config, Access::Write).unwrap(), open(&config, Access::Read).unwrap()));
        assert!(ledger.is_in_place(), "others only came and went");
        aside(&file_of(&config).unwrap(), suffix);
        assert!(!ledger.is_in_place(), "{suffix:?} is gone");
        drop(ledger);
        let mut ledger = open(&config, Access::Write).unwrap();
        assert!(ledger.is_in_place());
        let copies = ledger.copies(&Filter::default()).unwrap().len();
        // Without its log it may be behind; then so is its position.
        assert_eq!(copies == 1, ledger.position(HOST).unwrap().is_some(), "{suffix:?}");
    }
}
