//! The package in a Debian that was just installed and booted: from installation to verified, upgrades with mail
//! under way, removal. And the guide, followed to the word.
//!
//! Needs root, systemd-nspawn and mmdebstrap. `RECRUIT_MILTER_DEB` names a package to test; without it one is
//! built, not optimised. `RECRUIT_MILTER_RELEASE=trixie` boots another Debian than this machine's.
// SPDX-License-Identifier: GPL-3.0-or-later
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests may fail them"
)]

mod apparmor;
mod machine;
mod restarts;
mod transcript;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Instant;

use machine::{Machine, here, succeed, target, wait};

/// The package.
fn package() -> &'static PathBuf {
    static PACKAGE: OnceLock<PathBuf> = OnceLock::new();
    PACKAGE.get_or_init(|| {
        if let Some(named) = std::env::var_os("RECRUIT_MILTER_DEB") {
            return PathBuf::from(named);
        }
        let out = target("package-test");
        let _ = fs::remove_dir_all(&out);
        succeed(
            Command::new(here("contrib/debian/build.sh"))
                .arg(&out)
                .env("DEB_BUILD_OPTIONS", "noopt noautodbgsym")
                .env("CARGO_TARGET_DIR", target("")),
        );
        let built = fs::read_dir(&out).unwrap().map(|file| file.unwrap().path());
        let mut built = built.filter(|path| path.extension().is_some_and(|e| e == "deb"));
        built.next().expect("a package")
    })
}

/// The same package with another version.
fn with_version(version: &str) -> PathBuf {
    let folder = target("package-test/versions").join(version);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(folder.parent().unwrap()).unwrap();
    succeed(Command::new("dpkg-deb").arg("-R").arg(package()).arg(&folder));
    let control = folder.join("DEBIAN/control");
    let text = fs::read_to_string(&control).unwrap();
    let old = text.lines().find(|line| line.starts_with("Version: ")).unwrap();
    fs::write(&control, text.replace(old, &format!("Version: {version}"))).unwrap();
    let deb = folder.with_extension("deb");
    succeed(Command::new("dpkg-deb").args(["-Znone", "-b"]).arg(&folder).arg(&deb));
    deb
}

/// A company's mail server, with a recruiting system beside it, and the package in root's folder.
fn site() -> Machine {
    let machine = Machine::boot();
    machine.put(&here("tests/package/site.sh"), "/root/site.sh");
    machine.succeed("sh site.sh");
    machine.put(package(), "/root/recruit-milter.deb");
    machine
}

fn send(machine: &Machine, many: &str, pause: &str) -> Command {
    let mut command = machine.client("python3");
    command.arg(here("tests/package/send.py")).args([many, pause]);
    command
}

/// What is in a mailbox.
fn mails(machine: &Machine, folder: &str) -> Vec<String> {
    let read = |path: PathBuf| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
    let files = fs::read_dir(machine.path(folder)).map(|files| {
        let mut paths: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
        paths.sort();
        paths.into_iter().map(read).collect()
    });
    files.unwrap_or_default()
}

const MAILBOX: &str = "/home/jobs/Maildir/new";
const SYSTEM: &str = "/var/mail/ats/inbox/new";
/// As a careful root runs it.
const SETUP: &str = "umask 077; recruit-milter setup --address jobs@acme.example \
                     --inbound acme-jobs@m-personio.de --yes";

/// What a package could leave behind: files and their contents where somebody else's lines could stand.
fn traces(machine: &Machine) -> BTreeMap<String, String> {
    let files = machine.succeed(
        "find / -xdev \\( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp -o -path /root \
         -o -path /var/cache -o -path /var/log -o -path /var/lib/apt -o -path /var/lib/dpkg -o -path /var/lib/systemd \
         -o -path /var/mail -o -path /home -o -path '/var/lib/postfix*' -o -path '/var/spool/postfix*/[a-z]*/*' \
         -o -path '/var/spool/postfix*/pid' \\) -prune -o -print",
    );
    let mut all: BTreeMap<String, String> =
        files.lines().map(|file| (file.to_owned(), String::new())).collect();
    for file in ["/etc/postfix/main.cf", "/etc/postfix/master.cf", "/etc/passwd", "/etc/group"] {
        all.insert(file.into(), machine.succeed(&format!("cat {file}")));
    }
    all
}

#[test]
fn a_package_goes_from_installed_to_verified_is_upgraded_with_mail_under_way_and_leaves_nothing() {
    let machine = site();
    let before = traces(&machine);

    let started = Instant::now();
    machine.succeed("apt-get install -y -qq ./recruit-milter.deb");
    let installed = started.elapsed();
    machine.succeed("systemctl is-active recruit-milter recruit-milter-agent");
    machine.succeed("systemctl reload recruit-milter recruit-milter-agent");
    // As shipped it does nothing.
    succeed(&mut send(&machine, "1", "0"));
    let answer = machine.succeed(SETUP);
    assert!(answer.contains("\nverified: jobs@acme.example"), "{answer}");
    eprintln!("installed in {installed:?}, verified after {:?}", started.elapsed());
    services_cannot_do_what_they_need_not(&machine);

    // A mail comes as it was sent.
    assert!(succeed(&mut send(&machine, "1", "0")).starts_with("250 "));
    let copy = wait("the copy", || mails(&machine, SYSTEM).pop());
    for field in [
        "X-Recruiting-Applicant:",
        "X-Recruiting-Address: jobs@acme.example",
        "X-Recruiting-Kind: application",
    ] {
        assert!(copy.contains(field), "{field}: {copy}");
    }
    assert!(
        copy.ends_with("\n\nSehr geehrte Damen und Herren,\nanbei meine Bewerbung.  Grüße\n"),
        "{copy}"
    );

    upgrade(&machine);
    removal(&machine, "apt-get remove -y -qq recruit-milter");

    machine.succeed("apt-get purge -y -qq recruit-milter");
    let after = traces(&machine);
    let left: Vec<_> =
        after.iter().filter(|(file, text)| before.get(*file) != Some(text)).collect();
    assert!(left.is_empty(), "left behind: {left:?}");
    let gone: Vec<_> = before.keys().filter(|file| !after.contains_key(*file)).collect();
    assert!(gone.is_empty(), "gone: {gone:?}");
}

/// The confinement of each unit, around a script that tries to get out.
fn services_cannot_do_what_they_need_not(machine: &Machine) {
    machine.put(&here("tests/package/forbidden.pl"), "/usr/share/forbidden.pl");
    let tried = |unit: &str| -> BTreeMap<String, String> {
        let output = machine.succeed(&format!(
            "systemctl cat {unit} | sed -e 's|^ExecStart=.*|ExecStart=/usr/bin/perl /usr/share/forbidden.pl|' \
             -e 's|^Type=.*|Type=oneshot|' -e '/^Restart=/d; /^WatchdogSec=/d; /^Sockets=/d' \
             -e 's|^ExecPaths=/usr/sbin/recruit-milter|ExecPaths=/usr/bin/perl|' \
             -e '/^\\[Service\\]/a StandardOutput=file:/var/log/tried' > /run/systemd/system/tried.service; \
             rm -f /var/log/tried; systemctl daemon-reload; systemctl start tried.service >/dev/null; cat /var/log/tried"
        ));
        let lines = output.lines().filter_map(|line| line.split_once(": "));
        let lines = lines.filter(|(_, how)| ["possible", "denied"].contains(how));
        lines.map(|(what, how)| (what.to_owned(), how.to_owned())).collect()
    };
    let milter = tried("recruit-milter.service");
    let agent = tried("recruit-milter-agent.service");
    let possible = |tried: &BTreeMap<String, String>| -> Vec<String> {
        tried.iter().filter(|(_, how)| *how == "possible").map(|(what, _)| what.clone()).collect()
    };
    assert_eq!(possible(&milter), ["reach the handoff socket", "write in its state folder"]);
    assert_eq!(
        possible(&agent),
        [
            "open an internet socket",
            "reach port 25",
            "reach the handoff socket",
            "write in its state folder"
        ]
    );
    assert_eq!((milter.len(), agent.len()), (20, 20));
    // Nothing of it is impossible to who is not confined.
    let free = machine.succeed("perl /usr/share/forbidden.pl");
    for line in free.lines() {
        // What not even root of a container may.
        let container = ["load a kernel module", "mount", "listen on a packet socket"];
        let known = container.iter().any(|what| line.starts_with(what));
        assert!(known || line.ends_with(": possible"), "{line}");
    }
    machine.succeed("rm -f /usr/share/forbidden.pl /run/systemd/system/tried.service /var/log/tried; systemctl daemon-reload");
}

/// Two upgrades with mail under way, the second cut off in the middle.
fn upgrade(machine: &Machine) {
    let stop = target("package-test/stop");
    let _ = fs::remove_file(&stop);
    let (mailbox, system) = (mails(machine, MAILBOX).len(), mails(machine, SYSTEM).len());
    let pid = || machine.succeed("systemctl show -P MainPID recruit-milter");
    let settings = machine
        .succeed("cat /etc/recruit-milter/conf.d/personio.toml /etc/recruit-milter/seal.key");
    let sender =
        send(machine, stop.to_str().unwrap(), "0.02").stdout(Stdio::piped()).spawn().unwrap();
    machine.put(&with_version("0.1.0-2"), "/root/2.deb");
    machine.put(&with_version("0.1.0-3"), "/root/3.deb");
    let first = pid();
    machine.succeed("apt-get install -y -qq ./2.deb");
    let second = pid();
    assert_ne!(first, second, "the new program runs");
    machine.succeed("dpkg --unpack 3.deb");
    machine.succeed("dpkg --unpack 3.deb && dpkg --configure -a && apt-get install -y -qq ./3.deb");
    assert_ne!(second, pid());
    machine.succeed("systemctl restart recruit-milter recruit-milter-agent");
    fs::write(&stop, "").unwrap();
    let output = sender.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let sent = said.lines().count();
    assert!(sent > 20, "{said}");
    let refused: Vec<&str> = said.lines().filter(|line| !line.starts_with("250 ")).collect();
    assert!(refused.is_empty(), "of {sent}: {refused:?}");
    wait("all copies", || (mails(machine, SYSTEM).len() == system + sent).then_some(()));
    wait("all mails", || (mails(machine, MAILBOX).len() == mailbox + sent).then_some(()));
    eprintln!("{sent} mails while it was upgraded");
    let after = machine
        .succeed("cat /etc/recruit-milter/conf.d/personio.toml /etc/recruit-milter/seal.key");
    assert_eq!(settings, after);
    machine.succeed("recruit-milter verify --all --force");
    wait("the ledger, which was kept", || {
        let delivered = machine.succeed("recruit-milter list --state delivered --json");
        (delivered.lines().count() == system + sent).then_some(())
    });
}

/// It is not removed while copies wait, and takes itself out of Postfix when it is.
fn removal(machine: &Machine, remove: &str) {
    machine.succeed("postconf -e defer_transports=recruit-handoff && postfix reload");
    let many = mails(machine, SYSTEM).len();
    assert!(succeed(&mut send(machine, "1", "0")).starts_with("250 "));
    let refused = machine.run(&format!("{remove} 2>&1"));
    assert!(!refused.status.success());
    let said = String::from_utf8_lossy(&refused.stdout).into_owned();
    assert!(said.contains("copies wait in Postfix's queue"), "{said}");
    machine.succeed("systemctl is-active recruit-milter recruit-milter-agent");
    machine.succeed("postconf -X defer_transports && postfix reload && sleep 1 && postqueue -f");
    wait("the copy that waited", || (mails(machine, SYSTEM).len() > many).then_some(()));
    wait("the queue to be empty", || {
        machine.succeed("postqueue -j").trim().is_empty().then_some(())
    });
    // What it was put into besides.
    let other = "/etc/postfix-ats/main.cf";
    let main_cf = machine.succeed(&format!("cat {other}"));
    machine.succeed(
        "printf '[milter]\\nfront = \"inet:9900@127.0.0.1\"\\nhandoff = \"inet:9901@127.0.0.1\"\\n\
         [handoff]\\nsmtpd = \"127.0.0.1:9902\"\\n' > other.toml; \
         cat /etc/recruit-milter/conf.d/personio.toml >> other.toml; cp /etc/recruit-milter/seal.key .; \
         recruit-milter postfix --apply --config other.toml --config-dir /etc/postfix-ats",
    );
    assert_ne!(main_cf, machine.succeed(&format!("cat {other}")));
    machine.succeed(remove);
    assert_eq!(main_cf, machine.succeed(&format!("cat {other}")));
    let mailbox = mails(machine, MAILBOX).len();
    assert!(succeed(&mut send(machine, "1", "0")).starts_with("250 "), "Postfix works without it");
    wait("a mail without it", || (mails(machine, MAILBOX).len() > mailbox).then_some(()));
    machine.succeed("test -e /etc/recruit-milter/conf.d/personio.toml");
}

#[test]
fn lintian_finds_nothing() {
    let output = Command::new("lintian")
        .args(["--allow-root", "--fail-on=error,warning", "--info"])
        .arg(package())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
}

/// Where `cargo deb` puts things, by Cargo.toml.
fn assets() -> BTreeSet<String> {
    let manifest: toml::Table = fs::read_to_string(here("Cargo.toml")).unwrap().parse().unwrap();
    let assets = manifest["package"]["metadata"]["deb"]["assets"].as_array().unwrap();
    let mut all = BTreeSet::new();
    for asset in assets {
        let (from, to) = (asset[0].as_str().unwrap(), asset[1].as_str().unwrap());
        let (folder, pattern) = from.rsplit_once('/').unwrap_or((".", from));
        let names = match pattern.split_once('*') {
            None => vec![pattern.to_owned()],
            Some((begin, end)) => fs::read_dir(here(folder))
                .unwrap()
                .map(|file| file.unwrap().file_name().into_string().unwrap())
                .filter(|name| name.starts_with(begin) && name.ends_with(end))
                .collect(),
        };
        all.extend(
            names
                .into_iter()
                .map(|name| if to.ends_with('/') { format!("{to}{name}") } else { to.into() }),
        );
    }
    all
}

#[test]
fn cargo_deb_packs_the_same_files() {
    let list = succeed(Command::new("dpkg-deb").arg("--contents").arg(package()));
    let files = list.lines().filter_map(|line| line.rsplit_once(" ./")).map(|(_, file)| file);
    // It compresses what Debian wants compressed, and writes these two by itself.
    let files = files
        .filter(|file| !file.is_empty() && !file.ends_with('/'))
        .map(|file| file.trim_end_matches(".gz"));
    let written =
        ["usr/share/doc/recruit-milter/changelog.Debian", "usr/share/doc/recruit-milter/copyright"];
    let files = files.filter(|file| !written.contains(file));
    // Debian 12 has a folder of its own for units.
    let files: BTreeSet<String> = files
        .map(|file| file.replace("lib/systemd", "usr/lib/systemd").replace("usr/usr", "usr"))
        .collect();
    assert_eq!(assets(), files);
}

#[test]
fn debians_own_test_of_the_package_passes() {
    let machine = Machine::boot();
    machine.succeed("apt-get install -y -qq --no-install-recommends autopkgtest");
    machine.put(package(), "/root/recruit-milter.deb");
    let tests = machine.path("/root/source/debian/tests");
    fs::create_dir_all(&tests).unwrap();
    for file in ["control", "through-postfix"] {
        fs::copy(here("contrib/debian/tests").join(file), tests.join(file)).unwrap();
    }
    for file in ["control", "changelog"] {
        fs::copy(here("contrib/debian").join(file), machine.path("/root/source/debian").join(file))
            .unwrap();
    }
    let said = machine.succeed(
        "autopkgtest --ignore-restrictions=isolation-container --no-built-binaries \
         ./recruit-milter.deb ./source// -- null 2>&1",
    );
    assert!(said.contains("through-postfix      PASS"), "{said}");
}

#[test]
fn an_rpm_is_built_installed_set_up_and_removed() {
    let out = target("package-test-rpm");
    let _ = fs::remove_dir_all(&out);
    succeed(
        Command::new(here("contrib/rpm/build.sh"))
            .arg(&out)
            .env("PROFILE", "dev")
            .env("CARGO_TARGET_DIR", out.join("target")),
    );
    let built = fs::read_dir(&out).unwrap().map(|file| file.unwrap().path());
    let rpm = built.filter(|path| path.extension().is_some_and(|e| e == "rpm")).last().unwrap();
    let checked = Command::new("rpmlint")
        .arg("--config")
        .arg(here("contrib/rpm/rpmlint.toml"))
        .args([&rpm, &here("contrib/rpm/recruit-milter.spec")])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(said.contains("0 errors, 0 warnings"), "{said}");

    let machine = site();
    machine.succeed("apt-get install -y -qq --no-install-recommends rpm");
    let before = traces(&machine);
    machine.put(&rpm, "/root/recruit-milter.rpm");
    // Postfix is there, but not by RPM. Only Debian 12's rpm wants to be forced.
    let forced = "$(rpm --help | grep -o -m 1 -e --force-debian)";
    machine.succeed(&format!("rpm --install --nodeps {forced} recruit-milter.rpm"));
    let answer = machine.succeed(SETUP);
    assert!(answer.contains("\nverified: jobs@acme.example"), "{answer}");
    removal(&machine, "rpm --erase recruit-milter");
    let after = traces(&machine);
    for file in ["/etc/postfix/main.cf", "/etc/postfix/master.cf"] {
        assert_eq!(before[file], after[file]);
    }
    assert!(!after.contains_key("/usr/sbin/recruit-milter"));
}

#[test]
fn the_guide_is_right_to_the_word() {
    let machine = site();
    machine.put(&here("tests/package/application.eml"), "/root/application.eml");
    fs::write(machine.path("/root/password"), "secret\n").unwrap();
    machine.succeed("chmod 600 password");
    let page = fs::read_to_string(here("contrib/man/recruit-milter-postfix.7")).unwrap();
    let steps = transcript::steps(&page);
    assert!(steps.len() > 15, "{}", steps.len());
    let mut wrong = Vec::new();
    for step in steps {
        if step.command == "recruit-milter list" {
            // "Now let somebody write."
            assert!(succeed(&mut send(&machine, "1", "0")).starts_with("250 "));
            wait("the delivery to be known", || {
                let list = machine.succeed("recruit-milter list");
                list.contains("delivered").then_some(())
            });
        }
        let output = machine.run(&format!("{} 2>&1", step.command));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let found: Vec<&str> = text.lines().collect();
        if !transcript::fits(&step.expected, &found) {
            let expected = step.expected.join("\n");
            let command = step.command;
            wrong.push(format!("# {command}\n--- expected\n{expected}\n--- found\n{text}\n"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
