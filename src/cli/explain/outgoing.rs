//! What would happen to a message as outgoing mail: the checks of its login one by one, and its route.
//!
//! The decision is the milter's own. Limits are not asked: what was sent today is not known here.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fmt::{self, Write as _};
use std::net::IpAddr;

use serde::Serialize;

use super::text::escaped;
use super::{Question, words};
use crate::mail::domain::address_key;
use crate::mail::mailbox::MailboxList;
use crate::mail::{Message, RawPath, Recipient};
use crate::policy::identity;
use crate::policy::keys::Keys;
use crate::policy::limits::Limits;
use crate::policy::limits::Usage;
use crate::policy::outbound::rules::Recipe;
use crate::policy::outbound::{Client, Decision, Moment, Outgoing, Sent, Violation};
use crate::policy::rules::Rules;
use crate::policy::token::TokenId;

/// An outgoing message of ours, and what becomes of it.
#[derive(Debug, Serialize)]
pub(super) struct ShownOutgoing {
    /// The login's name in the configuration, if it is one.
    login: Option<String>,
    /// `sent` or `refused`.
    verdict: &'static str,
    /// What the client is told, where it is refused.
    reply: Option<String>,
    /// What is against it, whether it is refused for that or not.
    violations: Vec<ShownViolation>,
    route: Option<String>,
    because: Option<String>,
    told_by: Option<&'static str>,
    copy_to: Option<String>,
    /// All edits, those of pass 1 among them.
    edits: Vec<String>,
}

#[derive(Debug, Serialize)]
struct ShownViolation {
    reason: &'static str,
    detail: Option<String>,
    remedy: Option<String>,
}

/// Answers for outgoing mail. Nothing where it is none of ours, or where there is no key.
pub(super) fn ask(
    rules: &Rules,
    keys: &Keys,
    now: u64,
    question: &Question,
    stamp: &mut dyn FnMut() -> TokenId,
) -> Option<ShownOutgoing> {
    if !rules.has_outbound() {
        return None;
    }
    let mut rules = rules.clone();
    for login in &mut rules.outbound.logins {
        login.limits = Limits::default();
    }
    let (sent, edits, reply) = match decide(&rules, keys, now, question, stamp)? {
        Ok(decision) => {
            let sent = decision.sent?;
            let reply = sent.refused.then(|| decision.plan.reply().to_string());
            (sent, words(&decision.plan), reply)
        }
        Err((login, violation)) => {
            let reply = violation.reply().to_string();
            let sent = Sent {
                login: Some(login),
                violations: vec![violation],
                refused: true,
                ..Sent::default()
            };
            (sent, vec![reply.clone()], Some(reply))
        }
    };
    let login = sent.login.clone().unwrap_or_default();
    let violations = sent.violations.iter().map(|violation| ShownViolation {
        reason: violation.word(),
        detail: violation.detail(),
        remedy: remedy(violation, &login, question.client),
    });
    Some(ShownOutgoing {
        verdict: if sent.refused { "refused" } else { "sent" },
        reply,
        violations: violations.collect(),
        login: sent.login,
        route: sent.route,
        because: sent.because,
        told_by: sent.told_by.map(Recipe::word),
        copy_to: sent.copy_to,
        edits,
    })
}

/// The decision, or the name of the login and why it is refused before the message. None only where
/// there is no key.
fn decide(
    rules: &Rules,
    keys: &Keys,
    now: u64,
    question: &Question,
    stamp: &mut dyn FnMut() -> TokenId,
) -> Option<Result<Decision, (String, Violation)>> {
    let mut usage = Usage::default();
    let client = Client { user: question.user.clone(), address: question.client };
    let sender = RawPath::new(format!("<{}>", question.from));
    let mut message = Outgoing::new(rules, client, sender);
    let mut begun = message.admit(rules, &mut usage, now);
    for to in &question.to {
        let recipient = Recipient::plain(to);
        begun = begun.and_then(|()| message.rcpt(rules, recipient, None, &mut usage, now));
    }
    if let Err(violation) = begun {
        let login = message.login_name(rules).unwrap_or_default().to_owned();
        return Some(Err((login, violation)));
    }
    for field in &question.message.header.fields {
        message.field(&field.name, &field.body);
    }
    let date = || "(the time)".to_owned();
    let mut moment = Moment { now, date: &date, stamp };
    message.finish(rules, keys, &mut moment).map(Ok)
}

/// What an admin can do about it, if it was meant to be allowed.
fn remedy(violation: &Violation, login: &str, client: Option<IpAddr>) -> Option<String> {
    let section = format!("[login.{login}]");
    match violation {
        Violation::Network => Some(match client {
            Some(client) => format!("add \"{client}\" or its network to networks of {section}"),
            None => "say with --client from where it comes".to_owned(),
        }),
        Violation::EnvelopeSender(sender) => {
            let sender = if sender.is_empty() { "<>" } else { sender };
            Some(format!("add {sender:?} to envelope_senders of {section}"))
        }
        Violation::Author(identity::Violation::NotAllowed { address, .. }) => {
            Some(format!("add {:?} to may_send_as of {section}", address.as_str()))
        }
        Violation::Author(_)
        | Violation::Limit(_)
        | Violation::TooManyRecipients
        | Violation::TooManyBcc => None,
        Violation::Mixed => Some("write mixed = \"sender\" for its route".to_owned()),
    }
}

/// Everybody whom a message is to, by its header.
pub(super) fn everybody(message: &Message) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for name in ["To", "Cc"] {
        let fields = message.header.all(name).take(20);
        for mailbox in fields.flat_map(|field| MailboxList::parse(&field.body).mailboxes) {
            let address = mailbox.address();
            if !found.iter().any(|known| address_key(known) == address_key(&address)) {
                found.push(address.clone());
            }
        }
    }
    found
}

impl ShownOutgoing {
    /// Whether nobody gets it.
    pub(super) fn is_refused(&self) -> bool {
        self.reply.is_some()
    }
}

impl fmt::Display for ShownOutgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let login = self.login.as_ref().map(|login| format!(", login {login}")).unwrap_or_default();
        let reply = self.reply.as_ref().map(|reply| format!(": {reply}")).unwrap_or_default();
        writeln!(f, "outgoing   {}{}{}", self.verdict, escaped(&login), escaped(&reply))?;
        for violation in &self.violations {
            let mut line = violation.reason.to_owned();
            if let Some(detail) = &violation.detail {
                let _ = write!(line, ": {detail}");
            }
            let only = if self.is_refused() { "" } else { "would be refused for " };
            writeln!(f, "           {only}{}", escaped(&line))?;
            if let Some(remedy) = &violation.remedy {
                writeln!(f, "           -> {}", escaped(remedy))?;
            }
        }
        if self.is_refused() {
            return Ok(());
        }
        match (&self.route, &self.because) {
            (Some(route), Some(because)) => {
                let told = self.told_by.map(|by| format!(", told by {by}")).unwrap_or_default();
                writeln!(f, "route      {route} ({}){told}", escaped(because))?;
            }
            _ => writeln!(f, "route      none: as other mail")?,
        }
        if let Some(system) = &self.copy_to {
            writeln!(f, "copy       for the recruiting system {system}")?;
        }
        for (number, edit) in self.edits.iter().enumerate() {
            let label = if number == 0 { "edits" } else { "" };
            writeln!(f, "{label:10} {}", escaped(edit))?;
        }
        writeln!(f)
    }
}
