//! What every step of every session goes through: the current configuration, the deadline, the net
//! under panics, and the seam for fault injection.
//!
//! Must not know the protocol or what is decided.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::any::Any;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::time::timeout;

use super::decide::Decide;
use super::notice::{Notice, Notices};
use super::stage::{Pass, Stage, StageHook};

/// So much longer than the deadline reading may take: it keeps that by itself.
// Postfix: waits for an answer to a piece of the body, or to its end, for `content_timeout`, which is
// set to 60 s for our sockets. One deadline for reading and one for deciding are 52 s at most, with this.
const MARGIN: Duration = Duration::from_secs(2);

/// The state that all sessions share.
pub struct Shell<D> {
    decider: ArcSwap<D>,
    notices: Notices,
    hook: Option<StageHook>,
}

/// Where a step is, for its deadline and for what is said if it fails.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    pub(super) pass: Pass,
    pub(super) stage: Stage,
    pub(super) deadline: Duration,
    pub(super) queue_id: Option<&'a str>,
}

impl<D: Decide> Shell<D> {
    /// A shell that decides by `decider`.
    pub fn new(decider: D, notices: Notices) -> Self {
        Self { decider: ArcSwap::from_pointee(decider), notices, hook: None }
    }

    /// Sets the seam for fault injection. For tests only.
    #[allow(dead_code, reason = "a seam for tests")]
    #[must_use]
    pub fn with_hook(mut self, hook: StageHook) -> Self {
        self.hook = Some(hook);
        self
    }

    /// Exchanges the configuration. Messages under way keep the one they began with.
    pub fn reload(&self, decider: D) {
        self.decider.store(Arc::new(decider));
    }

    /// The current configuration.
    pub fn current(&self) -> Arc<D> {
        self.decider.load_full()
    }

    /// Where faults are told.
    pub fn notices(&self) -> &Notices {
        &self.notices
    }

    /// Calls the hook, if there is one, and does some work. None if that panicked or took longer
    /// than the deadline.
    pub(super) async fn step<T>(&self, at: At<'_>, work: impl FnOnce() -> T) -> Option<T> {
        self.guard(at, async {
            self.hook(at).await;
            work()
        })
        .await
    }

    /// Calls the hook, if there is one.
    pub(super) async fn hook(&self, at: At<'_>) {
        if let Some(hook) = &self.hook {
            hook(at.pass, at.stage).await;
        }
    }

    /// Lets something be read. That has limits and a net of its own, and whatever becomes of it the
    /// message goes on; this net is for what should not happen.
    pub(super) async fn reading(&self, at: At<'_>, work: impl Future<Output = ()>) {
        let deadline = at.deadline.saturating_add(MARGIN);
        self.guard(At { deadline, ..at }, work).await;
    }

    /// Does some work within the deadline and above the net. None if that failed.
    pub(super) async fn guard<T>(&self, at: At<'_>, work: impl Future<Output = T>) -> Option<T> {
        let At { pass, stage, .. } = at;
        let queue_id = at.queue_id.map(str::to_owned);
        let notice = match timeout(at.deadline, caught(work)).await {
            Ok(Ok(result)) => return Some(result),
            Ok(Err(message)) => Notice::Panic { pass, stage, queue_id, message },
            Err(_) => Notice::Deadline { pass, stage, queue_id },
        };
        self.notices.tell(&notice);
        None
    }
}

/// Turns a panic into an error. The work is dropped then, so nothing half-done is looked at again
/// except the message's state, which its session gives up.
async fn caught<T>(work: impl Future<Output = T>) -> Result<T, String> {
    let mut work = pin!(work);
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx))) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(result)) => Poll::Ready(Ok(result)),
        Err(panic) => Poll::Ready(Err(words(panic.as_ref()))),
    })
    .await
}

/// What a panic said.
fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no message").to_owned()
}
