//! Byte fidelity: what the recruiting system and the local mailbox get, against what the same
//! Postfix would queue without us.
//!
//! That is the yardstick because Postfix itself normalises: it drops Bcc, turns a bare CR into a
//! space, and so on. Where it does nothing, the bytes must be those that were sent.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fs;
use std::path::{Path, PathBuf};

use crate::harness::dkim::DkimKey;
use crate::harness::site::{BOB, ERIKA, EVERY_KIND_GOES_ON, HR, INBOUND, JOBS, KARRIERE, Setup};
use crate::harness::{Delivered, Mail, Postfix, Scratch, Site};

/// A message of the golden set.
struct Golden {
    name: String,
    sender: String,
    args: Vec<String>,
    verbatim: bool,
    forged: bool,
    bytes: Vec<u8>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn golden_set() -> Vec<Golden> {
    let manifest = fs::read_to_string(folder().join("manifest")).unwrap();
    let lines = manifest.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            let [name, sender, args, flags, _purpose] = cells[..] else {
                panic!("manifest: {line}")
            };
            Golden {
                name: name.to_owned(),
                sender: sender.to_owned(),
                args: args.split_whitespace().map(str::to_owned).collect(),
                verbatim: flags == "verbatim",
                forged: flags == "forged",
                bytes: fs::read(folder().join(name).with_extension("eml")).unwrap(),
            }
        })
        .collect()
}

/// The company's Postfix without the milter.
fn without_milter(scratch: &Scratch) -> Postfix {
    Postfix::builder(scratch, "mx").mailbox(JOBS).mailbox(BOB).start()
}

impl Golden {
    fn send(&self, port: u16) {
        let mut mail = Mail::new(&self.sender, &[JOBS], self.bytes.clone());
        for arg in &self.args {
            mail = mail.mail_arg(arg);
        }
        mail.send(port);
    }
}

/// Takes the first field off, which must have this name.
#[track_caller]
fn pop<'a>(bytes: &'a [u8], name: &str) -> (&'a [u8], &'a [u8]) {
    let start = bytes.get(..name.len()).map(String::from_utf8_lossy);
    assert_eq!(
        start.as_deref(),
        Some(name),
        "in {:?}",
        String::from_utf8_lossy(&bytes[..bytes.len().min(300)])
    );
    let mut end = 0;
    loop {
        end += bytes[end..].iter().position(|&b| b == b'\n').map_or(bytes.len() - end, |at| at + 1);
        if !matches!(bytes.get(end), Some(b' ' | b'\t')) {
            return (&bytes[..end], &bytes[end..]);
        }
    }
}

/// What a forwarded copy was before: its own Received field, our fields in their order, and the
/// Received fields of the two passes, taken off one by one.
#[track_caller]
fn original_of(copy: &[u8]) -> &[u8] {
    let mut rest = pop(copy, "Received: ").1;
    for name in ["Seal", "System", "Address", "Envelope-Sender", "Kind"] {
        rest = pop(rest, &format!("X-Recruiting-{name}: ")).1;
    }
    for name in ["Applicant", "Review"].map(|name| format!("X-Recruiting-{name}: ")) {
        if rest.starts_with(name.as_bytes()) {
            rest = pop(rest, &name).1;
        }
    }
    rest = pop(rest, "Received: ").1;
    pop(rest, "Received: ").1
}

/// The header without fields in our namespace.
fn without_forged(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = message;
    while !rest.is_empty() && rest[0] != b'\n' {
        let (field, after) = pop(rest, "");
        if !field.get(..13).is_some_and(|f| f.eq_ignore_ascii_case(b"x-recruiting-")) {
            out.extend_from_slice(field);
        }
        rest = after;
    }
    out.extend_from_slice(rest);
    out
}

fn shown(bytes: &[u8]) -> String {
    bytes[..bytes.len().min(4000)].escape_ascii().to_string()
}

#[track_caller]
fn same(name: &str, what: &str, found: &[u8], expected: &[u8]) {
    assert!(
        found == expected,
        "{name}: {what}\nfound    {}\nexpected {}",
        shown(found),
        shown(expected)
    );
}

fn only(delivered: Vec<Delivered>, name: &str) -> Delivered {
    assert_eq!(delivered.len(), 1, "{name}");
    delivered.into_iter().next().unwrap()
}

#[test]
fn every_golden_message_arrives_as_postfix_would_have_queued_it() {
    let site = Site::with(Setup { config: EVERY_KIND_GOES_ON.into(), ..Setup::default() });
    let scratch = Scratch::new();
    let plain = without_milter(&scratch);
    let set = golden_set();
    assert!(set.len() >= 45);
    for golden in &set {
        let name = &golden.name;
        golden.send(plain.port());
        golden.send(site.mx.port());
        plain.wait_until_idle();
        site.settle();
        let yardstick = only(plain.maildir(JOBS), name);
        let local = only(site.mx.maildir(JOBS), name);
        let copy = only(site.inbound(), name);
        let queued = pop(&yardstick.bytes, "Received: ").1;
        same(name, "the local copy", pop(&local.bytes, "Received: ").1, queued);
        assert_eq!(local.envelope_sender, yardstick.envelope_sender, "{name}");
        assert_eq!(local.original_to, yardstick.original_to, "{name}");
        if golden.verbatim {
            let as_sent = golden.bytes.iter().copied().filter(|&b| b != b'\r').collect::<Vec<u8>>();
            same(name, "Postfix was to change nothing", queued, &as_sent);
        }
        if golden.forged {
            let expected = without_forged(queued);
            assert_ne!(expected, queued);
            same(name, "the copy", original_of(&copy.bytes), &expected);
        } else {
            same(name, "the copy", original_of(&copy.bytes), queued);
        }
        plain.clear_deliveries();
        site.mx.clear_deliveries();
        site.ats.clear_deliveries();
    }
    println!("{} golden messages, identical", set.len());
}

#[test]
fn the_comparison_sees_every_change() {
    let original = b"From: a\nSubject: b\n\tc\n\nbody\n";
    let ours = "X-Recruiting-Seal: s\nX-Recruiting-System: s\nX-Recruiting-Address: a\n\
        X-Recruiting-Envelope-Sender: <>\nX-Recruiting-Kind: application\n";
    let copy = |message: &[u8]| {
        [b"Received: 3\n", ours.as_bytes(), b"Received: 2\n\tx\nReceived: 1\n", message].concat()
    };
    assert_eq!(original_of(&copy(original)), original);
    for changed in [
        &b"From: A\nSubject: b\n\tc\n\nbody\n"[..],
        b"Subject: b\n\tc\n\nbody\n",
        b"From: a\nSubject: b c\n\nbody\n",
        b"From: a\nSubject: b\n\tc\n\nbody\n\n",
        b"From: a\nSubject: b\n\tc\nX-New: 1\n\nbody\n",
    ] {
        assert_ne!(original_of(&copy(changed)), original);
    }
    let missing = copy(original).len() - "X-Recruiting-Kind: application\n".len();
    let without_kind =
        String::from_utf8(copy(original)).unwrap().replace("X-Recruiting-Kind: application\n", "");
    assert_eq!(without_kind.len(), missing);
    assert!(std::panic::catch_unwind(|| original_of(without_kind.as_bytes()).len()).is_err());
}

#[test]
fn twenty_and_fifty_megabytes_pass() {
    let site = Site::start();
    for megabytes in [20, 50] {
        let line = format!("{}\r\n", "QUJD".repeat(19));
        let part = line.repeat(megabytes * 1024 * 1024 / line.len() / 2);
        let message = format!(
            "From: {ERIKA}\r\nSubject: large\r\nMIME-Version: 1.0\r\n\
             Content-Type: multipart/mixed; boundary=b\r\n\r\n\
             --b\r\nContent-Transfer-Encoding: base64\r\n\r\n{part}\
             --b\r\nContent-Transfer-Encoding: base64\r\n\r\n{part}--b--\r\n"
        );
        Mail::new(ERIKA, &[JOBS], message.as_bytes()).send(site.mx.port());
        site.settle();
        let copy = only(site.inbound(), "large");
        assert!(original_of(&copy.bytes) == message.replace('\r', "").as_bytes());
        site.ats.clear_deliveries();
    }
}

#[test]
fn the_applicants_dkim_signature_still_verifies() {
    let site = Site::start();
    let key = DkimKey::new(site.scratch(), "example.org");
    for canonicalization in ["simple/simple", "relaxed/relaxed"] {
        let golden = fs::read(folder().join("pdf-cv.eml")).unwrap();
        let message = key.sign(&golden, &[canonicalization]);
        Mail::new(ERIKA, &[JOBS], message).send(site.mx.port());
        site.settle();
        let copy = only(site.inbound(), canonicalization);
        let crlf = copy.text().replace('\n', "\r\n").into_bytes();
        assert!(key.verifies(&crlf), "{canonicalization}");
        let changed = copy.text().replace("Dear all", "Dear  All").replace('\n', "\r\n");
        assert!(!key.verifies(changed.as_bytes()), "the verifier sees a change");
        site.ats.clear_deliveries();
    }
}

#[test]
fn aliases_copies_and_canonical_maps_do_what_they_do_without_us() {
    let site = Site::with(Setup {
        mx: Some(|mx| {
            mx.param("virtual_alias_maps", "inline:{ { jobs@acme.example = bob@acme.example, hr@acme.example } { karriere@acme.example = bob@acme.example } }")
                .param("always_bcc", "archive@acme.example")
                .param("recipient_canonical_maps", "inline:{ { acme-jobs@m-personio.example = wrong@acme.example } }")
                .param("recipient_bcc_maps", "inline:{ { jobs@acme.example = bcc@acme.example } { acme-jobs@m-personio.example = wrong@acme.example } }")
                .mailbox("archive@acme.example")
                .mailbox("bcc@acme.example")
                .mailbox("wrong@acme.example")
        }),
        config: "[address.\"jobs+back@acme.example\"]\nlocal_copy = false\nfallback = \"karriere@acme.example\"\n".to_owned(),
        ..Setup::default()
    });
    let count = |mailbox: &str| site.mx.maildir(mailbox).len();
    Mail::new(ERIKA, &[JOBS], "From: erika@example.org\r\nSubject: x\r\n\r\nx\r\n")
        .send(site.mx.port());
    site.settle();
    assert_eq!(
        (count(BOB), count(HR), count(JOBS)),
        (1, 1, 0),
        "the alias expands for the local copy"
    );
    assert_eq!(count("archive@acme.example"), 1);
    assert_eq!(count("bcc@acme.example"), 1);
    assert_eq!(count("wrong@acme.example"), 0);
    assert_eq!(site.inbound().len(), 1);

    // Sealed mail to an address without a local copy is given back, to a fallback that is an alias.
    let sealed = site.inbound()[0].text().replace('\n', "\r\n");
    site.mx.clear_deliveries();
    Mail::new(ERIKA, &["jobs+back@acme.example"], sealed).send(site.mx.port());
    site.settle();
    assert_eq!(site.inbound().len(), 1, "not forwarded again");
    assert_eq!((count(BOB), count(KARRIERE)), (1, 0), "the alias expands on the way back");
    assert_eq!(count("archive@acme.example"), 1, "one copy of a message, not two");
    assert_eq!(count("wrong@acme.example"), 0);
}

#[test]
fn a_message_at_the_size_limit_is_forwarded_or_refused_at_the_front() {
    let site = Site::with(Setup {
        mx: Some(|mx| mx.param("message_size_limit", "200000")),
        ..Setup::default()
    });
    let mut accepted = 0;
    for size in (197_000..201_000).step_by(250) {
        let message = format!(
            "From: {ERIKA}\r\nSubject: s\r\n\r\n{}",
            format!("{}\r\n", "x".repeat(98)).repeat(size / 100)
        );
        let reply = Mail::new(ERIKA, &[JOBS], message).try_send(site.mx.port()).unwrap();
        assert!(reply.code == 250 || reply.code == 552, "{reply}");
        accepted += usize::from(reply.code == 250);
    }
    site.settle();
    assert!(accepted > 0 && accepted < 16);
    assert_eq!(site.ats.maildir(INBOUND).len(), accepted, "what the front took has arrived");
    assert_eq!(site.mx.maildir(JOBS).len(), accepted);
}
