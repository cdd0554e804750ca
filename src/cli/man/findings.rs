//! recruit-milter-findings(7), out of the table of findings and the causes of `smtp-test`.
// SPDX-License-Identifier: GPL-3.0-or-later

use clap_mangen::roff::{Roff, bold, roman};

use super::title;
use crate::cli::findings::all;

const NAME: &str = "recruit-milter-findings";

/// Each family of ids, and what stands above it.
const FAMILIES: [(&str, &str, &str); 3] = [
    (
        "RM-POSTFIX-",
        "POSTFIX'S CONFIGURATION",
        "What recruit-milter postfix --check finds, and doctor and verify with it.",
    ),
    (
        "RM-DOCTOR-",
        "THE WAY OF AN APPLICATION",
        "What recruit-milter doctor finds; postfix --check tells of tables by which mail passes the milter by \
         (50 to 54, 70 and 71) as well.",
    ),
    (
        "RM-SMTP-",
        "SMTP SETTINGS",
        "Why recruit-milter smtp-test says that settings do not work. HOST, PORT, USER and FROM stand for what \
         was tested.",
    ),
];

pub(super) fn page() -> (String, String) {
    let mut roff = Roff::new();
    roff.control("SH", ["NAME"])
        .text([roman(format!("{NAME} - what the tests of recruit-milter find, by its id"))]);
    roff.control("SH", ["DESCRIPTION"]).text([roman(
        "Each finding has an id that never changes. postfix --check prints it behind the finding, doctor with \
         --verbose or --json. An error means that mail is not forwarded or could be lost, a warning that \
         something may not be as it was meant, \"not tested\" that nobody could look. The text of a finding has \
         the place, and a line below it the remedy; here stands what it means. One entry alone:",
    )]);
    roff.control("PP", []).control("EX", []);
    roff.text([roman(format!("recruit-milter help {}", crate::findings::id::ENTRANCE_WITHOUT_US))]);
    roff.control("EE", []);
    for (prefix, heading, about) in FAMILIES {
        roff.control("SH", [heading]).text([roman(about)]);
        for told in all().filter(|told| told.id.starts_with(prefix)) {
            let severity = match told.severity.as_str() {
                "" => String::new(),
                severity => format!(" ({severity})"),
            };
            roff.control("TP", []).text([bold(told.id), roman(severity)]);
            roff.text([roman(format!("{}.", sentence(&told.title)))]);
            roff.text([roman(told.meaning)]);
        }
    }
    roff.control("SH", ["SEE ALSO"]).text([roman(
        "recruit-milter-doctor(8), recruit-milter-postfix(8), recruit-milter-smtp-test(8), \
         recruit-milter-verify(8), recruit-milter-postfix(7)",
    )]);
    (format!("{NAME}.7"), title(NAME, "7") + &roff.to_roff())
}

/// With a capital at its beginning, unless it begins with the name of a setting.
fn sentence(title: &str) -> String {
    let first = title.split(' ').next().unwrap_or_default();
    if first.contains('_') {
        return title.to_owned();
    }
    let mut letters = title.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_finding_stands_in_the_page_once() {
        let (_, page) = page();
        let plain = page.replace("\\-", "-");
        for told in all() {
            assert_eq!(plain.matches(&format!("\\fB{}\\fR", told.id)).count(), 1, "{}", told.id);
        }
    }
}
