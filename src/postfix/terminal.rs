//! A terminal for a program that speaks to nothing else.
//!
//! Must not know which program it is.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fs::File;
use std::io::{self, Read as _};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

/// How long words are waited for that a program has left behind at its end.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Both ends of a terminal.
pub(super) struct Terminal {
    ours: File,
    theirs: File,
}

impl Terminal {
    /// A new one; none where the system has none to give.
    pub(super) fn open() -> Option<Self> {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).ok()?;
        grantpt(&ours).ok()?;
        unlockpt(&ours).ok()?;
        let name = ptsname(&ours, Vec::new()).ok()?;
        // It must not become the terminal that governs this process: at its end that would be a SIGHUP.
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let theirs = rustix::fs::open(&name, flags, Mode::empty()).ok()?;
        Some(Self { ours: ours.into(), theirs: theirs.into() })
    }

    /// Runs a command to its end with the terminal as its standard error.
    pub(super) fn output(self, mut command: Command) -> io::Result<Output> {
        let Self { mut ours, theirs } = self;
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::from(theirs));
        let child = command.spawn()?;
        // The last descriptor of the other end that is not the child's.
        drop(command);
        let (told, heard) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            // Linux: reading fails (EIO) when nobody has the other end any more.
            while let Ok(count @ 1..) = ours.read(&mut buffer) {
                if told.send(buffer[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        let mut output = child.wait_with_output()?;
        // A program of the background may have the other end still.
        while let Ok(words) = heard.recv_timeout(LAST_WORDS) {
            output.stderr.extend(words);
        }
        output.stderr.retain(|byte| *byte != b'\r');
        Ok(output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_speaks_to_a_terminal_alone_is_heard() {
        let script = "test -t 2 && echo broken >&2; echo out; exit 3";
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        let output = Terminal::open().unwrap().output(command).unwrap();
        assert_eq!(output.status.code(), Some(3));
        assert_eq!((&*output.stdout, &*output.stderr), (&b"out\n"[..], &b"broken\n"[..]));
    }

    #[test]
    fn nobody_waits_for_a_program_that_was_left_in_the_background() {
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 600 >/dev/null & echo $! >&2"]);
        let output = Terminal::open().unwrap().output(command).unwrap();
        let pid: i32 = String::from_utf8_lossy(&output.stderr).trim().parse().unwrap();
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        // It is there still.
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    }
}
