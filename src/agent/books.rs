//! Keeps the ledger: reads the journal, and writes what is new.
//!
//! A thread of its own, since databases make one wait. Nobody waits for it: while the ledger is away,
//! locked or full, the journal holds what is to come.
//!
//! Must not know what entries mean.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwap;
use jiff::Timestamp;

use crate::config::{Config, LedgerSettings};
use crate::journal::{BadLine, Entry, Position, Record, replay};
use crate::ledger::{self, Access, Error, Ledger};
use crate::observe;

/// How often the journal is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How many lines a transaction takes.
const BATCH: usize = 500;
/// The longest pause after a failure.
const MAX_PAUSE: Duration = Duration::from_secs(30);
/// At most one complaint in this time.
const COMPLAINT: Duration = Duration::from_secs(60);
/// How often old entries are looked for, and how many rows go at a time.
const EXPIRY: Duration = Duration::from_secs(3600);
const EXPIRY_BATCH: u32 = 1000;
/// How much further than time the clock may go before nothing is deleted by it any more.
const JUMP: Duration = Duration::from_secs(86_400);

/// What is told of each entry that is in the ledger now.
pub type Observer = Box<dyn FnMut(&Entry) + Send>;

/// How the bookkeeping goes, for metrics. Counted since the start.
#[derive(Debug, Default)]
pub struct Counters {
    /// Entries written.
    pub entries: AtomicU64,
    /// Times that the ledger could not be used.
    pub errors: AtomicU64,
    /// Entries that the journal could not hold, and lines that could not be read.
    pub lost: AtomicU64,
    /// Whether the ledger can be used.
    pub up: AtomicBool,
    /// Up to when the journal has been read, in milliseconds since 1970; 0 if not yet.
    pub read_up_to: AtomicI64,
}

/// The bookkeeping at work.
#[derive(Debug)]
pub struct Books {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Books {
    /// Starts it, by the configuration that `current` holds at the time.
    pub fn start(
        current: Arc<ArcSwap<Config>>,
        counters: Arc<Counters>,
        observers: Vec<Observer>,
    ) -> std::io::Result<Self> {
        let (stop, stopped) = channel();
        let mut keeper = Keeper {
            current,
            observers,
            counters,
            ledger: None,
            opened: None,
            gap: Complaint::default(),
            complaint: Complaint::default(),
            expiry: Expiry::new(),
        };
        let thread = std::thread::Builder::new().name("ledger".into());
        let thread = thread.spawn(move || keeper.run(&stopped))?;
        Ok(Self { stop, thread })
    }

    /// Stops it after what it is at, but does not wait longer than `within`. Whether it came to its end.
    pub fn stop(self, within: Duration) -> bool {
        drop(self.stop);
        let until = Instant::now() + within;
        while !self.thread.is_finished() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(10));
        }
        self.thread.is_finished()
    }
}

struct Keeper {
    current: Arc<ArcSwap<Config>>,
    observers: Vec<Observer>,
    counters: Arc<Counters>,
    ledger: Option<(Ledger, Option<Position>)>,
    /// Which ledger that is.
    opened: Option<LedgerSettings>,
    complaint: Complaint,
    /// What is said of the journal.
    gap: Complaint,
    expiry: Expiry,
}

impl Keeper {
    fn run(&mut self, stopped: &Receiver<()>) {
        let mut pause = LOOK;
        let mut waits = false;
        loop {
            if waits && stopped.recv_timeout(pause) != Err(RecvTimeoutError::Timeout) {
                break;
            }
            match self.step() {
                Ok(more) => (waits, pause) = (!more, LOOK),
                Err(error) => {
                    (waits, pause) = (true, (pause * 2).min(MAX_PAUSE));
                    self.failed(&error);
                }
            }
        }
        // Whatever was written meanwhile is read the next time.
        let _ = self.step();
    }

    /// Takes in a batch. Whether there may be more.
    fn step(&mut self) -> Result<bool, Error> {
        let config = self.current.load_full();
        if config.is_idle() {
            return Ok(false);
        }
        let host = ledger::host_of(&config);
        // A reload may have named another.
        if self.opened.as_ref() != Some(&config.ledger) {
            self.ledger = None;
        }
        if let Some((ledger, _)) = &mut self.ledger
            && !ledger.is_in_place()
        {
            // Whatever is missing in the one that is there now is read from the journal again.
            self.ledger = None;
            observe::ledger_replaced(&ledger::file_of(&config).unwrap_or_default());
        }
        if self.ledger.is_none() {
            let mut ledger = ledger::open(&config, Access::Write)?;
            let position = ledger.position(&host)?;
            self.ledger = Some((ledger, position));
            self.opened = Some(config.ledger.clone());
        }
        let Some((ledger, position)) = &mut self.ledger else { return Ok(false) };
        let batch = Batch::read(&config.state_dir, *position);
        let more = batch.records.len() + batch.bad.len() >= BATCH;
        if let Some(to) = batch.to.filter(|to| Some(*to) != *position) {
            ledger.apply(&host, position.as_ref(), &to, &batch.records)?;
            *position = Some(to);
        }
        let caught_up = self.complaint.is_over();
        self.counters.up.store(true, Ordering::Relaxed);
        let now = Timestamp::now().as_millisecond();
        self.counters.read_up_to.store(now, Ordering::Relaxed);
        batch.tell(&self.counters, &mut self.gap);
        let mut entries = 0;
        for record in &batch.records {
            if let Record::Entry(entry) = record {
                entries += 1;
                self.observers.iter_mut().for_each(|observer| observer(entry));
            }
        }
        self.counters.entries.fetch_add(entries, Ordering::Relaxed);
        if caught_up {
            observe::ledger_back(entries);
        }
        if !more && let Some((ledger, _)) = &mut self.ledger {
            self.expiry.run(ledger, config.ledger.retention)?;
        }
        Ok(more)
    }

    fn failed(&mut self, error: &Error) {
        self.counters.errors.fetch_add(1, Ordering::Relaxed);
        self.counters.up.store(false, Ordering::Relaxed);
        // A connection may be dead, and somebody else may have read on.
        self.ledger = None;
        if *error == Error::Overtaken {
            return;
        }
        let config = self.current.load();
        if let (Error::Damaged(_), Some(file)) = (error, ledger::file_of(&config))
            && let Ok(to) = ledger::set_aside(&file)
        {
            observe::ledger_set_aside(&to);
            return;
        }
        self.complaint.make(error);
    }
}

/// Lines of the journal.
struct Batch {
    records: Vec<Record>,
    bad: Vec<BadLine>,
    to: Option<Position>,
}

impl Batch {
    fn read(dir: &std::path::Path, from: Option<Position>) -> Self {
        let mut this = Self { records: Vec::new(), bad: Vec::new(), to: None };
        for (position, record) in replay(dir, from).take(BATCH) {
            match record {
                Ok(record) => this.records.push(record),
                Err(bad) => this.bad.push(bad),
            }
            this.to = position.or(this.to);
        }
        this
    }

    /// What is missing or cannot be read.
    fn tell(&self, counters: &Counters, gap: &mut Complaint) {
        let gone = self.records.iter().map(|record| match record {
            Record::Lost(lost) => lost.lost,
            Record::Entry(_) => 0,
        });
        let gone: u64 = gone.sum();
        if gone > 0 {
            observe::journal_gap(&"the journal could not be written then", gone);
        }
        // What cannot be opened now is read later, and met every second until then.
        let is_lost = |bad: &&BadLine| !matches!(bad, BadLine::Unreadable(_));
        let lost = self.bad.iter().filter(is_lost).count() as u64;
        if let Some(first) = self.bad.first()
            && (lost > 0 || gap.is_due())
        {
            observe::journal_gap(first, lost);
        }
        counters.lost.fetch_add(gone + lost, Ordering::Relaxed);
    }
}

/// Complains now and then for as long as something is wrong.
#[derive(Default)]
struct Complaint {
    last: Option<Instant>,
}

impl Complaint {
    fn make(&mut self, error: &Error) {
        if self.is_due() {
            observe::ledger_trouble(error, error.remedy());
        }
    }

    /// Whether it is time for one; then it is made.
    fn is_due(&mut self) -> bool {
        let due = self.last.is_none_or(|last| last.elapsed() >= COMPLAINT);
        if due {
            self.last = Some(Instant::now());
        }
        due
    }

    /// Whether there was a complaint, which is over now.
    fn is_over(&mut self) -> bool {
        self.last.take().is_some()
    }
}

/// Deletes what is too old, now and then.
struct Expiry {
    next: Instant,
    /// The clock, and what it should be compared with.
    start: (SystemTime, Instant),
    told: bool,
}

impl Expiry {
    fn new() -> Self {
        Self { next: Instant::now(), start: (SystemTime::now(), Instant::now()), told: false }
    }

    fn run(&mut self, ledger: &mut Ledger, retention: Duration) -> Result<(), Error> {
        if Instant::now() < self.next {
            return Ok(());
        }
        // A clock that went years ahead must not cost the ledger.
        let (clock, started) = self.start;
        let ahead = SystemTime::now().duration_since(clock + started.elapsed());
        if let Ok(ahead) = ahead
            && ahead > JUMP
        {
            if !std::mem::replace(&mut self.told, true) {
                observe::ledger_clock(ahead.as_secs() / 86_400);
            }
            self.next = Instant::now() + EXPIRY;
            return Ok(());
        }
        self.told = false;
        let before = Timestamp::now() - retention;
        let gone = ledger.expire(before, EXPIRY_BATCH)?;
        if gone > 0 {
            observe::ledger_expired(gone);
        }
        // A batch at a time, with the journal between.
        if gone < u64::from(EXPIRY_BATCH) {
            self.next = Instant::now() + EXPIRY;
        }
        Ok(())
    }
}
