//! What is in a mail is nowhere but in the mail: not in the ledger, the journal, the log, the figures,
//! nor in what an export tells.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};

use data_encoding::{BASE64, HEXLOWER};

use crate::harness::daemon::command;
use crate::harness::site::{JOBS, KARRIERE, Setup};
use crate::harness::{LIMIT, Mail, Port, Site, wait_until};

/// Strings that stand nowhere else.
const CANARIES: &[&str] = &[
    "kanarieanna",
    "kanariedomain",
    "Kanarienname",
    "Kanarienbetreff",
    "Kanarieninhalt",
    "kanariendatei",
    "kanarienmessageid",
    "kanarienreply",
    "kanarienhost",
];

fn message(to: &str) -> String {
    format!(
        "From: Kanarienname <kanarieanna@kanariedomain.example>\r\nTo: {to}\r\n\
         Reply-To: kanarienreply@kanariedomain.example\r\nSubject: Kanarienbetreff\r\n\
         Message-ID: <kanarienmessageid@kanarienhost.example>\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nKanarieninhalt\r\n--b\r\n\
         Content-Type: application/pdf\r\n\
         Content-Disposition: attachment; filename=kanariendatei.pdf\r\n\r\n%PDF\r\n--b--\r\n"
    )
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { all.extend(files(&path)) } else { all.push(path) }
    }
    all
}

/// A string as it might be written.
fn forms(text: &str) -> Vec<Vec<u8>> {
    let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut all =
        vec![text.to_lowercase().into_bytes(), wide, HEXLOWER.encode(text.as_bytes()).into()];
    // Base64 of it, wherever it begins in what was encoded.
    for shift in 0..3 {
        let padded = [&b"xxx"[..shift], text.as_bytes()].concat();
        let encoded = BASE64.encode(&padded);
        let skip = (shift * 8).div_ceil(6);
        let whole = (padded.len() * 8 / 6).min(encoded.len());
        all.push(encoded.as_bytes()[skip..whole].to_vec());
    }
    all
}

fn find(where_: &str, bytes: &[u8]) -> Vec<String> {
    let lower = bytes.to_ascii_lowercase();
    let mut found = Vec::new();
    for canary in CANARIES {
        for (at, form) in forms(canary).iter().enumerate() {
            let text = if at == 0 { &lower[..] } else { bytes };
            if text.windows(form.len()).any(|part| part == form) {
                found.push(format!("{canary} (form {at}) in {where_}"));
            }
        }
    }
    found
}

#[test]
fn the_search_finds_what_is_there() {
    let text = message(JOBS);
    assert_eq!(find("it", text.as_bytes()).len(), CANARIES.len());
    for shift in 0..3 {
        let encoded = BASE64.encode(&text.as_bytes()[shift..]);
        assert!(find("it", encoded.as_bytes()).len() >= CANARIES.len() - 1, "{shift}");
    }
}

#[test]
fn what_is_in_a_mail_is_nowhere_else() {
    let port = Port::reserve();
    let config =
        format!("[metrics]\nlisten = \"127.0.0.1:{}\"\n[verify]\nevery = \"off\"\n", port.number());
    let mut site = Site::with(Setup { config, ..Setup::default() });
    let sender = "kanarieanna@kanariedomain.example";
    Mail::new(sender, &[JOBS], message(JOBS)).send(site.mx.port());
    site.settle();
    // A server that quotes the mail in its refusal.
    let refuse =
        "check_client_access static:{550 5.7.1 kanarieanna@kanariedomain.example is not wanted}";
    site.ats.set(&[("smtpd_recipient_restrictions", refuse)]);
    site.ats.reload();
    Mail::new(sender, &[JOBS, KARRIERE], message(KARRIERE)).send(site.mx.port());
    site.settle();
    let ask = |args: &[&str]| {
        let output = command(&[args, &["--config", site.config.to_str().unwrap()]].concat());
        [output.stdout, output.stderr].concat()
    };
    wait_until("the ledger has it", LIMIT, || {
        let listed = ask(&["list", "--state", "failed", "--json"]);
        String::from_utf8_lossy(&listed).lines().count() == 1
    });
    let mut found = Vec::new();
    for path in files(&site.scratch().join("state")) {
        found.extend(find(&path.display().to_string(), &fs::read(&path).unwrap()));
    }
    found.extend(find("the log", site.daemon.log().as_bytes()));
    found.extend(find("export", &ask(&["export", "--events"])));
    found.extend(find("status", &ask(&["status", "--json"])));
    let mut stream = TcpStream::connect(("127.0.0.1", port.number())).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut figures = Vec::new();
    stream.read_to_end(&mut figures).unwrap();
    assert!(figures.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&figures));
    found.extend(find("the figures", &figures));
    assert_eq!(found, [""; 0]);
    let masked = ask(&["list", "--state", "failed", "--json"]);
    assert!(String::from_utf8_lossy(&masked).contains("is not wanted"), "the words are kept");
}
