//! Asks a server whether it takes mail for an address, and sends none.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters, TlsVersion};
use lettre::transport::smtp::extension::{ClientId, Extension};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, timeout, timeout_at};

use super::{COMMAND, CONNECT, Error, FAREWELL, Step, text, within, words};
use crate::mail::Address;

/// How long the farewell of a look may take.
const GOOD_BYE: Duration = Duration::from_secs(1);
/// After so many refusals a look goes no further in its session.
// Postfix: lets a client with ten errors (smtpd_soft_error_limit) wait for a second before each answer.
// The question is one of them.
const MOST_REFUSED: usize = 8;

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
    ask_from(None, server, hello, name, recipient).await
}

/// The same from this address of ours.
pub async fn ask_from(
    source: Option<IpAddr>,
    server: SocketAddr,
    hello: &str,
    name: &str,
    recipient: &Address,
) -> Result<Answer, Error> {
    let mut connection = open(source, server, hello, name, true).await?;
    let recipient = recipient.in_ascii();
    let mail = mail(std::slice::from_ref(&recipient));
    within(COMMAND, Step::Mail, connection.command(mail)).await?;
    let answer = tell(&mut connection, Step::Rcpt, rcpt(&recipient)).await?;
    leave(connection);
    Ok(answer)
}

/// What a server said to a look at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Looked {
    /// To the question.
    pub question: Answer,
    /// To MAIL.
    pub mail: Answer,
    /// To the first recipients, as far as it came: nothing where MAIL was not taken.
    pub recipients: Vec<Answer>,
}

/// Looks at a server of ours as a client that has mail: a question that its milter may know, MAIL with
/// the null sender, RCPT for each recipient, and good-bye. TLS is for what leaves this machine, and for
/// servers that take nothing without it.
///
/// What was answered when `until` is reached, or when the server ends the session, stands.
pub async fn look(
    server: SocketAddr,
    hello: &str,
    question: &str,
    recipients: &[Address],
    until: Instant,
) -> Result<Looked, Error> {
    let late = |_| Err(Error::Timeout(Step::Mail));
    let begun = timeout_at(until, begin(server, hello, question)).await;
    let (mut connection, mut looked) = begun.unwrap_or_else(late)?;
    if let Answer::Yes(_) = looked.mail {
        let asked = each(&mut connection, recipients, &mut looked.recipients);
        let _ = timeout_at(until, asked).await;
    }
    // Waited for, so that a command that ends after it leaves no line about a lost connection.
    let _ = timeout(GOOD_BYE, connection.quit()).await;
    Ok(looked)
}

async fn begin(
    server: SocketAddr,
    hello: &str,
    question: &str,
) -> Result<(AsyncSmtpConnection, Looked), Error> {
    // In a session of its own: it counts as an error, and a busy server ends a session after one.
    let (mut asking, question) =
        first(server, hello, Step::Hello, &format!("{question}\r\n")).await?;
    let _ = timeout(GOOD_BYE, asking.quit()).await;
    let (connection, mail) = first(server, hello, Step::Mail, &mail(&[])).await?;
    Ok((connection, Looked { question, mail, recipients: Vec::new() }))
}

/// Opens a session and says something: with TLS where the server asks for it (RFC 3207 4).
async fn first(
    server: SocketAddr,
    hello: &str,
    step: Step,
    command: &str,
) -> Result<(AsyncSmtpConnection, Answer), Error> {
    let name = server.ip().to_string();
    let tls = !server.ip().is_loopback();
    let mut connection = open(None, server, hello, &name, tls).await?;
    let answer = tell(&mut connection, step, command.to_owned()).await?;
    if tls || !matches!(&answer, Answer::No(said) if said.starts_with("530")) {
        return Ok((connection, answer));
    }
    leave(connection);
    let mut connection = open(None, server, hello, &name, true).await?;
    let answer = tell(&mut connection, step, command.to_owned()).await?;
    Ok((connection, answer))
}

/// Asks for each recipient in a transaction of its own, after one that MAIL has begun.
// Postfix: a site may take no mail from the null sender to more than one recipient
// (reject_multi_recipient_bounce), nor to more than its smtpd_recipient_limit.
async fn each(
    connection: &mut AsyncSmtpConnection,
    recipients: &[Address],
    answers: &mut Vec<Answer>,
) -> Result<(), Error> {
    let mut refused = 0;
    for (at, recipient) in recipients.iter().map(Address::in_ascii).enumerate() {
        if refused == MOST_REFUSED {
            break;
        }
        if at > 0 || !recipient.as_str().is_ascii() {
            within(COMMAND, Step::Mail, connection.command("RSET\r\n")).await?;
            let mail = mail(std::slice::from_ref(&recipient));
            match tell(connection, Step::Mail, mail).await? {
                Answer::Yes(_) => {}
                // RFC 5321 3.8: the session is over.
                Answer::Later(said) if said.starts_with("421") => break,
                refusal => {
                    refused += 1;
                    answers.push(refusal);
                    continue;
                }
            }
        }
        let answer = tell(connection, Step::Rcpt, rcpt(&recipient)).await?;
        refused += usize::from(!matches!(answer, Answer::Yes(_)));
        answers.push(answer);
    }
    Ok(())
}

/// MAIL with the null sender. RFC 6531 3.4: it says that there are addresses in UTF-8, RCPT does not.
fn mail(recipients: &[Address]) -> String {
    let ascii = recipients.iter().all(|recipient| recipient.as_str().is_ascii());
    format!("MAIL FROM:<>{}\r\n", if ascii { "" } else { " SMTPUTF8" })
}

fn rcpt(recipient: &Address) -> String {
    format!("RCPT TO:<{recipient}>\r\n")
}

async fn open(
    source: Option<IpAddr>,
    server: SocketAddr,
    hello: &str,
    name: &str,
    tls: bool,
) -> Result<AsyncSmtpConnection, Error> {
    let connected = timeout(CONNECT, connect(source, server)).await;
    let stream = connected.map_err(|_| Error::Timeout(Step::Hello))?.map_err(Error::Unreachable)?;
    let hello = ClientId::Domain(hello.to_owned());
    let greeting = AsyncSmtpConnection::connect_with_transport(Box::new(stream), &hello);
    let mut connection = within(COMMAND, Step::Hello, greeting).await?;
    if tls && connection.server_info().supports_feature(Extension::StartTls) {
        let tls = TlsParameters::builder(name.to_owned())
            .dangerous_accept_invalid_certs(true)
            .dangerous_accept_invalid_hostnames(true)
            .set_min_tls_version(TlsVersion::Tlsv12)
            .build()
            .map_err(|error| Error::Refused(Step::Hello, error))?;
        within(COMMAND, Step::Hello, connection.starttls(tls, &hello)).await?;
    }
    Ok(connection)
}

/// Says something; whatever is answered is an answer.
async fn tell(
    connection: &mut AsyncSmtpConnection,
    step: Step,
    command: String,
) -> Result<Answer, Error> {
    match within(COMMAND, step, connection.command(command)).await {
        Ok(answer) => Ok(Answer::Yes(format!("{} {}", answer.code(), text(&answer)))),
        Err(error) if error.is_permanent() => Ok(Answer::No(words(&error))),
        Err(Error::Refused(_, error)) if error.is_transient() => {
            Ok(Answer::Later(words(&Error::Refused(step, error))))
        }
        Err(error) => Err(error),
    }
}

/// Says good-bye, for which nobody waits.
fn leave(mut connection: AsyncSmtpConnection) {
    tokio::spawn(async move { timeout(FAREWELL, connection.quit()).await.is_ok() });
}

async fn connect(source: Option<IpAddr>, server: SocketAddr) -> std::io::Result<TcpStream> {
    let Some(source) = source else { return TcpStream::connect(server).await };
    let socket = if source.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.bind(SocketAddr::new(source, 0))?;
    socket.connect(server).await
}
