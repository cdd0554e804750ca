//! How webmailers write a forward: one function per program.
// SPDX-License-Identifier: GPL-3.0-or-later

use crate::clients::{Original, Written, bold, both, fields, lines_html, separated};
use crate::compose::escape;
use crate::words::Words;

pub(crate) fn yahoo(w: &Words, o: &Original, comment: &str) -> Written {
    let [from, sent, to, subject] = w.outlook;
    let mailbox = o.mailbox();
    let sep = format!("----- {} -----", w.thunderbird[0]);
    let list = [(from, &*mailbox), (to, &*o.to), (sent, &*o.date), (subject, &*o.subject)];
    let rows: String = list
        .iter()
        .map(|(l, v)| format!("<div><b>{l}{}:</b> {}</div>", w.gap, escape(v)))
        .collect();
    both(
        format!(
            "{comment}\n\n   {sep} {}\n{}\n",
            fields(w.gap, &list).replace('\n', " "),
            o.letter
        )
        .replace(&format!("{sep} "), &format!("{sep}\n"))
        .replace(" \n", "\n")
        .replace(&format!(" {to}{}:", w.gap), &format!("\n{to}{}:", w.gap))
        .replace(&format!(" {sent}{}:", w.gap), &format!("\n{sent}{}:", w.gap))
        .replace(&format!(" {subject}{}:", w.gap), &format!("\n{subject}{}:", w.gap)),
        format!(
            "<html><body><div class=\"yahoo-style-wrap\"><div>{}</div><br></div><div id=\"yahoo_quoted_1\" class=\"yahoo_quoted\"><div><div>{sep}</div>{rows}<div><br></div><div>{}</div></div></div></body></html>",
            escape(comment),
            lines_html(&o.letter)
        ),
    )
}

pub(crate) fn gmx(w: &Words, o: &Original, comment: &str) -> Written {
    let [from, _, to, subject] = w.outlook;
    let sent = match w.code {
        "de" => "Gesendet",
        "en" => "Sent",
        "fr" => "Envoyé",
        _ => "Enviado",
    };
    let mailbox = format!("\"{}\" <{}>", o.name, o.address);
    let rows = bold(
        w.gap,
        &[
            (sent, "Montag, 03. M\u{e4}rz 2025 um 10:15 Uhr"),
            (from, &mailbox),
            (to, &o.to),
            (subject, &o.subject),
        ],
    );
    Written {
        text: None,
        html: Some(format!(
            "<html><body><div style=\"font-family: Verdana;\"><div>{}</div><div>&nbsp;<div style=\"margin: 10px 5px; border-left: 2px solid #C3D9E5;\" name=\"quote\"><div style=\"margin:0 0 10px 0;\">{rows}</div><div name=\"quoted-content\">{}</div></div></div></div></body></html>",
            escape(comment),
            lines_html(&o.letter)
        )),
    }
}

pub(crate) fn proton(w: &Words, o: &Original, comment: &str) -> Written {
    let [sep, subject, date, from, to] = w.thunderbird;
    let mailbox = o.mailbox();
    let list =
        fields(w.gap, &[(from, &mailbox), (date, &o.date), (subject, &o.subject), (to, &o.to)]);
    let html = format!(
        "<div>{}</div><div class=\"protonmail_quote\">------- {sep} -------<br>{}<br><br><blockquote class=\"protonmail_quote\" type=\"cite\">{}</blockquote></div>",
        escape(comment),
        escape(list.trim()).replace('\n', "<br>"),
        lines_html(&o.letter)
    );
    let quoted: String = o.letter.lines().map(|l| format!("> {l}\n")).collect();
    both(format!("{comment}\n\n------- {sep} -------\n{list}\n{quoted}"), html)
}

pub(crate) fn zimbra(w: &Words, o: &Original, comment: &str) -> Written {
    let [from, sent, to, subject] = w.outlook;
    let mailbox = format!("\"{}\" <{}>", o.name, o.address);
    let list = [
        (from, &*mailbox),
        (to, "\"bewerbung\" <bewerbung@acme-werke.example>"),
        (sent, &*o.date),
        (subject, &*o.subject),
    ];
    let sep = format!("----- {} -----", w.thunderbird[0]);
    both(
        format!("{comment}\n\n{sep}\n{}\n{}\n", fields(w.gap, &list), o.letter),
        format!(
            "<html><body><div style=\"font-family: arial\"><div>{}</div><hr id=\"zwchr\" data-marker=\"__DIVIDER__\"><div data-marker=\"__HEADERS__\">{}<br></div><div data-marker=\"__QUOTED_TEXT__\">{}</div></div></body></html>",
            escape(comment),
            bold(w.gap, &list),
            lines_html(&o.letter)
        ),
    )
}

fn table(sep: &str, gap: &str, list: &[(&str, &str)], o: &Original, comment: &str) -> Written {
    let rows: String = list.iter().map(|(l, v)| format!("<tr><th align=\"right\" nowrap=\"nowrap\" valign=\"baseline\">{l}{gap}: </th><td>{}</td></tr>", escape(v))).collect();
    let text: String = list.iter().map(|(l, v)| format!("{l}{gap}: \t{v}\n")).collect();
    both(
        format!("{comment}\n\n{sep}\n{text}\n{}\n", o.letter),
        format!(
            "<html><body><p>{}</p><p>{sep}</p><table border=\"0\" cellpadding=\"0\"><tbody>{rows}</tbody></table><p><br></p>{}</body></html>",
            escape(comment),
            lines_html(&o.letter)
        ),
    )
}

pub(crate) fn roundcube(w: &Words, o: &Original, comment: &str) -> Written {
    let [_, subject, date, from, to] = w.thunderbird;
    let mailbox = o.mailbox();
    table(
        &format!("-------- {} --------", w.original),
        w.gap,
        &[
            (subject, &o.subject),
            (date, "2025-03-03 10:15"),
            (from, &mailbox),
            (to, "bewerbung@acme-werke.example"),
        ],
        o,
        comment,
    )
}

pub(crate) fn sogo(w: &Words, o: &Original, comment: &str) -> Written {
    let [sep, subject, date, from, to] = w.thunderbird;
    let mailbox = o.mailbox();
    let list = fields(
        w.gap,
        &[
            (subject, &o.subject),
            (date, "Monday, March 03, 2025 10:15 CET"),
            (from, &mailbox),
            (to, &o.to),
        ],
    );
    separated(&format!("-------- {sep} --------"), &list, o, comment)
}

pub(crate) fn horde(w: &Words, o: &Original, comment: &str) -> Written {
    let [_, subject, date, from, to] = w.thunderbird;
    let mailbox = o.mailbox();
    let list: String = [(date, &*o.date), (from, &*mailbox), (subject, &*o.subject), (to, &*o.to)]
        .iter()
        .map(|(l, v)| format!("{l:>12}{}: {v}\n", w.gap))
        .collect();
    separated(&format!("----- {} ({}) -----", w.thunderbird[0], o.mailbox()), &list, o, comment)
}

pub(crate) fn ox(w: &Words, o: &Original, comment: &str) -> Written {
    let [_, subject, date, from, to] = w.thunderbird;
    let mailbox = o.mailbox();
    let list =
        fields(w.gap, &[(from, &mailbox), (to, &o.to), (date, &o.date), (subject, &o.subject)]);
    let html = format!(
        "<!doctype html><html><body><div>{}</div><blockquote type=\"cite\"><div>---------- {} ----------</div>{}<div><br></div><div><br></div>{}</blockquote></body></html>",
        escape(comment),
        w.original,
        lines_html(list.trim()),
        lines_html(&o.letter)
    );
    let quoted: String = format!("---------- {} ----------\n{list}\n{}", w.original, o.letter)
        .lines()
        .map(|l| format!("> {l}\n"))
        .collect();
    both(format!("{comment}\n\n{quoted}"), html)
}
