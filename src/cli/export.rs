//! `export`: the ledger as JSON lines.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::io::BufWriter;

use clap::Args;
use jiff::Timestamp;

use super::looking::{open, point, refused};
use super::{ConfigArg, Exit};
use crate::ledger::{Filter, Ledger};

/// How many copies are asked for at a time.
const PAGE: u32 = 1000;

#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// Copies not older than this: 7d, 2026-11-25.
    #[arg(long, value_name = "TIME", value_parser = point)]
    since: Option<Timestamp>,
    /// Copies older than this.
    #[arg(long, value_name = "TIME", value_parser = point)]
    until: Option<Timestamp>,
    /// With all that happened to each copy.
    #[arg(long)]
    events: bool,
}

pub(super) fn export(args: &ExportArgs) -> Exit {
    let (_, mut ledger) = match open(&args.config.config) {
        Ok(both) => both,
        Err(exit) => return exit,
    };
    let mut out = BufWriter::new(std::io::stdout().lock());
    match write(&mut ledger, args, &mut out) {
        Ok(()) => Exit::Ok,
        Err(Failure::Ledger(error)) => refused(&error),
        Err(Failure::Output(error)) => super::written(Err(error)),
    }
}

enum Failure {
    Ledger(crate::ledger::Error),
    Output(std::io::Error),
}

/// Newest first, a page at a time: the ledger may be larger than the memory.
fn write(
    ledger: &mut Ledger,
    args: &ExportArgs,
    out: &mut impl std::io::Write,
) -> Result<(), Failure> {
    let mut until = args.until;
    let mut seen: Vec<String> = Vec::new();
    loop {
        let filter = Filter { since: args.since, until, limit: Some(PAGE), ..Filter::default() };
        let page = ledger.copies(&filter).map_err(Failure::Ledger)?;
        let Some(oldest) = page.first().map(|copy| copy.first) else { break };
        let mut new = 0;
        for copy in page.iter().rev().filter(|copy| !seen.contains(&copy.token)) {
            new += 1;
            let mut line = serde_json::to_value(copy).unwrap_or_default();
            if args.events {
                let events = ledger.entries(&copy.token).map_err(Failure::Ledger)?;
                line["events"] = serde_json::to_value(events).unwrap_or_default();
            }
            writeln!(out, "{line}").map_err(Failure::Output)?;
        }
        // The oldest of a page may share its millisecond with others.
        seen = page.iter().filter(|c| c.first == oldest).map(|c| c.token.clone()).collect();
        until = oldest.checked_add(jiff::SignedDuration::from_millis(1)).ok();
        if page.len() < PAGE as usize || new == 0 {
            break;
        }
    }
    out.flush().map_err(Failure::Output)
}
