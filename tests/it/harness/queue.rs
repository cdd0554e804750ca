//! What is in a Postfix queue.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// A message in the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queued {
    /// The queue ID.
    pub id: String,
    /// The queue it is in (`active`, `deferred`, ...).
    pub queue: String,
    /// The envelope sender; empty for the null sender.
    pub sender: String,
    /// Each recipient still to be served, with the reason why it waits (empty: it does not).
    pub recipients: Vec<(String, String)>,
}

/// Reads the output of `postqueue -j`.
pub fn parse(json_lines: &str) -> Vec<Queued> {
    json_lines.lines().map(parse_line).collect()
}

fn parse_line(line: &str) -> Queued {
    let entry: Value = serde_json::from_str(line).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let recipients = entry["recipients"].as_array().into_iter().flatten();
    Queued {
        id: text(&entry["queue_id"]),
        queue: text(&entry["queue_name"]),
        sender: text(&entry["sender"]).replace("MAILER-DAEMON", ""),
        recipients: recipients.map(|r| (text(&r["address"]), text(&r["delay_reason"]))).collect(),
    }
}

/// The queues that hold messages, and those that hold what Postfix remembers about them.
pub const MESSAGES: [&str; 6] = ["maildrop", "incoming", "active", "deferred", "hold", "corrupt"];
/// See [`MESSAGES`].
pub const RECORDS: [&str; 3] = ["bounce", "defer", "trace"];

/// The files of some of the queues. Postfix renames files between queues in one step, so the list
/// is read twice: a file that moved during the first reading shows in the second.
pub fn files(queue_directory: &Path, queues: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for queue in queues.iter().chain(queues) {
        walk(&queue_directory.join(queue), &mut found);
    }
    found.sort();
    found.dedup();
    found
}

fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => walk(&entry.path(), found),
            Ok(kind) if kind.is_file() => found.push(entry.path()),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_queue_listing_is_read() {
        let line = r#"{"queue_name": "deferred", "queue_id": "4X", "arrival_time": 1, "message_size": 2, "sender": "MAILER-DAEMON", "recipients": [{"address": "a@x", "delay_reason": "down"}, {"address": "b@x"}]}"#;
        assert_eq!(
            parse(line),
            [Queued {
                id: "4X".into(),
                queue: "deferred".into(),
                sender: String::new(),
                recipients: vec![("a@x".into(), "down".into()), ("b@x".into(), String::new())],
            }]
        );
    }
}
