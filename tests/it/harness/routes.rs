//! Where mail comes out: two more Postfix instances that mail may leave by, and for a message the
//! places where it arrived.
//!
//! Must not know who decides about the way, nor how.
// SPDX-License-Identifier: GPL-3.0-or-later

use recruit_milter::mail::Message;
use recruit_milter::mail::header::relaxed;

use super::{Delivered, Postfix, Scratch};

/// Two next hops that take and keep whatever they get.
#[derive(Debug)]
pub struct NextHops {
    /// The way out that a company has by itself.
    pub own: Postfix,
    /// Another one, such as a provider's relay.
    pub relay: Postfix,
}

impl NextHops {
    /// Both, not running yet.
    pub fn prepare(scratch: &Scratch) -> Self {
        let hop = |name| Postfix::builder(scratch, name).catch_all().prepare();
        Self { own: hop("own"), relay: hop("relay") }
    }

    /// Starts both.
    pub fn start(&mut self) {
        self.own.start();
        self.relay.start();
    }
}

/// Where mail may arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A mailbox of the company.
    Local,
    /// The recruiting systems' Postfix.
    System,
    /// The next hop `own`.
    Own,
    /// The next hop `relay`.
    Relay,
}

/// One message as it arrived at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The place.
    pub place: Place,
    /// The envelope sender; empty for the null sender.
    pub sender: String,
    /// The recipients at this place, sorted.
    pub recipients: Vec<String>,
    /// The message as it was in the queue there, lines ending in LF.
    pub bytes: Vec<u8>,
}

impl Arrival {
    /// The message as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// In one line, for assertions: `Own a@acme.example -> x@out.example y@out.example`.
    pub fn line(&self) -> String {
        let sender = if self.sender.is_empty() { "<>" } else { &self.sender };
        format!("{:?} {sender} -> {}", self.place, self.recipients.join(" "))
    }
}

/// What arrived of a message, told by its Message-ID (with brackets) or its Subject. A message that
/// came to several recipients in one transaction is one arrival; one that came twice is two.
pub fn arrivals(places: &[(Place, &Postfix)], key: &str) -> Vec<Arrival> {
    let mut found: Vec<Arrival> = Vec::new();
    for (place, postfix) in places {
        for copy in postfix.deliveries() {
            if is_named(&copy.bytes, key) {
                add(&mut found, *place, copy);
            }
        }
    }
    for arrival in &mut found {
        arrival.recipients.sort();
    }
    found.sort_by(|a, b| (a.place, &a.recipients).cmp(&(b.place, &b.recipients)));
    found
}

fn add(found: &mut Vec<Arrival>, place: Place, copy: Delivered) {
    // Two transactions differ in the queue ID in their topmost Received.
    let same = found.iter_mut().find(|arrival| {
        arrival.place == place
            && arrival.sender == copy.envelope_sender
            && arrival.bytes == copy.bytes
            && !arrival.recipients.contains(&copy.delivered_to)
    });
    match same {
        Some(arrival) => arrival.recipients.push(copy.delivered_to),
        None => found.push(Arrival {
            place,
            sender: copy.envelope_sender,
            recipients: vec![copy.delivered_to],
            bytes: copy.bytes,
        }),
    }
}

fn is_named(bytes: &[u8], key: &str) -> bool {
    Message::parse(bytes).header.fields.iter().any(|field| {
        let name = field.name.to_ascii_lowercase();
        (name == b"message-id" || name == b"subject") && relaxed(&field.body) == key.as_bytes()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copy(to: &str, id: &str) -> Delivered {
        Delivered {
            envelope_sender: "a@x".into(),
            original_to: to.into(),
            delivered_to: to.into(),
            bytes: format!("Received: {id}\nSubject: one\n two\nMessage-ID: <1@x>\n\nthree\n")
                .into(),
        }
    }

    #[test]
    fn a_message_is_known_by_its_subject_or_message_id_and_by_nothing_else() {
        let bytes = copy("x", "1").bytes;
        assert!(["one two", "<1@x>"].iter().all(|key| is_named(&bytes, key)));
        assert!(!["one", "1", "three", "1@x"].iter().any(|key| is_named(&bytes, key)));
    }

    #[test]
    fn copies_of_one_transaction_are_one_arrival_and_those_of_two_are_two() {
        let mut found = Vec::new();
        for (place, to, id) in [
            (Place::Own, "x", "1"),
            (Place::Own, "y", "1"),
            (Place::Own, "z", "2"),
            (Place::Relay, "x", "1"),
            (Place::Own, "x", "1"),
        ] {
            add(&mut found, place, copy(to, id));
        }
        let lines: Vec<String> = found.iter().map(Arrival::line).collect();
        assert_eq!(lines, ["Own a@x -> x y", "Own a@x -> z", "Relay a@x -> x", "Own a@x -> x"]);
    }
}
