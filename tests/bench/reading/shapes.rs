//! Mails of any length: ordinary forwards, and those that are made to take long.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fmt::Write as _;

const COLLEAGUE: &str = "From: Sabine <sabine@acme.example>\nTo: jobs@acme.example\nSubject: WG: Bewerbung\nMIME-Version: 1.0\n";
const BLOCK: &str = "Von: Lena Hoffmann <lena@post.example>\nGesendet: Montag, 3. Mai 2025 10:15\nAn: Bewerbung <jobs@acme.example>\nBetreff: Bewerbung\n\n";
const LINE: &str =
    "Sehr geehrte Damen und Herren, hiermit bewerbe ich mich; Koch von 2019 bis 2024.\n";

fn letter(size: usize) -> String {
    LINE.repeat(size / LINE.len() + 1)
}

fn html(text: &str) -> String {
    let mut out = String::from("<html><head><style>p { margin: 0 }</style></head><body>");
    for line in text.lines() {
        let line = line.replace('<', "&lt;").replace('>', "&gt;");
        _ = writeln!(out, "<p class=MsoNormal><span lang=DE>{line}</span></p>");
    }
    out + "</body></html>\n"
}

/// A colleague's forward as text.
pub(crate) fn inline(size: usize) -> String {
    format!(
        "{COLLEAGUE}Content-Type: text/plain; charset=utf-8\n\nBitte aufnehmen.\n\n{BLOCK}{}",
        letter(size)
    )
}

/// The same as HTML.
pub(crate) fn as_html(size: usize) -> String {
    // Each line has so much around it.
    let text = format!("{BLOCK}{}", letter(size * LINE.len() / (LINE.len() + 46)));
    format!("{COLLEAGUE}Content-Type: text/html; charset=utf-8\n\n{}", html(&text))
}

/// The same as text and HTML, half of the size each.
pub(crate) fn as_both(size: usize) -> String {
    let text = format!("{BLOCK}{}", letter(size / 2));
    let page = format!("{BLOCK}{}", letter(size / 2 * LINE.len() / (LINE.len() + 46)));
    format!(
        "{COLLEAGUE}Content-Type: multipart/alternative; boundary=b\n\n--b\nContent-Type: text/plain\n\n{text}\n--b\nContent-Type: text/html\n\n{}\n--b--\n",
        html(&page)
    )
}

/// The applicant's message attached to a colleague's.
pub(crate) fn attached(size: usize) -> String {
    format!(
        "{COLLEAGUE}Content-Type: multipart/mixed; boundary=b\n\n--b\n\nBitte aufnehmen.\n--b\nContent-Type: message/rfc822\n\nFrom: Lena Hoffmann <lena@post.example>\nTo: jobs@acme.example\nSubject: Bewerbung\n\n{}\n--b--\n",
        letter(size)
    )
}

/// An applicant's own mail with a CV, as it comes from outside.
pub(crate) fn application(size: usize) -> String {
    let received = "Received: from client.example (client.example [192.0.2.9])\n\tby mx1.acme.example (Postfix) with ESMTPS id 4Z1\n\tfor <jobs@acme.example>; Mon, 03 Mar 2025 11:02:17 +0100\n";
    let pdf = "JVBERi0xLjcKJeLjz9MKMSAwIG9iago8PC9UeXBlL0NhdGFsb2cvUGFnZXMgMiAwIFI+PgplbmRv\n";
    format!(
        "{}From: =?utf-8?q?Lena_H=C3=B6ffmann?= <lena@post.example>\nTo: jobs@acme.example\nSubject: =?utf-8?q?Bewerbung_als_K=C3=B6chin?=\nDate: Mon, 3 Mar 2025 10:15:42 +0100\nMessage-ID: <a@post.example>\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nHallo\n--b\nContent-Type: application/pdf; name=cv.pdf\nContent-Transfer-Encoding: base64\n\n{}--b--\n",
        received.repeat(6),
        pdf.repeat(size / pdf.len())
    )
}

/// A mail that is made of one piece over and over.
pub(crate) struct Nasty {
    pub(crate) name: &'static str,
    /// Fields beyond the colleague's own; the end of the header and the beginning of the body.
    begin: &'static str,
    piece: &'static str,
    end: &'static str,
}

impl Nasty {
    /// The mail, its pieces so long together.
    pub(crate) fn mail(&self, size: usize) -> String {
        let Self { begin, piece, end, .. } = self;
        let middle = piece.repeat(size / piece.len());
        let head = if begin.starts_with("From:") { "" } else { COLLEAGUE };
        format!("{head}{begin}{middle}{end}")
    }
}

macro_rules! nasty {
    ($($name:literal: $begin:expr, $piece:expr, $end:expr;)*) => {
        &[$(Nasty { name: $name, begin: $begin, piece: $piece, end: $end },)*]
    };
}

const TEXT: &str = "\n";
const VON: &str = "\nVon:";
const REST: &str = "\nAn: x\nBetreff: y\n";
const HTML: &str = "Content-Type: text/html\n\n";
const MIXED: &str = "Content-Type: multipart/mixed; boundary=b\n\n";

#[rustfmt::skip]
pub(crate) const NASTY: &[Nasty] = nasty! {
    "spaces after Von:": VON, " ", REST;
    "odd spaces after Von:": VON, "\t\u{a0}", REST;
    "addresses after Von:": VON, "a@b ", REST;
    "opening brackets after Von:": VON, "<", REST;
    "quotes after Von:": VON, "\"", "@x.example\nAn: x\nBetreff: y\n";
    "quoted at signs after Von:": VON, "\"@", REST;
    "on behalf of, after Von:": VON, " im Auftrag von", REST;
    "colons": TEXT, ":", "";
    "labels without values": TEXT, "Von:", "";
    "lines of a label": TEXT, "Von:\n", "";
    "blocks": TEXT, "Von: a@b.example\nAn: x\nBetreff: y\n\n", "";
    "blocks of colleagues": TEXT, "Von: a@acme.example\nAn: x\nBetreff: y\n\n", "";
    "author lines, each wrapped": TEXT, "Von: Lena Hoffmann Lena Hoffmann <a@b.example>\nx\n", "";
    "recipients over many lines": "\nVon: a@b.example\nAn: ", "<c@d.example\n", REST;
    "separators": TEXT, "-------- Weitergeleitete Nachricht --------\n", "";
    "unknown labels": TEXT, "Foo: bar@x.example\n", "";
    "quote marks in a line": TEXT, ">", "x";
    "quote marks and spaces": TEXT, "> ", "x";
    "lines deeper and deeper": TEXT, ">>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>> Von: a@b\n", "";
    "authors between quote marks": TEXT, ">>> a@b.example >>>\n", "";
    "empty lines": TEXT, "\n", "";
    "a long line": TEXT, "lorem ", "";
    "at signs": TEXT, "@", "";
    "invisible characters": VON, "\u{200b}", REST;
    "soft line breaks": "Content-Transfer-Encoding: quoted-printable\n\n", "= ", "";
    "equals signs, quoted-printable": "Content-Transfer-Encoding: quoted-printable\n\n", "=", "";
    "HTML, nested div": HTML, "<div>", "";
    "HTML, nested quotations": HTML, "<div class=gmail_quote>Von: a@b.example<br>", "";
    "HTML, nested blockquote": HTML, "<blockquote>x", "";
    "HTML, nested hidden": HTML, "<b style='display:none'>", "";
    "HTML, tables in tables": HTML, "<table><tr><td>Von:", "";
    "HTML, tag openers": HTML, "<", "";
    "HTML, ampersands": HTML, "&", "";
    "HTML, comment openers": HTML, "<!--", "";
    "HTML, links": HTML, "<a href='mailto:a@b.example'>x</a>", "";
    "HTML, links that are not closed": HTML, "<a href='mailto:a@b.example'>x", "";
    "HTML, a long style": "Content-Type: text/html\n\n<p style='", "display:none;", "'>x";
    "HTML, attributes": "Content-Type: text/html\n\n<a ", "b ", ">x</a>";
    "MIME, parts": MIXED, "--b\n\n", "";
    "MIME, delimiters alone": MIXED, "--b\n", "";
    "MIME, multipart in multipart": MIXED, "--b\nContent-Type: multipart/mixed; boundary=b\n\n", "";
    "MIME, message in message": "Content-Type: message/rfc822\n\n", "Content-Type: message/rfc822\n\n", "From: a@acme.example\n\nx";
    "MIME, messages of colleagues": MIXED, "--b\nContent-Type: message/rfc822\n\nFrom: a@acme.example\n\nx\n", "";
    "MIME, fields of a part": "Content-Type: multipart/mixed; boundary=b\n\n--b\n", "A: b\n", "\nx";
    "an attached author's commas": "Content-Type: message/rfc822\n\nFrom: ", "a@b,", "\n\nx";
    "commas in From": "From: ", ",", "\n\nx";
    "mailboxes in From": "From: ", "a@b.example,", "\n\nx";
    "brackets in From": "From: ", "<", "\n\nx";
    "comments in From": "From: ", "(", "\n\nx";
    "quotes in From": "From: ", "\"", "\n\nx";
    "backslashes in From": "From: \"", "\\", "\n\nx";
    "groups in From": "From: ", "a:", "\n\nx";
    "encoded words in From": "From: ", "=?utf-8?q?a?= ", "<a@b.example>\n\nx";
    "encoded words in Subject": "From: a@b.example\nSubject: ", "=?utf-8?b?YQ==?= ", "\n\nx";
    "openers of encoded words": "From: a@b.example\nSubject: ", "=?", "\n\nx";
    "Re: Re: Re:": "From: a@b.example\nSubject: ", "Re: ", "\n\nx";
    "brackets in Subject": "From: a@b.example\nSubject: ", "[a] ", "\n\nx";
    "parameters": "From: a@b.example\nContent-Type: text/plain", "; a=b", "\n\nx";
    "parameters in pieces": "From: a@b.example\nContent-Type: text/plain", "; a*1=b", "\n\nx";
    "authentication results": "From: a@acme.example\nAuthentication-Results: mx; ", "dkim=pass ", "\n\nx";
    "From fields": "From: a@b.example\n", "From: a@b.example\n", "\nx";
    "short fields": "From: a@b.example\n", "A:\n", "\nx";
    "recipients": "From: a@acme.example\nTo: ", "a@b.example,", "\n\nVon: a@b.example\nAn: x\nBetreff: y\n";
};

/// Messages with many authors each, attached side by side. Whoever forwards such a thing was sent it.
pub(crate) fn crowd(size: usize) -> String {
    let mut mail = format!("{COLLEAGUE}{MIXED}");
    let mut number = 0;
    while mail.len() < size {
        mail += "--b\nContent-Type: message/rfc822\n\nFrom: ";
        for _ in 0..60 {
            number += 1;
            _ = write!(mail, "p{number}@b.example,");
        }
        mail += "\n\nx\n";
    }
    mail
}

/// An address, and then colons, as long as it.
pub(crate) fn late_at_sign(size: usize) -> String {
    let half = size / 2;
    format!("From: {}@b{}\n\nx", "a".repeat(half), ":".repeat(half))
}

/// Attached messages that hold attached messages with many authors.
pub(crate) fn crowd_in_crowd(size: usize) -> String {
    let mut mail = format!("{COLLEAGUE}{MIXED}");
    let mut number = 0;
    while mail.len() < size {
        mail += "--b\nContent-Type: message/rfc822\n\nFrom: a@acme.example\nContent-Type: multipart/mixed; boundary=c\n\n";
        for _ in 0..(size / 40 / 1000).clamp(1, 38) {
            mail += "--c\nContent-Type: message/rfc822\n\nFrom: ";
            for _ in 0..60 {
                number += 1;
                _ = write!(mail, "p{number}@b.example,");
            }
            mail += "\n\nx\n";
        }
        mail += "--c--\n";
    }
    mail
}
