//! Sites with content filters: where our milter is put, what is found, and that removal leaves no trace.
//! How many copies arrive is shown in `tests/it/filters.rs`.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::thread;

use recruit_milter::postfix::{apply, check, remove};

use super::instance::Private;

/// Where the filter gives mail back, in the instance's master.cf.
const BACK: &str = "127.0.0.9:10025/inet";

/// The port of a filter that answers EHLO.
fn filter(dsn: bool) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for client in listener.incoming() {
            let client = client.unwrap();
            (&client).write_all(b"220 filter\r\n").unwrap();
            for line in BufReader::new(&client).lines().map_while(Result::ok) {
                let answer = match (line.split(' ').next(), dsn) {
                    (Some("EHLO"), true) => "250-filter\r\n250-DSN\r\n250 8BITMIME\r\n",
                    _ => "250 filter\r\n",
                };
                let _ = (&client).write_all(answer.as_bytes());
            }
        }
    });
    port
}

/// An instance with transports to two filters, `scan` and `other`, and one by pipe(8), `spamc`.
fn instance(lines: &str) -> Private {
    let postfix = Private::with(lines);
    let path = postfix.path("master.cf");
    let services = "scan unix - - n - 10 smtp\n  -o smtp_send_xforward_command=yes\n\
        other unix - - n - 10 smtp\n\
        spamc unix - n n - - pipe\n  flags=Rq user=nobody argv=/usr/bin/spamc -e /usr/sbin/sendmail -oi -f ${sender} -- ${recipient}\n";
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{}\n{services}", text.trim_end())).unwrap();
    postfix
}

fn through(port: u16) -> String {
    format!("content_filter = scan:[127.0.0.1]:{port}\n")
}

fn findings(postfix: &Private) -> Vec<String> {
    let found = check(&postfix.instance, &postfix.config).unwrap();
    found.iter().map(ToString::to_string).collect()
}

/// The milters of a service, by its option.
fn milters(postfix: &Private, key: &str) -> Option<String> {
    let site = postfix.site();
    site.service(key).unwrap().option("smtpd_milters").map(str::to_owned)
}

/// Applies, finds nothing, takes it back byte for byte, and applies again.
fn applied(postfix: &Private) {
    let before = postfix.files();
    apply(&postfix.instance, &postfix.wanted()).unwrap();
    assert_eq!(findings(postfix), [""; 0]);
    assert_eq!(apply(&postfix.instance, &postfix.wanted()).unwrap(), []);
    remove(&postfix.instance).unwrap();
    assert_eq!(postfix.files(), before);
    apply(&postfix.instance, &postfix.wanted()).unwrap();
}

/// What is found after a change.
fn after(postfix: &Private, arguments: &[&str]) -> Vec<String> {
    let before = postfix.files();
    postfix.postconf(arguments);
    let found = findings(postfix);
    for (name, text) in ["main.cf", "master.cf"].iter().zip(before) {
        fs::write(postfix.path(name), text).unwrap();
    }
    found
}

fn entrance(postfix: &Private) -> String {
    format!("{}/inet", postfix.port)
}

const REST: Option<&str> = Some("$recruit_milter_rest");

#[test]
fn the_milter_is_before_a_filter_that_hands_on_dsn_and_not_behind() {
    let postfix = instance(&through(filter(true)));
    applied(&postfix);
    assert_eq!(milters(&postfix, BACK).as_deref(), REST);
    assert_eq!(milters(&postfix, &entrance(&postfix)), None);
    let option = format!("{BACK}/smtpd_milters");
    let found = after(&postfix, &["-P", "-X", &option]);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(
        found[0]
            .starts_with("error: 127.0.0.9:10025/inet in master.cf: mail passes our milter there")
    );
    let found =
        after(&postfix, &["-P", &format!("{option}=inet:127.0.0.1:1,$recruit_milter_front")]);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].contains("RM-POSTFIX-41"));
    // What the site has there without us stays.
    for other in ["=", "=inet:127.0.0.1:1"] {
        assert_eq!(after(&postfix, &["-P", &format!("{option}{other}")]), [""; 0], "{other}");
    }
    let found = after(&postfix, &["-P", &format!("{BACK}/smtpd_discard_ehlo_keywords=dsn")]);
    assert!(found.len() == 1 && found[0].contains("offers no DSN"), "{found:#?}");
}

#[test]
fn the_milter_behind_the_filter_alone_is_right_as_well() {
    let postfix = instance(&through(filter(true)));
    postfix.postconf(&["-P", &format!("{}/smtpd_milters=", entrance(&postfix))]);
    postfix.postconf(&["-P", &format!("{BACK}/smtpd_milters=$recruit_milter_front")]);
    applied(&postfix);
    assert_eq!(postfix.postconf(&["-h", "non_smtpd_milters"]).trim(), "", "they pass it behind");
    let twice = ["-e", "non_smtpd_milters=$recruit_milter_front"];
    let found = after(&postfix, &twice);
    assert!(found.len() == 1 && found[0].starts_with("warning: non_smtpd_milters"), "{found:#?}");
    postfix.postconf(&["-e", "scan_destination_recipient_limit=1"]);
    let found = after(&postfix, &twice);
    assert!(found.len() == 1 && found[0].starts_with("error: non_smtpd_milters"), "{found:#?}");
    // Nowhere at all.
    let found = after(&postfix, &["-P", &format!("{BACK}/smtpd_milters=")]);
    assert!(found.iter().any(|text| text.contains("RM-POSTFIX-12")), "{found:#?}");
}

#[test]
fn a_filter_that_loses_dsn_has_the_milter_behind_it() {
    let mut lines = through(filter(false));
    lines.push_str("non_smtpd_milters = $smtpd_milters\nsmtpd_milters = inet:127.0.0.1:1\n");
    let postfix = instance(&lines);
    applied(&postfix);
    assert_eq!(milters(&postfix, &entrance(&postfix)).as_deref(), REST);
    assert_eq!(postfix.postconf(&["-h", "recruit_milter_rest"]).trim(), "inet:127.0.0.1:1");
    assert_eq!(postfix.postconf(&["-h", "non_smtpd_milters"]).trim(), "$recruit_milter_rest");
    // Where an admin has edited the files, removal finds the way back without what was saved.
    postfix.postconf(&["-e", "smtpd_banner=other"]);
    remove(&postfix.instance).unwrap();
    assert_eq!(postfix.postconf(&["-h", "non_smtpd_milters"]).trim(), "$smtpd_milters");
    assert_eq!(milters(&postfix, &entrance(&postfix)), None);

    let pipe = instance("");
    pipe.postconf(&["-P", &format!("{}/content_filter=spamc:dummy", entrance(&pipe))]);
    applied(&pipe);
    assert_eq!(milters(&pipe, &entrance(&pipe)).as_deref(), REST);
    let found = after(&pipe, &["-P", "-X", &format!("{}/smtpd_milters", entrance(&pipe))]);
    assert!(found.len() == 1 && found[0].contains("RM-POSTFIX-41"), "{found:#?}");
}

#[test]
fn a_filter_for_some_mail_that_loses_dsn_is_an_error() {
    let postfix = instance("");
    fs::write(postfix.path("fa"), "/^list-/ FILTER spamc:dummy\n").unwrap();
    let table = format!("check_sender_access regexp:{}", postfix.path("fa").display());
    postfix.postconf(&["-e", &format!("smtpd_sender_restrictions = {table}")]);
    postfix.postconf(&["-P", &format!("{BACK}/smtpd_sender_restrictions=")]);
    apply(&postfix.instance, &postfix.wanted()).unwrap();
    let found = findings(&postfix);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].starts_with("error: 127.0.0.1:") && found[0].contains("RM-POSTFIX-44"));
    // The same on a line of its own, as Postfix takes it.
    fs::write(postfix.path("fa"), "/^list-/\n# spam\n   FILTER\tspamc:dummy\n").unwrap();
    assert_eq!(findings(&postfix), found);
    // And where the table stands alone, or its lines stand in main.cf.
    let table = format!("regexp:{}", postfix.path("fa").display());
    for table in [&table, "check_sender_access regexp:{{/^list-/ FILTER spamc:dummy}}"] {
        postfix.postconf(&["-e", &format!("smtpd_sender_restrictions = {table}")]);
        assert_eq!(findings(&postfix), found, "{table}");
    }
}

#[test]
fn a_table_that_cannot_be_read_may_say_filter_and_is_a_warning() {
    let postfix = instance("");
    apply(&postfix.instance, &postfix.wanted()).unwrap();
    let big = postfix.path("big");
    fs::File::create(&big).unwrap().set_len(1 << 30).unwrap();
    for (setting, table) in [
        ("smtpd_client_restrictions=check_client_access ", "socketmap:unix:/nowhere:x"),
        ("smtpd_recipient_restrictions=permit_mynetworks, check_sender_access ", "mysql:/x"),
        ("header_checks=", &format!("regexp:{}", big.display())),
        ("smtpd_data_restrictions=check_client_access ", "hash:/nowhere/at/all"),
    ] {
        let found = after(&postfix, &["-e", &format!("{setting}{table}")]);
        let told: Vec<_> = found.iter().filter(|text| text.contains("(RM-POSTFIX-46)")).collect();
        assert_eq!(told.len(), 1, "{setting}{table}: {found:#?}");
        assert!(told[0].starts_with(&format!("warning: what \"{table}\" says")), "{told:#?}");
    }
    // What can say no FILTER.
    for setting in [
        "smtpd_recipient_restrictions=check_policy_service unix:private/x, reject_rbl_client a.example",
        "smtpd_client_restrictions=check_client_access texthash:/dev/null, check_client_access fail:x",
        "virtual_mailbox_maps=mysql:/x",
    ] {
        let found = after(&postfix, &["-e", setting]);
        assert!(!found.iter().any(|text| text.contains("(RM-POSTFIX-46)")), "{found:#?}");
    }
}

#[test]
fn filters_are_found_in_tables_as_well() {
    let to = format!("FILTER scan:[127.0.0.1]:{}", filter(true));
    for (name, line) in [
        ("smtpd_client_restrictions", format!("check_client_access static:{{{to}}}")),
        (
            "smtpd_recipient_restrictions",
            format!(
                "permit_mynetworks, check_recipient_access inline:{{{{x@y.example={to}}}}}, reject"
            ),
        ),
        ("smtpd_sender_restrictions", "ours".to_owned()),
        ("header_checks", "regexp:TABLE".to_owned()),
        ("body_checks", "pcre:TABLE".to_owned()),
    ] {
        let postfix =
            instance("smtpd_restriction_classes = ours\nours = check_sender_access regexp:TABLE\n");
        let path = postfix.path("table").display().to_string();
        fs::write(&path, format!("# the filter\n/^Subject: a b/i  {to}\n")).unwrap();
        for (name, line) in [("ours", "check_sender_access regexp:TABLE"), (name, &line)] {
            postfix.postconf(&["-e", &format!("{name}={}", line.replace("TABLE", &path))]);
        }
        applied(&postfix);
        assert_eq!(milters(&postfix, BACK).as_deref(), REST, "{name}");
    }
}

#[test]
fn with_servers_in_a_row_the_milter_is_at_one_of_them() {
    let postfix = instance(&through(filter(true)));
    let second = format!(
        "127.0.0.9:10026 inet n - n - - smtpd -o content_filter=other:[127.0.0.1]:{} -o mynetworks=127.0.0.0/8",
        filter(true)
    );
    postfix.postconf(&["-M", "-e", &format!("127.0.0.9:10026/inet={second}")]);
    applied(&postfix);
    for key in [BACK, "127.0.0.9:10026/inet"] {
        assert_eq!(milters(&postfix, key).as_deref(), REST, "{key}");
        let found = after(&postfix, &["-P", "-X", &format!("{key}/smtpd_milters")]);
        assert!(found.len() == 1 && found[0].contains("RM-POSTFIX-41"), "{key}: {found:#?}");
    }
    assert_eq!(milters(&postfix, &entrance(&postfix)), None);
}

#[test]
fn a_filter_before_the_queue_has_the_milter_behind_it() {
    let postfix = instance("");
    postfix.postconf(&["-P", &format!("{}/smtpd_proxy_filter=127.0.0.1:9", entrance(&postfix))]);
    applied(&postfix);
    assert_eq!(milters(&postfix, &entrance(&postfix)).as_deref(), REST);
    assert_eq!(milters(&postfix, BACK), None);
}

#[test]
fn what_could_not_be_looked_at_is_said() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let postfix = instance(&through(port));
    apply(&postfix.instance, &postfix.wanted()).unwrap();
    let found = findings(&postfix);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].starts_with("warning: 127.0.0.1:") && found[0].contains("was not looked at"));
}

#[test]
fn without_a_filter_nothing_is_put_anywhere() {
    let postfix = instance("");
    applied(&postfix);
    assert_eq!(milters(&postfix, BACK), None);
    // When a filter goes, what was done for it goes too.
    let postfix = instance(&through(filter(true)));
    applied(&postfix);
    postfix.postconf(&["-X", "content_filter"]);
    assert!(!findings(&postfix).is_empty());
    apply(&postfix.instance, &postfix.wanted()).unwrap();
    assert_eq!((milters(&postfix, BACK), findings(&postfix).len()), (None, 0));
}
