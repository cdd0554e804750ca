//! Reading the journal, from any position, while it is being written and rotated.
//!
//! Must not know the writer.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::collections::VecDeque;
use std::fs::{self, DirEntry, File};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::entry::{BadLine, Record};
use super::{FILE, MAX_FILES, MAX_LINE, path_of};

/// How often to try to open the files while none of them moves.
const TRIES: u32 = 20;

/// A place between two lines of the journal. It may be stored, and stays right when files are
/// rotated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    inode: u64,
    /// File systems give an inode number to the next file as soon as it is free, so a number alone
    /// could name a file of another time. This tells them apart by their first lines.
    first: u64,
    offset: u64,
}

/// Reads the journal in `dir` from `from`, or all of it.
///
/// What is there now is read; call again with the last position for what came later. Lines that
/// cannot be read are told and passed over. A last line that is still without its end is left for
/// the next time.
pub fn replay(dir: &Path, from: Option<Position>) -> Replay {
    let (mut files, mut problems) = open_all(dir).unwrap_or_default();
    if let Some(from) = from
        && !files.is_empty()
    {
        match files.iter().position(|file| file.holds(&from)) {
            Some(at) => {
                files.drain(..at);
                if let Some(file) = files.front_mut() {
                    problems.extend(file.seek(from.offset).err().as_ref().map(unreadable));
                }
            }
            None if problems.is_empty() => problems.push_back(BadLine::PositionGone),
            // What cannot be opened says nothing about the position.
            None => files.clear(),
        }
    }
    Replay { files, problems, position: from }
}

/// See [`replay`].
#[derive(Debug)]
pub struct Replay {
    files: VecDeque<OpenFile>,
    problems: VecDeque<BadLine>,
    position: Option<Position>,
}

impl Replay {
    /// The position after the last line that was given out; none if there never was one.
    pub fn position(&self) -> Option<Position> {
        self.position
    }
}

impl Iterator for Replay {
    /// A line, with the position after it. Without a position where no line was read.
    type Item = (Option<Position>, Result<Record, BadLine>);

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(problem) = self.problems.pop_front() {
            if matches!(problem, BadLine::Unreadable(_)) {
                self.files.clear();
            }
            return Some((self.position, Err(problem)));
        }
        loop {
            let is_last = self.files.len() == 1;
            let file = self.files.front_mut()?;
            let line = match file.line() {
                Ok(Line::Whole(line)) => line,
                Ok(Line::End) => {
                    self.files.pop_front();
                    continue;
                }
                Ok(Line::Unfinished) if is_last => return None,
                // Nobody will finish a line in a file that is no longer the last.
                Ok(Line::Unfinished) => Err(BadLine::Malformed),
                Err(error) => {
                    self.files.clear();
                    return Some((self.position, Err(unreadable(&error))));
                }
            };
            self.position = Some(file.position());
            let record = line.and_then(|line| Record::parse(&line));
            return Some((self.position, record));
        }
    }
}

fn unreadable(error: &io::Error) -> BadLine {
    BadLine::Unreadable(error.kind())
}

/// Opens the files, oldest first.
///
/// A rotation in between could hide a file or change the order, so all is done again until the
/// files stayed where they were. If they never do, nothing is read this time.
fn open_all(dir: &Path) -> Option<(VecDeque<OpenFile>, VecDeque<BadLine>)> {
    for _ in 0..TRIES {
        let mut files = VecDeque::new();
        let mut problems = VecDeque::new();
        let mut inodes = Vec::new();
        let oldest_age = oldest(dir);
        for age in 0..=oldest_age {
            let file = OpenFile::open(&path_of(dir, age));
            inodes.push(file.as_ref().ok().map(|file| file.inode));
            match file {
                Ok(file) => files.push_front(file),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => problems.push_back(unreadable(&error)),
            }
        }
        let stayed = |(age, inode): (u32, &Option<u64>)| {
            *inode == fs::metadata(path_of(dir, age)).map(|m| m.ino()).ok()
        };
        let still = oldest(dir) == oldest_age && (0..).zip(&inodes).all(stayed);
        if still || !problems.is_empty() {
            return Some((files, problems));
        }
    }
    None
}

/// The highest number of a rotated file.
fn oldest(dir: &Path) -> u32 {
    let age = |entry: io::Result<DirEntry>| {
        let name = entry.ok()?.file_name();
        let (name, age) = name.to_str()?.split_once('.')?;
        let age = age.parse().ok().filter(|age| *age <= MAX_FILES)?;
        (name == FILE).then_some(age)
    };
    let names = fs::read_dir(dir).into_iter().flatten();
    names.filter_map(age).max().unwrap_or(0)
}

#[derive(Debug)]
struct OpenFile {
    reader: BufReader<File>,
    inode: u64,
    first: u64,
    offset: u64,
}

enum Line {
    Whole(Result<Vec<u8>, BadLine>),
    /// There is more, but no line end yet.
    Unfinished,
    End,
}

impl OpenFile {
    fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let mut this = Self {
            inode: file.metadata()?.ino(),
            reader: BufReader::new(file),
            first: 0,
            offset: 0,
        };
        this.line()?;
        this.seek(0)?;
        Ok(this)
    }

    fn position(&self) -> Position {
        Position { inode: self.inode, first: self.first, offset: self.offset }
    }

    fn holds(&self, position: &Position) -> bool {
        self.inode == position.inode && self.first == position.first
    }

    fn seek(&mut self, offset: u64) -> io::Result<()> {
        self.offset = offset;
        self.reader.seek(SeekFrom::Start(offset)).map(drop)
    }

    /// The next line, without its line end.
    fn line(&mut self) -> io::Result<Line> {
        let is_first = self.offset == 0;
        let line = self.read_line()?;
        if is_first && let Line::Whole(line) = &line {
            self.first = fingerprint(line.as_deref().unwrap_or_default());
        }
        Ok(line)
    }

    fn read_line(&mut self) -> io::Result<Line> {
        let mut line = Vec::new();
        // A line is bounded, so that a damaged file cannot fill the memory.
        let limit = MAX_LINE as u64 + 1;
        (&mut self.reader).take(limit).read_until(b'\n', &mut line)?;
        let length = line.len() as u64;
        if line.pop_if(|last| *last == b'\n').is_some() {
            self.offset += length;
            return Ok(Line::Whole(Ok(line)));
        }
        if length == 0 {
            return Ok(Line::End);
        }
        if length < limit {
            return Ok(Line::Unfinished);
        }
        let Some(skipped) = skip_line(&mut self.reader)? else {
            return Ok(Line::Unfinished);
        };
        self.offset += length + skipped;
        Ok(Line::Whole(Err(BadLine::TooLong)))
    }
}

fn fingerprint(line: &[u8]) -> u64 {
    let hash: [u8; 32] = Sha256::digest(line).into();
    hash.iter().take(8).fold(0, |n, b| n << 8 | u64::from(*b))
}

/// Passes over everything up to and with the next line end, and tells how much that was. None if
/// there is no line end yet.
fn skip_line(reader: &mut impl BufRead) -> io::Result<Option<u64>> {
    let mut skipped = 0;
    loop {
        let buffer = reader.fill_buf()?;
        if buffer.is_empty() {
            return Ok(None);
        }
        let end = buffer.iter().position(|b| *b == b'\n');
        let length = end.map_or(buffer.len(), |at| at + 1);
        reader.consume(length);
        skipped += length as u64;
        if end.is_some() {
            return Ok(Some(skipped));
        }
    }
}
