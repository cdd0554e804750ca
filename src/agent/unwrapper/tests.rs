//! What the agent does with a message, and what it answers, by what the second smtpd says.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::sync::Mutex;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;

use super::*;
use crate::policy::testing::{address, keys};
use crate::policy::token::TokenId;

const OUTER: &str = "From: Bob <bob@acme.example>\r\nContent-Type: message/rfc822\r\n\r\n\
    From: lena@post.example\r\n\r\n.\r\nHallo\r\n";
const INNER: &str = "From: lena@post.example\r\n\r\n.\r\nHallo\r\n";

/// A transaction as the second smtpd sees it: the commands, and the message.
type Seen = (Vec<String>, String);

/// An smtpd that says `refusals` in turn to commands that begin with their word, once each.
async fn smtpd(
    refusals: &'static [(&'static str, &'static str)],
) -> (SocketAddr, Arc<Mutex<Vec<Seen>>>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let at = listener.local_addr().unwrap();
    let seen = Arc::<Mutex<Vec<Seen>>>::default();
    let all = Arc::clone(&seen);
    tokio::spawn(async move {
        let mut refusals = refusals.iter();
        let mut refusal = refusals.next();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = BufReader::new(stream);
            stream.write_all(b"220 mx\r\n").await.unwrap();
            let (mut commands, mut message, mut in_data) = (Vec::new(), String::new(), false);
            let mut line = String::new();
            while stream.read_line(&mut line).await.is_ok_and(|read| read > 0) {
                let said = std::mem::take(&mut line);
                let word = if in_data { "." } else { &said[..4] };
                if in_data && said != ".\r\n" {
                    message.push_str(said.strip_prefix('.').unwrap_or(&said));
                    continue;
                }
                let mut answer = match word {
                    "EHLO" => "250-mx\r\n250 DSN",
                    "DATA" => "354 go",
                    "." => "250 2.0.0 Ok: queued as 4Xk",
                    "QUIT" => "221 bye",
                    _ => "250 Ok",
                };
                if let Some((_, no)) = refusal.filter(|(at, _)| *at == word) {
                    answer = no;
                    refusal = refusals.next();
                }
                in_data = word == "DATA" && answer.starts_with('3');
                if word == "." {
                    let all_said = std::mem::take(&mut commands);
                    all.lock().unwrap().push((all_said, std::mem::take(&mut message)));
                } else {
                    commands.push(said.trim_end().to_owned());
                }
                if stream.write_all(format!("{answer}\r\n").as_bytes()).await.is_err() {
                    break;
                }
            }
        }
    });
    (at, seen)
}

fn unwrapper(smtpd: SocketAddr) -> impl Inbox<Taken = Taken> {
    unwrapper_above(Net::default(), READING, smtpd)
}

fn unwrapper_above(net: Net, limit: Duration, smtpd: SocketAddr) -> impl Inbox<Taken = Taken> {
    let settings = move || Settings {
        keys: keys(),
        handoff_domain: "handoff.internal".into(),
        smtpd,
        give_up: GiveUp::default(),
    };
    Unwrapper::new(settings).with_net(net, limit)
}

fn token(way: Way, flags: Flags) -> Handoff {
    let time = u32::try_from(now()).unwrap();
    Handoff { way, id: TokenId { time, nonce: [7; 6] }, flags, leader: [0; 4] }
}

fn path(token: Handoff) -> String {
    let local = token.local_part(&keys(), &address("jobs@acme.example")).unwrap();
    format!("{local}@handoff.internal")
}

fn recipient(token: Handoff) -> Recipient {
    let mut recipient = Recipient::plain(&path(token));
    recipient.args.push(b"ORCPT=rfc822;jobs@acme.example".to_vec());
    recipient
}

fn received(message: &str) -> Received {
    Received { sender: RawPath::new("<a@x>"), smtputf8: false, message: message.into() }
}

const FLAGS: Flags = Flags {
    kept: true,
    authenticated: true,
    internal: false,
    companion: false,
    unwrapped: false,
    person: false,
    outbound: false,
    own_login: false,
};

async fn take(
    refusals: &'static [(&'static str, &'static str)],
    message: &str,
) -> (String, Vec<Seen>) {
    let (at, seen) = smtpd(refusals).await;
    let inbox = unwrapper(at);
    let to = inbox.recipient(&recipient(token(Way::Unwrap, FLAGS))).unwrap();
    let sender = RawPath::new("<verp+bob@acme.example>");
    let received = Received { sender, smtputf8: false, message: message.into() };
    let answer = inbox.take(to, received).await.to_string();
    let seen = std::mem::take(&mut *seen.lock().unwrap());
    (answer, seen)
}

fn unwrapped() -> Seen {
    let to = path(token(Way::Forward, Flags { unwrapped: true, ..FLAGS }));
    let commands = [
        "EHLO [127.0.0.1]".to_owned(),
        "MAIL FROM:<bob@acme.example>".to_owned(),
        format!("RCPT TO:<{to}> NOTIFY=NEVER ORCPT=rfc822;jobs@acme.example"),
        "DATA".to_owned(),
    ];
    (commands.to_vec(), INNER.to_owned())
}

fn whole(message: &str) -> Seen {
    let to = path(token(Way::Unwrap, FLAGS));
    let commands = [
        "EHLO [127.0.0.1]".to_owned(),
        "MAIL FROM:<verp+bob@acme.example>".to_owned(),
        format!("RCPT TO:<{to}> NOTIFY=NEVER ORCPT=rfc822;jobs@acme.example"),
        "DATA".to_owned(),
    ];
    (commands.to_vec(), message.to_owned())
}

/// Tokens hold the time: what was made in one second is looked for in that second, or the next one.
fn same(seen: &[Seen], expected: &[Seen]) {
    let without_token = |seen: &Seen| {
        let (commands, message) = seen;
        let commands: Vec<String> = commands
            .iter()
            .map(|c| match c.strip_prefix("RCPT TO:<") {
                Some(rest) => format!("{} {}", &rest[..1], rest.split_once('@').unwrap().1),
                None => c.clone(),
            })
            .collect();
        (commands, message.clone())
    };
    let seen: Vec<Seen> = seen.iter().map(without_token).collect();
    assert_eq!(seen, expected.iter().map(without_token).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_was_attached_is_submitted_with_the_colleague_as_its_sender() {
    let (answer, seen) = take(&[], OUTER).await;
    assert_eq!(answer, "250 2.0.0 Ok: queued again as 4Xk");
    same(&seen, &[unwrapped()]);
    let rcpt = seen[0].0[2].strip_prefix("RCPT TO:<").unwrap();
    let (local, _) = rcpt.split_once('@').unwrap();
    let read =
        Handoff::parse(Way::Forward, local, &keys(), &address("jobs@acme.example"), now()).unwrap();
    assert_eq!(read.flags, Flags { unwrapped: true, ..FLAGS });
    assert_eq!(read.id.nonce, [7; 6], "it stays the same copy");
}

#[tokio::test]
async fn what_cannot_be_unwrapped_is_submitted_as_it_is() {
    for message in ["From: bob@acme.example\r\n\r\nnothing\r\n", &OUTER.replace("Hallo", "a\0b")] {
        let (answer, seen) = take(&[], message).await;
        assert_eq!(answer, "250 2.0.0 Ok: queued again as 4Xk");
        same(&seen, &[whole(message)]);
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_submitted_as_it_is() {
    let (release, released) = std::sync::mpsc::channel::<()>();
    let released = Arc::new(Mutex::new(released));
    for hangs in [false, true] {
        let released = Arc::clone(&released);
        let hook = move |_| {
            assert!(hangs, "on purpose");
            _ = released.lock().unwrap().recv();
        };
        let (at, seen) = smtpd(&[]).await;
        let limit = if hangs { Duration::from_millis(100) } else { READING };
        let inbox = unwrapper_above(Net::with_hook(Arc::new(hook)), limit, at);
        let to = inbox.recipient(&recipient(token(Way::Unwrap, FLAGS))).unwrap();
        let sender = RawPath::new("<verp+bob@acme.example>");
        let received = Received { sender, smtputf8: false, message: OUTER.into() };
        let answer = inbox.take(to, received).await.to_string();
        assert_eq!(answer, "250 2.0.0 Ok: queued again as 4Xk", "{hangs}");
        same(&seen.lock().unwrap(), &[whole(OUTER)]);
    }
    drop(release);
}

#[tokio::test]
async fn what_is_refused_for_good_once_unwrapped_is_submitted_as_it_is() {
    for refusals in
        [&[("MAIL", "550 5.7.1 no")][..], &[("RCPT", "550 5.1.1 no")], &[("DATA", "554 no")]]
    {
        let (answer, seen) = take(refusals, OUTER).await;
        assert_eq!(answer, "250 2.0.0 Ok: queued again as 4Xk", "{refusals:?}");
        same(&seen, &[whole(OUTER)]);
    }
}

#[tokio::test]
async fn what_is_not_taken_is_not_taken_from_postfix() {
    const LATER: &str = "451 4.3.0 Not taken yet - try again later";
    for refusals in [
        &[("EHLO", "421 4.3.2 no")][..],
        &[("MAIL", "451 4.7.1 no")],
        &[("RCPT", "451 4.3.5 no")],
        &[("DATA", "451 4.3.0 no")],
        &[(".", "451 4.3.0 no")],
        &[("MAIL", "550 5.7.1 no"), ("MAIL", "550 5.7.1 no")],
        &[(".", "550 5.7.1 no"), (".", "550 5.7.1 no")],
    ] {
        assert_eq!(take(refusals, OUTER).await.0, LATER, "{refusals:?}");
    }
    let nobody = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let at = nobody.local_addr().unwrap();
    drop(nobody);
    let inbox = unwrapper(at);
    let to = inbox.recipient(&recipient(token(Way::Unwrap, FLAGS))).unwrap();
    assert_eq!(inbox.take(to, received(OUTER)).await.to_string(), LATER);
}

#[tokio::test]
async fn only_genuine_tokens_that_lead_here_are_taken() {
    let inbox = unwrapper("127.0.0.1:9".parse().unwrap());
    let code = |recipient: &Recipient| inbox.recipient(recipient).map_or_else(|a| a.code, |_| 250);
    let good = recipient(token(Way::Unwrap, FLAGS));
    assert_eq!(code(&good), 250);
    for way in [Way::Forward, Way::Return] {
        assert_eq!(code(&recipient(token(way, FLAGS))), 550, "{way:?}");
    }
    let mut other = good.clone();
    other.args = vec![b"ORCPT=rfc822;other@acme.example".to_vec()];
    assert_eq!(code(&other), 550);
    other.args.clear();
    assert_eq!(code(&other), 550);
    let elsewhere = good.resolved.replace("handoff.internal", "elsewhere.example");
    let elsewhere = Recipient { args: good.args.clone(), ..Recipient::plain(&elsewhere) };
    assert_eq!(code(&elsewhere), 550);
    // A key that is gone: it waits, and after a day it is pass 2 that gives it to somebody, as it does
    // with what is too old.
    let strange = Keys::new(vec![(9, vec![9; 32])]).unwrap();
    let unknown = |token: Handoff| {
        let local = token.local_part(&strange, &address("jobs@acme.example")).unwrap();
        let unknown = Recipient::plain(&format!("{local}@handoff.internal"));
        Recipient { args: good.args.clone(), ..unknown }
    };
    assert_eq!(code(&unknown(token(Way::Unwrap, FLAGS))), 451);
    let old = Handoff { id: TokenId { time: 1, nonce: [7; 6] }, ..token(Way::Unwrap, FLAGS) };
    for old in [recipient(old), unknown(old)] {
        assert_eq!(code(&old), 250);
        let (at, seen) = smtpd(&[]).await;
        let inbox = unwrapper(at);
        let to = inbox.recipient(&old).unwrap();
        assert!(inbox.take(to, received(OUTER)).await.to_string().starts_with("250 "));
        let seen = seen.lock().unwrap();
        assert_eq!(seen.len(), 1);
        assert!(seen[0].0.iter().any(|said| said.contains(&old.resolved)), "{:?}", seen[0]);
        assert!(seen[0].1.contains("message/rfc822"), "as it is: {:?}", seen[0]);
    }
}
