//! The events, each with its line.
//!
//! Must not know who logs.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fmt::Display;
use std::net::IpAddr;
use std::panic::PanicHookInfo;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;

use super::line::{Line, TARGET, join};
use super::mask::Shown;
use super::settings::LogLevel::{Debug, Error, Info, Warning};
use crate::policy::outcome::Outcome;
use crate::policy::pass::Pass;
use crate::policy::report::Said;

/// The program runs. `sockets` are those it listens on.
pub fn started(version: &str, config: &Path, systems: usize, addresses: usize, sockets: &[String]) {
    Line::program(Info, "started")
        .pair("version", version)
        .pair("config", config.display())
        .pair("systems", systems)
        .pair("addresses", addresses)
        .pair("sockets", join(sockets.iter(), ','))
        .emit();
}

/// A setting has changed that a reload cannot bring in.
pub fn needs_restart(section: &str) {
    Line::program(Warning, "reload")
        .pair("section", section)
        .pair("note", "changes here need a restart")
        .emit();
}

/// The system grants fewer file descriptors than `max_sessions` sessions can need.
pub fn few_descriptors(granted: u64, needed: u64) {
    Line::program(Warning, "limits")
        .pair("file_descriptors", granted)
        .pair("max_sessions_needs", needed)
        .emit();
}

/// systemd passed in a socket under a name that means nothing here.
pub fn unknown_socket(name: &str) {
    Line::program(Warning, "socket").pair("name", name).pair("ignored", "unknown name").emit();
}

/// The program was told to stop, and lets the messages under way end.
pub fn stopping(drain: Duration) {
    Line::program(Info, "stopping").pair("drain", seconds(drain)).emit();
}

/// The messages under way have ended, or `cut_off` sessions had to be cut off.
pub fn drained(took: Duration, cut_off: usize) {
    let level = if cut_off == 0 { Info } else { Warning };
    Line::program(level, "drained")
        .pair("seconds", format_args!("{:.1}", took.as_secs_f64()))
        .pair("cut_off", cut_off)
        .emit();
}

/// The program ends as it was told.
pub fn stopped(uptime: Duration) {
    Line::program(Info, "stopped").pair("uptime", seconds(uptime)).emit();
}

/// The program ends because something is wrong.
pub fn fatal(reason: &str) {
    Line::fatal().pair("reason", reason).emit();
}

/// A new configuration is in use.
pub fn reloaded(config: &Path, systems: usize, addresses: usize) {
    Line::program(Info, "reloaded")
        .pair("config", config.display())
        .pair("systems", systems)
        .pair("addresses", addresses)
        .emit();
}

/// A new configuration was not taken; the old one stays in use. `first` is the first of its
/// problems, on one line.
pub fn reload_failed(config: &Path, problems: usize, first: &str) {
    Line::program(Error, "reload")
        .pair("config", config.display())
        .pair("problems", problems)
        .pair("first", first)
        .pair("kept", "the old configuration")
        .emit();
}

/// A copy that pass 1 made.
#[derive(Clone, Copy, Debug)]
pub struct DivertedCopy<'a> {
    /// The recruiting address.
    pub address: &'a str,
    /// Its system.
    pub system: &'a str,
    /// The token of the copy.
    pub token: &'a str,
    /// Whether the recruiting address keeps a copy of its own.
    pub local_copy: bool,
}

/// Pass 1 made copies for recruiting systems.
pub fn diverted(queue_id: Option<&str>, from: &Shown, copies: &[DivertedCopy<'_>]) {
    let local = copies.iter().map(|c| if c.local_copy { "yes" } else { "no" });
    Line::message(Info, queue_id)
        .pair("action", Outcome::Diverted)
        .path("from", from)
        .addresses(copies.iter().map(|c| c.address))
        .systems(copies.iter().map(|c| c.system))
        .pair("token", join(copies.iter().map(|c| c.token), ','))
        .pair("local_copy", join(local, ','))
        .emit();
}

/// A recruiting address came in a form that no copy can be addressed with: it stays ordinary mail.
pub fn not_forwarded(queue_id: Option<&str>) {
    Line::message(Warning, queue_id)
        .pair("alarm", "not-forwarded")
        .pair("reason", "address-needs-quotes-or-is-too-long")
        .emit();
}

/// A message passes pass 1 a second time: a content filter gives it back to a smtpd with our milter.
pub fn seen_again(queue_id: Option<&str>, address: &str) {
    Line::message(Warning, queue_id)
        .pair("alarm", "seen-twice")
        .pair("address", address)
        .pair("note", "run recruit-milter postfix --check")
        .emit();
}

/// The configuration names something that Postfix does not know of yet.
pub fn needs_apply(what: &str) {
    Line::program(Warning, "reload")
        .pair("changed", what)
        .pair("note", "run recruit-milter postfix --apply")
        .emit();
}

/// What the tests of the log write: at debug, with a queue ID.
#[allow(dead_code, reason = "tests of the log write it")]
pub fn passed(queue_id: Option<&str>, recipients: usize) {
    // Most mail comes here, and most logs do not show it.
    if !tracing::enabled!(target: TARGET, tracing::Level::DEBUG) {
        return;
    }
    Line::message(Debug, queue_id).pair("action", "passed").pair("recipients", recipients).emit();
}

/// What pass 2 knows of the copy in hand.
#[derive(Clone, Copy, Debug)]
pub struct CopyInHand<'a> {
    /// Postfix's queue ID.
    pub queue_id: Option<&'a str>,
    /// The envelope sender.
    pub from: &'a Shown,
    /// The recruiting address.
    pub address: &'a str,
    /// Its system.
    pub system: &'a str,
    /// The kind of mail, if it was looked at.
    pub kind: Option<&'a str>,
    /// The token of the copy.
    pub token: &'a str,
}

impl CopyInHand<'_> {
    fn line(&self, action: Outcome) -> Line {
        Line::message(Info, self.queue_id)
            .pair("action", action)
            .path("from", self.from)
            .addresses(std::iter::once(self.address))
            .systems(std::iter::once(self.system))
            .some("kind", self.kind)
            .pair("token", self.token)
    }
}

/// Pass 2 handed a copy over to Postfix for the recruiting system's inbound address `to`, sealed
/// with the key `seal`; `forged` fields in our name were removed. `unread` says why it could not be
/// read, if so.
pub fn handed_over(
    copy: &CopyInHand<'_>,
    to: &str,
    seal: u8,
    forged: usize,
    unread: Option<&'static str>,
) {
    copy.line(Outcome::HandedOver)
        .path("to", to)
        .some("reason", unread)
        .pair("seal", seal)
        .some("forged_fields", (forged > 0).then_some(forged))
        .emit();
}

/// The copy goes to the agent, which takes out of it the message that a colleague has attached.
pub fn unwrapping(copy: &CopyInHand<'_>) {
    copy.line(Outcome::Unwrapping).emit();
}

/// The copy does not go to the recruiting system, but `to` somebody here, or it ends.
pub fn not_handed_over(copy: &CopyInHand<'_>, outcome: Outcome, to: Option<&str>, reason: &str) {
    let line = copy.line(outcome);
    let line = if let Some(to) = to { line.path("to", to) } else { line };
    line.pair("reason", reason).emit();
}

/// A system's own inbound address sent more than `budget` mails in an hour: a loop, or a busy
/// system.
pub fn loop_budget_exceeded(queue_id: Option<&str>, address: &str, system: &str, budget: u32) {
    Line::message(Warning, queue_id)
        .pair("alarm", "loop-budget")
        .addresses(std::iter::once(address))
        .systems(std::iter::once(system))
        .pair("budget", budget)
        .emit();
}

/// A handoff that may be genuine and cannot be resolved: its key or its address is gone from the
/// configuration. It waits in Postfix's queue.
pub fn unknown_handoff(queue_id: Option<&str>, recipient: &str, reason: &str) {
    Line::message(Warning, queue_id)
        .pair("alarm", "unknown-handoff")
        .path("to", recipient)
        .pair("reason", reason)
        .emit();
}

/// Nothing could be decided about a mail: it went to somebody, or ended.
pub fn given_up(queue_id: Option<&str>, to: Option<&str>, reason: &str) {
    let line = Line::message(Warning, queue_id).pair("alarm", "given-up");
    let line = if let Some(to) = to { line.path("to", to) } else { line };
    line.pair("reason", reason).emit();
}

/// A handoff that we never made was refused.
pub fn invalid_handoff(queue_id: Option<&str>, recipient: &str, reason: &str) {
    Line::message(Warning, queue_id)
        .pair("action", "rejected")
        .path("to", recipient)
        .pair("reason", reason)
        .emit();
}

/// The agent put a copy into the queue anew, as the message `queue_id`: what was attached to it, or
/// for a reason the whole.
pub fn unwrapped(queue_id: Option<&str>, address: &str, token: &str, why_whole: Option<&str>) {
    Line::message(Info, queue_id)
        .pair("action", if why_whole.is_some() { "not-unwrapped" } else { "unwrapped" })
        .addresses(std::iter::once(address))
        .pair("token", token)
        .some("reason", why_whole)
        .emit();
}

/// The agent could not put a copy into the queue anew. It waits in Postfix's queue.
pub fn not_submitted(address: &str, token: &str, reason: &dyn Display) {
    Line::program(Warning, "agent")
        .pair("alarm", "not-submitted")
        .addresses(std::iter::once(address))
        .pair("token", token)
        .pair("reason", reason)
        .emit();
}

/// The agent cannot accept a connection, and tries again.
pub fn agent_fault(reason: &dyn Display) {
    Line::program(Warning, "agent").pair("alarm", "accept").pair("reason", reason).emit();
}

/// The client was told to try again.
pub fn tempfailed(queue_id: Option<&str>, pass: Pass, reason: &str) {
    Line::message(Warning, queue_id)
        .pair("action", "tempfail")
        .pair("pass", pass)
        .pair("reason", reason)
        .emit();
}

/// Pass 1 refused a mail whose sender has the form of a probe's and is not known to be one.
pub fn unknown_probe(queue_id: Option<&str>, from: &Shown, addresses: &[String]) {
    Line::message(Warning, queue_id)
        .pair("action", "rejected")
        .path("from", from)
        .addresses(addresses.iter().map(String::as_str))
        .pair("reason", "unknown-probe")
        .pair("remedy", "recruit-milter doctor compares the keys")
        .emit();
}

/// What a delivery report says about a copy.
#[derive(Clone, Copy, Debug)]
pub struct ReportLine<'a> {
    /// The queue ID of the report itself.
    pub queue_id: Option<&'a str>,
    /// The token of the copy it is about.
    pub token: &'a str,
    /// The recruiting address, where it is known.
    pub address: Option<&'a str>,
    /// Its system, where it is known.
    pub system: Option<&'a str>,
    /// What became of the copy.
    pub outcome: Said,
    /// The enhanced status code.
    pub status: Option<&'a str>,
}

/// A delivery report was read.
pub fn report(report: &ReportLine<'_>) {
    let failed = report.outcome == Said::Failed;
    Line::message(if failed { Warning } else { Info }, report.queue_id)
        .some("alarm", failed.then_some("not-delivered"))
        .pair("action", "report")
        .pair("outcome", report.outcome)
        .some("status", report.status)
        .some_addresses(report.address)
        .some_systems(report.system)
        .pair("token", report.token)
        .emit();
}

/// A report of ours says nothing, or nobody can read it.
pub fn report_unreadable(queue_id: Option<&str>, reason: &str) {
    Line::message(Warning, queue_id).pair("action", "report").pair("reason", reason).emit();
}

/// Something came to a bounce address that is no report on mail of ours, and ended.
pub fn discarded(queue_id: Option<&str>, reason: &str) {
    Line::message(Warning, queue_id).pair("action", "discarded").pair("reason", reason).emit();
}

/// An outgoing message.
#[derive(Clone, Debug)]
pub struct Outgoing<'a> {
    /// Postfix's queue ID.
    pub queue_id: Option<&'a str>,
    /// The envelope sender that it came with.
    pub from: &'a Shown,
    /// The login's name in the configuration.
    pub login: Option<&'a str>,
    /// The SASL user name.
    pub user: Option<&'a str>,
    /// The client's address.
    pub client: Option<IpAddr>,
    /// The From address.
    pub author: Option<&'a str>,
    /// The route.
    pub route: Option<&'a str>,
    /// How Postfix is told the route.
    pub told_by: Option<&'static str>,
    /// The token in its bounce address.
    pub token: Option<String>,
    /// How many recipients are outside the company, and how many are not.
    pub recipients: (u32, u32),
    /// The system that gets a copy.
    pub copy_to: Option<&'a str>,
    /// The fields that were added.
    pub added: &'a [String],
    /// How many fields were taken off.
    pub removed: usize,
}

impl Outgoing<'_> {
    /// Who sends, from where. A user that is not one of the configuration is a colleague: neither he
    /// nor his place is named.
    fn who(&self, line: Line) -> Line {
        line.some("login", self.login)
            .some("user", self.user.filter(|user| self.login.is_some_and(|login| login != *user)))
            .some("client", self.client.filter(|_| self.login.is_some()))
            .path("from", self.from)
            .some("author", self.author)
    }
}

/// Outgoing mail of ours goes on.
pub fn sent(mail: &Outgoing<'_>) {
    let (outside, inside) = mail.recipients;
    mail.who(Line::message(Info, mail.queue_id).pair("action", "sent"))
        .some("route", mail.route)
        .some("by", mail.told_by)
        .pair("outside", outside)
        .pair("inside", inside)
        .some("token", mail.token.as_ref())
        .some("copy", mail.copy_to)
        .some("added", (!mail.added.is_empty()).then(|| join(mail.added.iter(), ',')))
        .some("removed_fields", (mail.removed > 0).then_some(mail.removed))
        .emit();
}

/// A login did what it may not. `refused`: the client was told so.
pub fn violation(
    mail: &Outgoing<'_>,
    stage: &str,
    reason: &str,
    detail: Option<&str>,
    refused: bool,
) {
    let action = if refused { "refused" } else { "would-refuse" };
    mail.who(Line::message(Warning, mail.queue_id).pair("action", action))
        .pair("stage", stage)
        .pair("reason", reason)
        .some("detail", detail)
        .emit();
}

/// A fault in the dialogue with the MTA.
#[derive(Clone, Copy)]
pub struct Fault<'a> {
    /// Whether mail keeps being deferred until somebody does something about it.
    pub lasting: bool,
    /// In a word.
    pub alarm: &'a str,
    /// In which pass.
    pub pass: &'a dyn Display,
    /// With which message.
    pub queue_id: Option<&'a str>,
    /// In a sentence.
    pub what: &'a dyn Display,
    /// How many more like it were not logged since the last one.
    pub suppressed: u64,
}

/// Something went wrong in the dialogue with the MTA. The caller keeps floods off.
pub fn fault(fault: &Fault<'_>) {
    Line::message(if fault.lasting { Error } else { Warning }, fault.queue_id)
        .pair("alarm", fault.alarm)
        .pair("pass", fault.pass)
        .pair("what", fault.what)
        .some("suppressed", (fault.suppressed > 0).then_some(fault.suppressed))
        .emit();
}

/// Entries of the journal are missing.
pub fn journal_lost(lost: u64, since: Timestamp, reason: &str) {
    Line::program(Warning, "journal")
        .pair("alarm", "journal-lost")
        .pair("entries", lost)
        .pair("since", format_args!("{since:.0}"))
        .pair("reason", reason)
        .emit();
}

/// The journal cannot be written or rotated. Entries wait in memory.
pub fn journal_unwritable(reason: &str) {
    Line::program(Warning, "journal")
        .pair("alarm", "journal-unwritable")
        .pair("reason", reason)
        .emit();
}

/// The journal can be written again.
pub fn journal_recovered() {
    Line::program(Info, "journal").pair("state", "writable again").emit();
}

/// From now on a panic is logged as one line, and nothing else.
pub fn log_panics() {
    std::panic::set_hook(Box::new(panicked));
}

fn panicked(info: &PanicHookInfo<'_>) {
    let payload = info.payload();
    let message = match payload.downcast_ref::<&'static str>() {
        Some(text) => Some(*text),
        None => payload.downcast_ref::<String>().map(|text| known_words(text)),
    };
    let thread = std::thread::current();
    Line::program(Error, "panic")
        .pair("alarm", "panic")
        .some("place", info.location())
        .some("thread", thread.name())
        .some("text", message)
        .emit();
}

/// How the panics of the standard library begin that put their text together at run time.
const KNOWN_PANICS: &[&str] = &[
    "index out of bounds",
    "range start index",
    "range end index",
    "slice index starts at",
    "start byte index",
    "end byte index",
    "byte index",
    "called `Result::unwrap()` on an `Err` value",
];

/// A text that was put together at run time may quote a message, so of such a text only a known
/// beginning is shown.
fn known_words(text: &str) -> &'static str {
    let known = KNOWN_PANICS.iter().find(|known| text.starts_with(**known));
    known.copied().unwrap_or("not shown")
}

fn seconds(duration: Duration) -> String {
    format!("{}s", duration.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::{LogLevel, LogSettings, LogTarget, Masking};
    use std::os::unix::fs::MetadataExt;
    use std::process::{Command, Stdio};

    /// A process that logs to its standard error, panics in several ways, and ends.
    #[test]
    #[ignore = "run by other tests, as a process of its own"]
    fn logging_child() {
        let logging = super::super::init(&LogSettings {
            level: LogLevel::Info,
            addresses: Masking::Hash,
            target: LogTarget::Auto,
        });
        log_panics();
        stopped(Duration::ZERO);
        let secret = std::hint::black_box(String::from("Grüße, alarm=x\nvon Eva"));
        let run = |f: Box<dyn FnOnce() + Send>| {
            let thread = std::thread::Builder::new().name("a, b=c".into());
            assert!(thread.spawn(f).unwrap().join().is_err());
        };
        run(Box::new(|| panic!("a literal, as=it is")));
        let text = secret.clone();
        run(Box::new(move || drop(text[..3].to_owned())));
        let text = secret.clone();
        run(Box::new(move || {
            std::hint::black_box(Err::<(), _>(text)).unwrap();
        }));
        run(Box::new(move || panic!("{secret}")));
        run(Box::new(|| std::panic::panic_any(7)));
        drop(logging);
    }

    fn child(name: &str) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", name, "--ignored", "--nocapture"])
            .env_remove("JOURNAL_STREAM")
            .stdout(Stdio::null());
        command
    }

    #[test]
    fn a_panic_is_one_line_with_its_place_and_without_content() {
        let output = child("observe::events::tests::logging_child").output().unwrap();
        assert!(output.status.success());
        let text = String::from_utf8(output.stderr).unwrap();
        // The place moves with every change of this file.
        let line = |line: &str| {
            let (before, after) = line.split_once(", place=").unwrap_or((line, ", "));
            let (place, after) = after.split_once(", ").unwrap();
            let ours = place.is_empty() || place.starts_with("src/observe/events.rs:");
            assert!(ours || place.contains("/library/core/"), "{place}");
            format!("{before}, {after}\n")
        };
        let start = "recruit-milter: error: panic: alarm=panic, thread=\"a, b=c\"";
        assert_eq!(
            text.lines().map(line).collect::<String>(),
            format!(
                "recruit-milter: stopped: uptime=0s, \n\
                 {start}, text=\"a literal, as=it is\"\n\
                 {start}, text=\"end byte index\"\n\
                 {start}, text=\"called `Result::unwrap()` on an `Err` value\"\n\
                 {start}, text=\"not shown\"\n\
                 {start}\n"
            )
        );
    }

    #[test]
    fn standard_error_that_is_journalds_is_recognised() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let metadata = file.as_file().metadata().unwrap();
        let stream = format!("{}:{}", metadata.dev(), metadata.ino());
        for (value, expected) in [(stream.as_str(), "true"), ("1:2", "false"), ("", "false")] {
            let output = child("observe::output::tests::stream_child")
                .env("JOURNAL_STREAM", value)
                .stderr(file.reopen().unwrap())
                .stdout(Stdio::piped())
                .output()
                .unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            assert!(text.contains(&format!("journald: {expected}\n")), "{text}");
        }
    }
}
