//! The way of mail as it is now: whether the milter answers at its sockets, whether Postfix takes mail,
//! and whether the milter sees what Postfix takes.
//!
//! What was proven yesterday says nothing of it, and a configuration file neither: the milter is asked
//! by its own protocol, and Postfix by SMTP, as a client that has mail. No mail is sent. Besides them
//! stand what `postfix --check` finds and whether the agent is alive: [`settings()`], [`agent()`].
//!
//! Must not know the ledger, nor how what it finds is shown.
// SPDX-License-Identifier: GPL-3.0-or-later

mod alive;
mod look;
mod place;
mod settings;
mod text;

use std::net::SocketAddr;

use crate::config::Socket;
use crate::mail::Address;
use crate::policy::rules::{AddressRule, Pattern};
use crate::policy::verification::{Hop, Verdict};

pub use alive::agent;
pub use look::{Depth, look};
pub use place::keep_behind;
pub use settings::{About, Fault, instance, keep_settings, kept_settings, settings, stamp};

/// Which of our sockets it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Incoming mail, pass 1.
    Front,
    /// Outgoing mail.
    Submission,
    /// The handoff, pass 2.
    Handoff,
    /// The agent's, for what is to be unwrapped.
    Agent,
}

/// A place that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A socket of ours.
    Socket(Side, Socket),
    /// The smtpd by which mail comes in (`[verify] via`).
    Entrance(SocketAddr),
    /// A smtpd of ours that takes handoffs.
    Hop(SocketAddr),
    /// The smtpd of ours that takes alerts.
    Alerts(SocketAddr),
    /// A recruiting address, at the entrance.
    Address(Address),
    /// Postfix's configuration.
    Settings,
    /// The agent itself.
    Agent,
}

/// How a place is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// As it should be.
    Open,
    /// Nobody answers: why.
    Silent(String),
    /// Postfix takes no mail there: what it says.
    Refused(String),
    /// Postfix takes mail there, and our milter does not see it; the agent: it does not run.
    Unseen,
    /// Its configuration is not what our mail needs.
    Faulty(Vec<Fault>),
    /// This process may not look, or saw nothing: why.
    NotLooked(String),
}

/// A place and how it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spot {
    /// Where.
    pub place: Place,
    /// How.
    pub state: State,
}

/// All places, in the order in which mail comes by them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Way(Vec<Spot>);

impl Way {
    /// What was seen.
    pub fn of(spots: Vec<Spot>) -> Self {
        Self(spots)
    }

    /// All that was looked at, or could not be.
    pub fn spots(&self) -> &[Spot] {
        &self.0
    }

    /// What is wrong, what is behind it first. What only follows from another is left out: that Postfix
    /// puts mail off, where its milter does not answer.
    pub fn troubles(&self) -> impl Iterator<Item = &Spot> {
        let silent = |side: Side| {
            self.0.iter().any(|spot| {
                matches!(&spot.place, Place::Socket(one, _) if *one == side)
                    && matches!(spot.state, State::Silent(_))
            })
        };
        let (front, handoff) = (silent(Side::Front), silent(Side::Handoff));
        self.0.iter().filter(move |spot| match (&spot.place, &spot.state) {
            (_, State::Open | State::NotLooked(_)) => false,
            (_, State::Silent(_))
            | (Place::Socket(..) | Place::Alerts(_) | Place::Settings | Place::Agent, _) => true,
            (Place::Entrance(_) | Place::Address(_), _) => !front,
            (Place::Hop(_), _) => !handoff,
        })
    }

    /// Whether nothing is wrong, as far as was looked: see [`Self::not_looked`].
    pub fn is_open(&self) -> bool {
        self.troubles().next().is_none()
    }

    /// Whether no mail is put off, waits or passes us by, as far as was looked.
    pub fn lets_mail_through(&self) -> bool {
        !self.troubles().any(Spot::holds_mail)
    }

    /// What this process could not look at.
    pub fn not_looked(&self) -> impl Iterator<Item = &Spot> {
        self.0.iter().filter(|spot| matches!(spot.state, State::NotLooked(_)))
    }

    /// Whether no application gets through, whatever its address.
    pub fn is_blocked(&self) -> bool {
        self.troubles().any(Spot::blocks_all)
    }

    /// What keeps mail for a rule's addresses from the recruiting system.
    pub fn troubles_of(&self, rule: &AddressRule) -> impl Iterator<Item = &Spot> {
        self.troubles().filter(|spot| match (&spot.place, &rule.pattern) {
            (Place::Address(address), Pattern::Exact(exact)) => exact.key() == address.key(),
            _ => spot.blocks_all(),
        })
    }

    /// A judgement of what was, in the light of what is: while mail for an address cannot get through,
    /// it is not verified. `now` in seconds since 1970.
    pub fn judge(&self, rule: &AddressRule, verdict: Verdict, now: u64) -> Verdict {
        match self.troubles_of(rule).next() {
            Some(spot) => verdict.blocked(spot.hop(), spot.english(), now),
            None => verdict,
        }
    }

    /// The same, with one more place.
    #[must_use]
    pub fn with(mut self, spot: Option<Spot>) -> Self {
        self.0.extend(spot);
        self
    }

    /// The same, with our own smtpds as another look has seen them.
    #[must_use]
    pub fn completed(mut self, other: &Self) -> Self {
        let is_ours = |spot: &&Spot| matches!(spot.place, Place::Hop(_) | Place::Alerts(_));
        if !self.0.iter().any(|spot| is_ours(&spot)) {
            self.0.extend(other.0.iter().filter(is_ours).cloned());
        }
        self
    }
}

impl Spot {
    /// Whether what is wrong here is wrong for all recruiting addresses.
    pub fn blocks_all(&self) -> bool {
        match &self.place {
            Place::Socket(side, _) => matches!(side, Side::Front | Side::Handoff),
            Place::Entrance(_) | Place::Hop(_) => true,
            Place::Settings => self.is_faulty_for(|about| about == About::Applications),
            Place::Alerts(_) | Place::Address(_) | Place::Agent => false,
        }
    }

    /// Whether a configuration is wrong for some mail.
    fn is_faulty_for(&self, whom: fn(About) -> bool) -> bool {
        matches!(&self.state, State::Faulty(faults) if faults.iter().any(|fault| whom(fault.about)))
    }

    /// Whether what is wrong here is wrong for somebody's mail.
    pub fn holds_mail(&self) -> bool {
        match self.place {
            Place::Alerts(_) | Place::Agent => false,
            Place::Settings => self.is_faulty_for(|about| about != About::Alerts),
            _ => true,
        }
    }

    /// Where mail gets stuck by it.
    fn hop(&self) -> Hop {
        match (&self.place, &self.state) {
            (
                Place::Socket(Side::Handoff | Side::Agent, _)
                | Place::Hop(_)
                | Place::Settings
                | Place::Agent,
                _,
            ) => Hop::Handoff,
            (Place::Socket(..), _) | (Place::Entrance(_), State::Unseen) => Hop::Front,
            (Place::Entrance(_) | Place::Alerts(_) | Place::Address(_), _) => Hop::Submission,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::testing::rules;
    use crate::policy::verification::{self, Settings, judge};

    fn socket(side: Side, state: State) -> Spot {
        let name = format!("/run/{side:?}.sock");
        Spot { place: Place::Socket(side, Socket::Unix(name.into())), state }
    }

    fn via(state: State) -> Spot {
        Spot { place: Place::Entrance("127.0.0.1:25".parse().unwrap()), state }
    }

    fn silent() -> State {
        State::Silent("No such file or directory".into())
    }

    #[test]
    fn what_follows_from_a_silent_milter_is_not_told_besides() {
        let said = State::Refused("451 4.7.1 Service unavailable".into());
        let way = Way(vec![socket(Side::Front, silent()), via(said.clone())]);
        assert_eq!(way.troubles().count(), 1);
        // Another socket has nothing to do with it.
        let way = Way(vec![socket(Side::Submission, silent()), via(said)]);
        assert_eq!(way.troubles().count(), 2);
        // And nobody listening is a fault of its own.
        let way = Way(vec![socket(Side::Front, silent()), via(silent())]);
        assert_eq!(way.troubles().count(), 2);
    }

    #[test]
    fn what_is_broken_now_outranks_what_was_proven() {
        let rules = rules();
        let rule = &rules.addresses[0];
        let Pattern::Exact(address) = &rule.pattern else { panic!("{:?}", rule.pattern) };
        let never = judge(&[], Settings { stale: 1, changed: None }, 9);
        let proven = Verdict { state: verification::State::Verified, since: Some(5), ..never };
        let state = |way: &Way, rule| way.judge(rule, proven.clone(), 9).state;
        let open = Way(vec![socket(Side::Front, State::Open), via(State::Open)]);
        assert_eq!(open.judge(rule, proven.clone(), 9), proven);
        for spot in [
            socket(Side::Front, silent()),
            socket(Side::Handoff, silent()),
            via(silent()),
            via(State::Unseen),
            Spot { place: Place::Hop("127.0.0.1:10027".parse().unwrap()), state: silent() },
        ] {
            let way = Way(vec![spot.clone()]);
            assert_eq!(state(&way, rule), verification::State::NotVerified, "{spot:?}");
            assert!(!way.is_open());
        }
        // Outgoing mail is another matter, and so is what another address has.
        let way = Way(vec![socket(Side::Submission, silent())]);
        assert_eq!(state(&way, rule), verification::State::Verified);
        assert!(!way.is_open());
        let place = Place::Address(address.clone());
        let way = Way(vec![Spot { place, state: State::Refused("550 no".into()) }]);
        assert_eq!(state(&way, rule), verification::State::NotVerified);
        assert_eq!(state(&way, &rules.addresses[1]), verification::State::Verified);
        // What was not looked at is no trouble, and told besides.
        let way = Way(vec![socket(Side::Front, State::NotLooked("no".into()))]);
        assert_eq!((way.troubles().count(), way.not_looked().count()), (0, 1));
    }

    #[test]
    fn alerts_that_need_the_milter_are_a_trouble_and_hold_nobodys_mail() {
        let alerts =
            Spot { place: Place::Alerts("127.0.0.1:10029".parse().unwrap()), state: silent() };
        let way = Way(vec![socket(Side::Front, State::Open), alerts.clone()]);
        assert!(!way.is_open() && way.lets_mail_through() && !way.is_blocked());
        assert_eq!(way.troubles_of(&rules().addresses[0]).count(), 0);
        let seldom = Way(vec![via(State::Open)]).completed(&way);
        assert_eq!(seldom.troubles().collect::<Vec<_>>(), [&alerts]);
    }
}
