//! The test harness: private Postfix instances, raw SMTP and milter clients, a fault proxy and the
//! real daemon, all on loopback and below one scratch folder, all gone when they are dropped.
//!
//! The demo and the benches use the same files (`#[path]`), so nothing in here may depend on the
//! test runner, and a harness that cannot go on panics with the reason.
// SPDX-License-Identifier: GPL-3.0-or-later
#![allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    reason = "tests, demo and benches each use a part of the harness"
)]
#![allow(
    clippy::unwrap_used,
    clippy::format_collect,
    clippy::needless_pass_by_value,
    clippy::struct_field_names,
    clippy::expect_used,
    clippy::panic,
    reason = "what the harness cannot do ends the test"
)]
#![allow(
    clippy::missing_panics_doc,
    reason = "everything here may panic, that is how it fails a test"
)]

pub mod amavis;
pub mod certificate;
pub mod daemon;
pub mod dkim;
pub mod dovecot;
pub mod filter;
pub mod frame;
pub mod hooked;
pub mod locks;
pub mod maildir;
pub mod milter_client;
pub mod milter_reply;
pub mod opendkim;
pub mod port;
pub mod postfix;
pub mod postgresql;
pub mod process;
pub mod proxy;
pub mod queue;
pub mod relay;
pub mod report;
pub mod routes;
pub mod scratch;
pub mod site;
pub mod smtp;
pub mod smtplib;
pub mod socket;
pub mod submission;
pub mod swaks;
pub mod tls;
pub mod wait;
pub mod watchdog;

pub use dovecot::Dovecot;
pub use maildir::Delivered;
pub use port::Port;
pub use postfix::Postfix;
pub use scratch::Scratch;
pub use site::Site;
pub use smtp::{Mail, Smtp};
pub use smtplib::Smtplib;
pub use socket::Endpoint;
pub use swaks::Swaks;
pub use wait::{LIMIT, wait_for, wait_until, within};
