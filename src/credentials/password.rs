//! Makes a password, and the hash that is all that is kept of it.
//!
//! The hash is `{SSHA512}`: every Dovecot since 2.0 checks it by itself, whatever libc and libsodium
//! can do, and a check costs nothing that can be measured (`{SHA512-CRYPT}` 2 ms, `{ARGON2ID}` 70 ms
//! and 64 MB, at each login of a system that may log in for every mail). A slow hash makes guessing
//! dear where people choose passwords. Nobody guesses one of 2^134.
//!
//! Must not know where it goes.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fmt;
use std::hint::black_box;

use data_encoding::BASE64;
use sha2::{Digest as _, Sha512};

/// Letters and digits that nobody takes for one another in whatever typeface: no `0Oo`, `1lIi`,
/// `2Z`, `5S`, `8B`. Every settings page and every SASL mechanism takes them.
const ALPHABET: &[u8; 49] = b"abcdefghjkmnpqrstuvwxyzACDEFGHJKLMNPQRTUVWXY34679";

/// 24 of 49 characters: 134 bits.
const LENGTH: usize = 24;

/// As many as there are bits in half the hash; Dovecot takes salts of any length.
const SALT: usize = 16;

/// The system gave no random octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRandom;

impl fmt::Display for NoRandom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a password needs random octets, and the system gave none")
    }
}

impl std::error::Error for NoRandom {}

/// A password. Overwritten when dropped, and never shown by accident.
pub struct Password([u8; LENGTH]);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(...)")
    }
}

impl Drop for Password {
    fn drop(&mut self) {
        self.0.fill(0);
        // Else the compiler may leave it out: nobody reads it again.
        black_box(&self.0);
    }
}

impl Password {
    /// How many characters it has.
    pub const LENGTH: usize = LENGTH;

    /// How many bits of randomness are in it, rounded down.
    pub const BITS: u32 = 134;

    /// Makes one.
    pub fn make() -> Result<Self, NoRandom> {
        Self::drawn(|octets| getrandom::fill(octets).map_err(|_| NoRandom))
    }

    /// Draws each character with the same likelihood: octets beyond the last whole round of the
    /// alphabet are drawn again.
    fn drawn(mut random: impl FnMut(&mut [u8]) -> Result<(), NoRandom>) -> Result<Self, NoRandom> {
        const ROUNDS: usize = 256 / ALPHABET.len() * ALPHABET.len();
        let mut password = Self([0; LENGTH]);
        for place in &mut password.0 {
            *place = loop {
                let mut octet = [0];
                random(&mut octet)?;
                let drawn = usize::from(octet[0]);
                if drawn < ROUNDS {
                    break ALPHABET[drawn % ALPHABET.len()];
                }
            };
        }
        Ok(password)
    }

    /// The password itself. What is made of it is the caller's to wipe.
    pub fn reveal(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// What is written into a passwd-file: scheme and salted hash.
    pub fn hashed(&self) -> Result<String, NoRandom> {
        let mut salt = [0; SALT];
        getrandom::fill(&mut salt).map_err(|_| NoRandom)?;
        let mut octets = Sha512::new().chain_update(self.0).chain_update(salt).finalize().to_vec();
        octets.extend_from_slice(&salt);
        Ok(format!("{{SSHA512}}{}", BASE64.encode(&octets)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_plain_letters_and_digits_and_differ() {
        let made: Vec<Password> = (0..200).map(|_| Password::make().unwrap()).collect();
        let mut seen = std::collections::BTreeSet::new();
        let mut letters = std::collections::BTreeSet::new();
        for password in &made {
            let text = password.reveal();
            assert_eq!(text.len(), Password::LENGTH);
            assert!(
                text.bytes().all(|b| b.is_ascii_alphanumeric() && !b"0Oo1lIi2Z5S8B".contains(&b))
            );
            letters.extend(text.bytes());
            assert!(seen.insert(text));
        }
        assert_eq!(letters.len(), ALPHABET.len(), "all are used");
    }

    #[test]
    fn the_bits_that_are_told_are_in_it() {
        const { assert!(Password::BITS >= 128) };
        // All 24 characters are more than can be counted; half of them have half the bits.
        let half = (ALPHABET.len() as u128).pow(u32::try_from(LENGTH / 2).unwrap());
        assert_eq!(half.ilog2(), Password::BITS / 2);
    }

    #[test]
    fn every_character_is_as_likely_as_any_other() {
        let mut counts = [0; 256];
        let mut next = 0_u8;
        // Each octet comes once in 256; of those that are taken, each letter gets five.
        for _ in 0..49 * 5 {
            let password = Password::drawn(|octets| {
                octets[0] = next;
                next = next.wrapping_add(1);
                Ok(())
            });
            password.unwrap().0.iter().for_each(|b| counts[usize::from(*b)] += 1);
        }
        let used: Vec<i32> = ALPHABET.iter().map(|b| counts[usize::from(*b)]).collect();
        assert_eq!(used, [24 * 5; 49]);
    }

    #[test]
    fn without_random_octets_there_is_no_password() {
        assert_eq!(Password::drawn(|_| Err(NoRandom)).err(), Some(NoRandom));
    }

    #[test]
    fn the_hash_is_salted_and_neither_it_nor_debug_shows_the_password() {
        let password = Password::make().unwrap();
        let [one, two] = [(); 2].map(|()| password.hashed().unwrap());
        assert_ne!(one, two);
        let octets = BASE64.decode(one.strip_prefix("{SSHA512}").unwrap().as_bytes()).unwrap();
        let (hash, salt) = octets.split_at(64);
        assert_eq!(salt.len(), SALT);
        let again = Sha512::new().chain_update(password.reveal()).chain_update(salt).finalize();
        assert_eq!(hash, again.as_slice());
        assert!(!format!("{password:?}").contains(password.reveal()));
    }
}
