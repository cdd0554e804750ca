//! The milter inside the test, with faults at its own seam: what no signal and no proxy can do.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::future::pending;
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use recruit_milter::config::{self, Config};
use recruit_milter::journal::Journal;
use recruit_milter::milter::active::Active;
use recruit_milter::milter::notice::Notices;
use recruit_milter::milter::shell::Shell;
use recruit_milter::milter::stage::{Pass, Stage, StageHook};
use recruit_milter::milter::{Listen, serve};
use recruit_milter::policy::unread::Place;
use recruit_milter::reading::Net;
use tokio::sync::oneshot;

/// What happens at a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A panic.
    Panic,
    /// It never goes on.
    Hang,
    /// It takes its time.
    Slow(Duration),
}

type Unreadable = Arc<Mutex<Option<(Place, Fault)>>>;
type Armed = Arc<Mutex<Option<(Pass, Stage, Fault)>>>;

/// A milter that runs as a thread of the test. It ends when dropped.
pub struct Hooked {
    armed: Armed,
    unreadable: Unreadable,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Hooked {
    /// Serves the sockets of a configuration file, after `change` has had its way with it.
    pub fn start(path: &Path, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = config::load(path).expect("a valid configuration").config;
        change(&mut config);
        let armed = Armed::default();
        let hook = hook(&armed);
        let unreadable = Unreadable::default();
        let net = net(&unreadable);
        let (stop, stopped) = oneshot::channel();
        let (ready, is_ready) = mpsc::channel();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let settings = config.listening();
                let listen = Listen::default().bind(&settings).unwrap();
                let journal =
                    Journal::open(&config.state_dir, config.journal_size, config.journal_files);
                let active = Active::new(config, journal.clone()).with_net(net);
                let shell = Arc::new(Shell::new(active, Notices::default()).with_hook(hook));
                ready.send(()).unwrap();
                let shutdown = async {
                    // Dropped or sent: both mean stop.
                    let _ = stopped.await;
                };
                serve(listen, shell, &settings, shutdown).await.unwrap();
                journal.close(Duration::from_secs(5));
            });
            runtime.shutdown_timeout(Duration::from_secs(1));
        });
        is_ready.recv().expect("the milter's sockets are bound");
        Self { armed, unreadable, stop: Some(stop), thread: Some(thread) }
    }

    /// Does damage once, at the next time that a stage is reached.
    pub fn arm(&self, pass: Pass, stage: Stage, fault: Fault) {
        *self.armed.lock().unwrap() = Some((pass, stage, fault));
    }

    /// Does damage whenever something is read at a place, until another is named or none.
    pub fn break_readers(&self, at: Option<(Place, Fault)>) {
        *self.unreadable.lock().unwrap() = at;
    }

    /// Takes the fault back; whether it was still to come.
    pub fn disarm(&self) -> bool {
        self.armed.lock().unwrap().take().is_some()
    }
}

fn hook(armed: &Armed) -> StageHook {
    let armed = Arc::clone(armed);
    Arc::new(move |pass, stage| {
        let due = {
            let mut armed = armed.lock().unwrap();
            let hit = matches!(*armed, Some((p, s, _)) if (p, s) == (pass, stage));
            if hit { armed.take().map(|(_, _, fault)| fault) } else { None }
        };
        Box::pin(async move {
            match due {
                None => {}
                // Without the words that a panic hook would print into the test's output.
                Some(Fault::Panic) => resume_unwind(Box::new("on purpose")),
                Some(Fault::Hang) => pending().await,
                Some(Fault::Slow(time)) => tokio::time::sleep(time).await,
            }
        })
    })
}

fn net(unreadable: &Unreadable) -> Net {
    let unreadable = Arc::clone(unreadable);
    Net::with_hook(Arc::new(move |place| {
        let broken = || unreadable.lock().unwrap().filter(|(at, _)| *at == place);
        match broken().map(|(_, fault)| fault) {
            None => {}
            Some(Fault::Panic) => resume_unwind(Box::new("on purpose")),
            Some(Fault::Hang) => {
                while broken().is_some() {
                    thread::sleep(Duration::from_millis(20));
                }
            }
            Some(Fault::Slow(time)) => thread::sleep(time),
        }
    }))
}

impl Drop for Hooked {
    fn drop(&mut self) {
        self.break_readers(None);
        drop(self.stop.take());
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(thread::panicking() || matches!(ended, Some(Ok(()))), "the milter panicked");
    }
}
