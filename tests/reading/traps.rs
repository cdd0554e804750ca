//! Cases of their own: what leads other readers astray.
// SPDX-License-Identifier: GPL-3.0-or-later

use recruit_milter::policy::kind::Kind;

use crate::cases::COLLEAGUE;
use crate::compose::{Encoding, Part, body, message};
use crate::score::{Case, Client, Mark, Score, Truth};

pub(crate) const LENA: &str = "lena@post-nord.example";

fn one(address: &str) -> Truth {
    Truth::One(address.into())
}

fn lena() -> Truth {
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
    }
}

fn text(subject: &str, text: &str) -> String {
    message(COLLEAGUE, subject, "", &body(Some(text), None, Encoding::QuotedPrintable))
}

fn html(subject: &str, html: &str) -> String {
    message(COLLEAGUE, subject, "", &body(None, Some(html), Encoding::Base64))
}

/// A German block with an author line.
fn block(from: &str) -> String {
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

fn internal(name: &str, to: &str, subject: &str) -> String {
    format!(
        "Von: {name}\nGesendet: Montag, 3. März 2025 10:40\nAn: {to}\nBetreff: {subject}\n\nKannst du? Meine Durchwahl: 12, jens.vogt@acme-werke.example\n\n"
    )
}

fn chains() -> Vec<Case> {
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

fn original(from: &str, more: &str) -> String {
    message(
        from,
        "Bewerbung als Koch",
        more,
        &body(Some("Anbei. Referenz: chef@restaurant.example"), None, Encoding::QuotedPrintable),
    )
}

fn attachments() -> Vec<Case> {
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
        (
            "inline and attached, the same",
            message(
                COLLEAGUE,
                "WG: x",
                "",
                &Part::multi(
                    "mixed",
                    &[
                        Part::text(
                            "plain",
                            &block("Lena <lena@post-nord.example>"),
                            Encoding::Base64,
                        ),
                        Part::message(&l),
                    ],
                ),
            ),
            lena(),
        ),
        (
            "inline and attached, different",
            message(
                COLLEAGUE,
                "WG: x",
                "",
                &Part::multi(
                    "mixed",
                    &[
                        Part::text(
                            "plain",
                            &block("Lena <lena@post-nord.example>"),
                            Encoding::Base64,
                        ),
                        Part::message(&omar),
                    ],
                ),
            ),
            both,
        ),
    ];
    list.into_iter().map(|(id, mail, truth)| case("attachment", id, mail, truth)).collect()
}

/// Mail of outsiders, or of those who claim to be inside.
fn outsiders() -> Vec<Case> {
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

fn oddities() -> Vec<Case> {
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

fn boards_and_groups() -> Vec<Case> {
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

/// Kind, author, subject, further fields, envelope sender, body, truth.
type Row<'a> = (Kind, &'a str, &'a str, &'a str, Option<&'static str>, &'a Part, Truth);

fn kinds() -> Vec<Case> {
    let lena_from = "Lena Hoffmann <lena@post-nord.example>";
    let daemon = "Mail Delivery System <MAILER-DAEMON@post-nord.example>";
    let plain = body(Some("Text"), None, Encoding::EightBit);
    let part = |header: &str, body: &str| Part { header: header.into(), body: body.into() };
    let dsn = part(
        "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n",
        "--b\n\nfailed\n--b\nContent-Type: message/delivery-status\n\nFinal-Recipient: rfc822; x@y\n--b\nContent-Type: message/rfc822\n\nFrom: Omar <omar@post-west.example>\n\nx\n--b--\n",
    );
    let qmail = body(
        Some(
            "Hi. This is the qmail-send program at mx.example.\nI'm afraid I wasn't able to deliver your message.\n\n<omar@post-west.example>:\n",
        ),
        None,
        Encoding::EightBit,
    );
    let invite = Part::multi(
        "alternative",
        &[
            Part::text("plain", "Termin", Encoding::EightBit),
            part(
                "Content-Type: text/calendar; method=REQUEST; charset=utf-8\n",
                "BEGIN:VCALENDAR\nEND:VCALENDAR\n",
            ),
        ],
    );
    let pdf = Part::multi(
        "mixed",
        &[
            Part::text("plain", "Anbei", Encoding::EightBit),
            Part::file("application/pdf", "cv.pdf", b"%PDF"),
        ],
    );
    let rows: Vec<Row<'_>> = vec![
        (Kind::Application, lena_from, "Bewerbung", "", None, &plain, lena()),
        (Kind::Application, lena_from, "Bewerbung", "Auto-Submitted: no\n", None, &plain, lena()),
        (Kind::Application, lena_from, "Bewerbung", "Precedence: bulk\n", None, &plain, lena()),
        (
            Kind::Application,
            lena_from,
            "Bewerbung",
            "X-Auto-Response-Suppress: All\n",
            None,
            &plain,
            lena(),
        ),
        (
            Kind::Application,
            lena_from,
            "Bewerbung",
            "Auto-Submitted: auto-generated\n",
            None,
            &pdf,
            lena(),
        ),
        (
            Kind::Application,
            lena_from,
            "Fwd: Bewerbung",
            "References: <a@b>\nIn-Reply-To: <a@b>\n",
            None,
            &plain,
            lena(),
        ),
        (Kind::Reply, lena_from, "AW: Bewerbung", "", None, &plain, lena()),
        (Kind::Reply, lena_from, "Bewerbung", "References: <a@b>\n", None, &plain, lena()),
        (
            Kind::Bounce,
            daemon,
            "Undelivered Mail Returned to Sender",
            "",
            Some(""),
            &dsn,
            Truth::None,
        ),
        (Kind::Bounce, daemon, "failure notice", "", Some(""), &qmail, Truth::None),
        (Kind::Bounce, "x@post-nord.example", "hello", "", Some(""), &qmail, Truth::None),
        (
            Kind::Bounce,
            "Microsoft Exchange <MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@post-nord.example>",
            "Unzustellbar: Bewerbung",
            "",
            Some(""),
            &plain,
            Truth::None,
        ),
        (
            Kind::Bounce,
            "System Administrator <postmaster@post-nord.example>",
            "Undeliverable: Bewerbung",
            "",
            Some(""),
            &plain,
            Truth::None,
        ),
        (
            Kind::Bounce,
            "x@post-nord.example",
            "Read: Bewerbung",
            "Content-Type: multipart/report; report-type=disposition-notification; boundary=b\n",
            None,
            &plain,
            Truth::None,
        ),
        (
            Kind::AutoReply,
            lena_from,
            "Re: Bewerbung",
            "Auto-Submitted: auto-replied (vacation)\n",
            None,
            &plain,
            Truth::None,
        ),
        (
            Kind::AutoReply,
            lena_from,
            "Automatische Antwort: Bewerbung",
            "X-Auto-Response-Suppress: All\n",
            None,
            &plain,
            Truth::None,
        ),
        (Kind::AutoReply, lena_from, "Automatic reply: Application", "", None, &plain, Truth::None),
        (
            Kind::AutoReply,
            lena_from,
            "Réponse automatique : Candidature",
            "X-MS-Exchange-Generated-Message-Source: Mailbox Rules Agent\n",
            None,
            &plain,
            Truth::None,
        ),
        (Kind::AutoReply, lena_from, "x", "X-Autoreply: yes\n", None, &plain, Truth::None),
        (Kind::AutoReply, lena_from, "x", "Precedence: auto_reply\n", None, &plain, Truth::None),
        (
            Kind::AutoReply,
            lena_from,
            "Lena Hoffmann is out of the office (returning 01.04.2025)",
            "",
            None,
            &plain,
            Truth::None,
        ),
        (
            Kind::AutoReply,
            lena_from,
            "x",
            "Auto-Submitted: auto-generated\n",
            None,
            &plain,
            Truth::None,
        ),
        (
            Kind::List,
            "News <news@shop.example>",
            "Angebote",
            "List-Unsubscribe: <https://x>\nPrecedence: bulk\n",
            None,
            &plain,
            Truth::None,
        ),
        (
            Kind::List,
            lena_from,
            "[liste] Hallo",
            "List-Id: <liste.verein.example>\n",
            None,
            &plain,
            Truth::None,
        ),
        (Kind::Calendar, lena_from, "Termin", "", None, &invite, Truth::None),
        (
            Kind::Calendar,
            lena_from,
            "Zugesagt: Termin",
            "Content-Class: urn:content-classes:calendarmessage\n",
            None,
            &plain,
            Truth::None,
        ),
        (
            Kind::NeedsHuman,
            "Gmail Team <forwarding-noreply@google.com>",
            "(#1) Gmail Forwarding Confirmation - Receive Mail from x",
            "",
            None,
            &plain,
            Truth::Nobody,
        ),
        (
            Kind::NeedsHuman,
            "StepStone <noreply@stepstone.de>",
            "Bitte bestätigen Sie Ihre E-Mail-Adresse",
            "",
            None,
            &plain,
            Truth::Nobody,
        ),
        (Kind::Spam, lena_from, "Gewinn", "X-Spam-Flag: YES\n", None, &plain, Truth::None),
        (
            Kind::Spam,
            lena_from,
            "Gewinn",
            "X-Spam-Status: Yes, score=9.1\n",
            None,
            &plain,
            Truth::None,
        ),
        (
            Kind::Application,
            lena_from,
            "Bewerbung",
            "X-Spam-Status: No, score=-1\nX-Spam-Flag: NO\nX-Spamd-Result: default: False [1.0 / 15.0]\n",
            None,
            &plain,
            lena(),
        ),
        (
            Kind::Spam,
            lena_from,
            "Gewinn",
            "X-Spamd-Result: default: True [19.0 / 15.0]\n",
            None,
            &plain,
            Truth::None,
        ),
        (
            Kind::SystemTest,
            "ATS <acme-jobs@ats-inbox.example>",
            "Test",
            "Auto-Submitted: auto-generated\nPrecedence: bulk\nX-Loop: yes\n",
            None,
            &plain,
            Truth::None,
        ),
    ];
    let mut cases: Vec<_> = rows
        .into_iter()
        .map(|(kind, from, subject, more, sender, content, truth)| {
            let mut c = case(
                "kind",
                &format!("{kind}: {subject} {more}"),
                message(from, subject, more, content),
                truth,
            );
            (c.kind, c.sender, c.from) = (Some(kind), sender, Client::Outside);
            c
        })
        .collect();
    let to_lena = |mail: String| {
        mail.replace("To: Bewerbung <", "To: Lena <lena@post-nord.example>\nCc: Bewerbung <")
    };
    let shared = "Bewerbung <bewerbung@acme-werke.example>";
    let l = body(Some(&block("Lena <lena@post-nord.example>")), None, Encoding::Base64);
    for (id, kind, mail, truth) in [
        (
            "our reply to the applicant",
            Kind::Reply,
            to_lena(message(COLLEAGUE, "AW: Bewerbung als Koch", "In-Reply-To: <1@x>\n", &l)),
            Truth::None,
        ),
        (
            "our reply without quotation",
            Kind::Reply,
            to_lena(message(COLLEAGUE, "AW: Bewerbung als Koch", "In-Reply-To: <1@x>\n", &plain)),
            Truth::None,
        ),
        (
            "reply instead of forward",
            Kind::Forward(recruit_milter::policy::kind::How::Inline),
            message(COLLEAGUE, "AW: Bewerbung als Koch", "In-Reply-To: <1@x>\n", &l),
            lena(),
        ),
        (
            "copy of an answer",
            Kind::OutboundCopy,
            to_lena(message(shared, "Ihre Bewerbung", "", &plain)),
            Truth::None,
        ),
        (
            "forward from the shared mailbox",
            Kind::Forward(recruit_milter::policy::kind::How::Inline),
            message(shared, "WG: Bewerbung als Koch", "", &l),
            lena(),
        ),
        (
            "a colleague is away",
            Kind::AutoReply,
            message(COLLEAGUE, "Automatische Antwort: Bewerbung", "", &l),
            Truth::None,
        ),
    ] {
        let mut c = case("kind", id, mail, truth);
        c.kind = Some(kind);
        cases.push(c);
    }
    cases
}

/// All of them.
pub(crate) fn all() -> Vec<Case> {
    [
        authors(),
        nobody(),
        chains(),
        attachments(),
        outsiders(),
        oddities(),
        boards_and_groups(),
        kinds(),
    ]
    .concat()
}

#[test]
fn traps_are_seen() {
    let cases = all();
    let score = Score::of(&cases);
    score.print();
    assert_eq!(score.total[Mark::Wrong as usize], 0);
    assert!(score.right() >= 990, "{} per mille", score.right());
}
