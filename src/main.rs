//! The command line of recruit-milter.
// SPDX-License-Identifier: GPL-3.0-or-later

fn main() {}
