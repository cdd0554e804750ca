//! `doctor`: everything on the way of an application, looked at in one go. Changes nothing.
//!
//! * [`tables`]: what Postfix's tables and settings do to our mail, beyond [`mod@crate::postfix::check`].
//! * `ways`: the tables by which mail passes the milter by.
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
pub mod tables;
mod ways;

use serde::Serialize;

use crate::config::Config;
use crate::postfix::{self, Instance, Severity, Site};
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How it is.
    pub mark: Mark,
    /// What part of the way it belongs to.
    pub part: &'static str,
    /// Its stable name, where something is wrong.
    pub id: Option<&'static str>,
    /// What is there, and where.
    pub text: String,
    /// What to do.
    pub remedy: Option<String>,
}

impl Finding {
    fn ok(part: &'static str, text: impl Into<String>) -> Self {
        Self { mark: Mark::Ok, part, id: None, text: text.into(), remedy: None }
    }

    fn bad(
        mark: Mark,
        part: &'static str,
        id: &'static str,
        text: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { mark, part, id: Some(id), text: text.into(), remedy: Some(remedy.into()) }
    }
}

/// Looks at everything.
pub async fn examine(config: &Config, instance: &Instance) -> Vec<Finding> {
    let rules = &config.rules;
    let mut all = vec![Finding::ok(
        "Configuration",
        format!("{} addresses, {} recruiting systems", rules.addresses.len(), rules.systems.len()),
    )];
    if config.is_idle() {
        all.push(Finding::bad(
            Mark::Warning,
            "Configuration",
            "RM-DOCTOR-01",
            "no recruiting addresses yet: all mail passes",
            format!("name a [system] with its addresses in {}", config.path.display()),
        ));
        return all;
    }
    all.extend(state::key(config));
    let settings = way::settings(standing(config, instance), config);
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
pub fn differs(config: &Config) -> Vec<Finding> {
    let mut found = running::examine(config);
    found.retain(|finding| finding.mark >= Mark::Warning);
    found
}

/// What `postfix --check` says: all that is wrong in Postfix's configuration.
pub fn standing(
    config: &Config,
    instance: &Instance,
) -> Result<Vec<postfix::Finding>, postfix::Error> {
    let mut findings = postfix::check(instance, config)?;
    findings.extend(doubling(config, instance));
    Ok(findings)
}

/// Ways by which mail would reach the recruiting system a second time: `postfix --check` promises that
/// there are none.
pub fn doubling(config: &Config, instance: &Instance) -> Vec<postfix::Finding> {
    let Ok(site) = Site::read(instance) else { return Vec::new() };
    let mut found = ways::examine(config, &site, instance);
    let doubles = ["RM-DOCTOR-50", "RM-DOCTOR-53", "RM-DOCTOR-71"];
    found.retain(|finding| finding.id.is_some_and(|id| doubles.contains(&id)));
    let told = |finding: Finding| {
        Some(postfix::Finding {
            id: finding.id?,
            severity: Severity::Error,
            text: finding.text,
            remedy: finding.remedy.unwrap_or_default(),
        })
    };
    found.into_iter().filter_map(told).collect()
}

/// Looks at Postfix's configuration alone.
pub fn examine_postfix(config: &Config, instance: &Instance) -> Vec<Finding> {
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
        vec![Finding::bad(Mark::Error, PART, "RM-DOCTOR-10", text, remedy)]
    };
    let site = match Site::read(instance) {
        Ok(site) => site,
        Err(error) => return unreadable(error),
    };
    let found = match postfix::check(instance, config) {
        Ok(found) => found,
        Err(error) => return unreadable(error),
    };
    let mark = |severity| match severity {
        Severity::Error => Mark::Error,
        Severity::Warning => Mark::Warning,
    };
    let mut all: Vec<Finding> = found
        .into_iter()
        .map(|f| Finding::bad(mark(f.severity), PART, f.id, f.text, f.remedy))
        .collect();
    all.extend(tables::examine(config, &site, instance));
    if all.is_empty() {
        let version = site.value("mail_version");
        all.push(Finding::ok(PART, format!("{version}, milters attached, all lines in place")));
    }
    all
}
