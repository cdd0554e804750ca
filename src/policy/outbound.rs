//! Outgoing mail: whether a login may send a message, which route it takes, and what is tidied on
//! its way. Pass 1 is part of it, for what is addressed to a recruiting address as well.
//!
//! * [`rules`]: logins and routes as configured.
//! * [`message`](self): a message from MAIL to its end; each step can refuse it.
//! * [`header`]: what is kept of its header.
//! * [`bounce`]: what comes back.
//! * [`Violation`]: why a message may not be sent.
//!
//! Everything here only narrows what the MTA lets a login do.
// SPDX-License-Identifier: GPL-3.0-or-later

pub mod bounce;
pub mod header;
pub mod rules;
#[cfg(test)]
mod tests;
mod violation;

use std::net::IpAddr;

use self::header::OutgoingHeader;
use self::rules::{Choice, Condition, Login, Mixed, NewSender, OnViolation, Recipe, Route};
pub use self::violation::Violation;
use super::divert::{self, Diverted, divert_into};
use super::keys::Keys;
use super::limits::{Count, Ticket, Usage};
use super::pattern::Pattern;
use super::probe::{Probe, unproven};
use super::rules::Rules;
use super::token::{Flags, Handoff, OutgoingBounce, TokenId, Way, route_mark};
use crate::mail::domain::address_key;
use crate::mail::{
    Address, FieldBody, Notify, Orcpt, OwnField, OwnName, PlainField, PlainName, RawPath, Recipient,
};
use crate::plan::{Plan, PlanBuilder};

/// The name of the field that tells Postfix a route, without the prefix.
pub const ROUTE: &str = "Route";

/// How many octets of recruiting recipients are kept for one message. Postfix's
/// `smtpd_recipient_limit` lets a thousand recipients in, which are a quarter of this at their longest.
const MAX_RECIPIENTS: usize = 1024 * 1024;

/// How many Bcc fields are taken off. The MTA walks the header for each of them; and a message with
/// more is refused, since those left would tell what its author wants nobody to see.
const MAX_BCC: u32 = 200;

/// Who brought the message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Client {
    /// The SASL user name.
    pub user: Option<String>,
    /// The client's address.
    pub address: Option<IpAddr>,
}

/// Time and chance, which come from outside.
pub struct Moment<'a> {
    /// Seconds since 1970.
    pub now: u64,
    /// The time as a Date field has it (RFC 5322 3.3).
    pub date: &'a dyn Fn() -> String,
    /// A new token id at each call.
    pub stamp: &'a mut dyn FnMut() -> TokenId,
}

/// A message on its way out, from MAIL on.
#[derive(Debug)]
pub struct Outgoing {
    client: Client,
    /// The login's place among those of the configuration, if it is one of them.
    login: Option<usize>,
    sender: RawPath,
    recruiting: Vec<Recipient>,
    /// The octets of these.
    size: usize,
    /// How many recipients are outside the company, and how many are not.
    outside: u32,
    inside: u32,
    /// For each choice of a route: whether all recipients outside match it.
    all_to: Vec<bool>,
    /// Whether a recruiting system gets the message anyway.
    to_system: bool,
    header: OutgoingHeader,
    tickets: Vec<Ticket>,
    /// What would have been refused, where it is only to be logged.
    tolerated: Vec<Violation>,
}

/// What was decided on a message.
#[derive(Debug)]
pub struct Decision {
    /// What to do.
    pub plan: Plan,
    /// The recruiting recipients, as in pass 1.
    pub diverted: Vec<Diverted>,
    /// What is to be said of it as outgoing mail; nothing where it is none of ours.
    pub sent: Option<Sent>,
}

/// An outgoing message of ours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// The login's name in the configuration, if it is one of a recruiting system.
    pub login: Option<String>,
    /// The From address.
    pub from: Option<Address>,
    /// The route's name.
    pub route: Option<String>,
    /// What decided on it.
    pub because: Option<String>,
    /// How Postfix is told; nothing where no recipient is outside or the sender stays as it is.
    pub told_by: Option<Recipe>,
    /// The message's id in its bounce address.
    pub token: Option<TokenId>,
    /// How many recipients are outside the company, and how many are not.
    pub recipients: (u32, u32),
    /// The fields that were added.
    pub added: Vec<String>,
    /// How many fields were taken off.
    pub removed: usize,
    /// The recruiting system that gets a copy.
    pub copy_to: Option<String>,
    /// Why it was refused; or, if it goes on, what would have been refused.
    pub violations: Vec<Violation>,
    /// Whether it was refused.
    pub refused: bool,
}

impl Outgoing {
    /// A message begins.
    pub fn new(rules: &Rules, client: Client, sender: RawPath) -> Self {
        let outbound = &rules.outbound;
        let login = client.user.as_deref().and_then(|user| outbound.login(user));
        Self {
            client,
            login,
            sender,
            recruiting: Vec::new(),
            size: 0,
            outside: 0,
            inside: 0,
            all_to: vec![true; outbound.choices.len()],
            to_system: false,
            header: OutgoingHeader::default(),
            tickets: Vec::new(),
            tolerated: Vec::new(),
        }
    }

    /// Whether it may come at all. `now` in milliseconds since 1970.
    pub fn admit(&mut self, rules: &Rules, usage: &mut Usage, now: u64) -> Result<(), Violation> {
        let Some(login) = self.login(rules) else { return Ok(()) };
        if !login.admits(self.client.address) {
            self.violates(login, Violation::Network)?;
        }
        let sender = self.sender.printable();
        if !login.may_use(&sender, &rules.delimiters) {
            self.violates(login, Violation::EnvelopeSender(sender))?;
        }
        self.take(login, Count::Messages, usage, now)
    }

    /// The login, if it is one of the configuration's.
    fn login<'a>(&self, rules: &'a Rules) -> Option<&'a Login> {
        rules.outbound.logins.get(self.login?)
    }

    /// The name of the login, if it is one of the configuration's.
    pub fn login_name<'a>(&self, rules: &'a Rules) -> Option<&'a str> {
        Some(self.login(rules)?.name.as_str())
    }

    /// Who brought it.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// What it takes of the login's limits so far.
    pub fn take_tickets(&mut self) -> Vec<Ticket> {
        std::mem::take(&mut self.tickets)
    }

    fn violates(&mut self, login: &Login, violation: Violation) -> Result<(), Violation> {
        match login.on_violation {
            OnViolation::Refuse => Err(violation),
            OnViolation::Log => {
                // Each of a thousand recipients may be over a limit, and each line is read by somebody.
                if !self.tolerated.iter().any(|known| known.repeats(&violation)) {
                    self.tolerated.push(violation);
                }
                Ok(())
            }
        }
    }

    fn take(
        &mut self,
        login: &Login,
        count: Count,
        usage: &mut Usage,
        now: u64,
    ) -> Result<(), Violation> {
        if login.limits.is_unlimited(count) {
            return Ok(());
        }
        match usage.take(&login.name, count, 1, &login.limits, now) {
            Ok(ticket) => {
                self.tickets.push(ticket);
                Ok(())
            }
            Err(exceeded) => self.violates(login, Violation::Limit(exceeded)),
        }
    }

    /// Takes a recipient. `transport` is what the MTA will deliver it by, where it tells. `now` in
    /// milliseconds since 1970.
    pub fn rcpt(
        &mut self,
        rules: &Rules,
        recipient: Recipient,
        transport: Option<&str>,
        usage: &mut Usage,
        now: u64,
    ) -> Result<(), Violation> {
        let resolved = &recipient.resolved;
        if let Some(login) = self.login(rules) {
            self.take(login, Count::Recipients, usage, now)?;
        }
        // What an earlier pass has put there is no route's concern.
        if divert::is_handoff(rules, resolved) {
            return self.keep(recipient);
        }
        // Where the company's mailboxes are on another server, they may be reached by the same
        // transport as the world.
        let outside = !rules.is_internal(resolved)
            && transport.is_none_or(|transport| rules.outbound.is_outside(transport));
        if outside {
            self.outside += 1;
            for (choice, all) in rules.outbound.choices.iter().zip(&mut self.all_to) {
                if let Condition::To(pattern) = &choice.of {
                    *all = *all && pattern.covers(resolved, &rules.delimiters);
                }
            }
        } else {
            self.inside += 1;
        }
        let key = address_key(resolved);
        self.to_system |= rules.systems.iter().any(|system| system.inbound.key() == key);
        if divert::is_recruiting(rules, resolved) {
            return self.keep(recipient);
        }
        Ok(())
    }

    /// Keeps a recipient that concerns pass 1.
    fn keep(&mut self, recipient: Recipient) -> Result<(), Violation> {
        let args = recipient.args.iter().map(Vec::len).sum::<usize>();
        self.size += recipient.path.as_bytes().len() + recipient.resolved.len() + args;
        if self.size > MAX_RECIPIENTS {
            return Err(Violation::TooManyRecipients);
        }
        self.recruiting.push(recipient);
        Ok(())
    }

    /// Takes a field of the header: its name, and its body as it came.
    pub fn field(&mut self, name: &[u8], body: &[u8]) {
        self.header.push(name, body);
    }

    /// Decides. None only if a token cannot be made: no key, or an address of the configuration has
    /// no room for it.
    pub fn finish(
        mut self,
        rules: &Rules,
        keys: &Keys,
        moment: &mut Moment<'_>,
    ) -> Option<Decision> {
        let login = self.login(rules);
        // Probes come by the server for mail from outside, which may be one for outgoing mail as well.
        let claim = match login {
            None => Probe::claimed(rules, keys, &self.sender, moment.now),
            Some(_) => None,
        };
        let is_recruiting = |to: &Recipient| divert::is_recruiting(rules, &to.resolved);
        if matches!(claim, Some(Err(_))) && self.recruiting.iter().any(is_recruiting) {
            return Some(Decision { plan: unproven(), diverted: Vec::new(), sent: None });
        }
        let origin = self.origin(rules, claim.and_then(Result::ok), moment.now);
        let authentic = origin.authenticated || origin.internal;
        let from = match login {
            Some(login) => match self.author(rules, login) {
                Ok(from) => from,
                Err(violation) => return Some(self.refuse(rules, None, violation)),
            },
            // Other people's mail is not checked, but it takes the route of its author.
            None => authentic.then(|| self.header.claims.author()).flatten(),
        };
        let chosen = from.as_ref().and_then(|from| self.choose(rules, from));
        let mut plan = PlanBuilder::default();
        let standing = divert::standing(rules, keys, &self.recruiting, origin);
        let recipients = (&self.recruiting[..], &standing[..]);
        let diverted = divert_into(&mut plan, rules, keys, recipients, origin, moment.stamp)?;
        let mut sent = Sent {
            login: login.map(|login| login.name.clone()),
            from: from.clone(),
            recipients: (self.outside, self.inside),
            ..Sent::default()
        };
        let route = chosen.map(|(_, route)| route);
        if let (Some(from), None, true) = (&from, login, authentic)
            && route.is_none_or(Route::lets_copies_be)
            && !standing.iter().any(|s| s.handoff.flags.outbound)
        {
            sent.copy_to = self.copy(&mut plan, rules, keys, from, origin, moment).ok()?;
        }
        if let Some((choice, route)) = chosen {
            sent.route = Some(route.name.clone());
            sent.because = Some(rules.outbound.words(&choice.of));
            if let Err(violation) = self.lead(&mut plan, rules, keys, route, &mut sent, moment)? {
                return Some(self.refuse(rules, from, violation));
            }
        }
        if login.is_some() || route.is_some() {
            if self.header.bcc() > MAX_BCC {
                return Some(self.refuse(rules, from, Violation::TooManyBcc));
            }
            let domain = from.as_ref().map(Address::domain);
            self.tidy(&mut plan, route, domain, &mut sent, moment);
        }
        sent.violations = std::mem::take(&mut self.tolerated);
        let ours = sent.login.is_some() || sent.route.is_some() || sent.copy_to.is_some();
        Some(Decision { plan: plan.build(), diverted, sent: ours.then_some(sent) })
    }

    /// Who brought it, as pass 1 is told.
    fn origin(&self, rules: &Rules, probe: Option<Probe>, now: u64) -> divert::Origin {
        divert::Origin {
            authenticated: self.client.user.is_some(),
            internal: self.client.address.is_some_and(|client| rules.is_internal_client(client)),
            own_login: self.login(rules).is_some(),
            probe,
            now,
        }
    }

    /// The route of what is from an address, and what decides on it.
    fn choose<'a>(&self, rules: &'a Rules, from: &Address) -> Option<(&'a Choice, &'a Route)> {
        let choices = &rules.outbound.choices;
        let all_to = |choice: usize| {
            self.outside > 0
                && matches!(choices[choice].of, Condition::To(_))
                && self.all_to[choice]
        };
        rules.outbound.choose(self.login, from, &rules.delimiters, all_to)
    }

    /// The From address of a login's message, if it may send all that its header claims.
    fn author(&mut self, rules: &Rules, login: &Login) -> Result<Option<Address>, Violation> {
        let allowed = |address: &Address| login.may_send_as(address, &rules.delimiters);
        let checked = self.header.claims.check(&allowed);
        match checked {
            Ok(identity) => Ok(Some(identity.from)),
            Err(violation) => {
                self.violates(login, Violation::Author(violation))?;
                Ok(self.header.claims.author())
            }
        }
    }

    fn refuse(mut self, rules: &Rules, from: Option<Address>, violation: Violation) -> Decision {
        let reply = violation.reply();
        let mut violations = std::mem::take(&mut self.tolerated);
        violations.push(violation);
        Decision {
            plan: Plan::only(reply),
            diverted: Vec::new(),
            sent: Some(Sent {
                login: self.login_name(rules).map(str::to_owned),
                from,
                recipients: (self.outside, self.inside),
                violations,
                refused: true,
                ..Sent::default()
            }),
        }
    }

    /// Gives the recruiting system a copy of what a colleague sends from its address. Its name.
    fn copy(
        &self,
        plan: &mut PlanBuilder,
        rules: &Rules,
        keys: &Keys,
        from: &Address,
        origin: divert::Origin,
        moment: &mut Moment<'_>,
    ) -> Result<Option<String>, NoToken> {
        let Some((_, rule)) = rules.lookup(from.as_str()) else { return Ok(None) };
        let again = |to: &Recipient| {
            rules.lookup(&to.resolved).is_some_and(|(_, other)| other.system == rule.system)
        };
        // What goes to an address of the same system reaches it that way. A report is no answer to
        // an applicant.
        let known = self.to_system || self.recruiting.iter().any(again);
        if !rule.outbound_copy || known || self.sender.is_null() {
            return Ok(None);
        }
        let flags = Flags { kept: true, outbound: true, ..origin.flags() };
        let leader = rule.tag();
        let handoff = Handoff { way: Way::Forward, id: (moment.stamp)(), flags, leader };
        let local = handoff.local_part(keys, from).ok_or(NoToken)?;
        let to = format!("{local}@{}", rules.handoff_domain);
        let to = Address::parse(&to).map_err(|_| NoToken)?;
        plan.add_rcpt(to, Notify::Never, Some(Orcpt::new(from.clone())));
        Ok(Some(rules.system(rule).id.clone()))
    }

    /// Tells Postfix the route.
    fn lead(
        &mut self,
        plan: &mut PlanBuilder,
        rules: &Rules,
        keys: &Keys,
        route: &Route,
        sent: &mut Sent,
        moment: &mut Moment<'_>,
    ) -> Option<Result<(), Violation>> {
        let by_field = route.recipe == Recipe::Field;
        // FILTER takes every recipient along: those inside, and the copies on their way to pass 2.
        let all_outside = self.inside == 0 && self.recruiting.is_empty() && sent.copy_to.is_none();
        if by_field && !all_outside && self.outside > 0 && route.mixed == Mixed::Refuse {
            return Some(Err(Violation::Mixed));
        }
        if by_field && all_outside && self.outside > 0 {
            let body = FieldBody::new(route.name.clone()).ok()?;
            plan.passing_field(OwnField { name: OwnName::ours(ROUTE), body });
            sent.told_by = Some(Recipe::Field);
        }
        // RFC 5321 4.5.5: the null sender stays, or reports would be answered by reports.
        if self.sender.is_null() || self.outside == 0 {
            return Some(Ok(()));
        }
        let from = sent.from.clone()?;
        let sender = match route.sender {
            NewSender::Keep => return Some(Ok(())),
            NewSender::From => from,
            NewSender::Bounce => {
                let id = (moment.stamp)();
                sent.token = Some(id);
                bounce_address(rules, keys, &self.bounce(rules, route, &from, id))?
            }
        };
        plan.chg_from_plain(sender);
        sent.told_by.get_or_insert(Recipe::Sender);
        Some(Ok(()))
    }

    /// What the bounce address tells: the rule of the From address. Where a login's message goes on
    /// although it is from somebody else, what comes back may have nowhere to go by that; then it is
    /// the rule of an address that the login may send as.
    fn bounce(&self, rules: &Rules, route: &Route, from: &Address, id: TokenId) -> OutgoingBounce {
        let of = |address: &Address| {
            let rule = rules.lookup(address.as_str()).map(|(_, rule)| rule.tag());
            OutgoingBounce { id, route: route_mark(&route.name), rule: rule.unwrap_or_default() }
        };
        let own = self.login(rules).into_iter().flat_map(|login| &login.may_send_as);
        let own = own.filter_map(|pattern| match pattern {
            Pattern::Exact(address) => Some(address),
            _ => None,
        });
        let mut all = std::iter::once(from).chain(own).map(of);
        all.find(|bounce| bounce::goes_to(rules, bounce).is_some()).unwrap_or_else(|| of(from))
    }

    /// Adds what every mail should have, and takes off what none should show.
    fn tidy(
        &self,
        plan: &mut PlanBuilder,
        route: Option<&Route>,
        domain: Option<&str>,
        sent: &mut Sent,
        moment: &mut Moment<'_>,
    ) {
        let mut add = |name: PlainName, body: &mut dyn FnMut() -> Option<FieldBody>| {
            if !self.header.has(name.as_str())
                && let Some(body) = body()
            {
                sent.added.push(name.to_string());
                plan.add_header(PlainField { name, body });
            }
        };
        add(PlainName::date(), &mut || FieldBody::new((moment.date)()).ok());
        add(PlainName::message_id(), &mut || {
            FieldBody::new(format!("<{}@{}>", (moment.stamp)(), domain?)).ok()
        });
        if let Some(route) = route {
            add(PlainName::reply_to(), &mut || route.reply_to.clone());
            for (name, body) in &route.fields {
                add(name.clone(), &mut || Some(body.clone()));
            }
        }
        for index in 1..=self.header.bcc() {
            plan.del_bcc(index);
        }
        sent.removed = self.header.bcc() as usize;
        // A copy to a recruiting address still needs its seal: pass 2 knows by it what was there
        // before, and takes the fields off.
        if self.recruiting.is_empty() {
            for (name, index) in self.header.forged() {
                plan.del_header(name, index);
                sent.removed += 1;
            }
        }
    }
}

/// A token cannot be made.
struct NoToken;

/// The bounce address of a message that takes a route.
fn bounce_address(rules: &Rules, keys: &Keys, bounce: &OutgoingBounce) -> Option<Address> {
    let base = rules.bounce.as_ref()?;
    let delimiter = rules.delimiters.chars().next()?;
    let (local, domain) = (base.local_part(), base.domain());
    Address::parse(&format!("{local}{delimiter}{}@{domain}", bounce.extension(keys)?)).ok()
}
