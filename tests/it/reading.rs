//! What the recruiting system hears of who applies: mail of colleagues who log in, of others who
//! claim to be colleagues, and of machines.
// SPDX-License-Identifier: GPL-3.0-or-later

mod kinds;
mod letters;
mod vouched;

use crate::harness::dovecot::PASSWORD;
use crate::harness::proxy::Way;
use crate::harness::site::{BOB, ERIKA, HR, JOBS, KARRIERE, SABINE, Setup, ours, without_ours};
use crate::harness::smtp::stuffed;
use crate::harness::{Delivered, Mail, Site, Smtp};

/// Three Received fields stand above what was sent: of the company's two smtpd, and of the system's.
const HOPS: usize = 3;
/// A client outside the company, as its Postfix sees it.
const OUTSIDE: &str = "ADDR=203.0.113.9 NAME=[UNAVAILABLE]";
/// Lets one connection be that of several clients after each other, as a proxy's is.
const ANYBODY: &str = "static:all";
const APPLICANT: &str = "candidate@example.net";

/// A copy must be these fields of ours, apart from the seal, and exactly what was sent.
#[track_caller]
fn assert_copy(copy: &Delivered, sender: &str, address: &str, about: &[&str], sent: &str) {
    let mut expected = vec![
        "X-Recruiting-System: personio".to_owned(),
        format!("X-Recruiting-Address: {address}"),
        format!("X-Recruiting-Envelope-Sender: <{sender}>"),
    ];
    expected.extend(about.iter().map(|field| format!("X-Recruiting-{field}")));
    let mut found = ours(&copy.bytes);
    let seals = found.len();
    found.retain(|field| !field.starts_with("X-Recruiting-Seal: "));
    assert_eq!(seals, found.len() + 1, "one seal");
    assert_eq!(found, expected);
    let rest = without_ours(&copy.bytes, HOPS);
    assert_eq!(String::from_utf8_lossy(&rest), sent.replace("\r\n", "\n"));
}

/// The only copy that the system got since the last call.
#[track_caller]
fn only_copy(site: &Site) -> Delivered {
    site.settle();
    let mut copies = site.inbound();
    assert_eq!(copies.len(), 1);
    site.ats.clear_deliveries();
    copies.remove(0)
}

fn with_logins(config: &str) -> Site {
    Site::with(Setup { logins: true, config: config.to_owned(), ..Setup::default() })
}

/// A session of a client outside the company.
fn outside(site: &Site) -> Smtp {
    let mut smtp = Smtp::hello(site.mx.port());
    smtp.xclient(OUTSIDE);
    smtp
}

/// The three forwards, with what our fields say of them if a colleague is believed.
fn forwards() -> [(String, [&'static str; 3]); 3] {
    let forwarder = "Forwarder: <sabine@acme.example>";
    [
        (
            letters::outlook(letters::SABINE, APPLICANT),
            [
                "Kind: forward-inline",
                "Applicant: =?utf-8?B?SsO2cmcgTcO8bGxlcg==?= <candidate@example.net>; source=inline-forward; confidence=certain",
                forwarder,
            ],
        ),
        (
            letters::gmail(letters::SABINE, APPLICANT),
            [
                "Kind: forward-inline",
                "Applicant: Max Muster <candidate@example.net>; source=inline-forward; confidence=certain",
                forwarder,
            ],
        ),
        (
            letters::attached(letters::SABINE, APPLICANT),
            [
                "Kind: forward-attached",
                "Applicant: =?utf-8?B?w4lsb8Ovc2UgTWFyY2hhbmQ=?= <candidate@example.net>; source=attached-message; confidence=certain",
                forwarder,
            ],
        ),
    ]
}

/// What our fields say of a mail with a colleague as its author that nothing shows to be one.
const UNPROVEN: [&str; 2] = ["Kind: application", "Review: applicant"];

/// What our fields say of an outsider's own mail.
const EVE: [&str; 2] =
    ["Kind: application", "Applicant: Eve <eve@evil.example>; source=from; confidence=certain"];

#[test]
fn a_colleague_who_logged_in_forwards_by_hand_and_the_system_hears_of_the_applicant() {
    let site = with_logins("");
    let port = site.submission_port();
    for address in [JOBS, KARRIERE] {
        for (message, about) in forwards() {
            Mail::new(SABINE, &[address], message.as_str()).send_as(SABINE, PASSWORD, port);
            assert_copy(&only_copy(&site), SABINE, address, &about, &message);
        }
    }
    // The login counts, not whose name it is: another colleague's mail is a colleague's as well.
    let (message, about) = &forwards()[0];
    Mail::new(SABINE, &[JOBS], message.as_str()).send_as(BOB, PASSWORD, port);
    assert_copy(&only_copy(&site), SABINE, JOBS, about, message);
    let local = site.mx.maildir(JOBS);
    assert_eq!(local.len(), 4, "and the mailbox of the address has its own");
    assert!(local.iter().all(|mail| !mail.text().contains("X-Recruiting-")));
    assert_eq!(site.mx.delivery_count(), 4);
}

#[test]
fn the_same_mail_from_outside_with_a_forged_sender_is_not_unwrapped() {
    let site = with_logins("");
    for (message, _) in forwards() {
        outside(&site).try_mail(&Mail::new(SABINE, &[JOBS], message.as_str())).unwrap().ok();
        assert_copy(&only_copy(&site), SABINE, JOBS, &UNPROVEN, &message);
    }
    // Nor does it help to name a login where none was made, to fail at one, or to be refused AUTH.
    let (message, _) = &forwards()[0];
    let mail = Mail::new(SABINE, &[JOBS], message.as_str());
    let mut smtp = outside(&site);
    assert_eq!(smtp.login(SABINE, PASSWORD).code, 503, "no AUTH on port 25 here");
    smtp.try_mail(&mail).unwrap().ok();
    assert_copy(&only_copy(&site), SABINE, JOBS, &UNPROVEN, message);
    let with_auth = mail.clone().mail_arg("AUTH=sabine@acme.example");
    // Postfix: takes AUTH= (RFC 4954 5) from anybody and logs it as sasl_sender.
    smtp.try_mail(&with_auth).unwrap().ok();
    assert_copy(&only_copy(&site), SABINE, JOBS, &UNPROVEN, message);
    // An outsider under an own name is the applicant, whatever the mail quotes.
    let own = letters::gmail("Eve <eve@evil.example>", APPLICANT);
    outside(&site).try_mail(&Mail::new("eve@evil.example", &[JOBS], own.as_str())).unwrap().ok();
    let about =
        ["Kind: application", "Applicant: Eve <eve@evil.example>; source=from; confidence=certain"];
    assert_copy(&only_copy(&site), "eve@evil.example", JOBS, &about, &own);
}

#[test]
fn a_client_in_an_internal_network_is_believed_and_one_without_an_address_is_not() {
    let networks = "[internal]\nnetworks = [\"10.0.0.0/8\", \"127.0.0.1/32\"]\n";
    let site = Site::with(Setup {
        config: networks.to_owned(),
        mx: Some(|mx| mx.param("smtpd_authorized_xclient_hosts", ANYBODY)),
        ..Setup::default()
    });
    let (message, about) = &forwards()[0];
    let mail = Mail::new(SABINE, &[JOBS], message.as_str());
    // One connection, as a proxy makes it for many clients.
    let mut smtp = Smtp::hello(site.mx.port());
    for (client, inside) in [
        ("ADDR=10.1.2.3", true),
        ("ADDR=11.1.2.3", false),
        ("ADDR=[UNAVAILABLE]", false),
        ("ADDR=203.0.113.9 NAME=mail.acme.example HELO=[10.1.2.3]", false),
    ] {
        smtp.xclient(client);
        smtp.try_mail(&mail).unwrap().ok();
        let about = if inside { &about[..] } else { &UNPROVEN };
        assert_copy(&only_copy(&site), SABINE, JOBS, about, message);
    }
    // Postfix: mail from sendmail(1) counts as mail from 127.0.0.1, which is listed above.
    site.mx.sendmail(SABINE, &[JOBS], message.replace("\r\n", "\n").as_bytes());
    assert_copy(&only_copy(&site), SABINE, JOBS, about, message);
}

#[test]
fn a_login_lasts_as_long_as_its_connection_and_no_longer() {
    let site = Site::with(Setup {
        logins: true,
        mx: Some(|mx| {
            mx.smtpd_option("smtpd_sasl_auth_enable", "yes")
                .param("smtpd_authorized_xclient_hosts", ANYBODY)
        }),
        ..Setup::default()
    });
    let (message, trusted) = &forwards()[1];
    let mail = Mail::new(SABINE, &[JOBS], message.as_str());
    let next = |smtp: &mut Smtp, about: &[&str]| {
        smtp.try_mail(&mail).unwrap().ok();
        assert_copy(&only_copy(&site), SABINE, JOBS, about, message);
    };
    // Not before the login, nor after one that failed.
    let mut smtp = outside(&site);
    next(&mut smtp, &UNPROVEN);
    assert_eq!(smtp.login(SABINE, "wrong").code, 535);
    next(&mut smtp, &UNPROVEN);
    smtp.login(SABINE, PASSWORD).ok();
    next(&mut smtp, trusted);
    // RFC 4954 4: it holds until the connection ends, whatever is given up meanwhile.
    smtp.command("RSET").ok();
    smtp.pipeline(&[&mail.mail_line(), &mail.rcpt_lines()[0], "RSET"]);
    next(&mut smtp, trusted);
    // A proxy goes on with another client.
    smtp.xclient(OUTSIDE);
    next(&mut smtp, &UNPROVEN);
    smtp.xclient("LOGIN=sabine@acme.example");
    next(&mut smtp, trusted);
    smtp.xclient("LOGIN=[UNAVAILABLE]");
    next(&mut smtp, &UNPROVEN);
    smtp.quit();
    next(&mut outside(&site), &UNPROVEN);
}

#[test]
fn the_second_of_two_pipelined_messages_is_read_by_itself() {
    let site = with_logins("");
    let (first, about_first) = &forwards()[1];
    let second = letters::gmail("Eve <eve@evil.example>", "somebody@example.net");
    let mut smtp = Smtp::hello(site.submission_port());
    smtp.login(SABINE, PASSWORD).ok();
    let start = |sender: &str| {
        let mail = Mail::new(sender, &[JOBS], "");
        format!("{}\r\n{}\r\nDATA\r\n", mail.mail_line(), mail.rcpt_lines()[0])
    };
    let mut replies = |bytes: &[u8], codes: &[u16]| {
        smtp.try_send(bytes).unwrap();
        for code in codes {
            assert_eq!(smtp.try_reply().unwrap().code, *code);
        }
    };
    replies(start(SABINE).as_bytes(), &[250, 250, 354]);
    // RFC 2920 3.1: the message itself may be the first of a group.
    let middle = [&stuffed(first.as_bytes())[..], start("eve@evil.example").as_bytes()].concat();
    replies(&middle, &[250, 250, 250, 354]);
    replies(&stuffed(second.as_bytes()), &[250]);
    site.settle();
    let mut copies = site.inbound();
    copies.sort_by_key(|copy| copy.text().contains("evil.example"));
    assert_eq!(copies.len(), 2);
    assert_copy(&copies[0], SABINE, JOBS, about_first, first);
    assert_copy(&copies[1], "eve@evil.example", JOBS, &EVE, &second);
}

/// A message with a first part and 20 MB of attachment behind it.
fn large(message: &str) -> String {
    let line = format!("{}\r\n", "QUJD".repeat(19));
    let part = line.repeat(20 * 1024 * 1024 / line.len());
    let (header, body) = message.split_once("\r\n\r\n").unwrap();
    let (_, content_type) = header.split_once("Content-Type: ").unwrap();
    let header = header.replace(content_type, "multipart/mixed; boundary=large");
    format!(
        "{header}\r\n\r\n--large\r\nContent-Type: {content_type}\r\n\r\n{body}\r\n--large\r\n\
         Content-Type: application/pdf; name=cv.pdf\r\nContent-Disposition: attachment\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n{part}--large--\r\n"
    )
}

/// Postfix sends a body in pieces of at most this size.
// Postfix: MILTER_CHUNK_SIZE is 65535.
const PIECE: u64 = 65_535;
/// No report on a copy is larger than this.
const REPORT: u64 = 8 * 1024;

#[test]
fn a_large_mail_goes_on_whole_and_is_not_read_further_than_needed() {
    let site = Site::with(Setup {
        logins: true,
        proxies: true,
        config: "[reading]\nlimit = \"256K\"\n".to_owned(),
        ..Setup::default()
    });
    let [front, handoff] = site.proxies.as_ref().unwrap();
    // One of the mail; and Postfix's report that the system took the copy comes in one.
    let assert_one_piece = |(pieces, octets): (u64, u64)| {
        let expected = pieces == 2 && octets < PIECE + REPORT;
        assert!(expected, "{pieces} pieces, {octets} octets");
    };
    let mut seen = (0, 0);
    let mut read = || {
        let now = handoff.frames(Way::In, b'B');
        let since = (now.0 - seen.0, now.1 - seen.1);
        seen = now;
        since
    };
    let port = site.submission_port();
    for (message, about) in forwards() {
        let message = large(&message);
        Mail::new(SABINE, &[JOBS], message.as_str()).send_as(SABINE, PASSWORD, port);
        assert_copy(&only_copy(&site), SABINE, JOBS, &about, &message);
        let (_, octets) = read();
        let limit = 256 * 1024;
        let most = limit + PIECE + REPORT;
        assert!((limit..most).contains(&octets), "{octets} octets were read");
    }
    // Nothing in the body could change these.
    let forged = large(&letters::outlook(letters::SABINE, APPLICANT));
    outside(&site).try_mail(&Mail::new(SABINE, &[JOBS], forged.as_str())).unwrap().ok();
    assert_copy(&only_copy(&site), SABINE, JOBS, &UNPROVEN, &forged);
    assert_one_piece(read());
    let own = large(&letters::gmail("Eve <eve@evil.example>", APPLICANT));
    outside(&site).try_mail(&Mail::new("eve@evil.example", &[JOBS], own.as_str())).unwrap().ok();
    assert_copy(&only_copy(&site), "eve@evil.example", JOBS, &EVE, &own);
    assert_one_piece(read());
    assert_eq!(front.frames(Way::In, b'B'), (0, 0), "pass 1 sees no body at all");
    assert_eq!(front.frames(Way::In, b'L'), (0, 0), "nor a header");
}
