//! Mails written out as their programs send them, read from the files in `reading/written`.
//!
//! A file holds blocks: `@@ id`, lines of facts that begin with a dot (`.truth one A`, `.name`,
//! `.subject`, `.date`, `.kind`, `.from outside`, `.sender <>`, `.forms`), header fields, and then
//! sections: `%text` and `%html` (charset, encoding and `flowed` may follow), `%part` (a MIME part
//! as it stands), `%raw` (the whole message as it stands) and `%rows` (a table: the block is
//! written once per row, `{column}` replaced). A row whose `lang` is in the folder's `people`
//! knows that person's columns too.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use encoding_rs::Encoding as Charset;
use recruit_milter::policy::kind::Kind;

use crate::compose::{Part, base64, escape, word};
use crate::score::{Case, Client, Mark, Score, Truth};

type Values = BTreeMap<String, String>;

/// The colleagues who pass mails on; one after the other.
const COLLEAGUES: [&str; 5] = [
    "=?utf-8?q?Sabine_Kr=C3=BCger?= <sabine.krueger@acme-werke.example>",
    "\"Becker, Tom\" <tom.becker@acme-werke.example>",
    "claire.dubois@acme-werke.example",
    "=?iso-8859-1?Q?Vogt=2C_Jens_=28HR=29?= <Jens.Vogt@ACME-Werke.example>",
    "Pieter Jansen <pieter.jansen@acme-werke.example>",
];

/// One block of a file, its values filled in.
pub(crate) struct Block {
    id: String,
    facts: Vec<(String, String)>,
    header: Vec<String>,
    sections: Vec<(String, String)>,
}

fn table(text: &str) -> Vec<Values> {
    let mut lines = text.lines().filter(|l| !l.trim().is_empty());
    let Some(first) = lines.next() else { return Vec::new() };
    let columns: Vec<&str> = first.split('|').map(str::trim).collect();
    let row = |line: &str| {
        let values: Vec<&str> = line.split('|').map(str::trim).collect();
        assert_eq!(values.len(), columns.len(), "columns of {line:?}");
        let pairs = columns.iter().zip(values);
        pairs.map(|(c, v)| ((*c).to_owned(), v.replace("\\n", "\n").replace("\\0", "\0"))).collect()
    };
    lines.map(row).collect()
}

fn fill(text: &str, values: &Values, html: bool) -> String {
    let mut text = text.to_owned();
    for (key, value) in values {
        let value = if html { escape(value).replace('\n', "<br>") } else { value.clone() };
        text = text.replace(&format!("{{{key}}}"), &value);
    }
    text
}

impl Block {
    /// The blocks of a file; one with a table once per row.
    fn all(text: &str, people: &[Values]) -> Vec<Self> {
        let mut blocks = Vec::new();
        for source in format!("\n{text}").split("\n@@ ").skip(1) {
            let rows = source.split_once("\n%rows\n").map(|(_, rows)| table(rows));
            let source = source.split("\n%rows\n").next().unwrap_or_default();
            for row in rows.unwrap_or_else(|| vec![Values::new()]) {
                let person = people.iter().find(|p| p.get("lang") == row.get("lang"));
                let mut values = person.cloned().unwrap_or_default();
                let row = row.into_iter().map(|(c, v)| (c, fill(&v, &values, false)));
                let row: Values = row.collect();
                values.extend(row);
                blocks.push(Self::one(source, &values));
            }
        }
        blocks
    }

    fn one(source: &str, values: &Values) -> Self {
        let (id, rest) = source.split_once('\n').unwrap_or((source, ""));
        let mut block = Self {
            id: fill(id, values, false),
            facts: Vec::new(),
            header: Vec::new(),
            sections: Vec::new(),
        };
        for line in rest.split_inclusive('\n') {
            if let Some(section) = line.strip_prefix('%') {
                block.sections.push((fill(section.trim(), values, false), String::new()));
            } else if let Some((_, text)) = block.sections.last_mut() {
                text.push_str(line);
            } else if let Some(fact) = line.strip_prefix('.') {
                let (key, value) = fact.trim_end().split_once(' ').unwrap_or((fact.trim_end(), ""));
                block.facts.push((key.into(), fill(value, values, false)));
            } else if !line.trim().is_empty() {
                block.header.push(fill(line.trim_end(), values, false));
            }
        }
        for (kind, text) in &mut block.sections {
            *text = fill(text, values, kind.starts_with("html") && !kind.starts_with("html-as-is"));
        }
        block
    }

    /// The value of a fact.
    pub(crate) fn fact(&self, key: &str) -> Option<&str> {
        self.facts.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str()).filter(|v| !v.is_empty())
    }

    fn has_field(&self, name: &str) -> bool {
        self.header.iter().any(|h| {
            h.get(..name.len()).is_some_and(|n| n.eq_ignore_ascii_case(name))
                && h[name.len()..].starts_with(':')
        })
    }

    /// The cases: one per form of the body that the facts ask for.
    pub(crate) fn cases(&self, place: &str, number: usize) -> Vec<Case> {
        let forms: Vec<&str> = self.fact("forms").unwrap_or("all").split(' ').collect();
        let case = |(i, form): (usize, &&str)| {
            let mail = self.mail(form, number + i);
            let mail = if (number + i).is_multiple_of(2) { crlf(&mail) } else { mail };
            let text = |key| self.fact(key).map(str::to_owned);
            Case {
                id: format!("{place}: {} {form}", self.id),
                client: text("client").unwrap_or_else(|| "-".into()),
                language: text("lang").unwrap_or_else(|| "-".into()),
                category: text("category").unwrap_or_else(|| place.into()),
                mail,
                from: if self.fact("from") == Some("outside") {
                    Client::Outside
                } else {
                    Client::Inside
                },
                sender: (self.fact("sender") == Some("<>")).then_some(""),
                truth: self.truth(),
                kind: self.fact("kind").map(|k| Kind::parse(k).unwrap()),
                subject: text("subject"),
                name: text("name").map(|n| if n == "-" { String::new() } else { n }),
                date: text("date"),
            }
        };
        forms.iter().enumerate().map(case).collect()
    }

    fn truth(&self) -> Truth {
        let fact = self.fact("truth").unwrap();
        match fact.split_once(' ').unwrap_or((fact, "")) {
            ("one", who) => Truth::One(who.into()),
            ("several", all) => Truth::Several(all.split(' ').map(str::to_owned).collect()),
            ("nobody", _) => Truth::Nobody,
            ("none", _) => Truth::None,
            _ => unreachable!("truth of {}: {fact}", self.id),
        }
    }

    fn mail(&self, form: &str, number: usize) -> Vec<u8> {
        if let Some((_, raw)) = self.sections.iter().find(|(k, _)| k == "raw") {
            return raw.clone().into_bytes();
        }
        let mut header = String::from(
            "Received: from client.example (client.example [192.0.2.9])\n\tby mx1.acme-werke.example (Postfix) with ESMTPS id 4Z1\n\tfor <bewerbung@acme-werke.example>; Mon, 03 Mar 2025 11:02:17 +0100\n",
        );
        let defaults = [
            ("From", COLLEAGUES[number % COLLEAGUES.len()]),
            ("To", "Bewerbung <bewerbung@acme-werke.example>"),
            ("Subject", "FW: Application"),
            ("Date", "Mon, 03 Mar 2025 11:02:17 +0100"),
            ("Message-ID", "<1.2@acme-werke.example>"),
            ("MIME-Version", "1.0"),
        ];
        for (name, value) in defaults {
            if !self.has_field(name) {
                header += &format!("{name}: {value}\n");
            }
        }
        for line in &self.header {
            header += &match line.split_once("Subject: ") {
                Some(("", subject)) if !subject.is_ascii() => {
                    format!("Subject: {}\n", word(subject))
                }
                _ => format!("{line}\n"),
            };
        }
        let (texts, parts): (Vec<_>, Vec<_>) = self
            .sections
            .iter()
            .filter(|(k, _)| form == "all" || k == "part" || k.starts_with(form) || form == "both")
            .partition(|(k, _)| k != "part");
        let texts: Vec<Vec<u8>> = texts.iter().map(|(k, t)| leaf(k, t, number)).collect();
        let mut all = match &texts[..] {
            [one] => vec![one.clone()],
            [] => Vec::new(),
            several => vec![multi("alternative", several)],
        };
        all.extend(parts.iter().map(|(_, t)| t.clone().into_bytes()));
        let body = if let [one] = &all[..] { one.clone() } else { multi("mixed", &all) };
        [header.into_bytes(), body].concat()
    }
}

/// A text part, its header before it.
fn leaf(kind: &str, text: &str, number: usize) -> Vec<u8> {
    let words: Vec<&str> = kind.split_whitespace().collect();
    let charset = words.get(1).copied().unwrap_or("utf-8");
    let way = words.get(2).copied().unwrap_or(["qp", "base64", "8bit"][number % 3]);
    let encoder = Charset::for_label(charset.as_bytes()).unwrap();
    // As programs do: what a charset cannot say is said in UTF-8.
    let (bytes, charset) = match encoder.encode(text) {
        (bytes, _, false) => (bytes, charset),
        _ => (text.as_bytes().into(), "utf-8"),
    };
    let (name, body) = match way {
        "qp" => ("quoted-printable", quoted(&bytes).into_bytes()),
        "base64" => ("base64", base64(&bytes).into_bytes()),
        "7bit" => ("7bit", bytes.to_vec()),
        _ => ("8bit", bytes.to_vec()),
    };
    let subtype = if words[0].starts_with("html") { "html" } else { "plain" };
    let flowed = if words.contains(&"flowed") { "; format=flowed" } else { "" };
    let header = format!(
        "Content-Type: text/{subtype}; charset=\"{charset}\"{flowed}\nContent-Transfer-Encoding: {name}\n\n"
    );
    [header.into_bytes(), body].concat()
}

fn quoted(bytes: &[u8]) -> String {
    let mut out = String::new();
    let mut column = 0;
    for (i, &byte) in bytes.iter().enumerate() {
        let last = matches!(bytes.get(i + 1), None | Some(b'\n'));
        if byte == b'\n' {
            out.push('\n');
            column = 0;
            continue;
        }
        let plain = (byte.is_ascii_graphic() && byte != b'=') || (byte == b' ' && !last);
        let piece = if plain { char::from(byte).to_string() } else { format!("={byte:02X}") };
        if column + piece.len() > 75 {
            out.push_str("=\n");
            column = 0;
        }
        column += piece.len();
        out.push_str(&piece);
    }
    out
}

fn multi(kind: &str, parts: &[Vec<u8>]) -> Vec<u8> {
    let texts: Vec<Part> = parts
        .iter()
        .map(|p| Part { header: String::new(), body: String::from_utf8_lossy(p).into_owned() })
        .collect();
    let header = Part::multi(kind, &texts).header;
    let boundary = header.split('"').nth(1).unwrap().to_owned();
    let mut out = format!("{header}\n").into_bytes();
    for part in parts {
        out.extend(format!("--{boundary}\n").bytes());
        out.extend(part);
        out.push(b'\n');
    }
    out.extend(format!("--{boundary}--\n").bytes());
    out
}

fn crlf(mail: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(mail.len() + mail.len() / 40);
    for &byte in mail {
        if byte == b'\n' {
            out.push(b'\r');
        }
        out.push(byte);
    }
    out
}

/// The cases of a folder.
pub(crate) fn folder(name: &str) -> Vec<Case> {
    written(name, name)
}

/// The cases of a folder with the people of another one: other names, comments and letters.
fn written(folder: &str, people: &str) -> Vec<Case> {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reading/written");
    let mut cases = Vec::new();
    for (file, block) in blocks(&place.join(folder), Some(&place.join(people))) {
        let number = cases.len();
        cases.extend(block.cases(&file, number));
    }
    cases
}

/// The blocks of a folder, each with the name of its file, and the people of another one.
pub(crate) fn blocks(folder: &Path, people: Option<&Path>) -> Vec<(String, Block)> {
    let people = people.and_then(|p| fs::read_to_string(p.join("people")).ok());
    let people = people.map(|t| table(&t)).unwrap_or_default();
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    let mut blocks = Vec::new();
    for file in files.iter().filter(|f| f.extension().is_some_and(|e| e == "txt")) {
        let name = file.file_stem().unwrap().to_string_lossy();
        let all = Block::all(&fs::read_to_string(file).unwrap(), &people);
        blocks.extend(all.into_iter().map(|b| (name.clone().into_owned(), b)));
    }
    blocks
}

fn read_well(cases: &[Case], least: usize) {
    assert!(cases.len() >= least, "{} mails", cases.len());
    let score = Score::of(cases);
    score.print();
    assert_eq!(score.total[Mark::Wrong as usize], 0);
    assert!(score.right() >= 990, "{} per mille", score.right());
}

#[test]
fn mails_of_common_programs_are_read() {
    read_well(&folder("programs"), 790);
}

#[test]
fn mails_of_rarer_programs_are_read() {
    read_well(&folder("rarer"), 440);
}

#[test]
fn names_and_structures_of_all_sorts_are_read() {
    read_well(&folder("names"), 220);
}

#[test]
fn pages_of_web_mailers_are_read() {
    let mut cases = written("pages", "names");
    cases.extend(written("pages", "rarer").into_iter().filter(|c| c.language != "-"));
    read_well(&cases, 150);
}

#[test]
fn mail_of_machines_is_told_from_that_of_people() {
    read_well(&folder("machines"), 115);
}

#[test]
fn what_stands_around_a_block_changes_nothing() {
    read_well(&written("around", "rarer"), 85);
}

#[test]
fn charsets_and_chains_of_many_languages_are_read() {
    read_well(&written("foreign", "programs"), 85);
}

#[test]
fn long_comments_and_letters_full_of_addresses_change_nothing() {
    let mut cases = written("programs", "names");
    cases.extend(written("rarer", "names"));
    // Of the others nothing changes.
    cases.retain(|c| c.language != "-" && c.category != "rare language");
    read_well(&cases, 700);
}
