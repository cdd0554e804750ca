//! Where each kind of mail goes, with and without a local copy; nothing is lost on any of the ways.
// SPDX-License-Identifier: GPL-3.0-or-later

use super::*;

/// A recruiting address without a local copy, with a person who looks at mail.
const ALONE: &str = "jobs+alone@acme.example";
/// The same, but the person has the fallback's mailbox.
const SAME: &str = "jobs+same@acme.example";

/// The kinds that the header or the body's beginning shows, with a mail and its envelope sender.
fn kinds() -> [(&'static str, &'static str, String); 6] {
    let mail = |kind, sender, text| (kind, sender, letters::wire(text));
    [
        mail("auto-reply", ERIKA, letters::AUTO_REPLY),
        mail("bounce", "", letters::BOUNCE),
        mail("list", "bounces@hr-weekly.example", letters::NEWSLETTER),
        mail("calendar", ERIKA, letters::INVITATION),
        mail("spam", "win@spam.example", letters::SPAM),
        mail("needs-human", "forwarding-noreply@google.com", letters::CONFIRMATION),
    ]
}

/// All that was delivered since the last call: at the company, and at the system.
fn delivered(site: &Site) -> [Vec<Delivered>; 2] {
    site.settle();
    let all = [&site.mx, &site.ats].map(|postfix| {
        let all = postfix.deliveries();
        postfix.clear_deliveries();
        all
    });
    assert_eq!(site.mx.report_records(), Vec::<std::path::PathBuf>::new());
    all
}

/// Mail that stayed: who got it, each exactly what was sent from whom it came.
#[track_caller]
fn assert_stayed(site: &Site, sender: &str, sent: &str, who: &[(&str, usize)]) {
    let [mut local, system] = delivered(site);
    assert_eq!(system, [], "nothing for the system");
    local.sort_by(|a, b| a.delivered_to.cmp(&b.delivered_to));
    let got: Vec<&str> = local.iter().map(|mail| mail.delivered_to.as_str()).collect();
    let expected: Vec<&str> = who.iter().map(|(mailbox, _)| *mailbox).collect();
    assert_eq!(got, expected);
    for (mail, (_, hops)) in local.iter().zip(who) {
        assert_eq!(mail.envelope_sender, sender);
        assert_eq!(ours(&mail.bytes), [""; 0]);
        let rest = without_ours(&mail.bytes, *hops);
        assert_eq!(String::from_utf8_lossy(&rest), sent.replace("\r\n", "\n"));
    }
}

#[test]
fn by_default_mail_of_machines_stays_in_the_mailbox_or_comes_to_the_fallback() {
    let site = Site::start();
    for (kind, sender, message) in kinds() {
        let send = |to| Mail::new(sender, &[to], message.as_str()).send(site.mx.port());
        send(JOBS);
        assert_stayed(&site, sender, &message, &[(JOBS, 1)]);
        site.daemon.wait_for_log(&format!("kind={kind}"));
        // Of the two addresses, the one without a copy of its own has a fallback.
        send(KARRIERE);
        assert_stayed(&site, sender, &message, &[(HR, HOPS)]);
        Mail::new(sender, &[JOBS, KARRIERE], message.as_str()).send(site.mx.port());
        assert_stayed(&site, sender, &message, &[(HR, HOPS), (JOBS, 1)]);
    }
}

#[test]
fn a_kind_goes_where_the_admin_sends_it() {
    let all = |action: &str| {
        let kinds = kinds().map(|(kind, ..)| format!("{kind} = \"{action}\""));
        format!("{{ {} }}", kinds.join(", "))
    };
    let site = Site::with(Setup {
        config: format!(
            "[address.\"jobs+tag@acme.example\"]\nkinds = {tag}\n\
             [address.\"jobs+on@acme.example\"]\nkinds = {on}\n\
             [address.\"jobs+see@acme.example\"]\nkinds = {person}\nperson = \"{BOB}\"\n\
             [address.\"{ALONE}\"]\nkinds = {person}\nperson = \"{BOB}\"\n\
             local_copy = false\nfallback = \"{HR}\"\n\
             [address.\"{SAME}\"]\nkinds = {person}\nperson = \"{HR}\"\n\
             local_copy = false\nfallback = \"{HR}\"\n",
            tag = all("forward-tagged"),
            on = all("forward"),
            person = all("to-person"),
        ),
        ..Setup::default()
    });
    for (kind, sender, message) in kinds() {
        let send = |to| Mail::new(sender, &[to], message.as_str()).send(site.mx.port());
        let unsure = kind == "needs-human";
        for (address, review) in [
            ("jobs+on@acme.example", unsure.then_some("Review: applicant")),
            (
                "jobs+tag@acme.example",
                Some(if unsure { "Review: applicant, kind" } else { "Review: kind" }),
            ),
        ] {
            send(address);
            let [local, system] = delivered(&site);
            let [local, system] = [&local[..], &system[..]];
            let ([local], [copy]) = (local, system) else { panic!("{local:?} {system:?}") };
            assert_eq!(local.delivered_to, address);
            let kind = format!("Kind: {kind}");
            let about: Vec<&str> = [kind.as_str()].into_iter().chain(review).collect();
            assert_copy(copy, sender, address, &about, &message);
        }
        let see = "jobs+see@acme.example";
        send(see);
        assert_stayed(&site, sender, &message, &[(BOB, HOPS), (see, 1)]);
        send(ALONE);
        assert_stayed(&site, sender, &message, &[(BOB, HOPS), (HR, HOPS)]);
        send(SAME);
        assert_stayed(&site, sender, &message, &[(HR, HOPS)]);
    }
}
