//! Opening the ledger that a configuration names.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::postgres::Postgres;
use super::sqlite::Sqlite;
use super::{Access, Error, Ledger, schema};
use crate::config::{Config, Database};

/// Opens the ledger that a configuration names.
pub fn open(config: &Config, access: Access) -> Result<Ledger, Error> {
    let mut engine: Box<dyn super::engine::Engine> = match &config.ledger.database {
        Database::File(_) => {
            let path = file_of(config).unwrap_or_default();
            Box::new(Sqlite::open(&path, access)?)
        }
        Database::Postgres(url) => {
            let name = config.ledger.credential.as_deref();
            let password = name.map(|name| crate::config::credential(config, name)).transpose();
            let password = password.map_err(Error::Credential)?;
            Box::new(Postgres::open(url, password.as_deref(), access)?)
        }
    };
    schema::prepare(&mut *engine, access)?;
    Ok(Ledger { engine })
}

/// The file that the ledger is in, if it is in one.
pub fn file_of(config: &Config) -> Option<PathBuf> {
    match &config.ledger.database {
        Database::File(path) => Some(config.state_dir.join(path)),
        Database::Postgres(_) => None,
    }
}

/// The name of this host in the ledger.
pub fn host_of(config: &Config) -> String {
    let system = || rustix::system::uname().nodename().to_string_lossy().into_owned();
    config.ledger.host.clone().unwrap_or_else(system)
}

/// Sets a damaged file aside, with what belongs to it, so that a new one can be begun. Its new name.
pub fn set_aside(file: &Path) -> std::io::Result<PathBuf> {
    let name = |suffix: &str, time: Timestamp| {
        let mut name = file.as_os_str().to_owned();
        name.push(format!(".damaged-{}{suffix}", time.strftime("%Y%m%dT%H%M%SZ")));
        PathBuf::from(name)
    };
    let now = Timestamp::now();
    for suffix in ["-wal", "-shm"] {
        let mut companion = file.as_os_str().to_owned();
        companion.push(suffix);
        match std::fs::rename(companion, name(suffix, now)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    std::fs::rename(file, name("", now))?;
    Ok(name("", now))
}
