//! Who wrote a message, by its header: the author field, and what stands behind it where a job board
//! or a group of the company's own put its own address there.
//!
//! The order for groups: X-Original-From (written by the group with the rewriting, name and
//! address), X-Original-Sender (address only), Reply-To (may be the author's choice or the list's).
//! All three are believed only where the rewriting address is the company's own and proven, since
//! anybody can write such fields. Must not know bodies.
// SPDX-License-Identifier: GPL-3.0-or-later

use super::who::{is_like_board, is_newsletter, is_persons_name};
use super::{Source, Standing, Who, is_unread, without_via};
use crate::mail::header::{Field, Header};
use crate::mail::mailbox::{Mailbox, MailboxList};
use crate::policy::kind;

/// What a header says about its author.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Author {
    /// One person.
    One {
        /// Who.
        mailbox: Mailbox,
        /// By which field.
        source: Source,
        /// Whether there is no other reading.
        sure: bool,
    },
    /// Several authors in one field.
    Several(Vec<Mailbox>),
    /// Nobody who could be named.
    Nobody(&'static str),
}

/// The author field alone.
pub(super) fn from_field(header: &Header) -> Author {
    let lists: Vec<_> = header.all("From").take(10).map(|f| MailboxList::parse(&f.body)).collect();
    let Some(first) = lists.first() else {
        return Author::Nobody("there is no From field");
    };
    let keys = |list: &MailboxList| list.mailboxes.iter().map(Mailbox::key).collect::<Vec<_>>();
    if lists.iter().any(|l| keys(l) != keys(first)) {
        return Author::Nobody("there are several From fields, and they differ");
    }
    let mut all = first.mailboxes.clone();
    let mut seen = Vec::new();
    all.retain(|m| {
        let new = !seen.contains(&m.key());
        seen.push(m.key());
        new
    });
    match all.len() {
        0 => Author::Nobody("the From field holds no address"),
        1 => {
            let mut mailbox = all.remove(0);
            // A name that looks like an address would be taken for one.
            let disguised = mailbox.name.as_deref().is_some_and(|n| {
                n.contains('@') && Mailbox::parse(n).is_none_or(|m| m.key() != mailbox.key())
            });
            if disguised || mailbox.name.as_deref().is_some_and(|n| n.contains('@')) {
                mailbox.name = None;
            }
            Author::One { mailbox, source: Source::From, sure: !first.broken && !disguised }
        }
        _ => Author::Several(all),
    }
}

/// The field of a name, if there is one only.
fn the_only<'h>(header: &'h Header, name: &'static str) -> Option<&'h Field> {
    let mut fields = header.all(name);
    fields.next().filter(|_| fields.next().is_none())
}

/// The single mailbox of a field, if it has exactly one.
fn only(header: &Header, field: &'static str) -> Option<Mailbox> {
    let mut list = MailboxList::parse(&the_only(header, field)?.body).mailboxes;
    (list.len() == 1).then(|| list.remove(0))
}

/// The author of a message. `proven` tells whether an author field with the company's own domain is
/// to be believed.
pub(super) fn author(header: &Header, who: &Who<'_>, proven: bool) -> Author {
    let author = from_field(header);
    let Author::One { mailbox, sure, .. } = &author else {
        return author;
    };
    match who.standing(mailbox) {
        Standing::Outside => behind_board(mailbox, *sure, header, who),
        _ if is_rewritten(mailbox, header, who) => {
            if proven {
                behind_group(mailbox, header, who)
            } else {
                Author::Nobody("a group's rewriting that is not proven to be ours")
            }
        }
        _ => author,
    }
}

fn behind_board(mailbox: &Mailbox, sure: bool, header: &Header, who: &Who<'_>) -> Author {
    let reply_to = the_only(header, "Reply-To")
        .map(|f| String::from_utf8_lossy(&f.body[..f.body.len().min(2000)]).into_owned());
    if let Some(behind) = who.behind_relay(mailbox, reply_to.as_deref()) {
        return Author::One {
            mailbox: behind,
            source: Source::JobBoard,
            sure: sure && who.is_relay(mailbox),
        };
    }
    if is_unread(mailbox) {
        return Author::Nobody("the author's address is one that nobody reads");
    }
    if kind::is_machine(mailbox.local_part()) {
        return Author::Nobody("the author is a mail system");
    }
    let role = kind::is_role(mailbox) || kind::is_service(mailbox);
    let board = who.is_relay(mailbox) || is_like_board(mailbox);
    if kind::is_service(mailbox) || board && (role || is_newsletter(mailbox)) {
        return Author::Nobody("the author is a service, and it is not said for whom it writes");
    }
    let others =
        header.all("Reply-To").take(10).flat_map(|f| MailboxList::parse(&f.body).mailboxes);
    let mut others = others.filter(|m| who.standing(m) == Standing::Outside);
    if role && others.any(|m| m.key() != mailbox.key() && who.writes_for(mailbox, &m)) {
        return Author::Nobody("a role writes, and answers go to several addresses");
    }
    // A role has a name of its own: somebody else may stand behind it.
    let name = mailbox.name.as_deref().unwrap_or_default();
    let sure = sure && (!role || is_persons_name(name, mailbox));
    let source = if who.is_relay(mailbox) {
        Source::JobBoard
    } else if header.first("Resent-From").is_some() {
        Source::Resent
    } else {
        Source::From
    };
    Author::One { mailbox: mailbox.clone(), source, sure }
}

/// Whether a group put its own address into the author field.
fn is_rewritten(mailbox: &Mailbox, header: &Header, who: &Who<'_>) -> bool {
    let via = mailbox.name.as_deref().is_some_and(|n| without_via(n) != n);
    let list = ["List-Id", "X-Google-Group-Id", "List-Post", "X-BeenThere", "X-Mailman-Version"];
    let of_list = list.iter().any(|name| header.first(name).is_some());
    let original = ["X-Original-From", "X-Original-Sender"];
    let named = original.iter().filter_map(|f| only(header, f));
    let other = named.into_iter().any(|m| m.key() != mailbox.key());
    let own = who.standing(mailbox) == Standing::Own;
    via || (other && (own || of_list)) || (own && of_list)
}

fn behind_group(group: &Mailbox, header: &Header, who: &Who<'_>) -> Author {
    let original = only(header, "X-Original-From");
    let sender = only(header, "X-Original-Sender");
    if let (Some(a), Some(b)) = (&original, &sender)
        && a.key() != b.key()
    {
        return Author::Nobody("X-Original-From and X-Original-Sender name different authors");
    }
    let mut replies = the_only(header, "Reply-To")
        .map(|f| MailboxList::parse(&f.body).mailboxes)
        .unwrap_or_default();
    // A group may want answers too.
    replies.retain(|m| who.standing(m) != Standing::Own && m.key() != group.key());
    let reply_to = (replies.len() == 1).then(|| replies.remove(0));
    let found = [
        (original, Source::From, true),
        (sender, Source::From, true),
        (reply_to, Source::ReplyTo, false),
    ];
    for (mailbox, source, sure) in found {
        if let Some(mailbox) = mailbox.filter(|m| m.key() != group.key()) {
            let name = mailbox.name.clone().or_else(|| group.name.clone());
            return Author::One {
                mailbox: mailbox.named(without_via(&name.unwrap_or_default())),
                source,
                sure,
            };
        }
    }
    Author::Nobody("a group rewrote the author and kept no address")
}
