//! What the commands that look into the ledger have in common: opening it, and words for what is in it.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::path::Path;

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use super::{Exit, load, say};
use crate::config::Config;
use crate::journal::{Action, Entry, Pass};
use crate::language::Language;
use crate::ledger::{self, Access, Error, Ledger};
use crate::policy::outcome::Outcome;

/// The configuration, and its ledger for reading; what is wrong goes to standard error.
pub(super) fn open(config: &Path) -> Result<(Config, Ledger), Exit> {
    let config = load(config)?;
    let mut ledger = ledger::open(&config, Access::Read).map_err(|error| refused(&error))?;
    if let Some(text) = behind(&mut ledger, &config).map_err(|error| refused(&error))? {
        say(&format!("warning: {text}\n  = {AGENT}"));
    }
    Ok((config, ledger))
}

/// Who tells why the agent does not write the ledger.
pub(super) const AGENT: &str = "systemctl status recruit-milter-agent";

/// What is to be said if the ledger is not of today.
pub(super) fn behind(ledger: &mut Ledger, config: &Config) -> Result<Option<String>, Error> {
    let now = Timestamp::now();
    let since = ledger.behind_since(config, now)?;
    Ok(since.map(|since| {
        let since = clock(since, now);
        format!("the ledger is behind: the agent has not read what came since {since}")
    }))
}

/// Tells why the ledger cannot be read.
pub(super) fn refused(error: &Error) -> Exit {
    say(&format!("error: {error}\n  = {}", error.remedy()));
    match error {
        Error::NotPermitted(_) | Error::Credential(_) => Exit::NoPermission,
        _ => Exit::Unavailable,
    }
}

/// A time of today, or with its day.
pub(super) fn clock(time: Timestamp, now: Timestamp) -> String {
    let zone = TimeZone::system();
    let (time, now) = (time.to_zoned(zone.clone()), now.to_zoned(zone));
    let form = if time.date() == now.date() { "%H:%M:%S" } else { "%Y-%m-%d %H:%M:%S" };
    time.strftime(form).to_string()
}

/// How long ago something was, roughly.
pub(super) fn ago(time: Timestamp, now: Timestamp, lang: Language) -> String {
    let seconds = (now.as_second() - time.as_second()).max(0);
    let text = span(seconds);
    lang.pick(format!("{text} ago"), format!("vor {text}"))
}

/// A span of time, roughly.
pub(super) fn span(seconds: i64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// A size, roughly.
pub(super) fn size(octets: u64) -> String {
    match octets {
        0..1024 => format!("{octets} B"),
        1024..1_048_576 => format!("{} KB", octets / 1024),
        _ => format!("{}.{} MB", octets / 1_048_576, octets % 1_048_576 * 10 / 1_048_576),
    }
}

/// What became of a copy, for people: in English the word itself.
pub(super) fn outcome(outcome: Outcome, lang: Language) -> &'static str {
    let german = match outcome {
        Outcome::Diverted => "abgezweigt",
        Outcome::Unwrapping => "wird ausgepackt",
        Outcome::HandedOver => "übergeben",
        Outcome::Delayed => "wartet",
        Outcome::Delivered => "zugestellt",
        Outcome::Failed => "gescheitert",
        Outcome::Kept => "hier behalten",
        Outcome::Returned => "zurückgegeben",
        Outcome::ToPerson => "an Person",
        Outcome::GivenUp => "aufgegeben",
        Outcome::Merged => "zusammengelegt",
        Outcome::ProbeArrived => "Test angekommen",
    };
    lang.pick(outcome.word(), german)
}

/// What an entry says, for people.
pub(super) fn what(entry: &Entry, lang: Language) -> String {
    let server = entry.next_hop.as_deref();
    let text = match entry.action {
        Action::Copy(Outcome::HandedOver) => {
            let word = outcome(Outcome::HandedOver, lang);
            let system = entry.system.as_deref().unwrap_or("?");
            return lang.pick(format!("{word} for {system}"), format!("für {system} {word}"));
        }
        Action::Copy(done) => outcome(done, lang),
        Action::Discarded => lang.pick("discarded", "verworfen"),
        Action::Report => return report(entry, server, lang),
        Action::Tempfail => lang.pick("put off (4xx)", "aufgeschoben (4xx)"),
        Action::Rejected => lang.pick("refused (5xx)", "abgelehnt (5xx)"),
        Action::Sent => lang.pick("sent", "gesendet"),
        Action::Refused => lang.pick("sending refused", "Versand abgelehnt"),
        Action::ProbeSent => lang.pick("test sent", "Test gesendet"),
        Action::ProbeRefused => {
            lang.pick("test not taken by Postfix", "Test von Postfix nicht angenommen")
        }
        Action::InboundAccepted => {
            lang.pick("the system's server takes mail", "Server des Systems nimmt Mails an")
        }
        Action::InboundRefused => lang
            .pick("the system's server takes no mail", "Server des Systems nimmt keine Mails an"),
        Action::Resent => lang.pick("sent once more", "noch einmal gesendet"),
        Action::Alerted => lang.pick("somebody was told", "jemand wurde benachrichtigt"),
        Action::Changed => lang.pick("configuration changed", "Konfiguration geändert"),
    };
    match entry.pass {
        Pass::Submission if entry.login.is_some() => {
            format!("{text} ({})", entry.login.as_deref().unwrap_or_default())
        }
        _ => text.to_owned(),
    }
}

fn report(entry: &Entry, server: Option<&str>, lang: Language) -> String {
    let Some(done) = entry.report.and_then(Outcome::reported) else {
        return lang.pick("a report that says nothing", "ein Bericht, der nichts sagt").into();
    };
    let word = outcome(done, lang);
    let at = server.map(|server| lang.pick(format!(" at {server}"), format!(" bei {server}")));
    format!("{word}{}", at.unwrap_or_default())
}

/// What an entry adds: queue ID, reason, the words of the other server.
pub(super) fn details(entry: &Entry) -> String {
    let said = entry.reply.clone().or_else(|| entry.status.clone());
    let reason = entry.reason.clone().filter(|reason| reason != "rule" && said.is_none());
    let parts = [entry.queue_id.clone(), reason, entry.kind.clone(), entry.detail.clone(), said];
    parts.into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("  ")
}

/// A point in time: `24h`, `7d`, or as RFC 3339 or `2026-11-25`.
pub(super) fn point(text: &str) -> Result<Timestamp, String> {
    let units = [('s', 1), ('m', 60), ('h', 3600), ('d', 86_400)];
    let span = units.iter().find_map(|(unit, factor)| {
        let number: i64 = text.strip_suffix(*unit)?.parse().ok()?;
        number.checked_mul(*factor).filter(|seconds| *seconds >= 0)
    });
    if let Some(seconds) = span {
        let point = Timestamp::now().checked_sub(SignedDuration::from_secs(seconds));
        return point.map_err(|_| "it is before time began".into());
    }
    if let Ok(time) = text.parse() {
        return Ok(time);
    }
    let day: Result<jiff::civil::DateTime, _> = text.parse();
    let local = day.ok().and_then(|day| day.to_zoned(TimeZone::system()).ok());
    local.map(|zoned| zoned.timestamp()).ok_or_else(|| {
        "write how long ago (30m, 24h, 7d), a day (2026-11-25) or a time (2026-11-25T09:00:00Z)"
            .into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_sizes_are_rough() {
        for (seconds, text) in [(0, "0 s"), (61, "1 min"), (7200, "2 h"), (200_000, "2 d")] {
            assert_eq!(span(seconds), text);
        }
        for (octets, text) in [(9, "9 B"), (2048, "2 KB"), (1_600_000, "1.5 MB")] {
            assert_eq!(size(octets), text);
        }
    }

    #[test]
    fn points_in_time_are_read() {
        let hour = point("1h").unwrap();
        assert!((Timestamp::now() - hour).get_seconds() >= 3600);
        assert_eq!(point("2026-11-25T09:00:00Z").unwrap().as_second(), 1_795_597_200);
        assert!(point("2026-11-25").is_ok());
        for bad in ["", "h", "-1h", "tomorrow", "99999999999999999d"] {
            assert!(point(bad).is_err(), "{bad}");
        }
    }
}
