//! The layers of DESIGN: who may know what. Read from the sources, so that it cannot be forgotten.
// SPDX-License-Identifier: GPL-3.0-or-later
#![allow(clippy::unwrap_used, reason = "a source that cannot be read fails the test")]

use std::fs;
use std::path::{Path, PathBuf};

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    found
}

/// The code of a file without comments and unit tests.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    text.lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n")
}

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// A file as its path below src/. The face of a folder belongs to it: `mail/` for mail.rs.
fn name(path: &Path) -> String {
    let name = path.strip_prefix(src()).unwrap().to_string_lossy();
    if path.with_extension("").is_dir() { name.replace(".rs", "/") } else { name.into_owned() }
}

/// Lists `file: word` for each of `words` that stands in the code of a file for which `of` holds.
fn uses(of: impl Fn(&str) -> bool, words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for path in sources(&src()) {
        let name = name(&path);
        if of(&name) {
            let code = code(&path);
            found.extend(
                words.iter().filter(|w| code.contains(**w)).map(|w| format!("{name}: {w}")),
            );
        }
    }
    found
}

fn is_test(name: &str) -> bool {
    name.contains("tests") || name.ends_with("testing.rs")
}

fn is_core(name: &str) -> bool {
    (name.starts_with("mail/") || name.starts_with("policy/") || name == "plan.rs")
        && !is_test(name)
}

#[test]
fn the_core_does_no_io_reads_no_clock_and_logs_nothing() {
    let words = [
        "std::fs",
        "std::net::Tcp",
        "std::net::Udp",
        "std::os",
        "std::env",
        "std::process",
        "std::thread",
        "std::io",
        "SystemTime",
        "Instant",
        "getrandom",
        "tokio",
        "async ",
        ".await",
        "tracing",
        "println!",
        "eprintln!",
        "dbg!",
        "jiff",
    ];
    assert_eq!(uses(is_core, &words), [""; 0]);
}

#[test]
fn the_core_knows_nothing_above_it() {
    let above = [
        "crate::milter",
        "crate::config",
        "crate::journal",
        "crate::observe",
        "crate::postfix",
        "crate::cli",
        "crate::agent",
        "crate::submit",
    ];
    assert_eq!(uses(is_core, &above), [""; 0]);
    assert_eq!(uses(|n| n.starts_with("mail/"), &["crate::plan", "crate::policy"]), [""; 0]);
    assert_eq!(uses(|n| n == "plan.rs", &["crate::policy"]), [""; 0]);
}

#[test]
fn only_the_milter_names_indymilter_and_it_opens_no_connection() {
    let outside = |name: &str| !name.starts_with("milter/") && !is_test(name);
    assert_eq!(uses(outside, &["indymilter"]), [""; 0]);
    // The configuration asks whether the URL of a database is one.
    let no_ledger = |n: &str| !n.starts_with("ledger/") && n != "config/value/books.rs";
    assert_eq!(uses(no_ledger, &["rusqlite", "postgres::", "tokio_postgres"]), [""; 0]);
    // The watchdog knocks at the milter's own sockets.
    let role = |n: &str| n.starts_with("milter/") && !is_test(n) && n != "milter/liveness.rs";
    let connecting =
        ["TcpStream::connect", "ToSocketAddrs", "crate::cli", "crate::submit", "crate::ledger"];
    assert_eq!(uses(role, &connecting), [""; 0]);
}

#[test]
fn only_submit_names_lettre_and_the_agent_stays_by_itself() {
    let is_submit = |name: &str| name.starts_with("submit/");
    assert_eq!(uses(|name| !is_submit(name), &["lettre"]), [""; 0]);
    assert_eq!(uses(|name| name != "resolve.rs", &["hickory"]), [""; 0]);
    let below = ["crate::agent", "crate::policy", "crate::milter", "crate::config", "crate::cli"];
    assert_eq!(uses(is_submit, &below), [""; 0]);
    let agent =
        |name: &str| (name.starts_with("agent/") || name.starts_with("lmtp")) && !is_test(name);
    let apart = ["crate::milter", "crate::postfix", "crate::cli", "TcpStream::connect"];
    assert_eq!(uses(agent, &apart), [""; 0]);
    // What reads LMTP is as pure as the core.
    let pure = |name: &str| ["lmtp/data.rs", "lmtp/command.rs"].contains(&name);
    assert_eq!(uses(pure, &["tokio", "async ", "std::io", "tracing", "observe"]), [""; 0]);
}

#[test]
fn the_test_of_smtp_settings_stays_by_itself_and_its_tables_are_pure() {
    let ours = |name: &str| name.starts_with("smtp_test/") && !is_test(name);
    let apart = [
        "crate::agent",
        "crate::policy",
        "crate::milter",
        "crate::config",
        "crate::cli",
        "crate::submit",
        "tracing",
        "println!",
    ];
    assert_eq!(uses(ours, &apart), [""; 0]);
    let pure = |name: &str| {
        ["causes.rs", "reply.rs", "texts/", "texts/de.rs", "texts/en.rs", "view.rs"]
            .iter()
            .any(|file| name.strip_prefix("smtp_test/") == Some(file))
    };
    assert_eq!(uses(pure, &["std::io", "std::fs", "TcpStream", "Instant", "rustls"]), [""; 0]);
    // All but the reply, which knows nothing.
    assert_eq!(uses(pure, &["use super::"]).len(), 5);
}

#[test]
fn credentials_know_nothing_but_passwords_and_their_file() {
    let ours = |name: &str| name.starts_with("credentials/") && !is_test(name);
    assert_eq!(uses(ours, &["crate::", "tracing", "println!", "std::process"]), [""; 0]);
    let textual = |name: &str| ours(name) && name != "credentials/store.rs";
    assert_eq!(uses(textual, &["std::fs", "std::io", "SystemTime", "Instant"]), [""; 0]);
    assert_eq!(uses(ours, &["super::passwd_file"]).len(), 1);
}

#[test]
fn only_sqlite_opens_the_file_of_the_ledger() {
    // Whoever opens it beside SQLite and closes it takes SQLite's locks away. `make` opens one that was
    // not there.
    let ledger = |name: &str| name.starts_with("ledger/") && !is_test(name);
    let words = ["OpenOptions::", "File::", "fs::read", "fs::write", "fs::copy", "fs::open"];
    assert_eq!(uses(ledger, &words), ["ledger/sqlite.rs: OpenOptions::"]);
    let sqlite = code(&src().join("ledger/sqlite.rs"));
    assert_eq!(sqlite.matches("OpenOptions::").count(), 1);
    assert!(sqlite.contains("OpenOptions::new().create_new(true)"));
    // Who else knows where it is: to set it aside, and to name it in the log.
    let others = |name: &str| !name.starts_with("ledger/") && name != "agent/books.rs";
    assert_eq!(uses(others, &["file_of"]), [""; 0]);
}

#[test]
fn every_file_says_what_it_is_for_and_under_which_licence() {
    let mut bad = Vec::new();
    for path in sources(&src()) {
        let text = fs::read_to_string(&path).unwrap();
        if !text.starts_with("//!")
            || !text.contains("// SPDX-License-Identifier: GPL-3.0-or-later")
        {
            bad.push(path);
        }
    }
    assert_eq!(bad, Vec::<PathBuf>::new());
}

#[test]
fn the_scan_sees_what_it_looks_for() {
    assert!(uses(|n| n.starts_with("milter/"), &["indymilter"]).len() > 1);
    assert!(uses(is_core, &["crate::mail"]).len() > 3);
    assert_eq!(uses(|n| n == "submit/", &["lettre"]).len(), 1);
    assert_eq!(uses(|n| n == "resolve.rs", &["hickory"]).len(), 1);
    assert_eq!(uses(|n| n == "agent/unwrapper/", &["crate::submit"]).len(), 1);
}

/// The constants of the table of findings, with their ids.
fn findings() -> Vec<(String, String)> {
    let mut all = Vec::new();
    for path in sources(&src().join("findings")) {
        for line in code(&path).lines() {
            if let Some((name, rest)) = line.trim().split_once(" = \"RM-") {
                let number = rest.split('"').next().unwrap_or_default();
                all.push((name.to_owned(), format!("RM-{number}")));
            }
        }
    }
    all
}

#[test]
fn each_id_of_a_finding_is_from_the_table_and_can_be_printed() {
    let table = findings();
    assert!(table.len() > 90, "{}", table.len());
    let mut ids: Vec<&String> = table.iter().map(|(_, id)| id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), table.len(), "an id stands for two things");
    let is_table = |name: &str| name.starts_with("findings/");
    // The page names the families.
    let outside = |name: &str| {
        !is_table(name)
            && !is_test(name)
            && name != "smtp_test/causes.rs"
            && name != "cli/man/findings.rs"
    };
    assert_eq!(uses(outside, &["RM-POSTFIX-", "RM-DOCTOR-", "RM-SMTP-"]), [""; 0]);
    let makes = |name: &str| ["postfix/", "doctor/"].iter().any(|folder| name.starts_with(folder));
    let told: String =
        sources(&src()).iter().filter(|path| makes(&name(path))).map(|path| code(path)).collect();
    let words: Vec<&str> = told.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    let unused = table.iter().filter(|(name, _)| !words.contains(&name.as_str()));
    assert_eq!(unused.map(|(_, id)| id).collect::<Vec<_>>(), [""; 0], "nothing prints them");
}

#[test]
fn each_cause_of_the_test_of_smtp_settings_can_be_its_answer() {
    let folder = src().join("smtp_test");
    let table = code(&folder.join("causes.rs"));
    // The first half lists the causes, the second says when.
    let (listed, decided) = table.split_once("pub fn of(").unwrap();
    let mut said = decided.to_owned();
    for path in sources(&folder) {
        let name = path.strip_prefix(&folder).unwrap().to_string_lossy().into_owned();
        if name != "causes.rs" && !name.starts_with("texts") && !is_test(&name) {
            said.push_str(&code(&path));
        }
    }
    let words: Vec<&str> = said.split(|c: char| !c.is_alphanumeric() && c != ':').collect();
    let of_line = |line: &str| Some(line.trim().split_once(" = ")?.0.to_owned());
    let causes = listed.lines().filter(|line| line.ends_with(',')).filter_map(of_line);
    let unused = causes.filter(|name| !words.contains(&format!("Cause::{name}").as_str()));
    assert_eq!(unused.collect::<Vec<_>>(), [""; 0]);
}
