//! A server's reply, and how its words are shown: bounded, escaped, and never with a password.
//!
//! Must not know what a reply means, nor where it came from.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fmt::Write as _;

/// As much of a line is shown.
const SHOWN: usize = 300;
/// As many lines of a reply are shown.
const LINES: usize = 12;

/// A reply: one code, and the text of each line after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The reply code.
    pub code: u16,
    /// The lines without code.
    pub lines: Vec<String>,
}

impl Reply {
    /// 2xx or 3xx.
    pub fn is_ok(&self) -> bool {
        (200..400).contains(&self.code)
    }

    /// 4xx: it may work later.
    pub fn is_temporary(&self) -> bool {
        (400..500).contains(&self.code)
    }

    /// All text in lower case, lines joined: servers break their lines anywhere.
    pub fn words(&self) -> String {
        self.lines.join(" ").to_lowercase()
    }

    /// The first enhanced status code (RFC 3463).
    pub fn enhanced(&self) -> Option<&str> {
        self.lines.iter().find_map(|line| {
            let word = line.trim_start_matches('#').split([' ', ':']).next()?;
            let mut parts = word.split('.');
            let class = parts.next()?;
            let numbers: Vec<&str> = parts.collect();
            let is_number = |part: &&str| {
                (1..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit())
            };
            let sound = ["2", "4", "5"].contains(&class)
                && numbers.len() == 2
                && numbers.iter().all(is_number);
            sound.then_some(word)
        })
    }

    /// As it came, line by line, fit for a terminal.
    pub fn shown(&self) -> Vec<String> {
        let last = self.lines.len().saturating_sub(1);
        let mut shown: Vec<String> = self
            .lines
            .iter()
            .enumerate()
            .take(LINES)
            .map(|(index, line)| {
                let between = if index == last { ' ' } else { '-' };
                escaped(format!("{}{between}{line}", self.code).trim_end())
            })
            .collect();
        if self.lines.len() > LINES {
            shown.push(format!("[{} more]", self.lines.len() - LINES));
        }
        shown
    }
}

/// Reads one line of a reply, without its end: code, whether more follow, text.
pub(super) fn line(bytes: &[u8]) -> Option<(u16, bool, String)> {
    let code = bytes.get(..3)?;
    if !code.iter().all(u8::is_ascii_digit) || !(b'2'..=b'5').contains(&code[0]) {
        return None;
    }
    let number = code.iter().fold(0, |sum, b| sum * 10 + u16::from(b - b'0'));
    let more = match bytes.get(3) {
        Some(b'-') => true,
        Some(b' ') | None => false,
        Some(_) => return None,
    };
    let text = String::from_utf8_lossy(bytes.get(4..).unwrap_or_default()).into_owned();
    Some((number, more, text))
}

/// Foreign words, bounded, with whatever could move a cursor or turn the direction of writing escaped.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(SHOWN));
    for (index, c) in text.chars().enumerate() {
        if index == SHOWN {
            out.push_str(" [...]");
            break;
        }
        if c.is_control() || is_invisible(c) {
            _ = write!(out, "{}", c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

/// Characters that are not control characters and still change how a line looks.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_code_with_a_text_or_it_is_none() {
        assert_eq!(line(b"250-SIZE 10"), Some((250, true, "SIZE 10".to_owned())));
        assert_eq!(line(b"250 ok"), Some((250, false, "ok".to_owned())));
        assert_eq!(line(b"354"), Some((354, false, String::new())));
        for bad in [&b""[..], b"25", b"2500 x", b"150 x", b"600 x", b"* OK", b"+OK", b"SSH-2.0-x"] {
            assert_eq!(line(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn the_enhanced_code_is_found_where_there_is_one() {
        let reply = |lines: &[&str]| Reply {
            code: 550,
            lines: lines.iter().map(|&line| line.to_owned()).collect(),
        };
        assert_eq!(reply(&["5.7.139 Authentication unsuccessful"]).enhanced(), Some("5.7.139"));
        assert_eq!(reply(&["no", "5.7.8 bad"]).enhanced(), Some("5.7.8"));
        for none in ["", "ok", "5.7", "5.7.1.2 x", "192.0.2 x", "5.7.1000 x", "5..1 x"] {
            assert_eq!(reply(&[none]).enhanced(), None, "{none}");
        }
    }

    #[test]
    fn a_servers_words_move_no_cursor_and_fill_no_screen() {
        assert_eq!(escaped("a\x1b[2Jb\r\u{202e}c"), "a\\u{1b}[2Jb\\u{d}\\u{202e}c");
        assert_eq!(escaped(&"x".repeat(1000)).len(), SHOWN + " [...]".len());
        let long = Reply { code: 220, lines: vec!["x".to_owned(); 1000] };
        assert_eq!(long.shown().len(), LINES + 1);
        assert_eq!(long.shown()[LINES], "[988 more]");
    }
}
