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
CREATE INDEX copy_probe ON copy (probe) WHERE probe IS NOT NULL;
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
", "
UPDATE copy SET state = CASE state
    WHEN 'deferred' THEN 'delayed' WHEN 'local' THEN 'kept' WHEN 'held' THEN 'to-person' ELSE state END;
UPDATE event SET action = CASE action
    WHEN 'forwarded' THEN 'handed-over' WHEN 'unwrap' THEN 'unwrapping' WHEN 'kept-local' THEN 'kept'
    WHEN 'given-back' THEN 'returned' WHEN 'held' THEN 'to-person' ELSE action END;
"];

/// What is kept, for those who must know. A test holds it against the tables.
pub const FIELDS: &str = "\
copy: one row for each copy that was made for a recruiting system
  token        a random name of the copy
  host         the host that made it
  first_seen   when it came
  last_seen    when something last happened to it
  state_since  when its state became what it is
  address      the recruiting address
  system       the recruiting system
  kind         the kind of mail
  size         its size as announced
  sender       the envelope sender, as [ledger] addresses says: a hash, masked, or in full
  state        what became of it: a word of recruit-milter-words(7)
  reason       why, as one word
  status       the status code of the last report
  next_hop     the server that the last report is about
  reply        what that server said; addresses of people outside as [ledger] addresses says
  queue_ids    Postfix's queue IDs
  probe        the number of a probe of ours
  message      a keyed hash of the Message-ID
event: one row for each decision, delivery report, probe and the like
  host         the host where it was
  number       its number there
  at           when it was
  token        the copy
  queue_id     Postfix's queue ID
  address      the recruiting address; of outgoing mail, the address that it is from
  action       what was decided
  probe        the number of a probe of ours
  line         all of these as in the journal, without hashes of people and of Message-IDs
subject: whose copies they are
  hash         a keyed hash of an address of somebody outside: envelope sender or applicant
  token        the copy
address: one row for each recruiting address that mail came to
  address      the recruiting address
  last_seen, last_application, last_delivered, last_failed    when each last was
hash_key: the keys of these hashes; each is destroyed when nothing under it is kept any more
  number, secret, begun
position: up to where each host's journal was read
  host, place, next_number, updated, entries, lost
Subjects and contents of mails are never kept.";

/// The version that this program writes.
pub(super) const VERSION: i64 = 2;

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
    fn the_list_of_fields_is_that_of_the_tables() {
        let mut tables: Vec<(String, Vec<String>)> = Vec::new();
        for line in MIGRATIONS.join("\n").lines().map(str::trim) {
            if let Some(rest) = line.strip_prefix("CREATE TABLE ") {
                tables.push((rest.trim_end_matches(" (").to_owned(), Vec::new()));
            } else if let Some((name, _)) = line.split_once(' ')
                && name.starts_with(|c: char| c.is_ascii_lowercase())
            {
                tables.last_mut().unwrap().1.push(name.to_owned());
            }
        }
        let mut told: Vec<(String, Vec<String>)> = Vec::new();
        for line in FIELDS.lines() {
            if let Some(names) = line.strip_prefix("  ") {
                let names = names.split("  ").next().unwrap().split(", ").map(str::to_owned);
                told.last_mut().unwrap().1.extend(names);
            } else if let Some((table, _)) = line.split_once(':') {
                told.push((table.to_owned(), Vec::new()));
            }
        }
        assert_eq!(told, tables);
    }

    #[test]
    fn the_version_counts_the_steps() {
        assert_eq!(usize::try_from(VERSION), Ok(MIGRATIONS.len()));
    }
}
