//! A colleague's message: whose mail it passes on, if anybody's.
//!
//! Must not know how trust was gained.
// SPDX-License-Identifier: GPL-3.0-or-later

use super::attached::{Attached, Content, Text};
use super::attribution;
use super::author::{Author, author};
use super::blocks::{Block, find};
use super::choose::{Outcome, Person, agree, choose};
use super::glued::parted;
use super::html::of_html;
use super::labels::{Prefixes, prefixes};
use super::lines::{Lines, of_text};
use super::names::Names;
use super::trust::{Trust, is_forged};
use super::value::decoded;
use super::{
    Applicant, Clue, Confidence, Context, Original, Reading, Source, Standing, Who, form, forward,
    marks,
};
use crate::mail::header::Header;
use crate::mail::mailbox::{Mailbox, MailboxList};
use crate::policy::kind::{How, Kind};

/// How deeply forwards of forwards are opened.
const MAX_DEPTH: usize = 4;
/// After so many authors no further message is opened: there is no applicant to be chosen among
/// them, and comparing all with all must not take long.
const MAX_FOUND: usize = 64;

/// Somebody whose mail was passed on.
struct Found {
    mailbox: Mailbox,
    source: Source,
    sure: bool,
    review: bool,
    how: How,
    original: Original,
    clue: Clue,
}

/// What a message passes on.
#[derive(Default)]
struct Resolved {
    found: Vec<Found>,
    /// Forwards whose author cannot be named, and in which form they came.
    unnamed: Vec<(Clue, How, Original)>,
}

impl Resolved {
    fn is_full(&self) -> bool {
        self.found.len() + self.unnamed.len() >= MAX_FOUND
    }
}

/// Reads a message that is proven to be a colleague's (or to come from a recruiting address).
pub(super) fn colleague(
    header: &Header,
    body: &[u8],
    truncated: bool,
    trust: Trust,
    from: &Mailbox,
    context: &Context<'_>,
) -> Reading {
    let who = context.who();
    let (marks, outer) = marks(header);
    let opened = Content::of(header, body, truncated);
    let complete = opened.complete;
    let resolved = resolve(&opened, header, &who, &outer, 0);
    let answered = recipients(header, &who);
    let forward = judge(resolved, marks, &answered);
    if answered.is_empty()
        && let Some(mut reading) = form::read(header, &opened, from, forward.as_ref(), &who)
    {
        reading.clues.insert(0, Clue::header(trust.why));
        return reading;
    }
    let mut reading = forward.unwrap_or_else(|| {
        no_forward(header, marks, complete, who.standing(from), !answered.is_empty())
    });
    if let Some(original) = reading.original.as_mut().filter(|o| o.subject.is_none()) {
        original.subject = Some(outer).filter(|o| !o.is_empty());
    }
    reading.trusted_forwarder = true;
    reading.forwarder = Some(from.clone());
    reading.clues.insert(0, Clue::header(trust.why));
    reading
}

/// The outside recipients of a message.
fn recipients(header: &Header, who: &Who<'_>) -> Vec<Mailbox> {
    let fields = header.all("To").chain(header.all("Cc")).take(20);
    fields
        .flat_map(|f| MailboxList::parse(&f.body).mailboxes)
        .filter(|m| who.standing(m) == Standing::Outside)
        .collect()
}

/// The names of the colleagues whom a message's own fields name.
fn colleagues(header: &Header, who: &Who<'_>) -> Names {
    let fields = header.all("From").chain(header.all("To")).chain(header.all("Cc")).take(20);
    Names::of(
        fields
            .flat_map(|f| MailboxList::parse(&f.body).mailboxes)
            .filter(|m| who.standing(m) == Standing::Colleague),
    )
}

fn resolve(
    content: &Content,
    header: &Header,
    who: &Who<'_>,
    outer: &str,
    depth: usize,
) -> Resolved {
    let mut resolved = Resolved::default();
    let mut bare = false;
    // What is attached tells better who wrote than a line in the text does.
    let alone = depth == 0 && content.attached.is_empty() && marks(header).0.forward;
    match inline(content, who, outer, &colleagues(header, who), alone) {
        (_, Outcome::Nothing) => (),
        (text, Outcome::Person(person)) if content.cut && person.block.from.is_none() => {
            let clue = clue(text, &person.block, "the block may go on");
            let original = original(&person.block, outer);
            resolved.unnamed.push((clue, How::Inline, original));
        }
        (text, Outcome::Person(person)) => resolved.found.push(in_text(person, text, outer)),
        (text, Outcome::Several(all)) => {
            resolved.found.extend(all.into_iter().map(|p| in_text(p, text, outer)));
        }
        (text, Outcome::Nobody { why, bare: b, block }) => {
            bare = b;
            let clue = clue(text, &block, why);
            resolved.unnamed.push((clue, How::Inline, original(&block, outer)));
        }
    }
    let inline = resolved.found.len();
    for attached in &content.attached {
        if resolved.is_full() {
            let why = "more messages are attached than are looked at";
            let clue = Clue { part: attached.part.clone(), lines: None, what: why.to_owned() };
            resolved.unnamed.push((clue, attached.how, Original::default()));
            break;
        }
        in_attached(attached, who, depth, &mut resolved);
    }
    // A block without an address above the attached original: the original has the address, but
    // whether it is the same mail somebody must see.
    if bare && resolved.unnamed.len() == 1 && inline == 0 && !resolved.found.is_empty() {
        resolved.unnamed.clear();
        for found in &mut resolved.found {
            found.review = true;
        }
    }
    resolved
}

/// What text and HTML of a message say together, and which of the two is shown as evidence. `alone`
/// tells whether a line above a quotation may stand for a block.
fn inline<'c>(
    content: &'c Content,
    who: &Who<'_>,
    outer: &str,
    colleagues: &Names,
    alone: bool,
) -> (&'c Text, Outcome) {
    let read = |lines: &Lines<'_>| {
        let mut blocks = find(lines, outer);
        if blocks.is_empty()
            && let Some((at, parted)) = parted(lines)
        {
            blocks = find(&parted, outer);
            // A reader sees one line.
            for block in &mut blocks {
                block.lines = (at, at);
            }
        }
        if alone && blocks.is_empty() {
            blocks.extend(attribution::only(lines));
        }
        choose(&blocks, who, colleagues)
    };
    let text = if is_html(&content.plain.text) {
        of_html(&content.plain.text)
    } else {
        of_text(&content.plain.text)
    };
    let text = if text.is_blank() { Outcome::Nothing } else { read(&text) };
    let html = read(&of_html(&content.html.text));
    let shown = if html == Outcome::Nothing { &content.plain } else { &content.html };
    (shown, agree(text, html))
}

/// Whether a text is HTML that somebody called plain.
fn is_html(text: &str) -> bool {
    let start = text.trim_start().get(..14).unwrap_or_default().to_ascii_lowercase();
    start.starts_with("<html") || start == "<!doctype html"
}

/// Subject and date of a block. Where the subject may have run on into the letter its first line is
/// taken if the subject of the forward repeats it.
fn original(block: &Block, outer: &str) -> Original {
    let line = block.subject_line.clone().filter(|l| l == outer);
    let subject = line.or_else(|| block.subject.as_deref().map(decoded));
    Original { subject, date: block.date.clone() }
}

fn clue(text: &Text, block: &Block, what: &str) -> Clue {
    let language = match block.language {
        "" => String::new(),
        code => format!(" (labels: {code})"),
    };
    Clue {
        part: text.part.clone(),
        lines: Some((block.lines.0 + 1, block.lines.1 + 1)),
        what: format!("{what}{language}"),
    }
}

fn in_text(person: Person, text: &Text, outer: &str) -> Found {
    let shape = match (person.block.unlabelled, person.block.above) {
        _ if person.block.from.is_none() => "a header block with unknown labels",
        (true, _) => "an author line without a label",
        (false, Some(_)) => "a header block below a separator",
        (false, None) => "a header block",
    };
    Found {
        clue: clue(text, &person.block, shape),
        original: original(&person.block, outer),
        mailbox: person.mailbox,
        source: Source::Inline,
        sure: person.sure,
        review: person.review,
        how: How::Inline,
    }
}

fn in_attached(attached: &Attached, who: &Who<'_>, depth: usize, resolved: &mut Resolved) {
    let clue =
        |what: &str| Clue { part: attached.part.clone(), lines: None, what: what.to_owned() };
    let original =
        Original { subject: attached.header.text("Subject"), date: attached.header.text("Date") };
    let found = |mailbox, sure, review, what| Found {
        mailbox,
        source: Source::Attached,
        sure,
        review,
        how: attached.how,
        original: original.clone(),
        clue: clue(what),
    };
    let mut unnamed = |why: &str| {
        resolved.unnamed.push((clue(why), attached.how, original.clone()));
    };
    match author(&attached.header, who, true) {
        Author::One { mailbox, sure, .. } => match who.standing(&mailbox) {
            Standing::Outside => {
                resolved.found.push(found(
                    mailbox,
                    sure,
                    false,
                    "the author of an attached message",
                ));
            }
            Standing::Doubtful => {
                unnamed("the author has an address in a subdomain of the company");
            }
            _ if is_forged(&attached.header, &mailbox, who.rules.authserv_id.as_deref()) => {
                unnamed("Authentication-Results says that the author is forged");
            }
            _ if depth >= MAX_DEPTH => unnamed("forwards are nested too deeply"),
            Standing::Own | Standing::Colleague => {
                let inside = {
                    let subject = attached.header.text("Subject").unwrap_or_default();
                    let (_, inner) = prefixes(&subject);
                    resolve(&attached.content(), &attached.header, who, inner, depth + 1)
                };
                if inside.found.is_empty() && inside.unnamed.is_empty() {
                    unnamed("only colleagues are named");
                }
                resolved.unnamed.extend(inside.unnamed);
                // However deep, it came as this attachment.
                let outer = inside.found.into_iter().map(|f| Found {
                    how: attached.how,
                    source: Source::Attached,
                    ..f
                });
                resolved.found.extend(outer);
            }
        },
        Author::Several(all) => {
            for mailbox in all.into_iter().filter(|m| who.standing(m) == Standing::Outside) {
                resolved.found.push(found(mailbox, false, true, "one of several authors"));
            }
        }
        Author::Nobody(why) => unnamed(why),
    }
}

/// The answer, if there is any forward.
fn judge(resolved: Resolved, marks: Prefixes, answered: &[Mailbox]) -> Option<Reading> {
    let Resolved { found, unnamed } = resolved;
    let how = found.first().map(|f| f.how).or(unnamed.first().map(|u| u.1))?;
    let inline_only =
        found.iter().all(|f| f.how == How::Inline) && unnamed.iter().all(|u| u.1 == How::Inline);
    // A reply quotes in the same shape as a forward.
    if inline_only && !marks.forward && !answered.is_empty() {
        let mut reading = Reading::new(Kind::Reply, "a colleague's reply to somebody outside");
        let authors: Vec<_> = found.iter().map(|f| f.mailbox.key()).collect();
        let known = answered.iter().any(|a| authors.contains(&a.key()));
        reading.needs_review = !known;
        return Some(reading);
    }
    let mut reading = Reading::new(forward(how), "a colleague passed a message on");
    let mut people: Vec<Found> = Vec::new();
    let mut keys: Vec<String> = Vec::new();
    for f in found {
        let key = f.mailbox.key();
        let Some(at) = keys.iter().position(|known| *known == key) else {
            keys.push(key);
            people.push(f);
            continue;
        };
        let known = &mut people[at];
        known.sure |= f.sure;
        if known.mailbox.name.is_none() {
            known.mailbox = f.mailbox;
        }
    }
    let review = people.len() != 1 || !unnamed.is_empty() || people.iter().any(|p| p.review);
    let original = people.first().map(|p| p.original.clone());
    reading.original = original.or_else(|| unnamed.first().map(|u| u.2.clone()));
    for person in people {
        let confidence = if review {
            Confidence::Review
        } else if person.sure && (marks.forward || person.how != How::Inline) {
            Confidence::Certain
        } else {
            Confidence::Likely
        };
        reading.clues.push(person.clue);
        reading.applicants.push(Applicant {
            mailbox: person.mailbox,
            source: person.source,
            confidence,
        });
    }
    reading.clues.extend(unnamed.into_iter().map(|u| u.0));
    reading.needs_review = review;
    Some(reading)
}

/// A colleague's message that shows no forward.
fn no_forward(
    header: &Header,
    marks: Prefixes,
    complete: bool,
    standing: Standing,
    answers: bool,
) -> Reading {
    let thread = header.first("In-Reply-To").is_some() || header.first("References").is_some();
    let (kind, why, review) = if marks.forward {
        (forward(How::Inline), "the subject says forward, but no author was found", true)
    } else if standing == Standing::Own && !marks.reply && answers {
        (Kind::OutboundCopy, "a recruiting address wrote to somebody outside", false)
    } else if thread || marks.reply {
        (Kind::Reply, "a colleague's reply", !answers)
    } else {
        (Kind::Application, "a colleague's own message", true)
    };
    let mut reading = Reading::new(kind, why);
    reading.needs_review = review;
    if !complete {
        reading.clues.push(Clue::header("the message was too large to be read to its end"));
    }
    reading
}
