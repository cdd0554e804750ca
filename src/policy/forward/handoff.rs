//! A copy on its way to the recruiting system: whether it goes on, and as what.
//!
//! Must not know how what it goes by was read.
// SPDX-License-Identifier: GPL-3.0-or-later

use super::advice::{self, Advice, may_answer};
use super::give_back::{give_back, to_person};
use super::unwrap::to_agent;
use super::{Action, Arrival, Decision, Reason};
use crate::mail::{Address, Notify, OwnField};
use crate::plan::{Plan, Reply, Ret};
use crate::policy::applicant::Reading;
use crate::policy::budget::Budget;
use crate::policy::keys::Keys;
use crate::policy::kind::{self, Kind};
use crate::policy::outcome::Outcome;
use crate::policy::probe::Probe;
use crate::policy::rules::{AddressRule, Probes, Rules};
use crate::policy::seal::{SEAL, seal};
use crate::policy::tags::{About, tags};
use crate::policy::token::{Bounce, Flags, Handoff};
use crate::policy::unread::Unread;

/// A copy, and what is known of it.
struct InHand<'a> {
    rules: &'a Rules,
    keys: &'a Keys,
    now: u64,
    arrival: &'a Arrival<'a>,
    advice: &'a Advice,
    token: Handoff,
    /// The recruiting address, and its rule.
    address: &'a Address,
    rule: &'a AddressRule,
    /// The probe that it is.
    probe: Option<Probe>,
    /// Whether it is a probe that was accepted before, and so is none now.
    replayed: bool,
    /// What was read in it, or is said in place of that.
    reading: Reading,
    unread: Option<Unread>,
    /// What is configured for its kind.
    action: kind::Action,
}

/// Decides on a copy.
pub(super) fn handoff(
    rules: &Rules,
    keys: &Keys,
    now: u64,
    (arrival, advice): (&Arrival<'_>, &Advice),
    budget: &mut Budget,
    token: &Handoff,
    address: &Address,
) -> Option<Decision> {
    let (_, rule) = rules.lookup(address.as_str())?;
    let probe = advice.probe.filter(|p| p.is_for(address));
    let replayed = probe.is_some_and(|probe| !budget.probes.is_first(probe.id, token.id, now));
    let probe = probe.filter(|_| !replayed);
    let flags = Flags {
        // Pass 1 has taken a probe away from its recruiting address. What is none now has to go back
        // there.
        kept: token.flags.kept && !replayed,
        companion: token.flags.companion && rules.leads_still(token.leader, rule),
        ..token.flags
    };
    let token = Handoff { flags, ..*token };
    let (reading, unread) = match &advice.reading {
        _ if probe.is_some() => (Reading::of_probe(), None),
        Ok(reading) => (reading.clone(), None),
        Err(why) => (Reading::unread(*why), Some(*why)),
    };
    // What nobody could read goes on: somebody there has to look at it.
    let action = match unread {
        Some(_) => kind::Action::Forward,
        None => advice::action(&token, rule, &reading),
    };
    let copy = InHand {
        rules,
        keys,
        now,
        arrival,
        advice,
        token,
        address,
        rule,
        probe,
        replayed,
        reading,
        unread,
        action,
    };
    copy.decide(budget)
}

impl InHand<'_> {
    fn decide(self, budget: &mut Budget) -> Option<Decision> {
        let may_loop = self.may_loop();
        let stays = self.stays(may_loop, budget);
        let (plan, done) = match stays {
            Some(why) => self.back(why)?,
            None => self.on(may_loop)?,
        };
        let reason = stays.unwrap_or(self.unread.map_or(Reason::Rule, Reason::Unread));
        let decision = Decision::new(plan, done, reason);
        let system = self.rules.system(self.rule).id.clone();
        let mut decision = decision.of_copy(self.token.id, self.address, Some(system));
        decision.reading = Some(self.reading);
        decision.probe = self.probe.map(|probe| probe.id);
        Some(decision)
    }

    /// Whether it may be a round of a loop.
    fn may_loop(&self) -> bool {
        let advice = self.advice;
        let in_doubt = || may_answer(self.rules, self.arrival.sender);
        !self.token.flags.outbound
            && self.probe.is_none()
            && (self.reading.kind == Kind::SystemTest
                || (advice.sealed.is_none() && self.arrival.facts.own(SEAL).next().is_some())
                || advice.ours.unwrap_or_else(in_doubt)
                || (self.unread.is_some() && advice.system.unwrap_or_else(in_doubt)))
    }

    /// Why it does not go on, if it does not.
    fn stays(&self, may_loop: bool, budget: &mut Budget) -> Option<Reason> {
        let key = || self.rule.pattern.key();
        if self.arrival.facts.has_too_many_forged() {
            Some(Reason::TooManyForged)
        } else if self.replayed {
            Some(Reason::ProbeReplayed)
        } else if self.probe.is_some() {
            None
        } else if self.advice.sealed == Some(true) {
            Some(Reason::Sealed)
        } else if self.token.flags.own_login {
            Some(Reason::OwnLogin)
        } else if matches!(self.action, kind::Action::Keep | kind::Action::ToPerson) {
            Some(Reason::Kind)
        } else if may_loop
            && !self.token.flags.companion
            && !budget.allow(&key(), self.token.id, self.now, self.rules.loop_budget)
        {
            Some(Reason::LoopBudget)
        } else {
            None
        }
    }

    /// Where it goes that does not go on.
    fn back(&self, why: Reason) -> Option<(Plan, Action)> {
        let Self { rules, keys, arrival, token, address, .. } = self;
        Some(if why == Reason::Kind && self.is_for_person() {
            (to_person(rules, keys, arrival, token, address)?, Action::Copy(Outcome::ToPerson))
        } else if token.flags.kept {
            (Plan::only(Reply::Discard), Action::Copy(Outcome::Kept))
        } else {
            (give_back(rules, keys, arrival, token, address)?, Action::Copy(Outcome::Returned))
        })
    }

    /// Whether a person is to look at it who does not get it anyway.
    fn is_for_person(&self) -> bool {
        let Some(person) = &self.rule.person else { return false };
        let is_kept = self.token.flags.kept;
        let gets_it_anyway = if is_kept { Some(self.address) } else { self.rule.fallback.as_ref() };
        self.action == kind::Action::ToPerson
            && !self.token.flags.companion
            && gets_it_anyway.is_none_or(|other| other.key() != person.key())
    }

    /// Where it goes that goes on.
    fn on(&self, may_loop: bool) -> Option<(Plan, Action)> {
        let Self { rules, keys, arrival, token, address, .. } = self;
        let is_unread = self.unread.is_some();
        Some(if token.flags.companion && (may_loop || is_unread) {
            // The leading copy may have spent its budget, or have been read and stay here: then this
            // one must not end here.
            (give_back(rules, keys, arrival, token, address)?, Action::Copy(Outcome::Returned))
        } else if self.probe.is_some() && rules.probes == Probes::Stop {
            (Plan::only(Reply::Discard), Action::Copy(Outcome::ProbeArrived))
        } else if token.flags.companion {
            (Plan::only(Reply::Discard), Action::Copy(Outcome::Merged))
        } else if self.advice.opens && !is_unread {
            (to_agent(rules, keys, arrival, token, address)?, Action::Copy(Outcome::Unwrapping))
        } else {
            (self.to_system(self.tags()?)?, Action::Copy(Outcome::HandedOver))
        })
    }

    /// The fields that tell what was read.
    fn tags(&self) -> Option<Vec<OwnField>> {
        match &self.advice.tags {
            Some(tags) if self.unread.is_none() && self.probe.is_none() => Some(tags.clone()),
            _ => tags(&About {
                system: &self.rules.system(self.rule).id,
                address: self.address,
                sender: self.arrival.sender,
                reading: &self.reading,
                action: self.action,
                unread: self.unread.is_some(),
            }),
        }
    }

    /// The edits that make it the recruiting system's.
    fn to_system(&self, mut tags: Vec<OwnField>) -> Option<Plan> {
        let Self { rules, keys, arrival, token, .. } = self;
        let rule = self.rule.tag();
        let extension = Bounce { id: token.id, flags: token.flags, rule }.extension(keys)?;
        let base = rules.bounce.as_ref()?;
        let delimiter = rules.delimiters.chars().next()?;
        let sender = format!("{}{delimiter}{extension}@{}", base.local_part(), base.domain());
        // Where no copy is kept the report is the last one: it must bring the message back.
        let ret = if token.flags.kept { Ret::Hdrs } else { Ret::Full };
        // Both stay in the copy on its way out of here.
        let inbound = rules.system(self.rule).inbound.in_ascii();
        let mut plan = arrival.led_to(inbound, Notify::Always, &self.address.in_ascii());
        plan.chg_from(Address::parse(&sender).ok()?, extension, ret);
        for (name, index) in arrival.facts.forged() {
            plan.del_header(name, index);
        }
        tags.insert(0, seal(keys, self.now, &tags, arrival.facts)?);
        plan.fields(tags);
        Some(plan.build())
    }
}
