//! Lists of Postfix and what of ours is in them: `$name` in each of its spellings, tables in front.
//!
//! Pure. Must not know what a list is for.
// SPDX-License-Identifier: GPL-3.0-or-later

use super::names::{FILES, LISTS};
use super::site::Site;
use super::syntax::list;

/// Whether an element is `$name`, in whichever of the three ways Postfix lets it be written.
pub(super) fn is_element(element: &str, ours: &str) -> bool {
    let name = ours.trim_start_matches('$');
    [ours, &format!("${{{name}}}"), &format!("$({name})")].contains(&element)
}

/// A list without the element that is ours.
pub(super) fn without(current: &str, ours: &str) -> String {
    let elements = list(current);
    if !elements.iter().any(|element| is_element(element, ours)) {
        return current.to_owned();
    }
    let others = elements.into_iter().filter(|e| !is_element(e, ours));
    others.collect::<Vec<_>>().join(", ")
}

/// A list with one milter in the place of another.
pub(super) fn exchanged(current: &str, old: &str, new: &str) -> String {
    let elements = list(current);
    let has = |ours| elements.iter().any(|element| is_element(element, ours));
    if !has(old) {
        return current.to_owned();
    }
    if has(new) {
        return without(current, old);
    }
    let put = |element| if is_element(element, old) { new } else { element };
    elements.into_iter().map(put).collect::<Vec<_>>().join(", ")
}

/// The name of the parameter that an element of a list stands for.
pub(super) fn parameter(element: &str) -> Option<&str> {
    let name = element.strip_prefix('$')?;
    let bare = |open, close| name.strip_prefix(open).and_then(|n| n.strip_suffix(close));
    Some(bare('{', '}').or_else(|| bare('(', ')')).unwrap_or(name))
}

/// A list of tables with ours in front.
pub(super) fn in_front(site: &Site, name: &str, ours: &str) -> String {
    let current = site.raw(name);
    if list(current).first().is_some_and(|first| is_element(first, ours)) {
        return current.to_owned();
    }
    let rest = without(current, ours);
    // The default `$virtual_maps` is a name from long ago that is rarely set.
    let rest = match rest.as_str() {
        "$virtual_maps" if !site.main.contains_key("virtual_maps") => "",
        rest => rest,
    };
    let both = [ours, rest];
    let parts: Vec<_> = both.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join(", ")
}

/// Whether a table, as a setting names it, is one of ours.
pub(super) fn is_our_table(site: &Site, table: &str) -> bool {
    let ours = ["recruit_milter_transports", "recruit_milter_aliases"];
    let file = table.rsplit_once('/').map_or(table, |(_, file)| file);
    FILES.contains(&file)
        || LISTS.iter().any(|(_, element)| is_element(table, element))
        || ours.iter().any(|name| list(site.value(name)).contains(&table))
}
