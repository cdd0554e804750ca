//! Whether a message that claims to be a colleague's is one.
//!
//! A From in the company's domain proves nothing. It counts with a login, a client inside the
//! company's networks, or an Authentication-Results field of our own server with an aligned pass;
//! and a failure in such a field outweighs the rest. Must not know what trust is used for.
// SPDX-License-Identifier: GPL-3.0-or-later

use super::{Context, Standing};
use crate::mail::header::{Header, relaxed};
use crate::mail::mailbox::{Mailbox, domain_key};

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
    let no = |why| Trust { colleague: false, why };
    if !matches!(context.who().standing(from), Standing::Colleague | Standing::Own) {
        return no("the author is not in an internal domain");
    }
    let verdict = results(header, &domain_key(from.domain()), context.rules.authserv_id.as_deref());
    let why = match verdict {
        Verdict::Fail => return no("Authentication-Results says that the author is forged"),
        _ if context.evidence.login => "the client logged in",
        _ if context.evidence.internal_client => "the client is in an internal network",
        Verdict::Pass => "Authentication-Results has an aligned pass",
        Verdict::Nothing => return no("an internal author without evidence that it is one"),
    };
    Trust { colleague: true, why }
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
fn results(header: &Header, domain: &str, ours: Option<&str>) -> Verdict {
    let mut failed = false;
    let fields = header.all("Authentication-Results").take(20);
    for field in fields {
        let body = relaxed(&field.body[..field.body.len().min(16 * 1024)]);
        let text = without_comments(&String::from_utf8_lossy(&body)).to_lowercase();
        let mut clauses = text.split(';');
        let id = clauses.next().unwrap_or_default();
        let id = id.split_whitespace().next().unwrap_or_default();
        let own = ours.is_some_and(|ours| ours.eq_ignore_ascii_case(id));
        if ours.is_some() && !own {
            continue;
        }
        let mut passed = false;
        let mut negative = false;
        for clause in clauses {
            match clause_verdict(clause, domain) {
                Verdict::Pass => passed = true,
                Verdict::Fail => negative = true,
                Verdict::Nothing => (),
            }
        }
        if text.contains("dmarc=fail") {
            passed = false;
            negative = true;
        }
        if own && passed {
            return Verdict::Pass;
        }
        if own && negative {
            return Verdict::Fail;
        }
        failed |= negative && !passed;
    }
    if failed { Verdict::Fail } else { Verdict::Nothing }
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
}
