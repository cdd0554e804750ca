//! recruit-milter forwards recruiting mail to a recruiting system from inside Postfix: whole, with
//! the applicant recognisable, exactly once.
//!
//! # How mail flows
//!
//! ```text
//! applicant ─► smtpd ─ pass 1, socket "front": envelope only
//!                │        add_rcpt <token>@handoff domain, del_rcpt jobs@ (unless a local copy is kept)
//!                ▼
//!          Postfix queue ─► local mailbox: message and envelope sender untouched
//!                │
//!                └─ smtp to the second smtpd ─ pass 2, socket "handoff": header, and body as far as needed:
//!                │                                kind and applicant are read,
//!                                                forged own fields out, our sealed fields in,
//!                                                bounce address as sender, the system's inbound
//!                                                address as recipient
//!                                                     ▼
//!                                          Postfix queue ─► the recruiting system's MX
//! where it is to be unwrapped: pass 2 ─► queue ─ lmtp ─► agent ─ smtp ─► second smtpd, pass 2 again
//! delivery reports ─► bounce address ─ same hop ─► pass 2 reads, journals and discards them
//!
//! system, colleague ─► submission (SASL) ─ socket "submission": envelope and header
//!                        may this login use this address? which route?  (and pass 1 for what is
//!                        for a recruiting address)
//! what comes back ─► bounce address ─ same hop ─► pass 2 ─► where somebody sees it
//!
//! milter ─► journal ─► agent ─► ledger ─► status, trace, list        probes ─► smtpd, as mail from outside
//! ```
//!
//! Postfix does all queueing. It commits our edits with the message itself, so there is no moment
//! in which it has accepted a message and the copy is still to be arranged. The milter never holds a
//! message. The agent does, while Postfix still has it as well: it answers 250 only once Postfix has
//! taken what it made of it.
//!
//! # Where things are
//!
//! Which may name which, and which crates, stands in `tests/layers/rooms.txt` and `crates.txt`; a test holds both, and
//! that no files name each other in a circle.
//!
//! | module | holds | must not know |
//! |---|---|---|
//! | [`mail`] | addresses, envelopes, header fields, messages; byte-exact | anything else |
//! | [`plan`] | edits and reply as data, in safe order; reference interpreter | I/O, clock, configuration |
//! | [`policy`] | what we decide, as pure functions | I/O, clock, async, logging |
//! | [`milter`] | the protocol: events in, plans out; the only place that names indymilter | decisions |
//! | [`agent`] | what the milter cannot do: the ledger, probes, alerts, figures, unwrapping | SMTP replies of the milter |
//! | [`lmtp`] | how Postfix hands a message to the agent | what becomes of it |
//! | [`submit`] | a message into Postfix's queue over SMTP; the only place that names lettre | policy |
//! | [`resolve`] | which servers take mail for a domain; the only place that asks DNS | why |
//! | [`own`] | the addresses of this machine | what they are wanted for |
//! | [`smtp_test`] | SMTP settings, tested step by step as somebody else will use them | the configuration, policy |
//! | [`reading`] | the net under all reading: panics, time limits, threads | what is decided without an answer |
//! | [`socket`], [`gate`] | sockets to listen on; how many sessions may be open | protocols |
//! | [`journal`] | one line per decision, appended and replayed | mail |
//! | [`ledger`] | what happened to each copy, written by the agent from the journal | decisions |
//! | [`observe`] | the log vocabulary, one function per event | decisions |
//! | [`config`] | what an admin wrote, checked | running sessions |
//! | [`running`] | which keys and configuration each process goes by, told in the state folder | how it is shown |
//! | [`language`] | which language a text for people is in | texts |
//! | [`credentials`] | passwords, and the passwd-file that keeps their hashes | what a login may send as |
//! | [`postfix`] | reads and writes Postfix's configuration | messages |
//! | [`findings`] | all that can be found to be wrong, by its id; the manual page comes from it | how it is found |
//! | [`way`] | whether the milter answers, Postfix takes mail and the milter sees it, now | the ledger |
//! | [`doctor`] | everything on the way of an application, looked at in one go | how it is shown |
//! | [`cli`] | one file per subcommand; the manual pages come from it | |
//!
//! Beside `src`: `contrib/systemd` has the services and their sockets, `contrib/debian` and `contrib/rpm` the
//! packages, which install by `make install`; `tests/package` installs and boots them.
//!
//! # Invariants
//!
//! Each is held by a type or a test.
//!
//! 1. `mail`, `plan` and `policy` do no I/O, read no clock, are not async and log nothing
//!    (`tests/layers.rs`).
//! 2. Only `milter` names indymilter, only `submit` lettre; the milter role opens no network connection and no database
//!    (`tests/layers.rs`).
//! 3. Original bytes are kept: nothing is re-serialised. Only fields of our own namespace can be
//!    added or deleted ([`mail::OwnField`], [`mail::OwnName`]; the golden messages in `tests/it`); in
//!    outgoing mail, what is missing can be added and Bcc taken off ([`mail::PlainField`]).
//! 4. Fields of our namespace that come from outside are removed, never trusted; trust comes from
//!    the seal ([`policy::seal`]).
//! 5. No CR, LF or NUL enters a field body, no control byte an address ([`mail::FieldBody`],
//!    [`mail::Address`]).
//! 6. Nothing is sent to Postfix before the decision is complete, and every prefix of a plan is
//!    safe to commit ([`plan::PlanBuilder`] and its property test).
//! 7. Continue to end of message unless `accept_early` is set. What cannot be *decided* (panic,
//!    deadline, no key) is tempfail, but not for ever: a copy that waits in Postfix's queue for its
//!    key or its address goes after `[handoff] give_up_after` (24 h), unopened, to where somebody sees
//!    it, or ends where its mailbox has its own ([`policy::forward::GivenUp`]); and what anybody
//!    outside can write waits for no key ([`policy::forward::Stray`]). For what cannot be *read* see
//!    18.
//! 8. Nothing is de-duplicated by Message-ID or content. What carries our valid seal is not
//!    forwarded again; mail from a system's own inbound address passes within a budget
//!    ([`policy::budget`]); kinds of mail stay local as configured ([`policy::kind::Actions`]).
//!    A recruiting address whose handoff of ours stands in the same envelope has its copy and is left
//!    alone ([`policy::divert::Standing`]). Nothing else that can be decided stops a forward, and no
//!    copy is dropped that is neither in a mailbox nor on its way to the system. Strays at the bounce
//!    address end: what no token of ours shows to be a report, but for a budget of what may be one.
//! 9. "Handed over" is what the milter can say; "delivered" only a report can.
//! 10. A message uses the configuration it began with; a failed reload keeps the old one; under systemd a
//!     start with a broken one leaves nobody waiting (`tests/it/restart.rs`).
//! 11. Reply texts to clients are fixed ([`plan::ReplyText`]); details go to the log. No message
//!     content is stored or logged, outside addresses only as configured.
//! 12. No byte of a message can end it early, on its way to the agent or from it (tests of `lmtp`,
//!     `agent` and `submit`).
//! 13. A login only narrows what the MTA lets it do: no setting of ours lets mail in that would not
//!     come in without us ([`policy::outbound`]).
//! 14. Only a colleague's message, proven to be one, is opened for its applicant; a wrong applicant
//!     is never named with confidence (`tests/reading`).
//! 15. The ledger has each line of the journal once, whoever is killed whenever
//!     ([`ledger::Ledger::apply`]; `tests/it/ledger`), and whatever becomes of it changes no SMTP reply.
//!     What the agent writes is what others read: a file that SQLite may have open is opened by SQLite
//!     alone, and one that was taken away is noticed ([`ledger::Ledger::is_in_place`]).
//! 16. An address is verified only by a mail that went the whole way, and not for ever
//!     ([`policy::verification`]); only who has the key can make a probe ([`policy::probe`]),
//!     and what looks like one and is none is refused, not delivered.
//! 17. What is in a mail is in no ledger, journal, log or figure (`tests/it/canary.rs`).
//! 18. Reading is advice: no panic, deadline or limit of it defers or stops a copy. It goes on unread,
//!     as an application, for review ([`policy::forward::Advice`], [`reading`]; each reader fails in
//!     each way at each place in `milter::tests::unread` and `tests/it/unread.rs`).
//! 19. What is broken now outranks what was proven: nothing is said to be verified while mail is put off,
//!     waits or passes us by, nor what was not looked at to be in order ([`way::Way::judge`];
//!     `tests/it/way.rs`).
// SPDX-License-Identifier: GPL-3.0-or-later
#![deny(clippy::mod_module_files)]

pub mod agent;
pub mod cli;
pub mod config;
pub mod credentials;
pub mod doctor;
pub mod findings;
pub mod gate;
pub mod journal;
pub mod language;
pub mod ledger;
pub mod lmtp;
pub mod mail;
pub mod milter;
pub mod observe;
pub mod own;
pub mod plan;
pub mod policy;
pub mod postfix;
pub mod reading;
pub mod resolve;
pub mod running;
pub mod smtp_test;
pub mod socket;
pub mod submit;
pub mod way;
