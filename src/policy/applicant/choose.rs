//! Which of the authors of a chain of forwards is the applicant.
//!
//! The outermost author from outside wins and colleagues are skipped. Where the outermost author
//! has no address nobody is named: somebody further down would be somebody else. Must not know
//! how a block is written.
// SPDX-License-Identifier: GPL-3.0-or-later

use super::blocks::Block;
use super::labels::{Above, prefixes};
use super::names::{Names, names_before};
use super::value::{Named, addresses, author, has_tail};
use super::{Standing, Who, is_unread, without_via};
use crate::mail::mailbox::Mailbox;
use crate::mail::text::tail;
use crate::policy::kind::is_machine;

/// What a body's blocks say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// There is no forward.
    Nothing,
    /// One person.
    Person(Person),
    /// Several, side by side.
    Several(Vec<Person>),
    /// A forward, but nobody can be named.
    Nobody {
        /// Why.
        why: &'static str,
        /// Whether just the address is missing, so that another source may supply it.
        bare: bool,
        /// The block that says so.
        block: Block,
    },
}

/// Somebody named by a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Person {
    /// Who.
    pub mailbox: Mailbox,
    /// Where.
    pub block: Block,
    /// Whether there is no other reading.
    pub sure: bool,
    /// Whether somebody should look.
    pub review: bool,
}

/// Chooses among blocks, in the order in which they stand.
pub(super) fn choose(blocks: &[Block], who: &Who<'_>, colleagues: &Names) -> Outcome {
    let nobody = |why, bare, block: &Block| Outcome::Nobody { why, bare, block: block.clone() };
    let mut skipped = None;
    let mut by_name = false;
    for (at, block) in blocks.iter().enumerate() {
        let Some(from) = &block.from else {
            match guess(block, who) {
                Guess::Person(person) => return Outcome::Person(*person),
                Guess::Colleagues => skipped = Some(block),
                Guess::Nobody => return nobody("the author line is missing", true, block),
            }
            continue;
        };
        if block.conflict {
            return nobody("there are two author lines", false, block);
        }
        let (mailbox, sure) = match read(from, block) {
            Named::One { mailbox, sure } => (mailbox, sure),
            Named::NoAddress if is_link(from, at, blocks, who, colleagues) => {
                (skipped, by_name) = (Some(block), true);
                continue;
            }
            Named::NoAddress => return nobody("the author line holds no address", true, block),
            Named::Unclear => {
                return nobody("the author line can be read in two ways", false, block);
            }
            Named::Several(all) => return several(all, block, who),
        };
        match who.standing(&mailbox) {
            Standing::Outside => return outside(mailbox, sure && !by_name, at, blocks, who),
            Standing::Doubtful => {
                return nobody(
                    "the author has an address in a subdomain of the company",
                    false,
                    block,
                );
            }
            Standing::Colleague => skipped = Some(block),
            Standing::Own => {
                // Mail that the company sent to somebody outside is a link of the chain; mail that
                // a group address seems to have written hides its author.
                let sent_out = addresses(&block.to).any(|m| who.standing(&m) == Standing::Outside);
                let via = mailbox.name.as_deref().is_some_and(|n| without_via(n) != n);
                if via || !sent_out {
                    let why = "the author line holds the company's own address";
                    return through_group(&mailbox, block, who)
                        .map_or_else(|| nobody(why, true, block), Outcome::Person);
                }
                skipped = Some(block);
            }
        }
    }
    skipped.map_or(Outcome::Nothing, |block| nobody("only colleagues are named", false, block))
}

/// Whether a block whose author line holds just a name is a colleague's link of a chain: the name is
/// known as a colleague's, and what he passed on had come to him or to us.
fn is_link(from: &str, at: usize, blocks: &[Block], who: &Who<'_>, colleagues: &Names) -> bool {
    let Some(next) = blocks.get(at + 1) else {
        return false;
    };
    let inside = |m: &Mailbox| matches!(who.standing(m), Standing::Own | Standing::Colleague);
    let known = colleagues.has(from) || blocks.iter().any(|b| names_before(&b.to, from, inside));
    let came = Names::within(&next.to, from) || addresses(&next.to).any(|m| inside(&m));
    known && came
}

enum Guess {
    Person(Box<Person>),
    Colleagues,
    Nobody,
}

/// The author of a block with labels that are in no table: the first address in it, if that is
/// somebody outside and everybody else is one of us.
fn guess(block: &Block, who: &Who<'_>) -> Guess {
    let mut named = Vec::new();
    for value in &block.guesses {
        match author(value) {
            Named::One { mailbox, .. } if !has_tail(value) => named.push(mailbox),
            _ => return Guess::Nobody,
        }
    }
    let outside = named
        .iter()
        .chain(&addresses(&block.to).collect::<Vec<_>>())
        .filter(|m| who.standing(m) == Standing::Outside)
        .count();
    let [first, ..] = &named[..] else {
        return Guess::Nobody;
    };
    match outside {
        0 => Guess::Colleagues,
        1 if who.standing(first) == Standing::Outside && !is_unread(first) => {
            Guess::Person(Box::new(Person {
                mailbox: first.clone(),
                block: block.clone(),
                sure: false,
                review: !block.echo,
            }))
        }
        _ => Guess::Nobody,
    }
}

/// An author line; in a line without a label a date may stand where the name is expected.
fn read(from: &str, block: &Block) -> Named {
    // Some conversions escape twice.
    let unescaped;
    let from = if from.contains("&lt;") {
        unescaped = from.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
        &*unescaped
    } else {
        from
    };
    let mut named = author(from);
    if matches!(&named, Named::One { mailbox, .. } if !mailbox.domain().contains('.')) {
        // `Name@DOMAIN` as Notes writes it, or a machine's own name: nobody can be reached there.
        return Named::NoAddress;
    }
    if !block.unlabelled && matches!(named, Named::One { .. }) && has_tail(from) {
        return Named::Unclear;
    }
    if block.unlabelled
        && let Named::One { mailbox, .. } = &mut named
    {
        mailbox.name = mailbox.name.take().as_deref().and_then(behind_date);
    }
    named
}

/// The name in `On Monday, 3 March 2025, 10:15 AM, Lena Hoffmann`: what stands behind the date and
/// its comma.
fn behind_date(text: &str) -> Option<String> {
    let start = text.rfind(|c: char| c.is_ascii_digit()).map_or(0, |at| at + 1);
    let rest = tail(text, start);
    let name = match rest.split_once([',', ';']) {
        _ if start == 0 => rest,
        // Half of the day, zone, "o'clock".
        Some((time, name)) if time.chars().count() <= 6 => name,
        _ => return None,
    };
    let name = name.trim_start_matches(|c: char| !c.is_alphabetic() && c != '"');
    let name = name.trim_matches('"').trim();
    (!name.is_empty()).then(|| name.to_owned())
}

fn several(all: Vec<Mailbox>, block: &Block, who: &Who<'_>) -> Outcome {
    let outside = all.into_iter().filter(|m| who.standing(m) == Standing::Outside);
    let people: Vec<_> = outside
        .map(|mailbox| Person { mailbox, block: block.clone(), sure: false, review: true })
        .collect();
    if people.is_empty() {
        return Outcome::Nobody {
            why: "only colleagues are named",
            bare: false,
            block: block.clone(),
        };
    }
    Outcome::Several(people)
}

/// The author behind the company's own group, which rewrote the author line.
fn through_group(group: &Mailbox, block: &Block, who: &Who<'_>) -> Option<Person> {
    match author(block.reply_to.as_deref()?) {
        Named::One { mailbox, .. } if who.standing(&mailbox) == Standing::Outside => {
            let name = mailbox.name.clone().or_else(|| group.name.clone());
            let mailbox = mailbox.named(without_via(&name.unwrap_or_default()));
            Some(Person { mailbox, block: block.clone(), sure: false, review: false })
        }
        _ => None,
    }
}

/// The outermost author from outside was found. Further down there may be those whom he answered or
/// whose mail he passed on; but also the next of several forwarded mails.
fn outside(mailbox: Mailbox, sure: bool, at: usize, blocks: &[Block], who: &Who<'_>) -> Outcome {
    let block = blocks[at].clone();
    let (mailbox, nobody_reads) =
        if let Some(behind) = who.behind_relay(&mailbox, block.reply_to.as_deref()) {
            (behind, false)
        } else {
            let unread = is_unread(&mailbox) || is_machine(mailbox.local_part());
            (mailbox, unread)
        };
    if nobody_reads {
        return Outcome::Nobody {
            why: "the author line holds an address that nobody reads",
            bare: false,
            block,
        };
    }
    let mut person = Person {
        mailbox,
        sure: sure && !(block.unlabelled && block.above.is_none()),
        // Half a block may be a note of the colleague's.
        review: block.weak,
        block,
    };
    let mut beside: Vec<Person> = Vec::new();
    for other in &blocks[at + 1..] {
        if other.weak {
            continue;
        }
        if is_below(&person, other) {
            break;
        }
        let named = other.from.as_deref().map(|from| read(from, other));
        match named {
            Some(Named::One { mailbox, sure }) => {
                let standing = who.standing(&mailbox);
                if mailbox.key() == person.mailbox.key()
                    || beside.iter().any(|p| p.mailbox.key() == mailbox.key())
                {
                    continue;
                }
                match standing {
                    // A colleague's mail that a person answered: what follows is their thread.
                    Standing::Colleague | Standing::Own | Standing::Doubtful => break,
                    Standing::Outside => (),
                }
                let to_us = addresses(&other.to)
                    .any(|m| matches!(who.standing(&m), Standing::Own | Standing::Colleague));
                let to_us = to_us || (!other.to.is_empty() && other.to == person.block.to);
                let namesake = mailbox.name.is_some() && mailbox.name == person.mailbox.name;
                if to_us || other.above == Some(Above::Forwarded) {
                    beside.push(Person { mailbox, block: other.clone(), sure, review: true });
                } else if !namesake {
                    (person.sure, person.review) = (false, true);
                }
            }
            // The next one has no address: there is more than one all the same.
            _ if other.above == Some(Above::Forwarded) && other.subject.is_some() => {
                (person.sure, person.review) = (false, true);
            }
            _ => (),
        }
    }
    if beside.is_empty() {
        return Outcome::Person(person);
    }
    person.review = true;
    beside.insert(0, person);
    Outcome::Several(beside)
}

/// Whether a block stands inside the mail of a person rather than beside it.
fn is_below(person: &Person, other: &Block) -> bool {
    let subject = person.block.subject.as_deref().unwrap_or_default();
    let (marks, _) = prefixes(subject);
    let key = person.mailbox.key();
    let name = person.mailbox.name.as_deref().unwrap_or("\0");
    other.depth > person.block.depth
        || marks.forward
        || marks.reply
        || addresses(&other.to).any(|m| m.key() == key)
        || other.to.contains(name)
}

/// What the text and the HTML of the same body say together.
pub(super) fn agree(text: Outcome, html: Outcome) -> Outcome {
    match (text, html) {
        (Outcome::Nothing, one) | (one, Outcome::Nothing) => one,
        (Outcome::Person(a), Outcome::Person(b)) if a.mailbox.key() == b.mailbox.key() => {
            let name = b.mailbox.name.clone().or(a.mailbox.name);
            Outcome::Person(Person {
                mailbox: b.mailbox.named(&name.unwrap_or_default()),
                sure: a.sure || b.sure,
                review: a.review && b.review,
                block: b.block,
            })
        }
        // Only HTML shows which of two mails stands inside the other.
        (Outcome::Several(all), Outcome::Person(p))
            if all.first().is_some_and(|a| a.mailbox.key() == p.mailbox.key()) =>
        {
            Outcome::Person(p)
        }
        (Outcome::Person(p), Outcome::Several(all))
            if all.first().is_some_and(|a| a.mailbox.key() == p.mailbox.key()) =>
        {
            Outcome::Several(all)
        }
        (Outcome::Several(a), Outcome::Several(b))
            if a.len() == b.len()
                && a.iter().zip(&b).all(|(a, b)| a.mailbox.key() == b.mailbox.key()) =>
        {
            Outcome::Several(b)
        }
        // One of the two shows just the name, the other has the address behind it.
        (Outcome::Nobody { bare: true, .. }, Outcome::Person(p))
        | (Outcome::Person(p), Outcome::Nobody { bare: true, .. }) => {
            Outcome::Person(Person { sure: false, ..p })
        }
        (nobody @ Outcome::Nobody { .. }, _) | (_, nobody @ Outcome::Nobody { .. }) => nobody,
        (Outcome::Person(p), _) => disagree(p.block),
        (Outcome::Several(all), _) => {
            disagree(all.into_iter().next().map(|p| p.block).unwrap_or_default())
        }
    }
}

fn disagree(block: Block) -> Outcome {
    Outcome::Nobody {
        why: "the text and the HTML of the message name different authors",
        bare: false,
        block,
    }
}
