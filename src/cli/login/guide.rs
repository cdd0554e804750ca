//! The texts of `login`: what is typed into a settings page, and what the servers need.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fmt::Write as _;

use serde_json::json;

use super::known::Known;
use crate::credentials::{Name, Password, Store};
use crate::language::{Choice, Language};
use crate::postfix::Instance;

/// Shown where nobody can tell the host.
const SOME_HOST: &str = "mail.example.com";

/// The words of a settings page in one language.
struct Words {
    heading: &'static str,
    server: &'static str,
    port: &'static str,
    encryption: &'static str,
    /// How implicit TLS is called.
    implicit: &'static str,
    user: &'static str,
    password: &'static str,
    otherwise: &'static str,
    /// How STARTTLS is called.
    starttls: &'static str,
}

static ENGLISH: Words = Words {
    heading: "To be typed into the recruiting system's settings for outgoing mail (SMTP).\n\
              The password is shown this once; nobody keeps it.",
    server: "Server (host)",
    port: "Port",
    encryption: "Encryption",
    implicit: "SSL/TLS (where \"SSL\" and \"TLS\" are offered: SSL)",
    user: "User name",
    password: "Password",
    otherwise: "Or, if that page or its firewall does not allow port 465:",
    starttls: "STARTTLS (where \"SSL\" and \"TLS\" are offered: TLS)",
};

static GERMAN: Words = Words {
    heading: "In die Einstellungen des Recruiting-Systems für ausgehende Mails (SMTP) einzutragen.\n\
              Das Passwort wird nur dieses eine Mal gezeigt; niemand bewahrt es auf.",
    server: "Server (Host)",
    port: "Port",
    encryption: "Verschlüsselung",
    implicit: "SSL/TLS (wo „SSL“ und „TLS“ zur Wahl stehen: SSL)",
    user: "Benutzername",
    password: "Passwort",
    otherwise: "Oder, falls die Seite oder ihre Firewall Port 465 nicht zulässt:",
    starttls: "STARTTLS (wo „SSL“ und „TLS“ zur Wahl stehen: TLS)",
};

/// The languages of a text: one, or all where nobody can tell which.
#[derive(Clone, Copy)]
pub(super) struct Languages(&'static [Language]);

impl Languages {
    /// Those that are asked for; by the locale's variables where that is left to it.
    pub(super) fn of(choice: Choice, variable: impl Fn(&str) -> Option<String>) -> Self {
        Self(choice.for_others(variable))
    }

    fn words(self) -> impl Iterator<Item = &'static Words> {
        self.0.iter().map(|language| language.pick(&ENGLISH, &GERMAN))
    }

    /// A label in all languages, on one line. What is the same in both stands once.
    fn label(self, of: fn(&Words) -> &'static str) -> String {
        let mut words: Vec<&str> = self.words().map(of).collect();
        words.dedup_by_key(|word| word.to_lowercase());
        words.join(" / ")
    }

    /// A text in all languages, one after the other.
    fn text(self, of: fn(&Words) -> &'static str) -> String {
        self.words().map(of).collect::<Vec<_>>().join("\n")
    }
}

/// What a recruiting system must be told.
pub(super) struct Guide<'a> {
    pub name: &'a Name,
    pub password: &'a Password,
    pub host: Option<&'a str>,
}

impl Guide<'_> {
    /// The lines to type into the settings page.
    pub(super) fn text(&self, languages: Languages) -> String {
        let label = |of| languages.label(of);
        let user = self.name.as_str();
        let ssl = languages.text(|w| w.implicit);
        let starttls = languages.text(|w| w.starttls);
        let rows = [
            (label(|w| w.server), self.host.unwrap_or(SOME_HOST)),
            (label(|w| w.port), "465"),
            (label(|w| w.encryption), &ssl),
            (label(|w| w.user), user),
            (label(|w| w.password), self.password.reveal()),
            (label(|w| w.port), "587"),
            (label(|w| w.encryption), &starttls),
        ];
        let width = rows.iter().map(|(label, _)| label.chars().count()).max().unwrap_or(0) + 3;
        // Room for all of it: a string that grows leaves copies of the password behind.
        let mut out = String::with_capacity(4096);
        _ = writeln!(out, "{}\n", languages.text(|w| w.heading));
        for (index, (label, value)) in rows.iter().enumerate() {
            if index == 5 {
                _ = writeln!(out, "\n{}\n", languages.text(|w| w.otherwise));
            }
            let mut label = label.as_str();
            for line in value.lines() {
                _ = writeln!(out, "  {label:width$}{line}");
                label = "";
            }
        }
        out
    }

    /// The same for programs.
    pub(super) fn json(&self, store: &Store, known: &Known) -> String {
        let value = json!({
            "host": self.host,
            "settings": [
                {"port": 465, "encryption": "SSL/TLS"},
                {"port": 587, "encryption": "STARTTLS"},
            ],
            "user": self.name.as_str(),
            "password": self.password.reveal(),
            "bits": Password::BITS,
            "users_file": store.path().to_string_lossy(),
            "configured": known.logins.as_ref().map(|_| known.login(self.name).is_some()),
        });
        let mut out = String::with_capacity(4096);
        _ = writeln!(out, "{value:#}");
        out
    }
}

/// What Dovecot, Postfix and this program need for a login to work.
pub(super) fn setup(store: &Store, name: &Name, known: &Known) -> String {
    // Dovecot: a % begins a variable, in both versions.
    let users = store.path().to_string_lossy().replace('%', "%%");
    let socket = format!("{}/private/auth", queue_directory());
    let mut text = format!(
        r#"
The password has {length} characters and {bits} bits of randomness; {users_file} has a hash of it.
Once, unless it is there already:

# Dovecot 2.3, say in /etc/dovecot/conf.d/99-recruit-milter.conf; then doveadm reload.
# Inside "protocol smtp" it opens no mailbox: IMAP and POP3 do not look there.
protocol smtp {{
  passdb {{
    driver = passwd-file
    args = {users}
  }}
}}
# Add these to the mechanisms that you have.
auth_mechanisms = plain login
service auth {{
  unix_listener {socket} {{
    mode = 0660
    user = postfix
    group = postfix
  }}
}}

# Dovecot 2.4: the same with
protocol smtp {{
  passdb recruit-milter {{
    driver = passwd-file
    passwd_file_path = {users}
  }}
}}

# Cyrus SASL instead of Dovecot: sasldb2 holds passwords and takes no hash. Type the password into
#   saslpasswd2 -c -u "$(postconf -hx myhostname)" {name}

# Postfix, master.cf, at "submission" (587) and "submissions", also called "smtps" (465).
# No rule by client address before permit_sasl_authenticated: the system's addresses change.
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_sasl_type=dovecot
  -o smtpd_sasl_path=private/auth
  -o smtpd_tls_auth_only=yes
  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject
# At 587 also
  -o smtpd_tls_security_level=encrypt
# At 465 also
  -o smtpd_tls_wrappermode=yes
"#,
        length = Password::LENGTH,
        bits = Password::BITS,
        users_file = store.path().display(),
    );
    if known.login(name).is_none() {
        _ = write!(text, "\n{}", table(name, &known.addresses_for(name)));
    }
    text
}

/// The lines of the configuration that a login needs.
fn table(name: &Name, addresses: &[String]) -> String {
    let (addresses, remark) = if addresses.is_empty() {
        ("\"jobs@example.com\"".to_owned(), "   # the recruiting addresses that it sends as")
    } else {
        let quoted: Vec<String> = addresses.iter().map(|address| quoted(address)).collect();
        (quoted.join(", "), "")
    };
    format!(
        "# recruit-milter.toml: this holds the login to its addresses\n\
         [login.{}]\nmay_send_as = [{addresses}]{remark}\n",
        key(name.as_str())
    )
}

/// A TOML key.
pub(super) fn key(name: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if !name.is_empty() && name.chars().all(bare) { name.to_owned() } else { quoted(name) }
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// What a login without a table in the configuration can do.
pub(super) fn not_held(name: &Name) -> String {
    format!(
        "warning: nothing holds {name} to its addresses until [login.{}] is in the configuration",
        key(name.as_str())
    )
}

/// What goes on after a password has ended.
pub(super) fn still_open(name: &Name) -> String {
    format!(
        "Dovecot sees it at the next login, a second later at most.\n\
         Where it has auth_cache_size set: doveadm auth cache flush {name}\n\
         Sessions that are logged in go on until they end; postfix stop and start ends them."
    )
}

fn queue_directory() -> String {
    let said = Instance::system().run("postconf", &["-hx", "queue_directory"]);
    match said.as_deref().map(str::trim) {
        Ok(folder) if folder.starts_with('/') => folder.to_owned(),
        _ => "/var/spool/postfix".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(choice: Choice, locale: &[(&str, &str)]) -> String {
        let variable = |name: &str| {
            locale.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        let (name, password) = (Name::new("personio").unwrap(), Password::make().unwrap());
        let guide = Guide { name: &name, password: &password, host: Some("mail.acme.example") };
        let text = guide.text(Languages::of(choice, variable));
        assert_eq!(text.matches(password.reveal()).count(), 1);
        text.replace(password.reveal(), "PASSWORD")
    }

    #[test]
    fn the_settings_are_shown_in_the_language_of_the_page() {
        let english = "\
To be typed into the recruiting system's settings for outgoing mail (SMTP).
The password is shown this once; nobody keeps it.

  Server (host)   mail.acme.example
  Port            465
  Encryption      SSL/TLS (where \"SSL\" and \"TLS\" are offered: SSL)
  User name       personio
  Password        PASSWORD

Or, if that page or its firewall does not allow port 465:

  Port            587
  Encryption      STARTTLS (where \"SSL\" and \"TLS\" are offered: TLS)
";
        let german = "\
In die Einstellungen des Recruiting-Systems für ausgehende Mails (SMTP) einzutragen.
Das Passwort wird nur dieses eine Mal gezeigt; niemand bewahrt es auf.

  Server (Host)     mail.acme.example
  Port              465
  Verschlüsselung   SSL/TLS (wo „SSL“ und „TLS“ zur Wahl stehen: SSL)
  Benutzername      personio
  Passwort          PASSWORD

Oder, falls die Seite oder ihre Firewall Port 465 nicht zulässt:

  Port              587
  Verschlüsselung   STARTTLS (wo „SSL“ und „TLS“ zur Wahl stehen: TLS)
";
        assert_eq!(shown(Choice::Of(Language::En), &[("LANG", "de_DE.UTF-8")]), english);
        assert_eq!(shown(Choice::Of(Language::De), &[]), german);
        assert_eq!(shown(Choice::Auto, &[("LANG", "de_AT.UTF-8")]), german);
        assert_eq!(shown(Choice::Auto, &[("LC_ALL", ""), ("LC_MESSAGES", "en_GB")]), english);
        assert_eq!(shown(Choice::Auto, &[("LC_ALL", "de"), ("LANG", "en_US")]), german);
    }

    #[test]
    fn where_nobody_can_tell_the_language_both_are_shown() {
        for locale in [&[][..], &[("LANG", "C.UTF-8")], &[("LANG", "fr_FR")], &[("LC_ALL", "den")]]
        {
            let text = shown(Choice::Auto, locale);
            for part in [
                "  Server (host)                  mail.acme.example\n",
                "  Encryption / Verschlüsselung   SSL/TLS (where \"SSL\" and \"TLS\" are offered: SSL)\n",
                "                                 SSL/TLS (wo „SSL“ und „TLS“ zur Wahl stehen: SSL)\n",
                "  User name / Benutzername       personio\n",
                "nobody keeps it.\nIn die Einstellungen",
            ] {
                assert!(text.contains(part), "{part}{text}");
            }
        }
    }

    #[test]
    fn keys_that_are_no_bare_words_are_quoted() {
        let table = |name: &str, addresses: &[&str]| {
            let addresses: Vec<String> = addresses.iter().map(|a| (*a).to_owned()).collect();
            table(&Name::new(name).unwrap(), &addresses)
        };
        for (name, addresses) in [
            ("personio", &["jobs@acme.example", "*@*.acme.example"][..]),
            ("jobs@acme.example", &["\"a b\"@acme.example"]),
            ("a.b", &[]),
        ] {
            let text = table(name, addresses);
            let read: toml::Table = text.parse().unwrap();
            let list = read["login"][name]["may_send_as"].as_array().unwrap();
            let list: Vec<&str> = list.iter().map(|value| value.as_str().unwrap()).collect();
            assert_eq!(list, if addresses.is_empty() { &["jobs@example.com"] } else { addresses });
        }
    }
}
