//! Configuration files that are wrong, each with the whole text that it must be answered with, and
//! files that are right.
//!
//! The text stands beside the file, in `NAME.expected`. After a wanted change of the texts,
//! `UPDATE_EXPECTED=1 cargo test --test config` writes them anew; read the difference.
// SPDX-License-Identifier: GPL-3.0-or-later
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may fail them")]

use std::fs;
use std::path::{Path, PathBuf};

use recruit_milter::config::{self, Loaded, Problems, Surroundings};

/// Neither sockets nor keys: what the text alone tells.
fn text_only() -> Surroundings {
    Surroundings { sockets: false, state: false, keys: false, credentials: None }
}

fn load(path: &Path) -> Result<Loaded, Problems> {
    config::load_with(path, &text_only())
}

/// The cases of a folder: `NAME.toml`, or `NAME/recruit-milter.toml` where there is more than one
/// file to it. Each with its expected text.
fn cases(folder: &str) -> Vec<(PathBuf, PathBuf)> {
    let mut cases = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            cases.push((path.join("recruit-milter.toml"), path.with_extension("expected")));
        } else if path.extension().is_some_and(|e| e == "toml") {
            cases.push((path.clone(), path.with_extension("expected")));
        }
    }
    cases.sort();
    cases
}

/// Compares a text with a file, or writes the file if that is asked for.
fn compare(found: &str, expected: &Path, failures: &mut Vec<String>) {
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        fs::write(expected, found).unwrap();
    }
    let wanted = fs::read_to_string(expected).unwrap_or_default();
    if found != wanted {
        let name = expected.display();
        failures.push(format!("--- {name}\n{wanted}+++ found\n{found}"));
    }
}

#[test]
fn every_broken_file_is_answered_with_its_text() {
    let cases = cases("tests/config/broken");
    assert!(cases.len() >= 50, "only {} cases", cases.len());
    let mut failures = Vec::new();
    for (path, expected) in cases {
        match load(&path) {
            Ok(_) => failures.push(format!("{} was taken", path.display())),
            Err(problems) => compare(&problems.to_string(), &expected, &mut failures),
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Prints the configuration with its warnings; what was printed must be read as the same again.
#[test]
fn every_valid_file_prints_as_what_it_means_and_reads_back() {
    let cases = cases("tests/config/valid");
    assert!(cases.len() >= 8, "only {} cases", cases.len());
    let mut failures = Vec::new();
    for (path, expected) in cases {
        let Loaded { config, warnings, .. } = match load(&path) {
            Ok(loaded) => loaded,
            Err(problems) => panic!("{problems}"),
        };
        let printed = config.effective();
        let again = config::parse(&[("again.toml".into(), printed.clone())]);
        let again = again.unwrap_or_else(|problems| panic!("{problems}\n{printed}")).config;
        assert_eq!(again.effective(), printed, "{}", path.display());
        assert_eq!(again.rules.systems, config.rules.systems);
        assert_eq!(again.rules.addresses, config.rules.addresses);
        assert_eq!(again.rules.outbound, config.rules.outbound);
        assert_eq!(again.rules.bounce, config.rules.bounce);
        assert_eq!(again.rules.return_domain, config.rules.return_domain);
        assert_eq!(again.rules.internal_domains, config.rules.internal_domains);
        assert_eq!(again.rules.internal_networks, config.rules.internal_networks);
        assert_eq!(again.milter, config.milter);
        assert_eq!(again.handoff, config.handoff);
        assert_eq!(again.log, config.log);
        let warnings = if warnings.is_empty() { String::new() } else { format!("{warnings}\n") };
        compare(&format!("{warnings}{printed}"), &expected, &mut failures);
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
