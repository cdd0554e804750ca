//! A private Postfix instance in a temporary folder.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use recruit_milter::config::Config;
use recruit_milter::postfix::{Instance, Site, Wanted};
use tempfile::TempDir;

use crate::port::Port;

/// An instance. It is stopped when dropped.
pub(crate) struct Private {
    folder: TempDir,
    pub(crate) instance: Instance,
    pub(crate) config: Config,
    pub(crate) port: SocketAddr,
}

/// What the files look like that an admin has written over the years.
const LIVED_IN: &str = "# Our mail server. Ask Petra.\n\
    smtpd_banner = $myhostname ESMTP\n\
    smtpd_milters =\n\
    \x20   # the spam filter\n\
    \x20   inet:127.0.0.1:1,\n\
    \n\
    \x20   { inet:127.0.0.1:8891, default_action=accept }\n\
    non_smtpd_milters=$smtpd_milters\n\
    transport_maps   =   inline:{ { old.example = discard: } }\n\
    # end";

impl Private {
    /// A Postfix whose main.cf an admin has lived with.
    pub(crate) fn new() -> Self {
        Self::with(LIVED_IN)
    }

    /// A Postfix with these lines in main.cf.
    pub(crate) fn with(lines: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("private-postfix-").tempdir().unwrap();
        // Postfix's own user must be able to pass.
        let root = folder.path().to_owned();
        let [etc, queue, data] = ["etc", "queue", "data"].map(|name| root.join(name));
        for dir in [&root, &etc, &queue, &data] {
            fs::create_dir_all(dir).unwrap();
            set_mode(dir, 0o755);
        }
        run(Command::new("chown").arg("postfix").arg(&data));
        let port = free_port();
        fs::write(
            etc.join("main.cf"),
            format!(
                "compatibility_level = 3.6\nqueue_directory = {}\ndata_directory = {}\n\
                 maillog_file = {}\nmaillog_file_prefixes = {}\n\
                 myhostname = mx.acme.example\nmydestination = acme.example\n\
                 inet_interfaces = 127.0.0.1\ninet_protocols = ipv4\nalias_maps =\n\
                 recipient_delimiter = +\nsmtp_tls_security_level = none\n{lines}\n",
                queue.display(),
                data.display(),
                root.join("log").display(),
                root.display(),
            ),
        )
        .unwrap();
        let services = include_str!("master.cf").replace("PORT", &port.to_string());
        fs::write(etc.join("master.cf"), services).unwrap();
        let mut config = super::config(&queue.display().to_string());
        config.handoff.smtpd = free_port();
        config.handoff.return_smtpd = free_port();
        Self { instance: Instance::at(etc), folder, config, port }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("etc").join(name)
    }

    /// main.cf and master.cf, byte for byte.
    pub(crate) fn files(&self) -> [String; 2] {
        ["main.cf", "master.cf"].map(|name| fs::read_to_string(self.path(name)).unwrap())
    }

    /// Owner, group and mode of main.cf and master.cf.
    pub(crate) fn modes(&self) -> [(u32, u32, u32); 2] {
        use std::os::unix::fs::MetadataExt as _;
        ["main.cf", "master.cf"].map(|name| {
            let file = fs::metadata(self.path(name)).unwrap();
            (file.uid(), file.gid(), file.mode())
        })
    }

    /// The names in the configuration directory.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path("")).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    pub(crate) fn site(&self) -> Site {
        Site::read(&self.instance).unwrap()
    }

    pub(crate) fn wanted(&self) -> Wanted {
        Wanted::from(&self.config, &self.site()).unwrap()
    }

    pub(crate) fn postconf(&self, arguments: &[&str]) -> String {
        self.instance.run("postconf", arguments).unwrap()
    }

    /// Lets the files look as if nobody had touched them for long.
    // Postfix: its programs wait with a file that changed a moment ago.
    pub(crate) fn age(&self) {
        let then = SystemTime::now() - Duration::from_secs(60);
        for name in ["main.cf", "master.cf"] {
            let file = fs::File::options().append(true).open(self.path(name)).unwrap();
            file.set_modified(then).unwrap();
        }
    }

    pub(crate) fn start(&self) {
        self.instance.run("postfix", &["start"]).unwrap();
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Says lines to a port, and returns the first line of each answer and all of EHLO's.
    pub(crate) fn talk(address: SocketAddr, lines: &[&str]) -> Vec<String> {
        let stream = connect(address);
        let mut reader = BufReader::new(&stream);
        let mut answer = || -> Vec<String> {
            let mut answer = Vec::new();
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                answer.push(line.trim_end().to_owned());
                if line.as_bytes().get(3) != Some(&b'-') {
                    return answer;
                }
            }
        };
        answer();
        let mut said = Vec::new();
        for line in lines {
            (&stream).write_all(format!("{line}\r\n").as_bytes()).unwrap();
            said.extend(answer());
        }
        said
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        if self.instance.run("postfix", &["status"]).is_ok() {
            self.instance.run("postfix", &["stop"]).unwrap();
        }
    }
}

/// How long anything may take that is expected to happen soon.
const LIMIT: Duration = Duration::from_secs(60);

fn connect(address: SocketAddr) -> TcpStream {
    let end = Instant::now() + LIMIT;
    loop {
        match TcpStream::connect(address) {
            Ok(stream) => {
                stream.set_read_timeout(Some(LIMIT)).unwrap();
                return stream;
            }
            Err(error) => assert!(Instant::now() < end, "{address}: {error}"),
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A port that stays ours until the tests end.
fn free_port() -> SocketAddr {
    let port: &Port = Box::leak(Box::new(Port::reserve()));
    SocketAddr::from(([127, 0, 0, 1], port.number()))
}

fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn run(command: &mut Command) {
    assert!(command.status().unwrap().success(), "{command:?}");
}
