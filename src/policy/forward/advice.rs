//! What reading tells pass 2 about a message. It is advice: each piece may be missing, and then the
//! copy goes on without it.
//!
//! Must not know how a reading fails, or what is decided for want of it.
// SPDX-License-Identifier: GPL-3.0-or-later

use super::unwrap::is_to_be_unwrapped;
use super::{Accepted, Arrival, context, evidence};
use crate::mail::domain::address_key;
use crate::mail::mailbox::{Mailbox, MailboxList};
use crate::mail::{Address, OwnField, RawPath};
use crate::policy::applicant::{self, BodyNeed, Reading};
use crate::policy::facts::Facts;
use crate::policy::keys::Keys;
use crate::policy::kind::Action;
use crate::policy::probe::Probe;
use crate::policy::report::{self, Report};
use crate::policy::rules::{AddressRule, Rules};
use crate::policy::seal::is_sealed;
use crate::policy::tags::{About, tags};
use crate::policy::token::{Handoff, Way};
use crate::policy::unread::{Place, Unread};

/// What was read in a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advice {
    /// The probe that the envelope sender names.
    pub(super) probe: Option<Probe>,
    /// Whether a seal of ours holds, if that is known.
    pub(super) sealed: Option<bool>,
    /// Whether it says that it comes from ourselves, if that is known.
    pub(super) ours: Option<bool>,
    /// Whether it says that it comes from a recruiting system, if that is known.
    pub(super) system: Option<bool>,
    /// Kind and applicant.
    pub(super) reading: Result<Reading, Unread>,
    /// The fields that tell them.
    pub(super) tags: Option<Vec<OwnField>>,
    /// Whether the agent can take the attached message out.
    pub(super) opens: bool,
    /// What a delivery report says.
    pub(super) report: Result<Report, Unread>,
    /// Whether it is an automatic answer.
    pub(super) answer: bool,
}

/// One piece of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece(Found);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Found {
    Nothing,
    Probe(Option<Probe>),
    Sealed(bool),
    Author { ours: bool, system: bool },
    Message(Box<Reading>, Option<Vec<OwnField>>),
    Opens(bool),
    Report(Box<Report>, bool),
}

impl Piece {
    /// The same, read in a part of the header: what was not found there may be in the rest.
    #[must_use]
    pub fn of_a_part(self) -> Self {
        match self.0 {
            Found::Sealed(false) | Found::Author { ours: false, system: false } => {
                Self(Found::Nothing)
            }
            _ => self,
        }
    }
}

impl Advice {
    /// Nothing was read, and why.
    pub fn none(why: Unread) -> Self {
        Self {
            probe: None,
            sealed: None,
            ours: None,
            system: None,
            reading: Err(why),
            tags: None,
            opens: false,
            report: Err(why),
            answer: false,
        }
    }

    /// All of it.
    #[allow(dead_code, reason = "tests read in one step")]
    pub fn of(rules: &Rules, keys: &Keys, arrival: &Arrival<'_>) -> Self {
        let mut advice = Self::none(Unread::Panic);
        for &place in places(arrival) {
            let piece = read(place, rules, keys, arrival, &advice);
            advice.take(piece);
        }
        advice
    }

    /// Takes a piece.
    pub fn take(&mut self, piece: Piece) {
        match piece.0 {
            Found::Nothing => {}
            Found::Probe(probe) => self.probe = probe,
            Found::Sealed(sealed) => self.sealed = Some(sealed),
            Found::Author { ours, system } => {
                (self.ours, self.system) = (Some(ours), Some(system));
            }
            Found::Message(reading, tags) => (self.reading, self.tags) = (Ok(*reading), tags),
            Found::Opens(opens) => self.opens = opens,
            Found::Report(report, answer) => (self.report, self.answer) = (Ok(*report), answer),
        }
    }

    /// Whatever is missing is so for another reason.
    pub fn because(&mut self, why: Unread) {
        self.reading = std::mem::replace(&mut self.reading, Err(why)).map_err(|_| why);
        self.report = std::mem::replace(&mut self.report, Err(why)).map_err(|_| why);
    }

    /// What was read of kind and applicant.
    pub fn reading(&self) -> Option<&Reading> {
        self.reading.as_ref().ok()
    }

    /// Whether the envelope sender names a probe.
    pub fn is_probe(&self) -> bool {
        self.probe.is_some()
    }
}

/// Where a message is read, one after the other: first what can end a loop.
pub fn places(arrival: &Arrival<'_>) -> &'static [Place] {
    match arrival.accepted {
        Accepted::Handoff { token, .. } if token.way == Way::Return => &[],
        Accepted::Handoff { .. } => {
            &[Place::Sender, Place::Seal, Place::Author, Place::Message, Place::Attached]
        }
        Accepted::Report { .. } | Accepted::ProbeReport { .. } | Accepted::Returned { .. } => {
            &[Place::Report]
        }
        // Unopened.
        Accepted::GivenUp(_) | Accepted::Stray(_) => &[],
    }
}

/// Reads at one place. `before` is what the places before it have found.
pub fn read(
    place: Place,
    rules: &Rules,
    keys: &Keys,
    arrival: &Arrival<'_>,
    before: &Advice,
) -> Piece {
    if place == Place::Report {
        let answer = is_answer(arrival);
        return Piece(Found::Report(Box::new(report::read(arrival.body)), answer));
    }
    let Accepted::Handoff { token, address } = arrival.accepted else {
        return Piece(Found::Nothing);
    };
    let rule = rules.lookup(address.as_str()).map(|(_, rule)| rule);
    Piece(match place {
        // What pass 1 took for a probe is one still, however long it waited since.
        Place::Sender => {
            Found::Probe(Probe::of_sender(rules, keys, arrival.sender, u64::from(token.id.time)))
        }
        Place::Seal => Found::Sealed(is_sealed(keys, arrival.facts)),
        Place::Author => {
            let from = || mailboxes(arrival.facts, "from").into_iter();
            let sender = address_key(&arrival.sender.printable());
            Found::Author {
                ours: is_our_address(rules, &sender) || from().any(|a| is_our_address(rules, &a)),
                system: is_inbound(rules, &sender) || from().any(|a| is_inbound(rules, &a)),
            }
        }
        Place::Message => {
            let reading = reading(rules, arrival, token);
            let tags = rule.and_then(|rule| told(rules, arrival, (token, address), rule, &reading));
            Found::Message(Box::new(reading), tags)
        }
        Place::Attached => {
            let opens = before.reading().zip(rule).is_some_and(|(reading, rule)| {
                is_to_be_unwrapped(rules, keys, rule, arrival, token, reading)
            });
            Found::Opens(opens)
        }
        _ => Found::Nothing,
    })
}

fn reading(rules: &Rules, arrival: &Arrival<'_>, token: &Handoff) -> Reading {
    let sender = arrival.sender.printable();
    let header = arrival.facts.header();
    let context = context(rules, evidence(token), &sender);
    if token.flags.outbound {
        applicant::read_outbound(header, &context)
    } else if token.flags.unwrapped {
        applicant::read_unwrapped(header, Mailbox::parse(&sender), &context)
    } else {
        applicant::read(header, arrival.body, arrival.truncated, &context)
    }
}

/// What happens with a copy by its kind. What a colleague sends goes to the system because the admin
/// said so for the address.
pub(super) fn action(token: &Handoff, rule: &AddressRule, reading: &Reading) -> Action {
    if token.flags.outbound { Action::Forward } else { rule.actions.of(reading.kind) }
}

/// The fields that tell what was read.
fn told(
    rules: &Rules,
    arrival: &Arrival<'_>,
    (token, address): (&Handoff, &Address),
    rule: &AddressRule,
    reading: &Reading,
) -> Option<Vec<OwnField>> {
    tags(&About {
        system: &rules.system(rule).id,
        address,
        sender: arrival.sender,
        reading,
        action: action(token, rule, reading),
        unread: false,
    })
}

/// How much of the body the decision needs, where the token alone says it.
pub fn need_by_token(accepted: &Accepted) -> Option<BodyNeed> {
    match accepted {
        Accepted::Report { token: Ok(_) }
        | Accepted::Returned { token: Ok(_) }
        | Accepted::ProbeReport { probe: Ok(_) } => Some(BodyNeed::UpTo(report::READ)),
        Accepted::Handoff { token, .. } if token.way != Way::Return && !token.flags.unwrapped => {
            None
        }
        _ => Some(BodyNeed::Nothing),
    }
}

/// How much of the body the decision needs.
pub fn body_need(rules: &Rules, accepted: &Accepted, sender: &RawPath, facts: &Facts) -> BodyNeed {
    if let Some(need) = need_by_token(accepted) {
        return need;
    }
    let Accepted::Handoff { token, .. } = accepted else { return BodyNeed::Nothing };
    let sender = sender.printable();
    applicant::needs_body(facts.header(), &context(rules, evidence(token), &sender))
}

/// Whether an address is a recruiting address or our bounce address: what it sends answers
/// ourselves, as loops begin.
fn is_our_address(rules: &Rules, text: &str) -> bool {
    let bounce = rules.bounce.as_ref().map(Address::key);
    rules.lookup(text).is_some() || bounce.is_some_and(|bounce| bounce == address_key(text))
}

/// Whether an address, as it is compared, is a recruiting system's inbound address.
fn is_inbound(rules: &Rules, key: &str) -> bool {
    rules.systems.iter().any(|system| system.inbound.key() == key)
}

/// What the envelope alone tells: whether it may be a round of a loop. A machine that answers does so
/// with the null sender, or as the system or we ourselves.
pub(super) fn may_answer(rules: &Rules, sender: &RawPath) -> bool {
    let key = address_key(&sender.printable());
    sender.is_null() || is_our_address(rules, &key) || is_inbound(rules, &key)
}

/// The addresses in the fields with a name, in the form in which they are compared.
fn mailboxes(facts: &Facts, name: &str) -> Vec<String> {
    let lists = facts.bodies(name).iter().map(|body| MailboxList::parse(body));
    lists.flat_map(|list| list.mailboxes).map(|mailbox| mailbox.key()).collect()
}

/// Whether a message calls itself the automatic answer of a person or program (RFC 3834 5.1), which
/// comes with the null sender like a report.
fn is_answer(arrival: &Arrival<'_>) -> bool {
    let body = arrival.facts.header().text("Auto-Submitted");
    body.is_some_and(|body| body.trim().to_ascii_lowercase().starts_with("auto-replied"))
}
