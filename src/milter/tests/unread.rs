//! Reading is advice: each reader fails in each way at each place, and the mail goes on.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use super::client::{Client, Frame};
use super::*;
use crate::config::{self, Config};
use crate::journal::Journal;
use crate::mail::Orcpt;
use crate::milter::active::Active;
use crate::milter::moment::now;
use crate::policy::testing::keys;
use crate::policy::token::{Bounce, Flags, Handoff, TokenId, Way, rule_tag};
use crate::policy::unread::{Place, Unread};
use crate::reading::Net;

const CONFIG: &str = "[system.personio]\ninbound = \"in@ats.example\"\n\
    addresses = [\"karriere@acme.example\"]\n\
    [address.\"karriere@acme.example\"]\nlocal_copy = false\nfallback = \"hr@acme.example\"\n";
const KARRIERE: &str = "karriere@acme.example";
/// What a hang may take until it is given up.
const SHORT: Duration = Duration::from_millis(150);
/// As in `reading`.
const ROOM: usize = 8;

/// How a reader fails.
#[derive(Clone, Copy, Debug, PartialEq)]
enum How {
    Panic,
    Hang,
}

/// A milter that decides in earnest, and whose readers fail at one place.
struct Failing {
    front: PathBuf,
    handoff: PathBuf,
    told: Arc<Mutex<Vec<Notice>>>,
    /// How often that place was come to.
    struck: Arc<AtomicUsize>,
    journal: Journal,
    folder: tempfile::TempDir,
    /// Dropped, whatever hangs goes on.
    release: Option<mpsc::Sender<()>>,
    _stop: oneshot::Sender<()>,
}

impl Failing {
    fn start(at: Place, way: How) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [front, handoff] = ["front", "handoff"].map(|name| folder.path().join(name));
        let loaded = config::parse(&[("recruit-milter.toml".into(), CONFIG.into())]).unwrap();
        let mut config = Config { keys: keys(), ..loaded.config };
        config.milter.deadline = if way == How::Hang { SHORT } else { SOON };
        let settings = MilterSettings {
            front: vec![Socket::Unix(front.clone())],
            submission: Vec::new(),
            handoff: vec![Socket::Unix(handoff.clone())],
            accept_early: false,
            deadline: config.milter.deadline,
            drain: SOON,
            max_sessions: 100,
        };
        let told = Arc::new(Mutex::new(Vec::new()));
        let hears = Arc::clone(&told);
        let hears = move |notice: &Notice| hears.lock().unwrap().push(notice.clone());
        let notices = Notices::with_listener(Arc::new(hears));
        let (release, released) = mpsc::channel::<()>();
        let (released, struck) = (Mutex::new(released), Arc::<AtomicUsize>::default());
        let count = Arc::clone(&struck);
        let hook = move |place| {
            if place != at {
                return;
            }
            count.fetch_add(1, Ordering::SeqCst);
            match way {
                How::Panic => std::panic::resume_unwind(Box::new("on purpose")),
                How::Hang => _ = released.lock().unwrap().recv(),
            }
        };
        let journal = Journal::open(folder.path(), 1 << 20, 1);
        let active = Active::new(config, journal.clone())
            .with_notices(notices.clone())
            .with_net(Net::with_hook(Arc::new(hook)));
        let shell = Arc::new(Shell::new(active, notices));
        let listen = Listen::default().bind(&settings).unwrap();
        let (stop, stopped) = oneshot::channel();
        let stopped = async {
            let _ = stopped.await;
        };
        tokio::spawn(async move { serve(listen, shell, &settings, stopped).await });
        let release = Some(release);
        Self { front, handoff, told, struck, journal, folder, release, _stop: stop }
    }

    /// One message through pass 2. Gives the reply and the edits.
    async fn pass_2(&self, sender: &str, to: &str, message: &str) -> (String, String) {
        let mut client = Client::connect(&self.handoff).await;
        client.negotiate().await;
        client.mail(sender).await;
        client.macros(b'R', &["{rcpt_addr}", to]).await;
        let orcpt = format!("ORCPT={}", Orcpt::new(address(KARRIERE)));
        client.send_strings(b'R', &[&format!("<{to}>"), &orcpt]).await;
        assert_eq!(client.receive().await.unwrap().to_string(), "c");
        let (header, body) = message.split_once("\n\n").unwrap();
        for line in header.lines() {
            let (name, body) = line.split_once(':').unwrap();
            client.field(name, body).await;
        }
        client.send(b'B', body.as_bytes()).await;
        client.replies().await;
        answer(&client.eom("4Zx1").await)
    }

    /// What could not be read, and why.
    fn unread(&self) -> Vec<(Place, Unread)> {
        let told = self.told.lock().unwrap();
        let one = |notice: &Notice| match notice {
            Notice::Unread { place, why, .. } => (*place, *why),
            other => panic!("{other:?}"),
        };
        told.iter().map(one).collect()
    }

    /// The lines of the journal: action, reason.
    fn journal(&self) -> Vec<(String, String)> {
        assert!(self.journal.close(SOON));
        let lines = std::fs::read_to_string(self.folder.path().join("journal")).unwrap();
        let words = |line: &str| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            let word = |name| line[name].as_str().unwrap_or_default().to_owned();
            (word("action"), word("reason"))
        };
        lines.lines().map(words).collect()
    }
}

impl Drop for Failing {
    fn drop(&mut self) {
        drop(self.release.take());
    }
}

/// The reply, and the edits as a text.
fn answer(frames: &[Frame]) -> (String, String) {
    let (reply, edits) = frames.split_last().unwrap();
    let edits: Vec<String> = edits.iter().map(ToString::to_string).collect();
    (reply.to_string(), edits.join("\n"))
}

fn id() -> TokenId {
    TokenId { time: u32::try_from(now()).unwrap(), nonce: [7; 6] }
}

fn handoff(flags: Flags) -> String {
    let token = Handoff { way: Way::Forward, id: id(), flags, leader: [0; 4] };
    format!(
        "{}@handoff.recruit-milter.internal",
        token.local_part(&keys(), &address(KARRIERE)).unwrap()
    )
}

fn bounce() -> String {
    let token = Bounce { id: id(), flags: Flags::default(), rule: rule_tag(KARRIERE) };
    format!("recruit-bounces+{}@acme.example", token.extension(&keys()).unwrap())
}

const APPLICATION: &str = "From: Erika <erika@example.org>\nSubject: CV\n\
    X-Recruiting-Applicant: forged\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nHi\n--b--\n";
/// A colleague's forward.
const FORWARD: &str = "From: Bob <bob@acme.example>\nSubject: WG: CV\n\n\
    Von: Erika <erika@example.org>\nGesendet: heute\nAn: karriere@acme.example\nBetreff: CV\n\nHi\n";
const REPORT: &str = "From: MAILER-DAEMON@mx.example\nSubject: failed\n\n\
    Content-Type: message/delivery-status\n\n\nAction: failed\n";

/// Each place, and each way in which reading can fail there. What stops the thread that serves the
/// sessions is short by its nature: a field as it comes, an address.
fn each() -> Vec<(Place, How)> {
    let hangs = |place: &Place| !matches!(place, Place::Field);
    let panics = Place::ALL.map(|place| (place, How::Panic));
    let hangs = Place::ALL.into_iter().filter(hangs).map(|place| (place, How::Hang));
    panics.into_iter().chain(hangs).collect()
}

#[tokio::test]
async fn a_copy_goes_on_whatever_cannot_be_read_of_it() {
    for (at, way) in each() {
        let colleague = Flags { authenticated: true, ..Flags::default() };
        for (sender, flags, message) in [
            ("erika@example.org", Flags::default(), APPLICATION),
            ("bob@acme.example", colleague, FORWARD),
        ] {
            let milter = Failing::start(at, way);
            let (reply, edits) = milter.pass_2(sender, &handoff(flags), message).await;
            let what = format!("{at} {way:?} {edits}");
            assert_eq!(reply, "c", "{what}");
            assert!(edits.contains("in@ats.example"), "{what}");
            let forged = message == APPLICATION;
            assert_eq!(edits.contains("m    \u{1}X-Recruiting-Applicant"), forged, "{what}");
            let why = if way == How::Panic { Unread::Panic } else { Unread::Deadline };
            let read = !matches!(at, Place::Field | Place::Need | Place::Message);
            // The rest was not come to.
            let read = read
                && (way == How::Panic
                    || matches!(at, Place::Attached | Place::Report | Place::Journal));
            assert_eq!(edits.contains("X-Recruiting-Review  applicant, unread"), !read, "{what}");
            let kind = if read && !forged { "forward-inline" } else { "application" };
            assert!(edits.contains(&format!("X-Recruiting-Kind  {kind}")), "{what}");
            assert_eq!(edits.contains("Erika"), read, "{what}");
            let struck = milter.struck.load(Ordering::SeqCst);
            assert_eq!(struck > 0, at != Place::Report, "{what}");
            assert_eq!(milter.unread(), vec![(at, why); struck], "{what}");
            let reason = if read { "rule" } else { why.reason() };
            assert_eq!(milter.journal(), [("handed-over".to_owned(), reason.to_owned())], "{what}");
        }
    }
}

#[tokio::test]
async fn a_report_that_cannot_be_read_comes_to_where_somebody_sees_the_only_copy() {
    for way in [How::Panic, How::Hang] {
        let milter = Failing::start(Place::Report, way);
        let (reply, edits) = milter.pass_2("", &bounce(), REPORT).await;
        assert_eq!(reply, "c", "{way:?}");
        assert!(edits.contains("@return.handoff.recruit-milter.internal"), "{edits}");
        let why = if way == How::Panic { Unread::Panic } else { Unread::Deadline };
        assert_eq!(milter.unread(), [(Place::Report, why)]);
        assert_eq!(milter.journal(), [("report".to_owned(), why.reason().to_owned())]);
    }
}

#[tokio::test]
async fn pass_1_needs_to_read_nothing() {
    for at in [Place::Sender, Place::Journal] {
        let milter = Failing::start(at, How::Panic);
        let mut client = Client::connect(&milter.front).await;
        client.negotiate().await;
        client.mail("erika@example.org").await;
        client.rcpt(KARRIERE).await;
        let (reply, edits) = answer(&client.eom("4Zx1").await);
        assert_eq!(reply, "c");
        assert!(edits.contains("@handoff.recruit-milter.internal"), "{edits}");
        assert_eq!(milter.unread(), [(at, Unread::Panic)]);
    }
}

#[tokio::test]
async fn while_readers_hang_mail_goes_on_unread() {
    let mut milter = Failing::start(Place::Message, How::Hang);
    let to = handoff(Flags::default());
    let mut expected = vec![(Place::Message, Unread::Deadline); ROOM];
    for _ in 0..ROOM {
        milter.pass_2("erika@example.org", &to, APPLICATION).await;
    }
    assert_eq!(milter.unread(), expected);
    let (reply, edits) = milter.pass_2("erika@example.org", &to, APPLICATION).await;
    assert_eq!(reply, "c");
    assert!(edits.contains("X-Recruiting-Review  applicant, unread"), "{edits}");
    // Neither the header nor the message had its turn.
    expected.push((Place::Need, Unread::Busy));
    expected.push((Place::Message, Unread::Busy));
    assert_eq!(milter.unread(), expected);
    // Those that come to an end after all make room.
    drop(milter.release.take());
    let edits = loop {
        let (_, edits) = milter.pass_2("erika@example.org", &to, APPLICATION).await;
        if !edits.contains("unread") {
            break edits;
        }
    };
    assert!(edits.contains("Erika"), "{edits}");
}
