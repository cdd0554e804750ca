//! What Postfix must have for recruit-milter to work, line by line and with the reasons.
//!
//! Pure: from a configuration and what a Postfix instance has now. Must not run anything.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;

use super::Error;
use super::alerts::{self, ALERTS};
use super::filters::{self, Filters, NON_SMTPD};
use super::outgoing::{self, FIELDS, Override, ROUTES};
use super::regexp::{self, class, quote};
use super::services::services;
use super::signer;
use super::site::Site;
use super::syntax::{Service, list};
use crate::config::{Config, Socket};
use crate::mail::domain::domain_spellings;
use crate::policy::token::{HANDOFF_LETTERS, UNWRAP_LETTER};

/// The table that lets reports exist behind the handoff.
pub const COMMAND_FILTER: &str = "recruit-milter.regexp";
/// The table that routes handoff addresses.
pub const TRANSPORT: &str = "recruit-milter.transport";
/// The table that keeps our addresses out of the site's address mapping.
pub const VIRTUAL: &str = "recruit-milter.virtual";
/// The files of ours in Postfix's configuration directory.
pub const FILES: [&str; 6] = [COMMAND_FILTER, TRANSPORT, VIRTUAL, ALERTS, ROUTES, FIELDS];

/// The first line of each table.
pub(super) const HEAD: &str =
    "# Written by recruit-milter; remade by \"recruit-milter postfix --apply\".\n";

/// The per-milter settings. Without them a hanging milter would hold a client for five minutes, and
/// `milter_default_action = accept` would let mail pass unseen.
const MILTER_SETTINGS: &str =
    "default_action=tempfail, connect_timeout=5s, command_timeout=30s, content_timeout=60s";

/// A parameter of ours in main.cf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Param {
    /// Its name.
    pub name: &'static str,
    /// Its value, unexpanded.
    pub value: String,
    /// Why it is there.
    pub why: &'static str,
}

/// A service of ours in master.cf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedService {
    /// The entry.
    pub service: Service,
    /// What it is for.
    pub why: &'static str,
    /// The reason of each option, in their order; empty where the one above covers it.
    pub reasons: Vec<&'static str>,
}

/// A file of ours in the configuration directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedFile {
    /// Its name.
    pub name: &'static str,
    /// Its content.
    pub content: String,
}

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

/// The parameters in main.cf that are ours alone.
pub(super) const OWN_PARAMS: [&str; 10] = [
    "recruit_milter_front",
    "recruit_milter_submission",
    "recruit_milter_submissions",
    "recruit_milter_handoff",
    filters::REST_PARAM,
    signer::PARAM,
    "recruit_milter_transports",
    "recruit_milter_aliases",
    "recruit-handoff_destination_recipient_limit",
    "recruit-agent_destination_recipient_limit",
];

/// The site's lists that an element of ours joins, and that element.
pub(super) const LISTS: [(&str, &str); 4] = [
    ("smtpd_milters", "$recruit_milter_front"),
    ("non_smtpd_milters", "$recruit_milter_front"),
    ("transport_maps", "$recruit_milter_transports"),
    ("virtual_alias_maps", "$recruit_milter_aliases"),
];

/// The names of our services that are not `inet`.
pub(super) const OWN_SERVICES: [&str; 5] = [
    "recruit-cleanup",
    "recruit-return-cleanup",
    "recruit-handoff",
    "recruit-agent",
    "recruit-out",
];

/// Whether a service of master.cf is ours.
pub(super) fn is_ours(service: &Service) -> bool {
    OWN_SERVICES.contains(&service.name.as_str())
        || service
            .option("cleanup_service_name")
            .is_some_and(|cleanup| OWN_SERVICES.contains(&cleanup))
}

/// Whether a table, as a setting names it, is one of ours.
pub(super) fn is_our_table(site: &Site, table: &str) -> bool {
    let ours = ["recruit_milter_transports", "recruit_milter_aliases"];
    let file = table.rsplit_once('/').map_or(table, |(_, file)| file);
    FILES.contains(&file)
        || LISTS.iter().any(|(_, element)| is_element(table, element))
        || ours.iter().any(|name| list(site.value(name)).contains(&table))
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

/// How Postfix names a socket. One below the queue directory is named relative to it: that works in
/// a chroot jail and outside.
pub(super) fn endpoint(socket: &Socket, queue_directory: &str) -> String {
    match socket {
        Socket::Inet(address) => format!("inet:{}:{}", host(address), address.port()),
        Socket::Unix(path) => {
            let below = path.strip_prefix(queue_directory).ok();
            let shown = below.filter(|rest| *rest != Path::new("")).unwrap_or(path);
            format!("unix:{}", shown.display())
        }
    }
}

pub(super) fn host(address: &SocketAddr) -> String {
    match address {
        SocketAddr::V4(v4) => v4.ip().to_string(),
        SocketAddr::V6(v6) => format!("[{}]", v6.ip()),
    }
}

pub(super) fn milter(
    sockets: &[Socket],
    which: &'static str,
    site: &Site,
) -> Result<String, Error> {
    let socket = sockets.first().ok_or(Error::NoSocket(which))?;
    with_settings(socket, site)
}

/// A milter with the settings of its own.
pub(super) fn with_settings(socket: &Socket, site: &Site) -> Result<String, Error> {
    let endpoint = safe("a socket", &endpoint(socket, site.value("queue_directory")))?;
    Ok(format!("{{ {endpoint}, {MILTER_SETTINGS} }}"))
}

/// Refuses a value that would mean something else inside a braced list of main.cf.
pub(super) fn safe(what: &'static str, value: &str) -> Result<String, Error> {
    let bad = |c: char| c.is_whitespace() || c.is_control() || "{}$=,#\"".contains(c);
    if value.contains(bad) {
        return Err(Error::Value { what, value: value.to_owned() });
    }
    Ok(value.to_owned())
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
        param(
            filters::REST_PARAM,
            value,
            "the milters of main.cf without ours, where mail passes twice",
        )
    }));
    for (name, element) in LISTS {
        let (value, why) = match name {
            "smtpd_milters" => {
                (outgoing::main_milters(config, site), "after spam filters, before a DKIM signer")
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

/// A list of tables with ours in front.
pub(super) fn in_front(site: &Site, name: &str, ours: &str) -> String {
    let current = site.raw(name);
    if list(current).first().is_some_and(|first| is_element(first, ours)) {
        return current.to_owned();
    }
    let rest = without(current, ours);
    // The default `$virtual_maps` is a name from long ago that is rarely set.
    let rest = match rest.as_str() {
        "$virtual_maps" if !site.main.contains_key("virtual_maps") => "",
        rest => rest,
    };
    let both = [ours, rest];
    let parts: Vec<_> = both.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join(", ")
}

/// A list without the element that is ours.
pub(super) fn without(current: &str, ours: &str) -> String {
    let elements = list(current);
    if !elements.iter().any(|element| is_element(element, ours)) {
        return current.to_owned();
    }
    let others = elements.into_iter().filter(|e| !is_element(e, ours));
    others.collect::<Vec<_>>().join(", ")
}

/// Whether an element is `$name`, in whichever of the three ways Postfix lets it be written.
pub(super) fn is_element(element: &str, ours: &str) -> bool {
    let name = ours.trim_start_matches('$');
    [ours, &format!("${{{name}}}"), &format!("$({name})")].contains(&element)
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

/// How Postfix's lmtp(8) names a socket. It does not run chrooted.
fn lmtp_endpoint(socket: &Socket) -> String {
    match socket {
        Socket::Inet(address) => format!("inet:{}:{}", host(address), address.port()),
        Socket::Unix(path) => format!("unix:{}", path.display()),
    }
}
