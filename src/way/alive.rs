//! Whether the agent is alive, by what it says of itself in the state folder.
//!
//! Must not know what it does.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::io;
use std::time::Duration;

use super::{Place, Spot, State};
use crate::config::Config;
use crate::running::{Role, beat_of, find};

/// Who has said nothing for so long is stopped or hangs: several beats, and less than a minute.
const SILENCE: Duration = Duration::from_secs(45);

/// Looks for the agent.
pub fn agent(config: &Config) -> Spot {
    let state = match find(&config.state_dir, Role::Agent) {
        // One of another version may not say that it is alive.
        Ok(Some(running)) if running.version != env!("CARGO_PKG_VERSION") => State::Open,
        Ok(Some(_)) => match beat_of(&config.state_dir, Role::Agent) {
            Ok(age) if age > SILENCE => State::Silent(format!("{} s", age.as_secs())),
            // It may have ended in between, and then the next look says so.
            _ => State::Open,
        },
        Ok(None) => State::Unseen,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            State::NotLooked("permission denied".into())
        }
        Err(error) => State::NotLooked(error.to_string()),
    };
    Spot { place: Place::Agent, state }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::running::Announcement;

    #[test]
    fn an_agent_that_has_ended_or_hangs_is_seen_within_a_minute() {
        let folder = tempfile::tempdir().unwrap();
        let text = format!("state_dir = {:?}\n", folder.path().display().to_string());
        let parsed = crate::config::parse(&[("recruit-milter.toml".into(), text)]);
        let config = parsed.unwrap().config;
        let none = State::Unseen;
        assert_eq!(agent(&config).state, none);
        let told = Announcement::new(&[Role::Agent], &[], &config);
        told.tell(&config, None).unwrap();
        assert_eq!(agent(&config).state, State::Open);
        let file = std::fs::File::open(folder.path().join("running-agent.json")).unwrap();
        let before = std::time::SystemTime::now() - Duration::from_secs(50);
        file.set_modified(before).unwrap();
        assert!(agent(&config).english().contains("the agent has said nothing for 50 s"));
        assert!(agent(&config).german().contains("der Agent hat seit 50 s nichts gesagt"));
        told.beat();
        assert_eq!(agent(&config).state, State::Open);
        drop(told);
        assert_eq!(agent(&config).state, none);
    }
}
