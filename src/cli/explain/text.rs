//! The answer of `explain` for people: verdict first, evidence second, the edits last.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fmt::{self, Write as _};

use super::{Copy, Explanation, Shown, ShownApplicant};

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(outgoing) = &self.outgoing {
            write!(f, "{outgoing}")?;
            // Nobody gets it, so nothing else happens to it.
            if outgoing.is_refused() {
                return Ok(());
            }
        }
        self.reading(f)?;
        let incoming = &self.incoming;
        writeln!(f, "envelope   from <{}> to {}", escaped(&incoming.from), list(&incoming.to))?;
        let width = self.recipients.iter().map(|r| r.address.chars().count()).max().unwrap_or(0);
        for r in &self.recipients {
            let system = r.system.as_ref().map(|s| format!(" ({s})")).unwrap_or_default();
            writeln!(f, "           {:width$}  {}{system}", escaped(&r.address), r.note)?;
        }
        writeln!(f, "\npass 1, incoming mail")?;
        self.pass1.iter().try_for_each(|line| writeln!(f, "           {}", escaped(line)))?;
        for copy in &self.copies {
            let Copy { address, outcome, reason, .. } = copy;
            writeln!(f, "\npass 2, the copy for {}: {outcome} ({reason})", escaped(address))?;
            copy.edits.iter().try_for_each(|line| writeln!(f, "           {}", escaped(line)))?;
            let Shown { from, to } = &copy.envelope;
            writeln!(f, "  result   from <{}> to {}", escaped(from), list(to))?;
            for (sign, fields) in [('+', &copy.added), ('-', &copy.removed)] {
                fields
                    .iter()
                    .try_for_each(|line| writeln!(f, "         {sign} {}", escaped(line)))?;
            }
        }
        Ok(())
    }
}

fn list(addresses: &[String]) -> String {
    if addresses.is_empty() {
        return "nobody".into();
    }
    addresses.iter().map(|a| format!("<{}>", escaped(a))).collect::<Vec<_>>().join(", ")
}

/// What came from a message must not steer the terminal.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { _ = write!(out, "{}", c.escape_default()) } else { out.push(c) }
    }
    out
}

impl Explanation {
    /// What kind of mail it is, whose, and why.
    fn reading(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "kind       {}", self.kind)?;
        let people = match &self.applicants[..] {
            [] => "nobody can be named".to_owned(),
            all => all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        };
        writeln!(f, "applicant  {}", escaped(&people))?;
        if let Some(forwarder) = &self.forwarder {
            writeln!(f, "forwarder  {}", escaped(forwarder))?;
        }
        for (label, value) in [("subject", &self.original.subject), ("date", &self.original.date)] {
            if let Some(value) = value {
                writeln!(f, "original   {label}: {}", escaped(value))?;
            }
        }
        for (i, clue) in self.evidence.iter().enumerate() {
            let label = if i == 0 { "because" } else { "" };
            writeln!(f, "{label:10} {}", escaped(&clue.text))?;
        }
        writeln!(f, "outcome    {} ({})", self.outcome, self.reason)?;
        if self.needs_review {
            writeln!(f, "           somebody should look at it")?;
        }
        writeln!(f)
    }

    /// The answer in a line.
    pub(super) fn line(&self) -> String {
        let applicant = self.applicant.as_ref().map_or("-".to_owned(), ToString::to_string);
        format!("{}, {}, {}", self.outcome, self.kind, escaped(&applicant))
    }
}

impl fmt::Display for ShownApplicant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.name {
            write!(f, "{name} ")?;
        }
        write!(f, "<{}> ({}, {})", self.address, self.source, self.confidence)
    }
}
