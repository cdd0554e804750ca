//! Mail that a recruiting system sends by a login of its own: a real submission service with TLS, a
//! real Dovecot, a login made by `login add`, real clients, and two real next hops.
// SPDX-License-Identifier: GPL-3.0-or-later

mod combinations;
mod headers;
mod limits;
mod signed;

use rustix::process::Signal;

use crate::harness::daemon::command;
use crate::harness::dovecot::PASSWORD;
use crate::harness::routes::{Arrival, Place};
use crate::harness::site::{BOB, ERIKA, HR, INBOUND, JOBS, KARRIERE, SABINE, Setup, Site};
use crate::harness::smtp::Reply;
use crate::harness::submission::{AUTH_SOCKET, ENCRYPTED, Encryption};
use crate::harness::{LIMIT, Mail, Smtp, Smtplib, Swaks, swaks, wait_until};

/// A person outside.
const JOE: &str = "joe@example.net";
/// An address of the vendor, to which the test of the settings writes.
const VENDOR: &str = "noreply@vendor.example";

/// Login, From, envelope sender, recipients; what arrives where.
type Case<'a> = (&'a str, &'a str, &'a str, Vec<&'a str>, Vec<String>);

/// Logins and routes of the usual scene. Personio leaves by `own`, Odoo by `relay`.
const CONFIG: &str = r#"[login.personio]
may_send_as = ["jobs@acme.example", "karriere@acme.example"]
route = "own"

[login.odoo]
may_send_as = ["jobs@other.example"]
envelope_senders = ["<>", "bounce*@other.example"]
route = "relay"

[route.own]
reply_to = "Jobs <jobs@acme.example>"

[route.relay]
next_hop = "[127.0.0.1]:RELAY"
bounces_to = "hr@acme.example"

[address."jobs@acme.example"]
outbound_copy = true

[internal]
domains = ["acme.example", "other.example"]
"#;

const SYSTEMS: &[&str] = &["personio", "odoo"];

fn scene() -> Site {
    with(CONFIG)
}

fn with(config: &str) -> Site {
    let mut site = Site::prepare(Setup {
        submission: true,
        next_hops: true,
        systems_log_in: SYSTEMS,
        config: config.to_owned(),
        ..Setup::default()
    });
    site.next_hop("RELAY", |hops| &hops.relay);
    site.run();
    site
}

fn mail(from: &str, sender: &str, to: &[&str], subject: &str) -> Mail {
    let text = format!(
        "From: {from}\r\nTo: {}\r\nSubject: {subject}\r\nDate: Wed, 25 Nov 2026 06:00:00 +0000\r\n\
         Message-ID: <{subject}@client.example>\r\n\r\nHello\r\n",
        to.join(", ")
    );
    Mail::new(sender, to, text)
}

/// Sends as a user, over STARTTLS; the last answer.
fn send(site: &Site, user: &str, mail: &Mail) -> Reply {
    let password = if SYSTEMS.contains(&user) { site.password(user) } else { PASSWORD };
    let mut smtp = Smtp::access(&site.access(Encryption::StartTls));
    smtp.login(user, password).ok();
    let reply = smtp.try_mail(mail).unwrap();
    smtp.quit();
    reply
}

fn lines(arrivals: &[Arrival]) -> Vec<String> {
    arrivals.iter().map(|arrival| arrival.line().replace(&bounce(arrival), "BOUNCE")).collect()
}

/// The bounce address that a mail left under, if it did.
fn bounce(arrival: &Arrival) -> String {
    let ours = arrival.sender.starts_with("recruit-bounces+1");
    if ours { arrival.sender.clone() } else { "no bounce address".to_owned() }
}

#[test]
fn a_login_made_by_the_program_works_in_every_encryption_and_with_every_client() {
    let site = scene();
    for (number, encryption) in ENCRYPTED.into_iter().enumerate() {
        let access = site.access(encryption);
        let password = site.password("personio");
        // The vendor's test of the settings: a mail to an address of his own.
        let subject = format!("settings-{number}");
        let test = mail(JOBS, JOBS, &[VENDOR], &subject);
        Swaks::new(&access).login("personio", password).mail(&test).run().ok();
        let arrivals = site.arrivals(&subject);
        assert_eq!(lines(&arrivals), [format!("Own BOUNCE -> {VENDOR}")]);
        let test = mail(JOBS, JOBS, &[VENDOR], &format!("python-{number}"));
        Smtplib::new(&access).login("personio", password).send(&test).ok();
        assert_eq!(site.arrivals(&format!("python-{number}")).len(), 1);
        // Each refusal, as an admin sees it with swaks and a system with smtplib.
        let forged = mail("ceo@acme.example", JOBS, &[ERIKA], "forged");
        let told = Swaks::new(&access).login("personio", password).mail(&forged).run();
        assert_eq!(told.code, swaks::MESSAGE_REFUSED);
        assert_eq!(told.refusal(), "550 5.7.1 This login may not send as this address");
        let odoo = site.password("odoo");
        let bounced = mail("jobs@other.example", "ceo@acme.example", &[ERIKA], "forged");
        let told = Swaks::new(&access).login("odoo", odoo).mail(&bounced).run();
        assert_eq!(told.code, swaks::MAIL_REFUSED);
        let told = Smtplib::new(&access).login("odoo", odoo).send(&bounced);
        let refusal = told.refusal().unwrap().to_string();
        assert_eq!(refusal, "550 5.7.1 This login may not use this envelope sender address");
        let told = Swaks::new(&access).login("personio", "wrong").mail(&test).run();
        assert_eq!(told.code, swaks::LOGIN_REFUSED);
    }
    assert!(site.arrivals("forged").is_empty());
    // Without encryption, and with that of the other port, a system is told so or hears nothing.
    let mut plain = Smtp::hello(site.access(Encryption::StartTls).port);
    assert_eq!(plain.command("AUTH PLAIN").code, 530);
    let mut mixed = Smtp::connect_silently(site.access(Encryption::Implicit).port).unwrap();
    mixed.set_timeout(std::time::Duration::from_secs(2));
    assert!(mixed.try_command("EHLO client.example").is_err());
    let refused = site.daemon.wait_for_log("action=refused");
    assert!(
        refused.contains("login=personio") && refused.contains("ceo@acme.example"),
        "{refused}"
    );
    assert!(refused.contains("client=127.0.0.1"), "{refused}");
}

#[test]
fn each_mail_takes_the_way_that_its_identity_wants() {
    let site = scene();
    let own = |to: &str| format!("Own BOUNCE -> {to}");
    let relay = |to: &str| format!("Relay BOUNCE -> {to}");
    let other = "jobs@other.example";
    let odoos = "bounce-7@other.example";
    let cases: Vec<Case<'_>> = vec![
        ("personio", JOBS, JOBS, vec![ERIKA], vec![own(ERIKA)]),
        (
            "personio",
            KARRIERE,
            "x@odd.example",
            vec![ERIKA, JOE],
            vec![own("erika@example.org joe@example.net")],
        ),
        ("odoo", other, odoos, vec![ERIKA], vec![relay(ERIKA)]),
        // A colleague inside gets it by the local way; the route is for those outside.
        ("personio", JOBS, JOBS, vec![BOB], vec![format!("Local {JOBS} -> {BOB}")]),
        (
            "personio",
            JOBS,
            JOBS,
            vec![BOB, ERIKA],
            vec![format!("Local BOUNCE -> {BOB}"), own(ERIKA)],
        ),
        (
            "odoo",
            other,
            odoos,
            vec![SABINE, JOE],
            vec![format!("Local BOUNCE -> {SABINE}"), relay(JOE)],
        ),
        // A report keeps its null sender, and so takes the usual way.
        ("odoo", other, "", vec![ERIKA], vec![format!("Own <> -> {ERIKA}")]),
        // Colleagues who write from the address of a system take its route, with a copy for the system
        // where that is wanted.
        (BOB, other, BOB, vec![ERIKA], vec![relay(ERIKA)]),
        (
            BOB,
            KARRIERE,
            BOB,
            vec![ERIKA, SABINE],
            vec![format!("Local BOUNCE -> {SABINE}"), own(ERIKA)],
        ),
        // Their own mail is none of ours.
        (
            BOB,
            BOB,
            BOB,
            vec![ERIKA, SABINE],
            vec![format!("Local {BOB} -> {SABINE}"), format!("Own {BOB} -> {ERIKA}")],
        ),
        // What a system sends to its own address stays there.
        ("personio", JOBS, JOBS, vec![JOBS], vec![format!("Local {JOBS} -> {JOBS}")]),
        ("personio", JOBS, JOBS, vec![KARRIERE], vec![format!("Local {JOBS} -> {HR}")]),
    ];
    for (number, (user, from, sender, to, expected)) in cases.iter().enumerate() {
        let subject = format!("case-{number}");
        send(&site, user, &mail(from, sender, to, &subject)).ok();
        let found = site.arrivals(&subject);
        assert_eq!(&lines(&found), expected, "{user} {from} {sender} {to:?}");
        for arrival in found.iter().filter(|arrival| arrival.place != Place::Local) {
            assert!(!arrival.text().contains("X-Recruiting"), "{}", arrival.text());
        }
    }
}

#[test]
fn the_system_gets_what_a_colleague_sends_from_its_address_once() {
    let site = scene();
    send(&site, BOB, &mail(JOBS, BOB, &[ERIKA, SABINE], "answer")).ok();
    let found = site.arrivals("answer");
    let to_system: Vec<&Arrival> = found.iter().filter(|a| a.place == Place::System).collect();
    assert_eq!(to_system.len(), 1);
    assert_eq!(to_system[0].recipients, [INBOUND]);
    let text = to_system[0].text();
    for field in [
        "X-Recruiting-Kind: outbound-copy\n",
        "X-Recruiting-Applicant: <erika@example.org>; source=to; confidence=certain\n",
        "X-Recruiting-Seal: ",
    ] {
        assert!(text.contains(field), "{field} {text}");
    }
    // Sealed: what the system sends back of it goes to the mailbox and no further.
    site.mx.clear_deliveries();
    site.ats.clear_deliveries();
    Mail::new(INBOUND, &[JOBS], text).send(site.mx.port());
    let found = site.arrivals("answer");
    assert!(found.iter().all(|a| a.place != Place::System), "{:?}", lines(&found));
    assert_eq!(site.mx.maildir(JOBS).len(), 1);
    // The system's own mail is not given to it again.
    send(&site, "personio", &mail(JOBS, JOBS, &[ERIKA], "own mail")).ok();
    assert_eq!(lines(&site.arrivals("own mail")), [format!("Own BOUNCE -> {ERIKA}")]);
}

#[test]
fn outgoing_mail_is_traced_by_its_queue_id() {
    let site = scene();
    let reply = send(&site, "personio", &mail(JOBS, JOBS, &[ERIKA], "a trace"));
    let id = reply.queue_id().unwrap().to_owned();
    let args = ["trace", &id, "--lang", "en", "--config", site.config.to_str().unwrap()];
    wait_until("its trace is known", LIMIT, || {
        let output = command(&args);
        String::from_utf8_lossy(&output.stdout).contains("sent (personio)")
    });
}

#[test]
fn what_is_missing_is_added_and_what_nobody_should_see_is_taken_off() {
    let site = scene();
    let text = format!(
        "From: {JOBS}\r\nTo: {ERIKA}\r\nSubject: bare\r\nBcc: secret@example.org\r\n\
         X-Recruiting-Route: relay\r\nX-Recruiting-Applicant: forged\r\n\r\nHello\r\n"
    );
    send(&site, "personio", &Mail::new(JOBS, &[ERIKA], text)).ok();
    let found = site.arrivals("bare");
    assert_eq!(lines(&found), [format!("Own BOUNCE -> {ERIKA}")]);
    let text = found[0].text();
    let (header, body) = text.split_once("\n\n").unwrap();
    assert_eq!(body, "Hello\n");
    let names: Vec<&str> = header
        .lines()
        .filter(|line| !line.starts_with(['\t', ' ']))
        .filter_map(|line| Some(line.split_once(':')?.0))
        .filter(|name| *name != "Received")
        .collect();
    assert_eq!(names, ["From", "To", "Subject", "Date", "Message-ID", "Reply-To"], "{header}");
    assert!(header.contains("Reply-To: Jobs <jobs@acme.example>"), "{header}");
}

#[test]
fn what_comes_back_from_outgoing_mail_is_seen_by_somebody() {
    let site = scene();
    // The next hop refuses this recipient, so a report comes back to our bounce address.
    site.own().set(&[("smtpd_recipient_restrictions", "inline:{ nobody@example.org=reject }")]);
    let site = restarted(site);
    send(&site, "personio", &mail(JOBS, JOBS, &["nobody@example.org"], "lost")).ok();
    site.settle();
    let reports = site.mx.wait_for_mail(JOBS, 1);
    assert_eq!(reports[0].envelope_sender, "");
    assert!(reports[0].text().contains("nobody@example.org"), "{}", reports[0].text());
    // And an automatic answer to the bounce address of a mail that did arrive.
    send(&site, "odoo", &mail("jobs@other.example", "bounce-1@other.example", &[ERIKA], "hello"))
        .ok();
    let sender = site.arrivals("hello")[0].sender.clone();
    Mail::new(ERIKA, &[&sender], "From: erika@example.org\r\nSubject: away\r\n\r\nI am away\r\n")
        .send(site.mx.port());
    let found = site.arrivals("away");
    assert_eq!(lines(&found), [format!("Local {ERIKA} -> {HR}")]);
    // A forged bounce address leads nowhere.
    let forged = sender.replacen("+1", "+1a", 1).replace('@', "a@");
    Mail::new(ERIKA, &[&forged], "Subject: spam\r\n\r\nx\r\n").send(site.mx.port());
    assert!(site.arrivals("spam").is_empty());
}

fn restarted(mut site: Site) -> Site {
    if let Some(hops) = &mut site.next_hops {
        hops.own.restart();
    }
    site
}

#[test]
fn routes_by_a_field_by_recipients_and_with_other_envelope_senders() {
    let site = with(
        r#"[login.personio]
may_send_as = ["jobs@acme.example"]
route = "relay"

[login.odoo]
may_send_as = ["talent@acme.example"]

[route.relay]
next_hop = "[127.0.0.1]:RELAY"
recipe = "field"
mixed = "refuse"
envelope_sender = "keep"

[route.partners]
next_hop = "[127.0.0.1]:RELAY"
recipients = ["@partner.example"]
bounces_to = "hr@acme.example"

[route.authors]
next_hop = "[127.0.0.1]:RELAY"
from = ["karriere@acme.example"]
envelope_sender = "from"
"#,
    );
    let talent = "talent@acme.example";
    let odd = "bounce-1@acme.example";
    let partner = "x@partner.example";
    let cases: [Case<'_>; 7] = [
        // Kept, since the domain is the login's own; the null sender as well.
        ("personio", JOBS, odd, vec![ERIKA, JOE], vec![format!("Relay {odd} -> {ERIKA} {JOE}")]),
        ("personio", JOBS, "", vec![ERIKA], vec![format!("Relay <> -> {ERIKA}")]),
        ("personio", JOBS, JOBS, vec![BOB], vec![format!("Local {JOBS} -> {BOB}")]),
        // By recipients: all of those outside, or none.
        ("odoo", talent, talent, vec![partner], vec![format!("Relay BOUNCE -> {partner}")]),
        (
            "odoo",
            talent,
            talent,
            vec![JOE, partner],
            vec![format!("Own {talent} -> {JOE} {partner}")],
        ),
        (
            "odoo",
            talent,
            talent,
            vec![BOB, partner],
            vec![format!("Local BOUNCE -> {BOB}"), format!("Relay BOUNCE -> {partner}")],
        ),
        // By author, whose address it leaves under.
        (BOB, KARRIERE, BOB, vec![ERIKA], vec![format!("Relay {KARRIERE} -> {ERIKA}")]),
    ];
    for (number, (user, from, sender, to, expected)) in cases.iter().enumerate() {
        let subject = format!("case-{number}");
        send(&site, user, &mail(from, sender, to, &subject)).ok();
        let found = site.arrivals(&subject);
        assert_eq!(&lines(&found), expected, "{user} {from} {sender} {to:?}");
        assert!(found.iter().all(|arrival| !arrival.text().contains("X-Recruiting")));
    }
    // A field would take the colleague inside along.
    let reply = send(&site, "personio", &mail(JOBS, JOBS, &[BOB, ERIKA], "mixed"));
    assert_eq!(
        reply.to_string(),
        "550 5.7.1 Recipients inside and outside need messages of their own"
    );
    let reply = send(&site, "personio", &mail(JOBS, "x@odd.example", &[ERIKA], "odd"));
    assert_eq!(reply.to_string(), "550 5.7.1 This login may not use this envelope sender address");
}

#[test]
fn while_the_milter_is_down_a_login_is_told_to_try_again_and_nothing_slips_by() {
    let mut site = scene();
    let forged = mail("ceo@acme.example", JOBS, &[ERIKA], "forged");
    let good = mail(JOBS, JOBS, &[ERIKA], "good");
    let access = site.access(Encryption::StartTls);
    let mut open = Smtp::access(&access);
    open.login("personio", site.password("personio")).ok();
    open.command(&good.mail_line()).ok();
    site.daemon.kill();
    // Within a message, and from its beginning.
    let told: Vec<Reply> = good.rcpt_lines().iter().map(|line| open.command(line)).collect();
    assert!(told.iter().all(Reply::is_temporary), "{told:?}");
    // Postfix: STARTTLS itself is put off then; where TLS begins at once, the login is.
    let refused = Smtp::try_access(&access).expect_err("no session").to_string();
    assert_eq!(refused, "STARTTLS: 454 4.3.0 Try again later");
    let mut smtp = Smtp::access(&site.access(Encryption::Implicit));
    assert_eq!(smtp.login("personio", site.password("personio")).code, 454);
    site.daemon.start();
    send(&site, "personio", &good).ok();
    assert_eq!(send(&site, "personio", &forged).code, 550);
    assert_eq!(lines(&site.arrivals("good")), [format!("Own BOUNCE -> {ERIKA}")]);
    assert!(site.arrivals("forged").is_empty());
}

#[test]
fn where_one_service_takes_all_mail_one_socket_serves_both() {
    let mut site = Site::prepare(Setup {
        next_hops: true,
        systems_log_in: SYSTEMS,
        config: CONFIG.to_owned(),
        mx: Some(|mx| {
            mx.param("smtpd_sasl_auth_enable", "yes")
                .param("smtpd_sasl_type", "dovecot")
                .param("smtpd_sasl_path", AUTH_SOCKET)
                .param("smtpd_tls_auth_only", "no")
        }),
        ..Setup::default()
    });
    site.next_hop("RELAY", |hops| &hops.relay);
    site.run();
    let milters = site.mx.postconf("smtpd_milters");
    assert_eq!(milters, "$recruit_milter_submission");
    // An applicant from outside.
    mail(ERIKA, ERIKA, &[JOBS], "application").try_send(site.mx.port()).unwrap().ok();
    let found = site.arrivals("application");
    assert_eq!(lines(&found)[0], format!("Local {ERIKA} -> {JOBS}"));
    assert_eq!((found.len(), found[1].place), (2, Place::System));
    // One who pretends to be the system takes no route, and the system itself does.
    mail(JOBS, JOBS, &[SABINE], "pretended").try_send(site.mx.port()).unwrap().ok();
    assert_eq!(lines(&site.arrivals("pretended")), [format!("Local {JOBS} -> {SABINE}")]);
    for (from, code) in [(JOBS, 250), (ERIKA, 550)] {
        let mut smtp = Smtp::hello(site.mx.port());
        smtp.login("personio", site.password("personio")).ok();
        assert_eq!(smtp.try_mail(&mail(from, JOBS, &[ERIKA], "sent")).unwrap().code, code);
    }
    assert_eq!(lines(&site.arrivals("sent")), [format!("Own BOUNCE -> {ERIKA}")]);
}

#[test]
fn a_reload_takes_new_logins_and_says_what_else_is_to_be_done() {
    let mut site = Site::prepare(Setup { next_hops: true, ..Setup::default() });
    site.run();
    let without = site.config_text();
    site.daemon.configure(&format!("{without}\n{}", CONFIG.replace("RELAY", "25")));
    site.daemon.signal(Signal::HUP);
    site.daemon.wait_for_log("reloaded");
    let log = site.daemon.log();
    assert!(log.contains("changed=\"login, route or outbound_copy\""), "{log}");
    assert!(log.lines().any(|line| line.contains("[milter]") && line.contains("restart")), "{log}");
    // Nobody listens there yet, and applications go on as before.
    mail(ERIKA, ERIKA, &[JOBS], "application").send(site.mx.port());
    assert_eq!(site.arrivals("application").len(), 2);
    // Told to Postfix too early, the mail of colleagues would be put off.
    let etc = site.mx.config_dir();
    let (config, etc) = (site.config.to_str().unwrap(), etc.to_str().unwrap());
    let applied = command(&["postfix", "--config", config, "--config-dir", etc, "--apply"]);
    let told = String::from_utf8_lossy(&applied.stderr).into_owned();
    let socket = "recruit-milter/submission.sock: until recruit-milter runs (or was restarted)";
    assert!(told.contains(socket) && !told.contains("front.sock"), "{told}");
}

#[test]
fn a_login_is_bound_to_its_networks_and_to_its_name_in_any_case() {
    let site = with(&CONFIG.replace(
        "[login.personio]\n",
        "[login.personio]\nuser = \"Personio\"\nnetworks = [\"192.0.2.0/24\"]\n",
    ));
    let good = mail(JOBS, JOBS, &[ERIKA], "good");
    let reply = send(&site, "personio", &good);
    assert_eq!(reply.to_string(), "550 5.7.1 This login may not be used from here");
    let mut smtp = Smtp::access(&site.access(Encryption::Implicit));
    smtp.xclient("ADDR=192.0.2.7");
    smtp.login("PERSONIO", site.password("personio")).ok();
    smtp.try_mail(&good).unwrap().ok();
    assert_eq!(lines(&site.arrivals("good")), [format!("Own BOUNCE -> {ERIKA}")]);
}
