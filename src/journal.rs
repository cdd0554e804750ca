//! The journal: one line for each decision of the milter, appended to a file in the state folder.
//!
//! The milter writes ([`Journal`]) and never waits for it; whoever keeps books on the mail reads
//! ([`replay`]). Between them stands nothing but the files `journal`, `journal.1`, ..., the oldest
//! with the highest number. A line is written by one write(2), so a crash of the program leaves
//! whole lines, or at worst a torn last one, which is never read as an entry. Nothing is synced to
//! disk: after a power cut the last seconds may be missing, while the mail itself is in Postfix's
//! queue.
//!
//! Must not know what the decisions mean.
// SPDX-License-Identifier: GPL-3.0-or-later

mod entry;
mod reader;
#[cfg(test)]
mod tests;
mod writer;

pub use crate::policy::pass::Pass;
pub use entry::{AGAIN, Action, BadLine, Entry, Lost, MAX_DETAIL, Record, VERSION};
pub use reader::{Position, Replay, replay};
pub use writer::Journal;

/// The name of the file that is being written.
const FILE: &str = "journal";
/// No line is longer: what SMTP can bring into an entry is bounded by a fraction of it.
const MAX_LINE: usize = 64 * 1024;

/// No more rotated files are kept, whatever the configuration says: a reader opens them all.
const MAX_FILES: u32 = 200;

/// The path of the journal that is `age` rotations old.
pub(crate) fn path_of(dir: &std::path::Path, age: u32) -> std::path::PathBuf {
    match age {
        0 => dir.join(FILE),
        age => dir.join(format!("{FILE}.{age}")),
    }
}
