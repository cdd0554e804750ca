//! What lies on this machine: the key, the queue, the state folder, the ledger, the clock.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fs;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;

use super::Line;
use crate::config::Config;
use crate::findings::{Severity, id};
use crate::journal::{Record, replay};
use crate::ledger::evidence::verdicts;
use crate::ledger::{self, Access};
use crate::mail::domain::{address_key, same_domain};
use crate::policy::rules::Pattern;
use crate::policy::verification::State;
use crate::postfix::Instance;
use crate::way::Way;

/// A key that is older should be exchanged.
const OLD_KEY: Duration = Duration::from_secs(400 * 86_400);
/// How long a copy may lie in the queue.
const WAITS: i64 = 3600;
/// Less room than this is too little.
const ROOM: u64 = 100 << 20;

/// How old the key is.
pub(super) fn key(config: &Config) -> Option<Line> {
    let written = fs::metadata(&config.key_file).and_then(|file| file.modified()).ok()?;
    let age = SystemTime::now().duration_since(written).unwrap_or_default();
    let days = age.as_secs() / 86_400;
    let text = format!("the key in {} is {days} days old", config.key_file.display());
    Some(if age > OLD_KEY {
        let remedy = "recruit-milter init-key --rotate";
        Line::new("Key", id::OLD_KEY, text, remedy)
    } else {
        Line::ok("Key", text)
    })
}

/// Copies that wait in Postfix's queue.
pub(super) fn waiting(config: &Config, instance: &Instance) -> Line {
    const PART: &str = "Queue";
    let queue = match instance.run("postqueue", &["-j"]) {
        Ok(queue) => queue,
        Err(error) => {
            let text = format!("the queue cannot be read: {error}");
            // Postfix: postqueue(1) also fails for other reasons than that nothing runs.
            let remedy = if text.contains("ail system is down") {
                "postfix start"
            } else {
                "mend that; see it for yourself: postqueue -j"
            };
            return Line::new(PART, id::QUEUE_UNREADABLE, text, remedy);
        }
    };
    let now = Timestamp::now().as_second();
    let mut old = 0;
    let mut reason = String::new();
    for line in queue.lines() {
        let Ok(mail) = serde_json::from_str::<serde_json::Value>(line) else { continue };
        let arrived = mail["arrival_time"].as_i64().unwrap_or(now);
        for recipient in mail["recipients"].as_array().into_iter().flatten() {
            let address = recipient["address"].as_str().unwrap_or_default();
            let domain = address.rsplit_once('@').map_or("", |(_, domain)| domain);
            let ours = same_domain(domain, &config.rules.handoff_domain)
                || same_domain(domain, &config.rules.return_domain)
                || config.rules.systems.iter().any(|s| s.inbound.key() == address_key(address));
            if ours && now - arrived > WAITS {
                old += 1;
                recipient["delay_reason"].as_str().unwrap_or_default().clone_into(&mut reason);
            }
        }
    }
    if old == 0 {
        Line::ok(PART, "no copy waits for more than an hour")
    } else {
        let text = format!("{old} copies wait for more than an hour: {reason}");
        Line::new(PART, id::COPIES_WAIT, text, "mend that, then: postqueue -f")
    }
}

/// The state folder, and the clock by the journal in it.
pub(super) fn folder(config: &Config) -> Vec<Line> {
    const PART: &str = "State";
    let folder = &config.state_dir;
    let shown = folder.display();
    let mut all = Vec::new();
    if let Ok(disk) = rustix::fs::statvfs(folder) {
        let room = disk.f_bavail.saturating_mul(disk.f_frsize);
        if room < ROOM {
            let text = format!("{shown}: {} MB are free", room >> 20);
            all.push(Line::new(PART, id::LITTLE_ROOM, text, "make room there"));
        }
    }
    let now = Timestamp::now();
    let newest = replay(folder, None).filter_map(|(_, record)| match record {
        Ok(Record::Entry(entry)) => Some(entry.time),
        _ => None,
    });
    if let Some(newest) = newest.max()
        && newest.as_second() > now.as_second() + 300
    {
        let text = format!("the journal has entries of {newest}, which is to come");
        let remedy = "set the clock: timedatectl set-ntp true";
        all.push(Line::new("Clock", id::CLOCK, text, remedy));
    }
    if all.is_empty() {
        all.push(Line::ok(PART, format!("{shown}: journal in time order, room on the disk")));
    }
    all
}

/// The ledger, and what it says of each address.
pub(super) fn ledger(config: &Config, way: &Way) -> Vec<Line> {
    const PART: &str = "Ledger";
    let mut ledger = match ledger::open(config, Access::Read) {
        Ok(ledger) => ledger,
        Err(error) => {
            let (text, remedy) = (error.to_string(), error.remedy());
            return vec![Line::new(PART, id::LEDGER_UNREADABLE, text, remedy)];
        }
    };
    let now = Timestamp::now();
    let mut all = Vec::new();
    match (ledger.state(), ledger.behind_since(config, now)) {
        (Ok(_), Ok(Some(since))) => {
            let text = format!(
                "the agent does not read the journal: the ledger is behind, what came since {since} is \
                 not in it"
            );
            let remedy = "systemctl status recruit-milter-agent";
            all.push(Line::new(PART, id::LEDGER_BEHIND, text, remedy));
        }
        (Ok(state), Ok(None)) => {
            let entries: u64 = state.hosts.iter().map(|one| one.entries).sum();
            all.push(Line::ok(PART, format!("{entries} entries, {} KB", state.size >> 10)));
        }
        (Err(error), _) | (_, Err(error)) => {
            let text = error.to_string();
            all.push(Line::new(PART, id::LEDGER_UNREADABLE, text, error.remedy()));
        }
    }
    if let Ok(verdicts) = verdicts(&mut ledger, config, now) {
        for (rule, verdict) in config.rules.addresses.iter().zip(verdicts) {
            let Pattern::Exact(address) = &rule.pattern else { continue };
            let verdict = way.judge(rule, verdict, u64::try_from(now.as_second()).unwrap_or(0));
            let text = format!("{address} {}", verdict.state);
            let severity = match verdict.state {
                State::Verified => {
                    all.push(Line::ok("Verification", text));
                    continue;
                }
                State::Never | State::Seen | State::Forwarded => Severity::NotTested,
                State::Late => Severity::Warning,
                State::NotVerified => Severity::Error,
            };
            let remedy = format!("recruit-milter verify {address}");
            all.push(Line::with(severity, "Verification", id::NOT_VERIFIED, text, remedy));
        }
    }
    all
}
