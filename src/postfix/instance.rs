//! A Postfix instance: its commands, run as an admin would run them.
//!
//! Must not know what its configuration says.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::error::Error;
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
