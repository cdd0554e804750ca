//! What a start tells the log where something is in its way.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fmt::Display;
use std::path::Path;

use super::line::Line;
use super::settings::LogLevel::{Error, Info, Warning};

/// The files are broken at the start: the last good configuration is in use.
pub fn last_good(config: &Path, first: &str) {
    Line::program(Error, "start")
        .pair("config", config.display())
        .pair("first", first)
        .pair("kept", "the last good configuration")
        .emit();
}

/// The files are broken at the start and there is nothing to go by: whoever connects is turned away.
pub fn refusing(config: &Path, first: &str) {
    Line::program(Error, "start")
        .pair("config", config.display())
        .pair("first", first)
        .pair("alarm", "all mail is put off")
        .pair("remedy", "recruit-milter check")
        .emit();
}

/// The files can be used now.
pub fn configured(config: &Path) {
    Line::program(Info, "start")
        .pair("config", config.display())
        .pair("note", "can be used now: starting again")
        .emit();
}

/// Beside those that systemd passed in, a socket cannot be listened on.
pub fn not_listening(error: &dyn Display) {
    Line::program(Error, "socket").pair("reason", error).emit();
}

/// A file in the state folder could not be written. Mail does not need it.
pub fn not_kept(file: &Path, error: &dyn Display) {
    Line::program(Warning, "state").pair("file", file.display()).pair("reason", error).emit();
}
