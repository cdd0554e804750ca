//! Reading: copies, events, and what is in the ledger.
// SPDX-License-Identifier: GPL-3.0-or-later

use jiff::{SignedDuration, Timestamp};

use super::copy::Copy;
use super::engine::{Row, Value};
use super::schema::VERSION;
use super::subject::Hasher;
use super::{Error, Ledger, millis, timestamp};
use crate::journal::{Action, Entry};
use crate::mail::domain::domain_spellings;
use crate::policy::kind::Kind;
use crate::policy::outcome::Outcome;

/// The columns of a copy, in the order in which [`copy_of`] reads them.
pub(super) const COPY: &str = "token, host, first_seen, last_seen, state_since, address, system, \
    kind, size, sender, state, reason, status, next_hop, reply, queue_ids, probe";

/// Which copies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of this recruiting address; with an @ at its beginning, of this domain.
    pub address: Option<String>,
    /// For this system.
    pub system: Option<String>,
    /// In one of these states; in any, if empty.
    pub states: Vec<Outcome>,
    /// Of this kind.
    pub kind: Option<String>,
    /// First seen then or later.
    pub since: Option<Timestamp>,
    /// First seen before.
    pub until: Option<Timestamp>,
    /// To which something happened after that.
    pub changed_after: Option<Timestamp>,
    /// Probes only.
    pub probes: bool,
    /// At most so many, the newest.
    pub limit: Option<u32>,
}

/// Which events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Of this recruiting address.
    pub address: Option<String>,
    /// One of these actions; any, if empty.
    pub actions: Vec<Action>,
    /// Of probes only.
    pub probes: bool,
    /// With this queue ID.
    pub queue_id: Option<String>,
    /// Then or later.
    pub since: Option<Timestamp>,
    /// At most so many, the newest.
    pub limit: Option<u32>,
}

/// What a copy is looked for by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Needle {
    /// Its token, or that of the probe that it is.
    Token(String),
    /// A queue ID of Postfix.
    QueueId(String),
    /// Its Message-ID, as keyed hashes.
    Message(Vec<String>),
    /// The address of somebody outside, as keyed hashes.
    Subject(Vec<String>),
}

/// What is known about the mail of a recruiting address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The address as it was written to.
    pub address: String,
    /// How many copies were first seen since the time that was asked for, by state. Probes and test
    /// mail are not among them.
    pub counts: Vec<(Outcome, u64)>,
    /// How many copies wait, whenever they were first seen, and since when the oldest does.
    pub waiting: Option<(u64, Timestamp)>,
    /// When the last mail came, probes and test mail apart.
    pub last_application: Option<Timestamp>,
    /// When the recruiting system's server last took a copy.
    pub last_delivered: Option<Timestamp>,
    /// When a copy last failed.
    pub last_failed: Option<Timestamp>,
}

/// What a host has written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostState {
    /// Its name.
    pub host: String,
    /// When it last wrote.
    pub updated: Timestamp,
    /// How many entries it has written.
    pub entries: u64,
    /// How many entries its journal could not hold.
    pub lost: u64,
}

/// What the ledger is like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerState {
    /// The version of its tables.
    pub version: i64,
    /// How large it is, in octets.
    pub size: u64,
    /// The oldest event.
    pub oldest: Option<Timestamp>,
    /// The hosts that write.
    pub hosts: Vec<HostState>,
}

/// Conditions with their values.
#[derive(Default)]
struct Conditions {
    text: String,
    values: Vec<Value>,
}

impl Conditions {
    /// Adds a condition in which `?` stands for the value.
    fn add(&mut self, condition: &str, value: impl Into<Value>) {
        self.values.push(value.into());
        let parameter = format!("${}", self.values.len());
        self.join(&condition.replace('?', &parameter));
    }

    /// Adds a condition that holds for one of several values at least.
    fn any(&mut self, condition: &str, values: Vec<String>) {
        let mut all = Vec::new();
        for value in values {
            self.values.push(value.into());
            all.push(condition.replace('?', &format!("${}", self.values.len())));
        }
        self.join(&format!("({})", all.join(" OR ")));
    }

    /// Adds that a column is one of a few words of ours.
    fn one_of(&mut self, column: &str, words: impl Iterator<Item = &'static str>) {
        let words: Vec<String> = words.map(|word| format!("'{word}'")).collect();
        if !words.is_empty() {
            self.join(&format!("{column} IN ({})", words.join(", ")));
        }
    }

    fn join(&mut self, condition: &str) {
        self.text.push_str(if self.text.is_empty() { " WHERE " } else { " AND " });
        self.text.push_str(condition);
    }

    /// The newest of what is asked for, in time order.
    fn newest(
        mut self,
        columns: &str,
        table: &str,
        time: &str,
        limit: u32,
    ) -> (String, Vec<Value>) {
        self.values.push(i64::from(limit).into());
        let sql = format!(
            "SELECT {columns} FROM {table}{} ORDER BY {time} DESC LIMIT ${}",
            self.text,
            self.values.len()
        );
        (sql, self.values)
    }
}

/// How an address can be written in the ledger: as it is asked for, and with its domain in both
/// spellings.
fn spellings(address: &str) -> Vec<String> {
    let mut all = vec![address.to_owned()];
    if let Some((local, domain)) = address.rsplit_once('@') {
        let local = local.to_lowercase();
        all.extend(domain_spellings(domain).iter().map(|domain| format!("{local}@{domain}")));
    }
    all
}

impl Ledger {
    /// Copies, the newest last.
    pub fn copies(&mut self, filter: &Filter) -> Result<Vec<Copy>, Error> {
        let mut when = Conditions::default();
        match &filter.address {
            Some(domain) if domain.starts_with('@') => {
                let escaped = |domain: String| {
                    domain.replace('!', "!!").replace('%', "!%").replace('_', "!_")
                };
                let all = spellings(domain).into_iter().map(|d| format!("%{}", escaped(d)));
                when.any("address LIKE ? ESCAPE '!'", all.collect());
            }
            Some(address) => when.any("address = ?", spellings(address)),
            None => {}
        }
        if let Some(system) = &filter.system {
            when.add("system = ?", system);
        }
        if let Some(kind) = &filter.kind {
            when.add("kind = ?", kind);
        }
        if filter.probes {
            when.join("probe IS NOT NULL");
        }
        when.one_of("state", filter.states.iter().map(|state| state.word()));
        if let Some(since) = filter.since {
            when.add("first_seen >= ?", millis(since));
        }
        if let Some(until) = filter.until {
            when.add("first_seen < ?", millis(until));
        }
        let time = match filter.changed_after {
            Some(after) => {
                when.add("last_seen > ?", millis(after));
                "last_seen"
            }
            None => "first_seen",
        };
        let (sql, values) = when.newest(COPY, "copy", time, filter.limit.unwrap_or(u32::MAX));
        let mut rows = self.engine.rows(&sql, &values)?;
        rows.iter_mut().rev().map(copy_of).collect()
    }

    /// The copies that something leads to, the newest last.
    pub fn find(&mut self, needle: &Needle) -> Result<Vec<Copy>, Error> {
        let values = |hashes: Vec<String>| hashes.into_iter().map(Value::from).collect();
        let (conditions, values): (&[&str], Vec<Value>) = match needle {
            Needle::Token(token) => (&["token = $1", "probe = $1"], vec![token.into()]),
            Needle::QueueId(id) => {
                (&["token IN (SELECT token FROM event WHERE queue_id = $1)"], vec![id.into()])
            }
            Needle::Message(hashes) => {
                (&["message = $1"], values(Hasher::all(&mut *self.engine, hashes)?))
            }
            Needle::Subject(hashes) => (
                &["token IN (SELECT token FROM subject WHERE hash = $1)"],
                values(Hasher::all(&mut *self.engine, hashes)?),
            ),
        };
        let mut found = Vec::new();
        for value in &values {
            for condition in conditions {
                let sql = format!("SELECT {COPY} FROM copy WHERE {condition}");
                for row in &mut self.engine.rows(&sql, std::slice::from_ref(value))? {
                    found.push(copy_of(row)?);
                }
            }
        }
        found.sort_by(|a, b| (a.first, &a.token).cmp(&(b.first, &b.token)));
        found.dedup_by(|a, b| a.token == b.token);
        Ok(found)
    }

    /// All that happened to a copy, in time order: the host, and what happened there.
    pub fn entries(&mut self, token: &str) -> Result<Vec<(String, Entry)>, Error> {
        let sql = "SELECT host, line FROM event WHERE token = $1 ORDER BY at, host, number";
        let mut rows = self.engine.rows(sql, &[token.into()])?;
        rows.iter_mut().map(event_of).collect()
    }

    /// Events, the newest last: the host, and what happened there.
    pub fn events(&mut self, filter: &EventFilter) -> Result<Vec<(String, Entry)>, Error> {
        let mut when = Conditions::default();
        if let Some(address) = &filter.address {
            when.any("address = ?", spellings(address));
        }
        if let Some(id) = &filter.queue_id {
            when.add("queue_id = ?", id);
        }
        if filter.probes {
            when.join("probe IS NOT NULL");
        }
        when.one_of("action", filter.actions.iter().map(|action| action.word()));
        if let Some(since) = filter.since {
            when.add("at >= ?", millis(since));
        }
        let limit = filter.limit.unwrap_or(u32::MAX);
        let (sql, values) = when.newest("host, line", "event", "at", limit);
        let mut rows = self.engine.rows(&sql, &values)?;
        rows.iter_mut().rev().map(event_of).collect()
    }

    /// What is known about each address to which there was mail within the retention.
    pub fn summary(&mut self, since: Timestamp) -> Result<Vec<Summary>, Error> {
        let sql = "SELECT address, last_application, last_delivered, last_failed FROM address \
                   ORDER BY address";
        let mut all = Vec::new();
        for row in &mut self.engine.rows(sql, &[])? {
            all.push(Summary {
                address: row.text()?,
                counts: Vec::new(),
                waiting: None,
                last_application: row.maybe_int()?.map(timestamp).transpose()?,
                last_delivered: row.maybe_int()?.map(timestamp).transpose()?,
                last_failed: row.maybe_int()?.map(timestamp).transpose()?,
            });
        }
        let of = |all: &mut Vec<Summary>, address: &str| {
            all.binary_search_by(|one| one.address.as_str().cmp(address)).ok()
        };
        // The database may sort otherwise than we do.
        all.sort_by(|a, b| a.address.cmp(&b.address));
        let sql = "SELECT address, state, COUNT(*) FROM copy WHERE first_seen >= $1 \
                   AND address IS NOT NULL AND probe IS NULL \
                   AND (kind IS NULL OR kind <> $2) GROUP BY address, state";
        let test = Kind::SystemTest.word().into();
        for row in &mut self.engine.rows(sql, &[millis(since).into(), test])? {
            let (address, state, count) = (row.text()?, row.text()?, row.int()?);
            if let (Some(at), Some(state)) = (of(&mut all, &address), Outcome::from_word(&state)) {
                all[at].counts.push((state, u64::try_from(count).unwrap_or(0)));
            }
        }
        let waiting = Outcome::ALL.into_iter().filter(|state| !state.is_settled());
        let words: Vec<String> = waiting.map(|state| format!("'{state}'")).collect();
        let sql = format!(
            "SELECT address, COUNT(*), MIN(first_seen) FROM copy WHERE state IN ({}) \
             AND address IS NOT NULL GROUP BY address",
            words.join(", ")
        );
        for row in &mut self.engine.rows(&sql, &[])? {
            let (address, count, oldest) = (row.text()?, row.int()?, row.int()?);
            if let Some(at) = of(&mut all, &address) {
                all[at].waiting = Some((u64::try_from(count).unwrap_or(0), timestamp(oldest)?));
            }
        }
        for one in &mut all {
            one.counts.sort_unstable();
        }
        Ok(all)
    }

    /// The recruiting addresses of which copies, first seen before a time, are not through pass 2: how many,
    /// and since when the oldest waits. Those count as well that pass 2 has let go again and again,
    /// since what comes behind it (a signer) did not: Postfix tries once in 4,000 seconds or sooner.
    pub fn not_through(
        &mut self,
        before: Timestamp,
    ) -> Result<Vec<(String, u64, Timestamp)>, Error> {
        let sql = "SELECT address, COUNT(*), MIN(first_seen) FROM copy WHERE first_seen < $1 \
                   AND address IS NOT NULL AND probe IS NULL \
                   AND (state IN ($2, $3) \
                   OR state = $4 AND queue_ids LIKE '% % % %' AND last_seen > $5) \
                   GROUP BY address ORDER BY address";
        let tried = before - SignedDuration::from_hours(2);
        let [diverted, unwrapping, handed_over] =
            [Outcome::Diverted, Outcome::Unwrapping, Outcome::HandedOver].map(|o| o.word().into());
        let values =
            [millis(before).into(), diverted, unwrapping, handed_over, millis(tried).into()];
        let mut rows = self.engine.rows(sql, &values)?;
        let one = |row: &mut Row| {
            let (address, count, oldest) = (row.text()?, row.int()?, row.int()?);
            Ok((address, u64::try_from(count).unwrap_or(0), timestamp(oldest)?))
        };
        rows.iter_mut().map(one).collect()
    }

    /// What the ledger is like.
    pub fn state(&mut self) -> Result<LedgerState, Error> {
        let mut rows = self.engine.rows("SELECT MIN(at) FROM event", &[])?;
        let oldest = rows.first_mut().map_or(Ok(None), Row::maybe_int)?;
        let sql = "SELECT host, updated, entries, lost FROM position ORDER BY host";
        let mut hosts = Vec::new();
        for row in &mut self.engine.rows(sql, &[])? {
            hosts.push(HostState {
                host: row.text()?,
                updated: timestamp(row.int()?)?,
                entries: u64::try_from(row.int()?).unwrap_or(0),
                lost: u64::try_from(row.int()?).unwrap_or(0),
            });
        }
        let oldest = oldest.map(timestamp).transpose()?;
        Ok(LedgerState { version: VERSION, size: self.engine.size()?, oldest, hosts })
    }
}

/// Reads the columns [`COPY`].
pub(super) fn copy_of(row: &mut Row) -> Result<Copy, Error> {
    Ok(Copy {
        token: row.text()?,
        host: row.text()?,
        first: timestamp(row.int()?)?,
        last: timestamp(row.int()?)?,
        since: timestamp(row.int()?)?,
        address: row.maybe_text()?,
        system: row.maybe_text()?,
        kind: row.maybe_text()?,
        size: row.maybe_int()?.and_then(|size| u64::try_from(size).ok()),
        sender: row.maybe_text()?,
        state: {
            let word = row.text()?;
            Outcome::from_word(&word)
                .ok_or_else(|| Error::Damaged(format!("{word:?} is no state of a copy")))?
        },
        reason: row.maybe_text()?,
        status: row.maybe_text()?,
        next_hop: row.maybe_text()?,
        reply: row.maybe_text()?,
        queue_ids: row.text()?.split_whitespace().map(str::to_owned).collect(),
        probe: row.maybe_text()?,
    })
}

fn event_of(row: &mut Row) -> Result<(String, Entry), Error> {
    let (host, line) = (row.text()?, row.text()?);
    let entry = serde_json::from_str(&line)
        .map_err(|error| Error::Damaged(format!("an event cannot be read: {error}")))?;
    Ok((host, entry))
}
