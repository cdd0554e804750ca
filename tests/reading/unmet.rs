//! Mails as boards, form services, mail services and people's programs write them, composed by
//! somebody who never read the reader: how far it gets with them.
//!
//! Blocks as in `written.rs`, with more facts: `.kinds` (those that are right, of several),
//! `.may` (addresses that may be named too, though never as certain; `nobody` where it is right
//! as well that somebody looks), `.open why` (the truth is open to debate: not counted).
//!
//! `unmet.expected` holds what is not read right today. No mail may be read worse than it says;
//! `UNMET=write` writes it anew. `UNMET_FOLDER=/a/folder` scores the blocks of another folder.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::{env, fs};

use recruit_milter::policy::applicant::{Applicant, Confidence, Reading};
use recruit_milter::policy::kind::{Action, Kind};

use crate::score::{Case, Truth, key, reading};
use crate::written::blocks;

/// What became of a mail; the further down, the worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Mark {
    Right,
    /// It goes on and names nobody wrong, but the kind or the name is not the true one, or nobody
    /// is named at all.
    Other,
    /// Somebody has to look, though it could have been told.
    Review,
    /// There is nothing in it for the recruiting system, and it goes on as if there were.
    Passed,
    /// It had to go on, and stays.
    KeptOut,
    /// Somebody else is taken for the applicant.
    Likely,
    /// So he is, and as if there were no doubt.
    Certain,
    Panic,
}

const MARKS: [(Mark, &str); 8] = [
    (Mark::Right, "right"),
    (Mark::Other, "other"),
    (Mark::Review, "review"),
    (Mark::Passed, "passed"),
    (Mark::KeptOut, "kept-out"),
    (Mark::Likely, "likely"),
    (Mark::Certain, "certain"),
    (Mark::Panic, "panic"),
];

impl Mark {
    fn word(self) -> &'static str {
        MARKS[self as usize].1
    }
}

/// A mail and what is right for it.
struct Mail {
    case: Case,
    sender: Option<String>,
    kinds: Vec<Kind>,
    may: Vec<String>,
    open: bool,
}

impl Mail {
    fn all(folder: &Path) -> Vec<Self> {
        let mut mails = Vec::new();
        for (place, block) in blocks(folder, None) {
            let words = |key| block.fact(key).unwrap_or_default().split_whitespace();
            let sender = words("sender").next().map(|s| if s == "<>" { "" } else { s }.to_owned());
            for case in block.cases(&place, mails.len()) {
                mails.push(Self {
                    case,
                    sender: sender.clone(),
                    kinds: words("kinds").map(|k| Kind::parse(k).unwrap()).collect(),
                    may: words("may").map(key).collect(),
                    open: block.fact("open").is_some(),
                });
            }
        }
        mails
    }

    fn mark(&self) -> (Mark, String) {
        let read = || reading(&self.case.mail, self.case.from, self.sender.as_deref());
        match catch_unwind(AssertUnwindSafe(read)) {
            Ok(reading) => (self.judge(&reading), told(&reading)),
            Err(_) => (Mark::Panic, String::new()),
        }
    }

    fn judge(&self, reading: &Reading) -> Mark {
        let free = self.may.iter().any(|m| m == "nobody");
        let goes = reading.needs_review || reading.kind.default_action() == Action::Forward;
        let truth: Vec<String> = match &self.case.truth {
            // Where it goes is told by the kind: an away notice must not become a bounce, but
            // neither of them is for the recruiting system.
            Truth::None if !goes => return Mark::Right,
            Truth::None if reading.needs_review && free => return Mark::Right,
            Truth::None if reading.needs_review => return Mark::Review,
            Truth::None => return Mark::Passed,
            Truth::One(one) => vec![key(one)],
            Truth::Several(all) => all.iter().map(|a| key(a)).collect(),
            Truth::Nobody => Vec::new(),
        };
        let wrong = |a: &&Applicant| {
            let may = self.may.contains(&a.mailbox.key()) && a.confidence != Confidence::Certain;
            !truth.contains(&a.mailbox.key()) && !may
        };
        let worst = reading.applicants.iter().filter(wrong).map(|a| a.confidence).max();
        match worst {
            Some(Confidence::Certain) => return Mark::Certain,
            Some(Confidence::Likely) => return Mark::Likely,
            _ => {}
        }
        if !goes && reading.kind.default_action() != Action::ToPerson {
            return Mark::KeptOut;
        }
        let fits = self.kinds.is_empty() || self.kinds.contains(&reading.kind);
        if reading.needs_review {
            let enough = matches!(self.case.truth, Truth::Nobody | Truth::Several(_)) || free;
            return if !enough {
                Mark::Review
            } else if fits {
                Mark::Right
            } else {
                Mark::Other
            };
        }
        let [one] = &reading.applicants[..] else { return Mark::Other };
        let name = one.mailbox.name.as_deref().unwrap_or_default();
        let named = self.case.name.as_ref().is_none_or(|n| n == name);
        if fits && named && worst.is_none() { Mark::Right } else { Mark::Other }
    }
}

fn told(reading: &Reading) -> String {
    let mut all = vec![reading.kind.word().to_owned()];
    all.extend(reading.applicants.iter().map(|a| {
        let name = a.mailbox.name.as_deref().unwrap_or("-");
        format!("{} ({name}) {}", a.mailbox, a.confidence.word())
    }));
    if reading.needs_review {
        all.push("review".into());
    }
    all.join(", ")
}

/// The marks of all, and those that are not right by their names.
fn score(mails: &[Mail]) -> BTreeMap<String, Mark> {
    let mut rows: BTreeMap<&str, [usize; 8]> = BTreeMap::new();
    let mut failures = BTreeMap::new();
    for mail in mails.iter().filter(|m| !m.open) {
        let (mark, told) = mail.mark();
        for row in [mail.case.category.as_str(), "all"] {
            rows.entry(row).or_default()[mark as usize] += 1;
        }
        if mark != Mark::Right {
            println!("{:<8} {}: {told}", mark.word(), mail.case.id);
            failures.insert(mail.case.id.clone(), mark);
        }
    }
    let head: Vec<String> = MARKS.iter().map(|(_, w)| format!("{w:>8}")).collect();
    println!("{:<26} {}", "", head.join(" "));
    for (row, n) in &rows {
        let n: Vec<String> = n.iter().map(|n| format!("{n:>8}")).collect();
        println!("{row:<26} {}", n.join(" "));
    }
    failures
}

fn expected() -> BTreeMap<String, Mark> {
    let mark = |word: &str| MARKS.iter().find(|(_, w)| *w == word).unwrap().0;
    let line = |line: &str| {
        let (word, id) = line.split_once(' ').unwrap();
        (id.trim().to_owned(), mark(word))
    };
    fs::read_to_string(place().join("unmet.expected")).unwrap().lines().map(line).collect()
}

fn place() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reading")
}

#[test]
fn no_mail_is_read_worse_than_it_was() {
    let mails = Mail::all(&place().join("written/unmet"));
    let mut names: Vec<&str> = mails.iter().map(|m| m.case.id.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names.windows(2).find(|w| w[0] == w[1]), None, "two mails of one name");
    let failures = score(&mails);
    if env::var("UNMET").is_ok_and(|v| v == "write") {
        let lines = failures.iter().map(|(id, mark)| format!("{:<8} {id}\n", mark.word()));
        fs::write(place().join("unmet.expected"), lines.collect::<String>()).unwrap();
        return;
    }
    let expected = expected();
    let was = |id: &String| expected.get(id).copied().unwrap_or(Mark::Right);
    let worse: Vec<_> = failures.iter().filter(|(id, mark)| **mark > was(id)).collect();
    let better: Vec<_> = expected
        .iter()
        .filter(|(id, mark)| failures.get(*id).is_none_or(|now| now < mark))
        .collect();
    println!("better than expected, write them off with UNMET=write: {better:#?}");
    assert!(worse.is_empty(), "worse than expected: {worse:#?}");
}

#[test]
fn mails_of_another_folder_are_scored() {
    if let Some(folder) = env::var_os("UNMET_FOLDER") {
        let mails = Mail::all(Path::new(&folder));
        assert!(!mails.is_empty());
        assert!(score(&mails).values().all(|m| *m != Mark::Panic));
    }
}
