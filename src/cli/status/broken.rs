//! `status --monitor` where the configuration is broken: whether something goes on without it.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::super::{Exit, answer};
use crate::running::{Role, beat_of, find};

/// The default of `state_dir`.
const STATE_DIR: &str = "/var/lib/recruit-milter";
/// A milter that has said nothing for so long hangs.
const SILENCE: Duration = Duration::from_secs(45);

/// Mail goes on where a milter runs: it keeps what it read when that was good. Its next start may not.
pub(super) fn monitor(path: &Path, first: &str) -> Exit {
    let first = first.lines().next().unwrap_or_default().replace('|', "/");
    let says = |word: &str, what: &str| {
        answer(&format!("{word} - recruit-milter: the configuration is broken{what}: {first}"));
    };
    let text = fs::read_to_string(path);
    let may_not = |error: &io::Error| error.kind() == io::ErrorKind::PermissionDenied;
    if text.as_ref().is_err_and(may_not) {
        says("UNKNOWN", " or not for this user");
        return Exit::Unknown;
    }
    let folder = state_dir(&text.unwrap_or_default());
    match find(&folder, Role::Milter) {
        Ok(Some(_)) if beat_of(&folder, Role::Milter).is_ok_and(|age| age > SILENCE) => {
            says("CRITICAL", ", and the milter hangs");
            Exit::Critical
        }
        Ok(Some(_)) => {
            says("WARNING", ", the milter goes on with the last good one");
            Exit::NotWorking
        }
        Ok(None) => {
            says("CRITICAL", ", and no milter runs");
            Exit::Critical
        }
        Err(_) => {
            says("UNKNOWN", ", and whether a milter runs is not for this user to see");
            Exit::Unknown
        }
    }
}

/// The state folder that a file names, however broken the rest of it is.
fn state_dir(text: &str) -> PathBuf {
    let named =
        text.lines().take_while(|line| !line.trim_start().starts_with('[')).find_map(|line| {
            let (name, value) = line.split_once('=')?;
            let quoted = (name.trim() == "state_dir").then(|| value.trim().strip_prefix('"'))??;
            quoted.split('"').next().map(PathBuf::from)
        });
    named.unwrap_or_else(|| STATE_DIR.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_folder_is_found_in_a_broken_file() {
        let of = |text: &str| state_dir(text).display().to_string();
        assert_eq!(of("state_dir = \"/srv/x\" # here\nnonsense\n[system.x\n"), "/srv/x");
        assert_eq!(of("x = 1\n[log]\nstate_dir = \"/srv/x\"\n"), STATE_DIR);
    }
}
