//! A milter that does not know our probes: it runs with another key, or looks for another bounce address.
//! Best found out before one is sent.
// SPDX-License-Identifier: GPL-3.0-or-later

use super::diagnosis::Diagnosis;
use crate::config::Config;
use crate::language::Language;
use crate::plan::ReplyText;
use crate::policy::verification::Hop;
use crate::running::{RELOAD, RESTART, Role, Running, find};

/// What is wrong where no probe of ours would be known as such. Only of a milter of this host: what runs
/// elsewhere says so itself, see [`is_told`].
pub(super) fn expected(config: &Config, lang: Language) -> Option<Diagnosis> {
    let milter = milter(config)?;
    if !config.verify.via.ip().is_loopback() {
        None
    } else if !milter.knows_key_of(config) {
        Some(other_key(config, lang))
    } else if !milter.has_bounces_of(config) {
        Some(older(config, lang))
    } else {
        None
    }
}

/// Whether the words of a server are those with which pass 1 refuses a probe that it does not know.
pub(super) fn is_told(said: &str) -> bool {
    said.contains(ReplyText::UnknownProbe.parts().2)
}

/// It has another key.
pub(super) fn other_key(config: &Config, lang: Language) -> Diagnosis {
    let id = config.keys.current();
    let cause = lang.pick(
        format!("the milter that runs does not know key {id}, with which this test is signed."),
        format!(
            "Der laufende Milter kennt den Schlüssel {id} nicht, mit dem dieser Test signiert ist."
        ),
    );
    let remedy = milter(config).map_or(RESTART.to_owned(), |milter| milter.takes_keys());
    Diagnosis { hop: Hop::Front.word(), causes: vec![cause], remedy }
}

/// It knows another bounce address.
pub(super) fn older(config: &Config, lang: Language) -> Diagnosis {
    let cause = lang.pick(
        "the milter that runs goes by an older configuration, in which the bounce address is another.",
        "Der laufende Milter geht nach einer älteren Konfiguration, in der die Bounce-Adresse eine andere ist.",
    );
    let remedy = milter(config).map_or(RELOAD.to_owned(), |milter| milter.reload());
    Diagnosis { hop: Hop::Front.word(), causes: vec![cause.to_owned()], remedy }
}

fn milter(config: &Config) -> Option<Running> {
    find(&config.state_dir, Role::Milter).ok().flatten()
}
