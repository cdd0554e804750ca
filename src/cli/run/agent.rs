//! The agent's parts, started and stopped together.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::agent::books::Books;
use crate::agent::{self, Unwrapper, verify};
use crate::config::Config;
use crate::observe;
use crate::socket::Bound;

/// How long the agent may take for what it has begun.
const AGENT_DRAIN: Duration = Duration::from_secs(5);

/// How long the ledger may take for what it is at.
const BOOKS_DRAIN: Duration = Duration::from_secs(5);

/// The agent at work.
pub(super) struct Agent {
    /// Nothing where no message is to be unwrapped.
    unwrapper: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
    /// Keeps the addresses verified.
    verifier: JoinHandle<()>,
    /// Nothing where there is no thread for it.
    books: Option<Books>,
}

impl Agent {
    /// Starts it. It goes by the configuration that `current` holds at the time.
    pub(super) fn start(bound: Vec<Bound>, current: &Arc<ArcSwap<Config>>) -> Self {
        Self {
            unwrapper: (!bound.is_empty()).then(|| unwrapper(bound, current)),
            verifier: tokio::spawn(verify::run(Arc::clone(current), Box::new(|_, _| {}))),
            books: books(current),
        }
    }

    /// Stops it; what it has begun may come to its end.
    pub(super) async fn stop(self) {
        // A probe that is cut off is another one later.
        self.verifier.abort();
        if let Some((stop, running)) = self.unwrapper {
            drop(stop);
            let _ = running.await;
        }
        if let Some(books) = self.books {
            // It may wait for a database: not on a thread that serves sessions.
            let _ = tokio::task::spawn_blocking(|| books.stop(BOOKS_DRAIN)).await;
        }
    }
}

fn books(current: &Arc<ArcSwap<Config>>) -> Option<Books> {
    let books = Books::start(Arc::clone(current), Vec::new());
    books.inspect_err(|error| observe::ledger_trouble(error, "start the agent again")).ok()
}

fn unwrapper(
    bound: Vec<Bound>,
    current: &Arc<ArcSwap<Config>>,
) -> (oneshot::Sender<()>, JoinHandle<()>) {
    let (stop, stopped) = oneshot::channel();
    let size = current.load().rules.reading.unwrap_limit;
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let drain = current.load().milter.drain.min(AGENT_DRAIN);
    let current = Arc::clone(current);
    let inbox = Unwrapper::new(move || {
        let config = current.load();
        agent::Settings {
            keys: config.keys.clone(),
            handoff_domain: config.rules.handoff_domain.clone(),
            smtpd: config.handoff.smtpd,
        }
    });
    let shutdown = async { drop(stopped.await) };
    (stop, tokio::spawn(agent::serve(bound, inbox, size, drain, shutdown)))
}
