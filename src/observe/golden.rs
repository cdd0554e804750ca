//! Every line of the log, word by word.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::path::Path;
use std::time::Duration;

use super::{capture, *};
use crate::mail::RawPath;
use crate::observe::Masking;
use crate::policy::keys::Keys;
use crate::policy::outcome::Outcome;
use crate::policy::pass::Pass;
use crate::policy::report::Said;

fn shown(path: &str) -> Shown {
    Masker::new(Masking::Full, &Keys::default()).show(&RawPath::new(path))
}

#[track_caller]
fn check(line: &str, f: impl FnOnce()) {
    assert_eq!(capture(f), format!("recruit-milter: {line}\n"));
}

#[test]
fn the_program_starts_and_stops() {
    let config = Path::new("/etc/recruit-milter/recruit-milter.toml");
    let sockets = ["unix:/run/front.sock", "inet:8895@127.0.0.1"].map(String::from);
    check(
        "started: version=0.1.0, config=/etc/recruit-milter/recruit-milter.toml, systems=2, \
         addresses=4, sockets=\"unix:/run/front.sock,inet:8895@127.0.0.1\"",
        || started("0.1.0", config, 2, 4, &sockets),
    );
    check("stopping: drain=30s", || {
        stopping(Duration::from_secs(30));
    });
    check("drained: seconds=1.2, cut_off=0", || {
        drained(Duration::from_millis(1234), 0);
    });
    check("warning: drained: seconds=30.0, cut_off=2", || {
        drained(Duration::from_secs(30), 2);
    });
    check("stopped: uptime=90s", || stopped(Duration::from_secs(90)));
    check("fatal: start: reason=\"no key\"", || fatal("no key"));
    check(
        "reloaded: config=/etc/recruit-milter/recruit-milter.toml, systems=1, addresses=2",
        || reloaded(config, 1, 2),
    );
    check(
        "error: reload: config=/etc/recruit-milter/recruit-milter.toml, problems=2, \
         first=\"unknown setting \\\"local_copies\\\"\", kept=\"the old configuration\"",
        || reload_failed(config, 2, "unknown setting \"local_copies\""),
    );
    check(
        "error: start: config=/etc/recruit-milter/recruit-milter.toml, first=\"not UTF-8\", \
         kept=\"the last good configuration\"",
        || last_good(config, "not UTF-8"),
    );
    check(
        "error: start: config=/etc/recruit-milter/recruit-milter.toml, first=\"not UTF-8\", \
         alarm=\"all mail is put off\", remedy=\"recruit-milter check\"",
        || refusing(config, "not UTF-8"),
    );
    check(
        "start: config=/etc/recruit-milter/recruit-milter.toml, note=\"can be used now: starting again\"",
        || configured(config),
    );
    check("error: socket: reason=\"cannot listen\"", || not_listening(&"cannot listen"));
    check("warning: state: file=/var/lib/x, reason=\"no room\"", || {
        not_kept(std::path::Path::new("/var/lib/x"), &"no room");
    });
}

#[test]
fn outgoing_mail_is_one_line_and_each_violation_another() {
    let from = shown("<bounce@acme.example>");
    let added = ["Date".to_owned(), "Message-ID".to_owned()];
    let mail = Outgoing {
        queue_id: Some("4XkQ3"),
        from: &from,
        login: Some("personio"),
        user: Some("personio@mx"),
        client: Some("192.0.2.7".parse().unwrap()),
        author: Some("jobs@acme.example"),
        route: Some("own"),
        told_by: Some("sender"),
        token: Some("ABCDEFGHIJKLMNOP".to_owned()),
        recipients: (2, 1),
        copy_to: None,
        added: &added,
        removed: 3,
    };
    check(
        "4XkQ3: action=sent, login=personio, user=personio@mx, client=192.0.2.7, \
         from=<bounce@acme.example>, author=jobs@acme.example, route=own, by=sender, outside=2, \
         inside=1, token=ABCDEFGHIJKLMNOP, added=\"Date,Message-ID\", removed_fields=3",
        || sent(&mail),
    );
    let colleague =
        Outgoing { login: None, copy_to: Some("odoo"), added: &[], removed: 0, ..mail.clone() };
    check(
        "4XkQ3: action=sent, from=<bounce@acme.example>, author=jobs@acme.example, route=own, \
         by=sender, outside=2, inside=1, token=ABCDEFGHIJKLMNOP, copy=odoo",
        || sent(&colleague),
    );
    let refused = Outgoing { queue_id: None, user: Some("personio"), author: None, ..mail };
    check(
        "warning: NOQUEUE: action=refused, login=personio, client=192.0.2.7, \
         from=<bounce@acme.example>, stage=mail, reason=envelope-sender, detail=\"<x, y>\"",
        || violation(&refused, "mail", "envelope-sender", Some("<x, y>"), true),
    );
    check(
        "warning: NOQUEUE: action=would-refuse, login=personio, client=192.0.2.7, \
         from=<bounce@acme.example>, stage=eom, reason=no-from",
        || violation(&refused, "eom", "no-from", None, false),
    );
}

#[test]
fn the_agent_tells_what_it_put_into_the_queue_and_what_not() {
    let (address, token) = ("jobs@acme.example", "ABCDEFGHIJKLMNOP");
    check("4XkQ3: action=unwrapped, address=jobs@acme.example, token=ABCDEFGHIJKLMNOP", || {
        unwrapped(Some("4XkQ3"), address, token, None);
    });
    check(
        "NOQUEUE: action=not-unwrapped, address=jobs@acme.example, token=ABCDEFGHIJKLMNOP, \
         reason=nul",
        || unwrapped(None, address, token, Some("nul")),
    );
    check(
        "warning: agent: alarm=not-submitted, address=jobs@acme.example, \
         token=ABCDEFGHIJKLMNOP, reason=\"no answer in time: DATA\"",
        || not_submitted(address, token, &"no answer in time: DATA"),
    );
    check("warning: agent: alarm=accept, reason=\"too many files\"", || {
        agent_fault(&"too many files");
    });
}

#[test]
fn pass_1_tells_of_its_copies_in_one_line() {
    let copy = DivertedCopy {
        address: "jobs@acme.example",
        system: "personio",
        token: "ABCDEFGHIJKLMNOP",
        local_copy: true,
    };
    check(
        "4XkQ2: action=diverted, from=<eva@example.org>, address=jobs@acme.example, \
         system=personio, token=ABCDEFGHIJKLMNOP, local_copy=yes",
        || diverted(Some("4XkQ2"), &shown("<eva@example.org>"), &[copy]),
    );
    let other = DivertedCopy {
        address: "karriere@acme.example",
        system: "odoo",
        token: "QRSTUVWXYZ234567",
        local_copy: false,
    };
    check(
        "NOQUEUE: action=diverted, from=<>, address=\"jobs@acme.example,karriere@acme.example\", \
         system=\"personio,odoo\", token=\"ABCDEFGHIJKLMNOP,QRSTUVWXYZ234567\", \
         local_copy=\"yes,no\"",
        || diverted(None, &shown("<>"), &[copy, other]),
    );
    check("4XkQ2: action=passed, recipients=2", || {
        passed(Some("4XkQ2"), 2);
    });
}

#[test]
fn pass_2_tells_what_became_of_the_copy() {
    let from = shown("<eva@example.org>");
    let copy = CopyInHand {
        queue_id: Some("4XkQ2"),
        from: &from,
        address: "jobs@acme.example",
        system: "personio",
        kind: Some("mail"),
        token: "ABCDEFGHIJKLMNOP",
    };
    let rest = "from=<eva@example.org>, address=jobs@acme.example, system=personio, kind=mail, \
                token=ABCDEFGHIJKLMNOP";
    let to = "acme-jobs@m-personio.example";
    check(&format!("4XkQ2: action=handed-over, {rest}, to=<{to}>, seal=3"), || {
        handed_over(&copy, to, 3, 0, None);
    });
    check(
        &format!("4XkQ2: action=handed-over, {rest}, to=<{to}>, seal=3, forged_fields=7"),
        || {
            handed_over(&copy, to, 3, 7, None);
        },
    );
    let unread =
        format!("4XkQ2: action=handed-over, {rest}, to=<{to}>, reason=unread-panic, seal=3");
    check(&unread, || {
        handed_over(&copy, to, 3, 0, Some("unread-panic"));
    });
    check(&format!("4XkQ2: action=unwrapping, {rest}"), || unwrapping(&copy));
    let ends = |outcome, to| not_handed_over(&copy, outcome, to, "sealed");
    for (outcome, to, shown) in [
        (Outcome::Kept, None, ""),
        (Outcome::Returned, Some("hr@acme.example"), ", to=<hr@acme.example>"),
        (Outcome::ToPerson, Some("bob@acme.example"), ", to=<bob@acme.example>"),
        (Outcome::GivenUp, Some("hr@acme.example"), ", to=<hr@acme.example>"),
        (Outcome::Merged, None, ""),
    ] {
        let line = format!("4XkQ2: action={outcome}, {rest}{shown}, reason=sealed");
        check(&line, || ends(outcome, to));
    }
    let plain = CopyInHand { kind: None, ..copy };
    check(
        "4XkQ2: action=merged, from=<eva@example.org>, address=jobs@acme.example, \
         system=personio, token=ABCDEFGHIJKLMNOP, reason=sealed",
        || not_handed_over(&plain, Outcome::Merged, None, "sealed"),
    );
}

#[test]
fn what_someone_should_look_at_is_an_alarm() {
    let id = Some("4XkQ2");
    check(
        "warning: 4XkQ2: alarm=loop-budget, address=jobs@acme.example, system=personio, budget=20",
        || loop_budget_exceeded(id, "jobs@acme.example", "personio", 20),
    );
    check(
        "warning: 4XkQ2: alarm=unknown-handoff, to=<t@handoff.internal>, reason=unknown-key",
        || unknown_handoff(id, "t@handoff.internal", "unknown-key"),
    );
    check("warning: 4XkQ2: alarm=given-up, to=<it@acme.example>, reason=unknown-key", || {
        given_up(id, Some("it@acme.example"), "unknown-key");
    });
    check("warning: 4XkQ2: alarm=given-up, reason=unknown-key-budget", || {
        given_up(id, None, "unknown-key-budget");
    });
    let deadline = Fault {
        lasting: false,
        alarm: "deadline",
        pass: &Pass::Handoff,
        queue_id: id,
        what: &"not decided in time",
        suppressed: 3,
    };
    check(
        "warning: 4XkQ2: alarm=deadline, pass=handoff, what=\"not decided in time\", suppressed=3",
        || fault(&deadline),
    );
    check("error: NOQUEUE: alarm=deadline, pass=handoff, what=\"not decided in time\"", || {
        fault(&Fault { lasting: true, queue_id: None, suppressed: 0, ..deadline });
    });
    check("warning: NOQUEUE: action=rejected, to=<x@handoff.internal>, reason=bad-token", || {
        invalid_handoff(None, "x@handoff.internal", "bad-token");
    });
    check(
        "warning: 4XkQ2: action=rejected, from=<x@acme.example>, address=jobs@acme.example, \
         reason=unknown-probe, remedy=\"recruit-milter doctor compares the keys\"",
        || unknown_probe(Some("4XkQ2"), &shown("<x@acme.example>"), &["jobs@acme.example".into()]),
    );
    check("warning: NOQUEUE: action=tempfail, pass=front, reason=no-configuration", || {
        tempfailed(None, Pass::Front, "no-configuration");
    });
}

#[test]
fn reports_tell_the_outcome_and_a_failure_is_an_alarm() {
    let line = ReportLine {
        queue_id: Some("4XkQ2"),
        token: "ABCDEFGHIJKLMNOP",
        address: Some("jobs@acme.example"),
        system: Some("personio"),
        outcome: Said::Relayed,
        status: Some("2.0.0"),
    };
    check(
        "4XkQ2: action=report, outcome=relayed, status=2.0.0, address=jobs@acme.example, \
         system=personio, token=ABCDEFGHIJKLMNOP",
        || report(&line),
    );
    let failed =
        ReportLine { address: None, system: None, outcome: Said::Failed, status: None, ..line };
    check(
        "warning: 4XkQ2: alarm=not-delivered, action=report, outcome=failed, \
         token=ABCDEFGHIJKLMNOP",
        || report(&failed),
    );
    check("warning: 4XkQ2: action=report, reason=unread-panic", || {
        report_unreadable(Some("4XkQ2"), "unread-panic");
    });
    check("warning: 4XkQ2: action=discarded, reason=not-ours", || {
        discarded(Some("4XkQ2"), "not-ours");
    });
}

#[test]
fn the_journal_tells_what_is_missing() {
    let since = "2026-03-01T09:05:07.123Z".parse().unwrap();
    check(
        "warning: journal: alarm=journal-lost, entries=17, since=2026-03-01T09:05:07Z, \
         reason=\"No space left on device (os error 28)\"",
        || journal_lost(17, since, "No space left on device (os error 28)"),
    );
    check(
        "warning: journal: alarm=journal-unwritable, reason=\"Permission denied (os error 13)\"",
        || journal_unwritable("Permission denied (os error 13)"),
    );
    check("journal: state=\"writable again\"", journal_recovered);
}

#[test]
fn a_strangers_address_forges_nothing() {
    let from = shown("<a, alarm=x\r\n5YYY: \"@example.org>");
    let copy = CopyInHand {
        queue_id: Some("4XkQ2"),
        from: &from,
        address: "jobs@acme.example",
        system: "personio",
        kind: None,
        token: "ABCDEFGHIJKLMNOP",
    };
    check(
        r#"4XkQ2: action=merged, from="<a,\\x20alarm=x\\x0D\\x0A5YYY:\\x20\"@example.org>", address=jobs@acme.example, system=personio, token=ABCDEFGHIJKLMNOP, reason=sealed"#,
        || not_handed_over(&copy, Outcome::Merged, None, "sealed"),
    );
}
