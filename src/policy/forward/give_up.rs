//! Mail on which nothing can be decided, for want of a key, of an address or of time. It ends where
//! somebody sees it, unopened.
//!
//! Where it goes is what the configuration names, or what we ourselves have signed; never an address
//! that only the message names. Who can bring about which refusal, and what it leaves behind:
//!
//! | refused | by whom | what becomes of it |
//! |---|---|---|
//! | unknown key, address gone, expired, other door | whoever may use the handoff domain: Postfix on this machine, logins, `mynetworks`; nobody outside (`RM-POSTFIX-60`) | 4xx, after [`GiveUp::after`](crate::policy::rules::GiveUp) to a place that is known |
//! | not ours, in the form of a handoff (a filter lost its ORCPT, say) | the same | 5xx, which Postfix keeps for later; then as above |
//! | not ours | the same | 5xx for ever: a mail to a name that does not exist |
//! | one at a time | a bounce address that the site routes otherwise than we do | 4xx, one goes on with each attempt |
//! | bounce address, in the form of a token of ours, but no key of ours has signed it (unknown, or made anew with the same number) | anybody | from the null sender to a fallback, within a budget; all else ends |
//! | bounce address, of no form of ours, expired, not a report | anybody | ends |
//! | bounce address, genuine, its rule or route gone | who had mail of ours | to where somebody sees it, or it ends |
//! | pass 1: recipients of more octets than one message may have; edits or a decision that fail | anybody | 4xx to the client, which has the mail: nothing in our queue (of sendmail(1), a file in maildrop) |
//! | submission: limits, failures | logins | the same |
//! | pass 2: a panic, a deadline, edits that fail, no random numbers | nobody by intention | 4xx, tried again |
// SPDX-License-Identifier: GPL-3.0-or-later

use super::give_back::give_back;
use super::{Accepted, Action, Arrival, Decision, Reason, Refusal};
use crate::mail::Address;
use crate::plan::{Plan, PlanBuilder, Reply};
use crate::policy::budget::Budget;
use crate::policy::keys::Keys;
use crate::policy::outbound::bounce;
use crate::policy::outcome::Outcome;
use crate::policy::rules::Rules;
use crate::policy::token::{Bounce, Flags, Handoff, OutgoingBounce, TokenId, Way};

/// How many messages an hour whose key is not known are given to somebody.
const STRANGERS: u32 = 100;

/// A handoff that cannot be decided and has waited long enough.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenUp {
    /// What it claims.
    pub token: Handoff,
    /// Whether that is shown to be true.
    pub is_proven: bool,
    /// Why nothing can be decided.
    pub why: Reason,
    /// The recruiting address, where it is known to be one.
    pub address: Option<Address>,
    /// Where it goes; none where its recruiting address has its own copy.
    pub to: Option<Address>,
}

/// Something that came to a bounce address in the form of ours that no key of ours has signed: its key
/// is not known, or another one has its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stray {
    /// The name that it claims for itself.
    id: TokenId,
    /// Where it goes if it is a report.
    to: Option<Address>,
}

/// What becomes of a handoff in place of a refusal.
pub(super) fn instead_of(
    refusal: Refusal,
    rules: &Rules,
    now: u64,
    (way, local): (Way, &str),
    named: Option<Address>,
) -> Result<Accepted, Refusal> {
    let (is_proven, why) = match refusal {
        Refusal::UnknownKey(_) => (false, Reason::UnknownKey),
        Refusal::NotOurs => (false, Reason::NotOurs),
        Refusal::UnknownAddress => (true, Reason::UnknownAddress),
        Refusal::Expired => (true, Reason::Expired),
        Refusal::OtherWay => (true, Reason::OtherWay),
        Refusal::OneAtATime => return Err(refusal),
    };
    let token = Handoff::claimed(way, local).ok_or(refusal)?;
    // What is on its way back gets there, however long it took.
    if let (Refusal::Expired, Way::Return, Some(address)) = (refusal, way, &named) {
        return Ok(Accepted::Handoff { token, address: address.clone() });
    }
    if !rules.give_up.is_due(now, token.id) {
        return Err(refusal);
    }
    // What we have signed was a recruiting address of ours, or a place on the way back.
    let address = named.filter(|named| is_proven || rules.names(named));
    let is_kept = is_proven && token.flags.kept && way != Way::Return;
    let to = address.as_ref().or_else(|| rules.last_resort()).filter(|_| !is_kept).cloned();
    if to.is_none() && !is_kept {
        return Err(refusal);
    }
    Ok(Accepted::GivenUp(GivenUp { token, is_proven, why, address, to }))
}

/// Gives a handoff up.
pub(super) fn give_up(
    rules: &Rules,
    keys: &Keys,
    arrival: &Arrival<'_>,
    given: &GivenUp,
) -> Option<Decision> {
    let token = given.token;
    let (plan, action) = match &given.to {
        None => (Plan::only(Reply::Discard), Action::Copy(Outcome::Kept)),
        // It is where the site's aliases apply.
        Some(to) if token.way == Way::Return => {
            let mut plan = PlanBuilder::default();
            plan.replace_rcpt_plain(arrival.path.clone(), ends_at(rules, to).in_ascii());
            (plan.build(), Action::Copy(Outcome::GivenUp))
        }
        Some(to) => {
            let flags = if given.is_proven { token.flags } else { Flags::default() };
            let back = Handoff { flags, ..token };
            (give_back(rules, keys, arrival, &back, to)?, Action::Copy(Outcome::GivenUp))
        }
    };
    let mut decision = Decision::new(plan, action, given.why);
    decision.token = Some(token.id);
    decision.address = given.address.as_ref().map(ToString::to_string);
    let rule = given.address.as_ref().and_then(|address| rules.lookup(address.as_str()));
    decision.system = rule.map(|(_, rule)| rules.system(rule).id.clone());
    decision.given_to = given.to.as_ref().map(|to| ends_at(rules, to).clone());
    Some(decision)
}

/// Where a mail ends that is given back to an address.
fn ends_at<'a>(rules: &'a Rules, address: &'a Address) -> &'a Address {
    let rule = rules.lookup(address.as_str());
    rule.and_then(|(_, rule)| rule.fallback.as_ref()).unwrap_or(address)
}

impl Stray {
    /// What came to the bounce address of a copy.
    pub(super) fn of_copy(rules: &Rules, extension: &str) -> Option<Self> {
        let claimed = Bounce::claimed(extension)?;
        let rule = rules.by_tag(claimed.rule);
        let to = rule.and_then(|rule| rule.fallback.as_ref()).or_else(|| rules.last_resort());
        Some(Self { id: claimed.id, to: to.cloned() })
    }

    /// What came to the bounce address of an outgoing mail.
    pub(super) fn of_outgoing(rules: &Rules, extension: &str) -> Option<Self> {
        let claimed = OutgoingBounce::claimed(extension)?;
        let to = bounce::goes_to(rules, &claimed).or_else(|| rules.last_resort().cloned());
        Some(Self { id: claimed.id, to })
    }
}

/// Nothing waits at a bounce address for a key: anybody can write to it. A report may be a genuine
/// one, with an only copy inside; all else ends, and so do reports beyond a budget, of which somebody
/// hears once an hour.
pub(super) fn on_stray(
    rules: &Rules,
    keys: &Keys,
    now: u64,
    arrival: &Arrival<'_>,
    stray: &Stray,
    budget: &mut Budget,
) -> Option<Decision> {
    let Some(to) = stray.to.as_ref().filter(|_| arrival.sender.is_null()) else {
        return Some(Decision::foreign(Reason::UnknownKey));
    };
    if !budget.spend("to somebody", now, STRANGERS) {
        let mut decision = Decision::foreign(Reason::UnknownKeyBudget);
        decision.over_budget = budget.spend("alarm", now, 1);
        return Some(decision);
    }
    // The name is not taken over: a stranger may have chosen another copy's.
    let id = TokenId { time: u32::try_from(now).unwrap_or(u32::MAX), nonce: stray.id.nonce };
    let back = Handoff { way: Way::Return, id, flags: Flags::default(), leader: [0; 4] };
    let plan = give_back(rules, keys, arrival, &back, to)?;
    let mut decision = Decision::new(plan, Action::ReportReturned, Reason::UnknownKey);
    decision.given_to = Some(to.clone());
    Some(decision)
}
