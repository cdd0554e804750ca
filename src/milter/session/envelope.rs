//! Envelopes as the MTA sends them to plain data: arguments of commands, and macros.
//!
//! Must not know what is decided.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::ffi::{CStr, CString};
use std::net::{IpAddr, SocketAddr};

use indymilter::Macros;

use crate::mail::{RawPath, Recipient};
use crate::milter::decide::{Opening, Origin};

pub(super) fn opening(mail: Vec<CString>, origin: Origin) -> Opening {
    let (sender, sender_args, _) = path_and_args(mail);
    Opening { sender, sender_args, origin }
}

/// A recipient and how many octets it has.
pub(super) fn recipient(resolved: String, args: Vec<CString>) -> (Recipient, usize) {
    let (path, args, size) = path_and_args(args);
    let size = size + resolved.len();
    let recipient = Recipient { path, resolved, args };
    (recipient, size)
}

fn path_and_args(args: Vec<CString>) -> (RawPath, Vec<Vec<u8>>, usize) {
    let size = args.iter().map(|arg| arg.as_bytes().len()).sum();
    let mut args = args.into_iter().map(CString::into_bytes);
    let path = RawPath::new(args.next().unwrap_or_default());
    (path, args.collect(), size)
}

/// The address that the MTA has made of a recipient, or what stands between its brackets.
pub(super) fn resolved(macros: &Macros, args: &[CString]) -> String {
    text(macros, c"{rcpt_addr}").unwrap_or_else(|| {
        let path = args.first().map_or(&b""[..], |path| path.as_bytes());
        String::from_utf8_lossy(RawPath::new(path).inner()).into_owned()
    })
}

pub(super) fn origin(macros: &Macros) -> Origin {
    Origin {
        login: text(macros, c"{auth_authen}").filter(|login| !login.is_empty()),
        client: text(macros, c"{client_addr}").and_then(|client| address(&client)),
        server: None,
    }
}

pub(super) fn server(macros: &Macros) -> Option<SocketAddr> {
    let at = address(&text(macros, c"{daemon_addr}")?)?;
    Some(SocketAddr::new(at, text(macros, c"{daemon_port}")?.parse().ok()?))
}

// Postfix: writes IPv6 addresses as "IPv6:2001:db8::1" here, and "unknown" where there is none.
fn address(text: &str) -> Option<IpAddr> {
    let (tag, address) = text.split_at_checked(5).unwrap_or(("", text));
    if tag.eq_ignore_ascii_case("IPv6:") { address.parse().ok() } else { text.parse().ok() }
}

pub(super) fn text(macros: &Macros, name: &CStr) -> Option<String> {
    macros.get(name).map(|value| value.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_addresses_are_read_as_postfix_writes_them() {
        for (text, address) in [
            ("192.0.2.1", Some("192.0.2.1")),
            ("IPv6:2001:db8::1", Some("2001:db8::1")),
            ("2001:db8::1", Some("2001:db8::1")),
            ("unknown", None),
            ("", None),
            ("IPv6:", None),
            ("öööö", None),
        ] {
            let address = address.map(|a| a.parse().unwrap());
            assert_eq!(super::address(text), address, "{text}");
        }
    }

    #[test]
    fn the_octets_of_an_envelope_argument_are_kept() {
        let args = [&b"<\"a b\"@x\xff>"[..], b"NOTIFY=NEVER"].map(|a| CString::new(a).unwrap());
        let (recipient, size) = recipient("x".into(), args.to_vec());
        assert_eq!(recipient.path.as_bytes(), b"<\"a b\"@x\xff>");
        assert_eq!(recipient.args, [b"NOTIFY=NEVER"]);
        assert_eq!(size, 10 + 12 + 1);
    }
}
