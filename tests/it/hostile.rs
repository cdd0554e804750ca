//! Clients and peers that do not behave: dialogues that go astray, forged fields, frames that are
//! none.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::harness::frame::{Frame, cmd};
use crate::harness::milter_client::MilterClient;
use crate::harness::site::{
    BOB, ERIKA, HR, INBOUND, JOBS, KARRIERE, OTHER_INBOUND, OTHER_JOBS, Setup, without_ours,
};
use crate::harness::socket::Endpoint;
use crate::harness::{Mail, Site, Smtp};

/// Random numbers from a seed that a failure names (splitmix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % sides as u64).unwrap()
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.roll(from.len())]
    }
}

/// What each mailbox must get: subject and mailbox, counted.
type Expected = BTreeMap<(String, String), u32>;

/// The model: where a message to these recipients arrives.
fn model(recipients: &[&str]) -> Vec<&'static str> {
    let mut out = Vec::new();
    let to = |address: &str| recipients.contains(&address);
    for (address, keeps, system) in
        [(JOBS, true, INBOUND), (KARRIERE, false, INBOUND), (OTHER_JOBS, true, OTHER_INBOUND)]
    {
        if to(address) {
            out.extend(keeps.then_some(address));
            out.push(system);
        }
    }
    out.extend([BOB, HR].into_iter().filter(|address| to(address)));
    out.sort_unstable();
    out.dedup();
    out
}

/// One session of some messages, of which some are given up in one way or another.
fn session(dice: &mut Dice, port: u16, name: &str, expected: &mut Expected) {
    let mut smtp = Smtp::hello(port);
    for number in 0..=dice.roll(4) {
        let subject = format!("{name}-{number}");
        if dice.roll(4) == 0 {
            let stray = [
                "RCPT TO:<jobs@acme.example>",
                "DATA",
                "NOOP",
                "XYZZY",
                "VRFY jobs",
                "MAIL FROM:<a",
            ];
            let _ = smtp.command(dice.pick(&stray));
            smtp.command("RSET").ok();
        }
        smtp.command(dice.pick(&["MAIL FROM:<erika@example.org>", "MAIL FROM:<>"])).ok();
        let mut recipients = Vec::new();
        for _ in 0..=dice.roll(4) {
            let all = [JOBS, KARRIERE, OTHER_JOBS, BOB, HR, "nobody@acme.example"];
            let to = dice.pick(&all);
            let answer = smtp.command(&format!("RCPT TO:<{to}>"));
            assert_eq!(answer.is_ok(), to != "nobody@acme.example", "{answer}");
            if answer.is_ok() {
                recipients.push(to);
            }
        }
        match dice.roll(6) {
            0 => {
                smtp.command("RSET").ok();
            }
            1 => {
                // A second MAIL is refused, and the first goes on.
                assert_eq!(smtp.command("MAIL FROM:<x@example.org>").code, 503);
                smtp.command("RSET").ok();
            }
            2 => {
                // Cut off within the text.
                if smtp.command("DATA").is_ok() {
                    smtp.try_send(format!("Subject: {subject}\r\n\r\nhalf").as_bytes()).unwrap();
                }
                smtp.abort();
                return;
            }
            3 => {
                smtp.abort();
                return;
            }
            _ if recipients.is_empty() => {
                smtp.command("RSET").ok();
            }
            _ => {
                let text = format!("From: {ERIKA}\r\nSubject: {subject}\r\n\r\n{subject}\r\n");
                smtp.data(text.as_bytes()).ok();
                for mailbox in model(&recipients) {
                    *expected.entry((subject.clone(), mailbox.to_owned())).or_default() += 1;
                }
            }
        }
    }
    smtp.quit();
}

#[test]
fn random_dialogues_leave_nothing_to_the_next_message() {
    let site = Site::start();
    let seed = std::process::id().into();
    println!("seed {seed}");
    let mut dice = Dice(seed);
    let mut expected = Expected::new();
    for number in 0..300 {
        session(&mut dice, site.mx.port(), &number.to_string(), &mut expected);
    }
    site.settle();
    let mut found = Expected::new();
    for one in site.mx.deliveries().into_iter().chain(site.ats.deliveries()) {
        let text = one.text();
        let subject = text.lines().find_map(|line| line.strip_prefix("Subject: ")).unwrap();
        assert!(text.ends_with(&format!("\n{subject}\n")), "seed {seed}: {text}");
        *found.entry((subject.to_owned(), one.delivered_to)).or_default() += 1;
    }
    assert!(expected.len() > 300);
    assert_eq!(found, expected, "seed {seed}");
}

#[test]
fn up_to_fifty_forged_fields_go_wherever_they_stand() {
    let site = Site::start();
    let mut dice = Dice(7);
    for count in [1, 2, 3, 5, 10, 20, 35, 50] {
        let mut fields: Vec<String> =
            (0..20).map(|n| format!("X-Honest-{n}: {n}\r\n\tfolded")).collect();
        fields.push(format!("From: {ERIKA}"));
        for n in 0..count {
            let names =
                ["System", "Address", "Envelope-Sender", "Kind", "Applicant", "Seal", "Other"];
            let name: String = format!("X-Recruiting-{}", dice.pick(&names))
                .chars()
                .map(|c| {
                    if dice.roll(2) == 0 { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }
                })
                .collect();
            let body = dice.pick(&[" forged", "forged", "\r\n forged", " a\r\n\tb\r\n\tc", ""]);
            fields.insert(dice.roll(fields.len() + 1), format!("{name}:{body}{}", n % 3));
        }
        let message = format!("{}\r\n\r\nbody\r\n", fields.join("\r\n"));
        Mail::new(ERIKA, &[JOBS], message.as_bytes()).send(site.mx.port());
        site.settle();
        let copies = site.inbound();
        assert_eq!(copies.len(), 1);
        let text = copies[0].text();
        let ours = text.lines().filter(|line| line.to_lowercase().starts_with("x-recruiting-"));
        let ours: Vec<&str> = ours.map(|line| line.split(':').next().unwrap()).collect();
        let expected = ["Seal", "System", "Address", "Envelope-Sender", "Kind", "Applicant"]
            .map(|n| format!("X-Recruiting-{n}"));
        assert_eq!(ours, expected, "{count} forged fields\n{text}");
        assert!(text.contains("X-Recruiting-Kind: application\n"));
        let sent = message.replace("\r\n", "\n");
        assert_eq!(without_ours(&copies[0].bytes, 3), without_ours(sent.as_bytes(), 0));
        site.ats.clear_deliveries();
    }
}

#[test]
fn a_flood_of_forged_fields_stays_at_home() {
    let site = Site::start();
    let message =
        format!("From: {ERIKA}\r\n{}\r\nbody\r\n", "X-Recruiting-Kind: x\r\n".repeat(500));
    Mail::new(ERIKA, &[JOBS], message.as_bytes()).send(site.mx.port());
    Mail::new(ERIKA, &[KARRIERE], message.as_bytes()).send(site.mx.port());
    site.settle();
    assert_eq!(site.inbound().len(), 0);
    assert_eq!((site.mx.maildir(JOBS).len(), site.mx.maildir(HR).len()), (1, 1));
    site.daemon.wait_for_log("reason=too-many-forged");
}

/// Frames in an order, or of a form, that no MTA sends.
fn violations() -> Vec<(&'static str, Vec<u8>)> {
    let frame = |command: u8, data: &[u8]| Frame { command, data: data.to_vec() }.to_bytes();
    let optneg = frame(cmd::OPTNEG, &[0, 0, 0, 6, 0, 0, 1, 0xff, 0, 0x1f, 0xff, 0xff]);
    let mail = frame(cmd::MAIL, b"<a@x>\0");
    let rcpt = frame(cmd::RCPT, b"<jobs@acme.example>\0");
    let eom = frame(cmd::EOM, b"");
    let all = |parts: &[&[u8]]| parts.concat();
    vec![
        ("nothing", vec![]),
        ("half a length", vec![0, 0]),
        ("a length of zero", vec![0, 0, 0, 0, b'M']),
        ("a huge length", all(&[&[0xff, 0xff, 0xff, 0xff, b'M'], &[0; 4096]])),
        ("a megabyte announced", vec![0, 0x10, 0, 0, b'L', b'x']),
        ("half a frame", all(&[&optneg, &mail[..mail.len() / 2]])),
        ("an unknown command", all(&[&optneg, &frame(b'?', b"x")])),
        ("no negotiation", all(&[&mail, &rcpt, &eom])),
        ("two negotiations", all(&[&optneg, &optneg, &mail, &rcpt, &eom])),
        ("an old version", frame(cmd::OPTNEG, &[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0])),
        ("a short negotiation", frame(cmd::OPTNEG, &[0, 0, 0, 6])),
        ("an end without a beginning", all(&[&optneg, &eom])),
        ("a recipient without a sender", all(&[&optneg, &rcpt, &eom])),
        ("a sender and an end", all(&[&optneg, &mail, &eom])),
        ("two senders", all(&[&optneg, &mail, &mail, &rcpt, &eom])),
        ("an empty sender frame", all(&[&optneg, &frame(cmd::MAIL, b"")])),
        ("no NUL at the end", all(&[&optneg, &frame(cmd::MAIL, b"<a@x>"), &rcpt, &eom])),
        ("macros that end early", all(&[&optneg, &frame(cmd::MACRO, b"M{auth_authen}\0")])),
        ("macros for nothing", all(&[&optneg, &frame(cmd::MACRO, b"")])),
        ("a field first", all(&[&optneg, &frame(cmd::HEADER, b"A\0b\0"), &eom])),
        ("a body first", all(&[&optneg, &frame(cmd::BODY, b"text"), &eom])),
        ("an abort, and on", all(&[&optneg, &mail, &frame(cmd::ABORT, b""), &rcpt, &eom])),
        ("a farewell, and on", all(&[&optneg, &frame(cmd::QUIT, b""), &mail, &rcpt])),
        ("text", b"EHLO client.example\r\nMAIL FROM:<a@x>\r\n".to_vec()),
    ]
}

#[test]
fn the_daemon_outlives_every_violation_and_serves_the_next_session() {
    let mut site = Site::prepare(Setup::default());
    site.daemon.start();
    for name in ["front.sock", "handoff.sock"] {
        let path = site.mx.queue_dir().join("recruit-milter").join(name);
        for (what, octets) in violations() {
            let mut bad = UnixStream::connect(&path).unwrap();
            bad.set_read_timeout(Some(Duration::from_millis(30))).unwrap();
            // It may hang up on us at any octet.
            let _ = bad.write_all(&octets);
            let _ = bad.read(&mut [0; 512]);
            let mut good = MilterClient::ready(&Endpoint::Unix(path.clone()));
            good.mail("<erika@example.org>", &[]).unwrap();
            let answer = good.rcpt("<bob@acme.example>", &[]).unwrap().reply.to_string();
            let expected =
                if name == "front.sock" { "continue" } else { "550 5.1.1 No such handoff address" };
            assert_eq!(answer, expected, "{name} after {what}");
        }
    }
    assert!(site.daemon.is_running());
    assert!(!site.daemon.log().contains("panic"), "{}", site.daemon.log());
}
