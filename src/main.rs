//! The command line of recruit-milter.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(recruit_milter::cli::main(std::env::args_os()) as u8)
}
