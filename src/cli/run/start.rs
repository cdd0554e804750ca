//! With which configuration a process starts: what the files say; where they are broken and systemd holds the
//! sockets, the last that was good. A start that failed would leave the clients of all mail waiting there.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::super::{Exit, load_whole, say};
use crate::config::{self, Config, Loaded, Surroundings};
use crate::observe;
use crate::running::{Kept, Trouble};

/// What systemd calls the state folder of a service. Where it names none, nothing is kept.
const STATE_DIRECTORY: &str = "STATE_DIRECTORY";

/// With what a process starts.
pub(super) struct Start {
    pub(super) config: Config,
    /// What it was held against. Reloads are held against the same: taking systemd's sockets takes the variable
    /// away that tells of them.
    pub(super) around: Surroundings,
    /// Why it is not what the files say.
    pub(super) trouble: Option<Trouble>,
    /// The files, where they are sound.
    files: Option<Good>,
}

/// Why there is nothing to start with.
pub(super) struct Broken {
    pub(super) exit: Exit,
    /// The first of the problems.
    pub(super) first: String,
}

/// The files of a configuration that was good, and when it was taken.
#[derive(Serialize, Deserialize)]
struct Good {
    since: Timestamp,
    files: Vec<(PathBuf, String)>,
}

/// Whether systemd has passed in sockets: then clients are let in by it, whatever becomes of us.
pub(super) fn is_socket_activated() -> bool {
    std::env::var_os("LISTEN_FDS").is_some()
}

impl Start {
    /// Reads the configuration, and tells what is wrong with it.
    pub(super) fn read(path: &Path) -> Result<Self, Broken> {
        let around = Surroundings::of_process();
        let broken = match load_whole(path, &around) {
            Ok(Loaded { config, files, .. }) => {
                let files = Some(Good { since: Timestamp::now(), files });
                return Ok(Self { config, around, trouble: None, files });
            }
            Err((exit, first)) => Broken { exit, first },
        };
        match is_socket_activated().then(|| last_good(path, &around)).flatten() {
            Some((config, since)) => {
                say(&format!(
                    "error: the configuration is broken: going on with the last good one, of {since}\n  \
                     = recruit-milter check; then systemctl reload recruit-milter recruit-milter-agent"
                ));
                let trouble = Trouble { kept: Kept::TheLastGoodOne, first: broken.first };
                Ok(Self { config, around, trouble: Some(trouble), files: None })
            }
            None => Err(broken),
        }
    }

    /// Keeps the files for a start at which they are broken.
    pub(super) fn keep(&self) {
        if let Some(good) = &self.files {
            good.keep();
        }
    }
}

/// Keeps the files of a configuration that was just taken.
pub(super) fn keep(files: Vec<(PathBuf, String)>) {
    Good { since: Timestamp::now(), files }.keep();
}

impl Good {
    fn keep(&self) {
        if let Some(file) = file()
            && let Err(error) = self.write(&file)
        {
            observe::not_kept(&file, &error);
        }
    }

    fn write(&self, file: &Path) -> io::Result<()> {
        let temporary = file.with_extension(format!("{}.tmp", std::process::id()));
        _ = fs::remove_file(&temporary);
        let write = || {
            let mut options = OpenOptions::new();
            let mut file = options.write(true).create_new(true).mode(0o640).open(&temporary)?;
            file.write_all(&serde_json::to_vec(self)?)?;
            file.sync_all()
        };
        let written = write().and_then(|()| fs::rename(&temporary, file));
        written.inspect_err(|_| _ = fs::remove_file(&temporary))
    }
}

fn file() -> Option<PathBuf> {
    let folders = std::env::var_os(STATE_DIRECTORY)?;
    // systemd.exec(5): several are separated by colons.
    let folder = std::env::split_paths(&folders).next()?;
    Some(folder.join("last-good.json"))
}

/// The last configuration that was good, where it still is: the key is as it is now.
fn last_good(path: &Path, around: &Surroundings) -> Option<(Config, Timestamp)> {
    let good: Good = serde_json::from_slice(&fs::read(file()?).ok()?).ok()?;
    // Of another main file.
    if good.files.first().is_none_or(|(main, _)| main != path) {
        return None;
    }
    let loaded = config::parse_with(&good.files, Some(around)).ok()?;
    Some((loaded.config, good.since))
}
