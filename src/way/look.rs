//! Looking: all places at a time, none of them for long.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use super::{Place, Side, Spot, State, Way};
use crate::config::{Config, Socket};
use crate::mail::Address;
use crate::milter::probe::{Probe, probe};
use crate::plan::ReplyText;
use crate::policy::look::command;
use crate::policy::rules::Pattern;
use crate::submit;
use crate::submit::callout::{self, Answer};

/// How long a place may take to answer. Plugins of monitoring systems are given ten seconds.
const PATIENCE: Duration = Duration::from_secs(7);
/// So many addresses are asked for at the entrance; a server gives up on clients that ask for more than
/// its limits.
const MOST: usize = 50;
/// How we greet.
const HELLO: &str = "[127.0.0.1]";

/// How far it is looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// At all places.
    All,
    /// Not at the smtpds of ours, which write a line about each that comes by.
    Entrance,
}

/// Looks at the way of mail.
pub async fn look(config: &Config, depth: Depth) -> Way {
    let mut asked = Vec::new();
    let listening = config.listening();
    for (side, sockets) in [
        (Side::Front, listening.front),
        (Side::Submission, listening.submission),
        (Side::Handoff, listening.handoff),
    ] {
        asked.extend(sockets.into_iter().map(|socket| tokio::spawn(at_socket(side, socket))));
    }
    if config.rules.unwraps() {
        asked.push(tokio::spawn(at_socket(Side::Agent, config.agent.socket.clone())));
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let question = command(&config.keys, now);
    if !config.rules.addresses.is_empty() {
        let via = config.verify.via;
        asked.push(tokio::spawn(at_entrance(via, question.clone(), exact(config))));
        for hop in [config.handoff.smtpd, config.handoff.return_smtpd] {
            if depth == Depth::All {
                asked.push(tokio::spawn(at_hop(hop, question.clone())));
            }
        }
    }
    let mut spots = Vec::new();
    for one in asked {
        spots.extend(one.await.unwrap_or_default());
    }
    Way(spots)
}

/// The addresses that can be asked for: a pattern stands for many, of which none can be picked.
fn exact(config: &Config) -> Vec<Address> {
    let patterns = config.rules.addresses.iter().map(|rule| &rule.pattern);
    let exact = patterns.filter_map(|pattern| match pattern {
        Pattern::Exact(address) => Some(address.clone()),
        _ => None,
    });
    exact.take(MOST).collect()
}

async fn at_socket(side: Side, socket: Socket) -> Vec<Spot> {
    let found = if side == Side::Agent {
        timeout(PATIENCE, greeting(&socket))
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            .map(|()| Probe::Answers)
    } else {
        probe(&socket, PATIENCE).await
    };
    let state = match found {
        Ok(Probe::Answers) => State::Open,
        Ok(Probe::Busy) => State::Silent("it turns sessions away".into()),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            State::NotLooked(words(&error))
        }
        Err(error) => State::Silent(words(&error)),
    };
    vec![Spot { place: Place::Socket(side, socket), state }]
}

/// Waits for the agent's greeting (RFC 2033 4.1).
async fn greeting(socket: &Socket) -> io::Result<()> {
    async fn first(mut stream: impl AsyncRead + Unpin) -> io::Result<()> {
        let mut code = [0; 3];
        stream.read_exact(&mut code).await?;
        let kind = io::ErrorKind::InvalidData;
        if code == *b"220" { Ok(()) } else { Err(io::Error::new(kind, "it does not greet")) }
    }
    match socket {
        Socket::Unix(path) => first(UnixStream::connect(path).await?).await,
        Socket::Inet(address) => first(TcpStream::connect(address).await?).await,
    }
}

/// An error without its number.
fn words(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().map_or_else(String::new, str::to_owned)
}

/// What a smtpd says to the question, to MAIL and to RCPT for each address.
async fn ask(
    server: SocketAddr,
    question: Option<String>,
    addresses: &[Address],
) -> (State, Vec<Answer>) {
    let Some(question) = question else {
        return (State::NotLooked("there is no key".into()), Vec::new());
    };
    let looking = callout::look(server, HELLO, &question, addresses);
    match timeout(PATIENCE, looking).await {
        Ok(Ok(looked)) => {
            let (.., here) = ReplyText::Here.parts();
            let is_here = matches!(&looked.question, Answer::Later(said) if said.contains(here));
            let state = match looked.mail {
                Answer::Yes(_) if is_here => State::Open,
                Answer::Yes(_) => State::Unseen,
                Answer::No(said) | Answer::Later(said) => State::Refused(said),
            };
            (state, looked.recipients)
        }
        Ok(Err(submit::Error::Unreachable(error))) => (State::Silent(words(&error)), Vec::new()),
        Ok(Err(error @ submit::Error::Refused(..))) => {
            (State::Refused(submit::words(&error)), Vec::new())
        }
        Ok(Err(error)) => (State::Silent(error.to_string()), Vec::new()),
        Err(_) => (State::Silent("no answer in time".into()), Vec::new()),
    }
}

async fn at_entrance(
    via: SocketAddr,
    question: Option<String>,
    addresses: Vec<Address>,
) -> Vec<Spot> {
    let (state, answers) = ask(via, question, &addresses).await;
    let entrance = Spot { place: Place::Entrance(via), state };
    let each = addresses.into_iter().zip(answers).map(|(address, answer)| {
        let state = match answer {
            Answer::Yes(_) => State::Open,
            Answer::No(said) | Answer::Later(said) => State::Refused(said),
        };
        Spot { place: Place::Address(address), state }
    });
    std::iter::once(entrance).chain(each).collect()
}

async fn at_hop(hop: SocketAddr, question: Option<String>) -> Vec<Spot> {
    let (state, _) = ask(hop, question, &[]).await;
    vec![Spot { place: Place::Hop(hop), state }]
}
