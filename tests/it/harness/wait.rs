//! Waiting for a condition: polling with a limit, never a fixed sleep.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long anything may take that is expected to happen soon. Generous, because the machine may be
/// busy; nothing waits that long unless it fails.
pub const LIMIT: Duration = Duration::from_secs(60);

/// Waits until `get` gives something, and panics with `what` after `limit`.
#[track_caller]
pub fn wait_for<T>(what: &str, limit: Duration, get: impl FnMut() -> Option<T>) -> T {
    within(limit, get).unwrap_or_else(|| panic!("not within {limit:?}: {what}"))
}

/// Waits until `get` gives something, but not longer than `limit`.
pub fn within<T>(limit: Duration, mut get: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + limit;
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(found) = get() {
            return Some(found);
        }
        if Instant::now() > end {
            return None;
        }
        sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

/// Waits until `condition` holds, and panics with `what` after `limit`.
#[track_caller]
pub fn wait_until(what: &str, limit: Duration, mut condition: impl FnMut() -> bool) {
    wait_for(what, limit, || condition().then_some(()));
}
