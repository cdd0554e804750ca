//! Why a probe got stuck, and what to do: by what was said, and by what Postfix's configuration shows.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::io;
use std::net::TcpStream;

use serde::Serialize;

use crate::agent::verify::outside::is_denial;
use crate::config::Config;
use crate::doctor::{Line, services};
use crate::findings::{Finding, Severity};
use crate::language::Language;
use crate::mail::Address;
use crate::policy::verification::Hop;
use crate::postfix::{self, Instance};
use crate::way::{Depth, Place, Side, Spot, State, Way, look};

/// What is wrong, in the order in which it should be looked at.
#[derive(Debug, Serialize)]
pub(super) struct Diagnosis {
    pub(super) hop: &'static str,
    /// What is known, a sentence each.
    pub(super) causes: Vec<String>,
    /// A command, or a place to look.
    pub(super) remedy: String,
}

/// How far a probe came, and what was said there.
pub(super) struct Stuck<'a> {
    pub(super) hop: Hop,
    pub(super) address: &'a str,
    pub(super) said: Option<&'a str>,
    pub(super) queue_id: Option<&'a str>,
}

pub(super) fn diagnose(
    config: &Config,
    instance: &Instance,
    lang: Language,
    stuck: &Stuck<'_>,
) -> Diagnosis {
    let mut it = Diagnosis { hop: stuck.hop.word(), causes: Vec::new(), remedy: String::new() };
    match stuck.hop {
        Hop::Submission => it.submission(config, instance, lang, stuck),
        Hop::Front => {
            it.because(lang.pick(
                format!("mail for {} does not pass the milter.", stuck.address),
                format!("Mails an {} gehen nicht durch den Milter.", stuck.address),
            ));
            if let Some(said) = stuck.said {
                it.because(lang.pick(
                    format!("Postfix took it and sent it back: {said}"),
                    format!("Postfix hat sie angenommen und zurückgeschickt: {said}"),
                ));
            }
            it.findings(config, instance, "recruit-milter postfix --check");
        }
        Hop::Handoff => it.handoff(config, instance, lang, stuck),
        Hop::Decision => {
            let reason = stuck.said.unwrap_or("?");
            it.because(lang.pick(
                format!("pass 2 kept it here: {reason}."),
                format!("Durchgang 2 hat sie hier behalten: {reason}."),
            ));
            it.remedy = "recruit-milter explain".into();
        }
        Hop::Inbound => it.inbound(lang, stuck),
    }
    it
}

impl Diagnosis {
    fn because(&mut self, text: impl Into<String>) {
        self.causes.push(text.into());
    }

    fn submission(
        &mut self,
        config: &Config,
        instance: &Instance,
        lang: Language,
        stuck: &Stuck<'_>,
    ) {
        let via = config.verify.via;
        let said = stuck.said.unwrap_or_default();
        let silent: Vec<String> = silent_sockets(config);
        if TcpStream::connect_timeout(&via, std::time::Duration::from_secs(3)).is_err() {
            self.because(lang.pick(
                format!("nobody answers at {via}: {said}"),
                format!("An {via} antwortet niemand: {said}"),
            ));
            self.remedy = lang
                .pick("postfix status; [verify] via must name the server that takes mail from outside",
                    "postfix status; [verify] via muss den Server nennen, der Mails von außen annimmt")
                .into();
            return;
        }
        self.because(lang.pick(
            format!("Postfix did not take it: {said}"),
            format!("Postfix hat sie nicht angenommen: {said}"),
        ));
        if said.starts_with('4') && !silent.is_empty() {
            self.because(lang.pick(
                format!("recruit-milter does not answer at {}.", silent.join(", ")),
                format!("recruit-milter antwortet nicht an {}.", silent.join(", ")),
            ));
            self.remedy = "systemctl start recruit-milter".into();
        } else if is_denial(said)
            && let Some(finding) = unserved(config, instance, stuck.address)
        {
            self.because(finding.text);
            self.remedy = finding.remedy;
        } else if is_denial(said) || said.contains("5.7.1") {
            self.remedy = lang.pick(
                "add the domain to mydestination or virtual_mailbox_domains; or [verify] via names another server",
                "die Domain in mydestination oder virtual_mailbox_domains aufnehmen; oder [verify] via nennt einen anderen Server",
            ).into();
        } else if said.contains("5.1.1") || said.contains("unknown") {
            self.remedy = lang
                .pick(
                    "give the address a mailbox or an alias in Postfix",
                    "der Adresse in Postfix ein Postfach oder einen Alias geben",
                )
                .into();
        } else if said.contains("5.3.4") || said.starts_with("552") {
            self.remedy = "postconf message_size_limit".into();
        } else {
            self.remedy = "recruit-milter postfix --check".into();
        }
    }

    fn handoff(&mut self, config: &Config, instance: &Instance, lang: Language, stuck: &Stuck<'_>) {
        self.because(lang.pick(
            "pass 1 saw it, and it has not come to pass 2.".to_owned(),
            "Durchgang 1 hat sie gesehen, bei Durchgang 2 kam sie nicht an.".to_owned(),
        ));
        if let Some(reason) = stuck.queue_id.and_then(|id| waiting(instance, id)) {
            self.because(lang.pick(
                format!("Postfix keeps it in its queue: {reason}"),
                format!("Postfix hat sie in seiner Warteschlange: {reason}"),
            ));
        }
        let silent = silent_sockets(config);
        if !silent.is_empty() {
            self.because(lang.pick(
                format!("recruit-milter does not answer at {}.", silent.join(", ")),
                format!("recruit-milter antwortet nicht an {}.", silent.join(", ")),
            ));
            self.remedy = "systemctl restart recruit-milter".into();
            return;
        }
        let services = services::examine(config, instance);
        let mut dead = services.iter().filter_map(Line::finding);
        if let Some(dead) = dead.find(|finding| finding.severity == Severity::Error) {
            self.because(dead.text.clone());
            self.remedy.clone_from(&dead.remedy);
            return;
        }
        let wait = std::time::Duration::from_secs(3);
        let smtpd = config.handoff.smtpd;
        if TcpStream::connect_timeout(&smtpd, wait).is_err() {
            self.because(lang.pick(
                format!("the second smtpd does not answer at {smtpd}."),
                format!("Der zweite smtpd antwortet nicht an {smtpd}."),
            ));
        }
        self.findings(config, instance, "recruit-milter postfix --apply");
    }

    fn inbound(&mut self, lang: Language, stuck: &Stuck<'_>) {
        let said = stuck.said.unwrap_or_else(|| {
            lang.pick("it has not said anything yet", "er hat noch nichts gesagt")
        });
        self.because(lang.pick(
            format!("the recruiting system's server does not take it: {said}"),
            format!("Der Server des Recruiting-Systems nimmt sie nicht an: {said}"),
        ));
        let code = said.chars().next();
        self.remedy = match code {
            Some('5') => lang.pick(
                "compare [system] inbound with the address that the recruiting system shows",
                "[system] inbound mit der Adresse vergleichen, die das Recruiting-System anzeigt",
            ),
            Some('4') => lang.pick(
                "wait: it is tried again; then recruit-milter verify",
                "warten: Es wird erneut versucht; dann recruit-milter verify",
            ),
            _ if said.contains("MX") || said.contains("DNS") => lang.pick(
                "correct the domain in [system] inbound, or [system] next_hop",
                "die Domain in [system] inbound korrigieren, oder [system] next_hop",
            ),
            _ => lang.pick(
                "see that this host may connect to port 25 of that server (firewall), or set [system] next_hop",
                "prüfen, ob dieser Rechner Port 25 jenes Servers erreicht (Firewall), oder [system] next_hop setzen",
            ),
        }
        .into();
    }

    /// What `postfix --check` finds.
    fn findings(&mut self, config: &Config, instance: &Instance, remedy: &str) {
        self.remedy = remedy.into();
        match postfix::check(instance, config) {
            Ok(findings) => {
                // Errors first; a warning may be what is wrong where there is none.
                let of = |severity| findings.iter().filter(move |f| f.severity == severity);
                let all: Vec<_> = of(Severity::Error).chain(of(Severity::Warning)).collect();
                self.causes.extend(all.iter().map(|finding| finding.text.clone()));
                if let Some(first) = all.first() {
                    self.remedy.clone_from(&first.remedy);
                }
            }
            Err(error) => self.because(error.to_string()),
        }
    }
}

/// Why mail for an address does not come in, where Postfix does not serve its domain.
pub(super) fn unserved(config: &Config, instance: &Instance, address: &str) -> Option<Finding> {
    let via = config.verify.via.ip();
    let is_here =
        via.is_loopback() || crate::own::addresses().is_some_and(|own| own.contains(&via));
    // What another server serves, this Postfix's files do not say.
    let address = Address::parse(address).ok().filter(|_| is_here)?;
    postfix::unserved(instance, config, &address).ok().flatten()
}

/// The sockets of the milter at which nobody answers: the kernel lets clients in for one that hangs too.
fn silent_sockets(config: &Config) -> Vec<String> {
    // A thread of its own: whoever asks may be at work in a runtime.
    let looked = std::thread::scope(|scope| scope.spawn(|| sockets(config)).join());
    let way = looked.ok().and_then(Result::ok).unwrap_or_default();
    let ours = |spot: &&Spot| {
        matches!(spot.place, Place::Socket(Side::Front | Side::Handoff, _))
            && matches!(spot.state, State::Silent(_))
    };
    way.spots().iter().filter(ours).map(|spot| spot.place.to_string()).collect()
}

fn sockets(config: &Config) -> io::Result<Way> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(look(config, Depth::Sockets)))
}

/// Why a message waits in the queue.
fn waiting(instance: &Instance, queue_id: &str) -> Option<String> {
    let queue = instance.run("postqueue", &["-j"]).ok()?;
    let lines =
        queue.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let mine = lines.into_iter().find(|line| line["queue_id"] == queue_id)?;
    let mut recipients = mine["recipients"].as_array()?.iter();
    recipients.find_map(|r| r["delay_reason"].as_str()).map(str::to_owned)
}
