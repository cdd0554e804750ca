//! The content of DATA: where it ends, and what it is without the dots that SMTP adds.
//!
//! Must not know the rest of the protocol.
// SPDX-License-Identifier: GPL-3.0-or-later

/// Reads content as it comes. Only CRLF ends a line, and only a line of one dot ends the content:
/// RFC 5321 4.1.1.4.
#[derive(Debug)]
pub(super) struct Data {
    state: State,
    message: Vec<u8>,
    limit: usize,
    too_big: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// At the beginning of a line.
    Begin,
    /// Behind a dot at the beginning of a line.
    Dot,
    /// Behind such a dot and a CR.
    DotCr,
    /// Within a line.
    Within,
    /// Within a line, behind a CR.
    Cr,
}

impl Data {
    /// For a message of at most `limit` octets.
    pub(super) fn new(limit: usize) -> Self {
        Self { state: State::Begin, message: Vec::new(), limit, too_big: false }
    }

    /// Takes what has come; says how much of it belongs here, and whether the content ends there.
    pub(super) fn take(&mut self, bytes: &[u8]) -> (usize, bool) {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            if self.state == State::Within {
                let rest = &bytes[at..];
                let plain = rest.iter().position(|&b| b == b'\r').unwrap_or(rest.len());
                self.push(&rest[..plain]);
                at += plain;
                if plain == rest.len() {
                    break;
                }
                self.push(b"\r");
                self.state = State::Cr;
            } else if self.step(byte) {
                return (at + 1, true);
            }
            at += usize::from(at < bytes.len());
        }
        (at, false)
    }

    /// Takes one octet where its place in the line matters; says whether it ends the content.
    fn step(&mut self, byte: u8) -> bool {
        self.state = match (self.state, byte) {
            (State::Begin, b'.') => State::Dot,
            (State::Dot, b'\r') => State::DotCr,
            (State::DotCr, b'\n') => return true,
            (State::Cr, b'\n') => {
                self.push(b"\n");
                State::Begin
            }
            (state, byte) => {
                if state == State::DotCr {
                    self.push(b"\r");
                }
                self.push(&[byte]);
                if byte == b'\r' { State::Cr } else { State::Within }
            }
        };
        false
    }

    fn push(&mut self, bytes: &[u8]) {
        if self.message.len() + bytes.len() > self.limit {
            self.too_big = true;
            self.message = Vec::new();
        }
        if !self.too_big {
            self.message.extend_from_slice(bytes);
        }
    }

    /// The message, unless it was too big.
    pub(super) fn into_message(self) -> Option<Vec<u8>> {
        (!self.too_big).then_some(self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Feeds content in pieces of `size`; the message, and how much was left.
    fn read(bytes: &[u8], size: usize) -> Option<(Vec<u8>, usize)> {
        let mut data = Data::new(1 << 20);
        let mut used = 0;
        for piece in bytes.chunks(size) {
            let (count, ended) = data.take(piece);
            used += count;
            if ended {
                return Some((data.into_message().unwrap(), bytes.len() - used));
            }
            assert_eq!(count, piece.len());
        }
        None
    }

    #[test]
    fn only_a_dot_between_crlf_ends_the_content() {
        for (content, message) in [
            (&b".\r\n"[..], &b""[..]),
            (b"a\r\n.\r\n", b"a\r\n"),
            (b"..\r\n.\r\n", b".\r\n"),
            (b".a\r\n..b\r\n.\r\n", b"a\r\n.b\r\n"),
            (b"a\n.\nb\r\n.\r\n", b"a\n.\nb\r\n"),
            (b"a\n.\r\nb\r\n.\r\n", b"a\n.\r\nb\r\n"),
            (b"a\r.\r\nb\r\n.\r\n", b"a\r.\r\nb\r\n"),
            (b"a\r\n.\nb\r\n.\r\n", b"a\r\n\nb\r\n"),
            (b"a\r\n.\rb\r\n.\r\n", b"a\r\n\rb\r\n"),
            (b"a\r\n.\r\r\nb\r\n.\r\n", b"a\r\n\r\r\nb\r\n"),
            (b"a\r\r\n.\r\n", b"a\r\r\n"),
            (b"a\0b\r\n.\r\n", b"a\0b\r\n"),
        ] {
            for size in 1..=content.len() {
                let read = read(content, size);
                assert_eq!(read, Some((message.to_vec(), 0)), "{}", content.escape_ascii());
            }
        }
        for unfinished in [&b"a"[..], b".", b".\r", b"a\r\n.", b"a\r\n.\r", b"a\n.\n", b"\n.\r\n"] {
            assert_eq!(read(unfinished, 1), None, "{}", unfinished.escape_ascii());
        }
        assert_eq!(read(b"a\r\n.\r\nQUIT\r\n", 3), Some((b"a\r\n".to_vec(), 6)));
    }

    #[test]
    fn what_is_too_big_is_read_to_its_end_and_not_kept() {
        let mut data = Data::new(4);
        assert_eq!(data.take(b"abc\r\n"), (5, false));
        assert_eq!(data.message.capacity(), 0);
        assert_eq!(data.take(b"x\r\n.\r\nQ"), (6, true));
        assert_eq!(data.into_message(), None);
        let mut data = Data::new(5);
        assert_eq!(data.take(b"abc\r\n.\r\n"), (8, true));
        assert_eq!(data.into_message().as_deref(), Some(&b"abc\r\n"[..]));
    }

    proptest! {
        #[test]
        fn what_a_client_stuffs_is_read_back(
            lines in proptest::collection::vec("[a.\r]{0,4}[a.]|", 0..8),
            size in 1usize..9,
        ) {
            let message: Vec<u8> = lines.iter().flat_map(|l| format!("{l}\r\n").into_bytes()).collect();
            let dot = |l: &str| if l.starts_with('.') { "." } else { "" };
            let stuffed: Vec<String> =
                lines.iter().map(|l| [dot(l), l.as_str(), "\r\n"].concat()).collect();
            prop_assert_eq!(read((stuffed.concat() + ".\r\n").as_bytes(), size), Some((message, 0)));
        }
    }
}
