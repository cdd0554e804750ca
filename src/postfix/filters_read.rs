//! What is to be known of content filters besides main.cf and master.cf: which tables say FILTER, and
//! whether a filter that speaks SMTP offers DSN. Asks, and changes nothing.
//!
//! Must not know where our milter is to be.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::elements::is_our_table;
use super::filters::{CHECKS, RESTRICTIONS, access_tables, cleanup_of, setting};
use super::names::is_ours;
use super::site::{Looked, Site, Target};
use super::syntax::{Service, list};
use super::tables::{self, Kind};

/// How long a filter has for each step.
const PATIENCE: Duration = Duration::from_secs(2);
/// Keys of access tables that match whatever the mail is.
const CATCH_ALL: [&str; 9] =
    ["/^/", "/./", "/.*/", "/^.*/", "/^.*$/", "/.*$/", "/$/", "0.0.0.0/0", "/()/"];

/// Looks at what an instance says about filters.
pub(super) fn look(site: &Site) -> Looked {
    let mut looked = Looked::default();
    let others: Vec<&Service> = site.services.iter().filter(|s| !is_ours(s)).collect();
    let mut tables = BTreeSet::new();
    let mut targets = BTreeSet::new();
    let entrance = |s: &&&Service| ["smtpd", "pickup", "qmqpd"].contains(&s.command.as_str());
    for service in others.iter().filter(entrance) {
        targets.insert(setting(Some(service), "content_filter", site));
        for name in RESTRICTIONS {
            tables.extend(access_tables(&setting(Some(service), name, site), site, 3));
        }
        for name in CHECKS {
            let value = setting(cleanup_of(Some(service), site), name, site);
            tables.extend(list(&value).into_iter().map(str::to_owned));
        }
    }
    for table in tables.into_iter().filter(|table| !is_our_table(site, table)) {
        let Some(found) = targets_of(&table) else {
            looked.unseen.insert(tables::brief(&table).to_owned());
            continue;
        };
        targets.extend(found.iter().map(|target| target.to.clone()));
        if !found.is_empty() {
            looked.tables.insert(table, found);
        }
    }
    for to in targets.into_iter().filter(|to| !to.is_empty()) {
        let name = to.split(':').next().unwrap_or_default();
        let service = site.service(&format!("{name}/unix"));
        let greeting = match service.map(|service| service.command.as_str()) {
            Some("smtp") => "EHLO",
            Some("lmtp") => "LHLO",
            _ => continue,
        };
        if let Some(offers) = offers_dsn(&to[name.len()..], greeting) {
            looked.dsn.insert(to, offers);
        }
    }
    looked
}

/// Where a table sends mail by FILTER, as its source says. None where that cannot be looked at.
fn targets_of(table: &str) -> Option<Vec<Target>> {
    let mut targets = Vec::new();
    for (kind, text) in tables::parts(table) {
        match kind {
            Kind::Static => targets.extend(target(&text, true)),
            Kind::Inline => {
                let pairs = tables::pairs(&text).into_iter();
                targets.extend(pairs.filter_map(|(_, value)| target(value, false)));
            }
            Kind::Names | Kind::Patterns => {
                let lines = tables::source(&text)?.into_iter();
                targets.extend(lines.filter_map(|(_, line)| {
                    let (key, value) = line.split_once([' ', '\t'])?;
                    target(value.trim(), CATCH_ALL.contains(&key))
                }));
            }
            Kind::Asked => return None,
        }
    }
    Some(targets)
}

fn target(value: &str, always: bool) -> Option<Target> {
    let value = value.replace('\t', " ");
    let at = value.to_ascii_uppercase().find("FILTER ")?;
    // A pattern of a table may hold spaces, and end in flags.
    let is_word = at == 0 || value[..at].ends_with([' ', ',']);
    let to = value.get(at + 7..)?.trim().split(' ').next()?;
    (is_word && to.contains(':')).then(|| Target { to: to.to_owned(), always: always && at == 0 })
}

/// Whether the server at a next hop offers DSN. None where nobody answers.
fn offers_dsn(next_hop: &str, greeting: &str) -> Option<bool> {
    let place = next_hop.trim_start_matches(':');
    if let Some(path) = place.strip_prefix("unix:") {
        let stream = UnixStream::connect(path).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        stream.set_write_timeout(Some(PATIENCE)).ok()?;
        return ask(stream, greeting);
    }
    let place = place.strip_prefix("inet:").unwrap_or(place);
    let (host, port) = match place.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
        _ => (place, 25),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let stream = (host, port)
        .to_socket_addrs()
        .ok()?
        .find_map(|address| TcpStream::connect_timeout(&address, PATIENCE).ok())?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.set_write_timeout(Some(PATIENCE)).ok()?;
    ask(stream, greeting)
}

fn ask(mut stream: impl Read + Write, greeting: &str) -> Option<bool> {
    let answer = |stream: &mut dyn Read| -> Option<String> {
        let mut text = String::new();
        // Byte by byte, so that nothing is read ahead: it is a few lines.
        let mut reader = BufReader::with_capacity(1, stream);
        loop {
            let mut line = String::new();
            let read = reader.by_ref().take(1000).read_line(&mut line).ok()?;
            text.push_str(&line);
            if read == 0 || text.len() > 20_000 {
                return None;
            }
            if line.as_bytes().get(3) != Some(&b'-') {
                return text.starts_with('2').then_some(text);
            }
        }
    };
    answer(&mut stream)?;
    stream.write_all(format!("{greeting} localhost\r\n").as_bytes()).ok()?;
    let offered = answer(&mut stream)?;
    let _ = stream.write_all(b"QUIT\r\n");
    Some(
        offered.lines().any(|line| {
            line.get(4..).is_some_and(|word| word.trim_end().eq_ignore_ascii_case("DSN"))
        }),
    )
}
