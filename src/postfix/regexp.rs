//! Regular expressions for Postfix's tables of type `regexp`, where upper and lower case are one.
//!
//! Must not know what the tables are for.
// SPDX-License-Identifier: GPL-3.0-or-later

use crate::mail::domain::domain_spellings;
use crate::policy::rules::Pattern;

/// What matches the addresses of a pattern, with their extensions.
pub(super) fn pattern(pattern: &Pattern, delimiters: &str) -> String {
    let extension =
        if delimiters.is_empty() { String::new() } else { format!("({}.*)?", class(delimiters)) };
    let domain = domain(pattern.domain());
    match pattern {
        Pattern::Exact(address) => {
            format!("/^{}{extension}@{domain}$/", quote(address.local_part()))
        }
        Pattern::Wildcard { prefix, suffix, .. } => {
            format!("/^{}.*{}{extension}@{domain}$/", quote(prefix), quote(suffix))
        }
        Pattern::Domain(_) => format!("/^.+@{domain}$/"),
        Pattern::Subdomains(_) => format!("/^.+@[^@]+\\.{domain}$/"),
    }
}

/// What matches a domain, in both spellings where it has two.
// Postfix: looks up the spelling that the client sent.
pub(super) fn domain(domain: &str) -> String {
    let all: Vec<String> = domain_spellings(domain).iter().map(|one| quote(one)).collect();
    match &all[..] {
        [one] => one.clone(),
        _ => format!("({})", all.join("|")),
    }
}

/// A text as a regular expression that matches it alone.
pub(super) fn quote(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if ".*+?^$|(){}[]\\/".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// A bracket expression that matches any of the delimiters.
pub(super) fn class(delimiters: &str) -> String {
    let delimiters = if delimiters.is_empty() { "+" } else { delimiters };
    // POSIX: in brackets only the places of "]", "^" and "-" matter.
    let has = |c| delimiters.contains(c);
    let plain = delimiters.chars().filter(|c| !"]^-".contains(*c));
    let first = has(']').then_some(']');
    let last = [has('^').then_some('^'), has('-').then_some('-')];
    let class: String = first.into_iter().chain(plain).chain(last.into_iter().flatten()).collect();
    match class.as_str() {
        "^" => "\\^".to_owned(),
        _ => format!("[{class}]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_beyond_ascii_is_matched_in_both_spellings() {
        for (of, expected) in [
            ("jobs@acme.example", "/^jobs([+].*)?@acme\\.example$/"),
            ("Jobs@büro.example", "/^Jobs([+].*)?@(xn--bro-hoa\\.example|büro\\.example)$/"),
            ("*@xn--bro-hoa.example", "/^.+@(xn--bro-hoa\\.example|büro\\.example)$/"),
            ("*@*.büro.example", "/^.+@[^@]+\\.(xn--bro-hoa\\.example|büro\\.example)$/"),
        ] {
            assert_eq!(pattern(&Pattern::parse(of).unwrap(), "+"), expected);
        }
    }
}
