//! Tests SMTP settings step by step, as a recruiting system will use them, and says what each answer
//! means.
//!
//! Must not know the configuration, nor who asks: settings in, steps and a verdict out.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;

use crate::mail::Address;

mod causes;
mod certificate;
mod dialogue;
mod message;
mod reply;
mod secret;
mod step;
#[cfg(test)]
mod tests;
pub mod texts;
mod view;
mod wire;

pub use causes::{ALL, At, Cause, of};
pub use reply::{Reply, escaped};
pub use secret::Secret;
pub use step::{Name, Note, Step};
pub use view::{heading, json, step, verdict};

/// The whole test of one client takes at most as many times the limit of a step.
pub const WHOLE: u32 = 4;

/// How the connection is to be encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// From the first byte ("SSL", "SSL/TLS", port 465).
    Implicit,
    /// By STARTTLS ("TLS", port 587).
    StartTls,
    /// Not at all.
    None,
}

/// The settings, as the page of a recruiting system asks for them, and how to test them.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is encrypted.
    pub tls: Tls,
    /// The user name.
    pub user: String,
    /// The password.
    pub password: Secret,
    /// The recruiting address.
    pub from: Address,
    /// Who gets a real mail; nobody, if not.
    pub to: Option<Address>,
    /// The authorities to believe, in place of the system's.
    pub ca: Option<PathBuf>,
    /// Addresses to claim by XCLIENT.
    pub claims: Vec<IpAddr>,
    /// How long a step may take.
    pub limit: Duration,
}

/// Why a test cannot begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// Neither a host's name nor an IP address.
    Host(String),
    /// The file of authorities cannot be used.
    Authorities(String),
    /// No TLS client can be made of this.
    Client(String),
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Host(host) => {
                write!(f, "{:?} is neither the name of a host nor an IP address", escaped(host))
            }
            Self::Authorities(why) | Self::Client(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for Error {}

/// Makes the test; each step is given to `emit` when it is done. What failed is in the steps.
pub fn run(settings: &Settings, emit: &mut dyn FnMut(&Step)) -> Result<Vec<Step>, Error> {
    let server = ServerName::try_from(settings.host.clone())
        .map_err(|_| Error::Host(settings.host.clone()))?;
    let roots = match settings.tls {
        Tls::None => rustls::RootCertStore::empty(),
        _ => certificate::authorities(settings.ca.as_deref()).map_err(Error::Authorities)?,
    };
    let (inspector, config) =
        certificate::Inspector::new(roots).map_err(|error| Error::Client(error.to_string()))?;
    let trial = dialogue::Trial { settings, server, inspector, config: Arc::clone(&config) };
    let mut steps = Vec::new();
    let mut keep = |step: Step| {
        emit(&step);
        steps.push(step);
    };
    let here = trial.talk(None, &mut keep);
    // Whoever cannot be connected to, or trusted, is not asked again as somebody else.
    if here.greeted_safely {
        for &claim in &settings.claims {
            keep(if here.xclient { trial.claimed(claim) } else { unknowable(claim) });
        }
    }
    Ok(steps)
}

/// All of a test as if from another address, where the server does not let us claim one.
fn unknowable(claim: IpAddr) -> Step {
    Step {
        name: Name::From,
        took: Duration::ZERO,
        tried: Vec::new(),
        heard: Vec::new(),
        notes: vec![Note::As(claim), Note::NoXclient],
        causes: Vec::new(),
    }
}

/// All causes that were found, those of the first failed step first.
pub fn causes_of(steps: &[Step]) -> Vec<Cause> {
    let mut causes = Vec::new();
    for cause in steps.iter().flat_map(|step| &step.causes) {
        if !causes.contains(cause) {
            causes.push(*cause);
        }
    }
    causes
}

/// The end of a wait that begins now.
fn end_of(limit: Duration, whole: Instant) -> Instant {
    (Instant::now() + limit).min(whole)
}
