//! What `postfix --check` says, as a place on the way of mail: a Postfix whose configuration has lost our lines still
//! takes mail, and lets the copies wait, bounce or pass the milter by.
//!
//! Which Postfix is ours, and what was seen there last, is kept in the state folder: the agent may start
//! no program, and goes by what others have seen.
//!
//! Must not know how it is checked.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::{Place, Spot, State};
use crate::config::Config;
use crate::findings::{Finding, Id, Severity, id};
use crate::postfix::{Error, Instance};

/// What is wrong with outgoing mail alone.
const OUTGOING: [Id; 9] = [
    id::MILTERS_OF_SERVICE,
    id::LOGINS_UNSEEN,
    id::SUBMISSION_UNSEEN,
    id::SUBMISSION_ORDER,
    id::NO_SUCH_TRANSPORT,
    id::RELAY_SETTINGS,
    id::ROUTE_OVERRIDES,
    id::OWN_HEADER_CHECKS,
    id::DEFAULT_IS_INSIDE,
];

/// Whose mail a fault is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum About {
    /// Applications on their way to the recruiting system.
    Applications,
    /// What the recruiting system sends.
    Outgoing,
    /// Alerts, which come through all the same while the milter runs.
    Alerts,
}

/// An error in Postfix's configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Its stable name.
    pub id: String,
    /// What is wrong, and where.
    pub text: String,
    /// What to do.
    pub remedy: String,
    /// Whose mail it is about.
    pub about: About,
}

impl Fault {
    fn of(finding: Finding, config: &Config) -> Self {
        let Finding { id, text, remedy, .. } = finding;
        let about = if OUTGOING.contains(&id) {
            About::Outgoing
        } else if text.contains(&format!("{}/inet", config.alerts_smtpd))
            || text.contains("recruit-milter.alerts")
        {
            About::Alerts
        } else {
            About::Applications
        };
        Self { id: id.to_string(), text, remedy, about }
    }
}

/// What a check has found, as a place. Warnings are for `postfix --check` and `doctor`.
pub fn settings(found: Result<Vec<Finding>, Error>, config: &Config) -> Spot {
    let state = match found {
        Ok(found) => {
            let errors = found.into_iter().filter(|finding| finding.severity == Severity::Error);
            state(errors.map(|finding| Fault::of(finding, config)).collect())
        }
        // Postfix's own programs cannot read it, nor will its next start.
        Err(error @ Error::Command { .. }) => state(vec![Fault {
            id: id::POSTFIX_UNREADABLE.to_string(),
            text: error.to_string(),
            remedy: "postfix check".to_owned(),
            about: About::Applications,
        }]),
        Err(error) => {
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
            State::NotLooked(format!("{error}{}", cause.unwrap_or_default()))
        }
    };
    Spot { place: Place::Settings, state }
}

/// What is about applications first, and alerts last.
fn state(mut faults: Vec<Fault>) -> State {
    faults.sort_by_key(|fault| fault.about as u8);
    if faults.is_empty() { State::Open } else { State::Faulty(faults) }
}

/// Which Postfix is ours, and what is wrong in its configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    config_dir: Option<PathBuf>,
    #[serde(default)]
    faults: Vec<Fault>,
}

impl Kept {
    fn file(config: &Config) -> PathBuf {
        config.state_dir.join("postfix-checked.json")
    }

    fn read(config: &Config) -> Option<Self> {
        serde_json::from_slice(&fs::read(Self::file(config)).ok()?).ok()
    }
}

/// The Postfix that `postfix --apply` or `--check` was last told of; else the system's.
pub fn instance(config: &Config) -> Instance {
    let named = Kept::read(config).and_then(|kept| kept.config_dir);
    named.map_or_else(Instance::system, Instance::at)
}

/// Keeps what was seen in a Postfix, for those who cannot look there. Who cannot write has not seen more.
pub fn keep_settings(config: &Config, instance: &Instance, spot: &Spot) -> io::Result<()> {
    let faults = match &spot.state {
        State::Open => Vec::new(),
        State::Faulty(faults) => faults.clone(),
        _ => return Ok(()),
    };
    let config_dir = instance.config_dir().map(Path::to_owned);
    let kept = Kept { config_dir, faults };
    if Kept::read(config).as_ref() == Some(&kept) {
        return Ok(());
    }
    replace(&Kept::file(config), &serde_json::to_vec(&kept)?)
}

/// What others have seen last, for a process that may not start Postfix's programs.
pub fn kept_settings(config: &Config) -> Option<Spot> {
    let kept = Kept::read(config)?;
    Some(Spot { place: Place::Settings, state: state(kept.faults) })
}

/// Writes a file as a whole; the agent too may read it, whatever the umask of whoever writes.
fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
    _ = fs::remove_file(&temporary);
    let write = || {
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(0o640).open(&temporary)?;
        file.write_all(text)?;
        file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
        fs::rename(&temporary, path)
    };
    write().inspect_err(|_| _ = fs::remove_file(&temporary))
}

/// What is otherwise as soon as somebody has changed Postfix's configuration: its files and when each was
/// written. Nothing where they cannot be looked at.
pub fn stamp(config: &Config) -> Vec<(PathBuf, SystemTime, u64)> {
    let instance = instance(config);
    let folder = instance.config_dir().unwrap_or(Path::new("/etc/postfix"));
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let file = |entry: io::Result<fs::DirEntry>| {
        let entry = entry.ok()?;
        let file = entry.metadata().ok()?;
        Some((entry.path(), file.modified().ok()?, file.len()))
    };
    let mut all: Vec<_> = entries.filter_map(file).collect();
    all.sort();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(state_dir: &Path) -> Config {
        let text = format!(
            "state_dir = {:?}\n[system.x]\ninbound = \"in@ats.example\"\n\
             addresses = [\"jobs@acme.example\"]\n",
            state_dir.display().to_string()
        );
        crate::config::parse(&[("recruit-milter.toml".into(), text)]).unwrap().config
    }

    fn finding(id: &str, severity: Severity, text: &str) -> Finding {
        let id = crate::findings::Id::all().find(|of| of.as_str() == id).unwrap();
        Finding { id, severity, text: text.into(), remedy: "mend it".into() }
    }

    #[test]
    fn errors_are_faults_those_of_applications_first_and_warnings_are_none() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path());
        let alerts = format!("service {}/inet is missing in master.cf", config.alerts_smtpd);
        let error = Severity::Error;
        let one = finding("RM-POSTFIX-05", error, &alerts);
        let spot = settings(Ok(vec![one.clone()]), &config);
        assert!(!spot.holds_mail() && !spot.blocks_all());
        let out = finding("RM-POSTFIX-33", error, "outgoing");
        let spot = settings(Ok(vec![one.clone(), out.clone()]), &config);
        assert!(spot.holds_mail() && !spot.blocks_all());
        let ours = finding("RM-POSTFIX-03", error, "transport_maps in main.cf is not ours");
        let spot = settings(Ok(vec![one, out, ours]), &config);
        assert!(spot.holds_mail() && spot.blocks_all());
        assert_eq!(
            spot.english(),
            "Postfix is not set up for our mail: transport_maps in main.cf is not ours (RM-POSTFIX-03), \
             and 2 more"
        );
        let warning = finding("RM-POSTFIX-08", Severity::Warning, "x");
        assert_eq!(settings(Ok(vec![warning]), &config).state, State::Open);
        let unable = Error::NotInstalled("postconf");
        assert!(matches!(settings(Err(unable), &config).state, State::NotLooked(_)));
    }

    #[test]
    fn what_was_seen_is_kept_for_those_who_cannot_look() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path());
        assert_eq!((kept_settings(&config), instance(&config)), (None, Instance::system()));
        let ours = finding("RM-POSTFIX-03", Severity::Error, "x");
        let spot = settings(Ok(vec![ours]), &config);
        let at = Instance::at(folder.path());
        keep_settings(&config, &at, &spot).unwrap();
        assert_eq!((kept_settings(&config), instance(&config)), (Some(spot), at.clone()));
        keep_settings(&config, &at, &settings(Ok(Vec::new()), &config)).unwrap();
        assert_eq!(kept_settings(&config).unwrap().state, State::Open);
        let before = stamp(&config);
        fs::write(folder.path().join("main.cf"), "x").unwrap();
        assert_ne!(stamp(&config), before);
    }
}
