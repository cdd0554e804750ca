//! The breaker of loops in which every round is a new message.
//!
//! A recruiting system answers by itself; if its answer reaches a recruiting address it comes back
//! to the system, which may answer again. Its test mail looks just the same. So mail from a
//! system's own inbound address is forwarded, but only so often an hour for one recruiting address.
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
    /// The probes that were accepted.
    pub probes: Accepted,
}

impl Budget {
    /// Whether one more may be forwarded for `address`; if so, it is counted. A second attempt at
    /// the same copy is not counted again. `now` in seconds since 1970.
    pub fn allow(&mut self, address: &str, id: TokenId, now: u64, limit: u32) -> bool {
        let spent = self.spent.entry(address.to_lowercase()).or_default();
        // Entries from the future are left over from a clock that was set back.
        spent.retain(|(time, _)| *time <= now && now - time < WINDOW);
        if spent.iter().any(|(_, seen)| *seen == id) {
            return true;
        }
        if spent.len() >= limit as usize {
            return false;
        }
        spent.push_back((now, id));
        true
    }
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
    fn a_clock_set_back_does_not_block_for_ever() {
        let mut budget = Budget::default();
        assert!(budget.allow("jobs@a", id(1), 1_000_000, 1));
        assert!(budget.allow("jobs@a", id(2), 1000, 1));
    }
}
