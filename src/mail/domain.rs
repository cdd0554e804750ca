//! When two domains are the same one, however they are spelled: in upper or lower case, in Unicode
//! or with `xn--` labels (IDNA).
//!
//! Must not know whose domain it is.
// SPDX-License-Identifier: GPL-3.0-or-later

/// What parts labels (UTS 46 2.3): IDNA takes three more characters for a dot.
const DOTS: [char; 4] = ['.', '\u{3002}', '\u{ff0e}', '\u{ff61}'];
/// Nothing longer can be a label, however it is encoded.
const MAX_LABEL: usize = 253;

/// Whether a text is a domain: labels of letters, digits and inner hyphens (and any non-ASCII
/// letter: an internationalised label), none longer than 63 octets; or what IDNA reads as such.
pub fn is_domain(domain: &str) -> bool {
    domain.len() <= 253
        && domain.split('.').all(|label| {
            let plain = (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.chars().all(|c| {
                    c.is_ascii_alphanumeric()
                        || c == '-'
                        || c == '_'
                        || (!c.is_ascii() && c.is_alphanumeric())
                });
            plain || is_international(label)
        })
}

/// Whether a label beyond ASCII is one of a domain: whether it has a form in ASCII.
fn is_international(label: &str) -> bool {
    let unseen = |c: char| {
        c.is_control()
            || c.is_whitespace()
            || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}')
    };
    !label.is_ascii() && !label.chars().any(unseen) && {
        let key = label_key(label);
        key.is_ascii() && is_domain(&key)
    }
}

/// The form in which two domains are compared: lower case, labels beyond ASCII as `xn--`, no dot at
/// the end. A label that IDNA cannot read is a text like any other.
// Postfix: compares a domain as it stands, but looks it up in the DNS in this form: whoever sends to
// one spelling means the other as well.
pub fn domain_key(domain: &str) -> String {
    let domain = domain.strip_suffix(DOTS).unwrap_or(domain);
    if is_plain(domain) {
        return domain.to_ascii_lowercase();
    }
    domain.split(DOTS).map(label_key).collect::<Vec<_>>().join(".")
}

/// Whether two domains are the same one.
pub fn same_domain(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b) || domain_key(a) == domain_key(b)
}

/// The ways to write a domain for whoever compares texts: with `xn--` labels and, where that differs,
/// in Unicode.
pub fn domain_spellings(domain: &str) -> Vec<String> {
    let ascii = domain_key(domain);
    let (unicode, read) = idna::domain_to_unicode(&ascii);
    let differs = read.is_ok() && unicode != ascii && is_domain(&unicode);
    std::iter::once(ascii).chain(differs.then_some(unicode)).collect()
}

/// The form in which two addresses are compared: lower case, the domain as in [`domain_key`].
/// (Local-parts are case-sensitive by RFC 5321 2.4, but Postfix compares them without case wherever
/// it looks one up.) For a text that may be no address at all.
pub fn address_key(text: &str) -> String {
    let text = text.strip_suffix('.').unwrap_or(text);
    match text.rsplit_once('@') {
        // Pass 1 does this with every recipient of all mail.
        Some((local, domain)) if !is_plain(domain) => {
            format!("{}@{}", local.to_lowercase(), domain_key(domain))
        }
        _ => text.to_lowercase(),
    }
}

/// Whether a domain needs nothing but lower case.
fn is_plain(domain: &str) -> bool {
    let encoded = |four: &[u8]| four.eq_ignore_ascii_case(b"xn--");
    domain.is_ascii() && !domain.as_bytes().windows(4).any(encoded)
}

fn label_key(label: &str) -> String {
    let read = (label.len() <= MAX_LABEL).then(|| idna::domain_to_ascii(label).ok()).flatten();
    read.filter(|ascii| !ascii.is_empty()).unwrap_or_else(|| label.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_spellings_of_a_domain_have_one_key() {
        for spelling in [
            "büro.example",
            "BÜRO.Example",
            "Büro.example.",
            "bu\u{308}ro.example",
            "büro。example",
            "büro．example｡",
            "xn--bro-hoa.example",
            "XN--BRO-HOA.EXAMPLE",
            "xn--bro-hoa.example.",
            "ｂüro.example",
        ] {
            assert_eq!(domain_key(spelling), "xn--bro-hoa.example", "{spelling}");
            assert!(same_domain(spelling, "büro.example"), "{spelling}");
            assert!(same_domain("xn--bro-hoa.example", spelling), "{spelling}");
        }
    }

    #[test]
    fn what_are_two_domains_has_two_keys() {
        for (domain, key) in [
            ("Acme.Example", "acme.example"),
            ("a_b.acme.example.", "a_b.acme.example"),
            // Not transitional: these are two domains.
            ("straße.example", "xn--strae-oqa.example"),
            ("strasse.example", "strasse.example"),
            ("强.example", "xn--41t.example"),
            ("परीक्षा.example", "xn--11b5bs3a9aj6g.example"),
            // A Cyrillic letter is another one.
            ("аcme.example", "xn--cme-5cd.example"),
            // Labels that IDNA does not read.
            ("XN--zzzzzz--.büro.example", "xn--zzzzzz--.xn--bro-hoa.example"),
            ("xn--acme-.example", "xn--acme-.example"),
            ("not-xn--a.example", "not-xn--a.example"),
            ("", ""),
            (".", ""),
        ] {
            assert_eq!(domain_key(domain), key, "{domain:?}");
            assert_eq!(domain_key(key), key, "{domain:?}");
        }
        assert!(!same_domain("straße.example", "strasse.example"));
        assert!(!same_domain("büro.example", "buro.example"));
        assert!(!same_domain("acme.example", "acme.example.evil"));
    }

    #[test]
    fn an_address_is_compared_in_lower_case_and_its_domain_as_one() {
        for (text, key) in [
            ("Jobs@ACME.example.", "jobs@acme.example"),
            ("Jobs@BÜRO.example", "jobs@xn--bro-hoa.example"),
            ("JÜRGEN@xn--bro-hoa.example", "jürgen@xn--bro-hoa.example"),
            ("a@b@büro.example", "a@b@xn--bro-hoa.example"),
            ("*@büro.example", "*@xn--bro-hoa.example"),
            ("Bureau", "bureau"),
            ("", ""),
        ] {
            assert_eq!(address_key(text), key, "{text:?}");
        }
    }

    #[test]
    fn a_domain_is_told_in_both_spellings_where_there_are_two() {
        assert_eq!(domain_spellings("Acme.example"), ["acme.example"]);
        for spelling in ["BÜRO.example", "xn--bro-hoa.example"] {
            assert_eq!(domain_spellings(spelling), ["xn--bro-hoa.example", "büro.example"]);
        }
        assert_eq!(domain_spellings("xn--acme-.example"), ["xn--acme-.example"]);
    }

    #[test]
    fn a_label_is_of_a_domain_if_it_has_a_form_in_ascii() {
        for domain in ["büro.example", "bu\u{308}ro.example", "परीक्षा.example", "büro。example"]
        {
            assert!(is_domain(domain), "{domain}");
        }
        // As many octets as a label may have letters, and more.
        assert!(is_domain(&format!("{}.example", "ü".repeat(40))));
        for text in ["bü\u{ad}ro.example", "bü\u{200b}ro.example", "bü ro.example", "bü(ro"] {
            assert!(!is_domain(text), "{text:?}");
        }
    }

    #[test]
    fn a_text_of_any_length_has_a_key() {
        let long = "ü".repeat(100_000);
        assert_eq!(domain_key(&long), long);
        assert!(!is_domain(&long));
    }
}
