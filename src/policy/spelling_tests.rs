//! One address in several spellings: `jobs@büro.example` and `jobs@xn--bro-hoa.example` are the same
//! wherever something is decided by an address.
// SPDX-License-Identifier: GPL-3.0-or-later

use super::budget::Budget;
use super::divert::{Diversion, Origin, concerns, divert};
use super::facts::Facts;
use super::forward::{Action, Advice, Arrival, Decision, Reason, decide, forward, read, recipient};
use super::outbound::rules::{Login, OnViolation, SenderPattern};
use super::outcome::Outcome;
use super::probe::Probe;
use super::rules::{AddressRule, Pattern, Rules};
use super::subject::{hashes_of_address, of_mail};
use super::testing::{address, keys, rules as company, stamp};
use super::token::TokenId;
use super::unread::{Place, Unread};
use crate::mail::{Orcpt, RawPath, Recipient};

const NOW: u64 = 1_795_551_688;
const UNICODE: &str = "jobs@büro.example";
const ASCII: &str = "jobs@xn--bro-hoa.example";

fn rules_of(patterns: &[&str], local_copy: bool) -> Rules {
    let rule = |pattern: &&str| AddressRule {
        local_copy,
        fallback: Some(address("hr@büro.example")),
        ..AddressRule::new(Pattern::parse(pattern).unwrap(), 0)
    };
    let mut rules = company();
    rules.systems[0].inbound = address("in@sÿstem.example");
    rules.bounce = Some(address("recruit-bounces@xn--bro-hoa.example"));
    rules.internal_domains = vec!["büro.example".into()];
    Rules { addresses: patterns.iter().map(rule).collect(), ..rules }.indexed()
}

#[test]
fn a_pattern_covers_all_spellings() {
    for (pattern, same, not) in [
        (UNICODE, "jobs+x@BÜRO.example", "jobs@buro.example"),
        (ASCII, "Jobs@büro.example", "jobs@xn--bro-xxx.example"),
        ("@büro.example", "any@xn--bro-hoa.example", "any@x.büro.example"),
        ("@xn--bro-hoa.example", "any@bu\u{308}ro.example", "any@buero.example"),
        ("jobs-*@büro.example", "jobs-a@Xn--Bro-Hoa.example", "jobs@büro.example"),
        ("*@*.büro.example", "a@b.xn--bro-hoa.example", "a@xn--bro-hoa.example"),
        ("*@*.büro.example", "a@köln.büro.example.", "a@bbüro.example"),
        ("@straße.example", "a@xn--strae-oqa.example", "a@strasse.example"),
    ] {
        let rules = rules_of(&[pattern], true);
        let covers = |address| Pattern::parse(pattern).unwrap().covers(address, "+");
        assert!(rules.lookup(same).is_some() && covers(same.trim_end_matches('.')), "{same}");
        assert!(rules.lookup(not).is_none() && !covers(not), "{not}");
    }
    let keys = [UNICODE, ASCII, "Jobs@BÜRO.example"].map(|p| Pattern::parse(p).unwrap().key());
    assert_eq!(keys, [ASCII; 3]);
}

#[test]
fn an_address_is_known_as_the_configuration_writes_it() {
    for (pattern, address, known) in [
        ("Jobs@BÜRO.example", "jobs@xn--bro-hoa.example", "Jobs@BÜRO.example"),
        (UNICODE, "JOBS@Xn--bro-hoa.example", UNICODE),
        (ASCII, "Jobs@büro.example", ASCII),
        (UNICODE, "Jobs+Berlin@xn--bro-hoa.example", "jobs+berlin@büro.example"),
        ("@büro.example", "Any@xn--bro-hoa.example", "any@büro.example"),
        ("@büro.example", "*@büro.example", "*@büro.example"),
        ("*@*.büro.example", "a@köln.büro.example", "a@xn--kln-sna.büro.example"),
        ("*@*.büro.example", "*@*.büro.example", "*@*.büro.example"),
        (UNICODE, "Eve@elsewhere.example", "Eve@elsewhere.example"),
    ] {
        assert_eq!(rules_of(&[pattern], true).known_as(address), known);
    }
}

fn diversion(rules: &Rules, recipients: &[&str]) -> Diversion {
    let recipients: Vec<Recipient> = recipients.iter().map(|r| Recipient::plain(r)).collect();
    divert(rules, &keys(), &recipients, Origin::default(), &mut stamp()).unwrap()
}

#[test]
fn a_handoff_is_one_in_either_spelling() {
    let rules =
        Rules { handoff_domain: "xn--bergabe-m2a.internal".into(), ..rules_of(&[UNICODE], true) };
    for to in ["t@ÜBERGABE.internal", "t@xn--bergabe-m2a.internal."] {
        assert!(concerns(&rules, to), "{to}");
    }
    assert!(!concerns(&rules, "t@ubergabe.internal"));
}

#[test]
fn what_answers_as_the_system_is_bounded_in_either_spelling() {
    let rules = Rules { loop_budget: 0, ..rules_of(&[UNICODE], true) };
    let to = handed_over(&rules, UNICODE);
    let accepted = recipient(&rules, &keys(), NOW, None, &to).unwrap();
    for sender in ["<In@SŸSTEM.example>", "<in@xn--sstem-2va.example>", "<JOBS@Büro.example>"] {
        let arrival = Arrival {
            accepted: &accepted,
            path: &to.path,
            sender: &RawPath::new(sender),
            facts: &Facts::default(),
            body: b"",
            truncated: true,
            size: None,
        };
        let mut advice = Advice::none(Unread::Panic);
        for place in [Place::Seal, Place::Author] {
            advice.take(read(place, &rules, &keys(), &arrival, &advice));
        }
        let budget = &mut Budget::default();
        let decision = decide(&rules, &keys(), NOW, &arrival, &advice, budget).unwrap();
        assert_eq!(decision.reason, Reason::LoopBudget, "{sender}");
    }
}

/// The handoff as it comes out of pass 1 and into pass 2.
fn handed_over(rules: &Rules, to: &str) -> Recipient {
    let diverted = diversion(rules, &[to]).diverted.swap_remove(0);
    let local = diverted.handoff.unwrap().local_part(&keys(), &diverted.address).unwrap();
    let mut handoff = Recipient::plain(&format!("{local}@handoff.internal"));
    handoff.args.push(format!("ORCPT={}", Orcpt::new(diverted.address)).into_bytes());
    handoff
}

fn decided(rules: &Rules, to: &Recipient, header: &[(&str, &str)]) -> Decision {
    let mut facts = Facts::default();
    for (name, body) in header {
        facts.push(name.as_bytes(), body.as_bytes());
    }
    let accepted = recipient(rules, &keys(), NOW, None, to).unwrap();
    let arrival = Arrival {
        accepted: &accepted,
        path: &to.path,
        sender: &RawPath::new("<erika@example.org>"),
        facts: &facts,
        body: b"",
        truncated: false,
        size: Some(1000),
    };
    forward(rules, &keys(), NOW, &arrival, &mut Budget::default()).unwrap()
}

#[test]
fn both_spellings_are_forwarded_and_nothing_of_ours_needs_smtputf8_from_the_next_server() {
    for configured in [UNICODE, ASCII, "@büro.example", "*@*.example"] {
        for sent_to in [UNICODE, ASCII, "JOBS@XN--BRO-HOA.EXAMPLE"] {
            let rules = rules_of(&[configured], true);
            let decision =
                decided(&rules, &handed_over(&rules, sent_to), &[("From", " <e@x.example>")]);
            assert_eq!(
                decision.action,
                Action::Copy(Outcome::HandedOver),
                "{configured} {sent_to}"
            );
            let plan = decision.plan.to_string();
            assert!(plan.is_ascii(), "{plan}");
            for part in ["add_rcpt <in@xn--sstem-2va.example>", "@xn--bro-hoa.example> ENVID="] {
                assert!(plan.contains(part), "{plan}");
            }
        }
    }
}

#[test]
fn what_does_not_go_on_goes_back_to_the_address_as_the_mta_had_it() {
    let mut rules = rules_of(&[UNICODE], false);
    let spam = [("From", " <e@x.example>"), ("X-Spam-Flag", " YES")];
    let back = |rules: &Rules, sent_to: &str| {
        let back = decided(rules, &handed_over(rules, sent_to), &spam);
        assert_eq!(back.action, Action::Copy(Outcome::Returned));
        let plan = back.plan.to_string();
        let (to, more) = plan.strip_prefix("add_rcpt <").unwrap().split_once('>').unwrap();
        let orcpt = more.lines().next().unwrap().rsplit_once(' ').unwrap().1;
        let mut returned = Recipient::plain(to);
        returned.args.push(orcpt.into());
        decided(rules, &returned, &spam).plan.to_string()
    };
    // The fallback is the configuration's, and so may be a Unicode that nobody has asked for.
    for sent_to in [UNICODE, ASCII] {
        let plan = back(&rules, sent_to);
        assert!(plan.contains("add_rcpt <hr@xn--bro-hoa.example>"), "{plan}");
    }
    rules.addresses[0].fallback = None;
    for sent_to in [UNICODE, ASCII] {
        let plan = back(&rules, sent_to);
        assert!(plan.contains(&format!("add_rcpt <{sent_to}>")), "{plan}");
    }
}

#[test]
fn two_spellings_in_one_mail_are_one_copy() {
    let one = diversion(&rules_of(&[UNICODE], true), &[UNICODE]);
    let both = diversion(&rules_of(&[UNICODE], true), &[UNICODE, ASCII]);
    assert_eq!(both.plan, one.plan);
    // Both are taken away where no copy is kept; the second copy ends in pass 2.
    let both = diversion(&rules_of(&[UNICODE], false), &[UNICODE, ASCII]);
    let companions: Vec<bool> =
        both.diverted.iter().map(|d| d.handoff.unwrap().flags.companion).collect();
    assert_eq!(companions, [false, true]);
}

#[test]
fn a_probe_is_for_its_address_in_either_spelling() {
    let rules = rules_of(&[UNICODE], true);
    let id = TokenId { time: u32::try_from(NOW).unwrap(), nonce: [1; 6] };
    let probe = Probe::new(id, &address(UNICODE));
    let sender = probe.sender(&rules, &keys()).unwrap().to_string();
    for sender in [sender.clone(), sender.replace("xn--bro-hoa", "BÜRO")] {
        let path = RawPath::new(format!("<{sender}>"));
        let read = Probe::of_sender(&rules, &keys(), &path, NOW).unwrap();
        assert!(read.is_for(&address(ASCII)) && read.is_for(&address(UNICODE)), "{sender}");
    }
}

#[test]
fn a_login_may_send_in_either_spelling() {
    let login = |pattern: &str| Login {
        name: "x".into(),
        user: "x".into(),
        may_send_as: vec![Pattern::parse(pattern).unwrap()],
        envelope_senders: Some(vec![SenderPattern::parse("@BÜRO.example").unwrap()]),
        networks: Vec::new(),
        route: None,
        limits: <_>::default(),
        on_violation: OnViolation::Refuse,
    };
    for pattern in [UNICODE, ASCII, "@büro.example", "@xn--bro-hoa.example"] {
        for from in [UNICODE, ASCII] {
            assert!(login(pattern).may_send_as(&address(from), "+"), "{pattern} {from}");
            assert!(login(pattern).may_use(from, "+"), "{pattern} {from}");
        }
        assert!(!login(pattern).may_send_as(&address("jobs@buro.example"), "+"));
    }
}

#[test]
fn colleagues_and_people_are_the_same_in_either_spelling() {
    let rules = rules_of(&[UNICODE], true);
    for colleague in ["bob@büro.example", "bob@XN--BRO-HOA.example."] {
        assert!(rules.is_internal(colleague), "{colleague}");
    }
    let of = |sender: &str| of_mail(&rules, &keys(), &RawPath::new(sender), None);
    let found = of("<erika@xn--mller-kva.example>");
    assert_eq!(found, of("<Erika@MÜLLER.example>"));
    for asked in ["erika@müller.example", "erika@xn--mller-kva.example"] {
        assert!(hashes_of_address(&keys(), asked).contains(&found[0]), "{asked}");
    }
}
