//! What runs, held against what the files say: keys, configuration, program.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::io;

use super::Line;
use crate::config::Config;
use crate::findings::{Severity, id};
use crate::running::{Kept, Role, Running, find};

const PART: &str = "Running";

/// Looks at each role. What does not run is told by its sockets and by the ledger.
pub(super) fn examine(config: &Config) -> Vec<Line> {
    let mut all = Vec::new();
    for role in Role::ALL {
        match find(&config.state_dir, role) {
            Ok(Some(running)) => {
                let found = compare(config, &running);
                if found.is_empty() {
                    let key = config.keys.current();
                    let text = format!("{}: this configuration, key {key}", role.word());
                    all.push(Line::ok(PART, text));
                }
                all.extend(found);
            }
            Ok(None) => {}
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                let text = format!("the {} cannot be looked at by this user", role.word());
                let (severity, id) = (Severity::NotTested, id::RUNNING_NOT_SHOWN);
                all.push(Line::with(severity, PART, id, text, "run it as root"));
            }
            Err(error) => {
                let text = format!("the {} cannot be looked at: {error}", role.word());
                let remedy = format!("see {}", config.state_dir.display());
                all.push(Line::with(Severity::Warning, PART, id::RUNNING_NOT_SHOWN, text, remedy));
            }
        }
    }
    all
}

/// What is otherwise.
fn compare(config: &Config, running: &Running) -> Vec<Line> {
    let role = running.role.word();
    let file = config.key_file.display();
    let mut all = Vec::new();
    if !running.has_keys_of(config) {
        let ids = |ids: Vec<u8>| ids.iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
        let has = ids(running.keys.iter().map(|key| key.id).collect());
        let written = ids(config.keys.ids().collect());
        let (id, text) = if running.knows_key_of(config) {
            let text = format!("the {role} runs with the keys {has}; in {file} are {written}");
            (id::OTHER_KEYS, text)
        } else {
            let signs = config.keys.current();
            let text = format!(
                "the {role} runs with the keys {has} and does not know key {signs} of {file}, which signs now: \
                 it refuses the probes of recruit-milter verify"
            );
            (id::KEY_UNKNOWN, text)
        };
        all.push(Line::new(PART, id, text, running.takes_keys()));
    }
    let mut needs_restart = running.needs_restart_for(config);
    let version = env!("CARGO_PKG_VERSION");
    if running.version != version {
        needs_restart.push(format!("the program ({}, this is {version})", running.version));
    }
    if !needs_restart.is_empty() {
        let text = format!("a restart of the {role} is needed for: {}", needs_restart.join(", "));
        all.push(Line::new(PART, id::NEEDS_RESTART, text, running.restart()));
    }
    all.extend(older(config, running));
    all
}

/// A configuration that is older than the files.
fn older(config: &Config, running: &Running) -> Option<Line> {
    let role = running.role.word();
    let since = running.since;
    let text = match &running.trouble {
        Some(trouble) if trouble.kept == Kept::TheLastGoodOne => format!(
            "the {role} goes by the last good configuration since {since}, for what was there at its start was \
             broken: {}",
            trouble.first
        ),
        Some(trouble) => {
            format!(
                "the {role} has refused the last reload and kept its configuration of before: {}",
                trouble.first
            )
        }
        None if running.config != config.fingerprint() => {
            format!("the {role} goes by what was in the files on {since}: they have changed since")
        }
        None => return None,
    };
    Some(Line::new(PART, id::OLDER_CONFIGURATION, text, running.reload()))
}
