//! A configuration at work, with what outlives it: the journal, the memory of limits, the readers.
//!
//! Must not know the protocol, nor what is decided.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::notice::{Notice, Notices};
use super::stage::Pass;
use crate::config::Config;
use crate::journal::{Entry, Journal};
use crate::mail::{Address, RawPath};
use crate::observe::{Masker, Shown};
use crate::policy::budget::Budget;
use crate::policy::limits::Usage;
use crate::policy::report;
use crate::policy::unread::{Place, Unread};
use crate::reading::{Net, Readers};

/// A configuration at work. What outlives a reload is shared with the one before.
#[derive(Clone)]
pub struct Active {
    pub(super) config: Arc<Config>,
    masker: Masker,
    /// Shows addresses as the ledger may keep them.
    keeper: Masker,
    journal: Journal,
    pub(super) budget: Arc<Mutex<Budget>>,
    pub(super) usage: Arc<Mutex<Usage>>,
    pub(super) readers: Readers,
    /// Where it is told that something could not be read.
    notices: Notices,
}

impl Active {
    /// A configuration that writes to a journal.
    pub fn new(config: Config, journal: Journal) -> Self {
        let masker = Masker::new(config.log.addresses, &config.keys);
        let keeper = Masker::new(config.ledger.addresses, &config.keys);
        let (budget, usage, readers, notices) = Default::default();
        let config = Arc::new(config);
        Self { config, masker, keeper, journal, budget, usage, readers, notices }
    }

    /// Tells there what cannot be read.
    #[must_use]
    pub fn with_notices(self, notices: Notices) -> Self {
        Self { notices, ..self }
    }

    /// Reads above a net with a seam for fault injection. For tests only.
    #[allow(dead_code, reason = "a seam for tests")]
    #[must_use]
    pub fn with_net(self, net: Net) -> Self {
        Self { readers: Readers::new(net), ..self }
    }

    /// Another configuration, with the journal and the memory of this one.
    #[must_use]
    pub fn with(&self, config: Config) -> Self {
        let (budget, usage) = (Arc::clone(&self.budget), Arc::clone(&self.usage));
        let (readers, notices) = (self.readers.clone(), self.notices.clone());
        Self { budget, usage, readers, notices, ..Self::new(config, self.journal.clone()) }
    }

    /// What logins have used of their limits. Held for one call into the core.
    pub(super) fn used(&self) -> MutexGuard<'_, Usage> {
        self.usage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// An envelope sender as it may be shown.
    pub(super) fn sender(&self, sender: &RawPath) -> ShownSender {
        ShownSender { logged: self.masker.show(sender), kept: self.keeper.show(sender) }
    }

    /// The words of another server as they may be kept: people outside as the ledger may have them.
    pub(super) fn masked(&self, words: &str) -> String {
        let rules = &self.config.rules;
        let ours = |address: &Address| {
            rules.is_internal(address.as_str())
                || rules.systems.iter().any(|system| system.inbound.key() == address.key())
        };
        let mask = |address: &Address| self.keeper.show(&RawPath::from(address)).to_string();
        report::Report::masked(words, ours, mask)
    }

    /// Writes an entry into the journal. A forged From may name anybody: somebody outside is kept as the
    /// ledger may have him.
    pub(super) fn note(&self, mut entry: Entry) {
        if let Some(text) = &entry.address
            && !self.config.rules.is_internal(text)
            && self.config.rules.lookup(text).is_none()
            && let Ok(address) = Address::parse(text)
        {
            entry.address = Some(self.keeper.show(&RawPath::from(&address)).to_string());
        }
        // One address is one in the ledger, however it was written.
        entry.address = entry.address.map(|text| self.config.rules.known_as(&text));
        self.journal.record(entry);
    }

    /// Something could not be read.
    pub(super) fn unread(&self, pass: Pass, place: Place, why: Unread, queue_id: Option<&str>) {
        let queue_id = queue_id.map(str::to_owned);
        self.notices.tell(&Notice::Unread { pass, place, why, queue_id });
    }
}

/// An envelope sender, as the log and as the journal may have it.
#[derive(Clone)]
pub(super) struct ShownSender {
    pub(super) logged: Shown,
    pub(super) kept: Shown,
}
