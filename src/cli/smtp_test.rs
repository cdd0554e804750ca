//! `smtp-test`: steps through SMTP settings as the recruiting system would use them.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fs;
use std::io::{self, BufRead as _, BufReader, IsTerminal as _, Write as _};
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use tokio::signal::unix::{SignalKind, signal};

use super::lang::LangArg;
use super::{Exit, answer, say};
use crate::language::Choice;
use crate::mail::Address;
use crate::smtp_test::{self, Secret, Settings, Tls, causes_of};

/// Where the password may stand, for those that run this from a script.
const VARIABLE: &str = "RECRUIT_MILTER_PASSWORD";

/// As long as a password may be: whatever is longer is no password but the wrong file.
const LONGEST: usize = 1024;

#[derive(Debug, Args)]
#[command(
    after_help = "The password is asked for at the terminal, or comes from --password-file or from the environment \
variable RECRUIT_MILTER_PASSWORD.\n\nExit codes: 0 works; 1 does not work; 64 the command line is wrong; 66 a file cannot be read; \
69 the server cannot be reached; 75 not now, try again."
)]
pub(super) struct SmtpTestArgs {
    /// The server for outgoing mail.
    #[arg(long, value_parser = host)]
    host: String,
    /// Its port: 465 with ssl, 587 with starttls.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
    /// The encryption. What settings pages call "SSL" is ssl, what they call "TLS" is mostly starttls.
    #[arg(long)]
    tls: TlsArg,
    /// The user name.
    #[arg(long, value_parser = user)]
    user: String,
    /// The recruiting address, which sends.
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    from: Address,
    /// Send a real mail to this address.
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    to: Option<Address>,
    /// A file whose first line is the password.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Certificates (PEM) of the authorities to believe, in place of the system's.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Test as if from this address too, where the server allows it (XCLIENT); can be given several
    /// times.
    #[arg(long = "claim-ip", value_name = "IP")]
    claims: Vec<IpAddr>,
    /// How long each step may take; the whole takes at most four times that, and as long again for
    /// each --claim-ip.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = time)]
    timeout: Duration,
    #[command(flatten)]
    lang: LangArg,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum TlsArg {
    /// TLS from the first byte
    Ssl,
    /// Begun in plain text, then encrypted
    Starttls,
    /// Not encrypted
    None,
}

pub(super) fn smtp_test(args: SmtpTestArgs) -> Exit {
    let lang = args.lang.choose(Choice::Auto);
    let password = match password(args.password_file.as_deref(), &args.user) {
        Ok(password) => password,
        Err((exit, why)) => {
            say(&format!("error: {why}"));
            return exit;
        }
    };
    let settings = Settings {
        host: args.host,
        port: args.port,
        tls: match args.tls {
            TlsArg::Ssl => Tls::Implicit,
            TlsArg::Starttls => Tls::StartTls,
            TlsArg::None => Tls::None,
        },
        user: args.user,
        password,
        from: args.from,
        to: args.to,
        ca: args.ca,
        claims: args.claims,
        limit: args.timeout,
    };
    if !args.json {
        answer(&smtp_test::heading(&settings, lang));
    }
    let tested = smtp_test::run(&settings, &mut |step| {
        if !args.json {
            answer(&smtp_test::step(step, lang));
        }
    });
    let steps = match tested {
        Ok(steps) => steps,
        Err(error) => {
            say(&format!("error: {error}"));
            return match error {
                smtp_test::Error::Host(_) => Exit::Usage,
                smtp_test::Error::Authorities(_) => Exit::NoInput,
                smtp_test::Error::Client(_) => Exit::Software,
            };
        }
    };
    if args.json {
        answer(&format!("{:#}", smtp_test::json(&settings, &steps, lang)));
    } else {
        answer(&format!("\n{}", smtp_test::verdict(&settings, &steps, lang)));
    }
    match causes_of(&steps).first() {
        None => Exit::Ok,
        Some(cause) if cause.is_unreachable() => Exit::Unavailable,
        Some(cause) if cause.will_pass() => Exit::TryAgain,
        Some(_) => Exit::NotWorking,
    }
}

fn host(text: &str) -> Result<String, String> {
    if text.parse::<IpAddr>().is_ok() {
        return Ok(text.to_owned());
    }
    let name = idna::domain_to_ascii(text).ok().filter(|name| !name.is_empty());
    name.ok_or_else(|| "neither the name of a host nor an IP address".to_owned())
}

fn address(text: &str) -> Result<Address, String> {
    Address::parse(text).map_err(|error| error.to_string())
}

fn user(text: &str) -> Result<String, String> {
    match text {
        "" => Err("a login has a name".to_owned()),
        _ if text.chars().any(char::is_control) => Err("control characters in it".to_owned()),
        _ => Ok(text.to_owned()),
    }
}

fn time(text: &str) -> Result<Duration, String> {
    let (number, unit) = match text.strip_suffix('m') {
        Some(minutes) => (minutes, 60),
        None => (text.strip_suffix('s').unwrap_or(text), 1),
    };
    match number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit)) {
        Some(seconds @ 1..=600) => Ok(Duration::from_secs(seconds)),
        Some(_) => Err("between 1s and 10m".to_owned()),
        None => Err("a time is written as 30s or 2m".to_owned()),
    }
}

/// The password: of the file, else of the environment, else asked for.
fn password(file: Option<&Path>, user: &str) -> Result<Secret, (Exit, String)> {
    if let Some(file) = file {
        return of_file(file).map_err(|why| (Exit::NoInput, format!("{}: {why}", file.display())));
    }
    if let Some(value) = std::env::var_os(VARIABLE) {
        return Ok(Secret::new(value.into_encoded_bytes()));
    }
    if !io::stdin().is_terminal() {
        let why = format!(
            "no password\n  = without a terminal it comes from --password-file or from the environment variable {VARIABLE}"
        );
        return Err((Exit::Usage, why));
    }
    prompt(user).map_err(|error| (Exit::NoInput, format!("the terminal: {error}")))
}

fn of_file(file: &Path) -> Result<Secret, String> {
    let opened = fs::File::open(file).map_err(|error| error.to_string())?;
    let about = opened.metadata().map_err(|error| error.to_string())?;
    if about.is_file() && about.permissions().mode() & 0o077 != 0 {
        say(&format!("warning: {}: others may read it\n  = chmod 600 {0}", file.display()));
    }
    first_line(BufReader::new(opened)).map(Secret::new).map_err(|error| error.to_string())
}

fn prompt(user: &str) -> io::Result<Secret> {
    let mut terminal = fs::File::options().read(true).write(true).open("/dev/tty")?;
    let input = terminal.try_clone()?;
    let runtime = super::runtime()?;
    let secret = runtime.block_on(async {
        // Ctrl-C must not leave the terminal mute.
        let mut interrupt = signal(SignalKind::interrupt())?;
        // Quiet first: who sees the question may type at once.
        let quiet = Quiet::begin(terminal.try_clone()?)?;
        write!(terminal, "{user}: ")?;
        let line = tokio::task::spawn_blocking(|| first_line(BufReader::new(input)));
        let secret = tokio::select! {
            line = line => line.map_err(io::Error::other)?,
            _ = interrupt.recv() => Err(io::ErrorKind::Interrupted.into()),
        };
        drop(quiet);
        writeln!(terminal)?;
        secret.map(Secret::new)
    });
    // It may still read.
    runtime.shutdown_background();
    secret
}

/// A terminal that does not show what is typed, until this is dropped.
struct Quiet {
    terminal: fs::File,
    before: Termios,
}

impl Quiet {
    fn begin(terminal: fs::File) -> io::Result<Self> {
        let before = tcgetattr(&terminal)?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(&terminal, OptionalActions::Flush, &silent)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        // A terminal that is gone shows nothing.
        _ = tcsetattr(&self.terminal, OptionalActions::Now, &self.before);
    }
}

/// The first line without its end. Nothing grows: that would leave copies behind.
fn first_line(from: impl io::BufRead) -> io::Result<Vec<u8>> {
    let mut line = Vec::with_capacity(LONGEST);
    io::Read::take(from, LONGEST as u64).read_until(b'\n', &mut line)?;
    if line.len() == LONGEST {
        return Err(io::Error::other("its first line is too long for a password"));
    }
    let end = line.strip_suffix(b"\n").unwrap_or(&line).len();
    let end = if line[..end].ends_with(b"\r") { end - 1 } else { end };
    line.truncate(end);
    if line.is_empty() {
        return Err(io::Error::other("no password in its first line"));
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit_and_an_end() {
        assert_eq!(time("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(time("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(time("7"), Ok(Duration::from_secs(7)));
        for bad in ["", "s", "0s", "11m", "1h", "-1s", "99999999999999999999m"] {
            assert!(time(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_password_is_the_first_line_without_its_end() {
        for text in ["secret", "secret\n", "secret\r\n", "secret\nmore"] {
            assert_eq!(first_line(text.as_bytes()).unwrap(), b"secret");
        }
        assert!(first_line(&b"\nsecret"[..]).is_err());
        assert!(first_line(&b""[..]).is_err());
        assert!(first_line(&[b'x'; LONGEST][..]).is_err());
    }
}
