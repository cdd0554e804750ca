//! `check`: the configuration test.
// SPDX-License-Identifier: GPL-3.0-or-later

use super::{CheckArgs, Exit, answer, load_with};
use crate::config::{self, Config, Surroundings};
use crate::running::{self, HOPS, Running};

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
    let path = &args.config.config;
    let mut around = Surroundings::of_process();
    if args.reload {
        // As the service looks at it, by the key as it is now.
        around = Surroundings { sockets: false, credentials: None, ..around };
        // A key that is elsewhere, or broken, is none of a reload's where the service has a copy.
        around.keys = config::load_with(path, &around).is_ok();
    }
    let config = match load_with(path, &around) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    if args.print {
        answer(&config.effective());
        return Exit::Ok;
    }
    answer(&summary(&config));
    let mut exit = Exit::Ok;
    for running in running::all(&config.state_dir) {
        for line in not_yet(&config, &running, args.reload) {
            answer(&line);
        }
        let refuses = running.needs_restart_for(&config).iter().any(|name| name == HOPS);
        if args.reload && refuses {
            exit = Exit::Config;
        }
    }
    exit
}

/// What a process that runs does not go by yet, and what brings it in.
fn not_yet(config: &Config, running: &Running, reloads: bool) -> Vec<String> {
    let role = running.role.word();
    let mut lines = Vec::new();
    let mut needs_restart = running.needs_restart_for(config);
    if needs_restart.iter().any(|name| name == HOPS) {
        lines.push(format!(
            "the {role} that runs refuses it by a reload, since [handoff] has changed\n  \
             -> recruit-milter postfix --apply, then: {}",
            running.restart()
        ));
        return lines;
    }
    if running.keys_are_copies && !config.keys.is_empty() && !running.has_keys_of(config) {
        needs_restart.push("the key".to_owned());
    }
    if !needs_restart.is_empty() {
        lines.push(format!(
            "the {role} that runs needs a restart for: {}\n  -> {}",
            needs_restart.join(", "),
            running.restart()
        ));
    }
    if running.config != config.fingerprint() && !reloads {
        lines.push(format!("the {role} that runs has not read it yet\n  -> {}", running.reload()));
    }
    lines
}

fn summary(config: &Config) -> String {
    let rules = &config.rules;
    let path = config.path.display();
    if rules.is_idle() {
        return format!("{path}: no addresses yet, all mail passes");
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
    format!("{path}: ok, {}", parts.join(", "))
}
