//! Whose mail it is, as keyed hashes: what the journal has of people outside, so that somebody's mail
//! can be found and forgotten and nobody's address is kept.
//!
//! 128 bits each, under the site's key: without it an address cannot be tried out.
// SPDX-License-Identifier: GPL-3.0-or-later

use super::applicant::Reading;
use super::facts::Facts;
use super::keys::Keys;
use super::rules::Rules;
use super::token::base32;
use crate::mail::RawPath;
use crate::mail::domain::{address_key, domain_spellings};
use crate::mail::header::relaxed;

/// The octets of a hash.
const HASH: usize = 16;
/// No more people are kept of a mail.
const MAX: usize = 8;

/// The people outside that a mail is of: its envelope sender and its applicants.
pub fn of_mail(
    rules: &Rules,
    keys: &Keys,
    sender: &RawPath,
    reading: Option<&Reading>,
) -> Vec<String> {
    let applicants = reading.map_or(&[][..], |reading| &reading.applicants);
    let applicants = applicants.iter().map(|applicant| applicant.mailbox.address().clone());
    let mut all: Vec<String> = Vec::new();
    for address in std::iter::once(sender.printable()).chain(applicants) {
        let key = address_key(&address);
        let ours = |inbound: &str| inbound == key;
        let is_ours = key.is_empty()
            || rules.is_internal(&key)
            || rules.systems.iter().any(|system| ours(&system.inbound.key()));
        if let Some(hash) =
            (!is_ours).then(|| hash(keys, keys.current(), "subject", &key)).flatten()
            && !all.contains(&hash)
            && all.len() < MAX
        {
            all.push(hash);
        }
    }
    all
}

/// A mail's Message-ID. None if it has none, or several.
pub fn message_of(keys: &Keys, facts: &Facts) -> Option<String> {
    let [body] = facts.bodies("message-id") else { return None };
    let id = String::from_utf8_lossy(&relaxed(body)).into_owned();
    hash(keys, keys.current(), "message", bare(&id))
}

/// The hashes that an address can have, under any key that is still there.
pub fn hashes_of_address(keys: &Keys, address: &str) -> Vec<String> {
    let key = address_key(address);
    let mut texts = vec![key.clone()];
    // Entries of earlier versions have the spelling that came.
    if let Some((local, domain)) = key.rsplit_once('@') {
        let others = domain_spellings(domain).into_iter().skip(1);
        texts.extend(others.map(|domain| format!("{local}@{domain}")));
    }
    let hashes = texts.iter().flat_map(|text| keys.ids().map(move |id| (id, text)));
    hashes.filter_map(|(id, text)| hash(keys, id, "subject", text)).collect()
}

/// The hashes that a Message-ID can have.
pub fn hashes_of_message(keys: &Keys, id: &str) -> Vec<String> {
    keys.ids().filter_map(|key| hash(keys, key, "message", bare(id))).collect()
}

fn bare(id: &str) -> &str {
    id.trim().trim_start_matches('<').trim_end_matches('>')
}

fn hash(keys: &Keys, id: u8, purpose: &str, text: &str) -> Option<String> {
    Some(base32().encode(&keys.mac(id, purpose, &[text.as_bytes()])?[..HASH]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::testing::rules;

    fn keys() -> Keys {
        Keys::new(vec![(2, vec![2; 32]), (1, vec![1; 32])]).unwrap()
    }

    fn of(sender: &str) -> Vec<String> {
        of_mail(&rules(), &keys(), &RawPath::new(sender), None)
    }

    #[test]
    fn people_outside_have_a_hash_and_others_none() {
        let erika = of("<Erika@Example.org>");
        assert_eq!(erika.len(), 1);
        assert_eq!(hashes_of_address(&keys(), "erika@example.ORG")[0], erika[0]);
        assert_eq!(hashes_of_address(&keys(), "erika@example.org").len(), 2, "under both keys");
        for ours in ["<>", "<bob@acme.example>", "<acme-jobs@m-personio.example>"] {
            assert_eq!(of(ours), [""; 0], "{ours}");
        }
    }

    #[test]
    fn a_message_is_found_by_its_id_with_or_without_brackets() {
        let mut facts = Facts::default();
        facts.push(b"Message-ID", b" <1@x.example>\n");
        let hash = message_of(&keys(), &facts).unwrap();
        assert_eq!(hashes_of_message(&keys(), "1@x.example")[0], hash);
        assert_eq!(hashes_of_message(&keys(), " <1@x.example> ")[0], hash);
        facts.push(b"Message-ID", b" <2@x.example>");
        assert_eq!(message_of(&keys(), &facts), None);
    }
}
