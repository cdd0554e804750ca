//! The settings: one table of their names, sections, types, defaults and meanings. The reader, the
//! suggestions, the printed configuration and the test of the sample file all go by it.
//!
//! Must not know how settings depend on each other.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::info::{Info, Preset, Section, Words};
use super::value::{self, Complaints, Input, Items};
use super::{Database, LogLevel, LogTarget, Masking, Probes, Socket};
use crate::language::{Choice, Language};
use crate::mail::{Address, FieldBody, PlainName};
use crate::policy::kind::{Action, Kind, Verdict};
use crate::policy::outbound::rules::{Mixed, NewSender, OnViolation, Recipe, SenderPattern};
use crate::policy::rules::{Network, Pattern};

/// A setting of type `T`.
pub(super) struct Setting<T: 'static> {
    pub(super) info: Info,
    pub(super) read: fn(&Input<'_>) -> Result<T, Complaints>,
}

macro_rules! settings {
    ($($(#[doc = $doc:literal])+ $id:ident: $type:ty = $section:ident $name:literal, $preset:expr, $read:expr;)+) => {
        $(
            $(#[doc = $doc])+
            pub(super) static $id: Setting<$type> = Setting {
                info: Info {
                    section: Section::$section,
                    name: $name,
                    preset: $preset,
                    doc: concat!($($doc),+),
                },
                read: $read,
            };
        )+

        /// All settings.
        pub(super) static ALL: &[&Info] = &[$(&$id.info),+];
    };
}

use Preset::{Default, Example};

settings! {
    /// Language of texts for people. Logs are English always.
    LANGUAGE: Choice = Top "language", Default("\"auto\""), |v| value::choice(v, LANGUAGES);
    /// Postfix's setting of the same name: the characters that begin an address extension.
    RECIPIENT_DELIMITER: String = Top "recipient_delimiter", Default("\"+\""), value::delimiters;
    /// Folder for the journal.
    STATE_DIR: PathBuf = Top "state_dir", Default("\"/var/lib/recruit-milter\""), value::absolute_path;

    /// Sockets for incoming mail (pass 1).
    FRONT: Items<Socket> = Milter "front",
        Default("\"unix:/var/spool/postfix/recruit-milter/front.sock\""), value::sockets;
    /// Sockets for outgoing mail.
    SUBMISSION: Items<Socket> = Milter "submission",
        Default("\"unix:/var/spool/postfix/recruit-milter/submission.sock\""), value::sockets;
    /// Sockets for the handoff (pass 2).
    HANDOFF: Items<Socket> = Milter "handoff",
        Default("\"unix:/var/spool/postfix/recruit-milter/handoff.sock\""), value::sockets;
    /// Whether mail without a recruiting recipient is let go at DATA.
    ACCEPT_EARLY: bool = Milter "accept_early", Default("false"), value::boolean;
    /// How long one callback may take before the client is told to try again.
    DEADLINE: Duration = Milter "deadline", Default("\"5s\""), |v| value::duration(v, 1, 25);
    /// How long messages under way may go on after a stop.
    DRAIN: Duration = Milter "drain", Default("\"30s\""), |v| value::duration(v, 0, 600);
    /// How many sessions of each kind may be open at a time.
    MAX_SESSIONS: u32 = Milter "max_sessions", Default("10000"), |v| value::number(v, 1, 1_000_000);

    /// Domain of handoff addresses.
    HANDOFF_DOMAIN: String = Handoff "domain",
        Default("\"handoff.recruit-milter.internal\""), value::handoff_domain;
    /// Where the second smtpd listens (pass 2).
    SMTPD: SocketAddr = Handoff "smtpd", Default("\"127.0.0.1:10027\""), value::loopback;
    /// Where the third smtpd listens, through which mail is given back.
    RETURN_SMTPD: SocketAddr = Handoff "return_smtpd", Default("\"127.0.0.1:10028\""), value::loopback;
    /// After how long a copy that cannot be decided is given to somebody.
    GIVE_UP_AFTER: Duration = Handoff "give_up_after", Default("\"24h\""),
        |v| value::duration(v, 1, 4 * 86_400);
    /// The DKIM signer behind pass 2, which signs the copies.
    SIGNER: Socket = Handoff "signer", Example("\"inet:8892@127.0.0.1\""), value::one_socket;

    /// Socket of the agent, to which Postfix brings what is to be unwrapped.
    AGENT_SOCKET: Socket = Agent "socket",
        Default("\"unix:/var/spool/postfix/recruit-milter/agent.sock\""), value::one_socket;
    /// How large a message may be that the agent unwraps.
    AGENT_SIZE: u64 = Agent "message_size", Default("\"64M\""), |v| value::size(v, 1 << 20, 1 << 30);

    /// What kind of system it is.
    PROFILE: String = System "profile", Default("\"generic\""), value::profile;
    /// The address at which the system takes mail.
    INBOUND: Address = System "inbound", Example("\"acme-jobs@m-personio.de\""), value::address;
    /// The recruiting addresses that go there.
    ADDRESSES: Items<Pattern> = System "addresses", Example("[\"jobs@acme.example\"]"), value::patterns;
    /// Where Postfix sends the system's mail instead of the MX of `inbound`.
    NEXT_HOP: String = System "next_hop", Example("\"[mx.example]:25\""), value::next_hop;
    /// Whether the system's addresses keep a copy of their own.
    SYSTEM_LOCAL_COPY: bool = System "local_copy", Default("true"), value::boolean;
    /// Whether a message attached to a colleague's goes on in its place.
    SYSTEM_UNWRAP: bool = System "unwrap", Default("\"off\""), |v| value::choice(v, UNWRAPS);

    /// Whether the address keeps a copy of its own.
    LOCAL_COPY: bool = Address "local_copy", Example("true"), value::boolean;
    /// Who gets a mail that can neither go on nor stay.
    FALLBACK: Address = Address "fallback", Example("\"hr@acme.example\""), value::address;
    /// Who hears when the address stops being verified.
    OWNER: Address = Address "owner", Example("\"hr@acme.example\""), value::address;
    /// Who gets a copy of mail that somebody must see.
    PERSON: Address = Address "person", Example("\"hr@acme.example\""), value::address;
    /// What happens with which kind of mail to this address.
    ADDRESS_KINDS: Items<(Vec<Kind>, Action)> = Address "kinds",
        Example("{ auto-reply = \"forward\" }"), value::kinds;
    /// Whether a message attached to a colleague's goes on in its place.
    UNWRAP: bool = Address "unwrap", Example("\"attached\""), |v| value::choice(v, UNWRAPS);

    /// Whether the system gets a copy of what colleagues send from this address.
    OUTBOUND_COPY: bool = Address "outbound_copy", Example("true"), value::boolean;

    /// The SASL user name; not set: the name of the section.
    USER: String = Login "user", Example("\"personio\""), value::user;
    /// Under which addresses the login may send.
    MAY_SEND_AS: Items<Pattern> = Login "may_send_as",
        Example("[\"jobs@acme.example\"]"), value::patterns;
    /// Which envelope senders the login may use.
    ENVELOPE_SENDERS: Items<SenderPattern> = Login "envelope_senders",
        Example("[\"<>\", \"@acme.example\"]"), value::sender_patterns;
    /// From which networks the login may be used.
    LOGIN_NETWORKS: Items<Network> = Login "networks", Default("[]"), value::networks;
    /// The route of the login's mail.
    LOGIN_ROUTE: String = Login "route", Example("\"own\""), value::word;
    /// How many messages a minute.
    MESSAGES_PER_MINUTE: u32 = Login "messages_per_minute", Example("60"), value::count;
    /// How many messages in 24 hours.
    MESSAGES_PER_DAY: u32 = Login "messages_per_day", Example("2000"), value::count;
    /// How many recipients a minute.
    RECIPIENTS_PER_MINUTE: u32 = Login "recipients_per_minute", Example("120"), value::count;
    /// How many recipients in 24 hours.
    RECIPIENTS_PER_DAY: u32 = Login "recipients_per_day", Example("4000"), value::count;
    /// How many at once, where the limit for a minute is lower.
    BURST: u32 = Login "burst", Example("120"), value::count;
    /// What happens with what the login may not send.
    ON_VIOLATION: OnViolation = Login "on_violation", Default("\"refuse\""),
        |v| value::choice(v, VIOLATIONS);

    /// Where Postfix sends the route's mail instead of where it sends other mail.
    ROUTE_NEXT_HOP: String = Route "next_hop", Example("\"[relay.example]:587\""), value::next_hop;
    /// The service in master.cf that sends the route's mail.
    TRANSPORT: String = Route "transport", Default("\"smtp\""), value::word;
    /// How Postfix is told the route.
    RECIPE: Recipe = Route "recipe", Default("\"sender\""), |v| value::choice(v, RECIPES);
    /// What becomes of a mail with recipients inside and outside, where a field tells the route.
    MIXED: Mixed = Route "mixed", Default("\"sender\""), |v| value::choice(v, MIXES);
    /// The envelope sender of the route's mail.
    ENVELOPE_SENDER: NewSender = Route "envelope_sender", Default("\"bounce\""),
        |v| value::choice(v, NEW_SENDERS);
    /// Who gets what comes back.
    BOUNCES_TO: Address = Route "bounces_to", Example("\"hr@acme.example\""), value::address;
    /// From which addresses mail takes this route.
    ROUTE_FROM: Items<Pattern> = Route "from", Default("[]"), value::patterns;
    /// To which addresses mail takes this route.
    ROUTE_TO: Items<Pattern> = Route "recipients", Default("[]"), value::patterns;
    /// The Reply-To of mail that has none.
    REPLY_TO: FieldBody = Route "reply_to", Example("\"Jobs <jobs@acme.example>\""), value::reply_to;
    /// Fields for mail that does not have them.
    FIELDS: Items<(PlainName, FieldBody)> = Route "fields",
        Example("{ X-Sent-For = \"HR\" }"), value::header_fields;

    /// Postfix's transports for recipients outside the company.
    TRANSPORTS: Items<String> = Outbound "transports", Default("[\"smtp\"]"), value::words;

    /// Domains whose members are colleagues.
    DOMAINS: Items<String> = Internal "domains", Example("[\"acme.example\"]"), value::domains;
    /// Networks whose clients are colleagues.
    NETWORKS: Items<Network> = Internal "networks", Default("[]"), value::networks;
    /// The addresses under which web forms of the company write.
    FORMS: Items<Pattern> = Internal "forms", Default("[]"), value::patterns;
    /// Whose Authentication-Results are believed.
    AUTHSERV_ID: String = Internal "authserv_id", Example("\"mx1.acme.example\""), value::authserv_id;

    /// How much of a colleague's message is read, in octets.
    READING_LIMIT: u64 = Reading "limit", Default("\"1M\""), |v| value::size(v, 64 << 10, 64 << 20);
    /// The fields by which a spam filter says yes.
    SPAM: Items<Verdict> = Reading "spam",
        Default(concat!(
            "[\"X-Spam-Flag: yes\", \"X-Spam-Status: yes\", \"X-Spam: yes\", ",
            "\"X-Spamd-Result: default: true\", \"X-Rspamd-Action: reject\", ",
            "\"X-Rspamd-Action: add header\", \"X-Barracuda-Spam-Flag: yes\", ",
            "\"X-Forefront-Antispam-Report: *sfv:spm\"]",
        )),
        value::verdicts;
    /// Domains of job boards besides those that are known.
    BOARDS: Items<String> = Reading "boards", Default("[]"), value::domains;
    /// What happens with which kind of mail.
    KINDS: Items<(Vec<Kind>, Action)> = Reading "kinds",
        Example("{ auto-reply = \"keep\", spam = \"keep\" }"), value::kinds;

    /// Where delivery reports on our copies go.
    BOUNCE_ADDRESS: Address = Bounces "address", Example("\"recruit-bounces@acme.example\""), value::address;

    /// The file with the secret keys.
    KEY_FILE: PathBuf = Seal "key_file", Default("\"seal.key\""), value::path;

    /// How many mails an hour a system may send to one of its own recruiting addresses.
    BUDGET: u32 = Loop "budget", Default("10"), |v| value::number(v, 1, 10_000);

    /// The least important level that is logged.
    LEVEL: LogLevel = Log "level", Default("\"info\""), |v| value::choice(v, LEVELS);
    /// How addresses of people outside are shown.
    LOG_ADDRESSES: Masking = Log "addresses", Default("\"hash\""), |v| value::choice(v, MASKINGS);
    /// Where log lines go.
    TARGET: LogTarget = Log "target", Default("\"auto\""), |v| value::choice(v, TARGETS);

    /// At what size the journal file is rotated.
    JOURNAL_SIZE: u64 = Journal "size", Default("\"10M\""), |v| value::size(v, 64 << 10, 1 << 40);
    /// How many rotated files are kept.
    JOURNAL_FILES: u32 = Journal "files", Default("10"), |v| value::number(v, 0, 10_000);

    /// Where the ledger is: a file in the state folder, or a PostgreSQL database.
    DATABASE: Database = Ledger "database", Default("\"ledger.sqlite\""), value::database;
    /// The credential with the database's password.
    DATABASE_CREDENTIAL: String = Ledger "credential", Example("\"ledger-password\""), value::word;
    /// How addresses of people outside are kept.
    LEDGER_ADDRESSES: Masking = Ledger "addresses", Default("\"hash\""), |v| value::choice(v, MASKINGS);
    /// How long entries are kept.
    RETENTION: Duration = Ledger "retention", Default("\"30d\""), |v| value::duration(v, 86_400, 86_400 * 3660);
    /// This host's name in a ledger that several share.
    HOST: String = Ledger "host", Example("\"mx1\""), value::word;

    /// How often each address is tested by a probe.
    EVERY: Option<Duration> = Verify "every", Default("\"1d\""), value::interval;
    /// How long an address stays verified without new evidence.
    STALE: Duration = Verify "stale", Default("\"3d\""), |v| value::duration(v, 3600, 86_400 * 366);
    /// The server to which probes are submitted: as mail from outside comes in.
    VIA: SocketAddr = Verify "via", Default("\"127.0.0.1:25\""), value::server;
    /// What happens with a probe before the recruiting system.
    PROBES: Probes = Verify "probes", Default("\"stop\""), |v| value::choice(v, PROBES_WORDS);

    /// Who is told of failed copies and of addresses that are no longer verified.
    ALERTS_TO: Items<Address> = Alerts "to", Default("[]"), value::addresses;
    /// Where the smtpd listens that takes alerts, and asks no milter.
    ALERTS_SMTPD: SocketAddr = Alerts "smtpd", Default("\"127.0.0.1:10029\""), value::loopback;

    /// Where metrics can be read, on loopback.
    METRICS_LISTEN: SocketAddr = Metrics "listen", Example("\"127.0.0.1:9807\""), value::loopback;
}

pub(super) static LANGUAGES: Words<Choice> =
    &[("auto", Choice::Auto), ("de", Choice::Of(Language::De)), ("en", Choice::Of(Language::En))];

pub(super) static UNWRAPS: Words<bool> = &[("off", false), ("attached", true)];

pub(super) static VIOLATIONS: Words<OnViolation> =
    &[("refuse", OnViolation::Refuse), ("log", OnViolation::Log)];

pub(super) static RECIPES: Words<Recipe> = &[("sender", Recipe::Sender), ("field", Recipe::Field)];

pub(super) static MIXES: Words<Mixed> = &[("sender", Mixed::Sender), ("refuse", Mixed::Refuse)];

pub(super) static NEW_SENDERS: Words<NewSender> =
    &[("bounce", NewSender::Bounce), ("from", NewSender::From), ("keep", NewSender::Keep)];

pub(super) static LEVELS: Words<LogLevel> = &[
    ("error", LogLevel::Error),
    ("warning", LogLevel::Warning),
    ("info", LogLevel::Info),
    ("debug", LogLevel::Debug),
];

pub(super) static MASKINGS: Words<Masking> =
    &[("hash", Masking::Hash), ("masked", Masking::Masked), ("full", Masking::Full)];

pub(super) static PROBES_WORDS: Words<Probes> =
    &[("stop", Probes::Stop), ("through", Probes::Through)];

pub(super) static TARGETS: Words<LogTarget> =
    &[("auto", LogTarget::Auto), ("stderr", LogTarget::Stderr), ("journald", LogTarget::Journald)];

/// The settings of a section.
pub(super) fn of(section: Section) -> impl Iterator<Item = &'static Info> + Clone {
    ALL.iter().copied().filter(move |i| i.section == section)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::info::PROFILES;

    /// The sample with every setting in it: what looks like one is no comment any more.
    fn sample_uncommented() -> String {
        let is_setting =
            |rest: &&str| rest.starts_with(|c: char| c.is_ascii_lowercase() || c == '[');
        let line = |line: &'static str| line.strip_prefix('#').filter(is_setting).unwrap_or(line);
        let sample = include_str!("../../conf/recruit-milter.toml");
        sample.lines().flat_map(|l| [line(l), "\n"]).collect()
    }

    fn parse(text: &str) -> crate::config::Loaded {
        crate::config::parse(&[("recruit-milter.toml".into(), text.into())])
            .unwrap_or_else(|problems| panic!("{problems}"))
    }

    #[test]
    fn the_sample_is_valid_and_idle_as_shipped() {
        let shipped = parse(include_str!("../../conf/recruit-milter.toml"));
        assert!(shipped.config.rules.is_idle());
        assert_eq!(shipped.config.effective(), parse("").config.effective());
        let warnings: Vec<_> = shipped.warnings.iter().map(|w| w.message.as_str()).collect();
        assert_eq!(warnings, ["no addresses yet, all mail passes"]);
    }

    #[test]
    fn the_sample_shows_every_setting_with_its_default_and_no_other() {
        let text = sample_uncommented();
        // What is in it that is not known, or is wrong, would be told here.
        let loaded = parse(&text);
        assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
        let table: toml::Table = text.parse().unwrap();
        for info in ALL {
            let section = match (info.section, info.section.named()) {
                (Section::Top, _) => &table,
                (section, None) => table[section.name()].as_table().unwrap(),
                (section, Some(_)) => {
                    let mut named = table[section.name()].as_table().unwrap().values();
                    named.next().unwrap().as_table().unwrap()
                }
            };
            let shown = section
                .get(info.name)
                .unwrap_or_else(|| panic!("{} is not in the sample", info.name));
            if let Default(default) = info.preset {
                let default: toml::Table = format!("x = {default}").parse().unwrap();
                assert_eq!(*shown, default["x"], "{}", info.name);
            }
        }
    }

    #[test]
    fn the_sample_names_every_word_that_can_be_chosen() {
        let sample = include_str!("../../conf/recruit-milter.toml");
        let words = (PROFILES.iter().copied())
            .chain(LANGUAGES.iter().map(|(word, _)| *word))
            .chain(UNWRAPS.iter().map(|(word, _)| *word))
            .chain(VIOLATIONS.iter().map(|(word, _)| *word))
            .chain(RECIPES.iter().map(|(word, _)| *word))
            .chain(MIXES.iter().map(|(word, _)| *word))
            .chain(NEW_SENDERS.iter().map(|(word, _)| *word))
            .chain(LEVELS.iter().map(|(word, _)| *word))
            .chain(MASKINGS.iter().map(|(word, _)| *word))
            .chain(PROBES_WORDS.iter().map(|(word, _)| *word))
            .chain(TARGETS.iter().map(|(word, _)| *word));
        for word in words {
            assert!(sample.contains(&format!("{word:?}")), "{word}");
        }
    }

    #[test]
    fn the_verdicts_of_the_sample_are_the_usual_ones() {
        let parsed = parse("").config.rules.reading;
        assert_eq!(parsed, crate::policy::rules::ReadingRules::default());
    }

    #[test]
    fn no_setting_is_there_twice_or_without_a_meaning() {
        let mut seen = std::collections::HashSet::new();
        for info in ALL {
            assert!(seen.insert((info.section, info.name)), "{}", info.name);
            assert!(info.doc.len() > 10, "{}", info.name);
        }
        for section in Section::ALL {
            assert!(of(section).next().is_some(), "{section:?}");
        }
    }
}
