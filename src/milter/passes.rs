//! Who decides in production: a configuration at work, in each of the passes.
//!
//! Must not know the protocol.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::sync::Arc;
use std::time::Duration;

use super::active::Active;
use super::decide::{Decide, Opening};
use super::front::Front;
use super::handoff::Handoff;
use super::moment::now;
use super::record::Record;
use super::submission::Submission;
use crate::plan::Reply;
use crate::policy::{divert, look};

impl Decide for Active {
    type Front = Front;
    type Handoff = Handoff;
    type Submission = Submission;
    type Record = Record;

    fn accept_early(&self) -> bool {
        self.config.milter.accept_early
    }

    fn deadline(&self) -> Duration {
        self.config.milter.deadline
    }

    fn concerns(&self, resolved: &str) -> bool {
        divert::concerns(&self.config.rules, resolved)
    }

    fn is_asked_for(&self, command: &[u8]) -> bool {
        look::is_ours(command, &self.config.keys, now())
    }

    fn front(self: &Arc<Self>, opening: Opening) -> Front {
        Front::begin(self, opening)
    }

    fn submission(self: &Arc<Self>, opening: Opening) -> Result<Submission, Reply> {
        Submission::begin(self, opening)
    }

    fn handoff(self: &Arc<Self>, opening: Opening) -> Handoff {
        Handoff::begin(self, opening)
    }

    fn record(&self, record: Record, carried_out: Result<(), String>) {
        match carried_out {
            Ok(()) => record.tell(self),
            Err(error) => record.tell_unedited(self, &error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, Config};
    use crate::journal::Journal;
    use crate::mail::Recipient;
    use crate::milter::decide::FrontMessage as _;
    use crate::policy::testing::keys;

    #[test]
    fn edits_that_failed_are_journalled_for_each_address() {
        let text = "[system.personio]\ninbound = \"in@ats.example\"\n\
            addresses = [\"jobs@acme.example\", \"karriere@acme.example\"]\n";
        let loaded = config::parse(&[("recruit-milter.toml".into(), text.into())]).unwrap();
        let config = Config { keys: keys(), ..loaded.config };
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path(), 1 << 20, 1);
        let active = Arc::new(Active::new(config, journal.clone()));
        let mut front = active.front(Opening::default());
        for to in ["jobs@acme.example", "bob@acme.example", "karriere@acme.example"] {
            front.rcpt(Recipient::plain(to));
        }
        let (_, record) = front.finish(Some("4Zx1"));
        active.record(record, Err("edits not made in time".into()));
        assert!(journal.close(Duration::from_secs(10)));
        let lines = std::fs::read_to_string(folder.path().join("journal")).unwrap();
        let told: Vec<Vec<String>> = lines
            .lines()
            .map(|line| {
                let line: serde_json::Value = serde_json::from_str(line).unwrap();
                let names = ["pass", "action", "reason", "queue_id", "address", "detail"];
                names.map(|name| line[name].as_str().unwrap_or_default().to_owned()).into()
            })
            .collect();
        let entry = |address| {
            ["front", "tempfail", "edits-failed", "4Zx1", address, "edits not made in time"]
        };
        assert_eq!(told, [entry("jobs@acme.example"), entry("karriere@acme.example")]);
    }
}
