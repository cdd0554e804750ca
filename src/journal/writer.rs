//! Writing the journal: a bounded queue, and a thread that owns the file.
//!
//! Must not know what is in the lines, nor who reads them.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::entry::{Entry, Lost, Record};
use super::{MAX_FILES, MAX_LINE, path_of};
use crate::observe;

/// How many lines wait while the file cannot be written: a few seconds of a busy server, and a
/// megabyte of memory.
const QUEUE: usize = 4096;
/// How long to wait before trying again to write, and how often the path is compared with the file.
const RETRY: Duration = Duration::from_secs(1);
/// At most one complaint in this time.
const COMPLAINT: Duration = Duration::from_secs(60);

/// The journal, for those who write into it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Journal {
    queue: SyncSender<Message>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
enum Message {
    Line(Vec<u8>),
    /// Look at `closing`.
    Wake,
}

#[derive(Debug, Default)]
struct Shared {
    /// How many entries were lost since the start.
    lost: AtomicU64,
    closing: AtomicBool,
    closed: Mutex<bool>,
    closed_now: Condvar,
    trouble: Mutex<Trouble>,
}

/// What was said about lost entries and what is still to be said.
#[derive(Debug, Default)]
struct Trouble {
    /// How many lost entries the log knows of.
    told: u64,
    /// When the first was lost that the log does not know of.
    since: Option<Timestamp>,
    /// When the log was last told anything.
    last: Option<Instant>,
    /// The file cannot be written at present.
    failing: bool,
    /// The log knows that.
    announced: bool,
    /// Why it cannot, or could not when the last entries were lost.
    reason: Option<String>,
}

impl Journal {
    /// Starts a journal in the folder `dir`, rotated at `size` octets, with `files` rotated files.
    ///
    /// Whether it can be written shows itself later: a journal that cannot is no reason not to
    /// start.
    pub fn open(dir: &Path, size: u64, files: u32) -> Self {
        Self::with_queue(dir, size, files, QUEUE)
    }

    pub(super) fn with_queue(dir: &Path, size: u64, files: u32, queue: usize) -> Self {
        let (sender, receiver) = sync_channel(queue);
        let shared = Arc::new(Shared::default());
        let mut writer = Writer {
            output: Output::new(dir, size, files),
            queue: receiver,
            shared: Arc::clone(&shared),
            marked: 0,
            last_marker: None,
            last_look: Instant::now(),
        };
        let thread = std::thread::Builder::new().name("journal".into());
        if let Err(error) = thread.spawn(move || writer.run()) {
            // The receiver is gone with the closure, so each entry will be counted as lost.
            shared.trouble().reason = Some(error.to_string());
            shared.finish();
        }
        Self { queue: sender, shared }
    }

    /// Records a decision. Returns at once and never fails: what cannot be written is counted, and
    /// the journal says how much is missing as soon as it can be written again.
    pub fn record(&self, entry: Entry) {
        let line = Record::Entry(Box::new(entry)).to_line();
        let sent = match line.filter(|line| line.len() <= MAX_LINE) {
            Some(line) => self.queue.try_send(Message::Line(line)).is_ok(),
            None => false,
        };
        if !sent {
            self.shared.lose(1);
        }
    }

    /// Tells the log what it does not know yet.
    #[cfg(test)]
    pub(super) fn shared_complaint(&self) {
        self.shared.complain(&mut self.shared.trouble(), true);
    }

    /// How many entries were lost since the start.
    #[allow(dead_code, reason = "tests count what was lost; the journal tells it by itself")]
    pub fn lost(&self) -> u64 {
        self.shared.lost.load(Ordering::Relaxed)
    }

    /// Writes what waits, but gives up after `within`. What is recorded afterwards is lost.
    /// Tells whether the writer came to its end.
    pub fn close(&self, within: Duration) -> bool {
        self.shared.closing.store(true, Ordering::SeqCst);
        // A full queue means that the writer is about to look anyway.
        let _ = self.queue.try_send(Message::Wake);
        let closed = lock(&self.shared.closed);
        let (closed, _) = self
            .shared
            .closed_now
            .wait_timeout_while(closed, within, |closed| !*closed)
            .unwrap_or_else(PoisonError::into_inner);
        *closed
    }
}

/// Nothing here panics while it holds a lock; if it ever does, the journal goes on.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn trouble(&self) -> MutexGuard<'_, Trouble> {
        lock(&self.trouble)
    }

    fn finish(&self) {
        *lock(&self.closed) = true;
        self.closed_now.notify_all();
    }

    /// Counts lost entries, and tells the log unless it was told a moment ago.
    fn lose(&self, count: u64) {
        self.lost.fetch_add(count, Ordering::Relaxed);
        // Mail does not wait for another thread that is about to say the same.
        if let Ok(mut trouble) = self.trouble.try_lock() {
            self.complain(&mut trouble, false);
        }
    }

    /// Tells the log what it does not know; unless it is the last chance, only after a while.
    fn complain(&self, trouble: &mut Trouble, last_chance: bool) {
        let lost = self.lost.load(Ordering::Relaxed);
        if lost > trouble.told {
            trouble.since.get_or_insert_with(Timestamp::now);
        }
        let recent = trouble.last.is_some_and(|last| last.elapsed() < COMPLAINT);
        if recent && !last_chance {
            return;
        }
        if let Some(since) = trouble.since.take() {
            let reason = trouble.reason.as_deref().unwrap_or("too many at a time");
            observe::journal_lost(lost - trouble.told, since, reason);
            trouble.told = lost;
        } else if let Some(reason) = trouble.reason.as_deref().filter(|_| trouble.failing) {
            observe::journal_unwritable(reason);
        } else {
            return;
        }
        trouble.last = Some(Instant::now());
        trouble.announced = trouble.failing;
        if !trouble.failing {
            trouble.reason = None;
        }
    }
}

/// The thread that owns the file.
struct Writer {
    output: Output,
    queue: Receiver<Message>,
    shared: Arc<Shared>,
    /// How many lost entries the journal itself tells of.
    marked: u64,
    last_marker: Option<Instant>,
    last_look: Instant,
}

impl Writer {
    fn run(&mut self) {
        loop {
            let goes_on = match self.queue.recv_timeout(RETRY) {
                Ok(Message::Line(line)) => self.write_or_wait(&line) || self.give_up(1),
                Ok(Message::Wake) | Err(RecvTimeoutError::Timeout) => true,
                Err(RecvTimeoutError::Disconnected) => false,
            };
            if !goes_on || !(self.mark() || self.give_up(0)) {
                break;
            }
            if self.last_look.elapsed() >= RETRY {
                self.last_look = Instant::now();
                self.shared.complain(&mut self.shared.trouble(), false);
            }
            if self.is_closing() {
                if self.drain() {
                    self.last_marker = None;
                    self.mark();
                }
                break;
            }
        }
        self.shared.complain(&mut self.shared.trouble(), true);
        self.shared.finish();
    }

    fn is_closing(&self) -> bool {
        self.shared.closing.load(Ordering::SeqCst)
    }

    /// Writes a line, however long it takes; the queue fills meanwhile. Gives up only where the
    /// program ends.
    fn write_or_wait(&mut self, line: &[u8]) -> bool {
        loop {
            match self.output.write(line) {
                Ok(rotation) => {
                    match rotation {
                        Ok(()) => self.writable(),
                        Err(error) => self.not_writable(&error),
                    }
                    return true;
                }
                Err(error) => self.not_writable(&error),
            }
            let failed = Instant::now();
            while failed.elapsed() < RETRY {
                if self.is_closing() {
                    return false;
                }
                std::thread::sleep(RETRY / 20);
            }
        }
    }

    fn writable(&self) {
        let mut trouble = self.shared.trouble();
        if std::mem::take(&mut trouble.failing) && std::mem::take(&mut trouble.announced) {
            observe::journal_recovered();
        }
    }

    fn not_writable(&self, error: &io::Error) {
        let mut trouble = self.shared.trouble();
        trouble.failing = true;
        trouble.reason = Some(error.to_string());
        self.shared.complain(&mut trouble, false);
    }

    /// Writes what is in the queue. False if it cannot be written.
    fn drain(&mut self) -> bool {
        while let Ok(message) = self.queue.try_recv() {
            if let Message::Line(line) = message
                && !self.write_or_wait(&line)
            {
                return self.give_up(1);
            }
        }
        true
    }

    /// The program ends: counts what is left in the queue, and `more`, as lost.
    fn give_up(&mut self, more: u64) -> bool {
        let waiting = self.queue.try_iter();
        let lines = waiting.filter(|message| matches!(message, Message::Line(_)));
        let lost = more + lines.count() as u64;
        self.shared.lost.fetch_add(lost, Ordering::Relaxed);
        false
    }

    /// Writes into the journal how many entries are missing, at most once in [`RETRY`]. False if
    /// the program ends before that was possible.
    fn mark(&mut self) -> bool {
        let lost = self.shared.lost.load(Ordering::Relaxed);
        let recent = self.last_marker.is_some_and(|last| last.elapsed() < RETRY);
        if lost == self.marked || recent {
            return true;
        }
        self.last_marker = Some(Instant::now());
        let record = Record::Lost(Lost { time: Timestamp::now(), lost: lost - self.marked });
        if let Some(line) = record.to_line() {
            if !self.write_or_wait(&line) {
                return false;
            }
            self.marked = lost;
        }
        true
    }
}

/// The file, and how it is replaced.
struct Output {
    dir: PathBuf,
    size: u64,
    files: u32,
    file: Option<OpenFile>,
    checked: Option<Instant>,
}

struct OpenFile {
    file: File,
    inode: u64,
    length: u64,
    /// How much of the line at work is written already, after a full disk.
    done: usize,
    /// The last line has no end: somebody died while writing it.
    torn: bool,
}

impl Output {
    fn new(dir: &Path, size: u64, files: u32) -> Self {
        Self { dir: dir.to_owned(), size, files: files.min(MAX_FILES), file: None, checked: None }
    }

    /// Appends a line. The result within tells whether the file could be rotated where it was time.
    fn write(&mut self, line: &[u8]) -> io::Result<io::Result<()>> {
        self.follow_path();
        let rotated = self.rotate_when_full(line.len() as u64);
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(OpenFile::open(&path_of(&self.dir, 0))?),
        };
        match file.append(line) {
            Ok(()) => Ok(rotated),
            Err(error) => {
                self.checked = None;
                Err(error)
            }
        }
    }

    /// Lets go of the file if the path no longer leads to it: an administrator moved it away, or
    /// the folder was replaced.
    fn follow_path(&mut self) {
        if self.checked.is_some_and(|at| at.elapsed() < RETRY) {
            return;
        }
        self.checked = Some(Instant::now());
        let now = fs::metadata(path_of(&self.dir, 0)).map(|m| m.ino()).ok();
        if self.file.as_ref().is_some_and(|f| Some(f.inode) != now) {
            self.file = None;
        }
    }

    /// Rotates if the file would become too long. A file that is open stays in use where that
    /// fails: too long is better than lost.
    fn rotate_when_full(&mut self, more: u64) -> io::Result<()> {
        let full = |f: &OpenFile| f.done == 0 && f.length > 0 && f.length + more > self.size;
        if !self.file.as_ref().is_some_and(full) {
            return Ok(());
        }
        let current = path_of(&self.dir, 0);
        if self.files == 0 {
            fs::remove_file(&current)?;
        } else {
            // Those beyond the limit are there if it was lowered.
            let mut age = self.files;
            while fs::exists(path_of(&self.dir, age))? {
                fs::remove_file(path_of(&self.dir, age))?;
                age += 1;
            }
            for age in (0..self.files).rev() {
                match fs::rename(path_of(&self.dir, age), path_of(&self.dir, age + 1)) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            }
        }
        self.file = None;
        Ok(())
    }
}

impl OpenFile {
    fn open(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).append(true).mode(0o640);
        let mut file = match options.clone().create_new(true).open(path) {
            Ok(file) => {
                // Whatever the umask: those who may read the journal belong to the group.
                file.set_permissions(Permissions::from_mode(0o640))?;
                file
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => options.open(path)?,
            Err(error) => return Err(error),
        };
        let metadata = file.metadata()?;
        let mut torn = false;
        if metadata.len() > 0 {
            let mut last = [0];
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
            torn = last != *b"\n";
        }
        Ok(Self { file, inode: metadata.ino(), length: metadata.len(), done: 0, torn })
    }

    /// Appends a line by one write(2). Where that wrote a part only, the next call with the same
    /// line writes the rest.
    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        if self.torn {
            self.write(b"\n")?;
            self.torn = false;
        }
        while self.done < line.len() {
            self.done += self.write(&line[self.done..])?;
        }
        self.done = 0;
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = loop {
            match self.file.write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result?,
            }
        };
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.length += written as u64;
        Ok(written)
    }
}
