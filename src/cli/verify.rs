//! `verify`: sends a probe to each address, follows it hop by hop, and says what it came to.
// SPDX-License-Identifier: GPL-3.0-or-later

mod diagnosis;
mod stranger;
mod tail;

use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use serde::Serialize;

use super::lang::LangArg;
use super::{ConfigArg, Exit, load, say};
use crate::agent::verify::COOL_DOWN;
use crate::agent::verify::probe::{self, Asked};
use crate::config::{Config, Probes};
use crate::findings::{Finding, Severity};
use crate::journal::{Action, Entry, Pass};
use crate::language::Language;
use crate::ledger::{self, Access, EventFilter, Ledger};
use crate::mail::Address;
use crate::policy::outcome::Outcome;
use crate::policy::report::Said;
use crate::policy::rules::Pattern;
use crate::policy::verification::Hop;
use crate::postfix::{self, Instance};
use diagnosis::{Diagnosis, Stuck, diagnose, unserved};
use tail::Tail;

/// How often the journal is looked at.
const LOOK: Duration = Duration::from_millis(100);

#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// The recruiting addresses.
    #[arg(value_name = "ADDRESS", required_unless_present = "all")]
    addresses: Vec<String>,
    /// All addresses of the configuration, patterns apart.
    #[arg(long, conflicts_with = "addresses")]
    all: bool,
    /// Give the probe to this server instead of `[verify] via`.
    #[arg(long, value_name = "IP:PORT")]
    via: Option<std::net::SocketAddr>,
    /// How long to follow a probe, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    timeout: u64,
    /// Send a probe though the last one was less than five minutes ago.
    #[arg(long)]
    force: bool,
    /// Postfix's configuration folder, where it is not the system's.
    #[arg(long, value_name = "FOLDER")]
    config_dir: Option<PathBuf>,
    /// Print one JSON object for each address.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    lang: LangArg,
}

impl VerifyArgs {
    /// All addresses, at once.
    pub(super) fn all(config: &ConfigArg, config_dir: Option<&PathBuf>, lang: LangArg) -> Self {
        Self {
            config: config.clone(),
            addresses: Vec::new(),
            all: true,
            via: None,
            timeout: 60,
            force: true,
            config_dir: config_dir.cloned(),
            json: false,
            lang,
        }
    }
}

/// What a probe came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Ending {
    Verified,
    NotVerified,
    NotYet,
}

#[derive(Debug, Serialize)]
struct Step {
    time: Timestamp,
    what: String,
    detail: String,
}

#[derive(Debug, Serialize)]
struct Result {
    address: String,
    outcome: Ending,
    probe: String,
    steps: Vec<Step>,
    diagnosis: Option<Diagnosis>,
}

pub(super) fn verify(args: &VerifyArgs) -> Exit {
    let mut config = match load(&args.config.config) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    config.verify.via = args.via.unwrap_or(config.verify.via);
    let lang = args.lang.choose(config.language);
    let addresses = match addresses(args, &config) {
        Ok(addresses) => addresses,
        Err(exit) => return exit,
    };
    if addresses.is_empty() {
        say("no recruiting addresses are configured yet: nothing to verify");
        return Exit::Ok;
    }
    if config.keys.is_empty() {
        say("error: there is no key to sign a probe with\n  = recruit-milter init-key");
        return Exit::Config;
    }
    let Ok(runtime) = super::runtime() else { return Exit::Os };
    let instance = args.config_dir.as_ref().map_or_else(Instance::system, Instance::at);
    let mut worst = Exit::Ok;
    for address in addresses {
        let mut round = Round::new(&config, &instance, args, lang);
        let exit = match runtime.block_on(round.follow(&address)) {
            Ending::Verified => Exit::Ok,
            Ending::NotYet => Exit::TryAgain,
            Ending::NotVerified => Exit::NotWorking,
        };
        if worst == Exit::Ok || exit == Exit::NotWorking {
            worst = exit;
        }
    }
    worst
}

fn addresses(args: &VerifyArgs, config: &Config) -> std::result::Result<Vec<Address>, Exit> {
    if args.all {
        let exact = |pattern: &Pattern| match pattern {
            Pattern::Exact(address) => Some(address.clone()),
            _ => None,
        };
        return Ok(config.rules.addresses.iter().filter_map(|rule| exact(&rule.pattern)).collect());
    }
    let mut addresses = Vec::new();
    for text in &args.addresses {
        let Ok(address) = Address::parse(text) else {
            say(&format!("error: {text:?} is not an address"));
            return Err(Exit::Usage);
        };
        if config.rules.lookup(address.as_str()).is_none() {
            say(&format!(
                "error: {text} is not a recruiting address\n  \
                 = addresses are those of [system] in {}",
                config.path.display()
            ));
            return Err(Exit::Usage);
        }
        addresses.push(Address::parse(&config.rules.known_as(text)).unwrap_or(address));
    }
    Ok(addresses)
}

/// One probe, followed.
struct Round<'a> {
    config: &'a Config,
    instance: &'a Instance,
    args: &'a VerifyArgs,
    lang: Language,
    /// Without one all is shown and nothing is kept.
    ledger: Option<Ledger>,
    steps: Vec<Step>,
}

/// How far it came.
#[derive(Default)]
#[allow(clippy::struct_excessive_bools)] // independent facts
struct Progress {
    queue_id: Option<String>,
    copy: Option<String>,
    seen: bool,
    /// Pass 1 or pass 2 saw it a second time.
    twice: bool,
    arrived: bool,
    asked: Option<std::result::Result<(), String>>,
    delivered: Option<std::result::Result<(), String>>,
    stayed: Option<String>,
    bounced: Option<String>,
    /// Pass 1 took it for ordinary mail.
    unknown: bool,
    waits: Option<String>,
}

impl<'a> Round<'a> {
    fn new(
        config: &'a Config,
        instance: &'a Instance,
        args: &'a VerifyArgs,
        lang: Language,
    ) -> Self {
        let ledger = ledger::open(config, Access::Write);
        let ledger = ledger.inspect_err(|error| say(&format!("warning: not kept: {error}"))).ok();
        Self { config, instance, args, lang, ledger, steps: Vec::new() }
    }

    async fn follow(&mut self, address: &Address) -> Ending {
        if !self.args.json {
            print(address.as_str());
        }
        if let Some(ago) = self.cools_down(address) {
            let seconds = COOL_DOWN.as_secs().saturating_sub(ago);
            let text = self.lang.pick(
                format!("not yet: the last probe was {ago} s ago (again in {seconds} s, or --force)."),
                format!("noch nicht: der letzte Test war vor {ago} s (wieder in {seconds} s, oder --force)."),
            );
            return self.end(address, "-", Ending::NotYet, None, &text);
        }
        if let Some(diagnosis) = stranger::expected(self.config, self.lang) {
            return self.fail(address, "-", diagnosis);
        }
        let now = Timestamp::now();
        let Some(probe) = probe::new(address, now) else { return Ending::NotYet };
        let id = probe.id.to_string();
        let mut tail = Tail::new(&self.config.state_dir);
        // The probe would get through: its client is in mynetworks.
        if let Some(finding) = unserved(self.config, self.instance, address.as_str()) {
            let mut refused = Entry::new(now, Pass::Agent, Action::ProbeRefused);
            refused.address = Some(address.to_string());
            refused.probe = Some(id.clone());
            refused.reply = Some(finding.text.clone());
            refused.reason = Some("refused".into());
            self.keep(&refused);
            let hop = Hop::Submission.word();
            let diagnosis = Diagnosis { hop, causes: vec![finding.text], remedy: finding.remedy };
            return self.fail(address, &id, diagnosis);
        }
        self.step(now, ("probe sent", "Test gesendet"), &id);
        let sent = probe::send(self.config, probe, address, now).await;
        self.keep(&sent);
        if sent.action == Action::ProbeRefused {
            let said = sent.reply.unwrap_or_default();
            if stranger::is_told(&said) {
                let diagnosis = stranger::other_key(self.config, self.lang);
                return self.fail(address, &id, diagnosis);
            }
            return self.stuck(address, &id, Hop::Submission, Some(&said), None);
        }
        let mut progress = Progress { queue_id: sent.queue_id, ..Progress::default() };
        let queue_id = progress.queue_id.clone().unwrap_or_default();
        self.step(sent.time, ("accepted by Postfix", "von Postfix angenommen"), &queue_id);
        self.ask(address, probe, &mut progress).await;
        let until = Instant::now() + Duration::from_secs(self.args.timeout);
        while Instant::now() < until && !self.is_done(&progress) {
            for entry in tail.new_entries() {
                self.take(&entry, &id, &mut progress);
            }
            tokio::time::sleep(LOOK).await;
        }
        self.judge(address, &id, &progress)
    }

    /// How many seconds ago the last probe was sent, if that is too recent.
    fn cools_down(&mut self, address: &Address) -> Option<u64> {
        if self.args.force {
            return None;
        }
        let since = Timestamp::now() - SignedDuration::try_from(COOL_DOWN).ok()?;
        let filter = EventFilter {
            address: Some(address.to_string()),
            actions: vec![Action::ProbeSent],
            probes: true,
            since: Some(since),
            ..<_>::default()
        };
        let events = self.ledger.as_mut()?.events(&filter).ok()?;
        let (_, last) = events.last()?;
        u64::try_from((Timestamp::now().as_second() - last.time.as_second()).max(0)).ok()
    }

    fn keep(&mut self, entry: &Entry) {
        let host = ledger::host_of(self.config);
        if let Some(ledger) = &mut self.ledger
            && let Err(error) = ledger.record(&host, entry)
        {
            say(&format!("warning: not kept: {error}"));
        }
    }

    /// Asks the recruiting system's server, where the probe does not go there.
    async fn ask(
        &mut self,
        address: &Address,
        probe: crate::policy::probe::Probe,
        progress: &mut Progress,
    ) {
        let Some((_, rule)) = self.config.rules.lookup(address.as_str()) else { return };
        if self.config.verify.probes == Probes::Through {
            return;
        }
        let system = self.config.rules.system(rule);
        match probe::ask_inbound(self.config, system, probe, address).await {
            Asked::Settled(entry) => {
                self.keep(&entry);
                let said = entry.reply.clone().unwrap_or_default();
                let host = entry.next_hop.clone().unwrap_or_default();
                let detail = format!("{host}: {said}");
                if entry.action == Action::InboundAccepted {
                    let what =
                        ("the system's server takes mail", "Server des Systems nimmt Mails an");
                    self.step(entry.time, what, &detail);
                    progress.asked = Some(Ok(()));
                } else {
                    let what = ("the system's server refuses", "Server des Systems lehnt ab");
                    self.step(entry.time, what, &detail);
                    progress.asked = Some(Err(said));
                }
            }
            Asked::Later(said) => {
                let what = ("the system's server says later", "Server des Systems sagt: später");
                self.step(Timestamp::now(), what, &said);
                progress.waits = Some(said);
            }
        }
    }

    /// Takes in a line of the journal.
    fn take(&mut self, entry: &Entry, id: &str, progress: &mut Progress) {
        let mine = entry.probe.as_deref() == Some(id);
        let of_copy = entry.token.is_some() && entry.token == progress.copy;
        let same_mail = entry.queue_id.is_some() && entry.queue_id == progress.queue_id;
        progress.unknown |= same_mail && !mine && entry.action == Action::Copy(Outcome::Diverted);
        if !mine && !of_copy {
            return;
        }
        let queue_id = entry.queue_id.as_deref().unwrap_or_default();
        let said = || entry.reply.clone().or_else(|| entry.status.clone()).unwrap_or_default();
        match entry.action {
            Action::Copy(Outcome::Diverted) if progress.seen => {
                progress.twice = true;
                let what = ("seen by the milter again", "vom Milter noch einmal gesehen");
                self.step(entry.time, what, queue_id);
            }
            Action::Copy(Outcome::Diverted) => {
                progress.seen = true;
                progress.copy.clone_from(&entry.token);
                self.step(entry.time, ("seen by the milter", "vom Milter gesehen"), queue_id);
            }
            Action::Copy(Outcome::ProbeArrived) => {
                progress.twice |= progress.arrived;
                progress.arrived = true;
                let what =
                    ("arrived at pass 2, where it ends", "bei Durchgang 2 angekommen, wo er endet");
                self.step(entry.time, what, queue_id);
            }
            Action::Copy(Outcome::HandedOver) => {
                progress.arrived = true;
                let what = ("handed over for the system", "für das System übergeben");
                self.step(entry.time, what, queue_id);
            }
            Action::Copy(outcome) if outcome.stays_here() => {
                progress.stayed = entry.reason.clone().or(Some("?".into()));
            }
            Action::Report => match entry.report {
                Some(Said::Delivered | Said::Relayed) => {
                    let what =
                        ("taken by the system's server", "vom Server des Systems angenommen");
                    self.step(entry.time, what, &said());
                    progress.delivered = Some(Ok(()));
                }
                Some(Said::Failed) if of_copy => progress.delivered = Some(Err(said())),
                Some(Said::Failed) => progress.bounced = Some(said()),
                Some(Said::Delayed) => progress.waits = Some(said()),
                Some(Said::Unknown) | None => {}
            },
            _ => {}
        }
    }

    fn is_done(&self, progress: &Progress) -> bool {
        if progress.stayed.is_some() || progress.bounced.is_some() || progress.unknown {
            return true;
        }
        match self.config.verify.probes {
            Probes::Stop => progress.arrived,
            Probes::Through => progress.delivered.is_some(),
        }
    }

    fn judge(&mut self, address: &Address, id: &str, progress: &Progress) -> Ending {
        let queue_id = progress.queue_id.as_deref();
        let mut stuck = |hop, said: Option<&str>| self.stuck(address, id, hop, said, queue_id);
        if let Some(said) = &progress.bounced {
            return stuck(Hop::Front, Some(said));
        }
        if let Some(reason) = &progress.stayed {
            return stuck(Hop::Decision, Some(reason));
        }
        if let Some(diagnosis) = self.is_doubled(progress) {
            return self.fail(address, id, diagnosis);
        }
        if progress.unknown {
            return self.fail(address, id, stranger::older(self.config, self.lang));
        }
        let mut stuck = |hop, said: Option<&str>| self.stuck(address, id, hop, said, queue_id);
        if !progress.seen {
            return stuck(Hop::Front, None);
        }
        if !progress.arrived {
            return stuck(Hop::Handoff, None);
        }
        match (&progress.asked, &progress.delivered) {
            (Some(Err(said)), _) | (_, Some(Err(said))) => stuck(Hop::Inbound, Some(said)),
            (Some(Ok(())), _) | (_, Some(Ok(()))) => {
                let text = self.lang.pick("verified.", "verifiziert.");
                self.end(address, id, Ending::Verified, None, text)
            }
            (None, None) => {
                let said = progress.waits.clone().unwrap_or_default();
                let text = self.lang.pick(
                    format!("not yet: it came as far as it goes, and the recruiting system's server could not be \
                         asked: {said}\n  -> recruit-milter verify {address}    again in a few minutes; where \
                         Postfix sends by a relay: [verify] probes = \"through\", or the system's own test"),
                    format!("noch nicht: Der Test kam so weit, wie er geht, und der Server des Recruiting-Systems war \
                         nicht zu fragen: {said}\n  -> recruit-milter verify {address}    in ein paar Minuten noch \
                         einmal; wo Postfix über ein Relay sendet: [verify] probes = \"through\", oder der Test \
                         des Systems selbst"),
                );
                self.end(address, id, Ending::NotYet, None, &text)
            }
        }
    }

    /// Whether mail may arrive twice, or be lost where it is split: by this probe, or by what
    /// `postfix --check` finds. A probe has one recipient and no local copy, so it does not meet all of
    /// it.
    fn is_doubled(&mut self, progress: &Progress) -> Option<Diagnosis> {
        let finding = match self.doubling() {
            Ok(finding) => finding.filter(|_| progress.twice || progress.arrived),
            Err(error) => {
                let what =
                    ("not shown: whether mail is doubled", "nicht gezeigt: ob Mail doppelt geht");
                let detail = format!("{error}\n  -> sudo recruit-milter postfix --check");
                self.step(Timestamp::now(), what, &detail);
                None
            }
        };
        let came_twice = progress.twice.then(|| {
            self.lang
                .pick("it passed the milter twice.", "Er ging zweimal durch den Milter.")
                .to_owned()
        });
        let remedy = finding.as_ref().map(|finding| finding.remedy.clone());
        let causes: Vec<_> = came_twice.into_iter().chain(finding.map(|f| f.text)).collect();
        let remedy = remedy.unwrap_or_else(|| "recruit-milter postfix --check".to_owned());
        let hop = Hop::Front.word();
        (!causes.is_empty()).then_some(Diagnosis { hop, causes, remedy })
    }

    /// The first of what `postfix --check` finds by which mail is doubled or lost.
    fn doubling(&self) -> std::result::Result<Option<Finding>, postfix::Error> {
        let found = postfix::check(self.instance, self.config)?;
        let is_it = |finding: &Finding| {
            finding.severity == Severity::Error && postfix::is_of_doubling(finding)
        };
        Ok(found.into_iter().find(is_it))
    }

    fn stuck(
        &mut self,
        address: &Address,
        id: &str,
        hop: Hop,
        said: Option<&str>,
        queue_id: Option<&str>,
    ) -> Ending {
        let stuck = Stuck { hop, address: address.as_str(), said, queue_id };
        let diagnosis = diagnose(self.config, self.instance, self.lang, &stuck);
        self.fail(address, id, diagnosis)
    }

    fn fail(&mut self, address: &Address, id: &str, diagnosis: Diagnosis) -> Ending {
        let mut text = self.lang.pick("not verified", "nicht verifiziert").to_owned();
        for (n, cause) in diagnosis.causes.iter().enumerate() {
            text.push_str(if n == 0 { ": " } else { "\n  " });
            text.push_str(cause);
        }
        text.push_str("\n  -> ");
        text.push_str(&diagnosis.remedy);
        self.end(address, id, Ending::NotVerified, Some(diagnosis), &text)
    }

    fn end(
        &mut self,
        address: &Address,
        id: &str,
        outcome: Ending,
        diagnosis: Option<Diagnosis>,
        text: &str,
    ) -> Ending {
        if self.args.json {
            let result = Result {
                address: address.to_string(),
                outcome,
                probe: id.to_owned(),
                steps: std::mem::take(&mut self.steps),
                diagnosis,
            };
            print(&serde_json::to_string(&result).unwrap_or_default());
        } else {
            print(text);
        }
        outcome
    }

    /// Shows a step as soon as it is known.
    fn step(&mut self, time: Timestamp, what: (&str, &str), detail: &str) {
        let what = self.lang.pick(what.0, what.1);
        if !self.args.json {
            let time = time.to_zoned(TimeZone::system());
            print(format!("  {}  {what:<32}  {detail}", time.strftime("%H:%M:%S")).trim_end());
        }
        self.steps.push(Step { time, what: what.to_owned(), detail: detail.to_owned() });
    }
}

/// A line, at once: somebody waits for it.
fn print(text: &str) {
    let mut out = std::io::stdout();
    let _ = writeln!(out, "{text}");
    let _ = out.flush();
}
