//! Postfix's configuration: what recruit-milter needs in it, what is there, and how one becomes the
//! other.
//!
//! * [`syntax`]: the files' syntax; `names`: what of ours stands in them, `elements` and `milters` as part of the site's lists.
//! * `instance`: an instance and its commands; `read` asks it for the [`site`]: what it has now.
//! * `tables`: what its tables say, as far as their source can be read.
//! * [`wanted`]: what it must have, made of `parts` with their reasons; `services`: our services, each put together by `service`.
//! * `alerts`: the smtpd for alerts; `signer`: the DKIM signer of the copies.
//! * `outgoing`: what outgoing mail needs; `outgoing_check`: what is wrong there.
//! * [`change`]: the difference, as the admin is shown it.
//! * [`mod@apply`]: makes the changes, and undoes them.
//! * `filters`: the place of our milter where content filters are; `behind`: where it is asked for then; `filters_read`: what these say;
//!   `filters_check`: what is wrong.
//! * [`mod@check`]: what is wrong, and what to do about it; `served`: whether it takes mail for our
//!   domains; `inside`: who would pass for a colleague; `ways`: what reaches an address unseen by us;
//!   `reach`: whether a service can reach our sockets.
//! * `settings`: what else in it is not good for our mail, which `doctor` tells.
//!
//! Must not know running sessions or decisions.
// SPDX-License-Identifier: GPL-3.0-or-later

mod alerts;
pub mod apply;
mod behind;
pub mod change;
pub mod check;
mod elements;
mod error;
mod filters;
mod filters_check;
mod filters_read;
mod inside;
mod instance;
mod lines;
mod matching;
mod milters;
mod names;
mod outgoing;
mod outgoing_check;
mod parts;
mod reach;
mod read;
mod regexp;
mod report;
mod served;
mod service;
mod services;
mod settings;
mod signer;
pub mod site;
pub mod syntax;
mod tables;
mod terminal;
pub mod wanted;
mod ways;

pub use apply::{apply, remove};
pub use behind::behind;
pub use change::{Change, diff, show};
pub use check::{check, is_of_doubling};
pub use error::Error;
pub use instance::Instance;
pub use served::unserved;
pub use settings::examine as advise;
pub use site::{Looked, Site, Target};
pub use syntax::Service;
pub use wanted::Wanted;
