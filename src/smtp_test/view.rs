//! A test as it is shown: lines for people, JSON for programs.
//!
//! Pure. Must not know how the steps were made.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::causes::Cause;
use super::step::{Name, Note, Step};
use super::texts::filled;
use super::{Settings, Tls, causes_of};
use crate::language::Language;

/// As wide are the names of steps.
const WIDTH: usize = 16;

/// What is tested, in one line.
pub fn heading(settings: &Settings, lang: Language) -> String {
    filled(lang.heading(), settings, lang)
}

/// A step: its mark, name and time; `>` what was tried, `<` what came back, `=` what it means.
pub fn step(step: &Step, lang: Language) -> String {
    let mark = match (step.causes.is_empty(), step.notes.contains(&Note::NoXclient)) {
        (false, _) => "[!!]",
        (true, true) => "[--]",
        (true, false) => "[ok]",
    };
    let name = lang.step(step.name);
    let mut out = format!("{mark} {name:WIDTH$} {:6.2} s\n", step.took.as_secs_f64());
    for (sign, lines) in [('>', &step.tried), ('<', &step.heard)] {
        for line in lines.iter().filter(|line| !line.is_empty()) {
            _ = writeln!(out, "     {sign} {line}");
        }
    }
    for note in &step.notes {
        _ = writeln!(out, "     = {}", lang.note(note));
    }
    for cause in &step.causes {
        _ = writeln!(out, "     = {}: {}", cause.id(), lang.cause(*cause).title);
    }
    out
}

/// The verdict: whether it works; if not, why, what that means and what to do.
pub fn verdict(settings: &Settings, steps: &[Step], lang: Language) -> String {
    let causes = causes_of(steps);
    let mut out = String::new();
    if causes.is_empty() {
        let sent = steps.iter().any(|step| step.name == Name::Message);
        _ = writeln!(out, "{}: {}", lang.works(), lang.shown(sent));
    }
    for (index, cause) in causes.iter().enumerate() {
        let what = if index == 0 { lang.fails() } else { lang.also() };
        explain(&mut out, what, *cause, settings, lang);
    }
    // With addresses claimed and answered for, it can be known.
    let claimed =
        steps.iter().any(|step| step.name == Name::From && !step.notes.contains(&Note::NoXclient));
    if causes.is_empty() && !claimed {
        _ = writeln!(out, "  {}", lang.limits());
    }
    out
}

fn explain(out: &mut String, what: &str, cause: Cause, settings: &Settings, lang: Language) {
    let text = lang.cause(cause);
    _ = writeln!(out, "{what}: {} ({})", text.title, cause.id());
    _ = writeln!(out, "  {}", filled(text.meaning, settings, lang));
    for remedy in text.remedies {
        _ = writeln!(out, "  -> {}", filled(remedy, settings, lang));
    }
}

/// The whole test for programs.
pub fn json(settings: &Settings, steps: &[Step], lang: Language) -> Value {
    let ids = |causes: &[Cause]| causes.iter().map(|cause| cause.id()).collect::<Vec<_>>();
    let shown: Vec<Value> = steps
        .iter()
        .map(|step| {
            json!({
                "step": key(step.name),
                // Not known is not the same as well.
                "ok": if step.notes.contains(&Note::NoXclient) { Value::Null }
                      else { Value::Bool(step.causes.is_empty()) },
                "seconds": (step.took.as_secs_f64() * 1000.0).round() / 1000.0,
                "tried": step.tried,
                "heard": step.heard,
                "notes": step.notes.iter().map(|note| lang.note(note)).collect::<Vec<_>>(),
                "causes": ids(&step.causes),
            })
        })
        .collect();
    let causes: Vec<Value> = causes_of(steps)
        .into_iter()
        .map(|cause| {
            let text = lang.cause(cause);
            let fill = |text: &&str| filled(text, settings, lang);
            json!({
                "id": cause.id(),
                "title": text.title,
                "meaning": fill(&text.meaning),
                "remedies": text.remedies.iter().map(fill).collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({
        "works": causes.is_empty(),
        "host": settings.host,
        "port": settings.port,
        "tls": match settings.tls {
            Tls::Implicit => "ssl",
            Tls::StartTls => "starttls",
            Tls::None => "none",
        },
        "user": settings.user,
        "from": settings.from.as_str(),
        "to": settings.to.as_ref().map(crate::mail::Address::as_str),
        "causes": causes,
        "steps": shown,
    })
}

/// The name of a step for programs: it never changes.
fn key(name: Name) -> &'static str {
    match name {
        Name::Resolution => "name",
        Name::Connection => "connection",
        Name::Greeting => "greeting",
        Name::Hello => "offer",
        Name::StartTls => "starttls",
        Name::Encryption => "encryption",
        Name::Claim => "xclient",
        Name::Login => "login",
        Name::Sender => "sender",
        Name::Recipient => "recipient",
        Name::Message => "mail",
        Name::From => "other-address",
    }
}
