//! The mails that the tests of reading send, as clients write them.
// SPDX-License-Identifier: GPL-3.0-or-later

/// A colleague.
pub(super) const SABINE: &str = "Sabine Vogel <sabine@acme.example>";

/// Line ends as they are on the wire.
pub(super) fn wire(text: &str) -> String {
    text.replace('\n', "\r\n")
}

/// An Outlook forward in German, as text and as HTML. The applicant's name is not ASCII.
pub(super) fn outlook(from: &str, applicant: &str) -> String {
    wire(&format!(
        "From: {from}
To: Bewerbung <jobs@acme.example>
Subject: WG: Bewerbung als Tischler
Date: Mon, 03 Mar 2025 11:02:17 +0100
Message-ID: <000a01db8c23$f1a0$@acme.example>
X-Mailer: Microsoft Outlook 16.0
MIME-Version: 1.0
Content-Type: multipart/alternative;
\tboundary=\"----=_NextPart_000_000B\"
Content-Language: de

This is a multipart message in MIME format.

------=_NextPart_000_000B
Content-Type: text/plain; charset=\"utf-8\"
Content-Transfer-Encoding: quoted-printable

Hallo zusammen,

bitte ansehen, klingt gut.

Viele Gr=C3=BC=C3=9Fe
Sabine

Von: J=C3=B6rg M=C3=BCller <{applicant}>=20
Gesendet: Montag, 3. M=C3=A4rz 2025 10:14
An: Sabine Vogel <sabine@acme.example>
Betreff: Bewerbung als Tischler

Sehr geehrte Frau Vogel,

anbei meine Bewerbung.

J=C3=B6rg M=C3=BCller

------=_NextPart_000_000B
Content-Type: text/html; charset=\"utf-8\"
Content-Transfer-Encoding: quoted-printable

<html><body lang=3DDE><div class=3DWordSection1><p class=3DMsoNormal>Hallo =
zusammen,</p><p class=3DMsoNormal>bitte ansehen, klingt gut.</p><p class=3D=
MsoNormal>Viele Gr=C3=BC=C3=9Fe<br>Sabine</p><div><div style=3D'border:none=
;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0cm 0cm 0cm'><p class=3DMsoNo=
rmal><b>Von:</b> J=C3=B6rg M=C3=BCller &lt;{applicant}&gt; <br=
><b>Gesendet:</b> Montag, 3. M=C3=A4rz 2025 10:14<br><b>An:</b> Sabine Voge=
l &lt;sabine@acme.example&gt;<br><b>Betreff:</b> Bewerbung als Tischler</p>=
</div></div><p class=3DMsoNormal>Sehr geehrte Frau Vogel,</p><p class=3DMso=
Normal>anbei meine Bewerbung.</p><p class=3DMsoNormal>J=C3=B6rg M=C3=BCller=
</p></div></body></html>

------=_NextPart_000_000B--
"
    ))
}

/// A Gmail forward in English, text only.
pub(super) fn gmail(from: &str, applicant: &str) -> String {
    wire(&format!(
        "From: {from}
To: jobs@acme.example
Subject: Fwd: Application
Date: Mon, 03 Mar 2025 11:02:17 +0100
Message-ID: <CAF1z8+x@mail.acme.example>
MIME-Version: 1.0
Content-Type: text/plain; charset=\"UTF-8\"

FYI

---------- Forwarded message ---------
From: Max Muster <{applicant}>
Date: Mon, 3 Mar 2025 at 10:14
Subject: Application
To: <sabine@acme.example>


Dear Ms Vogel,

please find attached my application.

Max Muster
"
    ))
}

/// A forward as Thunderbird attaches it.
pub(super) fn attached(from: &str, applicant: &str) -> String {
    wire(&format!(
        "From: {from}
To: jobs@acme.example
Subject: Fwd: Candidature
Date: Mon, 03 Mar 2025 11:02:17 +0100
Message-ID: <5e0c@acme.example>
User-Agent: Mozilla Thunderbird
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=\"------------0Ab1\"

This is a multi-part message in MIME format.
--------------0Ab1
Content-Type: text/plain; charset=UTF-8; format=flowed
Content-Transfer-Encoding: 7bit

see attachment
--------------0Ab1
Content-Type: message/rfc822; name=\"Candidature.eml\"
Content-Disposition: attachment; filename=\"Candidature.eml\"
Content-Transfer-Encoding: 7bit

From: =?utf-8?Q?=C3=89lo=C3=AFse_Marchand?= <{applicant}>
To: sabine@acme.example
Subject: Candidature
Date: Mon, 3 Mar 2025 10:14:00 +0100
Message-ID: <1@mail.example>
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8

Bonjour,
..
From me
--------------0Ab1--
"
    ))
}

/// A vacation notice of Exchange.
pub(super) const AUTO_REPLY: &str = "\
From: Erika <erika@example.org>
To: jobs@acme.example
Subject: Automatische Antwort: Ihre Bewerbung
Message-ID: <away@example.org>
Auto-Submitted: auto-replied
X-Auto-Response-Suppress: All

Ich bin bis zum 14. im Urlaub.
";

/// A bounce of another Postfix.
pub(super) const BOUNCE: &str = "\
From: MAILER-DAEMON@mx.example.org (Mail Delivery System)
To: jobs@acme.example
Subject: Undelivered Mail Returned to Sender
Message-ID: <bounce@mx.example.org>
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status;
\tboundary=\"b1\"

--b1

I'm sorry to have to inform you that your message could not be delivered.

--b1
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.org

Final-Recipient: rfc822; nobody@example.org
Action: failed
Status: 5.1.1

--b1--
";

/// A newsletter.
pub(super) const NEWSLETTER: &str = "\
From: HR Weekly <news@hr-weekly.example>
To: jobs@acme.example
Subject: Ten tips for recruiters
Message-ID: <news@hr-weekly.example>
List-Id: <weekly.hr-weekly.example>
List-Unsubscribe: <https://hr-weekly.example/u>
Precedence: bulk

Tip 1
";

/// Spam, as a filter marked it.
pub(super) const SPAM: &str = "\
X-Spam-Flag: YES
From: Winner <win@spam.example>
To: jobs@acme.example
Subject: You won
Message-ID: <spam@spam.example>

Click
";

/// A confirmation that somebody has to give.
pub(super) const CONFIRMATION: &str = "\
From: Gmail Team <forwarding-noreply@google.com>
To: jobs@acme.example
Subject: (#123456789) Gmail Forwarding Confirmation - Receive Mail from hr@gmail.com
Message-ID: <confirm@google.com>

Click this link to confirm.
";

/// An invitation to a meeting.
pub(super) const INVITATION: &str = "\
From: Erika <erika@example.org>
To: jobs@acme.example
Subject: Interview
Message-ID: <meet@example.org>
MIME-Version: 1.0
Content-Type: multipart/alternative; boundary=\"b2\"

--b2
Content-Type: text/plain

Interview
--b2
Content-Type: text/calendar; charset=utf-8; method=REQUEST

BEGIN:VCALENDAR
METHOD:REQUEST
END:VCALENDAR
--b2--
";
