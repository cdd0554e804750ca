//! What a Postfix instance has: its parameters, its services, and how it is asked.
//!
//! Must not know what recruit-milter wants there.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::Error;
use super::filters::Looked;
use super::filters_read;
use super::syntax::{self, Service};
use super::terminal::Terminal;

/// A Postfix instance, by its configuration directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    config_dir: Option<PathBuf>,
}

impl Instance {
    /// The system's own Postfix.
    pub fn system() -> Self {
        Self { config_dir: None }
    }

    /// The instance with this configuration directory.
    pub fn at(config_dir: impl Into<PathBuf>) -> Self {
        Self { config_dir: Some(config_dir.into()) }
    }

    /// All instances of this host (`multi_instance_directories`), the system's own first. It alone where
    /// nobody can say, as before Postfix is configured.
    pub fn all() -> Vec<Self> {
        let listed = Self::system().run("postmulti", &["-l"]).unwrap_or_default();
        let others = listed.lines().skip(1).filter_map(|line| line.split_whitespace().nth(3));
        std::iter::once(Self::system()).chain(others.map(Self::at)).collect()
    }

    /// The configuration directory, if it was named.
    pub fn config_dir(&self) -> Option<&Path> {
        self.config_dir.as_deref()
    }

    /// Runs one of Postfix's commands and returns what it printed.
    pub fn run(&self, program: &'static str, arguments: &[&str]) -> Result<String, Error> {
        let output = self.output(program, arguments)?;
        if output.status.success() {
            return Ok(text(&output.stdout));
        }
        Err(failed(program, arguments, &output))
    }

    /// What a table has for a key, if it has anything. A table that cannot be asked is an error.
    pub fn query(&self, table: &str, key: &str) -> Result<Option<String>, Error> {
        // The table itself, without Postfix's server between, which may not run.
        let itself = table.strip_prefix("proxy:").unwrap_or(table);
        let arguments = ["-q", key, itself];
        let output = self.output("postmap", &arguments)?;
        // Postfix: postmap(1) ends with 1 where there is no entry, and where it fails.
        match output.status.code() {
            Some(0) => Ok(Some(text(&output.stdout).trim_end().to_owned())),
            Some(1) if !text(&output.stderr).contains("fatal: ") => Ok(None),
            _ => Err(failed("postmap", &arguments, &output)),
        }
    }

    fn output(&self, program: &'static str, arguments: &[&str]) -> Result<Output, Error> {
        let mut command = Command::new(find(program)?);
        if let Some(dir) = &self.config_dir {
            command.arg("-c").arg(dir);
        }
        command.args(arguments).env("LC_ALL", "C");
        // Postfix: what postfix(1) and its script say goes to the log alone where their standard error
        // is no terminal; its other commands say it in any case.
        let output = match Terminal::open().filter(|_| program == "postfix") {
            Some(terminal) => terminal.output(command),
            None => command.output(),
        };
        output.map_err(|source| Error::Run { program, source })
    }

    /// Makes a running Postfix take its configuration anew. False if it does not run.
    pub fn reload(&self) -> Result<bool, Error> {
        // Without its folder postfix(1) would mean all instances of a host (multi_instance_directories),
        // and one that is stopped would make it say that none runs.
        let folder = match &self.config_dir {
            Some(folder) => folder.clone(),
            None => PathBuf::from(self.run("postconf", &["-h", "config_directory"])?.trim()),
        };
        let only = Self::at(folder);
        match only.run("postfix", &["status"]) {
            // Its status is the same when it cannot say.
            Err(Error::Command { said, .. })
                if said.lines().any(|line| line.ends_with(STOPPED)) =>
            {
                Ok(false)
            }
            Err(error) => Err(error),
            Ok(_) => only.run("postfix", &["reload"]).map(|_| true),
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A command that failed, in its own words.
fn failed(program: &str, arguments: &[&str], output: &Output) -> Error {
    let said = [text(&output.stderr), text(&output.stdout)];
    let said = said.iter().map(|words| words.trim()).find(|words| !words.is_empty());
    Error::Command {
        command: format!("{program} {}", arguments.join(" ")),
        said: said.map_or_else(|| output.status.to_string(), str::to_owned),
    }
}

/// What postfix-script says of a Postfix that does not run.
const STOPPED: &str = "the Postfix mail system is not running";

/// Finds a program in `PATH`, or where Postfix's programs are when a user's `PATH` leaves them out.
fn find(program: &'static str) -> Result<PathBuf, Error> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from))
        .map(|dir| dir.join(program))
        .find(|file| file.is_file())
        .ok_or(Error::NotInstalled(program))
}

/// The configuration of a Postfix instance at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Site {
    /// The configuration directory.
    pub config_dir: PathBuf,
    /// What main.cf says, unexpanded.
    pub main: BTreeMap<String, String>,
    /// Built-in defaults, unexpanded. A parameter that is not here is not known to this version.
    pub defaults: BTreeMap<String, String>,
    /// The effective values, expanded.
    pub effective: BTreeMap<String, String>,
    /// The services of master.cf.
    pub services: Vec<Service>,
    /// The types of look-up tables that are supported.
    pub table_types: BTreeSet<String>,
    /// Files of ours in the configuration directory, with their content.
    pub files: BTreeMap<String, String>,
    /// What is known of content filters.
    pub filters: Looked,
}

/// A Postfix version, as far as it matters.
pub type Version = (u32, u32);

impl Site {
    /// Reads an instance's configuration.
    pub fn read(instance: &Instance) -> Result<Self, Error> {
        let postconf = |arguments: &[&str]| instance.run("postconf", arguments);
        let effective = syntax::settings(&postconf(&["-x"])?);
        let config_dir = match instance.config_dir() {
            Some(dir) => dir.to_owned(),
            None => PathBuf::from(effective.get("config_directory").map_or("", |v| v)),
        };
        let path = config_dir.join("main.cf");
        let main = std::fs::read_to_string(&path).map_err(|source| Error::File { path, source })?;
        let files = super::wanted::FILES
            .iter()
            .filter_map(|name| {
                let content = std::fs::read_to_string(config_dir.join(name)).ok()?;
                Some(((*name).to_owned(), content))
            })
            .collect();
        let mut site = Self {
            main: syntax::main_cf(&main),
            defaults: syntax::settings(&postconf(&["-d"])?),
            effective,
            services: syntax::master_cf(&postconf(&["-M"])?),
            table_types: postconf(&["-m"])?.lines().map(str::to_owned).collect(),
            files,
            filters: Looked::default(),
            config_dir,
        };
        site.filters = filters_read::look(&site);
        Ok(site)
    }

    /// The effective, expanded value of a parameter; empty if there is none.
    pub fn value(&self, name: &str) -> &str {
        self.effective.get(name).map_or("", String::as_str)
    }

    /// The unexpanded value of a parameter: main.cf's, else the default.
    pub fn raw(&self, name: &str) -> &str {
        let raw = self.main.get(name).or_else(|| self.defaults.get(name));
        raw.map_or("", String::as_str)
    }

    /// Whether this version has the parameter.
    pub fn knows(&self, name: &str) -> bool {
        self.defaults.contains_key(name)
    }

    /// Major and minor number of the version.
    pub fn version(&self) -> Version {
        let text = self.value("mail_version");
        let mut numbers = text.split(['.', '-']).map(|number| number.parse().unwrap_or(0));
        (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
    }

    /// A service by its `name/type`.
    pub fn service(&self, key: &str) -> Option<&Service> {
        self.services.iter().find(|service| service.key() == key)
    }
}
