//! What is logged, how addresses of people outside are shown, and where lines go.
//!
//! Must not know how that is configured.
// SPDX-License-Identifier: GPL-3.0-or-later

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

impl Default for LogSettings {
    /// As where nothing is configured.
    fn default() -> Self {
        Self { level: LogLevel::Info, addresses: Masking::Hash, target: LogTarget::Auto }
    }
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
