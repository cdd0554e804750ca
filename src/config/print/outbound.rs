//! Logins and routes, and in which order a route is chosen.
// SPDX-License-Identifier: GPL-3.0-or-later

use super::{Printer, list, text, word};
use crate::config::info::Section;
use crate::config::settings::{self as s, MIXES, NEW_SENDERS, RECIPES, VIOLATIONS};
use crate::mail::FieldBody;
use crate::policy::outbound::rules::{Condition, Login, Outbound, Route};

pub(super) fn print(out: &mut Printer, outbound: &Outbound) {
    let routes = &outbound.routes;
    for login in &outbound.logins {
        print_login(out, login, routes);
    }
    for (number, route) in routes.iter().enumerate() {
        print_route(out, route);
        let mine = || outbound.choices.iter().filter(move |choice| choice.route == number);
        let from: Vec<_> = mine()
            .filter_map(|choice| match &choice.of {
                Condition::From(pattern) => Some(pattern),
                _ => None,
            })
            .collect();
        out.set(&s::ROUTE_FROM, &list(&from));
        let to: Vec<_> = mine()
            .filter_map(|choice| match &choice.of {
                Condition::To(pattern) => Some(pattern),
                _ => None,
            })
            .collect();
        out.set(&s::ROUTE_TO, &list(&to));
    }
    out.section(Section::Outbound);
    out.set(&s::TRANSPORTS, &list(&outbound.transports));
    if !outbound.choices.is_empty() {
        out.comment("a mail takes the first route that fits:");
    }
    for choice in &outbound.choices {
        let route = routes.get(choice.route).map_or("", |route| route.name.as_str());
        let of = outbound.words(&choice.of);
        out.comment(&format!("  {of}: {route}"));
    }
}

fn print_login(out: &mut Printer, login: &Login, routes: &[Route]) {
    out.named(Section::Login, &text(&login.name));
    out.set(&s::USER, &text(&login.user));
    out.set(&s::MAY_SEND_AS, &list(&login.may_send_as));
    match &login.envelope_senders {
        Some(senders) => out.set(&s::ENVELOPE_SENDERS, &list(senders)),
        None => out.comment("any envelope sender, since the route replaces it"),
    }
    out.set(&s::LOGIN_NETWORKS, &list(&login.networks));
    let route = login.route.and_then(|at| routes.get(at));
    out.set_if(&s::LOGIN_ROUTE, route.map(|route| &route.name));
    let (messages, recipients) = (&login.limits.messages, &login.limits.recipients);
    for (setting, limit) in [
        (&s::MESSAGES_PER_MINUTE, messages.per_minute),
        (&s::MESSAGES_PER_DAY, messages.per_day),
        (&s::RECIPIENTS_PER_MINUTE, recipients.per_minute),
        (&s::RECIPIENTS_PER_DAY, recipients.per_day),
        (&s::BURST, messages.burst),
    ] {
        if let Some(limit) = limit {
            out.set(setting, &limit.to_string());
        }
    }
    out.set(&s::ON_VIOLATION, &word(VIOLATIONS, login.on_violation));
}

fn print_route(out: &mut Printer, route: &Route) {
    out.named(Section::Route, &route.name);
    out.set_if(&s::ROUTE_NEXT_HOP, route.next_hop.as_ref());
    out.set(&s::TRANSPORT, &text(&route.transport));
    out.set(&s::RECIPE, &word(RECIPES, route.recipe));
    out.set(&s::MIXED, &word(MIXES, route.mixed));
    out.set(&s::ENVELOPE_SENDER, &word(NEW_SENDERS, route.sender));
    out.set_if(&s::BOUNCES_TO, route.bounces_to.as_ref());
    out.set_if(&s::REPLY_TO, route.reply_to.as_ref().map(FieldBody::as_str));
    if !route.fields.is_empty() {
        let field =
            |(name, body): &(_, FieldBody)| format!("{} = {}", text(name), text(body.as_str()));
        let fields: Vec<String> = route.fields.iter().map(field).collect();
        out.set(&s::FIELDS, &format!("{{ {} }}", fields.join(", ")));
    }
}
