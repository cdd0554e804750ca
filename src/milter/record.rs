//! What was decided on a message, told to the log and the journal once the MTA has its edits.
//!
//! Must not decide anything.
// SPDX-License-Identifier: GPL-3.0-or-later

pub(super) mod submission;

use jiff::Timestamp;

use super::active::{Active, ShownSender};
use crate::journal::{self, Entry};
use crate::mail::Address;
use crate::observe;
use crate::plan::{Plan, Reply, ReplyText};
use crate::policy::divert::{Diverted, Standing};
use crate::policy::forward::{Action, Decision, Reason};
use crate::policy::outcome::Outcome;
use crate::policy::report::Said;
use crate::policy::token::TokenId;
use submission::SubmissionOutcome;

/// What the journal has of a mail besides what was decided.
#[derive(Default)]
pub(super) struct MailDetails {
    /// See [`Entry::size`].
    pub(super) size: Option<u64>,
    /// See [`Entry::subjects`].
    pub(super) subjects: Vec<String>,
    /// See [`Entry::message`].
    pub(super) message: Option<String>,
}

/// What is to be said about a message once the MTA has its edits.
pub struct Record {
    pub(super) queue_id: Option<String>,
    pub(super) sender: ShownSender,
    pub(super) mail: MailDetails,
    pub(super) outcome: PassOutcome,
}

/// What a pass has decided.
pub(super) enum PassOutcome {
    /// Outgoing mail.
    Outgoing(Box<SubmissionOutcome>),
    /// Pass 1, and what an earlier one had done.
    Diverted { diverted: Vec<Diverted>, standing: Vec<Standing> },
    /// Pass 1 refused it: its sender has the form of a probe's and is not known to be one. The
    /// recruiting addresses that it was for.
    UnknownProbe(Vec<String>),
    /// Pass 2.
    Decided { pass: journal::Pass, decision: Box<Decision>, forged: usize },
    /// No decision could be made.
    Undecided(journal::Pass, &'static str),
}

impl Record {
    pub(super) fn new(queue_id: Option<String>, sender: ShownSender, outcome: PassOutcome) -> Self {
        Self { queue_id, sender, mail: MailDetails::default(), outcome }
    }

    /// With the plan for a message that could not be decided on.
    pub(super) fn deferred(self) -> (Plan, Self) {
        (Plan::only(Reply::Tempfail(ReplyText::TryAgain)), self)
    }

    pub(super) fn tell(self, active: &Active) {
        let queue_id = self.queue_id.as_deref();
        match &self.outcome {
            PassOutcome::Outgoing(outcome) => {
                outcome.tell(active, queue_id, &self.sender);
                self.tell_diverted(active, &outcome.diverted);
            }
            PassOutcome::Undecided(pass, reason) => {
                observe::tempfailed(queue_id, *pass, reason);
                let mut entry = self.entry(*pass, journal::Action::Tempfail);
                entry.reason = Some((*reason).to_owned());
                active.note(entry);
            }
            PassOutcome::UnknownProbe(addresses) => {
                observe::unknown_probe(queue_id, &self.sender.logged, addresses);
                for address in addresses {
                    let mut entry = self.entry(journal::Pass::Front, journal::Action::Rejected);
                    entry.reason = Some("unknown-probe".to_owned());
                    entry.address = Some(address.clone());
                    active.note(entry);
                }
            }
            PassOutcome::Diverted { diverted, standing } => {
                if diverted.is_empty() && standing.is_empty() {
                    observe::not_forwarded(queue_id);
                }
                self.tell_diverted(active, diverted);
                self.tell_standing(active, standing);
            }
            PassOutcome::Decided { pass, decision, forged } => {
                self.log_decided(active, decision, *forged);
                let mut entry = self.entry(*pass, journal_action(decision.action));
                entry.reason = Some(decision.reason.word().to_owned());
                entry.token = decision.token.map(|t| t.to_string());
                entry.address.clone_from(&decision.address);
                entry.system.clone_from(&decision.system);
                entry.kind = decision.reading.as_ref().map(|r| r.kind.word().to_owned());
                entry.report = match decision.reason {
                    Reason::Report(said) => Some(said),
                    _ => None,
                };
                entry.message.clone_from(&self.mail.message);
                if let Some(report) = &decision.report {
                    entry.status.clone_from(&report.status);
                    entry.next_hop.clone_from(&report.next_hop);
                    entry.reply = report.reply.as_ref().map(|reply| active.masked(reply));
                }
                entry.probe = decision.probe.map(|probe| probe.to_string());
                active.note(entry);
            }
        }
    }

    fn tell_diverted(&self, active: &Active, diverted: &[Diverted]) {
        if !diverted.is_empty() {
            self.log_diverted(active, diverted);
        }
        for one in diverted {
            let mut entry =
                self.entry(journal::Pass::Front, journal::Action::Copy(Outcome::Diverted));
            entry.token = one.handoff.map(|h| h.id.to_string());
            entry.address = Some(one.address.to_string());
            entry.system = Some(one.system.clone());
            entry.probe = one.probe.map(|probe| probe.to_string());
            active.note(entry);
        }
    }

    /// The message was here before. Of applications the log has it; of a probe the journal too, for
    /// whoever follows it. Without the token: nothing becomes of the copy here.
    fn tell_standing(&self, active: &Active, standing: &[Standing]) {
        let Some(first) = standing.first() else { return };
        observe::seen_again(self.queue_id.as_deref(), first.address.as_str());
        for one in standing.iter().filter(|one| one.probe.is_some()) {
            let mut entry =
                self.entry(journal::Pass::Front, journal::Action::Copy(Outcome::Diverted));
            entry.reason = Some(journal::AGAIN.to_owned());
            entry.address = Some(one.address.to_string());
            entry.probe = one.probe.map(|probe| probe.to_string());
            active.note(entry);
        }
    }

    /// The MTA did not get its edits, so its client was told to try again.
    pub(super) fn tell_unedited(mut self, active: &Active, error: &str) {
        let outgoing = match &mut self.outcome {
            PassOutcome::Outgoing(outcome) => {
                outcome.unedited().map(|entry| entry.with_detail(error))
            }
            _ => None,
        };
        let unedited = |pass, token: Option<TokenId>, address, system| {
            let mut entry = self.entry(pass, journal::Action::Tempfail).with_detail(error);
            entry.reason = Some("edits-failed".to_owned());
            entry.token = token.map(|token| token.to_string());
            entry.address = address;
            entry.system = system;
            entry
        };
        let front = |one: &Diverted| {
            let address = Some(one.address.to_string());
            let token = one.handoff.map(|h| h.id);
            unedited(journal::Pass::Front, token, address, Some(one.system.clone()))
        };
        let (pass, entries) = match &self.outcome {
            PassOutcome::Outgoing(outcome) => {
                let pass = journal::Pass::Submission;
                (pass, outcome.diverted.iter().map(front).chain(outgoing).collect())
            }
            PassOutcome::Diverted { diverted, .. } => {
                (journal::Pass::Front, diverted.iter().map(front).collect())
            }
            PassOutcome::Decided { pass, decision, .. } => {
                let (address, system) = (decision.address.clone(), decision.system.clone());
                (*pass, vec![unedited(*pass, decision.token, address, system)])
            }
            PassOutcome::UnknownProbe(_) => {
                let pass = journal::Pass::Front;
                (pass, vec![unedited(pass, None, None, None)])
            }
            PassOutcome::Undecided(pass, _) => (*pass, vec![unedited(*pass, None, None, None)]),
        };
        observe::tempfailed(self.queue_id.as_deref(), pass, error);
        for entry in entries {
            active.note(entry);
        }
    }

    fn entry(&self, pass: journal::Pass, action: journal::Action) -> Entry {
        let mut entry = Entry::new(Timestamp::now(), pass, action);
        entry.queue_id.clone_from(&self.queue_id);
        entry.sender = Some(self.sender.kept.as_str().to_owned());
        entry.size = self.mail.size;
        entry.subjects.clone_from(&self.mail.subjects);
        entry
    }

    fn log_diverted(&self, active: &Active, diverted: &[Diverted]) {
        let tokens: Vec<String> = diverted
            .iter()
            .map(|d| d.handoff.map_or_else(|| "-".into(), |h| h.id.to_string()))
            .collect();
        let kept = |d: &Diverted| {
            active.config().rules.lookup(d.address.as_str()).is_none_or(|(_, rule)| rule.local_copy)
        };
        let copies: Vec<observe::DivertedCopy<'_>> = diverted
            .iter()
            .zip(&tokens)
            .map(|(d, token)| observe::DivertedCopy {
                address: d.address.as_str(),
                system: &d.system,
                token,
                local_copy: kept(d) && d.probe.is_none(),
            })
            .collect();
        observe::diverted(self.queue_id.as_deref(), &self.sender.logged, &copies);
    }

    fn log_decided(&self, active: &Active, decision: &Decision, forged: usize) {
        let queue_id = self.queue_id.as_deref();
        let token = decision.token.map(|t| t.to_string()).unwrap_or_default();
        let address = decision.address.as_deref();
        let system = decision.system.as_deref();
        let copy = observe::CopyInHand {
            queue_id,
            from: &self.sender.logged,
            address: address.unwrap_or_default(),
            system: system.unwrap_or_default(),
            kind: decision.reading.as_ref().map(|reading| reading.kind.word()),
            token: &token,
        };
        let reason = decision.reason.word();
        let rules = &active.config().rules;
        let rule = address.and_then(|a| rules.lookup(a)).map(|(_, rule)| rule);
        let given_to = decision.given_to.as_ref().map(Address::as_str);
        let fallback = || rule?.fallback.as_ref().map(Address::as_str);
        let back_to = given_to.or_else(fallback).or(address).unwrap_or_default();
        if decision.is_given_up() {
            observe::given_up(queue_id, given_to, reason);
        }
        if decision.reason == Reason::LoopBudget {
            observe::loop_budget_exceeded(queue_id, copy.address, copy.system, rules.loop_budget);
        }
        let report = match decision.reason {
            Reason::Report(said) => Some(said).filter(|said| *said != Said::Unknown),
            _ => None,
        };
        match decision.action {
            Action::Copy(Outcome::HandedOver) => {
                let inbound = rule.map(|rule| rules.system(rule).inbound.as_str());
                let key = active.config().keys.current();
                let unread = match decision.reason {
                    Reason::Unread(_) => Some(reason),
                    _ => None,
                };
                observe::handed_over(&copy, inbound.unwrap_or_default(), key, forged, unread);
            }
            Action::Copy(Outcome::Unwrapping) => observe::unwrapping(&copy),
            Action::Copy(outcome) => {
                let person = || rule?.person.as_ref().map(Address::as_str);
                let to = match outcome {
                    Outcome::ToPerson => person(),
                    Outcome::Returned | Outcome::GivenUp => Some(back_to),
                    _ => None,
                };
                observe::not_handed_over(&copy, outcome, to, reason);
            }
            Action::Discarded => observe::discarded(queue_id, reason),
            Action::ReportRead | Action::ReportReturned => {
                if let Some(outcome) = report {
                    let status =
                        decision.report.as_ref().and_then(|report| report.status.as_deref());
                    let line = observe::ReportLine {
                        queue_id,
                        token: &token,
                        address,
                        system,
                        outcome,
                        status,
                    };
                    observe::report(&line);
                } else if decision.action == Action::ReportRead {
                    observe::report_unreadable(queue_id, reason);
                }
                if decision.action == Action::ReportReturned {
                    observe::not_handed_over(&copy, Outcome::Returned, Some(back_to), reason);
                }
            }
        }
    }
}

fn journal_action(action: Action) -> journal::Action {
    match action {
        Action::Copy(outcome) => journal::Action::Copy(outcome),
        Action::Discarded => journal::Action::Discarded,
        Action::ReportRead | Action::ReportReturned => journal::Action::Report,
    }
}
