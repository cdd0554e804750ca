//! The text of a passwd-file as Dovecot reads it:
//! `user:{SCHEME}hash:uid:gid:gecos:home:shell:extra fields`.
//!
//! Own code and no crate, since lines of others, comments and line ends stay byte for byte. Must not know files.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fmt;

use super::Name;

/// What marks an entry as made by us, in the gecos field: Dovecot does not read it.
const MARK: &str = "recruit-milter";
/// The extra field without which an entry would open mailboxes wherever it is looked up.
///
/// Dovecot: with it imap-login answers `Login disabled for this user` to the right password, while
/// Postfix, which asks nothing but whether the password is right, takes it (2.3.19).
const NOLOGIN: &str = "nologin";
/// The place of the gecos field.
const GECOS: usize = 4;
/// The place of the extra fields.
const EXTRA: usize = 7;

/// A passwd-file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PasswdFile {
    /// With their line ends.
    lines: Vec<Vec<u8>>,
}

/// An entry, without its hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The user name as it stands there.
    pub user: String,
    /// The password scheme, if one is named.
    pub scheme: Option<String>,
    /// Whether it was made here, and for what it says the day on which (`2026-11-25`).
    pub made: Option<String>,
    /// Whether it can be used for nothing but SMTP.
    pub nologin: bool,
    /// Its line, from 1.
    pub line: usize,
}

/// Why an entry cannot be added or changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryError {
    /// The name has an entry already.
    Exists(Entry),
    /// The name has no entry.
    Missing,
    /// The entry was not made here: it may be somebody's mailbox.
    Foreign(Entry),
    /// The name has several entries; the first two lines.
    Twice(usize, usize),
}

impl fmt::Display for EntryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exists(entry) => {
                write!(f, "\"{}\" is there already, in line {}", entry.user, entry.line)
            }
            Self::Missing => f.write_str("there is no such login"),
            Self::Foreign(entry) => write!(
                f,
                "\"{}\" in line {} was not made by recruit-milter, and may belong to a mailbox",
                entry.user, entry.line
            ),
            Self::Twice(first, second) => {
                write!(f, "the same name is in lines {first} and {second}")
            }
        }
    }
}

impl std::error::Error for EntryError {}

/// A line that is no entry, no comment and not empty: its number, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoEntry(pub usize);

impl fmt::Display for NoEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} is not one of a passwd-file: it has no colon", self.0)
    }
}

impl std::error::Error for NoEntry {}

impl PasswdFile {
    /// Reads a text.
    pub fn parse(text: &[u8]) -> Result<Self, NoEntry> {
        let lines: Vec<Vec<u8>> =
            text.split_inclusive(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
        let wrong = |line: &[u8]| is_entry(line) && user_of(line).is_none();
        match lines.iter().position(|line| wrong(line)) {
            Some(index) => Err(NoEntry(index + 1)),
            None => Ok(Self { lines }),
        }
    }

    /// The text.
    pub fn text(&self) -> Vec<u8> {
        self.lines.concat()
    }

    /// All entries.
    pub fn entries(&self) -> impl Iterator<Item = Entry> {
        let numbered = self.lines.iter().enumerate();
        numbered.filter_map(|(index, line)| entry(line, index + 1))
    }

    /// Adds an entry at the end. `hashed` is scheme and hash, `day` today.
    pub fn add(&mut self, name: &Name, hashed: &str, day: &str) -> Result<(), EntryError> {
        if let Some(entry) = self.named(name).next() {
            return Err(EntryError::Exists(entry));
        }
        if let Some(last) = self.lines.last_mut().filter(|line| !line.ends_with(b"\n")) {
            last.push(b'\n');
        }
        self.lines.push(line(name, hashed, day));
        Ok(())
    }

    /// Gives an entry of ours another password.
    pub fn replace(&mut self, name: &Name, hashed: &str, day: &str) -> Result<(), EntryError> {
        let number = self.ours(name)?;
        self.lines[number - 1] = line(name, hashed, day);
        Ok(())
    }

    /// Takes an entry of ours out.
    pub fn remove(&mut self, name: &Name) -> Result<(), EntryError> {
        let number = self.ours(name)?;
        self.lines.remove(number - 1);
        Ok(())
    }

    /// The line of the one entry that was made here for this name.
    fn ours(&self, name: &Name) -> Result<usize, EntryError> {
        let mut found = self.named(name);
        let first = found.next().ok_or(EntryError::Missing)?;
        match found.next() {
            Some(second) => Err(EntryError::Twice(first.line, second.line)),
            None if first.made.is_none() => Err(EntryError::Foreign(first)),
            None => Ok(first.line),
        }
    }

    fn named(&self, name: &Name) -> impl Iterator<Item = Entry> {
        self.entries().filter(|entry| entry.user.eq_ignore_ascii_case(name.as_str()))
    }
}

fn line(name: &Name, hashed: &str, day: &str) -> Vec<u8> {
    format!("{name}:{hashed}:::{MARK} {day}:::{NOLOGIN}\n").into_bytes()
}

/// Dovecot: empty lines and those that begin with `#` are not read.
fn is_entry(line: &[u8]) -> bool {
    !line.starts_with(b"#") && !line.trim_ascii().is_empty()
}

fn user_of(line: &[u8]) -> Option<&[u8]> {
    line.iter().position(|b| *b == b':').map(|colon| &line[..colon])
}

fn entry(line: &[u8], number: usize) -> Option<Entry> {
    let user = user_of(line).filter(|_| is_entry(line))?;
    let text = |octets: &[u8]| String::from_utf8_lossy(octets.trim_ascii()).into_owned();
    let field = |place: usize| line.split(|b| *b == b':').nth(place).map(text).unwrap_or_default();
    let gecos = field(GECOS);
    Some(Entry {
        user: text(user),
        scheme: scheme(&field(1)),
        made: gecos.strip_prefix(MARK).map(|day| day.trim().to_owned()),
        // Extra fields may have colons of their own.
        nologin: line.splitn(EXTRA + 1, |b| *b == b':').nth(EXTRA).is_some_and(|extra| {
            let names = text(extra);
            names.split_ascii_whitespace().any(|f| f.split('=').next() == Some(NOLOGIN))
        }),
        line: number,
    })
}

/// The scheme in front of a hash, and nothing that may be a part of one.
fn scheme(field: &str) -> Option<String> {
    let (scheme, _) = field.strip_prefix('{')?.split_once('}')?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    (!scheme.is_empty() && scheme.chars().all(is_name)).then(|| scheme.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OTHERS: &str = "# Colleagues\n\nbob:{BLF-CRYPT}$2y$05$abc:1000:1000::/home/bob::\r\n\
        sabine:$6$x$y\n  \nthumb:{SSHA256}QUJD::::::nologin=y allow_nets=::1";

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    fn users(file: &PasswdFile) -> Vec<String> {
        file.entries().map(|entry| entry.user).collect()
    }

    #[test]
    fn an_entry_names_user_hash_and_day_and_opens_no_mailbox() {
        let mut file = PasswdFile::default();
        file.add(&name("Personio"), "{SSHA512}QUJD", "2026-11-25").unwrap();
        let line = "personio:{SSHA512}QUJD:::recruit-milter 2026-11-25:::nologin\n";
        assert_eq!(file.text(), line.as_bytes());
        let entry = file.entries().next().unwrap();
        assert_eq!(entry.user, "personio");
        assert_eq!(entry.scheme.as_deref(), Some("SSHA512"));
        assert_eq!(entry.made.as_deref(), Some("2026-11-25"));
        assert!(entry.nologin);
        assert!(!format!("{entry:?}").contains("QUJD"));
    }

    #[test]
    fn lines_of_others_are_read_and_kept() {
        let mut file = PasswdFile::parse(OTHERS.as_bytes()).unwrap();
        let read: Vec<_> = file.entries().map(|e| (e.line, e.user, e.scheme, e.nologin)).collect();
        let scheme = |name: &str| Some(name.to_owned());
        assert_eq!(
            read,
            [
                (3, "bob".to_owned(), scheme("BLF-CRYPT"), false),
                (4, "sabine".to_owned(), None, false),
                (6, "thumb".to_owned(), scheme("SSHA256"), true),
            ]
        );
        file.add(&name("personio"), "{X}y", "d").unwrap();
        let text = String::from_utf8(file.text()).unwrap();
        assert_eq!(text, format!("{OTHERS}\npersonio:{{X}}y:::recruit-milter d:::nologin\n"));
    }

    #[test]
    fn a_line_that_is_no_entry_is_told_by_number() {
        let text = "# comment: with a colon\n\nbob:x\nnobody\nsabine:y\n";
        assert_eq!(PasswdFile::parse(text.as_bytes()), Err(NoEntry(4)));
        assert!(PasswdFile::parse(b"").unwrap().text().is_empty());
        assert_eq!(PasswdFile::parse(b"\x7fELF\x02\x01"), Err(NoEntry(1)));
    }

    #[test]
    fn what_is_there_is_neither_added_twice_nor_taken_from_others() {
        let mut file = PasswdFile::parse(OTHERS.as_bytes()).unwrap();
        file.add(&name("personio"), "{X}y", "d").unwrap();
        let before = file.clone();
        assert!(
            matches!(file.add(&name("BOB"), "", ""), Err(EntryError::Exists(e)) if e.line == 3)
        );
        assert_eq!(file.remove(&name("nobody")), Err(EntryError::Missing));
        assert_eq!(file.replace(&name("nobody"), "", ""), Err(EntryError::Missing));
        for result in [file.remove(&name("bob")), file.replace(&name("bob"), "{X}z", "d")] {
            assert!(matches!(result, Err(EntryError::Foreign(entry)) if entry.user == "bob"));
        }
        assert_eq!(file, before);
        let twice = [before.text(), b"Personio:{X}z\n".to_vec()].concat();
        let mut twice = PasswdFile::parse(&twice).unwrap();
        assert_eq!(twice.remove(&name("personio")), Err(EntryError::Twice(7, 8)));
    }

    #[test]
    fn an_entry_without_a_scheme_shows_no_part_of_its_hash() {
        for field in ["secret", "{secret", "{}secret", "{a b}secret", "{a$b}secret", ""] {
            let file = PasswdFile::parse(format!("bob:{field}\n").as_bytes()).unwrap();
            assert_eq!(file.entries().next().unwrap().scheme, None, "{field}");
        }
    }

    fn foreign_line() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            Just(Vec::new()),
            proptest::collection::vec(any::<u8>(), 0..40).prop_map(|b| [b"#".to_vec(), b].concat()),
            proptest::collection::vec(any::<u8>(), 0..40)
                .prop_map(|b| [b"u:".to_vec(), b].concat()),
            "[a-z]{1,8}:[{}$A-Za-z0-9/.]{0,20}(:[^\r\n]{0,10}){0,8}".prop_map(String::into_bytes),
        ]
        .prop_map(|mut line| {
            line.retain(|b| *b != b'\n');
            line
        })
    }

    proptest! {
        #[test]
        fn whatever_stands_there_is_kept_byte_for_byte(
            lines in proptest::collection::vec(foreign_line(), 0..8),
            names in proptest::collection::btree_set("zz[a-z0-9]{1,6}", 1..4),
            whole in any::<bool>(),
        ) {
            let mut text = lines.join(&b'\n');
            if whole && !text.is_empty() {
                text.push(b'\n');
            }
            let mut file = PasswdFile::parse(&text).unwrap();
            prop_assert_eq!(file.text(), text.clone());
            let before = users(&file);
            for made in &names {
                file.add(&name(made), "{X}one", "d").unwrap();
            }
            let mut ended = text.clone();
            if !ended.is_empty() && !ended.ends_with(b"\n") {
                ended.push(b'\n');
            }
            prop_assert!(file.text().starts_with(&ended));
            prop_assert_eq!(users(&file).len(), before.len() + names.len());
            let read = PasswdFile::parse(&file.text()).unwrap();
            prop_assert_eq!(&read, &file);
            for made in &names {
                file.replace(&name(made), "{X}two", "d").unwrap();
            }
            let lossy = |file: &PasswdFile| String::from_utf8_lossy(&file.text()).into_owned();
            let [one, two] = ["one", "two"].map(|word| format!("{{X}}{word}:::recruit-milter d:"));
            prop_assert_eq!(lossy(&file), lossy(&read).replace(&one, &two));
            for made in &names {
                file.remove(&name(made)).unwrap();
            }
            prop_assert_eq!(file.text(), ended);
        }
    }
}
