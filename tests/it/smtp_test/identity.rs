//! Certificates with something wrong with them, and the authority that signs them.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// An authority of a test.
pub(super) struct Authority {
    folder: PathBuf,
}

/// What a certificate is to be like.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    /// The name that it is valid for.
    pub(super) name: &'a str,
    /// Its first and its last second, as OpenSSL writes them.
    pub(super) valid: [&'a str; 2],
    /// Nobody else signs it.
    pub(super) by_itself: bool,
}

/// A certificate with nothing wrong with it.
pub(super) const SOUND: Wanted<'static> =
    Wanted { name: "127.0.0.1", valid: ["20200101000000Z", "20991231235959Z"], by_itself: false };

impl Authority {
    pub(super) fn make(folder: &Path) -> Self {
        fs::create_dir(folder).unwrap();
        let authority = Self { folder: folder.to_owned() };
        fs::write(folder.join("index.txt"), "").unwrap();
        fs::write(folder.join("serial"), "1000\n").unwrap();
        authority.configure("127.0.0.1");
        authority.openssl(&[
            "req",
            "-x509",
            "-config",
            "openssl.cnf",
            "-extensions",
            "authority",
            "-days",
            "2",
            "-nodes",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-keyout",
            "ca.key",
            "-out",
            "ca.pem",
            "-subj",
            "/CN=Authority of a test",
        ]);
        authority
    }

    /// The file to believe.
    pub(super) fn file(&self) -> String {
        self.folder.join("ca.pem").display().to_string()
    }

    /// A server that shows such a certificate.
    pub(super) fn server(&self, wanted: &Wanted<'_>) -> Arc<ServerConfig> {
        self.configure(wanted.name);
        let subject = format!("/CN={}", wanted.name);
        self.openssl(&[
            "req",
            "-new",
            "-config",
            "openssl.cnf",
            "-nodes",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-keyout",
            "server.key",
            "-out",
            "server.csr",
            "-subj",
            &subject,
        ]);
        let [from, until] = wanted.valid;
        let common = [
            "ca",
            "-batch",
            "-config",
            "openssl.cnf",
            "-notext",
            "-extensions",
            "server",
            "-startdate",
            from,
            "-enddate",
            until,
            "-in",
            "server.csr",
            "-out",
            "server.pem",
        ];
        let signer: &[&str] = if wanted.by_itself {
            &["-selfsign", "-keyfile", "server.key"]
        } else {
            &["-cert", "ca.pem", "-keyfile", "ca.key"]
        };
        self.openssl(&[&common, signer].concat());
        let path = |name: &str| self.folder.join(name);
        let chain = CertificateDer::pem_file_iter(path("server.pem")).unwrap();
        let key = PrivateKeyDer::from_pem_file(path("server.key")).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain.map(Result::unwrap).collect(), key)
            .unwrap();
        Arc::new(config)
    }

    fn configure(&self, name: &str) {
        let kind = if name.parse::<IpAddr>().is_ok() { "IP" } else { "DNS" };
        let text = format!(
            "[req]\ndistinguished_name = dn\n[dn]\n\
             [authority]\nbasicConstraints = critical, CA:TRUE\n\
             keyUsage = critical, keyCertSign\nsubjectKeyIdentifier = hash\n\
             [ca]\ndefault_ca = here\n\
             [here]\nnew_certs_dir = .\ndatabase = index.txt\nserial = serial\npolicy = any\n\
             default_md = sha256\nunique_subject = no\n\
             [any]\ncommonName = supplied\n\
             [server]\nbasicConstraints = critical, CA:FALSE\nextendedKeyUsage = serverAuth\n\
             subjectAltName = {kind}:{name}\n"
        );
        fs::write(self.folder.join("openssl.cnf"), text).unwrap();
    }

    fn openssl(&self, args: &[&str]) {
        let output = Command::new("openssl").args(args).current_dir(&self.folder).output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}
