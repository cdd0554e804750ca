//! The file with the secret keys: one `NUMBER BASE64` a line, the newest first.
//!
//! Must not know what keys are used for.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

use data_encoding::{BASE64, HEXLOWER};

use crate::policy::keys::{Keys, MIN_KEY};

/// What a key file is given at most, as in `chmod`: the owner writes, the group reads.
const MODE_LIMIT: u32 = 0o640;
/// More than 256 keys of a sensible length take.
const MAX_SIZE: u64 = 1 << 20;

const HEADING: &str = "\
# Secret keys of recruit-milter: number and key, the newest first. The first one signs.
# Made by `recruit-milter init-key`. An old key is needed as long as anything signed with it may
# come back: remove it some weeks after a newer one was put above it.
";

/// The keys of a file.
#[derive(Clone)]
pub struct KeyFile(Vec<(u8, Vec<u8>)>);

impl fmt::Debug for KeyFile {
    /// Numbers only: keys are never shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids = self.0.iter().map(|(id, _)| id);
        f.debug_list().entries(ids).finish()
    }
}

/// Why a key file cannot be read or written. No case holds a part of a key.
#[derive(Debug)]
pub enum KeyFileError {
    /// There is no such file.
    Missing,
    /// There is one already, and it was not to be replaced.
    Exists,
    /// It is a folder, a device or another thing that is no file.
    NotAFile,
    /// Others than its owner may change it, or others than its group may read it.
    Exposed {
        /// Its mode.
        mode: u32,
    },
    /// It is larger than any key file can be.
    TooLarge,
    /// A line is wrong.
    Line {
        /// Which, from 1.
        line: usize,
        /// What is wrong with it.
        fault: LineFault,
    },
    /// It holds no key.
    Empty,
    /// All 256 numbers are taken.
    Full,
    /// The system gave no random octets.
    Random,
    /// Reading or writing failed.
    Io(io::Error),
}

/// What is wrong with a line of a key file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineFault {
    /// It is not a number and a key.
    Form,
    /// The number is not one from 0 to 255.
    Number,
    /// An earlier line has the same number.
    Twice,
    /// The key is not base64.
    Base64,
    /// The key is shorter than [`MIN_KEY`].
    Short,
}

impl fmt::Display for LineFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form => f.write_str("the line is not a number and a key"),
            Self::Number => f.write_str("the number is not one from 0 to 255"),
            Self::Twice => f.write_str("the number has a key already"),
            Self::Base64 => f.write_str("the key is not base64"),
            Self::Short => write!(f, "the key has less than {MIN_KEY} octets"),
        }
    }
}

impl fmt::Display for KeyFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("does not exist"),
            Self::Exists => f.write_str("exists already"),
            Self::NotAFile => f.write_str("is not a file"),
            Self::Exposed { mode } if mode & 0o007 != 0 => {
                write!(f, "is open to everybody (mode {mode:04o})")
            }
            Self::Exposed { mode } => write!(f, "can be changed by its group (mode {mode:04o})"),
            Self::TooLarge => f.write_str("is too large to be a key file"),
            Self::Line { line, fault } => write!(f, "line {line}: {fault}"),
            Self::Empty => f.write_str("holds no key"),
            Self::Full => f.write_str("has a key for every number from 0 to 255"),
            Self::Random => f.write_str("needs random octets, and the system gave none"),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for KeyFileError {}

impl From<io::Error> for KeyFileError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::Missing,
            io::ErrorKind::AlreadyExists => Self::Exists,
            _ => Self::Io(error),
        }
    }
}

impl KeyFile {
    /// One new key, number 1.
    pub fn generate() -> Result<Self, KeyFileError> {
        Ok(Self(vec![(1, new_key()?)]))
    }

    /// Puts a new key in front, so that it signs from now on and the others still verify. Returns
    /// its number: the next one that is free.
    pub fn rotate(&mut self) -> Result<u8, KeyFileError> {
        let newest = self.0.first().map_or(0, |(id, _)| *id);
        let taken = |id: u8| self.0.iter().any(|(known, _)| *known == id);
        let id = (1..=255)
            .map(|step| newest.wrapping_add(step))
            .find(|id| !taken(*id))
            .ok_or(KeyFileError::Full)?;
        self.0.insert(0, (id, new_key()?));
        Ok(id)
    }

    /// Reads a file, and refuses one that others may read or change.
    pub fn read(path: &Path) -> Result<Self, KeyFileError> {
        // Whatever is a pipe must not hold up the start.
        if !fs::metadata(path)?.is_file() {
            return Err(KeyFileError::NotAFile);
        }
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        let mode = metadata.permissions().mode() & 0o777;
        // An x bit of the owner does no harm.
        if mode & 0o077 & !MODE_LIMIT != 0 {
            return Err(KeyFileError::Exposed { mode });
        }
        let mut text = Vec::new();
        file.take(MAX_SIZE + 1).read_to_end(&mut text)?;
        if text.len() as u64 > MAX_SIZE {
            return Err(KeyFileError::TooLarge);
        }
        Self::parse(&String::from_utf8_lossy(&text))
    }

    /// Reads the text of a file.
    pub fn parse(text: &str) -> Result<Self, KeyFileError> {
        let mut keys: Vec<(u8, Vec<u8>)> = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (id, key) = parse_line(line)
                .and_then(|(id, key)| {
                    let twice = keys.iter().any(|(known, _)| *known == id);
                    if twice { Err(LineFault::Twice) } else { Ok((id, key)) }
                })
                .map_err(|fault| KeyFileError::Line { line: number + 1, fault })?;
            keys.push((id, key));
        }
        if keys.is_empty() {
            return Err(KeyFileError::Empty);
        }
        Ok(Self(keys))
    }

    /// The keys, ready for use.
    pub fn into_keys(self) -> Result<Keys, KeyFileError> {
        Keys::new(self.0).ok_or(KeyFileError::Empty)
    }

    /// Writes a file that is not there yet, for its owner alone. It appears whole or not at all.
    pub fn create(&self, path: &Path) -> Result<(), KeyFileError> {
        let temporary = Temporary::write(path, &self.text())?;
        // Unlike a rename, a link never replaces what is there.
        fs::hard_link(&temporary.path, path)?;
        temporary.sync_folder()
    }

    /// Replaces a file at once as a whole. Owner, group and what of its mode is not too much stay.
    pub fn replace(&self, path: &Path) -> Result<(), KeyFileError> {
        let old = fs::metadata(path)?;
        let temporary = Temporary::write(path, &self.text())?;
        let new = temporary.file.metadata()?;
        if (old.uid(), old.gid()) != (new.uid(), new.gid()) {
            fchown(&temporary.file, Some(old.uid()), Some(old.gid()))?;
        }
        let mode = fs::Permissions::from_mode(old.mode() & MODE_LIMIT | 0o600);
        temporary.file.set_permissions(mode)?;
        temporary.file.sync_all()?;
        fs::rename(&temporary.path, path)?;
        temporary.sync_folder()
    }

    fn text(&self) -> String {
        let line = |(id, key): &(u8, Vec<u8>)| format!("{id} {}\n", BASE64.encode(key));
        std::iter::once(HEADING.to_owned()).chain(self.0.iter().map(line)).collect()
    }
}

fn parse_line(line: &str) -> Result<(u8, Vec<u8>), LineFault> {
    let (id, key) = line.split_once([' ', '\t']).ok_or(LineFault::Form)?;
    let digits = id.bytes().all(|b| b.is_ascii_digit());
    let id = id.parse().ok().filter(|_| digits).ok_or(LineFault::Number)?;
    let key = BASE64.decode(key.trim().as_bytes()).map_err(|_| LineFault::Base64)?;
    if key.len() < MIN_KEY {
        return Err(LineFault::Short);
    }
    Ok((id, key))
}

fn new_key() -> Result<Vec<u8>, KeyFileError> {
    let mut key = vec![0; MIN_KEY];
    getrandom::fill(&mut key).map_err(|_| KeyFileError::Random)?;
    Ok(key)
}

/// A file beside the one to be written; gone when dropped.
struct Temporary {
    path: PathBuf,
    folder: PathBuf,
    file: File,
}

impl Temporary {
    fn write(beside: &Path, text: &str) -> Result<Self, KeyFileError> {
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|_| KeyFileError::Random)?;
        let folder = match beside.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let path = folder.join(format!(".key-{}.tmp", HEXLOWER.encode(&random)));
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        let mut temporary = Self { path, folder: folder.to_owned(), file };
        temporary.file.write_all(text.as_bytes())?;
        temporary.file.sync_all()?;
        Ok(temporary)
    }

    /// Makes the new name survive a power cut.
    fn sync_folder(&self) -> Result<(), KeyFileError> {
        Ok(File::open(&self.folder)?.sync_all()?)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // After a rename it is gone already.
        _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> String {
        BASE64.encode(&[byte; 32])
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    fn entries(folder: &Path) -> usize {
        fs::read_dir(folder).unwrap().count()
    }

    #[test]
    fn a_new_file_is_the_owners_alone_and_reads_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("seal.key");
        let file = KeyFile::generate().unwrap();
        file.create(&path).unwrap();
        assert_eq!(mode(&path), 0o600);
        assert_eq!(KeyFile::read(&path).unwrap().0, file.0);
        assert_eq!(entries(dir.path()), 1);
        assert_ne!(KeyFile::generate().unwrap().0, file.0);
    }

    #[test]
    fn a_file_that_is_there_is_not_overwritten_by_mistake() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("seal.key");
        fs::write(&path, "precious").unwrap();
        let result = KeyFile::generate().unwrap().create(&path);
        assert!(matches!(result, Err(KeyFileError::Exists)));
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
        assert_eq!(entries(dir.path()), 1);
    }

    #[test]
    fn rotation_puts_a_new_key_in_front_and_keeps_the_rest() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("seal.key");
        let mut file = KeyFile::generate().unwrap();
        file.create(&path).unwrap();
        let old = file.0[0].clone();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert_eq!(file.rotate().unwrap(), 2);
        file.replace(&path).unwrap();
        let read = KeyFile::read(&path).unwrap();
        assert_eq!((read.0.len(), read.0[0].0, &read.0[1]), (2, 2, &old));
        assert_eq!(mode(&path), 0o640);
        assert_eq!(entries(dir.path()), 1);
        assert_eq!(file.into_keys().unwrap().current(), 2);
    }

    #[test]
    fn numbers_go_round_until_all_are_taken() {
        let mut file = KeyFile(vec![(255, vec![0; 32]), (0, vec![0; 32])]);
        assert_eq!(file.rotate().unwrap(), 1);
        for _ in 0..253 {
            file.rotate().unwrap();
        }
        assert!(matches!(file.rotate(), Err(KeyFileError::Full)));
        assert_eq!(file.0.len(), 256);
    }

    #[test]
    fn a_file_that_others_may_read_or_change_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("seal.key");
        KeyFile::generate().unwrap().create(&path).unwrap();
        for (bits, sound) in [
            (0o600, true),
            (0o640, true),
            (0o400, true),
            (0o440, true),
            (0o700, true),
            (0o644, false),
            (0o604, false),
            (0o660, false),
            (0o602, false),
            (0o650, false),
        ] {
            fs::set_permissions(&path, fs::Permissions::from_mode(bits)).unwrap();
            let read = KeyFile::read(&path);
            match read {
                Ok(_) => assert!(sound, "{bits:o}"),
                Err(KeyFileError::Exposed { mode }) => {
                    assert!(!sound && mode == bits, "{bits:o}");
                }
                Err(other) => panic!("{other}"),
            }
        }
        assert!(matches!(KeyFile::read(dir.path()), Err(KeyFileError::NotAFile)));
    }

    #[test]
    fn a_wrong_line_is_named_by_number_and_never_quoted() {
        let good = format!("# comment\n\n 7 {}  \r\n0\t{}\n", key(7), key(0));
        let read = KeyFile::parse(&good).unwrap();
        assert_eq!(format!("{read:?}"), "[7, 0]");
        let cases = [
            (key(1), LineFault::Form),
            (format!("x {}", key(1)), LineFault::Number),
            (format!("256 {}", key(1)), LineFault::Number),
            (format!("+6 {}", key(1)), LineFault::Number),
            (format!("7 {}", key(1)), LineFault::Twice),
            (format!("8 {}=", key(1)), LineFault::Base64),
            (format!("8 {} x", key(1)), LineFault::Base64),
            (format!("8 {}", BASE64.encode(&[1; 31])), LineFault::Short),
        ];
        for (line, expected) in cases {
            match KeyFile::parse(&format!("{good}{line}\n")) {
                Err(error @ KeyFileError::Line { line: 5, fault }) => {
                    assert_eq!(fault, expected);
                    assert!(!error.to_string().contains(&key(1)[..8]));
                }
                other => panic!("{other:?}"),
            }
        }
        assert!(matches!(KeyFile::parse("# nothing\n"), Err(KeyFileError::Empty)));
    }
}
