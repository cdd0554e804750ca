//! The two tables of `tests/outbound`, and what must hold for anything at all.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::cell::RefCell;
use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::mail::mailbox::MailboxList;

#[path = "../../../tests/outbound/table.rs"]
mod table;

use table::{Case, FORGERIES, LEGITIMATE, cases};

fn claims(fields: &[(Vec<u8>, Vec<u8>)]) -> Claims {
    let mut claims = Claims::default();
    for (name, body) in fields {
        claims.push(name, body);
    }
    claims
}

/// What the tables are written for.
fn allowed(address: &Address) -> bool {
    let key = address.as_str();
    let fixed = ["jobs@acme.example", "karriere@acme.example", "bewerbung@müller.example"];
    fixed.contains(&key) || (key.starts_with("jobs+") && address.domain() == "acme.example")
}

fn from(body: &str) -> Result<Identity, Violation> {
    claims(&[(b"From".to_vec(), body.as_bytes().to_vec())]).check(&allowed)
}

#[test]
fn no_forgery_passes() {
    let cases = cases(FORGERIES);
    assert!(cases.len() >= 60, "{}", cases.len());
    let passed: Vec<_> =
        cases.iter().filter(|c| claims(&c.fields).check(&allowed).is_ok()).collect();
    assert!(passed.is_empty(), "{passed:#?}");
}

#[test]
fn no_legitimate_mail_is_refused() {
    let cases = cases(LEGITIMATE);
    assert!(cases.len() >= 60, "{}", cases.len());
    let refused: Vec<_> = cases
        .iter()
        .filter_map(|c| Some((&c.title, claims(&c.fields).check(&allowed).err()?)))
        .collect();
    assert!(refused.is_empty(), "{refused:#?}");
}

#[test]
fn each_forgery_is_refused_for_what_is_wrong_with_it() {
    let mut others = Vec::new();
    for case in cases(FORGERIES) {
        let violation = claims(&case.fields).check(&allowed).unwrap_err();
        let (_, word) = case.title.rsplit_once(": ").unwrap();
        if violation.word() != word {
            others.push(format!("{}: {} ({violation})", case.title, violation.word()));
        }
    }
    assert!(others.is_empty(), "{others:#?}");
}

#[test]
fn a_reason_is_one_printable_line() {
    for case in cases(FORGERIES) {
        let detail = claims(&case.fields).check(&allowed).unwrap_err().detail();
        assert!(detail.chars().all(|c| c.is_ascii_graphic() || c == ' '), "{detail:?}");
        assert!(detail.len() < 1200, "{detail}");
    }
}

#[test]
fn titles_are_not_used_twice() {
    let mut titles: Vec<_> =
        cases(FORGERIES).into_iter().chain(cases(LEGITIMATE)).map(|c| c.title).collect();
    titles.sort();
    let all = titles.len();
    titles.dedup();
    assert_eq!(titles.len(), all);
}

#[test]
fn the_identity_is_the_first_author_in_plain_form() {
    let identity = from(" \"Jobs\" <\"Jobs\"@ACME.example>, karriere@acme.example").unwrap();
    assert_eq!(identity.from.as_str(), "Jobs@acme.example");
    assert_eq!(identity.authors.len(), 2);
    let identity = from(" bewerbung@müller.example").unwrap();
    assert_eq!(identity.from.as_str(), "bewerbung@xn--mller-kva.example");
    let seen = RefCell::new(Vec::new());
    let claims = claims(&[(b"from".to_vec(), b" A@Xn--Mller-kva.Example".to_vec())]);
    let nobody = |a: &Address| {
        seen.borrow_mut().push(a.to_string());
        false
    };
    claims.check(&nobody).unwrap_err();
    assert_eq!(*seen.borrow(), ["a@xn--mller-kva.example", "a@müller.example"]);
}

#[test]
fn an_author_is_told_only_where_there_is_no_doubt() {
    let author = |fields: &[(&str, &str)]| {
        let fields: Vec<_> =
            fields.iter().map(|(n, b)| (n.as_bytes().to_vec(), b.as_bytes().to_vec())).collect();
        claims(&fields).author().map(|a| a.to_string())
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(author(&[("From", " A <a@b.example>, c@d.example")]), some("a@b.example"));
    assert_eq!(author(&[("From", " \"x@y.example\" <a@b.example>")]), some("a@b.example"));
    assert_eq!(author(&[("Sender", " ?"), ("From", " a@B.example")]), some("a@b.example"));
    assert_eq!(author(&[("From", " a@b.example"), ("From", " a@b.example")]), None);
    let long = format!(" {} <c@d.example>", "x ".repeat(MAX_FIELD));
    assert_eq!(author(&[("From", " a@b.example"), ("From", &long)]), None);
    assert_eq!(author(&[("From", " a@b.example <c@d.example>")]), None);
    assert_eq!(author(&[("Sender", " a@b.example")]), None);
}

#[test]
fn what_is_kept_of_a_header_is_bounded() {
    let mut claims = Claims::default();
    for _ in 0..10_000 {
        claims.push(b"Resent-From", b" jobs@acme.example");
        claims.push(b"Subject", &[b'x'; 1000]);
    }
    assert!(claims.size <= MAX_TOTAL && claims.fields.len() <= MAX_FIELDS);
    assert_eq!(claims.check(&allowed).unwrap_err().word(), "too-large");
    let mut claims = Claims::default();
    for _ in 0..50 {
        claims.push(b"Resent-From", &[b'x'; 10_000]);
    }
    assert!(claims.size <= MAX_TOTAL);
    assert_eq!(claims.check(&allowed).unwrap_err().word(), "too-large");
}

#[test]
fn a_field_of_the_largest_size_is_read_at_once() {
    let pieces = [
        "\"@\"",
        "@ ",
        "(",
        "=?utf-8?q?=40_?= ",
        "a@b.c .d .e ",
        "\\\"",
        "<",
        ", ",
        "a.",
        " @ ",
        "@.",
    ];
    for piece in pieces {
        for wrap in [
            " PIECE <jobs@acme.example>",
            " \"PIECE\" <jobs@acme.example>",
            " (PIECE) jobs@acme.example",
            " PIECE",
        ] {
            let fill = piece.replace('"', if wrap.contains('"') { "" } else { "\"" });
            if fill.is_empty() {
                continue;
            }
            let body = wrap.replace("PIECE", &fill.repeat(16_000 / fill.len()));
            // A reader whose time grows with the square takes minutes for these.
            let _ = claims(&[(b"From".to_vec(), body.into_bytes())]).check(&allowed);
        }
    }
}

/// Both tables.
static ALL: LazyLock<Vec<Case>> =
    LazyLock::new(|| cases(FORGERIES).into_iter().chain(cases(LEGITIMATE)).collect());

/// A change to a field body: at a place (per mille), so many octets taken out, others put in.
type Mutation = (u16, u8, Vec<u8>);

fn mutated(body: &[u8], mutations: &[Mutation]) -> Vec<u8> {
    let mut body = body.to_vec();
    for (place, out, new) in mutations {
        let at = usize::from(*place) * body.len() / 1000;
        let end = (at + usize::from(*out)).min(body.len());
        body.splice(at..end, new.iter().copied());
    }
    body
}

/// Octets that mean something in a header, or stand beside such.
fn octets() -> impl Strategy<Value = Vec<u8>> {
    let telling = prop::sample::select(b"<>()\"\\,;:@. \t\n=?_aQB".to_vec());
    let octet = prop_oneof![4 => telling, 1 => any::<u8>()];
    let word = prop::sample::select(vec![
        &b"ceo@evil.example"[..],
        b"<ceo@evil.example>",
        b"=?utf-8?q?ceo=40evil.example?=",
        b", ",
        b" (x) ",
    ]);
    prop_oneof![4 => prop::collection::vec(octet, 0..4), 1 => word.prop_map(<[u8]>::to_vec)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    /// Whatever passes is our own also for readers that make the best of what they get.
    #[test]
    fn what_passes_names_nobody_else_for_other_readers(
        case in 0usize..10_000,
        mutations in prop::collection::vec((0u16..=1000, 0u8..6, octets()), 0..4),
    ) {
        let case = &ALL[case % ALL.len()];
        let fields: Vec<_> = case
            .fields
            .iter()
            .map(|(name, body)| (name.clone(), mutated(body, &mutations)))
            .collect();
        if claims(&fields).check(&allowed).is_ok() {
            for (name, body) in &fields {
                if ClaimField::find(name).is_some() {
                    prop_assert_eq!(others(body), [""; 0], "{}", body.escape_ascii());
                }
            }
        }
    }
}

/// The addresses that other readers find in a field and that are not ours: our own lenient reader,
/// and the one of mail-parser.
fn others(body: &[u8]) -> Vec<String> {
    let mut found: Vec<String> =
        MailboxList::parse(body).mailboxes.iter().map(|m| m.address().clone()).collect();
    let message = [b"From:", body, b"\n\nx\n"].concat();
    let parsed = mail_parser::MessageParser::new().parse(&message);
    let addresses = parsed.as_ref().and_then(|m| m.from()).into_iter().flat_map(|from| from.iter());
    found.extend(addresses.filter_map(|addr| addr.address().map(str::to_owned)));
    found.retain(|text| {
        // mail-parser finds an address in a lone at sign.
        if text.split_once('@').is_none_or(|(local, domain)| local.is_empty() || domain.is_empty())
        {
            return false;
        }
        let plain: String = text.chars().filter(|c| !"\" \t".contains(*c)).collect();
        !Address::parse(&plain).is_ok_and(|a| spellings(&a).iter().any(allowed))
    });
    found
}
