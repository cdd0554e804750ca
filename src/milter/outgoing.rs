//! Outgoing mail: asks the policy at each step, and tells the journal and the log what was decided.
//!
//! Must not know the protocol.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use jiff::tz::TimeZone;

use super::decide::{Active, now, stamps, undecided};
use super::record::{Record, Sender, Told};
use super::seam::{Opening, SubmissionMessage};
use crate::journal::{self, Entry};
use crate::mail::{Address, Recipient};
use crate::observe;
use crate::plan::{Plan, Reply};
use crate::policy::divert::Diverted;
use crate::policy::limits::{Ticket, Usage};
use crate::policy::outbound::rules::Recipe;
use crate::policy::outbound::{Client, Moment, Outgoing, Sent, Violation};

/// What was decided on an outgoing message, to be told once the MTA has its edits.
pub(super) struct Outcome {
    /// Pass 1 of it.
    pub(super) diverted: Vec<Diverted>,
    sent: Option<Sent>,
    client: Client,
    tickets: Taken,
}

/// Room within a login's limits, given back when dropped unless the message was accepted.
struct Taken {
    usage: Arc<Mutex<Usage>>,
    tickets: Vec<Ticket>,
    accepted: bool,
}

impl Taken {
    fn new(usage: Arc<Mutex<Usage>>, tickets: Vec<Ticket>) -> Self {
        Self { usage, tickets, accepted: false }
    }
}

impl Drop for Taken {
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

impl Outcome {
    /// Tells the log and the journal, apart from what pass 1 has to tell.
    pub(super) fn tell(&self, active: &Active, queue_id: Option<&str>, sender: &Sender) {
        if let Some(sent) = &self.sent {
            tell(active, queue_id, sender, &self.client, "eom", sent);
        }
    }

    /// The MTA did not get its edits, so its client was told to try again. What is to be written to
    /// the journal about it as outgoing mail.
    pub(super) fn unedited(&mut self) -> Option<Entry> {
        self.tickets.accepted = false;
        let sent = self.sent.as_ref()?;
        Some(entry(sent, None, journal::Action::Tempfail))
    }
}

fn tell(
    active: &Active,
    queue_id: Option<&str>,
    sender: &Sender,
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

/// Milliseconds since 1970.
fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX))
}

/// The time as a Date field has it (RFC 5322 3.3). In UTC: the machine's zone stands in a file.
fn date() -> String {
    let now = Timestamp::now().to_zoned(TimeZone::UTC);
    let printer = DateTimePrinter::new();
    printer.zoned_to_string(&now).unwrap_or_default()
}

/// An outgoing message.
pub struct Submission {
    active: Arc<Active>,
    /// Gone when the message is decided on.
    message: Option<Outgoing>,
    shown: Sender,
}

impl Submission {
    /// A message begins, or is refused.
    pub(super) fn begin(active: &Arc<Active>, opening: Opening) -> Result<Self, Reply> {
        let rules = &active.config().rules;
        let shown = active.sender(&opening.sender);
        let client = Client { user: opening.origin.login, address: opening.origin.client };
        let mut message = Outgoing::new(rules, client, opening.sender);
        let admitted = message.admit(rules, active.usage(), now_ms());
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

impl SubmissionMessage for Submission {
    type Record = Record;

    fn rcpt(&mut self, recipient: Recipient, transport: Option<&str>) -> Result<(), Reply> {
        let rules = &self.active.config().rules;
        let usage = self.active.usage();
        let taken = match &mut self.message {
            Some(message) => message.rcpt(rules, recipient, transport, usage, now_ms()),
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
        let record =
            |shown: &Sender, told| Record::new(queue_id.map(str::to_owned), shown.clone(), told);
        let pass = journal::Pass::Submission;
        let Some(mut message) = self.message.take() else {
            return undecided(record(&self.shown, Told::Undecided(pass, "no-message")));
        };
        let client = message.client().clone();
        // Should anything fail from here on, they are given back with this.
        let mut tickets = Taken::new(self.active.usage_handle(), message.take_tickets());
        let config = self.active.config();
        let decision = stamps().and_then(|mut stamp| {
            let mut moment = Moment { now: now(), date: &date, stamp: &mut stamp };
            message.finish(&config.rules, &config.keys, &mut moment)
        });
        let Some(decision) = decision else {
            return undecided(record(&self.shown, Told::Undecided(pass, "no-token")));
        };
        tickets.accepted = decision.plan.reply() == Reply::Continue;
        let told = Told::Outgoing(Box::new(Outcome {
            diverted: decision.diverted,
            sent: decision.sent,
            client,
            tickets,
        }));
        (decision.plan, record(&self.shown, told))
    }
}

impl Drop for Submission {
    /// What was not decided on was not accepted.
    fn drop(&mut self) {
        if let Some(message) = &mut self.message {
            drop(Taken::new(self.active.usage_handle(), message.take_tickets()));
        }
    }
}
