//! The way back: a copy that does not go on is given back to local delivery, or goes to a person.
//!
//! Must not know why it does not go on.
// SPDX-License-Identifier: GPL-3.0-or-later

use super::Arrival;
use crate::mail::{Address, Notify, Orcpt};
use crate::plan::Plan;
use crate::policy::keys::Keys;
use crate::policy::rules::Rules;
use crate::policy::token::{Flags, Handoff, Way};

/// Sends a copy back towards local delivery, with the envelope sender that it came with.
pub(super) fn give_back(
    rules: &Rules,
    keys: &Keys,
    arrival: &Arrival<'_>,
    token: &Handoff,
    address: &Address,
) -> Option<Plan> {
    let to = way_back(rules, keys, token, address)?;
    Some(arrival.led_back(rules, to, Notify::Failure, address)?.build())
}

/// Sends a copy to the person who looks at such mail, and back to local delivery as well where the
/// recruiting address has none of its own.
pub(super) fn to_person(
    rules: &Rules,
    keys: &Keys,
    arrival: &Arrival<'_>,
    token: &Handoff,
    address: &Address,
) -> Option<Plan> {
    let flags = Flags { person: true, ..token.flags };
    let to = way_back(rules, keys, &Handoff { flags, ..*token }, address)?;
    let mut plan = arrival.led_back(rules, to, Notify::Never, address)?;
    if !token.flags.kept {
        let orcpt = Some(Orcpt::new(address.clone()));
        plan.add_rcpt(way_back(rules, keys, token, address)?, Notify::Failure, orcpt);
    }
    Some(plan.build())
}

/// The recipient that leads a copy back.
fn way_back(rules: &Rules, keys: &Keys, token: &Handoff, address: &Address) -> Option<Address> {
    let back = Handoff { way: Way::Return, ..*token };
    Address::parse(&format!("{}@{}", back.local_part(keys, address)?, rules.return_domain)).ok()
}
