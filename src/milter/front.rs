//! Pass 1: asks the policy about an envelope.
//!
//! Must not know the protocol.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::sync::Arc;

use super::active::Active;
use super::decide::{FrontMessage, Opening};
use super::moment::{now, stamps};
use super::record::{MailDetails, PassOutcome, Record};
use super::stage::Pass;
use crate::journal;
use crate::mail::Recipient;
use crate::plan::Plan;
use crate::policy::divert::{self, Diversion, divert};
use crate::policy::probe::{Probe, unproven};
use crate::policy::subject;
use crate::policy::unread::Place;

/// Pass 1 of a message.
pub struct Front {
    active: Arc<Active>,
    opening: Opening,
    recipients: Vec<Recipient>,
}

impl Front {
    /// A message begins.
    pub(super) fn begin(active: &Arc<Active>, opening: Opening) -> Self {
        Self { active: Arc::clone(active), opening, recipients: Vec::new() }
    }
}

impl FrontMessage for Front {
    type Record = Record;

    fn rcpt(&mut self, recipient: Recipient) {
        self.recipients.push(recipient);
    }

    fn finish(self, queue_id: Option<&str>) -> (Plan, Record) {
        let config = &self.active.config;
        let client = self.opening.origin.client;
        let sender = &self.opening.sender;
        let now = now();
        let (active, net) = (&self.active, self.active.readers.net());
        let missed = |place| move |why| active.unread(Pass::Front, place, why, queue_id);
        let claim = net
            .read(Place::Sender, || Probe::claimed(&config.rules, &config.keys, sender, now))
            .map_err(missed(Place::Sender))
            .unwrap_or_default();
        let origin = divert::Origin {
            authenticated: self.opening.origin.login.is_some(),
            // Who it is must be known: nobody is believed because the MTA does not say.
            internal: client.is_some_and(|client| config.rules.is_internal_client(client)),
            own_login: false,
            probe: claim.and_then(Result::ok),
            now,
        };
        let subjects = net
            .read(Place::Journal, || subject::of_mail(&config.rules, &config.keys, sender, None))
            .map_err(missed(Place::Journal))
            .unwrap_or_default();
        let mail = MailDetails { size: self.opening.announced_size(), subjects, message: None };
        let record = |outcome| Record {
            queue_id: queue_id.map(str::to_owned),
            sender: self.active.sender(sender),
            mail,
            outcome,
        };
        let addresses = self.recipients.iter().map(|to| &to.resolved);
        let addresses = addresses.filter(|to| divert::is_recruiting(&config.rules, to));
        if let (Some(Err(_)), Some(_)) = (claim, addresses.clone().next()) {
            return (unproven(), record(PassOutcome::UnknownProbe(addresses.cloned().collect())));
        }
        let diversion = stamps().and_then(|mut stamp| {
            divert(&config.rules, &config.keys, &self.recipients, origin, &mut stamp)
        });
        match diversion {
            Some(Diversion { plan, diverted, standing }) => {
                (plan, record(PassOutcome::Diverted { diverted, standing }))
            }
            None => record(PassOutcome::Undecided(journal::Pass::Front, "no-token")).deferred(),
        }
    }
}
