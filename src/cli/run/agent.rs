//! The agent's parts, started and stopped together.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::super::standing::Watch;
use super::reload::Live;
use crate::agent::alerts::{self, Alerts};
use crate::agent::books::{Books, Counters, Observer};
use crate::agent::lookout::{self, Sight};
use crate::agent::metrics::{self, Metrics};
use crate::agent::unwrapper::{self, Unwrapper};
use crate::agent::verify;
use crate::config::Config;
use crate::lmtp;
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
    /// Looks at the way of mail.
    lookout: JoinHandle<()>,
    /// Tells people of trouble.
    alerter: JoinHandle<()>,
    /// Gives out figures, where they are asked for.
    figures: Option<JoinHandle<()>>,
    /// Nothing where there is no thread for it.
    books: Option<Books>,
}

impl Agent {
    /// Starts it. It goes by the configuration that is in use at the time.
    pub(super) fn start(bound: Vec<Bound>, live: &Live) -> Self {
        let current = &live.handle();
        let (alerts, told) = Alerts::new();
        let counters = Arc::new(Counters::default());
        let sight = Sight::default();
        let (count, reloaded) = (Arc::clone(&counters), live.reloaded());
        let metrics = Metrics::new(Arc::clone(current), count, reloaded, sight.clone());
        let metrics = Arc::new(metrics);
        let observers = vec![failures(current, &alerts), counts(&metrics)];
        Self {
            unwrapper: (!bound.is_empty()).then(|| unwrapper(bound, current)),
            verifier: tokio::spawn(verify::run(Arc::clone(current), sight.clone(), tells(&alerts))),
            lookout: watch(current, sight, &alerts),
            figures: current.load().metrics.and_then(|listen| figures(listen, metrics)),
            books: books(current, counters, observers),
            alerter: tokio::spawn(alerts::run(Arc::clone(current), told)),
        }
    }

    /// Stops it; what it has begun may come to its end.
    pub(super) async fn stop(self) {
        // A probe that is cut off is another one later.
        self.verifier.abort();
        self.lookout.abort();
        self.alerter.abort();
        if let Some(figures) = &self.figures {
            figures.abort();
        }
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

/// Looks at the way of mail, Postfix's configuration included.
fn watch(current: &Arc<ArcSwap<Config>>, sight: Sight, alerts: &Alerts) -> JoinHandle<()> {
    let settings = Watch::default();
    let checks: lookout::Checks = Arc::new(move |config| settings.look(config));
    tokio::spawn(lookout::run(Arc::clone(current), sight, checks, sees(alerts)))
}

/// Hands over to the alerts what is new about the way of mail.
fn sees(alerts: &Alerts) -> lookout::Told {
    let alerts = alerts.clone();
    Box::new(move |config, news| alerts.raise(alerts::of_way(&config.rules, news)))
}

/// Tells the alerts of copies that failed.
fn failures(current: &Arc<ArcSwap<Config>>, alerts: &Alerts) -> Observer {
    let (alerts, config) = (alerts.clone(), Arc::clone(current));
    Box::new(move |entry| {
        // After a ledger was lost the journal is read again: old news.
        if Timestamp::now().as_second() - entry.time.as_second() > OLD_NEWS {
            return;
        }
        let config = config.load();
        let failed = alerts::failed_copy(&config.rules, entry);
        if let Some(alert) = failed.or_else(|| alerts::given_up(&config.rules, entry)) {
            alerts.raise(alert);
        }
    })
}

fn counts(metrics: &Arc<Metrics>) -> Observer {
    let metrics = Arc::clone(metrics);
    Box::new(move |entry| metrics.take(entry))
}

/// Serves the figures. That nobody can read them is no reason not to work.
fn figures(listen: SocketAddr, metrics: Arc<Metrics>) -> Option<JoinHandle<()>> {
    let listener = std::net::TcpListener::bind(listen).and_then(|listener| {
        listener.set_nonblocking(true)?;
        tokio::net::TcpListener::from_std(listener)
    });
    match listener {
        Ok(listener) => Some(tokio::spawn(metrics::serve(listener, metrics))),
        Err(error) => {
            observe::no_metrics(listen, &error);
            None
        }
    }
}

fn books(
    current: &Arc<ArcSwap<Config>>,
    counters: Arc<Counters>,
    observers: Vec<Observer>,
) -> Option<Books> {
    let books = Books::start(Arc::clone(current), counters, observers);
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
        unwrapper::Settings {
            keys: config.keys.clone(),
            handoff_domain: config.rules.handoff_domain.clone(),
            smtpd: config.handoff.smtpd,
            give_up: config.rules.give_up.clone(),
        }
    });
    let shutdown = async { drop(stopped.await) };
    (stop, tokio::spawn(lmtp::serve(bound, inbox, size, drain, shutdown)))
}
