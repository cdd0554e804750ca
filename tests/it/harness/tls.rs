//! The client's side of TLS over a connection that exists already, so that a test decides what was
//! said on it before. `openssl s_client` does the work, behind a socket for the plain text.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::io::{self, BufRead as _, BufReader};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command};
use std::thread;

use super::socket::Stream;
use super::{LIMIT, wait_for};

/// A running `openssl s_client`; it ends when either side closes, or when this is dropped.
#[derive(Debug)]
pub struct Tls {
    _child: Ended,
    // Read no further, but open: a remark at its end must not kill it.
    _remarks: BufReader<UnixStream>,
}

/// Shakes hands over `server` and gives a stream for the plain text. The server has to show a
/// certificate by the authority in the file `authority`, for 127.0.0.1.
pub fn shake_hands(server: &Stream, authority: &Path) -> io::Result<(Stream, Tls)> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    listener.set_nonblocking(true)?;
    let (ours, theirs) = UnixStream::pair()?;
    let theirs = OwnedFd::from(theirs);
    let (remarks, their_remarks) = UnixStream::pair()?;
    remarks.set_read_timeout(Some(LIMIT))?;
    let mut remarks = BufReader::new(remarks);
    let child = Command::new("openssl")
        // -brief says when hands are shaken; the rest leaves every byte of the plain text alone.
        .args(["s_client", "-brief", "-ign_eof", "-nocommands", "-verify_return_error"])
        .args(["-verify_ip", "127.0.0.1", "-CAfile"])
        .arg(authority)
        .args(["-connect", &listener.local_addr()?.to_string()])
        .stdin(theirs.try_clone()?)
        .stdout(theirs)
        .stderr(OwnedFd::from(their_remarks))
        .spawn()
        .expect("OpenSSL is installed (contrib/dev/install-deps.sh installs it)");
    let mut child = Ended(child);
    let (client, _) = wait_for("s_client connects", LIMIT, || {
        assert!(child.0.try_wait().unwrap().is_none(), "s_client ended at once");
        listener.accept().ok()
    });
    client.set_nonblocking(false)?;
    client.set_nodelay(true)?;
    let client = Stream::Tcp(client);
    pump(server.try_clone()?, client.try_clone()?);
    pump(client, server.try_clone()?);
    let mut said = String::new();
    while remarks.read_line(&mut said)? > 0 {
        if said.ends_with("CONNECTION ESTABLISHED\n") {
            return Ok((Stream::Unix(ours), Tls { _child: child, _remarks: remarks }));
        }
    }
    Err(io::Error::other(format!("no TLS: {}", said.trim_end())))
}

/// Passes one direction on until it ends, and then ends both.
fn pump(mut from: Stream, mut to: Stream) {
    thread::spawn(move || {
        let _ = io::copy(&mut from, &mut to);
        from.cut();
        to.cut();
    });
}

/// A child that is ended when this is dropped. If the test itself is killed, its connections close
/// and the child ends by that.
#[derive(Debug)]
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // Fails where it has ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
