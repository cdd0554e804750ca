//! The header blocks that programs write above a forwarded message: one pass over the lines.
//!
//! A block is a run of lines `Label: value`, in whatever language and order, with the author and
//! two more of date, recipients and subject among them; with a separator above ("-------- Forwarded
//! message --------") less is enough. Lines that are no labels may follow a value (it was wrapped)
//! but end the run otherwise, so that a signature with `E-mail:` and `Date:` above a block does not
//! run into it. A separator or a run without an author is a block too, a nameless one: who wrote
//! below it is not known, and nothing further down may stand in for him.
//!
//! A program whose labels are in no table writes the same shape: a run of lines with some label, in
//! which the subject of the forward itself is repeated. Then every line with an address is a guess
//! for the author.
//!
//! Must not know who is a colleague.
// SPDX-License-Identifier: GPL-3.0-or-later

use super::labels::{Above, Role, above, bare_label, fold, is_sender, labelled};
use super::lines::{Line, Lines};
use super::shape::{
    is_attribution, is_mailbox, is_open, is_trace, join, may_be_above, room, unknown_label,
    unknown_role,
};
use super::value::{addresses, has_address};
use crate::mail::mailbox::Mailbox;
use crate::mail::text::head;

/// More blocks than this are not looked at.
const MAX_BLOCKS: usize = 64;
/// No block has more lines with labels.
const MAX_RUN: usize = 40;
/// How many lines below its separator a block may begin, blank ones not counted.
const REACH: usize = 6;

/// What a block says.
#[allow(clippy::struct_excessive_bools)] // independent remarks, not a state
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(super) struct Block {
    /// The first and the last of its lines.
    pub lines: (usize, usize),
    /// How deeply it is quoted.
    pub depth: u32,
    /// The author line; none in a nameless block.
    pub from: Option<String>,
    /// The recipients.
    pub to: String,
    /// The subject.
    pub subject: Option<String>,
    /// Its first line, where more lines may belong to it.
    pub subject_line: Option<String>,
    /// The date, as written.
    pub date: Option<String>,
    /// The reply address.
    pub reply_to: Option<String>,
    /// The separator above.
    pub above: Option<Above>,
    /// Whether the author stood in a line without a label.
    pub unlabelled: bool,
    /// Where the author line is not known: the values that hold addresses, in order.
    pub guesses: Vec<String>,
    /// Whether it repeats the subject of the forward.
    pub echo: bool,
    /// Whether a second author line stands in it or next to it.
    pub conflict: bool,
    /// Whether less is there than a block has; then it may be none.
    pub weak: bool,
    /// The language of its labels.
    pub language: &'static str,
}

#[allow(clippy::struct_excessive_bools)] // independent remarks, not a state
struct Entry {
    role: Role,
    language: &'static str,
    line: usize,
    value: String,
    /// Whether a blank line came before it.
    gap: bool,
    /// Whether another author line was found beside this one.
    conflict: bool,
    /// Whether this is no label at all.
    stray: bool,
    /// Whether this names the one who only sent it, where somebody else may be the author.
    sender: bool,
    /// How many lines follow that were taken for the rest of the value, and how long it was before.
    extra: usize,
    first_length: usize,
}

struct Separator {
    above: Above,
    language: &'static str,
    line: usize,
    /// How many lines with text came since.
    since: usize,
    /// Whether a label came since: then the author has one too.
    labels: bool,
    depth: u32,
}

#[derive(Default)]
struct Scanner {
    /// The subject of the forward, folded, without its prefixes.
    subject: String,
    blocks: Vec<Block>,
    run: Vec<Entry>,
    depth: u32,
    blanks: usize,
    wrapped: bool,
    /// The label without a colon in the line before, below an author without a label.
    bare: Option<Role>,
    separator: Option<Separator>,
}

/// Finds all blocks, from top to bottom, in a forward with this subject.
pub(super) fn find(lines: &Lines<'_>, subject: &str) -> Vec<Block> {
    let mut scanner =
        Scanner { subject: fold(subject), wrapped: lines.wrapped, ..Scanner::default() };
    for (number, line) in lines.list.iter().enumerate() {
        if line.text.is_empty() {
            scanner.blank();
        } else {
            scanner.line(number, line);
        }
        if scanner.blocks.len() >= MAX_BLOCKS {
            return scanner.blocks;
        }
    }
    scanner.end_run(false);
    scanner.end_separator();
    scanner.blocks
}

impl Scanner {
    fn blank(&mut self) {
        self.blanks += 1;
        let waiting = self.run.last().is_some_and(|e| e.value.is_empty());
        if self.blanks > if waiting { 3 } else { 2 } {
            self.end_run(false);
        }
    }

    fn line(&mut self, number: usize, line: &Line<'_>) {
        let text = &*line.text;
        if !self.run.is_empty() && line.depth != self.depth {
            if self.label(text).is_none() && self.stray(number) {
                return;
            }
            self.end_run(false);
        }
        if may_be_above(text)
            && let Some((above, language)) = above(text)
        {
            self.end_run(false);
            self.end_separator();
            self.separator = Some(Separator {
                above,
                language,
                line: number,
                since: 0,
                labels: false,
                depth: line.depth,
            });
        } else if text.starts_with(">>> ") && text.ends_with(">>>") && has_address(text) {
            self.end_run(false);
            self.unlabelled(number, line, text.trim_matches(['>', ' ']));
        } else if let Some((role, language, value)) = self.label(text) {
            let role = if role == Role::Date && is_trace(value) { Role::Other } else { role };
            let sender = role == Role::From && is_sender(text);
            let role = self.beside_sender(role, sender);
            self.labelled(number, line.depth, role, language, value);
            if let Some(last) = self.run.last_mut() {
                last.sender = sender;
            }
        } else {
            self.text(number, line);
        }
        self.blanks = 0;
        if let Some(separator) = &mut self.separator {
            separator.since += 1;
            if separator.since > REACH + 1 && self.run.is_empty() {
                self.end_separator();
            }
        }
    }

    fn label<'t>(&self, text: &'t str) -> Option<(Role, &'static str, &'t str)> {
        labelled(text).or_else(|| {
            let near = self.separator.as_ref().is_some_and(|s| s.since <= 12);
            near.then(|| bare_label(text)).flatten()
        })
    }

    /// Who only sent a message is not its author where that one is named too.
    fn beside_sender(&mut self, role: Role, sender: bool) -> Role {
        if role != Role::From {
            return role;
        }
        let mut authors = self.run.iter_mut().filter(|e| e.role == Role::From);
        if sender {
            return if authors.next().is_some() { Role::Other } else { role };
        }
        authors.filter(|e| e.sender).for_each(|e| e.role = Role::Other);
        role
    }

    fn labelled(
        &mut self,
        line: usize,
        depth: u32,
        role: Role,
        language: &'static str,
        value: &str,
    ) {
        if let Some(last) = self.run.last() {
            let loose = self.run.iter().all(|e| e.extra == 0);
            let gap = if last.value.is_empty() { 2 } else { 1 };
            // A block without blank lines is over at the first one, once it has said all.
            let over = is_full(&self.run) && is_nameless(&self.run);
            if self.blanks > 0 && (!loose || over || self.blanks > gap) {
                self.end_run(false);
            }
        }
        if self.run.len() >= MAX_RUN {
            self.end_run(false);
        }
        self.depth = depth;
        if let Some(separator) =
            self.separator.as_mut().filter(|_| !matches!(role, Role::Unknown | Role::Other))
        {
            separator.labels = true;
        }
        self.run.push(Entry {
            role,
            language,
            line,
            value: value.to_owned(),
            gap: self.blanks > 0 && !self.run.is_empty(),
            conflict: false,
            stray: false,
            sender: false,
            extra: 0,
            first_length: value.len(),
        });
    }

    fn text(&mut self, number: usize, line: &Line<'_>) {
        let (wrapped, blanks) = (self.wrapped, self.blanks);
        if let Some(last) = self.run.last_mut() {
            let text = &*line.text;
            let goes_on = is_open(&last.value) || (last.role == Role::Subject && blanks == 0);
            if !goes_on && let Some(value) = unknown_label(text) {
                self.labelled(number, line.depth, unknown_role(text), "", value);
                return;
            }
            let misplaced = last.role == Role::From && !is_mailbox(text);
            if last.value.is_empty() && blanks <= 2 && !misplaced {
                text.clone_into(&mut last.value);
                last.first_length = text.len();
                return;
            }
            if blanks == 0 && last.extra < room(last.role, &last.value, text, wrapped) {
                last.extra += 1;
                join(&mut last.value, text);
                return;
            }
            if self.stray(number) {
                self.foreign_author(text);
                return;
            }
            self.end_run(blanks == 0);
        }
        if let Some(value) = unknown_label(&line.text) {
            self.labelled(number, line.depth, unknown_role(&line.text), "", value);
            return;
        }
        if let Some(last) = self.blocks.last_mut().filter(|b| b.unlabelled)
            && number <= last.lines.1 + 3
        {
            // A label without a colon has its value here or in the next line.
            let role = bare_label(&line.text).map(|(role, ..)| role);
            let of_label = |role: Option<Role>| role.is_some_and(|r| r != Role::From);
            // Two author lines without labels: neither counts.
            last.conflict |= is_attribution(&line.text) && !of_label(role) && !of_label(self.bare);
            self.bare = role;
        }
        let near = self.separator.as_ref().is_some_and(|s| {
            s.since <= 3 && !s.labels && s.depth == line.depth && self.run.is_empty()
        });
        if near && is_attribution(&line.text) {
            self.unlabelled(number, line, &line.text);
        }
    }

    /// A line or two between labels that are none of them do not end a block that has not yet said
    /// all. Whether this is such a line.
    fn stray(&mut self, number: usize) -> bool {
        let strays = self.run.iter().filter(|e| e.stray).count();
        let between = self.blanks == 0 && strays < 2 && !is_full(&self.run);
        if between {
            self.labelled(number, self.depth, Role::Other, "", "");
            if let Some(last) = self.run.last_mut() {
                last.stray = true;
                // Nothing further is its value.
                "?".clone_into(&mut last.value);
            }
        }
        between
    }

    /// An address of somebody else right below the author line makes that doubtful.
    fn foreign_author(&mut self, text: &str) {
        let Some([.., author, _]) = self.run.get_mut(..) else {
            return;
        };
        let known = |m: &Mailbox| addresses(&author.value).any(|a| a.key() == m.key());
        author.conflict |= author.role == Role::From && addresses(text).any(|m| !known(&m));
    }

    /// An author line without a label, below a separator or between its own marks.
    fn unlabelled(&mut self, number: usize, line: &Line<'_>, text: &str) {
        self.bare = None;
        let separator = self.separator.take();
        self.blocks.push(Block {
            lines: (separator.as_ref().map_or(number, |s| s.line), number),
            depth: line.depth,
            from: Some(text.to_owned()),
            above: separator.as_ref().map(|s| s.above),
            unlabelled: true,
            language: separator.map_or("", |s| s.language),
            ..Block::default()
        });
    }

    /// The run of labels is over. `overflow` says that the last value ran on into text that is none
    /// of it.
    fn end_run(&mut self, overflow: bool) {
        if let Some(last) = self.run.last_mut().filter(|_| overflow) {
            last.value.truncate(last.first_length);
        }
        self.blanks = 0;
        let run = std::mem::take(&mut self.run);
        // Some write a blank line after each label, most none: so labels that stand alone belong
        // together, and labels that stand in a group do, but not the ones to the others.
        let mut pieces: Vec<Vec<Entry>> = Vec::new();
        for entry in run {
            match pieces.last_mut() {
                Some(piece) if !entry.gap => piece.push(entry),
                _ => pieces.push(vec![entry]),
            }
        }
        let mut alone = Vec::new();
        for mut piece in pieces {
            if piece.len() == 1 {
                alone.append(&mut piece);
            } else {
                self.part(std::mem::take(&mut alone));
                self.part(piece);
            }
        }
        self.part(alone);
    }

    /// Parts a run into blocks where a label comes for the second time.
    fn part(&mut self, run: Vec<Entry>) {
        let before = self.blocks.len();
        let mut block: Vec<Entry> = Vec::new();
        for entry in run {
            let known = block.iter().position(|e| e.role == entry.role);
            match (entry.role, known) {
                (Role::From | Role::To | Role::Subject, Some(at)) => {
                    let from = block.iter().position(|e| e.role == Role::From);
                    if entry.role == Role::From && is_full(&block) {
                        self.emit(&std::mem::take(&mut block));
                        block.push(entry);
                    } else if entry.role == Role::From && is_remark(&block[at..]) {
                        block.clear();
                        block.push(entry);
                    } else if entry.role == Role::From {
                        // Two author lines in one block: neither counts.
                        block[at].conflict = true;
                    } else if !is_full(&block) && from.is_none_or(|from| from >= at) {
                        // What came so far was no block: a comment, a signature.
                        block.drain(..=at);
                        block.push(entry);
                    }
                }
                (Role::Date | Role::ReplyTo, Some(_)) => (),
                _ => block.push(entry),
            }
        }
        let second = block.first().is_some_and(|e| e.role == Role::From);
        if second && !is_full(&block) && self.blocks.len() > before {
            // The author line of a block that has no other lines left: the one above it has two.
            if let Some(last) = self.blocks.last_mut() {
                last.conflict = true;
            }
            return;
        }
        self.emit(&block);
    }

    fn emit(&mut self, entries: &[Entry]) {
        let labels = || entries.iter().filter(|e| !e.stray);
        let (Some(first), Some(last)) = (labels().next(), labels().next_back()) else {
            return;
        };
        let count = told(entries);
        let from = entries.iter().find(|e| e.role == Role::From);
        let separated = self.separator.is_some();
        let guesses: Vec<String> = labels()
            .filter(|e| from.is_none() && e.role == Role::Unknown && has_address(&e.value))
            .map(|e| e.value.clone())
            .collect();
        let echo = !self.subject.is_empty()
            && labels().any(|e| {
                matches!(e.role, Role::Subject | Role::Unknown) && fold(&e.value) == self.subject
            });
        let enough = if let Some(author) = from {
            let dated = entries.iter().any(|e| e.role == Role::Date);
            count >= 2 || (count == 1 && (separated || dated || has_address(&author.value)))
        } else {
            let likely = !guesses.is_empty() && labels().count() >= 3;
            count >= 3 || (separated && count >= 2) || (likely && (count >= 2 || echo))
        };
        if !enough {
            return;
        }
        if let (Some(_), Some(last)) = (from, self.blocks.last_mut())
            && last.unlabelled
            && first.line <= last.lines.1 + REACH
        {
            // An author with a label right below one without: neither counts.
            last.conflict = true;
        }
        let separator = self.separator.take();
        let value = |role: Role| {
            let entry = entries.iter().find(|e| e.role == role)?;
            Some(entry.value.clone()).filter(|v| !v.is_empty())
        };
        let to: Vec<&str> =
            entries.iter().filter(|e| e.role == Role::To).map(|e| &*e.value).collect();
        self.blocks.push(Block {
            lines: (separator.as_ref().map_or(first.line, |s| s.line), last.line + last.extra),
            depth: self.depth,
            from: from.map(|e| e.value.clone()),
            to: to.join(", "),
            subject: value(Role::Subject),
            subject_line: entries
                .iter()
                .find(|e| e.role == Role::Subject && e.extra > 0)
                .map(|e| head(&e.value, e.first_length).to_owned()),
            date: value(Role::Date),
            reply_to: value(Role::ReplyTo),
            above: separator.as_ref().map(|s| s.above),
            unlabelled: false,
            guesses,
            echo,
            conflict: from.is_some_and(|e| e.conflict),
            weak: from.is_some() && count < 2 && separator.is_none(),
            language: from.unwrap_or(first).language,
        });
    }

    /// A separator below which no block came is a nameless block.
    fn end_separator(&mut self) {
        if let Some(separator) = self.separator.take() {
            self.blocks.push(Block {
                lines: (separator.line, separator.line),
                above: Some(separator.above),
                language: separator.language,
                ..Block::default()
            });
        }
    }
}

/// How many of date, recipients and subject are there.
fn told(entries: &[Entry]) -> usize {
    let has = |role| entries.iter().any(|e| e.role == role);
    [Role::Date, Role::To, Role::Subject].into_iter().filter(|&r| has(r)).count()
}

/// Whether an author line is none: it names nobody, and what follows is not what follows an author.
fn is_remark(entries: &[Entry]) -> bool {
    let [author, rest @ ..] = entries else {
        return false;
    };
    !has_address(&author.value) && !rest.is_empty() && rest.iter().all(|e| e.stray)
}

fn is_full(entries: &[Entry]) -> bool {
    told(entries) >= 2 && entries.iter().any(|e| e.role == Role::From)
}

/// Whether this is all that a block has but its author, written without blank lines.
fn is_nameless(entries: &[Entry]) -> bool {
    told(entries) == 3 && entries.iter().skip(1).all(|e| !e.gap)
}

#[cfg(test)]
mod tests {
    use super::super::lines::of_text;
    use super::*;

    fn authors(text: &str) -> Vec<String> {
        let blocks = find(&of_text(text), "");
        blocks.into_iter().map(|b| b.from.unwrap_or_else(|| "-".into())).collect()
    }

    #[test]
    fn blocks_are_found_whatever_their_order_and_language() {
        for text in [
            "Von: L <l@x>\nGesendet: heute\nAn: b@y\nBetreff: s\n\ntext",
            "hi\n\nGesendet: heute\nVon: L <l@x>\nAn: b@y\nBetreff: s\n",
            "> Subject: s\n> Date: d\n> From: L <l@x>\n> To: b@y\n>\n> text",
            "From: L <l@x>\n\nSent: d\n\nTo: b@y\n\nSubject: s\n\ntext",
            "From:\nL <l@x>\nDate:\nd\nTo:\nb@y\nSubject:\ns\n",
            "--- Forwarded message ---\nFrom: L <l@x>\nSubject: s\n",
            "From: L\n <l@x>\nSent: d\nTo: b@y;\n c@y;\n d@y\nSubject: s\n",
            "------ Original Message ------\nFrom L <l@x>\nTo b@y\nDate d\nSubject s\n",
        ] {
            assert_eq!(authors(text), ["L <l@x>"], "{text}");
        }
        assert_eq!(authors("Von: L <l@\nx>\nAn: b@y\nBetreff: s\n"), ["L <l@x>"]);
    }

    #[test]
    fn what_is_no_block_is_none() {
        for text in [
            "From: 2019\nTo: 2022\n\nDear",
            "E-Mail: s@y\nDatum: heute\n\nText",
            "Von: mir\n\nAn: dich\n\n\n\nBetreff: uns",
            "Betreff: Bewerbung\n\nSehr geehrte",
        ] {
            assert_eq!(authors(text), [""; 0], "{text}");
        }
    }

    #[test]
    fn a_signature_with_labels_does_not_run_into_the_block() {
        let block = "Von: L <l@x>\nGesendet: d\nAn: b@y\nBetreff: s\n\ntext";
        for signature in [
            "E-Mail: s@y\nDatum: heute\nSitz: hier\n\n",
            "Datum: heute\n\n",
            "Von: Sabine\n\n",
            "An: HR\nBetreff: bitte\n\n",
            "Betreff: bitte\n",
        ] {
            assert_eq!(authors(&format!("{signature}{block}")), ["L <l@x>"], "{signature}");
        }
    }

    #[test]
    fn a_missing_author_makes_a_nameless_block() {
        assert_eq!(
            authors(
                "Gesendet: d\nAn: b@y\nBetreff: s\n\nVon: A <a@x>\nGesendet: d\nAn: b\nBetreff: s"
            ),
            ["-", "A <a@x>"]
        );
        assert_eq!(
            authors(
                "---- Forwarded message ----\n\nDear all,\nI am\nlooking\nfor\nwork\nhere\nand\nthere"
            ),
            ["-"]
        );
    }

    #[test]
    fn an_author_without_a_label_is_taken_below_a_separator_only() {
        let line = "Lena <l@x> on 03/03/2025 10:15:42 AM";
        assert_eq!(
            authors(&format!("---- Forwarded by S/ACME on 3/3 ----\n\n{line}\n\nTo: b@y")),
            [line]
        );
        assert_eq!(authors(line), [""; 0]);
        assert_eq!(
            authors("hi\n>>> Lena <l@x> 3.3.2025 10:15 >>>\ntext"),
            ["Lena <l@x> 3.3.2025 10:15"]
        );
    }

    #[test]
    fn the_subject_ends_where_the_letter_begins() {
        let subject = |t: &str| find(&of_text(t), "")[0].subject.clone().unwrap();
        let head = "Von: L <l@x>\nGesendet: d\nAn: b@y\nBetreff: Bewerbung als\n";
        assert_eq!(subject(&format!("{head}Koch\n\nSehr geehrte")), "Bewerbung als Koch");
        assert_eq!(
            subject(&format!("{head}Liebe A\nliebe B\nliebe C\nliebe D\nliebe E")),
            "Bewerbung als"
        );
    }
}
