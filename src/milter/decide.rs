//! Asks the policy, and tells the journal and the log what was decided: what a session talks to in
//! production.
//!
//! Must not know the protocol.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::cell::OnceCell;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::outgoing::Submission;
use super::record::{Mail, Record, Sender, Told};
use super::seam::{FrontMessage, HandoffMessage, Opening, Policy};
use crate::config::Config;
use crate::journal::{self, Entry, Journal};
use crate::mail::{Address, RawPath, Recipient};
use crate::observe::{self, Masker};
use crate::plan::{Plan, Reply, ReplyText};
use crate::policy::applicant::BodyNeed;
use crate::policy::budget::Budget;
use crate::policy::divert::{self, divert};
use crate::policy::facts::Facts;
use crate::policy::forward::{self, Accepted, Arrival, Decision, Refusal, body_need, forward};
use crate::policy::limits::Usage;
use crate::policy::probe::Probe;
use crate::policy::report;
use crate::policy::subject;
use crate::policy::token::{TokenId, Way};

/// A configuration at work. What outlives a reload is shared with the one before.
#[derive(Clone)]
pub struct Active {
    config: Arc<Config>,
    masker: Masker,
    /// Shows addresses as the ledger may keep them.
    keeper: Masker,
    journal: Journal,
    budget: Arc<Mutex<Budget>>,
    usage: Arc<Mutex<Usage>>,
}

impl Active {
    /// A configuration that writes to a journal.
    pub fn new(config: Config, journal: Journal) -> Self {
        let masker = Masker::new(config.log.addresses, &config.keys);
        let keeper = Masker::new(config.ledger.addresses, &config.keys);
        let (budget, usage) = Default::default();
        Self { config: Arc::new(config), masker, keeper, journal, budget, usage }
    }

    /// Another configuration, with the journal and the memory of this one.
    #[must_use]
    pub fn with(&self, config: Config) -> Self {
        let (budget, usage) = (Arc::clone(&self.budget), Arc::clone(&self.usage));
        Self { budget, usage, ..Self::new(config, self.journal.clone()) }
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// An envelope sender as it may be shown.
    pub(super) fn sender(&self, sender: &RawPath) -> Sender {
        Sender { logged: self.masker.show(sender), kept: self.keeper.show(sender) }
    }

    /// The words of another server as they may be kept: people outside as the ledger may have them.
    pub(super) fn masked(&self, words: &str) -> String {
        let rules = &self.config.rules;
        let ours = |address: &Address| {
            rules.is_internal(address.as_str())
                || rules.systems.iter().any(|system| system.inbound.key() == address.key())
        };
        let mask = |address: &Address| self.keeper.show(&RawPath::from(address)).to_string();
        report::Report::masked(words, ours, mask)
    }

    /// Writes an entry into the journal. A forged From may name anybody: somebody outside is kept as the
    /// ledger may have him.
    pub(super) fn note(&self, mut entry: Entry) {
        if let Some(text) = &entry.address
            && !self.config.rules.is_internal(text)
            && self.config.rules.lookup(text).is_none()
            && let Ok(address) = Address::parse(text)
        {
            entry.address = Some(self.keeper.show(&RawPath::from(&address)).to_string());
        }
        self.journal.record(entry);
    }

    pub(super) fn usage(&self) -> &Mutex<Usage> {
        &self.usage
    }

    pub(super) fn usage_handle(&self) -> Arc<Mutex<Usage>> {
        Arc::clone(&self.usage)
    }
}

/// Pass 1 of a message.
pub struct Front {
    active: Arc<Active>,
    opening: Opening,
    recipients: Vec<Recipient>,
}

/// Pass 2 of a message.
pub struct Handoff {
    active: Arc<Active>,
    opening: Opening,
    taken: Option<(Accepted, RawPath)>,
    facts: Facts,
    /// Known from the first piece of the body on, when the header is complete.
    need: OnceCell<BodyNeed>,
    body: Vec<u8>,
}

impl Policy for Active {
    type Front = Front;
    type Handoff = Handoff;
    type Submission = Submission;
    type Record = Record;

    fn accept_early(&self) -> bool {
        self.config.milter.accept_early
    }

    fn deadline(&self) -> Duration {
        self.config.milter.deadline
    }

    fn is_recruiting(&self, resolved: &str) -> bool {
        divert::is_recruiting(&self.config.rules, resolved)
    }

    fn front(self: &Arc<Self>, opening: Opening) -> Front {
        Front { active: Arc::clone(self), opening, recipients: Vec::new() }
    }

    fn submission(self: &Arc<Self>, opening: Opening) -> Result<Submission, Reply> {
        Submission::begin(self, opening)
    }

    fn handoff(self: &Arc<Self>, opening: Opening) -> Handoff {
        Handoff {
            active: Arc::clone(self),
            opening,
            taken: None,
            facts: Facts::default(),
            need: OnceCell::new(),
            body: Vec::new(),
        }
    }

    fn record(&self, record: Record, carried_out: Result<(), String>) {
        match carried_out {
            Ok(()) => record.tell(self),
            Err(error) => record.tell_unedited(self, &error),
        }
    }
}

impl FrontMessage for Front {
    type Record = Record;

    fn rcpt(&mut self, recipient: Recipient) {
        self.recipients.push(recipient);
    }

    fn finish(self, queue_id: Option<&str>) -> (Plan, Record) {
        let config = &self.active.config;
        let client = self.opening.origin.client;
        let origin = divert::Origin {
            authenticated: self.opening.origin.login.is_some(),
            // Who it is must be known: nobody is believed because the MTA does not say.
            internal: client.is_some_and(|client| config.rules.is_internal_client(client)),
            own_login: false,
            probe: Probe::of_sender(&config.rules, &config.keys, &self.opening.sender, now()),
        };
        let sender = &self.opening.sender;
        let mail = Mail {
            size: self.opening.announced_size(),
            subjects: subject::of_mail(&config.rules, &config.keys, sender, None),
            message: None,
        };
        let record = |outcome| Record {
            queue_id: queue_id.map(str::to_owned),
            sender: self.active.sender(sender),
            mail,
            outcome,
        };
        let diversion = stamps().and_then(|mut stamp| {
            divert(&config.rules, &config.keys, &self.recipients, origin, &mut stamp)
        });
        match diversion {
            Some(diversion) => (diversion.plan, record(Told::Diverted(diversion.diverted))),
            None => undecided(record(Told::Undecided(journal::Pass::Front, "no-token"))),
        }
    }
}

impl HandoffMessage for Handoff {
    type Record = Record;

    fn rcpt(&mut self, recipient: Recipient) -> Result<(), Reply> {
        let config = &self.active.config;
        let found = if self.taken.is_some() {
            Err(Refusal::OneAtATime)
        } else {
            let door = self.opening.origin.server.and_then(|server| door(config, server));
            forward::recipient(&config.rules, &config.keys, now(), door, &recipient)
        };
        match found {
            Ok(accepted) => {
                self.taken = Some((accepted, recipient.path));
                Ok(())
            }
            Err(refusal) => {
                let path = recipient.path.printable();
                match refusal {
                    Refusal::NotOurs => observe::invalid_handoff(None, &path, "not-ours"),
                    Refusal::UnknownKey(_) => observe::unknown_handoff(None, &path, "unknown-key"),
                    Refusal::UnknownAddress => {
                        observe::unknown_handoff(None, &path, "unknown-address");
                    }
                    Refusal::Expired => observe::unknown_handoff(None, &path, "expired"),
                    Refusal::OtherWay => observe::unknown_handoff(None, &path, "other-way"),
                    Refusal::OneAtATime => observe::invalid_handoff(None, &path, "one-at-a-time"),
                }
                Err(refusal.reply())
            }
        }
    }

    fn field(&mut self, name: &[u8], body: &[u8]) {
        self.facts.push(name, body);
    }

    fn wants_body(&self) -> bool {
        match self.need() {
            BodyNeed::Nothing => false,
            BodyNeed::FirstChunk => self.body.is_empty(),
            BodyNeed::UpTo(most) => self.body.len() < most,
        }
    }

    fn body(&mut self, piece: &[u8]) {
        let room = match self.need() {
            BodyNeed::Nothing => 0,
            BodyNeed::FirstChunk => piece.len(),
            BodyNeed::UpTo(most) => most.saturating_sub(self.body.len()),
        };
        self.body.extend_from_slice(&piece[..piece.len().min(room)]);
    }

    fn finish(self, queue_id: Option<&str>) -> (Plan, Record) {
        let config = &self.active.config;
        let record = |mail, outcome| Record {
            queue_id: queue_id.map(str::to_owned),
            sender: self.active.sender(&self.opening.sender),
            mail,
            outcome,
        };
        let Some((accepted, path)) = &self.taken else {
            let told = Told::Undecided(journal::Pass::Handoff, "no-recipient");
            return undecided(record(Mail::default(), told));
        };
        let pass = match accepted {
            Accepted::Handoff { token, .. } => pass_of(token.way),
            Accepted::Report { .. } | Accepted::ProbeReport { .. } => journal::Pass::Handoff,
            // It is of outgoing mail: no copy for a recruiting system.
            Accepted::Returned { .. } => journal::Pass::Submission,
        };
        let arrival = Arrival {
            accepted,
            path,
            sender: &self.opening.sender,
            facts: &self.facts,
            body: &self.body,
            truncated: self.is_truncated(),
            size: self.opening.announced_size(),
        };
        let decision = {
            let mut budget = self.active.budget.lock().unwrap_or_else(PoisonError::into_inner);
            forward(&config.rules, &config.keys, now(), &arrival, &mut budget)
        };
        match decision {
            Some(decision) => {
                let forged = self.facts.forged().len();
                let plan = decision.plan.clone();
                let mail = self.mail(&decision);
                let told = Told::Decided { pass, decision: Box::new(decision), forged };
                (plan, record(mail, told))
            }
            None => undecided(record(Mail::default(), Told::Undecided(pass, "no-token"))),
        }
    }
}

impl Handoff {
    /// What the journal has of the mail. A report is nobody's.
    fn mail(&self, decision: &Decision) -> Mail {
        let Some(reading) = &decision.reading else { return Mail::default() };
        let (rules, keys) = (&self.active.config.rules, &self.active.config.keys);
        Mail {
            size: self.opening.announced_size(),
            subjects: subject::of_mail(rules, keys, &self.opening.sender, Some(reading)),
            message: subject::message_of(keys, &self.facts),
        }
    }

    fn need(&self) -> BodyNeed {
        let need = |(accepted, _): &(Accepted, RawPath)| {
            body_need(&self.active.config.rules, accepted, &self.opening.sender, &self.facts)
        };
        *self.need.get_or_init(|| self.taken.as_ref().map_or(BodyNeed::Nothing, need))
    }

    /// Whether there may be more of the body than was taken.
    fn is_truncated(&self) -> bool {
        matches!(self.need.get(), Some(BodyNeed::UpTo(most)) if self.body.len() >= *most)
    }
}

pub(super) fn undecided(record: Record) -> (Plan, Record) {
    (Plan::only(Reply::Tempfail(ReplyText::TryAgain)), record)
}

/// What an smtpd service of ours is for. None where the configuration has no such service: Postfix
/// may not have been told yet of another port.
fn door(config: &Config, server: SocketAddr) -> Option<Way> {
    [(config.handoff.smtpd, Way::Forward), (config.handoff.return_smtpd, Way::Return)]
        .into_iter()
        .find_map(|(service, way)| (service == server).then_some(way))
}

fn pass_of(way: Way) -> journal::Pass {
    match way {
        Way::Forward | Way::Unwrap => journal::Pass::Handoff,
        Way::Return => journal::Pass::Return,
    }
}

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

/// Token ids for one message: a random number, and the next ones. None if the system has no
/// random numbers.
pub(super) fn stamps() -> Option<impl FnMut() -> TokenId> {
    let time = u32::try_from(now()).unwrap_or(u32::MAX);
    let mut octets = [0; 8];
    getrandom::fill(&mut octets[2..]).ok()?;
    let mut number = u64::from_be_bytes(octets);
    Some(move || {
        number = number.wrapping_add(1);
        let [_, _, nonce @ ..] = number.to_be_bytes();
        TokenId { time, nonce }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::policy::testing::keys;

    #[test]
    fn edits_that_failed_are_journalled_for_each_address() {
        let text = "[system.personio]\ninbound = \"in@ats.example\"\n\
            addresses = [\"jobs@acme.example\", \"karriere@acme.example\"]\n";
        let loaded = config::parse(&[("recruit-milter.toml".into(), text.into())]).unwrap();
        let config = Config { keys: keys(), ..loaded.config };
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path(), 1 << 20, 1);
        let active = Arc::new(Active::new(config, journal.clone()));
        let mut front = active.front(Opening::default());
        for to in ["jobs@acme.example", "bob@acme.example", "karriere@acme.example"] {
            front.rcpt(Recipient::plain(to));
        }
        let (_, record) = front.finish(Some("4Zx1"));
        active.record(record, Err("edits not made in time".into()));
        assert!(journal.close(Duration::from_secs(10)));
        let lines = std::fs::read_to_string(folder.path().join("journal")).unwrap();
        let told: Vec<Vec<String>> = lines
            .lines()
            .map(|line| {
                let line: serde_json::Value = serde_json::from_str(line).unwrap();
                let names = ["pass", "action", "reason", "queue_id", "address", "detail"];
                names.map(|name| line[name].as_str().unwrap_or_default().to_owned()).into()
            })
            .collect();
        let entry = |address| {
            ["front", "tempfail", "edits-failed", "4Zx1", address, "edits not made in time"]
        };
        assert_eq!(told, [entry("jobs@acme.example"), entry("karriere@acme.example")]);
    }
}
