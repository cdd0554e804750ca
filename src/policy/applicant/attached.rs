//! What a message holds: its texts, and the messages attached to it in any of the forms in which
//! programs attach them.
//!
//! Must not know who is a colleague.
// SPDX-License-Identifier: GPL-3.0-or-later

use super::compound::SIGNATURE;
use super::mapi::{Enclosed, Item, TNEF_SIGNATURE, open_msg, open_tnef};
use crate::mail::header::Header;
use crate::mail::mime::{Limits, Part, split_header, walk};
use crate::policy::kind::How;

/// How many attached messages are opened.
const MAX_ATTACHED: usize = 40;

/// A text with the place of its part.
#[derive(Clone, Debug, Default)]
pub(super) struct Text {
    /// Type and place.
    pub part: String,
    /// The text.
    pub text: String,
}

/// An attached message.
#[derive(Clone, Debug)]
pub(super) struct Attached {
    /// Type and place of the part.
    pub part: String,
    /// In which form it is attached.
    pub how: How,
    /// Its header.
    pub header: Header,
    inside: Inside,
    /// Whether it was cut off.
    cut: bool,
}

#[derive(Clone, Debug)]
enum Inside {
    Raw(Vec<u8>),
    Item(Item),
}

/// What a message holds.
#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    /// Its plain text, all parts of it.
    pub plain: Text,
    /// Its HTML, all parts of it.
    pub html: Text,
    /// Text and HTML that a winmail.dat holds.
    spare: Option<(Text, Text)>,
    /// The messages attached to it.
    pub attached: Vec<Attached>,
    /// Whether everything was seen.
    pub complete: bool,
    /// Whether the message goes on where it ends here.
    pub cut: bool,
}

impl Text {
    fn add(&mut self, part: &Part<'_>) {
        if self.part.is_empty() {
            self.part = name(part);
        } else {
            self.text.push('\n');
        }
        self.text.push_str(&part.text(usize::MAX));
    }
}

fn name(part: &Part<'_>) -> String {
    format!("{} {}", part.content_type.word, part.place).trim().to_owned()
}

impl Content {
    /// Takes a message apart. Of a message that was cut the last line is not believed: an address
    /// in it may go on.
    pub(super) fn of(header: &Header, body: &[u8], truncated: bool) -> Self {
        let parts = walk(header, body, Limits::default());
        let mut content =
            Self { complete: parts.complete && !truncated, cut: truncated, ..Self::default() };
        for part in &parts.list {
            if content.attached.len() >= MAX_ATTACHED {
                content.complete = false;
                break;
            }
            content.take(part);
        }
        content.fall_back();
        if truncated && let Some(last) = parts.list.last() {
            content.drop_last_line(&name(last));
        }
        content
    }

    /// A program that puts all into a winmail.dat may leave nothing beside it.
    fn fall_back(&mut self) {
        let blank = |text: &Text| text.text.trim().is_empty();
        if blank(&self.plain)
            && blank(&self.html)
            && let Some((plain, html)) = self.spare.take()
        {
            (self.plain, self.html) = (plain, html);
        }
    }

    fn drop_last_line(&mut self, part: &str) {
        for text in [&mut self.plain.text, &mut self.html.text] {
            let end = text.rfind(['\n', '>']).map_or(0, |at| at + 1);
            text.truncate(end);
        }
        for attached in self.attached.iter_mut().filter(|a| a.part == part) {
            attached.cut = true;
            match &attached.inside {
                Inside::Raw(body) if !body.is_empty() => (),
                Inside::Raw(_) => _ = attached.header.fields.pop(),
                // What is left of a container says little about what was in it.
                Inside::Item(_) => attached.header.fields.clear(),
            }
        }
    }

    fn take(&mut self, part: &Part<'_>) {
        let file = part.file_name().unwrap_or_default().to_lowercase();
        let file_type = file.rsplit_once('.').map(|(_, end)| end).unwrap_or_default();
        let part_name = name(part);
        match part.content_type.word.as_str() {
            "message/rfc822" | "message/global" => self.message(part, part_name),
            word if word.starts_with("multipart/") => (),
            _ if file_type == "eml" => self.message(part, part_name),
            "application/ms-tnef" | "application/vnd.ms-tnef" => self.outlook(part, &part_name),
            "application/vnd.ms-outlook" | "application/msoutlook" | "application/x-msg" => {
                self.outlook(part, &part_name);
            }
            _ if file_type == "msg" || file == "winmail.dat" => self.outlook(part, &part_name),
            _ if part.is_attachment() || !file.is_empty() => (),
            "text/plain" => self.plain.add(part),
            "text/html" => self.html.add(part),
            _ => (),
        }
    }

    fn message(&mut self, part: &Part<'_>, name: String) {
        self.raw(&part.content(usize::MAX), How::Attached, name);
    }

    fn raw(&mut self, content: &[u8], how: How, part: String) {
        // An mbox line or a byte order mark may stand before the header.
        let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
        let content = content.trim_ascii_start();
        let (header, body) = split_header(content);
        self.attached.push(Attached {
            part,
            how,
            header,
            inside: Inside::Raw(body.to_vec()),
            cut: false,
        });
    }

    fn outlook(&mut self, part: &Part<'_>, name: &str) {
        let content = part.content(usize::MAX);
        if content.starts_with(&SIGNATURE) {
            self.items(open_msg(&content).map(Enclosed::Item), How::OutlookMessage, name);
        } else if content.starts_with(&TNEF_SIGNATURE)
            && let Some(item) = open_tnef(&content)
        {
            self.items(item.attached, How::Tnef, name);
            let text = |text| Text { part: name.to_owned(), text };
            self.spare = Some((text(item.text), text(item.html)));
        }
    }

    fn items(&mut self, items: impl IntoIterator<Item = Enclosed>, how: How, part: &str) {
        for enclosed in items.into_iter().take(MAX_ATTACHED) {
            let item = match enclosed {
                Enclosed::Item(item) => item,
                Enclosed::Message(message) => {
                    self.raw(&message, how, part.to_owned());
                    continue;
                }
            };
            self.attached.push(Attached {
                part: part.to_owned(),
                how,
                header: item.header.clone(),
                inside: Inside::Item(item),
                cut: false,
            });
        }
    }
}

impl Attached {
    /// What the attached message holds itself.
    pub(super) fn content(&self) -> Content {
        match &self.inside {
            Inside::Raw(body) => Content::of(&self.header, body, self.cut),
            Inside::Item(item) => {
                let text = |kind: &str, text: &str| Text {
                    part: format!("{kind} in {}", self.part),
                    text: text.to_owned(),
                };
                let mut content = Content {
                    plain: text("text", &item.text),
                    html: text("HTML", &item.html),
                    complete: true,
                    ..Content::default()
                };
                content.items(item.attached.clone(), self.how, &self.part);
                content
            }
        }
    }
}
