//! A Debian in a folder, booted with systemd, with a network of its own that has nothing but loopback.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use std::{env, fs};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// How long a machine may take to boot.
const BOOT: Duration = Duration::from_secs(60);
/// What has to be in it before it loses its network.
const PACKAGES: &str =
    "ca-certificates,dbus,debconf,dnsmasq-base,hostname,libsqlite3-0,passwd,systemd,systemd-sysv";

pub(crate) fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// What the tests make stands where cargo builds: in `CARGO_TARGET_DIR`, or else in target/.
pub(crate) fn target(path: &str) -> PathBuf {
    here("").join(env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into())).join(path)
}

/// Runs a command that has to succeed; what it printed.
pub(crate) fn succeed(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{text}\n{said}", output.status);
    text
}

/// The Debian to boot: this machine's own release, or the one that `RECRUIT_MILTER_RELEASE` names.
fn release() -> String {
    if let Ok(release) = env::var("RECRUIT_MILTER_RELEASE") {
        return release;
    }
    let system = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = system.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    name.expect("Debian tells its release in /etc/os-release").to_owned()
}

/// A Debian as an archive. Made once.
fn base() -> &'static Path {
    static BASE: OnceLock<PathBuf> = OnceLock::new();
    BASE.get_or_init(|| {
        let release = release();
        let path = target(&format!("package-base-{release}.tar"));
        if !path.exists() {
            let new = path.with_extension("new.tar");
            succeed(
                Command::new("mmdebstrap")
                    .args(["--quiet", "--variant=apt", "--skip=cleanup/apt", "--skip=cleanup/tmp"])
                    .arg(format!("--include={PACKAGES}"))
                    .arg("--customize-hook=chroot \"$1\" apt-get install -y -qq --download-only --no-install-recommends autopkgtest dpkg-dev postfix rpm")
                    .args([release.as_str(), new.to_str().unwrap()]),
            );
            fs::rename(new, &path).unwrap();
        }
        path
    })
}

/// A machine that runs until it is dropped.
pub(crate) struct Machine {
    folder: TempDir,
    nspawn: Child,
    leader: u32,
}

impl Machine {
    /// Boots a Debian that has just been installed.
    pub(crate) fn boot() -> Self {
        let folder = tempfile::Builder::new().prefix("machine").tempdir_in(target("")).unwrap();
        let tar = ["--extract", "--numeric-owner", "--file"];
        succeed(Command::new("tar").args(tar).arg(base()).arg("--directory").arg(folder.path()));
        fs::write(folder.path().join("etc/machine-id"), "").unwrap();
        let nspawn = Command::new("systemd-nspawn")
            .args(["--quiet", "--register=no", "--keep-unit", "--boot", "--private-network"])
            .args(["--console=passive", "--resolv-conf=off", "--timezone=off"])
            // A link would need this machine's ID, which one that never booted has not.
            .args(["--link-journal=no", "--directory"])
            .arg(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        let mut machine = Self { folder, nspawn, leader: 0 };
        machine.leader = wait("systemd to start", || {
            if let Some(status) = machine.nspawn.try_wait().unwrap() {
                let said = machine.nspawn.stderr.take().map(std::io::read_to_string);
                panic!("systemd-nspawn: {status}: {said:?}");
            }
            child_of(machine.nspawn.id())
        });
        wait("the boot to end", || {
            let state = machine.run("systemctl is-system-running");
            let state = String::from_utf8_lossy(&state.stdout).trim().to_owned();
            ["running", "degraded"].contains(&state.as_str()).then_some(())
        });
        machine
    }

    /// Its first process, as this machine numbers it.
    pub(crate) fn leader(&self) -> u32 {
        self.leader
    }

    /// A file in it.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path.trim_start_matches('/'))
    }

    /// Puts a file into it.
    pub(crate) fn put(&self, from: &Path, to: &str) {
        fs::copy(from, self.path(to)).unwrap();
    }

    /// A command in it, as root at a shell.
    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.leader.to_string(), "--all", "--root", "env", "-i"]);
        command.args(["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8"]);
        command.args([
            "DEBIAN_FRONTEND=noninteractive",
            "sh",
            "-c",
            &format!("cd /root && {line}"),
        ]);
        command.stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, line: &str) -> Output {
        self.command(line).output().unwrap()
    }

    /// Runs a command that has to succeed.
    pub(crate) fn succeed(&self, line: &str) -> String {
        succeed(&mut self.command(line))
    }

    /// A program of this machine that has the other's network.
    pub(crate) fn client(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.leader.to_string(), "--net", program]);
        command
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if self.leader != 0 {
            // With its first process all others end.
            let leader = i32::try_from(self.leader).ok().and_then(Pid::from_raw);
            let _ = leader.map(|leader| kill_process(leader, Signal::KILL));
        }
        let until = Instant::now() + Duration::from_secs(10);
        while Instant::now() < until && matches!(self.nspawn.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(50));
        }
        let _ = self.nspawn.kill();
        let _ = self.nspawn.wait();
    }
}

fn child_of(pid: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    let child = children.split_whitespace().next()?.parse().ok()?;
    let name = fs::read_to_string(format!("/proc/{child}/comm")).ok()?;
    (name.trim() == "systemd").then_some(child)
}

/// Waits until there is an answer.
pub(crate) fn wait<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + BOOT;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < until, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}
