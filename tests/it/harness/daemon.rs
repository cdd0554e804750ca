//! The real program as a child process.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::process::{self, Guarded};
use super::{LIMIT, socket, wait_for, wait_until};

/// The program under test, which cargo has built beside the test.
pub fn program() -> PathBuf {
    let exe = std::env::current_exe().unwrap();
    // target/debug/deps/it-0123 or target/debug/examples/demo
    let path = exe.parent().unwrap().parent().unwrap().join("recruit-milter");
    assert!(path.exists(), "{} is not built: cargo build", path.display());
    path
}

/// Runs a command of the program to its end.
pub fn command(args: &[&str]) -> Output {
    process::output(Command::new(program()).args(args), b"")
}

/// Runs a command that must succeed; its standard output.
#[track_caller]
pub fn succeed(args: &[&str]) -> String {
    let output = command(args);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{args:?}: {}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

/// `recruit-milter run`, with its configuration file and its log beside it.
#[derive(Debug)]
pub struct Daemon {
    config: PathBuf,
    sockets: Vec<PathBuf>,
    child: Option<Guarded>,
    /// Wraps the program: `prlimit --nofile=24`, say.
    wrapper: Vec<String>,
    /// The one role that it has; both, if not.
    role: Option<&'static str>,
    target: Target,
    starts: u32,
}

/// Whichever process is the daemon, if one is. A process id alone may have become another's.
#[derive(Clone, Debug, Default)]
pub struct Target(Arc<Mutex<Option<u32>>>);

impl Target {
    /// Its process id.
    pub fn pid(&self) -> Option<u32> {
        *self.0.lock().unwrap()
    }

    /// Sends a signal; whether there was a daemon to get it. One that has ended and was not waited
    /// for takes it silently.
    pub fn signal(&self, signal: Signal) -> bool {
        // Held meanwhile, so that nobody waits for the process and its id stays its own.
        let pid = self.0.lock().unwrap();
        let to = pid.and_then(|pid| Pid::from_raw(i32::try_from(pid).unwrap()));
        to.is_some_and(|pid| kill_process(pid, signal).is_ok())
    }
}

impl Daemon {
    /// A daemon that is not started yet. `sockets` are those of the configuration, which tell when
    /// it is ready.
    pub fn new(config: &Path, sockets: Vec<PathBuf>) -> Self {
        Self {
            config: config.to_owned(),
            sockets,
            child: None,
            wrapper: Vec::new(),
            role: None,
            target: Target::default(),
            starts: 0,
        }
    }

    /// Lets it be started by way of another program that becomes it.
    pub fn wrap(&mut self, wrapper: &[&str]) {
        self.wrapper = wrapper.iter().map(|w| (*w).to_owned()).collect();
    }

    /// Lets it have one role alone, `milter` or `agent`.
    pub fn only(&mut self, role: &'static str) {
        self.role = Some(role);
    }

    /// Starts it and waits until its sockets answer.
    pub fn start(&mut self) {
        self.start_at_once();
        wait_until("the milter's sockets answer", LIMIT, || {
            if let Some(status) = self.ended() {
                panic!("recruit-milter ended with {status}:\n{}", self.log());
            }
            self.sockets.iter().all(|socket| socket::answers(socket))
        });
    }

    /// Starts it without waiting.
    pub fn start_at_once(&mut self) {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.log_file()).unwrap();
        let program = program();
        let mut words = self.wrapper.iter().map(PathBuf::from).chain([program]);
        let mut command = Command::new(words.next().unwrap());
        command
            .args(words)
            .args(["run", "--config"])
            .arg(&self.config)
            .args(self.role.map(|role| format!("--role={role}")))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .process_group(0);
        // One that has ended is waited for before the next has its place.
        drop(self.take());
        let child = Guarded::spawn(&mut command);
        *self.target.0.lock().unwrap() = Some(child.pid());
        self.child = Some(child);
        self.starts += 1;
    }

    /// Where its log is.
    pub fn log_file(&self) -> PathBuf {
        match self.role {
            Some("agent") => self.config.with_extension("agent.log"),
            _ => self.config.with_extension("log"),
        }
    }

    /// The log so far, over all starts.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    /// Waits until a line of the log holds `text`, and gives that line.
    #[track_caller]
    pub fn wait_for_log(&self, text: &str) -> String {
        wait_for(&format!("log line with {text:?}"), LIMIT, || {
            self.log().lines().find(|line| line.contains(text)).map(str::to_owned)
        })
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("the daemon runs").pid()
    }

    /// Whether it was started and has not ended.
    pub fn is_running(&mut self) -> bool {
        self.child.is_some() && self.ended().is_none()
    }

    /// How often it was started.
    pub fn starts(&self) -> u32 {
        self.starts
    }

    /// Whichever process is the daemon, for other threads.
    pub fn target(&self) -> Target {
        self.target.clone()
    }

    fn ended(&mut self) -> Option<ExitStatus> {
        let mut target = self.target.0.lock().unwrap();
        let ended = self.child.as_mut()?.ended();
        if ended.is_some() {
            *target = None;
        }
        ended
    }

    fn take(&mut self) -> Option<Guarded> {
        *self.target.0.lock().unwrap() = None;
        self.child.take()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        self.child.as_ref().expect("the daemon runs").signal(signal);
    }

    /// SIGKILL; then it is gone.
    pub fn kill(&mut self) {
        self.take().expect("the daemon runs").kill();
    }

    /// SIGTERM; how it ended.
    pub fn stop(&mut self) -> ExitStatus {
        self.take().expect("the daemon runs").stop(Duration::from_secs(40))
    }

    /// Waits for its end after a signal.
    pub fn finish(&mut self) -> ExitStatus {
        self.take().expect("the daemon runs").finish(Duration::from_secs(40))
    }

    /// Writes another configuration, without telling it.
    pub fn configure(&self, text: &str) {
        fs::write(&self.config, text).unwrap();
    }
}
