//! Pass 2: a handoff that came round through Postfix. It goes on to the recruiting system with our
//! fields and a bounce address as its sender; or back to local delivery; or, where its recruiting
//! address has its own copy, no further.
//!
//! A genuine handoff is never refused: its sender is still the applicant, who would get a report
//! from the inside of the company. What cannot be decided now is 4xx and waits in the queue, but not
//! until it is gone: see `give_up`.
// SPDX-License-Identifier: GPL-3.0-or-later

use super::applicant::{Context, Evidence, Reading};
use super::budget::Budget;
use super::facts::Facts;
use super::keys::Keys;
use super::outcome::Outcome;
use super::probe::Probe;
use super::report::{Report, Said};
use super::rules::{AddressRule, Rules};
use super::seal::UNSIGNED;
use super::token::{
    BOUNCE_LIFE, Bounce, Handoff, OutgoingBounce, TokenError, TokenId, UNWRAP_LETTER, Way,
};
use super::unread::Unread;
use crate::mail::address::split_extension;
use crate::mail::domain::same_domain;
use crate::mail::{Address, FieldBody, Notify, Orcpt, OwnField, OwnName, RawPath, Recipient};
use crate::plan::{Plan, PlanBuilder, Reply, ReplyText};

pub use advice::{Advice, Piece, body_need, need_by_token, places, read};
pub use give_up::{GivenUp, Stray};
use give_up::{give_up, instead_of, on_stray};
use handoff::handoff;
use reports::{on_probe_report, on_report, on_returned};

/// A recipient that pass 2 takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// A copy on its way to the system, or back.
    Handoff {
        /// What its token says.
        token: Handoff,
        /// The recruiting address.
        address: Address,
    },
    /// A message to the bounce address.
    Report {
        /// The copy it is for, if the address holds a token of ours.
        token: Result<Bounce, TokenError>,
    },
    /// Something that came back to the sender of a probe.
    ProbeReport {
        /// The probe, if the address holds a token of ours.
        probe: Result<Probe, TokenError>,
    },
    /// Something that came back from outgoing mail.
    Returned {
        /// The message it is for, if the address holds a token of ours.
        token: Result<OutgoingBounce, TokenError>,
    },
    /// A handoff that cannot be decided and has waited long enough.
    GivenUp(GivenUp),
    /// Something that came to a bounce address whose key is not known.
    Stray(Stray),
}

/// Why a recipient is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Not an address that we made.
    NotOurs,
    /// Signed with a key that is not (any longer) in the key file.
    UnknownKey(u8),
    /// The recruiting address is not (any longer) in the configuration.
    UnknownAddress,
    /// Older than a handoff can be that is still under way.
    Expired,
    /// Meant for the other of the two smtpd services behind the handoff.
    OtherWay,
    /// A second recipient: each copy must come by itself, since header and sender are one's own.
    OneAtATime,
}

impl Refusal {
    /// What the client is told.
    pub fn reply(self) -> Reply {
        match self {
            Self::NotOurs => Reply::Reject(ReplyText::NotOurs),
            Self::UnknownKey(_) | Self::UnknownAddress | Self::Expired | Self::OtherWay => {
                Reply::Tempfail(ReplyText::UnknownHandoff)
            }
            Self::OneAtATime => Reply::Tempfail(ReplyText::OneAtATime),
        }
    }
}

/// Looks at a recipient of the smtpd services behind the handoff. `now` in seconds since 1970;
/// `door` is what the service is for, where that is known.
pub fn recipient(
    rules: &Rules,
    keys: &Keys,
    now: u64,
    door: Option<Way>,
    recipient: &Recipient,
) -> Result<Accepted, Refusal> {
    let resolved = &recipient.resolved;
    let (local, domain) = resolved.rsplit_once('@').ok_or(Refusal::NotOurs)?;
    let is = |wanted: &str| same_domain(domain, wanted);
    // Postfix: a virtual alias sends the bounce address here in the handoff domain; where the site
    // routes it by transport_maps it comes under its own.
    if let Some(bounce) = &rules.bounce
        && (is(&rules.handoff_domain) || is(bounce.domain()))
    {
        let (base, extension) = split_extension(local, &rules.delimiters).unwrap_or((local, ""));
        if base.eq_ignore_ascii_case(bounce.local_part()) {
            if OutgoingBounce::is_meant(extension) {
                let token = OutgoingBounce::parse(extension, keys, now);
                let unknown = matches!(token, Err(TokenError::UnknownKey(_) | TokenError::NotOurs));
                let stray = unknown.then(|| Stray::of_outgoing(rules, extension)).flatten();
                return Ok(stray.map_or(Accepted::Returned { token }, Accepted::Stray));
            }
            if Probe::is_meant(extension) {
                let probe = Probe::parse(extension, keys, now, BOUNCE_LIFE);
                return Ok(Accepted::ProbeReport { probe });
            }
            let token = Bounce::parse(extension, keys, now);
            let unknown = matches!(token, Err(TokenError::UnknownKey(_) | TokenError::NotOurs));
            let stray = unknown.then(|| Stray::of_copy(rules, extension)).flatten();
            return Ok(stray.map_or(Accepted::Report { token }, Accepted::Stray));
        }
    }
    let way = match () {
        () if is(&rules.handoff_domain) && leads_to_agent(local) => Way::Unwrap,
        () if is(&rules.handoff_domain) => Way::Forward,
        () if is(&rules.return_domain) => Way::Return,
        () => return Err(Refusal::NotOurs),
    };
    let address = recipient.orcpt().map(|orcpt| orcpt.address().clone());
    let found = genuine(rules, keys, now, door, (way, local), address.as_ref());
    found.or_else(|refusal| instead_of(refusal, rules, now, (way, local), address))
}

/// A handoff that can be decided. `named` is the address that it names as the recruiting address.
fn genuine(
    rules: &Rules,
    keys: &Keys,
    now: u64,
    door: Option<Way>,
    (way, local): (Way, &str),
    named: Option<&Address>,
) -> Result<Accepted, Refusal> {
    let address = named.ok_or(Refusal::NotOurs)?;
    let token = Handoff::parse(way, local, keys, address, now).map_err(|error| match error {
        TokenError::UnknownKey(id) => Refusal::UnknownKey(id),
        TokenError::Expired => Refusal::Expired,
        TokenError::NotOurs => Refusal::NotOurs,
    })?;
    // What is back from the agent comes by the same door as what was never there.
    if door.is_some_and(|door| (door == Way::Return) != (way == Way::Return)) {
        return Err(Refusal::OtherWay);
    }
    // What is on its way back gets there, whatever became of the configuration meanwhile.
    if way != Way::Return && rules.lookup(address.as_str()).is_none() {
        return Err(Refusal::UnknownAddress);
    }
    Ok(Accepted::Handoff { token, address: address.clone() })
}

/// Whether a local-part in the handoff domain is, by its first letter, one that leads to the agent.
fn leads_to_agent(local: &str) -> bool {
    local.chars().next().is_some_and(|first| first.eq_ignore_ascii_case(&UNWRAP_LETTER))
}

/// What was decided on a message behind the handoff.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// What became of a copy.
    Copy(Outcome),
    /// A report was read and ends here.
    ReportRead,
    /// A report goes to where somebody sees it, with the message in it: what it is about has failed.
    ReportReturned,
    /// A message to a bounce address that is no report on mail of ours ends here.
    Discarded,
}

impl Action {
    /// The word for logs and the journal.
    pub fn word(self) -> &'static str {
        match self {
            Self::Copy(outcome) => outcome.word(),
            Self::ReportRead | Self::ReportReturned => "report",
            Self::Discarded => "discarded",
        }
    }
}

/// Why it was decided so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// As configured.
    Rule,
    /// What is configured for mail of its kind.
    Kind,
    /// The message carries a seal of ours: it was forwarded before.
    Sealed,
    /// More mail came from the system's own address than an hour's budget: a loop, it seems.
    LoopBudget,
    /// The system sent it by its own login.
    OwnLogin,
    /// A probe of ours that was accepted before.
    ProbeReplayed,
    /// Hundreds of fields claim to be ours.
    TooManyForged,
    /// Not from the null sender, or without a token of ours.
    NotOurs,
    /// The token's time is over.
    Expired,
    /// The token's key is not in the key file.
    UnknownKey,
    /// The same, and more such mail came in an hour than is given to somebody.
    UnknownKeyBudget,
    /// The recruiting address is not (any longer) in the configuration.
    UnknownAddress,
    /// It came to the other of the two smtpd services behind the handoff.
    OtherWay,
    /// It came back from outgoing mail, and is no report.
    NoReport,
    /// It could not be read, and goes on for review.
    Unread(Unread),
    /// What the report says.
    Report(Said),
}

impl Reason {
    /// The word for logs and the journal.
    pub fn word(self) -> &'static str {
        match self {
            Self::Rule => "rule",
            Self::Kind => "kind",
            Self::Sealed => "sealed",
            Self::LoopBudget => "loop-budget",
            Self::OwnLogin => "own-login",
            Self::ProbeReplayed => "probe-replayed",
            Self::TooManyForged => "too-many-forged",
            Self::NotOurs => "not-ours",
            Self::Expired => "expired",
            Self::UnknownKey => "unknown-key",
            Self::UnknownKeyBudget => "unknown-key-budget",
            Self::UnknownAddress => "unknown-address",
            Self::OtherWay => "other-way",
            Self::NoReport => "no-report",
            Self::Unread(why) => why.reason(),
            Self::Report(outcome) => outcome.word(),
        }
    }
}

/// A message at the end of pass 2.
#[derive(Debug)]
pub struct Arrival<'a> {
    /// What [`recipient`] said.
    pub accepted: &'a Accepted,
    /// The argument of its RCPT TO.
    pub path: &'a RawPath,
    /// The envelope sender.
    pub sender: &'a RawPath,
    /// The header.
    pub facts: &'a Facts,
    /// The beginning of the body, as far as it is needed ([`body_need`]).
    pub body: &'a [u8],
    /// Whether the body goes on where `body` ends.
    pub truncated: bool,
    /// The size that MAIL FROM announced (RFC 1870), if it did.
    pub size: Option<u64>,
}

impl Arrival<'_> {
    /// The beginning of a plan that sends the copy elsewhere; `address` is the recruiting address.
    fn led_to(&self, to: Address, notify: Notify, address: &Address) -> PlanBuilder {
        let mut plan = PlanBuilder::default();
        plan.replace_rcpt(self.path.clone(), to, notify, Some(Orcpt::new(address.clone())));
        plan
    }

    /// The same for a message that does not go to the recruiting system. The signer that comes after
    /// us signs what has our fields, and these here are forged, or of a copy that came back: they stay,
    /// and a further one tells it to keep off.
    fn led_back(
        &self,
        rules: &Rules,
        to: Address,
        notify: Notify,
        address: &Address,
    ) -> Option<PlanBuilder> {
        let mut plan = self.led_to(to, notify, address);
        if rules.signs_copies && self.facts.has_own() {
            // An address, since a signer looks for a domain in it: one that nobody has a key for.
            let body = FieldBody::new(format!("not-a-copy@{}", rules.return_domain)).ok()?;
            plan.fields(vec![OwnField { name: OwnName::ours(UNSIGNED), body }]);
        }
        Some(plan)
    }
}

/// What pass 1 saw of the client.
fn evidence(token: &Handoff) -> Evidence {
    Evidence { login: token.flags.authenticated, internal_client: token.flags.internal }
}

/// What a message is read against. `sender` is the envelope sender without brackets.
pub(crate) fn context<'a>(rules: &'a Rules, evidence: Evidence, sender: &'a str) -> Context<'a> {
    Context {
        rules,
        evidence,
        sender: Some(sender),
        probe: false,
        verdicts: &rules.reading.verdicts,
        boards: &rules.reading.boards,
        limit: rules.reading.limit,
    }
}

/// The outcome of pass 2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What to do.
    pub plan: Plan,
    /// In a word.
    pub action: Action,
    /// Why.
    pub reason: Reason,
    /// The copy, where one is known.
    pub token: Option<TokenId>,
    /// The recruiting address, where it is known.
    pub address: Option<String>,
    /// The system's name, where it is known.
    pub system: Option<String>,
    /// What was read in the message, where it was read.
    pub reading: Option<Reading>,
    /// What a report says.
    pub report: Option<Report>,
    /// The probe that it is, or is a report on.
    pub probe: Option<TokenId>,
    /// Where it goes, if that is not what its recruiting address says.
    pub given_to: Option<Address>,
    /// Whether it is the first in an hour that ends because strangers have spent their budget.
    pub over_budget: bool,
}

/// Reads a message and decides on it. `now` in seconds since 1970. None only if a token cannot be
/// made: no key, or an address of the configuration has no room for it.
#[allow(dead_code, reason = "tests decide in one step")]
pub fn forward(
    rules: &Rules,
    keys: &Keys,
    now: u64,
    arrival: &Arrival<'_>,
    budget: &mut Budget,
) -> Option<Decision> {
    decide(rules, keys, now, arrival, &Advice::of(rules, keys, arrival), budget)
}

/// Decides on a message by what was read in it, or without.
pub fn decide(
    rules: &Rules,
    keys: &Keys,
    now: u64,
    arrival: &Arrival<'_>,
    advice: &Advice,
    budget: &mut Budget,
) -> Option<Decision> {
    match arrival.accepted {
        Accepted::Handoff { token, address } if token.way == Way::Return => {
            let rule = rules.lookup(address.as_str()).map(|(_, rule)| rule);
            let person = rule.filter(|_| token.flags.person).and_then(|rule| rule.person.as_ref());
            let fallback = || rule.and_then(|rule| rule.fallback.as_ref()).map(Address::in_ascii);
            let mut plan = PlanBuilder::default();
            let path = arrival.path.clone();
            if let Some(person) = person {
                // A further copy: the applicant must not hear what became of it.
                plan.replace_rcpt(path, person.in_ascii(), Notify::Never, None);
            } else {
                plan.replace_rcpt_plain(path, fallback().unwrap_or_else(|| address.clone()));
            }
            let outcome = if person.is_some() { Outcome::ToPerson } else { Outcome::Returned };
            let system = rule.map(|rule| rules.system(rule).id.clone());
            let decision = Decision::new(plan.build(), Action::Copy(outcome), Reason::Rule);
            Some(decision.of_copy(token.id, address, system))
        }
        Accepted::Handoff { token, address } => {
            handoff(rules, keys, now, (arrival, advice), budget, token, address)
        }
        Accepted::Report { token } => on_report(rules, keys, arrival, advice, *token),
        Accepted::ProbeReport { probe } => Some(on_probe_report(arrival, advice, *probe)),
        Accepted::Returned { token } => on_returned(rules, keys, arrival, advice, token.as_ref()),
        Accepted::GivenUp(given) => give_up(rules, keys, arrival, given),
        Accepted::Stray(stray) => on_stray(rules, keys, now, arrival, stray, budget),
    }
}

impl Decision {
    /// A decision about something of which nothing more is known.
    fn new(plan: Plan, action: Action, reason: Reason) -> Self {
        Self {
            plan,
            action,
            reason,
            token: None,
            address: None,
            system: None,
            reading: None,
            report: None,
            probe: None,
            given_to: None,
            over_budget: false,
        }
    }

    /// The decision about a copy.
    fn of_copy(mut self, token: TokenId, address: &Address, system: Option<String>) -> Self {
        self.token = Some(token);
        self.address = Some(address.to_string());
        self.system = system;
        self
    }

    /// Whether somebody has to know that nothing could be decided. Not of each mail that ends at a
    /// bounce address, to which anybody can write.
    pub fn is_given_up(&self) -> bool {
        let undecidable =
            matches!(self.reason, Reason::UnknownKey | Reason::UnknownAddress | Reason::OtherWay);
        let ended = self.action == Action::Copy(Outcome::Kept) && self.reason == Reason::Expired;
        match self.action {
            Action::Discarded => self.over_budget,
            Action::Copy(Outcome::GivenUp) => true,
            _ => undecidable || ended,
        }
    }

    /// A message to a bounce address ends, whatever it is.
    fn foreign(reason: Reason) -> Self {
        Self::new(Plan::only(Reply::Discard), Action::Discarded, reason)
    }

    /// What a report is about.
    fn of_rule(&mut self, rules: &Rules, rule: Option<&AddressRule>) {
        self.address = rule.map(|rule| rule.pattern.to_string());
        self.system = rule.map(|rule| rules.system(rule).id.clone());
    }
}

mod advice;
mod give_back;
mod give_up;
#[cfg(test)]
mod give_up_tests;
mod handoff;
#[cfg(test)]
mod ladder_tests;
#[cfg(test)]
mod outgoing_tests;
#[cfg(test)]
mod probe_tests;
mod reports;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod unread_tests;
mod unwrap;
