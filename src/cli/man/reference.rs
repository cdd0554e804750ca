//! recruit-milter.toml(5), out of the commented configuration file.
// SPDX-License-Identifier: GPL-3.0-or-later

use clap_mangen::roff::{Roff, bold, roman};

use super::title;

/// The configuration as it is shipped. A test sees to it that each setting stands in it.
const SHIPPED: &str = include_str!("../../../conf/recruit-milter.toml");

/// A piece of the file.
#[derive(Debug, PartialEq, Eq)]
enum Piece {
    Section(String),
    Setting(String),
    /// Lines of a paragraph; those that are set off stay as they are.
    Text(Vec<String>),
}

/// The page. What stands above a setting in the file stands below its name here.
pub(super) fn page() -> String {
    let mut roff = Roff::new();
    roff.control("SH", ["NAME"])
        .text([roman("recruit-milter.toml - configuration of recruit-milter")]);
    roff.control("SH", ["SYNOPSIS"]).text([roman("/etc/recruit-milter/recruit-milter.toml")]);
    roff.control("br", []).text([roman("/etc/recruit-milter/conf.d/*.toml")]);
    roff.control("SH", ["DESCRIPTION"]);
    let mut waiting: Vec<Vec<String>> = Vec::new();
    for piece in pieces(SHIPPED) {
        match piece {
            Piece::Text(lines) => waiting.push(lines),
            // What stands above a section is about it.
            Piece::Section(name) => {
                roff.control("SH", [format!("[{name}]").as_str()]);
                text(&mut roff, &std::mem::take(&mut waiting));
            }
            // The paragraph right above a setting is about it, those before about all that follow.
            Piece::Setting(line) => {
                let own = waiting.pop();
                text(&mut roff, &std::mem::take(&mut waiting));
                roff.control("TP", []).text([bold(line)]);
                lines_of(&mut roff, &own.unwrap_or_default());
            }
        }
    }
    roff.control("SH", ["SEE ALSO"]);
    roff.text([roman("recruit-milter(8), recruit-milter-check(8), recruit-milter-postfix(7)")]);
    title("recruit-milter.toml", "5") + &roff.to_roff()
}

fn text(roff: &mut Roff, paragraphs: &[Vec<String>]) {
    for paragraph in paragraphs {
        roff.control("PP", []);
        lines_of(roff, paragraph);
    }
}

/// A paragraph is filled; lines that are set off by spaces stand as they are.
fn lines_of(roff: &mut Roff, lines: &[String]) {
    for block in lines.chunk_by(|one, next| one.starts_with("  ") == next.starts_with("  ")) {
        let set_off = block.first().is_some_and(|line| line.starts_with("  "));
        if set_off {
            roff.control("EX", []);
        }
        for line in block {
            roff.text([roman(line.as_str())]);
        }
        if set_off {
            roff.control("EE", []);
        }
    }
}

fn pieces(shipped: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut paragraph = Vec::new();
    for line in shipped.lines() {
        let content = line.strip_prefix('#').unwrap_or(line);
        let is_text = line == "#" || content.starts_with(' ');
        if is_text && !content.trim().is_empty() {
            paragraph.push(content.strip_prefix(' ').unwrap_or(content).to_owned());
            continue;
        }
        if !paragraph.is_empty() {
            pieces.push(Piece::Text(std::mem::take(&mut paragraph)));
        }
        if content.starts_with('[') {
            pieces.push(Piece::Section(content.trim_matches(['[', ']']).to_owned()));
        } else if content.contains('=') && !is_text {
            pieces.push(Piece::Setting(content.to_owned()));
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_above_a_setting_is_about_it_and_what_stands_before_that_about_all() {
        let file = "# The file.\n\n# Of a.\n# More.\n#a = 1\n\n\n# A section.\n#[s]\n\n# All:\n#   x  y\n\n# Of b.\nb = 2\n";
        let text = |lines: &[&str]| Piece::Text(lines.iter().map(|l| (*l).to_owned()).collect());
        let expected = [
            text(&["The file."]),
            text(&["Of a.", "More."]),
            Piece::Setting("a = 1".into()),
            text(&["A section."]),
            Piece::Section("s".into()),
            text(&["All:", "  x  y"]),
            text(&["Of b."]),
            Piece::Setting("b = 2".into()),
        ];
        assert_eq!(pieces(file), expected);
    }

    #[test]
    fn each_setting_of_the_file_is_in_the_page() {
        let page = page();
        let settings = pieces(SHIPPED).into_iter().filter_map(|piece| match piece {
            Piece::Setting(line) => line.split(' ').next().map(str::to_owned),
            _ => None,
        });
        let settings: Vec<String> = settings.collect();
        assert!(settings.len() > 60, "{}", settings.len());
        for setting in settings {
            assert!(page.contains(&format!("\\fB{} =", setting.replace('-', "\\-"))), "{setting}");
        }
    }
}
