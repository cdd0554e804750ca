//! `run`: the daemon. Puts the pieces together, and listens to signals and to systemd.
// SPDX-License-Identifier: GPL-3.0-or-later

mod agent;
mod refuse;
mod reload;
mod sockets;
mod start;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use rustix::process::{Resource, Rlimit, setrlimit};
use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};

use self::agent::Agent;
use self::refuse::refuse;
use self::reload::Live;
use self::sockets::{Listening, raise_file_limit};
use self::start::{Start, is_socket_activated};
use super::Exit;
use crate::config::{Config, LogSettings, Socket};
use crate::journal::Journal;
use crate::milter::active::Active;
use crate::milter::liveness;
use crate::milter::notice::Notices;
use crate::milter::serve;
use crate::milter::shell::Shell;
use crate::observe::{self, Logging};
use crate::running::{self, Announcement};
use crate::socket::Bound;

/// How long the journal may take for its last lines.
const LAST_LINES: Duration = Duration::from_secs(5);
/// How many threads serve sessions. Decisions take microseconds, so that one serves any MTA; with two
/// that wake each other a message costs half as much again. Signals are served by the main thread,
/// whatever this one does.
const THREADS: usize = 1;

/// What a process is. They share nothing but the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Role {
    /// Decides on mail: no network connection, no database.
    Milter,
    /// Keeps the ledger, verifies, unwraps, tells of trouble.
    Agent,
}

/// Runs both roles, or the one.
pub(super) fn run(path: &Path, only: Option<Role>) -> Exit {
    let start = match Start::read(path) {
        Err(broken) if !is_socket_activated() => return broken.exit,
        start => start,
    };
    let log =
        start.as_ref().map_or_else(|_| LogSettings::default(), |start| start.config.log.clone());
    let logging = observe::init(&log);
    observe::log_panics();
    no_core_dumps();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .thread_name(if only == Some(Role::Agent) { "agent" } else { "milter" })
        .enable_all()
        .build();
    let exit = match runtime {
        Ok(runtime) => {
            let exit = runtime.block_on(async {
                match (start, only) {
                    (Err(broken), _) => refuse(path, &broken).await,
                    (Ok(start), Some(Role::Agent)) => agent_alone(start, &logging).await,
                    (Ok(start), role) => daemon(start, role.is_none(), &logging).await,
                }
            });
            // A thread that is stuck must not hold up the end.
            runtime.shutdown_timeout(Duration::from_secs(1));
            exit
        }
        Err(error) => fatal(&format!("cannot start: {error}"), Exit::Os),
    };
    drop(logging);
    exit
}

/// A dump of the memory would have mail in it.
fn no_core_dumps() {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    // Where it cannot be forbidden, the services' units do.
    let _ = setrlimit(Resource::Core, none);
}

/// The milter, and the agent beside it.
async fn daemon(start: Start, with_agent: bool, logging: &Logging) -> Exit {
    let started = Instant::now();
    let config = start.config.clone();
    let settings = config.listening();
    raise_file_limit(settings.max_sessions);
    let role = (!with_agent).then_some(Role::Milter);
    let Listening { listen, agent, given } = match Listening::begin(&config, role) {
        Ok(listening) => listening,
        Err(error) => return fatal(&error.to_string(), Exit::Unavailable),
    };
    let Some(mut signals) = Signals::new() else {
        return fatal("cannot listen to signals", Exit::Os);
    };
    let addresses = listen.addresses();
    let all: Vec<Socket> =
        addresses.iter().cloned().chain(agent.iter().filter_map(Bound::address)).collect();
    let journal = Journal::open(&config.state_dir, config.journal_size, config.journal_files);
    tell_started(&config, &all);
    let told = Announcement::new(roles(role), &given, &config);
    let notices = Notices::default();
    let active = Active::new(config, journal.clone()).with_notices(notices.clone());
    let shell = Arc::new(Shell::new(active, notices));
    let live = Live::new(start, Some(Arc::clone(&shell)), told);
    let agent = with_agent.then(|| Agent::start(agent, &live));
    live.begin();
    notify(&[NotifyState::Ready]);

    let mut stopping = started;
    let shutdown = async {
        let watchdog = tokio::spawn(watch(addresses));
        signals.until_stop(&live, logging).await;
        watchdog.abort();
        stopping = Instant::now();
        notify(&[NotifyState::Stopping]);
        observe::stopping(settings.drain);
        // The agent first: what it submits has to pass the handoff socket.
        if let Some(agent) = agent {
            agent.stop().await;
        }
    };
    let served = serve(listen, Arc::clone(&shell), &settings, shutdown).await;
    journal.close(LAST_LINES);
    match served {
        Ok(drained) => {
            observe::drained(stopping.elapsed(), drained.cut);
            observe::stopped(started.elapsed());
            Exit::Ok
        }
        Err(error) => fatal(&format!("the milter has ended by itself: {error}"), Exit::Software),
    }
}

/// The agent in a process of its own.
async fn agent_alone(start: Start, logging: &Logging) -> Exit {
    let started = Instant::now();
    let config = start.config.clone();
    let role = Some(Role::Agent);
    let Listening { agent: bound, given, .. } = match Listening::begin(&config, role) {
        Ok(listening) => listening,
        Err(error) => return fatal(&error.to_string(), Exit::Unavailable),
    };
    let Some(mut signals) = Signals::new() else {
        return fatal("cannot listen to signals", Exit::Os);
    };
    tell_started(&config, &bound.iter().filter_map(Bound::address).collect::<Vec<_>>());
    let told = Announcement::new(roles(role), &given, &config);
    let live = Live::new(start, None, told);
    let agent = Agent::start(bound, &live);
    live.begin();
    notify(&[NotifyState::Ready]);
    // Nothing here can be asked from outside whether it works: that the runtime turns is what counts.
    let watchdog = tokio::spawn(watch(Vec::new()));
    signals.until_stop(&live, logging).await;
    watchdog.abort();
    notify(&[NotifyState::Stopping]);
    agent.stop().await;
    observe::stopped(started.elapsed());
    Exit::Ok
}

/// The signals that mean something here.
struct Signals {
    term: Signal,
    int: Signal,
    hup: Signal,
}

impl Signals {
    fn new() -> Option<Self> {
        Some(Self {
            term: signal(SignalKind::terminate()).ok()?,
            int: signal(SignalKind::interrupt()).ok()?,
            hup: signal(SignalKind::hangup()).ok()?,
        })
    }

    /// Waits until the process is told to stop, and reloads whenever it is told to.
    async fn until_stop(&mut self, live: &Live, logging: &Logging) {
        let mut beat = tokio::time::interval(running::BEAT);
        loop {
            tokio::select! {
                _ = beat.tick() => live.beat(),
                _ = self.term.recv() => return,
                _ = self.int.recv() => return,
                _ = self.hup.recv() => {
                    notify(&[NotifyState::Reloading]);
                    live.reload(logging);
                    notify(&[NotifyState::Ready]);
                }
            }
        }
    }
}

/// What a process of a role is; of none, both.
fn roles(only: Option<Role>) -> &'static [running::Role] {
    match only {
        None => &running::Role::ALL,
        Some(Role::Milter) => &[running::Role::Milter],
        Some(Role::Agent) => &[running::Role::Agent],
    }
}

fn tell_started(config: &Config, sockets: &[Socket]) {
    let sockets: Vec<String> = sockets.iter().map(ToString::to_string).collect();
    observe::started(
        env!("CARGO_PKG_VERSION"),
        &config.path,
        config.rules.systems.len(),
        config.rules.addresses.len(),
        &sockets,
    );
}

fn fatal(reason: &str, exit: Exit) -> Exit {
    observe::fatal(reason);
    exit
}

fn notify(state: &[NotifyState<'_>]) {
    // Without systemd there is nobody to tell, and nothing depends on it.
    let _ = sd_notify::notify(state);
}

/// Tells systemd's watchdog that the sockets answer, for as long as they do.
async fn watch(sockets: Vec<Socket>) {
    let Some(interval) = sd_notify::watchdog_enabled() else { return };
    loop {
        tokio::time::sleep(interval / 3).await;
        let mut answers = true;
        for socket in &sockets {
            answers &= liveness::ask(socket, interval / 6).await.is_ok();
        }
        if answers {
            notify(&[NotifyState::Watchdog]);
        }
    }
}
