//! The dialogue: one step after the other, until one fails or all is well.
//!
//! Must not know what a refusal means (`causes`), nor in which words it is told (`texts`).
// SPDX-License-Identifier: GPL-3.0-or-later

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use super::causes::{self, At, Cause};
use super::certificate::{Inspector, Seen};
use super::message::Message;
use super::reply::Reply;
use super::secret::Secret;
use super::step::{Name, Note, Scribe, Step, Stop};
use super::wire::{Fault, Wire, is_tls};
use super::{Settings, Tls, WHOLE, end_of};

/// After so long without a greeting the port is asked whether it waits for TLS.
const PATIENCE: Duration = Duration::from_secs(5);
/// A certificate that ends within as many days is worth a word.
const SOON: i64 = 21;
/// As long a farewell may take, for which nobody waits.
const FAREWELL: Duration = Duration::from_secs(2);

/// Settings made ready.
pub(super) struct Trial<'a> {
    pub(super) settings: &'a Settings,
    pub(super) server: ServerName<'static>,
    pub(super) inspector: Arc<Inspector>,
    pub(super) config: Arc<ClientConfig>,
}

/// What a talk showed beside its steps.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Shown {
    /// The server lets us claim an address.
    pub(super) xclient: bool,
    /// All went well up to the login.
    pub(super) greeted_safely: bool,
}

impl Trial<'_> {
    /// Goes through all steps; as if from `claim`, then without a mail at the end.
    pub(super) fn talk(&self, claim: Option<IpAddr>, emit: &mut dyn FnMut(Step)) -> Shown {
        let mut scribe = Scribe::new(&self.settings.password, &self.settings.user, emit);
        let mut shown = Shown::default();
        let end = Instant::now() + self.settings.limit * WHOLE;
        let connected = resolve(self.settings, end, &mut scribe)
            .and_then(|addresses| connect(self.settings, &addresses, end, &mut scribe));
        if let Ok((wire, address)) = connected {
            let mut talk =
                Talk { trial: self, scribe, wire, address, end, offers: Vec::new(), claim };
            // What failed is written down already.
            _ = talk.all(&mut shown);
            talk.wire.close();
        }
        shown
    }

    /// A talk as if from another address, in one step: that which failed, or the last.
    pub(super) fn claimed(&self, claim: IpAddr) -> Step {
        let began = Instant::now();
        let mut steps = Vec::new();
        self.talk(Some(claim), &mut |step| steps.push(step));
        let failed = steps.iter().position(|step| !step.causes.is_empty());
        let index = failed.unwrap_or(steps.len().saturating_sub(1));
        let mut step = steps.swap_remove(index);
        step.name = Name::From;
        step.took = began.elapsed();
        step.notes.retain(|note| *note != Note::NothingSent);
        step.notes.insert(0, Note::As(claim));
        step
    }
}

/// Asks for the host's addresses, on a thread that is left behind if nobody answers it.
fn resolve(
    settings: &Settings,
    end: Instant,
    scribe: &mut Scribe<'_>,
) -> Result<Vec<SocketAddr>, Stop> {
    scribe.begin(Name::Resolution);
    scribe.tried(&settings.host);
    let (answer, found) = mpsc::channel();
    let asked = (settings.host.clone(), settings.port);
    thread::spawn(move || {
        let found = asked.to_socket_addrs().map(Iterator::collect::<Vec<SocketAddr>>);
        _ = answer.send(found);
    });
    let left = end_of(settings.limit, end).saturating_duration_since(Instant::now());
    match found.recv_timeout(left) {
        Ok(Ok(mut addresses)) if !addresses.is_empty() => {
            addresses.dedup();
            let shown: Vec<String> = addresses.iter().map(|a| a.ip().to_string()).collect();
            scribe.heard(&shown.join(", "));
            scribe.done();
            Ok(addresses)
        }
        Ok(Ok(_)) => Err(scribe.fail(&[Cause::UnknownHost])),
        Ok(Err(error)) => {
            let text = error.to_string();
            scribe.heard(text.trim_start_matches("failed to lookup address information: "));
            let later = text.contains("Temporary failure");
            Err(scribe.fail(&[if later { Cause::NoResolver } else { Cause::UnknownHost }]))
        }
        Err(_) => Err(scribe.fail(&[Cause::NoResolver])),
    }
}

/// Connects to the first address that takes it. All together have the time of one step.
fn connect(
    settings: &Settings,
    addresses: &[SocketAddr],
    end: Instant,
    scribe: &mut Scribe<'_>,
) -> Result<(Wire, SocketAddr), Stop> {
    scribe.begin(Name::Connection);
    let until = end_of(settings.limit, end);
    let mut cause = Cause::ConnectionTimeout;
    for (index, &address) in addresses.iter().enumerate() {
        scribe.tried(&address.to_string());
        let rest = u32::try_from(addresses.len() - index).unwrap_or(1);
        let limit = until.saturating_duration_since(Instant::now()) / rest;
        match Wire::connect(address, limit) {
            Ok(wire) => {
                if let Some(local) = wire.local() {
                    scribe.note(Note::Local(local));
                }
                scribe.done();
                return Ok((wire, address));
            }
            Err(error) => {
                cause = match error.kind() {
                    ErrorKind::TimedOut => Cause::ConnectionTimeout,
                    ErrorKind::ConnectionRefused => Cause::ConnectionRefused,
                    ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted => {
                        Cause::Disconnected
                    }
                    _ => Cause::Unreachable,
                };
                scribe.heard(&format!("{address}: {error}"));
            }
        }
    }
    Err(scribe.fail(&[cause]))
}

/// A connection in use.
struct Talk<'a> {
    trial: &'a Trial<'a>,
    scribe: Scribe<'a>,
    wire: Wire,
    address: SocketAddr,
    end: Instant,
    /// What the server offers, as in its last answer to EHLO.
    offers: Vec<String>,
    claim: Option<IpAddr>,
}

impl Talk<'_> {
    fn all(&mut self, shown: &mut Shown) -> Result<(), Stop> {
        match self.trial.settings.tls {
            Tls::Implicit => {
                self.scribe.begin(Name::Encryption);
                self.encrypt()?;
                self.greeting()?;
                self.hello(true)?;
            }
            Tls::StartTls => {
                self.greeting()?;
                self.hello(false)?;
                self.starttls()?;
                self.scribe.begin(Name::Encryption);
                self.encrypt()?;
                self.hello(true)?;
            }
            Tls::None => {
                self.greeting()?;
                self.hello(false)?;
            }
        }
        *shown = Shown { xclient: self.offer("XCLIENT").is_some(), greeted_safely: true };
        if let Some(claim) = self.claim {
            self.claim(claim)?;
        }
        self.login()?;
        self.transaction()?;
        self.wire.until(Instant::now() + FAREWELL);
        _ = self.wire.send(b"QUIT\r\n").and_then(|()| self.wire.reply());
        Ok(())
    }

    /// Sends a line and reads the answer, within the time of a step.
    fn ask(&mut self, line: &[u8]) -> Result<Reply, Fault> {
        self.wire.until(end_of(self.trial.settings.limit, self.end));
        // In one piece, and wiped: it may hold the password.
        let line = Secret::new([line, b"\r\n"].concat());
        self.wire.send(line.reveal())?;
        self.wire.reply()
    }

    /// [`Talk::ask`], written down as `line` itself.
    fn say(&mut self, line: &str) -> Result<Reply, Stop> {
        self.scribe.tried(line);
        let asked = self.ask(line.as_bytes());
        self.written(asked)
    }

    /// Writes down what came back.
    fn written(&mut self, asked: Result<Reply, Fault>) -> Result<Reply, Stop> {
        match asked {
            Ok(reply) => {
                self.scribe.reply(&reply);
                Ok(reply)
            }
            Err(fault) => Err(self.broken(fault)),
        }
    }

    /// A step that is ended by a refusal.
    fn refused(&mut self, at: At, reply: &Reply) -> Stop {
        self.scribe.fail(&[causes::of(at, reply)])
    }

    /// A step that is ended by the connection.
    fn broken(&mut self, fault: Fault) -> Stop {
        let cause = match fault {
            // Each answer came in time, all together they did not.
            Fault::Silent if Instant::now() >= self.end => Cause::TooSlow,
            Fault::Silent => Cause::Silence,
            Fault::Slow => Cause::TooSlow,
            Fault::Closed => Cause::Disconnected,
            Fault::NotSmtp(bytes) if is_tls(&bytes) => Cause::TlsExpected,
            Fault::NotSmtp(bytes) => {
                self.scribe.heard(&String::from_utf8_lossy(&bytes));
                Cause::NotSmtp
            }
            Fault::Tls(why) => {
                self.scribe.note(Note::Detail(why));
                Cause::TlsFailed
            }
            Fault::Other(why) => {
                self.scribe.note(Note::Detail(why));
                Cause::Disconnected
            }
        };
        self.scribe.fail(&[cause])
    }

    fn greeting(&mut self) -> Result<(), Stop> {
        self.scribe.begin(Name::Greeting);
        let until = end_of(self.trial.settings.limit, self.end);
        self.wire.until(end_of(PATIENCE.min(self.trial.settings.limit / 2), self.end));
        let mut reply = self.wire.reply();
        if let Err(Fault::Silent | Fault::Slow) = reply {
            let plain = self.trial.settings.tls != Tls::Implicit;
            if reply == Err(Fault::Silent) && plain && self.answers_tls(until) {
                self.scribe.note(Note::AnswersTls);
                return Err(self.scribe.fail(&[Cause::TlsExpected]));
            }
            self.wire.longer(until);
            reply = self.wire.reply();
        }
        let reply = self.written(reply)?;
        if !reply.is_ok() {
            return Err(self.refused(At::Greeting, &reply));
        }
        self.scribe.done();
        Ok(())
    }

    /// Whether the same port shakes hands where TLS comes first.
    fn answers_tls(&self, until: Instant) -> bool {
        // Half of what is left: a greeting that is only late must still be heard.
        let limit = (until.saturating_duration_since(Instant::now()) / 2).min(PATIENCE);
        let Ok(mut wire) = Wire::connect(self.address, limit) else { return false };
        let answers =
            wire.encrypt(Arc::clone(&self.trial.config), self.trial.server.clone()).is_ok();
        wire.close();
        // What it showed is nothing that was asked about.
        self.trial.inspector.take();
        answers
    }

    fn hello(&mut self, encrypted: bool) -> Result<(), Stop> {
        self.scribe.begin(Name::Hello);
        let name = match self.wire.local() {
            Some(IpAddr::V6(ip)) => format!("[IPv6:{ip}]"),
            Some(IpAddr::V4(ip)) => format!("[{ip}]"),
            None => "localhost".to_owned(),
        };
        let line = format!("EHLO {name}");
        self.scribe.tried(&line);
        let asked = self.ask(line.as_bytes());
        let reply = match asked {
            Ok(reply) if reply.is_ok() => reply,
            other => {
                let reply = self.written(other)?;
                return Err(self.refused(At::Hello, &reply));
            }
        };
        self.offers = reply.lines.iter().skip(1).map(|line| line.trim().to_owned()).collect();
        // The answer in one line; it says nothing of its own beside what is offered.
        let first = reply.lines.first().map_or("", String::as_str);
        self.scribe.heard(format!("{} {first}", reply.code).trim_end());
        self.scribe.heard(&self.offers.join(", "));
        self.note_offers(encrypted);
        self.scribe.done();
        Ok(())
    }

    fn note_offers(&mut self, encrypted: bool) {
        let logins = self.logins();
        let starttls = self.offer("STARTTLS").is_some();
        let wants = self.trial.settings.tls == Tls::StartTls;
        match (encrypted, logins.is_empty()) {
            (true, false) => self.scribe.note(Note::Offers(logins)),
            (false, true) if wants && starttls => self.scribe.note(Note::LoginAfterEncryption),
            (_, true) => {}
            (false, false) => {
                self.scribe.note(Note::Offers(logins));
                if wants {
                    self.scribe.note(Note::LoginInClear);
                }
            }
        }
        if !encrypted && !wants && starttls {
            self.scribe.note(Note::StartTlsUnused);
        }
        let size = self.offer("SIZE").and_then(|size| size.parse().ok()).filter(|&size| size > 0);
        if let Some(size) = size
            && (encrypted || !wants)
        {
            self.scribe.note(Note::Size(size));
        }
    }

    /// The arguments of something that the server offers.
    fn offer(&self, keyword: &str) -> Option<&str> {
        self.offers.iter().find_map(|line| {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            word.eq_ignore_ascii_case(keyword).then_some(rest)
        })
    }

    /// The mechanisms of AUTH; `AUTH=` is what some servers say beside, for clients of old.
    fn logins(&self) -> Vec<String> {
        let mut found = Vec::new();
        for line in &self.offers {
            let line = line.to_ascii_uppercase();
            let Some(rest) = line.strip_prefix("AUTH ").or_else(|| line.strip_prefix("AUTH="))
            else {
                continue;
            };
            for word in rest.split_ascii_whitespace() {
                if !found.iter().any(|known| known == word) {
                    found.push(word.to_owned());
                }
            }
        }
        found
    }

    fn starttls(&mut self) -> Result<(), Stop> {
        self.scribe.begin(Name::StartTls);
        let offered = self.offer("STARTTLS").is_some();
        if !offered {
            self.scribe.note(Note::TriedAllTheSame);
        }
        let reply = self.say("STARTTLS")?;
        match (offered, reply.code) {
            (true, 220) => {
                self.scribe.done();
                Ok(())
            }
            (true, _) => Err(self.refused(At::StartTls, &reply)),
            // The server knows it: somebody between took it out of the server's answer.
            (false, 220) => Err(self.scribe.fail(&[Cause::StartTlsStripped])),
            // Some firewalls write over the word: 250-XXXXXXXA.
            (false, _) if self.offers.iter().any(|line| line.starts_with("XXXX")) => {
                Err(self.scribe.fail(&[Cause::StartTlsStripped]))
            }
            (false, _) => Err(self.scribe.fail(&[Cause::NoStartTls])),
        }
    }

    /// Shakes hands and looks at the certificate.
    fn encrypt(&mut self) -> Result<(), Stop> {
        self.wire.until(end_of(self.trial.settings.limit, self.end));
        let config = Arc::clone(&self.trial.config);
        let shaken = self.wire.encrypt(config, self.trial.server.clone());
        let seen = self.trial.inspector.take();
        if let Some(cipher) = self.wire.encryption() {
            self.scribe.note(Note::Cipher(cipher));
        }
        if let Some(seen) = &seen {
            self.note_certificate(seen);
        }
        let faults = seen.map(|seen| seen.faults).unwrap_or_default();
        if let Err(fault) = shaken {
            if !faults.is_empty() {
                return Err(self.scribe.fail(&faults));
            }
            let implicit = self.trial.settings.tls == Tls::Implicit;
            return Err(match fault {
                Fault::NotSmtp(bytes) if implicit => {
                    let text = String::from_utf8_lossy(&bytes).into_owned();
                    for line in text.lines().take(3) {
                        self.scribe.heard(line);
                    }
                    self.scribe.fail(&[Cause::PlainExpected])
                }
                Fault::NotSmtp(bytes) => {
                    self.scribe.heard(&String::from_utf8_lossy(&bytes));
                    self.scribe.fail(&[Cause::TlsFailed])
                }
                other => self.broken(other),
            });
        }
        if !faults.is_empty() {
            self.scribe.note(Note::PasswordNotSent);
            return Err(self.scribe.fail(&faults));
        }
        self.scribe.done();
        Ok(())
    }

    fn note_certificate(&mut self, seen: &Seen) {
        self.scribe.note(Note::Certificate {
            subject: super::escaped(&seen.subject),
            issuer: super::escaped(&seen.issuer),
            names: seen.names.iter().map(|name| super::escaped(name)).collect(),
            from: date(seen.not_before),
            until: date(seen.not_after),
            sent: seen.sent,
        });
        if seen.faults.contains(&Cause::WrongName) {
            self.scribe.note(Note::Asked(super::escaped(&self.trial.settings.host)));
        }
        if let Some(remark) = &seen.remark {
            self.scribe.note(Note::Detail(super::escaped(remark)));
        }
        let days = (seen.not_after - jiff::Timestamp::now().as_second()) / 86_400;
        if (0..SOON).contains(&days) && !seen.faults.contains(&Cause::Expired) {
            self.scribe.note(Note::ExpiresIn(days));
        }
    }

    fn claim(&mut self, claim: IpAddr) -> Result<(), Stop> {
        self.scribe.begin(Name::Claim);
        let address = match claim {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("IPV6:{ip}"),
        };
        // Postfix: the session begins anew, with a greeting; the encryption stays.
        let reply = self.say(&format!("XCLIENT NAME=[UNAVAILABLE] ADDR={address}"))?;
        if !reply.is_ok() {
            return Err(self.refused(At::Greeting, &reply));
        }
        self.scribe.done();
        self.hello(self.trial.settings.tls != Tls::None)
    }

    fn login(&mut self) -> Result<(), Stop> {
        self.scribe.begin(Name::Login);
        let logins = self.logins();
        let has = |name: &str| logins.iter().any(|login| login == name);
        if self.trial.settings.tls == Tls::None && (has("PLAIN") || has("LOGIN")) {
            self.scribe.note(Note::PasswordInClear);
        }
        let reply = if has("PLAIN") {
            self.login_plain()?
        } else if has("LOGIN") {
            self.login_login()?
        } else if !logins.is_empty() {
            self.scribe.note(Note::Offers(logins));
            return Err(self.scribe.fail(&[Cause::NoPasswordLogin]));
        } else if self.trial.settings.tls == Tls::None && self.offer("STARTTLS").is_some() {
            return Err(self.scribe.fail(&[Cause::EncryptionRequired]));
        } else {
            return Err(self.scribe.fail(&[Cause::NoLogin]));
        };
        if reply.code != 235 {
            return Err(if reply.is_ok() {
                self.scribe.fail(&[Cause::NotSmtp])
            } else {
                self.refused(At::Login, &reply)
            });
        }
        self.scribe.done();
        Ok(())
    }

    fn login_plain(&mut self) -> Result<Reply, Stop> {
        let settings = self.trial.settings;
        self.scribe.tried(&format!("AUTH PLAIN [{}, ...]", settings.user));
        let words = settings.password.plain(&settings.user);
        let line = Secret::new([b"AUTH PLAIN ", words.reveal()].concat());
        let asked = self.ask(line.reveal());
        self.written(asked)
    }

    fn login_login(&mut self) -> Result<Reply, Stop> {
        let settings = self.trial.settings;
        self.scribe.tried(&format!("AUTH LOGIN [{}, ...]", settings.user));
        let user = Secret::new(settings.user.clone().into_bytes()).encoded();
        let password = settings.password.encoded();
        for line in [&b"AUTH LOGIN"[..], user.reveal()] {
            match self.ask(line) {
                Ok(reply) if reply.code == 334 => {}
                other => return self.written(other),
            }
        }
        let asked = self.ask(password.reveal());
        self.written(asked)
    }

    fn transaction(&mut self) -> Result<(), Stop> {
        let settings = self.trial.settings;
        let to = settings.to.as_ref().filter(|_| self.claim.is_none());
        self.scribe.begin(Name::Sender);
        let international =
            [Some(&settings.from), to].into_iter().flatten().any(|a| !a.as_str().is_ascii());
        let utf8 = international && self.offer("SMTPUTF8").is_some();
        let more = if utf8 { " SMTPUTF8" } else { "" };
        let reply = self.say(&format!("MAIL FROM:<{}>{more}", settings.from))?;
        if !reply.is_ok() {
            return Err(self.refused(At::Sender, &reply));
        }
        self.scribe.done();

        self.scribe.begin(Name::Recipient);
        let reply = self.say(&format!("RCPT TO:<{}>", to.unwrap_or(&settings.from)))?;
        if !reply.is_ok() {
            return Err(self.refused(At::Recipient, &reply));
        }
        let Some(to) = to else {
            self.scribe.note(Note::NothingSent);
            self.scribe.done();
            return Ok(());
        };
        self.scribe.done();
        let message = Message::to(settings, to);
        self.message(&message)
    }

    fn message(&mut self, message: &Message) -> Result<(), Stop> {
        self.scribe.begin(Name::Message);
        let reply = self.say("DATA")?;
        if reply.code != 354 {
            return Err(self.refused(At::Message, &reply));
        }
        self.scribe.tried(&format!("Message-ID: {}", message.id));
        let asked = self.ask(message.text.as_bytes());
        let reply = self.written(asked)?;
        if !reply.is_ok() {
            return Err(self.refused(At::Message, &reply));
        }
        self.scribe.note(Note::Accepted(message.id.clone()));
        self.scribe.done();
        Ok(())
    }
}

/// The day of a point in time, in UTC.
fn date(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds)
        .map(|time| time.strftime("%Y-%m-%d").to_string())
        .unwrap_or_default()
}
