//! `explain` as a command: reads the messages, asks, prints.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::net::IpAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

use super::input::{Named, each};
use super::outgoing::everybody;
use super::summary::Summary;
use super::text::escaped;
use super::{Explanation, Question, explain as ask, recipients_of};
use crate::cli::{Exit, ExplainArgs, answer, load_with, say};
use crate::config::keyfile::{KeyFile, KeyFileError};
use crate::config::{Config, Surroundings};
use crate::mail::mailbox::MailboxList;
use crate::mail::{Address, Message};
use crate::policy::divert::Origin;
use crate::policy::keys::Keys;

/// What the command line says about all messages.
struct Asked {
    config: Config,
    keys: Keys,
    now: u64,
    from: Option<String>,
    to: Vec<String>,
    origin: Origin,
    user: Option<String>,
    client: Option<IpAddr>,
}

/// An answer and whose it is.
#[derive(Serialize)]
struct OfFile<'a> {
    file: &'a str,
    #[serde(flatten)]
    explanation: &'a Explanation,
}

pub(crate) fn explain(args: &ExplainArgs) -> Exit {
    let asked = match Asked::new(args) {
        Ok(asked) => asked,
        Err(exit) => return exit,
    };
    // A mail that cannot be read goes on for review, and so does this. Nothing of the mail is shown.
    std::panic::set_hook(Box::new(|info| {
        let at = info.location().map(ToString::to_string).unwrap_or_default();
        say(&format!("note: reading failed at {at}; please report it"));
    }));
    let single = matches!(&args.messages[..], [one] if !one.is_dir());
    let mut exit = Exit::Ok;
    let mut summary = Summary::default();
    let mut take = |named: Named| {
        let explanation = asked.about(&named.bytes)?;
        summary.add(&explanation);
        if args.summary {
            return Ok(());
        }
        let alone = single && !named.among;
        match (args.json, alone) {
            (true, true) => answer(&json(&explanation, true)?),
            (true, false) => {
                let one = OfFile { file: &named.name, explanation: &explanation };
                answer(&json(&one, false)?);
            }
            (false, true) => answer(&explanation.to_string()),
            (false, false) => answer(&format!("{}: {}", escaped(&named.name), explanation.line())),
        }
        Ok(())
    };
    for path in &args.messages {
        each(path, &mut |named| match named.map(&mut take) {
            Ok(Ok(())) => (),
            Ok(Err(failed)) => exit = failed,
            Err((path, error)) => {
                say(&format!("error: {}: {error}", path.display()));
                exit = Exit::NoInput;
            }
        });
    }
    if args.summary {
        let text = if args.json { json(&summary, true) } else { Ok(summary.to_string()) };
        match text {
            Ok(text) => answer(&text),
            Err(failed) => exit = failed,
        }
    }
    exit
}

fn json(value: &impl Serialize, pretty: bool) -> Result<String, Exit> {
    let text =
        if pretty { serde_json::to_string_pretty(value) } else { serde_json::to_string(value) };
    text.map_err(|error| {
        say(&format!("error: {error}"));
        Exit::Software
    })
}

impl Asked {
    fn new(args: &ExplainArgs) -> Result<Self, Exit> {
        // Sockets and keys may be out of this user's reach.
        let around = Surroundings {
            sockets: false,
            state: false,
            keys: false,
            ..Surroundings::of_process()
        };
        let config = load_with(&args.config.config, &around)?;
        let bare = |text: &String| text.trim_start_matches('<').trim_end_matches('>').to_owned();
        let to: Vec<String> = args.to.iter().map(bare).collect();
        let from = args.from.as_ref().map(bare);
        if let Some(bad) = to.iter().find(|to| Address::parse(to).is_err()) {
            say(&format!(
                "error: --rcpt {bad:?} is not an address: write local-part@domain, unquoted"
            ));
            return Err(Exit::Usage);
        }
        if let Some(from) = from.iter().find(|from| from.contains(char::is_control)) {
            say(&format!("error: --from {from:?} holds a control character"));
            return Err(Exit::Usage);
        }
        let internal = args.client.is_some_and(|client| config.rules.is_internal_client(client));
        let login = args.login.as_ref();
        let own_login = login.is_some_and(|user| config.rules.outbound.login(user).is_some());
        Ok(Self {
            origin: Origin {
                authenticated: login.is_some(),
                internal,
                own_login,
                ..Origin::default()
            },
            user: args.login.clone(),
            client: args.client,
            now: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs()),
            keys: keys(&config),
            config,
            from,
            to,
        })
    }

    fn about(&self, bytes: &[u8]) -> Result<Explanation, Exit> {
        let rules = &self.config.rules;
        let message = Message::parse(bytes);
        // What a login sends goes to whom it is addressed; other mail to one of our addresses.
        let sends = self.user.is_some() && rules.has_outbound();
        let to = match &self.to[..] {
            [] if sends => everybody(&message),
            [] => recipients_of(rules, &message),
            named => named.to_vec(),
        };
        let question = Question {
            from: self.from.clone().unwrap_or_else(|| sender_of(&message)),
            to,
            origin: self.origin,
            user: self.user.clone(),
            client: self.client,
            message,
        };
        ask(rules, &self.keys, self.now, &question).ok_or_else(|| {
            say("error: the tokens do not fit into an address; recruit-milter check says more");
            Exit::Config
        })
    }
}

/// Where nobody says what the envelope sender was: Return-Path, which the last hop wrote, or the
/// address in From.
fn sender_of(message: &Message) -> String {
    if let Some(path) = message.header.first("Return-Path") {
        let text = String::from_utf8_lossy(&path.body);
        let inner = text.split_once('<').map_or(&*text, |(_, rest)| rest);
        let inner = inner.split(['>', '\n', '\r']).next().unwrap_or_default();
        return inner.trim().to_owned();
    }
    let from = message.header.first("From").map(|from| MailboxList::parse(&from.body));
    let author = from.and_then(|list| list.mailboxes.into_iter().next());
    author.map(|author| author.address()).unwrap_or_default()
}

/// The keys, or any key where there are none to read: only seals are then not recognised.
fn keys(config: &Config) -> Keys {
    match KeyFile::read(&config.key_file).and_then(KeyFile::into_keys) {
        Ok(keys) => return keys,
        Err(KeyFileError::Missing) => {}
        Err(error) => say(&format!(
            "note: key file \"{}\" {error}; whether a mail was forwarded before is not seen",
            config.key_file.display()
        )),
    }
    Keys::new(vec![(0, vec![0; 32])]).unwrap_or_default()
}
