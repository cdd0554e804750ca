//! The socket: who is let in, and how all come to an end.
//!
//! Must not know what is said in a session.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::session::{Inbox, Limits, session};
use crate::gate::{Gate, Order};
use crate::observe;
use crate::socket::Bound;

/// How many sessions may be open. Postfix is told to open two; others are there to be turned away.
const MAX_SESSIONS: usize = 8;
/// How long a session may be silent. Postfix itself waits up to five minutes for its disk.
const SILENCE: Duration = Duration::from_secs(300);
/// How much larger than announced a message may be: what Postfix adds on the way.
const MARGIN: usize = 64 * 1024;
/// The pause after a connection could not be accepted.
const PAUSE: Duration = Duration::from_millis(200);
/// How long sessions that were told to end now are waited for.
const LAST_WAIT: Duration = Duration::from_secs(1);

/// Serves a socket until `shutdown` completes. Then nobody is let in any more, and the sessions have
/// `drain` to end with the message they are in. `size` is the largest message that pass 2 sends here.
pub async fn serve<I: Inbox>(
    bound: Vec<Bound>,
    inbox: I,
    size: usize,
    drain: Duration,
    shutdown: impl Future<Output = ()>,
) {
    let inbox = Arc::new(inbox);
    let limits = Limits { message: size.saturating_add(MARGIN), silence: SILENCE };
    let gate = Gate::new(MAX_SESSIONS);
    let mut sessions = JoinSet::new();
    tokio::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            accepted = accept(&bound) => accepted,
            Some(_) = sessions.join_next() => continue,
        };
        match (accepted, gate.enter()) {
            (Ok(stream), Some(place)) => {
                let inbox = Arc::clone(&inbox);
                sessions.spawn(async move {
                    session(stream, &*inbox, limits, &place).await;
                });
            }
            // Closed at once: Postfix tries again later.
            (Ok(_), None) => {}
            (Err(error), _) => {
                observe::agent_fault(&error);
                sleep(PAUSE).await;
            }
        }
    }
    drop(bound);
    gate.give(Order::Leave);
    let _ = timeout_at(Instant::now() + drain, gate.empty()).await;
    gate.give(Order::End);
    let _ = timeout(LAST_WAIT, gate.empty()).await;
}

async fn accept(bound: &[Bound]) -> std::io::Result<crate::socket::Stream> {
    poll_fn(|cx| {
        for one in bound {
            let accepted = one.poll_accept(cx);
            if accepted.is_ready() {
                return accepted;
            }
        }
        std::task::Poll::Pending
    })
    .await
}
