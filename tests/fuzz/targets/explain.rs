//! All of `explain`: see checks/explain.rs.
// SPDX-License-Identifier: GPL-3.0-or-later
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| checks::explain::check(bytes));
