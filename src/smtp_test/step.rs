//! What a test reports: steps, each with what was tried, what came back and what it means.
//!
//! Must not know the words of any language.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::causes::Cause;
use super::reply::{Reply, escaped};
use super::secret::Secret;

/// The steps, in the order in which they come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    /// The host's addresses.
    Resolution,
    /// The TCP connection.
    Connection,
    /// The server's first line.
    Greeting,
    /// EHLO, before or after encryption.
    Hello,
    /// STARTTLS.
    StartTls,
    /// The TLS handshake with its certificate.
    Encryption,
    /// XCLIENT: to be somebody else.
    Claim,
    /// AUTH.
    Login,
    /// MAIL.
    Sender,
    /// RCPT.
    Recipient,
    /// A real mail.
    Message,
    /// All of it again, as if from another address.
    From,
}

/// Something that is worth knowing about a step beside its replies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// From which address the test comes.
    Local(IpAddr),
    /// What the server offers for a login.
    Offers(Vec<String>),
    /// No login is offered before the connection is encrypted.
    LoginAfterEncryption,
    /// Login is offered before the connection is encrypted.
    LoginInClear,
    /// The settings leave the connection unencrypted, and the password is readable on its way.
    PasswordInClear,
    /// The server can encrypt, and the settings do not ask for it.
    StartTlsUnused,
    /// STARTTLS is not among what the server offers; it was tried all the same.
    TriedAllTheSame,
    /// As large may a message be, in octets.
    Size(u64),
    /// Version and cipher.
    Cipher(String),
    /// The certificate: for whom, by whom, its names, until when (a date), how many were sent.
    Certificate {
        /// Whom it is for.
        subject: String,
        /// Who signed it.
        issuer: String,
        /// The names that it is valid for.
        names: Vec<String>,
        /// The first day.
        from: String,
        /// The last day.
        until: String,
        /// How many certificates the server sent.
        sent: usize,
    },
    /// It will expire in so many days.
    ExpiresIn(i64),
    /// The name that was asked for.
    Asked(String),
    /// What the TLS library or the system says.
    Detail(String),
    /// The password stayed here.
    PasswordNotSent,
    /// The same port answers where TLS comes first.
    AnswersTls,
    /// Nothing was sent: no recipient was named.
    NothingSent,
    /// The server took a mail. What that means, and how to find it: its Message-ID.
    Accepted(String),
    /// The server does not let us claim an address.
    NoXclient,
    /// As if from this address.
    As(IpAddr),
}

/// A step that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Which.
    pub name: Name,
    /// How long it took.
    pub took: Duration,
    /// What was tried, fit for a terminal.
    pub tried: Vec<String>,
    /// What came back, fit for a terminal.
    pub heard: Vec<String>,
    /// What is worth knowing.
    pub notes: Vec<Note>,
    /// Why it failed; empty: it did not.
    pub causes: Vec<Cause>,
}

/// The step failed and has been reported; there is no going on.
#[derive(Debug)]
pub(super) struct Stop;

/// Writes steps down.
pub(super) struct Scribe<'a> {
    emit: &'a mut dyn FnMut(Step),
    step: Step,
    began: Instant,
    secret: &'a Secret,
    user: &'a str,
}

impl<'a> Scribe<'a> {
    pub(super) fn new(secret: &'a Secret, user: &'a str, emit: &'a mut dyn FnMut(Step)) -> Self {
        Self { emit, step: empty(Name::Resolution), began: Instant::now(), secret, user }
    }

    /// A step begins.
    pub(super) fn begin(&mut self, name: Name) {
        self.step = empty(name);
        self.began = Instant::now();
    }

    /// This was tried.
    pub(super) fn tried(&mut self, what: &str) {
        self.step.tried.push(escaped(what));
    }

    /// This came back.
    pub(super) fn heard(&mut self, what: &str) {
        self.step.heard.push(self.masked(&escaped(what)));
    }

    /// This reply came back.
    pub(super) fn reply(&mut self, reply: &Reply) {
        let lines: Vec<String> = reply.shown().iter().map(|line| self.masked(line)).collect();
        self.step.heard.extend(lines);
    }

    fn masked(&self, text: &str) -> String {
        self.secret.masked(text, self.user)
    }

    /// This is worth knowing.
    pub(super) fn note(&mut self, note: Note) {
        self.step.notes.push(note);
    }

    /// The step is done.
    pub(super) fn done(&mut self) {
        self.step.took = self.began.elapsed();
        let next = empty(self.step.name);
        (self.emit)(std::mem::replace(&mut self.step, next));
    }

    /// The step failed.
    pub(super) fn fail(&mut self, causes: &[Cause]) -> Stop {
        self.step.causes = causes.to_vec();
        self.done();
        Stop
    }
}

fn empty(name: Name) -> Step {
    Step {
        name,
        took: Duration::ZERO,
        tried: Vec::new(),
        heard: Vec::new(),
        notes: Vec::new(),
        causes: Vec::new(),
    }
}
