//! Looks at the way of mail each minute, and tells what is broken there and for how long.
//!
//! Must not know how it is looked, nor who is told.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use jiff::Timestamp;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};

use crate::config::Config;
use crate::observe;
use crate::way::{Depth, Place, Spot, State, Way, look};

/// How long after the start it is looked first: Postfix may be starting as well.
const FIRST: Duration = Duration::from_secs(10);
/// How often it is looked.
const EVERY: Duration = Duration::from_secs(60);
/// How often while something is wrong: whoever mends it waits for the answer.
const SOON: Duration = Duration::from_secs(10);
/// Each so many looks are at our own smtpds as well. They write two lines about each.
const DEEP: u32 = 10;
/// Nobody is told before something has been wrong for so long: services restart, and a host boots.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long after the last time somebody is told again of what is still wrong.
const AGAIN: Duration = Duration::from_secs(86_400);
/// What was seen longer ago, in seconds, says nothing.
const FRESH: i64 = 300;

/// What was seen last.
#[derive(Clone, Debug)]
pub struct View {
    /// The way of mail.
    pub way: Way,
    /// When.
    pub at: Timestamp,
}

/// The last look, for those who have something to say about mail. Nothing before the first.
#[derive(Clone, Debug, Default)]
pub struct Sight(Arc<ArcSwapOption<View>>);

impl Sight {
    /// The way as it is now; nothing if nobody has looked lately.
    pub fn now(&self) -> Option<Arc<View>> {
        let view = self.0.load_full()?;
        let age = Timestamp::now().as_second() - view.at.as_second();
        (age.abs() <= FRESH).then_some(view)
    }

    /// Sees this now.
    pub fn see(&self, way: Way) {
        self.0.store(Some(Arc::new(View { way, at: Timestamp::now() })));
    }
}

/// Somebody who is told what is wrong with a place, or that it no longer is.
pub type Told = Box<dyn Fn(&Config, &News) + Send + Sync>;

/// What is new about a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// It has been wrong for some time.
    Stopped(Spot),
    /// It is right again.
    Open(Spot),
}

/// Somebody who looks at Postfix's configuration. It may take its time, and see nothing.
pub type Checks = Arc<dyn Fn(&Config) -> Option<Spot> + Send + Sync>;

/// Works until it is dropped.
pub async fn run(current: Arc<ArcSwap<Config>>, sight: Sight, checks: Checks, told: Told) {
    let mut memory = Memory::default();
    let mut looks: u32 = 0;
    sleep(FIRST).await;
    loop {
        let config = current.load_full();
        let before = sight.0.load_full();
        let open = before.as_ref().is_none_or(|view| view.way.is_open());
        let depth = if looks.is_multiple_of(DEEP) || !open { Depth::All } else { Depth::Entrance };
        looks = looks.wrapping_add(1);
        let mut way = look(&config, depth).await;
        if depth == Depth::Entrance
            && let Some(before) = &before
        {
            way = way.completed(&before.way);
        }
        let checks = Arc::clone(&checks);
        let settings = spawn_blocking(move || checks(&config)).await.ok().flatten();
        let config = current.load_full();
        way = way.with(settings);
        for news in memory.take(&way, Instant::now()) {
            told(&config, &news);
        }
        let open = way.is_open();
        sight.see(way);
        sleep(if open { EVERY } else { SOON }).await;
    }
}

/// What is known to be wrong.
#[derive(Default)]
struct Memory(HashMap<String, Known>);

struct Known {
    is_address: bool,
    since: Instant,
    told: Option<Instant>,
}

impl Memory {
    /// Takes what was seen; what is to be told of it.
    fn take(&mut self, way: &Way, now: Instant) -> Vec<News> {
        let mut news = Vec::new();
        for spot in way.troubles() {
            let known = self.0.entry(spot.place.to_string()).or_insert_with(|| {
                observe::way_stopped(&spot.english(), &spot.remedy());
                let is_address = matches!(spot.place, Place::Address(_));
                Known { is_address, since: now, told: None }
            });
            let due = known.told.is_none_or(|told| now - told >= AGAIN);
            if now - known.since >= PATIENCE && due {
                known.told = Some(now);
                news.push(News::Stopped(spot.clone()));
            }
        }
        // What is not to be seen for something else that is wrong is not right for that.
        for spot in way.spots().iter().filter(|spot| spot.state == State::Open) {
            if let Some(known) = self.0.remove(&spot.place.to_string()) {
                observe::way_open(&spot.place);
                news.extend(known.told.map(|_| News::Open(spot.clone())));
            }
        }
        // What is no longer configured. While no mail comes in nobody asks for addresses.
        let closed = way
            .spots()
            .iter()
            .any(|spot| matches!(spot.place, Place::Entrance(_)) && spot.state != State::Open);
        self.0.retain(|place, known| {
            known.is_address && closed || way.spots().iter().any(|s| s.place.to_string() == *place)
        });
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Socket;
    use crate::way::Side;

    fn spot(place: Place, stopped: bool) -> Spot {
        let state = if stopped { State::Silent("no".into()) } else { State::Open };
        Spot { place, state }
    }

    fn front() -> Place {
        Place::Socket(Side::Front, Socket::Unix("/run/front.sock".into()))
    }

    fn via() -> Place {
        Place::Entrance("127.0.0.1:25".parse().unwrap())
    }

    #[test]
    fn what_stays_wrong_is_told_once_a_day_and_its_end_once() {
        let mut memory = Memory::default();
        let start = Instant::now();
        let mut see = |stopped: bool, seconds: u64| {
            let way = Way::of(vec![spot(front(), stopped)]);
            memory.take(&way, start + Duration::from_secs(seconds))
        };
        let (bad, good) = (spot(front(), true), spot(front(), false));
        assert_eq!(see(false, 0), []);
        assert_eq!(see(true, 60), []);
        assert_eq!(see(true, 70), []);
        assert_eq!(see(true, 120), [News::Stopped(bad.clone())]);
        assert_eq!(see(true, 130), []);
        assert_eq!(see(true, 120 + 86_400), [News::Stopped(bad)]);
        assert_eq!(see(false, 120 + 86_410), [News::Open(good)]);
        assert_eq!(see(false, 120 + 86_470), []);
        // What is mended before anybody was told is told to nobody.
        assert_eq!(see(true, 200_000), []);
        assert_eq!(see(false, 200_010), []);
    }

    #[test]
    fn what_is_hidden_behind_another_fault_is_not_right_for_that() {
        let mut memory = Memory::default();
        let start = Instant::now();
        let refused = Spot { place: via(), state: State::Refused("451 no".into()) };
        let mut see = |front_stopped: bool, via_state: &Spot, seconds: u64| {
            let way = Way::of(vec![spot(front(), front_stopped), via_state.clone()]);
            memory.take(&way, start + Duration::from_secs(seconds))
        };
        assert_eq!(see(false, &refused, 0), []);
        assert_eq!(see(false, &refused, 60), [News::Stopped(refused.clone())]);
        assert_eq!(see(true, &refused, 70), []);
        assert_eq!(see(true, &refused, 130), [News::Stopped(spot(front(), true))]);
        let open = spot(via(), false);
        assert_eq!(
            see(false, &open, 140),
            [News::Open(spot(front(), false)), News::Open(open.clone())]
        );
    }

    #[test]
    fn an_address_that_nobody_can_ask_for_is_not_forgotten() {
        let mut memory = Memory::default();
        let start = Instant::now();
        let address = Place::Address(crate::mail::Address::parse("jobs@acme.example").unwrap());
        let mut see = |spots: Vec<Spot>, seconds: u64| {
            memory.take(&Way::of(spots), start + Duration::from_secs(seconds))
        };
        let refused = spot(address.clone(), true);
        assert_eq!(see(vec![spot(via(), false), refused.clone()], 0), []);
        let told = [News::Stopped(refused.clone())];
        assert_eq!(see(vec![spot(via(), false), refused.clone()], 60), told);
        assert_eq!(see(vec![spot(via(), true)], 70), []);
        assert_eq!(see(vec![spot(via(), false), refused], 80), []);
        assert_eq!(see(vec![spot(via(), true)], 90), []);
        let open = spot(address, false);
        assert_eq!(see(vec![spot(via(), false), open.clone()], 100), [News::Open(open)]);
        assert_eq!(see(vec![spot(via(), false)], 110), []);
    }
}
