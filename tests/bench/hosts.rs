//! The mail servers that are compared, each with its helper (if any) as one thing whose CPU time is
//! taken.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fs;

use crate::cpu;
use crate::harness::postfix::Builder;
use crate::harness::site::{ERIKA, INBOUND, JOBS, Setup};
use crate::harness::{Mail, Port, Postfix, Scratch, Site, Smtp};
use crate::programs::PostSrsd;

/// One way of taking mail in: a port of a Postfix, and the program that helps it there.
pub(crate) struct Host<'a> {
    /// Postfix.
    pub(crate) postfix: &'a Postfix,
    /// The port of the smtpd.
    pub(crate) port: u16,
    /// The process id of a program whose CPU time counts as well, with its process group.
    pub(crate) beside: Option<u32>,
    /// The user who is logged in, so to speak, if anybody.
    pub(crate) login: Option<&'static str>,
}

impl Host<'_> {
    fn send(&self, mail: &Mail) {
        let mut smtp = Smtp::hello(self.port);
        if let Some(login) = self.login {
            smtp.xclient(&format!("LOGIN={login}"));
        }
        smtp.try_mail(mail).unwrap().ok();
        smtp.quit();
    }

    /// The CPU seconds it takes to accept and deliver a message `count` times, each in a session of
    /// its own.
    fn cost(&self, count: usize, recipient: &str, message: &[u8]) -> f64 {
        let mail = Mail::new(ERIKA, &[recipient], message);
        let leaders: Vec<u32> = self.postfix.pid().into_iter().chain(self.beside).collect();
        let cost = cpu::cost(&leaders, || {
            for _ in 0..count {
                self.send(&mail);
            }
            // A report can still be made while the queue looks empty for a moment: ask twice.
            self.postfix.wait_until_idle();
            self.postfix.wait_until_idle();
        });
        let copies = self.postfix.delivery_count();
        assert_eq!(copies, count, "copies in the mailbox of {recipient}");
        self.postfix.clear_deliveries();
        cost
    }
}

/// What Postfix does by itself every now and then would only disturb.
fn quiet(builder: Builder) -> Builder {
    builder.param("queue_run_delay", "300s")
}

/// The usual scene with the milter attached and running, and with Postfix still to be started.
pub(crate) fn site(accept_early: bool) -> Site {
    let mut site = Site::prepare(Setup { mx: Some(quiet), ..Setup::default() });
    if accept_early {
        let early = "[milter]\naccept_early = true\n";
        site.daemon.configure(&site.config_text().replace("[milter]\n", early));
    }
    site.daemon.start();
    site.attach();
    site
}

/// Two logins that differ in their limits.
const LOGINS: &str = r#"[login.free]
may_send_as = ["erika@example.org"]
envelope_senders = ["erika@example.org"]

[login.limited]
may_send_as = ["erika@example.org"]
envelope_senders = ["erika@example.org"]
messages_per_minute = 1000000
messages_per_day = 1000000
recipients_per_minute = 1000000
recipients_per_day = 1000000
"#;

/// A scene with a submission socket. Its milter runs; it is not attached.
pub(crate) fn with_logins() -> Site {
    let mut site =
        Site::prepare(Setup { mx: Some(quiet), config: LOGINS.to_owned(), ..Setup::default() });
    site.daemon.start();
    site
}

/// Where Postfix reaches the submission socket of a site.
pub(crate) fn submission(site: &Site) -> String {
    format!("unix:{}", site.mx.queue_dir().join("recruit-milter/submission.sock").display())
}

/// Where Postfix reaches pass 1 of a site.
pub(crate) fn front(site: &Site) -> String {
    format!("unix:{}", site.mx.queue_dir().join("recruit-milter/front.sock").display())
}

/// Adds one more smtpd to a Postfix that does not run yet, with a milter of its own or none.
///
/// All that is compared shares one Postfix in this way. In instances of their own the same mail
/// costs a quarter more or less, presumably for how the file system finds free inodes.
pub(crate) fn add_smtpd(postfix: &Postfix, milter: &str) -> Port {
    let port = Port::reserve();
    let lines = format!(
        "127.0.0.1:{} inet n - n - - smtpd\n  -o {{ smtpd_milters = {milter} }}\n",
        port.number()
    );
    let file = postfix.config_dir().join("master.cf");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(file, text + &lines).unwrap();
    port
}

/// A Postfix that forwards by alias to the recruiting system on `port` and keeps a copy.
pub(crate) fn alias(scratch: &Scratch, srs: &PostSrsd, port: u16) -> Postfix {
    let [forward, reverse] = srs.ports();
    let builder = quiet(Postfix::builder(scratch, "alias")).mailbox(JOBS);
    let table = format!("texthash:{}/aliases", builder.config_dir().display());
    let domain = INBOUND.split_once('@').map_or("", |(_, domain)| domain);
    builder
        .file("aliases", &format!("{JOBS} {JOBS}, {INBOUND}\n"))
        .param("virtual_alias_maps", &table)
        .param("transport_maps", &format!("inline:{{{domain}=smtp:[127.0.0.1]:{port}}}"))
        .param("sender_canonical_maps", &format!("tcp:127.0.0.1:{forward}"))
        .param("sender_canonical_classes", "envelope_sender")
        .param("recipient_canonical_maps", &format!("tcp:127.0.0.1:{reverse}"))
        .param("recipient_canonical_classes", "envelope_recipient,header_recipient")
        .start()
}

/// Measures `hosts` in turn, `rounds` times, after once for nothing. Gives for each host but the
/// first its cost in each round, as a ratio to that of the first.
///
/// A round goes through the hosts and back again (A B C C B A), which cancels what grows steadily.
pub(crate) fn ratios(
    hosts: &[Host<'_>],
    rounds: usize,
    count: usize,
    recipient: &str,
    message: &[u8],
) -> Vec<Vec<f64>> {
    let mut ratios = vec![Vec::new(); hosts.len() - 1];
    for round in 0..=rounds {
        let mut costs = vec![0.0; hosts.len()];
        for at in (0..hosts.len()).chain((0..hosts.len()).rev()) {
            costs[at] += hosts[at].cost(count, recipient, message);
        }
        if round > 0 {
            for (ratios, cost) in ratios.iter_mut().zip(&costs[1..]) {
                ratios.push(cost / costs[0]);
            }
        }
    }
    ratios
}

/// A message of about `size` octets.
pub(crate) fn message(size: usize) -> Vec<u8> {
    let mut text = format!(
        "Received: from out.example (out.example [192.0.2.1])\r\n\tby relay.example with ESMTPS \
         id 4X\r\n\tfor <{JOBS}>; Tue, 24 Nov 2026 09:00:00 +0100\r\nFrom: Erika Musterfrau \
         <{ERIKA}>\r\nTo: {JOBS}\r\nSubject: Bewerbung als Schlosserin\r\nMessage-ID: \
         <application@example.org>\r\nDate: Tue, 24 Nov 2026 09:00:00 +0100\r\nMIME-Version: 1.0\r\n\
         Content-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    );
    let line = "JVBERi0xLjQKMSAwIG9iajw8L1R5cGUvQ2F0YWxvZy9QYWdlcyAyIDAgUj4+ZW5kb2JqCjIgMCBv\r\n";
    while text.len() < size {
        text.push_str(line);
    }
    text.into_bytes()
}
