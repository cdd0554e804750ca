//! Under which addresses a message claims to come, and whether its sender may use them.
//!
//! For mail that a login submits. The reading is strict: what the grammar of RFC 5322, 6532 and
//! 2047 does not settle is refused, because mail readers would disagree about whose mail it is.
//! What a reader shows in place of the address, the display name, must not show another address.
//! (Mail from outside is read by [`mailbox`](crate::mail::mailbox), which makes the best of what it
//! gets.) Must not know logins, nor where the allowed addresses come from.
// SPDX-License-Identifier: GPL-3.0-or-later

mod domain;
mod encoded;
mod fault;
mod name;
mod reader;
#[cfg(test)]
mod tests;

use std::fmt;

pub use self::fault::NameFault;
use self::fault::shown;
pub use self::reader::Fault;
use crate::mail::Address;

/// A longer field is not read.
const MAX_FIELD: usize = 16 * 1024;
/// How many fields are kept; a message that was resent so often is in a loop.
const MAX_FIELDS: usize = 64;
/// How many octets of all fields together are kept.
const MAX_TOTAL: usize = 64 * 1024;

/// The fields that say who a message is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClaimField {
    /// The authors.
    From,
    /// Who sent it for them.
    Sender,
    /// Who passed it on.
    ResentFrom,
    /// Who passed it on for them.
    ResentSender,
}

impl ClaimField {
    const ALL: [Self; 4] = [Self::From, Self::Sender, Self::ResentFrom, Self::ResentSender];

    /// The name as it is usually written.
    pub fn name(self) -> &'static str {
        match self {
            Self::From => "From",
            Self::Sender => "Sender",
            Self::ResentFrom => "Resent-From",
            Self::ResentSender => "Resent-Sender",
        }
    }

    fn find(name: &[u8]) -> Option<Self> {
        // RFC 5322 4.5: white space before the colon is obsolete, and read by everybody.
        let name = name.trim_ascii_end();
        Self::ALL.into_iter().find(|f| name.eq_ignore_ascii_case(f.name().as_bytes()))
    }

    /// RFC 5322 3.6.2 and 3.6.6: a sender is one mailbox, authors can be many.
    fn is_single(self) -> bool {
        matches!(self, Self::Sender | Self::ResentSender)
    }
}

impl fmt::Display for ClaimField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The fields of a header that say who it is from, fed field by field.
#[derive(Clone, Debug, Default)]
pub struct Claims {
    fields: Vec<(ClaimField, Vec<u8>)>,
    size: usize,
    /// The first field that was too much.
    overflow: Option<ClaimField>,
    /// Those too large to be kept among them.
    from_fields: usize,
}

/// Who a message is from, its claims being allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The first author. The local-part is as it was written (unquoted), the domain in lower case
    /// and ASCII (`xn--`).
    pub from: Address,
    /// All authors, in order.
    pub authors: Vec<Address>,
}

/// Why the claims of a message are not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Violation {
    /// There is no From field.
    NoFrom,
    /// A field that may stand once stands several times.
    SeveralFields {
        /// Which field.
        field: ClaimField,
    },
    /// A field cannot be read without doubt.
    Unreadable {
        /// Which field.
        field: ClaimField,
        /// What is wrong with it.
        fault: Fault,
    },
    /// An address that the sender may not use.
    NotAllowed {
        /// Where it stands.
        field: ClaimField,
        /// The address, its domain in lower case and ASCII.
        address: Address,
    },
    /// A display name or comment that shows another address, or hides what it shows.
    DisplayName {
        /// Where it stands.
        field: ClaimField,
        /// What is wrong with it.
        fault: NameFault,
    },
    /// Too much to read.
    TooLarge {
        /// The first field that was too much.
        field: ClaimField,
    },
}

impl Violation {
    /// The reason as one word, for logs.
    pub fn word(&self) -> &'static str {
        match self {
            Self::NoFrom => "no-from",
            Self::SeveralFields { .. } => "several-fields",
            Self::Unreadable { .. } => "unreadable",
            Self::NotAllowed { .. } => "not-allowed",
            Self::DisplayName { .. } => "display-name",
            Self::TooLarge { .. } => "too-large",
        }
    }

    /// The reason as a sentence for logs: one line of printable ASCII, of limited length.
    #[cfg(test)]
    pub fn detail(&self) -> String {
        self.to_string()
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoFrom => f.write_str("there is no From field"),
            Self::SeveralFields { field } => write!(f, "more than one {field} field"),
            Self::Unreadable { field, fault } => write!(f, "{field}: {fault}"),
            Self::NotAllowed { field, address } => {
                write!(f, "{field}: {} is not allowed", shown(address.as_str()))
            }
            Self::DisplayName { field, fault } => {
                write!(f, "the display name in {field} {fault}")
            }
            Self::TooLarge { field } => write!(f, "the {field} field is too large"),
        }
    }
}

impl std::error::Error for Violation {}

impl Claims {
    /// Takes a field, if it is one of those that matter. The body can be folded.
    pub fn push(&mut self, name: &[u8], body: &[u8]) {
        let Some(field) = ClaimField::find(name) else { return };
        self.from_fields += usize::from(field == ClaimField::From);
        let fits = body.len() <= MAX_FIELD
            && self.size + body.len() <= MAX_TOTAL
            && self.fields.len() < MAX_FIELDS;
        if fits {
            self.size += body.len();
            self.fields.push((field, body.to_vec()));
        } else {
            self.overflow.get_or_insert(field);
        }
    }

    /// Whether the sender may claim all that is claimed: every address in every field must be
    /// allowed, and so must every address that a display name shows.
    ///
    /// `allowed` is asked for addresses in lower case. A domain with characters beyond ASCII is
    /// allowed if it is in one of its spellings, see [`spellings`].
    pub fn check(&self, allowed: &dyn Fn(&Address) -> bool) -> Result<Identity, Violation> {
        if let Some(field) = self.overflow {
            return Err(Violation::TooLarge { field });
        }
        for field in [ClaimField::From, ClaimField::Sender] {
            if self.fields.iter().filter(|(f, _)| *f == field).count() > 1 {
                return Err(Violation::SeveralFields { field });
            }
        }
        let may = |address: &Address| spellings(address).iter().any(allowed);
        let mut authors = Vec::new();
        for (field, body) in &self.fields {
            let found = check_field(*field, body, &may)?;
            if *field == ClaimField::From {
                authors = found;
            }
        }
        let from = authors.first().cloned().ok_or(Violation::NoFrom)?;
        Ok(Identity { from, authors })
    }

    /// The first author, where the only From field can be read strictly. For mail that nobody has
    /// to answer for: display names are not looked at. The address has the form of
    /// [`Identity::from`].
    pub fn author(&self) -> Option<Address> {
        let (_, body) = self.fields.iter().find(|(f, _)| *f == ClaimField::From)?;
        let mailboxes = reader::mailboxes(body).ok()?;
        (self.from_fields == 1).then(|| mailboxes.into_iter().next().map(|m| m.address))?
    }
}

fn check_field(
    field: ClaimField,
    body: &[u8],
    may: &dyn Fn(&Address) -> bool,
) -> Result<Vec<Address>, Violation> {
    let mailboxes =
        reader::mailboxes(body).map_err(|fault| Violation::Unreadable { field, fault })?;
    if field.is_single() && mailboxes.len() > 1 {
        return Err(Violation::Unreadable { field, fault: Fault::TooMany });
    }
    if let Some(other) = mailboxes.iter().find(|m| !may(&m.address)) {
        return Err(Violation::NotAllowed { field, address: other.address.clone() });
    }
    for mailbox in &mailboxes {
        name::check(mailbox, may).map_err(|fault| Violation::DisplayName { field, fault })?;
    }
    Ok(mailboxes.into_iter().map(|m| m.address).collect())
}

/// The ways to write one and the same address, in lower case: with the domain as it is and, where
/// that differs, in ASCII (`xn--`) and in Unicode. What is said of one of them holds for all.
pub fn spellings(address: &Address) -> Vec<Address> {
    let local = address.local_part().to_lowercase();
    let domain = address.domain().to_lowercase();
    let mut found: Vec<Address> = Vec::new();
    for domain in [Some(domain.clone()), domain::to_ascii(&domain), domain::to_unicode(&domain)] {
        let spelling = domain.and_then(|d| Address::parse(&format!("{local}@{d}")).ok());
        found.extend(spelling.filter(|s| !found.contains(s)));
    }
    found
}
