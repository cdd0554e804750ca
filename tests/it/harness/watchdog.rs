//! A test that gives no sign of life for long ends all of them, with everything that is known about
//! it: a test runner that waits for ever tells nobody why.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::io::Write as _;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

/// How long a test may go on without a sign of life. Far more than any takes; far less than CI has.
const PATIENCE: Duration = Duration::from_secs(600);

/// Watches the test that made it, until it is dropped.
pub struct Watchdog(Option<Sender<()>>);

impl Watchdog {
    /// Watches the test of this thread. If it takes too long, what `report` tells is printed and
    /// the process aborted; leashes end its children. Demo and benches, whose thread is the main
    /// one, may take as long as they like.
    pub fn start(report: impl FnOnce() -> String + Send + 'static) -> Self {
        match thread::current().name() {
            None | Some("main") => Self(None),
            Some(test) => Self::with(test, PATIENCE, report, |text| give_up(&text)),
        }
    }

    fn with(
        test: &str,
        patience: Duration,
        report: impl FnOnce() -> String + Send + 'static,
        act: impl FnOnce(String) + Send + 'static,
    ) -> Self {
        let (sign, alive) = channel();
        let test = test.to_owned();
        thread::spawn(move || {
            loop {
                match alive.recv_timeout(patience) {
                    Ok(()) => {}
                    Err(RecvTimeoutError::Disconnected) => return,
                    Err(RecvTimeoutError::Timeout) => break,
                }
            }
            act(format!("{test}: no sign of life for {patience:?}\n{}", report()));
        });
        Self(Some(sign))
    }

    /// A sign of life, for a test that takes long because it does much.
    pub fn feed(&self) {
        if let Some(sign) = &self.0 {
            let _ = sign.send(());
        }
    }
}

/// Prints at once, past the test runner, which keeps what a test prints until all have ended.
pub fn loud(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Ends all tests, because one cannot go on and cannot even fail.
pub fn give_up(text: &str) -> ! {
    let thread = thread::current();
    let name = thread.name().unwrap_or("without a name");
    loud(&format!("--- given up by thread {name}\n{text}"));
    std::process::abort();
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::Command;

    use super::*;
    use crate::harness::{LIMIT, process};

    const SHORT: Duration = Duration::from_millis(200);

    #[test]
    fn a_test_without_a_sign_of_life_is_reported_by_name_and_one_that_is_over_is_not() {
        let (told, heard) = channel();
        let watch = |name: &'static str| {
            let told = told.clone();
            let report = || "all that is known".to_owned();
            Watchdog::with(name, SHORT, report, move |text| told.send(text).unwrap())
        };
        let (hangs, lives) = (watch("hangs"), watch("lives"));
        drop(watch("is over"));
        let feeder = thread::spawn(move || {
            for _ in 0..20 {
                lives.feed();
                thread::sleep(SHORT / 10);
            }
        });
        let text = heard.recv_timeout(LIMIT).unwrap();
        assert_eq!(text, "hangs: no sign of life for 200ms\nall that is known");
        feeder.join().unwrap();
        drop((hangs, told));
        assert_eq!(heard.iter().collect::<Vec<_>>(), Vec::<String>::new());
    }

    #[test]
    #[ignore = "hangs, for the test below"]
    fn hangs() {
        let _watchdog = Watchdog::with("hangs", SHORT, || "known".to_owned(), |t| give_up(&t));
        thread::sleep(LIMIT);
    }

    #[test]
    fn a_test_that_hangs_aborts_the_process_and_says_why_at_once() {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--ignored", "--exact", "harness::watchdog::tests::hangs"]);
        let output = process::output(&mut command, b"");
        assert_eq!(output.status.signal(), Some(6), "SIGABRT: {output:?}");
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(errors.contains("hangs: no sign of life for 200ms\nknown"), "{errors}");
    }
}
