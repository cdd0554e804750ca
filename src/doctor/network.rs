//! Asks those that must take our mail: Postfix itself, and the recruiting system's server.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::net::IpAddr;

use jiff::Timestamp;

use super::Line;
use crate::agent::verify::outside;
use crate::agent::verify::outside::hello;
use crate::agent::verify::probe::{Asked, ask_inbound, new};
use crate::config::Config;
use crate::findings::{Severity, id};
use crate::journal::Action;
use crate::mail::Address;
use crate::policy::rules::Pattern;
use crate::resolve::{self, Server, servers};
use crate::submit;
use crate::submit::callout::{Answer, ask};
use crate::way::{Place, Spot, State, Way};

/// Whether Postfix takes mail for the recruiting addresses and for the bounce address.
pub(super) async fn postfix_takes(config: &Config) -> Vec<Line> {
    const PART: &str = "Recipients";
    let exact = config.rules.addresses.iter().filter_map(|rule| match &rule.pattern {
        Pattern::Exact(address) => Some((address, "recruiting address")),
        _ => None,
    });
    let bounce = config.rules.bounce.iter().map(|bounce| (bounce, "bounce address"));
    let mut all = Vec::new();
    let mut taken = 0;
    for (address, what) in exact.chain(bounce) {
        match one(config, address).await {
            Ok(Answer::Yes(_)) => taken += 1,
            Ok(Answer::No(said) | Answer::Later(said)) => all.push(Line::new(
                PART,
                id::ADDRESS_REFUSED,
                format!("Postfix does not take mail for the {what} {address}: {said}"),
                if what == "bounce address" {
                    "recruit-milter postfix --apply".to_owned()
                } else {
                    format!("give {address} a mailbox or an alias in Postfix")
                },
            )),
            Err(error) => {
                all.push(Line::new(
                    PART, id::POSTFIX_SILENT,
                    format!("no answer at {}: {}", config.verify.via, submit::words(&error)),
                    "postfix status; [verify] via must name the server that takes mail from outside",
                ));
                return all;
            }
        }
    }
    if all.is_empty() {
        all.push(Line::ok(PART, format!("Postfix takes mail for {taken} addresses")));
    }
    all
}

/// Whether Postfix takes mail for the recruiting addresses from outside, by an address of this machine
/// that is outside for it.
pub(super) async fn others_may_send(config: &Config) -> Vec<Line> {
    const PART: &str = "Outside";
    let not_shown = |text: String| {
        let remedy = "send a mail to each address from elsewhere (a mailbox at another provider)";
        vec![Line::new(PART, id::OUTSIDE_NOT_SHOWN, text, remedy)]
    };
    let Some(source) = outside::outsider(config).await else {
        let why = if crate::own::addresses().is_some() {
            "no address of this machine is outside for it"
        } else {
            "the addresses of this machine cannot be read (/proc/self/net)"
        };
        let via = config.verify.via;
        return not_shown(format!("that {via} takes mail from outside is not shown: {why}"));
    };
    let mut all = Vec::new();
    let mut taken = 0;
    for rule in &config.rules.addresses {
        let Pattern::Exact(address) = &rule.pattern else { continue };
        match outside::answer(config, source, address).await {
            Some(Answer::Yes(_)) => taken += 1,
            Some(Answer::No(said) | Answer::Later(said)) if outside::is_denial(&said) => {
                all.push(Line::new(
                    PART,
                    id::DENIED_OUTSIDE,
                    format!("Postfix takes no mail for {address} from outside ({source}): {said}"),
                    format!(
                        "correct the address, or add {} to mydestination, virtual_mailbox_domains, \
                         virtual_alias_domains or relay_domains",
                        address.domain()
                    ),
                ));
            }
            // What else is said may be about this client alone; what is said to others stands above.
            Some(Answer::No(said) | Answer::Later(said)) => {
                let text = format!("{address}, from {source}: not shown: {said}");
                all.extend(not_shown(text));
            }
            None => all.extend(not_shown(format!("{address}, from {source}: no answer"))),
        }
    }
    if all.is_empty() {
        let text =
            format!("Postfix takes mail for {taken} addresses from outside (asked from {source})");
        all.push(Line::ok(PART, text));
    }
    all
}

async fn one(config: &Config, address: &Address) -> Result<Answer, submit::Error> {
    let via = config.verify.via;
    ask(via, &hello(config), &via.ip().to_string(), address).await
}

/// Whether the milter sees what Postfix takes, and our own smtpds take handoffs.
pub(super) fn milter_sees(way: &Way) -> Vec<Line> {
    let finding = |spot: &Spot| {
        let id = match (&spot.place, &spot.state) {
            (Place::Entrance(_), State::Unseen) => id::ENTRANCE_UNSEEN,
            (Place::Hop(_), _) => id::HOP_FAILS,
            // What else can be wrong is told by others, with what belongs to it.
            _ => return None,
        };
        Some(Line::new("Passing", id, spot.english(), spot.remedy()))
    };
    let mut all: Vec<Line> = way.troubles().filter_map(finding).collect();
    let is_open = |spot: &&Spot| spot.state == State::Open;
    let entrance = |spot: &&Spot| matches!(spot.place, Place::Entrance(_));
    if let Some(spot) = way.spots().iter().filter(is_open).find(entrance)
        && all.is_empty()
    {
        let text = format!("what comes in at {} passes the milter", spot.place);
        all.push(Line::ok("Passing", text));
    }
    all
}

/// Whether a server that takes mail from outside for a recruiting address, and hands it on to this one,
/// is in a network of colleagues. Where DNS does not answer nothing is said.
pub(super) async fn mx_is_no_colleague(config: &Config) -> Vec<Line> {
    let mut domains: Vec<&str> = Vec::new();
    if !config.rules.internal_networks.is_empty() {
        domains.extend(config.rules.addresses.iter().map(|rule| rule.pattern.domain()));
        domains.sort_unstable();
        domains.dedup();
    }
    let mut all = Vec::new();
    if domains.is_empty() {
        return all;
    }
    let Some(own) = crate::own::addresses() else {
        let text = "whether an MX is in [internal] networks is not shown: the addresses of this machine \
                    cannot be read (/proc/self/net)";
        all.push(Line::with(
            Severity::NotTested,
            "Colleagues",
            id::NETWORK_HAS_MX,
            text,
            "run it as root",
        ));
        return all;
    };
    for domain in domains {
        match servers(domain).await {
            Ok(found) => all.extend(inside(config, &own, domain, &found)),
            // It will not answer for the others either.
            Err(resolve::Error::Dns(_)) => break,
            Err(_) => {}
        }
    }
    all
}

fn inside(config: &Config, own: &[IpAddr], domain: &str, found: &[Server]) -> Option<Line> {
    let rules = &config.rules;
    let ip = |server: &Server| server.address.ip();
    // What comes to this machine itself comes with the addresses of those who send it.
    let others =
        found.iter().filter(|server| !own.contains(&ip(server)) && !ip(server).is_loopback());
    let server = others.into_iter().find(|server| rules.is_internal_client(ip(server)))?;
    let (host, ip) = (&server.host, ip(server));
    Some(Line::with(
        Severity::Error,
        "Colleagues",
        id::NETWORK_HAS_MX,
        format!(
            "[internal] networks has {ip} in it: {host} takes the mail of {domain} from outside and hands \
             it on, and a stranger would pass for a colleague"
        ),
        format!("name networks that leave {ip} out"),
    ))
}

/// Whether each recruiting system's server takes mail for its inbound address.
pub(super) async fn systems_take(config: &Config) -> Vec<Line> {
    const PART: &str = "System";
    let mut all = Vec::new();
    for system in &config.rules.systems {
        let inbound = &system.inbound;
        let Some(probe) = new(inbound, Timestamp::now()) else { return all };
        all.push(match ask_inbound(config, system, probe, inbound).await {
            Asked::Settled(entry) => {
                let host = entry.next_hop.clone().unwrap_or_default();
                let said = entry.reply.clone().unwrap_or_default();
                let text = format!("{}: {inbound} at {host}: {said}", system.id);
                if entry.action == Action::InboundAccepted {
                    Line::ok(PART, text)
                } else {
                    let remedy = format!(
                        "compare [system.{}] inbound with the address that the recruiting system shows",
                        system.id
                    );
                    Line::new(PART, id::INBOUND_REFUSED, text, remedy)
                }
            }
            Asked::Later(said) => Line::new(
                PART, id::INBOUND_LATER,
                format!("{}: {inbound}: not now: {said}", system.id),
                "where Postfix sends by a relay (relayhost) this says nothing; else see that this host \
                 may connect to port 25 of that server, and try again",
            ),
        });
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_mx_that_is_another_machine_is_no_colleague() {
        let text = "[system.x]\ninbound = \"in@ats.example\"\naddresses = [\"jobs@acme.example\"]\n\
                    [internal]\nnetworks = [\"10.0.0.0/8\"]\n";
        let parsed = crate::config::parse(&[("recruit-milter.toml".into(), text.to_owned())]);
        let config = parsed.unwrap().config;
        let server = |ip: &str| Server {
            host: "mx.acme.example".into(),
            address: std::net::SocketAddr::new(ip.parse().unwrap(), 25),
        };
        let own = ["10.0.0.5".parse().unwrap()];
        let found = |ips: &[&str]| {
            let servers: Vec<_> = ips.iter().map(|ip| server(ip)).collect();
            inside(&config, &own, "acme.example", &servers).map(|line| line.text().to_owned())
        };
        assert_eq!(found(&["198.51.100.7"]), None);
        assert_eq!(found(&["10.0.0.5"]), None, "this machine itself");
        let said = found(&["198.51.100.7", "10.0.0.2"]).unwrap();
        assert!(said.starts_with("[internal] networks has 10.0.0.2 in it: mx.acme.example takes"));
    }
}
