//! Reading mail: the corpus and its score, mutations, and linearity.
//!
//! The corpus is composed by a generator: clients (`reading/clients.rs`) times languages
//! (`reading/words.rs`) times the forms of a body, and cases of their own (`reading/cases.rs`).
//! `reading/fixtures` holds whole messages with their truth.
// SPDX-License-Identifier: GPL-3.0-or-later
#![allow(clippy::unwrap_used)] // helpers of tests are tests
#![allow(clippy::format_collect, clippy::format_push_string)] // plain, and fast enough here
#![allow(clippy::many_single_char_names, clippy::too_many_lines)] // templates and tables

#[path = "reading/cases.rs"]
mod cases;
#[path = "reading/clients.rs"]
mod clients;
#[path = "reading/compose.rs"]
mod compose;
#[path = "reading/fixtures.rs"]
mod fixtures;
#[path = "reading/outlook.rs"]
mod outlook;
#[path = "reading/score.rs"]
mod score;
#[path = "reading/traps.rs"]
mod traps;
#[path = "reading/words.rs"]
mod words;
