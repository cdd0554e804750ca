//! Tests against the real thing: real Postfix, real sockets, the real program.
// SPDX-License-Identifier: GPL-3.0-or-later
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what a test's helper cannot do fails the test"
)]

mod harness;
mod harness_selftest;

mod exhaustion;
mod hostile;

mod canary;
mod crash;
mod credentials;
mod doctor;
mod filters;
mod flow;
mod golden;
mod idn;
mod interfaces;
mod ledger;
mod looking;
mod outage;
mod outbound;
mod probe;
mod reading;
mod resend;
mod restart;
mod routes;
mod service;
mod setup;
mod signed;
mod smtp_test;
mod soak;
mod strangers;
mod transcripts;
mod undecided;
mod unread;
mod unwrap;
mod verify;
mod way;
