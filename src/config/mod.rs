//! The configuration as the program uses it: everything checked, nothing left to parse.
//!
//! `file` turns what an admin wrote into this, or into a list of all that is wrong with it.
//! Must not know running sessions.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::policy::keys::Keys;
use crate::policy::rules::Rules;

/// A whole configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file it was read from.
    pub path: PathBuf,
    /// What decisions need.
    pub rules: Rules,
    /// The secret keys. Empty only where there are no recruiting addresses yet.
    pub keys: Keys,
    /// The milter role.
    pub milter: MilterSettings,
    /// The second and third smtpd.
    pub handoff: HandoffSettings,
    /// What is logged.
    pub log: LogSettings,
    /// The folder for the journal (and, later, the ledger).
    pub state_dir: PathBuf,
    /// When the journal file is rotated, in octets.
    pub journal_size: u64,
    /// How many rotated journal files are kept.
    pub journal_files: u32,
    /// The language of texts for people: `auto`, `de` or `en`.
    pub language: Language,
}

/// Where the milter listens and how it behaves there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MilterSettings {
    /// Sockets for pass 1, incoming mail.
    pub front: Vec<Socket>,
    /// Sockets for pass 2, the handoff.
    pub handoff: Vec<Socket>,
    /// Whether mail that is not ours is accepted at DATA.
    pub accept_early: bool,
    /// How long one callback may take before the client is told to try again.
    pub deadline: Duration,
    /// How long messages under way may go on after SIGTERM.
    pub drain: Duration,
    /// How many sessions may be open at a time, each socket kind for itself; more are closed at once.
    pub max_sessions: usize,
}

/// A place to listen.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Socket {
    /// `unix:/path`
    Unix(PathBuf),
    /// `inet:port@host`
    Inet(SocketAddr),
}

/// The hops of ours inside Postfix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandoffSettings {
    /// Where the second smtpd listens (pass 2).
    pub smtpd: SocketAddr,
    /// Where the third smtpd listens, through which mail is given back to local delivery.
    pub return_smtpd: SocketAddr,
}

/// What is logged, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// The least important level that is logged.
    pub level: LogLevel,
    /// How addresses of people outside are shown.
    pub addresses: Masking,
    /// Where to.
    pub target: LogTarget,
}

/// Levels, in Postfix's words: `error`, `warning`, `info`, `debug`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Something is wrong and mail is affected.
    Error,
    /// Something is not as it should be.
    Warning,
    /// One line per message and pass.
    Info,
    /// More.
    Debug,
}

/// How addresses of people outside are shown in logs and in the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Masking {
    /// A short keyed hash, the same for the same address.
    Hash,
    /// The first letter and the domain: `e***@example.org`.
    Masked,
    /// As it is.
    Full,
}

/// Where log lines go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogTarget {
    /// To journald if it listens and standard error is its, else to standard error.
    Auto,
    /// Standard error.
    Stderr,
    /// journald.
    Journald,
}

/// The language of texts for people. Logs are English always.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// By the locale.
    Auto,
    /// German.
    De,
    /// English.
    En,
}
