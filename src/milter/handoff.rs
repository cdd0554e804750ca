//! Pass 2: has a message read and asks the policy about it.
//!
//! Must not know the protocol.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use super::active::Active;
use super::decide::{Opening, WholeMessage};
use super::moment::now;
use super::record::{MailDetails, PassOutcome, Record};
use super::stage::Pass;
use crate::config::Config;
use crate::journal;
use crate::mail::{RawPath, Recipient};
use crate::observe;
use crate::plan::{Plan, Reply};
use crate::policy::applicant::BodyNeed;
use crate::policy::facts::Facts;
use crate::policy::forward::{self, Accepted, Advice, Arrival, Refusal, body_need, decide};
use crate::policy::subject;
use crate::policy::token::Way;
use crate::policy::unread::{Place, Unread};
use crate::reading::{Net, SoFar};

/// Pass 2 of a message.
pub struct Handoff {
    active: Arc<Active>,
    opening: Opening,
    taken: Option<Arc<(Accepted, RawPath)>>,
    facts: Arc<Facts>,
    /// Known from the first piece of the body on, when the header is complete.
    need: Option<BodyNeed>,
    body: Vec<u8>,
    /// Why the message is not read: something in its header could not be.
    unread: Option<Unread>,
    /// What was read.
    advice: Advice,
    mail: MailDetails,
}

impl WholeMessage for Handoff {
    type Record = Record;

    fn rcpt(&mut self, recipient: Recipient, _: Option<&str>) -> Result<(), Reply> {
        let config = &self.active.config;
        let found = if self.taken.is_some() {
            Err(Refusal::OneAtATime)
        } else {
            let door = self.opening.origin.server.and_then(|server| door(config, server));
            forward::recipient(&config.rules, &config.keys, now(), door, &recipient)
        };
        match found {
            Ok(accepted) => {
                self.taken = Some(Arc::new((accepted, recipient.path)));
                Ok(())
            }
            Err(refusal) => {
                let path = recipient.path.printable();
                match refusal {
                    Refusal::NotOurs => observe::invalid_handoff(None, &path, "not-ours"),
                    Refusal::UnknownKey(_) => observe::unknown_handoff(None, &path, "unknown-key"),
                    Refusal::UnknownAddress => {
                        observe::unknown_handoff(None, &path, "unknown-address");
                    }
                    Refusal::Expired => observe::unknown_handoff(None, &path, "expired"),
                    Refusal::OtherWay => observe::unknown_handoff(None, &path, "other-way"),
                    Refusal::OneAtATime => observe::invalid_handoff(None, &path, "one-at-a-time"),
                }
                Err(refusal.reply())
            }
        }
    }

    fn field(&mut self, name: &[u8], body: &[u8]) {
        let facts = Arc::make_mut(&mut self.facts);
        let ours = facts.count(name);
        let read = self.active.readers.net().read(Place::Field, || facts.read(ours, name, body));
        if let Err(why) = read {
            self.missed(Place::Field, why, None);
        }
    }

    async fn look(&mut self) {
        if self.need.is_some() {
            return;
        }
        self.need = Some(match &self.taken {
            None => BodyNeed::Nothing,
            Some(taken) => match forward::need_by_token(&taken.0) {
                Some(need) => need,
                None => self.body_need(Arc::clone(taken)).await,
            },
        });
    }

    fn wants_body(&self) -> bool {
        match self.need.unwrap_or(BodyNeed::Nothing) {
            BodyNeed::Nothing => false,
            BodyNeed::FirstChunk => self.body.is_empty(),
            BodyNeed::UpTo(most) => self.body.len() < most,
        }
    }

    fn body(&mut self, piece: &[u8]) {
        let room = match self.need.unwrap_or(BodyNeed::Nothing) {
            BodyNeed::Nothing => 0,
            BodyNeed::FirstChunk => piece.len(),
            BodyNeed::UpTo(most) => most.saturating_sub(self.body.len()),
        };
        self.body.extend_from_slice(&piece[..piece.len().min(room)]);
    }

    async fn read(&mut self, queue_id: Option<&str>) {
        let Some(taken) = &self.taken else { return };
        let material = Material {
            config: Arc::clone(&self.active.config),
            taken: Arc::clone(taken),
            sender: self.opening.sender.clone(),
            facts: Arc::clone(&self.facts),
            truncated: self.is_truncated(),
            body: std::mem::take(&mut self.body),
            size: self.opening.announced_size(),
            unread: self.unread,
        };
        let (so_far, journal) = (SoFar::default(), Arc::new(Mutex::new(MailDetails::default())));
        let job = {
            let (so_far, journal) = (so_far.clone(), Arc::clone(&journal));
            move |net: &Net| material.read(net, &so_far, &journal)
        };
        let done = self.active.readers.apart(self.active.config.milter.deadline, job).await;
        let seen = so_far.seen();
        self.advice = seen.advice.unwrap_or_else(|| Advice::none(Unread::Panic));
        for (place, why) in seen.missed {
            self.active.unread(Pass::Handoff, place, why, queue_id);
        }
        if let Err(why) = done {
            self.advice.because(why);
            let place = seen.at.unwrap_or(Place::Message);
            self.active.unread(Pass::Handoff, place, why, queue_id);
        }
        let mut journal = journal.lock().unwrap_or_else(PoisonError::into_inner);
        self.mail = std::mem::take(&mut *journal);
    }

    fn finish(self, queue_id: Option<&str>) -> (Plan, Record) {
        let config = &self.active.config;
        let record = |mail, outcome| Record {
            queue_id: queue_id.map(str::to_owned),
            sender: self.active.sender(&self.opening.sender),
            mail,
            outcome,
        };
        let Some((accepted, path)) = self.taken.as_deref() else {
            let outcome = PassOutcome::Undecided(journal::Pass::Handoff, "no-recipient");
            return record(MailDetails::default(), outcome).deferred();
        };
        let pass = match accepted {
            Accepted::Handoff { token, .. } => pass_of(token.way),
            Accepted::GivenUp(given) => pass_of(given.token.way),
            Accepted::Report { .. } | Accepted::ProbeReport { .. } | Accepted::Stray(_) => {
                journal::Pass::Handoff
            }
            // It is of outgoing mail: no copy for a recruiting system.
            Accepted::Returned { .. } => journal::Pass::Submission,
        };
        let arrival = Arrival {
            accepted,
            path,
            sender: &self.opening.sender,
            facts: &self.facts,
            body: &[],
            truncated: false,
            size: self.opening.announced_size(),
        };
        let decision = {
            let mut budget = self.active.budget.lock().unwrap_or_else(PoisonError::into_inner);
            decide(&config.rules, &config.keys, now(), &arrival, &self.advice, &mut budget)
        };
        match decision {
            Some(decision) => {
                let forged = self.facts.forged().len();
                let plan = decision.plan.clone();
                // A report is nobody's.
                let size = decision.reading.is_some().then(|| self.opening.announced_size());
                let mail = MailDetails { size: size.flatten(), ..self.mail };
                let outcome = PassOutcome::Decided { pass, decision: Box::new(decision), forged };
                (plan, record(mail, outcome))
            }
            None => {
                record(MailDetails::default(), PassOutcome::Undecided(pass, "no-token")).deferred()
            }
        }
    }
}

impl Handoff {
    /// A message begins.
    pub(super) fn begin(active: &Arc<Active>, opening: Opening) -> Self {
        Self {
            active: Arc::clone(active),
            opening,
            taken: None,
            facts: Arc::default(),
            need: None,
            body: Vec::new(),
            unread: None,
            advice: Advice::none(Unread::Panic),
            mail: MailDetails::default(),
        }
    }

    /// How much of the body is of use, by the header.
    async fn body_need(&mut self, taken: Arc<(Accepted, RawPath)>) -> BodyNeed {
        let (config, facts) = (Arc::clone(&self.active.config), Arc::clone(&self.facts));
        let sender = self.opening.sender.clone();
        let look = move |net: &Net| {
            net.read(Place::Need, || body_need(&config.rules, &taken.0, &sender, &facts))
        };
        let looked = self.active.readers.apart(self.active.config.milter.deadline, look).await;
        looked.and_then(|need| need).unwrap_or_else(|why| {
            self.missed(Place::Need, why, None);
            BodyNeed::Nothing
        })
    }

    /// Something in the header could not be read, so that the message is not.
    fn missed(&mut self, place: Place, why: Unread, queue_id: Option<&str>) {
        self.unread = self.unread.or(Some(why));
        self.active.unread(Pass::Handoff, place, why, queue_id);
    }

    /// Whether there may be more of the body than was taken.
    fn is_truncated(&self) -> bool {
        matches!(self.need, Some(BodyNeed::UpTo(most)) if self.body.len() >= most)
    }
}

/// A message on the thread that reads it.
struct Material {
    config: Arc<Config>,
    taken: Arc<(Accepted, RawPath)>,
    sender: RawPath,
    facts: Arc<Facts>,
    body: Vec<u8>,
    truncated: bool,
    size: Option<u64>,
    /// Why it is to stay unread.
    unread: Option<Unread>,
}

impl Material {
    /// Reads it, first for the decision and then for the journal.
    fn read(&self, net: &Net, so_far: &SoFar, journal: &Mutex<MailDetails>) {
        let (rules, keys) = (&self.config.rules, &self.config.keys);
        let arrival = Arrival {
            accepted: &self.taken.0,
            path: &self.taken.1,
            sender: &self.sender,
            facts: &self.facts,
            body: &self.body,
            truncated: self.truncated,
            size: self.size,
        };
        let advice = net.advise(rules, keys, &arrival, self.unread, so_far);
        if !matches!(&self.taken.0, Accepted::Handoff { token, .. } if token.way != Way::Return) {
            return;
        }
        so_far.see(|seen| seen.at = Some(Place::Journal));
        let reading = advice.reading().filter(|_| !advice.is_probe());
        let read = net.read(Place::Journal, || MailDetails {
            size: None,
            subjects: subject::of_mail(rules, keys, &self.sender, reading),
            message: subject::message_of(keys, &self.facts),
        });
        match read {
            Ok(mail) => *journal.lock().unwrap_or_else(PoisonError::into_inner) = mail,
            Err(why) => so_far.see(|seen| seen.missed.push((Place::Journal, why))),
        }
    }
}

/// What an smtpd service of ours is for. None where the configuration has no such service: Postfix
/// may not have been told yet of another port.
fn door(config: &Config, server: SocketAddr) -> Option<Way> {
    [(config.handoff.smtpd, Way::Forward), (config.handoff.return_smtpd, Way::Return)]
        .into_iter()
        .find_map(|(service, way)| (service == server).then_some(way))
}

fn pass_of(way: Way) -> journal::Pass {
    match way {
        Way::Forward | Way::Unwrap => journal::Pass::Handoff,
        Way::Return => journal::Pass::Return,
    }
}
