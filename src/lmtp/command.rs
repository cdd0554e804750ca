//! The commands of LMTP as Postfix writes them.
//!
//! Must not know when which of them is in order.
// SPDX-License-Identifier: GPL-3.0-or-later

use crate::mail::{RawPath, Recipient};

/// A command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// LHLO
    Lhlo,
    /// MAIL
    Mail {
        /// The envelope sender.
        sender: RawPath,
        /// The size that was announced; 0 if none was.
        size: u64,
        /// Whether envelope or header are in UTF-8.
        smtputf8: bool,
    },
    /// RCPT
    Rcpt(Recipient),
    /// DATA
    Data,
    /// RSET
    Rset,
    /// NOOP
    Noop,
    /// VRFY
    Vrfy,
    /// QUIT
    Quit,
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Syntax {
    /// No command that is known here. RFC 2033 4.1: EHLO and HELO are none.
    Unknown,
    /// The argument of the command.
    Wrong,
    /// A parameter of MAIL or RCPT.
    Parameter,
}

impl Command {
    /// Reads a line without its end.
    pub(super) fn parse(line: &[u8]) -> Result<Self, Syntax> {
        let end = line.iter().position(|&b| b == b' ').unwrap_or(line.len());
        let (verb, rest) = line.split_at(end);
        let rest = rest.trim_ascii();
        let bare = |command| if rest.is_empty() { Ok(command) } else { Err(Syntax::Wrong) };
        match verb.to_ascii_uppercase().as_slice() {
            b"LHLO" if rest.is_empty() => Err(Syntax::Wrong),
            b"LHLO" => Ok(Self::Lhlo),
            b"MAIL" => mail(after(rest, b"FROM:")?),
            b"RCPT" => rcpt(after(rest, b"TO:")?),
            b"DATA" => bare(Self::Data),
            b"RSET" => bare(Self::Rset),
            b"QUIT" => bare(Self::Quit),
            b"NOOP" => Ok(Self::Noop),
            b"VRFY" => Ok(Self::Vrfy),
            _ => Err(Syntax::Unknown),
        }
    }
}

fn after<'a>(rest: &'a [u8], word: &[u8]) -> Result<&'a [u8], Syntax> {
    let (begin, rest) = rest.split_at_checked(word.len()).ok_or(Syntax::Wrong)?;
    if begin.eq_ignore_ascii_case(word) { Ok(rest.trim_ascii_start()) } else { Err(Syntax::Wrong) }
}

fn mail(argument: &[u8]) -> Result<Command, Syntax> {
    let (sender, parameters) = path(argument)?;
    let (mut size, mut smtputf8) = (0, false);
    for parameter in parameters {
        let parameter = String::from_utf8_lossy(parameter).to_ascii_uppercase();
        match parameter.split_once('=').unwrap_or((&parameter, "")) {
            ("SIZE", value) => size = value.parse().map_err(|_| Syntax::Wrong)?,
            ("SMTPUTF8", "") => smtputf8 = true,
            // What the message is made of, and what its reports shall hold, changes nothing here.
            ("BODY", "7BIT" | "8BITMIME") | ("RET", "FULL" | "HDRS") | ("ENVID", _) => {}
            _ => return Err(Syntax::Parameter),
        }
    }
    Ok(Command::Mail { sender, size, smtputf8 })
}

fn rcpt(argument: &[u8]) -> Result<Command, Syntax> {
    let (path, parameters) = path(argument)?;
    let resolved = std::str::from_utf8(path.inner()).map_err(|_| Syntax::Wrong)?.to_lowercase();
    let known = |p: &&[u8]| {
        ["NOTIFY=", "ORCPT="]
            .iter()
            .any(|k| p.get(..k.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(k.as_bytes())))
    };
    if resolved.is_empty() || !parameters.iter().all(known) {
        return Err(if resolved.is_empty() { Syntax::Wrong } else { Syntax::Parameter });
    }
    let args = parameters.into_iter().map(<[u8]>::to_vec).collect();
    Ok(Command::Rcpt(Recipient { path, resolved, args }))
}

/// A path in brackets and the parameters behind it. A bracket inside quotes ends nothing.
fn path(argument: &[u8]) -> Result<(RawPath, Vec<&[u8]>), Syntax> {
    let inner = argument.strip_prefix(b"<").ok_or(Syntax::Wrong)?;
    let (mut quoted, mut escaped) = (false, false);
    let end = inner.iter().position(|&b| {
        let is_end = b == b'>' && !quoted && !escaped;
        quoted ^= b == b'"' && !escaped;
        escaped = b == b'\\' && !escaped;
        is_end
    });
    let (path, rest) = inner.split_at(end.ok_or(Syntax::Wrong)?);
    let rest = &rest[1..];
    if path.iter().any(u8::is_ascii_control) || !(rest.is_empty() || rest.starts_with(b" ")) {
        return Err(Syntax::Wrong);
    }
    let parameters = rest.split(|&b| b == b' ').filter(|p| !p.is_empty()).collect();
    Ok((RawPath::new([b"<", path, b">"].concat()), parameters))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(line: &str) -> Result<Command, Syntax> {
        Command::parse(line.as_bytes())
    }

    #[test]
    fn mail_is_read_with_what_postfix_adds() {
        for (argument, path, size, smtputf8) in [
            ("<>", "<>", 0, false),
            ("<bob@acme.example> SIZE=12 BODY=8BITMIME", "<bob@acme.example>", 12, false),
            (" <a..b@x> SMTPUTF8 RET=HDRS ENVID=a+2Bb", "<a..b@x>", 0, true),
            ("<\"a> b\\\">\"@x> body=7bit", "<\"a> b\\\">\"@x>", 0, false),
            ("<müller@x>", "<müller@x>", 0, false),
        ] {
            let sender = RawPath::new(path);
            let mail = Command::Mail { sender, size, smtputf8 };
            assert_eq!(parse(&format!("MAIL FROM:{argument}")), Ok(mail.clone()), "{argument}");
            assert_eq!(parse(&format!("mail from:{argument}")), Ok(mail));
        }
    }

    #[test]
    fn the_original_recipient_is_kept() {
        for orcpt in ["rfc822;jobs+2Bb@acme.example", "utf-8;j\\x{F6}bs@acme.example"] {
            let line = format!("RCPT TO:<Uab@handoff.internal> NOTIFY=NEVER ORCPT={orcpt}");
            let Ok(Command::Rcpt(recipient)) = parse(&line) else { panic!("{line}") };
            assert_eq!(recipient.resolved, "uab@handoff.internal");
            let address = recipient.orcpt().unwrap().address().to_string();
            assert!(["jobs+b@acme.example", "jöbs@acme.example"].contains(&address.as_str()));
        }
    }

    #[test]
    fn what_is_wrong_is_told_apart() {
        use Syntax as S;
        for (line, wrong) in [
            ("", S::Unknown),
            ("EHLO x", S::Unknown),
            ("HELO x", S::Unknown),
            ("STARTTLS", S::Unknown),
            ("XFORWARD NAME=x", S::Unknown),
            ("LHLO", S::Wrong),
            ("DATA now", S::Wrong),
            ("MAIL", S::Wrong),
            ("MAIL FROM:", S::Wrong),
            ("MAIL FROM:a@x", S::Wrong),
            ("MAIL FROM:<a@x", S::Wrong),
            ("MAIL FROM:<\"a@x>", S::Wrong),
            ("MAIL FROM:<a@x>SIZE=1", S::Wrong),
            ("MAIL FROM:<a\rb@x>", S::Wrong),
            ("MAIL FROM:<a@x> SIZE=x", S::Wrong),
            ("MAIL FROM:<a@x> SIZE=99999999999999999999", S::Wrong),
            ("MAIL FROM:<a@x> AUTH=<>", S::Parameter),
            ("MAIL FROM:<a@x> BODY=BINARYMIME", S::Parameter),
            ("RCPT TO:<>", S::Wrong),
            ("RCPT TO:<a@x> RRVS=x", S::Parameter),
        ] {
            assert_eq!(parse(line), Err(wrong), "{line}");
        }
        for line in ["LHLO x", "data", "RSET ", "NOOP x", "VRFY x", "quit"] {
            assert!(parse(line).is_ok(), "{line}");
        }
    }

    proptest! {
        #[test]
        fn no_line_panics(line in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = Command::parse(&line);
            for verb in ["MAIL FROM:<", "RCPT TO:<"] {
                let _ = Command::parse(&[verb.as_bytes(), &line].concat());
            }
        }
    }
}
