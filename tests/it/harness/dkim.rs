//! DKIM signatures by an implementation that is not ours: python3-dkim, with a key in a file
//! instead of DNS.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use super::{Scratch, process};

const SCRIPT: &str = r"
import dkim, sys
mode, domain, key, message = sys.argv[1:5]
domain, key, message = domain.encode(), open(key, 'rb').read(), open(message, 'rb').read()
if mode == 'sign':
    c = tuple(p.encode() for p in sys.argv[5].split('/'))
    i = sys.argv[6].encode() if len(sys.argv) > 6 else None
    sys.stdout.buffer.write(dkim.sign(message, b's', domain, key, canonicalize=c, identity=i))
else:
    sys.exit(0 if dkim.verify(message, dnsfunc=lambda name, timeout=5: key) else 1)
";

/// Each signature of a message, the topmost first: its domain and whether it is good.
const ALL: &str = r"
import dkim, sys
message = open(sys.argv[1], 'rb').read()
keys = dict(zip(sys.argv[2::2], (open(name, 'rb').read() for name in sys.argv[3::2])))
def record(name, timeout=5):
    return keys.get(name.decode().rstrip('.'))
one = dkim.DKIM(message)
for i in range(sum(name.lower() == b'dkim-signature' for name, _ in one.headers)):
    one = dkim.DKIM(message)
    try:
        good = one.verify(idx=i, dnsfunc=record)
    except dkim.DKIMException:
        good = False
    print(one.domain.decode(), 'good' if good else 'bad')
";

/// The signatures of a message, the topmost first: the domain of each, and whether it is good by
/// these keys.
pub fn signatures(keys: &[&DkimKey], message: &[u8]) -> Vec<(String, bool)> {
    let at = keys[0].folder.join("signed");
    fs::write(&at, message).unwrap();
    let mut command = Command::new("/usr/bin/python3");
    command.args(["-c", ALL]).arg(at);
    for key in keys {
        command.arg(key.name()).arg(key.folder.join("record"));
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let line = |line: &str| {
        let (domain, verdict) = line.split_once(' ').unwrap();
        (domain.to_owned(), verdict == "good")
    };
    String::from_utf8(output.stdout).unwrap().lines().map(line).collect()
}

/// The key of a domain, with the selector `s`.
#[derive(Debug)]
pub struct DkimKey {
    folder: PathBuf,
    domain: String,
}

impl DkimKey {
    /// Makes a key below the scratch folder.
    pub fn new(scratch: &Scratch, domain: &str) -> Self {
        let key =
            Self { folder: scratch.join(&format!("dkim-{domain}")), domain: domain.to_owned() };
        fs::create_dir(&key.folder).unwrap();
        key.openssl(&["genrsa", "-out", "private.pem", "2048"]);
        let public = key.openssl(&["rsa", "-in", "private.pem", "-pubout", "-outform", "DER"]);
        let record = format!("v=DKIM1; k=rsa; p={}", data_encoding::BASE64.encode(&public));
        fs::write(key.folder.join("record"), record).unwrap();
        key
    }

    /// The name of the record in DNS.
    pub fn name(&self) -> String {
        format!("s._domainkey.{}", self.domain)
    }

    /// The file with the private key.
    pub fn private(&self) -> PathBuf {
        self.folder.join("private.pem")
    }

    /// The record that would be in DNS.
    pub fn record(&self) -> String {
        fs::read_to_string(self.folder.join("record")).unwrap()
    }

    /// A message with a signature above it. The options are the canonicalization
    /// (`relaxed/simple`) and, if wanted, the identity (`i=`).
    #[track_caller]
    pub fn sign(&self, message: &[u8], options: &[&str]) -> Vec<u8> {
        let signature = self.run("sign", "private.pem", message, options);
        assert!(signature.status.success(), "{signature:?}");
        [&signature.stdout[..], message].concat()
    }

    /// Whether the signature of a message is good.
    pub fn verifies(&self, message: &[u8]) -> bool {
        self.run("verify", "record", message, &[]).status.success()
    }

    fn run(&self, mode: &str, key: &str, message: &[u8], options: &[&str]) -> Output {
        let at = |name: &str| self.folder.join(name);
        fs::write(at("message"), message).unwrap();
        // Debian's own Python, which has python3-dkim.
        let mut command = Command::new("/usr/bin/python3");
        command.args(["-c", SCRIPT, mode, &self.domain]).arg(at(key)).arg(at("message"));
        process::output(command.args(options), b"")
    }

    fn openssl(&self, args: &[&str]) -> Vec<u8> {
        let mut command = Command::new("openssl");
        let output = process::output(command.args(args).current_dir(&self.folder), b"");
        assert!(output.status.success(), "{output:?}");
        output.stdout
    }
}
