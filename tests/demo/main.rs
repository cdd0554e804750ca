//! The demo: a company's Postfix with the milter, a recruiting system's Postfix, and mail between
//! them, on loopback. Shows what each side received; ends with 1 if anything is not as it should be.
// SPDX-License-Identifier: GPL-3.0-or-later

#[path = "../it/harness/mod.rs"]
mod harness;
mod looking;
mod outgoing;
mod table;

use std::process::ExitCode;

use harness::site::{BOB, ERIKA, INBOUND, JOBS, KARRIERE, Setup, without_ours};
use harness::submission::Encryption;
use harness::{Delivered, Mail, Site};
use table::Table;

/// One mail that is sent, and what must become of it.
struct Scene {
    title: &'static str,
    sender: &'static str,
    recipients: &'static [&'static str],
    message: String,
    /// Whether the recruiting system gets it.
    forwarded: bool,
    /// Which mailboxes of the company get it.
    local: &'static [&'static str],
}

fn main() -> ExitCode {
    let keep = std::env::args().any(|arg| arg == "--keep");
    println!("Starting a company's Postfix, a recruiting system's Postfix and the milter ...");
    // Whoever sends from this machine and writes as a colleague is one.
    let inside = format!("[internal]\nnetworks = [\"127.0.0.0/8\"]\n\n{}", outgoing::CONFIG);
    let mut site = Site::prepare(Setup {
        config: inside,
        submission: true,
        next_hops: true,
        systems_log_in: outgoing::SYSTEMS,
        ..Setup::default()
    });
    site.next_hop("RELAY", |hops| &hops.relay);
    site.run();
    println!(
        "  company   mx.example   127.0.0.1:{}   recruiting addresses {JOBS}, {KARRIERE}",
        site.mx.port()
    );
    println!("  system    ats.example  127.0.0.1:{}   inbound address {INBOUND}", site.ats.port());
    println!(
        "  way out   own.example  127.0.0.1:{}   and by a relay, relay.example 127.0.0.1:{}\n",
        site.own().port(),
        site.relay().port()
    );

    let mut table = Table::new(&["sent", "to", "recruiting system", "local mailboxes", "bytes"]);
    let mut failures = Vec::new();
    let mut copy = None;
    for scene in people().into_iter().chain(machines()) {
        let sent = Mail::new(scene.sender, scene.recipients, scene.message.as_bytes());
        sent.send(site.mx.port());
        site.settle();
        let inbound = site.inbound();
        let mut local: Vec<Delivered> = site.mx.deliveries();
        local.sort_by(|a, b| a.delivered_to.cmp(&b.delivered_to));
        let boxes: Vec<&str> = local.iter().map(|d| d.delivered_to.as_str()).collect();
        let original = scene.message.replace("\r\n", "\n").into_bytes();
        let same = inbound.iter().all(|d| without_ours(&d.bytes, 3) == original)
            && local.iter().all(|d| without_ours(&d.bytes, 1) == original);
        table.row(&[
            scene.title,
            &scene.recipients.join(", "),
            &describe(&inbound),
            &if boxes.is_empty() { "-".to_owned() } else { boxes.join(", ") },
            if same { "identical" } else { "DIFFERENT" },
        ]);
        if inbound.len() != usize::from(scene.forwarded) || boxes != scene.local || !same {
            failures.push(scene.title);
        }
        copy = copy.or_else(|| inbound.into_iter().next());
        site.mx.clear_deliveries();
        site.ats.clear_deliveries();
    }
    println!("{table}");
    failures.extend(outgoing::show(&site));
    if let Some(copy) = copy {
        println!("The application, as the recruiting system got it (top of the header):");
        for line in copy.text().lines().take_while(|line| !line.is_empty()).take(18) {
            println!("  {line}");
        }
    }
    println!("\nWhat the log says:");
    for line in site.daemon.log().lines().filter(|line| line.contains(" action=")) {
        println!("  {line}");
    }
    failures.extend(looking::show(&site));
    for title in &failures {
        println!("\nNOT AS IT SHOULD BE: {title}");
    }
    if keep {
        wait(&site);
    }
    println!(
        "\n{}",
        if failures.is_empty() { "All as it should be. Cleaning up." } else { "Cleaning up." }
    );
    ExitCode::from(u8::from(!failures.is_empty()))
}

fn describe(inbound: &[Delivered]) -> String {
    let field = |d: &Delivered, name: &str| {
        let text = d.text();
        let line = text.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
        line.unwrap_or_default()
    };
    match inbound {
        [] => "-".into(),
        [one] => {
            let applicant = field(one, "X-Recruiting-Applicant: ");
            let applicant = applicant.split(';').next().unwrap_or_default();
            format!("{} {applicant}", field(one, "X-Recruiting-Kind: ")).trim_end().to_owned()
        }
        more => format!("{} copies", more.len()),
    }
}

/// Leaves everything running until Enter or the end of standard input.
fn wait(site: &Site) {
    println!("\nEverything is left running. Send a mail by hand, for example:");
    println!("  swaks --server 127.0.0.1:{} --from {ERIKA} --to {JOBS}", site.mx.port());
    let access = site.access(Encryption::StartTls);
    println!("or as the recruiting system, with the password that `login add` has made:");
    println!(
        "  swaks --server 127.0.0.1:{} --tls --auth-user personio --auth-password {} \\\n    \
         --from {JOBS} --to {ERIKA}",
        access.port,
        site.password("personio")
    );
    println!("What arrives, and the logs, are below {}", site.scratch().path().display());
    println!("Press Enter to end.");
    let _ = std::io::stdin().read_line(&mut String::new());
}

fn simple(from: &str, to: &str, more: &str, text: &str) -> String {
    format!("From: {from}\r\nTo: {to}\r\n{more}\r\n\r\n{text}\r\n")
}

fn machines() -> Vec<Scene> {
    vec![
        Scene {
            title: "a vacation notice",
            sender: ERIKA,
            recipients: &[JOBS],
            message: simple(
                ERIKA,
                JOBS,
                "Subject: Abwesenheitsnotiz\r\nAuto-Submitted: auto-replied",
                "Ich bin bis Montag nicht da.",
            ),
            forwarded: false,
            local: &[JOBS],
        },
        Scene {
            title: "the system's own test mail",
            sender: INBOUND,
            recipients: &[JOBS],
            message: simple(
                INBOUND,
                JOBS,
                "Subject: Test\r\nAuto-Submitted: auto-generated",
                "Test",
            ),
            forwarded: true,
            local: &[JOBS],
        },
    ]
}

fn people() -> Vec<Scene> {
    let cv = cv();
    let application = format!(
        "From: Erika Musterfrau <{ERIKA}>\r\nTo: {JOBS}\r\nSubject: Bewerbung als Schlosserin\r\n\
         Message-ID: <application@example.org>\r\nDate: Tue, 24 Nov 2026 09:00:00 +0100\r\n\
         MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=cut\r\n\r\n\
         --cut\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nGuten Tag,\r\n\r\nanbei mein Lebenslauf.\r\n\
         --cut\r\nContent-Type: application/pdf; name=\"cv.pdf\"\r\nContent-Transfer-Encoding: base64\r\n\
         Content-Disposition: attachment; filename=\"cv.pdf\"\r\n\r\n{cv}\r\n--cut--\r\n"
    );
    vec![
        Scene {
            title: "an application with a CV",
            sender: ERIKA,
            recipients: &[JOBS],
            message: application,
            forwarded: true,
            local: &[JOBS],
        },
        Scene {
            title: "a reply in the same thread",
            sender: ERIKA,
            recipients: &[JOBS],
            message: simple(
                ERIKA,
                JOBS,
                "Subject: Re: Bewerbung als Schlosserin\r\nMessage-ID: <reply@example.org>\r\n\
                 In-Reply-To: <answer@m-personio.example>\r\nReferences: <application@example.org>",
                "Dienstag passt gut.",
            ),
            forwarded: true,
            local: &[JOBS],
        },
        Scene {
            title: "to a colleague and jobs@ at once",
            sender: ERIKA,
            recipients: &[BOB, JOBS],
            message: simple(
                ERIKA,
                "bob@acme.example, jobs@acme.example",
                "Subject: Hallo",
                "An beide.",
            ),
            forwarded: true,
            local: &[BOB, JOBS],
        },
        Scene {
            title: "to an address without a local copy",
            sender: ERIKA,
            recipients: &[KARRIERE],
            message: simple(ERIKA, KARRIERE, "Subject: Initiativbewerbung", "Nur in das System."),
            forwarded: true,
            local: &[],
        },
        Scene {
            title: "passed on by a colleague",
            sender: BOB,
            recipients: &[JOBS],
            message: simple(
                &format!("Bob Beispiel <{BOB}>"),
                JOBS,
                "Subject: WG: Bewerbung als Dreher\r\nContent-Type: text/plain; charset=utf-8",
                "Kam bei mir an, bitte anlegen.\r\n\r\n\
                 Von: Max Muster <max@example.net>\r\nGesendet: Montag, 23. November 2026 18:02\r\n\
                 An: Bob Beispiel <bob@acme.example>\r\nBetreff: Bewerbung als Dreher\r\n\r\n\
                 Guten Tag, anbei meine Unterlagen.",
            ),
            forwarded: true,
            local: &[JOBS],
        },
        Scene {
            title: "mail to somebody else",
            sender: ERIKA,
            recipients: &[BOB],
            message: simple(ERIKA, BOB, "Subject: Mittagessen", "Um zwölf?"),
            forwarded: false,
            local: &[BOB],
        },
    ]
}

/// A PDF of one page, in base64.
fn cv() -> String {
    let pdf = b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n\
        2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n\
        3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n";
    let text = data_encoding::BASE64_MIME.encode(pdf);
    text.trim_end().to_owned()
}
