//! Our services in Postfix: whether they start.
//!
//! master(8) listens for all of its services, also for one that dies at each start: whoever connects
//! waits, and only the mail log says so. What has started says something at once.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fs::{self, File};
use std::io::{self, Read, Seek as _, SeekFrom, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Line;
use crate::config::Config;
use crate::findings::{Severity, id};
use crate::postfix::{Instance, Service, Site};

const PART: &str = "Services";
/// How long a service may take to start.
const PATIENCE: Duration = Duration::from_secs(10);
/// How much of the end of a log is read.
const LOG_END: u64 = 1 << 20;

/// Knocks at each of our services. Nothing is sent, and nothing stays behind.
// Postfix: a delivery agent and cleanup(8) say what they are before they are asked, and do not mind
// who goes away again; smtpd(8) has its banner.
pub fn examine(config: &Config, instance: &Instance) -> Vec<Line> {
    let Ok(site) = Site::read(instance) else { return Vec::new() };
    let queue = Path::new(site.value("queue_directory"));
    // Where Postfix does not run, others say so.
    if UnixStream::connect(queue.join("public/showq")).is_err() {
        return Vec::new();
    }
    let mut all = Vec::new();
    let mut started = 0;
    let smtpds = [config.handoff.smtpd, config.handoff.return_smtpd, config.alerts_smtpd];
    for service in site.services.iter().filter(|service| service.is_of_recruit_milter()) {
        let knocked = if service.kind == "inet" {
            let smtpd = smtpds.iter().find(|smtpd| service.name == smtpd.to_string());
            let Some(smtpd) = smtpd else { continue };
            banner(*smtpd)
        } else {
            let folder = if service.columns[0] == "n" { "public" } else { "private" };
            first_word(&queue.join(folder).join(&service.name))
        };
        match knocked {
            Ok(()) => started += 1,
            Err(error) => {
                let is_alerts = service.name == config.alerts_smtpd.to_string();
                all.push(finding(&site, service, is_alerts, &error));
            }
        }
    }
    if all.is_empty() {
        all.push(Line::ok(PART, format!("all {started} services of ours in Postfix start")));
    }
    all
}

fn finding(site: &Site, service: &Service, is_alerts: bool, error: &io::Error) -> Line {
    let key = service.key();
    // Nobody's mail goes by the one for alerts.
    let (severity, what) = if is_alerts {
        (Severity::Warning, "alerts need the milter")
    } else {
        (Severity::Error, "copies wait")
    };
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            let text = format!("{key}: cannot be asked by this user");
            Line::new(PART, id::SERVICE_NOT_SHOWN, text, "run it as root")
        }
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Line::with(
            severity,
            PART,
            id::SERVICE_NOT_THERE,
            format!("{key} is in master.cf, and Postfix does not have it yet: {what}"),
            "postfix reload",
        ),
        _ => {
            let log = log_of(site);
            let why = last_word(&log, &service.command);
            let why = why.map(|why| format!(": {why}")).unwrap_or_default();
            Line::with(
                severity,
                PART,
                id::SERVICE_DOES_NOT_START,
                format!("{key} does not start, or all of its processes hang: {what}{why}"),
                format!(
                    "mend the setting that the mail log names there (grep fatal: {}), then postfix reload",
                    log.display()
                ),
            )
        }
    }
}

fn first_word(path: &Path) -> io::Result<()> {
    let stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    something(stream)
}

fn banner(address: SocketAddr) -> io::Result<()> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    something(&stream)?;
    // The good-bye is for the log: whether it gets through does not matter.
    _ = (&stream).write_all(b"QUIT\r\n");
    Ok(())
}

fn something(mut stream: impl Read) -> io::Result<()> {
    match stream.read(&mut [0; 64])? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}

/// Where Postfix logs, as far as that is to be seen.
fn log_of(site: &Site) -> PathBuf {
    let named = site.value("maillog_file");
    if !named.is_empty() {
        return named.into();
    }
    let usual = ["/var/log/mail.log", "/var/log/maillog"].map(PathBuf::from);
    let found = usual.iter().find(|path| path.exists()).unwrap_or(&usual[0]);
    found.clone()
}

/// What a program last died of, by the log.
fn last_word(log: &Path, program: &str) -> Option<String> {
    let mut file = File::open(log).ok()?;
    let length = fs::metadata(log).ok()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LOG_END))).ok()?;
    let mut end = Vec::new();
    file.take(LOG_END).read_to_end(&mut end).ok()?;
    let end = String::from_utf8_lossy(&end);
    let mark = format!("/{program}[");
    let mut dying = end.lines().rev().filter(|line| line.contains(&mark));
    let (_, why) = dying.find_map(|line| line.split_once("]: fatal: "))?;
    Some(why.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_of_a_program_is_found_in_the_log() {
        let log = tempfile::NamedTempFile::new().unwrap();
        fs::write(
            log.path(),
            "Nov 30 mx postfix/smtp[1]: fatal: old\n\
             Nov 30 mx postfix/smtp[3949]: fatal: config variable inet_interfaces: host not found: ::1\n\
             Nov 30 mx postfix/smtpd[3950]: fatal: another\n\
             Nov 30 mx postfix/smtp[3951]: connect to x\n",
        )
        .unwrap();
        let why = last_word(log.path(), "smtp");
        assert_eq!(why.as_deref(), Some("config variable inet_interfaces: host not found: ::1"));
        assert_eq!(last_word(log.path(), "lmtp"), None);
        assert_eq!(last_word(Path::new("/nowhere"), "smtp"), None);
    }
}
