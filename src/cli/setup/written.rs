//! The configuration that setup writes: a file of its own in conf.d, so that the shipped one stays as it is.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use super::answers::{Answers, domains_of};
use super::{Exit, Missing, missing};
use crate::config::Config;
use crate::mail::Address;
use crate::mail::domain::same_domain;
use crate::policy::rules::{Pattern, System};
use crate::postfix::{Service, Site};

/// Where the packages' sockets are.
pub(super) const QUEUE: &str = "/var/spool/postfix";

/// Recruiting systems by the domains of their inbound addresses.
const KNOWN: [(&str, &str); 9] = [
    ("m-personio.de", "personio"),
    ("personio.de", "personio"),
    ("softgarden.io", "softgarden"),
    ("rexx-systems.com", "rexx"),
    ("odoo.com", "odoo"),
    ("greenhouse.io", "greenhouse"),
    ("lever.co", "lever"),
    ("workablemail.com", "workable"),
    ("zammad.com", "zammad"),
];

/// What is to be written, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) path: PathBuf,
    /// None if the configuration says all of it already.
    pub(super) text: Option<String>,
}

impl Written {
    /// What is missing in the configuration, for these answers at this site.
    pub(super) fn new(
        answers: Answers,
        main: &Path,
        before: Option<&Config>,
        site: &Site,
    ) -> Result<Self, Missing> {
        let folder = main.parent().unwrap_or(Path::new("")).join("conf.d");
        let Answers::System { inbound, addresses, name, next_hop, domains, alerts } = answers
        else {
            return Ok(Self { path: folder, text: None });
        };
        let named = name.clone();
        let name = name.unwrap_or_else(|| name_of(&inbound));
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || !name.chars().all(is_word) {
            let what = format!("a word for the recruiting system: {name:?} is none");
            return Err(missing(Exit::Usage, what, "--system NAME: letters, digits, - and _"));
        }
        let path = folder.join(format!("{name}.toml"));
        if let Some(config) = before {
            let found = there(config, &inbound, &addresses);
            if found.is_some() || !config.rules.is_idle() {
                let said =
                    Said { name: named, next_hop: &next_hop, domains: &domains, alerts: &alerts };
                said.refused_where_it_differs(config, found, main)?;
            }
            if found.is_some() {
                return Ok(Self { path, text: None });
            }
        }
        let is_taken =
            |config: &Config| config.rules.systems.iter().any(|system| system.id == name);
        if before.is_some_and(is_taken) || path.exists() {
            return Err(missing(
                Exit::Config,
                format!("[system.{name}] is configured already, and differently"),
                format!(
                    "change it by hand, or choose another name with --system; see {}",
                    if path.exists() { path.display() } else { main.display() }
                ),
            ));
        }
        let is_first = before.is_none_or(|config| config.rules.is_idle());
        let mut text = String::from(
            "# Written by \"recruit-milter setup\". It is yours now: recruit-milter.toml(5) says what else can\n\
             # stand here. After a change: recruit-milter check, and reload recruit-milter and its agent.\n\n",
        );
        if is_first {
            of_site(&mut text, site);
        }
        _ = write!(
            text,
            "[system.{name}]\ninbound = {}\naddresses = [{}]\n",
            quoted(inbound.as_str()),
            quoted_all(&addresses)
        );
        if let Some(next_hop) = next_hop {
            _ = writeln!(text, "next_hop = {}", quoted(&next_hop));
        }
        if is_first {
            // What is the default need not be said.
            if !domains.is_empty() && domains != domains_of(&addresses) {
                _ = write!(text, "\n[internal]\ndomains = [{}]\n", quoted_all(&domains));
            }
            if let Some(alerts) = alerts {
                _ = write!(text, "\n[alerts]\nto = [{}]\n", quoted(alerts.as_str()));
            }
            // The default has a hyphen, behind which such a Postfix would see an extension.
            if site.value("recipient_delimiter").contains('-')
                && let Some(domain) = domains_of(&addresses).first()
            {
                let bounces =
                    quoted(&format!("recruitbounces@{}", domain.trim_start_matches("*.")));
                _ = write!(text, "\n[bounces]\naddress = {bounces}\n");
            }
            sockets_and_servers(&mut text, site);
        }
        Ok(Self { path, text: Some(text) })
    }
}

/// The system of which the configuration has these addresses with this inbound address.
fn there<'a>(config: &'a Config, inbound: &Address, addresses: &[String]) -> Option<&'a System> {
    let rules = &config.rules;
    let system = rules.systems.iter().find(|system| system.inbound.key() == inbound.key())?;
    let all = addresses.iter().all(|address| {
        rules.addresses.iter().any(|rule| {
            Pattern::parse(address).is_ok_and(|asked| asked.key() == rule.pattern.key())
                && rules.system(rule).inbound.key() == inbound.key()
        })
    });
    all.then_some(system)
}

/// What flags say beside the addresses.
struct Said<'a> {
    name: Option<String>,
    next_hop: &'a Option<String>,
    domains: &'a [String],
    alerts: &'a Option<Address>,
}

impl Said<'_> {
    /// Refuses what would change what is configured: setup only adds.
    fn refused_where_it_differs(
        &self,
        config: &Config,
        found: Option<&System>,
        main: &Path,
    ) -> Result<(), Missing> {
        let system = |is_other: &dyn Fn(&System) -> bool| found.is_some_and(is_other);
        let is_known = |domain: &String| {
            config.rules.internal_domains.iter().any(|known| same_domain(known, domain))
        };
        let is_told = |to: &Address| config.alerts_to.iter().any(|known| known.key() == to.key());
        let differ = [
            ("--system", system(&|it| self.name.as_ref().is_some_and(|name| *name != it.id))),
            ("--next-hop", system(&|it| self.next_hop.is_some() && *self.next_hop != it.next_hop)),
            ("--domain", !self.domains.iter().all(is_known)),
            ("--alerts", self.alerts.as_ref().is_some_and(|to| !is_told(to))),
        ];
        let Some((flag, _)) = differ.into_iter().find(|(_, differs)| *differs) else {
            return Ok(());
        };
        Err(missing(
            Exit::Usage,
            format!("{flag} differs from what is configured, which setup does not change"),
            format!("change it by hand, in {} or its conf.d", main.display()),
        ))
    }
}

/// A word for a recruiting system: by its domain's maker, or the domain's own.
fn name_of(inbound: &Address) -> String {
    let domain = inbound.domain().to_lowercase();
    let known = KNOWN.iter().find(|(one, _)| {
        domain == *one || domain.strip_suffix(one).is_some_and(|rest| rest.ends_with('.'))
    });
    if let Some((_, name)) = known {
        return (*name).to_owned();
    }
    let labels: Vec<&str> = domain.split('.').collect();
    let label = labels.iter().rev().nth(1).or(labels.first()).copied().unwrap_or_default();
    let word: String = label.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
    if word.is_empty() { "system".into() } else { word }
}

/// Settings that come first in a file.
fn of_site(text: &mut String, site: &Site) {
    let delimiter = site.value("recipient_delimiter");
    if !delimiter.is_empty() && delimiter != "+" {
        _ = write!(
            text,
            "# As in Postfix's main.cf.\nrecipient_delimiter = {}\n\n",
            quoted(delimiter)
        );
    }
}

/// What differs from the defaults in this Postfix.
fn sockets_and_servers(text: &mut String, site: &Site) {
    let queue = site.value("queue_directory");
    if !queue.is_empty() && queue != QUEUE {
        let socket = |name: &str| quoted(&format!("unix:{queue}/recruit-milter/{name}.sock"));
        _ = write!(text, "\n# Below this Postfix's queue folder.\n[milter]\n");
        for name in ["front", "submission", "handoff"] {
            _ = writeln!(text, "{name} = {}", socket(name));
        }
        _ = write!(text, "\n[agent]\nsocket = {}\n", socket("agent"));
    }
    if let Some(via) = server(site) {
        _ = write!(
            text,
            "\n# Where mail from outside comes in.\n[verify]\nvia = {}\n",
            quoted(&via)
        );
    }
}

/// The server that takes mail from outside, where it is not port 25 of the loopback address.
fn server(site: &Site) -> Option<String> {
    let outside = |service: &&Service| {
        let ours =
            service.option("smtpd_milters").is_some_and(|milters| milters.contains("handoff.sock"));
        service.kind == "inet"
            && ["smtpd", "postscreen"]
                .contains(&service.command.split(' ').next().unwrap_or_default())
            && !["submission", "submissions", "smtps", "465", "587"]
                .iter()
                .any(|s| service.name.ends_with(s))
            && !ours
    };
    let service = site.services.iter().find(outside)?;
    let (host, port) = service.name.rsplit_once(':').unwrap_or(("", &service.name));
    let port = if port == "smtp" { "25" } else { port };
    let interfaces = site.value("inet_interfaces");
    let mut addresses = interfaces.split([' ', ',']).filter(|one| one.parse::<IpAddr>().is_ok());
    let host = match host.trim_matches(['[', ']']) {
        "" if interfaces.contains("127.0.0.1") => "127.0.0.1",
        "" => addresses.next().unwrap_or("127.0.0.1"),
        host => host,
    };
    let via = SocketAddr::new(host.parse().ok()?, port.parse().ok()?).to_string();
    (via != "127.0.0.1:25").then_some(via)
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

fn quoted_all(texts: &[String]) -> String {
    texts.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::postfix::Service;

    fn site(values: &[(&str, &str)], services: &[&str]) -> Site {
        let effective = values.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        let services = services.iter().filter_map(|line| Service::parse(line)).collect();
        Site { effective: effective.collect(), services, ..Site::default() }
    }

    fn answers(inbound: &str, addresses: &[&str]) -> Answers {
        Answers::System {
            inbound: Address::parse(inbound).unwrap(),
            addresses: addresses.iter().map(|one| (*one).to_owned()).collect(),
            name: None,
            next_hop: None,
            domains: Vec::new(),
            alerts: None,
        }
    }

    fn config(text: &str) -> Config {
        let main = PathBuf::from("/etc/x/recruit-milter.toml");
        config::parse(&[(main, text.to_owned())]).unwrap().config
    }

    fn written(answers: Answers, before: Option<&Config>, site: &Site) -> Written {
        let main = Path::new("/etc/x/recruit-milter.toml");
        Written::new(answers, main, before, site).map_err(|missing| missing.what).unwrap()
    }

    const THREE: &str = "[system.personio]\ninbound = \"acme-jobs@m-personio.de\"\n\
                         addresses = [\"jobs@acme.example\", \"@karriere.acme.example\"]\n";

    #[test]
    fn an_ordinary_site_gets_three_lines() {
        let site = site(
            &[("queue_directory", QUEUE), ("recipient_delimiter", "+"), ("inet_interfaces", "all")],
            &["smtp inet n - y - - smtpd", "submission inet n - y - - smtpd"],
        );
        let answers =
            answers("acme-jobs@m-personio.de", &["jobs@acme.example", "@karriere.acme.example"]);
        let written = written(answers, None, &site);
        assert_eq!(written.path, Path::new("/etc/x/conf.d/personio.toml"));
        assert!(written.text.unwrap().ends_with(&format!(".\n\n{THREE}")));
    }

    #[test]
    fn what_differs_at_a_site_is_written_and_can_be_read() {
        let site = site(
            &[
                ("queue_directory", "/srv/queue"),
                ("recipient_delimiter", "-"),
                ("inet_interfaces", "192.0.2.7, 192.0.2.8"),
            ],
            &["submission inet n - y - - smtpd", "2525 inet n - y - 1 postscreen"],
        );
        let answers = Answers::System {
            inbound: Address::parse("a@in.ats.example").unwrap(),
            addresses: vec!["jobs@acme.example".into()],
            name: None,
            next_hop: Some("[mx.ats.example]:25".into()),
            domains: vec!["acme.example".into(), "acme.test".into()],
            alerts: Some(Address::parse("hr@acme.example").unwrap()),
        };
        let written = written(answers, Some(&config("")), &site);
        assert_eq!(written.path, Path::new("/etc/x/conf.d/ats.toml"));
        let config = config(&written.text.unwrap());
        assert_eq!(config.verify.via.to_string(), "192.0.2.7:2525");
        assert_eq!(config.rules.delimiters, "-");
        assert_eq!(config.milter.front[0].to_string(), "unix:/srv/queue/recruit-milter/front.sock");
        assert_eq!(config.alerts_to.len(), 1);
        assert_eq!(config.rules.systems[0].next_hop.as_deref(), Some("[mx.ats.example]:25"));
    }

    #[test]
    fn what_is_there_is_not_written_again_and_what_contradicts_it_is_refused() {
        let (site, before) = (site(&[], &[]), config(THREE));
        let again = answers("ACME-jobs@M-Personio.de", &["Jobs@acme.example"]);
        assert_eq!(written(again, Some(&before), &site).text, None);
        let other = answers("other@m-personio.de", &["karriere@acme.example"]);
        let main = Path::new("/etc/x/recruit-milter.toml");
        let refused = Written::new(other, main, Some(&before), &site).map_err(|m| m.what);
        assert_eq!(refused, Err("[system.personio] is configured already, and differently".into()));
        // So are flags that would be dropped.
        let Answers::System { inbound, addresses, .. } =
            answers("acme-jobs@m-personio.de", &["jobs@acme.example"])
        else {
            panic!("a system")
        };
        for (flag, name, next_hop, domain, alerts) in [
            ("--system", Some("other"), None, None, None),
            ("--next-hop", None, Some("[x.example]"), None, None),
            ("--domain", None, None, Some("other.example"), None),
            ("--alerts", None, None, None, Some("hr@acme.example")),
        ] {
            let said = Answers::System {
                inbound: inbound.clone(),
                addresses: addresses.clone(),
                name: name.map(str::to_owned),
                next_hop: next_hop.map(str::to_owned),
                domains: domain.map(str::to_owned).into_iter().collect(),
                alerts: alerts.map(|to| Address::parse(to).unwrap()),
            };
            let refused = Written::new(said, main, Some(&before), &site).map_err(|m| m.what);
            let why = "differs from what is configured, which setup does not change";
            assert_eq!(refused, Err(format!("{flag} {why}")));
        }
        // A name is a file's name, too.
        let Answers::System { inbound, addresses, next_hop, domains, alerts, .. } =
            answers("x@y.example", &["at@acme.example"])
        else {
            panic!("a system")
        };
        let name = Some("../x".to_owned());
        let odd = Answers::System { inbound, addresses, name, next_hop, domains, alerts };
        let refused = Written::new(odd, main, Some(&before), &site).map_err(|m| m.what);
        assert_eq!(refused, Err("a word for the recruiting system: \"../x\" is none".into()));
        // Another system beside it says nothing of the site once more.
        let second = answers("x@y.rexx-systems.com", &["at@acme.example"]);
        let text = written(second, Some(&before), &site).text.unwrap();
        assert!(text.contains("[system.rexx]") && !text.contains("[verify]"), "{text}");
    }
}
