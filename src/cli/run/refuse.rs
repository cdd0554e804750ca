//! No configuration to start with, and systemd holds the sockets: whoever connects is turned away at once, until
//! there is one. Postfix answers 451 in the same second then, and the client keeps its message; with
//! nobody here it would wait for half a minute, each time.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::future::poll_fn;
use std::path::Path;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::sockets::passed_in;
use super::start::Broken;
use super::{Exit, Signals, fatal, notify, watch};
use crate::config::{self, Surroundings};
use crate::observe;
use crate::socket::Bound;

/// How often it is looked whether there is a configuration now.
const LOOK: Duration = Duration::from_secs(1);

/// How often the log is told.
const TELL: Duration = Duration::from_secs(60);

/// How long nobody is accepted after an error of accept(2).
const PAUSE: Duration = Duration::from_millis(100);

/// Turns everybody away. Ends when the configuration can be used, to be started again by systemd, which keeps
/// the sockets.
pub(super) async fn refuse(path: &Path, broken: &Broken) -> Exit {
    // Before the sockets are taken: see `Start::around`.
    let around = Surroundings::of_process();
    let (listen, agent) = match passed_in() {
        Ok(passed_in) => passed_in,
        Err(error) => return fatal(&error.to_string(), Exit::Unavailable),
    };
    let Some(mut signals) = Signals::new() else {
        return fatal("cannot listen to signals", Exit::Os);
    };
    let mut doors = JoinSet::new();
    for bound in
        listen.front.into_iter().chain(listen.submission).chain(listen.handoff).chain(agent)
    {
        doors.spawn(turn_away(bound));
    }
    let words = format!("all mail is put off (4xx): the configuration is broken: {}", broken.first);
    notify(&[NotifyState::Ready, NotifyState::Status(&words)]);
    doors.spawn(watch(Vec::new()));
    let mut told: Option<Instant> = None;
    loop {
        if told.is_none_or(|told| told.elapsed() >= TELL) {
            observe::refusing(path, &broken.first);
            told = Some(Instant::now());
        }
        tokio::select! {
            _ = signals.term.recv() => return Exit::Ok,
            _ = signals.int.recv() => return Exit::Ok,
            // It is looked at anyway.
            _ = signals.hup.recv() => {}
            () = sleep(LOOK) => {}
        }
        if config::load_with(path, &around).is_ok() {
            observe::configured(path);
            return Exit::Ok;
        }
    }
}

/// Accepts whoever comes to a socket, and closes.
async fn turn_away(bound: Bound) {
    loop {
        if poll_fn(|cx| bound.poll_accept(cx)).await.is_err() {
            sleep(PAUSE).await;
        }
    }
}
