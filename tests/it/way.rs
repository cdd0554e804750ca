//! What is broken now: nothing says that all is well while mail is put off, waits or passes us by, and it
//! is told by a way that does not need what is broken.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use crate::harness::daemon::{command, succeed};
use crate::harness::site::{BOB, ERIKA, HR, JOBS, KARRIERE, OTHER_JOBS, SABINE, Setup};
use crate::harness::{LIMIT, Mail, Port, Site, Smtp, wait_until, within};

/// It is looked each minute, a fault is told after another, and alerts are collected for ten seconds.
const TOLD: Duration = Duration::from_secs(200);

const MESSAGE: &str = "From: erika@example.org\r\nSubject: x\r\n\r\nx\r\n";

/// The exit code of a command and what it prints.
fn ask(site: &Site, args: &[&str]) -> (i32, String) {
    let mut all = vec![args[0], "--config", site.config.to_str().unwrap()];
    all.extend(&args[1..]);
    let output = command(&all);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code().unwrap(), text + &String::from_utf8_lossy(&output.stderr))
}

#[track_caller]
fn is_critical(site: &Site, says: &str) {
    let (code, text) = ask(site, &["status", "--monitor"]);
    assert!(code == 2 && text.starts_with("CRITICAL - "), "{code} {text}");
    assert!(text.contains(says), "{says}: {text}");
}

/// All addresses are verified, once the ledger has read it.
#[track_caller]
fn is_well(site: &Site) {
    let mut last = String::new();
    let well = within(LIMIT, || {
        let (code, text) = ask(site, &["status", "--monitor"]);
        last = text;
        (code == 0 && last.starts_with("OK - 3 of 3 addresses verified | ")).then_some(())
    });
    assert!(well.is_some(), "{last}");
    let (code, text) = ask(site, &["status", "--lang", "en"]);
    assert!(code == 0 && !text.contains("NOT VERIFIED"), "{text}");
}

/// A mail to each address went the whole way.
fn prove(site: &Site) {
    for to in [JOBS, KARRIERE, OTHER_JOBS] {
        Mail::new(ERIKA, &[to], MESSAGE).send(site.mx.port());
    }
    is_well(site);
}

fn figures(port: u16) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    Some(text)
}

/// Waits until all figures that begin so have this value, and there are some.
#[track_caller]
fn expect_figures(port: u16, names: &[&str], value: u8) {
    wait_until(&format!("{names:?} are {value}"), TOLD, || {
        let text = figures(port).unwrap_or_default();
        let is = |name: &&str| {
            let name = format!("recruit_milter_{name}");
            let mut lines = text.lines().filter(|line| line.starts_with(&name)).peekable();
            lines.peek().is_some() && lines.all(|line| line.ends_with(&format!(" {value}")))
        };
        names.iter().all(is)
    });
}

/// Waits until somebody's mailbox has a mail that says all of this.
#[track_caller]
fn expect_mail(site: &Site, to: &str, says: &[&str]) {
    wait_until(&format!("{to} is told {says:?}"), TOLD, || {
        let mails = site.mx.maildir(to);
        mails.iter().any(|mail| says.iter().all(|says| mail.text().contains(says)))
    });
}

const VERIFIED: [&str; 2] = ["address_verified{", "way_open"];

#[test]
fn while_the_milter_is_off_nothing_says_ok_and_people_are_told() {
    let listen = Port::reserve();
    let config = format!(
        "[alerts]\nto = [\"{BOB}\"]\n[metrics]\nlisten = \"127.0.0.1:{}\"\n\
         [address.\"{JOBS}\"]\nowner = \"{SABINE}\"\n",
        listen.number()
    );
    let mut site = Site::prepare(Setup { config, ..Setup::default() });
    site.daemon.only("milter");
    site.run();
    let mut agent = site.agent();
    agent.start_at_once();
    prove(&site);
    expect_figures(listen.number(), &VERIFIED, 1);
    expect_figures(listen.number(), &["milter_reachable{", "postfix_attached{"], 1);
    // A key that the running milter has not read yet is no outage.
    succeed(&["init-key", "--rotate", "--config", site.config.to_str().unwrap()]);
    is_well(&site);
    let told = site.mx.maildir(BOB).len();
    assert_eq!(told, 0);

    assert!(site.daemon.stop().success());
    let reply = Mail::new(ERIKA, &[BOB], MESSAGE).try_send(site.mx.port()).unwrap();
    assert_eq!(reply.code, 451);
    is_critical(&site, "mail is put off: the milter does not answer at unix:");
    is_critical(&site, "front.sock");
    is_critical(&site, "; 0 of 3 addresses verified: ");
    let (code, text) = ask(&site, &["status", "--lang", "en"]);
    assert_eq!(code, 1, "{text}");
    assert_eq!(text.matches("NOT VERIFIED").count(), 3, "{text}");
    assert!(text.contains("  -> systemctl restart recruit-milter\n"), "{text}");
    let (_, text) = ask(&site, &["status", "--lang", "de"]);
    assert!(text.contains("Mails werden aufgeschoben: Der Milter antwortet nicht"), "{text}");
    let (code, text) = ask(&site, &["status", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, &json[0]["state"]), (1, &"not-verified".into()), "{text}");
    let stopped = json[0]["stopped"][0].as_str().unwrap();
    assert!(stopped.starts_with("mail is put off: the milter does not answer at "), "{text}");
    assert_eq!(json[0]["not_looked"], serde_json::json!([]), "{text}");
    let etc = site.mx.config_dir();
    let (code, text) = ask(&site, &["doctor", "--config-dir", etc.to_str().unwrap()]);
    assert!(
        code == 1 && text.contains("[!!] Verification   jobs@acme.example not-verified"),
        "{text}"
    );
    expect_figures(listen.number(), &VERIFIED, 0);
    expect_figures(listen.number(), &["milter_reachable{", "postfix_attached{"], 0);
    for to in [BOB, SABINE] {
        expect_mail(&site, to, &["attention / Achtung", "mail is put off: ", "copies wait: "]);
    }
    agent.wait_for_log("alarm=way");

    site.daemon.start();
    is_well(&site);
    expect_figures(listen.number(), &VERIFIED, 1);
    for to in [BOB, SABINE] {
        expect_mail(&site, to, &["all well / alles gut", "The milter answers again at "]);
    }
    assert!(agent.stop().success());
}

/// Our milter hears of commands that Postfix does not know, wherever a client says them.
fn an_unknown_command_disturbs_no_mail(site: &Site) {
    let before = site.inbound().len();
    let mut client = Smtp::hello(site.mx.port());
    for command in ["MAIL FROM:<erika@example.org>", "RCPT TO:<jobs@acme.example>"] {
        assert_eq!(client.command("XRECRUIT-ABC").code, 500);
        assert_eq!(client.command(command).code, 250);
    }
    assert_eq!(client.command("XEXCH50 1 2").code, 500);
    assert_eq!(client.data(MESSAGE.as_bytes()).code, 250);
    client.quit();
    wait_until("it arrives", LIMIT, || site.inbound().len() == before + 1);
}

#[test]
fn wherever_the_way_is_broken_status_says_so_at_once() {
    let mut site = Site::prepare(Setup {
        config: format!(
            "[login.personio]\nmay_send_as = [\"{JOBS}\"]\n[alerts]\nto = [\"{BOB}\"]\n"
        ),
        ..Setup::default()
    });
    let files = ["main.cf", "master.cf"].map(|name| site.mx.config_dir().join(name));
    let before = files.each_ref().map(|path| fs::read(path).unwrap());
    site.run();
    prove(&site);
    an_unknown_command_disturbs_no_mail(&site);

    let folder = site.mx.queue_dir().join("recruit-milter");
    for (name, says) in [
        ("front", "mail is put off: the milter does not answer at "),
        ("handoff", "copies wait: the milter does not answer at "),
        ("submission", "outgoing mail is put off: the milter does not answer at "),
    ] {
        let [socket, hidden] =
            ["sock", "hidden"].map(|kind| folder.join(name).with_extension(kind));
        fs::rename(&socket, &hidden).unwrap();
        is_critical(&site, &format!("{says}unix:{}", socket.display()));
        let (code, text) = ask(&site, &["status", "--lang", "en"]);
        assert!(code == 1 && text.contains(says), "{text}");
        // This company has one smtpd for all mail, and at that one the submission socket is asked.
        assert_eq!(text.matches("NOT VERIFIED").count(), 3, "{text}");
        fs::rename(&hidden, &socket).unwrap();
        is_well(&site);
    }

    let etc = site.mx.config_dir();
    let etc = etc.to_str().unwrap();
    let via = format!("127.0.0.1:{}", site.mx.port());
    site.settle();
    let (code, text) = ask(&site, &["postfix", "--config-dir", etc, "--remove"]);
    assert_eq!(code, 0, "{text}");
    assert_eq!(before, files.each_ref().map(|path| fs::read(path).unwrap()));
    let says = format!("mail is not forwarded: what comes in at {via} does not pass the milter");
    // Postfix: a busy one may read files anew before it believes them, since they are too young.
    site.mx.reload();
    wait_until("Postfix goes by it", LIMIT, || ask(&site, &["status"]).1.contains("does not pass"));
    is_critical(&site, &says);
    let (code, text) = ask(&site, &["doctor", "--config-dir", etc, "-v"]);
    assert!(code == 1 && text.contains("(RM-DOCTOR-73)"), "{text}");
    site.attach();
    is_well(&site);

    site.mx.run("postconf", &["-MX", &format!("127.0.0.1:{}/inet", site.handoff_port())], b"");
    site.mx.reload();
    let hop = format!("127.0.0.1:{}", site.handoff_port());
    wait_until("Postfix goes by it", LIMIT, || TcpStream::connect(&hop).is_err());
    is_critical(&site, &format!("copies wait: nobody answers at {hop} (Connection refused)"));
    let (code, text) = ask(&site, &["doctor", "--config-dir", etc, "-v"]);
    assert!(code == 1 && text.contains("(RM-DOCTOR-74)"), "{text}");
    site.attach();
    site.mx.reload();
    wait_until("it answers again", LIMIT, || TcpStream::connect(&hop).is_ok());
    is_well(&site);

    let mailboxes = site.mx.postconf("virtual_mailbox_maps");
    site.mx.set(&[("virtual_mailbox_maps", &format!("inline:{{{{{JOBS}=x}},{{{HR}=x}}}}"))]);
    site.mx.reload();
    is_critical(&site, "Postfix does not take mail for karriere@acme.example: 550");
    let (_, text) = ask(&site, &["status", JOBS, "--lang", "en"]);
    assert!(text.contains("verified") && !text.contains("NOT VERIFIED"), "{text}");
    site.mx.set(&[("virtual_mailbox_maps", &mailboxes)]);
    site.mx.reload();
    is_well(&site);

    dead_alerts_are_a_warning(&mut site);
    many_addresses_that_are_refused_end_no_look(&site);

    // What a site may ask for is no trouble: a report goes to one recipient.
    for setting in ["smtpd_recipient_restrictions", "smtpd_recipient_limit"] {
        let before = site.mx.postconf(setting);
        let value = if setting.ends_with("limit") { "1" } else { "reject_multi_recipient_bounce" };
        site.mx.set(&[(setting, value)]);
        site.mx.restart();
        is_well(&site);
        site.mx.set(&[(setting, &before)]);
    }
    site.mx.restart();

    site.mx.stop();
    is_critical(&site, &format!("no mail comes in: nobody answers at {via} (Connection refused)"));
    site.mx.start();
    is_well(&site);
}

/// Nobody's mail goes by it.
fn dead_alerts_are_a_warning(site: &mut Site) {
    let alerts = format!("127.0.0.1:{}", site.alerts_port());
    let files = ["main.cf", "master.cf"].map(|name| site.mx.config_dir().join(name));
    let before = files.each_ref().map(|path| fs::read(path).unwrap());
    let dies = format!("{alerts}/inet/header_size_limit=x");
    assert!(site.mx.run("postconf", &["-P", &dies], b"").status.success());
    site.mx.restart();
    let says = format!("alerts need the milter: nobody answers at {alerts} ");
    let (code, text) = ask(site, &["status", "--monitor"]);
    assert!(code == 1 && text.starts_with(&format!("WARNING - {says}")), "{code} {text}");
    let (code, text) = ask(site, &["status", "--lang", "en"]);
    assert!(code == 1 && text.contains(&says) && !text.contains("NOT VERIFIED"), "{text}");
    let (_, text) = ask(site, &["status", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&json[0]["state"], &json[0]["stopped"][0]), (&"verified".into(), &().into()));
    assert!(json[0]["besides"][0].as_str().unwrap().starts_with(&says), "{text}");
    let etc = site.mx.config_dir();
    let (_, text) = ask(site, &["doctor", "--config-dir", etc.to_str().unwrap(), "-v"]);
    let says = "does not start, or all of its processes hang: alerts need the milter";
    assert!(text.contains(&format!("{alerts}/inet {says}")), "{text}");
    for (path, bytes) in files.iter().zip(before) {
        fs::write(path, bytes).unwrap();
    }
    site.mx.restart();
    is_well(site);
}

/// Postfix lets a client with ten errors wait, and hangs up on one with twenty.
fn many_addresses_that_are_refused_end_no_look(site: &Site) {
    let text = site.config_text();
    let many: Vec<String> = (0..30).map(|n| format!("\"gone{n}@acme.example\"")).collect();
    let more = text.replacen("addresses = [", &format!("addresses = [{}, ", many.join(", ")), 1);
    assert_ne!(more, text);
    fs::write(&site.config, more).unwrap();
    let (_, said) = ask(site, &["status", "--monitor"]);
    assert!(!said.contains("no mail comes in") && !said.contains("not looked at"), "{said}");
    for n in [0, 29] {
        let says = format!("Postfix does not take mail for gone{n}@acme.example: 550");
        assert!(said.contains(&says), "{said}");
    }
    fs::write(&site.config, text).unwrap();
    is_well(site);
}

#[test]
fn the_smtpd_for_alerts_needs_no_milter_and_serves_nobody_else() {
    let config =
        format!("[alerts]\nto = [\"{BOB}\"]\n[address.\"{JOBS}\"]\nowner = \"{SABINE}\"\n");
    let mut site = Site::prepare(Setup { config, ..Setup::default() });
    let files = ["main.cf", "master.cf"].map(|name| site.mx.config_dir().join(name));
    let before = files.each_ref().map(|path| fs::read(path).unwrap());
    site.attach();
    site.mx.start();
    let port = site.alerts_port();
    wait_until("it answers", LIMIT, || TcpStream::connect(("127.0.0.1", port)).is_ok());
    let told = |to: &str, port: u16| {
        let reply = Mail::new("", &[to], MESSAGE).try_send(port).unwrap();
        (reply.code, reply)
    };
    // The milter has never been started.
    assert_eq!(told(BOB, site.mx.port()).0, 451);
    for to in [BOB, "BOB@acme.example", SABINE] {
        let (code, reply) = told(to, port);
        assert_eq!(code, 250, "{reply:?}");
    }
    for to in [JOBS, HR, ERIKA, "xbob@acme.example", "bob@acme.example.org", "bob+x@acme.example"] {
        let (code, reply) = told(to, port);
        assert_eq!(code, 554, "{to}: {reply:?}");
    }
    site.mx.wait_for_mail(BOB, 2);
    site.mx.wait_for_mail(SABINE, 1);

    let etc = site.mx.config_dir();
    let etc = etc.to_str().unwrap();
    let check = || ask(&site, &["postfix", "--config-dir", etc, "--check"]);
    assert!(!check().1.contains("recruit-milter.alerts"), "{}", check().1);
    let text = site.config_text().replace(SABINE, HR);
    fs::write(&site.config, text).unwrap();
    let (code, text) = check();
    assert!(
        code == 1 && text.contains("table recruit-milter.alerts is missing or not what"),
        "{text}"
    );
    site.attach();
    site.mx.reload();
    wait_until("Postfix goes by it", LIMIT, || told(HR, port).0 == 250);
    assert_eq!(told(SABINE, port).0, 554);
    let (code, text) = ask(&site, &["postfix", "--config-dir", etc, "--remove"]);
    assert_eq!(code, 0, "{text}");
    assert_eq!(before, files.each_ref().map(|path| fs::read(path).unwrap()));
    assert!(!site.mx.config_dir().join("recruit-milter.alerts").exists());
}

/// What `postfix --check` finds is found by those who are asked whether all is well.
#[test]
fn a_postfix_that_has_lost_our_lines_is_broken() {
    let config = format!("[alerts]\nto = [\"{BOB}\"]\n");
    let mut site = Site::prepare(Setup { config, ..Setup::default() });
    site.daemon.only("milter");
    site.run();
    let mut agent = site.agent();
    agent.start_at_once();
    prove(&site);
    let files = ["main.cf", "master.cf"].map(|name| site.mx.config_dir().join(name));
    let before = files.each_ref().map(|path| fs::read(path).unwrap());
    let restore = |site: &Site| {
        for (path, bytes) in files.iter().zip(&before) {
            fs::write(path, bytes).unwrap();
        }
        is_well(site);
    };
    for service in ["recruit-handoff", "recruit-out", "recruit-cleanup"] {
        let key = format!("{service}/unix");
        assert!(site.mx.run("postconf", &["-MX", &key], b"").status.success());
        is_critical(&site, &format!("service {key} is missing in master.cf (RM-POSTFIX-05)"));
        restore(&site);
    }
    assert!(agent.stop().success());
}
