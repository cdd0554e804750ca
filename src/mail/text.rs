//! Pieces of a text by octets, without the panic of `text[a..b]`.
//!
//! What a stranger wrote has characters of one to four octets, and a place that was found in one
//! text is soon used in another. A place within a character means the beginning of that character
//! here, one behind the end the end. Must not know what a text is about.
// SPDX-License-Identifier: GPL-3.0-or-later

/// What stands before a place.
pub(crate) fn head(text: &str, at: usize) -> &str {
    split(text, at).0
}

/// What stands behind a place.
pub(crate) fn tail(text: &str, at: usize) -> &str {
    split(text, at).1
}

/// What stands between two places; nothing where the second is before the first.
pub(crate) fn between(text: &str, from: usize, to: usize) -> &str {
    tail(head(text, to), from)
}

fn split(text: &str, at: usize) -> (&str, &str) {
    // No character is longer than four octets.
    let mut near = (0..4).filter_map(|back| at.min(text.len()).checked_sub(back));
    near.find_map(|at| text.split_at_checked(at)).unwrap_or((text, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_within_a_character_is_its_beginning() {
        for (at, before, behind) in [
            (0, "", "a【ö😀"),
            (1, "a", "【ö😀"),
            (2, "a", "【ö😀"),
            (3, "a", "【ö😀"),
            (4, "a【", "ö😀"),
            (5, "a【", "ö😀"),
            (9, "a【ö", "😀"),
            (10, "a【ö😀", ""),
            (usize::MAX, "a【ö😀", ""),
        ] {
            assert_eq!((head("a【ö😀", at), tail("a【ö😀", at)), (before, behind), "{at}");
        }
    }

    #[test]
    fn between_two_places_in_the_wrong_order_is_nothing() {
        assert_eq!(between("a【b", 1, 4), "【");
        assert_eq!(between("a【b", 2, 3), "");
        assert_eq!(between("a【b", 4, 1), "");
        assert_eq!(between("", 7, 9), "");
    }
}
