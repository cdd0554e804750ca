//! `unwrap = "attached"`: a colleague's forward goes out as the message that was attached to it,
//! through the real Postfix, whatever dies on the way.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::net::TcpStream;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::relay::{Line, Relay, Way};
use crate::harness::site::{BOB, HR, JOBS, KARRIERE, Setup, without_ours};
use crate::harness::{Delivered, Endpoint, LIMIT, Mail, Port, Site, wait_until};

const CONFIG: &str = "[internal]\nnetworks = [\"127.0.0.0/8\"]\n\
    [address.\"jobs@acme.example\"]\nunwrap = \"attached\"\n";

/// Everything in it breaks if anything touches it: signatures, folding, long lines, dots, 8 bits.
fn original() -> String {
    format!(
        "DKIM-Signature: v=1; a=rsa-sha256; d=post.example; s=x;\r\n\tbh=AAAA=; b=BBBB\r\n\
         Received: from a by b; Mon, 3 Mar 2025 10:15:00 +0100\r\n\
         From:  \"Hoffmann, Lena\"   <lena@post.example>\r\nTo: bob@acme.example\r\n\
         Subject: =?utf-8?Q?Bewerbung?=\r\n =?utf-8?Q?_als_K=C3=B6chin?=\r\n\
         Message-ID: <1@post.example>\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=\"c\"\r\nX-Empty:\r\n\r\n\
         --c\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\
         Grüße,\t \r\n.\r\n..\r\n.From me\r\nFrom you\r\n{}\r\n--c--\r\n\r\n",
        "x".repeat(1500)
    )
}

fn wrapped(inner: &str, more: &str) -> String {
    format!(
        "From: Bob <bob@acme.example>\r\nTo: jobs@acme.example\r\nSubject: Fwd: Bewerbung\r\n\
         Message-ID: <2@acme.example>\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=\"o\"\r\n\r\n--o\r\nContent-Type: text/plain\r\n\r\n\
         Please have a look.\r\n--o\r\nContent-Type: message/rfc822; name=\"Bewerbung.eml\"\r\n\
         Content-Disposition: attachment; filename=\"Bewerbung.eml\"\r\n\r\n{inner}\r\n{more}--o--\r\n"
    )
}

fn with_lf(text: &str) -> String {
    text.replace("\r\n", "\n")
}

fn start(config: &str) -> Site {
    let mut site = Site::prepare(Setup { config: config.to_owned(), ..Setup::default() });
    begin(&mut site);
    site
}

fn begin(site: &mut Site) {
    site.daemon.start();
    site.attach();
    site.ats.start();
    site.mx.start();
    wait_until("the second smtpd answers", LIMIT, || {
        TcpStream::connect(("127.0.0.1", site.handoff_port())).is_ok()
    });
}

fn send(site: &Site, to: &str, message: &str) {
    Mail::new(BOB, &[to], message).send(site.mx.port());
}

/// What is left of a copy without what was put on top of it.
fn bytes(copy: &Delivered) -> String {
    String::from_utf8_lossy(&without_ours(&copy.bytes, 2)).into_owned()
}

fn check_unwrapped(copy: &Delivered) {
    assert_eq!(bytes(copy), with_lf(&original()));
    let text = copy.text();
    for field in [
        "X-Recruiting-Kind: forward-attached\n",
        "X-Recruiting-Applicant: \"Hoffmann, Lena\" <lena@post.example>;\n\
         \tsource=attached-message; confidence=certain\n",
        "X-Recruiting-Forwarder: <bob@acme.example>\n",
        "X-Recruiting-Envelope-Sender: <bob@acme.example>\n",
        "X-Recruiting-Address: jobs@acme.example\n",
    ] {
        assert!(text.contains(field), "{field}{text}");
    }
    assert!(copy.envelope_sender.starts_with("recruit-bounces+"), "{}", copy.envelope_sender);
}

#[test]
fn a_colleagues_attached_forward_goes_out_as_the_original() {
    let site = start(CONFIG);
    let sent = wrapped(&original(), "");
    send(&site, JOBS, &sent);
    site.settle();
    let copies = site.inbound();
    assert_eq!(copies.len(), 1);
    check_unwrapped(&copies[0]);
    let local = site.mx.maildir(JOBS);
    assert_eq!(local.len(), 1);
    assert_eq!(String::from_utf8_lossy(&without_ours(&local[0].bytes, 1)), with_lf(&sent));
    assert_eq!((site.mx.delivery_count(), site.ats.delivery_count()), (1, 1), "and nothing else");
    site.daemon.wait_for_log("action=unwrapped, address=jobs@acme.example");
    site.daemon.wait_for_log("action=report, outcome=relayed");
    assert_eq!(site.mx.report_records(), Vec::<std::path::PathBuf>::new());
    let journal = site.journal();
    let of = |action: &str| journal.iter().filter(|line| line.contains(action)).count();
    assert_eq!(of("\"action\":\"unwrapping\""), 1);
    assert_eq!(of("\"action\":\"handed-over\""), 1);
}

#[test]
fn milter_and_agent_work_as_two_processes() {
    let mut site = Site::prepare(Setup { config: CONFIG.to_owned(), ..Setup::default() });
    site.daemon.only("milter");
    let mut agent = site.agent();
    begin(&mut site);
    send(&site, JOBS, &wrapped(&original(), ""));
    Mail::new("erika@example.org", &[JOBS], "From: erika@example.org\r\n\r\nHello\r\n")
        .send(site.mx.port());
    wait_until("what needs no agent is forwarded without it", LIMIT, || site.inbound().len() == 1);
    site.mx.wait_for_log("status=deferred");
    agent.start();
    settle_with_flushes(&site);
    assert_eq!(site.inbound().len(), 2);
    assert!(agent.stop().success());
    assert!(site.daemon.is_running());
}

#[test]
fn fields_of_ours_in_the_original_are_taken_out_and_a_transfer_encoding_is_undone() {
    let site = start(CONFIG);
    let forged = format!("X-Recruiting-Applicant: <x@evil.example>\r\n{}", original());
    send(&site, JOBS, &wrapped(&forged, ""));
    let encoded = data_encoding::BASE64_MIME.encode(original().as_bytes());
    let message = wrapped("@", "")
        .replace("\r\n\r\n@", &format!("\r\nContent-Transfer-Encoding: base64\r\n\r\n{encoded}"));
    send(&site, JOBS, &message);
    site.settle();
    let copies = site.inbound();
    assert_eq!(copies.len(), 2);
    copies.iter().for_each(check_unwrapped);
    assert!(!copies.iter().any(|copy| copy.text().contains("evil.example")));
}

#[test]
fn what_is_not_to_be_unwrapped_goes_on_as_it_is() {
    let site = start(CONFIG);
    let pdf = "--o\r\nContent-Type: application/pdf; name=cv.pdf\r\n\
        Content-Disposition: attachment\r\n\r\nx\r\n";
    // Beyond what pass 2 reads: only the agent sees that there is more.
    let large = original().replace("--c--", &"padding\r\n".repeat(150_000));
    for (to, message) in [
        (JOBS, wrapped(&original(), pdf)),
        (JOBS, wrapped(&large, pdf)),
        (KARRIERE, wrapped(&original(), "")),
    ] {
        site.mx.clear_deliveries();
        site.ats.clear_deliveries();
        send(&site, to, &message);
        site.settle();
        let copies = site.inbound();
        assert_eq!(copies.len(), 1);
        let hops = if message.len() > 1 << 20 { 4 } else { 3 };
        assert_eq!(
            String::from_utf8_lossy(&without_ours(&copies[0].bytes, hops)),
            with_lf(&message)
        );
        assert!(copies[0].text().contains("X-Recruiting-Kind: forward-attached\n"));
        assert!(copies[0].text().contains("X-Recruiting-Forwarder: <bob@acme.example>\n"));
    }
    site.daemon.wait_for_log("action=not-unwrapped");
    assert_eq!(site.mx.maildir(HR).len(), 0);
}

#[test]
fn an_address_in_utf_8_is_unwrapped_as_well() {
    const IN_UTF_8: &str = "jöbs@acme.example";
    let setup = Setup {
        config: CONFIG.to_owned(),
        mx: Some(|mx| mx.param("virtual_mailbox_maps", "static:all/")),
        ..Setup::default()
    };
    let mut site = Site::prepare(setup);
    let system = format!(
        "[system.utf8]\ninbound = \"in@utf8.example\"\naddresses = [\"{IN_UTF_8}\"]\n\
         next_hop = \"[127.0.0.1]:{}\"\nunwrap = \"attached\"\n",
        site.ats.port()
    );
    site.daemon.configure(&(site.config_text() + &system));
    begin(&mut site);
    let sender = "Bob <bøb@acme.example>";
    let message = wrapped(&original(), "").replace("Bob <bob@acme.example>", sender);
    Mail::new("bøb@acme.example", &[IN_UTF_8], message).mail_arg("SMTPUTF8").send(site.mx.port());
    site.settle();
    let copies = site.ats.maildir("in@utf8.example");
    assert_eq!(copies.len(), 1);
    assert_eq!(bytes(&copies[0]), with_lf(&original()));
    let text = copies[0].text();
    assert!(text.contains("X-Recruiting-Forwarder: <bøb@acme.example>\n"), "{text}");
    assert!(text.contains("X-Recruiting-Address: jöbs@acme.example\n"), "{text}");
    site.daemon.wait_for_log("action=unwrapped");
}

/// The most memory that a process has had resident so far, in KiB.
fn peak_memory(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn a_large_application_is_unwrapped_up_to_the_limit_and_costs_its_size_twice() {
    const LARGE: usize = 20 << 20;
    let mut site = Site::prepare(Setup {
        config: CONFIG.to_owned(),
        mx: Some(|mx| mx.param("message_size_limit", "100000000")),
        ..Setup::default()
    });
    site.ats.set(&[("message_size_limit", "100000000"), ("mailbox_size_limit", "0")]);
    site.ats.set(&[("virtual_mailbox_limit", "0")]);
    begin(&mut site);
    site.mx.set(&[("virtual_mailbox_limit", "0"), ("mailbox_size_limit", "0")]);
    site.mx.reload();
    let line = format!("{}\r\n", "x".repeat(76));
    let large = |size: usize| original() + &line.repeat(size / line.len());
    send(&site, JOBS, &wrapped(&large(1 << 10), ""));
    site.settle();
    let before = peak_memory(site.daemon.pid());
    site.ats.clear_deliveries();
    let begun = std::time::Instant::now();
    send(&site, JOBS, &wrapped(&large(LARGE), ""));
    site.settle();
    let grown = peak_memory(site.daemon.pid()) - before;
    println!("{LARGE} octets in {:.1?}, {grown} KiB more", begun.elapsed());
    let copies = site.inbound();
    assert_eq!(copies.len(), 1);
    assert!(bytes(&copies[0]) == with_lf(&large(LARGE)), "the original");
    assert!(grown < 3 * LARGE as u64 / 1024, "{grown} KiB");
    site.daemon.wait_for_log("action=unwrapped");
    // Beyond the limit it does not even go to the agent.
    let limited = site.config_text().replace("[agent]\n", "[agent]\nmessage_size = \"1M\"\n");
    site.daemon.stop();
    site.daemon.configure(&limited);
    site.daemon.start();
    site.ats.clear_deliveries();
    let message = wrapped(&large(2 << 20), "");
    send(&site, JOBS, &message);
    site.settle();
    let copies = site.inbound();
    assert_eq!(copies.len(), 1);
    let left = without_ours(&copies[0].bytes, 3);
    assert!(left == with_lf(&message).into_bytes(), "the colleague's mail");
}

#[test]
fn a_stranger_with_a_colleagues_name_is_not_unwrapped() {
    let site = start(&CONFIG.replace("127.0.0.0/8", "192.0.2.0/24"));
    let message = wrapped(&original(), "");
    send(&site, JOBS, &message);
    site.settle();
    let copies = site.inbound();
    assert_eq!(copies.len(), 1);
    assert_eq!(String::from_utf8_lossy(&without_ours(&copies[0].bytes, 3)), with_lf(&message));
    assert!(!copies[0].text().contains("X-Recruiting-Forwarder"));
}

#[test]
fn where_postfix_does_not_know_of_the_agent_the_copy_goes_on_as_it_is() {
    let mut site = Site::prepare(Setup { config: CONFIG.to_owned(), ..Setup::default() });
    let unwrapping = site.config_text();
    site.daemon.configure(&unwrapping.replace("unwrap = \"attached\"", ""));
    site.attach();
    site.daemon.configure(&unwrapping);
    site.daemon.start();
    site.ats.start();
    site.mx.start();
    let message = wrapped(&original(), "");
    send(&site, JOBS, &message);
    site.settle();
    let copies = site.inbound();
    assert_eq!(copies.len(), 1);
    // Twice through the second smtpd.
    assert_eq!(String::from_utf8_lossy(&without_ours(&copies[0].bytes, 4)), with_lf(&message));
}

/// Waits until nothing is under way, and helps as retries in the course of an hour would.
fn settle_with_flushes(site: &Site) {
    let mut empty = 0;
    let mut round = 0;
    wait_until("both queues are empty", LIMIT, || {
        round += 1;
        let idle = site.mx.queue_is_empty() && site.ats.queue_is_empty();
        empty = if idle { empty + 1 } else { 0 };
        if !idle && round % 20 == 0 {
            site.mx.flush();
        }
        empty == 2
    });
}

#[test]
fn while_the_agent_is_away_its_mail_waits_and_follows() {
    let site = start(CONFIG);
    let socket = site.mx.queue_dir().join("recruit-milter/agent.sock");
    let hidden = socket.with_extension("hidden");
    std::fs::rename(&socket, &hidden).unwrap();
    send(&site, JOBS, &wrapped(&original(), ""));
    site.mx.wait_for_mail(JOBS, 1);
    site.mx.wait_for_log("status=deferred");
    assert_eq!(site.inbound().len(), 0);
    std::fs::rename(&hidden, &socket).unwrap();
    settle_with_flushes(&site);
    let copies = site.inbound();
    assert_eq!(copies.len(), 1);
    check_unwrapped(&copies[0]);
}

/// Where a line passes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Leg {
    /// Between Postfix's lmtp and the agent.
    ToAgent,
    /// Between the agent and the second smtpd.
    ToSmtpd,
}

const fn at(
    leg: Leg,
    way: Way,
    begins: &'static str,
    name: &'static str,
) -> (Leg, Line, &'static str) {
    (leg, Line { way, begins }, name)
}

/// The stages of the agent's two dialogues.
const MOMENTS: [(Leg, Line, &str); 16] = [
    at(Leg::ToAgent, Way::In, "LHLO", "LHLO"),
    at(Leg::ToAgent, Way::Out, "250-recruit-milter", "the answer to LHLO"),
    at(Leg::ToAgent, Way::In, "MAIL", "MAIL"),
    at(Leg::ToAgent, Way::In, "RCPT", "RCPT"),
    at(Leg::ToAgent, Way::In, "DATA", "DATA"),
    at(Leg::ToAgent, Way::Out, "354", "the answer to DATA"),
    at(Leg::ToAgent, Way::In, "Subject: Fwd", "the message"),
    at(Leg::ToAgent, Way::In, ".\r\n", "its end"),
    at(Leg::ToSmtpd, Way::Out, "220", "the greeting of the second smtpd"),
    at(Leg::ToSmtpd, Way::In, "EHLO", "EHLO"),
    at(Leg::ToSmtpd, Way::In, "MAIL", "the submission's MAIL"),
    at(Leg::ToSmtpd, Way::In, "RCPT", "the submission's RCPT"),
    at(Leg::ToSmtpd, Way::In, "DATA", "the submission's DATA"),
    at(Leg::ToSmtpd, Way::Out, "354", "the answer to the submission's DATA"),
    at(Leg::ToSmtpd, Way::In, "Message-ID", "the original"),
    at(Leg::ToAgent, Way::Out, "250 2.0.0 Ok: queued again", "the answer to the message"),
];

/// RFC 1047: the message is in the queue, and the 250 that says so has not come to the agent.
const WINDOW: (Leg, Line, &str) =
    at(Leg::ToSmtpd, Way::Out, "250 2.0.0 Ok: queued", "the message is taken");

/// A scene with relays before the agent and behind it.
struct Rig {
    site: Site,
    to_agent: Relay,
    to_smtpd: Relay,
}

impl Rig {
    fn start() -> Self {
        let mut site = start(CONFIG);
        site.daemon.stop();
        let socket = site.mx.queue_dir().join("recruit-milter/agent.sock");
        let behind = socket.with_extension("behind");
        let port = Port::reserve();
        let number = port.number();
        drop(port);
        let smtpd = site.handoff_port();
        let to_smtpd = Relay::start(&Endpoint::Tcp(number), Endpoint::Tcp(smtpd));
        let to_agent = Relay::start(&Endpoint::Unix(socket), Endpoint::Unix(behind));
        let line = |port: u16| format!("\nsmtpd = \"127.0.0.1:{port}\"");
        let config = site.config_text().replace("agent.sock", "agent.behind");
        assert!(config.contains(&line(smtpd)));
        site.daemon.configure(&config.replace(&line(smtpd), &line(number)));
        site.daemon.start();
        Self { site, to_agent, to_smtpd }
    }

    /// Sends a forward, and a signal to the program at a moment; how many copies arrive once it is
    /// back.
    fn signalled(&mut self, (leg, line, name): (Leg, Line, &str), signal: Signal) -> usize {
        let site = &mut self.site;
        site.mx.clear_deliveries();
        site.ats.clear_deliveries();
        let relay = if leg == Leg::ToAgent { &self.to_agent } else { &self.to_smtpd };
        let pid = Pid::from_raw(i32::try_from(site.daemon.pid()).unwrap()).unwrap();
        relay.arm(line, move || {
            kill_process(pid, signal).unwrap();
            // It shall be gone, or know of it, before the line comes.
            std::thread::sleep(Duration::from_millis(100));
        });
        send(site, JOBS, &wrapped(&original(), ""));
        wait_until(&format!("the end at {name}"), LIMIT, || !site.daemon.is_running());
        assert!(!relay.disarm(), "{name}");
        site.daemon.start();
        settle_with_flushes(site);
        let copies = site.inbound();
        copies.iter().for_each(check_unwrapped);
        assert_eq!(site.mx.maildir(JOBS).len(), 1, "{name}");
        println!("{signal:?} {name:<40} {} of 1", copies.len());
        copies.len()
    }
}

#[test]
fn killed_at_any_moment_the_agent_loses_nothing() {
    let mut rig = Rig::start();
    for moment in MOMENTS {
        assert_eq!(rig.signalled(moment, Signal::KILL), 1, "{}", moment.2);
    }
    let in_window = rig.signalled(WINDOW, Signal::KILL);
    assert!((1..=2).contains(&in_window), "{in_window}");
}

#[test]
fn stopped_at_any_moment_the_agent_neither_loses_nor_doubles_anything() {
    let mut rig = Rig::start();
    for moment in MOMENTS.into_iter().chain([WINDOW]) {
        assert_eq!(rig.signalled(moment, Signal::TERM), 1, "{}", moment.2);
    }
}
