//! A table for the terminal.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fmt;

/// Rows of cells, as wide as they need to be.
pub(crate) struct Table(Vec<Vec<String>>);

impl Table {
    /// A table with its heading.
    pub(crate) fn new(heading: &[&str]) -> Self {
        let mut table = Self(Vec::new());
        table.row(heading);
        table
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: &[&str]) {
        self.0.push(cells.iter().map(|cell| (*cell).to_owned()).collect());
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.0.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            self.0
                .iter()
                .filter_map(|row| Some(row.get(column)?.chars().count()))
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for (i, row) in self.0.iter().enumerate() {
            let line: Vec<String> =
                row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
            writeln!(f, "  {}", line.join("  ").trim_end())?;
            if i == 0 {
                writeln!(
                    f,
                    "  {}",
                    widths.iter().map(|w| "-".repeat(*w)).collect::<Vec<_>>().join("  ")
                )?;
            }
        }
        Ok(())
    }
}
