//! What pass 2 does with outgoing mail: copies of what colleagues send, what a system sends to
//! itself, and what comes back.
// SPDX-License-Identifier: GPL-3.0-or-later

use super::tests::{KEPT, NOW, decide_by, facts, handoff_to, token};
use super::*;
use crate::policy::testing::{keys, rules};
use crate::policy::token::{BOUNCE_LIFE, Flags, route_mark, rule_tag};

const ID: TokenId = TokenId { time: 1_795_551_688, nonce: [7; 6] };

/// Decides on what comes to the bounce address of a mail from an address.
fn returned(rules: &Rules, from: &str, sender: &str, body: &str) -> Decision {
    let bounce = OutgoingBounce { id: ID, route: route_mark("own"), rule: rule_tag(from) };
    let extension = bounce.extension(&keys()).unwrap();
    let to = Recipient::plain(&format!("recruit-bounces+{extension}@handoff.internal"));
    decide_by(rules, &to, sender, &facts(&[]), body, &mut Budget::default())
}

fn report(action: &str) -> String {
    format!("Content-Type: message/delivery-status\n\n\nAction: {action}\nStatus: 5.1.1\n")
}

/// Where a plan leads a mail back to, and whether it is told apart from a forward.
fn back_to(decision: &Decision, address: &str) -> bool {
    let handoff = Handoff { way: Way::Return, id: ID, flags: Flags::default(), leader: [0; 4] };
    let to = Address::parse(address).unwrap();
    let local = handoff.local_part(&keys(), &to).unwrap();
    decision.plan.to_string().starts_with(&format!("add_rcpt <{local}@return.handoff.internal>"))
}

#[test]
fn whatever_comes_back_goes_to_the_recruiting_address_or_its_fallback() {
    for (from, to) in
        [("jobs@acme.example", "jobs@acme.example"), ("karriere@acme.example", "hr@acme.example")]
    {
        for action in ["failed", "delayed", "delivered", "relayed"] {
            let d = returned(&rules(), from, "<>", &report(action));
            assert_eq!(d.action, Action::ReportReturned, "{action}");
            assert_eq!(d.reason.word(), action);
            assert_eq!(d.address.as_deref(), Some(from));
            assert_eq!(d.token, Some(ID));
            assert!(back_to(&d, to), "{}", d.plan);
        }
        // What is no report, of a machine or of a person.
        for sender in ["<>", "<erika@example.org>"] {
            let d = returned(&rules(), from, sender, "I am away");
            assert!(back_to(&d, to), "{}", d.plan);
        }
        let d = returned(&rules(), from, "<erika@example.org>", "I am away");
        assert_eq!(d.reason, Reason::NoReport);
    }
}

#[test]
fn where_nobody_is_left_to_see_it_it_goes_to_whoever_there_is() {
    for from in ["gone@acme.example", "*@karriere.acme.example"] {
        for sender in ["<>", "<erika@example.org>"] {
            let d = returned(&rules(), from, sender, &report("failed"));
            assert_eq!(d.action, Action::ReportReturned);
            assert!(back_to(&d, "hr@acme.example"), "{}", d.plan);
            let mut nobody = rules();
            nobody.addresses.iter_mut().for_each(|rule| rule.fallback = None);
            let d = returned(&nobody, from, sender, &report("failed"));
            assert!(back_to(&d, "postmaster@acme.example"), "{}", d.plan);
        }
    }
}

#[test]
fn a_forged_or_old_bounce_address_leads_nowhere_but_to_a_fallback() {
    let bounce = OutgoingBounce { id: ID, route: route_mark("own"), rule: [0; 4] };
    let extension = bounce.extension(&keys()).unwrap();
    let forged = format!("{}a", &extension[..extension.len() - 1]);
    // From the null sender it may be a report whose key was made anew; see `give_up`.
    for (extension, sender, expected) in [
        (forged.clone(), "<eve@evil.example>", (Action::Discarded, Reason::UnknownKey)),
        (forged.clone(), "<>", (Action::ReportReturned, Reason::UnknownKey)),
        (format!("{forged}a"), "<>", (Action::Discarded, Reason::NotOurs)),
    ] {
        let to = Recipient::plain(&format!("recruit-bounces+{extension}@handoff.internal"));
        let budget = &mut Budget::default();
        let d = decide_by(&rules(), &to, sender, &facts(&[]), &report("failed"), budget);
        assert_eq!((d.action, d.reason), expected);
        if d.action == Action::Discarded {
            assert_eq!(d.plan, Plan::only(Reply::Discard));
        }
    }
    let to = Recipient::plain(&format!("recruit-bounces+{extension}@handoff.internal"));
    let later = NOW + BOUNCE_LIFE + 1;
    assert_eq!(
        recipient(&rules(), &keys(), later, None, &to),
        Ok(Accepted::Returned { token: Err(TokenError::Expired) })
    );
}

#[test]
fn a_copy_of_what_a_colleague_sent_names_whom_he_wrote_to() {
    let flags = Flags { outbound: true, authenticated: true, ..KEPT };
    let copy = |to: &str| {
        let fields = [("From", " jobs@acme.example"), ("To", to), ("Message-ID", " <1@x>")];
        let to = handoff_to("jobs@acme.example", token(Way::Forward, flags));
        decide_by(&rules(), &to, "<b@acme.example>", &facts(&fields), "", &mut Budget::default())
    };
    let d = copy(" Erika <erika@example.org>, bob@acme.example");
    assert_eq!((d.action, d.reason), (Action::Copy(Outcome::HandedOver), Reason::Rule));
    let plan = d.plan.to_string();
    for edit in [
        "add_rcpt <acme-jobs@m-personio.example> NOTIFY=SUCCESS,FAILURE,DELAY",
        "X-Recruiting-Kind outbound-copy",
        "X-Recruiting-Applicant Erika <erika@example.org>; source=to; confidence=certain",
        "X-Recruiting-Seal v=1;",
    ] {
        assert!(plan.contains(edit), "{edit}\n{plan}");
    }
    // Two outside: whose file it belongs to cannot be said.
    let plan = copy(" erika@example.org, joe@example.net").plan.to_string();
    assert!(!plan.contains("Applicant"), "{plan}");
}

#[test]
fn what_a_systems_own_login_sends_goes_back_and_not_on() {
    let flags = Flags { own_login: true, kept: false, ..KEPT };
    let fields = [("From", " karriere@acme.example"), ("Message-ID", " <1@x>")];
    let to = handoff_to("karriere@acme.example", token(Way::Forward, flags));
    let from = "<karriere@acme.example>";
    let d = decide_by(&rules(), &to, from, &facts(&fields), "", &mut Budget::default());
    assert_eq!((d.action, d.reason), (Action::Copy(Outcome::Returned), Reason::OwnLogin));
}
