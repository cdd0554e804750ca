//! Verification: our probe and the vendor's test mail, through the real pair of Postfix, and what is said
//! when the way is broken somewhere.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fs;
use std::time::Duration;

use jiff::Timestamp;
use recruit_milter::config;
use recruit_milter::ledger::evidence::verdicts;
use recruit_milter::ledger::{self, Access};
use recruit_milter::policy::verification::{Source, State, Verdict};

use crate::harness::daemon::command;
use crate::harness::dkim::DkimKey;
use crate::harness::site::{INBOUND, JOBS, KARRIERE, OTHER_JOBS, Setup, without_ours};
use crate::harness::{LIMIT, Mail, Site, wait_for, wait_until};

/// The exit code of `verify` and what it prints.
fn verify(site: &Site, more: &[&str]) -> (i32, String) {
    let etc = site.mx.config_dir();
    let mut args = vec!["verify", "--config", site.config.to_str().unwrap()];
    args.extend(["--config-dir", etc.to_str().unwrap(), "--force", "--lang", "en"]);
    args.extend(more);
    let output = command(&args);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    (output.status.code().unwrap(), text + &errors)
}

/// The judgement of the ledger about an address.
fn verdict(site: &Site, address: &str) -> Verdict {
    let config = config::load(&site.config).unwrap().config;
    let at = config.rules.addresses.iter().position(|r| r.pattern.to_string() == address).unwrap();
    let mut ledger = ledger::open(&config, Access::Read).unwrap();
    verdicts(&mut ledger, &config, Timestamp::now()).unwrap().swap_remove(at)
}

/// What is the same each time.
fn shape(text: &str) -> Vec<String> {
    let line = |line: &str| {
        let words: Vec<&str> = line.split("  ").map(str::trim).filter(|w| !w.is_empty()).collect();
        match words[..] {
            [time, what, ..] if time.len() == 8 && time.contains(':') => what.to_owned(),
            _ => line.trim().to_owned(),
        }
    };
    text.lines().map(line).collect()
}

#[test]
fn a_probe_is_followed_and_verifies_each_address() {
    let site = Site::start();
    let (code, text) = verify(&site, &["--all"]);
    assert_eq!(code, 0, "{text}");
    let each = |address: &str| {
        [
            address,
            "probe sent",
            "accepted by Postfix",
            "the system's server takes mail",
            "seen by the milter",
            "arrived at pass 2, where it ends",
            "verified.",
        ]
        .map(str::to_owned)
    };
    assert_eq!(shape(&text), [JOBS, KARRIERE, OTHER_JOBS].map(each).concat());
    site.settle();
    assert_eq!((site.mx.delivery_count(), site.ats.delivery_count()), (0, 0));
    for address in [JOBS, KARRIERE, OTHER_JOBS] {
        wait_until("the ledger has read it", LIMIT, || {
            let verdict = verdict(&site, address);
            verdict.state == State::Verified && verdict.by == Some(Source::Probe)
        });
    }
    let (code, text) = verify(&site, &[JOBS, "--json"]);
    assert_eq!(code, 0, "{text}");
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&json["outcome"], &json["address"]), (&"verified".into(), &JOBS.into()));
    // Without --force the next one has to wait.
    let args = ["verify", "--config", site.config.to_str().unwrap(), JOBS];
    assert_eq!(command(&args).status.code(), Some(75));
    let args = ["verify", "--config", site.config.to_str().unwrap(), "eve@x.example"];
    assert_eq!(command(&args).status.code(), Some(64));
}

#[test]
fn a_probe_that_goes_through_is_verified_by_its_report() {
    let config = "[verify]\nprobes = \"through\"\n".to_owned();
    let site = Site::with(Setup { config, ..Setup::default() });
    let (code, text) = verify(&site, &[KARRIERE]);
    assert_eq!(code, 0, "{text}");
    assert!(shape(&text).contains(&"taken by the system's server".to_owned()), "{text}");
    wait_until("the ledger has read it", LIMIT, || {
        verdict(&site, KARRIERE).state == State::Verified
    });
    assert_eq!(site.inbound().len(), 1);
}

#[test]
fn the_vendors_test_mail_comes_back_unchanged_and_verifies_its_address() {
    let site = Site::start();
    let key = DkimKey::new(site.scratch(), "m-personio.example");
    let mail = format!(
        "From: Personio <{INBOUND}>\r\nTo: {JOBS}\r\n\
         Subject: Test\r\nMessage-ID: <test@m-personio.example>\r\n\
         Auto-Submitted: auto-generated\r\nX-Loop: yes\r\nPrecedence: bulk\r\n\r\n\
         This is  a test.\r\n\r\n"
    );
    // Under p=reject this signature is all that the mail has when it comes back.
    let mail = String::from_utf8(key.sign(mail.as_bytes(), &["simple/simple"])).unwrap();
    Mail::new(INBOUND, &[JOBS], mail.as_str()).send(site.mx.port());
    site.settle();
    // What the vendor waits for.
    let back = site.inbound();
    assert_eq!(back.len(), 1);
    assert!(key.verifies(&back[0].bytes), "{}", back[0].text());
    let bytes = without_ours(&back[0].bytes, 3);
    assert_eq!(String::from_utf8_lossy(&bytes), mail.replace("\r\n", "\n"));
    let verdict = wait_for("the ledger has read it", LIMIT, || {
        Some(verdict(&site, JOBS)).filter(|verdict| verdict.state == State::Verified)
    });
    assert_eq!(verdict.by, Some(Source::TestMail));
    assert_eq!(self::verdict(&site, KARRIERE).state, State::Never);
}

/// A way to break it, and what is to be said then.
struct Broken {
    what: &'static str,
    breaks: fn(&mut Site),
    mends: fn(&mut Site),
    code: i32,
    says: &'static [&'static str],
}

fn set(site: &mut Site, name: &str, value: &str) {
    site.mx.set(&[(name, value)]);
    site.mx.reload();
}

/// Something of Postfix's main.cf that is put back afterwards.
fn put_back(site: &mut Site) {
    site.attach();
    site.mx.reload();
}

fn rename(site: &Site, from: &str, to: &str) {
    let folder = site.mx.queue_dir().join("recruit-milter");
    fs::rename(folder.join(from), folder.join(to)).unwrap();
}

const BROKEN: &[Broken] = &[
    Broken {
        what: "the milter is off",
        breaks: |site| assert!(site.daemon.stop().success()),
        mends: |site| site.daemon.start(),
        code: 1,
        says: &[
            "Postfix did not take it: 451",
            "does not answer at",
            "systemctl start recruit-milter",
        ],
    },
    Broken {
        what: "the milter is off, and Postfix does not care",
        breaks: |site| {
            set(
                site,
                "recruit_milter_front",
                &site.mx.postconf("recruit_milter_front").replace("tempfail", "accept"),
            );
            assert!(site.daemon.stop().success());
        },
        mends: |site| {
            site.daemon.start();
            put_back(site);
        },
        code: 1,
        says: &["does not pass the milter", "recruit_milter_front in main.cf is not what"],
    },
    Broken {
        what: "the milter is not attached",
        breaks: |site| set(site, "smtpd_milters", ""),
        mends: put_back,
        code: 1,
        says: &["does not pass the milter", "smtpd_milters"],
    },
    Broken {
        what: "a service has milters of its own",
        breaks: |site| {
            site.mx.run(
                "postconf",
                &["-P", &format!("127.0.0.1:{}/inet/smtpd_milters=", site.mx.port())],
                b"",
            );
            site.mx.reload();
        },
        mends: |site| {
            site.mx.run(
                "postconf",
                &["-PX", &format!("127.0.0.1:{}/inet/smtpd_milters", site.mx.port())],
                b"",
            );
            site.mx.reload();
        },
        code: 1,
        says: &["does not pass the milter", "master.cf"],
    },
    Broken {
        what: "the handoff has no route",
        breaks: |site| set(site, "transport_maps", ""),
        mends: put_back,
        code: 1,
        says: &["has not come to pass 2", "transport_maps"],
    },
    Broken {
        what: "the second smtpd is gone",
        breaks: |site| {
            site.mx.run(
                "postconf",
                &["-MX", &format!("127.0.0.1:{}/inet", site.handoff_port())],
                b"",
            );
            site.mx.reload();
        },
        mends: put_back,
        code: 1,
        says: &["has not come to pass 2", "the second smtpd does not answer"],
    },
    Broken {
        what: "pass 2 has lost its socket",
        breaks: |site| rename(site, "handoff.sock", "hidden.sock"),
        mends: |site| rename(site, "hidden.sock", "handoff.sock"),
        code: 1,
        says: &["has not come to pass 2", "handoff.sock", "systemctl restart recruit-milter"],
    },
    Broken {
        what: "the system refuses its inbound address",
        breaks: |site| {
            let refuse = "check_client_access static:{550 5.1.1 No such account}";
            site.ats.set(&[("smtpd_recipient_restrictions", refuse)]);
            site.ats.reload();
        },
        mends: |site| {
            site.ats.set(&[("smtpd_recipient_restrictions", "")]);
            site.ats.reload();
        },
        code: 1,
        says: &["server does not take it: 550 5.", "compare [system] inbound"],
    },
    Broken {
        what: "the system's server is down",
        breaks: |site| site.ats.stop(),
        mends: |site| site.ats.start(),
        code: 75,
        says: &["the system's server says later", "not yet"],
    },
    Broken {
        what: "Postfix knows no such mailbox",
        breaks: |site| set(site, "virtual_mailbox_maps", "inline:{nobody@acme.example=x}"),
        mends: |site| {
            let maps = fs::read_to_string(site.mx.root().join("etc/original_maps")).unwrap();
            set(site, "virtual_mailbox_maps", maps.trim());
        },
        code: 1,
        says: &["Postfix did not take it: 550", "give the address a mailbox or an alias"],
    },
    Broken {
        what: "Postfix takes nothing of this size",
        breaks: |site| set(site, "message_size_limit", "200"),
        mends: |site| set(site, "message_size_limit", "10240000"),
        code: 1,
        says: &["Postfix did not take it: 552", "postconf message_size_limit"],
    },
    Broken {
        what: "the milter has another key",
        breaks: |site| {
            let key = site.config.with_file_name("seal.key");
            fs::rename(&key, key.with_extension("old")).unwrap();
            crate::harness::daemon::succeed(&[
                "init-key",
                "--config",
                site.config.to_str().unwrap(),
            ]);
        },
        mends: |site| {
            let key = site.config.with_file_name("seal.key");
            fs::rename(key.with_extension("old"), &key).unwrap();
        },
        code: 1,
        says: &["the milter that runs does not know key 1,", "-> kill -HUP "],
    },
    Broken {
        what: "nobody answers where probes go in",
        breaks: |site| site.mx.stop(),
        mends: |site| site.mx.start(),
        code: 1,
        says: &["nobody answers at", "postfix status"],
    },
];

#[test]
fn wherever_the_way_is_broken_the_hop_and_the_remedy_are_named() {
    let mut site = Site::start();
    let maps = site.mx.postconf("virtual_mailbox_maps");
    fs::create_dir_all(site.mx.root().join("etc")).unwrap();
    fs::write(site.mx.root().join("etc/original_maps"), maps).unwrap();
    let mut wrong = Vec::new();
    for broken in BROKEN {
        (broken.breaks)(&mut site);
        let (code, text) = verify(&site, &[JOBS, "--timeout", "3"]);
        (broken.mends)(&mut site);
        let missing: Vec<_> = broken.says.iter().filter(|says| !text.contains(**says)).collect();
        if code != broken.code || !missing.is_empty() {
            wrong.push(format!("== {}: exit {code}, missing {missing:?}\n{text}", broken.what));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    std::thread::sleep(Duration::from_secs(1));
    let (code, text) = verify(&site, &[JOBS]);
    assert_eq!(code, 0, "all is mended: {text}");
}
