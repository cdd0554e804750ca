//! Sockets to listen on: bound here, or passed in by systemd.
//!
//! A UNIX socket is open to its owner and to the group of the folder it stands in. That is all the
//! access control there is and needs to be: the kernel lets only those connect who may write to the
//! socket's file (unix(7)), supplementary groups included. A second look at the peer's credentials
//! could see its primary group only and would turn away peers that the admin has let in.
//!
//! Must not know the protocol.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fmt;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixListener, UnixSocket, UnixStream};

use crate::config::Socket;

/// How many connections may wait to be accepted.
const BACKLOG: u32 = 1024;

/// Why a socket cannot be listened on.
#[derive(Debug)]
pub struct SocketError {
    /// The socket as configured.
    pub socket: String,
    /// What is wrong.
    pub problem: Problem,
}

/// What is wrong with a socket.
#[derive(Debug)]
pub enum Problem {
    /// The folder of a UNIX socket cannot be used.
    Folder(io::Error),
    /// Something that is no socket stands in its place.
    NotASocket,
    /// Another process listens there.
    InUse,
    /// The system refused.
    System(io::Error),
    /// A descriptor that was passed in is no socket that listens.
    Unusable(io::Error),
}

impl fmt::Display for SocketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot listen on {}: ", self.socket)?;
        match &self.problem {
            Problem::Folder(e) => write!(f, "its folder cannot be used: {e}"),
            Problem::NotASocket => f.write_str("a file that is no socket is in its place"),
            Problem::InUse => f.write_str("another process listens there"),
            Problem::System(e) => e.fmt(f),
            Problem::Unusable(e) => write!(f, "no listening socket: {e}"),
        }
    }
}

impl std::error::Error for SocketError {}

/// A socket that is listened on. A UNIX socket that we have bound ourselves is unlinked on drop.
#[derive(Debug)]
pub struct Bound {
    kind: Kind,
    /// The file of a UNIX socket of ours, held to be unlinked.
    _file: Option<SocketFile>,
}

#[derive(Debug)]
enum Kind {
    Unix(UnixListener),
    Tcp(TcpListener),
}

/// A socket's file, known by its inode.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // By now it can be another process's, which has taken our place.
        let ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|m| (m.dev(), m.ino()) == (self.device, self.inode));
        if ours {
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Bound {
    /// Binds a socket of the configuration. To be called within a tokio runtime.
    pub fn bind(socket: &Socket) -> Result<Self, SocketError> {
        let (name, bound) = match socket {
            Socket::Unix(path) => (format!("unix:{}", path.display()), bind_unix(path)),
            Socket::Inet(address) => (
                format!("inet:{}@{}", address.port(), address.ip()),
                bind_tcp(*address).map_err(|e| match e.kind() {
                    io::ErrorKind::AddrInUse => Problem::InUse,
                    _ => Problem::System(e),
                }),
            ),
        };
        bound.map_err(|problem| SocketError { socket: name, problem })
    }

    /// Takes a UNIX socket that was passed in. Its file belongs to who made it.
    pub fn from_unix(listener: std::os::unix::net::UnixListener) -> Result<Self, SocketError> {
        passed_in(
            listener
                .set_nonblocking(true)
                .and_then(|()| UnixListener::from_std(listener))
                .map(Kind::Unix),
        )
    }

    /// Takes an internet socket that was passed in.
    pub fn from_tcp(listener: std::net::TcpListener) -> Result<Self, SocketError> {
        passed_in(
            listener
                .set_nonblocking(true)
                .and_then(|()| TcpListener::from_std(listener))
                .map(Kind::Tcp),
        )
    }

    /// Where to connect to reach this socket from the same host.
    pub fn address(&self) -> Option<Socket> {
        match &self.kind {
            Kind::Unix(listener) => {
                let address = listener.local_addr().ok()?;
                Some(Socket::Unix(address.as_pathname()?.to_owned()))
            }
            Kind::Tcp(listener) => {
                let mut address = listener.local_addr().ok()?;
                match address.ip() {
                    IpAddr::V4(ip) if ip.is_unspecified() => {
                        address.set_ip(Ipv4Addr::LOCALHOST.into());
                    }
                    IpAddr::V6(ip) if ip.is_unspecified() => {
                        address.set_ip(Ipv6Addr::LOCALHOST.into());
                    }
                    _ => {}
                }
                Some(Socket::Inet(address))
            }
        }
    }

    /// Accepts one connection.
    pub(crate) fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<Stream>> {
        match &self.kind {
            Kind::Unix(listener) => {
                listener.poll_accept(cx).map_ok(|(stream, _)| Stream::Unix(stream))
            }
            Kind::Tcp(listener) => listener.poll_accept(cx).map_ok(|(stream, _)| {
                // Without it a reply waits for the acknowledgement of the last one. Should it fail,
                // all still works, slowly.
                let _ = stream.set_nodelay(true);
                Stream::Tcp(stream)
            }),
        }
    }
}

fn passed_in(kind: io::Result<Kind>) -> Result<Bound, SocketError> {
    let kind = kind.map_err(|e| SocketError {
        socket: "a socket passed in".into(),
        problem: Problem::Unusable(e),
    })?;
    Ok(Bound { kind, _file: None })
}

fn bind_tcp(address: SocketAddr) -> io::Result<Bound> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A restart must not wait for old connections to time out.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    let kind = Kind::Tcp(socket.listen(BACKLOG)?);
    Ok(Bound { kind, _file: None })
}

fn bind_unix(path: &Path) -> Result<Bound, Problem> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let folder = fs::metadata(folder).map_err(Problem::Folder)?;
    if !folder.is_dir() {
        return Err(Problem::Folder(io::ErrorKind::NotADirectory.into()));
    }
    remove_stale(path)?;
    let socket = UnixSocket::new_stream().map_err(Problem::System)?;
    socket.bind(path).map_err(|e| match e.kind() {
        io::ErrorKind::AddrInUse => Problem::InUse,
        _ => Problem::System(e),
    })?;
    let made = fs::symlink_metadata(path).map_err(Problem::System)?;
    let file = SocketFile { path: path.to_owned(), device: made.dev(), inode: made.ino() };
    // Nobody can connect before `listen`, so there is no moment with other permissions. The group
    // comes first: changing it could be refused where we are not in it, and then the socket is ours
    // alone until the admin has arranged it otherwise.
    let _ = chown(path, None, Some(folder.gid()));
    fs::set_permissions(path, fs::Permissions::from_mode(0o660)).map_err(Problem::System)?;
    let listener = socket.listen(BACKLOG).map_err(Problem::System)?;
    Ok(Bound { kind: Kind::Unix(listener), _file: Some(file) })
}

/// Removes the file that a process which died has left, if it is proven that nobody listens.
fn remove_stale(path: &Path) -> Result<(), Problem> {
    match fs::symlink_metadata(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(Problem::System(e)),
        Ok(m) if !m.file_type().is_socket() => return Err(Problem::NotASocket),
        Ok(_) => {}
    }
    match StdUnixStream::connect(path) {
        Ok(_) => Err(Problem::InUse),
        Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(Problem::System)
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(Problem::System(e)),
    }
}

/// A connection of either kind.
#[derive(Debug)]
pub enum Stream {
    /// Over a UNIX socket.
    Unix(UnixStream),
    /// Over TCP.
    Tcp(TcpStream),
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    fn problem(path: &Path) -> Problem {
        Bound::bind(&Socket::Unix(path.to_owned())).unwrap_err().problem
    }

    #[tokio::test]
    async fn a_socket_is_for_its_owner_and_the_group_of_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("front.sock");
        let bound = Bound::bind(&Socket::Unix(path.clone())).unwrap();
        let file = fs::symlink_metadata(&path).unwrap();
        assert_eq!(file.mode() & 0o7777, 0o660);
        assert_eq!(file.gid(), fs::metadata(folder.path()).unwrap().gid());
        assert_eq!(bound.address(), Some(Socket::Unix(path.clone())));
        drop(bound);
        assert!(!path.exists(), "the file goes with the socket");
    }

    #[tokio::test]
    async fn the_group_of_the_folder_is_taken_where_we_may() {
        let folder = tempfile::tempdir().unwrap();
        if chown(folder.path(), None, Some(7)).is_err() {
            return; // only root can give a folder to a group it is not in
        }
        let path = folder.path().join("front.sock");
        let _bound = Bound::bind(&Socket::Unix(path.clone())).unwrap();
        assert_eq!(fs::symlink_metadata(&path).unwrap().gid(), 7);
    }

    #[tokio::test]
    async fn a_file_left_by_the_dead_is_replaced_and_one_of_the_living_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("front.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let bound = Bound::bind(&Socket::Unix(path.clone())).unwrap();
        assert!(matches!(problem(&path), Problem::InUse));
        assert!(path.exists());
        drop(bound);
    }

    #[tokio::test]
    async fn what_took_our_place_is_not_unlinked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("front.sock");
        let old = Bound::bind(&Socket::Unix(path.clone())).unwrap();
        fs::remove_file(&path).unwrap();
        let _new = Bound::bind(&Socket::Unix(path.clone())).unwrap();
        drop(old);
        assert!(path.exists());
    }

    #[tokio::test]
    async fn nothing_but_a_socket_is_ever_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("front.sock");
        fs::write(&path, "precious").unwrap();
        assert!(matches!(problem(&path), Problem::NotASocket));
        assert_eq!(fs::read(&path).unwrap(), b"precious");
    }

    #[tokio::test]
    async fn a_missing_folder_is_named_as_such() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("missing").join("front.sock");
        assert!(matches!(problem(&path), Problem::Folder(_)));
    }

    #[tokio::test]
    async fn an_address_in_use_is_named_as_such() {
        let any = Socket::Inet(SocketAddr::from(([127, 0, 0, 1], 0)));
        let bound = Bound::bind(&any).unwrap();
        let error = Bound::bind(&bound.address().unwrap()).unwrap_err();
        assert!(matches!(error.problem, Problem::InUse));
        assert!(error.to_string().starts_with("cannot listen on inet:"));
    }

    #[tokio::test]
    async fn passed_in_sockets_work_and_their_files_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("front.sock");
        let unix = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let tcp = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = tcp.local_addr().unwrap();
        let bound = [Bound::from_unix(unix).unwrap(), Bound::from_tcp(tcp).unwrap()];
        let mut client = UnixStream::connect(&path).await.unwrap();
        client.write_all(b"a").await.unwrap();
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(b"b").await.unwrap();
        for (bound, expected) in bound.iter().zip(*b"ab") {
            let mut stream = std::future::poll_fn(|cx| bound.poll_accept(cx)).await.unwrap();
            assert_eq!(stream.read_u8().await.unwrap(), expected);
            if let Stream::Tcp(stream) = &stream {
                assert!(stream.nodelay().unwrap());
            }
        }
        drop(bound);
        assert!(path.exists());
    }
}
