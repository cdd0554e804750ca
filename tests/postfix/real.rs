//! A real Postfix instance before and after.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};

use recruit_milter::config::Socket;
use recruit_milter::policy::rules::{AddressRule, Pattern};
use recruit_milter::postfix::{Error, apply, check, diff, remove};

use super::instance::Private;

#[test]
fn applied_and_removed_again_leaves_every_byte_as_it_was() {
    let postfix = Private::new();
    let before = postfix.files();
    fs::set_permissions(postfix.path("main.cf"), fs::Permissions::from_mode(0o640)).unwrap();
    chown(postfix.path("main.cf"), Some(1), Some(2)).unwrap();
    let modes = postfix.modes();
    let changes = apply(&postfix.instance, &postfix.wanted()).unwrap();
    assert_eq!(changes.len(), 17);
    assert_ne!(postfix.files(), before);
    assert_eq!(postfix.modes(), modes);
    assert_eq!(remove(&postfix.instance).unwrap().len(), 17);
    assert_eq!(postfix.files(), before);
    assert_eq!(postfix.modes(), modes);
    assert_eq!(postfix.names(), ["main.cf", "master.cf"]);
    assert_eq!(remove(&postfix.instance).unwrap(), []);
}

#[test]
fn applying_a_second_time_changes_nothing() {
    let postfix = Private::new();
    apply(&postfix.instance, &postfix.wanted()).unwrap();
    let applied = postfix.files();
    assert_eq!(apply(&postfix.instance, &postfix.wanted()).unwrap(), []);
    assert_eq!(postfix.files(), applied);
}

#[test]
fn the_lists_of_the_site_are_kept() {
    let postfix = Private::new();
    apply(&postfix.instance, &postfix.wanted()).unwrap();
    let lists = ["smtpd_milters", "non_smtpd_milters", "transport_maps", "virtual_alias_maps"];
    assert_eq!(
        postfix.postconf(&lists),
        "smtpd_milters = inet:127.0.0.1:1, $recruit_milter_front, \
         { inet:127.0.0.1:8891, default_action=accept }\n\
         non_smtpd_milters = $smtpd_milters\n\
         transport_maps = $recruit_milter_transports, inline:{ { old.example = discard: } }\n\
         virtual_alias_maps = $recruit_milter_aliases\n"
    );
}

#[test]
fn a_changed_configuration_is_brought_up_to_date() {
    let mut postfix = Private::new();
    let before = postfix.files();
    apply(&postfix.instance, &postfix.wanted()).unwrap();
    let old = postfix.config.handoff.smtpd;
    postfix.config.handoff.smtpd = postfix.config.handoff.return_smtpd;
    postfix.config.handoff.return_smtpd = "127.0.0.1:1".parse().unwrap();
    postfix.config.rules.systems[0].next_hop = Some("[127.0.0.1]:25".into());
    postfix.config.rules.bounce = None;
    assert_eq!(apply(&postfix.instance, &postfix.wanted()).unwrap().len(), 6);
    assert_eq!(diff(&postfix.site(), &postfix.wanted()), []);
    assert_eq!(postfix.site().service(&format!("{old}/inet")), None);
    remove(&postfix.instance).unwrap();
    assert_eq!(postfix.files(), before);
}

#[test]
fn the_agents_service_comes_and_goes_with_unwrapping() {
    let mut postfix = Private::new();
    let before = postfix.files();
    apply(&postfix.instance, &postfix.wanted()).unwrap();
    let pattern = Pattern::parse("jobs@acme.example").unwrap();
    let rule = AddressRule { unwrap: true, ..AddressRule::new(pattern, 0) };
    postfix.config.rules.addresses.push(rule);
    assert_eq!(apply(&postfix.instance, &postfix.wanted()).unwrap().len(), 3);
    assert!(postfix.site().service("recruit-agent/unix").is_some());
    assert_eq!(apply(&postfix.instance, &postfix.wanted()).unwrap(), []);
    postfix.config.rules.addresses.clear();
    assert_eq!(apply(&postfix.instance, &postfix.wanted()).unwrap().len(), 3);
    assert_eq!(postfix.site().service("recruit-agent/unix"), None);
    remove(&postfix.instance).unwrap();
    assert_eq!(postfix.files(), before);
}

#[test]
fn the_signer_comes_and_goes() {
    let mut postfix = Private::new();
    let before = postfix.files();
    apply(&postfix.instance, &postfix.wanted()).unwrap();
    postfix.config.handoff.signer = Some(Socket::Inet("127.0.0.1:8892".parse().unwrap()));
    assert_eq!(apply(&postfix.instance, &postfix.wanted()).unwrap().len(), 2);
    assert_eq!(apply(&postfix.instance, &postfix.wanted()).unwrap(), []);
    assert_eq!(check(&postfix.instance, &postfix.config).unwrap(), []);
    let hop = format!("{}/inet", postfix.config.handoff.smtpd);
    let milters = postfix.postconf(&["-P", "-h", &format!("{hop}/smtpd_milters")]);
    assert_eq!(milters, "$recruit_milter_handoff,$recruit_milter_signer\n");
    postfix.config.handoff.signer = None;
    assert_eq!(apply(&postfix.instance, &postfix.wanted()).unwrap().len(), 2);
    postfix.config.handoff.signer = Some(Socket::Inet("127.0.0.1:8892".parse().unwrap()));
    apply(&postfix.instance, &postfix.wanted()).unwrap();
    remove(&postfix.instance).unwrap();
    assert_eq!(postfix.files(), before);
}

#[test]
fn what_the_admin_edits_in_between_stays() {
    let postfix = Private::new();
    let [main, master] = postfix.files();
    apply(&postfix.instance, &postfix.wanted()).unwrap();
    postfix.postconf(&["-e", "smtpd_banner = new"]);
    remove(&postfix.instance).unwrap();
    let [main_after, master_after] = postfix.files();
    assert_eq!(master_after, master);
    assert!(main_after.contains("smtpd_banner = new"));
    assert!(main_after.contains("# Our mail server. Ask Petra."));
    let values = |text: &str| {
        let mut values = recruit_milter::postfix::syntax::main_cf(text);
        values.remove("smtpd_banner");
        values.into_iter().map(|(name, value)| (name, value.replace(' ', ""))).collect::<Vec<_>>()
    };
    assert_eq!(values(&main_after), values(&main));
    assert_eq!(postfix.names(), ["main.cf", "master.cf"]);
}

#[test]
fn an_edit_before_a_second_apply_stays_as_well() {
    let mut postfix = Private::new();
    let [_, master] = postfix.files();
    apply(&postfix.instance, &postfix.wanted()).unwrap();
    postfix.postconf(&["-e", "smtpd_banner = new"]);
    postfix.config.rules.systems.clear();
    apply(&postfix.instance, &postfix.wanted()).unwrap();
    remove(&postfix.instance).unwrap();
    let [main_after, master_after] = postfix.files();
    assert_eq!(master_after, master);
    assert!(main_after.contains("smtpd_banner = new"));
    assert!(!main_after.contains("recruit"));
}

/// Postfix: a port that is taken ends master(8), and with it all mail.
#[test]
fn where_somebody_listens_already_nothing_is_changed() {
    let postfix = Private::new();
    let before = postfix.files();
    let taken = std::net::TcpListener::bind(postfix.config.handoff.return_smtpd).unwrap();
    let error = apply(&postfix.instance, &postfix.wanted()).unwrap_err();
    let address = postfix.config.handoff.return_smtpd;
    assert!(matches!(&error, Error::Occupied { address: at, .. } if *at == address), "{error}");
    assert_eq!(postfix.files(), before);
    drop(taken);
    apply(&postfix.instance, &postfix.wanted()).unwrap();
}

#[test]
fn a_step_that_fails_leaves_nothing_behind() {
    let postfix = Private::new();
    let before = postfix.files();
    let wanted = postfix.wanted();
    // postconf writes main.cf by way of this name; master.cf has been changed by then.
    fs::create_dir(postfix.path("main.cf.tmp")).unwrap();
    let error = apply(&postfix.instance, &wanted).unwrap_err();
    assert!(matches!(&error, Error::Command { command, .. } if command.starts_with("postconf -e")));
    fs::remove_dir(postfix.path("main.cf.tmp")).unwrap();
    assert_eq!(postfix.files(), before);
    assert_eq!(remove(&postfix.instance).unwrap(), []);
    assert_eq!(postfix.names(), ["main.cf", "master.cf"]);
}

#[test]
fn what_is_printed_can_be_pasted() {
    let postfix = Private::with("");
    let wanted = postfix.wanted();
    let printed = wanted.print();
    let (main, rest) = printed.split_once("\n# ---- master.cf ----\n").unwrap();
    let (master, _) = rest.split_once("\n# ---- recruit-milter.regexp").unwrap();
    let [old_main, old_master] = postfix.files();
    fs::write(postfix.path("main.cf"), old_main + main).unwrap();
    fs::write(postfix.path("master.cf"), old_master + master).unwrap();
    for file in &wanted.files {
        fs::write(postfix.path(file.name), &file.content).unwrap();
    }
    assert_eq!(diff(&postfix.site(), &wanted), []);
}

#[test]
fn postfix_starts_with_it_and_offers_what_the_passes_need() {
    let postfix = Private::with("smtpd_discard_ehlo_keywords = dsn\n");
    apply(&postfix.instance, &postfix.wanted()).unwrap();
    postfix.start();
    let ehlo = ["EHLO localhost", "QUIT"];
    let front = Private::talk(postfix.port, &ehlo);
    assert!(!front.contains(&"250-DSN".to_owned()), "{front:?}");
    for hop in [postfix.config.handoff.smtpd, postfix.config.handoff.return_smtpd] {
        assert_eq!(
            Private::talk(hop, &ehlo),
            [
                "250-mx.acme.example",
                "250-PIPELINING",
                "250-SIZE",
                "250-VRFY",
                "250-ENHANCEDSTATUSCODES",
                "250-8BITMIME",
                "250-DSN",
                "250 SMTPUTF8",
                "221 2.0.0 Bye",
            ]
        );
        // The milter does not run: no mail is taken without it.
        let said = Private::talk(hop, &["EHLO localhost", "MAIL FROM:<a@b.example>"]);
        assert!(said.last().unwrap().starts_with("451 4.7.1"), "{said:?}");
    }
    let log = postfix.log();
    let complaints = log.lines().filter(|line| {
        ["warning", "error", "fatal", "panic"].iter().any(|word| line.contains(word))
    });
    let others: Vec<_> = complaints.filter(|line| !line.contains("connect to Milter")).collect();
    assert!(others.is_empty(), "{others:#?}");
}

#[test]
fn the_tables_answer_for_our_addresses_only() {
    let postfix = Private::new();
    apply(&postfix.instance, &postfix.wanted()).unwrap();
    let hop = |address| format!("recruit-handoff:[127.0.0.1]:{address}\n");
    let (second, third) =
        (hop(postfix.config.handoff.smtpd.port()), hop(postfix.config.handoff.return_smtpd.port()));
    let handoff = "@handoff.recruit-milter.internal";
    let ask = |file: &str, key: &str| {
        let table = format!("regexp:{}", postfix.path(file).display());
        postfix.instance.run("postmap", &["-q", key, &table]).unwrap_or_default()
    };
    for (key, answer) in [
        ("t.Abc@handoff.recruit-milter.internal", &*second),
        ("g.Abc@return.recruit-milter.internal", &third),
        ("handoff.recruit-milter.internal", ""),
        ("t@handoff.recruit-milter.internal.example", ""),
        ("t@handoffXrecruit-milter.internal", ""),
    ] {
        assert_eq!(ask("recruit-milter.transport", key), answer, "{key}");
    }
    for (key, answer) in [
        ("recruit-bounces@acme.example", format!("recruit-bounces{handoff}\n")),
        ("recruit-bounces+Tok@acme.example", format!("recruit-bounces+Tok{handoff}\n")),
        ("recruit-bounces-x@acme.example", String::new()),
        ("xrecruit-bounces@acme.example", String::new()),
        ("recruit-bounces@acmeXexample", String::new()),
        ("t.Abc@handoff.recruit-milter.internal", format!("t.Abc{handoff}\n")),
        ("acme.example", String::new()),
    ] {
        assert_eq!(ask("recruit-milter.virtual", key), answer, "{key}");
    }
    let rcpt = |domain: &str, arguments: &str| format!("RCPT TO:<t.1@{domain}>{arguments}");
    for (domain, before, after) in [
        (&handoff[1..], " NOTIFY=NEVER", " NOTIFY=SUCCESS,FAILURE,DELAY\n"),
        (
            &handoff[1..],
            " ORCPT=rfc822;a@b NOTIFY=NEVER X=y",
            " ORCPT=rfc822;a@b NOTIFY=SUCCESS,FAILURE,DELAY X=y\n",
        ),
        (&handoff[1..], " NOTIFY=FAILURE", ""),
        (&handoff[1..], "", ""),
        ("acme.example", " NOTIFY=NEVER", ""),
    ] {
        let answer = ask("recruit-milter.regexp", &rcpt(domain, before));
        let expected = if after.is_empty() { String::new() } else { rcpt(domain, after) };
        assert_eq!(answer, expected, "{domain}{before}");
    }
}
