//! Figures, their aims, and the table they are shown in.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fmt::Write as _;

use crate::table::Table;

/// All figures of a run.
#[derive(Default)]
pub(crate) struct Figures(Vec<Figure>);

struct Figure {
    name: String,
    value: String,
    spread: String,
    aim: String,
    verdict: &'static str,
}

impl Figures {
    /// Adds a ratio: the median of those of all rounds.
    pub(crate) fn ratio(&mut self, name: &str, rounds: &[f64], aim: Option<f64>) {
        let mut sorted = rounds.to_vec();
        sorted.sort_by(f64::total_cmp);
        let median = median(&sorted);
        let spread = match (sorted.first(), sorted.last()) {
            (Some(least), Some(most)) => format!("{least:.2} to {most:.2}"),
            _ => String::new(),
        };
        let aim_text = aim.map(|aim| format!("{aim:.2}"));
        self.add(
            name,
            format!("{median:.2}"),
            spread,
            aim_text,
            aim.map(|aim| round(median) <= aim),
        );
    }

    /// Adds what is no ratio, in a unit of its own.
    pub(crate) fn amount(
        &mut self,
        name: &str,
        value: f64,
        unit: &str,
        note: &str,
        aim: Option<f64>,
    ) {
        let digits = usize::from(value < 100.0 && value.fract() != 0.0);
        let aim_text = aim.map(|aim| format!("{aim} {unit}"));
        let value_text = format!("{value:.digits$} {unit}");
        self.add(name, value_text, note.to_owned(), aim_text, aim.map(|aim| value <= aim));
    }

    fn add(
        &mut self,
        name: &str,
        value: String,
        spread: String,
        aim: Option<String>,
        met: Option<bool>,
    ) {
        let verdict = match met {
            Some(true) => "met",
            Some(false) => "MISSED",
            None => "",
        };
        let figure =
            Figure { name: name.to_owned(), value, spread, aim: aim.unwrap_or_default(), verdict };
        eprintln!("  {}: {} ({}) {}", figure.name, figure.value, figure.spread, figure.verdict);
        self.0.push(figure);
    }

    /// The table, and how many aims are missed.
    pub(crate) fn report(&self) -> String {
        let mut table = Table::new(&["what", "measured", "spread or note", "aim", ""]);
        for f in &self.0 {
            table.row(&[&f.name, &f.value, &f.spread, &f.aim, f.verdict]);
        }
        let count = |verdict| self.0.iter().filter(|f| f.verdict == verdict).count();
        let mut out = table.to_string();
        let _ = write!(out, "\n{} aims met, {} missed.", count("met"), count("MISSED"));
        out
    }
}

fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    if sorted.len().is_multiple_of(2) {
        f64::midpoint(sorted[middle - 1], sorted[middle])
    } else {
        sorted[middle]
    }
}

/// As it is shown, so that a figure and its verdict never contradict each other.
fn round(ratio: f64) -> f64 {
    (ratio * 100.0).round() / 100.0
}
