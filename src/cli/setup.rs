//! `setup`: from nothing to verified. Asks, or takes flags; shows what it will do, does it, and ends with
//! "verified" or with the one thing that is still missing.
// SPDX-License-Identifier: GPL-3.0-or-later

mod answers;
mod services;
mod written;

use std::fs::{self, Permissions};
use std::io::{self, IsTerminal as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use clap::Args;
use tokio::runtime::Runtime;

use self::answers::Answers;
use self::services::Services;
use self::written::Written;
use super::lang::LangArg;
use super::postfix::{chain, exit_for};
use super::{ConfigArg, Exit, answer, doctor, say, verify};
use crate::config::keyfile::KeyFile;
use crate::config::{self, Config, Surroundings};
use crate::doctor::{Line, Mark, examine};
use crate::findings::Severity;
use crate::language::{Choice, Language};
use crate::postfix::{self, Instance, Site, Wanted};

/// The configuration as it is shipped, for who has none.
const SHIPPED: &str = include_str!("../../conf/recruit-milter.toml");

#[derive(Debug, Args)]
pub(super) struct SetupArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// A recruiting address; can be given several times.
    #[arg(long = "address", value_name = "ADDRESS")]
    addresses: Vec<String>,
    /// The address at which the recruiting system takes mail. The system tells you.
    #[arg(long, value_name = "ADDRESS")]
    inbound: Option<String>,
    /// A word for the recruiting system, as it will stand in logs. Without it: by the inbound address.
    #[arg(long, value_name = "NAME")]
    system: Option<String>,
    /// Where Postfix sends the system's mail instead of the MX of its inbound address: `[mx.example]:25`.
    #[arg(long, value_name = "HOST")]
    next_hop: Option<String>,
    /// A domain of colleagues; can be given several times. Without it: those of the recruiting addresses.
    #[arg(long = "domain", value_name = "DOMAIN")]
    domains: Vec<String>,
    /// Who hears when mail stops arriving.
    #[arg(long, value_name = "ADDRESS")]
    alerts: Option<String>,
    /// Do it without asking.
    #[arg(long, short)]
    yes: bool,
    /// Show what would be done, and do nothing.
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
    /// How the running program is made to read its configuration, where systemd does not run it.
    #[arg(long, value_name = "COMMAND")]
    restart: Option<String>,
    /// Postfix's configuration folder, where it is not the system's.
    #[arg(long, value_name = "FOLDER")]
    config_dir: Option<PathBuf>,
    #[command(flatten)]
    lang: LangArg,
}

pub(super) fn setup(args: &SetupArgs) -> Exit {
    let lang = args.lang.choose(Choice::Auto);
    match run(args, lang) {
        Ok(()) => Exit::Ok,
        Err(Missing { what, remedy, exit }) => {
            let heading = lang.pick("still missing: ", "es fehlt noch: ");
            say(&format!("{heading}{what}\n  -> {remedy}"));
            exit
        }
    }
}

/// The one thing that is still missing.
struct Missing {
    what: String,
    remedy: String,
    exit: Exit,
}

fn missing(exit: Exit, what: impl Into<String>, remedy: impl Into<String>) -> Missing {
    Missing { what: what.into(), remedy: remedy.into(), exit }
}

fn run(args: &SetupArgs, lang: Language) -> Result<(), Missing> {
    let instance = args.config_dir.as_ref().map_or_else(Instance::system, Instance::at);
    let site = Site::read(&instance).map_err(|error| no_postfix(&error))?;
    answer(&format!("Postfix {} in {}", site.value("mail_version"), site.config_dir.display()));
    let path = &args.config.config;
    let before = read(path)?;
    let answers = Answers::complete(args, before.as_ref(), lang)?;
    let written = Written::new(answers, path, before.as_ref(), &site)?;
    let (planned, text) = plan(path, before.as_ref(), &written)?;
    let wanted = Wanted::from(&planned, &site).map_err(|error| not_done(&error))?;
    let changes = postfix::diff(&site, &wanted);
    if let Some(text) = &text {
        let heading = lang.pick("Configuration, in", "Konfiguration, in");
        answer(&format!("\n{heading} {}:\n{}", written.path.display(), indented(text)));
    }
    let key = !planned.key_file.exists();
    if key {
        let heading = lang.pick("Secret key", "Geheimer Schlüssel");
        answer(&format!("\n{heading}: {}", planned.key_file.display()));
    }
    if !changes.is_empty() {
        let heading = lang.pick("Changes in Postfix", "Änderungen in Postfix");
        let shown = postfix::show(&changes);
        answer(&format!(
            "\n{heading}:\n{}",
            indented(&if args.dry_run { shown } else { brief(&shown) })
        ));
        if !args.dry_run {
            say(lang.pick(
                "(--dry-run shows it with each option and each table)",
                "(--dry-run zeigt es mit jeder Option und jeder Tabelle)",
            ));
        }
    }
    if text.is_none() && !key && changes.is_empty() {
        answer(lang.pick("All of it is there already.", "All das ist schon da."));
    }
    if args.dry_run {
        return Ok(());
    }
    if text.is_some() || key || !changes.is_empty() {
        agree(args, lang)?;
    }
    if let Some(text) = &text {
        write(path, &written.path, text)?;
    }
    let services = Services::find(args.restart.as_deref());
    if key {
        make_key(&planned, &services)?;
    }
    // Also where the file was written by a run that got no further.
    if text.is_some() || key || !changes.is_empty() || !services.are_running() {
        restart(&services, text.is_some().then_some(&written.path), lang)?;
    }
    services.wait_for(&planned)?;
    if !changes.is_empty() {
        postfix::apply(&instance, &wanted).map_err(|error| not_done(&error))?;
    }
    super::postfix::keep_place(&planned, &instance).map_err(|error| not_done(&error))?;
    let not_reloaded =
        |error| missing(exit_for(&error), chain(&error), "mend that, and run this again");
    if !instance.reload().map_err(not_reloaded)? {
        return Err(missing(
            Exit::Unavailable,
            lang.pick("Postfix does not run", "Postfix läuft nicht"),
            lang.pick("start Postfix, and run this again", "Postfix starten, und dies noch einmal"),
        ));
    }
    judge(args, &planned.path, &instance, lang)
}

/// Restarts the program. If it does not start, the file that was written now is taken back: what ran before would
/// stand still otherwise, and Postfix put off all mail.
fn restart(services: &Services, new: Option<&PathBuf>, lang: Language) -> Result<(), Missing> {
    let done = services.restart(lang);
    if done.is_err()
        && services.are_known()
        && let Some(new) = new
        && fs::remove_file(new).is_ok()
    {
        let taken_back = lang.pick("was taken back", "wurde zurückgenommen");
        say(&format!("{} {taken_back}", new.display()));
        _ = services.restart(lang);
    }
    done
}

/// What is configured now. Nothing where there is no file.
fn read(path: &Path) -> Result<Option<Config>, Missing> {
    if !path.exists() {
        return Ok(None);
    }
    match config::load_with(path, &of_text()) {
        Ok(loaded) => Ok(Some(loaded.config)),
        Err(problems) => {
            say(&problems.render(false));
            let remedy = format!("recruit-milter check --config {}", path.display());
            Err(missing(Exit::Config, "the configuration that is there has faults", remedy))
        }
    }
}

/// The text alone counts: what is around it is yet to come.
fn of_text() -> Surroundings {
    Surroundings { sockets: false, state: false, keys: false, credentials: None }
}

/// The configuration as it will be, and the text to write; none if it is there already.
fn plan(
    path: &Path,
    before: Option<&Config>,
    written: &Written,
) -> Result<(Config, Option<String>), Missing> {
    if let (Some(config), None) = (before, &written.text) {
        return Ok((config.clone(), None));
    }
    let text = written.text.clone().unwrap_or_default();
    let mut more = vec![(written.path.clone(), text.clone())];
    if before.is_none() {
        more.insert(0, (path.to_owned(), SHIPPED.to_owned()));
    }
    let loaded = config::load_with_more(path, &of_text(), more);
    let loaded = loaded.map_err(|problems| {
        say(&problems.render(false));
        missing(
            Exit::Config,
            "that would be no valid configuration",
            "see above; give other answers",
        )
    })?;
    Ok((loaded.config, Some(text)))
}

fn agree(args: &SetupArgs, lang: Language) -> Result<(), Missing> {
    if args.yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() {
        return Err(missing(
            Exit::Usage,
            lang.pick("your consent: nothing was changed", "Ihr Ja: nichts wurde geändert"),
            lang.pick("run it with --yes", "mit --yes aufrufen"),
        ));
    }
    let yes = answers::question(lang.pick("\nDo this? [y/N] ", "\nSo machen? [j/N] "))?;
    if ["y", "yes", "j", "ja"].contains(&yes.to_lowercase().as_str()) {
        return Ok(());
    }
    let what = lang.pick("your consent: nothing was changed", "Ihr Ja: nichts wurde geändert");
    Err(missing(Exit::NotWorking, what, lang.pick("run it again", "noch einmal aufrufen")))
}

/// Writes the file, and the main one where there is none.
fn write(main: &Path, path: &Path, text: &str) -> Result<(), Missing> {
    let done = (|| {
        let folder = path.parent().unwrap_or(Path::new("."));
        if !folder.exists() {
            fs::create_dir_all(folder)?;
            fs::set_permissions(folder, Permissions::from_mode(0o755))?;
        }
        if !main.exists() {
            write_for_all(main, SHIPPED)?;
        }
        write_for_all(path, text)
    })();
    done.map_err(|error| cannot_write(path, &error))
}

/// Writes a file whole or not at all, under a name that is no conf.d/*.toml until then. Everybody may read it,
/// whatever the umask: the services are other users.
fn write_for_all(path: &Path, text: &str) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = fs::File::create(&new)?;
    file.set_permissions(Permissions::from_mode(0o644))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, path)
}

fn make_key(config: &Config, services: &Services) -> Result<(), Missing> {
    let path = &config.key_file;
    let made = KeyFile::generate().and_then(|file| file.create(path));
    made.map_err(|error| {
        let what = format!("the secret key: {}: {error}", path.display());
        missing(Exit::CannotCreate, what, "run it as root")
    })?;
    // systemd passes it in; to any other service it has to belong.
    if !services.are_of_systemd()
        && let Ok(owner) = fs::metadata(&config.state_dir)
    {
        chown(path, Some(owner.uid()), Some(owner.gid()))
            .map_err(|error| cannot_write(path, &error))?;
    }
    Ok(())
}

fn runtime() -> Result<Runtime, Missing> {
    super::runtime().map_err(|error| missing(Exit::Os, error.to_string(), "try again"))
}

/// Looks at everything, sends a probe to each address, and says what it came to.
fn judge(
    args: &SetupArgs,
    path: &Path,
    instance: &Instance,
    lang: Language,
) -> Result<(), Missing> {
    let config = match super::load(path) {
        Ok(config) => config,
        Err(exit) => {
            let remedy = format!("recruit-milter check --config {}", path.display());
            return Err(missing(exit, "a configuration without faults", remedy));
        }
    };
    let found = runtime()?.block_on(examine(&config, instance));
    // What a probe has to show comes right after it.
    let shown: Vec<Line> =
        found.iter().filter(|line| line.mark() != Mark::NotTested).cloned().collect();
    answer(&format!("\n{}", doctor::text(&shown, false, false)));
    let verified =
        verify::verify(&verify::VerifyArgs::all(&args.config, args.config_dir.as_ref(), args.lang));
    if verified == Exit::Ok {
        let addresses: Vec<String> =
            config.rules.addresses.iter().map(|rule| rule.pattern.to_string()).collect();
        answer(&format!(
            "\n{} {}\n{}",
            lang.pick("verified:", "verifiziert:"),
            addresses.join(", "),
            lang.pick(
                "Now press the test button of the recruiting system. To take it out of Postfix again: \
                 recruit-milter postfix --remove",
                "Nun die Test-Taste des Recruiting-Systems drücken. Aus Postfix wieder heraus: \
                 recruit-milter postfix --remove",
            ),
        ));
        return Ok(());
    }
    // What doctor found is nearer to the cause than what did not arrive.
    let mut wrong = found.iter().filter_map(Line::finding);
    let cause = wrong.find(|finding| finding.severity == Severity::Error);
    Err(match cause {
        Some(finding) => missing(verified, finding.text.clone(), finding.remedy.clone()),
        None => missing(
            verified,
            lang.pick(
                "mail does not get through yet; see above",
                "Mail kommt noch nicht durch; siehe oben",
            ),
            "recruit-milter verify --all",
        ),
    })
}

fn no_postfix(error: &postfix::Error) -> Missing {
    let remedy = "install Postfix, name its folder with --config-dir, or run it as root";
    missing(Exit::Unavailable, format!("Postfix: {}", chain(error)), remedy)
}

fn not_done(error: &postfix::Error) -> Missing {
    missing(exit_for(error), chain(error), "recruit-milter postfix --apply")
}

fn cannot_write(path: &Path, error: &io::Error) -> Missing {
    let exit = if error.kind() == io::ErrorKind::PermissionDenied {
        Exit::NoPermission
    } else {
        Exit::CannotCreate
    };
    missing(exit, format!("{}: {error}", path.display()), "run it as root")
}

/// Changes without the options of services that are new, and without the lines of our own tables.
fn brief(changes: &str) -> String {
    let mut own_table = false;
    let mut is_new = false;
    let mut lines = Vec::new();
    for line in changes.lines() {
        if let Some(file) = line.strip_prefix("@@ ") {
            own_table = !["main.cf", "master.cf"].contains(&file);
            is_new = false;
            lines.push(line);
            continue;
        }
        let is_option = line.starts_with("+   -o ");
        if !is_option {
            is_new = line.starts_with("+ ");
        }
        if !(own_table || is_option && is_new) {
            lines.push(line);
        }
    }
    lines.join("\n")
}

fn indented(text: &str) -> String {
    let lines = text.trim_end().lines();
    let lines =
        lines.map(|line| if line.is_empty() { String::new() } else { format!("    {line}") });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_shown_without_what_nobody_reads_but_each_change_of_what_was_there() {
        let changes = "@@ main.cf\n+ a = b\n@@ master.cf\n+ new inet n - n - - smtpd\n+   -o x=y\n  \
                       submission inet n - y - - smtpd\n-   -o m=1\n+   -o m=2\n@@ recruit-milter.x\n+ /a/ b";
        assert_eq!(
            brief(changes),
            "@@ main.cf\n+ a = b\n@@ master.cf\n+ new inet n - n - - smtpd\n  \
             submission inet n - y - - smtpd\n-   -o m=1\n+   -o m=2\n@@ recruit-milter.x"
        );
    }
}
