//! `check`: the configuration test.
// SPDX-License-Identifier: GPL-3.0-or-later

use super::{CheckArgs, Exit, answer, load};
use crate::config;

pub(super) fn check(args: &CheckArgs) -> Exit {
    if args.json {
        let (problems, exit) = match config::load(&args.config.config) {
            Ok(loaded) => (loaded.warnings, Exit::Ok),
            Err(problems) if !args.config.config.exists() => (problems, Exit::NoInput),
            Err(problems) => (problems, Exit::Config),
        };
        answer(&problems.to_json().to_string());
        return exit;
    }
    let config = match load(&args.config.config) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    if args.print {
        answer(&config.effective());
        return Exit::Ok;
    }
    let (addresses, systems) = (config.rules.addresses.len(), config.rules.systems.len());
    if config.rules.is_idle() {
        answer(&format!("{}: no addresses yet, all mail passes", config.path.display()));
    } else {
        answer(&format!(
            "{}: ok, {addresses} recruiting {}, {systems} recruiting {}",
            config.path.display(),
            if addresses == 1 { "address" } else { "addresses" },
            if systems == 1 { "system" } else { "systems" },
        ));
    }
    Exit::Ok
}
