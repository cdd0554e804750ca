//! Transcripts: a few lines of dialogue and, below them, what both passes answer.
//!
//! Each runs against the daemon by a raw milter client, whose answers stand in the file, and
//! through a real Postfix, whose deliveries must be what the plan's reference interpreter predicts.
//! `UPDATE_EXPECTED=1` writes the answers anew; read the difference.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use recruit_milter::config::{self, Config};
use recruit_milter::mail::{Envelope, Field, Header, Message, RawPath, Recipient};
use recruit_milter::plan::{Reply, apply};
use recruit_milter::policy::budget::Budget;
use recruit_milter::policy::divert::{Origin, divert, is_recruiting};
use recruit_milter::policy::facts::Facts;
use recruit_milter::policy::forward::{Arrival, forward, recipient};
use recruit_milter::policy::token::TokenId;

use crate::harness::milter_client::MilterClient;
use crate::harness::milter_reply::MilterEdit;
use crate::harness::socket::Endpoint;
use crate::harness::{Delivered, Site, Smtp};

/// One message of a transcript.
#[derive(Clone, Default)]
struct Sent {
    /// What the client began before and gave up.
    given_up: Option<Box<Sent>>,
    sender: String,
    recipients: Vec<String>,
    fields: Vec<String>,
}

struct Transcript {
    path: PathBuf,
    /// The dialogue as it stands in the file.
    text: String,
    messages: Vec<Sent>,
    expected: String,
}

fn transcripts() -> Vec<Transcript> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(read).collect()
}

fn read(path: PathBuf) -> Transcript {
    let file = fs::read_to_string(&path).unwrap();
    let (text, expected) = file.split_once("--\n").unwrap();
    let mut messages = vec![Sent::default()];
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let last = messages.last_mut().unwrap();
        match word {
            "MAIL" => rest.clone_into(&mut last.sender),
            "RCPT" => last.recipients.push(rest.to_owned()),
            "FIELD" => last.fields.push(rest.to_owned()),
            "NEXT" => messages.push(Sent::default()),
            "RSET" => *last = Sent { given_up: Some(Box::new(last.clone())), ..Sent::default() },
            _ => panic!("{}: {line}", path.display()),
        }
    }
    Transcript { text: text.to_owned(), expected: expected.to_owned(), messages, path }
}

impl Sent {
    fn message(&self) -> Message {
        Message::parse(format!("{}\n\nbody\n", self.fields.join("\n")).as_bytes())
    }
}

/// What the daemon answers, with tokens numbered and seals left out.
fn answers(site: &Site, messages: &[Sent]) -> String {
    let socket = |name: &str| Endpoint::Unix(site.mx.queue_dir().join("recruit-milter").join(name));
    let mut front = MilterClient::ready(&socket("front.sock"));
    let mut out = String::new();
    for (number, sent) in messages.iter().enumerate() {
        if let Some(given_up) = &sent.given_up {
            begin(&mut front, given_up);
            front.abort().unwrap();
        }
        begin(&mut front, sent);
        let queue_id = format!("Q{number}");
        let first = front.content(&sent.message(), &queue_id).unwrap();
        let mut text = format!("front\n{first}\n");
        for edit in &first.edits {
            let MilterEdit::AddRcpt(to, args) = edit else { continue };
            let mut handoff = MilterClient::ready(&socket("handoff.sock"));
            handoff.mail(&sent.sender, &[]).unwrap();
            let args: Vec<&str> = args.split(' ').collect();
            handoff.rcpt(to, &args).unwrap();
            let second = handoff.content(&sent.message(), &queue_id).unwrap();
            let _ = write!(text, "handoff\n{second}\n");
            handoff.quit().unwrap();
        }
        out.push_str(&numbered(&text));
    }
    front.quit().unwrap();
    out
}

fn begin(front: &mut MilterClient, sent: &Sent) {
    front.mail(&sent.sender, &[]).unwrap();
    for to in &sent.recipients {
        front.rcpt(to, &[]).unwrap();
    }
}

/// Each word that only chance has made, as a number.
fn numbered(text: &str) -> String {
    let mut seen: Vec<String> = Vec::new();
    let mut out = String::new();
    for line in text.lines() {
        if let Some((start, _)) = line.split_once("X-Recruiting-Seal ") {
            let _ = writeln!(out, "{start}X-Recruiting-Seal ...");
            continue;
        }
        let letters = |c: char| !c.is_ascii_lowercase() && !c.is_ascii_digit();
        let mut line = line.to_owned();
        let words: Vec<String> =
            line.split(letters).filter(|w| w.len() >= 45).map(str::to_owned).collect();
        for word in words {
            let at = seen.iter().position(|s| *s == word).unwrap_or_else(|| {
                seen.push(word.clone());
                seen.len() - 1
            });
            line = line.replace(&word, &format!("TOKEN{}", at + 1));
        }
        let _ = writeln!(out, "{line}");
    }
    out
}

#[test]
fn the_daemon_answers_as_the_transcripts_say() {
    let mut site = Site::prepare(crate::harness::site::Setup::default());
    site.daemon.start();
    let all = transcripts();
    assert!(all.len() >= 15);
    for transcript in all {
        let found = answers(&site, &transcript.messages);
        if std::env::var_os("UPDATE_EXPECTED").is_some() {
            fs::write(&transcript.path, format!("{}--\n{found}", transcript.text)).unwrap();
        } else {
            assert_eq!(found, transcript.expected, "{}", transcript.path.display());
        }
    }
}

/// What must arrive, as (recipient, header) in no order; a header only for forwarded copies.
fn predicted(config: &Config, sent: &Sent) -> Vec<(String, Option<Vec<Field>>)> {
    let recipients: Vec<Recipient> = sent
        .recipients
        .iter()
        .map(|path| {
            let bare = path.trim_matches(['<', '>']).replace('"', "");
            let bare = bare.rsplit(':').next().unwrap_or_default().to_lowercase();
            Recipient { path: RawPath::new(path.as_bytes()), resolved: bare, args: Vec::new() }
        })
        .collect();
    let mine: Vec<Recipient> =
        recipients.iter().filter(|r| is_recruiting(&config.rules, &r.resolved)).cloned().collect();
    let mut n = 0;
    let mut stamp = || {
        n += 1;
        TokenId { time: 1_795_551_688, nonce: [n; 6] }
    };
    let first = divert(&config.rules, &config.keys, &mine, Origin::default(), &mut stamp).unwrap();
    let mut envelope = Envelope { recipients, ..Envelope::default() };
    apply(&first.plan, usize::MAX, &mut envelope, &mut Header::default());
    let mut out = Vec::new();
    for to in envelope.recipients {
        if !to.resolved.ends_with(&config.rules.handoff_domain) {
            out.push((to.resolved.to_lowercase(), None));
            continue;
        }
        let accepted = recipient(&config.rules, &config.keys, 0, None, &to).unwrap();
        let mut header = sent.message().header;
        let facts = Facts::from(&header);
        let sender = RawPath::new(sent.sender.as_bytes());
        let arrival = Arrival {
            accepted: &accepted,
            path: &to.path,
            sender: &sender,
            facts: &facts,
            body: b"",
            truncated: false,
            size: None,
        };
        let mut budget = Budget::default();
        let decision = forward(&config.rules, &config.keys, 0, &arrival, &mut budget).unwrap();
        if decision.plan.reply() == Reply::Discard {
            continue;
        }
        let mut second = Envelope { recipients: vec![to.clone()], ..Envelope::default() };
        apply(&decision.plan, usize::MAX, &mut second, &mut header);
        let bounce = second.sender.printable();
        assert!(bounce.starts_with("recruit-bounces+"), "{bounce}");
        out.extend(
            second.recipients.iter().map(|r| (r.resolved.clone(), Some(header.fields.clone()))),
        );
    }
    out.sort_by(|a, b| a.0.cmp(&b.0));
    // Postfix delivers once to the same address.
    out.dedup_by(|a, b| a.0 == b.0);
    out
}

/// The header as it was delivered, without Received and with a seal of any value.
fn comparable(fields: &[Field]) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    fields
        .iter()
        .filter(|field| !field.is("Received"))
        .map(|field| {
            let body =
                if field.is("X-Recruiting-Seal") { String::new() } else { text(&field.body) };
            (text(&field.name), body)
        })
        .collect()
}

#[test]
fn postfix_delivers_as_the_reference_interpreter_predicts() {
    let site = Site::start();
    let config = config::load(&site.config).unwrap().config;
    for transcript in transcripts() {
        let name = transcript.path.display();
        let mut smtp = Smtp::hello(site.mx.port());
        for sent in &transcript.messages {
            if let Some(given_up) = &sent.given_up {
                envelope(&mut smtp, given_up);
                smtp.command("RSET").ok();
            }
            envelope(&mut smtp, sent);
            let message =
                String::from_utf8(sent.message().to_bytes()).unwrap().replace('\n', "\r\n");
            smtp.data(message.as_bytes()).ok();
        }
        smtp.quit();
        site.settle();
        let mut found: Vec<Delivered> = site.mx.deliveries();
        found.extend(site.ats.deliveries());
        let mut got: Vec<String> = found.iter().map(|d| d.delivered_to.to_lowercase()).collect();
        let all: Vec<_> =
            transcript.messages.iter().flat_map(|sent| predicted(&config, sent)).collect();
        let mut expected: Vec<String> = all.iter().map(|(to, _)| to.clone()).collect();
        got.sort();
        expected.sort();
        assert_eq!(got, expected, "{name}");
        for (to, header) in all.iter().filter_map(|(to, header)| Some((to, header.as_ref()?))) {
            let delivered = found.iter().find(|d| d.delivered_to == *to).unwrap();
            let arrived = Message::parse(&delivered.bytes).header;
            assert_eq!(comparable(&arrived.fields), comparable(header), "{name}: {to}");
        }
        site.mx.clear_deliveries();
        site.ats.clear_deliveries();
    }
}

fn envelope(smtp: &mut Smtp, sent: &Sent) {
    smtp.command(&format!("MAIL FROM:{}", sent.sender)).ok();
    for to in &sent.recipients {
        smtp.command(&format!("RCPT TO:{to}")).ok();
    }
}
