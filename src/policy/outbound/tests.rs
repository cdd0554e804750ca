//! See [`outbound`](super): a message in, a plan in Postfix's words out.
// SPDX-License-Identifier: GPL-3.0-or-later

use super::rules::{Choice, Login, NewSender, Outbound, SenderPattern};
use super::*;
use crate::plan::{Reply, ReplyText};
use crate::policy::limits::{Limits, Rates, Ticket};
use crate::policy::rules::{Network, Pattern};
use crate::policy::testing::{address, keys, rules as company, stamp};
use crate::policy::token::rule_tag;

const NOW: u64 = 1_795_551_700;
const JOBS: &str = "jobs@acme.example";
const ERIKA: &str = "erika@example.org";
const BOB: &str = "bob@acme.example";

fn pattern(text: &str) -> Pattern {
    Pattern::parse(text).unwrap()
}

fn login(name: &str, may_send_as: &[&str], route: Option<usize>) -> Login {
    Login {
        name: name.into(),
        user: name.into(),
        may_send_as: may_send_as.iter().map(|text| pattern(text)).collect(),
        envelope_senders: None,
        networks: Vec::new(),
        route,
        limits: Limits::default(),
        on_violation: OnViolation::Refuse,
    }
}

fn route(name: &str) -> Route {
    Route {
        name: name.into(),
        next_hop: None,
        transport: "smtp".into(),
        recipe: Recipe::Sender,
        mixed: Mixed::Sender,
        sender: NewSender::Bounce,
        bounces_to: None,
        reply_to: None,
        fields: Vec::new(),
    }
}

/// Personio's login leaves by route 0, `own`; mail from hr@ takes 1, `hr`; all of acme.example 2,
/// `all`; mail to a partner 3, `partner`. Odoo's login has no route of its own.
fn rules() -> Rules {
    let outbound = Outbound {
        logins: vec![
            login("personio", &[JOBS, "karriere@acme.example"], Some(0)),
            login("odoo", &["info@other.example"], None),
        ],
        routes: ["own", "hr", "all", "partner"].map(route).into(),
        choices: vec![
            Choice { of: Condition::To(pattern("@partner.example")), route: 3 },
            Choice { of: Condition::From(pattern("@acme.example")), route: 2 },
            Choice { of: Condition::From(pattern("hr@acme.example")), route: 1 },
            Choice { of: Condition::Login(0), route: 0 },
            Choice { of: Condition::From(pattern(JOBS)), route: 0 },
        ],
        transports: vec!["smtp".into()],
    };
    Rules { outbound: outbound.in_order(), ..company() }
}

/// A message to be sent.
struct Message<'a> {
    user: Option<&'a str>,
    client: Option<&'a str>,
    sender: &'a str,
    header: &'a str,
    /// Recipients, each with the transport that Postfix names, if any.
    to: &'a [(&'a str, Option<&'a str>)],
}

impl Default for Message<'_> {
    fn default() -> Self {
        Self {
            user: Some("personio"),
            client: None,
            sender: "x@odd.example",
            header: "From: jobs@acme.example\nDate: today\nMessage-ID: <1@x>",
            to: &[(ERIKA, Some("smtp"))],
        }
    }
}

impl Message<'_> {
    fn outgoing(&self, rules: &Rules) -> Outgoing {
        let client = Client {
            user: self.user.map(str::to_owned),
            address: self.client.map(|text| text.parse().unwrap()),
        };
        Outgoing::new(rules, client, RawPath::new(format!("<{}>", self.sender)))
    }

    fn try_decide(&self, rules: &Rules, usage: &mut Usage) -> Result<Decision, Violation> {
        self.take(rules, usage).map(|(decision, _)| decision)
    }

    /// The decision, and what it takes of the login's limits.
    fn take(&self, rules: &Rules, usage: &mut Usage) -> Result<(Decision, Vec<Ticket>), Violation> {
        let mut outgoing = self.outgoing(rules);
        outgoing.admit(rules, usage, NOW * 1000)?;
        for (to, transport) in self.to {
            outgoing.rcpt(rules, Recipient::plain(to), *transport, usage, NOW * 1000)?;
        }
        for line in self.header.lines() {
            let (name, body) = line.split_once(':').unwrap();
            outgoing.field(name.as_bytes(), body.as_bytes());
        }
        let date = || "now".to_owned();
        let mut moment = Moment { now: NOW, date: &date, stamp: &mut stamp() };
        let tickets = outgoing.take_tickets();
        Ok((outgoing.finish(rules, &keys(), &mut moment).unwrap(), tickets))
    }

    fn decide(&self, rules: &Rules) -> Decision {
        self.try_decide(rules, &mut Usage::default()).unwrap()
    }

    /// The plan, with tokens left out.
    fn plan(&self, rules: &Rules) -> String {
        plain(&self.decide(rules).plan.to_string())
    }
}

/// A plan with `B` and the route's name for bounce addresses, `T` for handoff tokens.
fn plain(plan: &str) -> String {
    let mut out = Vec::new();
    for line in plan.lines() {
        let mut line = line.to_owned();
        if let Some((before, rest)) = line.clone().split_once("recruit-bounces+1") {
            let (extension, after) = rest.split_once('@').unwrap();
            let bounce = OutgoingBounce::parse(&format!("1{extension}"), &keys(), NOW).unwrap();
            let name = ["own", "hr", "all", "partner"].map(|n| (n, route_mark(n)));
            let (name, _) = name.into_iter().find(|(_, mark)| *mark == bounce.route).unwrap();
            line = format!("{before}B-{name}@{after}");
        }
        if let Some((before, rest)) = line.clone().split_once("<t")
            && let Some((_, after)) = rest.split_once("@handoff.internal")
        {
            line = format!("{before}<T@handoff.internal{after}");
        }
        out.push(line);
    }
    out.join("\n")
}

const BY_OWN: &str = "chg_from <B-own@acme.example>\ncontinue";

#[test]
fn a_login_takes_its_route_whatever_the_envelope_sender() {
    assert_eq!(Message::default().plan(&rules()), BY_OWN);
    let message = Message { user: Some("PERSONIO"), ..Message::default() };
    assert_eq!(message.plan(&rules()), BY_OWN, "in whatever case");
}

#[test]
fn a_route_is_chosen_by_login_address_domain_and_recipients_in_that_order() {
    let route_of = |user, from: &str, to| {
        let header = format!("From: {from}\nDate: d\nMessage-ID: <1@x>");
        let message = Message { user, header: &header, to, ..Message::default() };
        message.decide(&rules()).sent.and_then(|sent| sent.route)
    };
    let erika: &[(&str, Option<&str>)] = &[(ERIKA, None)];
    let partners: &[_] = &[("a@partner.example", None), ("b@partner.example", None)];
    let mixed: &[_] = &[("a@partner.example", None), (ERIKA, None)];
    let inside: &[_] = &[(BOB, None)];
    for (user, from, to, route) in [
        (Some("personio"), "karriere@acme.example", partners, Some("own")),
        (Some(BOB), JOBS, erika, Some("own")),
        (Some(BOB), "JOBS+7@acme.example", erika, Some("own")),
        (Some(BOB), "hr@acme.example", partners, Some("hr")),
        (Some(BOB), BOB, partners, Some("all")),
        (Some("odoo"), "info@other.example", partners, Some("partner")),
        (Some("odoo"), "info@other.example", mixed, None),
        (Some("odoo"), "info@other.example", erika, None),
        (Some("odoo"), "info@other.example", inside, None),
        (Some("x"), "info@other.example", inside, None),
        // Nobody logged in: whoever writes such a From is a stranger.
        (None, JOBS, erika, None),
        (None, BOB, partners, None),
        // From whom it is cannot be said.
        (Some(BOB), "jobs@acme.example <bob@acme.example>", erika, None),
    ] {
        assert_eq!(route_of(user, from, to).as_deref(), route, "{user:?} {from} {to:?}");
    }
}

#[test]
fn a_client_inside_the_company_is_as_good_as_a_login() {
    let rules = Rules { internal_networks: vec![Network::parse("10.0.0.0/8").unwrap()], ..rules() };
    let from = |client| Message { user: None, client, ..Message::default() };
    assert_eq!(from(Some("10.1.2.3")).plan(&rules), BY_OWN);
    for client in [Some("192.0.2.1"), None] {
        assert!(from(client).decide(&rules).sent.is_none());
    }
}

#[test]
fn only_recipients_outside_have_a_route_and_the_null_sender_stays() {
    for (to, transport) in [(BOB, None), (BOB, Some("smtp")), (ERIKA, Some("local"))] {
        let to = &[(to, transport)];
        let message = Message { to, ..Message::default() };
        assert_eq!(message.plan(&rules()), "continue", "{to:?}");
    }
    let both =
        Message { to: &[(BOB, Some("virtual")), (ERIKA, Some("smtp"))], ..Message::default() };
    assert_eq!(both.plan(&rules()), BY_OWN);
    let report = Message { sender: "", ..Message::default() };
    assert_eq!(report.plan(&rules()), "continue");
}

#[test]
fn the_envelope_sender_is_as_the_route_says() {
    for (sender, plan) in [
        (NewSender::From, "chg_from <jobs@acme.example>\ncontinue"),
        (NewSender::Bounce, BY_OWN),
        (NewSender::Keep, "continue"),
    ] {
        let mut rules = rules();
        rules.outbound.routes[0].sender = sender;
        assert_eq!(Message::default().plan(&rules), plan);
    }
}

#[test]
fn a_field_tells_the_route_only_where_all_recipients_are_outside() {
    let field = "ins_header 0 X-Recruiting-Route own\ndel_header 1 X-Recruiting-Route\n";
    let mut rules = rules();
    rules.outbound.routes[0].recipe = Recipe::Field;
    rules.outbound.routes[0].sender = NewSender::Keep;
    rules.outbound.routes[0].mixed = Mixed::Refuse;
    assert_eq!(Message::default().plan(&rules), format!("{field}continue"));
    // The null sender takes it as well.
    let report = Message { sender: "", ..Message::default() };
    assert_eq!(report.plan(&rules), format!("{field}continue"));
    // Where nobody is outside there is no route to be told.
    let inside = Message { to: &[(BOB, None)], ..Message::default() };
    assert_eq!(inside.plan(&rules), "continue");
    let mixed: &[(&str, Option<&str>)] = &[(BOB, None), (ERIKA, None)];
    let mixed = Message { to: mixed, ..Message::default() };
    let refused = "550 5.7.1 Recipients inside and outside need messages of their own";
    assert_eq!(mixed.plan(&rules), refused);
    // A copy on its way to pass 2 would be taken along, too.
    let applying =
        Message { to: &[("karriere@acme.example", None), (ERIKA, None)], ..Message::default() };
    assert_eq!(applying.plan(&rules), refused);
    rules.outbound.routes[0].mixed = Mixed::Sender;
    rules.outbound.routes[0].sender = NewSender::Bounce;
    assert_eq!(mixed.plan(&rules), BY_OWN);
    assert_eq!(Message::default().plan(&rules), format!("{field}{BY_OWN}"));
}

#[test]
fn what_is_missing_is_added_and_what_is_not_to_be_seen_taken_off() {
    let mut rules = rules();
    rules.outbound.routes[0].reply_to = Some(FieldBody::new("Jobs <jobs@acme.example>").unwrap());
    rules.outbound.routes[0].fields =
        vec![(PlainName::configured("X-Sent-For").unwrap(), FieldBody::new("HR").unwrap())];
    let bare = Message {
        header: "Bcc: a@b\nFrom: jobs@acme.example\nbcc: c@d\nX-RECRUITING-Route: relay\n\
                 x-recruiting-route: relay\nX-Recruiting-Seal: v=1",
        ..Message::default()
    };
    let plan = bare.plan(&rules);
    let (_, token) = plan.split_once("Message-ID <").unwrap();
    let (token, _) = token.split_once('@').unwrap();
    let expected = format!(
        "del_header 2 x-recruiting-route\n\
         del_header 1 X-RECRUITING-Route\n\
         del_header 1 X-Recruiting-Seal\n\
         del_header 2 Bcc\n\
         del_header 1 Bcc\n\
         add_header Date now\n\
         add_header Message-ID <{token}@acme.example>\n\
         add_header Reply-To Jobs <jobs@acme.example>\n\
         add_header X-Sent-For HR\n\
         {BY_OWN}"
    );
    assert_eq!(plan, expected);
    assert_eq!(token.len(), 16);
    let whole = Message {
        header: "from: jobs@acme.example\nDATE: d\nmessage-id: <1@x>\nreply-to: a@b\nx-sent-for: me",
        ..Message::default()
    };
    assert_eq!(whole.plan(&rules), BY_OWN);
    // Other people's mail is theirs.
    let colleague = Message {
        user: Some("x"),
        header: "From: info@other.example\nBcc: a@b\nX-Recruiting-Route: relay",
        ..Message::default()
    };
    assert_eq!(colleague.plan(&rules), "continue");
}

#[test]
fn a_header_too_long_to_be_known_gets_nothing_twice() {
    let fields: Vec<String> = (0..2000).map(|number| format!("X-Long-{number}: x\n")).collect();
    let long = format!("From: jobs@acme.example\n{}", fields.concat());
    let message = Message { header: &long, ..Message::default() };
    assert_eq!(message.plan(&rules()), BY_OWN);
}

#[test]
fn an_envelope_without_end_is_put_off_and_not_kept() {
    let rules = rules();
    let mut message = Message::default().outgoing(&rules);
    let mut usage = Usage::default();
    let mut told = None;
    for number in 0..20_000 {
        let to = Recipient::plain(&format!("jobs+{number}{}@acme.example", "x".repeat(150)));
        told = message.rcpt(&rules, to, None, &mut usage, NOW).err();
        if told.is_some() {
            break;
        }
    }
    let told = told.expect("an end").reply();
    assert_eq!(told, Reply::Tempfail(ReplyText::TryAgain));
    assert!(message.recruiting.len() < 5_000);
}

#[test]
fn the_system_gets_a_copy_of_what_colleagues_send_where_that_is_wanted() {
    let mut rules = rules();
    rules.addresses[0].outbound_copy = true;
    let rules = rules.indexed();
    let copy = "add_rcpt <T@handoff.internal> NOTIFY=NEVER ORCPT=rfc822;jobs@acme.example\n";
    let colleague = |to| Message { user: Some(BOB), to, ..Message::default() };
    let message = colleague(&[(ERIKA, None)]);
    assert_eq!(message.plan(&rules), format!("{copy}{BY_OWN}"));
    let sent = message.decide(&rules).sent.unwrap();
    assert_eq!(sent.copy_to.as_deref(), Some("personio"));
    // Not where the system gets it anyway, nor of its own mail, nor of a stranger's.
    for to in ["acme-jobs@m-personio.example", "Acme-Jobs@M-Personio.example"] {
        let to = [(to, None), (ERIKA, None)];
        let message = Message { user: Some(BOB), to: &to, ..Message::default() };
        assert_eq!(message.plan(&rules), BY_OWN);
    }
    let to_us: &[_] = &[("jobs+x@acme.example", None), (ERIKA, None)];
    let twice = colleague(to_us).decide(&rules);
    assert!(twice.sent.unwrap().copy_to.is_none());
    assert_eq!(twice.diverted.len(), 1, "as an ordinary mail to a recruiting address");
    assert_eq!(Message::default().plan(&rules), BY_OWN);
    let stranger = Message { user: None, ..Message::default() };
    assert_eq!(stranger.plan(&rules), "continue");
    let report = Message { sender: "", ..colleague(&[(ERIKA, None)]) };
    assert_eq!(report.plan(&rules), "continue");
    // A field would take the copy along, so there is none; and his mail goes on.
    let mut by_field = rules.clone();
    by_field.outbound.routes[0].recipe = Recipe::Field;
    by_field.outbound.routes[0].mixed = Mixed::Refuse;
    let plan = message.plan(&by_field);
    assert!(plan.starts_with("ins_header 0 X-Recruiting-Route own\n"), "{plan}");
}

#[test]
fn a_probe_is_one_here_as_well_and_one_that_is_not_known_is_refused() {
    let rules = rules();
    let id = TokenId { time: u32::try_from(NOW).unwrap(), nonce: [1; 6] };
    let probe = Probe::new(id, &address(JOBS));
    let sender = |keys: &Keys| probe.sender(&rules, keys).unwrap().to_string();
    let of = |sender, to| Message { user: None, sender, to, ..Message::default() };
    let jobs: &[_] = &[(JOBS, None)];
    let known = sender(&keys());
    let decided = of(&known, jobs).decide(&rules);
    assert_eq!(decided.diverted[0].probe, Some(id));
    let stranger = sender(&Keys::new(vec![(9, vec![9; 32])]).unwrap());
    let decided = of(&stranger, jobs).decide(&rules);
    assert_eq!((decided.plan, decided.diverted), (unproven(), Vec::new()));
    // Who writes to nobody of ours is not looked at.
    assert_eq!(of(&stranger, &[(BOB, None)]).plan(&rules), "continue");
}

#[test]
fn what_a_systems_login_sends_is_never_forwarded() {
    let kept = Message { to: &[(JOBS, None)], ..Message::default() };
    assert_eq!(kept.plan(&rules()), "continue");
    // Where no copy is kept, pass 2 gives it to the fallback.
    let gone = Message { to: &[("karriere@acme.example", None)], ..Message::default() };
    assert_eq!(
        gone.plan(&rules()),
        "add_rcpt <T@handoff.internal> NOTIFY=NEVER ORCPT=rfc822;karriere@acme.example\n\
         del_rcpt <karriere@acme.example>\ncontinue"
    );
    let flags = gone.decide(&rules()).diverted[0].handoff.unwrap().flags;
    assert!(flags.own_login && flags.authenticated && !flags.kept);
    // Fields of ours stay for pass 2 to see, where one is on its way there.
    let sealed = Message {
        header: "From: jobs@acme.example\nDate: d\nMessage-ID: <1@x>\nX-Recruiting-Seal: v=1",
        ..gone
    };
    assert!(!sealed.plan(&rules()).contains("del_header"));
}

#[test]
fn each_stage_refuses_what_it_can_know() {
    let mut rules = rules();
    let login = &mut rules.outbound.logins[0];
    login.networks = vec![Network::parse("192.0.2.0/24").unwrap()];
    login.envelope_senders =
        Some(vec![SenderPattern::Null, SenderPattern::Address(pattern("b*@acme.example"))]);
    let good = || Message {
        client: Some("192.0.2.9"),
        sender: "bounce@acme.example",
        ..Message::default()
    };
    assert_eq!(good().plan(&rules), BY_OWN);
    assert_eq!(Message { sender: "", ..good() }.plan(&rules), "continue");
    let refusal = |message: &Message<'_>| {
        let violation = message.try_decide(&rules, &mut Usage::default()).unwrap_err();
        format!("{} {}", violation.word(), violation.reply())
    };
    for client in [Some("192.0.3.1"), Some("2001:db8::1"), None] {
        assert_eq!(
            refusal(&Message { client, ..good() }),
            "network 550 5.7.1 This login may not be used from here"
        );
    }
    for sender in ["jobs@acme.example", "b@other.example", "b@acme.example@x"] {
        assert_eq!(
            refusal(&Message { sender, ..good() }),
            "envelope-sender 550 5.7.1 This login may not use this envelope sender address"
        );
    }
    let forged = Message { header: "From: ceo@acme.example", ..good() };
    let decision = forged.decide(&rules);
    assert_eq!(decision.plan.to_string(), "550 5.7.1 This login may not send as this address");
    let sent = decision.sent.unwrap();
    assert!(sent.refused && sent.violations[0].word() == "not-allowed");
    assert!(sent.violations[0].detail().unwrap().contains("ceo@acme.example"));
}

#[test]
fn where_it_is_only_logged_all_that_is_wrong_is_told() {
    let mut rules = rules();
    let login = &mut rules.outbound.logins[0];
    login.on_violation = OnViolation::Log;
    login.networks = vec![Network::parse("192.0.2.0/24").unwrap()];
    login.envelope_senders = Some(Vec::new());
    login.limits.messages = Rates { per_day: Some(0), ..Rates::default() };
    let message = Message {
        header: "From: ceo@acme.example\nDate: d\nMessage-ID: <1@x>",
        ..Message::default()
    };
    let decision = message.decide(&rules);
    assert_eq!(plain(&decision.plan.to_string()), BY_OWN);
    let sent = decision.sent.unwrap();
    let words: Vec<_> = sent.violations.iter().map(Violation::word).collect();
    assert_eq!(words, ["network", "envelope-sender", "limit", "not-allowed"]);
    assert!(!sent.refused);
}

#[test]
fn a_limit_that_many_recipients_exceed_is_told_once() {
    let mut rules = rules();
    let login = &mut rules.outbound.logins[0];
    login.on_violation = OnViolation::Log;
    login.limits.messages = Rates { per_day: Some(0), ..Rates::default() };
    login.limits.recipients = Rates { per_day: Some(1), ..Rates::default() };
    let to = [(ERIKA, None); 500];
    let decision = Message { to: &to, ..Message::default() }.decide(&rules);
    let details: Vec<_> =
        decision.sent.unwrap().violations.iter().filter_map(Violation::detail).collect();
    assert_eq!(
        details,
        ["more than 0 messages in 24 hours", "more than 1 recipients in 24 hours"],
        "one of each kind, not one for each recipient"
    );
}

#[test]
fn what_comes_back_from_mail_that_is_only_logged_has_somewhere_to_go() {
    let mut rules = rules();
    rules.outbound.logins[0].on_violation = OnViolation::Log;
    let sender = |rules: &Rules, from: &str| {
        let header = format!("From: {from}\nDate: d\nMessage-ID: <1@x>");
        let message = Message { header: &header, ..Message::default() };
        let plan = message.decide(rules).plan.to_string();
        let (_, extension) = plan.split_once("recruit-bounces+").unwrap();
        let (extension, _) = extension.split_once('@').unwrap();
        OutgoingBounce::parse(extension, &keys(), NOW).unwrap()
    };
    let goes = |rules: &Rules, from: &str| {
        bounce::goes_to(rules, &sender(rules, from)).map(|address| address.to_string())
    };
    // Of nobody's, and of a pattern's without a fallback: to the first address of the login.
    for from in ["ceo@acme.example", "a@karriere.acme.example"] {
        assert_eq!(goes(&rules, from).as_deref(), Some(JOBS), "{from}");
    }
    assert_eq!(goes(&rules, "karriere@acme.example").as_deref(), Some("hr@acme.example"));
    // Where the route says to whom, it does; what was sent keeps its own rule.
    rules.outbound.routes[0].bounces_to = Some(address(BOB));
    assert_eq!(goes(&rules, "ceo@acme.example").as_deref(), Some(BOB));
    assert_eq!(sender(&rules, "ceo@acme.example").rule, [0; 4]);
}

#[test]
fn more_bcc_fields_than_can_be_taken_off_are_refused() {
    let with = |user, from: &str, count| {
        let header = format!("From: {from}\n{}", "Bcc: a@b\n".repeat(count));
        let message = Message { user, header: &header, ..Message::default() };
        message.plan(&rules())
    };
    let plan = with(Some("personio"), JOBS, 200);
    assert_eq!(plan.lines().filter(|line| line.starts_with("del_header")).count(), 200);
    for user in ["personio", BOB] {
        assert_eq!(with(Some(user), JOBS, 201), "550 5.6.0 Too many Bcc fields", "{user}");
    }
    assert_eq!(with(Some("x"), "info@other.example", 201), "continue", "none of ours");
}

#[test]
fn room_is_taken_for_the_message_and_each_recipient_and_comes_back_with_the_decision() {
    let mut rules = rules();
    rules.outbound.logins[0].limits = Limits {
        messages: Rates { per_day: Some(2), ..Rates::default() },
        recipients: Rates { per_day: Some(3), ..Rates::default() },
    };
    let mut usage = Usage::default();
    let two = Message { to: &[(ERIKA, None), (BOB, None)], ..Message::default() };
    let (_, tickets) = two.take(&rules, &mut usage).unwrap();
    assert_eq!(tickets.len(), 3);
    let over = two.try_decide(&rules, &mut usage).unwrap_err();
    let text = "450 4.7.1 This login has sent too much - try again later";
    assert_eq!(over.reply().to_string(), text);
    // The refused message gave nothing back by itself: that is for the shell.
    assert!(Message::default().try_decide(&rules, &mut usage).is_err());
    for ticket in tickets {
        usage.give_back(ticket);
    }
    assert!(Message { to: &[], ..Message::default() }.try_decide(&rules, &mut usage).is_ok());
    // What looks like a handoff is a recipient as any other.
    let to = [("tabc@handoff.internal", None); 4];
    let handoffs = Message { to: &to[..3], ..Message::default() };
    assert_eq!(handoffs.take(&rules, &mut Usage::default()).unwrap().1.len(), 4);
    assert!(Message { to: &to, ..handoffs }.try_decide(&rules, &mut Usage::default()).is_err());
    // Nobody else is counted.
    let other = Message { user: Some(BOB), ..two };
    assert!(other.take(&rules, &mut usage).unwrap().1.is_empty());
}

#[test]
fn a_bounce_address_leads_back_to_whom_it_concerns() {
    let mut rules = rules();
    let bounce =
        |name: &str, rule: [u8; 4]| OutgoingBounce { id: stamp()(), route: route_mark(name), rule };
    let jobs = rule_tag(JOBS);
    let goes = |rules: &Rules, b: &OutgoingBounce| {
        bounce::goes_to(rules, b).map(|address| address.to_string())
    };
    assert_eq!(goes(&rules, &bounce("own", jobs)).as_deref(), Some(JOBS));
    // karriere@ keeps no copy, so its fallback gets it.
    let karriere = rule_tag("karriere@acme.example");
    assert_eq!(goes(&rules, &bounce("own", karriere)).as_deref(), Some("hr@acme.example"));
    // A pattern is no mailbox.
    let all = rule_tag("*@karriere.acme.example");
    assert_eq!(goes(&rules, &bounce("own", all)), None);
    assert_eq!(goes(&rules, &bounce("own", [0; 4])), None);
    rules.outbound.routes[0].bounces_to = Some(address(BOB));
    assert_eq!(goes(&rules, &bounce("own", jobs)).as_deref(), Some(BOB));
    // A route that is gone: the address itself.
    assert_eq!(goes(&rules, &bounce("gone", jobs)).as_deref(), Some(JOBS));
}
