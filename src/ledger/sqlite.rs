//! The ledger in an SQLite file: the default, for one host.
//!
//! Must not know what the tables mean.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags, ToSql, params_from_iter};
use rustix::fs::Access as Permission;

use super::engine::{Engine, Row, Value};
use super::{Access, Error};

/// How long to wait while another process writes.
const PATIENCE: Duration = Duration::from_secs(5);
/// As many statements as there are here.
const STATEMENTS: usize = 64;

/// Held while the file is made and while SQLite opens it.
///
/// A process that closes any descriptor of a file loses all of its POSIX locks on it, those of SQLite's
/// connections among them; the next reader that goes then takes the write-ahead log for left over and
/// deletes it. So a file that is there is opened by SQLite alone; and while a new one is made, which is
/// closed again, no connection can get hold of it.
static OPENING: Mutex<()> = Mutex::new(());

pub(super) struct Sqlite {
    connection: Connection,
    path: PathBuf,
    /// Which file that was.
    file: FileId,
    /// What a writer has open; nothing if it has not written yet.
    files: Option<Files>,
}

impl Sqlite {
    pub(super) fn open(path: &Path, access: Access) -> Result<Self, Error> {
        let (connection, file) = connect(path, access)?;
        connection.busy_timeout(PATIENCE)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        let mut this = Self { connection, path: path.to_owned(), file, files: None };
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

/// A connection, and which file it is to.
fn connect(path: &Path, access: Access) -> Result<(Connection, FileId), Error> {
    let _alone = OPENING.lock().unwrap_or_else(PoisonError::into_inner);
    let needed = match access {
        Access::Read => Permission::READ_OK,
        Access::Write => {
            make(path).map_err(|error| unusable(path, &error))?;
            Permission::READ_OK | Permission::WRITE_OK
        }
    };
    // SQLite would only say that it cannot open it. Asked without opening it.
    match rustix::fs::access(path, needed).map_err(io::Error::from) {
        Err(error) if access == Access::Read && error.kind() == io::ErrorKind::NotFound => {
            return Err(Error::Missing(path.display().to_string()));
        }
        asked => asked.map_err(|error| unusable(path, &error))?,
    }
    // Before it is opened: if it is another by then, that is noticed at the next look.
    let file = id(path);
    // Reading a file with a write-ahead log writes its index. SQLite gives files that root makes to
    // the owner of the database.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Ok((Connection::open_with_flags(path, flags)?, file))
}

/// Makes the file where there is none, for its owner alone: SQLite itself would make it by the umask. A
/// command that runs as root makes it for whom the folder is for, so that the agent can use it.
fn make(path: &Path) -> io::Result<()> {
    let made = OpenOptions::new().create_new(true).append(true).mode(0o600).open(path);
    let file = match made {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
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

/// Device and number of a file; nothing if there is none.
type FileId = Option<(u64, u64)>;

fn id(path: &Path) -> FileId {
    std::fs::metadata(path).ok().map(|file| (file.dev(), file.ino()))
}

/// The files that belong to a connection: the database, its write-ahead log and the log's index. None of
/// them becomes another one while the connection is open, unless somebody who heeds no locks meddles.
struct Files {
    paths: [PathBuf; 3],
    ids: [FileId; 3],
}

impl Files {
    fn of(path: &Path, file: FileId) -> Self {
        // Where the path is a link SQLite has the other two beside its target.
        let real = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let beside = |suffix: &str| {
            let mut name = real.as_os_str().to_owned();
            name.push(suffix);
            PathBuf::from(name)
        };
        let paths = [path.to_owned(), beside("-wal"), beside("-shm")];
        let ids = [file, id(&paths[1]), id(&paths[2])];
        Self { paths, ids }
    }

    fn are_there(&self) -> bool {
        self.paths.iter().zip(&self.ids).all(|(path, known)| id(path) == *known)
    }
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
        self.script("COMMIT")?;
        // A new database has its log only now.
        self.files.get_or_insert_with(|| Files::of(&self.path, self.file));
        Ok(())
    }

    fn rollback(&mut self) {
        if !self.connection.is_autocommit() {
            let _ = self.script("ROLLBACK");
        }
    }

    fn is_in_place(&mut self) -> bool {
        let in_place = self.files.as_ref().is_none_or(Files::are_there);
        if !in_place {
            // What is in its log must not be written over what others have made of it since.
            _ = self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
        }
        in_place
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
