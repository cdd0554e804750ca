//! A case, how it is read, and how the answer counts.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::collections::BTreeMap;

use recruit_milter::mail::mailbox::Mailbox;
use recruit_milter::mail::{Address, Message};
use recruit_milter::policy::applicant::{Context, Evidence, Reading, Verdict, read};
use recruit_milter::policy::kind::Kind;
use recruit_milter::policy::rules::{AddressRule, Pattern, Rules, System};

/// Where the mail is said to come from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Client {
    /// A colleague who logged in, or his computer.
    Inside,
    /// Anybody.
    Outside,
}

/// What is true about a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Truth {
    /// This is the applicant.
    One(String),
    /// These are, side by side; somebody has to look.
    Several(Vec<String>),
    /// Nobody can be named; somebody has to look.
    Nobody,
    /// There is no applicant and nothing to look at.
    None,
}

/// One mail of the corpus.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) id: String,
    pub(crate) client: String,
    pub(crate) language: String,
    pub(crate) category: String,
    pub(crate) mail: Vec<u8>,
    pub(crate) from: Client,
    pub(crate) sender: Option<&'static str>,
    pub(crate) truth: Truth,
    pub(crate) kind: Option<Kind>,
    /// The subject of the mail that was passed on.
    pub(crate) subject: Option<String>,
    /// The applicant's name; empty where there is none.
    pub(crate) name: Option<String>,
    /// The date of the mail that was passed on.
    pub(crate) date: Option<String>,
}

/// How an answer counts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Mark {
    Right,
    Review,
    Missed,
    Wrong,
}

/// The company of the corpus.
pub(crate) fn rules() -> Rules {
    let address = |a: &str| AddressRule::new(Pattern::Exact(Address::parse(a).unwrap()), 0);
    let rules = Rules {
        systems: vec![System {
            id: "ats".into(),
            profile: "generic".into(),
            inbound: Address::parse("acme-jobs@ats-inbox.example").unwrap(),
            next_hop: None,
        }],
        addresses: vec![
            address("bewerbung@acme-werke.example"),
            address("jobs@acme-werke.example"),
        ],
        internal_domains: vec!["acme-werke.example".into()],
        delimiters: "+".into(),
        ..Rules::default()
    };
    rules.indexed()
}

/// Reads a mail as the program does.
pub(crate) fn reading(mail: &[u8], from: Client, sender: Option<&str>) -> Reading {
    read_cut(mail, from, sender, false)
}

/// Reads a mail that may have been cut.
pub(crate) fn read_cut(mail: &[u8], from: Client, sender: Option<&str>, cut: bool) -> Reading {
    thread_local! {
        static RULES: (Rules, Vec<Verdict>) = (rules(), Verdict::usual());
    }
    RULES.with(|(rules, verdicts)| {
        let context = Context {
            rules,
            evidence: Evidence { login: from == Client::Inside, internal_client: false },
            sender,
            probe: false,
            verdicts,
            boards: &[],
            limit: 1 << 20,
        };
        let message = Message::parse(mail);
        read(&message.header, &message.body, cut, &context)
    })
}

pub(crate) fn key(address: &str) -> String {
    Mailbox::parse(address).map_or_else(|| address.to_lowercase(), |m| m.key())
}

impl Case {
    pub(crate) fn read(&self) -> Reading {
        reading(&self.mail, self.from, self.sender)
    }

    /// How an answer counts: nobody may be named but those who are true.
    pub(crate) fn mark(&self, reading: &Reading) -> Mark {
        let named: Vec<String> = reading.applicants.iter().map(|a| a.mailbox.key()).collect();
        let truth: Vec<String> = match &self.truth {
            Truth::One(one) => vec![key(one)],
            Truth::Several(all) => all.iter().map(|a| key(a)).collect(),
            Truth::Nobody | Truth::None => Vec::new(),
        };
        if named.iter().any(|n| !truth.contains(n)) {
            return Mark::Wrong;
        }
        if self.kind.is_some_and(|k| k != reading.kind) {
            return Mark::Missed;
        }
        let review = reading.needs_review;
        match &self.truth {
            Truth::One(_) if named == truth && !review => {
                let original = reading.original.clone().unwrap_or_default();
                let name = reading.applicants[0].mailbox.name.as_deref().unwrap_or_default();
                if self.subject.is_some() && self.subject != original.subject
                    || self.date.is_some() && self.date != original.date
                    || self.name.as_ref().is_some_and(|n| n != name)
                {
                    return Mark::Missed;
                }
                Mark::Right
            }
            Truth::Several(_) if named == truth && review => Mark::Right,
            Truth::Nobody if review => Mark::Right,
            Truth::None if !review => Mark::Right,
            _ if review => Mark::Review,
            _ => Mark::Missed,
        }
    }
}

/// The marks of a corpus.
#[derive(Default)]
pub(crate) struct Score {
    rows: BTreeMap<(&'static str, String), [usize; 4]>,
    pub(crate) total: [usize; 4],
    pub(crate) failures: Vec<(Mark, String)>,
}

impl Score {
    pub(crate) fn of(cases: &[Case]) -> Self {
        let mut score = Self::default();
        for case in cases {
            let reading = case.read();
            let mark = case.mark(&reading);
            for (kind, row) in [
                ("client", &case.client),
                ("language", &case.language),
                ("category", &case.category),
            ] {
                score.rows.entry((kind, row.clone())).or_default()[mark as usize] += 1;
            }
            score.total[mark as usize] += 1;
            if mark != Mark::Right {
                let text = format!(
                    "{} [{:?}]: {:?}, kind {}, {:?}\n    {}",
                    case.id,
                    case.truth,
                    reading
                        .applicants
                        .iter()
                        .map(|a| format!(
                            "{} {:?} {}",
                            a.mailbox,
                            a.mailbox.name,
                            a.confidence.word()
                        ))
                        .collect::<Vec<_>>(),
                    reading.kind,
                    reading.original,
                    reading
                        .clues
                        .iter()
                        .map(ToString::to_string)
                        .collect::<Vec<_>>()
                        .join("\n    "),
                );
                score.failures.push((mark, text));
            }
        }
        score
    }

    /// The share of right answers, in per mille.
    pub(crate) fn right(&self) -> usize {
        self.total[0] * 1000 / self.total.iter().sum::<usize>().max(1)
    }

    pub(crate) fn print(&self) {
        println!(
            "{:<9} {:<34} {:>6} {:>6} {:>6} {:>6}",
            "", "", "right", "review", "missed", "wrong"
        );
        for ((kind, row), n) in &self.rows {
            println!("{kind:<9} {row:<34} {:>6} {:>6} {:>6} {:>6}", n[0], n[1], n[2], n[3]);
        }
        let n = self.total;
        println!("{:<9} {:<34} {:>6} {:>6} {:>6} {:>6}", "all", "", n[0], n[1], n[2], n[3]);
        for (mark, failure) in &self.failures {
            println!("{mark:?}: {failure}");
        }
    }
}
