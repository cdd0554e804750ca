//! `login list`: who is in the file, and what the configuration lets each send as. Never a hash.
// SPDX-License-Identifier: GPL-3.0-or-later

use serde_json::json;

use super::super::{answer, say};
use super::failure::{Failure, remind};
use super::guide::key;
use super::known::{Known, Login};
use crate::credentials::{Entry, Store};

pub(super) fn list(store: &Store, known: &Known, as_json: bool) -> Result<(), Failure> {
    let file = store.read().map_err(|error| Failure::of(store, None, &error))?;
    let entries: Vec<Entry> = file.entries().collect();
    let logins = known.logins.as_deref();
    if as_json {
        answer(&json(&entries, logins));
    } else if entries.is_empty() {
        say(&format!("{}: no logins", store.path().display()));
    } else {
        answer(&table(&entries, logins));
    }
    if logins.is_none() {
        say("The configuration cannot be read; recruit-milter check tells why.");
    }
    for login in logins.unwrap_or_default() {
        if !entries.iter().any(|entry| is_of(login, entry)) {
            let (key, path) = (key(&login.name), store.path().display());
            say(&format!("[login.{key}]: \"{}\" has no password in {path}", login.user));
        }
    }
    remind(store);
    Ok(())
}

fn is_of(login: &Login, entry: &Entry) -> bool {
    login.user.eq_ignore_ascii_case(&entry.user)
}

fn login_of<'a>(entry: &Entry, logins: Option<&'a [Login]>) -> Option<&'a Login> {
    logins?.iter().find(|login| is_of(login, entry))
}

fn table(entries: &[Entry], logins: Option<&[Login]>) -> String {
    let row = |entry: &Entry| {
        let made = match &entry.made {
            Some(day) => format!("made {day}"),
            None => "not made here".to_owned(),
        };
        let may = match (login_of(entry, logins), logins) {
            (Some(login), _) => format!("sends as {}", login.may_send_as.join(", ")),
            (None, Some(_)) => "no [login]: not held to any address".to_owned(),
            (None, None) => String::new(),
        };
        let open = if entry.nologin { "" } else { "   not for SMTP alone: no \"nologin\"" };
        let scheme = entry.scheme.clone().unwrap_or_else(|| "-".to_owned());
        [entry.user.escape_debug().to_string(), scheme, made, may + open]
    };
    let rows: Vec<[String; 4]> = entries.iter().map(row).collect();
    let width = |column: usize| rows.iter().map(|r| r[column].chars().count()).max().unwrap_or(0);
    let [user, scheme, made] = [0, 1, 2].map(width);
    let lines = rows.iter().map(|[a, b, c, d]| {
        format!("{a:user$}   {b:scheme$}   {c:made$}   {d}").trim_end().to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn json(entries: &[Entry], logins: Option<&[Login]>) -> String {
    let objects: Vec<_> = entries
        .iter()
        .map(|entry| {
            let login = login_of(entry, logins);
            json!({
                "user": entry.user,
                "scheme": entry.scheme,
                "made": entry.made,
                "nologin": entry.nologin,
                "login": login.map(|login| &login.name),
                "may_send_as": login.map(|login| &login.may_send_as),
            })
        })
        .collect();
    format!("{:#}", serde_json::Value::Array(objects))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::PasswdFile;

    fn entries() -> Vec<Entry> {
        let text = "personio:{SSHA512}c2VjcmV0:::recruit-milter 2026-11-25:::nologin\n\
            bob:$6$x$c2VjcmV0:1000:1000:Bob:/home/bob:/bin/sh\n\
            odd\x1b[31m:{BLF-CRYPT}c2VjcmV0:::recruit-milter 2026-01-02:::nologin\n";
        PasswdFile::parse(text.as_bytes()).unwrap().entries().collect()
    }

    fn logins() -> Vec<Login> {
        let may_send_as = ["jobs@acme.example", "@karriere.acme.example"].map(str::to_owned).into();
        vec![Login { name: "ats".to_owned(), user: "Personio".to_owned(), may_send_as }]
    }

    #[test]
    fn the_table_shows_who_may_what_and_no_hash() {
        let expected = concat!(
            "personio      SSHA512     made 2026-11-25   sends as jobs@acme.example, @karriere.acme.example\n",
            "bob           -           not made here     no [login]: not held to any address   not for SMTP alone: no \"nologin\"\n",
            "odd\\u{1b}[31m   BLF-CRYPT   made 2026-01-02   no [login]: not held to any address",
        );
        let shown = table(&entries(), Some(&logins()));
        let squeezed = |text: &str| {
            let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
            text.lines().map(words).collect::<Vec<_>>().join("\n")
        };
        assert_eq!(squeezed(&shown), squeezed(expected));
        assert!(!table(&entries(), None).contains("[login]"), "nobody knows");
    }

    #[test]
    fn json_says_the_same() {
        let text = json(&entries(), Some(&logins()));
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read[0]["login"], "ats");
        assert_eq!(read[0]["may_send_as"][1], "@karriere.acme.example");
        assert_eq!(
            (&read[1]["made"], &read[1]["scheme"]),
            (&serde_json::Value::Null, &serde_json::Value::Null)
        );
        assert_eq!(read[1]["nologin"], false);
        assert!(!text.contains("c2VjcmV0"));
    }
}
