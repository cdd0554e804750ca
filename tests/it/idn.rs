//! A recruiting address whose domain is not ASCII: its spelling in Unicode and the one with `xn--` are
//! one address, whichever the configuration has and whichever mail is sent to.
// SPDX-License-Identifier: GPL-3.0-or-later

use crate::harness::daemon::command;
use crate::harness::site::{ERIKA, Setup, ours};
use crate::harness::{LIMIT, Mail, Site, wait_until};

const UNICODE: &str = "jobs@büro.example";
const ASCII: &str = "jobs@xn--bro-hoa.example";
/// Of the same domain, without a local copy.
const BARE: &str = "bewerbung@büro.example";
const BARE_ASCII: &str = "bewerbung@xn--bro-hoa.example";
const INBOUND: &str = "idn@sÿstem.example";
const INBOUND_ASCII: &str = "idn@xn--sstem-2va.example";

const CONFIG: &str = r#"[address."bewerbung@xn--bro-hoa.example"]
local_copy = false
fallback = "hr@büro.example"

[bounces]
address = "recruit-bounces@büro.example"

[login.idn]
may_send_as = ["jobs@büro.example"]
envelope_senders = ["@büro.example"]
"#;

/// A company that serves both spellings; whether the system's server knows SMTPUTF8.
fn site(system_knows: bool) -> Site {
    let mut site = Site::prepare(Setup {
        mx: Some(|mx| {
            ["jobs", "bewerbung", "hr"].iter().fold(mx, |mx, local| {
                mx.mailbox(&format!("{local}@büro.example"))
                    .mailbox(&format!("{local}@xn--bro-hoa.example"))
            })
        }),
        logins: true,
        users: vec![("idn", "secret")],
        ..Setup::default()
    });
    let system = format!(
        "\n[system.idn]\ninbound = \"{INBOUND}\"\naddresses = [\"{UNICODE}\", \"{BARE}\"]\n\
         next_hop = \"[127.0.0.1]:{}\"\n\n{CONFIG}",
        site.ats.port()
    );
    site.daemon.configure(&(site.config_text() + &system));
    site.mx.set(&[("smtputf8_enable", "yes")]);
    site.ats.set(&[("smtputf8_enable", if system_knows { "yes" } else { "no" })]);
    site.run();
    site
}

/// The exit code of a command and what it prints.
fn ask(site: &Site, args: &[&str]) -> (i32, String) {
    let mut all = vec![args[0], "--config", site.config.to_str().unwrap()];
    all.extend(&args[1..]);
    let output = command(&all);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code().unwrap(), text + &String::from_utf8_lossy(&output.stderr))
}

fn text(number: usize, spam: &str) -> String {
    format!(
        "From: Erika <{ERIKA}>\r\n{spam}Subject: Application\r\n\
         Message-ID: <{number}@example.org>\r\n\r\nHello\r\n"
    )
}

/// Mail to all that `to` names, one mail each: whether the sender says SMTPUTF8, and whether the
/// system's server knows it. The copies arrive once each.
fn forwarded(says: bool, system_knows: bool, to: &[&[&str]]) -> Site {
    let site = site(system_knows);
    for (number, to) in to.iter().enumerate() {
        send(&site, says, to, &text(number, ""));
    }
    site.settle();
    let copies = site.ats.maildir(INBOUND_ASCII);
    let count = |n: usize| copies.iter().filter(|c| c.text().contains(&format!("<{n}@"))).count();
    let numbers: Vec<usize> = (0..to.len()).map(count).collect();
    assert_eq!(numbers, vec![1; to.len()], "{says} {system_knows}");
    assert_eq!(site.ats.delivery_count(), to.len());
    for copy in &copies {
        let sender = &copy.envelope_sender;
        assert!(sender.ends_with("@xn--bro-hoa.example"), "{sender}");
        let fields = ours(&copy.bytes).concat();
        assert!(fields.contains("@xn--bro-hoa.example") && fields.is_ascii(), "{fields}");
    }
    site
}

// Postfix: takes addresses beyond ASCII by SMTPUTF8 and from sendmail(1) alone.
fn send(site: &Site, says: bool, to: &[&str], text: &str) {
    let mail = Mail::new(ERIKA, to, text);
    match (to.concat().is_ascii(), says) {
        (true, _) => drop(mail.send(site.mx.port())),
        (false, true) => drop(mail.mail_arg("SMTPUTF8").send(site.mx.port())),
        (false, false) => site.mx.sendmail(ERIKA, to, text.replace("\r\n", "\n").as_bytes()),
    }
}

#[test]
fn what_we_add_needs_no_smtputf8_from_the_next_server() {
    // Postfix: what came by SMTPUTF8 to one recipient beyond ASCII has him in its Received field, and
    // does not leave for a server without SMTPUTF8. So two are named here.
    forwarded(true, false, &[&[ASCII], &[UNICODE, ASCII], &[BARE_ASCII], &[BARE, BARE_ASCII]]);
}

#[test]
fn mail_to_either_spelling_is_forwarded_once_and_told_under_one_address() {
    for (says, system_knows) in [(true, true), (false, false)] {
        let to = [&[ASCII][..], &[UNICODE], &[UNICODE, ASCII], &[BARE_ASCII], &[BARE]];
        let site = forwarded(says, system_knows, &to);
        // The local copies lie where the mail was sent to.
        assert_eq!((site.mx.maildir(ASCII).len(), site.mx.maildir(UNICODE).len()), (2, 2));
        assert_eq!((site.mx.maildir(BARE_ASCII).len(), site.mx.maildir(BARE).len()), (0, 0));
        // What does not go on goes to the fallback.
        for (number, to) in [(5, BARE), (6, BARE_ASCII)] {
            send(&site, says, &[to], &text(number, "X-Spam-Flag: YES\r\n"));
        }
        site.settle();
        assert_eq!(site.mx.maildir("hr@xn--bro-hoa.example").len(), 2);
        // The reports came back: all was delivered, and is told under the configuration's spelling.
        for (asked, delivered, local) in [(UNICODE, 3, 0), (ASCII, 3, 0), (BARE_ASCII, 2, 2)] {
            wait_until("the ledger has the reports", LIMIT, || {
                let (_, text) = ask(&site, &["list", "--address", asked, "--json"]);
                let lines: Vec<serde_json::Value> =
                    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
                let count = |state| lines.iter().filter(|l| l["state"] == state).count();
                let known = lines.iter().all(|l| l["address"] == UNICODE || l["address"] == BARE);
                count("delivered") == delivered && count("returned") == local && known
            });
        }
        let (_, domain) = ask(&site, &["list", "--address", "@xn--bro-hoa.example"]);
        assert_eq!(domain.lines().count(), 7, "{domain}");
    }
}

#[test]
fn verify_and_status_take_either_spelling_and_see_one_address() {
    let site = site(false);
    let etc = site.mx.config_dir();
    for asked in [UNICODE, ASCII] {
        let dir = ["--config-dir", etc.to_str().unwrap(), "--lang", "en", "--force"];
        let (code, text) = ask(&site, &[&["verify", asked][..], &dir].concat());
        assert_eq!(code, 0, "{text}");
        assert!(text.starts_with(UNICODE), "{text}");
    }
    // A probe is no mail for anybody.
    site.settle();
    assert_eq!((site.mx.delivery_count(), site.ats.delivery_count()), (0, 0));
    for asked in [UNICODE, ASCII] {
        wait_until("status says verified", LIMIT, || {
            let (_, text) = ask(&site, &["status", asked, "--json"]);
            let rows: serde_json::Value = serde_json::from_str(&text).unwrap();
            rows.as_array().unwrap().len() == 1
                && (&rows[0]["address"], &rows[0]["state"]) == (&UNICODE.into(), &"verified".into())
        });
    }
}

#[test]
fn a_login_may_send_under_either_spelling_of_its_address() {
    let site = site(false);
    for (number, address) in [UNICODE, ASCII].into_iter().enumerate() {
        let message = format!(
            "From: <{address}>\r\nTo: {ERIKA}\r\nSubject: Interview\r\n\
             Message-ID: <{number}@sys.example>\r\n\r\nHello\r\n"
        );
        let mail = Mail::new(address, &["bob@acme.example"], message).mail_arg("SMTPUTF8");
        mail.send_as("idn", "secret", site.submission_port());
    }
    site.settle();
    assert_eq!(site.mx.maildir("bob@acme.example").len(), 2);
}
