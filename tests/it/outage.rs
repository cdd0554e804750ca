//! Whoever else a mail is for is not kept waiting by us, and what waits goes on by itself.
// SPDX-License-Identifier: GPL-3.0-or-later

use rustix::process::Signal;

use crate::harness::postfix::Builder;
use crate::harness::site::{BOB, ERIKA, JOBS, Setup};
use crate::harness::{LIMIT, Mail, Site, wait_until};

const MESSAGE: &str = "From: erika@example.org\r\nSubject: x\r\n\r\nx\r\n";

/// Retries with seconds between them.
// Postfix: a retry that meets a file which the delivery agent has not let go of ("skipped, still
// being delivered") is put off for a minute. Times are whole seconds, so a back-off of one second
// can be over at once; of three, it leaves the agent two.
fn with_pauses(mx: Builder) -> Builder {
    mx.param("queue_run_delay", "2s")
        .param("minimal_backoff_time", "3s")
        .param("maximal_backoff_time", "3s")
}

/// A scene whose company waits between retries.
fn setup() -> Setup {
    Setup { mx: Some(with_pauses), ..Setup::default() }
}

/// Sends to a colleague and to a recruiting address, expects both local copies at once and no
/// forward yet.
fn send_into_the_outage(site: &Site) {
    Mail::new(ERIKA, &[BOB, JOBS], MESSAGE).send(site.mx.port());
    site.mx.wait_for_mail(BOB, 1);
    site.mx.wait_for_mail(JOBS, 1);
    site.mx.wait_for_log("status=deferred");
    assert_eq!(site.inbound().len(), 0);
}

/// Waits for the copy, and does nothing for it.
fn comes_by_itself(site: &Site) {
    wait_until("the copy has arrived", LIMIT, || site.inbound().len() == 1);
    site.settle();
    assert_eq!((site.mx.delivery_count(), site.ats.delivery_count()), (2, 1), "and nothing else");
}

#[test]
fn with_the_second_smtpd_down_the_colleague_is_served_and_the_copy_follows() {
    let mut site = Site::prepare(setup());
    site.daemon.start();
    site.attach();
    let service = format!("127.0.0.1:{}/inet", site.handoff_port());
    let lines = site.mx.run("postconf", &["-M", &service], b"");
    assert!(lines.status.success());
    let master = site.mx.config_dir().join("master.cf");
    let whole = std::fs::read_to_string(&master).unwrap();
    assert!(site.mx.run("postconf", &["-MX", &service], b"").status.success());
    site.ats.start();
    site.mx.start();
    send_into_the_outage(&site);
    std::fs::write(&master, whole).unwrap();
    site.mx.reload();
    comes_by_itself(&site);
}

#[test]
fn with_the_handoff_socket_down_the_colleague_is_served_and_the_copy_follows() {
    let mut site = Site::with(setup());
    // The handoff socket alone is gone: pass 1 goes on.
    let socket = site.mx.queue_dir().join("recruit-milter/handoff.sock");
    let hidden = socket.with_extension("hidden");
    std::fs::rename(&socket, &hidden).unwrap();
    send_into_the_outage(&site);
    std::fs::rename(&hidden, &socket).unwrap();
    comes_by_itself(&site);
    assert!(site.daemon.is_running());
}

#[test]
fn with_the_recruiting_system_down_the_copy_follows_and_the_delay_is_noted() {
    let mut site = Site::with(setup());
    site.ats.stop();
    Mail::new(ERIKA, &[BOB, JOBS], MESSAGE).send(site.mx.port());
    site.mx.wait_for_mail(JOBS, 1);
    site.mx.wait_for_log("status=deferred");
    site.ats.start();
    comes_by_itself(&site);
    site.daemon.wait_for_log("outcome=relayed");
}

#[test]
fn a_frozen_milter_costs_other_mail_a_deferral_and_no_more() {
    let mut site = Site::prepare(Setup {
        mx: Some(|mx| with_pauses(mx).param("milter_command_timeout", "2s")),
        ..Setup::default()
    });
    site.daemon.start();
    site.attach();
    let front = site.mx.postconf("recruit_milter_front");
    let quick = front.replace("timeout=30s", "timeout=2s").replace("timeout=60s", "timeout=2s");
    assert_ne!(quick, front);
    site.mx.set(&[("recruit_milter_front", &quick)]);
    site.ats.start();
    site.mx.start();
    site.daemon.signal(Signal::STOP);
    let reply = Mail::new(ERIKA, &[BOB], MESSAGE).try_send(site.mx.port()).unwrap();
    assert_eq!(reply.code, 451);
    site.daemon.signal(Signal::CONT);
    Mail::new(ERIKA, &[BOB, JOBS], MESSAGE).send(site.mx.port());
    comes_by_itself(&site);
}
