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
    if reply.code == 538 || at != At::StartTls && any(words, &ENCRYPTION) {
        return Cause::EncryptionRequired;
    }
    // Servers that delay their refusals say at RCPT what they thought of the client's address.
    // In an answer to the message itself, a block list may be one of links.
    if any(words, &CLIENT) || at != At::Message && any(words, &LISTS) {
        return Cause::ClientRefused;
    }
    if any(words, &CROWDED) {
        return if reply.is_temporary() { Cause::Busy } else { Cause::Limit };
    }
    match at {
        At::Greeting | At::Hello if reply.is_temporary() => Cause::Busy,
        At::Greeting => Cause::ClientRefused,
        At::Hello => Cause::Refused,
        At::StartTls if (500..=504).contains(&reply.code) => Cause::NoStartTls,
        At::StartTls => Cause::StartTlsRefused,
        At::Login => login(reply, words),
        At::Sender | At::Recipient | At::Message => transaction(at, reply, words),
    }
}

/// Whether any of some parts stands in the words; a status code as a whole: not in an IP address.
fn any(words: &str, of: &[&str]) -> bool {
    let of_number = |c: char| c.is_ascii_digit() || c == '.';
    of.iter().any(|part| {
        let is_code = part.starts_with(|c: char| c.is_ascii_digit());
        words.match_indices(part).any(|(at, _)| {
            let whole = !words[..at].ends_with(of_number)
                && !words[at + part.len()..].starts_with(|c: char| c.is_ascii_digit());
            !is_code || whole
        })
    })
}

fn first_of(words: &str, of: &[(Cause, &[&str])]) -> Option<Cause> {
    of.iter().find(|(_, parts)| any(words, parts)).map(|(cause, _)| *cause)
}

const ENCRYPTION: [&str; 12] = [
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
];

const CLIENT: [&str; 17] = [
    "client host rejected",
    "client host [",
    "client address rejected",
    "access from ip",
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
    "may not be used from here",
    "cannot find your reverse hostname",
    "cannot find your hostname",
];

const LISTS: [&str; 8] = [
    "blocked using",
    "block list",
    "blocklist",
    "blacklist",
    "dnsbl",
    "reverse dns",
    "ptr record",
    "your ip",
];

const CROWDED: [&str; 4] =
    ["too many connections", "too many concurrent", "connection rate", "connection count"];

/// What is said about logins; the first that fits.
const LOGIN: [(Cause, &[&str]); 8] = [
    (Cause::LoginOffForAll, &["is disabled for the tenant"]),
    (Cause::MailboxHasNoLogin, &["smtpclientauthentication is disabled"]),
    (
        Cause::LoginOffForAll,
        &["5.7.30", "basic authentication is not supported", "basic authentication is disabled"],
    ),
    (
        Cause::Locked,
        &[
            "too many",
            "locked out",
            "is locked.",
            "account is locked",
            "account has been locked",
            "account is disabled",
            "account has been disabled",
            "account has expired",
            "password has expired",
            "temporarily blocked",
            "account blocked",
            "account suspended",
        ],
    ),
    (Cause::WrongPassword, &["credentials were incorrect"]),
    (
        Cause::ProgramsRefused,
        &["5.7.139", "did not meet the criteria", "security defaults", "conditional access"],
    ),
    (
        Cause::AppPassword,
        &[
            "application-specific password",
            "app-specific password",
            "app password",
            "application password",
            "parol prilozheniya",
            "badcredentials",
            "invalidsecondfactor",
            "web browser",
            "web login",
            "less secure",
            "does not have access rights to this service",
            "smtp access is disabled",
            "pop3/imap",
            "pop3 and imap",
        ],
    ),
    (Cause::NoPasswordLogin, &["mechanism", "authentication type", "auth type"]),
];

/// What a server says in place of a login that it has not, or cannot check.
const NOT_HERE: [&str; 7] = [
    "not enabled",
    "not supported",
    "unrecognized",
    "not implemented",
    "auth not available",
    "authentication not available",
    "unknown command",
];
const NOT_NOW: [&str; 6] =
    ["temporar", "connection lost", "generic failure", "try again", "try later", "unavailable"];

fn login(reply: &Reply, words: &str) -> Cause {
    if let Some(cause) = first_of(words, &LOGIN) {
        return cause;
    }
    match (reply.code, reply.enhanced()) {
        (_, Some("5.7.3")) => Cause::ProgramsRefused,
        (_, Some("5.7.9" | "5.7.14")) => Cause::AppPassword,
        // Postfix: 454 is what it says when Dovecot is away; a wrong password is a 535.
        (400..=499, _) if any(words, &NOT_NOW) => Cause::LoginUnavailable,
        (454 | 432 | 535 | 534, _) => Cause::WrongPassword,
        (504, _) => Cause::NoPasswordLogin,
        (400..=499, _) => Cause::LoginUnavailable,
        (500..=503, _) => Cause::NoLogin,
        _ if any(words, &NOT_HERE) => Cause::NoLogin,
        _ => Cause::WrongPassword,
    }
}

/// What is said about a mail, for good or for now; the first that fits.
const MAIL: [(Cause, &[&str]); 5] = [
    (
        Cause::MayNotSendAs,
        &[
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
            "not allowed to use",
            "sender address is not allowed",
            "sender address not allowed",
            "sender not allowed",
            "sender is not allowed",
            "unauthorized sender",
            "sender not authorized",
            "sender is not authorized",
            "relaying disallowed as",
            "address is not verified",
            "address not verified",
            "does not match the authenticated",
            "must match the authenticated",
            "sender mismatch",
            "must be equal to",
            "does not belong",
        ],
    ),
    (
        Cause::LoginRequired,
        &[
            "not logged in",
            "authentication required",
            "authentication is required",
            "not authenticated",
            "5.7.57",
            "must authenticate",
            "authenticate first",
            "login first",
        ],
    ),
    (
        Cause::TooLarge,
        &[
            "5.3.4",
            "5.2.3",
            "exceeds size",
            "exceeds the maximum",
            "exceeds fixed",
            "exceeds maximum",
            "size exceeds",
            "too large",
            "too big",
            "size limit",
        ],
    ),
    (Cause::Later, &["greylist", "graylist"]),
    (
        Cause::Limit,
        &[
            "rate limit",
            "sending limit",
            "too many messages",
            "too many recipients",
            "too many mails",
            "too much mail",
            "5.4.5",
            "5.7.705",
            "5.1.90",
            "limit exceeded",
            "exceeded the limit",
            "daily",
        ],
    ),
];

/// What is said about a mail for good only; the first that fits.
const REFUSED: [(Cause, &[&str]); 3] = [
    (
        Cause::SenderUnknown,
        &[
            "sender address rejected",
            "sender verify failed",
            "sender verification failed",
            "domain of sender",
            "sender domain",
            "sender unknown",
            "unknown sender",
            "5.1.8",
            "5.1.7",
        ],
    ),
    (
        Cause::RelayDenied,
        &[
            "relay access denied",
            "relaying denied",
            "relay denied",
            "unable to relay",
            "not permitted to relay",
            "relay not permitted",
            "relaying not allowed",
            "relaying is not allowed",
            "do not relay",
            "not allowed to relay",
            "5.7.54",
            "5.7.64",
            "relaying disallowed",
            "rcpthosts",
        ],
    ),
    (Cause::Content, &["spam", "virus", "content", "dmarc", "5.7.26", "policy reasons", "malware"]),
];

fn transaction(at: At, reply: &Reply, words: &str) -> Cause {
    if let Some(cause) = first_of(words, &MAIL) {
        return cause;
    }
    if reply.code == 530 {
        return Cause::LoginRequired;
    }
    if reply.is_temporary() {
        return Cause::Later;
    }
    if let Some(cause) = first_of(words, &REFUSED) {
        return cause;
    }
    match (at, reply.code, reply.enhanced()) {
        (At::Sender, 550 | 553, _) => Cause::MayNotSendAs,
        // Full, or not there; what is refused by 5.7.1 may be the sender as well.
        (At::Recipient, 550..=556, Some("5.7.1")) if !words.contains("recipient") => Cause::Refused,
        (At::Recipient, 550..=556, _) => Cause::RecipientRefused,
        (_, 552, _) => Cause::TooLarge,
        _ => Cause::Refused,
    }
}
