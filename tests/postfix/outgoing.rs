//! Outgoing mail: what is printed, what becomes of a real instance, what is found wrong there.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fs;

use recruit_milter::config::Config;
use recruit_milter::mail::Address;
use recruit_milter::policy::keys::Keys;
use recruit_milter::policy::limits::Limits;
use recruit_milter::policy::outbound::rules::{
    Choice, Condition, Login, Mixed, NewSender, OnViolation, Outbound, Recipe, Route,
};
use recruit_milter::policy::rules::Pattern;
use recruit_milter::policy::token::{Bounce, Flags, OutgoingBounce, TokenId, route_mark};
use recruit_milter::postfix::{Wanted, apply, check, diff, remove};

use super::golden::site;
use super::instance::Private;

fn pattern(text: &str) -> Pattern {
    Pattern::parse(text).unwrap()
}

fn route(name: &str, sender: NewSender, next_hop: Option<&str>) -> Route {
    Route {
        name: name.into(),
        next_hop: next_hop.map(str::to_owned),
        transport: "smtp".into(),
        recipe: Recipe::Sender,
        mixed: Mixed::Sender,
        sender,
        bounces_to: None,
        reply_to: None,
        fields: Vec::new(),
    }
}

/// Two routes told by the sender, one by a field, and a login.
pub(crate) fn outbound() -> Outbound {
    let agency = Route {
        recipe: Recipe::Field,
        ..route("agency", NewSender::Bounce, Some("[agency.example]:2525"))
    };
    let login = Login {
        name: "personio".into(),
        user: "personio".into(),
        may_send_as: vec![pattern("jobs@acme.example")],
        envelope_senders: None,
        networks: Vec::new(),
        route: Some(1),
        limits: Limits::default(),
        on_violation: OnViolation::Refuse,
    };
    let choice = |of, route| Choice { of, route };
    Outbound {
        logins: vec![login],
        routes: vec![
            route("own", NewSender::Bounce, None),
            route("relay", NewSender::From, Some("[relay.example]:2525")),
            agency,
        ],
        choices: vec![
            choice(Condition::Login(0), 1),
            choice(Condition::From(pattern("jobs@acme.example")), 1),
            choice(Condition::From(pattern("talent-*@acme.example")), 1),
            choice(Condition::From(pattern("@acme.example")), 1),
            choice(Condition::From(pattern("@*.acme.example")), 1),
            choice(Condition::From(pattern("@own.example")), 0),
            choice(Condition::From(pattern("@agency.example")), 2),
        ],
        transports: vec!["smtp".into()],
    }
}

fn with_outbound(mut config: Config) -> Config {
    config.rules.outbound = outbound();
    config
}

fn ours() -> Config {
    with_outbound(super::config("/var/spool/postfix"))
}

const SUBMISSION: &str = "submission inet n - y - - smtpd -o smtpd_sasl_auth_enable=yes\n";

/// The value that a parameter is to have.
fn param(config: &Config, main_cf: &str, master_cf: &str, name: &str) -> Option<String> {
    let wanted = Wanted::from(config, &site(main_cf, master_cf)).unwrap();
    let found = wanted.params.into_iter().find(|param| param.name == name);
    found.map(|param| param.value)
}

/// What comes besides what incoming mail needs.
fn more(config: &Config, master_cf: &str) -> String {
    let site = site("", master_cf);
    let mut plain = config.clone();
    plain.rules.outbound = Outbound::default();
    let plain = Wanted::from(&plain, &site).unwrap().print();
    let printed = Wanted::from(config, &site).unwrap().print();
    let known: Vec<&str> = plain.lines().collect();
    let lines = printed.lines().filter(|line| !known.contains(line));
    lines.flat_map(|line| [line, "\n"]).collect()
}

#[test]
fn the_printed_lines_of_both_recipes_are_these() {
    assert_eq!(more(&ours(), SUBMISSION), include_str!("print-outgoing.txt"));
}

#[test]
fn where_there_is_no_submission_service_one_socket_serves_both() {
    let master = "smtp inet n - y - - smtpd\n";
    let main = "smtpd_milters = inet:a:1, $recruit_milter_front, inet:localhost:8891\n";
    let value = |name| param(&ours(), main, master, name);
    assert_eq!(
        value("smtpd_milters").unwrap(),
        "inet:a:1, $recruit_milter_submission, inet:localhost:8891"
    );
    assert_eq!(value("non_smtpd_milters").unwrap(), "$recruit_milter_front");
    assert_eq!(value("recruit_milter_submissions"), None);
    // And back.
    let main = "smtpd_milters = inet:a:1, $recruit_milter_submission, inet:localhost:8891\n";
    assert_eq!(
        param(&super::config("/q"), main, master, "smtpd_milters").unwrap(),
        "inet:a:1, $recruit_milter_front, inet:localhost:8891"
    );
}

#[test]
fn without_outgoing_mail_nothing_is_different() {
    let site = site("", SUBMISSION);
    let wanted = Wanted::from(&super::config("/var/spool/postfix"), &site).unwrap();
    assert_eq!(wanted.overrides, []);
    assert!(!wanted.print().contains("submission"));
    assert_eq!(wanted.files.len(), 3);
}

#[test]
fn submission_services_are_known_by_login_name_or_mark() {
    for (entry, is_one) in [
        ("submission inet n - y - - smtpd", true),
        ("submissions inet n - y - - smtpd", true),
        ("smtps inet n - y - - smtpd", true),
        ("127.0.0.1:587 inet n - y - - smtpd", true),
        ("[::1]:465 inet n - y - - smtpd", true),
        ("2525 inet n - y - - smtpd -o smtpd_sasl_auth_enable=yes", true),
        ("2525 inet n - y - - smtpd -o { smtpd_sasl_auth_enable = yes }", true),
        ("2525 inet n - y - - smtpd -o milter_macro_daemon_name=ORIGINATING", true),
        ("2525 inet n - y - - smtpd -o smtpd_sasl_auth_enable=no", false),
        ("smtp inet n - y - - smtpd", false),
        ("smtp inet n - y - 1 postscreen", false),
        ("smtpd pass - - y - - smtpd -o smtpd_sasl_auth_enable=yes", false),
        (
            "127.0.0.1:10027 inet n - n - - smtpd -o cleanup_service_name=recruit-cleanup \
          -o smtpd_sasl_auth_enable=yes",
            false,
        ),
    ] {
        let wanted = Wanted::from(&ours(), &site("", entry)).unwrap();
        assert_eq!(!wanted.overrides.is_empty(), is_one, "{entry}");
    }
}

#[test]
fn our_milter_finds_its_place_in_a_list_of_the_services_own() {
    let main = "filters = inet:a:1\nsigners = inet:localhost:8891\n\
                mua_milters = inet:a:1, inet:localhost:8891\n\
                front = inet:a:1, $recruit_milter_front\n\
                done = inet:a:1, $recruit_milter_submission\n";
    for (own, with_ours) in [
        ("", "$recruit_milter_submission"),
        ("inet:a:1", "inet:a:1,$recruit_milter_submission"),
        ("inet:a:1,inet:localhost:8891", "inet:a:1,$recruit_milter_submission,inet:localhost:8891"),
        ("$filters", "$filters,$recruit_milter_submission"),
        ("$signers", "$recruit_milter_submission,$signers"),
        ("${filters},$signers", "${filters},$recruit_milter_submission,$signers"),
        ("$mua_milters", "inet:a:1,$recruit_milter_submission,inet:localhost:8891"),
        ("$recruit_milter_front,$signers", "$recruit_milter_submission,$signers"),
        ("$front", "inet:a:1,$recruit_milter_submission"),
        ("$done", "$done"),
        ("{inet:a:1, x=y}", "{inet:a:1, x=y},$recruit_milter_submission"),
    ] {
        let entry = format!("587 inet n - y - - smtpd -o {{ smtpd_milters = {own} }} -o a=b");
        let wanted = Wanted::from(&ours(), &site(main, &entry)).unwrap();
        let service = wanted.overrides.first().map(|o| o.service.clone());
        let milters = wanted.overrides.first().and_then(|o| o.milters.clone());
        assert_eq!(milters.unwrap_or_else(|| own.to_owned()), with_ours, "{own}");
        if let Some(service) = service {
            assert_eq!(service.options.len(), 2, "{service}");
        }
    }
}

/// Debian's services for submission, as they are with their comment signs taken away.
const DEBIAN: &str = "\
# Choose one: enable submission for loopback clients only, or for any client.
#127.0.0.1:submission inet n -   y       -       -       smtpd
submission inet n       -       y       -       -       smtpd
  -o syslog_name=postfix/submission
  -o smtpd_tls_security_level=encrypt
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_tls_auth_only=yes
#  -o local_header_rewrite_clients=static:all
  -o smtpd_reject_unlisted_recipient=no
#     Instead of specifying complex smtpd_<xxx>_restrictions here,
#     specify \"smtpd_<xxx>_restrictions=$mua_<xxx>_restrictions\"
#     here, and specify mua_<xxx>_restrictions in main.cf
#     (where \"<xxx>\" is \"client\", \"helo\", \"sender\", \"relay\", or \"recipient\").
  -o smtpd_client_restrictions=
  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject
  -o milter_macro_daemon_name=ORIGINATING
# Choose one: enable submissions for loopback clients only, or for any client.
submissions     inet  n       -       y       -       -       smtpd
  -o syslog_name=postfix/submissions
  -o smtpd_tls_wrappermode=yes
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_client_restrictions=
  -o smtpd_recipient_restrictions=
  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject
  -o milter_macro_daemon_name=ORIGINATING
#628       inet  n       -       y       -       -       qmqpd
";

const OVERRIDES: &str = "\
submission inet n - y - - smtpd -o smtpd_sasl_auth_enable=yes -o smtpd_milters=$mua_milters
# Only for the printers.
smtps inet n - y - - smtpd
  -o   smtpd_milters=
#  -o smtpd_milters=inet:old:1
  -o {smtpd_client_restrictions = permit_mynetworks, reject}
465 inet n - n - - smtpd -v
  -o { smtpd_milters = { inet:127.0.0.1:1, default_action = accept }, inet:127.0.0.1:8891 }
";

/// A Postfix with more services and lines in main.cf.
fn private(main: &str, services: &str) -> Private {
    let mut postfix = Private::with(main);
    postfix.config = with_outbound(postfix.config.clone());
    let master = fs::read_to_string(postfix.path("master.cf")).unwrap();
    fs::write(postfix.path("master.cf"), format!("{services}{master}")).unwrap();
    postfix.age();
    postfix
}

/// Applies what is wanted.
fn bring(postfix: &Private) {
    apply(&postfix.instance, &postfix.wanted()).unwrap();
    postfix.age();
}

const LIVED_IN: &str = "smtpd_milters =\n  # filter\n  inet:127.0.0.1:1,\n  inet:127.0.0.1:8891\n\
    mua_milters   = inet:127.0.0.1:8891\n";
const TABLES: &str = "sender_dependent_default_transport_maps =\n\
    \x20   inline:{ { chief@acme.example = smtp:[127.0.0.1]:9 } }\n\
    # Nothing of ours.\nmilter_header_checks=regexp:/dev/null\n";

#[test]
fn applied_and_removed_again_leaves_every_byte_for_each_kind_of_site() {
    for (main, services) in
        [(LIVED_IN, DEBIAN), (LIVED_IN, OVERRIDES), (LIVED_IN, ""), (TABLES, DEBIAN), (TABLES, "")]
    {
        let postfix = private(main, services);
        let before = postfix.files();
        bring(&postfix);
        assert_ne!(postfix.files(), before);
        assert_eq!(apply(&postfix.instance, &postfix.wanted()).unwrap(), []);
        postfix.instance.run("postfix", &["check"]).unwrap();
        let found = check(&postfix.instance, &postfix.config).unwrap();
        assert!(found.is_empty(), "{found:#?}");
        remove(&postfix.instance).unwrap();
        assert_eq!(postfix.files(), before);
        assert_eq!(postfix.names(), ["main.cf", "master.cf"]);
    }
}

#[test]
fn each_submission_service_gets_our_milter() {
    let milters = |main, services, keys: &[&str]| -> Vec<String> {
        let postfix = private(main, services);
        bring(&postfix);
        let site = postfix.site();
        let own =
            |key: &&str| site.service(key).unwrap().option("smtpd_milters").map(str::to_owned);
        let own = keys.iter().map(|key| own(key).unwrap_or_default());
        own.chain([site.raw("smtpd_milters").to_owned()]).collect()
    };
    assert_eq!(
        milters(LIVED_IN, DEBIAN, &["submission/inet", "submissions/inet"]),
        [
            "$recruit_milter_submissions",
            "$recruit_milter_submissions",
            "inet:127.0.0.1:1, $recruit_milter_front, inet:127.0.0.1:8891"
        ]
    );
    assert_eq!(
        milters(LIVED_IN, OVERRIDES, &["submission/inet", "smtps/inet", "465/inet"])[..3],
        [
            "$recruit_milter_submission,$mua_milters",
            "$recruit_milter_submission",
            "{ inet:127.0.0.1:1, default_action = accept },$recruit_milter_submission,\
             inet:127.0.0.1:8891"
        ]
    );
    assert_eq!(
        milters(LIVED_IN, "", &[]),
        ["inet:127.0.0.1:1, $recruit_milter_submission, inet:127.0.0.1:8891"]
    );
}

#[test]
fn where_the_admin_has_edited_since_only_ours_is_taken_out() {
    for (main, services) in [(TABLES, DEBIAN), (LIVED_IN, OVERRIDES), (TABLES, "")] {
        let postfix = private(main, services);
        let before = postfix.site();
        bring(&postfix);
        postfix.postconf(&["-e", "smtpd_banner = new"]);
        postfix.postconf(&["-P", "smtp/unix/smtp_helo_timeout=9"]);
        remove(&postfix.instance).unwrap();
        let after = postfix.site();
        assert!(!postfix.files().concat().contains("recruit"));
        assert_eq!(after.main["smtpd_banner"], "new");
        let tables = ["sender_dependent_default_transport_maps", "milter_header_checks"];
        for name in tables {
            assert_eq!(after.main.get(name), before.main.get(name));
        }
        let plain = |text: Option<&str>| text.map(|text| text.replace(' ', ""));
        for service in &before.services {
            let now = after.service(&service.key()).unwrap();
            assert_eq!(plain(now.option("smtpd_milters")), plain(service.option("smtpd_milters")));
        }
    }
}

#[test]
fn what_outgoing_mail_needs_comes_and_goes_with_it() {
    for services in [DEBIAN, OVERRIDES, ""] {
        let mut postfix = private(TABLES, services);
        let outbound = std::mem::take(&mut postfix.config.rules.outbound);
        bring(&postfix);
        let incoming = postfix.site();
        postfix.config.rules.outbound = outbound;
        bring(&postfix);
        postfix.config.rules.outbound = Outbound::default();
        assert_ne!(diff(&postfix.site(), &postfix.wanted()), []);
        bring(&postfix);
        let now = postfix.site();
        assert_eq!(now.main, incoming.main);
        assert_eq!(now.files, incoming.files);
        let plain = |services: &[recruit_milter::postfix::syntax::Service]| -> Vec<String> {
            services.iter().map(|service| service.to_string().replace(' ', "")).collect()
        };
        assert_eq!(plain(&now.services), plain(&incoming.services));
    }
}

fn keys() -> Keys {
    Keys::new(vec![(1, vec![7; 32])]).unwrap()
}

fn id() -> TokenId {
    TokenId { time: 1_800_000_000, nonce: [9; 6] }
}

/// The bounce address of a message by a route.
fn bounce_of(route: &str) -> String {
    let bounce = OutgoingBounce { id: id(), route: route_mark(route), rule: [0; 4] };
    format!("recruit-bounces+{}@acme.example", bounce.extension(&keys()).unwrap())
}

#[test]
fn the_senders_table_tells_each_route_and_nothing_else() {
    let postfix = private("", DEBIAN);
    bring(&postfix);
    let table = format!("regexp:{}", postfix.path("recruit-milter.routes").display());
    let ask = |key: &str| {
        let answer = postfix.instance.run("postmap", &["-q", key, &table]).unwrap_or_default();
        answer.trim_end().to_owned()
    };
    let forwarded = Bounce { id: id(), flags: Flags::default(), rule: [1; 4] };
    let forwarded = forwarded.extension(&keys()).unwrap();
    let relay = "smtp:[relay.example]:2525";
    for (key, answer) in [
        (&*bounce_of("own"), "smtp:"),
        (&bounce_of("own").to_uppercase(), "smtp:"),
        (&bounce_of("agency"), "smtp:[agency.example]:2525"),
        // Its mail has the From address.
        (&bounce_of("relay"), ""),
        (&bounce_of("other"), ""),
        (&bounce_of("own").replace("acme", "evil"), ""),
        (&format!("recruit-bounces+{forwarded}@acme.example"), ""),
        ("recruit-bounces@acme.example", relay),
        ("jobs@acme.example", relay),
        ("Jobs@ACME.example", relay),
        ("jobs+berlin@acme.example", relay),
        ("talent-berlin+x@acme.example", relay),
        ("bob@acme.example", relay),
        ("bob@de.Acme.example", relay),
        ("jobs@acmeXexample", ""),
        ("jobs@xacme.example", ""),
        ("jobs@own.example", ""),
        ("jobs@acme.example.org", ""),
    ] {
        assert_eq!(ask(key), answer, "{key}");
    }
}

#[test]
fn an_author_is_told_apart_from_others_of_the_domain() {
    let mut postfix = private("", DEBIAN);
    postfix.config.rules.outbound.choices.retain(|choice| match &choice.of {
        Condition::From(pattern) => matches!(pattern, Pattern::Exact(_) | Pattern::Wildcard { .. }),
        _ => false,
    });
    bring(&postfix);
    let table = format!("regexp:{}", postfix.path("recruit-milter.routes").display());
    for (key, is_told) in [
        ("jobs@acme.example", true),
        ("JOBS+x@acme.example", true),
        ("jobs-x@acme.example", false),
        ("xjobs@acme.example", false),
        ("talent-@acme.example", true),
        ("talent@acme.example", false),
        ("bob@acme.example", false),
    ] {
        let found = postfix.instance.run("postmap", &["-q", key, &table]).is_ok();
        assert_eq!(found, is_told, "{key}");
    }
}

#[test]
fn the_fields_table_tells_its_routes_alone() {
    let postfix = private("", DEBIAN);
    bring(&postfix);
    let table = format!("regexp:{}", postfix.path("recruit-milter.fields").display());
    for (key, is_told) in [
        ("X-Recruiting-Route: agency", true),
        ("X-Recruiting-Route: Agency", false),
        ("X-Recruiting-Route: agency2", false),
        ("X-Recruiting-Route: own", false),
        ("X-Recruiting-Router: agency", false),
        ("Subject: X-Recruiting-Route: agency", false),
    ] {
        let answer = postfix.instance.run("postmap", &["-q", key, &table]).unwrap_or_default();
        let expected = if is_told { "FILTER smtp:[agency.example]:2525\n" } else { "" };
        assert_eq!(answer, expected, "{key}");
    }
}

#[test]
fn a_bounce_address_with_letters_of_meaning_is_taken_literally() {
    let mut config = ours();
    config.rules.bounce = Some(Address::parse("b.o+x*y@acme.example").unwrap());
    config.rules.delimiters = "-]^+".into();
    let wanted = Wanted::from(&config, &site("", SUBMISSION)).unwrap();
    let table = &wanted.files[3].content;
    let mark = route_mark("own");
    let line = format!("/^b\\.o\\+x\\*y[]+^-]{mark}[a-z2-7]{{40}}@acme\\.example$/  smtp:");
    assert!(table.lines().any(|found| found == line), "{table}");
}

/// Breaks an instance, sees exactly one finding that begins so, and repairs it.
fn breaks(postfix: &Private, arguments: &[&str], begins: &str) {
    let before = postfix.files();
    postfix.postconf(arguments);
    postfix.age();
    let found = check(&postfix.instance, &postfix.config).unwrap();
    let found: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(found.len(), 1, "{arguments:?}: {found:#?}");
    assert!(found[0].starts_with(begins), "{arguments:?}: {found:#?}");
    for (name, text) in ["main.cf", "master.cf"].iter().zip(before) {
        fs::write(postfix.path(name), text).unwrap();
    }
    postfix.age();
}

#[test]
fn what_keeps_outgoing_mail_from_its_route_is_found() {
    let postfix = private(LIVED_IN, DEBIAN);
    bring(&postfix);
    for (option, begins) in [
        ("submission/inet/smtpd_milters=", "error: submission/inet in master.cf does not show us"),
        ("submission/inet/smtpd_milters=inet:x:1", "error: submission/inet in master.cf does not"),
        (
            "submission/inet/smtpd_milters=inet:127.0.0.1:8891,$recruit_milter_submission",
            "warning: submission/inet: \"inet:127.0.0.1:8891\" comes before our milter",
        ),
        (
            "submission/inet/smtpd_milters=$recruit_milter_submission,inet:127.0.0.1:1",
            "warning: submission/inet: \"inet:127.0.0.1:1\" comes after our milter",
        ),
        (
            "cleanup/unix/milter_header_checks=",
            "error: cleanup/unix in master.cf has milter_header",
        ),
    ] {
        breaks(&postfix, &["-P", option], begins);
    }
    breaks(
        &postfix,
        &["-P", "-X", "submissions/inet/smtpd_milters"],
        "error: submissions/inet in master.cf does not show us",
    );
    for (setting, begins) in [
        (
            "sender_dependent_default_transport_maps=hash:/x, \
             regexp:$config_directory/recruit-milter.routes",
            "error: sender_dependent_default_transport_maps in main.cf does not name",
        ),
        ("milter_header_checks=", "error: milter_header_checks in main.cf does not name"),
        (
            "recruit_milter_submission=inet:127.0.0.1:2",
            "error: recruit_milter_submission in main.cf",
        ),
        ("default_transport=relay", "warning: default_transport is \"relay\""),
        (
            "transport_maps=$recruit_milter_transports, inline:{x=smtp:y}",
            "warning: [route.agency] is told by a field, which overrides transport_maps",
        ),
    ] {
        breaks(&postfix, &["-e", setting], begins);
    }
    for key in ["@acme.example", "recruit-bounces@acme.example"] {
        let table = format!("sender_canonical_maps=inline:{{{key}=info@acme.example}}");
        breaks(&postfix, &["-e", &table], "error: sender_canonical_maps: \"inline:{");
    }
    // Both other smtpd take logins then.
    postfix.postconf(&["-e", "smtpd_sasl_auth_enable=yes"]);
    let found = check(&postfix.instance, &postfix.config).unwrap();
    assert_eq!(found.len(), 2, "{found:#?}");
    let begins = format!("error: {}/inet takes logins as well", postfix.port);
    assert!(found[0].to_string().starts_with(&begins), "{found:#?}");
}

#[test]
fn a_route_that_leads_nowhere_is_found() {
    let mut postfix = private(LIVED_IN, DEBIAN);
    let mut ids = |change: &dyn Fn(&mut Route)| {
        postfix.config.rules.outbound = outbound();
        change(&mut postfix.config.rules.outbound.routes[1]);
        bring(&postfix);
        let found = check(&postfix.instance, &postfix.config).unwrap();
        found.iter().map(|finding| finding.id.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(ids(&|_| {}), [""; 0]);
    assert_eq!(ids(&|route| route.transport = "nothing".into()), ["RM-POSTFIX-34"]);
    assert_eq!(
        ids(&|route| route.next_hop = Some("[relay.example]:587".into())),
        ["RM-POSTFIX-35", "RM-POSTFIX-35"]
    );
    assert_eq!(
        ids(&|route| route.next_hop = Some("[relay.example]:465".into())),
        ["RM-POSTFIX-35", "RM-POSTFIX-35"]
    );
}
