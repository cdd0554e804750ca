//! Reads what Postfix delivered into Maildirs.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fs;
use std::path::Path;

/// A delivered message, with what the delivery wrote above it taken off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// The envelope sender; empty for the null sender.
    pub envelope_sender: String,
    /// The recipient as it was before aliases.
    pub original_to: String,
    /// The recipient as it was delivered to.
    pub delivered_to: String,
    /// The message as it was in the queue, lines ending in LF.
    pub bytes: Vec<u8>,
}

impl Delivered {
    // Postfix: virtual(8) puts exactly these three above the message, in this order.
    fn parse(file: &[u8]) -> Option<Self> {
        let (return_path, rest) = take_field(file, "Return-Path: ")?;
        let (original_to, rest) = take_field(rest, "X-Original-To: ")?;
        let (delivered_to, rest) = take_field(rest, "Delivered-To: ")?;
        Some(Self {
            envelope_sender: return_path.trim_matches(['<', '>']).to_owned(),
            original_to,
            delivered_to,
            bytes: rest.to_vec(),
        })
    }

    /// The message as text, for assertions that a reader can follow.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

fn take_field<'a>(bytes: &'a [u8], name: &str) -> Option<(String, &'a [u8])> {
    let rest = bytes.strip_prefix(name.as_bytes())?;
    let end = rest.iter().position(|&b| b == b'\n')?;
    let body = String::from_utf8_lossy(&rest[..end]).into_owned();
    Some((body, &rest[end + 1..]))
}

/// All messages in the Maildirs below `base`, in the order of their delivery.
pub fn read_all(base: &Path) -> Vec<Delivered> {
    let mut files = files(base);
    files.sort_by_key(|file| fs::metadata(file).unwrap().modified().unwrap());
    let parse = |file: &std::path::PathBuf| {
        Delivered::parse(&fs::read(file).unwrap())
            .unwrap_or_else(|| panic!("{} was not delivered by virtual(8)", file.display()))
    };
    files.iter().map(parse).collect()
}

/// How many messages there are, without reading them.
pub fn count(base: &Path) -> usize {
    files(base).len()
}

/// Removes all messages.
pub fn clear(base: &Path) {
    for file in files(base) {
        fs::remove_file(file).unwrap();
    }
}

fn files(base: &Path) -> Vec<std::path::PathBuf> {
    let list = |dir: &Path| -> Vec<_> {
        let entries = fs::read_dir(dir).into_iter().flatten();
        entries.map(|entry| entry.unwrap().path()).collect()
    };
    let mailboxes = list(base).into_iter();
    mailboxes.flat_map(|dir| list(&dir.join("new"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_delivery_wrote_is_taken_off_once() {
        let file =
            b"Return-Path: <>\nX-Original-To: a@x\nDelivered-To: b@x\nReturn-Path: <c>\n\nx\n";
        let delivered = Delivered::parse(file).unwrap();
        assert_eq!(delivered.envelope_sender, "");
        assert_eq!(delivered.original_to, "a@x");
        assert_eq!(delivered.delivered_to, "b@x");
        assert_eq!(delivered.bytes, b"Return-Path: <c>\n\nx\n");
    }
}
