//! What comes to a bounce address: reports on copies, on probes, and what outgoing mail comes back to.
// SPDX-License-Identifier: GPL-3.0-or-later

use super::give_back::give_back;
use super::{Action, Advice, Arrival, Decision, Reason};
use crate::mail::Address;
use crate::plan::{Plan, Reply};
use crate::policy::keys::Keys;
use crate::policy::outbound::bounce;
use crate::policy::probe::Probe;
use crate::policy::report::{Report, Said};
use crate::policy::rules::Rules;
use crate::policy::token::{Bounce, Flags, Handoff, OutgoingBounce, TokenError, Way};

pub(super) fn on_report(
    rules: &Rules,
    keys: &Keys,
    arrival: &Arrival<'_>,
    advice: &Advice,
    token: Result<Bounce, TokenError>,
) -> Option<Decision> {
    let token = match token {
        // RFC 3461 6.1: a report has the null sender. Anything else is not one.
        Ok(token) if arrival.sender.is_null() => token,
        Ok(_) | Err(TokenError::NotOurs) => {
            return Some(Decision::foreign(Reason::NotOurs));
        }
        // A key that is gone is no matter of a report: see `give_up`.
        Err(TokenError::UnknownKey(_) | TokenError::Expired) => {
            return Some(Decision::foreign(Reason::Expired));
        }
    };
    // What could not be read may be the last that is heard of the copy, like what says nothing.
    let (report, reason) = told(advice);
    let outcome = report.outcome;
    let discard = Plan::only(Reply::Discard);
    let mut decision = Decision::new(discard, Action::ReportRead, reason);
    decision.token = Some(token.id);
    decision.report = Some(report);
    let rule = rules.by_tag(token.rule);
    decision.of_rule(rules, rule);
    // The recruiting system knows the bounce address, and automatic answers come to it too. But what
    // nobody can read may be the report that brings back the only copy.
    let lost = match outcome {
        Said::Failed => true,
        Said::Unknown => !advice.answer,
        Said::Delivered | Said::Relayed | Said::Delayed => false,
    };
    if lost && !token.flags.kept {
        // The only copy is in this report. Its rule may be gone.
        let to = rule.and_then(|rule| rule.fallback.as_ref()).or_else(|| rules.last_resort());
        let to = to.cloned().or_else(|| postmaster(rules))?.in_ascii();
        let handoff =
            Handoff { way: Way::Return, id: token.id, flags: token.flags, leader: [0; 4] };
        decision.plan = give_back(rules, keys, arrival, &handoff, &to)?;
        decision.action = Action::ReportReturned;
        decision.given_to = Some(to);
    }
    Some(decision)
}

/// A report on a probe, or an automatic answer to it: nothing is lost with either.
pub(super) fn on_probe_report(
    arrival: &Arrival<'_>,
    advice: &Advice,
    probe: Result<Probe, TokenError>,
) -> Decision {
    match probe {
        Ok(probe) if arrival.sender.is_null() => {
            let (report, reason) = told(advice);
            let discard = Plan::only(Reply::Discard);
            let mut decision = Decision::new(discard, Action::ReportRead, reason);
            decision.report = Some(report);
            decision.probe = Some(probe.id);
            decision
        }
        Ok(_) | Err(TokenError::NotOurs) => Decision::foreign(Reason::NotOurs),
        Err(TokenError::UnknownKey(_) | TokenError::Expired) => Decision::foreign(Reason::Expired),
    }
}

/// Whatever comes to the bounce address of an outgoing mail goes to where somebody sees it.
pub(super) fn on_returned(
    rules: &Rules,
    keys: &Keys,
    arrival: &Arrival<'_>,
    advice: &Advice,
    token: Result<&OutgoingBounce, &TokenError>,
) -> Option<Decision> {
    let token = match token {
        Ok(token) => token,
        Err(TokenError::NotOurs) => {
            return Some(Decision::foreign(Reason::NotOurs));
        }
        Err(TokenError::UnknownKey(_) | TokenError::Expired) => {
            return Some(Decision::foreign(Reason::Expired));
        }
    };
    // An automatic answer comes here as well, and is no report.
    let (reason, report) = if arrival.sender.is_null() {
        let (report, reason) = told(advice);
        (reason, Some(report))
    } else {
        (Reason::NoReport, None)
    };
    // Who had a mail of ours knows its bounce address: nothing may wait here.
    let to = bounce::goes_to(rules, token).or_else(|| rules.last_resort().cloned());
    let to = to.or_else(|| postmaster(rules))?;
    let handoff =
        Handoff { way: Way::Return, id: token.id, flags: Flags::default(), leader: [0; 4] };
    let plan = give_back(rules, keys, arrival, &handoff, &to)?;
    let mut decision = Decision::new(plan, Action::ReportReturned, reason);
    decision.given_to = Some(to);
    decision.token = Some(token.id);
    decision.report = report;
    decision.of_rule(rules, bounce::rule(rules, token));
    Some(decision)
}

/// What a report says, as the decision has it.
fn told(advice: &Advice) -> (Report, Reason) {
    match &advice.report {
        Ok(report) => (report.clone(), Reason::Report(report.outcome)),
        Err(why) => (Report::NOTHING, Reason::Unread(*why)),
    }
}

/// Whom mail can be given to where nobody is named: each domain that takes mail has one (RFC 5321 4.5.1).
fn postmaster(rules: &Rules) -> Option<Address> {
    Address::parse(&format!("postmaster@{}", rules.bounce.as_ref()?.domain())).ok()
}
