//! The mail that tells it, in German and English.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use jiff::tz::TimeZone;

use super::{Alert, Place, What};
use crate::config::Config;
use crate::mail::Address;

/// So many alerts are told in full.
const MOST: usize = 50;

/// The whole message. None if there is nothing to tell, or nobody to tell it in the name of.
pub(super) fn message(
    config: &Config,
    to: &Address,
    alerts: &[&Alert],
    now: Timestamp,
) -> Option<String> {
    let from = config.rules.bounce.as_ref().filter(|_| !alerts.is_empty())?;
    let date = DateTimePrinter::new().zoned_to_string(&now.to_zoned(TimeZone::UTC)).ok()?;
    let mut nonce = [0; 10];
    getrandom::fill(&mut nonce).ok()?;
    let id = data_encoding::HEXLOWER.encode(&nonce);
    // The locale of a service is nobody's.
    let languages = config.language.for_others(|_| None);
    let mut body = String::new();
    for (at, language) in languages.iter().enumerate() {
        let text = language.pick(english as fn(&Alert) -> String, german);
        if at > 0 {
            body.push_str("\n---\n\n");
        }
        for alert in alerts.iter().take(MOST) {
            _ = writeln!(body, "{}\n", text(alert));
        }
        if let Some(more) = alerts.len().checked_sub(MOST).filter(|more| *more > 0) {
            _ = writeln!(body, "+ {more}: recruit-milter list --state failed\n");
        }
    }
    let trouble = alerts.iter().any(|alert| !alert.what.is_good());
    // Only what stands in our own configuration: nobody outside writes into a subject.
    let subject = format!(
        "recruit-milter: {} {}",
        if trouble { "attention /" } else { "all well /" },
        if trouble { "Achtung" } else { "alles gut" }
    );
    let header = format!(
        "From: recruit-milter <{from}>\nTo: <{to}>\nSubject: {subject}\nDate: {date}\n\
         Message-ID: <{id}.alert@{}>\nAuto-Submitted: auto-generated\nMIME-Version: 1.0\n\
         Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n",
        from.domain()
    );
    Some((header + &body).replace('\n', "\r\n"))
}

/// Words of somebody else: on one line, without anything that a terminal takes for a command.
fn quoted(said: &str) -> String {
    let clean = clean(said);
    if clean.is_empty() { String::new() } else { format!("\n  \"{clean}\"") }
}

fn clean(said: &str) -> String {
    said.chars().filter(|c| !c.is_control()).take(300).collect()
}

fn english(alert: &Alert) -> String {
    let address = &alert.address;
    match &alert.what {
        What::CopyFailed { token, system, said, place } => format!(
            "A mail to {address} did not reach {system}.{}\n  {}\n  -> recruit-milter trace {token}\n  \
             -> when it is mended: recruit-milter resend",
            quoted(said),
            match place {
                Place::Mailbox => format!("The mail is in the mailbox of {address}."),
                Place::Fallback(to) => format!("The mail went to {to}, inside the report."),
            }
        ),
        What::NotVerified { hop, said } => format!(
            "{address} is NOT VERIFIED: a test got stuck at \"{hop}\".{}\n  \
             Applications to it may not reach the recruiting system.\n  -> recruit-milter verify {address}",
            quoted(said)
        ),
        What::Late => format!(
            "{address} is late: for some time nothing has shown that its mail gets through.\n  \
             -> recruit-milter verify {address}"
        ),
        What::VerifiedAgain => format!("{address} is verified again."),
        What::Waiting { count, oldest } => format!(
            "{count} copies of mail to {address} wait, the oldest since {}.\n  \
             -> recruit-milter list --address {address} --state deferred",
            oldest.strftime("%Y-%m-%d %H:%M UTC")
        ),
        What::NotThrough { count, oldest, .. } => format!(
            "{count} copies of mail to {address} are NOT THROUGH pass 2, the oldest since {}: our smtpd \
             in Postfix, its milter or the DKIM signer does not answer, or a key is missing.\n  \
             Postfix tells nobody, and drops them after its maximal_queue_lifetime.\n  \
             -> recruit-milter doctor\n  -> when it is mended: postqueue -f",
            oldest.strftime("%Y-%m-%d %H:%M UTC")
        ),
        What::GivenUp { token, why, kept } => format!(
            "Nothing could be decided about a mail to {address} ({why}): it did not reach the \
             recruiting system.\n  {}\n  -> recruit-milter trace {token}\n  \
             -> when it is mended: recruit-milter resend",
            if *kept {
                format!("The mail is in the mailbox of {address}.")
            } else {
                "The mail went, unopened, to the fallback, the address itself or [alerts] to; the \
                 log has alarm=given-up."
                    .to_owned()
            }
        ),
        What::Stopped(spot) => format!("{}\n  -> {}", clean(&spot.english()), spot.remedy()),
        What::OpenAgain(spot) => spot.english_again(),
    }
}

fn german(alert: &Alert) -> String {
    let address = &alert.address;
    match &alert.what {
        What::CopyFailed { token, system, said, place } => format!(
            "Eine Mail an {address} hat {system} nicht erreicht.{}\n  {}\n  -> recruit-milter trace {token}\n  \
             -> wenn es behoben ist: recruit-milter resend",
            quoted(said),
            match place {
                Place::Mailbox => format!("Die Mail liegt im Postfach von {address}."),
                Place::Fallback(to) => format!("Die Mail ging an {to}, im Bericht enthalten."),
            }
        ),
        What::NotVerified { hop, said } => format!(
            "{address} ist NICHT VERIFIZIERT: Ein Test blieb bei \"{hop}\" hängen.{}\n  \
             Bewerbungen dorthin erreichen das Recruiting-System vielleicht nicht.\n  \
             -> recruit-milter verify {address}",
            quoted(said)
        ),
        What::Late => format!(
            "{address} ist überfällig: Seit einiger Zeit zeigt nichts, dass Mails durchkommen.\n  \
             -> recruit-milter verify {address}"
        ),
        What::VerifiedAgain => format!("{address} ist wieder verifiziert."),
        What::Waiting { count, oldest } => format!(
            "{count} Kopien von Mails an {address} warten, die älteste seit {}.\n  \
             -> recruit-milter list --address {address} --state deferred",
            oldest.strftime("%Y-%m-%d %H:%M UTC")
        ),
        What::NotThrough { count, oldest, .. } => format!(
            "{count} Kopien von Mails an {address} sind NICHT DURCH Durchgang 2, die älteste seit {}: \
             Unser smtpd in Postfix, sein Milter oder der DKIM-Signierer antwortet nicht, oder ein \
             Schlüssel fehlt.\n  Postfix sagt es niemandem und verwirft sie nach seiner \
             maximal_queue_lifetime.\n  \
             -> recruit-milter doctor\n  -> wenn es behoben ist: postqueue -f",
            oldest.strftime("%Y-%m-%d %H:%M UTC")
        ),
        What::GivenUp { token, why, kept } => format!(
            "Über eine Mail an {address} ließ sich nichts entscheiden ({why}): Sie hat das \
             Recruiting-System nicht erreicht.\n  {}\n  -> recruit-milter trace {token}\n  \
             -> wenn es behoben ist: recruit-milter resend",
            if *kept {
                format!("Die Mail liegt im Postfach von {address}.")
            } else {
                "Die Mail ging ungeöffnet an den fallback, an die Adresse selbst oder an [alerts] to; \
                 im Log steht alarm=given-up."
                    .to_owned()
            }
        ),
        What::Stopped(spot) => format!("{}\n  -> {}", clean(&spot.german()), spot.remedy()),
        What::OpenAgain(spot) => spot.german_again(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(language: &str) -> Config {
        let text = format!(
            "language = \"{language}\"\n[system.personio]\ninbound = \"in@ats.example\"\n\
             addresses = [\"jobs@acme.example\"]\n"
        );
        crate::config::parse(&[("recruit-milter.toml".into(), text)]).unwrap().config
    }

    fn failed(said: &str) -> Alert {
        Alert {
            address: "jobs@acme.example".into(),
            what: What::CopyFailed {
                token: "aaaa".into(),
                system: "personio".into(),
                said: said.into(),
                place: Place::Mailbox,
            },
            owner: None,
        }
    }

    fn body(language: &str, alerts: &[&Alert]) -> (String, String) {
        let to = Address::parse("it@acme.example").unwrap();
        let now = Timestamp::from_second(1_795_500_000).unwrap();
        let text = message(&config(language), &to, alerts, now).unwrap();
        let (header, body) = text.split_once("\r\n\r\n").unwrap();
        (header.to_owned(), body.replace("\r\n", "\n"))
    }

    #[test]
    fn it_says_what_happened_where_the_mail_is_and_what_to_do() {
        let (header, body) = body("en", &[&failed("550 5.7.1 no\u{1b}[31m\r\nBcc: x")]);
        assert!(header.contains("\r\nSubject: recruit-milter: attention / Achtung\r\n"));
        assert!(header.contains("\r\nAuto-Submitted: auto-generated\r\n"));
        assert_eq!(
            body,
            "A mail to jobs@acme.example did not reach personio.\n  \"550 5.7.1 no[31mBcc: x\"\n  \
             The mail is in the mailbox of jobs@acme.example.\n  -> recruit-milter trace aaaa\n  \
             -> when it is mended: recruit-milter resend\n\n"
        );
    }

    #[test]
    fn where_nobody_can_tell_the_language_it_says_it_in_both() {
        let both = body("auto", &[&failed("no")]).1;
        assert!(both.contains("did not reach") && both.contains("nicht erreicht"));
        assert!(!body("de", &[&failed("no")]).1.contains("did not reach"));
    }

    #[test]
    fn a_flood_is_counted() {
        let all = vec![failed("no"); 70];
        let all: Vec<&Alert> = all.iter().collect();
        let body = body("en", &all).1;
        assert_eq!(body.matches("did not reach").count(), MOST);
        assert!(body.ends_with("+ 20: recruit-milter list --state failed\n\n"));
    }
}
