//! Routes of outgoing mail: which next hop gets which mail, with Postfix configured by the program.
// SPDX-License-Identifier: GPL-3.0-or-later

use crate::harness::dovecot::PASSWORD;
use crate::harness::site::{BOB, ERIKA, HR, JOBS, SABINE, Setup, Site};
use crate::harness::{Delivered, Mail, Postfix, Scratch};

/// An address whose mail takes the route that a field tells.
const TALENT: &str = "talent@acme.example";

/// A site with two ways out besides the usual one.
struct Scene {
    site: Site,
    own: Postfix,
    agency: Postfix,
    _scratch: Scratch,
}

impl Scene {
    fn start() -> Self {
        let scratch = Scratch::new();
        let [own, agency] =
            ["own", "agency"].map(|name| Postfix::builder(&scratch, name).catch_all().start());
        let config = format!(
            r#"[route.own]
next_hop = "[127.0.0.1]:{own}"
from = ["{JOBS}"]
bounces_to = "{HR}"

[route.agency]
recipe = "field"
next_hop = "[127.0.0.1]:{agency}"
from = ["{TALENT}"]
bounces_to = "{HR}"
"#,
            own = own.port(),
            agency = agency.port(),
        );
        let mut site = Site::prepare(Setup {
            logins: true,
            config,
            mx: Some(|mx| mx.param("default_transport", "smtp")),
            ..Setup::default()
        });
        // What takes no route leaves by the usual relay.
        site.mx.set(&[("relayhost", &format!("[127.0.0.1]:{}", site.ats.port()))]);
        site.run();
        Self { site, own, agency, _scratch: scratch }
    }

    /// Sends a mail as a colleague.
    fn send(&self, from: &str, to: &[&str]) {
        let text =
            format!("From: {from}\r\nTo: someone\r\nSubject: Your application\r\n\r\nHello\r\n");
        Mail::new(BOB, to, text).send_as(BOB, PASSWORD, self.site.submission_port());
    }

    /// What each way out got, and what stayed: recipients in order of their names.
    fn arrived(&self) -> [Vec<Delivered>; 4] {
        self.site.settle();
        let all = [&self.own, &self.agency, &self.site.ats, &self.site.mx];
        all.map(|postfix| {
            postfix.wait_until_idle();
            let mut mails = postfix.deliveries();
            mails.sort_by(|a, b| a.delivered_to.cmp(&b.delivered_to));
            postfix.clear_deliveries();
            mails
        })
    }
}

fn names(mails: &[Delivered]) -> Vec<&str> {
    mails.iter().map(|mail| mail.delivered_to.as_str()).collect()
}

#[test]
fn each_recipe_leads_mail_to_its_next_hop_and_no_other() {
    let scene = Scene::start();
    let none: [&str; 0] = [];

    // By sender: a colleague inside stays inside.
    scene.send(JOBS, &[ERIKA, SABINE, "x@example.net"]);
    let [own, agency, rest, local] = scene.arrived();
    assert_eq!(names(&own), [ERIKA, "x@example.net"]);
    assert_eq!(names(&local), [SABINE]);
    assert_eq!((names(&agency), names(&rest)), (none.to_vec(), none.to_vec()));
    assert!(own[0].envelope_sender.starts_with("recruit-bounces+1"), "{own:?}");

    // By field.
    scene.send(TALENT, &[ERIKA, "x@example.net"]);
    let [own, agency, rest, local] = scene.arrived();
    assert_eq!(names(&agency), [ERIKA, "x@example.net"]);
    assert!(!agency[0].text().contains("X-Recruiting"), "{}", agency[0].text());
    assert_eq!((names(&own), names(&rest), names(&local)), (vec![], vec![], vec![]));

    // By field, with a colleague inside: told by the sender.
    scene.send(TALENT, &[ERIKA, SABINE]);
    let [own, agency, rest, local] = scene.arrived();
    assert_eq!((names(&agency), names(&local)), (vec![ERIKA], vec![SABINE]));
    assert!(!local[0].text().contains("X-Recruiting"), "{}", local[0].text());
    assert_eq!((names(&own), names(&rest)), (vec![], vec![]));

    // A colleague's own mail takes no route.
    scene.send(BOB, &[ERIKA, SABINE]);
    let [own, agency, rest, local] = scene.arrived();
    assert_eq!((names(&rest), names(&local)), (vec![ERIKA], vec![SABINE]));
    assert_eq!((names(&own), names(&agency)), (vec![], vec![]));
    assert_eq!(rest[0].envelope_sender, BOB);

    // Nor does one whose author names a route himself, from inside or outside.
    let forged =
        format!("From: {BOB}\r\nX-Recruiting-Route: agency\r\nSubject: x\r\n\r\nHello\r\n");
    Mail::new(BOB, &[ERIKA], &*forged).send_as(BOB, PASSWORD, scene.site.submission_port());
    Mail::new(ERIKA, &[SABINE], &*forged).send(scene.site.mx.port());
    let [own, agency, rest, local] = scene.arrived();
    assert_eq!((names(&rest), names(&local)), (vec![ERIKA], vec![SABINE]));
    assert_eq!((names(&own), names(&agency)), (vec![], vec![]));

    // Nor does a copy on its way to the recruiting system.
    scene.site.ats.clear_deliveries();
    Mail::new(ERIKA, &[JOBS], "From: erika@example.org\r\nSubject: My application\r\n\r\nHi\r\n")
        .send(scene.site.mx.port());
    let [own, agency, rest, _] = scene.arrived();
    assert_eq!((names(&own), names(&agency)), (vec![], vec![]));
    assert_eq!(rest.len(), 1, "{rest:?}");
}
