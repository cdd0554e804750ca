//! The dialogue of the submission socket: what is asked for, and where a message can be refused.
// SPDX-License-Identifier: GPL-3.0-or-later

use super::client::{Client, Frame, NO_BODY, NO_HEADER};
use super::*;

fn shown(frames: &[Frame]) -> Vec<String> {
    frames.iter().map(Frame::to_string).collect()
}

#[tokio::test]
async fn the_header_is_asked_for_and_the_login_and_each_recipients_transport() {
    let server = Server::start();
    let mut client = Client::connect(&server.submission).await;
    let answer = client.negotiate().await;
    assert_eq!(client.options & (NO_HEADER | NO_BODY), NO_BODY);
    let macros = String::from_utf8_lossy(&answer.data[12..]).into_owned();
    for asked in ["{auth_authen} {client_addr}\0", "{rcpt_addr} {rcpt_mailer}\0", "i\0"] {
        assert!(macros.contains(asked), "{asked:?} in {macros:?}");
    }
}

#[tokio::test]
async fn outgoing_mail_is_edited_at_its_end() {
    let server = Server::start();
    let mut client = server.submission().await;
    client.macros(b'M', &["{auth_authen}", "personio", "{client_addr}", "192.0.2.7"]).await;
    client.send_strings(b'M', &["<jobs@acme.example>"]).await;
    assert_eq!(shown(&client.replies().await), ["c"]);
    client.macros(b'R', &["{rcpt_addr}", "erika@example.org", "{rcpt_mailer}", "smtp"]).await;
    client.send_strings(b'R', &["<erika@example.org>"]).await;
    assert_eq!(shown(&client.replies().await), ["c"]);
    client.field("From", " jobs@acme.example").await;
    assert_eq!(
        shown(&client.eom("4Zx1").await),
        ["h Date  today", "e <b+1@acme.example>", "c"],
        "the arguments of MAIL FROM stay the client's"
    );
    assert_eq!(
        server.log.take(),
        [
            "submission from jobs@acme.example login personio client 192.0.2.7",
            "by smtp",
            "rcpt erika@example.org",
            "field From: jobs@acme.example",
            "record 4Zx1 from jobs@acme.example to erika@example.org Ok(())",
        ]
    );
    assert!(server.faults().is_empty());
}

#[tokio::test]
async fn who_may_not_send_is_refused_at_mail_and_may_try_again() {
    let server = Server::start();
    let mut client = server.submission().await;
    assert_eq!(
        client.mail_reply("bad@acme.example").await,
        "y 550 5.7.1 This login may not use this envelope sender address"
    );
    assert_eq!(client.mail_reply("jobs@acme.example").await, "c");
    assert_eq!(client.rcpt_reply("erika@example.org").await, "c");
    assert_eq!(client.eom("4Zx1").await.last().unwrap().code, b'c');
    assert!(server.faults().is_empty());
}

#[tokio::test]
async fn a_recipient_that_is_refused_leaves_the_others() {
    let server = Server::start();
    let mut client = server.submission().await;
    assert_eq!(client.mail_reply("jobs@acme.example").await, "c");
    assert_eq!(client.rcpt_reply("erika@example.org").await, "c");
    assert_eq!(
        client.rcpt_reply("bad@example.org").await,
        "y 450 4.7.1 This login has sent too much - try again later"
    );
    assert_eq!(client.rcpt_reply("otto@example.org").await, "c");
    assert_eq!(client.eom("4Zx1").await.last().unwrap().code, b'c');
    let told = "record 4Zx1 from jobs@acme.example to erika@example.org otto@example.org Ok(())";
    assert_eq!(server.log.take().last().unwrap(), told);
}

#[tokio::test]
async fn an_aborted_message_is_not_decided_on_and_the_next_knows_nothing_of_it() {
    let server = Server::start();
    let mut client = server.submission().await;
    assert_eq!(client.mail_reply("a@acme.example").await, "c");
    assert_eq!(client.rcpt_reply("erika@example.org").await, "c");
    client.abort().await;
    assert_eq!(client.mail_reply("b@acme.example").await, "c");
    assert_eq!(client.rcpt_reply("otto@example.org").await, "c");
    assert_eq!(client.eom("4Zx1").await.last().unwrap().code, b'c');
    let log = server.log.take();
    let records: Vec<_> = log.iter().filter(|line| line.starts_with("record")).collect();
    assert_eq!(records, ["record 4Zx1 from b@acme.example to otto@example.org Ok(())"]);
}
