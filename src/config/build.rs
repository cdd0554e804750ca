//! From the settings as written to the [`Config`] that is used.
//!
//! Must not know files.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::checks::{self, same_mailbox};
use super::info::Section;
use super::outbound;
use super::settings::{self as s, Setting};
use super::source::{Finding, Report};
use super::tree::{Found, Table, Tree};
use super::value::Items;
use super::{
    AgentSettings, Config, HandoffSettings, LedgerSettings, LogSettings, MilterSettings, Socket,
    VerifySettings,
};
use crate::mail::Address;
use crate::mail::domain::same_domain;
use crate::policy::keys::Keys;
use crate::policy::rules::{GiveUp, Rules};

/// A configuration whose files and folders have not been looked at.
pub(super) struct Draft {
    /// Nothing if something is wrong. Its keys are empty, its key file is as written.
    pub(super) config: Option<Config>,
    /// The milter's sockets.
    pub(super) sockets: Vec<Found<Socket>>,
    /// The state folder.
    pub(super) state_dir: Option<Found<PathBuf>>,
    /// The key file, as written.
    pub(super) key_file: Option<Found<PathBuf>>,
    /// Whether there is nothing to do, so that neither keys nor folders are needed.
    pub(super) is_idle: bool,
}

pub(super) fn build(path: &Path, tree: &Tree<'_>, report: &mut Report) -> Draft {
    let mut sockets = Sockets::default();
    let milter = milter(tree.fixed(Section::Milter), &mut sockets, report);
    let handoff = handoff(tree.fixed(Section::Handoff), &mut sockets, report);
    let agent = sockets.take_agent(tree.fixed(Section::Agent), report);
    let alerts = tree.fixed(Section::Alerts);
    let alerts_smtpd = sockets.take_hop(alerts, &s::ALERTS_SMTPD, report);
    sockets.check(report);
    let log = log(tree.fixed(Section::Log), report);
    let outbound = outbound::Drafts::read(tree, report);
    let (rules, has_addresses) = checks::rules(tree, report);
    outbound.check(rules.as_ref(), report);
    let is_idle = !has_addresses && !outbound.are_some();
    let rules = rules.zip(outbound.finish()).map(|(rules, outbound)| Rules { outbound, ..rules });
    let top = tree.fixed(Section::Top);
    let state_dir = top.get(&s::STATE_DIR, report).ok().flatten();
    let language = take(top, &s::LANGUAGE, report);
    let journal = tree.fixed(Section::Journal);
    let journal_size = take(journal, &s::JOURNAL_SIZE, report);
    let journal_files = take(journal, &s::JOURNAL_FILES, report);
    let ledger = ledger(tree.fixed(Section::Ledger), report);
    let verify = verify(tree.fixed(Section::Verify), report);
    let alerts = alerts.get(&s::ALERTS_TO, report).ok().flatten();
    let alerts = alerts.map(Found::items);
    if let (Some(rules), Some(alerts)) = (&rules, &alerts) {
        alerts_go_elsewhere(rules, alerts, report);
    }
    let alerts_to: Option<Vec<Address>> =
        alerts.map(|items| items.into_iter().map(|item| item.value).collect());
    let give_up_after = take(tree.fixed(Section::Handoff), &s::GIVE_UP_AFTER, report);
    let metrics = tree.fixed(Section::Metrics).get(&s::METRICS_LISTEN, report).ok();
    let key_file = tree.fixed(Section::Seal).get(&s::KEY_FILE, report).ok().flatten();
    // Where outgoing mail is not looked at, or nothing is unwrapped, nobody listens there.
    if rules.as_ref().is_some_and(Rules::has_outbound) {
        sockets.milter.append(&mut sockets.submission);
    }
    if rules.as_ref().is_some_and(Rules::unwraps) {
        sockets.milter.extend(sockets.agent.take());
    }
    let signs_copies = sockets.signer.is_some();
    let config = || {
        let give_up =
            GiveUp { after: give_up_after?.as_secs(), to: alerts_to.as_ref()?.first().cloned() };
        Some(Config {
            path: path.to_owned(),
            rules: Rules { signs_copies, probes: verify.as_ref()?.probes, give_up, ..rules? },
            keys: Keys::default(),
            key_file: key_file.as_ref()?.value.clone(),
            milter: milter?,
            handoff: handoff?,
            agent: AgentSettings { socket: agent? },
            log: log?,
            ledger: ledger?,
            verify: verify?,
            alerts_to: alerts_to?,
            alerts_smtpd: alerts_smtpd?,
            metrics: metrics?.map(|found| found.value),
            state_dir: state_dir.as_ref()?.value.clone(),
            journal_size: journal_size?,
            journal_files: journal_files?,
            language: language?,
        })
    };
    let config = config();
    Draft { config, sockets: sockets.milter, state_dir, key_file, is_idle }
}

/// The value of a setting that has a default; nothing if it is wrong.
fn take<T>(table: &Table<'_>, setting: &'static Setting<T>, report: &mut Report) -> Option<T> {
    Some(table.get(setting, report).ok()??.value)
}

fn milter(table: &Table<'_>, sockets: &mut Sockets, report: &mut Report) -> Option<MilterSettings> {
    let front = sockets.take_list(table, &s::FRONT, report);
    let submission = sockets.take_submission(table, report);
    let handoff = sockets.take_list(table, &s::HANDOFF, report);
    let accept_early = take(table, &s::ACCEPT_EARLY, report);
    let deadline = take(table, &s::DEADLINE, report);
    let drain = take(table, &s::DRAIN, report);
    let max_sessions = take(table, &s::MAX_SESSIONS, report);
    Some(MilterSettings {
        front: front?,
        submission: submission?,
        handoff: handoff?,
        accept_early: accept_early?,
        deadline: deadline?,
        drain: drain?,
        max_sessions: usize::try_from(max_sessions?).ok()?,
    })
}

fn handoff(
    table: &Table<'_>,
    sockets: &mut Sockets,
    report: &mut Report,
) -> Option<HandoffSettings> {
    let smtpd = sockets.take_hop(table, &s::SMTPD, report);
    let return_smtpd = sockets.take_hop(table, &s::RETURN_SMTPD, report);
    sockets.signer = table.get(&s::SIGNER, report).ok()?;
    let signer = sockets.signer.as_ref().map(|found| found.value.clone());
    Some(HandoffSettings { smtpd: smtpd?, return_smtpd: return_smtpd?, signer })
}

fn log(table: &Table<'_>, report: &mut Report) -> Option<LogSettings> {
    let level = take(table, &s::LEVEL, report);
    let addresses = take(table, &s::LOG_ADDRESSES, report);
    let target = take(table, &s::TARGET, report);
    Some(LogSettings { level: level?, addresses: addresses?, target: target? })
}

fn ledger(table: &Table<'_>, report: &mut Report) -> Option<LedgerSettings> {
    let database = take(table, &s::DATABASE, report);
    let credential = table.get(&s::DATABASE_CREDENTIAL, report).ok();
    let addresses = take(table, &s::LEDGER_ADDRESSES, report);
    let retention = take(table, &s::RETENTION, report);
    let host = table.get(&s::HOST, report).ok();
    Some(LedgerSettings {
        database: database?,
        credential: credential?.map(|found| found.value),
        addresses: addresses?,
        retention: retention?,
        host: host?.map(|found| found.value),
    })
}

/// An alert to a recruiting address would be an application, and fail like one. And what there is no
/// other place for is given to whom alerts go: to none of our own addresses.
fn alerts_go_elsewhere(rules: &Rules, alerts: &[Found<Address>], report: &mut Report) {
    for found in alerts {
        let to = &found.value;
        let is = |other: &Address| same_mailbox(to, other, &rules.delimiters);
        let own = [&rules.handoff_domain, &rules.return_domain];
        let what = if rules.lookup(to.as_str()).is_some() {
            format!("the recruiting address \"{to}\"")
        } else if rules.bounce.as_ref().is_some_and(is) {
            format!("the bounce address \"{to}\"")
        } else if rules.systems.iter().any(|system| is(&system.inbound)) {
            format!("the inbound address \"{to}\" of a system")
        } else if own.iter().any(|domain| same_domain(to.domain(), domain)) {
            format!("\"{to}\" in the handoff domain")
        } else {
            continue;
        };
        report.push(
            Finding::error(format!("alerts would go to {what}"))
                .at(&found.at)
                .remedy("name somebody who reads mail: the postmaster, or HR"),
        );
    }
}

fn verify(table: &Table<'_>, report: &mut Report) -> Option<VerifySettings> {
    let every = take(table, &s::EVERY, report);
    let stale = take(table, &s::STALE, report);
    let via = take(table, &s::VIA, report);
    let probes = take(table, &s::PROBES, report);
    Some(VerifySettings { every: every?, stale: stale?, via: via?, probes: probes? })
}

/// Everything that listens, the milter's sockets and the smtpds of ours.
#[derive(Default)]
struct Sockets {
    milter: Vec<Found<Socket>>,
    submission: Vec<Found<Socket>>,
    agent: Option<Found<Socket>>,
    hops: Vec<Found<Socket>>,
    /// Not ours: somebody else must listen there.
    signer: Option<Found<Socket>>,
}

impl Sockets {
    fn take_list(
        &mut self,
        table: &Table<'_>,
        setting: &'static Setting<Items<Socket>>,
        report: &mut Report,
    ) -> Option<Vec<Socket>> {
        let list = table.get(setting, report).ok()??.items();
        self.milter.extend(list.iter().cloned());
        Some(list.into_iter().map(|found| found.value).collect())
    }

    fn take_submission(&mut self, table: &Table<'_>, report: &mut Report) -> Option<Vec<Socket>> {
        self.submission = table.get(&s::SUBMISSION, report).ok()??.items();
        Some(self.submission.iter().map(|found| found.value.clone()).collect())
    }

    fn take_agent(&mut self, table: &Table<'_>, report: &mut Report) -> Option<Socket> {
        let found = table.get(&s::AGENT_SOCKET, report).ok()??;
        self.agent = Some(found.clone());
        Some(found.value)
    }

    fn take_hop(
        &mut self,
        table: &Table<'_>,
        setting: &'static Setting<SocketAddr>,
        report: &mut Report,
    ) -> Option<SocketAddr> {
        let found = table.get(setting, report).ok()??;
        self.hops.push(Found { value: Socket::Inet(found.value), at: found.at });
        Some(found.value)
    }

    /// All that is ours.
    fn listening(&self) -> impl Iterator<Item = &Found<Socket>> {
        self.milter.iter().chain(&self.submission).chain(&self.agent)
    }

    fn check(&self, report: &mut Report) {
        let all: Vec<_> = self.listening().chain(&self.hops).collect();
        for (i, found) in all.iter().enumerate() {
            let Some(first) = all[..i].iter().find(|f| collide(&f.value, &found.value)) else {
                continue;
            };
            // The one that was written comes first, the other may be a default.
            let (one, other) = match found.at.span {
                Some(_) => (found, first),
                None => (first, found),
            };
            let key = |f: &Found<Socket>| f.at.key.clone().unwrap_or_default();
            let role = format!("{:?} of [{}]", key(other), other.at.section);
            report.push(
                Finding::error(format!(
                    "{:?} is to listen at \"{}\", and so is {role}",
                    key(one),
                    one.value
                ))
                .at(&one.at)
                .see(&other.at, "the other one here")
                .remedy("give each a place of its own"),
            );
        }
        if let Some(signer) = &self.signer
            && let Some(own) = all.iter().find(|f| collide(&f.value, &signer.value))
        {
            let key = own.at.key.clone().unwrap_or_default();
            report.push(
                Finding::error(format!(
                    "\"signer\" is at \"{}\", where {key:?} of [{}] listens",
                    signer.value, own.at.section
                ))
                .at(&signer.at)
                .see(&own.at, "the other one here")
                .remedy("write the socket at which your DKIM signer listens"),
            );
        }
        for found in self.listening() {
            if let Socket::Inet(address) = found.value
                && !address.ip().to_canonical().is_loopback()
            {
                report.push(
                    Finding::warning(format!(
                        "anybody who reaches \"{}\" can speak to the milter",
                        found.value
                    ))
                    .at(&found.at)
                    .remedy("use a unix: socket or 127.0.0.1, or keep others out by a firewall"),
                );
            }
        }
    }
}

/// Whether two cannot listen at the same time.
fn collide(a: &Socket, b: &Socket) -> bool {
    match (a, b) {
        // Components leave out repeated slashes and single dots.
        (Socket::Unix(a), Socket::Unix(b)) => a.components().eq(b.components()),
        (Socket::Inet(a), Socket::Inet(b)) => {
            let any = a.ip().is_unspecified() || b.ip().is_unspecified();
            a.port() == b.port() && (any || a.ip() == b.ip())
        }
        _ => false,
    }
}
