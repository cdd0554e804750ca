//! What pass 2 keeps of a header: the few fields that decide, each within bounds.
//!
//! Fed field by field, so that a header of any size costs little memory and is never held whole.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::collections::HashMap;

use crate::mail::header::{Field, Header, OwnName, is_own, relaxed};

/// The octets of one field body that are kept. Longer bodies are cut, here only.
const MAX_BODY: usize = 8 * 1024;
/// The same for a field in our namespace: no field that we write is longer.
const MAX_OWN_BODY: usize = 1024;
/// How many fields of one name are kept.
const MAX_SAME: usize = 4;
/// How many forged fields are taken off one by one. Postfix walks the header for each of them, so
/// a message with thousands would be an attack on its time.
pub const MAX_FORGED: usize = 200;

/// How many octets of the header are kept for reading, names and bodies together.
const MAX_HEADER: usize = 256 * 1024;
/// How many fields are kept for reading.
const MAX_FIELDS: usize = 1000;
/// The octets of one body that are kept for reading.
const MAX_READ_BODY: usize = 64 * 1024;

/// The fields that decide, in the spelling in which they are kept.
const KEPT: [&str; 5] = ["from", "reply-to", "sender", "date", "message-id"];

/// Fields in our namespace, as they came.
#[derive(Clone, Debug, Default)]
pub struct Forged {
    names: Vec<OwnName>,
    /// How many there were, the kept ones and those beyond [`MAX_FORGED`].
    count: usize,
}

impl Forged {
    /// Takes the name of the next field; whether it is kept.
    pub fn push(&mut self, name: &[u8]) -> bool {
        if !is_own(name) {
            return false;
        }
        self.count += 1;
        let name = OwnName::received(name).filter(|_| self.names.len() < MAX_FORGED);
        let kept = name.is_some();
        self.names.extend(name);
        kept
    }

    /// Whether there are more than we take off.
    pub fn are_too_many(&self) -> bool {
        self.count > self.names.len()
    }

    /// Their names, each with its number among those of its name as the MTA counts: from 1, without
    /// case.
    pub fn numbered(&self) -> Vec<(OwnName, u32)> {
        let mut counts: HashMap<Vec<u8>, u32> = HashMap::new();
        let number = |name: &OwnName| {
            let count = counts.entry(name.key()).or_default();
            *count += 1;
            (name.clone(), *count)
        };
        self.names.iter().map(number).collect()
    }
}

/// The decisive part of a header.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    kept: HashMap<&'static str, Vec<Vec<u8>>>,
    forged: Forged,
    /// The bodies of those fields in our namespace that are kept.
    own: Vec<Vec<u8>>,
    /// The header as it is read for kind and applicant, and how many octets it has.
    header: Header,
    size: usize,
}

impl From<&Header> for Facts {
    fn from(header: &Header) -> Self {
        let mut facts = Self::default();
        for field in &header.fields {
            facts.push(&field.name, &field.body);
        }
        facts
    }
}

impl Facts {
    /// Takes the next field of the header, from top to bottom.
    pub fn push(&mut self, name: &[u8], body: &[u8]) {
        let ours = self.count(name);
        self.read(ours, name, body);
    }

    /// Takes note of the name of the next field: what decides which forged fields are taken off.
    /// Whether it is one of them. [`Self::read`] comes next.
    pub fn count(&mut self, name: &[u8]) -> bool {
        let ours = self.forged.push(name);
        if ours {
            // Should its body not be read, those of the others still stand at their places.
            self.own.push(Vec::new());
        }
        ours
    }

    /// Takes its body.
    pub fn read(&mut self, ours: bool, name: &[u8], body: &[u8]) {
        let cut = |most| relaxed(&body[..body.len().min(most)]);
        self.keep(name, body);
        if ours {
            if let Some(own) = self.own.last_mut() {
                *own = cut(MAX_OWN_BODY);
            }
        } else if let Some(&key) = KEPT.iter().find(|key| name.eq_ignore_ascii_case(key.as_bytes()))
        {
            let same = self.kept.entry(key).or_default();
            if same.len() < MAX_SAME {
                same.push(cut(MAX_BODY));
            }
        }
    }

    /// Keeps a field for reading. What decides most is kept however much junk stands above it.
    fn keep(&mut self, name: &[u8], body: &[u8]) {
        let body = &body[..body.len().min(MAX_READ_BODY)];
        let size = name.len() + body.len();
        let full = self.header.fields.len() >= MAX_FIELDS || self.size + size > MAX_HEADER;
        // How many of them were kept is counted in `kept`, which is fed after this.
        let decides = || {
            let key = KEPT.iter().find(|key| name.eq_ignore_ascii_case(key.as_bytes()));
            key.is_some_and(|key| self.bodies(key).len() < MAX_SAME)
        };
        if !full || decides() {
            self.size += size;
            self.header.fields.push(Field { name: name.to_vec(), body: body.to_vec() });
        }
    }

    /// The header as it is read for kind and applicant: the first fields, within bounds.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The bodies of the fields with a name (in lower case), on one line each; the first few.
    pub fn bodies(&self, name: &str) -> &[Vec<u8>] {
        self.kept.get(name).map_or(&[], Vec::as_slice)
    }

    /// The only field of ours with a name; none if there are several.
    pub fn only_own(&self, suffix: &'static str) -> Option<&[u8]> {
        let mut found = self.own(suffix);
        let first = found.next()?;
        found.next().is_none().then_some(first)
    }

    /// Whether there are fields in our namespace.
    pub fn has_own(&self) -> bool {
        self.forged.count > 0
    }

    /// Whether there are more fields in our namespace than we take off.
    pub fn has_too_many_forged(&self) -> bool {
        self.forged.are_too_many()
    }

    /// The fields in our namespace with the number of each among those of its name, as the MTA
    /// counts: from 1, without case.
    pub fn forged(&self) -> Vec<(OwnName, u32)> {
        self.forged.numbered()
    }

    /// The bodies of all fields of ours with a name, from top to bottom.
    pub fn own(&self, suffix: &'static str) -> impl Iterator<Item = &[u8]> {
        let key = OwnName::ours(suffix).key();
        let all = self.forged.names.iter().zip(&self.own);
        all.filter(move |(name, _)| name.key() == key).map(|(_, body)| body.as_slice())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forged_fields_are_counted_as_postfix_counts_them() {
        let mut facts = Facts::default();
        for name in [
            "X-Recruiting-Kind",
            "Subject",
            "x-recruiting-KIND",
            "X-Recruiting-Seal",
            "X-RECRUITING-kind",
        ] {
            facts.push(name.as_bytes(), b" x");
        }
        let numbers: Vec<String> =
            facts.forged().iter().map(|(name, n)| format!("{n} {name}")).collect();
        assert_eq!(
            numbers,
            [
                "1 X-Recruiting-Kind",
                "2 x-recruiting-KIND",
                "1 X-Recruiting-Seal",
                "3 X-RECRUITING-kind"
            ]
        );
        assert_eq!(facts.only_own("Seal"), Some(&b"x"[..]));
        assert_eq!(facts.only_own("Kind"), None);
    }

    #[test]
    fn an_author_below_much_junk_is_read() {
        let mut facts = Facts::default();
        for _ in 0..2 * MAX_FIELDS {
            facts.push(b"X-Junk", b" x");
        }
        facts.push(b"From", b" a@x.example");
        facts.push(b"Subject", b" lost");
        assert_eq!(facts.header().first("From").unwrap().body, b" a@x.example");
        assert_eq!(facts.header().first("Subject"), None);
    }

    #[test]
    fn a_huge_header_costs_little() {
        let mut facts = Facts::default();
        let body = vec![b'x'; 20_000];
        for _ in 0..100_000 {
            facts.push(b"From", &body);
            facts.push(b"X-Recruiting-Seal", &body);
        }
        assert!(facts.has_too_many_forged());
        assert_eq!(facts.forged().len(), MAX_FORGED);
        assert_eq!(facts.bodies("from").len(), MAX_SAME);
        assert!(facts.bodies("from").iter().all(|b| b.len() <= MAX_BODY));
        assert!(facts.size <= MAX_HEADER);
    }
}
