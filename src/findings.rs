//! What is wrong, as `doctor`, `postfix --check` and `verify` tell it; and the table of all that can be,
//! which is the page recruit-milter-findings(7) as well.
//!
//! * `postfix`, `doctor`: the table, in two families of ids.
//!
//! An id never changes and is never given out a second time: it stands in manuals and tickets. Must not
//! know how anything is found.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fmt;

use serde::{Serialize, Serializer};

mod doctor;
mod postfix;

/// Each id by what it stands for.
pub mod id {
    pub use super::doctor::*;
    pub use super::postfix::*;
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nobody could look, or has tried it.
    NotTested,
    /// Something may not be as it was meant.
    Warning,
    /// Mail is not forwarded, or could be lost.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotTested => "not tested",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// What the manual says of an id.
#[derive(PartialEq, Eq)]
struct Entry {
    id: &'static str,
    severities: &'static [Severity],
    title: &'static str,
    meaning: &'static str,
}

/// The stable name of something that can be wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Id(&'static Entry);

impl Id {
    /// As it is printed: `RM-POSTFIX-12`.
    pub fn as_str(self) -> &'static str {
        self.0.id
    }

    /// What is wrong, in half a sentence.
    pub fn title(self) -> &'static str {
        self.0.title
    }

    /// What it says, what happens to mail and what to do.
    pub fn meaning(self) -> &'static str {
        self.0.meaning
    }

    /// How bad it can be, the worst first.
    pub fn severities(self) -> &'static [Severity] {
        self.0.severities
    }

    /// All ids, in the order of the manual.
    pub fn all() -> impl Iterator<Item = Self> {
        postfix::ALL.iter().chain(doctor::ALL).copied()
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl PartialEq<&str> for Id {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Its stable name, to look it up in the manual.
    pub id: Id,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, and where.
    pub text: String,
    /// What to do.
    pub remedy: String,
}

impl Finding {
    /// A finding whose severity follows from its id.
    pub fn new(id: Id, text: impl Into<String>, remedy: impl Into<String>) -> Self {
        debug_assert_eq!(id.severities().len(), 1, "{id} can be more than one");
        Self::with(id.severities()[0], id, text, remedy)
    }

    /// A finding whose id can be more or less bad.
    pub fn with(
        severity: Severity,
        id: Id,
        text: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        debug_assert!(id.severities().contains(&severity), "{id} is no {severity} in the manual");
        Self { id, severity, text: text.into(), remedy: remedy.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})\n  -> {}", self.severity, self.text, self.id, self.remedy)
    }
}

/// Makes a part of the table: a constant for each id, and the list of them.
macro_rules! table {
    ($($name:ident = $id:literal, $severities:expr, $title:literal, $meaning:literal;)*) => {
        $(
            #[doc = concat!($id, ": `", $title, "`.")]
            pub const $name: super::Id = super::Id(&super::Entry {
                id: $id,
                severities: $severities,
                title: $title,
                meaning: $meaning,
            });
        )*
        pub(super) const ALL: &[super::Id] = &[$($name),*];
    };
}
use table;

const ERROR: &[Severity] = &[Severity::Error];
const WARNING: &[Severity] = &[Severity::Warning];
const NOT_TESTED: &[Severity] = &[Severity::NotTested];
const ERROR_OR_WARNING: &[Severity] = &[Severity::Error, Severity::Warning];
const ERROR_OR_NOT_TESTED: &[Severity] = &[Severity::Error, Severity::NotTested];
const WARNING_OR_NOT_TESTED: &[Severity] = &[Severity::Warning, Severity::NotTested];
const ANY: &[Severity] = &[Severity::Error, Severity::Warning, Severity::NotTested];
