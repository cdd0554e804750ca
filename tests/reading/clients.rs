//! How mail programs write a forward: one function per program (webmailers: `webmail.rs`).
// SPDX-License-Identifier: GPL-3.0-or-later

use crate::compose::escape;
use crate::webmail::{gmx, horde, ox, proton, roundcube, sogo, yahoo, zimbra};
use crate::words::{WORDS, Words, words};

/// The mail that is passed on.
#[derive(Clone)]
pub(crate) struct Original {
    pub(crate) name: String,
    pub(crate) address: String,
    pub(crate) subject: String,
    pub(crate) date: String,
    pub(crate) to: String,
    pub(crate) letter: String,
}

impl Original {
    pub(crate) fn of(w: &Words) -> Self {
        Self {
            name: w.person[0].into(),
            address: w.person[1].into(),
            subject: w.person[2].into(),
            date: "3.3.2025 10:15".into(),
            to: "Bewerbung <bewerbung@acme-werke.example>".into(),
            letter: w.letter.into(),
        }
    }

    pub(crate) fn mailbox(&self) -> String {
        format!("{} <{}>", self.name, self.address)
    }
}

/// What a program writes.
#[derive(Default, Clone)]
pub(crate) struct Written {
    pub(crate) text: Option<String>,
    pub(crate) html: Option<String>,
}

pub(crate) type Program = fn(&Words, &Original, &str) -> Written;

/// A program's name, how it writes, in which languages, and whether it shows the author's name.
pub(crate) struct ClientRow {
    pub(crate) name: &'static str,
    pub(crate) program: Program,
    /// Empty: all of them.
    pub(crate) languages: &'static [&'static str],
    pub(crate) prefix: &'static str,
}

pub(crate) const fn row(name: &'static str, program: Program, prefix: &'static str) -> ClientRow {
    ClientRow { name, program, languages: &[], prefix }
}

pub(crate) const fn only(
    name: &'static str,
    program: Program,
    languages: &'static [&'static str],
    prefix: &'static str,
) -> ClientRow {
    ClientRow { name, program, languages, prefix }
}

/// All programs. A prefix of `-` is Outlook's in the language.
pub(crate) const CLIENTS: &[ClientRow] = &[
    row("Outlook classic", outlook, "-"),
    row("Outlook classic, mailto", outlook_mailto, "-"),
    row("Outlook on the web", owa, "Fw"),
    row("Outlook for Mac", outlook_mac, "-"),
    row("Outlook mobile", outlook_mobile, "Fw"),
    row("Outlook via text conversion", stars, "-"),
    row("Exchange ActiveSync", original_outlook, "-"),
    row("Gmail web", gmail, "Fwd"),
    row("Gmail, all labels translated", gmail_translated, "Fwd"),
    row("Apple Mail macOS", apple, "Fwd"),
    row("Apple Mail iOS", apple_ios, "Fwd"),
    row("Thunderbird", thunderbird, "Fwd"),
    row("Yahoo", yahoo, "Fw"),
    only("GMX, web.de", gmx, &["de", "en", "fr", "es"], "Fwd"),
    row("Proton", proton, "Fw"),
    row("Notes 9", notes, "WG"),
    only("Notes 6, no colons", notes_bare, &["de", "en"], "WG"),
    only("Notes 5", notes5, &["en"], "Fw"),
    row("Samsung", samsung, "Fwd"),
    row("eM Client", em_client, "Fwd"),
    row("eM Client 9, no colons", em_client_bare, "Fwd"),
    row("Zimbra", zimbra, "Fwd"),
    row("Roundcube", roundcube, "Fwd"),
    row("SOGo", sogo, "Fwd"),
    row("Horde", horde, "Fwd"),
    row("Open-Xchange", ox, "Fwd"),
    row("KMail", kmail, "Fwd"),
    row("Evolution", evolution, "Fwd"),
    only("Mutt", mutt, &["en"], "Fwd"),
];

impl ClientRow {
    pub(crate) fn rows(&self) -> Vec<&'static Words> {
        if self.languages.is_empty() {
            WORDS.iter().collect()
        } else {
            self.languages.iter().map(|l| words(l)).collect()
        }
    }
}

pub(crate) fn both(text: String, html: String) -> Written {
    Written { text: Some(text), html: Some(html) }
}

pub(crate) fn only_text(text: String) -> Written {
    Written { text: Some(text), html: None }
}

pub(crate) fn lines_html(text: &str) -> String {
    text.lines()
        .map(|l| match escape(l) {
            l if l.is_empty() => "<div><br></div>".into(),
            l => format!("<div>{l}</div>"),
        })
        .collect()
}

pub(crate) fn p_html(text: &str) -> String {
    text.lines()
        .map(|l| match escape(l) {
            l if l.is_empty() => "<p class=\"MsoNormal\"><o:p>&nbsp;</o:p></p>".into(),
            l => format!("<p class=\"MsoNormal\">{l}<o:p></o:p></p>"),
        })
        .collect()
}

/// `Label: value` lines.
pub(crate) fn fields(gap: &str, list: &[(&str, &str)]) -> String {
    list.iter().map(|(l, v)| format!("{l}{gap}: {v}\n")).collect()
}

pub(crate) fn bold(gap: &str, list: &[(&str, &str)]) -> String {
    let gap = if gap.is_empty() { "" } else { "&nbsp;" };
    let rows = list.iter().map(|(l, v)| format!("<b>{l}{gap}:</b> {}", escape(v)));
    rows.collect::<Vec<_>>().join("<br>")
}

pub(crate) fn outlook_fields<'a>(
    w: &Words,
    o: &'a Original,
    mailbox: &'a str,
) -> [(&'static str, &'a str); 4] {
    let [from, sent, to, subject] = w.outlook;
    [(from, mailbox), (sent, &o.date), (to, &o.to), (subject, &o.subject)]
}

const BORDER: &str = "<div><div style=\"border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0cm 0cm 0cm\"><p class=\"MsoNormal\">";

fn outlook(w: &Words, o: &Original, comment: &str) -> Written {
    let mailbox = o.mailbox();
    let list = outlook_fields(w, o, &mailbox);
    both(
        format!("{comment}\n\n{}\n{}\n", fields(w.gap, &list), o.letter),
        format!(
            "<html><head><style><!-- p.MsoNormal {{margin:0cm}} --></style></head><body><div class=\"WordSection1\">{}{BORDER}{}<o:p></o:p></p></div></div>{}</div></body></html>",
            p_html(comment),
            bold(w.gap, &list),
            p_html(&o.letter)
        ),
    )
}

fn outlook_mailto(w: &Words, o: &Original, comment: &str) -> Written {
    let mailbox = format!("{} [mailto:{}]", o.name, o.address);
    let list = outlook_fields(w, o, &mailbox);
    let original = w.original;
    only_text(format!(
        "{comment}\n\n-----{original}-----\n{}\n{}\n",
        fields(w.gap, &list),
        o.letter
    ))
}

fn owa(w: &Words, o: &Original, comment: &str) -> Written {
    let mailbox = o.mailbox();
    let list = outlook_fields(w, o, &mailbox);
    both(
        format!(
            "{comment}\n________________________________\n{}\n{}\n",
            fields(w.gap, &list),
            o.letter
        ),
        format!(
            "<html><head><style type=\"text/css\" style=\"display:none;\"> P {{margin-top:0;}} </style></head><body dir=\"ltr\">{}<div id=\"appendonsend\"></div><hr style=\"display:inline-block;width:98%\" tabindex=\"-1\"><div id=\"divRplyFwdMsg\" dir=\"ltr\"><font face=\"Calibri\">{}</font><div>&nbsp;</div></div>{}</body></html>",
            lines_html(comment),
            bold(w.gap, &list),
            lines_html(&o.letter)
        ),
    )
}

fn outlook_mac(w: &Words, o: &Original, comment: &str) -> Written {
    let mailbox = o.mailbox();
    let list = outlook_fields(w, o, &mailbox);
    let html: Vec<_> = list
        .iter()
        .map(|(l, v)| {
            format!(
                "<b><span style=\"color:black\">{l}{}: </span></b><span>{}</span>",
                w.gap,
                escape(v)
            )
        })
        .collect();
    both(
        format!("{comment}\n\n\n{}\n\n{}\n", fields(w.gap, &list), o.letter),
        format!(
            "<html><body>{}<p class=\"MsoNormal\">&nbsp;</p><div style=\"border:none;border-top:solid #B5C4DF 1.0pt\"><p class=\"MsoNormal\">{}</p></div><div>&nbsp;</div>{}</body></html>",
            p_html(comment),
            html.join("<br>"),
            lines_html(&o.letter)
        ),
    )
}

fn outlook_mobile(w: &Words, o: &Original, comment: &str) -> Written {
    let mailbox = o.mailbox();
    let list = outlook_fields(w, o, &mailbox);
    Written {
        text: None,
        html: Some(format!(
            "<html><body>{}<div id=\"ms-outlook-mobile-signature\"><div><br></div>Outlook f\u{fc}r <a href=\"https://aka.ms/o0ukef\">iOS</a></div><hr style=\"width:98%\"><div id=\"divRplyFwdMsg\"><font face=\"Calibri\">{}</font><div> </div></div>{}</body></html>",
            lines_html(comment),
            bold(w.gap, &list),
            lines_html(&o.letter)
        )),
    }
}

fn stars(w: &Words, o: &Original, comment: &str) -> Written {
    let mailbox = o.mailbox();
    let list = outlook_fields(w, o, &mailbox);
    let rows: String = list.iter().map(|(l, v)| format!("*{l}{}:* {v}\n", w.gap)).collect();
    only_text(format!("{comment}\n\n{rows}\n\n\n{}\n", o.letter))
}

fn original_outlook(w: &Words, o: &Original, comment: &str) -> Written {
    let mailbox = format!("\"{}\" <{}>", o.name, o.address);
    let [from, sent, to, subject] = w.outlook;
    let list = [(from, &*mailbox), (to, &*o.to), (sent, &*o.date), (subject, &*o.subject)];
    only_text(format!(
        "{comment}\n\n\n-------- {} --------\n{}\n{}\n",
        w.original,
        fields(w.gap, &list),
        o.letter
    ))
}

fn gmail_of(w: &Words, o: &Original, comment: &str, labels: [&str; 4]) -> Written {
    let [from, date, subject, to] = labels;
    let sep = format!("---------- {} ---------", w.gmail[0]);
    let g = if w.code == "fr" { "\u{a0}" } else { "" };
    let (n, a, s, d) = (&o.name, &o.address, &o.subject, &o.date);
    both(
        format!(
            "{comment}\n\n{sep}\n{from}{g}: {n} <{a}>\n{date}: {d}\n{subject}: {s}\n{to}: <bewerbung@acme-werke.example>\n\n\n{}\n",
            o.letter
        ),
        format!(
            "<div dir=\"ltr\">{}<br><br><div class=\"gmail_quote gmail_quote_container\"><div dir=\"ltr\" class=\"gmail_attr\">{sep}<br>{from}{g}: <strong class=\"gmail_sendername\" dir=\"auto\">{}</strong> <span dir=\"auto\">&lt;<a href=\"mailto:{a}\">{a}</a>&gt;</span><br>{date}: {d}<br>{subject}: {}<br>{to}:  &lt;<a href=\"mailto:bewerbung@acme-werke.example\">bewerbung@acme-werke.example</a>&gt;<br></div><br><br><div dir=\"ltr\">{}</div></div></div>",
            lines_html(comment),
            escape(n),
            escape(s),
            lines_html(&o.letter)
        ),
    )
}

fn gmail(w: &Words, o: &Original, comment: &str) -> Written {
    gmail_of(w, o, comment, [w.gmail[1], "Date", "Subject", "To"])
}

fn gmail_translated(w: &Words, o: &Original, comment: &str) -> Written {
    let [_, subject, date, _, to] = w.thunderbird;
    let html = gmail_of(w, o, comment, [w.gmail[1], date, subject, to]);
    Written { text: None, ..html }
}

fn apple(w: &Words, o: &Original, comment: &str) -> Written {
    let [begin, from, subject, date, to] = w.apple;
    let mailbox = o.mailbox();
    let g = if w.code == "fr" { "\u{a0}" } else { "" };
    let list = [
        (from, &*mailbox),
        (subject, &*o.subject),
        (date, &*o.date),
        (to, "bewerbung@acme-werke.example"),
    ];
    let quoted: String = fields(g, &list).lines().map(|l| format!("> {l}\n")).collect();
    let letter: String = o.letter.lines().map(|l| format!("> {l}\n")).collect();
    let rows: String = list.iter().map(|(l, v)| format!("<div style=\"margin-top: 0px;\"><span style=\"font-family: -webkit-system-font;\"><b>{l}{g}: </b></span><span>{}<br></span></div>", escape(v))).collect();
    both(
        format!("{comment}\n\n> {begin}{g}:\n> \n{quoted}> \n{letter}"),
        format!(
            "<html><body>{}<div><br><blockquote type=\"cite\"><div>{begin}{g}:</div><br class=\"Apple-interchange-newline\">{rows}<br><div>{}</div></blockquote></div></body></html>",
            lines_html(comment),
            lines_html(&o.letter)
        ),
    )
}

fn apple_ios(w: &Words, o: &Original, comment: &str) -> Written {
    let [begin, from, subject, date, to] = w.apple;
    let g = if w.code == "fr" { "\u{a0}" } else { "" };
    let (n, a) = (escape(&o.name), &o.address);
    Written {
        text: None,
        html: Some(format!(
            "<html><body dir=\"auto\">{}<br id=\"lineBreakAtBeginningOfSignature\"><div dir=\"ltr\">Von meinem iPhone gesendet</div><div dir=\"ltr\"><br>{begin}{g}:<br><br></div><blockquote type=\"cite\"><div dir=\"ltr\"><b>{from}{g}:</b> {n} &lt;{a}&gt;<br><b>{date}{g}:</b> {}<br><b>{to}{g}:</b> bewerbung@acme-werke.example<br><b>{subject}{g}:</b> <b>{}</b><br><br></div></blockquote><blockquote type=\"cite\"><div dir=\"ltr\">\u{feff}{}</div></blockquote></body></html>",
            lines_html(comment),
            o.date,
            escape(&o.subject),
            lines_html(&o.letter)
        )),
    }
}

fn thunderbird(w: &Words, o: &Original, comment: &str) -> Written {
    let [sep, subject, date, from, to] = w.thunderbird;
    let mailbox = o.mailbox();
    let list = [
        (subject, &*o.subject),
        (date, &*o.date),
        (from, &*mailbox),
        (to, "bewerbung@acme-werke.example"),
    ];
    let text: String = list.iter().map(|(l, v)| format!("{l}{}: \t{v}\n", w.gap)).collect();
    let gap = if w.gap.is_empty() { "" } else { "&nbsp;" };
    let rows: String = list.iter().map(|(l, v)| format!("<tr><th valign=\"BASELINE\" align=\"RIGHT\" nowrap=\"nowrap\">{l}{gap}: </th><td>{}</td></tr>", escape(v))).collect();
    both(
        format!("{comment}\n\n-------- {sep} --------\n{text}\n\n\n{}\n", o.letter),
        format!(
            "<html><body><p>{}</p><div class=\"moz-forward-container\"><br><br>-------- {sep} --------\n<table class=\"moz-email-headers-table\" cellspacing=\"0\"><tbody>{rows}</tbody></table><br><br>{}</div></body></html>",
            escape(comment),
            escape(&o.letter).replace('\n', "<br>\n")
        ),
    )
}

pub(crate) fn separated(sep: &str, list: &str, o: &Original, comment: &str) -> Written {
    only_text(format!("{comment}\n\n{sep}\n{list}\n{}\n", o.letter))
}

fn notes(w: &Words, o: &Original, comment: &str) -> Written {
    let [from, _, to, subject] = w.outlook;
    let date = w.thunderbird[2];
    let by = match w.code {
        "de" => "Weitergeleitet von",
        "fr" => "Réacheminé par",
        "es" => "Reenviado por",
        "it" => "Inoltrato da",
        _ => "Forwarded by",
    };
    let mailbox = format!("\"{}\" <{}>", o.name, o.address);
    let list: String = [
        (from, &*mailbox),
        (to, "bewerbung@acme-werke.example"),
        (date, &*o.date),
        (subject, &*o.subject),
    ]
    .iter()
    .map(|(l, v)| format!("{l}{}:\t\t{v}\n", w.gap))
    .collect();
    separated(
        &format!("----- {by} Sabine Kr\u{fc}ger/HR/ACME - 03.03.2025 11:02 -----\n"),
        &list,
        o,
        comment,
    )
}

fn notes_bare(w: &Words, o: &Original, comment: &str) -> Written {
    let (to, subject, by) = if w.code == "de" {
        ("An", "Thema", "Weitergeleitet von")
    } else {
        ("To", "Subject", "Forwarded by")
    };
    separated(
        &format!("----- {by} Sabine Kr\u{fc}ger/HR/ACME - 03.03.2025 11:02 -----\n"),
        &format!(
            "\"{}\" <{}>\n03.03.2025 10:15\n\n{to}\n<bewerbung@acme-werke.example>\ncc\n\n{subject}\n{}\n\n",
            o.name, o.address, o.subject
        ),
        o,
        comment,
    )
}

fn notes5(_: &Words, o: &Original, comment: &str) -> Written {
    separated(
        "---------------------- Forwarded by Tom Becker/HR/ACME on 03/03/2025 11:02 AM ---------------------------\n",
        &format!(
            "{} <{}> on 03/03/2025 10:15:42 AM\n\nTo:   bewerbung@acme-werke.example\ncc:\nSubject:  {}\n\n",
            o.name, o.address, o.subject
        ),
        o,
        comment,
    )
}

fn samsung(w: &Words, o: &Original, comment: &str) -> Written {
    let [_, subject, date, from, to] = w.thunderbird;
    let mailbox = o.mailbox();
    let list =
        fields(w.gap, &[(from, &mailbox), (date, &o.date), (to, &o.to), (subject, &o.subject)]);
    let html = format!(
        "<html><body><div dir=\"auto\">{}</div><div><br></div><div align=\"left\" dir=\"auto\" style=\"font-size:100%;color:#000000\"><div>-------- {} --------</div>{}<div><br></div></div>{}</body></html>",
        escape(comment),
        w.original,
        list.lines().map(|l| format!("<div>{} </div>", escape(l))).collect::<String>(),
        lines_html(&o.letter)
    );
    both(
        format!(
            "{comment}\n-------- {} --------{}\n{}\n",
            w.original,
            format_args!("\n{list}"),
            o.letter
        ),
        html,
    )
}

fn em_client(w: &Words, o: &Original, comment: &str) -> Written {
    let [from, sent, to, subject] = w.outlook;
    let mailbox = format!("\"{}\" <{}>", o.name, o.address);
    let list = fields(
        w.gap,
        &[
            (from, &mailbox),
            (to, "\"bewerbung@acme-werke.example\" <bewerbung@acme-werke.example>"),
            (sent, &o.date),
            (subject, &o.subject),
        ],
    );
    separated(&format!("------ {} ------", w.original), &list, o, comment)
}

fn em_client_bare(w: &Words, o: &Original, comment: &str) -> Written {
    let [_, subject, date, from, to] = w.thunderbird;
    let mailbox = format!("\"{}\" <{}>", o.name, o.address);
    let list: String = [
        (from, &*mailbox),
        (to, "bewerbung@acme-werke.example"),
        (date, &*o.date),
        (subject, &*o.subject),
    ]
    .iter()
    .map(|(l, v)| format!("{l} {v}\n"))
    .collect();
    separated(&format!("------ {} ------", w.thunderbird[0]), &list, o, comment)
}

fn kmail(w: &Words, o: &Original, comment: &str) -> Written {
    let [sep, subject, date, from, to] = w.thunderbird;
    let mailbox = o.mailbox();
    let list = fields(
        w.gap,
        &[
            (subject, &o.subject),
            (date, &o.date),
            (from, &mailbox),
            (to, "bewerbung@acme-werke.example"),
        ],
    );
    only_text(format!(
        "{comment}\n\n----------  {sep}  ----------\n\n{list}\n{}\n-------------------------------------------------------\n",
        o.letter
    ))
}

fn evolution(w: &Words, o: &Original, comment: &str) -> Written {
    let [sep, subject, date, from, to] = w.thunderbird;
    let mailbox = o.mailbox();
    let list = [
        (from, &*mailbox),
        (to, "bewerbung@acme-werke.example"),
        (subject, &*o.subject),
        (date, &*o.date),
    ];
    both(
        format!("{comment}\n\n-------- {sep} --------\n{}\n{}\n", fields(w.gap, &list), o.letter),
        format!(
            "<html><body><div>{}</div><div>-------- {sep} --------</div>{}<div><br></div>{}</body></html>",
            escape(comment),
            list.iter()
                .map(|(l, v)| format!("<div><b>{l}</b>{}: {}</div>", w.gap, escape(v)))
                .collect::<String>(),
            lines_html(&o.letter)
        ),
    )
}

fn mutt(_: &Words, o: &Original, comment: &str) -> Written {
    only_text(format!(
        "{comment}\n\n----- Forwarded message from {} -----\n\nDate: Mon, 3 Mar 2025 10:15:42 +0100\nFrom: {}\nTo: bewerbung@acme-werke.example\nSubject: {}\nUser-Agent: Mutt/2.2.9\n\n{}\n\n----- End forwarded message -----\n",
        o.mailbox(),
        o.mailbox(),
        o.subject,
        o.letter
    ))
}
