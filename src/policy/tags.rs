//! What our fields say about a copy: how it came, what kind of mail it is, and who the applicant is.
//!
//! ```text
//! X-Recruiting-Kind: forward-inline
//! X-Recruiting-Applicant: =?utf-8?B?w4lsb8Ovc2U=?= Marchand <e.marchand@example.org>;
//!     source=inline-forward; confidence=certain
//! X-Recruiting-Forwarder: <sabine@acme.example>
//! ```
//!
//! Must not know how any of it was found out.
// SPDX-License-Identifier: GPL-3.0-or-later

use data_encoding::BASE64;

use super::applicant::{Applicant, Reading};
use super::kind::Action;
use super::seal::{ADDRESS, APPLICANT, ENVELOPE_SENDER, FORWARDER, KIND, REVIEW, SYSTEM};
use crate::mail::mailbox::Mailbox;
use crate::mail::text::tail;
use crate::mail::{Address, FieldBody, OwnField, OwnName, RawPath};

/// How many applicants a field names. More than a few side by side are none.
const MAX_APPLICANTS: usize = 10;
/// RFC 2047 2: an encoded word has at most 75 characters. So many octets fit in, in base64, beside
/// `=?utf-8?B?` and `?=`.
const ENCODED: usize = 45;

/// What is told about a copy.
#[derive(Clone, Copy, Debug)]
pub(super) struct About<'a> {
    /// The system's name.
    pub system: &'a str,
    /// The recruiting address.
    pub address: &'a Address,
    /// The envelope sender that the message came with.
    pub sender: &'a RawPath,
    /// What was read.
    pub reading: &'a Reading,
    /// What happens with its kind.
    pub action: Action,
    /// Whether it could not be read.
    pub unread: bool,
}

/// The fields that tell it, without the seal, in the order in which they stand.
pub(super) fn tags(about: &About<'_>) -> Option<Vec<OwnField>> {
    let reading = about.reading;
    let mut tags = vec![
        field(SYSTEM, about.system.to_owned())?,
        field(ADDRESS, about.address.in_ascii().to_string())?,
        field(ENVELOPE_SENDER, format!("<{}>", about.sender.printable()))?,
        field(KIND, reading.kind.word().to_owned())?,
    ];
    if !reading.applicants.is_empty() {
        let all = reading.applicants.iter().take(MAX_APPLICANTS);
        tags.push(field(APPLICANT, all.map(applicant).collect::<Vec<_>>().join(", "))?);
    }
    if let Some(forwarder) = reading.forwarder.as_ref().filter(|_| reading.trusted_forwarder) {
        tags.push(field(FORWARDER, format!("<{}>", forwarder.address()))?);
    }
    let tagged = (about.action == Action::ForwardTagged).then_some("kind");
    let unsure = reading.needs_review.then_some("applicant");
    let why: Vec<&str> =
        unsure.into_iter().chain(tagged).chain(about.unread.then_some("unread")).collect();
    if !why.is_empty() {
        tags.push(field(REVIEW, why.join(", "))?);
    }
    Some(tags)
}

fn field(suffix: &'static str, body: String) -> Option<OwnField> {
    let body = FieldBody::new(body).or_else(|_| FieldBody::new("unprintable")).ok()?;
    Some(OwnField { name: OwnName::ours(suffix), body })
}

/// An applicant as a mailbox (RFC 5322 3.4) with parameters.
fn applicant(applicant: &Applicant) -> String {
    format!(
        "{}; source={}; confidence={}",
        mailbox(&applicant.mailbox),
        applicant.source.word(),
        applicant.confidence.word()
    )
}

fn mailbox(mailbox: &Mailbox) -> String {
    match &mailbox.name {
        Some(name) => format!("{} <{}>", phrase(name), mailbox.address()),
        None => format!("<{}>", mailbox.address()),
    }
}

/// A display name: as it is where atoms allow it, quoted where ASCII allows it, else in encoded
/// words. Own code: the encoders of mail crates fold by themselves, with CRLF.
fn phrase(name: &str) -> String {
    let atom = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~ ".contains(c);
    // What looks like an encoded word must not become one.
    if !name.is_ascii() || name.contains("=?") {
        return encoded_words(name);
    }
    if name.chars().all(atom) {
        return name.to_owned();
    }
    format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""))
}

/// RFC 2047 in base64, cut between characters. White space between two words does not count, so
/// the spaces of the name are inside.
fn encoded_words(text: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let most = ENCODED.min(rest.len());
        let end = (1..=most).rev().find(|at| rest.is_char_boundary(*at)).unwrap_or(most);
        words.push(format!("=?utf-8?B?{}?=", BASE64.encode(&rest.as_bytes()[..end])));
        rest = tail(rest, end);
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::mailbox::MailboxList;
    use crate::policy::applicant::{Confidence, Source};
    use proptest::prelude::*;

    fn named(name: &str) -> Applicant {
        let mailbox = Mailbox::parse("lena@post-nord.example").unwrap().named(name);
        Applicant { mailbox, source: Source::Inline, confidence: Confidence::Certain }
    }

    #[test]
    fn names_are_written_as_plainly_as_they_can() {
        for (name, written) in [
            ("Lena Hoffmann", "Lena Hoffmann <lena@post-nord.example>"),
            ("Hoffmann, Lena", "\"Hoffmann, Lena\" <lena@post-nord.example>"),
            ("Léna", "=?utf-8?B?TMOpbmE=?= <lena@post-nord.example>"),
            ("=?x?", "=?utf-8?B?PT94Pw==?= <lena@post-nord.example>"),
            ("", "<lena@post-nord.example>"),
        ] {
            let expected = format!("{written}; source=inline-forward; confidence=certain");
            assert_eq!(applicant(&named(name)), expected);
        }
    }

    proptest! {
        #[test]
        fn a_name_is_read_back_as_it_was(name in "\\PC{0,80}") {
            let one = named(&name);
            let text = mailbox(&one.mailbox);
            let body = FieldBody::new(text).unwrap();
            prop_assert!(body.folded(20).split("\n\t").all(|line| line.len() <= 78));
            let read = MailboxList::parse(body.as_str().as_bytes());
            prop_assert_eq!(read.mailboxes, [one.mailbox]);
        }
    }
}
