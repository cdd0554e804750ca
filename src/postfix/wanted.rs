//! What Postfix must have for recruit-milter to work, line by line and with the reasons.
//!
//! Pure: from a configuration and what a Postfix instance has now. Must not run anything.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fmt::Write as _;
use std::net::SocketAddr;

use super::alerts;
use super::elements::in_front;
use super::error::Error;
use super::filters::Filters;
use super::milters::main_milters;
use super::names::{
    COMMAND_FILTER, HEAD, LISTS, NON_SMTPD, REST_PARAM, TRANSPORT, VIRTUAL, is_ours,
};
use super::outgoing::{self, Override};
use super::parts::{Param, WantedFile, WantedService, lmtp_endpoint, milter, safe};
use super::regexp::{self, class, quote};
use super::services::services;
use super::signer;
use super::site::Site;
use super::syntax::Service;
use crate::config::Config;
use crate::mail::domain::domain_spellings;
use crate::policy::token::{HANDOFF_LETTERS, UNWRAP_LETTER};

/// All that must be in Postfix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Parameters of main.cf: our own, and the site's lists with ours in them.
    pub params: Vec<Param>,
    /// Services of master.cf.
    pub services: Vec<WantedService>,
    /// Milters of the site's own services.
    pub overrides: Vec<Override>,
    /// Tables.
    pub files: Vec<WantedFile>,
    /// What else could be had.
    pub hints: Vec<&'static str>,
}

impl Wanted {
    /// What an instance must have for a configuration.
    pub fn from(config: &Config, site: &Site) -> Result<Self, Error> {
        let wanted = Self {
            params: params(config, site)?,
            services: services(config, site),
            overrides: outgoing::overrides(config, site),
            files: files(config, site)?,
            hints: signer::hint(config, site).into_iter().collect(),
        };
        let hops = [config.handoff.smtpd, config.handoff.return_smtpd];
        for address in hops.into_iter().chain(alerts::address(config)) {
            if let Some(other) = occupant(site, address) {
                return Err(Error::Taken { key: other.key(), command: other.command.clone() });
            }
        }
        Ok(wanted)
    }

    /// main.cf and master.cf text for an admin to read or paste, each line with its reason.
    pub fn print(&self) -> String {
        let mut out = String::from("# ---- main.cf ----\n");
        for param in &self.params {
            let _ = write!(out, "# {}\n{} = {}\n", param.why, param.name, param.value);
        }
        for hint in &self.hints {
            let _ = writeln!(out, "# ({hint})");
        }
        out.push_str("\n# ---- master.cf ----\n");
        for wanted in &self.services {
            let _ = write!(out, "# {}\n{}\n", wanted.why, wanted.service.head());
            for (why, line) in wanted.reasons.iter().zip(wanted.service.tail()) {
                if !why.is_empty() {
                    let _ = writeln!(out, "  # {why}");
                }
                let _ = writeln!(out, "  {line}");
            }
        }
        out.extend(self.overrides.iter().map(ToString::to_string));
        for file in &self.files {
            let _ = write!(out, "\n# ---- {} ----\n{}", file.name, file.content);
        }
        out
    }
}

fn params(config: &Config, site: &Site) -> Result<Vec<Param>, Error> {
    let param = |name, value, why| Param { name, value, why };
    let mut params = vec![
        param(
            "recruit_milter_front",
            milter(&config.milter.front, "front", site)?,
            "pass 1: the envelope of incoming mail",
        ),
        param(
            "recruit_milter_handoff",
            milter(&config.milter.handoff, "handoff", site)?,
            "pass 2: the copy on its way to the recruiting system",
        ),
        param(
            "recruit_milter_transports",
            transports(config, site)?,
            "handoffs go to our smtpd services, copies to the recruiting system",
        ),
        param(
            "recruit-handoff_destination_recipient_limit",
            "1".into(),
            "one handoff in a transaction",
        ),
        param(
            "recruit_milter_aliases",
            format!("regexp:$config_directory/{VIRTUAL}"),
            "reports on our copies go to pass 2; the site's aliases do not touch handoffs",
        ),
    ];
    params.extend(signer::param(config, site)?);
    if config.rules.unwraps() {
        params.push(param(
            "recruit-agent_destination_recipient_limit",
            "1".into(),
            "one message in a transaction with the agent",
        ));
    }
    let places = Filters::of(config, site).places(config);
    params.extend(places.rest(config, site).map(|value| {
        param(REST_PARAM, value, "the milters of main.cf without ours, where mail passes twice")
    }));
    for (name, element) in LISTS {
        let (value, why) = match name {
            "smtpd_milters" => {
                (main_milters(config, site), "after spam filters, before a DKIM signer")
            }
            NON_SMTPD => match places.non_smtpd(site) {
                Some(param) => param,
                None => continue,
            },
            _ => (
                in_front(site, name, element),
                "ours comes first, so that no catch-all of the site hides it",
            ),
        };
        params.push(param(name, value, why));
    }
    params.extend(outgoing::params(config, site)?);
    Ok(params)
}

fn transports(config: &Config, site: &Site) -> Result<String, Error> {
    let mut value = format!("regexp:$config_directory/{TRANSPORT}");
    let mut entries = Vec::new();
    for system in &config.rules.systems {
        let next_hop = match (&system.next_hop, fixed_next_hop(site)) {
            (Some(next_hop), _) => safe("a next hop", next_hop)?,
            (None, Some(next_hop)) => next_hop.to_owned(),
            // An empty relayhost leaves an empty next hop: the MX of the address.
            (None, None) => "$relayhost".to_owned(),
        };
        let (local, domain) = (system.inbound.local_part(), system.inbound.domain());
        // Copies go to the first; mail of others goes the same way in either spelling.
        for domain in domain_spellings(domain) {
            let inbound = format!("{}@{domain}", local.to_lowercase());
            let inbound = safe("an inbound address", &inbound)?;
            let entry = format!("{{ {inbound} = recruit-out:{next_hop} }}");
            if !entries.contains(&entry) {
                entries.push(entry);
            }
        }
    }
    if !entries.is_empty() {
        let _ = write!(value, ", inline:{{ {} }}", entries.join(", "));
    }
    Ok(value)
}

/// The next hop that `default_transport` names; it counts before relayhost.
fn fixed_next_hop(site: &Site) -> Option<&str> {
    let (_, next_hop) = site.value("default_transport").split_once(':')?;
    (!next_hop.is_empty()).then_some(next_hop)
}

/// A service of somebody else that listens where one of ours shall.
fn occupant(site: &Site, address: SocketAddr) -> Option<&Service> {
    let others = site.services.iter().filter(|service| !is_ours(service));
    others.filter(|service| service.kind == "inet").find(|service| {
        let (host, port) = service.name.rsplit_once(':').unwrap_or(("", &service.name));
        let host = host.trim_start_matches('[').trim_end_matches(']');
        // Without a host Postfix listens on inet_interfaces, which may hold any address.
        let same_host = ["", "localhost"].contains(&host) || host.parse() == Ok(address.ip());
        port.parse() == Ok(address.port()) && same_host
    })
}

fn files(config: &Config, site: &Site) -> Result<Vec<WantedFile>, Error> {
    let quoted = |domain: &str| domain.replace('.', "\\.");
    let handoff = quoted(&config.rules.handoff_domain);
    let back = quoted(&config.rules.return_domain);
    let hops = &config.handoff;
    let hop = |a: &SocketAddr| format!("recruit-handoff:[{}]:{}", a.ip(), a.port());
    let head = HEAD;
    let mut virtual_aliases =
        format!("{head}# Handoffs stay what they are.\n/^(.+@({handoff}|{back}))$/  $1\n");
    if let Some(bounce) = &config.rules.bounce {
        let _ = write!(
            virtual_aliases,
            "# Reports on our copies go to pass 2, with their token.\n\
             /^{}({}[^@]*)?@{}$/  {}$1@{}\n",
            quote(bounce.local_part()),
            class(&config.rules.delimiters),
            regexp::domain(bounce.domain()),
            bounce.local_part(),
            config.rules.handoff_domain
        );
    }
    // Without this line such copies come to pass 2, which lets them go on as they are.
    let agent = if config.rules.unwraps() {
        let socket = safe("a socket", &lmtp_endpoint(&config.agent.socket))?;
        format!(
            "/^{UNWRAP_LETTER}[a-z2-7]{{{HANDOFF_LETTERS}}}@{handoff}$/  recruit-agent:{socket}\n"
        )
    } else {
        String::new()
    };
    let file = |name, content| WantedFile { name, content };
    let ours = vec![
        file(
            COMMAND_FILTER,
            format!(
                "{head}\
                 # Up to here nobody may hear of the handoff; from here on the sender is ours.\n\
                 /^(RCPT[[:space:]]+TO:[[:space:]]*<[^>]*@{handoff}>.*[[:space:]])\
                 NOTIFY=NEVER(.*)$/  ${{1}}NOTIFY=SUCCESS,FAILURE,DELAY${{2}}\n"
            ),
        ),
        file(
            TRANSPORT,
            format!(
                "{head}{agent}/@{handoff}$/  {}\n/@{back}$/  {}\n",
                hop(&hops.smtpd),
                hop(&hops.return_smtpd)
            ),
        ),
        file(VIRTUAL, virtual_aliases),
    ];
    let ours = ours.into_iter().chain(alerts::file(config));
    Ok(ours.chain(outgoing::files(config, site)?).collect())
}
