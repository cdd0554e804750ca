//! Nothing is compiled that nobody uses.
//!
//! As parts of a library all public items count as used. Here the modules belong to a program, as in main.rs, and
//! rustc tells what neither it nor anything it calls names. `make lint` builds this with warnings denied; it is
//! never run.
// SPDX-License-Identifier: GPL-3.0-or-later
#![deny(dead_code)]
#![allow(unreachable_pub, reason = "a program shows nothing to others")]
#![allow(unused_imports, reason = "names are handed on to who uses the library")]

mod agent;
mod cli;
mod config;
mod credentials;
mod doctor;
mod findings;
mod gate;
mod journal;
mod language;
mod ledger;
mod lmtp;
mod mail;
mod milter;
mod observe;
mod own;
mod plan;
mod policy;
mod postfix;
mod reading;
mod resolve;
mod running;
mod smtp_test;
mod socket;
mod submit;
mod way;

fn main() -> std::process::ExitCode {
    std::process::ExitCode::from(cli::main(std::env::args_os()) as u8)
}
