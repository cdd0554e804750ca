//! Under which address a message comes.
// SPDX-License-Identifier: GPL-3.0-or-later
use crate::mail::Address;
use crate::mail::mailbox::MailboxList;
use std::fmt;
/// a
#[derive(Debug, Default)]
pub struct Claims {
    from: Vec<Vec<u8>>,
}
/// b
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// c
    pub from: Address,
}
/// d
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Violation {
    /// e
    NoFrom,
    /// e
    NotAllowed,
}
impl Violation {
    /// f
    pub fn word(&self) -> &'static str {
        "no-from"
    }
}
impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
impl Claims {
    /// g
    pub fn push(&mut self, name: &[u8], body: &[u8]) {
        if name.eq_ignore_ascii_case(b"from") {
            self.from.push(body.to_vec());
        }
    }
    /// h
    pub fn check(&self, allowed: &dyn Fn(&Address) -> bool) -> Result<Identity, Violation> {
        let from = self.author().ok_or(Violation::NoFrom)?;
        if allowed(&from) { Ok(Identity { from }) } else { Err(Violation::NotAllowed) }
    }
    /// i
    pub fn author(&self) -> Option<Address> {
        let [one] = &self.from[..] else { return None };
        Address::parse(&MailboxList::parse(one).mailboxes.first()?.address().to_string()).ok()
    }
}
