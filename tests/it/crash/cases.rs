//! What the crash matrix sends, and the moments at which something happens to it.
// SPDX-License-Identifier: GPL-3.0-or-later

use recruit_milter::milter::stage::Pass;

use crate::harness::frame::cmd;
use crate::harness::proxy::{Point, Way};
use crate::harness::site::{BOB, INBOUND, JOBS, KARRIERE, OTHER_INBOUND, OTHER_JOBS};

/// To whom a message goes, and where it must arrive.
#[derive(Clone, Copy)]
pub(super) struct Envelope {
    pub(super) name: &'static str,
    pub(super) recipients: &'static [&'static str],
    pub(super) local: &'static [&'static str],
    pub(super) systems: &'static [&'static str],
}

const EXTENDED: &str = "jobs+berlin@acme.example";

pub(super) const ENVELOPES: [Envelope; 6] = [
    Envelope { name: "one", recipients: &[JOBS], local: &[JOBS], systems: &[INBOUND] },
    Envelope {
        name: "two of one system",
        recipients: &[JOBS, KARRIERE],
        local: &[JOBS],
        systems: &[INBOUND],
    },
    Envelope {
        name: "two systems",
        recipients: &[JOBS, OTHER_JOBS],
        local: &[JOBS, OTHER_JOBS],
        systems: &[INBOUND, OTHER_INBOUND],
    },
    BYSTANDER,
    Envelope {
        name: "extension",
        recipients: &[EXTENDED],
        local: &[EXTENDED],
        systems: &[INBOUND],
    },
    NO_LOCAL_COPY,
];
pub(super) const BYSTANDER: Envelope = Envelope {
    name: "one and a bystander",
    recipients: &[JOBS, BOB],
    local: &[JOBS, BOB],
    systems: &[INBOUND],
};
pub(super) const NO_LOCAL_COPY: Envelope =
    Envelope { name: "no local copy", recipients: &[KARRIERE], local: &[], systems: &[INBOUND] };

impl Envelope {
    /// Whether pass 1 takes a recipient away.
    pub(super) fn removes(&self) -> bool {
        self.recipients.contains(&KARRIERE)
    }
}

/// A moment in the dialogue, as the proxy sees it.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    pub(super) name: &'static str,
    pub(super) pass: Pass,
    pub(super) point: Point,
}

const fn moment(pass: Pass, name: &'static str, way: Way, command: u8, nth: u32) -> Moment {
    Moment { name, pass, point: Point { way, command, nth } }
}

/// Edits and replies (`SMFIR_`) as they pass the socket.
pub(super) mod reply {
    pub(crate) const ADD_RCPT: u8 = b'2';
    pub(crate) const DEL_RCPT: u8 = b'-';
    pub(crate) const DEL_HEADER: u8 = b'm';
    pub(crate) const INS_HEADER: u8 = b'i';
    pub(crate) const CHG_FROM: u8 = b'e';
    pub(crate) const CONTINUE: u8 = b'c';
    pub(crate) const DISCARD: u8 = b'd';
}

pub(super) const FRONT: [Moment; 8] = [
    moment(Pass::Front, "O", Way::In, cmd::OPTNEG, 1),
    moment(Pass::Front, "O answered", Way::Out, cmd::OPTNEG, 1),
    moment(Pass::Front, "M", Way::In, cmd::MAIL, 1),
    moment(Pass::Front, "R", Way::In, cmd::RCPT, 1),
    moment(Pass::Front, "E", Way::In, cmd::EOM, 1),
    moment(Pass::Front, "E: add_rcpt", Way::Out, reply::ADD_RCPT, 1),
    moment(Pass::Front, "E: del_rcpt", Way::Out, reply::DEL_RCPT, 1),
    moment(Pass::Front, "E: reply", Way::Out, reply::CONTINUE, 1),
];

/// The `c` of pass 2 are: RCPT, body, end of message. The second message that passes it is the
/// report on the first.
pub(super) const HANDOFF: [Moment; 19] = [
    moment(Pass::Handoff, "O", Way::In, cmd::OPTNEG, 1),
    moment(Pass::Handoff, "O answered", Way::Out, cmd::OPTNEG, 1),
    moment(Pass::Handoff, "M", Way::In, cmd::MAIL, 1),
    moment(Pass::Handoff, "R", Way::In, cmd::RCPT, 1),
    moment(Pass::Handoff, "R answered", Way::Out, reply::CONTINUE, 1),
    moment(Pass::Handoff, "L, first", Way::In, cmd::HEADER, 1),
    moment(Pass::Handoff, "L, last", Way::In, cmd::HEADER, HEADER_FIELDS),
    moment(Pass::Handoff, "B", Way::In, cmd::BODY, 1),
    moment(Pass::Handoff, "E", Way::In, cmd::EOM, 1),
    moment(Pass::Handoff, "E: add_rcpt", Way::Out, reply::ADD_RCPT, 1),
    moment(Pass::Handoff, "E: del_header", Way::Out, reply::DEL_HEADER, 1),
    moment(Pass::Handoff, "E: ins_header, first", Way::Out, reply::INS_HEADER, 1),
    moment(Pass::Handoff, "E: ins_header, last", Way::Out, reply::INS_HEADER, 6),
    moment(Pass::Handoff, "E: chg_from", Way::Out, reply::CHG_FROM, 1),
    moment(Pass::Handoff, "E: del_rcpt", Way::Out, reply::DEL_RCPT, 1),
    moment(Pass::Handoff, "E: reply", Way::Out, reply::CONTINUE, 2),
    moment(Pass::Handoff, "report: M", Way::In, cmd::MAIL, 2),
    moment(Pass::Handoff, "report: E", Way::In, cmd::EOM, 2),
    moment(Pass::Handoff, "report: reply", Way::Out, reply::DISCARD, 1),
];

/// How many fields the message has when it comes to pass 2: two Received fields, of the two smtpd,
/// of which the milter does not see the second, and our own five.
const HEADER_FIELDS: u32 = 6;
