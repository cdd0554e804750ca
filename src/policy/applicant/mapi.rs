//! Messages as Outlook stores them: a bag of numbered properties, in a .msg file (MS-OXMSG) or in
//! a winmail.dat (TNEF, MS-OXTNEF).
//!
//! Only what names the author and the text is read. Must not know who is a colleague.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::collections::HashMap;

use super::compound::{Compound, SIGNATURE, u16_at, u32_at, u64_at, utf16};
use crate::mail::header::{Field, Header};
use crate::mail::message::Message;
use crate::mail::mime::charset;

/// The first bytes of a TNEF stream.
pub(super) const TNEF_SIGNATURE: [u8; 4] = [0x78, 0x9f, 0x3e, 0x22];
/// Longer properties are cut.
const MAX_PROPERTY: usize = 256 * 1024;
/// Longer files are not opened.
const MAX_FILE: usize = 4 * 1024 * 1024;
/// How deeply messages are opened that are attached to each other.
const MAX_DEPTH: usize = 4;
/// How many attachments of one message are looked at.
const MAX_ATTACHMENTS: usize = 50;

/// MAPI property numbers.
mod id {
    pub(super) const CLASS: u16 = 0x001a;
    pub(super) const SUBJECT: u16 = 0x0037;
    pub(super) const SUBMITTED: u16 = 0x0039;
    pub(super) const AUTHOR_NAME: u16 = 0x0042;
    pub(super) const AUTHOR_ADDRESS: u16 = 0x0065;
    pub(super) const AUTHOR_SMTP: u16 = 0x5d02;
    pub(super) const SENDER_NAME: u16 = 0x0c1a;
    pub(super) const SENDER_ADDRESS: u16 = 0x0c1f;
    pub(super) const SENDER_SMTP: u16 = 0x5d01;
    pub(super) const HEADERS: u16 = 0x007d;
    pub(super) const DELIVERED: u16 = 0x0e06;
    pub(super) const BODY: u16 = 0x1000;
    pub(super) const HTML: u16 = 0x1013;
    pub(super) const OBJECT: u16 = 0x3701;
    /// Those that are read from a file.
    pub(super) const WANTED: [u16; 13] = [
        CLASS,
        SUBJECT,
        SUBMITTED,
        AUTHOR_NAME,
        AUTHOR_ADDRESS,
        AUTHOR_SMTP,
        SENDER_NAME,
        SENDER_ADDRESS,
        SENDER_SMTP,
        HEADERS,
        DELIVERED,
        BODY,
        HTML,
    ];
}

/// A message that was opened.
#[derive(Clone, Debug, Default)]
pub(super) struct Item {
    /// Its header: the one it came with, or one made of its properties.
    pub header: Header,
    /// Its text.
    pub text: String,
    /// Its HTML.
    pub html: String,
    /// Messages attached to it.
    pub attached: Vec<Enclosed>,
}

/// A message attached to another one.
#[derive(Clone, Debug)]
pub(super) enum Enclosed {
    /// As an object of Outlook.
    Item(Item),
    /// As a file with the message as it came.
    Message(Vec<u8>),
}

impl Enclosed {
    /// The message in an attached file, if it is one.
    fn file(name: &str, data: &[u8], depth: usize) -> Option<Self> {
        let name = name.trim_end_matches(['\0', ' ']).to_ascii_lowercase();
        if name.rsplit_once('.').is_some_and(|(_, end)| end == "eml") {
            Some(Self::Message(data.to_vec()))
        } else if data.starts_with(&SIGNATURE) && depth < MAX_DEPTH {
            msg(data, depth + 1).map(Self::Item)
        } else {
            None
        }
    }
}

#[derive(Default)]
struct Properties {
    texts: HashMap<u16, String>,
    times: HashMap<u16, u64>,
}

impl Properties {
    fn put(&mut self, kind: u16, id: u16, value: &[u8]) {
        let value = &value[..value.len().min(MAX_PROPERTY)];
        match kind {
            0x1f => _ = self.texts.insert(id, utf16(value)),
            0x1e | 0x102 => {
                let end = value.iter().position(|&b| b == 0).unwrap_or(value.len());
                let text = charset(&value[..end], None).into_owned();
                self.texts.entry(id).or_insert(text);
            }
            0x40 => _ = u64_at(value, 0).map(|time| self.times.insert(id, time)),
            _ => (),
        }
    }

    fn text(&self, id: u16) -> Option<&str> {
        self.texts.get(&id).map(|t| t.trim()).filter(|t| !t.is_empty())
    }

    /// The message, unless this is something else: a contact, an appointment, a report.
    fn item(mut self, attached: Vec<Enclosed>) -> Option<Item> {
        let class = self.text(id::CLASS).unwrap_or("IPM.Note").to_ascii_lowercase();
        if !class.starts_with("ipm.note") && class != "ipm" {
            return None;
        }
        let came_with = self.text(id::HEADERS).unwrap_or_default();
        // Exchange puts a line of its own above what it received.
        let received = match came_with.split_once('\n') {
            Some((first, rest)) if first.starts_with("Microsoft Mail Internet Headers") => rest,
            _ => came_with,
        };
        let mut header = Message::parse(received.as_bytes()).header;
        header.fields.retain(|f| !f.name.to_ascii_lowercase().starts_with(b"content-"));
        // A header that lost its author is no reason to take somebody else's word for it.
        if came_with.is_empty() {
            header = self.made_header();
        }
        Some(Item {
            header,
            text: self.texts.remove(&id::BODY).unwrap_or_default(),
            html: self.texts.remove(&id::HTML).unwrap_or_default(),
            attached,
        })
    }

    fn made_header(&self) -> Header {
        let mut header = Header::default();
        let mut put = |name: &str, body: String| {
            header.fields.push(Field {
                name: name.as_bytes().to_vec(),
                body: body.replace(['\r', '\n', '\0'], " ").into_bytes(),
            });
        };
        // The author; the sender only where no author is named at all.
        let author = [id::AUTHOR_SMTP, id::AUTHOR_ADDRESS, id::AUTHOR_NAME];
        let sender = [id::SENDER_SMTP, id::SENDER_ADDRESS, id::SENDER_NAME];
        let ids = if author.iter().any(|&i| self.text(i).is_some()) { author } else { sender };
        let address = ids[..2].iter().filter_map(|&i| self.text(i)).find(|a| a.contains('@'));
        let name = self.text(ids[2]).unwrap_or_default().replace(['"', '\\'], "");
        match address {
            Some(address) => put("From", format!("\"{name}\" <{address}>")),
            None => put("From", format!("\"{name}\"")),
        }
        if let Some(subject) = self.text(id::SUBJECT) {
            put("Subject", subject.to_owned());
        }
        let time = [id::SUBMITTED, id::DELIVERED].into_iter().find_map(|i| self.times.get(&i));
        if let Some(&time) = time {
            put("Date", date(time));
        }
        header
    }
}

/// A FILETIME (100 ns since 1601) as a date of RFC 5322, in UTC.
fn date(time: u64) -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let seconds = time / 10_000_000;
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Days since 1 March 1600, so that a leap day is the last of its year.
    let days = days + 306;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * month + 2) / 5 + 1;
    let year = 1600 + era * 400 + year + u64::from(month >= 10);
    let name = MONTHS[usize::try_from((month + 2) % 12).unwrap_or(0)];
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{of_month} {name} {year} {hour:02}:{minute:02}:{second:02} +0000")
}

/// Opens a .msg file.
pub(super) fn open_msg(bytes: &[u8]) -> Option<Item> {
    msg(bytes, 0)
}

fn msg(bytes: &[u8], depth: usize) -> Option<Item> {
    let file = Compound::open(bytes)?;
    storage(&file, 0, 32, depth)
}

fn storage(file: &Compound<'_>, at: usize, preamble: usize, depth: usize) -> Option<Item> {
    let mut properties = Properties::default();
    let mut attached = Vec::new();
    for child in file.children(at) {
        let name = file.entry(child).name.clone();
        if let Some((id, kind)) = name.strip_prefix("__substg1.0_").and_then(tag) {
            if !id::WANTED.contains(&id) {
                continue;
            }
            properties.put(kind, id, &file.read(child, MAX_PROPERTY));
        } else if name == "__properties_version1.0" {
            let content = file.read(child, MAX_PROPERTY);
            for entry in content.get(preamble..).unwrap_or_default().chunks_exact(16) {
                if let (Some(0x40), Some(id)) = (u16_at(entry, 0), u16_at(entry, 2)) {
                    properties.put(0x40, id, &entry[8..]);
                }
            }
        } else if name.starts_with("__attach_version1.0_")
            && depth < MAX_DEPTH
            && attached.len() < MAX_ATTACHMENTS
        {
            attached.extend(attachment(file, child, depth));
        }
    }
    properties.item(attached)
}

fn attachment(file: &Compound<'_>, at: usize, depth: usize) -> Option<Enclosed> {
    let children = file.children(at);
    let stream = |tag: &str| {
        children.iter().copied().find(|&c| {
            file.entry(c).name.strip_prefix("__substg1.0_").is_some_and(|name| name == tag)
        })
    };
    if let Some(object) = stream("3701000D") {
        return storage(file, object, 24, depth + 1).map(Enclosed::Item);
    }
    let long = stream("3707001F").or_else(|| stream("3704001F"));
    let short = stream("3707001E").or_else(|| stream("3704001E"));
    let name = match (long, short) {
        (Some(name), _) => utf16(&file.read(name, 512)),
        (None, Some(name)) => charset(&file.read(name, 512), None).into_owned(),
        (None, None) => String::new(),
    };
    let data = file.read(stream("37010102")?, MAX_FILE);
    Enclosed::file(&name, &data, depth)
}

/// `007D001F`: number and type of a property.
fn tag(text: &str) -> Option<(u16, u16)> {
    let tag = text.get(..8).and_then(|t| u32::from_str_radix(t, 16).ok())?;
    Some(((tag >> 16) as u16, (tag & 0xffff) as u16))
}

/// Opens a TNEF stream: the text of the message that it belongs to, and the messages attached.
pub(super) fn open_tnef(bytes: &[u8]) -> Option<Item> {
    bytes.starts_with(&TNEF_SIGNATURE).then(|| {
        let (mut properties, attached) = tnef(bytes, 0);
        Item {
            header: Header::default(),
            text: properties.texts.remove(&id::BODY).unwrap_or_default(),
            html: properties.texts.remove(&id::HTML).unwrap_or_default(),
            attached,
        }
    })
}

/// The properties of a TNEF stream, and the messages attached to it.
fn tnef(bytes: &[u8], depth: usize) -> (Properties, Vec<Enclosed>) {
    let mut properties = Properties::default();
    let mut attached = Vec::new();
    // The file that the attributes are about: its name, its content, whether an object was in it.
    let mut file: (String, &[u8], bool) = Default::default();
    let mut at = 6;
    while let (Some(&level), Some(attribute), Some(length)) =
        (bytes.get(at), u32_at(bytes, at + 1), u32_at(bytes, at + 5))
    {
        let start = at + 9;
        let end = start.saturating_add(length as usize);
        let Some(data) = bytes.get(start..end.min(bytes.len())) else {
            break;
        };
        match (level, attribute & 0xffff) {
            (1, 0x9003) => properties_of(data, |kind, id, value| properties.put(kind, id, value)),
            (1, 0x8004) => properties.put(0x1e, id::SUBJECT, data),
            (1, 0x800c) => properties.put(0x1e, id::BODY, data),
            (2, 0x9005) if depth < MAX_DEPTH && attached.len() < MAX_ATTACHMENTS => {
                properties_of(data, |kind, id, value| {
                    // The object begins with the identifier of its interface.
                    let inner = value.get(16..).filter(|v| v.starts_with(&TNEF_SIGNATURE));
                    if let (0x0d, id::OBJECT, Some(inner)) = (kind, id, inner) {
                        let (properties, below) = tnef(inner, depth + 1);
                        attached.extend(properties.item(below).map(Enclosed::Item));
                        file.2 = true;
                    }
                });
            }
            (2, 0x9002) => attached.extend(enclosed(std::mem::take(&mut file), depth)),
            (2, 0x8010) => file.0 = charset(data, None).into_owned(),
            (2, 0x800f) => file.1 = data,
            _ => (),
        }
        at = end.saturating_add(2);
    }
    attached.extend(enclosed(file, depth));
    attached.truncate(MAX_ATTACHMENTS);
    (properties, attached)
}

fn enclosed((name, data, opened): (String, &[u8], bool), depth: usize) -> Option<Enclosed> {
    let fits = !opened && !data.is_empty() && data.len() <= MAX_FILE;
    fits.then(|| Enclosed::file(&name, data, depth)).flatten()
}

/// MS-OXTNEF 2.1.3.4: a list of properties. Stops at the first that does not make sense.
fn properties_of(data: &[u8], mut each: impl FnMut(u16, u16, &[u8])) {
    let count = u32_at(data, 0).unwrap_or(0);
    let mut at = 4;
    for _ in 0..count.min(4096) {
        if property(data, &mut at, &mut each).is_none() {
            return;
        }
    }
}

fn property(data: &[u8], at: &mut usize, each: &mut impl FnMut(u16, u16, &[u8])) -> Option<()> {
    let (kind, id) = (u16_at(data, *at)?, u16_at(data, *at + 2)?);
    *at += 4;
    if id >= 0x8000 {
        let by_name = u32_at(data, *at + 16)?;
        let extra = u32_at(data, *at + 20)? as usize;
        *at += 24 + if by_name == 1 { extra.checked_next_multiple_of(4)? } else { 0 };
    }
    let (many, kind) = (kind & 0x1000 != 0, kind & 0x0fff);
    let fixed = match kind {
        0x02 | 0x03 | 0x04 | 0x0a | 0x0b => 4,
        0x05 | 0x06 | 0x07 | 0x14 | 0x40 => 8,
        0x48 => 16,
        0x0d | 0x1e | 0x1f | 0x102 => 0,
        _ => return None,
    };
    let values = if many || fixed == 0 {
        let count = u32_at(data, *at)?;
        *at += 4;
        count
    } else {
        1
    };
    for _ in 0..values {
        let length = if fixed > 0 {
            fixed
        } else {
            let length = u32_at(data, *at)? as usize;
            *at += 4;
            length
        };
        let end = at.checked_add(length)?;
        each(kind, id, data.get(*at..end)?);
        *at = at.checked_add(length.checked_next_multiple_of(4)?)?;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_told_in_utc() {
        assert_eq!(date(133_854_669_420_000_000), "3 Mar 2025 09:15:42 +0000");
        assert_eq!(date(125_962_560_000_000_000), "29 Feb 2000 00:00:00 +0000");
        assert_eq!(date(0), "1 Jan 1601 00:00:00 +0000");
    }

    #[test]
    fn rubbish_is_opened_to_nothing() {
        assert!(open_msg(b"").is_none());
        assert!(open_msg(&super::super::compound::SIGNATURE).is_none());
        assert!(open_tnef(&TNEF_SIGNATURE).is_some_and(|item| item.attached.is_empty()));
    }
}
