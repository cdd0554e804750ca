//! The effective configuration as TOML: every setting with its value, defaults included.
//!
//! Must not know files.
// SPDX-License-Identifier: GPL-3.0-or-later

mod outbound;

use std::fmt::{Display, Write as _};
use std::path::PathBuf;

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use super::info::{Section, Words};
use super::settings::{
    self as s, LANGUAGES, LEVELS, MASKINGS, PROBES_WORDS, Setting, TARGETS, UNWRAPS,
};
use super::value::{SIZES, TIMES, in_units};
use super::{Config, Database, Socket};
use crate::policy::keys::Keys;
use crate::policy::kind::{Actions, Kind};
use crate::policy::rules::{AddressRule, System};

impl Config {
    /// The whole configuration as it is in effect, as TOML. Secrets are not in it: of the keys it
    /// tells the numbers alone.
    pub fn effective(&self) -> String {
        let mut out = Printer(String::new());
        self.print_top(&mut out);
        self.print_milter(&mut out);
        let rules = &self.rules;
        for (number, system) in rules.systems.iter().enumerate() {
            let mine = || rules.addresses.iter().filter(move |r| r.system == number);
            print_system(&mut out, system, &mine().collect::<Vec<_>>());
            mine().for_each(|rule| print_address(&mut out, rule));
        }
        outbound::print(&mut out, &rules.outbound);
        out.section(Section::Internal);
        out.set(&s::DOMAINS, &list(&rules.internal_domains));
        out.set(&s::NETWORKS, &list(&rules.internal_networks));
        out.set(&s::FORMS, &list(&rules.internal_forms));
        out.set_if(&s::AUTHSERV_ID, rules.authserv_id.as_ref());
        out.section(Section::Reading);
        let limit = u64::try_from(rules.reading.limit).unwrap_or(u64::MAX);
        out.set(&s::READING_LIMIT, &text(in_units(limit, SIZES)));
        out.set(&s::SPAM, &list(&rules.reading.verdicts));
        out.set(&s::BOARDS, &list(&rules.reading.boards));
        out.set(&s::KINDS, &kinds(&Actions::default(), |_| true));
        if let Some(bounce) = &rules.bounce {
            out.section(Section::Bounces);
            out.set(&s::BOUNCE_ADDRESS, &text(bounce));
        }
        self.print_rest(&mut out);
        out.0
    }

    /// What a configuration can be told by: the same for all who read the same files, wherever each
    /// finds the key.
    pub fn fingerprint(&self) -> String {
        let keyless = Self { key_file: PathBuf::new(), keys: Keys::default(), ..self.clone() };
        HEXLOWER.encode(&Sha256::digest(keyless.effective())[..8])
    }

    fn print_top(&self, out: &mut Printer) {
        out.set(&s::LANGUAGE, &word(LANGUAGES, self.language));
        out.set(&s::RECIPIENT_DELIMITER, &text(&self.rules.delimiters));
        out.set(&s::STATE_DIR, &text(self.state_dir.display()));
    }

    fn print_milter(&self, out: &mut Printer) {
        let m = &self.milter;
        out.section(Section::Milter);
        out.set(&s::FRONT, &sockets(&m.front));
        out.set(&s::SUBMISSION, &sockets(&m.submission));
        out.set(&s::HANDOFF, &sockets(&m.handoff));
        out.set(&s::ACCEPT_EARLY, &m.accept_early.to_string());
        out.set(&s::DEADLINE, &text(in_units(m.deadline.as_secs(), TIMES)));
        out.set(&s::DRAIN, &text(in_units(m.drain.as_secs(), TIMES)));
        out.set(&s::MAX_SESSIONS, &m.max_sessions.to_string());
        out.section(Section::Handoff);
        out.set(&s::HANDOFF_DOMAIN, &text(&self.rules.handoff_domain));
        out.set(&s::SMTPD, &text(self.handoff.smtpd));
        out.set(&s::RETURN_SMTPD, &text(self.handoff.return_smtpd));
        out.set(&s::GIVE_UP_AFTER, &text(in_units(self.rules.give_up.after, TIMES)));
        out.set_if(&s::SIGNER, self.handoff.signer.as_ref());
        out.section(Section::Agent);
        out.set(&s::AGENT_SOCKET, &text(&self.agent.socket));
        out.set(&s::AGENT_SIZE, &text(in_units(self.rules.reading.unwrap_limit, SIZES)));
    }

    fn print_rest(&self, out: &mut Printer) {
        out.section(Section::Seal);
        out.set(&s::KEY_FILE, &text(self.key_file.display()));
        out.comment(&format!("keys in use: {:?}", self.keys));
        out.section(Section::Loop);
        out.set(&s::BUDGET, &self.rules.loop_budget.to_string());
        out.section(Section::Log);
        out.set(&s::LEVEL, &word(LEVELS, self.log.level));
        out.set(&s::LOG_ADDRESSES, &word(MASKINGS, self.log.addresses));
        out.set(&s::TARGET, &word(TARGETS, self.log.target));
        out.section(Section::Journal);
        out.set(&s::JOURNAL_SIZE, &text(in_units(self.journal_size, SIZES)));
        out.set(&s::JOURNAL_FILES, &self.journal_files.to_string());
        self.print_books(out);
    }

    fn print_books(&self, out: &mut Printer) {
        let ledger = &self.ledger;
        out.section(Section::Ledger);
        out.set(
            &s::DATABASE,
            &match &ledger.database {
                Database::File(path) => text(path.display()),
                Database::Postgres(url) => text(url),
            },
        );
        out.set_if(&s::DATABASE_CREDENTIAL, ledger.credential.as_ref());
        out.set(&s::LEDGER_ADDRESSES, &word(MASKINGS, ledger.addresses));
        out.set(&s::RETENTION, &text(in_units(ledger.retention.as_secs(), TIMES)));
        out.set_if(&s::HOST, ledger.host.as_ref());
        let verify = &self.verify;
        out.section(Section::Verify);
        let every = verify.every.map_or("off".into(), |every| in_units(every.as_secs(), TIMES));
        out.set(&s::EVERY, &text(every));
        out.set(&s::STALE, &text(in_units(verify.stale.as_secs(), TIMES)));
        out.set(&s::VIA, &text(verify.via));
        out.set(&s::PROBES, &word(PROBES_WORDS, verify.probes));
        out.section(Section::Alerts);
        out.set(&s::ALERTS_TO, &list(&self.alerts_to));
        out.set(&s::ALERTS_SMTPD, &text(self.alerts_smtpd));
        if let Some(metrics) = self.metrics {
            out.section(Section::Metrics);
            out.set(&s::METRICS_LISTEN, &text(metrics));
        }
    }
}

fn print_system(out: &mut Printer, system: &System, rules: &[&AddressRule]) {
    out.named(Section::System, &system.id);
    out.set(&s::PROFILE, &text(&system.profile));
    out.set(&s::INBOUND, &text(&system.inbound));
    let patterns: Vec<_> = rules.iter().map(|rule| &rule.pattern).collect();
    out.set(&s::ADDRESSES, &list(&patterns));
    out.set_if(&s::NEXT_HOP, system.next_hop.as_ref());
}

fn print_address(out: &mut Printer, rule: &AddressRule) {
    out.named(Section::Address, &text(&rule.pattern));
    out.set(&s::LOCAL_COPY, &rule.local_copy.to_string());
    out.set_if(&s::FALLBACK, rule.fallback.as_ref());
    out.set_if(&s::OWNER, rule.owner.as_ref());
    out.set_if(&s::PERSON, rule.person.as_ref());
    out.set(&s::UNWRAP, &word(UNWRAPS, rule.unwrap));
    out.set(&s::OUTBOUND_COPY, &rule.outbound_copy.to_string());
    // Over those of [reading], which are the defaults here.
    let differs = |kind: &Kind| rule.actions.of(*kind) != kind.default_action();
    if Kind::ALL.iter().any(differs) {
        out.set(&s::ADDRESS_KINDS, &kinds(&rule.actions, differs));
    }
}

/// Writes TOML. Writing to a String cannot fail.
struct Printer(String);

impl Printer {
    fn section(&mut self, section: Section) {
        _ = writeln!(self.0, "\n[{}]", section.name());
    }

    fn named(&mut self, section: Section, name: &str) {
        _ = writeln!(self.0, "\n[{}.{name}]", section.name());
    }

    fn set<T>(&mut self, setting: &Setting<T>, value: &str) {
        _ = writeln!(self.0, "{} = {value}", setting.info.name);
    }

    fn set_if<T>(&mut self, setting: &Setting<T>, value: Option<impl Display>) {
        if let Some(value) = value {
            self.set(setting, &text(value));
        }
    }

    fn comment(&mut self, text: &str) {
        _ = writeln!(self.0, "# {text}");
    }
}

/// A TOML string.
fn text(value: impl Display) -> String {
    toml::Value::String(value.to_string()).to_string()
}

fn list(items: &[impl Display]) -> String {
    let items: Vec<String> = items.iter().map(text).collect();
    format!("[{}]", items.join(", "))
}

fn kinds(actions: &Actions, shown: impl Fn(&Kind) -> bool) -> String {
    let all = Kind::ALL.iter().filter(|kind| shown(kind));
    let all: Vec<String> =
        all.map(|kind| format!("{kind} = {}", text(actions.of(*kind).word()))).collect();
    format!("{{ {} }}", all.join(", "))
}

fn sockets(sockets: &[Socket]) -> String {
    match sockets {
        [one] => text(one),
        many => list(many),
    }
}

fn word<T: Copy + PartialEq>(words: Words<T>, value: T) -> String {
    let found = words.iter().find(|(_, known)| *known == value);
    text(found.map_or("", |(name, _)| *name))
}
