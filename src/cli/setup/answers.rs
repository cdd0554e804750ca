//! What setup has to know: from flags, from the configuration that is there, or by asking.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use super::{Exit, Missing, SetupArgs, missing};
use crate::config::Config;
use crate::language::Language;
use crate::mail::Address;
use crate::policy::rules::Pattern;

/// What was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answers {
    /// What is configured already.
    AsConfigured,
    /// A recruiting system that is new, or perhaps there.
    System {
        inbound: Address,
        addresses: Vec<String>,
        name: Option<String>,
        next_hop: Option<String>,
        domains: Vec<String>,
        alerts: Option<Address>,
    },
}

impl Answers {
    /// Takes the flags, and asks for what they leave open.
    pub(super) fn complete(
        args: &SetupArgs,
        before: Option<&Config>,
        lang: Language,
    ) -> Result<Self, Missing> {
        let nothing_said = args.addresses.is_empty() && args.inbound.is_none();
        if nothing_said && before.is_some_and(|config| !config.rules.is_idle()) {
            let said = [
                ("--system", args.system.is_some()),
                ("--next-hop", args.next_hop.is_some()),
                ("--domain", !args.domains.is_empty()),
                ("--alerts", args.alerts.is_some()),
            ];
            let Some((flag, _)) = said.into_iter().find(|(_, is_said)| *is_said) else {
                return Ok(Self::AsConfigured);
            };
            return Err(missing(
                Exit::Usage,
                format!("{flag}, but no recruiting system that is new"),
                "give --address and --inbound too; what is configured is changed by hand",
            ));
        }
        let may_ask = io::stdin().is_terminal();
        if !may_ask {
            let mut flags = Vec::new();
            if args.addresses.is_empty() {
                flags.push("--address jobs@acme.example");
            }
            if args.inbound.is_none() {
                flags.push("--inbound acme-jobs@m-personio.de");
            }
            if !flags.is_empty() {
                let what = "the recruiting addresses and the recruiting system's inbound address";
                return Err(missing(Exit::Usage, what, format!("give {}", flags.join(" "))));
            }
        }
        let addresses = match &args.addresses[..] {
            [] => ask(
                lang.pick(
                    "Recruiting addresses (several with spaces or commas between): ",
                    "Recruiting-Adressen (mehrere mit Leerzeichen oder Komma): ",
                ),
                |text| several(words(text)),
            )?,
            given => several(given.iter().map(String::as_str)).map_err(not_taken)?,
        };
        let inbound = match &args.inbound {
            Some(inbound) => one(inbound).map_err(not_taken)?,
            None => ask(
                lang.pick(
                    "Inbound address of the recruiting system (it tells you): ",
                    "Eingangsadresse des Recruiting-Systems (dort zu finden): ",
                ),
                one,
            )?,
        };
        let mut domains = args.domains.clone();
        if domains.is_empty() && may_ask && nothing_said {
            let own = domains_of(&addresses).join(" ");
            let text =
                format!("{} [{own}]: ", lang.pick("Domains of colleagues", "Domains der Kollegen"));
            let asked = question(&text)?;
            domains = words(&asked).map(str::to_owned).collect();
        }
        let alerts = args.alerts.as_deref().map(one).transpose().map_err(not_taken)?;
        let (name, next_hop) = (args.system.clone(), args.next_hop.clone());
        Ok(Self::System { inbound, addresses, name, next_hop, domains, alerts })
    }
}

/// The domains of addresses, once each.
pub(super) fn domains_of(addresses: &[String]) -> Vec<String> {
    let mut domains: Vec<String> = Vec::new();
    for address in addresses {
        let domain = address.rsplit('@').next().unwrap_or_default().to_lowercase();
        if !domains.contains(&domain) {
            domains.push(domain);
        }
    }
    domains
}

/// What stands between spaces and commas.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split([' ', '\t', ',', ';']).filter(|word| !word.is_empty())
}

fn several<'a>(texts: impl Iterator<Item = &'a str>) -> Result<Vec<String>, String> {
    let patterns: Result<Vec<String>, String> = texts
        .map(|text| match Pattern::parse(text) {
            Ok(_) => Ok(text.to_owned()),
            Err(error) => Err(format!("{text:?}: {error}")),
        })
        .collect();
    match patterns {
        Ok(patterns) if patterns.is_empty() => Err("no address".into()),
        patterns => patterns,
    }
}

fn one(text: &str) -> Result<Address, String> {
    Address::parse(text.trim()).map_err(|error| format!("{text:?}: {error}"))
}

fn not_taken(error: String) -> Missing {
    missing(Exit::Usage, error, "give an address like jobs@acme.example")
}

/// Asks until the answer can be used.
fn ask<T>(text: &str, read: impl Fn(&str) -> Result<T, String>) -> Result<T, Missing> {
    loop {
        match read(&question(text)?) {
            Ok(answer) => return Ok(answer),
            Err(error) => super::say(&error),
        }
    }
}

/// One line from the terminal.
pub(super) fn question(text: &str) -> Result<String, Missing> {
    let gone = |error: &dyn std::fmt::Display| {
        missing(Exit::NoInput, format!("an answer: {error}"), "run it again")
    };
    let mut out = io::stdout();
    write!(out, "{text}").and_then(|()| out.flush()).map_err(|error| gone(&error))?;
    let mut line = String::new();
    match io::stdin().lock().read_line(&mut line) {
        Ok(0) => Err(gone(&"the input has ended")),
        Ok(_) => Ok(line.trim().to_owned()),
        Err(error) => Err(gone(&error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_address_is_named() {
        assert_eq!(several(["jobs@a.example", "@b.example"].into_iter()).unwrap().len(), 2);
        assert!(several(["jobs"].into_iter()).unwrap_err().starts_with("\"jobs\": "));
        assert_eq!(several([].into_iter()), Err("no address".into()));
        assert!(one("x y@a.example").is_err());
        assert_eq!(one(" a@b.example\n").unwrap().to_string(), "a@b.example");
    }

    #[test]
    fn domains_stand_once() {
        let addresses = ["a@X.example", "b@x.example", "@y.example"].map(str::to_owned);
        assert_eq!(domains_of(&addresses), ["x.example", "y.example"]);
    }
}
