//! The smtpd of ours that takes alerts: it asks no milter, so that it is told by mail that one is down,
//! and takes mail for those alone who are told of trouble.
//!
//! Pure. Must not know what alerts say.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fmt::Write as _;
use std::net::SocketAddr;

use super::names::{ALERTS, HEAD};
use super::parts::WantedFile;
use super::regexp::{domain, quote};
use super::service::{Builder, smtpd};
use super::site::Site;
use crate::config::Config;

/// Where it listens. Nobody listens for nobody.
pub(super) fn address(config: &Config) -> Option<SocketAddr> {
    (!config.told().is_empty()).then_some(config.alerts_smtpd)
}

/// The service.
pub(super) fn service(config: &Config, site: &Site) -> Option<Builder> {
    let service = smtpd(address(config)?, site, "fourth smtpd: takes alerts, and asks no milter")
        .milters(("", "an alert comes through while the milter is down"))
        .option("syslog_name", "postfix/alert", "")
        .option("smtpd_command_filter", "", "")
        .option("cleanup_service_name", "recruit-return-cleanup", "")
        .option(
            "receive_override_options",
            "no_milters,no_header_body_checks",
            "address mapping stays on: somebody who is told may be an alias",
        )
        .instead(
            "smtpd_recipient_restrictions",
            &format!("check_recipient_access,regexp:$config_directory/{ALERTS},reject"),
            "for those alone who are told of trouble",
        )
        .instead(
            "smtpd_reject_unlisted_recipient",
            "yes",
            "an address that is not there is noticed",
        );
    Some(service)
}

/// The table.
pub(super) fn file(config: &Config) -> Option<WantedFile> {
    address(config)?;
    let mut content = format!("{HEAD}# Those who are told of trouble: [alerts] to, and owners.\n");
    for address in config.told() {
        let (local, domain) = (quote(address.local_part()), domain(address.domain()));
        let _ = writeln!(content, "/^{local}@{domain}$/  OK");
    }
    Some(WantedFile { name: ALERTS, content })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_told_is_in_the_table_however_the_domain_is_spelt() {
        let text = "[system.x]\ninbound = \"in@ats.example\"\naddresses = [\"jobs@acme.example\"]\n\
                    [alerts]\nto = [\"admin@büro.example\", \"a.b@acme.example\"]\n";
        let parsed = crate::config::parse(&[("recruit-milter.toml".into(), text.to_owned())]);
        let content = file(&parsed.unwrap().config).unwrap().content;
        let lines: Vec<&str> = content.lines().filter(|line| line.starts_with('/')).collect();
        assert_eq!(
            lines,
            [r"/^a\.b@acme\.example$/  OK", r"/^admin@(xn--bro-hoa\.example|büro\.example)$/  OK"]
        );
    }
}
