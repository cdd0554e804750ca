//! DKIM signers: those of the site, before which pass 1 has its place, and the one after pass 2 that
//! signs the copies, with our fields in them.
//!
//! Pure. Must not know what the signer is told in its own configuration.
// SPDX-License-Identifier: GPL-3.0-or-later

use super::error::Error;
use super::milters::is_signer;
use super::names::SIGNER_PARAM;
use super::parts::{Param, with_settings};
use super::site::Site;
use super::syntax::list;
use crate::config::Config;

/// The milters of a smtpd that has pass 2 alone, and why.
pub(super) const PASS_2: (&str, &str) = ("$recruit_milter_handoff", "pass 2 and no other milter");

/// The milters of the second smtpd, and why.
pub(super) fn milters(config: &Config) -> (&'static str, &'static str) {
    match config.handoff.signer {
        // Postfix: each milter sees the message as the one before has left it.
        Some(_) => (
            "$recruit_milter_handoff,$recruit_milter_signer",
            "pass 2, then the DKIM signer, which sees the copy with our fields",
        ),
        None => PASS_2,
    }
}

/// The parameter, where there is a signer.
///
/// Its default action is `tempfail`: while it is down the copies wait in the queue, and nobody
/// outside hears of that. With `accept` they would go on unsigned, and a recruiting system that goes by
/// the signature would not believe our fields, for good.
pub(super) fn param(config: &Config, site: &Site) -> Result<Option<Param>, Error> {
    let param = |value| Param {
        name: SIGNER_PARAM,
        value,
        why: "the DKIM signer of the copies; while it is down they wait, none goes on unsigned",
    };
    let signer = config.handoff.signer.as_ref();
    signer.map(|signer| with_settings(signer, site).map(param)).transpose()
}

/// What a site is told that signs its mail, but not the copies.
pub(super) fn hint(config: &Config, site: &Site) -> Option<&'static str> {
    let signs = || list(site.value("smtpd_milters")).into_iter().any(is_signer);
    (config.handoff.signer.is_none() && signs()).then_some(
        "a DKIM signer is in use here: [handoff] signer lets one sign our fields on the copies too",
    )
}
