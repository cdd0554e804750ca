//! Dialogues as they should be: what is decided on, what is answered, and that no message knows of
//! another.
// SPDX-License-Identifier: GPL-3.0-or-later

use super::client::{Client, Frame, NOREPLY_DATA};
use super::*;
use proptest::prelude::*;

fn shown(frames: &[Frame]) -> Vec<String> {
    frames.iter().map(Frame::to_string).collect()
}

#[tokio::test]
async fn pass_1_exchanges_the_recruiting_address() {
    let server = Server::start();
    let mut client = server.front().await;
    client.macros(b'M', &["{auth_authen}", "anna", "{client_addr}", "IPv6:2001:db8::1"]).await;
    client.send_strings(b'M', &["<a@example.org>", "SIZE=1000", "BODY=8BITMIME"]).await;
    client.rcpt("colleague@acme.example").await;
    client.macros(b'R', &["{rcpt_addr}", "jobs@acme.example"]).await;
    client.send_strings(b'R', &["<\"Jobs\"@Acme.Example>", "NOTIFY=NEVER"]).await;
    let replies = client.eom("4Zx1").await;
    assert_eq!(shown(&replies), ["2 <t@h.example> NOTIFY=NEVER", "- <\"Jobs\"@Acme.Example>", "c"]);
    assert_eq!(
        server.log.take(),
        [
            "front from a@example.org SIZE=1000 BODY=8BITMIME login anna client 2001:db8::1",
            "rcpt jobs@acme.example NOTIFY=NEVER",
            "record 4Zx1 from a@example.org to jobs@acme.example Ok(())",
        ]
    );
    assert!(server.faults().is_empty());
}

#[tokio::test]
async fn mail_that_is_not_ours_is_asked_for_its_recipients_only() {
    let server = Server::start();
    let mut client = server.front().await;
    assert_ne!(client.options & NOREPLY_DATA, 0, "no round trip at DATA");
    client.mail("a@example.org").await;
    client.rcpt("colleague@acme.example").await;
    assert_eq!(shown(&client.eom("4Zx1").await), ["c"]);
    assert!(server.log.take().is_empty());
}

#[tokio::test]
async fn a_command_that_nobody_knows_disturbs_no_message_and_ours_is_answered() {
    let server = Server::start();
    for mut client in [server.front().await, server.submission().await, server.handoff().await] {
        client.send_strings(b'U', &["FOO"]).await;
        assert_eq!(shown(&client.replies().await), ["c"]);
        client.send_strings(b'U', &["ASKED"]).await;
        assert_eq!(shown(&client.replies().await), ["y 450 4.0.0 recruit-milter is here"]);
    }
    let mut client = server.front().await;
    client.mail("a@example.org").await;
    client.rcpt("jobs@acme.example").await;
    // Right before the message: the library would leave its end without an answer.
    client.send_strings(b'U', &["FOO"]).await;
    assert_eq!(shown(&client.replies().await), ["c"]);
    client.macros(b'T', &[]).await;
    client.send(b'T', b"").await;
    assert_eq!(client.eom("4Zx1").await.len(), 3);
}

#[tokio::test]
async fn accept_early_ends_mail_that_is_not_ours_at_data() {
    let mut setup = Setup::default();
    setup.policy.accept_early = true;
    let server = setup.start();
    let mut client = server.front().await;
    assert_eq!(client.options & NOREPLY_DATA, 0);
    client.mail("a@example.org").await;
    client.rcpt("colleague@acme.example").await;
    assert_eq!(client.data().await, "a");
    client.abort().await;
    client.mail("b@example.org").await;
    client.rcpt("jobs@acme.example").await;
    assert_eq!(client.data().await, "c");
    assert_eq!(client.eom("4Zx1").await.len(), 3);
}

#[tokio::test]
async fn pass_2_reads_the_header_and_forwards() {
    let server = Server::start();
    let mut client = server.handoff().await;
    client.mail("a@example.org").await;
    assert_eq!(client.rcpt_reply("t@h.example").await, "c");
    client.field("Subject", " Application\n\tas a baker").await;
    client.field("X-Recruiting-Seal", "forged").await;
    client.send(b'B', &vec![b'x'; 65_535]).await;
    assert_eq!(shown(&client.replies().await), ["s"], "the body is not wanted");
    let replies = client.eom("4Zx1").await;
    assert_eq!(
        shown(&replies),
        [
            "2 <in@ats.example> NOTIFY=SUCCESS,FAILURE,DELAY",
            "m    \u{1}X-Recruiting-Seal ",
            "i     X-Recruiting-System  personio",
            "e <b+1@acme.example> ENVID=1 RET=HDRS",
            "- <t@h.example>",
            "c"
        ]
    );
    assert_eq!(
        server.log.take(),
        [
            "handoff from a@example.org",
            "rcpt t@h.example",
            "field Subject: Application\\n\\tas a baker",
            "field X-Recruiting-Seal:forged",
            "record 4Zx1 from a@example.org to t@h.example Ok(())",
        ]
    );
}

#[tokio::test]
async fn pass_2_is_told_at_which_service_a_message_came_in() {
    let server = Server::start();
    let mut client = server.handoff().await;
    for (address, port, told) in [
        ("127.0.0.1", "10027", " server 127.0.0.1:10027"),
        ("IPv6:::1", "10027", " server [::1]:10027"),
        ("unknown", "0", ""),
    ] {
        client.macros(b'M', &["{daemon_addr}", address, "{daemon_port}", port]).await;
        client.send_strings(b'M', &["<a@example.org>"]).await;
        client.rcpt_reply("t@h.example").await;
        client.abort().await;
        assert_eq!(server.log.take()[0], format!("handoff from a@example.org{told}"));
    }
}

#[tokio::test]
async fn a_body_that_is_wanted_comes_in_pieces() {
    let mut setup = Setup::default();
    setup.policy.wants_body = true;
    let server = setup.start();
    let mut client = server.handoff().await;
    client.mail("").await;
    client.rcpt_reply("t@h.example").await;
    for size in [65_535, 65_535, 7] {
        client.send(b'B', &vec![b'x'; size]).await;
        assert_eq!(shown(&client.replies().await), ["c"]);
    }
    client.eom("4Zx1").await;
    assert_eq!(server.log.take()[2..5], ["body 65535", "body 65535", "body 7"]);
}

#[tokio::test]
async fn recipients_are_refused_as_decided_and_the_message_goes_on() {
    let server = Server::start();
    let mut client = server.handoff().await;
    client.mail("a@example.org").await;
    let replies = [
        ("bad@h.example", "y 550 5.1.1 No such handoff address"),
        ("later@h.example", "y 451 4.3.5 Handoff cannot be resolved yet"),
        ("t@h.example", "c"),
        ("u@h.example", "y 452 4.5.3 One handoff per transaction"),
    ];
    for (recipient, reply) in replies {
        assert_eq!(client.rcpt_reply(recipient).await, reply);
    }
    assert_eq!(client.eom("4Zx1").await.len(), 6);
}

#[tokio::test]
async fn a_message_can_be_discarded() {
    let server = Server::start();
    let mut client = server.handoff().await;
    client.mail("").await;
    client.rcpt_reply("void@h.example").await;
    assert_eq!(shown(&client.eom("4Zx1").await), ["d"]);
    server.works().await;
}

#[tokio::test]
async fn a_plan_that_cannot_be_carried_out_is_not_begun() {
    let server = Server::start();
    let mut client = server.handoff().await;
    client.mail("a@example.org").await;
    client.rcpt_reply("unspeakable@h.example").await;
    let replies = shown(&client.eom("4Zx1").await);
    assert_eq!(replies, ["y 451 4.7.1 Service unavailable - try again later"]);
    assert_eq!(server.faults(), ["Edit"]);
    let record = server.log.take().pop().unwrap();
    assert!(
        record.ends_with("Err(\"edit cannot be sent: \\\"del_rcpt <a\\\\\\\\x00b>\\\"\")"),
        "{record}"
    );
}

#[tokio::test]
async fn without_macros_the_envelope_itself_is_looked_at() {
    let server = Server::start();
    let mut client = server.front().await;
    client.send_strings(b'M', &[""]).await;
    client.send_strings(b'R', &["jobs@acme.example"]).await;
    client.send(b'E', b"").await;
    assert_eq!(
        shown(&client.replies().await),
        ["2 <t@h.example> NOTIFY=NEVER", "- jobs@acme.example", "c"]
    );
    assert_eq!(
        server.log.take(),
        [
            "front from ",
            "rcpt jobs@acme.example",
            "record NOQUEUE from  to jobs@acme.example Ok(())",
        ]
    );
}

#[tokio::test]
async fn a_message_keeps_the_configuration_it_began_with() {
    let server = Server::start();
    let mut client = server.handoff().await;
    client.mail("a@example.org").await;
    client.rcpt_reply("t@h.example").await;
    let second = Fake::default();
    let second_log = second.log.clone();
    server.shell.reload(second);
    client.field("Subject", " hi").await;
    client.eom("4Zx1").await;
    assert_eq!(
        server.log.take(),
        [
            "handoff from a@example.org",
            "rcpt t@h.example",
            "field Subject: hi",
            "record 4Zx1 from a@example.org to t@h.example Ok(())",
        ]
    );
    assert!(second_log.take().is_empty());
    client.mail("b@example.org").await;
    client.rcpt_reply("t@h.example").await;
    client.eom("4Zx2").await;
    assert_eq!(second_log.take().len(), 3);
    assert!(server.log.take().is_empty());
}

#[tokio::test]
async fn a_message_given_up_leaves_nothing_behind() {
    let server = Server::start();
    for ending in [&b"A"[..], b"", b"AA"] {
        let mut client = server.front().await;
        client.macros(b'M', &["{auth_authen}", "anna", "{client_addr}", "192.0.2.9"]).await;
        client.send_strings(b'M', &["<a@example.org>"]).await;
        client.rcpt("jobs-a@acme.example").await;
        for code in ending {
            client.send(*code, b"").await;
        }
        client.mail("b@example.org").await;
        client.rcpt("colleague@acme.example").await;
        assert_eq!(shown(&client.eom("4Zx1").await), ["c"]);
        client.mail("c@example.org").await;
        client.rcpt("jobs-c@acme.example").await;
        client.eom("4Zx2").await;
        assert_eq!(
            server.log.take()[2..],
            [
                "front from c@example.org client 192.0.2.1",
                "rcpt jobs-c@acme.example",
                "record 4Zx2 from c@example.org to jobs-c@acme.example Ok(())",
            ]
        );
    }
}

#[tokio::test]
async fn what_postfix_does_not_offer_is_named() {
    let server = Server::start();
    for (socket, actions, options, missing) in [
        (&server.front, 0x7f, 0x1f_ffff, "ADD_RCPT_EXT"),
        (&server.front, 0x1ff, 0x3ff, "NOREPLY_MAIL, NOREPLY_RCPT, NOREPLY_DATA"),
        (&server.handoff, 0x1bf, 0xf_ffff, "CHANGE_SENDER, LEADING_SPACE"),
    ] {
        let mut client = Client::connect(socket).await;
        client.offer(actions, options).await;
        assert!(client.ended().await);
        let notice = server.notices.lock().unwrap().pop().unwrap();
        let Notice::Negotiation { missing: told, .. } = notice else {
            panic!("{notice}");
        };
        assert_eq!(told, missing);
    }
    server.works().await;
}

#[tokio::test]
async fn a_probe_is_answered_on_both_sockets() {
    use crate::milter::liveness::{Liveness, ask};
    let server = Server::start();
    for path in [&server.front, &server.handoff] {
        let socket = Socket::Unix(path.clone());
        assert_eq!(ask(&socket, SOON).await.unwrap(), Liveness::Answers);
    }
}

/// A step of a random dialogue.
#[derive(Clone, Debug)]
enum Step {
    Mail,
    Ours,
    Other,
    Code(u8),
}

fn dialogue() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => Just(Step::Mail),
        4 => Just(Step::Ours),
        2 => Just(Step::Other),
        6 => proptest::sample::select(b"EETANU".to_vec()).prop_map(Step::Code),
    ];
    proptest::collection::vec(step, 0..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]
    /// Each MAIL has a number, and each recipient that of the last MAIL. Whatever the order of
    /// commands, no decision sees two numbers, and none is made twice.
    #[test]
    fn no_dialogue_mixes_two_messages(steps in dialogue(), pass in 0..3) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let records = runtime.block_on(async {
            let server = Server::start();
            let mut client = match pass {
                0 => server.front().await,
                1 => server.submission().await,
                _ => server.handoff().await,
            };
            let mut number = 0;
            for step in steps {
                match step {
                    Step::Mail => {
                        number += 1;
                        client.mail(&format!("m{number}@example.org")).await;
                    }
                    Step::Ours => client.rcpt(&format!("jobs-m{number}@acme.example")).await,
                    Step::Other => client.rcpt("colleague@acme.example").await,
                    Step::Code(b'U') => client.send_strings(b'U', &["HELP"]).await,
                    Step::Code(code) => client.send(code, b"").await,
                }
            }
            client.send(b'Q', b"").await;
            while client.receive().await.is_some() {}
            server.works().await;
            server.log.take()
        });
        let mut seen = Vec::new();
        for record in records.iter().filter(|line| line.starts_with("record NOQUEUE")) {
            let (sender, recipients) = record[20..].split_once(" to ").unwrap();
            let number = sender.strip_suffix("@example.org").unwrap();
            prop_assert!(!seen.contains(&number.to_owned()), "twice: {}", record);
            seen.push(number.to_owned());
            for recipient in recipients.split(' ').filter(|r| r.starts_with("jobs")) {
                prop_assert_eq!(recipient, format!("jobs-{number}@acme.example"));
            }
        }
    }
}
