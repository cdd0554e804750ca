//! The words of [`languages`](super::languages), ready to be looked up: what a label means, what a
//! line above a message says, what stands before a subject.
//!
//! Must not know blocks.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::collections::HashMap;
use std::sync::LazyLock;

use super::languages::{CONTACTS, FORWARD_PREFIXES, LANGUAGES, REPLY_PREFIXES, TAGS};
use crate::mail::mailbox::is_invisible;
use crate::mail::text::{between, head, tail};

/// No label is longer, in characters.
pub(super) const MAX_LABEL: usize = 36;

/// What a line of a header block tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Role {
    From,
    Date,
    To,
    Subject,
    ReplyTo,
    Other,
    /// A label that is in no table.
    Unknown,
}

/// What a line above a message says about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Above {
    /// It was forwarded.
    Forwarded,
    /// It is an original message: forwarded or answered.
    Original,
}

/// What a subject begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Prefixes {
    /// A mark of a forward (`Fwd:`, `WG:`).
    pub forward: bool,
    /// A mark of a reply (`Re:`, `AW:`).
    pub reply: bool,
}

struct Index {
    labels: HashMap<String, (Role, &'static str)>,
    above: HashMap<String, (Above, &'static str)>,
    forwarded_by: Vec<(String, &'static str)>,
    behalf: Vec<String>,
    forward: Vec<String>,
    reply: Vec<String>,
    tags: Vec<String>,
    contacts: Vec<String>,
}

static INDEX: LazyLock<Index> = LazyLock::new(Index::build);

fn words(list: &'static str) -> impl Iterator<Item = String> {
    list.split('|').map(fold).filter(|w| !w.is_empty())
}

impl Index {
    fn build() -> Self {
        let mut index = Self {
            labels: HashMap::new(),
            above: HashMap::new(),
            forwarded_by: Vec::new(),
            behalf: Vec::new(),
            forward: words(FORWARD_PREFIXES).collect(),
            reply: words(REPLY_PREFIXES).collect(),
            tags: words(TAGS).collect(),
            contacts: words(CONTACTS).collect(),
        };
        for language in LANGUAGES {
            let columns = [
                (Role::From, language.from),
                (Role::Date, language.date),
                (Role::To, language.to),
                (Role::Subject, language.subject),
                (Role::ReplyTo, language.reply_to),
                (Role::Other, language.other),
            ];
            for (role, list) in columns {
                for word in words(list) {
                    index.labels.entry(word).or_insert((role, language.code));
                }
            }
            for (above, list) in
                [(Above::Forwarded, language.forwarded), (Above::Original, language.original)]
            {
                for word in words(list) {
                    index.above.entry(word).or_insert((above, language.code));
                }
            }
            let by = words(language.forwarded_by).map(|w| (w, language.code));
            index.forwarded_by.extend(by);
            index.behalf.extend(language.behalf.split('|').map(str::to_lowercase));
        }
        index
    }
}

/// A text for comparing: lower case, accents and invisible characters gone, spaces joined.
pub(in crate::policy) fn fold(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut space = false;
    for c in text.chars().filter(|&c| !is_invisible(c)) {
        if c.is_whitespace() {
            space = !out.is_empty();
            continue;
        }
        if matches!(c, '\u{300}'..='\u{36f}' | '\u{5b0}'..='\u{5c7}' | '\u{64b}'..='\u{652}') {
            continue;
        }
        if std::mem::take(&mut space) {
            out.push(' ');
        }
        for c in c.to_lowercase() {
            if !matches!(c, '\u{300}'..='\u{36f}') {
                out.push(base(c));
            }
        }
    }
    out
}

/// The letter without its accent.
fn base(c: char) -> char {
    const PAIRS: &[(&str, char)] = &[
        ("àáâãäåāăą", 'a'),
        ("çćčĉċ", 'c'),
        ("ďđ", 'd'),
        ("èéêëēĕėęě", 'e'),
        ("ğģĝ", 'g'),
        ("ìíîïīįı", 'i'),
        ("ķ", 'k'),
        ("ľļĺł", 'l'),
        ("ñńņň", 'n'),
        ("òóôõöōőơ", 'o'),
        ("ŕřŗ", 'r'),
        ("śşšș", 's'),
        ("ťţț", 't'),
        ("ùúûüūůűųư", 'u'),
        ("ýÿ", 'y'),
        ("źżž", 'z'),
        ("ά", 'α'),
        ("έ", 'ε'),
        ("ή", 'η'),
        ("ίϊΐ", 'ι'),
        ("ό", 'ο'),
        ("ύϋΰ", 'υ'),
        ("ώ", 'ω'),
        ("ς", 'σ'),
        ("й", 'и'),
        ("ё", 'е'),
        ("ї", 'і'),
        ("أإآ", 'ا'),
        ("’", '\''),
    ];
    if c.is_ascii() {
        return c;
    }
    PAIRS.iter().find(|(accented, _)| accented.contains(c)).map_or(c, |&(_, plain)| plain)
}

/// What a label means, and in which language. Some write it in two: `Von / From`.
pub(super) fn label(text: &str) -> Option<(Role, &'static str)> {
    let one = |text: &str| INDEX.labels.get(&fold(text)).copied();
    one(text).or_else(|| {
        let (first, second) = text.split_once('/')?;
        let (first, second) = (one(first.trim())?, one(second.trim())?);
        (first.0 == second.0).then_some(first)
    })
}

/// Whether a label stands before addresses in signatures.
pub(super) fn is_contact(label: &str) -> bool {
    INDEX.contacts.contains(&fold(label))
}

/// A line of the form `Label: value`: its role, its language and the value.
pub(super) fn labelled(line: &str) -> Option<(Role, &'static str, &str)> {
    let line = line.trim_start_matches(|c: char| c.is_whitespace() || "*|_".contains(c));
    let mut length = 0;
    for (at, c) in line.char_indices() {
        if matches!(c, ':' | '：' | '|' | '﹕' | '︰') {
            let name =
                head(line, at).trim_end_matches(|c: char| c.is_whitespace() || "*_".contains(c));
            // A table drawn with bars parts label and value by one.
            let (role, code) = label(name)?;
            let value = tail(line, at + c.len_utf8()).trim_start_matches(|c: char| {
                c.is_whitespace() || c == '*' || c == '|' || is_invisible(c)
            });
            let value = value.trim_end_matches(|c: char| c.is_whitespace() || "*|".contains(c));
            return Some((role, code, value));
        }
        length += 1;
        if length > MAX_LABEL || c == '@' || c == '<' {
            return None;
        }
    }
    None
}

/// Whether a line is the field of the one who only sent it: `Sender:` beside `From:`.
pub(super) fn is_sender(line: &str) -> bool {
    let line = line.trim_start_matches(|c: char| c.is_whitespace() || "*|_".contains(c));
    line.split([':', '：'])
        .next()
        .is_some_and(|label| fold(label).trim_end_matches('*') == "sender")
}

/// A line that begins with a label without a colon, as one program writes below its separator.
pub(super) fn bare_label(line: &str) -> Option<(Role, &'static str, &str)> {
    let line = line.trim();
    // The longest label counts: "De la" is more than "De".
    let ends = line.match_indices([' ', '\t']).map(|(at, _)| at).take(4);
    let mut found = label(line).map(|(role, code)| (role, code, ""));
    for end in ends {
        let longer = label(head(line, end));
        found = longer.map_or(found, |(role, code)| Some((role, code, tail(line, end).trim())));
    }
    found
}

/// Whether a line stands above a message, and what follows the words in it.
pub(super) fn above(line: &str) -> Option<(Above, &'static str)> {
    let decorated =
        |c: char| c.is_whitespace() || is_invisible(c) || "-–—_=*>#~+·.:：[]|<|".contains(c);
    let inner = line.trim_matches(decorated);
    if inner.is_empty() || inner.len() > 400 {
        return None;
    }
    let bare = inner.len() == line.trim().len();
    let folded = fold(&inner.chars().take(80).collect::<String>());
    let found = INDEX.above.get(&folded).copied();
    // A single word may stand anywhere; only dashes make it a separator.
    if let Some(found) = found.filter(|_| !bare || folded.contains(' ') || !folded.is_ascii()) {
        return Some(found);
    }
    let dashes = line.trim_start().starts_with("--");
    INDEX
        .forwarded_by
        .iter()
        .find(|(start, _)| dashes && folded.starts_with(start.as_str()))
        .map(|&(_, code)| (Above::Forwarded, code))
}

/// Where the last "on behalf of" in a text ends, if there is one.
pub(super) fn after_behalf(text: &str) -> Option<usize> {
    // Lower case letters may be longer: for each octet the place in the text itself.
    let mut places = String::with_capacity(text.len());
    let mut origin = Vec::with_capacity(text.len() + 1);
    for (at, c) in text.char_indices() {
        places.extend(c.to_lowercase());
        origin.resize(places.len(), at);
    }
    origin.push(text.len());
    let ends = INDEX.behalf.iter().filter_map(|phrase| {
        let at = places.rfind(phrase.as_str())?;
        let end = at + phrase.len();
        let open = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric() || !c.is_ascii());
        let alone =
            open(head(&places, at).chars().next_back()) && open(tail(&places, end).chars().next());
        alone.then_some(*origin.get(end)?)
    });
    ends.max()
}

/// What a subject begins with, and the subject itself without that and without tags in brackets.
pub(super) fn prefixes(subject: &str) -> (Prefixes, &str) {
    let mut found = Prefixes::default();
    let mut rest = subject;
    for _ in 0..20 {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || is_invisible(c));
        if let Some(inner) = wrapped_forward(rest) {
            found.forward = true;
            rest = inner;
            continue;
        }
        if let Some(after) = bracketed(rest) {
            rest = after;
            continue;
        }
        let Some((at, colon)) =
            rest.char_indices().take(MAX_LABEL).find(|(_, c)| matches!(c, ':' | '：' | '﹕'))
        else {
            break;
        };
        let word = fold(head(rest, at));
        let word = word.trim_end_matches(|c: char| c.is_ascii_digit() || "[]()^ ".contains(c));
        let forward = INDEX.forward.iter().any(|p| p == word);
        let reply = INDEX.reply.iter().any(|p| p == word);
        if !forward && !reply && !INDEX.tags.iter().any(|t| t == word) {
            break;
        }
        found.forward |= forward;
        found.reply |= reply && !forward;
        rest = tail(rest, at + colon.len_utf8());
    }
    // Some programs mark a forward at the end.
    let tail =
        fold(&rest.chars().rev().take(8).collect::<Vec<_>>().into_iter().rev().collect::<String>());
    found.forward |= tail.ends_with("(fwd)") || tail.ends_with("[fwd]");
    (found, rest.trim())
}

/// `[Fwd: subject]`, as some programs wrote for years.
fn wrapped_forward(text: &str) -> Option<&str> {
    let (word, rest) = text.strip_prefix('[')?.split_once(':')?;
    let inner = rest.trim_end().strip_suffix(']')?;
    (word.len() <= MAX_LABEL && INDEX.forward.contains(&fold(word))).then_some(inner)
}

/// What follows a tag in brackets at the beginning.
pub(super) fn bracketed(text: &str) -> Option<&str> {
    let open = text.chars().next()?;
    let close = match open {
        '[' => ']',
        '(' => ')',
        '{' => '}',
        '【' => '】',
        '*' => '*',
        _ => return None,
    };
    let (at, _) = text.char_indices().skip(1).take(40).find(|&(_, c)| c == close)?;
    let inner = fold(between(text, open.len_utf8(), at));
    let inner = inner.trim_matches(|c: char| !c.is_alphanumeric());
    let square = close == ']' || close == '】';
    (square || INDEX.tags.iter().any(|t| t == inner))
        .then(|| tail(text, at + close.len_utf8()).trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_label_means_two_things() {
        let mut seen: HashMap<String, (Role, &str)> = HashMap::new();
        for language in LANGUAGES {
            for (role, list) in [
                (Role::From, language.from),
                (Role::Date, language.date),
                (Role::To, language.to),
                (Role::Subject, language.subject),
            ] {
                for word in words(list) {
                    let (known, code) = *seen.entry(word.clone()).or_insert((role, language.code));
                    assert_eq!(known, role, "{word} in {code} and {}", language.code);
                }
            }
        }
    }

    #[test]
    fn labels_are_found_in_all_their_dress() {
        for line in [
            "Von: Lena",
            "  Von: Lena",
            "*Von:* Lena",
            "*Von*: Lena",
            "**Von:** Lena",
            "Von : Lena",
            "VON: Lena",
            "Von\u{a0}: Lena",
            "V\u{200b}on:\tLena",
            "| Von | Lena |",
            "\u{200f}Von: Lena",
            "发件人：Lena",
            "发件人: Lena",
            "Fra\u{30a}n: Lena",
            "Από: Lena",
            "ΑΠΟ: Lena",
            "From:Lena",
        ] {
            let found = labelled(line).map(|(role, _, value)| (role, value));
            assert_eq!(found, Some((Role::From, "Lena")), "{line}");
        }
        assert_eq!(labelled("Sehr geehrte Frau von: x"), None);
        assert_eq!(labelled("lena@from: x"), None);
    }

    #[test]
    fn subjects_are_stripped_of_what_programs_put_before_them() {
        let cases = [
            ("WG: Bewerbung", true, false, "Bewerbung"),
            ("[EXTERN] WG: Bewerbung", true, false, "Bewerbung"),
            ("AW: WG: Bewerbung", true, true, "Bewerbung"),
            ("Re[2]: Fwd: x", true, true, "x"),
            ("转发：申请", true, false, "申请"),
            ("Bewerbung: Koch", false, false, "Bewerbung: Koch"),
            ("(extern) TR : Candidature", true, false, "Candidature"),
            ("(m/w/d) Koch", false, false, "(m/w/d) Koch"),
            ("Koch (fwd)", true, false, "Koch (fwd)"),
            ("[FWD: Koch]", true, false, "Koch"),
            ("【求人】応募の件", false, false, "応募の件"),
            ("【】応募", false, false, "応募"),
            ("【求人", false, false, "【求人"),
            ("Re: 【求人】応募", false, true, "応募"),
            ("[EXTERN] 【𠮷】WG: 【求人】応募", true, false, "応募"),
            ("\u{200f}【דרושים】פנייה", false, false, "פנייה"),
            ("(ｅｘｔｅｒｎ) 応募", false, false, "(ｅｘｔｅｒｎ) 応募"),
            ("*】*", false, false, "*】*"),
        ];
        for (subject, forward, reply, rest) in cases {
            assert_eq!(prefixes(subject), (Prefixes { forward, reply }, rest), "{subject}");
        }
    }

    #[test]
    fn separators_are_known_with_and_without_dashes() {
        for (line, kind) in [
            ("-------- Weitergeleitete Nachricht --------", Above::Forwarded),
            ("---------- Forwarded message ---------", Above::Forwarded),
            ("> Anfang der weitergeleiteten Nachricht:", Above::Forwarded),
            ("-----Ursprüngliche Nachricht-----", Above::Original),
            (
                "----- Weitergeleitet von Sabine Krüger/ACME am 03.03.2025 11:02 -----",
                Above::Forwarded,
            ),
            ("---------- 転送メッセージ ----------", Above::Forwarded),
        ] {
            assert_eq!(above(line).map(|(a, _)| a), Some(kind), "{line}");
        }
        for line in ["--", "________________________________", "Forwarded", "Forwarded by Tom", ""]
        {
            assert_eq!(above(line), None, "{line}");
        }
    }

    #[test]
    fn the_one_behind_on_behalf_of_is_found() {
        let text = "Portal <p@x> im Auftrag von Lena <l@y>";
        assert_eq!(&text[after_behalf(text).unwrap()..], " Lena <l@y>");
        assert_eq!(after_behalf("Lena Namensberg <l@y>"), None);
        let text = "Portal İ <p@x> adına Şen İnce <l@y>";
        assert_eq!(&text[after_behalf(text).unwrap()..], " Şen İnce <l@y>");
    }
}
