//! What servers have been seen to say, and what it means; the texts; the lines that are shown.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::collections::BTreeSet;
use std::time::Duration;

use super::texts::filled;
use super::*;
use crate::language::Language;

/// A reply as it stands in a log or a forum: lines with their code.
fn reply(text: &str) -> Reply {
    let mut code = 0;
    let lines = text
        .lines()
        .map(|line| {
            let (number, _, words) = reply::line(line.as_bytes()).expect("a line of a reply");
            code = number;
            words
        })
        .collect();
    Reply { code, lines }
}

#[track_caller]
fn assert_causes(at: At, replies: &[(&str, Cause)]) {
    let wrong: Vec<String> = replies
        .iter()
        .filter(|(text, cause)| of(at, &reply(text)) != *cause)
        .map(|(text, cause)| format!("{text}\n  is {:?}, not {cause:?}", of(at, &reply(text))))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_microsoft_says_to_a_login_is_told_apart() {
    assert_causes(
        At::Login,
        &[
            (
                "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Mailbox. Visit https://aka.ms/smtp_auth_disabled for more information. [FR0P281CA0123.DEUP281.PROD.OUTLOOK.COM]",
                Cause::MailboxHasNoLogin,
            ),
            (
                "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant. Visit https://aka.ms/smtp_auth_disabled for more information. [AM0PR01CA0136.eurprd01.prod.exchangelabs.com]",
                Cause::LoginOffForAll,
            ),
            (
                "535 5.7.139 Authentication unsuccessful, the request did not meet the criteria to be authenticated successfully. Contact your administrator. [LO2P265CA0284.GBRP265.PROD.OUTLOOK.COM]",
                Cause::ProgramsRefused,
            ),
            (
                "535 5.7.139 Authentication unsuccessful, user is locked by your organization's security defaults policy. Contact your administrator. [ZR0P278CA0115.CHEP278.PROD.OUTLOOK.COM]",
                Cause::ProgramsRefused,
            ),
            (
                "535 5.7.139 Authentication unsuccessful, the user credentials were incorrect. [DB8PR06CA0045.eurprd06.prod.outlook.com]",
                Cause::WrongPassword,
            ),
            (
                "535 5.7.139 Authentication unsuccessful, basic authentication is disabled. [FR3P281CA0050.DEUP281.PROD.OUTLOOK.COM]",
                Cause::LoginOffForAll,
            ),
            (
                "550 5.7.30 Basic authentication is not supported for Client Submission.",
                Cause::LoginOffForAll,
            ),
            (
                "535 5.7.3 Authentication unsuccessful [AM6P193CA0088.EURP193.PROD.OUTLOOK.COM]",
                Cause::ProgramsRefused,
            ),
            (
                "504 5.7.4 Unrecognized authentication type [AM0PR10CA0012.EURPRD10.PROD.OUTLOOK.COM]",
                Cause::NoPasswordLogin,
            ),
            ("454 4.7.0 Temporary authentication failure.", Cause::LoginUnavailable),
            (
                "421 4.7.0 Temporary server error. Please try again later. PRX4",
                Cause::LoginUnavailable,
            ),
        ],
    );
}

#[test]
fn what_google_says_to_a_login_leads_to_app_passwords() {
    assert_causes(
        At::Login,
        &[
            (
                "535-5.7.8 Username and Password not accepted. For more information, go to\n535 5.7.8  https://support.google.com/mail/?p=BadCredentials a640c23a62f3a-aa5f4 - gsmtp",
                Cause::AppPassword,
            ),
            (
                "534-5.7.9 Application-specific password required. For more information, go to\n534 5.7.9  https://support.google.com/mail/?p=InvalidSecondFactor 5b1f17b1804b1 - gsmtp",
                Cause::AppPassword,
            ),
            (
                "534-5.7.14 <https://accounts.google.com/signin/continue?sarp=1&scc=1&plt=AKgnsbt> Please\n534-5.7.14 log in via your web browser and then try again.\n534 5.7.14  https://support.google.com/mail/answer/78754 - gsmtp",
                Cause::AppPassword,
            ),
            (
                "534-5.7.9 Please log in with your web browser and then try again. For more\n534 5.7.9 information, go to https://support.google.com/mail/?p=WebLoginRequired - gsmtp",
                Cause::AppPassword,
            ),
            (
                "454 4.7.0 Too many login attempts, please try again later. For more information, go to https://support.google.com/mail/answer/7126229 - gsmtp",
                Cause::Locked,
            ),
        ],
    );
}

#[test]
fn what_others_say_to_a_login_is_known() {
    assert_causes(
        At::Login,
        &[
            // Postfix with Dovecot and with Cyrus.
            ("535 5.7.8 Error: authentication failed: (reason unavailable)", Cause::WrongPassword),
            ("535 5.7.8 Error: authentication failed: UGFzc3dvcmQ6", Cause::WrongPassword),
            (
                "535 5.7.8 Error: authentication failed: authentication failure",
                Cause::WrongPassword,
            ),
            (
                "454 4.7.0 Temporary authentication failure: Connection lost to authentication server",
                Cause::LoginUnavailable,
            ),
            ("503 5.5.1 Error: authentication not enabled", Cause::NoLogin),
            (
                "535 5.7.8 Error: authentication failed: Invalid authentication mechanism",
                Cause::NoPasswordLogin,
            ),
            (
                "538 5.7.11 Encryption required for requested authentication mechanism",
                Cause::EncryptionRequired,
            ),
            ("530 5.7.0 Must issue a STARTTLS command first", Cause::EncryptionRequired),
            ("502 5.5.2 Error: command not recognized", Cause::NoLogin),
            // Exim, Sendmail, qmail, hMailServer, MDaemon.
            ("535 Incorrect authentication data", Cause::WrongPassword),
            ("503 AUTH command used when not advertised", Cause::NoLogin),
            ("535 5.7.0 authentication failed", Cause::WrongPassword),
            ("454 4.7.0 Authentication failed", Cause::WrongPassword),
            ("535 auth failure", Cause::WrongPassword),
            ("535 Authentication failed. Restarting authentication process.", Cause::WrongPassword),
            ("535 5.7.8 Authentication failed", Cause::WrongPassword),
            (
                "435 Unable to authenticate at present: authentication socket connection error",
                Cause::LoginUnavailable,
            ),
            // Providers.
            ("535 Authentication credentials invalid", Cause::WrongPassword),
            ("535 Authentication Credentials Invalid", Cause::WrongPassword),
            ("535 5.7.0 (#AUTH005) Too many bad auth attempts.", Cause::Locked),
            (
                "535 5.7.8 Error: authentication failed: This user does not have access rights to this service",
                Cause::AppPassword,
            ),
            (
                "535 5.7.0 NEOBHODIM parol prilozheniya https://help.mail.ru/mail/security/protection/external / Application password is REQUIRED",
                Cause::AppPassword,
            ),
            ("534 5.7.9 Application-specific password required", Cause::AppPassword),
            (
                "535 5.7.1 Please turn on SMTP Authentication: the user has no authority for pop3/imap",
                Cause::AppPassword,
            ),
            ("421 Too many failed login attempts", Cause::Locked),
            ("550 5.7.1 This login may not be used from here", Cause::ClientRefused),
        ],
    );
}

#[test]
fn a_login_that_may_not_send_as_the_address_is_found_at_every_step() {
    for at in [At::Sender, At::Recipient, At::Message] {
        assert_causes(
            at,
            &[
                (
                    "553 5.7.1 <jobs@acme.example>: Sender address rejected: not owned by user hr@acme.example",
                    Cause::MayNotSendAs,
                ),
                ("553 5.7.1 Sender address rejected: not owned by auth user.", Cause::MayNotSendAs),
                (
                    "550 5.7.60 SMTP; Client does not have permissions to send as this sender",
                    Cause::MayNotSendAs,
                ),
                (
                    "554 5.2.252 SendAsDenied; hr@acme.example not allowed to send as jobs@acme.example; STOREDRV.Submission.Exception:SendAsDeniedException.MapiExceptionSendAsDenied",
                    Cause::MayNotSendAs,
                ),
                (
                    "550 5.7.1 Client does not have permissions to send as this sender",
                    Cause::MayNotSendAs,
                ),
                (
                    "550-Requested action not taken: mailbox unavailable\n550 Sender address is not allowed.",
                    Cause::MayNotSendAs,
                ),
                ("553 Relaying disallowed as jobs@acme.example", Cause::MayNotSendAs),
                (
                    "554 Message rejected: Email address is not verified. The following identities failed the check in region EU-CENTRAL-1: jobs@acme.example",
                    Cause::MayNotSendAs,
                ),
                ("501 5.7.1 Sender is not authorized", Cause::MayNotSendAs),
                ("553 From address not verified - see https://help.yahoo.com", Cause::MayNotSendAs),
                ("550 5.7.1 This login may not send as this address", Cause::MayNotSendAs),
                (
                    "550 5.7.1 This login may not use this envelope sender address",
                    Cause::MayNotSendAs,
                ),
                (
                    "553 5.7.1 <jobs@acme.example>: Sender address rejected: not logged in",
                    Cause::LoginRequired,
                ),
                (
                    "530 5.7.57 Client not authenticated to send mail. [FR2P281CA0101.DEUP281.PROD.OUTLOOK.COM]",
                    Cause::LoginRequired,
                ),
                (
                    "530-5.7.0 Authentication Required. For more information, go to\n530 5.7.0  https://support.google.com/mail/?p=WantAuthError - gsmtp",
                    Cause::LoginRequired,
                ),
                ("530 5.7.0 Must issue a STARTTLS command first", Cause::EncryptionRequired),
            ],
        );
    }
    assert_causes(
        At::Sender,
        &[("550 5.7.1 no", Cause::MayNotSendAs), ("553 no", Cause::MayNotSendAs)],
    );
}

#[test]
fn a_server_that_admits_by_address_is_found_at_every_step() {
    for at in [At::Greeting, At::Hello, At::Login, At::Sender, At::Recipient, At::Message] {
        assert_causes(
            at,
            &[
                (
                    "554 5.7.1 <unknown[203.0.113.9]>: Client host rejected: Access denied",
                    Cause::ClientRefused,
                ),
                (
                    "450 4.7.1 Client host rejected: cannot find your hostname, [203.0.113.9]",
                    Cause::ClientRefused,
                ),
                (
                    "554 5.7.1 Service unavailable; Client host [203.0.113.9] blocked using zen.spamhaus.org; https://www.spamhaus.org/query/ip/203.0.113.9",
                    Cause::ClientRefused,
                ),
                (
                    "550 5.7.606 Access denied, banned sending IP [203.0.113.9]",
                    Cause::ClientRefused,
                ),
            ],
        );
    }
    assert_causes(
        At::Greeting,
        &[
            ("554 mail.acme.example ESMTP not accepting messages", Cause::ClientRefused),
            ("550 go away", Cause::ClientRefused),
            ("421 4.3.2 All server ports are busy", Cause::Busy),
            (
                "421 4.7.0 mail.acme.example Error: too many connections from 203.0.113.9",
                Cause::Busy,
            ),
        ],
    );
}

#[test]
fn what_is_said_about_recipients_and_messages_is_known() {
    assert_causes(
        At::Recipient,
        &[
            ("554 5.7.1 <bob@other.example>: Relay access denied", Cause::RelayDenied),
            ("454 4.7.1 <bob@other.example>: Relay access denied", Cause::Later),
            (
                "550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain",
                Cause::RelayDenied,
            ),
            ("550 5.7.64 TenantAttribution; Relay Access Denied", Cause::RelayDenied),
            ("550 relay not permitted", Cause::RelayDenied),
            (
                "553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)",
                Cause::RelayDenied,
            ),
            (
                "550 5.1.1 <x@acme.example>: Recipient address rejected: User unknown in virtual mailbox table",
                Cause::RecipientRefused,
            ),
            ("550 5.7.1 <x@acme.example>: Recipient address rejected: no", Cause::RecipientRefused),
            (
                "550-5.1.1 The email account that you tried to reach does not exist.\n550 5.1.1  https://support.google.com/mail/?p=NoSuchUser - gsmtp",
                Cause::RecipientRefused,
            ),
            ("552 5.2.2 <x@acme.example>: Mailbox full", Cause::RecipientRefused),
            (
                "450 4.2.0 <x@acme.example>: Recipient address rejected: Greylisted, see http://postgrey.schweikert.ch/",
                Cause::Later,
            ),
            ("451 4.7.1 Greylisting in action, please come back later", Cause::Later),
            (
                "550 5.1.0 <jobs@acme.example>: Sender address rejected: User unknown in virtual mailbox table",
                Cause::SenderUnknown,
            ),
            ("550 Sender verify failed", Cause::SenderUnknown),
            (
                "550 5.1.8 <jobs@acme.example>: Sender address rejected: Domain not found",
                Cause::SenderUnknown,
            ),
            ("554 5.7.1 no", Cause::Refused),
        ],
    );
    assert_causes(
        At::Sender,
        &[
            ("552 5.3.4 Message size exceeds fixed limit", Cause::TooLarge),
            ("550 5.4.5 Daily user sending limit exceeded.", Cause::Limit),
            ("452 4.3.1 Insufficient system storage", Cause::Later),
            ("451 4.3.5 Server configuration error", Cause::Later),
        ],
    );
    assert_causes(
        At::Message,
        &[
            ("552 5.3.4 Error: message file too big", Cause::TooLarge),
            (
                "552-5.2.3 Your message exceeded Google's message size limits.\n552 5.2.3 x - gsmtp",
                Cause::TooLarge,
            ),
            ("554 5.7.1 Spam message rejected", Cause::Content),
            (
                "550-5.7.26 This mail has been blocked because the sender is unauthenticated.\n550 5.7.26 x",
                Cause::Content,
            ),
            ("554 5.7.1 Message blocked by the content filter", Cause::Content),
            ("554 5.7.1 a link in it is on a blacklist of spam", Cause::Content),
            // No code, but a part of an address.
            ("554 5.7.0 no, 10.5.2.3 and 10.5.3.4 say so", Cause::Refused),
            ("554 5.2.0 no", Cause::Refused),
        ],
    );
}

#[test]
fn starttls_that_is_not_there_is_not_one_that_is_out_of_order() {
    assert_causes(
        At::StartTls,
        &[
            ("502 5.5.1 Error: command not implemented", Cause::NoStartTls),
            ("454 4.7.0 TLS not available due to local problem", Cause::StartTlsRefused),
        ],
    );
}

#[test]
fn each_cause_has_an_id_of_its_own_and_something_to_do_in_both_languages() {
    let ids: BTreeSet<String> = ALL.iter().map(|cause| cause.id()).collect();
    assert_eq!(ids.len(), ALL.len());
    assert!(ids.contains("RM-SMTP-01") && ids.contains("RM-SMTP-50"));
    assert!(ALL.is_sorted());
    let mut titles = BTreeSet::new();
    for cause in ALL {
        let (de, en) = (Language::De.cause(cause), Language::En.cause(cause));
        assert!(titles.insert(de.title) && titles.insert(en.title), "{cause:?}");
        assert_eq!(de.remedies.len(), en.remedies.len(), "{cause:?}");
        assert!(!de.remedies.is_empty(), "{cause:?}");
        for (one, other) in de.remedies.iter().zip(en.remedies) {
            let places = |text: &str| {
                ["{host}", "{port}", "{user}", "{from}"].map(|place| text.contains(place))
            };
            assert_eq!(places(one), places(other), "{cause:?}");
        }
    }
}

fn settings() -> Settings {
    Settings {
        host: "mail.acme.example".to_owned(),
        port: 587,
        tls: Tls::StartTls,
        user: "{from}\u{1b}".to_owned(),
        password: Secret::new(b"correct horse".to_vec()),
        from: Address::parse("jobs@acme.example").unwrap(),
        to: None,
        ca: None,
        claims: Vec::new(),
        limit: Duration::from_secs(30),
    }
}

#[test]
fn what_is_filled_in_is_escaped_and_not_filled_in_again() {
    let text = filled("{user} as {from} at {host}:{port} {", &settings(), Language::En);
    assert_eq!(text, "{from}\\u{1b} as jobs@acme.example at mail.acme.example:587 {");
}

#[test]
fn a_failed_step_shows_what_was_tried_what_came_back_and_what_it_means() {
    let failed = Step {
        name: Name::Login,
        took: Duration::from_millis(1234),
        tried: vec!["AUTH PLAIN [jobs, ...]".to_owned()],
        heard: vec!["535 5.7.8 no".to_owned()],
        notes: vec![Note::PasswordInClear],
        causes: vec![Cause::WrongPassword],
    };
    assert_eq!(
        step(&failed, Language::De),
        "[!!] Anmeldung          1.23 s\n     \
              > AUTH PLAIN [jobs, ...]\n     \
              < 535 5.7.8 no\n     \
              = das Passwort geht unverschlüsselt über das Netz\n     \
              = RM-SMTP-37: Benutzername oder Passwort ist falsch\n"
    );
    let json = json(&settings(), std::slice::from_ref(&failed), Language::En);
    assert_eq!(json["works"], false);
    assert_eq!(json["causes"][0]["id"], "RM-SMTP-37");
    assert_eq!(json["steps"][0]["step"], "login");
    assert!(!json.to_string().contains("correct horse"));
}
