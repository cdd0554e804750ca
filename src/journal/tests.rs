//! The journal as a whole: written by many, killed, without room, rotated while it is read.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::*;
use crate::observe;
use crate::policy::outcome::Outcome;

const NEVER: u64 = u64::MAX;
/// Long enough for anything that should happen, on a busy machine too.
const SOON: Duration = Duration::from_secs(60);

fn entry(id: &str) -> Entry {
    Entry {
        queue_id: Some(id.to_owned()),
        address: Some("jobs@acme.example".into()),
        ..Entry::new(Timestamp::now(), Pass::Front, Action::Copy(Outcome::Diverted))
    }
}

/// What a reader finds: the queue IDs, how many entries are told to be lost, and the bad lines.
#[derive(Debug, Default, PartialEq)]
struct Found {
    ids: Vec<String>,
    lost: u64,
    bad: Vec<BadLine>,
}

impl Found {
    fn take(&mut self, record: Result<Record, BadLine>) {
        match record {
            Ok(Record::Entry(entry)) => self.ids.extend(entry.queue_id),
            Ok(Record::Lost(lost)) => self.lost += lost.lost,
            Err(bad) => self.bad.push(bad),
        }
    }
}

fn read(dir: &Path) -> Found {
    let mut found = Found::default();
    replay(dir, None).for_each(|(_, record)| found.take(record));
    found
}

fn ids(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|i| i.to_string()).collect()
}

fn wait_for(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < SOON, "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn raw_line(id: &str) -> Vec<u8> {
    Record::Entry(Box::new(entry(id))).to_line().unwrap()
}

#[test]
fn many_threads_write_whole_lines_and_each_in_its_order() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path(), 100_000, 100);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let journal = journal.clone();
            scope.spawn(move || {
                for i in 0..500 {
                    journal.record(entry(&format!("{thread} {i}")));
                    if i % 50 == 0 {
                        std::thread::sleep(Duration::from_millis(1));
                    }
                }
            });
        }
    });
    assert!(journal.close(SOON));
    assert_eq!(journal.lost(), 0);
    let found = read(dir.path());
    assert_eq!((found.ids.len(), found.lost, found.bad), (4000, 0, vec![]));
    let mut next: HashMap<&str, u32> = HashMap::new();
    for id in &found.ids {
        let (thread, i) = id.split_once(' ').unwrap();
        let next = next.entry(thread).or_default();
        assert_eq!(i.parse(), Ok(*next));
        *next += 1;
    }
    assert!(dir.path().join("journal.3").exists());
}

#[test]
fn files_are_rotated_by_size_and_the_oldest_goes() {
    let dir = tempfile::tempdir().unwrap();
    let size = raw_line("10").len() as u64 * 3;
    fs::write(dir.path().join("journal.3"), "from when more were kept\n").unwrap();
    let journal = Journal::open(dir.path(), size, 2);
    for id in ids(10..20) {
        journal.record(entry(&id));
    }
    assert!(journal.close(SOON));
    assert_eq!(read(dir.path()).ids, ids(13..20));
    for (name, exists) in
        [("journal", true), ("journal.1", true), ("journal.2", true), ("journal.3", false)]
    {
        let path = dir.path().join(name);
        assert_eq!(path.exists(), exists, "{name}");
        if exists {
            let metadata = fs::metadata(path).unwrap();
            assert!(metadata.len() <= size);
            assert_eq!(metadata.permissions().mode() & 0o777, 0o640);
        }
    }
}

#[test]
fn without_rotated_files_only_the_newest_lines_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path(), raw_line("10").len() as u64 * 3, 0);
    for id in ids(10..17) {
        journal.record(entry(&id));
    }
    assert!(journal.close(SOON));
    assert_eq!(read(dir.path()).ids, ["16"]);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn a_reader_sees_each_line_once_while_the_files_are_rotated() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path(), 2000, 200);
    let writer = std::thread::spawn({
        let journal = journal.clone();
        move || {
            for id in ids(0..2000) {
                journal.record(entry(&id));
                if id.ends_with("00") {
                    std::thread::sleep(Duration::from_millis(10));
                }
            }
            journal.close(SOON)
        }
    });
    let mut found = Found::default();
    let mut position = None;
    let mut rounds = 0;
    let start = Instant::now();
    while found.ids.len() < 2000 && start.elapsed() < SOON {
        // As a reader that is stopped and started would: the position is all it keeps.
        let stored = serde_json::to_string(&position).unwrap();
        let mut lines = replay(dir.path(), serde_json::from_str(&stored).unwrap());
        for (_, record) in lines.by_ref().take(70) {
            found.take(record);
        }
        position = lines.position();
        rounds += 1;
    }
    assert!(writer.join().unwrap());
    assert_eq!(journal.lost(), 0);
    assert!(rounds > 20, "{rounds}");
    assert_eq!((found.lost, &found.bad[..]), (0, &[][..]));
    let wrong = found.ids.iter().zip(ids(0..2000)).find(|(a, b)| *a != b);
    assert_eq!((wrong, found.ids.len()), (None, 2000));
}

#[test]
fn a_position_that_was_rotated_away_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("journal");
    fs::write(&file, [raw_line("a"), raw_line("b")].concat()).unwrap();
    let (position, _) = replay(dir.path(), None).last().unwrap();
    assert_eq!(replay(dir.path(), position).count(), 0);
    // The same inode with another content, as after the number was given to a new file.
    fs::write(&file, [raw_line("c"), raw_line("d"), raw_line("e")].concat()).unwrap();
    let mut found = Found::default();
    replay(dir.path(), position).for_each(|(_, record)| found.take(record));
    assert_eq!(found.ids, ["c", "d", "e"]);
    assert_eq!(found.bad, [BadLine::PositionGone]);
}

#[test]
fn bad_lines_are_told_and_passed_over_and_an_unfinished_one_waits() {
    let dir = tempfile::tempdir().unwrap();
    let long = [vec![b'x'; 3 * MAX_LINE], b"\n".to_vec()].concat();
    let content = [
        raw_line("1"),
        b"{\"v\":1,\"ti\n".to_vec(),
        long,
        b"\n".to_vec(),
        b"\xff\xfe\0\n".to_vec(),
        b"{\"v\":2}\n".to_vec(),
        raw_line("2"),
    ];
    let mut content = content.concat();
    let third = raw_line("3");
    content.extend_from_slice(&third[..third.len() - 1]);
    fs::write(dir.path().join("journal"), &content).unwrap();
    let mut lines = replay(dir.path(), None);
    let mut found = Found::default();
    lines.by_ref().for_each(|(_, record)| found.take(record));
    assert_eq!(found.ids, ["1", "2"]);
    assert_eq!(
        found.bad,
        [
            BadLine::Malformed,
            BadLine::TooLong,
            BadLine::Malformed,
            BadLine::Malformed,
            BadLine::Version(2)
        ]
    );
    content.push(b'\n');
    fs::write(dir.path().join("journal"), &content).unwrap();
    let rest: Vec<_> = replay(dir.path(), lines.position()).collect();
    assert!(matches!(&rest[..], [(_, Ok(Record::Entry(e)))] if e.queue_id.as_deref() == Some("3")));
    // In a file that is no longer written nobody will finish it.
    content.pop();
    fs::write(dir.path().join("journal"), &content).unwrap();
    fs::rename(dir.path().join("journal"), dir.path().join("journal.1")).unwrap();
    fs::write(dir.path().join("journal"), raw_line("4")).unwrap();
    let found = read(dir.path());
    assert_eq!(found.ids, ["1", "2", "4"]);
    assert_eq!(found.bad.len(), 6);
}

#[test]
fn a_missing_folder_has_nothing_to_read_and_a_file_that_is_none_is_told() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(replay(&dir.path().join("none"), None).count(), 0);
    fs::create_dir(dir.path().join("journal")).unwrap();
    let found = read(dir.path());
    assert!(matches!(found.bad[..], [BadLine::Unreadable(_)]), "{found:?}");
}

#[test]
fn a_torn_last_line_is_left_behind() {
    let dir = tempfile::tempdir().unwrap();
    let torn = raw_line("torn");
    let content = [&raw_line("1"), &torn[..20]].concat();
    fs::write(dir.path().join("journal"), content).unwrap();
    let journal = Journal::open(dir.path(), NEVER, 3);
    journal.record(entry("2"));
    assert!(journal.close(SOON));
    let found = read(dir.path());
    assert_eq!((found.ids, found.bad), (ids(1..3), vec![BadLine::Malformed]));
}

/// Entries wait while the journal cannot be written; those that find no room are counted, and the
/// journal tells how many once it can.
fn check_recovery(dir: &Path, break_it: impl FnOnce(), repair: impl FnOnce(), logged: &str) {
    break_it();
    let journal = Journal::with_queue(dir, NEVER, 3, 10);
    let start = Instant::now();
    for id in ids(0..100) {
        journal.record(entry(&id));
        // Slow enough for the writer to take the first one up.
        std::thread::sleep(Duration::from_millis(2));
    }
    // Each of the 89 that are lost would wait for the writer to try again.
    assert!(start.elapsed() < SOON, "recording waited");
    let log = observe::capture(|| journal.shared_complaint());
    assert!(log.contains(logged), "{log}");
    assert_eq!(journal.lost(), 89);
    repair();
    wait_for("recovery", || read(dir).ids.len() == 11);
    wait_for("the count of what is missing", || read(dir).lost == 89);
    journal.record(entry("100"));
    assert!(journal.close(SOON));
    let found = read(dir);
    assert_eq!(found.ids.len(), 12);
    assert_eq!(found.ids[..11], ids(0..11));
    assert_eq!((found.lost, found.bad), (89, vec![]));
}

#[test]
fn a_missing_folder_delays_entries_and_fails_nothing() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("state");
    check_recovery(
        &dir,
        || {},
        || fs::create_dir(&dir).unwrap(),
        "reason=\"No such file or directory (os error 2)\"",
    );
}

#[test]
fn a_journal_that_cannot_be_opened_delays_entries_and_fails_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let obstacle = dir.path().join("journal");
    check_recovery(
        dir.path(),
        || fs::create_dir(&obstacle).unwrap(),
        || fs::remove_dir(&obstacle).unwrap(),
        "reason=\"Is a directory (os error 21)\"",
    );
}

#[test]
fn a_full_disk_delays_entries_and_fails_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("journal");
    check_recovery(
        dir.path(),
        || std::os::unix::fs::symlink("/dev/full", &file).unwrap(),
        || fs::remove_file(&file).unwrap(),
        "reason=\"No space left on device (os error 28)\"",
    );
}

#[test]
fn a_file_moved_away_by_hand_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path(), NEVER, 3);
    journal.record(entry("1"));
    wait_for("the first line", || !read(dir.path()).ids.is_empty());
    fs::rename(dir.path().join("journal"), dir.path().join("elsewhere")).unwrap();
    std::thread::sleep(Duration::from_millis(1100));
    journal.record(entry("2"));
    assert!(journal.close(SOON));
    assert_eq!(read(dir.path()).ids, ["2"]);
}

#[test]
fn a_file_that_cannot_be_rotated_is_written_on() {
    let dir = tempfile::tempdir().unwrap();
    // A folder that is not empty cannot be replaced by a file.
    fs::create_dir_all(dir.path().join("journal.1/in the way")).unwrap();
    let journal = Journal::open(dir.path(), 300, 1);
    for id in ids(0..10) {
        journal.record(entry(&id));
    }
    assert!(journal.close(SOON));
    assert_eq!(journal.lost(), 0);
    let text = fs::read_to_string(dir.path().join("journal")).unwrap();
    assert_eq!(text.lines().count(), 10);
}

#[test]
fn closing_gives_up_in_time_and_later_entries_are_counted() {
    let journal = Journal::open(Path::new("/nonexistent/state"), NEVER, 3);
    for id in ids(0..5) {
        journal.record(entry(&id));
    }
    let start = Instant::now();
    assert!(journal.close(SOON));
    assert!(start.elapsed() < SOON / 2);
    assert_eq!(journal.lost(), 5);
    wait_for("the writer to be gone", || {
        journal.record(entry("late"));
        journal.lost() > 5
    });
}

#[test]
fn an_entry_that_is_too_long_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path(), NEVER, 3);
    journal.record(entry(&"x".repeat(MAX_LINE)));
    journal.record(entry("1"));
    assert!(journal.close(SOON));
    let found = read(dir.path());
    assert_eq!((found.ids.len(), found.lost, journal.lost()), (1, 1, 1));
}

/// A process that records numbered entries as fast as it can, and prints each number before it.
#[test]
#[ignore = "run by other tests, as a process of its own"]
fn writing_child() {
    let dir = std::env::var("JOURNAL_DIR").unwrap();
    let count: u32 = std::env::var("JOURNAL_COUNT").unwrap().parse().unwrap();
    let journal = Journal::open(Path::new(&dir), 20_000, 1000);
    for i in 0..count {
        journal.record(entry(&i.to_string()));
        if i % 20 == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    journal.close(Duration::from_secs(5));
    let mut out = std::io::stdout();
    writeln!(out, "lost {}", journal.lost()).unwrap();
}

fn child(dir: &Path, count: u32, limit_kib: u32) -> Command {
    // A process whose file reaches its limit gets EFBIG only if it ignores the signal; what fits
    // is written, as on a full disk.
    let script = format!("trap '' XFSZ; ulimit -f {}; exec \"$@\"", limit_kib * 2);
    let mut command = Command::new("sh");
    command
        .args(["-c", &script, "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "journal::tests::writing_child"])
        .args(["--ignored", "--nocapture"])
        .env("JOURNAL_DIR", dir)
        .env("JOURNAL_COUNT", count.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    command
}

#[test]
fn killed_at_any_moment_a_process_leaves_whole_lines_without_a_gap() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..15 {
        let before = read(dir.path()).ids.len();
        // Few enough that nothing is rotated away, however late the signal comes.
        let mut child = child(dir.path(), 2_000, 1_000_000).spawn().unwrap();
        wait_for("lines", || read(dir.path()).ids.len() > before + 20);
        std::thread::sleep(Duration::from_millis(round * 7 % 40));
        child.kill().unwrap();
        child.wait().unwrap();
        let found = read(dir.path());
        let new = u32::try_from(found.ids.len() - before).unwrap();
        assert_eq!(found.ids[before..], ids(0..new), "round {round}");
        assert!(found.bad.len() <= usize::try_from(round).unwrap());
    }
}

#[test]
fn a_line_that_a_full_disk_cut_is_counted_as_lost_and_not_read() {
    let dir = tempfile::tempdir().unwrap();
    // 6 KiB is no multiple of a line, so the write at the limit is a short one.
    let output = child(dir.path(), 100, 6).output().unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    let lost = output.lines().find_map(|l| l.strip_prefix("lost "));
    let lost: usize = lost.unwrap().parse().unwrap();
    let found = read(dir.path());
    assert!(found.ids.len() > 10 && lost > 10, "{found:?}");
    assert_eq!(found.ids.len() + lost, 100);
    assert_eq!(fs::metadata(dir.path().join("journal")).unwrap().len(), 6144);
    assert_eq!(found.bad, []);
    // The next process finds room again.
    let journal = Journal::open(dir.path(), NEVER, 3);
    journal.record(entry("next"));
    assert!(journal.close(SOON));
    let found = read(dir.path());
    assert_eq!(found.ids.last().unwrap(), "next");
    assert_eq!(found.bad, [BadLine::Malformed]);
}
