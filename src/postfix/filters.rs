//! Content filters: mail that one of them gives back comes in a second time, and our milter may see it
//! twice. Where it has its place then.
//!
//! * Before the filter and not behind: the handoff passes it, so it has to hand on NOTIFY and ORCPT.
//! * Behind the filter alone: whatever it is, but only where every mail passes it.
//!
//! What a filter is told of in tables, and what it offers, is read by `filters_read`; what is wrong, told by
//! `filters_check`. Pure: must not run anything.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::collections::BTreeMap;

use super::elements::{exchanged, is_element, without};
use super::matching::is_table;
use super::milters::{is_submission, main_milters, names, taken_out, with_milter};
use super::names::{
    FOLLOWS, FRONT, MILTERS, NON_SMTPD, REST, REST_PARAM, SUBMISSION, SUBMISSIONS, is_ours,
};
use super::site::Site;
use super::syntax::{Service, list};
use crate::config::Config;

/// The restrictions whose tables can say FILTER.
pub(super) const RESTRICTIONS: [&str; 7] = [
    "smtpd_client_restrictions",
    "smtpd_helo_restrictions",
    "smtpd_sender_restrictions",
    "smtpd_relay_restrictions",
    "smtpd_recipient_restrictions",
    "smtpd_data_restrictions",
    "smtpd_end_of_data_restrictions",
];
/// The tables of cleanup(8) that can say FILTER.
pub(super) const CHECKS: [&str; 5] = [
    "header_checks",
    "mime_header_checks",
    "nested_header_checks",
    "body_checks",
    "milter_header_checks",
];

/// A filter of a service's mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Filter {
    /// `transport:next hop`; the server itself where it stands before the queue.
    pub(super) to: String,
    /// Whether all mail of the service passes it.
    pub(super) always: bool,
    /// It stands before the queue (`smtpd_proxy_filter`): changes of milters are not made there.
    pub(super) proxy: bool,
}

/// How a filter treats the parameters of RFC 3461.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Dsn {
    /// It hands them on.
    Kept,
    /// It loses them.
    Lost,
    /// Nobody answered.
    Unknown,
    /// It is no transport of this Postfix.
    NoTransport,
}

/// Where our milter has its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// Before the filters and not behind.
    Before,
    /// Behind the filters alone.
    Behind,
}

/// The filters of an instance.
pub(super) struct Filters<'a> {
    pub(super) site: &'a Site,
    /// Where mail comes in that passes a filter.
    pub(super) entrances: Vec<(&'a Service, Vec<Filter>)>,
    /// Where a filter gives mail back, to pass another.
    pub(super) between: Vec<&'a Service>,
    /// Where the last filter gives mail back by SMTP.
    pub(super) behind: Vec<&'a Service>,
    /// What mail of sendmail(1) passes.
    pub(super) pickup: Vec<Filter>,
    pub(super) layout: Option<Layout>,
}

/// What our milter's places are to be.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Places {
    /// Whether it is to be at a smtpd, by its `name/type`. All others are left alone.
    smtpd: BTreeMap<String, bool>,
    /// Whether it is to see mail of sendmail(1).
    sendmail: bool,
}

impl Places {
    /// Whether it is to be at a smtpd of the site's; nothing where that is left as it is.
    pub(super) fn at(&self, service: &Service) -> Option<bool> {
        self.smtpd.get(&service.key()).copied()
    }

    /// What a smtpd is to have for its milters, whatever it was to have otherwise.
    pub(super) fn milters(&self, service: &Service, otherwise: Option<String>) -> Option<String> {
        let current = service.option(MILTERS).filter(|current| !is_rest(current));
        match (self.at(service), current) {
            (Some(false), None) => Some(REST.to_owned()),
            (Some(false), Some(current)) => Some(stripped(current)),
            (Some(true), Some(current)) if !names_ours(current, None) => {
                Some(list(&with_milter(current, FRONT)).join(","))
            }
            _ => otherwise,
        }
    }

    /// What `non_smtpd_milters` is to be, and why; nothing where the list needs nothing of ours.
    pub(super) fn non_smtpd(&self, site: &Site) -> Option<(String, &'static str)> {
        let current = site.raw(NON_SMTPD);
        if self.sendmail {
            let own = followed(current);
            let new = if follows(&own) { own } else { with_milter(&own, FRONT) };
            let ours = !follows(&new) || new != current;
            return ours.then_some((new, "mail from sendmail(1) is forwarded as well"));
        }
        let new = without(&exchanged(current, FOLLOWS, REST), FRONT);
        (new != current || site.main.contains_key(NON_SMTPD))
            .then_some((new, "mail from sendmail(1) passes our milter behind the content filter"))
    }

    /// Whether anything stands for the milters of main.cf without ours.
    fn needs_rest(&self, site: &Site) -> bool {
        let replaced = self.smtpd.iter().any(|(key, ours)| {
            let own = site.service(key).and_then(|service| service.option(MILTERS));
            !ours && own.is_none_or(is_rest)
        });
        replaced
            || !self.sendmail
                && list(site.raw(NON_SMTPD))
                    .iter()
                    .any(|m| is_element(m, FOLLOWS) || is_element(m, REST))
    }

    /// The milters of main.cf without ours, where something stands for them.
    pub(super) fn rest(&self, config: &Config, site: &Site) -> Option<String> {
        // It does no harm where an admin has put something else in its place.
        let is_there = !self.smtpd.is_empty() && site.main.contains_key(REST_PARAM);
        (is_there || self.needs_rest(site)).then(|| stripped_list(&main_milters(config, site)))
    }
}

/// `non_smtpd_milters` as the site has it without us.
pub(super) fn followed(current: &str) -> String {
    exchanged(current, REST, FOLLOWS)
}

pub(super) fn follows(milters: &str) -> bool {
    milters.contains(FOLLOWS)
}

fn is_rest(milters: &str) -> bool {
    taken_out(milters).is_none() && !milters.is_empty()
}

/// A list of milters without ours.
fn stripped_list(milters: &str) -> String {
    [FRONT, SUBMISSION, SUBMISSIONS].iter().fold(milters.to_owned(), |rest, m| without(&rest, m))
}

/// The same for an option of master.cf, where `postconf -P` takes no white space.
fn stripped(milters: &str) -> String {
    let rest = stripped_list(milters);
    if rest == milters { rest } else { list(&rest).join(",") }
}

pub(super) fn names_ours(milters: &str, site: Option<&Site>) -> bool {
    let ours = [FRONT, SUBMISSION, SUBMISSIONS];
    match site {
        Some(site) => names(milters, site, &ours),
        None => list(milters).iter().any(|m| ours.iter().any(|ours| is_element(m, ours))),
    }
}

/// Reads what stands in main.cf behind `$`.
pub(super) fn expanded(value: &str, site: &Site) -> String {
    let mut out = String::new();
    let mut rest = value;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        let braced = after.strip_prefix(['{', '(']);
        let text = braced.unwrap_or(after);
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let end = text.find(|c| !is_name(c)).unwrap_or(text.len());
        out.push_str(site.value(&text[..end]));
        rest = &text[end..];
        if braced.is_some() {
            rest = rest.strip_prefix(['}', ')']).unwrap_or(rest);
        }
    }
    out + rest
}

/// The value of a setting at a service.
pub(super) fn setting(service: Option<&Service>, name: &str, site: &Site) -> String {
    match service.and_then(|service| service.option(name)) {
        Some(value) => expanded(value, site),
        None => site.value(name).to_owned(),
    }
}

/// The tables that restrictions name, those of restriction classes among them.
pub(super) fn access_tables(restrictions: &str, site: &Site, depth: u8) -> Vec<String> {
    let classes = list(site.value("smtpd_restriction_classes"));
    let words = list(restrictions);
    let mut tables = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let before = at.checked_sub(1).map_or("", |before| words[before]);
        if word.starts_with("check_") && word.ends_with("_access") {
            tables.extend(words.get(at + 1).map(|table| (*table).to_owned()));
        } else if is_table(word) && !before.starts_with("check_") {
            // Postfix: a table alone is short for the check_*_access of its list.
            tables.push((*word).to_owned());
        } else if classes.contains(word) && depth > 0 {
            tables.extend(access_tables(site.value(word), site, depth - 1));
        } else if depth > 0
            && let Some(inner) = word.strip_prefix('{').and_then(|w| w.strip_suffix('}'))
        {
            tables.extend(access_tables(inner, site, depth - 1));
        }
    }
    tables
}

/// The cleanup(8) service behind an entrance.
pub(super) fn cleanup_of<'a>(service: Option<&Service>, site: &'a Site) -> Option<&'a Service> {
    let name = setting(service, "cleanup_service_name", site);
    let name = if name.is_empty() { "cleanup" } else { &name };
    site.service(&format!("{name}/unix"))
}

/// Where mail of sendmail(1) comes in.
// Postfix: its name and type may be any; sites that have lived long have "pickup fifo".
pub(super) fn pickup(site: &Site) -> Option<&Service> {
    site.services.iter().find(|service| service.command == "pickup")
}

/// The filters that mail passes which comes in at a service.
pub(super) fn filters_of(service: Option<&Service>, site: &Site) -> Vec<Filter> {
    let smtpd = service.is_some_and(|service| service.command == "smtpd");
    let mut found = Vec::new();
    let mut add = |to: &str, always, proxy| {
        if !to.is_empty() {
            found.push(Filter { to: to.to_owned(), always, proxy });
        }
    };
    add(&setting(service, "content_filter", site), true, false);
    let mut tables = Vec::new();
    if smtpd {
        add(&setting(service, "smtpd_proxy_filter", site), true, true);
        let restrictions = RESTRICTIONS.iter().map(|name| setting(service, name, site));
        tables.extend(restrictions.flat_map(|value| access_tables(&value, site, 3)));
    }
    let overrides = setting(service, "receive_override_options", site);
    if !list(&overrides).contains(&"no_header_body_checks") {
        let cleanup = cleanup_of(service, site);
        for name in CHECKS {
            let value = setting(cleanup, name, site);
            tables.extend(list(&value).into_iter().map(str::to_owned));
        }
    }
    for table in tables {
        for target in site.filters.tables.get(&table).into_iter().flatten() {
            add(&target.to, target.always, false);
        }
    }
    found
}

/// Whether a service listens on this machine alone.
fn is_loopback(service: &Service) -> bool {
    let (host, _) = service.name.rsplit_once(':').unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}

/// Whether a smtpd looks like one that a filter gives mail back to.
fn is_inner(service: &Service) -> bool {
    let (_, port) = service.name.rsplit_once(':').unwrap_or(("", &service.name));
    if service.kind != "inet" || is_submission(service) || ["smtp", "25"].contains(&port) {
        return false;
    }
    let has = |name: &&&str| service.option(name).is_some();
    let marks = ["receive_override_options", "smtpd_authorized_xforward_hosts", "mynetworks"];
    let unfiltered = service.option("content_filter").is_some();
    let marked = marks.iter().any(|name| has(&name));
    if is_loopback(service) { unfiltered || marked } else { unfiltered && marked }
}

impl<'a> Filters<'a> {
    /// The filters of an instance, and where our milter has its place for them.
    pub(super) fn of(config: &Config, site: &'a Site) -> Self {
        let smtpds = site.services.iter().filter(|s| s.command == "smtpd" && !is_ours(s));
        let all: Vec<(&Service, Vec<Filter>)> =
            smtpds.map(|service| (service, filters_of(Some(service), site))).collect();
        let pickup = filters_of(pickup(site), site);
        let mut found = Self {
            site,
            entrances: Vec::new(),
            between: Vec::new(),
            behind: Vec::new(),
            pickup,
            layout: None,
        };
        if found.pickup.is_empty() && all.iter().all(|(_, filters)| filters.is_empty()) {
            return found;
        }
        let first = all.iter().find(|(_, filters)| !filters.is_empty()).map(|(s, f)| (s.key(), f));
        for (service, filters) in &all {
            let others =
                first.as_ref().is_some_and(|(key, f)| *key != service.key() && *f != filters);
            let own = service.option("content_filter").is_some();
            // One that says so has no filter, whatever tables of main.cf say: it would be a circle.
            let ends = service.option("content_filter") == Some("");
            match (filters.is_empty() || ends, is_inner(service)) {
                (true, true) => found.behind.push(service),
                (true, false) => {}
                (false, true) if own && others => found.between.push(service),
                (false, _) => found.entrances.push((service, filters.clone())),
            }
        }
        found.layout = found.choose(config);
        found
    }

    /// Whether our milter is at a smtpd, once main.cf names it.
    pub(super) fn is_at(&self, service: &Service) -> bool {
        let overrides = setting(Some(service), "receive_override_options", self.site);
        !list(&overrides).contains(&"no_milters")
            && service.option(MILTERS).is_none_or(|own| names_ours(own, Some(self.site)))
    }

    fn all(&self) -> impl Iterator<Item = &Filter> {
        self.entrances.iter().flat_map(|(_, filters)| filters)
    }

    /// What becomes of NOTIFY and ORCPT on their way through a filter.
    pub(super) fn dsn(&self, filter: &Filter) -> Dsn {
        let Some(service) = self.transport(&filter.to) else { return Dsn::NoTransport };
        match service.command.as_str() {
            "smtp" | "lmtp" => {}
            "pipe" => return Dsn::Lost,
            _ => return Dsn::NoTransport,
        }
        let name = format!(
            "{}_discard_{}_keywords",
            service.command,
            match service.command.as_str() {
                "lmtp" => "lhlo",
                _ => "ehlo",
            }
        );
        if discards(&setting(Some(service), &name, self.site)) {
            return Dsn::Lost;
        }
        match self.site.filters.dsn.get(&filter.to) {
            Some(true) => Dsn::Kept,
            Some(false) => Dsn::Lost,
            None => Dsn::Unknown,
        }
    }

    fn transport(&self, to: &str) -> Option<&'a Service> {
        let name = to.split(':').next().unwrap_or(to);
        self.site.service(&format!("{name}/unix"))
    }

    /// Whether a filter gives mail back by a program, which means by sendmail(1).
    fn is_program(&self, filter: &Filter) -> bool {
        self.transport(&filter.to).is_some_and(|service| service.command == "pipe")
    }

    fn choose(&self, config: &Config) -> Option<Layout> {
        if self.entrances.is_empty() {
            // Only mail of sendmail(1) passes one.
            return (!self.pickup.is_empty()).then_some(Layout::Before);
        }
        let proxy = self.all().any(|filter| filter.proxy);
        let program = self.all().all(|filter| self.is_program(filter));
        let gives_back = program || !self.behind.is_empty();
        let always = self.entrances.iter().all(|(_, f)| f.iter().any(|filter| filter.always));
        let lost = self.all().any(|filter| !filter.proxy && self.dsn(filter) == Dsn::Lost);
        let is_before = self.entrances.iter().any(|(service, _)| self.is_at(service));
        let is_behind = self.behind.iter().any(|service| self.is_at(service)) || program;
        // A login's mail is looked at where it comes in.
        let logins = config.rules.has_outbound()
            && self.entrances.iter().any(|(service, _)| is_submission(service));
        let behind = gives_back && always && (proxy || lost && !logins || !is_before && is_behind);
        Some(if behind { Layout::Behind } else { Layout::Before })
    }

    /// Where our milter is to be.
    pub(super) fn places(&self, config: &Config) -> Places {
        let mut places = Places { sendmail: true, ..Places::default() };
        let mut put = |services: &[&Service], ours: bool| {
            places.smtpd.extend(services.iter().map(|service| (service.key(), ours)));
        };
        let program = self.all().all(|filter| self.is_program(filter));
        match self.layout {
            None => {}
            Some(Layout::Before) => {
                // Where it is at no entrance, taking it away behind would leave it nowhere.
                let is_before = self.entrances.iter().any(|(service, _)| self.is_at(service));
                if is_before || self.entrances.is_empty() {
                    put(&self.between, false);
                    put(&self.behind, false);
                }
            }
            Some(Layout::Behind) => {
                let looked_at = |s: &Service| config.rules.has_outbound() && is_submission(s);
                let entrances = self.entrances.iter().map(|(service, _)| *service);
                put(&entrances.filter(|s| !looked_at(s)).collect::<Vec<_>>(), false);
                put(&self.between, false);
                if !program {
                    put(&self.behind, true);
                }
                places.sendmail = self.pickup.iter().all(|filter| self.is_program(filter));
            }
        }
        places
    }

    /// Whether mail that comes in at a service without our milter passes it behind the filter, or has
    /// passed it before.
    pub(super) fn spares(&self, service: &Service) -> bool {
        let is = |other: &&Service| other.key() == service.key();
        match self.layout {
            None => false,
            Some(Layout::Before) => {
                self.between.iter().chain(&self.behind).any(is)
                    && self.entrances.iter().all(|(service, _)| self.is_at(service))
            }
            Some(Layout::Behind) => {
                let entrances = self.entrances.iter().map(|(service, _)| service);
                entrances.chain(&self.between).any(is) && self.is_behind()
            }
        }
    }

    /// Whether our milter has its place behind the filters, and somebody knows where that is.
    pub(super) fn are_placed(&self) -> bool {
        self.layout == Some(Layout::Behind)
    }

    pub(super) fn is_behind(&self) -> bool {
        self.behind.iter().any(|service| self.is_at(service))
            || self.all().any(|filter| self.is_program(filter))
    }
}

/// Whether a server does not offer DSN by these keywords, or a client does not use it.
pub(super) fn discards(keywords: &str) -> bool {
    list(keywords).iter().any(|keyword| keyword.eq_ignore_ascii_case("dsn"))
}
