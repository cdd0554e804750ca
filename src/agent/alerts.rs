//! Tells people of trouble: copies that failed, addresses that are no longer verified.
//!
//! What happens within ten seconds is one mail. Nobody waits for it: what cannot be told is logged.
//!
//! Must not know how trouble is found.
// SPDX-License-Identifier: GPL-3.0-or-later

mod text;
mod watch;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use crate::config::Config;
use crate::journal::{Action, Entry, Pass};
use crate::ledger::{self, Access};
use crate::mail::{Address, RawPath};
use crate::observe;
use crate::submit::{self, Content, Submission, submit};
use crate::way;

pub use watch::{SOON, failed_copy, given_up, not_through, of_way, verification, waiting};

/// How long alerts are collected.
const COLLECT: Duration = Duration::from_secs(10);
/// How long the same is not told again.
const QUIET: Duration = Duration::from_secs(6 * 3600);
/// How often a copy that is long on its way is told of.
const DAY: Duration = Duration::from_secs(24 * 3600);
/// More alerts than this wait nowhere: they are counted.
const QUEUE: usize = 1000;
/// How often it is looked for copies that wait, and how long they may.
const LOOK: Duration = Duration::from_secs(15 * 60);
/// When it is looked for the first time: what waited while nobody looked is told soon.
const FIRST_LOOK: Duration = Duration::from_secs(60);
/// After which pauses a mail that was not taken is tried again.
const AGAIN: [Duration; 4] = [
    Duration::from_secs(60),
    Duration::from_secs(300),
    Duration::from_secs(1800),
    Duration::from_secs(4 * 3600),
];

/// Something that somebody should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// The recruiting address, or the pattern that it stands under.
    pub address: String,
    /// What happened.
    pub what: What,
    /// Who is told besides `[alerts] to`.
    pub owner: Option<Address>,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A copy will not arrive.
    CopyFailed {
        /// The copy.
        token: String,
        /// The recruiting system.
        system: String,
        /// What the server said.
        said: String,
        /// Where the mail is now.
        place: Place,
    },
    /// Mail does not get through any more.
    NotVerified {
        /// Where it gets stuck.
        hop: &'static str,
        /// What was said there.
        said: String,
    },
    /// It has not been shown for too long that mail gets through.
    Late,
    /// Mail gets through again.
    VerifiedAgain,
    /// Copies wait for long.
    Waiting {
        /// How many.
        count: u64,
        /// Since when the oldest does.
        oldest: Timestamp,
    },
    /// Copies are not through pass 2. Postfix tells nobody: their sender is the applicant.
    NotThrough {
        /// How many.
        count: u64,
        /// Since when the oldest waits.
        oldest: Timestamp,
        /// For how many whole days it has waited.
        days: i64,
    },
    /// Nothing could be decided about a copy: it went, unopened, to where somebody sees it.
    GivenUp {
        /// The copy.
        token: String,
        /// Why.
        why: String,
        /// Whether it ended, since its recruiting address has its own.
        kept: bool,
    },
    /// Mail is put off, waits or passes us by, at a place on its way.
    Stopped(way::Spot),
    /// That place is as it should be again.
    OpenAgain(way::Spot),
}

impl What {
    /// Whether it is the end of trouble.
    fn is_good(&self) -> bool {
        matches!(self, Self::VerifiedAgain | Self::OpenAgain(_))
    }

    /// Whether it concerns the owners of all addresses.
    fn is_for_all(&self) -> bool {
        let (Self::Stopped(spot) | Self::OpenAgain(spot)) = self else { return false };
        !matches!(spot.place, way::Place::Address(_) | way::Place::Alerts(_))
    }
}

/// Where a mail is whose copy failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the mailbox of its recruiting address.
    Mailbox,
    /// With the fallback, as a report that has it inside.
    Fallback(Address),
}

impl Alert {
    /// What makes it the same as another.
    fn key(&self) -> String {
        let what = match &self.what {
            What::CopyFailed { token, .. } | What::GivenUp { token, .. } => token.as_str(),
            What::NotVerified { hop, .. } => hop,
            What::Late => "late",
            What::VerifiedAgain => "verified",
            What::Waiting { .. } => "waiting",
            What::NotThrough { days, .. } => return self.stage(*days),
            What::Stopped(_) => "stopped",
            What::OpenAgain(_) => "open",
        };
        format!("{} {what}", self.address)
    }

    /// Told after an hour, a day, and daily: each is told once.
    fn stage(&self, days: i64) -> String {
        format!("{} not-through {days}", self.address)
    }

    /// How long the same is not told again.
    fn quiet(&self) -> Duration {
        match self.what {
            What::NotThrough { .. } => DAY + LOOK,
            _ => QUIET,
        }
    }
}

/// For those who have something to tell. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Alerts(Sender<Alert>);

impl Alerts {
    /// A place to tell it, and the end at which [`run`] listens.
    pub fn new() -> (Self, Receiver<Alert>) {
        let (sender, receiver) = channel(QUEUE);
        (Self(sender), receiver)
    }

    /// Tells it. Returns at once.
    pub fn raise(&self, alert: Alert) {
        if let Err(error) = self.0.try_send(alert) {
            observe::alert_lost(&error);
        }
    }
}

/// Works until the last [`Alerts`] is gone.
pub async fn run(current: Arc<ArcSwap<Config>>, mut alerts: Receiver<Alert>) {
    let mut told: HashMap<String, Instant> = HashMap::new();
    let mut look = Instant::now() + FIRST_LOOK;
    loop {
        let mut batch = Vec::new();
        tokio::select! {
            first = alerts.recv() => match first {
                Some(first) => batch.push(first),
                None => return,
            },
            () = sleep_until(look) => {
                look = Instant::now() + LOOK;
                if let Some(waiting) = waiting_now(&current.load_full()).await {
                    forget_what_is_over(&mut told, &waiting);
                    batch.extend(waiting);
                }
            }
        }
        let until = Instant::now() + COLLECT;
        while let Ok(Some(alert)) = timeout_at(until, alerts.recv()).await {
            batch.push(alert);
        }
        told.retain(|_, until| *until > Instant::now());
        batch.retain(|alert| {
            // Whoever heard of trouble wants to hear of its end, and of the next.
            if alert.what.is_good() {
                told.retain(|key, _| !key.starts_with(&format!("{} ", alert.address)));
                return true;
            }
            told.insert(alert.key(), Instant::now() + alert.quiet()).is_none()
        });
        if !batch.is_empty() {
            let config = current.load_full();
            // One that is slow to go out keeps none of the others waiting.
            tokio::spawn(async move { tell(&config, &batch).await });
        }
    }
}

/// The addresses whose copies wait for long; none if nobody knows.
async fn waiting_now(config: &Arc<Config>) -> Option<Vec<Alert>> {
    let config = Arc::clone(config);
    let found = tokio::task::spawn_blocking(move || {
        let now = Timestamp::now();
        let mut ledger = ledger::open(&config, Access::Read)?;
        let stuck = ledger.not_through(now - SOON)?;
        let mut all = not_through(&config.rules, &stuck, now);
        // What is told already is not told in other words.
        let mut rest = ledger.summary(now)?;
        rest.retain(|summary| !all.iter().any(|alert| alert.address == summary.address));
        all.extend(waiting(&config.rules, &rest, now));
        Ok::<_, ledger::Error>(all)
    });
    // What is wrong with the ledger is told by the bookkeeping.
    found.await.ok().and_then(Result::ok)
}

/// Where all is through pass 2, the next trouble is a new one.
fn forget_what_is_over(told: &mut HashMap<String, Instant>, waiting: &[Alert]) {
    let is_stuck = |address: &str| {
        let stuck = |alert: &&Alert| matches!(alert.what, What::NotThrough { .. });
        waiting.iter().filter(stuck).any(|alert| alert.address == address)
    };
    told.retain(|key, _| {
        key.split_once(" not-through ").is_none_or(|(address, _)| is_stuck(address))
    });
}

/// One mail for each who is to be told.
async fn tell(config: &Arc<Config>, batch: &[Alert]) {
    let mut everybody: Vec<&Address> = config.alerts_to.iter().collect();
    everybody.extend(batch.iter().filter_map(|alert| alert.owner.as_ref()));
    let owners = || config.rules.addresses.iter().filter_map(|rule| rule.owner.as_ref());
    if batch.iter().any(|alert| alert.what.is_for_all()) {
        everybody.extend(owners());
    }
    let mut everybody: Vec<Address> = everybody.into_iter().map(Address::in_ascii).collect();
    everybody.sort_by_key(Address::key);
    everybody.dedup_by_key(|address| address.key());
    let mut told: Vec<&Alert> = Vec::new();
    for recipient in everybody {
        let for_all = config.alerts_to.iter().any(|to| to.key() == recipient.key());
        let mine = |alert: &&Alert| {
            let is_owner = |owner: &Address| owner.key() == recipient.key();
            for_all
                || alert.owner.as_ref().is_some_and(is_owner)
                || alert.what.is_for_all() && owners().any(is_owner)
        };
        let mine: Vec<&Alert> = batch.iter().filter(mine).collect();
        let Some(message) = text::message(config, &recipient, &mine, Timestamp::now()) else {
            continue;
        };
        if send(config, &recipient, &message).await {
            observe::alerted(recipient.as_str(), mine.len());
            told.extend(mine.into_iter().filter(|alert| !told.contains(alert)).collect::<Vec<_>>());
        }
    }
    if !told.is_empty() {
        note(config, &told).await;
    }
}

/// Hands a mail to Postfix; whether it was taken in the end.
async fn send(config: &Config, recipient: &Address, message: &str) -> bool {
    let mut pauses = AGAIN.iter();
    loop {
        // A report on it would come to nobody.
        let sender = RawPath::new("<>");
        let content = match Content::new(message.as_bytes()) {
            Ok(content) => content,
            Err(error) => {
                observe::not_alerted(recipient.as_str(), &error);
                return false;
            }
        };
        let submission =
            Submission { sender: &sender, recipient, orcpt: None, smtputf8: false, content };
        let Err(error) = hand_in(config, &submission).await else { return true };
        observe::not_alerted(recipient.as_str(), &submit::words(&error));
        let Some(pause) = pauses.next().filter(|_| !error.is_permanent()) else { return false };
        sleep(*pause).await;
    }
}

/// Hands a mail in where no milter is asked, so that it comes through while ours is down; where the site
/// has no such smtpd, or it does not know the recipient yet, as any other mail.
async fn hand_in(config: &Config, submission: &Submission<'_>) -> Result<String, submit::Error> {
    match submit(config.alerts_smtpd, submission).await {
        Ok(said) => Ok(said),
        Err(_) => submit(config.verify.via, submission).await,
    }
}

/// Writes down of which copies somebody was told.
async fn note(config: &Arc<Config>, told: &[&Alert]) {
    let entries: Vec<Entry> = told
        .iter()
        .filter_map(|alert| {
            let What::CopyFailed { token, system, .. } = &alert.what else { return None };
            let mut entry = Entry::new(Timestamp::now(), Pass::Agent, Action::Alerted);
            entry.token = Some(token.clone());
            entry.address = Some(alert.address.clone());
            entry.system = Some(system.clone());
            Some(entry)
        })
        .collect();
    let config = Arc::clone(config);
    let noted = tokio::task::spawn_blocking(move || {
        let mut ledger = ledger::open(&config, Access::Write)?;
        entries.iter().try_for_each(|entry| ledger.record(&ledger::host_of(&config), entry))
    });
    // That somebody was told matters more than that it is known.
    drop(noted.await);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_through_is_told_once_a_stage_and_anew_when_it_was_over() {
        let stuck = |days| Alert {
            address: "jobs@acme.example".into(),
            what: What::NotThrough { count: 1, oldest: Timestamp::UNIX_EPOCH, days },
            owner: None,
        };
        let keys: Vec<String> = [0, 0, 1, 2].map(|days| stuck(days).key()).into();
        assert!(keys[0] == keys[1] && keys[1] != keys[2] && keys[2] != keys[3]);
        // No stage is told twice while it lasts, and none is kept for ever.
        assert!(stuck(0).quiet() > DAY);
        let other = "bob@acme.example late".to_owned();
        let all = || {
            let now = Instant::now();
            HashMap::from([(stuck(1).key(), now), (other.clone(), now)])
        };
        let mut told = all();
        forget_what_is_over(&mut told, &[stuck(2)]);
        assert_eq!(told.len(), 2);
        forget_what_is_over(&mut told, &[]);
        assert_eq!(told.keys().collect::<Vec<_>>(), [&other]);
    }
}
