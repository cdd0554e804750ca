//! The tables of headers in this folder, for the tests that read them and those that send them.
// SPDX-License-Identifier: GPL-3.0-or-later

/// Headers by which a login claims to be somebody else.
pub(super) const FORGERIES: &str = include_str!("forgeries.txt");
/// Headers of mail that a login may send.
pub(super) const LEGITIMATE: &str = include_str!("legitimate.txt");

/// A case of a table: its title and its fields, name and body.
#[derive(Debug)]
pub(super) struct Case {
    /// The title.
    pub(super) title: String,
    /// The fields.
    pub(super) fields: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Reads a table; its form is described at its top.
pub(super) fn cases(table: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in table.lines().filter(|l| !l.starts_with('#') && !l.is_empty()) {
        if let Some(title) = line.strip_prefix("== ") {
            cases.push(Case { title: title.into(), fields: Vec::new() });
        } else if let Some((name, body)) =
            line.split_once(':').filter(|_| !line.starts_with([' ', '\t']))
        {
            cases.last_mut().unwrap().fields.push((unescape(name), unescape(body)));
        } else {
            let (_, body) = cases.last_mut().unwrap().fields.last_mut().unwrap();
            body.push(b'\n');
            body.extend(unescape(line));
        }
    }
    cases
}

fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((plain, escape)) = rest.split_once('\\') {
        out.extend(plain.as_bytes());
        let kind = escape.chars().next().unwrap();
        rest = &escape[1..];
        match kind {
            '\\' => out.push(b'\\'),
            'n' => out.push(b'\n'),
            'r' => out.push(b'\r'),
            't' => out.push(b'\t'),
            'x' => {
                out.push(u8::from_str_radix(&rest[..2], 16).unwrap());
                rest = &rest[2..];
            }
            'u' => {
                let (digits, after) = rest.strip_prefix('{').unwrap().split_once('}').unwrap();
                let c = char::from_u32(u32::from_str_radix(digits, 16).unwrap()).unwrap();
                out.extend(c.to_string().bytes());
                rest = after;
            }
            '*' => {
                let (count, after) = rest.split_once('{').unwrap();
                let (what, after) = after.split_once('}').unwrap();
                out.extend(what.repeat(count.parse().unwrap()).bytes());
                rest = after;
            }
            other => panic!("\\{other} in {text}"),
        }
    }
    out.extend(rest.as_bytes());
    out
}
