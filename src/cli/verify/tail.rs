//! The end of the journal, as it grows.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::path::{Path, PathBuf};

use crate::journal::{Entry, Position, Record, replay};

/// What is written from now on.
pub(super) struct Tail {
    dir: PathBuf,
    position: Option<Position>,
}

impl Tail {
    /// Begins at the end of what is there.
    pub(super) fn new(dir: &Path) -> Self {
        let mut all = replay(dir, None);
        while all.next().is_some() {}
        Self { dir: dir.to_owned(), position: all.position() }
    }

    /// What was written since.
    pub(super) fn new_entries(&mut self) -> Vec<Entry> {
        let mut entries = Vec::new();
        for (position, record) in replay(&self.dir, self.position) {
            self.position = position.or(self.position);
            if let Ok(Record::Entry(entry)) = record {
                entries.push(*entry);
            }
        }
        entries
    }
}
