//! Whether a message that claims to be a colleague's is one.
//!
//! A From in the company's domain proves nothing. It counts with a login, a client inside the
//! company's networks, or an Authentication-Results field of our own server with an aligned pass;
//! and a failure in such a field outweighs the rest. Must not know what trust is used for.
//!
//! Even a field of our own server holds text that a stranger chose: what stands behind such text
//! proves nothing ([`vouched`]).
// SPDX-License-Identifier: GPL-3.0-or-later

use super::{Context, Standing};
use crate::mail::domain::domain_key;
use crate::mail::header::{Header, relaxed};
use crate::mail::mailbox::Mailbox;
use crate::mail::text::{head, tail};

/// An answer with its reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Trust {
    /// Whether the message really is a colleague's.
    pub colleague: bool,
    /// Why, or why not.
    pub why: &'static str,
}

/// Whether the author of a message is a colleague.
pub(super) fn trust(header: &Header, from: &Mailbox, context: &Context<'_>) -> Trust {
    if !matches!(context.who().standing(from), Standing::Colleague | Standing::Own) {
        return Trust { colleague: false, why: "the author is not in an internal domain" };
    }
    match proof(header, from, context) {
        Ok(why) => Trust { colleague: true, why },
        Err(why) => Trust { colleague: false, why },
    }
}

/// What shows that a message is from its author's domain, or why nothing does: a login, a client
/// inside, or a verdict of our own server.
pub(super) fn proof(
    header: &Header,
    from: &Mailbox,
    context: &Context<'_>,
) -> Result<&'static str, &'static str> {
    let ours = context.rules.authserv_id.as_deref();
    let domain = domain_key(from.domain());
    let verdict = match results(header, &domain, ours) {
        Verdict::Pass if vouched(header, &domain, ours, context.sender) => Verdict::Pass,
        Verdict::Pass => Verdict::Nothing,
        other => other,
    };
    match verdict {
        Verdict::Fail => Err("Authentication-Results says that the author is forged"),
        _ if context.evidence.login => Ok("the client logged in"),
        _ if context.evidence.internal_client => Ok("the client is in an internal network"),
        Verdict::Pass => Ok("Authentication-Results has an aligned pass"),
        Verdict::Nothing => Err("an internal author without evidence that it is one"),
    }
}

/// Whether an Authentication-Results field says that an author's domain was forged.
pub(super) fn is_forged(header: &Header, from: &Mailbox, ours: Option<&str>) -> bool {
    results(header, &domain_key(from.domain()), ours) == Verdict::Fail
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Pass,
    Fail,
    Nothing,
}

/// RFC 8601. A pass counts from our own server only. A failure counts from it too; where we do not
/// know our server's name, from any: a stranger who adds one harms himself.
///
/// Several fields of our own count together, since signatures, SPF and DMARC are often checked by
/// programs of their own. DMARC decides where it was checked (RFC 7489 6.6), and a failure there
/// outweighs a pass: a stranger may have put the pass into a field of ours (see [`vouched`]).
fn results(header: &Header, domain: &str, ours: Option<&str>) -> Verdict {
    let mut foreign_failure = false;
    let mut own = Vec::new();
    for field in header.all("Authentication-Results").take(20) {
        let body = relaxed(&field.body[..field.body.len().min(16 * 1024)]);
        let text = without_comments(&String::from_utf8_lossy(&body)).to_lowercase();
        let mut clauses = text.split(';');
        let id = clauses.next().unwrap_or_default();
        let id = id.split_whitespace().next().unwrap_or_default();
        let is_own = ours.is_some_and(|ours| ours.eq_ignore_ascii_case(id));
        if ours.is_some() && !is_own {
            continue;
        }
        let mut verdicts: Vec<_> = clauses
            .map(|clause| {
                (clause.trim_start().starts_with("dmarc="), clause_verdict(clause, domain))
            })
            .collect();
        // However the field is cut.
        if text.contains("dmarc=fail") {
            verdicts.push((true, Verdict::Fail));
        }
        if is_own {
            own.extend(verdicts);
        } else {
            foreign_failure |= together(&verdicts) == Verdict::Fail;
        }
    }
    match together(&own) {
        Verdict::Nothing if foreign_failure => Verdict::Fail,
        verdict => verdict,
    }
}

/// What clauses say together, of which each tells whether it is DMARC's.
fn together(clauses: &[(bool, Verdict)]) -> Verdict {
    let says = |verdict| clauses.iter().any(|(_, v)| *v == verdict);
    let dmarc = |verdict| clauses.contains(&(true, verdict));
    match () {
        () if dmarc(Verdict::Fail) => Verdict::Fail,
        () if dmarc(Verdict::Pass) => Verdict::Pass,
        () if says(Verdict::Pass) => Verdict::Pass,
        () if says(Verdict::Fail) => Verdict::Fail,
        () => Verdict::Nothing,
    }
}

fn clause_verdict(clause: &str, domain: &str) -> Verdict {
    let mut words = clause.split_whitespace();
    let Some((method, result)) = words.next().and_then(|w| w.split_once('=')) else {
        return Verdict::Nothing;
    };
    let properties: Vec<_> = words.filter_map(|w| w.split_once('=')).collect();
    let about = |names: &[&str]| {
        let mut values = properties.iter().filter(|(n, _)| names.contains(n)).peekable();
        let some = values.peek().is_some();
        (some, values.any(|(_, v)| is_aligned(v, domain)))
    };
    let (named, aligned) = match method {
        "dmarc" => about(&["header.from"]),
        "dkim" => about(&["header.d", "header.i"]),
        "spf" => about(&["smtp.mailfrom", "smtp.helo"]),
        "auth" if result == "pass" => return Verdict::Pass,
        _ => return Verdict::Nothing,
    };
    match (method, result) {
        ("dmarc", "pass") if aligned || !named => Verdict::Pass,
        ("dkim" | "spf", "pass") if aligned => Verdict::Pass,
        // A pass for somebody else's domain says who really sent it.
        ("dkim" | "spf" | "dmarc", "pass" | "fail" | "softfail" | "permerror" | "policy") => {
            Verdict::Fail
        }
        _ => Verdict::Nothing,
    }
}

/// Whether a field of our own server really says that the message is from its author's domain.
/// `sender` is the envelope sender, where it is known.
///
/// OpenDKIM 2.11 writes the identity of a signature (`i=`) as it comes: `header.i=x; dmarc=pass
/// header.from=acme.example; ...@evil.example`. Others do the like with the envelope sender, also
/// in comments. So a field is read up to the first text of the kind, and no further.
fn vouched(header: &Header, domain: &str, ours: Option<&str>, sender: Option<&str>) -> bool {
    header.all("Authentication-Results").take(20).any(|field| {
        let body = relaxed(&field.body[..field.body.len().min(16 * 1024)]);
        let text = std::str::from_utf8(&body).ok().filter(|text| text.is_ascii());
        let clauses = text.and_then(|text| clauses(text, ours?)).unwrap_or_default();
        let foreign = clauses.iter().position(|clause| clause.holds_foreign_text(sender));
        // The clause that holds such text begins with what our server says of it.
        let sound = foreign.map_or(clauses.len(), |at| at + 1);
        clauses[..sound].iter().any(|clause| clause.passes(domain, sender))
    })
}

/// What a field says of one method.
#[derive(Debug, Default)]
struct Clause<'a> {
    words: Vec<&'a str>,
    comment: bool,
}

/// The clauses of a field, if it is one of our server and all of it is well-formed (RFC 8601 2.2):
/// filters that take forged fields away leave those that they cannot read.
fn clauses<'a>(text: &'a str, ours: &str) -> Option<Vec<Clause<'a>>> {
    let mut clauses = vec![Clause::default()];
    let mut rest = text.trim_ascii_start();
    while let Some(first) = rest.chars().next() {
        let clause = clauses.last_mut()?;
        match first {
            ';' => clauses.push(Clause::default()),
            '(' => {
                rest = tail(rest, end_of_comment(rest)?);
                clause.comment = true;
                continue;
            }
            c if c.is_ascii_whitespace() => (),
            _ => {
                let end = end_of_word(rest)?;
                clause.words.push(head(rest, end));
                rest = tail(rest, end);
                continue;
            }
        }
        rest = tail(rest, 1);
    }
    let id = clauses.remove(0);
    let version = id.words.get(1).is_none_or(|w| w.bytes().all(|b| b.is_ascii_digit()));
    let is_ours = text.trim_ascii_start().get(..ours.len())?.eq_ignore_ascii_case(ours)
        && id.words.first()?.len() == ours.len()
        && id.words.len() <= 2
        && version;
    let pair =
        |word: &&str| word.split_once('=').is_some_and(|(a, b)| !a.is_empty() && !b.is_empty());
    let sane = |clause: &Clause<'_>| !clause.words.is_empty() && clause.words.iter().all(pair);
    (is_ours && clauses.iter().all(sane)).then_some(clauses)
}

/// Where a comment ends that begins here; none if it does not. Comments nest.
fn end_of_comment(text: &str) -> Option<usize> {
    let mut depth = 0;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '(' => depth += 1,
            ')' if depth == 1 => return Some(at + 1),
            ')' => depth -= 1,
            _ => (),
        }
    }
    None
}

/// Where a word ends that begins here, quoted parts and all; none if a quote is left open.
fn end_of_word(text: &str) -> Option<usize> {
    let mut quoted = false;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ';' | '(' if !quoted => return Some(at),
            c if c.is_ascii_whitespace() && !quoted => return Some(at),
            _ => (),
        }
    }
    (!quoted).then_some(text.len())
}

impl Clause<'_> {
    fn method(&self) -> (&str, &str) {
        self.words.first().and_then(|word| word.split_once('=')).unwrap_or_default()
    }

    fn properties(&self) -> impl Iterator<Item = (&str, &str)> {
        self.words.iter().skip(1).filter_map(|word| word.split_once('='))
    }

    /// Whether it says that the message is from the domain. Of its properties the first counts: a
    /// later one of the same name would be a stranger's.
    fn passes(&self, domain: &str, sender: Option<&str>) -> bool {
        let (name, value) = self.properties().next().unwrap_or_default();
        let alone = self.words.len() == 2;
        match self.method() {
            ("dkim", "pass") => {
                (name == "header.d" || name == "header.i" && alone) && is_aligned(value, domain)
            }
            ("dmarc", "pass") => {
                name.is_empty() || name == "header.from" && is_aligned(value, domain)
            }
            // A value may be cut from a longer one, so the sender that we know must agree.
            ("spf", "pass") => {
                name == "smtp.mailfrom"
                    && is_aligned(value, domain)
                    && sender.is_none_or(|sender| is_aligned(sender, domain))
            }
            ("auth", "pass") => true,
            _ => false,
        }
    }

    /// Whether there may be text in it that a stranger chose.
    fn holds_foreign_text(&self, sender: Option<&str>) -> bool {
        let known = |value: &str| sender == Some(value);
        let foreign = |(name, value): (&str, &str)| match name {
            // None of these can hold a semicolon or end in the middle of a value.
            "header.d" | "header.a" | "header.s" | "header.b" => false,
            "smtp.mailfrom" => !known(value),
            _ => true,
        };
        let comment = self.comment && !["dkim", "dmarc", "arc"].contains(&self.method().0);
        comment || self.properties().any(foreign)
    }
}

/// RFC 7489 3.1, relaxed: one domain is the other or a subdomain of it.
fn is_aligned(value: &str, domain: &str) -> bool {
    let value = value.rsplit('@').next().unwrap_or(value);
    let value = domain_key(value.trim_matches('"'));
    let below = |a: &str, b: &str| a.strip_suffix(b).is_some_and(|rest| rest.ends_with('.'));
    value == domain || below(&value, domain)
}

fn without_comments(text: &str) -> String {
    let mut depth = 0u32;
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ if depth == 0 => out.push(c),
            _ => (),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::message::Message;

    fn verdict(fields: &str, ours: Option<&str>) -> Verdict {
        results(&Message::parse(fields.as_bytes()).header, "acme.example", ours)
    }

    #[test]
    fn only_our_own_server_can_vouch() {
        let pass = "Authentication-Results: mx.acme.example; dkim=pass header.d=acme.example\n";
        assert_eq!(verdict(pass, Some("mx.acme.example")), Verdict::Pass);
        assert_eq!(verdict(pass, Some("MX.acme.example")), Verdict::Pass);
        assert_eq!(verdict(pass, Some("mx2.acme.example")), Verdict::Nothing);
        assert_eq!(verdict(pass, None), Verdict::Nothing);
    }

    #[test]
    fn dmarc_decides_whatever_other_fields_of_ours_say() {
        let fields = |first: &str, second: &str| {
            verdict(
                &format!(
                    "Authentication-Results: mx; {first}\nAuthentication-Results: mx; {second}\n"
                ),
                Some("mx"),
            )
        };
        let spf = "spf=pass smtp.mailfrom=acme.example";
        let failed = "dmarc=fail header.from=acme.example";
        let passed = "dmarc=pass header.from=acme.example";
        assert_eq!(fields(spf, failed), Verdict::Fail);
        assert_eq!(fields(failed, spf), Verdict::Fail);
        assert_eq!(fields(passed, failed), Verdict::Fail);
        assert_eq!(fields(&format!("{passed}; {failed}"), spf), Verdict::Fail);
        assert_eq!(fields("spf=pass smtp.mailfrom=acme.example dmarc=fail", "none"), Verdict::Fail);
        assert_eq!(fields("dkim=pass header.d=other.example", passed), Verdict::Pass);
    }

    #[test]
    fn a_pass_must_be_aligned() {
        let ours = Some("mx");
        for (results, expected) in [
            ("dkim=pass header.d=acme.example", Verdict::Pass),
            ("dkim=pass header.i=@mail.acme.example", Verdict::Pass),
            ("spf=pass smtp.mailfrom=s@acme.example; dkim=none", Verdict::Pass),
            ("dmarc=pass (p=reject) header.from=acme.example", Verdict::Pass),
            ("auth=pass smtp.auth=sabine", Verdict::Pass),
            ("spf=pass smtp.mailfrom=evil.example", Verdict::Fail),
            ("dkim=pass header.d=notacme.example", Verdict::Fail),
            ("dkim=pass header.d=example", Verdict::Fail),
            (
                "spf=pass smtp.mailfrom=acme.example; dmarc=fail header.from=acme.example",
                Verdict::Fail,
            ),
            ("spf=softfail smtp.mailfrom=acme.example; dkim=none", Verdict::Fail),
            ("(dkim=pass header.d=acme.example) none", Verdict::Nothing),
            ("none", Verdict::Nothing),
            ("dkim=none; spf=none", Verdict::Nothing),
        ] {
            let field = format!("Authentication-Results: mx; {results}\n");
            assert_eq!(verdict(&field, ours), expected, "{results}");
        }
        let fail = "Authentication-Results: other; dmarc=fail\n";
        assert_eq!(verdict(fail, None), Verdict::Fail);
        assert_eq!(verdict(fail, ours), Verdict::Nothing);
    }

    #[test]
    fn what_stands_behind_a_strangers_text_proves_nothing() {
        let sender = Some("sabine@acme.example");
        for (results, expected) in [
            // As OpenDKIM, OpenDMARC, rspamd and an SPF policy server write them.
            ("dkim=pass (2048-bit key) header.d=acme.example header.i=@acme.example", true),
            ("dmarc=pass (p=none dis=none) header.from=acme.example", true),
            ("spf=pass (x; client-ip=192.0.2.1) smtp.mailfrom=sabine@acme.example", true),
            (
                "dkim=pass header.d=esp.example header.s=s header.b=\"a b\"; \
                 dkim=pass header.d=acme.example header.s=s; spf=pass (x) smtp.mailfrom=a@b",
                true,
            ),
            ("dkim=none; spf=none smtp.mailfrom=sabine@acme.example; dmarc=pass", true),
            ("auth=pass smtp.auth=sabine", true),
            ("dkim=pass header.i=@acme.example", true),
            // A signature's identity, and nothing that could not be in one.
            ("dkim=pass header.d=e header.i=a; dmarc=pass; dkim=none header.i=x@e", false),
            ("dkim=pass header.d=e header.i=; dmarc=pass;@e header.s=k", false),
            ("dkim=pass header.d=e header.i=x header.d=acme.example @e", false),
            ("dkim=pass header.d=e header.i=x header.d=acme.example a=@e", false),
            ("dkim=pass header.i=x@acme.example header.s=@e", false),
            // The envelope sender and the client's own name, as they are and in comments.
            ("spf=pass smtp.mailfrom=x; dmarc=pass header.from=acme.example", false),
            ("spf=none smtp.helo=x; dmarc=pass header.from=acme.example", false),
            ("spf=fail (helo=a) ; dmarc=pass header.from=acme.example", false),
            ("spf=pass smtp.helo=mail.acme.example", false),
            ("spf=pass smtp.mailfrom=x@e smtp.helo=acme.example", false),
            ("dkim=fail reason=\"x\" header.d=e; dmarc=pass header.from=acme.example", false),
            // What is not well-formed is not our server's.
            ("auth=pass; dkim=fail x", false),
            ("auth=pass; ;", false),
            ("auth=pass x=\"", false),
            ("auth=pass (", false),
            ("auth = pass", false),
            ("auth=pass; x=\u{e4}", false),
            ("none", false),
        ] {
            let text = format!("Authentication-Results: mx; {results}\n");
            let header = Message::parse(text.as_bytes()).header;
            assert_eq!(vouched(&header, "acme.example", Some("mx"), sender), expected, "{results}");
        }
    }

    #[test]
    fn a_sender_of_another_domain_is_not_vouched_for_by_spf() {
        let text = "Authentication-Results: mx; spf=pass smtp.mailfrom=sabine@acme.example\n";
        let header = Message::parse(text.as_bytes()).header;
        for (sender, expected) in [
            (None, true),
            (Some("sabine@acme.example"), true),
            (Some("\"sabine@acme.example x\"@evil.example"), false),
            (Some(""), false),
        ] {
            assert_eq!(
                vouched(&header, "acme.example", Some("mx"), sender),
                expected,
                "{sender:?}"
            );
        }
    }

    #[test]
    fn the_name_of_our_server_comes_first_and_alone() {
        for (start, expected) in [
            ("mx", true),
            (" MX 1 (x)", true),
            ("(x) mx", false),
            ("\u{a0}mx", false),
            ("\"mx\"", false),
            ("mx.", false),
            ("mx2", false),
            ("mx x", false),
            ("m", false),
            ("", false),
        ] {
            let text = format!("Authentication-Results:{start}; auth=pass\n");
            let header = Message::parse(text.as_bytes()).header;
            assert_eq!(vouched(&header, "acme.example", Some("mx"), None), expected, "{start}");
        }
    }
}
