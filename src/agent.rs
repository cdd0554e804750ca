//! The agent role: what the milter cannot do to a message in place, and what needs a network, a
//! database or a clock.
//!
//! * [`books`]: the ledger, written from the journal.
//! * [`verify`]: probes, and what became of them.
//! * [`lookout`]: whether mail gets through now.
//! * [`alerts`]: people who are told of trouble.
//! * [`metrics`]: figures for Prometheus.
//! * [`unwrapper`]: the message that a colleague had attached, in the place of his.
//!
//! Killed at any moment, the agent loses nothing: Postfix still has what was not answered with 250,
//! and the journal what is not in the ledger yet. Killed between Postfix's answer and its own it leaves
//! a second copy, the window that SMTP itself has (RFC 1047).
//!
//! Must not know what pass 2 decides, nor the milter's protocol.
// SPDX-License-Identifier: GPL-3.0-or-later

pub mod alerts;
pub mod books;
pub mod lookout;
pub mod metrics;
pub mod unwrapper;
pub mod verify;
