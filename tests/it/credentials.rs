//! Logins without a mailbox: what `login` prints and writes, with a real Dovecot and a real Postfix.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Output;

use data_encoding::BASE64;

use crate::harness::daemon::{command, succeed};
use crate::harness::dovecot::PASSWORD;
use crate::harness::site::BOB;
use crate::harness::smtp::Reply;
use crate::harness::{Dovecot, LIMIT, Postfix, Scratch, Smtp, wait_until};

/// A configuration and, beside it, the file that the logins are written to.
struct Logins {
    config: PathBuf,
    users: PathBuf,
}

impl Logins {
    fn new(scratch: &Scratch) -> Self {
        let config = scratch.join("recruit-milter.toml");
        let text = "[system.personio]\ninbound = \"in@ats.example\"\n\
            addresses = [\"jobs@acme.example\"]\n";
        fs::write(&config, text).unwrap();
        Self { config, users: scratch.join("dovecot-users") }
    }

    fn run(&self, args: &[&str]) -> Output {
        let config = self.config.to_str().unwrap();
        command(&[&["login"], args, &["--config", config]].concat())
    }

    fn ok(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Makes a login or changes its password; all that is printed, and the password in it.
    fn password(&self, verb: &str, name: &str) -> (String, String) {
        let text = self.ok(&[verb, name, "--lang", "en", "--host", "mail.acme.example"]);
        let line = text.lines().find_map(|line| line.trim().strip_prefix("Password "));
        let password = line.expect("a password").trim().to_owned();
        (text, password)
    }
}

/// The lines for the installed Dovecot in what `login add` printed, with our socket in them.
fn dovecot_lines(printed: &str, socket: &Path) -> String {
    let (_, rest) = printed.split_once("# Dovecot 2.3").unwrap();
    let (older, rest) = rest.split_once("# Dovecot 2.4").unwrap();
    let (newer, _) = rest.split_once("# Cyrus").unwrap();
    let lines = if Dovecot::is_2_3() { older } else { newer };
    let (_, lines) = lines.split_once('\n').unwrap();
    let socket = format!("  unix_listener {} {{", socket.display());
    let listener = |line: &str| line.starts_with("  unix_listener ");
    let lines = lines.lines().map(|line| if listener(line) { &socket } else { line });
    lines.fold("\n".to_owned(), |text, line| text + line + "\n")
}

/// A Postfix whose smtpd has what `login add` printed for it, without TLS.
fn postfix(scratch: &Scratch, printed: &str) -> Postfix {
    let (_, options) = printed.split_once("# Postfix").unwrap();
    let options = options.lines().filter_map(|line| line.strip_prefix("  -o "));
    let mut mx = Postfix::builder(scratch, "mx");
    for option in options.filter(|option| !option.contains("_tls_")) {
        let (name, value) = option.split_once('=').unwrap();
        mx = mx.smtpd_option(name, value);
    }
    mx.prepare()
}

/// AUTH LOGIN: name and password each on a line of their own.
fn login_by_lines(port: u16, user: &str, password: &str) -> Reply {
    let mut smtp = Smtp::hello(port);
    let words = ["AUTH LOGIN".to_owned(), encoded(user), encoded(password)];
    words.iter().map(|line| smtp.command(line)).last().unwrap()
}

fn login(port: u16, user: &str, password: &str) -> u16 {
    Smtp::hello(port).login(user, password).code
}

fn encoded(text: &str) -> String {
    BASE64.encode(text.as_bytes())
}

/// The files below a folder that have one of these texts in them.
fn files_with(folder: &Path, texts: &[String]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let (path, kind) = (entry.path(), entry.file_type().unwrap());
        if kind.is_dir() {
            found.extend(files_with(&path, texts));
        } else if kind.is_file() {
            let bytes = fs::read(&path).unwrap();
            let has = |text: &String| bytes.windows(text.len()).any(|w| w == text.as_bytes());
            if texts.iter().any(has) {
                found.push(path);
            }
        }
    }
    found
}

/// Each way in which a password may stand somewhere.
fn shapes(user: &str, password: &str) -> Vec<String> {
    vec![password.to_owned(), encoded(password), encoded(&format!("\0{user}\0{password}"))]
}

#[test]
fn a_login_sends_mail_and_opens_no_mailbox_until_it_is_rotated_or_removed() {
    let scratch = Scratch::new();
    let logins = Logins::new(&scratch);
    let (printed, first) = logins.password("add", "Personio");
    let mut mx = postfix(&scratch, &printed);
    let socket = mx.queue_dir().join("private/auth");
    let lines = dovecot_lines(&printed, &socket);
    let dovecot = Dovecot::start(&scratch, &socket, &[(BOB, PASSWORD)], &lines);
    mx.start();
    let port = mx.port();

    assert_eq!(login(port, "personio", &first), 235);
    assert_eq!(login(port, "Personio", &first), 235, "in whatever case it is typed");
    assert_eq!(login_by_lines(port, "personio", &first).code, 235);
    assert_eq!(login_by_lines(port, "personio", &first.to_lowercase()).code, 535);
    // What asks for a mailbox does not find it, while colleagues go on as before.
    for service in ["imap", "pop3", "sieve", "submission", "lmtp", "doveadm"] {
        assert!(dovecot.ask(service, "personio", &first).starts_with("FAIL"), "{service}");
        assert!(dovecot.ask(service, BOB, PASSWORD).starts_with("OK"), "{service}");
    }
    assert!(dovecot.ask("smtp", "personio", &first).contains("nologin"));
    assert_eq!(login(port, BOB, PASSWORD), 235);

    let (_, second) = logins.password("rotate", "personio");
    assert_ne!(first, second);
    wait_until("Dovecot knows the new password", LIMIT, || login(port, "personio", &second) == 235);
    assert_eq!(login(port, "personio", &first), 535);
    let third = logins.ok(&["rotate", "personio", "--json"]);
    let third: serde_json::Value = serde_json::from_str(&third).unwrap();
    let third = third["password"].as_str().unwrap();
    wait_until("and the third", LIMIT, || login(port, "personio", third) == 235);
    assert_eq!(login(port, "personio", &second), 535);

    logins.ok(&["remove", "personio", "--yes"]);
    wait_until("Dovecot knows no password", LIMIT, || login(port, "personio", third) == 535);
    assert_eq!(login_by_lines(port, "personio", third).code, 535);
    assert_eq!(login(port, BOB, PASSWORD), 235);

    let passwords = [first.as_str(), &second, third];
    for password in passwords {
        assert_eq!(
            files_with(scratch.path(), &shapes("personio", password)),
            [""; 0].map(PathBuf::from)
        );
    }
    let control = files_with(scratch.path(), &["jobs@acme.example".to_owned()]);
    assert_eq!(control, [logins.config], "what is there is found");
}

#[test]
fn an_entry_opens_no_mailbox_even_where_every_service_looks_it_up() {
    let scratch = Scratch::new();
    let logins = Logins::new(&scratch);
    let (_, password) = logins.password("add", "personio");
    let users = logins.users.display();
    let everywhere = if Dovecot::is_2_3() {
        format!("passdb {{\n  driver = passwd-file\n  args = {users}\n}}\n")
    } else {
        format!("passdb all {{\n  driver = passwd-file\n  passwd_file_path = {users}\n}}\n")
    };
    let dovecot = Dovecot::start(&scratch, &scratch.join("auth"), &[(BOB, PASSWORD)], &everywhere);
    let fields = |user: &str, password: &str| {
        let answer = dovecot.ask("imap", user, password);
        answer.split('\t').map(str::to_owned).collect::<Vec<_>>()
    };
    // Dovecot: with this in the answer imap-login says "Login disabled for this user".
    let closed = if Dovecot::is_2_3() { "nologin" } else { "nologin=" }.to_owned();
    let answer = fields("personio", &password);
    assert!(answer.contains(&closed), "{answer:?}");
    assert_eq!(fields(BOB, PASSWORD)[0], "OK");
    assert!(!fields(BOB, PASSWORD).contains(&closed));
}

#[test]
fn two_at_once_lose_no_name() {
    let scratch = Scratch::new();
    let logins = Logins::new(&scratch);
    fs::write(&logins.users, "# ours\nbob:{PLAIN}x").unwrap();
    std::thread::scope(|scope| {
        for who in ["a", "b"] {
            let logins = &logins;
            scope.spawn(move || {
                for number in 0..20 {
                    logins.ok(&["add", &format!("{who}{number}"), "--json", "--host", "h.example"]);
                }
            });
        }
    });
    let listed: serde_json::Value = serde_json::from_str(&logins.ok(&["list", "--json"])).unwrap();
    let mut names: Vec<&str> =
        listed.as_array().unwrap().iter().map(|entry| entry["user"].as_str().unwrap()).collect();
    names.sort_unstable();
    let mut expected: Vec<String> =
        ["a", "b"].iter().flat_map(|who| (0..20).map(move |n| format!("{who}{n}"))).collect();
    expected.push("bob".to_owned());
    expected.sort_unstable();
    assert_eq!(names, expected);
    assert!(fs::read_to_string(&logins.users).unwrap().starts_with("# ours\nbob:{PLAIN}x\n"));
    let left = fs::read_dir(scratch.path()).unwrap().count();
    assert_eq!(left, 2, "nothing is left beside configuration and file");
}

#[test]
fn for_programs_there_is_json_with_the_password_once() {
    let scratch = Scratch::new();
    let logins = Logins::new(&scratch);
    let text = logins.ok(&["add", "jobs@acme.example", "--json", "--host", "mail.acme.example"]);
    let read: serde_json::Value = serde_json::from_str(&text).unwrap();
    let password = read["password"].as_str().unwrap();
    assert_eq!(text.matches(password).count(), 1);
    assert_eq!(
        read,
        serde_json::json!({
            "host": "mail.acme.example",
            "settings": [
                {"port": 465, "encryption": "SSL/TLS"},
                {"port": 587, "encryption": "STARTTLS"},
            ],
            "user": "jobs@acme.example",
            "password": password,
            "bits": 134,
            "users_file": logins.users,
            "configured": false,
        })
    );
}

#[test]
fn the_table_for_the_configuration_is_printed_with_the_systems_addresses() {
    let scratch = Scratch::new();
    let logins = Logins::new(&scratch);
    let (printed, password) = logins.password("add", "personio");
    assert!(printed.ends_with("[login.personio]\nmay_send_as = [\"jobs@acme.example\"]\n"));
    assert_eq!(printed.matches(&password).count(), 1);
    let output = logins.run(&["add", "odoo", "--host", "h.example"]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(
        told.contains("warning: nothing holds odoo to its addresses until [login.odoo]"),
        "{told}"
    );
    let list = logins.ok(&["list"]);
    assert!(list.contains("personio   SSHA512   made 20") && !list.contains('{'), "{list}");
}

#[test]
fn whatever_stops_it_is_told_with_a_remedy_and_changes_nothing() {
    let scratch = Scratch::new();
    let logins = Logins::new(&scratch);
    logins.ok(&["add", "personio", "--json", "--host", "h.example"]);
    let made = fs::read_to_string(&logins.users).unwrap();
    fs::write(&logins.users, format!("{made}bob:{{PLAIN}}x:1000:1000::/home/bob::\n")).unwrap();
    let before = fs::read(&logins.users).unwrap();
    fs::write(scratch.join("odd"), "# users\nbob:x\nwhat\n").unwrap();
    std::os::unix::fs::symlink("dovecot-users", scratch.join("link")).unwrap();
    let dir = scratch.path().display().to_string();
    let users = |name: &str| ["--users".to_owned(), scratch.join(name).display().to_string()];
    let [odd, link, none, deep] = ["odd", "link", "none", "no/users"].map(users);
    let name = "letters, digits and any of .-_@ make one, 64 at most";
    let bobs = "DIR/dovecot-users: \"bob\" in line 2 was not made by recruit-milter, \
                and may belong to a mailbox";
    let elsewhere = "change it where it was made; or name another file with --users";
    let ours: &[String] = &[];
    for (code, args, users, message, remedy) in [
        (64, &["add", "a:b"][..], ours, "\"a:b\" cannot be a user name: it has a ':' in it", name),
        (64, &["rotate", ""], ours, "\"\" cannot be a user name: it is empty", name),
        (
            73,
            &["add", "Personio"],
            ours,
            "DIR/dovecot-users: \"personio\" is there already, in line 1",
            "recruit-milter login rotate personio gives it a new password",
        ),
        (
            66,
            &["rotate", "persono"],
            ours,
            "DIR/dovecot-users: persono: there is no such login",
            "did you mean \"personio\"?",
        ),
        (
            66,
            &["remove", "odoo", "--yes"],
            ours,
            "DIR/dovecot-users: odoo: there is no such login",
            "recruit-milter login list shows those that are there",
        ),
        (77, &["rotate", "bob"], ours, bobs, elsewhere),
        (77, &["remove", "bob", "--yes"], ours, bobs, elsewhere),
        (
            64,
            &["remove", "personio"],
            ours,
            "nobody can be asked here whether to remove it",
            "say --yes",
        ),
        (
            66,
            &["list"],
            &none,
            "DIR/none: does not exist",
            "recruit-milter login add NAME makes it; or name another with --users",
        ),
        (
            65,
            &["add", "x"],
            &odd,
            "DIR/odd: line 3 is not one of a passwd-file: it has no colon",
            "a line is user:{SCHEME}hash and so on; name a passwd-file with --users",
        ),
        (
            65,
            &["add", "x"],
            &link,
            "DIR/link: is a symbolic link to dovecot-users",
            "name the file itself with --users",
        ),
        (
            65,
            &["list", "--users", &dir],
            ours,
            "DIR: is not a file",
            "name a file made by: recruit-milter login add",
        ),
        (
            73,
            &["add", "x"],
            &deep,
            "DIR/no/users: there is no folder DIR/no",
            "install -d -m 755 DIR/no",
        ),
    ] {
        let users: Vec<&str> = users.iter().map(String::as_str).collect();
        let output = logins.run(&[args, &users].concat());
        let told = String::from_utf8(output.stderr).unwrap().replace(&dir, "DIR");
        assert_eq!(told, format!("error: {message}\n  = {remedy}\n"), "{args:?}");
        assert_eq!(output.status.code(), Some(code), "{args:?}");
        assert_eq!(output.stdout, b"", "{args:?}");
    }
    assert_eq!(fs::read(&logins.users).unwrap(), before);
    let help = succeed(&["login", "add", "--help"]);
    assert!(help.contains("opens no mailbox"), "{help}");
}

#[test]
fn a_broken_configuration_does_not_keep_a_password_from_being_changed() {
    let scratch = Scratch::new();
    let logins = Logins::new(&scratch);
    let (_, first) = logins.password("add", "personio");
    fs::write(&logins.config, "[what]\n").unwrap();
    let (_, second) = logins.password("rotate", "personio");
    assert_ne!(first, second);
    logins.ok(&["remove", "personio", "--yes"]);
    assert_eq!(fs::read_to_string(&logins.users).unwrap(), "");
}

#[test]
fn a_file_or_folder_with_the_wrong_mode_is_told() {
    let scratch = Scratch::new();
    let logins = Logins::new(&scratch);
    let users = logins.users.display();
    logins.ok(&["add", "personio", "--json", "--host", "h.example"]);
    let told = |mode: u32, of: &Path| {
        let old = fs::metadata(of).unwrap().permissions();
        fs::set_permissions(of, fs::Permissions::from_mode(mode)).unwrap();
        let told = String::from_utf8(logins.run(&["list"]).stderr).unwrap();
        fs::set_permissions(of, old).unwrap();
        told.replace(&scratch.path().display().to_string(), "DIR")
    };
    let file = users.to_string().replace(&scratch.path().display().to_string(), "DIR");
    assert_eq!(told(0o640, &logins.users), "");
    assert_eq!(
        told(0o644, &logins.users),
        format!("warning: {file} can be read by everybody (mode 0644)\n  = chmod o-r {file}\n")
    );
    assert_eq!(
        told(0o660, &logins.users),
        format!(
            "warning: {file} can be changed by others than its owner (mode 0660)\n  = chmod go-w {file}\n"
        )
    );
    assert_eq!(
        told(0o600, &logins.users),
        format!(
            "warning: {file} cannot be read by Dovecot\n  = chgrp dovecot {file} && chmod g+r {file}\n"
        )
    );
    assert_eq!(
        told(0o700, scratch.path()),
        "warning: DIR cannot be entered by Dovecot\n  = chmod o+x DIR\n"
    );
}

#[test]
fn a_password_that_cannot_be_shown_is_no_success() {
    let scratch = Scratch::new();
    let logins = Logins::new(&scratch);
    let program = env!("CARGO_BIN_EXE_recruit-milter");
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = std::process::Command::new(program)
        .args(["login", "add", "personio", "--host", "h.example", "--config"])
        .arg(&logins.config)
        .stdout(full)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(73));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("= recruit-milter login rotate personio makes another"), "{told}");
}
