//! An MTA's side of the milter protocol, frame by frame, able to break every rule of it.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fmt;
use std::path::Path;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::SOON;

/// One frame. Shown as its code and its data, NULs as spaces.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) code: u8,
    pub(super) data: Vec<u8>,
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let data = self.data.strip_suffix(b"\0").unwrap_or(&self.data);
        let data = String::from_utf8_lossy(data).replace('\0', " ");
        let space = if data.is_empty() { "" } else { " " };
        write!(f, "{}{space}{data}", char::from(self.code))
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One session, which counts the octets in both directions.
pub(super) struct Client {
    pub(super) stream: UnixStream,
    pub(super) sent: usize,
    pub(super) received: usize,
    /// The options that the milter has asked for.
    pub(super) options: u32,
}

pub(super) const NOREPLY_DATA: u32 = 0x1_0000;
pub(super) const NO_BODY: u32 = 0x10;
pub(super) const NO_HEADER: u32 = 0x20;
const NOREPLY_HEADER: u32 = 0x80;

/// NUL-terminated strings.
fn strings(strings: &[&str]) -> Vec<u8> {
    strings.iter().flat_map(|s| [s.as_bytes(), b"\0"].concat()).collect()
}

impl Client {
    pub(super) async fn connect(path: &Path) -> Self {
        let stream = UnixStream::connect(path).await.unwrap();
        Self { stream, sent: 0, received: 0, options: 0 }
    }

    /// Sends octets as they are, to a peer that may be gone.
    pub(super) async fn raw(&mut self, octets: &[u8]) {
        self.sent += octets.len();
        let _ = self.stream.write_all(octets).await;
    }

    pub(super) async fn send(&mut self, code: u8, data: &[u8]) {
        let length = u32::try_from(data.len() + 1).unwrap().to_be_bytes();
        self.raw(&[&length[..], &[code], data].concat()).await;
    }

    pub(super) async fn send_strings(&mut self, code: u8, data: &[&str]) {
        self.send(code, &strings(data)).await;
    }

    /// Macros, as name and value in turn.
    pub(super) async fn macros(&mut self, stage: u8, macros: &[&str]) {
        self.send(b'D', &[&[stage], &strings(macros)[..]].concat()).await;
    }

    /// The next frame, or none if the session was ended.
    pub(super) async fn receive(&mut self) -> Option<Frame> {
        let reading = async {
            let length = self.stream.read_u32().await.ok()?;
            let code = self.stream.read_u8().await.ok()?;
            let mut data = vec![0; length as usize - 1];
            self.stream.read_exact(&mut data).await.ok()?;
            Some(Frame { code, data })
        };
        let frame = timeout(SOON, reading).await.expect("a frame or an end");
        self.received += frame.as_ref().map_or(0, |frame| frame.data.len() + 5);
        frame
    }

    /// Whether the session was ended by the milter, with nothing said before.
    pub(super) async fn ended(&mut self) -> bool {
        self.receive().await.is_none()
    }

    /// Frames up to the one that is no edit.
    pub(super) async fn replies(&mut self) -> Vec<Frame> {
        let mut frames = Vec::new();
        loop {
            let frame = self.receive().await.expect("a reply");
            let is_edit = b"+-2ehimq".contains(&frame.code);
            frames.push(frame);
            if !is_edit {
                return frames;
            }
        }
    }

    /// Offers all that Postfix offers.
    pub(super) async fn negotiate(&mut self) -> Frame {
        self.offer(0x1ff, 0x1f_ffff).await;
        let frame = self.receive().await.expect("an answer to the negotiation");
        assert_eq!(frame.code, b'O');
        self.options = u32::from_be_bytes(frame.data[8..12].try_into().unwrap());
        frame
    }

    pub(super) async fn offer(&mut self, actions: u32, options: u32) {
        let numbers = [6, actions, options].map(u32::to_be_bytes);
        self.send(b'O', &numbers.concat()).await;
    }

    pub(super) async fn mail(&mut self, sender: &str) {
        self.macros(b'M', &["{client_addr}", "192.0.2.1"]).await;
        self.send_strings(b'M', &[&format!("<{sender}>")]).await;
    }

    /// MAIL where a reply is negotiated.
    pub(super) async fn mail_reply(&mut self, sender: &str) -> String {
        self.mail(sender).await;
        self.receive().await.expect("a reply to MAIL").to_string()
    }

    /// RCPT where no reply is negotiated.
    pub(super) async fn rcpt(&mut self, recipient: &str) {
        self.macros(b'R', &["{rcpt_addr}", recipient]).await;
        self.send_strings(b'R', &[&format!("<{recipient}>")]).await;
    }

    /// RCPT where one is.
    pub(super) async fn rcpt_reply(&mut self, recipient: &str) -> String {
        self.rcpt(recipient).await;
        self.receive().await.expect("a reply to RCPT").to_string()
    }

    pub(super) async fn field(&mut self, name: &str, body: &str) {
        assert_ne!(self.options & NOREPLY_HEADER, 0);
        self.send_strings(b'L', &[name, body]).await;
    }

    pub(super) async fn data(&mut self) -> String {
        self.macros(b'T', &[]).await;
        self.send(b'T', b"").await;
        self.receive().await.expect("a reply to DATA").to_string()
    }

    pub(super) async fn eom(&mut self, queue_id: &str) -> Vec<Frame> {
        self.macros(b'E', &["i", queue_id]).await;
        self.send(b'E', b"").await;
        self.replies().await
    }

    pub(super) async fn abort(&mut self) {
        self.send(b'A', b"").await;
    }
}
