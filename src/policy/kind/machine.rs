//! What shows that a machine wrote a message: reports, automatic answers, lists, calendars, requests
//! to confirm something.
//!
//! Each function names the first sign it finds; what a sign is worth is told in
//! [`evidence`](super::evidence). Must not know who is known to us.
// SPDX-License-Identifier: GPL-3.0-or-later

use super::Verdict;
use super::evidence::Sign;
use super::words::{
    AUTOMATIC, AWAY, AWAY_INSIDE, AWAY_WORDS, CONFIRMATIONS, CONFIRMERS, MACHINES, UNDELIVERABLE,
};
use crate::mail::header::{Header, relaxed};
use crate::mail::mime::{Part, Typed};
use crate::mail::text::{head, tail};
use crate::policy::applicant::fold;

/// A field body for comparing: one line, lower case, bounded.
fn lower(header: &Header, name: &str) -> String {
    header.first(name).map_or_else(String::new, |f| {
        let body = relaxed(&f.body[..f.body.len().min(4096)]);
        String::from_utf8_lossy(&body).to_lowercase()
    })
}

fn has(header: &Header, name: &str) -> bool {
    header.first(name).is_some()
}

/// Exchange Online's field, which it writes for both directions.
const FOREFRONT: &str = "X-Forefront-Antispam-Report";

/// Whether a trusted filter took the message for spam, and by which field.
pub(in crate::policy) fn spam<'a>(header: &Header, verdicts: &'a [Verdict]) -> Option<&'a Verdict> {
    verdicts.iter().find(|v| {
        header.all(&v.field).take(100).any(|f| {
            let body = relaxed(&f.body[..f.body.len().min(4096)]);
            let body = String::from_utf8_lossy(&body).to_lowercase();
            // Exchange Online on what leaves another company: no filter of ours has said that.
            let is_foreign = v.field.eq_ignore_ascii_case(FOREFRONT) && body.contains("dir:out");
            !is_foreign && body.starts_with(&v.begins) && body.contains(&v.holds)
        })
    })
}

/// Reports by machines about mail. `null` tells whether the envelope sender is the null sender.
pub(in crate::policy) fn bounce(header: &Header, local_part: &str, null: bool) -> Option<Sign> {
    let content_type =
        header.first("Content-Type").map(|f| Typed::parse(&f.body)).unwrap_or_default();
    if content_type.word == "multipart/report" {
        return match content_type.parameter("report-type").map(str::to_lowercase).as_deref() {
            Some("disposition-notification") => Some(Sign::ReadReceipt),
            Some("feedback-report") => Some(Sign::ComplaintReport),
            _ => Some(Sign::DeliveryReport),
        };
    }
    if has(header, "X-Failed-Recipients") {
        return Some(Sign::FailedRecipients);
    }
    if ["X-MDDSN-Message", "X-Ricevuta"].iter().any(|f| has(header, f)) {
        return Some(Sign::SystemReport);
    }
    let subject = header.text("Subject").unwrap_or_default().to_lowercase();
    let machine = is_machine(local_part);
    let failed = UNDELIVERABLE.iter().any(|s| subject.starts_with(s));
    let about = subject.starts_with("report domain:") || subject.contains("report domain: {");
    if about && subject.contains("submitter:") {
        return Some(Sign::DmarcReport);
    }
    // Nobody writes as this.
    let daemon = local_part.eq_ignore_ascii_case("mailer-daemon");
    match (machine, failed, null) {
        (true, true, _) => Some(Sign::Bounced),
        (false, true, true) => Some(Sign::NullSender),
        (true, false, true) => Some(Sign::SystemReport),
        _ if daemon => Some(Sign::SystemReport),
        _ => None,
    }
}

/// Whether a local-part is that of a mail system, as which nobody writes.
pub(in crate::policy) fn is_machine(local_part: &str) -> bool {
    MACHINES.iter().any(|m| local_part.eq_ignore_ascii_case(m))
}

/// qmail's reports have no type of their own: they are known by their first line (QSBMF).
pub(in crate::policy) fn is_qmail_bounce(body: &[u8]) -> bool {
    body.trim_ascii_start().starts_with(b"Hi. This is the ")
        && body[..body.len().min(200)]
            .windows(13)
            .any(|w| w.starts_with(b"qmail-") || w == b"deliver your ")
}

/// What is known of a message before one asks whether a machine answered by it.
#[derive(Clone, Copy, Debug)]
pub(in crate::policy) struct Answer {
    /// A job board or a form wrote: their mail is automatic too.
    pub board: bool,
    /// The subject says that something was forwarded.
    pub passed_on: bool,
    /// A rule of somebody else's mailbox sent it on ([`is_redirected`]).
    pub redirected: bool,
}

/// Replies by machines.
pub(in crate::policy) fn auto_reply(header: &Header, known: Answer) -> Option<Sign> {
    let submitted = lower(header, "Auto-Submitted");
    let word = submitted.split([';', ' ', '(']).next().unwrap_or_default();
    if matches!(word, "auto-replied" | "auto-notified") {
        return Some(Sign::AutoReplied);
    }
    if says_reply(header) {
        return Some(Sign::ReplyField);
    }
    if ["Precedence", "X-Precedence"]
        .iter()
        .any(|f| matches!(lower(header, f).as_str(), "auto_reply" | "auto-reply" | "autoreply"))
    {
        return Some(Sign::PrecedenceReply);
    }
    // A rule of a mailbox answers or forwards.
    let rule = lower(header, "X-MS-Exchange-Generated-Message-Source").contains("rules agent");
    if rule && !known.passed_on && !known.redirected {
        return Some(Sign::ReplyField);
    }
    let suppress = has(header, "X-Auto-Response-Suppress") && !known.redirected;
    let generated = word == "auto-generated" && !known.redirected;
    if !known.passed_on
        && let Some(sign) = away(header, suppress || generated)
    {
        return Some(sign);
    }
    let answers = has(header, "In-Reply-To") || has(header, "X-Loop");
    if !known.board && answers && lower(header, "Precedence") == "junk" {
        return Some(Sign::JunkAnswer);
    }
    // What a web form or a job board sends is generated too, but has the application attached.
    let mixed = header
        .first("Content-Type")
        .is_some_and(|f| Typed::parse(&f.body).word == "multipart/mixed");
    (generated && !known.board && !mixed && !known.passed_on).then_some(Sign::AutoGenerated)
}

/// Fields that only answering programs write.
fn says_reply(header: &Header) -> bool {
    let fields = [
        "X-Autoreply",
        "X-Autorespond",
        "X-Autoresponder",
        "X-AutoReply-From",
        "X-Mail-Autoreply",
        "X-Vacation",
    ];
    fields.iter().any(|field| has(header, field) && lower(header, field) != "no")
        || lower(header, "X-Mailer").contains("autoresponder")
        || lower(header, "X-POST-MessageClass").contains("autoresponder")
}

/// A subject that says that somebody is away. `marked` tells whether a field says so too.
fn away(header: &Header, marked: bool) -> Option<Sign> {
    let subject = header.text("Subject").unwrap_or_default().to_lowercase();
    // A helpdesk repeats the subject of what it was asked.
    if !marked && has(header, "X-Original-From") {
        return None;
    }
    let folded = fold(&subject.chars().take(200).collect::<String>());
    let automatic =
        AUTOMATIC.iter().any(|s| subject.starts_with(s) || folded.starts_with(&fold(s)))
            || AWAY_INSIDE.iter().any(|s| subject.contains(s) && subject.len() < 200);
    if automatic {
        return Some(Sign::AwaySubject);
    }
    let longer = marked || has(header, "Precedence");
    let said = AWAY.iter().any(|s| subject.starts_with(s))
        || AWAY_WORDS
            .iter()
            .any(|s| subject.strip_prefix(s).is_some_and(|rest| ends(rest, longer)));
    said.then_some(if marked { Sign::AwaySubject } else { Sign::AwayWords })
}

/// Whether a rule of a mailbox other than the author's sent a message on: it is the author's still.
pub(in crate::policy) fn is_redirected(header: &Header, author: &str) -> bool {
    let other = |name: &str| {
        let body = lower(header, name);
        body.contains('@') && !author.is_empty() && !body.contains(author)
    };
    other("X-MS-Exchange-Inbox-Rules-Loop") || other("Resent-From") || has(header, "$AutoForward")
}

/// Whether a word that says that somebody is away ends here, and with it what the subject says; a
/// field beside it makes a longer one good enough.
fn ends(rest: &str, marked: bool) -> bool {
    match rest.trim_start().chars().next() {
        None | Some(':' | '：' | '!') => true,
        Some(_) => marked && rest.starts_with([' ', '-', '(']),
    }
}

/// Calendar mail, as far as the header tells.
pub(in crate::policy) fn calendar(header: &Header) -> Option<Sign> {
    let class = lower(header, "Content-Class");
    let typed = header.first("Content-Type").map(|f| Typed::parse(&f.body)).unwrap_or_default();
    let meant = class == "urn:content-classes:calendarmessage" || typed.word == "text/calendar";
    meant.then_some(Sign::CalendarMail)
}

/// A calendar part that wants to be acted on (RFC 6047).
pub(in crate::policy) fn calendar_part<'p>(parts: &'p [Part<'_>]) -> Option<(&'p Part<'p>, Sign)> {
    let part = parts.iter().find(|p| {
        p.content_type.word == "text/calendar"
            && p.content_type.parameter("method").is_some()
            && !p.is_attachment()
    })?;
    Some((part, Sign::CalendarPart))
}

/// Mail in which somebody has to confirm something.
pub(in crate::policy) fn confirmation(
    header: &Header,
    address: &str,
    machine: bool,
) -> Option<Sign> {
    let subject = header.text("Subject").unwrap_or_default().to_lowercase();
    if CONFIRMERS.iter().any(|c| address.eq_ignore_ascii_case(c)) {
        return Some(Sign::ForwardingConfirmation);
    }
    let about =
        CONFIRMATIONS.iter().any(|(verb, noun)| holds(&subject, verb) && holds(&subject, noun));
    (about && machine).then_some(Sign::ConfirmationWords)
}

/// Mailing lists and newsletters. `own` tells whether a field names a list of the company, `alike`
/// whether it names one that could be: a group of the company's that is hosted elsewhere.
pub(in crate::policy) fn list(
    header: &Header,
    own: impl Fn(&str) -> bool,
    alike: impl Fn(&str) -> bool,
) -> Option<Sign> {
    if let Some(id) = ["List-Id", "List-Post"].iter().find(|f| has(header, f)) {
        let id = lower(header, id);
        return match (own(&id), has(header, "List-Post") && !alike(&id)) {
            (true, _) => None,
            (false, true) => Some(Sign::ForeignList),
            (false, false) => Some(Sign::ListId),
        };
    }
    if has(header, "List-Unsubscribe") {
        return Some(Sign::ListUnsubscribe);
    }
    let precedence = lower(header, "Precedence");
    if precedence == "list" {
        return Some(Sign::PrecedenceList);
    }
    let bulk = precedence == "bulk" || precedence == "junk";
    let mailer = [
        "X-Campaign",
        "X-CampaignId",
        "X-Campaign-Id",
        "X-Mailchimp-Campaign",
        "X-MC-User",
        "Feedback-ID",
        "X-CSA-Complaints",
        "X-Newsletter",
    ];
    (bulk && mailer.iter().any(|f| has(header, f))).then_some(Sign::Campaign)
}

/// Whether a text holds another. A space at either end of what is looked for stands for the
/// beginning or end of a word.
fn holds(text: &str, wanted: &str) -> bool {
    let word = wanted.trim_matches(' ');
    text.match_indices(word).any(|(at, _)| {
        let before = head(text, at).chars().next_back();
        let after = tail(text, at + word.len()).chars().next();
        let free = |neighbour: Option<char>| neighbour.is_none_or(|c| !c.is_alphanumeric());
        (!wanted.starts_with(' ') || free(before)) && (!wanted.ends_with(' ') || free(after))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_where_they_begin_and_end() {
        assert!(holds("ativar conta", " ativ") && holds("a conta!", "conta "));
        assert!(!holds("administrativo", " ativ") && !holds("contabilidade", "conta "));
        assert!(holds("kontobestätigung", "bestätig"));
    }
}
