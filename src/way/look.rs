//! Looking: all places at a time, none of them for long.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::{Place, Side, Spot, State, Way, place};
use crate::config::{Config, Socket};
use crate::mail::Address;
use crate::milter::liveness::{self, Liveness};
use crate::plan::ReplyText;
use crate::policy::look::command;
use crate::policy::rules::Pattern;
use crate::submit;
use crate::submit::callout::{self, Answer};

/// How long a place may take to answer. Plugins of monitoring systems are given ten seconds.
const PATIENCE: Duration = Duration::from_secs(7);
/// So many addresses are asked for at the entrance: each takes three commands.
const MOST: usize = 50;
/// What there is to say where it took longer.
const LATE: &str = "no answer in time";
/// How we greet.
const HELLO: &str = "[127.0.0.1]";

/// How far it is looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// At all places.
    All,
    /// Not at the smtpds of ours, which write a line about each that comes by.
    Entrance,
    /// At our own sockets alone.
    Sockets,
}

/// A look at a place, under way.
type Asked = (Place, JoinHandle<Vec<Spot>>);

/// Looks at the way of mail.
pub async fn look(config: &Config, depth: Depth) -> Way {
    let mut asked: Vec<Asked> = Vec::new();
    for (side, socket) in sockets(config) {
        let place = Place::Socket(side, socket.clone());
        asked.push((place, tokio::spawn(at_socket(side, socket))));
    }
    if depth != Depth::Sockets && !config.rules.addresses.is_empty() {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
        let question = command(&config.keys, now);
        let via = config.verify.via;
        let entrance = at_entrance(via, question.clone(), exact(config), place::behind(config));
        asked.push((Place::Entrance(via), tokio::spawn(entrance)));
        if depth == Depth::All {
            for hop in [config.handoff.smtpd, config.handoff.return_smtpd] {
                asked.push((Place::Hop(hop), tokio::spawn(at_hop(hop, question.clone()))));
            }
            if !config.told().is_empty() {
                let alerts = config.alerts_smtpd;
                asked.push((Place::Alerts(alerts), tokio::spawn(at_alerts(alerts))));
            }
        }
    }
    Way(gathered(asked).await)
}

/// What all of them have seen. A place of which nothing comes back was not looked at.
async fn gathered(asked: Vec<Asked>) -> Vec<Spot> {
    let mut spots = Vec::new();
    for (place, one) in asked {
        match one.await {
            Ok(seen) if !seen.is_empty() => spots.extend(seen),
            _ => spots.push(Spot { place, state: State::NotLooked("the look failed".into()) }),
        }
    }
    spots
}

/// Our sockets.
fn sockets(config: &Config) -> Vec<(Side, Socket)> {
    let listening = config.listening();
    let agent = config.rules.unwraps().then(|| config.agent.socket.clone());
    let all = [
        (Side::Front, listening.front),
        (Side::Submission, listening.submission),
        (Side::Handoff, listening.handoff),
        (Side::Agent, agent.into_iter().collect()),
    ];
    let each = |(side, sockets): (Side, Vec<Socket>)| sockets.into_iter().map(move |s| (side, s));
    all.into_iter().flat_map(each).collect()
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
        greeted(&socket).await.map(|()| Liveness::Answers)
    } else {
        liveness::ask(&socket, PATIENCE).await
    };
    let state = match found {
        Ok(Liveness::Answers) => State::Open,
        Ok(Liveness::Busy) => State::Silent("it turns sessions away".into()),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            State::NotLooked(words(&error))
        }
        Err(error) => State::Silent(words(&error)),
    };
    vec![Spot { place: Place::Socket(side, socket), state }]
}

/// Waits for a greeting, and no longer than that may take.
async fn greeted(socket: &Socket) -> io::Result<()> {
    let greeting = timeout(PATIENCE, greeting(socket)).await;
    greeting.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// Waits for the greeting of SMTP and LMTP (RFC 2033 4.1).
async fn greeting(socket: &Socket) -> io::Result<()> {
    async fn first(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
        let mut code = [0; 3];
        stream.read_exact(&mut code).await?;
        // For the log: whether it gets through does not matter.
        let _ = stream.write_all(b"QUIT\r\n").await;
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

/// What a smtpd says to the question, to MAIL and to RCPT for the first addresses, as far as it comes.
async fn ask(
    server: SocketAddr,
    question: Option<&str>,
    addresses: &[Address],
    until: Instant,
) -> (State, Vec<Answer>) {
    let Some(question) = question else {
        return (State::NotLooked("there is no key".into()), Vec::new());
    };
    match callout::look(server, HELLO, question, addresses, until).await {
        Ok(looked) => {
            let (.., here) = ReplyText::Here.parts();
            let is_here = matches!(&looked.question, Answer::Later(said) if said.contains(here));
            let state = match looked.mail {
                Answer::Yes(_) if is_here => State::Open,
                Answer::Yes(_) => State::Unseen,
                Answer::No(said) | Answer::Later(said) => State::Refused(said),
            };
            (state, looked.recipients)
        }
        Err(submit::Error::Unreachable(error)) => (State::Silent(words(&error)), Vec::new()),
        Err(error @ submit::Error::Refused(..)) => {
            (State::Refused(submit::words(&error)), Vec::new())
        }
        Err(submit::Error::Timeout(_)) => (State::Silent(LATE.into()), Vec::new()),
        Err(error) => (State::Silent(error.to_string()), Vec::new()),
    }
}

async fn at_entrance(
    via: SocketAddr,
    question: Option<String>,
    addresses: Vec<Address>,
    behind: Option<Vec<SocketAddr>>,
) -> Vec<Spot> {
    let until = Instant::now() + PATIENCE;
    let question = question.as_deref();
    let (mut state, mut answers) = ask(via, question, &addresses, until).await;
    if let (State::Unseen, Some(behind)) = (&state, behind)
        && is_seen_behind(&behind, question, until).await
    {
        state = State::Open;
    }
    // A server ends the session of a client that was refused much.
    while !answers.is_empty() && answers.len() < addresses.len() {
        let (_, more) = ask(via, question, &addresses[answers.len()..], until).await;
        if more.is_empty() {
            break;
        }
        answers.extend(more);
    }
    let is_taken = matches!(state, State::Open | State::Unseen);
    let mut spots = vec![Spot { place: Place::Entrance(via), state }];
    if is_taken {
        let answers = answers.into_iter().map(Some).chain(std::iter::repeat(None));
        spots.extend(addresses.into_iter().zip(answers).map(|(address, answer)| {
            let state = match answer {
                Some(Answer::Yes(_)) => State::Open,
                Some(Answer::No(said) | Answer::Later(said)) => State::Refused(said),
                None => State::NotLooked(LATE.into()),
            };
            Spot { place: Place::Address(address), state }
        }));
    }
    spots
}

/// Whether the milter is asked where a content filter gives mail back. What a program gives back nobody can
/// ask for: probes show it.
async fn is_seen_behind(behind: &[SocketAddr], question: Option<&str>, until: Instant) -> bool {
    for &smtpd in behind {
        if ask(smtpd, question, &[], until).await.0 == State::Open {
            return true;
        }
    }
    behind.is_empty()
}

async fn at_hop(hop: SocketAddr, question: Option<String>) -> Vec<Spot> {
    let (state, _) = ask(hop, question.as_deref(), &[], Instant::now() + PATIENCE).await;
    vec![Spot { place: Place::Hop(hop), state }]
}

/// That smtpd asks no milter: it is enough that it greets.
async fn at_alerts(smtpd: SocketAddr) -> Vec<Spot> {
    let state = match greeted(&Socket::Inet(smtpd)).await {
        Ok(()) => State::Open,
        Err(error) => State::Silent(words(&error)),
    };
    vec![Spot { place: Place::Alerts(smtpd), state }]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_look_that_is_lost_is_not_taken_for_an_open_place() {
        let place = |port| Place::Hop(SocketAddr::from(([127, 0, 0, 1], port)));
        let spots = gathered(vec![
            (place(1), tokio::spawn(async { panic!("lost") })),
            (place(2), tokio::spawn(async { Vec::new() })),
        ]);
        let way = Way(spots.await);
        let not_looked: Vec<&Place> = way.not_looked().map(|spot| &spot.place).collect();
        assert_eq!(not_looked, [&place(1), &place(2)]);
    }
}
