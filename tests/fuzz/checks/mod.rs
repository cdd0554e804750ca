//! What must hold whatever the bytes of a message are. The fuzz targets try it on bytes that
//! libFuzzer makes up, `cargo test` on those that were once a problem.
//!
//! A check takes the bytes of a message and panics where something does not hold.
// SPDX-License-Identifier: GPL-3.0-or-later
#![allow(unreachable_pub, reason = "in the crate of the fuzzer it is reached")]
#![allow(missing_docs, reason = "each check tells at the top of its file what it checks")]
#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a panic is how a check says no"
)]

use recruit_milter::mail::Address;
use recruit_milter::policy::rules::{AddressRule, Pattern, Rules, System};

pub mod explain;
pub mod forward;
mod haystack;
pub mod header;

/// The company's domain, and its addresses: of the tests in `tests/reading`.
const INTERNAL: &str = "acme-werke.example";
const RECRUITING: [&str; 2] = ["bewerbung@acme-werke.example", "jobs@acme-werke.example"];
const INBOUND: &str = "acme-jobs@ats-inbox.example";

fn rules() -> Rules {
    let address = |text: &str| Address::parse(text).unwrap();
    let rule = |text: &str| AddressRule::new(Pattern::parse(text).unwrap(), 0);
    let rules = Rules {
        systems: vec![System {
            id: "ats".into(),
            profile: "generic".into(),
            inbound: address(INBOUND),
            next_hop: None,
        }],
        addresses: RECRUITING.map(rule).into(),
        handoff_domain: "handoff.internal".into(),
        return_domain: "return.handoff.internal".into(),
        bounce: Some(address("recruit-bounces@acme-werke.example")),
        internal_domains: vec![INTERNAL.into()],
        delimiters: "+".into(),
        loop_budget: 2,
        ..Rules::default()
    };
    rules.indexed()
}
