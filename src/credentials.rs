//! Credentials without a mailbox: a login that a recruiting system can send with and nothing else.
//!
//! * [`name`]: the user names that can be given.
//! * [`password`]: makes a password, and the hash that is all that is kept of it.
//! * [`passwd_file`]: the text of a passwd-file as Dovecot reads it.
//! * [`store`]: such a file on disk, changed as a whole or not at all.
//!
//! Two walls keep such a login out of mailboxes: the passdb stands in `protocol smtp`, and each
//! entry carries `nologin`. Must not know what a login may send as, nor the configuration.
// SPDX-License-Identifier: GPL-3.0-or-later

pub mod name;
pub mod passwd_file;
pub mod password;
pub mod store;

pub use name::{Name, NameError};
pub use passwd_file::{Entry, EntryError, PasswdFile};
pub use password::Password;
pub use store::{Remark, Store, StoreError};
