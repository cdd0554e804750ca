//! Records what Postfix and a milter say to each other, and says Postfix's part again: so a milter
//! is driven exactly as Postfix drives it, with the options and macros it has asked for.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

use crate::harness::frame::{Frame, cmd};
use crate::harness::proxy::Way;
use crate::harness::socket::{Endpoint, Stream};
use crate::harness::{LIMIT, wait_for};

/// A session, frame by frame.
#[derive(Clone, Default)]
pub(crate) struct Dialogue(Vec<(Way, Frame)>);

impl Dialogue {
    /// The octets that crossed the socket, both ways.
    pub(crate) fn octets(&self) -> usize {
        self.0.iter().map(|(_, frame)| frame.to_bytes().len()).sum()
    }

    /// How many of them are this text, wherever it stands.
    pub(crate) fn octets_of(&self, text: &str) -> usize {
        let text = text.as_bytes();
        let count = |(_, frame): &(Way, Frame)| {
            frame.data.windows(text.len()).filter(|window| *window == text).count()
        };
        self.0.iter().map(count).sum::<usize>() * text.len()
    }

    /// The part before a command of Postfix's and its macros.
    pub(crate) fn before(&self, command: u8) -> Self {
        let begins = |(way, frame): &(Way, Frame)| {
            let of_command = frame.command == cmd::MACRO && frame.data.first() == Some(&command);
            *way == Way::In && (of_command || frame.command == command)
        };
        let at = self.0.iter().position(begins).expect("the command is in the dialogue");
        Self(self.0[..at].to_vec())
    }

    /// The part from there on.
    pub(crate) fn from(&self, command: u8) -> Self {
        Self(self.0[self.before(command).0.len()..].to_vec())
    }

    /// Says Postfix's part and waits for the milter's. Frames that need no answer are sent together
    /// with the next that does, as Postfix does.
    pub(crate) fn play(&self, stream: &mut Stream) {
        let mut out = Vec::new();
        for (way, frame) in &self.0 {
            match way {
                Way::In => out.extend(frame.to_bytes()),
                Way::Out => {
                    if !out.is_empty() {
                        stream.write_all(&out).unwrap();
                        out.clear();
                    }
                    let got = Frame::read(stream).unwrap().expect("the milter stays");
                    assert_eq!(got.command, frame.command, "another answer than to Postfix");
                }
            }
        }
        stream.write_all(&out).unwrap();
    }

    /// A session from beginning to end.
    pub(crate) fn play_session(&self, milter: &Endpoint) {
        let mut stream = milter.connect().unwrap();
        self.play(&mut stream);
        assert_eq!(Frame::read(&mut stream).unwrap(), None, "QUIT ends the session");
    }
}

/// Listens in Postfix's way to a milter.
pub(crate) struct Recorder {
    endpoint: Endpoint,
    sessions: Arc<Mutex<Vec<Arc<Mutex<Dialogue>>>>>,
}

impl Recorder {
    /// Listens on `path` and passes everything on to the socket `upstream`.
    pub(crate) fn start(path: &Path, upstream: Endpoint) -> Self {
        let endpoint = Endpoint::Unix(path.to_owned());
        let listener = endpoint.listen().unwrap();
        let sessions: Arc<Mutex<Vec<_>>> = Arc::default();
        let all = Arc::clone(&sessions);
        thread::spawn(move || {
            while let Ok(postfix) = listener.accept() {
                let milter = upstream.connect().unwrap();
                let dialogue = Arc::default();
                all.lock().unwrap().push(Arc::clone(&dialogue));
                let ends = (postfix.try_clone().unwrap(), milter.try_clone().unwrap());
                let out = Arc::clone(&dialogue);
                thread::spawn(move || pump(Way::In, postfix, milter, &dialogue));
                thread::spawn(move || pump(Way::Out, ends.1, ends.0, &out));
            }
        });
        Self { endpoint, sessions }
    }

    /// Where it listens.
    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// How many sessions there were so far.
    pub(crate) fn count(&self) -> usize {
        self.sessions.lock().unwrap().len()
    }

    /// The first session with a message after `skipped` others, once it is over.
    pub(crate) fn dialogue(&self, skipped: usize) -> Dialogue {
        wait_for("a whole session with a message", LIMIT, || {
            let sessions = self.sessions.lock().unwrap();
            let later = sessions.iter().skip(skipped);
            let mut dialogues = later.map(|dialogue| dialogue.lock().unwrap().clone());
            dialogues.find(|dialogue| {
                let says = |command| {
                    let mut sent = dialogue.0.iter().filter(|(way, _)| *way == Way::In);
                    sent.any(|(_, frame)| frame.command == command)
                };
                says(cmd::MAIL) && says(cmd::QUIT)
            })
        })
    }
}

fn pump(way: Way, mut from: Stream, mut to: Stream, dialogue: &Mutex<Dialogue>) {
    while let Ok(Some(frame)) = Frame::read(&mut from) {
        // Recorded before it is passed on, so that no answer can stand before its question.
        dialogue.lock().unwrap().0.push((way, frame.clone()));
        if to.write_all(&frame.to_bytes()).is_err() {
            break;
        }
    }
    from.cut();
    to.cut();
}
