//! The checks of the fuzz targets, on what the fuzzer once found and on the mails of other tests.
// SPDX-License-Identifier: GPL-3.0-or-later
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests are tests

use std::fs;
use std::path::Path;

#[path = "fuzz/checks/mod.rs"]
mod checks;

/// The files of a folder under `tests`, with their names.
fn files(folder: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder);
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|e| e == "eml"))
        .map(|path| (path.display().to_string(), fs::read(&path).unwrap()))
        .collect();
    files.sort();
    files
}

/// Runs a check over the findings kept for it, and over mails that are whole and cut.
fn try_out(name: &str, check: fn(&[u8])) {
    for (file, bytes) in files(&format!("fuzz/regressions/{name}")) {
        println!("{file}");
        check(&bytes);
    }
    for (file, bytes) in files("golden").into_iter().chain(files("reading/fixtures")) {
        println!("{file}");
        let bytes = &bytes[..bytes.len().min(20_000)];
        for cut in 0..=8 {
            check(&bytes[..bytes.len() * cut / 8]);
        }
    }
}

#[test]
fn the_header_reader_holds_what_it_promises() {
    try_out("header", checks::header::check);
}

#[test]
fn the_forward_resolver_holds_what_it_promises() {
    try_out("forward", checks::forward::check);
}

#[test]
fn explain_holds_what_it_promises() {
    try_out("explain", checks::explain::check);
}
