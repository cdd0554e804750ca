//! Too many sessions, too few descriptors: the milter stays, says no quickly, and recovers.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::client::Client;
use super::*;
use crate::milter::liveness::{Liveness, ask};
use tokio::time::{Instant, sleep, timeout};

#[tokio::test]
async fn sessions_beyond_the_limit_are_ended_at_once() {
    let setup = Setup { max_sessions: 3, ..Setup::default() };
    let server = setup.start();
    let mut sessions = Vec::new();
    for _ in 0..3 {
        sessions.push(server.front().await);
    }
    for _ in 0..20 {
        let mut client = Client::connect(&server.front).await;
        assert!(client.ended().await);
    }
    let socket = Socket::Unix(server.front.clone());
    assert_eq!(ask(&socket, SOON).await.unwrap(), Liveness::Busy);
    server.handoff().await; // has places of its own
    sessions.pop();
    while ask(&socket, SOON).await.unwrap() == Liveness::Busy {
        tokio::task::yield_now().await;
    }
    assert_eq!(server.faults(), ["Overload"]);
}

/// Set in the environment of the process that [`a_process_with_few_descriptors`] is.
const FOLDER: &str = "RECRUIT_MILTER_TEST_FOLDER";

/// Not a test of its own: the milter with few descriptors, as a process of its own, until it is
/// killed.
#[test]
fn a_process_with_few_descriptors() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let limit = Rlimit { current: Some(32), maximum: Some(32) };
    setrlimit(Resource::Nofile, limit).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let settings = MilterSettings {
            front: vec![Socket::Unix(Path::new(&folder).join("front.sock"))],
            submission: Vec::new(),
            handoff: vec![Socket::Unix(Path::new(&folder).join("handoff.sock"))],
            accept_early: false,
            deadline: SOON,
            drain: SOON,
            max_sessions: 1000,
        };
        let listen = Listen::default().bind(&settings).unwrap();
        let shell = Arc::new(Shell::new(Fake::default(), Notices::default()));
        let _ = serve(listen, shell, &settings, std::future::pending()).await;
    });
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn without_descriptors_it_says_no_quickly_and_recovers() {
    let folder = tempfile::tempdir().unwrap();
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "milter::tests::exhaustion::a_process_with_few_descriptors"])
        .env(FOLDER, folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let mut child = Killed(child.unwrap());
    let [front, handoff] = ["front.sock", "handoff.sock"].map(|name| folder.path().join(name));
    let socket = Socket::Unix(handoff);
    let start = Instant::now();
    while ask(&socket, SOON).await.is_err() {
        assert!(start.elapsed() < SOON, "it does not start");
        sleep(Duration::from_millis(20)).await;
    }

    let mut sessions = Vec::new();
    let mut refused = 0;
    for _ in 0..60 {
        let mut client = Client::connect(&front).await;
        client.offer(0x1ff, 0x1f_ffff).await;
        let answer = timeout(SOON, client.receive()).await;
        match answer.expect("served or turned away") {
            Some(_) => sessions.push(client),
            None => refused += 1,
        }
    }
    assert!(refused > 20, "descriptors did not run out");
    assert!(child.0.try_wait().unwrap().is_none(), "it has died");
    drop(sessions);
    let recovering = Instant::now();
    loop {
        match ask(&Socket::Unix(front.clone()), SOON).await {
            Ok(Liveness::Answers) => break,
            _ => assert!(recovering.elapsed() < SOON, "no recovery"),
        }
    }
    assert!(child.0.try_wait().unwrap().is_none(), "it has died");
}
