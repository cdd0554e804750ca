//! `trace`: the life of a mail in time order.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fmt::Write as _;

use clap::Args;
use jiff::Timestamp;
use serde_json::json;

use super::lang::LangArg;
use super::looking::{ago, clock, details, open, outcome, refused, size, span, what};
use super::{ConfigArg, Exit, answer};
use crate::config::Config;
use crate::journal::Entry;
use crate::language::Language;
use crate::ledger::{Copy, Error, EventFilter, Ledger, Needle};
use crate::policy::outcome::Outcome;
use crate::policy::subject::{hashes_of_address, hashes_of_message};

/// At most so many copies are shown.
const MOST: usize = 50;

#[derive(Debug, Args)]
pub(super) struct TraceArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// A queue ID of Postfix, a Message-ID, the address of an applicant, or a token.
    #[arg(value_name = "QUEUE-ID|MESSAGE-ID|ADDRESS|TOKEN")]
    needle: String,
    /// Print JSON: one object a copy and line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    lang: LangArg,
}

/// A copy and all that happened to it.
struct Life {
    copy: Copy,
    events: Vec<(String, Entry)>,
}

pub(super) fn trace(args: &TraceArgs) -> Exit {
    let (config, mut ledger) = match open(&args.config.config) {
        Ok(both) => both,
        Err(exit) => return exit,
    };
    let lang = args.lang.choose(config.language);
    let needle = args.needle.trim();
    let found = find(&mut ledger, &config, needle);
    let (lives, alone) = match found {
        Ok(found) => found,
        Err(error) => return refused(&error),
    };
    if lives.is_empty() && alone.is_empty() {
        let oldest = ledger.state().ok().and_then(|state| state.oldest);
        super::say(&nothing(needle, oldest, lang));
        return Exit::NotWorking;
    }
    let now = Timestamp::now();
    if args.json {
        for life in &lives {
            answer(&json!({ "copy": life.copy, "events": events_json(&life.events) }).to_string());
        }
        if !alone.is_empty() {
            answer(&json!({ "copy": null, "events": events_json(&alone) }).to_string());
        }
        return Exit::Ok;
    }
    let shown: Vec<String> =
        lives.iter().rev().take(MOST).rev().map(|life| life.text(lang, now)).collect();
    answer(&shown.join("\n"));
    if !alone.is_empty() {
        answer(&lines(&alone, lang, now));
    }
    if lives.len() > MOST {
        super::say(&format!(
            "{} older ones are not shown; see recruit-milter list",
            lives.len() - MOST
        ));
    }
    Exit::Ok
}

fn events_json(events: &[(String, Entry)]) -> Vec<serde_json::Value> {
    let one = |(host, entry): &(String, Entry)| {
        let mut value = serde_json::to_value(entry).unwrap_or_default();
        value["host"] = host.as_str().into();
        value
    };
    events.iter().map(one).collect()
}

/// Copies, and events that are of none.
type Found = (Vec<Life>, Vec<(String, Entry)>);

fn find(ledger: &mut Ledger, config: &Config, text: &str) -> Result<Found, Error> {
    let mut copies = Vec::new();
    let mut alone = Vec::new();
    if text.contains('@') {
        let bare = text.trim_start_matches('<').trim_end_matches('>');
        let subjects = Needle::Subject(hashes_of_address(&config.keys, bare));
        copies.extend(ledger.find(&subjects)?);
        copies.extend(ledger.find(&Needle::Message(hashes_of_message(&config.keys, text)))?);
    } else {
        copies.extend(ledger.find(&Needle::Token(text.to_lowercase()))?);
        copies.extend(ledger.find(&Needle::QueueId(text.to_owned()))?);
        let filter = EventFilter { queue_id: Some(text.to_owned()), ..<_>::default() };
        // Outgoing mail has a token and is no copy.
        let of_copy = |token: &String| copies.iter().any(|copy: &Copy| copy.token == *token);
        let events = ledger.events(&filter)?.into_iter();
        alone.extend(events.filter(|(_, entry)| !entry.token.as_ref().is_some_and(of_copy)));
    }
    copies.sort_by(|a, b| (a.first, &a.token).cmp(&(b.first, &b.token)));
    copies.dedup_by(|a, b| a.token == b.token);
    let mut lives = Vec::new();
    for copy in copies {
        let events = ledger.entries(&copy.token)?;
        lives.push(Life { copy, events });
    }
    if lives.is_empty() && alone.is_empty() && !text.contains('@') {
        alone = ledger.entries(&text.to_lowercase())?;
    }
    Ok((lives, alone))
}

fn nothing(needle: &str, oldest: Option<Timestamp>, lang: Language) -> String {
    let since = oldest.map_or_else(
        || lang.pick("the ledger is empty", "das Buch ist leer").to_owned(),
        |oldest| {
            let day = oldest.strftime("%Y-%m-%d");
            lang.pick(
                format!("the ledger reaches back to {day}"),
                format!("das Buch reicht bis {day} zurück"),
            )
        },
    );
    lang.pick(
        format!(
            "nothing is known of {needle:?}: {since}\n  \
             = was it to a recruiting address, and does that mail pass the milter? recruit-milter verify --all"
        ),
        format!(
            "über {needle:?} ist nichts bekannt: {since}\n  \
             = ging sie an eine Recruiting-Adresse, und durch den Milter? recruit-milter verify --all"
        ),
    )
}

impl Life {
    fn text(&self, lang: Language, now: Timestamp) -> String {
        let copy = &self.copy;
        let took = copy.since.as_second() - copy.first.as_second();
        let mut out = format!(
            "{} -> {}: {}, {}",
            copy.address.as_deref().unwrap_or("?"),
            copy.system.as_deref().unwrap_or("?"),
            outcome(copy.state, lang),
            ago(copy.since, now, lang),
        );
        if copy.state == Outcome::Delivered {
            let span = span(took);
            let after = lang
                .pick(format!(" ({span} after it came)"), format!(" ({span} nach dem Eingang)"));
            out.push_str(&after);
        }
        out.push('\n');
        let facts = [
            copy.sender.clone().filter(|sender| !sender.is_empty()),
            copy.kind.clone(),
            copy.size.map(size),
            Some(format!("token {}", copy.token)),
            copy.probe.as_ref().map(|probe| format!("probe {probe}")),
        ];
        let facts: Vec<String> = facts.into_iter().flatten().collect();
        _ = writeln!(out, "  {}", facts.join(", "));
        out.push_str(&lines(&self.events, lang, now));
        if let Some(remedy) = self.remedy(lang) {
            _ = writeln!(out, "  -> {remedy}");
        }
        out
    }

    /// What should be done about it.
    fn remedy(&self, lang: Language) -> Option<&'static str> {
        match self.copy.state {
            Outcome::Failed => Some(lang.pick(
                "the mail is in the local mailbox or at the fallback; when the cause is mended: recruit-milter resend",
                "die Mail ist im lokalen Postfach oder beim Fallback; wenn die Ursache behoben ist: recruit-milter resend",
            )),
            Outcome::Delayed => Some(lang.pick(
                "Postfix tries again by itself; at once: postqueue -f",
                "Postfix versucht es von selbst wieder; sofort: postqueue -f",
            )),
            _ => None,
        }
    }
}

fn lines(events: &[(String, Entry)], lang: Language, now: Timestamp) -> String {
    let rows: Vec<[String; 4]> = events
        .iter()
        .map(|(host, entry)| {
            [clock(entry.time, now), host.clone(), what(entry, lang), details(entry)]
        })
        .collect();
    let width = |column: usize| rows.iter().map(|r| r[column].chars().count()).max().unwrap_or(0);
    let (time, host, text) = (width(0), width(1), width(2).min(40));
    let line = |[when, at, what, more]: &[String; 4]| {
        format!("  {when:<time$}  {at:<host$}  {what:<text$}  {more}").trim_end().to_owned()
    };
    rows.iter().map(|row| line(row) + "\n").collect()
}
