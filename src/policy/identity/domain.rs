//! When two domains are the same one (IDNA), for domains that are written as they should be.
// SPDX-License-Identifier: GPL-3.0-or-later

use crate::mail::domain::is_domain;

/// The domain in lower case and ASCII, or nothing if there is doubt which domain it is.
///
/// Lower case ASCII, `xn--` labels and their Unicode form are taken. What IDNA would first have to
/// map (full-width letters, letters in another normal form, Unicode dots, capitals beyond ASCII) is
/// not: one reader maps it, the next does not.
pub(super) fn to_ascii(domain: &str) -> Option<String> {
    if !is_domain(domain) {
        return None;
    }
    let lower = domain.to_ascii_lowercase();
    if lower.is_ascii() && !lower.split('.').any(|label| label.starts_with("xn--")) {
        return Some(lower);
    }
    let ascii = idna::domain_to_ascii_strict(&lower).ok()?;
    let faithful = lower == ascii || to_unicode(&ascii).as_ref() == Some(&lower);
    faithful.then_some(ascii)
}

/// The domain with its `xn--` labels in Unicode.
pub(super) fn to_unicode(domain: &str) -> Option<String> {
    let (unicode, result) = idna::domain_to_unicode(domain);
    result.is_ok().then_some(unicode)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_has_one_ascii_form_or_none() {
        let cases = [
            ("Acme.Example", Some("acme.example")),
            ("a_b.acme.example", Some("a_b.acme.example")),
            ("müller.example", Some("xn--mller-kva.example")),
            ("XN--mller-KVA.example", Some("xn--mller-kva.example")),
            ("straße.example", Some("xn--strae-oqa.example")),
            ("强.example", Some("xn--41t.example")),
            ("Müller.example", Some("xn--mller-kva.example")),
            ("MÜLLER.example", None),
            ("mu\u{308}ller.example", None),
            ("ａcme.example", None),
            ("acme。example", None),
            ("\u{212a}arriere.example", None),
            ("acme\u{ad}.example", None),
            ("xn--zzzzzz--.example", None),
            ("xn--acme-.example", None),
            ("acme..example", None),
            ("acme.example.", None),
            ("", None),
        ];
        for (domain, ascii) in cases {
            assert_eq!(to_ascii(domain).as_deref(), ascii, "{domain:?}");
        }
    }
}
