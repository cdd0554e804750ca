//! Which copies the agent is to unwrap, and the way to it.
//!
//! Must not know what the agent does with them.
// SPDX-License-Identifier: GPL-3.0-or-later

use super::{Arrival, context, evidence};
use crate::mail::mime::split_header;
use crate::mail::{Address, Notify, enclosed};
use crate::plan::Plan;
use crate::policy::applicant::{self, Reading};
use crate::policy::facts::Facts;
use crate::policy::keys::Keys;
use crate::policy::kind::{How, Kind};
use crate::policy::rules::{AddressRule, Rules};
use crate::policy::seal::is_sealed;
use crate::policy::token::{Handoff, Way};

/// Whether a copy is to go to the agent: a colleague's mail with one message attached, whose author
/// is surely the applicant.
///
/// Of a large message the beginning is seen here. Whether something else is attached further down the
/// agent sees, and then the copy comes back as it is ([`Way::Unwrap`]).
pub(super) fn is_to_be_unwrapped(
    rules: &Rules,
    keys: &Keys,
    rule: &AddressRule,
    arrival: &Arrival<'_>,
    token: &Handoff,
    reading: &Reading,
) -> bool {
    let eligible = rule.unwrap
        && token.way == Way::Forward
        && !token.flags.unwrapped
        && reading.kind == Kind::Forward(How::Attached)
        && reading.trusted_forwarder
        && !reading.needs_review
        && arrival.size.is_some_and(|size| size <= rules.reading.unwrap_limit);
    let Some(applicant) = reading.applicant().filter(|_| eligible) else {
        return false;
    };
    let Some(inner) = enclosed(arrival.facts.header(), arrival.body) else {
        return false;
    };
    let facts = Facts::from(&split_header(&inner).0);
    let sender = arrival.sender.printable();
    let context = context(rules, evidence(token), &sender);
    let unwrapped = applicant::read_unwrapped(facts.header(), None, &context);
    unwrapped.applicants == [applicant.clone()] && !is_sealed(keys, &facts)
}

/// Sends a copy to the agent. Nothing else that counts changes: it is still the colleague's message.
pub(super) fn to_agent(
    rules: &Rules,
    keys: &Keys,
    arrival: &Arrival<'_>,
    token: &Handoff,
    address: &Address,
) -> Option<Plan> {
    let local = Handoff { way: Way::Unwrap, ..*token }.local_part(keys, address)?;
    let to = Address::parse(&format!("{local}@{}", rules.handoff_domain)).ok()?;
    // As in pass 1: nobody must hear of this recipient.
    Some(arrival.led_back(rules, to, Notify::Never, address)?.build())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{KEPT, NOW, facts, handoff_to, token};
    use super::super::{Action, Decision, forward, recipient};
    use crate::mail::{FieldBody, OwnField, OwnName, RawPath};
    use crate::policy::budget::Budget;
    use crate::policy::outcome::Outcome;
    use crate::policy::seal::{SYSTEM, seal};
    use crate::policy::testing::{keys, rules};
    use crate::policy::token::{Flags, Handoff, Way};

    use super::*;

    const LOGIN: Flags = Flags { authenticated: true, ..KEPT };
    const INNER: &str = "From: Lena Hoffmann <lena@post.example>\nSubject: Bewerbung\n\nHallo\n";

    struct Case<'a> {
        unwrap: bool,
        token: Handoff,
        parts: &'a [&'a str],
        truncated: bool,
        size: Option<u64>,
    }

    fn decide(case: &Case<'_>) -> Decision {
        let mut rules = rules();
        rules.addresses[0].unwrap = case.unwrap;
        let r = handoff_to("jobs@acme.example", case.token);
        let accepted = recipient(&rules, &keys(), NOW, None, &r).unwrap();
        let body = case.parts.iter().flat_map(|p| ["--b\n", p, "\n"]).collect::<String>();
        let body = if case.truncated { body } else { body + "--b--\n" };
        let arrival = Arrival {
            accepted: &accepted,
            path: &r.path,
            sender: &RawPath::new("<sabine@acme.example>"),
            facts: &facts(&[
                ("From", " Sabine <sabine@acme.example>"),
                ("Content-Type", " multipart/mixed; boundary=b"),
            ]),
            body: body.as_bytes(),
            truncated: case.truncated,
            size: case.size,
        };
        forward(&rules, &keys(), NOW, &arrival, &mut Budget::default()).unwrap()
    }

    fn attached(inner: &str) -> String {
        format!("Content-Type: message/rfc822\n\n{inner}")
    }

    const TEXT: &str = "Content-Type: text/plain\n\nBitte anlegen";

    fn usual<'a>(parts: &'a [&'a str]) -> Case<'a> {
        let token = token(Way::Forward, LOGIN);
        Case { unwrap: true, token, parts, truncated: false, size: Some(1000) }
    }

    #[test]
    fn a_colleagues_attached_forward_goes_to_the_agent_and_nothing_else_changes() {
        let inner = attached(INNER);
        let parts = [TEXT, &inner];
        let d = decide(&usual(&parts));
        assert_eq!(d.action, Action::Copy(Outcome::Unwrapping));
        let local = token(Way::Unwrap, LOGIN);
        let local = local.local_part(&keys(), &Address::parse("jobs@acme.example").unwrap());
        let text = d.plan.to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[0],
            format!(
                "add_rcpt <{}@handoff.internal> NOTIFY=NEVER ORCPT=rfc822;jobs@acme.example",
                local.unwrap()
            )
        );
        assert!(lines[1].starts_with("del_rcpt <t"), "{text}");
        assert_eq!(lines[2..], ["continue"]);
        // The beginning of a large one shows enough; the agent sees the rest.
        let cut = Case { truncated: true, ..usual(&parts) };
        assert_eq!(decide(&cut).action, Action::Copy(Outcome::Unwrapping));
    }

    #[test]
    fn everything_else_goes_on_as_it_is() {
        let inner = attached(INNER);
        let parts = [TEXT, &inner];
        let two = attached(&INNER.replace("lena", "jan"));
        let pdf = "Content-Type: application/pdf\n\nx";
        let colleague = attached(&INNER.replace("post.example", "acme.example"));
        let several = attached(&INNER.replace('>', ">, jan@post.example"));
        let (stranger, back) = (token(Way::Forward, KEPT), token(Way::Unwrap, LOGIN));
        for (case, why) in [
            (Case { unwrap: false, ..usual(&parts) }, "not configured"),
            (Case { token: stranger, ..usual(&parts) }, "not proven to be a colleague's"),
            (Case { token: back, ..usual(&parts) }, "back from the agent"),
            (Case { size: Some(65 << 20), ..usual(&parts) }, "too large"),
            (Case { size: None, ..usual(&parts) }, "of unknown size"),
            (usual(&[TEXT, &inner, &two]), "two messages"),
            (usual(&[TEXT, &inner, pdf]), "another attachment"),
            (usual(&[TEXT, &colleague]), "a colleague's message"),
            (usual(&[TEXT, &several]), "several authors"),
            (usual(&[TEXT]), "nothing attached"),
        ] {
            assert_eq!(decide(&case).action, Action::Copy(Outcome::HandedOver), "{why}");
        }
    }

    #[test]
    fn what_was_forwarded_before_is_not_unwrapped() {
        let tag = OwnField { name: OwnName::ours(SYSTEM), body: FieldBody::new("x").unwrap() };
        let from = facts(&[("From", " Lena Hoffmann <lena@post.example>")]);
        let seal = seal(&keys(), 1, std::slice::from_ref(&tag), &from).unwrap();
        let fields = [&seal, &tag].map(|f| format!("{}: {}\n", f.name, f.body.as_str())).concat();
        let sealed = attached(&format!("{fields}{INNER}"));
        assert_eq!(decide(&usual(&[TEXT, &sealed])).action, Action::Copy(Outcome::HandedOver));
        let torn = sealed.replace("System: x", "System: y");
        assert_eq!(decide(&usual(&[TEXT, &torn])).action, Action::Copy(Outcome::Unwrapping));
    }

    #[test]
    fn what_was_unwrapped_is_a_forward_by_the_colleague() {
        let unwrapped = Flags { unwrapped: true, ..LOGIN };
        let mut rules = rules();
        rules.addresses[0].unwrap = true;
        let r = handoff_to("jobs@acme.example", token(Way::Forward, unwrapped));
        let accepted = recipient(&rules, &keys(), NOW, None, &r).unwrap();
        let arrival = Arrival {
            accepted: &accepted,
            path: &r.path,
            sender: &RawPath::new("<sabine@acme.example>"),
            // What a machine sent is no less an application if a colleague forwards it.
            facts: &facts(&[
                ("From", " Lena Hoffmann <lena@post.example>"),
                ("Auto-Submitted", " auto-generated"),
                ("X-Recruiting-Kind", " forged"),
            ]),
            body: b"",
            truncated: false,
            size: None,
        };
        let need = super::super::body_need(&rules, &accepted, arrival.sender, arrival.facts);
        assert_eq!(need, applicant::BodyNeed::Nothing);
        let d = forward(&rules, &keys(), NOW, &arrival, &mut Budget::default()).unwrap();
        assert_eq!(d.action, Action::Copy(Outcome::HandedOver));
        let text = d.plan.to_string();
        for line in [
            "del_header 1 X-Recruiting-Kind\n",
            "ins_header 0 X-Recruiting-Kind forward-attached\n",
            "ins_header 0 X-Recruiting-Applicant Lena Hoffmann <lena@post.example>; \
             source=attached-message; confidence=certain\n",
            "ins_header 0 X-Recruiting-Forwarder <sabine@acme.example>\n",
            "ins_header 0 X-Recruiting-Envelope-Sender <sabine@acme.example>\n",
        ] {
            assert!(text.contains(line), "{line}{text}");
        }
    }
}
