//! The milter by itself: what crosses its socket, what the protocol costs it, and its memory.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fs;
use std::thread;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::cpu;
use crate::harness::frame::cmd;
use crate::harness::site::{BOB, ERIKA, JOBS};
use crate::harness::socket::{Endpoint, Stream};
use crate::harness::{Mail, Postfix, Scratch, Site};
use crate::programs::Nothing;
use crate::record::{Dialogue, Recorder};

/// Lets this process, and the milter that it starts, have as many descriptors as a service has.
pub(crate) fn raise_descriptors() {
    let hard = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: hard, maximum: hard }).unwrap();
}

/// recruit-milter with both its sockets' dialogues, as Postfix had them.
pub(crate) struct Ours {
    site: Site,
    front: Endpoint,
    handoff: Endpoint,
    /// A message that is not ours, at the front socket.
    pub(crate) others: Dialogue,
    /// An application, at the handoff socket.
    pub(crate) application: Dialogue,
}

impl Ours {
    /// Starts it and has Postfix send it `message` twice.
    pub(crate) fn start(message: &[u8]) -> Self {
        let mut site = Site::start();
        let folder = site.mx.queue_dir().join("recruit-milter");
        let [front, handoff] =
            ["front.sock", "handoff.sock"].map(|name| Endpoint::Unix(folder.join(name)));
        let record = |milter: &Endpoint, name: &str| {
            let recorder = Recorder::start(&folder.join(name), milter.clone());
            let parameter = format!("recruit_milter_{name}");
            let old = site.mx.postconf(&parameter);
            let (_, rest) = old.split_once(',').expect("a milter with options");
            let new = format!("{{ {},{rest}", recorder.endpoint().for_postfix());
            site.mx.set(&[(&parameter, &new)]);
            recorder
        };
        let recorders = [record(&front, "front"), record(&handoff, "handoff")];
        site.mx.reload();
        // The first session may still be with a process that began before the reload.
        Mail::new(ERIKA, &[BOB], "Subject: first\r\n\r\n").send(site.mx.port());
        site.settle();
        let recorded = recorders[0].count();
        Mail::new(ERIKA, &[BOB], message).send(site.mx.port());
        let others = recorders[0].dialogue(recorded);
        Mail::new(ERIKA, &[JOBS], message).send(site.mx.port());
        let application = recorders[1].dialogue(0);
        site.settle();
        Self { site, front, handoff, others, application }
    }

    /// Memory after a start, in MB.
    pub(crate) fn idle(&mut self) -> Memory {
        self.site.daemon.stop();
        self.site.daemon.start();
        self.memory()
    }

    /// Memory with so many SMTP sessions that have not sent mail yet.
    pub(crate) fn with_idle_sessions(&mut self, count: usize) -> Memory {
        self.idle();
        let greeting = self.others.before(cmd::MAIL);
        let sessions = open(&self.front, count, &greeting);
        let memory = self.memory();
        drop(sessions);
        memory
    }

    /// Memory with so many applications at the handoff, each sent but for its end; and what it was
    /// at most until all have ended.
    pub(crate) fn with_applications(&mut self, count: usize) -> (Memory, f64) {
        self.idle();
        let mut sessions = open(&self.handoff, count, &self.application.before(cmd::EOM));
        let memory = self.memory();
        let end = self.application.from(cmd::EOM);
        for session in &mut sessions {
            end.play(session);
        }
        (memory, megabytes(self.site.daemon.pid(), "VmHWM"))
    }

    fn memory(&self) -> Memory {
        let pid = self.site.daemon.pid();
        Memory { resident: megabytes(pid, "VmRSS"), own: megabytes(pid, "RssAnon") }
    }
}

/// Memory of a process in MB.
pub(crate) struct Memory {
    /// All that is resident.
    pub(crate) resident: f64,
    /// The part that is no file.
    pub(crate) own: f64,
}

fn open(milter: &Endpoint, count: usize, dialogue: &Dialogue) -> Vec<Stream> {
    let session = |_| {
        let mut stream = milter.connect().unwrap();
        dialogue.play(&mut stream);
        stream
    };
    (0..count).map(session).collect()
}

fn megabytes(pid: u32, field: &str) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let value = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    let kib = value.and_then(|v| v.split_whitespace().next()?.parse::<f64>().ok());
    kib.expect("a number of KiB") * 1024.0 / 1e6
}

/// What Postfix says to the do-nothing program.
pub(crate) fn dialogue_with(nothing: &Nothing, scratch: &Scratch, message: &[u8]) -> Dialogue {
    let recorder = Recorder::start(&scratch.join("nothing.proxy"), nothing.endpoint.clone());
    let postfix = Postfix::builder(scratch, "recorded")
        .mailbox(BOB)
        .param("smtpd_milters", &recorder.endpoint().for_postfix())
        .start();
    Mail::new(ERIKA, &[BOB], message).send(postfix.port());
    recorder.dialogue(0)
}

/// CPU of recruit-milter as a ratio to that of the do-nothing program, in each round: `count`
/// sessions of one message, `at_once` at a time.
pub(crate) fn ratios(
    ours: &Ours,
    nothing: (&Nothing, &Dialogue),
    (rounds, count, at_once): (usize, usize, usize),
) -> Vec<f64> {
    let (c, c_dialogue) = nothing;
    let mut ratios = Vec::new();
    for round in 0..=rounds {
        let theirs = cpu::cost(&[c.pid()], || drive(&c.endpoint, c_dialogue, count, at_once));
        let pid = ours.site.daemon.pid();
        let own = cpu::cost(&[pid], || drive(&ours.front, &ours.others, count, at_once));
        if round > 0 {
            ratios.push(own / theirs);
        }
    }
    ratios
}

fn drive(milter: &Endpoint, dialogue: &Dialogue, count: usize, at_once: usize) {
    thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                for _ in 0..count / at_once {
                    dialogue.play_session(milter);
                }
            });
        }
    });
}
