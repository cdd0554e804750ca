//! The net under all reading of what strangers wrote: a reader that panics or does not come to an
//! end gives no answer, and whoever asked goes on without.
//!
//! A thread that hangs cannot be stopped. So what may take long is read on threads of its own, a few
//! at most; while all of them hang, nothing is read until a restart, and mail still goes on.
//!
//! Must not know what is decided for want of an answer.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout, timeout_at};

use crate::policy::forward::{self, Advice, Arrival};
use crate::policy::keys::Keys;
use crate::policy::rules::Rules;
use crate::policy::unread::{Place, Unread};

/// So many messages are read at a time. Reading is a matter of milliseconds; and no more threads than
/// these can ever hang, each with a message within our bounds.
const ROOM: usize = 8;

/// The seam for fault injection in tests: called at every place before anything is read there. It may
/// block or panic. Production has none.
pub type ReadHook = Arc<dyn Fn(Place) + Send + Sync>;

/// Holds what falls.
#[derive(Clone, Default)]
pub struct Net {
    hook: Option<ReadHook>,
}

impl Net {
    /// A net with a seam for fault injection. For tests only.
    #[allow(dead_code, reason = "a seam for tests")]
    pub fn with_hook(hook: ReadHook) -> Self {
        Self { hook: Some(hook) }
    }

    /// Reads something here and now: what is short by its nature, or runs on a thread that may hang.
    pub fn read<T>(&self, place: Place, work: impl FnOnce() -> T) -> Result<T, Unread> {
        // The work is dropped by a panic, and what it has changed is not looked at again.
        let read = catch_unwind(AssertUnwindSafe(|| {
            if let Some(hook) = &self.hook {
                hook(place);
            }
            work()
        }));
        read.map_err(|_| Unread::Panic)
    }

    /// Reads what a decision in pass 2 can go by, and shows what there is after each place. `unread`
    /// says why the header is not known in full, and the message is to stay unread.
    pub fn advise(
        &self,
        rules: &Rules,
        keys: &Keys,
        arrival: &Arrival<'_>,
        unread: Option<Unread>,
        so_far: &SoFar,
    ) -> Advice {
        let mut advice = Advice::none(unread.unwrap_or(Unread::Panic));
        for &place in forward::places(arrival) {
            if unread.is_some() && matches!(place, Place::Message | Place::Attached) {
                continue;
            }
            so_far.see(|seen| seen.at = Some(place));
            match self.read(place, || forward::read(place, rules, keys, arrival, &advice)) {
                Ok(piece) if unread.is_some() => advice.take(piece.of_a_part()),
                Ok(piece) => advice.take(piece),
                Err(why) => so_far.see(|seen| seen.missed.push((place, why))),
            }
            so_far.see(|seen| seen.advice = Some(advice.clone()));
        }
        so_far.see(|seen| seen.at = None);
        advice
    }
}

/// What was read of a message so far, for whoever does not wait for the rest.
#[derive(Clone, Default)]
pub struct SoFar(Arc<Mutex<Seen>>);

/// See [`SoFar`].
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// What was read. What is missing so far is so by a panic.
    pub advice: Option<Advice>,
    /// The places where nothing could be read, and why.
    pub missed: Vec<(Place, Unread)>,
    /// Where something is being read.
    pub at: Option<Place>,
}

impl SoFar {
    /// Changes it.
    pub fn see(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.lock());
    }

    /// What there is.
    pub fn seen(&self) -> Seen {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The threads on which messages are read. Clones are the same.
#[derive(Clone)]
pub struct Readers {
    net: Net,
    room: Arc<Semaphore>,
}

impl Default for Readers {
    fn default() -> Self {
        Self::new(Net::default())
    }
}

impl Readers {
    /// Readers above a net.
    pub fn new(net: Net) -> Self {
        Self { net, room: Arc::new(Semaphore::new(ROOM)) }
    }

    /// The net, for what is read here and now.
    pub fn net(&self) -> &Net {
        &self.net
    }

    /// Reads on a thread of its own. It may take `limit`, half of it to come to its turn.
    pub async fn apart<T: Send + 'static>(
        &self,
        limit: Duration,
        work: impl FnOnce(&Net) -> T + Send + 'static,
    ) -> Result<T, Unread> {
        let end = Instant::now() + limit;
        let turn = timeout(limit / 2, Arc::clone(&self.room).acquire_owned()).await;
        let Ok(Ok(turn)) = turn else { return Err(Unread::Busy) };
        let net = self.net.clone();
        let job = spawn_blocking(move || {
            let done = work(&net);
            drop(turn);
            done
        });
        match timeout_at(end, job).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(_)) => Err(Unread::Panic),
            Err(_) => Err(Unread::Deadline),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    const SHORT: Duration = Duration::from_millis(100);
    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn what_panics_gives_no_answer() {
        let net = Net::default();
        assert_eq!(net.read(Place::Seal, || 7), Ok(7));
        assert_eq!(net.read(Place::Seal, || panic!("on purpose")), Err::<u8, _>(Unread::Panic));
    }

    #[tokio::test]
    async fn what_hangs_is_not_waited_for_and_takes_no_more_than_its_room() {
        let readers = Readers::default();
        assert_eq!(readers.apart(LONG, |_| 7).await, Ok(7));
        let panics = readers.apart(LONG, |_| -> u8 { panic!("on purpose") }).await;
        assert_eq!(panics, Err(Unread::Panic));
        let (end, ends) = mpsc::channel::<()>();
        let ends = Arc::new(Mutex::new(ends));
        let hang = || {
            let ends = Arc::clone(&ends);
            move |_: &Net| _ = ends.lock().unwrap().recv()
        };
        for _ in 0..ROOM {
            assert_eq!(readers.apart(SHORT, hang()).await, Err(Unread::Deadline));
        }
        assert_eq!(readers.apart(SHORT, |_| 7).await, Err(Unread::Busy));
        // Those that come to an end after all make room.
        drop(end);
        assert_eq!(readers.apart(LONG, |_| 7).await, Ok(7));
    }
}
