//! A passwd-file on disk: read, and changed as a whole or not at all, one change at a time.
//!
//! Must not know what is changed.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fmt;
use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use data_encoding::HEXLOWER;
use rustix::fs::{FlockOperation, OFlags, flock};

use super::passwd_file::{EntryError, NoEntry, PasswdFile};

/// More than any passwd-file that is edited as a whole.
const MAX_SIZE: u64 = 16 << 20;
/// How long another change may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// User and group that Dovecot's auth process runs as (`default_internal_user`).
const DOVECOT: &str = "dovecot";

/// A passwd-file's place.
#[derive(Clone, Debug)]
pub struct Store {
    path: PathBuf,
}

/// Why a passwd-file cannot be read or changed. No case holds a part of a hash.
#[derive(Debug)]
pub enum StoreError {
    /// There is no such file.
    Missing,
    /// There is no folder to make it in.
    NoFolder(PathBuf),
    /// It is a symbolic link, to this. A change would put a file in its place.
    Link(PathBuf),
    /// It is a folder, a device or another thing that is no file.
    NotAFile,
    /// It is larger than any passwd-file should be.
    TooLarge,
    /// A line is none of a passwd-file.
    Line(NoEntry),
    /// The change is not possible.
    Entry(EntryError),
    /// Somebody else is changing files in this folder and does not come to an end.
    Busy(PathBuf),
    /// The system gave no random octets.
    Random,
    /// Reading or writing failed.
    Io(io::Error),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("does not exist"),
            Self::NoFolder(folder) => write!(f, "there is no folder {}", folder.display()),
            Self::Link(to) => write!(f, "is a symbolic link to {}", to.display()),
            Self::NotAFile => f.write_str("is not a file"),
            Self::TooLarge => f.write_str("is too large to be a passwd-file"),
            Self::Line(line) => line.fmt(f),
            Self::Entry(error) => error.fmt(f),
            Self::Busy(folder) => {
                write!(f, "somebody else has locked {} for 10 seconds", folder.display())
            }
            Self::Random => f.write_str("needs random octets, and the system gave none"),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for StoreError {}

impl From<io::Error> for StoreError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::Missing,
            _ => Self::Io(error),
        }
    }
}

/// What is not as it should be with a file that can be used nevertheless.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remark {
    /// Everybody may read it.
    Exposed {
        /// Its mode.
        mode: u32,
    },
    /// Others than its owner may change it.
    Writable {
        /// Its mode.
        mode: u32,
    },
    /// Dovecot's user may not read it.
    Unreadable,
    /// Dovecot's user may not enter a folder on the way to it.
    Closed(PathBuf),
}

impl Store {
    /// The file at `path`, whether it is there or not.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads it.
    pub fn read(&self) -> Result<PasswdFile, StoreError> {
        Ok(self.open()?.0)
    }

    /// Changes it, with nobody else changing it at the same time. A file that is not there yet is
    /// made if `make` says so. Where `how` fails, nothing happens.
    pub fn change(
        &self,
        make: bool,
        how: impl FnOnce(&mut PasswdFile) -> Result<(), EntryError>,
    ) -> Result<(), StoreError> {
        // Not the file: each change puts another one in its place.
        let folder = self.folder();
        let lock = File::open(folder).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => StoreError::NoFolder(folder.to_owned()),
            _ => StoreError::Io(error),
        })?;
        lock_within(&lock, PATIENCE).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => StoreError::Busy(folder.to_owned()),
            _ => StoreError::Io(error),
        })?;
        let (mut file, old) = match self.open() {
            Ok((file, old)) => (file, Some(old)),
            Err(StoreError::Missing) if make => (PasswdFile::default(), None),
            Err(error) => return Err(error),
        };
        how(&mut file).map_err(StoreError::Entry)?;
        let new = Temporary::beside(&self.path, folder)?;
        new.fill(&file.text(), old.as_ref())?;
        match old {
            Some(_) => fs::rename(&new.path, &self.path)?,
            // Unlike a rename, a link never replaces what came in between.
            None => fs::hard_link(&new.path, &self.path)?,
        }
        // Makes the new name survive a power cut.
        Ok(lock.sync_all()?)
    }

    /// What is not as it should be, of a file that is there.
    pub fn remarks(&self) -> Vec<Remark> {
        let Ok(metadata) = fs::metadata(&self.path) else {
            return Vec::new();
        };
        let mode = metadata.mode() & 0o777;
        let mut remarks = Vec::new();
        if mode & 0o004 != 0 {
            remarks.push(Remark::Exposed { mode });
        }
        if mode & 0o022 != 0 {
            remarks.push(Remark::Writable { mode });
        }
        if !dovecot_has(&metadata, 0o4) {
            remarks.push(Remark::Unreadable);
        }
        let folder = fs::canonicalize(self.folder()).unwrap_or_default();
        let closed = |folder: &&Path| fs::metadata(folder).is_ok_and(|m| !dovecot_has(&m, 0o1));
        remarks.extend(folder.ancestors().find(closed).map(|f| Remark::Closed(f.to_owned())));
        remarks
    }

    /// The folder that it is in.
    pub fn folder(&self) -> &Path {
        match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        }
    }

    fn open(&self) -> Result<(PasswdFile, Metadata), StoreError> {
        let kind = fs::symlink_metadata(&self.path)?.file_type();
        if kind.is_symlink() {
            return Err(StoreError::Link(fs::read_link(&self.path)?));
        }
        // Whatever is a pipe must not hold us up.
        if !kind.is_file() {
            return Err(StoreError::NotAFile);
        }
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
        let file = OpenOptions::new().read(true).custom_flags(flags).open(&self.path)?;
        let metadata = file.metadata()?;
        let mut text = Vec::new();
        file.take(MAX_SIZE + 1).read_to_end(&mut text)?;
        if text.len() as u64 > MAX_SIZE {
            return Err(StoreError::TooLarge);
        }
        Ok((PasswdFile::parse(&text).map_err(StoreError::Line)?, metadata))
    }
}

/// Waits for the lock, which ends with `file`. An error of kind `WouldBlock`: it took too long.
fn lock_within(file: &File, patience: Duration) -> io::Result<()> {
    let begun = Instant::now();
    loop {
        match flock(file, FlockOperation::NonBlockingLockExclusive) {
            Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR)
                if begun.elapsed() < patience =>
            {
                sleep(Duration::from_millis(10));
            }
            done => return Ok(done?),
        }
    }
}

/// Whether Dovecot's user has the permission `bit` (as for others). Where there is no such user,
/// nobody knows.
fn dovecot_has(of: &Metadata, bit: u32) -> bool {
    let Some(user) = id_in("/etc/passwd", DOVECOT) else {
        return true;
    };
    let shift = if of.uid() == user {
        6
    } else if id_in("/etc/group", DOVECOT) == Some(of.gid()) {
        3
    } else {
        0
    };
    of.mode() & (bit << shift) != 0
}

/// The number of a user or group in a file like `/etc/passwd`.
fn id_in(file: &str, name: &str) -> Option<u32> {
    let text = fs::read_to_string(file).ok()?;
    let number = |line: &str| {
        let mut fields = line.split(':');
        (fields.next()? == name).then(|| fields.nth(1)?.parse().ok()).flatten()
    };
    text.lines().find_map(number)
}

/// A file beside the one to be written; gone when dropped.
struct Temporary {
    path: PathBuf,
    file: File,
}

impl Temporary {
    fn beside(path: &Path, folder: &Path) -> Result<Self, StoreError> {
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|_| StoreError::Random)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let path = folder.join(format!(".{name}-{}.tmp", HEXLOWER.encode(&random)));
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        Ok(Self { path, file })
    }

    /// Writes the text, with owner and mode of the old file, or those that a new one needs.
    fn fill(&self, text: &[u8], old: Option<&Metadata>) -> io::Result<()> {
        let mut file = &self.file;
        file.write_all(text)?;
        let new = file.metadata()?;
        if let Some(old) = old {
            if (old.uid(), old.gid()) != (new.uid(), new.gid()) {
                fchown(file, Some(old.uid()), Some(old.gid()))?;
            }
            file.set_permissions(Permissions::from_mode(old.mode() & 0o7777))?;
            // Dovecot: reads a file again if its size or the second of its last change differs
            // (2.3.19). A new password changes neither if it comes within a second.
            let later = whole_second(old.modified()?) + Duration::from_secs(1);
            if new.modified()? < later {
                file.set_modified(later)?;
            }
        } else if let Some(group) = id_in("/etc/group", DOVECOT) {
            // Who is not root keeps it to himself, and is told that Dovecot cannot read it.
            if fchown(file, None, Some(group)).is_ok() {
                file.set_permissions(Permissions::from_mode(0o640))?;
            }
        }
        file.sync_all()
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // After a rename it is gone already.
        _ = fs::remove_file(&self.path);
    }
}

fn whole_second(time: SystemTime) -> SystemTime {
    time.duration_since(UNIX_EPOCH)
        .map_or(UNIX_EPOCH, |since| UNIX_EPOCH + Duration::from_secs(since.as_secs()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::super::Name;
    use super::*;

    fn store(dir: &tempfile::TempDir) -> Store {
        Store::at(dir.path().join("dovecot-users"))
    }

    fn add(store: &Store, name: &str) -> Result<(), StoreError> {
        store.change(true, |file| file.add(&Name::new(name).unwrap(), "{X}y", "d"))
    }

    fn names(dir: &tempfile::TempDir) -> Vec<String> {
        let entries = fs::read_dir(dir.path()).unwrap();
        entries.map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn a_new_file_is_not_for_everybody() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(&dir);
        assert!(matches!(store.read(), Err(StoreError::Missing)));
        assert!(matches!(store.change(false, |_| Ok(())), Err(StoreError::Missing)));
        add(&store, "personio").unwrap();
        let made = fs::metadata(store.path()).unwrap();
        let is_dovecots = id_in("/etc/group", DOVECOT) == Some(made.gid());
        assert_eq!(made.mode() & 0o777, if is_dovecots { 0o640 } else { 0o600 });
        assert_eq!(store.read().unwrap().entries().count(), 1);
        assert_eq!(names(&dir), ["dovecot-users"], "nothing is left beside it");
    }

    #[test]
    fn owner_and_mode_stay_and_so_does_everything_where_a_change_fails() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(&dir);
        fs::write(store.path(), "bob:x\n").unwrap();
        fs::set_permissions(store.path(), Permissions::from_mode(0o604)).unwrap();
        // Another group where that is allowed: as root.
        let given = fchown(File::open(store.path()).unwrap(), Some(65534), Some(65533)).is_ok();
        add(&store, "personio").unwrap();
        let after = fs::metadata(store.path()).unwrap();
        assert_eq!(after.mode() & 0o7777, 0o604);
        assert!(!given || (after.uid(), after.gid()) == (65534, 65533));
        assert!(store.remarks().contains(&Remark::Exposed { mode: 0o604 }));
        let text = fs::read(store.path()).unwrap();
        assert!(matches!(add(&store, "Personio"), Err(StoreError::Entry(EntryError::Exists(_)))));
        assert_eq!(fs::read(store.path()).unwrap(), text);
        assert_eq!(fs::metadata(store.path()).unwrap().ino(), after.ino());
        assert_eq!(names(&dir), ["dovecot-users"]);
    }

    #[test]
    fn each_change_shows_in_the_second_of_the_last_change() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(&dir);
        let name = Name::new("personio").unwrap();
        add(&store, "personio").unwrap();
        let mut seen = vec![fs::metadata(store.path()).unwrap().mtime()];
        for _ in 0..3 {
            store.change(false, |file| file.replace(&name, "{X}z", "d")).unwrap();
            seen.push(fs::metadata(store.path()).unwrap().mtime());
        }
        assert!(seen.is_sorted_by(|a, b| a < b), "{seen:?}");
    }

    #[test]
    fn what_is_no_passwd_file_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(&dir);
        fs::write(dir.path().join("real"), "bob:x\n").unwrap();
        symlink("real", store.path()).unwrap();
        assert!(matches!(add(&store, "a"), Err(StoreError::Link(to)) if to == Path::new("real")));
        fs::remove_file(store.path()).unwrap();
        symlink("dangling", store.path()).unwrap();
        assert!(matches!(add(&store, "a"), Err(StoreError::Link(_))));
        assert!(matches!(add(&Store::at(dir.path()), "a"), Err(StoreError::NotAFile)));
        let nowhere = Store::at(dir.path().join("no").join("users"));
        assert!(matches!(add(&nowhere, "a"), Err(StoreError::NoFolder(_))));
        fs::remove_file(store.path()).unwrap();
        fs::write(store.path(), "bob:x\nwhat\n").unwrap();
        assert!(matches!(add(&store, "a"), Err(StoreError::Line(NoEntry(2)))));
        assert_eq!(fs::read_to_string(store.path()).unwrap(), "bob:x\nwhat\n");
        File::create(store.path()).unwrap().set_len(MAX_SIZE + 1).unwrap();
        assert!(matches!(add(&store, "a"), Err(StoreError::TooLarge)));
    }

    #[test]
    fn a_lock_that_is_held_is_waited_for_and_then_given_up() {
        let dir = tempfile::tempdir().unwrap();
        let [one, two] = [(); 2].map(|()| File::open(dir.path()).unwrap());
        lock_within(&one, Duration::ZERO).unwrap();
        let refused = lock_within(&two, Duration::from_millis(30)).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::WouldBlock);
        let waiting = std::thread::spawn(move || lock_within(&two, PATIENCE));
        sleep(Duration::from_millis(30));
        drop(one);
        waiting.join().unwrap().unwrap();
    }

    #[test]
    fn many_changes_at_once_lose_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(&dir);
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let store = &store;
                scope.spawn(move || {
                    for number in 0..10 {
                        add(store, &format!("u{thread}-{number}")).unwrap();
                    }
                });
            }
        });
        assert_eq!(store.read().unwrap().entries().count(), 40);
    }

    #[test]
    fn numbers_of_users_and_groups_are_found_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("group");
        fs::write(&file, "root:x:0:\ndove:x:1:\ndovecot:x:109:a,b\n").unwrap();
        assert_eq!(id_in(file.to_str().unwrap(), "dovecot"), Some(109));
        assert_eq!(id_in(file.to_str().unwrap(), "dove"), Some(1));
        assert_eq!(id_in(file.to_str().unwrap(), "nobody"), None);
    }
}
