//! The vocabulary of mail: addresses, envelopes, header fields, messages.
//!
//! Everything here keeps the bytes it was given and prints them back unchanged. It knows nothing
//! of policy, configuration, protocols or I/O.
// SPDX-License-Identifier: GPL-3.0-or-later

// A text from outside is never cut at an octet that may be within a character: see `text`.
#![cfg_attr(not(test), deny(clippy::string_slice))]

pub mod address;
pub mod domain;
pub mod enclosed;
pub mod envelope;
pub mod header;
pub mod mailbox;
pub mod message;
pub mod mime;
pub(crate) mod text;

pub use address::{Address, AddressError, RawPath};
pub use enclosed::{enclosed, returned};
pub use envelope::{Envelope, Notify, Orcpt, Recipient};
pub use header::{BodyError, Field, FieldBody, Header, OwnField, OwnName, PlainField, PlainName};
pub use message::Message;
