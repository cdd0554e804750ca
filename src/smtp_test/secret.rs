//! The password of a test: wiped when it is no longer needed, and masked where a server repeats it.
//!
//! Must not know where it came from.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fmt;
use std::hint::black_box;

use data_encoding::BASE64;

/// A password. Overwritten when dropped, and never shown by accident.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

/// What stands in place of a password.
const MASK: &str = "[...]";
/// Shorter words stand in every other line by chance.
const LEAST: usize = 4;

impl Secret {
    /// Takes a password.
    pub fn new(octets: Vec<u8>) -> Self {
        Self(octets)
    }

    /// The octets themselves; what is made of them is the caller's to wipe.
    pub(super) fn reveal(&self) -> &[u8] {
        &self.0
    }

    /// The argument of AUTH PLAIN (RFC 4616).
    pub(super) fn plain(&self, user: &str) -> Self {
        let mut words = Self([b"\0", user.as_bytes(), b"\0", &self.0].concat());
        let encoded = words.encoded();
        words.wipe();
        encoded
    }

    /// In base64.
    pub(super) fn encoded(&self) -> Self {
        Self(BASE64.encode(&self.0).into_bytes())
    }

    /// A text without the password, plain or as it was sent for a user.
    pub(super) fn masked(&self, text: &str, user: &str) -> String {
        let mut text = text.to_owned();
        for secret in [self.plain(user), self.encoded(), self.clone()] {
            let word = std::str::from_utf8(&secret.0).unwrap_or_default();
            if word.len() >= LEAST {
                text = text.replace(word, MASK);
            }
        }
        text
    }

    fn wipe(&mut self) {
        self.0.fill(0);
        // Else the compiler may leave it out: nobody reads it again.
        black_box(&self.0);
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.wipe();
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(...)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_repeats_the_password_is_not_quoted_with_it() {
        let secret = Secret::new(b"correct horse".to_vec());
        let plain = BASE64.encode(b"\0jobs\0correct horse");
        let login = BASE64.encode(b"correct horse");
        let said = format!("501 bad {plain}, {login} or correct horse");
        assert_eq!(secret.masked(&said, "jobs"), "501 bad [...], [...] or [...]");
        assert_eq!(format!("{secret:?}"), "Secret(...)");
        assert_eq!(Secret::new(Vec::new()).masked("250 ok", "jobs"), "250 ok");
    }
}
