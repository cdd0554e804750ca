//! A private OpenDKIM: one that verifies, as many companies run it before their mailboxes, with the
//! keys in a file instead of DNS, or one that signs. On a socket that it is given, stopped by its own
//! process id.
//!
//! Must not know recruit-milter.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fs;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::dkim::DkimKey;
use super::process::Guarded;
use super::{LIMIT, Scratch, wait_until};

/// A running OpenDKIM. Stopped when dropped.
#[derive(Debug)]
pub struct OpenDkim(Guarded);

impl OpenDkim {
    /// Starts one that knows some keys, and answers on a socket with the name `name` in its results.
    pub fn start(scratch: &Scratch, socket: &Path, name: &str, keys: &[&DkimKey]) -> Self {
        let folder = scratch.join("opendkim");
        fs::create_dir_all(&folder).unwrap();
        let keys: String =
            keys.iter().map(|key| format!("{} {}\n", key.name(), key.record())).collect();
        fs::write(folder.join("keys"), keys).unwrap();
        let text = format!(
            "Mode v\nAuthservID {name}\nTestPublicKeys {}\n",
            folder.join("keys").display()
        );
        Self::run(&folder, socket, &text)
    }

    /// Starts one with these lines in its configuration, which say nothing of the socket.
    pub fn with(scratch: &Scratch, socket: &Path, lines: &str) -> Self {
        let folder = scratch.join("opendkim-signer");
        fs::create_dir_all(&folder).unwrap();
        Self::run(&folder, socket, lines)
    }

    fn run(folder: &Path, socket: &Path, lines: &str) -> Self {
        let config = folder.join("opendkim.conf");
        let text = format!(
            "{lines}\nSocket local:{}\nUMask 0\nPidFile {}\nSyslog no\n",
            socket.display(),
            folder.join("pid").display()
        );
        fs::write(&config, text).unwrap();
        let log = fs::File::create(folder.join("log")).unwrap();
        let mut command = Command::new("/usr/sbin/opendkim");
        command
            .args(["-f", "-x"])
            .arg(config)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .process_group(0);
        let mut opendkim = Self(Guarded::spawn(&mut command));
        wait_until("OpenDKIM takes connections", LIMIT, || {
            let log = || fs::read_to_string(folder.join("log")).unwrap();
            assert!(opendkim.0.ended().is_none(), "OpenDKIM ended: {}", log());
            UnixStream::connect(socket).is_ok()
        });
        opendkim
    }
}

impl Drop for OpenDkim {
    fn drop(&mut self) {
        self.0.stop(Duration::from_secs(5));
    }
}
