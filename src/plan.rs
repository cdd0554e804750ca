//! What is to be done with a message, as data: a [`Plan`] is the edits and the final reply.
//!
//! A plan is decided completely before anything of it is carried out, and its edits come in an
//! order in which every prefix is safe to commit: a recipient is taken away last, and only where
//! another was added first. [`apply`] is the reference for what the MTA makes of it.
//!
//! Must not know I/O, clock or configuration.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fmt;

use crate::mail::{
    Address, Envelope, Header, Notify, Orcpt, OwnField, OwnName, PlainField, RawPath, Recipient,
};

/// One change to a message, in the words of Postfix's own milter tests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// Adds a recipient.
    AddRcpt {
        /// The recipient.
        address: Address,
        /// When reports are wanted.
        notify: Notify,
        /// The original recipient to be named in them.
        orcpt: Option<Orcpt>,
    },
    /// Adds a recipient as if the sender had named it: no arguments.
    AddRcptPlain {
        /// The recipient.
        address: Address,
    },
    /// Deletes the field that is number `index` (from 1) of those with this name.
    DelHeader {
        /// Its name.
        name: OwnName,
        /// Which of them, counted from 1.
        index: u32,
    },
    /// Puts a field above all others.
    InsHeader {
        /// The field.
        field: OwnField,
    },
    /// Puts a field below all others. Outgoing mail only.
    AddHeader {
        /// The field.
        field: PlainField,
    },
    /// Deletes the Bcc field that is number `index` (from 1). Outgoing mail only.
    DelBcc {
        /// Which of them, counted from 1.
        index: u32,
    },
    /// Replaces the envelope sender, and leaves the arguments of MAIL FROM to the client.
    ChgFromPlain {
        /// The new one.
        sender: Address,
    },
    /// Replaces the envelope sender.
    ChgFrom {
        /// The new one.
        sender: Address,
        /// The envelope identifier (RFC 3461 4.4).
        envid: String,
        /// How much of the message a failure report shall return (RFC 3461 4.3).
        ret: Ret,
    },
    /// Takes a recipient away.
    DelRcpt {
        /// The argument of RCPT TO as it was received.
        path: RawPath,
    },
}

/// How much of a message a failure report returns (RFC 3461 4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ret {
    /// The whole message.
    Full,
    /// Its header.
    Hdrs,
}

impl fmt::Display for Ret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "FULL",
            Self::Hdrs => "HDRS",
        })
    }
}

impl fmt::Display for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddRcpt { address, notify, orcpt } => {
                write!(f, "add_rcpt <{address}> NOTIFY={notify}")?;
                orcpt.iter().try_for_each(|orcpt| write!(f, " ORCPT={orcpt}"))
            }
            Self::AddRcptPlain { address } => write!(f, "add_rcpt <{address}>"),
            Self::DelHeader { name, index } => write!(f, "del_header {index} {name}"),
            Self::InsHeader { field } => {
                write!(f, "ins_header 0 {} {}", field.name, field.body.as_str())
            }
            Self::AddHeader { field } => {
                write!(f, "add_header {} {}", field.name, field.body.as_str())
            }
            Self::DelBcc { index } => write!(f, "del_header {index} Bcc"),
            Self::ChgFromPlain { sender } => write!(f, "chg_from <{sender}>"),
            Self::ChgFrom { sender, envid, ret } => {
                write!(f, "chg_from <{sender}> ENVID={envid} RET={ret}")
            }
            Self::DelRcpt { path } => write!(f, "del_rcpt <{}>", path.printable()),
        }
    }
}

/// What the MTA is told at the end of the message (or at a recipient).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Go on. Edits take effect if nobody else objects.
    Continue,
    /// 4xx: the client keeps the message and tries again.
    Tempfail(ReplyText),
    /// 5xx: never.
    Reject(ReplyText),
    /// 2xx, and this copy of the message is dropped.
    Discard,
}

/// The texts that a client may be told. They are fixed: details go to the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyText {
    /// A decision could not be made.
    TryAgain,
    /// A handoff whose key or recruiting address is not known (any more).
    UnknownHandoff,
    /// A handoff address that we never made.
    NotOurs,
    /// A second recipient in a transaction that must have one.
    OneAtATime,
    /// A login that may not be used from where the client is.
    NotFromHere,
    /// A login that may not use this envelope sender.
    NotThisSender,
    /// A login that may not send under this From address (or Sender, or Resent-From).
    NotThisAuthor,
    /// A login that has sent too much.
    TooMuch,
    /// Recipients inside and outside, and a route that cannot tell them apart.
    Mixed,
    /// More Bcc fields than can be taken off.
    TooManyBcc,
    /// An envelope sender as our probes have, and no probe that is known.
    UnknownProbe,
    /// Nothing is refused: the answer to the question whether we are here.
    Here,
}

impl ReplyText {
    /// Reply code, enhanced status code (RFC 3463) and text.
    pub fn parts(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::TryAgain => ("451", "4.7.1", "Service unavailable - try again later"),
            Self::UnknownHandoff => ("451", "4.3.5", "Handoff cannot be resolved yet"),
            Self::NotOurs => ("550", "5.1.1", "No such handoff address"),
            Self::OneAtATime => ("452", "4.5.3", "One handoff per transaction"),
            Self::NotFromHere => ("550", "5.7.1", "This login may not be used from here"),
            Self::NotThisSender => {
                ("550", "5.7.1", "This login may not use this envelope sender address")
            }
            Self::NotThisAuthor => ("550", "5.7.1", "This login may not send as this address"),
            Self::TooMuch => ("450", "4.7.1", "This login has sent too much - try again later"),
            Self::Mixed => {
                ("550", "5.7.1", "Recipients inside and outside need messages of their own")
            }
            Self::TooManyBcc => ("550", "5.6.0", "Too many Bcc fields"),
            Self::UnknownProbe => {
                ("550", "5.7.1", "Sender is for test mail, and this is none that is known here")
            }
            Self::Here => ("450", "4.0.0", "recruit-milter is here"),
        }
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Continue => f.write_str("continue"),
            Self::Discard => f.write_str("discard"),
            Self::Tempfail(text) | Self::Reject(text) => {
                let (code, status, text) = text.parts();
                write!(f, "{code} {status} {text}")
            }
        }
    }
}

/// The edits and the reply for one message. Built by [`PlanBuilder`]; what it holds is in safe
/// order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    edits: Vec<Edit>,
    reply: Reply,
}

impl Plan {
    /// A plan that changes nothing.
    pub fn only(reply: Reply) -> Self {
        Self { edits: Vec::new(), reply }
    }

    /// The edits, in the order in which they are to be made.
    pub fn edits(&self) -> &[Edit] {
        &self.edits
    }

    /// The final reply.
    pub fn reply(&self) -> Reply {
        self.reply
    }
}

impl fmt::Display for Plan {
    /// One edit a line, then the reply.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.edits.iter().try_for_each(|edit| writeln!(f, "{edit}"))?;
        write!(f, "{}", self.reply)
    }
}

/// Collects edits in any order and gives them out in the safe one.
///
/// There is no way to delete a recipient without naming what takes its place.
#[derive(Debug, Default)]
pub struct PlanBuilder {
    added: Vec<Edit>,
    deleted_fields: Vec<(OwnName, u32)>,
    deleted_bcc: Vec<u32>,
    fields: Vec<OwnField>,
    plain: Vec<PlainField>,
    passing: Option<OwnField>,
    sender: Option<Edit>,
    removed: Vec<RawPath>,
}

impl PlanBuilder {
    /// Adds a recipient with its DSN arguments.
    pub fn add_rcpt(
        &mut self,
        address: Address,
        notify: Notify,
        orcpt: Option<Orcpt>,
    ) -> &mut Self {
        self.added.push(Edit::AddRcpt { address, notify, orcpt });
        self
    }

    /// Adds a recipient in place of another, with DSN arguments.
    pub fn replace_rcpt(
        &mut self,
        old: RawPath,
        address: Address,
        notify: Notify,
        orcpt: Option<Orcpt>,
    ) -> &mut Self {
        self.removed.push(old);
        self.add_rcpt(address, notify, orcpt)
    }

    /// Deletes a replaced recipient under another spelling as well: the MTA compares octets, and what
    /// it does not find it passes over.
    pub fn also_spelled(&mut self, other: RawPath) -> &mut Self {
        if !self.removed.is_empty() && !self.removed.contains(&other) {
            self.removed.push(other);
        }
        self
    }

    /// Adds a recipient in place of another, as if the sender had named it.
    pub fn replace_rcpt_plain(&mut self, old: RawPath, address: Address) -> &mut Self {
        self.removed.push(old);
        self.added.push(Edit::AddRcptPlain { address });
        self
    }

    /// Deletes occurrence `index` (from 1) of a field in our namespace.
    pub fn del_header(&mut self, name: OwnName, index: u32) -> &mut Self {
        self.deleted_fields.push((name, index));
        self
    }

    /// Adds fields above all others; the first stays topmost.
    pub fn fields(&mut self, fields: Vec<OwnField>) -> &mut Self {
        self.fields.extend(fields);
        self
    }

    /// Adds a field below all others.
    pub fn add_header(&mut self, field: PlainField) -> &mut Self {
        self.plain.push(field);
        self
    }

    /// Deletes occurrence `index` (from 1) of Bcc.
    pub fn del_bcc(&mut self, index: u32) -> &mut Self {
        self.deleted_bcc.push(index);
        self
    }

    /// Adds a field and takes it off again: the MTA sees it, and nobody else does. All fields of that
    /// name that came in must be deleted by the same plan.
    pub fn passing_field(&mut self, field: OwnField) -> &mut Self {
        self.passing = Some(field);
        self
    }

    /// Replaces the envelope sender alone.
    pub fn chg_from_plain(&mut self, sender: Address) -> &mut Self {
        self.sender = Some(Edit::ChgFromPlain { sender });
        self
    }

    /// Replaces the envelope sender.
    pub fn chg_from(&mut self, sender: Address, envid: String, ret: Ret) -> &mut Self {
        self.sender = Some(Edit::ChgFrom { sender, envid, ret });
        self
    }

    /// The finished plan, which lets the message go on.
    pub fn build(mut self) -> Plan {
        let mut edits = self.added;
        // Postfix: deleting a field renumbers those below it, so the highest goes first.
        self.deleted_fields.sort_by_key(|(_, index)| std::cmp::Reverse(*index));
        edits.extend(
            self.deleted_fields.into_iter().map(|(name, index)| Edit::DelHeader { name, index }),
        );
        self.deleted_bcc.sort_by_key(|index| std::cmp::Reverse(*index));
        edits.extend(self.deleted_bcc.into_iter().map(|index| Edit::DelBcc { index }));
        edits.extend(self.fields.into_iter().rev().map(|field| Edit::InsHeader { field }));
        edits.extend(self.plain.into_iter().map(|field| Edit::AddHeader { field }));
        if let Some(field) = self.passing {
            let name = field.name.clone();
            edits.extend([Edit::InsHeader { field }, Edit::DelHeader { name, index: 1 }]);
        }
        edits.extend(self.sender);
        edits.extend(self.removed.into_iter().map(|path| Edit::DelRcpt { path }));
        Plan { edits, reply: Reply::Continue }
    }
}

/// Makes the first `count` edits of a plan, as Postfix would: the reference that tests compare a
/// real Postfix with, and what `explain` shows.
///
/// Recipients that no longer exist, and fields that are not there, are passed over.
pub fn apply(plan: &Plan, count: usize, envelope: &mut Envelope, header: &mut Header) {
    for edit in plan.edits.iter().take(count) {
        match edit {
            Edit::AddRcpt { address, notify, orcpt } => {
                let mut recipient = Recipient::plain(address.as_str());
                recipient.args.push(format!("NOTIFY={notify}").into_bytes());
                recipient
                    .args
                    .extend(orcpt.iter().map(|orcpt| format!("ORCPT={orcpt}").into_bytes()));
                envelope.recipients.push(recipient);
            }
            Edit::AddRcptPlain { address } => {
                envelope.recipients.push(Recipient::plain(address.as_str()));
            }
            Edit::DelHeader { name, index } => remove(header, name.as_bytes(), *index),
            Edit::DelBcc { index } => remove(header, b"Bcc", *index),
            Edit::InsHeader { field } => header.fields.insert(0, field.to_field()),
            Edit::AddHeader { field } => header.fields.push(field.to_field()),
            Edit::ChgFromPlain { sender } => envelope.sender = sender.into(),
            Edit::ChgFrom { sender, envid, ret } => {
                envelope.sender = sender.into();
                envelope.sender_args =
                    vec![format!("ENVID={envid}").into_bytes(), format!("RET={ret}").into_bytes()];
            }
            Edit::DelRcpt { path } => envelope.recipients.retain(|r| r.path != *path),
        }
    }
}

/// Takes away the field that is number `index` (from 1) of those with a name.
fn remove(header: &mut Header, name: &[u8], index: u32) {
    let nth = (index as usize).checked_sub(1).unwrap_or(usize::MAX);
    let same = header.fields.iter().enumerate().filter(|(_, f)| f.name.eq_ignore_ascii_case(name));
    if let Some(at) = same.map(|(at, _)| at).nth(nth) {
        header.fields.remove(at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::{Field, FieldBody, PlainName};
    use proptest::prelude::*;

    fn address(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    fn own(suffix: &'static str, body: &str) -> OwnField {
        OwnField { name: OwnName::ours(suffix), body: FieldBody::new(body).unwrap() }
    }

    #[test]
    fn a_plan_reads_in_postfix_words_and_in_safe_order() {
        let mut b = PlanBuilder::default();
        b.replace_rcpt(
            RawPath::new("<T@h.example>"),
            address("in@ats.example"),
            Notify::Always,
            None,
        );
        b.chg_from(address("b+1@acme.example"), "1".into(), Ret::Hdrs);
        b.fields(vec![own("System", "p"), own("Address", "jobs@acme.example")]);
        b.del_header(OwnName::ours("Seal"), 1).del_header(OwnName::ours("Seal"), 2);
        assert_eq!(
            b.build().to_string(),
            "add_rcpt <in@ats.example> NOTIFY=SUCCESS,FAILURE,DELAY\n\
             del_header 2 X-Recruiting-Seal\n\
             del_header 1 X-Recruiting-Seal\n\
             ins_header 0 X-Recruiting-Address jobs@acme.example\n\
             ins_header 0 X-Recruiting-System p\n\
             chg_from <b+1@acme.example> ENVID=1 RET=HDRS\n\
             del_rcpt <T@h.example>\n\
             continue"
        );
    }

    #[test]
    fn applied_it_gives_the_message_that_goes_on() {
        let mut b = PlanBuilder::default();
        b.replace_rcpt(
            RawPath::new("<T@h.example>"),
            address("in@ats.example"),
            Notify::Always,
            None,
        );
        b.fields(vec![own("System", "p"), own("Address", "a")]);
        b.del_header(OwnName::received(b"x-recruiting-SYSTEM").unwrap(), 1);
        let mut envelope =
            Envelope { recipients: vec![Recipient::plain("T@h.example")], ..Default::default() };
        let subject = Field { name: b"Subject".to_vec(), body: b" hi".to_vec() };
        let forged = Field { name: b"X-RECRUITING-system".to_vec(), body: b" evil".to_vec() };
        let mut header = Header { fields: vec![forged, subject.clone()] };
        apply(&b.build(), usize::MAX, &mut envelope, &mut header);
        assert_eq!(
            header.fields,
            [own("System", "p").to_field(), own("Address", "a").to_field(), subject]
        );
        assert_eq!(envelope.recipients.len(), 1);
        assert_eq!(envelope.recipients[0].path, RawPath::new("<in@ats.example>"));
    }

    #[test]
    fn outgoing_mail_is_tidied_and_a_passing_field_leaves_nothing() {
        let mut b = PlanBuilder::default();
        b.passing_field(own("Route", "own"));
        b.del_header(OwnName::received(b"X-Recruiting-Route").unwrap(), 1);
        b.del_bcc(1).del_bcc(2);
        let body = FieldBody::new("today").unwrap();
        b.add_header(PlainField { name: PlainName::date(), body });
        b.chg_from_plain(address("b@acme.example"));
        let plan = b.build();
        assert_eq!(
            plan.to_string(),
            "del_header 1 X-Recruiting-Route\n\
             del_header 2 Bcc\n\
             del_header 1 Bcc\n\
             add_header Date today\n\
             ins_header 0 X-Recruiting-Route own\n\
             del_header 1 X-Recruiting-Route\n\
             chg_from <b@acme.example>\n\
             continue"
        );
        let field = |name: &str| Field { name: name.into(), body: b" x".to_vec() };
        let names = ["bcc", "X-Recruiting-Route", "From", "Bcc"];
        let mut header = Header { fields: names.map(field).to_vec() };
        let mut envelope =
            Envelope { sender_args: vec![b"RET=HDRS".to_vec()], ..Envelope::default() };
        apply(&plan, usize::MAX, &mut envelope, &mut header);
        let left: Vec<_> =
            header.fields.iter().map(|f| f.name.escape_ascii().to_string()).collect();
        assert_eq!(left, ["From", "Date"]);
        assert_eq!(envelope.sender, RawPath::new("<b@acme.example>"));
        assert_eq!(envelope.sender_args, [b"RET=HDRS"], "the client's own");
    }

    proptest! {
        /// Invariant 6: whatever is built in whatever order, a plan cut off anywhere leaves the
        /// message with a recipient for everyone it had.
        #[test]
        fn every_prefix_of_a_plan_is_safe_to_commit(
            steps in proptest::collection::vec(0u8..9, 0..12), cut in 0usize..40
        ) {
            let mut b = PlanBuilder::default();
            let mut envelope = Envelope::default();
            for (i, step) in steps.iter().enumerate() {
                let new = address(&format!("new{i}@ats.example"));
                match step {
                    0 => { b.add_rcpt(new, Notify::Never, None); }
                    1 | 2 => {
                        let old = Recipient::plain(&format!("old{i}@acme.example"));
                        if *step == 1 { b.replace_rcpt(old.path.clone(), new, Notify::Never, None); }
                        else { b.replace_rcpt_plain(old.path.clone(), new); }
                        envelope.recipients.push(old);
                    }
                    3 => { b.chg_from(new, "x".into(), Ret::Full); }
                    4 => { b.fields(vec![own("System", "p")]); }
                    5 => { b.chg_from_plain(new); }
                    6 => { b.passing_field(own("Route", "own")); }
                    7 => { b.del_bcc(1); }
                    _ => {
                        let body = FieldBody::new("x").unwrap();
                        b.add_header(PlainField { name: PlainName::date(), body });
                    }
                }
            }
            let before = envelope.recipients.len();
            let plan = b.build();
            apply(&plan, cut.min(plan.edits().len()), &mut envelope, &mut Header::default());
            prop_assert!(envelope.recipients.len() >= before);
            let is_removal = |e: &&Edit| matches!(e, Edit::DelRcpt { .. });
            let removals = plan.edits().iter().filter(is_removal).count();
            prop_assert_eq!(plan.edits().iter().rev().take_while(is_removal).count(), removals);
        }
    }
}
