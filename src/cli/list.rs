//! `list`: copies and what became of them, by address, system, state, kind and time.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::io::Write as _;
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;

use super::lang::LangArg;
use super::looking::{clock, open, outcome, point, refused};
use super::{ConfigArg, Exit};
use crate::language::Language;
use crate::ledger::{Copy, Filter};
use crate::policy::outcome::Outcome;

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// Of this recruiting address; `@acme.example` for a whole domain.
    #[arg(long, value_name = "ADDRESS")]
    address: Option<String>,
    /// For this recruiting system.
    #[arg(long, value_name = "NAME")]
    system: Option<String>,
    /// In this state, a word of recruit-milter-words(7): diverted, unwrapping, handed-over, delayed,
    /// delivered, failed, kept, returned, to-person, given-up, merged, probe-arrived; can be given
    /// several times.
    #[arg(long, value_name = "STATE", value_parser = parse_state)]
    state: Vec<Outcome>,
    /// Of this kind: application, reply, probe, system-test ...
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// Not older: 24h, 7d, 2026-11-25.
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = point)]
    since: Timestamp,
    /// Older than this.
    #[arg(long, value_name = "TIME", value_parser = point)]
    until: Option<Timestamp>,
    /// At most so many, the newest.
    #[arg(long, value_name = "NUMBER", default_value_t = 1000)]
    limit: u32,
    /// Go on and show what changes.
    #[arg(long, short)]
    follow: bool,
    /// Print JSON: one object a line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    lang: LangArg,
}

fn parse_state(text: &str) -> Result<Outcome, String> {
    Outcome::from_word(text).ok_or_else(|| {
        let words: Vec<&str> = Outcome::ALL.iter().map(|outcome| outcome.word()).collect();
        let near = crate::config::suggest(text, words.iter().copied());
        near.unwrap_or_else(|| format!("states are {}", words.join(", ")))
    })
}

pub(super) fn list(args: &ListArgs) -> Exit {
    let (config, mut ledger) = match open(&args.config.config) {
        Ok(both) => both,
        Err(exit) => return exit,
    };
    let lang = args.lang.choose(config.language);
    let mut filter = Filter {
        address: args.address.as_deref().map(|address| config.rules.known_as(address)),
        system: args.system.clone(),
        states: args.state.clone(),
        kind: args.kind.clone(),
        since: Some(args.since),
        until: args.until,
        limit: Some(args.limit),
        ..Filter::default()
    };
    let mut shown = Timestamp::MIN;
    loop {
        let copies = match ledger.copies(&filter) {
            Ok(copies) => copies,
            Err(error) => return refused(&error),
        };
        for copy in &copies {
            shown = shown.max(copy.last);
            let text = if args.json {
                serde_json::to_string(copy).unwrap_or_default()
            } else {
                line(copy, lang)
            };
            // Nobody reads any more: `| head`.
            if writeln!(std::io::stdout(), "{text}").is_err() {
                return Exit::Ok;
            }
        }
        if !args.follow {
            return Exit::Ok;
        }
        let _ = std::io::stdout().flush();
        std::thread::sleep(Duration::from_secs(1));
        filter.changed_after = Some(shown.max(args.since));
    }
}

pub(super) fn line(copy: &Copy, lang: Language) -> String {
    let or = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".into());
    let said = copy.reply.as_ref().or(copy.status.as_ref());
    let reason = copy.reason.as_ref().filter(|_| copy.state.stays_here());
    format!(
        "{}  {:<16}  {:<24}  {:<10}  {:<14}  {:<12}  {}",
        clock(copy.first, Timestamp::now()),
        copy.token,
        or(&copy.address),
        or(&copy.system),
        outcome(copy.state, lang),
        or(&copy.kind),
        said.or(reason).map(String::as_str).unwrap_or_default(),
    )
    .trim_end()
    .to_owned()
}
