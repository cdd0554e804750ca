//! The harness tested by itself: what it says of Postfix, sockets and processes has to be true
//! before anything is concluded from it.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::collections::BTreeSet;
use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use recruit_milter::mail::Message;

use crate::harness::dovecot::PASSWORD;
use crate::harness::frame::{Frame, cmd};
use crate::harness::milter_client::{MilterClient, POSTFIX_3_7, parse_options};
use crate::harness::milter_reply::MilterReply;
use crate::harness::postfix;
use crate::harness::proxy::{Fault, Point, Proxy, Way};
use crate::harness::site::{BOB, Setup};
use crate::harness::{Endpoint, LIMIT, Mail, Postfix, Scratch, Site, Smtp, process, wait_until};

const HELLO: &str = "From: a@out.example\r\nSubject: hello\r\n\r\nbody\r\n";

#[test]
fn a_private_postfix_accepts_delivers_restarts_and_leaves_nothing_behind() {
    let scratch = Scratch::new();
    let mut mx = Postfix::builder(&scratch, "mx").mailbox("jobs@acme.example").start();
    Mail::new("a@out.example", &["jobs@acme.example"], HELLO).send(mx.port());
    let found = mx.wait_for_mail("jobs@acme.example", 1);
    assert_eq!(found[0].envelope_sender, "a@out.example");
    assert_eq!(found[0].original_to, "jobs@acme.example");
    assert!(found[0].text().ends_with("body\n"), "{}", found[0].text());
    let before = mx.processes();
    assert!(before.iter().any(|p| p.name == "qmgr"), "{before:?}");
    mx.restart();
    mx.sendmail("b@out.example", &["jobs+x@acme.example"], b"Subject: 2\n\n2\n");
    assert_eq!(mx.wait_for_mail("jobs+x@acme.example", 1)[0].envelope_sender, "b@out.example");
    mx.wait_until_idle();
    assert!(mx.report_records().is_empty());
    let all = [before, mx.processes()].concat();
    drop(mx);
    for p in all {
        assert!(!process::is_alive(p.pid), "{p:?} is left over");
    }
}

#[test]
fn what_cannot_be_delivered_is_bounced_or_waits_with_its_reason() {
    let scratch = Scratch::new();
    let mut ats = Postfix::builder(&scratch, "ats").catch_all().start();
    let mx = Postfix::builder(&scratch, "mx")
        .mailbox("a@acme.example")
        .param("transport_maps", &format!("inline:{{ats.example=smtp:[127.0.0.1]:{}}}", ats.port()))
        .start();
    let mut smtp = Smtp::hello(mx.port());
    let unknown = Mail::new("a@acme.example", &["nobody@acme.example"], HELLO);
    assert_eq!(smtp.try_mail(&unknown).unwrap().code, 550);
    mx.sendmail("a@acme.example", &["x@elsewhere.example"], b"Subject: 1\n\n1\n");
    let report = mx.wait_for_mail("a@acme.example", 1).remove(0);
    assert_eq!(report.envelope_sender, "");
    assert!(report.text().contains("no route out of this test"));

    ats.stop();
    smtp.try_mail(&Mail::new("a@acme.example", &["in@ats.example"], HELLO)).unwrap().ok();
    wait_until("the message is deferred", LIMIT, || {
        mx.queue().iter().any(|m| m.queue == "deferred" && m.recipients[0].1.contains("refused"))
    });
    ats.start();
    assert_eq!(ats.wait_for_mail("in@ats.example", 1)[0].envelope_sender, "a@acme.example");
    mx.wait_until_idle();
}

#[test]
fn a_message_of_twenty_megabytes_arrives_whole() {
    let scratch = Scratch::new();
    let mx = Postfix::builder(&scratch, "mx").mailbox("a@acme.example").start();
    let line = "x".repeat(76) + "\r\n";
    let message = format!("Subject: large\r\n\r\n{}", line.repeat(20 * 1024 * 1024 / line.len()));
    Mail::new("b@out.example", &["a@acme.example"], message.as_str()).send(mx.port());
    let delivered = mx.wait_for_mail("a@acme.example", 1).remove(0);
    assert!(delivered.bytes.ends_with(message.replace("\r\n", "\n").as_bytes()));
}

#[test]
fn a_colleague_logs_in_with_the_right_password_only_and_dovecot_leaves_nothing_behind() {
    let mut site = Site::with(Setup { logins: true, ..Setup::default() });
    let port = site.submission_port();
    let mail = Mail::new(BOB, &["sabine@acme.example"], HELLO);
    let refused = mail.try_send(port).unwrap();
    assert_eq!(
        refused.to_string(),
        "554 5.7.1 <unknown[127.0.0.1]>: Client host rejected: Access denied"
    );
    let mut smtp = Smtp::hello(port);
    assert_eq!(smtp.login(BOB, "wrong").code, 535);
    assert_eq!(smtp.login("eve@acme.example", PASSWORD).code, 535);
    assert_eq!(smtp.try_mail(&mail).unwrap().code, 554);
    let id = mail.send_as(BOB, PASSWORD, port);
    site.mx.wait_for_log(&format!(
        "{id}: client=unknown[127.0.0.1], sasl_method=PLAIN, sasl_username=bob@acme.example"
    ));
    site.settle();
    assert_eq!(site.mx.maildir("sabine@acme.example").len(), 1);
    let dovecot = site.dovecot.take().unwrap();
    let all = dovecot.processes();
    assert!(all.len() > 1, "{all:?}");
    drop(dovecot);
    for p in all {
        assert!(!process::is_alive(p.pid), "{p:?} is left over");
    }
}

#[test]
fn instances_side_by_side_share_nothing() {
    let ports = thread::scope(|scope| {
        let run = || {
            let scratch = Scratch::new();
            let mut mx = Postfix::builder(&scratch, "mx").mailbox("a@acme.example").start();
            for round in 1..=3 {
                Mail::new("b@out.example", &["a@acme.example"], HELLO).send(mx.port());
                assert_eq!(mx.wait_for_mail("a@acme.example", round).len(), round);
                // Postfix: stopped between a delivery and its note of it, it delivers again.
                mx.wait_until_idle();
                mx.restart();
            }
            (mx.port(), mx, scratch)
        };
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(run)).collect();
        // All are alive until the last has told its port.
        let all: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        all.iter().map(|(port, ..)| *port).collect::<BTreeSet<u16>>()
    });
    assert_eq!(ports.len(), 4);
}

#[test]
fn what_waits_in_the_queue_survives_a_power_failure() {
    let scratch = Scratch::new();
    let mut mx = Postfix::builder(&scratch, "mx")
        .mailbox("a@acme.example")
        .param("defer_transports", "virtual")
        .start();
    let id = Mail::new("b@out.example", &["a@acme.example"], HELLO).send(mx.port());
    mx.kill();
    mx.set(&[("defer_transports", "")]);
    mx.start();
    mx.flush();
    mx.wait_for_mail("a@acme.example", 1);
    mx.wait_until_idle();
    // The same message, not another. Postfix: the log is written by a process of its own, later.
    mx.wait_for_log(&format!("{id}: removed"));
}

/// A milter that adds a field and exchanges a recipient, as small as one can be. It passes on what
/// it hears.
fn small_milter(endpoint: &Endpoint) -> Receiver<Frame> {
    let listener = endpoint.listen().unwrap();
    let (heard, all) = channel();
    thread::spawn(move || {
        while let Ok(mut stream) = listener.accept() {
            let heard = heard.clone();
            thread::spawn(move || {
                while let Ok(Some(frame)) = Frame::read(&mut stream) {
                    // The test may not want to know.
                    let _ = heard.send(frame.clone());
                    if !answer(&frame, &mut stream) {
                        return;
                    }
                }
            });
        }
    });
    all
}

/// Answers one frame; whether the session goes on.
fn answer(frame: &Frame, to: &mut impl std::io::Write) -> bool {
    let frames = match frame.command {
        cmd::OPTNEG => {
            // No other options, so every command is sent and answered.
            let data = [6_u32, 0xff, 0].iter().flat_map(|n| n.to_be_bytes()).collect();
            vec![Frame { command: cmd::OPTNEG, data }]
        }
        cmd::MACRO | cmd::ABORT => Vec::new(),
        cmd::QUIT => return false,
        cmd::EOM => vec![
            Frame::strings(b'p', [""; 0]),
            Frame::strings(b'2', ["<b@acme.example>", "NOTIFY=NEVER"]),
            Frame::strings(b'h', ["X-Small", "yes"]),
            Frame::strings(b'-', ["<a@acme.example>"]),
            Frame::strings(b'c', [""; 0]),
        ],
        _ => vec![Frame::strings(b'c', [""; 0])],
    };
    let bytes: Vec<u8> = frames.iter().flat_map(Frame::to_bytes).collect();
    to.write_all(&bytes).is_ok()
}

#[test]
fn the_milter_client_reads_what_a_milter_wants() {
    let scratch = Scratch::new();
    for endpoint in [
        Endpoint::Unix(scratch.join("milter.sock")),
        Endpoint::Tcp(crate::harness::Port::reserve().number()),
    ] {
        small_milter(&endpoint);
        let mut client = MilterClient::ready(&endpoint);
        for id in ["1", "2"] {
            client.mail("<x@out.example>", &[]).unwrap();
            client.rcpt("<a@acme.example>", &[]).unwrap();
            let message = Message::parse(HELLO.as_bytes());
            assert_eq!(
                client.content(&message, id).unwrap().to_string(),
                "add_rcpt <b@acme.example> NOTIFY=NEVER\n\
                 add_header X-Small yes\n\
                 del_rcpt <a@acme.example>\n\
                 continue"
            );
        }
        assert_eq!(client.mail("<>", &[]).unwrap().reply, MilterReply::Continue);
        client.abort().unwrap();
        client.quit().unwrap();
        assert!(client.read_frame().is_err(), "closed");
    }
}

#[test]
fn the_milter_client_offers_what_postfix_offers() {
    let scratch = Scratch::new();
    let endpoint = Endpoint::Unix(scratch.join("milter.sock"));
    let listener = endpoint.listen().unwrap();
    let mx = Postfix::builder(&scratch, "mx")
        .mailbox("a@acme.example")
        .param("smtpd_milters", &endpoint.for_postfix())
        .start();
    let mut session = listener.accept().unwrap();
    let offer = Frame::read(&mut session).unwrap().unwrap();
    // A newer Postfix may offer more.
    let offered = parse_options(&offer).expect("an offer");
    let known = POSTFIX_3_7;
    assert_eq!(offered.version, known.version);
    assert_eq!(offered.actions & known.actions, known.actions);
    assert_eq!(offered.protocol & known.protocol, known.protocol);
    drop(mx);
}

#[test]
fn the_milter_client_sends_a_message_as_postfix_does() {
    let scratch = Scratch::new();
    let endpoint = Endpoint::Unix(scratch.join("milter.sock"));
    let heard = small_milter(&endpoint);
    let contents = || {
        let is_content = |f: &Frame| {
            [cmd::DATA, cmd::HEADER, cmd::EOH, cmd::BODY, cmd::EOM].contains(&f.command)
        };
        let mut frames = Vec::new();
        while frames.last().is_none_or(|f: &Frame| f.command != cmd::EOM) {
            frames.extend(Some(heard.recv_timeout(LIMIT).unwrap()).filter(is_content));
        }
        frames
    };
    let mx = Postfix::builder(&scratch, "mx")
        .mailbox("a@acme.example")
        .mailbox("b@acme.example")
        .param("smtpd_milters", &endpoint.for_postfix())
        .start();
    let body = "a line of the body\r\n.\r\n\r\n".repeat(4000);
    let message =
        format!("From: x@out.example\r\nX:no space\r\nY:  a\r\n\tb\r\nZ:\tc \r\n\r\n{body}");
    Mail::new("x@out.example", &["a@acme.example"], message.as_str()).send(mx.port());
    let of_postfix = contents();
    let mut client = MilterClient::ready(&endpoint);
    client.content(&Message::parse(message.as_bytes()), "1").unwrap();
    assert_eq!(contents(), of_postfix);
    assert!(of_postfix.iter().filter(|f| f.command == cmd::BODY).count() > 1, "in pieces");
}

/// A Postfix behind whose proxy the small milter sits.
fn with_proxy() -> (Postfix, Proxy, Scratch) {
    let scratch = Scratch::new();
    let milter = Endpoint::Unix(scratch.join("milter.sock"));
    small_milter(&milter);
    let proxy = Proxy::start(&scratch.join("proxy.sock"), milter);
    let mx = Postfix::builder(&scratch, "mx")
        .mailbox("a@acme.example")
        .mailbox("b@acme.example")
        .param("smtpd_milters", &proxy.endpoint().for_postfix())
        .start();
    (mx, proxy, scratch)
}

#[test]
fn the_proxy_passes_everything_on_and_counts_it() {
    let (mx, proxy, _scratch) = with_proxy();
    Mail::new("x@out.example", &["a@acme.example"], HELLO).send(mx.port());
    let delivered = mx.wait_for_mail("b@acme.example", 1).remove(0);
    assert!(delivered.text().contains("X-Small: yes\n"));
    assert_eq!(mx.delivery_count(), 1);
    let before = proxy.octets();
    let body = "x\r\n".repeat(1000);
    let larger = format!("{HELLO}{body}");
    Mail::new("x@out.example", &["a@acme.example"], larger).send(mx.port());
    let after = proxy.octets();
    assert!(after.0 - before.0 > body.len() as u64, "{before:?} {after:?}");
    assert!((1..1000).contains(&(after.1 - before.1)), "{before:?} {after:?}");
}

#[test]
fn the_proxy_cuts_tears_delays_and_calls_once_where_it_was_told() {
    let (mx, proxy, _scratch) = with_proxy();
    let mail = Mail::new("x@out.example", &["a@acme.example"], HELLO);
    let send = || mail.try_send(mx.port()).unwrap().code;
    // What it says when the milter is gone.
    let put_off = if postfix::version() < (3, 10, 0) { 451 } else { 421 };
    let at = |way, command, nth| Point { way, command, nth };
    for point in [
        at(Way::In, cmd::MAIL, 1),
        at(Way::In, cmd::HEADER, 2),
        at(Way::In, cmd::EOM, 1),
        at(Way::Out, b'-', 1),
    ] {
        proxy.arm(point, Fault::Cut);
        assert_eq!(send(), put_off, "{point:?}");
        assert!(!proxy.disarm(), "{point:?} was reached");
    }
    proxy.arm(at(Way::Out, b'h', 1), Fault::Tear);
    assert_eq!(send(), put_off);
    assert_eq!(mx.delivery_count(), 0, "nothing of this was taken");

    let pause = Duration::from_millis(700);
    proxy.arm(at(Way::In, cmd::EOM, 1), Fault::Delay(pause));
    let start = Instant::now();
    assert_eq!(send(), 250);
    assert!(start.elapsed() >= pause);

    // Both sides are cut: Postfix has an answer at once, and the milter no session left over.
    let panics = Fault::Call(Box::new(|| resume_unwind(Box::new("on purpose"))));
    proxy.arm(at(Way::In, cmd::EOM, 1), panics);
    assert_eq!(send(), put_off);

    let (called, calls) = channel();
    proxy.arm(at(Way::In, cmd::EOM, 2), Fault::Call(Box::new(move || called.send(()).unwrap())));
    assert_eq!(send(), 250);
    assert!(calls.try_recv().is_err(), "not at the first");
    assert_eq!(send(), 250);
    calls.recv_timeout(LIMIT).unwrap();
    mx.wait_for_mail("b@acme.example", 3);
}
