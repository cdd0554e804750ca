//! Unit tests of what is pure.
// SPDX-License-Identifier: GPL-3.0-or-later
