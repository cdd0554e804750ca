//! `explain`: what would happen to a message, and why. Both passes are decided and applied to the
//! message in memory; nothing is sent.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fmt::{self, Write as _};

use serde::Serialize;

use crate::mail::{Envelope, Field, Header, Message, RawPath, Recipient};
use crate::plan::{Edit, Plan, apply};
use crate::policy::budget::Budget;
use crate::policy::divert::{Diverted, Origin, divert, is_recruiting};
use crate::policy::facts::Facts;
use crate::policy::forward::{Action, Arrival, Decision, forward, recipient, wants_body};
use crate::policy::keys::Keys;
use crate::policy::rules::Rules;
use crate::policy::token::TokenId;

/// A message and how it would arrive.
#[derive(Debug)]
pub struct Question {
    /// The message.
    pub message: Message,
    /// The envelope sender, without brackets; empty for the null sender.
    pub from: String,
    /// The recipients, without brackets.
    pub to: Vec<String>,
    /// Who brings it.
    pub origin: Origin,
}

/// What would happen.
#[derive(Debug, Serialize)]
pub struct Explanation {
    envelope: Shown,
    recipients: Vec<ShownRecipient>,
    pass1: Vec<String>,
    copies: Vec<Copy>,
}

#[derive(Debug, Serialize)]
struct Shown {
    from: String,
    to: Vec<String>,
}

#[derive(Debug, Serialize)]
struct ShownRecipient {
    address: String,
    system: Option<String>,
    local_copy: Option<bool>,
    note: &'static str,
}

/// One handoff and what pass 2 makes of it.
#[derive(Debug, Serialize)]
struct Copy {
    address: String,
    system: Option<String>,
    action: &'static str,
    reason: &'static str,
    kind: Option<&'static str>,
    edits: Vec<String>,
    envelope: Shown,
    added: Vec<String>,
    removed: Vec<String>,
}

/// Answers a question. `now` in seconds since 1970. None only where there is no key to sign with.
pub fn explain(rules: &Rules, keys: &Keys, now: u64, question: &Question) -> Option<Explanation> {
    let recipients: Vec<Recipient> = question.to.iter().map(|to| Recipient::plain(to)).collect();
    let mut envelope = Envelope {
        sender: RawPath::new(format!("<{}>", question.from)),
        sender_args: Vec::new(),
        recipients: recipients.clone(),
    };
    let mine: Vec<Recipient> =
        recipients.iter().filter(|r| is_recruiting(rules, &r.resolved)).cloned().collect();
    let mut count = 0u8;
    let mut stamp = || {
        count = count.wrapping_add(1);
        TokenId { time: u32::try_from(now).unwrap_or(u32::MAX), nonce: [0, 0, 0, 0, 0, count] }
    };
    let first = divert(rules, keys, &mine, question.origin, &mut stamp)?;
    apply(&first.plan, usize::MAX, &mut envelope, &mut Header::default());
    let mut budget = Budget::default();
    let copies = first.plan.edits().iter().filter_map(|edit| match edit {
        Edit::AddRcpt { address, .. } => {
            let path = RawPath::from(address);
            let handoff = envelope.recipients.iter().find(|r| r.path == path)?.clone();
            copy(rules, keys, now, question, handoff, &mut budget)
        }
        _ => None,
    });
    Some(Explanation {
        recipients: recipients.iter().map(|r| shown(rules, r, &first.diverted)).collect(),
        pass1: words(&first.plan),
        copies: copies.collect(),
        envelope: Shown { from: question.from.clone(), to: question.to.clone() },
    })
}

fn shown(rules: &Rules, recipient: &Recipient, diverted: &[Diverted]) -> ShownRecipient {
    let address = recipient.resolved.clone();
    let Some((_, rule)) = rules.lookup(&address) else {
        return ShownRecipient {
            address,
            system: None,
            local_copy: None,
            note: "not ours, untouched",
        };
    };
    let key = address.to_lowercase();
    let note = match diverted.iter().find(|d| d.address.key() == key).map(|d| d.handoff) {
        Some(Some(token)) if token.flags.companion => {
            "another address of this mail leads the copy to the same system"
        }
        Some(Some(_)) if rule.local_copy => "recruiting address, local copy kept",
        Some(Some(_)) => "recruiting address, no local copy",
        Some(None) => "keeps its local copy; another address leads the copy to the same system",
        None => "recruiting address that cannot be written without quotes: ordinary mail",
    };
    let system = Some(rules.system(rule).id.clone());
    ShownRecipient { address, system, local_copy: Some(rule.local_copy), note }
}

fn copy(
    rules: &Rules,
    keys: &Keys,
    now: u64,
    question: &Question,
    handoff: Recipient,
    budget: &mut Budget,
) -> Option<Copy> {
    let accepted = recipient(rules, keys, now, None, &handoff).ok()?;
    let mut facts = Facts::default();
    for field in &question.message.header.fields {
        facts.push(&field.name, &field.body);
    }
    let sender = RawPath::new(format!("<{}>", question.from));
    let wanted = wants_body(&accepted).min(question.message.body.len());
    let arrival = Arrival {
        accepted: &accepted,
        path: &handoff.path,
        sender: &sender,
        facts: &facts,
        body: &question.message.body[..wanted],
    };
    let decision = forward(rules, keys, now, &arrival, budget)?;
    let mut envelope =
        Envelope { sender: sender.clone(), sender_args: Vec::new(), recipients: vec![handoff] };
    let mut header = question.message.header.clone();
    apply(&decision.plan, usize::MAX, &mut envelope, &mut header);
    let Decision { plan, action, reason, address, system, kind, .. } = decision;
    let goes_on = matches!(action, Action::Forwarded | Action::GivenBack | Action::Returned);
    let to = envelope.recipients.iter().filter(|_| goes_on).map(|r| r.path.printable()).collect();
    Some(Copy {
        address: address.unwrap_or_default(),
        system,
        action: action.word(),
        reason: reason.word(),
        kind: kind.map(crate::policy::forward::Kind::word),
        edits: words(&plan),
        envelope: Shown { from: envelope.sender.printable(), to },
        added: difference(&header, &question.message.header),
        removed: difference(&question.message.header, &header),
    })
}

fn words(plan: &Plan) -> Vec<String> {
    plan.to_string().lines().map(str::to_owned).collect()
}

/// The fields of one header that are not in the other, as text.
fn difference(of: &Header, without: &Header) -> Vec<String> {
    let mut rest: Vec<&Field> = without.fields.iter().collect();
    let mut found = Vec::new();
    for field in &of.fields {
        match rest.iter().position(|other| *other == field) {
            Some(at) => _ = rest.remove(at),
            None => found.push(format!(
                "{}:{}",
                String::from_utf8_lossy(&field.name),
                String::from_utf8_lossy(&field.body).replace("\n\t", " ")
            )),
        }
    }
    found
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "envelope   from <{}> to {}", self.envelope.from, list(&self.envelope.to))?;
        let width = self.recipients.iter().map(|r| r.address.chars().count()).max().unwrap_or(0);
        for r in &self.recipients {
            let system = r.system.as_ref().map(|s| format!(" ({s})")).unwrap_or_default();
            writeln!(f, "           {:width$}  {}{system}", escaped(&r.address), r.note)?;
        }
        writeln!(f, "\npass 1, incoming mail")?;
        self.pass1.iter().try_for_each(|line| writeln!(f, "           {}", escaped(line)))?;
        for copy in &self.copies {
            let kind = copy.kind.map(|kind| format!(", kind {kind}")).unwrap_or_default();
            writeln!(
                f,
                "\npass 2, the copy for {}: {} ({}{kind})",
                escaped(&copy.address),
                copy.action,
                copy.reason
            )?;
            copy.edits.iter().try_for_each(|line| writeln!(f, "           {}", escaped(line)))?;
            writeln!(f, "  result   from <{}> to {}", copy.envelope.from, list(&copy.envelope.to))?;
            for (sign, fields) in [('+', &copy.added), ('-', &copy.removed)] {
                fields
                    .iter()
                    .try_for_each(|line| writeln!(f, "         {sign} {}", escaped(line)))?;
            }
        }
        Ok(())
    }
}

fn list(addresses: &[String]) -> String {
    if addresses.is_empty() {
        return "nobody".into();
    }
    addresses.iter().map(|a| format!("<{}>", escaped(a))).collect::<Vec<_>>().join(", ")
}

/// What came from a message must not steer the terminal.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { _ = write!(out, "{}", c.escape_default()) } else { out.push(c) }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::testing::{keys, rules};

    fn ask(from: &str, to: &[&str], message: &str) -> Explanation {
        let question = Question {
            message: Message::parse(message.as_bytes()),
            from: from.into(),
            to: to.iter().map(|t| (*t).to_owned()).collect(),
            origin: Origin::default(),
        };
        explain(&rules(), &keys(), 1_795_551_688, &question).unwrap()
    }

    #[test]
    fn an_application_is_explained_from_end_to_end() {
        let text = ask(
            "erika@example.org",
            &["jobs@acme.example", "bob@acme.example"],
            "From: Erika <erika@example.org>\nX-Recruiting-Kind: forged\nSubject: CV\x1b[31m\n\nHi\n",
        )
        .to_string();
        // Tokens and the seal are long and tested elsewhere.
        let shape: Vec<String> = text
            .lines()
            .map(|line| {
                line.split(' ')
                    .map(|w| if w.len() > 60 { "..." } else { w })
                    .collect::<Vec<_>>()
                    .join(" ")
            })
            .collect();
        let expected = "\
envelope   from <erika@example.org> to <jobs@acme.example>, <bob@acme.example>
           jobs@acme.example  recruiting address, local copy kept (personio)
           bob@acme.example   not ours, untouched

pass 1, incoming mail
           add_rcpt ... NOTIFY=NEVER ORCPT=rfc822;jobs@acme.example
           continue

pass 2, the copy for jobs@acme.example: forwarded (rule, kind mail)
           add_rcpt <acme-jobs@m-personio.example> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;jobs@acme.example
           del_header 1 X-Recruiting-Kind
           ins_header 0 X-Recruiting-Applicant <erika@example.org>; source=from
           ins_header 0 X-Recruiting-Kind mail
           ins_header 0 X-Recruiting-Envelope-Sender <erika@example.org>
           ins_header 0 X-Recruiting-Address jobs@acme.example
           ins_header 0 X-Recruiting-System personio";
        assert_eq!(shape[..expected.lines().count()].join("\n"), expected);
        assert!(text.contains("\n         - X-Recruiting-Kind: forged\n"));
        assert!(text.contains("\n         + X-Recruiting-System: personio\n"));
        assert!(!text.contains('\x1b'));
    }

    #[test]
    fn mail_of_others_is_explained_in_a_line() {
        let answer = ask("a@x.example", &["bob@acme.example"], "Subject: x\n\n");
        assert!(answer.copies.is_empty());
        assert_eq!(answer.pass1, ["continue"]);
    }
}
