//! A raw SMTP client: every byte is the test's own.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fmt;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::time::Duration;

use data_encoding::BASE64;

use super::socket::{Endpoint, Stream};
use super::submission::{Access, Encryption};
use super::tls::{self, Tls};

/// A reply of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The reply code.
    pub code: u16,
    /// The text of each line, without the code.
    pub lines: Vec<String>,
}

impl Reply {
    /// Whether it is a 2xx or 3xx.
    pub fn is_ok(&self) -> bool {
        (200..400).contains(&self.code)
    }

    /// Whether it is a 4xx.
    pub fn is_temporary(&self) -> bool {
        (400..500).contains(&self.code)
    }

    /// The queue ID of `250 2.0.0 Ok: queued as ID`.
    pub fn queue_id(&self) -> Option<&str> {
        self.lines.last()?.split_once("queued as ").map(|(_, id)| id)
    }

    /// Panics unless it is a 2xx or 3xx.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert!(self.is_ok(), "the server said: {self}");
        self
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.lines.join(" / "))
    }
}

/// An SMTP session on a port of 127.0.0.1.
#[derive(Debug)]
pub struct Smtp {
    stream: Stream,
    reader: BufReader<Stream>,
    tls: Option<Tls>,
}

impl Smtp {
    /// Connects and reads the banner.
    pub fn connect(port: u16) -> io::Result<Self> {
        let mut smtp = Self::connect_silently(port)?;
        match smtp.try_reply()? {
            banner if banner.is_ok() => Ok(smtp),
            banner => Err(io::Error::other(format!("banner: {banner}"))),
        }
    }

    /// Connects and reads nothing yet.
    pub fn connect_silently(port: u16) -> io::Result<Self> {
        Self::over(Endpoint::Tcp(port).connect()?, None)
    }

    fn over(stream: Stream, tls: Option<Tls>) -> io::Result<Self> {
        stream.set_timeouts(Duration::from_secs(60))?;
        let reader = BufReader::new(stream.try_clone()?);
        Ok(Self { stream, reader, tls })
    }

    /// Shakes hands for TLS now, whatever was said before. The server has to show a certificate
    /// that is signed by the authority in a file.
    pub fn try_tls(self, authority: &Path) -> io::Result<Self> {
        let (stream, tls) = tls::shake_hands(&self.stream, authority)?;
        Self::over(stream, Some(tls))
    }

    /// Connects as the access asks for, and says EHLO; the session is ready for [`Smtp::login`].
    pub fn try_access(access: &Access) -> io::Result<Self> {
        let mut smtp = match access.encryption {
            Encryption::None => Self::connect(access.port)?,
            Encryption::StartTls => {
                let mut smtp = Self::connect(access.port)?;
                for line in ["EHLO client.example", "STARTTLS"] {
                    let reply = smtp.try_command(line)?;
                    if !reply.is_ok() {
                        return Err(io::Error::other(format!("{line}: {reply}")));
                    }
                }
                smtp.try_tls(&access.authority)?
            }
            Encryption::Implicit => {
                let mut smtp = Self::connect_silently(access.port)?.try_tls(&access.authority)?;
                smtp.try_reply()?;
                smtp
            }
        };
        smtp.try_command("EHLO client.example")?;
        Ok(smtp)
    }

    /// Like [`Smtp::try_access`], but what fails ends the test.
    #[track_caller]
    pub fn access(access: &Access) -> Self {
        Self::try_access(access).unwrap_or_else(|error| panic!("{access:?}: {error}"))
    }

    /// Connects and says EHLO; the session is ready for MAIL.
    #[track_caller]
    pub fn hello(port: u16) -> Self {
        let mut smtp = Self::connect(port).unwrap();
        smtp.command("EHLO client.example").ok();
        smtp
    }

    /// How long a reply may take from now on.
    pub fn set_timeout(&mut self, timeout: Duration) {
        self.stream.set_timeout(Some(timeout)).unwrap();
    }

    /// Sends bytes as they are.
    pub fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Reads one reply. A closed connection is an error of kind `UnexpectedEof`.
    pub fn try_reply(&mut self) -> io::Result<Reply> {
        let mut lines = Vec::new();
        loop {
            let mut line = Vec::new();
            self.reader.read_until(b'\n', &mut line)?;
            if line.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            let code = line.get(..3).and_then(|code| code.parse().ok());
            let code = code.ok_or_else(|| io::Error::other(format!("no SMTP reply: {line:?}")))?;
            lines.push(line.get(4..).unwrap_or_default().to_owned());
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok(Reply { code, lines });
            }
        }
    }

    /// Sends a command line and reads the reply.
    pub fn try_command(&mut self, line: &str) -> io::Result<Reply> {
        self.try_send(format!("{line}\r\n").as_bytes())?;
        self.try_reply()
    }

    /// Like [`Smtp::try_command`], but a broken connection ends the test.
    #[track_caller]
    pub fn command(&mut self, line: &str) -> Reply {
        self.try_command(line).unwrap_or_else(|error| panic!("{line}: {error}"))
    }

    /// Sends several command lines at once and reads as many replies (RFC 2920).
    #[track_caller]
    pub fn pipeline(&mut self, lines: &[&str]) -> Vec<Reply> {
        let all: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        self.try_send(all.as_bytes()).unwrap();
        lines.iter().map(|_| self.try_reply().unwrap()).collect()
    }

    /// Claims to be another client; Postfix starts the session again, so EHLO follows.
    #[track_caller]
    pub fn xclient(&mut self, attributes: &str) {
        self.command(&format!("XCLIENT {attributes}")).ok();
        self.command("EHLO client.example").ok();
    }

    /// Logs in with AUTH PLAIN (RFC 4616), and gives the server's answer.
    #[track_caller]
    pub fn login(&mut self, user: &str, password: &str) -> Reply {
        let words = format!("\0{user}\0{password}");
        self.command(&format!("AUTH PLAIN {}", BASE64.encode(words.as_bytes())))
    }

    /// Sends DATA and, if it is taken, a message: dots doubled, ended as [`stuffed`] does.
    pub fn try_data(&mut self, message: &[u8]) -> io::Result<Reply> {
        let reply = self.try_command("DATA")?;
        if reply.code != 354 {
            return Ok(reply);
        }
        self.try_send(&stuffed(message))?;
        self.try_reply()
    }

    /// Like [`Smtp::try_data`], but a broken connection ends the test.
    #[track_caller]
    pub fn data(&mut self, message: &[u8]) -> Reply {
        self.try_data(message).unwrap()
    }

    /// One transaction, up to the first reply that is not 2xx or 3xx. A message with several
    /// recipients goes to those that were taken, and RSET follows if there were none.
    pub fn try_mail(&mut self, mail: &Mail) -> io::Result<Reply> {
        let reply = self.try_command(&mail.mail_line())?;
        if !reply.is_ok() {
            return Ok(reply);
        }
        let mut refused = None;
        let mut taken = 0;
        for line in mail.rcpt_lines() {
            let reply = self.try_command(&line)?;
            if reply.is_ok() {
                taken += 1;
            } else {
                refused.get_or_insert(reply);
            }
        }
        match refused {
            Some(reply) if taken == 0 => {
                self.try_command("RSET")?;
                Ok(reply)
            }
            _ => self.try_data(&mail.message),
        }
    }

    /// Closes the connection at once, whatever is under way.
    pub fn abort(self) {
        self.stream.cut();
    }

    /// QUIT, politely.
    pub fn quit(mut self) {
        let _ = self.try_command("QUIT");
    }
}

/// A message with its envelope, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// The envelope sender, without brackets; empty for the null sender.
    pub sender: String,
    /// ESMTP arguments of MAIL (`BODY=8BITMIME`, ...).
    pub mail_args: Vec<String>,
    /// The recipients, without brackets.
    pub recipients: Vec<String>,
    /// ESMTP arguments of each RCPT.
    pub rcpt_args: Vec<String>,
    /// The message as it is to arrive.
    pub message: Vec<u8>,
}

impl Mail {
    /// A message without ESMTP arguments.
    pub fn new(sender: &str, recipients: &[&str], message: impl Into<Vec<u8>>) -> Self {
        Self {
            sender: sender.to_owned(),
            mail_args: Vec::new(),
            recipients: recipients.iter().map(|&r| r.to_owned()).collect(),
            rcpt_args: Vec::new(),
            message: message.into(),
        }
    }

    /// The same with an argument of MAIL.
    pub fn mail_arg(mut self, arg: &str) -> Self {
        self.mail_args.push(arg.to_owned());
        self
    }

    /// The same with an argument of RCPT.
    pub fn rcpt_arg(mut self, arg: &str) -> Self {
        self.rcpt_args.push(arg.to_owned());
        self
    }

    /// The MAIL command.
    pub fn mail_line(&self) -> String {
        with_args(&format!("MAIL FROM:<{}>", self.sender), &self.mail_args)
    }

    /// The RCPT commands.
    pub fn rcpt_lines(&self) -> Vec<String> {
        let line = |recipient| with_args(&format!("RCPT TO:<{recipient}>"), &self.rcpt_args);
        self.recipients.iter().map(line).collect()
    }

    /// Sends it in a session of its own. A connection that cannot be made or breaks is an error.
    pub fn try_send(&self, port: u16) -> io::Result<Reply> {
        let mut smtp = Smtp::connect(port)?;
        let hello = smtp.try_command("EHLO client.example")?;
        if !hello.is_ok() {
            return Ok(hello);
        }
        let reply = smtp.try_mail(self)?;
        smtp.quit();
        Ok(reply)
    }

    /// Sends it in a session of its own after a login, and panics unless it is taken; gives its
    /// queue ID.
    #[track_caller]
    pub fn send_as(&self, user: &str, password: &str, port: u16) -> String {
        let mut smtp = Smtp::hello(port);
        smtp.login(user, password).ok();
        let reply = smtp.try_mail(self).unwrap().ok();
        smtp.quit();
        reply.queue_id().unwrap_or_default().to_owned()
    }

    /// Sends it and panics unless it is taken; gives its queue ID.
    #[track_caller]
    pub fn send(&self, port: u16) -> String {
        let reply = self.try_send(port).unwrap().ok();
        reply.queue_id().unwrap_or_default().to_owned()
    }
}

fn with_args(line: &str, args: &[String]) -> String {
    let words = std::iter::once(line).chain(args.iter().map(String::as_str));
    words.collect::<Vec<_>>().join(" ")
}

/// A message as it goes over the wire: a dot at the start of a line is doubled (RFC 5321 4.5.2), a
/// last line without an end gets one, and the final dot follows. Nothing else is changed.
pub fn stuffed(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + message.len() / 64 + 8);
    let mut line_start = true;
    for &b in message {
        if line_start && b == b'.' {
            out.push(b'.');
        }
        out.push(b);
        // Postfix: takes a bare LF for a line end as well, so a dot after one is stuffed too.
        line_start = b == b'\n';
    }
    if !out.is_empty() && !out.ends_with(b"\r\n") {
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b".\r\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_are_doubled_and_the_end_is_marked_once() {
        for (message, wire) in [
            ("", ".\r\n"),
            ("a\r\n", "a\r\n.\r\n"),
            ("a", "a\r\n.\r\n"),
            (".\r\n..\r\nx.", "..\r\n...\r\nx.\r\n.\r\n"),
            ("a\n.b\r\n", "a\n..b\r\n.\r\n"),
        ] {
            assert_eq!(stuffed(message.as_bytes()), wire.as_bytes(), "{message:?}");
        }
    }
}
