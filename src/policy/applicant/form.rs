//! Web forms: the company's site writes, and stands for whoever filled the form in.
//!
//! Whom a form names is the applicant, and it is nobody's forward. A form of `[internal] forms` that
//! is proven to be one is certain; what only looks like a form is likely. Must not know what is done
//! with the answer.
// SPDX-License-Identifier: GPL-3.0-or-later

use super::attached::Content;
use super::fields::filled_in;
use super::html::of_html;
use super::lines::of_text;
use super::trust::proof;
use super::{
    Applicant, Clue, Confidence, Context, Reading, Source, Standing, Who, is_unread, marks,
};
use crate::mail::header::Header;
use crate::mail::mailbox::{Mailbox, MailboxList};
use crate::policy::kind::{Kind, is_machine, is_role, is_service};

/// What the programs of web sites call themselves in front of the @, besides roles and services.
const SITES: [&str; 12] = [
    "apache",
    "form",
    "forms",
    "formular",
    "httpd",
    "php",
    "typo3",
    "web",
    "webform",
    "webmaster",
    "wordpress",
    "www-data",
];

/// Whether the author of a message is a form that the site names, and proven to be it.
pub(super) fn is_listed(header: &Header, from: &Mailbox, context: &Context<'_>) -> bool {
    let rules = context.rules;
    let (key, delimiters) = (from.key(), &rules.delimiters);
    rules.internal_forms.iter().any(|form| form.covers(&key, delimiters))
        && proof(header, from, context).is_ok()
}

/// A listed form's mail, where the header says whom it stands for.
pub(super) fn listed(header: &Header, who: &Who<'_>) -> Option<Reading> {
    let mailbox = answered(header, who)?;
    Some(reading("a form of [internal] forms", mailbox, Source::ReplyTo, Confidence::Certain))
}

/// A listed form's mail, where only its text can say it.
pub(super) fn in_text(
    header: &Header,
    body: &[u8],
    truncated: bool,
    context: &Context<'_>,
) -> Reading {
    let opened = Content::of(header, body, truncated);
    let why = "a form of [internal] forms";
    if let Some(mailbox) = field(&opened, &context.who()) {
        return reading(why, mailbox, Source::Form, Confidence::Likely);
    }
    let mut reading = Reading::new(Kind::WebForm, why);
    reading.clues.push(Clue::header("nobody to answer, and no field with an address"));
    reading.needs_review = true;
    reading
}

/// What looks like the mail of a form: the author is inside, one person outside is to be answered.
pub(super) fn alike(header: &Header, who: &Who<'_>) -> Option<Reading> {
    let thread = header.first("In-Reply-To").is_some() || header.first("References").is_some();
    let (marks, _) = marks(header);
    if thread || marks.reply || marks.forward {
        return None;
    }
    let mailbox = answered(header, who)?;
    let why = "an author inside, and one person outside to answer: a form, it seems";
    Some(reading(why, mailbox, Source::ReplyTo, Confidence::Likely))
}

/// The same where the text can be read: it may have the name, or all of it. `forward` is what the text
/// looks like otherwise; some forms write fields as a forward has them.
pub(super) fn read(
    header: &Header,
    content: &Content,
    from: &Mailbox,
    forward: Option<&Reading>,
    who: &Who<'_>,
) -> Option<Reading> {
    if let Some(mut reading) = alike(header, who) {
        let person = &mut reading.applicants[0].mailbox;
        let other = |applicant: &Applicant| applicant.mailbox.key() != person.key();
        if forward.is_some_and(|reading| reading.applicants.iter().any(other)) {
            return None;
        }
        if person.name.is_none() {
            let named = field(content, who).filter(|m| m.key() == person.key());
            person.name = named.and_then(|m| m.name);
        }
        return Some(reading);
    }
    let (marks, _) = marks(header);
    if forward.is_some() || marks.reply || marks.forward {
        return None;
    }
    let local = from.local_part().to_lowercase();
    let site = SITES.contains(&local.as_str()) || is_unread(from) || is_machine(&local);
    if !(site || is_role(from) || is_service(from) || who.standing(from) == Standing::Own) {
        return None;
    }
    let why = "no person's address writes, and fields name one outside: a form, it seems";
    Some(reading(why, field(content, who)?, Source::Form, Confidence::Likely))
}

fn reading(why: &str, mailbox: Mailbox, source: Source, confidence: Confidence) -> Reading {
    let mut reading = Reading::new(Kind::WebForm, why);
    reading.clues.push(Clue::header(format!("{} has who filled it in", source.word())));
    reading.applicants.push(Applicant { mailbox, source, confidence });
    reading
}

/// The one person outside whom answers shall go to.
fn answered(header: &Header, who: &Who<'_>) -> Option<Mailbox> {
    let lists = header.all("Reply-To").take(10).map(|f| MailboxList::parse(&f.body));
    let mut all: Vec<Mailbox> = lists.flat_map(|list| list.mailboxes).collect();
    all.dedup_by_key(|mailbox| mailbox.key());
    let [one] = <[Mailbox; 1]>::try_from(all).ok()?;
    let stands_for_nobody = is_unread(&one) || is_machine(one.local_part());
    (who.standing(&one) == Standing::Outside && !stands_for_nobody).then_some(one)
}

/// The one person outside whom the fields in a text name.
fn field(content: &Content, who: &Who<'_>) -> Option<Mailbox> {
    let outside = |mailbox: &Mailbox| who.standing(mailbox) == Standing::Outside;
    filled_in(&of_text(&content.plain.text), outside)
        .or_else(|| filled_in(&of_html(&content.html.text), outside))
}

#[cfg(test)]
mod tests {
    use super::super::{BodyNeed, Evidence, needs_body, read};
    use super::*;
    use crate::mail::message::Message;
    use crate::policy::pattern::Pattern;
    use crate::policy::testing::rules;

    /// What is read where these are the forms; `internal` tells whether the client is inside.
    fn told(forms: &[&str], internal: bool, mail: &str) -> String {
        let mut rules = rules();
        rules.internal_domains = vec!["acme.example".into()];
        rules.internal_forms = forms.iter().map(|form| Pattern::parse(form).unwrap()).collect();
        let evidence = Evidence { login: false, internal_client: internal };
        let context = Context {
            rules: &rules,
            evidence,
            sender: Some("www-data@web1.acme.example"),
            probe: false,
            verdicts: &[],
            boards: &[],
            limit: 1 << 20,
        };
        let message = Message::parse(mail.as_bytes());
        let nothing = needs_body(&message.header, &context) == BodyNeed::Nothing;
        let body: &[u8] = if nothing { b"" } else { &message.body };
        let reading = read(&message.header, body, false, &context);
        let people = reading.applicants.iter().map(|applicant| {
            format!(" {} {}", applicant.mailbox.address(), applicant.confidence.word())
        });
        let review = if reading.needs_review { " review" } else { "" };
        assert_eq!(reading.forwarder.filter(|_| reading.kind == Kind::WebForm), None);
        format!("{}{}{review}", reading.kind, people.collect::<String>())
    }

    #[test]
    fn a_listed_form_is_certain_where_it_is_proven() {
        let jobs = "From: jobs@acme.example\nReply-To: Erika <erika@x.example>\n\nText\n";
        let certain = "web-form erika@x.example certain";
        assert_eq!(told(&["jobs@acme.example"], true, jobs), certain);
        assert_eq!(told(&["@acme.example"], true, jobs), certain);
        // Of another domain, and nothing that shows it.
        let shop = "From: form@shop.example\nReply-To: erika@x.example\n\nText\n";
        assert_eq!(told(&["form@shop.example"], true, shop), certain);
        assert!(!told(&["form@shop.example"], false, shop).contains("certain"));
        let likely = "web-form erika@x.example likely";
        assert_eq!(told(&["jobs@acme.example"], false, jobs), likely);
        assert_eq!(told(&[], true, jobs), likely);
    }

    #[test]
    fn where_nobody_is_to_be_answered_the_fields_count() {
        let fields = "From: jobs@acme.example\n\nName: Erika Muster\nE-Mail: erika@x.example\n";
        let likely = "web-form erika@x.example likely";
        assert_eq!(told(&["jobs@acme.example"], true, fields), likely);
        assert_eq!(told(&[], true, fields), likely);
        // A person's list of addresses is no form.
        let person = fields.replace("jobs@", "anna.arndt@");
        assert_eq!(told(&[], true, &person), "application review");
        let none = "From: form@shop.example\n\nText\n";
        assert_eq!(told(&["form@shop.example"], true, none), "web-form review");
        let two = "From: form@shop.example\nReply-To: a@x.example, b@x.example\n\nText\n";
        assert_eq!(told(&["form@shop.example"], true, two), "web-form review");
    }
}
