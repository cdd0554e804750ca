//! Mail from outside, as a probe or a filter on this machine makes it look: a domain that Postfix does not
//! serve is not verified, and an outsider is no colleague.
// SPDX-License-Identifier: GPL-3.0-or-later

use crate::harness::daemon::command;
use crate::harness::site::{INBOUND, JOBS, Setup, ours};
use crate::harness::{LIMIT, Port, Site, Smtp, wait_until};

/// A client outside the company.
const OUTSIDE: &str = "ADDR=203.0.113.9 NAME=[UNAVAILABLE]";
/// A recruiting address with a slip in its domain.
const SLIP: &str = "jobs@acme.exmaple";

fn look(site: &Site, more: &[&str], etc: &str) -> (i32, String) {
    let mut args = more.to_vec();
    args.extend(["--config", site.config.to_str().unwrap()]);
    args.extend(["--config-dir", etc]);
    let output = command(&args);
    (output.status.code().unwrap(), String::from_utf8_lossy(&output.stdout).into_owned())
}

fn status(site: &Site) -> String {
    let output = command(&["status", "--config", site.config.to_str().unwrap()]);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_domain_that_this_postfix_does_not_serve_is_not_verified() {
    let mut site = Site::prepare(Setup { next_hops: true, ..Setup::default() });
    let text = site.config_text();
    let text = text.replace(&format!("[\"{JOBS}\", "), &format!("[\"{JOBS}\", \"{SLIP}\", "));
    std::fs::write(&site.config, text).unwrap();
    site.run();
    let etc = site.mx.config_dir().display().to_string();
    let (code, text) = look(&site, &["postfix", "--check"], &etc);
    assert!(code == 1 && text.contains("(RM-POSTFIX-90)"), "{text}");
    // By Postfix's files.
    let (code, text) = look(&site, &["verify", SLIP, "--timeout", "10"], &etc);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("not verified: this Postfix does not serve acme.exmaple"), "{text}");
    assert!(text.contains("did you mean \"acme.example\"?"), "{text}");
    assert!(!text.contains("\nverified."), "{text}");
    // By asking alone, as the agent does, which cannot read them.
    let (code, text) = look(&site, &["verify", SLIP, "--force", "--timeout", "10"], "/nowhere");
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("Relay access denied") && text.contains("to a client outside"), "{text}");
    assert!(!text.contains("\nverified."), "{text}");
    wait_until("the ledger knows", LIMIT, || {
        status(&site).lines().any(|line| line.contains(SLIP) && !line.contains(" verified"))
    });
    let (code, text) = look(&site, &["doctor", "-v"], &etc);
    assert!(code == 1 && text.contains("RM-DOCTOR-99") && text.contains("RM-POSTFIX-90"), "{text}");
    // The others are what they were.
    let (code, text) = look(&site, &["verify", JOBS], &etc);
    assert_eq!(code, 0, "{text}");
    assert!(!text.contains("not shown"), "{text}");
    // Who cannot read Postfix's files cannot see what postfix --check would say.
    let (code, text) = look(&site, &["verify", JOBS, "--force", "--lang", "en"], "/nowhere");
    assert!(code == 0 && text.contains("not shown: whether mail is doubled"), "{text}");
    assert!(text.contains("-> sudo recruit-milter postfix --check"), "{text}");
    // What that finds counts, though no probe meets it.
    let copies = format!("inline:{{x@acme.example={INBOUND}}}");
    site.mx.set(&[("sender_bcc_maps", &copies)]);
    let (code, text) = look(&site, &["verify", JOBS, "--force", "--lang", "en"], &etc);
    assert!(code == 1 && text.contains("not verified: sender_bcc_maps: "), "{text}");
    let (code, _) = look(&site, &["postfix", "--check"], &etc);
    assert_eq!(code, 1);
    site.mx.set(&[("sender_bcc_maps", "")]);
    // What is said is what mends it.
    site.mx.set(&[("relay_domains", "acme.exmaple")]);
    site.mx.reload();
    let (code, text) = look(&site, &["verify", SLIP, "--force"], &etc);
    assert_eq!(code, 0, "{text}");
    let (_, text) = look(&site, &["doctor"], &etc);
    assert!(
        text.contains("Postfix takes mail for 4 addresses from outside (asked from "),
        "{text}"
    );
}

#[test]
fn without_an_address_outside_it_is_said_what_is_not_shown() {
    let site = Site::with(Setup {
        mx: Some(|mx| mx.param("mynetworks", "0.0.0.0/0")),
        ..Setup::default()
    });
    let etc = site.mx.config_dir().display().to_string();
    let (_, text) = look(&site, &["doctor", "-v"], &etc);
    assert!(text.contains("[--] Outside") && text.contains("(RM-DOCTOR-94)"), "{text}");
    assert!(text.contains("no address of this machine is outside for it"), "{text}");
}

/// What a stranger writes who would be a colleague.
const FORWARD: &str = "From: Bob <bob@acme.example>\r\nTo: <jobs@acme.example>\r\n\
    Subject: Fwd: Bewerbung\r\nMessage-ID: <1@evil.example>\r\n\r\n\
    ---------- Forwarded message ---------\r\nFrom: Erika Muster <erika@example.org>\r\n\
    Date: Mon, 30 Nov 2026 10:00:00 +0000\r\nSubject: Bewerbung\r\nTo: <bob@acme.example>\r\n\r\n\
    Hello\r\n";

/// A site with its milter behind a filter that gives mail back from loopback, and what it makes of a
/// stranger's mail.
fn behind_a_filter(networks: &str) -> (Site, Vec<String>) {
    let port: &Port = Box::leak(Box::new(Port::reserve()));
    let number = port.number();
    let mut site = Site::prepare(Setup {
        mx: Some(|mx| mx.smtpd_option("smtpd_milters", "")),
        config: format!("[internal]\nnetworks = [{networks}]\n"),
        ..Setup::default()
    });
    let key = format!("127.0.0.1:{}/inet", site.mx.port());
    // The filter lets all pass: what comes out of it comes from loopback.
    let back = format!("127.0.0.1:{number} inet n - n - - smtpd -o content_filter=");
    for arguments in [
        ["-P", &format!("{key}/content_filter=smtp:[127.0.0.1]:{number}")],
        ["-Me", &format!("127.0.0.1:{number}/inet={back}")],
    ] {
        let out = site.mx.run("postconf", &arguments, b"");
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    }
    site.run();
    let mut smtp = Smtp::hello(site.mx.port());
    smtp.xclient(OUTSIDE);
    smtp.command("MAIL FROM:<mallory@evil.example>").ok();
    smtp.command(&format!("RCPT TO:<{JOBS}>")).ok();
    smtp.data(FORWARD.as_bytes()).ok();
    let copies = site.ats.wait_for_mail(INBOUND, 1);
    site.settle();
    let fields = ours(&copies[0].bytes);
    (site, fields)
}

#[test]
fn where_a_stranger_would_be_a_colleague_the_check_says_so() {
    let (site, fields) = behind_a_filter("\"127.0.0.1/32\"");
    // It is so: this is what the finding is about.
    assert!(fields.iter().any(|f| f == "X-Recruiting-Kind: forward-inline"), "{fields:#?}");
    let etc = site.mx.config_dir().display().to_string();
    let (code, text) = look(&site, &["postfix", "--check"], &etc);
    assert!(code == 1 && text.contains("(RM-POSTFIX-93)"), "{text}");
    assert!(text.contains("take it out"), "{text}");
    let (code, text) = look(&site, &["doctor", "-v"], &etc);
    assert!(code == 1 && text.contains("(RM-POSTFIX-93)"), "{text}");
}

#[test]
fn behind_a_filter_nobody_is_a_colleague_by_his_network() {
    let (site, fields) = behind_a_filter("");
    assert!(!fields.iter().any(|f| f.contains("forward-inline")), "{fields:#?}");
    let etc = site.mx.config_dir().display().to_string();
    let (_, text) = look(&site, &["postfix", "--check"], &etc);
    assert!(!text.contains("RM-POSTFIX-93"), "{text}");
}
