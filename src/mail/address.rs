//! Addresses: [`Address`], one that was checked and may be written anywhere, and [`RawPath`], the
//! bytes of an SMTP argument as they came.
//!
//! Must not know what an address is used for.
// SPDX-License-Identifier: GPL-3.0-or-later

use super::text::{head, tail};
use std::fmt;

use super::domain::{address_key, domain_key, is_domain};

/// RFC 5321 4.5.3.1.3: a path has at most 256 octets with its brackets.
const MAX_ADDRESS: usize = 254;
/// RFC 5321 4.5.3.1.1. Kept by the addresses that we make.
pub const MAX_LOCAL_PART: usize = 64;

/// A checked address, `local-part@domain`.
///
/// It holds no control character, no bracket and no white space, and is not longer than RFC 5321
/// allows, so it can be written into an envelope or a header field without quoting.
/// Addresses with a quoted local-part are refused: they can arrive (see [`RawPath`]) but have no
/// place in a configuration or in an address of our own.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    text: String,
    at: usize,
}

/// Why a text is not an [`Address`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressError {
    /// The text is empty.
    Empty,
    /// There is no `@`, or nothing on one side of it.
    NoDomain,
    /// A control character, CR, LF or NUL among them.
    Control,
    /// White space, a bracket, a quote or another character that would need quoting.
    Special(char),
    /// A dot at the start or end of the local-part, or two in a row.
    Dots,
    /// The domain is not a list of labels.
    Domain,
    /// Longer than RFC 5321 allows.
    TooLong,
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the address is empty"),
            Self::NoDomain => f.write_str("an address has the form local-part@domain"),
            Self::Control => f.write_str("a control character in an address"),
            Self::Special(c) => write!(f, "{c:?} cannot stand in an address here"),
            Self::Dots => f.write_str("a dot cannot begin or end a local-part, nor follow another"),
            Self::Domain => f.write_str("the part after the @ is not a domain"),
            Self::TooLong => f.write_str("the address is longer than SMTP allows"),
        }
    }
}

impl std::error::Error for AddressError {}

impl Address {
    /// Checks a text. Nothing is trimmed or changed.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if text.is_empty() {
            return Err(AddressError::Empty);
        }
        if text.chars().any(char::is_control) {
            return Err(AddressError::Control);
        }
        let at = text.rfind('@').ok_or(AddressError::NoDomain)?;
        let (local, domain) = (head(text, at), tail(text, at + 1));
        if local.is_empty() || domain.is_empty() {
            return Err(AddressError::NoDomain);
        }
        if let Some(c) = local.chars().find(|&c| !is_atext(c) && c != '.') {
            return Err(AddressError::Special(c));
        }
        if local.starts_with('.') || local.ends_with('.') || local.contains("..") {
            return Err(AddressError::Dots);
        }
        if !is_domain(domain) {
            return Err(AddressError::Domain);
        }
        // Postfix takes local-parts of more than 64 octets, and extensions make them long.
        if text.len() > MAX_ADDRESS {
            return Err(AddressError::TooLong);
        }
        Ok(Self { text: text.to_owned(), at })
    }

    /// The whole address as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The part before the `@`.
    pub fn local_part(&self) -> &str {
        head(&self.text, self.at)
    }

    /// The part after the `@`.
    pub fn domain(&self) -> &str {
        tail(&self.text, self.at + 1)
    }

    /// The form in which two addresses are compared, see [`address_key`].
    pub fn key(&self) -> String {
        address_key(&self.text)
    }

    /// The address with its domain in ASCII (`xn--`) where it is written in Unicode: what we write
    /// into an envelope or a field must not need SMTPUTF8 from the next server. (A local-part beyond
    /// ASCII has no other form.)
    #[must_use]
    pub fn in_ascii(&self) -> Self {
        if self.domain().is_ascii() {
            return self.clone();
        }
        let text = format!("{}@{}", self.local_part(), domain_key(self.domain()));
        Self::parse(&text).unwrap_or_else(|_| self.clone())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// RFC 5322 3.2.3, with the non-ASCII characters of RFC 6532.
fn is_atext(c: char) -> bool {
    c.is_ascii_alphanumeric()
        || "!#$%&'*+-/=?^_`{|}~".contains(c)
        || (!c.is_ascii() && !c.is_whitespace() && !is_invisible(c))
}

/// Characters that take no room on a screen, or turn the direction of writing, and so can make two
/// addresses look alike.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Splits an address extension off a local-part: `jobs+berlin` gives `("jobs", "berlin")`.
///
/// `delimiters` is Postfix's `recipient_delimiter`, a set of characters. As in Postfix the first
/// delimiter counts, and one at the very start is part of the name.
pub fn split_extension<'a>(local: &'a str, delimiters: &str) -> Option<(&'a str, &'a str)> {
    let (at, found) = local.char_indices().skip(1).find(|&(_, c)| delimiters.contains(c))?;
    Some((head(local, at), tail(local, at + found.len_utf8())))
}

/// The address argument of MAIL FROM or RCPT TO exactly as it was received, brackets included
/// where there were any.
///
/// Postfix compares it byte by byte when a recipient is deleted, so nothing may be normalised. It
/// can hold any byte except NUL; to show it, use [`RawPath::printable`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct RawPath(Vec<u8>);

impl RawPath {
    /// Takes the bytes as they are.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// The bytes as received.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes between the brackets. (Mail from sendmail(1) comes without brackets.)
    pub fn inner(&self) -> &[u8] {
        let b = &self.0[..];
        b.strip_prefix(b"<").and_then(|b| b.strip_suffix(b">")).unwrap_or(b)
    }

    /// The path without a source route (RFC 5321 4.1.1.3), which the MTA strips before it keeps a
    /// recipient.
    #[must_use]
    pub fn without_route(&self) -> Self {
        let inner = self.inner();
        let end = inner.iter().position(|&b| b == b':').filter(|_| inner.starts_with(b"@"));
        end.map_or_else(|| self.clone(), |at| Self([b"<", &inner[at + 1..], b">"].concat()))
    }

    /// Whether this is the null sender, `<>` or, from sendmail(1), an empty text.
    pub fn is_null(&self) -> bool {
        self.inner().is_empty()
    }

    /// The address as checked text, where it is one.
    pub fn address(&self) -> Option<Address> {
        Address::parse(std::str::from_utf8(self.inner()).ok()?).ok()
    }

    /// The address for a header field or a log line: UTF-8 as it stands, every other byte, every
    /// control character, bracket, backslash and white space as `\xNN`.
    pub fn printable(&self) -> String {
        let mut out = String::new();
        for chunk in self.inner().utf8_chunks() {
            for c in chunk.valid().chars() {
                if c.is_control() || c.is_whitespace() || is_invisible(c) || "<>\\".contains(c) {
                    let mut buffer = [0; 4];
                    for byte in c.encode_utf8(&mut buffer).bytes() {
                        push_escape(&mut out, byte);
                    }
                } else {
                    out.push(c);
                }
            }
            for &byte in chunk.invalid() {
                push_escape(&mut out, byte);
            }
        }
        out
    }
}

fn push_escape(out: &mut String, byte: u8) {
    use fmt::Write as _;
    let _ = write!(out, "\\x{byte:02X}");
}

impl From<&Address> for RawPath {
    fn from(address: &Address) -> Self {
        Self(format!("<{address}>").into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_as_written() {
        let a = Address::parse("Jobs+Berlin@Acme.Example").unwrap();
        assert_eq!((a.local_part(), a.domain()), ("Jobs+Berlin", "Acme.Example"));
        assert_eq!(a.key(), "jobs+berlin@acme.example");
        assert_eq!(a.to_string(), "Jobs+Berlin@Acme.Example");
    }

    #[test]
    fn an_address_goes_out_with_its_domain_in_ascii() {
        for (address, ascii) in [
            ("Jobs@Acme.Example", "Jobs@Acme.Example"),
            ("Jobs@BÜRO.example", "Jobs@xn--bro-hoa.example"),
            ("Jobs@XN--BRO-HOA.example", "Jobs@XN--BRO-HOA.example"),
            ("jürgen@büro.example", "jürgen@xn--bro-hoa.example"),
            ("jobs@परीक्षा.example", "jobs@xn--11b5bs3a9aj6g.example"),
        ] {
            let address = Address::parse(address).unwrap();
            assert_eq!(address.in_ascii().as_str(), ascii);
            assert_eq!(address.in_ascii().key(), address.key());
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_its_reason() {
        use AddressError as E;
        let cases = [
            ("", E::Empty),
            ("jobs", E::NoDomain),
            ("@acme.example", E::NoDomain),
            ("jobs@", E::NoDomain),
            ("jo\rbs@acme.example", E::Control),
            ("jobs@acme.example\n", E::Control),
            ("jo\0bs@acme.example", E::Control),
            ("jo bs@acme.example", E::Special(' ')),
            ("<jobs@acme.example>", E::Special('<')),
            ("\"jobs\"@acme.example", E::Special('"')),
            ("a@b@acme.example", E::Special('@')),
            ("jo\u{200b}bs@acme.example", E::Special('\u{200b}')),
            (".jobs@acme.example", E::Dots),
            ("jobs..x@acme.example", E::Dots),
            ("jobs@acme..example", E::Domain),
            ("jobs@-acme.example", E::Domain),
            ("jobs@acme.example.", E::Domain),
            ("jobs@ac me.example", E::Domain),
        ];
        for (text, why) in cases {
            assert_eq!(Address::parse(text), Err(why), "{text:?}");
        }
        assert_eq!(Address::parse(&format!("{}@x", "a".repeat(253))), Err(E::TooLong));
        assert!(Address::parse(&format!("jobs+{}@x", "a".repeat(80))).is_ok());
    }

    #[test]
    fn the_first_delimiter_splits_the_extension() {
        assert_eq!(split_extension("jobs+a+b", "+"), Some(("jobs", "a+b")));
        assert_eq!(split_extension("jobs-a+b", "+-"), Some(("jobs", "a+b")));
        assert_eq!(split_extension("+jobs", "+"), None);
        assert_eq!(split_extension("jobs", "+"), None);
        assert_eq!(split_extension("jobs+a", ""), None);
    }

    #[test]
    fn a_raw_path_prints_nothing_dangerous() {
        let cases: [(&[u8], &str); 6] = [
            (b"<a@b.example>", "a@b.example"),
            (b"<>", ""),
            (b"", ""),
            (b"<\"a b\"@x>", "\"a\\x20b\"@x"),
            (b"<a\xffb\r\n@x>", "a\\xFFb\\x0D\\x0A@x"),
            ("<müller@x>".as_bytes(), "müller@x"),
        ];
        for (raw, printed) in cases {
            assert_eq!(RawPath::new(raw).printable(), printed);
        }
    }
}
