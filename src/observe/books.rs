//! What the agent's bookkeeping tells the log.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fmt::Display;
use std::path::Path;

use super::line::Line;
use super::settings::LogLevel::{Error, Info, Warning};
use crate::policy::rules::Pattern;
use crate::policy::verification::{State, Verdict};

/// The ledger cannot be written. Mail goes on; what is missing is read from the journal later.
pub fn ledger_trouble(error: &dyn Display, remedy: &str) {
    Line::program(Warning, "ledger")
        .pair("alarm", "ledger")
        .pair("error", error)
        .pair("mail", "not affected")
        .pair("remedy", remedy)
        .emit();
}

/// The ledger is written again.
pub fn ledger_back(entries: u64) {
    Line::program(Info, "ledger").pair("written", "again").pair("entries", entries).emit();
}

/// A damaged ledger was set aside, and a new one begun with what the journal still holds.
pub fn ledger_set_aside(to: &Path) {
    Line::program(Error, "ledger")
        .pair("alarm", "ledger-damaged")
        .pair("set_aside", to.display())
        .pair("begun_anew", "from the journal")
        .emit();
}

/// Files of the ledger were deleted or replaced under the agent: it goes on with those that are there.
pub fn ledger_replaced(file: &Path) {
    Line::program(Error, "ledger")
        .pair("alarm", "ledger-replaced")
        .pair("file", file.display())
        .pair("reason", "deleted or replaced while the agent had it open")
        .pair("opened", "again")
        .pair("remedy", "stop the agent before touching it, its -wal or its -shm")
        .emit();
}

/// A line of the journal is missing or cannot be read: the ledger does not know of it.
pub fn journal_gap(what: &dyn Display, count: u64) {
    Line::program(Warning, "ledger")
        .pair("alarm", "journal-gap")
        .pair("reason", what)
        .pair("lines", count)
        .emit();
}

/// Old entries were deleted.
pub fn ledger_expired(rows: u64) {
    Line::program(Info, "ledger").pair("expired", rows).emit();
}

/// Nothing is deleted, since the clock went forward further than time did.
pub fn ledger_clock(days: u64) {
    Line::program(Warning, "ledger")
        .pair("alarm", "clock")
        .pair("ahead_days", days)
        .pair("expiry", "paused")
        .pair("remedy", "set the clock, or restart the agent if it is right")
        .emit();
}

/// Verification stands otherwise than before.
pub fn verification(address: &Pattern, verdict: &Verdict) {
    let verified = verdict.state == State::Verified;
    Line::program(if verified { Info } else { Warning }, "verification")
        .some("alarm", (!verified).then_some("not-verified"))
        .pair("address", address)
        .pair("state", verdict.state)
        .some("hop", verdict.hop)
        .some("said", verdict.words.as_deref())
        .emit();
}

/// Verification cannot go on, since the ledger cannot be used.
pub fn not_verifiable(error: &dyn Display) {
    Line::program(Warning, "verification")
        .pair("alarm", "verification")
        .pair("error", error)
        .emit();
}

/// Nobody can be asked as somebody outside would: this machine's addresses cannot be read.
pub fn own_addresses_unknown() {
    Line::program(Warning, "verification")
        .pair("error", "the addresses of this machine cannot be read: no probe is made from them")
        .pair("remedy", "let it read /proc/self/net/fib_trie and if_inet6 (AppArmor?)")
        .emit();
}

/// Mail is put off, waits or passes us by.
pub fn way_stopped(what: &str, remedy: &str) {
    Line::program(Error, "way")
        .pair("alarm", "way")
        .pair("error", what)
        .pair("remedy", remedy)
        .emit();
}

/// What was wrong there is right again.
pub fn way_open(place: &dyn Display) {
    Line::program(Info, "way").pair("open", place).emit();
}

/// Somebody was told of trouble.
pub fn alerted(to: &str, alerts: usize) {
    Line::program(Info, "alert").path("to", to).pair("alerts", alerts).emit();
}

/// Somebody could not be told of trouble.
pub fn not_alerted(to: &str, error: &dyn Display) {
    Line::program(Warning, "alert")
        .pair("alarm", "alert")
        .path("to", to)
        .pair("error", error)
        .emit();
}

/// More happened than can be told.
pub fn alert_lost(error: &dyn Display) {
    Line::program(Warning, "alert").pair("alarm", "alert").pair("error", error).emit();
}

/// The figures can be read nowhere.
pub fn no_metrics(listen: std::net::SocketAddr, error: &dyn Display) {
    Line::program(Warning, "metrics").pair("listen", listen).pair("error", error).emit();
}

/// The recruiting system's server could not be asked from here.
pub fn not_asked(address: &str, said: &str) {
    Line::program(Info, "verification").pair("address", address).pair("not_asked", said).emit();
}
