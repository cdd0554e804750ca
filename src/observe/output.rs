//! Where lines go: standard error or journald, through a bounded queue and a thread.
//!
//! Whoever logs never waits: while the reader of standard error or journald hangs, lines are
//! dropped and counted. (The journald layer of `tracing-journald` sends on a blocking socket in
//! the calling thread, which would hold up mail as soon as journald does not read.)
//!
//! Must not know what lines mean.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use tracing::field::{Field, Visit};
use tracing::metadata::LevelFilter;
use tracing::span;
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};

use super::line::{SEPARATOR, TARGET, push_value};
use super::settings::{LogLevel, LogSettings, LogTarget};

/// The name under which lines appear.
pub(super) const IDENTIFIER: &str = "recruit-milter";
const JOURNALD: &str = "/run/systemd/journal/socket";
/// How many lines wait while nobody reads: a second or two of a busy server, and a megabyte.
const QUEUE: usize = 4096;
/// The log tells of lost lines at most once in this time.
const COMPLAINT: Duration = Duration::from_secs(60);
/// How long the end of the program waits for the last lines.
const LAST_LINES: Duration = Duration::from_secs(1);

/// The log of the process. Dropped, it waits a moment for the last lines.
#[derive(Debug)]
pub struct Logging {
    level: Arc<AtomicU8>,
    #[allow(dead_code, reason = "tests count what was lost; the log tells it by itself")]
    lost: Arc<AtomicU64>,
    queue: SyncSender<Message>,
}

enum Message {
    Line(Vec<u8>),
    /// Answered when all before it is written.
    Flush(mpsc::Sender<()>),
}

impl Logging {
    /// Takes over what may change while the program runs: the level.
    pub fn reload(&self, settings: &LogSettings) {
        self.level.store(settings.level as u8, Ordering::Relaxed);
        tracing::callsite::rebuild_interest_cache();
    }

    /// How many lines were lost since the start.
    #[allow(dead_code, reason = "tests count what was lost; the log tells it by itself")]
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Waits until all lines so far are written, but no longer than `within`. Tells whether they
    /// are.
    pub fn flush(&self, within: Duration) -> bool {
        let end = Instant::now() + within;
        let (done, is_done) = mpsc::channel();
        while self.queue.try_send(Message::Flush(done.clone())).is_err() {
            if Instant::now() >= end {
                return false;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        is_done.recv_timeout(end.saturating_duration_since(Instant::now())).is_ok()
    }
}

impl Drop for Logging {
    fn drop(&mut self) {
        self.flush(LAST_LINES);
    }
}

/// Starts logging for the whole process. Only the first call has an effect on where lines go.
///
/// A journald that cannot be reached is replaced by standard error.
pub fn init(settings: &LogSettings) -> Logging {
    let stderr = || -> io::Result<Output> {
        // A file of its own: the lock of `std::io::Stderr` would be held while its reader hangs.
        let file = io::stderr().as_fd().try_clone_to_owned()?;
        Ok(Output::Stderr(File::from(file)))
    };
    let wants_journald = match settings.target {
        LogTarget::Journald => true,
        LogTarget::Stderr => false,
        LogTarget::Auto => is_journal_stream(),
    };
    let journald = wants_journald
        .then(|| Output::journald(Path::new(JOURNALD)))
        .map(|output| output.or_else(|_| stderr()));
    let output = journald.unwrap_or_else(stderr).ok();
    let (lines, logging) = start(settings.level, output, QUEUE);
    let _ = tracing::subscriber::set_global_default(lines);
    logging
}

/// Whether standard error is connected to journald: sd-daemon sets `JOURNAL_STREAM` to the device
/// and inode number of the stream that it made, and a redirection makes them differ.
fn is_journal_stream() -> bool {
    let Ok(expected) = std::env::var("JOURNAL_STREAM") else {
        return false;
    };
    io::stderr()
        .as_fd()
        .try_clone_to_owned()
        .and_then(|fd| File::from(fd).metadata())
        .is_ok_and(|stream| expected == format!("{}:{}", stream.dev(), stream.ino()))
}

enum Output {
    Stderr(File),
    Journald(UnixDatagram, PathBuf),
}

impl Output {
    fn journald(path: &Path) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        // journald passes over an empty datagram; without a journald this fails.
        socket.send_to(&[], path)?;
        Ok(Self::Journald(socket, path.to_owned()))
    }

    fn format(&self) -> Format {
        match self {
            Self::Stderr(_) => Format::Plain,
            Self::Journald(..) => Format::Journald,
        }
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        match self {
            Self::Stderr(file) => file.write_all(line),
            // Sent to the path each time, so that a new journald is found.
            Self::Journald(socket, path) => socket.send_to(line, path).map(drop),
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Format {
    Plain,
    Journald,
}

/// The parts of a line.
#[derive(Debug, Default)]
struct Parts {
    text: String,
    queue_id: Option<String>,
    addresses: Option<String>,
    systems: Option<String>,
}

impl Format {
    fn encode(self, level: Level, parts: &Parts) -> Vec<u8> {
        match self {
            Self::Plain => format!("{IDENTIFIER}: {}\n", parts.text).into_bytes(),
            Self::Journald => encode_journald(level, parts),
        }
    }
}

/// journald's native protocol, <https://systemd.io/JOURNAL_NATIVE_PROTOCOL/>.
fn encode_journald(level: Level, parts: &Parts) -> Vec<u8> {
    let priority = match level {
        Level::ERROR => "3",
        Level::WARN => "4",
        Level::INFO => "6",
        _ => "7",
    };
    let mut out = Vec::with_capacity(256);
    let mut field = |name: &str, value: &str| {
        out.extend_from_slice(name.as_bytes());
        if value.contains('\n') {
            // "a newline, the size as 64-bit little endian, the data, a newline"
            out.push(b'\n');
            out.extend_from_slice(&(value.len() as u64).to_le_bytes());
        } else {
            out.push(b'=');
        }
        out.extend_from_slice(value.as_bytes());
        out.push(b'\n');
    };
    field("PRIORITY", priority);
    field("SYSLOG_FACILITY", "2"); // mail
    field("SYSLOG_IDENTIFIER", IDENTIFIER);
    if let Some(id) = &parts.queue_id {
        field("QUEUE_ID", id);
    }
    for (name, values) in
        [("RECRUIT_ADDRESS", &parts.addresses), ("RECRUIT_SYSTEM", &parts.systems)]
    {
        for value in values.iter().flat_map(|values| values.split(SEPARATOR)) {
            field(name, value);
        }
    }
    field("MESSAGE", &parts.text);
    out
}

/// Makes the receiving end of events, and starts the thread behind it.
fn start(level: LogLevel, output: Option<Output>, queue: usize) -> (Lines, Logging) {
    let (sender, receiver) = sync_channel(queue);
    let level = Arc::new(AtomicU8::new(level as u8));
    let lost = Arc::new(AtomicU64::new(0));
    let lines = Lines {
        level: Arc::clone(&level),
        lost: Arc::clone(&lost),
        queue: sender.clone(),
        format: output.as_ref().map_or(Format::Plain, Output::format),
    };
    let logging = Logging { level, lost: Arc::clone(&lost), queue: sender };
    if let Some(output) = output {
        let thread = std::thread::Builder::new().name("log".into());
        // Without a thread the receiver is gone and every line counts as lost.
        let _ = thread.spawn(move || write_lines(&receiver, output, &lost));
    }
    (lines, logging)
}

/// The thread that writes.
fn write_lines(queue: &Receiver<Message>, mut output: Output, lost: &AtomicU64) {
    let mut told = 0;
    let mut told_at: Option<Instant> = None;
    while let Ok(message) = queue.recv() {
        let flush = match message {
            Message::Line(line) => {
                if output.write(&line).is_err() {
                    lost.fetch_add(1, Ordering::Relaxed);
                    continue;
                }
                None
            }
            Message::Flush(done) => Some(done),
        };
        let is_time = flush.is_some() || told_at.is_none_or(|at| at.elapsed() >= COMPLAINT);
        let lost = lost.load(Ordering::Relaxed);
        if lost > told && is_time {
            let line = lost_line(output.format(), lost - told);
            if output.write(&line).is_ok() {
                told = lost;
                told_at = Some(Instant::now());
            }
        }
        if let Some(done) = flush {
            let _ = done.send(());
        }
    }
}

/// The line that tells of lost lines. It is not queued, for the queue is what was full.
fn lost_line(format: Format, lines: u64) -> Vec<u8> {
    let parts =
        Parts { text: format!("warning: log: alarm=log-lost, lines={lines}"), ..Parts::default() };
    format.encode(Level::WARN, &parts)
}

/// Takes events and queues their lines.
struct Lines {
    level: Arc<AtomicU8>,
    lost: Arc<AtomicU64>,
    queue: SyncSender<Message>,
    format: Format,
}

impl Lines {
    fn level(&self) -> Level {
        // In the order of `LogLevel`.
        match self.level.load(Ordering::Relaxed) {
            0 => Level::ERROR,
            1 => Level::WARN,
            2 => Level::INFO,
            _ => Level::DEBUG,
        }
    }
}

impl Subscriber for Lines {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        // The level can change.
        Interest::sometimes()
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.level().into())
    }

    /// Libraries are heard only where something is wrong: their other events tell of the bytes
    /// that they carry.
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let ours = metadata.target() == TARGET;
        *metadata.level() <= self.level() && (ours || *metadata.level() <= Level::WARN)
    }

    fn event(&self, event: &Event<'_>) {
        let level = *event.metadata().level();
        let mut parts = Parts::default();
        event.record(&mut Collect(&mut parts));
        if event.metadata().target() != TARGET {
            parts = foreign(event.metadata(), &parts.text);
        }
        let line = self.format.encode(level, &parts);
        if self.queue.try_send(Message::Line(line)).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    // Spans are not used.
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

/// The event of a library as one line like ours.
fn foreign(metadata: &Metadata<'_>, message: &str) -> Parts {
    let library = metadata.target().split(':').next().unwrap_or_default();
    let mut text =
        String::from(if *metadata.level() == Level::ERROR { "error: " } else { "warning: " });
    push_value(&mut text, library);
    text.push_str(": text=");
    push_value(&mut text, message);
    Parts { text, ..Parts::default() }
}

struct Collect<'a>(&'a mut Parts);

impl Visit for Collect<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        let value = value.to_owned();
        match field.name() {
            "message" => self.0.text = value,
            "queue_id" => self.0.queue_id = Some(value),
            "recruit_address" => self.0.addresses = Some(value),
            "recruit_system" => self.0.systems = Some(value),
            _ => {}
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            self.0.text = format!("{value:?}");
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
