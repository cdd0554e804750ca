//! Which POSIX locks a process holds, by the kernel's own list.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// How many POSIX locks a process holds on a file.
pub fn held(pid: u32, file: &Path) -> usize {
    let number = fs::metadata(file).unwrap().ino().to_string();
    let pid = pid.to_string();
    let is_one = |line: &&str| {
        // 6: POSIX  ADVISORY  READ 1234 fe:00:10026934 1073741826 1073742335
        let words: Vec<&str> = line.split_whitespace().collect();
        matches!(words[..], [_, "POSIX", _, _, by, on, ..]
            if by == pid && on.rsplit(':').next() == Some(&number))
    };
    fs::read_to_string("/proc/locks").unwrap().lines().filter(is_one).count()
}
