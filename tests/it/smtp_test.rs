//! `smtp-test` against servers with faults built in: real ones where they can have the fault, scripted
//! ones for the rest. Each cause is named, and nothing hangs.
// SPDX-License-Identifier: GPL-3.0-or-later

mod identity;
mod real;
mod scripted;

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::daemon::program;
use crate::harness::{LIMIT, Scratch, process};
use identity::{Authority, SOUND, Wanted};
use scripted::{CUT, SILENCE, Script, Server};

/// A password that stands in no other text.
const SECRET: &str = "Xyzzy-4711-plugh";

/// How `smtp-test` is run, and what it says.
struct Trial {
    args: Vec<String>,
    password: String,
}

/// What came of it.
struct Outcome {
    text: String,
    remarks: String,
    code: i32,
    took: Duration,
}

impl Trial {
    fn new(port: u16, tls: &str) -> Self {
        let port = port.to_string();
        let args = [
            "smtp-test",
            "--host",
            "127.0.0.1",
            "--port",
            &port,
            "--tls",
            tls,
            "--user",
            "bob@acme.example",
            "--from",
            "jobs@acme.example",
            "--lang",
            "en",
            "--timeout",
            "3s",
        ];
        Self { args: args.map(str::to_owned).to_vec(), password: SECRET.to_owned() }
    }

    fn arg(mut self, name: &str, value: &str) -> Self {
        // Of what is said twice the later counts, but the program asks for once.
        if let Some(at) = self.args.iter().position(|arg| arg == name)
            && name != "--claim-ip"
        {
            value.clone_into(&mut self.args[at + 1]);
        } else {
            self.args.extend([name, value].map(str::to_owned));
        }
        self
    }

    fn password(mut self, password: &str) -> Self {
        password.clone_into(&mut self.password);
        self
    }

    #[track_caller]
    fn run(&self) -> Outcome {
        let began = Instant::now();
        let mut command = Command::new(program());
        command.args(&self.args).env("RECRUIT_MILTER_PASSWORD", &self.password);
        let Output { status, stdout, stderr } = process::output(&mut command, b"");
        let took = began.elapsed();
        let text = String::from_utf8(stdout).unwrap();
        let remarks = String::from_utf8(stderr).unwrap();
        for shown in [&text, &remarks] {
            let secret = data_encoding::BASE64.encode(self.password.as_bytes());
            assert!(!shown.contains(&self.password) && !shown.contains(&secret), "{shown}");
            assert!(!shown.contains('\u{1b}'), "{shown}");
        }
        Outcome { text, remarks, code: status.code().unwrap(), took }
    }

    /// Runs it, and it must end with this cause and no other, within its limit.
    #[track_caller]
    fn fails(&self, cause: &str) -> Outcome {
        let outcome = self.run();
        assert_eq!(outcome.causes(), [cause], "{}{}", outcome.text, outcome.remarks);
        assert_ne!(outcome.code, 0);
        outcome
    }
}

impl Outcome {
    /// The causes in the verdict.
    fn causes(&self) -> Vec<&str> {
        let lines = self.text.lines().filter(|line| !line.starts_with(' ') && line.ends_with(')'));
        lines.filter_map(|line| line.rsplit_once('(')?.1.strip_suffix(')')).collect()
    }

    /// The text without what differs from one run to the next.
    fn steady(&self, port: u16) -> String {
        let mut text = self.text.replace(&port.to_string(), "PORT");
        if let Some((_, id)) = self.text.split_once("> Message-ID: ") {
            text = text.replace(id.lines().next().unwrap_or_default(), "<ID>");
        }
        let mut out = String::new();
        for line in text.lines() {
            let line = match line.rsplit_once(' ') {
                Some((step, "s")) if line.starts_with('[') => {
                    step.rsplit_once(' ').unwrap().0.trim_end()
                }
                _ => line,
            };
            out.push_str(line);
            out.push('\n');
        }
        out
    }
}

fn authority(scratch: &Scratch) -> Authority {
    Authority::make(&scratch.join("authority"))
}

/// A test of a server without encryption.
fn open(server: &Server) -> Trial {
    Trial::new(server.port, "none")
}

#[test]
fn every_step_of_a_server_that_works_is_shown() {
    let scratch = Scratch::new();
    let authority = authority(&scratch);
    let server = Script::starttls(authority.server(&SOUND)).serve();
    let trial = Trial::new(server.port, "starttls").arg("--ca", &authority.file());
    let outcome = trial.arg("--to", "joe@example.net").run();
    assert_eq!(outcome.steady(server.port), WORKING);
    assert_eq!(outcome.code, 0);
}

/// What is shown of it.
const WORKING: &str = "\
127.0.0.1:PORT, STARTTLS, logging in as bob@acme.example, sending as jobs@acme.example\n\
[ok] Name\n\
\x20    > 127.0.0.1\n\
\x20    < 127.0.0.1\n\
[ok] Connection\n\
\x20    > 127.0.0.1:PORT\n\
\x20    = from 127.0.0.1\n\
[ok] Greeting\n\
\x20    < 220 scripted.example ESMTP\n\
[ok] Offer\n\
\x20    > EHLO [127.0.0.1]\n\
\x20    < 250 scripted.example\n\
\x20    < STARTTLS\n\
\x20    = no login before encryption: as it should be\n\
[ok] STARTTLS\n\
\x20    > STARTTLS\n\
\x20    < 220 2.0.0 Ready to start TLS\n\
[ok] Encryption\n\
\x20    = TLSv1.3, AES_256_GCM_SHA384\n\
\x20    = certificate for CN=127.0.0.1 (127.0.0.1), issued by CN=Authority of a test, valid 2020-01-01 to 2099-12-31; sent in the chain: 1\n\
[ok] Offer\n\
\x20    > EHLO [127.0.0.1]\n\
\x20    < 250 scripted.example\n\
\x20    < AUTH PLAIN LOGIN\n\
\x20    = login by: PLAIN, LOGIN\n\
[ok] Login\n\
\x20    > AUTH PLAIN [bob@acme.example, ...]\n\
\x20    < 235 2.7.0 Authentication successful\n\
[ok] Sender\n\
\x20    > MAIL FROM:<jobs@acme.example>\n\
\x20    < 250 2.1.0 Ok\n\
[ok] Recipient\n\
\x20    > RCPT TO:<joe@example.net>\n\
\x20    < 250 2.1.0 Ok\n\
[ok] Mail\n\
\x20    > DATA\n\
\x20    > Message-ID: <ID>\n\
\x20    < 354 End data with <CR><LF>.<CR><LF>\n\
\x20    < 250 2.0.0 Ok: queued as 4F2A\n\
\x20    = accepted means: the server has taken it over, not that it has arrived. If it came by our milter,  recruit-milter trace  shows it by the queue ID in the answer; in the recipient's mailbox it is known by its Message-ID: <ID>\n\
\n\
works: Login, sender and mail were accepted.\n\
\x20 Tested from this machine. Whether a firewall admits the addresses of the recruiting system cannot be known from here: test from outside, or watch the firewall's log while the system sends.\n";

#[test]
fn all_of_it_is_told_in_german() {
    let scratch = Scratch::new();
    let authority = authority(&scratch);
    let server = Script::implicit(authority.server(&SOUND))
        .offers(&[], &["AUTH PLAIN LOGIN", "SIZE 1000000"])
        .answers(&[("AUTH", "535-5.7.8 Error: authentication\r\n535 5.7.8 failed")])
        .serve();
    let trial = Trial::new(server.port, "ssl").arg("--ca", &authority.file());
    let outcome = trial.arg("--lang", "de").run();
    assert_eq!(outcome.steady(server.port), GERMAN);
    assert_eq!(outcome.code, 1);
}

/// What is shown of it.
const GERMAN: &str = "\
127.0.0.1:PORT, SSL/TLS, angemeldet als bob@acme.example, Absender jobs@acme.example\n\
[ok] Name\n\
\x20    > 127.0.0.1\n\
\x20    < 127.0.0.1\n\
[ok] Verbindung\n\
\x20    > 127.0.0.1:PORT\n\
\x20    = von 127.0.0.1\n\
[ok] Verschlüsselung\n\
\x20    = TLSv1.3, AES_256_GCM_SHA384\n\
\x20    = Zertifikat für CN=127.0.0.1 (127.0.0.1), ausgestellt von CN=Authority of a test, gültig 2020-01-01 bis 2099-12-31; in der Kette gesendet: 1\n\
[ok] Begrüßung\n\
\x20    < 220 scripted.example ESMTP\n\
[ok] Angebot\n\
\x20    > EHLO [127.0.0.1]\n\
\x20    < 250 scripted.example\n\
\x20    < AUTH PLAIN LOGIN, SIZE 1000000\n\
\x20    = Anmeldung mit: PLAIN, LOGIN\n\
\x20    = Mails bis 1000000 Bytes\n\
[!!] Anmeldung\n\
\x20    > AUTH PLAIN [bob@acme.example, ...]\n\
\x20    < 535-5.7.8 Error: authentication\n\
\x20    < 535 5.7.8 failed\n\
\x20    = RM-SMTP-37: Benutzername oder Passwort ist falsch\n\
\n\
geht nicht: Benutzername oder Passwort ist falsch (RM-SMTP-37)\n\
\x20 Der Server kennt dieses Paar nicht. Oft ist der Benutzername ein Alias oder ohne Domain, und die Anmeldung heißt anders.\n\
\x20 -> das Passwort noch einmal kopieren, ohne Leerzeichen davor und danach\n\
\x20 -> die Hauptadresse des Kontos als Benutzername versuchen, oder den Namen ohne Domain\n\
\x20 -> am eigenen Server:  recruit-milter login list  zeigt die Anmeldungen,  login rotate  macht ein neues Passwort\n";

#[test]
fn each_fault_of_a_certificate_is_named_and_no_password_follows() {
    let scratch = Scratch::new();
    let authority = authority(&scratch);
    let expired = ["20200101000000Z", "20210101000000Z"];
    let cases: [(Wanted<'_>, &[&str]); 5] = [
        (Wanted { by_itself: true, ..SOUND }, &["RM-SMTP-18"]),
        (Wanted { valid: expired, ..SOUND }, &["RM-SMTP-19"]),
        (Wanted { valid: ["20900101000000Z", "20910101000000Z"], ..SOUND }, &["RM-SMTP-20"]),
        (Wanted { name: "other.example", ..SOUND }, &["RM-SMTP-21"]),
        (
            Wanted { name: "other.example", valid: expired, by_itself: true },
            &["RM-SMTP-18", "RM-SMTP-19", "RM-SMTP-21"],
        ),
    ];
    for (wanted, causes) in cases {
        let identity = authority.server(&wanted);
        for (script, tls) in [
            (Script::starttls(identity.clone()), "starttls"),
            (Script::implicit(identity.clone()), "ssl"),
        ] {
            let server = script.serve();
            let outcome = Trial::new(server.port, tls).arg("--ca", &authority.file()).run();
            assert_eq!(outcome.causes(), causes, "{}", outcome.text);
            assert_eq!(outcome.code, 1);
            assert!(outcome.text.contains("the password was not sent"), "{}", outcome.text);
            assert!(!server.said().iter().any(|line| line.starts_with("AUTH")));
        }
    }
    // A sound one, by an authority that is not believed.
    let server = Script::starttls(authority.server(&SOUND)).serve();
    let other = Authority::make(&scratch.join("another authority"));
    Trial::new(server.port, "starttls").arg("--ca", &other.file()).fails("RM-SMTP-17");
}

#[test]
fn encryption_that_does_not_fit_the_port_is_named() {
    let scratch = Scratch::new();
    let authority = authority(&scratch);
    let identity = authority.server(&SOUND);
    let ca = authority.file();
    let implicit = Script::implicit(identity.clone()).serve();
    for tls in ["starttls", "none"] {
        Trial::new(implicit.port, tls).arg("--ca", &ca).fails("RM-SMTP-11");
    }
    let starttls = Script::starttls(identity.clone()).serve();
    Trial::new(starttls.port, "ssl").arg("--ca", &ca).fails("RM-SMTP-12");
    Trial::new(starttls.port, "none").fails("RM-SMTP-30");

    let with = |script: Script| Trial::new(script.serve().port, "starttls").arg("--ca", &ca);
    with(Script::plain()).fails("RM-SMTP-13");
    // Hidden by something between, which lets the command itself pass; and written over.
    with(Script::starttls(identity.clone()).offers(&["SIZE 10"], &[])).fails("RM-SMTP-14");
    with(Script::plain().offers(&["XXXXXXXA"], &[])).fails("RM-SMTP-14");
    let answers = &[("STARTTLS", "454 4.7.0 TLS not available due to local problem")];
    with(Script::starttls(identity.clone()).answers(answers)).fails("RM-SMTP-15");
    // Words in plain text after the answer must not count as said under encryption.
    let answers = &[("STARTTLS", "220 go\r\n250-scripted.example\r\n250 AUTH PLAIN")];
    with(Script::starttls(identity).answers(answers)).fails("RM-SMTP-16");
}

#[test]
fn what_a_server_says_to_login_sender_recipient_and_mail_is_named() {
    let refused = |answers: &'static [(&'static str, &'static str)], cause: &str| {
        let server = Script::plain().answers(answers).serve();
        open(&server).arg("--to", "joe@example.net").fails(cause);
    };
    refused(
        &[(
            "AUTH",
            "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Mailbox.",
        )],
        "RM-SMTP-33",
    );
    refused(
        &[("AUTH", "535 5.7.8 https://support.google.com/mail/?p=BadCredentials x - gsmtp")],
        "RM-SMTP-36",
    );
    refused(&[("AUTH", "535 5.7.8 Error: authentication failed")], "RM-SMTP-37");
    refused(
        &[(
            "MAIL",
            "553 5.7.1 <jobs@acme.example>: Sender address rejected: not owned by user bob",
        )],
        "RM-SMTP-41",
    );
    refused(
        &[("RCPT", "554 5.7.1 <unknown[127.0.0.1]>: Client host rejected: Access denied")],
        "RM-SMTP-42",
    );
    refused(&[("RCPT", "554 5.7.1 <joe@example.net>: Relay access denied")], "RM-SMTP-43");
    refused(&[("DATA", "452 4.3.1 Insufficient system storage")], "RM-SMTP-47");
    refused(&[(".", "554 5.2.252 SendAsDenied; bob not allowed to send as jobs")], "RM-SMTP-41");
    refused(&[(".", "552 5.3.4 Error: message file too big")], "RM-SMTP-46");
    refused(&[("AUTH", CUT)], "RM-SMTP-06");

    let offering = |offers: &'static [&'static str], cause: &str| {
        open(&Script::plain().offers(offers, &[]).serve()).fails(cause);
    };
    offering(&[], "RM-SMTP-31");
    offering(&["AUTH XOAUTH2 OAUTHBEARER"], "RM-SMTP-32");
    for (greeting, cause) in [
        ("554 5.7.1 no", "RM-SMTP-42"),
        ("421 4.3.2 All server ports are busy", "RM-SMTP-10"),
        ("* OK [CAPABILITY IMAP4rev1] ready", "RM-SMTP-09"),
        ("HTTP/1.1 400 Bad Request", "RM-SMTP-09"),
        (CUT, "RM-SMTP-06"),
    ] {
        open(&Script::plain().greeting(greeting).serve()).fails(cause);
    }
}

#[test]
fn a_server_that_says_nothing_or_drips_holds_nobody_longer_than_the_limit() {
    let check = |script: Script, cause: &str, limit: u64, steps: u64| {
        let outcome = open(&script.serve()).arg("--timeout", &format!("{limit}s")).fails(cause);
        // On a busy machine the program itself takes its time, to start as well.
        let most = Duration::from_secs(limit * steps) + LIMIT / 2;
        assert!(outcome.took < most, "{:?}\n{}", outcome.took, outcome.text);
    };
    // Each step within its limit, all together not within theirs.
    let late: &'static [(&str, &str)] = &[
        ("EHLO", "late 250-scripted.example\r\n250 AUTH LOGIN"),
        ("AUTH", "late 334 VXNlcm5hbWU6"),
        ("Ym9iQGFjbWUuZXhhbXBsZQ==", "late 334 UGFzc3dvcmQ6"),
        ("WHl6enktNDcxMS1wbHVnaA==", "late 235 ok"),
        ("MAIL", "late 250 ok"),
        ("RCPT", "late 250 ok"),
    ];
    let late = || Script::plain().greeting("late 220 scripted.example").answers(late);
    let drips = "drip 220 scripted.example ESMTP Postfix (Tar)";
    thread::scope(|side| {
        side.spawn(|| check(Script::plain().greeting(SILENCE), "RM-SMTP-07", 3, 1));
        side.spawn(|| check(Script::plain().greeting(drips), "RM-SMTP-08", 3, 1));
        side.spawn(|| check(Script::plain().answers(&[("AUTH", SILENCE)]), "RM-SMTP-07", 3, 1));
        let drips = &[("MAIL", "drip 250 2.1.0 slowly, slowly")];
        side.spawn(|| check(Script::plain().answers(drips), "RM-SMTP-08", 3, 1));
        side.spawn(|| check(late(), "RM-SMTP-08", 6, 4));
        side.spawn(|| {
            let outcome = open(&late().serve()).arg("--timeout", "15s").run();
            assert_eq!(outcome.code, 0, "{}", outcome.text);
        });
    });
}

#[test]
fn a_port_where_nothing_listens_and_a_name_that_is_none_are_told_apart() {
    let free = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    assert_eq!(Trial::new(free, "ssl").fails("RM-SMTP-03").code, 69);
    let unknown = Trial::new(free, "ssl").arg("--host", "nowhere.invalid").run();
    let causes = unknown.causes();
    // Without any name server, nobody can say that there is no such name.
    assert!(causes == ["RM-SMTP-01"] || causes == ["RM-SMTP-02"], "{}", unknown.text);
    assert_eq!(unknown.code, 69);
}

#[test]
fn a_server_cannot_write_on_the_screen_nor_make_the_password_be_shown() {
    let server = Script::plain()
        .greeting("220 \u{1b}[2J\u{1b}]0;owned\u{7}x")
        .answers(&[(
            "AUTH",
            "535 you sent AGJvYkBhY21lLmV4YW1wbGUAWHl6enktNDcxMS1wbHVnaA==, Xyzzy-4711-plugh",
        )])
        .serve();
    let outcome = open(&server).fails("RM-SMTP-37");
    assert!(outcome.text.contains("535 you sent [...], [...]"), "{}", outcome.text);
    assert!(outcome.text.contains("220 \\u{1b}[2J\\u{1b}]0;owned\\u{7}x"), "{}", outcome.text);
    assert!(
        server
            .said()
            .contains(&"AUTH PLAIN AGJvYkBhY21lLmV4YW1wbGUAWHl6enktNDcxMS1wbHVnaA==".to_owned())
    );
}

#[test]
fn the_password_comes_from_a_file_or_the_environment_and_never_from_nowhere() {
    let scratch = Scratch::new();
    let server = Script::plain()
        .offers(&["AUTH LOGIN"], &[])
        .answers(&[
            ("AUTH LOGIN", "334 VXNlcm5hbWU6"),
            ("Ym9iQGFjbWUuZXhhbXBsZQ==", "334 UGFzc3dvcmQ6"),
            ("WHl6enktNDcxMS1wbHVnaA==", "235 2.7.0 Authentication successful"),
        ])
        .serve();
    let file: PathBuf = scratch.join("password");
    fs::write(&file, format!("{SECRET}\nmore\n")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let trial = open(&server).password("not this").arg("--password-file", file.to_str().unwrap());
    let outcome = trial.run();
    assert_eq!(outcome.code, 0, "{}", outcome.text);
    assert!(outcome.remarks.contains("others may read it"), "{}", outcome.remarks);
    let encoded = data_encoding::BASE64.encode(SECRET.as_bytes());
    assert_eq!(
        server.said()[1..4],
        ["AUTH LOGIN".to_owned(), "Ym9iQGFjbWUuZXhhbXBsZQ==".to_owned(), encoded]
    );

    let mut command = Command::new(program());
    command.args(open(&server).args).env_remove("RECRUIT_MILTER_PASSWORD");
    let output = process::output(&mut command, b"from standard input\n");
    assert_eq!(output.status.code(), Some(64));
    let missing = open(&server).arg("--password-file", "/nonexistent").run();
    assert_eq!((missing.code, missing.text.as_str()), (66, ""));
}

/// Runs a line of the shell at a terminal, which shows what is typed unless it is told not to, answers the
/// question for the password, and returns all that the terminal showed.
fn at_a_terminal(line: &str, answer: &[u8]) -> String {
    let mut command = Command::new("script");
    command.args(["-qec", line, "/dev/null"]).env_remove("RECRUIT_MILTER_PASSWORD");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let mut shown = Vec::new();
    while !shown.ends_with(b"bob@acme.example: ") {
        let mut byte = [0];
        assert_eq!(stdout.read(&mut byte).unwrap(), 1, "{}", String::from_utf8_lossy(&shown));
        shown.push(byte[0]);
    }
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(answer).unwrap();
    stdout.read_to_end(&mut shown).unwrap();
    let shown = String::from_utf8_lossy(&shown).into_owned();
    assert!(child.wait().unwrap().success(), "{shown}");
    shown
}

#[test]
fn at_a_terminal_the_password_is_asked_for_and_not_shown() {
    let server = Script::plain().serve();
    let line = format!("{} {}", program().display(), open(&server).args.join(" "));
    let shown = at_a_terminal(&line, format!("{SECRET}\n").as_bytes());
    assert!(shown.contains("works: ") && !shown.contains(SECRET), "{shown}");
}

#[test]
fn ctrl_c_at_the_question_leaves_a_terminal_that_shows_what_is_typed() {
    let args = Trial::new(1, "none").args.join(" ");
    let line = format!("trap : INT; {} {args}; echo $?; stty -a", program().display());
    let shown = at_a_terminal(&line, b"secr\x03");
    assert!(shown.contains("the terminal: ") && shown.contains("\n66\r\n"), "{shown}");
    assert!(shown.contains(" echo ") && !shown.contains("secr"), "{shown}");
}

#[test]
fn programs_get_the_same_as_json() {
    let server = Script::plain().answers(&[("AUTH", "535 no")]).serve();
    let mut trial = open(&server);
    trial.args.push("--json".to_owned());
    let outcome = trial.run();
    let json: serde_json::Value = serde_json::from_str(&outcome.text).unwrap();
    assert_eq!(json["works"], false);
    assert_eq!(json["causes"][0]["id"], "RM-SMTP-37");
    let steps: Vec<&str> = json["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step["step"].as_str().unwrap())
        .collect();
    assert_eq!(steps, ["name", "connection", "greeting", "offer", "login"]);
    assert_eq!(outcome.code, 1);
}
