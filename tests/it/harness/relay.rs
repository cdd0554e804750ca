//! A relay for protocols in lines (SMTP, LMTP), which does something at a chosen line.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::io::{BufRead as _, BufReader, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::thread;

use super::socket::{self, Endpoint, Listener, Stream};

/// Which way a line goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the client to the server.
    In,
    /// From the server to the client.
    Out,
}

/// The first line that goes one way and begins so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// Which way.
    pub way: Way,
    /// How it begins.
    pub begins: &'static str,
}

type Act = Box<dyn FnOnce() + Send>;

/// A running relay.
pub struct Relay {
    armed: Arc<Mutex<Option<(Line, Act)>>>,
}

impl Relay {
    /// Listens on `at` and passes everything on to `upstream`.
    pub fn start(at: &Endpoint, upstream: Endpoint) -> Self {
        let listener = at.listen().unwrap();
        let armed = Arc::<Mutex<Option<(Line, Act)>>>::default();
        let for_all = Arc::clone(&armed);
        thread::spawn(move || accept(&listener, &upstream, &for_all));
        Self { armed }
    }

    /// Does something once, at the first line that fits and before it is passed on.
    pub fn arm(&self, line: Line, act: impl FnOnce() + Send + 'static) {
        *self.armed.lock().unwrap() = Some((line, Box::new(act)));
    }

    /// Takes it back; whether it was still to come.
    pub fn disarm(&self) -> bool {
        self.armed.lock().unwrap().take().is_some()
    }
}

fn accept(listener: &Listener, upstream: &Endpoint, armed: &Arc<Mutex<Option<(Line, Act)>>>) {
    let (upstream, armed) = (upstream.clone(), Arc::clone(armed));
    listener.serve(move |client| {
        // Where the server is down the connection closes at once, as a connect would fail.
        let server = upstream.connect()?;
        let (back, forth) = (server.try_clone()?, client.try_clone()?);
        let both = Arc::clone(&armed);
        socket::thread(move || pump(Way::Out, &back, forth, &both))?;
        pump(Way::In, &client, server, &armed);
        Ok(())
    });
}

fn pump(way: Way, from: &Stream, mut to: Stream, armed: &Mutex<Option<(Line, Act)>>) {
    // What is done at a line may panic; the connection is cut all the same.
    let _ = catch_unwind(AssertUnwindSafe(|| pass_on(way, from, &mut to, armed)));
    from.cut();
    to.cut();
}

fn pass_on(way: Way, from: &Stream, to: &mut Stream, armed: &Mutex<Option<(Line, Act)>>) {
    let Ok(from) = from.try_clone() else { return };
    let mut from = BufReader::new(from);
    let mut bytes = Vec::new();
    while from.read_until(b'\n', &mut bytes).is_ok_and(|read| read > 0) {
        let due = {
            let mut armed = armed.lock().unwrap();
            let fits = |(line, _): &(Line, Act)| {
                line.way == way && bytes.starts_with(line.begins.as_bytes())
            };
            if armed.as_ref().is_some_and(fits) { armed.take() } else { None }
        };
        if let Some((_, act)) = due {
            act();
        }
        if to.write_all(&bytes).is_err() {
            break;
        }
        bytes.clear();
    }
}
