//! Hands a message to Postfix over SMTP: what cannot be done in place goes into the queue anew.
//!
//! [`callout`] only asks whether a server would take one. Every call is under a timeout, and every line end is CRLF before a byte leaves, so that nothing in
//! a message can end it early and begin another. The only place that names lettre. Must not know
//! what is submitted, or why.
// SPDX-License-Identifier: GPL-3.0-or-later

pub mod callout;

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use lettre::transport::smtp::client::{AsyncSmtpConnection, AsyncTokioStream};
use lettre::transport::smtp::commands::Data;
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::Response;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::mail::{Address, Orcpt, RawPath};

/// How long the connection may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How long each command may take. Postfix waits 30 s for a milter there.
const COMMAND: Duration = Duration::from_secs(60);
/// How long the message and the answer to its end may take. All together stays below the 600 s
/// after which Postfix's lmtp(8) gives up waiting for an answer of ours (`lmtp_data_done_timeout`).
const MESSAGE: Duration = Duration::from_secs(300);
/// How long the farewell may take, for which nobody waits.
const FAREWELL: Duration = Duration::from_secs(5);
/// In pieces of about this size a message is made ready and written.
const PIECE: usize = 64 * 1024;

/// A message and its envelope.
#[derive(Clone, Copy, Debug)]
pub struct Submission<'a> {
    /// The envelope sender.
    pub sender: &'a RawPath,
    /// The recipient.
    pub recipient: &'a Address,
    /// The original recipient (RFC 3461 4.2) of what goes on for somebody else: nobody is to hear of
    /// it, NOTIFY=NEVER. None for mail of our own, which asks for nothing special.
    pub orcpt: Option<&'a Orcpt>,
    /// Whether the envelope or the header is in UTF-8 (RFC 6531), beyond what the addresses show.
    pub smtputf8: bool,
    /// The message.
    pub content: Content<'a>,
}

/// The bytes of a message. However its lines end, they leave with CRLF: a bare CR or LF counts as a
/// line end.
#[derive(Clone, Copy, Debug)]
pub struct Content<'a>(&'a [u8]);

impl<'a> Content<'a> {
    /// A message that is new to Postfix. A NUL in it is refused: RFC 5321 4.5.2 does not allow it, and
    /// programs cut texts at it.
    pub fn new(bytes: &'a [u8]) -> Result<Self, Error> {
        if bytes.contains(&0) { Err(Error::Nul) } else { Ok(Self(bytes)) }
    }

    /// A message as Postfix itself has handed it to us, with whatever it let in.
    pub fn as_queued(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The message in pieces, without its last line end, which the end of data brings.
    fn pieces(self) -> Pieces<'a> {
        let bytes = self.0;
        let end = bytes.strip_suffix(b"\r\n").or_else(|| bytes.strip_suffix(b"\n"));
        Pieces { rest: end.or_else(|| bytes.strip_suffix(b"\r")).unwrap_or(bytes) }
    }
}

/// See [`Content::pieces`].
struct Pieces<'a> {
    rest: &'a [u8],
}

impl Iterator for Pieces<'_> {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        if self.rest.is_empty() {
            return None;
        }
        let mut piece = Vec::with_capacity(PIECE + 2);
        while !self.rest.is_empty() && piece.len() < PIECE {
            let room = (PIECE - piece.len()).min(self.rest.len());
            let line_end = |b: &u8| matches!(b, b'\r' | b'\n');
            let Some(at) = self.rest[..room].iter().position(line_end) else {
                piece.extend_from_slice(&self.rest[..room]);
                self.rest = &self.rest[room..];
                continue;
            };
            piece.extend_from_slice(&self.rest[..at]);
            piece.extend_from_slice(b"\r\n");
            let both = self.rest[at..].starts_with(b"\r\n");
            self.rest = &self.rest[at + 1 + usize::from(both)..];
        }
        Some(piece)
    }
}

/// Where in the dialogue something went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Connecting and saying hello.
    Hello,
    /// MAIL.
    Mail,
    /// RCPT.
    Rcpt,
    /// DATA.
    Data,
    /// The message.
    Message,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hello => "connection",
            Self::Mail => "MAIL",
            Self::Rcpt => "RCPT",
            Self::Data => "DATA",
            Self::Message => "end of data",
        })
    }
}

/// Why a message was not taken.
#[derive(Debug)]
pub enum Error {
    /// Nobody listens, or not for us.
    Unreachable(io::Error),
    /// No answer in time.
    Timeout(Step),
    /// The connection failed, or the answer was not yes.
    Refused(Step, lettre::transport::smtp::Error),
    /// The envelope sender cannot be written in a command.
    Sender,
    /// The recipient cannot be made.
    Recipient,
    /// There is a NUL in the message.
    Nul,
}

impl Error {
    /// Whether the same message would be answered the same way again (5xx).
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Refused(_, error) => error.is_permanent(),
            Self::Sender | Self::Nul => true,
            Self::Unreachable(_) | Self::Timeout(_) | Self::Recipient => false,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(error) => write!(f, "cannot connect: {error}"),
            Self::Timeout(step) => write!(f, "no answer in time: {step}"),
            Self::Refused(step, error) => write!(f, "{step}: {error}"),
            Self::Sender => f.write_str("the envelope sender cannot be written in a command"),
            Self::Recipient => f.write_str("the recipient cannot be made: is there a key?"),
            Self::Nul => f.write_str("there is a NUL in the message"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unreachable(error) => Some(error),
            Self::Refused(_, error) => Some(error),
            _ => None,
        }
    }
}

/// What went wrong, in the server's own words where it said something.
pub fn words(error: &Error) -> String {
    let Error::Refused(step, said) = error else { return error.to_string() };
    let Some(code) = said.status() else { return error.to_string() };
    let said = std::error::Error::source(said).map(ToString::to_string).unwrap_or_default();
    format!("{code} {said} ({step})")
}

/// Submits a message, and gives the answer to its end: with it the message is in the queue. After an
/// error it mostly is not; where the answer was lost on the way it may be (RFC 1047).
pub async fn submit(server: SocketAddr, submission: &Submission<'_>) -> Result<String, Error> {
    let connected = timeout(CONNECT, TcpStream::connect(server)).await;
    let stream = connected.map_err(|_| Error::Timeout(Step::Hello))?.map_err(Error::Unreachable)?;
    // Should it fail, all still works, slowly.
    let _ = stream.set_nodelay(true);
    dialogue(Box::new(stream), submission).await
}

async fn dialogue(
    stream: Box<dyn AsyncTokioStream>,
    submission: &Submission<'_>,
) -> Result<String, Error> {
    let mail = mail_command(submission).ok_or(Error::Sender)?;
    let rcpt = rcpt_command(submission);
    let hello = ClientId::Ipv4(Ipv4Addr::LOCALHOST);
    let hello = AsyncSmtpConnection::connect_with_transport(stream, &hello);
    let mut connection = within(COMMAND, Step::Hello, hello).await?;
    within(COMMAND, Step::Mail, connection.command(mail)).await?;
    within(COMMAND, Step::Rcpt, connection.command(rcpt)).await?;
    within(COMMAND, Step::Data, connection.command(Data)).await?;
    let pieces = submission.content.pieces();
    let answer = within(MESSAGE, Step::Message, connection.message_iter(pieces)).await?;
    // The message is Postfix's now, and whoever waits for that shall hear of it first.
    tokio::spawn(async move { timeout(FAREWELL, connection.quit()).await.is_ok() });
    Ok(text(&answer))
}

async fn within<T>(
    limit: Duration,
    step: Step,
    call: impl Future<Output = Result<T, lettre::transport::smtp::Error>>,
) -> Result<T, Error> {
    let answered = timeout(limit, call).await.map_err(|_| Error::Timeout(step))?;
    answered.map_err(|error| Error::Refused(step, error))
}

fn text(answer: &Response) -> String {
    answer.message().collect::<Vec<_>>().join(" ")
}

/// The command as text: lettre's own takes fewer addresses than Postfix does.
fn mail_command(submission: &Submission<'_>) -> Option<String> {
    let sender = std::str::from_utf8(submission.sender.inner()).ok().filter(|s| is_path(s))?;
    let ascii = submission.recipient.in_ascii().as_str().is_ascii()
        && submission.orcpt.is_none_or(|orcpt| orcpt.address().as_str().is_ascii())
        && sender.is_ascii();
    let mut command = format!("MAIL FROM:<{sender}>");
    if !submission.content.0.is_ascii() {
        command.push_str(" BODY=8BITMIME");
    }
    if submission.smtputf8 || !ascii {
        command.push_str(" SMTPUTF8");
    }
    command.push_str("\r\n");
    Some(command)
}

fn rcpt_command(submission: &Submission<'_>) -> String {
    let Submission { recipient, orcpt, .. } = submission;
    let recipient = recipient.in_ascii();
    match orcpt {
        Some(orcpt) => format!("RCPT TO:<{recipient}> NOTIFY=NEVER ORCPT={orcpt}\r\n"),
        None => format!("RCPT TO:<{recipient}>\r\n"),
    }
}

/// Whether a text can stand between the brackets of a command: no control character at all, and no
/// bracket or space outside quotes.
fn is_path(text: &str) -> bool {
    let (mut quoted, mut escaped) = (false, false);
    for c in text.chars() {
        match c {
            c if c.is_control() => return false,
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            '<' | '>' | ' ' if !quoted => return false,
            _ => {}
        }
    }
    !quoted && !escaped
}

#[cfg(test)]
mod tests;
