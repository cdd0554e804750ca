//! What stops `login`, and what to do about it.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fmt::Display;
use std::io::ErrorKind;

use super::super::{Exit, say};
use crate::config;
use crate::credentials::{EntryError, Name, NameError, Remark, Store, StoreError};

/// What stopped a command: told already, or in these words.
pub(super) struct Failure {
    exit: Exit,
    words: Option<String>,
}

impl Failure {
    /// In these words.
    pub(super) fn new(exit: Exit, message: impl Display, remedy: impl Display) -> Self {
        Self { exit, words: Some(format!("error: {message}\n  = {remedy}")) }
    }

    /// Nothing more is to be said.
    pub(super) fn told(exit: Exit) -> Self {
        Self { exit, words: None }
    }

    /// A word that cannot be a user name.
    pub(super) fn of_name(given: &str, error: NameError) -> Self {
        let message = format!("{given:?} cannot be a user name: {error}");
        Self::new(Exit::Usage, message, "letters, digits and any of .-_@ make one, 64 at most")
    }

    /// A failure with the file, on the way to read it or to change `name` in it.
    pub(super) fn of(store: &Store, name: Option<&Name>, error: &StoreError) -> Self {
        let path = store.path().display().to_string();
        let name = name.map_or("NAME", Name::as_str);
        let (message, meant) = match error {
            StoreError::Entry(EntryError::Missing) => {
                (format!("{path}: {name}: {error}"), nearest(store, name))
            }
            _ => (format!("{path}: {error}"), None),
        };
        Self::new(exit_for(error), message, meant.unwrap_or_else(|| remedy(error, &path, name)))
    }

    /// Says it, and how the process shall end.
    pub(super) fn tell(self) -> Exit {
        if let Some(words) = self.words {
            say(&words);
        }
        self.exit
    }
}

/// The user in the file whose name is nearly this.
fn nearest(store: &Store, name: &str) -> Option<String> {
    let users: Vec<String> = store.read().ok()?.entries().map(|entry| entry.user).collect();
    config::suggest(name, users.iter().map(String::as_str))
}

fn remedy(error: &StoreError, path: &str, name: &str) -> String {
    match error {
        StoreError::Missing => {
            format!("recruit-milter login add {name} makes it; or name another with --users")
        }
        StoreError::NoFolder(folder) => format!("install -d -m 755 {}", folder.display()),
        StoreError::Link(_) => "name the file itself with --users".to_owned(),
        StoreError::NotAFile | StoreError::TooLarge => {
            "name a file made by: recruit-milter login add".to_owned()
        }
        StoreError::Line(_) => {
            "a line is user:{SCHEME}hash and so on; name a passwd-file with --users".to_owned()
        }
        StoreError::Entry(EntryError::Exists(_)) => {
            format!("recruit-milter login rotate {name} gives it a new password")
        }
        StoreError::Entry(EntryError::Missing) => {
            "recruit-milter login list shows those that are there".to_owned()
        }
        StoreError::Entry(EntryError::Foreign(_)) => {
            "change it where it was made; or name another file with --users".to_owned()
        }
        StoreError::Entry(EntryError::Twice(_, second)) => {
            format!("take line {second} of {path} out")
        }
        StoreError::Busy(_) => "try again".to_owned(),
        StoreError::Random => "see getrandom(2); try again when the system is up".to_owned(),
        StoreError::Io(error) if error.kind() == ErrorKind::PermissionDenied => {
            "run as root, or as a user who may write in its folder".to_owned()
        }
        StoreError::Io(_) => "see that files can be made in its folder".to_owned(),
    }
}

fn exit_for(error: &StoreError) -> Exit {
    match error {
        StoreError::Missing | StoreError::Entry(EntryError::Missing) => Exit::NoInput,
        StoreError::Link(_)
        | StoreError::NotAFile
        | StoreError::TooLarge
        | StoreError::Line(_)
        | StoreError::Entry(EntryError::Twice(..)) => Exit::Data,
        StoreError::Entry(EntryError::Foreign(_)) => Exit::NoPermission,
        StoreError::Busy(_) => Exit::TryAgain,
        StoreError::Random => Exit::Os,
        StoreError::Io(error) if error.kind() == ErrorKind::PermissionDenied => Exit::NoPermission,
        StoreError::Entry(EntryError::Exists(_)) | StoreError::NoFolder(_) | StoreError::Io(_) => {
            Exit::CannotCreate
        }
    }
}

/// Tells what is not as it should be with the file.
pub(super) fn remind(store: &Store) {
    let path = store.path().display();
    for remark in store.remarks() {
        say(&match remark {
            Remark::Exposed { mode } => format!(
                "warning: {path} can be read by everybody (mode {mode:04o})\n  = chmod o-r {path}"
            ),
            Remark::Writable { mode } => format!(
                "warning: {path} can be changed by others than its owner (mode {mode:04o})\n  \
                 = chmod go-w {path}"
            ),
            Remark::Unreadable => format!(
                "warning: {path} cannot be read by Dovecot\n  \
                 = chgrp dovecot {path} && chmod g+r {path}"
            ),
            Remark::Closed(folder) => {
                let folder = folder.display();
                format!("warning: {folder} cannot be entered by Dovecot\n  = chmod o+x {folder}")
            }
        });
    }
}
