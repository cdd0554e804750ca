//! A private Dovecot that does nothing but check passwords for a private Postfix: own
//! configuration, users and folders, no port at all, started as a child and stopped by its own
//! process id.
//!
//! Must not know recruit-milter, nor which Postfix asks: it is given a socket to listen on.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::process::{Guarded, Process};
use super::{LIMIT, Scratch, process, socket, wait_until};

/// The password of every user.
pub const PASSWORD: &str = "correct horse";

/// A running Dovecot. Stopped when dropped; if the test is panicking, its log is printed first.
#[derive(Debug)]
pub struct Dovecot {
    root: PathBuf,
    master: Guarded,
}

impl Dovecot {
    /// Starts one in the scratch folder for some users. It answers on the socket `auth`, whose
    /// folder exists already.
    pub fn start(scratch: &Scratch, auth: &Path, users: &[&str]) -> Self {
        let root = scratch.join("dovecot");
        fs::create_dir(&root).unwrap();
        let users: String =
            users.iter().map(|user| format!("{user}:{{PLAIN}}{PASSWORD}\n")).collect();
        fs::write(root.join("users"), users).unwrap();
        let config = root.join("dovecot.conf");
        fs::write(&config, configuration(&root, auth)).unwrap();
        let output = fs::File::create(root.join("master.out")).unwrap();
        let mut command = Command::new(PROGRAM);
        command
            .args(["-F", "-c"])
            .arg(config)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .process_group(0);
        let mut dovecot = Self { root, master: Guarded::spawn(&mut command) };
        wait_until("Dovecot takes connections", LIMIT, || {
            if let Some(status) = dovecot.master.ended() {
                panic!("dovecot ended with {status}");
            }
            socket::answers(auth)
        });
        dovecot
    }

    /// Its log so far, and what it said before it had one.
    pub fn log(&self) -> String {
        let read = |name| fs::read(self.root.join(name)).unwrap_or_default();
        let bytes = [read("master.out"), read("dovecot.log")].concat();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// All its processes.
    pub fn processes(&self) -> Vec<Process> {
        process::group(self.master.pid())
    }
}

impl Drop for Dovecot {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- log of dovecot\n{}", self.log());
        }
        // Asked politely, it waits for Postfix to close its connections; there is nothing to lose.
        self.master.kill();
    }
}

const PROGRAM: &str = "/usr/sbin/dovecot";

/// The configuration, in the language of the version that is installed.
fn configuration(root: &Path, auth: &Path) -> String {
    // Not there: contrib/dev/install-deps.sh installs it.
    let version = process::output(Command::new(PROGRAM).arg("--version"), b"");
    let version = String::from_utf8_lossy(&version.stdout).into_owned();
    let root = root.display();
    let own = if version.starts_with("2.3.") {
        format!(
            "disable_plaintext_auth = no\n\
             passdb {{\n  driver = passwd-file\n  args = {root}/users\n}}\n"
        )
    } else {
        // Since 2.4 a configuration names the version that it was written for.
        format!(
            "dovecot_config_version = 2.4.0\ndovecot_storage_version = 2.4.0\n\
             auth_allow_cleartext = yes\n\
             passdb passwd-file {{\n  passwd_file_path = {root}/users\n}}\n"
        )
    };
    format!(
        "{own}\
         base_dir = {root}/run\n\
         state_dir = {root}/state\n\
         log_path = {root}/dovecot.log\n\
         protocols =\n\
         ssl = no\n\
         auth_mechanisms = plain login\n\
         auth_failure_delay = 0\n\
         # Else every wrong password makes those after it wait longer.\n\
         service anvil {{\n  unix_listener anvil-auth-penalty {{\n    mode = 0\n  }}\n}}\n\
         service auth {{\n\
         \x20 unix_listener {auth} {{\n    mode = 0600\n    user = postfix\n  }}\n\
         }}\n",
        auth = auth.display()
    )
}
