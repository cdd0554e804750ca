//! Addresses of ours that carry a message's state through Postfix: handoff addresses and bounce
//! addresses.
//!
//! Pass 1 can change only the envelope, and pass 2 sees only the message: what the second must know
//! from the first travels in the local-part of a recipient, signed. Nothing is stored anywhere.
//!
//! ```text
//! t KEY FLAGS TIME NONCE RULE MAC @handoff domain a copy on its way to pass 2
//! u KEY FLAGS TIME NONCE RULE MAC @handoff domain a copy on its way to the agent, to be unwrapped
//! g KEY FLAGS TIME NONCE RULE MAC @return domain  a copy on its way back to local delivery
//! recruit-bounces+KEY FLAGS TIME NONCE RULE MAC   where reports on a forwarded copy go
//! recruit-bounces+1ROUTE KEY TIME NONCE RULE MAC  where what outgoing mail comes back to goes
//! recruit-bounces+8...                            the sender of a probe: see `probe`
//! ```
//!
//! No letter of base32 is a `1` or an `8`, so the bounce addresses cannot be taken for each other, and
//! Postfix can tell the route of an outgoing mail by the letters behind it.
//!
//! The recruiting address itself stands beside the token, in ORCPT, and is bound by the MAC.
//! Everything is base32 in lower case: a mail system may change the case of an address.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fmt;

use data_encoding::{Encoding, Specification};

use super::keys::Keys;
use crate::mail::Address;
use crate::mail::text::head;

/// What names one copy from pass 1 to its last report: when it was made, and a random number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TokenId {
    /// Seconds since 1970.
    pub time: u32,
    /// Random.
    pub nonce: [u8; 6],
}

impl TokenId {
    pub(super) fn octets(self) -> [u8; 10] {
        let mut out = [0; 10];
        out[..4].copy_from_slice(&self.time.to_be_bytes());
        out[4..].copy_from_slice(&self.nonce);
        out
    }

    pub(super) fn from_octets(octets: &[u8]) -> Option<Self> {
        let (time, nonce) = octets.split_first_chunk::<4>()?;
        Some(Self { time: u32::from_be_bytes(*time), nonce: nonce.try_into().ok()? })
    }
}

impl TokenId {
    /// Reads what [`Display`](fmt::Display) writes.
    pub fn parse(text: &str) -> Option<Self> {
        let octets = base32().decode(text.to_ascii_lowercase().as_bytes()).ok()?;
        Self::from_octets(&octets)
    }
}

impl fmt::Display for TokenId {
    /// Sixteen letters and digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base32().encode(&self.octets()))
    }
}

/// What pass 1 knows and pass 2 cannot find out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[allow(clippy::struct_excessive_bools)] // independent facts, one bit each
pub struct Flags {
    /// The recruiting address keeps a copy of its own.
    pub kept: bool,
    /// The client logged in (SASL).
    pub authenticated: bool,
    /// The client's address is inside the company.
    pub internal: bool,
    /// Another recruiting address of the same message already leads a copy to the same system
    /// ([`Handoff::leader`]); this one only watches over its own local delivery, as long as that one is
    /// still configured so.
    pub companion: bool,
    /// The copy is the message that a colleague had attached to his, taken out by the agent.
    pub unwrapped: bool,
    /// On its way back: to the person who looks at such mail, not to the recruiting address.
    pub person: bool,
    /// A copy of what a colleague sent from the recruiting address.
    pub outbound: bool,
    /// The client is the login of a recruiting system, whose mail is not forwarded to it again.
    pub own_login: bool,
}

impl Flags {
    fn octet(self) -> u8 {
        u8::from(self.kept)
            | u8::from(self.authenticated) << 1
            | u8::from(self.internal) << 2
            | u8::from(self.companion) << 3
            | u8::from(self.unwrapped) << 4
            | u8::from(self.person) << 5
            | u8::from(self.outbound) << 6
            | u8::from(self.own_login) << 7
    }

    fn from_octet(octet: u8) -> Self {
        let bit = |n: u8| octet >> n & 1 == 1;
        Self {
            kept: bit(0),
            authenticated: bit(1),
            internal: bit(2),
            companion: bit(3),
            unwrapped: bit(4),
            person: bit(5),
            outbound: bit(6),
            own_login: bit(7),
        }
    }
}

/// Which way a handoff goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// To pass 2.
    Forward,
    /// To the agent, which takes out the attached message. Where it finds none, and wherever Postfix
    /// does not know of the agent, the copy comes to pass 2 under this address and goes on as it is.
    Unwrap,
    /// Back to local delivery.
    Return,
}

impl Way {
    fn letter(self) -> char {
        match self {
            Self::Forward => 't',
            Self::Unwrap => UNWRAP_LETTER,
            Self::Return => 'g',
        }
    }
}

/// A handoff token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handoff {
    /// Which way it goes.
    pub way: Way,
    /// Which copy it is.
    pub id: TokenId,
    /// What pass 1 knew.
    pub flags: Flags,
    /// The rule of the recruiting address that leads the copy, as [`rule_tag`] writes it: its own, or
    /// that of the other one for a companion. Zero on the way back, where it says nothing.
    pub leader: [u8; 4],
}

/// Why a token is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenError {
    /// Not of the form that we make, or the MAC is wrong: not ours.
    NotOurs,
    /// Signed with a key that we do not have (any more).
    UnknownKey(u8),
    /// Older than such a token may be.
    Expired,
}

/// The octets of the MAC in a handoff token.
const HANDOFF_MAC: usize = 16;
const HANDOFF_LEN: usize = 12 + 4 + HANDOFF_MAC;
/// The letters of a handoff token, without the one that says which way it goes.
pub const HANDOFF_LETTERS: usize = (HANDOFF_LEN * 8).div_ceil(5);
/// The first letter of a token that leads to the agent, by which Postfix tells it from others.
pub const UNWRAP_LETTER: char = 'u';
/// The octets of the MAC in a bounce token: 96 bits.
const BOUNCE_MAC: usize = 12;
const BOUNCE_LEN: usize = 12 + 4 + BOUNCE_MAC;

/// The letters of a bounce token, for checking that an address has room for them.
pub const BOUNCE_LETTERS: usize = (BOUNCE_LEN * 8).div_ceil(5);

/// How long a handoff address is good for. It stands in the copy's `Received` fields, so whoever
/// reads the system's mail and may talk to the handoff smtpd could use it again; a genuine one is
/// back within `maximal_queue_lifetime` (five days unless set otherwise) for each time it waits.
pub const HANDOFF_LIFE: u64 = 30 * 24 * 3600;

/// How long the bounce address of outgoing mail or of a probe is good for: as long as mail and its
/// reports can be under way.
pub const BOUNCE_LIFE: u64 = 14 * 24 * 3600;

/// How long the bounce address of a copy is good for. It takes over the time of the handoff, which may
/// be forwarded on its last day, and the report may bring back the only copy.
pub const COPY_BOUNCE_LIFE: u64 = HANDOFF_LIFE + BOUNCE_LIFE;

impl Handoff {
    /// The local-part of the handoff address, with the current key.
    pub fn local_part(&self, keys: &Keys, recruiting: &Address) -> Option<String> {
        let mut octets = vec![keys.current(), self.flags.octet()];
        octets.extend(self.id.octets());
        octets.extend(self.leader);
        let mac =
            keys.mac(keys.current(), self.purpose(), &[&octets, recruiting.as_str().as_bytes()])?;
        octets.extend(&mac[..HANDOFF_MAC]);
        Some(format!("{}{}", self.way.letter(), base32().encode(&octets)))
    }

    /// Reads a local-part that claims to be a handoff for a recruiting address. `now` in seconds
    /// since 1970.
    pub fn parse(
        way: Way,
        local: &str,
        keys: &Keys,
        recruiting: &Address,
        now: u64,
    ) -> Result<Self, TokenError> {
        let local = local.to_ascii_lowercase();
        let letters = local.strip_prefix(way.letter()).ok_or(TokenError::NotOurs)?;
        let octets = decode(letters, HANDOFF_LEN)?;
        let (signed, tag) = octets.split_at(HANDOFF_LEN - HANDOFF_MAC);
        let token = Self::of_octets(way, signed).ok_or(TokenError::NotOurs)?;
        if !keys.knows(signed[0]) {
            return Err(TokenError::UnknownKey(signed[0]));
        }
        let parts = [signed, recruiting.as_str().as_bytes()];
        if !keys.verify(signed[0], token.purpose(), &parts, tag) {
            return Err(TokenError::NotOurs);
        }
        if now > u64::from(token.id.time) + HANDOFF_LIFE {
            return Err(TokenError::Expired);
        }
        Ok(token)
    }

    /// What a local-part claims, by whomever it was made: nothing of it is shown to be true. None if
    /// it is not of the form that we make.
    pub fn claimed(way: Way, local: &str) -> Option<Self> {
        let local = local.to_ascii_lowercase();
        let octets = decode(local.strip_prefix(way.letter())?, HANDOFF_LEN).ok()?;
        Self::of_octets(way, &octets)
    }

    /// What stands behind the key, before the MAC.
    fn of_octets(way: Way, octets: &[u8]) -> Option<Self> {
        let id = TokenId::from_octets(octets.get(2..12)?)?;
        let leader = octets.get(12..16)?.try_into().ok()?;
        Some(Self { way, id, flags: Flags::from_octet(*octets.get(1)?), leader })
    }

    fn purpose(&self) -> &'static str {
        match self.way {
            Way::Forward => "handoff",
            Way::Unwrap => "unwrap",
            Way::Return => "return",
        }
    }
}

/// What a bounce address tells about the copy that a report is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounce {
    /// Which copy it is.
    pub id: TokenId,
    /// What pass 1 knew.
    pub flags: Flags,
    /// Which rule forwarded it: see [`rule_tag`].
    pub rule: [u8; 4],
}

/// A short name for a rule, by its pattern. It stays the same when other rules come and go.
pub fn rule_tag(pattern_key: &str) -> [u8; 4] {
    use sha2::{Digest as _, Sha256};
    let digest: [u8; 32] = Sha256::digest(pattern_key.as_bytes()).into();
    [digest[0], digest[1], digest[2], digest[3]]
}

impl Bounce {
    /// The letters that follow the delimiter in the bounce address, with the current key.
    pub fn extension(&self, keys: &Keys) -> Option<String> {
        let mut octets = vec![keys.current(), self.flags.octet()];
        octets.extend(self.id.octets());
        octets.extend(self.rule);
        let mac = keys.mac(keys.current(), "bounce", &[&octets])?;
        octets.extend(&mac[..BOUNCE_MAC]);
        Some(base32().encode(&octets))
    }

    /// Reads the extension of a bounce address. `now` in seconds since 1970.
    pub fn parse(extension: &str, keys: &Keys, now: u64) -> Result<Self, TokenError> {
        let octets = decode(&extension.to_ascii_lowercase(), BOUNCE_LEN)?;
        let (signed, tag) = octets.split_at(BOUNCE_LEN - BOUNCE_MAC);
        let id = TokenId::from_octets(&signed[2..12]).ok_or(TokenError::NotOurs)?;
        if !keys.knows(signed[0]) {
            return Err(TokenError::UnknownKey(signed[0]));
        }
        if !keys.verify(signed[0], "bounce", &[signed], tag) {
            return Err(TokenError::NotOurs);
        }
        if now > u64::from(id.time) + COPY_BOUNCE_LIFE {
            return Err(TokenError::Expired);
        }
        let rule = signed[12..].try_into().map_err(|_| TokenError::NotOurs)?;
        Ok(Self { id, flags: Flags::from_octet(signed[1]), rule })
    }
}

impl Bounce {
    /// What an extension claims, by whomever it was made: nothing of it is shown to be true.
    pub fn claimed(extension: &str) -> Option<Self> {
        let octets = decode(&extension.to_ascii_lowercase(), BOUNCE_LEN).ok()?;
        let id = TokenId::from_octets(octets.get(2..12)?)?;
        let rule = octets.get(12..16)?.try_into().ok()?;
        Some(Self { id, flags: Flags::from_octet(*octets.get(1)?), rule })
    }
}

/// The octets of the MAC in the bounce address of an outgoing mail: 80 bits.
const OUTGOING_MAC: usize = 10;
const OUTGOING_LEN: usize = 1 + 10 + 4 + OUTGOING_MAC;
/// The letters that name a route.
const ROUTE_LETTERS: usize = 4;
/// What begins the bounce address of an outgoing mail, behind the delimiter.
pub const OUTGOING_MARK: char = '1';
/// The letters that follow the route in the bounce address of an outgoing mail.
pub const OUTGOING_LETTERS: usize = (OUTGOING_LEN * 8).div_ceil(5);

/// What the bounce address of an outgoing mail tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutgoingBounce {
    /// Which message it is.
    pub id: TokenId,
    /// The route it took, as [`route_mark`] writes it.
    pub route: String,
    /// The rule of the recruiting address that it is from; zero where it is from another address.
    pub rule: [u8; 4],
}

/// A short name for a route, by its name in the configuration: [`OUTGOING_MARK`] and some letters.
pub fn route_mark(name: &str) -> String {
    let letters = base32().encode(&rule_tag(name));
    format!("{OUTGOING_MARK}{}", head(&letters, ROUTE_LETTERS))
}

impl OutgoingBounce {
    /// The letters that follow the delimiter in the bounce address, with the current key.
    pub fn extension(&self, keys: &Keys) -> Option<String> {
        let mut octets = vec![keys.current()];
        octets.extend(self.id.octets());
        octets.extend(self.rule);
        let mac = keys.mac(keys.current(), "outgoing", &[self.route.as_bytes(), &octets])?;
        octets.extend(&mac[..OUTGOING_MAC]);
        Some(format!("{}{}", self.route, base32().encode(&octets)))
    }

    /// Whether an extension claims to be one.
    pub fn is_meant(extension: &str) -> bool {
        extension.starts_with(OUTGOING_MARK)
    }

    /// Reads the extension of a bounce address. `now` in seconds since 1970.
    pub fn parse(extension: &str, keys: &Keys, now: u64) -> Result<Self, TokenError> {
        let extension = extension.to_ascii_lowercase();
        let (route, letters) =
            extension.split_at_checked(1 + ROUTE_LETTERS).ok_or(TokenError::NotOurs)?;
        let octets = decode(letters, OUTGOING_LEN)?;
        let (signed, tag) = octets.split_at(OUTGOING_LEN - OUTGOING_MAC);
        if !keys.knows(signed[0]) {
            return Err(TokenError::UnknownKey(signed[0]));
        }
        if !keys.verify(signed[0], "outgoing", &[route.as_bytes(), signed], tag) {
            return Err(TokenError::NotOurs);
        }
        let id = TokenId::from_octets(&signed[1..11]).ok_or(TokenError::NotOurs)?;
        if now > u64::from(id.time) + BOUNCE_LIFE {
            return Err(TokenError::Expired);
        }
        let rule = signed[11..].try_into().map_err(|_| TokenError::NotOurs)?;
        Ok(Self { id, route: route.to_owned(), rule })
    }
}

impl OutgoingBounce {
    /// What an extension claims, by whomever it was made: nothing of it is shown to be true.
    pub fn claimed(extension: &str) -> Option<Self> {
        let extension = extension.to_ascii_lowercase();
        let (route, letters) = extension.split_at_checked(1 + ROUTE_LETTERS)?;
        let octets = decode(letters, OUTGOING_LEN).ok()?;
        let id = TokenId::from_octets(octets.get(1..11)?)?;
        let rule = octets.get(11..15)?.try_into().ok()?;
        Some(Self { id, route: route.to_owned(), rule })
    }
}

/// Decodes exactly `len` octets. The length is looked at before anything else is done.
pub(super) fn decode(letters: &str, len: usize) -> Result<Vec<u8>, TokenError> {
    if letters.len() != (len * 8).div_ceil(5) {
        return Err(TokenError::NotOurs);
    }
    let octets = base32().decode(letters.as_bytes()).map_err(|_| TokenError::NotOurs)?;
    if octets.len() == len { Ok(octets) } else { Err(TokenError::NotOurs) }
}

/// RFC 4648 base32 in lower case, without padding.
pub(super) fn base32() -> &'static Encoding {
    static BASE32: std::sync::OnceLock<Encoding> = std::sync::OnceLock::new();
    BASE32.get_or_init(|| {
        let mut spec = Specification::new();
        spec.symbols.push_str("abcdefghijklmnopqrstuvwxyz234567");
        // The alphabet is fixed and has 32 letters, so this cannot fail; HEX would do otherwise.
        spec.encoding().unwrap_or(data_encoding::BASE32_NOPAD)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn keys(id: u8) -> Keys {
        Keys::new(vec![(id, vec![id; 32])]).unwrap()
    }

    fn jobs() -> Address {
        Address::parse("jobs+berlin@acme.example").unwrap()
    }

    const ID: TokenId = TokenId { time: 1_795_551_688, nonce: [1, 2, 3, 4, 5, 6] };
    const MADE: u64 = 1_795_551_688;

    #[test]
    fn a_handoff_token_is_read_back_whatever_its_case() {
        for way in [Way::Forward, Way::Unwrap, Way::Return] {
            let token = Handoff {
                way,
                id: ID,
                flags: Flags { kept: true, internal: true, unwrapped: true, ..Flags::default() },
                leader: rule_tag("jobs@acme.example"),
            };
            let local = token.local_part(&keys(7), &jobs()).unwrap();
            assert_eq!(local.len(), 1 + HANDOFF_LETTERS);
            assert!(local.len() <= 64, "{}", local.len());
            assert_eq!(Handoff::parse(way, &local, &keys(7), &jobs(), MADE), Ok(token));
            assert_eq!(
                Handoff::parse(way, &local.to_uppercase(), &keys(7), &jobs(), MADE),
                Ok(token)
            );
        }
    }

    #[test]
    fn the_bounce_address_of_an_outgoing_mail_is_read_back_and_cannot_be_changed() {
        let bounce = OutgoingBounce { id: ID, route: route_mark("own"), rule: rule_tag("jobs@x") };
        let extension = bounce.extension(&keys(7)).unwrap();
        assert_eq!(extension.len(), BOUNCE_LETTERS, "no longer than the other bounce address");
        assert!(OutgoingBounce::is_meant(&extension));
        let parse = |text: &str, now| OutgoingBounce::parse(text, &keys(7), now);
        assert_eq!(parse(&extension, MADE), Ok(bounce.clone()));
        assert_eq!(parse(&extension.to_uppercase(), MADE), Ok(bounce));
        for at in 0..extension.len() {
            let mut other = extension.clone();
            let letter = if &other[at..=at] == "a" { "b" } else { "a" };
            other.replace_range(at..=at, letter);
            // The first octet names the key.
            let error = parse(&other, MADE).unwrap_err();
            assert!(matches!(error, TokenError::NotOurs | TokenError::UnknownKey(_)), "{at}");
        }
        for text in ["", "1", "1abcd", &extension[1..], &format!("{extension}a")] {
            assert_eq!(parse(text, MADE), Err(TokenError::NotOurs), "{text}");
        }
        assert_eq!(parse(&extension, MADE + BOUNCE_LIFE + 1), Err(TokenError::Expired));
        let unknown = OutgoingBounce::parse(&extension, &keys(8), MADE);
        assert_eq!(unknown, Err(TokenError::UnknownKey(7)));
        // Neither is taken for the other.
        let inbound = Bounce { id: ID, flags: Flags::default(), rule: [0; 4] };
        let inbound = inbound.extension(&keys(7)).unwrap();
        assert!(!OutgoingBounce::is_meant(&inbound));
        assert_eq!(Bounce::parse(&extension, &keys(7), MADE), Err(TokenError::NotOurs));
    }

    #[test]
    fn a_token_is_bound_to_its_address_way_and_key() {
        let token = Handoff { way: Way::Forward, id: ID, flags: Flags::default(), leader: [0; 4] };
        let local = token.local_part(&keys(7), &jobs()).unwrap();
        let other = Address::parse("jobs@acme.example").unwrap();
        assert_eq!(
            Handoff::parse(Way::Forward, &local, &keys(7), &other, MADE),
            Err(TokenError::NotOurs)
        );
        assert_eq!(
            Handoff::parse(Way::Forward, &local, &keys(8), &jobs(), MADE),
            Err(TokenError::UnknownKey(7))
        );
        for (way, letter) in [(Way::Return, "g"), (Way::Unwrap, "u")] {
            let turned = local.replacen('t', letter, 1);
            assert_eq!(
                Handoff::parse(way, &turned, &keys(7), &jobs(), MADE),
                Err(TokenError::NotOurs)
            );
        }
        let same_number = Keys::new(vec![(7, vec![9; 32])]).unwrap();
        assert_eq!(
            Handoff::parse(Way::Forward, &local, &same_number, &jobs(), MADE),
            Err(TokenError::NotOurs)
        );
    }

    #[test]
    fn a_handoff_ends_and_one_from_a_clock_that_was_set_back_does_not() {
        let token = Handoff { way: Way::Forward, id: ID, flags: Flags::default(), leader: [0; 4] };
        let local = token.local_part(&keys(7), &jobs()).unwrap();
        let at = |now| Handoff::parse(Way::Forward, &local, &keys(7), &jobs(), now);
        assert_eq!(at(MADE - 3600), Ok(token));
        assert_eq!(at(MADE + HANDOFF_LIFE), Ok(token));
        assert_eq!(at(MADE + HANDOFF_LIFE + 1), Err(TokenError::Expired));
        let forged = format!("{:a<width$}", &local[..30], width = local.len());
        let read = Handoff::parse(Way::Forward, &forged, &keys(7), &jobs(), u64::MAX);
        assert_eq!(read, Err(TokenError::NotOurs), "only a genuine one is called expired");
    }

    #[test]
    fn a_bounce_address_has_room_and_ends() {
        let token = Bounce { id: ID, flags: Flags::default(), rule: rule_tag("jobs@acme.example") };
        let extension = token.extension(&keys(1)).unwrap();
        assert_eq!(extension.len(), BOUNCE_LETTERS);
        assert!("recruit-bounces+".len() + BOUNCE_LETTERS <= 64);
        let made = u64::from(ID.time);
        assert_eq!(Bounce::parse(&extension, &keys(1), made), Ok(token));
        assert_eq!(
            Bounce::parse(&extension, &keys(1), made - 3600),
            Ok(token),
            "a clock that was set back"
        );
        assert_eq!(Bounce::parse(&extension, &keys(1), made + COPY_BOUNCE_LIFE), Ok(token));
        assert_eq!(
            Bounce::parse(&extension, &keys(1), made + COPY_BOUNCE_LIFE + 1),
            Err(TokenError::Expired)
        );
    }

    proptest! {
        #[test]
        fn a_changed_letter_is_noticed(at in 0usize..46, letter in "[a-z2-7]") {
            let token = Handoff { way: Way::Forward, id: ID, flags: Flags::default(), leader: [0; 4] };
            let good = token.local_part(&keys(7), &jobs()).unwrap();
            let mut bad = good.clone();
            bad.replace_range(at..=at, &letter);
            let read = Handoff::parse(Way::Forward, &bad, &keys(7), &jobs(), MADE);
            prop_assert_eq!(read.is_ok(), bad == good);
        }

        #[test]
        fn any_text_is_refused_without_a_panic(text in any::<String>()) {
            prop_assert!(Handoff::parse(Way::Forward, &text, &keys(7), &jobs(), MADE).is_err());
            prop_assert!(Bounce::parse(&text, &keys(7), 0).is_err());
        }
    }
}
