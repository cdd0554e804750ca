//! A strict reader of mailbox lists (RFC 5322 3.4, with the UTF-8 of RFC 6532 in names).
//!
//! Of the obsolete grammar only what nobody reads differently is taken: dots in a display name and
//! white space around the at sign. Groups, routes, empty list elements, quoted local-parts that
//! need their quotes, domain literals and local-parts beyond ASCII are refused. Must not know whose
//! mailbox it is.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fmt;
use std::iter::Peekable;
use std::str::Chars;

use super::domain;
use super::fault::shown;
use crate::mail::Address;

/// How many mailboxes a field may have.
const MAX_MAILBOXES: usize = 64;
/// How deep comments may stand in comments.
const MAX_DEPTH: u32 = 8;

/// A mailbox as it stands in a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mailbox {
    /// The address; its domain is in lower case and ASCII.
    pub address: Address,
    /// The display name: quotes gone, encoded words as they are.
    pub phrase: String,
    /// What stands in comments beside the address.
    pub comments: Vec<String>,
}

/// Why a field cannot be read without doubt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Octets that are not UTF-8.
    NotUtf8,
    /// A control character.
    Control(char),
    /// A line of white space alone, or one that does not begin with white space.
    Folding,
    /// A quote, comment or angle bracket is never closed.
    Open(char),
    /// A character where the grammar has no place for it.
    Unexpected(char),
    /// Something that is no address stands where one should be.
    NoAddress,
    /// Text behind the angle brackets.
    AfterAngle,
    /// A local-part that is not plain.
    LocalPart(String),
    /// A domain that is not plain.
    Domain(String),
    /// A comment inside an address that holds an at sign.
    Comment,
    /// Too many mailboxes, or comments too deep.
    TooMany,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotUtf8 => f.write_str("octets that are not UTF-8"),
            Self::Control(c) => write!(f, "the control character {}", c.escape_unicode()),
            Self::Folding => f.write_str("lines that are not folded as RFC 5322 says"),
            Self::Open(c) => write!(f, "{c} is never closed"),
            Self::Unexpected(c) => write!(f, "{} where it cannot stand", c.escape_default()),
            Self::NoAddress => f.write_str("an address is missing"),
            Self::AfterAngle => f.write_str("text after the address in angle brackets"),
            Self::LocalPart(text) => write!(f, "the local-part {} is not plain", shown(text)),
            Self::Domain(text) => write!(f, "the domain {} is not plain", shown(text)),
            Self::Comment => f.write_str("a comment inside an address with an at sign in it"),
            Self::TooMany => f.write_str("too many mailboxes, or comments too deep"),
        }
    }
}

/// Reads a field body.
pub(super) fn mailboxes(body: &[u8]) -> Result<Vec<Mailbox>, Fault> {
    let text = std::str::from_utf8(body).map_err(|_| Fault::NotUtf8)?;
    let tokens = tokens(&unfold(text)?)?;
    let elements: Vec<&[Token]> = tokens.split(|t| *t == Token::Special(',')).collect();
    if elements.len() > MAX_MAILBOXES {
        return Err(Fault::TooMany);
    }
    elements.into_iter().map(mailbox).collect()
}

/// RFC 5322 2.2.3: a line end before white space is nothing. The first line may be empty; a later
/// one of white space alone ends the header for some readers.
fn unfold(text: &str) -> Result<String, Fault> {
    let mut out = String::with_capacity(text.len());
    for (i, line) in text.split('\n').enumerate() {
        let line = line.strip_suffix('\r').unwrap_or(line);
        let blank = line.trim_matches([' ', '\t']).is_empty();
        if i > 0 && (blank || !line.starts_with([' ', '\t'])) {
            return Err(Fault::Folding);
        }
        out.push_str(line);
    }
    match out.chars().find(|&c| c.is_control() && c != '\t') {
        Some(c) => Err(Fault::Control(c)),
        None => Ok(out),
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Space,
    Comment(String),
    /// Its content without the quoting, and whether there were backslashes.
    Quoted(String, bool),
    Atom(String),
    /// One of `<>@.,`.
    Special(char),
}

impl Token {
    /// CFWS in RFC 5322.
    fn is_filler(&self) -> bool {
        matches!(self, Self::Space | Self::Comment(_))
    }
}

/// RFC 5322 3.2.3 and RFC 6532 3.2.
fn is_atext(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c) || !c.is_ascii()
}

fn tokens(text: &str) -> Result<Vec<Token>, Fault> {
    let mut found = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        found.push(match c {
            ' ' | '\t' => {
                while chars.next_if(|c| matches!(c, ' ' | '\t')).is_some() {}
                Token::Space
            }
            '(' => Token::Comment(comment(&mut chars)?),
            '"' => quoted(&mut chars)?,
            '<' | '>' | '@' | '.' | ',' => Token::Special(c),
            c if is_atext(c) => {
                let mut atom = String::from(c);
                while let Some(c) = chars.next_if(|&c| is_atext(c)) {
                    atom.push(c);
                }
                Token::Atom(atom)
            }
            c => return Err(Fault::Unexpected(c)),
        });
    }
    Ok(found)
}

/// The rest of a comment; comments in it stay, with their parentheses.
fn comment(chars: &mut Peekable<Chars<'_>>) -> Result<String, Fault> {
    let mut text = String::new();
    let mut depth = 1;
    loop {
        let c = chars.next().ok_or(Fault::Open('('))?;
        match c {
            '\\' => text.push(chars.next().ok_or(Fault::Open('('))?),
            '(' if depth == MAX_DEPTH => return Err(Fault::TooMany),
            '(' => depth += 1,
            ')' if depth == 1 => return Ok(text),
            ')' => depth -= 1,
            _ => (),
        }
        if c != '\\' {
            text.push(c);
        }
    }
}

fn quoted(chars: &mut Peekable<Chars<'_>>) -> Result<Token, Fault> {
    let mut text = String::new();
    let mut escaped = false;
    loop {
        match chars.next().ok_or(Fault::Open('"'))? {
            '"' => return Ok(Token::Quoted(text, escaped)),
            '\\' => {
                escaped = true;
                text.push(chars.next().ok_or(Fault::Open('"'))?);
            }
            c => text.push(c),
        }
    }
}

/// `name <address>` or an address alone.
fn mailbox(tokens: &[Token]) -> Result<Mailbox, Fault> {
    let is = |c| move |t: &Token| *t == Token::Special(c);
    let (address, phrase) = match tokens.iter().position(is('<')) {
        None => (address(trim(tokens))?, String::new()),
        Some(open) => {
            let close = tokens.iter().position(is('>')).ok_or(Fault::Open('<'))?;
            if close < open {
                return Err(Fault::Unexpected('>'));
            }
            if !tokens[close + 1..].iter().all(Token::is_filler) {
                return Err(Fault::AfterAngle);
            }
            (address(&tokens[open + 1..close])?, phrase(&tokens[..open])?)
        }
    };
    let comments = tokens.iter().filter_map(|t| match t {
        Token::Comment(text) => Some(text.clone()),
        _ => None,
    });
    Ok(Mailbox { address, phrase, comments: comments.collect() })
}

/// RFC 5322 4.1: a phrase of words, and dots behind the first.
fn phrase(tokens: &[Token]) -> Result<String, Fault> {
    let mut text = String::new();
    for token in tokens {
        match token {
            Token::Space | Token::Comment(_) => text.push(' '),
            Token::Quoted(word, _) | Token::Atom(word) => text.push_str(word),
            Token::Special('.') if !text.trim().is_empty() => text.push('.'),
            Token::Special(c) => return Err(Fault::Unexpected(*c)),
        }
    }
    Ok(text.trim().to_owned())
}

fn trim(mut tokens: &[Token]) -> &[Token] {
    while let [first, rest @ ..] = tokens
        && first.is_filler()
    {
        tokens = rest;
    }
    while let [rest @ .., last] = tokens
        && last.is_filler()
    {
        tokens = rest;
    }
    tokens
}

/// An addr-spec. Comments can stand in it, but a reader that knows no comments must not find
/// another address there.
fn address(tokens: &[Token]) -> Result<Address, Fault> {
    let confusing = |t: &Token| matches!(t, Token::Comment(text) if text.contains('@'));
    if tokens.iter().any(confusing) {
        return Err(Fault::Comment);
    }
    let at = tokens.iter().position(|t| *t == Token::Special('@')).ok_or(Fault::NoAddress)?;
    let (local, domain) = (trim(&tokens[..at]), trim(&tokens[at + 1..]));
    let local = match local {
        [Token::Quoted(text, false)] => text.clone(),
        _ => dot_atom(local).ok_or_else(|| Fault::LocalPart(written(local)))?,
    };
    // An encoded word has no place here (RFC 2047 5), but there are readers that decode it.
    if !local.is_ascii() || local.contains("=?") {
        return Err(Fault::LocalPart(local));
    }
    let domain = dot_atom(domain)
        .and_then(|text| domain::to_ascii(&text))
        .ok_or_else(|| Fault::Domain(written(domain)))?;
    Address::parse(&format!("{local}@{domain}")).map_err(|_| Fault::LocalPart(local))
}

/// Atoms with single dots between them and nothing else.
fn dot_atom(tokens: &[Token]) -> Option<String> {
    let mut text = String::new();
    for (i, token) in tokens.iter().enumerate() {
        match token {
            Token::Atom(atom) if i % 2 == 0 => text.push_str(atom),
            Token::Special('.') if i % 2 == 1 => text.push('.'),
            _ => return None,
        }
    }
    (tokens.len() % 2 == 1).then_some(text)
}

/// Roughly as it stood, for the log.
fn written(tokens: &[Token]) -> String {
    let mut text = String::new();
    for token in tokens {
        match token {
            Token::Space => text.push(' '),
            Token::Comment(_) => text.push_str("(...)"),
            Token::Quoted(word, _) => text.extend(["\"", word, "\""]),
            Token::Atom(word) => text.push_str(word),
            Token::Special(c) => text.push(*c),
        }
    }
    text
}
