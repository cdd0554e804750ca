//! `recruit-milter explain` as a command: what programs can rely on in its JSON, and what it does
//! with folders, mailboxes and standard input.
// SPDX-License-Identifier: GPL-3.0-or-later
#![allow(clippy::unwrap_used)] // helpers of tests are tests

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

const CONFIG: &str = r#"
[system.personio]
inbound = "acme-jobs@m-personio.example"
addresses = ["jobs@acme.example", "karriere@acme.example"]

[internal]
networks = ["10.0.0.0/8"]
"#;

const FORWARD: &str = "From: Sabine Krause <sabine@acme.example>\nTo: karriere@acme.example\n\
    Subject: WG: Bewerbung\nX-Recruiting-Kind: forged\n\nBitte anlegen.\n\n\
    Von: Lena Hoffmann <lena@post.example>\nGesendet: Montag, 3. März 2025 10:15\n\
    An: Sabine Krause <sabine@acme.example>\nBetreff: Bewerbung als Dreherin\n\nGuten Tag\n";
const VACATION: &str = "From: a@x.example\nTo: jobs@acme.example\nAuto-Submitted: auto-replied\n\n";

struct Scene(tempfile::TempDir);

impl Scene {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("rm.toml"), CONFIG).unwrap();
        Self(dir)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn run(&self, args: &[&str], input: &str) -> Output {
        let mut child = Command::new(env!("CARGO_BIN_EXE_recruit-milter"))
            .current_dir(self.path())
            .args(["explain", "--config", "rm.toml"])
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A child that reads no input may be gone by now.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    }

    fn text(&self, args: &[&str], input: &str) -> String {
        let output = self.run(args, input);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn json(&self, args: &[&str], input: &str) -> Value {
        serde_json::from_str(&self.text(&[args, &["--json"]].concat(), input)).unwrap()
    }
}

#[test]
fn a_colleagues_forward_is_told_with_its_evidence() {
    let answer = Scene::new().json(&["-", "--client", "10.1.2.3"], FORWARD);
    let lena = json!({
        "address": "lena@post.example",
        "name": "Lena Hoffmann",
        "source": "inline-forward",
        "confidence": "certain",
    });
    for (key, value) in [
        ("kind", json!("forward-inline")),
        ("applicant", lena.clone()),
        ("applicants", json!([lena])),
        ("needs_review", json!(false)),
        ("trusted_forwarder", json!(true)),
        ("forwarder", json!("Sabine Krause <sabine@acme.example>")),
        (
            "original",
            json!({ "subject": "Bewerbung als Dreherin", "date": "Montag, 3. März 2025 10:15" }),
        ),
        ("outcome", json!("handed-over")),
        ("removed", json!(["X-Recruiting-Kind: forged"])),
        ("incoming", json!({ "from": "sabine@acme.example", "to": ["karriere@acme.example"] })),
    ] {
        assert_eq!(answer[key], value, "{key}");
    }
    assert_eq!(answer["envelope"]["to"], json!(["acme-jobs@m-personio.example"]));
    let added: Vec<&str> =
        answer["added"].as_array().unwrap().iter().map(|f| f.as_str().unwrap()).collect();
    assert_eq!(
        added[5..],
        [
            "X-Recruiting-Applicant: Lena Hoffmann <lena@post.example>; source=inline-forward; confidence=certain",
            "X-Recruiting-Forwarder: <sabine@acme.example>",
        ]
    );
    let evidence = answer["evidence"].as_array().unwrap();
    assert_eq!(evidence[0]["what"], "the client is in an internal network");
    assert_eq!(evidence.last().unwrap()["lines"], json!([3, 6]));
}

#[test]
fn what_is_unwrapped_is_shown_as_it_will_arrive() {
    let scene = Scene::new();
    let unwrap = "[address.\"karriere@acme.example\"]\nunwrap = \"attached\"\n";
    scene.write("rm.toml", &format!("{CONFIG}{unwrap}"));
    let message = "From: Sabine <sabine@acme.example>\nTo: karriere@acme.example\n\
        Content-Type: multipart/mixed; boundary=b\n\n--b\n\nBitte anlegen.\n--b\n\
        Content-Type: message/rfc822\n\nFrom: Lena <lena@post.example>\nX-Recruiting-Kind: forged\n\
        Subject: Bewerbung\n\nGuten Tag\n--b--\n";
    let answer = scene.json(&["-", "--login", "sabine"], message);
    assert_eq!(answer["outcome"], "unwrapping");
    assert_eq!(answer["kind"], "forward-attached");
    assert_eq!(answer["applicant"]["source"], "attached-message");
    assert_eq!(answer["envelope"]["to"], json!(["acme-jobs@m-personio.example"]));
    let added = answer["added"].to_string();
    assert!(added.contains("X-Recruiting-Kind: forward-attached"), "{added}");
    assert!(added.contains("X-Recruiting-Forwarder: <sabine@acme.example>"), "{added}");
    let text = scene.text(&["-", "--login", "sabine"], message);
    assert!(text.contains("outcome    unwrapping (rule)\n"), "{text}");
    // Two of them: then the colleague's own mail goes on.
    let twice = message.replace("--b--", "--b\nContent-Type: message/rfc822\n\nFrom: x@y\n\n--b--");
    assert_ne!(scene.json(&["-", "--login", "sabine"], &twice)["outcome"], "unwrapping");
}

#[test]
fn the_same_from_outside_names_nobody_and_asks_for_review() {
    let answer = Scene::new().json(&["-", "--client", "203.0.113.7"], FORWARD);
    assert_eq!(answer["applicant"], Value::Null);
    assert_eq!(answer["applicants"], json!([]));
    assert_eq!(answer["trusted_forwarder"], json!(false));
    assert_eq!(
        (&answer["needs_review"], &answer["outcome"]),
        (&json!(true), &json!("handed-over"))
    );
    assert_eq!(answer["original"], json!({ "subject": null, "date": null }));
}

#[test]
fn what_stays_local_is_told_with_the_mailbox_it_stays_in() {
    let answer = Scene::new().json(&["-", "--rcpt", "jobs@acme.example"], VACATION);
    assert_eq!((&answer["outcome"], &answer["kind"]), (&json!("kept"), &json!("auto-reply")));
    assert_eq!(answer["envelope"], json!({ "from": "a@x.example", "to": ["jobs@acme.example"] }));
    let answer = Scene::new().json(&["-", "--rcpt", "bob@acme.example"], VACATION);
    assert_eq!((&answer["outcome"], &answer["kind"]), (&json!("untouched"), &json!("auto-reply")));
}

#[test]
fn folders_and_mailboxes_are_read_message_by_message() {
    let scene = Scene::new();
    scene.write("mail/b/2.eml", FORWARD);
    scene.write("mail/1.eml", VACATION);
    scene.write("mail/.hidden", "no message");
    scene.write("mail/c.mbox", &format!("From x Mon\n{VACATION}\n\nFrom y Tue\n{FORWARD}"));
    let text = scene.text(&["mail", "--login", "sabine"], "");
    let lena =
        "handed-over, forward-inline, Lena Hoffmann <lena@post.example> (inline-forward, certain)";
    let expected = [
        "mail/1.eml: kept, auto-reply, -".to_owned(),
        format!("mail/b/2.eml: {lena}"),
        "mail/c.mbox#1: kept, auto-reply, -".to_owned(),
        format!("mail/c.mbox#2: {lena}"),
    ];
    assert_eq!(text.lines().collect::<Vec<_>>(), expected);
    let lines = scene.text(&["mail", "--login", "sabine", "--json"], "");
    let files: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["file"].clone())
        .collect();
    assert_eq!(files, ["mail/1.eml", "mail/b/2.eml", "mail/c.mbox#1", "mail/c.mbox#2"]);
    let table = scene.text(&["--summary", "mail", "--login", "sabine"], "");
    let numbers = |row: &str| {
        let line = table.lines().find(|line| line.starts_with(row)).unwrap();
        line.split_whitespace().skip(1).map(|n| n.parse().unwrap()).collect::<Vec<u32>>()
    };
    assert_eq!(numbers("auto-reply"), [2, 0, 0, 0, 2, 0]);
    assert_eq!(numbers("forward-inline"), [2, 2, 0, 0, 0, 0]);
    assert_eq!(numbers("all"), [4, 2, 0, 0, 2, 0]);
}

#[test]
fn what_cannot_be_read_is_told_and_the_rest_is_read() {
    let scene = Scene::new();
    scene.write("1.eml", VACATION);
    let output = scene.run(&["gone.eml", "1.eml"], "");
    assert_eq!(output.status.code(), Some(66));
    assert!(String::from_utf8(output.stderr).unwrap().starts_with("error: gone.eml: "));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "1.eml: kept, auto-reply, -\n");
    assert_eq!(scene.run(&["1.eml", "--rcpt", "no address"], "").status.code(), Some(64));
    assert_eq!(scene.run(&[], "").status.code(), Some(64));
}

#[test]
fn a_file_is_one_message_whatever_its_name() {
    let scene = Scene::new();
    scene.write("mail#2.eml", VACATION);
    assert!(scene.text(&["mail#2.eml"], "").starts_with("kind       auto-reply\n"));
}

const OUTGOING: &str = r#"
[system.personio]
inbound = "acme-jobs@m-personio.example"
addresses = ["jobs@acme.example", "karriere@acme.example"]

[address."jobs@acme.example"]
outbound_copy = true

[login.personio]
may_send_as = ["jobs@acme.example"]
envelope_senders = ["<>", "@acme.example"]
networks = ["192.0.2.0/24"]
route = "own"
messages_per_day = 1

[login.careful]
may_send_as = ["jobs@acme.example"]
on_violation = "log"

[route.own]
"#;

fn mail_from(from: &str) -> String {
    format!("From: {from}\nTo: Erika <erika@example.org>\nSubject: Hello\n\nHello\n")
}

fn outgoing() -> Scene {
    let scene = Scene::new();
    scene.write("rm.toml", OUTGOING);
    scene
}

#[test]
fn a_systems_mail_is_told_with_its_route_and_edits() {
    let scene = outgoing();
    let mail = mail_from("Jobs <jobs@acme.example>");
    let args = ["-", "--login", "PERSONIO", "--client", "192.0.2.7"];
    let text = scene.text(&args, &mail);
    let start = "outgoing   sent, login personio\n\
                 route      own (login personio), told by sender\n\
                 edits      add_header Date (the time)\n";
    assert!(text.starts_with(start), "{text}");
    let told = &scene.json(&args, &mail)["outgoing"];
    assert_eq!(told["verdict"], "sent");
    assert_eq!(told["violations"], json!([]));
    assert_eq!(told["copy_to"], Value::Null);
    let edits = told["edits"].as_array().unwrap();
    assert!(edits.iter().any(|e| e.as_str().unwrap().starts_with("chg_from <recruit-bounces+1")));
    // A colleague takes the same route, and the system gets a copy.
    let told = &scene.json(&["-", "--login", "sabine"], &mail)["outgoing"];
    assert_eq!(told["because"], "from jobs@acme.example");
    assert_eq!((&told["login"], &told["copy_to"]), (&Value::Null, &json!("personio")));
    // Other mail is none of it.
    for args in [&["-"][..], &["-", "--login", "sabine"]] {
        let told = scene.json(args, &mail_from("sabine@acme.example"));
        assert_eq!(told.get("outgoing"), None, "{args:?}");
    }
}

#[test]
fn what_would_be_refused_is_told_with_the_reply_and_what_to_change() {
    let scene = outgoing();
    let jobs = mail_from("jobs@acme.example");
    let inside = ["-", "--login", "personio", "--client", "192.0.2.7"];
    for (args, mail, told) in [
        (
            &inside[..],
            mail_from("Boss <ceo@acme.example>"),
            "outgoing   refused, login personio: 550 5.7.1 This login may not send as this address\n\
             \x20          not-allowed: From: ceo@acme.example is not allowed\n\
             \x20          -> add \"ceo@acme.example\" to may_send_as of [login.personio]\n",
        ),
        (
            &[&inside[..], &["--from", "bounce@odd.example"]].concat(),
            jobs.clone(),
            "outgoing   refused, login personio: 550 5.7.1 This login may not use this envelope \
             sender address\n\
             \x20          envelope-sender: <bounce@odd.example>\n\
             \x20          -> add \"bounce@odd.example\" to envelope_senders of [login.personio]\n",
        ),
        (
            &["-", "--login", "personio", "--client", "198.51.100.7"],
            jobs.clone(),
            "outgoing   refused, login personio: 550 5.7.1 This login may not be used from here\n\
             \x20          network\n\
             \x20          -> add \"198.51.100.7\" or its network to networks of [login.personio]\n",
        ),
    ] {
        assert_eq!(scene.text(args, &mail), told);
    }
    // Where it is only logged, it goes on.
    let text = scene.text(&["-", "--login", "careful"], &mail_from("ceo@acme.example"));
    let start = "outgoing   sent, login careful\n\
                 \x20          would be refused for not-allowed: From: ceo@acme.example is not allowed\n";
    assert!(text.starts_with(start), "{text}");
}
