//! Who the applicant is, and with that what kind of mail a message is.
//!
//! [`needs_body`] tells from the header alone how much of the body a decision takes; [`read`] makes
//! it. Only mail that is proven to be a colleague's is unwrapped: an outsider's mail is the
//! outsider's, whatever it quotes. Naming nobody and asking for a review is always better than
//! naming somebody else.
//!
//! * `labels`, `languages`, `relays`: the words and names, as data;
//! * `lines`, `html`: a body as lines;
//! * `blocks`, `glued`, `attribution`, `value`: header blocks in lines, or what stands for one, and the author
//!   in it;
//! * `choose`, `names`: the applicant among the authors;
//! * `attached`, `mapi`, `compound`: messages that are attached;
//! * `author`, `trust`: the message's own header;
//! * `form`, `fields`: who filled in a web form;
//! * `weighing`: what speaks for a machine and what for a person;
//! * `resolve`: all of that for a colleague's message.
//!
//! Must not know I/O, clock, configuration files, or what is done with the answer.
// SPDX-License-Identifier: GPL-3.0-or-later

mod attached;
mod attribution;
mod author;
mod blocks;
mod choose;
mod compound;
mod fields;
mod form;
mod glued;
mod html;
mod labels;
mod languages;
mod lines;
mod mapi;
mod names;
mod relays;
mod resolve;
mod shape;
mod trust;
mod value;
mod weighing;
mod who;

use std::fmt;

use self::author::Author;
pub(in crate::policy) use self::labels::fold;
use self::trust::{Trust, trust};
use self::weighing::Contest;
pub(crate) use self::who::{Standing, Who, is_news, is_unread, without_via};
pub use super::kind::Verdict;
use super::kind::{self, How, Kind};
use super::rules::Rules;
use super::unread::Unread;
use crate::mail::domain::address_key;
use crate::mail::header::Header;
use crate::mail::mailbox::{Mailbox, MailboxList};

/// What shows that a message comes from inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Evidence {
    /// The client logged in (SASL).
    pub login: bool,
    /// The client's address is in one of the company's networks.
    pub internal_client: bool,
}

/// What a message is read against.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Recruiting addresses, systems, internal domains, the name of our own authentication server.
    pub rules: &'a Rules,
    /// What is known about the client.
    pub evidence: Evidence,
    /// The envelope sender, where it is known; empty for the null sender.
    pub sender: Option<&'a str>,
    /// Whether the message was recognised as our own probe.
    pub probe: bool,
    /// The verdict fields of trusted spam filters.
    pub verdicts: &'a [Verdict],
    /// Domains of further job boards.
    pub boards: &'a [String],
    /// How many bytes of a body may be read.
    pub limit: usize,
}

impl<'a> Context<'a> {
    fn who(&self) -> Who<'a> {
        Who { rules: self.rules, boards: self.boards }
    }
}

/// Where an applicant's address was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// The From field (or what a group kept of it).
    From,
    /// The Reply-To field.
    ReplyTo,
    /// A header block in a colleague's message.
    Inline,
    /// The header of an attached message.
    Attached,
    /// The From field of a message that was sent on unchanged.
    Resent,
    /// The reply address of a job board.
    JobBoard,
    /// The To or Cc field of a message to the applicant.
    To,
    /// A field in the text that a web form wrote.
    Form,
}

impl Source {
    /// The word for it in fields and output.
    pub fn word(self) -> &'static str {
        match self {
            Self::From => "from",
            Self::ReplyTo => "reply-to",
            Self::Inline => "inline-forward",
            Self::Attached => "attached-message",
            Self::Resent => "resent",
            Self::JobBoard => "job-board",
            Self::To => "to",
            Self::Form => "form",
        }
    }
}

/// How sure it is that this is the applicant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Confidence {
    /// Somebody must look.
    Review,
    /// There is another reading, but an unlikely one.
    Likely,
    /// There is no other reading.
    Certain,
}

impl Confidence {
    /// The word for it in fields and output.
    pub fn word(self) -> &'static str {
        match self {
            Self::Review => "review",
            Self::Likely => "likely",
            Self::Certain => "certain",
        }
    }
}

/// An applicant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applicant {
    /// The address and, if it is known, the name.
    pub mailbox: Mailbox,
    /// Where it was found.
    pub source: Source,
    /// How sure it is.
    pub confidence: Confidence,
}

/// Subject and date of the message that a colleague passed on, as they were written.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Original {
    /// The subject.
    pub subject: Option<String>,
    /// The date.
    pub date: Option<String>,
}

/// Something that led to the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clue {
    /// The part: `header`, or the type and place of a MIME part.
    pub part: String,
    /// The first and last line in it, as a reader counts them from 1.
    pub lines: Option<(usize, usize)>,
    /// What was found.
    pub what: String,
}

impl Clue {
    fn header(what: impl Into<String>) -> Self {
        Self { part: "header".to_owned(), lines: None, what: what.into() }
    }
}

impl fmt::Display for Clue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.part)?;
        match self.lines {
            Some((first, last)) if first == last => write!(f, ", line {first}")?,
            Some((first, last)) => write!(f, ", lines {first} to {last}")?,
            None => (),
        }
        write!(f, ": {}", self.what)
    }
}

/// What was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The kind of mail.
    pub kind: Kind,
    /// The applicants: mostly one, nobody where none can be named, several where they stand side by
    /// side.
    pub applicants: Vec<Applicant>,
    /// Whether somebody should look.
    pub needs_review: bool,
    /// Whether the message is proven to be a colleague's.
    pub trusted_forwarder: bool,
    /// Who passed the message on, if it is a colleague's.
    pub forwarder: Option<Mailbox>,
    /// What is known of the message that was passed on.
    pub original: Option<Original>,
    /// What led here.
    pub clues: Vec<Clue>,
}

impl Reading {
    fn new(kind: Kind, why: impl Into<String>) -> Self {
        Self {
            kind,
            applicants: Vec::new(),
            needs_review: false,
            trusted_forwarder: false,
            forwarder: None,
            original: None,
            clues: vec![Clue::header(why)],
        }
    }

    /// What there is to read in a probe of ours.
    pub fn of_probe() -> Self {
        Self::new(Kind::Probe, "our own probe")
    }

    /// What stands for a reading that failed: mail of somebody, for review.
    pub fn unread(why: Unread) -> Self {
        let why = format!("could not be read ({}), for review", why.word());
        Self { needs_review: true, ..Self::new(Kind::Application, why) }
    }

    /// The applicant, if there is exactly one.
    pub fn applicant(&self) -> Option<&Applicant> {
        match &self.applicants[..] {
            [one] => Some(one),
            _ => None,
        }
    }
}

/// How much of a body a decision takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyNeed {
    /// Nothing.
    Nothing,
    /// Its beginning: what comes first on the way is enough.
    FirstChunk,
    /// At most so many bytes.
    UpTo(usize),
}

/// What the header alone says.
enum Early {
    /// Everything.
    Done(Reading),
    /// A colleague wrote; the body shows what.
    Colleague(Trust, Mailbox),
    /// A form of the site's; the text may say who filled it in.
    Form,
    /// Somebody else wrote; only the body's beginning can change the answer, or settle the contest.
    Outside(Reading, Contest),
}

/// How much of the body [`read`] wants to see.
pub fn needs_body(header: &Header, context: &Context<'_>) -> BodyNeed {
    match by_header(header, context) {
        Early::Done(_) => BodyNeed::Nothing,
        Early::Colleague(..) | Early::Form => BodyNeed::UpTo(context.limit),
        Early::Outside(..) => {
            let multipart = header.first("Content-Type").is_some_and(|f| {
                let body = &f.body[..f.body.len().min(200)];
                body.to_ascii_lowercase().windows(10).any(|w| w == b"multipart/")
            });
            let machine = context.sender == Some("");
            if multipart || machine { BodyNeed::FirstChunk } else { BodyNeed::Nothing }
        }
    }
}

/// Reads a message that `forwarder`, a colleague, had attached to his: a forward, whose applicant is
/// the message's own author.
pub fn read_unwrapped(
    header: &Header,
    forwarder: Option<Mailbox>,
    context: &Context<'_>,
) -> Reading {
    let why = "unwrapped: it was attached to a colleague's message";
    let mut reading = Reading::new(forward(How::Attached), why);
    reading.trusted_forwarder = true;
    reading.forwarder = forwarder;
    reading.original =
        Some(Original { subject: header.text("Subject"), date: header.text("Date") });
    let who = context.who();
    match author::author(header, &who, true) {
        Author::One { mailbox, sure, .. } if who.standing(&mailbox) == Standing::Outside => {
            let confidence = if sure { Confidence::Certain } else { Confidence::Likely };
            reading.clues.push(Clue::header("the author of the message"));
            reading.applicants.push(Applicant { mailbox, source: Source::Attached, confidence });
        }
        _ => {
            reading.clues.push(Clue::header("no single author from outside"));
            reading.needs_review = true;
        }
    }
    reading
}

/// Reads a message that a colleague sent from a recruiting address: whom he wrote to is the applicant,
/// where that is one person outside.
pub fn read_outbound(header: &Header, context: &Context<'_>) -> Reading {
    let mut reading = Reading::new(Kind::OutboundCopy, "sent from the recruiting address");
    let who = context.who();
    let lists = header.all("To").chain(header.all("Cc")).map(|f| MailboxList::parse(&f.body));
    let mut outside: Vec<Mailbox> = lists.flat_map(|list| list.mailboxes).collect();
    outside.retain(|mailbox| who.standing(mailbox) == Standing::Outside);
    outside.dedup_by_key(|mailbox| mailbox.key());
    match <[Mailbox; 1]>::try_from(outside) {
        Ok([mailbox]) => {
            let (source, confidence) = (Source::To, Confidence::Certain);
            reading.clues.push(Clue::header("the only recipient outside"));
            reading.applicants.push(Applicant { mailbox, source, confidence });
        }
        Err(_) => reading.clues.push(Clue::header("no single recipient outside")),
    }
    reading
}

/// Reads a message. `truncated` tells that the body goes on where `body` ends.
pub fn read(header: &Header, body: &[u8], truncated: bool, context: &Context<'_>) -> Reading {
    let body = &body[..body.len().min(context.limit)];
    match by_header(header, context) {
        Early::Done(reading) => reading,
        Early::Colleague(trust, from) => {
            let reading = resolve::colleague(header, body, truncated, trust, &from, context);
            let own = reading.applicants.is_empty() && reading.kind == Kind::Application;
            if own {
                Contest::default().settle(reading, header, (body, truncated), context)
            } else {
                reading
            }
        }
        Early::Form => form::in_text(header, body, truncated, context),
        Early::Outside(reading, signs) => signs.settle(reading, header, (body, truncated), context),
    }
}

fn by_header(header: &Header, context: &Context<'_>) -> Early {
    let who = context.who();
    let from = author::from_field(header);
    let mailbox = match &from {
        Author::One { mailbox, .. } => Some(mailbox),
        _ => None,
    };
    if let Some(reading) = known(header, mailbox, context) {
        return Early::Done(reading);
    }
    if mailbox.is_some_and(|m| form::is_listed(header, m, context)) {
        return form::listed(header, &who).map_or(Early::Form, Early::Done);
    }
    let signs = Contest::of(header, mailbox, context);
    if let Some(reading) = signs.decided() {
        return Early::Done(reading);
    }
    let trust = mailbox.map(|m| trust(header, m, context));
    let proven = trust.is_some_and(|t| t.colleague);
    let author = author::author(header, &who, proven);
    let standing = mailbox.map(|m| who.standing(m));
    let inside = matches!(standing, Some(Standing::Colleague | Standing::Own));
    let (marks, _) = marks(header);
    if let (Some(trust), Some(mailbox), true) = (trust, mailbox, inside) {
        let rewritten = !matches!(&author, Author::One { mailbox: m, .. } if m == mailbox);
        return match (trust.colleague, rewritten) {
            // What a colleague attached is a matter of its own: the header decides.
            (true, false) => match signs.machine() {
                Some(reading) => Early::Done(reading),
                None => Early::Colleague(trust, mailbox.clone()),
            },
            (true, true) => Early::Outside(outside(header, author, marks, &who), signs),
            (false, _) => {
                let reading = form::alike(header, &who);
                Early::Outside(reading.unwrap_or_else(|| unproven(trust, marks, header)), signs)
            }
        };
    }
    Early::Outside(outside(header, author, marks, &who), signs)
}

/// An author in the company's domain, but nothing that shows it is true.
fn unproven(trust: Trust, marks: labels::Prefixes, header: &Header) -> Reading {
    let mut reading = Reading::new(contact(marks, header), trust.why);
    reading.needs_review = true;
    reading
}

fn contact(marks: labels::Prefixes, header: &Header) -> Kind {
    let thread = header.first("In-Reply-To").is_some() || header.first("References").is_some();
    // A forward carries the references of what it forwards.
    if (thread || marks.reply) && !marks.forward { Kind::Reply } else { Kind::Application }
}

fn marks(header: &Header) -> (labels::Prefixes, String) {
    let subject = header.text("Subject").unwrap_or_default();
    let (marks, rest) = labels::prefixes(&subject);
    (marks, rest.to_owned())
}

/// Mail whose kind is known without any weighing.
fn known(header: &Header, from: Option<&Mailbox>, context: &Context<'_>) -> Option<Reading> {
    let done = |kind, why: &str| Some(Reading::new(kind, why));
    if context.probe {
        return Some(Reading::of_probe());
    }
    let key = from.map(Mailbox::key).unwrap_or_default();
    let is_inbound = |key: &str| context.rules.systems.iter().any(|s| s.inbound.key() == key);
    if is_inbound(&key) {
        return done(Kind::SystemTest, "the author is the system's inbound address");
    }
    if context.sender.is_some_and(|sender| is_inbound(&address_key(sender))) {
        return done(Kind::SystemTest, "the envelope sender is the system's inbound address");
    }
    let verdict = kind::spam(header, context.verdicts)?;
    done(Kind::Spam, &format!("{} says so", verdict.field))
}

/// An outsider's mail.
fn outside(header: &Header, author: Author, marks: labels::Prefixes, who: &Who<'_>) -> Reading {
    let kind = contact(marks, header);
    let why = match kind {
        Kind::Reply => "a reply from outside",
        _ => "a first contact from outside",
    };
    let mut reading = Reading::new(kind, why);
    match author {
        Author::One { mailbox, source, sure } if who.standing(&mailbox) == Standing::Outside => {
            reading.clues.push(Clue::header(format!("{} is the author", source.word())));
            let confidence = if sure { Confidence::Certain } else { Confidence::Likely };
            reading.applicants.push(Applicant { mailbox, source, confidence });
        }
        Author::One { .. } => {
            reading.clues.push(Clue::header("the author behind the group is not proven"));
            reading.needs_review = true;
        }
        Author::Several(all) => {
            reading.clues.push(Clue::header("there are several authors"));
            let outside = all.into_iter().filter(|m| who.standing(m) == Standing::Outside);
            reading.applicants.extend(outside.map(|mailbox| Applicant {
                mailbox,
                source: Source::From,
                confidence: Confidence::Review,
            }));
            reading.needs_review = true;
        }
        Author::Nobody(why) => {
            reading.clues.push(Clue::header(why));
            reading.needs_review = true;
        }
    }
    reading
}

/// The kind of a colleague's message with forwards in it.
const fn forward(how: How) -> Kind {
    Kind::Forward(how)
}
