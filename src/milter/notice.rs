//! What the milter has to say that is not about the decision on a message: faults, counted always
//! and logged at a bounded rate.
//!
//! Must not know who listens.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::stage::{Pass, Stage};
use crate::observe::{self, Fault};
use crate::policy::unread::{Place, Unread};

/// How often the same kind of fault is logged at most. A fault that strikes every session would
/// otherwise fill the log with itself.
const INTERVAL: Duration = Duration::from_secs(10);

/// One fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A connection could not be accepted; it is tried again.
    Accept {
        /// The system's words.
        error: String,
    },
    /// A session was turned away because as many as allowed are open.
    Overload {
        /// How many are allowed.
        limit: usize,
    },
    /// A frame of a length that Postfix never sends; the session was ended.
    BadFrame {
        /// The length.
        length: u32,
    },
    /// The MTA does not offer what is needed; the session was ended.
    Negotiation {
        /// Which pass.
        pass: Pass,
        /// What is missing.
        missing: String,
    },
    /// The protocol was not followed; the message was deferred.
    OutOfOrder {
        /// Which pass.
        pass: Pass,
        /// Which command came too early.
        stage: Stage,
    },
    /// A decision panicked; the message was deferred.
    Panic {
        /// Which pass.
        pass: Pass,
        /// Where.
        stage: Stage,
        /// The message, where its queue ID is known.
        queue_id: Option<String>,
        /// What the panic said.
        message: String,
    },
    /// A decision took too long; the message was deferred.
    Deadline {
        /// Which pass.
        pass: Pass,
        /// Where.
        stage: Stage,
        /// The message, where its queue ID is known.
        queue_id: Option<String>,
    },
    /// Something could not be read; the message went on without.
    Unread {
        /// Which pass.
        pass: Pass,
        /// What.
        place: Place,
        /// Why.
        why: Unread,
        /// The message, where its queue ID is known.
        queue_id: Option<String>,
    },
    /// The envelope is larger than is kept; the message was deferred.
    TooLarge {
        /// Which pass.
        pass: Pass,
    },
    /// An edit could not be handed to the MTA; the message was deferred.
    Edit {
        /// Which pass.
        pass: Pass,
        /// The message.
        queue_id: Option<String>,
        /// Why.
        error: String,
    },
}

impl Notice {
    /// How many kinds there are.
    pub const KINDS: usize = 10;

    /// The place of this kind in `Notices::counts`.
    pub fn kind(&self) -> usize {
        match self {
            Self::Accept { .. } => 0,
            Self::Overload { .. } => 1,
            Self::BadFrame { .. } => 2,
            Self::Negotiation { .. } => 3,
            Self::OutOfOrder { .. } => 4,
            Self::Panic { .. } => 5,
            Self::Deadline { .. } => 6,
            Self::TooLarge { .. } => 7,
            Self::Edit { .. } => 8,
            Self::Unread { .. } => 9,
        }
    }

    /// The pass it is about. What concerns the sockets is counted with the first.
    fn pass(&self) -> Pass {
        match self {
            Self::Accept { .. } | Self::Overload { .. } | Self::BadFrame { .. } => Pass::Front,
            Self::Negotiation { pass, .. }
            | Self::OutOfOrder { pass, .. }
            | Self::Panic { pass, .. }
            | Self::Deadline { pass, .. }
            | Self::TooLarge { pass }
            | Self::Unread { pass, .. }
            | Self::Edit { pass, .. } => *pass,
        }
    }

    /// The kind in a word, for the log.
    fn word(&self) -> &'static str {
        match self {
            Self::Accept { .. } => "accept",
            Self::Overload { .. } => "overload",
            Self::BadFrame { .. } => "bad-frame",
            Self::Negotiation { .. } => "negotiation",
            Self::OutOfOrder { .. } => "out-of-order",
            Self::Panic { .. } => "panic",
            Self::Deadline { .. } => "deadline",
            Self::TooLarge { .. } => "too-large",
            Self::Edit { .. } => "edit",
            Self::Unread { .. } => "unread",
        }
    }

    fn queue_id(&self) -> Option<&str> {
        match self {
            Self::Panic { queue_id, .. }
            | Self::Deadline { queue_id, .. }
            | Self::Unread { queue_id, .. }
            | Self::Edit { queue_id, .. } => queue_id.as_deref(),
            _ => None,
        }
    }

    /// Whether it stays so until somebody does something about it.
    fn is_lasting(&self) -> bool {
        matches!(
            self,
            Self::Negotiation { .. } | Self::Panic { .. } | Self::Unread { why: Unread::Busy, .. }
        )
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accept { error } => {
                write!(f, "cannot accept a connection: {error}; trying again")
            }
            Self::Overload { limit } => write!(
                f,
                "session turned away: {limit} sessions are open, as many as max_sessions allows"
            ),
            Self::BadFrame { length } => {
                write!(f, "session ended: milter frame of {length} octets")
            }
            Self::Negotiation { missing, .. } => write!(
                f,
                "the MTA does not offer {missing}; Postfix does with milter_protocol = 6, its \
                 default. Mail is deferred"
            ),
            Self::OutOfOrder { stage, .. } => write!(f, "{stage} without MAIL; message deferred"),
            Self::Panic { stage, message, .. } => {
                write!(f, "panic at {stage}: {message}; message deferred")
            }
            Self::Deadline { stage, .. } => {
                write!(f, "deadline exceeded at {stage}; message deferred")
            }
            Self::TooLarge { .. } => f.write_str("envelope too large; message deferred"),
            Self::Edit { error, .. } => write!(f, "{error}; message deferred"),
            Self::Unread { place, why: Unread::Panic, .. } => {
                write!(f, "{place} could not be read (panic); the message goes on without")
            }
            Self::Unread { place, why: Unread::Deadline, .. } => {
                write!(f, "{place} could not be read in time; the message goes on without")
            }
            Self::Unread { why: Unread::Busy, .. } => f.write_str(
                "no message is read: earlier ones do not come to an end; restart recruit-milter. \
                 Messages go on without",
            ),
        }
    }
}

/// Hears every fault, at its full rate.
pub type Listener = Arc<dyn Fn(&Notice) + Send + Sync>;

/// Takes faults: counts them, tells the listener, and logs them at a bounded rate. Clones are the
/// same.
#[derive(Clone, Default)]
pub struct Notices(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// By kind and pass: what is wrong with one pass must not hush what is wrong with the other.
    kinds: Mutex<[[Kind; Pass::ALL.len()]; Notice::KINDS]>,
    listener: Option<Listener>,
}

#[derive(Clone, Copy, Default)]
struct Kind {
    count: u64,
    logged: Option<Instant>,
    /// How many were not logged since.
    suppressed: u64,
}

impl Notices {
    /// Notices that a listener hears as well.
    #[cfg(test)]
    pub fn with_listener(listener: Listener) -> Self {
        Self(Arc::new(Inner { kinds: Mutex::default(), listener: Some(listener) }))
    }

    /// Takes one fault.
    pub fn tell(&self, notice: &Notice) {
        if let Some(listener) = &self.0.listener {
            listener(notice);
        }
        if let Some(suppressed) = self.count(notice, Instant::now()) {
            observe::fault(&Fault {
                lasting: notice.is_lasting(),
                alarm: notice.word(),
                pass: &notice.pass(),
                queue_id: notice.queue_id(),
                what: notice,
                suppressed,
            });
        }
    }

    /// Counts one fault. If it is to be logged, says how many were not.
    fn count(&self, notice: &Notice, now: Instant) -> Option<u64> {
        let mut kinds = self.0.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        let kind = &mut kinds[notice.kind()][notice.pass() as usize];
        kind.count += 1;
        if kind.logged.is_some_and(|at| now.duration_since(at) < INTERVAL) {
            kind.suppressed += 1;
            return None;
        }
        kind.logged = Some(now);
        Some(std::mem::take(&mut kind.suppressed))
    }

    /// How many faults there were of each kind.
    #[cfg(test)]
    pub fn counts(&self) -> [u64; Notice::KINDS] {
        let kinds = self.0.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        kinds.map(|passes| passes.iter().map(|kind| kind.count).sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storm_is_counted_in_full_and_logged_now_and_then() {
        let notices = Notices::default();
        let start = Instant::now();
        let overload = Notice::Overload { limit: 1 };
        assert_eq!(notices.count(&overload, start), Some(0));
        for _ in 0..1000 {
            assert_eq!(notices.count(&overload, start + INTERVAL / 2), None);
        }
        assert_eq!(notices.count(&overload, start + INTERVAL), Some(1000));
        assert_eq!(notices.counts()[overload.kind()], 1002);
    }

    #[test]
    fn one_fault_does_not_hush_another() {
        let notices = Notices::default();
        let now = Instant::now();
        let [front, handoff] = [Pass::Front, Pass::Handoff].map(|pass| Notice::TooLarge { pass });
        let frame = Notice::BadFrame { length: 0 };
        for notice in [&front, &handoff, &frame] {
            assert_eq!(notices.count(notice, now), Some(0));
            assert_eq!(notices.count(notice, now), None);
        }
        assert_eq!(notices.counts()[front.kind()], 4);
    }
}
