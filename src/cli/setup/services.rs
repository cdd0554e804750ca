//! The running program: systemd's services, or what a command restarts.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::written::QUEUE;
use super::{Exit, Missing, missing};
use crate::config::{Config, Socket};
use crate::language::Language;
use crate::milter::liveness;

/// What systemd runs.
const UNITS: [&str; 2] = ["recruit-milter.service", "recruit-milter-agent.service"];
/// How long a restarted program may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// How the program is restarted.
pub(super) enum Services {
    /// By systemd.
    Systemd,
    /// By a command that the admin named.
    Command(String),
    /// Nobody said; what systemctl says of the units, where systemd runs.
    Unknown(Option<String>),
}

/// Whether systemd's units listen there as they are shipped.
fn is_a_units(socket: &Socket) -> bool {
    matches!(socket, Socket::Unix(path) if path.starts_with(QUEUE))
}

impl Services {
    /// Looks for them.
    pub(super) fn find(command: Option<&str>) -> Self {
        if let Some(command) = command {
            return Self::Command(command.to_owned());
        }
        if !Path::new("/run/systemd/system").is_dir() {
            return Self::Unknown(None);
        }
        match Command::new("systemctl").arg("cat").args(UNITS).output() {
            Ok(output) if output.status.success() => Self::Systemd,
            Ok(output) => {
                Self::Unknown(Some(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
            }
            Err(error) => Self::Unknown(Some(error.to_string())),
        }
    }

    pub(super) fn are_of_systemd(&self) -> bool {
        matches!(self, Self::Systemd)
    }

    /// Whether they can be restarted.
    pub(super) fn are_known(&self) -> bool {
        !matches!(self, Self::Unknown(_))
    }

    /// Whether systemd says that they run. Of others nothing is known: they are restarted when something
    /// has changed.
    pub(super) fn are_running(&self) -> bool {
        match self {
            Self::Systemd => Command::new("systemctl")
                .args(["is-active", "--quiet"])
                .args(UNITS)
                .status()
                .is_ok_and(|status| status.success()),
            Self::Command(_) | Self::Unknown(_) => true,
        }
    }

    /// Makes the program read its configuration. With systemd nobody notices: it keeps the sockets.
    pub(super) fn restart(&self, lang: Language) -> Result<(), Missing> {
        let (mut command, shown) = match self {
            Self::Systemd => {
                // What failed too often before would not be started once more.
                _ = Command::new("systemctl").args(["reset-failed", "recruit-milter*"]).status();
                let mut command = Command::new("systemctl");
                command.arg("restart").args(UNITS);
                (command, format!("systemctl restart {}", UNITS.join(" ")))
            }
            Self::Command(line) => {
                let mut command = Command::new("sh");
                command.arg("-c").arg(line);
                (command, line.clone())
            }
            Self::Unknown(said) => {
                let what = lang.pick(
                    "recruit-milter has to be (re)started, and systemd does not run it here",
                    "recruit-milter muss (neu) gestartet werden, und systemd betreibt es hier nicht",
                );
                let remedy = lang.pick(
                    "start it (recruit-milter run), and run this again; or name a command with --restart",
                    "starten (recruit-milter run), und dies noch einmal; oder einen Befehl mit --restart nennen",
                );
                let said = said.as_ref().map(|said| format!(" ({said})")).unwrap_or_default();
                return Err(missing(Exit::TryAgain, format!("{what}{said}"), remedy));
            }
        };
        super::answer(&format!("\n{shown}"));
        match command.status() {
            Ok(status) if status.success() => match self.complaint() {
                Some(complaint) => Err(missing(
                    Exit::Unavailable,
                    format!("recruit-milter: {complaint}"),
                    "journalctl -u recruit-milter -u recruit-milter-agent -e",
                )),
                None => Ok(()),
            },
            Ok(status) => Err(missing(
                Exit::Unavailable,
                format!("{shown}: {status}"),
                "journalctl -u recruit-milter -u recruit-milter-agent -e",
            )),
            Err(error) => {
                Err(missing(Exit::Unavailable, format!("{shown}: {error}"), "start it by hand"))
            }
        }
    }

    /// What a service tells systemd that is wrong with its configuration. It starts all the same: by the last good
    /// one, or to put off all mail.
    fn complaint(&self) -> Option<String> {
        if !self.are_of_systemd() {
            return None;
        }
        UNITS.iter().find_map(|unit| {
            let show = ["show", "--property=StatusText", "--value", *unit];
            let shown = Command::new("systemctl").args(show).output().ok()?;
            let text = String::from_utf8_lossy(&shown.stdout).trim().to_owned();
            (!text.is_empty()).then_some(text)
        })
    }

    /// Waits until the sockets answer. Postfix puts off all mail whose milter does not.
    pub(super) fn wait_for(&self, config: &Config) -> Result<(), Missing> {
        let settings = config.listening();
        let sockets: Vec<&Socket> =
            settings.front.iter().chain(&settings.submission).chain(&settings.handoff).collect();
        let runtime = super::runtime()?;
        let until = Instant::now() + PATIENCE;
        for socket in sockets {
            loop {
                let answer = runtime.block_on(liveness::ask(socket, Duration::from_secs(5)));
                let Some(error) = answer.err() else { break };
                if Instant::now() > until {
                    let remedy = if self.are_of_systemd() && !is_a_units(socket) {
                        "systemd listens below /var/spool/postfix: change ListenStream= of the four socket units \
                         (systemctl edit), the folder in tmpfiles.d, and run this again"
                    } else if self.are_of_systemd() {
                        "systemctl status recruit-milter; journalctl -u recruit-milter -e"
                    } else {
                        "start it: recruit-milter run"
                    };
                    let what = format!("nobody answers at {socket}: {error}");
                    return Err(missing(Exit::Unavailable, what, remedy));
                }
                std::thread::sleep(Duration::from_millis(100));
            }
        }
        Ok(())
    }
}
