//! Thousands of messages while the milter is killed ten times a second: none is lost, and none is
//! doubled beyond what happens without the milter.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::site::{ERIKA, INBOUND, JOBS, Setup};
use crate::harness::{Delivered, Mail, Postfix, Scratch, Site};

const MESSAGES: u32 = 2_000;
const CLIENTS: u32 = 8;
const BETWEEN_KILLS: Duration = Duration::from_millis(100);
/// So long a milter may live in which nothing is taken.
const MOST_BETWEEN_KILLS: Duration = Duration::from_secs(10);
/// How long nothing at all may arrive while something is under way. However busy the machine is, deferred
/// handoffs come back in seconds.
const PATIENCE: Duration = Duration::from_secs(240);

/// Sends all messages, each again and again until it is taken; `taken` counts those. How many attempts
/// that took.
fn send_all(port: u16, taken: &AtomicU32) -> u32 {
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
                            Ok(reply) if reply.is_ok() => {
                                taken.fetch_add(1, Ordering::Relaxed);
                                break;
                            }
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

/// Waits until nothing is under way, as long as something arrives.
fn wait_until_all_has_arrived(mx: &Postfix, ats: &Postfix, mut look: impl FnMut()) {
    let mut arrived = (0, Instant::now());
    while !(mx.queue_is_empty() && ats.queue_is_empty()) {
        look();
        let count = mx.delivery_count() + ats.delivery_count();
        if count != arrived.0 {
            arrived = (count, Instant::now());
        }
        assert!(arrived.1.elapsed() < PATIENCE, "nothing arrives any more after {count}");
        thread::sleep(Duration::from_millis(100));
    }
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
    send_all(mx.port(), &AtomicU32::new(0));
    wait_until_all_has_arrived(&mx, &ats, || {});
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
    let taken = AtomicU32::new(0);
    let attempts = thread::scope(|scope| {
        let sender = scope.spawn(|| send_all(port, &taken));
        // Also over when it has panicked.
        while !sender.is_finished() {
            let before = taken.load(Ordering::Relaxed);
            thread::sleep(BETWEEN_KILLS);
            // On a busy machine a milter that lives a tenth of a second gets nothing done, and the soak
            // has no end: each may finish something.
            let idle = Instant::now();
            while taken.load(Ordering::Relaxed) == before
                && !sender.is_finished()
                && idle.elapsed() < MOST_BETWEEN_KILLS
            {
                thread::sleep(Duration::from_millis(5));
            }
            site.watchdog.feed();
            site.daemon.kill();
            site.daemon.start();
            kills += 1;
        }
        sender.join().unwrap()
    });
    let mut last = Instant::now();
    wait_until_all_has_arrived(&site.mx, &site.ats, || {
        site.watchdog.feed();
        if last.elapsed() > Duration::from_secs(3) {
            site.mx.flush();
            last = Instant::now();
        }
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
