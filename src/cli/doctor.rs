//! `doctor`: what is wrong on the way of an application, and what to do about it.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::path::PathBuf;

use clap::Args;

use super::{ConfigArg, Exit, answer, load};
use crate::doctor::{Finding, Mark, examine};
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
    if found.iter().any(|finding| finding.mark == Mark::Error) {
        Exit::NotWorking
    } else {
        Exit::Ok
    }
}

pub(super) fn text(found: &[Finding], verbose: bool, colour: bool) -> String {
    let mut out = String::new();
    for finding in found {
        let (mark, code) = match finding.mark {
            Mark::Ok => ("[ok]", "32"),
            Mark::NotTested => ("[--]", "36"),
            Mark::Warning => ("[??]", "33"),
            Mark::Error => ("[!!]", "31"),
        };
        let mark = if colour { format!("\u{1b}[{code}m{mark}\u{1b}[0m") } else { mark.to_owned() };
        let id = finding.id.filter(|_| verbose).map(|id| format!(" ({id})")).unwrap_or_default();
        _ = writeln!(out, "{mark} {:<14} {}{id}", finding.part, finding.text);
        if let Some(remedy) = &finding.remedy {
            _ = writeln!(out, "      -> {remedy}");
        }
    }
    let count = |mark| found.iter().filter(|finding| finding.mark == mark).count();
    let plural = |n: usize, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
    let errors = plural(count(Mark::Error), "error");
    let warnings = plural(count(Mark::Warning), "warning");
    _ = writeln!(out, "{errors}, {warnings}, {} not tested.", count(Mark::NotTested));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_has_its_remedy_below_and_all_is_counted() {
        let finding = |mark, text: &str, remedy: Option<&str>| Finding {
            mark,
            part: "Postfix",
            id: remedy.map(|_| "RM-POSTFIX-03"),
            text: text.into(),
            remedy: remedy.map(str::to_owned),
        };
        let found = [
            finding(Mark::Ok, "all is well", None),
            finding(Mark::Error, "it is broken", Some("mend it")),
            finding(Mark::NotTested, "nobody tried", Some("try it")),
        ];
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
