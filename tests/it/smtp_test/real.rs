//! Real Postfix with real Dovecot.
// SPDX-License-Identifier: GPL-3.0-or-later

use super::Trial;
use super::identity::Authority;
use crate::harness::dovecot::PASSWORD;
use crate::harness::postfix::Builder;
use crate::harness::site::{Setup, Site};
use crate::harness::submission::{AUTH_SOCKET, Encryption, Submission};
use crate::harness::{Dovecot, Postfix, Scratch};

const BOB: &str = "bob@acme.example";

/// A company's Postfix with submission services.
struct Company {
    dovecot: Dovecot,
    mx: Postfix,
    submission: Submission,
    scratch: Scratch,
}

impl Company {
    fn start(more: impl Fn(Builder) -> Builder) -> Self {
        let scratch = Scratch::new();
        let submission = Submission::new(&scratch, "localhost");
        let mx = Postfix::builder(&scratch, "mx").mailbox(BOB).mailbox("jobs@acme.example");
        let mut mx = more(submission.configure(mx)).prepare();
        let auth = mx.queue_dir().join(AUTH_SOCKET);
        let dovecot = Dovecot::start(&scratch, &auth, &[(BOB, PASSWORD)], "");
        mx.start();
        Self { dovecot, mx, submission, scratch }
    }

    fn trial(&self, encryption: Encryption, tls: &str) -> Trial {
        let access = self.submission.access(encryption);
        let trial = Trial::new(access.port, tls).password(PASSWORD).arg("--timeout", "10s");
        trial.arg("--ca", access.authority.to_str().unwrap())
    }
}

#[test]
fn a_mail_is_sent_either_way_and_found_where_it_arrives() {
    let company = Company::start(|mx| mx);
    for (encryption, tls) in [(Encryption::StartTls, "starttls"), (Encryption::Implicit, "ssl")] {
        let outcome = company.trial(encryption, tls).arg("--to", BOB).run();
        assert_eq!(outcome.code, 0, "{}", outcome.text);
        let line = outcome.text.lines().find_map(|line| line.trim().strip_prefix("> Message-ID: "));
        let id = line.expect("a Message-ID").to_owned();
        let arrived = company.mx.wait_for_mail(BOB, if tls == "ssl" { 2 } else { 1 });
        let has =
            |bytes: &[u8]| String::from_utf8_lossy(bytes).contains(&format!("Message-ID: {id}\n"));
        assert_eq!(arrived.iter().filter(|mail| has(&mail.bytes)).count(), 1);
    }
}

#[test]
fn what_does_not_fit_a_real_server_is_named() {
    let company = Company::start(|mx| {
        mx.param("smtpd_sender_login_maps", "inline:{jobs@acme.example=hr@acme.example}")
            .param("mua_sender_restrictions", "reject_sender_login_mismatch")
    });
    let starttls = Encryption::StartTls;
    company.trial(starttls, "starttls").fails("RM-SMTP-41");
    company.trial(starttls, "starttls").password("wrong horse").fails("RM-SMTP-37");
    company.trial(starttls, "none").fails("RM-SMTP-30");
    company.trial(starttls, "ssl").fails("RM-SMTP-12");
    company.trial(Encryption::Implicit, "starttls").fails("RM-SMTP-11");
    company.trial(Encryption::Implicit, "none").fails("RM-SMTP-11");
    let other = Authority::make(&company.scratch.join("another authority"));
    company.trial(Encryption::Implicit, "ssl").arg("--ca", &other.file()).fails("RM-SMTP-17");
    // Where other servers bring their mail.
    let mx = company.mx.port().to_string();
    company.trial(starttls, "starttls").arg("--port", &mx).fails("RM-SMTP-13");
    company.trial(starttls, "none").arg("--port", &mx).fails("RM-SMTP-31");

    let trial = company.trial(starttls, "starttls");
    drop(company.dovecot);
    let outcome = trial.run();
    assert_eq!(outcome.code, 75, "{}", outcome.text);
}

#[test]
fn an_address_that_the_server_refuses_is_found_by_claiming_it() {
    let company = Company::start(|mx| {
        let clients =
            "check_client_access inline:{203.0.113.9=REJECT},permit_sasl_authenticated,reject";
        mx.param("mua_client_restrictions", clients)
    });
    let starttls = |trial: Trial| trial.arg("--claim-ip", "198.51.100.7");
    let trial = company.trial(Encryption::StartTls, "starttls");
    let outcome = starttls(trial).run();
    assert_eq!(outcome.code, 0, "{}", outcome.text);
    let trial = company.trial(Encryption::StartTls, "starttls");
    let outcome = starttls(trial).arg("--claim-ip", "203.0.113.9").fails("RM-SMTP-42");
    assert!(outcome.text.contains("as if the mail came from 203.0.113.9"), "{}", outcome.text);
    assert_eq!(outcome.code, 1);

    let company = Company::start(|mx| mx.param("smtpd_authorized_xclient_hosts", ""));
    let trial = company.trial(Encryption::Implicit, "ssl").arg("--claim-ip", "203.0.113.9");
    let outcome = trial.run();
    assert_eq!(outcome.code, 0, "{}", outcome.text);
    assert!(outcome.text.contains("[--] Other address"), "{}", outcome.text);
    assert!(outcome.text.contains("cannot be known from here"), "{}", outcome.text);
}

#[test]
fn a_message_that_is_too_large_for_the_server_is_found() {
    let company = Company::start(|mx| mx.param("message_size_limit", "300"));
    company.trial(Encryption::StartTls, "starttls").arg("--to", BOB).fails("RM-SMTP-46");
}

#[test]
fn what_our_own_check_of_outgoing_mail_refuses_is_found() {
    let site = Site::with(Setup {
        submission: true,
        systems_log_in: &["personio"],
        config: "[login.personio]\nmay_send_as = [\"jobs@acme.example\"]\n".to_owned(),
        ..Setup::default()
    });
    let access = site.access(Encryption::StartTls);
    let trial = |from: &str| {
        Trial::new(access.port, "starttls")
            .password(site.password("personio"))
            .arg("--user", "personio")
            .arg("--from", from)
            .arg("--to", BOB)
            .arg("--timeout", "10s")
            .arg("--ca", access.authority.to_str().unwrap())
    };
    let outcome = trial("jobs@acme.example").run();
    assert_eq!(outcome.code, 0, "{}", outcome.text);
    trial("hr@acme.example").fails("RM-SMTP-41");
}
