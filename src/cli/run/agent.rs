//! The agent's parts, started and stopped together.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::agent::alerts::{self, Alerts};
use crate::agent::books::{Books, Observer};
use crate::agent::{self, Unwrapper, verify};
use crate::config::Config;
use crate::observe;
use crate::socket::Bound;

/// How long the agent may take for what it has begun.
const AGENT_DRAIN: Duration = Duration::from_secs(5);

/// How long the ledger may take for what it is at.
const BOOKS_DRAIN: Duration = Duration::from_secs(5);

/// Of what happened longer ago, in seconds, nobody is told any more.
const OLD_NEWS: i64 = 86_400;

/// The agent at work.
pub(super) struct Agent {
    /// Nothing where no message is to be unwrapped.
    unwrapper: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
    /// Keeps the addresses verified.
    verifier: JoinHandle<()>,
    /// Tells people of trouble.
    alerter: JoinHandle<()>,
    /// Nothing where there is no thread for it.
    books: Option<Books>,
}

impl Agent {
    /// Starts it. It goes by the configuration that `current` holds at the time.
    pub(super) fn start(bound: Vec<Bound>, current: &Arc<ArcSwap<Config>>) -> Self {
        let (alerts, told) = Alerts::new();
        Self {
            unwrapper: (!bound.is_empty()).then(|| unwrapper(bound, current)),
            verifier: tokio::spawn(verify::run(Arc::clone(current), tells(&alerts))),
            books: books(current, &alerts),
            alerter: tokio::spawn(alerts::run(Arc::clone(current), told)),
        }
    }

    /// Stops it; what it has begun may come to its end.
    pub(super) async fn stop(self) {
        // A probe that is cut off is another one later.
        self.verifier.abort();
        self.alerter.abort();
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

/// Hands over to the alerts what is new about an address.
fn tells(alerts: &Alerts) -> verify::Told {
    let alerts = alerts.clone();
    Box::new(move |rule, verdict| {
        if let Some(alert) = alerts::verification(rule, verdict) {
            alerts.raise(alert);
        }
    })
}

fn books(current: &Arc<ArcSwap<Config>>, alerts: &Alerts) -> Option<Books> {
    let (alerts, config) = (alerts.clone(), Arc::clone(current));
    let failures: Observer = Box::new(move |entry| {
        // After a ledger was lost the journal is read again: old news.
        if Timestamp::now().as_second() - entry.time.as_second() > OLD_NEWS {
            return;
        }
        if let Some(alert) = alerts::failed_copy(&config.load().rules, entry) {
            alerts.raise(alert);
        }
    });
    let books = Books::start(Arc::clone(current), vec![failures]);
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
