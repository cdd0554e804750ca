//! What is not looked at, however long a mail is. (How long reading takes is measured in
//! `tests/bench/reading`.)
// SPDX-License-Identifier: GPL-3.0-or-later

use recruit_milter::mail::Message;
use recruit_milter::policy::applicant::{
    BodyNeed, Confidence, Context, Evidence, Verdict, needs_body, read,
};

use crate::cases::COLLEAGUE;
use crate::compose::Part;
use crate::score::{Client, reading, rules};

const LIMIT: usize = 100_000;

fn with_limit<T>(use_it: impl FnOnce(&Context<'_>) -> T) -> T {
    let (rules, verdicts) = (rules(), Verdict::usual());
    use_it(&Context {
        rules: &rules,
        evidence: Evidence { login: true, internal_client: false },
        sender: Some("sabine@acme-werke.example"),
        probe: false,
        verdicts: &verdicts,
        boards: &[],
        limit: LIMIT,
    })
}

#[test]
fn a_mail_of_20_mb_is_read_up_to_the_limit_only() {
    let block = "Von: Lena <lena@post.example>\nAn: x\nBetreff: y\n\n";
    let later = "-------- Weitergeleitete Nachricht --------\nVon: Eva <eva@decoy.example>\nAn: x\nBetreff: y\n\n";
    let line = "Sehr geehrte Damen und Herren, hiermit bewerbe ich mich.\n";
    let head = format!("From: {COLLEAGUE}\nSubject: WG: y\n\n{block}");
    let mail = |lines: usize| format!("{head}{}{later}", line.repeat(lines));
    let (short, long) = (mail(100), mail(20_000_000 / line.len()));
    with_limit(|context| {
        let message = Message::parse(long.as_bytes());
        assert_eq!(needs_body(&message.header, context), BodyNeed::UpTo(LIMIT));
        let seen = read(&message.header, &message.body, true, context);
        assert_eq!(seen, read(&message.header, &message.body[..LIMIT], true, context));
        let names: Vec<_> = seen.applicants.iter().map(|a| a.mailbox.address()).collect();
        assert_eq!(names, ["lena@post.example"]);
        // In a mail that is short enough the second one is seen.
        let message = Message::parse(short.as_bytes());
        let seen = read(&message.header, &message.body, false, context);
        assert!(seen.needs_review, "{seen:?}");
    });
}

#[test]
fn an_outsiders_mail_is_not_read_at_all() {
    with_limit(|context| {
        let mail =
            "From: Lena <lena@post.example>\nSubject: WG: Bewerbung\nContent-Type: text/html\n\n";
        let header = Message::parse(mail.as_bytes()).header;
        assert_eq!(needs_body(&header, context), BodyNeed::Nothing);
    });
}

#[test]
fn of_a_crowd_of_authors_a_few_are_named_and_somebody_has_to_look() {
    let attached = |m: usize| {
        let authors: String = (0..60).map(|n| format!("p{m}.{n}@post.example,")).collect();
        Part::message(&format!("From: {authors}\n\nx\n"))
    };
    let parts: Vec<_> = (0..38).map(attached).collect();
    let wrap = |part: &Part| {
        format!(
            "From: {COLLEAGUE}\nSubject: WG: x\nMIME-Version: 1.0\n{}\n{}",
            part.header, part.body
        )
    };
    let crowd = Part::multi("mixed", &parts);
    let inside: Vec<_> = (0..20).map(|_| Part::message(&wrap(&crowd))).collect();
    for mail in [wrap(&crowd), wrap(&Part::multi("mixed", &inside))] {
        let reading = reading(mail.as_bytes(), Client::Inside, None);
        assert!(reading.needs_review);
        assert!((2..200).contains(&reading.applicants.len()), "{}", reading.applicants.len());
        assert!(reading.applicants.iter().all(|a| a.confidence == Confidence::Review));
        assert!(reading.clues.len() < 300, "{} clues", reading.clues.len());
    }
}
