//! Making and sending a probe, and asking the recruiting system's server.
// SPDX-License-Identifier: GPL-3.0-or-later

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use jiff::tz::TimeZone;

use super::outside::hello;
use crate::config::Config;
use crate::journal::{Action, Entry, Pass};
use crate::mail::{Address, RawPath};
use crate::policy::probe::Probe;
use crate::policy::rules::System;
use crate::policy::token::TokenId;
use crate::resolve::servers;
use crate::submit::callout::{Answer, ask};
use crate::submit::{self, Content, Submission, submit};

/// A new probe for an address. None without a source of random numbers.
pub fn new(address: &Address, now: Timestamp) -> Option<Probe> {
    let mut nonce = [0; 6];
    getrandom::fill(&mut nonce).ok()?;
    let id = TokenId { time: u32::try_from(now.as_second()).ok()?, nonce };
    Some(Probe::new(id, address))
}

/// Submits a probe as mail from outside comes in, if Postfix would take mail from outside at all. What is to be written into the ledger: that Postfix
/// took it, with its queue ID, or what it said.
pub async fn send(config: &Config, probe: Probe, address: &Address, now: Timestamp) -> Entry {
    let entry = |action| {
        let mut entry = Entry::new(Timestamp::now(), Pass::Agent, action);
        entry.address = Some(address.to_string());
        entry.probe = Some(probe.id.to_string());
        entry.next_hop = Some(config.verify.via.to_string());
        entry
    };
    // The probe itself would get through: its client is in mynetworks.
    if let Some(said) = super::outside::refusal(config, address).await {
        let mut refused = entry(Action::ProbeRefused);
        refused.reply = Some(said);
        refused.reason = Some("refused".into());
        return refused;
    }
    match try_send(config, probe, address, now).await {
        Ok(said) => {
            let mut sent = entry(Action::ProbeSent);
            sent.queue_id = said.rsplit_once("queued as ").map(|(_, id)| id.trim().to_owned());
            sent.reply = Some(said);
            sent
        }
        Err(error) => {
            let mut refused = entry(Action::ProbeRefused);
            refused.reply = Some(submit::words(&error));
            refused.reason = Some(if error.is_permanent() { "refused" } else { "not-now" }.into());
            refused
        }
    }
}

async fn try_send(
    config: &Config,
    probe: Probe,
    address: &Address,
    now: Timestamp,
) -> Result<String, submit::Error> {
    let sender = probe.sender(&config.rules, &config.keys).ok_or(submit::Error::Recipient)?;
    let from = config.rules.bounce.as_ref().ok_or(submit::Error::Recipient)?;
    // As nearly all mail from outside has it, whatever its author typed.
    let to = address.in_ascii();
    let text = message(from, &to, probe.id, now);
    let submission = Submission {
        sender: &RawPath::from(&sender),
        recipient: &to,
        orcpt: None,
        smtputf8: false,
        content: Content::new(text.as_bytes())?,
    };
    submit(config.verify.via, &submission).await
}

/// The probe as a message. It says what it is, to whoever finds one.
fn message(from: &Address, to: &Address, id: TokenId, now: Timestamp) -> String {
    let date = DateTimePrinter::new()
        .zoned_to_string(&now.to_zoned(TimeZone::UTC))
        .unwrap_or_else(|_| "Thu, 1 Jan 1970 00:00:00 +0000".into());
    format!(
        "From: recruit-milter <{from}>\r\n\
         To: <{to}>\r\n\
         Subject: recruit-milter: test of {to}\r\n\
         Date: {date}\r\n\
         Message-ID: <{id}.probe@{}>\r\n\
         Auto-Submitted: auto-generated\r\n\
         MIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=us-ascii\r\n\r\n\
         This is a test: it shows that mail for {to} reaches the recruiting system.\r\n\
         It is not an application. Nobody has to answer.\r\n\r\n\
         Dies ist ein Test: Er zeigt, dass Mails an {to} das Recruiting-System erreichen.\r\n\
         Es ist keine Bewerbung. Niemand muss antworten.\r\n",
        from.domain()
    )
}

/// What the recruiting system's server said.
#[derive(Clone, Debug)]
pub enum Asked {
    /// Something to be written into the ledger.
    Settled(Box<Entry>),
    /// Ask again later (greylisting, say): the words.
    Later(String),
}

/// Asks the recruiting system's server whether it takes mail for the inbound address. Only what is
/// certain is settled: a server that cannot be reached from here may be reached by Postfix.
pub async fn ask_inbound(
    config: &Config,
    system: &System,
    probe: Probe,
    address: &Address,
) -> Asked {
    let entry = |action, host: &str, said: String| {
        let mut entry = Entry::new(Timestamp::now(), Pass::Agent, action);
        entry.address = Some(address.to_string());
        entry.system = Some(system.id.clone());
        entry.probe = Some(probe.id.to_string());
        entry.next_hop = Some(host.to_owned());
        entry.reply = Some(said);
        Asked::Settled(Box::new(entry))
    };
    let inbound = &system.inbound.in_ascii();
    let next_hop = system.next_hop.as_deref().unwrap_or(inbound.domain());
    let found = match servers(next_hop).await {
        Ok(found) => found,
        Err(error @ crate::resolve::Error::Dns(_)) => return Asked::Later(error.to_string()),
        Err(error) => return entry(Action::InboundRefused, next_hop, error.to_string()),
    };
    let hello = hello(config);
    let mut last = String::new();
    for server in found {
        match ask(server.address, &hello, &server.host, inbound).await {
            Ok(Answer::Yes(said)) => return entry(Action::InboundAccepted, &server.host, said),
            // RFC 3463 3.8: a policy is about who asks. Postfix may ask by way of a relay.
            Ok(Answer::No(said)) if is_policy(&said) => last = said,
            Ok(Answer::No(said)) => return entry(Action::InboundRefused, &server.host, said),
            Ok(Answer::Later(said)) => last = said,
            Err(error) => last = format!("{}: {}", server.host, submit::words(&error)),
        }
    }
    Asked::Later(last)
}

/// Whether a refusal is one of policy or security: `554 5.7.1 ...`.
fn is_policy(said: &str) -> bool {
    said.split_whitespace().nth(1).is_some_and(|status| status.starts_with("5.7."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_told_from_an_address_that_is_not_there() {
        assert!(is_policy("554 5.7.1 <in@ats.example>: Access denied"));
        assert!(!is_policy("550 5.1.1 no such user 5.7.1"));
        assert!(!is_policy("550 no such user"));
    }

    #[test]
    fn a_probe_is_a_whole_message_and_says_what_it_is() {
        let [from, to] = ["recruit-bounces@acme.example", "jobs@acme.example"]
            .map(|text| Address::parse(text).unwrap());
        let now = Timestamp::from_second(1_795_500_000).unwrap();
        let id = TokenId { time: 1_795_500_000, nonce: [7; 6] };
        let text = message(&from, &to, id, now);
        assert!(text.is_ascii() && !text.replace("\r\n", "").contains(['\r', '\n']));
        let (header, _) = text.split_once("\r\n\r\n").unwrap();
        assert_eq!(
            header,
            "From: recruit-milter <recruit-bounces@acme.example>\r\n\
             To: <jobs@acme.example>\r\n\
             Subject: recruit-milter: test of jobs@acme.example\r\n\
             Date: Tue, 24 Nov 2026 06:00:00 +0000\r\n\
             Message-ID: <nmcspyaha4dqobyh.probe@acme.example>\r\n\
             Auto-Submitted: auto-generated\r\n\
             MIME-Version: 1.0\r\n\
             Content-Type: text/plain; charset=us-ascii"
        );
    }
}
