//! The ladder of reasons for which a copy does not go on: what outweighs what.
//!
//! Each row has the sign of one rung and of all below it. The order is meaning: a probe that was seen before is
//! looked at ahead of its seal, a seal ahead of what the mail says of itself. Two rungs in another order fail.
// SPDX-License-Identifier: GPL-3.0-or-later

use super::tests::{KEPT, NOW, decide_by, facts, handoff_to, token};
use super::*;
use crate::policy::testing::{address, keys, rules};
use crate::policy::token::Flags;

/// The signs, from the top rung down.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Rung {
    Flood,
    Replayed,
    Probe,
    Sealed,
    OwnLogin,
    Kind,
    Loop,
    Nothing,
}

/// A mail from one of our own addresses, as often as it may come: never.
fn decide(top: Rung) -> Decision {
    let rules = Rules { loop_budget: 0, ..rules() };
    let has = |rung| top <= rung && top != Rung::Nothing;
    let author = if has(Rung::Loop) { "jobs@acme.example" } else { "erika@example.org" };
    let from = format!(" {author}");
    let mut fields = vec![("From", from.as_str()), ("Message-ID", " <1@x>")];
    let sealed = sealed(&rules, &fields);
    if has(Rung::Kind) {
        fields.push(("Auto-Submitted", " auto-replied"));
    }
    if has(Rung::Sealed) {
        fields.extend(sealed.iter().map(|(name, body)| (name.as_str(), body.as_str())));
    }
    if has(Rung::Flood) {
        fields.extend([("X-Recruiting-Kind", " a"); 201]);
    }
    let id = TokenId { time: u32::try_from(NOW).unwrap(), nonce: [5; 6] };
    let probe = Probe::new(id, &address("jobs@acme.example"));
    let sender = match probe.sender(&rules, &keys()) {
        Some(probe) if has(Rung::Probe) => format!("<{probe}>"),
        _ => format!("<{author}>"),
    };
    let mut budget = Budget::default();
    if has(Rung::Replayed) {
        let mut other = token(Way::Forward, KEPT);
        other.id.nonce = [9; 6];
        decide_by(
            &rules,
            &handoff_to("jobs@acme.example", other),
            &sender,
            &facts(&fields),
            "",
            &mut budget,
        );
    }
    let flags = Flags { own_login: has(Rung::OwnLogin), ..KEPT };
    let to = handoff_to("jobs@acme.example", token(Way::Forward, flags));
    decide_by(&rules, &to, &sender, &facts(&fields), "", &mut budget)
}

/// The fields of ours that a copy of this mail has.
fn sealed(rules: &Rules, fields: &[(&str, &str)]) -> Vec<(String, String)> {
    let rules = Rules { loop_budget: 9, ..rules.clone() };
    let to = handoff_to("jobs@acme.example", token(Way::Forward, KEPT));
    let copy = decide_by(&rules, &to, "<e@x.example>", &facts(fields), "", &mut Budget::default());
    let ours = copy.plan.edits().iter().filter_map(|edit| match edit {
        crate::plan::Edit::InsHeader { field } => Some(field),
        _ => None,
    });
    let text = |body: &[u8]| String::from_utf8_lossy(body).into_owned();
    ours.map(|field| (field.name.to_string(), text(&field.to_field().body))).collect()
}

#[test]
fn each_rung_outweighs_all_below_it() {
    for (top, reason, outcome) in [
        (Rung::Flood, Reason::TooManyForged, Outcome::Returned),
        (Rung::Replayed, Reason::ProbeReplayed, Outcome::Returned),
        (Rung::Probe, Reason::Rule, Outcome::ProbeArrived),
        (Rung::Sealed, Reason::Sealed, Outcome::Kept),
        (Rung::OwnLogin, Reason::OwnLogin, Outcome::Kept),
        (Rung::Kind, Reason::Kind, Outcome::Kept),
        (Rung::Loop, Reason::LoopBudget, Outcome::Kept),
        (Rung::Nothing, Reason::Rule, Outcome::HandedOver),
    ] {
        let decision = decide(top);
        assert_eq!((decision.reason, decision.action), (reason, Action::Copy(outcome)));
    }
}
