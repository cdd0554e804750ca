//! What a single line of a header block looks like: whether it goes on, begins something, or is none
//! of it.
//!
//! Must not know blocks.
// SPDX-License-Identifier: GPL-3.0-or-later

use super::labels::{Role, after_behalf, is_contact};
use super::lines::{MAX_LINE, cut};
use super::value::has_address;
use crate::mail::text::{head, tail};

/// How many further lines a value may have, seeing the next one.
pub(super) fn room(role: Role, value: &str, next: &str, wrapped: bool) -> usize {
    let open = is_open(value);
    match role {
        Role::From if open || next.starts_with(['<', '＜']) || next.starts_with("[mailto:") => 4,
        // A short line was not wrapped, and a line with a label of its own is no rest of another.
        Role::From if !wrapped || value.len() < 40 => 0,
        Role::From if has_address(value) => {
            usize::from(after_behalf(value).is_some() && next.contains('<'))
        }
        Role::From => 3,
        Role::To | Role::Other => 60,
        Role::Subject if wrapped => 3,
        Role::Date if wrapped => 1,
        Role::ReplyTo => 2,
        _ => 0,
    }
}

/// Whether a line on its own can be the value of an author line: a name, an address, or both with
/// the address in brackets; not a sentence with an address in it.
pub(super) fn is_mailbox(text: &str) -> bool {
    !has_address(text) || text.ends_with(['>', ']', ')', '＞', ';']) || !text.contains(' ')
}

/// What a label that is in no table may be.
pub(super) fn unknown_role(text: &str) -> Role {
    let label = text.split([':', '：']).next().unwrap_or_default();
    if is_contact(label.trim_matches([' ', '*'])) { Role::Other } else { Role::Unknown }
}

/// The value of a line that looks like `Label: value`, whatever the label.
pub(super) fn unknown_label(text: &str) -> Option<&str> {
    // No label is longer than 80 octets, so no more need be searched.
    let at = cut(text, 84).find([':', '：'])?;
    let (label, value) = (head(text, at), tail(text, at));
    let word = |c: char| c.is_alphabetic() || !c.is_ascii() || " -.'*".contains(c);
    let plain = label.len() <= 80 && label.chars().count() <= 30 && label.chars().all(word);
    let value = value.strip_prefix(':').or(value.strip_prefix('：'))?;
    let parted = value.is_empty() || value.starts_with([' ', '*']) || !value.is_ascii();
    let named = label.contains(char::is_alphabetic);
    (plain && parted && named).then(|| value.trim_matches([' ', '*']))
}

/// Whether a value is that of a trace field: `Received: from a by b; date`.
pub(super) fn is_trace(value: &str) -> bool {
    value.starts_with("from ") || value.starts_with("by ")
}

/// Whether a bracket is open at the end.
pub(super) fn is_open(value: &str) -> bool {
    let after = |open, close| match (value.rfind(open), value.rfind(close)) {
        (Some(open), Some(close)) => open > close,
        (open, _) => open.is_some(),
    };
    after('<', '>') || after('[', ']')
}

/// Puts a wrapped line behind a value. Inside a bracket there are no spaces.
pub(super) fn join(value: &mut String, next: &str) {
    if value.len() > MAX_LINE {
        return;
    }
    let inside = is_open(value) && !value.ends_with(' ');
    if !(inside || value.is_empty()) {
        value.push(' ');
    }
    value.push_str(next);
}

/// A quick look before the words of a line are compared.
pub(super) fn may_be_above(text: &str) -> bool {
    let decorated = text.starts_with(['-', '_', '=', '*', '#', '~', '–', '—', '+', '·']);
    text.len() <= 400 && (decorated || text.ends_with([':', '：']) || text.len() <= 60)
}

/// `On Monday, 3 March, Lena <lena@post.example> wrote:`, `Lena <...> on 03/03/2025 10:15`, `Lena
/// <...>`: a line that names an author and nothing else.
pub(super) fn is_attribution(text: &str) -> bool {
    let time = text.as_bytes().windows(4).any(|w| {
        w[0].is_ascii_digit() && w[1] == b':' && w[2].is_ascii_digit() && w[3].is_ascii_digit()
    });
    (time || text.ends_with([':', '：', '>'])) && text.len() <= 300 && has_address(text)
}
