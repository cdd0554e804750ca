//! contrib/dev/install-deps.sh on machines of every kind: what it would install, and what it says. Its commands
//! are stand-ins here, which write down how they were called.
// SPDX-License-Identifier: GPL-3.0-or-later
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may fail them")]

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

/// What the script uses of every system.
const TOOLS: [&str; 6] = ["cut", "dirname", "env", "sed", "sh", "sort"];

/// A Debian that has packages, and others to be had.
struct Machine {
    folder: TempDir,
}

/// How the script ended.
struct Run {
    code: Option<i32>,
    said: String,
    /// The calls of apt-get, a line each.
    apt: String,
}

impl Machine {
    /// Has `installed`, and can have `to_be_had`: package and version.
    fn new(installed: &[&str], to_be_had: &[(&str, &str)]) -> Self {
        let machine = Self { folder: tempfile::tempdir().unwrap() };
        for tool in TOOLS {
            let places = ["/usr/bin", "/bin"].map(|place| Path::new(place).join(tool));
            let place = places.iter().find(|place| place.exists()).unwrap();
            symlink(place, machine.folder.path().join(tool)).unwrap();
        }
        machine.program("id", "echo 0");
        machine.program("tee", "");
        machine.program("chmod", "");
        machine.program("rm", "");
        machine.program("debconf-set-selections", "");
        machine.program(
            "dpkg-query",
            &format!("case $4 in {}) echo -n installed ;; *) exit 1 ;; esac", installed.join("|")),
        );
        let candidate = |(name, version)| format!("{name}) echo '  Candidate: {version}' ;;");
        let policy: Vec<String> = to_be_had.iter().copied().map(candidate).collect();
        machine.program("apt-cache", &format!("case $2 in {} esac", policy.join(" ")));
        machine.program("apt-get", "echo \"$@\" >> \"${0%/*}/calls\"");
        machine
    }

    /// A program that is found by its name.
    fn program(&self, name: &str, script: &str) {
        let path = self.folder.path().join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Has a compiler of a version.
    fn with_rust(self, version: &str) -> Self {
        for name in ["cargo", "rustc"] {
            self.program(name, &format!("echo '{name} {version} (0123456 2026-01-01)'"));
        }
        self
    }

    fn run(&self, what: &[&str]) -> Run {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/dev/install-deps.sh");
        let mut command = Command::new("/bin/sh");
        command.arg(script).args(what).env_clear().env("PATH", self.folder.path());
        let output = command.output().unwrap();
        let apt = fs::read_to_string(self.folder.path().join("calls")).unwrap_or_default();
        let said = [output.stdout, output.stderr].concat();
        Run { code: output.status.code(), said: String::from_utf8(said).unwrap(), apt }
    }
}

/// What comes from Debian's security suites today.
const CURRENT: [(&str, &str); 3] = [
    ("cargo-web", "1.96.0+dfsg1-1~deb12u2"),
    ("rustfmt-web", "1.96.0+dfsg1-1~deb13u1+b1"),
    ("rust-web-clippy", "1.96.0+dfsg1-1~deb12u2"),
];
/// What the demo needs besides a compiler.
const DEMO: [&str; 7] =
    ["ca-certificates", "gcc", "libc6-dev", "make", "dovecot-core", "openssl", "postfix"];

#[test]
fn a_machine_with_nothing_on_it_gets_a_current_compiler_and_nothing_is_removed() {
    let run = Machine::new(&["ca-certificates"], &CURRENT).run(&["demo"]);
    assert_eq!(run.code, Some(0), "{}", run.said);
    let wanted = "install -y -q --no-install-recommends --no-remove \
                  gcc libc6-dev make dovecot-core openssl postfix cargo-web rustc-web\n";
    assert_eq!(run.apt, wanted);
    let run = Machine::new(&DEMO, &CURRENT).run(&[]);
    assert!(run.apt.ends_with(" cargo-web rustc-web rustfmt-web rust-web-clippy\n"), "{}", run.apt);
}

#[test]
fn a_compiler_that_is_too_old_is_told_before_anything_is_installed() {
    for version in ["1.85.1", "0.66.0", "1.9.0"] {
        for what in [&["demo"][..], &["deb"], &["rpm"], &[]] {
            let run = Machine::new(&["base-files"], &CURRENT).with_rust(version).run(what);
            assert_eq!((run.code, run.apt.as_str()), (Some(69), ""), "{version} {what:?}");
            assert!(run.said.contains(&format!("cargo is {version}. Nothing was installed.")));
            assert!(run.said.contains("apt-get install cargo-web rustc-web"), "{}", run.said);
        }
    }
    let rustup = Machine::new(&["base-files"], &CURRENT).with_rust("1.70.0");
    rustup.program("rustup", "");
    let run = rustup.run(&["demo"]);
    assert_eq!((run.code, run.apt.as_str()), (Some(69), ""));
    assert!(run.said.contains("rustup update stable") && !run.said.contains("apt-get"));
}

#[test]
fn a_current_compiler_is_left_alone_wherever_it_is_from() {
    for version in ["1.88.0", "1.95.0", "1.100.0", "2.0.0-nightly"] {
        let run = Machine::new(&DEMO, &CURRENT).with_rust(version).run(&["demo"]);
        assert_eq!((run.code, run.apt.as_str(), run.said.as_str()), (Some(0), "", ""), "{version}");
        let run = Machine::new(&DEMO, &CURRENT).with_rust(version).run(&[]);
        assert!(!run.apt.contains("-web"), "{}", run.apt);
    }
    // After the demo Debian's compiler is there, and `make check` wants its companions.
    let installed = [&DEMO[..], &["cargo-web", "rustc-web"]].concat();
    let run = Machine::new(&installed, &CURRENT).with_rust("1.96.0").run(&[]);
    assert!(run.apt.ends_with(" rustfmt-web rust-web-clippy\n"), "{}", run.apt);
    assert!(!run.apt.contains("rustc-web"), "{}", run.apt);
}

#[test]
fn where_no_current_compiler_is_to_be_had_nothing_is_installed() {
    for candidate in
        [vec![], vec![("cargo-web", "1.85.0+dfsg3-1~deb12u3")], vec![("cargo-web", "(none)")]]
    {
        let run = Machine::new(&["base-files"], &candidate).run(&["demo"]);
        assert_eq!((run.code, run.apt.as_str()), (Some(69), "update -q\n"), "{candidate:?}");
        assert!(run.said.contains("Debian's security suites"), "{}", run.said);
    }
    // What only `make lint` needs is no reason to stop: it says what it left out.
    let run = Machine::new(&DEMO, &CURRENT[..1]).run(&[]);
    assert_eq!(run.code, Some(0), "{}", run.said);
    assert!(run.apt.ends_with(" cargo-web rustc-web\n"), "{}", run.apt);
}
