//! Shapes that no table describes: thought of later, or in languages that are not known.
// SPDX-License-Identifier: GPL-3.0-or-later

use crate::score::{Case, Truth};
use crate::traps::{case, html, lena, text};

/// Shapes that were thought of after the rules were made.
pub(crate) fn afterthoughts() -> Vec<Case> {
    let l = "Lena Hoffmann <lena@post-nord.example>";
    let rows = |sep: &str| {
        format!(
            "Von: {l}{sep}Gesendet: 3. März 2025 10:15{sep}An: Bewerbung <bewerbung@acme-werke.example>{sep}Betreff: Bewerbung als Koch"
        )
    };
    let esc = |s: &str| crate::compose::escape(s);
    let page = |s: &str| {
        format!("<html><body><p>Hallo</p>{s}<p>Text chef@restaurant.example</p></body></html>")
    };
    let list: Vec<(&str, String, Truth)> = vec![
        ("bold label, bold colon", html("WG: x", &page(&format!("<p><b>Von</b><b>:</b> {}<br><b>Gesendet</b><b>:</b> d<br><b>An</b><b>:</b> b<br><b>Betreff</b><b>:</b> s</p>", esc(l)))), lena()),
        ("entity for the colon", html("WG: x", &page(&format!("Von&#58; {}<br>Gesendet&#58; d<br>An&#58; b<br>Betreff&#58; s", esc(l)))), lena()),
        ("marks for the direction of writing", html("WG: x", &page(&format!("&rlm;Von:&rlm; &lrm;{}&lrm;<br>&rlm;Gesendet:&rlm; d<br>&rlm;An:&rlm; b<br>&rlm;Betreff:&rlm; s", esc(l)))), lena()),
        ("conditional comment with a decoy", html("WG: x", &page(&format!("<!--[if mso]>Von: eva@decoy.example<br>An: x<br>Betreff: y<![endif]-->{}", esc(&rows("\n")).replace('\n', "<br>")))), lena()),
        ("upper case and unclosed tags", html("WG: x", &format!("<HTML><BODY><P>Hi<P><B>Von:</B> {}<BR><B>Gesendet:</B> d<BR><B>An:</B> b<BR><B>Betreff:</B> s<P>Text", esc(l))), lena()),
        ("nested fonts", html("WG: x", &page(&format!("<font size=2><span><b>Von:</b></span><span>&nbsp;</span><span>{}</span></font><br><font><b>Gesendet:</b> d</font><br><font><b>An:</b> b</font><br><font><b>Betreff:</b> s</font>", esc(l)))), lena()),
        ("preformatted", html("WG: x", &page(&format!("<pre>{}</pre>", esc(&rows("\n"))))), lena()),
        ("list items", html("WG: x", &page(&format!("<ul><li>{}</li></ul>", esc(&rows("\n")).replace('\n', "</li><li>")))), lena()),
        ("safe link around the address", html("WG: x", &page("<b>Von:</b> Lena &lt;<a href=\"https://safelinks.example/?url=mailto%3Aeva%40decoy.example\">lena@post-nord.example</a>&gt;<br><b>Gesendet:</b> d<br><b>An:</b> b<br><b>Betreff:</b> s")), lena()),
        ("link with a subject", html("WG: x", &page("<b>Von:</b> <a href=\"mailto:lena@post-nord.example?subject=x\">Lena</a><br><b>Gesendet:</b> d<br><b>An:</b> b<br><b>Betreff:</b> s")), lena()),
        ("inline image between", text("WG: x", &format!("[cid:image001.png@01D]\n<https://acme-werke.example/>\n\n{}\n\nHallo", rows("\n"))), lena()),
        ("more labels", text("WG: x", &rows("\n").replace("Betreff", "Cc: Eva <eva@decoy.example>\nAnlagen: cv.pdf\nWichtigkeit: Hoch\nKategorien: Rot\nBetreff")), lena()),
        ("many recipients, wrapped", text("WG: x", &rows("\n").replace("Betreff", "Cc: Eva <eva@decoy.example>; \n Anna <anna@x.example>;\n  Otto <otto@x.example>;\n Emil\n <emil@x.example>\nBetreff")), lena()),
        ("address only", text("WG: x", &rows("\n").replace("Lena Hoffmann <lena@post-nord.example>", "<lena@post-nord.example>")), lena()),
        ("comma and title in the name", text("WG: x", &rows("\n").replace("Lena Hoffmann", "Hoffmann, Dr. Lena (geb. Maier)")), lena()),
        ("all on one line", text("WG: x", &format!("Hallo\n\n{}\n\nText", rows(" "))), Truth::Nobody),
        ("two spaces and tabs", text("WG: x", &rows("\n").replace(": ", ":\t  ")), lena()),
        ("trailing spaces and soft breaks", text("WG: x", &rows(" \n")), lena()),
        ("two blank lines after the block", text("WG: x", &format!("{}\n\n\n\nVon: hier\nAn: dort", rows("\n"))), lena()),
        ("rule of underscores around", text("WG: x", &format!("____________\n{}\n____________\nHallo", rows("\n"))), lena()),
        ("rule of equal signs", text("WG: x", &format!("==========\n{}\n==========\nHallo", rows("\n"))), lena()),
        ("numbered quotation", text("WG: x", &rows("\n").lines().map(|l| format!("| {l}\n")).collect::<String>()), lena()),
        ("reply of a colleague below", text("AW: WG: Bewerbung als Koch", &format!("Ja, gern!\n\nVon: Jens Vogt <jens.vogt@acme-werke.example>\nGesendet: d\nAn: Sabine <sabine.krueger@acme-werke.example>\nBetreff: WG: Bewerbung als Koch\n\nAnsehen?\n\n{}\n", rows("\n"))), lena()),
        ("attribution only", text("Fwd: Bewerbung", "Am 3. März 2025 um 10:15 schrieb Lena <lena@post-nord.example>:\n> Hallo"), lena()),
        ("english labels, German letter", text("Fwd: x", &format!("Begin forwarded message:\n\nFrom: {l}\nSubject: x\nDate: d\nTo: b\n\nSehr geehrte")), lena()),
        ("a form in the letter", text("WG: x", &format!("{}\n\nName: Lena\nE-Mail: eva@decoy.example\nDatum: 1.1.\nBetreff: Bewerbung als Koch\n", rows("\n"))), lena()),
        ("a form above", text("WG: Bewerbung als Koch", &format!("Bewerber: Max\nKontakt: eva@decoy.example\nStelle: Koch\n\n{}", rows("\n"))), lena()),
        ("an agenda above", text("WG: Bewerbung als Koch", &format!("To do:\nVon: 10 Uhr\nBis: 11 Uhr\n\n{}", rows("\n"))), lena()),
    ];
    list.into_iter().map(|(id, mail, truth)| case("afterthought", id, mail, truth)).collect()
}

/// Programs in languages that are in no table.
pub(crate) fn unknown_languages() -> Vec<Case> {
    let mut cases = Vec::new();
    for (code, [from, date, to, subject]) in [
        ("eu", ["Nork", "Bidalia", "Nori", "Gaia"]),
        ("ka", ["ვისგან", "გაგზავნილია", "ვის", "თემა"]),
        ("hi", ["प्रेषक", "भेजा गया", "प्राप्तकर्ता", "विषय"]),
        ("hy", ["Ումից", "Ուղարկված է", "Ում", "Թեմա"]),
        ("cy", ["Oddi wrth", "Anfonwyd", "At", "Pwnc"]),
        ("sq", ["Nga", "Dërguar", "Për", "Subjekti"]),
        ("sw", ["Kutoka kwa", "Imetumwa", "Kwa", "Mada"]),
        ("bn", ["থেকে", "পাঠানো হয়েছে", "প্রতি", "বিষয়"]),
    ] {
        let body = format!(
            "Hi\n\nTel: 12\nE-Mail: sabine.krueger@acme-werke.example\n\n{from}: Lena Hoffmann <lena@post-nord.example>\n{date}: 3.3.2025 10:15\n{to}: Bewerbung <bewerbung@acme-werke.example>\n{subject}: Bewerbung als Koch\n\nHallo, chef@restaurant.example\nE-Mail: eva@decoy.example\n"
        );
        let page: String =
            body.lines().map(|l| format!("<div>{}<br></div>", crate::compose::escape(l))).collect();
        for (form, mail) in [
            ("text", text("FW: Bewerbung als Koch", &body)),
            ("html", html("Fwd: Bewerbung als Koch", &page)),
        ] {
            let mut c = case("unknown language", &format!("{code} {form}"), mail, lena());
            c.language = code.into();
            cases.push(c);
        }
        let other = text("FW: Lena", &body);
        let mut c = case("unknown language, another subject", code, other, Truth::Nobody);
        c.language = code.into();
        cases.push(c);
        let to_other =
            body.replace("Bewerbung <bewerbung@", "Eva <eva@decoy.example>, Bewerbung <bewerbung@");
        cases.push(case(
            "unknown language, two outside",
            code,
            text("FW: Bewerbung als Koch", &to_other),
            Truth::Nobody,
        ));
    }
    cases
}
