//! Whether a recruiting address is verified: a pure judgement of what happened, and when.
//!
//! An address is verified when a mail that was bound to it went the whole way: a probe of ours, the
//! recruiting system's own test mail, or any copy that the system's server took. That expires by itself.
//!
//! ```text
//! never tested ─► seen ─► forwarded ─► verified ─► late
//!                   └────────┴────────────┴─────► not verified, at a hop
//! ```
//!
//! Must not know where the evidence is kept. Times are in seconds since 1970.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fmt;

/// How long a probe or test mail may be on its way to each hop before it counts as lost there.
pub const PATIENCE: u64 = 15 * 60;

/// What a mail is that tells something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// A probe of ours.
    Probe,
    /// The recruiting system's own test mail.
    TestMail,
    /// Any other mail.
    Mail,
}

/// How far a mail came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Postfix took it from us.
    Submitted,
    /// Postfix did not take it.
    Refused,
    /// Postfix took it, and sent it back.
    Bounced,
    /// Pass 1 saw it.
    Diverted,
    /// Pass 1 saw it a second time: behind a content filter, say.
    Again,
    /// It came to pass 2 and ends there.
    Arrived,
    /// Pass 2 handed it over for the recruiting system.
    Forwarded,
    /// It stayed here, by a decision of pass 2.
    Stayed,
    /// The recruiting system's server takes mail for the inbound address.
    InboundAccepted,
    /// It does not.
    InboundRefused,
    /// The recruiting system's server took it.
    Delivered,
    /// It has not taken it yet.
    Deferred,
    /// It will not take it.
    Failed,
}

/// Where a mail can get stuck.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hop {
    /// Postfix's smtpd, by which mail comes in.
    Submission,
    /// Pass 1: the milter at that smtpd.
    Front,
    /// The way to pass 2.
    Handoff,
    /// Pass 2.
    Decision,
    /// The recruiting system's server.
    Inbound,
}

impl Hop {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Submission => "submission",
            Self::Front => "front",
            Self::Handoff => "handoff",
            Self::Decision => "decision",
            Self::Inbound => "inbound",
        }
    }
}

impl fmt::Display for Hop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub at: u64,
    /// To what.
    pub source: Source,
    /// To which one: steps of the same mail belong together.
    pub id: String,
    /// What.
    pub step: Step,
    /// The words of whoever decided it.
    pub words: Option<String>,
}

/// What an address is judged by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long evidence is good for, in seconds.
    pub stale: u64,
    /// When the configuration, the keys or the system's server last changed.
    pub changed: Option<u64>,
}

/// Where verification stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Nothing is known.
    Never,
    /// A probe or test mail is on its way; pass 1 has seen it.
    Seen,
    /// A probe or test mail was handed over for the recruiting system.
    Forwarded,
    /// A mail went the whole way, not too long ago.
    Verified,
    /// A mail went the whole way, too long ago or before a change.
    Late,
    /// The last probe or test mail did not get through.
    NotVerified,
}

impl State {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Never => "never-tested",
            Self::Seen => "test-seen",
            Self::Forwarded => "test-forwarded",
            Self::Verified => "verified",
            Self::Late => "late",
            Self::NotVerified => "not-verified",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A judgement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Where verification stands.
    pub state: State,
    /// Since when: of the evidence for it.
    pub since: Option<u64>,
    /// When a mail last went the whole way.
    pub last_success: Option<u64>,
    /// What went the whole way last.
    pub by: Option<Source>,
    /// Where the last one that failed got stuck.
    pub hop: Option<Hop>,
    /// What was said there.
    pub words: Option<String>,
    /// Whether something changed since a mail last went the whole way.
    pub changed: bool,
}

impl Verdict {
    /// The same, where mail cannot get through at the moment: stuck at a hop, whatever was proven before.
    #[must_use]
    pub fn blocked(self, hop: Hop, words: String, now: u64) -> Self {
        let since = match self.state {
            State::NotVerified => self.since,
            _ => Some(now),
        };
        let (state, words) = (State::NotVerified, Some(words));
        Self { state, since, hop: Some(hop), words, ..self }
    }
}

/// What became of one mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate<'a> {
    /// It went the whole way.
    Through(u64),
    /// It got stuck.
    Stuck(u64, Hop, Option<&'a str>),
    /// It is under way.
    Seen(u64),
    /// It is under way, behind pass 2.
    Forwarded(u64),
}

/// Judges an address by what happened to mail for it, in any order.
pub fn judge(events: &[Event], settings: Settings, now: u64) -> Verdict {
    let mut ids: Vec<(&str, Source)> = Vec::new();
    for event in events {
        // What comes from the future is from a clock that was set back: it proves nothing.
        if event.at <= now + 300 && !ids.contains(&(&event.id, event.source)) {
            ids.push((&event.id, event.source));
        }
    }
    let mut success: Option<(u64, Source)> = None;
    let mut failure: Option<(u64, Hop, Option<&str>)> = None;
    let mut pending: Option<(u64, State)> = None;
    for (id, source) in ids {
        let mine = events.iter().filter(|e| e.id == id && e.source == source && e.at <= now + 300);
        match fate(&mine.collect::<Vec<_>>(), source, now) {
            Some(Fate::Through(at)) => success = latest(success, (at, source)),
            Some(Fate::Stuck(at, hop, words)) => {
                let earlier = failure.filter(|(last, ..)| *last >= at);
                failure = earlier.or(Some((at, hop, words)));
            }
            Some(Fate::Seen(at)) => pending = newer(pending, (at, State::Seen)),
            Some(Fate::Forwarded(at)) => pending = newer(pending, (at, State::Forwarded)),
            None => {}
        }
    }
    let last_success = success.map(|(at, _)| at);
    let changed = last_success.zip(settings.changed).is_some_and(|(ok, changed)| changed > ok);
    let mut verdict = Verdict {
        state: State::Never,
        since: None,
        last_success,
        by: success.map(|(_, source)| source),
        hop: None,
        words: None,
        changed,
    };
    match (last_success, failure) {
        (ok, Some((at, hop, words))) if ok.is_none_or(|ok| ok < at) => {
            verdict.state = State::NotVerified;
            verdict.since = Some(at);
            verdict.hop = Some(hop);
            verdict.words = words.map(str::to_owned);
        }
        (Some(ok), _) => {
            let late = changed || now.saturating_sub(ok) > settings.stale;
            verdict.state = if late { State::Late } else { State::Verified };
            verdict.since = Some(ok);
        }
        (None, _) => {
            if let Some((at, state)) = pending {
                verdict.state = state;
                verdict.since = Some(at);
            }
        }
    }
    verdict
}

fn latest(old: Option<(u64, Source)>, new: (u64, Source)) -> Option<(u64, Source)> {
    if old.is_none_or(|(at, _)| new.0 > at) { Some(new) } else { old }
}

fn newer(old: Option<(u64, State)>, new: (u64, State)) -> Option<(u64, State)> {
    if old.is_none_or(|(at, _)| new.0 >= at) { Some(new) } else { old }
}

/// What became of the mail that these events are of.
fn fate<'a>(events: &[&'a Event], source: Source, now: u64) -> Option<Fate<'a>> {
    let last = |step: Step| events.iter().filter(|e| e.step == step).max_by_key(|e| e.at).copied();
    let words = |event: &'a Event| event.words.as_deref();
    let begun = events.iter().map(|e| e.at).min()?;
    if let Some(event) = last(Step::Failed) {
        // An ordinary mail may fail by what is in it.
        let stuck = Fate::Stuck(event.at, Hop::Inbound, words(event));
        return (source != Source::Mail).then_some(stuck);
    }
    // Where its recipients are split, a mail of that way is two copies.
    if let Some(event) = last(Step::Again) {
        return Some(Fate::Stuck(event.at, Hop::Front, words(event)));
    }
    if let Some(event) = last(Step::Delivered) {
        return Some(Fate::Through(event.at));
    }
    if source == Source::Mail {
        return None;
    }
    if let Some(event) = last(Step::Refused) {
        return Some(Fate::Stuck(event.at, Hop::Submission, words(event)));
    }
    if let Some(event) = last(Step::Bounced) {
        return Some(Fate::Stuck(event.at, Hop::Front, words(event)));
    }
    if let Some(event) = last(Step::InboundRefused) {
        return Some(Fate::Stuck(event.at, Hop::Inbound, words(event)));
    }
    if let (Some(arrived), Some(accepted)) = (last(Step::Arrived), last(Step::InboundAccepted)) {
        return Some(Fate::Through(arrived.at.max(accepted.at)));
    }
    if let Some(event) = last(Step::Stayed) {
        return Some(Fate::Stuck(event.at, Hop::Decision, words(event)));
    }
    let overdue = |since: u64| now.saturating_sub(since) > PATIENCE;
    if let Some(event) = last(Step::Deferred) {
        return Some(if overdue(begun) {
            Fate::Stuck(event.at, Hop::Inbound, words(event))
        } else {
            Fate::Forwarded(event.at)
        });
    }
    // Nobody could be asked from here; that is no sign that mail does not get through.
    if let Some(event) = last(Step::Arrived) {
        return Some(Fate::Forwarded(event.at));
    }
    if let Some(event) = last(Step::Forwarded) {
        return Some(if overdue(event.at) {
            Fate::Stuck(event.at + PATIENCE, Hop::Inbound, None)
        } else {
            Fate::Forwarded(event.at)
        });
    }
    if let Some(event) = last(Step::Diverted) {
        return Some(if overdue(event.at) {
            Fate::Stuck(event.at + PATIENCE, Hop::Handoff, None)
        } else {
            Fate::Seen(event.at)
        });
    }
    let submitted = last(Step::Submitted)?;
    overdue(submitted.at).then_some(Fate::Stuck(submitted.at + PATIENCE, Hop::Front, None))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: u64 = 1_795_500_000;
    const SETTINGS: Settings = Settings { stale: 3 * 86_400, changed: None };

    fn event(at: u64, source: Source, id: &str, step: Step) -> Event {
        let words = matches!(
            step,
            Step::Refused | Step::InboundRefused | Step::Failed | Step::Deferred | Step::Stayed
        );
        let words = words.then(|| format!("{step:?} they said"));
        Event { at, source, id: id.to_owned(), step, words }
    }

    /// A probe, so many seconds after each other.
    fn probe(from: u64, steps: &[Step]) -> Vec<Event> {
        let id = format!("probe {from}");
        (from..).zip(steps).map(|(at, step)| event(at, Source::Probe, &id, *step)).collect()
    }

    fn test_mail(from: u64, steps: &[Step]) -> Vec<Event> {
        (from..).zip(steps).map(|(at, step)| event(at, Source::TestMail, "test", *step)).collect()
    }

    const WHOLE: [Step; 4] =
        [Step::Submitted, Step::Diverted, Step::InboundAccepted, Step::Arrived];

    fn judged(events: &[Event], now: u64) -> (State, Option<Hop>) {
        let verdict = judge(events, SETTINGS, now);
        (verdict.state, verdict.hop)
    }

    #[test]
    fn a_probe_verifies_when_it_arrived_and_the_system_takes_mail() {
        let all = probe(NOW, &WHOLE);
        assert_eq!(judged(&[], NOW), (State::Never, None));
        assert_eq!(judged(&all[..1], NOW), (State::Never, None));
        assert_eq!(judged(&all[..2], NOW + 9), (State::Seen, None));
        assert_eq!(judged(&all[..3], NOW + 9), (State::Seen, None));
        let verdict = judge(&all, SETTINGS, NOW + 9);
        assert_eq!((verdict.state, verdict.since), (State::Verified, Some(NOW + 3)));
        assert_eq!(verdict.by, Some(Source::Probe));
        let without: Vec<Event> =
            all.iter().filter(|e| e.step != Step::InboundAccepted).cloned().collect();
        assert_eq!(judged(&without, NOW + 9), (State::Forwarded, None));
        assert_eq!(judged(&without, NOW + 9999), (State::Forwarded, None), "nobody was asked");
    }

    #[test]
    fn the_systems_test_mail_goes_through_its_states() {
        let all =
            test_mail(NOW, &[Step::Diverted, Step::Forwarded, Step::Deferred, Step::Delivered]);
        let states: Vec<State> =
            (0..=4).map(|n| judge(&all[..n], SETTINGS, NOW + 9).state).collect();
        let expected =
            [State::Never, State::Seen, State::Forwarded, State::Forwarded, State::Verified];
        assert_eq!(states, expected);
    }

    #[test]
    fn each_hop_at_which_one_gets_stuck_is_named() {
        use Step::{Arrived, Deferred, Diverted, Failed, Forwarded, Refused, Stayed, Submitted};
        for (steps, hop, said) in [
            (&[Refused][..], Hop::Submission, true),
            (&[Submitted], Hop::Front, false),
            (&[Submitted, Diverted], Hop::Handoff, false),
            (&[Submitted, Diverted, Stayed], Hop::Decision, true),
            (&[Submitted, Diverted, Forwarded], Hop::Inbound, false),
            (&[Submitted, Diverted, Forwarded, Deferred], Hop::Inbound, true),
            (&[Submitted, Diverted, Forwarded, Failed], Hop::Inbound, true),
            (&[Submitted, Diverted, Arrived, Step::InboundRefused], Hop::Inbound, true),
        ] {
            let verdict = judge(&probe(NOW, steps), SETTINGS, NOW + 2 * PATIENCE);
            assert_eq!((verdict.state, verdict.hop), (State::NotVerified, Some(hop)), "{steps:?}");
            assert_eq!(verdict.words.is_some(), said, "{steps:?}");
        }
    }

    #[test]
    fn what_is_verified_expires_and_changes_end_it() {
        let all = probe(NOW, &WHOLE);
        let at = |now| judge(&all, SETTINGS, now).state;
        assert_eq!(at(NOW + 3 + 3 * 86_400), State::Verified);
        assert_eq!(at(NOW + 4 + 3 * 86_400), State::Late);
        let changed = Settings { changed: Some(NOW + 60), ..SETTINGS };
        let verdict = judge(&all, changed, NOW + 90);
        assert_eq!((verdict.state, verdict.changed), (State::Late, true));
        // A clock that was set back: what was seen then lies in the future, and proves nothing.
        assert_eq!(at(NOW - 86_400), State::Never);
    }

    #[test]
    fn a_later_failure_ends_it_and_a_later_success_mends_it() {
        let mut all = probe(NOW, &WHOLE);
        all.extend(probe(NOW + 100, &[Step::Refused]));
        assert_eq!(judged(&all, NOW + 200), (State::NotVerified, Some(Hop::Submission)));
        assert_eq!(judge(&all, SETTINGS, NOW + 200).last_success, Some(NOW + 3));
        all.push(event(NOW + 150, Source::Mail, "copy", Step::Delivered));
        assert_eq!(judge(&all, SETTINGS, NOW + 200).by, Some(Source::Mail));
        assert_eq!(judged(&all, NOW + 200), (State::Verified, None));
        // An application that fails says nothing of the address.
        all.push(event(NOW + 160, Source::Mail, "other", Step::Failed));
        assert_eq!(judged(&all, NOW + 200), (State::Verified, None));
    }

    #[test]
    fn one_that_arrived_does_not_count_for_another_whose_system_was_asked() {
        let mut all = probe(NOW, &[Step::Submitted, Step::Diverted, Step::Arrived]);
        all.extend(probe(NOW + 10, &[Step::Submitted, Step::InboundAccepted]));
        assert_ne!(judge(&all, SETTINGS, NOW + 20).state, State::Verified);
    }

    proptest! {
        /// Whatever order the evidence comes in, and however often.
        #[test]
        fn order_and_repetition_change_nothing(seed in proptest::collection::vec((0u64..5000, 0usize..11, 0u8..3), 0..12), now in 0u64..6000) {
            use Step::*;
            let steps = [Submitted, Refused, Diverted, Arrived, Forwarded, Stayed, InboundAccepted,
                InboundRefused, Delivered, Deferred, Failed];
            // Times apart: what happened in the same second has no order.
            let events: Vec<Event> = seed.iter().enumerate().map(|(n, (at, step, id))| {
                let source = [Source::Probe, Source::TestMail, Source::Mail][usize::from(*id)];
                event(at * 20 + n as u64, source, &id.to_string(), steps[*step])
            }).collect();
            let verdict = judge(&events, SETTINGS, now * 20);
            let mut reversed = events.clone();
            reversed.reverse();
            prop_assert_eq!(&judge(&reversed, SETTINGS, now * 20), &verdict);
            reversed.extend(events);
            prop_assert_eq!(&judge(&reversed, SETTINGS, now * 20), &verdict);
            // Green needs a success.
            prop_assert!(verdict.state != State::Verified || verdict.last_success.is_some());
        }
    }
}
