//! Who the applicant is: nobody of the company's own is ever named, nobody whose address does not
//! stand in the message, nobody but its author for an outsider's; and all that is said is one line
//! within bounds.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::cell::LazyCell;
use std::ops::Deref;

use recruit_milter::mail::Message;
use recruit_milter::mail::domain::domain_key;
use recruit_milter::mail::mailbox::Mailbox;
use recruit_milter::policy::applicant::{
    BodyNeed, Confidence, Context, Evidence, Reading, Source, Verdict, needs_body, read,
};
use recruit_milter::policy::kind::{How, Kind};
use recruit_milter::policy::rules::Rules;

use super::haystack::Haystack;
use super::header::is_a_mailbox;
use super::{INBOUND, INTERNAL, RECRUITING, rules};

/// How much of a body is read here; large enough for every seed.
const LIMIT: usize = 256 * 1024;

pub fn check(bytes: &[u8]) {
    thread_local! {
        static RULES: (Rules, Vec<Verdict>) = (rules(), Verdict::usual());
    }
    RULES.with(|(rules, verdicts)| {
        let message = Message::parse(bytes);
        let haystack = LazyCell::new(|| Haystack::new(&message));
        for (login, sender) in [
            (true, Some("sabine@acme-werke.example")),
            (false, Some("lena@post.example")),
            (false, Some("")),
        ] {
            let context = Context {
                rules,
                evidence: Evidence { login, internal_client: false },
                sender,
                probe: false,
                verdicts,
                boards: &[],
                limit: LIMIT,
            };
            holds(&message, &haystack, &context);
        }
    });
}

fn holds(message: &Message, haystack: &impl Deref<Target = Haystack>, context: &Context<'_>) {
    let Message { header, body, .. } = message;
    let reading = read(header, body, false, context);
    is_sound(&reading, context.evidence.login);
    for applicant in &reading.applicants {
        is_nobody_of_ours(&applicant.mailbox);
        if reading.trusted_forwarder {
            haystack.assert_holds(&applicant.mailbox, reading.kind);
        } else {
            // Whatever it quotes, an outsider's mail is the outsider's.
            let header = Message { header: header.clone(), ..Message::default() };
            Haystack::new(&header).assert_holds(&applicant.mailbox, reading.kind);
        }
    }
    match needs_body(header, context) {
        // What is not asked for must not matter.
        BodyNeed::Nothing => {
            assert_eq!(read(header, b"", false, context), reading);
            assert_eq!(read(header, b"", true, context), reading);
        }
        BodyNeed::FirstChunk => assert!(!reading.trusted_forwarder),
        BodyNeed::UpTo(limit) => {
            assert!(context.evidence.login && limit == LIMIT);
            let half = &body[..body.len() / 2];
            for (body, truncated) in [(&body[..], true), (half, true)] {
                let reading = read(header, body, truncated, context);
                is_sound(&reading, true);
                reading.applicants.iter().for_each(|a| is_nobody_of_ours(&a.mailbox));
            }
        }
    }
}

/// What holds for every answer.
fn is_sound(reading: &Reading, login: bool) {
    assert_eq!(Kind::parse(reading.kind.word()), Some(reading.kind));
    assert!(reading.applicants.len() <= 64 * 41, "{} applicants", reading.applicants.len());
    assert!(reading.applicants.len() < 2 || reading.needs_review);
    assert_eq!(reading.applicant().is_some(), reading.applicants.len() == 1);
    for applicant in &reading.applicants {
        is_a_mailbox(&applicant.mailbox);
        let word = applicant.source.word();
        assert!(!word.is_empty() && !applicant.confidence.word().is_empty());
        let review = applicant.confidence == Confidence::Review;
        assert!(review == reading.needs_review, "{reading:#?}");
        let unwrapped = matches!(applicant.source, Source::Inline | Source::Attached);
        assert!(reading.trusted_forwarder || !unwrapped, "{reading:#?}");
        // Each once.
        let key = applicant.mailbox.key();
        assert_eq!(reading.applicants.iter().filter(|a| a.mailbox.key() == key).count(), 1);
    }
    assert!(login || !reading.trusted_forwarder);
    assert!(!matches!(reading.kind, Kind::Forward(_)) || reading.trusted_forwarder);
    let quiet = matches!(reading.kind, Kind::Forward(How::Inline)) && reading.applicants.is_empty();
    assert!(!quiet || reading.needs_review, "{reading:#?}");
    let original = reading.original.iter();
    for text in original.flat_map(|o| [&o.subject, &o.date]).flatten() {
        assert!(text.chars().all(|c| !c.is_control() || c == '\t'), "{text:?}");
        assert!(text.len() <= 16 * 1024, "{} bytes", text.len());
    }
    assert!(!reading.clues.is_empty() && reading.clues.len() < 10_000);
    for clue in &reading.clues {
        assert!(clue.lines.is_none_or(|(first, last)| 0 < first && first <= last));
        assert!(!clue.to_string().is_empty());
    }
}

fn is_nobody_of_ours(mailbox: &Mailbox) {
    let domain = domain_key(mailbox.domain());
    assert!(domain != INTERNAL && !domain.ends_with(&format!(".{INTERNAL}")), "{mailbox}");
    let key = mailbox.key();
    assert!(key != INBOUND && !RECRUITING.contains(&key.as_str()), "{mailbox}");
}
