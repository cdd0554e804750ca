//! `doctor` on a running site: what it passes carries mail, and what it warns of is so.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::harness::daemon::command;
use crate::harness::postfix::Builder;
use crate::harness::site::{ERIKA, JOBS, KARRIERE, Setup};
use crate::harness::{LIMIT, Mail, Site, wait_until};

fn doctor(site: &Site, more: &[&str]) -> (i32, String) {
    let etc = site.mx.config_dir();
    let mut args = vec!["doctor", "--config", site.config.to_str().unwrap()];
    args.extend(["--config-dir", etc.to_str().unwrap()]);
    args.extend(more);
    let output = command(&args);
    (output.status.code().unwrap(), String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Lets every mailbox exist and nothing be odd.
fn sound(mx: Builder) -> Builder {
    mx.param("delay_warning_time", "1h")
        .param("message_size_limit", "26214400")
        .param("virtual_mailbox_limit", "0")
        .param("mailbox_size_limit", "0")
        .param("smtp_tls_security_level", "may")
}

/// A mail to each address arrives once.
fn mail_arrives(site: &Site) {
    site.ats.clear_deliveries();
    for to in [JOBS, KARRIERE] {
        Mail::new(ERIKA, &[to], "From: erika@example.org\r\n\r\nHello\r\n").send(site.mx.port());
    }
    wait_until("both arrive", LIMIT, || site.inbound().len() == 2);
    site.settle();
    assert_eq!(site.inbound().len(), 2);
}

/// More of the company's Postfix.
type More = fn(Builder) -> Builder;

/// Sites as they are met, each of them sound.
const SITES: &[(&str, More)] = &[
    ("plain", sound),
    ("with another delimiter behind ours", |mx| sound(mx).param("recipient_delimiter", "+=")),
    ("with short pauses between attempts", |mx| {
        sound(mx).param("maximal_backoff_time", "10m").param("minimal_backoff_time", "1m")
    }),
    ("with tables of its own", |mx| {
        sound(mx)
            .param("transport_maps", "inline:{old.example=discard:}")
            .param("virtual_alias_maps", "inline:{sales@acme.example=bob@acme.example}")
            .param("canonical_maps", "inline:{bob@old.example=bob@acme.example}")
    }),
];

#[test]
fn what_doctor_passes_carries_mail() {
    for (what, mx) in SITES {
        let delimiter =
            if what.contains("delimiter") { "recipient_delimiter = \"+=\"\n" } else { "" };
        let config = format!("{delimiter}language = \"en\"\n");
        let site = Site::with(Setup { mx: Some(*mx), config, ..Setup::default() });
        mail_arrives(&site);
        wait_until("the ledger has both", LIMIT, || {
            let text = doctor(&site, &[]).1;
            [JOBS, KARRIERE].iter().all(|address| text.contains(&format!("{address} verified")))
        });
        let (code, text) = doctor(&site, &[]);
        assert_eq!(code, 0, "{what}: {text}");
        assert!(text.ends_with("0 errors, 0 warnings, 1 not tested.\n"), "{what}: {text}");
        for says in [
            "[ok] Configuration  3 addresses, 2 recruiting systems",
            "answers, Postfix may write (0660)",
            "milters attached, all lines in place",
            "Postfix takes mail for 4 addresses",
            "personio: acme-jobs@m-personio.example at 127.0.0.1: 250 2.1.5 Ok",
            "no copy waits for more than an hour",
            "[--] Verification   jobs@other.example never-tested\n      -> recruit-milter verify jobs@other.example",
        ] {
            assert!(text.contains(says), "{what}: {says}: {text}");
        }
    }
}

#[test]
fn what_is_wrong_on_a_running_site_is_found() {
    let mut site = Site::with(Setup { mx: Some(sound), ..Setup::default() });
    mail_arrives(&site);
    let socket = site.mx.queue_dir().join("recruit-milter/front.sock");
    let set_mode = |mode| fs::set_permissions(&socket, fs::Permissions::from_mode(mode)).unwrap();
    let expect = |site: &Site, says: &[&str]| {
        let (code, text) = doctor(site, &["-v"]);
        assert_eq!(code, 1, "{text}");
        for says in says {
            assert!(text.contains(says), "{says}: {text}");
        }
    };
    set_mode(0o600);
    expect(&site, &["Postfix may not write to it (mode 0600) (RM-DOCTOR-83)", "chmod 0660"]);
    set_mode(0o660);
    let folder = socket.parent().unwrap();
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).unwrap();
    expect(&site, &["Postfix may not enter", "RM-DOCTOR-84"]);
    fs::set_permissions(folder, fs::Permissions::from_mode(0o2750)).unwrap();
    let refuse = "check_client_access static:{550 5.1.1 No such account}";
    site.ats.set(&[("smtpd_recipient_restrictions", refuse)]);
    site.ats.reload();
    expect(&site, &["No such account", "(RM-DOCTOR-92)", "compare [system.personio] inbound"]);
    site.ats.set(&[("smtpd_recipient_restrictions", "")]);
    site.ats.reload();
    site.mx.set(&[("virtual_mailbox_maps", "inline:{x@acme.example=x}")]);
    site.mx.reload();
    expect(
        &site,
        &[
            "Postfix does not take mail for the recruiting address jobs@acme.example: 550",
            "RM-DOCTOR-90",
        ],
    );
    assert!(site.daemon.stop().success());
    expect(&site, &["nobody answers", "(RM-DOCTOR-80)", "systemctl start recruit-milter"]);
    site.mx.stop();
    expect(&site, &["(RM-DOCTOR-91)", "postfix status"]);
    let (_, text) = doctor(&site, &["--json"]);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert!(json.as_array().unwrap().iter().any(|f| f["id"] == "RM-DOCTOR-91"), "{text}");
}
