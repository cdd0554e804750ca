//! A catalogue of ways to break the protocol. Whatever comes, the session either ends or goes on
//! with the next message, the place of an ended one is free, and others never notice.
// SPDX-License-Identifier: GPL-3.0-or-later

use super::client::Client;
use super::*;

/// Breaks a rule on a fresh, negotiated session of each kind; the session must end.
async fn ends(octets: &[u8]) {
    let server = Server::start();
    for mut client in [server.front().await, server.handoff().await] {
        client.raw(octets).await;
        assert!(client.ended().await, "{}", octets.escape_ascii());
    }
    server.works().await;
}

/// Breaks a rule on a fresh, negotiated session; the next message in it must pass.
async fn goes_on(octets: &[u8]) {
    let server = Server::start();
    let mut client = server.front().await;
    client.raw(octets).await;
    client.mail("next@example.org").await;
    client.rcpt("jobs@acme.example").await;
    assert_eq!(client.eom("4Zx1").await.len(), 3, "{}", octets.escape_ascii());
    server.works().await;
}

#[tokio::test]
async fn unknown_command() {
    ends(b"\0\0\0\x01z").await;
}

#[tokio::test]
async fn frame_of_four_gigabytes() {
    ends(b"\xff\xff\xff\xffM").await;
}

#[tokio::test]
async fn frame_longer_than_postfix_sends() {
    ends(b"\0\x02\0\x01M").await;
}

#[tokio::test]
async fn frame_of_no_length() {
    ends(b"\0\0\0\0").await;
}

#[tokio::test]
async fn something_that_is_no_milter_protocol() {
    ends(b"EHLO mail.example.org\r\n").await;
}

#[tokio::test]
async fn mail_without_data() {
    ends(b"\0\0\0\x01M").await;
}

#[tokio::test]
async fn mail_that_does_not_end() {
    ends(b"\0\0\0\x04M<a>").await;
}

#[tokio::test]
async fn recipient_that_does_not_end() {
    ends(b"\0\0\0\x03M<\0\0\0\0\x03R<a").await;
}

#[tokio::test]
async fn macros_without_a_stage() {
    ends(b"\0\0\0\x01D").await;
}

#[tokio::test]
async fn macros_of_an_unknown_stage() {
    goes_on(b"\0\0\0\x06DXi\0A\0").await;
}

#[tokio::test]
async fn macro_without_a_value() {
    goes_on(b"\0\0\0\x04DMi\0").await;
}

#[tokio::test]
async fn macro_that_does_not_end() {
    goes_on(b"\0\0\0\x05DMi\0A").await;
}

#[tokio::test]
async fn recipient_before_mail() {
    goes_on(b"\0\0\0\x04R<>\0").await;
}

#[tokio::test]
async fn end_of_message_before_mail() {
    goes_on(b"\0\0\0\x01E").await;
}

#[tokio::test]
async fn end_of_message_before_any_recipient() {
    goes_on(b"\0\0\0\x04M<>\0\0\0\0\x01E").await;
}

#[tokio::test]
async fn mail_twice() {
    goes_on(b"\0\0\0\x04M<>\0\0\0\0\x04M<>\0").await;
}

#[tokio::test]
async fn second_negotiation() {
    goes_on(b"\0\0\0\x0dO\0\0\0\x06\0\0\x01\xff\0\x1f\xff\xff").await;
}

#[tokio::test]
async fn second_negotiation_within_a_message() {
    goes_on(b"\0\0\0\x04M<>\0\0\0\0\x0dO\0\0\0\x06\0\0\x01\xff\0\x1f\xff\xff").await;
}

#[tokio::test]
async fn abort_before_mail() {
    goes_on(b"\0\0\0\x01A\0\0\0\x01A").await;
}

#[tokio::test]
async fn header_where_none_was_asked_for() {
    let server = Server::start();
    let mut client = server.front().await;
    client.mail("a@example.org").await;
    client.rcpt("jobs@acme.example").await;
    client.send_strings(b'L', &["Subject", " hi"]).await;
    assert_eq!(client.receive().await.unwrap().to_string(), "c");
    client.abort().await;
    server.works().await;
}

#[tokio::test]
async fn an_envelope_argument_with_nul_octets_has_more_arguments() {
    let server = Server::start();
    let mut client = server.front().await;
    client.send(b'M', b"<a\0b@example.org>\0").await;
    client.rcpt("jobs@acme.example").await;
    client.eom("4Zx1").await;
    let opened = &server.log.take()[0];
    assert_eq!(opened, "front from \\x3Ca b@example.org>");
}

#[tokio::test]
async fn header_before_recipient() {
    let server = Server::start();
    let mut client = server.handoff().await;
    client.mail("a@example.org").await;
    client.field("Subject", " early").await;
    client.mail("b@example.org").await;
    assert_eq!(client.rcpt_reply("t@h.example").await, "c");
    assert_eq!(client.eom("4Zx1").await.len(), 6);
    assert!(!server.log.take().iter().any(|line| line.contains("early")));
}

#[tokio::test]
async fn header_without_body_or_name() {
    for header in [&b"\0\0\0\x09LSubject\0"[..], b"\0\0\0\x03L\0\0", b"\0\0\0\x04La\0b"] {
        let server = Server::start();
        let mut client = server.handoff().await;
        client.mail("a@example.org").await;
        assert_eq!(client.rcpt_reply("t@h.example").await, "c");
        client.raw(header).await;
        assert!(client.ended().await, "{}", header.escape_ascii());
        server.works().await;
    }
}

#[tokio::test]
async fn the_command_unknown_opens_no_way_to_a_decision() {
    let server = Server::start();
    let mut client = server.handoff().await;
    client.send_strings(b'U', &["HELP"]).await;
    assert_eq!(client.receive().await.unwrap().to_string(), "c");
    let deferred = "y 451 4.7.1 Service unavailable - try again later";
    assert_eq!(client.rcpt_reply("t@h.example").await, deferred);
    let replies = client.eom("4Zx1").await;
    assert_eq!(replies.len(), 1);
    assert_eq!(replies[0].to_string(), deferred);
    assert!(server.log.take().is_empty());
    assert_eq!(server.faults(), ["OutOfOrder"]);
    server.works().await;
}

#[tokio::test]
async fn anything_before_the_negotiation() {
    let server = Server::start();
    let mut client = Client::connect(&server.front).await;
    client.mail("a@example.org").await;
    client.rcpt("jobs@acme.example").await;
    client.macros(b'E', &["i", "4Zx1"]).await;
    client.send(b'E', b"").await;
    client.send(b'Q', b"").await;
    while let Some(frame) = client.receive().await {
        assert!(!b"2-+".contains(&frame.code), "an edit without negotiation: {frame}");
    }
    server.works().await;
}

#[tokio::test]
async fn negotiation_cut_short_or_of_an_old_version() {
    for octets in
        [&b"\0\0\0\x05O\0\0\0\x06"[..], b"\0\0\0\x0dO\0\0\0\x01\0\0\x01\xff\0\x1f\xff\xff"]
    {
        let server = Server::start();
        let mut client = Client::connect(&server.front).await;
        client.raw(octets).await;
        assert!(client.ended().await);
        server.works().await;
    }
}

#[tokio::test]
async fn an_envelope_without_end_is_deferred_and_not_kept() {
    let server = Server::start();
    let mut client = server.front().await;
    client.mail("a@example.org").await;
    let name = format!("jobs-{}@acme.example", "x".repeat(60_000));
    for _ in 0..30 {
        client.rcpt(&name).await;
    }
    let replies = client.eom("4Zx1").await;
    assert_eq!(replies[0].to_string(), "y 451 4.7.1 Service unavailable - try again later");
    assert_eq!(server.faults(), ["TooLarge"]);
    assert!(server.log.take().len() < 12);
    server.works().await;
}

#[tokio::test]
async fn a_client_that_vanishes_frees_its_place() {
    let setup = Setup { max_sessions: 1, ..Setup::default() };
    let server = setup.start();
    for octets in [&b""[..], b"\0\0", b"\0\0\0\x20M<a", b"\0\0\0\x04M<>\0"] {
        let mut client = loop {
            let mut client = Client::connect(&server.front).await;
            client.offer(0x1ff, 0x1f_ffff).await;
            if client.receive().await.is_some() {
                break client;
            }
            tokio::task::yield_now().await;
        };
        client.raw(octets).await;
    }
}
