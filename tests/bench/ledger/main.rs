//! What the ledger can take and how fast it answers: entries a second on both databases, and answers with
//! a million copies in it. `cargo bench --bench ledger`; `-- 100000` for fewer copies.
// SPDX-License-Identifier: GPL-3.0-or-later
#![allow(clippy::unwrap_used, reason = "a bench that cannot go on shall stop at once")]

#[path = "../../it/harness/mod.rs"]
mod harness;

use std::path::Path;
use std::time::Instant;

use harness::Scratch;
use harness::postgresql::Postgresql;
use jiff::{SignedDuration, Timestamp};
use recruit_milter::config::{self, Config};
use recruit_milter::journal::{Action, Entry, Journal, Pass, Position, Record, replay};
use recruit_milter::ledger::{self, Access, Filter, Ledger, Needle};
use recruit_milter::policy::outcome::Outcome;
use recruit_milter::policy::report::Said;

/// Copies in a transaction: 500 lines, as the agent takes.
const BATCH: usize = 166;
/// How often each question is asked.
const ASKED: usize = 15;

fn config(state: &Path, database: &str) -> Config {
    let text = format!(
        "state_dir = \"{}\"\n[system.personio]\ninbound = \"in@ats.example\"\n\
         addresses = [\"jobs@acme.example\", \"@karriere.acme.example\"]\n\
         [ledger]\nhost = \"mx1\"\ndatabase = \"{database}\"\n",
        state.display()
    );
    config::parse(&[("recruit-milter.toml".into(), text)]).unwrap().config
}

/// The three lines of a copy's life. A million are spread over 30 days.
fn life(number: usize, copies: usize, now: Timestamp) -> [Record; 3] {
    let month = 30 * 86_400 * 1000;
    let back = month - i64::try_from(number * 30 * 86_400 / copies * 1000).unwrap();
    let at = now - SignedDuration::from_millis(back);
    let entry = |pass, action, later: i64| Entry {
        token: Some(format!("{number:016}")),
        address: Some(format!("a{}@karriere.acme.example", number % 40)),
        system: Some("personio".into()),
        queue_id: Some(format!("4X{number:010}{later}")),
        sender: Some("h:abcdefghij".into()),
        ..Entry::new(at + SignedDuration::from_millis(later), pass, action)
    };
    let mut front = entry(Pass::Front, Action::Copy(Outcome::Diverted), 0);
    front.subjects = vec![format!("subject{:019}", number / 2)];
    let mut handoff = entry(Pass::Handoff, Action::Copy(Outcome::HandedOver), 20);
    handoff.kind = Some("application".into());
    handoff.message = Some(format!("message{number:019}"));
    let mut report = entry(Pass::Handoff, Action::Report, 900);
    report.report = Some(if number.is_multiple_of(500) { Said::Failed } else { Said::Relayed });
    report.reply = Some("250 2.0.0 Ok: queued as 4XABCDEFGH".into());
    [front, handoff, report].map(|entry| Record::Entry(Box::new(entry)))
}

/// Positions as a journal has them.
fn positions() -> Vec<Position> {
    let scratch = Scratch::new();
    let journal = Journal::open(scratch.path(), 1 << 20, 1);
    for _ in 0..2 {
        journal.record(Entry::new(Timestamp::now(), Pass::Front, Action::Copy(Outcome::Diverted)));
    }
    assert!(journal.close(harness::LIMIT));
    replay(scratch.path(), None).filter_map(|(position, _)| position).collect()
}

/// Fills a ledger; entries a second.
fn fill(ledger: &mut Ledger, copies: usize) -> f64 {
    let [one, two] = positions()[..] else { unreachable!("two positions") };
    let now = Timestamp::now();
    let mut from = None;
    let begun = Instant::now();
    for batch in 0..copies.div_ceil(BATCH) {
        let range = batch * BATCH..((batch + 1) * BATCH).min(copies);
        let records: Vec<Record> = range.flat_map(|n| life(n, copies, now)).collect();
        let to = if batch % 2 == 0 { one } else { two };
        ledger.apply("mx1", from.as_ref(), &to, &records).unwrap();
        from = Some(to);
    }
    3.0 * f64::from(u32::try_from(copies).unwrap()) / begun.elapsed().as_secs_f64()
}

/// The median of several answers, in milliseconds.
fn median(mut ask: impl FnMut()) -> f64 {
    let mut times: Vec<f64> = (0..ASKED)
        .map(|_| {
            let begun = Instant::now();
            ask();
            begun.elapsed().as_secs_f64() * 1000.0
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[ASKED / 2]
}

fn main() {
    let copies = std::env::args().skip(1).find_map(|arg| arg.parse().ok()).unwrap_or(1_000_000);
    let scratch = Scratch::new();
    let server = Postgresql::start(&scratch);
    for (name, database) in [("SQLite", "ledger.sqlite"), ("PostgreSQL", &server.url())] {
        let config = config(scratch.path(), database);
        let mut ledger = ledger::open(&config, Access::Write).unwrap();
        let rate = fill(&mut ledger, copies);
        println!("{name}: {copies} copies, {rate:.0} entries a second");
        let hashes = |text: String| vec![text];
        let now = Timestamp::now();
        let day = now - SignedDuration::from_hours(24);
        let middle = copies / 2;
        let mut ask = |what: &str, question: &mut dyn FnMut(&mut Ledger)| {
            println!("  {what:<34} {:8.2} ms", median(|| question(&mut ledger)));
        };
        ask("status (summary of 24 h)", &mut |l| drop(l.summary(day).unwrap()));
        ask("trace by token", &mut |l| {
            let token = format!("{middle:016}");
            assert_eq!(l.find(&Needle::Token(token.clone())).unwrap().len(), 1);
            assert_eq!(l.entries(&token).unwrap().len(), 3);
        });
        ask("trace by queue ID", &mut |l| {
            let id = Needle::QueueId(format!("4X{middle:010}20"));
            assert_eq!(l.find(&id).unwrap().len(), 1);
        });
        ask("trace by address", &mut |l| {
            let subject = hashes(format!("subject{:019}", middle / 2));
            assert_eq!(l.find(&Needle::Subject(subject)).unwrap().len(), 2);
        });
        ask("trace by Message-ID", &mut |l| {
            let id = Needle::Message(hashes(format!("message{middle:019}")));
            assert_eq!(l.find(&id).unwrap().len(), 1);
        });
        ask("list of the last 1000", &mut |l| {
            let filter = Filter { limit: Some(1000), ..Filter::default() };
            assert_eq!(l.copies(&filter).unwrap().len(), 1000);
        });
        let before = now - SignedDuration::from_hours(29 * 24);
        let mut batches = 0;
        let begun = Instant::now();
        let mut longest = 0.0_f64;
        loop {
            let one = Instant::now();
            let gone = ledger.expire(before, 1000).unwrap();
            longest = longest.max(one.elapsed().as_secs_f64() * 1000.0);
            batches += 1;
            if gone == 0 {
                break;
            }
        }
        println!(
            "  a day expires in {batches} batches, {:.1} s in all, the longest {longest:.0} ms",
            begun.elapsed().as_secs_f64()
        );
    }
}
