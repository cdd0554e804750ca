//! A private PostgreSQL on loopback, gone when dropped.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::{Signal, geteuid};

use super::process::{self, Guarded};
use super::{LIMIT, Port, Scratch, wait_until};

/// The server, its data below a scratch folder.
pub struct Postgresql {
    programs: PathBuf,
    data: PathBuf,
    port: Port,
    child: Option<Guarded>,
}

/// Where Debian has the newest version's programs.
fn programs() -> PathBuf {
    let mut found: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .expect("PostgreSQL is not installed: contrib/dev/install-deps.sh")
        .map(|entry| entry.unwrap().path().join("bin"))
        .filter(|path| path.join("initdb").exists())
        .collect();
    found.sort();
    found.pop().expect("PostgreSQL has no initdb")
}

impl Postgresql {
    /// Makes one and starts it.
    pub fn start(scratch: &Scratch) -> Self {
        let data = scratch.join("postgresql");
        fs::create_dir(&data).unwrap();
        let mut this = Self { programs: programs(), data, port: Port::reserve(), child: None };
        if geteuid().is_root() {
            // PostgreSQL does not run as root.
            let own = Command::new("chown").args(["postgres:"]).arg(&this.data).status().unwrap();
            assert!(own.success());
        }
        let mut initdb = this.command("initdb");
        initdb.args([
            "-A",
            "trust",
            "-U",
            "recruit",
            "-E",
            "UTF8",
            "--no-sync",
            "--locale=C",
            "-D",
        ]);
        let output = process::output(initdb.arg(&this.data), b"");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        this.run();
        this
    }

    fn command(&self, program: &str) -> Command {
        let path = self.programs.join(program);
        if !geteuid().is_root() {
            return Command::new(path);
        }
        let mut command = Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(path);
        command.current_dir("/");
        command
    }

    /// Starts the server and waits until it answers.
    pub fn run(&mut self) {
        let port = self.port.number().to_string();
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.data.with_extension("log"))
            .unwrap();
        let mut server = self.command("postgres");
        server
            .arg("-D")
            .arg(&self.data)
            .args(["-p", &port, "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"])
            .args(["-c", "unix_socket_directories="])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .process_group(0);
        self.child = Some(Guarded::spawn(&mut server));
        wait_until("PostgreSQL answers", LIMIT, || {
            let mut ready = self.command("pg_isready");
            process::output(ready.args(["-q", "-h", "127.0.0.1", "-p", &port]), b"")
                .status
                .success()
        });
    }

    /// Ends it at once, connections and all.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // As after a crash: its children have to go as well before another can start.
            child.signal(Signal::QUIT);
            child.finish(LIMIT);
        }
    }

    /// The URL of its database.
    pub fn url(&self) -> String {
        format!("postgresql://recruit@127.0.0.1:{}/postgres", self.port.number())
    }

    /// Where its files are.
    pub fn data(&self) -> &Path {
        &self.data
    }
}

impl Drop for Postgresql {
    fn drop(&mut self) {
        self.kill();
    }
}
