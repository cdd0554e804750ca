//! Child processes that cannot outlive the test: ended when dropped, and by a leash if the test
//! itself is killed.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fs;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group, test_kill_process_group};

use super::LIMIT;
use super::watchdog::give_up;

/// A child that is the first of its process group, and the group with it.
#[derive(Debug)]
pub struct Guarded {
    child: Child,
    pid: Pid,
    leash: Option<Child>,
}

/// Ends the group when its standard input is closed without a word: that is when the test that
/// held the other end is gone without having stopped its child.
const LEASH: &str = r#"read -r word
[ "$word" = done ] && exit 0
kill -TERM "$1" "-$1"; sleep 2; kill -KILL "-$1""#;

impl Guarded {
    /// Starts `command`, which makes itself (or is made with `process_group(0)`) the leader of a
    /// process group.
    pub fn spawn(command: &mut Command) -> Self {
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let pid = Pid::from_child(&child);
        let leash = Command::new("sh")
            .args(["-c", LEASH, "leash", &child.id().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap();
        Self { child, pid, leash: Some(leash) }
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The child, for its pipes.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Sends a signal to the process alone. One that has ended (and was not waited for) takes it
    /// silently.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid, signal).unwrap();
    }

    /// Its exit status if it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// SIGTERM, and SIGKILL to the whole group for what is left of it after `patience`.
    pub fn stop(&mut self, patience: Duration) -> ExitStatus {
        if self.ended().is_none() {
            self.signal(Signal::TERM);
        }
        self.finish(patience)
    }

    /// SIGKILL to the whole group.
    pub fn kill(&mut self) -> ExitStatus {
        // The group may not exist yet in the first moments of the child.
        let _ = kill_process_group(self.pid, Signal::KILL);
        if self.ended().is_none() {
            self.signal(Signal::KILL);
        }
        self.finish(Duration::from_secs(5))
    }

    /// Waits for the end of the process and then of its group.
    pub fn finish(&mut self, patience: Duration) -> ExitStatus {
        let end = Instant::now() + patience;
        while (self.ended().is_none() || group_exists(self.pid)) && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(2));
        }
        if self.ended().is_none() {
            self.signal(Signal::KILL);
        }
        let pid = self.pid();
        let status = reap(&mut self.child, pid);
        let end = Instant::now() + LIMIT;
        while group_exists(self.pid) {
            if Instant::now() > end {
                give_up(&format!("not to be killed: {:?}", group(pid)));
            }
            let _ = kill_process_group(self.pid, Signal::KILL);
            std::thread::sleep(Duration::from_millis(2));
        }
        if let Some(mut leash) = self.leash.take() {
            let _ = leash.stdin.take().unwrap().write_all(b"done\n");
            let pid = leash.id();
            reap(&mut leash, pid);
        }
        status
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        if self.leash.is_some() {
            self.stop(Duration::from_secs(5));
        }
    }
}

/// The exit status of a child that must end now.
fn reap(child: &mut Child, pid: u32) -> ExitStatus {
    let end = Instant::now() + LIMIT;
    loop {
        match child.try_wait().unwrap() {
            Some(status) => return status,
            None if Instant::now() > end => give_up(&format!("does not end:\n{}", state(pid))),
            None => std::thread::sleep(Duration::from_millis(1)),
        }
    }
}

/// Runs a command to its end, with `input` on its standard input. One that does not end within
/// [`LIMIT`] fails the test.
#[track_caller]
pub fn output(command: &mut Command, input: &[u8]) -> Output {
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let pid = child.id();
    let (mut stdin, input) = (child.stdin.take().unwrap(), input.to_vec());
    // A command that ends before it has read everything says why on its standard error.
    std::thread::spawn(move || drop(stdin.write_all(&input)));
    let (done, is_done) = std::sync::mpsc::channel();
    std::thread::spawn(move || drop(done.send(child.wait_with_output())));
    if let Ok(output) = is_done.recv_timeout(LIMIT) {
        return output.unwrap();
    }
    let state = state(pid);
    // It is waited for after its pipes are closed, so the id is still its own.
    let _ = kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), Signal::KILL);
    panic!("not within {LIMIT:?}: the end of {command:?}\n{state}")
}

/// What `/proc` tells of the state of a process.
pub fn state(pid: u32) -> String {
    let read = |name| fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default();
    let wanted = ["Name", "State", "TracerPid", "Threads", "SigPnd", "ShdPnd", "SigBlk", "SigCgt"];
    let status = read("status");
    let lines = status.lines().filter(|line| wanted.iter().any(|name| line.starts_with(name)));
    let open = fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count);
    if status.is_empty() {
        return format!("pid {pid}: gone");
    }
    let lines: Vec<&str> = lines.collect();
    format!("pid {pid}: {}; waits in {}; {open} descriptors", lines.join(", "), read("wchan"))
}

/// Whether a process of the group is alive. Init may take its time to collect those that ended.
fn group_exists(leader: Pid) -> bool {
    let number = u32::try_from(leader.as_raw_pid()).unwrap();
    test_kill_process_group(leader).is_ok() && !group(number).is_empty()
}

/// Whether a process with this id is alive.
pub fn is_alive(pid: u32) -> bool {
    process(pid).is_some()
}

/// What `/proc` tells of one process.
#[derive(Clone, Debug)]
pub struct Process {
    /// Its id.
    pub pid: u32,
    /// The name of its program.
    pub name: String,
    /// CPU time of itself and of its children that have ended, in clock ticks (100 a second).
    pub ticks: u64,
    /// Resident memory in KiB.
    pub resident_kib: u64,
}

/// The living processes of a group.
pub fn group(leader: u32) -> Vec<Process> {
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|pid| read_process(pid).filter(|(of, _)| *of == leader))
        .map(|(_, process)| process)
        .collect()
}

/// A living process.
pub fn process(pid: u32) -> Option<Process> {
    read_process(pid).map(|(_, process)| process)
}

/// Reads `/proc/PID/stat`: the process group and the rest; none if the process has ended.
fn read_process(pid: u32) -> Option<(u32, Process)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // proc(5): the name stands in brackets and may itself hold brackets and spaces.
    let (head, tail) = stat.rsplit_once(')')?;
    let name = head.split_once('(')?.1.to_owned();
    let fields: Vec<&str> = tail.split_whitespace().collect();
    if matches!(*fields.first()?, "Z" | "X") {
        return None;
    }
    let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    let process = Process {
        pid,
        name,
        ticks: number(14)? + number(15)? + number(16)? + number(17)?,
        resident_kib: number(24)? * 4,
    };
    Some((u32::try_from(number(5)?).ok()?, process))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::wait_until;

    fn sleeper() -> Guarded {
        Guarded::spawn(Command::new("sleep").arg("600").process_group(0))
    }

    #[test]
    fn a_child_does_not_outlive_a_test_that_is_killed() {
        let mut child = sleeper();
        // The death of the test closes its end of the pipe, and so does this.
        drop(child.leash.as_mut().unwrap().stdin.take());
        wait_until("the leash has ended the child", LIMIT, || child.ended().is_some());
        let mut leash = child.leash.take().unwrap();
        leash.wait().unwrap();
    }

    #[test]
    fn a_command_gets_its_input_and_its_whole_output_is_read() {
        let input = vec![b'x'; 1_000_000];
        let output = output(&mut Command::new("cat"), &input);
        assert!(output.status.success());
        assert_eq!(output.stdout, input);
        assert!(state(std::process::id()).contains("State:"));
    }

    #[test]
    fn a_child_does_not_outlive_a_test_that_panics() {
        let (pid, of_child) = std::sync::mpsc::channel();
        let test = std::thread::spawn(move || {
            let child = sleeper();
            pid.send(child.pid()).unwrap();
            // Without the words that a panic hook would print.
            std::panic::resume_unwind(Box::new("on purpose"));
        });
        assert!(test.join().is_err());
        assert!(!is_alive(of_child.recv().unwrap()));
    }
}
