//! A reader of compound files (MS-CFB), the container of Outlook's .msg: small, and bounded by the
//! size of the file whatever its tables say.
//!
//! Own code and no crate: nothing in `policy` may read through `std::io`, and only a few streams are wanted.
//!
//! Must not know what is stored in them.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::cell::Cell;

/// The first bytes of every compound file.
pub(super) const SIGNATURE: [u8; 8] = [0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1];
/// MS-CFB 2.1: sector numbers from here on are marks.
const MAX_SECTOR: u32 = 0xffff_fffa;
const NO_STREAM: u32 = 0xffff_ffff;
/// How many directory entries are looked at.
const MAX_ENTRIES: usize = 4096;

/// An open file.
pub(super) struct Compound<'a> {
    bytes: &'a [u8],
    sector: usize,
    fat: Vec<u32>,
    mini_fat: Vec<u32>,
    mini: Vec<u8>,
    mini_sector: usize,
    cutoff: u64,
    entries: Vec<Entry>,
    /// How many bytes may still be handed out: tables can send a reader in circles.
    budget: Cell<usize>,
}

/// A storage or a stream.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Its name.
    pub name: String,
    kind: u8,
    left: u32,
    right: u32,
    child: u32,
    start: u32,
    size: u64,
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..at.checked_add(2)?)?;
    Some(u16::from_le_bytes(bytes.try_into().ok()?))
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    let bytes = bytes.get(at..at.checked_add(8)?)?;
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}

/// UTF-16, little endian, up to a NUL.
pub(super) fn utf16(bytes: &[u8]) -> String {
    let units = bytes.chunks_exact(2).map(|b| u16::from_le_bytes([b[0], b[1]]));
    char::decode_utf16(units.take_while(|&u| u != 0))
        .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect()
}

fn words(bytes: &[u8]) -> impl Iterator<Item = u32> {
    bytes.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
}

impl<'a> Compound<'a> {
    /// Reads the tables. None if this is no compound file.
    pub(super) fn open(bytes: &'a [u8]) -> Option<Self> {
        if !bytes.starts_with(&SIGNATURE) {
            return None;
        }
        let shift = u16_at(bytes, 30)?;
        if !matches!(shift, 9 | 12) || u16_at(bytes, 32)? != 6 {
            return None;
        }
        let mut file = Self {
            bytes,
            sector: 1 << shift,
            fat: Vec::new(),
            mini_fat: Vec::new(),
            mini: Vec::new(),
            mini_sector: 64,
            cutoff: u64::from(u32_at(bytes, 56)?),
            entries: Vec::new(),
            budget: Cell::new(bytes.len().saturating_mul(4)),
        };
        file.fat = file.read_fat()?;
        let directory = file.chain(u32_at(bytes, 48)?, usize::MAX);
        file.entries = directory
            .chunks_exact(128)
            .take(MAX_ENTRIES)
            .filter_map(|raw| {
                let length = usize::from(u16_at(raw, 64)?).clamp(2, 64);
                Some(Entry {
                    name: utf16(&raw[..length - 2]),
                    kind: raw[66],
                    left: u32_at(raw, 68)?,
                    right: u32_at(raw, 72)?,
                    child: u32_at(raw, 76)?,
                    start: u32_at(raw, 116)?,
                    // The upper half is not reliable in version 3; no stream here is that long.
                    size: u64::from(u32_at(raw, 120)?),
                })
            })
            .collect();
        file.mini_fat = words(&file.chain(u32_at(bytes, 60)?, usize::MAX)).collect();
        let root = file.entries.first().filter(|e| e.kind == 5)?;
        file.mini = file.chain(root.start, usize::try_from(root.size).ok()?);
        Some(file)
    }

    fn sector_at(&self, number: u32) -> Option<&'a [u8]> {
        let start = (number as usize).checked_add(1)?.checked_mul(self.sector)?;
        let end = (start + self.sector).min(self.bytes.len());
        self.bytes.get(start..end).filter(|s| !s.is_empty())
    }

    fn read_fat(&self) -> Option<Vec<u32>> {
        let most = self.bytes.len() / self.sector + 1;
        let mut fat = Vec::new();
        let mut add = |numbers: &mut dyn Iterator<Item = u32>| {
            for number in numbers.take_while(|&n| n < MAX_SECTOR) {
                let Some(sector) = self.sector_at(number).filter(|_| fat.len() < most) else {
                    break;
                };
                fat.extend(words(sector));
            }
        };
        add(&mut words(self.bytes.get(76..512)?));
        let mut next = u32_at(self.bytes, 68)?;
        for _ in 0..most.min(1024) {
            let Some(sector) = (next < MAX_SECTOR).then(|| self.sector_at(next)).flatten() else {
                break;
            };
            let last = sector.len().saturating_sub(4);
            add(&mut words(&sector[..last]));
            next = u32_at(sector, last)?;
        }
        Some(fat)
    }

    /// The bytes of a chain of sectors.
    fn chain(&self, start: u32, limit: usize) -> Vec<u8> {
        let limit = limit.min(self.bytes.len()).min(self.budget.get());
        let mut out = Vec::new();
        let mut next = start;
        while next < MAX_SECTOR && out.len() < limit {
            let Some(sector) = self.sector_at(next) else {
                break;
            };
            out.extend_from_slice(sector);
            next = self.fat.get(next as usize).copied().unwrap_or(NO_STREAM);
        }
        out.truncate(limit);
        self.spend(out.len());
        out
    }

    fn spend(&self, bytes: usize) {
        self.budget.set(self.budget.get().saturating_sub(bytes));
    }

    /// What is in a storage; the root is 0.
    pub(super) fn children(&self, storage: usize) -> Vec<usize> {
        let mut found = Vec::new();
        let mut seen = vec![false; self.entries.len()];
        let mut open = vec![self.entries.get(storage).map_or(NO_STREAM, |e| e.child)];
        while let Some(number) = open.pop() {
            let at = number as usize;
            let Some(entry) = self.entries.get(at).filter(|_| !seen[at]) else {
                continue;
            };
            seen[at] = true;
            if self.budget.get() == 0 {
                break;
            }
            self.spend(128);
            found.push(at);
            open.extend([entry.left, entry.right]);
        }
        found
    }

    /// An entry.
    pub(super) fn entry(&self, at: usize) -> &Entry {
        &self.entries[at]
    }

    /// The content of a stream, at most `limit` bytes.
    pub(super) fn read(&self, at: usize, limit: usize) -> Vec<u8> {
        let entry = &self.entries[at];
        let size = usize::try_from(entry.size).unwrap_or(usize::MAX);
        let size = size.min(limit).min(self.budget.get());
        if entry.kind != 2 {
            return Vec::new();
        }
        if entry.size >= self.cutoff {
            return self.chain(entry.start, size);
        }
        let mut out = Vec::new();
        let mut next = entry.start;
        while next < MAX_SECTOR && out.len() < size {
            let start = next as usize * self.mini_sector;
            let end = (start + self.mini_sector).min(self.mini.len());
            let Some(sector) = self.mini.get(start..end).filter(|s| !s.is_empty()) else {
                break;
            };
            out.extend_from_slice(sector);
            next = self.mini_fat.get(next as usize).copied().unwrap_or(NO_STREAM);
        }
        out.truncate(size);
        self.spend(out.len());
        out
    }
}
