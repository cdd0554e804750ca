//! `init-key`: makes the key file, or puts a new key in front.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::path::Path;

use super::{Exit, InitKeyArgs, answer, load_with, say};
use crate::config::Surroundings;
use crate::config::keyfile::{KeyFile, KeyFileError};

pub(super) fn init_key(args: &InitKeyArgs) -> Exit {
    let path = if let Some(path) = &args.key_file {
        path.clone()
    } else {
        // Neither keys nor folders need be there yet.
        let around = Surroundings {
            keys: false,
            sockets: false,
            state: false,
            ..Surroundings::of_process()
        };
        match load_with(&args.config.config, &around) {
            Ok(config) => config.key_file,
            Err(exit) => return exit,
        }
    };
    let made = if args.rotate { rotate(&path) } else { create(&path) };
    match made {
        Ok(id) => {
            answer(&format!("{}: key {id} made", path.display()));
            if args.rotate {
                say("Older keys still verify. Drop their lines in two weeks, when all mail that \
                     was signed with them is through, and reload.");
            }
            Exit::Ok
        }
        Err(error) => {
            say(&format!("error: {}: {error}", path.display()));
            if matches!(error, KeyFileError::Exists) {
                say("  = recruit-milter init-key --rotate puts a new key in front");
            }
            Exit::CannotCreate
        }
    }
}

fn create(path: &Path) -> Result<u8, KeyFileError> {
    let file = KeyFile::generate()?;
    file.create(path)?;
    Ok(1)
}

fn rotate(path: &Path) -> Result<u8, KeyFileError> {
    let mut file = KeyFile::read(path)?;
    let id = file.rotate()?;
    file.replace(path)?;
    Ok(id)
}
