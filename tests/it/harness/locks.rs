//! Which POSIX locks a process holds, by the kernel's own list.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// How often the list is read before a lock is taken for gone.
const READS: usize = 100;

/// Whether a process holds a POSIX lock on a file.
///
/// The kernel gives out its list a page at a time, and while others take and drop theirs between two
/// pages it passes over some. What is never in it is not there.
pub fn held(pid: u32, file: &Path) -> bool {
    let Ok(file) = fs::metadata(file) else { return false };
    let (number, pid) = (file.ino().to_string(), pid.to_string());
    let is_one = |line: &str| {
        // 6: POSIX  ADVISORY  READ 1234 fe:00:10026934 1073741826 1073742335
        let words: Vec<&str> = line.split_whitespace().collect();
        matches!(words[..], [_, "POSIX", _, _, by, on, ..]
            if by == pid && on.rsplit(':').next() == Some(&number))
    };
    (0..READS).any(|_| fs::read_to_string("/proc/locks").unwrap().lines().any(is_one))
}
