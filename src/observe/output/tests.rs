//! The output with readers that hang, go away and come back.
// SPDX-License-Identifier: GPL-3.0-or-later

use super::*;
use std::io::Read;
use std::os::fd::OwnedFd;

/// Runs `f` and gives back the lines that its thread logged, as they would reach standard
/// error.
pub(crate) fn capture(f: impl FnOnce()) -> String {
    capture_at(LogLevel::Debug, Format::Plain, f)
}

fn capture_at(level: LogLevel, format: Format, f: impl FnOnce()) -> String {
    let (sender, receiver) = sync_channel(QUEUE);
    let lines = Lines {
        level: Arc::new(AtomicU8::new(level as u8)),
        lost: Arc::default(),
        queue: sender,
        format,
    };
    tracing::subscriber::with_default(lines, f);
    let mut all = String::new();
    for message in receiver.try_iter() {
        if let Message::Line(line) = message {
            all.push_str(&String::from_utf8_lossy(&line));
        }
    }
    all
}

#[test]
#[ignore = "run by other tests, as a process of its own"]
fn stream_child() {
    println!("journald: {}", is_journal_stream());
}

fn settings(level: LogLevel) -> LogSettings {
    LogSettings { level, addresses: crate::observe::Masking::Hash, target: LogTarget::Stderr }
}

fn log_ids(ids: impl Iterator<Item = u32>) {
    ids.for_each(|id| crate::observe::passed(Some(&id.to_string()), 1));
}

/// Long enough for anything that should happen, on a busy machine too.
const SOON: Duration = Duration::from_secs(60);

/// Logs into an output that nobody reads, and tells how long that took and how much was lost.
fn flood(output: Output) -> (Logging, u64) {
    let (lines, logging) = start(LogLevel::Debug, Some(output), 100);
    let begin = Instant::now();
    tracing::subscriber::with_default(lines, || log_ids(0..20_000));
    assert!(begin.elapsed() < SOON);
    let begin = Instant::now();
    assert!(!logging.flush(Duration::from_millis(200)));
    assert!(begin.elapsed() < SOON);
    let lost = logging.lost();
    (logging, lost)
}

#[test]
fn a_reader_of_standard_error_that_hangs_holds_up_nobody() {
    let (mut reader, writer) = io::pipe().unwrap();
    let (logging, lost) = flood(Output::Stderr(File::from(OwnedFd::from(writer))));
    // A pipe holds 64 KiB, the queue 100 lines.
    assert!((15_000..20_000).contains(&lost), "{lost}");
    let read = std::thread::spawn(move || {
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        text
    });
    assert!(logging.flush(Duration::from_secs(10)));
    drop(logging);
    let text = read.join().unwrap();
    let told = |line: &str| {
        let count = line.strip_prefix("recruit-milter: warning: log: alarm=log-lost, lines=");
        count.map(|count| count.parse::<u64>().unwrap())
    };
    assert_eq!(text.lines().filter_map(told).sum::<u64>(), lost);
    let kept = text.lines().filter(|line| told(line).is_none()).count();
    assert_eq!(kept as u64, 20_000 - lost);
}

#[test]
fn a_journald_that_hangs_holds_up_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("socket");
    let journald = UnixDatagram::bind(&path).unwrap();
    let (logging, lost) = flood(Output::journald(&path).unwrap());
    assert!(lost > 10_000, "{lost}");
    let read = std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        let mut lines = 0;
        journald.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
        while let Ok(length) = journald.recv(&mut buffer) {
            let text = String::from_utf8_lossy(&buffer[..length]);
            lines += u64::from(text.contains("action=passed"));
        }
        lines
    });
    assert!(logging.flush(Duration::from_secs(10)));
    assert_eq!(read.join().unwrap(), 20_000 - lost);
}

#[test]
fn a_journald_that_comes_back_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("socket");
    assert!(Output::journald(&path).is_err());
    let first = UnixDatagram::bind(&path).unwrap();
    let (lines, logging) = start(LogLevel::Debug, Some(Output::journald(&path).unwrap()), 100);
    tracing::subscriber::with_default(lines, || {
        drop(first);
        log_ids(0..1);
        assert!(logging.flush(Duration::from_secs(5)));
        assert_eq!(logging.lost(), 1);
        std::fs::remove_file(&path).unwrap();
        let second = UnixDatagram::bind(&path).unwrap();
        log_ids(1..2);
        let mut buffer = [0; 4096];
        let length = second.recv(&mut buffer).unwrap();
        assert!(String::from_utf8_lossy(&buffer[..length]).contains("QUEUE_ID=1\n"));
    });
}

#[test]
fn journald_gets_the_fields_by_which_an_admin_searches() {
    let copy = |address| crate::observe::DivertedCopy {
        address,
        system: "personio",
        token: "T",
        local_copy: true,
    };
    let masker = crate::observe::Masker::new(
        crate::observe::Masking::Full,
        &crate::policy::keys::Keys::default(),
    );
    let from = masker.show(&crate::mail::RawPath::new("<eva@example.org>"));
    let copies = [copy("jobs@acme.example"), copy("karriere@acme.example")];
    let text = capture_at(LogLevel::Info, Format::Journald, || {
        crate::observe::diverted(Some("4XkQ2"), &from, &copies);
    });
    assert_eq!(
        text,
        "PRIORITY=6\nSYSLOG_FACILITY=2\nSYSLOG_IDENTIFIER=recruit-milter\nQUEUE_ID=4XkQ2\n\
         RECRUIT_ADDRESS=jobs@acme.example\nRECRUIT_ADDRESS=karriere@acme.example\n\
         RECRUIT_SYSTEM=personio\nRECRUIT_SYSTEM=personio\n\
         MESSAGE=4XkQ2: action=diverted, from=<eva@example.org>, \
         address=\"jobs@acme.example,karriere@acme.example\", system=\"personio,personio\", \
         token=\"T,T\", local_copy=\"yes,yes\"\n"
    );
    let forged = capture_at(LogLevel::Debug, Format::Journald, || {
        crate::observe::passed(Some("X\nPRIORITY=0"), 1);
    });
    assert_eq!(
        forged,
        "PRIORITY=7\nSYSLOG_FACILITY=2\nSYSLOG_IDENTIFIER=recruit-milter\n\
         QUEUE_ID\n\u{c}\0\0\0\0\0\0\0X\nPRIORITY=0\n\
         MESSAGE=\"X\\nPRIORITY=0\": action=passed, recipients=1\n"
    );
    for (level, priority) in [("error", "3"), ("warning", "4")] {
        let text = capture_at(LogLevel::Debug, Format::Journald, || match level {
            "error" => crate::observe::fatal("x"),
            _ => crate::observe::journal_unwritable("x"),
        });
        assert!(text.starts_with(&format!("PRIORITY={priority}\n")));
    }
}

#[test]
fn the_level_decides_and_can_change() {
    let all = |level| {
        capture_at(level, Format::Plain, || {
            crate::observe::fatal("x");
            crate::observe::journal_unwritable("x");
            crate::observe::journal_recovered();
            crate::observe::passed(None, 1);
        })
    };
    for (level, lines) in
        [(LogLevel::Error, 1), (LogLevel::Warning, 2), (LogLevel::Info, 3), (LogLevel::Debug, 4)]
    {
        assert_eq!(all(level).lines().count(), lines, "{level:?}");
    }
    let (mut reader, writer) = io::pipe().unwrap();
    let output = Output::Stderr(File::from(OwnedFd::from(writer)));
    let (lines, logging) = start(LogLevel::Error, Some(output), 100);
    tracing::subscriber::with_default(lines, || {
        log_ids(0..10);
        logging.reload(&settings(LogLevel::Debug));
        log_ids(10..11);
        logging.reload(&settings(LogLevel::Info));
        log_ids(11..20);
    });
    assert!(logging.flush(Duration::from_secs(5)));
    drop(logging);
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(text, "recruit-milter: 10: action=passed, recipients=1\n");
}

#[test]
fn libraries_are_heard_only_where_something_is_wrong() {
    let text = capture(|| {
        tracing::error!(target: "indymilter::session", "a\nb, alarm={}", "x");
        tracing::warn!(target: "indymilter", secret = "content", "plain");
        tracing::info!(target: "indymilter", "Subject: secret");
        tracing::trace!(target: "recruit_milter_not_ours", "Subject: secret");
    });
    assert_eq!(
        text,
        "recruit-milter: error: indymilter: text=\"a\\nb, alarm=x\"\n\
         recruit-milter: warning: indymilter: text=plain\n"
    );
}
