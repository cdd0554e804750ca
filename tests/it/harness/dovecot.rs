//! A private Dovecot that does nothing but check passwords for a private Postfix: own
//! configuration, users and folders, no port at all, started as a child and stopped by its own
//! process id.
//!
//! Must not know recruit-milter, nor which Postfix asks: it is given a socket to listen on.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use data_encoding::BASE64;

use super::process::{Guarded, Process};
use super::{LIMIT, Scratch, process, socket, wait_until};

/// The password of every user that does not care which.
pub const PASSWORD: &str = "correct horse";

/// A running Dovecot. Stopped when dropped; if the test is panicking, its log is printed first.
#[derive(Debug)]
pub struct Dovecot {
    root: PathBuf,
    auth: PathBuf,
    master: Guarded,
}

impl Dovecot {
    /// Starts one in the scratch folder for some users with their passwords. It answers on the
    /// socket `auth`, whose folder exists already. `more` are further lines of configuration.
    pub fn start(scratch: &Scratch, auth: &Path, users: &[(&str, &str)], more: &str) -> Self {
        let root = scratch.join("dovecot");
        fs::create_dir(&root).unwrap();
        let users: String =
            users.iter().map(|(user, word)| format!("{user}:{{PLAIN}}{word}\n")).collect();
        fs::write(root.join("users"), users).unwrap();
        let config = root.join("dovecot.conf");
        fs::write(&config, configuration(&root, auth) + more).unwrap();
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
        let mut dovecot =
            Self { root, auth: auth.to_owned(), master: Guarded::spawn(&mut command) };
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

    /// What it answers to a service (`smtp`, `imap`) that asks about a password, as `OK` or `FAIL`
    /// with fields.
    pub fn ask(&self, service: &str, user: &str, password: &str) -> String {
        let mut socket = UnixStream::connect(&self.auth).unwrap();
        socket.set_read_timeout(Some(LIMIT)).unwrap();
        let words = BASE64.encode(format!("\0{user}\0{password}").as_bytes());
        let asked = format!(
            "VERSION\t1\t2\nCPID\t{}\nAUTH\t1\tPLAIN\tservice={service}\tsecured\tresp={words}\n",
            std::process::id()
        );
        socket.write_all(asked.as_bytes()).unwrap();
        let is_answer =
            |line: &String| line.starts_with("OK\t1\t") || line.starts_with("FAIL\t1\t");
        BufReader::new(socket).lines().map(Result::unwrap).find(is_answer).expect("an answer")
    }

    /// Whether the installed version is written for as 2.3 is, and not as 2.4.
    pub fn is_2_3() -> bool {
        // Not there: contrib/dev/install-deps.sh installs it.
        let version = process::output(Command::new(PROGRAM).arg("--version"), b"");
        String::from_utf8_lossy(&version.stdout).starts_with("2.3.")
    }

    /// Lines by which those in a passwd-file can log in for SMTP and for nothing else; the same that
    /// `recruit-milter login add` prints.
    pub fn smtp_only(file: &Path) -> String {
        let file = file.display();
        let passdb = if Self::is_2_3() {
            format!("passdb {{\n    driver = passwd-file\n    args = {file}\n  }}")
        } else {
            format!(
                "passdb recruit-milter {{\n    driver = passwd-file\n    passwd_file_path = {file}\n  }}"
            )
        };
        format!("protocol smtp {{\n  {passdb}\n}}\n")
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
    let root = root.display();
    let own = if Dovecot::is_2_3() {
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
