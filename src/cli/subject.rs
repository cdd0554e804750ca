//! `subject`: what the ledger has of somebody, and taking it out.
// SPDX-License-Identifier: GPL-3.0-or-later

use clap::{Args, Subcommand};

use super::looking::refused;
use super::{ConfigArg, Exit, answer, load, say};
use crate::ledger::{self, Access, FIELDS, Needle};
use crate::policy::subject::hashes_of_address;

#[derive(Debug, Args)]
pub(super) struct SubjectArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// What is kept of somebody: his copies, as JSON lines.
    Find(Who),
    /// Take out of the ledger who his copies are of. That there were copies stays.
    Erase(Who),
    /// What is kept of a mail at all, and for how long.
    Fields(Fields),
}

#[derive(Debug, Args)]
struct Who {
    #[command(flatten)]
    config: ConfigArg,
    /// An address of somebody outside.
    address: String,
}

#[derive(Debug, Args)]
struct Fields {
    #[command(flatten)]
    config: ConfigArg,
}

pub(super) fn subject(args: &SubjectArgs) -> Exit {
    match &args.command {
        Command::Find(who) => find(who),
        Command::Erase(who) => erase(who),
        Command::Fields(args) => fields(args),
    }
}

fn find(who: &Who) -> Exit {
    let config = match load(&who.config.config) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    let needle = Needle::Subject(hashes_of_address(&config.keys, &who.address));
    let found = ledger::open(&config, Access::Read).and_then(|mut ledger| ledger.find(&needle));
    match found {
        Ok(copies) => {
            for copy in &copies {
                answer(&serde_json::to_string(copy).unwrap_or_default());
            }
            say(&format!(
                "{} copies in the ledger are known to be of {}",
                copies.len(),
                who.address
            ));
            Exit::Ok
        }
        Err(error) => refused(&error),
    }
}

fn erase(who: &Who) -> Exit {
    let config = match load(&who.config.config) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    let hashes = hashes_of_address(&config.keys, &who.address);
    match ledger::open(&config, Access::Write).and_then(|mut ledger| ledger.erase(&hashes)) {
        Ok(count) => {
            answer(&format!("{count} copies in the ledger tell no more whose they were"));
            say("the journal in the state folder and the logs end by themselves: see [journal]");
            Exit::Ok
        }
        Err(error) => refused(&error),
    }
}

fn fields(args: &Fields) -> Exit {
    let config = match load(&args.config.config) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    let days = config.ledger.retention.as_secs() / 86_400;
    answer(&format!("{FIELDS}\nKept for {days} days, then deleted."));
    Exit::Ok
}
