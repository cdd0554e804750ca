//! A proxy between Postfix and a milter socket that knows the protocol's frames, and does damage at
//! a chosen one.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::collections::HashMap;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::frame::Frame;
use super::socket::{self, Endpoint, Listener, Stream};

/// Which way a frame goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Way {
    /// From Postfix to the milter.
    In,
    /// From the milter to Postfix.
    Out,
}

/// Frames at which something shall happen: the `nth` (from 1) with a command byte, over all
/// connections since it was armed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// Which way.
    pub way: Way,
    /// The command or reply byte, such as `b'E'` for the end of message.
    pub command: u8,
    /// Which of them.
    pub nth: u32,
}

/// What happens before the frame is passed on.
pub enum Fault {
    /// The connection is cut on both sides.
    Cut,
    /// Half of the frame is passed on, then the connection is cut.
    Tear,
    /// The frame waits.
    Delay(Duration),
    /// Something else is done (a process killed, say); then the frame is passed on.
    Call(Box<dyn FnOnce() + Send>),
}

#[derive(Default)]
struct Shared {
    armed: Mutex<Option<(Point, Fault)>>,
    seen: Mutex<HashMap<(Way, u8), u32>>,
    octets: [AtomicU64; 2],
    frames: Mutex<HashMap<(Way, u8), (u64, u64)>>,
}

/// A running proxy.
pub struct Proxy {
    endpoint: Endpoint,
    shared: Arc<Shared>,
}

impl Proxy {
    /// Listens on `path` and passes everything on to the socket `upstream`.
    pub fn start(path: &Path, upstream: Endpoint) -> Self {
        let endpoint = Endpoint::Unix(path.to_owned());
        let listener = endpoint.listen().unwrap();
        let shared = Arc::new(Shared::default());
        let for_all = Arc::clone(&shared);
        thread::spawn(move || accept(&listener, &upstream, &for_all));
        Self { endpoint, shared }
    }

    /// Where it listens.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Does damage once, at the next frame that fits; counting begins now.
    pub fn arm(&self, point: Point, fault: Fault) {
        self.shared.seen.lock().unwrap().clear();
        *self.shared.armed.lock().unwrap() = Some((point, fault));
    }

    /// Takes the fault back; whether it was still to come.
    pub fn disarm(&self) -> bool {
        self.shared.armed.lock().unwrap().take().is_some()
    }

    /// The octets that were passed on, in and out, frame headers included.
    pub fn octets(&self) -> (u64, u64) {
        let get = |i: usize| self.shared.octets[i].load(Ordering::Relaxed);
        (get(0), get(1))
    }

    /// The frames with a command byte that were passed on, and the octets of data in them.
    pub fn frames(&self, way: Way, command: u8) -> (u64, u64) {
        self.shared.frames.lock().unwrap().get(&(way, command)).copied().unwrap_or_default()
    }
}

fn accept(listener: &Listener, upstream: &Endpoint, shared: &Arc<Shared>) {
    let (upstream, shared) = (upstream.clone(), Arc::clone(shared));
    listener.serve(move |client| {
        // Where the milter is down the connection closes at once, as a connect would fail. Where it
        // is stopped this can wait, but nobody else waits for it.
        let milter = upstream.connect()?;
        let (back, forth) = (milter.try_clone()?, client.try_clone()?);
        let both = Arc::clone(&shared);
        socket::thread(move || pump(Way::Out, back, forth, &both))?;
        pump(Way::In, client, milter, &shared);
        Ok(())
    });
}

fn pump(way: Way, mut from: Stream, mut to: Stream, shared: &Shared) {
    // A fault that panics must not leave half a connection behind: the milter would hold a session
    // for it, and be a long time in ending.
    let _ = catch_unwind(AssertUnwindSafe(|| pass_on(way, &mut from, &mut to, shared)));
    from.cut();
    to.cut();
}

fn pass_on(way: Way, from: &mut Stream, to: &mut Stream, shared: &Shared) {
    while let Ok(Some(frame)) = Frame::read(from) {
        match shared.due(way, frame.command) {
            None => {}
            Some(Fault::Cut) => break,
            Some(Fault::Tear) => {
                let bytes = frame.to_bytes();
                let _ = to.write_all(&bytes[..bytes.len() / 2]);
                break;
            }
            Some(Fault::Delay(time)) => thread::sleep(time),
            Some(Fault::Call(call)) => call(),
        }
        let bytes = frame.to_bytes();
        shared.octets[way as usize].fetch_add(bytes.len() as u64, Ordering::Relaxed);
        shared.count(way, &frame);
        if to.write_all(&bytes).is_err() {
            break;
        }
    }
}

impl Shared {
    fn count(&self, way: Way, frame: &Frame) {
        let mut frames = self.frames.lock().unwrap();
        let (number, octets) = frames.entry((way, frame.command)).or_default();
        *number += 1;
        *octets += frame.data.len() as u64;
    }

    fn due(&self, way: Way, command: u8) -> Option<Fault> {
        let mut seen = self.seen.lock().unwrap();
        let count = seen.entry((way, command)).or_default();
        *count += 1;
        let mut armed = self.armed.lock().unwrap();
        let hit =
            matches!(&*armed, Some((point, _)) if *point == Point { way, command, nth: *count });
        if hit { armed.take().map(|(_, fault)| fault) } else { None }
    }
}
