//! Broken configurations of a real instance: each is found, and nothing else is.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fs;

use recruit_milter::config::{Config, Socket};
use recruit_milter::policy::rules::{AddressRule, Pattern};
use recruit_milter::postfix::{Site, apply, check, check::examine};

use super::instance::Private;

fn findings(postfix: &Private) -> Vec<String> {
    let found = check(&postfix.instance, &postfix.config).unwrap();
    found.iter().map(ToString::to_string).collect()
}

fn applied() -> Private {
    let postfix = Private::new();
    apply(&postfix.instance, &postfix.wanted()).unwrap();
    postfix
}

/// Breaks an instance with postconf, sees exactly one finding that begins so, and repairs it.
fn breaks(postfix: &Private, arguments: &[&str], begins: &str) {
    let before = postfix.files();
    postfix.postconf(arguments);
    let found = findings(postfix);
    assert_eq!(found.len(), 1, "{arguments:?}: {found:#?}");
    assert!(found[0].starts_with(begins), "{arguments:?}: {found:#?}");
    for (name, text) in ["main.cf", "master.cf"].iter().zip(before) {
        fs::write(postfix.path(name), text).unwrap();
    }
}

#[test]
fn a_sound_instance_has_no_findings() {
    assert_eq!(findings(&applied()), [""; 0]);
}

#[test]
fn before_anything_is_applied_all_of_it_is_missing() {
    let found = findings(&Private::new());
    assert_eq!(found.len(), 17, "{found:#?}");
    assert!(found.iter().all(|text| text.ends_with("-> recruit-milter postfix --apply")));
}

#[test]
fn what_was_changed_in_main_cf_is_found() {
    let postfix = applied();
    for (setting, begins) in [
        ("smtpd_milters=inet:127.0.0.1:1", "error: smtpd_milters in main.cf does not name"),
        ("transport_maps=hash:/x, $recruit_milter_transports", "error: transport_maps in main.cf"),
        ("virtual_alias_maps=", "error: virtual_alias_maps in main.cf does not name"),
        (
            "recruit_milter_front={ unix:other.sock, default_action=accept }",
            "error: recruit_milter_front in main.cf is not what the configuration needs",
        ),
        (
            "recruit-handoff_destination_recipient_limit=50",
            "error: recruit-handoff_destination_recipient_limit in main.cf is not",
        ),
        (
            "smtpd_milters=$recruit_milter_front, inet:127.0.0.1:1",
            "warning: smtpd_milters: \"inet:127.0.0.1:1\" comes after our front milter",
        ),
        (
            "smtpd_milters=unix:recruit-milter/front.sock, $recruit_milter_front",
            "error: smtpd_milters names our front milter more than once",
        ),
        ("milter_protocol=2", "error: milter_protocol is 2"),
        ("smtpd_milter_maps=inline:{x=DISABLE}", "warning: smtpd_milter_maps gives some clients"),
        ("recipient_delimiter=-", "warning: recipient_delimiter is \"-\" in Postfix and \"+\""),
        ("maximal_queue_lifetime=0", "error: maximal_queue_lifetime is 0"),
        ("maximal_queue_lifetime=23h", "error: maximal_queue_lifetime is 23h"),
        ("maximal_queue_lifetime=31d", "warning: maximal_queue_lifetime is 31d, and a handoff"),
        (
            "mydestination=acme.example, m-personio.de",
            "warning: the inbound address acme-jobs@m-personio.de",
        ),
        (
            "virtual_alias_domains=m-personio.de",
            "error: virtual_alias_domains has m-personio.de, the domain of the inbound address",
        ),
    ] {
        breaks(&postfix, &["-e", setting], begins);
    }
    breaks(&postfix, &["-X", "recruit_milter_aliases"], "error: recruit_milter_aliases is missing");
}

#[test]
fn canonical_tables_that_catch_handoffs_are_found() {
    let postfix = applied();
    fs::write(postfix.path("catch"), "/^(.*)@/ $1@catch.example\n").unwrap();
    for name in ["canonical_maps", "recipient_canonical_maps"] {
        breaks(
            &postfix,
            &["-e", &format!("{name}=inline:{{a=b}}, regexp:{}", postfix.path("catch").display())],
            &format!("error: {name}: \"regexp:"),
        );
    }
}

#[test]
fn a_canonical_table_that_cannot_be_asked_is_told() {
    let postfix = applied();
    for name in ["canonical_maps", "recipient_canonical_maps"] {
        let table = "texthash:/nonexistent/table";
        let before = postfix.files();
        postfix.postconf(&["-e", &format!("{name}=inline:{{a=b}}, {table}")]);
        let found = findings(&postfix);
        // Nor can it be said what it would do with recruiting addresses.
        for begins in [
            format!("not tested: {name}: {table} was asked for the recruiting addresses alone"),
            format!("warning: {name}: \"{table}\" cannot be asked: \"postmap -q "),
        ] {
            assert_eq!(found.iter().filter(|f| f.starts_with(&begins)).count(), 1, "{found:#?}");
        }
        assert_eq!(found.len(), 2, "{found:#?}");
        for (name, text) in ["main.cf", "master.cf"].iter().zip(before) {
            fs::write(postfix.path(name), text).unwrap();
        }
    }
}

#[test]
fn what_was_changed_in_master_cf_is_found() {
    let postfix = applied();
    let entrance = format!("{}/inet", postfix.port);
    let hop = format!("{}/inet", postfix.config.handoff.smtpd);
    let set = |key: &str, option: &str| format!("{key}/{option}");
    for (option, begins) in [
        (set(&hop, "smtpd_milters="), "error: service 127.0.0.1:"),
        (set("recruit-out/unix", "smtp_discard_ehlo_keywords="), "error: service recruit-out/unix"),
        (set(&entrance, "smtpd_milters=inet:x:1"), "warning: 127.0.0.1:"),
        (set(&entrance, "receive_override_options=no_milters"), "warning: 127.0.0.1:"),
        (set(&entrance, "smtpd_proxy_filter=127.0.0.1:9"), "error: 127.0.0.1:"),
    ] {
        breaks(&postfix, &["-P", &option], begins);
    }
    for (service, begins) in [
        ("recruit-out/unix", "error: service recruit-out/unix is missing"),
        ("recruit-cleanup/unix", "error: service recruit-cleanup/unix is missing"),
    ] {
        breaks(&postfix, &["-M", "-X", service], begins);
    }
    breaks(
        &postfix,
        &["-M", "-e", "smtp/inet=smtp inet n - y - - smtpd -o smtpd_milters="],
        "error: smtp/inet in master.cf has \"-o smtpd_milters=\"",
    );
    fs::write(postfix.path("recruit-milter.regexp"), "").unwrap();
    assert!(findings(&postfix)[0].starts_with("error: table recruit-milter.regexp is missing or"));
}

#[test]
fn an_override_that_names_us_is_no_finding() {
    let postfix = applied();
    postfix.postconf(&["-e", "our_milters = inet:x:1, $recruit_milter_front"]);
    for value in ["inet:x:1,$recruit_milter_front", "$our_milters"] {
        postfix.postconf(&["-P", &format!("{}/inet/smtpd_milters={value}", postfix.port)]);
        assert_eq!(findings(&postfix), [""; 0]);
    }
}

/// The ids of what is found once `change` was made to what was read.
fn ids(postfix: &Private, change: impl Fn(&mut Site, &mut Config)) -> Vec<&'static str> {
    let (mut site, mut config) = (postfix.site(), postfix.config.clone());
    change(&mut site, &mut config);
    let found = examine(&config, &site).into_iter().map(|finding| finding.id.as_str());
    // What follows from the change for our own lines is the matter of other tests.
    found.filter(|id| !["RM-POSTFIX-04", "RM-POSTFIX-05", "RM-POSTFIX-06"].contains(id)).collect()
}

#[test]
fn results_that_anybody_can_write_are_found_where_nothing_looks_at_the_header() {
    let mut postfix = Private::with("");
    apply(&postfix.instance, &postfix.wanted()).unwrap();
    let before = postfix.files();
    assert_eq!(findings(&postfix), [""; 0]);
    postfix.config.rules.authserv_id = Some("mx1.acme.example".into());
    let found = findings(&postfix);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].starts_with("warning: [internal] authserv_id = \"mx1.acme.example\", and"));
    let entrance = format!("{}/inet", postfix.port);
    fs::write(postfix.path("checks"), "/^X-Old:/ IGNORE\n").unwrap();
    let checks = format!("header_checks=regexp:{}", postfix.path("checks").display());
    // What these do is not known.
    for arguments in [
        ["-e", &checks],
        ["-e", "smtpd_milters=inet:127.0.0.1:11332, $recruit_milter_front"],
        ["-P", &format!("cleanup/unix/{checks}")],
        ["-P", &format!("{entrance}/smtpd_milters=inet:127.0.0.1:1,$recruit_milter_front")],
    ] {
        postfix.postconf(&arguments);
        assert_eq!(findings(&postfix), [""; 0], "{arguments:?}");
        for (name, text) in ["main.cf", "master.cf"].iter().zip(&before) {
            fs::write(postfix.path(name), text).unwrap();
        }
    }
}

#[test]
fn a_short_stay_in_the_queue_is_an_error_before_copies_are_given_up_and_else_a_warning() {
    let postfix = applied();
    let with = |lifetime: &'static str, give_up: u64, local_copy: bool| {
        ids(&postfix, move |site, config| {
            site.effective.insert("maximal_queue_lifetime".into(), lifetime.into());
            config.rules.give_up.after = give_up;
            let jobs = Pattern::parse("jobs@acme.example").unwrap();
            config.rules.addresses = vec![AddressRule { local_copy, ..AddressRule::new(jobs, 0) }];
        })
    };
    let day = 86_400;
    for (lifetime, give_up, local_copy, expected) in [
        ("5d", day, false, &[][..]),
        ("120h", day, false, &[]),
        ("119h", day, false, &["RM-POSTFIX-61"]),
        ("2d", day, false, &["RM-POSTFIX-61"]),
        ("2d", day, true, &[]),
        ("47h", day, true, &["RM-POSTFIX-20"]),
        ("1d", 12 * 3600, true, &[]),
        ("23h", 3600, true, &["RM-POSTFIX-20"]),
        ("5d", 3 * day, true, &["RM-POSTFIX-20"]),
    ] {
        assert_eq!(with(lifetime, give_up, local_copy), expected, "{lifetime} {give_up}");
    }
}

#[test]
fn a_handoff_domain_that_can_be_written_to_from_outside_is_found() {
    let postfix = applied();
    let files = postfix.files();
    let with = |domain: &str, class: &str, value: String| {
        let mut config = postfix.config.clone();
        config.rules.handoff_domain = domain.into();
        config.rules.return_domain = format!("return.{domain}");
        postfix.postconf(&["-e", &format!("{class}={value}")]);
        let found = check(&postfix.instance, &config).unwrap();
        fs::write(postfix.path("main.cf"), &files[0]).unwrap();
        let mut ids: Vec<_> = found.iter().map(|finding| finding.id.as_str()).collect();
        ids.retain(|id| ["RM-POSTFIX-60", "RM-POSTFIX-100"].contains(id));
        ids
    };
    // Files are lists as well, and names may stand behind a "!".
    let file = |name: &str, text: &str| {
        fs::write(postfix.path(name), text).unwrap();
        postfix.path(name).display().to_string()
    };
    let list = file("list", "# ours\nhandoff.acme.example\n");
    let dotted = file("dotted", "/^\\.acme\\.example$/ OK\n");
    let back = file("back", "return.handoff.acme.example OK\n");
    for (class, value, found) in [
        ("mydestination", format!("localhost, {list}"), &["RM-POSTFIX-60"][..]),
        ("mydestination", "!handoff.acme.example, static:all".into(), &["RM-POSTFIX-60"]),
        ("virtual_mailbox_domains", format!("texthash:{back}"), &["RM-POSTFIX-60"]),
        ("virtual_mailbox_domains", "texthash:/nowhere/at/all".into(), &["RM-POSTFIX-100"]),
        ("mydestination", "localhost, /nowhere/at/all".into(), &["RM-POSTFIX-100"]),
    ] {
        assert_eq!(with("handoff.acme.example", class, value.clone()), found, "{class} {value}");
    }
    postfix.postconf(&["-e", "parent_domain_matches_subdomains="]);
    postfix.postconf(&["-e", &format!("relay_domains=regexp:{dotted}")]);
    let mut below = postfix.config.clone();
    below.rules.handoff_domain = "handoff.acme.example".into();
    let found = check(&postfix.instance, &below).unwrap();
    assert!(found.iter().any(|finding| finding.id == "RM-POSTFIX-60"), "{found:#?}");
    fs::write(postfix.path("main.cf"), &files[0]).unwrap();
    for class in ["mydestination", "virtual_alias_domains", "virtual_mailbox_domains"] {
        for (value, found) in [
            ("acme.example, handoff.acme.example", 1),
            ("acme.example, .acme.example", 0),
            ("return.HANDOFF.acme.example", 1),
        ] {
            let found = vec!["RM-POSTFIX-60"; found];
            assert_eq!(with("handoff.acme.example", class, value.into()), found, "{class} {value}");
        }
    }
    // A gateway takes mail for all that is below its domains.
    for (value, found) in
        [("acme.example", 2), ("other.example", 0), (".acme.example", 0), ("e.example", 0)]
    {
        let found = vec!["RM-POSTFIX-60"; found];
        assert_eq!(with("handoff.acme.example", "relay_domains", value.into()), found, "{value}");
        assert_eq!(with("handoff.internal", "relay_domains", value.into()), [""; 0], "{value}");
    }
    // Tables of domains are asked.
    fs::write(postfix.path("domains"), "/^acme\\.example$/ OK\n").unwrap();
    let table = format!("relay_domains=regexp:{}", postfix.path("domains").display());
    let mut changed = postfix.config.clone();
    postfix.postconf(&["-e", &table]);
    let found = |config: &Config| {
        let found = check(&postfix.instance, config).unwrap();
        found.iter().filter(|finding| finding.id == "RM-POSTFIX-60").count()
    };
    assert_eq!(found(&changed), 0);
    changed.rules.handoff_domain = "handoff.acme.example".into();
    assert_eq!(found(&changed), 1);
}

#[test]
fn what_this_machine_cannot_show_is_found_as_well() {
    let postfix = applied();
    let set = |name: &'static str, value: &'static str| {
        move |site: &mut Site, _: &mut Config| {
            site.effective.insert(name.into(), value.into());
        }
    };
    assert_eq!(ids(&postfix, |_, _| {}), [""; 0]);
    assert_eq!(ids(&postfix, set("mail_version", "3.4.29")), ["RM-POSTFIX-01"]);
    for version in ["3.5.25", "3.10.8", "3.11-20260801", "4.0.1"] {
        assert_eq!(ids(&postfix, set("mail_version", version)), [""; 0]);
    }
    assert_eq!(ids(&postfix, |site, _| _ = site.table_types.remove("regexp")), ["RM-POSTFIX-02"]);
    assert_eq!(ids(&postfix, set("inet_protocols", "ipv6")), ["RM-POSTFIX-16"; 2]);
    assert_eq!(ids(&postfix, set("master_service_disable", "inet")), ["RM-POSTFIX-17"; 2]);
    assert_eq!(
        ids(&postfix, |_, config| config.handoff.smtpd = "192.0.2.1:10027".parse().unwrap()),
        ["RM-POSTFIX-16"]
    );
    let outside = |config: &mut Config| {
        config.milter.front = vec![Socket::Unix("/run/recruit-milter/front.sock".into())];
    };
    assert_eq!(ids(&postfix, |_, config| outside(config)), [""; 0]);
    assert_eq!(
        ids(&postfix, |site, config| {
            outside(config);
            site.services[0].columns[2] = "y".into();
        }),
        ["RM-POSTFIX-15"]
    );
    assert_eq!(
        ids(&postfix, |site, config| {
            site.services[1].name = config.handoff.smtpd.to_string();
            site.services.retain(|service| service.option("syslog_name").is_none());
        }),
        ["RM-POSTFIX-10"]
    );
}
