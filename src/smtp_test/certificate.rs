//! The server's certificate: all that is wrong with it, not only the first thing.
//!
//! The handshake is completed whatever the certificate, so that it can be looked at; who calls this
//! must not say a password over a connection whose certificate has faults. Must not know SMTP.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use x509_cert::Certificate;
use x509_cert::der::Decode as _;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use super::causes::Cause;

/// As many names of a certificate are shown.
const NAMES: usize = 8;

/// What was seen of a certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// Whom it is for.
    pub(super) subject: String,
    /// Who signed it.
    pub(super) issuer: String,
    /// The names that it is valid for.
    pub(super) names: Vec<String>,
    /// From when on it is valid, in seconds since 1970.
    pub(super) not_before: i64,
    /// Until when it is valid, in seconds since 1970.
    pub(super) not_after: i64,
    /// How many certificates the server sent.
    pub(super) sent: usize,
    /// What is wrong with it.
    pub(super) faults: Vec<Cause>,
    /// What the library says, where the fault has no name of its own.
    pub(super) remark: Option<String>,
}

/// The authorities to believe: those of a file, or else those of the system.
pub(super) fn authorities(file: Option<&Path>) -> Result<RootCertStore, String> {
    let mut store = RootCertStore::empty();
    if let Some(file) = file {
        let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
        let certificates = CertificateDer::pem_file_iter(file).map_err(|error| failed(&error))?;
        for certificate in certificates {
            let certificate = certificate.map_err(|error| failed(&error))?;
            store.add(certificate).map_err(|error| failed(&error))?;
        }
        if store.is_empty() {
            return Err(failed(&"no certificate in it"));
        }
    } else {
        store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if store.is_empty() {
            // Every certificate would seem to be a bad one.
            let why = "this system knows no certification authorities\n  \
                       = install ca-certificates, or name a file with --ca";
            return Err(why.to_owned());
        }
    }
    Ok(store)
}

/// Looks at certificates, keeps what it saw, and lets every handshake go on.
#[derive(Debug)]
pub(super) struct Inspector {
    roots: RootCertStore,
    provider: Arc<CryptoProvider>,
    seen: Mutex<Option<Seen>>,
}

impl Inspector {
    /// One that believes these authorities, and the configuration of a client that asks it.
    pub(super) fn new(roots: RootCertStore) -> Result<(Arc<Self>, Arc<ClientConfig>), Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let seen = Mutex::default();
        let inspector = Arc::new(Self { roots, provider: Arc::clone(&provider), seen });
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&inspector) as _)
            .with_no_client_auth();
        // A second handshake by a ticket of the first would show no certificate.
        config.resumption = rustls::client::Resumption::disabled();
        Ok((inspector, Arc::new(config)))
    }

    /// What the last handshake showed.
    pub(super) fn take(&self) -> Option<Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn inspect(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Seen {
        let mut seen = Seen { sent: 1 + chain.len(), ..Seen::default() };
        let (Ok(read), Ok(parsed)) =
            (Certificate::from_der(leaf), ParsedCertificate::try_from(leaf))
        else {
            // A certificate of version 1, say.
            seen.faults.push(Cause::BadCertificate);
            return seen;
        };
        let own = &read.tbs_certificate;
        seen.subject = own.subject.to_string();
        seen.issuer = own.issuer.to_string();
        seen.names = names(&read);
        let seconds = |time: &x509_cert::time::Time| time.to_unix_duration().as_secs();
        let (from, until) = (seconds(&own.validity.not_before), seconds(&own.validity.not_after));
        seen.not_before = i64::try_from(from).unwrap_or(i64::MAX);
        seen.not_after = i64::try_from(until).unwrap_or(i64::MAX);

        // The chain as it was or will be while the certificate is valid: its age is a fault by itself.
        let when = UnixTime::since_unix_epoch(Duration::from_secs(
            now.as_secs().clamp(from, until.max(from)),
        ));
        let algorithms = self.provider.signature_verification_algorithms.all;
        let verify = |when| {
            let roots = &self.roots;
            verify_server_cert_signed_by_trust_anchor(&parsed, roots, chain, when, algorithms)
        };
        if let Err(error) = verify(when) {
            // A bad signature: by an authority of the same name as one that is known.
            let unknown = matches!(
                error,
                Error::InvalidCertificate(
                    CertificateError::UnknownIssuer | CertificateError::BadSignature
                )
            );
            if own.subject == own.issuer {
                seen.faults.push(Cause::SelfSigned);
            } else if unknown {
                seen.faults.push(Cause::NotTrusted);
            } else {
                seen.faults.push(Cause::BadCertificate);
                seen.remark = Some(error.to_string());
            }
        }
        if now.as_secs() > until {
            seen.faults.push(Cause::Expired);
        } else if now.as_secs() < from {
            seen.faults.push(Cause::NotYetValid);
        }
        if verify_server_name(&parsed, name).is_err() {
            seen.faults.push(Cause::WrongName);
        }
        if seen.faults.is_empty()
            && let Err(error) = verify(now)
        {
            seen.faults.push(Cause::BadCertificate);
            seen.remark = Some(error.to_string());
        }
        seen
    }
}

/// The names that a certificate is valid for; some more are counted.
fn names(certificate: &Certificate) -> Vec<String> {
    let found = certificate.tbs_certificate.get::<SubjectAltName>();
    let Ok(Some((_, alternatives))) = found else { return Vec::new() };
    let mut names: Vec<String> = alternatives
        .0
        .iter()
        .filter_map(|name| match name {
            GeneralName::DnsName(name) => Some(name.to_string()),
            GeneralName::IpAddress(octets) => match octets.as_bytes() {
                bytes @ &[_, _, _, _] => <[u8; 4]>::try_from(bytes)
                    .ok()
                    .map(|octets| std::net::Ipv4Addr::from(octets).to_string()),
                bytes => <[u8; 16]>::try_from(bytes)
                    .ok()
                    .map(|octets| std::net::Ipv6Addr::from(octets).to_string()),
            },
            _ => None,
        })
        .collect();
    names.dedup();
    if names.len() > NAMES {
        let more = names.len() - NAMES;
        names.truncate(NAMES);
        names.push(format!("[{more} more]"));
    }
    names
}

impl ServerCertVerifier for Inspector {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let seen = self.inspect(leaf, chain, name, now);
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(seen);
        Ok(ServerCertVerified::assertion())
    }

    // Whoever shows the certificate must have its key, in any case.
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, leaf, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, leaf, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
