//! The header reader: messages print back as they were read; texts, names and addresses are one
//! line without control characters, within bounds, and stay what they are when read again.
// SPDX-License-Identifier: GPL-3.0-or-later

use recruit_milter::mail::domain::domain_key;
use recruit_milter::mail::header::{OWN_PREFIX, is_own, relaxed};
use recruit_milter::mail::mailbox::{Mailbox, MailboxList, clean_name, is_invisible};
use recruit_milter::mail::mime::{Limits, Typed, base64, quoted_printable, unstructured, walk};
use recruit_milter::mail::{Address, Field, FieldBody, Message, OwnField, OwnName};
use recruit_milter::policy::identity::Claims;

pub fn check(bytes: &[u8]) {
    let message = Message::parse(bytes);
    prints_back(bytes, &message);
    for field in &message.header.fields {
        is_a_field(field);
        reads_as_text(&field.body);
        reads_as_addresses(&field.body);
        can_be_ours(field);
    }
    for name in ["Subject", "From", "Date"] {
        let first = message.header.first(name).map(|f| unstructured(&f.body));
        assert_eq!(message.header.text(name), first);
    }
    claims_nothing_else(&message);
    walks(&message);
}

/// A header that passes for jobs@acme.example names nobody else to a reader that makes the best of
/// what it gets; and why one does not pass is a line for the log.
fn claims_nothing_else(message: &Message) {
    let mut claims = Claims::default();
    for field in &message.header.fields {
        claims.push(&field.name, &field.body);
    }
    let own = |address: &Address| address.key() == "jobs@acme.example";
    match claims.check(&own) {
        Ok(identity) => {
            assert!(own(&identity.from));
            let from =
                message.header.all("From").flat_map(|f| MailboxList::parse(&f.body).mailboxes);
            for mailbox in from {
                let plain = mailbox.address().replace(['"', ' ', '\t'], "");
                assert_eq!(plain.to_lowercase(), "jobs@acme.example");
            }
        }
        Err(violation) => {
            let detail = violation.to_string();
            assert!(detail.chars().all(|c| c.is_ascii_graphic() || c == ' '), "{detail:?}");
        }
    }
}

fn prints_back(bytes: &[u8], message: &Message) {
    // Line ends are made LF, and an envelope line is dropped; the rest stays.
    if bytes.contains(&b'\r') || bytes.starts_with(b"From ") {
        return;
    }
    let printed = message.to_bytes();
    assert_eq!(Message::parse(&printed), *message);
    // White space before a colon is the only thing that may be missing, and a last line end the
    // only one that may be new.
    let squeezed = |text: &[u8]| {
        let mut text = text.to_vec();
        text.retain(|b| *b == b'\n' || !b.is_ascii_whitespace());
        text
    };
    let (before, after) = (squeezed(bytes), squeezed(&printed));
    assert!(after == before || after.strip_suffix(b"\n") == Some(&before));
}

fn is_a_field(field: &Field) {
    assert!(!field.name.is_empty());
    assert!(field.name.iter().all(|b| b.is_ascii_graphic() && *b != b':'));
    let mut lines = field.body.split(|b| *b == b'\n').skip(1);
    assert!(lines.all(|line| matches!(line.first(), Some(b' ' | b'\t'))));
}

fn reads_as_text(body: &[u8]) {
    let text = unstructured(body);
    assert!(text.chars().all(|c| !c.is_control() || c == '\t'), "{text:?}");
    assert_eq!(text.trim(), text);
    assert!(text.len() <= 16 * 1024, "{} bytes of text", text.len());
    let name = clean_name(&text);
    is_one_line(&name);
    assert!(name.len() <= 201);
    assert!(FieldBody::new(name).is_ok());

    let line = relaxed(body);
    assert!(line.len() <= body.len());
    assert_eq!(relaxed(&line), line);
    let typed = Typed::parse(body);
    assert_eq!(typed.word, typed.word.to_lowercase());
}

fn is_one_line(text: &str) {
    assert!(!text.chars().any(|c| c.is_control() || is_invisible(c)), "{text:?}");
}

fn reads_as_addresses(body: &[u8]) {
    let list = MailboxList::parse(body);
    assert!(list.mailboxes.len() <= 65, "{} mailboxes", list.mailboxes.len());
    list.mailboxes.iter().for_each(is_a_mailbox);
}

pub(super) fn is_a_mailbox(mailbox: &Mailbox) {
    let address = mailbox.address();
    is_one_line(&address);
    let again = Mailbox::parse(&address);
    let again = again.unwrap_or_else(|| panic!("{address:?} cannot be read again"));
    assert_eq!(again.address(), address);
    assert_eq!(again.key(), mailbox.key());
    assert_eq!(domain_key(&domain_key(mailbox.domain())), domain_key(mailbox.domain()));
    if let Some(name) = &mailbox.name {
        is_one_line(name);
        assert!(!name.is_empty() && name.len() <= 201);
    }
    assert!(FieldBody::new(mailbox.to_string()).is_ok(), "{mailbox:?}");
}

fn can_be_ours(field: &Field) {
    if let Some(name) = OwnName::received(&field.name) {
        assert!(is_own(name.as_bytes()));
        assert!(!name.to_string().contains(char::is_control));
    }
    let text = String::from_utf8_lossy(&field.body);
    if let Ok(body) = FieldBody::new(relaxed_text(&text)) {
        // A field of ours is one field, whatever was put into it.
        let name = OwnName::received(&[OWN_PREFIX.as_bytes(), &field.name].concat()).unwrap();
        let own = OwnField { name, body: body.clone() };
        assert_eq!(own.to_string(), format!("{}: {}", own.name, body.as_str()));
        let Field { name, body: folded } = own.to_field();
        let message = Message::parse(&[&name, &b":"[..], &folded, b"\n"].concat());
        assert!(message.body.is_empty() && message.header.fields.len() == 1);
        assert_eq!(relaxed(&message.header.fields[0].body), relaxed(body.as_str().as_bytes()));
    }
    if let Ok(address) = Address::parse(text.trim()) {
        assert_eq!(address.as_str(), text.trim());
        assert_eq!(format!("{}@{}", address.local_part(), address.domain()), address.as_str());
        assert!(!address.as_str().contains(|c: char| c.is_control() || c == '<' || c == '>'));
        assert_eq!(Address::parse(&address.to_string()), Ok(address));
    }
    if let Ok(body) = FieldBody::new(text) {
        let folded = body.folded(field.name.len());
        assert!(!folded.contains(['\r', '\0']));
        assert!(folded.split('\n').skip(1).all(|l| l.starts_with('\t') && !l.trim().is_empty()));
        assert_eq!(folded.replace("\n\t", " "), body.as_str());
    }
}

fn relaxed_text(text: &str) -> String {
    String::from_utf8_lossy(&relaxed(text.as_bytes())).into_owned()
}

fn walks(message: &Message) {
    let limits = Limits { depth: 5, parts: 50 };
    let parts = walk(&message.header, &message.body, limits);
    assert!(!parts.list.is_empty() && parts.list.len() <= limits.parts);
    for part in &parts.list {
        assert!(part.body.len() <= message.body.len());
        assert!(part.place.split('.').count() <= limits.depth + 1);
        assert!(part.content(1000).len() <= 1000);
        _ = part.text(1000);
        if let Some(name) = part.file_name() {
            assert!(name.chars().all(|c| !c.is_control() || c == '\t'), "{name:?}");
        }
    }
    assert!(quoted_printable(&message.body).len() <= message.body.len());
    assert!(base64(&message.body).len() <= message.body.len() / 4 * 3 + 3);
}
