//! Mail of outsiders and of those who claim to be inside, odd headers, job boards and groups.
// SPDX-License-Identifier: GPL-3.0-or-later

use crate::cases::COLLEAGUE;
use crate::chains::original;
use crate::compose::{Encoding, Part, body, message};
use crate::score::{Case, Client, Truth};
use crate::traps::{LENA, block, case, lena, one, text};

/// Mail of outsiders, or of those who claim to be inside.
pub(crate) fn outsiders() -> Vec<Case> {
    let lena_from = "Lena Hoffmann <lena@post-nord.example>";
    let quoted = block("Omar <omar@post-west.example>");
    let part = |t: &str| body(Some(t), None, Encoding::QuotedPrintable);
    let mut cases = Vec::new();
    let mut add =
        |id: &str, from: &str, subject: &str, more: &str, content: &Part, truth: Truth| {
            let mut c = case("outsider", id, message(from, subject, more, content), truth);
            c.from = Client::Outside;
            cases.push(c);
        };
    add("direct", lena_from, "Bewerbung", "", &part("Anbei"), lena());
    add("quotes somebody", lena_from, "Bewerbung", "", &part(&quoted), lena());
    add("forwards somebody", lena_from, "WG: Bewerbung", "", &part(&quoted), lena());
    add(
        "attaches somebody",
        lena_from,
        "WG: Bewerbung",
        "",
        &Part::multi(
            "mixed",
            &[part("hier"), Part::message(&original("Omar <omar@post-west.example>", ""))],
        ),
        lena(),
    );
    add("reply", lena_from, "AW: Bewerbung", "In-Reply-To: <1@acme>\n", &part("Danke"), lena());
    add(
        "Reply-To of a stranger",
        lena_from,
        "Bewerbung",
        "Reply-To: omar@post-west.example\n",
        &part("Anbei"),
        lena(),
    );
    add(
        "X-Original-From of a stranger",
        lena_from,
        "Bewerbung",
        "X-Original-From: omar@post-west.example\nList-Id: <x.acme-werke.example>\n",
        &part("Anbei"),
        lena(),
    );
    add(
        "Sender of a stranger",
        lena_from,
        "Bewerbung",
        "Sender: omar@post-west.example\n",
        &part("Anbei"),
        lena(),
    );
    add("forged internal author", COLLEAGUE, "WG: Bewerbung", "", &part(&quoted), Truth::Nobody);
    add(
        "forged internal author, attached",
        COLLEAGUE,
        "WG: Bewerbung",
        "",
        &Part::multi(
            "mixed",
            &[part("hier"), Part::message(&original("Omar <omar@post-west.example>", ""))],
        ),
        Truth::Nobody,
    );
    add(
        "forged internal author with a field of another server",
        COLLEAGUE,
        "WG: Bewerbung",
        "Authentication-Results: mx.evil.example; dkim=pass header.d=acme-werke.example\n",
        &part(&quoted),
        Truth::Nobody,
    );
    add(
        "forged group",
        "'Omar' via Bewerbung <bewerbung@acme-werke.example>",
        "Bewerbung",
        "X-Original-From: omar@post-west.example\nX-Google-Group-Id: 1\n",
        &part("x"),
        Truth::Nobody,
    );
    add(
        "display name of a colleague",
        "\"sabine.krueger@acme-werke.example\" <x@evil.example>",
        "WG: Bewerbung",
        "",
        &part(&quoted),
        one("x@evil.example"),
    );
    add(
        "look-alike domain",
        "Sabine <sabine.krueger@acme-werke.example.evil.example>",
        "WG: x",
        "",
        &part(&quoted),
        one("sabine.krueger@acme-werke.example.evil.example"),
    );
    add(
        "look-alike letters",
        "Sabine <sabine.krueger@асme-werke.example>",
        "WG: x",
        "",
        &part(&quoted),
        one("sabine.krueger@асme-werke.example"),
    );
    for veto in [
        "spf=fail smtp.mailfrom=x; dkim=none; dmarc=fail header.from=acme-werke.example",
        "spf=softfail smtp.mailfrom=acme-werke.example; dkim=none",
        "dkim=pass header.d=evil.example; spf=pass smtp.mailfrom=evil.example",
    ] {
        let mut c = case(
            "outsider",
            veto,
            message(
                COLLEAGUE,
                "WG: x",
                &format!("Authentication-Results: mx1.acme-werke.example;\n\t{veto}\n"),
                &part(&quoted),
            ),
            Truth::Nobody,
        );
        c.from = Client::Inside;
        cases.push(c);
    }
    cases
}

pub(crate) fn oddities() -> Vec<Case> {
    let long = format!("{}<lena@post-nord.example>", "Lena ".repeat(9000));
    let huge = format!("{}<lena@post-nord.example>", "Lena ".repeat(200_000));
    let fields: [(&str, &str, Truth); 22] = [
        (
            "quoted local-part",
            "\"lena hoffmann\"@post-nord.example",
            one("\"lena hoffmann\"@post-nord.example"),
        ),
        (
            "quoted at sign",
            "\"boss@acme-werke.example\"@post-nord.example",
            one("\"boss@acme-werke.example\"@post-nord.example"),
        ),
        (
            "comment with an address",
            "(boss@acme-werke.example) Lena <lena@post-nord.example>",
            lena(),
        ),
        ("comment in the address", "Lena <lena@post-nord.example> (boss@x.example)", lena()),
        ("address as a name", "\"boss@acme-werke.example\" <lena@post-nord.example>", lena()),
        (
            "encoded address as a name",
            "=?utf-8?q?boss=40acme-werke=2Eexample_=3Cboss=40x=3E?= <lena@post-nord.example>",
            lena(),
        ),
        ("encoded comma", "=?utf-8?q?a=40b=2C_c?= <lena@post-nord.example>", lena()),
        ("group syntax", "Team: Lena <lena@post-nord.example>;", lena()),
        ("empty group", "undisclosed-recipients:;", Truth::Nobody),
        ("unquoted comma", "Hoffmann, Lena <lena@post-nord.example>", lena()),
        (
            "two authors",
            "Lena <lena@post-nord.example>, Omar <omar@post-west.example>",
            Truth::Several(vec![LENA.into(), "omar@post-west.example".into()]),
        ),
        (
            "a colleague and a stranger",
            "Sabine <sabine.krueger@acme-werke.example>, Lena <lena@post-nord.example>",
            Truth::Several(vec![LENA.into()]),
        ),
        ("the same twice", "Lena <lena@post-nord.example>, lena@POST-NORD.example", lena()),
        ("two in brackets", "<omar@post-west.example> <lena@post-nord.example>", Truth::Nobody),
        ("null byte", "Lena <lena\0@post-nord.example>", Truth::Nobody),
        ("no address", "Lena Hoffmann", Truth::Nobody),
        ("IDN", "Jürgen <jürgen@müller.example>", one("jürgen@xn--mller-kva.example")),
        ("route", "<@relay.example:lena@post-nord.example>", lena()),
        ("Latin-1 in the open", "J\u{fc}rgen <lena@post-nord.example>", lena()),
        ("folded", "Lena\n\tHoffmann\n\t<lena@post-nord.example>", lena()),
        ("45 kB", &long, lena()),
        ("1 MB", &huge, Truth::Nobody),
    ];
    let content = body(Some("Anbei"), None, Encoding::EightBit);
    let mut cases: Vec<_> = fields
        .into_iter()
        .map(|(id, from, truth)| {
            case("header", id, message(from, "Bewerbung", "", &content), truth)
        })
        .collect();
    let two = message(
        "Lena <lena@post-nord.example>",
        "x",
        "From: Omar <omar@post-west.example>\n",
        &content,
    );
    cases.push(case("header", "two author fields", two, Truth::Nobody));
    let same =
        message("Lena <lena@post-nord.example>", "x", "From: lena@post-nord.example\n", &content);
    cases.push(case("header", "two author fields, the same", same, lena()));
    let resent = message(
        "Lena <lena@post-nord.example>",
        "x",
        "Resent-From: Sabine <sabine.krueger@acme-werke.example>\n",
        &content,
    );
    cases.push(case("header", "resent by a colleague", resent, lena()));
    for c in &mut cases {
        c.from = Client::Outside;
    }
    cases
}

pub(crate) fn boards_and_groups() -> Vec<Case> {
    let content = body(Some("Anbei. omar@post-west.example"), None, Encoding::EightBit);
    let list: [(&str, &str, &str, Truth); 13] = [
        (
            "masked author",
            "Lena Hoffmann <lena-hoffmann_a1b2@indeedemail.com>",
            "",
            one("lena-hoffmann_a1b2@indeedemail.com"),
        ),
        (
            "reply address",
            "Lena via StepStone <noreply@stepstone.de>",
            "Reply-To: \"Lena\" <r-77@reply.stepstone.de>\n",
            one("r-77@reply.stepstone.de"),
        ),
        (
            "bulk and unsubscribe",
            "Lena via LinkedIn <jobs-noreply@linkedin.com>",
            "Reply-To: lena-x@reply.linkedin.com\nPrecedence: bulk\nList-Unsubscribe: <https://x>\nAuto-Submitted: auto-generated\n",
            one("lena-x@reply.linkedin.com"),
        ),
        (
            "unknown board",
            "Lena Hoffmann via Jobportal <no-reply@jobportal-nord.example>",
            "Reply-To: lena.77@relay.jobportal-nord.example\n",
            one("lena.77@relay.jobportal-nord.example"),
        ),
        ("board without reply address", "StepStone <noreply@stepstone.de>", "", Truth::Nobody),
        (
            "board with a dead reply address",
            "StepStone <noreply@stepstone.de>",
            "Reply-To: do-not-reply@stepstone.de\n",
            Truth::Nobody,
        ),
        (
            "web form",
            "Kontaktformular <noreply@hoster.example>",
            "Reply-To: lena@post-nord.example\n",
            lena(),
        ),
        (
            "Google group",
            "'Lena Hoffmann' via Bewerbung <bewerbung@acme-werke.example>",
            "X-Original-Sender: lena@post-nord.example\nX-Original-From: Lena Hoffmann <lena@post-nord.example>\nReply-To: Lena <lena@post-nord.example>\nPrecedence: list\nMailing-list: list bewerbung@acme-werke.example\nList-ID: <bewerbung.acme-werke.example>\nX-Google-Group-Id: 1\nList-Unsubscribe: <mailto:x>\n",
            lena(),
        ),
        (
            "Google group, sender only",
            "'Lena' via Bewerbung <bewerbung@acme-werke.example>",
            "X-Original-Sender: lena@post-nord.example\nX-Google-Group-Id: 1\n",
            lena(),
        ),
        (
            "Mailman",
            "Lena Hoffmann via Bewerbung <bewerbung@acme-werke.example>",
            "Reply-To: Lena Hoffmann <lena@post-nord.example>\nX-Mailman-Version: 2.1.39\nList-Id: Bewerbung <bewerbung.acme-werke.example>\n",
            lena(),
        ),
        (
            "Mailman, reply to the list too",
            "Lena Hoffmann via Bewerbung <bewerbung@acme-werke.example>",
            "Reply-To: bewerbung@acme-werke.example, Lena Hoffmann <lena@post-nord.example>\nList-Id: Bewerbung <bewerbung.acme-werke.example>\n",
            lena(),
        ),
        (
            "group without a trace",
            "'Lena' via Bewerbung <bewerbung@acme-werke.example>",
            "X-Google-Group-Id: 1\n",
            Truth::Nobody,
        ),
        (
            "group with two stories",
            "'Lena' via Bewerbung <bewerbung@acme-werke.example>",
            "X-Original-Sender: omar@post-west.example\nX-Original-From: lena@post-nord.example\nX-Google-Group-Id: 1\n",
            Truth::Nobody,
        ),
    ];
    let mut cases: Vec<_> = list
        .into_iter()
        .map(|(id, from, more, truth)| {
            case(
                "boards and groups",
                id,
                message(from, "Bewerbung als Koch", more, &content),
                truth,
            )
        })
        .collect();
    for (id, from, reply, truth) in [
        (
            "forwarded board mail",
            "Lena via StepStone <noreply@stepstone.de>",
            "Antwort an: r-77@reply.stepstone.de\n",
            one("r-77@reply.stepstone.de"),
        ),
        (
            "forwarded masked author",
            "Lena <lena-a1@indeedemail.com>",
            "",
            one("lena-a1@indeedemail.com"),
        ),
        (
            "forwarded group mail",
            "'Lena' via Bewerbung <bewerbung@acme-werke.example>",
            "Antwort an: Lena <lena@post-nord.example>\n",
            lena(),
        ),
        (
            "reply address of a person",
            "Lena <lena@post-nord.example>",
            "Antwort an: omar@post-west.example\n",
            lena(),
        ),
    ] {
        let content = block(from).replace("Betreff", &format!("{reply}Betreff"));
        cases.push(case("boards and groups", id, text("WG: x", &content), truth));
    }
    cases
}
