//! Why Postfix's configuration could not be read or changed.
//!
//! Must not know what it was read for.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why Postfix's configuration could not be read or changed.
#[derive(Debug)]
pub enum Error {
    /// A program of Postfix is nowhere to be found.
    NotInstalled(&'static str),
    /// A program could not be started.
    Run {
        /// Which.
        program: &'static str,
        /// Why.
        source: io::Error,
    },
    /// A program failed.
    Command {
        /// With its arguments.
        command: String,
        /// What it said.
        said: String,
    },
    /// A file could not be read or written.
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is no socket to tell Postfix of.
    NoSocket(&'static str),
    /// A value of the configuration cannot be written in main.cf.
    Value {
        /// What it is.
        what: &'static str,
        /// The value.
        value: String,
    },
    /// A service of somebody else has the name or port that one of ours needs.
    Taken {
        /// Its `name/type`.
        key: String,
        /// Its program.
        command: String,
    },
    /// Somebody else listens where one of our services is to, or nobody can.
    Occupied {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// After all steps something still differed.
    NotTaken(String),
    /// A step failed, and then not even the old state could be brought back.
    NotRestored {
        /// What failed first.
        error: Box<Error>,
        /// What failed then.
        restoring: Box<Error>,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotInstalled(program) => {
                write!(f, "\"{program}\" was not found: is Postfix installed?")
            }
            Self::Run { program, .. } => write!(f, "cannot run \"{program}\""),
            Self::Command { command, said } => write!(f, "\"{command}\" failed: {said}"),
            Self::File { path, .. } => write!(f, "cannot read or write {}", path.display()),
            Self::NoSocket(which) => write!(f, "no {which} socket is configured"),
            Self::Taken { key, command } => write!(
                f,
                "\"{key}\" in master.cf is already in use, by \"{command}\"; \
                 choose another port in [handoff] or [alerts]"
            ),
            Self::Occupied { address, .. } => write!(
                f,
                "Postfix could not listen on {address}, and would end; \
                 choose another port in [handoff] or [alerts]"
            ),
            Self::NotTaken(left) => write!(f, "Postfix did not take all changes:\n{left}"),
            Self::NotRestored { error, restoring } => {
                write!(f, "{error}; then the old files could not be put back: {restoring}")
            }
            Self::Value { what, value } => {
                write!(f, "{what} cannot be written in main.cf: {value:?}")
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Run { source, .. }
            | Self::File { source, .. }
            | Self::Occupied { source, .. } => Some(source),
            _ => None,
        }
    }
}
