//! The site's own DKIM signer behind us: what arrives at the next hop verifies, with all that was
//! tidied.
// SPDX-License-Identifier: GPL-3.0-or-later

use super::{CONFIG, ERIKA, SYSTEMS, send};
use crate::harness::Mail;
use crate::harness::dkim::{DkimKey, signatures};
use crate::harness::opendkim::OpenDkim;
use crate::harness::routes::Place;
use crate::harness::site::{BOB, JOBS, Setup, Site};

/// A company that signs what it sends, with the milters of main.cf in this order before us.
fn signing() -> (Site, DkimKey, OpenDkim) {
    let mut site = Site::prepare(Setup {
        submission: true,
        next_hops: true,
        systems_log_in: SYSTEMS,
        config: CONFIG.to_owned(),
        ..Setup::default()
    });
    site.next_hop("RELAY", |hops| &hops.relay);
    let socket = site.mx.queue_dir().join("opendkim.sock");
    site.mx.set(&[("smtpd_milters", &format!("unix:{}", socket.display()))]);
    let key = DkimKey::new(site.scratch(), "acme.example");
    let lines = format!(
        "Mode s\nDomain acme.example\nSelector s\nKeyFile {}\nCanonicalization relaxed/simple\n\
         InternalHosts 127.0.0.1\nOversignHeaders From,Reply-To\nRequireSafeKeys no\n",
        key.private().display()
    );
    let signer = OpenDkim::with(site.scratch(), &socket, &lines);
    site.run();
    (site, key, signer)
}

#[test]
fn what_leaves_by_any_route_has_a_good_signature_of_the_final_form() {
    let (site, key, _signer) = signing();
    // The milters of the submission services: ours, then the signer.
    let order = site.mx.postconf("recruit_milter_submissions");
    let (ours, signer) = (order.find("recruit_milter_submission"), order.find("opendkim"));
    assert!(ours.is_some() && ours < signer, "{order}");
    // Date, Message-ID and Reply-To are added, Bcc and a forged field are taken off: all of that before
    // it is signed.
    let bare = format!(
        "From: {JOBS}\r\nTo: {ERIKA}\r\nSubject: bare\r\nBcc: x@example.org\r\n\
         X-Recruiting-Kind: forged\r\n\r\nHello,\r\n\r\n  world \r\n"
    );
    for user in ["personio", BOB] {
        let text = bare.replace("bare", user);
        send(&site, user, &Mail::new(BOB, &[ERIKA], text)).ok();
        let found = site.arrivals(user);
        let outside: Vec<_> = found.iter().filter(|a| a.place == Place::Own).collect();
        assert_eq!(outside.len(), 1, "{user}");
        let text = outside[0].text().replace('\n', "\r\n");
        assert_eq!(signatures(&[&key], text.as_bytes()), [("acme.example".to_owned(), true)]);
        assert!(text.contains("\r\nReply-To: ") && text.contains("\r\nMessage-ID: "), "{text}");
        assert!(!text.contains("Bcc") && !text.contains("X-Recruiting"), "{text}");
        // It can fail.
        let other = text.replace("Reply-To: Jobs", "Reply-To: Eve");
        assert_eq!(signatures(&[&key], other.as_bytes()), [("acme.example".to_owned(), false)]);
    }
}
