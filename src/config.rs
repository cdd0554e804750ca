//! The configuration: read from files, checked as a whole, and from then on without anything left
//! to parse.
//!
//! [`load`] turns what an admin wrote into a [`Config`], or into a list of all that is wrong with
//! it. On the way: `file` reads the files, `mend` and `syntax` find their TOML tables, `tree` merges them by
//! the table in `settings` (`info` says what they have in common), `value` reads single values, and `build`, `addresses` and `checks` see
//! to it that all fits together.
//!
//! Must not know running sessions.
// SPDX-License-Identifier: GPL-3.0-or-later

mod addresses;
mod build;
mod checks;
mod credential;
mod file;
mod info;
pub mod keyfile;
mod mend;
mod outbound;
mod print;
pub mod problem;
mod settings;
mod source;
mod syntax;
mod tree;
mod value;

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::language::Choice;
use crate::mail::Address;
use crate::policy::keys::Keys;
use crate::policy::rules::Rules;

pub use crate::observe::{LogLevel, LogSettings, LogTarget, Masking};
pub use crate::policy::rules::Probes;
pub use credential::credential;
pub(crate) use info::suggest;
use mend::Mended;
pub use problem::{Problem, Problems, Severity};
use source::{Report, Source};

/// A configuration that can be used, and what is odd about it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// What is probably not as it was meant.
    pub warnings: Problems,
    /// The files that it was read from, as they were then, the main file first.
    pub files: Vec<(PathBuf, String)>,
}

/// What the configuration is held against outside its own text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Surroundings {
    /// Whether the places of the milter's sockets are looked at. Not needed where the sockets come
    /// from systemd or where nothing listens.
    pub sockets: bool,
    /// Whether the state folder is looked at. Only the daemon writes there.
    pub state: bool,
    /// Whether the keys are read. Not needed to make them.
    pub keys: bool,
    /// The folder with credentials that systemd gave, `$CREDENTIALS_DIRECTORY`.
    pub credentials: Option<PathBuf>,
}

impl Surroundings {
    /// Those of this process.
    pub fn of_process() -> Self {
        Self {
            sockets: std::env::var_os("LISTEN_FDS").is_none(),
            state: true,
            keys: true,
            credentials: std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from),
        }
    }
}

/// Reads a configuration: the file, `conf.d/*.toml` beside it, and the key file.
pub fn load(path: &Path) -> Result<Loaded, Problems> {
    load_with(path, &Surroundings::of_process())
}

/// [`load`] with other surroundings than those of this process.
pub fn load_with(path: &Path, around: &Surroundings) -> Result<Loaded, Problems> {
    let mut report = Report::default();
    let (sources, sound) = file::read_all(path, &mut report);
    check(path, &sources, sound, Some(around), report)
}

/// [`load_with`] as if there were these files as well: what somebody is about to write. The first may be the
/// main file, where there is none yet.
pub fn load_with_more(
    path: &Path,
    around: &Surroundings,
    more: Vec<(PathBuf, String)>,
) -> Result<Loaded, Problems> {
    let mut report = Report::default();
    let has_main = more.first().is_some_and(|(first, _)| first == path);
    let (mut sources, sound) =
        if has_main { (Vec::new(), true) } else { file::read_all(path, &mut report) };
    sources.extend(more.into_iter().map(|(path, text)| Source { path, text }));
    check(path, &sources, sound, Some(around), report)
}

/// Reads a configuration from texts, of which the first is the main file's. Looks at no file: the
/// keys stay empty.
#[allow(dead_code, reason = "what tests read has no files")]
pub fn parse(files: &[(PathBuf, String)]) -> Result<Loaded, Problems> {
    parse_with(files, None)
}

/// [`parse`], held against surroundings: the key file is read.
pub fn parse_with(
    files: &[(PathBuf, String)],
    around: Option<&Surroundings>,
) -> Result<Loaded, Problems> {
    let source =
        |(path, text): &(PathBuf, String)| Source { path: path.clone(), text: text.clone() };
    let sources: Vec<Source> = files.iter().map(source).collect();
    let main = files.first().map_or(Path::new(""), |(path, _)| path);
    check(main, &sources, true, around, Report::default())
}

/// `all_read` says that the sources are all there is, and `around` what they are held against.
fn check(
    path: &Path,
    sources: &[Source],
    all_read: bool,
    around: Option<&Surroundings>,
    mut report: Report,
) -> Result<Loaded, Problems> {
    let mut sound = all_read;
    let mut tables = Vec::new();
    let mended: Vec<Mended> = sources.iter().map(|source| Mended::new(&source.text)).collect();
    for (file, mended) in mended.iter().enumerate() {
        let (table, ok) = syntax::read(file, mended, &mut report);
        sound &= ok;
        tables.push(table);
    }
    let tree = tree::Tree::new(&tables, &mut report);
    // Where a part is missing, much else would only seem to be wrong.
    let config = sound.then(|| finish(path, &tree, around, &mut report)).flatten();
    let failed = report.has_errors();
    let problems = report.finish(path, sources);
    match config {
        Some(config) if !failed => {
            let file = |source: &Source| (source.path.clone(), source.text.clone());
            let files = sources.iter().map(file).collect();
            Ok(Loaded { config, warnings: problems, files })
        }
        _ => Err(problems),
    }
}

fn finish(
    path: &Path,
    tree: &tree::Tree<'_>,
    around: Option<&Surroundings>,
    report: &mut Report,
) -> Option<Config> {
    let draft = build::build(path, tree, report);
    let mut config = draft.config;
    let Some(around) = around else {
        return config;
    };
    // A configuration without addresses is shipped before the folders are made.
    if around.sockets && !draft.is_idle {
        file::check_sockets(&draft.sockets, report);
    }
    if let Some(state_dir) = draft.state_dir.filter(|_| around.state && !draft.is_idle) {
        file::check_state_dir(&state_dir, report);
    }
    if let Some(written) = draft.key_file {
        let key_file = file::key_path(&written.value, path, around);
        let keys = if around.keys {
            file::read_keys(&key_file, &written.at, !draft.is_idle, report)
        } else {
            Keys::default()
        };
        config = config.map(|config| Config { keys, key_file, ..config });
    }
    config
}

/// A whole configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file it was read from.
    pub path: PathBuf,
    /// What decisions need.
    pub rules: Rules,
    /// The secret keys. Empty where there are no recruiting addresses yet, or where keys were not
    /// asked for (see [`Surroundings`]).
    pub keys: Keys,
    /// Where the keys are or belong.
    pub key_file: PathBuf,
    /// The milter role.
    pub milter: MilterSettings,
    /// The second and third smtpd.
    pub handoff: HandoffSettings,
    /// The agent.
    pub agent: AgentSettings,
    /// What is logged.
    pub log: LogSettings,
    /// Where is kept what happened to each copy.
    pub ledger: LedgerSettings,
    /// How addresses are verified.
    pub verify: VerifySettings,
    /// Who is told of trouble.
    pub alerts_to: Vec<Address>,
    /// Where the smtpd of ours listens that takes alerts, and asks no milter.
    pub alerts_smtpd: SocketAddr,
    /// Where metrics can be read.
    pub metrics: Option<SocketAddr>,
    /// The folder for the journal and the ledger.
    pub state_dir: PathBuf,
    /// When the journal file is rotated, in octets.
    pub journal_size: u64,
    /// How many rotated journal files are kept.
    pub journal_files: u32,
    /// The language of texts for people: `auto`, `de` or `en`.
    pub language: Choice,
}

impl Config {
    /// Whether there is nothing to do: no recruiting address, and no outgoing mail to look at.
    pub fn is_idle(&self) -> bool {
        self.rules.is_idle() && !self.rules.has_outbound()
    }

    /// Everybody who may be told of trouble: `[alerts] to`, and the owners of addresses.
    pub fn told(&self) -> Vec<&Address> {
        let owners = self.rules.addresses.iter().filter_map(|rule| rule.owner.as_ref());
        let mut all: Vec<&Address> = self.alerts_to.iter().chain(owners).collect();
        all.sort_by_key(|address| address.key());
        all.dedup_by_key(|address| address.key());
        all
    }

    /// The milter's settings as they are in effect: nobody listens for outgoing mail where it is not
    /// looked at.
    pub fn listening(&self) -> MilterSettings {
        let mut settings = self.milter.clone();
        if !self.rules.has_outbound() {
            settings.submission.clear();
        }
        settings
    }
}

/// Where the milter listens and how it behaves there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MilterSettings {
    /// Sockets for pass 1, incoming mail.
    pub front: Vec<Socket>,
    /// Sockets for outgoing mail; see [`Config::listening`].
    pub submission: Vec<Socket>,
    /// Sockets for pass 2, the handoff.
    pub handoff: Vec<Socket>,
    /// Whether mail that is not ours is accepted at DATA.
    pub accept_early: bool,
    /// How long one callback may take before the client is told to try again.
    pub deadline: Duration,
    /// How long messages under way may go on after SIGTERM.
    pub drain: Duration,
    /// How many sessions may be open at a time, each socket kind for itself; more are closed at once.
    pub max_sessions: usize,
}

/// Where the agent listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentSettings {
    /// Its LMTP socket.
    pub socket: Socket,
}

/// The ledger: what happened to each copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerSettings {
    /// Where it is.
    pub database: Database,
    /// The name of the credential with the database's password.
    pub credential: Option<String>,
    /// How addresses of people outside are kept, in the journal as well.
    pub addresses: Masking,
    /// How long entries are kept.
    pub retention: Duration,
    /// This host's name in a ledger that several share; by default the system's.
    pub host: Option<String>,
}

/// A database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Database {
    /// An SQLite file; if relative, in the state folder.
    File(PathBuf),
    /// A PostgreSQL database, by its URL without password.
    Postgres(String),
}

/// How addresses are verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifySettings {
    /// How often a probe is sent to each address; never, if not.
    pub every: Option<Duration>,
    /// How long an address stays verified without new evidence.
    pub stale: Duration,
    /// The server to which probes are submitted.
    pub via: SocketAddr,
    /// Where a probe ends.
    pub probes: Probes,
}

/// A place to listen.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Socket {
    /// `unix:/path`
    Unix(PathBuf),
    /// `inet:port@host`
    Inet(SocketAddr),
}

impl fmt::Display for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Inet(address) => write!(f, "inet:{}@{}", address.port(), address.ip()),
        }
    }
}

/// The hops of ours inside Postfix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandoffSettings {
    /// Where the second smtpd listens (pass 2).
    pub smtpd: SocketAddr,
    /// Where the third smtpd listens, through which mail is given back to local delivery.
    pub return_smtpd: SocketAddr,
    /// Where the DKIM signer listens that sees the copies after pass 2.
    pub signer: Option<Socket>,
}
