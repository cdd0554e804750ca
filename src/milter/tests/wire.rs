//! What crosses the front socket for a mail that is not ours, with the frames that Postfix sends.
// SPDX-License-Identifier: GPL-3.0-or-later

use super::client::{Client, NO_BODY, NO_HEADER, NOREPLY_DATA};
use super::*;

/// The frames of one message.
// Postfix 3.7.11: macros come before every command, also before one that was declined, and are
// empty where a list that was asked for has no values.
async fn message(client: &mut Client) {
    client.macros(b'M', &["{client_addr}", "127.0.0.1"]).await;
    client.send_strings(b'M', &["<applicant@example.org>"]).await;
    client.macros(b'R', &["{rcpt_addr}", "colleague@acme.example"]).await;
    client.send_strings(b'R', &["<colleague@acme.example>"]).await;
    client.macros(b'T', &[]).await;
    client.send(b'T', b"").await;
    if client.options & NOREPLY_DATA == 0 {
        assert_eq!(client.replies().await[0].code, b'a');
    } else {
        // The 10 MB of header and body would be here, had we asked for any.
        assert_eq!(client.options & (NO_BODY | NO_HEADER), NO_BODY | NO_HEADER);
        client.macros(b'E', &["i", "0F6DA9C23BD"]).await;
        client.send(b'E', b"").await;
        assert_eq!(client.replies().await[0].code, b'c');
    }
    client.abort().await;
}

/// The octets of a session with one message, and those that a second message adds.
async fn octets(accept_early: bool) -> ((usize, usize), (usize, usize)) {
    let mut setup = Setup::default();
    setup.policy.accept_early = accept_early;
    let server = setup.start();
    let mut client = server.front().await;
    client.macros(b'C', &[]).await;
    client.macros(b'H', &[]).await;
    message(&mut client).await;
    let first = (client.sent, client.received);
    message(&mut client).await;
    let second = (client.sent - first.0, client.received - first.1);
    // Postfix: a second abort and the farewell.
    ((first.0 + 10, first.1), second)
}

#[tokio::test]
async fn a_mail_of_any_size_that_is_not_ours_costs_three_hundred_octets() {
    // 45 of them are the two addresses, one written twice.
    assert_eq!(octets(false).await, ((210, 94), (171, 5)));
}

#[tokio::test]
async fn with_accept_early_it_costs_twenty_five_less() {
    assert_eq!(octets(true).await, ((185, 94), (146, 5)));
}
