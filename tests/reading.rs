//! Reading mail: the corpus and its score, and mutations.
//!
//! The corpus is composed by a generator: clients (`reading/clients.rs`) times languages
//! (`reading/words.rs`) times the forms of a body, and cases of their own (`reading/cases.rs`).
//! `reading/fixtures` holds whole messages with their truth.
// SPDX-License-Identifier: GPL-3.0-or-later
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests are tests
#![allow(clippy::format_collect, clippy::format_push_string)] // plain, and fast enough here
#![allow(clippy::many_single_char_names, clippy::too_many_lines)] // templates and tables
#![allow(clippy::struct_excessive_bools)] // what happened to a mail, one by one

#[path = "reading/bounds.rs"]
mod bounds;
#[path = "reading/cases.rs"]
mod cases;
#[path = "reading/chains.rs"]
mod chains;
#[path = "reading/charsets.rs"]
mod charsets;
#[path = "reading/clients.rs"]
mod clients;
#[path = "reading/compose.rs"]
mod compose;
#[path = "reading/files.rs"]
mod files;
#[path = "reading/fixtures.rs"]
mod fixtures;
#[path = "reading/kinds.rs"]
mod kinds;
#[path = "reading/later.rs"]
mod later;
#[path = "reading/mutate.rs"]
mod mutate;
#[path = "reading/outlook.rs"]
mod outlook;
#[path = "reading/score.rs"]
mod score;
#[path = "reading/seeds.rs"]
mod seeds;
#[path = "reading/shapes.rs"]
mod shapes;
#[path = "reading/strangers.rs"]
mod strangers;
#[path = "reading/traps.rs"]
mod traps;
#[path = "reading/unmet.rs"]
mod unmet;
#[path = "reading/webmail.rs"]
mod webmail;
#[path = "reading/words.rs"]
mod words;
#[path = "reading/written.rs"]
mod written;
