//! The profiles for `AppArmor`, held against what the services open: where no kernel enforces them, this tells what
//! would be denied.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::machine::{Machine, here, succeed, target, wait};
use super::{SETUP, send, site};

/// What a profile lets somebody do with paths of a form.
struct Rule {
    glob: String,
    write: bool,
    deny: bool,
}

/// The rules for files of a profile of ours, with those that it includes.
fn profile(name: &str) -> Vec<Rule> {
    let text = fs::read_to_string(here("contrib/apparmor/recruit-milter")).unwrap();
    let (_, body) = text.split_once(&format!("profile {name} ")).unwrap();
    let (body, _) = body.split_once("\n}").unwrap();
    let mut rules = Vec::new();
    read(body, &mut rules);
    rules
}

fn read(text: &str, rules: &mut Vec<Rule>) {
    for line in text.lines().map(str::trim) {
        if let Some(file) = line.strip_prefix("include <").and_then(|rest| rest.strip_suffix('>')) {
            let path = Path::new("/etc/apparmor.d").join(file);
            if path.is_file() {
                read(&fs::read_to_string(path).unwrap(), rules);
            }
            continue;
        }
        let mut words: Vec<&str> = line.trim_end_matches(',').split_whitespace().collect();
        let deny = words.first() == Some(&"deny");
        words.retain(|word| !["owner", "deny", "audit"].contains(word));
        if let [glob, modes] = words[..]
            && (glob.starts_with('/') || glob.starts_with("@{"))
        {
            let glob = glob
                .replace("@{PROC}", "/proc")
                .replace("@{pid}", "[0-9]*")
                .replace("@{run}", "/{,var/}run")
                .replace("@{multiarch}", "*-linux-gnu*")
                .replace("@{etc_ro}", "/{,usr/}etc")
                .replace("@{sys}", "/sys");
            let write = modes.contains('w') || modes.contains('a');
            rules.extend(braces(&glob).into_iter().map(|glob| Rule { glob, write, deny }));
        }
    }
}

/// `a{b,c}d` is `abd` and `acd`.
fn braces(glob: &str) -> Vec<String> {
    let Some(close) = glob.find('}') else { return vec![glob.to_owned()] };
    let Some(open) = glob[..close].rfind('{') else { return vec![glob.to_owned()] };
    let parts = glob[open + 1..close].split(',');
    parts
        .flat_map(|part| braces(&format!("{}{part}{}", &glob[..open], &glob[close + 1..])))
        .collect()
}

/// Whether a path has this form: `*` is within a folder, `**` goes on below it, `[0-9]` is a digit.
fn fits(glob: &[u8], path: &[u8]) -> bool {
    match (glob, path) {
        ([], []) => true,
        ([b'*', b'*', rest @ ..], _) => (0..=path.len()).any(|n| fits(rest, &path[n..])),
        ([b'*', rest @ ..], _) => {
            let within = path.iter().position(|byte| *byte == b'/').unwrap_or(path.len());
            (0..=within).any(|n| fits(rest, &path[n..]))
        }
        ([b'[', rest @ ..], [byte, others @ ..]) => {
            let Some(end) = rest.iter().position(|b| *b == b']') else { return false };
            let set = &rest[..end];
            let is_in = set == b"0-9" && byte.is_ascii_digit() || set.contains(byte);
            is_in && fits(&rest[end + 1..], others)
        }
        ([one, rest @ ..], [byte, others @ ..]) if one == byte || *one == b'?' => {
            fits(rest, others)
        }
        _ => false,
    }
}

fn allows(rules: &[Rule], path: &str, write: bool) -> bool {
    let matching = |rule: &&Rule| fits(rule.glob.as_bytes(), path.as_bytes());
    let denied = rules.iter().filter(|rule| rule.deny).any(|rule| matching(&rule));
    !denied
        && rules
            .iter()
            .filter(|rule| !rule.deny && (rule.write || !write))
            .any(|rule| matching(&rule))
}

/// What each role opened: paths, and whether to write.
fn opened(trace: &str) -> BTreeMap<&'static str, BTreeSet<(String, bool)>> {
    let mut roles: BTreeMap<&str, &'static str> = BTreeMap::new();
    let mut all: BTreeMap<&'static str, BTreeSet<(String, bool)>> = BTreeMap::new();
    for line in trace.lines() {
        let Some((pid, call)) = line.split_once(' ') else { continue };
        let call = call.trim_start();
        if call.starts_with("execve(\"/usr/sbin/recruit-milter\"") {
            let role = ["milter", "agent"]
                .into_iter()
                .find(|role| call.contains(&format!("\"--role\", \"{role}\"")));
            if let Some(role) = role {
                roles.insert(pid, role);
            }
            continue;
        }
        let Some(role) = roles.get(pid).copied() else { continue };
        // A thread: the services can start nothing else. Its number is that of this machine.
        if call.contains("clone") {
            if let Some((_, child)) = call.rsplit_once(" = ") {
                let here = child.split_once("/* ").map(|(_, rest)| rest);
                roles.insert(here.unwrap_or(child).split(' ').next().unwrap_or_default(), role);
            }
            continue;
        }
        let failed = call.contains(" = -1 ");
        let path = call.split('"').nth(1).unwrap_or_default();
        if failed || !path.starts_with('/') || call.contains("stat") || call.starts_with("access") {
            continue;
        }
        let write = ["O_WRONLY", "O_RDWR", "connect(", "unlink", "rename", "mkdir", "chmod"];
        let write = write.iter().any(|word| call.contains(word));
        let path = path.replace("/proc/self/", &format!("/proc/{pid}/"));
        all.entry(role).or_default().insert((path, write));
    }
    all
}

/// The trace of all that runs in a machine, from its first process on.
fn traced(machine: &Machine, work: impl FnOnce()) -> String {
    let file = target("package-test-trace");
    let _ = fs::remove_file(&file);
    let mut strace = Command::new("strace")
        .args([
            "-f",
            "--decode-pids=pidns",
            "-qq",
            "-s",
            "300",
            "-e",
            "trace=%file,connect,clone,clone3,execve",
            "-p",
        ])
        .arg(machine.leader().to_string())
        .arg("-o")
        .arg(&file)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait("strace", || file.exists().then_some(()));
    work();
    kill_process(Pid::from_child(&strace), Signal::TERM).unwrap();
    strace.wait().unwrap();
    fs::read_to_string(file).unwrap()
}

#[test]
fn the_services_open_nothing_that_their_profiles_deny() {
    let machine = site();
    machine.succeed("apt-get install -y -qq ./recruit-milter.deb");
    machine.succeed(SETUP);
    let trace = traced(&machine, || {
        machine.succeed("systemctl restart recruit-milter recruit-milter-agent");
        assert!(succeed(&mut send(&machine, "1", "0")).starts_with("250 "));
        wait("the delivery to be known", || {
            machine.succeed("recruit-milter list").contains("delivered").then_some(())
        });
        machine.succeed("systemctl reload recruit-milter recruit-milter-agent");
        machine.succeed("systemctl stop recruit-milter recruit-milter-agent");
    });
    let opened = opened(&trace);
    for (role, least) in [("milter", 10), ("agent", 15)] {
        let rules = profile(&format!("recruit-milter-{role}"));
        let of_role = &opened[role];
        assert!(of_role.len() >= least, "{role}: {of_role:?}");
        let state = |(path, write): &&(String, bool)| {
            *write && path.starts_with("/var/lib/recruit-milter/")
        };
        assert!(of_role.iter().any(|one| state(&one)), "{of_role:?}");
        // To AppArmor a folder's name ends with a stroke.
        let name = |path: &str| {
            let is_folder = machine.path(path).is_dir() && !path.ends_with('/');
            format!("{path}{}", if is_folder { "/" } else { "" })
        };
        let denied: Vec<_> =
            of_role.iter().filter(|(path, write)| !allows(&rules, &name(path), *write)).collect();
        assert!(denied.is_empty(), "{role} would be denied {denied:?}");
    }
    // And the profiles do deny.
    let milter = profile("recruit-milter-milter");
    for path in ["/etc/shadow", "/root/.ssh/id", "/var/spool/postfix/maildrop/x", "/bin/sh"] {
        assert!(!allows(&milter, path, true), "{path}");
    }
    assert!(!allows(&milter, "/etc/shadow", false));
}

/// The agent asks from the addresses of this machine only now and then: not while it is traced.
#[test]
fn the_agent_may_read_the_addresses_of_this_machine() {
    let agent = profile("recruit-milter-agent");
    for name in ["fib_trie", "if_inet6"] {
        assert!(allows(&agent, &format!("/proc/12/net/{name}"), false), "{name}");
    }
    assert!(!allows(&agent, "/proc/12/net/tcp", false));
}

#[test]
fn forms_of_paths_are_read_as_apparmor_reads_them() {
    let fits = |glob: &str, path: &str| {
        braces(glob).iter().any(|glob| fits(glob.as_bytes(), path.as_bytes()))
    };
    assert!(fits("/{,var/}run/x{,.*}", "/var/run/x.1") && fits("/{,var/}run/x{,.*}", "/run/x"));
    assert!(fits("/etc/r/{,**}", "/etc/r/") && fits("/etc/r/{,**}", "/etc/r/a/b"));
    assert!(!fits("/etc/*", "/etc/a/b") && fits("/proc/[0-9]*/cgroup", "/proc/12/cgroup"));
    assert!(!fits("/proc/[0-9]*/cgroup", "/proc/self/cgroup"));
}
