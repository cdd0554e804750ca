//! Chains of forwards, forwards side by side, and attached messages.
// SPDX-License-Identifier: GPL-3.0-or-later

use crate::cases::COLLEAGUE;
use crate::compose::{Encoding, Part, body, message};
use crate::score::{Case, Truth};
use crate::traps::{LENA, block, case, html, lena, one, text};

fn internal(name: &str, to: &str, subject: &str) -> String {
    format!(
        "Von: {name}\nGesendet: Montag, 3. März 2025 10:40\nAn: {to}\nBetreff: {subject}\n\nKannst du? Meine Durchwahl: 12, jens.vogt@acme-werke.example\n\n"
    )
}

pub(crate) fn chains() -> Vec<Case> {
    let jens = "Jens Vogt <jens.vogt@acme-werke.example>";
    let sabine = "Sabine Krüger <sabine.krueger@acme-werke.example>";
    let l = block("Lena Hoffmann <lena@post-nord.example>");
    let ad = "Von: Jobs <alerts@jobboard-x.example>\nGesendet: gestern\nAn: Lena Hoffmann <lena@post-nord.example>\nBetreff: Neue Stellen\n\nKoch gesucht\n";
    let mut cases = Vec::new();
    let mut add = |id: &str, subject: &str, body: String, truth: Truth| {
        cases.push(case("nested", id, text(subject, &body), truth.clone()));
        let quoted: String = body.lines().map(|l| format!("> {l}\n")).collect();
        cases.push(case("nested, quoted", id, text(subject, &quoted), truth.clone()));
        let page: String = body
            .lines()
            .map(|l| {
                format!(
                    "<p class=MsoNormal>{}</p>",
                    if l.is_empty() { "&nbsp;".into() } else { crate::compose::escape(l) }
                )
            })
            .collect();
        cases.push(case("nested, html", id, html(subject, &page), truth));
    };
    add(
        "one colleague between",
        "WG: Bewerbung",
        format!("{}{l}", internal(jens, sabine, "WG: Bewerbung")),
        lena(),
    );
    add(
        "two colleagues between",
        "WG: WG: Bewerbung",
        format!(
            "{}{}{l}",
            internal(sabine, jens, "AW: WG: Bewerbung"),
            internal(jens, sabine, "WG: Bewerbung")
        ),
        lena(),
    );
    add(
        "reply prefix inside",
        "AW: WG: Bewerbung",
        format!("{}{l}", internal(jens, sabine, "WG: Bewerbung")),
        lena(),
    );
    add(
        "the applicant forwards a job ad",
        "WG: Neue Stellen",
        format!(
            "Von: Lena Hoffmann <lena@post-nord.example>\nGesendet: heute\nAn: Bewerbung <bewerbung@acme-werke.example>\nBetreff: WG: Neue Stellen\n\nich bewerbe mich\n\n{ad}"
        ),
        lena(),
    );
    add(
        "the applicant answers a job ad",
        "WG: Neue Stellen",
        format!(
            "Von: Lena Hoffmann <lena@post-nord.example>\nGesendet: heute\nAn: Bewerbung <bewerbung@acme-werke.example>\nBetreff: Bewerbung\n\nich bewerbe mich\n\n{ad}"
        ),
        lena(),
    );
    add(
        "the applicant answers us",
        "WG: AW: Ihre Bewerbung",
        format!(
            "Von: Lena Hoffmann <lena@post-nord.example>\nGesendet: heute\nAn: {sabine}\nBetreff: AW: Ihre Bewerbung\n\ndanke\n\n{}{l}",
            internal(sabine, "Lena Hoffmann <lena@post-nord.example>", "Ihre Bewerbung")
        ),
        lena(),
    );
    add(
        "our answer above the application",
        "WG: Ihre Bewerbung",
        format!(
            "{}{l}",
            internal(sabine, "Lena Hoffmann <lena@post-nord.example>", "AW: Bewerbung als Koch")
        ),
        lena(),
    );
    add(
        "the recruiting address's answer above",
        "WG: Ihre Bewerbung",
        format!(
            "{}{l}",
            internal(
                "Bewerbung <bewerbung@acme-werke.example>",
                "Lena Hoffmann <lena@post-nord.example>",
                "AW: Bewerbung als Koch"
            )
        ),
        lena(),
    );
    add(
        "an agency forwards somebody",
        "WG: Kandidatin",
        format!(
            "Von: Agentur Nord <agentur@personal.example>\nGesendet: heute\nAn: {jens}\nBetreff: WG: Kandidatin\n\nsiehe unten\n\n{}",
            block("Eva <eva@decoy.example>")
        ),
        one("agentur@personal.example"),
    );
    add(
        "comment below",
        "WG: Bewerbung",
        format!(
            "{l}\n\nPasst gut! Bitte Rückfragen an tom.becker@acme-werke.example oder agentur@personal.example\n"
        ),
        lena(),
    );
    add(
        "comment with labels above",
        "WG: Bewerbung",
        format!("Von: Sabine\nAn: HR-Team\n\nBitte aufnehmen.\n\n{l}"),
        lena(),
    );
    add(
        "career table in the letter",
        "WG: Bewerbung",
        format!(
            "{l}\nFrom: 01/2019\nTo: 12/2022\nSubject: Mathematics\nFrom: 01/2015\nTo: 12/2018\nSubject: eva@decoy.example\n"
        ),
        lena(),
    );
    add(
        "subject line in the letter",
        "WG: Bewerbung",
        l.replace("Sehr geehrte", "Betreff: Bewerbung\nDatum: 3.3.2025\n\nSehr geehrte"),
        lena(),
    );
    add(
        "tag before the prefix",
        "[EXTERN] WG: Bewerbung",
        format!("***EXTERNE E-MAIL*** von mailgate@filter.example\n\n{l}"),
        lena(),
    );
    add("no prefix", "Bewerbung als Koch", l.clone(), lena());
    add(
        "banner inside the block",
        "WG: Bewerbung",
        l.replace(
            "\n\nSehr",
            "\n\nACHTUNG: Diese E-Mail stammt von lena.hofmann@phish.example!\n\nSehr",
        ),
        lena(),
    );
    let apple = format!(
        "> Anfang der weitergeleiteten Nachricht:\n> \n> Von: {jens}\n> Betreff: Fwd: Bewerbung\n> Datum: 3. März 2025\n> An: {sabine}\n> \n> schau\n> \n>> Anfang der weitergeleiteten Nachricht:\n>> \n>> Von: Lena <lena@post-nord.example>\n>> Betreff: Bewerbung\n>> Datum: 3. März\n>> An: {jens}\n>> \n>> Hallo\n"
    );
    cases.push(case("nested", "Apple in Apple", text("Fwd: Bewerbung", &apple), lena()));
    let gmail = |from: &str, subject: &str, to: &str| {
        format!(
            "---------- Forwarded message ---------\nVon: {from}\nDate: Mo., 3. März 2025 um 10:15 Uhr\nSubject: {subject}\nTo: {to}\n\n\nHallo\n\n"
        )
    };
    cases.push(case(
        "nested",
        "Gmail in Gmail",
        text(
            "Fwd: Fwd: Bewerbung",
            &format!(
                "{}{}",
                gmail(jens, "Fwd: Bewerbung", sabine),
                gmail("Lena <lena@post-nord.example>", "Bewerbung", jens)
            ),
        ),
        lena(),
    ));
    let beside = Truth::Several(vec![LENA.into(), "omar@post-west.example".into()]);
    for (id, separator) in [
        ("Thunderbird", "-------- Weitergeleitete Nachricht --------"),
        ("Gmail", "---------- Forwarded message ---------"),
        ("Yahoo", "----- Forwarded Message -----"),
    ] {
        let part = |from: &str| {
            format!(
                "{separator}\nVon: {from}\nDatum: 3. März\nBetreff: Bewerbung\nAn: <bewerbung@acme-werke.example>\n\nHallo\n\n"
            )
        };
        cases.push(case(
            "side by side",
            id,
            text(
                "Fwd: zwei Bewerbungen",
                &format!(
                    "zwei!\n\n{}{}",
                    part("Lena <lena@post-nord.example>"),
                    part("Omar <omar@post-west.example>")
                ),
            ),
            beside.clone(),
        ));
    }
    cases.push(case(
        "side by side",
        "Outlook",
        text(
            "WG: zwei Bewerbungen",
            &format!(
                "{}{}",
                block("Lena <lena@post-nord.example>"),
                block("Omar <omar@post-west.example>")
            ),
        ),
        beside.clone(),
    ));
    let quote = |from: &str| {
        format!(
            "<div class=\"gmail_quote\">---------- Forwarded message ---------<br>Von: {from}<br>Date: d<br>Subject: Bewerbung<br>To: &lt;bewerbung@acme-werke.example&gt;<br><br>Hallo</div>"
        )
    };
    cases.push(case(
        "side by side",
        "Gmail html",
        html(
            "Fwd: zwei",
            &format!(
                "{}{}",
                quote("Lena &lt;lena@post-nord.example&gt;"),
                quote("Omar &lt;omar@post-west.example&gt;")
            ),
        ),
        beside,
    ));
    cases.push(case(
        "side by side",
        "twice the same",
        text("WG: zwei", &format!("{0}{0}", block("Lena <lena@post-nord.example>"))),
        lena(),
    ));
    cases
}

pub(crate) fn original(from: &str, more: &str) -> String {
    message(
        from,
        "Bewerbung als Koch",
        more,
        &body(Some("Anbei. Referenz: chef@restaurant.example"), None, Encoding::QuotedPrintable),
    )
}

pub(crate) fn attachments() -> Vec<Case> {
    let note = Part::text(
        "plain",
        "Bitte erfassen.\n\nSabine\nsabine.krueger@acme-werke.example",
        Encoding::QuotedPrintable,
    );
    let with = |parts: &[Part]| {
        let mut all = vec![note.clone()];
        all.extend_from_slice(parts);
        message(COLLEAGUE, "Bewerbung", "", &Part::multi("mixed", &all))
    };
    let beside_a_block = |attached: &str| {
        let block = block("Lena <lena@post-nord.example>");
        let parts = [Part::text("plain", &block, Encoding::Base64), Part::message(attached)];
        message(COLLEAGUE, "WG: x", "", &Part::multi("mixed", &parts))
    };
    let l = original("Lena Hoffmann <lena@post-nord.example>", "");
    let omar = original("Omar <omar@post-west.example>", "");
    let pdf = Part::file("application/pdf", "cv.pdf", b"%PDF-1.4 eva@decoy.example");
    let inner = original("Jens <jens.vogt@acme-werke.example>", "");
    let inner_forward = message(
        "Jens <jens.vogt@acme-werke.example>",
        "WG: Bewerbung",
        "",
        &body(Some(&block("Lena <lena@post-nord.example>")), None, Encoding::Base64),
    );
    let inner_attached = message(
        "Jens <jens.vogt@acme-werke.example>",
        "WG: Bewerbung",
        "",
        &Part::multi("mixed", &[note.clone(), Part::message(&l)]),
    );
    let both = Truth::Several(vec![LENA.into(), "omar@post-west.example".into()]);
    let eml = |m: &str| Part::file("application/octet-stream", "Bewerbung.eml", m.as_bytes());
    let mut encoded = Part::message(&l);
    encoded.header = "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n".into();
    encoded.body = crate::compose::base64(l.as_bytes());
    let digest = Part::multi(
        "digest",
        &[
            Part { header: String::new(), body: l.clone() },
            Part { header: String::new(), body: omar.clone() },
        ],
    );
    let group = original(
        "'Lena Hoffmann' via Bewerbung <bewerbung@acme-werke.example>",
        "X-Original-From: Lena Hoffmann <lena@post-nord.example>\nList-Id: <bewerbung.acme-werke.example>\n",
    );
    let board = original(
        "Lena via Indeed <noreply@indeedemail.com>",
        "Reply-To: lena-4711@indeedemail.com\n",
    );
    let list: [(&str, String, Truth); 15] = [
        ("message/rfc822", with(&[Part::message(&l)]), lena()),
        ("with a pdf", with(&[pdf.clone(), Part::message(&l), pdf]), lena()),
        (".eml file", with(&[eml(&l)]), lena()),
        ("base64", with(&[encoded]), lena()),
        ("several", with(&[Part::message(&l), Part::message(&omar)]), both.clone()),
        ("digest", with(&[digest]), both.clone()),
        ("twice the same", with(&[Part::message(&l), Part::message(&l)]), lena()),
        ("a colleague's own", with(&[Part::message(&inner)]), Truth::Nobody),
        ("a colleague's forward", with(&[Part::message(&inner_forward)]), lena()),
        ("a colleague's attachment", with(&[Part::message(&inner_attached)]), lena()),
        ("through our group", with(&[Part::message(&group)]), lena()),
        ("job board", with(&[Part::message(&board)]), one("lena-4711@indeedemail.com")),
        (
            "no author",
            with(&[Part::message(
                &l.replace("From: Lena Hoffmann <lena@post-nord.example>", "From: Lena Hoffmann"),
            )]),
            Truth::Nobody,
        ),
        ("inline and attached, the same", beside_a_block(&l), lena()),
        ("inline and attached, different", beside_a_block(&omar), both),
    ];
    list.into_iter().map(|(id, mail, truth)| case("attachment", id, mail, truth)).collect()
}
