//! A new configuration for a daemon that runs.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;

use super::super::say;
use crate::config::{self, Config};
use crate::milter::decide::Active;
use crate::milter::shell::Shell;
use crate::observe::{self, Logging};

/// The configuration in use, and the milter that decides by it, where this process is one.
pub(super) struct Live {
    config: Arc<ArcSwap<Config>>,
    milter: Option<Arc<Shell<Active>>>,
    /// Whether the last reload was taken.
    reloaded: Arc<AtomicBool>,
}

impl Live {
    pub(super) fn new(config: Config, milter: Option<Arc<Shell<Active>>>) -> Self {
        let reloaded = Arc::new(AtomicBool::new(true));
        Self { config: Arc::new(ArcSwap::from_pointee(config)), milter, reloaded }
    }

    /// The configuration, for those who ask again each time.
    pub(super) fn handle(&self) -> Arc<ArcSwap<Config>> {
        Arc::clone(&self.config)
    }

    /// Whether the last reload was taken, for those who ask again each time.
    pub(super) fn reloaded(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.reloaded)
    }

    fn take(&self, config: Config) {
        if let Some(shell) = &self.milter {
            shell.reload(shell.policy().with(config.clone()));
        }
        self.config.store(Arc::new(config));
    }

    /// Reads the configuration anew. What is wrong with it is told, and the old one stays.
    pub(super) fn reload(&self, logging: &Logging) {
        let old = self.config.load_full();
        let path = old.path.clone();
        match config::load(&path) {
            // New handoffs would go to a domain that Postfix does not route: nobody would ever get them.
            Ok(loaded) if !same_hops(&old, &loaded.config) => {
                let first =
                    "[handoff] has changed: run recruit-milter postfix --apply, then restart";
                self.reloaded.store(false, Ordering::Relaxed);
                observe::reload_failed(&path, 1, first);
            }
            Ok(loaded) => {
                if routes(&loaded.config) != routes(&old) {
                    observe::needs_apply("system, bounces or recipient_delimiter");
                }
                if outgoing(&loaded.config) != outgoing(&old) {
                    observe::needs_apply("login, route or outbound_copy");
                }
                if loaded.config.listening() != old.listening() {
                    observe::needs_restart("[milter]");
                }
                if loaded.config.metrics != old.metrics {
                    observe::needs_restart("[metrics]");
                }
                if agent_of(&loaded.config) != agent_of(&old) {
                    observe::needs_apply("unwrap or [agent]");
                    observe::needs_restart("[agent]");
                }
                observe::reloaded(
                    &path,
                    loaded.config.rules.systems.len(),
                    loaded.config.rules.addresses.len(),
                );
                logging.reload(&loaded.config.log);
                self.take(loaded.config);
                self.reloaded.store(true, Ordering::Relaxed);
            }
            Err(problems) => {
                self.reloaded.store(false, Ordering::Relaxed);
                let first = problems.iter().next().map(|p| p.message.clone()).unwrap_or_default();
                observe::reload_failed(&path, problems.len(), &first);
                say(&format!(
                    "{}The running daemon keeps the old configuration.",
                    problems.render(false)
                ));
            }
        }
    }
}

/// Whether two configurations hand copies over at the same places.
fn same_hops(one: &Config, other: &Config) -> bool {
    one.handoff == other.handoff && one.rules.handoff_domain == other.rules.handoff_domain
}

/// Whether there is an agent, and what it cannot change while it runs.
fn agent_of(config: &Config) -> impl PartialEq + use<> {
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

/// What Postfix has to know besides.
fn routes(config: &Config) -> impl PartialEq + use<> {
    let systems = config.rules.systems.iter().map(|s| (s.inbound.clone(), s.next_hop.clone()));
    let rules = &config.rules;
    (systems.collect::<Vec<_>>(), rules.bounce.clone(), rules.delimiters.clone())
}
