//! Addresses and patterns of addresses, as an admin writes them.
//!
//! Must not know what they are wanted for.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fmt;

use crate::mail::address::{Address, split_extension};
use crate::mail::domain::{address_key, domain_key, is_domain};

/// Which addresses a rule is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Pattern {
    /// One address (`jobs@acme.example`), with its extensions unless those have rules of their own.
    Exact(Address),
    /// A local-part with a `*` in it (`jobs-*@acme.example`); the star stands for anything.
    Wildcard {
        /// What comes before the star.
        prefix: String,
        /// What comes between the star and the `@`.
        suffix: String,
        /// The domain.
        domain: String,
    },
    /// Every address of a domain: `@karriere.acme.example` or `*@karriere.acme.example`.
    Domain(String),
    /// Every address of every domain below one: `*@*.acme.example`.
    Subdomains(String),
}

impl Pattern {
    /// Reads an address or pattern. The error is a sentence for the admin.
    pub fn parse(text: &str) -> Result<Self, String> {
        let Some((local, domain)) = text.rsplit_once('@') else {
            return Err("an address has the form local-part@domain".into());
        };
        if !domain.contains('*') && !local.contains('*') && !local.is_empty() {
            return Address::parse(text).map(Self::Exact).map_err(|e| e.to_string());
        }
        let (domain, below) = match domain.strip_prefix("*.") {
            Some(rest) => (rest, true),
            None => (domain, false),
        };
        if !is_domain(domain) {
            return Err("the part after the @ is not a domain".into());
        }
        let domain = domain.to_lowercase();
        match (local, below) {
            ("" | "*", true) => Ok(Self::Subdomains(domain)),
            ("" | "*", false) => Ok(Self::Domain(domain)),
            (_, true) => {
                Err("a pattern has one star: in the local-part or before the domain".into())
            }
            (local, false) => {
                let (prefix, suffix) = local.split_once('*').unwrap_or((local, ""));
                if suffix.contains('*') {
                    return Err("a pattern has one star in its local-part".into());
                }
                // The star must not hide characters that no address may have.
                Address::parse(&format!("{prefix}x{suffix}@{domain}"))
                    .map_err(|e| e.to_string())?;
                Ok(Self::Wildcard {
                    prefix: prefix.to_lowercase(),
                    suffix: suffix.to_lowercase(),
                    domain,
                })
            }
        }
    }

    /// The domain the pattern is about.
    pub fn domain(&self) -> &str {
        match self {
            Self::Exact(address) => address.domain(),
            Self::Wildcard { domain, .. } | Self::Domain(domain) | Self::Subdomains(domain) => {
                domain
            }
        }
    }

    /// Whether an address matches, as it stands or without its extension. `delimiters` is Postfix's
    /// `recipient_delimiter`.
    pub fn covers(&self, address: &str, delimiters: &str) -> bool {
        let key = address_key(address);
        let Some((local, domain)) = key.rsplit_once('@').filter(|(local, _)| !local.is_empty())
        else {
            return false;
        };
        let base = split_extension(local, delimiters).map(|(base, _)| base);
        let mut locals = std::iter::once(local).chain(base);
        match self {
            Self::Exact(address) => {
                let own = address.key();
                locals.any(|local| own.rsplit_once('@') == Some((local, domain)))
            }
            Self::Wildcard { prefix, suffix, domain: of } => {
                domain == domain_key(of) && locals.any(|local| fits(local, prefix, suffix))
            }
            Self::Domain(of) => domain == domain_key(of),
            Self::Subdomains(of) => {
                domain.strip_suffix(&*domain_key(of)).is_some_and(|below| below.ends_with('.'))
            }
        }
    }

    /// How two patterns are compared for being the same.
    pub fn key(&self) -> String {
        let domain = domain_key(self.domain());
        match self {
            Self::Exact(address) => address.key(),
            Self::Wildcard { prefix, suffix, .. } => format!("{prefix}*{suffix}@{domain}"),
            Self::Domain(_) => format!("*@{domain}"),
            Self::Subdomains(_) => format!("*@*.{domain}"),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(address) => address.fmt(f),
            Self::Wildcard { prefix, suffix, domain } => write!(f, "{prefix}*{suffix}@{domain}"),
            Self::Domain(domain) => write!(f, "*@{domain}"),
            Self::Subdomains(domain) => write!(f, "*@*.{domain}"),
        }
    }
}

/// Whether a local-part fits `prefix*suffix`.
pub(super) fn fits(local: &str, prefix: &str, suffix: &str) -> bool {
    local.len() >= prefix.len() + suffix.len()
        && local.starts_with(prefix)
        && local.ends_with(suffix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_that_mean_nothing_are_refused() {
        for bad in [
            "jobs",
            "",
            "*",
            "@",
            "*@",
            "a*b*c@x.example",
            "jobs-*@*.x.example",
            "a b*@x.example",
            "@*",
        ] {
            assert!(Pattern::parse(bad).is_err(), "{bad}");
        }
    }
}
