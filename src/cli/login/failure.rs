//! What stops `login`, and what to do about it.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::io::{self, ErrorKind};
use std::path::PathBuf;

use super::super::{Exit, say};
use crate::config;
use crate::credentials::{EntryError, Name, NameError, Remark, Store, StoreError};

/// What stopped a command.
pub(super) enum Failure {
    /// The name cannot be a user name.
    Name { given: String, error: NameError },
    /// The file cannot be read or changed.
    File { path: PathBuf, name: Option<String>, error: StoreError, meant: Option<String> },
    /// The password was made and could not be shown.
    NotShown { name: String, error: io::Error },
    /// It has been told already.
    Told(Exit),
}

impl Failure {
    /// A failure with the file, on the way to change `name` in it.
    pub(super) fn of(store: &Store, name: &Name, error: StoreError) -> Self {
        let meant = matches!(error, StoreError::Entry(EntryError::Missing))
            .then(|| store.read().ok())
            .flatten()
            .and_then(|file| {
                let users: Vec<String> = file.entries().map(|entry| entry.user).collect();
                config::suggest(name.as_str(), users.iter().map(String::as_str))
            });
        Self::File { path: store.path().to_owned(), name: Some(name.to_string()), error, meant }
    }

    /// A failure to read the file.
    pub(super) fn reading(store: &Store, error: StoreError) -> Self {
        Self::File { path: store.path().to_owned(), name: None, error, meant: None }
    }

    /// Says it, and how the process shall end.
    pub(super) fn tell(self) -> Exit {
        match self {
            Self::Told(exit) => exit,
            Self::Name { given, error } => {
                say(&format!("error: {given:?} cannot be a user name: {error}"));
                say("  = letters, digits and any of .-_@ make one, 64 at most");
                Exit::Usage
            }
            Self::NotShown { name, error } => {
                say(&format!("error: the password of {name} could not be shown: {error}"));
                say(&format!("  = recruit-milter login rotate {name} makes another"));
                Exit::CannotCreate
            }
            Self::File { path, name, error, meant } => {
                let of = match (&error, &name) {
                    (
                        StoreError::Entry(EntryError::Missing | EntryError::Twice(..)),
                        Some(name),
                    ) => {
                        format!("{name}: ")
                    }
                    _ => String::new(),
                };
                say(&format!("error: {}: {of}{error}", path.display()));
                let name = name.unwrap_or_else(|| "NAME".to_owned());
                let path = path.display().to_string();
                say(&format!("  = {}", meant.unwrap_or_else(|| remedy(&error, &path, &name))));
                exit_for(&error)
            }
        }
    }
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
        StoreError::Entry(EntryError::Exists(_)) | StoreError::NoFolder(_) => Exit::CannotCreate,
        StoreError::Entry(EntryError::Foreign(_)) => Exit::NoPermission,
        StoreError::Busy(_) => Exit::TryAgain,
        StoreError::Random => Exit::Os,
        StoreError::Io(error) if error.kind() == ErrorKind::PermissionDenied => Exit::NoPermission,
        StoreError::Io(_) => Exit::CannotCreate,
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
