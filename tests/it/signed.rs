//! The company's DKIM signer after pass 2, a real OpenDKIM with the lines of README.md: what it signs,
//! and what it must not.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fs;
use std::path::PathBuf;

use crate::harness::dkim::{DkimKey, signatures};
use crate::harness::opendkim::OpenDkim;
use crate::harness::site::{BOB, ERIKA, HR, JOBS, KARRIERE, OTHER_JOBS, Setup, ours};
use crate::harness::{Delivered, LIMIT, Mail, Site, wait_until};

const COMPANY: &str = "acme.example";
const APPLICANT: &str = "example.org";

const MESSAGE: &str = "From: Erika <erika@example.org>\r\nTo: jobs@acme.example\r\n\
    Subject: Application as a baker\r\nDate: Mon, 02 Nov 2026 10:00:00 +0100\r\n\
    Message-ID: <1@example.org>\r\n\r\nDear all,\r\n\r\nI bake.\r\n";

/// A company whose copies are signed.
struct Company {
    site: Site,
    own: DkimKey,
    applicants: DkimKey,
    signer: Option<OpenDkim>,
}

impl Company {
    fn start(setup: Setup) -> Self {
        let mut site = Site::prepare(setup);
        let socket = site.mx.queue_dir().join("signer.sock");
        let more = site.config.with_file_name("conf.d");
        fs::create_dir(&more).unwrap();
        let text = format!("[handoff]\nsigner = \"unix:{}\"\n", socket.display());
        fs::write(more.join("signer.toml"), text).unwrap();
        let [own, applicants] =
            [COMPANY, APPLICANT].map(|domain| DkimKey::new(site.scratch(), domain));
        site.run();
        let mut company = Self { site, own, applicants, signer: None };
        company.start_signer(&company.lines());
        company
    }

    /// The lines of README.md, with the key of the test.
    fn lines(&self) -> String {
        let lines = readme_between("# recruit-dkim.conf\n", "```");
        let lines = lines.lines().filter_map(|line| {
            let name = line.split(' ').next()?;
            match name {
                "Socket" | "UMask" | "UserID" | "PidFile" | "Syslog" => None,
                "Selector" => Some("Selector s\n".to_owned()),
                "KeyFile" => Some(format!("KeyFile {}\n", self.own.private().display())),
                _ => Some(format!("{line}\n")),
            }
        });
        // The folders above the key are those of a test.
        lines.collect::<String>() + "RequireSafeKeys no\n"
    }

    fn socket(&self) -> PathBuf {
        self.site.mx.queue_dir().join("signer.sock")
    }

    fn start_signer(&mut self, lines: &str) {
        self.signer = None;
        self.signer = Some(OpenDkim::with(self.site.scratch(), &self.socket(), lines));
    }

    /// The signatures of a message as it was delivered.
    fn signatures(&self, text: &str) -> Vec<(String, bool)> {
        let crlf = text.replace("\r\n", "\n").replace('\n', "\r\n");
        signatures(&[&self.own, &self.applicants], crlf.as_bytes())
    }

    fn send(&self, to: &str, message: impl Into<Vec<u8>>) {
        Mail::new(ERIKA, &[to], message).send(self.site.mx.port());
        self.site.settle();
    }

    fn copy(&self) -> Delivered {
        let mut copies = self.site.inbound();
        assert_eq!(copies.len(), 1);
        copies.remove(0)
    }

    fn in_mailbox(&self, mailbox: &str) -> String {
        let mails = self.site.mx.maildir(mailbox);
        assert_eq!(mails.len(), 1);
        mails[0].text()
    }
}

fn both(company: bool, applicant: bool) -> Vec<(String, bool)> {
    vec![(COMPANY.into(), company), (APPLICANT.into(), applicant)]
}

fn applicant() -> Vec<(String, bool)> {
    vec![(APPLICANT.into(), true)]
}

#[test]
fn a_copy_carries_the_companys_signature_and_the_applicants() {
    let company = Company::start(Setup::default());
    for canonicalization in ["simple/simple", "relaxed/relaxed"] {
        let signed = company.applicants.sign(MESSAGE.as_bytes(), &[canonicalization]);
        company.send(JOBS, signed);
        let copy = company.copy().text();
        assert_eq!(company.signatures(&copy), both(true, true), "{copy}");
        assert_eq!(company.signatures(&company.in_mailbox(JOBS)), applicant());
        company.site.mx.clear_deliveries();
        company.site.ats.clear_deliveries();
    }
    // Other mail does not come past this signer, and one for another domain it has no key for.
    company.send(BOB, company.applicants.sign(MESSAGE.as_bytes(), &["relaxed/relaxed"]));
    assert_eq!(company.signatures(&company.in_mailbox(BOB)), applicant());
    company.send(OTHER_JOBS, MESSAGE);
    let others = company.site.ats.deliveries();
    assert_eq!(others.len(), 1);
    assert_eq!(company.signatures(&others[0].text()), []);
}

#[test]
fn no_field_of_ours_can_be_changed_removed_or_added_unnoticed() {
    let company = Company::start(Setup::default());
    company.send(JOBS, company.applicants.sign(MESSAGE.as_bytes(), &["relaxed/relaxed"]));
    let copy = company.copy().text();
    let names: Vec<String> = ours(copy.as_bytes())
        .iter()
        .map(|field| field.split_once(':').unwrap().0.to_owned())
        .collect();
    assert_eq!(names.len(), 6, "{names:?}");
    let breaks = |what: &str, changed: &str, applicants: bool| {
        assert_ne!(changed, copy, "{what}");
        assert_eq!(company.signatures(changed), both(false, applicants), "{what}");
    };
    for name in &names {
        let start = copy.find(&format!("\n{name}: ")).unwrap() + 1;
        let mut end = start;
        loop {
            end += copy[end..].find('\n').unwrap() + 1;
            if !copy[end..].starts_with(['\t', ' ']) {
                break;
            }
        }
        let field = &copy[start..end];
        let other = format!("{name}: x\n");
        let (head, body) = copy.split_once("\n\n").unwrap();
        breaks(name, &copy.replacen(field, &other, 1), true);
        breaks(name, &copy.replacen(field, "", 1), true);
        breaks(name, &copy.replacen(field, &format!("{other}{field}"), 1), true);
        breaks(name, &format!("{other}{copy}"), true);
        breaks(name, &format!("{head}\n{other}\n{body}"), true);
        breaks(name, &format!("{}{copy}", other.to_lowercase()), true);
    }
    for absent in ["Forwarder", "Review", "Unsigned"].map(|name| format!("X-Recruiting-{name}")) {
        assert!(!copy.contains(&format!("\n{absent}:")));
        breaks(&absent, &format!("{absent}: x\n{copy}"), true);
    }
    for (old, new) in [
        ("From: Erika <erika", "From: Erika <erich"),
        ("To: jobs@", "To: joe@"),
        ("Subject: Application as a baker", "Subject: Application as a nurse"),
        ("Date: Mon, 02 Nov", "Date: Mon, 09 Nov"),
        ("Message-ID: <1@", "Message-ID: <2@"),
        ("I bake.", "I nurse."),
    ] {
        breaks(new, &copy.replacen(old, new, 1), false);
    }
    // What every server on the way adds is not covered.
    let on_the_way = format!("Received: from a by b;\n\tx\nX-Spam-Flag: NO\n{copy}");
    assert_eq!(company.signatures(&on_the_way), both(true, true));
}

#[test]
fn while_the_signer_is_down_the_copy_waits_and_then_goes_out_signed() {
    let mut company = Company::start(Setup {
        mx: Some(|mx| {
            mx.param("queue_run_delay", "2s")
                .param("minimal_backoff_time", "3s")
                .param("maximal_backoff_time", "3s")
        }),
        ..Setup::default()
    });
    company.signer = None;
    let signed = company.applicants.sign(MESSAGE.as_bytes(), &["relaxed/relaxed"]);
    Mail::new(ERIKA, &[BOB, JOBS], signed).send(company.site.mx.port());
    company.site.mx.wait_for_mail(BOB, 1);
    company.site.mx.wait_for_mail(JOBS, 1);
    company.site.mx.wait_for_log("status=deferred");
    assert_eq!(company.site.inbound().len(), 0);
    company.start_signer(&company.lines());
    wait_until("the copy has arrived", LIMIT, || company.site.inbound().len() == 1);
    company.site.settle();
    assert_eq!(company.signatures(&company.copy().text()), both(true, true));
    let (mx, ats) = (company.site.mx.delivery_count(), company.site.ats.delivery_count());
    assert_eq!((mx, ats), (2, 1), "and nothing else");
}

#[test]
fn a_message_that_was_unwrapped_is_signed_once() {
    let company = Company::start(Setup {
        config: format!(
            "[address.\"{JOBS}\"]\nunwrap = \"attached\"\n\
             [internal]\nnetworks = [\"127.0.0.1/32\"]\n"
        ),
        ..Setup::default()
    });
    let inner = company.applicants.sign(MESSAGE.as_bytes(), &["relaxed/relaxed"]);
    let inner = String::from_utf8(inner).unwrap();
    let outer = format!(
        "From: Bob <{BOB}>\r\nTo: {JOBS}\r\nSubject: Fwd: baker\r\nMIME-Version: 1.0\r\n\
         X-Recruiting-Address: forged@acme.example\r\n\
         Content-Type: multipart/mixed; boundary=b\r\n\r\n\
         --b\r\nContent-Type: text/plain\r\n\r\nFor you.\r\n\
         --b\r\nContent-Type: message/rfc822\r\n\r\n{inner}\r\n--b--\r\n"
    );
    Mail::new(BOB, &[JOBS], outer).send(company.site.mx.port());
    company.site.settle();
    let copy = company.copy().text();
    assert!(copy.contains("X-Recruiting-Forwarder: <bob@acme.example>\n"), "{copy}");
    assert_eq!(company.signatures(&copy), both(true, true), "{copy}");
}

/// An automatic answer, which stays at home, with a field that is not ours to believe.
fn answer(more: &str) -> String {
    format!(
        "X-Recruiting-Address: jobs@acme.example\r\nAuto-Submitted: auto-replied\r\n{more}{MESSAGE}"
    )
}

#[test]
fn what_is_given_back_is_not_signed_whatever_fields_it_brings() {
    let mut company = Company::start(Setup::default());
    company.send(JOBS, MESSAGE);
    let sealed = company.copy().text().replace('\n', "\r\n");
    let flood = "X-Recruiting-Address: jobs@acme.example\r\n".repeat(300);
    for message in [answer(""), answer(&flood), sealed.clone()] {
        company.send(KARRIERE, message.as_str());
        let given_back = company.in_mailbox(HR);
        // The copy that came back has the signature it had, which our further field undoes.
        let had = if message == sealed { vec![(COMPANY.to_owned(), false)] } else { vec![] };
        assert_eq!(company.signatures(&given_back), had);
        assert!(given_back.ends_with(&message.replace("\r\n", "\n")), "{given_back}");
        company.site.mx.clear_deliveries();
    }
    assert_eq!(company.site.inbound().len(), 1);
    // Without fields in our namespace nothing is added.
    company.send(KARRIERE, format!("Auto-Submitted: auto-replied\r\n{MESSAGE}"));
    assert_eq!(ours(company.in_mailbox(HR).as_bytes()), [""; 0]);
    company.site.mx.clear_deliveries();
    // One that goes by the recruiting address alone would sign what a stranger wrote.
    let careless = company
        .lines()
        .replace("X-Recruiting-Unsigned,X-Recruiting-Address", "X-Recruiting-Address");
    company.start_signer(&careless);
    company.send(KARRIERE, answer(""));
    assert_eq!(company.signatures(&company.in_mailbox(HR)), [(COMPANY.to_owned(), true)]);
}

#[test]
fn with_a_table_each_address_has_the_signature_of_its_own_domain() {
    let mut company = Company::start(Setup::default());
    let other = DkimKey::new(company.site.scratch(), "other.example");
    let at = |name: &str| company.site.scratch().join(name);
    let key =
        |key: &DkimKey, domain: &str| format!("{domain} {domain}:s:{}\n", key.private().display());
    let keys = key(&company.own, COMPANY) + &key(&other, "other.example");
    fs::write(at("recruit.keys"), keys).unwrap();
    let signing = readme_between("# recruit.signing\n", "```");
    fs::write(at("recruit.signing"), signing).unwrap();
    let lines: String = company.lines().lines().filter(|line| !line.starts_with("Domain")).fold(
        String::new(),
        |lines, line| match line.split(' ').next() {
            Some("Selector" | "KeyFile") => lines,
            _ => lines + line + "\n",
        },
    );
    let tables = format!(
        "KeyTable {}\nSigningTable refile:{}\n",
        at("recruit.keys").display(),
        at("recruit.signing").display()
    );
    company.start_signer(&(lines + &tables));
    for (to, domain) in [(JOBS, COMPANY), (OTHER_JOBS, "other.example")] {
        company.send(to, MESSAGE);
        let copies = company.site.ats.deliveries();
        assert_eq!(copies.len(), 1);
        let crlf = copies[0].text().replace('\n', "\r\n");
        let found = signatures(&[&company.own, &other], crlf.as_bytes());
        assert_eq!(found, [(domain.to_owned(), true)]);
        company.site.ats.clear_deliveries();
    }
    company.send(KARRIERE, answer(""));
    assert_eq!(company.signatures(&company.in_mailbox(HR)), []);
}

/// The lines of README.md between two texts.
fn readme_between(begin: &str, end: &str) -> &'static str {
    let readme = include_str!("../../README.md");
    let (_, rest) = readme.split_once(begin).expect("README.md shows the lines");
    rest.split_once(end).unwrap().0
}
