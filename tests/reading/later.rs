//! Programs that were written down after the rules were made: what the rules do with forwards that
//! they never saw.
// SPDX-License-Identifier: GPL-3.0-or-later

use crate::clients::{
    ClientRow, Original, Written, both, fields, lines_html, only, only_text, outlook_fields,
    p_html, row, separated,
};
use crate::compose::escape;
use crate::words::Words;

/// All of them.
pub(crate) const LATER: &[ClientRow] = &[
    only("GroupWise", groupwise, &["de", "en", "nl"], "Fwd"),
    only("Yandex", yandex, &["ru", "uk", "en"], "Fwd"),
    only("Mail.ru", mail_ru, &["ru"], "Fwd"),
    only("NetEase", netease, &["zh-CN", "en"], "Fw"),
    only("QQ", qq, &["zh-CN"], "转发"),
    only("Naver", naver, &["ko"], "Fwd"),
    only("The Bat!", the_bat, &["en", "ru"], "Fwd"),
    row("Claws", claws, "Fw"),
    row("Fastmail", fastmail, "Fwd"),
    row("Spark", spark, "Fwd"),
    row("AOL", aol, "Fwd"),
    row("iCloud web", icloud, "Fwd"),
    row("FairEmail", fairemail, "Fwd"),
    row("K-9", k9, "Fwd"),
    row("Mailbird", mailbird, "Fwd"),
    row("Zoho", zoho, "Fwd"),
    row("Front", front, "Fwd"),
    row("Outlook, one label per paragraph", outlook_paragraphs, "-"),
    row("Outlook, table in HTML", outlook_table, "-"),
    row("T-Online", t_online, "Fwd"),
];

fn groupwise(_: &Words, o: &Original, comment: &str) -> Written {
    only_text(format!(
        "{comment}\n\n>>> {} <{}> 03.03.2025 10:15 >>>\n{}\n",
        o.name, o.address, o.letter
    ))
}

fn yandex(w: &Words, o: &Original, comment: &str) -> Written {
    let sep = match w.code {
        "ru" => "Пересылаемое сообщение",
        "uk" => "Пересилане повідомлення",
        _ => "Forwarded message",
    };
    let html = format!(
        "<div>{}</div><div>-------- {sep} --------</div><div>03.03.2025, 10:15, \"{}\" &lt;<a href=\"mailto:{a}\">{a}</a>&gt;:</div><div> </div>{}<div>-------- \u{417}\u{430}\u{432}\u{435}\u{440}\u{448}\u{435}\u{43d}\u{438}\u{435} --------</div>",
        escape(comment),
        escape(&o.name),
        lines_html(&o.letter),
        a = o.address
    );
    both(
        format!(
            "{comment}\n\n-------- {sep} --------\n03.03.2025, 10:15, \"{}\" <{}>:\n\n{}\n",
            o.name, o.address, o.letter
        ),
        html,
    )
}

fn mail_ru(w: &Words, o: &Original, comment: &str) -> Written {
    let list = fields(
        w.gap,
        &[
            ("От", &o.mailbox()),
            ("Кому", &o.to),
            ("Дата", "понедельник, 3 марта 2025, 10:15 +03:00"),
            ("Тема", &o.subject),
        ],
    );
    separated("-------- Пересылаемое сообщение --------", &list, o, comment)
}

fn netease(w: &Words, o: &Original, comment: &str) -> Written {
    let labels = if w.code == "en" {
        ["From", "Date", "To", "Subject", "Forwarded Message"]
    } else {
        ["发件人", "发送日期", "收件人", "主题", "转发的消息"]
    };
    let [from, date, to, subject, sep] = labels;
    let html = format!(
        "<div>{}</div><br><blockquote id=\"isReplyContent\"><div>-------- {sep} --------</div><table><tr><td>{from}: </td><td>\"{}\" &lt;{}&gt;</td></tr><tr><td>{date}: </td><td>2025-03-03 10:15:42</td></tr><tr><td>{to}: </td><td>bewerbung@acme-werke.example</td></tr><tr><td>{subject}: </td><td>{}</td></tr></table>{}</blockquote>",
        escape(comment),
        escape(&o.name),
        o.address,
        escape(&o.subject),
        lines_html(&o.letter)
    );
    both(
        format!(
            "{comment}\n\n---- {sep} ----\n| {from} | {}<{}> |\n| {date} | 2025年03月03日 10:15 |\n| {to} | bewerbung@acme-werke.example |\n| {subject} | {} |\n\n{}\n",
            o.name, o.address, o.subject, o.letter
        ),
        html,
    )
}

fn qq(_: &Words, o: &Original, comment: &str) -> Written {
    let head = format!(
        "发件人: \"{}\"<{}>;\n发送时间: 2025年3月3日(星期一) 上午10:15\n收件人: \"bewerbung\"<bewerbung@acme-werke.example>;\n主题: {}\n",
        o.name, o.address, o.subject
    );
    let html = format!(
        "<div>{}</div><div><br></div><div style=\"font-size: 12px;\">------------------&nbsp;原始邮件&nbsp;------------------</div><div style=\"background:#efefef\"><div><b>发件人:</b>&nbsp;\"{}\"&lt;{}&gt;;</div><div><b>发送时间:</b>&nbsp;2025年3月3日(星期一) 上午10:15</div><div><b>收件人:</b>&nbsp;\"bewerbung\"&lt;bewerbung@acme-werke.example&gt;;</div><div></div><div><b>主题:</b>&nbsp;{}</div></div>{}",
        escape(comment),
        escape(&o.name),
        o.address,
        escape(&o.subject),
        lines_html(&o.letter)
    );
    both(
        format!(
            "{comment}\n\n------------------ 原始邮件 ------------------\n{head}\n{}\n",
            o.letter
        ),
        html,
    )
}

fn naver(_: &Words, o: &Original, comment: &str) -> Written {
    only_text(format!(
        "{comment}\n\n-----Original Message-----\nFrom: \"{}\" <{}>\nTo: <bewerbung@acme-werke.example>;\nCc:\nSent: 2025-03-03 (월) 10:15:42 (GMT+09:00)\nSubject: {}\n\n{}\n",
        o.name, o.address, o.subject, o.letter
    ))
}

fn the_bat(_: &Words, o: &Original, comment: &str) -> Written {
    only_text(format!(
        "{comment}\n\nThis is a forwarded message\nFrom: {}\nTo: bewerbung@acme-werke.example\nDate: Monday, March 3, 2025, 10:15:42 AM\nSubject: {}\n\n===8<==============Original message text===============\n{}\n===8<===========End of original message text===========\n",
        o.mailbox(),
        o.subject,
        o.letter
    ))
}

fn claws(w: &Words, o: &Original, comment: &str) -> Written {
    let [_, subject, date, from, to] = w.thunderbird;
    only_text(format!(
        "{comment}\n\n\nBegin forwarded message:\n\n{date}: Mon, 3 Mar 2025 10:15:42 +0100\n{from}: {}\n{to}: bewerbung@acme-werke.example\n{subject}: {}\n\n\n{}\n",
        o.mailbox(),
        o.subject,
        o.letter
    ))
}

fn fastmail(w: &Words, o: &Original, comment: &str) -> Written {
    let [from, _, to, subject] = w.outlook;
    let list = [
        (from, o.mailbox()),
        (to, o.to.clone()),
        (subject, o.subject.clone()),
        (w.thunderbird[2], o.date.clone()),
    ];
    let html: String =
        list.iter().map(|(l, v)| format!("<div>{l}{}: {}</div>", w.gap, escape(v))).collect();
    let text: String = list.iter().map(|(l, v)| format!("{l}{}: {v}\n", w.gap)).collect();
    both(
        format!("{comment}\n\n----- {} -----\n{text}\n{}\n", w.original, o.letter),
        format!(
            "<div>{}</div><div>----- {} -----</div>{html}<div><br></div>{}",
            escape(comment),
            w.original,
            lines_html(&o.letter)
        ),
    )
}

fn spark(w: &Words, o: &Original, comment: &str) -> Written {
    let [_, subject, date, from, to] = w.thunderbird;
    Written {
        text: None,
        html: Some(format!(
            "<html><body><div name=\"messageBodySection\">{}</div><div name=\"messageReplySection\">---------- {} ----------<br><b>{from}{}:</b> {} &lt;<a href=\"mailto:{a}\">{a}</a>&gt;<br><b>{date}{}:</b> {}<br><b>{to}{}:</b> bewerbung@acme-werke.example<br><b>{subject}{}:</b> {}<br><blockquote type=\"cite\">{}</blockquote></div></body></html>",
            lines_html(comment),
            w.thunderbird[0],
            w.gap,
            escape(&o.name),
            w.gap,
            o.date,
            w.gap,
            w.gap,
            escape(&o.subject),
            lines_html(&o.letter),
            a = o.address
        )),
    }
}

fn aol(w: &Words, o: &Original, comment: &str) -> Written {
    let [from, sent, to, subject] = w.outlook;
    Written {
        text: None,
        html: Some(format!(
            "<div style=\"color:black\">{}<br><br>-----{}-----<br>{from}{g}: {} &lt;{}&gt;<br>{to}{g}: bewerbung@acme-werke.example &lt;bewerbung@acme-werke.example&gt;<br>{sent}{g}: {}<br>{subject}{g}: {}<br><br>{}</div>",
            escape(comment),
            w.original,
            escape(&o.name),
            o.address,
            o.date,
            escape(&o.subject),
            lines_html(&o.letter),
            g = w.gap
        )),
    }
}

fn icloud(w: &Words, o: &Original, comment: &str) -> Written {
    let [begin, from, subject, date, to] = w.apple;
    Written {
        text: None,
        html: Some(format!(
            "<html><body><div>{}</div><div><br>{begin}:<br><br><blockquote type=\"cite\"><div><b>{from}: </b>{} &lt;{}&gt;</div><div><b>{date}: </b>{}</div><div><b>{to}: </b>bewerbung@acme-werke.example</div><div><b>{subject}: </b>{}</div><div><br></div>{}</blockquote></div></body></html>",
            escape(comment),
            escape(&o.name),
            o.address,
            o.date,
            escape(&o.subject),
            lines_html(&o.letter)
        )),
    }
}

fn fairemail(w: &Words, o: &Original, comment: &str) -> Written {
    let [_, subject, date, from, to] = w.thunderbird;
    Written {
        text: None,
        html: Some(format!(
            "<html><body><div>{}</div><div fairemail=\"reference\"><p><strong>{from}{g}:</strong> {} &lt;{}&gt;<br><strong>{to}{g}:</strong> bewerbung@acme-werke.example<br><strong>{date}{g}:</strong> {}<br><strong>{subject}{g}:</strong> {}</p><blockquote>{}</blockquote></div></body></html>",
            escape(comment),
            escape(&o.name),
            o.address,
            o.date,
            escape(&o.subject),
            lines_html(&o.letter),
            g = w.gap
        )),
    }
}

fn k9(w: &Words, o: &Original, comment: &str) -> Written {
    let [from, sent, to, subject] = w.outlook;
    let list =
        fields(w.gap, &[(from, &o.mailbox()), (sent, &o.date), (to, &o.to), (subject, &o.subject)]);
    separated(&format!("-------- {} --------", w.original), &list, o, comment)
}

fn mailbird(w: &Words, o: &Original, comment: &str) -> Written {
    let [_, subject, date, from, to] = w.thunderbird;
    let line = |l: &str, v: &str| {
        format!(
            "<div><span style=\"font-weight:bold\">{l}{}:</span>\n   <span>{}</span></div>\n",
            w.gap,
            escape(v)
        )
    };
    Written {
        text: None,
        html: Some(format!(
            "<html><body>{}<br><div>------ {} ------</div>{}{}{}{}<br>{}</body></html>",
            lines_html(comment),
            w.thunderbird[0],
            line(from, &o.mailbox()),
            line(to, &o.to),
            line(date, &o.date),
            line(subject, &o.subject),
            lines_html(&o.letter)
        )),
    }
}

fn zoho(w: &Words, o: &Original, comment: &str) -> Written {
    let [sep, subject, date, from, to] = w.thunderbird;
    Written {
        text: None,
        html: Some(format!(
            "<div>{}</div><div>============ {sep} ============<br>{from} : {} &lt;{}&gt;<br>{to} : &lt;bewerbung@acme-werke.example&gt;<br>{date} : {}<br>{subject} : {}<br>============ {sep} ============<br></div><blockquote>{}</blockquote>",
            escape(comment),
            escape(&o.name),
            o.address,
            o.date,
            escape(&o.subject),
            lines_html(&o.letter)
        )),
    }
}

fn front(w: &Words, o: &Original, comment: &str) -> Written {
    let [_, subject, date, from, to] = w.thunderbird;
    let list =
        fields(w.gap, &[(from, &o.mailbox()), (date, &o.date), (subject, &o.subject), (to, &o.to)]);
    let quoted: String =
        format!("---------- {} ----------\n{list}\n{}", w.thunderbird[0], o.letter)
            .lines()
            .map(|l| format!("> {l}\n"))
            .collect();
    only_text(format!("{comment}\n\n{quoted}"))
}

fn outlook_paragraphs(w: &Words, o: &Original, comment: &str) -> Written {
    let mailbox = o.mailbox();
    let list = outlook_fields(w, o, &mailbox);
    let text: String = list.iter().map(|(l, v)| format!("{l}{}: {v}\n\n", w.gap)).collect();
    let rows: String = list
        .iter()
        .map(|(l, v)| format!("<p><strong>{l}{}:</strong> {}</p>", w.gap, escape(v)))
        .collect();
    both(
        format!("{comment}\n\n\n{text}\n{}\n", o.letter),
        format!("<body>{}<hr>{rows}{}</body>", p_html(comment), p_html(&o.letter)),
    )
}

fn outlook_table(w: &Words, o: &Original, comment: &str) -> Written {
    let mailbox = o.mailbox();
    let rows: String = outlook_fields(w, o, &mailbox)
        .iter()
        .map(|(l, v)| {
            format!("<tr><td><p><b>{l}{}:</b></p></td><td><p>{}</p></td></tr>", w.gap, escape(v))
        })
        .collect();
    Written {
        text: None,
        html: Some(format!(
            "<body>{}<table>{rows}</table>{}</body>",
            p_html(comment),
            p_html(&o.letter)
        )),
    }
}

fn t_online(w: &Words, o: &Original, comment: &str) -> Written {
    let [_, subject, date, from, to] = w.thunderbird;
    let list = [
        (subject, &*o.subject),
        (date, &*o.date),
        (from, &*o.mailbox()),
        (to, "\"bewerbung@acme-werke.example\" <bewerbung@acme-werke.example>"),
    ]
    .map(|(l, v)| (l.to_owned(), v.to_owned()));
    let text: String = list.iter().map(|(l, v)| format!("{l}{}: {v}\n", w.gap)).collect();
    only_text(format!("{comment}\n\n-----Original-Nachricht-----\n\n{text}\n\n{}\n", o.letter))
}
