//! A small company for the unit tests of this folder.
// SPDX-License-Identifier: GPL-3.0-or-later

use super::keys::Keys;
use super::rules::{AddressRule, Pattern, Rules, System};
use super::token::TokenId;
use crate::mail::Address;

pub(crate) fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

pub(crate) fn keys() -> Keys {
    Keys::new(vec![(3, vec![3; 32])]).unwrap()
}

/// jobs@ (kept) and karriere@ (not kept) of acme.example and all of karriere.acme.example for
/// Personio; jobs@other.example for another system.
pub(crate) fn rules() -> Rules {
    let rule = |pattern: &str, system, local_copy| AddressRule {
        local_copy,
        fallback: (!local_copy).then(|| address("hr@acme.example")),
        ..AddressRule::new(Pattern::parse(pattern).unwrap(), system)
    };
    let system = |id: &str, inbound: &str| System {
        id: id.into(),
        profile: "generic".into(),
        inbound: address(inbound),
        next_hop: None,
    };
    Rules {
        systems: vec![
            system("personio", "acme-jobs@m-personio.example"),
            system("other", "in@other-ats.example"),
        ],
        addresses: vec![
            rule("jobs@acme.example", 0, true),
            rule("karriere@acme.example", 0, false),
            rule("@karriere.acme.example", 0, true),
            rule("jobs@other.example", 1, true),
        ],
        handoff_domain: "handoff.internal".into(),
        return_domain: "return.handoff.internal".into(),
        bounce: Some(address("recruit-bounces@acme.example")),
        delimiters: "+".into(),
        internal_domains: vec!["acme.example".into()],
        loop_budget: 2,
        ..Rules::default()
    }
    .indexed()
}

/// Token ids that count up.
pub(crate) fn stamp() -> impl FnMut() -> TokenId {
    let mut n = 0;
    move || {
        n += 1;
        TokenId { time: 1_795_551_688, nonce: [n; 6] }
    }
}
