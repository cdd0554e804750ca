//! The crash matrix: whatever dies, hangs or breaks at whichever stage of either pass, each message
//! that the client got through arrives exactly once everywhere it must, and nowhere else.
// SPDX-License-Identifier: GPL-3.0-or-later

mod cases;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use recruit_milter::milter::stage::{Pass, Stage};
use rustix::process::Signal;

use crate::harness::hooked::{self, Hooked};
use crate::harness::proxy::{Fault, Way};
use crate::harness::site::{ERIKA, Setup, without_ours};
use crate::harness::watchdog::loud;
use crate::harness::{Delivered, LIMIT, Mail, Site, queue, wait_until, within};
use cases::{BYSTANDER, ENVELOPES, Envelope, FRONT, HANDOFF, Moment, NO_LOCAL_COPY, reply};

/// What happens outside the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outside {
    Kill,
    Term,
    Cut,
    Tear,
    Slow,
    /// SIGSTOP until Postfix has lost patience.
    Stop,
}

const SLOW: Duration = Duration::from_millis(100);
/// Postfix's patience with the milter here, and how long a stopped one stays so.
const PATIENCE: &str = "1s";
const STOPPED: Duration = Duration::from_millis(1300);
/// How long a milter that ends waits for messages that are under way. By default as long as a client
/// here tries: then one message that never ends would fail the next as well.
const DRAIN: &str = "10s";
/// How long a client waits before it tries again.
const PAUSE: Duration = Duration::from_millis(20);
/// How long a deferred message is left alone.
const REST: Duration = Duration::from_millis(300);
/// The deadline of a step, for a milter that hangs. Long enough for a busy machine, and below
/// [`PATIENCE`].
const DEADLINE: Duration = Duration::from_millis(600);

/// The scene and what goes through it.
struct Rig {
    site: Site,
    inside: Option<Hooked>,
    /// Since when the milter is stopped: set where SIGSTOP is sent, which on a busy machine can be
    /// long after the message was.
    stopped: Arc<Mutex<Option<Instant>>>,
    sent: u32,
    /// How long a message may take to be let in.
    patience: Duration,
}

/// How a message got in.
#[derive(Default)]
struct Entry {
    id: String,
    text: String,
    /// The first answer, if it was not 250 at once.
    refused: Option<String>,
}

impl Rig {
    fn start() -> Self {
        let mut site = Site::prepare(Setup { proxies: true, ..Setup::default() });
        let text = site.config_text();
        site.daemon
            .configure(&text.replace("[milter]\n", &format!("[milter]\ndrain = \"{DRAIN}\"\n")));
        site.run();
        for name in ["recruit_milter_front", "recruit_milter_handoff"] {
            let value = site.mx.postconf(name);
            let impatient = value
                .replace("command_timeout=30s", &format!("command_timeout={PATIENCE}"))
                .replace("content_timeout=60s", &format!("content_timeout={PATIENCE}"));
            assert_ne!(value, impatient);
            site.mx.set(&[(name, &impatient)]);
        }
        // Only our flushes bring deferred mail back. With queue runs every second Postfix meets files
        // that the delivery agent has not quite let go of ("skipped, still being delivered").
        let rare = ["queue_run_delay", "minimal_backoff_time", "maximal_backoff_time"];
        site.mx.set(&rare.map(|name| (name, "600s")));
        site.mx.reload();
        // Else one of them can meet the fault that is meant for the first message.
        wait_until("the harness's own connections to three smtpd are over", LIMIT, || {
            let log = site.mx.log();
            let begun = log.matches(": connect from").count();
            begun >= 3 && begun == log.matches(": disconnect from").count()
        });
        Self { site, inside: None, stopped: Arc::default(), sent: 0, patience: LIMIT }
    }

    /// Puts the milter into this process, where its seam is.
    fn move_inside(&mut self, accept_early: bool) {
        self.inside = None;
        if self.site.daemon.is_running() {
            self.site.daemon.stop();
        }
        self.inside = Some(Hooked::start(&self.site.config, |config| {
            config.milter.deadline = DEADLINE;
            config.milter.accept_early = accept_early;
        }));
    }

    fn arm(&self, moment: &Moment, outside: Outside) {
        // Whichever process is the daemon by then; if it has just ended by itself, so much the worse
        // for the message.
        let daemon = self.site.daemon.target();
        let signal = |signal| {
            Fault::Call(Box::new(move || {
                daemon.signal(signal);
            }))
        };
        let fault = match outside {
            Outside::Kill => signal(Signal::KILL),
            Outside::Term => signal(Signal::TERM),
            Outside::Stop => {
                let (daemon, stopped) = (self.site.daemon.target(), Arc::clone(&self.stopped));
                Fault::Call(Box::new(move || {
                    if daemon.signal(Signal::STOP) {
                        *stopped.lock().unwrap() = Some(Instant::now());
                    }
                }))
            }
            Outside::Cut => Fault::Cut,
            Outside::Tear => Fault::Tear,
            Outside::Slow => Fault::Delay(SLOW),
        };
        self.proxy(moment.pass).arm(moment.point, fault);
    }

    fn proxy(&self, pass: Pass) -> &crate::harness::proxy::Proxy {
        let [front, handoff] = self.site.proxies.as_ref().expect("a scene with proxies");
        match pass {
            Pass::Front => front,
            Pass::Handoff => handoff,
            Pass::Submission => unreachable!("no proxy there"),
        }
    }

    /// What an operator (or systemd) does: starts the milter when it has ended.
    fn tend(&mut self) {
        if self.inside.is_some() {
            return;
        }
        let mut stopped = self.stopped.lock().unwrap();
        if stopped.is_some_and(|since| since.elapsed() > STOPPED) {
            self.site.daemon.target().signal(Signal::CONT);
            *stopped = None;
        }
        drop(stopped);
        if !self.site.daemon.is_running() {
            self.site.daemon.start();
        }
    }

    /// Sends a message as a mail server does: again and again until it is taken.
    fn deliver(&mut self, envelope: &Envelope) -> Result<Entry, String> {
        self.sent += 1;
        let id = format!("<{}.{}@example.org>", self.sent, envelope.recipients.len());
        let text = format!(
            "From: Erika <erika@example.org>\r\nX-Recruiting-Kind: forged\r\nTo: {}\r\n\
             Subject: Application {}\r\nMessage-ID: {id}\r\n\r\nDear all,\r\n.\r\nErika\r\n",
            envelope.recipients.join(",\r\n "),
            self.sent
        );
        let mail = Mail::new(ERIKA, envelope.recipients, text.clone());
        let mut entry = Entry { id, text, refused: None };
        let end = Instant::now() + self.patience;
        loop {
            let answer = mail.try_send(self.site.mx.port());
            let refused = match answer {
                Ok(reply) if reply.is_ok() => return Ok(entry),
                Ok(reply) if reply.is_temporary() => reply.to_string(),
                Ok(reply) => return Err(format!("refused for good: {reply}")),
                Err(error) => error.to_string(),
            };
            if Instant::now() > end {
                return Err(format!("not taken within {:?}: {refused}", self.patience));
            }
            entry.refused.get_or_insert(refused);
            self.tend();
            // Each attempt leaves a port in TIME_WAIT; thirty seconds of them could use all up.
            std::thread::sleep(PAUSE);
        }
    }

    /// Waits until all is delivered, and helps as retries in the course of an hour would.
    fn settle(&mut self) -> Result<(), String> {
        let mut empty = 0;
        let mut deferred_since = None;
        let both_are_empty = || {
            self.tend();
            let mx = &self.site.mx;
            if mx.queue_is_empty() && self.site.ats.queue_is_empty() {
                empty += 1;
            } else {
                empty = 0;
                if queue::files(&mx.queue_dir(), &["deferred"]).is_empty() {
                    deferred_since = None;
                } else if deferred_since.get_or_insert_with(Instant::now).elapsed() > REST {
                    mx.flush();
                    deferred_since = None;
                }
            }
            // A report can still be made while both look empty for a moment.
            (empty == 2).then_some(())
        };
        let settled = within(LIMIT, both_are_empty);
        settled.ok_or_else(|| format!("the queues are not empty within {LIMIT:?}"))
    }

    /// All that is known, for a case that went wrong.
    fn report(&self) -> String {
        let stopped = self.stopped.lock().ok().and_then(|since| Some((*since)?.elapsed()));
        format!("the milter is stopped since {stopped:?}\n{}", self.site.report())
    }

    /// Takes back what a case that went wrong has left.
    fn recover(&mut self) {
        for pass in [Pass::Front, Pass::Handoff] {
            self.proxy(pass).disarm();
        }
        if let Some(inside) = &self.inside {
            inside.disarm();
        }
        *self.stopped.lock().unwrap() = None;
        self.site.daemon.target().signal(Signal::CONT);
    }

    /// One message through whatever was armed.
    fn send_through(&mut self, envelope: &Envelope) -> Result<Entry, String> {
        self.site.watchdog.feed();
        self.site.mx.clear_deliveries();
        self.site.ats.clear_deliveries();
        let entry = self.deliver(envelope)?;
        self.settle()?;
        check(envelope, &entry, &self.site.mx.deliveries(), &self.site.ats.deliveries())?;
        let records = self.site.mx.report_records();
        if records.is_empty() { Ok(entry) } else { Err(format!("left over: {records:?}")) }
    }

    fn outside(
        &mut self,
        moment: &Moment,
        outside: Outside,
        envelope: &Envelope,
    ) -> Result<Entry, String> {
        self.tend();
        let starts = self.site.daemon.starts();
        self.arm(moment, outside);
        let entry = self.send_through(envelope)?;
        if self.proxy(moment.pass).disarm() {
            return Err("the moment never came".to_owned());
        }
        // One that is still about to end would take the next message and its fault for this one.
        let ends = matches!(outside, Outside::Kill | Outside::Term);
        if ends && self.site.daemon.starts() == starts {
            let ended = within(LIMIT, || (!self.site.daemon.is_running()).then_some(()));
            ended.ok_or_else(|| format!("the milter has not ended within {LIMIT:?}"))?;
        }
        Ok(entry)
    }

    fn inside(
        &mut self,
        (pass, stage): (Pass, Stage),
        fault: hooked::Fault,
        envelope: &Envelope,
    ) -> Result<Entry, String> {
        let inside = self.inside.as_ref().expect("the milter is inside");
        inside.arm(pass, stage, fault);
        let entry = self.send_through(envelope)?;
        if self.inside.as_ref().is_some_and(Hooked::disarm) {
            return Err("the moment never came".to_owned());
        }
        let must_refuse = pass == Pass::Front && !matches!(fault, hooked::Fault::Slow(_));
        match &entry.refused {
            None if must_refuse => Err("the client was not told to try again".to_owned()),
            Some(answer) if !must_refuse => Err(format!("the client was told: {answer}")),
            _ => Ok(entry),
        }
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        if std::thread::panicking() {
            loud(&self.report());
        }
    }
}

/// Whether everything is where it must be, once, and nothing anywhere else.
fn check(
    envelope: &Envelope,
    entry: &Entry,
    mx: &[Delivered],
    ats: &[Delivered],
) -> Result<(), String> {
    for (place, expected, found) in [("here", envelope.local, mx), ("there", envelope.systems, ats)]
    {
        let mut expected = expected.to_vec();
        let mut got: Vec<&str> = found.iter().map(|d| d.delivered_to.as_str()).collect();
        expected.sort_unstable();
        got.sort_unstable();
        if got != expected {
            return Err(format!("{place} arrived {got:?} instead of {expected:?}"));
        }
    }
    let sent = entry.text.replace("\r\n", "\n");
    let sent_without = String::from_utf8_lossy(&without_ours(sent.as_bytes(), 0)).into_owned();
    for (delivered, hops) in mx.iter().map(|d| (d, 1)).chain(ats.iter().map(|d| (d, 3))) {
        let text = String::from_utf8_lossy(&without_ours(&delivered.bytes, hops)).into_owned();
        if text != sent_without {
            return Err(format!("{} got {text:?}", delivered.delivered_to));
        }
    }
    for local in mx {
        let ours = count(local, "X-Recruiting-");
        if local.envelope_sender != ERIKA || ours != 1 {
            let sender = &local.envelope_sender;
            return Err(format!("{}: from {sender}, {ours} fields", local.delivered_to));
        }
    }
    for copy in ats {
        let once = ["System", "Address", "Kind: application", "Seal"]
            .iter()
            .all(|field| count(copy, &format!("X-Recruiting-{field}")) == 1);
        if !copy.envelope_sender.starts_with("recruit-bounces+") || !once {
            return Err(format!("{} got {}", copy.delivered_to, copy.text()));
        }
        if count(copy, "X-Recruiting-Kind") != 1 {
            return Err(format!("{}: a forged field is left", entry.id));
        }
    }
    Ok(())
}

/// How many fields begin like this.
fn count(delivered: &Delivered, start: &str) -> usize {
    let text = delivered.text();
    let header = text.split("\n\n").next().unwrap_or_default();
    header.lines().filter(|line| line.starts_with(start)).count()
}

/// The results, and how they are shown.
#[derive(Default)]
struct Table {
    /// By moment and fault: how many cases, how many of them went wrong, how many were first
    /// refused.
    cells: BTreeMap<(String, String), (u32, u32, u32)>,
    failures: Vec<String>,
}

/// After so many failures there is no more to learn, and each may take its time.
const ENOUGH: usize = 3;

impl Table {
    /// Whether the matrix goes on after this case.
    fn add(
        &mut self,
        rig: &mut Rig,
        moment: &str,
        fault: &str,
        envelope: &Envelope,
        result: Result<Entry, String>,
    ) -> ControlFlow<()> {
        let cell = self.cells.entry((moment.to_owned(), fault.to_owned())).or_default();
        cell.0 += 1;
        match result {
            Ok(entry) => cell.2 += u32::from(entry.refused.is_some()),
            Err(error) => {
                cell.1 += 1;
                let failure = format!("{moment}, {fault}, {}: {error}", envelope.name);
                loud(&format!("--- {failure}\n{}", rig.report()));
                self.failures.push(failure);
                rig.recover();
            }
        }
        if self.failures.len() < ENOUGH {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    }

    /// Shows what happened; a single failure fails the test.
    #[track_caller]
    fn finish(self, title: &str, begun: Instant) {
        let cases: u32 = self.cells.values().map(|cell| cell.0).sum();
        let mut text = format!("{title}: {cases} cases in {:.0?}\n", begun.elapsed());
        for ((moment, fault), (cases, failed, refused)) in &self.cells {
            let _ = writeln!(
                text,
                "{moment:<32}{fault:<8}{:>3} of {cases} exactly once, {refused} told to try again",
                cases - failed
            );
        }
        println!("{text}");
        assert!(self.failures.is_empty(), "{}", self.failures.join("\n"));
    }
}

fn faults_from_outside(title: &str, moments: &[Moment]) {
    let begun = Instant::now();
    let mut rig = Rig::start();
    let mut table = Table::default();
    // Stopped early or not, the table tells.
    let _ = each_from_outside(&mut rig, &mut table, moments);
    drop(rig);
    table.finish(title, begun);
}

fn each_from_outside(rig: &mut Rig, table: &mut Table, moments: &[Moment]) -> ControlFlow<()> {
    for moment in moments {
        let fits = |e: &&Envelope| {
            moment.point.command != reply::DEL_RCPT || moment.pass == Pass::Handoff || e.removes()
        };
        let name = format!("{}: {}", moment.pass, moment.name);
        for outside in [Outside::Kill, Outside::Term, Outside::Cut, Outside::Slow] {
            for envelope in ENVELOPES.iter().filter(fits) {
                let result = rig.outside(moment, outside, envelope);
                table.add(rig, &name, &format!("{outside:?}"), envelope, result)?;
            }
        }
        let more = if moment.point.way == Way::In {
            &[Outside::Tear, Outside::Stop][..]
        } else {
            &[Outside::Tear]
        };
        let envelope = if fits(&&BYSTANDER) { &BYSTANDER } else { &NO_LOCAL_COPY };
        for &outside in more {
            let result = rig.outside(moment, outside, envelope);
            table.add(rig, &name, &format!("{outside:?}"), envelope, result)?;
        }
    }
    ControlFlow::Continue(())
}

#[test]
fn faults_from_outside_in_pass_1_lose_and_double_nothing() {
    faults_from_outside("pass 1", &FRONT);
}

#[test]
fn faults_from_outside_in_pass_2_lose_and_double_nothing() {
    faults_from_outside("pass 2", &HANDOFF);
}

#[test]
fn faults_inside_the_program_lose_and_double_nothing() {
    let begun = Instant::now();
    let mut rig = Rig::start();
    let mut table = Table::default();
    let _ = each_inside(&mut rig, &mut table);
    drop(rig);
    table.finish("inside", begun);
}

fn each_inside(rig: &mut Rig, table: &mut Table) -> ControlFlow<()> {
    const SLOW_INSIDE: hooked::Fault = hooked::Fault::Slow(Duration::from_millis(50));
    // The front socket is told of DATA only where a message can end there, and of no content;
    // pass 2 has no use for DATA.
    let front = [Stage::Negotiate, Stage::Mail, Stage::Rcpt, Stage::Eom, Stage::Edited];
    let handoff = Stage::ALL.into_iter().filter(|stage| *stage != Stage::Data);
    let stages = front.map(|stage| (Pass::Front, stage));
    let stages = stages.into_iter().chain(handoff.map(|stage| (Pass::Handoff, stage)));
    let early = (Pass::Front, Stage::Data);
    rig.move_inside(false);
    for at in stages.chain([early]) {
        if at == early {
            rig.move_inside(true);
        }
        for fault in [hooked::Fault::Panic, hooked::Fault::Hang, SLOW_INSIDE] {
            for envelope in &ENVELOPES {
                let result = rig.inside(at, fault, envelope);
                let name = format!("{}: {}", at.0, at.1);
                table.add(rig, &name, &format!("{fault:?}"), envelope, result)?;
            }
        }
    }
    ControlFlow::Continue(())
}

#[test]
fn the_matrix_ends_after_a_few_failures_with_a_report() {
    let mut rig = Rig::start();
    // Nobody is there to take a message, and nobody comes.
    rig.patience = Duration::from_millis(100);
    rig.site.mx.stop();
    let begun = Instant::now();
    let mut table = Table::default();
    assert!(each_from_outside(&mut rig, &mut table, &FRONT).is_break());
    assert_eq!(table.failures.len(), ENOUGH);
    assert!(table.failures.iter().all(|failure| failure.contains("not taken")));
    assert!(begun.elapsed() < LIMIT, "{:?}", begun.elapsed());
    let report = rig.report();
    assert!(report.contains("State:") && report.contains("MiB free"), "{report}");
    assert!(report.contains("mail.log") && report.contains("recruit-milter.log"), "{report}");
}

#[test]
fn the_check_sees_a_loss_under_default_action_accept() {
    let mut rig = Rig::start();
    let value = rig.site.mx.postconf("recruit_milter_front");
    let careless = value.replace("default_action=tempfail", "default_action=accept");
    assert_ne!(value, careless);
    // Here an impatient Postfix would pass a slow milter by, and not the dead one that is meant.
    let careless = careless.replace(&format!("timeout={PATIENCE}"), "timeout=30s");
    rig.site.mx.set(&[("recruit_milter_front", &careless)]);
    rig.site.mx.reload();
    let at_eom = FRONT.iter().find(|moment| moment.name == "E").unwrap();
    for envelope in &ENVELOPES {
        let result = rig.outside(at_eom, Outside::Kill, envelope);
        let error = result.err().expect("a loss that nobody sees");
        assert!(error.contains("arrived []") || error.contains("instead of"), "{error}");
    }
}

#[test]
fn the_check_sees_a_double() {
    let mut rig = Rig::start();
    let entry = rig.deliver(&BYSTANDER).unwrap();
    rig.settle().unwrap();
    let (mx, ats) = (rig.site.mx.deliveries(), rig.site.ats.deliveries());
    assert_eq!(check(&BYSTANDER, &entry, &mx, &ats), Ok(()));
    let doubled = [&ats[..], &ats[..]].concat();
    assert!(check(&BYSTANDER, &entry, &mx, &doubled).is_err());
    let doubled = [&mx[..], &mx[..1]].concat();
    assert!(check(&BYSTANDER, &entry, &doubled, &ats).is_err());
    let mut misplaced = mx.clone();
    misplaced[0].envelope_sender.clear();
    assert!(check(&BYSTANDER, &entry, &misplaced, &ats).is_err());
}
