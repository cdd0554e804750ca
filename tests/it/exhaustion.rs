//! Too much of everything: the daemon stays, turns away what it cannot serve, and recovers.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fs;
use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use crate::harness::milter_client::MilterClient;
use crate::harness::site::{ERIKA, JOBS, Setup};
use crate::harness::socket::Endpoint;
use crate::harness::{LIMIT, Mail, Site, wait_until};

const MESSAGE: &str = "From: erika@example.org\r\nSubject: x\r\n\r\nx\r\n";

fn front(site: &Site) -> PathBuf {
    site.mx.queue_dir().join("recruit-milter/front.sock")
}

fn deferred(site: &Site) -> bool {
    Mail::new(ERIKA, &[JOBS], MESSAGE).try_send(site.mx.port()).unwrap().code == 451
}

/// Mail is served again once the load is gone.
fn recovers(site: &mut Site) {
    wait_until("mail is served again", LIMIT, || !deferred(site));
    site.settle();
    // What was taken before the load was full, and now: each in both places.
    assert!(!site.inbound().is_empty());
    assert_eq!(site.inbound().len(), site.mx.maildir(JOBS).len());
    assert!(site.daemon.is_running());
}

fn started(site: &mut Site) {
    site.daemon.start();
    site.attach();
    site.ats.start();
    site.mx.start();
}

#[test]
fn without_descriptors_left_mail_is_deferred_at_once_until_there_are_some() {
    let mut site = Site::prepare(Setup::default());
    site.daemon.wrap(&["prlimit", "--nofile=48:48"]);
    started(&mut site);
    let path = front(&site);
    let idle: Vec<UnixStream> = (0..200).filter_map(|_| UnixStream::connect(&path).ok()).collect();
    wait_until("mail is deferred", LIMIT, || deferred(&site));
    site.daemon.wait_for_log("alarm=accept");
    drop(idle);
    recovers(&mut site);
}

#[test]
fn beyond_max_sessions_mail_is_deferred_at_once_until_there_is_room() {
    let mut site = Site::prepare(Setup::default());
    let text = site.config_text();
    site.daemon.configure(&text.replace("[milter]\n", "[milter]\nmax_sessions = 5\n"));
    started(&mut site);
    let socket = Endpoint::Unix(front(&site));
    let mut idle = Vec::new();
    wait_until("mail is deferred", LIMIT, || {
        // The sessions of the harness's own look at the socket end a moment later.
        idle.extend(MilterClient::connect(&socket));
        deferred(&site)
    });
    site.daemon.wait_for_log("alarm=overload");
    drop(idle);
    recovers(&mut site);
}

/// Resident memory in KiB.
fn resident(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn a_thousand_idle_sessions_and_half_frames_cost_bounded_memory() {
    let mut site = Site::prepare(Setup::default());
    started(&mut site);
    let before = resident(site.daemon.pid());
    let socket = Endpoint::Unix(front(&site));
    let idle: Vec<MilterClient> = (0..1000).map(|_| MilterClient::ready(&socket)).collect();
    let half: Vec<UnixStream> = (0..100)
        .map(|_| {
            let mut stream = UnixStream::connect(front(&site)).unwrap();
            // A megabyte is announced and a little of it sent.
            let _ = stream.write_all(&[0, 0x10, 0, 0, b'L', b'x', b'x']);
            stream
        })
        .collect();
    assert!(!deferred(&site), "others are served meanwhile");
    let grown = resident(site.daemon.pid()) - before;
    println!("1,000 idle sessions and 100 half frames: {grown} KiB more than {before} KiB");
    // What is measured is some 20 KiB a session; a megabyte for each half frame would be 100 MiB.
    assert!(grown < 64 * 1024, "{grown} KiB");
    drop((idle, half));
    site.settle();
    assert_eq!(site.inbound().len(), 1);
    assert!(site.daemon.is_running());
}
