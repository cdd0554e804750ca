//! What a main.cf says that contradicts our services: mail goes through all the same, and where a
//! service of ours dies at its start, it is said.
// SPDX-License-Identifier: GPL-3.0-or-later

use crate::harness::daemon::command;
use crate::harness::site::{ERIKA, JOBS, KARRIERE, Setup};
use crate::harness::{LIMIT, Mail, Site, wait_until};

/// Settings, as an admin has them for the rest of the mail.
const MAINS: &[&[(&str, &str)]] = &[
    &[("inet_interfaces", "127.0.0.1, ::1"), ("inet_protocols", "all")],
    &[("inet_interfaces", "127.0.0.1, [::1]"), ("inet_protocols", "all")],
    &[("inet_interfaces", "loopback-only"), ("inet_protocols", "all")],
    &[("smtp_bind_address", "127.0.0.77"), ("inet_protocols", "ipv4")],
    &[("smtp_never_send_ehlo", "yes")],
    &[("smtp_always_send_ehlo", "no"), ("smtpd_banner", "$myhostname")],
    &[("smtp_address_preference", "ipv6"), ("inet_protocols", "all")],
    &[("mynetworks", "192.0.2.0/24"), ("smtpd_helo_required", "yes")],
    &[("smtpd_recipient_limit", "1"), ("default_process_limit", "2")],
    &[("strict_rfc821_envelopes", "yes"), ("smtputf8_enable", "no")],
    &[("smtp_sasl_auth_enable", "yes"), ("smtp_sasl_password_maps", "static:a:b")],
    &[("relayhost", "[127.0.0.1]:9"), ("smtp_fallback_relay", "[127.0.0.1]:9")],
    &[("compatibility_level", "0")],
];

#[test]
fn whatever_main_cf_says_the_copies_are_handed_over() {
    let mut site = Site::start();
    let main_cf = std::fs::read(site.mx.config_dir().join("main.cf")).unwrap();
    for settings in MAINS {
        site.mx.set(settings);
        site.mx.restart();
        site.ats.clear_deliveries();
        for to in [JOBS, KARRIERE] {
            Mail::new(ERIKA, &[to], "From: erika@example.org\r\n\r\nHello\r\n")
                .send(site.mx.port());
        }
        wait_until(&format!("both copies with {settings:?}"), LIMIT, || site.inbound().len() == 2);
        site.settle();
        assert_eq!(site.inbound().len(), 2, "{settings:?}");
        std::fs::write(site.mx.config_dir().join("main.cf"), &main_cf).unwrap();
    }
}

/// Runs a command of the program that looks at the site.
fn look(site: &Site, more: &[&str]) -> (i32, String) {
    let etc = site.mx.config_dir();
    let mut args = more.to_vec();
    args.extend(["--config", site.config.to_str().unwrap()]);
    args.extend(["--config-dir", etc.to_str().unwrap()]);
    let output = command(&args);
    (output.status.code().unwrap(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn a_service_that_dies_at_its_start_is_told() {
    let mut site = Site::with(Setup {
        mx: Some(|mx| mx.param("inet_interfaces", "127.0.0.1, ::1").param("inet_protocols", "all")),
        ..Setup::default()
    });
    let doctor = |site: &Site| look(site, &["doctor", "-v"]).1;
    assert!(doctor(&site).contains("all 6 services of ours in Postfix start"), "{}", doctor(&site));
    let dies = "does not start, or all of its processes hang: copies wait: ";
    for (key, option, why) in [
        ("recruit-handoff/unix", "inet_protocols=ipv4", "host not found: ::1"),
        ("recruit-out/unix", "smtp_sasl_auth_enable=yes", "specify a password table"),
        ("recruit-cleanup/unix", "header_size_limit=x", "bad numerical configuration"),
    ] {
        let main_and_master = ["main.cf", "master.cf"]
            .map(|name| std::fs::read(site.mx.config_dir().join(name)).unwrap());
        let set = |option: &str| {
            let out = site.mx.run("postconf", &["-P", &format!("{key}/{option}")], b"");
            assert!(out.status.success(), "{key} {option}");
        };
        set(option);
        site.mx.restart();
        let text = doctor(&site);
        assert!(text.contains("(RM-DOCTOR-96)"), "{key}: {text}");
        assert!(text.contains(&format!("{key} {dies}")) && text.contains(why), "{key}: {text}");
        if key.starts_with("recruit-handoff") {
            let (code, text) = look(&site, &["verify", JOBS, "--force", "--timeout", "3"]);
            assert_eq!(code, 1, "{text}");
            assert!(text.contains(&format!("{key} {dies}")) && text.contains(why), "{text}");
            assert!(text.contains("-> mend the setting that the mail log names there"), "{text}");
        }
        for (name, bytes) in ["main.cf", "master.cf"].iter().zip(main_and_master) {
            std::fs::write(site.mx.config_dir().join(name), bytes).unwrap();
        }
        site.mx.restart();
        assert!(!doctor(&site).contains("RM-DOCTOR-96"), "{key}: {}", doctor(&site));
    }
}
