//! What cannot be decided, as tables of cases.
// SPDX-License-Identifier: GPL-3.0-or-later

use super::tests::{KEPT, NOW, facts, handoff_to, token};
use super::*;
use crate::policy::rules::GiveUp;
use crate::policy::testing::{address, keys, rules};
use crate::policy::token::{Flags, HANDOFF_LIFE, route_mark, rule_tag};

const DAY: u64 = 24 * 3600;
const GONE: Flags = Flags { kept: false, ..KEPT };
const JOBS: &str = "jobs@acme.example";
const KARRIERE: &str = "karriere@acme.example";
const OLD: &str = "old@acme.example";
const IT: &str = "it@acme.example";

/// The rules with somebody who is told of trouble.
fn told() -> Rules {
    Rules { give_up: GiveUp { to: Some(address(IT)), ..GiveUp::default() }, ..rules() }
}

fn others() -> Keys {
    Keys::new(vec![(9, vec![9; 32])]).unwrap()
}

fn decide_on(
    rules: &Rules,
    keys: &Keys,
    now: u64,
    r: &Recipient,
    sender: &str,
    budget: &mut Budget,
) -> Result<Decision, Refusal> {
    let accepted = recipient(rules, keys, now, None, r)?;
    let arrival = Arrival {
        accepted: &accepted,
        path: &r.path,
        sender: &RawPath::new(sender),
        facts: &facts(&[("From", " e@x.example")]),
        body: b"",
        truncated: false,
        size: None,
    };
    Ok(forward(rules, keys, now, &arrival, budget).unwrap())
}

/// Where a handoff goes that came at a time: the word for it, the reason, and the place.
fn becomes(rules: &Rules, keys: &Keys, now: u64, r: &Recipient) -> String {
    let sender = "<erika@example.org>";
    match decide_on(rules, keys, now, r, sender, &mut Budget::default()) {
        Ok(d) => {
            assert!(d.is_given_up(), "{d:?}");
            let to = d.given_to.as_ref().map_or("-", Address::as_str);
            format!("{} {} {to}", d.action.word(), d.reason.word())
        }
        Err(refusal) => refusal.reply().to_string(),
    }
}

const WAITS: &str = "451 4.3.5 Handoff cannot be resolved yet";

#[test]
fn what_cannot_be_decided_waits_a_day_and_goes_where_it_is_known_to_belong() {
    // Whose handoff, whether its key is known, and what becomes of it.
    for (to, flags, known, expected) in [
        (JOBS, KEPT, false, "given-up unknown-key jobs@acme.example"),
        (KARRIERE, GONE, false, "given-up unknown-key hr@acme.example"),
        (KARRIERE, KEPT, false, "given-up unknown-key hr@acme.example"),
        (OLD, GONE, false, "given-up unknown-key it@acme.example"),
        ("eve@example.org", GONE, false, "given-up unknown-key it@acme.example"),
        ("hr@acme.example", GONE, false, "given-up unknown-key hr@acme.example"),
        // We have signed that it was a recruiting address.
        (OLD, GONE, true, "given-up unknown-address old@acme.example"),
        (OLD, KEPT, true, "kept unknown-address -"),
    ] {
        for way in [Way::Forward, Way::Unwrap] {
            let r = handoff_to(to, token(way, flags));
            let keys = if known { keys() } else { others() };
            for early in [0, DAY - 1] {
                assert_eq!(becomes(&told(), &keys, NOW + early, &r), WAITS, "{to}");
            }
            for late in [DAY, 5 * DAY] {
                assert_eq!(becomes(&told(), &keys, NOW + late, &r), expected, "{to}");
            }
        }
    }
}

#[test]
fn what_has_expired_is_given_up_at_once() {
    let late = NOW + HANDOFF_LIFE + 1;
    for (to, flags, expected) in [
        (JOBS, GONE, "given-up expired jobs@acme.example"),
        (KARRIERE, GONE, "given-up expired hr@acme.example"),
        (OLD, GONE, "given-up expired old@acme.example"),
    ] {
        let r = handoff_to(to, token(Way::Forward, flags));
        assert_eq!(becomes(&told(), &keys(), late, &r), expected);
    }
    let kept = handoff_to(JOBS, token(Way::Forward, KEPT));
    let d = decide_on(&told(), &keys(), late, &kept, "<e@x.example>", &mut Budget::default());
    let d = d.unwrap();
    assert!(d.is_given_up());
    assert_eq!((d.action, d.plan), (Action::Copy(Outcome::Kept), Plan::only(Reply::Discard)));
}

#[test]
fn a_handoff_that_lost_its_address_on_the_way_is_given_up_too() {
    let whole = handoff_to(JOBS, token(Way::Forward, GONE));
    let without = Recipient { args: vec![], ..whole.clone() };
    let other = Recipient { args: vec![b"ORCPT=rfc822;bob@acme.example".to_vec()], ..whole };
    for r in [&without, &other] {
        let refused = "550 5.1.1 No such handoff address";
        assert_eq!(becomes(&told(), &keys(), NOW, r), refused);
        let expected = "given-up not-ours it@acme.example";
        assert_eq!(becomes(&told(), &keys(), NOW + DAY, r), expected);
    }
    for local in ["bob", "t", "tabc"] {
        let r = Recipient::plain(&format!("{local}@handoff.internal"));
        assert!(becomes(&told(), &keys(), NOW + DAY, &r).starts_with("550 "), "{local}");
    }
}

#[test]
fn without_a_place_that_is_known_it_waits() {
    let mut nowhere = rules();
    nowhere.addresses.retain(|rule| rule.local_copy);
    let nowhere = nowhere.indexed();
    let r = handoff_to(OLD, token(Way::Forward, GONE));
    assert_eq!(becomes(&nowhere, &others(), NOW + DAY, &r), WAITS);
    // The first fallback is one.
    let expected = "given-up unknown-key hr@acme.example";
    assert_eq!(becomes(&rules(), &others(), NOW + DAY, &r), expected);
}

#[test]
fn a_clock_that_was_wrong_does_not_keep_it_for_ever() {
    let r = handoff_to(OLD, token(Way::Forward, GONE));
    assert_eq!(becomes(&told(), &others(), NOW - DAY + 1, &r), WAITS, "set back by some hours");
    let expected = "given-up unknown-key it@acme.example";
    assert_eq!(becomes(&told(), &others(), NOW - DAY, &r), expected, "made by a clock far ahead");
}

/// The recipient that a plan leads to.
fn next(plan: &Plan, orcpt: &str) -> Recipient {
    let text = plan.to_string();
    let to = text.lines().find_map(|line| line.strip_prefix("add_rcpt <")?.split('>').next());
    let mut r = Recipient::plain(to.unwrap());
    r.args.push(format!("ORCPT=rfc822;{orcpt}").into_bytes());
    r
}

#[test]
fn the_way_back_ends_however_long_it_took() {
    let budget = &mut Budget::default();
    let late = NOW + HANDOFF_LIFE + 1;
    // The copies of all reasons take it under a token of the current key.
    for (to, keys, ends) in
        [(KARRIERE, keys(), "hr@acme.example"), (OLD, keys(), OLD), (OLD, others(), IT)]
    {
        let r = handoff_to(to, token(Way::Forward, GONE));
        let d = decide_on(&told(), &keys, late, &r, "<e@x.example>", budget).unwrap();
        assert_eq!(d.action, Action::Copy(Outcome::GivenUp));
        let orcpt = if ends == IT { IT } else { to };
        let back = next(&d.plan, orcpt);
        assert!(back.resolved.ends_with("@return.handoff.internal"), "{}", back.resolved);
        let d = decide_on(&told(), &keys, late, &back, "<e@x.example>", budget).unwrap();
        assert_eq!(d.action, Action::Copy(Outcome::Returned));
        assert!(d.plan.to_string().starts_with(&format!("add_rcpt <{ends}>\ndel_rcpt <g")));
    }
    // Nobody can be asked any more what it says: it goes on from where it is.
    for (to, ends) in [(KARRIERE, "hr@acme.example"), (JOBS, JOBS), (OLD, IT)] {
        let back = handoff_to(to, token(Way::Return, KEPT));
        assert_eq!(becomes(&told(), &others(), NOW, &back), WAITS);
        let d = decide_on(&told(), &others(), NOW + DAY, &back, "<e@x.example>", budget).unwrap();
        assert_eq!((d.action, d.reason), (Action::Copy(Outcome::GivenUp), Reason::UnknownKey));
        assert!(d.plan.to_string().starts_with(&format!("add_rcpt <{ends}>\ndel_rcpt <g")));
    }
}

#[test]
fn a_report_brings_back_a_copy_that_was_forwarded_on_the_last_day_of_its_handoff() {
    let id = token(Way::Forward, GONE).id;
    let bounce = Bounce { id, flags: GONE, rule: rule_tag(KARRIERE) }.extension(&keys()).unwrap();
    let r = Recipient::plain(&format!("recruit-bounces+{bounce}@handoff.internal"));
    for days in [0, 15, 30, 44] {
        let now = u64::from(id.time) + days * DAY;
        let d = decide_on(&told(), &keys(), now, &r, "<>", &mut Budget::default()).unwrap();
        assert_eq!(d.action, Action::ReportReturned, "{days}");
        assert_eq!(d.given_to, Some(address("hr@acme.example")), "{days}");
    }
}

/// What a stranger can write behind the delimiter: letters that decode to a key that never was.
fn strange(rule: &str) -> [String; 2] {
    let id = TokenId { time: 5, nonce: *b"forged" };
    let copy = Bounce { id, flags: GONE, rule: rule_tag(rule) };
    let outgoing = OutgoingBounce { id, route: route_mark("own"), rule: rule_tag(rule) };
    [copy.extension(&others()).unwrap(), outgoing.extension(&others()).unwrap()]
}

#[test]
fn nothing_waits_for_a_key_at_the_bounce_address() {
    let at = |extension: &str, domain: &str| {
        Recipient::plain(&format!("recruit-bounces+{extension}@{domain}"))
    };
    // The key is not there any more, or was made anew with the same number.
    let same_number = Keys::new(vec![(9, vec![8; 32])]).unwrap();
    for keys in [keys(), same_number] {
        for (rule, to) in [(KARRIERE, "hr@acme.example"), ("never@acme.example", IT)] {
            for extension in strange(rule) {
                for domain in ["handoff.internal", "acme.example"] {
                    let r = at(&extension, domain);
                    let sent = |sender, budget: &mut Budget| {
                        decide_on(&told(), &keys, NOW, &r, sender, budget).unwrap()
                    };
                    // Anybody: it ends.
                    let d = sent("<victim@example.org>", &mut Budget::default());
                    assert_eq!((d.action, d.reason), (Action::Discarded, Reason::UnknownKey));
                    assert_eq!(d.plan, Plan::only(Reply::Discard));
                    assert!(!d.is_given_up(), "nobody is to hear of each mail of a stranger");
                    // What may be a report: somebody sees it.
                    let d = sent("<>", &mut Budget::default());
                    assert_eq!((d.action, d.reason), (Action::ReportReturned, Reason::UnknownKey));
                    assert!(d.is_given_up());
                    assert_eq!(d.token, None, "nobody has shown that it is this copy's");
                    let next = next(&d.plan, to);
                    let back = decide_on(&told(), &keys, NOW, &next, "<>", &mut Budget::default());
                    let back = back.unwrap().plan.to_string();
                    assert!(back.starts_with(&format!("add_rcpt <{to}>\n")), "{back}");
                }
            }
        }
    }
}

#[test]
fn so_many_an_hour_go_to_somebody_and_the_rest_ends() {
    let mut budget = Budget::default();
    let (mut given, mut alarms) = (0, 0);
    let mut send = |n: u8, now| {
        let id = TokenId { time: 5, nonce: [n; 6] };
        let extension = Bounce { id, flags: GONE, rule: [0; 4] }.extension(&others()).unwrap();
        let r = Recipient::plain(&format!("recruit-bounces+{extension}@handoff.internal"));
        let d = decide_on(&told(), &keys(), now, &r, "<>", &mut budget).unwrap();
        if d.action == Action::ReportReturned {
            given += 1;
            assert!(d.is_given_up());
        } else {
            assert_eq!(d.reason, Reason::UnknownKeyBudget);
            assert_eq!(d.plan, Plan::only(Reply::Discard));
            alarms += u32::from(d.is_given_up());
        }
        (given, alarms)
    };
    let all: Vec<_> = (0..=255).map(|n| send(n, NOW)).collect();
    assert_eq!((all[99], all[100], all[255]), ((100, 0), (100, 1), (100, 1)));
    assert_eq!(send(0, NOW + 60), (100, 1), "whoever sends it chooses its name");
    let later: Vec<_> = std::iter::repeat_with(|| send(7, NOW + 3600)).take(102).collect();
    assert_eq!((later[0], later[101]), ((101, 1), (200, 2)), "an hour later");
}
