//! The configuration of outgoing mail as decisions need it: logins, routes, and which route a mail
//! takes.
//!
//! Must not know how a configuration is written down.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fmt;
use std::net::IpAddr;

use crate::mail::Address;
use crate::mail::header::{FieldBody, PlainName};
use crate::policy::limits::Limits;
use crate::policy::network::Network;
use crate::policy::pattern::Pattern;

/// Logins and routes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outbound {
    /// The logins that may send under certain addresses only.
    pub logins: Vec<Login>,
    /// The routes.
    pub routes: Vec<Route>,
    /// What decides on a route, in the order in which it is asked. See [`Outbound::in_order`].
    pub choices: Vec<Choice>,
    /// Postfix's transports for recipients outside the company.
    pub transports: Vec<String>,
}

/// A login of its own for a recruiting system. It opens nothing: it only narrows what the MTA lets
/// this login do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// Its name in the configuration.
    pub name: String,
    /// The SASL user name.
    pub user: String,
    /// Under which addresses it may send, by the fields that say who a message is from.
    pub may_send_as: Vec<Pattern>,
    /// Which envelope senders it may use; any where this is none.
    pub envelope_senders: Option<Vec<SenderPattern>>,
    /// From where it may be used; from anywhere where this is empty.
    pub networks: Vec<Network>,
    /// The route of its mail, a place in [`Outbound::routes`].
    pub route: Option<usize>,
    /// How much it may send.
    pub limits: Limits,
    /// What happens with a message that it may not send.
    pub on_violation: OnViolation,
}

/// What happens with a message that a login may not send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnViolation {
    /// It is refused.
    Refuse,
    /// It goes on, and the log says what would have been refused.
    Log,
}

/// Envelope senders that a login may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SenderPattern {
    /// The null sender, `<>`.
    Null,
    /// An address or a pattern.
    Address(Pattern),
}

impl SenderPattern {
    /// Reads `<>`, an address or a pattern. The error is a sentence for the admin.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text == "<>" { Ok(Self::Null) } else { Pattern::parse(text).map(Self::Address) }
    }
}

impl fmt::Display for SenderPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("<>"),
            Self::Address(pattern) => pattern.fmt(f),
        }
    }
}

impl Login {
    /// Whether it may be used from a client's address. One that is not known is nowhere.
    pub fn admits(&self, client: Option<IpAddr>) -> bool {
        let inside = |client| self.networks.iter().any(|network| network.contains(client));
        self.networks.is_empty() || client.is_some_and(inside)
    }

    /// Whether it may send as an address.
    pub fn may_send_as(&self, address: &Address, delimiters: &str) -> bool {
        self.may_send_as.iter().any(|pattern| pattern.covers(address.as_str(), delimiters))
    }

    /// Whether it may use an envelope sender; the null sender is an empty text.
    pub fn may_use(&self, envelope_sender: &str, delimiters: &str) -> bool {
        let Some(patterns) = &self.envelope_senders else { return true };
        patterns.iter().any(|pattern| match pattern {
            SenderPattern::Null => envelope_sender.is_empty(),
            SenderPattern::Address(pattern) => pattern.covers(envelope_sender, delimiters),
        })
    }
}

/// A way out of the company's mail server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Its name in the configuration; a word.
    pub name: String,
    /// Where Postfix sends its mail instead of where it sends other mail.
    pub next_hop: Option<String>,
    /// The service in Postfix's master.cf that sends it.
    pub transport: String,
    /// How Postfix is told.
    pub recipe: Recipe,
    /// What happens by [`Recipe::Field`] where not every recipient is outside.
    pub mixed: Mixed,
    /// The envelope sender that its mail gets.
    pub sender: NewSender,
    /// Who gets what comes back; the From address where this is none.
    pub bounces_to: Option<Address>,
    /// The Reply-To field of a message that has none.
    pub reply_to: Option<FieldBody>,
    /// Further fields for a message that has none of these names.
    pub fields: Vec<(PlainName, FieldBody)>,
}

impl Route {
    /// Whether a message that takes it can have a copy of ours beside it. A field would take that
    /// along, out of the company.
    pub fn lets_copies_be(&self) -> bool {
        self.recipe == Recipe::Sender || self.mixed == Mixed::Sender
    }
}

/// How Postfix is told the route of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recipe {
    /// By the envelope sender (`sender_dependent_default_transport_maps`).
    Sender,
    /// By a field that is there for a moment (`milter_header_checks`, FILTER).
    Field,
}

impl Recipe {
    /// The word for it in the configuration and in logs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Sender => "sender",
            Self::Field => "field",
        }
    }
}

/// What becomes of a message with recipients inside and outside, where the route is told by a field,
/// which would take those inside along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mixed {
    /// The route is told by the envelope sender.
    Sender,
    /// It is refused.
    Refuse,
}

/// The envelope sender of outgoing mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewSender {
    /// A bounce address of ours, so that we see what comes back.
    Bounce,
    /// The From address.
    From,
    /// What the client said.
    Keep,
}

/// What decides on a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Of which messages.
    pub of: Condition,
    /// Which route, a place in [`Outbound::routes`].
    pub route: usize,
}

/// Which messages take a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Those of a login, a place in [`Outbound::logins`].
    Login(usize),
    /// Those from an address or a pattern.
    From(Pattern),
    /// Those whose recipients outside are all of an address or a pattern.
    To(Pattern),
}

impl Condition {
    /// Logins first, then addresses, patterns and whole domains of the author, then recipients.
    fn rank(&self) -> (u8, u8, usize) {
        let exactness = |pattern: &Pattern| match pattern {
            Pattern::Exact(_) => (0, 0),
            Pattern::Wildcard { prefix, suffix, .. } => {
                (1, usize::MAX - prefix.len() - suffix.len())
            }
            Pattern::Domain(_) => (2, 0),
            Pattern::Subdomains(domain) => (3, usize::MAX - domain.len()),
        };
        let (class, (kind, length)) = match self {
            Self::Login(_) => (0, (0, 0)),
            Self::From(pattern) => (1, exactness(pattern)),
            Self::To(pattern) => (2, exactness(pattern)),
        };
        (class, kind, length)
    }
}

impl Outbound {
    /// Puts the choices into the order in which they are asked: by login, by From address, by From
    /// pattern and domain, by recipient; the more exact first, otherwise as they were written. Of two
    /// with one condition the second is never asked, and left out.
    #[must_use]
    pub fn in_order(mut self) -> Self {
        let mut choices: Vec<Choice> = Vec::with_capacity(self.choices.len());
        for choice in std::mem::take(&mut self.choices) {
            if !choices.iter().any(|earlier| earlier.of == choice.of) {
                choices.push(choice);
            }
        }
        choices.sort_by_key(|choice| choice.of.rank());
        self.choices = choices;
        self
    }

    /// Whether outgoing mail is not looked at.
    pub fn is_idle(&self) -> bool {
        self.logins.is_empty() && self.routes.is_empty()
    }

    /// The place of the login with a SASL user name. Upper and lower case are one: some SASL servers
    /// do not tell them apart, and a login must not get rid of its bounds by a capital letter.
    pub fn login(&self, user: &str) -> Option<usize> {
        let user = user.to_lowercase();
        self.logins.iter().position(|login| login.user.to_lowercase() == user)
    }

    /// What decides on the route of a message: the first choice that fits. `all_to` tells whether all
    /// recipients outside, of which there is at least one, match a choice (by its place).
    pub fn choose(
        &self,
        login: Option<usize>,
        from: &Address,
        delimiters: &str,
        all_to: impl Fn(usize) -> bool,
    ) -> Option<(&Choice, &Route)> {
        let fits = |(at, choice): &(usize, &Choice)| match &choice.of {
            Condition::Login(of) => Some(*of) == login,
            Condition::From(pattern) => pattern.covers(from.as_str(), delimiters),
            Condition::To(_) => all_to(*at),
        };
        let (_, choice) = self.choices.iter().enumerate().find(fits)?;
        Some((choice, self.routes.get(choice.route)?))
    }

    /// Of which messages a choice is, in words.
    pub fn words(&self, of: &Condition) -> String {
        match of {
            Condition::Login(login) => {
                let name = self.logins.get(*login).map_or("", |login| login.name.as_str());
                format!("login {name}")
            }
            Condition::From(pattern) => format!("from {pattern}"),
            Condition::To(pattern) => format!("all outside to {pattern}"),
        }
    }

    /// Whether recipients with a transport of Postfix's are outside.
    pub fn is_outside(&self, transport: &str) -> bool {
        self.transports.iter().any(|known| known == transport)
    }
}
