//! An LMTP server (RFC 2033) for Postfix's lmtp(8), over a local socket. Lines, messages, sessions and
//! waiting are bounded.
//!
//! * `command`: what Postfix says. `data`: where a message ends. Both pure.
//! * `session`: the dialogue. `server`: the socket.
//!
//! Own code, since smtp-proto 0.2 refuses what Postfix takes (`a..b@x`, `ORCPT=utf-8;...`) and lets a
//! dot with CR CR LF end a message. Must not know what becomes of a message.
// SPDX-License-Identifier: GPL-3.0-or-later

mod command;
mod data;
mod server;
mod session;
#[cfg(test)]
mod tests;

pub use server::serve;
pub use session::{Answer, Inbox, Limits, Received, session};
