//! The header reader: see checks/header.rs.
// SPDX-License-Identifier: GPL-3.0-or-later
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| checks::header::check(bytes));
