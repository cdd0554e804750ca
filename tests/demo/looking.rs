//! The end of the demo: each address verified, the life of a mail, and how everything stands.
// SPDX-License-Identifier: GPL-3.0-or-later

use crate::harness::daemon::command;
use crate::harness::site::{ERIKA, JOBS, Site};
use crate::harness::{LIMIT, Mail, wait_until};

/// Runs a command of the program and shows what it prints; whether it says that all is well.
fn run(site: &Site, args: &[&str], more: &[&str]) -> bool {
    println!("\n$ recruit-milter {}", args.join(" "));
    let config = site.config.display().to_string();
    let output = command(&[args, &["--config", &config], more].concat());
    print!("{}", String::from_utf8_lossy(&output.stdout));
    eprint!("{}", String::from_utf8_lossy(&output.stderr));
    output.status.success()
}

/// Shows it all; the titles of what is not as it should be.
pub(crate) fn show(site: &Site) -> Vec<&'static str> {
    println!("\nIs each address verified? A probe to each, followed hop by hop:");
    let mut wrong = Vec::new();
    let etc = site.mx.config_dir().display().to_string();
    let instance = ["--config-dir", &etc, "--lang", "en"];
    if !run(site, &["verify", "--all"], &instance) {
        wrong.push("verify");
    }
    println!("\nAn application, and its life as the ledger tells it:");
    let text = "From: Erika <erika@example.org>\r\nSubject: Bewerbung\r\n\r\nHello\r\n";
    let id = Mail::new(ERIKA, &[JOBS], text).send(site.mx.port());
    let id = id.rsplit(' ').next().unwrap_or_default().trim().to_owned();
    let delivered = || {
        let config = site.config.display().to_string();
        let output = command(&["trace", &id, "--config", &config, "--lang", "en"]);
        String::from_utf8_lossy(&output.stdout).contains("delivered at ")
    };
    wait_until("the copy is delivered", LIMIT, delivered);
    if !run(site, &["trace", &id], &["--lang", "en"]) {
        wrong.push("trace");
    }
    if !run(site, &["status"], &["--lang", "en"]) {
        wrong.push("status");
    }
    site.settle();
    wrong
}
