//! How colleagues and systems hand in mail: the services of a company's Postfix that ask for a
//! login, and what a client has to know to use one.
//!
//! Must not know recruit-milter.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::path::PathBuf;

use super::certificate::Certificate;
use super::postfix::Builder;
use super::{Port, Scratch};

/// How a connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// Not at all.
    None,
    /// Begun in plain text and encrypted by STARTTLS (RFC 3207).
    StartTls,
    /// Encrypted from its first byte (RFC 8314).
    Implicit,
}

/// Both ways that are fit to be used.
pub const ENCRYPTED: [Encryption; 2] = [Encryption::StartTls, Encryption::Implicit];

/// A service on 127.0.0.1, as a client's settings page asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// The port.
    pub port: u16,
    /// How the connection is protected.
    pub encryption: Encryption,
    /// The file of the authority that signed the server's certificate; read only for TLS.
    pub authority: PathBuf,
}

impl Access {
    /// A port without TLS.
    pub fn plain(port: u16) -> Self {
        Self { port, encryption: Encryption::None, authority: PathBuf::new() }
    }
}

/// The services `submission` and `submissions`, each on a port of its own.
#[derive(Debug)]
pub struct Submission {
    submission: Port,
    submissions: Port,
    certificate: Certificate,
}

impl Submission {
    /// Takes two ports and makes a certificate for `host`.
    pub fn new(scratch: &Scratch, host: &str) -> Self {
        let certificate = Certificate::make(&scratch.join("tls"), host);
        Self { submission: Port::reserve(), submissions: Port::reserve(), certificate }
    }

    /// Adds the services as they stand, commented out, in Debian's master.cf, with the restrictions
    /// that it proposes.
    pub fn configure(&self, postfix: Builder) -> Builder {
        let service = |port: &Port, name, encryption: &[&str]| {
            let mut options = vec![format!("syslog_name=postfix/{name}")];
            options.extend(encryption.iter().map(|&option| option.to_owned()));
            options.extend(OPTIONS.iter().map(|&option| option.to_owned()));
            entry(port.number(), &options)
        };
        let starttls = ["smtpd_tls_security_level=encrypt", "smtpd_tls_auth_only=yes"];
        with_sasl(postfix)
            .param("smtpd_tls_cert_file", &self.certificate.file().display().to_string())
            .param("smtpd_tls_key_file", &self.certificate.key().display().to_string())
            .param("mua_client_restrictions", "permit_sasl_authenticated,reject")
            .param("mua_helo_restrictions", "")
            .param("mua_sender_restrictions", "")
            .service("tlsmgr unix - - n 1000? 1 tlsmgr")
            .service(&service(&self.submission, "submission", &starttls))
            .service(&service(&self.submissions, "submissions", &["smtpd_tls_wrappermode=yes"]))
    }

    /// What a client needs to know.
    pub fn access(&self, encryption: Encryption) -> Access {
        let port = match encryption {
            Encryption::Implicit => &self.submissions,
            // What it says to a client that does not encrypt is worth a test as well.
            Encryption::StartTls | Encryption::None => &self.submission,
        };
        let authority = self.certificate.authority();
        Access { port: port.number(), encryption, authority }
    }
}

/// What Debian gives both services, beside name and encryption.
const OPTIONS: [&str; 8] = [
    "smtpd_sasl_auth_enable=yes",
    "smtpd_reject_unlisted_recipient=no",
    "smtpd_client_restrictions=$mua_client_restrictions",
    "smtpd_helo_restrictions=$mua_helo_restrictions",
    "smtpd_sender_restrictions=$mua_sender_restrictions",
    "smtpd_recipient_restrictions=",
    "smtpd_relay_restrictions=permit_sasl_authenticated,reject",
    "milter_macro_daemon_name=ORIGINATING",
];

fn entry(port: u16, options: &[String]) -> String {
    let options: Vec<String> = options.iter().map(|option| format!("\n  -o {option}")).collect();
    format!("127.0.0.1:{port} inet n - n - - smtpd{}", options.concat())
}

/// The socket at which Dovecot answers, as Postfix names it.
pub const AUTH_SOCKET: &str = "private/auth";

fn with_sasl(postfix: Builder) -> Builder {
    postfix.param("smtpd_sasl_type", "dovecot").param("smtpd_sasl_path", AUTH_SOCKET)
}

/// A service for logins without TLS, for tests that are not about the way in.
pub fn without_tls(postfix: Builder, port: u16) -> Builder {
    let options = [
        "syslog_name=postfix/submission",
        "smtpd_sasl_auth_enable=yes",
        "smtpd_client_restrictions=permit_sasl_authenticated,reject",
        "smtpd_relay_restrictions=permit_sasl_authenticated,reject",
        "milter_macro_daemon_name=ORIGINATING",
    ];
    with_sasl(postfix).service(&entry(port, &options.map(str::to_owned)))
}
