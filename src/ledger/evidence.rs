//! What the ledger knows about the way to each recruiting address, judged.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;

use super::{Copy, Error, EventFilter, Filter, Ledger};
use crate::config::Config;
use crate::journal::{AGAIN, Action, Entry};
use crate::mail::domain::address_key;
use crate::policy::kind::Kind;
use crate::policy::outcome::Outcome;
use crate::policy::report::Said;
use crate::policy::rules::Rules;
use crate::policy::verification::{Event, Settings, Source, Step, Verdict, judge};

/// How many probes and test mails are looked at, at most.
const MOST: u32 = 20_000;

/// The place of an address's rule.
fn rule_of(rules: &Rules, address: &str) -> Option<usize> {
    rules.lookup(address).map(|(place, _)| place)
}

/// A judgement for each rule, in the order of [`Rules::addresses`].
pub fn verdicts(
    ledger: &mut Ledger,
    config: &Config,
    now: Timestamp,
) -> Result<Vec<Verdict>, Error> {
    let rules = &config.rules;
    let stale = config.verify.stale;
    // What is older changes no judgement but "late" into "never tested".
    let since = now - stale.max(std::time::Duration::from_secs(86_400)) * 2;
    let mut events: Vec<Vec<Event>> = vec![Vec::new(); rules.addresses.len()];
    let mut changed: Vec<Option<u64>> = vec![None; rules.addresses.len()];
    let filter =
        EventFilter { probes: true, since: Some(since), limit: Some(MOST), ..<_>::default() };
    let entries = ledger.events(&filter)?;
    // A report on a probe that never reached pass 1 does not name its address.
    let addresses: HashMap<&str, &str> = entries
        .iter()
        .filter_map(|(_, entry)| Some((entry.probe.as_deref()?, entry.address.as_deref()?)))
        .collect();
    for (_, entry) in &entries {
        let Some(probe) = entry.probe.as_deref() else { continue };
        let address = entry.address.as_deref().or_else(|| addresses.get(probe).copied());
        let place = address.and_then(|address| rule_of(rules, address));
        if let (Some(place), Some(event)) = (place, of_entry(entry, probe)) {
            events[place].push(event);
        }
    }
    let test = Some(Kind::SystemTest.word().to_owned());
    for (filter, source) in [
        (Filter { probes: true, ..<_>::default() }, Source::Probe),
        (Filter { kind: test, ..<_>::default() }, Source::TestMail),
    ] {
        let filter = Filter { since: Some(since), limit: Some(MOST), ..filter };
        for copy in ledger.copies(&filter)? {
            let place = copy.address.as_ref().and_then(|address| rule_of(rules, address));
            if let (Some(place), Some(event)) = (place, of_copy(&copy, source)) {
                events[place].push(event);
            }
        }
    }
    for summary in ledger.summary(now)? {
        if let (Some(place), Some(at)) = (rule_of(rules, &summary.address), summary.last_delivered)
        {
            events[place].push(Event {
                at: seconds(at),
                source: Source::Mail,
                id: summary.address,
                step: Step::Delivered,
                words: None,
            });
        }
    }
    // The first that is known of an address is what it was like, and no change.
    let mut known: HashSet<String> = HashSet::new();
    for (_, entry) in changes(ledger)? {
        let Some(address) = entry.address else { continue };
        if known.insert(address_key(&address)) {
            continue;
        }
        if let Some(place) = rule_of(rules, &address) {
            changed[place] = changed[place].max(Some(seconds(entry.time)));
        }
    }
    let judged = events.iter().zip(changed).map(|(events, changed)| {
        judge(events, Settings { stale: stale.as_secs(), changed }, seconds(now))
    });
    Ok(judged.collect())
}

/// What has changed for each address, the newest last.
pub(crate) fn changes(ledger: &mut Ledger) -> Result<Vec<(String, Entry)>, Error> {
    let actions = vec![Action::Changed];
    ledger.events(&EventFilter { actions, limit: Some(MOST), ..<_>::default() })
}

fn seconds(time: Timestamp) -> u64 {
    u64::try_from(time.as_second()).unwrap_or(0)
}

fn of_entry(entry: &Entry, probe: &str) -> Option<Event> {
    let step = match entry.action {
        Action::ProbeSent => Step::Submitted,
        Action::ProbeRefused => Step::Refused,
        Action::Copy(Outcome::Diverted) if entry.reason.as_deref() == Some(AGAIN) => Step::Again,
        Action::Copy(Outcome::Diverted) => Step::Diverted,
        Action::Copy(Outcome::ProbeArrived) => Step::Arrived,
        Action::Copy(Outcome::HandedOver) => Step::Forwarded,
        Action::Copy(outcome) if outcome.stays_here() => Step::Stayed,
        Action::InboundAccepted => Step::InboundAccepted,
        Action::InboundRefused => Step::InboundRefused,
        // What comes back to a probe's own sender: behind pass 2 it has another.
        Action::Report if entry.report == Some(Said::Failed) => Step::Bounced,
        _ => return None,
    };
    let words = entry.reply.clone().or_else(|| entry.reason.clone());
    Some(Event {
        at: seconds(entry.time),
        source: Source::Probe,
        id: probe.to_owned(),
        step,
        words: words.or_else(|| entry.status.clone()),
    })
}

fn of_copy(copy: &Copy, source: Source) -> Option<Event> {
    let step = match copy.state {
        Outcome::Diverted | Outcome::Unwrapping => Step::Diverted,
        Outcome::HandedOver => Step::Forwarded,
        Outcome::Delayed => Step::Deferred,
        Outcome::Delivered => Step::Delivered,
        Outcome::Failed => Step::Failed,
        // The steps of a probe are told by its entries.
        outcome if outcome.stays_here() && source == Source::TestMail => Step::Stayed,
        _ => return None,
    };
    Some(Event {
        at: seconds(copy.since),
        source,
        id: copy.probe.clone().unwrap_or_else(|| copy.token.clone()),
        step,
        words: copy.reply.clone().or_else(|| copy.reason.clone()),
    })
}
