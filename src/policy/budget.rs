//! The breaker of loops in which every round is a new message.
//!
//! A recruiting system answers by itself; if its answer reaches a recruiting address it comes back
//! to the system, which may answer again. Its test mail looks just the same. So mail from a
//! system's own inbound address is forwarded, but only so often an hour for one recruiting address.
//!
//! And the bound on what strangers can bring about: of their mail each attempt counts.
//!
//! Lives in memory alone: a restart begins a new hour, which is harmless.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::collections::{HashMap, VecDeque};

use super::probe::Accepted;
use super::token::TokenId;

/// The length of the window in seconds.
const WINDOW: u64 = 3600;

/// What was forwarded in the last hour, by recruiting address; and the probes that were accepted.
#[derive(Clone, Debug, Default)]
pub struct Budget {
    spent: HashMap<String, VecDeque<(u64, TokenId)>>,
    /// When something was done for strangers.
    strangers: HashMap<&'static str, VecDeque<u64>>,
    /// The probes that were accepted.
    pub probes: Accepted,
}

impl Budget {
    /// Whether one more may be forwarded for `address`; if so, it is counted. A second attempt at
    /// the same copy is not counted again. `now` in seconds since 1970.
    pub fn allow(&mut self, address: &str, id: TokenId, now: u64, limit: u32) -> bool {
        let spent = self.spent.entry(address.to_lowercase()).or_default();
        spent.retain(|(time, _)| is_recent(*time, now));
        if spent.iter().any(|(_, seen)| *seen == id) {
            return true;
        }
        if spent.len() >= limit as usize {
            return false;
        }
        spent.push_back((now, id));
        true
    }

    /// Whether `what` may be done once more for a stranger; if so, it is counted. A second attempt is
    /// as well: a stranger chooses the name by which it would be known. `now` in seconds since 1970.
    pub fn spend(&mut self, what: &'static str, now: u64, limit: u32) -> bool {
        let spent = self.strangers.entry(what).or_default();
        spent.retain(|time| is_recent(*time, now));
        let is_left = spent.len() < limit as usize;
        if is_left {
            spent.push_back(now);
        }
        is_left
    }
}

/// Whether something was in the last hour. What is from the future is left over from a clock that was
/// set back.
fn is_recent(time: u64, now: u64) -> bool {
    time <= now && now - time < WINDOW
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> TokenId {
        TokenId { time: 0, nonce: [n; 6] }
    }

    #[test]
    fn only_so_many_an_hour_and_a_retry_is_free() {
        let mut budget = Budget::default();
        assert!(budget.allow("jobs@a", id(1), 1000, 2));
        assert!(budget.allow("JOBS@a", id(1), 1001, 2), "the same copy again");
        assert!(budget.allow("jobs@a", id(2), 1002, 2));
        assert!(!budget.allow("jobs@a", id(3), 1003, 2));
        assert!(budget.allow("karriere@a", id(3), 1003, 2), "another address has its own");
        assert!(budget.allow("jobs@a", id(3), 4600, 2), "an hour after the first");
        assert!(!budget.allow("jobs@a", id(4), 4601, 2));
    }

    #[test]
    fn of_strangers_each_attempt_counts() {
        let mut budget = Budget::default();
        assert!(budget.spend("mail", 1000, 2));
        assert!(budget.spend("mail", 1000, 2));
        assert!(!budget.spend("mail", 4599, 2));
        assert!(budget.spend("alarm", 4599, 2), "another has its own");
        assert!(budget.spend("mail", 4600, 2), "an hour after the first");
        assert!(!budget.spend("mail", 4600, 0));
    }

    #[test]
    fn a_clock_set_back_does_not_block_for_ever() {
        let mut budget = Budget::default();
        assert!(budget.spend("mail", 1_000_000, 1));
        assert!(budget.spend("mail", 1000, 1));
        assert!(budget.allow("jobs@a", id(1), 1_000_000, 1));
        assert!(budget.allow("jobs@a", id(2), 1000, 1));
    }
}
