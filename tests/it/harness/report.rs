//! Everything that is known about a scene, for when something in it does not come to an end.
//!
//! Reads files only: where something hangs, a command that asks could hang as well.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use super::daemon::{Daemon, Target};
use super::{Postfix, process, queue};

/// How many lines of each log are shown.
const TAIL: usize = 40;

/// What to look at.
#[derive(Clone, Debug)]
pub struct Reporter {
    daemon: Target,
    logs: [PathBuf; 3],
    queues: [PathBuf; 2],
}

impl Reporter {
    /// A reporter for a scene, whether it runs already or not.
    pub fn new(mx: &Postfix, ats: &Postfix, daemon: &Daemon) -> Self {
        Self {
            daemon: daemon.target(),
            logs: [daemon.log_file(), mx.log_file(), ats.log_file()],
            queues: [mx.queue_dir(), ats.queue_dir()],
        }
    }

    /// The state of the processes, the queues, the machine, and the end of each log.
    pub fn text(&self) -> String {
        let mut out = String::new();
        let daemon = self.daemon.pid();
        let _ = writeln!(out, "daemon: {}", daemon.map_or("none".to_owned(), process::state));
        for queue in &self.queues {
            let pid = fs::read_to_string(queue.join("pid/master.pid")).unwrap_or_default();
            let Ok(master) = pid.trim().parse() else { continue };
            let group = process::group(master);
            let names: Vec<&str> = group.iter().map(|process| process.name.as_str()).collect();
            let _ = writeln!(out, "Postfix: {}; {}", process::state(master), names.join(" "));
        }
        let _ = writeln!(out, "this: {}", process::state(std::process::id()));
        for name in ["loadavg", "pressure/cpu", "pressure/io"] {
            let text = fs::read_to_string(format!("/proc/{name}")).unwrap_or_default();
            let _ = writeln!(out, "{name}: {}", text.lines().next().unwrap_or_default());
        }
        for queue in &self.queues {
            if let Ok(disk) = rustix::fs::statvfs(queue) {
                let mib = disk.f_bavail.saturating_mul(disk.f_frsize) >> 20;
                let _ = writeln!(out, "{}: {mib} MiB free", queue.display());
            }
            for file in queue::files(queue, &[&queue::MESSAGES[..], &queue::RECORDS].concat()) {
                let _ = writeln!(out, "  {}", file.display());
            }
        }
        for log in &self.logs {
            let bytes = fs::read(log).unwrap_or_default();
            let text = String::from_utf8_lossy(&bytes);
            let lines: Vec<&str> = text.lines().collect();
            let _ = writeln!(out, "--- end of {} ({} lines)", log.display(), lines.len());
            for line in &lines[lines.len().saturating_sub(TAIL)..] {
                let _ = writeln!(out, "{line}");
            }
        }
        out
    }
}
