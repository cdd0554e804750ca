//! Postfix's match lists (`mydestination`, `relay_domains`): whether a name is in one.
//!
//! Must not know what a list is for, nor how a table is asked.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fs;

use super::syntax::list;

/// How many files a list may name in one another.
const MAX_DEPTH: usize = 4;

/// Asks a table for a key: what stands there, nothing, or why nobody can say.
pub(super) type Ask<'a> = dyn Fn(&str, &str) -> Result<Option<String>, String> + 'a;

/// What is looked for in a list.
pub(super) struct Wanted<'a> {
    /// Whether an element that is no table and no file stands for it.
    pub literal: &'a dyn Fn(&str) -> bool,
    /// The keys by which it is looked up in tables.
    pub keys: &'a [String],
}

/// Whether a list, expanded, holds what is wanted. The first element that fits decides, as in Postfix.
pub(super) fn holds(value: &str, wanted: &Wanted<'_>, ask: &Ask<'_>) -> Result<bool, String> {
    Ok(first(value, wanted, ask, MAX_DEPTH)?.unwrap_or(false))
}

fn first(
    value: &str,
    wanted: &Wanted<'_>,
    ask: &Ask<'_>,
    depth: usize,
) -> Result<Option<bool>, String> {
    for element in list(value) {
        let (element, yes) = match element.strip_prefix('!') {
            Some(rest) => (rest, false),
            None => (element, true),
        };
        let found = if element.starts_with('/') {
            let text = fs::read_to_string(element).map_err(|error| format!("{element}: {error}"));
            let lines = text?
                .lines()
                .filter(|l| !l.trim_start().starts_with('#'))
                .fold(String::new(), |all, line| all + line + "\n");
            if depth == 0 { None } else { first(&lines, wanted, ask, depth - 1)? }
        } else if is_table(element) {
            let mut found = false;
            for key in wanted.keys {
                found = found || ask(element, key)?.is_some();
            }
            found.then_some(true)
        } else {
            (wanted.literal)(element).then_some(true)
        };
        if let Some(found) = found {
            return Ok(Some(found == yes));
        }
    }
    Ok(None)
}

/// Whether an element is a look-up table and no name.
pub(super) fn is_table(element: &str) -> bool {
    element.contains(':') && !element.starts_with('[')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(value: &str, name: &str) -> Result<bool, String> {
        let ask = |table: &str, key: &str| match table {
            "hash:/t" => Ok((key == "in.example").then(|| "x".to_owned())),
            _ => Err("broken".to_owned()),
        };
        let wanted = Wanted { literal: &|element| element == name, keys: &[name.to_owned()] };
        holds(value, &wanted, &ask)
    }

    #[test]
    fn the_first_element_that_fits_decides() {
        assert_eq!(has("a.example, b.example", "b.example"), Ok(true));
        assert_eq!(has("a.example", "b.example"), Ok(false));
        assert_eq!(has("!b.example, b.example", "b.example"), Ok(false));
        assert_eq!(has("hash:/t", "in.example"), Ok(true));
        assert_eq!(has("hash:/t", "out.example"), Ok(false));
        assert_eq!(has("!hash:/t in.example", "in.example"), Ok(false));
        assert_eq!(has("in.example, mysql:/m", "in.example"), Ok(true));
        assert_eq!(has("mysql:/m, in.example", "in.example"), Err("broken".into()));
        assert_eq!(has("[192.0.2.1]", "in.example"), Ok(false));
    }

    #[test]
    fn a_file_is_a_list_of_its_own() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "# ours\nin.example\n!not.example, also.example\n").unwrap();
        let value = file.path().display().to_string();
        assert_eq!(has(&value, "also.example"), Ok(true));
        assert_eq!(has(&value, "not.example"), Ok(false));
        assert_eq!(has(&format!("!{value}, in.example"), "in.example"), Ok(false));
        assert!(has("/nowhere/at/all", "in.example").is_err());
    }
}
