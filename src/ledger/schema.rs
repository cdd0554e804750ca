//! The ledger's tables, and how an older ledger becomes one of today.
//!
//! Own code instead of a library, since those know one database each, and here the same statements
//! are for both.
// SPDX-License-Identifier: GPL-3.0-or-later

use super::engine::{Engine, Row, Value};
use super::{Access, Error};

/// The steps, each from the version before it. What was released is never changed.
const MIGRATIONS: &[&str] = &["
CREATE TABLE copy (
    token TEXT NOT NULL PRIMARY KEY,
    host TEXT NOT NULL,
    first_seen BIGINT NOT NULL,
    last_seen BIGINT NOT NULL,
    state_since BIGINT NOT NULL,
    address TEXT,
    system TEXT,
    kind TEXT,
    size BIGINT,
    sender TEXT,
    state TEXT NOT NULL,
    reason TEXT,
    status TEXT,
    next_hop TEXT,
    reply TEXT,
    queue_ids TEXT NOT NULL,
    probe TEXT,
    message TEXT
);
CREATE INDEX copy_first ON copy (first_seen);
CREATE INDEX copy_last ON copy (last_seen);
CREATE INDEX copy_address ON copy (address, first_seen);
CREATE INDEX copy_state ON copy (state, first_seen);
CREATE INDEX copy_message ON copy (message);
CREATE TABLE event (
    host TEXT NOT NULL,
    number BIGINT NOT NULL,
    at BIGINT NOT NULL,
    token TEXT,
    queue_id TEXT,
    address TEXT,
    action TEXT NOT NULL,
    probe TEXT,
    line TEXT NOT NULL,
    PRIMARY KEY (host, number)
);
CREATE INDEX event_at ON event (at);
CREATE INDEX event_token ON event (token);
CREATE INDEX event_queue_id ON event (queue_id);
CREATE INDEX event_probe ON event (at) WHERE probe IS NOT NULL;
CREATE TABLE subject (
    hash TEXT NOT NULL,
    token TEXT NOT NULL,
    PRIMARY KEY (hash, token)
);
CREATE INDEX subject_token ON subject (token);
CREATE TABLE address (
    address TEXT NOT NULL PRIMARY KEY,
    last_seen BIGINT NOT NULL,
    last_application BIGINT,
    last_delivered BIGINT,
    last_failed BIGINT
);
CREATE TABLE hash_key (
    number BIGINT NOT NULL PRIMARY KEY,
    secret TEXT NOT NULL,
    begun BIGINT NOT NULL
);
CREATE TABLE position (
    host TEXT NOT NULL PRIMARY KEY,
    place TEXT,
    next_number BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    entries BIGINT NOT NULL,
    lost BIGINT NOT NULL
);
"];

/// The version that this program writes.
pub(super) const VERSION: i64 = 1;

/// Sees to it that the tables are those of today. One that only reads changes nothing.
pub(super) fn prepare(engine: &mut dyn Engine, access: Access) -> Result<(), Error> {
    if access == Access::Read {
        return match version(engine)? {
            VERSION => Ok(()),
            found if found > VERSION => Err(Error::TooNew { found, known: VERSION }),
            _ => Err(Error::Missing("the agent has not made its tables yet".into())),
        };
    }
    engine.begin()?;
    let done = migrate(engine).and_then(|()| engine.commit());
    if done.is_err() {
        engine.rollback();
    }
    done
}

fn migrate(engine: &mut dyn Engine) -> Result<(), Error> {
    // Two hosts that begin at the same time: the second waits here for the first.
    engine.script(
        "CREATE TABLE IF NOT EXISTS meta (name TEXT NOT NULL PRIMARY KEY, value BIGINT NOT NULL)",
    )?;
    engine.run("INSERT INTO meta VALUES ('version', 0) ON CONFLICT (name) DO NOTHING", &[])?;
    engine.run("UPDATE meta SET value = value WHERE name = 'version'", &[])?;
    let found = version(engine)?;
    if found > VERSION {
        return Err(Error::TooNew { found, known: VERSION });
    }
    let from = usize::try_from(found).unwrap_or(0);
    for step in MIGRATIONS.get(from..).unwrap_or_default() {
        engine.script(step)?;
    }
    let set = "UPDATE meta SET value = $1 WHERE name = 'version'";
    engine.run(set, &[Value::Int(VERSION)]).map(drop)
}

fn version(engine: &mut dyn Engine) -> Result<i64, Error> {
    let mut rows = engine.rows("SELECT value FROM meta WHERE name = 'version'", &[])?;
    rows.first_mut().map_or(Ok(0), Row::int)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_counts_the_steps() {
        assert_eq!(usize::try_from(VERSION), Ok(MIGRATIONS.len()));
    }
}
