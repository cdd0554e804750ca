//! Asks the policy, and tells the journal and the log what was decided: what a session talks to in
//! production.
//!
//! Must not know the protocol.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::notice::{Notice, Notices};
use super::outgoing::Submission;
use super::record::{Mail, Record, Sender, Told};
use super::seam::{FrontMessage, HandoffMessage, Opening, Pass, Policy};
use crate::config::Config;
use crate::journal::{self, Entry, Journal};
use crate::mail::{Address, RawPath, Recipient};
use crate::observe::{self, Masker};
use crate::plan::{Plan, Reply, ReplyText};
use crate::policy::applicant::BodyNeed;
use crate::policy::budget::Budget;
use crate::policy::divert::{self, Diversion, divert};
use crate::policy::facts::Facts;
use crate::policy::forward::{self, Accepted, Advice, Arrival, Refusal, body_need, decide};
use crate::policy::limits::Usage;
use crate::policy::look;
use crate::policy::probe::{Probe, unproven};
use crate::policy::report;
use crate::policy::subject;
use crate::policy::token::{TokenId, Way};
use crate::policy::unread::{Place, Unread};
use crate::reading::{Net, Readers, SoFar};

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
    readers: Readers,
    /// Where it is told that something could not be read.
    notices: Notices,
}

impl Active {
    /// A configuration that writes to a journal.
    pub fn new(config: Config, journal: Journal) -> Self {
        let masker = Masker::new(config.log.addresses, &config.keys);
        let keeper = Masker::new(config.ledger.addresses, &config.keys);
        let (budget, usage, readers, notices) = Default::default();
        let config = Arc::new(config);
        Self { config, masker, keeper, journal, budget, usage, readers, notices }
    }

    /// Tells there what cannot be read.
    #[must_use]
    pub fn with_notices(self, notices: Notices) -> Self {
        Self { notices, ..self }
    }

    /// Reads above a net with a seam for fault injection. For tests only.
    #[must_use]
    pub fn with_net(self, net: Net) -> Self {
        Self { readers: Readers::new(net), ..self }
    }

    /// Another configuration, with the journal and the memory of this one.
    #[must_use]
    pub fn with(&self, config: Config) -> Self {
        let (budget, usage) = (Arc::clone(&self.budget), Arc::clone(&self.usage));
        let (readers, notices) = (self.readers.clone(), self.notices.clone());
        Self { budget, usage, readers, notices, ..Self::new(config, self.journal.clone()) }
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
        // One address is one in the ledger, however it was written.
        entry.address = entry.address.map(|text| self.config.rules.known_as(&text));
        self.journal.record(entry);
    }

    /// Something could not be read.
    fn unread(&self, pass: Pass, place: Place, why: Unread, queue_id: Option<&str>) {
        let queue_id = queue_id.map(str::to_owned);
        self.notices.tell(&Notice::Unread { pass, place, why, queue_id });
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
    taken: Option<Arc<(Accepted, RawPath)>>,
    facts: Arc<Facts>,
    /// Known from the first piece of the body on, when the header is complete.
    need: Option<BodyNeed>,
    body: Vec<u8>,
    /// Why the message is not read: something in its header could not be.
    unread: Option<Unread>,
    /// What was read.
    advice: Advice,
    mail: Mail,
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

    fn concerns(&self, resolved: &str) -> bool {
        divert::concerns(&self.config.rules, resolved)
    }

    fn is_asked_for(&self, command: &[u8]) -> bool {
        look::is_ours(command, &self.config.keys, now())
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
            facts: Arc::default(),
            need: None,
            body: Vec::new(),
            unread: None,
            advice: Advice::none(Unread::Panic),
            mail: Mail::default(),
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
        let sender = &self.opening.sender;
        let now = now();
        let (active, net) = (&self.active, self.active.readers.net());
        let missed = |place| move |why| active.unread(Pass::Front, place, why, queue_id);
        let claim = net
            .read(Place::Sender, || Probe::claimed(&config.rules, &config.keys, sender, now))
            .map_err(missed(Place::Sender))
            .unwrap_or_default();
        let origin = divert::Origin {
            authenticated: self.opening.origin.login.is_some(),
            // Who it is must be known: nobody is believed because the MTA does not say.
            internal: client.is_some_and(|client| config.rules.is_internal_client(client)),
            own_login: false,
            probe: claim.and_then(Result::ok),
            now,
        };
        let subjects = net
            .read(Place::Journal, || subject::of_mail(&config.rules, &config.keys, sender, None))
            .map_err(missed(Place::Journal))
            .unwrap_or_default();
        let mail = Mail { size: self.opening.announced_size(), subjects, message: None };
        let record = |outcome| Record {
            queue_id: queue_id.map(str::to_owned),
            sender: self.active.sender(sender),
            mail,
            outcome,
        };
        let addresses = self.recipients.iter().map(|to| &to.resolved);
        let addresses = addresses.filter(|to| divert::is_recruiting(&config.rules, to));
        if let (Some(Err(_)), Some(_)) = (claim, addresses.clone().next()) {
            return (unproven(), record(Told::UnknownProbe(addresses.cloned().collect())));
        }
        let diversion = stamps().and_then(|mut stamp| {
            divert(&config.rules, &config.keys, &self.recipients, origin, &mut stamp)
        });
        match diversion {
            Some(Diversion { plan, diverted, standing }) => {
                (plan, record(Told::Diverted { diverted, standing }))
            }
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
                self.taken = Some(Arc::new((accepted, recipient.path)));
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
        let facts = Arc::make_mut(&mut self.facts);
        let ours = facts.count(name);
        let read = self.active.readers.net().read(Place::Field, || facts.read(ours, name, body));
        if let Err(why) = read {
            self.missed(Place::Field, why, None);
        }
    }

    async fn look(&mut self) {
        if self.need.is_some() {
            return;
        }
        self.need = Some(match &self.taken {
            None => BodyNeed::Nothing,
            Some(taken) => match forward::need_by_token(&taken.0) {
                Some(need) => need,
                None => self.body_need(Arc::clone(taken)).await,
            },
        });
    }

    fn wants_body(&self) -> bool {
        match self.need.unwrap_or(BodyNeed::Nothing) {
            BodyNeed::Nothing => false,
            BodyNeed::FirstChunk => self.body.is_empty(),
            BodyNeed::UpTo(most) => self.body.len() < most,
        }
    }

    fn body(&mut self, piece: &[u8]) {
        let room = match self.need.unwrap_or(BodyNeed::Nothing) {
            BodyNeed::Nothing => 0,
            BodyNeed::FirstChunk => piece.len(),
            BodyNeed::UpTo(most) => most.saturating_sub(self.body.len()),
        };
        self.body.extend_from_slice(&piece[..piece.len().min(room)]);
    }

    async fn read(&mut self, queue_id: Option<&str>) {
        let Some(taken) = &self.taken else { return };
        let material = Material {
            config: Arc::clone(&self.active.config),
            taken: Arc::clone(taken),
            sender: self.opening.sender.clone(),
            facts: Arc::clone(&self.facts),
            truncated: self.is_truncated(),
            body: std::mem::take(&mut self.body),
            size: self.opening.announced_size(),
            unread: self.unread,
        };
        let (so_far, journal) = (SoFar::default(), Arc::new(Mutex::new(Mail::default())));
        let job = {
            let (so_far, journal) = (so_far.clone(), Arc::clone(&journal));
            move |net: &Net| material.read(net, &so_far, &journal)
        };
        let done = self.active.readers.apart(self.active.config.milter.deadline, job).await;
        let seen = so_far.seen();
        self.advice = seen.advice.unwrap_or_else(|| Advice::none(Unread::Panic));
        for (place, why) in seen.missed {
            self.active.unread(Pass::Handoff, place, why, queue_id);
        }
        if let Err(why) = done {
            self.advice.because(why);
            let place = seen.at.unwrap_or(Place::Message);
            self.active.unread(Pass::Handoff, place, why, queue_id);
        }
        let mut journal = journal.lock().unwrap_or_else(PoisonError::into_inner);
        self.mail = std::mem::take(&mut *journal);
    }

    fn finish(self, queue_id: Option<&str>) -> (Plan, Record) {
        let config = &self.active.config;
        let record = |mail, outcome| Record {
            queue_id: queue_id.map(str::to_owned),
            sender: self.active.sender(&self.opening.sender),
            mail,
            outcome,
        };
        let Some((accepted, path)) = self.taken.as_deref() else {
            let told = Told::Undecided(journal::Pass::Handoff, "no-recipient");
            return undecided(record(Mail::default(), told));
        };
        let pass = match accepted {
            Accepted::Handoff { token, .. } => pass_of(token.way),
            Accepted::GivenUp(given) => pass_of(given.token.way),
            Accepted::Report { .. } | Accepted::ProbeReport { .. } | Accepted::Stray(_) => {
                journal::Pass::Handoff
            }
            // It is of outgoing mail: no copy for a recruiting system.
            Accepted::Returned { .. } => journal::Pass::Submission,
        };
        let arrival = Arrival {
            accepted,
            path,
            sender: &self.opening.sender,
            facts: &self.facts,
            body: &[],
            truncated: false,
            size: self.opening.announced_size(),
        };
        let decision = {
            let mut budget = self.active.budget.lock().unwrap_or_else(PoisonError::into_inner);
            decide(&config.rules, &config.keys, now(), &arrival, &self.advice, &mut budget)
        };
        match decision {
            Some(decision) => {
                let forged = self.facts.forged().len();
                let plan = decision.plan.clone();
                // A report is nobody's.
                let size = decision.reading.is_some().then(|| self.opening.announced_size());
                let mail = Mail { size: size.flatten(), ..self.mail };
                let told = Told::Decided { pass, decision: Box::new(decision), forged };
                (plan, record(mail, told))
            }
            None => undecided(record(Mail::default(), Told::Undecided(pass, "no-token"))),
        }
    }
}

impl Handoff {
    /// How much of the body is of use, by the header.
    async fn body_need(&mut self, taken: Arc<(Accepted, RawPath)>) -> BodyNeed {
        let (config, facts) = (Arc::clone(&self.active.config), Arc::clone(&self.facts));
        let sender = self.opening.sender.clone();
        let look = move |net: &Net| {
            net.read(Place::Need, || body_need(&config.rules, &taken.0, &sender, &facts))
        };
        let looked = self.active.readers.apart(self.active.config.milter.deadline, look).await;
        looked.and_then(|need| need).unwrap_or_else(|why| {
            self.missed(Place::Need, why, None);
            BodyNeed::Nothing
        })
    }

    /// Something in the header could not be read, so that the message is not.
    fn missed(&mut self, place: Place, why: Unread, queue_id: Option<&str>) {
        self.unread = self.unread.or(Some(why));
        self.active.unread(Pass::Handoff, place, why, queue_id);
    }

    /// Whether there may be more of the body than was taken.
    fn is_truncated(&self) -> bool {
        matches!(self.need, Some(BodyNeed::UpTo(most)) if self.body.len() >= most)
    }
}

/// A message on the thread that reads it.
struct Material {
    config: Arc<Config>,
    taken: Arc<(Accepted, RawPath)>,
    sender: RawPath,
    facts: Arc<Facts>,
    body: Vec<u8>,
    truncated: bool,
    size: Option<u64>,
    /// Why it is to stay unread.
    unread: Option<Unread>,
}

impl Material {
    /// Reads it, first for the decision and then for the journal.
    fn read(&self, net: &Net, so_far: &SoFar, journal: &Mutex<Mail>) {
        let (rules, keys) = (&self.config.rules, &self.config.keys);
        let arrival = Arrival {
            accepted: &self.taken.0,
            path: &self.taken.1,
            sender: &self.sender,
            facts: &self.facts,
            body: &self.body,
            truncated: self.truncated,
            size: self.size,
        };
        let advice = net.advise(rules, keys, &arrival, self.unread, so_far);
        if !matches!(&self.taken.0, Accepted::Handoff { token, .. } if token.way != Way::Return) {
            return;
        }
        so_far.see(|seen| seen.at = Some(Place::Journal));
        let reading = advice.reading().filter(|_| !advice.is_probe());
        let read = net.read(Place::Journal, || Mail {
            size: None,
            subjects: subject::of_mail(rules, keys, &self.sender, reading),
            message: subject::message_of(keys, &self.facts),
        });
        match read {
            Ok(mail) => *journal.lock().unwrap_or_else(PoisonError::into_inner) = mail,
            Err(why) => so_far.see(|seen| seen.missed.push((Place::Journal, why))),
        }
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
