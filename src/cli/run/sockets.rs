//! The sockets of the daemon: passed in by systemd, or bound by itself.
//!
//! Must not know what is served on them.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::io;
use std::os::fd::RawFd;

use listenfd::ListenFd;
use rustix::process::{Resource, getrlimit, setrlimit};

use super::Role;
use crate::config::Config;
use crate::milter::Listen;
use crate::observe;
use crate::socket::{Bound, Problem, SocketError};

/// All that a process listens on.
pub(super) struct Listening {
    pub(super) listen: Listen,
    pub(super) agent: Vec<Bound>,
    /// The settings whose sockets were passed in, so that they say nothing.
    pub(super) given: Vec<&'static str>,
}

impl Listening {
    /// Takes what was passed in, and binds the rest of what a role needs (both, where there is none).
    ///
    /// Where systemd holds some of the sockets, one that cannot be bound is no reason not to serve those: their
    /// clients would wait, while nobody can wait at the one that is not there.
    pub(super) fn begin(config: &Config, only: Option<Role>) -> Result<Self, SocketError> {
        let (listen, agent) = passed_in()?;
        let names = [
            ("[milter] front", listen.front.is_empty()),
            ("[milter] submission", listen.submission.is_empty()),
            ("[milter] handoff", listen.handoff.is_empty()),
            ("[agent] socket", agent.is_empty()),
        ];
        let given: Vec<_> =
            names.into_iter().filter_map(|(name, none)| (!none).then_some(name)).collect();
        let mut failed = Vec::new();
        let listen = if only == Some(Role::Agent) {
            Listen::default()
        } else {
            let (listen, errors) = listen.bind_rest(&config.listening());
            failed.extend(errors);
            listen
        };
        let agent = match only {
            Some(Role::Milter) => Vec::new(),
            _ => bind_agent(agent, config).unwrap_or_else(|error| {
                failed.push(error);
                Vec::new()
            }),
        };
        for error in failed {
            if given.is_empty() {
                return Err(error);
            }
            observe::not_listening(&error);
        }
        Ok(Self { listen, agent, given })
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
pub(super) fn raise_file_limit(max_sessions: usize) {
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

/// The sockets that systemd passes in, by the names of their units' `FileDescriptorName=`: `front`,
/// `handoff` and `agent`. Those of the milter, and that of the agent.
pub(super) fn passed_in() -> Result<(Listen, Vec<Bound>), SocketError> {
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
    SocketError { socket: format!("descriptor {fd}"), problem: Problem::Unusable(error) }
}
