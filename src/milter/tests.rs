//! The milter role as an MTA sees it: over real sockets, with decisions that only write down what
//! they are asked.
// SPDX-License-Identifier: GPL-3.0-or-later

mod client;
mod dialogue;
mod drain;
mod exhaustion;
mod faults;
mod submission;
mod unread;
mod violations;
mod wire;

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::decide::{Decide, FrontMessage, Opening, WholeMessage};
use super::notice::{Notice, Notices};
use super::shell::Shell;
use super::stage::StageHook;
use super::{Drained, Listen, serve};
use crate::config::{MilterSettings, Socket};
use crate::mail::{
    Address, FieldBody, Notify, OwnField, OwnName, PlainField, PlainName, Recipient,
};
use crate::plan::{Plan, PlanBuilder, Reply, ReplyText, Ret};
use client::Client;

/// Long enough for anything that should happen, on a busy machine too.
const SOON: Duration = Duration::from_secs(60);

/// What the fake decisions were asked and told, a line each.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn line(&self, line: String) {
        self.0.lock().unwrap().push(line);
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// Decisions that write down everything. Addresses that begin with `jobs` are recruiting addresses.
#[derive(Clone)]
struct Fake {
    log: Log,
    accept_early: bool,
    deadline: Duration,
    wants_body: bool,
    /// Whether `record` panics.
    bad_record: bool,
}

impl Default for Fake {
    fn default() -> Self {
        Self {
            log: Log::default(),
            accept_early: false,
            deadline: SOON,
            wants_body: false,
            bad_record: false,
        }
    }
}

struct FakeMessage {
    policy: Arc<Fake>,
    sender: String,
    recipients: Vec<Recipient>,
}

struct FakeSubmission(FakeMessage);

struct FakeHandoff(FakeMessage);

impl Decide for Fake {
    type Front = FakeMessage;
    type Handoff = FakeHandoff;
    type Submission = FakeSubmission;
    type Record = String;

    fn accept_early(&self) -> bool {
        self.accept_early
    }

    fn deadline(&self) -> Duration {
        self.deadline
    }

    fn is_asked_for(&self, command: &[u8]) -> bool {
        command == b"ASKED"
    }

    fn concerns(&self, resolved: &str) -> bool {
        resolved.starts_with("jobs")
    }

    fn front(self: &Arc<Self>, opening: Opening) -> FakeMessage {
        self.open("front", opening)
    }

    /// Nobody called `bad` may send.
    fn submission(self: &Arc<Self>, opening: Opening) -> Result<FakeSubmission, Reply> {
        if opening.sender.printable().starts_with("bad") {
            return Err(Reply::Reject(ReplyText::NotThisSender));
        }
        Ok(FakeSubmission(self.open("submission", opening)))
    }

    fn handoff(self: &Arc<Self>, opening: Opening) -> FakeHandoff {
        FakeHandoff(self.open("handoff", opening))
    }

    fn record(&self, record: String, carried_out: Result<(), String>) {
        assert!(!self.bad_record, "a record that fails");
        self.log.line(format!("record {record} {carried_out:?}"));
    }
}

impl Fake {
    fn open(self: &Arc<Self>, pass: &str, opening: Opening) -> FakeMessage {
        let sender = opening.sender.printable();
        let mut line = format!("{pass} from {sender}");
        for arg in &opening.sender_args {
            let _ = write!(line, " {}", arg.escape_ascii());
        }
        if let Some(login) = opening.origin.login {
            let _ = write!(line, " login {login}");
        }
        if let Some(client) = opening.origin.client {
            let _ = write!(line, " client {client}");
        }
        if let Some(server) = opening.origin.server {
            let _ = write!(line, " server {server}");
        }
        self.log.line(line);
        FakeMessage { policy: Arc::clone(self), sender, recipients: Vec::new() }
    }
}

impl FakeMessage {
    fn recipient(&mut self, recipient: Recipient) {
        let mut line = format!("rcpt {}", recipient.resolved);
        for arg in &recipient.args {
            let _ = write!(line, " {}", arg.escape_ascii());
        }
        self.policy.log.line(line);
        self.recipients.push(recipient);
    }

    fn note_field(&self, name: &[u8], body: &[u8]) {
        let (name, body) = (name.escape_ascii(), body.escape_ascii());
        self.policy.log.line(format!("field {name}:{body}"));
    }

    fn record(&self, queue_id: Option<&str>) -> String {
        let recipients = self.recipients.iter().map(|r| r.resolved.as_str());
        let recipients: Vec<&str> = recipients.collect();
        let id = queue_id.unwrap_or("NOQUEUE");
        format!("{id} from {} to {}", self.sender, recipients.join(" "))
    }
}

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

impl FrontMessage for FakeMessage {
    type Record = String;

    fn rcpt(&mut self, recipient: Recipient) {
        self.recipient(recipient);
    }

    /// Every recipient is exchanged for a token.
    fn finish(self, queue_id: Option<&str>) -> (Plan, String) {
        let mut plan = PlanBuilder::default();
        for recipient in &self.recipients {
            let path = recipient.path.clone();
            plan.replace_rcpt(path, address("t@h.example"), Notify::Never, None);
        }
        (plan.build(), self.record(queue_id))
    }
}

impl WholeMessage for FakeSubmission {
    type Record = String;

    /// None that is called `bad`.
    fn rcpt(&mut self, recipient: Recipient, transport: Option<&str>) -> Result<(), Reply> {
        if recipient.resolved.starts_with("bad") {
            return Err(Reply::Tempfail(ReplyText::TooMuch));
        }
        if let Some(transport) = transport {
            self.0.policy.log.line(format!("by {transport}"));
        }
        self.0.recipient(recipient);
        Ok(())
    }

    fn field(&mut self, name: &[u8], body: &[u8]) {
        self.0.note_field(name, body);
    }

    /// Two edits.
    fn finish(self, queue_id: Option<&str>) -> (Plan, String) {
        let record = self.0.record(queue_id);
        let mut plan = PlanBuilder::default();
        plan.add_header(PlainField {
            name: PlainName::date(),
            body: FieldBody::new("today").unwrap(),
        });
        plan.chg_from_plain(address("b+1@acme.example"));
        (plan.build(), record)
    }
}

impl WholeMessage for FakeHandoff {
    type Record = String;

    /// One recipient, and none that is called `bad` or `later`.
    fn rcpt(&mut self, recipient: Recipient, _: Option<&str>) -> Result<(), Reply> {
        if recipient.resolved.starts_with("bad") {
            return Err(Reply::Reject(ReplyText::NotOurs));
        }
        if recipient.resolved.starts_with("later") {
            return Err(Reply::Tempfail(ReplyText::UnknownHandoff));
        }
        if !self.0.recipients.is_empty() {
            return Err(Reply::Tempfail(ReplyText::OneAtATime));
        }
        self.0.recipient(recipient);
        Ok(())
    }

    fn field(&mut self, name: &[u8], body: &[u8]) {
        self.0.note_field(name, body);
    }

    fn wants_body(&self) -> bool {
        self.0.policy.wants_body
    }

    fn body(&mut self, piece: &[u8]) {
        self.0.policy.log.line(format!("body {}", piece.len()));
    }

    /// What a forward looks like; `void` is discarded, and a NUL in the path cannot be sent.
    fn finish(self, queue_id: Option<&str>) -> (Plan, String) {
        let record = self.0.record(queue_id);
        let mut plan = PlanBuilder::default();
        for recipient in &self.0.recipients {
            if recipient.resolved.starts_with("void") {
                return (Plan::only(Reply::Discard), record);
            }
            let mut path = recipient.path.clone();
            if recipient.resolved.starts_with("unspeakable") {
                path = crate::mail::RawPath::new(b"<a\0b>".to_vec());
            }
            plan.replace_rcpt(path, address("in@ats.example"), Notify::Always, None);
        }
        plan.fields(vec![OwnField {
            name: OwnName::ours("System"),
            body: FieldBody::new("personio").unwrap(),
        }]);
        plan.del_header(OwnName::ours("Seal"), 1);
        plan.chg_from(address("b+1@acme.example"), "1".into(), Ret::Hdrs);
        (plan.build(), record)
    }
}

/// A milter that serves three UNIX sockets in a folder of its own.
struct Server {
    front: PathBuf,
    submission: PathBuf,
    handoff: PathBuf,
    shell: Arc<Shell<Fake>>,
    log: Log,
    notices: Arc<Mutex<Vec<Notice>>>,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<std::io::Result<Drained>>,
    _folder: tempfile::TempDir,
}

/// How a server is to be.
struct Setup {
    policy: Fake,
    hook: Option<StageHook>,
    drain: Duration,
    max_sessions: usize,
}

impl Default for Setup {
    fn default() -> Self {
        Self { policy: Fake::default(), hook: None, drain: SOON, max_sessions: 100 }
    }
}

impl Setup {
    fn start(self) -> Server {
        let folder = tempfile::tempdir().unwrap();
        let [front, submission, handoff] =
            ["front.sock", "submission.sock", "handoff.sock"].map(|name| folder.path().join(name));
        let settings = MilterSettings {
            front: vec![Socket::Unix(front.clone())],
            submission: vec![Socket::Unix(submission.clone())],
            handoff: vec![Socket::Unix(handoff.clone())],
            accept_early: self.policy.accept_early,
            deadline: self.policy.deadline,
            drain: self.drain,
            max_sessions: self.max_sessions,
        };
        let listen = Listen::default().bind(&settings).unwrap();
        let told = Arc::new(Mutex::new(Vec::new()));
        let hears = Arc::clone(&told);
        let hears = move |notice: &Notice| hears.lock().unwrap().push(notice.clone());
        let notices = Notices::with_listener(Arc::new(hears));
        let log = self.policy.log.clone();
        let mut shell = Shell::new(self.policy, notices);
        if let Some(hook) = self.hook {
            shell = shell.with_hook(hook);
        }
        let shell = Arc::new(shell);
        let (stop, stopped) = oneshot::channel();
        let stopped = async {
            let _ = stopped.await;
        };
        let serving = Arc::clone(&shell);
        let serving = async move { serve(listen, serving, &settings, stopped).await };
        Server {
            front,
            submission,
            handoff,
            shell,
            log,
            notices: told,
            stop: Some(stop),
            serving: tokio::spawn(serving),
            _folder: folder,
        }
    }
}

impl Server {
    fn start() -> Self {
        Setup::default().start()
    }

    /// A negotiated session of pass 1.
    async fn front(&self) -> Client {
        let mut client = Client::connect(&self.front).await;
        client.negotiate().await;
        client
    }

    /// A negotiated session for outgoing mail.
    async fn submission(&self) -> Client {
        let mut client = Client::connect(&self.submission).await;
        client.negotiate().await;
        client
    }

    /// A negotiated session of pass 2.
    async fn handoff(&self) -> Client {
        let mut client = Client::connect(&self.handoff).await;
        client.negotiate().await;
        client
    }

    /// The kinds of faults told so far, once each, without their particulars.
    fn faults(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for notice in self.notices.lock().unwrap().iter() {
            let debug = format!("{notice:?}");
            let name = debug.split(' ').next().unwrap_or_default().to_owned();
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// Shows that all is well: a message passes through each socket.
    async fn works(&self) {
        let mut client = self.front().await;
        client.mail("a@example.org").await;
        client.rcpt("jobs@acme.example").await;
        assert_eq!(client.eom("WORKS1").await.last().unwrap().code, b'c');
        let mut client = self.submission().await;
        assert_eq!(client.mail_reply("a@example.org").await, "c");
        assert_eq!(client.rcpt_reply("x@example.org").await, "c");
        assert_eq!(client.eom("WORKS3").await.last().unwrap().code, b'c');
        let mut client = self.handoff().await;
        client.mail("a@example.org").await;
        assert_eq!(client.rcpt_reply("t@h.example").await, "c");
        assert_eq!(client.eom("WORKS2").await.last().unwrap().code, b'c');
    }

    async fn stop(mut self) -> Drained {
        let _ = self.stop.take().unwrap().send(());
        let serving = tokio::time::timeout(SOON, self.serving).await;
        serving.unwrap().unwrap().unwrap()
    }
}
