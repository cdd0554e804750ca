//! Text in, text out: no Postfix needed.
// SPDX-License-Identifier: GPL-3.0-or-later

use recruit_milter::config::{Config, Socket};
use recruit_milter::mail::Address;
use recruit_milter::policy::rules::{AddressRule, Pattern};
use recruit_milter::postfix::{Error, Service, Site, Wanted, diff, show, syntax};

use super::{config, system};

/// What a site would tell: `known` parameters, its main.cf and its master.cf.
pub(crate) fn site(main_cf: &str, master_cf: &str) -> Site {
    let known = include_str!("known.txt");
    let mut defaults: std::collections::BTreeMap<_, _> =
        known.lines().map(|name| (name.to_owned(), String::new())).collect();
    defaults.insert("virtual_alias_maps".into(), "$virtual_maps".into());
    let main = syntax::main_cf(main_cf);
    let mut effective = defaults.clone();
    effective.insert("queue_directory".into(), "/var/spool/postfix".into());
    effective.insert("default_transport".into(), "smtp".into());
    effective.insert("cleanup_service_name".into(), "cleanup".into());
    effective.extend(main.clone());
    Site { main, defaults, effective, services: syntax::master_cf(master_cf), ..Site::default() }
}

fn ours() -> Config {
    config("/var/spool/postfix")
}

/// The same with an address whose forwards are unwrapped.
fn unwrapping() -> Config {
    let mut config = ours();
    let pattern = Pattern::parse("jobs@acme.example").unwrap();
    let rule = AddressRule { unwrap: true, ..AddressRule::new(pattern, 0) };
    config.rules.addresses.push(rule);
    config
}

/// The value that a parameter is to have.
fn wanted(config: &Config, site: &Site, name: &str) -> Option<String> {
    let wanted = Wanted::from(config, site).unwrap();
    let found = wanted.params.into_iter().find(|param| param.name == name);
    found.map(|param| param.value)
}

/// The options that a service is to have, as one line.
fn options(config: &Config, site: &Site, service: &str) -> String {
    let wanted = Wanted::from(config, site).unwrap().services;
    let found = wanted.into_iter().find(|w| w.service.name == service).unwrap();
    found.service.to_string()
}

#[test]
fn the_printed_lines_are_these() {
    let printed = Wanted::from(&ours(), &site("", "")).unwrap().print();
    assert_eq!(printed, include_str!("print.txt"));
}

#[test]
fn what_unwrapping_needs_comes_besides() {
    let plain = Wanted::from(&ours(), &site("", "")).unwrap().print();
    let unwrapping = Wanted::from(&unwrapping(), &site("", "")).unwrap().print();
    let plain: Vec<&str> = plain.lines().collect();
    let mut rest = plain.iter();
    let mut next = rest.next();
    let mut more = String::new();
    for line in unwrapping.lines() {
        if next == Some(&line) {
            next = rest.next();
        } else {
            more.push_str(line);
            more.push('\n');
        }
    }
    assert_eq!(next, None, "nothing is taken away");
    assert_eq!(more, include_str!("print-unwrap.txt"));
}

#[test]
fn the_signer_comes_after_pass_2_at_the_second_smtpd_alone() {
    let site = site("smtpd_milters = inet:localhost:8891\n", "");
    assert_eq!(wanted(&ours(), &site, "recruit_milter_signer"), None);
    for (socket, shown) in [
        (Socket::Inet("127.0.0.1:8892".parse().unwrap()), "inet:127.0.0.1:8892"),
        (
            Socket::Unix("/var/spool/postfix/opendkim/recruit.sock".into()),
            "unix:opendkim/recruit.sock",
        ),
    ] {
        let mut config = ours();
        config.handoff.signer = Some(socket);
        assert_eq!(
            wanted(&config, &site, "recruit_milter_signer"),
            Some(format!(
                "{{ {shown}, default_action=tempfail, connect_timeout=5s, command_timeout=30s, \
                 content_timeout=60s }}"
            ))
        );
        let milters = |service: &str| {
            let options = options(&config, &site, service);
            let (_, rest) = options.split_once("-o smtpd_milters=").unwrap();
            rest.split(' ').next().unwrap().to_owned()
        };
        let both = "$recruit_milter_handoff,$recruit_milter_signer";
        assert_eq!(milters("127.0.0.1:10027"), both);
        assert_eq!(milters("127.0.0.1:10028"), "$recruit_milter_handoff");
    }
    let mut config = ours();
    config.handoff.signer = Some(Socket::Unix("/run/a, b.sock".into()));
    assert!(matches!(Wanted::from(&config, &site), Err(Error::Value { what: "a socket", .. })));
}

#[test]
fn a_site_that_signs_its_mail_is_told_that_copies_can_be_signed_too() {
    let hint = "# (a DKIM signer is in use here: [handoff] signer";
    let mut config = ours();
    let printed = |config: &Config, milters: &str| {
        let site = site(&format!("smtpd_milters = {milters}\n"), "");
        Wanted::from(config, &site).unwrap().print()
    };
    assert!(printed(&config, "inet:localhost:8891").contains(hint));
    assert!(!printed(&config, "inet:localhost:11332").contains(hint));
    config.handoff.signer = Some(Socket::Inet("127.0.0.1:8892".parse().unwrap()));
    assert!(!printed(&config, "inet:localhost:8891").contains(hint));
}

#[test]
fn the_difference_shows_what_goes_and_what_comes() {
    let mut site = site("smtpd_milters = inet:localhost:11332\n", "");
    let before = Wanted::from(&ours(), &site).unwrap();
    for param in &before.params {
        site.main.insert(param.name.into(), param.value.clone());
    }
    site.services = before.services.iter().map(|w| w.service.clone()).collect();
    for file in &before.files {
        site.files.insert(file.name.into(), file.content.clone());
    }
    assert_eq!(diff(&site, &before), []);

    let mut config = ours();
    config.handoff.smtpd = "127.0.0.1:20027".parse().unwrap();
    config.rules.systems[0].next_hop = Some("[mx.personio.de]:25".into());
    site.services[3].options.retain(|(name, _)| name != "always_bcc");
    let text = show(&diff(&site, &Wanted::from(&config, &site).unwrap()));
    let (head, tail) = text.split_once("+ 127.0.0.1:20027 inet").unwrap();
    assert!(head.starts_with(
        "@@ main.cf\n\
         - recruit_milter_transports = regexp:$config_directory/recruit-milter.transport, \
         inline:{ { acme-jobs@m-personio.de = recruit-out:$relayhost } }\n\
         + recruit_milter_transports = regexp:$config_directory/recruit-milter.transport, \
         inline:{ { acme-jobs@m-personio.de = recruit-out:[mx.personio.de]:25 } }\n\
         @@ master.cf\n\
         - 127.0.0.1:10027 inet n - n - - smtpd\n"
    ));
    assert!(tail.ends_with(
        "  recruit-return-cleanup unix n - n - 0 cleanup\n\
         +   -o always_bcc=\n\
         @@ recruit-milter.transport\n\
         - /@handoff\\.recruit-milter\\.internal$/  recruit-handoff:[127.0.0.1]:10027\n\
         + /@handoff\\.recruit-milter\\.internal$/  recruit-handoff:[127.0.0.1]:20027\n"
    ));
}

#[test]
fn the_front_milter_comes_after_filters_and_before_signers() {
    for (before, after) in [
        ("", "$recruit_milter_front"),
        ("inet:localhost:11332", "inet:localhost:11332, $recruit_milter_front"),
        ("inet:localhost:8891", "$recruit_milter_front, inet:localhost:8891"),
        ("unix:opendkim/opendkim.sock", "$recruit_milter_front, unix:opendkim/opendkim.sock"),
        (
            "unix:spamass/spamass.sock { inet:localhost:8891, default_action=accept }",
            "unix:spamass/spamass.sock, $recruit_milter_front, \
             { inet:localhost:8891, default_action=accept }",
        ),
        (
            "unix:opendkim/opendkim.sock, inet:localhost:11332",
            "unix:opendkim/opendkim.sock, inet:localhost:11332, $recruit_milter_front",
        ),
        ("$recruit_milter_front  inet:a:1", "$recruit_milter_front  inet:a:1"),
        ("${recruit_milter_front}", "${recruit_milter_front}"),
    ] {
        let site = site(&format!("smtpd_milters = {before}\n"), "");
        assert_eq!(wanted(&ours(), &site, "smtpd_milters").as_deref(), Some(after));
    }
}

#[test]
fn non_smtpd_milters_that_follow_smtpd_milters_are_left_alone() {
    let site = site("non_smtpd_milters = $smtpd_milters\n", "");
    assert_eq!(wanted(&ours(), &site, "non_smtpd_milters"), None);
}

#[test]
fn tables_of_the_site_keep_their_place_behind_ours() {
    for (main_cf, transports, aliases) in [
        ("", "$recruit_milter_transports", "$recruit_milter_aliases"),
        (
            "transport_maps = hash:/a\n  regexp:/b\nvirtual_alias_maps = hash:/c\n",
            "$recruit_milter_transports, hash:/a regexp:/b",
            "$recruit_milter_aliases, hash:/c",
        ),
        (
            "transport_maps = hash:/a, $recruit_milter_transports\nvirtual_maps = hash:/old\n",
            "$recruit_milter_transports, hash:/a",
            "$recruit_milter_aliases, $virtual_maps",
        ),
    ] {
        let site = site(main_cf, "");
        assert_eq!(wanted(&ours(), &site, "transport_maps").as_deref(), Some(transports));
        assert_eq!(wanted(&ours(), &site, "virtual_alias_maps").as_deref(), Some(aliases));
    }
}

#[test]
fn copies_go_where_the_site_sends_its_mail() {
    let transports = |config: &Config, main_cf: &str| {
        let value = wanted(config, &site(main_cf, ""), "recruit_milter_transports").unwrap();
        value.split_once("inline:").map(|(_, table)| table.to_owned())
    };
    let mut config = ours();
    let to = |next_hop: &str| {
        Some(format!("{{ {{ acme-jobs@m-personio.de = recruit-out:{next_hop} }} }}"))
    };
    assert_eq!(transports(&config, ""), to("$relayhost"));
    assert_eq!(transports(&config, "default_transport = relay:[out.example]"), to("[out.example]"));
    config.rules.systems[0].next_hop = Some("[mx.example]:2525".into());
    assert_eq!(
        transports(&config, "default_transport = relay:[out.example]"),
        to("[mx.example]:2525")
    );
    config.rules.systems.push(system("odoo", "Jobs@Odoo.Example"));
    assert_eq!(
        transports(&config, ""),
        Some(
            "{ { acme-jobs@m-personio.de = recruit-out:[mx.example]:2525 }, \
             { jobs@odoo.example = recruit-out:$relayhost } }"
                .into()
        )
    );
    config.rules.systems.clear();
    assert_eq!(transports(&config, ""), None);
}

#[test]
fn our_services_take_over_what_the_site_gives_its_own() {
    let master_cf = "smtp inet n - y - - smtpd -o cleanup_service_name=pre\n\
                     pre unix n - y - 0 cleanup -o virtual_alias_maps=hash:/v -o header_checks=x\n\
                     out unix - - y - - smtp -o { smtp_bind_address = 192.0.2.1 } -o smtp_body_checks=y\n";
    let site =
        site("default_transport = out\nsmtp_discard_ehlo_keywords = 8bitmime, dsn\n", master_cf);
    let back = options(&ours(), &site, "recruit-return-cleanup");
    assert!(back.ends_with("-o virtual_alias_maps=hash:/v"), "{back}");
    assert!(back.contains("-o header_checks= "), "{back}");
    let out = options(&ours(), &site, "recruit-out");
    assert!(out.ends_with("-o smtp_body_checks= -o smtp_bind_address=192.0.2.1"), "{out}");
    assert!(out.contains("-o smtp_discard_ehlo_keywords=8bitmime,dsn,silent-discard "), "{out}");
    let copy = options(&ours(), &site, "recruit-cleanup");
    assert!(copy.contains("-o virtual_alias_maps= "), "{copy}");
}

#[test]
fn options_that_a_version_does_not_have_are_left_out() {
    let mut site = site("", "");
    let hop = |site: &Site| options(&ours(), site, "127.0.0.1:10027");
    assert!(hop(&site).contains("-o smtpd_forbid_bare_newline=reject "));
    site.defaults.remove("smtpd_forbid_bare_newline_reject_code");
    assert!(hop(&site).contains("-o smtpd_forbid_bare_newline=yes "));
    site.defaults.remove("smtpd_forbid_bare_newline");
    site.defaults.remove("smtpd_forbid_unauth_pipelining");
    assert!(!hop(&site).contains("smtpd_forbid"));
}

#[test]
fn sockets_and_ports_are_written_as_postfix_reads_them() {
    let mut config = ours();
    config.milter.front = vec![Socket::Unix("/run/recruit-milter/front.sock".into())];
    config.milter.handoff = vec![Socket::Inet("[::1]:8896".parse().unwrap())];
    config.handoff.smtpd = "[::1]:10027".parse().unwrap();
    let site = site("", "");
    let milter = |name| wanted(&config, &site, name).unwrap();
    assert!(milter("recruit_milter_front").starts_with("{ unix:/run/recruit-milter/front.sock, "));
    assert!(milter("recruit_milter_handoff").starts_with("{ inet:[::1]:8896, "));
    let hop = options(&config, &site, "[::1]:10027");
    assert!(hop.contains("-o mynetworks=[::1]/128 "), "{hop}");
    let client = options(&config, &site, "recruit-handoff");
    assert!(client.contains("-o smtp_bind_address6=::1 "), "{client}");
    // What main.cf may contradict is said nowhere.
    assert!(!client.contains("inet_protocols"), "{client}");
}

#[test]
fn what_cannot_be_written_in_main_cf_is_refused() {
    let refused = |change: &dyn Fn(&mut Config)| {
        let mut config = ours();
        change(&mut config);
        Wanted::from(&config, &site("", "")).unwrap_err().to_string()
    };
    let cannot =
        |what: &str, value: &str| format!("{what} cannot be written in main.cf: {value:?}");
    assert_eq!(
        refused(&|c| c.rules.systems[0].inbound = Address::parse("a$b@x.example").unwrap()),
        cannot("an inbound address", "a$b@x.example")
    );
    assert_eq!(
        refused(&|c| c.rules.systems[0].inbound = Address::parse("a}b@x.example").unwrap()),
        cannot("an inbound address", "a}b@x.example")
    );
    assert_eq!(
        refused(&|c| c.rules.systems[0].next_hop = Some("[mx], discard:".into())),
        cannot("a next hop", "[mx], discard:")
    );
    assert_eq!(
        refused(&|c| c.milter.front = vec![Socket::Unix("/a b".into())]),
        cannot("a socket", "unix:/a b")
    );
    assert_eq!(refused(&|c| c.milter.handoff.clear()), "no handoff socket is configured");
}

#[test]
fn a_port_that_is_in_use_is_not_taken_over() {
    for (name, taken) in [
        ("127.0.0.1:10027", true),
        ("localhost:10028", true),
        ("10027", true),
        ("192.0.2.1:10027", false),
        ("127.0.0.1:10025", false),
    ] {
        let site = site("", &format!("{name} inet n - n - - smtpd -o content_filter="));
        let found = Wanted::from(&ours(), &site);
        assert_eq!(matches!(found, Err(Error::Taken { .. })), taken, "{name}");
    }
}

#[test]
fn the_tables_match_our_addresses_and_no_others() {
    let mut config = ours();
    config.rules.bounce = Some(Address::parse("b.o+x*y@acme.example").unwrap());
    config.rules.delimiters = "-]^+".into();
    let files = Wanted::from(&config, &site("", "")).unwrap().files;
    assert_eq!(
        files[2].content.lines().last(),
        Some(
            "/^b\\.o\\+x\\*y([]+^-][^@]*)?@acme\\.example$/  \
             b.o+x*y$1@handoff.recruit-milter.internal"
        )
    );
    config.rules.bounce = None;
    let files = Wanted::from(&config, &site("", "")).unwrap().files;
    assert_eq!(files[2].content.lines().count(), 3);
}

#[test]
fn a_smtpd_without_milters_takes_alerts_for_those_who_are_told() {
    let mut config = ours();
    let site =
        site("smtpd_milters = inet:localhost:11332\ncontent_filter = smtp:[127.0.0.1]:10024\n", "");
    let is_alerts = |service: &Service| service.key() == "127.0.0.1:10029/inet";
    let none = Wanted::from(&config, &site).unwrap();
    assert!(!none.services.iter().any(|wanted| is_alerts(&wanted.service)), "nobody is told");
    assert!(!none.files.iter().any(|file| file.name == "recruit-milter.alerts"));
    config.alerts_to = vec![Address::parse("IT.x+y@acme.example").unwrap()];
    let wanted = Wanted::from(&config, &site).unwrap();
    let service = wanted.services.iter().find(|wanted| is_alerts(&wanted.service)).unwrap();
    for (name, value) in [
        ("smtpd_milters", ""),
        ("content_filter", ""),
        ("mynetworks", "127.0.0.0/8"),
        ("smtpd_client_restrictions", "permit_mynetworks,reject"),
        (
            "smtpd_recipient_restrictions",
            "check_recipient_access,regexp:$config_directory/recruit-milter.alerts,reject",
        ),
        ("smtpd_reject_unlisted_recipient", "yes"),
        ("receive_override_options", "no_milters,no_header_body_checks"),
    ] {
        let found = service.service.options.iter().filter(|(known, _)| known == name);
        assert_eq!(found.map(|(_, value)| value.as_str()).collect::<Vec<_>>(), [value], "{name}");
    }
    let file = wanted.files.iter().find(|file| file.name == "recruit-milter.alerts").unwrap();
    assert_eq!(
        file.content.lines().skip(2).collect::<Vec<_>>(),
        ["/^IT\\.x\\+y@acme\\.example$/  OK"]
    );
    // Nobody is told any more: all of it goes.
    let mut after = site.clone();
    after.services = wanted.services.iter().map(|w| w.service.clone()).collect();
    after.files = wanted.files.iter().map(|f| (f.name.to_owned(), f.content.clone())).collect();
    let left = show(&diff(&after, &none));
    assert!(left.contains("- 127.0.0.1:10029 inet n - n - - smtpd\n"), "{left}");
    assert!(left.contains("- /^IT\\.x\\+y@acme\\.example$/  OK\n"), "{left}");
}
