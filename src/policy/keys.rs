//! The secret keys, by number, and the one way they are used: HMAC-SHA256 with a purpose.
//!
//! Must not know where keys are stored.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fmt;

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// The shortest key that is taken, in octets.
pub const MIN_KEY: usize = 32;

/// What a key can be told by: its number, and whether it is the same key as another of that number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// Its number.
    pub id: u8,
    /// The beginning of a MAC that is made for nothing else.
    pub print: String,
}

/// The keys in use. The first signs; all of them verify.
#[derive(Clone, Default)]
pub struct Keys(Vec<(u8, Vec<u8>)>);

impl Keys {
    /// Keys with their numbers, the signing one first. None if there is no key, two have the same
    /// number or one is shorter than [`MIN_KEY`].
    pub fn new(keys: Vec<(u8, Vec<u8>)>) -> Option<Self> {
        let mut ids: Vec<u8> = keys.iter().map(|(id, _)| *id).collect();
        ids.sort_unstable();
        ids.dedup();
        let sound = !keys.is_empty()
            && ids.len() == keys.len()
            && keys.iter().all(|(_, k)| k.len() >= MIN_KEY);
        sound.then_some(Self(keys))
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The number of the key that signs.
    pub fn current(&self) -> u8 {
        self.0.first().map_or(0, |(id, _)| *id)
    }

    /// The numbers of all keys, the one that signs first.
    pub fn ids(&self) -> impl Iterator<Item = u8> + '_ {
        self.0.iter().map(|(id, _)| *id)
    }

    /// Whether there is a key with this number.
    pub fn knows(&self, id: u8) -> bool {
        self.0.iter().any(|(known, _)| *known == id)
    }

    /// What each key can be told by, in the same order. It says nothing of the key itself.
    pub fn fingerprints(&self) -> Vec<Fingerprint> {
        let of = |id| {
            let mac = self.mac(id, "fingerprint", &[]).unwrap_or_default();
            Fingerprint { id, print: HEXLOWER.encode(&mac[..8]) }
        };
        self.ids().map(of).collect()
    }

    /// The MAC of `parts` for a purpose, or nothing if the key is not known. Each part is preceded
    /// by its length, so that no two lists of parts look alike.
    pub fn mac(&self, id: u8, purpose: &str, parts: &[&[u8]]) -> Option<[u8; 32]> {
        let (_, key) = self.0.iter().find(|(known, _)| *known == id)?;
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key).ok()?;
        for part in std::iter::once(&purpose.as_bytes()).chain(parts) {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        Some(mac.finalize().into_bytes().into())
    }

    /// Whether `tag`, the first octets of a MAC, is right. Takes the same time whatever differs.
    pub fn verify(&self, id: u8, purpose: &str, parts: &[&[u8]], tag: &[u8]) -> bool {
        self.mac(id, purpose, parts).is_some_and(|mac| {
            tag.len() >= 4 && mac.get(..tag.len()).is_some_and(|mac| bool::from(mac.ct_eq(tag)))
        })
    }
}

impl fmt::Debug for Keys {
    /// Numbers only: keys are never shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(id, _)| id)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Keys {
        Keys::new(vec![(2, vec![2; 32]), (1, vec![1; 32])]).unwrap()
    }

    #[test]
    fn macs_differ_by_key_purpose_and_parts() {
        let k = keys();
        let a = k.mac(2, "x", &[b"ab", b"c"]).unwrap();
        assert!(k.verify(2, "x", &[b"ab", b"c"], &a[..16]));
        assert!(!k.verify(1, "x", &[b"ab", b"c"], &a[..16]));
        assert!(!k.verify(2, "y", &[b"ab", b"c"], &a[..16]));
        assert!(!k.verify(2, "x", &[b"a", b"bc"], &a[..16]));
        assert!(!k.verify(2, "x", &[b"ab", b"c"], &[]));
        assert!(!k.verify(9, "x", &[b"ab", b"c"], &a[..16]));
    }

    #[test]
    fn a_fingerprint_tells_keys_of_the_same_number_apart() {
        let prints = keys().fingerprints();
        assert_eq!(prints.iter().map(|print| print.id).collect::<Vec<_>>(), [2, 1]);
        assert_eq!(prints, keys().fingerprints());
        let anew = Keys::new(vec![(2, vec![9; 32]), (1, vec![1; 32])]).unwrap().fingerprints();
        assert_ne!(prints[0], anew[0]);
        assert_eq!(prints[1], anew[1]);
    }

    #[test]
    fn weak_or_ambiguous_keys_are_refused() {
        assert!(Keys::new(vec![]).is_none());
        assert!(Keys::new(vec![(1, vec![0; 31])]).is_none());
        assert!(Keys::new(vec![(1, vec![0; 32]), (1, vec![1; 32])]).is_none());
    }

    #[test]
    fn debug_shows_no_key() {
        assert_eq!(format!("{:?}", keys()), "[2, 1]");
    }
}
