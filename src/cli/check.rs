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
    let rules = &config.rules;
    let path = config.path.display();
    if rules.is_idle() {
        answer(&format!("{path}: no addresses yet, all mail passes"));
        return Exit::Ok;
    }
    let count = |number: usize, one: &str, many: &str| {
        format!("{number} {}", if number == 1 { one } else { many })
    };
    let mut parts = vec![
        count(rules.addresses.len(), "recruiting address", "recruiting addresses"),
        count(rules.systems.len(), "recruiting system", "recruiting systems"),
    ];
    if !rules.outbound.is_idle() {
        parts.push(count(rules.outbound.logins.len(), "login", "logins"));
        parts.push(count(rules.outbound.routes.len(), "route", "routes"));
    }
    answer(&format!("{path}: ok, {}", parts.join(", ")));
    Exit::Ok
}
