//! What `doctor` finds in a broken Postfix, and that its remedies mend it.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fs;

use recruit_milter::doctor::{Line, Mark, examine_postfix};
use recruit_milter::mail::Address;
use recruit_milter::policy::rules::{AddressRule, Pattern};
use recruit_milter::postfix::apply;

use super::instance::Private;

/// A site at which nothing is to be found.
const SOUND: &str = "message_size_limit = 26214400\nmailbox_size_limit = 0\n\
    virtual_mailbox_limit = 0\ndelay_warning_time = 1h\nsmtp_tls_security_level = may\n\
    smtpd_milters = inet:127.0.0.1:1\nnon_smtpd_milters = $smtpd_milters";

fn sound() -> Private {
    let mut postfix = Private::with(SOUND);
    let jobs = Address::parse("jobs@acme.example").unwrap();
    postfix.config.rules.addresses.push(AddressRule::new(Pattern::Exact(jobs), 0));
    postfix.config.rules = std::mem::take(&mut postfix.config.rules).indexed();
    apply(&postfix.instance, &postfix.wanted()).unwrap();
    postfix
}

fn wrong(postfix: &Private) -> Vec<Line> {
    postfix.age();
    let mut found = examine_postfix(&postfix.config, &postfix.instance);
    found.retain(|finding| finding.mark() != Mark::Ok);
    found
}

/// How an instance is broken: arguments of postconf.
struct Case(&'static [&'static str], &'static str, &'static str);

const MAIN: &[Case] = &[
    Case(
        &["-e", "smtpd_milters=inet:127.0.0.1:1"],
        "RM-POSTFIX-03",
        "recruit-milter postfix --apply",
    ),
    Case(&["-e", "smtpd_milters="], "RM-POSTFIX-03", "recruit-milter postfix --apply"),
    Case(&["-e", "non_smtpd_milters="], "RM-POSTFIX-03", "recruit-milter postfix --apply"),
    Case(&["-e", "transport_maps="], "RM-POSTFIX-03", "recruit-milter postfix --apply"),
    Case(
        &["-e", "transport_maps=inline:{m-personio.de=smtp:other}, $recruit_milter_transports"],
        "RM-POSTFIX-03",
        "recruit-milter postfix --apply",
    ),
    Case(&["-e", "virtual_alias_maps="], "RM-POSTFIX-03", "recruit-milter postfix --apply"),
    Case(&["-X", "recruit_milter_aliases"], "RM-POSTFIX-04", "recruit-milter postfix --apply"),
    Case(
        &["-e", "recruit_milter_front={ unix:other.sock, default_action=accept }"],
        "RM-POSTFIX-04",
        "recruit-milter postfix --apply",
    ),
    Case(
        &[
            "-e",
            "recruit_milter_handoff={ unix:recruit-milter/handoff.sock, default_action=accept }",
        ],
        "RM-POSTFIX-04",
        "recruit-milter postfix --apply",
    ),
    Case(
        &["-e", "recruit-handoff_destination_recipient_limit=50"],
        "RM-POSTFIX-04",
        "recruit-milter postfix --apply",
    ),
    Case(
        &["-e", "smtpd_milters=$recruit_milter_front, inet:127.0.0.1:1"],
        "RM-POSTFIX-08",
        "put $recruit_milter_front behind",
    ),
    Case(
        &["-e", "smtpd_milters=$recruit_milter_front, $recruit_milter_front"],
        "RM-POSTFIX-07",
        "leave only $recruit_milter_front",
    ),
    Case(&["-e", "milter_protocol=2"], "RM-POSTFIX-09", "postconf -X milter_protocol"),
    Case(
        &["-e", "smtpd_milter_maps=inline:{x=DISABLE}"],
        "RM-POSTFIX-11",
        "add $recruit_milter_front",
    ),
    Case(&["-e", "recipient_delimiter=-"], "RM-POSTFIX-18", ""),
    Case(&["-e", "maximal_queue_lifetime=0"], "RM-POSTFIX-20", ""),
    Case(&["-e", "maximal_queue_lifetime=23h"], "RM-POSTFIX-20", ""),
    Case(&["-e", "maximal_queue_lifetime=31d"], "RM-POSTFIX-20", ""),
    Case(&["-e", "mydestination=m-personio.de"], "RM-POSTFIX-19", ""),
    Case(&["-e", "inet_protocols=ipv6"], "RM-DOCTOR-10", "postfix check"),
    Case(&["-e", "master_service_disable=inet"], "RM-POSTFIX-17", "take it out"),
    Case(&["-e", "canonical_maps=regexp:CATCH"], "RM-POSTFIX-14", "let the patterns of"),
    Case(
        &["-e", "recipient_canonical_maps=inline:{acme-jobs@m-personio.de=x@y.example}"],
        "RM-DOCTOR-60",
        "take acme-jobs@m-personio.de out",
    ),
    Case(
        &["-e", "sender_canonical_maps=inline:{recruit-bounces@acme.example=x@acme.example}"],
        "RM-DOCTOR-60",
        "take recruit-bounces@acme.example out",
    ),
    Case(
        &["-e", "smtp_generic_maps=inline:{@m-personio.de=@other.example}"],
        "RM-DOCTOR-60",
        "take acme-jobs@m-personio.de out",
    ),
    Case(
        &["-e", "relocated_maps=inline:{acme-jobs@m-personio.de=new}"],
        "RM-DOCTOR-60",
        "take acme-jobs@m-personio.de out",
    ),
    Case(
        &["-e", "defer_transports=recruit-handoff"],
        "RM-DOCTOR-20",
        "postconf -X defer_transports",
    ),
    Case(
        &["-e", "defer_transports=x, recruit-out"],
        "RM-DOCTOR-20",
        "postconf -X defer_transports",
    ),
    Case(&["-e", "soft_bounce=yes"], "RM-DOCTOR-21", "postconf -X soft_bounce"),
    Case(
        &["-X", "smtp_tls_security_level"],
        "RM-DOCTOR-22",
        "postconf -e smtp_tls_security_level=may",
    ),
    Case(&["-e", "default_process_limit=0"], "RM-DOCTOR-10", "postfix check"),
    Case(
        &["-e", "milter_default_action=quarantine"],
        "RM-DOCTOR-24",
        "postconf -e milter_default_action=tempfail",
    ),
    Case(
        &["-e", "message_size_limit=10240000"],
        "RM-DOCTOR-30",
        "postconf -e message_size_limit=26214400",
    ),
    Case(&["-e", "mailbox_size_limit=1000000"], "RM-DOCTOR-31", "postconf -e mailbox_size_limit=0"),
    Case(
        &["-e", "virtual_mailbox_limit=1000000"],
        "RM-DOCTOR-31",
        "postconf -e virtual_mailbox_limit=0",
    ),
    Case(&["-e", "delay_warning_time=0"], "RM-DOCTOR-40", "postconf -e delay_warning_time=1h"),
    Case(&["-e", "disable_dns_lookups=yes"], "RM-DOCTOR-41", "postconf -X disable_dns_lookups"),
    Case(
        &["-e", "smtpd_discard_ehlo_keywords=dsn"],
        "RM-DOCTOR-43",
        "postconf -X smtpd_discard_ehlo_keywords",
    ),
    Case(&["-e", "always_bcc=jobs@acme.example"], "RM-DOCTOR-70", "postconf -X always_bcc"),
    Case(
        &["-e", "relay_domains=m-personio.de"],
        "RM-DOCTOR-72",
        "take m-personio.de out of relay_domains",
    ),
];

const TABLES: &[(&str, &str, &str, &str)] = &[
    (
        "virtual_alias_maps",
        "jobs@acme.example  bob@acme.example,\n  acme-jobs@m-personio.de\n",
        "RM-DOCTOR-50",
        "take acme-jobs@m-personio.de out of that line",
    ),
    (
        "virtual_alias_maps",
        "career@acme.example acme-jobs@m-personio.de\n",
        "RM-DOCTOR-51",
        "make it a recruiting address",
    ),
    (
        "virtual_alias_maps",
        "# old\nbewerbung@acme.example JOBS@acme.example\n",
        "RM-DOCTOR-52",
        "name bewerbung@acme.example in [system] addresses as well",
    ),
    (
        "alias_maps",
        "hr: \"acme-jobs@m-personio.de\"\n",
        "RM-DOCTOR-51",
        "make it a recruiting address",
    ),
    (
        "recipient_bcc_maps",
        "bob@acme.example acme-jobs@m-personio.de\n",
        "RM-DOCTOR-71",
        "take that line out",
    ),
];

const MASTER: &[Case] = &[
    Case(&["-P", "HOP/smtpd_milters="], "RM-POSTFIX-05", "recruit-milter postfix --apply"),
    Case(
        &["-P", "HOP/smtpd_recipient_restrictions=permit"],
        "RM-POSTFIX-05",
        "recruit-milter postfix --apply",
    ),
    Case(
        &["-P", "recruit-out/unix/smtp_discard_ehlo_keywords="],
        "RM-POSTFIX-05",
        "recruit-milter postfix --apply",
    ),
    Case(&["-M", "-X", "recruit-out/unix"], "RM-POSTFIX-05", "recruit-milter postfix --apply"),
    Case(&["-M", "-X", "recruit-cleanup/unix"], "RM-POSTFIX-05", "recruit-milter postfix --apply"),
    Case(&["-M", "-X", "HOP"], "RM-POSTFIX-05", "recruit-milter postfix --apply"),
    Case(&["-M", "-X", "trace/unix"], "RM-DOCTOR-42", "put Postfix's own line"),
    Case(&["-P", "ENTRANCE/smtpd_milters=inet:x:1"], "RM-POSTFIX-12", "postconf -P"),
    Case(
        &["-P", "ENTRANCE/receive_override_options=no_milters"],
        "RM-POSTFIX-12",
        "take no_milters away",
    ),
    Case(
        &["-P", "ENTRANCE/smtpd_proxy_filter=127.0.0.1:9"],
        "RM-POSTFIX-13",
        "recruit-milter postfix --apply",
    ),
    Case(&["-P", "ENTRANCE/content_filter=x:y"], "RM-POSTFIX-47", "make sure that it hands on"),
    Case(&["-P", "ENTRANCE/content_filter=x:y"], "RM-POSTFIX-41", "recruit-milter postfix --apply"),
];

/// Breaks it, sees what is found, does what is said, and sees that it is mended.
fn check(postfix: &Private, case: &Case) -> Result<(), String> {
    let before = postfix.files();
    let words: Vec<String> = case
        .0
        .iter()
        .map(|word| {
            word.replace("HOP", &format!("{}/inet", postfix.config.handoff.smtpd))
                .replace("ENTRANCE", &format!("{}/inet", postfix.port))
                .replace("CATCH", &postfix.path("catch").display().to_string())
        })
        .collect();
    postfix.postconf(&words.iter().map(String::as_str).collect::<Vec<_>>());
    let found = wrong(postfix);
    let done = mend(postfix, case, &found, &before);
    restore(postfix, &before);
    done.map_err(|why| format!("{words:?}: {why}: {found:#?}"))
}

fn mend(
    postfix: &Private,
    Case(_, id, remedy): &Case,
    found: &[Line],
    before: &[String; 2],
) -> Result<(), &'static str> {
    let Some(first) = found.iter().filter_map(Line::finding).find(|finding| finding.id == *id)
    else {
        return Err("it is not found");
    };
    let said = first.remedy.as_str();
    if !said.starts_with(remedy) || said.is_empty() {
        return Err("the remedy is another");
    }
    let command = said.split(" (").next().unwrap_or_default();
    match command.strip_prefix("postconf ") {
        Some(arguments) => {
            let arguments: Vec<&str> =
                arguments.split(' ').map(|word| word.trim_matches('\'')).collect();
            postfix.postconf(&arguments);
        }
        None if command == "recruit-milter postfix --apply" => {
            apply(&postfix.instance, &postfix.wanted()).unwrap();
        }
        // A sentence: whoever follows it has what was there before.
        None => restore(postfix, before),
    }
    if wrong(postfix).iter().filter_map(Line::finding).any(|finding| finding.id == *id) {
        return Err("the remedy does not mend it");
    }
    Ok(())
}

fn restore(postfix: &Private, files: &[String; 2]) {
    for (name, text) in ["main.cf", "master.cf"].iter().zip(files) {
        fs::write(postfix.path(name), text).unwrap();
    }
}

#[test]
fn each_broken_postfix_is_found_and_mended_by_what_is_said() {
    let postfix = sound();
    assert_eq!(wrong(&postfix), [], "nothing is wrong yet");
    fs::write(postfix.path("catch"), "/^(.*)@/ $1@catch.example\n").unwrap();
    let cases: Vec<&Case> = MAIN.iter().chain(MASTER).collect();
    let mut wrong: Vec<String> =
        cases.iter().filter_map(|case| check(&postfix, case).err()).collect();
    for (setting, text, id, remedy) in TABLES {
        let path = postfix.path("table");
        fs::write(&path, text).unwrap();
        let before = postfix.files();
        let old = postfix.postconf(&["-h", setting]);
        let value = format!("{setting}={}, texthash:{}", old.trim(), path.display());
        postfix.postconf(&["-e", value.replace("=, ", "=").as_str()]);
        let found = self::wrong(&postfix);
        let case = Case(&[], id, remedy);
        if let Err(why) = mend(&postfix, &case, &found, &before) {
            wrong.push(format!("{setting} {text:?}: {why}: {found:#?}"));
        }
        restore(&postfix, &before);
    }
    assert!(cases.len() + TABLES.len() >= 55, "{}", cases.len() + TABLES.len());
    assert!(wrong.is_empty(), "{} of them\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(self::wrong(&postfix), []);
}

/// What is found with a table of any type in a setting, by its id and mark.
fn found_in(postfix: &Private, setting: &str, table: &str) -> Vec<(&'static str, Mark, String)> {
    let before = postfix.files();
    let old = postfix.postconf(&["-h", setting]);
    let value = format!("{setting}={}, {table}", old.trim()).replace("=, ", "=");
    postfix.postconf(&["-e", &value]);
    let found = wrong(postfix);
    restore(postfix, &before);
    let told = found.iter().filter_map(|line| Some((line.finding()?, line.mark())));
    told.map(|(finding, mark)| (finding.id.as_str(), mark, finding.text.clone())).collect()
}

#[test]
fn ways_past_the_milter_are_found_in_tables_of_every_type() {
    let postfix = sound();
    let write = |name: &str, text: &str| {
        let path = postfix.path(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let patterns = write("v2", "# old\n/^bewerb.*@acme\\.example$/i  jobs@acme.example\n");
    let leftover = write("v3", "/^(jobs|karriere)@/ acme-jobs@m-personio.de\n");
    let canonical = write("c1", "bewerbung@acme.example jobs@acme.example\n");
    let copies = write("b1", "bob@acme.example  jobs@acme.example\n");
    let aliases = write("a1", "# local\nteam:\n  bob, jobs\n");
    // A table whose source is gone, as SQL has none: only its answers are there.
    let source = write("asked", "jobs@acme.example acme-jobs@m-personio.de\n");
    postfix.instance.run("postmap", &[&format!("hash:{source}")]).unwrap();
    fs::remove_file(&source).unwrap();
    for (setting, table, id) in [
        ("virtual_alias_maps", format!("regexp:{patterns}"), "RM-DOCTOR-52"),
        ("virtual_alias_maps", format!("pcre:{patterns}"), "RM-DOCTOR-52"),
        ("virtual_alias_maps", format!("regexp:{leftover}"), "RM-DOCTOR-53"),
        (
            "virtual_alias_maps",
            "inline:{{ work@acme.example = bob@acme.example, jobs@acme.example }}".into(),
            "RM-DOCTOR-52",
        ),
        (
            "virtual_alias_maps",
            "inline:{jobs@acme.example=acme-jobs@m-personio.de}".into(),
            "RM-DOCTOR-50",
        ),
        (
            "virtual_alias_maps",
            "inline:{@acme.example=acme-jobs@m-personio.de}".into(),
            "RM-DOCTOR-50",
        ),
        ("virtual_alias_maps", format!("hash:{source}"), "RM-DOCTOR-50"),
        ("recipient_canonical_maps", format!("texthash:{canonical}"), "RM-DOCTOR-52"),
        ("recipient_bcc_maps", format!("texthash:{copies}"), "RM-DOCTOR-52"),
        ("sender_bcc_maps", "static:jobs@acme.example".into(), "RM-DOCTOR-52"),
    ] {
        let found = found_in(&postfix, setting, &table);
        let is_it = |(found, mark, _): &&(&str, Mark, String)| *found == id && *mark == Mark::Error;
        assert_eq!(found.iter().filter(is_it).count(), 1, "{setting} {table}: {found:#?}");
    }
    // aliases(5) is for the domains of mydestination, and has bare targets.
    postfix.postconf(&["-e", "myorigin=acme.example"]);
    let found = found_in(&postfix, "alias_maps", &format!("texthash:{aliases}"));
    assert!(
        found.iter().any(|(id, _, text)| *id == "RM-DOCTOR-52" && text.contains("team")),
        "{found:#?}"
    );
    // What cannot be listed is said, and is no error; nor is it that nobody answers for the domains of
    // virtual_alias_domains, which are the table's by default.
    let found = found_in(&postfix, "virtual_alias_maps", "socketmap:unix:/nowhere:x");
    assert_eq!(
        found.iter().map(|(id, mark, _)| (*id, *mark)).collect::<Vec<_>>(),
        [("RM-POSTFIX-100", Mark::Warning), ("RM-DOCTOR-54", Mark::NotTested)]
    );
    // An address that a table leaves as it is goes nowhere else.
    let same = "inline:{jobs@acme.example=jobs@acme.example, x@acme.example=bob@acme.example}";
    assert_eq!(found_in(&postfix, "virtual_alias_maps", same), []);
}
