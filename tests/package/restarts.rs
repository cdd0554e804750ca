//! Keys, reloads and restarts under a real systemd.
// SPDX-License-Identifier: GPL-3.0-or-later

use super::machine::{Machine, succeed, wait};
use super::{MAILBOX, SETUP, SYSTEM, mails, send, site};

const RESTART: &str = "systemctl restart recruit-milter recruit-milter-agent";
const RELOAD: &str = "systemctl reload recruit-milter recruit-milter-agent";
const BROKEN: &str = "/etc/recruit-milter/conf.d/zz.toml";

/// What a command prints, however it ends, and whether it succeeded.
fn said(machine: &Machine, line: &str) -> (bool, String) {
    let output = machine.run(line);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.success(), text(&output.stdout) + &text(&output.stderr))
}

fn answer(machine: &Machine) -> String {
    succeed(&mut send(machine, "1", "0"))
}

#[test]
fn a_rotated_key_counts_after_a_restart_and_a_broken_file_stops_no_mail() {
    let machine = site();
    machine.succeed("apt-get install -y -qq ./recruit-milter.deb");
    machine.succeed(SETUP);
    a_rotated_key(&machine);
    a_broken_file(&machine);
}

fn a_rotated_key(machine: &Machine) {
    let (_, text) = said(machine, "recruit-milter doctor");
    assert!(text.contains("[ok] Running        milter: this configuration, key 1"), "{text}");
    assert!(text.contains("[ok] Running        agent: this configuration, key 1"), "{text}");
    let (ok, text) = said(machine, "recruit-milter init-key --rotate");
    assert!(ok && text.contains(&format!("It counts after: {RESTART}\n")), "{text}");
    let before = (mails(machine, MAILBOX).len(), mails(machine, SYSTEM).len());
    let (_, text) = said(machine, "recruit-milter doctor");
    assert!(text.contains("does not know key 2 of"), "{text}");
    assert!(text.contains(&format!("-> {RESTART}\n")), "{text}");
    let verify = "recruit-milter verify --force --lang en jobs@acme.example";
    let (ok, text) = said(machine, verify);
    assert!(!ok && text.contains("does not know key 2"), "{text}");
    assert!(text.contains(&format!("-> {RESTART}\n")), "{text}");
    // systemd 252 renews the copies at a reload, others do not: whatever it does, doctor and verify agree.
    machine.succeed(RELOAD);
    let log = wait("the reload", || {
        let (_, text) = said(machine, "journalctl -u recruit-milter");
        text.contains("reloaded: ").then_some(text)
    });
    assert!(log.contains("needs a restart for: the key"), "{log}");
    let (_, text) = said(machine, "recruit-milter doctor");
    let renewed = text.contains("milter: this configuration, key 2");
    assert!(renewed || text.contains("does not know key 2 of"), "{text}");
    eprintln!("a reload renews the key: {renewed}");
    let (ok, text) = said(machine, verify);
    assert_eq!(ok, renewed, "{text}");
    machine.succeed(RESTART);
    machine.succeed(verify);
    assert_eq!((mails(machine, MAILBOX).len(), mails(machine, SYSTEM).len()), before, "probes");
    let (_, text) = said(machine, "recruit-milter doctor");
    assert!(text.contains("[ok] Running        agent: this configuration, key 2"), "{text}");
}

fn a_broken_file(machine: &Machine) {
    machine.succeed(&format!("echo 'local_copies = true' > {BROKEN}"));
    let (ok, text) = said(machine, "systemctl reload recruit-milter");
    assert!(!ok, "{text}");
    let (ok, text) = said(machine, "systemctl reload recruit-milter-agent");
    assert!(!ok, "{text}");
    machine.succeed("systemctl is-active recruit-milter recruit-milter-agent");
    let (_, text) = said(machine, "journalctl -u recruit-milter");
    assert!(text.contains("unknown setting \"local_copies\""), "{text}");
    assert!(answer(machine).starts_with("250 "));

    machine.succeed(RESTART);
    assert!(answer(machine).starts_with("250 "), "by the last good one");
    let (_, text) = said(machine, "systemctl status recruit-milter recruit-milter-agent");
    assert_eq!(text.matches("Status: \"goes by the last good configuration").count(), 2, "{text}");

    // Nothing to go by.
    machine.succeed("rm /var/lib/recruit-milter/last-good.json");
    machine.succeed(RESTART);
    assert!(answer(machine).starts_with("451 "));
    let (_, text) = said(machine, "systemctl status recruit-milter");
    assert!(text.contains("Status: \"all mail is put off (4xx)"), "{text}");
    machine.succeed(&format!("rm {BROKEN}"));
    wait("mail to be taken again", || answer(machine).starts_with("250 ").then_some(()));
    let (_, text) = said(machine, "recruit-milter doctor");
    assert!(text.contains("[ok] Running        milter: this configuration, key 2"), "{text}");
    machine.succeed(RELOAD);
}
