//! The daemon as a service: reloads, keys that change, refusals at the handoff, an orderly end.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::sync::mpsc::channel;
use std::time::{Duration, SystemTime};

use recruit_milter::mail::{Address, Orcpt};
use recruit_milter::policy::keys::Keys;
use recruit_milter::policy::token::{Flags, HANDOFF_LIFE, Handoff, TokenId, Way};
use rustix::process::Signal;

use crate::harness::daemon::{command, succeed};
use crate::harness::proxy::{self, Fault, Point};
use crate::harness::site::{BOB, ERIKA, JOBS, Setup};
use crate::harness::{LIMIT, Mail, Scratch, Site, Smtp, wait_until};

const MESSAGE: &str = "From: erika@example.org\r\nSubject: x\r\n\r\nx\r\n";

fn send(site: &Site, to: &str) {
    Mail::new(ERIKA, &[to], MESSAGE).send(site.mx.port());
    site.settle();
}

#[test]
fn a_reload_takes_the_new_configuration_and_a_broken_one_keeps_the_old() {
    let site = Site::start();
    send(&site, BOB);
    assert_eq!(site.inbound().len(), 0);
    let text = site.config_text();
    site.daemon.configure(&text.replace(
        "addresses = [\"jobs@acme.example\",",
        "addresses = [\"bob@acme.example\", \"jobs@acme.example\",",
    ));
    site.daemon.signal(Signal::HUP);
    site.daemon.wait_for_log("reloaded: ");
    send(&site, BOB);
    assert_eq!(site.inbound().len(), 1);

    site.daemon.configure(&format!("{text}\nlocal_copies = true\n"));
    site.daemon.signal(Signal::HUP);
    let line = site.daemon.wait_for_log("error: reload: ");
    assert!(line.contains("kept=\"the old configuration\""), "{line}");
    send(&site, BOB);
    assert_eq!(site.inbound().len(), 2);
}

#[test]
fn a_copy_whose_address_is_gone_waits_and_nobody_is_told() {
    let site = Site::with(Setup { proxies: true, ..Setup::default() });
    let [_, handoff] = site.proxies.as_ref().unwrap();
    let begin = Point { way: proxy::Way::In, command: b'O', nth: 1 };
    let (go, gone) = channel::<()>();
    // The session waits until the configuration is another.
    handoff.arm(begin, Fault::Call(Box::new(move || gone.recv().unwrap_or_default())));
    Mail::new(ERIKA, &[JOBS], MESSAGE).send(site.mx.port());
    site.daemon.wait_for_log("action=diverted");
    let text = site.config_text();
    site.daemon.configure(&text.replace("\"jobs@acme.example\", ", ""));
    site.daemon.signal(Signal::HUP);
    site.daemon.wait_for_log("reloaded: ");
    drop(go);
    site.daemon.wait_for_log("alarm=unknown-handoff");
    site.mx.wait_for_mail(JOBS, 1);
    assert_eq!(site.inbound().len(), 0);
    site.daemon.configure(&text);
    site.daemon.signal(Signal::HUP);
    wait_until("the copy has gone on", LIMIT, || {
        site.mx.flush();
        site.inbound().len() == 1
    });
    site.settle();
    assert_eq!(site.mx.delivery_count(), 1, "no report to anybody");
}

#[test]
fn a_rotated_key_signs_and_the_old_one_still_verifies() {
    let site = Site::start();
    let config = site.config.to_str().unwrap();
    let old = fs::read_to_string(site.scratch().join("seal.key")).unwrap();
    succeed(&["init-key", "--rotate", "--config", config]);
    site.daemon.signal(Signal::HUP);
    site.daemon.wait_for_log("reloaded: ");
    send(&site, JOBS);
    assert!(site.inbound()[0].text().contains("X-Recruiting-Seal: v=1; k=2; "));
    assert!(refusal(&site, &handoff(&old, JOBS, 1), JOBS).starts_with("250"));
}

/// A handoff address made now, signed with a key of a key file.
fn handoff(key_file: &str, address: &str, key: u8) -> String {
    handoff_made(Duration::ZERO, Way::Forward, key_file, address, key)
}

/// The same, made some time ago or for the way back.
fn handoff_made(ago: Duration, way: Way, key_file: &str, address: &str, key: u8) -> String {
    let line = key_file.lines().find(|line| line.starts_with(&format!("{key} "))).unwrap();
    let (_, secret) = line.split_once(' ').unwrap();
    let secret = data_encoding::BASE64.decode(secret.trim().as_bytes()).unwrap();
    let keys = Keys::new(vec![(key, secret)]).unwrap();
    let made = (SystemTime::now() - ago).duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let id = TokenId { time: u32::try_from(made.as_secs()).unwrap(), nonce: *b"abcdef" };
    let token =
        Handoff { way, id, flags: Flags { kept: true, ..Flags::default() }, leader: [0; 4] };
    let local = token.local_part(&keys, &Address::parse(address).unwrap()).unwrap();
    match way {
        Way::Forward | Way::Unwrap => format!("{local}@handoff.recruit-milter.internal"),
        Way::Return => format!("{local}@return.handoff.recruit-milter.internal"),
    }
}

/// What the second smtpd says to a recipient.
fn refusal(site: &Site, to: &str, orcpt: &str) -> String {
    refusal_at(site.handoff_port(), to, orcpt)
}

/// What an smtpd of ours says to a recipient.
fn refusal_at(port: u16, to: &str, orcpt: &str) -> String {
    let mut smtp = Smtp::hello(port);
    smtp.command("MAIL FROM:<erika@example.org>").ok();
    let orcpt = Orcpt::new(Address::parse(orcpt).unwrap());
    let reply = smtp.command(&format!("RCPT TO:<{to}> ORCPT={orcpt}"));
    let text = reply.to_string();
    smtp.quit();
    text
}

#[test]
fn the_handoff_port_takes_genuine_handoffs_only() {
    let site = Site::start();
    let keys = fs::read_to_string(site.scratch().join("seal.key")).unwrap();
    let good = handoff(&keys, JOBS, 1);
    assert!(refusal(&site, &good, JOBS).starts_with("250"));
    // Local mischief: 5xx.
    assert!(refusal(&site, &good, BOB).starts_with("550 5.1.1"), "bound to its address");
    for to in ["x@handoff.recruit-milter.internal", "bob@acme.example", "root@localhost"] {
        assert!(refusal(&site, to, JOBS).starts_with("55"), "{to}");
    }
    // May be genuine: 4xx and an alarm, never a report.
    let foreign = "9 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    assert!(refusal(&site, &handoff(foreign, JOBS, 9), JOBS).starts_with("451 4.3.5"));
    site.daemon.wait_for_log("alarm=unknown-handoff");
    assert!(
        refusal(&site, &handoff(&keys, BOB, 1), BOB).starts_with("451 4.3.5"),
        "gone from the configuration"
    );
    let long_ago = Duration::from_secs(HANDOFF_LIFE + 60);
    let expired = handoff_made(long_ago, Way::Forward, &keys, JOBS, 1);
    assert!(refusal(&site, &expired, JOBS).starts_with("250"), "to be given up");
    // One at a time: the second waits for its own transaction.
    let mut smtp = Smtp::hello(site.handoff_port());
    smtp.command("MAIL FROM:<erika@example.org>").ok();
    smtp.command(&format!("RCPT TO:<{good}> ORCPT=rfc822;{JOBS}")).ok();
    let second = smtp.command(&format!("RCPT TO:<{good}> ORCPT=rfc822;{JOBS}"));
    assert_eq!(second.code, 452);
}

#[test]
fn each_handoff_port_takes_one_way_only() {
    let site = Site::start();
    let keys = fs::read_to_string(site.scratch().join("seal.key")).unwrap();
    let [there, back] =
        [Way::Forward, Way::Return].map(|way| handoff_made(Duration::ZERO, way, &keys, JOBS, 1));
    let [second, third] = [site.handoff_port(), site.return_port()];
    assert!(refusal_at(second, &there, JOBS).starts_with("250"));
    assert!(refusal_at(third, &back, JOBS).starts_with("250"));
    assert!(refusal_at(third, &there, JOBS).starts_with("451 4.3.5"));
    assert!(refusal_at(second, &back, JOBS).starts_with("451 4.3.5"));
    let alarm = site.daemon.wait_for_log("reason=other-way");
    assert!(alarm.contains("alarm=unknown-handoff"), "{alarm}");
}

#[test]
fn sigterm_lets_the_message_under_way_end_and_unlinks_the_sockets() {
    let mut site = Site::start();
    let mut smtp = Smtp::hello(site.mx.port());
    smtp.command("MAIL FROM:<erika@example.org>").ok();
    smtp.command("RCPT TO:<jobs@acme.example>").ok();
    site.daemon.signal(Signal::TERM);
    site.daemon.wait_for_log("stopping: ");
    smtp.data(MESSAGE.as_bytes()).ok();
    assert!(site.daemon.finish().success());
    let log = site.daemon.log();
    assert!(
        log.contains("drained: ") && log.contains("cut_off=0") && log.contains("stopped: "),
        "{log}"
    );
    let left = fs::read_dir(site.mx.queue_dir().join("recruit-milter")).unwrap().count();
    assert_eq!(left, 0);
    site.daemon.start();
    site.settle();
    assert_eq!(site.inbound().len(), 1);
}

#[test]
fn while_the_milter_is_down_mail_is_deferred_and_other_mail_as_well() {
    let mut site = Site::start();
    site.daemon.stop();
    for to in [JOBS, BOB] {
        let reply = Mail::new(ERIKA, &[to], MESSAGE).try_send(site.mx.port()).unwrap();
        assert_eq!(reply.code, 451, "{to}");
    }
    site.daemon.start();
    send(&site, JOBS);
    assert_eq!(site.inbound().len(), 1);
}

#[test]
fn systemd_is_told_what_happens() {
    let mut site = Site::prepare(Setup::default());
    let path = site.scratch().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(LIMIT)).unwrap();
    let heard = || {
        let mut buffer = [0; 512];
        let n = socket.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..n]).trim().to_owned()
    };
    let notify = format!("NOTIFY_SOCKET={}", path.display());
    site.daemon.wrap(&["env", &notify, "WATCHDOG_USEC=600000"]);
    site.daemon.start();
    assert_eq!(heard(), "READY=1");
    assert_eq!(heard(), "WATCHDOG=1");
    site.daemon.signal(Signal::HUP);
    let mut words = Vec::new();
    while words.len() < 2 {
        let word = heard();
        if word != "WATCHDOG=1" {
            words.push(word);
        }
    }
    assert!(words[0].starts_with("RELOADING=1"), "{words:?}");
    assert_eq!(words[1], "READY=1");
    site.daemon.signal(Signal::TERM);
    let last = std::iter::repeat_with(heard).find(|word| word != "WATCHDOG=1");
    assert_eq!(last.as_deref(), Some("STOPPING=1"));
    assert!(site.daemon.finish().success());
}

#[test]
fn check_and_explain_answer_with_the_exit_codes_of_sysexits() {
    let site = Site::prepare(Setup::default());
    let config = site.config.to_str().unwrap();
    let ok = succeed(&["check", "--config", config]);
    assert!(ok.contains("ok, 3 recruiting addresses, 2 recruiting systems"), "{ok}");
    assert_eq!(command(&["check", "--config", "/nonexistent"]).status.code(), Some(66));
    let missing = command(&["check", "--json", "--config", "/nonexistent"]);
    assert_eq!(missing.status.code(), Some(66));
    let problems: serde_json::Value = serde_json::from_slice(&missing.stdout).unwrap();
    assert_eq!(problems[0]["message"], "there is no such file");
    assert_eq!(command(&["chekc"]).status.code(), Some(64));
    assert_eq!(
        command(&["explain", "--config", config, "/nonexistent", "--rcpt", JOBS]).status.code(),
        Some(66)
    );
    let message = site.scratch().join("mail.eml");
    fs::write(&message, MESSAGE).unwrap();
    let message = message.to_str().unwrap();
    let json = succeed(&[
        "explain", "--config", config, message, "--from", ERIKA, "--rcpt", JOBS, "--json",
    ]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["outcome"], &json["kind"]), (&"handed-over".into(), &"application".into()));
    assert_eq!(json["envelope"]["to"][0], "acme-jobs@m-personio.example");
    assert_eq!(json["copies"][0]["outcome"], "handed-over");
}

#[test]
fn init_key_says_what_to_do_about_whatever_stops_it() {
    let scratch = Scratch::new();
    let file = |name: &str| scratch.join(name).display().to_string();
    fs::write(scratch.join("good.key"), format!("1 {}\n", "A".repeat(43) + "=")).unwrap();
    fs::set_permissions(scratch.join("good.key"), fs::Permissions::from_mode(0o600)).unwrap();
    for (name, text, mode) in
        [("open.key", "", 0o644), ("empty.key", "", 0o600), ("odd.key", "1 secret\n", 0o600)]
    {
        fs::write(scratch.join(name), text).unwrap();
        fs::set_permissions(scratch.join(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    let told = |name: &str, args: &[&str]| {
        let file = file(name);
        let output = command(&[&["init-key", "--key-file", &file], args].concat());
        assert_eq!(output.status.code(), Some(73), "{name}");
        let told = String::from_utf8(output.stderr).unwrap();
        told.replace(&scratch.path().display().to_string(), "DIR")
    };
    let rotate: &[&str] = &["--rotate"];
    for (name, args, expected) in [
        (
            "good.key",
            &[][..],
            "DIR/good.key: exists already\n  = recruit-milter init-key --rotate puts a new key in front",
        ),
        (
            "no/seal.key",
            &[],
            "DIR/no/seal.key: its folder does not exist\n  = install -d -m 755 DIR/no",
        ),
        (
            "seal.key",
            rotate,
            "DIR/seal.key: does not exist\n  = recruit-milter init-key makes the first key",
        ),
        (
            "open.key",
            rotate,
            "DIR/open.key: is open to everybody (mode 0644)\n  = chmod 0640 DIR/open.key",
        ),
        (
            "empty.key",
            rotate,
            "DIR/empty.key: holds no key\n  = name a file made by: recruit-milter init-key",
        ),
        (
            "odd.key",
            rotate,
            "DIR/odd.key: line 1: the key is not base64\n  \
             = a line is a number from 0 to 255, a space and a key in base64",
        ),
    ] {
        assert_eq!(told(name, args), format!("error: {expected}\n"));
    }
}

#[test]
fn a_reload_that_postfix_does_not_know_of_is_refused() {
    let site = Site::start();
    let text = site.config_text();
    site.daemon.configure(&text.replace("[handoff]\n", "[handoff]\ndomain = \"other.internal\"\n"));
    site.daemon.signal(Signal::HUP);
    let line = site.daemon.wait_for_log("error: reload: ");
    assert!(line.contains("--apply"), "{line}");
    send(&site, JOBS);
    assert_eq!(site.inbound().len(), 1);
}

#[test]
fn what_waits_for_pass_2_keeps_postfix_configured() {
    let mut site = Site::start();
    let etc = site.mx.config_dir();
    let config = site.config.clone();
    let remove = || {
        let (config, etc) = (config.to_str().unwrap(), etc.to_str().unwrap());
        command(&["postfix", "--remove", "--config", config, "--config-dir", etc]).status.code()
    };
    site.mx.set(&[("defer_transports", "recruit-handoff")]);
    site.mx.reload();
    Mail::new(ERIKA, &[JOBS], MESSAGE).send(site.mx.port());
    site.mx.wait_for_mail(JOBS, 1);
    assert_eq!(remove(), Some(1));
    site.mx.set(&[("defer_transports", "")]);
    site.mx.reload();
    wait_until("the copy has gone on", LIMIT, || {
        site.mx.flush();
        site.inbound().len() == 1
    });
    site.settle();
    assert_eq!(remove(), Some(0));
    site.daemon.stop();
}

#[test]
fn no_dump_of_its_memory_is_written_when_it_dies() {
    let site = Site::start();
    let limits = fs::read_to_string(format!("/proc/{}/limits", site.daemon.pid())).unwrap();
    let cores = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(cores.split_whitespace().filter(|word| *word == "0").count(), 2, "{cores}");
}
