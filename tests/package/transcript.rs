//! A manual page as a transcript: what is typed, and what has to come.

/// A command and what has to come of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) command: String,
    pub(crate) expected: Vec<String>,
}

/// The commands of a page's examples: lines that begin with `# `. An example that does not begin with one is
/// what stands in a file.
pub(crate) fn steps(page: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut within = false;
    let mut first = false;
    for line in page.lines() {
        match line {
            ".EX" => (within, first) = (true, true),
            ".EE" => within = false,
            _ if within => {
                within = !std::mem::take(&mut first) || line.starts_with("# ");
                let line = line.strip_prefix("\\&").unwrap_or(line);
                if let Some(command) = line.strip_prefix("# ") {
                    steps.push(Step { command: command.to_owned(), expected: Vec::new() });
                } else if let (true, Some(step)) = (within, steps.last_mut()) {
                    step.expected.push(line.to_owned());
                }
            }
            _ => {}
        }
    }
    steps
}

/// Whether this is what had to come. `...` stands for anything: in a line for a part of it, alone in a line for
/// any number of lines.
pub(crate) fn fits(expected: &[String], found: &[&str]) -> bool {
    match expected.split_first() {
        None => found.is_empty(),
        Some((first, rest)) if first.trim() == "..." => {
            (0..=found.len()).any(|skipped| fits(rest, &found[skipped..]))
        }
        Some((first, rest)) => found
            .split_first()
            .is_some_and(|(line, others)| line_fits(first, line) && fits(rest, others)),
    }
}

/// Spaces are as many as there are: columns are as wide as what stands in them.
fn line_fits(expected: &str, found: &str) -> bool {
    let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (expected, found) = (squeezed(expected), squeezed(found));
    let mut parts = expected.split("...").map(str::trim);
    let Some(rest) = found.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut rest = rest;
    let mut open = false;
    for part in parts {
        open = true;
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
        open &= part.is_empty();
    }
    open || rest.is_empty()
}

#[test]
fn what_is_left_open_is_open_and_nothing_else() {
    let page = "text\n# no command\n.EX\n# one\na\n\\&...\n# two\n\\&\n.EE\n.EX\n[a]\n# b\n.EE\n";
    let lines = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
    assert_eq!(
        steps(page),
        [
            Step { command: "one".into(), expected: lines(&["a", "..."]) },
            Step { command: "two".into(), expected: lines(&[""]) },
        ]
    );
    for (expected, found, fit) in [
        (&["a", "...", "z"][..], &["a", "b", "c", "z"][..], true),
        (&["a", "...", "z"], &["a", "z"], true),
        (&["a", "...", "z"], &["a", "z", "b"], false),
        (&["a"], &["a", ""], false),
        (&["a ... c"], &["a  b  c"], true),
        (&["a ... c"], &["a b c d"], false),
        (&["...b..."], &["abc"], true),
        (&["a..."], &["ba"], false),
    ] {
        assert_eq!(fits(&lines(expected), found), fit, "{expected:?} {found:?}");
    }
}
