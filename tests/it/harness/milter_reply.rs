//! What a milter says, read from its frames and printed in the words of Postfix's own milter tests:
//! the same text as a `Plan` of recruit-milter's, so that the two can be compared.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fmt;

use super::frame::Frame;

/// A change to the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MilterEdit {
    /// A recipient with its ESMTP arguments.
    AddRcpt(String, String),
    /// A recipient goes.
    DelRcpt(String),
    /// A new envelope sender with its ESMTP arguments.
    ChgFrom(String, String),
    /// A field at the end of the header.
    AddHeader(String, String),
    /// A field before the one with this index.
    InsHeader(u32, String, String),
    /// Another body for a field; an empty one deletes it.
    ChgHeader(u32, String, String),
    /// A piece of a new body.
    ReplaceBody(Vec<u8>),
    /// The message is held, for this reason.
    Quarantine(String),
}

impl fmt::Display for MilterEdit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddRcpt(to, args) => write!(f, "{}", format!("add_rcpt {to} {args}").trim_end()),
            Self::DelRcpt(to) => write!(f, "del_rcpt {to}"),
            Self::ChgFrom(from, args) => {
                write!(f, "{}", format!("chg_from {from} {args}").trim_end())
            }
            Self::AddHeader(name, body) => write!(f, "add_header {name} {}", one_line(body)),
            Self::InsHeader(at, name, body) => {
                write!(f, "ins_header {at} {name} {}", one_line(body))
            }
            Self::ChgHeader(at, name, body) if body.is_empty() => {
                write!(f, "del_header {at} {name}")
            }
            Self::ChgHeader(at, name, body) => {
                write!(f, "upd_header {at} {name} {}", one_line(body))
            }
            Self::ReplaceBody(bytes) => write!(f, "repl_body {} octets", bytes.len()),
            Self::Quarantine(reason) => write!(f, "quarantine {reason}"),
        }
    }
}

/// A field body without its leading space and its folding.
fn one_line(body: &str) -> String {
    let body = body.strip_prefix(' ').unwrap_or(body);
    body.replace("\n\t", " ").replace('\n', "\\n")
}

/// One reply of a milter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MilterReply {
    /// Go on.
    Continue,
    /// Take the message (or the session) and ask no more.
    Accept,
    /// Drop it silently.
    Discard,
    /// 5xx with the MTA's words.
    Reject,
    /// 4xx with the MTA's words.
    Tempfail,
    /// A reply of the milter's own.
    Code(String),
    /// 421.
    Shutdown,
    /// The connection is closed without a word.
    ConnFail,
    /// No more of the body, please.
    Skip,
    /// Still busy.
    Progress,
    /// A change.
    Edit(MilterEdit),
    /// Something that is not in the protocol.
    Unknown(Frame),
}

impl MilterReply {
    /// Reads a frame.
    pub fn parse(frame: Frame) -> Self {
        match frame.command {
            b'c' => Self::Continue,
            b'a' => Self::Accept,
            b'd' => Self::Discard,
            b'r' => Self::Reject,
            b't' => Self::Tempfail,
            b'y' => Self::Code(frame.texts().concat()),
            b'4' => Self::Shutdown,
            b'f' => Self::ConnFail,
            b's' => Self::Skip,
            b'p' => Self::Progress,
            _ => parse_edit(&frame).map_or(Self::Unknown(frame), Self::Edit),
        }
    }
}

fn parse_edit(frame: &Frame) -> Option<MilterEdit> {
    let mut texts = frame.texts().into_iter();
    let numbered = || {
        let (number, rest) = frame.number()?;
        let rest = Frame { command: 0, data: rest.to_vec() };
        let [name, body] = rest.texts().try_into().ok()?;
        Some((number, name, body))
    };
    Some(match frame.command {
        b'+' => MilterEdit::AddRcpt(texts.next()?, String::new()),
        b'2' => MilterEdit::AddRcpt(texts.next()?, texts.next().unwrap_or_default()),
        b'-' => MilterEdit::DelRcpt(texts.next()?),
        b'e' => MilterEdit::ChgFrom(texts.next()?, texts.next().unwrap_or_default()),
        b'h' => MilterEdit::AddHeader(texts.next()?, texts.next()?),
        b'i' => numbered().map(|(at, name, body)| MilterEdit::InsHeader(at, name, body))?,
        b'm' => numbered().map(|(at, name, body)| MilterEdit::ChgHeader(at, name, body))?,
        b'b' => MilterEdit::ReplaceBody(frame.data.clone()),
        b'q' => MilterEdit::Quarantine(texts.next()?),
        _ => return None,
    })
}

impl fmt::Display for MilterReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Continue => "continue",
            Self::Accept => "accept",
            Self::Discard => "discard",
            Self::Reject => "reject",
            Self::Tempfail => "tempfail",
            Self::Shutdown => "shutdown",
            Self::ConnFail => "conn_fail",
            Self::Skip => "skip",
            Self::Progress => "progress",
            Self::Code(text) => text,
            Self::Edit(edit) => return edit.fmt(f),
            Self::Unknown(frame) => return write!(f, "unknown {frame:?}"),
        })
    }
}

/// The answer to a command: changes, if any, and then the reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The changes, in the order in which they came.
    pub edits: Vec<MilterEdit>,
    /// The reply that ended them.
    pub reply: MilterReply,
}

impl fmt::Display for Outcome {
    /// One change a line, then the reply.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.edits.iter().try_for_each(|edit| writeln!(f, "{edit}"))?;
        write!(f, "{}", self.reply)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_read_in_postfix_words() {
        let field = [&[0, 0, 0, 2][..], b"X-A\0 one\n\ttwo\0"].concat();
        let change = |command, data: &[u8]| {
            let data = data.to_vec();
            MilterReply::parse(Frame { command, data }).to_string()
        };
        assert_eq!(change(b'+', b"<a@x>\0"), "add_rcpt <a@x>");
        assert_eq!(change(b'2', b"<a@x>\0NOTIFY=NEVER\0"), "add_rcpt <a@x> NOTIFY=NEVER");
        assert_eq!(change(b'e', b"<b@x>\0ENVID=1 RET=HDRS\0"), "chg_from <b@x> ENVID=1 RET=HDRS");
        assert_eq!(change(b'-', b"<a@x>\0"), "del_rcpt <a@x>");
        assert_eq!(change(b'i', &field), "ins_header 2 X-A one two");
        assert_eq!(change(b'm', b"\0\0\0\x01X-A\0\0"), "del_header 1 X-A");
        assert_eq!(change(b'y', b"451 4.7.1 later\0"), "451 4.7.1 later");
        assert!(change(b'i', b"\0\0").starts_with("unknown"));
    }
}
