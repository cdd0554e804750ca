//! TCP ports of 127.0.0.1 that the system chose and that stay ours.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::OwnedFd;

use rustix::net::{AddressFamily, SocketType, bind, getsockname, socket_with, sockopt};

/// A port for a server to listen on.
///
/// A bound socket that never listens keeps it: Linux lets a server that sets `SO_REUSEADDR` (as
/// Postfix and tokio do) listen on it all the same, and gives it to nobody who asks for any port.
/// So there is no moment in which another test could get it, also while the server restarts.
#[derive(Debug)]
pub struct Port {
    number: u16,
    _held: OwnedFd,
}

impl Port {
    /// Takes a free port.
    pub fn reserve() -> Self {
        let flags = rustix::net::SocketFlags::CLOEXEC;
        let held = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None).unwrap();
        sockopt::set_socket_reuseaddr(&held, true).unwrap();
        bind(&held, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = SocketAddr::try_from(getsockname(&held).unwrap()).unwrap();
        Self { number: address.port(), _held: held }
    }

    /// Its number.
    pub fn number(&self) -> u16 {
        self.number
    }
}
