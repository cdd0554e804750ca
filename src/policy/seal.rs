//! The seal: a signature of ours over our fields and the message's identity, for ourselves.
//!
//! A message that carries one that holds has been forwarded before and is not forwarded again. A
//! recruiting system cannot check it (it has no key); it trusts our fields by the company's DKIM
//! signature over them.
//!
//! ```text
//! X-Recruiting-Seal: v=1; k=3; t=1795551688; h=from:date:message-id; s=BASE64
//! ```
//!
//! `h` lists the originator fields that were there and are covered, so that a Message-ID which a
//! later hop adds to a message without one does not break the seal.
// SPDX-License-Identifier: GPL-3.0-or-later

use data_encoding::BASE64;

use super::facts::Facts;
use super::keys::Keys;
use crate::mail::{FieldBody, OwnField, OwnName};

/// The names of our fields, without the prefix, in the order in which they stand.
pub const SYSTEM: &str = "System";
/// The address that the message was sent to.
pub const ADDRESS: &str = "Address";
/// The envelope sender that the message came with.
pub const ENVELOPE_SENDER: &str = "Envelope-Sender";
/// What kind of mail it is.
pub const KIND: &str = "Kind";
/// Who the applicant is.
pub const APPLICANT: &str = "Applicant";
/// The colleague who passed the message on.
pub const FORWARDER: &str = "Forwarder";
/// What somebody should look at: `applicant`, `kind`; `unread` where nothing could be told.
pub const REVIEW: &str = "Review";
/// What keeps the company's DKIM signer from a message that is no copy. No seal covers it.
pub const UNSIGNED: &str = "Unsigned";
/// The seal.
pub const SEAL: &str = "Seal";

/// The fields of ours that a seal covers.
const TAGS: [&str; 7] = [SYSTEM, ADDRESS, ENVELOPE_SENDER, KIND, APPLICANT, FORWARDER, REVIEW];
/// The fields of the message that a seal covers where they are.
const IDENTITY: [&str; 3] = ["from", "date", "message-id"];

/// How many seals of a message are looked at. We leave one; more come only from somebody who plays.
const MAX_SEALS: usize = 32;

/// A seal as it was read or is to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seal {
    key: u8,
    time: u64,
    covered: Vec<String>,
    mac: Vec<u8>,
}

/// The seal over `tags` (our fields, as they will stand) and the message that `facts` are of, as a
/// field. `time` in seconds since 1970.
pub fn seal(keys: &Keys, time: u64, tags: &[OwnField], facts: &Facts) -> Option<OwnField> {
    let present = |name: &&str| !facts.bodies(name).is_empty();
    let covered: Vec<String> =
        IDENTITY.iter().filter(|n| present(n)).map(|n| (*n).to_owned()).collect();
    let mut seal = Seal { key: keys.current(), time, covered, mac: Vec::new() };
    let body_of = |suffix: &'static str| {
        let name = OwnName::ours(suffix);
        tags.iter().find(|tag| tag.name == name).map(|tag| tag.body.as_str().as_bytes())
    };
    seal.mac = seal.compute(keys, &body_of, facts)?.to_vec();
    let text = format!(
        "v=1; k={}; t={}; h={}; s={}",
        seal.key,
        seal.time,
        seal.covered.join(":"),
        BASE64.encode(&seal.mac)
    );
    Some(OwnField { name: OwnName::ours(SEAL), body: FieldBody::new(text).ok()? })
}

/// Whether a message carries a seal of ours that holds.
pub fn is_sealed(keys: &Keys, facts: &Facts) -> bool {
    let mut seals = facts.own(SEAL).take(MAX_SEALS).filter_map(Seal::parse);
    seals.any(|seal| seal.holds(keys, facts))
}

impl Seal {
    /// Reads the body of a seal field. Whatever we would not write ourselves is nothing.
    pub fn parse(body: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(body).ok()?;
        let mut parts = text.split("; ");
        let mut value = |tag: &str| parts.next()?.strip_prefix(tag)?.strip_prefix('=');
        if value("v")? != "1" {
            return None;
        }
        let key = value("k")?.parse().ok()?;
        let time = value("t")?.parse().ok()?;
        let names = value("h")?;
        let covered: Vec<String> =
            names.split(':').filter(|n| !n.is_empty()).map(str::to_owned).collect();
        let mac = BASE64.decode(value("s")?.as_bytes()).ok()?;
        let sound = covered.iter().all(|n| IDENTITY.contains(&n.as_str())) && mac.len() == 32;
        (sound && parts.next().is_none()).then_some(Self { key, time, covered, mac })
    }

    /// Whether the seal is ours and belongs to the message that `facts` are of.
    pub fn holds(&self, keys: &Keys, facts: &Facts) -> bool {
        use subtle::ConstantTimeEq as _;
        self.compute(keys, &|suffix| facts.only_own(suffix), facts)
            .is_some_and(|mac| bool::from(mac[..].ct_eq(&self.mac[..])))
    }

    fn compute<'a>(
        &self,
        keys: &Keys,
        tag: &dyn Fn(&'static str) -> Option<&'a [u8]>,
        facts: &Facts,
    ) -> Option<[u8; 32]> {
        let time = self.time.to_be_bytes();
        let covered = self.covered.join(":");
        let mut parts: Vec<&[u8]> = vec![&time, covered.as_bytes()];
        for suffix in TAGS {
            // An absent field is not the same as an empty one.
            parts.push(if tag(suffix).is_some() { b"+" } else { b"-" });
            parts.push(tag(suffix).unwrap_or_default());
        }
        for name in &self.covered {
            let bodies = facts.bodies(name);
            parts.extend(bodies.iter().map(Vec::as_slice));
        }
        keys.mac(self.key, "seal", &parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::header::relaxed;

    fn keys() -> Keys {
        Keys::new(vec![(3, vec![3; 32])]).unwrap()
    }

    fn tag(suffix: &'static str, body: &str) -> OwnField {
        OwnField { name: OwnName::ours(suffix), body: FieldBody::new(body).unwrap() }
    }

    fn facts(fields: &[(&str, &str)]) -> Facts {
        let mut facts = Facts::default();
        for (name, body) in fields {
            facts.push(name.as_bytes(), body.as_bytes());
        }
        facts
    }

    const MESSAGE: [(&str, &str); 3] = [
        ("From", " Erika <erika@example.org>"),
        ("Date", " Tue, 24 Nov 2026 09:00:00 +0100"),
        ("Message-ID", " <1@x>"),
    ];

    fn sealed(message: &[(&str, &str)]) -> Vec<(String, String)> {
        let tags = [tag(SYSTEM, "personio"), tag(ADDRESS, "jobs@acme.example"), tag(KIND, "mail")];
        let seal = seal(&keys(), 1_795_551_688, &tags, &facts(message)).unwrap();
        let mut out: Vec<(String, String)> = tags
            .iter()
            .chain([&seal])
            .map(|t| (t.name.to_string(), String::from_utf8(t.to_field().body).unwrap()))
            .collect();
        out.extend(message.iter().map(|(n, b)| ((*n).to_owned(), (*b).to_owned())));
        out
    }

    fn is_sealed(fields: &[(String, String)]) -> bool {
        let fields: Vec<(&str, &str)> =
            fields.iter().map(|(n, b)| (n.as_str(), b.as_str())).collect();
        super::is_sealed(&keys(), &facts(&fields))
    }

    #[test]
    fn what_we_sealed_is_recognised_though_it_was_refolded() {
        let mut fields = sealed(&MESSAGE);
        assert!(is_sealed(&fields));
        for (_, body) in &mut fields {
            *body = body.replace("; ", ";\n\t ").replace(" <", "\n  <");
        }
        assert!(is_sealed(&fields));
    }

    #[test]
    fn a_message_without_identity_is_recognised_though_a_hop_gave_it_one() {
        let mut fields = sealed(&[]);
        fields.push(("Message-ID".into(), " <added@hop>".into()));
        assert!(is_sealed(&fields));
    }

    #[test]
    fn nothing_else_is_recognised() {
        let good = sealed(&MESSAGE);
        for i in 0..good.len() {
            let mut changed = good.clone();
            changed[i].1.push('x');
            assert!(!is_sealed(&changed), "{} changed", good[i].0);
            let mut dropped = good.clone();
            dropped.remove(i);
            assert!(!is_sealed(&dropped), "{} taken away", good[i].0);
        }
        let mut doubled = good.clone();
        doubled.push(("X-Recruiting-Kind".into(), " mail".into()));
        assert!(!is_sealed(&doubled));
        let stranger = Keys::new(vec![(3, vec![4; 32])]).unwrap();
        let fields: Vec<(&str, &str)> =
            good.iter().map(|(n, b)| (n.as_str(), b.as_str())).collect();
        assert!(!super::is_sealed(&stranger, &facts(&fields)));
    }

    #[test]
    fn seals_that_we_would_not_write_are_nothing() {
        let body = sealed(&MESSAGE).into_iter().find(|(n, _)| n == "X-Recruiting-Seal").unwrap().1;
        let good = String::from_utf8(relaxed(body.as_bytes())).unwrap();
        assert!(Seal::parse(good.as_bytes()).is_some());
        for bad in [
            String::new(),
            good.replace("v=1", "v=2"),
            good.replace("k=3", "k=300"),
            good.replace("h=from", "h=subject"),
            format!("{good}; x=1"),
            good.replace("; ", ";"),
            good.replace("s=", "s=AAAA"),
        ] {
            assert_eq!(Seal::parse(bad.as_bytes()), None, "{bad}");
        }
    }
}
