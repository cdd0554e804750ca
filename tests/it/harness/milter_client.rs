//! The MTA's side of the milter protocol, raw: the test decides which frames are sent, in which
//! order, and whether they are frames at all.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::time::Duration;

use recruit_milter::mail::Message;

use super::LIMIT;
use super::frame::{Frame, cmd, opt};
use super::milter_reply::{MilterReply, Outcome};
use super::socket::{Endpoint, Stream};

/// What one side of the negotiation says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The protocol version.
    pub version: u32,
    /// Edits that may be made (`SMFIF_`).
    pub actions: u32,
    /// Commands that are not wanted or not answered, and other options (`SMFIP_`).
    pub protocol: u32,
    /// For each stage (by its number) the macros that are wanted, if a list was given.
    pub macros: Vec<(u32, Vec<String>)>,
}

/// What Postfix 3.7 offers (seen in its frames).
pub const POSTFIX_3_7: Options =
    Options { version: 6, actions: 0x1ff, protocol: opt::ALL, macros: Vec::new() };

/// Macros by the command that they are sent before, as Postfix would know them.
pub type Macros = Vec<(u8, String, String)>;

/// A connection to a milter.
#[derive(Debug)]
pub struct MilterClient {
    stream: Stream,
    /// What was agreed on; nothing before the negotiation.
    pub agreed: Options,
    /// What the MTA knows. Only what the milter asked for is sent, if it asked.
    pub macros: Macros,
}

impl MilterClient {
    /// Connects, and says nothing yet.
    pub fn connect(endpoint: &Endpoint) -> io::Result<Self> {
        let stream = endpoint.connect()?;
        stream.set_timeout(Some(LIMIT))?;
        let agreed = Options { version: 0, actions: 0, protocol: 0, macros: Vec::new() };
        let macros = Vec::new();
        Ok(Self { stream, agreed, macros })
    }

    /// Connects, negotiates as Postfix 3.7, and announces a client from outside.
    #[track_caller]
    pub fn ready(endpoint: &Endpoint) -> Self {
        let mut client = Self::connect(endpoint).unwrap();
        client.negotiate(&POSTFIX_3_7).unwrap();
        client.set_macro(cmd::CONNECT, "j", "mx.acme.example");
        client.set_macro(cmd::CONNECT, "{daemon_name}", "mx.acme.example");
        client.set_macro(cmd::CONNECT, "{client_addr}", "192.0.2.7");
        client.greet().unwrap();
        client
    }

    /// Connect and HELO of a client at 192.0.2.7.
    pub fn greet(&mut self) -> io::Result<()> {
        let address = Ipv4Addr::new(192, 0, 2, 7).to_string();
        let data =
            [&b"client.example\0"[..], b"4", &54321_u16.to_be_bytes(), address.as_bytes(), b"\0"];
        self.command(cmd::CONNECT, data.concat())?;
        self.strings(cmd::HELO, &["client.example"])?;
        Ok(())
    }

    /// Sends an offer and reads what the milter takes.
    pub fn negotiate(&mut self, offer: &Options) -> io::Result<Options> {
        let numbers = [offer.version, offer.actions, offer.protocol];
        let data = numbers.iter().flat_map(|n| n.to_be_bytes()).collect();
        self.send(&Frame { command: cmd::OPTNEG, data })?;
        let frame = self.read_frame()?;
        self.agreed = parse_options(&frame).ok_or_else(|| wrong("negotiation", &frame))?;
        Ok(self.agreed.clone())
    }

    /// Lets the MTA know a macro, to be sent before each `command`.
    pub fn set_macro(&mut self, command: u8, name: &str, value: &str) {
        self.macros.retain(|(at, known, _)| (*at, known.as_str()) != (command, name));
        self.macros.push((command, name.to_owned(), value.to_owned()));
    }

    /// Forgets the macros of a command.
    pub fn clear_macros(&mut self, command: u8) {
        self.macros.retain(|(at, _, _)| *at != command);
    }

    /// Sends bytes that need not be a frame.
    pub fn send_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Sends a frame and waits for nothing.
    pub fn send(&mut self, frame: &Frame) -> io::Result<()> {
        self.send_raw(&frame.to_bytes())
    }

    /// Reads one frame. A closed connection is an error of kind `UnexpectedEof`.
    pub fn read_frame(&mut self) -> io::Result<Frame> {
        Frame::read(&mut self.stream)?.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    /// Reads one reply.
    pub fn read_reply(&mut self) -> io::Result<MilterReply> {
        self.read_frame().map(MilterReply::parse)
    }

    /// Reads changes up to the reply that ends them.
    pub fn read_outcome(&mut self) -> io::Result<Outcome> {
        let mut edits = Vec::new();
        loop {
            match self.read_reply()? {
                MilterReply::Edit(edit) => edits.push(edit),
                MilterReply::Progress => {}
                reply => return Ok(Outcome { edits, reply }),
            }
        }
    }

    /// How long a read may take from now on.
    pub fn set_timeout(&mut self, timeout: Duration) {
        self.stream.set_timeout(Some(timeout)).unwrap();
    }

    /// A command with its macros, as Postfix: not sent where the milter declined it, not waited for
    /// where the milter does not answer it.
    pub fn command(&mut self, command: u8, data: Vec<u8>) -> io::Result<Outcome> {
        let silent = Outcome { edits: Vec::new(), reply: MilterReply::Continue };
        self.send_macros(command)?;
        if self.agreed.protocol & opt::declined(command) != 0 {
            return Ok(silent);
        }
        self.send(&Frame { command, data })?;
        if self.agreed.protocol & opt::unanswered(command) != 0 {
            return Ok(silent);
        }
        self.read_outcome()
    }

    /// A command whose data are strings.
    pub fn strings<T: AsRef<[u8]>>(&mut self, command: u8, strings: &[T]) -> io::Result<Outcome> {
        let frame = Frame::strings(command, strings);
        self.command(command, frame.data)
    }

    // Postfix: sends the macros of a stage also where the command itself is declined.
    fn send_macros(&mut self, command: u8) -> io::Result<()> {
        let lists = &self.agreed.macros;
        let wanted = macro_stage(command)
            .and_then(|stage| lists.iter().find(|(listed, _)| *listed == stage))
            .map(|(_, names)| names);
        let known = self.macros.iter().filter(|(at, name, _)| {
            *at == command && wanted.is_none_or(|names| names.contains(name))
        });
        let mut data = vec![command];
        for (_, name, value) in known {
            data.extend_from_slice(&[name.as_bytes(), &[0], value.as_bytes(), &[0]].concat());
        }
        if data.len() == 1 {
            return Ok(());
        }
        self.send(&Frame { command: cmd::MACRO, data })
    }

    /// MAIL, its path with brackets.
    pub fn mail(&mut self, path: &str, args: &[&str]) -> io::Result<Outcome> {
        self.set_macro(cmd::MAIL, "{mail_addr}", &bare(path));
        self.strings(cmd::MAIL, &[&[path], args].concat())
    }

    /// RCPT, its path with brackets.
    pub fn rcpt(&mut self, path: &str, args: &[&str]) -> io::Result<Outcome> {
        self.set_macro(cmd::RCPT, "{rcpt_addr}", &bare(path));
        self.strings(cmd::RCPT, &[&[path], args].concat())
    }

    /// DATA, with the queue ID that Postfix knows from here on.
    pub fn data(&mut self, queue_id: &str) -> io::Result<Outcome> {
        for command in [cmd::DATA, cmd::EOH, cmd::EOM] {
            self.set_macro(command, "i", queue_id);
        }
        self.strings::<&str>(cmd::DATA, &[])
    }

    /// A header field; `body` with its leading space.
    pub fn header(&mut self, name: &[u8], body: &[u8]) -> io::Result<Outcome> {
        let whole = self.agreed.protocol & opt::LEADING_SPACE != 0;
        // Postfix: where the leading space was not asked for, it drops one and keeps any more.
        let body = if whole { body } else { body.strip_prefix(b" ").unwrap_or(body) };
        self.strings(cmd::HEADER, &[name, body])
    }

    /// The end of the message, and what the milter makes of it.
    pub fn eom(&mut self) -> io::Result<Outcome> {
        self.command(cmd::EOM, Vec::new())
    }

    /// Gives the message up (RSET, or a client that is gone).
    pub fn abort(&mut self) -> io::Result<()> {
        self.send(&Frame::strings::<&str>(cmd::ABORT, []))
    }

    /// Ends the session.
    pub fn quit(&mut self) -> io::Result<()> {
        self.send(&Frame::strings::<&str>(cmd::QUIT, []))
    }

    /// Header, body and end of a message whose envelope is accepted.
    pub fn content(&mut self, message: &Message, queue_id: &str) -> io::Result<Outcome> {
        self.data(queue_id)?;
        for field in &message.header.fields {
            self.header(&field.name, &field.body)?;
        }
        self.command(cmd::EOH, Vec::new())?;
        // Postfix: a field body is folded with LF, but the lines of the body end in CRLF.
        let body = message.body.split_inclusive(|&b| b == b'\n').flat_map(|line| {
            let (text, end) = line.strip_suffix(b"\n").map_or((line, &b""[..]), |t| (t, b"\r\n"));
            [text, end].concat()
        });
        for chunk in body.collect::<Vec<u8>>().chunks(65_535) {
            if self.command(cmd::BODY, chunk.to_vec())?.reply == MilterReply::Skip {
                break;
            }
        }
        self.eom()
    }
}

/// Reads the negotiation: three numbers and then, for each stage, a number and a list of macros.
pub fn parse_options(frame: &Frame) -> Option<Options> {
    if frame.command != cmd::OPTNEG {
        return None;
    }
    let (version, rest) = frame.number()?;
    let number = |bytes: &[u8]| Some(u32::from_be_bytes(*bytes.first_chunk()?));
    let (actions, protocol) = (number(rest)?, number(rest.get(4..)?)?);
    let mut macros = Vec::new();
    let mut rest = &rest[8..];
    while !rest.is_empty() {
        let stage = number(rest)?;
        let end = rest[4..].iter().position(|&b| b == 0)? + 4;
        let names = String::from_utf8_lossy(&rest[4..end]);
        macros.push((stage, names.split_whitespace().map(str::to_owned).collect()));
        rest = &rest[end + 1..];
    }
    Some(Options { version, actions, protocol, macros })
}

fn wrong(what: &str, frame: &Frame) -> io::Error {
    io::Error::other(format!("{what}: {frame:?}"))
}

/// The number of a command's list of macros.
fn macro_stage(command: u8) -> Option<u32> {
    Some(match command {
        cmd::CONNECT => 0,
        cmd::HELO => 1,
        cmd::MAIL => 2,
        cmd::RCPT => 3,
        cmd::DATA => 4,
        cmd::EOM => 5,
        cmd::EOH => 6,
        _ => return None,
    })
}

/// An address as Postfix resolves it: without brackets and source route, in lower case.
fn bare(path: &str) -> String {
    let inner = path.trim_start_matches('<').trim_end_matches('>');
    let inner =
        if inner.starts_with('@') { inner.split_once(':').map_or(inner, |p| p.1) } else { inner };
    inner.trim_end_matches('.').replace('"', "").to_lowercase()
}
