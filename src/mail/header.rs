//! Header fields: raw ones as they came, and ours.
//!
//! *Header* is an ambiguous word; here it means the whole header section of a message, and one line
//! of it (folded or not) is a *field* with a *name* and a *body* (RFC 5322 2.2).
//!
//! The types say what may be touched: in mail that is forwarded only an [`OwnField`] can be added and
//! only an [`OwnName`] deleted, and neither can be built outside our namespace. Outgoing mail can get
//! a [`PlainField`] as well, of which there are few.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fmt;

/// The prefix of the names of all fields that are ours.
pub const OWN_PREFIX: &str = "X-Recruiting-";

/// A field as it came: name and body byte for byte, without the colon and the last line end.
///
/// The body keeps its leading white space and its inner line ends (as LF).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// The field name.
    pub name: Vec<u8>,
    /// The field body, leading space included.
    pub body: Vec<u8>,
}

impl Field {
    /// Compares the name without case.
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }
}

/// The header of a message: its fields in order.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Header {
    /// The fields from top to bottom.
    pub fields: Vec<Field>,
}

/// Whether a field name is in our namespace, in whatever case it is written.
pub fn is_own(name: &[u8]) -> bool {
    name.get(..OWN_PREFIX.len()).is_some_and(|p| p.eq_ignore_ascii_case(OWN_PREFIX.as_bytes()))
}

/// The name of a field in our namespace.
///
/// It can be a name that a stranger chose (`x-RECRUITING-anything`), because such fields are to be
/// deleted under the very name they came with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OwnName(Vec<u8>);

impl OwnName {
    /// `X-Recruiting-` and `suffix`, for a name that stands in our source.
    pub fn ours(suffix: &'static str) -> Self {
        Self([OWN_PREFIX.as_bytes(), suffix.as_bytes()].concat())
    }

    /// A name that was received; none if it is not in our namespace.
    pub fn received(name: &[u8]) -> Option<Self> {
        let sane = is_own(name) && !name.iter().any(|b| matches!(b, 0 | b'\r' | b'\n' | b':'));
        sane.then(|| Self(name.to_vec()))
    }

    /// The bytes of the name.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The name in the form in which the MTA counts occurrences: without case.
    pub fn key(&self) -> Vec<u8> {
        self.0.to_ascii_lowercase()
    }
}

impl fmt::Display for OwnName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

/// Why a text cannot be a field body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// A control character: CR, LF and NUL among them.
    Control(char),
    /// Longer than the 998 octets of RFC 5322 2.1.1, without a space where it could be folded.
    TooLong,
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Control(c) => write!(f, "a field body cannot hold {c:?}"),
            Self::TooLong => f.write_str("a word of the field body is longer than a line may be"),
        }
    }
}

impl std::error::Error for BodyError {}

/// The body of a field of ours, as one line. It can hold no control character, so it cannot end the
/// field or begin another.
///
/// ```
/// use recruit_milter::mail::{BodyError, FieldBody};
/// assert!(FieldBody::new("jobs@acme.example").is_ok());
/// assert_eq!(FieldBody::new("a\r\nBcc: b"), Err(BodyError::Control('\r')));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldBody(String);

/// RFC 5322 2.1.1, less the name and colon of any field of ours.
const MAX_WORD: usize = 950;

impl FieldBody {
    /// Checks a text.
    pub fn new(text: impl Into<String>) -> Result<Self, BodyError> {
        let text = text.into();
        if let Some(c) =
            text.chars().find(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'))
        {
            return Err(BodyError::Control(c));
        }
        if text.split(' ').any(|word| word.len() > MAX_WORD) {
            return Err(BodyError::TooLong);
        }
        Ok(Self(text))
    }

    /// The body as one line.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The body folded at spaces so that, with a name of `name_len` octets, lines stay below 78
    /// octets where that is possible. Lines are parted by LF and TAB.
    // Postfix: a milter's field body is folded with "\n\t"; CRLF would leave a stray CR.
    pub fn folded(&self, name_len: usize) -> String {
        let mut out = String::with_capacity(self.0.len() + 8);
        let mut column = name_len + 2;
        for (i, word) in self.0.split(' ').enumerate() {
            if i > 0 {
                if column + 1 + word.len() > 78 && column > 1 && !word.is_empty() {
                    out.push_str("\n\t");
                    column = 1;
                } else {
                    out.push(' ');
                    column += 1;
                }
            }
            out.push_str(word);
            column += word.len();
        }
        out
    }
}

/// A field of ours, ready to be added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnField {
    /// Its name.
    pub name: OwnName,
    /// Its body.
    pub body: FieldBody,
}

impl OwnField {
    /// The field as it stands in a header: name, body with a leading space, folded.
    pub fn to_field(&self) -> Field {
        let folded = self.body.folded(self.name.as_bytes().len());
        Field { name: self.name.as_bytes().to_vec(), body: format!(" {folded}").into_bytes() }
    }
}

impl fmt::Display for OwnField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.body.as_str())
    }
}

/// The name of a field that outgoing mail can get where it has none of that name: one that says
/// neither who it is from or to, nor how the message is built, nor anything that others vouch for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PlainName(String);

/// Fields that are not ours to write, and the beginnings of such names, in lower case.
const NOT_PLAIN: [&str; 18] = [
    "from",
    "sender",
    "to",
    "cc",
    "bcc",
    "date",
    "subject",
    "message-id",
    "in-reply-to",
    "references",
    "received",
    "return-path",
    "delivered-to",
    "mime-version",
    "dkim-signature",
    "authentication-results",
    "apparently-to",
    "reply-to",
];
const NOT_PLAIN_BEGINNINGS: [&str; 5] =
    ["content-", "resent-", "arc-", "received-", "x-recruiting-"];

impl PlainName {
    /// Date (RFC 5322 3.6.1).
    pub fn date() -> Self {
        Self("Date".into())
    }

    /// Message-ID (RFC 5322 3.6.4).
    pub fn message_id() -> Self {
        Self("Message-ID".into())
    }

    /// Reply-To (RFC 5322 3.6.2).
    pub fn reply_to() -> Self {
        Self("Reply-To".into())
    }

    /// A name that the admin chose. The error is a sentence for him.
    pub fn configured(text: &str) -> Result<Self, String> {
        // RFC 5322 2.2: printable ASCII without the colon.
        let sane = !text.is_empty()
            && text.len() <= 76
            && text.bytes().all(|b| b.is_ascii_graphic() && b != b':');
        if !sane {
            return Err("it is not the name of a field".into());
        }
        let lower = text.to_ascii_lowercase();
        if NOT_PLAIN.contains(&lower.as_str())
            || NOT_PLAIN_BEGINNINGS.iter().any(|begin| lower.starts_with(begin))
        {
            return Err("this field is not one that a route may add".into());
        }
        Ok(Self(text.to_owned()))
    }

    /// The name as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PlainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A field that is added to outgoing mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlainField {
    /// Its name.
    pub name: PlainName,
    /// Its body.
    pub body: FieldBody,
}

impl PlainField {
    /// The field as it stands in a header: name, body with a leading space, folded.
    pub fn to_field(&self) -> Field {
        let folded = self.body.folded(self.name.as_str().len());
        Field { name: self.name.as_str().into(), body: format!(" {folded}").into_bytes() }
    }
}

impl fmt::Display for PlainField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.body.as_str())
    }
}

/// A field body on one line: every run of white space (and line ends) is one space, none at either
/// end. This is the "relaxed" form of RFC 6376 3.4.2, which survives refolding on the way.
pub fn relaxed(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len());
    for word in body.split(|b| matches!(b, b' ' | b'\t' | b'\r' | b'\n')).filter(|w| !w.is_empty())
    {
        if !out.is_empty() {
            out.push(b' ');
        }
        out.extend_from_slice(word);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_can_add_harmless_fields_alone() {
        for name in ["X-Sent-For", "Organization", "Auto-Submitted", "List-Unsubscribe"] {
            assert_eq!(PlainName::configured(name).unwrap().as_str(), name);
        }
        for name in [
            "From",
            "sender",
            "BCC",
            "Resent-To",
            "Content-Type",
            "DKIM-Signature",
            "ARC-Seal",
            "X-Recruiting-Kind",
            "Received",
            "Received-SPF",
            "",
            "X Y",
            "X:",
            "Ä",
            "X\r\nBcc",
        ] {
            assert!(PlainName::configured(name).is_err(), "{name}");
        }
        let long = "x".repeat(100);
        let body = FieldBody::new(format!("{long} b c")).unwrap();
        let field = PlainField { name: PlainName::reply_to(), body };
        assert_eq!(field.to_field().body, format!(" {long}\n\tb c").into_bytes());
    }
    use proptest::prelude::*;

    #[test]
    fn our_namespace_has_no_case() {
        assert!(is_own(b"x-recruiting-SEAL"));
        assert!(is_own(b"X-Recruiting-"));
        assert!(!is_own(b"X-Recruiting"));
        assert!(!is_own(b"Subject"));
        assert_eq!(OwnName::received(b"Subject"), None);
        assert_eq!(OwnName::received(b"X-Recruiting-a\nb"), None);
    }

    #[test]
    fn long_bodies_are_folded_at_spaces() {
        let body = FieldBody::new(["word"; 40].join(" ")).unwrap();
        let folded = body.folded(20);
        assert!(folded.split("\n\t").all(|line| line.len() <= 78));
        assert_eq!(relaxed(folded.as_bytes()), body.as_str().as_bytes());
    }

    #[test]
    fn a_word_longer_than_a_line_is_refused() {
        assert_eq!(FieldBody::new("x".repeat(951)), Err(BodyError::TooLong));
    }

    proptest! {
        #[test]
        fn no_text_can_break_out_of_a_field(text in any::<String>(), name_len in 0usize..60) {
            if let Ok(body) = FieldBody::new(text.clone()) {
                let folded = body.folded(name_len);
                prop_assert!(!folded.contains(['\r', '\0']));
                prop_assert!(folded.split('\n').skip(1).all(|line| line.starts_with('\t') && line.trim() != ""));
                prop_assert_eq!(folded.replace("\n\t", " "), text);
            }
        }
    }
}
