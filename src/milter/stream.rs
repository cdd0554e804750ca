//! The byte stream of one session, watched frame by frame.
//!
//! Both directions consist of frames: a length in four octets, which counts what follows, and a
//! code in one. Watching them buys four things that the protocol library does not give:
//!
//! * Edits are held back until the reply that makes them count and go out with it in one write, so
//!   that no edit leaves before all are known, and a message costs one packet. If the reply refuses
//!   the message, they do not go out at all.
//! * A frame that is longer than Postfix ever sends, or empty, ends the session before anything is
//!   allocated for it.
//! * While the process drains, a session ends between two messages and not within one.
//! * The session's [`Place`] is free when the stream is gone, however it ended.
//!
//! Must not know what the frames mean beyond that.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::notice::{Notice, Notices};
use crate::gate::{Order, Ordered, Place};

/// The longest incoming frame.
// Postfix: body chunks have at most 65,535 octets and a field is cut at 60,000.
pub const MAX_INCOMING: usize = 128 * 1024;

/// The most that is held back for one message. A plan has a handful of edits of at most a few
/// hundred octets, and up to one `DelHeader` for each forged field.
pub const MAX_HELD: usize = 1024 * 1024;

/// A stream wrapped as the module describes.
pub struct SessionStream<S> {
    inner: S,
    incoming: Incoming,
    outgoing: Outgoing,
    phase: Phase,
    /// The order that is waited for, and what has been ordered so far.
    next: Option<Ordered>,
    order: Order,
    notices: Notices,
    place: Place,
}

impl<S> SessionStream<S> {
    /// Wraps a stream for as long as it holds its place.
    pub fn new(inner: S, place: Place, notices: Notices) -> Self {
        Self {
            inner,
            incoming: Incoming::default(),
            outgoing: Outgoing::default(),
            phase: Phase::default(),
            next: Some(place.ordered(Order::Leave)),
            order: Order::Serve,
            notices,
            place,
        }
    }

    /// Whether the session is to end here. Asked where it would have to wait for its peer.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Some(next) = &mut self.next
            && next.as_mut().poll(cx).is_ready()
        {
            (self.order, self.next) = match self.order {
                Order::Serve | Order::Drain => (Order::Leave, Some(self.place.ordered(Order::End))),
                Order::Leave | Order::End => (Order::End, None),
            };
        }
        match self.order {
            Order::End => Poll::Ready(()),
            Order::Leave if !self.phase.in_message => Poll::Ready(()),
            _ => Poll::Pending,
        }
    }
}

/// Where in its dialogue a session is, as far as draining needs to know.
#[derive(Debug, Default)]
struct Phase {
    /// Between MAIL and the reply that ends the message.
    in_message: bool,
    /// The last command.
    command: u8,
}

impl Phase {
    fn received(&mut self, code: u8) {
        match code {
            b'D' => return, // macros belong to the command that follows
            b'M' => self.in_message = true,
            b'A' | b'Q' | b'K' => self.in_message = false,
            _ => {}
        }
        self.command = code;
    }

    fn replied(&mut self, code: u8) {
        let ends = match (self.command, code) {
            (_, b'a' | b'd') | (b'E', b'c') => true,
            // A refused recipient is not a refused message, nor is a command of no message.
            (command, b'r' | b't' | b'y') => !matches!(command, b'R' | b'U'),
            _ => false,
        };
        self.in_message &= !ends;
    }
}

/// Whether a reply is an edit, which takes effect only with the final reply that follows.
fn is_edit(code: u8) -> bool {
    matches!(code, b'+' | b'-' | b'2' | b'e' | b'h' | b'i' | b'm' | b'q')
}

/// Whether a reply refuses or drops the message.
fn is_refusal(code: u8) -> bool {
    matches!(code, b'd' | b'r' | b't' | b'y')
}

/// Follows incoming frames without keeping them.
#[derive(Debug, Default)]
struct Incoming {
    /// How many octets of length and code were seen.
    seen: usize,
    length: u32,
    /// What is still to come of the frame's data.
    rest: usize,
}

impl Incoming {
    /// Follows some octets and reports the code of every frame that begins in them.
    fn follow(&mut self, mut octets: &[u8], mut begins: impl FnMut(u8)) -> Result<(), BadFrame> {
        while let [first, tail @ ..] = octets {
            if self.rest > 0 {
                let skipped = self.rest.min(octets.len());
                self.rest -= skipped;
                octets = &octets[skipped..];
                continue;
            }
            if self.seen < 4 {
                self.length = self.length << 8 | u32::from(*first);
                self.seen += 1;
                let length = self.length as usize;
                if self.seen == 4 && !(1..=MAX_INCOMING).contains(&length) {
                    return Err(BadFrame(self.length));
                }
            } else {
                begins(*first);
                self.rest = self.length as usize - 1;
                (self.seen, self.length) = (0, 0);
            }
            octets = tail;
        }
        Ok(())
    }
}

/// A frame length that is refused.
#[derive(Debug, PartialEq, Eq)]
struct BadFrame(u32);

/// Collects outgoing frames and knows how much of them may leave.
#[derive(Debug, Default)]
struct Outgoing {
    octets: Vec<u8>,
    /// What may leave: everything up to here.
    released: usize,
    /// Where the first frame begins that is not complete yet.
    complete: usize,
    /// How much of what may leave has left.
    sent: usize,
}

impl Outgoing {
    /// Takes octets in and reports the code of every frame that they complete.
    fn push(&mut self, octets: &[u8], mut completed: impl FnMut(u8)) -> io::Result<()> {
        if self.octets.len() + octets.len() > MAX_HELD {
            return Err(io::Error::other("more edits than a message may have"));
        }
        self.octets.extend_from_slice(octets);
        while let Some((&[a, b, c, d, code], _)) = self.octets[self.complete..].split_first_chunk()
        {
            let end = self.complete + 4 + u32::from_be_bytes([a, b, c, d]) as usize;
            if end > self.octets.len() {
                break;
            }
            if is_edit(code) {
                self.complete = end;
            } else {
                if is_refusal(code) {
                    self.octets.drain(self.released..self.complete);
                    self.released += end - self.complete;
                } else {
                    self.released = end;
                }
                self.complete = self.released;
            }
            completed(code);
        }
        Ok(())
    }

    /// What may leave now.
    fn due(&self) -> &[u8] {
        &self.octets[self.sent..self.released]
    }

    fn left(&mut self, count: usize) {
        self.sent += count;
        if self.sent == self.released {
            self.octets.drain(..self.released);
            self.complete -= self.released;
            (self.released, self.sent) = (0, 0);
            if self.octets.is_empty() {
                // An idle session keeps no buffer.
                self.octets = Vec::new();
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> SessionStream<S> {
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.outgoing.due().is_empty() {
            let due = self.outgoing.due();
            let Poll::Ready(written) = Pin::new(&mut self.inner).poll_write(cx, due) else {
                // A peer that does not read is waited for, but not beyond the end.
                ready!(self.poll_end(cx));
                return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
            };
            let count = written?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.outgoing.left(count);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for SessionStream<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        match Pin::new(&mut this.inner).poll_read(cx, buf) {
            Poll::Ready(Ok(())) => {
                let phase = &mut this.phase;
                let octets = &buf.filled()[before..];
                let followed = this.incoming.follow(octets, |code| phase.received(code));
                Poll::Ready(followed.map_err(|BadFrame(length)| {
                    this.notices.tell(&Notice::BadFrame { length });
                    buf.set_filled(before);
                    io::ErrorKind::InvalidData.into()
                }))
            }
            // To its reader that looks like the end of the stream.
            Poll::Pending => this.poll_end(cx).map(Ok),
            failed @ Poll::Ready(Err(_)) => failed,
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for SessionStream<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        // What is due goes first, so that a peer that does not read cannot make us pile up replies.
        ready!(this.poll_send(cx))?;
        let phase = &mut this.phase;
        this.outgoing.push(buf, |code| phase.replied(code))?;
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_send(cx))?;
        Pin::new(&mut this.inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Edits without their final reply are not sent.
        let this = self.get_mut();
        ready!(this.poll_send(cx))?;
        Pin::new(&mut this.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::Gate;
    use proptest::prelude::*;
    use std::time::Duration;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    /// Writes down every write and takes at most `at_once` octets of each.
    #[derive(Default)]
    struct Recorder {
        writes: Vec<Vec<u8>>,
        at_once: Option<usize>,
    }

    impl AsyncWrite for Recorder {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buf: &[u8],
        ) -> Poll<io::Result<usize>> {
            let count = buf.len().min(self.at_once.unwrap_or(usize::MAX));
            self.writes.push(buf[..count].to_vec());
            Poll::Ready(Ok(count))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn wrap<S>(inner: S) -> (SessionStream<S>, Gate, Notices) {
        let (gate, notices) = (Gate::new(1), Notices::default());
        let place = gate.enter().unwrap();
        let stream = SessionStream::new(inner, place, notices.clone());
        (stream, gate, notices)
    }

    fn frame(code: u8, data: &[u8]) -> Vec<u8> {
        let length = u32::try_from(data.len() + 1).unwrap().to_be_bytes();
        [&length[..], &[code], data].concat()
    }

    /// The edits of a forward as they are written: each in three pieces, each flushed.
    async fn write_edits(stream: &mut SessionStream<Recorder>) -> Vec<u8> {
        let edits = [
            frame(b'2', b"<in@ats.example>\0NOTIFY=NEVER\0"),
            frame(b'm', b"\0\0\0\x01X-Recruiting-Seal\0\0"),
            frame(b'i', b"\0\0\0\0X-Recruiting-System\0 personio\0"),
            frame(b'e', b"<b+1@acme.example>\0ENVID=1\0"),
            frame(b'-', b"<t@h.example>\0"),
        ];
        for edit in &edits {
            for piece in [&edit[..4], &edit[4..5], &edit[5..]] {
                stream.write_all(piece).await.unwrap();
            }
            stream.flush().await.unwrap();
        }
        edits.concat()
    }

    #[tokio::test]
    async fn a_forward_leaves_in_one_write_and_in_order() {
        let (mut stream, ..) = wrap(Recorder::default());
        let mut expected = write_edits(&mut stream).await;
        assert!(stream.inner.writes.is_empty(), "a flush lets no edits out");
        stream.write_all(&frame(b'c', b"")).await.unwrap();
        stream.flush().await.unwrap();
        expected.extend(frame(b'c', b""));
        assert_eq!(stream.inner.writes, [expected]);
        assert_eq!(stream.outgoing.octets.capacity(), 0, "nothing is kept");
    }

    #[tokio::test]
    async fn edits_of_a_refused_message_do_not_leave() {
        for refusal in *b"trdy" {
            let (mut stream, ..) = wrap(Recorder::default());
            write_edits(&mut stream).await;
            stream.write_all(&frame(refusal, b"451 4.7.1 x\0")).await.unwrap();
            stream.flush().await.unwrap();
            assert_eq!(stream.inner.writes, [frame(refusal, b"451 4.7.1 x\0")]);
        }
    }

    #[tokio::test]
    async fn edits_without_a_reply_do_not_leave_when_the_session_ends() {
        let (mut stream, ..) = wrap(Recorder::default());
        write_edits(&mut stream).await;
        stream.shutdown().await.unwrap();
        assert!(stream.inner.writes.is_empty());
    }

    #[tokio::test]
    async fn more_than_a_message_may_have_is_an_error_and_not_kept() {
        let (mut stream, ..) = wrap(Recorder::default());
        let edit = frame(b'h', &vec![b'x'; 60_000]);
        let mut result = Ok(());
        for _ in 0..100 {
            result = stream.write_all(&edit).await;
            if result.is_err() {
                break;
            }
        }
        assert!(result.is_err());
        assert!(stream.outgoing.octets.len() <= MAX_HELD);
    }

    fn frames() -> impl Strategy<Value = Vec<(u8, Vec<u8>)>> {
        let code = prop_oneof![
            proptest::sample::select(b"+-2ehimq".to_vec()),
            proptest::sample::select(b"cOsp".to_vec()),
            proptest::sample::select(b"trdy".to_vec()),
        ];
        let data = proptest::collection::vec(any::<u8>(), 0..40);
        proptest::collection::vec((code, data), 0..20)
    }

    proptest! {
        /// The reference: edits wait for a reply, a refusal takes their place.
        #[test]
        fn what_leaves_depends_on_frames_and_not_on_how_they_are_cut(
            frames in frames(),
            pieces in proptest::collection::vec(1usize..50, 1..100),
            at_once in proptest::option::of(1usize..50),
        ) {
            let (mut expected, mut held) = (Vec::new(), Vec::new());
            for (code, data) in &frames {
                if is_edit(*code) {
                    held.extend(frame(*code, data));
                    continue;
                }
                let edits = std::mem::take(&mut held);
                if !is_refusal(*code) {
                    expected.extend(edits);
                }
                expected.extend(frame(*code, data));
            }
            let all: Vec<u8> = frames.iter().flat_map(|(code, data)| frame(*code, data)).collect();
            let (mut stream, ..) = wrap(Recorder { at_once, ..Default::default() });
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                let (mut rest, mut pieces) = (&all[..], pieces.iter().cycle());
                while !rest.is_empty() {
                    let (piece, tail) = rest.split_at(rest.len().min(*pieces.next().unwrap()));
                    stream.write_all(piece).await.unwrap();
                    stream.flush().await.unwrap();
                    rest = tail;
                }
            });
            prop_assert_eq!(stream.inner.writes.concat(), expected);
            prop_assert_eq!(stream.outgoing.octets, held);
        }

        #[test]
        fn incoming_frames_are_followed_however_they_are_cut(
            frames in frames(), cut in proptest::collection::vec(1usize..9, 1..50)
        ) {
            let all: Vec<u8> = frames.iter().flat_map(|(code, data)| frame(*code, data)).collect();
            let (mut incoming, mut codes) = (Incoming::default(), Vec::new());
            let (mut rest, mut cut) = (&all[..], cut.iter().cycle());
            while !rest.is_empty() {
                let (piece, tail) = rest.split_at(rest.len().min(*cut.next().unwrap()));
                incoming.follow(piece, |code| codes.push(code)).unwrap();
                rest = tail;
            }
            let expected: Vec<u8> = frames.iter().map(|(code, _)| *code).collect();
            prop_assert_eq!(codes, expected);
        }
    }

    #[tokio::test]
    async fn a_length_that_no_frame_has_ends_the_session() {
        let too_long = u32::try_from(MAX_INCOMING).unwrap() + 1;
        for length in [0, too_long, u32::MAX] {
            let (client, server) = tokio::io::duplex(64);
            let (mut stream, _, notices) = wrap(server);
            let mut client = client;
            client.write_all(&frame(b'A', b"")).await.unwrap();
            client.write_all(&length.to_be_bytes()).await.unwrap();
            let error = stream.read_exact(&mut [0; 16]).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{length}");
            assert_eq!(notices.counts().iter().sum::<u64>(), 1);
        }
    }

    #[tokio::test]
    async fn the_longest_frame_of_postfix_passes() {
        let (mut client, server) = tokio::io::duplex(64);
        let (mut stream, ..) = wrap(server);
        let sent = frame(b'B', &vec![b'x'; 65_535]);
        let sending = sent.clone();
        tokio::spawn(async move { client.write_all(&sending).await });
        let mut received = vec![0; sent.len()];
        stream.read_exact(&mut received).await.unwrap();
        assert_eq!(received, sent);
    }

    #[test]
    fn a_message_is_open_from_mail_to_its_last_reply() {
        // Commands, replies, and whether the message is open then.
        let dialogues: [(&[u8], &[u8], bool); 12] = [
            (b"O", b"", false),
            (b"OM", b"", true),
            (b"MR", b"r", true),
            (b"MR", b"t", true),
            (b"MR", b"y", true),
            (b"MR", b"d", false),
            (b"MRT", b"c", true),
            (b"MRT", b"a", false),
            (b"MRT", b"t", false),
            (b"MRB", b"s", true),
            (b"MRE", b"2-c", false),
            (b"MRA", b"", false),
        ];
        for (commands, replies, open) in dialogues {
            let mut phase = Phase::default();
            for code in commands {
                phase.received(*code);
            }
            for code in replies {
                phase.replied(*code);
            }
            let dialogue = (commands.escape_ascii(), replies.escape_ascii());
            assert_eq!(phase.in_message, open, "{} {}", dialogue.0, dialogue.1);
        }
        let mut phase = Phase::default();
        for code in b"ME" {
            phase.received(*code);
        }
        for code in b"2-" {
            phase.replied(*code);
        }
        assert!(phase.in_message, "edits end nothing");
    }

    #[tokio::test]
    async fn while_draining_a_session_ends_between_messages() {
        let (mut client, server) = tokio::io::duplex(1024);
        let (mut stream, gate, _) = wrap(server);
        let mut received = [0; 6];
        client.write_all(&frame(b'M', b"<")).await.unwrap();
        stream.read_exact(&mut received).await.unwrap();
        gate.give(Order::Leave);
        let wait = Duration::from_millis(20);
        let within = tokio::time::timeout(wait, stream.read_u8()).await;
        assert!(within.is_err(), "a message is not cut");
        client.write_all(&frame(b'E', b"")).await.unwrap();
        stream.read_exact(&mut received[..5]).await.unwrap();
        stream.write_all(&frame(b'c', b"")).await.unwrap();
        for _ in 0..2 {
            assert_eq!(stream.read(&mut received).await.unwrap(), 0);
        }
    }

    #[tokio::test]
    async fn a_waiting_session_hears_of_the_drain() {
        let (_client, server) = tokio::io::duplex(1024);
        let (mut stream, gate, _) = wrap(server);
        let reading = tokio::spawn(async move { stream.read(&mut [0; 8]).await });
        tokio::task::yield_now().await;
        gate.give(Order::Leave);
        assert_eq!(reading.await.unwrap().unwrap(), 0);
        assert_eq!(gate.open(), 0);
    }

    #[tokio::test]
    async fn the_last_order_ends_a_session_that_waits_for_its_peer() {
        let (mut client, server) = tokio::io::duplex(8);
        let (mut stream, gate, _) = wrap(server);
        client.write_all(&frame(b'M', b"<")).await.unwrap();
        stream.read_exact(&mut [0; 6]).await.unwrap();
        gate.give(Order::End);
        assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 0);
        stream.write_all(&frame(b's', b"nobody reads this")).await.unwrap();
        let error = stream.flush().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionAborted);
    }
}
