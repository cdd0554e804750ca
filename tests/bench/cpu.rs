//! CPU time of other processes, read from `/proc`.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fs;

use crate::harness::process;

/// The length of a clock tick in seconds: 100 a second on every Linux (proc(5), `USER_HZ`).
const TICK: f64 = 0.01;

/// CPU time in seconds, user and system, of some process groups: of their living processes, and of
/// the children these have waited for.
pub(crate) fn of_groups(leaders: &[u32]) -> f64 {
    leaders.iter().flat_map(|&leader| process::group(leader)).filter_map(|p| of(p.pid)).sum()
}

/// What `work` costs these process groups.
pub(crate) fn cost(leaders: &[u32], work: impl FnOnce()) -> f64 {
    let before = of_groups(leaders);
    work();
    of_groups(leaders) - before
}

fn of(pid: u32) -> Option<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |field: usize| fields.get(field - 3)?.parse::<f64>().ok();
    let children = (number(16)? + number(17)?) * TICK;
    // Ticks are coarse for the dozen processes of Postfix. The scheduler counts in nanoseconds, but
    // by thread, and forgets threads that have ended.
    let threads = number(20)?;
    let own = if threads > 1.0 { None } else { nanoseconds(pid) };
    let own = own.map_or((number(14)? + number(15)?) * TICK, |ns| ns / 1e9);
    Some(own + children)
}

fn nanoseconds(pid: u32) -> Option<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/schedstat")).ok()?;
    text.split_whitespace().next()?.parse().ok()
}
