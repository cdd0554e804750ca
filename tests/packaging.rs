//! What packages are made of: pages and completions that come from the program, and services that can do
//! nothing that they need not do.
// SPDX-License-Identifier: GPL-3.0-or-later
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may fail them")]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn printed(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_recruit-milter")).args(args).output().unwrap();
    assert!(output.status.success(), "{args:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Compares a file with what it has to be; `UPDATE_EXPECTED=1` makes it so.
fn is_up_to_date(path: &Path, expected: &str) {
    let expected = format!("{}\n", expected.trim_end());
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        fs::write(path, &expected).unwrap();
    }
    let found = fs::read_to_string(path).unwrap_or_default();
    assert!(
        found == expected,
        "{} is not what the program prints: UPDATE_EXPECTED=1 cargo test --test packaging",
        path.display()
    );
}

#[test]
fn manual_pages_are_what_the_program_prints() {
    let names = printed(&["man"]);
    for name in names.lines() {
        is_up_to_date(&here("contrib/man").join(name), &printed(&["man", name]));
    }
    let written = fs::read_dir(here("contrib/man")).unwrap();
    let written: BTreeSet<String> =
        written.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(written, names.lines().map(str::to_owned).collect(), "pages without a command");
}

#[test]
fn completions_are_what_the_program_prints() {
    for (shell, file) in [
        ("bash", "recruit-milter.bash"),
        ("zsh", "_recruit-milter"),
        ("fish", "recruit-milter.fish"),
    ] {
        is_up_to_date(&here("contrib/completions").join(file), &printed(&["completions", shell]));
    }
}

#[test]
fn all_packages_have_the_version_of_the_program() {
    let version = env!("CARGO_PKG_VERSION");
    let read = |path: &str| fs::read_to_string(here(path)).unwrap();
    let guide = format!("\"recruit-milter {version}\"");
    assert!(read("contrib/man/recruit-milter-postfix.7").lines().next().unwrap().contains(&guide));
    let changelog = format!("recruit-milter ({version}-");
    assert!(read("contrib/debian/changelog").starts_with(&changelog));
    let spec = read("contrib/rpm/recruit-milter.spec");
    let line = spec.lines().find(|line| line.starts_with("Version:")).unwrap();
    assert_eq!(line.split_whitespace().last(), Some(version));
}

#[test]
fn services_find_what_was_installed_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let installed = Command::new("make")
        .current_dir(here(""))
        .args(["--silent", "install", "PREFIX=/opt/x", "SYSCONFDIR=/opt/etc"])
        .arg(format!("DESTDIR={}", folder.path().display()))
        .arg(format!("PROGRAM={}", env!("CARGO_BIN_EXE_recruit-milter")))
        .output()
        .unwrap();
    assert!(installed.status.success(), "{}", String::from_utf8_lossy(&installed.stderr));
    let unit = |name: &str| {
        let path = folder.path().join("opt/x/lib/systemd/system").join(name);
        fs::read_to_string(path).unwrap()
    };
    let start = "ExecStart=/opt/x/sbin/recruit-milter run --config /opt/etc/recruit-milter/recruit-milter.toml ";
    assert!(unit("recruit-milter.service").contains(&format!("{start}--role milter")));
    let agent = unit("recruit-milter-agent.service");
    assert!(agent.contains(&format!("{start}--role agent")));
    let check = start.replace("ExecStart=", "ExecReload=+").replace(" run ", " check ");
    assert!(agent.contains(&format!("{check}--reload\n")), "{agent}");
    assert!(agent.contains("ExecPaths=/opt/x/sbin/recruit-milter\n"), "{agent}");
    for name in
        ["recruit-milter.service", "recruit-milter-agent.service", "recruit-milter-key.service"]
    {
        let text = unit(name);
        let of_etc = text.lines().filter(|line| line.contains("=/etc/") || line.contains(":/etc/"));
        assert_eq!(of_etc.count(), 0, "{text}");
    }
    for file in ["opt/x/sbin/recruit-milter", "opt/etc/recruit-milter/recruit-milter.toml"] {
        assert!(folder.path().join(file).is_file(), "{file}");
    }
}

/// How exposed a service is, as systemd judges it, in tenths.
fn exposure(unit: &str) -> u32 {
    let output = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--no-pager"])
        .arg(here("contrib/systemd").join(unit))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().find(|line| line.contains("Overall exposure level"));
    let line = line.unwrap_or_else(|| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)));
    let (_, level) = line.rsplit_once(": ").unwrap();
    let (whole, tenth) = level.split(' ').next().unwrap().split_once('.').unwrap();
    whole.parse::<u32>().unwrap() * 10 + tenth.parse::<u32>().unwrap()
}

#[test]
fn services_are_exposed_as_little_as_can_be() {
    for (unit, most) in [
        ("recruit-milter.service", 6),
        ("recruit-milter-agent.service", 12),
        ("recruit-milter-key.service", 12),
    ] {
        assert!(exposure(unit) <= most, "{unit}: {}", exposure(unit));
    }
}

#[test]
fn units_have_no_faults() {
    let folder = tempfile::tempdir().unwrap();
    for unit in fs::read_dir(here("contrib/systemd")).unwrap() {
        let unit = unit.unwrap().path();
        let name = unit.file_name().unwrap().to_str().unwrap().to_owned();
        if name.ends_with(".service") || name.ends_with(".socket") {
            // The program is not installed here.
            let text = fs::read_to_string(&unit).unwrap();
            let text = text.replace("/usr/sbin/recruit-milter ", "/bin/true ");
            fs::write(folder.path().join(name), text).unwrap();
        }
    }
    let units = fs::read_dir(folder.path()).unwrap().map(|unit| unit.unwrap().path());
    let output = Command::new("systemd-analyze")
        .args(["verify", "--man=no", "--recursive-errors=no"])
        .args(units)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let ours: Vec<&str> = said.lines().filter(|line| line.contains("recruit-milter")).collect();
    assert!(output.status.success() && ours.is_empty(), "{said}");
}

#[test]
fn the_apparmor_profiles_can_be_read() {
    let output = Command::new("/usr/sbin/apparmor_parser")
        .args(["--skip-kernel-load", "--skip-cache"])
        .arg(here("contrib/apparmor/recruit-milter"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_check_ends_at_what_fails_first_and_sums_up_what_there_was() {
    let folder = tempfile::tempdir().unwrap();
    let make = folder.path().join("make");
    let ran = folder.path().join("ran");
    // Like make(1) it is told an option and a target.
    let script = "#!/bin/sh\necho \"$2\" >> \"${0%/*}/ran\"\n[ \"$2\" != \"$FAILS\" ] || exit 2\n";
    fs::write(&make, script).unwrap();
    fs::set_permissions(&make, fs::Permissions::from_mode(0o755)).unwrap();
    let check = |fails: &str| {
        let mut command = Command::new(here("contrib/dev/check.sh"));
        let output = command.arg(&make).env("FAILS", fails).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        // How many seconds it took is another thing each time.
        let line = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        let digits = |line: String| line.replace(|c: char| c.is_ascii_digit(), "N");
        let lines: Vec<String> = text.lines().map(line).map(digits).collect();
        let ran = fs::read_to_string(&ran).unwrap().split_whitespace().count();
        fs::remove_file(folder.path().join("ran")).unwrap();
        (output.status.code(), ran, lines.join("\n"))
    };
    let ok = ["deps", "lint", "docs", "drift", "test"].map(|part| format!("check: {part} N s ok"));
    assert_eq!(check("nothing"), (Some(0), 5, format!("\n{}", ok.join("\n"))));
    let rest = "check: docs N s FAILED (N)\ncheck: drift not run\ncheck: test not run";
    assert_eq!(check("docs"), (Some(2), 3, format!("\n{}\n{rest}", ok[..2].join("\n"))));
}

#[test]
fn a_check_without_room_on_the_disk_does_not_begin() {
    let mut command = Command::new(here("contrib/dev/check.sh"));
    let target = tempfile::tempdir().unwrap();
    command.env("CARGO_TARGET_DIR", target.path());
    let output = command.arg("false").env("NEEDS_GB", "999999").output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.starts_with(&format!("check: {} has ", target.path().display())), "{said}");
    assert!(said.contains(" 999999 are needed"), "{said}");
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
}
