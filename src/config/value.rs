//! Values: what a setting's text stands for, or why it stands for nothing.
//!
//! Must not know other settings than the one at hand.
// SPDX-License-Identifier: GPL-3.0-or-later

mod books;
mod kinds;
mod outbound;

use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::Spanned;
use toml::de::DeValue;

use super::Socket;
use super::info::{Info, PROFILES, Words, suggest};
use crate::mail::Address;
use crate::mail::domain::is_domain;
use crate::policy::rules::{Network, Pattern};

pub(super) use books::{addresses, database, interval, server};
pub(super) use kinds::{kinds, verdicts};
pub(super) use outbound::{
    count, header_fields, is_user, is_word, reply_to, sender_patterns, user, word, words,
};

/// The longest path that fits into a socket's address: `sun_path` has 108 octets, one of them NUL.
const MAX_SOCKET_PATH: usize = 107;
/// Leaves room for `return.` before it and for a token of 64 octets and an `@`.
const MAX_HANDOFF_DOMAIN: usize = 180;

/// A value as it was written, and the setting it is for.
pub(super) struct Input<'a> {
    pub(super) info: &'static Info,
    pub(super) value: &'a DeValue<'a>,
    pub(super) range: Range<usize>,
}

/// What is wrong with a value or a part of it.
#[derive(Debug)]
pub(super) struct Complaint {
    pub(super) range: Range<usize>,
    pub(super) value: Option<String>,
    pub(super) message: String,
    pub(super) remedy: Option<String>,
}

/// All that is wrong with a value.
pub(super) type Complaints = Vec<Complaint>;

/// The items of a list, each with its octets in the file.
pub(super) type Items<T> = Vec<(Range<usize>, T)>;

const PATTERNS: &str = "patterns are \"jobs-*@acme.example\", \"@karriere.acme.example\" and \
    \"*@*.acme.example\"";

/// Why a text is no value: the reason, and a remedy if there is one to tell.
struct Why(String, Option<String>);

impl<S: Into<String>> From<S> for Why {
    fn from(reason: S) -> Self {
        Self(reason.into(), None)
    }
}

fn why(reason: &str, remedy: impl Into<String>) -> Why {
    Why(reason.into(), Some(remedy.into()))
}

/// A value for programs that read the problems: a text without its quotes.
pub(super) fn written(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(n) => Some(n.to_string()),
        DeValue::Float(n) => Some(n.to_string()),
        DeValue::Boolean(b) => Some(b.to_string()),
        DeValue::Datetime(d) => Some(d.to_string()),
        DeValue::Array(_) | DeValue::Table(_) => None,
    }
}

impl Input<'_> {
    fn complain(&self, message: String, remedy: Option<String>) -> Complaints {
        vec![Complaint { range: self.range.clone(), value: written(self.value), message, remedy }]
    }

    /// The complaint that the value is of a wrong type.
    fn not(&self, wanted: &str) -> Complaints {
        let found = match self.value {
            DeValue::String(_) => "a text",
            DeValue::Integer(_) => "a number",
            DeValue::Float(_) => "a fraction",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a section",
        };
        let name = self.info.name;
        self.complain(
            format!("{name:?} must be {wanted}, not {found}"),
            Some(format!("write {name} = {}", self.info.example())),
        )
    }

    /// Reads a text.
    fn text<T>(
        &self,
        wanted: &str,
        read: impl Fn(&str) -> Result<T, Why>,
    ) -> Result<T, Complaints> {
        let text = self.value.as_str().ok_or_else(|| self.not(wanted))?;
        read(text).map_err(|why| self.cannot("be", text, why))
    }

    fn cannot(&self, be: &str, text: &str, Why(reason, remedy): Why) -> Complaints {
        let name = self.info.name;
        self.complain(
            format!("{name:?} cannot {be} {text:?}: {reason}"),
            remedy.or_else(|| Some(format!("write it like {}", self.info.example()))),
        )
    }

    /// Reads a list of texts. A single text counts as a list of one.
    fn list<T>(
        &self,
        wanted: &str,
        read: impl Fn(&str) -> Result<T, Why>,
    ) -> Result<Items<T>, Complaints> {
        let DeValue::Array(items) = self.value else {
            return Ok(vec![(self.range.clone(), self.text(wanted, read)?)]);
        };
        let item = |value: &Spanned<DeValue<'_>>| {
            let item = Input { info: self.info, value: value.get_ref(), range: value.span() };
            let text = item.value.as_str().ok_or_else(|| item.not(wanted))?;
            let read = read(text).map_err(|why| item.cannot("hold", text, why))?;
            Ok((value.span(), read))
        };
        let results: Vec<Result<_, Complaints>> = items.iter().map(item).collect();
        let mut good = Vec::new();
        let mut complaints = Vec::new();
        for result in results {
            match result {
                Ok(item) => good.push(item),
                Err(list) => complaints.extend(list),
            }
        }
        if complaints.is_empty() { Ok(good) } else { Err(complaints) }
    }
}

pub(super) fn boolean(v: &Input<'_>) -> Result<bool, Complaints> {
    v.value.as_bool().ok_or_else(|| v.not("true or false"))
}

pub(super) fn number(v: &Input<'_>, least: u32, most: u32) -> Result<u32, Complaints> {
    let integer = v.value.as_integer().ok_or_else(|| v.not("a number"))?;
    u32::from_str_radix(integer.as_str(), integer.radix())
        .ok()
        .filter(|n| (least..=most).contains(n))
        .ok_or_else(|| {
            let message = format!("{:?} cannot be {integer}", v.info.name);
            v.complain(message, Some(format!("write a number from {least} to {most}")))
        })
}

pub(super) fn choice<T: Copy>(v: &Input<'_>, words: Words<T>) -> Result<T, Complaints> {
    let names = || words.iter().map(|(name, _)| *name);
    v.text("a word", |text| {
        let found = words.iter().find(|(name, _)| *name == text);
        found.map(|(_, value)| *value).ok_or_else(|| not_among(text, names()))
    })
}

fn not_among<'a>(text: &str, names: impl Iterator<Item = &'a str> + Clone) -> Why {
    let quoted: Vec<String> = names.clone().map(|n| format!("{n:?}")).collect();
    let known = quoted.join(", ");
    Why(
        "it is not one of the words known here".into(),
        Some(suggest(text, names).map_or_else(
            || format!("known are {known}"),
            |meant| format!("{meant} Known are {known}"),
        )),
    )
}

pub(super) fn profile(v: &Input<'_>) -> Result<String, Complaints> {
    v.text("a word", |text| {
        if PROFILES.contains(&text) {
            Ok(text.to_owned())
        } else {
            Err(not_among(text, PROFILES.iter().copied()))
        }
    })
}

type Units = &'static [(char, u64)];

/// The units of times, in seconds.
pub(super) const TIMES: Units = &[('s', 1), ('m', 60), ('h', 3600), ('d', 86400)];
/// The units of sizes, in octets.
pub(super) const SIZES: Units = &[('K', 1 << 10), ('M', 1 << 20), ('G', 1 << 30)];

/// A number in the largest unit that is exact, or without a unit.
pub(super) fn in_units(n: u64, units: Units) -> String {
    let exact = units.iter().rev().find(|(_, factor)| n >= *factor && n.is_multiple_of(*factor));
    match exact.or(units.iter().find(|(_, factor)| *factor == 1)) {
        Some((unit, factor)) => format!("{}{unit}", n / factor),
        None => n.to_string(),
    }
}

/// A time in whole seconds, `30s 15m 6h 90d`.
pub(super) fn duration(v: &Input<'_>, least: u64, most: u64) -> Result<Duration, Complaints> {
    v.text("a time", |text| {
        let seconds = with_unit(text, TIMES).ok_or_else(|| {
            why(
                "a time is a whole number and a unit",
                "units are s, m, h and d: \"30s\", \"15m\", \"6h\", \"90d\"",
            )
        })?;
        in_range(seconds, least, most, TIMES).map(Duration::from_secs)
    })
}

/// A size in octets, `25M`.
pub(super) fn size(v: &Input<'_>, least: u64, most: u64) -> Result<u64, Complaints> {
    v.text("a size", |text| {
        let octets = with_unit(text, SIZES).or_else(|| digits(text)).ok_or_else(|| {
            why(
                "a size is a whole number and a unit",
                "units are K, M and G: \"512K\", \"25M\", \"1G\"",
            )
        })?;
        in_range(octets, least, most, SIZES)
    })
}

fn in_range(n: u64, least: u64, most: u64, units: Units) -> Result<u64, Why> {
    let reason = if n < least {
        "it is too small"
    } else if n > most {
        "it is too large"
    } else {
        return Ok(n);
    };
    let (least, most) = (in_units(least, units), in_units(most, units));
    Err(why(reason, format!("write something from {least:?} to {most:?}")))
}

fn with_unit(text: &str, units: Units) -> Option<u64> {
    let unit = text.chars().last()?;
    let (_, factor) = units.iter().find(|(u, _)| *u == unit)?;
    // A product too large for the type is too large for any setting.
    Some(digits(text.strip_suffix(unit)?)?.saturating_mul(*factor))
}

fn digits(text: &str) -> Option<u64> {
    let all = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    all.then(|| text.parse().unwrap_or(u64::MAX))
}

pub(super) fn address(v: &Input<'_>) -> Result<Address, Complaints> {
    v.text("an address", |text| Address::parse(text).map_err(|error| bare(text, error.to_string())))
}

/// The reason why a text is no address, with the address in it if it is `Name <address>`.
fn bare(text: &str, reason: String) -> Why {
    let inner = text.split_once('<').and_then(|(_, t)| t.split_once('>'));
    let inner = inner.filter(|(inner, _)| Address::parse(inner).is_ok());
    Why(reason, inner.map(|(inner, _)| format!("write {inner:?}")))
}

pub(super) fn patterns(v: &Input<'_>) -> Result<Items<Pattern>, Complaints> {
    v.list("a list of addresses", |text| {
        Pattern::parse(text).map_err(|reason| match bare(text, reason) {
            Why(reason, None) if text.contains('*') => why(&reason, PATTERNS),
            other => other,
        })
    })
}

pub(super) fn domains(v: &Input<'_>) -> Result<Items<String>, Complaints> {
    v.list("a list of domains", |text| match text.strip_prefix('@') {
        Some(rest) if is_domain(rest) => Err(why("a domain has no @", format!("write {rest:?}"))),
        _ => domain(text),
    })
}

fn domain(text: &str) -> Result<String, Why> {
    if is_domain(text) { Ok(text.to_lowercase()) } else { Err("it is not a domain".into()) }
}

pub(super) fn handoff_domain(v: &Input<'_>) -> Result<String, Complaints> {
    v.text("a domain", |text| {
        if text.len() > MAX_HANDOFF_DOMAIN {
            return Err("it is too long to leave room for a token".into());
        }
        if !text.is_ascii() {
            return Err("it must do without SMTPUTF8, so only ASCII".into());
        }
        domain(text)
    })
}

pub(super) fn networks(v: &Input<'_>) -> Result<Items<Network>, Complaints> {
    v.list("a list of networks", |text| {
        Network::parse(text).map_err(|reason| why(&reason, "write it like \"10.0.0.0/8\""))
    })
}

/// Postfix: the extension begins at any of these characters.
pub(super) fn delimiters(v: &Input<'_>) -> Result<String, Complaints> {
    v.text("a text", |text| {
        // RFC 5322 3.2.3 without letters and digits, and the dot.
        match text.chars().find(|c| !"!#$%&'*+-/=?^_`{|}~.".contains(*c)) {
            Some(c) => Err(Why(
                format!("{c:?} cannot separate an extension in an address"),
                Some("write what `postconf recipient_delimiter` shows, \"+\" for example".into()),
            )),
            None => Ok(text.to_owned()),
        }
    })
}

pub(super) fn authserv_id(v: &Input<'_>) -> Result<String, Complaints> {
    v.text("a name", |text| {
        let odd = |c: char| c.is_whitespace() || c.is_control() || "\"();,=<>".contains(c);
        if text.is_empty() || text.contains(odd) {
            return Err(why(
                "it is not a name as it stands in Authentication-Results",
                "write the first word of that field's body, mostly the name of the mail server",
            ));
        }
        Ok(text.to_owned())
    })
}

/// A next hop as in Postfix's transport(5): `host`, `[host]`, either with `:port`.
pub(super) fn next_hop(v: &Input<'_>) -> Result<String, Complaints> {
    v.text("a next hop", |text| {
        if is_next_hop(text) {
            Ok(text.to_owned())
        } else {
            Err(why(
                "it is not a next hop",
                "write \"[mx.example]:25\", or \"mx.example\" to have its MX looked up",
            ))
        }
    })
}

fn is_next_hop(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let Some((host, after)) = rest.split_once(']') else {
                return false;
            };
            let Some(port) = after.strip_prefix(':').or(after.is_empty().then_some("25")) else {
                return false;
            };
            let literal = host.strip_prefix("ipv6:").unwrap_or(host);
            if literal.parse::<IpAddr>().is_ok() {
                return is_port(port);
            }
            (host, port)
        }
        None => text.split_once(':').unwrap_or((text, "25")),
    };
    is_domain(host) && is_port(port)
}

/// A number or the name of a service.
fn is_port(text: &str) -> bool {
    if text.bytes().all(|b| b.is_ascii_digit()) {
        return text.parse::<u16>().is_ok_and(|port| port > 0);
    }
    text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

pub(super) fn path(v: &Input<'_>) -> Result<PathBuf, Complaints> {
    v.text("a path", |text| {
        if text.is_empty() || text.contains('\0') {
            return Err("it is not a path".into());
        }
        Ok(PathBuf::from(text))
    })
}

pub(super) fn absolute_path(v: &Input<'_>) -> Result<PathBuf, Complaints> {
    let path = path(v)?;
    v.text("a path", |text| {
        if Path::new(text).is_absolute() {
            return Ok(());
        }
        Err(why(
            "it depends on the folder the program is started in",
            "write a path that begins with /",
        ))
    })?;
    Ok(path)
}

pub(super) fn loopback(v: &Input<'_>) -> Result<SocketAddr, Complaints> {
    v.text("an address and port", |text| {
        let remedy = format!("write {}", v.info.example());
        let address: SocketAddr = text
            .parse()
            .map_err(|_| why("it is not an IP address with a port", remedy.as_str()))?;
        if !address.ip().to_canonical().is_loopback() {
            return Err(why(
                "whoever reaches it from outside could hand in mail past all checks",
                format!("write a loopback address: \"127.0.0.1:{}\"", address.port()),
            ));
        }
        if address.port() == 0 {
            return Err(why("port 0 is none that can be connected to", remedy));
        }
        Ok(address)
    })
}

pub(super) fn sockets(v: &Input<'_>) -> Result<Items<Socket>, Complaints> {
    let list = v.list("a socket or a list of sockets", socket)?;
    if list.is_empty() {
        let name = v.info.name;
        return Err(v.complain(
            format!("{name:?} names no socket"),
            Some(format!("write {name} = {}", v.info.example())),
        ));
    }
    Ok(list)
}

/// A single socket.
pub(super) fn one_socket(v: &Input<'_>) -> Result<Socket, Complaints> {
    v.text("a socket", socket)
}

fn socket(text: &str) -> Result<Socket, Why> {
    const FORMS: &str = "write \"unix:/path\" or \"inet:port@address\"";
    if let Some(path) = text.strip_prefix("unix:") {
        if !path.starts_with('/') {
            return Err(why("its path is relative", "write \"unix:/path\""));
        }
        if path.contains('\0') || path.ends_with('/') {
            return Err(why("its path is not that of a file", FORMS));
        }
        if path.len() > MAX_SOCKET_PATH {
            let reason = format!(
                "its path has {} octets, and the system takes {MAX_SOCKET_PATH}",
                path.len()
            );
            return Err(why(&reason, "choose a folder nearer to /"));
        }
        return Ok(Socket::Unix(path.into()));
    }
    let Some((port, host)) = text.strip_prefix("inet:").and_then(|t| t.split_once('@')) else {
        return Err(why("it is not a socket", FORMS));
    };
    let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    let Ok(host) = host.parse::<IpAddr>() else {
        return Err(why(
            "a host is given by its IP address here",
            "write \"inet:8895@127.0.0.1\" for example",
        ));
    };
    match port.parse::<u16>() {
        Ok(port) if port > 0 => Ok(Socket::Inet(SocketAddr::new(host, port))),
        _ => Err(why("a port is a number from 1 to 65535", FORMS)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::settings::{DEADLINE, Setting};

    fn read<T>(
        setting: &'static Setting<T>,
        toml: &str,
        with: impl Fn(&Input<'_>) -> Result<T, Complaints>,
    ) -> Option<T> {
        let value = DeValue::parse(toml).unwrap();
        let input = Input { info: &setting.info, value: value.get_ref(), range: value.span() };
        with(&input).ok()
    }

    #[test]
    fn times_have_a_unit_and_stay_in_range() {
        let time = |t: &str| {
            read(&DEADLINE, &format!("\"{t}\""), |v| duration(v, 1, 90 * 86400))
                .map(|d| d.as_secs())
        };
        for (text, seconds) in [("30s", 30), ("15m", 900), ("6h", 21600), ("90d", 7_776_000)] {
            assert_eq!(time(text), Some(seconds));
        }
        for bad in [
            "",
            "5",
            "s",
            "-5s",
            "+5s",
            "5 s",
            "1.5s",
            "5S",
            "5ms",
            "0s",
            "91d",
            "5é",
            "99999999999999999999d",
        ] {
            assert_eq!(time(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_next_hop_is_a_host_with_or_without_brackets_and_port() {
        for good in [
            "mx.example",
            "[mx.example]",
            "mx.example:587",
            "[mx.example]:submission",
            "[192.0.2.1]:25",
            "[ipv6:2001:db8::1]:25",
            "[2001:db8::1]",
        ] {
            assert!(is_next_hop(good), "{good}");
        }
        for bad in [
            "",
            "[mx.example",
            "mx.example]",
            "[mx.example]25",
            "mx example",
            "mx:0",
            "mx:70000",
            "smtp:[mx.example]:25",
            "[]",
            "[]:25",
            "a\n:25",
            "mx.example:",
        ] {
            assert!(!is_next_hop(bad), "{bad}");
        }
    }

    #[test]
    fn sockets_are_paths_or_ip_addresses_with_ports() {
        let inet = |t: &str| Socket::Inet(t.parse().unwrap());
        for (text, expected) in [
            ("unix:/run/a.sock", Socket::Unix("/run/a.sock".into())),
            ("inet:8895@127.0.0.1", inet("127.0.0.1:8895")),
            ("inet:8895@::1", inet("[::1]:8895")),
            ("inet:8895@[::1]", inet("[::1]:8895")),
        ] {
            assert_eq!(socket(text).ok(), Some(expected));
        }
        let long = format!("unix:/{}", "x".repeat(107));
        for bad in [
            "/run/a.sock",
            "unix:a.sock",
            "unix:",
            "unix:/run/",
            "inet:8895",
            "inet:8895@localhost",
            "inet:0@127.0.0.1",
            "inet:x@127.0.0.1",
            "inet:127.0.0.1:8895",
            &long,
        ] {
            assert!(socket(bad).is_err(), "{bad}");
        }
        assert!(socket(&long[..long.len() - 1]).is_ok());
    }
}
