//! Machine or person: the signs of both sides in a message, and what it is taken for.
//!
//! What each sign is worth is told in [`kind`]. Must not know how trust is
//! gained, or forwards.
// SPDX-License-Identifier: GPL-3.0-or-later

use super::who::{is_like_board, is_newsletter};
use super::{Clue, Confidence, Context, Reading, Standing, Who, is_news, is_unread, marks};
use crate::mail::header::Header;
use crate::mail::mailbox::{Mailbox, MailboxList};
use crate::mail::mime::{Limits, Part, walk};
use crate::policy::kind::{self, Answer, Balance, Kind, Sign, Strength, weigh};

/// What speaks for a machine, and what for a person.
#[derive(Debug, Default)]
pub(super) struct Contest {
    /// In the order in which one kind outweighs another, each with the part where it was found.
    machine: Vec<(Sign, String)>,
    person: Vec<Sign>,
}

impl Contest {
    /// The signs of a header.
    pub(super) fn of(header: &Header, from: Option<&Mailbox>, context: &Context<'_>) -> Self {
        let who = context.who();
        let machine = machine(header, from, context);
        if machine.is_empty() {
            return Self::default();
        }
        let person = person(header, from, &machine, &who);
        let header = |sign| (sign, "header".to_owned());
        Self { machine: machine.into_iter().map(header).collect(), person }
    }

    /// What a strong sign of a machine decides.
    pub(super) fn decided(&self) -> Option<Reading> {
        let strong = |(sign, _): &(Sign, _)| sign.strength() == Strength::Strong;
        let (sign, part) = self.machine.first().filter(|_| self.machine.iter().any(strong))?;
        Some(by_machine(*sign, part))
    }

    /// What a machine wrote, where nothing that was found speaks for a person.
    pub(super) fn machine(&self) -> Option<Reading> {
        let lost = |(sign, _): &&(Sign, _)| weigh(*sign, &self.person) == Balance::Machine;
        let (sign, part) = self.machine.iter().find(lost)?;
        Some(by_machine(*sign, part))
    }

    /// The answer, where a person's mail would be `reading`. The body may be cut.
    pub(super) fn settle(
        mut self,
        reading: Reading,
        header: &Header,
        (body, cut): (&[u8], bool),
        context: &Context<'_>,
    ) -> Reading {
        if context.sender.is_none_or(str::is_empty) && kind::is_qmail_bounce(body) {
            return Reading::new(Kind::Bounce, "a report of qmail (QSBMF)");
        }
        let parts = walk(header, body, Limits::default()).list;
        if let Some((part, sign)) = kind::calendar_part(&parts) {
            self.machine.push((sign, format!("{} {}", part.content_type.word, part.place)));
        }
        if self.machine.is_empty() {
            return reading;
        }
        if kind::document(&parts).is_some() {
            self.person.push(Sign::Document);
        } else if cut && is_mixed(&parts) {
            self.person.push(Sign::Unseen);
        }
        self.machine().unwrap_or_else(|| self.by_person(reading))
    }

    /// A person's mail, with what spoke against it.
    fn by_person(self, mut reading: Reading) -> Reading {
        let doubt =
            self.machine.iter().any(|(sign, _)| weigh(*sign, &self.person) == Balance::Doubt);
        for (sign, part) in self.machine {
            let what = format!("{}, but that alone keeps nothing out", sign.word());
            reading.clues.push(Clue { part, lines: None, what });
        }
        let person = self.person.iter().map(|sign| format!("for a person: {}", sign.word()));
        reading.clues.extend(person.map(Clue::header));
        if doubt {
            reading.needs_review = true;
            for applicant in &mut reading.applicants {
                applicant.confidence = Confidence::Review;
            }
        }
        reading
    }
}

fn by_machine(sign: Sign, part: &str) -> Reading {
    let kind = sign.kind().unwrap_or(Kind::Application);
    let mut reading = Reading::new(kind, sign.word());
    part.clone_into(&mut reading.clues[0].part);
    reading.needs_review = kind == Kind::NeedsHuman;
    reading
}

/// Whether more parts than were seen can be behind the first.
fn is_mixed(parts: &[Part<'_>]) -> bool {
    let several = ["multipart/mixed", "multipart/related", "multipart/signed"];
    parts.first().is_some_and(|root| several.contains(&root.content_type.word.as_str()))
}

/// The mailbox for answers, if it is another one than the author's.
fn elsewhere(header: &Header, key: &str) -> Option<Mailbox> {
    let list = header.first("Reply-To").map(|f| MailboxList::parse(&f.body))?;
    list.mailboxes.into_iter().next().filter(|reply_to| reply_to.key() != key)
}

/// What speaks for a machine, in the order in which one kind outweighs another.
fn machine(header: &Header, from: Option<&Mailbox>, context: &Context<'_>) -> Vec<Sign> {
    let who = context.who();
    let key = from.map(Mailbox::key).unwrap_or_default();
    let local = from.map(Mailbox::local_part).unwrap_or_default();
    let relay = from.is_some_and(|m| who.is_relay(m));
    let unread = from.is_some_and(is_unread);
    let reply_to = elsewhere(header, &key);
    let text = reply_to.as_ref().map(ToString::to_string);
    let board = from.is_some_and(|m| {
        who.behind_relay(m, text.as_deref()).is_some() || (relay && !is_unread(m))
    });
    let answer = Answer {
        // A web form writes for whoever filled it in.
        board: board || reply_to.is_some(),
        passed_on: marks(header).0.forward,
        redirected: kind::is_redirected(header, &key),
    };
    let inside = from.is_some_and(|m| who.standing(m) != Standing::Outside);
    // A board's news are not its applicants' mail.
    let news = relay && from.is_some_and(is_news) && reply_to.is_none();
    let list = || {
        let own = |field: &str| who.mentions_us(field);
        let alike = |field: &str| who.is_like_ours(field);
        let exempt = inside || (relay && board && !news);
        (!exempt).then(|| kind::list(header, own, alike)).flatten()
    };
    [
        kind::bounce(header, local, context.sender == Some("")),
        kind::auto_reply(header, answer),
        kind::calendar(header),
        kind::confirmation(header, &key, unread || relay),
        list(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What speaks for a person in the header.
fn person(header: &Header, from: Option<&Mailbox>, machine: &[Sign], who: &Who<'_>) -> Vec<Sign> {
    let (marks, subject) = marks(header);
    let answers = marks.reply || header.first("In-Reply-To").is_some();
    // An automatic answer has the subject of what it answers.
    let repeated = answers && machine.iter().any(|s| s.kind() == Some(Kind::AutoReply));
    let reply_to = from.and_then(|from| {
        elsewhere(header, &from.key()).filter(|to| {
            let role = kind::is_role(to) || kind::is_service(to) || is_unread(to);
            !role && who.standing(to) == Standing::Outside && to.domain() != from.domain()
        })
    });
    let news = from.is_some_and(is_newsletter);
    let board = from.is_some_and(|m| who.is_relay(m) || is_like_board(m));
    let named = from.is_some_and(|m| {
        !(kind::is_role(m) || kind::is_service(m) || is_news(m) || kind::is_machine(m.local_part()))
    });
    [
        (Sign::Thread, kind::thread(header, |domain| who.is_of_us(domain))),
        (Sign::AnswerMark, marks.reply),
        (Sign::ReplyToPerson, reply_to.is_some()),
        (Sign::ApplicationWord, !repeated && !news && kind::applies(&subject)),
        (Sign::PersonAuthor, named && !board),
        (Sign::JobBoard, board && !from.is_some_and(is_news)),
    ]
    .into_iter()
    .filter_map(|(sign, there)| there.then_some(sign))
    .collect()
}
