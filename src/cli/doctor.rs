//! `doctor`: what is wrong on the way of an application, and what to do about it.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::path::PathBuf;

use clap::Args;

use super::{ConfigArg, Exit, answer, load};
use crate::doctor::{Line, Mark, examine};
use crate::postfix::Instance;

#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// Postfix's configuration folder, where it is not the system's.
    #[arg(long, value_name = "FOLDER")]
    config_dir: Option<PathBuf>,
    /// Show the stable names of what is wrong.
    #[arg(long, short)]
    verbose: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn doctor(args: &DoctorArgs) -> Exit {
    let config = match load(&args.config.config) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    let instance = args.config_dir.as_ref().map_or_else(Instance::system, Instance::at);
    let Ok(runtime) = super::runtime() else { return Exit::Os };
    let found = runtime.block_on(examine(&config, &instance));
    if args.json {
        answer(&serde_json::to_string_pretty(&found).unwrap_or_default());
    } else {
        let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        answer(&text(&found, args.verbose, colour));
    }
    if found.iter().any(|finding| finding.mark() == Mark::Error) {
        Exit::NotWorking
    } else {
        Exit::Ok
    }
}

pub(super) fn text(found: &[Line], verbose: bool, colour: bool) -> String {
    let mut out = String::new();
    for line in found {
        let (mark, code) = match line.mark() {
            Mark::Ok => ("[ok]", "32"),
            Mark::NotTested => ("[--]", "36"),
            Mark::Warning => ("[??]", "33"),
            Mark::Error => ("[!!]", "31"),
        };
        let mark = if colour { format!("\u{1b}[{code}m{mark}\u{1b}[0m") } else { mark.to_owned() };
        let finding = line.finding();
        let id = finding.filter(|_| verbose).map(|it| format!(" ({})", it.id)).unwrap_or_default();
        _ = writeln!(out, "{mark} {:<14} {}{id}", line.part, line.text());
        if let Some(finding) = finding {
            _ = writeln!(out, "      -> {}", finding.remedy);
        }
    }
    let count = |mark| found.iter().filter(|finding| finding.mark() == mark).count();
    let plural = |n: usize, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
    let errors = plural(count(Mark::Error), "error");
    let warnings = plural(count(Mark::Warning), "warning");
    _ = writeln!(out, "{errors}, {warnings}, {} not tested.", count(Mark::NotTested));
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Found;
    use crate::findings::{Finding, id};

    #[test]
    fn what_is_wrong_has_its_remedy_below_and_all_is_counted() {
        let wrong = |id, text: &str, remedy: &str| Found::Wrong(Finding::new(id, text, remedy));
        let found = [
            Found::Sound("all is well".to_owned()),
            wrong(id::LIST_WITHOUT_OURS, "it is broken", "mend it"),
            wrong(id::TABLE_NOT_LISTED, "nobody tried", "try it"),
        ];
        let found = found.map(|found| Line { part: "Postfix", found });
        assert_eq!(
            text(&found, false, false),
            "[ok] Postfix        all is well\n[!!] Postfix        it is broken\n      -> mend it\n\
             [--] Postfix        nobody tried\n      -> try it\n\
             1 error, 0 warnings, 1 not tested.\n"
        );
        assert!(text(&found, true, true).contains("\u{1b}[31m[!!]\u{1b}[0m"));
        assert!(text(&found, true, false).contains("it is broken (RM-POSTFIX-03)"));
    }
}
