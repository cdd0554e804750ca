//! Messages from files, folders, mailboxes (mbox, Maildir) and standard input.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// A message and the name it is shown under.
pub(super) struct Named {
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
    /// Whether it is one of several in an mbox.
    pub(super) among: bool,
}

/// Hands over the messages of a file, a folder or standard input (`-`), one after the other, each
/// file's errors included.
pub(super) fn each(path: &Path, take: &mut dyn FnMut(Result<Named, (PathBuf, io::Error)>)) {
    if path.as_os_str() == "-" {
        let mut bytes = Vec::new();
        match io::stdin().read_to_end(&mut bytes) {
            Ok(_) => split("-", bytes, take),
            Err(error) => take(Err((path.to_owned(), error))),
        }
        return;
    }
    let files = match files(path) {
        Ok(files) => files,
        Err(error) => return take(Err((path.to_owned(), error))),
    };
    for file in files {
        match fs::read(&file) {
            Ok(bytes) => split(&file.display().to_string(), bytes, take),
            Err(error) => take(Err((file, error))),
        }
    }
}

/// A file itself, or all files below a folder, in the order of their names.
fn files(path: &Path) -> io::Result<Vec<PathBuf>> {
    if !fs::metadata(path)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut entries: Vec<_> = fs::read_dir(path)?.collect::<io::Result<_>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    let mut found = Vec::new();
    for entry in entries {
        // Hidden files are not messages, and links may lead round in a circle.
        let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        let kind = entry.file_type()?;
        if kind.is_dir() && !hidden {
            found.extend(files(&entry.path())?);
        } else if !hidden && (kind.is_file() || entry.path().is_file()) {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// Parts an mbox into its messages; any other file is one message.
fn split(name: &str, bytes: Vec<u8>, take: &mut dyn FnMut(Result<Named, (PathBuf, io::Error)>)) {
    let starts = message_starts(&bytes);
    if starts.len() < 2 {
        return take(Ok(Named { name: name.to_owned(), bytes, among: false }));
    }
    for (i, start) in starts.iter().enumerate() {
        let end = starts.get(i + 1).copied().unwrap_or(bytes.len());
        let bytes = unescaped(&bytes[*start..end]);
        take(Ok(Named { name: format!("{name}#{}", i + 1), bytes, among: true }));
    }
}

/// RFC 4155: a message begins with a line `From `, the first of the file or after an empty one.
fn message_starts(bytes: &[u8]) -> Vec<usize> {
    if !bytes.starts_with(b"From ") {
        return Vec::new();
    }
    let mut starts = vec![0];
    let mut at = 0;
    let mut after_empty = false;
    for line in bytes.split_inclusive(|&b| b == b'\n') {
        if after_empty && line.starts_with(b"From ") {
            starts.push(at);
        }
        after_empty = line.trim_ascii_end().is_empty();
        at += line.len();
    }
    starts
}

/// mboxrd: lines that would look like the beginning of a message have a `>` more.
fn unescaped(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    for line in bytes.split_inclusive(|&b| b == b'\n') {
        let quotes = line.iter().take_while(|&&b| b == b'>').count();
        let escaped = quotes > 0 && line[quotes..].starts_with(b"From ");
        out.extend_from_slice(&line[usize::from(escaped)..]);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(bytes: &[u8]) -> Vec<(String, String)> {
        let mut all = Vec::new();
        split("f", bytes.to_vec(), &mut |named| {
            let named = named.unwrap_or_else(|(_, error)| panic!("{error}"));
            all.push((named.name, String::from_utf8(named.bytes).unwrap()));
        });
        all
    }

    #[test]
    fn an_mbox_is_many_messages_and_a_file_is_one() {
        let one = "Subject: x\n\nHi\n\nFrom here on\n";
        assert_eq!(messages(one.as_bytes()), [("f".to_owned(), one.to_owned())]);
        let mbox = "From a@x Tue\nSubject: 1\n\n>From me\n>>From you\n\nFrom b@x Wed\nSubject: 2\n\n>From b\n";
        let [first, second] = &messages(mbox.as_bytes())[..] else { panic!("not two") };
        assert_eq!(first.0, "f#1");
        assert_eq!(first.1, "From a@x Tue\nSubject: 1\n\nFrom me\n>From you\n\n");
        assert_eq!((&*second.0, &*second.1), ("f#2", "From b@x Wed\nSubject: 2\n\nFrom b\n"));
    }
}
