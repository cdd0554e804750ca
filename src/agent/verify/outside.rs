//! Asks Postfix as somebody outside would: from an address of this machine that is not in `mynetworks`.
//!
//! A probe comes from a client to which relay restrictions do not apply, so it gets through for a
//! domain that Postfix does not serve as well. Nothing is sent but RCPT.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Once;
use std::time::Duration;

use tokio::time::timeout;

use crate::config::Config;
use crate::mail::Address;
use crate::observe;
use crate::own;
use crate::submit::callout::{Answer, ask_from};

/// How long one question may take. postscreen(8) lets strangers wait for six seconds.
const PATIENCE: Duration = Duration::from_secs(15);
/// From no more addresses is asked.
const MOST: usize = 4;
/// An address of loopback that is an outsider where `mynetworks` names single addresses of it. Not
/// 127.0.0.2 and its neighbours, which lists of spammers have for tests.
const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 45, 3, 9));
/// A domain that nobody serves (RFC 2606).
const NOWHERE: &str = "nobody@recruit-milter.invalid";
/// That the addresses are not known is said once: it stays so.
static UNTOLD: Once = Once::new();

/// The addresses of this machine from which the server of `[verify] via` can be asked. None where it is
/// another machine: who is outside for that one, is not known here.
fn sources(config: &Config) -> Vec<IpAddr> {
    let via = config.verify.via.ip();
    let own = own::addresses().unwrap_or_default();
    if !via.is_loopback() && !own.contains(&via) {
        return Vec::new();
    }
    let same = |source: &IpAddr| source.is_ipv4() == via.is_ipv4();
    let loopback = Some(LOOPBACK).filter(|source| via.is_loopback() && same(source));
    own.into_iter().filter(same).take(MOST).chain(loopback).collect()
}

async fn ask(config: &Config, source: IpAddr, address: &Address) -> Option<Answer> {
    let via = config.verify.via;
    let (hello, name) = (hello(config), via.ip().to_string());
    let asked = ask_from(Some(source), via, &hello, &name, address);
    timeout(PATIENCE, asked).await.ok()?.ok()
}

/// Whether Postfix has refused a domain that it does not serve to a client outside.
// Postfix: the words of reject_unauth_destination and defer_unauth_destination cannot be set.
pub fn is_denial(said: &str) -> bool {
    said.contains("Relay access denied")
}

fn denied(answer: Answer) -> Option<String> {
    match answer {
        Answer::No(said) | Answer::Later(said) => Some(said).filter(|said| is_denial(said)),
        Answer::Yes(_) => None,
    }
}

/// What Postfix says to an outsider who has mail for an address, where it does not serve its domain and
/// this machine has an address that is outside.
pub async fn refusal(config: &Config, address: &Address) -> Option<String> {
    if own::addresses().is_none() {
        UNTOLD.call_once(observe::own_addresses_unknown);
    }
    for source in sources(config) {
        let denied = ask(config, source, address).await.and_then(denied);
        if let Some(said) = denied {
            return Some(format!("{said}, to a client outside ({source})"));
        }
    }
    None
}

/// An address of this machine that is an outsider for Postfix: it is refused what nobody serves.
pub async fn outsider(config: &Config) -> Option<IpAddr> {
    let nowhere = Address::parse(NOWHERE).ok()?;
    for source in sources(config) {
        if ask(config, source, &nowhere).await.and_then(denied).is_some() {
            return Some(source);
        }
    }
    None
}

/// What Postfix says to that outsider of an address. None if it does not answer.
pub async fn answer(config: &Config, outsider: IpAddr, address: &Address) -> Option<Answer> {
    ask(config, outsider, address).await
}

/// The name by which we greet: some servers take no other than one with a dot.
pub fn hello(config: &Config) -> String {
    let name = crate::ledger::host_of(config);
    let domain = config.rules.bounce.as_ref().map(|bounce| bounce.domain().to_owned());
    if name.contains('.') { name } else { domain.unwrap_or(name) }
}
