//! `explain`: what would happen to a message, and why. Both passes are decided and applied to the
//! message in memory; nothing is sent.
//!
//! * here: the question and its answer;
//! * `outgoing`: the answer for mail on its way out;
//! * `text`: the answer for people;
//! * `input`: messages from files, folders and mailboxes;
//! * `summary`: many answers in one table;
//! * `command`: the command line.
// SPDX-License-Identifier: GPL-3.0-or-later

pub(super) mod command;
mod input;
mod outgoing;
mod summary;
#[cfg(test)]
mod tests;
mod text;

use std::collections::HashMap;
use std::net::IpAddr;

use serde::Serialize;

use crate::mail::domain::address_key;
use crate::mail::mailbox::MailboxList;
use crate::mail::{Address, Envelope, Header, Message, Orcpt, RawPath, Recipient};
use crate::plan::{Edit, Plan, apply};
use crate::policy::applicant::{self, Applicant, BodyNeed, Clue, Evidence, Reading};
use crate::policy::budget::Budget;
use crate::policy::divert::{Diversion, Diverted, Origin, divert, is_recruiting};
use crate::policy::facts::Facts;
use crate::policy::forward::{
    Accepted, Action, Arrival, Decision, body_need, context, decide, recipient,
};
use crate::policy::keys::Keys;
use crate::policy::outcome::Outcome;
use crate::policy::probe::{Probe, unproven};
use crate::policy::rules::{Pattern, Rules};
use crate::policy::token::{Flags, Handoff, TokenId, Way};
use crate::policy::unread::{Place, Unread};
use crate::policy::unwrap::unwrap;
use crate::reading::{Net, SoFar};
use outgoing::ShownOutgoing;

/// Postfix: a piece of the body has at most so many octets (`MILTER_CHUNK_SIZE`).
const CHUNK: usize = 65_535;

/// A message and how it would arrive.
#[derive(Clone, Debug)]
pub struct Question {
    /// The message.
    pub message: Message,
    /// The envelope sender, without brackets; empty for the null sender.
    pub from: String,
    /// The recipients, without brackets.
    pub to: Vec<String>,
    /// Who brings it.
    pub origin: Origin,
    /// The SASL user name, if he logged in.
    pub user: Option<String>,
    /// The client's address, where it is known.
    pub client: Option<IpAddr>,
}

/// What would happen.
///
/// What stands before the recipients is about the copy that leads: the first recruiting recipient's.
#[derive(Debug, Serialize)]
pub struct Explanation {
    kind: &'static str,
    applicant: Option<ShownApplicant>,
    applicants: Vec<ShownApplicant>,
    needs_review: bool,
    trusted_forwarder: bool,
    forwarder: Option<String>,
    original: ShownOriginal,
    evidence: Vec<ShownClue>,
    /// What becomes of it, as a word of the list; of mail that is for no recruiting address `untouched`.
    outcome: &'static str,
    reason: &'static str,
    envelope: Shown,
    added: Vec<String>,
    removed: Vec<String>,
    incoming: Shown,
    recipients: Vec<ShownRecipient>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outgoing: Option<ShownOutgoing>,
    pass1: Vec<String>,
    copies: Vec<Copy>,
}

/// An envelope.
#[derive(Clone, Debug, Serialize)]
struct Shown {
    from: String,
    to: Vec<String>,
}

#[derive(Clone, Debug, Serialize)]
struct ShownApplicant {
    address: String,
    name: Option<String>,
    source: &'static str,
    confidence: &'static str,
}

/// Subject and date of a message that a colleague passed on.
#[derive(Debug, Serialize)]
struct ShownOriginal {
    subject: Option<String>,
    date: Option<String>,
}

#[derive(Debug, Serialize)]
struct ShownClue {
    part: String,
    lines: Option<(usize, usize)>,
    what: String,
    /// All of it, for people.
    #[serde(skip)]
    text: String,
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
    outcome: &'static str,
    reason: &'static str,
    edits: Vec<String>,
    envelope: Shown,
    added: Vec<String>,
    removed: Vec<String>,
    #[serde(skip)]
    reading: Option<Reading>,
}

/// What decisions go by.
#[derive(Clone, Copy)]
struct World<'a> {
    rules: &'a Rules,
    keys: &'a Keys,
    /// In seconds since 1970.
    now: u64,
    /// What cannot be read here cannot be read by the milter.
    net: &'a Net,
}

/// Answers a question. `now` in seconds since 1970. None only where there is no key to sign with.
pub fn explain(rules: &Rules, keys: &Keys, now: u64, question: &Question) -> Option<Explanation> {
    explain_in(World { rules, keys, now, net: &Net::default() }, question)
}

impl World<'_> {
    /// The header as the milter keeps it, and why it is not known in full.
    fn facts(self, header: &Header) -> (Facts, Option<Unread>) {
        let (mut facts, mut unread) = (Facts::default(), None);
        for field in &header.fields {
            let ours = facts.count(&field.name);
            let read = || facts.read(ours, &field.name, &field.body);
            unread = self.net.read(Place::Field, read).err().or(unread);
        }
        (facts, unread)
    }
}

fn explain_in(world: World<'_>, question: &Question) -> Option<Explanation> {
    let World { rules, keys, now, .. } = world;
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
    let outgoing = outgoing::ask(rules, keys, now, question, &mut stamp);
    let claim = || Probe::claimed(rules, keys, &envelope.sender, now);
    let claim = world.net.read(Place::Sender, claim).unwrap_or_default();
    let origin = Origin { probe: claim.and_then(Result::ok), now, ..question.origin };
    let (first, untouched) = match claim {
        Some(Err(_)) if !mine.is_empty() => {
            let refused = Diversion { plan: unproven(), diverted: vec![], standing: vec![] };
            (refused, ("rejected", "unknown-probe"))
        }
        _ => {
            let first = divert(rules, keys, &mine, origin, &mut stamp)?;
            (first, ("untouched", "no-recruiting-address"))
        }
    };
    apply(&first.plan, usize::MAX, &mut envelope, &mut Header::default());
    let facts = world.facts(&question.message.header);
    let mut budget = Budget::default();
    let copies = first.plan.edits().iter().filter_map(|edit| match edit {
        Edit::AddRcpt { address, .. } => {
            let path = RawPath::from(address);
            let handoff = envelope.recipients.iter().find(|r| r.path == path)?.clone();
            copy(world, question, &facts, handoff, &mut budget)
        }
        _ => None,
    });
    let copies: Vec<Copy> = copies.collect();
    let incoming = Shown { from: question.from.clone(), to: question.to.clone() };
    let leading = copies.first();
    let read = leading.and_then(|copy| copy.reading.clone());
    let reading = read.unwrap_or_else(|| read_alone(world, question, &facts.0));
    let result = |of: fn(&Copy) -> &Vec<String>| leading.map(of).cloned().unwrap_or_default();
    Some(Explanation {
        kind: reading.kind.word(),
        applicant: reading.applicant().map(ShownApplicant::from),
        applicants: reading.applicants.iter().map(ShownApplicant::from).collect(),
        needs_review: reading.needs_review,
        trusted_forwarder: reading.trusted_forwarder,
        forwarder: reading.forwarder.as_ref().map(ToString::to_string),
        original: ShownOriginal {
            subject: reading.original.as_ref().and_then(|o| o.subject.clone()),
            date: reading.original.and_then(|o| o.date),
        },
        evidence: reading.clues.into_iter().map(ShownClue::from).collect(),
        outcome: leading.map_or(untouched.0, |copy| copy.outcome),
        reason: leading.map_or(untouched.1, |copy| copy.reason),
        envelope: leading.map_or_else(|| incoming.clone(), |copy| copy.envelope.clone()),
        added: result(|copy| &copy.added),
        removed: result(|copy| &copy.removed),
        recipients: recipients.iter().map(|r| shown(rules, r, &first.diverted)).collect(),
        outgoing,
        pass1: words(&first.plan),
        copies,
        incoming,
    })
}

/// The recruiting addresses that a message seems to be for: those of its fields, else the first of
/// the configuration.
pub fn recipients_of(rules: &Rules, message: &Message) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for name in ["X-Original-To", "Delivered-To", "To", "Cc"] {
        let fields = message.header.all(name).take(20);
        for mailbox in fields.flat_map(|field| MailboxList::parse(&field.body).mailboxes) {
            let address = mailbox.address();
            let new = !found.iter().any(|known| address_key(known) == address_key(&address));
            if new && rules.lookup(&address).is_some() {
                found.push(address);
            }
        }
    }
    if found.is_empty() {
        found.extend(rules.addresses.iter().find_map(|rule| match &rule.pattern {
            Pattern::Exact(address) => Some(address.to_string()),
            _ => None,
        }));
    }
    found
}

/// What a message says that is for no recruiting address.
fn read_alone(world: World<'_>, question: &Question, facts: &Facts) -> Reading {
    let rules = world.rules;
    let Origin { authenticated, internal, .. } = question.origin;
    let evidence = Evidence { login: authenticated, internal_client: internal };
    let context = context(rules, evidence, &question.from);
    let read = world.net.read(Place::Message, || {
        let need = applicant::needs_body(facts.header(), &context);
        let (body, truncated) = taken(&question.message.body, need);
        applicant::read(facts.header(), body, truncated, &context)
    });
    read.unwrap_or_else(Reading::unread)
}

/// What the milter would be given of a body, and whether it goes on.
fn taken(body: &[u8], need: BodyNeed) -> (&[u8], bool) {
    let most = match need {
        BodyNeed::Nothing => 0,
        BodyNeed::FirstChunk => CHUNK,
        BodyNeed::UpTo(most) => most,
    };
    (&body[..body.len().min(most)], body.len() > most)
}

impl From<&Applicant> for ShownApplicant {
    fn from(applicant: &Applicant) -> Self {
        Self {
            address: applicant.mailbox.address(),
            name: applicant.mailbox.name.clone(),
            source: applicant.source.word(),
            confidence: applicant.confidence.word(),
        }
    }
}

impl From<Clue> for ShownClue {
    fn from(clue: Clue) -> Self {
        let text = clue.to_string();
        Self { part: clue.part, lines: clue.lines, what: clue.what, text }
    }
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
    let key = address_key(&address);
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
    world: World<'_>,
    question: &Question,
    (facts, unread): &(Facts, Option<Unread>),
    handoff: Recipient,
    budget: &mut Budget,
) -> Option<Copy> {
    let World { rules, keys, now, net } = world;
    let accepted = recipient(rules, keys, now, None, &handoff).ok()?;
    let sender = RawPath::new(format!("<{}>", question.from));
    let need = net.read(Place::Need, || body_need(rules, &accepted, &sender, facts));
    let unread = unread.or(need.err());
    let need = need.unwrap_or(BodyNeed::Nothing);
    let (body, truncated) = taken(&question.message.body, need);
    let arrival = Arrival {
        accepted: &accepted,
        path: &handoff.path,
        sender: &sender,
        facts,
        body,
        truncated,
        size: u64::try_from(question.message.body.len()).ok(),
    };
    let advice = net.advise(rules, keys, &arrival, unread, &SoFar::default());
    let decision = decide(rules, keys, now, &arrival, &advice, budget)?;
    let mut envelope =
        Envelope { sender: sender.clone(), sender_args: Vec::new(), recipients: vec![handoff] };
    let mut header = question.message.header.clone();
    apply(&decision.plan, usize::MAX, &mut envelope, &mut header);
    let Decision { plan, action: done, reason, address, system, reading, .. } = decision;
    if let (Action::Copy(Outcome::Unwrapping), Accepted::Handoff { token, address }) =
        (done, &accepted)
    {
        let first = Copy {
            address: address.to_string(),
            system,
            outcome: done.word(),
            reason: reason.word(),
            edits: words(&plan),
            envelope: Shown { from: envelope.sender.printable(), to: Vec::new() },
            added: Vec::new(),
            removed: Vec::new(),
            reading,
        };
        return unwrapped(world, question, (token, address), first, budget);
    }
    let address = address.unwrap_or_default();
    let to = match done {
        Action::Copy(Outcome::HandedOver) => {
            envelope.recipients.iter().map(|r| r.path.printable()).collect()
        }
        Action::Copy(Outcome::Merged) => Vec::new(),
        _ => local(rules, &address, done),
    };
    Some(Copy {
        system,
        outcome: done.word(),
        reason: reason.word(),
        edits: words(&plan),
        envelope: Shown { from: envelope.sender.printable(), to },
        added: difference(&header, &question.message.header),
        removed: difference(&question.message.header, &header),
        reading,
        address,
    })
}

/// A copy that is unwrapped: what the agent makes of it, and pass 2 then of that.
fn unwrapped(
    world: World<'_>,
    question: &Question,
    (token, address): (&Handoff, &Address),
    first: Copy,
    budget: &mut Budget,
) -> Option<Copy> {
    let World { rules, keys, net, .. } = world;
    let whole = question.message.to_bytes();
    let (flags, question) = match net.read(Place::Attached, || unwrap(&whole, keys)) {
        Ok(Ok(inner)) => {
            let from = inner.forwarder.map_or_else(|| question.from.clone(), |f| f.printable());
            let message = Message::parse(&inner.message);
            let flags = Flags { unwrapped: true, ..token.flags };
            (flags, Question { message, from, ..question.clone() })
        }
        // It comes back as it is.
        Ok(Err(_)) | Err(_) => (token.flags, question.clone()),
    };
    let way = if flags.unwrapped { Way::Forward } else { Way::Unwrap };
    let local = Handoff { way, flags, ..*token }.local_part(keys, address)?;
    let mut handoff = Recipient::plain(&format!("{local}@{}", rules.handoff_domain));
    handoff.args.push(format!("ORCPT={}", Orcpt::new(address.clone())).into_bytes());
    let facts = world.facts(&question.message.header);
    let second = copy(world, &question, &facts, handoff, budget)?;
    let edits = [first.edits, second.edits].concat();
    if !flags.unwrapped {
        return Some(Copy { edits, ..second });
    }
    Some(Copy {
        outcome: first.outcome,
        reason: first.reason,
        reading: first.reading,
        edits,
        ..second
    })
}

/// Where mail to an address ends that does not go on.
fn local(rules: &Rules, address: &str, done: Action) -> Vec<String> {
    let Some((_, rule)) = rules.lookup(address) else {
        return vec![address.to_owned()];
    };
    let fallback = rule.fallback.as_ref().map(ToString::to_string);
    let home = fallback.filter(|_| !rule.local_copy).unwrap_or_else(|| address.to_owned());
    let person = rule.person.as_ref().filter(|_| done == Action::Copy(Outcome::ToPerson));
    [home].into_iter().chain(person.map(ToString::to_string)).collect()
}

fn words(plan: &Plan) -> Vec<String> {
    plan.to_string().lines().map(str::to_owned).collect()
}

/// The fields of one header that are not in the other, as text.
fn difference(of: &Header, without: &Header) -> Vec<String> {
    let mut rest: HashMap<(&[u8], &[u8]), usize> = HashMap::new();
    for field in &without.fields {
        *rest.entry((&field.name, &field.body)).or_default() += 1;
    }
    let mut found = Vec::new();
    for field in &of.fields {
        match rest.get_mut(&(&field.name[..], &field.body[..])) {
            Some(count) if *count > 0 => *count -= 1,
            _ => found.push(format!(
                "{}:{}",
                String::from_utf8_lossy(&field.name),
                String::from_utf8_lossy(&field.body).replace("\n\t", " ")
            )),
        }
    }
    found
}
