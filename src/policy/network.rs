//! Networks in CIDR notation, as an admin writes them.
//!
//! Must not know what they are wanted for.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// A network in CIDR notation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// Reads `10.0.0.0/8`, `2001:db8::/32` or a single address. Host bits must be zero.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
        let address: IpAddr = address.parse().map_err(|_| "not an IP address".to_owned())?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => width,
            Some(p) => {
                p.parse().ok().filter(|p| *p <= width).ok_or("the prefix length is out of range")?
            }
        };
        let network = Self { address, prefix };
        let host_bits = bits(address) & !network.mask();
        if host_bits != 0 {
            return Err("host bits are set; write the network's first address".into());
        }
        Ok(network)
    }

    /// Whether an address is in the network. An IPv4 address mapped into IPv6 counts as IPv4.
    pub fn contains(&self, client: IpAddr) -> bool {
        let client = client.to_canonical();
        client.is_ipv4() == self.address.is_ipv4()
            && bits(client) & self.mask() == bits(self.address)
    }

    /// Whether it holds more of the Internet than a company can have.
    pub fn is_boundless(&self) -> bool {
        match self.address {
            IpAddr::V4(_) => self.prefix < 8,
            // RFC 4193 and 4291: what begins with a 1 is of this or that site alone, or multicast.
            IpAddr::V6(address) => {
                self.prefix < 16 && !(self.prefix > 0 && address.segments()[0] >= 0x8000)
            }
        }
    }

    /// Whether it lies in this machine's loopback.
    pub fn is_loopback(&self) -> bool {
        self.address.is_loopback() || self.contains(IpAddr::V6(Ipv6Addr::LOCALHOST))
    }

    /// Whether it is one address and no other.
    pub fn is_only(&self, address: IpAddr) -> bool {
        self.address == address && self.prefix == if address.is_ipv4() { 32 } else { 128 }
    }

    fn mask(&self) -> u128 {
        let width = if self.address.is_ipv4() { 32 } else { 128 };
        let ones = if self.prefix == 0 { 0 } else { u128::MAX << (width - u32::from(self.prefix)) };
        if width == 32 { ones & u128::from(u32::MAX) } else { ones }
    }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(a) => u128::from(u32::from(a)),
        IpAddr::V6(a) => u128::from(a),
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_contain_their_addresses() {
        let n = |t: &str| Network::parse(t).unwrap();
        let ip = |t: &str| t.parse::<IpAddr>().unwrap();
        assert!(n("10.0.0.0/8").contains(ip("10.255.1.2")));
        assert!(!n("10.0.0.0/8").contains(ip("11.0.0.1")));
        assert!(n("0.0.0.0/0").contains(ip("203.0.113.7")));
        assert!(n("10.0.0.0/8").contains(ip("::ffff:10.1.1.1")));
        assert!(!n("::/0").contains(ip("10.1.1.1")));
        assert!(n("2001:db8::/32").contains(ip("2001:db8:1::1")));
        assert!(n("192.0.2.1").contains(ip("192.0.2.1")));
        for boundless in ["0.0.0.0/0", "::/0", "128.0.0.0/1", "2000::/3", "2a00::/12"] {
            assert!(n(boundless).is_boundless(), "{boundless}");
        }
        for bounded in ["10.0.0.0/8", "127.0.0.0/8", "fc00::/7", "fe80::/10", "2001:db8::/32"] {
            assert!(!n(bounded).is_boundless(), "{bounded}");
        }
        assert!(n("127.0.0.0/8").is_loopback() && n("::1").is_loopback());
        assert!(
            n("192.0.2.1").is_only(ip("192.0.2.1")) && !n("192.0.2.0/24").is_only(ip("192.0.2.0"))
        );
        for bad in ["10.0.0.1/8", "10.0.0.0/33", "10.0.0/8", "x", "::1/129"] {
            assert!(Network::parse(bad).is_err(), "{bad}");
        }
    }
}
