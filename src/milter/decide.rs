//! Who decides, as the sessions know them: the traits, and the plain data they are given.
//!
//! A session translates the events of the protocol into calls of these traits and carries out the
//! plan they return. It decides nothing itself.
//!
//! Must not know the protocol.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use crate::mail::{RawPath, Recipient};
use crate::plan::{Plan, Reply};

/// Where a message comes from, as far as the MTA tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The SASL login name. The handoff socket asks for neither it nor the client.
    pub login: Option<String>,
    /// The client's address.
    pub client: Option<IpAddr>,
    /// Where the MTA took the connection. Only the handoff socket asks for it.
    pub server: Option<SocketAddr>,
}

/// How a message begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opening {
    /// The envelope sender.
    pub sender: RawPath,
    /// The ESMTP arguments of MAIL FROM, as received.
    pub sender_args: Vec<Vec<u8>>,
    /// Where it comes from.
    pub origin: Origin,
}

impl Opening {
    /// The size that MAIL FROM announced (RFC 1870), if it did.
    pub fn announced_size(&self) -> Option<u64> {
        self.sender_args.iter().find_map(|arg| {
            let (key, size) = std::str::from_utf8(arg).ok()?.split_once('=')?;
            size.parse().ok().filter(|_| key.eq_ignore_ascii_case("SIZE"))
        })
    }
}

/// One configuration and all that decides by it. A message keeps the one it began with.
///
/// All calls must return quickly and must not block: they run on the threads that serve all
/// sessions. A panic defers the message and harms nothing else.
pub trait Decide: Send + Sync + 'static {
    /// The decision about one message in pass 1.
    type Front: FrontMessage<Record = Self::Record>;
    /// The decision about one message in pass 2.
    type Handoff: WholeMessage<Record = Self::Record>;
    /// The decision about one outgoing message.
    type Submission: WholeMessage<Record = Self::Record>;
    /// What is to be said about a message once its plan was carried out.
    type Record: Send;

    /// Whether mail that is not ours is accepted at DATA.
    fn accept_early(&self) -> bool;

    /// How long one step may take before the message is deferred.
    fn deadline(&self) -> Duration;

    /// Whether a recipient, as resolved by the MTA, concerns pass 1. Asked for every recipient of
    /// all mail.
    fn concerns(&self, resolved: &str) -> bool;

    /// Whether a command that the MTA does not know asks if we are here, and may.
    fn is_asked_for(&self, command: &[u8]) -> bool {
        let _ = command;
        false
    }

    /// Begins pass 1 for a message, at its first recipient that concerns us.
    fn front(self: &Arc<Self>, opening: Opening) -> Self::Front;

    /// Begins with an outgoing message, or refuses it with the reply it gives.
    fn submission(self: &Arc<Self>, opening: Opening) -> Result<Self::Submission, Reply>;

    /// Begins pass 2 for a message.
    fn handoff(self: &Arc<Self>, opening: Opening) -> Self::Handoff;

    /// Takes the record of a message whose edits were handed to the MTA (`Ok`), or could not be, so
    /// that it was deferred. Must not wait for anything.
    fn record(&self, record: Self::Record, carried_out: Result<(), String>);
}

/// Pass 1 of one message.
pub trait FrontMessage: Send {
    /// See [`Decide::Record`].
    type Record;

    /// Takes a recipient for which [`Decide::concerns`] holds.
    fn rcpt(&mut self, recipient: Recipient);

    /// Decides.
    fn finish(self, queue_id: Option<&str>) -> (Plan, Self::Record);
}

/// One message of which more is seen than its envelope: outgoing mail with its header, pass 2 with as
/// much of the body as is wanted.
pub trait WholeMessage: Send {
    /// See [`Decide::Record`].
    type Record;

    /// Takes a recipient, or refuses it with the reply it gives. `transport` is what the MTA will
    /// deliver it by, where it tells. Only the submission socket asks for it.
    fn rcpt(&mut self, recipient: Recipient, transport: Option<&str>) -> Result<(), Reply>;

    /// Takes a field: its name, and its body with leading space and inner line ends (LF).
    fn field(&mut self, name: &[u8], body: &[u8]);

    /// Looks at the header, which is complete, before a piece of the body is given. Reading is
    /// advice: it may fail, and has an end of its own.
    fn look(&mut self) -> impl Future<Output = ()> + Send {
        async {}
    }

    /// Whether more of the body is wanted. Asked when a piece has come and before it is given, so
    /// that a body nobody wants costs one piece.
    fn wants_body(&self) -> bool {
        false
    }

    /// Takes a piece of the body. Only the handoff socket asks for any.
    fn body(&mut self, piece: &[u8]) {
        let _ = piece;
    }

    /// Reads the message, which is complete, before it is decided on. As [`Self::look`].
    fn read(&mut self, queue_id: Option<&str>) -> impl Future<Output = ()> + Send {
        let _ = queue_id;
        async {}
    }

    /// Decides.
    fn finish(self, queue_id: Option<&str>) -> (Plan, Self::Record);
}
