//! What `postfix --check` says, for those who ask whether mail gets through: `status` once, the agent
//! again and again.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use crate::config::Config;
use crate::postfix;
use crate::way::{self, Spot, State};

/// How long the agent goes by what it has seen, while Postfix's files stay as they are: tables elsewhere, and
/// what others have kept, change without them.
const FRESH: Duration = Duration::from_secs(180);

/// Looks at Postfix's configuration, and keeps what was seen for those who cannot.
pub(super) fn settings(config: &Config) -> Spot {
    let instance = &way::instance(config);
    let spot = way::settings(postfix::check(instance, config), config);
    let _ = way::keep_settings(config, instance, &spot);
    spot
}

/// The agent's eye on Postfix's configuration.
#[derive(Default)]
pub(super) struct Watch(Mutex<Option<Seen>>);

struct Seen {
    stamp: Vec<(PathBuf, SystemTime, u64)>,
    config: String,
    at: Instant,
    spot: Spot,
}

impl Watch {
    /// How it is now. Under systemd the agent may start no program: then what others have seen counts, and
    /// nothing where nobody has looked.
    pub(super) fn look(&self, config: &Config) -> Option<Spot> {
        let (stamp, fingerprint) = (way::stamp(config), config.fingerprint());
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(seen) = &*seen
            && seen.stamp == stamp
            && seen.config == fingerprint
            && seen.at.elapsed() < FRESH
        {
            return Some(seen.spot.clone());
        }
        let spot = settings(config);
        if matches!(spot.state, State::NotLooked(_)) {
            *seen = None;
            return way::kept_settings(config);
        }
        *seen = Some(Seen { stamp, config: fingerprint, at: Instant::now(), spot: spot.clone() });
        Some(spot)
    }
}
