//! Probes in both passes as a table of cases.
// SPDX-License-Identifier: GPL-3.0-or-later

use super::tests::{KEPT, NOW, decide_by, facts, handoff_to, token};
use super::*;
use crate::policy::divert::{Origin, divert};
use crate::policy::kind::Kind;
use crate::policy::rules::Probes;
use crate::policy::testing::{address, keys, rules, stamp};

const FIELDS: [(&str, &str); 2] =
    [("From", " recruit-bounces@acme.example"), ("Auto-Submitted", " auto-generated")];

fn probe() -> Probe {
    let id = TokenId { time: u32::try_from(NOW).unwrap(), nonce: [5; 6] };
    Probe::new(id, &address("jobs@acme.example"))
}

fn sender() -> String {
    format!("<{}>", probe().sender(&rules(), &keys()).unwrap())
}

fn through() -> Rules {
    Rules { probes: Probes::Through, ..rules() }
}

fn decide(rules: &Rules, to: &str, sender: &str, budget: &mut Budget) -> Decision {
    let r = handoff_to(to, token(Way::Forward, KEPT));
    decide_by(rules, &r, sender, &facts(&FIELDS), "", budget)
}

#[test]
fn a_probe_ends_in_pass_2_or_goes_on_as_configured() {
    let mut budget = Budget::default();
    let d = decide(&rules(), "jobs@acme.example", &sender(), &mut budget);
    assert_eq!((d.action, d.probe), (Action::Copy(Outcome::ProbeArrived), Some(probe().id)));
    assert_eq!(d.plan, Plan::only(Reply::Discard));
    assert_eq!(d.reading.unwrap().kind, Kind::Probe);
    let d = decide(&through(), "jobs@acme.example", &sender(), &mut Budget::default());
    assert_eq!(
        (d.action, d.reason, d.probe),
        (Action::Copy(Outcome::HandedOver), Reason::Rule, Some(probe().id))
    );
    let plan = d.plan.to_string();
    assert!(plan.contains("X-Recruiting-Kind probe"), "{plan}");
    assert!(plan.contains("RET=HDRS"), "nobody has to give it back: {plan}");
}

#[test]
fn a_replay_goes_to_the_mailbox_that_pass_1_took_it_from() {
    let mut budget = Budget::default();
    let first = decide(&rules(), "jobs@acme.example", &sender(), &mut budget);
    assert_eq!(first.action, Action::Copy(Outcome::ProbeArrived));
    // The same copy again, as after a lost answer.
    let again = decide(&rules(), "jobs@acme.example", &sender(), &mut budget);
    assert_eq!(again.action, Action::Copy(Outcome::ProbeArrived));
    let mut other = token(Way::Forward, KEPT);
    other.id.nonce = [9; 6];
    let r = handoff_to("jobs@acme.example", other);
    let d = decide_by(&rules(), &r, &sender(), &facts(&FIELDS), "", &mut budget);
    assert_eq!(
        (d.action, d.reason, d.probe),
        (Action::Copy(Outcome::Returned), Reason::ProbeReplayed, None)
    );
}

#[test]
fn a_probe_for_another_address_or_of_somebody_else_is_ordinary_mail() {
    let forged = sender().replace("+8", "+8aaaa");
    for (to, sender) in [
        ("jobs@other.example", sender()),
        ("jobs@acme.example", forged),
        ("jobs@acme.example", "<recruit-bounces@acme.example>".into()),
        ("jobs@acme.example", "<>".into()),
    ] {
        let d = decide(&rules(), to, &sender, &mut Budget::default());
        assert_eq!(d.probe, None, "{to} {sender}");
        assert_ne!(d.action, Action::Copy(Outcome::ProbeArrived));
    }
}

#[test]
fn what_comes_back_to_a_probe_is_read_and_ends() {
    let base = sender().trim_matches(['<', '>']).to_owned();
    let r = Recipient::plain(&base);
    let report = "--b\nContent-Type: message/delivery-status\n\nAction: failed\nStatus: 5.1.1\n";
    let d = decide_by(&rules(), &r, "<>", &facts(&[]), report, &mut Budget::default());
    assert_eq!((d.action, d.reason), (Action::ReportRead, Reason::Report(Said::Failed)));
    assert_eq!((d.probe, d.report.unwrap().status.as_deref()), (Some(probe().id), Some("5.1.1")));
    assert_eq!(d.plan, Plan::only(Reply::Discard));
    for (to, from) in [(base.as_str(), "<eve@x.example>"), (&base.replace("+8", "+8a"), "<>")] {
        let r = Recipient::plain(to);
        let d = decide_by(&rules(), &r, from, &facts(&[]), report, &mut Budget::default());
        assert_eq!((d.action, d.probe), (Action::Discarded, None), "{to} {from}");
        assert_eq!(d.plan, Plan::only(Reply::Discard));
    }
}

#[test]
fn pass_1_leaves_no_probe_in_a_mailbox() {
    let plan = |to: &str, probe: Option<Probe>| {
        let origin = Origin { probe, ..Origin::default() };
        let mine = [Recipient::plain(to)];
        let d = divert(&rules(), &keys(), &mine, origin, &mut stamp()).unwrap();
        (d.plan.to_string().contains("del_rcpt"), d.diverted[0].probe.is_some())
    };
    assert!(rules().lookup("jobs@acme.example").unwrap().1.local_copy);
    assert_eq!(plan("jobs@acme.example", None), (false, false));
    assert_eq!(plan("jobs@acme.example", Some(probe())), (true, true));
    assert_eq!(plan("jobs+x@acme.example", Some(probe())), (false, false));
}

#[test]
fn a_probe_that_waited_for_pass_2_for_days_is_no_application() {
    let r = handoff_to("jobs@acme.example", token(Way::Forward, KEPT));
    let accepted = recipient(&rules(), &keys(), NOW, None, &r).unwrap();
    let arrival = Arrival {
        accepted: &accepted,
        path: &r.path,
        sender: &RawPath::new(sender()),
        facts: &facts(&FIELDS),
        body: b"",
        truncated: false,
        size: Some(1000),
    };
    let later = NOW + 3 * 86_400;
    let d = forward(&rules(), &keys(), later, &arrival, &mut Budget::default()).unwrap();
    assert_eq!((d.action, d.probe), (Action::Copy(Outcome::ProbeArrived), Some(probe().id)));
}
