//! What all sessions on one kind of socket share: how many are open, how many may be, and whether
//! the process is draining.
//!
//! Must not know the protocol.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::watch;

/// Counts open sessions and tells them when to end. Clones are the same gate.
#[derive(Clone, Debug)]
pub struct Gate(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    limit: usize,
    open: watch::Sender<usize>,
    order: watch::Sender<Order>,
}

/// What sessions are told, in the order in which they are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Order {
    /// To go on.
    Serve,
    /// To go on, while nobody new is let in.
    Drain,
    /// To end when no message is under way.
    Leave,
    /// To end now.
    End,
}

/// One open session. The place is free again when this is dropped.
#[derive(Debug)]
pub struct Place(Arc<Inner>);

impl Place {
    /// Waits for an order.
    pub fn ordered(&self, order: Order) -> Ordered {
        self.0.ordered(order)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.open.send_modify(|open| *open -= 1);
    }
}

/// Completes when an order, or a later one, is given.
pub type Ordered = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Inner {
    fn ordered(&self, order: Order) -> Ordered {
        let mut orders = self.order.subscribe();
        Box::pin(async move {
            // An error means that there is nobody left to give orders, which ends all.
            let _ = orders.wait_for(|given| *given >= order).await;
        })
    }
}

impl Gate {
    /// A gate for at most `limit` sessions.
    pub fn new(limit: usize) -> Self {
        Self(Arc::new(Inner {
            limit,
            open: watch::Sender::new(0),
            order: watch::Sender::new(Order::Serve),
        }))
    }

    /// Takes a place, if there is one.
    pub fn enter(&self) -> Option<Place> {
        let entered = self.0.open.send_if_modified(|open| {
            let free = *open < self.0.limit;
            *open += usize::from(free);
            free
        });
        entered.then(|| Place(Arc::clone(&self.0)))
    }

    /// How many sessions may be open.
    pub fn limit(&self) -> usize {
        self.0.limit
    }

    /// How many sessions are open.
    pub fn open(&self) -> usize {
        *self.0.open.borrow()
    }

    /// Waits until no session is open.
    pub async fn empty(&self) {
        // The sender lives in `self`, so the channel cannot be closed.
        let _ = self.0.open.subscribe().wait_for(|open| *open == 0).await;
    }

    /// Gives an order. From [`Order::Drain`] on nobody is let in.
    pub fn give(&self, order: Order) {
        self.0.order.send_replace(order);
    }

    /// Waits for an order.
    pub fn ordered(&self, order: Order) -> Ordered {
        self.0.ordered(order)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::time::timeout;

    #[test]
    fn places_are_limited_and_come_back() {
        let gate = Gate::new(2);
        let first = gate.enter().unwrap();
        let _second = gate.enter().unwrap();
        assert!(gate.enter().is_none());
        drop(first);
        assert!(gate.enter().is_some());
        assert_eq!(gate.open(), 1);
    }

    #[tokio::test]
    async fn empty_waits_for_the_last_session() {
        let gate = Gate::new(1);
        let place = gate.enter();
        let short = Duration::from_millis(20);
        assert!(timeout(short, gate.empty()).await.is_err());
        drop(place);
        assert!(timeout(short, gate.empty()).await.is_ok());
    }

    #[tokio::test]
    async fn an_order_reaches_those_who_wait_and_those_who_come_later() {
        let gate = Gate::new(1);
        let waiting = tokio::spawn(gate.ordered(Order::Drain));
        tokio::task::yield_now().await;
        gate.give(Order::Drain);
        waiting.await.unwrap();
        gate.ordered(Order::Drain).await;
        let last = timeout(Duration::from_millis(20), gate.ordered(Order::End));
        assert!(last.await.is_err());
        gate.give(Order::End);
        gate.ordered(Order::Drain).await;
    }
}
