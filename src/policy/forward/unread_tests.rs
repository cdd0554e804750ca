//! Pass 2 for want of what could not be read.
// SPDX-License-Identifier: GPL-3.0-or-later

use super::tests::{KEPT, NOW, facts, handoff_to, token};
use super::*;
use crate::policy::kind::{self, Kind};
use crate::policy::testing::{keys, rules};
use crate::policy::token::{Flags, rule_tag};

const JOBS: &str = "jobs@acme.example";
const KARRIERE: &str = "karriere@acme.example";
const GONE: Flags = Flags { kept: false, ..KEPT };
const APPLICANT: &str = "<erika@example.org>";
/// All but kind and applicant was read.
const KNOWN: fn() -> Advice = || Advice {
    sealed: Some(false),
    ours: Some(false),
    system: Some(false),
    ..Advice::none(Unread::Panic)
};
const PLAIN: &[(&str, &str)] = &[("From", " Erika <erika@example.org>")];
const WITH_SEAL: &[(&str, &str)] =
    &[("From", " Erika <erika@example.org>"), ("x-recruiting-seal", " v=1; k=3")];

/// Decides on the `n`th copy.
fn nth(
    n: u8,
    rules: &Rules,
    (to, flags): (&str, Flags),
    (sender, fields): (&str, &[(&str, &str)]),
    advice: &Advice,
    budget: &mut Budget,
) -> Decision {
    let token = token(Way::Forward, flags);
    let r = handoff_to(to, Handoff { id: TokenId { nonce: [n; 6], ..token.id }, ..token });
    let accepted = recipient(rules, &keys(), NOW, None, &r).unwrap();
    let arrival = Arrival {
        accepted: &accepted,
        path: &r.path,
        sender: &RawPath::new(sender),
        facts: &facts(fields),
        body: b"",
        truncated: false,
        size: None,
    };
    super::decide(rules, &keys(), NOW, &arrival, advice, budget).unwrap()
}

fn one(to: (&str, Flags), advice: &Advice) -> Decision {
    nth(1, &rules(), to, (APPLICANT, PLAIN), advice, &mut Budget::default())
}

#[test]
fn it_goes_on_for_review_whatever_is_configured_for_its_kind() {
    let mut stays = rules();
    for rule in &mut stays.addresses {
        rule.actions.set(Kind::Application, kind::Action::Keep);
    }
    for why in Unread::ALL {
        for to in [(JOBS, KEPT), (KARRIERE, GONE)] {
            for advice in [Advice::none(why), Advice { reading: Err(why), ..KNOWN() }] {
                let d = nth(1, &stays, to, (APPLICANT, PLAIN), &advice, &mut Budget::default());
                assert_eq!(
                    (d.action, d.reason),
                    (Action::Copy(Outcome::HandedOver), Reason::Unread(why))
                );
                let text = d.plan.to_string();
                for field in ["Review applicant, unread", "Kind application"] {
                    assert!(
                        text.contains(&format!("ins_header 0 X-Recruiting-{field}\n")),
                        "{text}"
                    );
                }
                assert!(!text.contains("X-Recruiting-Applicant"), "{text}");
            }
        }
    }
}

#[test]
fn what_is_known_of_it_counts() {
    let sealed = Advice { sealed: Some(true), ..KNOWN() };
    let d = one((JOBS, KEPT), &sealed);
    assert_eq!((d.action, d.reason), (Action::Copy(Outcome::Kept), Reason::Sealed));
    let d = one((KARRIERE, GONE), &sealed);
    assert_eq!((d.action, d.reason), (Action::Copy(Outcome::Returned), Reason::Sealed));
    // Another address of the mail leads the copy, and may have been read and stay here.
    let d = one((KARRIERE, Flags { companion: true, ..GONE }), &KNOWN());
    assert_eq!(d.action, Action::Copy(Outcome::Returned));
    // Nothing is opened, nothing told of what was not read.
    let odd = Advice { opens: true, tags: Some(Vec::new()), ..KNOWN() };
    assert_eq!(one((JOBS, KEPT), &odd).action, Action::Copy(Outcome::HandedOver));
    assert!(one((JOBS, KEPT), &odd).plan.to_string().contains("X-Recruiting-Review"));
}

#[test]
fn what_may_be_a_round_of_a_loop_is_within_the_budget() {
    let nothing = Advice::none(Unread::Panic);
    let no_seal = Advice { sealed: None, ..KNOWN() };
    let system = Advice { system: Some(true), ..KNOWN() };
    for (sender, fields, advice, bounded) in [
        // An applicant's is not, though nothing is known but the envelope.
        (APPLICANT, PLAIN, KNOWN(), false),
        (APPLICANT, PLAIN, nothing.clone(), false),
        // One with a seal may be a copy of ours.
        (APPLICANT, WITH_SEAL, KNOWN(), false),
        (APPLICANT, WITH_SEAL, no_seal, true),
        (APPLICANT, WITH_SEAL, nothing.clone(), true),
        // What answers, as far as is known.
        (APPLICANT, PLAIN, Advice { ours: Some(true), ..KNOWN() }, true),
        ("<>", PLAIN, KNOWN(), false),
        ("<>", PLAIN, system, true),
        ("<>", PLAIN, nothing.clone(), true),
        ("<acme-jobs@m-personio.example>", PLAIN, nothing.clone(), true),
        ("<Jobs@acme.example>", PLAIN, nothing.clone(), true),
        ("<recruit-bounces@acme.example>", PLAIN, nothing, true),
    ] {
        let mut budget = Budget::default();
        let mut send = |n| nth(n, &rules(), (JOBS, KEPT), (sender, fields), &advice, &mut budget);
        assert_eq!(
            [send(1).action, send(2).action],
            [Action::Copy(Outcome::HandedOver); 2],
            "{sender}"
        );
        let third = send(3);
        let reason = if bounded { Reason::LoopBudget } else { Reason::Unread(Unread::Panic) };
        assert_eq!(third.reason, reason, "{sender} {advice:?}");
        assert_eq!(third.action == Action::Copy(Outcome::Kept), bounded, "{sender}");
    }
}

#[test]
fn a_report_that_cannot_be_read_is_the_last_of_the_only_copy() {
    for (flags, sender, done) in [
        (GONE, "<>", (Action::ReportReturned, Reason::Unread(Unread::Deadline))),
        (KEPT, "<>", (Action::ReportRead, Reason::Unread(Unread::Deadline))),
        (GONE, "<eve@evil.example>", (Action::Discarded, Reason::NotOurs)),
    ] {
        let id = token(Way::Forward, flags).id;
        let tag = Bounce { id, flags, rule: rule_tag(KARRIERE) }.extension(&keys()).unwrap();
        let r = Recipient::plain(&format!("recruit-bounces+{tag}@handoff.internal"));
        let accepted = recipient(&rules(), &keys(), NOW, None, &r).unwrap();
        let arrival = Arrival {
            accepted: &accepted,
            path: &r.path,
            sender: &RawPath::new(sender),
            facts: &Facts::default(),
            body: b"",
            truncated: false,
            size: None,
        };
        let advice = Advice::none(Unread::Deadline);
        let mut budget = Budget::default();
        let d = super::decide(&rules(), &keys(), NOW, &arrival, &advice, &mut budget).unwrap();
        assert_eq!((d.action, d.reason), done);
        assert!(!matches!(d.plan.reply(), Reply::Tempfail(_)));
    }
}
