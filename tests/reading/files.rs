//! Messages attached as files in containers: a message file in a .msg or in a winmail.dat, names in
//! an old code page, a winmail.dat that holds all the text, and all of these inside each other.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::io::{Cursor, Write as _};

use recruit_milter::policy::kind::{How, Kind};

use crate::cases::COLLEAGUE;
use crate::compose::{Encoding, Part, message};
use crate::outlook::{Item, msg, tnef};
use crate::score::{Case, Mark, Score, Truth};
use crate::traps::{case, one};

const AIKO: &str = "aiko.tanaka@mx.example";
const EML: &[u8] = b"Received: from mx.example\r\nFrom: =?utf-8?Q?Tanaka=2C_Aik=C5=8D?= <aiko.tanaka@mx.example>\r\nTo: jobs@acme-werke.example\r\nSubject: Welder wanted\r\nDate: Wed, 5 Mar 2025 07:00:00 +0900\r\n\r\nMy teacher: sensei@school.example\r\n";

/// Streams of a container at places below its root.
fn container(streams: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut file = cfb::CompoundFile::create(Cursor::new(Vec::new())).unwrap();
    for (place, bytes) in streams {
        if let Some((folder, _)) = place.trim_start_matches('/').rsplit_once('/') {
            file.create_storage_all(format!("/{folder}")).unwrap();
        }
        file.create_stream(format!("/{place}")).unwrap().write_all(bytes).unwrap();
    }
    file.into_inner().into_inner()
}

fn wide(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// A .msg of a colleague with a file in it.
fn with_file(name: &str, bytes: &[u8]) -> Vec<u8> {
    let at = "__attach_version1.0_#00000000/__substg1.0_";
    container(&[
        ("__properties_version1.0", vec![0; 32]),
        ("__substg1.0_001A001F", wide("IPM.Note")),
        ("__substg1.0_0037001F", wide("FW: Welder wanted")),
        ("__substg1.0_0C1A001F", wide("Tom Becker")),
        ("__substg1.0_0C1F001F", wide("tom.becker@acme-werke.example")),
        (&format!("{at}3707001F"), wide(name)),
        (&format!("{at}37010102"), bytes.to_vec()),
    ])
}

/// A .msg as old programs wrote it: in a code page.
fn in_code_page() -> Vec<u8> {
    container(&[
        ("__properties_version1.0", vec![0; 32]),
        ("__substg1.0_001A001E", b"IPM.Note".to_vec()),
        ("__substg1.0_0037001E", b"Schwei\xdfer".to_vec()),
        ("__substg1.0_0042001E", b"J\xfcrgen Gro\xdf".to_vec()),
        ("__substg1.0_0065001E", b"j.gross@mx.example".to_vec()),
        ("__substg1.0_1000001E", b"Anbei. eva@decoy.example".to_vec()),
    ])
}

/// A TNEF stream of attributes.
fn stream(attributes: &[(u8, u32, &[u8])]) -> Vec<u8> {
    let mut out = vec![0x78, 0x9f, 0x3e, 0x22, 1, 0];
    for (level, id, data) in attributes {
        out.push(*level);
        out.extend(id.to_le_bytes());
        out.extend(u32::try_from(data.len()).unwrap().to_le_bytes());
        out.extend(*data);
        let sum = data.iter().fold(0u16, |sum, b| sum.wrapping_add(u16::from(*b)));
        out.extend(sum.to_le_bytes());
    }
    out
}

/// A winmail.dat with files in it.
fn winmail(files: &[(&str, &[u8])]) -> Vec<u8> {
    let names: Vec<String> = files.iter().map(|(name, _)| format!("{name}\0")).collect();
    let mut attributes: Vec<(u8, u32, &[u8])> = vec![(1, 0x0008_9006, &[0, 0, 1, 0])];
    for ((_, bytes), name) in files.iter().zip(&names) {
        attributes.push((2, 0x0006_9002, &[0; 14]));
        attributes.push((2, 0x0001_8010, name.as_bytes()));
        attributes.push((2, 0x0006_800f, bytes));
    }
    stream(&attributes)
}

fn aiko() -> Item {
    Item {
        texts: vec![
            (0x0037, "Welder wanted".into()),
            (0x0042, "Aikō Tanaka".into()),
            (0x5d02, AIKO.into()),
            (0x1000, "Ask eva@decoy.example".into()),
        ],
        attached: Vec::new(),
    }
}

fn parts() -> Vec<(&'static str, Option<How>, Part, Truth)> {
    let outlook = |bytes: &[u8]| Part::file("application/vnd.ms-outlook", "Mail.msg", bytes);
    let dat = |bytes: &[u8]| Part::file("application/ms-tnef", "winmail.dat", bytes);
    let block = "From: Aik\u{14d} Tanaka <aiko.tanaka@mx.example>\r\nSent: Wednesday\r\nTo: Jobs\r\nSubject: Welder wanted\r\n\r\nHello";
    let colleague = |inner: &Part| {
        let text = Part::text("plain", "for you", Encoding::EightBit);
        let inner = Part::multi("mixed", &[text, inner.clone()]);
        Part::message(&message("Tom Becker <tom.becker@acme-werke.example>", "FW", "", &inner))
    };
    let both = |a: &str, b: &str| Truth::Several(vec![a.into(), b.into()]);
    let lou = b"From: Lou <lou@mx.example>\r\nSubject: Me too\r\n\r\nHi";
    vec![
        (
            "an .eml in a .msg",
            Some(How::OutlookMessage),
            outlook(&with_file("x.eml", EML)),
            one(AIKO),
        ),
        (
            "a .msg in a .msg, as a file",
            Some(How::OutlookMessage),
            outlook(&with_file("inner.msg", &msg(&aiko()))),
            one(AIKO),
        ),
        (
            "a letter in a colleague's .msg",
            Some(How::OutlookMessage),
            outlook(&with_file("cv.pdf", b"%PDF From: eva@decoy.example")),
            Truth::Nobody,
        ),
        (
            "a .msg in a code page",
            Some(How::OutlookMessage),
            outlook(&in_code_page()),
            one("j.gross@mx.example"),
        ),
        ("an .eml in a winmail.dat", Some(How::Tnef), dat(&winmail(&[("x.eml", EML)])), one(AIKO)),
        (
            "a .msg in a winmail.dat, as a file",
            Some(How::Tnef),
            dat(&winmail(&[("cv.pdf", b"%PDF"), ("x.msg", &msg(&aiko()))])),
            one(AIKO),
        ),
        (
            "two files in a winmail.dat",
            Some(How::Tnef),
            dat(&winmail(&[("a.eml", EML), ("b.eml", lou)])),
            both(AIKO, "lou@mx.example"),
        ),
        (
            "letters in a winmail.dat",
            None,
            dat(&winmail(&[("cv.docx", b"From: eva@decoy.example")])),
            Truth::Nobody,
        ),
        (
            "a winmail.dat in a colleague's attached message",
            Some(How::Attached),
            colleague(&dat(&winmail(&[("x.eml", EML)]))),
            one(AIKO),
        ),
        (
            "a .msg in a colleague's attached message",
            Some(How::Attached),
            colleague(&outlook(&msg(&aiko()))),
            one(AIKO),
        ),
        (
            "an item in an item of a winmail.dat",
            Some(How::Tnef),
            dat(&tnef(&Item {
                texts: Vec::new(),
                attached: vec![Item {
                    texts: vec![
                        (0x0042, "Tom Becker".into()),
                        (0x0065, "tom.becker@acme-werke.example".into()),
                    ],
                    attached: vec![aiko()],
                }],
            })),
            one(AIKO),
        ),
        (
            "a text in a winmail.dat",
            Some(How::Inline),
            dat(&stream(&[(1, 0x0002_800c, block.as_bytes())])),
            one(AIKO),
        ),
        (
            "a .msg with another ending",
            Some(How::OutlookMessage),
            Part::file("application/octet-stream", "Welder wanted.MSG", &msg(&aiko())),
            one(AIKO),
        ),
        (
            "a .msg that is an .eml",
            None,
            Part::file("application/octet-stream", "Welder.msg", EML),
            Truth::Nobody,
        ),
    ]
}

pub(crate) fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    for (id, how, part, truth) in parts() {
        let comment = if id.starts_with("a text") { "" } else { "Please enter." };
        let note = Part::text("plain", comment, Encoding::EightBit);
        let mail =
            message(COLLEAGUE, "FW: Welder wanted", "", &Part::multi("mixed", &[note, part]));
        let mut c = case("files", id, mail, truth.clone());
        c.kind = how.map(Kind::Forward);
        if truth == one(AIKO) {
            c.subject = Some("Welder wanted".into());
        }
        cases.push(c);
    }
    cases
}

#[test]
fn damaged_containers_name_nobody_else() {
    let mut number = 0x9e37_79b9_u32;
    let mut roll = |sides: usize| {
        number ^= number << 13;
        number ^= number >> 17;
        number ^= number << 5;
        number as usize % sides
    };
    let files = [
        ("application/vnd.ms-outlook", "Mail.msg", with_file("x.eml", EML)),
        ("application/vnd.ms-outlook", "Mail.msg", with_file("x.msg", &msg(&aiko()))),
        (
            "application/ms-tnef",
            "winmail.dat",
            winmail(&[("a.eml", EML), ("b.msg", &msg(&aiko()))]),
        ),
    ];
    for _ in 0..800 {
        let (content_type, name, bytes) = &files[roll(files.len())];
        let mut bytes = bytes.clone();
        for _ in 0..=roll(6) {
            let at = roll(bytes.len());
            bytes[at] = u8::try_from(roll(256)).unwrap();
        }
        if roll(4) == 0 {
            bytes.truncate(roll(bytes.len()));
        }
        let file = Part::file(content_type, name, &bytes);
        let mail = message(COLLEAGUE, "FW: Welder wanted", "", &Part::multi("mixed", &[file]));
        let reading = case("files", "damaged", mail, Truth::Nobody).read();
        for applicant in reading.applicants {
            let domain = applicant.mailbox.domain();
            assert!(
                !domain.contains("decoy") && domain != "school.example",
                "{}",
                applicant.mailbox
            );
        }
    }
}

#[test]
fn messages_in_files_of_containers_are_opened() {
    let cases = all();
    let score = Score::of(&cases);
    score.print();
    assert_eq!(score.total[Mark::Right as usize], cases.len());
}
