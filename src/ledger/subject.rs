//! People outside, as hashes under keys that are destroyed when their time is over.
//!
//! What the journal has of an address is a keyed hash, under the site's secret key. The ledger keeps a
//! hash of that under a key of its own, a new one each week. Neither the ledger nor the site's key alone
//! tells anything, and once the week's key is destroyed, not both together.
// SPDX-License-Identifier: GPL-3.0-or-later

use data_encoding::{BASE32_NOPAD, HEXLOWER};
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use sha2::Sha256;

use super::engine::{Engine, Row};
use super::{Error, Ledger, millis};
use crate::journal::Entry;

/// How long a key is used, in milliseconds.
const PERIOD: i64 = 7 * 86_400 * 1000;
/// 160 bits.
const HASH: usize = 20;

/// Hashes under the key of the present.
pub(super) struct Hasher(Vec<u8>);

impl Hasher {
    /// The key of the present; made where there is none yet.
    pub(super) fn current(engine: &mut dyn Engine) -> Result<Self, Error> {
        let now = millis(Timestamp::now());
        let sql = "SELECT number, secret, begun FROM hash_key ORDER BY number DESC LIMIT 1";
        let mut last = -1;
        if let Some(row) = engine.rows(sql, &[])?.first_mut() {
            let (number, secret, begun) = (row.int()?, row.text()?, row.int()?);
            // A clock that was put back makes no new key.
            if now < begun + PERIOD {
                return decode(&secret).map(Self);
            }
            last = number;
        }
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(|error| Error::Other(error.to_string()))?;
        let values = [(last + 1).into(), HEXLOWER.encode(&secret).into(), now.into()];
        let made = "INSERT INTO hash_key VALUES ($1, $2, $3) ON CONFLICT (number) DO NOTHING";
        if engine.run(made, &values)? == 1 {
            return Ok(Self(secret.to_vec()));
        }
        // Another host made one at the same moment.
        let sql = "SELECT secret FROM hash_key WHERE number = $1";
        let mut rows = engine.rows(sql, &values[..1])?;
        decode(&rows.first_mut().map_or_else(|| Ok(String::new()), Row::text)?).map(Self)
    }

    /// A hash under this key.
    pub(super) fn hash(&mut self, journal_hash: &str) -> String {
        hash(&self.0, journal_hash)
    }

    /// Hashes under all keys.
    pub(super) fn all(engine: &mut dyn Engine, hashes: &[String]) -> Result<Vec<String>, Error> {
        let mut all = Vec::new();
        for row in &mut engine.rows("SELECT secret FROM hash_key", &[])? {
            let key = decode(&row.text()?)?;
            all.extend(hashes.iter().map(|one| hash(&key, one)));
        }
        Ok(all)
    }

    /// Destroys the keys under which nothing is kept any more: those whose successor began before.
    pub(super) fn destroy_old(engine: &mut dyn Engine, before: i64) -> Result<(), Error> {
        let sql = "DELETE FROM hash_key WHERE number < \
                   (SELECT MAX(number) FROM hash_key WHERE begun < $1)";
        engine.run(sql, &[before.into()]).map(drop)
    }
}

fn decode(secret: &str) -> Result<Vec<u8>, Error> {
    let key = HEXLOWER.decode(secret.as_bytes()).ok().filter(|key| key.len() == 32);
    key.ok_or_else(|| Error::Damaged("a hash key is none".into()))
}

fn hash(key: &[u8], text: &str) -> String {
    // HMAC takes a key of any length.
    let Ok(mut mac) = <Hmac<Sha256>>::new_from_slice(key) else { return String::new() };
    mac.update(text.as_bytes());
    BASE32_NOPAD.encode(&mac.finalize().into_bytes()[..HASH]).to_lowercase()
}

impl Ledger {
    /// Takes out of the ledger whatever belongs to somebody: who the copies are of, not that there were
    /// copies. Takes the hashes that the journal would have of the address. How many copies it was.
    pub fn erase(&mut self, hashes: &[String]) -> Result<u64, Error> {
        self.whole(|engine| {
            let mut erased = std::collections::BTreeSet::new();
            for hash in Hasher::all(engine, hashes)? {
                let sql = "SELECT token FROM subject WHERE hash = $1";
                for row in &mut engine.rows(sql, &[hash.into()])? {
                    erased.insert(row.text()?);
                }
            }
            for token in &erased {
                erase(engine, token)?;
            }
            Ok(erased.len() as u64)
        })
    }
}

fn erase(engine: &mut dyn Engine, token: &str) -> Result<(), Error> {
    engine.run(
        "UPDATE copy SET sender = NULL, reply = NULL, message = NULL WHERE token = $1",
        &[token.into()],
    )?;
    let sql = "SELECT host, number, line FROM event WHERE token = $1";
    for row in &mut engine.rows(sql, &[token.into()])? {
        let (host, number, line) = (row.text()?, row.int()?, row.text()?);
        let Ok(entry) = serde_json::from_str::<Entry>(&line) else { continue };
        let entry = Entry { sender: None, reply: None, detail: None, ..entry };
        let line = serde_json::to_string(&entry).map_err(|e| Error::Other(e.to_string()))?;
        let sql = "UPDATE event SET line = $1 WHERE host = $2 AND number = $3";
        engine.run(sql, &[line.into(), host.into(), number.into()])?;
    }
    engine.run("DELETE FROM subject WHERE token = $1", &[token.into()]).map(drop)
}
