//! The agent role: what cannot be done to a message in place, and so needs a new one.
//!
//! Today that is one thing. Pass 2 gives a colleague's mail with an attached message to Postfix
//! under an address that leads here, over LMTP. The attached message is taken out and submitted in
//! its place, and Postfix is told 250 only after it has said 250 itself. What cannot be unwrapped
//! after all is submitted as it is, so that nothing is stuck. Nothing is stored.
//!
//! Killed at any moment, the agent loses nothing: Postfix still has what was not answered with 250.
//! Killed between the two answers it leaves a second copy, the window that SMTP itself has (RFC
//! 1047).
//!
//! * [`alerts`]: people who are told of trouble.
//! * [`books`]: the ledger, written from the journal.
//! * [`lmtp`], `command`, `data`: the protocol.
//! * [`mod@unwrap`]: the pure part; [`resend`]: a mail of a mailbox, as it was when it came.
//! * [`lookout`]: whether mail gets through now.
//! * [`metrics`]: figures for Prometheus.
//! * [`verify`]: probes, and what became of them.
//!
//! Must not know what pass 2 decides, nor the milter's protocol.
// SPDX-License-Identifier: GPL-3.0-or-later

pub mod alerts;
pub mod books;
mod command;
mod data;
pub mod lmtp;
pub mod lookout;
pub mod metrics;
pub mod resend;
#[cfg(test)]
mod tests;
pub mod unwrap;
pub mod verify;

use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::gate::{Gate, Order};
use crate::mail::domain::same_domain;
use crate::mail::{Address, Orcpt, RawPath, Recipient};
use crate::observe;
use crate::policy::keys::Keys;
use crate::policy::rules::GiveUp;
use crate::policy::token::{Flags, Handoff, TokenError, Way};
use crate::policy::unread::Place;
use crate::reading::{Net, Readers};
use crate::socket::Bound;
use crate::submit::{self, Content, Submission, submit};
use lmtp::{Answer, Inbox, Limits, Received};
use unwrap::{Unwrapped, unwrap};

/// How many sessions may be open. Postfix is told to open two; others are there to be turned away.
const MAX_SESSIONS: usize = 8;
/// How long a session may be silent. Postfix itself waits up to five minutes for its disk.
const SILENCE: Duration = Duration::from_secs(300);
/// How much larger than announced a message may be: what Postfix adds on the way.
const MARGIN: usize = 64 * 1024;
/// How long a message may be read, its turn included. Postfix waits for ten minutes.
const READING: Duration = Duration::from_secs(30);
/// The pause after a connection could not be accepted.
const PAUSE: Duration = Duration::from_millis(200);
/// How long sessions that were told to end now are waited for.
const LAST_WAIT: Duration = Duration::from_secs(1);

/// What the agent goes by; asked for with every message, so that a reload takes effect.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The secret keys.
    pub keys: Keys,
    /// The domain of handoff addresses.
    pub handoff_domain: String,
    /// The second smtpd.
    pub smtpd: SocketAddr,
    /// What becomes of mail on which nothing can be decided.
    pub give_up: GiveUp,
}

/// Takes what Postfix brings, and brings it back unwrapped.
pub struct Unwrapper<S> {
    settings: S,
    readers: Readers,
    /// See [`READING`].
    limit: Duration,
}

/// A recipient of ours.
#[derive(Debug)]
pub struct Taken {
    settings: Settings,
    token: Handoff,
    /// The address with the token, as it is.
    path: Address,
    /// The recruiting address.
    address: Address,
    /// Whether its token is what it claims to be. If not, it has waited long enough: pass 2 gives it to
    /// somebody.
    is_genuine: bool,
}

const LATER: Answer = Answer::new(451, "4.3.0", "Not taken yet - try again later");
const UNKNOWN: Answer = Answer::new(451, "4.3.5", "Handoff cannot be resolved yet");
const NOT_OURS: Answer = Answer::new(550, "5.1.1", "No such handoff address");

impl<S: Fn() -> Settings + Send + Sync + 'static> Unwrapper<S> {
    /// Works by the settings that `settings` gives.
    pub fn new(settings: S) -> Self {
        Self { settings, readers: Readers::default(), limit: READING }
    }

    /// Reads above a net with a seam for fault injection, within another limit. For tests only.
    #[must_use]
    pub fn with_net(self, net: Net, limit: Duration) -> Self {
        Self { readers: Readers::new(net), limit, ..self }
    }
}

impl<S: Fn() -> Settings + Send + Sync + 'static> Inbox for Unwrapper<S> {
    type Taken = Taken;

    fn recipient(&self, recipient: &Recipient) -> Result<Taken, Answer> {
        let settings = (self.settings)();
        let shown = recipient.path.printable();
        let not_ours = |()| {
            observe::invalid_handoff(None, &shown, "not-ours");
            NOT_OURS
        };
        let path = Address::parse(&recipient.resolved).map_err(|_| not_ours(()))?;
        let orcpt = recipient.orcpt().ok_or(()).map_err(not_ours)?;
        if !same_domain(path.domain(), &settings.handoff_domain) {
            return Err(not_ours(()));
        }
        let address = orcpt.address().clone();
        let waits = |why| {
            observe::unknown_handoff(None, &shown, why);
            UNKNOWN
        };
        let local = path.local_part();
        let now = now();
        let parsed = Handoff::parse(Way::Unwrap, local, &settings.keys, &address, now);
        let is_genuine = parsed.is_ok();
        let claimed = Handoff::claimed(Way::Unwrap, local);
        let given_up = claimed.filter(|token| settings.give_up.is_due(now, token.id));
        match parsed.or_else(|error| given_up.ok_or(error)) {
            Ok(token) => Ok(Taken { settings, token, path, address, is_genuine }),
            Err(TokenError::UnknownKey(_)) => Err(waits("unknown-key")),
            Err(TokenError::Expired) => Err(waits("expired")),
            Err(TokenError::NotOurs) => Err(not_ours(())),
        }
    }

    async fn take(&self, to: Taken, received: Received) -> Answer {
        let Received { sender, smtputf8, message } = received;
        let message = Arc::new(message);
        let (whole, keys) = (Arc::clone(&message), to.settings.keys.clone());
        // Reading a large message takes its time, and the thread has others to serve. Should it
        // fail, the message still has to arrive.
        let read = if to.is_genuine {
            let unwrap = move |net: &Net| net.read(Place::Attached, || unwrap(&whole, &keys));
            let read = self.readers.apart(self.limit, unwrap).await.and_then(|read| read);
            read.unwrap_or_else(|why| Err(why.word()))
        } else {
            Err("given-up")
        };
        let why = match read {
            Ok(inner) => match to.submit_inner(&inner, &sender, smtputf8).await {
                Ok(text) => return to.done(&text, None),
                Err(error) if error.is_permanent() => "refused",
                Err(error) => return to.failed(&error),
            },
            Err(why) => why,
        };
        match to.submit_whole(&message, &sender, smtputf8).await {
            Ok(text) => to.done(&text, Some(why)),
            Err(error) => to.failed(&error),
        }
    }
}

impl Taken {
    /// Submits what was taken out, under a token that says so.
    async fn submit_inner(
        &self,
        inner: &Unwrapped,
        sender: &RawPath,
        smtputf8: bool,
    ) -> Result<String, submit::Error> {
        let flags = Flags { unwrapped: true, ..self.token.flags };
        let token = Handoff { way: Way::Forward, flags, ..self.token };
        let local = token.local_part(&self.settings.keys, &self.address);
        let recipient = local.and_then(|local| {
            Address::parse(&format!("{local}@{}", self.settings.handoff_domain)).ok()
        });
        let recipient = recipient.ok_or(submit::Error::Recipient)?;
        let content = Content::new(&inner.message)?;
        let sender = inner.forwarder.as_ref().unwrap_or(sender);
        self.submit(sender, &recipient, smtputf8, content).await
    }

    /// Submits the message as it came, under the address it came with: it leads to pass 2 there.
    async fn submit_whole(
        &self,
        message: &[u8],
        sender: &RawPath,
        smtputf8: bool,
    ) -> Result<String, submit::Error> {
        self.submit(sender, &self.path, smtputf8, Content::as_queued(message)).await
    }

    async fn submit(
        &self,
        sender: &RawPath,
        recipient: &Address,
        smtputf8: bool,
        content: Content<'_>,
    ) -> Result<String, submit::Error> {
        let orcpt = Orcpt::new(self.address.clone());
        let orcpt = Some(&orcpt);
        let submission = Submission { sender, recipient, orcpt, smtputf8, content };
        submit(self.settings.smtpd, &submission).await
    }

    fn done(&self, text: &str, why_whole: Option<&str>) -> Answer {
        let queue_id = text.rsplit_once("queued as ").map(|(_, id)| id.trim());
        let token = self.token.id.to_string();
        observe::unwrapped(queue_id, self.address.as_str(), &token, why_whole);
        let text = queue_id.map_or("Ok".into(), |id| format!("Ok: queued again as {id}").into());
        Answer { code: 250, status: "2.0.0", text }
    }

    fn failed(&self, error: &submit::Error) -> Answer {
        observe::not_submitted(self.address.as_str(), &self.token.id.to_string(), error);
        LATER
    }
}

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
                    lmtp::session(stream, &*inbox, limits, &place).await;
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

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
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
