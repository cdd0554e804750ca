//! Mail on which nothing can be decided: none of it lies in the queue until it is gone, and its sender
//! hears nothing, whoever that is.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use recruit_milter::mail::Address;
use recruit_milter::policy::keys::Keys;
use recruit_milter::policy::token::{
    Bounce, Flags, HANDOFF_LIFE, Handoff, OutgoingBounce, TokenId, Way, route_mark, rule_tag,
};
use rustix::process::Signal;

use crate::harness::postfix::Builder;
use crate::harness::site::{BOB, ERIKA, HR, JOBS, KARRIERE, SABINE, Setup, without_ours};
use crate::harness::{LIMIT, Mail, Site, Smtp, wait_until};

const MESSAGE: &str =
    "From: erika@example.org\r\nSubject: x\r\nX-Recruiting-Kind: forged\r\n\r\nx\r\n";

/// Somebody outside.
const OUTSIDE: &str = "ADDR=198.51.100.7";

/// Postfix keeps mail for half a minute, and tells senders at once of what waits.
fn short(mx: Builder) -> Builder {
    mx.param("maximal_queue_lifetime", "30s")
        .param("bounce_queue_lifetime", "30s")
        .param("delay_warning_time", "1s")
        .param("queue_run_delay", "2s")
        .param("minimal_backoff_time", "3s")
        .param("maximal_backoff_time", "3s")
}

/// A scene, not running yet, in which copies are given up after some seconds.
fn prepared(config: &str, give_up_after: &str) -> Site {
    let site = Site::prepare(Setup { mx: Some(short), config: config.into(), ..Setup::default() });
    let text = site.config_text();
    let line = format!("[handoff]\ngive_up_after = \"{give_up_after}\"\n");
    fs::write(&site.config, text.replace("[handoff]\n", &line)).unwrap();
    site
}

/// Nobody was told anything by Postfix.
fn nobody_heard(site: &Site) {
    site.settle();
    let log = site.mx.log();
    for word in ["notification", "status=bounced", "expired"] {
        assert!(!log.contains(word), "{word}: {log}");
    }
}

/// Pass 2 is away as long as this lives.
struct Away(PathBuf);

impl Away {
    fn of(site: &Site) -> Self {
        let socket = site.mx.queue_dir().join("recruit-milter/handoff.sock");
        fs::rename(&socket, socket.with_extension("hidden")).unwrap();
        Self(socket)
    }

    fn back(self) {
        fs::rename(self.0.with_extension("hidden"), &self.0).unwrap();
    }
}

fn key_file(site: &Site) -> PathBuf {
    site.scratch().join("seal.key")
}

/// Another key under another number, as if the file were lost.
fn lose_the_key(file: &Path) {
    fs::write(file, format!("9 {}=\n", "A".repeat(43))).unwrap();
}

fn reload(site: &Site) {
    site.daemon.signal(Signal::HUP);
    site.daemon.wait_for_log("reloaded: ");
}

/// The subjects in a mailbox, each of which must hold what was sent.
fn got(site: &Site, address: &str) -> Vec<String> {
    let all = site.mx.maildir(address);
    let subject = |text: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix("Subject: "));
        line.unwrap_or_default().to_owned()
    };
    let mut subjects: Vec<String> = all.iter().map(|mail| subject(&mail.text())).collect();
    subjects.sort();
    subjects
}

fn send(site: &Site, to: &str, subject: &str) {
    let message = MESSAGE.replace("Subject: x", &format!("Subject: {subject}"));
    Mail::new(ERIKA, &[to], message.as_str()).send(site.mx.port());
}

#[test]
fn copies_whose_key_is_gone_go_to_where_the_configuration_says() {
    let mut site = prepared(&format!("[alerts]\nto = [\"{BOB}\"]\n"), "6s");
    site.run();
    let away = Away::of(&site);
    send(&site, KARRIERE, "no copy");
    send(&site, JOBS, "copy");
    site.mx.wait_for_log("status=deferred");
    lose_the_key(&key_file(&site));
    reload(&site);
    away.back();
    // Until then it waits.
    site.daemon.wait_for_log("alarm=unknown-handoff");
    wait_until("the only copy is with the fallback", LIMIT, || got(&site, HR) == ["no copy"]);
    // Whether there is a copy in the mailbox nobody can say any more: rather two than none.
    wait_until("the other is there twice", LIMIT, || got(&site, JOBS) == ["copy", "copy"]);
    nobody_heard(&site);
    let given = &site.mx.maildir(HR)[0];
    assert!(given.text().contains("X-Recruiting-Kind: forged"), "it was not opened");
    let bytes = String::from_utf8_lossy(&without_ours(&given.bytes, 3)).into_owned();
    assert_eq!(bytes, "From: erika@example.org\nSubject: no copy\n\nx\n");
    let log = site.daemon.log();
    assert!(log.contains("alarm=given-up, to=<hr@acme.example>, reason=unknown-key"), "{log}");
    assert_eq!((site.inbound().len(), got(&site, KARRIERE).len()), (0, 0));
    // Who hears of trouble is told, in a mail of the program's own.
    let told = site.mx.wait_for_mail(BOB, 1).swap_remove(0).text();
    assert!(
        told.contains("Nothing could be decided about a mail to karriere@acme.example"),
        "{told}"
    );
    let trace = site.journal();
    assert!(
        trace.iter().any(|line| line.contains("\"given-up\"") && line.contains("unknown-key")),
        "{trace:#?}"
    );
}

#[test]
fn copies_whose_address_is_gone_go_to_that_address_where_it_kept_none() {
    let mut site = prepared("", "6s");
    site.run();
    let away = Away::of(&site);
    send(&site, KARRIERE, "no copy");
    send(&site, JOBS, "copy");
    site.mx.wait_for_log("status=deferred");
    let text = site.config_text();
    let table = format!("[address.\"{KARRIERE}\"]\nlocal_copy = false\nfallback = \"{HR}\"\n");
    let without = text.replace(&format!("\"{JOBS}\", \"{KARRIERE}\""), "\"else@acme.example\"");
    assert!(without.contains(&table) && without != text);
    site.daemon.configure(&without.replace(&table, ""));
    reload(&site);
    away.back();
    // We have signed that it was a recruiting address of ours.
    wait_until("it is at its address", LIMIT, || got(&site, KARRIERE) == ["no copy"]);
    wait_until("the other has ended", LIMIT, || {
        let log = site.daemon.log();
        log.contains("action=kept") && log.contains("alarm=given-up, reason=unknown-address")
    });
    nobody_heard(&site);
    assert_eq!(got(&site, JOBS), ["copy"]);
    assert_eq!((site.mx.delivery_count(), site.inbound().len()), (2, 0));
}

#[test]
fn a_copy_whose_leading_address_is_gone_goes_to_the_system_by_itself() {
    let mut site = prepared("", "6s");
    site.run();
    let away = Away::of(&site);
    // One copy for both, led by the first.
    Mail::new(ERIKA, &[JOBS, KARRIERE], MESSAGE).send(site.mx.port());
    site.mx.wait_for_log("status=deferred");
    let text = site.config_text();
    let without = text.replace(&format!("\"{JOBS}\", \"{KARRIERE}\""), &format!("\"{KARRIERE}\""));
    assert_ne!(without, text);
    site.daemon.configure(&without);
    reload(&site);
    away.back();
    wait_until("the system has it", LIMIT, || site.inbound().len() == 1);
    site.daemon.wait_for_log("alarm=given-up, reason=unknown-address");
    site.settle();
    assert!(site.inbound()[0].text().contains("X-Recruiting-Address: karriere@acme.example\n"));
    assert_eq!(
        (got(&site, JOBS).len(), got(&site, KARRIERE).len(), got(&site, HR).len()),
        (1, 0, 0)
    );
}

#[test]
fn where_key_and_address_are_gone_it_goes_to_whom_alerts_go_to() {
    let mut site = prepared(&format!("[alerts]\nto = [\"{BOB}\"]\n"), "6s");
    site.run();
    let away = Away::of(&site);
    send(&site, KARRIERE, "no copy");
    site.mx.wait_for_log("status=deferred");
    let text = site.config_text();
    let table = format!("[address.\"{KARRIERE}\"]\nlocal_copy = false\nfallback = \"{HR}\"\n");
    let without = text.replace(&format!("\"{JOBS}\", \"{KARRIERE}\""), &format!("\"{JOBS}\""));
    site.daemon.configure(&without.replace(&table, ""));
    lose_the_key(&key_file(&site));
    reload(&site);
    away.back();
    wait_until("somebody has it", LIMIT, || got(&site, BOB).contains(&"no copy".to_owned()));
    nobody_heard(&site);
    assert_eq!(got(&site, KARRIERE), [""; 0], "only the message names it");
}

/// The keys in the key file.
fn keys(site: &Site) -> Keys {
    let text = fs::read_to_string(key_file(site)).unwrap();
    let secret = text.lines().find_map(|line| line.strip_prefix("1 ")).unwrap();
    let secret = data_encoding::BASE64.decode(secret.trim().as_bytes()).unwrap();
    Keys::new(vec![(1, secret)]).unwrap()
}

#[test]
fn copies_that_have_expired_are_given_back_at_once() {
    let site = Site::with(Setup { mx: Some(short), ..Setup::default() });
    let made = SystemTime::now() - Duration::from_secs(HANDOFF_LIFE + 60);
    let made = made.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    for (to, kept) in [(KARRIERE, false), (JOBS, false), (OTHER, true)] {
        let id = TokenId { time: u32::try_from(made).unwrap(), nonce: *b"abcdef" };
        let flags = Flags { kept, ..Flags::default() };
        let token = Handoff { way: Way::Forward, id, flags, leader: [0; 4] };
        let local = token.local_part(&keys(&site), &Address::parse(to).unwrap()).unwrap();
        let mut smtp = Smtp::hello(site.handoff_port());
        smtp.command(&format!("MAIL FROM:<{ERIKA}>")).ok();
        let rcpt = format!("RCPT TO:<{local}@handoff.recruit-milter.internal> ORCPT=rfc822;{to}");
        smtp.command(&rcpt).ok();
        smtp.data(MESSAGE.as_bytes()).ok();
    }
    nobody_heard(&site);
    assert_eq!((got(&site, HR).len(), got(&site, JOBS).len()), (1, 1));
    assert_eq!((site.mx.delivery_count(), site.inbound().len()), (2, 0));
    let alarms = || site.daemon.log().matches("alarm=given-up").count();
    wait_until("each is told", LIMIT, || alarms() == 3);
}

const OTHER: &str = crate::harness::site::OTHER_JOBS;

/// What anybody can write behind the delimiter: letters that decode to a key that never was.
fn strange(rule: &str) -> [String; 2] {
    let keys = Keys::new(vec![(77, vec![7; 32])]).unwrap();
    let id = TokenId { time: 5, nonce: *b"forged" };
    let copy = Bounce { id, flags: Flags::default(), rule: rule_tag(rule) };
    let outgoing = OutgoingBounce { id, route: route_mark("own"), rule: rule_tag(rule) };
    [copy.extension(&keys).unwrap(), outgoing.extension(&keys).unwrap()]
}

#[test]
fn a_stranger_leaves_nothing_behind_and_nobody_hears_of_him() {
    let config = format!("[alerts]\nto = [\"{SABINE}\"]\n");
    let site = Site::with(Setup { mx: Some(short), config, ..Setup::default() });
    let mut smtp = Smtp::hello(site.mx.port());
    smtp.xclient(OUTSIDE);
    // The handoff domain is not to be written to from outside, in whatever way.
    let token = "t".to_owned() + &"a".repeat(45);
    smtp.command("MAIL FROM:<victim@example.net>").ok();
    for domain in ["handoff.recruit-milter.internal", "return.handoff.recruit-milter.internal"] {
        for to in [
            format!("{token}@{domain}"),
            format!("{token}%{domain}@acme.example"),
            format!("{domain}!{token}@acme.example"),
            format!("@acme.example:{token}@{domain}"),
            format!("\"{token}@{domain}\"@acme.example"),
        ] {
            let reply = smtp.command(&format!("RCPT TO:<{to}>"));
            assert!((500..600).contains(&reply.code), "{to}: {reply}");
        }
    }
    smtp.command("RSET").ok();
    // The bounce address is, by anybody.
    let extensions =
        [strange(KARRIERE).to_vec(), strange("never@acme.example").to_vec(), vec!["x".into()]];
    for sender in ["victim@example.net", "", BOB] {
        for extension in extensions.iter().flatten() {
            smtp.command(&format!("MAIL FROM:<{sender}>")).ok();
            smtp.command(&format!("RCPT TO:<recruit-bounces+{extension}@acme.example>")).ok();
            smtp.data(MESSAGE.as_bytes()).ok();
        }
    }
    smtp.quit();
    nobody_heard(&site);
    // What may be a report is seen by somebody, and nothing else is.
    assert_eq!((got(&site, HR).len(), got(&site, SABINE).len()), (2, 2));
    assert_eq!((site.mx.delivery_count(), site.inbound().len()), (4, 0));
    assert_eq!(site.mx.queue_ids(), [""; 0]);
}

#[test]
fn somebody_is_told_where_pass_2_is_away() {
    let config =
        format!("[alerts]\nto = [\"{BOB}\"]\n[address.\"{JOBS}\"]\nowner = \"{SABINE}\"\n");
    let mut site = Site::prepare(Setup { config, ..Setup::default() });
    site.daemon.only("milter");
    site.run();
    let service = format!("127.0.0.1:{}/inet", site.handoff_port());
    assert!(site.mx.run("postconf", &["-MX", &service], b"").status.success());
    site.mx.reload();
    send(&site, JOBS, "waits");
    site.daemon.wait_for_log("action=diverted");
    wait_until("it is in the journal", LIMIT, || site.journal().len() == 1);
    // Two hours ago.
    let journal = site.scratch().join("state/journal");
    let line = fs::read_to_string(&journal).unwrap();
    let (before, rest) = line.split_once("\"time\":\"").unwrap();
    let (time, after) = rest.split_once('"').unwrap();
    let then = time.parse::<jiff::Timestamp>().unwrap() - Duration::from_secs(7200);
    fs::write(&journal, format!("{before}\"time\":\"{then:.3}\"{after}")).unwrap();
    let mut agent = site.agent();
    agent.start();
    // The first look comes after a minute, and what is told is collected.
    let told = Duration::from_secs(180);
    for who in [BOB, SABINE] {
        wait_until("somebody is told", told, || !site.mx.maildir(who).is_empty());
        let text = site.mx.maildir(who)[0].text();
        for says in [
            "1 copies of mail to jobs@acme.example are NOT THROUGH pass 2",
            "sind NICHT DURCH Durchgang 2",
            "recruit-milter doctor",
            "postqueue -f",
        ] {
            assert!(text.contains(says), "{says}: {text}");
        }
    }
}
