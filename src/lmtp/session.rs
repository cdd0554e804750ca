//! A session: one message for one recipient at a time.
//!
//! Must not know what becomes of a message.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::time::timeout;

use super::command::{Command, Syntax};
use super::data::Data;
use crate::gate::{Order, Place};
use crate::mail::{RawPath, Recipient};

/// RFC 5321 4.5.3.1.4 allows 512 octets, and each extension some more; nobody needs this many.
const MAX_LINE: usize = 4096;
/// How many commands of a session may be wrong.
const MAX_WRONG: u32 = 10;
/// How much is read at a time.
const BUFFER: usize = 64 * 1024;

/// What a session may cost.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The octets of a message.
    pub message: usize,
    /// How long the client may be silent, or not listen.
    pub silence: Duration,
}

/// An answer to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The reply code.
    pub code: u16,
    /// The enhanced status code (RFC 3463).
    pub status: &'static str,
    /// The text.
    pub text: Cow<'static, str>,
}

impl Answer {
    /// An answer with a fixed text.
    pub const fn new(code: u16, status: &'static str, text: &'static str) -> Self {
        Self { code, status, text: Cow::Borrowed(text) }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ", self.code, self.status)?;
        let mut printable = self.text.chars().filter(|c| matches!(c, ' '..='~')).take(400);
        printable.try_for_each(|c| write!(f, "{c}"))
    }
}

/// A message as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The envelope sender.
    pub sender: RawPath,
    /// Whether MAIL said SMTPUTF8.
    pub smtputf8: bool,
    /// The message. Its lines end in CRLF; a CR or LF that stands alone ends none.
    pub message: Vec<u8>,
}

/// Whoever takes the messages.
pub trait Inbox: Send + Sync + 'static {
    /// A recipient that is taken.
    type Taken: Send;

    /// Looks at a recipient.
    fn recipient(&self, recipient: &Recipient) -> Result<Self::Taken, Answer>;

    /// Takes a message. Once the answer is 2xx it is no longer the client's.
    fn take(&self, to: Self::Taken, received: Received) -> impl Future<Output = Answer> + Send;
}

const OK: Answer = Answer::new(250, "2.0.0", "Ok");
const BYE: Answer = Answer::new(221, "2.0.0", "Bye");
const STOPPING: Answer = Answer::new(421, "4.3.2", "Service is stopping");
const SILENT: Answer = Answer::new(421, "4.4.2", "Nothing heard for too long");
const TOO_WRONG: Answer = Answer::new(421, "4.7.0", "Too many errors");
const BAD_LINE: Answer = Answer::new(500, "5.5.6", "A line is too long or does not end in CRLF");
const EARLY: Answer = Answer::new(503, "5.5.0", "Data must wait for the answer to DATA");
const NOT_NOW: Answer = Answer::new(503, "5.5.1", "Not now");
const UNKNOWN: Answer = Answer::new(500, "5.5.2", "Command not known");
const WRONG: Answer = Answer::new(501, "5.5.4", "Syntax error");
const PARAMETER: Answer = Answer::new(555, "5.5.4", "Parameter not known");
const ONE: Answer = Answer::new(452, "4.5.3", "One recipient at a time");
/// Not 552: what Postfix has taken must not be refused for good.
const TOO_BIG: Answer = Answer::new(452, "4.3.4", "The message is too big for now");

/// Why a session ends.
enum End {
    /// The client is gone, or has to be.
    Gone,
    /// With these last words.
    Says(Answer),
}

impl From<io::Error> for End {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
}

/// Holds a session to its end.
pub async fn session<S, I>(stream: S, inbox: &I, limits: Limits, place: &Place)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
    I: Inbox,
{
    let stream = BufReader::with_capacity(BUFFER, stream);
    let mut session = Session {
        stream,
        answers: Vec::new(),
        inbox,
        limits,
        hello: false,
        sender: None,
        to: None,
    };
    let ended = tokio::select! {
        ended = session.run(place) => ended,
        () = place.ordered(Order::End) => return,
    };
    if let Err(End::Says(answer)) = ended {
        session.say(&answer);
        let _ = session.flush().await;
        let _ = session.stream.shutdown().await;
    }
}

struct Session<'a, S, I: Inbox> {
    stream: BufReader<S>,
    /// What is still to be sent. With PIPELINING (RFC 2920) answers go out together.
    answers: Vec<u8>,
    inbox: &'a I,
    limits: Limits,
    hello: bool,
    /// The sender and whether all is UTF-8, since MAIL.
    sender: Option<(RawPath, bool)>,
    to: Option<I::Taken>,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send, I: Inbox> Session<'_, S, I> {
    async fn run(&mut self, place: &Place) -> Result<(), End> {
        self.answers.extend_from_slice(b"220 recruit-milter LMTP\r\n");
        let mut wrong = 0;
        loop {
            let line = self.line(place).await?;
            let answer = match Command::parse(&line) {
                Ok(Command::Quit) => return Err(End::Says(BYE)),
                Ok(Command::Data) => self.data().await?,
                Ok(command) => self.command(command),
                Err(Syntax::Unknown) => UNKNOWN,
                Err(Syntax::Wrong) => WRONG,
                Err(Syntax::Parameter) => PARAMETER,
            };
            self.say(&answer);
            wrong += u32::from(answer.code >= 500);
            if wrong > MAX_WRONG {
                return Err(End::Says(TOO_WRONG));
            }
        }
    }

    fn say(&mut self, answer: &Answer) {
        self.answers.extend_from_slice(format!("{answer}\r\n").as_bytes());
    }

    async fn flush(&mut self) -> Result<(), End> {
        let answers = std::mem::take(&mut self.answers);
        let stream = &mut self.stream;
        let sent = timeout(self.limits.silence, async {
            stream.write_all(&answers).await?;
            stream.flush().await
        });
        sent.await.map_err(|_| End::Gone)?.map_err(End::from)
    }

    /// What has come and was not looked at yet; waits for more where there is nothing.
    async fn more(&mut self) -> Result<&[u8], End> {
        if self.stream.buffer().is_empty() {
            self.flush().await?;
        }
        let filled = timeout(self.limits.silence, self.stream.fill_buf()).await;
        match filled.map_err(|_| End::Says(SILENT))?? {
            [] => Err(End::Gone),
            bytes => Ok(bytes),
        }
    }

    /// The next command, without its line end. Between messages an order to leave is heard.
    async fn line(&mut self, place: &Place) -> Result<Vec<u8>, End> {
        let idle = self.sender.is_none();
        let mut leave = place.ordered(Order::Leave);
        let mut line = Vec::new();
        loop {
            let bytes = tokio::select! {
                biased;
                bytes = self.more() => bytes?,
                () = &mut leave, if idle && line.is_empty() => return Err(End::Says(STOPPING)),
            };
            let end = bytes.iter().position(|&b| b == b'\n');
            let count = end.map_or(bytes.len(), |at| at + 1);
            line.extend_from_slice(&bytes[..count]);
            self.stream.consume(count);
            if line.len() > MAX_LINE {
                return Err(End::Says(BAD_LINE));
            }
            if end.is_some() {
                // Whoever ends lines otherwise may count them otherwise.
                let line = line.strip_suffix(b"\r\n").ok_or(End::Says(BAD_LINE))?;
                return Ok(line.to_vec());
            }
        }
    }

    fn command(&mut self, command: Command) -> Answer {
        match command {
            Command::Lhlo => {
                self.reset();
                self.hello = true;
                let hello = format!(
                    "250-recruit-milter\r\n250-PIPELINING\r\n250-SIZE {}\r\n250-8BITMIME\r\n\
                     250-SMTPUTF8\r\n250-DSN\r\n250-ENHANCEDSTATUSCODES\r\n",
                    self.limits.message
                );
                self.answers.extend_from_slice(hello.as_bytes());
                OK
            }
            Command::Mail { .. } if !self.hello || self.sender.is_some() => NOT_NOW,
            Command::Mail { size, .. } if size > self.limits.message as u64 => TOO_BIG,
            Command::Mail { sender, smtputf8, .. } => {
                self.sender = Some((sender, smtputf8));
                Answer::new(250, "2.1.0", "Ok")
            }
            Command::Rcpt(_) if self.sender.is_none() => NOT_NOW,
            Command::Rcpt(_) if self.to.is_some() => ONE,
            Command::Rcpt(recipient) => match self.inbox.recipient(&recipient) {
                Ok(taken) => {
                    self.to = Some(taken);
                    Answer::new(250, "2.1.5", "Ok")
                }
                Err(answer) => answer,
            },
            Command::Rset => {
                self.reset();
                OK
            }
            Command::Noop => OK,
            Command::Vrfy => Answer::new(252, "2.5.0", "Try and see"),
            Command::Data | Command::Quit => NOT_NOW,
        }
    }

    fn reset(&mut self) {
        self.sender = None;
        self.to = None;
    }

    /// The message, from DATA to the answer to its end.
    async fn data(&mut self) -> Result<Answer, End> {
        if self.to.is_none() {
            return Ok(NOT_NOW);
        }
        // RFC 2920 3.1: DATA is the last of a group. What comes with it comes too early.
        if !self.stream.buffer().is_empty() {
            return Err(End::Says(EARLY));
        }
        self.answers.extend_from_slice(b"354 End data with <CR><LF>.<CR><LF>\r\n");
        let mut data = Data::new(self.limits.message);
        loop {
            let bytes = self.more().await?;
            let (count, ended) = data.take(bytes);
            self.stream.consume(count);
            if ended {
                break;
            }
        }
        let (Some((sender, smtputf8)), Some(to)) = (self.sender.take(), self.to.take()) else {
            return Ok(NOT_NOW);
        };
        Ok(match data.into_message() {
            Some(message) => self.inbox.take(to, Received { sender, smtputf8, message }).await,
            None => TOO_BIG,
        })
    }
}
