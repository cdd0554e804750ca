//! The milter role: the imperative shell around the decisions.
//!
//! A session is: translate the events of the protocol into plain data, ask one function, carry out
//! the plan it returns. The role opens no network connection besides its sockets, no database and
//! no file, and can be killed at any moment.
//!
//! * [`decide`]: whom it asks, and with what. [`active`], [`passes`]: who that is in production, with
//!   one file for each pass: [`front`], [`submission`], [`handoff`]. [`record`]: what is told of it.
//! * [`shell`], `session`, [`execute`]: one step, the dialogue, the plan. [`stage`]: where it is.
//! * [`listener`], [`stream`]: connections and their limits, with [`socket`](crate::socket) and
//!   [`gate`](crate::gate).
//! * [`notice`]: what goes wrong. [`liveness`]: whether it answers.
//!
//! The only place that names the protocol library. Must not know why anything is decided.
// SPDX-License-Identifier: GPL-3.0-or-later

pub mod active;
pub mod decide;
pub mod execute;
pub mod front;
pub mod handoff;
pub mod listener;
pub mod liveness;
mod moment;
pub mod notice;
pub mod passes;
pub mod record;
mod session;
pub mod shell;
pub mod stage;
pub mod stream;
pub mod submission;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};

use crate::config::{MilterSettings, Socket};
use crate::gate::{Gate, Order};
use crate::socket::{Bound, SocketError};
use decide::Decide;
use listener::{Listener, Sockets};

use shell::Shell;

/// How long sessions that seem idle go on after the order to stop.
// Postfix: sends MAIL and RCPT, which need no answer, together with the end of the message. So a
// session that seems idle can have a message under way; most messages take less than this.
const GRACE: Duration = Duration::from_secs(2);
/// How long sessions that were told to end now are waited for. One that does not is in a decision
/// that blocks, and goes down with the runtime.
const LAST_WAIT: Duration = Duration::from_secs(1);

/// Where to listen for each pass.
#[derive(Debug, Default)]
pub struct Listen {
    /// Pass 1.
    pub front: Vec<Bound>,
    /// Outgoing mail.
    pub submission: Vec<Bound>,
    /// Pass 2.
    pub handoff: Vec<Bound>,
}

impl Listen {
    /// Binds what the configuration names, for each pass that has no sockets passed in already. To
    /// be called within a tokio runtime.
    #[allow(dead_code, reason = "a seam for tests")]
    pub fn bind(self, settings: &MilterSettings) -> Result<Self, SocketError> {
        let (bound, errors) = self.bind_rest(settings);
        errors.into_iter().next().map_or(Ok(bound), Err)
    }

    /// [`bind`](Self::bind), going on with the next where one fails.
    pub fn bind_rest(mut self, settings: &MilterSettings) -> (Self, Vec<SocketError>) {
        let mut errors = Vec::new();
        for (bound, sockets) in [
            (&mut self.front, &settings.front),
            (&mut self.submission, &settings.submission),
            (&mut self.handoff, &settings.handoff),
        ] {
            if bound.is_empty() {
                for socket in sockets {
                    match Bound::bind(socket) {
                        Ok(one) => bound.push(one),
                        Err(error) => errors.push(error),
                    }
                }
            }
        }
        (self, errors)
    }

    /// Where to connect to reach these sockets, for [`liveness`].
    pub fn addresses(&self) -> Vec<Socket> {
        let all = self.front.iter().chain(&self.submission).chain(&self.handoff);
        all.filter_map(Bound::address).collect()
    }
}

/// How serving has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// How many sessions were ended within a message because the time to drain was over.
    pub cut: usize,
}

/// Serves all sockets until `shutdown` completes. Then nobody is let in any more, idle sessions end
/// after a moment and the others with the message they are in, for which they have
/// `settings.drain`.
pub async fn serve<D: Decide>(
    listen: Listen,
    shell: Arc<Shell<D>>,
    settings: &MilterSettings,
    shutdown: impl Future<Output = ()>,
) -> io::Result<Drained> {
    let gates = [(); 3].map(|()| Gate::new(settings.max_sessions));
    let stop = watch::Sender::new(());
    let stopped = || {
        let mut stop = stop.subscribe();
        async move {
            // Closed or changed: both mean stop.
            let _ = stop.changed().await;
        }
    };
    let notices = shell.notices();
    let [front, submission, handoff] =
        [(listen.front, &gates[0]), (listen.submission, &gates[1]), (listen.handoff, &gates[2])]
            .map(|(bound, gate)| Listener::new(Sockets::new(bound), gate.clone(), notices.clone()));

    let mut running = JoinSet::new();
    let callbacks = session::front::callbacks(&shell);
    running.spawn(indymilter::run(front, callbacks, library(), stopped()));
    let callbacks = session::submission::callbacks(&shell);
    running.spawn(indymilter::run(submission, callbacks, library(), stopped()));
    let callbacks = session::handoff::callbacks(&shell);
    running.spawn(indymilter::run(handoff, callbacks, library(), stopped()));

    tokio::select! {
        () = shutdown => {}
        // Our listener returns no errors, so this does not happen; if it does, it must be seen.
        ended = running.join_next() => {
            return Err(match ended {
                Some(Ok(Err(error))) => error,
                Some(Err(error)) => io::Error::other(error),
                _ => io::Error::other("a listener has ended by itself"),
            });
        }
    }

    let give = |order| {
        for gate in &gates {
            gate.give(order);
        }
    };
    let all_empty = async || {
        for gate in &gates {
            gate.empty().await;
        }
    };
    give(Order::Drain);
    let end = Instant::now() + settings.drain;
    let _ = timeout(GRACE.min(settings.drain), all_empty()).await;
    give(Order::Leave);
    let _ = timeout_at(end, all_empty()).await;
    let cut = gates.iter().map(Gate::open).sum();
    give(Order::End);
    let _ = timeout(LAST_WAIT, all_empty()).await;
    stop.send_replace(());
    let all_ended = async { while running.join_next().await.is_some() {} };
    let _ = timeout(LAST_WAIT, all_ended).await;
    Ok(Drained { cut })
}

/// The library's settings. Our [`Gate`] limits sessions, its own limit must not bite before.
fn library() -> indymilter::Config {
    indymilter::Config { max_connections: usize::MAX >> 4, ..Default::default() }
}
