//! What the configuration knows of logins. It is not needed: a password that has become known must
//! be changed even while the configuration is broken.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::path::Path;

use crate::config::{self, Config, Surroundings};
use crate::credentials::Name;
use crate::language::Choice;
use crate::policy::outbound::rules;

/// A login as the configuration has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Login {
    /// Its name there: `[login.NAME]`.
    pub name: String,
    /// The SASL user name.
    pub user: String,
    /// The addresses and patterns that it may send as.
    pub may_send_as: Vec<String>,
}

/// The logins of a configuration.
fn logins(config: &Config) -> Vec<Login> {
    let login = |login: &rules::Login| Login {
        name: login.name.clone(),
        user: login.user.clone(),
        may_send_as: login.may_send_as.iter().map(ToString::to_string).collect(),
    };
    config.rules.outbound.logins.iter().map(login).collect()
}

/// What is known.
#[derive(Clone, Debug)]
pub(super) struct Known {
    /// The logins; none where the configuration cannot be read.
    pub logins: Option<Vec<Login>>,
    /// The language of texts for people.
    pub language: Choice,
    /// The recruiting addresses of each system, by its name.
    addresses: Vec<(String, Vec<String>)>,
}

impl Known {
    /// What the configuration in this file knows.
    pub(super) fn of(path: &Path) -> Self {
        let around = Surroundings { sockets: false, state: false, keys: false, credentials: None };
        let config = config::load_with(path, &around).ok().map(|loaded| loaded.config);
        let Some(config) = config else {
            return Self { logins: None, language: Choice::Auto, addresses: Vec::new() };
        };
        let systems = config.rules.systems.iter().enumerate();
        let addresses = systems.map(|(number, system)| {
            let rules = config.rules.addresses.iter().filter(|rule| rule.system == number);
            (system.id.clone(), rules.map(|rule| rule.pattern.to_string()).collect())
        });
        Self {
            logins: Some(logins(&config)),
            language: config.language,
            addresses: addresses.collect(),
        }
    }

    /// The login with this user name.
    pub(super) fn login(&self, user: &Name) -> Option<&Login> {
        self.login_of(user.as_str())
    }

    /// The login with a user name as it stands in a file.
    pub(super) fn login_of(&self, user: &str) -> Option<&Login> {
        self.logins.iter().flatten().find(|login| login.user.eq_ignore_ascii_case(user))
    }

    /// What a new login will want to send as: the addresses of the system of the same name, or of
    /// the only one.
    pub(super) fn addresses_for(&self, user: &Name) -> Vec<String> {
        let named = self.addresses.iter().find(|(id, _)| id.eq_ignore_ascii_case(user.as_str()));
        let only =
            || Some(&self.addresses).filter(|all| all.len() == 1).and_then(|all| all.first());
        named.or_else(only).map(|(_, addresses)| addresses.clone()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(text: &str) -> Known {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("recruit-milter.toml");
        std::fs::write(&path, text).unwrap();
        Known::of(&path)
    }

    const ONE: &str = "language = \"de\"\n[system.personio]\ninbound = \"in@ats.example\"\n\
        addresses = [\"jobs@acme.example\", \"@karriere.acme.example\"]\n";
    const TWO: &str = "[system.odoo]\ninbound = \"in@odoo.example\"\n\
        addresses = [\"jobs@other.example\"]\n";

    #[test]
    fn the_addresses_of_the_system_of_that_name_are_proposed() {
        let of = |text: &str, user: &str| known(text).addresses_for(&Name::new(user).unwrap());
        let personio = ["jobs@acme.example", "*@karriere.acme.example"];
        assert_eq!(of(ONE, "whatever"), personio);
        let both = format!("{ONE}{TWO}");
        assert_eq!(of(&both, "Personio"), personio);
        assert_eq!(of(&both, "odoo"), ["jobs@other.example"]);
        assert_eq!(of(&both, "whatever"), [""; 0]);
    }

    #[test]
    fn a_configuration_that_is_missing_or_wrong_is_no_obstacle() {
        for text in ["", "language = \"de\"\n"] {
            assert!(known(text).logins.is_some());
        }
        assert_eq!(known(ONE).language, Choice::Of(crate::language::Language::De));
        assert!(known("language = \"fr\"\n").logins.is_none());
        assert!(Known::of(Path::new("/nonexistent/recruit-milter.toml")).logins.is_none());
    }

    #[test]
    fn the_logins_of_the_configuration_are_known() {
        let text = format!(
            "{ONE}[login.personio]\nuser = \"Ats\"\nmay_send_as = [\"jobs@acme.example\"]\n"
        );
        let login = known(&text).login(&Name::new("ats").unwrap()).cloned().unwrap();
        assert_eq!((login.name.as_str(), login.may_send_as.len()), ("personio", 1));
    }

    #[test]
    fn a_login_is_found_by_its_user_name_whatever_the_case() {
        let login = Login { name: "p".into(), user: "Personio".into(), may_send_as: vec![] };
        let known = Known { logins: Some(vec![login]), ..known("") };
        assert!(known.login(&Name::new("personio").unwrap()).is_some());
        assert!(known.login_of("p").is_none());
    }
}
