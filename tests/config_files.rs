//! What is wrong around a configuration: files that cannot be read, keys that others can read,
//! sockets that cannot be made. And texts that nobody would write: nothing makes the reader panic.
// SPDX-License-Identifier: GPL-3.0-or-later
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may fail them")]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use recruit_milter::config::keyfile::KeyFile;
use recruit_milter::config::{self, Loaded, Problems, Surroundings};
use rustix::process::Uid;
use rustix::thread::set_thread_uid;
use tempfile::TempDir;

const THREE_LINES: &str = "\
[system.personio]
inbound   = \"acme-jobs@m-personio.de\"
addresses = [\"jobs@acme.example\", \"karriere@acme.example\"]
";

/// A folder with a configuration; `DIR` stands for the folder in texts.
struct Site(TempDir);

impl Site {
    fn new(text: &str) -> Self {
        let site = Self(tempfile::tempdir().unwrap());
        site.write("recruit-milter.toml", text);
        site
    }

    fn with_key(self) -> Self {
        KeyFile::generate().unwrap().create(&self.path("seal.key")).unwrap();
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn dir(&self) -> &str {
        self.0.path().to_str().unwrap()
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text.replace("DIR", self.dir())).unwrap();
    }

    fn load(&self, around: &Surroundings) -> Result<Loaded, Problems> {
        config::load_with(&self.path("recruit-milter.toml"), around)
    }

    /// The problems without their heading.
    fn problems(&self, around: &Surroundings) -> String {
        match self.load(around) {
            Ok(_) => String::new(),
            Err(problems) => self.shown(&problems),
        }
    }

    fn shown(&self, problems: &Problems) -> String {
        if problems.is_empty() {
            return String::new();
        }
        let text = problems.to_string().replace(self.dir(), "DIR");
        text.split_once('\n').unwrap().1.to_owned()
    }
}

fn keys_only() -> Surroundings {
    Surroundings { sockets: false, state: false, keys: true, credentials: None }
}

fn text_only() -> Surroundings {
    Surroundings { sockets: false, state: false, keys: false, credentials: None }
}

fn sockets_only() -> Surroundings {
    Surroundings { sockets: true, state: false, keys: false, credentials: None }
}

#[test]
fn a_missing_key_is_told_with_the_command_that_makes_it() {
    let expected = "\
error: key file \"DIR/seal.key\" does not exist
 --> DIR/recruit-milter.toml
  = make a key: recruit-milter init-key
";
    assert_eq!(Site::new(THREE_LINES).problems(&keys_only()), expected);
}

#[test]
fn a_missing_key_stops_nobody_who_has_no_addresses_yet() {
    let loaded = Site::new("").load(&keys_only()).unwrap();
    assert!(loaded.config.rules.is_idle());
    assert_eq!(loaded.warnings.len(), 1);
}

#[test]
fn a_key_is_found_beside_the_file_or_before_that_among_the_credentials() {
    let site = Site::new(THREE_LINES).with_key();
    let mut around = keys_only();
    let key_file = |around: &Surroundings| site.load(around).unwrap().config.key_file;
    assert_eq!(key_file(&around), site.path("seal.key"));
    around.credentials = Some(site.path("credentials"));
    assert_eq!(key_file(&around), site.path("seal.key"));
    fs::create_dir(site.path("credentials")).unwrap();
    let other = site.path("credentials/seal.key");
    let mut keys = KeyFile::generate().unwrap();
    keys.rotate().unwrap();
    keys.create(&other).unwrap();
    assert_eq!(key_file(&around), other);
    assert_eq!(site.load(&around).unwrap().config.keys.current(), 2);
}

#[test]
fn a_key_that_others_may_read_is_refused() {
    let text = format!("{THREE_LINES}\n[seal]\nkey_file = \"DIR/seal.key\"\n");
    let site = Site::new(&text).with_key();
    let chmod = |mode| {
        fs::set_permissions(site.path("seal.key"), Permissions::from_mode(mode)).unwrap();
        site.problems(&keys_only())
    };
    assert_eq!(chmod(0o640), "");
    let open = chmod(0o644);
    assert!(
        open.starts_with(
            "error: key file \"DIR/seal.key\" is open to everybody (mode 0644)\n \
             --> DIR/recruit-milter.toml:6:12\n"
        ),
        "{open}"
    );
    assert!(open.ends_with("in [seal]\n  = chmod 0640 DIR/seal.key\n"), "{open}");
    let group = chmod(0o660);
    assert!(group.contains("can be changed by its group (mode 0660)"), "{group}");
}

#[test]
fn a_wrong_line_in_the_key_file_is_named_and_not_shown() {
    let site = Site::new(THREE_LINES);
    site.write("seal.key", "# keys\n1 c2VjcmV0\n");
    let path = site.path("seal.key");
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    let expected = "\
error: key file: the key has less than 32 octets
 --> DIR/seal.key:2:1
  = a line is a number from 0 to 255, a space and a key in base64
";
    assert_eq!(site.problems(&keys_only()), expected);
    let json = site.load(&keys_only()).unwrap_err().to_json().to_string();
    assert!(!json.contains("c2Vj"), "{json}");
}

#[test]
fn a_key_file_that_is_a_folder_or_empty_is_refused() {
    let site = Site::new(THREE_LINES);
    fs::create_dir(site.path("seal.key")).unwrap();
    let folder = site.problems(&keys_only());
    assert!(folder.starts_with("error: key file \"DIR/seal.key\" is not a file\n"), "{folder}");
    fs::remove_dir(site.path("seal.key")).unwrap();
    site.write("seal.key", "");
    fs::set_permissions(site.path("seal.key"), Permissions::from_mode(0o600)).unwrap();
    let empty = site.problems(&keys_only());
    assert!(empty.starts_with("error: key file \"DIR/seal.key\" holds no key\n"), "{empty}");
}

#[test]
fn sockets_that_cannot_be_made_are_told_each_with_its_reason() {
    let text = format!(
        "{THREE_LINES}
[milter]
front   = [\"unix:DIR/no/front.sock\", \"unix:DIR/plain/front.sock\"]
handoff = [\"unix:DIR/no/handoff.sock\", \"unix:DIR/plain\", \"unix:DIR/good.sock\", \"unix:DIR/left.sock\"]
"
    );
    let site = Site::new(&text);
    site.write("plain", "a file");
    // A socket that an earlier run left behind is no obstacle.
    drop(UnixListener::bind(site.path("left.sock")).unwrap());
    let problems = site.load(&sockets_only()).unwrap_err();
    let told: Vec<_> = problems
        .iter()
        .map(|p| {
            let position = p.place.as_ref().unwrap().position.as_ref().unwrap();
            let remedy = p.remedy.as_deref().unwrap().replace(site.dir(), "DIR");
            (position.line, p.message.replace(site.dir(), "DIR"), remedy)
        })
        .collect();
    let told: Vec<_> = told.iter().map(|(l, m, r)| (*l, m.as_str(), r.as_str())).collect();
    assert_eq!(
        told,
        [
            (
                6,
                "the folder of socket \"DIR/no/front.sock\" does not exist",
                "install -d -o recruit-milter -g postfix -m 2750 DIR/no"
            ),
            (
                6,
                "the folder of socket \"DIR/plain/front.sock\" is not a folder",
                "choose another path"
            ),
            (7, "\"DIR/plain\" exists and is not a socket", "move it away, or choose another path"),
        ]
    );
}

/// What is told of a state folder, to a user who may not write everywhere.
fn told_of_state(site: &Site) -> String {
    let around = Surroundings { state: true, ..text_only() };
    let load = || {
        // Of this thread alone; who is not root need not change.
        let _ = set_thread_uid(Uid::from_raw(65534));
        site.shown(&site.load(&around).unwrap().warnings)
    };
    std::thread::scope(|scope| scope.spawn(load).join().unwrap())
}

#[test]
fn a_state_folder_that_cannot_be_used_is_told_before_mail_comes() {
    let site = Site::new(&format!("state_dir = \"DIR/state\"\n{THREE_LINES}"));
    let chmod = |name: &str, mode| {
        fs::set_permissions(site.path(name), Permissions::from_mode(mode)).unwrap();
    };
    chmod("", 0o755);
    let expected = |message: &str, remedy: &str| {
        format!(
            "warning: {message}: no journal is kept\n --> DIR/recruit-milter.toml:1:13\n  |\n\
             1 | state_dir = \"DIR/state\"\n  |             ^^^^^^^^^^^\n  = {remedy}\n"
        )
        .replace("^^^^^^^^^^^", &"^".repeat(site.dir().len() + 8))
    };
    assert_eq!(
        told_of_state(&site),
        expected(
            "the state folder \"DIR/state\" does not exist",
            "install -d -o recruit-milter -m 750 DIR/state"
        )
    );
    fs::create_dir(site.path("state")).unwrap();
    chmod("state", 0o555);
    assert_eq!(
        told_of_state(&site),
        expected(
            "the state folder \"DIR/state\" may not be written by this user",
            "run as the user of the service; chown recruit-milter DIR/state"
        )
    );
    chmod("state", 0o777);
    assert_eq!(told_of_state(&site), "");
    site.write("state/journal", "");
    chmod("state/journal", 0o400);
    assert_eq!(
        told_of_state(&site),
        expected(
            "the journal \"DIR/state/journal\" may not be written by this user",
            "chown recruit-milter DIR/state/journal*"
        )
    );
    fs::remove_dir_all(site.path("state")).unwrap();
    site.write("state", "");
    assert_eq!(
        told_of_state(&site),
        expected("the state folder \"DIR/state\" is not a folder", "choose another path")
    );
    assert!(site.load(&text_only()).unwrap().warnings.is_empty(), "others need no state folder");
}

#[test]
fn problems_of_text_keys_and_sockets_come_together() {
    let text = format!(
        "langauge = \"de\"\n{THREE_LINES}\n[milter]\nfront = \"unix:DIR/no/f.sock\"\nhandoff = \"inet:8895@::1\"\n"
    );
    let around = Surroundings { sockets: true, ..keys_only() };
    let expected = "\
error: unknown setting \"langauge\"
 --> DIR/recruit-milter.toml:1:1
  |
1 | langauge = \"de\"
  | ^^^^^^^^
  = did you mean \"language\"?
error: the folder of socket \"DIR/no/f.sock\" does not exist
 --> DIR/recruit-milter.toml:7:9
  |
";
    let told = Site::new(&text).problems(&around);
    assert!(told.starts_with(expected), "{told}");
    assert!(told.ends_with("= make a key: recruit-milter init-key\n"), "{told}");
}

#[test]
fn files_that_cannot_be_read_are_told() {
    let told = |path: &Path| config::load(path).unwrap_err().to_string();
    let site = Site::new("");
    let missing = site.path("no.toml");
    assert_eq!(
        told(&missing),
        format!(
            "no.toml: 1 problem\nerror: there is no such file\n --> {}\n  = name the file with \
             --config\n",
            missing.display()
        )
    );
    let folder = told(site.0.path());
    assert!(folder.contains("error: this is a folder, not a file\n"), "{folder}");
    let large = site.path("large.toml");
    fs::write(&large, "#".repeat((4 << 20) + 1)).unwrap();
    assert!(told(&large).contains("error: the file is larger than 4 MB\n"));
    // Root may read everything.
    fs::set_permissions(site.path("recruit-milter.toml"), Permissions::from_mode(0o000)).unwrap();
    if fs::File::open(site.path("recruit-milter.toml")).is_err() {
        let denied = told(&site.path("recruit-milter.toml"));
        assert!(denied.contains("error: the file may not be read by this user\n"), "{denied}");
    }
}

#[test]
fn a_part_that_cannot_be_read_is_told_and_causes_nothing_else() {
    let site = Site::new("[address.\"jobs@acme.example\"]\nowner = \"hr@acme.example\"\n");
    fs::create_dir_all(site.path("conf.d/10-systems.toml")).unwrap();
    assert_eq!(
        site.problems(&keys_only()),
        "error: this is a folder, not a file\n --> DIR/conf.d/10-systems.toml\n  = name the file \
         in it\n"
    );
    let site = Site::new(THREE_LINES);
    site.write("conf.d", "");
    assert_eq!(
        site.problems(&keys_only()),
        "error: this is not a folder\n --> DIR/conf.d\n  = move it away, or make it a folder\n"
    );
}

#[test]
fn the_more_exact_rule_decides_after_merging() {
    let text = fs::read_to_string("tests/config/valid/patterns-and-overrides.toml").unwrap();
    let site = Site::new(&text).with_key();
    let config = site.load(&keys_only()).unwrap().config;
    let found = |address: &str| {
        let (_, rule) = config.rules.lookup(address)?;
        let system = config.rules.system(rule).id.as_str();
        Some((rule.pattern.to_string(), system, rule.local_copy))
    };
    for (address, pattern, system, copy) in [
        ("jobs@acme.example", "jobs@acme.example", "personio", true),
        ("jobs+it@acme.example", "jobs+it@acme.example", "odoo", true),
        ("jobs+berlin@acme.example", "jobs+berlin@acme.example", "personio", true),
        ("jobs-bonn@acme.example", "jobs-*@acme.example", "personio", true),
        ("chef@karriere.acme.example", "Chef@karriere.acme.example", "personio", false),
        ("you@karriere.acme.example", "*@karriere.acme.example", "personio", true),
        ("x@sub.acme.example", "x@sub.acme.example", "odoo", false),
        ("y@sub.acme.example", "*@*.acme.example", "odoo", false),
    ] {
        assert_eq!(found(address), Some((pattern.to_owned(), system, copy)), "{address}");
    }
    assert_eq!(found("hr@acme.example"), None);
}

/// A text made of pieces that a configuration is made of, in any order.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "[system.personio]\n",
        "[system.odoo]\n",
        "[address.\"jobs@acme.example\"]\n",
        "[milter]\n",
        "[handoff]\n",
        "[internal]\n",
        "[bounces]\n",
        "[seal]\n",
        "[log]\n",
        "[[system]]\n",
        "[\"\"]\n",
        "[system]\n",
        "inbound = ",
        "addresses = ",
        "local_copy = ",
        "fallback = ",
        "front = ",
        "handoff = ",
        "deadline = ",
        "domain = ",
        "domains = ",
        "address = ",
        "size = ",
        "recipient_delimiter = ",
        "system.x.inbound = ",
        "budget = ",
        "\"jobs@acme.example\"\n",
        "\"@acme.example\"\n",
        "\"*@*.example\"\n",
        "[\"a@b.example\"]\n",
        "true\n",
        "false\n",
        "-1\n",
        "0x7f\n",
        "1e400\n",
        "\"\"\n",
        "\"5s\"\n",
        "\"10M\"\n",
        "\"ü\"\n",
        "\"unix:/x/y\"\n",
        "\"inet:1@::\"\n",
        "{ a = 1 }\n",
        "[",
        "]",
        "{",
        "}",
        "\"",
        "'''",
        "\"\"\"",
        "=",
        ".",
        ",",
        "#",
        "\n",
        "\r\n",
        "\t",
        "\u{feff}",
        "\u{202e}",
        "\0",
        "\u{1b}",
        "é",
        "\\u00",
        "𝄞",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// A valid file with some of its characters replaced, taken out or put in.
fn mutated() -> impl Strategy<Value = String> {
    let valid = [
        include_str!("config/valid/the-whole-shape.toml"),
        include_str!("config/valid/patterns-and-overrides.toml"),
        include_str!("../conf/recruit-milter.toml"),
    ];
    let edit = (any::<prop::sample::Index>(), 0..8_usize, any::<char>(), any::<bool>());
    let edits = prop::collection::vec(edit, 1..6);
    (prop::sample::select(valid.to_vec()), edits).prop_map(|(text, edits)| {
        let mut chars: Vec<char> = text.chars().collect();
        for (at, cut, new, put) in edits {
            let at = at.index(chars.len() + 1);
            let end = (at + cut).min(chars.len());
            chars.splice(at..end, put.then_some(new));
        }
        chars.into_iter().collect()
    })
}

/// Reads a text, and holds what must be true of every answer.
fn answer(text: &str) {
    match config::parse(&[("x.toml".into(), text.to_owned())]) {
        Ok(loaded) => {
            let printed = loaded.config.effective();
            let again = config::parse(&[("x.toml".into(), printed.clone())]);
            let again = again.unwrap_or_else(|p| panic!("{p}\n{printed}\nfrom {text:?}"));
            assert_eq!(again.config.effective(), printed);
        }
        Err(problems) => {
            assert!(problems.iter().any(|p| p.severity == config::Severity::Error), "{text:?}");
            assert!(!problems.to_string().contains(['\0', '\u{1b}', '\u{202e}', '\r']), "{text:?}");
            assert_eq!(problems.to_json().as_array().unwrap().len(), problems.len());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_has_an_answer(text in any::<String>()) {
        answer(&text);
    }

    #[test]
    fn pieces_in_any_order_have_an_answer(text in pieces()) {
        answer(&text);
    }

    #[test]
    fn a_damaged_file_has_an_answer(text in mutated()) {
        answer(&text);
    }

    #[test]
    fn any_key_file_has_an_answer(text in "([0-9]{0,4}[ \t]?[A-Za-z0-9+/]{0,50}={0,2}\r?\n?){0,5}|\\PC*") {
        if let Ok(keys) = KeyFile::parse(&text) {
            prop_assert!(keys.into_keys().is_ok());
        }
    }
}
