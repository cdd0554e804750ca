//! What runs, told to those who compare: each process of ours writes into a small file in the state
//! folder which keys and which configuration it goes by. `doctor`, `check`, `verify` and `init-key` read it.
//!
//! The file is locked for as long as its process lives, so that nobody believes the dead. No secret is
//! in it.
//!
//! Must not know how it is shown.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use crate::config::{Config, Socket};
use crate::policy::keys::Fingerprint;

/// More than any of these files holds.
const MAX_SIZE: u64 = 1 << 20;

/// What `[handoff]` is called among the settings that a start alone takes. With another one a reload is
/// refused: new handoffs would go to a domain that Postfix does not route.
pub const HOPS: &str = "[handoff]";

/// What a process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Decides on mail.
    Milter,
    /// Keeps books, verifies, unwraps.
    Agent,
}

impl Role {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::Milter, Self::Agent];

    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Milter => "milter",
            Self::Agent => "agent",
        }
    }

    fn file(self, state_dir: &Path) -> PathBuf {
        state_dir.join(format!("running-{}.json", self.word()))
    }
}

/// Why a process does not go by the files as they were when it last looked at them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// What it does instead.
    pub kept: Kept,
    /// The first of the problems.
    pub first: String,
}

/// The configuration that is used instead of a broken one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kept {
    /// A reload was refused.
    TheOldOne,
    /// At the start the files were broken: the last that were not.
    TheLastGoodOne,
}

/// What a process goes by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// What it is.
    pub role: Role,
    /// The program's version.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// Since when it goes by this configuration.
    pub since: Timestamp,
    /// Whether systemd started it.
    pub systemd: bool,
    /// Its keys, the one that signs first.
    pub keys: Vec<Fingerprint>,
    /// Whether these are credentials of systemd: copies, which do not change while it runs.
    pub keys_are_copies: bool,
    /// The configuration's fingerprint.
    pub config: String,
    /// The bounce address and the delimiters, by which it knows what comes back and what is a probe.
    pub bounces: String,
    /// The settings that it took at its start and that no reload changes, with their values.
    pub fixed: BTreeMap<String, String>,
    /// What is wrong with its configuration.
    pub trouble: Option<Trouble>,
}

impl Running {
    /// What a process goes by that has just read its configuration.
    fn new(role: Role, config: &Config, fixed: BTreeMap<String, String>) -> Self {
        let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
        Self {
            role,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            since: Timestamp::now(),
            systemd: std::env::var_os("NOTIFY_SOCKET").is_some(),
            keys: config.keys.fingerprints(),
            keys_are_copies: credentials.is_some_and(|dir| config.key_file.starts_with(dir)),
            config: config.fingerprint(),
            bounces: bounces_of(config),
            fixed,
            trouble: None,
        }
    }

    /// Whether it has the key that a configuration signs with.
    pub fn knows_key_of(&self, config: &Config) -> bool {
        config.keys.fingerprints().first().is_none_or(|signs| self.keys.contains(signs))
    }

    /// Whether it has the same keys in the same order.
    pub fn has_keys_of(&self, config: &Config) -> bool {
        self.keys == config.keys.fingerprints()
    }

    /// Whether it knows the sender of a probe when it sees one.
    pub fn has_bounces_of(&self, config: &Config) -> bool {
        self.bounces == bounces_of(config)
    }

    /// The settings that this configuration has otherwise and a restart alone brings in.
    pub fn needs_restart_for(&self, config: &Config) -> Vec<String> {
        changed(&self.fixed, &fixed(self.role, config))
    }

    /// The command that makes it read its keys anew.
    pub fn takes_keys(&self) -> String {
        if self.keys_are_copies { self.restart() } else { self.reload() }
    }

    /// The command that makes it read its configuration.
    pub fn reload(&self) -> String {
        if self.systemd { RELOAD.to_owned() } else { format!("kill -HUP {}", self.pid) }
    }

    /// The command that starts it anew.
    pub fn restart(&self) -> String {
        if self.systemd {
            RESTART.to_owned()
        } else {
            format!("kill {}, and start recruit-milter again", self.pid)
        }
    }
}

/// What makes the services read their configuration.
pub const RELOAD: &str = "systemctl reload recruit-milter recruit-milter-agent";

/// What starts the services anew. systemd keeps the sockets, so no client notices.
pub const RESTART: &str = "systemctl restart recruit-milter recruit-milter-agent";

/// What runs in a role; nothing where nobody does, or none that tells.
pub fn find(state_dir: &Path, role: Role) -> io::Result<Option<Running>> {
    let file = match File::open(role.file(state_dir)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    // Who can have it has met nobody.
    if flock(&file, FlockOperation::NonBlockingLockShared).is_ok() {
        return Ok(None);
    }
    let mut text = Vec::new();
    file.take(MAX_SIZE).read_to_end(&mut text)?;
    // Another version's may look otherwise; then nothing can be said.
    Ok(serde_json::from_slice(&text).ok())
}

/// How often a process says that it is alive.
pub const BEAT: Duration = Duration::from_secs(10);

/// How long ago a process in a role last said that it is alive.
pub fn beat_of(state_dir: &Path, role: Role) -> io::Result<Duration> {
    let beat = fs::metadata(role.file(state_dir))?.modified()?;
    // What lies ahead is a clock that was put back.
    Ok(beat.elapsed().unwrap_or_default())
}

/// What runs, where that can be looked at.
pub fn all(state_dir: &Path) -> Vec<Running> {
    Role::ALL.into_iter().filter_map(|role| find(state_dir, role).ok().flatten()).collect()
}

/// What this process tells of itself.
pub struct Announcement {
    state_dir: PathBuf,
    roles: Vec<(Role, BTreeMap<String, String>)>,
    /// The files, held for their locks.
    held: Mutex<Vec<File>>,
}

impl Announcement {
    /// Of a process that starts with `config`. Nothing is written yet. `given` are the names of the settings
    /// whose sockets were passed in: what they are is not for the configuration to say.
    pub fn new(roles: &[Role], given: &[&str], config: &Config) -> Self {
        let of = |role: &Role| {
            let mut fixed = fixed(*role, config);
            fixed.retain(|name, _| !given.contains(&name.as_str()));
            (*role, fixed)
        };
        let roles = roles.iter().map(of).collect();
        Self { state_dir: config.state_dir.clone(), roles, held: Mutex::default() }
    }

    /// The settings that this configuration has otherwise than this process at its start.
    pub fn needs_restart_for(&self, config: &Config) -> Vec<String> {
        let mut all: Vec<String> =
            self.roles.iter().flat_map(|(role, was)| changed(was, &fixed(*role, config))).collect();
        all.sort();
        all.dedup();
        all
    }

    /// Writes what this process goes by now.
    pub fn tell(&self, config: &Config, trouble: Option<&Trouble>) -> io::Result<()> {
        let mut held = Vec::new();
        for (role, fixed) in &self.roles {
            let running =
                Running { trouble: trouble.cloned(), ..Running::new(*role, config, fixed.clone()) };
            let text = serde_json::to_vec(&running)?;
            held.push(replace(&role.file(&self.state_dir), &text)?);
        }
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = held;
        Ok(())
    }

    /// Says that this process is alive, for [`beat_of`]. Somebody does so every [`BEAT`].
    pub fn beat(&self) {
        let now = SystemTime::now();
        for file in self.held.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            // Who sees no beat says so.
            _ = file.set_modified(now);
        }
    }
}

/// Writes a file at once as a whole, and gives it back locked.
fn replace(path: &Path, text: &[u8]) -> io::Result<File> {
    let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
    // What a process has left that had this number before.
    _ = fs::remove_file(&temporary);
    let write = || {
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(0o640).open(&temporary)?;
        flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        file.write_all(text)?;
        fs::rename(&temporary, path)?;
        Ok(file)
    };
    write().inspect_err(|_| _ = fs::remove_file(&temporary))
}

fn bounces_of(config: &Config) -> String {
    let bounce = config.rules.bounce.as_ref().map(ToString::to_string).unwrap_or_default();
    format!("{bounce} {}", config.rules.delimiters)
}

/// What of a configuration a process takes at its start alone.
fn fixed(role: Role, config: &Config) -> BTreeMap<String, String> {
    let sockets =
        |all: &[Socket]| all.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    let hops = format!("{:?} {}", config.handoff, config.rules.handoff_domain);
    let mut all = vec![(HOPS, hops), ("[log] target", format!("{:?}", config.log.target))];
    match role {
        Role::Milter => {
            let milter = config.listening();
            all.extend([
                ("[milter] front", sockets(&milter.front)),
                ("[milter] submission", sockets(&milter.submission)),
                ("[milter] handoff", sockets(&milter.handoff)),
                ("[milter] drain", format!("{:?}", milter.drain)),
                ("[milter] max_sessions", milter.max_sessions.to_string()),
                ("[journal]", format!("{} {}", config.journal_size, config.journal_files)),
                ("state_dir", config.state_dir.display().to_string()),
            ]);
        }
        Role::Agent => {
            let unwraps = config.rules.unwraps();
            let socket = if unwraps { config.agent.socket.to_string() } else { String::new() };
            all.extend([
                // Where nothing was to be unwrapped, nobody listens there.
                ("[agent] socket", socket),
                ("[agent] size", config.rules.reading.unwrap_limit.to_string()),
                ("[metrics] listen", config.metrics.map(|at| at.to_string()).unwrap_or_default()),
            ]);
        }
    }
    all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The names that have other values now. What is not among those of the start does not count.
fn changed(was: &BTreeMap<String, String>, is: &BTreeMap<String, String>) -> Vec<String> {
    let differs =
        |(name, value): &(&String, &String)| is.get(*name).is_some_and(|now| now != *value);
    was.iter().filter(differs).map(|(name, _)| name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse;
    use crate::policy::keys::Keys;

    fn config(state_dir: &Path, more: &str) -> Config {
        let text = format!(
            "state_dir = {:?}\n[system.personio]\ninbound = \"in@ats.example\"\n\
             addresses = [\"jobs@acme.example\"]\n{more}",
            state_dir.display().to_string()
        );
        let config = parse(&[("recruit-milter.toml".into(), text)]).unwrap().config;
        Config { keys: Keys::new(vec![(1, vec![1; 32])]).unwrap(), ..config }
    }

    #[test]
    fn what_runs_is_found_and_what_has_ended_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path(), "");
        let found = |role| find(folder.path(), role).unwrap();
        assert_eq!(found(Role::Milter), None);
        let told = Announcement::new(&[Role::Milter], &[], &config);
        told.tell(&config, None).unwrap();
        let running = found(Role::Milter).unwrap();
        assert!(running.knows_key_of(&config) && running.has_keys_of(&config));
        assert_eq!((running.pid, running.trouble), (std::process::id(), None));
        assert_eq!(found(Role::Agent), None);
        // A reload.
        let first = "unknown setting".to_owned();
        let trouble = Trouble { kept: Kept::TheOldOne, first };
        told.tell(&config, Some(&trouble)).unwrap();
        assert_eq!(found(Role::Milter).unwrap().trouble, Some(trouble));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
        // It dies, and leaves the file.
        drop(told);
        assert!(Role::Milter.file(folder.path()).exists());
        assert_eq!(found(Role::Milter), None);
    }

    #[test]
    fn keys_are_compared_as_such_and_not_by_their_numbers() {
        let folder = tempfile::tempdir().unwrap();
        let old = config(folder.path(), "");
        let running = Running::new(Role::Milter, &old, BTreeMap::new());
        let with = |keys: Vec<(u8, u8)>| {
            let keys = keys.into_iter().map(|(id, octet)| (id, vec![octet; 32])).collect();
            Config { keys: Keys::new(keys).unwrap(), ..old.clone() }
        };
        for (keys, knows, same) in [
            (vec![(1, 1)], true, true),
            (vec![(2, 2), (1, 1)], false, false),
            (vec![(1, 2)], false, false),
            (vec![(1, 1), (2, 2)], true, false),
        ] {
            let config = with(keys.clone());
            let found = (running.knows_key_of(&config), running.has_keys_of(&config));
            assert_eq!(found, (knows, same), "{keys:?}");
        }
        let text = serde_json::to_string(&running).unwrap();
        assert!(!text.contains(&data_encoding::BASE64.encode(&[1; 32])[..8]), "{text}");
    }

    #[test]
    fn what_a_start_alone_takes_is_named_and_passed_in_sockets_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let old = config(folder.path(), "");
        let needs = |role, given: &[&str], more: &str| {
            let told = Announcement::new(&[role], given, &old);
            told.needs_restart_for(&config(folder.path(), more))
        };
        let unwraps = "[address.\"jobs@acme.example\"]\nunwrap = \"attached\"\n";
        let login = "[login.personio]\nmay_send_as = [\"jobs@acme.example\"]\n";
        for (role, given, more, expected) in [
            (Role::Milter, &[][..], "[milter]\nmax_sessions = 5\n", &["[milter] max_sessions"][..]),
            (Role::Milter, &[], "[milter]\naccept_early = true\n", &[]),
            (Role::Milter, &[], login, &["[milter] submission"]),
            (Role::Milter, &["[milter] submission"], login, &[]),
            (Role::Milter, &[], "[handoff]\ndomain = \"other.internal\"\n", &[HOPS]),
            (Role::Agent, &[], unwraps, &["[agent] socket"]),
            (Role::Agent, &["[agent] socket"], unwraps, &[]),
            (Role::Agent, &[], "[metrics]\nlisten = \"127.0.0.1:9\"\n", &["[metrics] listen"]),
        ] {
            assert_eq!(needs(role, given, more), expected, "{more}");
        }
    }

    #[test]
    fn a_configuration_is_the_same_for_all_who_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let one = config(folder.path(), "");
        let elsewhere = Config {
            key_file: "/run/credentials/x/seal.key".into(),
            keys: Keys::default(),
            ..one.clone()
        };
        assert_eq!(one.fingerprint(), elsewhere.fingerprint());
        let other = config(folder.path(), "[milter]\naccept_early = true\n");
        assert_ne!(one.fingerprint(), other.fingerprint());
    }
}
