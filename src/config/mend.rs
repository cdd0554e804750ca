//! A text with faults in its TOML, made readable: what the parser cannot take is replaced by
//! something that it can, of the same length, so that every place stays where it was.
//!
//! The parser goes on after a fault, but takes much of what follows for wrong as well. So one fault
//! is told, its statement is replaced, and the text is read again.
//!
//! Must not know what the settings mean.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::ops::Range;

use toml::de::{DeTable, DeValue, Error};

/// No admin wants to read more at a time.
const MOST: usize = 20;

/// What stands for a value that could not be read: a number, since no setting that must be set is
/// one. What is said of it is not told.
const STAND_IN: &str = "0";

/// A text that can be read.
pub(super) struct Mended {
    /// The text.
    pub(super) text: String,
    /// Its faults, in their order.
    pub(super) faults: Vec<Fault>,
    /// Whether each fault is that of a single value, so that all else can be judged.
    pub(super) whole: bool,
}

/// A fault in the original text.
pub(super) struct Fault {
    /// Where.
    pub(super) at: Range<usize>,
    /// What stands there.
    pub(super) written: String,
    /// What is wrong.
    pub(super) message: String,
    /// The first line of the statement.
    pub(super) line: String,
    /// What was replaced.
    pub(super) statement: Range<usize>,
}

impl Mended {
    pub(super) fn new(text: &str) -> Self {
        let mut mended = Self { text: text.to_owned(), faults: Vec::new(), whole: true };
        while let Some((error, statement)) = mended.next_fault() {
            let again = mended.faults.iter().any(|fault| fault.statement.start == statement.start);
            // TOML has fewer kinds of space than Unicode: a no-break space is a fault.
            let space = [' ', '\t', '\r', '\n'];
            let is_blank = mended.text[statement.clone()].trim_matches(space).is_empty();
            if is_blank || (!again && mended.faults.len() == MOST) {
                mended.whole = false;
                break;
            }
            if !again {
                mended.faults.push(fault(text, &error, statement.clone()));
            }
            if again || !mended.stand_in(&statement) {
                mended.whole = false;
                mended.blank(statement);
            }
        }
        mended.faults.sort_by_key(|fault| fault.at.start);
        mended
    }

    /// The first fault of the text as it is now, and its statement. A key that is there twice is no
    /// fault here: what stands around it is readable.
    fn next_fault(&self) -> Option<(Error, Range<usize>)> {
        let (table, errors) = DeTable::parse_recoverable(&self.text);
        let errors = errors.into_iter().filter(|error| error.message() != "duplicate key");
        let first = errors.min_by_key(|error| error.span().map_or(0, |span| span.start))?;
        let at = first.span().map_or(0, |span| span.start);
        // A list that is not closed takes the lines below for its own: then the fault is above.
        let start = outermost(table.get_ref(), at).map_or(at, |value| value.start.min(at));
        Some((first, statement(&self.text, start)))
    }

    /// Lets a setting have another value. False if there is no setting or no room.
    fn stand_in(&mut self, statement: &Range<usize>) -> bool {
        let written = &self.text[statement.clone()];
        let line = written.lines().next().unwrap_or_default();
        let key = line.split('=').next().unwrap_or_default().trim_end();
        let key = if line.contains('=') { key } else { first_word(key) };
        let new = format!("={STAND_IN}");
        if !is_key(key.trim_start()) || line.len() < key.len() + new.len() {
            return false;
        }
        let start = statement.start + key.len();
        self.blank(start..statement.end);
        self.text.replace_range(start..start + new.len(), &new);
        true
    }

    /// Replaces all but line ends by blanks.
    fn blank(&mut self, range: Range<usize>) {
        let blanks = self.text[range.clone()].bytes();
        let blanks = blanks.map(|b| if b == b'\n' { '\n' } else { ' ' }).collect::<String>();
        self.text.replace_range(range, &blanks);
    }
}

fn fault(text: &str, error: &Error, statement: Range<usize>) -> Fault {
    let first = text[statement.clone()].lines().next().unwrap_or_default();
    let at = error.span().unwrap_or(0..0);
    let value = first.find('=').map_or("", |at| first[at + 1..].trim_start());
    let (at, message) = if at.start < statement.end || value.is_empty() {
        (at, error.message().to_owned())
    } else {
        let end = statement.start + first.len();
        (end - value.len()..end, "a value that is not closed".to_owned())
    };
    let written = text.get(at.clone()).unwrap_or_default().to_owned();
    Fault { at, written, message, line: first.to_owned(), statement }
}

/// The outermost value that holds a position.
fn outermost(table: &DeTable<'_>, at: usize) -> Option<Range<usize>> {
    let holds = |span: &Range<usize>| span.start <= at && at <= span.end;
    let values = table.iter().filter_map(|(_, value)| {
        let own = Some(value.span()).filter(holds);
        own.or_else(|| match value.get_ref() {
            DeValue::Table(table) => outermost(table, at),
            _ => None,
        })
    });
    values.min_by_key(|span| span.start)
}

/// The lines of the statement around a position: a setting with all lines of its value, or a
/// section with all of its settings.
fn statement(text: &str, at: usize) -> Range<usize> {
    // A fault at the end of the text is in what was last written.
    let written = text.trim_end().len();
    let at = at.min(written);
    let start = text[..at].rfind('\n').map_or(0, |end| end + 1);
    let mut lines = text[start..].split_inclusive('\n');
    let first = lines.next().unwrap_or_default();
    let value = first.split_once('=').map_or("", |(_, value)| value.trim_start());
    let opens = ["[", "{", "\"\"\"", "'''"].iter().any(|open| value.starts_with(open));
    let goes_on =
        |line: &&str| !is_header(line) && (is_header(first) || opens && !is_setting(line));
    let more: usize = lines.take_while(goes_on).map(str::len).sum();
    start..start + first.len() + more
}

/// The first word with the blanks before it.
fn first_word(text: &str) -> &str {
    let indent = text.len() - text.trim_start().len();
    let end = text[indent..].find(char::is_whitespace).map_or(text.len(), |at| indent + at);
    &text[..end]
}

fn is_header(line: &str) -> bool {
    line.trim_start().starts_with('[')
}

fn is_setting(line: &str) -> bool {
    line.split_once('=').is_some_and(|(key, _)| is_key(key.trim()))
}

/// Whether a text can be a key, quotes and dots among it.
fn is_key(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.\"'@+*".contains(c);
    let closed = |quote| text.matches(quote).count() % 2 == 0;
    !text.is_empty() && text.chars().all(plain) && closed('"') && closed('\'')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn mend(text: &str) -> (String, Vec<usize>, bool) {
        let mended = Mended::new(text);
        let line = |fault: &Fault| text[..fault.at.start].matches('\n').count() + 1;
        let lines = mended.faults.iter().map(line).collect();
        (mended.text, lines, mended.whole)
    }

    #[test]
    fn what_is_sound_stays_as_it_is() {
        let text = "a = 1\n[b]\nc = [\n \"[d]\",\n \"e = f\"]\n";
        assert_eq!(mend(text), (text.to_owned(), vec![], true));
        assert_eq!(mend(""), (String::new(), vec![], true));
    }

    #[test]
    fn a_value_gives_way_to_another_and_the_rest_is_read() {
        let (text, lines, whole) = mend("a = x\nb = \"y\nc =\nd 5s\ne = [1,\n 2\n[f]\ng = 1\n");
        assert_eq!(text, "a=0  \nb=0   \nc=0\nd=0 \ne=0    \n  \n[f]\ng = 1\n");
        assert_eq!((lines, whole), (vec![1, 2, 3, 4, 5], true));
    }

    #[test]
    fn a_section_whose_name_is_wrong_is_taken_out() {
        let (text, lines, whole) = mend("[a\nb = 1\nc = [\n2]\n[d]\ne = 1\n");
        assert_eq!(text.trim_start(), "[d]\ne = 1\n");
        assert_eq!((lines, whole), (vec![1], false));
    }

    proptest! {
        #[test]
        fn whatever_was_written_can_be_read_or_is_not_whole(
            text in "([a-c]|=|\\[|\\]|\"|'|\\{|,|ä|\n| |#|\\\\|\"\"\"){0,60}"
        ) {
            let mended = Mended::new(&text);
            prop_assert_eq!(mended.text.len(), text.len());
            if mended.faults.len() < MOST {
                prop_assert!(mended.next_fault().is_none(), "{:?}", mended.text);
            }
        }
    }
}
