//! The causes in English. `{host}`, `{port}`, `{user}` and `{from}` are filled in.
// SPDX-License-Identifier: GPL-3.0-or-later

use super::Text;
use crate::smtp_test::Cause;

#[allow(clippy::too_many_lines, reason = "a table")]
pub(super) fn cause(cause: Cause) -> Text {
    let (title, meaning, remedies): (_, _, &[&str]) = match cause {
        Cause::UnknownHost => (
            "there is no host of this name",
            "No address is known for {host}.",
            &["compare the name letter by letter with what your provider says"],
        ),
        Cause::NoResolver => (
            "the host's name cannot be looked up at the moment",
            "No name server answered. This says nothing about the settings.",
            &["check this machine's name servers:  getent hosts {host}"],
        ),
        Cause::ConnectionRefused => (
            "nothing listens on this port",
            "The machine {host} is there and refuses connections to port {port}.",
            &[
                "use port 587 with STARTTLS or port 465 with SSL",
                "on your own server: is the service in master.cf, and is Postfix running?",
            ],
        ),
        Cause::ConnectionTimeout => (
            "no answer from this port",
            "A firewall drops the connection, or the machine is off. Many networks block port 25.",
            &[
                "use port 587 with STARTTLS or port 465 with SSL",
                "let the firewall admit port {port} from everywhere: the addresses of a recruiting system change",
            ],
        ),
        Cause::Unreachable => (
            "there is no way to the server from here",
            "The network says that {host} cannot be reached.",
            &[
                "check routes and firewall of this machine",
                "if the address is an IPv6 one: does this machine have IPv6?",
            ],
        ),
        Cause::Disconnected => (
            "the connection was cut",
            "The server, or a firewall before it, closed the connection without a word.",
            &[
                "look into the server's log at this time",
                "if a firewall inspects SMTP, switch that off for port {port}",
            ],
        ),
        Cause::Silence => (
            "the server says nothing",
            "It took the connection, or the command, and did not answer in time. A firewall may stand between, or the server waits for something else than it is sent.",
            &[
                "try another encryption: SSL belongs to port 465, STARTTLS to 587",
                "look into the server's log at this time",
            ],
        ),
        Cause::TooSlow => (
            "the server answers too slowly",
            "Words came, but no whole answer within the limit. Some servers slow down those that they distrust (tarpitting). A recruiting system will not wait longer.",
            &[
                "take the clients that log in out of the delay: no tarpit on ports 587 and 465",
                "test again with a longer --timeout to see what it says in the end",
            ],
        ),
        Cause::NotSmtp => (
            "this is no SMTP server",
            "Another protocol is spoken at this port, or something between answers in the server's place.",
            &[
                "use port 587 or 465 of the server for outgoing mail, not that for IMAP, POP3 or the web",
            ],
        ),
        Cause::Busy => (
            "the server takes nobody at the moment",
            "It says so itself; it may be overloaded or under maintenance.",
            &["test again in some minutes"],
        ),
        Cause::TlsExpected => (
            "the port expects TLS from the first byte",
            "Port {port} is one for SSL/TLS (implicit TLS); the settings say STARTTLS or no encryption. Each waits for the other.",
            &["set encryption to SSL (here: --tls ssl), or use port 587 with STARTTLS"],
        ),
        Cause::PlainExpected => (
            "the port does not begin with TLS",
            "Port {port} speaks plain text first, as for STARTTLS; the settings say SSL.",
            &["set encryption to TLS or STARTTLS (here: --tls starttls), or use port 465 with SSL"],
        ),
        Cause::NoStartTls => (
            "the server offers no STARTTLS",
            "The connection cannot be encrypted, and a password must not be sent over it.",
            &[
                "use port 465 with SSL if the server has it",
                "on your own Postfix: smtpd_tls_security_level = may, with smtpd_tls_cert_file and smtpd_tls_key_file",
            ],
        ),
        Cause::StartTlsStripped => (
            "something between takes STARTTLS out of the server's answers",
            "The server knows STARTTLS, and its offer does not arrive here. A firewall that rewrites SMTP does that (\"SMTP inspection\", \"fixup\"), and so does an attacker. The password was not sent.",
            &[
                "switch off SMTP inspection in the firewall",
                "use port 465 with SSL, where nothing can be taken out",
            ],
        ),
        Cause::StartTlsRefused => (
            "the server offers STARTTLS and then refuses it",
            "Its certificate or key cannot be read, or TLS is out of order there.",
            &[
                "look into the server's log; on your own Postfix: check smtpd_tls_cert_file and smtpd_tls_key_file",
            ],
        ),
        Cause::TlsFailed => (
            "no TLS connection comes about",
            "The two sides have no version or cipher in common (TLS 1.2 is the oldest that is tried), or the handshake broke.",
            &["let the server speak TLS 1.2 or newer", "look into the server's log at this time"],
        ),
        Cause::NotTrusted => (
            "the certificate is not trusted",
            "No known authority stands behind it, or the server does not send the certificate between (the intermediate).",
            &[
                "let the server send the whole chain: the file of your authority is often called fullchain.pem",
                "use a certificate of a public authority: a recruiting system knows no other",
            ],
        ),
        Cause::SelfSigned => (
            "the certificate is signed by itself",
            "Nobody vouches for it. A recruiting system will refuse it, and cannot tell it from an attacker's.",
            &["use a certificate of a public authority, such as Let's Encrypt"],
        ),
        Cause::Expired => (
            "the certificate has expired",
            "It is no longer valid.",
            &["renew it, and restart or reload the server: it may still show the old one"],
        ),
        Cause::NotYetValid => (
            "the certificate is not valid yet",
            "Its first day lies ahead, or this machine's clock is wrong.",
            &["compare this machine's clock:  date -u"],
        ),
        Cause::WrongName => (
            "the certificate is for another name",
            "{host} is not among the names in it.",
            &[
                "put one of the certificate's names into the settings as the server",
                "or get a certificate that has {host} in it",
            ],
        ),
        Cause::BadCertificate => (
            "the certificate cannot be used",
            "It is unfit for a server, or a certificate in its chain is.",
            &["get a new certificate of a public authority"],
        ),
        Cause::EncryptionRequired => (
            "the server wants encryption first",
            "It takes no login and no mail over an open connection.",
            &["set encryption to TLS or STARTTLS (here: --tls starttls), or use port 465 with SSL"],
        ),
        Cause::NoLogin => (
            "the server offers no login here",
            "This port is not meant for senders with user name and password, or logins are switched off.",
            &[
                "use port 587 or 465; port 25 is for mail between servers",
                "on your own Postfix: smtpd_sasl_auth_enable=yes at this service",
            ],
        ),
        Cause::NoPasswordLogin => (
            "the server takes no login by password",
            "Of what it offers nothing works with user name and password alone (OAuth, certificates, challenges). Recruiting systems know nothing else.",
            &[
                "let the server offer PLAIN or LOGIN, or create an app password",
                "use your own server with a login of its own:  recruit-milter login add",
            ],
        ),
        Cause::MailboxHasNoLogin => (
            "SMTP login is switched off for this mailbox",
            "Microsoft 365: shared mailboxes have no login of their own, and for others \"Authenticated SMTP\" may be off.",
            &[
                "if {user} is a shared mailbox: log in as a licensed user who may \"Send as\" {from}",
                "else, in the admin centre: Users, {user}, Mail, Manage email apps, Authenticated SMTP",
                "or use your own server with a login of its own:  recruit-milter login add",
            ],
        ),
        Cause::LoginOffForAll => (
            "SMTP login is switched off for the whole organisation",
            "Microsoft 365 takes no user name and password from programs here.",
            &[
                "ask who administers Microsoft 365: Set-TransportConfig -SmtpClientAuthenticationDisabled $false, where it is still possible",
                "or use your own server with a login of its own:  recruit-milter login add",
            ],
        ),
        Cause::ProgramsRefused => (
            "the provider refuses logins by other programs",
            "Microsoft 365 refuses user name and password from programs, by security defaults, Conditional Access or because the account has two factors. A wrong password can get the same answer.",
            &[
                "log in to the web mail once as {user} to be sure of the password",
                "ask who administers Microsoft 365 for an app password, or an exception for Authenticated SMTP",
                "or use your own server with a login of its own:  recruit-milter login add",
            ],
        ),
        Cause::AppPassword => (
            "an app password is needed",
            "The provider does not take the user's own password from programs. Google: the switch for \"less secure apps\" is gone, what works is an app password (16 letters), which needs two-step verification. A wrong password gets the same answer.",
            &[
                "create an app password for {user} and put it into the settings: at Google under myaccount.google.com/apppasswords",
                "at other providers: allow access by mail programs (SMTP, POP3, IMAP) in the account's settings",
            ],
        ),
        Cause::WrongPassword => (
            "wrong user name or password",
            "The server does not know this pair. Often the user name is an alias, or lacks the domain, while the login has another name.",
            &[
                "copy the password again, without blanks around it",
                "try the account's main address as the user name, or the name without the domain",
                "on your own server:  recruit-milter login list  shows the logins,  login rotate  makes a new password",
            ],
        ),
        Cause::Locked => (
            "the account is locked or was tried too often",
            "The server does not even look at the password at the moment.",
            &[
                "wait an hour, and let nothing else try with an old password",
                "ask the provider to unlock {user}",
            ],
        ),
        Cause::LoginUnavailable => (
            "the server cannot check logins at the moment",
            "What it asks about passwords does not answer. User name and password may be right.",
            &[
                "test again in some minutes",
                "on your own server: is Dovecot (or saslauthd) running, and may Postfix use its socket?",
            ],
        ),
        Cause::LoginRequired => (
            "the server says that nobody is logged in",
            "It does not hold this login valid for sending, or this service knows none.",
            &[
                "use port 587 or 465",
                "on your own Postfix: permit_sasl_authenticated in smtpd_relay_restrictions of this service",
            ],
        ),
        Cause::MayNotSendAs => (
            "this login may not send as this address",
            "The login {user} works, and {from} is not among the addresses that it may use.",
            &[
                "Microsoft 365: give {user} the permission \"Send as\" for {from}; it takes up to an hour",
                "Google and others: add {from} to the account as a sender address or alias",
                "on your own server with recruit-milter: addresses in [login.\"{user}\"]",
                "or put {from} itself into the settings as the user name",
            ],
        ),
        Cause::ClientRefused => (
            "the server refuses the address from which the mail comes",
            "It admits by IP address, or the address is on a block list. The addresses of a recruiting system are many and change.",
            &[
                "admit by login and not by IP address: permit_sasl_authenticated before any rule about clients",
                "if the address is on a block list, let ports 587 and 465 not ask it",
            ],
        ),
        Cause::RelayDenied => (
            "the server passes no mail on to other domains",
            "For this login, or this client, it takes mail for its own domains only.",
            &[
                "use port 587 or 465 with a login",
                "on your own Postfix: permit_sasl_authenticated in smtpd_relay_restrictions",
            ],
        ),
        Cause::SenderUnknown => (
            "the server does not take the sender's address",
            "It says that {from}, or its domain, does not exist.",
            &["is {from} written correctly, and does a mailbox or alias of this name exist?"],
        ),
        Cause::RecipientRefused => (
            "the server does not take the recipient",
            "The recipient does not exist there, or takes no mail. The settings may be right.",
            &["test with another --to"],
        ),
        Cause::TooLarge => (
            "the message is too large for the server",
            "It takes smaller messages only, or has no room.",
            &["on your own Postfix: message_size_limit"],
        ),
        Cause::Later => (
            "the server says: not now, perhaps later",
            "That may be greylisting, a full disk or a limit. A recruiting system may or may not try again.",
            &["test again in some minutes", "take those that log in out of greylisting"],
        ),
        Cause::Content => (
            "the server refuses the content or the policy of the mail",
            "A filter for spam, viruses or forged senders (DMARC) stands in the way.",
            &[
                "look into the filter's log",
                "is the server among those that may send for the domain of {from} (SPF, DKIM)?",
            ],
        ),
        Cause::Limit => (
            "a limit on sending is reached",
            "The provider takes no more mails from this login, or no more connections, for the time being.",
            &["wait for the end of the period", "ask the provider for a higher limit"],
        ),
        Cause::Refused => (
            "the server refuses",
            "Why is in its own words above.",
            &["look into the server's log at this time"],
        ),
    };
    Text { title, meaning, remedies }
}
