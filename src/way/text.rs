//! What is wrong with the way, for people: what it means, where and why, and what to do.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fmt;

use super::{Fault, Place, Side, Spot, State};

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(_, socket) => write!(f, "{socket}"),
            Self::Entrance(address) | Self::Hop(address) | Self::Alerts(address) => {
                write!(f, "{address}")
            }
            Self::Address(address) => write!(f, "{address}"),
            Self::Settings => f.write_str("Postfix's configuration"),
            Self::Agent => f.write_str("the agent"),
        }
    }
}

/// The first fault, and how many there are besides.
fn first(faults: &[Fault], and: &str, more: &str) -> String {
    let text = faults.first().map(|fault| format!("{} ({})", fault.text, fault.id));
    let besides = match faults.len() {
        0 | 1 => String::new(),
        all => format!(", {and} {} {more}", all - 1),
    };
    text.unwrap_or_default() + &besides
}

impl Spot {
    /// What it means, where and why, in English.
    pub fn english(&self) -> String {
        let place = &self.place;
        match (place, &self.state) {
            (_, State::Open) => format!("{place}: open"),
            (_, State::NotLooked(why)) => format!("{place}: not looked at: {why}"),
            (_, State::Faulty(faults)) => {
                format!("Postfix is not set up for our mail: {}", first(faults, "and", "more"))
            }
            (Place::Agent, State::Silent(span) | State::Refused(span)) => format!(
                "nobody keeps books, verifies or alerts: the agent has said nothing for {span}"
            ),
            (Place::Agent, State::Unseen) => {
                "nobody keeps books, verifies or alerts: the agent does not run".into()
            }
            (Place::Socket(side, socket), State::Silent(why) | State::Refused(why)) => {
                let (what, who) = match side {
                    Side::Front => ("mail is put off", "milter"),
                    Side::Submission => ("outgoing mail is put off", "milter"),
                    Side::Handoff => ("copies wait", "milter"),
                    Side::Agent => ("what is to be unwrapped waits", "agent"),
                };
                format!("{what}: the {who} does not answer at {socket} ({why})")
            }
            (Place::Hop(_), State::Silent(why)) => {
                format!("copies wait: nobody answers at {place} ({why})")
            }
            (Place::Hop(_), State::Refused(said)) => {
                format!("copies wait: Postfix says at {place}: {said}")
            }
            (Place::Hop(_), State::Unseen) => {
                format!("copies do not pass the milter at {place}")
            }
            (Place::Alerts(_), State::Silent(why) | State::Refused(why)) => {
                format!("alerts need the milter: nobody answers at {place} ({why})")
            }
            (Place::Address(address), State::Silent(said) | State::Refused(said)) => {
                format!("Postfix does not take mail for {address}: {said}")
            }
            (_, State::Silent(why)) => {
                format!("no mail comes in: nobody answers at {place} ({why})")
            }
            (_, State::Refused(said)) => {
                format!("no mail comes in: Postfix says at {place}: {said}")
            }
            (_, State::Unseen) => {
                format!("mail is not forwarded: what comes in at {place} does not pass the milter")
            }
        }
    }

    /// The same in German.
    pub fn german(&self) -> String {
        let place = &self.place;
        match (place, &self.state) {
            (_, State::Open) => format!("{place}: offen"),
            (_, State::NotLooked(why)) => format!("{place}: nicht angesehen: {why}"),
            (_, State::Faulty(faults)) => format!(
                "Postfix ist für unsere Mails nicht eingerichtet: {}",
                first(faults, "und", "weitere")
            ),
            (Place::Agent, State::Silent(span) | State::Refused(span)) => {
                format!(
                    "Niemand führt Buch, prüft und meldet: der Agent hat seit {span} nichts gesagt"
                )
            }
            (Place::Agent, State::Unseen) => {
                "Niemand führt Buch, prüft und meldet: der Agent läuft nicht".into()
            }
            (Place::Socket(side, socket), State::Silent(why) | State::Refused(why)) => {
                let (what, who) = match side {
                    Side::Front => ("Mails werden aufgeschoben", "Milter"),
                    Side::Submission => ("Ausgehende Mails werden aufgeschoben", "Milter"),
                    Side::Handoff => ("Kopien warten", "Milter"),
                    Side::Agent => ("Was auszupacken ist, wartet", "Agent"),
                };
                format!("{what}: Der {who} antwortet nicht an {socket} ({why})")
            }
            (Place::Hop(_), State::Silent(why)) => {
                format!("Kopien warten: Niemand antwortet an {place} ({why})")
            }
            (Place::Hop(_), State::Refused(said)) => {
                format!("Kopien warten: Postfix sagt an {place}: {said}")
            }
            (Place::Hop(_), State::Unseen) => {
                format!("Kopien gehen an {place} nicht durch den Milter")
            }
            (Place::Alerts(_), State::Silent(why) | State::Refused(why)) => {
                format!("Meldungen brauchen den Milter: Niemand antwortet an {place} ({why})")
            }
            (Place::Address(address), State::Silent(said) | State::Refused(said)) => {
                format!("Postfix nimmt keine Mails für {address} an: {said}")
            }
            (_, State::Silent(why)) => {
                format!("Es kommen keine Mails herein: Niemand antwortet an {place} ({why})")
            }
            (_, State::Refused(said)) => {
                format!("Es kommen keine Mails herein: Postfix sagt an {place}: {said}")
            }
            (_, State::Unseen) => format!(
                "Mails werden nicht weitergeleitet: Was an {place} hereinkommt, geht nicht durch den Milter"
            ),
        }
    }

    /// That it works again, in English.
    pub fn english_again(&self) -> String {
        match &self.place {
            Place::Socket(Side::Agent, socket) => format!("The agent answers again at {socket}."),
            Place::Socket(_, socket) => format!("The milter answers again at {socket}."),
            Place::Entrance(at) => format!("Mail comes in again at {at}, and passes the milter."),
            Place::Hop(at) => format!("Copies come through again at {at}."),
            Place::Alerts(at) => format!("Alerts come through again at {at}, without the milter."),
            Place::Address(address) => format!("Postfix takes mail for {address} again."),
            Place::Settings => "Postfix is set up for our mail again.".into(),
            Place::Agent => "The agent works again.".into(),
        }
    }

    /// The same in German.
    pub fn german_again(&self) -> String {
        match &self.place {
            Place::Socket(Side::Agent, socket) => {
                format!("Der Agent antwortet wieder an {socket}.")
            }
            Place::Socket(_, socket) => format!("Der Milter antwortet wieder an {socket}."),
            Place::Entrance(at) => format!("An {at} kommen wieder Mails herein, durch den Milter."),
            Place::Hop(at) => format!("An {at} kommen Kopien wieder durch."),
            Place::Alerts(at) => format!("An {at} kommen Meldungen wieder durch, ohne den Milter."),
            Place::Address(address) => format!("Postfix nimmt wieder Mails für {address} an."),
            Place::Settings => "Postfix ist wieder für unsere Mails eingerichtet.".into(),
            Place::Agent => "Der Agent arbeitet wieder.".into(),
        }
    }

    /// What to do.
    pub fn remedy(&self) -> String {
        match (&self.place, &self.state) {
            (_, State::Faulty(faults)) => {
                faults.first().map_or_else(String::new, |fault| fault.remedy.clone())
            }
            (Place::Address(_), State::NotLooked(_)) | (Place::Entrance(_), State::Refused(_)) => {
                "recruit-milter doctor".into()
            }
            (_, State::NotLooked(_)) => "run it as root, or as recruit-milter's user".into(),
            (Place::Agent | Place::Socket(Side::Agent, _), _) => {
                "systemctl restart recruit-milter-agent".into()
            }
            (Place::Socket(..), _) => "systemctl restart recruit-milter".into(),
            (Place::Entrance(_), State::Silent(_)) => "postfix status".into(),
            (Place::Entrance(_) | Place::Hop(_) | Place::Alerts(_) | Place::Settings, _) => {
                "recruit-milter postfix --check".into()
            }
            (Place::Address(address), _) => {
                format!("give {address} a mailbox or an alias in Postfix")
            }
        }
    }
}
