//! SMTP servers with a fault built in: every answer is the test's own.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// In place of an answer: never one.
pub(super) const SILENCE: &str = "silence";
/// In place of an answer: the end of the connection.
pub(super) const CUT: &str = "cut";
/// Before an answer: a byte at a time, with a pause after each.
pub(super) const DRIP: &str = "drip ";
/// Before an answer: all of it, after [`LATE_BY`].
pub(super) const LATE: &str = "late ";
/// So much less than the limit of a step in the tests that use it that a busy machine is within it too.
const LATE_BY: Duration = Duration::from_millis(3800);
/// Between two bytes that drip.
const PAUSE: Duration = Duration::from_millis(300);

/// What a server says.
#[derive(Clone)]
pub(super) struct Script {
    pub(super) greeting: &'static str,
    /// What it offers before and after encryption.
    pub(super) offers: [&'static [&'static str]; 2],
    /// What it answers to lines that begin so, in place of what is usual.
    pub(super) answers: &'static [(&'static str, &'static str)],
    /// With what it encrypts.
    pub(super) identity: Option<Arc<ServerConfig>>,
    /// Encrypted from the first byte.
    pub(super) implicit: bool,
}

impl Script {
    /// A server that works, without encryption.
    pub(super) fn plain() -> Self {
        Self {
            greeting: "220 scripted.example ESMTP",
            offers: [&["AUTH PLAIN LOGIN"], &["AUTH PLAIN LOGIN", "SIZE 1000000"]],
            answers: &[],
            identity: None,
            implicit: false,
        }
    }

    /// A server that works, with STARTTLS.
    pub(super) fn starttls(identity: Arc<ServerConfig>) -> Self {
        let offers: [&[&str]; 2] = [&["STARTTLS"], &["AUTH PLAIN LOGIN"]];
        Self { offers, identity: Some(identity), ..Self::plain() }
    }

    /// A server that works, encrypted from the first byte.
    pub(super) fn implicit(identity: Arc<ServerConfig>) -> Self {
        Self { implicit: true, ..Self::starttls(identity) }
    }

    pub(super) fn greeting(self, greeting: &'static str) -> Self {
        Self { greeting, ..self }
    }

    pub(super) fn offers(
        self,
        before: &'static [&'static str],
        after: &'static [&'static str],
    ) -> Self {
        Self { offers: [before, after], ..self }
    }

    pub(super) fn answers(self, answers: &'static [(&'static str, &'static str)]) -> Self {
        Self { answers, ..self }
    }

    /// Serves on a port until the test ends.
    pub(super) fn serve(self) -> Server {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let said = Arc::<Mutex<Vec<String>>>::default();
        let server = Server { port, said: Arc::clone(&said) };
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let (script, said) = (self.clone(), Arc::clone(&said));
                thread::spawn(move || drop(script.session(client, &said)));
            }
        });
        server
    }

    fn session(&self, client: TcpStream, said: &Mutex<Vec<String>>) -> io::Result<()> {
        if let (true, Some(identity)) = (self.implicit, &self.identity) {
            let mut stream = encrypted(client, identity);
            Self::say(&mut stream, self.greeting)?;
            return self.talk(stream, true, said).map(drop);
        }
        let mut stream = client;
        Self::say(&mut stream, self.greeting)?;
        let Some(stream) = self.talk(stream, false, said)? else { return Ok(()) };
        let Some(identity) = &self.identity else { return Ok(()) };
        self.talk(encrypted(stream, identity), true, said).map(drop)
    }

    /// Answers until the end, or until the stream is to be encrypted.
    fn talk<S: Read + Write>(
        &self,
        stream: S,
        encrypted: bool,
        said: &Mutex<Vec<String>>,
    ) -> io::Result<Option<S>> {
        let mut stream = BufReader::new(stream);
        let mut data = false;
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line)? == 0 {
                return Ok(None);
            }
            let line = line.trim_end().to_owned();
            said.lock().unwrap().push(line.clone());
            if data && line != "." {
                continue;
            }
            let known = self.answers.iter().find(|(begins, _)| line.starts_with(begins));
            let usual = self.usual(&line, encrypted);
            let answer = known.map_or(usual.as_str(), |(_, answer)| answer);
            Self::say(stream.get_mut(), answer)?;
            data = answer.starts_with("354");
            if line == "STARTTLS" && answer.starts_with("220") && self.identity.is_some() {
                return Ok(Some(stream.into_inner()));
            }
            if answer == CUT || line == "QUIT" {
                return Ok(None);
            }
        }
    }

    fn usual(&self, line: &str, encrypted: bool) -> String {
        let word = line.split(' ').next().unwrap_or_default();
        match word {
            "EHLO" => {
                let offers = self.offers[usize::from(encrypted)];
                let lines = ["scripted.example"].iter().chain(offers);
                let last = offers.len();
                let line = |(index, line): (usize, &&str)| {
                    format!("250{}{line}", if index == last { ' ' } else { '-' })
                };
                lines.enumerate().map(line).collect::<Vec<_>>().join("\r\n")
            }
            "AUTH" => "235 2.7.0 Authentication successful".to_owned(),
            "DATA" => "354 End data with <CR><LF>.<CR><LF>".to_owned(),
            "STARTTLS" if self.identity.is_some() => "220 2.0.0 Ready to start TLS".to_owned(),
            "STARTTLS" => "502 5.5.1 Error: command not implemented".to_owned(),
            "QUIT" => "221 2.0.0 Bye".to_owned(),
            "." => "250 2.0.0 Ok: queued as 4F2A".to_owned(),
            _ => "250 2.1.0 Ok".to_owned(),
        }
    }

    fn say(stream: &mut impl Write, answer: &str) -> io::Result<()> {
        if answer == SILENCE || answer == CUT {
            if answer == SILENCE {
                thread::sleep(Duration::from_secs(60));
            }
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        let answer = format!("{answer}\r\n");
        if let Some(late) = answer.strip_prefix(LATE) {
            thread::sleep(LATE_BY);
            stream.write_all(late.as_bytes())?;
        } else if let Some(slowly) = answer.strip_prefix(DRIP) {
            for byte in slowly.bytes() {
                stream.write_all(&[byte])?;
                stream.flush()?;
                thread::sleep(PAUSE);
            }
        } else {
            // In one piece: what follows STARTTLS in it has come before any encryption.
            stream.write_all(answer.as_bytes())?;
        }
        stream.flush()
    }
}

fn encrypted(
    client: TcpStream,
    identity: &Arc<ServerConfig>,
) -> StreamOwned<ServerConnection, TcpStream> {
    StreamOwned::new(ServerConnection::new(Arc::clone(identity)).unwrap(), client)
}

/// A server that runs.
pub(super) struct Server {
    pub(super) port: u16,
    said: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// All lines that clients have said.
    pub(super) fn said(&self) -> Vec<String> {
        self.said.lock().unwrap().clone()
    }
}
