//! Asks a milter socket whether somebody answers: a whole negotiation and a farewell.
//!
//! That is more than a connect, which the kernel answers as well for a process that hangs.
//!
//! Must not know what is decided.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use crate::config::Socket;

/// The negotiation of an MTA that offers everything: length, code, protocol version 6, all actions,
/// all options.
const OFFER: &[u8] = b"\0\0\0\x0dO\0\0\0\x06\0\0\x01\xff\0\x1f\xff\xff";
const QUIT: &[u8] = b"\0\0\0\x01Q";

/// How a socket answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Liveness {
    /// The milter negotiates.
    Answers,
    /// The milter is alive and turns sessions away, or this process has no descriptor left to ask.
    Busy,
}

/// Asks a socket. An error, a silence longer than `patience` among them, means that mail is
/// being deferred.
pub async fn ask(socket: &Socket, patience: Duration) -> io::Result<Liveness> {
    let asking = async {
        match socket {
            Socket::Unix(path) => negotiate(UnixStream::connect(path).await?).await,
            Socket::Inet(address) => negotiate(TcpStream::connect(address).await?).await,
        }
    };
    let result =
        timeout(patience, asking).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    match result {
        Ok(()) => Ok(Liveness::Answers),
        // EMFILE, ENFILE: the milter itself turns sessions away then.
        Err(e) if matches!(e.raw_os_error(), Some(23 | 24)) => Ok(Liveness::Busy),
        Err(e) => match e.kind() {
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionReset => Ok(Liveness::Busy),
            _ => Err(e),
        },
    }
}

async fn negotiate(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
    stream.write_all(OFFER).await?;
    let length = stream.read_u32().await?;
    let code = stream.read_u8().await?;
    if code != b'O' || !(13..=1024).contains(&length) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "the answer is not that of a milter",
        ));
    }
    stream.read_exact(&mut vec![0; length as usize - 1]).await?;
    stream.write_all(QUIT).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddr;
    use tokio::net::TcpListener;

    async fn listener() -> (TcpListener, Socket) {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = TcpListener::bind(any).await.unwrap();
        let address = listener.local_addr().unwrap();
        (listener, Socket::Inet(address))
    }

    #[tokio::test]
    async fn a_process_that_hangs_is_not_taken_for_one_that_answers() {
        let (_listener, socket) = listener().await;
        let error = ask(&socket, Duration::from_millis(50)).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn nobody_there_is_an_error() {
        let (listener, socket) = listener().await;
        drop(listener);
        let error = ask(&socket, Duration::from_secs(5)).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }

    #[tokio::test]
    async fn another_kind_of_server_is_an_error() {
        let (listener, socket) = listener().await;
        let (result, ()) = tokio::join!(ask(&socket, Duration::from_secs(5)), async {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(b"220 mx.acme.example ESMTP\r\n").await.unwrap();
            let _ = stream.read_to_end(&mut Vec::new()).await;
        });
        assert_eq!(result.unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[tokio::test]
    async fn closed_at_once_is_busy() {
        let (listener, socket) = listener().await;
        let (result, ()) = tokio::join!(ask(&socket, Duration::from_secs(5)), async {
            drop(listener.accept().await.unwrap());
        });
        assert_eq!(result.unwrap(), Liveness::Busy);
    }
}
