//! A certificate made on the spot, by a certification authority that is made with it and known to
//! nobody else: a client that verifies has to be given its file.
//!
//! Must not know who serves it.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A server's certificate with its key, and the authority that signed it, as files.
#[derive(Debug)]
pub struct Certificate {
    folder: PathBuf,
}

impl Certificate {
    /// Makes authority and certificate in a new folder. Clients may call the server `host`,
    /// `localhost` or 127.0.0.1.
    pub fn make(folder: &Path, host: &str) -> Self {
        fs::create_dir(folder).unwrap();
        fs::write(folder.join("openssl.cnf"), configuration(host)).unwrap();
        let certificate = Self { folder: folder.to_owned() };
        certificate.request("ca", &["-subj", "/CN=an authority of this test"]);
        let by_ca = ["-CA", "ca.pem", "-CAkey", "ca.key"];
        certificate.request("server", &[&["-subj", &format!("/CN={host}")], &by_ca[..]].concat());
        certificate
    }

    fn request(&self, name: &str, args: &[&str]) {
        let output = Command::new("openssl")
            .args(["req", "-x509", "-config", "openssl.cnf", "-days", "2", "-nodes"])
            .args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"])
            .args(["-extensions", name, "-keyout", &format!("{name}.key")])
            .args(["-out", &format!("{name}.pem")])
            .args(args)
            .current_dir(&self.folder)
            .output()
            .expect("OpenSSL is installed (contrib/dev/install-deps.sh installs it)");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// The certificate of the authority, for clients.
    pub fn authority(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// The server's certificate.
    pub fn file(&self) -> PathBuf {
        self.folder.join("server.pem")
    }

    /// The server's key.
    pub fn key(&self) -> PathBuf {
        self.folder.join("server.key")
    }
}

/// What OpenSSL needs to be told; with the fields that strict clients (Python 3.13) ask for.
fn configuration(host: &str) -> String {
    format!(
        "[req]\n\
         distinguished_name = dn\n\
         [dn]\n\
         [ca]\n\
         basicConstraints = critical, CA:TRUE\n\
         keyUsage = critical, keyCertSign\n\
         subjectKeyIdentifier = hash\n\
         [server]\n\
         basicConstraints = critical, CA:FALSE\n\
         keyUsage = critical, digitalSignature\n\
         extendedKeyUsage = serverAuth\n\
         subjectKeyIdentifier = hash\n\
         authorityKeyIdentifier = keyid\n\
         subjectAltName = DNS:{host}, DNS:localhost, IP:127.0.0.1\n"
    )
}
