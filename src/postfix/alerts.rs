//! The smtpd of ours that takes alerts: it asks no milter, so that it is told by mail that one is down,
//! and takes mail for those alone who are told of trouble.
//!
//! Pure. Must not know what alerts say.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fmt::Write as _;
use std::net::SocketAddr;

use super::regexp::quote;
use super::services::{Builder, smtpd};
use super::site::Site;
use super::wanted::{HEAD, WantedFile};
use crate::config::Config;

/// The table of those who are told of trouble.
pub(super) const ALERTS: &str = "recruit-milter.alerts";

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
        let _ = writeln!(content, "/^{}$/  OK", quote(address.as_str()));
    }
    Some(WantedFile { name: ALERTS, content })
}
