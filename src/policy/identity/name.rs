//! Display names and comments: what a mail reader shows in place of an address must not look like
//! another one.
//!
//! Must not know which addresses are allowed, nor why.
// SPDX-License-Identifier: GPL-3.0-or-later

use icu_normalizer::ComposingNormalizerBorrowed;

use super::fault::NameFault;
use super::reader::Mailbox;
use super::{domain, encoded};
use crate::mail::Address;

/// Checks all that a reader may show beside the address.
pub(super) fn check(mailbox: &Mailbox, may: &dyn Fn(&Address) -> bool) -> Result<(), NameFault> {
    let Mailbox { phrase, comments, .. } = mailbox;
    // Readers show the name, or the comments, or all of it.
    let whole = format!("{phrase} {}", comments.join(" "));
    for text in comments.iter().chain([phrase, &whole]).filter(|t| !t.trim().is_empty()) {
        let readings = encoded::readings(text)?;
        for reading in &readings.shown {
            match reading.chars().find(|&c| c != '\t' && is_control(c)) {
                Some(c) => return Err(NameFault::Control(c)),
                None => check_addresses(reading, may)?,
            }
        }
        if let Some(reading) = &readings.garbled {
            check_addresses(reading, may)?;
        }
    }
    Ok(())
}

/// Control characters, line separators, and what embeds or overrides a direction. (The marks
/// U+200E, U+200F and U+061C stand in Hebrew and Arabic names and turn no letters around.)
fn is_control(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Characters that take no room, or hardly any: they part nothing for the eye.
fn is_unseen(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{2004}'..='\u{200f}' | '\u{202f}'
        | '\u{205f}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        | '\u{ffa0}' | '\u{e0000}'..='\u{e0fff}')
}

/// Dots as the eye takes them, full-width and small ones aside: those become plain before.
fn is_dot(c: char) -> bool {
    ".。·‧•∙⋅・۔\u{701}\u{702}ꓸ٠۰𐩐".contains(c)
}

/// What can stand beside an address in a text and is no part of it.
fn is_edge(c: char) -> bool {
    c.is_whitespace() || "<>()[]{}\",;:\\|“”„‟‘’‚‛«»‹›@".contains(c)
}

fn check_addresses(text: &str, may: &dyn Fn(&Address) -> bool) -> Result<(), NameFault> {
    for (local, domain) in addresses(text) {
        let known = domain::to_ascii(&domain.to_lowercase())
            .and_then(|d| Address::parse(&format!("{local}@{d}")).ok());
        if !known.is_some_and(|address| may(&address)) {
            return Err(NameFault::Address(format!("{local}@{domain}")));
        }
    }
    Ok(())
}

/// What looks like an address: something before an at sign, and something with a dot in it behind.
/// `Jobs @ Acme` and `Jobs@Acme` are names.
fn addresses(text: &str) -> Vec<(String, String)> {
    let seen = text.chars().filter(|&c| !is_unseen(c));
    let text: String = seen.map(|c| if matches!(c, 'ⓐ' | 'Ⓐ') { '@' } else { c }).collect();
    // Full-width letters, at signs and dots become plain ones.
    let text = ComposingNormalizerBorrowed::new_nfkc().normalize(&text);
    let mut chars: Vec<char> = text.chars().collect();
    for i in 0..chars.len() {
        // A bullet between spaces parts two names.
        let space = |at: Option<&char>| at.is_none_or(|c| c.is_whitespace());
        let apart = space(chars.get(i.wrapping_sub(1))) && space(chars.get(i + 1));
        if is_dot(chars[i]) && !apart {
            chars[i] = '.';
        }
    }
    let mut found = Vec::new();
    for at in (0..chars.len()).filter(|&i| chars[i] == '@') {
        let (local, spaced) = before(&chars[..at]);
        if local.is_empty() {
            continue;
        }
        let mut domains = behind(&chars[at + 1..], spaced);
        domains.dedup();
        let dotted = domains.into_iter().filter(|domain| domain.contains('.'));
        found.extend(dotted.map(|domain| (local.clone(), domain)));
    }
    found
}

/// The local-part that ends here, and whether there is space behind it.
fn before(chars: &[char]) -> (String, bool) {
    let length = chars.iter().rposition(|c| !c.is_whitespace()).map_or(0, |i| i + 1);
    let start = chars[..length].iter().rposition(|&c| is_edge(c)).map_or(0, |i| i + 1);
    let local: String = chars[start..length].iter().collect();
    (local.trim_start_matches(['\'', '`']).to_owned(), length < chars.len())
}

/// The domain that begins here: as it stands, and with what follows after a gap beside a dot.
fn behind(chars: &[char], spaced: bool) -> Vec<String> {
    let run = |from: usize| chars[from..].iter().position(|&c| is_edge(c));
    let gap = |from: usize| chars[from..].iter().take_while(|c| c.is_whitespace()).count();
    let trimmed = |domain: &str| domain.trim_end_matches(|c: char| !c.is_alphanumeric()).to_owned();
    let start = gap(0);
    let spaced = spaced || start > 0;
    let mut end = run(start).map_or(chars.len(), |n| start + n);
    let mut domain: String = chars[start..end].iter().collect();
    let mut found = vec![trimmed(&domain)];
    loop {
        let next = end + gap(end);
        let Some(&c) = chars.get(next).filter(|&&c| next > end && !is_edge(c)) else { break };
        // `Jobs @ St. Josef` is no address, `ceo@acme. example` looks like one.
        let goes_on = c == '.' || domain.ends_with('.') && !spaced;
        if !goes_on {
            break;
        }
        end = run(next).map_or(chars.len(), |n| next + n);
        domain.extend(&chars[next..end]);
        found.push(trimmed(&domain));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_an_address_is_found_and_a_name_is_not() {
        let found: &[(&str, &str)] = &[
            ("ceo@acme.example", "ceo@acme.example"),
            ("(ceo@acme.example)", "ceo@acme.example"),
            ("'ceo@acme.example'", "ceo@acme.example"),
            ("CEO, ceo@acme.example!", "ceo@acme.example"),
            ("ceo @ acme.example", "ceo@acme.example"),
            ("ceo＠acme。example", "ceo@acme.example"),
            ("ceo﹫acme․example", "ceo@acme.example"),
            ("ｃｅｏ@ａｃｍｅ.example", "ceo@acme.example"),
            ("ceo@\u{200b}acme.\u{2060}example", "ceo@acme.example"),
            ("ceo@acme\u{200a}.example", "ceo@acme.example"),
            ("ceoⓐacme·example", "ceo@acme.example"),
        ];
        for (text, address) in found {
            let all: Vec<_> = addresses(text).iter().map(|(l, d)| format!("{l}@{d}")).collect();
            assert_eq!(all, [*address], "{text}");
        }
        for text in [
            "Jobs @ Acme",
            "Jobs@Acme",
            "Jobs@Acme • Berlin",
            "Jobs @ St. Josef",
            "@acme",
            "Jobs@",
            "Jobs@Acme.",
            "a.b",
        ] {
            assert_eq!(addresses(text), [], "{text}");
        }
        for text in ["ceo@acme .example", "ceo@acme. example", "ceo@acme . example"] {
            let all = addresses(text);
            assert!(all.contains(&("ceo".into(), "acme.example".into())), "{text}: {all:?}");
        }
    }
}
