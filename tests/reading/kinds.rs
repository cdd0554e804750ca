//! Every kind of mail.
// SPDX-License-Identifier: GPL-3.0-or-later

use recruit_milter::policy::kind::Kind;

use crate::cases::COLLEAGUE;
use crate::compose::{Encoding, Part, body, message};
use crate::score::{Case, Client, Truth};
use crate::traps::{block, case, lena};

/// Kind, author, subject, further fields, envelope sender, body, truth.
type Row<'a> = (Kind, &'a str, &'a str, &'a str, Option<&'static str>, &'a Part, Truth);

pub(crate) fn kinds() -> Vec<Case> {
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
