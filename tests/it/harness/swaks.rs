//! A message sent by `swaks`, the test tool that administrators use: what it says is what they see.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::smtp::{Mail, stuffed};
use super::submission::{Access, Encryption};

/// A run of swaks to come.
#[derive(Clone, Debug)]
pub struct Swaks {
    args: Vec<String>,
    password: Option<String>,
    message: Option<Vec<u8>>,
}

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The exit code: 0, or one of those below (swaks(1) lists them all).
    pub code: i32,
    /// What it printed: the session, and what it had to say about it.
    pub transcript: String,
}

/// The exit code of swaks where MAIL is refused.
pub const MAIL_REFUSED: i32 = 23;
/// Where no recipient is taken.
pub const RECIPIENTS_REFUSED: i32 = 24;
/// Where the message is refused once it is sent.
pub const MESSAGE_REFUSED: i32 = 26;
/// Where the login fails.
pub const LOGIN_REFUSED: i32 = 28;
/// Where there is no TLS.
pub const NO_TLS: i32 = 29;

impl Swaks {
    /// Will connect to a service. Certificates are verified.
    pub fn new(access: &Access) -> Self {
        let new = Self { args: Vec::new(), password: None, message: None };
        let new = new
            .option("--server", "127.0.0.1")
            .option("--port", &access.port.to_string())
            .option("--ehlo", "client.example")
            .timeout(Duration::from_secs(60));
        let tls = match access.encryption {
            Encryption::None => return new,
            Encryption::StartTls => "--tls",
            Encryption::Implicit => "--tls-on-connect",
        };
        new.flag(tls)
            .flag("--tls-verify")
            .option("--tls-ca-path", &access.authority.display().to_string())
    }

    /// Any option without an argument.
    pub fn flag(mut self, name: &str) -> Self {
        self.args.push(name.to_owned());
        self
    }

    /// Any option with an argument.
    pub fn option(self, name: &str, value: &str) -> Self {
        self.flag(name).flag(value)
    }

    /// How long any single step may take.
    pub fn timeout(self, timeout: Duration) -> Self {
        self.option("--timeout", &timeout.as_secs().max(1).to_string())
    }

    /// Will log in.
    pub fn login(mut self, user: &str, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self.option("--auth", "PLAIN,LOGIN")
            .option("--auth-user", user)
            .flag("--auth-hide-password")
    }

    /// The envelope sender; empty for the null sender. Also the From that swaks writes by itself.
    pub fn from(self, sender: &str) -> Self {
        self.option("--from", if sender.is_empty() { "<>" } else { sender })
    }

    /// The recipients.
    pub fn to(self, recipients: &[&str]) -> Self {
        self.option("--to", &recipients.join(","))
    }

    /// A line of the header, instead of the one of that name that swaks writes by itself.
    pub fn header(self, line: &str) -> Self {
        self.option("--header", line)
    }

    /// The body, below the header that swaks writes.
    pub fn body(self, text: &str) -> Self {
        self.option("--body", text)
    }

    /// The whole message, byte for byte, instead of what swaks would write.
    pub fn message(mut self, message: &[u8]) -> Self {
        self.message = Some(stuffed(message));
        self.option("--data", "-").flag("--no-data-fixup")
    }

    /// Envelope and message, byte for byte.
    pub fn mail(self, mail: &Mail) -> Self {
        let to: Vec<&str> = mail.recipients.iter().map(String::as_str).collect();
        self.from(&mail.sender).to(&to).message(&mail.message)
    }

    /// Runs it.
    pub fn run(&self) -> Outcome {
        let mut command = Command::new("swaks");
        // Neither options from elsewhere nor a ~/.swaksrc; and no password for all to see in ps(1).
        command.args(&self.args).env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin");
        if let Some(password) = &self.password {
            command.env("SWAKS_OPT_auth_password", password);
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("swaks is installed (contrib/dev/install-deps.sh installs it)");
        // One that cannot go on may end before it has read all of it, and says why.
        let _ = child.stdin.take().unwrap().write_all(self.message.as_deref().unwrap_or_default());
        let output = child.wait_with_output().unwrap();
        let printed = [output.stdout, output.stderr].concat();
        Outcome {
            code: output.status.code().expect("swaks was not killed"),
            transcript: String::from_utf8_lossy(&printed).into_owned(),
        }
    }
}

impl Outcome {
    /// The first reply of the server that swaks took for a refusal; empty if there was none.
    pub fn refusal(&self) -> &str {
        let marked = |line: &'_ str| line.starts_with("<** ") || line.starts_with("<~* ");
        self.transcript.lines().find(|line| marked(line)).map_or("", |line| &line[4..])
    }

    /// Panics with the transcript unless the message was taken.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{}", self.transcript);
        self
    }
}
