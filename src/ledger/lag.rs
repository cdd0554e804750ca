//! How far the ledger is behind the journal of this host: what it shows may be of yesterday.
// SPDX-License-Identifier: GPL-3.0-or-later

use jiff::Timestamp;

use super::{Error, Ledger, host_of};
use crate::config::Config;
use crate::journal::{Record, replay};

/// The agent reads every second. With a line that is older than this, in seconds, it does not read, or not
/// into this ledger.
const BEHIND: i64 = 300;

impl Ledger {
    /// The time of an old line of this host's journal that the ledger should have and has not. None if
    /// it is up to date, and on a host without a journal.
    pub fn behind_since(
        &mut self,
        config: &Config,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, Error> {
        let position = self.position(&host_of(config))?;
        let mut unread = replay(&config.state_dir, position).filter_map(|(_, line)| match line {
            Ok(Record::Entry(entry)) => Some(entry.time),
            Ok(Record::Lost(lost)) => Some(lost.time),
            Err(_) => None,
        });
        Ok(unread.find(|time| now.as_second() - time.as_second() > BEHIND))
    }
}
