//! Pass 2 as a table of cases: a handoff in, a plan out.
// SPDX-License-Identifier: GPL-3.0-or-later

use super::*;
use crate::policy::kind::{self, Kind};
use crate::policy::rules::GiveUp;
use crate::policy::testing::{address, keys, rules};
use crate::policy::token::{Flags, rule_tag};

pub(super) const NOW: u64 = 1_795_551_688;
const ID: TokenId = TokenId { time: 1_795_551_688, nonce: [7; 6] };

pub(super) fn token(way: Way, flags: Flags) -> Handoff {
    Handoff { way, id: ID, flags, leader: rule_tag("jobs@acme.example") }
}

pub(super) fn handoff_to(to: &str, token: Handoff) -> Recipient {
    let domain =
        if token.way == Way::Return { "return.handoff.internal" } else { "handoff.internal" };
    let local = token.local_part(&keys(), &address(to)).unwrap();
    let mut r = Recipient::plain(&format!("{local}@{domain}"));
    r.args.push(format!("ORCPT={}", Orcpt::new(address(to))).into_bytes());
    r
}

pub(super) fn facts(fields: &[(&str, &str)]) -> Facts {
    let mut facts = Facts::default();
    for (name, body) in fields {
        facts.push(name.as_bytes(), body.as_bytes());
    }
    facts
}

fn decide(r: &Recipient, sender: &str, facts: &Facts, body: &str, budget: &mut Budget) -> Decision {
    decide_by(&rules(), r, sender, facts, body, budget)
}

pub(super) fn decide_by(
    rules: &Rules,
    r: &Recipient,
    sender: &str,
    facts: &Facts,
    body: &str,
    budget: &mut Budget,
) -> Decision {
    let accepted = recipient(rules, &keys(), NOW, None, r).unwrap();
    let arrival = Arrival {
        accepted: &accepted,
        path: &r.path,
        sender: &RawPath::new(sender),
        facts,
        body: body.as_bytes(),
        truncated: false,
        size: Some(1000),
    };
    forward(rules, &keys(), NOW, &arrival, budget).unwrap()
}

pub(super) const KEPT: Flags = Flags {
    kept: true,
    authenticated: false,
    internal: false,
    companion: false,
    unwrapped: false,
    person: false,
    outbound: false,
    own_login: false,
};
const GONE: Flags = Flags { kept: false, ..KEPT };
const FROM: [(&str, &str); 2] = [("From", " Erika <erika@example.org>"), ("Message-ID", " <1@x>")];

#[test]
fn a_copy_goes_on_with_our_fields_and_a_bounce_address() {
    let r = handoff_to("Jobs+B@acme.example", token(Way::Forward, KEPT));
    let d = decide(&r, "<erika@example.org>", &facts(&FROM), "", &mut Budget::default());
    assert_eq!((d.action, d.reason), (Action::Copy(Outcome::HandedOver), Reason::Rule));
    let rule = rule_tag("jobs@acme.example");
    let tag = Bounce { id: ID, flags: KEPT, rule }.extension(&keys()).unwrap();
    let text = d.plan.to_string();
    let (seal, rest) =
        text.split_once("ins_header 0 X-Recruiting-Seal ").map(|(a, b)| (b, a)).unwrap();
    assert_eq!(
        rest,
        "add_rcpt <acme-jobs@m-personio.example> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;Jobs+2BB@acme.example\n\
         ins_header 0 X-Recruiting-Applicant Erika <erika@example.org>; source=from; confidence=certain\n\
         ins_header 0 X-Recruiting-Kind application\n\
         ins_header 0 X-Recruiting-Envelope-Sender <erika@example.org>\n\
         ins_header 0 X-Recruiting-Address Jobs+B@acme.example\n\
         ins_header 0 X-Recruiting-System personio\n"
    );
    let (_, after) = seal.split_once('\n').unwrap();
    assert_eq!(
        after,
        format!(
            "chg_from <recruit-bounces+{tag}@acme.example> ENVID={tag} RET=HDRS\n\
             del_rcpt <{}>\ncontinue",
            r.path.printable()
        )
    );
}

#[test]
fn what_the_agent_could_not_unwrap_goes_on_as_it_is() {
    let r = handoff_to("jobs@acme.example", token(Way::Unwrap, KEPT));
    let d = decide(&r, "<bob@acme.example>", &facts(&FROM), "", &mut Budget::default());
    assert_eq!((d.action, d.reason), (Action::Copy(Outcome::HandedOver), Reason::Rule));
}

#[test]
fn without_a_local_copy_a_failure_report_returns_the_message() {
    let r = handoff_to("karriere@acme.example", token(Way::Forward, GONE));
    let d = decide(&r, "<e@x.example>", &facts(&FROM), "", &mut Budget::default());
    assert!(d.plan.to_string().contains(" RET=FULL\n"));
}

#[test]
fn what_we_sealed_before_stays_or_goes_back() {
    let r = handoff_to("jobs@acme.example", token(Way::Forward, KEPT));
    let first = decide(&r, "<e@x.example>", &facts(&FROM), "", &mut Budget::default());
    let mut again = Facts::default();
    for edit in first.plan.edits() {
        if let crate::plan::Edit::InsHeader { field } = edit {
            again.push(field.name.as_bytes(), &field.to_field().body);
        }
    }
    for (n, b) in FROM {
        again.push(n.as_bytes(), b.as_bytes());
    }
    let d = decide(&r, "<e@x.example>", &again, "", &mut Budget::default());
    assert_eq!((d.action, d.reason), (Action::Copy(Outcome::Kept), Reason::Sealed));
    assert_eq!(d.plan, Plan::only(Reply::Discard));

    let r = handoff_to("karriere@acme.example", token(Way::Forward, GONE));
    let d = decide(&r, "<e@x.example>", &again, "", &mut Budget::default());
    assert_eq!((d.action, d.reason), (Action::Copy(Outcome::Returned), Reason::Sealed));
    let back =
        token(Way::Return, GONE).local_part(&keys(), &address("karriere@acme.example")).unwrap();
    assert_eq!(
        d.plan.to_string(),
        format!(
            "add_rcpt <{back}@return.handoff.internal> NOTIFY=FAILURE ORCPT=rfc822;karriere@acme.example\n\
             del_rcpt <{}>\ncontinue",
            r.path.printable()
        )
    );
}

#[test]
fn what_comes_back_goes_to_the_fallback() {
    let r = handoff_to("karriere@acme.example", token(Way::Return, GONE));
    let d = decide(&r, "<e@x.example>", &facts(&FROM), "", &mut Budget::default());
    assert_eq!(d.action, Action::Copy(Outcome::Returned));
    assert!(d.plan.to_string().starts_with("add_rcpt <hr@acme.example>\ndel_rcpt <g"));
}

#[test]
fn a_companion_ends_where_the_leading_copy_goes_on() {
    let r =
        handoff_to("karriere@acme.example", token(Way::Forward, Flags { companion: true, ..GONE }));
    let d = decide(&r, "<e@x.example>", &facts(&FROM), "", &mut Budget::default());
    assert_eq!((d.action, d.plan), (Action::Copy(Outcome::Merged), Plan::only(Reply::Discard)));
}

#[test]
fn a_companion_goes_on_itself_where_the_leading_copy_no_longer_serves_it() {
    let companion = token(Way::Forward, Flags { companion: true, ..GONE });
    let r = handoff_to("karriere@acme.example", companion);
    let action = |change: &dyn Fn(&mut Rules)| {
        let mut rules = rules();
        change(&mut rules);
        let facts = facts(&FROM);
        decide_by(&rules, &r, "<e@x.example>", &facts, "", &mut Budget::default()).action
    };
    let jobs = |rules: &Rules| rules.lookup("jobs@acme.example").unwrap().0;
    assert_eq!(action(&|_| ()), Action::Copy(Outcome::Merged));
    // The leading address is gone, moved to another system, or handled in another way since.
    assert_eq!(
        action(&|rules| drop(rules.addresses.remove(jobs(rules)))),
        Action::Copy(Outcome::HandedOver)
    );
    let moved = |rules: &mut Rules| {
        let at = jobs(rules);
        rules.addresses[at].system = 1;
    };
    assert_eq!(action(&moved), Action::Copy(Outcome::HandedOver));
    let opened = |rules: &mut Rules| {
        let at = jobs(rules);
        rules.addresses[at].unwrap = true;
    };
    assert_eq!(action(&opened), Action::Copy(Outcome::HandedOver));
    // Both were moved together.
    let both = |rules: &mut Rules| rules.addresses.iter_mut().for_each(|rule| rule.system = 1);
    assert_eq!(action(&both), Action::Copy(Outcome::Merged));
}

#[test]
fn test_mail_passes_within_its_budget() {
    let mut budget = Budget::default();
    let mut send = |n: u8, sender: &str, from: &str| {
        let token = Handoff { id: TokenId { nonce: [n; 6], ..ID }, ..token(Way::Forward, KEPT) };
        let from = facts(&[("From", from)]);
        let d = decide(&handoff_to("jobs@acme.example", token), sender, &from, "", &mut budget);
        (d.action, d.reading.unwrap().kind)
    };
    let from = " Test <ACME-jobs@m-personio.example>";
    assert_eq!(
        send(1, "<acme-jobs@m-personio.example>", from),
        (Action::Copy(Outcome::HandedOver), Kind::SystemTest)
    );
    assert_eq!(
        send(2, "<bounce@m-personio.example>", from),
        (Action::Copy(Outcome::HandedOver), Kind::SystemTest)
    );
    assert_eq!(
        send(2, "<bounce@m-personio.example>", from),
        (Action::Copy(Outcome::HandedOver), Kind::SystemTest)
    );
    assert_eq!(
        send(3, "<acme-jobs@m-personio.example>", " x@y.example"),
        (Action::Copy(Outcome::Kept), Kind::SystemTest)
    );
    assert_eq!(
        send(4, "<>", " x@y.example"),
        (Action::Copy(Outcome::HandedOver), Kind::Application)
    );
}

#[test]
fn what_goes_back_with_fields_of_ours_tells_the_signer_to_keep_off() {
    let signing = Rules { signs_copies: true, ..rules() };
    let r = handoff_to("karriere@acme.example", token(Way::Forward, GONE));
    let decide = |rules: &Rules, more: &[(&str, &str)]| {
        let answer = [("Auto-Submitted", " auto-replied")];
        let fields: Vec<_> = FROM.iter().chain(&answer).chain(more).copied().collect();
        decide_by(rules, &r, "<e@x.example>", &facts(&fields), "", &mut Budget::default())
    };
    let forged = ("X-Recruiting-Address", " jobs@acme.example");
    let mark = "ins_header 0 X-Recruiting-Unsigned not-a-copy@return.handoff.internal\n";
    for (rules, more, marked) in [
        (&signing, &[forged][..], true),
        (&signing, &[forged; 300][..], true),
        (&signing, &[][..], false),
        (&rules(), &[forged][..], false),
    ] {
        let d = decide(rules, more);
        assert_eq!(d.action, Action::Copy(Outcome::Returned));
        assert_eq!(d.plan.to_string().contains(mark), marked, "{}", d.plan);
    }
    // A copy takes it off with all the others.
    let r = handoff_to("jobs@acme.example", token(Way::Forward, KEPT));
    let marked = facts(&[FROM[0], ("X-Recruiting-Unsigned", " x@y.example")]);
    let d = decide_by(&signing, &r, "<e@x.example>", &marked, "", &mut Budget::default());
    let plan = d.plan.to_string();
    assert!(plan.contains("del_header 1 X-Recruiting-Unsigned\n"), "{plan}");
    assert!(!plan.contains("ins_header 0 X-Recruiting-Unsigned"), "{plan}");
}

#[test]
fn forged_fields_are_taken_off_from_the_highest() {
    let r = handoff_to("jobs@acme.example", token(Way::Forward, KEPT));
    let forged = facts(&[
        ("X-Recruiting-Kind", "a"),
        ("x-recruiting-kind", "b"),
        ("X-Recruiting-Evil", "c"),
    ]);
    let d = decide(&r, "<e@x.example>", &forged, "", &mut Budget::default());
    let dels: Vec<String> = d
        .plan
        .edits()
        .iter()
        .map(ToString::to_string)
        .filter(|e| e.starts_with("del_header"))
        .collect();
    assert_eq!(
        dels,
        [
            "del_header 2 x-recruiting-kind",
            "del_header 1 X-Recruiting-Kind",
            "del_header 1 X-Recruiting-Evil"
        ]
    );
}

#[test]
fn a_flood_of_forged_fields_is_not_forwarded_and_not_lost() {
    let r = handoff_to("karriere@acme.example", token(Way::Forward, GONE));
    let d = decide(
        &r,
        "<e@x.example>",
        &facts(&[("X-Recruiting-Kind", "a"); 201]),
        "",
        &mut Budget::default(),
    );
    assert_eq!((d.action, d.reason), (Action::Copy(Outcome::Returned), Reason::TooManyForged));
}

#[test]
fn only_genuine_handoffs_are_taken() {
    let good = handoff_to("jobs@acme.example", token(Way::Forward, KEPT));
    let refused = |r: &Recipient| recipient(&rules(), &keys(), NOW, None, r).unwrap_err();
    for (change, why) in [
        ("jobs@acme.example", Refusal::NotOurs),
        ("t@handoff.internal", Refusal::NotOurs),
        ("postmaster@handoff.internal", Refusal::NotOurs),
        ("nothing", Refusal::NotOurs),
    ] {
        assert_eq!(
            refused(&Recipient { resolved: change.into(), ..good.clone() }),
            why,
            "{change}"
        );
    }
    assert_eq!(refused(&Recipient { args: vec![], ..good.clone() }), Refusal::NotOurs);
    assert!(matches!(Refusal::Expired.reply(), Reply::Tempfail(_)), "its sender is the applicant");
    let gone = handoff_to("gone@acme.example", token(Way::Forward, KEPT));
    assert_eq!(refused(&gone), Refusal::UnknownAddress);
    let other = Keys::new(vec![(9, vec![9; 32])]).unwrap();
    assert_eq!(recipient(&rules(), &other, NOW, None, &good), Err(Refusal::UnknownKey(3)));
}

#[test]
fn a_handoff_is_taken_by_the_service_that_it_is_meant_for() {
    let [there, back] =
        [Way::Forward, Way::Return].map(|way| handoff_to("jobs@acme.example", token(way, KEPT)));
    for (r, door, refusal) in [
        (&there, Way::Forward, None),
        (&there, Way::Return, Some(Refusal::OtherWay)),
        (&back, Way::Return, None),
        (&back, Way::Forward, Some(Refusal::OtherWay)),
    ] {
        assert_eq!(recipient(&rules(), &keys(), NOW, Some(door), r).err(), refusal, "{door:?}");
    }
    // It may be genuine, with the ports exchanged in the configuration and not yet in Postfix.
    assert!(matches!(Refusal::OtherWay.reply(), Reply::Tempfail(_)));
    let changed = there.resolved.replacen("@handoff", "@return.handoff", 1);
    let forged = Recipient { resolved: changed, ..there };
    let refused = recipient(&rules(), &keys(), NOW, Some(Way::Forward), &forged);
    assert_eq!(refused, Err(Refusal::NotOurs));
}

fn report_to(flags: Flags, sender: &str, action: &str) -> Decision {
    let body =
        format!("Content-Type: message/delivery-status\n\n\nAction: {action}\nStatus: 5.1.1\n");
    to_bounce_address(flags, sender, &body)
}

fn to_bounce_address(flags: Flags, sender: &str, body: &str) -> Decision {
    let pattern = if flags.kept { "jobs@acme.example" } else { "karriere@acme.example" };
    let tag = Bounce { id: ID, flags, rule: rule_tag(pattern) }.extension(&keys()).unwrap();
    let r = Recipient::plain(&format!("recruit-bounces+{tag}@handoff.internal"));
    decide(&r, sender, &Facts::default(), body, &mut Budget::default())
}

#[test]
fn reports_are_read_and_end_here() {
    let d = report_to(KEPT, "<>", "relayed");
    assert_eq!((d.action, d.reason), (Action::ReportRead, Reason::Report(Said::Relayed)));
    assert_eq!((d.plan, d.token), (Plan::only(Reply::Discard), Some(ID)));
    assert_eq!(d.address.as_deref(), Some("jobs@acme.example"));
    assert_eq!(report_to(KEPT, "<>", "failed").action, Action::ReportRead);
}

#[test]
fn the_only_copy_comes_back_with_its_failure_report() {
    let d = report_to(GONE, "<>", "failed");
    assert_eq!(d.action, Action::ReportReturned);
    assert!(d.plan.to_string().contains("ORCPT=rfc822;hr@acme.example\n"));
    for action in ["relayed", "delayed", "delivered"] {
        assert_eq!(report_to(GONE, "<>", action).action, Action::ReportRead, "{action}");
    }
}

#[test]
fn what_nobody_can_read_may_bring_back_the_only_copy() {
    for body in [
        "",
        "I am away until Monday.\n",
        "Action: failed\nStatus: 5.1.1\n",
        "Content-Type: message/rfc822\n\nAction: failed\n",
        "Content-Type: message/delivery-status\n\nAction: eaten\n",
    ] {
        let d = to_bounce_address(GONE, "<>", body);
        assert_eq!(d.action, Action::ReportReturned, "{body}");
        assert_eq!(d.reason, Reason::Report(Said::Unknown), "{body}");
        assert_eq!(to_bounce_address(KEPT, "<>", body).plan, Plan::only(Reply::Discard), "{body}");
    }
}

#[test]
fn an_automatic_answer_is_no_report_and_ends_here() {
    let tag = Bounce { id: ID, flags: GONE, rule: rule_tag("karriere@acme.example") };
    let tag = tag.extension(&keys()).unwrap();
    let r = Recipient::plain(&format!("recruit-bounces+{tag}@handoff.internal"));
    let away = facts(&[("Auto-Submitted", " Auto-Replied; vacation")]);
    let d = decide(&r, "<>", &away, "I am away until Monday.\n", &mut Budget::default());
    assert_eq!((d.action, d.plan), (Action::ReportRead, Plan::only(Reply::Discard)));
    // But what a server says of a failure counts, whatever it calls itself.
    let failed = "This is a permanent error.\n550 5.1.1 no such user\n";
    let d = decide(&r, "<>", &away, failed, &mut Budget::default());
    assert_eq!(d.action, Action::ReportReturned);
}

#[test]
fn what_is_no_report_of_ours_changes_nothing() {
    let d = report_to(GONE, "<mallory@example.org>", "failed");
    assert_eq!((d.action, d.reason, d.token), (Action::Discarded, Reason::NotOurs, None));
    let r = Recipient::plain("recruit-bounces@acme.example");
    let d = decide(&r, "<>", &Facts::default(), "", &mut Budget::default());
    assert_eq!((d.action, d.plan), (Action::Discarded, Plan::only(Reply::Discard)));
}

/// Pass 2 of a colleague's message; the karriere address has a person, `rules` may change more.
fn of_kind(
    to: &str,
    flags: Flags,
    fields: &[(&str, &str)],
    change: impl FnOnce(&mut AddressRule),
) -> Decision {
    let mut rules = rules();
    let at = rules.lookup(to).unwrap().0;
    change(&mut rules.addresses[at]);
    let r = handoff_to(to, token(Way::Forward, flags));
    let accepted = recipient(&rules, &keys(), NOW, None, &r).unwrap();
    let arrival = Arrival {
        accepted: &accepted,
        path: &r.path,
        sender: &RawPath::new("<a@x.example>"),
        facts: &facts(fields),
        body: b"",
        truncated: false,
        size: None,
    };
    forward(&rules, &keys(), NOW, &arrival, &mut Budget::default()).unwrap()
}

const VACATION: [(&str, &str); 2] = [("From", " a@x.example"), ("Auto-Submitted", " auto-replied")];

#[test]
fn what_is_no_application_stays_where_it_is() {
    let d = of_kind("jobs@acme.example", KEPT, &VACATION, |_| ());
    assert_eq!((d.action, d.reason), (Action::Copy(Outcome::Kept), Reason::Kind));
    let d = of_kind("karriere@acme.example", GONE, &VACATION, |_| ());
    assert_eq!((d.action, d.reason), (Action::Copy(Outcome::Returned), Reason::Kind));
    let companion = Flags { companion: true, ..GONE };
    let d = of_kind("karriere@acme.example", companion, &VACATION, |_| ());
    assert_eq!(d.action, Action::Copy(Outcome::Returned));
}

#[test]
fn an_admin_can_let_every_kind_go_on_with_a_tag_or_without() {
    let set = |action| move |rule: &mut AddressRule| rule.actions.set(Kind::AutoReply, action);
    let d = of_kind("jobs@acme.example", KEPT, &VACATION, set(kind::Action::Forward));
    assert_eq!(d.action, Action::Copy(Outcome::HandedOver));
    assert!(!d.plan.to_string().contains("X-Recruiting-Review"));
    let d = of_kind("jobs@acme.example", KEPT, &VACATION, set(kind::Action::ForwardTagged));
    assert_eq!(d.action, Action::Copy(Outcome::HandedOver));
    assert!(d.plan.to_string().contains("ins_header 0 X-Recruiting-Review kind\n"));
}

#[test]
fn a_person_gets_a_copy_and_the_address_keeps_its_own() {
    let person = |rule: &mut AddressRule| {
        rule.person = Some(address("eva@acme.example"));
        rule.actions.set(Kind::AutoReply, kind::Action::ToPerson);
    };
    let back =
        |to: &str, flags| token(Way::Return, flags).local_part(&keys(), &address(to)).unwrap();
    let recipients = |d: &Decision| {
        let all = d.plan.edits().iter().map(ToString::to_string);
        let added =
            all.filter_map(|e| Some(e.strip_prefix("add_rcpt <")?.split('@').next()?.to_owned()));
        added.collect::<Vec<_>>()
    };
    let jobs = "jobs@acme.example";
    let d = of_kind(jobs, KEPT, &VACATION, person);
    assert_eq!((d.action, d.reason), (Action::Copy(Outcome::ToPerson), Reason::Kind));
    assert_eq!(recipients(&d), [back(jobs, Flags { person: true, ..KEPT })]);
    let karriere = "karriere@acme.example";
    let d = of_kind(karriere, GONE, &VACATION, person);
    let both = [back(karriere, Flags { person: true, ..GONE }), back(karriere, GONE)];
    assert_eq!(recipients(&d), both);
    // Nobody is set, so it stays.
    let d = of_kind(jobs, KEPT, &VACATION, |rule| {
        rule.actions.set(Kind::AutoReply, kind::Action::ToPerson);
    });
    assert_eq!(d.action, Action::Copy(Outcome::Kept));
}

#[test]
fn what_comes_back_for_a_person_goes_there() {
    let mut rules = rules();
    rules.addresses[0].person = Some(address("eva@acme.example"));
    let token = token(Way::Return, Flags { person: true, ..KEPT });
    let r = handoff_to("jobs@acme.example", token);
    let accepted = recipient(&rules, &keys(), NOW, None, &r).unwrap();
    let arrival = Arrival {
        accepted: &accepted,
        path: &r.path,
        sender: &RawPath::new("<a@x.example>"),
        facts: &facts(&VACATION),
        body: b"",
        truncated: false,
        size: None,
    };
    let d = forward(&rules, &keys(), NOW, &arrival, &mut Budget::default()).unwrap();
    assert!(
        d.plan.to_string().starts_with("add_rcpt <eva@acme.example> NOTIFY=NEVER\n"),
        "{}",
        d.plan
    );
}

#[test]
fn an_applicant_is_named_only_where_one_mailbox_is() {
    for (fields, applicant) in [
        (
            vec![("From", " \"boss@acme.example\" <x@evil.example>")],
            "<x@evil.example>; source=from; confidence=likely",
        ),
        (
            vec![("From", " a@x.example, b@x.example")],
            "<a@x.example>; source=from; confidence=review, <b@x.example>; source=from; confidence=review",
        ),
        (vec![("From", " no address here")], ""),
        (vec![("From", " Boss <boss@acme.example>")], ""),
        (vec![], ""),
    ] {
        let d = of_kind("jobs@acme.example", KEPT, &fields, |_| ());
        let text = d.plan.to_string();
        let found =
            text.lines().find_map(|l| l.strip_prefix("ins_header 0 X-Recruiting-Applicant "));
        assert_eq!(found.unwrap_or_default(), applicant, "{fields:?}");
        let sure = applicant.ends_with("likely");
        assert_eq!(text.contains("X-Recruiting-Review applicant"), !sure, "{fields:?}");
    }
}

#[test]
fn only_a_colleagues_forward_is_opened() {
    let fields = [("From", " Sabine <sabine@acme.example>"), ("Subject", " WG: Bewerbung")];
    let body = "Bitte anlegen.\n\nVon: Lena Hoffmann <lena@post.example>\nGesendet: Montag, 3. März 2025 10:15\nAn: jobs@acme.example\nBetreff: Bewerbung\n\nGuten Tag\n";
    let decide = |flags| {
        let r = handoff_to("jobs@acme.example", token(Way::Forward, flags));
        let d = decide(&r, "<sabine@acme.example>", &facts(&fields), body, &mut Budget::default());
        (d.reading.as_ref().unwrap().trusted_forwarder, d.plan.to_string())
    };
    let (trusted, plan) = decide(Flags { authenticated: true, ..KEPT });
    assert!(trusted);
    assert!(plan.contains("X-Recruiting-Kind forward-inline\n"), "{plan}");
    assert!(plan.contains(
        "X-Recruiting-Applicant Lena Hoffmann <lena@post.example>; source=inline-forward; confidence=certain\n"
    ));
    assert!(plan.contains("X-Recruiting-Forwarder <sabine@acme.example>\n"));
    let (trusted, plan) = decide(KEPT);
    assert!(!trusted && !plan.contains("lena@post.example") && !plan.contains("Forwarder"));
    assert!(plan.contains("X-Recruiting-Review applicant\n"));
}

#[test]
fn mail_that_claims_to_come_from_ourselves_is_within_the_budget_too() {
    let mut budget = Budget::default();
    let mut send = |n: u8, to: &str| {
        let token = Handoff { id: TokenId { nonce: [n; 6], ..ID }, ..token(Way::Forward, KEPT) };
        let from = facts(&[("From", " jobs@acme.example")]);
        decide(&handoff_to(to, token), "<jobs@acme.example>", &from, "", &mut budget).action
    };
    // Extensions share the budget of their address.
    assert_eq!(send(1, "jobs+a@acme.example"), Action::Copy(Outcome::HandedOver));
    assert_eq!(send(2, "jobs+b@acme.example"), Action::Copy(Outcome::HandedOver));
    assert_eq!(send(3, "jobs+c@acme.example"), Action::Copy(Outcome::Kept));
}

#[test]
fn a_companion_of_test_mail_does_not_rely_on_the_leading_copy() {
    let token = token(Way::Forward, Flags { companion: true, ..GONE });
    let r = handoff_to("karriere@acme.example", token);
    let d = decide(&r, "<acme-jobs@m-personio.example>", &facts(&FROM), "", &mut Budget::default());
    assert_eq!(d.action, Action::Copy(Outcome::Returned));
}

#[test]
fn a_failure_report_on_the_only_copy_goes_to_somebody_where_its_rule_is_gone() {
    let tag = Bounce { id: ID, flags: GONE, rule: rule_tag("gone@acme.example") };
    let tag = tag.extension(&keys()).unwrap();
    let r = Recipient::plain(&format!("recruit-bounces+{tag}@handoff.internal"));
    let body = "Content-Type: message/delivery-status\n\n\nAction: failed\n";
    let without_places = || {
        let mut rules = rules();
        rules.addresses.iter_mut().for_each(|rule| rule.fallback = None);
        rules
    };
    let told = GiveUp { to: Some(address("it@acme.example")), ..GiveUp::default() };
    for (rules, to) in [
        (rules(), "hr@acme.example"),
        (Rules { give_up: told, ..rules() }, "it@acme.example"),
        (without_places(), "postmaster@acme.example"),
    ] {
        let d = decide_by(&rules, &r, "<>", &Facts::default(), body, &mut Budget::default());
        assert_eq!(d.action, Action::ReportReturned, "{to}");
        assert!(d.plan.to_string().contains(&format!("ORCPT=rfc822;{to}\n")), "{}", d.plan);
        assert_eq!(d.given_to.unwrap().as_str(), to);
    }
}
