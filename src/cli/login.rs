//! `login`: the logins that recruiting systems send with, in a passwd-file that Dovecot reads.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::io::{BufRead as _, IsTerminal as _, Write as _, stderr, stdin};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};

use self::failure::{Failure, remind};
use self::guide::{Guide, Languages};
use self::known::Known;
use super::{ConfigArg, Exit, answer, say};
use crate::credentials::{EntryError, Name, Password, Store, StoreError};
use crate::language::{Choice, Language};
use crate::postfix::Instance;

mod failure;
mod guide;
mod known;
mod list;

/// The name of the passwd-file, beside the configuration file.
const USERS: &str = "dovecot-users";

#[derive(Debug, Args)]
pub(super) struct LoginArgs {
    #[command(subcommand)]
    command: LoginCommand,
}

#[derive(Debug, Subcommand)]
enum LoginCommand {
    /// Make a login with a password of its own, and show what to type into the recruiting system.
    ///
    /// The password is shown once, on standard output, with the lines for the system's settings
    /// page. Only a hash of it is kept, in a passwd-file for Dovecot, in an entry that opens no
    /// mailbox. Then come the lines that Dovecot, Postfix and this program's configuration need.
    Add(AddArgs),
    /// Show the logins of the file, and what they may send as.
    List(ListArgs),
    /// Give a login a new password; the old one ends.
    Rotate(RotateArgs),
    /// Take a login away.
    Remove(RemoveArgs),
}

#[derive(Debug, Args)]
struct UsersArg {
    #[command(flatten)]
    config: ConfigArg,
    /// The passwd-file that Dovecot reads. Without it: dovecot-users beside the configuration file.
    #[arg(long, value_name = "FILE")]
    users: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct ShowArgs {
    /// The server that the recruiting system connects to, by the name in its certificate. Without
    /// it: Postfix's myhostname.
    #[arg(long, value_name = "HOST", value_parser = host)]
    host: Option<String>,
    /// The language of the settings page. auto: by the configuration or the locale, else both.
    #[arg(long, value_name = "LANGUAGE", default_value = "auto")]
    lang: LanguageArg,
    /// Print JSON, with the password in it.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LanguageArg {
    De,
    En,
    Auto,
}

#[derive(Debug, Args)]
struct AddArgs {
    /// The user name: letters, digits and any of `.-_@`; capitals become small letters.
    name: String,
    #[command(flatten)]
    users: UsersArg,
    #[command(flatten)]
    show: ShowArgs,
}

#[derive(Debug, Args)]
struct RotateArgs {
    /// The user name.
    name: String,
    #[command(flatten)]
    users: UsersArg,
    #[command(flatten)]
    show: ShowArgs,
}

#[derive(Debug, Args)]
struct RemoveArgs {
    /// The user name.
    name: String,
    #[command(flatten)]
    users: UsersArg,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
}

#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    users: UsersArg,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl UsersArg {
    /// The file, by its whole path: Dovecot is told it.
    fn store(&self) -> Store {
        let path = match &self.users {
            Some(path) => path.clone(),
            None => self.config.config.parent().unwrap_or(Path::new("")).join(USERS),
        };
        Store::at(std::path::absolute(&path).unwrap_or(path))
    }

    fn known(&self) -> Known {
        Known::of(&self.config.config)
    }
}

pub(super) fn login(args: &LoginArgs) -> Exit {
    let done = match &args.command {
        LoginCommand::Add(args) => add(args),
        LoginCommand::List(args) => list::list(&args.users.store(), &args.users.known(), args.json),
        LoginCommand::Rotate(args) => rotate(args),
        LoginCommand::Remove(args) => remove(args),
    };
    done.map_or_else(Failure::tell, |()| Exit::Ok)
}

fn add(args: &AddArgs) -> Result<(), Failure> {
    let name = name(&args.name)?;
    let store = args.users.store();
    let password = set_password(&store, &name, true)?;
    let known = args.users.known();
    show(&store, &name, &password, &args.show, &known)?;
    if !args.show.json {
        answer(&guide::setup(&store, &name, &known));
    }
    if known.login(&name).is_none() {
        say(&guide::not_held(&name));
    }
    remind(&store);
    Ok(())
}

fn rotate(args: &RotateArgs) -> Result<(), Failure> {
    let name = name(&args.name)?;
    let store = args.users.store();
    let password = set_password(&store, &name, false)?;
    show(&store, &name, &password, &args.show, &args.users.known())?;
    say(&format!("The old password has ended. {}", guide::still_open(&name)));
    remind(&store);
    Ok(())
}

fn remove(args: &RemoveArgs) -> Result<(), Failure> {
    let name = name(&args.name)?;
    let store = args.users.store();
    let failed = |error| Failure::of(&store, Some(&name), &error);
    // What cannot be done need not be asked.
    let mut file = store.read().map_err(failed)?;
    file.remove(&name).map_err(|error| failed(StoreError::Entry(error)))?;
    if !args.yes && !confirmed(&name)? {
        say("nothing changed");
        return Err(Failure::told(Exit::NotWorking));
    }
    store.change(false, |file| file.remove(&name)).map_err(failed)?;
    answer(&format!("{}: {name} removed", store.path().display()));
    say(&guide::still_open(&name));
    if let Some(login) = args.users.known().login(&name) {
        say(&format!("[login.{}] can leave the configuration as well.", guide::key(&login.name)));
    }
    remind(&store);
    Ok(())
}

/// Makes a password and writes its hash: for a new login, or for one that is there.
fn set_password(store: &Store, name: &Name, new: bool) -> Result<Password, Failure> {
    keep_out_of_cores();
    let failed = |error| Failure::of(store, Some(name), &error);
    let password = Password::make().map_err(|_| failed(StoreError::Random))?;
    let hashed = password.hashed().map_err(|_| failed(StoreError::Random))?;
    let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date().to_string();
    let set = |file: &mut crate::credentials::PasswdFile| -> Result<(), EntryError> {
        if new { file.add(name, &hashed, &today) } else { file.replace(name, &hashed, &today) }
    };
    store.change(new, set).map_err(failed)?;
    Ok(password)
}

/// Shows the password, this once. Where that fails nobody knows it: that is no success.
fn show(
    store: &Store,
    name: &Name,
    password: &Password,
    args: &ShowArgs,
    known: &Known,
) -> Result<(), Failure> {
    let host = args.host.clone().or_else(own_host);
    if host.is_none() {
        say(
            "warning: Postfix's myhostname is no name that others can find\n  = say it with --host",
        );
    }
    let guide = Guide { name, password, host: host.as_deref() };
    let mut text = if args.json {
        guide.json(store, known)
    } else {
        let language = match args.lang {
            LanguageArg::De => Choice::Of(Language::De),
            LanguageArg::En => Choice::Of(Language::En),
            LanguageArg::Auto => known.language,
        };
        guide.text(Languages::of(language, |name| std::env::var(name).ok()))
    }
    .into_bytes();
    let mut out = std::io::stdout().lock();
    let written = out.write_all(&text).and_then(|()| out.flush());
    text.fill(0);
    std::hint::black_box(&text);
    written.map_err(|error| {
        let message = format!("the password of {name} could not be shown: {error}");
        let remedy = format!("recruit-milter login rotate {name} makes another");
        Failure::new(Exit::CannotCreate, message, remedy)
    })
}

/// Keeps what this process knows out of core dumps and away from debuggers. Where the system does
/// not know how, nothing else is lost.
fn keep_out_of_cores() {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    }
}

fn name(text: &str) -> Result<Name, Failure> {
    Name::new(text).map_err(|error| Failure::of_name(text, error))
}

/// A host name that can be shown in a line.
fn host(text: &str) -> Result<String, String> {
    if text.is_empty() || text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err("a host name has no blanks in it".to_owned());
    }
    Ok(text.to_owned())
}

/// What Postfix calls this host, where others may know it by that.
fn own_host() -> Option<String> {
    let said = Instance::system().run("postconf", &["-hx", "myhostname"]).ok()?;
    host(said.trim()).ok().filter(|host| host.contains('.'))
}

fn confirmed(name: &Name) -> Result<bool, Failure> {
    if !stdin().is_terminal() || !stderr().is_terminal() {
        let message = "nobody can be asked here whether to remove it";
        return Err(Failure::new(Exit::Usage, message, "say --yes"));
    }
    let _ = write!(stderr(), "Remove {name}? It cannot log in from then on. [y/N] ");
    let mut line = String::new();
    _ = stdin().lock().read_line(&mut line);
    Ok(matches!(line.trim().to_lowercase().as_str(), "y" | "yes" | "j" | "ja"))
}
