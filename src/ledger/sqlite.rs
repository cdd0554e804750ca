//! The ledger in an SQLite file: the default, for one host.
//!
//! Must not know what the tables mean.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags, ToSql, params_from_iter};

use super::engine::{Engine, Row, Value};
use super::{Access, Error};

/// How long to wait while another process writes.
const PATIENCE: Duration = Duration::from_secs(5);
/// As many statements as there are here.
const STATEMENTS: usize = 64;

pub(super) struct Sqlite {
    connection: Connection,
    path: PathBuf,
}

impl Sqlite {
    pub(super) fn open(path: &Path, access: Access) -> Result<Self, Error> {
        if access == Access::Write {
            make(path).map_err(|error| unusable(path, &error))?;
        } else if let Err(error) = std::fs::metadata(path) {
            return Err(match error.kind() {
                io::ErrorKind::NotFound => Error::Missing(path.display().to_string()),
                _ => unusable(path, &error),
            });
        }
        // Reading a file with a write-ahead log writes its index. SQLite gives files that root makes to
        // the owner of the database.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(PATIENCE)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        let mut this = Self { connection, path: path.to_owned() };
        if access == Access::Write {
            // A power cut may cost the last transactions: the journal has them still.
            this.script(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; \
                 PRAGMA secure_delete = ON; PRAGMA journal_size_limit = 4194304;",
            )?;
        } else {
            this.script("PRAGMA query_only = ON;")?;
        }
        Ok(this)
    }
}

/// Makes the file where there is none, for its owner alone: SQLite itself would make it by the umask. A
/// command that runs as root makes it for whom the folder is for, so that the agent can use it.
fn make(path: &Path) -> io::Result<()> {
    let made = OpenOptions::new().create_new(true).append(true).mode(0o600).open(path);
    let file = match made {
        Ok(file) => file,
        // There it is, if it can be opened.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return OpenOptions::new().append(true).open(path).map(drop);
        }
        Err(error) => return Err(error),
    };
    if rustix::process::geteuid().is_root()
        && let Some(folder) = path.parent()
    {
        let folder = std::fs::metadata(folder)?;
        std::os::unix::fs::fchown(&file, Some(folder.uid()), Some(folder.gid()))?;
    }
    Ok(())
}

fn unusable(path: &Path, error: &io::Error) -> Error {
    let what = format!("{}: {error}", path.display());
    match error.kind() {
        io::ErrorKind::PermissionDenied => Error::NotPermitted(what),
        io::ErrorKind::StorageFull => Error::Full,
        _ => Error::Unreachable(what),
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Null => ToSqlOutput::Borrowed(ValueRef::Null),
            Self::Int(int) => ToSqlOutput::Borrowed(ValueRef::Integer(*int)),
            Self::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
        })
    }
}

impl Engine for Sqlite {
    fn run(&mut self, sql: &'static str, values: &[Value]) -> Result<u64, Error> {
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement.execute(params_from_iter(values))? as u64)
    }

    fn rows(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>, Error> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let columns = statement.column_count();
        let rows = statement.query_map(params_from_iter(values), |row| {
            let column = |at| {
                Ok(match row.get_ref(at)? {
                    ValueRef::Integer(int) => Value::Int(int),
                    ValueRef::Text(text) | ValueRef::Blob(text) => {
                        Value::Text(String::from_utf8_lossy(text).into_owned())
                    }
                    // There is no column of real numbers: whoever reads it finds the damage.
                    ValueRef::Null | ValueRef::Real(_) => Value::Null,
                })
            };
            let values: rusqlite::Result<Vec<Value>> = (0..columns).map(column).collect();
            Ok(Row(values?.into_iter()))
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    fn script(&mut self, sql: &str) -> Result<(), Error> {
        Ok(self.connection.execute_batch(sql)?)
    }

    fn begin(&mut self) -> Result<(), Error> {
        self.script("BEGIN IMMEDIATE")
    }

    fn commit(&mut self) -> Result<(), Error> {
        self.script("COMMIT")
    }

    fn rollback(&mut self) {
        if !self.connection.is_autocommit() {
            let _ = self.script("ROLLBACK");
        }
    }

    fn size(&mut self) -> Result<u64, Error> {
        Ok(std::fs::metadata(&self.path).map_err(|error| unusable(&self.path, &error))?.len())
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        let text = error.to_string();
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Locked,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged(text),
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => Self::NotPermitted(text),
            Some(ErrorCode::CannotOpen | ErrorCode::SystemIoFailure) => Self::Unreachable(text),
            _ => Self::Other(text),
        }
    }
}
