//! The end of service: messages under way are finished, nobody new is let in.
// SPDX-License-Identifier: GPL-3.0-or-later

use super::client::Client;
use super::*;
use tokio::net::UnixStream;
use tokio::time::{Instant, timeout};

#[tokio::test]
async fn idle_sessions_end_soon_and_the_sockets_are_gone() {
    let server = Server::start();
    server.works().await;
    let mut idle = [server.front().await, server.handoff().await];
    let fresh = Client::connect(&server.front).await;
    let paths = [server.front.clone(), server.handoff.clone()];
    let start = Instant::now();
    assert_eq!(server.stop().await, Drained { cut: 0 });
    assert!(start.elapsed() < SOON / 2);
    for client in idle.iter_mut().chain(&mut [fresh]) {
        assert!(client.ended().await);
    }
    assert!(paths.iter().all(|path| !path.exists()));
}

#[tokio::test]
async fn messages_under_way_are_finished_before_the_end() {
    let server = Server::start();
    let mut front = server.front().await;
    front.mail("a@example.org").await;
    front.rcpt("jobs@acme.example").await;
    let mut handoff = server.handoff().await;
    handoff.mail("a@example.org").await;
    assert_eq!(handoff.rcpt_reply("t@h.example").await, "c");
    // As Postfix does it: what needs no answer is sent with the end of the message.
    let mut late = server.front().await;
    tokio::time::sleep(Duration::from_millis(50)).await;

    let path = server.front.clone();
    let mut stopping = tokio::spawn(server.stop());
    let early = timeout(Duration::from_millis(200), &mut stopping).await;
    assert!(early.is_err(), "messages are waited for");
    assert!(UnixStream::connect(&path).await.is_err(), "nobody new is let in");

    late.mail("a@example.org").await;
    late.rcpt("jobs@acme.example").await;
    assert_eq!(late.eom("4Zx0").await.len(), 3);
    handoff.field("Subject", " hi").await;
    assert_eq!(handoff.eom("4Zx1").await.len(), 6);
    assert!(handoff.ended().await);
    assert_eq!(front.eom("4Zx2").await.len(), 3);
    assert!(front.ended().await);
    assert_eq!(stopping.await.unwrap(), Drained { cut: 0 });
}

#[tokio::test]
async fn a_message_that_does_not_end_is_cut_when_the_time_is_over() {
    let setup = Setup { drain: Duration::from_millis(200), ..Setup::default() };
    let server = setup.start();
    let mut client = server.handoff().await;
    client.mail("a@example.org").await;
    assert_eq!(client.rcpt_reply("t@h.example").await, "c");
    assert_eq!(server.stop().await, Drained { cut: 1 });
    assert!(client.ended().await);
}

#[tokio::test]
async fn a_peer_that_reads_nothing_does_not_hold_up_the_end() {
    let setup = Setup { drain: Duration::from_millis(200), ..Setup::default() };
    let server = setup.start();
    let mut client = server.handoff().await;
    client.mail("a@example.org").await;
    // Refusals until the socket is full.
    let flood = async {
        loop {
            client.rcpt("bad@h.example").await;
        }
    };
    assert!(timeout(Duration::from_millis(300), flood).await.is_err());
    assert_eq!(server.stop().await, Drained { cut: 1 });
    while client.receive().await.is_some() {}
}

#[tokio::test]
async fn connections_to_a_socket_passed_in_wait_for_the_successor() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("front.sock");
    let systemd = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let settings = MilterSettings {
        front: vec![Socket::Unix("/nonexistent/front.sock".into())],
        submission: Vec::new(),
        handoff: Vec::new(),
        accept_early: false,
        deadline: SOON,
        drain: SOON,
        max_sessions: 10,
    };
    let serve_until = |stopped: oneshot::Receiver<()>| {
        let front = crate::socket::Bound::from_unix(systemd.try_clone().unwrap()).unwrap();
        let listen = Listen { front: vec![front], ..Listen::default() };
        let listen = listen.bind(&settings).unwrap();
        let shell = Arc::new(Shell::new(Fake::default(), Notices::default()));
        let settings = settings.clone();
        tokio::spawn(async move {
            let stopped = async {
                let _ = stopped.await;
            };
            serve(listen, shell, &settings, stopped).await
        })
    };
    let (stop, stopped) = oneshot::channel();
    let first = serve_until(stopped);
    Client::connect(&path).await.negotiate().await;
    let _ = stop.send(());
    first.await.unwrap().unwrap();

    let mut client = Client::connect(&path).await;
    let (_stop, stopped) = oneshot::channel();
    serve_until(stopped);
    client.negotiate().await;
}
