//! Outgoing mail: asks the policy at each step.
//!
//! Must not know the protocol.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::sync::Arc;

use super::active::{Active, ShownSender};
use super::decide::{Opening, WholeMessage};
use super::moment::{date, now, now_ms, stamps};
use super::record::submission::{Reservation, SubmissionOutcome, tell};
use super::record::{PassOutcome, Record};
use crate::journal;
use crate::mail::Recipient;
use crate::plan::{Plan, Reply};
use crate::policy::outbound::{Client, Moment, Outgoing, Sent, Violation};

/// An outgoing message.
pub struct Submission {
    active: Arc<Active>,
    /// Gone when the message is decided on.
    message: Option<Outgoing>,
    shown: ShownSender,
}

impl Submission {
    /// A message begins, or is refused.
    pub(super) fn begin(active: &Arc<Active>, opening: Opening) -> Result<Self, Reply> {
        let rules = &active.config().rules;
        let shown = active.sender(&opening.sender);
        let client = Client { user: opening.origin.login, address: opening.origin.client };
        let mut message = Outgoing::new(rules, client, opening.sender);
        let admitted = message.admit(rules, &mut active.used(), now_ms());
        let mut begun = Self { active: Arc::clone(active), message: Some(message), shown };
        match admitted {
            Ok(()) => Ok(begun),
            Err(violation) => Err(begun.refuse("mail", &violation)),
        }
    }

    /// Tells why the client is refused before the end of the message.
    fn refuse(&mut self, stage: &'static str, violation: &Violation) -> Reply {
        let rules = &self.active.config().rules;
        if let Some(message) = &self.message {
            let sent = Sent {
                login: message.login_name(rules).map(str::to_owned),
                violations: vec![violation.clone()],
                refused: true,
                ..Sent::default()
            };
            tell(&self.active, None, &self.shown, message.client(), stage, &sent);
        }
        violation.reply()
    }
}

impl WholeMessage for Submission {
    type Record = Record;

    fn rcpt(&mut self, recipient: Recipient, transport: Option<&str>) -> Result<(), Reply> {
        let rules = &self.active.config().rules;
        let taken = match &mut self.message {
            Some(message) => {
                message.rcpt(rules, recipient, transport, &mut self.active.used(), now_ms())
            }
            None => Ok(()),
        };
        taken.map_err(|violation| self.refuse("rcpt", &violation))
    }

    fn field(&mut self, name: &[u8], body: &[u8]) {
        if let Some(message) = &mut self.message {
            message.field(name, body);
        }
    }

    fn finish(mut self, queue_id: Option<&str>) -> (Plan, Record) {
        let record = |shown: &ShownSender, outcome| {
            Record::new(queue_id.map(str::to_owned), shown.clone(), outcome)
        };
        let pass = journal::Pass::Submission;
        let Some(mut message) = self.message.take() else {
            return record(&self.shown, PassOutcome::Undecided(pass, "no-message")).deferred();
        };
        let client = message.client().clone();
        // Should anything fail from here on, they are given back with this.
        let usage = Arc::clone(&self.active.usage);
        let mut reserved = Reservation::new(usage, message.take_tickets());
        let config = self.active.config();
        let decision = stamps().and_then(|mut stamp| {
            let mut moment = Moment { now: now(), date: &date, stamp: &mut stamp };
            message.finish(&config.rules, &config.keys, &mut moment)
        });
        let Some(decision) = decision else {
            return record(&self.shown, PassOutcome::Undecided(pass, "no-token")).deferred();
        };
        reserved.accepted = decision.plan.reply() == Reply::Continue;
        let outcome = PassOutcome::Outgoing(Box::new(SubmissionOutcome {
            diverted: decision.diverted,
            sent: decision.sent,
            client,
            reserved,
        }));
        (decision.plan, record(&self.shown, outcome))
    }
}

impl Drop for Submission {
    /// What was not decided on was not accepted.
    fn drop(&mut self) {
        if let Some(message) = &mut self.message {
            drop(Reservation::new(Arc::clone(&self.active.usage), message.take_tickets()));
        }
    }
}
