//! A UNIX or TCP socket address in the forms in which milter, Postfix and the harness write it, and
//! streams and listeners that do not care which of the two it is.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};

use super::watchdog::loud;

/// Where a milter listens. Displayed as in recruit-milter's configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A UNIX socket.
    Unix(PathBuf),
    /// A port of 127.0.0.1.
    Tcp(u16),
}

impl Endpoint {
    /// As Postfix's `smtpd_milters` wants it.
    pub fn for_postfix(&self) -> String {
        match self {
            Self::Unix(path) => format!("unix:{}", path.display()),
            Self::Tcp(port) => format!("inet:127.0.0.1:{port}"),
        }
    }

    /// Connects to it.
    pub fn connect(&self) -> io::Result<Stream> {
        match self {
            Self::Unix(path) => UnixStream::connect(path).map(Stream::Unix),
            Self::Tcp(port) => {
                let stream = TcpStream::connect(("127.0.0.1", *port))?;
                stream.set_nodelay(true)?;
                Ok(Stream::Tcp(stream))
            }
        }
    }

    /// Listens on it. A UNIX socket is open to Postfix's users, as in the scratch folder all are.
    pub fn listen(&self) -> io::Result<Listener> {
        match self {
            Self::Unix(path) => {
                let listener = UnixListener::bind(path)?;
                open_to_all(path)?;
                Ok(Listener::Unix(listener))
            }
            Self::Tcp(port) => TcpListener::bind(("127.0.0.1", *port)).map(Listener::Tcp),
        }
    }
}

fn open_to_all(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777))
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(port) => write!(f, "inet:{port}@127.0.0.1"),
        }
    }
}

/// A listening socket.
#[derive(Debug)]
pub enum Listener {
    /// UNIX.
    Unix(UnixListener),
    /// TCP.
    Tcp(TcpListener),
}

impl Listener {
    /// Waits for a connection.
    pub fn accept(&self) -> io::Result<Stream> {
        match self {
            Self::Unix(listener) => Ok(Stream::Unix(listener.accept()?.0)),
            Self::Tcp(listener) => {
                let stream = listener.accept()?.0;
                stream.set_nodelay(true)?;
                Ok(Stream::Tcp(stream))
            }
        }
    }
}

impl Listener {
    /// Serves each connection in a thread of its own, for ever. An error ends that connection and
    /// nothing else: out of descriptors or threads for a moment, it listens again after it.
    pub fn serve(&self, serve: impl Fn(Stream) -> io::Result<()> + Send + Sync + 'static) {
        let serve = Arc::new(serve);
        let mut failures = 0;
        loop {
            let accepted = self.accept().and_then(|stream| {
                let serve = Arc::clone(&serve);
                // What fails here is the server behind being down.
                thread(move || drop(serve(stream)))
            });
            match accepted {
                Ok(()) => failures = 0,
                Err(error) => {
                    failures += 1;
                    if failures == 1 {
                        loud(&format!("a connection could not be served: {error}"));
                    }
                    std::thread::sleep(Duration::from_millis(20));
                }
            }
        }
    }
}

/// Starts a thread; unlike `thread::spawn`, does not panic where there can be no more.
pub fn thread(run: impl FnOnce() + Send + 'static) -> io::Result<()> {
    std::thread::Builder::new().spawn(run).map(drop)
}

/// Whether somebody listens on a UNIX socket and takes connections. Never waits, as a connect does
/// where a stopped process lets its backlog fill.
pub fn answers(path: &Path) -> bool {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let address = SocketAddrUnix::new(path).unwrap();
    socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
        .is_ok_and(|socket| connect(&socket, &address).is_ok())
}

/// A connected socket.
#[derive(Debug)]
pub enum Stream {
    /// UNIX.
    Unix(UnixStream),
    /// TCP.
    Tcp(TcpStream),
}

impl Stream {
    /// A second handle of the same connection.
    pub fn try_clone(&self) -> io::Result<Self> {
        match self {
            Self::Unix(stream) => stream.try_clone().map(Self::Unix),
            Self::Tcp(stream) => stream.try_clone().map(Self::Tcp),
        }
    }

    /// Closes both directions for all handles; one that is closed already stays so.
    pub fn cut(&self) {
        let _ = match self {
            Self::Unix(stream) => stream.shutdown(Shutdown::Both),
            Self::Tcp(stream) => stream.shutdown(Shutdown::Both),
        };
    }

    /// How long a read may take.
    pub fn set_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        match self {
            Self::Unix(stream) => stream.set_read_timeout(timeout),
            Self::Tcp(stream) => stream.set_read_timeout(timeout),
        }
    }

    /// How long a read and how long a write may take.
    pub fn set_timeouts(&self, timeout: Duration) -> io::Result<()> {
        match self {
            Self::Unix(stream) => stream.set_write_timeout(Some(timeout))?,
            Self::Tcp(stream) => stream.set_write_timeout(Some(timeout))?,
        }
        self.set_timeout(Some(timeout))
    }
}

impl Read for Stream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Unix(stream) => stream.read(buf),
            Self::Tcp(stream) => stream.read(buf),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self {
            Self::Unix(stream) => stream.write(buf),
            Self::Tcp(stream) => stream.write(buf),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
