//! Values about outgoing mail: logins and routes.
// SPDX-License-Identifier: GPL-3.0-or-later

use toml::de::DeValue;

use super::{Complaint, Complaints, Input, Items, PATTERNS, Why, bare, number, why};
use crate::mail::mailbox::MailboxList;
use crate::mail::{FieldBody, PlainName};
use crate::policy::outbound::rules::SenderPattern;

/// A limit.
pub(in crate::config) fn count(v: &Input<'_>) -> Result<u32, Complaints> {
    number(v, 1, 10_000_000)
}

/// The name of a section, or of a service of Postfix's.
pub(in crate::config) fn word(v: &Input<'_>) -> Result<String, Complaints> {
    v.text("a word", one_word)
}

pub(in crate::config) fn words(v: &Input<'_>) -> Result<Items<String>, Complaints> {
    v.list("a list of words", one_word)
}

fn one_word(text: &str) -> Result<String, Why> {
    if is_word(text) {
        Ok(text.to_owned())
    } else {
        Err("it is not a word of letters, digits, - and _, with at most 64 of them".into())
    }
}

/// Whether a text can be the name of a system, a login or a route.
pub(in crate::config) fn is_word(text: &str) -> bool {
    let letter = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    !text.is_empty() && text.len() <= 64 && text.bytes().all(letter)
}

/// A SASL user name.
pub(in crate::config) fn user(v: &Input<'_>) -> Result<String, Complaints> {
    v.text("a user name", |text| {
        if is_user(text) { Ok(text.to_owned()) } else { Err("it is not a user name".into()) }
    })
}

/// Whether a text can be a SASL user name that is told to us by Postfix.
pub(in crate::config) fn is_user(text: &str) -> bool {
    let odd = |c: char| c.is_whitespace() || c.is_control() || c == ':';
    !text.is_empty() && text.len() <= 255 && !text.contains(odd)
}

pub(in crate::config) fn sender_patterns(
    v: &Input<'_>,
) -> Result<Items<SenderPattern>, Complaints> {
    v.list("a list of addresses", |text| {
        SenderPattern::parse(text).map_err(|reason| match bare(text, reason) {
            Why(reason, None) if text.contains('*') => why(&reason, PATTERNS),
            other => other,
        })
    })
}

/// One or more mailboxes, as they stand in a field.
pub(in crate::config) fn reply_to(v: &Input<'_>) -> Result<FieldBody, Complaints> {
    v.text("an address", |text| {
        let body = FieldBody::new(text).map_err(|error| Why::from(error.to_string()))?;
        let list = MailboxList::parse(text.as_bytes());
        if !text.is_ascii() || list.mailboxes.is_empty() || list.broken {
            return Err("it is not an address as it stands in a Reply-To field".into());
        }
        Ok(body)
    })
}

/// A table of fields.
pub(in crate::config) fn header_fields(
    v: &Input<'_>,
) -> Result<Items<(PlainName, FieldBody)>, Complaints> {
    let DeValue::Table(table) = v.value else {
        return Err(v.not("a table of fields"));
    };
    let mut good = Vec::new();
    let mut complaints = Vec::new();
    for (key, value) in table {
        let word: &str = key.get_ref();
        let name = match PlainName::configured(word) {
            Ok(name) => name,
            Err(reason) => {
                complaints.push(Complaint {
                    range: key.span(),
                    value: Some(word.to_owned()),
                    message: format!("{:?} cannot set the field {word:?}: {reason}", v.info.name),
                    remedy: Some(format!("write it like {}", v.info.example())),
                });
                continue;
            }
        };
        let item = Input { info: v.info, value: value.get_ref(), range: value.span() };
        match item.text("a table of texts", |text| {
            if !text.is_ascii() {
                return Err("a field body is ASCII".into());
            }
            FieldBody::new(text).map_err(|error| Why::from(error.to_string()))
        }) {
            Ok(body) => good.push((key.span(), (name, body))),
            Err(list) => complaints.extend(list),
        }
    }
    if complaints.is_empty() { Ok(good) } else { Err(complaints) }
}
