//! What is written, byte by byte, read as strictly as RFC 5321 allows.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::*;

/// A server whose answers are settled beforehand, and that notes what it is told.
#[derive(Debug)]
struct Scripted {
    answers: VecDeque<u8>,
    written: Arc<Mutex<Vec<u8>>>,
}

impl AsyncRead for Scripted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let room = buf.remaining().min(self.answers.len());
        let bytes: Vec<u8> = self.answers.drain(..room).collect();
        buf.put_slice(&bytes);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Scripted {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.written.lock().unwrap().extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl AsyncTokioStream for Scripted {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, 25)))
    }
}

const ANSWERS: &str = "220 mx ESMTP\r\n250-mx\r\n250-8BITMIME\r\n250 DSN\r\n250 2.1.0 Ok\r\n\
    250 2.1.5 Ok\r\n354 End data with <CR><LF>.<CR><LF>\r\n250 2.0.0 Ok: queued as 4Xk\r\n\
    221 2.0.0 Bye\r\n";

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// What a submission writes before its QUIT, and how it ends.
async fn written(answers: &str, submission: &Submission<'_>) -> (Vec<u8>, Result<String, Error>) {
    let written = Arc::<Mutex<Vec<u8>>>::default();
    let server = Scripted { answers: answers.bytes().collect(), written: Arc::clone(&written) };
    let outcome = dialogue(Box::new(server), submission).await;
    let bytes = std::mem::take(&mut *written.lock().unwrap());
    (bytes, outcome)
}

fn recipient() -> Address {
    Address::parse("tabc@handoff.internal").unwrap()
}

fn orcpt() -> Orcpt {
    Orcpt::new(Address::parse("jobs+b@acme.example").unwrap())
}

/// A submission of one letter.
fn short<'a>(sender: &'a RawPath, recipient: &'a Address, orcpt: &'a Orcpt) -> Submission<'a> {
    Submission {
        sender,
        recipient,
        orcpt: Some(orcpt),
        smtputf8: true,
        content: Content::new(b"x").unwrap(),
    }
}

/// Reads everything a client has written: its commands, and the content of its one message.
///
/// As strict as can be: commands and data lines end in CRLF, a CR or LF by itself is an error, data
/// ends at the first line that is a dot and nothing may follow it.
fn strictly_read(bytes: &[u8]) -> Result<(Vec<String>, Vec<u8>), String> {
    let mut lines = Vec::new();
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|b| matches!(b, b'\r' | b'\n')) {
        if !rest[at..].starts_with(b"\r\n") {
            return Err(format!("a bare CR or LF after {:?}", rest[..at].escape_ascii()));
        }
        lines.push(&rest[..at]);
        rest = &rest[at + 2..];
    }
    if !rest.is_empty() {
        return Err("an unfinished line".into());
    }
    let begin = lines.iter().position(|line| line == b"DATA").ok_or("no DATA")?;
    let data = &lines[begin + 1..];
    let end = data.iter().position(|line| line == b".").ok_or("no end of data")?;
    if end + 1 != data.len() {
        return Err(format!("{} lines after the end of data", data.len() - end - 1));
    }
    let unstuffed = data[..end].iter().map(|line| line.strip_prefix(b".").unwrap_or(line));
    let content = unstuffed.flat_map(|line| [line, b"\r\n"].concat()).collect();
    let text = |line: &&[u8]| String::from_utf8_lossy(line).into_owned();
    Ok((lines[..begin].iter().map(text).collect(), content))
}

/// What a message is once each of its line ends, of whatever kind, is CRLF.
fn with_crlf(bytes: &[u8]) -> Vec<u8> {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let mut text = text.replace("\r\n", "\n").replace('\r', "\n");
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text.replace('\n', "\r\n").into_bytes()
}

async fn check(bytes: &[u8]) {
    let (sender, recipient, orcpt) = (RawPath::new("<bob@acme.example>"), recipient(), orcpt());
    let content = Content::new(bytes).unwrap();
    let submission = Submission {
        sender: &sender,
        recipient: &recipient,
        orcpt: Some(&orcpt),
        smtputf8: false,
        content,
    };
    let (written, outcome) = written(ANSWERS, &submission).await;
    assert_eq!(outcome.unwrap(), "2.0.0 Ok: queued as 4Xk");
    let (commands, read) =
        strictly_read(&written).unwrap_or_else(|why| panic!("{why}: {}", bytes.escape_ascii()));
    assert_eq!(
        commands,
        [
            "EHLO [127.0.0.1]",
            "MAIL FROM:<bob@acme.example>",
            "RCPT TO:<tabc@handoff.internal> NOTIFY=NEVER ORCPT=rfc822;jobs+2Bb@acme.example",
        ]
    );
    let expected = with_crlf(bytes);
    assert!(read == expected, "{} was {}", expected.escape_ascii(), read.escape_ascii());
}

/// Every text over these letters with at most `length` of them.
fn texts(letters: &[u8], length: usize) -> Vec<Vec<u8>> {
    let mut all = vec![vec![]];
    let mut last = all.clone();
    for _ in 0..length {
        let longer = |text: &Vec<u8>| {
            letters.iter().map(|&l| [text.as_slice(), &[l]].concat()).collect::<Vec<_>>()
        };
        last = last.iter().flat_map(longer).collect();
        all.extend(last.iter().cloned());
    }
    all
}

#[test]
fn no_mixture_of_cr_lf_and_dots_at_any_place_ends_a_message_early() {
    runtime().block_on(async {
        let texts = texts(b"\r\n.a", 7);
        assert_eq!(texts.len(), 21_845);
        for text in &texts {
            for (before, after) in [
                ("", ""),
                ("Subject: x", "\r\n\r\nbody\r\n"),
                ("Subject: x\r\n\r\n", "body\r\n"),
                ("Subject: x\r\n\r\nbo", "dy\r\n"),
                ("Subject: x\r\n\r\nbody\r\n", ""),
            ] {
                check(&[before.as_bytes(), text, after.as_bytes()].concat()).await;
            }
        }
    });
}

#[test]
fn what_stands_where_one_piece_ends_and_the_next_begins_is_no_different() {
    runtime().block_on(async {
        for text in texts(b"\r\n.a", 3) {
            for distance in 0..=text.len() + 2 {
                let before = vec![b'x'; PIECE - distance];
                check(&[&before, text.as_slice(), b"y"].concat()).await;
            }
        }
    });
}

#[test]
fn nothing_that_looks_like_a_second_message_is_one() {
    let second = "MAIL FROM:<x@y>\r\nRCPT TO:<z@y>\r\nDATA\r\nspoofed\r\n.\r\n";
    runtime().block_on(async {
        for end in
            ["\n.\n", "\r.\r", "\n.\r\n", "\r\n.\n", "\r\n.\r", "\r.\n", "\r\n.\r\n", "\r\n..\r\n"]
        {
            check(format!("Subject: x\r\n\r\nbody{end}{second}").as_bytes()).await;
        }
    });
}

#[test]
fn a_nul_is_refused_in_what_is_new_and_kept_in_what_was_queued() {
    assert!(matches!(Content::new(b"a\0b"), Err(Error::Nul)));
    let pieces: Vec<_> = Content::as_queued(b"a\0b\n.\r").pieces().collect();
    assert_eq!(pieces.concat(), b"a\0b\r\n.");
}

#[test]
fn the_commands_say_what_the_message_is() {
    let orcpt = Orcpt::new(Address::parse("jöbs@acme.example").unwrap());
    let recipient = recipient();
    let mail = |sender: &str, content: &[u8], orcpt: &Orcpt, smtputf8| {
        let sender = RawPath::new(sender);
        let content = Content::as_queued(content);
        let recipient = &recipient;
        mail_command(&Submission {
            sender: &sender,
            recipient,
            orcpt: Some(orcpt),
            smtputf8,
            content,
        })
    };
    let plain = super::tests::orcpt();
    for (sender, content, orcpt, smtputf8, expected) in [
        ("<>", "a", &plain, false, "<>\r\n"),
        ("<a..b@x>", "a", &plain, false, "<a..b@x>\r\n"),
        ("<\"a b>\"@x>", "a", &plain, false, "<\"a b>\"@x>\r\n"),
        ("<a@x>", "ä", &plain, false, "<a@x> BODY=8BITMIME\r\n"),
        ("<a@x>", "a", &plain, true, "<a@x> SMTPUTF8\r\n"),
        ("<ä@x>", "ä", &plain, false, "<ä@x> BODY=8BITMIME SMTPUTF8\r\n"),
        ("<a@x>", "a", &orcpt, false, "<a@x> SMTPUTF8\r\n"),
    ] {
        let expected = format!("MAIL FROM:{expected}");
        assert_eq!(mail(sender, content.as_bytes(), orcpt, smtputf8), Some(expected));
    }
    for sender in ["<a\r\nb@x>", "<a> <b@x>", "<a b@x>", "<\"a@x>", "<a\\>", "<a\tb@x>"] {
        assert_eq!(mail(sender, b"a", &plain, false), None, "{sender:?}");
    }
}

#[test]
fn an_answer_that_is_not_yes_is_an_error_wherever_it_comes() {
    let (sender, recipient, orcpt) = (RawPath::new("<>"), recipient(), orcpt());
    let submission = short(&sender, &recipient, &orcpt);
    runtime().block_on(async {
        let lines: Vec<&str> = ANSWERS.split_inclusive("\r\n").collect();
        // The answers to the greeting, EHLO, MAIL, RCPT, DATA and the message end with these lines.
        for (line, step) in [
            (0, "connection"),
            (3, "connection"),
            (4, "MAIL"),
            (5, "RCPT"),
            (6, "DATA"),
            (7, "end of data"),
        ] {
            for answer in ["451 4.3.0 later\r\n", "550 5.0.0 no\r\n", "garbage\r\n", ""] {
                let begin = if line == 3 { 1 } else { line };
                let script = format!("{}{answer}", lines[..begin].concat());
                let (_, outcome) = written(&script, &submission).await;
                let error = outcome.unwrap_err().to_string();
                assert!(error.starts_with(step), "{step} {answer:?}: {error}");
            }
        }
    });
}

#[tokio::test(start_paused = true)]
async fn a_server_that_says_nothing_is_not_waited_for_for_ever() {
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let (sender, recipient, orcpt) = (RawPath::new("<>"), recipient(), orcpt());
    let submission = short(&sender, &recipient, &orcpt);
    let error = submit(listener.local_addr().unwrap(), &submission).await.unwrap_err();
    assert!(matches!(error, Error::Timeout(Step::Hello)), "{error}");
}
