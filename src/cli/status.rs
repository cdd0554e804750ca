//! `status`: a line for each recruiting address: is it verified, and what became of its mail?
// SPDX-License-Identifier: GPL-3.0-or-later

mod broken;

use std::fmt::Write as _;
use std::io;

use clap::Args;
use jiff::{SignedDuration, Timestamp};
use serde::{Serialize, Serializer};

use super::lang::LangArg;
use super::looking::{AGENT, ago, behind, refused, span};
use super::{ConfigArg, Exit, answer, load_whole, standing};
use crate::config::{Config, Surroundings};
use crate::doctor;
use crate::language::Language;
use crate::ledger::evidence::verdicts;
use crate::ledger::{Error, Ledger, Summary};
use crate::mail::domain::address_key;
use crate::policy::outcome::Outcome;
use crate::policy::rules::Pattern;
use crate::policy::verification::{self, Verdict};
use crate::way::{self, Depth, Place, Spot, Way, look};

/// How long a copy may wait before somebody should look.
const WAITS_LONG: i64 = 4 * 3600;

#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// Only these addresses.
    #[arg(value_name = "ADDRESS")]
    addresses: Vec<String>,
    /// One line and the exit codes of monitoring plugins (Nagios, Icinga).
    ///
    /// 2 while mail is put off, waits, failed or is
    /// not forwarded, also where Postfix's configuration has lost our lines; 1 where somebody should look, as at a
    /// broken configuration file while the milter goes on with the last good one; 3 where this user may not look.
    #[arg(long, conflicts_with = "json")]
    monitor: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    lang: LangArg,
}

/// What is known about a recruiting address.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Row {
    address: String,
    system: String,
    state: &'static str,
    since: Option<Timestamp>,
    last_success: Option<Timestamp>,
    hop: Option<&'static str>,
    said: Option<String>,
    changed: bool,
    last_application: Option<Timestamp>,
    /// In the last 24 hours.
    delivered: u64,
    handed_over: u64,
    waiting: u64,
    failed: u64,
    /// Did not go to the recruiting system, and is with somebody here.
    stayed: u64,
    oldest_waiting: Option<Timestamp>,
    /// What keeps its mail from getting through now.
    #[serde(serialize_with = "in_words")]
    stopped: Vec<Spot>,
    /// What else is wrong on the way of mail.
    #[serde(serialize_with = "in_words")]
    besides: Vec<Spot>,
    /// What could not be looked at.
    #[serde(serialize_with = "in_words")]
    not_looked: Vec<Spot>,
    #[serde(skip)]
    verdict: verification::State,
    /// An address that can be written to: not a pattern.
    #[serde(skip)]
    exact: bool,
}

fn in_words<S: Serializer>(spots: &[Spot], out: S) -> Result<S::Ok, S::Error> {
    out.collect_seq(spots.iter().map(Spot::english))
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Trouble {
    None,
    Warning,
    Critical,
}

pub(super) fn status(args: &StatusArgs) -> Exit {
    let path = &args.config.config;
    let config = match load_whole(path, &Surroundings::of_process()) {
        Ok(loaded) => loaded.config,
        Err((_, first)) if args.monitor => return broken::monitor(path, &first),
        Err((exit, _)) => return exit,
    };
    if config.is_idle() {
        // No agent keeps a ledger of nothing.
        let none = table(&[], args.lang.choose(config.language), Timestamp::now());
        return shown(args, if args.json { "[]" } else { &none });
    }
    let now = Timestamp::now();
    let way = seen(&config);
    let read = crate::ledger::open(&config, crate::ledger::Access::Read).and_then(|mut ledger| {
        Ok((rows(&mut ledger, &config, &way, now)?, behind(&mut ledger, &config)?))
    });
    let (mut rows, behind) = match read {
        Ok(read) => read,
        Err(error) if args.monitor => {
            let besides = headline(&way);
            let said = format!("CRITICAL - recruit-milter: {error}; {besides}");
            answer(said.trim_end_matches("; "));
            return Exit::Critical;
        }
        Err(error) => return refused(&error),
    };
    if !args.addresses.is_empty() {
        let asked: Vec<String> = args.addresses.iter().map(|a| address_key(a)).collect();
        rows.retain(|row| asked.contains(&address_key(&row.address)));
        if rows.is_empty() {
            super::say("error: none of these is a recruiting address of the configuration");
            return Exit::Usage;
        }
    }
    let worst = rows.iter().map(|row| row.trouble(now)).max().unwrap_or(Trouble::None);
    let worst = worst.max(of_way(&way));
    if let Some(behind) = &behind {
        if args.monitor {
            answer(&format!("CRITICAL - recruit-milter: {}{behind}", headline(&way)));
            return Exit::Critical;
        }
        super::say(&format!("error: {behind}\n  = {AGENT}"));
    }
    if args.monitor {
        return monitor(&rows, &way, worst);
    }
    if args.json {
        answer(&serde_json::to_string_pretty(&rows).unwrap_or_default());
    } else {
        let lang = args.lang.choose(config.language);
        let (besides, differs) = (besides(&way, lang), differs(&config));
        answer(&format!("{besides}{differs}{}", table(&rows, lang, now)));
    }
    if worst == Trouble::None && behind.is_none() { Exit::Ok } else { Exit::NotWorking }
}

/// The way of mail as it is now.
fn seen(config: &Config) -> Way {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let unseen = |error: io::Error| {
        let place = Place::Entrance(config.verify.via);
        Way::of(vec![Spot { place, state: way::State::NotLooked(error.to_string()) }])
    };
    let way = runtime.map_or_else(unseen, |runtime| runtime.block_on(look(config, Depth::All)));
    way.with(Some(standing::settings(config))).with(Some(way::agent(config)))
}

/// How bad it is with the way.
fn of_way(way: &Way) -> Trouble {
    match (way.is_open(), way.lets_mail_through()) {
        (true, _) => Trouble::None,
        (false, true) => Trouble::Warning,
        (false, false) => Trouble::Critical,
    }
}

/// What is wrong with the way and stands with no address: outgoing mail, and alerts.
fn of_no_row(way: &Way) -> impl Iterator<Item = &Spot> {
    way.troubles().filter(|spot| !spot.blocks_all() && !matches!(spot.place, Place::Address(_)))
}

/// What is to be said of the way besides what stands with an address.
fn besides(way: &Way, lang: Language) -> String {
    of_no_row(way).chain(way.not_looked()).fold(String::new(), |mut out, spot| {
        _ = writeln!(out, "{}\n  -> {}", lang.pick(spot.english(), spot.german()), spot.remedy());
        out
    })
}

/// What runs otherwise than the files say, and waits for a reload or a restart. Mail goes on meanwhile.
fn differs(config: &Config) -> String {
    let differs = doctor::differs(config);
    differs.iter().filter_map(doctor::Line::finding).fold(String::new(), |mut out, finding| {
        _ = writeln!(out, "{}\n  -> {}", finding.text, finding.remedy);
        out
    })
}

/// What is wrong with the way, in front of something else.
fn headline(way: &Way) -> String {
    let all = way.troubles().chain(way.not_looked());
    // What stands behind a bar are figures.
    all.map(|spot| spot.english().replace('|', "/") + "; ").collect()
}

/// What there is to say where there are no addresses.
fn shown(args: &StatusArgs, text: &str) -> Exit {
    answer(if args.monitor { "OK - no recruiting addresses" } else { text });
    Exit::Ok
}

/// A row for each address and pattern of the configuration.
pub(super) fn rows(
    ledger: &mut Ledger,
    config: &Config,
    way: &Way,
    now: Timestamp,
) -> Result<Vec<Row>, Error> {
    let rules = &config.rules;
    let verdicts = verdicts(ledger, config, now)?;
    let mut rows: Vec<Row> = rules
        .addresses
        .iter()
        .zip(verdicts)
        .map(|(rule, verdict)| {
            let exact = matches!(rule.pattern, Pattern::Exact(_));
            let seconds = u64::try_from(now.as_second()).unwrap_or(0);
            let verdict = way.judge(rule, verdict, seconds);
            let system = rules.system(rule).id.clone();
            let stopped = way.troubles_of(rule).cloned().collect();
            let besides = of_no_row(way).cloned().collect();
            let not_looked = way.not_looked().cloned().collect();
            let row = Row::new(rule.pattern.to_string(), system, exact, verdict);
            Row { stopped, besides, not_looked, ..row }
        })
        .collect();
    for summary in ledger.summary(now - SignedDuration::from_hours(24))? {
        let rule = rules.lookup(&summary.address).map(|(_, rule)| rule);
        let place =
            rule.and_then(|rule| rules.addresses.iter().position(|one| std::ptr::eq(one, rule)));
        // Of an address that is no longer configured nothing is to be said.
        if let Some(place) = place {
            rows[place].add(&summary);
        }
    }
    Ok(rows)
}

impl Row {
    fn new(address: String, system: String, exact: bool, verdict: Verdict) -> Self {
        let time = |at: u64| Timestamp::from_second(i64::try_from(at).ok()?).ok();
        Self {
            address,
            system,
            state: verdict.state.word(),
            since: verdict.since.and_then(time),
            last_success: verdict.last_success.and_then(time),
            hop: verdict.hop.map(verification::Hop::word),
            said: verdict.words,
            changed: verdict.changed,
            last_application: None,
            delivered: 0,
            handed_over: 0,
            waiting: 0,
            failed: 0,
            stayed: 0,
            oldest_waiting: None,
            stopped: Vec::new(),
            besides: Vec::new(),
            not_looked: Vec::new(),
            verdict: verdict.state,
            exact,
        }
    }

    fn add(&mut self, summary: &Summary) {
        self.last_application = self.last_application.max(summary.last_application);
        for (state, count) in &summary.counts {
            let counter = match state {
                Outcome::Delivered => &mut self.delivered,
                Outcome::HandedOver => &mut self.handed_over,
                Outcome::Failed => &mut self.failed,
                outcome if outcome.stays_here() => &mut self.stayed,
                Outcome::Diverted | Outcome::Unwrapping | Outcome::Delayed => &mut self.waiting,
                _ => continue,
            };
            *counter += count;
        }
        if let Some((_, oldest)) = summary.waiting {
            let older = self.oldest_waiting.is_none_or(|before| oldest < before);
            self.oldest_waiting = if older { Some(oldest) } else { self.oldest_waiting };
        }
    }

    fn waits_long(&self, now: Timestamp) -> Option<i64> {
        let seconds = now.as_second() - self.oldest_waiting?.as_second();
        (seconds > WAITS_LONG).then_some(seconds)
    }

    fn trouble(&self, now: Timestamp) -> Trouble {
        // A pattern can only be verified by mail that comes by itself.
        match self.verdict {
            verification::State::NotVerified => Trouble::Critical,
            _ if self.failed > 0 => Trouble::Critical,
            verification::State::Late | verification::State::Never if self.exact => {
                Trouble::Warning
            }
            _ if self.waits_long(now).is_some() => Trouble::Warning,
            _ => Trouble::None,
        }
    }

    /// What should be done, a line each.
    fn remarks(&self, lang: Language, now: Timestamp) -> Vec<String> {
        let mut all = Vec::new();
        let verify = format!("-> recruit-milter verify {}", self.address);
        for spot in &self.stopped {
            all.push(lang.pick(spot.english(), spot.german()));
            all.push(format!("-> {}", spot.remedy()));
        }
        match self.verdict {
            _ if !self.stopped.is_empty() => {}
            verification::State::NotVerified => {
                let hop = hop_words(self.hop.unwrap_or_default(), lang);
                let said = self.said.as_ref().map(|said| format!(": {said}")).unwrap_or_default();
                all.push(format!("{hop}{said}"));
                all.push(verify);
            }
            verification::State::Late | verification::State::Never if self.exact => {
                if self.changed {
                    all.push(
                        lang.pick(
                            "changed since it was verified",
                            "seit der Verifizierung geändert",
                        )
                        .into(),
                    );
                }
                all.push(verify);
            }
            _ => {}
        }
        if self.failed > 0 {
            all.push(format!("-> recruit-milter list --address {} --state failed", self.address));
        }
        if let Some(seconds) = self.waits_long(now) {
            let span = span(seconds);
            all.push(lang.pick(
                format!("the oldest copy waits for {span}"),
                format!("die älteste Kopie wartet seit {span}"),
            ));
            all.push(format!("-> recruit-milter list --address {} --state deferred", self.address));
        }
        all
    }
}

fn hop_words(hop: &str, lang: Language) -> &'static str {
    match hop {
        "submission" => {
            lang.pick("Postfix did not take the test", "Postfix hat den Test nicht angenommen")
        }
        "front" => {
            lang.pick("the milter did not see the test", "der Milter hat den Test nicht gesehen")
        }
        "handoff" => {
            lang.pick("the test was lost before pass 2", "der Test ging vor Durchgang 2 verloren")
        }
        "decision" => lang.pick("the test stayed here", "der Test blieb hier"),
        _ => lang.pick(
            "the recruiting system's server did not take it",
            "der Server des Recruiting-Systems hat nicht angenommen",
        ),
    }
}

fn state_words(state: verification::State, lang: Language) -> &'static str {
    match state {
        verification::State::Never => lang.pick("never tested", "nie geprüft"),
        verification::State::Seen => lang.pick("test seen", "Test gesehen"),
        verification::State::Forwarded => lang.pick("test forwarded", "Test weitergeleitet"),
        verification::State::Verified => lang.pick("verified", "verifiziert"),
        verification::State::Late => lang.pick("late", "überfällig"),
        verification::State::NotVerified => lang.pick("NOT VERIFIED", "NICHT VERIFIZIERT"),
    }
}

/// The rows as a table, remarks below theirs.
fn table(rows: &[Row], lang: Language, now: Timestamp) -> String {
    if rows.is_empty() {
        return lang.pick("no recruiting addresses", "keine Recruiting-Adressen").into();
    }
    let head = lang.pick(
        ["ADDRESS", "SYSTEM", "STATE", "SINCE", "LAST MAIL", "LAST 24 H"],
        ["ADRESSE", "SYSTEM", "STAND", "SEIT", "LETZTE MAIL", "LETZTE 24 H"],
    );
    let when =
        |time: Option<Timestamp>| time.map_or_else(|| "-".into(), |time| ago(time, now, lang));
    let mut lines: Vec<[String; 6]> = vec![head.map(str::to_owned)];
    for row in rows {
        lines.push([
            row.address.clone(),
            row.system.clone(),
            state_words(row.verdict, lang).to_owned(),
            when(row.since),
            when(row.last_application),
            counts(row, lang),
        ]);
    }
    let width = |column: usize| lines.iter().map(|l| l[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..5).map(width).collect();
    let mut out = String::new();
    for (at, line) in lines.iter().enumerate() {
        for (cell, width) in line.iter().zip(&widths) {
            _ = write!(out, "{cell:<width$}  ");
        }
        _ = writeln!(out, "{}", line[5]);
        if let Some(row) = at.checked_sub(1).and_then(|at| rows.get(at)) {
            for remark in row.remarks(lang, now) {
                _ = writeln!(out, "  {remark}");
            }
        }
    }
    out
}

fn counts(row: &Row, lang: Language) -> String {
    let mut parts = vec![lang.pick(
        format!("{} forwarded", row.delivered + row.handed_over),
        format!("{} weitergeleitet", row.delivered + row.handed_over),
    )];
    for (count, english, german) in
        [(row.waiting, "waiting", "wartend"), (row.stayed, "stayed here", "hier geblieben")]
    {
        if count > 0 {
            parts.push(format!("{count} {}", lang.pick(english, german)));
        }
    }
    parts.push(format!("{} {}", row.failed, lang.pick("failed", "fehlgeschlagen")));
    parts.join(", ")
}

/// The form of monitoring plugins: one line, and figures behind a bar.
fn monitor(rows: &[Row], way: &Way, worst: Trouble) -> Exit {
    let verified = rows.iter().filter(|r| r.verdict == verification::State::Verified).count();
    let sum = |of: fn(&Row) -> u64| rows.iter().map(of).sum::<u64>();
    let (word, exit) = match worst {
        // What was not looked at is not in order for that.
        Trouble::None if way.not_looked().next().is_some() => ("UNKNOWN", Exit::Unknown),
        Trouble::None => ("OK", Exit::Ok),
        Trouble::Warning => ("WARNING", Exit::NotWorking),
        Trouble::Critical => ("CRITICAL", Exit::Critical),
    };
    let now = Timestamp::now();
    let named: Vec<&str> = rows
        .iter()
        .filter(|row| row.trouble(now) == worst && worst != Trouble::None)
        .map(|row| row.address.as_str())
        .collect();
    let named = if named.is_empty() { String::new() } else { format!(": {}", named.join(", ")) };
    answer(&format!(
        "{word} - {}{verified} of {} addresses verified{named} | verified={verified} forwarded={} \
         waiting={} failed={}",
        headline(way),
        rows.len(),
        sum(|r| r.delivered + r.handed_over),
        sum(|r| r.waiting),
        sum(|r| r.failed),
    ));
    exit
}
