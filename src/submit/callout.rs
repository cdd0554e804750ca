//! Asks a server whether it takes mail for an address, and sends none.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::net::SocketAddr;

use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters, TlsVersion};
use lettre::transport::smtp::extension::{ClientId, Extension};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{COMMAND, CONNECT, Error, FAREWELL, Step, text, within, words};
use crate::mail::Address;

/// What a server said to RCPT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It takes mail for the address.
    Yes(String),
    /// Not now (4xx): greylisting, say.
    Later(String),
    /// It does not (5xx).
    No(String),
}

/// Asks the server at `server`, in the name of the host `hello`: MAIL with the null sender, RCPT, and
/// good-bye. TLS is used where it is offered, and no certificate is asked for, as Postfix does by
/// itself (RFC 7435): no secret is on its way.
pub async fn ask(
    server: SocketAddr,
    hello: &str,
    name: &str,
    recipient: &Address,
) -> Result<Answer, Error> {
    let connected = timeout(CONNECT, TcpStream::connect(server)).await;
    let stream = connected.map_err(|_| Error::Timeout(Step::Hello))?.map_err(Error::Unreachable)?;
    let hello = ClientId::Domain(hello.to_owned());
    let greeting = AsyncSmtpConnection::connect_with_transport(Box::new(stream), &hello);
    let mut connection = within(COMMAND, Step::Hello, greeting).await?;
    if connection.server_info().supports_feature(Extension::StartTls) {
        let tls = TlsParameters::builder(name.to_owned())
            .dangerous_accept_invalid_certs(true)
            .dangerous_accept_invalid_hostnames(true)
            .set_min_tls_version(TlsVersion::Tlsv12)
            .build()
            .map_err(|error| Error::Refused(Step::Hello, error))?;
        within(COMMAND, Step::Hello, connection.starttls(tls, &hello)).await?;
    }
    within(COMMAND, Step::Mail, connection.command("MAIL FROM:<>\r\n")).await?;
    let recipient = recipient.in_ascii();
    let utf8 = if recipient.as_str().is_ascii() { "" } else { " SMTPUTF8" };
    let rcpt = connection.command(format!("RCPT TO:<{recipient}>{utf8}\r\n"));
    let answer = match within(COMMAND, Step::Rcpt, rcpt).await {
        Ok(answer) => Answer::Yes(format!("{} {}", answer.code(), text(&answer))),
        Err(error) if error.is_permanent() => Answer::No(words(&error)),
        Err(Error::Refused(_, error)) if error.is_transient() => {
            Answer::Later(words(&Error::Refused(Step::Rcpt, error)))
        }
        Err(error) => return Err(error),
    };
    tokio::spawn(async move { timeout(FAREWELL, connection.quit()).await.is_ok() });
    Ok(answer)
}
