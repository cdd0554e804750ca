//! `man` and `completions`: the manual pages and the shells' completions, made from the command line
//! itself and from the commented configuration, so that they cannot say anything else.
// SPDX-License-Identifier: GPL-3.0-or-later

mod findings;
mod reference;
pub(super) mod words;

use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, Command, CommandFactory as _};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use super::{Cli, Exit, answer, document, say};

/// Written by hand: from installation to a verified address.
const GUIDE: &str = include_str!("../../contrib/man/recruit-milter-postfix.7");
const GUIDE_NAME: &str = "recruit-milter-postfix.7";

/// What the exit codes mean, in the order of their numbers (sysexits(3) from 64 on).
const EXITS: [(Exit, &str); 14] = [
    (Exit::Ok, "All is well."),
    (Exit::NotWorking, "A test ran, and its answer is \"not working\"."),
    (Exit::Critical, "For monitoring: something is broken."),
    (Exit::Unknown, "For monitoring: nothing can be said."),
    (Exit::Usage, "The command line is wrong."),
    (Exit::Data, "A message or file could not be read."),
    (Exit::NoInput, "A file is missing."),
    (Exit::Unavailable, "A program or service that is needed is not there."),
    (Exit::Software, "This program has a fault."),
    (Exit::Os, "The system refused something."),
    (Exit::CannotCreate, "A file cannot be written."),
    (Exit::TryAgain, "Not yet: try again later."),
    (Exit::NoPermission, "Not permitted."),
    (Exit::Config, "The configuration is wrong."),
];

/// The commands that print what recruit-milter-findings(7) explains.
const FINDING: [&str; 4] = ["doctor", "postfix", "smtp-test", "verify"];

/// Files that the program reads and writes.
const FILES: [(&str, &str); 8] = [
    ("/etc/recruit-milter/recruit-milter.toml", "The configuration; see recruit-milter.toml(5)."),
    ("/etc/recruit-milter/conf.d/*.toml", "More of it, read in the order of the names."),
    ("/etc/recruit-milter/seal.key", "The secret keys that tokens and seals are signed with."),
    ("/etc/recruit-milter/credentials/", "Secrets by their names."),
    ("/etc/recruit-milter/dovecot-users", "The logins of recruiting systems, for Dovecot."),
    (
        "/var/lib/recruit-milter/journal",
        "A line for each decision; older ones in journal.1 and so on.",
    ),
    ("/var/lib/recruit-milter/ledger.sqlite", "What became of each copy."),
    ("/var/spool/postfix/recruit-milter/*.sock", "The sockets at which Postfix asks."),
];

/// An example of each command, with what it is for.
const EXAMPLES: [(&str, &str); 19] = [
    ("run --role milter", "What the service recruit-milter does."),
    ("check --print", "The configuration in effect, after testing it."),
    (
        "setup --address jobs@acme.example --inbound acme-jobs@m-personio.de",
        "From nothing to verified.",
    ),
    ("init-key --rotate", "A new key in front; the old one still verifies."),
    ("postfix --check", "Is something missing in Postfix, or in the way?"),
    (
        "login add personio --config /etc/recruit-milter/recruit-milter.toml",
        "A login for the recruiting system.",
    ),
    (
        "doctor --verbose",
        "Everything on the way of an application, with the names of what is wrong.",
    ),
    (
        "smtp-test --host mail.acme.example --port 587 --tls starttls --user personio --from jobs@acme.example",
        "Do the settings work that the recruiting system was given? Asks for the password.",
    ),
    ("verify --all", "A probe to each address, followed."),
    ("status --monitor", "A line for Nagios and Icinga, and its exit code."),
    ("trace erika@example.org", "What became of her mail?"),
    ("list --state failed --since 7d", "Copies of a week that did not arrive."),
    ("resend application.eml", "Once more, as it was."),
    ("subject find erika@example.org", "What is kept of her."),
    ("export", "Everything in the ledger."),
    (
        "explain application.eml --from erika@example.org --rcpt jobs@acme.example",
        "What would happen to it?",
    ),
    ("explain --summary Maildir/", "And to a thousand of them, in a table."),
    ("man recruit-milter-postfix", "The whole way, as a page that man -l - shows."),
    ("completions bash", "For /usr/share/bash-completion/completions/recruit-milter."),
];

#[derive(Debug, Args)]
pub(super) struct ManArgs {
    /// The page: recruit-milter, recruit-milter-verify, recruit-milter.toml, ... Without it: their names.
    #[arg(value_name = "PAGE")]
    page: Option<String>,
    /// Write all pages into this folder.
    #[arg(long, value_name = "FOLDER", conflicts_with = "page")]
    out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// The shell.
    shell: Shell,
}

pub(super) fn man(args: &ManArgs) -> Exit {
    let pages = match pages() {
        Ok(pages) => pages,
        Err(error) => {
            say(&format!("error: {error}"));
            return Exit::Software;
        }
    };
    if let Some(folder) = &args.out {
        return write(folder, &pages);
    }
    let Some(wanted) = &args.page else {
        let names: Vec<&str> = pages.iter().map(|page| page.name.as_str()).collect();
        answer(&names.join("\n"));
        return Exit::Ok;
    };
    let found = pages.iter().find(|page| {
        page.name == *wanted || page.name.rsplit_once('.').is_some_and(|(name, _)| name == wanted)
    });
    let Some(page) = found else {
        say(&format!("error: there is no page {wanted:?}\n  = recruit-milter man lists them"));
        return Exit::Usage;
    };
    document(&page.text)
}

pub(super) fn completions(args: &CompletionsArgs) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "recruit-milter", &mut script);
    document(&String::from_utf8_lossy(&script))
}

/// A manual page: the name of its file, and its text in the language of man(7).
struct Page {
    name: String,
    text: String,
}

fn write(folder: &Path, pages: &[Page]) -> Exit {
    for page in pages {
        let path = folder.join(&page.name);
        if let Err(error) = std::fs::write(&path, format!("{}\n", page.text.trim_end())) {
            say(&format!("error: {}: {error}", path.display()));
            return Exit::CannotCreate;
        }
    }
    Exit::Ok
}

fn pages() -> io::Result<Vec<Page>> {
    let mut whole = Cli::command();
    whole.build();
    let groups: Vec<&Command> = visible(&whole).collect();
    let mut pages = vec![page(&whole, &overview(&whole, &groups)?)?];
    for group in &groups {
        pages.push(page(group, &of_group(group)?)?);
    }
    pages.push(Page { name: "recruit-milter.toml.5".into(), text: reference::page() });
    pages.push(Page { name: "recruit-milter-words.7".into(), text: words::page() });
    let (name, text) = findings::page();
    pages.push(Page { name, text });
    pages.push(Page { name: GUIDE_NAME.into(), text: GUIDE.into() });
    Ok(pages)
}

fn visible(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|one| !one.is_hide_set() && one.get_name() != "help")
}

/// A page: its head, and what follows.
fn page(command: &Command, rest: &str) -> io::Result<Page> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    let man = Man::new(command.clone());
    let mut text = title(&name, "8");
    text.push_str(&rendered(|out| man.render_name_section(out))?);
    text.push_str(&rendered(|out| man.render_synopsis_section(out))?);
    text.push_str(&rendered(|out| man.render_description_section(out))?);
    text.push_str(rest);
    Ok(Page { name: format!("{name}.8"), text })
}

/// The head of a page. It has no date: the same program makes the same page.
fn title(name: &str, section: &str) -> String {
    let version = concat!("recruit-milter ", env!("CARGO_PKG_VERSION"));
    // How roff(1) gives out an apostrophe that stays one: clap's pieces use it, once is enough.
    let apostrophe = ".ie \\n(.g .ds Aq \\(aq\n.el .ds Aq '\n";
    format!("{apostrophe}.TH {name} {section} \"\" \"{version}\" \"recruit-milter\"\n")
}

fn overview(whole: &Command, groups: &[&Command]) -> io::Result<String> {
    let mut roff = Roff::new();
    roff.control("SH", ["COMMANDS"]);
    for group in groups {
        let name = group.get_display_name().unwrap_or_else(|| group.get_name());
        roff.control("TP", []).text([bold(name), roman("(8)")]);
        roff.text([roman(group.get_about().map(ToString::to_string).unwrap_or_default())]);
    }
    let mut text = options(whole)?;
    text.push_str(&roff.to_roff());
    text.push_str(&list("FILES", FILES.iter().map(|(path, what)| ((*path).to_owned(), *what))));
    text.push_str(&exit_status(true));
    text.push_str(&see_also(&[
        "recruit-milter-postfix(7)",
        "recruit-milter-words(7)",
        "recruit-milter-findings(7)",
        "recruit-milter.toml(5)",
        "postconf(5)",
    ]));
    Ok(text)
}

fn of_group(group: &Command) -> io::Result<String> {
    // Commands of their own below it have a section each; the options that it has stand there, too.
    let mut text = if group.has_subcommands() { String::new() } else { options(group)? };
    for command in visible(group) {
        let man = Man::new(command.clone());
        let synopsis = rendered(|out| man.render_synopsis_section(out))?;
        let description = rendered(|out| man.render_description_section(out))?;
        let name = format!("{} {}", group.get_name(), command.get_name());
        text.push_str(&Roff::new().control("SH", [name.to_uppercase().as_str()]).to_roff());
        text.push_str(&synopsis.replace(".SH SYNOPSIS\n", ""));
        text.push_str(&description.replace(".SH DESCRIPTION\n", ".PP\n"));
        text.push_str(&options(command)?.replace(".SH OPTIONS\n", ""));
    }
    let mine = |example: &&(&str, &str)| example.0.split(' ').next() == Some(group.get_name());
    let mut roff = Roff::new();
    roff.control("SH", ["EXAMPLES"]);
    for (command, why) in EXAMPLES.iter().filter(mine) {
        roff.control("PP", []).text([roman(*why)]).control("PP", []).control("EX", []);
        roff.text([roman(format!("recruit-milter {command}"))]).control("EE", []);
    }
    text.push_str(&roff.to_roff());
    text.push_str(&exit_status(group.get_name() == "status"));
    let mut also = vec!["recruit-milter(8)", "recruit-milter-postfix(7)", "recruit-milter.toml(5)"];
    if FINDING.contains(&group.get_name()) {
        also.push("recruit-milter-findings(7)");
    }
    text.push_str(&see_also(&also));
    Ok(text)
}

fn options(command: &Command) -> io::Result<String> {
    rendered(|out| Man::new(command.clone()).render_options_section(out))
}

/// A piece of a page, without the definitions that stand before each.
fn rendered(render: impl FnOnce(&mut dyn io::Write) -> io::Result<()>) -> io::Result<String> {
    let mut bytes = Vec::new();
    render(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let lines = text.lines().filter(|line| !line.starts_with(".ie ") && !line.starts_with(".el "));
    Ok(lines.fold(String::new(), |all, line| all + line + "\n"))
}

fn list<'a>(heading: &str, entries: impl Iterator<Item = (String, &'a str)>) -> String {
    let mut roff = Roff::new();
    roff.control("SH", [heading]);
    for (name, what) in entries {
        roff.control("TP", []).text([bold(name)]).text([roman(what)]);
    }
    roff.to_roff()
}

fn exit_status(monitoring: bool) -> String {
    let exits = EXITS
        .iter()
        .filter(|(exit, _)| monitoring || !matches!(exit, Exit::Critical | Exit::Unknown));
    list("EXIT STATUS", exits.map(|(exit, what)| ((*exit as u8).to_string(), *what)))
}

fn see_also(pages: &[&str]) -> String {
    Roff::new().control("SH", ["SEE ALSO"]).text([roman(pages.join(", "))]).to_roff()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    #[test]
    fn each_command_has_a_page_with_an_example_that_the_program_takes() {
        let whole = Cli::command();
        for command in visible(&whole) {
            let name = command.get_name();
            let with = EXAMPLES.iter().filter(|(line, _)| line.split(' ').next() == Some(name));
            assert!(with.count() > 0, "{name} has no example");
        }
        for (line, _) in EXAMPLES {
            let words = std::iter::once("recruit-milter").chain(line.split(' '));
            assert!(Cli::try_parse_from(words).is_ok(), "{line}");
        }
        let pages = pages().unwrap();
        assert_eq!(pages.len(), visible(&whole).count() + 5);
        for page in &pages {
            assert!(page.text.contains(".TH "), "{}", page.name);
            assert!(page.text.contains(".SH NAME"), "{}", page.name);
        }
    }
}
