//! `doctor`: everything on the way of an application, looked at in one go. Changes nothing.
//!
//! * [`services`]: whether our services in Postfix start. `running`: what else of ours runs.
//! * `sockets`, `state`, `network`: this machine, the state folder, the recruiting system's server.
//!
//! Must not know how what it finds is shown.
// SPDX-License-Identifier: GPL-3.0-or-later

mod network;
mod running;
pub mod services;
mod sockets;
mod state;

use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};

use crate::config::Config;
use crate::findings::{Finding, Id, Severity, id};
use crate::postfix::{self, Instance, Site};
use crate::way;

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mark {
    /// As it should be.
    Ok,
    /// Nobody has tried it.
    NotTested,
    /// Something may not be as it was meant.
    Warning,
    /// Mail is not forwarded, or could be lost.
    Error,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What part of the way it belongs to.
    pub part: &'static str,
    /// What was found there.
    pub found: Found,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// It is as it should be; what is there.
    Sound(String),
    /// Something is wrong.
    Wrong(Finding),
}

impl Line {
    fn ok(part: &'static str, text: impl Into<String>) -> Self {
        Self { part, found: Found::Sound(text.into()) }
    }

    /// A finding whose severity follows from its id.
    fn new(part: &'static str, id: Id, text: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { part, found: Found::Wrong(Finding::new(id, text, remedy)) }
    }

    /// A finding whose id can be more or less bad.
    fn with(
        severity: Severity,
        part: &'static str,
        id: Id,
        text: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { part, found: Found::Wrong(Finding::with(severity, id, text, remedy)) }
    }

    /// How it is.
    pub fn mark(&self) -> Mark {
        self.finding().map_or(Mark::Ok, |finding| match finding.severity {
            Severity::NotTested => Mark::NotTested,
            Severity::Warning => Mark::Warning,
            Severity::Error => Mark::Error,
        })
    }

    /// What is there, and where.
    pub fn text(&self) -> &str {
        match &self.found {
            Found::Sound(text) => text,
            Found::Wrong(finding) => &finding.text,
        }
    }

    /// What is wrong, if anything is.
    pub fn finding(&self) -> Option<&Finding> {
        match &self.found {
            Found::Sound(_) => None,
            Found::Wrong(finding) => Some(finding),
        }
    }
}

impl Serialize for Line {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let finding = self.finding();
        let mut line = serializer.serialize_struct("Line", 5)?;
        line.serialize_field("mark", &self.mark())?;
        line.serialize_field("part", self.part)?;
        line.serialize_field("id", &finding.map(|finding| finding.id))?;
        line.serialize_field("text", self.text())?;
        line.serialize_field("remedy", &finding.map(|finding| finding.remedy.as_str()))?;
        line.end()
    }
}

/// Looks at everything.
pub async fn examine(config: &Config, instance: &Instance) -> Vec<Line> {
    let rules = &config.rules;
    let mut all = vec![Line::ok(
        "Configuration",
        format!("{} addresses, {} recruiting systems", rules.addresses.len(), rules.systems.len()),
    )];
    if config.is_idle() {
        all.push(Line::new(
            "Configuration",
            id::NO_ADDRESSES,
            "no recruiting addresses yet: all mail passes",
            format!("name a [system] with its addresses in {}", config.path.display()),
        ));
        return all;
    }
    all.extend(state::key(config));
    let settings = way::settings(postfix::check(instance, config), config);
    let way = way::look(config, way::Depth::All).await.with(Some(settings));
    all.extend(running::examine(config));
    all.extend(sockets::examine(&way));
    all.extend(examine_postfix(config, instance));
    all.extend(services::examine(config, instance));
    all.extend(network::postfix_takes(config).await);
    all.extend(network::milter_sees(&way));
    all.extend(network::others_may_send(config).await);
    all.extend(network::mx_is_no_colleague(config).await);
    all.extend(network::systems_take(config).await);
    all.push(state::waiting(config, instance));
    all.extend(state::folder(config));
    all.extend(state::ledger(config, &way));
    all
}

/// What runs otherwise than the files say: keys, configuration, program.
pub fn differs(config: &Config) -> Vec<Line> {
    let mut found = running::examine(config);
    found.retain(|line| line.mark() >= Mark::Warning);
    found
}

/// Looks at Postfix's configuration alone.
pub fn examine_postfix(config: &Config, instance: &Instance) -> Vec<Line> {
    const PART: &str = "Postfix";
    let unreadable = |error: postfix::Error| {
        let mut text = error.to_string();
        if let Some(source) = std::error::Error::source(&error) {
            text = format!("{text}: {source}");
        }
        let remedy = match error {
            postfix::Error::Command { .. } => "postfix check",
            postfix::Error::NotInstalled(_) => {
                "install Postfix, or name its folder with --config-dir"
            }
            _ => "run it as root",
        };
        vec![Line::new(PART, id::POSTFIX_UNREADABLE, text, remedy)]
    };
    let site = match Site::read(instance) {
        Ok(site) => site,
        Err(error) => return unreadable(error),
    };
    let found = match postfix::check(instance, config) {
        Ok(found) => found,
        Err(error) => return unreadable(error),
    };
    let advice = postfix::advise(config, &site, instance);
    let found = found.into_iter().chain(advice);
    let mut all: Vec<Line> =
        found.map(|finding| Line { part: PART, found: Found::Wrong(finding) }).collect();
    if all.is_empty() {
        let version = site.value("mail_version");
        all.push(Line::ok(PART, format!("{version}, milters attached, all lines in place")));
    }
    all
}
