//! What is told of outgoing mail, and the room within the login's limits that it took.
//!
//! Must not decide anything.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use crate::journal::{self, Entry};
use crate::mail::Address;
use crate::milter::active::{Active, ShownSender};
use crate::observe;
use crate::policy::divert::Diverted;
use crate::policy::limits::{Ticket, Usage};
use crate::policy::outbound::rules::Recipe;
use crate::policy::outbound::{Client, Sent};

/// What was decided on an outgoing message, to be told once the MTA has its edits.
pub(in crate::milter) struct SubmissionOutcome {
    /// Pass 1 of it.
    pub(in crate::milter) diverted: Vec<Diverted>,
    pub(in crate::milter) sent: Option<Sent>,
    pub(in crate::milter) client: Client,
    pub(in crate::milter) reserved: Reservation,
}

/// Room within a login's limits, given back when dropped unless the message was accepted.
pub(in crate::milter) struct Reservation {
    usage: Arc<Mutex<Usage>>,
    tickets: Vec<Ticket>,
    pub(in crate::milter) accepted: bool,
}

impl Reservation {
    pub(in crate::milter) fn new(usage: Arc<Mutex<Usage>>, tickets: Vec<Ticket>) -> Self {
        Self { usage, tickets, accepted: false }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if self.accepted || self.tickets.is_empty() {
            return;
        }
        let mut usage = self.usage.lock().unwrap_or_else(PoisonError::into_inner);
        for ticket in self.tickets.drain(..) {
            usage.give_back(ticket);
        }
    }
}

impl SubmissionOutcome {
    /// Tells the log and the journal, apart from what pass 1 has to tell.
    pub(super) fn tell(&self, active: &Active, queue_id: Option<&str>, sender: &ShownSender) {
        if let Some(sent) = &self.sent {
            tell(active, queue_id, sender, &self.client, "eom", sent);
        }
    }

    /// The MTA did not get its edits, so its client was told to try again. What is to be written to
    /// the journal about it as outgoing mail.
    pub(super) fn unedited(&mut self) -> Option<Entry> {
        self.reserved.accepted = false;
        let sent = self.sent.as_ref()?;
        Some(entry(sent, None, journal::Action::Tempfail))
    }
}

/// Tells the log and the journal of a message, or of a step that was refused.
pub(in crate::milter) fn tell(
    active: &Active,
    queue_id: Option<&str>,
    sender: &ShownSender,
    client: &Client,
    stage: &'static str,
    sent: &Sent,
) {
    let details: Vec<_> = sent.violations.iter().map(|v| (v.word(), v.detail())).collect();
    let line = observe::Outgoing {
        queue_id,
        from: &sender.logged,
        login: sent.login.as_deref(),
        user: client.user.as_deref(),
        client: client.address,
        author: sent.from.as_ref().map(Address::as_str),
        route: sent.route.as_deref(),
        told_by: sent.told_by.map(Recipe::word),
        token: sent.token.map(|token| token.to_string()),
        recipients: sent.recipients,
        copy_to: sent.copy_to.as_deref(),
        added: &sent.added,
        removed: sent.removed,
    };
    for (word, detail) in &details {
        observe::violation(&line, stage, word, detail.as_deref(), sent.refused);
    }
    let action = if sent.refused {
        journal::Action::Refused
    } else {
        observe::sent(&line);
        journal::Action::Sent
    };
    let mut entry = entry(sent, details.first().map(|(word, _)| *word), action);
    entry.queue_id = queue_id.map(str::to_owned);
    entry.sender = Some(sender.kept.as_str().to_owned());
    active.note(entry);
}

/// What the journal keeps of it.
fn entry(sent: &Sent, reason: Option<&str>, action: journal::Action) -> Entry {
    let mut entry = Entry::new(Timestamp::now(), journal::Pass::Submission, action);
    entry.reason = reason.map(str::to_owned);
    entry.token = sent.token.map(|token| token.to_string());
    entry.address = sent.from.as_ref().map(ToString::to_string);
    entry.login.clone_from(&sent.login);
    entry.route.clone_from(&sent.route);
    entry
}
