//! `run`: the daemon. Puts the pieces together, and listens to signals and to systemd.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::io;
use std::os::fd::RawFd;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use listenfd::ListenFd;
use rustix::process::{Resource, getrlimit, setrlimit};
use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::{Exit, load, say};
use crate::agent::{self, Unwrapper};
use crate::config::{self, Config, Socket};
use crate::journal::Journal;
use crate::milter::decide::Active;
use crate::milter::notice::Notices;
use crate::milter::probe::probe;
use crate::milter::shell::Shell;
use crate::milter::{Listen, serve};
use crate::observe::{self, Logging};
use crate::socket::{Bound, SocketError};

/// How long the agent may take for what it has begun.
const AGENT_DRAIN: Duration = Duration::from_secs(5);
/// How long the journal may take for its last lines.
const LAST_LINES: Duration = Duration::from_secs(5);
/// How many threads serve sessions. Decisions take microseconds, so that one serves any MTA; with two
/// that wake each other a message costs half as much again. Signals are served by the main thread,
/// whatever this one does.
const THREADS: usize = 1;

pub(super) fn run(path: &Path) -> Exit {
    let config = match load(path) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    let logging = observe::init(&config.log);
    observe::log_panics();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .thread_name("milter")
        .enable_all()
        .build();
    let exit = match runtime {
        Ok(runtime) => {
            let exit = runtime.block_on(daemon(config, &logging));
            // A thread that is stuck must not hold up the end.
            runtime.shutdown_timeout(Duration::from_secs(1));
            exit
        }
        Err(error) => fatal(&format!("cannot start: {error}"), Exit::Os),
    };
    drop(logging);
    exit
}

async fn daemon(config: Config, logging: &Logging) -> Exit {
    let started = Instant::now();
    let settings = config.listening();
    raise_file_limit(settings.max_sessions);
    let bound = passed_in()
        .and_then(|(listen, agent)| Ok((listen.bind(&settings)?, bind_agent(agent, &config)?)));
    let (listen, agent) = match bound {
        Ok(bound) => bound,
        Err(error) => return fatal(&error.to_string(), Exit::Unavailable),
    };
    let signals =
        [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()].map(signal);
    let [Ok(mut term), Ok(mut int), Ok(mut hup)] = signals else {
        return fatal("cannot listen to signals", Exit::Os);
    };
    let addresses = listen.addresses();
    let with_agent: Vec<Socket> =
        addresses.iter().cloned().chain(agent.iter().filter_map(Bound::address)).collect();
    let journal = Journal::open(&config.state_dir, config.journal_size, config.journal_files);
    tell_started(&config, &with_agent);
    let active = Active::new(config, journal.clone());
    let shell = Arc::new(Shell::new(active, Notices::default()));
    let agent = Agent::start(agent, &shell, settings.drain);
    notify(&[NotifyState::Ready]);

    let mut stopping = started;
    let shutdown = async {
        let watchdog = tokio::spawn(watch(addresses));
        loop {
            tokio::select! {
                _ = term.recv() => break,
                _ = int.recv() => break,
                _ = hup.recv() => reload(&shell, logging),
            }
        }
        watchdog.abort();
        stopping = Instant::now();
        notify(&[NotifyState::Stopping]);
        observe::stopping(settings.drain);
        // The agent first: what it submits has to pass the handoff socket.
        agent.stop().await;
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

/// The agent at work beside the milter; nothing where no message is to be unwrapped.
struct Agent(Option<(oneshot::Sender<()>, JoinHandle<()>)>);

impl Agent {
    fn start(bound: Vec<Bound>, shell: &Arc<Shell<Active>>, drain: Duration) -> Self {
        if bound.is_empty() {
            return Self(None);
        }
        let (stop, stopped) = oneshot::channel();
        let policy = Arc::clone(shell);
        let size = shell.policy().config().rules.reading.unwrap_limit;
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let inbox = Unwrapper::new(move || {
            let active = policy.policy();
            let config = active.config();
            agent::Settings {
                keys: config.keys.clone(),
                handoff_domain: config.rules.handoff_domain.clone(),
                smtpd: config.handoff.smtpd,
            }
        });
        let shutdown = async { drop(stopped.await) };
        let drain = drain.min(AGENT_DRAIN);
        Self(Some((stop, tokio::spawn(agent::serve(bound, inbox, size, drain, shutdown)))))
    }

    async fn stop(self) {
        if let Some((stop, running)) = self.0 {
            drop(stop);
            let _ = running.await;
        }
    }
}

/// Binds the agent's socket, unless it was passed in or nothing is to be unwrapped.
fn bind_agent(passed_in: Vec<Bound>, config: &Config) -> Result<Vec<Bound>, SocketError> {
    if passed_in.is_empty() && config.rules.unwraps() {
        return Ok(vec![Bound::bind(&config.agent.socket)?]);
    }
    Ok(passed_in)
}

/// Asks for as many file descriptors as the sessions of all sockets can need. What the system does
/// not grant shows as sessions that are turned away, which Postfix answers with 4xx.
fn raise_file_limit(max_sessions: usize) {
    let needed = 3 * max_sessions as u64 + 64;
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < needed) {
        limit.current = Some(limit.maximum.map_or(needed, |maximum| maximum.min(needed)));
        let _ = setrlimit(Resource::Nofile, limit);
    }
    if let Some(granted) = getrlimit(Resource::Nofile).current.filter(|granted| *granted < needed) {
        observe::few_descriptors(granted, needed);
    }
}

fn fatal(reason: &str, exit: Exit) -> Exit {
    observe::fatal(reason);
    exit
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

/// Reads the configuration anew. What is wrong with it is told, and the old one stays.
fn reload(shell: &Shell<Active>, logging: &Logging) {
    notify(&[NotifyState::Reloading]);
    let old = shell.policy();
    let path = old.config().path.clone();
    match config::load(&path) {
        // New handoffs would go to a domain that Postfix does not route: nobody would ever get them.
        Ok(loaded) if !same_hops(old.config(), &loaded.config) => {
            let first = "[handoff] has changed: run recruit-milter postfix --apply, then restart";
            observe::reload_failed(&path, 1, first);
        }
        Ok(loaded) => {
            if routes(&loaded.config) != routes(old.config()) {
                observe::needs_apply("system, bounces or recipient_delimiter");
            }
            if outgoing(&loaded.config) != outgoing(old.config()) {
                observe::needs_apply("login, route or outbound_copy");
            }
            if loaded.config.listening() != old.config().listening() {
                observe::needs_restart("[milter]");
            }
            if agent_of(&loaded.config) != agent_of(old.config()) {
                observe::needs_apply("unwrap or [agent]");
                observe::needs_restart("[agent]");
            }
            observe::reloaded(
                &path,
                loaded.config.rules.systems.len(),
                loaded.config.rules.addresses.len(),
            );
            logging.reload(&loaded.config.log);
            shell.reload(old.with(loaded.config));
        }
        Err(problems) => {
            let first = problems.iter().next().map(|p| p.message.clone()).unwrap_or_default();
            observe::reload_failed(&path, problems.len(), &first);
            say(&format!(
                "{}The running daemon keeps the old configuration.",
                problems.render(false)
            ));
        }
    }
    notify(&[NotifyState::Ready]);
}

/// Whether two configurations hand copies over at the same places.
fn same_hops(one: &Config, other: &Config) -> bool {
    one.handoff == other.handoff && one.rules.handoff_domain == other.rules.handoff_domain
}

/// Whether there is an agent, and what it cannot change while it runs.
fn agent_of(config: &Config) -> impl PartialEq + use<> {
    let settings = || (config.agent.clone(), config.rules.reading.unwrap_limit);
    config.rules.unwraps().then(settings)
}

/// What Postfix has to know of outgoing mail: its routes, and who takes them.
fn outgoing(config: &Config) -> impl PartialEq + use<> {
    let outbound = &config.rules.outbound;
    let senders = outbound.logins.iter().map(|login| login.may_send_as.clone());
    let senders: Vec<_> = senders.collect();
    let (routes, choices) = (outbound.routes.clone(), outbound.choices.clone());
    (config.rules.has_outbound(), routes, choices, senders)
}

/// What Postfix has to know besides.
fn routes(config: &Config) -> impl PartialEq + use<> {
    let systems = config.rules.systems.iter().map(|s| (s.inbound.clone(), s.next_hop.clone()));
    let rules = &config.rules;
    (systems.collect::<Vec<_>>(), rules.bounce.clone(), rules.delimiters.clone())
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
            answers &= probe(socket, interval / 6).await.is_ok();
        }
        if answers {
            notify(&[NotifyState::Watchdog]);
        }
    }
}

/// The sockets that systemd passes in, by the names of their units' `FileDescriptorName=`: `front`,
/// `handoff` and `agent`. Those of the milter, and that of the agent.
fn passed_in() -> Result<(Listen, Vec<Bound>), SocketError> {
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut fds = ListenFd::from_env();
    let mut listen: Listen = Listen::default();
    let mut agent = Vec::new();
    for (index, name) in names.split(':').enumerate().take(fds.len()) {
        let Some(bound) = take(&mut fds, index)? else { continue };
        match name {
            "front" | "recruit-milter-front.socket" => listen.front.push(bound),
            "submission" | "recruit-milter-submission.socket" => listen.submission.push(bound),
            "handoff" | "recruit-milter-handoff.socket" => listen.handoff.push(bound),
            "agent" | "recruit-milter-agent.socket" => agent.push(bound),
            other => observe::unknown_socket(other),
        }
    }
    Ok((listen, agent))
}

fn take(fds: &mut ListenFd, index: usize) -> Result<Option<Bound>, SocketError> {
    if let Ok(Some(unix)) = fds.take_unix_listener(index) {
        return Bound::from_unix(unix).map(Some);
    }
    match fds.take_tcp_listener(index) {
        Ok(Some(tcp)) => Bound::from_tcp(tcp).map(Some),
        Ok(None) => Ok(None),
        Err(error) => Err(unusable(index, error)),
    }
}

fn unusable(index: usize, error: io::Error) -> SocketError {
    // systemd numbers what it passes in from 3 (sd_listen_fds(3)).
    let fd = RawFd::try_from(index).map_or(-1, |index| index + 3);
    SocketError {
        socket: format!("descriptor {fd}"),
        problem: crate::socket::Problem::Unusable(error),
    }
}
