//! A new configuration for a daemon that runs.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use sd_notify::NotifyState;

use super::super::say;
use super::notify;
use super::start::{Start, keep};
use crate::config::{self, Config};
use crate::milter::active::Active;
use crate::milter::shell::Shell;
use crate::observe::{self, Logging};
use crate::running::{Announcement, HOPS, Kept, Trouble};

/// The configuration in use, and the milter that decides by it, where this process is one.
pub(super) struct Live {
    config: Arc<ArcSwap<Config>>,
    milter: Option<Arc<Shell<Active>>>,
    /// Whether what the files said when they were last read is in use.
    reloaded: Arc<AtomicBool>,
    /// What others can read of this process.
    told: Announcement,
    start: Start,
}

impl Live {
    pub(super) fn new(
        start: Start,
        milter: Option<Arc<Shell<Active>>>,
        told: Announcement,
    ) -> Self {
        let reloaded = Arc::new(AtomicBool::new(start.trouble.is_none()));
        let config = Arc::new(ArcSwap::from_pointee(start.config.clone()));
        Self { config, milter, reloaded, told, start }
    }

    /// The start has succeeded: tells what is in use.
    pub(super) fn begin(&self) {
        if let Some(trouble) = &self.start.trouble {
            observe::last_good(&self.start.config.path, &trouble.first);
        }
        self.start.keep();
        self.tell(self.start.trouble.as_ref());
    }

    /// The configuration, for those who ask again each time.
    pub(super) fn handle(&self) -> Arc<ArcSwap<Config>> {
        Arc::clone(&self.config)
    }

    /// Says that this process is alive.
    pub(super) fn beat(&self) {
        self.told.beat();
    }

    /// Whether the last reload was taken, for those who ask again each time.
    pub(super) fn reloaded(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.reloaded)
    }

    fn take(&self, config: Config) {
        if let Some(shell) = &self.milter {
            shell.reload(shell.current().with(config.clone()));
        }
        self.config.store(Arc::new(config));
    }

    /// Tells those who compare, and systemd, what is in use and whether that is what the files say.
    fn tell(&self, trouble: Option<&Trouble>) {
        let was_told = !self.reloaded.swap(trouble.is_none(), Ordering::Relaxed);
        let config = self.config.load();
        if let Err(error) = self.told.tell(&config, trouble) {
            observe::not_kept(&config.state_dir, &error);
        }
        let words = match trouble {
            Some(Trouble { kept: Kept::TheOldOne, first }) => {
                format!("the last reload was refused: {first}")
            }
            Some(Trouble { kept: Kept::TheLastGoodOne, first }) => {
                format!("goes by the last good configuration, what is there is broken: {first}")
            }
            None if was_told => String::new(),
            None => return,
        };
        notify(&[NotifyState::Status(&words)]);
    }

    /// Reads the configuration anew. What is wrong with it is told, and the old one stays.
    pub(super) fn reload(&self, logging: &Logging) {
        let old = self.config.load_full();
        let path = old.path.clone();
        let loaded = match config::load_with(&path, &self.start.around) {
            Ok(loaded) => loaded,
            Err(problems) => {
                self.refuse(problems.len(), problems.first());
                say(&format!(
                    "{}The running daemon keeps the old configuration.",
                    problems.render(false)
                ));
                return;
            }
        };
        let needs_restart = self.told.needs_restart_for(&loaded.config);
        // New handoffs would go to a domain that Postfix does not route: nobody would ever get them.
        if needs_restart.iter().any(|name| name == HOPS) {
            let first = "[handoff] has changed: run recruit-milter postfix --apply, then restart";
            self.refuse(1, first.to_owned());
            return;
        }
        if routes(&loaded.config) != routes(&old) {
            observe::needs_apply("system, bounces or recipient_delimiter");
        }
        if outgoing(&loaded.config) != outgoing(&old) {
            observe::needs_apply("login, route or outbound_copy");
        }
        if told(&loaded.config) != told(&old) {
            observe::needs_apply("owner or [alerts]");
        }
        if unwrapping(&loaded.config) != unwrapping(&old) {
            observe::needs_apply("unwrap or [agent]");
        }
        for name in &needs_restart {
            observe::needs_restart(name);
        }
        let (systems, addresses) =
            (loaded.config.rules.systems.len(), loaded.config.rules.addresses.len());
        logging.reload(&loaded.config.log);
        keep(loaded.files);
        self.take(loaded.config);
        self.tell(None);
        observe::reloaded(&path, systems, addresses);
    }

    fn refuse(&self, problems: usize, first: String) {
        let trouble = Trouble { kept: Kept::TheOldOne, first };
        self.tell(Some(&trouble));
        observe::reload_failed(&self.config.load().path, problems, &trouble.first);
    }
}

/// What Postfix has to know of unwrapping.
fn unwrapping(config: &Config) -> impl PartialEq + use<> {
    let settings = || (config.agent.clone(), config.rules.reading.unwrap_limit);
    config.rules.unwraps().then(settings)
}

/// What Postfix has to know of outgoing mail: its routes, and who takes them.
fn outgoing(config: &Config) -> impl PartialEq + use<> {
    let outbound = &config.rules.outbound;
    let senders = outbound.logins.iter().map(|login| login.may_send_as.clone());
    let senders: Vec<_> = senders.collect();
    let (routes, choices) = (outbound.routes.clone(), outbound.choices.clone());
    (config.rules.has_outbound(), routes, choices, senders)
}

/// Who is told of trouble, and where Postfix takes it.
fn told(config: &Config) -> impl PartialEq + use<> {
    let told: Vec<String> = config.told().into_iter().map(crate::mail::Address::key).collect();
    (config.alerts_smtpd, told)
}

/// What Postfix has to know besides.
fn routes(config: &Config) -> impl PartialEq + use<> {
    let systems = config.rules.systems.iter().map(|s| (s.inbound.clone(), s.next_hop.clone()));
    let rules = &config.rules;
    (systems.collect::<Vec<_>>(), rules.bounce.clone(), rules.delimiters.clone())
}
