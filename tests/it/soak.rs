//! Thousands of messages while the milter is killed ten times a second: none is lost, and none is
//! doubled beyond what happens without the milter.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::site::{ERIKA, INBOUND, JOBS, Setup};
use crate::harness::{Delivered, Mail, Postfix, Scratch, Site, wait_until};

const MESSAGES: u32 = 2_000;
const CLIENTS: u32 = 8;
const BETWEEN_KILLS: Duration = Duration::from_millis(100);
/// Deferred handoffs come back in seconds; a whole soak, with all retries, in a minute or two.
const PATIENCE: Duration = Duration::from_secs(240);

/// Sends all messages, each again and again until it is taken. How many attempts that took.
fn send_all(port: u16) -> u32 {
    let (next, attempts) = (AtomicU32::new(0), AtomicU32::new(0));
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= MESSAGES {
                        break;
                    }
                    let text = format!(
                        "From: {ERIKA}\r\nSubject: {number}\r\n\r\nApplication {number}\r\n"
                    );
                    let mail = Mail::new(ERIKA, &[JOBS], text);
                    loop {
                        attempts.fetch_add(1, Ordering::Relaxed);
                        match mail.try_send(port) {
                            Ok(reply) if reply.is_ok() => break,
                            Ok(reply) => assert!(reply.is_temporary(), "{reply}"),
                            // Cut off: the client cannot know, and tries again.
                            Err(_) => {}
                        }
                        thread::sleep(Duration::from_millis(20));
                    }
                }
            });
        }
    });
    attempts.into_inner()
}

/// Lost and doubled, by the subjects that arrived.
fn account(delivered: &[Delivered]) -> (u32, u32) {
    let mut counts: HashMap<String, u32> = HashMap::new();
    for one in delivered {
        let text = one.text();
        let subject =
            text.lines().find_map(|line| line.strip_prefix("Subject: ")).unwrap_or("none");
        *counts.entry(subject.to_owned()).or_default() += 1;
    }
    let lost = (0..MESSAGES).filter(|n| !counts.contains_key(&n.to_string())).count();
    let doubled = counts.values().map(|count| count - 1).sum();
    (u32::try_from(lost).unwrap(), doubled)
}

/// The control: Postfix alone forwards by alias, nothing is killed.
fn control() -> (u32, u32) {
    let scratch = Scratch::new();
    let ats = Postfix::builder(&scratch, "ats").catch_all().start();
    let mx = Postfix::builder(&scratch, "mx")
        .mailbox(JOBS)
        .param("virtual_alias_maps", &format!("inline:{{ {{ {JOBS} = {JOBS}, {INBOUND} }} }}"))
        .param("default_transport", &format!("smtp:[127.0.0.1]:{}", ats.port()))
        .start();
    send_all(mx.port());
    wait_until("all has arrived", PATIENCE, || mx.queue_is_empty() && ats.queue_is_empty());
    account(&ats.deliveries())
}

#[test]
fn a_kill_every_tenth_of_a_second_loses_and_doubles_nothing() {
    let begun = Instant::now();
    let mut site = Site::with(Setup {
        mx: Some(|mx| mx.param("default_destination_concurrency_failed_cohort_limit", "0")),
        ..Setup::default()
    });
    let port = site.mx.port();
    let mut kills = 0u32;
    let attempts = thread::scope(|scope| {
        let sender = scope.spawn(|| send_all(port));
        // Also over when it has panicked.
        while !sender.is_finished() {
            thread::sleep(BETWEEN_KILLS);
            site.daemon.kill();
            site.daemon.start();
            kills += 1;
        }
        sender.join().unwrap()
    });
    let mut last = Instant::now();
    wait_until("all has arrived", PATIENCE, || {
        if last.elapsed() > Duration::from_secs(3) {
            site.mx.flush();
            last = Instant::now();
        }
        site.mx.queue_is_empty() && site.ats.queue_is_empty()
    });
    let copies = account(&site.inbound());
    let local = account(&site.mx.maildir(JOBS));
    let others = site.mx.delivery_count() + site.ats.delivery_count();
    let control = control();
    println!(
        "{MESSAGES} messages in {attempts} attempts under {kills} kills in {:.0?}: \
         lost {}, doubled {}; local copies: lost {}, doubled {}; without the milter: lost {}, doubled {}",
        begun.elapsed(),
        copies.0,
        copies.1,
        local.0,
        local.1,
        control.0,
        control.1
    );
    assert_eq!((copies.0, local.0, control.0), (0, 0, 0), "lost");
    assert!(copies.1 <= control.1, "doubled");
    assert_eq!(local.1, copies.1);
    let all = 2 * MESSAGES + copies.1 + local.1;
    assert_eq!(u32::try_from(others).unwrap(), all, "nobody else got anything");
    assert!(kills > 20, "the milter was killed while mail came in");
}
