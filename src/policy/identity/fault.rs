//! What is wrong with a name, told for a log line.
//!
//! Must not know how it is found.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fmt;

/// How many characters of a foreign text go into a log line.
const MAX_SHOWN: usize = 100;

/// What is wrong with a display name or comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NameFault {
    /// It shows an address that is not allowed.
    Address(String),
    /// It holds a control character, or one that turns the direction of writing.
    Control(char),
    /// An encoded word is broken.
    Encoding,
    /// A charset that is not known.
    Charset(String),
    /// An encoded word inside an encoded word.
    Nested,
}

impl fmt::Display for NameFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(text) => write!(f, "shows the address {}", shown(text)),
            Self::Control(c) => write!(f, "holds the control character {}", c.escape_unicode()),
            Self::Encoding => f.write_str("has an encoded word that is broken"),
            Self::Charset(label) => write!(f, "is in the unknown charset {}", shown(label)),
            Self::Nested => f.write_str("has an encoded word inside an encoded word"),
        }
    }
}

/// A foreign text for a log line: printable ASCII, not too much of it.
pub(super) fn shown(text: &str) -> String {
    let mut out = String::new();
    for (i, c) in text.chars().enumerate() {
        if i == MAX_SHOWN {
            out.push_str("...");
            break;
        }
        if c.is_ascii_graphic() || c == ' ' {
            out.push(c);
        } else {
            out.extend(c.escape_unicode());
        }
    }
    out
}
