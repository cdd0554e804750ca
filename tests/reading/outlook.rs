//! Messages attached the way Outlook does: .msg files, written by another implementation of the
//! container, and winmail.dat.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::io::{Cursor, Write as _};

use recruit_milter::policy::kind::{How, Kind};

use crate::cases::COLLEAGUE;
use crate::compose::{Encoding, Part, message};
use crate::score::{Case, Mark, Score, Truth};
use crate::traps::{LENA, case};

/// A message as Outlook stores it.
#[derive(Clone, Default)]
pub(crate) struct Item {
    /// Text properties by number.
    pub(crate) texts: Vec<(u16, String)>,
    pub(crate) attached: Vec<Item>,
}

impl Item {
    fn of(texts: &[(u16, &str)]) -> Self {
        Self {
            texts: texts.iter().map(|(id, t)| (*id, (*t).to_owned())).collect(),
            attached: Vec::new(),
        }
    }

    fn with(mut self, attached: Self) -> Self {
        self.attached.push(attached);
        self
    }
}

/// 3 March 2025 09:15:42 UTC.
const TIME: u64 = 133_854_669_420_000_000;

pub(crate) fn msg(item: &Item) -> Vec<u8> {
    let mut file = cfb::CompoundFile::create(Cursor::new(Vec::new())).unwrap();
    storage(&mut file, "/", item, 32);
    file.into_inner().into_inner()
}

fn storage(file: &mut cfb::CompoundFile<Cursor<Vec<u8>>>, at: &str, item: &Item, preamble: usize) {
    let mut put = |name: String, bytes: &[u8]| {
        file.create_stream(format!("{at}{name}")).unwrap().write_all(bytes).unwrap();
    };
    for (id, text) in &item.texts {
        let bytes: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        put(format!("__substg1.0_{id:04X}001F"), &bytes);
    }
    let mut properties = vec![0; preamble];
    properties.extend(0x0039_0040_u32.to_le_bytes());
    properties.extend(6_u32.to_le_bytes());
    properties.extend(TIME.to_le_bytes());
    put("__properties_version1.0".into(), &properties);
    for (i, attached) in item.attached.iter().enumerate() {
        let place = format!("{at}__attach_version1.0_#{i:08X}/");
        file.create_storage(&place).unwrap();
        let place = format!("{place}__substg1.0_3701000D/");
        file.create_storage(&place).unwrap();
        storage(file, &place, attached, 24);
    }
}

pub(crate) fn tnef(item: &Item) -> Vec<u8> {
    let mut out = vec![0x78, 0x9f, 0x3e, 0x22, 1, 0];
    let mut attribute = |level: u8, id: u32, data: &[u8]| {
        out.push(level);
        out.extend(id.to_le_bytes());
        out.extend(u32::try_from(data.len()).unwrap().to_le_bytes());
        out.extend(data);
        let sum = data.iter().fold(0u16, |sum, b| sum.wrapping_add(u16::from(*b)));
        out.extend(sum.to_le_bytes());
    };
    let size = |n: usize| u32::try_from(n).unwrap().to_le_bytes();
    let padded = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    };
    attribute(1, 0x0008_9006, &[0, 0, 1, 0]);
    let mut properties = size(item.texts.len() + 2).to_vec();
    properties.extend(0x0e07_0003_u32.to_le_bytes());
    properties.extend(1_u32.to_le_bytes());
    // A named property, to be stepped over.
    properties.extend(0x8001_001e_u32.to_le_bytes());
    properties.extend([7; 16]);
    properties.extend(1_u32.to_le_bytes());
    properties.extend(size(6));
    properties.extend(padded(b"a\0b\0\0\0"));
    properties.extend(size(1));
    properties.extend(size(2));
    properties.extend(padded(b"x\0"));
    for (id, text) in &item.texts {
        properties.extend((u32::from(*id) << 16 | 0x1f).to_le_bytes());
        let bytes: Vec<u8> = text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect();
        properties.extend(size(1));
        properties.extend(size(bytes.len()));
        properties.extend(padded(&bytes));
    }
    attribute(1, 0x0006_9003, &properties);
    for attached in &item.attached {
        attribute(2, 0x0006_9002, &[0; 14]);
        let mut object = [9; 16].to_vec();
        object.extend(tnef(attached));
        let mut properties = size(1).to_vec();
        properties.extend(0x3701_000d_u32.to_le_bytes());
        properties.extend(size(1));
        properties.extend(size(object.len()));
        properties.extend(padded(&object));
        attribute(2, 0x0006_9005, &properties);
    }
    out
}

fn lena() -> Item {
    Item::of(&[
        (0x001a, "IPM.Note"),
        (0x0037, "Bewerbung als Koch"),
        (0x0042, "Lena Hoffmann"),
        (0x0064, "SMTP"),
        (0x0065, "lena@post-nord.example"),
        (0x1000, "Anbei. chef@restaurant.example"),
    ])
}

fn jens() -> Item {
    Item::of(&[
        (0x001a, "IPM.Note"),
        (0x0037, "WG: Bewerbung"),
        (0x0042, "Jens Vogt"),
        (0x0064, "EX"),
        (0x0065, "/O=ACME/OU=EXCHANGE/CN=RECIPIENTS/CN=JENS"),
        (0x5d02, "jens.vogt@acme-werke.example"),
    ])
}

pub(crate) fn items() -> Vec<(&'static str, Item, Truth)> {
    let lena_truth = || Truth::One(LENA.into());
    let mut inline = jens();
    inline.texts.push((0x1000, "Von: Lena Hoffmann <lena@post-nord.example>\r\nGesendet: d\r\nAn: Jens\r\nBetreff: Bewerbung als Koch\r\n\r\nHallo".into()));
    let headers = Item::of(&[
        (0x0037, "Bewerbung als Koch"),
        (0x0042, "Somebody else"),
        (0x0065, "eva@decoy.example"),
        (
            0x007d,
            "Received: x\r\nFrom: Lena Hoffmann <lena@post-nord.example>\r\nSubject: Bewerbung als Koch\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n",
        ),
    ]);
    let smtp = Item::of(&[
        (0x0042, "Lena Hoffmann"),
        (0x0065, "/O=EXT/CN=LENA"),
        (0x5d02, "lena@post-nord.example"),
        (0x0037, "Bewerbung als Koch"),
    ]);
    let exchange = Item::of(&[(0x0042, "Lena Hoffmann"), (0x0065, "/O=EXT/CN=LENA")]);
    let behalf = Item::of(&[
        (0x0042, "Lena Hoffmann"),
        (0x0065, "lena@post-nord.example"),
        (0x0c1a, "Portal"),
        (0x0c1f, "portal@esp.example"),
        (0x0037, "Bewerbung als Koch"),
    ]);
    let contact =
        Item::of(&[(0x001a, "IPM.Contact"), (0x0042, "Eva"), (0x0065, "eva@decoy.example")]);
    vec![
        ("plain", lena(), lena_truth()),
        ("transport headers", headers, lena_truth()),
        ("SMTP address beside an X.500 one", smtp, lena_truth()),
        ("X.500 address only", exchange, Truth::Nobody),
        ("on behalf of", behalf, lena_truth()),
        ("a colleague's inline forward", inline, lena_truth()),
        ("a colleague's attached forward", jens().with(lena()), lena_truth()),
        ("a colleague's own", jens(), Truth::Nobody),
        (
            "with an attached message of another",
            lena().with(Item::of(&[(0x0065, "eva@decoy.example")])),
            lena_truth(),
        ),
        ("a contact", contact, Truth::Nobody),
    ]
}

pub(crate) fn all() -> Vec<Case> {
    let note = Part::text("plain", "Bitte erfassen.", Encoding::EightBit);
    let mut cases = Vec::new();
    for (id, item, truth) in items() {
        let wrapped = Item::of(&[(0x0037, "Bewerbung")]).with(item.clone());
        let files = [
            (
                How::OutlookMessage,
                Part::file("application/vnd.ms-outlook", "Bewerbung.msg", &msg(&item)),
            ),
            (
                How::OutlookMessage,
                Part::file("application/octet-stream", "Bewerbung.msg", &msg(&item)),
            ),
            (How::Tnef, Part::file("application/ms-tnef", "winmail.dat", &tnef(&wrapped))),
        ];
        for (how, file) in files {
            let mail =
                message(COLLEAGUE, "Bewerbung", "", &Part::multi("mixed", &[note.clone(), file]));
            let mut c = case("outlook attachment", &format!("{id} {how:?}"), mail, truth.clone());
            c.kind = (id != "a contact").then_some(Kind::Forward(how));
            if truth != Truth::Nobody {
                c.subject = Some("Bewerbung als Koch".into());
                c.name = Some("Lena Hoffmann".into());
            }
            cases.push(c);
        }
    }
    cases
}

#[test]
fn messages_attached_by_outlook_are_opened() {
    let cases = all();
    let score = Score::of(&cases);
    score.print();
    assert_eq!(score.total[Mark::Right as usize], cases.len());
}
