//! Puts the message that a colleague had attached in the place of his: takes it from Postfix, and
//! submits what was taken out.
//!
//! Pass 2 gives a colleague's mail with an attached message to Postfix under an address that leads
//! here, over LMTP. Postfix is told 250 only after it has said 250 itself. What cannot be unwrapped
//! after all is submitted as it is, so that nothing is stuck. Nothing is stored.
//!
//! Must not know what pass 2 decides.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::lmtp::{Answer, Inbox, Received};
use crate::mail::domain::same_domain;
use crate::mail::{Address, Orcpt, RawPath, Recipient};
use crate::observe;
use crate::policy::keys::Keys;
use crate::policy::rules::GiveUp;
use crate::policy::token::{Flags, Handoff, TokenError, Way};
use crate::policy::unread::Place;
use crate::policy::unwrap::{Unwrapped, unwrap};
use crate::reading::{Net, Readers};
use crate::submit::{self, Content, Submission, submit};

/// How long a message may be read, its turn included. Postfix waits for ten minutes.
const READING: Duration = Duration::from_secs(30);

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
    #[cfg(test)]
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

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

#[cfg(test)]
mod tests;
