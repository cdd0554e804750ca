//! The command line: what can be asked, and the exit codes that answer. One file per subcommand.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::ffi::OsString;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand};
use tokio::runtime::Runtime;

use crate::config::{self, Config, Loaded, Surroundings};
use crate::findings::id;

mod check;
mod doctor;
pub mod explain;
mod export;
mod findings;
mod init_key;
mod lang;
mod list;
mod login;
mod looking;
mod man;
mod postfix;
mod resend;
mod run;
mod setup;
mod smtp_test;
mod standing;
mod status;
mod subject;
mod trace;
mod verify;
#[cfg(test)]
mod words_tests;

/// Where the configuration is looked for if nothing else is said.
const CONFIG: &str = "/etc/recruit-milter/recruit-milter.toml";

/// The exit codes that are used, of sysexits(3) and two below.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// All is well.
    Ok = 0,
    /// A test ran, and its answer is "not working".
    NotWorking = 1,
    /// For monitoring: something is broken.
    Critical = 2,
    /// For monitoring: nothing can be said.
    Unknown = 3,
    /// The command line is wrong.
    Usage = 64,
    /// A message or file could not be read.
    Data = 65,
    /// A file is missing.
    NoInput = 66,
    /// A program or service that is needed is not there.
    Unavailable = 69,
    /// This program has a fault.
    Software = 70,
    /// The system refused something.
    Os = 71,
    /// A file cannot be written.
    CannotCreate = 73,
    /// Something is in the way that will pass.
    TryAgain = 75,
    /// Not permitted.
    NoPermission = 77,
    /// The configuration is wrong.
    Config = 78,
}

/// Forwards recruiting mail to a recruiting system from inside Postfix, whole and exactly once.
#[derive(Debug, Parser)]
#[command(name = "recruit-milter", version, arg_required_else_help = true)]
#[command(after_help = format!(
    "recruit-milter help {} says what a finding of doctor and the other tests means.",
    id::ENTRANCE_WITHOUT_US
))]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the milter (in the foreground; what systemd starts).
    Run(RunArgs),
    /// Test the configuration: everything that is wrong with it, at once.
    #[command(alias = "-t")]
    Check(CheckArgs),
    /// Make the secret key that tokens and seals are signed with, or add a new one.
    InitKey(InitKeyArgs),
    /// From nothing to verified: configuration, key, Postfix, and a test of all of it.
    Setup(setup::SetupArgs),
    /// Show what goes into Postfix's main.cf and master.cf; apply or remove it.
    Postfix(PostfixArgs),
    /// Logins for recruiting systems: to send with, from anywhere, and to open no mailbox.
    Login(login::LoginArgs),
    /// Look at everything on the way of an application: what is wrong, and what to do about it.
    ///
    /// Asks the milter at its sockets, Postfix, and the recruiting systems' servers.
    Doctor(doctor::DoctorArgs),
    /// Step through SMTP settings as a recruiting system would use them; say what is wrong with them.
    SmtpTest(smtp_test::SmtpTestArgs),
    /// Send a probe to recruiting addresses and follow it hop by hop: is it verified?
    ///
    /// Where it gets stuck, the milter is asked at its sockets, and Postfix for its queue and its configuration.
    Verify(verify::VerifyArgs),
    /// A line for each recruiting address: is it verified, and what became of its mail?
    ///
    /// Asks the milter at its sockets, Postfix by SMTP and for what `postfix --check` finds, and looks whether the
    /// agent is alive.
    Status(status::StatusArgs),
    /// The life of a mail in time order.
    Trace(trace::TraceArgs),
    /// Copies and what became of them.
    List(list::ListArgs),
    /// Send the copy of a mail to its recruiting system once more.
    Resend(resend::ResendArgs),
    /// What the ledger has of somebody, and taking it out.
    Subject(subject::SubjectArgs),
    /// The ledger as JSON lines.
    Export(export::ExportArgs),
    /// Say what would happen to a message, and why.
    Explain(ExplainArgs),
    /// Print a manual page, or write all of them.
    Man(man::ManArgs),
    /// Print a shell's completions of this command line.
    Completions(man::CompletionsArgs),
}

/// The option that all commands have.
#[derive(Clone, Debug, Args)]
struct ConfigArg {
    /// The configuration file.
    #[arg(long, short, default_value = CONFIG, value_name = "FILE")]
    config: PathBuf,
}

#[derive(Debug, Args)]
struct RunArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// Run one role alone: the milter, which decides on mail, or the agent, which keeps books, verifies
    /// and unwraps. Without it both run in one process.
    #[arg(long)]
    role: Option<run::Role>,
    /// Accepted and ignored: the program always stays in the foreground.
    #[arg(short = 'f', hide = true)]
    _foreground: bool,
}

#[derive(Debug, Args)]
struct CheckArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// Print the effective configuration, secrets masked.
    #[arg(long)]
    print: bool,
    /// Print problems as JSON.
    #[arg(long)]
    json: bool,
    /// Fail also where the program that runs would refuse the configuration: what systemctl reload asks first.
    #[arg(long)]
    reload: bool,
}

#[derive(Debug, Args)]
struct InitKeyArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// Write to this file instead of the one that the configuration names.
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Put a new key before those that are there. The old ones still verify.
    #[arg(long)]
    rotate: bool,
}

#[derive(Debug, Args)]
struct PostfixArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// Postfix's configuration folder, where it is not the system's.
    #[arg(long, value_name = "FOLDER")]
    config_dir: Option<PathBuf>,
    /// Make the changes, after showing them. Nothing changes where nothing has to.
    #[arg(long, conflicts_with_all = ["remove", "check"])]
    apply: bool,
    /// Take the changes back; without --config-dir in all Postfix instances of this host.
    #[arg(long, conflicts_with = "check")]
    remove: bool,
    /// Compare with what Postfix has; exit code 1 if something is missing or in the way.
    #[arg(long)]
    check: bool,
}

#[derive(Debug, Args)]
struct ExplainArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// A message, an mbox, or a folder of them; `-` for standard input.
    #[arg(value_name = "FILE", required = true)]
    messages: Vec<PathBuf>,
    /// The envelope sender; empty for the null sender. Without it, Return-Path or From of the file.
    #[arg(long, value_name = "ADDRESS")]
    from: Option<String>,
    /// A recipient; can be given several times. Without it, the recruiting addresses that the
    /// message names, or the first of the configuration; with --login and outgoing mail configured,
    /// those in To and Cc.
    #[arg(long = "rcpt", value_name = "ADDRESS")]
    to: Vec<String>,
    /// The client's IP address.
    #[arg(long, value_name = "IP")]
    client: Option<std::net::IpAddr>,
    /// The SASL user name: as if a colleague had logged in; or a recruiting system, whose mail is
    /// then checked as on its way out.
    #[arg(long, value_name = "NAME")]
    login: Option<String>,
    /// Print counts only.
    #[arg(long)]
    summary: bool,
    /// Print JSON; of several messages, one object a line.
    #[arg(long)]
    json: bool,
}

/// Runs the command line `args` (with the program's name first) and says how the process shall end.
pub fn main(args: impl IntoIterator<Item = OsString>) -> Exit {
    let args: Vec<OsString> = args.into_iter().collect();
    // clap's own `help` knows commands alone.
    if let [_, help, wanted] = &args[..]
        && help == "help"
        && let Some(wanted) = wanted.to_str().filter(|word| findings::is_id(word))
    {
        return findings::help(wanted);
    }
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Ok };
        }
    };
    match cli.command {
        Command::Run(args) => run::run(&args.config.config, args.role),
        Command::Check(args) => check::check(&args),
        Command::InitKey(args) => init_key::init_key(&args),
        Command::Setup(args) => setup::setup(&args),
        Command::Postfix(args) => postfix::postfix(&args),
        Command::Login(args) => login::login(&args),
        Command::Doctor(args) => doctor::doctor(&args),
        Command::SmtpTest(args) => smtp_test::smtp_test(args),
        Command::Verify(args) => verify::verify(&args),
        Command::Status(args) => status::status(&args),
        Command::Trace(args) => trace::trace(&args),
        Command::List(args) => list::list(&args),
        Command::Resend(args) => resend::resend(&args),
        Command::Subject(args) => subject::subject(&args),
        Command::Export(args) => export::export(&args),
        Command::Explain(args) => explain::command::explain(&args),
        Command::Man(args) => man::man(&args),
        Command::Completions(args) => man::completions(&args),
    }
}

/// Reads the configuration; what is wrong with it goes to standard error.
fn load(path: &Path) -> Result<Config, Exit> {
    load_with(path, &Surroundings::of_process())
}

/// [`load`] with other surroundings than those of this process.
fn load_with(path: &Path, around: &Surroundings) -> Result<Config, Exit> {
    load_whole(path, around).map(|loaded| loaded.config).map_err(|(exit, _)| exit)
}

/// [`load_with`], with the files; where it fails, the first problem besides.
fn load_whole(path: &Path, around: &Surroundings) -> Result<Loaded, (Exit, String)> {
    if !path.exists() {
        let first = format!("{}: no such file", path.display());
        say(&format!("error: {first}\n  = name the file with --config"));
        return Err((Exit::NoInput, first));
    }
    let colour = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    match config::load_with(path, around) {
        Ok(loaded) => {
            if !loaded.warnings.is_empty() {
                say(&loaded.warnings.render(colour));
            }
            Ok(loaded)
        }
        Err(problems) => {
            say(&problems.render(colour));
            Err((Exit::Config, problems.first()))
        }
    }
}

/// Writes a remark to standard error. That it cannot be written is nobody's concern.
fn say(text: &str) {
    let _ = writeln!(io::stderr(), "{}", text.trim_end());
}

/// Writes a file to standard output, for redirection: half of it is an error.
fn document(text: &str) -> Exit {
    let mut out = io::stdout().lock();
    written(writeln!(out, "{}", text.trim_end()).and_then(|()| out.flush()))
}

/// How it ends when something was written to standard output. A reader that has gone away (`| head`) is no
/// error.
fn written(done: io::Result<()>) -> Exit {
    match done {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            say(&format!("error: cannot write: {error}"));
            Exit::CannotCreate
        }
        _ => Exit::Ok,
    }
}

/// What a command waits with: one thread, for as long as it runs.
fn runtime() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

/// Writes an answer to standard output. A reader that has gone away (`| head`) is no error.
fn answer(text: &str) {
    let _ = writeln!(io::stdout(), "{}", text.trim_end());
}
