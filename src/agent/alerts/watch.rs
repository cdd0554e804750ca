//! What is trouble: pure looks at entries, judgements and counts.
// SPDX-License-Identifier: GPL-3.0-or-later

use jiff::Timestamp;

use super::{Alert, Place, What};
use crate::journal::{Action, Entry, Pass, ReportAction};
use crate::ledger::Summary;
use crate::policy::rules::{AddressRule, Rules};
use crate::policy::verification::{State, Verdict};

/// How long a copy may wait, in seconds.
const WAITS_LONG: i64 = 4 * 3600;

/// A copy that failed, if an entry says that.
pub fn failed_copy(rules: &Rules, entry: &Entry) -> Option<Alert> {
    let failed = entry.action == Action::Report && entry.report == Some(ReportAction::Failed);
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

    fn report(address: &str, outcome: ReportAction) -> Entry {
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
            let alert = failed_copy(&rules(), &report(address, ReportAction::Failed)).unwrap();
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
        assert_eq!(failed_copy(&rules, &report("jobs@acme.example", ReportAction::Delayed)), None);
        assert_eq!(failed_copy(&rules, &report("eve@x.example", ReportAction::Failed)), None);
        let mut outgoing = report("jobs@acme.example", ReportAction::Failed);
        outgoing.pass = Pass::Submission;
        assert_eq!(failed_copy(&rules, &outgoing), None);
        let mut probe = report("jobs@acme.example", ReportAction::Failed);
        probe.probe = Some("pppp".into());
        assert_eq!(failed_copy(&rules, &probe), None);
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
