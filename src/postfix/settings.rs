//! What Postfix's settings and tables do to our mail, beyond the lines that we need there: whatever else
//! mail is not delivered well by.
// SPDX-License-Identifier: GPL-3.0-or-later

use super::instance::Instance;
use super::site::Site;
use crate::config::Config;
use crate::findings::{Finding, id};
use crate::mail::Address;
use crate::mail::domain::{address_key, domain_key, domain_spellings, same_domain};

/// What applicants send: a CV and certificates, in base64.
const USUAL_SIZE: u64 = 20 << 20;

/// Examines an instance.
pub fn examine(config: &Config, site: &Site, instance: &Instance) -> Vec<Finding> {
    let mut all = Vec::new();
    delivery(&mut all, site);
    sizes(&mut all, site);
    reports(&mut all, site);
    rewriting(&mut all, config, site, instance);
    relaying(&mut all, config, site);
    all
}

/// Settings that keep mail from being delivered, or from failing.
fn delivery(all: &mut Vec<Finding>, site: &Site) {
    for name in ["recruit-handoff", "recruit-out", "recruit-return", "smtp"] {
        if words(site.value("defer_transports")).any(|word| word == name) {
            all.push(Finding::new(
                id::TRANSPORT_DEFERRED,
                format!("defer_transports has \"{name}\": copies wait and are not even tried"),
                "postconf -X defer_transports",
            ));
        }
    }
    if site.value("soft_bounce") == "yes" {
        all.push(Finding::new(
            id::SOFT_BOUNCE,
            "soft_bounce = yes: what the recruiting system refuses waits instead of failing",
            "postconf -X soft_bounce",
        ));
    }
    if site.value("smtp_tls_security_level").is_empty()
        && site.value("smtp_use_tls") != "yes"
        && site.value("smtp_enforce_tls") != "yes"
    {
        all.push(Finding::new(
            id::NO_TLS,
            "smtp_tls_security_level is not set: applications leave without encryption",
            "postconf -e smtp_tls_security_level=may",
        ));
    }
    if site.value("milter_default_action") == "quarantine" {
        all.push(Finding::new(id::QUARANTINE,
            "milter_default_action = quarantine: mail lies in the hold queue while a milter is down",
            "postconf -e milter_default_action=tempfail",
        ));
    }
}

fn sizes(all: &mut Vec<Finding>, site: &Site) {
    let number = |name: &str| site.value(name).parse::<u64>().ok();
    let Some(message) = number("message_size_limit").filter(|limit| *limit > 0) else { return };
    if message < USUAL_SIZE {
        all.push(Finding::new(
            id::SMALL_MESSAGES,
            format!(
                "message_size_limit is {message}: attachments over {} MB are refused",
                message * 3 / 4 / 1_000_000
            ),
            "postconf -e message_size_limit=26214400 (if the recruiting system takes as much)",
        ));
    }
    for name in ["mailbox_size_limit", "virtual_mailbox_limit"] {
        if let Some(limit) = number(name).filter(|limit| (1..message).contains(limit)) {
            all.push(Finding::new(
                id::SMALL_MAILBOXES,
                format!("{name} is {limit}, less than message_size_limit: nothing is delivered"),
                format!("postconf -e {name}=0"),
            ));
        }
    }
}

fn reports(all: &mut Vec<Finding>, site: &Site) {
    if matches!(site.value("delay_warning_time"), "0" | "0h" | "0s" | "") {
        all.push(Finding::new(
            id::NO_DELAY_WARNING,
            "delay_warning_time is 0: of copies that wait nobody hears before they fail",
            "postconf -e delay_warning_time=1h",
        ));
    }
    if site.value("disable_dns_lookups") == "yes" && site.value("relayhost").is_empty() {
        all.push(Finding::new(
            id::NO_DNS,
            "disable_dns_lookups = yes: the recruiting system's MX is not looked up",
            "postconf -X disable_dns_lookups",
        ));
    }
    for name in ["bounce", "trace", "defer"] {
        let service = format!("{name}/unix");
        if site.service(&service).is_none() {
            all.push(Finding::new(
                id::NO_REPORTS,
                format!("service {service} is missing in master.cf: nobody hears what failed"),
                "put Postfix's own line for it back into master.cf",
            ));
        }
    }
    if words(site.value("smtpd_discard_ehlo_keywords")).any(|word| word.eq_ignore_ascii_case("dsn"))
    {
        all.push(Finding::new(
            id::DSN_HIDDEN,
            "smtpd_discard_ehlo_keywords has \"dsn\": senders cannot ask for reports",
            "postconf -X smtpd_discard_ehlo_keywords",
        ));
    }
}

/// Tables that change the addresses that our mail needs.
fn rewriting(all: &mut Vec<Finding>, config: &Config, site: &Site, instance: &Instance) {
    let rules = &config.rules;
    let inbounds = rules.systems.iter().map(|system| (&system.inbound, "the inbound address"));
    let bounce = rules.bounce.iter().map(|bounce| (bounce, "the bounce address"));
    let all_addresses: Vec<(&Address, &str)> = inbounds.chain(bounce).collect();
    for name in [
        "canonical_maps",
        "recipient_canonical_maps",
        "sender_canonical_maps",
        "smtp_generic_maps",
        "relocated_maps",
    ] {
        for table in words(site.value(name)) {
            for (address, what) in &all_addresses {
                let keys = domain_spellings(address.domain()).into_iter().flat_map(|domain| {
                    [format!("{}@{domain}", address.local_part()), format!("@{domain}")]
                });
                let keys: Vec<String> = keys.collect();
                let answer = keys.iter().find_map(|key| {
                    let answer = instance.query(table, key).ok()??;
                    Some(answer.trim().to_owned()).filter(|answer| !answer.is_empty())
                });
                if let Some(answer) = answer.filter(|answer| address_key(answer) != address.key()) {
                    all.push(Finding::new(
                        id::ADDRESS_REWRITTEN,
                        format!("{name}: \"{table}\" turns {what} {address} into \"{answer}\""),
                        format!("take {address} out of \"{table}\""),
                    ));
                }
            }
        }
    }
    let masquerade = words(site.value("masquerade_domains")).any(|domain| {
        let domain = domain.trim_start_matches('!');
        let below = format!(".{}", domain_key(domain));
        rules.systems.iter().any(|s| domain_key(s.inbound.domain()).ends_with(&below))
    });
    let classes = site.value("masquerade_classes");
    if masquerade && classes.contains("envelope_recipient") {
        all.push(Finding::new(
            id::MASQUERADED,
            "masquerade_domains changes the domain of an inbound address",
            "take envelope_recipient out of masquerade_classes",
        ));
    }
}

/// Whom else Postfix lets send to the recruiting system.
fn relaying(all: &mut Vec<Finding>, config: &Config, site: &Site) {
    let rules = &config.rules;
    let relay = site.value("relay_domains");
    for system in &rules.systems {
        let domain = system.inbound.domain();
        if words(relay).any(|word| same_domain(word, domain)) {
            all.push(Finding::new(id::RELAYS_FOR_SYSTEM,
                format!("relay_domains has {domain}: strangers may send to the recruiting system through this server"),
                format!("take {domain} out of relay_domains"),
            ));
        }
    }
}

fn words(value: &str) -> impl Iterator<Item = &str> {
    value.split([',', ' ', '\t', '\n']).filter(|word| !word.is_empty())
}
