//! recruit-milter.
// SPDX-License-Identifier: GPL-3.0-or-later
pub mod config;
pub mod mail;
pub mod plan;
pub mod policy;
