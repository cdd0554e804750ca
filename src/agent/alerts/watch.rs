//! What is trouble: pure looks at entries, judgements and counts.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::time::Duration;

use jiff::Timestamp;

use super::{Alert, DAY, Place, What};
use crate::agent::lookout::News;
use crate::journal::{Action, Entry, Pass};
use crate::ledger::Summary;
use crate::policy::forward;
use crate::policy::outcome::Outcome;
use crate::policy::report::Said;
use crate::policy::rules::{AddressRule, Rules};
use crate::policy::verification::{State, Verdict};
use crate::way;

/// How long a copy may wait, in seconds.
const WAITS_LONG: i64 = 4 * 3600;
/// How long a copy may be on its way to pass 2 before that is told.
pub const SOON: Duration = Duration::from_secs(3600);

/// A copy that failed, if an entry says that.
pub fn failed_copy(rules: &Rules, entry: &Entry) -> Option<Alert> {
    let failed = entry.action == Action::Report && entry.report == Some(Said::Failed);
    // What comes back from outgoing mail goes to where somebody sees it, and a probe is judged.
    if !failed || entry.pass != Pass::Handoff || entry.probe.is_some() {
        return None;
    }
    let address = entry.address.clone()?;
    let rule = rules
        .lookup(&address)
        .map(|(_, rule)| rule)
        .or_else(|| rules.addresses.iter().find(|rule| rule.pattern.to_string() == address))?;
    let place = match &rule.fallback {
        Some(fallback) if !rule.local_copy => Place::Fallback(fallback.clone()),
        _ => Place::Mailbox,
    };
    let said = entry.reply.clone().or_else(|| entry.status.clone()).unwrap_or_default();
    let system = rules.system(rule).id.clone();
    let what = What::CopyFailed { token: entry.token.clone()?, system, said, place };
    Some(Alert { address, what, owner: rule.owner.clone() })
}

/// A copy about which nothing could be decided, if an entry says that.
pub fn given_up(rules: &Rules, entry: &Entry) -> Option<Alert> {
    let why = entry.reason.clone()?;
    let undecidable =
        [forward::Reason::UnknownKey, forward::Reason::UnknownAddress, forward::Reason::OtherWay]
            .iter()
            .chain([&forward::Reason::Expired, &forward::Reason::NotOurs])
            .any(|reason| reason.word() == why);
    let kept = match entry.action {
        Action::Copy(Outcome::GivenUp) => false,
        Action::Copy(Outcome::Kept) => true,
        _ => return None,
    };
    let token = entry.token.clone().filter(|_| undecidable)?;
    let address = entry.address.clone().unwrap_or_else(|| "?".into());
    let owner = rules.lookup(&address).and_then(|(_, rule)| rule.owner.clone());
    Some(Alert { address, what: What::GivenUp { token, why, kept }, owner })
}

/// Addresses whose copies are not through pass 2: how many, and since when the oldest waits.
pub fn not_through(
    rules: &Rules,
    stuck: &[(String, u64, Timestamp)],
    now: Timestamp,
) -> Vec<Alert> {
    let alert = |(address, count, oldest): &(String, u64, Timestamp)| {
        let (_, rule) = rules.lookup(address)?;
        let seconds = now.as_second() - oldest.as_second();
        let days = seconds / i64::try_from(DAY.as_secs()).ok()?;
        let what = What::NotThrough { count: *count, oldest: *oldest, days };
        Some(Alert { address: address.clone(), what, owner: rule.owner.clone() })
    };
    stuck.iter().filter_map(alert).collect()
}

/// What a judgement means for people.
pub fn verification(rule: &AddressRule, verdict: &Verdict) -> Option<Alert> {
    let what = match verdict.state {
        State::NotVerified => What::NotVerified {
            hop: verdict.hop?.word(),
            said: verdict.words.clone().unwrap_or_default(),
        },
        State::Late => What::Late,
        State::Verified => What::VerifiedAgain,
        State::Never | State::Seen | State::Forwarded => return None,
    };
    Some(Alert { address: rule.pattern.to_string(), what, owner: rule.owner.clone() })
}

/// What is new about a place on the way of mail.
pub fn of_way(rules: &Rules, news: &News) -> Alert {
    let (spot, what) = match news {
        News::Stopped(spot) => (spot, What::Stopped(spot.clone())),
        News::Open(spot) => (spot, What::OpenAgain(spot.clone())),
    };
    let owner = match &spot.place {
        way::Place::Address(address) => {
            rules.lookup(address.as_str()).and_then(|(_, rule)| rule.owner.clone())
        }
        _ => None,
    };
    Alert { address: spot.place.to_string(), what, owner }
}

/// Addresses whose copies wait for long.
pub fn waiting(rules: &Rules, summaries: &[Summary], now: Timestamp) -> Vec<Alert> {
    let alert = |summary: &Summary| {
        let (_, rule) = rules.lookup(&summary.address)?;
        let (count, oldest) = summary.waiting?;
        let long = now.as_second() - oldest.as_second() > WAITS_LONG;
        let what = What::Waiting { count, oldest };
        long.then(|| Alert { address: summary.address.clone(), what, owner: rule.owner.clone() })
    };
    summaries.iter().filter_map(alert).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::Address;
    use crate::policy::testing::rules;

    fn report(address: &str, outcome: Said) -> Entry {
        let now = Timestamp::from_second(1_795_500_000).unwrap();
        Entry {
            token: Some("aaaa".into()),
            address: Some(address.into()),
            report: Some(outcome),
            reply: Some("550 no".into()),
            ..Entry::new(now, Pass::Handoff, Action::Report)
        }
    }

    #[test]
    fn a_failed_copy_is_told_with_the_place_where_its_mail_is() {
        let place = |address: &str| {
            let alert = failed_copy(&rules(), &report(address, Said::Failed)).unwrap();
            let What::CopyFailed { place, said, .. } = alert.what else { panic!("{alert:?}") };
            assert_eq!(said, "550 no");
            place
        };
        assert_eq!(place("jobs@acme.example"), Place::Mailbox);
        let hr = Address::parse("hr@acme.example").unwrap();
        assert_eq!(place("karriere@acme.example"), Place::Fallback(hr));
        // A report names the pattern.
        assert_eq!(place(&rules().addresses[2].pattern.to_string()), Place::Mailbox);
    }

    #[test]
    fn nothing_else_is() {
        let rules = rules();
        assert_eq!(failed_copy(&rules, &report("jobs@acme.example", Said::Delayed)), None);
        assert_eq!(failed_copy(&rules, &report("eve@x.example", Said::Failed)), None);
        let mut outgoing = report("jobs@acme.example", Said::Failed);
        outgoing.pass = Pass::Submission;
        assert_eq!(failed_copy(&rules, &outgoing), None);
        let mut probe = report("jobs@acme.example", Said::Failed);
        probe.probe = Some("pppp".into());
        assert_eq!(failed_copy(&rules, &probe), None);
    }

    #[test]
    fn a_copy_that_was_given_up_is_told_whatever_is_known_of_it() {
        let entry = |action, reason: &str, address: Option<&str>| Entry {
            reason: Some(reason.into()),
            address: address.map(Into::into),
            ..Entry { report: None, action, ..report("x@x.example", Said::Failed) }
        };
        let told = |entry: &Entry| given_up(&rules(), entry).map(|alert| alert.what);
        let jobs = Some("jobs@acme.example");
        for reason in ["unknown-key", "unknown-address", "expired", "other-way", "not-ours"] {
            for (outcome, kept) in [(Outcome::GivenUp, false), (Outcome::Kept, true)] {
                let action = Action::Copy(outcome);
                let what = What::GivenUp { token: "aaaa".into(), why: reason.into(), kept };
                assert_eq!(told(&entry(action, reason, jobs)), Some(what.clone()));
                assert_eq!(told(&entry(action, reason, None)), Some(what));
            }
        }
        assert_eq!(told(&entry(Action::Copy(Outcome::ToPerson), "kind", jobs)), None);
        assert_eq!(
            told(&entry(Action::Copy(Outcome::Returned), "expired", jobs)),
            None,
            "told at pass 2"
        );
        assert_eq!(told(&entry(Action::Discarded, "unknown-key", None)), None, "anybody's");
    }

    #[test]
    fn what_is_not_through_is_told_with_its_days() {
        let now = Timestamp::from_second(1_795_500_000).unwrap();
        let stuck = |hours: i64| {
            let oldest = now - jiff::SignedDuration::from_hours(hours);
            let all =
                [("jobs@acme.example".into(), 3, oldest), ("eve@x.example".into(), 1, oldest)];
            not_through(&rules(), &all, now).into_iter().map(|alert| alert.what).collect::<Vec<_>>()
        };
        for (hours, expected) in [(1, 0), (23, 0), (24, 1), (47, 1), (48, 2)] {
            let [What::NotThrough { count: 3, days, .. }] = stuck(hours)[..] else { panic!() };
            assert_eq!(days, expected);
        }
    }

    #[test]
    fn copies_that_wait_are_told_after_some_hours() {
        let now = Timestamp::from_second(1_795_500_000).unwrap();
        let summary = |seconds: i64| Summary {
            address: "jobs@acme.example".into(),
            counts: Vec::new(),
            waiting: Some((3, now - jiff::SignedDuration::from_secs(seconds))),
            last_application: None,
            last_delivered: None,
            last_failed: None,
        };
        assert_eq!(waiting(&rules(), &[summary(WAITS_LONG)], now), []);
        assert_eq!(waiting(&rules(), &[summary(WAITS_LONG + 1)], now).len(), 1);
    }
}
