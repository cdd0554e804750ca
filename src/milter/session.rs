//! Protocol events to plain data, and decisions to statuses: the callbacks of each pass.
//!
//! The state of a message is made at MAIL and gone at the end of the message, at ABORT, at the next
//! MAIL and when the session ends, so that nothing of it can reach another message. Where a step
//! fails, by panic or deadline, the message is deferred at the next stage that has a reply, and no
//! edits of it are made.
//!
//! Must not know why anything is decided.
// SPDX-License-Identifier: GPL-3.0-or-later

mod envelope;
mod submission;

use std::ffi::{CStr, CString};
use std::future::ready;
use std::sync::Arc;

use indymilter::{
    Actions, CallbackFuture, Callbacks, Context, EomContext, MacroStage, Macros, NegotiateContext,
    ProtoOpts, Status,
};

use super::execute;
use super::notice::Notice;
use super::seam::{FrontMessage, HandoffMessage, Origin, Pass, Policy, Stage};
use super::shell::{At, Shell};
use crate::plan::{Plan, Reply, ReplyText};
use envelope::{opening, origin, recipient, resolved, server, text};
pub(super) use submission::submission;

/// How many octets of recipients are kept for one message. Postfix's `smtpd_recipient_limit` lets a
/// thousand recipients in, which are a quarter of this at their longest.
const MAX_RECIPIENTS: usize = 1024 * 1024;

/// What a session of the front socket asks for besides an answer to DATA, see [`negotiate`].
///
/// DATA itself is wanted since commands are that the MTA does not know (see [`unknown`]): the library takes
/// no end of a message right after one of these, and would leave it without an answer.
const FRONT_OPTS: ProtoOpts = ProtoOpts::NO_CONNECT
    .union(ProtoOpts::NO_HELO)
    .union(ProtoOpts::NO_HEADER)
    .union(ProtoOpts::NO_EOH)
    .union(ProtoOpts::NO_BODY)
    .union(ProtoOpts::NOREPLY_MAIL)
    .union(ProtoOpts::NOREPLY_RCPT);

/// What a session of the handoff socket asks for.
const HANDOFF_OPTS: ProtoOpts = ProtoOpts::NO_CONNECT
    .union(ProtoOpts::NO_HELO)
    .union(ProtoOpts::NO_DATA)
    .union(ProtoOpts::NO_EOH)
    .union(ProtoOpts::NOREPLY_MAIL)
    .union(ProtoOpts::NOREPLY_HEADER)
    .union(ProtoOpts::LEADING_SPACE)
    .union(ProtoOpts::SKIP);

/// Asks for no macros at a stage.
// Postfix: where a milter asks for nothing, or with an empty list, the lists of its own settings
// are sent (119 octets at connect). So we ask for one that does not exist.
const NO_MACROS: &CStr = c"-";

/// A message in pass 1.
pub(super) struct Front<P: Policy> {
    policy: Arc<P>,
    /// MAIL FROM as received.
    mail: Vec<CString>,
    /// None until a recipient concerns us: all other mail costs no more than that.
    ours: Option<Box<P::Front>>,
    /// The octets of recipients kept.
    size: usize,
    failed: bool,
}

/// A session of pass 1.
pub(super) struct FrontSession<P: Policy> {
    /// Whether an answer to DATA was negotiated.
    answers_data: bool,
    message: Option<Front<P>>,
}

impl<P: Policy> Default for FrontSession<P> {
    fn default() -> Self {
        Self { answers_data: true, message: None }
    }
}

/// A message that is decided on by more than its envelope.
pub(super) struct Whole<P, M> {
    policy: Arc<P>,
    /// None if a step failed.
    message: Option<M>,
}

/// A message in pass 2.
pub(super) type Handoff<P> = Whole<P, <P as Policy>::Handoff>;

/// The callbacks of the front socket.
pub(super) fn front<P: Policy>(shell: &Arc<Shell<P>>) -> Callbacks<FrontSession<P>> {
    let [negotiate, mail, rcpt, data, eom, asked] = std::array::from_fn(|_| Arc::clone(shell));
    Callbacks::new()
        .on_negotiate(move |cx, actions, opts| {
            let shell = Arc::clone(&negotiate);
            Box::pin(async move { negotiate_front(&shell, cx, actions, opts).await })
        })
        .on_mail(move |cx, args| {
            let shell = Arc::clone(&mail);
            Box::pin(async move { front_mail(&shell, cx, args).await })
        })
        .on_rcpt(move |cx, args| {
            let shell = Arc::clone(&rcpt);
            Box::pin(async move { front_rcpt(&shell, cx, args).await })
        })
        .on_data(move |cx| {
            let shell = Arc::clone(&data);
            Box::pin(async move { front_data(&shell, cx).await })
        })
        .on_eom(move |cx| {
            let shell = Arc::clone(&eom);
            Box::pin(async move { front_eom(&shell, cx).await })
        })
        .on_unknown(move |cx, command| {
            let shell = Arc::clone(&asked);
            Box::pin(async move { unknown(&shell, cx, Pass::Front, command).await })
        })
        .on_abort(|cx| {
            forget_front(cx);
            Box::pin(ready(Status::Continue))
        })
        .on_close(|cx| {
            forget_front(cx);
            Box::pin(ready(Status::Continue))
        })
}

/// Lets go of the message, not of what was negotiated.
fn forget_front<P: Policy>(cx: &mut Context<FrontSession<P>>) {
    if let Some(session) = &mut cx.data {
        session.message = None;
    }
}

/// The callbacks of the handoff socket.
pub(super) fn handoff<P: Policy>(shell: &Arc<Shell<P>>) -> Callbacks<Handoff<P>> {
    let [negotiate, mail, rcpt, header, body, eom, asked] =
        std::array::from_fn(|_| Arc::clone(shell));
    Callbacks::new()
        .on_negotiate(move |cx, actions, opts| {
            let shell = Arc::clone(&negotiate);
            Box::pin(async move { negotiate_handoff(&shell, cx, actions, opts).await })
        })
        .on_mail(move |cx, args| {
            let shell = Arc::clone(&mail);
            Box::pin(async move { handoff_mail(&shell, cx, args).await })
        })
        .on_rcpt(move |cx, args| {
            let shell = Arc::clone(&rcpt);
            Box::pin(async move { handoff_rcpt(&shell, cx, args).await })
        })
        .on_header(move |cx, name, value| {
            let shell = Arc::clone(&header);
            Box::pin(async move { handoff_header(&shell, cx, name, value).await })
        })
        .on_body(move |cx, piece| {
            let shell = Arc::clone(&body);
            Box::pin(async move { handoff_body(&shell, cx, &piece).await })
        })
        .on_eom(move |cx| {
            let shell = Arc::clone(&eom);
            Box::pin(async move { handoff_eom(&shell, cx).await })
        })
        .on_unknown(move |cx, command| {
            let shell = Arc::clone(&asked);
            Box::pin(async move { unknown(&shell, cx, Pass::Handoff, command).await })
        })
        .on_abort(|cx| forget(cx))
        .on_close(|cx| forget(cx))
}

/// Answers the question whether we are here, which is of no message. Any other command that the MTA does
/// not know is answered by the MTA.
async fn unknown<P: Policy, T: Send>(
    shell: &Shell<P>,
    cx: &mut Context<T>,
    pass: Pass,
    command: CString,
) -> Status {
    let policy = shell.policy();
    let at = at(&*policy, pass, Stage::Negotiate, None);
    match shell.guard(at, async { policy.is_asked_for(command.as_bytes()) }).await {
        Some(true) => execute::reply(Reply::Tempfail(ReplyText::Here), &mut cx.reply),
        _ => Status::Continue,
    }
}

fn forget<T: Send>(cx: &mut Context<T>) -> CallbackFuture<'_> {
    cx.data = None;
    Box::pin(ready(Status::Continue))
}

async fn negotiate_front<P: Policy>(
    shell: &Shell<P>,
    cx: &mut NegotiateContext<FrontSession<P>>,
    actions: Actions,
    opts: ProtoOpts,
) -> Status {
    let policy = shell.policy();
    // An answer to DATA is of use only where a message can end there. Without it a message costs one
    // round trip.
    let mut wanted = FRONT_OPTS;
    let answers_data = policy.accept_early();
    wanted.set(ProtoOpts::NOREPLY_DATA, !answers_data);
    cx.data = Some(FrontSession { answers_data, message: None });
    let macros = [
        (MacroStage::Connect, NO_MACROS),
        (MacroStage::Helo, NO_MACROS),
        // The address is the same for the whole session. Being there always, it makes the list for
        // each MAIL replace the one before, so that no login outlives its message.
        (MacroStage::Mail, c"{auth_authen} {client_addr}"),
        (MacroStage::Rcpt, c"{rcpt_addr}"),
        (MacroStage::Data, NO_MACROS),
        (MacroStage::Eom, c"i"),
    ];
    let at = at(&*policy, Pass::Front, Stage::Negotiate, None);
    negotiate(shell, cx, at, (execute::FRONT_ACTIONS, actions), (wanted, opts), &macros).await
}

async fn negotiate_handoff<P: Policy>(
    shell: &Shell<P>,
    cx: &mut NegotiateContext<Handoff<P>>,
    actions: Actions,
    opts: ProtoOpts,
) -> Status {
    let macros = [
        (MacroStage::Connect, NO_MACROS),
        (MacroStage::Helo, NO_MACROS),
        (MacroStage::Mail, c"{daemon_addr} {daemon_port}"),
        (MacroStage::Rcpt, c"{rcpt_addr}"),
        (MacroStage::Data, NO_MACROS),
        (MacroStage::Eoh, NO_MACROS),
        (MacroStage::Eom, c"i"),
    ];
    let at = at(&*shell.policy(), Pass::Handoff, Stage::Negotiate, None);
    let (actions, opts) = ((execute::HANDOFF_ACTIONS, actions), (HANDOFF_OPTS, opts));
    negotiate(shell, cx, at, actions, opts, &macros).await
}

/// Asks for what is wanted of what is offered. Where something is missing the session ends, and the
/// admin is told what: the library says so at its trace level only.
async fn negotiate<P: Policy, T: Send>(
    shell: &Shell<P>,
    cx: &mut NegotiateContext<T>,
    at: At<'_>,
    (actions, offered_actions): (Actions, Actions),
    (opts, offered_opts): (ProtoOpts, ProtoOpts),
    macros: &[(MacroStage, &CStr)],
) -> Status {
    let missing_actions = actions.difference(offered_actions);
    let missing_opts = opts.difference(offered_opts);
    let missing: Vec<&str> = missing_actions
        .iter_names()
        .map(|(name, _)| name)
        .chain(missing_opts.iter_names().map(|(name, _)| name))
        .collect();
    if !missing.is_empty() {
        let missing = missing.join(", ");
        let pass = at.pass;
        shell.notices().tell(&Notice::Negotiation { pass, missing });
    }
    cx.requested_actions = actions;
    cx.requested_opts = opts;
    let macros = macros.iter();
    cx.requested_macros = macros.map(|(stage, list)| (*stage, (*list).to_owned())).collect();
    match shell.step(at, || ()).await {
        Some(()) => Status::Continue,
        // No answer to a negotiation: the library ends the session, and Postfix defers.
        None => Status::Tempfail,
    }
}

fn at<'a, P: Policy>(policy: &P, pass: Pass, stage: Stage, queue_id: Option<&'a str>) -> At<'a> {
    At { pass, stage, deadline: policy.deadline(), queue_id }
}

async fn front_mail<P: Policy>(
    shell: &Shell<P>,
    cx: &mut Context<FrontSession<P>>,
    mail: Vec<CString>,
) -> Status {
    forget_front(cx);
    let policy = shell.policy();
    let at = at(&*policy, Pass::Front, Stage::Mail, None);
    let failed = shell.step(at, || ()).await.is_none();
    let session = cx.data.get_or_insert_with(FrontSession::default);
    session.message = Some(Front { policy, mail, ours: None, size: 0, failed });
    Status::Noreply
}

async fn front_rcpt<P: Policy>(
    shell: &Shell<P>,
    cx: &mut Context<FrontSession<P>>,
    args: Vec<CString>,
) -> Status {
    let macros = &cx.macros;
    let message = cx.data.as_mut().and_then(|session| session.message.as_mut());
    let Some(front) = message.filter(|front| !front.failed) else {
        return Status::Noreply;
    };
    let at = at(&*front.policy, Pass::Front, Stage::Rcpt, None);
    let taken = shell.step(at, || front.rcpt(macros, args)).await;
    front.failed = taken.is_none();
    if front.size > MAX_RECIPIENTS {
        front.failed = true;
        let pass = Pass::Front;
        shell.notices().tell(&Notice::TooLarge { pass });
    }
    Status::Noreply
}

impl<P: Policy> Front<P> {
    fn rcpt(&mut self, macros: &Macros, args: Vec<CString>) {
        let resolved = resolved(macros, &args);
        if !self.policy.concerns(&resolved) {
            return;
        }
        let ours = self.ours.get_or_insert_with(|| {
            let mail = std::mem::take(&mut self.mail);
            Box::new(self.policy.front(opening(mail, origin(macros))))
        });
        let (recipient, size) = recipient(resolved, args);
        self.size += size;
        ours.rcpt(recipient);
    }
}

async fn front_data<P: Policy>(shell: &Shell<P>, cx: &mut Context<FrontSession<P>>) -> Status {
    if cx.data.as_ref().is_some_and(|session| !session.answers_data) {
        return Status::Noreply;
    }
    let message = cx.data.as_mut().and_then(|session| session.message.as_mut());
    let Some(front) = message else {
        return out_of_order(shell, Pass::Front, Stage::Data, &mut cx.reply);
    };
    let at = at(&*front.policy, Pass::Front, Stage::Data, None);
    let step = shell.step(at, || front.policy.accept_early()).await;
    let status = match step {
        Some(accept_early) if !front.failed => {
            if front.ours.is_some() || !accept_early {
                return Status::Continue;
            }
            Status::Accept
        }
        _ => execute::try_again(&mut cx.reply),
    };
    forget_front(cx);
    status
}

async fn front_eom<P: Policy>(shell: &Shell<P>, cx: &mut EomContext<FrontSession<P>>) -> Status {
    let Some(front) = cx.data.as_mut().and_then(|session| session.message.take()) else {
        return out_of_order(shell, Pass::Front, Stage::Eom, &mut cx.reply);
    };
    if front.failed {
        return execute::try_again(&mut cx.reply);
    }
    let policy = front.policy;
    let ours = front.ours;
    let decide = |queue_id: Option<&str>| ours.map(|ours| ours.finish(queue_id));
    conclude(shell, &policy, Pass::Front, cx, decide).await
}

async fn handoff_mail<P: Policy>(
    shell: &Shell<P>,
    cx: &mut Context<Handoff<P>>,
    mail: Vec<CString>,
) -> Status {
    cx.data = None;
    let policy = shell.policy();
    let at = at(&*policy, Pass::Handoff, Stage::Mail, None);
    let origin = Origin { server: server(&cx.macros), ..Origin::default() };
    let begin = || policy.handoff(opening(mail, origin));
    let message = shell.step(at, begin).await;
    cx.data = Some(Whole { policy, message });
    Status::Noreply
}

async fn handoff_rcpt<P: Policy>(
    shell: &Shell<P>,
    cx: &mut Context<Handoff<P>>,
    args: Vec<CString>,
) -> Status {
    let macros = &cx.macros;
    let Some(handoff) = cx.data.as_mut() else {
        return out_of_order(shell, Pass::Handoff, Stage::Rcpt, &mut cx.reply);
    };
    let at = at(&*handoff.policy, Pass::Handoff, Stage::Rcpt, None);
    let take = |message: &mut P::Handoff| {
        let (recipient, _) = recipient(resolved(macros, &args), args);
        message.rcpt(recipient)
    };
    match handoff.step(shell, at, take).await {
        Some(Ok(())) => Status::Continue,
        Some(Err(reply)) => execute::reply(reply, &mut cx.reply),
        None => execute::try_again(&mut cx.reply),
    }
}

async fn handoff_header<P: Policy>(
    shell: &Shell<P>,
    cx: &mut Context<Handoff<P>>,
    name: CString,
    body: CString,
) -> Status {
    if let Some(handoff) = &mut cx.data {
        let at = at(&*handoff.policy, Pass::Handoff, Stage::Header, None);
        let take = |message: &mut P::Handoff| message.field(name.as_bytes(), body.as_bytes());
        handoff.step(shell, at, take).await;
    }
    Status::Noreply
}

async fn handoff_body<P: Policy>(
    shell: &Shell<P>,
    cx: &mut Context<Handoff<P>>,
    piece: &[u8],
) -> Status {
    let Some(handoff) = cx.data.as_mut() else {
        return out_of_order(shell, Pass::Handoff, Stage::Body, &mut cx.reply);
    };
    let at = at(&*handoff.policy, Pass::Handoff, Stage::Body, None);
    if let Some(message) = &mut handoff.message {
        shell.reading(at, message.look()).await;
    }
    let take = |message: &mut P::Handoff| {
        if message.wants_body() {
            message.body(piece);
        }
        message.wants_body()
    };
    match handoff.step(shell, at, take).await {
        Some(true) => Status::Continue,
        Some(false) => Status::Skip,
        None => {
            cx.data = None;
            execute::try_again(&mut cx.reply)
        }
    }
}

async fn handoff_eom<P: Policy>(shell: &Shell<P>, cx: &mut EomContext<Handoff<P>>) -> Status {
    let Some(handoff) = cx.data.take() else {
        return out_of_order(shell, Pass::Handoff, Stage::Eom, &mut cx.reply);
    };
    let Some(mut message) = handoff.message else {
        return execute::try_again(&mut cx.reply);
    };
    let queue_id = text(&cx.macros, c"i");
    let queue_id = queue_id.as_deref();
    let at = at(&*handoff.policy, Pass::Handoff, Stage::Eom, queue_id);
    shell.reading(at, message.read(queue_id)).await;
    let decide = |queue_id: Option<&str>| Some(message.finish(queue_id));
    conclude(shell, &handoff.policy, Pass::Handoff, cx, decide).await
}

impl<P: Policy, M> Whole<P, M> {
    /// Takes a step with the message. If that fails the message is given up.
    async fn step<T>(
        &mut self,
        shell: &Shell<P>,
        at: At<'_>,
        work: impl FnOnce(&mut M) -> T,
    ) -> Option<T> {
        let message = self.message.as_mut()?;
        let done = shell.step(at, || work(message)).await;
        if done.is_none() {
            self.message = None;
        }
        done
    }
}

/// Decides, carries the plan out and has it recorded. Without a decision the message goes on as it
/// is.
async fn conclude<P: Policy, T: Send>(
    shell: &Shell<P>,
    policy: &P,
    pass: Pass,
    cx: &mut EomContext<T>,
    decide: impl FnOnce(Option<&str>) -> Option<(Plan, P::Record)>,
) -> Status {
    let queue_id = text(&cx.macros, c"i");
    let queue_id = queue_id.as_deref();
    let at_eom = at(policy, pass, Stage::Eom, queue_id);
    let (plan, record) = match shell.step(at_eom, || decide(queue_id)).await {
        Some(Some(decision)) => decision,
        Some(None) => return Status::Continue,
        None => return execute::try_again(&mut cx.reply),
    };
    let at_edit = at(policy, pass, Stage::Edited, queue_id);
    let edit = async {
        let edited = execute::edit(&plan, &cx.actions).await;
        shell.hook(at_edit).await;
        edited
    };
    let edited = match shell.guard(at_edit, edit).await {
        Some(Ok(())) => Ok(()),
        Some(Err(error)) => {
            let error = error.to_string();
            shell.notices().tell(&Notice::Edit {
                pass,
                queue_id: queue_id.map(str::to_owned),
                error: error.clone(),
            });
            Err(error)
        }
        None => Err("edits not made in time".to_owned()),
    };
    let status = match &edited {
        Ok(()) => execute::reply(plan.reply(), &mut cx.reply),
        Err(_) => execute::try_again(&mut cx.reply),
    };
    // A record that fails is a loss to be told, and none to the message.
    let recorded = async { policy.record(record, edited) };
    shell.guard(at_edit, recorded).await;
    status
}

fn out_of_order<P: Policy>(
    shell: &Shell<P>,
    pass: Pass,
    stage: Stage,
    texts: &mut impl indymilter::SetErrorReply,
) -> Status {
    shell.notices().tell(&Notice::OutOfOrder { pass, stage });
    execute::try_again(texts)
}
