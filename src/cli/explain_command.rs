//! `explain` as a command: reads the message, asks, prints.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::io::Read as _;
use std::time::{SystemTime, UNIX_EPOCH};

use super::explain::{Question, explain as ask};
use super::{Exit, ExplainArgs, answer, load_with, say};
use crate::config::Surroundings;
use crate::mail::{Address, Message};
use crate::policy::divert::Origin;
use crate::policy::keys::Keys;

pub(super) fn explain(args: &ExplainArgs) -> Exit {
    // The sockets do not matter here, and may be out of this user's reach.
    let around = Surroundings { sockets: false, state: false, ..Surroundings::of_process() };
    let config = match load_with(&args.config.config, &around) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    let mut bytes = Vec::new();
    let read = if args.message.as_os_str() == "-" {
        std::io::stdin().read_to_end(&mut bytes)
    } else {
        std::fs::File::open(&args.message).and_then(|mut file| file.read_to_end(&mut bytes))
    };
    if let Err(error) = read {
        say(&format!("error: {}: {error}", args.message.display()));
        return Exit::NoInput;
    }
    let bare = |text: &String| text.trim_start_matches('<').trim_end_matches('>').to_owned();
    let to: Vec<String> = args.to.iter().map(bare).collect();
    let from = args.from.as_ref().map(bare);
    if let Some(bad) = to.iter().find(|to| Address::parse(to).is_err()) {
        say(&format!("error: --rcpt {bad:?} is not an address: write local-part@domain, unquoted"));
        return Exit::Usage;
    }
    if let Some(from) = from.iter().find(|from| from.contains(char::is_control)) {
        say(&format!("error: --from {from:?} holds a control character"));
        return Exit::Usage;
    }
    let message = Message::parse(&bytes);
    let internal = args.client.is_some_and(|client| config.rules.is_internal_client(client));
    let question = Question {
        from: from.unwrap_or_else(|| sender_of(&message)),
        to,
        origin: Origin { authenticated: args.login.is_some(), internal },
        message,
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    // Without recruiting addresses there need be no key; the answer is the same with any.
    let keys = if config.keys.is_empty() { throwaway() } else { config.keys.clone() };
    let Some(explanation) = ask(&config.rules, &keys, now, &question) else {
        say("error: the tokens do not fit into an address; recruit-milter check says more");
        return Exit::Config;
    };
    if args.json {
        match serde_json::to_string_pretty(&explanation) {
            Ok(json) => answer(&json),
            Err(error) => {
                say(&format!("error: {error}"));
                return Exit::Software;
            }
        }
    } else {
        answer(&explanation.to_string());
    }
    Exit::Ok
}

/// Where nobody says what the envelope sender was: Return-Path, which the last hop wrote, or the
/// address in From.
fn sender_of(message: &Message) -> String {
    ["Return-Path", "From"]
        .iter()
        .find_map(|name| {
            let field = message.header.fields.iter().find(|field| field.is(name))?;
            let text = String::from_utf8_lossy(&field.body).into_owned();
            let inner = text.split_once('<').map_or(text.as_str(), |(_, rest)| rest);
            Some(inner.split('>').next().unwrap_or_default().trim().to_owned())
        })
        .unwrap_or_default()
}

fn throwaway() -> Keys {
    Keys::new(vec![(0, vec![0; 32])]).unwrap_or_default()
}
