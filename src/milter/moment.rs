//! The moment in which something is decided: the time, in each form that is asked for, and token ids.
//!
//! Must not know what they are for.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use jiff::tz::TimeZone;

use crate::policy::token::TokenId;

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

/// Milliseconds since 1970.
pub(super) fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX))
}

/// The time as a Date field has it (RFC 5322 3.3). In UTC: the machine's zone stands in a file.
pub(super) fn date() -> String {
    let now = Timestamp::now().to_zoned(TimeZone::UTC);
    let printer = DateTimePrinter::new();
    printer.zoned_to_string(&now).unwrap_or_default()
}

/// Token ids for one message: a random number, and the next ones. None if the system has no
/// random numbers.
pub(super) fn stamps() -> Option<impl FnMut() -> TokenId> {
    let time = u32::try_from(now()).unwrap_or(u32::MAX);
    let mut octets = [0; 8];
    getrandom::fill(&mut octets[2..]).ok()?;
    let mut number = u64::from_be_bytes(octets);
    Some(move || {
        number = number.wrapping_add(1);
        let [_, _, nonce @ ..] = number.to_be_bytes();
        TokenId { time, nonce }
    })
}
