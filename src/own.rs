//! The addresses of this machine.
//!
//! Must not know what they are wanted for.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

/// The addresses of this machine, those of its loopback left out. None where the kernel does not tell,
/// or this process may not read what it tells.
pub fn addresses() -> Option<Vec<IpAddr>> {
    // Below "self": there also where /proc shows processes alone (ProcSubset=pid).
    all(Path::new("/proc/self/net"))
}

fn all(folder: &Path) -> Option<Vec<IpAddr>> {
    let mut all = v4(&fs::read_to_string(folder.join("fib_trie")).ok()?);
    match fs::read_to_string(folder.join("if_inet6")) {
        Ok(list) => all.extend(v6(&list)),
        // A kernel without IPv6.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(_) => return None,
    }
    Some(all)
}

/// From the kernel's table of routes, in which each address of its own is a host that is local.
fn v4(trie: &str) -> Vec<IpAddr> {
    let mut all: Vec<IpAddr> = Vec::new();
    let mut last = None;
    for line in trie.lines() {
        if let Some(address) = line.trim().strip_prefix("|-- ") {
            last = address.parse::<Ipv4Addr>().ok();
        } else if line.trim() == "/32 host LOCAL"
            && let Some(address) = last
            && !address.is_loopback()
            && !all.contains(&address.into())
        {
            all.push(address.into());
        }
    }
    all
}

/// From the kernel's list of addresses. Link-local ones are of no use without their link.
fn v6(list: &str) -> Vec<IpAddr> {
    let digits = list.lines().filter_map(|line| line.split_whitespace().next());
    let parsed = digits.filter_map(|digits| u128::from_str_radix(digits, 16).ok());
    let addresses = parsed.map(Ipv6Addr::from);
    let usable = addresses.filter(|a| !a.is_loopback() && !a.is_unicast_link_local());
    usable.map(IpAddr::V6).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_tables_are_read() {
        let trie = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n     \
             |-- 127.0.0.1\n        /32 host LOCAL\n     |-- 192.0.2.0\n        /24 link UNICAST\n     \
             |-- 192.0.2.2\n        /32 host LOCAL\n     |-- 192.0.2.255\n        /32 link BROADCAST\n\
             Local:\n     |-- 192.0.2.2\n        /32 host LOCAL\n     |-- 198.51.100.7\n        /32 host LOCAL\n";
        let expected: Vec<IpAddr> =
            ["192.0.2.2", "198.51.100.7"].map(|text| text.parse().unwrap()).into();
        assert_eq!(v4(trie), expected);
        let list = "fe8000000000000000fc00fffe000001 04 40 20 80     eth0\n\
             20010db8000000000000000000000002 04 40 00 82     eth0\n\
             00000000000000000000000000000001 01 80 10 80       lo\n";
        assert_eq!(v6(list), ["2001:db8::2".parse::<IpAddr>().unwrap()]);
        assert!(v4("").is_empty() && v6("nonsense\n").is_empty());
    }

    #[test]
    fn what_cannot_be_read_is_not_taken_for_no_address() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(all(folder.path()), None);
        fs::write(folder.path().join("fib_trie"), "").unwrap();
        assert_eq!(all(folder.path()), Some(Vec::new()), "without IPv6");
        fs::create_dir(folder.path().join("if_inet6")).unwrap();
        assert_eq!(all(folder.path()), None);
    }
}
