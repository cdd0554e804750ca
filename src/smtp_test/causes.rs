//! Why SMTP settings do not work: the causes with their ids, and the table from what a server says to
//! what it means.
//!
//! Pure: a step and a reply in, a cause out. Must not know how the reply was got, nor the words in
//! which a cause is told.
// SPDX-License-Identifier: GPL-3.0-or-later

use super::reply::Reply;

/// A cause, with an id that never changes: it stands in manuals and tickets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Cause {
    /// The host's name does not exist.
    UnknownHost = 1,
    /// Nobody could be asked for the host's address.
    NoResolver = 2,
    /// Nothing listens on the port.
    ConnectionRefused = 3,
    /// No answer to the attempt to connect.
    ConnectionTimeout = 4,
    /// There is no way to the host.
    Unreachable = 5,
    /// The server, or something before it, ended the connection.
    Disconnected = 6,
    /// Connected, and then not a word.
    Silence = 7,
    /// Words came, so slowly that the limit was over before they ended.
    TooSlow = 8,
    /// Something else than SMTP is spoken there.
    NotSmtp = 9,
    /// The server cannot take anybody at the moment.
    Busy = 10,

    /// The port expects TLS from the first byte, and the settings say otherwise.
    TlsExpected = 11,
    /// The port speaks plain text first, and the settings expect TLS.
    PlainExpected = 12,
    /// The server has no STARTTLS.
    NoStartTls = 13,
    /// The server has STARTTLS, and somebody between hides it.
    StartTlsStripped = 14,
    /// STARTTLS is offered and then refused.
    StartTlsRefused = 15,
    /// Server and client have no version or cipher in common, or the handshake broke.
    TlsFailed = 16,
    /// The certificate's authority is not known, or a certificate between is not sent.
    NotTrusted = 17,
    /// The certificate is signed by itself.
    SelfSigned = 18,
    /// The certificate is no longer valid.
    Expired = 19,
    /// The certificate is not valid yet.
    NotYetValid = 20,
    /// The certificate is for another name.
    WrongName = 21,
    /// The certificate is unfit for another reason.
    BadCertificate = 22,

    /// The server wants encryption before anything else.
    EncryptionRequired = 30,
    /// The server offers no login here.
    NoLogin = 31,
    /// The server offers logins, but none with a user name and a password.
    NoPasswordLogin = 32,
    /// SMTP login is off for this mailbox; a shared one has none.
    MailboxHasNoLogin = 33,
    /// SMTP login is off for the whole organisation.
    LoginOffForAll = 34,
    /// Microsoft refuses password logins by programs.
    ProgramsRefused = 35,
    /// The provider wants an app password in place of the user's own.
    AppPassword = 36,
    /// Wrong user name or password.
    WrongPassword = 37,
    /// The account is locked, or has been tried too often.
    Locked = 38,
    /// The server cannot check logins at the moment.
    LoginUnavailable = 39,
    /// The server says that somebody has to log in first.
    LoginRequired = 40,

    /// The login may not send as this address.
    MayNotSendAs = 41,
    /// The server admits by IP address.
    ClientRefused = 42,
    /// The server does not pass mail on to this recipient.
    RelayDenied = 43,
    /// The server does not believe that the sender's address exists.
    SenderUnknown = 44,
    /// The recipient does not exist or cannot take mail.
    RecipientRefused = 45,
    /// The message is too large.
    TooLarge = 46,
    /// Not now, perhaps later: greylisting and the like.
    Later = 47,
    /// The content was refused.
    Content = 48,
    /// Too much was sent.
    Limit = 49,
    /// Refused, for a reason that the table does not know.
    Refused = 50,
}

/// The steps whose answers are replies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// The greeting.
    Greeting,
    /// EHLO.
    Hello,
    /// STARTTLS.
    StartTls,
    /// AUTH, and what follows it.
    Login,
    /// MAIL.
    Sender,
    /// RCPT.
    Recipient,
    /// DATA and the end of the message.
    Message,
}

/// Each cause, in the order of its ids.
pub const ALL: [Cause; 43] = [
    Cause::UnknownHost,
    Cause::NoResolver,
    Cause::ConnectionRefused,
    Cause::ConnectionTimeout,
    Cause::Unreachable,
    Cause::Disconnected,
    Cause::Silence,
    Cause::TooSlow,
    Cause::NotSmtp,
    Cause::Busy,
    Cause::TlsExpected,
    Cause::PlainExpected,
    Cause::NoStartTls,
    Cause::StartTlsStripped,
    Cause::StartTlsRefused,
    Cause::TlsFailed,
    Cause::NotTrusted,
    Cause::SelfSigned,
    Cause::Expired,
    Cause::NotYetValid,
    Cause::WrongName,
    Cause::BadCertificate,
    Cause::EncryptionRequired,
    Cause::NoLogin,
    Cause::NoPasswordLogin,
    Cause::MailboxHasNoLogin,
    Cause::LoginOffForAll,
    Cause::ProgramsRefused,
    Cause::AppPassword,
    Cause::WrongPassword,
    Cause::Locked,
    Cause::LoginUnavailable,
    Cause::LoginRequired,
    Cause::MayNotSendAs,
    Cause::ClientRefused,
    Cause::RelayDenied,
    Cause::SenderUnknown,
    Cause::RecipientRefused,
    Cause::TooLarge,
    Cause::Later,
    Cause::Content,
    Cause::Limit,
    Cause::Refused,
];

impl Cause {
    /// Its id.
    pub fn id(self) -> String {
        format!("RM-SMTP-{:02}", self as u8)
    }

    /// No conversation came about at all.
    pub fn is_unreachable(self) -> bool {
        matches!(
            self,
            Self::UnknownHost
                | Self::NoResolver
                | Self::ConnectionRefused
                | Self::ConnectionTimeout
                | Self::Unreachable
        )
    }

    /// The same may work later, with nothing changed.
    pub fn will_pass(self) -> bool {
        matches!(self, Self::Busy | Self::LoginUnavailable | Self::Later)
    }
}

/// What a refusal at a step means. `reply` is one that is not a 2xx or 3xx.
pub fn of(at: At, reply: &Reply) -> Cause {
    let words = reply.words();
    let words = words.as_str();
    everywhere(at, reply.code, words).unwrap_or_else(|| match at {
        At::Greeting | At::Hello if reply.is_temporary() => Cause::Busy,
        At::Greeting => Cause::ClientRefused,
        At::Hello => Cause::Refused,
        At::StartTls => match reply.code {
            500..=504 => Cause::NoStartTls,
            _ => Cause::StartTlsRefused,
        },
        At::Login => login(reply, words),
        At::Sender | At::Recipient | At::Message => transaction(at, reply, words),
    })
}

fn any(words: &str, of: &[&str]) -> bool {
    of.iter().any(|part| words.contains(part))
}

/// What may be said at any step: servers that delay their refusals say at RCPT what they thought of
/// the client when it connected.
fn everywhere(at: At, code: u16, words: &str) -> Option<Cause> {
    let encryption = [
        "must issue a starttls",
        "must issue starttls",
        "starttls first",
        "starttls command first",
        "use starttls",
        "starttls is required",
        "starttls required",
        "encryption required",
        "encrypted connection",
        "tls required",
        "tls is required",
        "plaintext authentication disallowed",
        "secure connection",
    ];
    if code == 538 || at != At::StartTls && any(words, &encryption) {
        return Some(Cause::EncryptionRequired);
    }
    let client = [
        "client host rejected",
        "client host [",
        "client address rejected",
        "rejected by access policy",
        "blocked using",
        "blocked by",
        "block list",
        "blocklist",
        "blacklist",
        "rbl",
        "dnsbl",
        "spamhaus",
        "ip address is not allowed",
        "ip not allowed",
        "ip is not allowed",
        "not allowed from your ip",
        "not authorized to connect",
        "no access from mail server",
        "banned sending ip",
        "5.7.606",
        "5.7.511",
        "login may not be used from here",
        "5.7.68",
        "cannot find your reverse hostname",
        "reverse dns",
        "ptr record",
    ];
    if any(words, &client) {
        return Some(Cause::ClientRefused);
    }
    let crowded = ["too many connections", "too many concurrent", "connection rate", "5.7.508"];
    if any(words, &crowded) {
        return Some(if code < 500 { Cause::Busy } else { Cause::Limit });
    }
    None
}

fn login(reply: &Reply, words: &str) -> Cause {
    let knows = |of: &[&str]| any(words, of);
    let disabled = knows(&["smtpclientauthentication is disabled"]);
    match reply.code {
        _ if disabled && knows(&["for the tenant"]) => Cause::LoginOffForAll,
        _ if disabled => Cause::MailboxHasNoLogin,
        _ if knows(&[
            "5.7.30",
            "basic authentication is not supported",
            "basic authentication is disabled",
        ]) =>
        {
            Cause::LoginOffForAll
        }
        _ if knows(&[
            "too many",
            "locked out",
            "account is locked",
            "account has been locked",
            "account is disabled",
            "account has been disabled",
            "account has expired",
            "password has expired",
            "temporarily blocked",
            "account blocked",
            "account suspended",
        ]) =>
        {
            Cause::Locked
        }
        _ if knows(&["credentials were incorrect"]) => Cause::WrongPassword,
        _ if knows(&[
            "5.7.139",
            "did not meet the criteria",
            "security defaults",
            "conditional access",
            "535 5.7.3",
        ]) || reply.enhanced() == Some("5.7.3") =>
        {
            Cause::ProgramsRefused
        }
        _ if knows(&[
            "application-specific password",
            "app-specific password",
            "app password",
            "application password",
            "parol prilozheniya",
            "badcredentials",
            "invalidsecondfactor",
            "weblogin",
            "web browser",
            "web login required",
            "less secure",
            "does not have access rights to this service",
            "smtp access is disabled",
            "pop3/imap",
        ]) || ["5.7.9", "5.7.14"].map(Some).contains(&reply.enhanced()) =>
        {
            Cause::AppPassword
        }
        // Postfix: 454 is what it says when Dovecot is away; a wrong password is a 535.
        454 | 451 | 421
            if knows(&[
                "temporar",
                "connection lost",
                "generic failure",
                "try again",
                "unavailable",
            ]) =>
        {
            Cause::LoginUnavailable
        }
        454 | 432 | 535 | 534 => Cause::WrongPassword,
        _ if knows(&[
            "authentication not enabled",
            "not supported",
            "unrecognized",
            "not implemented",
            "auth not available",
            "authentication not available",
            "unknown command",
        ]) || reply.code == 502 =>
        {
            if knows(&["mechanism", "type"]) {
                Cause::NoPasswordLogin
            } else {
                Cause::NoLogin
            }
        }
        504 => Cause::NoPasswordLogin,
        400..=499 => Cause::LoginUnavailable,
        500..=503 => Cause::NoLogin,
        _ => Cause::WrongPassword,
    }
}

/// Replies by which servers say that a login and a sender do not fit each other.
const SEND_AS: [&str; 26] = [
    "not owned by",
    "sendasdenied",
    "5.2.252",
    "5.7.60",
    "permissions to send as",
    "may not send as",
    "may not use this envelope sender",
    "not allowed to send",
    "not authorized to send",
    "not permitted to send",
    "not authorised to send",
    "sender address is not allowed",
    "sender address not allowed",
    "sender not allowed",
    "sender is not allowed",
    "unauthorized sender",
    "sender not authorized",
    "sender is not authorized",
    "relaying disallowed as",
    "address is not verified",
    "from address not verified",
    "does not match the authenticated",
    "must match the authenticated",
    "sender mismatch",
    "must be equal to",
    "sender address does not belong",
];

fn transaction(at: At, reply: &Reply, words: &str) -> Cause {
    let knows = |of: &[&str]| any(words, of);
    if knows(&SEND_AS) {
        return Cause::MayNotSendAs;
    }
    if reply.code == 530
        || knows(&[
            "not logged in",
            "authentication required",
            "authentication is required",
            "not authenticated",
            "5.7.57",
            "must authenticate",
            "authenticate first",
            "login first",
        ])
    {
        return Cause::LoginRequired;
    }
    if knows(&[
        "5.3.4",
        "5.2.3",
        "exceeds size",
        "exceeds the maximum",
        "size exceeds",
        "too large",
        "too big",
        "exceeds fixed",
        "size limit",
    ]) {
        return Cause::TooLarge;
    }
    if knows(&["greylist", "graylist", "greylisting"]) {
        return Cause::Later;
    }
    if knows(&[
        "rate limit",
        "sending limit",
        "quota exceeded for sending",
        "too many messages",
        "too many recipients",
        "too many mails",
        "5.4.5",
        "4.4.5",
        "5.7.705",
        "5.1.90",
        "limit exceeded",
        "daily",
    ]) {
        return Cause::Limit;
    }
    if knows(&[
        "sender address rejected",
        "sender verify failed",
        "sender verification failed",
        "domain of sender",
        "sender domain",
        "sender unknown",
        "5.1.8",
        "5.1.7",
        "4.1.8",
    ]) {
        return if reply.is_temporary() { Cause::Later } else { Cause::SenderUnknown };
    }
    if reply.is_temporary() {
        return Cause::Later;
    }
    if knows(&[
        "relay access denied",
        "relaying denied",
        "relay denied",
        "unable to relay",
        "not permitted to relay",
        "relay not permitted",
        "relaying not allowed",
        "do not relay",
        "not allowed to relay",
        "5.7.54",
        "5.7.64",
        "relaying disallowed",
        "rcpthosts",
    ]) {
        return Cause::RelayDenied;
    }
    if knows(&[
        "spam",
        "virus",
        "content",
        "dmarc",
        "5.7.26",
        "message rejected",
        "policy reasons",
        "malware",
    ]) {
        return Cause::Content;
    }
    match at {
        At::Sender if [550, 553].contains(&reply.code) => Cause::MayNotSendAs,
        At::Recipient if [550, 551, 552, 553, 554, 556].contains(&reply.code) => {
            match reply.enhanced() {
                Some("5.7.1") if !knows(&["recipient"]) => Cause::Refused,
                _ => Cause::RecipientRefused,
            }
        }
        _ if reply.code == 552 => Cause::TooLarge,
        _ => Cause::Refused,
    }
}
