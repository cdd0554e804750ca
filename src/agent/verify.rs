//! Keeps each recruiting address verified: a probe now and then, and a look at what became of it.
//!
//! * [`probe`]: making and sending one. * [`outside`]: asking as a stranger would.
//!
//! Must not know how a probe is recognised.
// SPDX-License-Identifier: GPL-3.0-or-later

pub mod outside;
pub mod probe;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, sleep_until};

use super::lookout::Sight;
use crate::config::Config;
use crate::journal::{Action, Entry, Pass};
use crate::ledger::evidence::{changes, verdicts};
use crate::ledger::{self, Access, Error};
use crate::mail::Address;
use crate::mail::domain::address_key;
use crate::observe;
use crate::policy::rules::{AddressRule, Pattern};
use crate::policy::verification::{State, Verdict};
use probe::Asked;

/// How long after the start the first round begins: Postfix may be starting as well.
const FIRST: Duration = Duration::from_secs(60);
/// How often it is looked which address is due.
const LOOK: Duration = Duration::from_secs(60);
/// No address gets a probe more often, whatever fails.
pub const COOL_DOWN: Duration = Duration::from_secs(300);
/// After which pause a server that says "later" is asked again: greylisting wants some minutes.
const AGAIN: [Duration; 1] = [Duration::from_secs(400)];
/// How long a probe may take before its address is judged.
const JUDGED_AFTER: Duration = Duration::from_secs(20);

/// Somebody who is told when an address is no longer verified, or is again.
pub type Told = Box<dyn Fn(&AddressRule, &Verdict) + Send + Sync>;

/// Works until it is dropped.
pub async fn run(current: Arc<ArcSwap<Config>>, sight: Sight, told: Told) {
    let begun = Instant::now();
    let (last, known) = Default::default();
    let mut schedule = Schedule { current, sight, told, last, known };
    sleep_until(begun + FIRST).await;
    loop {
        if let Err(error) = schedule.round().await {
            // The bookkeeping complains of the same.
            observe::not_verifiable(&error);
        }
        sleep(LOOK).await;
    }
}

struct Schedule {
    current: Arc<ArcSwap<Config>>,
    sight: Sight,
    told: Told,
    /// When the last probe was sent to an address.
    last: HashMap<String, Instant>,
    /// What was last told of an address.
    known: HashMap<String, State>,
}

impl Schedule {
    async fn round(&mut self) -> Result<(), Error> {
        let config = self.current.load_full();
        if config.is_idle() || config.keys.is_empty() {
            return Ok(());
        }
        // That mail does not get through is known and told then. A probe would show no more, and wait.
        if self.sight.now().is_some_and(|view| view.way.is_blocked()) {
            return Ok(());
        }
        note_changes(Arc::clone(&config)).await?;
        let verdicts = judged(Arc::clone(&config)).await?;
        let Some(every) = config.verify.every else {
            self.tell(&config, &verdicts);
            return Ok(());
        };
        for (rule, verdict) in config.rules.addresses.iter().zip(verdicts) {
            // A pattern stands for many addresses, of which none can be picked.
            let Pattern::Exact(address) = &rule.pattern else { continue };
            let key = address.key();
            let last = self.last.get(&key).map(Instant::elapsed);
            if is_due(&verdict, last, every, Timestamp::now()) {
                self.last.insert(key, Instant::now());
                one(&config, rule, address).await?;
                sleep(JUDGED_AFTER).await;
            }
        }
        // Only now: what a probe has shown meanwhile to be right is no trouble.
        let verdicts = judged(Arc::clone(&config)).await?;
        self.tell(&config, &verdicts);
        Ok(())
    }

    /// Tells what is new.
    fn tell(&mut self, config: &Config, verdicts: &[Verdict]) {
        for (rule, verdict) in config.rules.addresses.iter().zip(verdicts) {
            let settled =
                matches!(verdict.state, State::Verified | State::Late | State::NotVerified);
            if !settled {
                continue;
            }
            let before = self.known.insert(rule.pattern.key(), verdict.state);
            // What was right before and is right now is no news, at the start neither.
            let quiet = before.unwrap_or(State::Verified);
            if quiet != verdict.state {
                observe::verification(&rule.pattern, verdict);
                (self.told)(rule, verdict);
            }
        }
    }
}

/// Whether an address is due for a probe. `last` is how long ago this process sent it one.
fn is_due(verdict: &Verdict, last: Option<Duration>, every: Duration, now: Timestamp) -> bool {
    if last.is_some_and(|ago| ago < COOL_DOWN) {
        return false;
    }
    let seconds = u64::try_from(now.as_second()).unwrap_or(0);
    let ago = |at: u64| Duration::from_secs(seconds.saturating_sub(at));
    match verdict.state {
        State::Verified => verdict.last_success.is_none_or(|at| ago(at) >= every),
        State::Late | State::Never => last.is_none_or(|ago| ago >= every.min(RETRY)),
        State::NotVerified => {
            let since = verdict.since.map_or(Duration::MAX, ago);
            last.unwrap_or(since) >= every.min(RETRY)
        }
        // One is on its way.
        State::Seen | State::Forwarded => last.is_none_or(|ago| ago >= RETRY),
    }
}

/// How soon after a failure the next probe follows, where the schedule would wait for longer.
const RETRY: Duration = Duration::from_secs(3600);

/// One probe to one address, and a question to its system.
async fn one(config: &Arc<Config>, rule: &AddressRule, address: &Address) -> Result<(), Error> {
    let now = Timestamp::now();
    let Some(probe) = probe::new(address, now) else { return Ok(()) };
    let sent = probe::send(config, probe, address, now).await;
    let refused = sent.action == Action::ProbeRefused;
    record(config, sent).await?;
    if refused {
        return Ok(());
    }
    let system = config.rules.system(rule);
    let mut pauses = AGAIN.iter();
    loop {
        let later = match probe::ask_inbound(config, system, probe, address).await {
            Asked::Settled(entry) => return record(config, *entry).await,
            Asked::Later(said) => said,
        };
        // That nobody can be asked from here says nothing of Postfix, which may use a relay.
        let Some(pause) = pauses.next() else {
            observe::not_asked(address.as_str(), &later);
            return Ok(());
        };
        sleep(*pause).await;
    }
}

async fn record(config: &Arc<Config>, entry: Entry) -> Result<(), Error> {
    let config = Arc::clone(config);
    on_a_thread(move || {
        ledger::open(&config, Access::Write)?.record(&ledger::host_of(&config), &entry)
    })
    .await
}

async fn judged(config: Arc<Config>) -> Result<Vec<Verdict>, Error> {
    on_a_thread(move || {
        verdicts(&mut ledger::open(&config, Access::Read)?, &config, Timestamp::now())
    })
    .await
}

/// Writes down what has changed since it was last looked: what was verified before, was verified for
/// something else.
async fn note_changes(config: Arc<Config>) -> Result<(), Error> {
    on_a_thread(move || {
        let mut ledger = ledger::open(&config, Access::Write)?;
        let mut known: HashMap<String, String> = HashMap::new();
        for (_, entry) in changes(&mut ledger)? {
            if let (Some(address), Some(detail)) = (entry.address, entry.detail) {
                known.insert(address_key(&address), detail);
            }
        }
        for rule in &config.rules.addresses {
            let Pattern::Exact(address) = &rule.pattern else { continue };
            let new = fingerprint(&config, rule);
            if known.get(&address.key()) != Some(&new) {
                let mut entry = Entry::new(Timestamp::now(), Pass::Agent, Action::Changed);
                entry.address = Some(address.to_string());
                entry.system = Some(config.rules.system(rule).id.clone());
                ledger.record(&ledger::host_of(&config), &entry.with_detail(&new))?;
            }
        }
        Ok(())
    })
    .await
}

/// What the way from an address to its system depends on, in a word.
fn fingerprint(config: &Config, rule: &AddressRule) -> String {
    let system = config.rules.system(rule);
    let text = format!(
        "{} {} {:?} {} {:?} {:?} {:?} {}",
        rule.pattern.key(),
        system.inbound,
        system.next_hop,
        config.rules.handoff_domain,
        config.handoff,
        config.rules.bounce,
        config.keys.current(),
        rule.local_copy,
    );
    data_encoding::HEXLOWER.encode(&Sha256::digest(text.as_bytes())[..8])
}

async fn on_a_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    spawn_blocking(work).await.unwrap_or_else(|error| Err(Error::Other(error.to_string())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::verification::{Settings, judge};

    const DAY: Duration = Duration::from_secs(86_400);

    fn config(folder: &std::path::Path, more: &str) -> Arc<Config> {
        let text = format!(
            "state_dir = \"{}\"\n[system.x]\ninbound = \"in@ats.example\"\n\
             addresses = [\"jobs@acme.example\"]\n{more}",
            folder.display()
        );
        let parsed = crate::config::parse(&[("recruit-milter.toml".into(), text)]);
        Arc::new(parsed.unwrap().config)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_was_verified_before_a_change_is_late_and_what_is_first_seen_is_no_change() {
        use crate::policy::report::Said;
        let folder = tempfile::tempdir().unwrap();
        let before = config(folder.path(), "");
        let mut ledger = ledger::open(&before, Access::Write).unwrap();
        let past = Timestamp::now() - jiff::SignedDuration::from_secs(60);
        let delivered = Entry {
            token: Some("aaaa".into()),
            address: Some("jobs@acme.example".into()),
            report: Some(Said::Relayed),
            ..Entry::new(past, Pass::Handoff, Action::Report)
        };
        ledger.record("mx1", &delivered).unwrap();
        note_changes(Arc::clone(&before)).await.unwrap();
        note_changes(Arc::clone(&before)).await.unwrap();
        let verdict = judged(Arc::clone(&before)).await.unwrap().swap_remove(0);
        assert_eq!((verdict.state, verdict.changed), (State::Verified, false));
        let after = config(
            folder.path(),
            "[address.\"jobs@acme.example\"]\nlocal_copy = false\nfallback = \"hr@acme.example\"\n",
        );
        note_changes(Arc::clone(&after)).await.unwrap();
        let verdict = judged(after).await.unwrap().swap_remove(0);
        assert_eq!((verdict.state, verdict.changed), (State::Late, true));
    }

    fn due(state: State, since: u64, last: Option<u64>) -> bool {
        let now = Timestamp::from_second(1_795_500_000).unwrap();
        let at = 1_795_500_000 - since;
        let never = judge(&[], Settings { stale: 1, changed: None }, at);
        let last_success = matches!(state, State::Verified | State::Late).then_some(at);
        let verdict = Verdict { state, since: Some(at), last_success, ..never };
        is_due(&verdict, last.map(Duration::from_secs), DAY, now)
    }

    #[test]
    fn an_address_is_due_when_its_evidence_is_old_or_missing_and_no_probe_is_fresh() {
        for (state, since, last, expected) in [
            (State::Never, 0, None, true),
            (State::Never, 0, Some(60), false),
            (State::Never, 0, Some(3600), true),
            (State::Verified, 3600, None, false),
            (State::Verified, 86_400, None, true),
            (State::Verified, 86_400, Some(299), false),
            (State::Late, 90_000, None, true),
            (State::NotVerified, 60, None, false),
            (State::NotVerified, 3600, None, true),
            (State::NotVerified, 9999, Some(600), false),
            (State::Seen, 60, Some(600), false),
        ] {
            assert_eq!(due(state, since, last), expected, "{state} {since} {last:?}");
        }
    }
}
