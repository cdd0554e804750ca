//! Our own test mail: recognised by its envelope sender, a bounce address with a signed token.
//!
//! ```text
//! recruit-bounces+8KEY TIME NONCE ADDRESS MAC@domain
//! ```
//!
//! It comes in from outside as an applicant's mail would, and has no field of ours: whatever a
//! stranger writes into a header, only who has the key can make such a sender. It is for one
//! recruiting address, lives a day, and is accepted once. What comes back to it is a report on the
//! probe.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::collections::HashMap;

use super::keys::Keys;
use super::rules::Rules;
use super::token::{TokenError, TokenId, base32, decode, rule_tag};
use crate::mail::address::split_extension;
use crate::mail::domain::same_domain;
use crate::mail::{Address, RawPath};
use crate::plan::{Plan, Reply, ReplyText};

/// What begins the extension of a probe's sender. No letter of base32 is an `8`.
pub const PROBE_MARK: char = '8';
/// The octets of the MAC: 80 bits.
const MAC: usize = 10;
const LEN: usize = 1 + 10 + 4 + MAC;
/// How long a probe is good for.
pub const PROBE_LIFE: u64 = 24 * 3600;
/// How far the clock of another of our hosts may be ahead.
const SKEW: u64 = 300;
/// How many probes are remembered; more than a schedule for hundreds of addresses makes.
const REMEMBERED: usize = 4096;

/// A probe of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Which one it is.
    pub id: TokenId,
    /// A short name of the recruiting address that it is for.
    address: [u8; 4],
}

impl Probe {
    /// A probe for a recruiting address.
    pub fn new(id: TokenId, address: &Address) -> Self {
        Self { id, address: rule_tag(&address.key()) }
    }

    /// Whether it is for this address.
    pub fn is_for(&self, address: &Address) -> bool {
        self.address == rule_tag(&address.key())
    }

    /// Its envelope sender, with the current key. None without a key or a bounce address.
    pub fn sender(&self, rules: &Rules, keys: &Keys) -> Option<Address> {
        let base = rules.bounce.as_ref()?;
        let delimiter = rules.delimiters.chars().next()?;
        let extension = self.extension(keys)?;
        let text = format!("{}{delimiter}{extension}@{}", base.local_part(), base.domain());
        Address::parse(&text).ok()
    }

    fn extension(&self, keys: &Keys) -> Option<String> {
        let mut octets = vec![keys.current()];
        octets.extend(self.id.octets());
        octets.extend(self.address);
        let mac = keys.mac(keys.current(), "probe", &[&octets])?;
        octets.extend(&mac[..MAC]);
        Some(format!("{PROBE_MARK}{}", base32().encode(&octets)))
    }

    /// Whether an extension of the bounce address claims to be a probe's.
    pub fn is_meant(extension: &str) -> bool {
        extension.starts_with(PROBE_MARK)
    }

    /// Reads the extension of a bounce address. `now` in seconds since 1970; `life` is how old it may
    /// be, in seconds.
    pub fn parse(extension: &str, keys: &Keys, now: u64, life: u64) -> Result<Self, TokenError> {
        let extension = extension.to_ascii_lowercase();
        let letters = extension.strip_prefix(PROBE_MARK).ok_or(TokenError::NotOurs)?;
        let octets = decode(letters, LEN)?;
        let (signed, tag) = octets.split_at(LEN - MAC);
        if !keys.knows(signed[0]) {
            return Err(TokenError::UnknownKey(signed[0]));
        }
        if !keys.verify(signed[0], "probe", &[signed], tag) {
            return Err(TokenError::NotOurs);
        }
        let id = TokenId::from_octets(&signed[1..11]).ok_or(TokenError::NotOurs)?;
        let made = u64::from(id.time);
        if now > made + life || made > now + SKEW {
            return Err(TokenError::Expired);
        }
        let address = signed[11..].try_into().map_err(|_| TokenError::NotOurs)?;
        Ok(Self { id, address })
    }

    /// The probe whose envelope sender this is.
    pub fn of_sender(rules: &Rules, keys: &Keys, sender: &RawPath, now: u64) -> Option<Self> {
        Self::claimed(rules, keys, sender, now)?.ok()
    }

    /// What an envelope sender says about being a probe's: none where it does not have the form of
    /// one, which makes it ordinary mail; an error where it has and we cannot tell that we made it.
    ///
    /// Such a one is no application. Nobody has that address but our agents, so it is a probe that
    /// was signed with a key that is not known here (not yet: after a rotation; or not any more), one
    /// that waited for more than a day, or made up. See [`unproven`].
    pub fn claimed(
        rules: &Rules,
        keys: &Keys,
        sender: &RawPath,
        now: u64,
    ) -> Option<Result<Self, TokenError>> {
        let sender = sender.address()?;
        let base = rules.bounce.as_ref()?;
        let (local, extension) = split_extension(sender.local_part(), &rules.delimiters)?;
        let ours = local.eq_ignore_ascii_case(base.local_part())
            && same_domain(sender.domain(), base.domain());
        if !ours || !Self::has_form(extension) {
            return None;
        }
        Some(Self::parse(extension, keys, now, PROBE_LIFE))
    }

    /// Whether an extension is as long as a probe's and of its letters, whoever made it.
    fn has_form(extension: &str) -> bool {
        let extension = extension.to_ascii_lowercase();
        let letters = extension.strip_prefix(PROBE_MARK);
        letters.is_some_and(|letters| decode(letters, LEN).is_ok())
    }
}

/// What becomes of mail whose sender has the form of a probe's and is not known to be one: it is
/// refused.
///
/// As ordinary mail a probe of ours would lie in a mailbox and be an application in the recruiting
/// system. Taken and dropped, a stranger's mail would be gone without a word. Put off, it would lie in
/// a queue for days where the client is a content filter or sendmail(1), for a key that never comes.
/// So it is a refusal, of which those hear who sent it: our agent, which knows what to do then, or
/// somebody who forged an address of ours.
pub fn unproven() -> Plan {
    Plan::only(Reply::Reject(ReplyText::UnknownProbe))
}

/// The probes that were accepted: each is, once.
///
/// Lives in memory alone: after a restart one that was accepted could be accepted once more within its
/// day. What it proves then is true as well, since it came the whole way.
#[derive(Clone, Debug, Default)]
pub struct Accepted(HashMap<TokenId, TokenId>);

impl Accepted {
    /// Whether a probe comes for the first time, as the copy `copy`; a second attempt at the same copy
    /// is the same time. `now` in seconds since 1970.
    pub fn is_first(&mut self, probe: TokenId, copy: TokenId, now: u64) -> bool {
        if let Some(first) = self.0.get(&probe) {
            return *first == copy;
        }
        if self.0.len() >= REMEMBERED {
            self.0.retain(|probe, _| u64::from(probe.time) + PROBE_LIFE + SKEW > now);
        }
        if self.0.len() >= REMEMBERED {
            return false;
        }
        self.0.insert(probe, copy);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::testing::{keys, rules};
    use proptest::prelude::*;

    const NOW: u64 = 1_795_500_000;

    fn id(nonce: u8) -> TokenId {
        TokenId { time: u32::try_from(NOW).unwrap(), nonce: [nonce; 6] }
    }

    fn jobs() -> Address {
        Address::parse("jobs@acme.example").unwrap()
    }

    fn read(sender: &str, now: u64) -> Option<Probe> {
        Probe::of_sender(&rules(), &keys(), &RawPath::new(format!("<{sender}>")), now)
    }

    #[test]
    fn a_probe_is_read_back_and_is_for_its_address_alone() {
        let probe = Probe::new(id(1), &jobs());
        let sender = probe.sender(&rules(), &keys()).unwrap();
        assert!(sender.local_part().len() <= 64, "RFC 5321 4.5.3.1.1");
        assert_eq!(read(sender.as_str(), NOW), Some(probe));
        assert_eq!(read(&sender.as_str().to_uppercase(), NOW), Some(probe));
        assert!(probe.is_for(&Address::parse("JOBS@acme.example").unwrap()));
        assert!(!probe.is_for(&Address::parse("karriere@acme.example").unwrap()));
    }

    #[test]
    fn it_lives_a_day_whatever_the_clock_does() {
        let sender = Probe::new(id(1), &jobs()).sender(&rules(), &keys()).unwrap();
        for (now, lives) in [
            (NOW - SKEW, true),
            (NOW - SKEW - 1, false),
            (NOW + PROBE_LIFE, true),
            (NOW + PROBE_LIFE + 1, false),
            (0, false),
            (u64::from(u32::MAX), false),
        ] {
            assert_eq!(read(sender.as_str(), now).is_some(), lives, "{now}");
        }
    }

    #[test]
    fn what_has_the_form_of_a_probe_and_is_none_of_ours_is_told_from_ordinary_mail() {
        let claim = |sender: &str, now: u64| {
            Probe::claimed(&rules(), &keys(), &RawPath::new(format!("<{sender}>")), now)
        };
        let sender = Probe::new(id(1), &jobs()).sender(&rules(), &keys()).unwrap();
        let sender = sender.as_str();
        assert!(matches!(claim(sender, NOW), Some(Ok(_))));
        // It has waited somewhere.
        assert_eq!(claim(sender, NOW + PROBE_LIFE + 1), Some(Err(TokenError::Expired)));
        // The key was rotated, and this process does not know of it yet; or it was made anew with its
        // number.
        let newer = Keys::new(vec![(200, vec![9; 32])]).unwrap();
        let same_number = Keys::new(vec![(keys().current(), vec![9; 32])]).unwrap();
        for (other, error) in
            [(newer, TokenError::UnknownKey(200)), (same_number, TokenError::NotOurs)]
        {
            let sender = Probe::new(id(1), &jobs()).sender(&rules(), &other).unwrap();
            assert_eq!(claim(sender.as_str(), NOW), Some(Err(error)));
            let shouted = sender.as_str().to_uppercase();
            assert_eq!(claim(&shouted, NOW), Some(Err(error)));
        }
        // Of another form, or another's.
        let (local, domain) = sender.rsplit_once('@').unwrap();
        for other in [
            format!("{local}a@{domain}"),
            format!("{}@{domain}", &local[..local.len() - 1]),
            format!("{local}@other.example"),
            format!("x{sender}"),
            format!("recruit-bounces+8weeks@{domain}"),
            format!("recruit-bounces@{domain}"),
            String::new(),
        ] {
            assert_eq!(claim(&other, NOW), None, "{other}");
        }
    }

    #[test]
    fn whatever_we_did_not_sign_is_no_probe() {
        let sender = Probe::new(id(1), &jobs()).sender(&rules(), &keys()).unwrap();
        let text = sender.as_str();
        let (local, domain) = text.rsplit_once('@').unwrap();
        for at in 0..local.len() {
            let mut other = local.as_bytes().to_vec();
            other[at] = if other[at] == b'a' { b'b' } else { b'a' };
            let other = format!("{}@{domain}", String::from_utf8(other).unwrap());
            assert_eq!(read(&other, NOW), None, "{other}");
        }
        for len in 0..local.len() {
            assert_eq!(read(&format!("{}@{domain}", &local[..len]), NOW), None);
        }
        assert_eq!(read(&format!("{local}a@{domain}"), NOW), None);
        assert_eq!(read(&format!("{local}@other.example"), NOW), None);
        let stranger = Keys::new(vec![(keys().current(), vec![9; 32])]).unwrap();
        let forged = Probe::new(id(1), &jobs()).sender(&rules(), &stranger).unwrap();
        assert_eq!(read(forged.as_str(), NOW), None);
    }

    #[test]
    fn each_is_accepted_once() {
        let mut accepted = Accepted::default();
        assert!(accepted.is_first(id(1), id(7), NOW));
        assert!(accepted.is_first(id(1), id(7), NOW), "a second attempt at the same copy");
        assert!(!accepted.is_first(id(1), id(8), NOW), "a replay");
        assert!(accepted.is_first(id(2), id(8), NOW));
    }

    #[test]
    fn the_memory_is_bounded_and_forgets_what_is_over() {
        let mut accepted = Accepted::default();
        let nth = |n: usize| {
            let [.., high, low] = n.to_be_bytes();
            TokenId { nonce: [0, 0, 0, 0, high, low], ..id(0) }
        };
        for n in 0..REMEMBERED {
            assert!(accepted.is_first(nth(n), id(7), NOW));
        }
        assert!(!accepted.is_first(nth(REMEMBERED), id(7), NOW));
        let later = TokenId { time: id(0).time + 90_000, ..id(1) };
        assert!(accepted.is_first(later, id(7), NOW + 90_000));
        assert_eq!(accepted.0.len(), 1);
    }

    proptest! {
        #[test]
        fn any_sender_is_looked_at(local in "\\PC{0,70}") {
            let _ = read(&format!("{local}@acme.example"), NOW);
        }
    }
}
