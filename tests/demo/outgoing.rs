//! The way out: what a recruiting system and a colleague send, by which route it leaves, and a mail
//! that is refused.
// SPDX-License-Identifier: GPL-3.0-or-later

use crate::harness::dovecot::PASSWORD;
use crate::harness::routes::Place;
use crate::harness::site::{BOB, ERIKA, JOBS, OTHER_JOBS, Site};
use crate::harness::submission::Encryption;
use crate::harness::{Mail, Smtp};
use crate::table::Table;

/// The user names that `login add` makes passwords for.
pub(crate) const SYSTEMS: &[&str] = &["personio", "odoo"];

/// Logins and routes; `RELAY` stands for a port.
pub(crate) const CONFIG: &str = r#"[login.personio]
may_send_as = ["jobs@acme.example", "karriere@acme.example"]
route = "own"

[login.odoo]
may_send_as = ["jobs@other.example"]
route = "relay"

[route.own]

[route.relay]
next_hop = "[127.0.0.1]:RELAY"

[address."jobs@acme.example"]
outbound_copy = true
"#;

/// One mail that is sent, and what must become of it.
struct Scene {
    title: &'static str,
    user: &'static str,
    from: &'static str,
    to: &'static [&'static str],
    /// Where it arrives; nowhere if it is refused.
    places: &'static [Place],
}

const SCENES: [Scene; 4] = [
    Scene {
        title: "Personio answers an applicant",
        user: "personio",
        from: JOBS,
        to: &[ERIKA],
        places: &[Place::Own],
    },
    Scene {
        title: "Odoo answers, with a colleague in copy",
        user: "odoo",
        from: OTHER_JOBS,
        to: &[ERIKA, BOB],
        places: &[Place::Local, Place::Relay],
    },
    Scene {
        title: "a colleague answers as jobs@",
        user: BOB,
        from: JOBS,
        to: &[ERIKA],
        places: &[Place::System, Place::Own],
    },
    Scene {
        title: "Personio's login as somebody else",
        user: "personio",
        from: "ceo@acme.example",
        to: &[ERIKA],
        places: &[],
    },
];

/// Sends them and shows what became of each. The titles of those that are not as they should be.
pub(crate) fn show(site: &Site) -> Vec<&'static str> {
    let mut table = Table::new(&["sent out", "login", "From", "arrived", "envelope sender"]);
    let mut failures = Vec::new();
    for scene in &SCENES {
        let told = send(site, scene);
        let arrivals = site.arrivals(scene.title);
        let places: Vec<Place> = arrivals.iter().map(|arrival| arrival.place).collect();
        let words: Vec<String> = arrivals.iter().map(|a| word(a.place).to_owned()).collect();
        let outside = arrivals.iter().find(|a| matches!(a.place, Place::Own | Place::Relay));
        let sender = outside.map_or("-".to_owned(), |arrival| shortened(&arrival.sender));
        table.row(&[
            scene.title,
            scene.user,
            scene.from,
            &if words.is_empty() { told } else { words.join(", ") },
            &sender,
        ]);
        if places != scene.places {
            failures.push(scene.title);
        }
    }
    println!("{table}");
    failures
}

/// A bounce address with the middle of its token left out.
fn shortened(sender: &str) -> String {
    match sender.split_once('@') {
        Some((local, domain)) if local.len() > 30 => format!("{}...@{domain}", &local[..21]),
        _ => sender.to_owned(),
    }
}

fn word(place: Place) -> &'static str {
    match place {
        Place::Local => "colleague's mailbox",
        Place::System => "copy for the recruiting system",
        Place::Own => "by route own",
        Place::Relay => "by route relay",
    }
}

/// Logs in over STARTTLS and sends; what the server said at last.
fn send(site: &Site, scene: &Scene) -> String {
    let password = if SYSTEMS.contains(&scene.user) { site.password(scene.user) } else { PASSWORD };
    let text = format!(
        "From: {}\r\nTo: {}\r\nSubject: {}\r\n\r\nGuten Tag\r\n",
        scene.from,
        scene.to.join(", "),
        scene.title
    );
    let mut smtp = Smtp::access(&site.access(Encryption::StartTls));
    smtp.login(scene.user, password).ok();
    match smtp.try_mail(&Mail::new(scene.from, scene.to, text)) {
        Ok(reply) => reply.to_string(),
        Err(error) => error.to_string(),
    }
}
