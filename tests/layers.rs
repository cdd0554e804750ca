//! Who may know what: the table of rooms in `src/lib.rs`, held against the sources.
//!
//! `layers/rooms.txt` says which room may name which, `layers/crates.txt` what each may name of crates and of the
//! standard library. Both are lists of what is allowed: whatever is not in them fails, and so does a line that nothing
//! needs. A change that needs a line there changes the architecture; say why in lib.rs.
// SPDX-License-Identifier: GPL-3.0-or-later
#![allow(clippy::unwrap_used, reason = "a source that cannot be read fails the test")]

#[path = "layers/source.rs"]
mod source;
#[path = "layers/tables.rs"]
mod tables;

use std::fs;
use std::path::{Path, PathBuf};

use source::Sources;

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

#[test]
fn each_file_names_what_the_tables_allow() {
    assert_eq!(tables::judge(Sources::read()), [""; 0]);
}

#[test]
fn no_line_of_the_tables_is_without_use() {
    assert_eq!(tables::unused(Sources::read()), [""; 0]);
}

#[test]
fn imports_of_files_make_no_circle() {
    assert_eq!(tables::circles(Sources::read()), Vec::<Vec<String>>::new());
}

#[test]
fn each_planted_violation_is_seen() {
    // The file, what is added to it, and what is said.
    let planted = [
        ("policy/rules.rs", "use crate::ledger::State;", "ledger"),
        ("policy/rules.rs", "use std::{fs, time};", "std::fs"),
        (
            "policy/rules.rs",
            "use std::{collections::BTreeMap, time::{Duration, Instant}};",
            "std::time::Instant",
        ),
        ("policy/outbound.rs", "fn f(_: &std::sync::Mutex<u8>) {}", "std::sync::Mutex"),
        (
            "policy/kind.rs",
            "#[cfg(test)] mod t {} fn f() { std::fs::remove_file(\"\").ok(); }",
            "std::fs",
        ),
        ("policy/kind.rs", "async fn f() {}", "async"),
        ("policy/kind.rs", "fn f() { println!(\"{}\", 1); }", "println!"),
        ("policy/kind.rs", "fn f() { dbg!(1); }", "dbg!"),
        ("policy/kind.rs", "fn f() { assert!(std::env::var(\"A\").is_ok()); }", "std::env"),
        ("policy/kind.rs", "use jiff::Timestamp;", "jiff"),
        ("policy/kind.rs", "use std as s;", "std"),
        ("mail/address.rs", "use crate::policy::rules::Rules;", "policy"),
        ("mail/address.rs", "fn f(_: super::super::plan::Plan) {}", "plan"),
        ("plan.rs", "use crate::policy;", "policy"),
        ("agent/unwrapper.rs", "use lettre::Message;", "lettre"),
        ("agent/unwrapper.rs", "fn f() { crate::cli::say(\"\"); }", "cli"),
        ("milter/decide.rs", "use {crate::{ledger, mail}};", "ledger"),
        ("milter/decide.rs", "use hickory_resolver::Resolver;", "hickory_resolver"),
        ("journal/entry.rs", "pub use crate::config::Config;", "config"),
        ("ledger/read.rs", "use indymilter::Status;", "indymilter"),
        ("smtp_test/causes.rs", "use std::net::TcpStream;", "std::net::TcpStream"),
        ("credentials/password.rs", "use std::process::Command;", "std::process"),
        ("lmtp/data.rs", "use tokio::io::AsyncRead;", "tokio"),
    ];
    for (name, code, said) in planted {
        let told = tables::judge(&Sources::read().with(name, code));
        assert!(
            told.iter().any(|line| line == &format!("{name}: {said}")),
            "{code} in {name}: {told:?}"
        );
    }
    let circles = tables::circles(&Sources::read().with("mail/address.rs", "use super::envelope;"));
    assert_eq!(circles, [["mail/address.rs", "mail/envelope.rs"]]);
}

#[test]
fn the_milter_opens_no_connection_and_neither_does_the_agent() {
    // The watchdog knocks at the milter's own sockets.
    let milter = |n: &str| n.starts_with("milter/") && !is_test(n) && n != "milter/liveness.rs";
    assert_eq!(uses(milter, &["TcpStream::connect", "ToSocketAddrs"]), [""; 0]);
    let agent = |n: &str| n.starts_with("agent/") && !is_test(n);
    assert_eq!(uses(agent, &["TcpStream::connect"]), [""; 0]);
    assert_eq!(uses(|n| n == "milter/liveness.rs", &["TcpStream::connect"]).len(), 1);
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
