//! The question whether this milter is in the way of mail, asked through an MTA: an SMTP command that
//! no server knows, and that the milter alone answers.
//!
//! ```text
//! XRECRUIT-TOKEN-TOKEN...        each token: KEY TIME MAC
//! ```
//!
//! It is one word, since Postfix shows a milter no more of it. No mail is begun by it. It is signed, so that nobody outside learns who runs this program; by every
//! key that is known, so that a key which the running milter has not read yet raises no alarm.
// SPDX-License-Identifier: GPL-3.0-or-later

use super::keys::Keys;
use super::token::{base32, decode};

/// The command. RFC 5321 4.1.5: what begins with an X is nobody else's.
const COMMAND: &str = "XRECRUIT";
/// What the MACs are for.
const PURPOSE: &str = "look";
/// The octets of the MAC.
const MAC: usize = 10;
/// Key number, time, MAC.
const LEN: usize = 1 + 4 + MAC;
/// How far the clocks of two hosts of ours may differ, and how long it may be on its way, in seconds.
const LIFE: u64 = 600;
/// An SMTP command has no more room (RFC 5321 4.5.3.1.4), and nobody has so many keys in use.
const MOST_KEYS: usize = 16;

/// The command, without line end. None without a key. `now` in seconds since 1970.
pub fn command(keys: &Keys, now: u64) -> Option<String> {
    let time = u32::try_from(now).ok()?.to_be_bytes();
    let mut text = COMMAND.to_owned();
    for id in keys.ids().take(MOST_KEYS) {
        let mac = keys.mac(id, PURPOSE, &[&[id], &time])?;
        let octets = [&[id], &time[..], &mac[..MAC]].concat();
        text.push('-');
        text.push_str(&base32().encode(&octets));
    }
    (!keys.is_empty()).then_some(text)
}

/// Whether a command that an MTA did not know is that question, asked by somebody with a key of ours.
pub fn is_ours(line: &[u8], keys: &Keys, now: u64) -> bool {
    let Ok(line) = std::str::from_utf8(line) else { return false };
    let mut words = line.trim().split('-');
    words.next().is_some_and(|word| word.eq_ignore_ascii_case(COMMAND))
        && words.take(MOST_KEYS).any(|word| is_signed(word, keys, now))
}

fn is_signed(word: &str, keys: &Keys, now: u64) -> bool {
    let Ok(octets) = decode(&word.to_ascii_lowercase(), LEN) else { return false };
    let [id, t0, t1, t2, t3, mac @ ..] = &octets[..] else { return false };
    let time = [*t0, *t1, *t2, *t3];
    keys.verify(*id, PURPOSE, &[&[*id], &time], mac)
        && u64::from(u32::from_be_bytes(time)).abs_diff(now) <= LIFE
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_795_500_000;

    fn keys(ids: &[u8]) -> Keys {
        Keys::new(ids.iter().map(|id| (*id, vec![*id; 32])).collect()).unwrap()
    }

    #[test]
    fn it_is_known_to_whoever_has_one_of_the_keys() {
        let asked = command(&keys(&[2, 1]), NOW).unwrap();
        assert!(asked.starts_with("XRECRUIT-") && asked.len() < 510);
        for known in [&[2, 1][..], &[1], &[2], &[3, 2]] {
            assert!(is_ours(asked.as_bytes(), &keys(known), NOW + 60), "{known:?}");
        }
        assert!(is_ours(asked.to_lowercase().as_bytes(), &keys(&[1]), NOW));
        assert!(!is_ours(asked.as_bytes(), &keys(&[3]), NOW));
        assert!(!is_ours(asked.as_bytes(), &Keys::default(), NOW));
        assert_eq!(command(&Keys::default(), NOW), None);
        let all: Vec<u8> = (0..=255).collect();
        assert!(command(&keys(&all), NOW).unwrap().len() < 510);
    }

    #[test]
    fn nobody_else_can_ask_and_no_old_question_is_answered() {
        let keys = keys(&[1]);
        let asked = command(&keys, NOW).unwrap();
        for line in ["", "XRECRUIT", "XRECRUIT-aaaaaaaaaaaaaaaaaaaaaaaa", "NOOP", "XRECRUIT-\u{e9}"]
        {
            assert!(!is_ours(line.as_bytes(), &keys, NOW), "{line}");
        }
        assert!(!is_ours(b"XRECRUIT-\xff", &keys, NOW));
        assert!(!is_ours(asked.replace("XRECRUIT", "XOTHER").as_bytes(), &keys, NOW));
        assert!(!is_ours(asked.as_bytes(), &keys, NOW + LIFE + 1));
        assert!(!is_ours(asked.as_bytes(), &keys, NOW - LIFE - 1));
    }
}
