//! The folder that everything of one test lives in.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// A temporary folder that Postfix's own user can enter, removed when dropped.
///
/// Declare it after what runs in it: fields and variables are dropped in that order only in a
/// struct; in a function the last declared goes first, so there the scratch folder comes first.
#[derive(Debug)]
pub struct Scratch(TempDir);

impl Scratch {
    /// A new, empty folder. Its path is short: the address of a UNIX socket has 107 octets.
    pub fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("rm-").tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        Self(dir)
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// A path in it.
    pub fn join(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Keeps the folder for a look at it, and tells where it is.
    pub fn keep(self) -> PathBuf {
        self.0.keep()
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}
