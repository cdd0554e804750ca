//! Writing: entries of the journal, each exactly once, and the end of what is too old.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::copy::Copy;
use super::engine::{Engine, Row, Value};
use super::read::{COPY, copy_of};
use super::subject::Hasher;
use super::{Error, Ledger, millis};
use crate::journal::{Entry, Position, Record};
use crate::policy::kind::Kind;
use crate::policy::outcome::Outcome;

impl Ledger {
    /// Up to where the journal of a host was read; none if not at all.
    pub fn position(&mut self, host: &str) -> Result<Option<Position>, Error> {
        let rows =
            self.engine.rows("SELECT place FROM position WHERE host = $1", &[host.into()])?;
        place(rows)
    }

    /// Takes in lines of a host's journal, all or none, and remembers that it was read up to `to`. Only
    /// if nobody else has read on from `from` meanwhile: so each line is taken once, whatever dies.
    pub fn apply(
        &mut self,
        host: &str,
        from: Option<&Position>,
        to: &Position,
        records: &[Record],
    ) -> Result<(), Error> {
        self.whole(|engine| {
            let mut number = lock(engine, host)?;
            let stored = "SELECT place FROM position WHERE host = $1";
            if place(engine.rows(stored, &[host.into()])?)?.as_ref() != from {
                return Err(Error::Overtaken);
            }
            let entries = records.iter().filter_map(|record| match record {
                Record::Entry(entry) => Some(&**entry),
                Record::Lost(_) => None,
            });
            let entries: Vec<&Entry> = entries.collect();
            let lost = records.iter().map(|record| match record {
                Record::Lost(lost) => i64::try_from(lost.lost).unwrap_or(i64::MAX),
                Record::Entry(_) => 0,
            });
            let lost = lost.fold(0, i64::saturating_add);
            take(engine, host, &mut number, &entries)?;
            let place = serde_json::to_string(to).map_err(|e| Error::Other(e.to_string()))?;
            let read = i64::try_from(entries.len()).unwrap_or(i64::MAX);
            let sql = "UPDATE position SET place = $1, next_number = $2, updated = $3, \
                       entries = entries + $4, lost = lost + $5 WHERE host = $6";
            let now = millis(Timestamp::now());
            let values =
                [place.into(), number.into(), now.into(), read.into(), lost.into(), host.into()];
            engine.run(sql, &values).map(drop)
        })
    }

    /// Takes in what the agent or a command did itself.
    pub fn record(&mut self, host: &str, entry: &Entry) -> Result<(), Error> {
        self.whole(|engine| {
            let mut number = lock(engine, host)?;
            take(engine, host, &mut number, &[entry])?;
            let sql = "UPDATE position SET next_number = $1 WHERE host = $2";
            engine.run(sql, &[number.into(), host.into()]).map(drop)
        })
    }

    /// Deletes copies to which nothing happened since `before`, and events from before it: at most
    /// `batch` of each, so that nobody waits for long. How many rows went; less than `batch` means that
    /// nothing is left to delete.
    pub fn expire(&mut self, before: Timestamp, batch: u32) -> Result<u64, Error> {
        let values = [millis(before).into(), i64::from(batch).into()];
        let mut gone = 0;
        for sql in [
            "DELETE FROM subject WHERE token IN \
             (SELECT token FROM copy WHERE last_seen < $1 ORDER BY last_seen LIMIT $2)",
            "DELETE FROM copy WHERE token IN \
             (SELECT token FROM copy WHERE last_seen < $1 ORDER BY last_seen LIMIT $2)",
            "DELETE FROM event WHERE (host, number) IN \
             (SELECT host, number FROM event WHERE at < $1 ORDER BY at LIMIT $2)",
            "DELETE FROM address WHERE address IN \
             (SELECT address FROM address WHERE last_seen < $1 LIMIT $2)",
        ] {
            let rows = self.whole(|engine| engine.run(sql, &values))?;
            gone = gone.max(rows);
        }
        self.whole(|engine| Hasher::destroy_old(engine, millis(before)))?;
        Ok(gone)
    }
}

/// Holds the row of a host until the transaction ends; the number of its next event.
fn lock(engine: &mut dyn Engine, host: &str) -> Result<i64, Error> {
    let host: Value = host.into();
    let sql = "INSERT INTO position VALUES ($1, NULL, 0, 0, 0, 0) ON CONFLICT (host) DO NOTHING";
    engine.run(sql, std::slice::from_ref(&host))?;
    engine.run("UPDATE position SET lost = lost WHERE host = $1", std::slice::from_ref(&host))?;
    let mut rows = engine.rows("SELECT next_number FROM position WHERE host = $1", &[host])?;
    rows.first_mut().map_or(Ok(0), Row::int)
}

fn place(mut rows: Vec<Row>) -> Result<Option<Position>, Error> {
    let text = rows.first_mut().map_or(Ok(None), Row::maybe_text)?;
    // A place that cannot be read is none: then all that is left of the journal is read.
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
}

/// Takes in entries within a transaction.
fn take(
    engine: &mut dyn Engine,
    host: &str,
    number: &mut i64,
    entries: &[&Entry],
) -> Result<(), Error> {
    let mut hasher = Hasher::current(engine)?;
    // In the order of the tokens: two hosts that wait for each other's copies would wait for ever.
    let mut by_token: BTreeMap<&str, Vec<&Entry>> = BTreeMap::new();
    for entry in entries {
        event(engine, host, *number, entry)?;
        *number += 1;
        if let Some(token) = &entry.token {
            by_token.entry(token).or_default().push(entry);
        }
    }
    let mut touched: BTreeMap<String, Touch> = BTreeMap::new();
    for (token, entries) in by_token {
        let Some(copy) = fold(engine, host, token, &entries)? else { continue };
        for entry in &entries {
            if let Some(message) = &entry.message {
                let sql = "UPDATE copy SET message = $1 WHERE token = $2 AND message IS NULL";
                engine.run(sql, &[hasher.hash(message).into(), token.into()])?;
            }
            for subject in &entry.subjects {
                let sql =
                    "INSERT INTO subject VALUES ($1, $2) ON CONFLICT (hash, token) DO NOTHING";
                engine.run(sql, &[hasher.hash(subject).into(), token.into()])?;
            }
        }
        if let Some(address) = &copy.address {
            touched.entry(address.clone()).or_default().see(&copy);
        }
    }
    for (address, touch) in &touched {
        touch.write(engine, address)?;
    }
    Ok(())
}

/// One event. What could tell who somebody is stands in other tables, under keys that are destroyed.
fn event(engine: &mut dyn Engine, host: &str, number: i64, entry: &Entry) -> Result<(), Error> {
    let kept = Entry { subjects: Vec::new(), message: None, ..entry.clone() };
    let line = serde_json::to_string(&kept).map_err(|e| Error::Other(e.to_string()))?;
    let values = [
        host.into(),
        number.into(),
        millis(entry.time).into(),
        entry.token.as_ref().into(),
        entry.queue_id.as_ref().into(),
        entry.address.as_ref().into(),
        entry.action.word().into(),
        entry.probe.as_ref().into(),
        line.into(),
    ];
    let sql = "INSERT INTO event VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    engine.run(sql, &values).map(drop)
}

/// Folds entries into their copy; the copy as it is then.
fn fold(
    engine: &mut dyn Engine,
    host: &str,
    token: &str,
    entries: &[&Entry],
) -> Result<Option<Copy>, Error> {
    let mut fresh: Option<Copy> = None;
    for entry in entries {
        match &mut fresh {
            Some(copy) => copy.take(entry),
            None => fresh = Copy::begun_by(entry, host),
        }
    }
    let Some(fresh) = fresh else { return Ok(None) };
    if insert(engine, &fresh)? == 1 {
        return Ok(Some(fresh));
    }
    let mine: [Value; 1] = [token.into()];
    // Holds the row until the transaction ends.
    engine.run("UPDATE copy SET last_seen = last_seen WHERE token = $1", &mine)?;
    let mut rows = engine.rows(&format!("SELECT {COPY} FROM copy WHERE token = $1"), &mine)?;
    let Some(row) = rows.first_mut() else { return Ok(Some(fresh)) };
    let mut copy = copy_of(row)?;
    for entry in entries {
        copy.take(entry);
    }
    update(engine, &copy)?;
    Ok(Some(copy))
}

fn columns(copy: &Copy) -> [Value; 17] {
    [
        copy.token.as_str().into(),
        copy.host.as_str().into(),
        millis(copy.first).into(),
        millis(copy.last).into(),
        millis(copy.since).into(),
        copy.address.as_ref().into(),
        copy.system.as_ref().into(),
        copy.kind.as_ref().into(),
        copy.size.map(|size| i64::try_from(size).unwrap_or(i64::MAX)).into(),
        copy.sender.as_ref().into(),
        copy.state.word().into(),
        copy.reason.as_ref().into(),
        copy.status.as_ref().into(),
        copy.next_hop.as_ref().into(),
        copy.reply.as_ref().into(),
        copy.queue_ids.join(" ").into(),
        copy.probe.as_ref().into(),
    ]
}

fn insert(engine: &mut dyn Engine, copy: &Copy) -> Result<u64, Error> {
    let sql = "INSERT INTO copy VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, \
               $15, $16, $17, NULL) ON CONFLICT (token) DO NOTHING";
    engine.run(sql, &columns(copy))
}

fn update(engine: &mut dyn Engine, copy: &Copy) -> Result<(), Error> {
    let sql = "UPDATE copy SET token = $1, host = $2, first_seen = $3, last_seen = $4, \
               state_since = $5, address = $6, system = $7, kind = $8, size = $9, sender = $10, \
               state = $11, reason = $12, status = $13, next_hop = $14, reply = $15, \
               queue_ids = $16, probe = $17 WHERE token = $1";
    engine.run(sql, &columns(copy)).map(drop)
}

/// What is new about an address.
#[derive(Default)]
struct Touch {
    seen: i64,
    application: Option<i64>,
    delivered: Option<i64>,
    failed: Option<i64>,
}

impl Touch {
    fn see(&mut self, copy: &Copy) {
        self.seen = self.seen.max(millis(copy.last));
        let is_mail = copy.probe.is_none() && copy.kind.as_deref() != Some(Kind::SystemTest.word());
        if is_mail {
            self.application = self.application.max(Some(millis(copy.first)));
        }
        match copy.state {
            Outcome::Delivered => self.delivered = self.delivered.max(Some(millis(copy.since))),
            Outcome::Failed => self.failed = self.failed.max(Some(millis(copy.since))),
            _ => {}
        }
    }

    fn write(&self, engine: &mut dyn Engine, address: &str) -> Result<(), Error> {
        // The greater of two is called by another name in each database.
        let sql = "INSERT INTO address VALUES ($1, $2, $3, $4, $5) ON CONFLICT (address) DO UPDATE SET \
             last_seen = CASE WHEN excluded.last_seen > address.last_seen \
             THEN excluded.last_seen ELSE address.last_seen END, \
             last_application = CASE WHEN excluded.last_application > COALESCE(address.last_application, 0) \
             THEN excluded.last_application ELSE address.last_application END, \
             last_delivered = CASE WHEN excluded.last_delivered > COALESCE(address.last_delivered, 0) \
             THEN excluded.last_delivered ELSE address.last_delivered END, \
             last_failed = CASE WHEN excluded.last_failed > COALESCE(address.last_failed, 0) \
             THEN excluded.last_failed ELSE address.last_failed END";
        let values = [
            address.into(),
            self.seen.into(),
            self.application.into(),
            self.delivered.into(),
            self.failed.into(),
        ];
        engine.run(sql, &values).map(drop)
    }
}
