//! How many messages and recipients a login may send, a minute and a day.
//!
//! The minute is a bucket: it holds `burst`, and what was taken runs out of it at `per_minute` a
//! minute. The day holds for any 24 hours, not for the calendar's; it is kept in coarse slots, each
//! of which counts until the last moment in it is 24 hours old.
//!
//! Lives in memory alone; a restart forgets what was sent, a reload does not. (The crate `governor`
//! keeps a clock of its own and cannot give back.)
// SPDX-License-Identifier: GPL-3.0-or-later

use std::collections::{HashMap, VecDeque};
use std::fmt;

/// Milliseconds in a minute; also how finely the bucket divides one message.
const MINUTE: u64 = 60_000;
const DAY: u64 = 24 * 60 * MINUTE;
/// The length of a slot: how much longer than 24 hours something may count.
const SLOT: u64 = 15 * MINUTE;
/// A slot counts while it is one of the last so many: 24 hours and the one that has just begun.
const SLOTS: u64 = DAY / SLOT + 1;
/// A clock that is behind by less was read before another thread's, not set back.
const JITTER: u64 = 10_000;

/// What one login may send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Of messages.
    pub messages: Rates,
    /// Of recipients.
    pub recipients: Rates,
}

/// How many of something; what is not given is not limited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// How many a minute in the long run.
    pub per_minute: Option<u32>,
    /// How many in any 24 hours.
    pub per_day: Option<u32>,
    /// How many at once; without it as many as a minute. Means nothing without `per_minute`.
    pub burst: Option<u32>,
}

impl Limits {
    /// Whether something is not limited at all.
    pub fn is_unlimited(&self, count: Count) -> bool {
        let rates = match count {
            Count::Messages => &self.messages,
            Count::Recipients => &self.recipients,
        };
        rates.per_minute.is_none() && rates.per_day.is_none()
    }
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// Messages.
    Messages,
    /// Recipients.
    Recipients,
}

/// Which limit is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// So many a minute, and so many at once.
    PerMinute {
        /// How many a minute.
        rate: u32,
        /// How many at once.
        burst: u32,
    },
    /// So many a day.
    PerDay(u32),
}

/// There is no room. Displayed for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exceeded {
    /// Of what there would have been too many.
    pub count: Count,
    /// The limit; if both are full, the one that is so for longer.
    pub limit: Limit,
    /// When there is room for as many, in milliseconds since 1970; none if there never is, because
    /// the limit is smaller than that.
    pub again_ms: Option<u64>,
}

impl fmt::Display for Exceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = match self.count {
            Count::Messages => "messages",
            Count::Recipients => "recipients",
        };
        match self.limit {
            Limit::PerMinute { rate, burst } => {
                write!(f, "more than {rate} {of} a minute ({burst} at once)")
            }
            Limit::PerDay(limit) => write!(f, "more than {limit} {of} in 24 hours"),
        }
    }
}

impl std::error::Error for Exceeded {}

/// Room that was taken, and can be given back.
#[derive(Debug)]
#[must_use = "tells what to give back if the message is not accepted"]
pub struct Ticket {
    login: String,
    count: Count,
    n: u32,
    slot: u64,
    /// What it put into the bucket, and how much had run out of it by then.
    poured: u64,
    drained: u64,
}

/// What was sent lately, by login.
#[derive(Debug, Default)]
pub struct Usage {
    clock: Clock,
    logins: HashMap<String, [Sent; 2]>,
}

impl Usage {
    /// Takes room for `n`. If there is none, nothing is counted. `now_ms` in milliseconds since
    /// 1970.
    pub fn take(
        &mut self,
        login: &str,
        count: Count,
        n: u32,
        limits: &Limits,
        now_ms: u64,
    ) -> Result<Ticket, Exceeded> {
        let now = self.clock.advance(now_ms);
        let rates = match count {
            Count::Messages => &limits.messages,
            Count::Recipients => &limits.recipients,
        };
        let login = login.to_lowercase();
        let sent = &mut self.logins.entry(login.clone()).or_default()[count as usize];
        sent.minute.drain(rates, now);
        sent.day.forget(now);
        let full = [sent.minute.wait(n, rates), sent.day.wait(n, rates, now)];
        // For ever is longer than any time.
        let longest = full.into_iter().flatten().max_by_key(|(_, wait)| wait.unwrap_or(u64::MAX));
        if let Some((limit, wait)) = longest {
            let again_ms = wait.map(|wait| self.clock.shown.saturating_add(wait));
            return Err(Exceeded { count, limit, again_ms });
        }
        let drained = sent.minute.drained;
        Ok(Ticket {
            poured: sent.minute.pour(n, rates),
            slot: sent.day.add(n, now),
            login,
            count,
            n,
            drained,
        })
    }

    /// Gives back what was taken for a message that was not accepted in the end.
    pub fn give_back(&mut self, ticket: Ticket) {
        let Ticket { login, count, n, slot, poured, drained } = ticket;
        if let Some(sent) = self.logins.get_mut(&login) {
            let sent = &mut sent[count as usize];
            sent.minute.take_out(poured, drained);
            sent.day.remove(n, slot);
        }
    }
}

/// The time that has passed, however the clock was set.
#[derive(Debug, Default)]
struct Clock {
    shown: u64,
    passed: u64,
}

impl Clock {
    /// The milliseconds that have passed, now that the clock shows `now_ms`. Where it was set back
    /// none have, and it goes on from there: neither does what was sent lie in the future and block
    /// until then, nor is it forgotten.
    fn advance(&mut self, now_ms: u64) -> u64 {
        if now_ms >= self.shown {
            self.passed = self.passed.saturating_add(now_ms - self.shown);
            self.shown = now_ms;
        } else if self.shown - now_ms > JITTER {
            self.shown = now_ms;
        }
        self.passed
    }
}

/// What one login sent of one thing.
#[derive(Debug, Default)]
struct Sent {
    minute: Bucket,
    day: Slots,
}

/// What is limited by the minute. A message is [`MINUTE`] parts of it, so that `per_minute` of them
/// run out in a millisecond.
#[derive(Debug, Default)]
struct Bucket {
    level: u64,
    /// When it was drained last.
    at: u64,
    /// How much has run out ever.
    drained: u64,
}

impl Bucket {
    fn capacity(rates: &Rates, per_minute: u32) -> u32 {
        rates.burst.unwrap_or(per_minute)
    }

    /// Lets run out what has run out by now. What a limit before a reload let in, and this one does
    /// not hold, is spilled: otherwise it could take days to run out.
    fn drain(&mut self, rates: &Rates, now: u64) {
        let Some(per_minute) = rates.per_minute else { return };
        let runs = (now - self.at).saturating_mul(per_minute.into());
        let capacity = u64::from(Self::capacity(rates, per_minute)) * MINUTE;
        let left = self.level.saturating_sub(runs).min(capacity);
        self.drained += self.level - left;
        self.level = left;
        self.at = now;
    }

    /// How long there is no room for `n`; none inside: never.
    fn wait(&self, n: u32, rates: &Rates) -> Option<(Limit, Option<u64>)> {
        let per_minute = rates.per_minute?;
        let burst = Self::capacity(rates, per_minute);
        let (n, capacity) = (u64::from(n) * MINUTE, u64::from(burst) * MINUTE);
        let excess = (self.level + n).saturating_sub(capacity);
        if n == 0 || excess == 0 {
            return None;
        }
        let comes = n <= capacity && per_minute > 0;
        let wait = comes.then(|| excess.div_ceil(per_minute.into()));
        Some((Limit::PerMinute { rate: per_minute, burst }, wait))
    }

    fn pour(&mut self, n: u32, rates: &Rates) -> u64 {
        let poured = rates.per_minute.map_or(0, |_| u64::from(n) * MINUTE);
        self.level += poured;
        poured
    }

    /// Takes out what was poured in when `drained` had run out. What ran out since may have been
    /// that very message; to take it out as well would make room for more than was ever given back.
    fn take_out(&mut self, poured: u64, drained: u64) {
        let left = poured.saturating_sub(self.drained - drained);
        self.level = self.level.saturating_sub(left);
    }
}

/// What is limited by the day: number and count of each slot in which something was sent. Counted
/// without a limit too, as a reload may bring one.
#[derive(Debug, Default)]
struct Slots(VecDeque<(u64, u64)>);

impl Slots {
    fn forget(&mut self, now: u64) {
        let current = now / SLOT;
        while self.0.front().is_some_and(|(slot, _)| slot + SLOTS <= current) {
            self.0.pop_front();
        }
    }

    /// How long there is no room for `n`; none inside: never.
    fn wait(&self, n: u32, rates: &Rates, now: u64) -> Option<(Limit, Option<u64>)> {
        let per_day = rates.per_day?;
        let sum: u64 = self.0.iter().map(|(_, sent)| sent).sum();
        let mut excess = (sum + u64::from(n)).saturating_sub(per_day.into());
        if n == 0 || excess == 0 {
            return None;
        }
        let comes = self.0.iter().find(|(_, sent)| {
            excess = excess.saturating_sub(*sent);
            excess == 0
        });
        let wait = comes.map(|(slot, _)| (slot + SLOTS) * SLOT - now);
        Some((Limit::PerDay(per_day), wait))
    }

    /// Counts; gives the number of the slot.
    fn add(&mut self, n: u32, now: u64) -> u64 {
        let current = now / SLOT;
        match self.0.back_mut() {
            Some((slot, sent)) if *slot == current => *sent += u64::from(n),
            _ => self.0.push_back((current, n.into())),
        }
        current
    }

    fn remove(&mut self, n: u32, slot: u64) {
        if let Some((_, sent)) = self.0.iter_mut().find(|(number, _)| *number == slot) {
            *sent = sent.saturating_sub(n.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: u64 = 1_790_000_000_000;
    const HOUR: u64 = 60 * MINUTE;

    fn messages(per_minute: Option<u32>, per_day: Option<u32>, burst: Option<u32>) -> Limits {
        let messages = Rates { per_minute, per_day, burst };
        Limits { messages, recipients: Rates::default() }
    }

    /// Takes room for `n` messages, or tells when there is room.
    fn again(usage: &mut Usage, n: u32, limits: &Limits, now: u64) -> Result<(), Option<u64>> {
        let taken = usage.take("ats", Count::Messages, n, limits, now);
        taken.map(drop).map_err(|full| full.again_ms)
    }

    fn takes(usage: &mut Usage, n: u32, limits: &Limits, now: u64) -> bool {
        again(usage, n, limits, now).is_ok()
    }

    #[test]
    fn the_minute_gives_a_burst_at_once_and_then_its_rate() {
        let limits = messages(Some(60), None, Some(3));
        let mut usage = Usage::default();
        for _ in 0..3 {
            assert!(takes(&mut usage, 1, &limits, NOW));
        }
        let full = usage.take("ats", Count::Messages, 1, &limits, NOW).unwrap_err();
        assert_eq!(full.again_ms, Some(NOW + 1000));
        assert_eq!(full.to_string(), "more than 60 messages a minute (3 at once)");
        assert!(!takes(&mut usage, 1, &limits, NOW + 999));
        assert!(takes(&mut usage, 1, &limits, NOW + 1000));
        assert!(!takes(&mut usage, 1, &limits, NOW + 1000));
        assert!(takes(&mut usage, 3, &limits, NOW + 4000));
    }

    #[test]
    fn without_a_burst_a_minutes_worth_goes_at_once() {
        let limits = messages(Some(5), None, None);
        let mut usage = Usage::default();
        assert!(takes(&mut usage, 5, &limits, NOW));
        assert_eq!(again(&mut usage, 1, &limits, NOW), Err(Some(NOW + 12_000)));
    }

    #[test]
    fn the_day_is_any_24_hours_and_not_the_calendars() {
        let limits = messages(None, Some(2), None);
        let mut usage = Usage::default();
        assert!(takes(&mut usage, 1, &limits, NOW));
        assert!(takes(&mut usage, 1, &limits, NOW + 23 * HOUR));
        let full = usage.take("ats", Count::Messages, 1, &limits, NOW + DAY - 1).unwrap_err();
        assert_eq!(full.limit, Limit::PerDay(2));
        assert_eq!(full.to_string(), "more than 2 messages in 24 hours");
        let at = full.again_ms.unwrap();
        assert!((NOW + DAY..=NOW + DAY + SLOT).contains(&at), "{at}");
        assert!(!takes(&mut usage, 1, &limits, at - 1));
        assert!(takes(&mut usage, 1, &limits, at));
        assert!(!takes(&mut usage, 1, &limits, at), "the one of the 23rd hour still counts");
    }

    #[test]
    fn logins_and_what_is_counted_are_apart_and_case_is_not() {
        let one = Rates { per_day: Some(1), ..Rates::default() };
        let limits = Limits { messages: one, recipients: one };
        let mut usage = Usage::default();
        let mut takes =
            |login: &str, count| usage.take(login, count, 1, &limits, NOW).map(drop).is_ok();
        assert!(takes("ats", Count::Messages));
        assert!(!takes("ATS", Count::Messages));
        assert!(takes("ats", Count::Recipients));
        assert!(takes("other", Count::Messages));
    }

    #[test]
    fn what_is_too_much_for_a_limit_never_has_room_and_without_limits_all_has() {
        let mut usage = Usage::default();
        for limits in [
            messages(Some(5), None, Some(3)),
            messages(Some(5), Some(3), None),
            messages(Some(0), None, Some(3)),
            messages(Some(0), None, None),
            messages(None, Some(0), None),
        ] {
            assert_eq!(again(&mut usage, 4, &limits, NOW), Err(None), "{limits:?}");
            assert!(takes(&mut usage, 0, &limits, NOW), "{limits:?}");
        }
        assert!(takes(&mut usage, u32::MAX, &messages(None, None, Some(1)), NOW));
    }

    #[test]
    fn what_is_given_back_is_free_at_once_and_not_twice() {
        let limits = messages(Some(10), Some(15), None);
        let mut usage = Usage::default();
        let ticket = usage.take("ats", Count::Messages, 10, &limits, NOW).unwrap();
        assert!(!takes(&mut usage, 1, &limits, NOW));
        usage.give_back(ticket);
        let ticket = usage.take("ats", Count::Messages, 10, &limits, NOW).unwrap();
        // A minute later it has run out by itself; given back now it is free for the day alone.
        assert!(takes(&mut usage, 5, &limits, NOW + MINUTE));
        usage.give_back(ticket);
        assert!(takes(&mut usage, 5, &limits, NOW + MINUTE));
        assert!(!takes(&mut usage, 1, &limits, NOW + MINUTE));
    }

    #[test]
    fn a_reload_changes_the_limits_of_what_was_sent_before() {
        let mut usage = Usage::default();
        assert!(takes(&mut usage, 100, &messages(Some(100), None, None), NOW));
        assert!(takes(&mut usage, 60, &messages(Some(160), None, None), NOW), "more");
        let less = messages(Some(2), None, None);
        assert_eq!(again(&mut usage, 1, &less, NOW), Err(Some(NOW + 30_000)), "not in an hour");
        let day = messages(None, Some(161), None);
        assert!(takes(&mut usage, 1, &day, NOW + 1), "counted before there was a limit");
        assert!(!takes(&mut usage, 1, &day, NOW + HOUR));
    }

    #[test]
    fn a_clock_set_back_neither_blocks_for_ever_nor_opens_the_limit() {
        let limits = messages(Some(1), Some(2), None);
        let mut usage = Usage::default();
        assert!(takes(&mut usage, 1, &limits, NOW));
        let back = NOW - 1000 * DAY;
        assert_eq!(again(&mut usage, 1, &limits, back), Err(Some(back + MINUTE)));
        assert!(takes(&mut usage, 1, &limits, back + MINUTE));
        assert!(!takes(&mut usage, 1, &limits, back + DAY - 1));
        assert!(takes(&mut usage, 1, &limits, back + DAY + SLOT));
    }

    #[test]
    fn times_read_by_threads_out_of_order_make_no_time_pass_twice() {
        let limits = messages(Some(60), None, Some(1));
        let mut usage = Usage::default();
        assert!(takes(&mut usage, 1, &limits, NOW));
        for _ in 0..100 {
            assert!(!takes(&mut usage, 1, &limits, NOW + 20));
            assert!(!takes(&mut usage, 1, &limits, NOW));
        }
        assert_eq!(again(&mut usage, 1, &limits, NOW), Err(Some(NOW + 1000)));
    }

    #[test]
    fn a_login_needs_a_bounded_number_of_slots() {
        let limits = Limits::default();
        let mut usage = Usage::default();
        for step in 0..10_000 {
            assert!(takes(&mut usage, 1, &limits, NOW + step * MINUTE));
        }
        assert_eq!(usage.logins["ats"][0].day.0.len() as u64, SLOTS);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Pass(u64),
        Take(u32),
        /// Gives back one of the tickets, the latest for 0.
        GiveBack(usize),
        /// How far, and whether something is asked for just before and just after.
        SetBack(u64, bool),
    }

    fn passing() -> impl Strategy<Value = u64> {
        prop_oneof![0..100u64, 0..30_000u64, 0..2 * HOUR, DAY - SLOT..DAY + 2 * SLOT]
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => passing().prop_map(Step::Pass),
            6 => (0..6u32).prop_map(Step::Take),
            2 => (0..10usize).prop_map(Step::GiveBack),
            1 => (JITTER + 1..3 * DAY, any::<bool>()).prop_map(|(by, seen)| Step::SetBack(by, seen)),
        ]
    }

    fn rates() -> impl Strategy<Value = (u32, u32, u32)> {
        (1..30u32, 1..60u32, 1..20u32)
    }

    /// A plain list of what was taken: when by true time, how many, and whether it stands.
    type Taken = Vec<(u64, u32, bool)>;

    fn sum(taken: &Taken, now: u64, window: u64, all: bool) -> u32 {
        let within = |time: u64| now - time < window;
        taken.iter().filter(|t| within(t.0) && (all || t.2)).map(|t| t.1).sum()
    }

    /// What is in a bucket in the end, in parts, if nothing is ever given back.
    fn level(taken: &Taken, now: u64, per_minute: u32) -> u64 {
        let (mut level, mut at) = (0u64, 0);
        for &(time, n, _) in taken.iter().chain([&(now, 0, true)]) {
            level = level.saturating_sub((time - at) * u64::from(per_minute));
            level += u64::from(n) * MINUTE;
            at = time;
        }
        level
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        #[test]
        fn no_window_holds_more_than_its_limit_and_nothing_is_refused_without_need(
            (per_minute, per_day, burst) in rates(),
            steps in prop::collection::vec(step(), 1..150),
        ) {
            let limits = messages(Some(per_minute), Some(per_day), Some(burst));
            let mut usage = Usage::default();
            let (mut time, mut shown) = (0, NOW);
            let mut taken = Taken::new();
            let mut tickets = Vec::new();
            // A clock set back in silence hides time that passed: then more may be refused.
            let mut all_seen = true;
            for step in steps {
                match step {
                    Step::Pass(pass) => { time += pass; shown += pass; }
                    Step::SetBack(by, seen) => {
                        all_seen &= seen;
                        if seen {
                            prop_assert!(takes(&mut usage, 0, &limits, shown));
                        }
                        shown -= by;
                        if seen {
                            prop_assert!(takes(&mut usage, 0, &limits, shown));
                        }
                    }
                    Step::GiveBack(which) if which < tickets.len() => {
                        let (ticket, index) = tickets.remove(tickets.len() - 1 - which);
                        usage.give_back(ticket);
                        let entry: &mut (u64, u32, bool) = &mut taken[index];
                        entry.2 = false;
                    }
                    Step::GiveBack(_) => {}
                    Step::Take(n) => match usage.take("ats", Count::Messages, n, &limits, shown) {
                        Ok(ticket) => {
                            tickets.push((ticket, taken.len()));
                            taken.push((time, n, true));
                            prop_assert!(n == 0 || sum(&taken, time, DAY, false) <= per_day);
                            let most = burst + per_minute;
                            // Both ends of the minute count.
                            prop_assert!(n == 0 || sum(&taken, time, MINUTE + 1, false) <= most);
                        }
                        Err(full) => {
                            let room = sum(&taken, time, DAY + SLOT, true) + n <= per_day;
                            let after = level(&taken, time, per_minute) + u64::from(n) * MINUTE;
                            let clearly = all_seen && room && after <= u64::from(burst) * MINUTE;
                            prop_assert!(!clearly, "{full}");
                            prop_assert_eq!(full.again_ms.is_none(), n > burst.min(per_day));
                        }
                    },
                }
            }
        }

        #[test]
        fn the_time_told_is_the_first_at_which_there_is_room(
            (per_minute, per_day, burst) in rates(),
            steps in prop::collection::vec((passing(), 1..6u32), 1..60),
        ) {
            let limits = messages(Some(per_minute), Some(per_day), Some(burst));
            let mut usage = Usage::default();
            let mut now = NOW;
            for (pass, n) in steps {
                now += pass;
                if let Err(Some(at)) = again(&mut usage, n, &limits, now) {
                    prop_assert!(at > now);
                    let full = usage.take("ats", Count::Messages, n, &limits, at - 1);
                    prop_assert!(full.is_err());
                    now = at;
                    prop_assert!(takes(&mut usage, n, &limits, now));
                }
            }
        }
    }
}
