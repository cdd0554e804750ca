//! A private Postfix: own configuration, queue, data and ports, started as a child and stopped by
//! its own process id.
//!
//! Must not know recruit-milter: `site.rs` does.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fmt::Write as _;
use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use rustix::process::Signal;

use super::maildir::{self, Delivered};
use super::process::{self, Guarded, Process};
use super::queue::{self, Queued};
use super::{LIMIT, Port, Scratch, wait_until};

/// What every instance has: no DNS, no TLS, loopback only, retries within seconds, no limits that
/// a fast client on the same address would run into.
const MAIN_CF: &[(&str, &str)] = &[
    ("compatibility_level", "3.6"),
    ("maillog_file_prefixes", "/"),
    ("mail_owner", "postfix"),
    ("setgid_group", "postdrop"),
    ("inet_interfaces", "127.0.0.1"),
    ("inet_protocols", "ipv4"),
    ("mynetworks", "127.0.0.1/32"),
    // As for mail from outside: otherwise fields are completed because loopback counts as ours.
    ("local_header_rewrite_clients", ""),
    ("mydestination", ""),
    ("alias_maps", ""),
    ("alias_database", ""),
    ("local_recipient_maps", ""),
    ("virtual_uid_maps", "static:65534"),
    ("virtual_gid_maps", "static:65534"),
    ("virtual_mailbox_limit", "0"),
    ("mailbox_size_limit", "0"),
    ("message_size_limit", "104857600"),
    ("queue_minfree", "0"),
    ("recipient_delimiter", "+"),
    ("smtpd_relay_restrictions", "permit_mynetworks, reject_unauth_destination"),
    ("smtpd_authorized_xclient_hosts", "127.0.0.1"),
    ("smtpd_peername_lookup", "no"),
    ("smtp_dns_support_level", "disabled"),
    ("smtpd_tls_security_level", "none"),
    ("smtp_tls_security_level", "none"),
    ("default_transport", "error:no route out of this test"),
    ("enable_long_queue_ids", "yes"),
    ("queue_run_delay", "1s"),
    ("minimal_backoff_time", "1s"),
    ("maximal_backoff_time", "2s"),
    ("transport_retry_time", "1s"),
    ("in_flow_delay", "0"),
    ("smtp_connect_timeout", "5s"),
    ("smtpd_error_sleep_time", "0"),
    ("smtpd_hard_error_limit", "1000"),
    ("smtpd_junk_command_limit", "1000"),
    ("smtpd_client_connection_count_limit", "0"),
    ("smtpd_client_connection_rate_limit", "0"),
    ("notify_classes", ""),
];

/// Debian's services, none of them chrooted; the first smtpd and the pickup come from the builder.
const MASTER_CF: &str = "\
pickup     unix n - n 60 1 pickup
cleanup    unix n - n - 0 cleanup
qmgr       unix n - n 300 1 qmgr
rewrite    unix - - n - - trivial-rewrite
bounce     unix - - n - 0 bounce
defer      unix - - n - 0 bounce
trace      unix - - n - 0 bounce
verify     unix - - n - 1 verify
flush      unix n - n 1000? 0 flush
proxymap   unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp       unix - - n - - smtp
relay      unix - - n - - smtp
showq      unix n - n - - showq
error      unix - - n - - error
retry      unix - - n - - error
discard    unix - - n - - discard
local      unix - n n - - local
virtual    unix - n n - - virtual
lmtp       unix - - n - - lmtp
anvil      unix - - n - 1 anvil
scache     unix - - n - 1 scache
postlog    unix-dgram n - n - 1 postlogd
";

/// The configuration of an instance, as data.
#[derive(Debug)]
pub struct Builder {
    root: PathBuf,
    params: Vec<(String, String)>,
    services: String,
    smtpd_options: Vec<(String, String)>,
    mailboxes: Vec<String>,
    catch_all: bool,
    files: Vec<(String, String)>,
}

impl Builder {
    /// Sets a parameter in main.cf. The last setting of a parameter wins.
    pub fn param(mut self, name: &str, value: &str) -> Self {
        self.params.retain(|(known, _)| known != name);
        self.params.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets an option (`-o`) of the first smtpd.
    pub fn smtpd_option(mut self, name: &str, value: &str) -> Self {
        self.smtpd_options.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds lines to master.cf.
    pub fn service(mut self, lines: &str) -> Self {
        writeln!(self.services, "{}", lines.trim_end()).unwrap();
        self
    }

    /// Adds a mailbox; its domain is then one that is delivered here. `@domain` takes all that is
    /// sent to a domain.
    pub fn mailbox(mut self, address: &str) -> Self {
        self.mailboxes.push(address.to_owned());
        self
    }

    /// Delivers everything here, whatever its domain: the world outside.
    pub fn catch_all(mut self) -> Self {
        self.catch_all = true;
        self
    }

    /// Writes a file (a look-up table) into the configuration folder.
    pub fn file(mut self, name: &str, text: &str) -> Self {
        self.files.push((name.to_owned(), text.to_owned()));
        self
    }

    /// The configuration folder, for parameters that name a file in it.
    pub fn config_dir(&self) -> PathBuf {
        self.root.join("etc")
    }

    /// Writes the configuration and starts the instance.
    pub fn start(self) -> Postfix {
        let mut postfix = self.prepare();
        postfix.start();
        postfix
    }

    /// Writes the configuration only.
    pub fn prepare(self) -> Postfix {
        let postfix = Postfix { port: Port::reserve(), root: self.root.clone(), master: None };
        fs::create_dir_all(postfix.config_dir()).unwrap();
        postfix.make_directories();
        let etc = postfix.config_dir();
        let main_cf = self.main_cf(&postfix);
        fs::write(etc.join("main.cf"), main_cf).unwrap();
        let mut smtpd = format!("127.0.0.1:{} inet n - n - - smtpd\n", postfix.port());
        for (name, value) in &self.smtpd_options {
            writeln!(smtpd, "  -o {{ {name} = {value} }}").unwrap();
        }
        let master_cf = format!("{smtpd}{MASTER_CF}{}", self.services);
        fs::write(etc.join("master.cf"), master_cf).unwrap();
        let mailboxes = self.mailboxes.iter().map(|m| format!("{m} {m}/\n"));
        fs::write(etc.join("mailboxes"), mailboxes.collect::<String>()).unwrap();
        for (name, text) in &self.files {
            fs::write(etc.join(name), text).unwrap();
        }
        postfix
    }

    fn main_cf(&self, postfix: &Postfix) -> String {
        let root = self.root.display();
        let mut settings: Vec<(String, String)> =
            MAIN_CF.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        let (domains, maps) = if self.catch_all {
            ("static:all".to_owned(), "static:all/".to_owned())
        } else {
            let mut domains: Vec<&str> = self
                .mailboxes
                .iter()
                .filter_map(|address| Some(address.rsplit_once('@')?.1))
                .collect();
            domains.sort_unstable();
            domains.dedup();
            let maps = format!("texthash:{root}/etc/mailboxes");
            (domains.join(", "), maps)
        };
        for (name, value) in [
            ("queue_directory", format!("{root}/queue")),
            ("data_directory", format!("{root}/data")),
            ("maillog_file", postfix.log_file().display().to_string()),
            ("virtual_mailbox_base", format!("{root}/mail")),
            ("virtual_mailbox_domains", domains),
            ("virtual_mailbox_maps", maps),
        ] {
            settings.push((name.to_owned(), value));
        }
        settings.retain(|(name, _)| self.params.iter().all(|(given, _)| given != name));
        let lines = settings.iter().chain(&self.params);
        lines.map(|(name, value)| format!("{name} = {value}\n")).collect()
    }
}

/// What master(8) logs when it has started and when it has read its configuration again.
const STARTED: &str = "daemon started -- version";
/// See [`STARTED`].
const RELOADED: &str = "reload -- version";

/// A private Postfix. Stopped when dropped; if the test is panicking, its log is printed first.
#[derive(Debug)]
pub struct Postfix {
    port: Port,
    root: PathBuf,
    master: Option<Guarded>,
}

impl Postfix {
    /// An instance that lives in the folder `name` of the scratch folder.
    pub fn builder(scratch: &Scratch, name: &str) -> Builder {
        Builder {
            root: scratch.join(name),
            params: vec![
                ("myhostname".to_owned(), format!("{name}.example")),
                ("syslog_name".to_owned(), name.to_owned()),
            ],
            services: String::new(),
            smtpd_options: Vec::new(),
            mailboxes: Vec::new(),
            catch_all: false,
            files: Vec::new(),
        }
    }

    /// Makes the folders of the queue, as `postfix check` would from its list `postfix-files`; but
    /// that takes two seconds.
    fn make_directories(&self) {
        let install = |owner: &str, group: &str, mode: &str, names: &str| {
            let status = Command::new("install")
                .args(["-d", "-o", owner, "-g", group, "-m", mode])
                .args(names.split_whitespace())
                .current_dir(&self.root)
                .status()
                .unwrap();
            assert!(status.success(), "install -d {names}");
        };
        let private = "data queue/active queue/bounce queue/corrupt queue/defer queue/deferred \
            queue/flush queue/hold queue/incoming queue/private queue/saved queue/trace";
        install("root", "root", "755", "queue queue/pid");
        install("postfix", "root", "700", private);
        install("postfix", "postdrop", "730", "queue/maildrop");
        install("postfix", "postdrop", "710", "queue/public");
        install("65534", "65534", "755", "mail");
    }

    /// Makes what was just written look a minute old.
    // Postfix: reads main.cf again and again until it is two seconds old, lest it see half of it.
    fn age_configuration(&self) {
        let now = SystemTime::now();
        for entry in fs::read_dir(self.config_dir()).unwrap() {
            let file = fs::File::open(entry.unwrap().path()).unwrap();
            let modified = file.metadata().unwrap().modified().unwrap();
            if modified + Duration::from_secs(10) > now {
                file.set_modified(modified - Duration::from_secs(60)).unwrap();
            }
        }
    }

    /// Starts it and waits until it takes mail.
    pub fn start(&mut self) {
        assert!(self.master.is_none(), "Postfix runs already");
        self.age_configuration();
        let output = fs::File::create(self.root.join("master.out")).unwrap();
        let mut command = Command::new(daemon_directory().join("master"));
        command
            .arg("-c")
            .arg(self.config_dir())
            .arg("-s")
            .env_clear()
            .env("PATH", PATH)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output);
        // -s is what `postfix start-fg` uses: a child of ours, with a session and group of its own.
        let before = self.log_count(STARTED);
        self.master = Some(Guarded::spawn(&mut command));
        self.wait_for_master(STARTED, before);
        let port = self.port();
        wait_until("Postfix takes connections", LIMIT, || {
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
    }

    /// Waits until master(8) has logged something once more than `before`.
    // Postfix: all log lines go to postlogd by a datagram socket that holds ten, and master(8), which
    // starts postlogd, waits where it is full. So while postlogd is not there (at the start, and
    // after a reload) nobody may make others log: master would wait for ever for itself.
    fn wait_for_master(&mut self, text: &str, before: usize) {
        wait_until(&format!("Postfix has logged {text:?}"), LIMIT, || {
            let master = self.master.as_mut().expect("Postfix runs");
            if let Some(status) = master.ended() {
                let out = fs::read_to_string(self.root.join("master.out")).unwrap();
                panic!("master ended with {status}: {out}\n{}", self.log());
            }
            self.log_count(text) > before
        });
    }

    fn log_count(&self, text: &str) -> usize {
        self.log().matches(text).count()
    }

    /// Stops it as `postfix stop` does, if it runs.
    pub fn stop(&mut self) {
        if let Some(mut master) = self.master.take() {
            master.stop(Duration::from_secs(5));
        }
    }

    /// SIGKILL to all of its processes at once, as in a power failure.
    pub fn kill(&mut self) {
        self.master.take().expect("Postfix runs").kill();
    }

    /// Stops and starts it.
    pub fn restart(&mut self) {
        self.stop();
        self.start();
    }

    /// Makes it read its configuration again.
    pub fn reload(&mut self) {
        self.age_configuration();
        let before = self.log_count(RELOADED);
        self.master.as_ref().expect("Postfix runs").signal(Signal::HUP);
        self.wait_for_master(RELOADED, before);
    }

    /// The port of the first smtpd on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// The process id of master(8).
    pub fn pid(&self) -> Option<u32> {
        self.master.as_ref().map(Guarded::pid)
    }

    /// All its processes.
    pub fn processes(&self) -> Vec<Process> {
        self.pid().map(process::group).unwrap_or_default()
    }

    /// The folder that holds all of it.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of main.cf and master.cf.
    pub fn config_dir(&self) -> PathBuf {
        self.root.join("etc")
    }

    /// The queue directory.
    pub fn queue_dir(&self) -> PathBuf {
        self.root.join("queue")
    }

    fn mail_dir(&self) -> PathBuf {
        self.root.join("mail")
    }

    /// Where its log is.
    pub fn log_file(&self) -> PathBuf {
        self.root.join("mail.log")
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        let bytes = fs::read(self.log_file()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Waits until a line of the log holds `text`, and gives that line.
    #[track_caller]
    pub fn wait_for_log(&self, text: &str) -> String {
        super::wait_for(&format!("log line with {text:?}"), LIMIT, || {
            let log = self.log();
            log.lines().find(|line| line.contains(text)).map(str::to_owned)
        })
    }

    /// Sets parameters in main.cf; [`Postfix::reload`] makes them count.
    pub fn set(&self, settings: &[(&str, &str)]) {
        let lines = settings.iter().map(|(name, value)| format!("{name}={value}"));
        let mut args = vec!["-e".to_owned()];
        args.extend(lines);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        self.succeed("postconf", &args);
    }

    /// The value of a parameter.
    pub fn postconf(&self, name: &str) -> String {
        self.succeed("postconf", &["-h", name]).trim_end().to_owned()
    }

    /// Runs a command of Postfix's (`postconf`, `postqueue`, `postsuper`, ...) for this instance.
    pub fn run(&self, command: &str, args: &[&str], input: &[u8]) -> Output {
        // sendmail(1) has its own letter for what -c is to all others.
        let config = if command == "sendmail" { "-C" } else { "-c" };
        let mut child = Command::new(command_directory().join(command));
        child.arg(config).arg(self.config_dir()).args(args);
        child.env_clear().env("PATH", PATH).current_dir("/");
        process::output(&mut child, input)
    }

    fn succeed(&self, command: &str, args: &[&str]) -> String {
        let output = self.run(command, args, b"");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command} {args:?}: {errors}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Submits a message by sendmail(1).
    pub fn sendmail(&self, sender: &str, recipients: &[&str], message: &[u8]) {
        let mut args = vec!["-i", "-f", sender, "--"];
        args.extend(recipients);
        let output = self.run("sendmail", &args, message);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "sendmail {args:?}: {errors}");
    }

    /// What is in the queue.
    pub fn queue(&self) -> Vec<Queued> {
        queue::parse(&self.succeed("postqueue", &["-j"]))
    }

    /// The queue IDs of all messages in the queue.
    pub fn queue_ids(&self) -> Vec<String> {
        self.queue().into_iter().map(|queued| queued.id).collect()
    }

    /// Whether no message is left, in whatever queue.
    pub fn queue_is_empty(&self) -> bool {
        queue::files(&self.queue_dir(), &queue::MESSAGES).is_empty()
    }

    /// The records that Postfix keeps for reports to come: must be none when the queue is empty.
    pub fn report_records(&self) -> Vec<PathBuf> {
        queue::files(&self.queue_dir(), &queue::RECORDS)
    }

    /// Waits until everything has left the queue.
    #[track_caller]
    pub fn wait_until_idle(&self) {
        wait_until("the queue is empty", LIMIT, || self.queue_is_empty());
    }

    /// Tries to deliver everything in the queue now.
    pub fn flush(&self) {
        self.succeed("postqueue", &["-f"]);
    }

    /// A message in the queue with its envelope, as postcat(1) prints it.
    pub fn postcat(&self, queue_id: &str) -> String {
        self.succeed("postcat", &["-q", queue_id])
    }

    /// Everything delivered here so far, in order of delivery.
    pub fn deliveries(&self) -> Vec<Delivered> {
        maildir::read_all(&self.mail_dir())
    }

    /// What was delivered to one recipient.
    pub fn maildir(&self, address: &str) -> Vec<Delivered> {
        let mut all = self.deliveries();
        all.retain(|delivered| delivered.delivered_to.eq_ignore_ascii_case(address));
        all
    }

    /// How many messages were delivered here.
    pub fn delivery_count(&self) -> usize {
        maildir::count(&self.mail_dir())
    }

    /// Waits until `count` messages were delivered to a recipient, and gives them.
    #[track_caller]
    pub fn wait_for_mail(&self, address: &str, count: usize) -> Vec<Delivered> {
        super::wait_for(&format!("{count} messages for {address}"), LIMIT, || {
            let found = self.maildir(address);
            (found.len() >= count).then_some(found)
        })
    }

    /// Forgets all that was delivered.
    pub fn clear_deliveries(&self) {
        maildir::clear(&self.mail_dir());
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let name = self.root.file_name().unwrap_or_default();
            eprintln!("--- log of {}\n{}", name.display(), self.log());
        }
        self.stop();
    }
}

/// Commands are found where Postfix says; its scripts need the usual tools.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Where master(8) and the other daemons are.
pub fn daemon_directory() -> &'static Path {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    FOUND.get_or_init(|| default_of("daemon_directory"))
}

/// Where postqueue(1), sendmail(1) and the other commands are.
pub fn command_directory() -> &'static Path {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    FOUND.get_or_init(|| default_of("command_directory"))
}

/// Postfix's version, as (major, minor, patch).
pub fn version() -> (u32, u32, u32) {
    let text = default_of("mail_version").display().to_string();
    let mut numbers = text.split(|c: char| !c.is_ascii_digit());
    let mut next = || numbers.next().and_then(|n| n.parse().ok()).unwrap_or(0);
    (next(), next(), next())
}

fn default_of(name: &str) -> PathBuf {
    let output = Command::new("postconf")
        .args(["-d", "-h", name])
        .env("PATH", PATH)
        .output()
        .expect("Postfix is installed (contrib/dev/install-deps.sh installs it)");
    PathBuf::from(String::from_utf8_lossy(&output.stdout).trim_end())
}
