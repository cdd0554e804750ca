//! Every combination of login, From, envelope sender and recipients, against what the configuration
//! says of it in so many words.
// SPDX-License-Identifier: GPL-3.0-or-later

use super::{ERIKA, lines, mail, scene, send};
use crate::harness::routes::{Arrival, Place};
use crate::harness::site::{BOB, JOBS, KARRIERE, OTHER_JOBS, SABINE};

const LOGINS: [&str; 3] = ["personio", "odoo", BOB];
const FROM: [&str; 4] = [JOBS, KARRIERE, OTHER_JOBS, BOB];
const SENDERS: [&str; 5] = [JOBS, OTHER_JOBS, "bounce-7@other.example", "x@odd.example", ""];
const RECIPIENTS: [&[&str]; 3] = [&[ERIKA], &[SABINE], &[ERIKA, SABINE]];

/// What becomes of a mail: the code of a refusal, or where it arrives.
fn expected(login: &str, from: &str, sender: &str, to: &[&str]) -> Result<Vec<String>, u16> {
    let personios = [JOBS, KARRIERE].contains(&from);
    let allowed = match login {
        "personio" => personios,
        "odoo" => from == OTHER_JOBS && (sender.is_empty() || sender == "bounce-7@other.example"),
        _ => true,
    };
    if !allowed {
        return Err(550);
    }
    let outside = to.contains(&ERIKA);
    let routed = from != BOB && outside && !sender.is_empty();
    let sender = match sender {
        _ if routed => "BOUNCE",
        "" => "<>",
        sender => sender,
    };
    let mut found = Vec::new();
    if to.contains(&SABINE) {
        found.push(format!("Local {sender} -> {SABINE}"));
    }
    if outside {
        // Without a route mail leaves by `own`, too.
        let place = if routed && from == OTHER_JOBS { "Relay" } else { "Own" };
        found.push(format!("{place} {sender} -> {ERIKA}"));
    }
    Ok(found)
}

#[test]
fn every_combination_is_refused_or_arrives_as_configured() {
    let site = scene();
    let mut wrong = Vec::new();
    let mut number = 0;
    for login in LOGINS {
        for from in FROM {
            for sender in SENDERS {
                for to in RECIPIENTS {
                    number += 1;
                    let subject = format!("combination-{number}");
                    let reply = send(&site, login, &mail(from, sender, to, &subject));
                    let arrivals = site.arrivals(&subject);
                    let (copies, rest): (Vec<Arrival>, Vec<Arrival>) =
                        arrivals.into_iter().partition(|a| a.place == Place::System);
                    let found = if reply.is_ok() { Ok(lines(&rest)) } else { Err(reply.code) };
                    let wanted = login == BOB && from == JOBS && !sender.is_empty();
                    let as_expected = found == expected(login, from, sender, to)
                        && copies.len() == usize::from(wanted && found.is_ok());
                    if !as_expected {
                        wrong.push(format!("{login} {from} <{sender}> {to:?}: {found:?}"));
                    }
                    site.watchdog.feed();
                }
            }
        }
    }
    assert_eq!(number, 180);
    assert!(wrong.is_empty(), "{wrong:#?}");
}
