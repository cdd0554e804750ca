//! Whether Postfix serves the domains of our addresses: all the ways in which it can be told so.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fs;

use recruit_milter::mail::Address;
use recruit_milter::policy::rules::{AddressRule, Pattern};
use recruit_milter::postfix::{apply, check, unserved};

use super::instance::Private;

/// A Postfix that serves acme.example alone, with these recruiting addresses besides.
fn with(addresses: &[&str]) -> Private {
    let mut postfix = Private::with("");
    for address in addresses {
        let pattern = Pattern::parse(address).unwrap();
        postfix.config.rules.addresses.push(AddressRule::new(pattern, 0));
    }
    postfix.config.rules = std::mem::take(&mut postfix.config.rules).indexed();
    apply(&postfix.instance, &postfix.wanted()).unwrap();
    postfix
}

fn findings(postfix: &Private) -> Vec<String> {
    let found = check(&postfix.instance, &postfix.config).unwrap();
    found.iter().map(ToString::to_string).collect()
}

/// What is found once these are set.
fn found_with(postfix: &Private, settings: &[&str]) -> Vec<String> {
    let before = postfix.files();
    let mut arguments = vec!["-e"];
    arguments.extend(settings);
    postfix.postconf(&arguments);
    let found = findings(postfix);
    for (name, text) in ["main.cf", "master.cf"].iter().zip(before) {
        fs::write(postfix.path(name), text).unwrap();
    }
    found
}

#[test]
fn a_domain_that_no_list_has_is_an_error_with_the_one_that_was_meant() {
    let postfix = with(&["jobs@acme.exmaple"]);
    assert_eq!(
        findings(&postfix),
        ["error: this Postfix does not serve acme.exmaple, the domain of the recruiting address \
          jobs@acme.exmaple: mail from outside is refused (it is in none of mydestination, \
          virtual_alias_domains, virtual_mailbox_domains, relay_domains) (RM-POSTFIX-90)\n  \
          -> did you mean \"acme.example\"? Then correct it in recruit-milter.toml; else add \
          acme.exmaple to mydestination, virtual_mailbox_domains, virtual_alias_domains or \
          relay_domains"]
    );
    for (address, is_served) in [("jobs@acme.exmaple", false), ("jobs@Acme.Example", true)] {
        let address = Address::parse(address).unwrap();
        let found = unserved(&postfix.instance, &postfix.config, &address).unwrap();
        assert_eq!(found.is_none(), is_served, "{address}");
    }
}

#[test]
fn the_bounce_address_is_looked_at_as_well() {
    let mut postfix = with(&[]);
    postfix.config.rules.bounce = Some(Address::parse("recruit-bounces@acme.exmaple").unwrap());
    apply(&postfix.instance, &postfix.wanted()).unwrap();
    let found = findings(&postfix);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].contains("the domain of the bounce address recruit-bounces@acme.exmaple"));
}

#[test]
fn every_way_to_name_a_domain_counts() {
    let postfix = with(&["jobs@jobs.acme.test"]);
    let file = |name: &str, text: &str| {
        let path = postfix.path(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let names = file("names", "# ours\nother.example\njobs.acme.test\n");
    let parents = file("parents", "acme.test\n");
    let entry = file("entry", "jobs.acme.test OK\n");
    let parent = file("parent", "acme.test OK\n");
    let dotted = file("dotted", ".acme.test OK\n");
    let regexp = file("regexp", "/^jobs\\.acme\\.test$/ OK\n");
    file("hash", "jobs.acme.test OK\n");
    let hash = postfix.path("hash").display().to_string();
    postfix.instance.run("postmap", &[&format!("hash:{hash}")]).unwrap();
    for (setting, is_served) in [
        ("mydestination=acme.example, Jobs.Acme.Test".to_owned(), true),
        ("mydestination=acme.example, acme.test".into(), false),
        ("mydestination=acme.example, !jobs.acme.test, static:all".into(), false),
        ("mydestination=acme.example, static:all".into(), true),
        (format!("mydestination=acme.example, {names}"), true),
        (format!("mydestination=acme.example, {parents}"), false),
        (format!("virtual_mailbox_domains=hash:{hash}"), true),
        (format!("virtual_mailbox_domains=proxy:hash:{hash}"), true),
        (format!("virtual_mailbox_domains=texthash:{parent}"), false),
        (format!("virtual_alias_domains=regexp:{regexp}"), true),
        ("virtual_alias_domains=inline:{jobs.acme.test=x}".into(), true),
        // The default of virtual_alias_domains is $virtual_alias_maps.
        (format!("virtual_alias_maps=$recruit_milter_aliases, texthash:{entry}"), true),
        ("relay_domains=acme.test".into(), true),
        ("relay_domains=test".into(), true),
        ("relay_domains=$mydestination".into(), false),
        (format!("relay_domains=texthash:{parent}"), true),
        (format!("relay_domains=texthash:{dotted}"), false),
    ] {
        let found = found_with(&postfix, &[&setting]);
        let said = found.iter().any(|text| text.contains("(RM-POSTFIX-90)"));
        assert_eq!(said, !is_served, "{setting}: {found:#?}");
        // A table that has everything has our own domains as well.
        let is_open = |text: &&String| text.contains("(RM-POSTFIX-60)");
        let open = if setting.ends_with("static:all") { 2 } else { 0 };
        assert_eq!(found.iter().filter(is_open).count(), open, "{setting}: {found:#?}");
        assert_eq!(found.len(), usize::from(!is_served) + open, "{setting}: {found:#?}");
    }
    for (domains, is_served) in [(".acme.test", true), ("acme.test", false)] {
        let relay = format!("relay_domains={domains}");
        let found = found_with(&postfix, &[&relay, "parent_domain_matches_subdomains="]);
        assert_eq!(found.is_empty(), is_served, "{domains}: {found:#?}");
    }
}

#[test]
fn a_domain_in_unicode_is_the_one_in_ascii() {
    let postfix = with(&["jobs@b\u{fc}ro.example"]);
    assert!(findings(&postfix)[0].contains("(RM-POSTFIX-90)"));
    for domain in ["xn--bro-hoa.example", "b\u{fc}ro.example"] {
        let relay = format!("relay_domains={domain}");
        assert_eq!(found_with(&postfix, &[&relay]), [""; 0], "{domain}");
    }
}

#[test]
fn patterns_are_judged_by_their_domains() {
    for (pattern, is_served) in [
        ("@acme.example", true),
        ("jobs-*@acme.example", true),
        ("@karriere.acme.example", false),
        ("jobs-*@acme.exmaple", false),
        ("*@*.acme.example", false),
        ("*@*.example", true),
        ("*@*.example.test", false),
    ] {
        let found = findings(&with(&[pattern]));
        assert_eq!(found.is_empty(), is_served, "{pattern}: {found:#?}");
    }
    // Nobody can list the domains of a table.
    let postfix = with(&["*@*.jobs.test"]);
    assert_eq!(found_with(&postfix, &["relay_domains=inline:{a.jobs.test=x}"]), [""; 0]);
    for served in ["a.jobs.test", "jobs.test", "test"] {
        let relay = format!("relay_domains={served}");
        assert_eq!(found_with(&postfix, &[&relay]), [""; 0], "{served}");
    }
    // Postfix: by default it is without the dot that a domain stands for those below it.
    assert_eq!(found_with(&postfix, &["relay_domains=.jobs.test"]).len(), 1);
    assert_eq!(found_with(&postfix, &["mydestination=acme.example, jobs.test"]).len(), 1);
}

#[test]
fn what_cannot_be_told_is_a_warning() {
    let postfix = with(&["jobs@acme.test"]);
    for (settings, says) in [
        (
            ["transport_maps=$recruit_milter_transports, inline:{acme.test=smtp:x}", "x=y"],
            "warning: only transport_maps has acme.test",
        ),
        (
            [
                "smtpd_relay_restrictions=permit_mynetworks, permit_mx_backup, reject_unauth_destination",
                "x=y",
            ],
            "whether permit_mx_backup lets",
        ),
        (
            [
                "smtpd_relay_restrictions=",
                "smtpd_recipient_restrictions=check_recipient_access static:OK, reject_unauth_destination",
            ],
            "whether check_recipient_access lets",
        ),
        (
            ["virtual_mailbox_domains=texthash:/nowhere/at/all", "x=y"],
            "warning: whether this Postfix serves acme.test cannot be told: virtual_mailbox_domains",
        ),
    ] {
        let found = found_with(&postfix, &settings);
        let told: Vec<_> = found.iter().filter(|text| text.contains("(RM-POSTFIX-91)")).collect();
        assert_eq!(told.len(), 1, "{settings:?}: {found:#?}");
        assert!(told[0].starts_with("warning: ") && told[0].contains(says), "{found:#?}");
        assert!(!found.iter().any(|text| text.contains("(RM-POSTFIX-90)")), "{found:#?}");
    }
    // What stands behind the refusal lets nobody in.
    let found = found_with(
        &postfix,
        &[
            "smtpd_relay_restrictions=permit_mynetworks, reject_unauth_destination, check_policy_service unix:x",
        ],
    );
    assert!(found[0].contains("(RM-POSTFIX-90)"), "{found:#?}");
}
