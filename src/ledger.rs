//! The ledger: what happened to each copy, kept for those who ask.
//!
//! The agent writes it from the journal, the commands read it. Mail never waits for it: it may be
//! away, locked or lost, and what the journal still holds is in it afterwards.
//!
//! * [`copy`]: a copy and what became of it, folded from the journal's entries. Pure.
//! * [`evidence`]: what it knows about the way to each recruiting address, judged.
//! * `engine`, `sqlite`, `postgres`: two databases for the same statements.
//! * `schema`: the tables. `write`, `read`, `subject`, `lag`: what is done with them.
//!
//! All of it waits for a database: not for threads that serve anybody.
//!
//! Must not know how decisions about mail are made, nor the milter.
// SPDX-License-Identifier: GPL-3.0-or-later

pub mod copy;
mod engine;
pub mod evidence;
mod lag;
mod open;
mod postgres;
mod read;
mod schema;
mod sqlite;
mod subject;
#[cfg(test)]
mod tests;
mod write;

use std::fmt;

use jiff::Timestamp;

pub use copy::Copy;
pub use open::{file_of, host_of, open, set_aside};
pub use read::{EventFilter, Filter, HostState, LedgerState, Needle, Summary};

pub use schema::FIELDS;

use engine::Engine;

/// What somebody is going to do with the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Read only. The tables must be there.
    Read,
    /// Read and write. The tables are made, or brought up to date.
    Write,
}

/// An open ledger.
pub struct Ledger {
    engine: Box<dyn Engine>,
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ledger")
    }
}

impl Ledger {
    /// Whether what is written here is what others read who open the ledger now. If not, open it again.
    pub fn is_in_place(&mut self) -> bool {
        self.engine.is_in_place()
    }

    /// Does something that is to happen as a whole or not at all.
    fn whole<T>(
        &mut self,
        work: impl FnOnce(&mut dyn Engine) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let engine = &mut *self.engine;
        engine.begin()?;
        let done = work(engine).and_then(|result| engine.commit().map(|()| result));
        if done.is_err() {
            engine.rollback();
        }
        done
    }
}

/// Why the ledger cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// There is none yet.
    Missing(String),
    /// The database cannot be reached.
    Unreachable(String),
    /// Somebody else holds it, or it does not answer in time.
    Locked,
    /// The disk is full.
    Full,
    /// Not for this user.
    NotPermitted(String),
    /// It is damaged.
    Damaged(String),
    /// A later version of the program made it.
    TooNew {
        /// The version of its tables.
        found: i64,
        /// The version that is known here.
        known: i64,
    },
    /// The journal was read further by another process meanwhile.
    Overtaken,
    /// The credential with the password cannot be used.
    Credential(String),
    /// Something else that the database says.
    Other(String),
}

impl Error {
    /// What can be done about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Missing(_) => "start the agent: recruit-milter run",
            Self::Unreachable(_) => "see that the database runs, and [ledger] database names it",
            Self::Locked => "see who holds the database; it is tried again",
            Self::Full => "make room on the disk; what is missing is read from the journal then",
            Self::NotPermitted(_) => "ask as root or as the user that the agent runs as",
            Self::Damaged(_) => "the agent sets it aside and begins a new one from the journal",
            Self::TooNew { .. } => "install the version that made it, or name another database",
            Self::Overtaken => "run one agent for each host",
            Self::Credential(_) => "see [ledger] credential in the configuration",
            Self::Other(_) => "see the log of the database",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(what) => write!(f, "there is no ledger yet: {what}"),
            Self::Unreachable(what) => write!(f, "the ledger cannot be reached: {what}"),
            Self::Locked => f.write_str("the ledger is locked by somebody else"),
            Self::Full => f.write_str("there is no room on the ledger's disk"),
            Self::NotPermitted(what) => write!(f, "not permitted: {what}"),
            Self::Damaged(what) => write!(f, "the ledger is damaged: {what}"),
            Self::TooNew { found, known } => {
                write!(f, "the ledger's tables are of version {found}; {known} is known here")
            }
            Self::Overtaken => f.write_str("another agent reads the same journal"),
            Self::Credential(what) => write!(f, "the ledger's password: {what}"),
            Self::Other(what) => write!(f, "the ledger's database says: {what}"),
        }
    }
}

impl std::error::Error for Error {}

/// Times are kept in milliseconds since 1970.
fn millis(time: Timestamp) -> i64 {
    time.as_millisecond()
}

fn timestamp(millis: i64) -> Result<Timestamp, Error> {
    Timestamp::from_millisecond(millis)
        .map_err(|_| Error::Damaged(format!("{millis} is no time in milliseconds")))
}
