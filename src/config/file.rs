//! Reading configuration files, and looking at the files and folders they name.
//!
//! Must not know what addresses mean.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use super::keyfile::{KeyFile, KeyFileError};
use super::problem::{Place, Position};
use super::source::{At, Finding, Report, Source, Span};
use super::tree::Found;
use super::{Socket, Surroundings};
use crate::policy::keys::Keys;

/// More than anybody writes.
const MAX_SIZE: u64 = 4 << 20;

/// Reads the main file and the `conf.d/*.toml` beside it, in the order of their names. The flag
/// says whether all could be read.
pub(super) fn read_all(main: &Path, report: &mut Report) -> (Vec<Source>, bool) {
    let mut sources = Vec::new();
    let mut sound = true;
    match parts(main) {
        Ok(parts) => {
            for path in std::iter::once(main.to_owned()).chain(parts) {
                sound &= read_one(path, &mut sources, report);
            }
        }
        Err((folder, error)) => {
            sound = false;
            read_one(main.to_owned(), &mut sources, report);
            report.push(cannot_read(&folder, &error));
        }
    }
    (sources, sound)
}

/// The folder a file is in.
pub(super) fn folder_of(file: &Path) -> &Path {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn parts(main: &Path) -> Result<Vec<PathBuf>, (PathBuf, io::Error)> {
    let folder = main.with_file_name("conf.d");
    let mut parts = Vec::new();
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(parts),
        Err(e) => return Err((folder, e)),
    };
    for entry in entries {
        let path = entry.map_err(|e| (folder.clone(), e))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // What editors leave behind begins with a dot.
        if !name.starts_with('.') && path.extension().is_some_and(|e| e == "toml") {
            parts.push(path);
        }
    }
    parts.sort();
    Ok(parts)
}

fn read_one(path: PathBuf, sources: &mut Vec<Source>, report: &mut Report) -> bool {
    let bytes = match read_bytes(&path) {
        Ok(bytes) => bytes,
        Err(error) => {
            report.push(cannot_read(&path, &error));
            return false;
        }
    };
    let file = sources.len();
    match String::from_utf8(bytes) {
        Ok(text) => {
            sources.push(Source { path, text });
            true
        }
        Err(error) => {
            let start = error.utf8_error().valid_up_to();
            let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
            sources.push(Source { path, text });
            let replaced = start..start + char::REPLACEMENT_CHARACTER.len_utf8();
            let at = At { span: Some(Span::new(file, &replaced)), ..At::default() };
            report.push(
                Finding::error("the file is not UTF-8")
                    .at(&at)
                    .remedy("save it as UTF-8; `iconv -f latin1 -t utf8` converts it"),
            );
            false
        }
    }
}

fn read_bytes(path: &Path) -> io::Result<Vec<u8>> {
    if fs::metadata(path)?.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_SIZE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_SIZE {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(bytes)
}

fn cannot_read(path: &Path, error: &io::Error) -> Finding {
    let (message, remedy) = match error.kind() {
        io::ErrorKind::NotFound => {
            ("there is no such file".to_owned(), "name the file with --config")
        }
        io::ErrorKind::PermissionDenied => (
            "the file may not be read by this user".to_owned(),
            "run as the user of the service, or as root",
        ),
        io::ErrorKind::IsADirectory => {
            ("this is a folder, not a file".to_owned(), "name the file in it")
        }
        io::ErrorKind::NotADirectory => {
            ("this is not a folder".to_owned(), "move it away, or make it a folder")
        }
        io::ErrorKind::FileTooLarge => {
            (format!("the file is larger than {} MB", MAX_SIZE >> 20), "name the right file")
        }
        _ => (format!("the file cannot be read: {error}"), "see the error"),
    };
    Finding::error(message).place(Place::of_file(path)).remedy(remedy)
}

/// Checks that the milter can make its sockets where it shall.
pub(super) fn check_sockets(sockets: &[Found<Socket>], report: &mut Report) {
    let mut missing = HashSet::new();
    for found in sockets {
        let Socket::Unix(path) = &found.value else {
            continue;
        };
        let folder = folder_of(path);
        let shown = path.display();
        let (message, remedy) = match (fs::metadata(folder), fs::symlink_metadata(path)) {
            // Once for all sockets that belong there.
            (Err(e), _) if e.kind() == io::ErrorKind::NotFound && !missing.insert(folder) => {
                continue;
            }
            (Err(e), _) if e.kind() == io::ErrorKind::NotFound => (
                format!("the folder of socket \"{shown}\" does not exist"),
                format!("install -d -o recruit-milter -g postfix -m 2750 {}", folder.display()),
            ),
            (Err(e), _) if e.kind() == io::ErrorKind::NotADirectory => (
                format!("the folder of socket \"{shown}\" is not a folder"),
                "choose another path".to_owned(),
            ),
            (Ok(m), _) if !m.is_dir() => (
                format!("the folder of socket \"{shown}\" is not a folder"),
                "choose another path".to_owned(),
            ),
            (_, Ok(m)) if !m.file_type().is_socket() => (
                format!("\"{shown}\" exists and is not a socket"),
                "move it away, or choose another path".to_owned(),
            ),
            // What may not be looked at is for the daemon to find out.
            _ => continue,
        };
        report.push(Finding::error(message).at(&found.at).remedy(remedy));
    }
}

/// Looks whether the journal can be written. Mail does not need it, so that is a warning.
pub(super) fn check_state_dir(found: &Found<PathBuf>, report: &mut Report) {
    let folder = &found.value;
    let shown = folder.display();
    let journal = crate::journal::path_of(folder, 0);
    let (message, remedy) = match fs::metadata(folder) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => (
            format!("the state folder \"{shown}\" does not exist"),
            format!("install -d -o recruit-milter -m 750 {shown}"),
        ),
        Ok(metadata) if !metadata.is_dir() => (
            format!("the state folder \"{shown}\" is not a folder"),
            "choose another path".to_owned(),
        ),
        _ if access(folder, Access::WRITE_OK | Access::EXEC_OK).is_err() => (
            format!("the state folder \"{shown}\" may not be written by this user"),
            format!("run as the user of the service; chown recruit-milter {shown}"),
        ),
        // Somebody may have tried the program as root.
        _ if journal.exists() && access(&journal, Access::WRITE_OK).is_err() => (
            format!("the journal \"{}\" may not be written by this user", journal.display()),
            format!("chown recruit-milter {shown}/journal*"),
        ),
        _ => return,
    };
    let finding = Finding::warning(format!("{message}: no journal is kept"));
    report.push(finding.at(&found.at).remedy(remedy));
}

/// Where the key file is: in the credentials folder if that holds it, else beside the main file.
pub(super) fn key_path(written: &Path, main: &Path, around: &Surroundings) -> PathBuf {
    if let Some(folder) = &around.credentials {
        let path = folder.join(written);
        if fs::symlink_metadata(&path).is_ok() {
            return path;
        }
    }
    folder_of(main).join(written)
}

/// Reads the keys. Without recruiting addresses there need not be any.
pub(super) fn read_keys(path: &Path, at: &At, needed: bool, report: &mut Report) -> Keys {
    let error = match KeyFile::read(path).and_then(KeyFile::into_keys) {
        Ok(keys) => return keys,
        Err(KeyFileError::Missing) if !needed => return Keys::default(),
        Err(error) => error,
    };
    let shown = path.display();
    let message = format!("key file \"{shown}\" {error}");
    report.push(match &error {
        KeyFileError::Line { line, fault } => {
            // The line itself is a secret.
            let place = Place {
                file: path.to_owned(),
                position: Some(Position { line: *line, column: 1, excerpt: None }),
            };
            Finding::error(format!("key file: {fault}"))
                .at(at)
                .place(place)
                .remedy("a line is a number from 0 to 255, a space and a key in base64")
        }
        KeyFileError::Missing | KeyFileError::Empty => {
            Finding::error(message).at(at).remedy("make a key: recruit-milter init-key")
        }
        KeyFileError::Exposed { .. } => {
            Finding::error(message).at(at).remedy(format!("chmod 0640 {shown}"))
        }
        KeyFileError::Io(e) if e.kind() == io::ErrorKind::PermissionDenied => {
            Finding::error(format!("key file \"{shown}\" may not be read by this user"))
                .at(at)
                .remedy("run as the user of the service, or as root; give the file to that user")
        }
        _ => Finding::error(message).at(at).remedy("name a file made by: recruit-milter init-key"),
    });
    Keys::default()
}
