//! What is kept of an outgoing message's header: who it claims to be from, which fields it has, and
//! which of them are to be taken off.
//!
//! Fed field by field, within bounds, so that a header of any size costs little memory.
// SPDX-License-Identifier: GPL-3.0-or-later

use crate::mail::OwnName;
use crate::policy::facts::Forged;
use crate::policy::identity::Claims;

/// How many octets of field names are kept.
const MAX_NAMES: usize = 8 * 1024;

/// The header of an outgoing message.
#[derive(Debug, Default)]
pub struct OutgoingHeader {
    /// Who the message claims to be from.
    pub claims: Claims,
    /// The names of its fields in lower case, each followed by a colon.
    names: Vec<u8>,
    /// Whether some names were left out.
    cut: bool,
    forged: Forged,
    bcc: u32,
}

impl OutgoingHeader {
    /// Takes the next field, from top to bottom.
    pub fn push(&mut self, name: &[u8], body: &[u8]) {
        self.claims.push(name, body);
        self.forged.push(name);
        self.bcc += u32::from(name.eq_ignore_ascii_case(b"bcc"));
        if self.names.len() + name.len() < MAX_NAMES {
            self.names.extend(name.iter().map(u8::to_ascii_lowercase));
            self.names.push(b':');
        } else {
            self.cut = true;
        }
    }

    /// Whether there is a field with a name. Where the header is too long to tell, there is.
    pub fn has(&self, name: &str) -> bool {
        let mut names = self.names.split(|b| *b == b':');
        self.cut || names.any(|known| known.eq_ignore_ascii_case(name.as_bytes()))
    }

    /// How many Bcc fields there are.
    pub fn bcc(&self) -> u32 {
        self.bcc
    }

    /// The fields in our namespace, each with its number among those of its name.
    pub fn forged(&self) -> Vec<(OwnName, u32)> {
        self.forged.numbered()
    }
}
