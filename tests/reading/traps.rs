//! Cases of their own: what leads other readers astray.
// SPDX-License-Identifier: GPL-3.0-or-later

use crate::cases::COLLEAGUE;
use crate::compose::{Encoding, body, message};
use crate::score::{Case, Client, Mark, Score, Truth};

pub(crate) const LENA: &str = "lena@post-nord.example";

pub(crate) fn one(address: &str) -> Truth {
    Truth::One(address.into())
}

pub(crate) fn lena() -> Truth {
    one(LENA)
}

/// A case of a category; further properties are set on it.
pub(crate) fn case(category: &str, id: &str, mail: String, truth: Truth) -> Case {
    Case {
        id: format!("{category}: {id}"),
        client: "-".into(),
        language: "-".into(),
        category: category.into(),
        mail: mail.into_bytes(),
        from: Client::Inside,
        sender: None,
        truth,
        kind: None,
        subject: None,
        name: None,
        date: None,
    }
}

pub(crate) fn text(subject: &str, text: &str) -> String {
    message(COLLEAGUE, subject, "", &body(Some(text), None, Encoding::QuotedPrintable))
}

pub(crate) fn html(subject: &str, html: &str) -> String {
    message(COLLEAGUE, subject, "", &body(None, Some(html), Encoding::Base64))
}

/// A German block with an author line.
pub(crate) fn block(from: &str) -> String {
    format!(
        "Von: {from}\nGesendet: Montag, 3. März 2025 10:15\nAn: Bewerbung <bewerbung@acme-werke.example>\nBetreff: Bewerbung als Koch\n\nSehr geehrte Damen und Herren,\n\nanbei meine Unterlagen. Referenz: chef@restaurant.example\n"
    )
}

fn authors() -> Vec<Case> {
    let dresses = [
        "Lena Hoffmann <lena@post-nord.example>",
        "\"Lena Hoffmann\" <lena@post-nord.example>",
        "'Lena Hoffmann' <lena@post-nord.example>",
        "Lena Hoffmann [mailto:lena@post-nord.example]",
        "Lena Hoffmann <mailto:lena@post-nord.example>",
        "Lena Hoffmann <lena@post-nord.example<mailto:lena@post-nord.example>>",
        "lena@post-nord.example",
        "<lena@post-nord.example>",
        "lena@post-nord.example <lena@post-nord.example>",
        "'lena@post-nord.example' <lena@post-nord.example>",
        "lena@post-nord.example [mailto:lena@post-nord.example]",
        "Hoffmann, Lena <lena@post-nord.example>",
        "Hoffmann, Lena (Hamburg) <lena@post-nord.example>",
        "Lena Hoffmann (lena@post-nord.example)",
        "[EXTERN] Lena Hoffmann <lena@post-nord.example>",
        "Lena Hoffmann <LENA@Post-Nord.example>",
        "Lena\u{a0}Hoffmann <lena@post-nord.example>",
        "\u{202a}Lena Hoffmann\u{202c} <\u{200e}lena@post-nord.example\u{200e}>",
        "Lena Hoffmann <lena@post\u{200b}-nord.example>",
        "Lena Hoffmann\n <lena@post-nord.example>",
        "Lena Hoffmann\n<lena@post-nord.example>",
        "Lena Hoffmann <lena@post-nord.example\n<mailto:lena@post-nord.example>>",
        "Lena Hoffmann <lena@\npost-nord.example>",
        "Lena Maria Theresia Hoffmann-Schulze von und zu\nMusterhausen <lena@post-nord.example>",
        "\n Lena Hoffmann <lena@post-nord.example>",
        "Bewerberportal <bounce@esp.example> im Auftrag von Lena Hoffmann <lena@post-nord.example>",
        "bounce@esp.example <bounce@esp.example>; im Auftrag von; Lena Hoffmann <lena@post-nord.example>",
        "portal@esp.example [mailto:portal@esp.example] Im Auftrag von Lena Hoffmann\n<lena@post-nord.example>",
        "portal@esp.example On Behalf Of Lena Hoffmann <lena@post-nord.example>",
        "\"sabine.krueger@acme-werke.example\" <lena@post-nord.example>",
        "Lena Hoffmann <lena@post-nord.example>;",
        "\"Lena Hoffmann\"<lena@post-nord.example>",
        "Lena Hoffmann <<lena@post-nord.example>>",
    ];
    let mut cases = Vec::new();
    for dress in dresses {
        let subject = "WG: Bewerbung als Koch";
        cases.push(case(
            "author line",
            dress,
            text(subject, &format!("Bitte erfassen.\n\n{}", block(dress))),
            lena(),
        ));
        let quoted = dress.replace('<', "&lt;").replace('>', "&gt;");
        let page = format!(
            "<p>Bitte</p><div style='border-top:solid'><p><b>Von:</b> {quoted}<br><b>Gesendet:</b> heute<br><b>An:</b> Bewerbung<br><b>Betreff:</b> Bewerbung als Koch</p></div><p>Text</p>"
        );
        if !dress.starts_with('\n') && !dress.contains("@\n") {
            cases.push(case("author line, html", dress, html(subject, &page), lena()));
        }
    }
    for (code, phrase) in [
        ("en", "on behalf of"),
        ("fr", "de la part de"),
        ("es", "en nombre de"),
        ("it", "per conto di"),
        ("nl", "namens"),
        ("pt", "em nome de"),
        ("pl", "w imieniu"),
        ("da", "på vegne af"),
        ("nb", "på vegne av"),
        ("cs", "jménem"),
        ("sk", "v mene"),
        ("ro", "în numele"),
        ("ru", "от имени"),
        ("uk", "від імені"),
        ("bg", "от името на"),
        ("el", "εκ μέρους"),
        ("hr", "u ime"),
        ("sl", "v imenu"),
        ("zh", "代表"),
        ("ca", "en nom de"),
        ("vi", "thay mặt cho"),
        ("id", "atas nama"),
    ] {
        let from =
            format!("Portal <portal@esp.example> {phrase} Lena Hoffmann <lena@post-nord.example>");
        let mut one = case("on behalf of", code, text("Fwd: x", &block(&from)), lena());
        one.language = code.into();
        cases.push(one);
    }
    cases
}

fn nobody() -> Vec<Case> {
    let tail = "\n\n--\nDiese E-Mail wurde geprüft: scan@filter.example\n";
    let mut cases = Vec::new();
    for from in [
        "Lena Hoffmann",
        "'Lena Hoffmann'",
        "Hoffmann, Lena </O=EXCHANGELABS/OU=EXCHANGE ADMINISTRATIVE GROUP/CN=RECIPIENTS/CN=LENA>",
        "Lena Hoffmann [SMTP:lena]",
        "",
        "Lena (at) post-nord.example",
        "Bewerbung <bewerbung@acme-werke.example>",
        "'Lena Hoffmann' via Bewerbung <bewerbung@acme-werke.example>",
        "Lena Hoffmann <lena@post-nord.example> im Auftrag von Bewerbung",
        "esp@bulk.example [mailto:esp@bulk.example] Im Auftrag von Lena Hoffmann",
        "noreply@webformular.example",
        "Lena <lena@post-nord.example<mailto:eva@post-nord.example>>",
    ] {
        for subject in ["WG: Bewerbung als Koch", "Bewerbung als Koch"] {
            cases.push(case(
                "nobody",
                from,
                text(subject, &format!("Bitte.\n\n{}{tail}", block(from))),
                Truth::Nobody,
            ));
        }
        // Somebody further down must not stand in.
        let chain = format!("{}\n{}", block(from), block("Eva Decoy <eva@decoy.example>"));
        if !from.contains("bewerbung@") {
            cases.push(case("nobody, chain", from, text("WG: Bewerbung", &chain), Truth::Nobody));
        }
    }
    let labels = "Gesendet: Montag\nAn: Bewerbung <bewerbung@acme-werke.example>\nCc: Eva <eva@decoy.example>\nBetreff: Bewerbung als Koch\n";
    cases.push(case(
        "nobody",
        "author line deleted",
        text(
            "WG: Bewerbung als Koch",
            &format!("Bitte\n\n{labels}\nIch bin erreichbar: eva@decoy.example\n"),
        ),
        Truth::Nobody,
    ));
    cases.push(case(
        "nobody",
        "author line deleted, separator",
        text(
            "Fwd: Bewerbung",
            &format!(
                "-------- Weitergeleitete Nachricht --------\n{labels}\nIch: eva@decoy.example\n"
            ),
        ),
        Truth::Nobody,
    ));
    cases.push(case(
        "nobody",
        "block deleted",
        text(
            "WG: Bewerbung als Koch",
            "Bitte erfassen.\n\nSehr geehrte Damen und Herren,\nich bin Eva, eva@decoy.example",
        ),
        Truth::Nobody,
    ));
    cases.push(case(
        "nobody",
        "own message",
        text("Neue Stelle", "Bitte kontaktiert eva@decoy.example"),
        Truth::Nobody,
    ));
    cases.push(case(
        "nobody",
        "subdomain",
        text("WG: x", &block("Jens <jens@werk2.acme-werke.example>")),
        Truth::Nobody,
    ));
    let first = "Von: Vogt, Jens\nGesendet: Montag\nAn: Krüger, Sabine\nBetreff: WG: Bewerbung\n\nkannst du?\n\n";
    cases.push(case(
        "nobody, chain",
        "a colleague without address first",
        text("WG: Bewerbung", &format!("{first}{}", block("Lena <lena@post-nord.example>"))),
        Truth::Nobody,
    ));
    let different = |a: &str, b: &str| {
        let page = format!(
            "<p><b>Von:</b> {a}<br><b>Gesendet:</b> d<br><b>An:</b> b<br><b>Betreff:</b> s</p>"
        );
        message(COLLEAGUE, "WG: x", "", &body(Some(&block(b)), Some(&page), Encoding::Base64))
    };
    cases.push(case(
        "text and html",
        "disagree",
        different("A &lt;a@x.example&gt;", "B <b@y.example>"),
        Truth::Nobody,
    ));
    cases.push(case(
        "text and html",
        "agree",
        different("Lena &lt;lena@post-nord.example&gt;", "lena@post-nord.example"),
        lena(),
    ));
    cases.push(case(
        "text and html",
        "name in the text, address in the html",
        different("<a href='mailto:lena@post-nord.example'>Lena Hoffmann</a>", "Lena Hoffmann"),
        lena(),
    ));
    cases.push(case(
        "text and html",
        "link names another",
        different("<a href='mailto:eva@decoy.example'>lena@post-nord.example</a>", "Lena Hoffmann"),
        Truth::Nobody,
    ));
    cases.push(case("text and html", "hidden decoy", html("WG: x", "<div style='display:none'>Von: Eva &lt;eva@decoy.example&gt;<br>Gesendet: d<br>An: b<br>Betreff: s</div><p><b>Von:</b> Lena &lt;lena@post-nord.example&gt;<br><b>Gesendet:</b> d<br><b>An:</b> b<br><b>Betreff:</b> s</p>"), lena()));
    cases.push(case("text and html", "text part says nothing", message(COLLEAGUE, "WG: x", "", &body(Some("Diese Nachricht ist HTML. support@mailer.example"), Some("<p>Von: Lena &lt;lena@post-nord.example&gt;<br>Gesendet: d<br>An: b<br>Betreff: s</p>"), Encoding::Base64)), lena()));
    cases
}

/// All of them.
pub(crate) fn all() -> Vec<Case> {
    [
        authors(),
        nobody(),
        crate::chains::chains(),
        crate::shapes::unknown_languages(),
        crate::shapes::afterthoughts(),
        crate::chains::attachments(),
        crate::strangers::outsiders(),
        crate::strangers::oddities(),
        crate::strangers::boards_and_groups(),
        crate::kinds::kinds(),
    ]
    .concat()
}

#[test]
fn traps_are_seen() {
    let cases = all();
    let score = Score::of(&cases);
    score.print();
    assert_eq!(score.total[Mark::Wrong as usize], 0);
    assert!(score.right() >= 999, "{} per mille", score.right());
}
