//! What a Postfix instance has: its parameters, its services, and how it is asked.
//!
//! Must not know what recruit-milter wants there.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::syntax::Service;

/// The configuration of a Postfix instance at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Site {
    /// The configuration directory.
    pub config_dir: PathBuf,
    /// What main.cf says, unexpanded.
    pub main: BTreeMap<String, String>,
    /// Built-in defaults, unexpanded. A parameter that is not here is not known to this version.
    pub defaults: BTreeMap<String, String>,
    /// The effective values, expanded.
    pub effective: BTreeMap<String, String>,
    /// The services of master.cf.
    pub services: Vec<Service>,
    /// The types of look-up tables that are supported.
    pub table_types: BTreeSet<String>,
    /// Files of ours in the configuration directory, with their content.
    pub files: BTreeMap<String, String>,
    /// What is known of content filters.
    pub filters: Looked,
}

/// What is known of filters besides main.cf and master.cf.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Looked {
    /// Where tables send mail by FILTER, by the table as a setting names it.
    pub tables: BTreeMap<String, Vec<Target>>,
    /// Tables that could say FILTER, and whose source nobody can read here.
    pub unseen: BTreeSet<String>,
    /// Whether the server of a filter offers DSN (RFC 3461). Nothing where nobody answered.
    pub dsn: BTreeMap<String, bool>,
}

/// Where a FILTER in a table leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// `transport:next hop`.
    pub to: String,
    /// Whether the line is for all mail.
    pub always: bool,
}

/// A Postfix version, as far as it matters.
pub type Version = (u32, u32);

impl Site {
    /// The effective, expanded value of a parameter; empty if there is none.
    pub fn value(&self, name: &str) -> &str {
        self.effective.get(name).map_or("", String::as_str)
    }

    /// The unexpanded value of a parameter: main.cf's, else the default.
    pub fn raw(&self, name: &str) -> &str {
        let raw = self.main.get(name).or_else(|| self.defaults.get(name));
        raw.map_or("", String::as_str)
    }

    /// Whether this version has the parameter.
    pub fn knows(&self, name: &str) -> bool {
        self.defaults.contains_key(name)
    }

    /// Major and minor number of the version.
    pub fn version(&self) -> Version {
        let text = self.value("mail_version");
        let mut numbers = text.split(['.', '-']).map(|number| number.parse().unwrap_or(0));
        (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
    }

    /// A service by its `name/type`.
    pub fn service(&self, key: &str) -> Option<&Service> {
        self.services.iter().find(|service| service.key() == key)
    }
}
