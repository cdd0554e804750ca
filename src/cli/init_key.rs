//! `init-key`: makes the key file, or puts a new key in front.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::io::ErrorKind;
use std::path::Path;

use super::{Exit, InitKeyArgs, answer, load_with, say};
use crate::config::Surroundings;
use crate::config::keyfile::{KeyFile, KeyFileError};
use crate::running::{self, RESTART, Running};

pub(super) fn init_key(args: &InitKeyArgs) -> Exit {
    // Where the file is named, what runs is not known.
    let (path, running) = if let Some(path) = &args.key_file {
        (path.clone(), Vec::new())
    } else {
        // Neither keys nor folders need be there yet.
        let around = Surroundings {
            keys: false,
            sockets: false,
            state: false,
            ..Surroundings::of_process()
        };
        match load_with(&args.config.config, &around) {
            Ok(config) => (config.key_file, running::all(&config.state_dir)),
            Err(exit) => return exit,
        }
    };
    let made = if args.rotate { rotate(&path) } else { create(&path) };
    match made {
        Ok(id) => {
            answer(&format!("{}: key {id} made", path.display()));
            if args.rotate {
                let counts = counts_after(&running);
                say(&format!(
                    "It counts after: {counts}\n\
                     Older keys still verify. Drop their lines in six weeks, when all mail that was signed \
                     with them is through, and do the same again."
                ));
            }
            Exit::Ok
        }
        Err(error) => {
            say(&format!("error: {}: {}", path.display(), told(&error, args.rotate)));
            say(&format!("  = {}", remedy(&error, &path, args.rotate)));
            Exit::CannotCreate
        }
    }
}

/// What makes it count. Under systemd the services have copies of the keys from their start on. systemd 252 (Debian 12)
/// renews them at a reload, 257 (Debian 13) does not: a restart is always right.
fn counts_after(running: &[Running]) -> String {
    if !running.is_empty() && running.iter().all(|one| !one.keys_are_copies) {
        let mut all: Vec<String> = running.iter().map(Running::takes_keys).collect();
        all.dedup();
        return all.join("; ");
    }
    format!(
        "{RESTART}\n  (a reload may not be enough: systemd gives the services a copy at their start; it keeps the \
         sockets, so that no client notices)"
    )
}

fn create(path: &Path) -> Result<u8, KeyFileError> {
    let file = KeyFile::generate()?;
    file.create(path)?;
    Ok(1)
}

fn rotate(path: &Path) -> Result<u8, KeyFileError> {
    let mut file = KeyFile::read(path)?;
    let id = file.rotate()?;
    file.replace(path)?;
    Ok(id)
}

fn told(error: &KeyFileError, rotate: bool) -> String {
    match error {
        KeyFileError::Missing if !rotate => "its folder does not exist".to_owned(),
        error => error.to_string(),
    }
}

fn remedy(error: &KeyFileError, path: &Path, rotate: bool) -> String {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.display(),
        _ => Path::new(".").display(),
    };
    let path = path.display();
    match error {
        KeyFileError::Missing if rotate => "recruit-milter init-key makes the first key".to_owned(),
        KeyFileError::Missing => format!("install -d -m 755 {folder}"),
        KeyFileError::Exists => {
            "recruit-milter init-key --rotate puts a new key in front".to_owned()
        }
        KeyFileError::Exposed { .. } => format!("chmod 0640 {path}"),
        KeyFileError::Line { .. } => {
            "a line is a number from 0 to 255, a space and a key in base64".to_owned()
        }
        KeyFileError::NotAFile | KeyFileError::TooLarge | KeyFileError::Empty => {
            "name a file made by: recruit-milter init-key".to_owned()
        }
        KeyFileError::Full => format!("remove the last lines of {path}: the oldest keys"),
        KeyFileError::Random => "see getrandom(2); try again when the system is up".to_owned(),
        KeyFileError::Io(error) if error.kind() == ErrorKind::PermissionDenied => {
            format!("run as root, or as a user who may write in {folder}")
        }
        KeyFileError::Io(_) => format!("see that files can be made in {folder}"),
    }
}
