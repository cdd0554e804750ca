//! How addresses of people outside are shown.
//!
//! Must not know where they are shown.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fmt;

use super::settings::Masking;
use crate::mail::RawPath;
use crate::mail::domain::address_key;
use crate::policy::keys::Keys;

const PURPOSE: &str = "log address";
/// 50 bits: enough to tell correspondents apart, in a length that people can compare.
const HASH_CHARS: usize = 10;

/// Shows addresses as the configuration allows. It belongs to a configuration: after a change of
/// the key the same address has another hash.
#[derive(Clone, Debug)]
pub struct Masker {
    masking: Masking,
    keys: Keys,
}

/// An address as it may be shown. Only a [`Masker`] makes one, so none reaches a log unmasked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Shown(String);

impl Shown {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Masker {
    /// A masker with the keys of a configuration; they are used for [`Masking::Hash`] only.
    pub fn new(masking: Masking, keys: &Keys) -> Self {
        Self { masking, keys: keys.clone() }
    }

    /// Shows an address. The null sender stays what it is.
    pub fn show(&self, path: &RawPath) -> Shown {
        let text = path.printable();
        if text.is_empty() {
            return Shown(text);
        }
        Shown(match self.masking {
            Masking::Full => text,
            Masking::Masked => mask(&text),
            Masking::Hash => self.hash(&text),
        })
    }

    fn hash(&self, text: &str) -> String {
        let key = address_key(text);
        let mac = self.keys.mac(self.keys.current(), PURPOSE, &[key.as_bytes()]);
        // Without a key a hash could be guessed from a list of addresses.
        let Some(mac) = mac else {
            return "h:?".into();
        };
        let mut hash = data_encoding::BASE32_NOPAD.encode(&mac).to_lowercase();
        hash.truncate(HASH_CHARS);
        format!("h:{hash}")
    }
}

/// `eva@example.org` as `e***@example.org`.
fn mask(text: &str) -> String {
    let (local, domain) = text.rsplit_once('@').unwrap_or((text, ""));
    let first = local.chars().next().map(String::from).unwrap_or_default();
    // What comes after an @ inside quotes is not a domain.
    if domain.is_empty() || domain.contains('"') {
        return format!("{first}***");
    }
    format!("{first}***@{domain}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masker(masking: Masking) -> Masker {
        Masker::new(masking, &Keys::new(vec![(1, vec![1; 32])]).unwrap())
    }

    fn show(masking: Masking, path: &str) -> String {
        masker(masking).show(&RawPath::new(path)).to_string()
    }

    #[test]
    fn addresses_are_shown_as_configured() {
        let eva = "<Eva@example.org>";
        assert_eq!(show(Masking::Full, eva), "Eva@example.org");
        assert_eq!(show(Masking::Masked, eva), "E***@example.org");
        assert_eq!(show(Masking::Hash, eva), "h:53tsg62niz");
        for (path, masked) in [
            ("<>", ""),
            ("", ""),
            ("<ä@x.example>", "ä***@x.example"),
            ("<eva>", "e***"),
            ("<@x.example>", "***@x.example"),
            ("<\"a@b\"@x.example>", "\"***@x.example"),
            ("<\"a@secret\">", "\"***"),
        ] {
            assert_eq!(show(Masking::Masked, path), masked, "{path}");
        }
    }

    #[test]
    fn a_hash_is_the_same_for_the_same_address_and_key_only() {
        let hash = |path: &str| show(Masking::Hash, path);
        assert_eq!(hash("<eva@example.org>"), hash("EVA@Example.Org"));
        assert_ne!(hash("<eva@example.org>"), hash("<eve@example.org>"));
        let other = Keys::new(vec![(1, vec![2; 32])]).unwrap();
        let other = Masker::new(Masking::Hash, &other);
        let eva = RawPath::new("<eva@example.org>");
        assert_ne!(other.show(&eva).as_str(), hash("<eva@example.org>"));
        assert_eq!(hash("<>"), "");
        let keyless = Masker::new(Masking::Hash, &Keys::default());
        assert_eq!(keyless.show(&eva).as_str(), "h:?");
    }
}
