//! Figures for Prometheus: counted from what goes into the ledger, read over HTTP on loopback.
//!
//! Labels come from the configuration alone, so nobody outside can make new ones, and no figure tells of
//! a person.
// SPDX-License-Identifier: GPL-3.0-or-later

mod http;

use std::collections::{HashMap, VecDeque};
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use jiff::Timestamp;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use super::alerts::SOON;
use super::books::Counters;
use super::lookout::{Sight, View};
use crate::config::Config;
use crate::journal::{Action, Entry, Pass};
use crate::ledger::evidence::verdicts;
use crate::ledger::{self, Access, Summary};
use crate::policy::outcome::Outcome;
use crate::policy::rules::AddressRule;
use crate::policy::unread::Unread;
use crate::policy::verification::{State, Verdict};
use crate::way::{self as spot, Place, Side};

pub use http::serve;

/// Labels and their values.
type Labels = Vec<(&'static str, String)>;

/// Of so many copies it is remembered when they came.
const REMEMBERED: usize = 20_000;
/// Seconds from the arrival of a mail until the recruiting system's server took its copy.
const DELAYS: [f64; 12] =
    [0.5, 1.0, 2.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 86_400.0, 432_000.0];

/// The figures.
pub struct Metrics {
    current: Arc<ArcSwap<Config>>,
    books: Arc<Counters>,
    reloaded: Arc<AtomicBool>,
    sight: Sight,
    messages: Family<Labels, Counter>,
    forwards: Family<Labels, Counter>,
    skips: Family<Labels, Counter>,
    unread: Family<Labels, Counter>,
    delay: Histogram,
    came: Mutex<Came>,
}

/// When copies came.
#[derive(Default)]
struct Came {
    at: HashMap<String, Timestamp>,
    order: VecDeque<String>,
}

impl Came {
    fn note(&mut self, token: &str, at: Timestamp) {
        if self.at.insert(token.to_owned(), at).is_none() {
            self.order.push_back(token.to_owned());
        }
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.at.remove(&oldest);
        }
    }
}

/// What the ledger says.
struct Seen {
    verdicts: Vec<Verdict>,
    summaries: Vec<Summary>,
    /// Copies that pass 2 has not seen for long: address, how many, since when.
    not_through: Vec<(String, u64, Timestamp)>,
}

impl Metrics {
    /// Figures that begin at 0. `reloaded` says whether the last reload was taken, `sight` how the way of
    /// mail is.
    pub fn new(
        current: Arc<ArcSwap<Config>>,
        books: Arc<Counters>,
        reloaded: Arc<AtomicBool>,
        sight: Sight,
    ) -> Self {
        let this = Self {
            current,
            books,
            reloaded,
            sight,
            messages: Family::default(),
            forwards: Family::default(),
            skips: Family::default(),
            unread: Family::default(),
            delay: Histogram::new(DELAYS),
            came: Mutex::default(),
        };
        // A series that is missing until something fails cannot be watched.
        let config = this.current.load();
        for rule in &config.rules.addresses {
            for result in [Outcome::Delivered, Outcome::Delayed, Outcome::Failed] {
                let _ = this.forwards.get_or_create(&forward_labels(&config, rule, result));
            }
        }
        drop(config);
        for why in Unread::ALL {
            let _ = this.unread.get_or_create(&vec![("reason", why.word().to_owned())]);
        }
        this
    }

    /// Counts an entry.
    pub fn take(&self, entry: &Entry) {
        if entry.pass == Pass::Agent {
            return;
        }
        let labels = vec![("pass", entry.pass.to_string()), ("action", entry.action.to_string())];
        self.messages.get_or_create(&labels).inc();
        let why = Unread::ALL.iter().find(|why| entry.reason.as_deref() == Some(why.reason()));
        if let Some(why) = why {
            self.unread.get_or_create(&vec![("reason", why.word().to_owned())]).inc();
        }
        match entry.action {
            Action::Copy(Outcome::Diverted) => {
                if let Some(token) = &entry.token {
                    self.came().note(token, entry.time);
                }
            }
            Action::Copy(outcome) if outcome.stays_here() => {
                let reason = entry.reason.clone().unwrap_or_default();
                self.skips.get_or_create(&vec![("reason", reason)]).inc();
            }
            Action::Report if entry.pass == Pass::Handoff => self.report(entry),
            _ => {}
        }
    }

    fn came(&self) -> std::sync::MutexGuard<'_, Came> {
        self.came.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn report(&self, entry: &Entry) {
        let Some(result) = entry.report.and_then(Outcome::reported) else { return };
        let config = self.current.load();
        let rules = &config.rules;
        let address = entry.address.as_deref().unwrap_or_default();
        let rule = rules.lookup(address).map(|(_, rule)| rule);
        let rule =
            rule.or_else(|| rules.addresses.iter().find(|r| r.pattern.to_string() == address));
        if let Some(rule) = rule {
            self.forwards.get_or_create(&forward_labels(&config, rule, result)).inc();
        }
        let came = entry.token.as_ref().and_then(|token| self.came().at.get(token).copied());
        if let Some(came) = came.filter(|_| result == Outcome::Delivered) {
            self.delay.observe((entry.time - came).total(jiff::Unit::Second).unwrap_or(0.0));
        }
    }

    /// All figures as text. Waits for the ledger.
    pub fn text(&self) -> String {
        let mut registry = Registry::with_prefix("recruit_milter");
        let version = env!("CARGO_PKG_VERSION").to_owned();
        registry.register("build", "The version", Info::new(vec![("version", version)]));
        registry.register("messages", "Decisions", self.messages.clone());
        registry.register("forwards", "What became of copies", self.forwards.clone());
        registry.register("skips", "Mail that stayed here, by reason", self.skips.clone());
        let unread = "Mail that went on unread, by reason";
        registry.register("unread", unread, self.unread.clone());
        registry.register(
            "forward_delay_seconds",
            "From the arrival of a mail until its copy was taken",
            self.delay.clone(),
        );
        let counter = |value: &AtomicU64| {
            let counter: Counter = Counter::default();
            counter.inc_by(value.load(Ordering::Relaxed));
            counter
        };
        let gauge = |value: i64| {
            let gauge: Gauge = Gauge::default();
            gauge.set(value);
            gauge
        };
        let books = &self.books;
        registry.register("ledger_entries", "Entries written", counter(&books.entries));
        registry.register("ledger_errors", "Times it could not be used", counter(&books.errors));
        registry.register("journal_lost", "Entries that are missing", counter(&books.lost));
        let seen = self.look();
        // Where it cannot be read, the figures below are missing, and no rule looks at what is missing.
        let up = i64::from(books.up.load(Ordering::Relaxed) && seen.is_ok());
        registry.register("ledger_up", "Whether it can be used", gauge(up));
        let read = books.read_up_to.load(Ordering::Relaxed);
        let lag = if read == 0 { -1 } else { (Timestamp::now().as_millisecond() - read) / 1000 };
        registry.register("ledger_lag_seconds", "How far it is behind", gauge(lag));
        let reloaded = i64::from(self.reloaded.load(Ordering::Relaxed));
        registry.register("config_last_reload_successful", "0: it was refused", gauge(reloaded));
        let view = self.sight.now();
        self.verification(&mut registry, seen.ok(), view.as_deref());
        way(&mut registry, view.as_deref());
        let mut out = String::new();
        if encode(&mut out, &registry).is_err() {
            _ = write!(out, "# the figures cannot be written");
        }
        out
    }

    /// What the ledger says, to one who opens it.
    fn look(&self) -> Result<Seen, ledger::Error> {
        let config = self.current.load_full();
        let now = Timestamp::now();
        let mut ledger = ledger::open(&config, Access::Read)?;
        Ok(Seen {
            verdicts: verdicts(&mut ledger, &config, now)?,
            summaries: ledger.summary(now)?,
            not_through: ledger.not_through(now - SOON)?,
        })
    }

    fn verification(&self, registry: &mut Registry, seen: Option<Seen>, view: Option<&View>) {
        let now = Timestamp::now();
        let config = self.current.load_full();
        let verified: Family<Labels, Gauge> = Family::default();
        let success: Family<Labels, Gauge> = Family::default();
        let waiting: Family<Labels, Gauge> = Family::default();
        let stuck: Family<Labels, Gauge> = Family::default();
        if let Some(Seen { verdicts, summaries, not_through }) = seen {
            for (rule, verdict) in config.rules.addresses.iter().zip(verdicts) {
                let labels = vec![("address", rule.pattern.to_string())];
                // Where nobody has looked, nothing is said.
                if let Some(view) = view {
                    let now = u64::try_from(now.as_second()).unwrap_or(0);
                    let verdict = view.way.judge(rule, verdict.clone(), now);
                    let is = i64::from(verdict.state == State::Verified);
                    verified.get_or_create(&labels).set(is);
                }
                let at = i64::try_from(verdict.last_success.unwrap_or(0)).unwrap_or(0);
                success.get_or_create(&labels).set(at);
                let _ = waiting.get_or_create(&labels);
                let _ = stuck.get_or_create(&labels);
            }
            for (address, count, _) in not_through {
                if let Some((_, rule)) = config.rules.lookup(&address) {
                    let labels = vec![("address", rule.pattern.to_string())];
                    stuck.get_or_create(&labels).inc_by(i64::try_from(count).unwrap_or(0));
                }
            }
            for summary in summaries {
                let rule = config.rules.lookup(&summary.address).map(|(_, rule)| rule);
                let count = summary.waiting.map_or(0, |(count, _)| count);
                if let Some(rule) = rule {
                    let labels = vec![("address", rule.pattern.to_string())];
                    waiting.get_or_create(&labels).inc_by(i64::try_from(count).unwrap_or(0));
                }
            }
        }
        registry.register("address_verified", "Whether it is verified", verified);
        registry.register(
            "verification_last_success_timestamp_seconds",
            "When a mail to it last went the whole way",
            success,
        );
        registry.register("copies_waiting", "Copies without an end yet", waiting);
        registry.register(
            "copies_not_through",
            "Copies an hour old that are not through pass 2",
            stuck,
        );
    }
}

/// The way of mail as it was last seen.
fn way(registry: &mut Registry, view: Option<&View>) {
    let reachable: Family<Labels, Gauge> = Family::default();
    let attached: Family<Labels, Gauge> = Family::default();
    let others: Family<Labels, Gauge> = Family::default();
    if let Some(view) = view {
        for spot in view.way.spots() {
            // Of what was not looked at nothing is said but that.
            if matches!(spot.state, spot::State::NotLooked(_)) {
                continue;
            }
            let (family, label) = match &spot.place {
                Place::Settings
                | Place::Agent
                | Place::Socket(Side::Agent, _)
                | Place::Alerts(_) => (&others, "at"),
                Place::Socket(..) => (&reachable, "socket"),
                Place::Entrance(_) | Place::Hop(_) => (&attached, "smtpd"),
                Place::Address(_) => continue,
            };
            let labels = vec![(label, spot.place.to_string())];
            family.get_or_create(&labels).set(i64::from(spot.state == spot::State::Open));
        }
        let is_open = view.way.lets_mail_through() && view.way.not_looked().next().is_none();
        let gauge = |value: i64| {
            let gauge: Gauge = Gauge::default();
            gauge.set(value);
            gauge
        };
        let open = gauge(i64::from(is_open));
        registry.register("way_open", "Whether nothing is wrong on the way of mail", open);
        let at = gauge(view.at.as_second());
        registry.register("way_looked_timestamp_seconds", "When it was last looked at", at);
    }
    registry.register("milter_reachable", "Whether it answers at a socket", reachable);
    registry.register(
        "service_reachable",
        "Whether the agent answers at its socket, and Postfix where it takes alerts",
        others,
    );
    registry.register(
        "postfix_attached",
        "Whether Postfix takes mail at a smtpd, and the milter sees it",
        attached,
    );
}

fn forward_labels(config: &Config, rule: &AddressRule, result: Outcome) -> Labels {
    vec![
        ("address", rule.pattern.to_string()),
        ("system", config.rules.system(rule).id.clone()),
        ("result", result.to_string()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Socket;
    use crate::policy::report::Said;
    use crate::way::{Spot, Way};

    fn metrics() -> (Metrics, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "state_dir = \"{}\"\n[system.personio]\ninbound = \"in@ats.example\"\n\
             addresses = [\"jobs@acme.example\", \"@karriere.acme.example\"]\n",
            folder.path().display()
        );
        let config = crate::config::parse(&[("recruit-milter.toml".into(), text)]).unwrap().config;
        // As the bookkeeping does first of all.
        drop(ledger::open(&config, Access::Write).unwrap());
        let current = Arc::new(ArcSwap::from_pointee(config));
        let sight = Sight::default();
        sight.see(way(false));
        (Metrics::new(current, Arc::default(), Arc::new(AtomicBool::new(true)), sight), folder)
    }

    /// The way with the milter's front socket, or with a silent one.
    fn way(silent: bool) -> Way {
        let state = if silent { spot::State::Silent("no".into()) } else { spot::State::Open };
        let socket = Socket::Unix("/run/front.sock".into());
        let front = Spot { place: Place::Socket(Side::Front, socket), state };
        let via = Place::Entrance("127.0.0.1:25".parse().unwrap());
        let alerts = Place::Alerts("127.0.0.1:10029".parse().unwrap());
        let open = |place| Spot { place, state: spot::State::Open };
        Way::of(vec![front, open(via), open(alerts)])
    }

    fn entry(second: i64, pass: Pass, action: Action) -> Entry {
        let time = Timestamp::from_second(1_795_500_000 + second).unwrap();
        Entry {
            token: Some("aaaa".into()),
            address: Some("x@karriere.acme.example".into()),
            ..Entry::new(time, pass, action)
        }
    }

    #[test]
    fn each_outcome_is_counted_by_its_word() {
        let (metrics, _folder) = metrics();
        for outcome in Outcome::ALL {
            metrics.take(&entry(0, Pass::Handoff, Action::Copy(outcome)));
        }
        let text = metrics.text();
        for outcome in Outcome::ALL {
            let series = format!("messages_total{{pass=\"handoff\",action=\"{outcome}\"}} 1\n");
            assert!(text.contains(&series), "{series}{text}");
        }
    }

    #[test]
    fn what_goes_into_the_ledger_is_counted_and_names_nobody() {
        let (metrics, _folder) = metrics();
        let text = metrics.text();
        let zero = "recruit_milter_forwards_total{address=\"jobs@acme.example\",system=\"personio\",\
                    result=\"failed\"} 0\n";
        assert!(text.contains(zero), "{text}");
        metrics.take(&entry(0, Pass::Front, Action::Copy(Outcome::Diverted)));
        let mut report = entry(4, Pass::Handoff, Action::Report);
        report.report = Some(Said::Relayed);
        metrics.take(&report);
        let mut kept = entry(9, Pass::Handoff, Action::Copy(Outcome::Kept));
        kept.reason = Some("sealed".into());
        metrics.take(&kept);
        let mut unread = entry(9, Pass::Handoff, Action::Copy(Outcome::HandedOver));
        unread.reason = Some(Unread::Panic.reason().into());
        metrics.take(&unread);
        let mut stranger = report.clone();
        stranger.address = Some("eve@x.example".into());
        metrics.take(&stranger);
        let text = metrics.text();
        for line in [
            "recruit_milter_messages_total{pass=\"front\",action=\"diverted\"} 1\n",
            "recruit_milter_forwards_total{address=\"*@karriere.acme.example\",system=\"personio\",\
             result=\"delivered\"} 1\n",
            "recruit_milter_skips_total{reason=\"sealed\"} 1\n",
            "recruit_milter_unread_total{reason=\"panic\"} 1\n",
            "recruit_milter_unread_total{reason=\"deadline\"} 0\n",
            "recruit_milter_forward_delay_seconds_bucket{le=\"5.0\"} 2\n",
            "recruit_milter_address_verified{address=\"jobs@acme.example\"} 0\n",
            "recruit_milter_config_last_reload_successful 1\n",
            "recruit_milter_copies_not_through{address=\"jobs@acme.example\"} 0\n",
            "recruit_milter_ledger_lag_seconds -1\n",
        ] {
            assert!(text.contains(line), "{line}{text}");
        }
        assert!(!text.contains("eve") && !text.contains("x@karriere"), "{text}");
    }

    #[test]
    fn the_rules_and_the_dashboard_name_figures_that_there_are() {
        let (metrics, _folder) = metrics();
        let mut kept = entry(9, Pass::Handoff, Action::Copy(Outcome::Kept));
        kept.reason = Some("sealed".into());
        metrics.take(&kept);
        let text = metrics.text();
        for file in [
            include_str!("../../contrib/monitoring/recruit-milter.rules.yml"),
            include_str!("../../contrib/monitoring/dashboard.json"),
        ] {
            let mut names = 0;
            for part in file.split("recruit_milter_").skip(1) {
                let word = |c: char| c.is_ascii_lowercase() || c == '_';
                let name: String = part.chars().take_while(|c| word(*c)).collect();
                let name = format!("recruit_milter_{name}");
                assert!(text.contains(&name), "{name}");
                names += 1;
            }
            assert!(names > 4);
        }
        let _: serde_json::Value =
            serde_json::from_str(include_str!("../../contrib/monitoring/dashboard.json")).unwrap();
    }

    #[test]
    fn a_ledger_that_is_written_but_cannot_be_read_is_down() {
        let (metrics, folder) = metrics();
        metrics.books.up.store(true, Ordering::Relaxed);
        assert!(metrics.text().contains("recruit_milter_ledger_up 1\n"));
        // The bookkeeping goes on in what it has open.
        std::fs::rename(folder.path().join("ledger.sqlite"), folder.path().join("away")).unwrap();
        let text = metrics.text();
        assert!(text.contains("recruit_milter_ledger_up 0\n"), "{text}");
        assert!(!text.contains("recruit_milter_address_verified{"), "{text}");
    }

    #[test]
    fn while_the_milter_is_silent_nothing_is_verified_and_unseen_nothing_is_said() {
        let (mut metrics, _folder) = metrics();
        let config = metrics.current.load_full();
        let mut report = entry(4, Pass::Handoff, Action::Report);
        report.time = Timestamp::now();
        report.report = Some(Said::Relayed);
        report.address = Some("jobs@acme.example".into());
        let mut came = report.clone();
        (came.pass, came.action, came.report) =
            (Pass::Front, Action::Copy(Outcome::Diverted), None);
        let mut ledger = ledger::open(&config, Access::Write).unwrap();
        for entry in [came, report] {
            ledger.record(&ledger::host_of(&config), &entry).unwrap();
        }
        let figure = |metrics: &Metrics, name: &str| {
            let text = metrics.text();
            let line =
                text.lines().find(|line| line.starts_with(&format!("recruit_milter_{name}")));
            line.map(str::to_owned)
        };
        let verified = "address_verified{address=\"jobs@acme.example\"}";
        let reachable = "milter_reachable{socket=\"unix:/run/front.sock\"}";
        for (silent, value) in [(false, 1), (true, 0)] {
            metrics.sight.see(way(silent));
            for name in [verified, reachable, "way_open"] {
                let line = format!("recruit_milter_{name} {value}");
                assert_eq!(figure(&metrics, name), Some(line));
            }
            let attached = "postfix_attached{smtpd=\"127.0.0.1:25\"}";
            assert_eq!(figure(&metrics, attached), Some(format!("recruit_milter_{attached} 1")));
        }
        metrics.sight = Sight::default();
        for name in ["address_verified", "milter_reachable", "way_open"] {
            assert_eq!(figure(&metrics, name), None, "{name}");
        }
    }

    #[test]
    fn of_what_was_not_looked_at_no_figure_says_that_nobody_answers() {
        let (metrics, _folder) = metrics();
        let socket = |side, state| {
            let socket = Socket::Unix(format!("/run/{side:?}.sock").into());
            Spot { place: Place::Socket(side, socket), state }
        };
        let smtpd = |port| std::net::SocketAddr::from(([127, 0, 0, 1], port));
        let no = || spot::State::NotLooked("no".into());
        let silent = || spot::State::Silent("no".into());
        metrics.sight.see(Way::of(vec![
            socket(Side::Front, no()),
            socket(Side::Handoff, spot::State::Open),
            socket(Side::Agent, silent()),
            Spot { place: Place::Entrance(smtpd(25)), state: no() },
        ]));
        let text = metrics.text();
        assert!(!text.contains("Front.sock") && !text.contains("127.0.0.1:25"), "{text}");
        for line in [
            "milter_reachable{socket=\"unix:/run/Handoff.sock\"} 1\n",
            "service_reachable{at=\"unix:/run/Agent.sock\"} 0\n",
            "way_open 0\n",
        ] {
            assert!(text.contains(&format!("recruit_milter_{line}")), "{line}{text}");
        }
        assert!(!text.contains("milter_reachable{socket=\"unix:/run/Agent.sock\"}"), "{text}");
        // Alerts are nobody's mail.
        let alerts = Spot { place: Place::Alerts(smtpd(10029)), state: silent() };
        metrics.sight.see(Way::of(vec![alerts]));
        let text = metrics.text();
        assert!(text.contains("recruit_milter_service_reachable{at=\"127.0.0.1:10029\"} 0\n"));
        assert!(text.contains("recruit_milter_way_open 1\n"), "{text}");
    }

    #[test]
    fn the_memory_of_copies_is_bounded() {
        let mut came = Came::default();
        let now = Timestamp::now();
        for n in 0..REMEMBERED + 10 {
            came.note(&n.to_string(), now);
        }
        assert_eq!((came.at.len(), came.order.len()), (REMEMBERED, REMEMBERED));
    }
}
