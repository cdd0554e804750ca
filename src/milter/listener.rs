//! Our `indymilter::Listener`: several sockets as one, which no error ends.
//!
//! The library's own loop ends with the first error of accept(2), and lets connections beyond its
//! limit hang, which Postfix waits out with its client. Here an error is waited out with growing
//! pauses, and what is too much is accepted and closed at once: Postfix then answers 451 in the same
//! second and the client keeps its message.
//!
//! Must not know the protocol.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fs::File;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Sleep, sleep};

use super::notice::{Notice, Notices};
use super::stream::SessionStream;
use crate::gate::{Gate, Order, Ordered};
use crate::socket::{Bound, Stream};

/// The first and the longest pause after an error of accept(2).
const PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// How many connections are turned away before others get their turn.
const TURNED_AWAY_AT_ONCE: usize = 32;

/// Whatever connections come from.
pub trait Source: Send + 'static {
    /// A connection.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Accepts one connection.
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Self::Stream>>;
}

/// Several sockets, asked in turn so that none starves the others.
#[derive(Debug)]
pub struct Sockets {
    bound: Vec<Bound>,
    next: usize,
}

impl Sockets {
    /// All of these as one.
    pub fn new(bound: Vec<Bound>) -> Self {
        Self { bound, next: 0 }
    }
}

impl Source for Sockets {
    type Stream = Stream;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Stream>> {
        for _ in 0..self.bound.len() {
            let at = self.next % self.bound.len();
            self.next = at + 1;
            if let Poll::Ready(accepted) = self.bound[at].poll_accept(cx) {
                return Poll::Ready(accepted);
            }
        }
        Poll::Pending
    }
}

/// The listener for one kind of socket.
pub struct Listener<L = Sockets> {
    /// None once we drain: dropped, so that the sockets are closed. Those that systemd has passed in
    /// stay open with systemd, and connections wait there for our successor.
    source: Option<L>,
    gate: Gate,
    draining: Ordered,
    notices: Notices,
    pause: Option<Pin<Box<Sleep>>>,
    next_pause: Duration,
    /// A descriptor to give up when there are no more, so that connections can be turned away
    /// instead of hanging.
    spare: Option<File>,
}

impl<L: Source> Listener<L> {
    /// A listener that lets connections through a gate.
    pub fn new(source: L, gate: Gate, notices: Notices) -> Self {
        Self {
            source: Some(source),
            draining: gate.ordered(Order::Drain),
            gate,
            notices,
            pause: None,
            next_pause: PAUSES.0,
            spare: open_spare(),
        }
    }

    /// Deals with an error: by turning the connection away where only a descriptor is missing, and
    /// by a pause otherwise. Pending if there was no connection after all.
    fn poll_recover(&mut self, error: &io::Error, cx: &mut Context<'_>) -> Poll<()> {
        let turned_away = if no_descriptors(error) {
            // The kernel looks for a descriptor first and for a connection then.
            ready!(self.poll_turn_away(cx))
        } else {
            false
        };
        self.notices.tell(&Notice::Accept { error: error.to_string() });
        if !turned_away {
            self.pause = Some(Box::pin(sleep(self.next_pause)));
            self.next_pause = (self.next_pause * 2).min(PAUSES.1);
        }
        Poll::Ready(())
    }

    /// Gives up the spare descriptor, so that the connection at the head of the queue can be
    /// accepted and closed, and takes a new one. Says whether that was so.
    fn poll_turn_away(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        let (Some(spare), Some(source)) = (self.spare.take(), &mut self.source) else {
            return Poll::Ready(false);
        };
        drop(spare);
        let turned_away = source.poll_accept(cx).map(|accepted| accepted.is_ok());
        self.spare = open_spare();
        turned_away
    }
}

/// Any descriptor will do.
fn open_spare() -> Option<File> {
    File::open("/dev/null").ok()
}

/// Whether an error is EMFILE or ENFILE, which have the same numbers on every system.
fn no_descriptors(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(23 | 24))
}

/// Whether an error is about one connection, which is gone, and not about us.
fn is_transient(error: &io::Error) -> bool {
    use io::ErrorKind as K;
    matches!(error.kind(), K::ConnectionAborted | K::ConnectionReset | K::Interrupted)
}

impl<L: Source + Unpin> indymilter::Listener for Listener<L> {
    type Io = SessionStream<L::Stream>;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Self::Io>> {
        if self.source.is_some() && self.draining.as_mut().poll(cx).is_ready() {
            self.source = None;
        }
        for _ in 0..TURNED_AWAY_AT_ONCE {
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(cx));
                self.pause = None;
            }
            let Some(source) = &mut self.source else {
                return Poll::Pending;
            };
            let accepted = ready!(source.poll_accept(cx));
            match accepted {
                Ok(stream) => {
                    self.next_pause = PAUSES.0;
                    if self.spare.is_none() {
                        self.spare = open_spare();
                    }
                    let Some(place) = self.gate.enter() else {
                        let limit = self.gate.limit();
                        self.notices.tell(&Notice::Overload { limit });
                        continue; // dropped, which closes it
                    };
                    let notices = self.notices.clone();
                    return Poll::Ready(Ok(SessionStream::new(stream, place, notices)));
                }
                Err(error) if is_transient(&error) => {}
                Err(error) => ready!(self.poll_recover(&error, cx)),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use indymilter::Listener as _;
    use std::collections::VecDeque;
    use tokio::io::{AsyncReadExt as _, DuplexStream, duplex};
    use tokio::time::{Instant, timeout};

    /// Gives out what it holds, an errno or a stream, and then nothing.
    #[derive(Default)]
    struct Script(VecDeque<Result<DuplexStream, i32>>);

    impl Source for Script {
        type Stream = DuplexStream;

        fn poll_accept(&mut self, _: &mut Context<'_>) -> Poll<io::Result<DuplexStream>> {
            match self.0.pop_front() {
                Some(next) => Poll::Ready(next.map_err(io::Error::from_raw_os_error)),
                None => Poll::Pending,
            }
        }
    }

    const EMFILE: i32 = 24;
    const ENOMEM: i32 = 12;
    const ECONNABORTED: i32 = 103;

    #[tokio::test(start_paused = true)]
    async fn errors_are_waited_out_with_growing_pauses() {
        let notices = Notices::default();
        let (_client, server) = duplex(8);
        let mut script = Script::default();
        script.0.extend((0..10).map(|_| Err(ENOMEM)));
        script.0.push_back(Ok(server));
        let mut listener = Listener::new(script, Gate::new(9), notices.clone());
        let start = Instant::now();
        listener.accept().await.unwrap();
        // 10, 20, 40, 80, 160, 320 and 640 ms, then a second each.
        let paused = start.elapsed().as_millis();
        assert!((4270..4300).contains(&paused), "{paused} ms");
        assert_eq!(notices.counts().iter().sum::<u64>(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_success_pauses_are_short_again() {
        let ((_a, first), (_b, second)) = (duplex(8), duplex(8));
        let mut script = Script::default();
        script.0.extend((0..10).map(|_| Err(ENOMEM)));
        script.0.extend([Ok(first), Err(ENOMEM), Ok(second)]);
        let mut listener = Listener::new(script, Gate::new(9), Notices::default());
        listener.accept().await.unwrap();
        let start = Instant::now();
        listener.accept().await.unwrap();
        assert!(start.elapsed() < PAUSES.0 * 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_is_gone_costs_no_pause() {
        let (_client, server) = duplex(8);
        let mut script = Script::default();
        script.0.extend((0..100).map(|_| Err(ECONNABORTED)));
        script.0.push_back(Ok(server));
        let mut listener = Listener::new(script, Gate::new(9), Notices::default());
        let start = Instant::now();
        listener.accept().await.unwrap();
        assert_eq!(start.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn without_descriptors_the_next_connection_is_turned_away() {
        let (mut turned_away, server) = duplex(8);
        let (_next, next_server) = duplex(8);
        let script = Script([Err(EMFILE), Ok(server), Ok(next_server)].into());
        let mut listener = Listener::new(script, Gate::new(9), Notices::default());
        let start = Instant::now();
        listener.accept().await.unwrap();
        assert_eq!(turned_away.read(&mut [0]).await.unwrap(), 0);
        assert_eq!(start.elapsed(), Duration::ZERO);
        assert!(listener.spare.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn without_descriptors_and_connections_nothing_is_wrong() {
        let notices = Notices::default();
        let script = Script([Err(EMFILE)].into());
        let mut listener = Listener::new(script, Gate::new(9), notices.clone());
        let accepted = timeout(Duration::from_secs(1), listener.accept());
        assert!(accepted.await.is_err());
        assert!(listener.pause.is_none() && listener.spare.is_some());
        assert_eq!(notices.counts().iter().sum::<u64>(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_too_much_is_closed_at_once_and_others_get_their_turn() {
        let notices = Notices::default();
        let gate = Gate::new(1);
        let (mut clients, mut script) = (Vec::new(), Script::default());
        for _ in 0..100 {
            let (client, server) = duplex(8);
            clients.push(client);
            script.0.push_back(Ok(server));
        }
        let mut listener = Listener::new(script, gate.clone(), notices.clone());
        let session = listener.accept().await.unwrap();
        let rest = timeout(Duration::from_secs(1), listener.accept());
        assert!(rest.await.is_err());
        for client in &mut clients[1..] {
            assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
        }
        assert_eq!(notices.counts().iter().sum::<u64>(), 99);
        drop(session);
        assert_eq!(gate.open(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_let_in_while_draining() {
        let gate = Gate::new(9);
        let (mut client, server) = duplex(8);
        let script = Script([Ok(server)].into());
        let mut listener = Listener::new(script, gate.clone(), Notices::default());
        gate.give(Order::Drain);
        let accepted = timeout(Duration::from_secs(1), listener.accept());
        assert!(accepted.await.is_err());
        assert_eq!(client.read(&mut [0]).await.unwrap(), 0, "the socket is closed");
    }

    #[tokio::test]
    async fn a_busy_socket_does_not_starve_the_next() {
        let bind = || Bound::from_tcp(std::net::TcpListener::bind("127.0.0.1:0").unwrap()).unwrap();
        let bound = [bind(), bind()];
        let mut clients = Vec::new();
        for (bound, count) in bound.iter().zip([5, 1]) {
            let Some(crate::config::Socket::Inet(address)) = bound.address() else {
                panic!("no address");
            };
            for _ in 0..count {
                clients.push(tokio::net::TcpStream::connect(address).await.unwrap());
            }
        }
        let mut sockets = Sockets::new(bound.into());
        let mut ports = Vec::new();
        for _ in 0..2 {
            let stream = std::future::poll_fn(|cx| sockets.poll_accept(cx)).await.unwrap();
            if let Stream::Tcp(stream) = stream {
                ports.push(stream.local_addr().unwrap().port());
            }
        }
        assert_ne!(ports[0], ports[1]);
    }
}
