//! The LMTP dialogue: as Postfix speaks it, and as nobody should.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::*;
use crate::gate::{Gate, Order};
use crate::mail::{RawPath, Recipient};

const LATER: Answer = Answer::new(451, "4.3.0", "Not taken yet - try again later");
const UNKNOWN: Answer = Answer::new(451, "4.3.5", "Handoff cannot be resolved yet");
const NOT_OURS: Answer = Answer::new(550, "5.1.1", "No such handoff address");
const LIMITS: Limits = Limits { message: 100, silence: Duration::from_secs(5) };

/// Takes recipients at `here`, and notes what comes for them.
#[derive(Default)]
struct Notes(Mutex<Vec<(String, Received)>>);

impl Inbox for Notes {
    type Taken = String;

    fn recipient(&self, recipient: &Recipient) -> Result<String, Answer> {
        match recipient.resolved.split_once('@') {
            Some((name, "here")) => Ok(name.to_owned()),
            Some((_, "later")) => Err(UNKNOWN),
            _ => Err(NOT_OURS),
        }
    }

    async fn take(&self, to: String, received: Received) -> Answer {
        if to == "slow" {
            sleep(Duration::from_secs(60)).await;
        }
        let answer = if to == "busy" { LATER } else { Answer::new(250, "2.0.0", "queued as 4Xk") };
        self.0.lock().unwrap().push((to, received));
        answer
    }
}

struct Client {
    stream: DuplexStream,
    gate: Gate,
    notes: Arc<Notes>,
    session: JoinHandle<()>,
}

impl Client {
    fn connect() -> Self {
        let (stream, theirs) = duplex(1 << 20);
        let gate = Gate::new(1);
        let notes = Arc::<Notes>::default();
        let (inbox, place) = (Arc::clone(&notes), gate.enter().unwrap());
        let session = tokio::spawn(async move { session(theirs, &*inbox, LIMITS, &place).await });
        Self { stream, gate, notes, session }
    }

    async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    /// The next `count` lines.
    async fn lines(&mut self, count: usize) -> Vec<String> {
        let mut lines = Vec::new();
        let mut line = Vec::new();
        while lines.len() < count {
            let byte = self.stream.read_u8().await.expect("a line");
            line.push(byte);
            if line.ends_with(b"\r\n") {
                lines.push(String::from_utf8(std::mem::take(&mut line)).unwrap());
            }
        }
        lines.iter().map(|line| line.trim_end().to_owned()).collect()
    }

    /// Sends and gives the next line.
    async fn ask(&mut self, bytes: impl AsRef<[u8]>) -> String {
        self.send(bytes).await;
        self.lines(1).await.remove(0)
    }

    /// Everything up to the end of the session.
    async fn rest(mut self) -> (String, Vec<(String, Received)>) {
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest).await.unwrap();
        self.session.await.unwrap();
        let notes = std::mem::take(&mut *self.notes.0.lock().unwrap());
        (String::from_utf8(rest).unwrap(), notes)
    }

    /// Past the greeting, with a recipient.
    async fn to(name: &str) -> Self {
        let mut client = Self::connect();
        client.send(format!("LHLO x\r\nMAIL FROM:<a@x>\r\nRCPT TO:<{name}>\r\n")).await;
        client.lines(11).await;
        client
    }
}

fn received(message: &str) -> Received {
    Received { sender: RawPath::new("<a@x>"), smtputf8: false, message: message.into() }
}

#[tokio::test]
async fn a_message_is_taken_as_postfix_brings_it() {
    let mut client = Client::connect();
    assert_eq!(client.lines(1).await, ["220 recruit-milter LMTP"]);
    client.send("LHLO mx.acme.example\r\n").await;
    assert_eq!(
        client.lines(7).await,
        [
            "250-recruit-milter",
            "250-PIPELINING",
            "250-SIZE 100",
            "250-8BITMIME",
            "250-SMTPUTF8",
            "250-DSN",
            "250-ENHANCEDSTATUSCODES"
        ]
    );
    assert_eq!(client.lines(1).await, ["250 2.0.0 Ok"]);
    client
        .send("MAIL FROM:<a@x> SIZE=9 SMTPUTF8\r\nRCPT TO:<b@here> NOTIFY=NEVER\r\nDATA\r\n")
        .await;
    assert_eq!(
        client.lines(3).await,
        ["250 2.1.0 Ok", "250 2.1.5 Ok", "354 End data with <CR><LF>.<CR><LF>"]
    );
    client.send("..\r\nmüll\r\n.\r\nQUIT\r\n").await;
    let (rest, notes) = client.rest().await;
    assert_eq!(rest, "250 2.0.0 queued as 4Xk\r\n221 2.0.0 Bye\r\n");
    let expected = Received { smtputf8: true, ..received(".\r\nmüll\r\n") };
    assert_eq!(notes, [("b".to_owned(), expected)]);
}

#[tokio::test]
async fn several_messages_and_refusals_fit_in_a_session() {
    let mut client = Client::to("b@here").await;
    for (said, answer) in [
        ("RCPT TO:<c@here>\r\n", "452 4.5.3 One recipient at a time"),
        ("MAIL FROM:<c@x>\r\n", "503 5.5.1 Not now"),
        ("DATA\r\n", "354 End data with <CR><LF>.<CR><LF>"),
        ("one\r\n.\r\n", "250 2.0.0 queued as 4Xk"),
        ("DATA\r\n", "503 5.5.1 Not now"),
        ("RCPT TO:<c@here>\r\n", "503 5.5.1 Not now"),
        ("MAIL FROM:<a@x>\r\n", "250 2.1.0 Ok"),
        ("RCPT TO:<c@later>\r\n", "451 4.3.5 Handoff cannot be resolved yet"),
        ("RCPT TO:<c@there>\r\n", "550 5.1.1 No such handoff address"),
        ("DATA\r\n", "503 5.5.1 Not now"),
        ("RSET\r\n", "250 2.0.0 Ok"),
        ("MAIL FROM:<a@x> SIZE=101\r\n", "452 4.3.4 The message is too big for now"),
        ("MAIL FROM:<a@x>\r\n", "250 2.1.0 Ok"),
        ("RCPT TO:<busy@here>\r\n", "250 2.1.5 Ok"),
        ("DATA\r\n", "354 End data with <CR><LF>.<CR><LF>"),
        ("two\r\n.\r\n", "451 4.3.0 Not taken yet - try again later"),
        ("NOOP\r\n", "250 2.0.0 Ok"),
    ] {
        assert_eq!(client.ask(said).await, answer, "{said}");
    }
    client.send("QUIT\r\n").await;
    let (_, notes) = client.rest().await;
    assert_eq!(notes, [("b".into(), received("one\r\n")), ("busy".into(), received("two\r\n"))]);
}

#[tokio::test]
async fn a_message_that_is_too_big_is_told_so_at_its_end_and_the_session_goes_on() {
    let mut client = Client::to("b@here").await;
    client.ask("DATA\r\n").await;
    let answer = client.ask(format!("{}\r\n.\r\n", "x".repeat(100_000))).await;
    assert_eq!(answer, "452 4.3.4 The message is too big for now");
    assert_eq!(client.ask("MAIL FROM:<a@x>\r\n").await, "250 2.1.0 Ok");
    client.send("QUIT\r\n").await;
    assert_eq!(client.rest().await.1, []);
}

#[tokio::test]
async fn a_dot_behind_a_bare_line_end_ends_nothing() {
    for trick in ["\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r\n.\r", "\r\n.\r\r\n"] {
        let mut client = Client::to("b@here").await;
        client.ask("DATA\r\n").await;
        client.send(format!("a{trick}RSET\r\nMAIL FROM:<e@x>\r\n\r\n.\r\n")).await;
        client.send("QUIT\r\n").await;
        let (rest, notes) = client.rest().await;
        assert_eq!(rest, "250 2.0.0 queued as 4Xk\r\n221 2.0.0 Bye\r\n", "{trick:?}");
        assert_eq!(notes.len(), 1, "{trick:?}");
        let text = String::from_utf8_lossy(&notes[0].1.message).into_owned();
        assert!(text.ends_with("RSET\r\nMAIL FROM:<e@x>\r\n\r\n"), "{trick:?} {text:?}");
    }
}

#[tokio::test]
async fn what_is_out_of_step_ends_the_session() {
    let long = format!("NOOP {}\r\n", "x".repeat(5000));
    let endless = "x".repeat(5000);
    let line = "500 5.5.6 A line is too long or does not end in CRLF\r\n";
    let early = "503 5.5.0 Data must wait for the answer to DATA\r\n";
    for (said, last) in [
        ("NOOP\n", line),
        (long.as_str(), line),
        (endless.as_str(), line),
        ("DATA\r\nSubject: x\r\n.\r\nQUIT\r\n", early),
        (&"FOO\r\n".repeat(12), "421 4.7.0 Too many errors\r\n"),
    ] {
        let mut client = Client::to("b@here").await;
        client.send(said).await;
        let (rest, notes) = client.rest().await;
        assert!(rest.ends_with(last), "{said:.20}: {rest}");
        assert_eq!(notes, []);
    }
}

#[tokio::test]
async fn a_client_that_leaves_early_leaves_nothing_behind() {
    for said in ["", "QUIT\r\n", "MAIL FROM:<c@x", "RSET\r\nQUIT\r\n"] {
        let mut client = Client::to("b@here").await;
        client.send(said).await;
        client.stream.shutdown().await.unwrap();
        assert_eq!(client.rest().await.1, [], "{said}");
    }
    for said in ["", "half a", "half\r\n", "all but the last\r\n.\r"] {
        let mut client = Client::to("b@here").await;
        client.ask("DATA\r\n").await;
        client.send(said).await;
        client.stream.shutdown().await.unwrap();
        assert_eq!(client.rest().await.1, [], "{said}");
    }
}

#[tokio::test(start_paused = true)]
async fn silence_ends_a_session() {
    let mut client = Client::to("b@here").await;
    client.ask("DATA\r\n").await;
    let (rest, notes) = client.rest().await;
    assert_eq!((rest.as_str(), notes), ("421 4.4.2 Nothing heard for too long\r\n", vec![]));
}

#[tokio::test(start_paused = true)]
async fn an_order_to_leave_waits_for_the_message() {
    let mut idle = Client::connect();
    idle.send("LHLO x\r\n").await;
    idle.lines(9).await;
    idle.gate.give(Order::Leave);
    assert_eq!(idle.rest().await.0, "421 4.3.2 Service is stopping\r\n");

    let mut client = Client::to("slow@here").await;
    client.gate.give(Order::Leave);
    client.ask("DATA\r\n").await;
    client.send("x\r\n.\r\n").await;
    let (rest, notes) = client.rest().await;
    assert_eq!(rest, "250 2.0.0 queued as 4Xk\r\n421 4.3.2 Service is stopping\r\n");
    assert_eq!(notes.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_order_to_end_waits_for_nothing() {
    let mut client = Client::to("slow@here").await;
    client.ask("DATA\r\n").await;
    client.send("x\r\n.\r\n").await;
    tokio::task::yield_now().await;
    client.gate.give(Order::End);
    assert_eq!(client.rest().await, (String::new(), vec![]));
}
