//! Who the applicant is: see checks/forward.rs.
// SPDX-License-Identifier: GPL-3.0-or-later
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| checks::forward::check(bytes));
