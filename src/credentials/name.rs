//! The user names that can be given: those that Dovecot takes as it comes, whatever else is set.
//!
//! Must not know files.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fmt;

/// More than any settings page or log line wants.
const MAX_LENGTH: usize = 64;

/// A user name, in small letters.
///
/// Dovecot: `auth_username_format` turns names into small letters before they are looked up, unless
/// it was changed (2.3.19 and 2.4), so an entry with a capital is never found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(String);

/// Why a name cannot be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameError {
    /// There is nothing in it.
    Empty,
    /// It is longer than 64 octets.
    TooLong(usize),
    /// It has a character that Dovecot refuses by default (`auth_username_chars`), or that would
    /// break the line.
    Character(char),
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("it is empty"),
            Self::TooLong(length) => write!(f, "it has {length} octets, of {MAX_LENGTH} at most"),
            Self::Character(character) => write!(f, "it has a {character:?} in it"),
        }
    }
}

impl std::error::Error for NameError {}

impl Name {
    /// Takes a name that everything on the way takes; capitals become small letters.
    pub fn new(text: &str) -> Result<Self, NameError> {
        let taken = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '@');
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if let Some(character) = text.chars().find(|c| !taken(*c)) {
            return Err(NameError::Character(character));
        }
        if text.len() > MAX_LENGTH {
            return Err(NameError::TooLong(text.len()));
        }
        Ok(Self(text.to_ascii_lowercase()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_are_taken_in_small_letters() {
        for (given, taken) in [
            ("personio", "personio"),
            ("Jobs@ACME.example", "jobs@acme.example"),
            ("a.b-c_1", "a.b-c_1"),
        ] {
            assert_eq!(Name::new(given).unwrap().as_str(), taken);
        }
        assert!(Name::new(&"x".repeat(64)).is_ok());
    }

    #[test]
    fn what_breaks_a_line_or_is_refused_by_dovecot_is_named() {
        for (given, error) in [
            ("", NameError::Empty),
            ("a:b", NameError::Character(':')),
            ("a b", NameError::Character(' ')),
            ("a\tb", NameError::Character('\t')),
            ("a\nb", NameError::Character('\n')),
            ("a\0b", NameError::Character('\0')),
            ("a\u{7f}", NameError::Character('\u{7f}')),
            ("#a", NameError::Character('#')),
            ("a+b", NameError::Character('+')),
            ("jörg", NameError::Character('ö')),
            ("%u", NameError::Character('%')),
        ] {
            assert_eq!(Name::new(given), Err(error), "{given:?}");
        }
        assert_eq!(Name::new(&"x".repeat(65)), Err(NameError::TooLong(65)));
    }
}
