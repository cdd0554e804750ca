//! The words of the test, in German and English: steps, notes and verdicts; the causes are in `de` and
//! `en`.
// SPDX-License-Identifier: GPL-3.0-or-later

use super::causes::Cause;
use super::step::{Name, Note};
use super::{Settings, Tls};
use crate::language::Language;

mod de;
mod en;

/// What is said about a cause, with places to fill in.
pub(super) struct Text {
    /// In half a sentence.
    pub(super) title: &'static str,
    /// What it means.
    pub(super) meaning: &'static str,
    /// What to do: any of it.
    pub(super) remedies: &'static [&'static str],
}

impl Language {
    pub(super) fn cause(self, cause: Cause) -> Text {
        match self {
            Self::De => de::cause(cause),
            Self::En => en::cause(cause),
        }
    }

    pub(super) fn step(self, name: Name) -> &'static str {
        match name {
            Name::Resolution => self.pick("Name", "Name"),
            Name::Connection => self.pick("Connection", "Verbindung"),
            Name::Greeting => self.pick("Greeting", "Begrüßung"),
            Name::Hello => self.pick("Offer", "Angebot"),
            Name::StartTls => "STARTTLS",
            Name::Encryption => self.pick("Encryption", "Verschlüsselung"),
            Name::Claim => "XCLIENT",
            Name::Login => self.pick("Login", "Anmeldung"),
            Name::Sender => self.pick("Sender", "Absender"),
            Name::Recipient => self.pick("Recipient", "Empfänger"),
            Name::Message => self.pick("Mail", "Mail"),
            Name::From => self.pick("Other address", "Andere Adresse"),
        }
    }

    pub(super) fn tls(self, tls: Tls) -> &'static str {
        match tls {
            Tls::Implicit => "SSL/TLS",
            Tls::StartTls => "STARTTLS",
            Tls::None => self.pick("not encrypted", "unverschlüsselt"),
        }
    }

    /// What the whole test is about.
    pub(super) fn heading(self) -> &'static str {
        self.pick(
            "{host}:{port}, {tls}, logging in as {user}, sending as {from}",
            "{host}:{port}, {tls}, angemeldet als {user}, Absender {from}",
        )
    }

    pub(super) fn works(self) -> &'static str {
        self.pick("works", "geht")
    }

    pub(super) fn fails(self) -> &'static str {
        self.pick("does not work", "geht nicht")
    }

    pub(super) fn also(self) -> &'static str {
        self.pick("also", "außerdem")
    }

    /// What a test that went well has shown.
    pub(super) fn shown(self, sent: bool) -> &'static str {
        if sent {
            self.pick(
                "Login, sender and mail were accepted.",
                "Anmeldung, Absender und Mail wurden angenommen.",
            )
        } else {
            self.pick(
                "Login and sender were accepted; no mail was sent.",
                "Anmeldung und Absender wurden angenommen; eine Mail wurde nicht gesendet.",
            )
        }
    }

    /// What no test from here can show.
    pub(super) fn limits(self) -> &'static str {
        self.pick("Tested from this machine. Whether a firewall admits the addresses of the recruiting system cannot be known from here: test from outside, or watch the firewall's log while the system sends.", "Getestet wurde von dieser Maschine aus. Ob eine Firewall die Adressen des Recruiting-Systems zulässt, ist von hier nicht zu erkennen: dazu von außerhalb testen, oder im Log der Firewall nachsehen, während das System sendet.")
    }

    pub(super) fn note(self, note: &Note) -> String {
        let de = self == Self::De;
        match note {
            Note::Local(ip) if de => format!("von {ip}"),
            Note::Local(ip) => format!("from {ip}"),
            Note::Offers(logins) => {
                format!("{}: {}", self.pick("login by", "Anmeldung mit"), logins.join(", "))
            }
            Note::LoginAfterEncryption => self.pick("no login before encryption: as it should be", "keine Anmeldung vor der Verschlüsselung: so soll es sein")
                .to_owned(),
            Note::LoginInClear => self.pick("login offered before encryption already: better not (Postfix: smtpd_tls_auth_only = yes)", "Anmeldung schon vor der Verschlüsselung angeboten: besser nicht (Postfix: smtpd_tls_auth_only = yes)")
                .to_owned(),
            Note::PasswordInClear => self.pick("the password goes over the network unencrypted", "das Passwort geht unverschlüsselt über das Netz")
                .to_owned(),
            Note::StartTlsUnused => self.pick("the server has STARTTLS, the settings do not use it", "der Server kann STARTTLS, die Einstellungen nutzen es nicht")
                .to_owned(),
            Note::TriedAllTheSame => self.pick("STARTTLS is not offered; tried all the same", "STARTTLS wird nicht angeboten; trotzdem versucht")
                .to_owned(),
            Note::Size(size) if de => format!("Mails bis {size} Bytes"),
            Note::Size(size) => format!("messages of up to {size} bytes"),
            Note::Cipher(cipher) => cipher.clone(),
            Note::Certificate { subject, issuer, names, from, until, sent } => {
                let names = names.join(", ");
                if de {
                    format!(
                        "Zertifikat für {subject} ({names}), ausgestellt von {issuer}, gültig {from} bis {until}; in der Kette gesendet: {sent}"
                    )
                } else {
                    format!(
                        "certificate for {subject} ({names}), issued by {issuer}, valid {from} to {until}; sent in the chain: {sent}"
                    )
                }
            }
            Note::ExpiresIn(days) if de => format!("das Zertifikat läuft in {days} Tagen ab"),
            Note::ExpiresIn(days) => format!("the certificate expires in {days} days"),
            Note::Asked(host) if de => format!("gefragt war nach {host}"),
            Note::Asked(host) => format!("asked for was {host}"),
            Note::Detail(detail) => detail.clone(),
            Note::PasswordNotSent => self.pick("the password was not sent", "das Passwort wurde nicht gesendet")
                .to_owned(),
            Note::AnswersTls => self.pick("silent in plain text; with TLS from the first byte the port answers", "stumm im Klartext; mit TLS vom ersten Byte an antwortet der Port")
                .to_owned(),
            Note::NothingSent => self.pick("without --to no mail is sent; asked was with the address itself as the recipient", "ohne --to wird keine Mail gesendet; gefragt wurde mit der eigenen Adresse als Empfänger")
                .to_owned(),
            Note::Accepted(id) => format!(
                "{} {id}",
                self.pick("accepted means: the server has taken it over, not that it has arrived. If it came by our milter,  recruit-milter trace  shows it by the queue ID in the answer; in the recipient's mailbox it is known by its Message-ID:", "angenommen heißt: Der Server hat sie übernommen, angekommen ist sie damit noch nicht. Kam sie durch unseren Milter, zeigt  recruit-milter trace  sie mit der Queue-ID aus der Antwort; im Postfach des Empfängers ist sie an der Message-ID zu erkennen:")
            ),
            Note::NoXclient => self.pick("the server does not let us claim another address (XCLIENT): what it would answer to it cannot be known from here (Postfix: smtpd_authorized_xclient_hosts)", "der Server lässt uns keine andere Adresse vorgeben (XCLIENT): was er ihr antwortet, ist von hier nicht zu erkennen (Postfix: smtpd_authorized_xclient_hosts)")
                .to_owned(),
            Note::As(ip) if de => format!("als käme die Mail von {ip}"),
            Note::As(ip) => format!("as if the mail came from {ip}"),
        }
    }
}

impl Cause {
    /// What the manual says of it, in English: in half a sentence; then what it means and what to do.
    pub fn in_the_manual(self) -> (String, String) {
        let text = Language::En.cause(self);
        let blank = |text: &str| {
            let places =
                [("{host}", "HOST"), ("{port}", "PORT"), ("{user}", "USER"), ("{from}", "FROM")];
            places.iter().fold(text.to_owned(), |text, (place, word)| text.replace(place, word))
        };
        let remedies: Vec<String> = text.remedies.iter().map(|remedy| blank(remedy)).collect();
        let meaning = format!("{} To do: {}.", blank(text.meaning), remedies.join("; "));
        (blank(text.title), meaning)
    }
}

/// Fills in what the settings say. What is filled in is not looked at again.
pub(super) fn filled(text: &str, settings: &Settings, lang: Language) -> String {
    let mut out = String::with_capacity(text.len() + 64);
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let Some((word, later)) = after.split_once('}') else {
            out.push('{');
            rest = after;
            continue;
        };
        match word {
            "host" => out.push_str(&super::escaped(&settings.host)),
            "port" => out.push_str(&settings.port.to_string()),
            "user" => out.push_str(&super::escaped(&settings.user)),
            "from" => out.push_str(settings.from.as_str()),
            "tls" => out.push_str(lang.tls(settings.tls)),
            other => out.push_str(other),
        }
        rest = later;
    }
    out.push_str(rest);
    out
}
