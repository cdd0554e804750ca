//! Postfix's configuration: what is printed, and what becomes of a real instance.
// SPDX-License-Identifier: GPL-3.0-or-later

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop at once")]

mod doctor;
mod filters;
mod findings;
mod golden;
mod inside;
mod instance;
mod outgoing;
#[path = "../it/harness/port.rs"]
#[allow(unreachable_pub, reason = "shared with the other tests")]
mod port;
mod real;
mod served;

use std::time::Duration;

use recruit_milter::config::{
    AgentSettings, Config, Database, HandoffSettings, LedgerSettings, LogLevel, LogSettings,
    LogTarget, Masking, MilterSettings, Probes, Socket, VerifySettings,
};
use recruit_milter::language::{Choice, Language};
use recruit_milter::mail::Address;
use recruit_milter::policy::keys::Keys;
use recruit_milter::policy::rules::{Rules, System};

/// A configuration with one system and sockets below a queue directory.
fn config(queue_directory: &str) -> Config {
    let mut rules = Rules::default();
    rules.systems.push(system("personio", "acme-jobs@m-personio.de"));
    rules.handoff_domain = "handoff.recruit-milter.internal".into();
    rules.return_domain = "return.recruit-milter.internal".into();
    rules.bounce = Some(Address::parse("recruit-bounces@acme.example").unwrap());
    rules.delimiters = "+".into();
    let socket = |name| Socket::Unix(format!("{queue_directory}/recruit-milter/{name}").into());
    Config {
        key_file: "seal.key".into(),
        path: "recruit-milter.toml".into(),
        rules,
        keys: Keys::default(),
        milter: MilterSettings {
            front: vec![socket("front.sock")],
            submission: vec![socket("submission.sock")],
            handoff: vec![socket("handoff.sock")],
            accept_early: false,
            deadline: Duration::from_secs(5),
            drain: Duration::from_secs(30),
            max_sessions: 1000,
        },
        handoff: HandoffSettings {
            smtpd: "127.0.0.1:10027".parse().unwrap(),
            return_smtpd: "127.0.0.1:10028".parse().unwrap(),
            signer: None,
        },
        agent: AgentSettings { socket: socket("agent.sock") },
        log: LogSettings {
            level: LogLevel::Info,
            addresses: Masking::Hash,
            target: LogTarget::Stderr,
        },
        ledger: LedgerSettings {
            database: Database::File("ledger.sqlite".into()),
            credential: None,
            addresses: Masking::Hash,
            retention: Duration::from_secs(30 * 86_400),
            host: None,
        },
        verify: VerifySettings {
            every: None,
            stale: Duration::from_secs(3 * 86_400),
            via: "127.0.0.1:25".parse().unwrap(),
            probes: Probes::Stop,
        },
        alerts_to: Vec::new(),
        alerts_smtpd: "127.0.0.1:10029".parse().unwrap(),
        metrics: None,
        state_dir: "state".into(),
        journal_size: 1 << 20,
        journal_files: 4,
        language: Choice::Of(Language::En),
    }
}

fn system(id: &str, inbound: &str) -> System {
    System {
        id: id.into(),
        profile: "generic".into(),
        inbound: Address::parse(inbound).unwrap(),
        next_hop: None,
    }
}
