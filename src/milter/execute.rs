//! Carries out a plan: edits as calls of the protocol library, the reply as its status.
//!
//! The whole plan is translated before the first edit is made, so that a plan which cannot be
//! carried out in full is not begun.
//!
//! Must not know why anything is done.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::ffi::{CString, NulError};
use std::fmt;

use indymilter::{ActionError, Actions, ContextActions, SetErrorReply, Status};

use crate::plan::{Edit, Plan, Reply, ReplyText};

/// What pass 1 may do to a message.
pub const FRONT_ACTIONS: Actions =
    Actions::ADD_RCPT.union(Actions::ADD_RCPT_EXT).union(Actions::DELETE_RCPT);

/// What pass 2 may do to a message.
pub const HANDOFF_ACTIONS: Actions = FRONT_ACTIONS
    .union(Actions::CHANGE_SENDER)
    .union(Actions::ADD_HEADER)
    .union(Actions::CHANGE_HEADER);

/// What may be done to a message on the submission socket: both of it at once.
pub const SUBMISSION_ACTIONS: Actions = HANDOFF_ACTIONS;

/// Why a plan was not carried out.
#[derive(Debug)]
pub enum ExecuteError {
    /// The edit holds a NUL octet, or a number that the protocol has no room for.
    Unspeakable {
        /// The edit in Postfix's words.
        edit: String,
    },
    /// The protocol library refused the edit, or the connection is gone.
    Refused {
        /// The edit in Postfix's words.
        edit: String,
        /// Why.
        error: ActionError,
    },
}

impl fmt::Display for ExecuteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unspeakable { edit } => write!(f, "edit cannot be sent: {edit:?}"),
            Self::Refused { edit, error } => write!(f, "edit failed: {edit:?}: {error}"),
        }
    }
}

impl std::error::Error for ExecuteError {}

/// An edit in the form in which it crosses the socket.
#[derive(Debug, PartialEq, Eq)]
enum Call {
    AddRcpt(CString),
    AddRcptExt(CString, CString),
    DelRcpt(CString),
    ChgFrom(CString, Option<CString>),
    InsHeader(CString, CString),
    AddHeader(CString, CString),
    DelHeader(CString, i32),
}

impl Call {
    fn new(edit: &Edit) -> Option<Self> {
        Self::translate(edit).ok().flatten()
    }

    /// `Err` for a NUL octet, `None` for an index out of range.
    fn translate(edit: &Edit) -> Result<Option<Self>, NulError> {
        Ok(Some(match edit {
            Edit::AddRcpt { address, notify, orcpt } => {
                let orcpt = orcpt.as_ref().map(|o| format!(" ORCPT={o}"));
                let args = format!("NOTIFY={notify}{}", orcpt.unwrap_or_default());
                Self::AddRcptExt(CString::new(format!("<{address}>"))?, CString::new(args)?)
            }
            Edit::AddRcptPlain { address } => Self::AddRcpt(CString::new(format!("<{address}>"))?),
            Edit::DelHeader { name, index } => {
                let name = CString::new(name.as_bytes())?;
                return Ok(i32::try_from(*index).ok().map(|index| Self::DelHeader(name, index)));
            }
            Edit::InsHeader { field } => {
                let field = field.to_field();
                Self::InsHeader(CString::new(field.name)?, CString::new(field.body)?)
            }
            Edit::ChgFrom { sender, envid, ret } => Self::ChgFrom(
                CString::new(format!("<{sender}>"))?,
                Some(CString::new(format!("ENVID={envid} RET={ret}"))?),
            ),
            Edit::ChgFromPlain { sender } => {
                Self::ChgFrom(CString::new(format!("<{sender}>"))?, None)
            }
            Edit::AddHeader { field } => {
                let field = field.to_field();
                Self::AddHeader(CString::new(field.name)?, CString::new(field.body)?)
            }
            Edit::DelBcc { index } => {
                let index = i32::try_from(*index).ok();
                return Ok(index.map(|index| Self::DelHeader(c"Bcc".to_owned(), index)));
            }
            Edit::DelRcpt { path } => Self::DelRcpt(CString::new(path.as_bytes())?),
        }))
    }

    async fn make(self, actions: &impl ContextActions) -> Result<(), ActionError> {
        match self {
            Self::AddRcpt(rcpt) => actions.add_recipient(rcpt).await,
            Self::AddRcptExt(rcpt, args) => actions.add_recipient_ext(rcpt, Some(args)).await,
            Self::DelRcpt(rcpt) => actions.delete_recipient(rcpt).await,
            Self::ChgFrom(sender, args) => actions.change_sender(sender, args).await,
            // Postfix: 0 is above its own Received field. With the option LEADING_SPACE the space
            // behind the colon is ours to give, and `Field` bodies have it.
            Self::InsHeader(name, body) => actions.insert_header(0, name, body).await,
            Self::AddHeader(name, body) => actions.add_header(name, body).await,
            Self::DelHeader(name, index) => {
                actions.change_header(name, index, None::<CString>).await
            }
        }
    }
}

/// Makes the edits of a plan, all or (as far as can be known before) none.
pub async fn edit(plan: &Plan, actions: &impl ContextActions) -> Result<(), ExecuteError> {
    let mut calls = Vec::with_capacity(plan.edits().len());
    for edit in plan.edits() {
        calls.push(
            Call::new(edit).ok_or_else(|| ExecuteError::Unspeakable { edit: edit.to_string() })?,
        );
    }
    for (call, edit) in calls.into_iter().zip(plan.edits()) {
        call.make(actions)
            .await
            .map_err(|error| ExecuteError::Refused { edit: edit.to_string(), error })?;
    }
    Ok(())
}

/// The status for a reply; its text is set on the way.
pub fn reply(reply: Reply, texts: &mut impl SetErrorReply) -> Status {
    let (status, text) = match reply {
        Reply::Continue => return Status::Continue,
        Reply::Discard => return Status::Discard,
        Reply::Tempfail(text) => (Status::Tempfail, text),
        Reply::Reject(text) => (Status::Reject, text),
    };
    let (code, enhanced, text) = text.parts();
    // Should a text be refused, Postfix gives its own for the status.
    let _ = texts.set_error_reply(code, Some(enhanced), [escaped(text)]);
    status
}

// Postfix: takes the text as a format, so that a lone "%" would be eaten.
fn escaped(text: &str) -> String {
    text.replace('%', "%%")
}

/// The reply for a message that could not be decided on.
pub fn try_again(texts: &mut impl SetErrorReply) -> Status {
    reply(Reply::Tempfail(ReplyText::TryAgain), texts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::{Address, FieldBody, Notify, Orcpt, OwnField, OwnName, RawPath};
    use crate::plan::Ret;
    use indymilter::{IntoCString, SmtpReplyError};

    fn address(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    fn c(text: &str) -> CString {
        CString::new(text).unwrap()
    }

    #[test]
    fn edits_are_written_as_postfix_takes_them() {
        let jobs = Orcpt::new(address("jobs+b@acme.example"));
        let cases = [
            (
                Edit::AddRcpt {
                    address: address("t@h.example"),
                    notify: Notify::Never,
                    orcpt: Some(jobs),
                },
                Call::AddRcptExt(
                    c("<t@h.example>"),
                    c("NOTIFY=NEVER ORCPT=rfc822;jobs+2Bb@acme.example"),
                ),
            ),
            (
                Edit::AddRcptPlain { address: address("hr@acme.example") },
                Call::AddRcpt(c("<hr@acme.example>")),
            ),
            (
                Edit::ChgFrom {
                    sender: address("b+1@acme.example"),
                    envid: "abc".into(),
                    ret: Ret::Hdrs,
                },
                Call::ChgFrom(c("<b+1@acme.example>"), Some(c("ENVID=abc RET=HDRS"))),
            ),
            (
                Edit::InsHeader {
                    field: OwnField {
                        name: OwnName::ours("System"),
                        body: FieldBody::new("personio").unwrap(),
                    },
                },
                Call::InsHeader(c("X-Recruiting-System"), c(" personio")),
            ),
            (
                Edit::DelHeader {
                    name: OwnName::received(b"x-recruiting-SEAL").unwrap(),
                    index: 3,
                },
                Call::DelHeader(c("x-recruiting-SEAL"), 3),
            ),
        ];
        for (edit, call) in cases {
            assert_eq!(Call::new(&edit), Some(call), "{edit}");
        }
    }

    #[test]
    fn a_recipient_is_deleted_under_the_very_octets_it_came_with() {
        let raw = b"<@relay.example:\"Jo \\\"bs\"@acme.example.\xff>";
        let path = RawPath::new(raw.to_vec());
        let call = Call::new(&Edit::DelRcpt { path });
        assert_eq!(call, Some(Call::DelRcpt(CString::new(raw.to_vec()).unwrap())));
    }

    #[test]
    fn what_the_protocol_cannot_say_is_not_said() {
        let path = RawPath::new(b"<a\0b@x>".to_vec());
        assert_eq!(Call::new(&Edit::DelRcpt { path }), None);
        let edit = Edit::DelHeader { name: OwnName::ours("Seal"), index: u32::MAX };
        assert_eq!(Call::new(&edit), None);
    }

    #[derive(Default)]
    struct Texts(Vec<String>);

    impl SetErrorReply for Texts {
        fn set_error_reply<I, T>(
            &mut self,
            code: &str,
            enhanced: Option<&str>,
            message: I,
        ) -> Result<(), SmtpReplyError>
        where
            I: IntoIterator<Item = T>,
            T: IntoCString,
        {
            for line in message {
                let line = line.into_c_string().into_string().unwrap();
                self.0.push(format!("{code} {} {line}", enhanced.unwrap()));
            }
            Ok(())
        }
    }

    #[test]
    fn a_percent_sign_reaches_the_client_as_one() {
        assert_eq!(escaped("100 % sure, 5%"), "100 %% sure, 5%%");
    }

    #[test]
    fn replies_have_their_fixed_texts() {
        let mut texts = Texts::default();
        let replies = [
            Reply::Continue,
            Reply::Discard,
            Reply::Reject(ReplyText::NotOurs),
            Reply::Tempfail(ReplyText::OneAtATime),
        ];
        let statuses = replies.map(|r| reply(r, &mut texts));
        assert_eq!(statuses, [Status::Continue, Status::Discard, Status::Reject, Status::Tempfail]);
        assert_eq!(
            texts.0,
            ["550 5.1.1 No such handoff address", "452 4.5.3 One handoff per transaction"]
        );
    }
}
