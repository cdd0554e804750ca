//! Tests against the real thing: real Postfix, real sockets, the real program.
// SPDX-License-Identifier: GPL-3.0-or-later
#![allow(clippy::unwrap_used, reason = "what a test's helper cannot do fails the test")]

mod harness;
mod harness_selftest;

mod crash;
mod flow;
mod golden;
mod outage;
mod service;
mod soak;
