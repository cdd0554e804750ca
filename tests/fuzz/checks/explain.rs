//! All of `explain`: whatever the message, it is explained; nothing in the answer steers a terminal
//! or breaks its JSON, and no field is touched that is not ours.
// SPDX-License-Identifier: GPL-3.0-or-later

use recruit_milter::cli::explain::{Question, explain};
use recruit_milter::mail::{Address, Message};
use recruit_milter::policy::divert::Origin;
use recruit_milter::policy::keys::Keys;
use recruit_milter::policy::rules::Rules;
use serde_json::Value;

use super::{RECRUITING, rules};

const NOW: u64 = 1_795_551_688;

pub fn check(bytes: &[u8]) {
    thread_local! {
        static SITE: (Rules, Keys) = (rules(), Keys::new(vec![(3, vec![3; 32])]).unwrap());
    }
    let message = Message::parse(bytes);
    let (from, more) = envelope(&message);
    for authenticated in [true, false] {
        let question = Question {
            message: message.clone(),
            from: from.clone(),
            to: [RECRUITING[0].to_owned()].into_iter().chain(more.clone()).collect(),
            origin: Origin { authenticated, ..Origin::default() },
            user: None,
            client: None,
        };
        SITE.with(|(rules, keys)| {
            let answer = explain(rules, keys, NOW, &question).unwrap();
            let text = answer.to_string();
            assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
            let json = serde_json::to_string(&answer).unwrap();
            let value: Value = serde_json::from_str(&json).unwrap();
            assert!(!value["copies"].as_array().unwrap().is_empty(), "{text}");
            touches_only_what_is_ours(&value);
        });
    }
}

/// Sender and a further recipient: what the command takes from Return-Path and what a last hop
/// leaves in Delivered-To, as far as the command would take it.
fn envelope(message: &Message) -> (String, Option<String>) {
    let bare = |name: &str| {
        let field = message.header.first(name)?;
        let text = String::from_utf8_lossy(&field.body).trim().to_owned();
        Some(text.trim_start_matches('<').trim_end_matches('>').to_owned())
    };
    let from = bare("Return-Path").filter(|from| !from.contains(char::is_control));
    (from.unwrap_or_default(), bare("Delivered-To").filter(|to| Address::parse(to).is_ok()))
}

/// Wherever in the answer fields are added or removed, they are in our namespace.
fn touches_only_what_is_ours(value: &Value) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                if name == "added" || name == "removed" {
                    for field in member.as_array().unwrap() {
                        let field = field.as_str().unwrap().to_ascii_lowercase();
                        assert!(field.starts_with("x-recruiting-"), "{name} {field:?}");
                    }
                }
                touches_only_what_is_ours(member);
            }
        }
        Value::Array(members) => members.iter().for_each(touches_only_what_is_ours),
        _ => (),
    }
}
