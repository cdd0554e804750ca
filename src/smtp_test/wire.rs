//! One connection: every wait has an end, every line a bound, and whatever goes wrong has a name.
//!
//! Own code and no SMTP client, since a limit here is a point in time and the first bytes are kept, to say
//! what was spoken instead.
//!
//! A server that sends a byte now and then ends no wait: limits are points in time, not pauses. Must
//! not know what is said.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use super::reply::{self, Reply};

/// As much of a reply is read.
const REPLY: usize = 64 * 1024;
/// As many of the first bytes are kept, to see what is spoken.
const FIRST: usize = 200;

/// What went wrong on a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Not a byte in time.
    Silent,
    /// Bytes, but not the end of a reply in time.
    Slow,
    /// The other side closed or reset the connection.
    Closed,
    /// No SMTP; what came instead.
    NotSmtp(Vec<u8>),
    /// No TLS; what is the matter.
    Tls(String),
    /// Something on this side.
    Other(String),
}

/// A socket whose reads and writes end at a point in time.
#[derive(Debug)]
struct Timed {
    tcp: TcpStream,
    until: Instant,
    /// Bytes since `until` was set.
    heard: usize,
    first: Vec<u8>,
}

impl Timed {
    fn left(&self) -> io::Result<Duration> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left) }
    }
}

/// Both kinds are what a socket with a time limit says when it is over.
fn timed_out(error: io::Error) -> io::Error {
    if error.kind() == ErrorKind::WouldBlock { ErrorKind::TimedOut.into() } else { error }
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.tcp.set_read_timeout(Some(self.left()?))?;
        let read = self.tcp.read(buffer).map_err(timed_out)?;
        self.heard += read;
        let keep = FIRST.saturating_sub(self.first.len()).min(read);
        self.first.extend_from_slice(&buffer[..keep]);
        Ok(read)
    }
}

impl Write for Timed {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.tcp.set_write_timeout(Some(self.left()?))?;
        self.tcp.write(buffer).map_err(timed_out)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.tcp.flush()
    }
}

#[derive(Debug)]
enum Stream {
    Plain(Timed),
    Tls(Box<StreamOwned<ClientConnection, Timed>>),
    /// Between the two, or broken on the way.
    Gone,
}

/// A connection.
#[derive(Debug)]
pub(super) struct Wire {
    stream: Stream,
    /// Read and not yet asked for.
    buffer: Vec<u8>,
    /// The lines of a reply that has not ended yet.
    lines: Vec<String>,
    local: Option<IpAddr>,
}

impl Wire {
    /// Connects.
    pub(super) fn connect(to: SocketAddr, limit: Duration) -> io::Result<Self> {
        let limit = limit.max(Duration::from_millis(1));
        let tcp = TcpStream::connect_timeout(&to, limit).map_err(timed_out)?;
        _ = tcp.set_nodelay(true);
        let local = tcp.local_addr().ok().map(|address| address.ip());
        let timed = Timed { tcp, until: Instant::now() + limit, heard: 0, first: Vec::new() };
        Ok(Self { stream: Stream::Plain(timed), buffer: Vec::new(), lines: Vec::new(), local })
    }

    /// From where the connection comes.
    pub(super) fn local(&self) -> Option<IpAddr> {
        self.local
    }

    /// Whatever is waited for, from now on it ends then.
    pub(super) fn until(&mut self, until: Instant) {
        if let Some(timed) = self.timed() {
            timed.until = until;
            timed.heard = 0;
        }
    }

    /// The same, while the wait goes on: what was heard counts.
    pub(super) fn longer(&mut self, until: Instant) {
        if let Some(timed) = self.timed() {
            timed.until = until;
        }
    }

    fn timed(&mut self) -> Option<&mut Timed> {
        match &mut self.stream {
            Stream::Plain(timed) => Some(timed),
            Stream::Tls(tls) => Some(&mut tls.sock),
            Stream::Gone => None,
        }
    }

    /// Sends.
    pub(super) fn send(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let stream: &mut dyn Write = match &mut self.stream {
            Stream::Plain(timed) => timed,
            Stream::Tls(tls) => tls,
            Stream::Gone => return Err(Fault::Closed),
        };
        let sent = stream.write_all(bytes).and_then(|()| stream.flush());
        sent.map_err(|error| self.fault(&error))
    }

    /// Reads one reply. After a wait that was too short, it can be asked for again.
    pub(super) fn reply(&mut self) -> Result<Reply, Fault> {
        loop {
            let read: usize = self.lines.iter().map(|line| line.len() + 1).sum();
            let line = self.line(REPLY.saturating_sub(read))?;
            let Some((code, more, text)) = reply::line(&line) else {
                return Err(Fault::NotSmtp(line));
            };
            self.lines.push(text);
            if !more {
                return Ok(Reply { code, lines: std::mem::take(&mut self.lines) });
            }
            if read >= REPLY {
                return Err(Fault::NotSmtp(line));
            }
        }
    }

    /// One line without its end.
    fn line(&mut self, most: usize) -> Result<Vec<u8>, Fault> {
        loop {
            if let Some(end) = self.buffer.iter().position(|&b| b == b'\n') {
                let mut line: Vec<u8> = self.buffer.drain(..=end).collect();
                line.pop();
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                return Ok(line);
            }
            // Said before any line ends: a TLS record never has to have one.
            if self.buffer.len() >= most || is_tls(&self.buffer) {
                return Err(Fault::NotSmtp(std::mem::take(&mut self.buffer)));
            }
            let mut piece = [0; 4096];
            let stream: &mut dyn Read = match &mut self.stream {
                Stream::Plain(timed) => timed,
                Stream::Tls(tls) => tls,
                Stream::Gone => return Err(Fault::Closed),
            };
            match stream.read(&mut piece) {
                Ok(0) => return Err(Fault::Closed),
                Ok(read) => self.buffer.extend_from_slice(&piece[..read]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.fault(&error)),
            }
        }
    }

    fn fault(&mut self, error: &io::Error) -> Fault {
        let heard = self.timed().map_or(0, |timed| timed.heard);
        match error.kind() {
            ErrorKind::TimedOut | ErrorKind::WouldBlock if heard > 0 => Fault::Slow,
            ErrorKind::TimedOut | ErrorKind::WouldBlock => Fault::Silent,
            ErrorKind::UnexpectedEof
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe
            | ErrorKind::NotConnected => Fault::Closed,
            ErrorKind::InvalidData => Fault::Tls(error.to_string()),
            _ => Fault::Other(error.to_string()),
        }
    }

    /// Shakes hands. Whoever made `config` knows what the certificate was.
    pub(super) fn encrypt(
        &mut self,
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
    ) -> Result<(), Fault> {
        if !self.buffer.is_empty() {
            // Said before the encryption, it would count as said in it: somebody put it there.
            return Err(Fault::NotSmtp(std::mem::take(&mut self.buffer)));
        }
        let Stream::Plain(mut timed) = std::mem::replace(&mut self.stream, Stream::Gone) else {
            return Err(Fault::Closed);
        };
        timed.first.clear();
        let mut tls =
            ClientConnection::new(config, name).map_err(|error| Fault::Tls(error.to_string()))?;
        while tls.is_handshaking() {
            if let Err(error) = tls.complete_io(&mut timed) {
                let first = std::mem::take(&mut timed.first);
                if error.kind() == ErrorKind::InvalidData && !first.is_empty() && !is_tls(&first) {
                    return Err(Fault::NotSmtp(first));
                }
                self.stream = Stream::Plain(timed);
                return Err(self.fault(&error));
            }
        }
        self.stream = Stream::Tls(Box::new(StreamOwned::new(tls, timed)));
        Ok(())
    }

    /// Protocol version and cipher, once there is encryption.
    pub(super) fn encryption(&self) -> Option<String> {
        let Stream::Tls(tls) = &self.stream else { return None };
        let version = tls.conn.protocol_version()?.as_str()?.replace("TLSv1_", "TLSv1.");
        let suite = tls.conn.negotiated_cipher_suite()?.suite();
        Some(format!("{version}, {}", suite.as_str()?.trim_start_matches("TLS13_")))
    }

    /// Ends the connection.
    pub(super) fn close(&mut self) {
        if let Some(timed) = self.timed() {
            _ = timed.tcp.shutdown(Shutdown::Both);
        }
    }
}

/// Whether bytes begin as a TLS record does: an alert or a handshake, of version 3.x.
pub(super) fn is_tls(bytes: &[u8]) -> bool {
    matches!(bytes, [0x15 | 0x16, 0x03, ..])
}
