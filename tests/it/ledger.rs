//! The ledger on both databases, with several hosts, and with everything wrong that can be.
// SPDX-License-Identifier: GPL-3.0-or-later

mod faults;
mod hosts;
mod stale;

use std::path::Path;

use jiff::Timestamp;
use recruit_milter::config::{self, Config};
use recruit_milter::journal::{Action, Entry, Journal, Lost, Pass, Position, Record, replay};
use recruit_milter::ledger::{self, Access, Error, EventFilter, Filter, Ledger, Needle, Summary};
use recruit_milter::policy::outcome::Outcome;
use recruit_milter::policy::report::Said;

use crate::harness::postgresql::Postgresql;
use crate::harness::{LIMIT, Scratch};

const HOST: &str = "mx1";

/// A configuration with a ledger.
fn config(state: &Path, database: &str, host: &str) -> Config {
    let text = format!(
        "state_dir = \"{}\"\n[system.personio]\ninbound = \"in@ats.example\"\n\
         addresses = [\"jobs@acme.example\"]\n\
         [ledger]\nhost = \"{host}\"\ndatabase = \"{database}\"\n",
        state.display()
    );
    config::parse(&[("recruit-milter.toml".into(), text)]).unwrap().config
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

/// The life of a copy.
fn life(token: &str, second: i64) -> Vec<Entry> {
    let mut front = entry(token, second, Pass::Front, Action::Copy(Outcome::Diverted));
    front.subjects = vec!["erika".into()];
    front.sender = Some("h:erika\0".into());
    let mut handoff = entry(token, second + 1, Pass::Handoff, Action::Copy(Outcome::HandedOver));
    handoff.kind = Some("application".into());
    handoff.message = Some("mid".into());
    handoff.size = Some(u64::MAX);
    let mut report = entry(token, second + 2, Pass::Handoff, Action::Report);
    report.report = Some(Said::Relayed);
    report.reply = Some("250 \"taken\"; it's ä".into());
    report.queue_id = None;
    vec![front, handoff, report]
}

fn records(entries: Vec<Entry>) -> Vec<Record> {
    entries.into_iter().map(|entry| Record::Entry(Box::new(entry))).collect()
}

/// Positions as a journal has them.
fn positions(count: usize) -> Vec<Position> {
    let scratch = Scratch::new();
    let journal = Journal::open(scratch.path(), 1 << 20, 1);
    for _ in 0..count {
        journal.record(Entry::new(time(0), Pass::Front, Action::Copy(Outcome::Diverted)));
    }
    assert!(journal.close(LIMIT));
    replay(scratch.path(), None).filter_map(|(position, _)| position).collect()
}

/// All that the ledger does, on one database.
fn battery(config: &Config) {
    assert!(matches!(ledger::open(config, Access::Read), Err(Error::Missing(_))));
    let mut ledger = ledger::open(config, Access::Write).unwrap();
    let [one, two, three] = positions(3)[..] else { panic!("three positions") };
    ledger.apply(HOST, None, &one, &records(life("aaaa", 0))).unwrap();
    assert_eq!(ledger.apply(HOST, None, &one, &records(life("aaaa", 0))), Err(Error::Overtaken));
    ledger.apply(HOST, Some(&one), &two, &records(life("bbbb", 60))).unwrap();
    assert_eq!(ledger.position(HOST), Ok(Some(two)));
    finds(&mut ledger);
    // Another host sees the report of a copy that this one has made.
    let mut report = entry("cccc", 99, Pass::Handoff, Action::Report);
    report.report = Some(Said::Failed);
    ledger.apply("mx2", None, &one, &records(vec![report])).unwrap();
    let front = entry("cccc", 90, Pass::Front, Action::Copy(Outcome::Diverted));
    let lost = Record::Lost(Lost { time: time(0), lost: 17 });
    let more = [records(vec![front]), vec![lost]].concat();
    ledger.apply(HOST, Some(&two), &three, &more).unwrap();
    let copy = &ledger.find(&Needle::Token("cccc".into())).unwrap()[0];
    assert_eq!((copy.state, copy.first), (Outcome::Failed, time(90)));
    let mut probe = Entry::new(time(95), Pass::Agent, Action::ProbeSent);
    probe.probe = Some("pppp".into());
    ledger.record(HOST, &probe).unwrap();
    let probes = EventFilter { probes: true, ..EventFilter::default() };
    assert_eq!(ledger.events(&probes).unwrap(), [(HOST.into(), probe)]);
    counts(&mut ledger);
    // A second connection, read only.
    let mut reader = ledger::open(config, Access::Read).unwrap();
    assert_eq!(reader.copies(&Filter::default()).unwrap().len(), 3);
    let refused = reader.erase(&["erika".into()]);
    assert!(matches!(refused, Err(Error::NotPermitted(_))), "{refused:?}");
    forgets(&mut ledger);
}

fn finds(ledger: &mut Ledger) {
    let copies = ledger.copies(&Filter::default()).unwrap();
    assert_eq!(copies.len(), 2);
    assert_eq!(copies[0].reply.as_deref(), Some("250 \"taken\"; it's ä"));
    assert_eq!(copies[0].sender.as_deref(), Some("h:erika\u{fffd}"));
    let actions = ledger.entries("aaaa").unwrap().into_iter().map(|(_, entry)| entry.action);
    let expected =
        [Action::Copy(Outcome::Diverted), Action::Copy(Outcome::HandedOver), Action::Report];
    assert_eq!(actions.collect::<Vec<_>>(), expected);
    let mut find = |needle| -> Vec<String> {
        ledger.find(&needle).unwrap().into_iter().map(|copy| copy.token).collect()
    };
    assert_eq!(find(Needle::QueueId("Q61".into())), ["bbbb"]);
    assert_eq!(find(Needle::Subject(vec!["erika".into()])), ["aaaa", "bbbb"]);
    assert_eq!(find(Needle::Message(vec!["other".into(), "mid".into()])), ["aaaa", "bbbb"]);
    assert_eq!(find(Needle::Subject(vec!["' OR ''='".into()])), [""; 0]);
    let domain = Filter { address: Some("@acme.example".into()), ..Filter::default() };
    assert_eq!(ledger.copies(&domain).unwrap().len(), 2);
    let late = Filter { since: Some(time(60)), states: vec![Outcome::Delivered], ..domain };
    assert_eq!(ledger.copies(&late).unwrap().len(), 1);
    let newest = Filter { limit: Some(1), ..Filter::default() };
    assert_eq!(ledger.copies(&newest).unwrap()[0].token, "bbbb");
}

fn counts(ledger: &mut Ledger) {
    assert_eq!(
        ledger.summary(time(30)).unwrap(),
        [Summary {
            address: "jobs@acme.example".into(),
            counts: vec![(Outcome::Delivered, 1), (Outcome::Failed, 1)],
            waiting: None,
            last_application: Some(time(99)),
            last_delivered: Some(time(62)),
            last_failed: Some(time(99)),
        }]
    );
    let state = ledger.state().unwrap();
    let hosts: Vec<_> = state.hosts.iter().map(|h| (h.host.as_str(), h.entries, h.lost)).collect();
    assert_eq!(hosts, [("mx1", 7, 17), ("mx2", 1, 0)]);
    assert!(state.size > 0);
    assert_eq!(state.oldest, Some(time(0)));
}

fn forgets(ledger: &mut Ledger) {
    while ledger.expire(time(50), 1).unwrap() > 0 {}
    assert_eq!(ledger.copies(&Filter::default()).unwrap().len(), 2);
    assert_eq!(ledger.erase(&["erika".into()]), Ok(1));
    assert_eq!(ledger.find(&Needle::Subject(vec!["erika".into()])), Ok(Vec::new()));
    while ledger.expire(time(9999), 100).unwrap() > 0 {}
    assert_eq!(ledger.copies(&Filter::default()), Ok(Vec::new()));
    assert_eq!(ledger.events(&EventFilter::default()), Ok(Vec::new()));
}

#[test]
fn both_databases_do_the_same() {
    let scratch = Scratch::new();
    battery(&config(scratch.path(), "ledger.sqlite", HOST));
    let server = Postgresql::start(&scratch);
    battery(&config(scratch.path(), &server.url(), HOST));
}

#[test]
fn two_that_begin_at_once_make_the_tables_once() {
    let scratch = Scratch::new();
    let server = Postgresql::start(&scratch);
    let config = config(scratch.path(), &server.url(), HOST);
    std::thread::scope(|scope| {
        let open = || {
            // What both try at the same moment one of them may have to try again.
            (0..5).any(|_| ledger::open(&config, Access::Write).is_ok())
        };
        let both = [scope.spawn(open), scope.spawn(open)];
        assert!(both.map(|one| one.join().unwrap()).iter().all(|done| *done));
    });
    assert!(ledger::open(&config, Access::Read).is_ok());
}
