//! Where Postfix asks our milter, if that is not where mail comes in: behind a content filter alone.
//! `postfix --apply` leaves it in the state folder, since the agent may not read Postfix's configuration.
//!
//! Must not know what is seen there.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fs::{self, Permissions};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use crate::config::Config;

fn file(config: &Config) -> PathBuf {
    config.state_dir.join("milter-behind.json")
}

/// The smtpds behind a content filter that ask our milter; none where the filter gives mail back by a
/// program. Nothing where the milter is asked where mail comes in.
pub(super) fn behind(config: &Config) -> Option<Vec<SocketAddr>> {
    let text = fs::read_to_string(file(config)).ok()?;
    let names: Vec<String> = serde_json::from_str(&text).ok()?;
    Some(names.iter().filter_map(|name| name.parse().ok()).collect())
}

/// Keeps for [`look()`](super::look()) where Postfix asks our milter: nothing where mail comes in.
pub fn keep_behind(config: &Config, behind: Option<&[SocketAddr]>) -> io::Result<()> {
    let file = file(config);
    match behind {
        Some(smtpds) => {
            let names: Vec<String> = smtpds.iter().map(ToString::to_string).collect();
            fs::write(&file, serde_json::to_string(&names)?)?;
            // For the agent too, whatever the umask of whoever applies it.
            fs::set_permissions(file, Permissions::from_mode(0o644))
        }
        None => match fs::remove_file(file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        },
    }
}
