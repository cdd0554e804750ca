//! The words of the log: one function per event, one line per call.
//!
//! A line about a message begins with Postfix's queue ID (`NOQUEUE` before there is one), a line
//! about the program with the event; then come `key=value` pairs. What someone should look at is a
//! `warning:` with `alarm=NAME`. Logging never waits and never fails.
//!
//! Addresses of people outside come as [`Shown`]; message content does not come at all.
//!
//! Must not know who logs, nor decide anything.
// SPDX-License-Identifier: GPL-3.0-or-later

mod books;
mod events;
#[cfg(test)]
mod golden;
mod line;
mod mask;
mod output;
mod settings;
mod starts;

pub use books::*;
pub use events::*;
pub use mask::{Masker, Shown};
#[cfg(test)]
pub(crate) use output::tests::capture;
pub use output::{Logging, init};
pub use settings::{LogLevel, LogSettings, LogTarget, Masking};
pub use starts::*;
