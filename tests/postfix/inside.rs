//! Who would pass for a colleague by `[internal] networks`.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fs;

use recruit_milter::policy::rules::Network;
use recruit_milter::postfix::{apply, check};

use super::instance::Private;

/// What the networks' findings are with these changes of postconf.
fn found(postfix: &mut Private, networks: &[&str], changes: &[&[&str]]) -> Vec<String> {
    let parsed = networks.iter().map(|network| Network::parse(network).unwrap());
    postfix.config.rules.internal_networks = parsed.collect();
    let before = postfix.files();
    for change in changes {
        postfix.postconf(change);
    }
    let found = check(&postfix.instance, &postfix.config).unwrap();
    for (name, text) in ["main.cf", "master.cf"].iter().zip(before) {
        fs::write(postfix.path(name), text).unwrap();
    }
    let ids = ["RM-POSTFIX-92", "RM-POSTFIX-93", "RM-POSTFIX-94"];
    let ours = found.iter().filter(|finding| ids.contains(&finding.id.as_str()));
    ours.map(ToString::to_string).collect()
}

fn applied() -> Private {
    let postfix = Private::with("");
    apply(&postfix.instance, &postfix.wanted()).unwrap();
    postfix
}

const FILTER: &[&str] = &["-e", "content_filter=scan:[127.0.0.1]:10024"];
/// The service of the tests' master.cf that takes back what a filter had.
const BACK: &str = "127.0.0.9:10025/inet";
const LOOPBACK: [&str; 3] = ["127.0.0.1/32", "127.0.0.0/8", "::1/128"];

#[test]
fn loopback_beside_a_filter_that_gives_back_from_there_is_an_error() {
    let mut postfix = applied();
    let proxy = format!("{}/inet/smtpd_proxy_filter=127.0.0.1:10024", postfix.port);
    let own = format!("{}/inet/content_filter=scan:[127.0.0.1]:10024", postfix.port);
    let xforward = format!("{BACK}/smtpd_authorized_xforward_hosts=127.0.0.0/8");
    for network in LOOPBACK {
        for change in
            [FILTER, &["-P", proxy.as_str()], &["-P", own.as_str()], &["-P", xforward.as_str()]]
        {
            let found = found(&mut postfix, &[network], &[change]);
            assert_eq!(found.len(), 1, "{network} {change:?}: {found:#?}");
            assert!(found[0].starts_with("error: [internal] networks = "), "{found:#?}");
            assert!(found[0].contains("(RM-POSTFIX-93)"), "{found:#?}");
        }
    }
    // By a table, and by what stands behind a "$".
    fs::write(postfix.path("fa"), "/^/\n  FILTER scan:[127.0.0.1]:10024\n").unwrap();
    let table = format!("regexp:{}", postfix.path("fa").display());
    let check = format!("smtpd_sender_restrictions=check_sender_access {table}");
    let short = format!("smtpd_sender_restrictions={table}");
    let header = format!("header_checks={table}");
    for change in [&check, &short, &header] {
        let found = found(&mut postfix, &["127.0.0.1/32"], &[&["-e", change.as_str()]]);
        assert_eq!(found.len(), 1, "{change}: {found:#?}");
        assert!(
            found[0].starts_with("error: ") && found[0].contains("(FILTER = scan:"),
            "{found:#?}"
        );
    }
    // By a port that is open to all, too.
    let everywhere: &[&str] =
        &["-M", "-e", "10025/inet=10025 inet n - n - - smtpd -o content_filter="];
    let gone: &[&str] = &["-M", "-X", BACK];
    assert_eq!(found(&mut postfix, &["127.0.0.1"], &[FILTER, gone, everywhere]).len(), 1);
}

#[test]
fn a_filter_behind_which_nobody_looks_is_none() {
    let mut postfix = applied();
    let none = format!("{BACK}/smtpd_milters=");
    let no_milters = format!("{BACK}/receive_override_options=no_milters");
    for change in [none, no_milters] {
        let changes: [&[&str]; 2] = [FILTER, &["-P", change.as_str()]];
        assert_eq!(found(&mut postfix, &["127.0.0.1"], &changes), [""; 0], "{change}");
    }
    assert_eq!(found(&mut postfix, &["10.0.0.0/8"], &[FILTER]), [""; 0]);
    // Without a filter somebody may still hand in there what is from outside.
    let perhaps = found(&mut postfix, &["127.0.0.1"], &[]);
    assert_eq!(perhaps.len(), 1);
    assert!(perhaps[0].starts_with("warning: ") && perhaps[0].contains("(RM-POSTFIX-94)"));
}

#[test]
fn a_pipe_gives_back_by_sendmail() {
    let mut postfix = applied();
    let pipe: &[&str] =
        &["-M", "-e", "scan/unix=scan unix - n n - 10 pipe flags=Rq user=nobody argv=/bin/true"];
    let gone: &[&str] = &["-M", "-X", BACK];
    let seen: &[&str] = &["-e", "non_smtpd_milters=$recruit_milter_front"];
    let unseen: &[&str] = &["-P", "pickup/unix/receive_override_options=no_milters"];
    let said = found(&mut postfix, &["127.0.0.1"], &[FILTER, pipe, gone, seen]);
    assert!(said.len() == 1 && said[0].contains("by sendmail(1)"), "{said:#?}");
    assert_eq!(found(&mut postfix, &["127.0.0.1"], &[FILTER, pipe, gone, seen, unseen]), [""; 0]);
    let unfiltered = found(&mut postfix, &["127.0.0.1"], &[pipe, gone, seen]);
    assert!(unfiltered.iter().all(|text| text.starts_with("warning: ")), "{unfiltered:#?}");
}

#[test]
fn networks_of_everybody_and_of_those_who_hand_on_are_found() {
    let mut postfix = applied();
    for network in ["0.0.0.0/0", "::/0", "128.0.0.0/1", "2000::/3"] {
        let found = found(&mut postfix, &[network], &[]);
        assert!(found.len() == 1 && found[0].starts_with("error: "), "{network}: {found:#?}");
        assert!(found[0].contains("(RM-POSTFIX-92)"), "{network}: {found:#?}");
    }
    let elsewhere: &[&str] = &["-e", "content_filter=scan:[198.51.100.7]:10024"];
    let gateway: &[&str] = &["-e", "smtpd_authorized_xforward_hosts=127.0.0.0/8, 198.51.100.7"];
    let relay: &[&str] = &["-e", "relayhost=[198.51.100.7]:587"];
    for (change, begins, id) in [
        (elsewhere, "error: ", "RM-POSTFIX-93"),
        (gateway, "error: ", "RM-POSTFIX-93"),
        (relay, "warning: ", "RM-POSTFIX-94"),
    ] {
        let found_in = |postfix: &mut Private, network| found(postfix, &[network], &[change]);
        let said = found_in(&mut postfix, "198.51.100.0/24");
        assert!(said.len() == 1 && said[0].starts_with(begins), "{change:?}: {said:#?}");
        assert!(said[0].contains(id) && said[0].contains("198.51.100.7"), "{said:#?}");
        assert_eq!(found_in(&mut postfix, "203.0.113.0/24"), [""; 0], "{change:?}");
    }
    assert_eq!(found(&mut postfix, &["198.51.100.0/24"], &[]), [""; 0]);
    // The same where master.cf names a setting of main.cf.
    let behind = format!("{BACK}/smtpd_authorized_xforward_hosts=$gateways");
    let changes: [&[&str]; 2] = [&["-e", "gateways=198.51.100.7"], &["-P", behind.as_str()]];
    let said = found(&mut postfix, &["198.51.100.0/24"], &changes);
    assert!(said.len() == 1 && said[0].contains("(RM-POSTFIX-93)"), "{said:#?}");
}

#[test]
fn this_machine_by_its_own_address_is_a_warning() {
    let mut postfix = applied();
    for own in recruit_milter::own::addresses().unwrap() {
        let said = found(&mut postfix, &[&own.to_string()], &[]);
        assert!(said.len() == 1 && said[0].starts_with("warning: "), "{own}: {said:#?}");
    }
    assert_eq!(found(&mut postfix, &["203.0.113.9"], &[]), [""; 0]);
}
