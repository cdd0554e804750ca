//! DKIM signers: those of the site, before which pass 1 has its place, and the one after pass 2 that
//! signs the copies, with our fields in them.
//!
//! Pure. Must not know what the signer is told in its own configuration.
// SPDX-License-Identifier: GPL-3.0-or-later

use super::Error;
use super::site::Site;
use super::syntax::list;
use super::wanted::{Param, is_element, with_settings};
use crate::config::Config;

/// The parameter of main.cf that names it.
pub(super) const PARAM: &str = "recruit_milter_signer";

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
        name: PARAM,
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

/// Whether a milter signs what it sees, so that it belongs behind us.
pub(super) fn is_signer(milter: &str) -> bool {
    // OpenDKIM and dkim-milter by their usual names and ports (Debian, Red Hat, Arch).
    let milter = milter.to_lowercase();
    ["dkim", ":8891", ":12301"].iter().any(|mark| milter.contains(mark))
}

/// A list of milters with ours in it: last, but before signers at its end.
pub(super) fn with_milter(current: &str, ours: &str) -> String {
    let mut milters = list(current);
    if milters.iter().any(|milter| is_element(milter, ours)) {
        return current.to_owned();
    }
    let signers = milters.iter().rev().take_while(|m| is_signer(m)).count();
    milters.insert(milters.len() - signers, ours);
    milters.join(", ")
}
