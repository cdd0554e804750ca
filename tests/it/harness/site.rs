//! The whole scene: a company's Postfix with the milter, a recruiting system's Postfix, and the
//! daemon, configured by the program's own commands.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use recruit_milter::mail::header::{is_own, relaxed};
use recruit_milter::mail::{Field, Message};

use super::daemon::{Daemon, succeed};
use super::dovecot::PASSWORD;
use super::postfix::Builder;
use super::proxy::Proxy;
use super::report::Reporter;
use super::routes::{self, Arrival, NextHops, Place};
use super::socket::Endpoint;
use super::submission::{self, AUTH_SOCKET, Access, Encryption, Submission};
use super::watchdog::Watchdog;
use super::{Delivered, Dovecot, LIMIT, Port, Postfix, Scratch, wait_until};

/// The recruiting system's inbound address.
pub const INBOUND: &str = "acme-jobs@m-personio.example";
/// A recruiting address with a local copy.
pub const JOBS: &str = "jobs@acme.example";
/// A recruiting address of the same system without one; its fallback is [`HR`].
pub const KARRIERE: &str = "karriere@acme.example";
/// A recruiting address of another system.
pub const OTHER_JOBS: &str = "jobs@other.example";
/// The other system's inbound address.
pub const OTHER_INBOUND: &str = "in@other-ats.example";
/// The fallback.
pub const HR: &str = "hr@acme.example";
/// A colleague.
pub const BOB: &str = "bob@acme.example";
/// Another colleague.
pub const SABINE: &str = "sabine@acme.example";
/// An applicant.
pub const ERIKA: &str = "erika@example.org";

/// What differs from the usual scene.
#[derive(Default)]
#[allow(clippy::struct_excessive_bools, reason = "independent parts of a scene")]
pub struct Setup {
    /// More of the company's Postfix.
    pub mx: Option<fn(Builder) -> Builder>,
    /// More lines of recruit-milter's configuration.
    pub config: String,
    /// A proxy between Postfix and each of the milter's sockets.
    pub proxies: bool,
    /// A smtpd for colleagues, who log in as [`BOB`] or [`SABINE`], with a Dovecot that knows them.
    pub logins: bool,
    /// The same as real ones are: the services `submission` (STARTTLS) and `submissions` (implicit
    /// TLS) as Debian's master.cf has them.
    pub submission: bool,
    /// Users with their passwords that Dovecot knows as well.
    pub users: Vec<(&'static str, &'static str)>,
    /// Users that get a password by `recruit-milter login add`, and may use it for SMTP alone.
    pub systems_log_in: &'static [&'static str],
    /// Two next hops for mail that leaves the company; nothing but `own` is used by itself.
    pub next_hops: bool,
}

/// The scene. All of it is gone when dropped.
pub struct Site {
    /// The company's Postfix.
    pub mx: Postfix,
    /// The recruiting systems' Postfix.
    pub ats: Postfix,
    /// The milter.
    pub daemon: Daemon,
    /// The proxies at the front and at the handoff socket, if asked for.
    pub proxies: Option<[Proxy; 2]>,
    /// recruit-milter's configuration file.
    pub config: PathBuf,
    /// Checks the passwords of colleagues, if asked for.
    pub dovecot: Option<Dovecot>,
    /// The next hops for mail that leaves the company, if asked for.
    pub next_hops: Option<NextHops>,
    /// Ends the test if it hangs.
    pub watchdog: Watchdog,
    /// The services for logins with TLS, if asked for.
    pub submission: Option<Submission>,
    logins: Option<Port>,
    /// The passwords that `login add` has shown.
    passwords: Vec<(&'static str, String)>,
    ports: [Port; 2],
    alerts: Port,
    scratch: Scratch,
}

/// Lets everything go on to the system, whatever kind of mail it is.
pub const EVERY_KIND_GOES_ON: &str = "[reading]
kinds = { outbound-copy = \"forward\", auto-reply = \"forward\", bounce = \"forward\", \
list = \"forward\", calendar = \"forward\", needs-human = \"forward\", spam = \"forward\" }
";

impl Site {
    /// The usual scene, running.
    pub fn start() -> Self {
        Self::with(Setup::default())
    }

    /// A scene, running.
    pub fn with(setup: Setup) -> Self {
        let mut site = Self::prepare(setup);
        site.run();
        site
    }

    /// Starts a scene that was prepared.
    pub fn run(&mut self) {
        self.daemon.start();
        self.attach();
        self.ats.start();
        if let Some(hops) = &mut self.next_hops {
            hops.start();
        }
        self.mx.start();
        wait_until("our smtpd services answer", LIMIT, || {
            self.ports.iter().all(|port| TcpStream::connect(("127.0.0.1", port.number())).is_ok())
        });
    }

    /// A scene with nothing running, the milter not attached yet.
    pub fn prepare(setup: Setup) -> Self {
        let scratch = Scratch::new();
        let mut mx = Postfix::builder(&scratch, "mx");
        for mailbox in [JOBS, KARRIERE, HR, BOB, SABINE, OTHER_JOBS, "erika@acme.example"] {
            mx = mx.mailbox(mailbox);
        }
        let logins = setup.logins.then(Port::reserve);
        if let Some(port) = &logins {
            mx = submission::without_tls(mx, port.number());
        }
        let submission = setup.submission.then(|| Submission::new(&scratch, "mx.example"));
        if let Some(submission) = &submission {
            mx = submission.configure(mx);
        }
        let next_hops = setup.next_hops.then(|| NextHops::prepare(&scratch));
        if let Some(hops) = &next_hops {
            mx = mx.param("default_transport", &format!("smtp:[127.0.0.1]:{}", hops.own.port()));
        }
        if let Some(more) = setup.mx {
            mx = more(mx);
        }
        let mx = mx.prepare();
        let ats = Postfix::builder(&scratch, "ats").catch_all().prepare();
        let sockets = mx.queue_dir().join("recruit-milter");
        let status = Command::new("install")
            .args(["-d", "-o", "root", "-g", "postfix", "-m", "2750"])
            .arg(&sockets)
            .status()
            .unwrap();
        assert!(status.success());
        let ports = [Port::reserve(), Port::reserve()];
        let config = scratch.join("recruit-milter.toml");
        let state = scratch.join("state");
        fs::create_dir(&state).unwrap();
        let text = configuration(&setup.config, &state, &sockets, &ports, ats.port());
        let alerts = Port::reserve();
        let text = with_probes_to(&text, mx.port());
        fs::write(&config, with_alerts_at(&text, alerts.number())).unwrap();
        succeed(&["init-key", "--config", config.to_str().unwrap()]);
        let socket = |name| sockets.join(name).with_extension("sock");
        let paths = ["front", "handoff"].map(socket);
        let mut waited_for = paths.to_vec();
        if listens_for_submission(&config) {
            waited_for.push(socket("submission"));
        }
        let daemon = Daemon::new(&config, waited_for);
        let proxies = setup.proxies.then(|| {
            paths.map(|path| Proxy::start(&path.with_extension("proxy"), Endpoint::Unix(path)))
        });
        let users = [&[(BOB, PASSWORD), (SABINE, PASSWORD)], &setup.users[..]].concat();
        let logins_file = config.with_file_name("dovecot-users");
        let passwords = setup.systems_log_in.iter().map(|name| (*name, add_login(&config, name)));
        let passwords = passwords.collect();
        let asked = setup.logins || setup.submission || !setup.systems_log_in.is_empty();
        let dovecot = asked.then(|| {
            let socket = mx.queue_dir().join(AUTH_SOCKET);
            let logins = !setup.systems_log_in.is_empty();
            let more = if logins { Dovecot::smtp_only(&logins_file) } else { String::new() };
            Dovecot::start(&scratch, &socket, &users, &more)
        });
        let reporter = Reporter::new(&mx, &ats, &daemon);
        let watchdog = Watchdog::start(move || reporter.text());
        Self {
            mx,
            ats,
            daemon,
            proxies,
            config,
            dovecot,
            next_hops,
            watchdog,
            submission,
            logins,
            passwords,
            ports,
            alerts,
            scratch,
        }
    }

    /// All that is known about the scene.
    pub fn report(&self) -> String {
        Reporter::new(&self.mx, &self.ats, &self.daemon).text()
    }

    /// Lets `recruit-milter postfix --apply` configure the company's Postfix.
    pub fn attach(&self) {
        let etc = self.mx.config_dir();
        succeed(&[
            "postfix",
            "--config",
            self.config.to_str().unwrap(),
            "--config-dir",
            etc.to_str().unwrap(),
            "--apply",
        ]);
        if let Some(proxies) = &self.proxies {
            for (name, proxy) in
                ["recruit_milter_front", "recruit_milter_handoff"].iter().zip(proxies)
            {
                let old = self.mx.postconf(name);
                let (_, rest) = old.split_once(',').expect("a milter with options");
                let new = format!("{{ {},{rest}", proxy.endpoint().for_postfix());
                self.mx.set(&[(name, &new)]);
            }
        }
    }

    /// The port of the smtpd for colleagues, without TLS.
    pub fn submission_port(&self) -> u16 {
        self.logins.as_ref().expect("logins were asked for").number()
    }

    /// The password that `recruit-milter login add` has shown for a user.
    pub fn password(&self, user: &str) -> &str {
        let found = self.passwords.iter().find(|(name, _)| *name == user);
        found.map(|(_, password)| password.as_str()).expect("a login was asked for")
    }

    /// The submission service that is protected so, and what a client needs to know of it.
    pub fn access(&self, encryption: Encryption) -> Access {
        if encryption == Encryption::None {
            return Access::plain(self.submission_port());
        }
        self.submission.as_ref().expect("submission was asked for").access(encryption)
    }

    /// Puts the port of a next hop into the configuration, in place of a word. Before it runs.
    pub fn next_hop(&self, word: &str, which: fn(&NextHops) -> &Postfix) {
        let hops = self.next_hops.as_ref().expect("next hops were asked for");
        let port = which(hops).port().to_string();
        fs::write(&self.config, self.config_text().replace(word, &port)).unwrap();
    }

    /// The way out that the company has by itself.
    pub fn own(&self) -> &Postfix {
        &self.next_hops.as_ref().expect("next hops were asked for").own
    }

    /// Another way out.
    pub fn relay(&self) -> &Postfix {
        &self.next_hops.as_ref().expect("next hops were asked for").relay
    }

    /// Where a message arrived, once everything is through. It is told by its Message-ID (with
    /// brackets) or its Subject.
    #[track_caller]
    pub fn arrivals(&self, key: &str) -> Vec<Arrival> {
        self.settle();
        let mut places = vec![(Place::Local, &self.mx), (Place::System, &self.ats)];
        if let Some(hops) = &self.next_hops {
            places.extend([(Place::Own, &hops.own), (Place::Relay, &hops.relay)]);
        }
        routes::arrivals(&places, key)
    }

    /// The agent in a process of its own, not started yet, for a milter that is told to be that only.
    pub fn agent(&self) -> Daemon {
        let socket = self.mx.queue_dir().join("recruit-milter/agent.sock");
        let unwraps = self.config_text().contains("unwrap =");
        let mut agent = Daemon::new(&self.config, unwraps.then_some(socket).into_iter().collect());
        agent.only("agent");
        agent
    }

    /// The scratch folder.
    pub fn scratch(&self) -> &Scratch {
        &self.scratch
    }

    /// The port of the second smtpd.
    pub fn handoff_port(&self) -> u16 {
        self.ports[0].number()
    }

    /// The port of the third smtpd, for what goes back.
    pub fn return_port(&self) -> u16 {
        self.ports[1].number()
    }

    /// The port of the fourth smtpd, for alerts.
    pub fn alerts_port(&self) -> u16 {
        self.alerts.number()
    }

    /// The configuration as text.
    pub fn config_text(&self) -> String {
        fs::read_to_string(&self.config).unwrap()
    }

    /// The journal's lines.
    pub fn journal(&self) -> Vec<String> {
        let text =
            fs::read_to_string(self.scratch.join("state").join("journal")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Waits until nothing is under way in any Postfix.
    #[track_caller]
    pub fn settle(&self) {
        // A report can still be made while all queues look empty for a moment: ask twice.
        for _ in 0..2 {
            self.mx.wait_until_idle();
            self.ats.wait_until_idle();
            if let Some(hops) = &self.next_hops {
                hops.own.wait_until_idle();
                hops.relay.wait_until_idle();
            }
        }
    }

    /// What the recruiting system's inbound address got, once everything is through.
    pub fn inbound(&self) -> Vec<Delivered> {
        self.ats.deliveries().into_iter().filter(|d| d.delivered_to == INBOUND).collect()
    }
}

/// recruit-milter's configuration, with more lines: those of sections behind the others, all else
/// before them.
fn configuration(more: &str, state: &Path, sockets: &Path, ports: &[Port; 2], ats: u16) -> String {
    format!(
        r#"state_dir = "{state}"
{top}
[milter]
front = "unix:{sockets}/front.sock"
submission = "unix:{sockets}/submission.sock"
handoff = "unix:{sockets}/handoff.sock"

[agent]
socket = "unix:{sockets}/agent.sock"

[handoff]
smtpd = "127.0.0.1:{handoff}"
return_smtpd = "127.0.0.1:{back}"

[system.personio]
inbound = "{INBOUND}"
addresses = ["{JOBS}", "{KARRIERE}"]
next_hop = "[127.0.0.1]:{ats}"

[system.other]
inbound = "{OTHER_INBOUND}"
addresses = ["{OTHER_JOBS}"]
next_hop = "[127.0.0.1]:{ats}"

[address."{KARRIERE}"]
local_copy = false
fallback = "{HR}"
{tables}"#,
        state = state.display(),
        sockets = sockets.display(),
        handoff = ports[0].number(),
        back = ports[1].number(),
        top = if more.starts_with('[') { "" } else { more },
        tables = if more.starts_with('[') { more } else { "" },
    )
}

/// The configuration with the company's Postfix as the place to which probes are given.
fn with_probes_to(text: &str, mx: u16) -> String {
    let via = format!("[verify]\nvia = \"127.0.0.1:{mx}\"\n");
    if text.contains("[verify]\n") {
        return text.replace("[verify]\n", &via);
    }
    format!("{text}\n{via}")
}

/// The configuration with a port of its own for alerts.
fn with_alerts_at(text: &str, port: u16) -> String {
    let smtpd = format!("[alerts]\nsmtpd = \"127.0.0.1:{port}\"\n");
    if text.contains("[alerts]\n") {
        return text.replace("[alerts]\n", &smtpd);
    }
    format!("{text}\n{smtpd}")
}

/// Makes a login by the program's own command; its password.
fn add_login(config: &Path, name: &str) -> String {
    let config = config.to_str().unwrap();
    let args = ["login", "add", name, "--json", "--host", "mx.example", "--config", config];
    let told: serde_json::Value = serde_json::from_str(&succeed(&args)).unwrap();
    told["password"].as_str().expect("a password").to_owned()
}

/// Whether the daemon will have a submission socket.
fn listens_for_submission(config: &Path) -> bool {
    let text = fs::read_to_string(config).unwrap();
    let loaded = recruit_milter::config::parse(&[(config.to_owned(), text)]);
    loaded.is_ok_and(|loaded| loaded.config.rules.has_outbound())
}

/// The fields of ours in a message, unfolded.
pub fn ours(bytes: &[u8]) -> Vec<String> {
    let header = Message::parse(bytes).header;
    let ours = header.fields.iter().filter(|field| is_own(&field.name));
    let show = |field: &Field| {
        let body = relaxed(&field.body);
        format!("{}: {}", String::from_utf8_lossy(&field.name), String::from_utf8_lossy(&body))
    };
    ours.map(show).collect()
}

/// A message without the fields that are ours and without the topmost `hops` Received fields.
///
/// What remains of a forwarded copy must be what the applicant sent.
pub fn without_ours(bytes: &[u8], hops: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = bytes;
    let mut received = 0;
    while !rest.is_empty() && rest[0] != b'\n' {
        let mut end = rest.iter().position(|&b| b == b'\n').map_or(rest.len(), |at| at + 1);
        while matches!(rest.get(end), Some(b' ' | b'\t')) {
            end +=
                rest[end..].iter().position(|&b| b == b'\n').map_or(rest.len() - end, |at| at + 1);
        }
        let field = &rest[..end];
        let is =
            |name: &[u8]| field.get(..name.len()).is_some_and(|f| f.eq_ignore_ascii_case(name));
        let drop = if is(b"Received:") {
            received += 1;
            received <= hops
        } else {
            is(b"X-Recruiting-")
        };
        if !drop {
            out.extend_from_slice(field);
        }
        rest = &rest[end..];
    }
    out.extend_from_slice(rest);
    out
}
