//! Many answers of `explain` in one table: how many messages of each kind, what happens with them,
//! and how surely applicants are named.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::Explanation;

/// The counts.
#[derive(Debug, Default, Serialize)]
pub(super) struct Summary {
    messages: u64,
    kinds: BTreeMap<&'static str, Counts>,
    outcomes: BTreeMap<&'static str, u64>,
}

/// What was found in messages of one kind.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Counts {
    messages: u64,
    certain: u64,
    likely: u64,
    /// Named, but somebody should look.
    review: u64,
    nobody: u64,
    needs_review: u64,
}

impl Summary {
    pub(super) fn add(&mut self, explanation: &Explanation) {
        self.messages += 1;
        *self.outcomes.entry(explanation.outcome).or_default() += 1;
        let counts = self.kinds.entry(explanation.kind).or_default();
        counts.messages += 1;
        counts.needs_review += u64::from(explanation.needs_review);
        let confidence = explanation.applicants.first().map(|applicant| applicant.confidence);
        *match confidence {
            None => &mut counts.nobody,
            Some("certain") => &mut counts.certain,
            Some("likely") => &mut counts.likely,
            Some(_) => &mut counts.review,
        } += 1;
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = |f: &mut fmt::Formatter<'_>, name: &str, c: &Counts| {
            writeln!(
                f,
                "{name:<18}{:>9}{:>9}{:>9}{:>9}{:>9}{:>14}",
                c.messages, c.certain, c.likely, c.review, c.nobody, c.needs_review
            )
        };
        writeln!(
            f,
            "{:<18}{:>9}{:>9}{:>9}{:>9}{:>9}{:>14}",
            "kind", "messages", "certain", "likely", "review", "nobody", "needs review"
        )?;
        let mut total = Counts::default();
        for (kind, counts) in &self.kinds {
            row(f, kind, counts)?;
            total.messages += counts.messages;
            total.certain += counts.certain;
            total.likely += counts.likely;
            total.review += counts.review;
            total.nobody += counts.nobody;
            total.needs_review += counts.needs_review;
        }
        row(f, "all", &total)?;
        writeln!(f, "\n{:<18}{:>9}", "outcome", "messages")?;
        self.outcomes.iter().try_for_each(|(outcome, n)| writeln!(f, "{outcome:<18}{n:>9}"))
    }
}
