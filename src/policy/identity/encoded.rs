//! Encoded words (RFC 2047), in all the ways that mail readers decode them.
//!
//! Readers decode them also in quotes, without white space around them, and with spaces inside;
//! some join neighbours before they decode, some do not, and some do not know a charset. So a text
//! has several readings. Must not know what is looked for in them.
// SPDX-License-Identifier: GPL-3.0-or-later

use crate::mail::text::tail;
use data_encoding::BASE64;
use encoding_rs::{Encoding, UTF_16BE, UTF_16LE, WINDOWS_1252, X_USER_DEFINED};

use super::fault::NameFault;

/// What a text can be read as.
pub(super) struct Readings {
    /// What a reader shows that does as it should.
    pub shown: Vec<String>,
    /// What a reader makes of it that does not know the charset.
    pub garbled: Option<String>,
}

enum Piece<'a> {
    Plain(&'a str),
    Word { charset: &'static Encoding, bytes: Vec<u8> },
}

/// All readings of a text. What is broken, unknown or encoded twice has none.
pub(super) fn readings(text: &str) -> Result<Readings, NameFault> {
    let mut readings = Readings { shown: vec![text.to_owned()], garbled: None };
    if !text.contains("=?") {
        return Ok(readings);
    }
    let pieces = pieces(text)?;
    let (single, single_broken) = decode(&pieces, false);
    let (joined, joined_broken) = decode(&pieces, true);
    if single_broken && joined_broken {
        return Err(NameFault::Encoding);
    }
    if single.contains("=?") || joined.contains("=?") {
        return Err(NameFault::Nested);
    }
    readings.shown.extend([single, joined]);
    readings.garbled = Some(garble(&pieces));
    Ok(readings)
}

/// White space between two encoded words is not shown, so it is left out here.
fn pieces(text: &str) -> Result<Vec<Piece<'_>>, NameFault> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("=?") {
        let (plain, word) = rest.split_at(start);
        if !(plain.trim().is_empty() && matches!(found.last(), Some(Piece::Word { .. }))) {
            found.push(Piece::Plain(plain));
        }
        let (charset, word) = tail(word, 2).split_once('?').ok_or(NameFault::Encoding)?;
        let (encoding, word) = word.split_once('?').ok_or(NameFault::Encoding)?;
        let (data, after) = word.split_once("?=").ok_or(NameFault::Encoding)?;
        let bytes = match encoding {
            "q" | "Q" => quoted_printable(data),
            "b" | "B" => BASE64.decode(data.as_bytes()).ok(),
            _ => None,
        };
        let bytes = bytes.ok_or(NameFault::Encoding)?;
        found.push(Piece::Word { charset: known(charset)?, bytes });
        rest = after;
    }
    found.push(Piece::Plain(rest));
    Ok(found)
}

/// The charset of a label (RFC 2231 5: without its language). Charsets in which letters are not
/// themselves (UTF-16, UTF-7) have no place in mail and are not known.
fn known(label: &str) -> Result<&'static Encoding, NameFault> {
    let name = label.split_once('*').map_or(label, |(name, _)| name);
    let unusual = [UTF_16BE, UTF_16LE, X_USER_DEFINED];
    Encoding::for_label_no_replacement(name.as_bytes())
        .filter(|found| !unusual.contains(found))
        .ok_or_else(|| NameFault::Charset(label.to_owned()))
}

fn quoted_printable(data: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(data.len());
    let mut bytes = data.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'_' => b' ',
            b'=' => {
                let digits = [bytes.next()?, bytes.next()?].map(char::from);
                let [high, low] = digits.map(|d| d.to_digit(16));
                u8::try_from(high? * 16 + low?).ok()?
            }
            b' '..=b'~' => byte,
            _ => return None,
        });
    }
    Some(out)
}

/// The text with its words decoded, each for itself or neighbours of one charset together, and
/// whether there were octets that mean nothing.
fn decode(pieces: &[Piece<'_>], join: bool) -> (String, bool) {
    let mut out = String::new();
    let mut broken = false;
    let mut at = 0;
    while let Some(piece) = pieces.get(at) {
        at += 1;
        match piece {
            Piece::Plain(text) => out.push_str(text),
            Piece::Word { charset, bytes } => {
                let mut bytes = bytes.clone();
                while join
                    && let Some(Piece::Word { charset: next, bytes: more }) = pieces.get(at)
                    && next == charset
                {
                    bytes.extend(more);
                    at += 1;
                }
                let (text, bad) = charset.decode_without_bom_handling(&bytes);
                out.push_str(&text);
                broken |= bad;
            }
        }
    }
    (out, broken)
}

fn garble(pieces: &[Piece<'_>]) -> String {
    let texts = pieces.iter().map(|piece| match piece {
        Piece::Plain(text) => (*text).into(),
        Piece::Word { bytes, .. } => WINDOWS_1252.decode_without_bom_handling(bytes).0,
    });
    texts.collect()
}
