//! The SMTP envelope: sender, recipients and the parameters of RFC 3461 that travel with them.
//!
//! Must not know where an envelope comes from or goes to.
// SPDX-License-Identifier: GPL-3.0-or-later

use super::text::{head, tail};
use std::fmt;

use super::address::{Address, RawPath};

/// One recipient of the envelope.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Recipient {
    /// The argument of RCPT TO as received. Deleting a recipient needs exactly these bytes.
    pub path: RawPath,
    /// The address as the MTA resolved it (Postfix: macro `{rcpt_addr}`), for look-ups. Where the
    /// MTA does not tell, the text between the brackets.
    pub resolved: String,
    /// The ESMTP arguments, each `KEY=value`, as received.
    pub args: Vec<Vec<u8>>,
}

impl Recipient {
    /// A recipient as a plain address, without arguments.
    pub fn plain(address: &str) -> Self {
        Self {
            path: RawPath::new(format!("<{address}>")),
            resolved: address.to_owned(),
            args: Vec::new(),
        }
    }

    /// The original recipient that the client named (RFC 3461 4.2), if it named one that can be
    /// read.
    pub fn orcpt(&self) -> Option<Orcpt> {
        self.args.iter().find_map(|arg| {
            let (key, value) = arg.split_at_checked(6)?;
            key.eq_ignore_ascii_case(b"ORCPT=").then(|| Orcpt::parse(value))?
        })
    }
}

/// Sender and recipients of one message.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Envelope {
    /// The envelope sender.
    pub sender: RawPath,
    /// The ESMTP arguments of MAIL FROM, as received.
    pub sender_args: Vec<Vec<u8>>,
    /// The recipients, in the order of the RCPT commands.
    pub recipients: Vec<Recipient>,
}

/// When a report is wanted for a recipient (RFC 3461 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notify {
    /// Never: nobody must hear of this recipient.
    Never,
    /// On failure: what holds where nothing was asked for (RFC 3461 4.1).
    Failure,
    /// On success, failure and delay.
    Always,
}

impl fmt::Display for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Never => "NEVER",
            Self::Failure => "FAILURE",
            Self::Always => "SUCCESS,FAILURE,DELAY",
        })
    }
}

/// An original recipient, `ORCPT=` of RFC 3461 4.2, or of RFC 6533 where it is not ASCII.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Orcpt(Address);

impl Orcpt {
    /// The original recipient `address`.
    pub fn new(address: Address) -> Self {
        Self(address)
    }

    /// The address.
    pub fn address(&self) -> &Address {
        &self.0
    }

    /// Reads the value behind `ORCPT=`. Other address types than `rfc822` and `utf-8` give nothing.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let value = std::str::from_utf8(value).ok()?;
        let (kind, text) = value.split_once(';')?;
        let text = if kind.eq_ignore_ascii_case("rfc822") {
            String::from_utf8(xtext_decode(text)?).ok()?
        } else if kind.eq_ignore_ascii_case("utf-8") {
            // Postfix: hands ORCPT on as it came or decodes it to plain UTF-8; both are read.
            unitext_decode(&String::from_utf8(xtext_decode(text)?).ok()?)?
        } else {
            return None;
        };
        Address::parse(&text).ok().map(Self)
    }
}

impl fmt::Display for Orcpt {
    /// The value as a milter hands it to the MTA: xtext (RFC 3461 4), non-ASCII characters as they
    /// are.
    // Postfix: decodes xtext alone here, and writes the `\x{XX}` of RFC 6533 itself on the way out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.as_str();
        f.write_str(if text.is_ascii() { "rfc822;" } else { "utf-8;" })?;
        for c in text.chars() {
            match c {
                '+' | '=' => write!(f, "+{:02X}", u32::from(c))?,
                c => write!(f, "{c}")?,
            }
        }
        Ok(())
    }
}

/// Decodes `+XX` (RFC 3461 4, xtext).
fn xtext_decode(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        if *first == b'+' {
            let hex = std::str::from_utf8(tail.get(..2)?).ok()?;
            out.push(u8::from_str_radix(hex, 16).ok()?);
            rest = &tail[2..];
        } else {
            out.push(*first);
            rest = tail;
        }
    }
    Some(out)
}

/// Decodes `\x{XX}` (RFC 6533 3).
fn unitext_decode(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("\\x{") {
        out.push_str(head(rest, at));
        let (hex, tail) = tail(rest, at + 3).split_once('}')?;
        out.push(char::from_u32(u32::from_str_radix(hex, 16).ok()?)?);
        rest = tail;
    }
    out.push_str(rest);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orcpt_survives_the_way_through_postfix() {
        for (address, written) in [
            ("jobs@acme.example", "rfc822;jobs@acme.example"),
            ("jobs+berlin@acme.example", "rfc822;jobs+2Bberlin@acme.example"),
            ("a=b@acme.example", "rfc822;a+3Db@acme.example"),
            ("jobs+köln@acme.example", "utf-8;jobs+2Bköln@acme.example"),
        ] {
            let orcpt = Orcpt::new(Address::parse(address).unwrap());
            assert_eq!(orcpt.to_string(), written);
            assert_eq!(Orcpt::parse(written.as_bytes()), Some(orcpt));
        }
    }

    #[test]
    fn orcpt_is_read_as_postfix_writes_it_on_the_way_out() {
        let read = Orcpt::parse(b"utf-8;jobs\\x{2B}k\\x{F6}ln@acme.example").unwrap();
        assert_eq!(read.address().as_str(), "jobs+köln@acme.example");
    }

    #[test]
    fn what_is_no_orcpt_is_none() {
        for bad in
            ["", "rfc822", "rfc822;", "x400;a@b", "rfc822;a+0Db@c", "rfc822;a+@b", "rfc822;+ZZ@b"]
        {
            assert_eq!(Orcpt::parse(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn the_orcpt_argument_is_found_whatever_its_case() {
        let mut r = Recipient::plain("t@x.example");
        r.args = vec![b"NOTIFY=NEVER".to_vec(), b"orcpt=rfc822;jobs@acme.example".to_vec()];
        assert_eq!(r.orcpt().unwrap().address().as_str(), "jobs@acme.example");
    }
}
