//! Keys and restarts: what runs is compared with what is written, a start with a broken file leaves nobody
//! waiting, and what a reload cannot do is said.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fs;
use std::os::unix::net::UnixListener;
use std::path::Path;

use rustix::process::Signal;

use crate::harness::daemon::{command, succeed};
use crate::harness::site::{ERIKA, JOBS, Setup};
use crate::harness::{LIMIT, Mail, Site, wait_until};

const MESSAGE: &str = "From: erika@example.org\r\nSubject: x\r\n\r\nx\r\n";

const RESTART: &str = "systemctl restart recruit-milter recruit-milter-agent";

/// Does what systemd does: binds the sockets, passes them in with their names, and becomes the program. Words: the
/// state folder, the credentials folder, and `NAME=PATH` for each socket, up to `--`.
const ACTIVATE: &str = r#"
import os, socket, sys
words = sys.argv[1:]
end = words.index("--")
state, credentials, *sockets = words[:end]
held, names = [], []
for word in sockets:
    name, path = word.split("=", 1)
    if os.path.exists(path):
        os.unlink(path)
    one = socket.socket(socket.AF_UNIX)
    one.bind(path)
    os.chmod(path, 0o660)
    os.chown(path, -1, os.stat(os.path.dirname(path)).st_gid)
    one.listen(64)
    held.append(one)
    names.append(name)
high = [os.dup2(one.fileno(), 50 + n, inheritable=True) for n, one in enumerate(held)]
for n, fd in enumerate(high):
    os.dup2(fd, 3 + n, inheritable=True)
    os.close(fd)
os.environ.update(LISTEN_FDS=str(len(held)), LISTEN_FDNAMES=":".join(names),
                  LISTEN_PID=str(os.getpid()), STATE_DIRECTORY=state)
if credentials:
    os.environ["CREDENTIALS_DIRECTORY"] = credentials
os.execv(words[end + 1], words[end + 1:])
"#;

/// Lets the daemon be started with the named sockets passed in.
fn activate(site: &mut Site, names: &[&str], credentials: Option<&Path>) {
    let folder = site.mx.queue_dir().join("recruit-milter");
    let sockets: Vec<String> = names
        .iter()
        .map(|name| format!("{name}={}", folder.join(name).with_extension("sock").display()))
        .collect();
    let state = site.scratch().join("state").display().to_string();
    let credentials = credentials.map(|path| path.display().to_string()).unwrap_or_default();
    let mut words = vec!["python3", "-c", ACTIVATE, &state, &credentials];
    words.extend(sockets.iter().map(String::as_str));
    words.push("--");
    site.daemon.wrap(&words);
}

fn activated() -> Site {
    let mut site = Site::prepare(Setup::default());
    activate(&mut site, &["front", "handoff"], None);
    site.run();
    site
}

fn run(site: &Site, args: &[&str]) -> (i32, String) {
    let config = site.config.to_str().unwrap();
    let output = command(&[args, &["--config", config]].concat());
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap(), text(&output.stdout) + &text(&output.stderr))
}

fn doctor(site: &Site) -> String {
    let etc = site.mx.config_dir();
    run(site, &["doctor", "-v", "--config-dir", etc.to_str().unwrap()]).1
}

/// Sockets that were passed in answer before the program does.
fn wait_for_doctor(site: &Site, says: &str) {
    wait_until(&format!("doctor says {says:?}"), LIMIT, || doctor(site).contains(says));
}

/// What Postfix says to a mail for a recruiting address.
fn answer(site: &Site) -> String {
    let reply = Mail::new(ERIKA, &[JOBS], MESSAGE).try_send(site.mx.port()).unwrap();
    reply.to_string()
}

#[test]
fn a_start_with_a_broken_file_goes_on_with_the_last_good_one() {
    let mut site = activated();
    let good = site.config_text();
    let broken = format!("{good}\nlocal_copies = true\n");
    site.daemon.configure(&broken);
    assert!(site.daemon.stop().success());
    site.daemon.start();
    let line = site.daemon.wait_for_log("error: start: ");
    assert!(line.contains("kept=\"the last good configuration\""), "{line}");
    assert!(line.contains("local_copies"), "{line}");
    assert!(answer(&site).starts_with("250"));
    site.settle();
    assert_eq!(site.inbound().len(), 1, "by the last good configuration it is forwarded");
    assert_eq!(run(&site, &["check"]).0, 78);

    // A reload with a file that is still broken changes nothing; a restart neither.
    site.daemon.signal(Signal::HUP);
    site.daemon.wait_for_log("error: reload: ");
    assert!(site.daemon.stop().success());
    site.daemon.start();
    assert!(answer(&site).starts_with("250"));

    // Mended, but not read yet.
    site.daemon.configure(&good);
    let text = doctor(&site);
    assert!(text.contains("goes by the last good configuration since"), "{text}");
    assert!(text.contains("(RM-DOCTOR-104)\n      -> kill -HUP "), "{text}");
    site.daemon.signal(Signal::HUP);
    site.daemon.wait_for_log("reloaded: ");
    wait_for_doctor(&site, "[ok] Running        milter: this configuration, key 1");
}

#[test]
fn a_start_with_nothing_to_go_by_answers_at_once_until_there_is_something() {
    let mut site = Site::prepare(Setup::default());
    activate(&mut site, &["front", "handoff"], None);
    let good = site.config_text();
    site.attach();
    site.ats.start();
    site.mx.start();
    let broken = [format!("{good}\nlocal_copies = true\n"), "[[".to_owned()];
    for (n, broken) in broken.into_iter().enumerate() {
        site.daemon.configure(&broken);
        site.daemon.start_at_once();
        wait_until("it tells", LIMIT, || {
            site.daemon.log().matches("alarm=\"all mail is put off\"").count() == n + 1
        });
        let answered = answer(&site);
        assert!(answered.starts_with("451 4.7.1"), "{answered}");
        site.daemon.configure(&good);
        // It ends by itself, to be started again by systemd.
        assert!(site.daemon.finish().success());
    }
    site.daemon.start();
    assert!(answer(&site).starts_with("250"));
    site.settle();
    assert_eq!(site.inbound().len(), 1);
}

#[test]
fn by_hand_a_broken_file_is_an_error() {
    let mut site = Site::start();
    site.daemon.configure(&format!("{}\nlocal_copies = true\n", site.config_text()));
    site.daemon.stop();
    assert_eq!(run(&site, &["run"]).0, 78);
}

#[test]
fn a_socket_that_cannot_be_bound_keeps_nobody_from_those_that_systemd_holds() {
    let mut site = Site::prepare(Setup::default());
    activate(&mut site, &["front", "handoff"], None);
    let folder = site.mx.queue_dir().join("recruit-milter");
    let _in_use = UnixListener::bind(folder.join("agent.sock")).unwrap();
    let text = site.config_text();
    site.daemon.configure(&format!("{text}\n[address.\"{JOBS}\"]\nunwrap = \"attached\"\n"));
    site.run();
    let line = site.daemon.wait_for_log("error: socket: ");
    assert!(line.contains("agent.sock"), "{line}");
    assert!(answer(&site).starts_with("250"));
}

#[test]
fn a_key_that_was_rotated_is_told_until_what_runs_has_it() {
    let mut site = Site::prepare(Setup::default());
    // As systemd does: a copy of the key, made at the start.
    let credentials = site.scratch().join("credentials");
    fs::create_dir(&credentials).unwrap();
    let key = site.config.with_file_name("seal.key");
    let copy = || fs::copy(&key, credentials.join("seal.key")).unwrap();
    copy();
    activate(&mut site, &["front", "handoff"], Some(&credentials));
    site.run();
    wait_for_doctor(&site, "[ok] Running        milter: this configuration, key 1");

    let (code, text) = run(&site, &["init-key", "--rotate"]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains(RESTART) && text.contains("a reload may not be enough"), "{text}");
    let (code, text) = run(&site, &["check", "--reload"]);
    assert!(code == 0 && text.contains("needs a restart for: the key"), "{text}");
    site.daemon.signal(Signal::HUP);
    site.daemon.wait_for_log("reloaded: ");
    for look in 0..2 {
        let text = doctor(&site);
        assert!(text.contains("runs with the keys 1 and does not know key 2"), "{look}: {text}");
        assert!(text.contains("(RM-DOCTOR-101)\n"), "{text}");
        let etc = site.mx.config_dir();
        let etc = etc.to_str().unwrap();
        let (code, text) = run(&site, &["verify", JOBS, "--config-dir", etc, "--lang", "en"]);
        assert_eq!(code, 1, "{text}");
        assert!(text.contains("does not know key 2"), "{text}");
        // What does not tell (an older version, another host) is asked by the probe itself.
        let state = site.scratch().join("state");
        if look == 0 {
            fs::rename(state.join("running-milter.json"), state.join("away")).unwrap();
            let (code, text) = run(&site, &["verify", JOBS, "--config-dir", etc, "--lang", "en"]);
            assert!(code == 1 && text.contains("does not know key 2"), "{text}");
            assert!(text.contains(RESTART), "{text}");
            site.daemon.wait_for_log("reason=unknown-probe");
            fs::rename(state.join("away"), state.join("running-milter.json")).unwrap();
        }
    }
    site.settle();
    assert_eq!((site.mx.delivery_count(), site.ats.delivery_count()), (0, 0), "no probe anywhere");

    copy();
    assert!(site.daemon.stop().success());
    site.daemon.start();
    wait_for_doctor(&site, "[ok] Running        milter: this configuration, key 2");
    let etc = site.mx.config_dir();
    let (code, text) =
        run(&site, &["verify", JOBS, "--force", "--config-dir", etc.to_str().unwrap()]);
    assert_eq!(code, 0, "{text}");
}

#[test]
fn a_key_that_is_read_where_it_lies_counts_after_a_reload() {
    let site = Site::start();
    let (_, text) = run(&site, &["init-key", "--rotate"]);
    assert!(
        text.contains(&format!("It counts after: kill -HUP {}\n", site.daemon.pid())),
        "{text}"
    );
    assert!(doctor(&site).contains("does not know key 2"));
    site.daemon.signal(Signal::HUP);
    site.daemon.wait_for_log("reloaded: ");
    assert!(doctor(&site).contains("milter: this configuration, key 2"));
}

#[test]
fn what_a_reload_cannot_do_is_said_at_once_and_by_check() {
    let site = Site::start();
    let text = site.config_text();
    site.daemon.configure(&format!("{text}\n[address.\"{JOBS}\"]\nunwrap = \"attached\"\n"));
    let says = "needs a restart for: [agent] socket\n  -> kill ";
    let checked = succeed(&["check", "--config", site.config.to_str().unwrap()]);
    assert!(checked.contains(says) && checked.contains("has not read it yet"), "{checked}");
    site.daemon.signal(Signal::HUP);
    site.daemon.wait_for_log("section=\"[agent] socket\", note=\"changes here need a restart\"");
    site.daemon.wait_for_log("reloaded: ");
    let checked = succeed(&["check", "--config", site.config.to_str().unwrap()]);
    assert!(checked.contains(says) && !checked.contains("has not read it yet"), "{checked}");
    assert!(doctor(&site).contains("a restart of the agent is needed for: [agent] socket"));

    // What a reload would be refused for.
    let moved = text.replace("[handoff]\n", "[handoff]\ndomain = \"other.internal\"\n");
    site.daemon.configure(&moved);
    let (code, said) = run(&site, &["check", "--reload"]);
    assert_eq!(code, 78, "{said}");
    assert!(said.contains("[handoff] has changed"), "{said}");
    assert_eq!(run(&site, &["check"]).0, 0);
    site.daemon.signal(Signal::HUP);
    site.daemon.wait_for_log("error: reload: ");
    wait_for_doctor(&site, "has refused the last reload");
}
