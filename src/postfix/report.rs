//! What the checks of Postfix's configuration have found so far.
// SPDX-License-Identifier: GPL-3.0-or-later

use crate::findings::{Finding, Id, Severity};

/// The findings, in the order in which they are told.
#[derive(Default)]
pub(super) struct Report(Vec<Finding>);

impl Report {
    /// Adds one whose severity follows from its id.
    pub(super) fn add(&mut self, id: Id, text: impl Into<String>, remedy: impl Into<String>) {
        self.0.push(Finding::new(id, text, remedy));
    }

    /// Adds one whose id can be more or less bad.
    pub(super) fn with(
        &mut self,
        severity: Severity,
        id: Id,
        text: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.0.push(Finding::with(severity, id, text, remedy));
    }

    /// Adds some that are made already.
    pub(super) fn extend(&mut self, findings: impl IntoIterator<Item = Finding>) {
        self.0.extend(findings);
    }

    /// All of them.
    pub(super) fn into_findings(self) -> Vec<Finding> {
        self.0
    }
}
