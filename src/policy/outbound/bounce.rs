//! What comes back from outgoing mail, to the bounce address that it left under.
// SPDX-License-Identifier: GPL-3.0-or-later

use super::rules::Route;
use crate::mail::Address;
use crate::policy::pattern::Pattern;
use crate::policy::rules::{AddressRule, Rules};
use crate::policy::token::{OutgoingBounce, route_mark};

/// The rule of the recruiting address that a message was from, if it was from one.
pub fn rule<'a>(rules: &'a Rules, bounce: &OutgoingBounce) -> Option<&'a AddressRule> {
    rules.by_tag(bounce.rule)
}

/// The route that a message took.
pub fn route<'a>(rules: &'a Rules, bounce: &OutgoingBounce) -> Option<&'a Route> {
    rules.outbound.routes.iter().find(|route| route_mark(&route.name) == bounce.route)
}

/// Where somebody sees what came back: where the route says, else at the recruiting address (or its
/// fallback).
pub fn goes_to(rules: &Rules, bounce: &OutgoingBounce) -> Option<Address> {
    let named = route(rules, bounce).and_then(|route| route.bounces_to.clone());
    let rule = rule(rules, bounce);
    let own = || match &rule?.pattern {
        Pattern::Exact(address) => Some(address.clone()),
        _ => None,
    };
    named.or_else(|| rule?.fallback.clone()).or_else(own).map(|to| to.in_ascii())
}
