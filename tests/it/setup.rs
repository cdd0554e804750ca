//! `setup` where systemd does not run it: what it adds, what it leaves alone, and the one thing that it says is
//! missing. (With systemd, from an installed package: tests/package.)
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use crate::harness::daemon::{command, program};
use crate::harness::process::output;
use crate::harness::site::{JOBS, KARRIERE};
use crate::harness::{LIMIT, Site, wait_until};

/// The exit code of `setup`, and what it prints.
fn setup(site: &Site, more: &[&str]) -> (i32, String) {
    let etc = site.mx.config_dir();
    let mut args = vec!["setup", "--config", site.config.to_str().unwrap()];
    args.extend(["--config-dir", etc.to_str().unwrap(), "--lang", "en"]);
    args.extend(more);
    let output = command(&args);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code().unwrap(), text + &String::from_utf8_lossy(&output.stderr))
}

fn main_cf(site: &Site) -> String {
    fs::read_to_string(site.mx.config_dir().join("main.cf")).unwrap()
}

fn written(site: &Site, name: &str) -> Option<String> {
    fs::read_to_string(site.config.with_file_name("conf.d").join(name)).ok()
}

const SECOND: [&str; 4] = ["--address", "at@acme.example", "--inbound", "at@other-ats.example"];

#[test]
fn what_is_there_is_not_done_twice_and_another_system_is_added_while_mail_flows() {
    let site = Site::start();
    let (code, text) = setup(&site, &["--yes", "--restart", "true"]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("All of it is there already."), "{text}");
    assert!(text.contains(JOBS) && text.contains(KARRIERE), "{text}");

    let before = main_cf(&site);
    let (code, text) = setup(&site, &[&SECOND[..], &["--dry-run"]].concat());
    assert_eq!((code, main_cf(&site) == before), (0, true), "{text}");
    assert!(text.contains("[system.other-ats]"), "{text}");
    assert_eq!(written(&site, "other-ats.toml"), None);
    // Nobody is there to ask.
    let (code, text) = setup(&site, &SECOND);
    assert_eq!((code, main_cf(&site) == before), (64, true), "{text}");
    assert!(text.ends_with("-> run it with --yes\n"), "{text}");

    let next_hop = format!("[127.0.0.1]:{}", site.ats.port());
    let reload = format!("kill -HUP {}", site.daemon.pid());
    let more = ["--next-hop", &next_hop, "--system", "austria", "--yes", "--restart", &reload];
    let (code, text) = setup(&site, &[&SECOND[..], &more].concat());
    // This company's Postfix knows no mailbox of that name yet: the one thing that is missing.
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("still missing: "), "{text}");
    let file = written(&site, "austria.toml").unwrap();
    assert!(file.contains("[system.austria]\ninbound = \"at@other-ats.example\""), "{file}");
    wait_until("the new system to be known", LIMIT, || site.daemon.log().contains("reloaded: "));
    // What contradicts it is refused, and nothing is changed.
    let (code, text) = setup(
        &site,
        &[
            "--address",
            "x@acme.example",
            "--inbound",
            "y@z.example",
            "--system",
            "austria",
            "--yes",
        ],
    );
    assert_eq!(code, 78, "{text}");
    assert!(text.contains("[system.austria] is configured already, and differently"), "{text}");
    assert_eq!(written(&site, "austria.toml"), Some(file));
}

#[test]
fn where_something_is_missing_postfix_is_left_as_it_is() {
    let mut site = Site::start();
    let before = main_cf(&site);
    let (code, text) = setup(&site, &["--address", "jobs", "--inbound", "x@y.example"]);
    assert_eq!(code, 64, "{text}");
    assert!(text.contains("still missing: \"jobs\": "), "{text}");
    // How it is restarted nobody has said.
    let (code, text) = setup(&site, &[&SECOND[..], &["--yes"]].concat());
    assert_eq!(code, 75, "{text}");
    assert!(text.contains("--restart"), "{text}");
    let (code, text) = setup(&site, &["--yes", "--restart", "false"]);
    assert!(text.contains("Changes in Postfix"), "{text}");
    assert_eq!(code, 69, "its sockets would be silent for what is new: {text}");
    assert_eq!(main_cf(&site), before);
    // With what is new it does not start: it runs on with what was there.
    fs::remove_file(site.config.with_file_name("conf.d/other-ats.toml")).unwrap();
    let (code, text) = setup(&site, &[&SECOND[..], &["--yes", "--restart", "false"]].concat());
    assert_eq!(code, 69, "{text}");
    assert!(text.contains("other-ats.toml was taken back"), "{text}");
    assert_eq!((written(&site, "other-ats.toml"), main_cf(&site)), (None, before.clone()));

    fs::write(&site.config, "[system.x]\ninbund = \"a@b.example\"\n").unwrap();
    let (code, text) = setup(&site, &["--yes"]);
    assert_eq!(code, 78, "{text}");
    assert!(text.contains("did you mean \"inbound\"?"), "{text}");
    site.daemon.stop();
    assert_eq!(main_cf(&site), before);
}

/// `setup` with another postfix(1) in front of the real one, a script.
fn setup_with_postfix(site: &Site, script: &str) -> (i32, String) {
    let folder = site.scratch().join("bin");
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join("postfix");
    fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    let etc = site.mx.config_dir();
    let args = ["setup", "--config", site.config.to_str().unwrap(), "--yes", "--restart", "true"];
    let args = [&args[..], &["--config-dir", etc.to_str().unwrap(), "--lang", "en"]].concat();
    let output = output(Command::new(program()).args(args).env("PATH", path), b"");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code().unwrap(), text + &String::from_utf8_lossy(&output.stderr))
}

#[test]
fn a_postfix_that_cannot_say_whether_it_runs_is_not_taken_for_one_that_is_stopped() {
    let mut site = Site::start();
    // As postfix(1) does it: its words are for a terminal, or for the log alone.
    let failing = |word: &str| {
        format!(
            "case \"$*\" in *{word}) test -t 2 && echo 'postfix: fatal: no resources for {word}' >&2; exit 1;; esac\n\
             for d in /usr/sbin /usr/local/sbin; do test -x $d/postfix && exec $d/postfix \"$@\"; done"
        )
    };
    for word in ["status", "reload"] {
        let (code, text) = setup_with_postfix(&site, &failing(word));
        assert_eq!(code, 71, "{text}");
        let said = format!(
            "still missing: \"postfix {word}\" failed: postfix: fatal: no resources for {word}"
        );
        assert!(text.contains(&said), "{text}");
    }
    let (code, text) = setup_with_postfix(&site, &failing("nothing"));
    assert_eq!(code, 0, "{text}");
    site.mx.stop();
    let (code, text) = setup_with_postfix(&site, &failing("nothing"));
    assert_eq!(code, 69, "{text}");
    assert!(text.contains("still missing: Postfix does not run"), "{text}");
}
