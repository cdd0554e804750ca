//! A forward without a header block: one line says who wrote, under a subject that says forward.
//!
//! A line like this stands above each quotation, so it counts only where it is the only one and
//! nobody quotes it. Must not know who is a colleague.
// SPDX-License-Identifier: GPL-3.0-or-later

use super::blocks::Block;
use super::lines::Lines;
use super::shape::is_attribution;

/// The author line of a text that has no block: `On Monday, 3 March, Lena <lena@post.example> wrote:`.
pub(super) fn only(lines: &Lines<'_>) -> Option<Block> {
    let mut found = lines.list.iter().enumerate().filter(|(_, line)| introduces(&line.text));
    let (number, line) = found.next().filter(|(_, line)| line.depth == 0)?;
    found.next().is_none().then(|| Block {
        lines: (number, number),
        from: Some(line.text.to_string()),
        unlabelled: true,
        ..Block::default()
    })
}

/// Whether a line with a date and an address says that what follows is somebody's.
fn introduces(text: &str) -> bool {
    let date = text.bytes().filter(u8::is_ascii_digit).count() >= 4;
    date && text.ends_with([':', '：']) && is_attribution(text)
}

#[cfg(test)]
mod tests {
    use super::super::lines::of_text;
    use super::*;

    #[test]
    fn only_a_single_line_that_nobody_quotes_counts() {
        let line = "Am 03.03.25, 10:15 schrieb Lena <lena@post.example>:\n";
        let author = |text: &str| only(&of_text(text)).and_then(|block| block.from);
        assert!(author(&format!("FYI\n\n{line}> Hallo\n")).is_some());
        assert_eq!(author(&format!("FYI\n\n> {line}> > Hallo\n")), None);
        assert_eq!(author(&format!("{line}> {line}> > Hallo\n")), None);
        assert_eq!(author("Schreib an lena@post.example:\nHallo\n"), None);
    }
}
