//! Logins and routes of outgoing mail, and all that must hold between them.
//!
//! Must not know files.
// SPDX-License-Identifier: GPL-3.0-or-later

use super::info::{Section, suggest};
use super::settings::{
    BOUNCES_TO, BURST, ENVELOPE_SENDER, ENVELOPE_SENDERS, FIELDS, LOGIN_NETWORKS, LOGIN_ROUTE,
    MAY_SEND_AS, MESSAGES_PER_DAY, MESSAGES_PER_MINUTE, MIXED, ON_VIOLATION, RECIPE,
    RECIPIENTS_PER_DAY, RECIPIENTS_PER_MINUTE, REPLY_TO, ROUTE_FROM, ROUTE_NEXT_HOP, ROUTE_TO,
    Setting, TRANSPORT, TRANSPORTS, USER,
};
use super::source::{At, Finding, Report};
use super::tree::{Broken, Found, Table, Tree};
use super::value::{Items, is_user, is_word};
use crate::mail::Address;
use crate::mail::domain::{domain_key, same_domain};
use crate::policy::limits::{Limits, Rates};
use crate::policy::outbound::rules::{
    Choice, Condition, Login, Mixed, NewSender, Outbound, Recipe, Route, SenderPattern,
};
use crate::policy::rules::{Pattern, Rules};
use crate::policy::token::route_mark;

/// A login with the places where it comes from.
struct LoginDraft {
    /// Nothing if something of it is wrong. Its route is not filled in.
    login: Option<Login>,
    user: String,
    at: At,
    may_send_as: Vec<Found<Pattern>>,
    route: Option<Found<String>>,
}

/// A route with the places where it comes from.
struct RouteDraft {
    /// Nothing if something of it is wrong.
    route: Option<Route>,
    name: String,
    at: At,
    from: Vec<Found<Pattern>>,
    to: Vec<Found<Pattern>>,
    bounces_to: Option<Found<Address>>,
}

/// All logins and routes.
pub(super) struct Drafts {
    logins: Vec<LoginDraft>,
    routes: Vec<RouteDraft>,
    transports: Option<Vec<String>>,
}

impl Drafts {
    /// Reads them.
    pub(super) fn read(tree: &Tree<'_>, report: &mut Report) -> Self {
        let logins = tree.named(Section::Login).map(|table| login(table, report)).collect();
        let routes = tree.named(Section::Route).map(|table| route(table, report)).collect();
        let transports = tree.fixed(Section::Outbound).get(&TRANSPORTS, report);
        let transports = transports.ok().flatten().map(|found| {
            let items = found.value.into_iter();
            items.map(|(_, transport)| transport).collect()
        });
        Self { logins, routes, transports }
    }

    /// Whether there are any.
    pub(super) fn are_some(&self) -> bool {
        !self.logins.is_empty() || !self.routes.is_empty()
    }

    /// The place of the route with a name.
    fn route(&self, name: &str) -> Option<usize> {
        self.routes.iter().position(|draft| draft.name == name)
    }

    /// The patterns that the authors of a route's mail match, as far as the route is chosen by them:
    /// its own and those of its logins.
    fn authors(&self, route: usize) -> impl Iterator<Item = &Found<Pattern>> {
        let leads_here = move |login: &&LoginDraft| {
            let name = login.route.as_ref().map(|found| found.value.as_str());
            name.and_then(|name| self.route(name)) == Some(route)
        };
        let logins = self.logins.iter().filter(leads_here).flat_map(|login| &login.may_send_as);
        self.routes[route].from.iter().chain(logins)
    }

    /// Checks that they fit together and with the rest. `rules` are those of the addresses, where
    /// they are sound.
    pub(super) fn check(&self, rules: Option<&Rules>, report: &mut Report) {
        self.check_logins(rules, report);
        for at in 0..self.routes.len() {
            self.check_use(at, report);
            let draft = &self.routes[at];
            let Some(route) = &draft.route else { continue };
            check_recipe(draft, route, report);
            self.check_ambiguity(at, route, report);
            if let Some(rules) = rules {
                self.check_bounces(at, route, rules, report);
                self.check_copies(at, route, rules, report);
            }
        }
        self.check_marks(report);
    }

    fn check_logins(&self, rules: Option<&Rules>, report: &mut Report) {
        for (number, login) in self.logins.iter().enumerate() {
            let same = |other: &&LoginDraft| other.user.to_lowercase() == login.user.to_lowercase();
            if let Some(first) = self.logins[..number].iter().find(same) {
                report.push(
                    Finding::error(format!("two logins are the user {:?}", login.user))
                        .at(&login.at)
                        .see(&first.at, "first one here")
                        .remedy("put all settings of a user into one of them"),
                );
            }
            if let Some(route) = login.route.as_ref().filter(|r| self.route(&r.value).is_none()) {
                let names = self.routes.iter().map(|draft| draft.name.as_str());
                let remedy = suggest(&route.value, names)
                    .unwrap_or_else(|| format!("add a section [route.{}]", route.value));
                report.push(
                    Finding::error(format!("there is no route {:?}", route.value))
                        .at(&route.at)
                        .remedy(remedy),
                );
            }
            let Some(rules) = rules.filter(|rules| !rules.internal_domains.is_empty()) else {
                continue;
            };
            for pattern in &login.may_send_as {
                if !rules.is_internal(&format!("x@{}", pattern.value.domain())) {
                    let domains = rules.internal_domains.iter().map(String::as_str);
                    let remedy = suggest(pattern.value.domain(), domains).unwrap_or_else(|| {
                        "list the domain in \"domains\" of [internal] if it is yours".into()
                    });
                    report.push(
                        Finding::warning(format!(
                            "a login may send as \"{}\", which is in none of your domains",
                            pattern.value
                        ))
                        .at(&pattern.at)
                        .remedy(remedy),
                    );
                }
            }
        }
    }

    fn check_use(&self, at: usize, report: &mut Report) {
        let draft = &self.routes[at];
        if draft.to.is_empty() && self.authors(at).next().is_none() {
            report.push(
                Finding::warning(format!("no mail takes the route {:?}", draft.name))
                    .at(&draft.at)
                    .remedy(format!(
                        "write route = {:?} in a [login.NAME], or from = [...] here",
                        draft.name
                    )),
            );
        }
    }

    /// Where the From address is the envelope sender, Postfix tells the route by it alone.
    fn check_ambiguity(&self, at: usize, route: &Route, report: &mut Report) {
        let draft = &self.routes[at];
        let told_by_author = |route: &Route| {
            route.sender == NewSender::From
                && (route.recipe == Recipe::Sender || route.mixed == Mixed::Sender)
        };
        if !told_by_author(route) {
            return;
        }
        if let Some(to) = draft.to.first() {
            report.push(
                Finding::error(format!(
                    "the route {:?} is chosen by recipients, and Postfix would be told by the From \
                     address",
                    draft.name
                ))
                .at(&to.at)
                .remedy("write envelope_sender = \"bounce\" for it"),
            );
        }
        for other in 0..at {
            if !self.routes[other].route.as_ref().is_some_and(told_by_author) {
                continue;
            }
            let both = self.authors(at).find_map(|pattern| {
                let theirs = self.authors(other);
                let mut meet = theirs.filter(|theirs| meet(&theirs.value, &pattern.value));
                Some((pattern, meet.next()?))
            });
            if let Some((mine, theirs)) = both {
                report.push(
                    Finding::error(format!(
                        "Postfix cannot tell the routes {:?} and {:?} apart for \"{}\": both have \
                         the From address as envelope sender",
                        self.routes[other].name, draft.name, mine.value
                    ))
                    .at(&mine.at)
                    .see(&theirs.at, "the other one here")
                    .remedy("write envelope_sender = \"bounce\" for one of them"),
                );
            }
        }
    }

    /// What comes back must end where somebody sees it.
    fn check_bounces(&self, at: usize, route: &Route, rules: &Rules, report: &mut Report) {
        let draft = &self.routes[at];
        if route.sender != NewSender::Bounce {
            return;
        }
        if rules.bounce.is_none() {
            report.push(
                Finding::error(format!(
                    "the route {:?} needs a bounce address for what comes back",
                    draft.name
                ))
                .at(&draft.at)
                .remedy("set \"address\" in [bounces]"),
            );
        }
        if let Some(to) = &draft.bounces_to {
            let bounce = rules.bounce.as_ref().map(Address::key);
            if bounce == Some(to.value.key())
                || same_domain(to.value.domain(), &rules.handoff_domain)
            {
                report.push(
                    Finding::error(format!("\"{}\" is an address of our own", to.value))
                        .at(&to.at)
                        .remedy("name a mailbox that people read"),
                );
            }
            return;
        }
        let ends_nowhere = |pattern: &&Found<Pattern>| match &pattern.value {
            Pattern::Exact(address) => {
                let rule = rules.lookup(address.as_str()).map(|(_, rule)| rule);
                rule.is_none_or(|rule| {
                    rule.fallback.is_none() && !matches!(rule.pattern, Pattern::Exact(_))
                })
            }
            _ => true,
        };
        let open = self.authors(at).find(ends_nowhere);
        let (place, whose) = match (open, draft.to.first()) {
            (Some(pattern), _) => (&pattern.at, format!("\"{}\"", pattern.value)),
            (None, Some(to)) => (&to.at, "any address".to_owned()),
            (None, None) => return,
        };
        report.push(
            Finding::error(format!(
                "what comes back from mail of {whose} by the route {:?} has nowhere to go",
                draft.name
            ))
            .at(place)
            .remedy(format!(
                "write bounces_to = {} in [route.{}]",
                BOUNCES_TO.info.example(),
                draft.name
            )),
        );
    }

    /// Where a field tells the route of all mail there is no place for a copy beside it.
    fn check_copies(&self, at: usize, route: &Route, rules: &Rules, report: &mut Report) {
        if route.lets_copies_be() {
            return;
        }
        let copied = |author: &&Found<Pattern>| {
            let mut wanted = rules.addresses.iter().filter(|rule| rule.outbound_copy);
            wanted.any(|rule| meet(&rule.pattern, &author.value))
        };
        if let Some(author) = self.authors(at).find(copied) {
            let name = &self.routes[at].name;
            report.push(
                Finding::warning(format!(
                    "no copy is made of what colleagues send from \"{}\" by the route {name:?}",
                    author.value
                ))
                .at(&author.at)
                .remedy(format!("write mixed = \"sender\" in [route.{name}]")),
            );
        }
    }

    /// Two names in a million have the same letters in a bounce address.
    fn check_marks(&self, report: &mut Report) {
        for (number, draft) in self.routes.iter().enumerate() {
            let mark = route_mark(&draft.name);
            let same = |other: &&RouteDraft| route_mark(&other.name) == mark;
            if let Some(first) = self.routes[..number].iter().find(same) {
                report.push(
                    Finding::error(format!(
                        "the routes {:?} and {:?} look the same in a bounce address",
                        first.name, draft.name
                    ))
                    .at(&draft.at)
                    .see(&first.at, "the other one here")
                    .remedy("give one of them another name"),
                );
            }
        }
    }

    /// Logins and routes as decisions need them. Nothing if something of them is wrong.
    pub(super) fn finish(self) -> Option<Outbound> {
        let mut choices = Vec::new();
        for (number, login) in self.logins.iter().enumerate() {
            let Some(name) = &login.route else { continue };
            let route = self.route(&name.value)?;
            choices.push(Choice { of: Condition::Login(number), route });
        }
        for (route, draft) in self.routes.iter().enumerate() {
            let from = draft.from.iter().map(|p| Condition::From(p.value.clone()));
            let to = draft.to.iter().map(|p| Condition::To(p.value.clone()));
            choices.extend(from.chain(to).map(|of| Choice { of, route }));
        }
        // Colleagues who write from a login's addresses take its route, unless a route names the
        // address itself: those come first.
        for login in &self.logins {
            let Some(name) = &login.route else { continue };
            let route = self.route(&name.value)?;
            let from = login.may_send_as.iter().map(|p| Condition::From(p.value.clone()));
            choices.extend(from.map(|of| Choice { of, route }));
        }
        let places: Vec<Option<usize>> = self
            .logins
            .iter()
            .map(|draft| draft.route.as_ref().and_then(|name| self.route(&name.value)))
            .collect();
        let routes: Vec<Route> =
            self.routes.into_iter().map(|draft| draft.route).collect::<Option<_>>()?;
        let mut logins: Vec<Login> =
            self.logins.into_iter().map(|draft| draft.login).collect::<Option<_>>()?;
        for (login, place) in logins.iter_mut().zip(places) {
            login.route = place;
            let sender = place.map(|place| routes[place].sender);
            if login.envelope_senders.is_none() && sender.is_none_or(|s| s == NewSender::Keep) {
                login.envelope_senders = Some(usual_senders(&login.may_send_as));
            }
        }
        Some(Outbound { logins, routes, choices, transports: self.transports? }.in_order())
    }
}

/// Where Postfix is told by the envelope sender, it must be ours to choose.
fn check_recipe(draft: &RouteDraft, route: &Route, report: &mut Report) {
    let by_sender = route.recipe == Recipe::Sender;
    if route.sender != NewSender::Keep || !by_sender && route.mixed == Mixed::Refuse {
        return;
    }
    let (why, remedy) = if by_sender {
        (
            "is told by the envelope sender, so this cannot stay as it is",
            "write envelope_sender = \"bounce\", or recipe = \"field\" and mixed = \"refuse\"",
        )
    } else {
        (
            "is told by the envelope sender where recipients are mixed, so this cannot stay as \
             it is",
            "write mixed = \"refuse\", or envelope_sender = \"bounce\"",
        )
    };
    report.push(
        Finding::error(format!("the route {:?} {why}", draft.name)).at(&draft.at).remedy(remedy),
    );
}

/// Which envelope senders a login may use where it is not said and they stay: those of the domains
/// that it may send as, since many systems have a bounce address there, and the null sender.
fn usual_senders(may_send_as: &[Pattern]) -> Vec<SenderPattern> {
    let mut senders = vec![SenderPattern::Null];
    for pattern in may_send_as {
        let whole = match pattern {
            Pattern::Subdomains(_) => pattern.clone(),
            other => Pattern::Domain(other.domain().to_lowercase()),
        };
        let whole = SenderPattern::Address(whole);
        if !senders.contains(&whole) {
            senders.push(whole);
        }
    }
    senders
}

/// Whether an address can match both. Errs on the side of yes for two patterns of one domain.
fn meet(a: &Pattern, b: &Pattern) -> bool {
    match (a, b) {
        (Pattern::Exact(a), Pattern::Exact(b)) => a.key() == b.key(),
        (Pattern::Exact(address), pattern) | (pattern, Pattern::Exact(address)) => {
            pattern.covers(address.as_str(), "")
        }
        (Pattern::Subdomains(a), Pattern::Subdomains(b)) => {
            let (a, b) = (domain_key(a), domain_key(b));
            a == b || a.ends_with(&format!(".{b}")) || b.ends_with(&format!(".{a}"))
        }
        (Pattern::Subdomains(above), other) | (other, Pattern::Subdomains(above)) => {
            domain_key(other.domain()).ends_with(&format!(".{}", domain_key(above)))
        }
        (a, b) => same_domain(a.domain(), b.domain()),
    }
}

fn login(table: &Table<'_>, report: &mut Report) -> LoginDraft {
    let user = table.get(&USER, report);
    // Where the user is not named, the section's name is it.
    let named = is_user(&table.name);
    if !named {
        report.push(
            Finding::error(format!("{:?} cannot be the name of a login", table.name))
                .at(&table.at())
                .remedy("write the user name, without white space and colons"),
        );
    }
    let may_send_as = table.required(&MAY_SEND_AS, report);
    if let Ok(found) = &may_send_as
        && found.value.is_empty()
    {
        report.push(
            Finding::warning(format!("the login {:?} may send nothing at all", table.name))
                .at(&found.at)
                .remedy(format!("write may_send_as = {}", MAY_SEND_AS.info.example())),
        );
    }
    let envelope_senders = table.get(&ENVELOPE_SENDERS, report);
    let networks = table.get(&LOGIN_NETWORKS, report);
    let route = table.get(&LOGIN_ROUTE, report);
    let limits = limits(table, report);
    let on_violation = table.get(&ON_VIOLATION, report);
    let user = user.map(|found| found.map_or_else(|| table.name.clone(), |found| found.value));
    let may_send_as = may_send_as.map(Found::items);
    let values = |items: &[Found<Pattern>]| items.iter().map(|f| f.value.clone()).collect();
    let build = || {
        Some(Login {
            name: named.then(|| table.name.clone())?,
            user: user.clone().ok()?,
            may_send_as: values(may_send_as.as_ref().ok()?),
            envelope_senders: envelope_senders.ok()?.map(plain),
            networks: plain(networks.ok()??),
            route: None,
            limits: limits.ok()?,
            on_violation: on_violation.ok()??.value,
        })
        .filter(|_| route.is_ok())
    };
    LoginDraft {
        login: build(),
        user: user.clone().unwrap_or_else(|Broken| table.name.clone()),
        at: table.at(),
        may_send_as: may_send_as.unwrap_or_default(),
        route: route.ok().flatten(),
    }
}

fn limits(table: &Table<'_>, report: &mut Report) -> Result<Limits, Broken> {
    let mut get = |setting: &'static Setting<u32>| table.get(setting, report);
    let [messages_minute, messages_day, recipients_minute, recipients_day, burst] = [
        get(&MESSAGES_PER_MINUTE),
        get(&MESSAGES_PER_DAY),
        get(&RECIPIENTS_PER_MINUTE),
        get(&RECIPIENTS_PER_DAY),
        get(&BURST),
    ];
    let (messages_minute, recipients_minute) = (messages_minute?, recipients_minute?);
    let burst = burst?;
    if let Some(found) = &burst
        && messages_minute.is_none()
        && recipients_minute.is_none()
    {
        report.push(
            Finding::warning("a burst means nothing without a limit for a minute")
                .at(&found.at)
                .remedy("add messages_per_minute"),
        );
    }
    let value = |found: Option<Found<u32>>| found.map(|found| found.value);
    let burst = value(burst);
    let rates = |minute, day| Rates { per_minute: value(minute), per_day: value(day), burst };
    Ok(Limits {
        messages: rates(messages_minute, messages_day?),
        recipients: rates(recipients_minute, recipients_day?),
    })
}

fn route(table: &Table<'_>, report: &mut Report) -> RouteDraft {
    let named = is_word(&table.name);
    if !named {
        report.push(
            Finding::error(format!("{:?} cannot be the name of a route", table.name))
                .at(&table.at())
                .remedy("write a word of letters, digits, - and _, with at most 64 of them"),
        );
    }
    let next_hop = table.get(&ROUTE_NEXT_HOP, report);
    let transport = table.get(&TRANSPORT, report);
    let recipe = table.get(&RECIPE, report);
    let mixed = table.get(&MIXED, report);
    let sender = table.get(&ENVELOPE_SENDER, report);
    let bounces_to = table.get(&BOUNCES_TO, report);
    let from = table.get(&ROUTE_FROM, report);
    let to = table.get(&ROUTE_TO, report);
    let reply_to = table.get(&REPLY_TO, report);
    let fields = table.get(&FIELDS, report);
    let build = || {
        Some(Route {
            name: named.then(|| table.name.clone())?,
            next_hop: next_hop.ok()?.map(|found| found.value),
            transport: transport.ok()??.value,
            recipe: recipe.ok()??.value,
            mixed: mixed.ok()??.value,
            sender: sender.ok()??.value,
            bounces_to: bounces_to.as_ref().ok()?.as_ref().map(|found| found.value.clone()),
            reply_to: reply_to.ok()?.map(|found| found.value),
            fields: fields.ok()?.map(plain).unwrap_or_default(),
        })
        .filter(|_| from.is_ok() && to.is_ok())
    };
    let route = build();
    let items = |found: Result<Option<Found<Items<Pattern>>>, Broken>| {
        found.ok().flatten().map(Found::items).unwrap_or_default()
    };
    RouteDraft {
        route,
        name: table.name.clone(),
        at: table.at(),
        from: items(from),
        to: items(to),
        bounces_to: bounces_to.ok().flatten(),
    }
}

/// The items without their places.
fn plain<T>(found: Found<Items<T>>) -> Vec<T> {
    found.value.into_iter().map(|(_, item)| item).collect()
}
