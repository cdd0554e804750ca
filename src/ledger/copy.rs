//! A copy and what became of it: entries of the journal, folded into one state.
//!
//! Must not know where it is kept.
// SPDX-License-Identifier: GPL-3.0-or-later

use jiff::Timestamp;
use serde::Serialize;

use crate::journal::{Action, Entry, Pass};
use crate::policy::outcome::Outcome;

/// The most queue IDs that are kept of a copy.
const MAX_QUEUE_IDS: usize = 8;

/// A copy, as far as the ledger knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Copy {
    /// What names it from pass 1 to its last report.
    pub token: String,
    /// The host that took it.
    pub host: String,
    /// When it was first seen.
    pub first: Timestamp,
    /// When something last happened to it.
    pub last: Timestamp,
    /// When its state became what it is.
    pub since: Timestamp,
    /// The recruiting address.
    pub address: Option<String>,
    /// The recruiting system.
    pub system: Option<String>,
    /// The kind of mail.
    pub kind: Option<String>,
    /// The size that the client announced, in octets.
    pub size: Option<u64>,
    /// The envelope sender as the configuration lets it be kept.
    pub sender: Option<String>,
    /// Where it stands.
    pub state: Outcome,
    /// Why, as one word.
    pub reason: Option<String>,
    /// The enhanced status code of the last report (RFC 3463).
    pub status: Option<String>,
    /// The server that the last report is about.
    pub next_hop: Option<String>,
    /// What that server said.
    pub reply: Option<String>,
    /// The queue IDs that Postfix gave it, in time order.
    pub queue_ids: Vec<String>,
    /// Our own probe, if it is one.
    pub probe: Option<String>,
}

impl Copy {
    /// The copy that an entry is the first of. None if the entry is of no copy.
    pub fn begun_by(entry: &Entry, host: &str) -> Option<Self> {
        let mut copy = Self {
            token: entry.token.clone()?,
            host: host.to_owned(),
            first: entry.time,
            last: entry.time,
            since: entry.time,
            address: None,
            system: None,
            kind: None,
            size: None,
            sender: None,
            state: Outcome::Diverted,
            reason: None,
            status: None,
            next_hop: None,
            reply: None,
            queue_ids: Vec::new(),
            probe: None,
        };
        if entry.pass == Pass::Submission {
            return None;
        }
        copy.take(entry);
        Some(copy)
    }

    /// Takes in an entry of this copy. Entries may come in any order and more than once.
    pub fn take(&mut self, entry: &Entry) {
        self.first = self.first.min(entry.time);
        self.last = self.last.max(entry.time);
        keep(&mut self.address, entry.address.as_ref());
        keep(&mut self.system, entry.system.as_ref());
        keep(&mut self.kind, entry.kind.as_ref());
        keep(&mut self.probe, entry.probe.as_ref());
        self.size = self.size.or(entry.size);
        // The sender of a report is nobody's, and that of a handoff is the applicant's as in pass 1.
        if entry.report.is_none() && entry.pass != Pass::Agent {
            keep(&mut self.sender, entry.sender.as_ref());
        }
        let own_queue_id = entry.queue_id.as_ref().filter(|_| entry.report.is_none());
        if let Some(id) = own_queue_id
            && self.queue_ids.len() < MAX_QUEUE_IDS
            && !self.queue_ids.contains(id)
        {
            self.queue_ids.push(id.clone());
        }
        let Some(state) = state_after(entry) else { return };
        let again = entry.action == Action::Resent;
        if !again && state.rank() < self.state.rank() {
            return;
        }
        if state != self.state {
            self.since = entry.time;
        }
        self.state = state;
        self.reason.clone_from(&entry.reason);
        if entry.report.is_some() || again {
            self.status.clone_from(&entry.status);
            self.next_hop.clone_from(&entry.next_hop);
            self.reply.clone_from(&entry.reply);
        }
    }
}

/// Keeps the first that is known.
fn keep(slot: &mut Option<String>, value: Option<&String>) {
    if slot.is_none() {
        *slot = value.cloned();
    }
}

/// Where an entry says that its copy stands; none if it says nothing about that.
fn state_after(entry: &Entry) -> Option<Outcome> {
    match entry.action {
        Action::Copy(outcome) => Some(outcome),
        Action::Resent => Some(Outcome::Diverted),
        Action::Report => Outcome::reported(entry.report?),
        Action::Discarded
        | Action::Tempfail
        | Action::Rejected
        | Action::Sent
        | Action::Refused
        | Action::ProbeSent
        | Action::ProbeRefused
        | Action::InboundAccepted
        | Action::InboundRefused
        | Action::Alerted
        | Action::Changed => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::report::Said;

    const TOKEN: &str = "nikqqt3vabcdefgh";

    fn entry(second: i64, pass: Pass, action: Action) -> Entry {
        let time = Timestamp::from_second(1_795_500_000 + second).unwrap();
        Entry { token: Some(TOKEN.into()), ..Entry::new(time, pass, action) }
    }

    fn report(second: i64, report: Said) -> Entry {
        let words = format!("{report} says the server");
        Entry {
            report: Some(report),
            reply: Some(words),
            queue_id: Some("REPORT".into()),
            ..entry(second, Pass::Handoff, Action::Report)
        }
    }

    fn life() -> Vec<Entry> {
        let mut front = entry(0, Pass::Front, Action::Copy(Outcome::Diverted));
        front.queue_id = Some("4XA".into());
        front.sender = Some("h:abc".into());
        let mut handoff = entry(1, Pass::Handoff, Action::Copy(Outcome::HandedOver));
        handoff.queue_id = Some("4XB".into());
        handoff.kind = Some("application".into());
        vec![front, handoff, report(60, Said::Delayed), report(90, Said::Relayed)]
    }

    fn fold(entries: &[Entry]) -> Copy {
        let mut copy = Copy::begun_by(&entries[0], "mx1").unwrap();
        entries[1..].iter().for_each(|entry| copy.take(entry));
        copy
    }

    #[test]
    fn a_copy_goes_through_its_states_in_time_order() {
        let entries = life();
        let states: Vec<Outcome> = (1..=4).map(|n| fold(&entries[..n]).state).collect();
        let expected =
            [Outcome::Diverted, Outcome::HandedOver, Outcome::Delayed, Outcome::Delivered];
        assert_eq!(states, expected);
        let copy = fold(&entries);
        assert_eq!(copy.queue_ids, ["4XA", "4XB"]);
        assert_eq!(copy.kind.as_deref(), Some("application"));
        assert_eq!(copy.reply.as_deref(), Some("relayed says the server"));
        assert_eq!((copy.last - copy.first).get_seconds(), 90);
        assert!(copy.state.is_settled());
    }

    #[test]
    fn entries_that_are_read_late_or_twice_turn_nothing_back() {
        let entries = life();
        let expected = fold(&entries);
        for order in [[3, 2, 1, 0], [0, 3, 1, 2], [2, 0, 3, 1]] {
            let shuffled: Vec<Entry> = order.iter().map(|&at| entries[at].clone()).collect();
            let copy = fold(&shuffled);
            assert_eq!(
                (copy.state, &copy.reply),
                (Outcome::Delivered, &expected.reply),
                "{order:?}"
            );
            assert_eq!((copy.first, copy.last), (expected.first, expected.last));
        }
        let twice: Vec<Entry> = entries.iter().chain(&entries).cloned().collect();
        assert_eq!(fold(&twice), expected);
    }

    #[test]
    fn a_failure_can_follow_a_delivery_and_a_second_attempt_a_failure() {
        let mut entries = life();
        entries.push(report(99, Said::Failed));
        assert_eq!(fold(&entries).state, Outcome::Failed);
        entries.push(entry(200, Pass::Agent, Action::Resent));
        let copy = fold(&entries);
        assert_eq!((copy.state, copy.reply), (Outcome::Diverted, None));
        entries.push(entry(201, Pass::Handoff, Action::Copy(Outcome::HandedOver)));
        assert_eq!(fold(&entries).state, Outcome::HandedOver);
    }

    #[test]
    fn what_somebody_has_to_look_at_stays_so_on_its_way_back() {
        let front = entry(0, Pass::Front, Action::Copy(Outcome::Diverted));
        let seen = entry(1, Pass::Handoff, Action::Copy(Outcome::ToPerson));
        let back = entry(2, Pass::Return, Action::Copy(Outcome::Returned));
        for order in [[&front, &seen, &back], [&front, &back, &seen]] {
            let copy = fold(&order.map(Clone::clone));
            assert_eq!((copy.state, copy.state.is_settled()), (Outcome::ToPerson, true));
        }
    }

    #[test]
    fn what_is_of_no_copy_begins_none() {
        let mut outgoing = entry(0, Pass::Submission, Action::Sent);
        assert_eq!(Copy::begun_by(&outgoing, "mx1"), None);
        outgoing.pass = Pass::Front;
        outgoing.token = None;
        assert_eq!(Copy::begun_by(&outgoing, "mx1"), None);
    }
}
