//! A panic or a hang at each stage: that message is deferred without any edit, and nobody else
//! notices.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::sync::atomic::{AtomicBool, Ordering};

use super::client::{Client, Frame};
use super::*;
use crate::milter::stage::{Pass, Stage};

const DEFERRED: &str = "y 451 4.7.1 Service unavailable - try again later";

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    Panic,
    Hang,
    Slow,
}

/// A hook that strikes once, when the pass and the stage are reached for the first time after it
/// was armed.
fn strike(at: (Pass, Stage), fault: Fault) -> (StageHook, Arc<AtomicBool>) {
    let armed = Arc::new(AtomicBool::new(true));
    let trigger = Arc::clone(&armed);
    let hook: StageHook = Arc::new(move |pass, stage| {
        let strikes = (pass, stage) == at && trigger.swap(false, Ordering::SeqCst);
        Box::pin(async move {
            match fault {
                _ if !strikes => {}
                Fault::Panic => panic!("injected at {stage}"),
                Fault::Hang => std::future::pending().await,
                Fault::Slow => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        })
    });
    (hook, armed)
}

/// One whole message. Gives the reply that decided it and whether there were edits.
async fn message(client: &mut Client, pass: Pass) -> (String, usize) {
    if pass == Pass::Submission {
        let reply = client.mail_reply("a@example.org").await;
        if reply != "c" {
            return (reply, 0);
        }
    } else {
        client.mail("a@example.org").await;
    }
    match pass {
        Pass::Submission => {
            let reply = client.rcpt_reply("x@example.org").await;
            if reply != "c" {
                client.abort().await;
                return (reply, 0);
            }
            client.field("Subject", " hi").await;
        }
        Pass::Front => {
            client.rcpt("jobs@acme.example").await;
            let reply = client.data().await;
            if reply != "c" {
                return (reply, 0);
            }
        }
        Pass::Handoff => {
            let reply = client.rcpt_reply("t@h.example").await;
            if reply != "c" {
                // A refused recipient is not a refused message: without another Postfix gives up.
                client.abort().await;
                return (reply, 0);
            }
            client.field("Subject", " hi").await;
            client.send(b'B', b"hi\r\n").await;
            let reply = client.replies().await.remove(0).to_string();
            if reply != "s" {
                return (reply, 0);
            }
        }
    }
    let replies = client.eom("4Zx1").await;
    let reply = replies.last().map(Frame::to_string).unwrap();
    (reply, replies.len() - 1)
}

fn stages(pass: Pass) -> impl Iterator<Item = Stage> {
    Stage::ALL.into_iter().filter(move |stage| match pass {
        Pass::Front => !matches!(stage, Stage::Header | Stage::Body),
        Pass::Submission => !matches!(stage, Stage::Data | Stage::Body),
        Pass::Handoff => *stage != Stage::Data,
    })
}

/// Strikes one message and shows that only it is hurt. Gives the faults that were told.
async fn struck(pass: Pass, stage: Stage, fault: Fault) -> Vec<String> {
    let (hook, armed) = strike((pass, stage), fault);
    let mut setup = Setup { hook: Some(hook), ..Setup::default() };
    setup.policy.accept_early = true; // so that there is DATA
    if fault == Fault::Hang {
        setup.policy.deadline = Duration::from_millis(300);
    }
    let server = setup.start();
    let socket = match pass {
        Pass::Front => &server.front,
        Pass::Submission => &server.submission,
        Pass::Handoff => &server.handoff,
    };
    armed.store(false, Ordering::SeqCst);
    let mut neighbour = Client::connect(socket).await;
    neighbour.negotiate().await;
    neighbour.mail("b@example.org").await;
    match pass {
        Pass::Front => {
            neighbour.rcpt("jobs@acme.example").await;
            assert_eq!(neighbour.data().await, "c");
        }
        Pass::Submission => {
            assert_eq!(neighbour.receive().await.unwrap().to_string(), "c");
            assert_eq!(neighbour.rcpt_reply("x@example.org").await, "c");
        }
        Pass::Handoff => assert_eq!(neighbour.rcpt_reply("t@h.example").await, "c"),
    }

    armed.store(true, Ordering::SeqCst);
    let mut client = Client::connect(socket).await;
    client.offer(0x1ff, 0x1f_ffff).await;
    let at = format!("{pass} {stage} {fault:?}");
    let edits = if pass == Pass::Handoff { 5 } else { 2 };
    let passed = ("c".to_owned(), edits);
    match client.receive().await {
        None => assert!(stage == Stage::Negotiate && fault != Fault::Slow, "{at}"),
        Some(negotiated) => {
            client.options = u32::from_be_bytes(negotiated.data[8..12].try_into().unwrap());
            let expected = match fault {
                Fault::Slow => passed.clone(),
                _ => (DEFERRED.to_owned(), 0),
            };
            assert_eq!(message(&mut client, pass).await, expected, "{at}");
            // The same session serves the next message.
            assert_eq!(message(&mut client, pass).await, passed, "{at}");
        }
    }
    assert!(!armed.load(Ordering::SeqCst), "{at} was never reached");
    neighbour.abort().await;
    assert_eq!(message(&mut neighbour, pass).await, passed, "{at}");
    server.faults()
}

async fn everywhere(fault: Fault, told: &[&str]) {
    for pass in [Pass::Front, Pass::Submission, Pass::Handoff] {
        for stage in stages(pass) {
            assert_eq!(struck(pass, stage, fault).await, told, "{pass} {stage}");
        }
    }
}

#[tokio::test]
async fn a_panic_at_any_stage_defers_that_message_only() {
    everywhere(Fault::Panic, &["Panic"]).await;
}

#[tokio::test]
async fn a_hang_at_any_stage_defers_that_message_only() {
    everywhere(Fault::Hang, &["Deadline"]).await;
}

#[tokio::test]
async fn slowness_within_the_deadline_hurts_nobody() {
    everywhere(Fault::Slow, &[]).await;
}

#[tokio::test]
async fn a_record_that_panics_does_not_defer_the_message() {
    let mut setup = Setup::default();
    setup.policy.bad_record = true;
    let server = setup.start();
    server.works().await;
    assert_eq!(server.faults(), ["Panic"]);
}

#[tokio::test]
async fn a_panic_is_told_with_its_words_and_the_queue_id() {
    let (hook, _) = strike((Pass::Front, Stage::Eom), Fault::Panic);
    let setup = Setup { hook: Some(hook), ..Setup::default() };
    let server = setup.start();
    let mut client = server.front().await;
    client.mail("a@example.org").await;
    client.rcpt("jobs@acme.example").await;
    client.eom("4Zx1").await;
    let told = server.notices.lock().unwrap().pop().unwrap().to_string();
    assert_eq!(told, "panic at eom: injected at eom; message deferred");
}
