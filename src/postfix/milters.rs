//! Lists of milters: who is a signer and stands last, which services take outgoing mail, and how ours come
//! into a list and out of it.
//!
//! Pure. Must not know content filters.
// SPDX-License-Identifier: GPL-3.0-or-later

use super::elements::{exchanged, is_element, parameter, without};
use super::names::{FRONT, MILTERS, REST, SUBMISSION, SUBMISSIONS, is_ours};
use super::site::Site;
use super::syntax::{Service, list};
use crate::config::Config;

/// Whether a milter signs what it sees, so that it belongs behind us.
pub(super) fn is_signer(milter: &str) -> bool {
    // OpenDKIM and dkim-milter by their usual names and ports (Debian, Red Hat, Arch).
    let milter = milter.to_lowercase();
    ["dkim", ":8891", ":12301"].iter().any(|mark| milter.contains(mark))
}

/// A list of milters with ours in it: last, but before signers at its end.
pub(super) fn with_milter(current: &str, ours: &str) -> String {
    let mut milters = list(current);
    if milters.iter().any(|milter| is_element(milter, ours)) {
        return current.to_owned();
    }
    let signers = milters.iter().rev().take_while(|m| is_signer(m)).count();
    milters.insert(milters.len() - signers, ours);
    milters.join(", ")
}

/// Whether logins hand in mail at a service: by what it says, or by its name.
pub(super) fn is_submission(service: &Service) -> bool {
    if service.command != "smtpd" || service.kind != "inet" || is_ours(service) {
        return false;
    }
    let (_, port) = service.name.rsplit_once(':').unwrap_or(("", &service.name));
    let login = service.option("smtpd_sasl_auth_enable");
    // What Debian's master.cf calls a submission service, wherever it listens.
    let originating = service.option("milter_macro_daemon_name") == Some("ORIGINATING");
    login.is_some_and(|value| value.eq_ignore_ascii_case("yes"))
        || ["submission", "submissions", "smtps", "587", "465"].contains(&port)
        || originating
}

/// Whether one smtpd takes the site's incoming and outgoing mail. Then one socket serves both.
pub(super) fn is_single(site: &Site) -> bool {
    !site.services.iter().any(is_submission)
}

/// The milters of main.cf with ours among them.
pub(super) fn main_milters(config: &Config, site: &Site) -> String {
    let current = site.raw(MILTERS);
    if config.rules.has_outbound() && is_single(site) {
        with_milter(&exchanged(current, FRONT, SUBMISSION), SUBMISSION)
    } else {
        with_milter(&exchanged(current, SUBMISSION, FRONT), FRONT)
    }
}

/// Whether a list of milters names one of ours, itself or by way of another parameter.
pub(super) fn names(milters: &str, site: &Site, ours: &[&str]) -> bool {
    let is_one = |milter: &&str| ours.iter().any(|ours| is_element(milter, ours));
    list(milters).iter().any(|milter| {
        let inner = parameter(milter).map_or("", |name| site.raw(name));
        is_one(milter) || list(inner).iter().any(is_one)
    })
}

/// A service's own list of milters without ours; none where the list as a whole is ours.
pub(super) fn taken_out(current: &str) -> Option<String> {
    match list(current)[..] {
        [whole] if is_element(whole, SUBMISSIONS) || is_element(whole, REST) => None,
        _ => Some(compact(&without(current, SUBMISSION), current)),
    }
}

/// A service's own list of milters with ours in it: behind filters, before signers at its end.
pub(super) fn joined(current: &str, site: &Site) -> String {
    if names(current, site, &[SUBMISSION, SUBMISSIONS]) {
        return current.to_owned();
    }
    let value = |element: &str| parameter(element).map(|name| list(site.raw(name)));
    let signs = |element: &&str| match value(element) {
        Some(inner) => !inner.is_empty() && inner.iter().all(|milter| is_signer(milter)),
        None => is_signer(element),
    };
    let mut milters = Vec::new();
    for element in list(current) {
        let inner = value(element).unwrap_or_default();
        let has_front = inner.iter().any(|milter| is_element(milter, FRONT));
        // A parameter of the site's stays a parameter, unless ours has its place inside.
        let apart = inner.iter().any(|m| is_signer(m)) && !inner.iter().all(|m| is_signer(m));
        if !is_element(element, FRONT) && (has_front || apart) {
            milters.extend(inner);
        } else {
            milters.push(element);
        }
    }
    milters.retain(|milter| !is_element(milter, FRONT));
    let signers = milters.iter().rev().take_while(|milter| signs(milter)).count();
    milters.insert(milters.len() - signers, SUBMISSION);
    milters.join(",")
}

/// Without the white space that `postconf -P` does not take, unless nothing was changed.
pub(super) fn compact(new: &str, old: &str) -> String {
    if new == old { old.to_owned() } else { list(new).join(",") }
}

/// A service with other milters.
pub(super) fn with_option(service: &Service, milters: Option<&str>) -> Service {
    let mut service = service.clone();
    let place = service.options.iter().position(|(name, _)| name == MILTERS);
    service.options.retain(|(name, _)| name != MILTERS);
    if let Some(milters) = milters {
        let place = place.unwrap_or(service.options.len()).min(service.options.len());
        service.options.insert(place, (MILTERS.to_owned(), milters.to_owned()));
    }
    service
}
