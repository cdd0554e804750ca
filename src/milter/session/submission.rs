//! The callbacks of the submission socket: outgoing mail.
//!
//! Must not know why anything is decided.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::ffi::CString;
use std::future::ready;
use std::sync::Arc;

use indymilter::{
    Actions, Callbacks, Context, EomContext, MacroStage, NegotiateContext, ProtoOpts, Status,
};

use super::{
    NO_MACROS, Whole, at, conclude, forget, negotiate, opening, origin, out_of_order, recipient,
    resolved, text, unknown,
};
use crate::milter::execute;
use crate::milter::seam::{Pass, Policy, Stage, SubmissionMessage};
use crate::milter::shell::Shell;

/// What a session of the submission socket asks for. Who may send is decided at MAIL, RCPT and the
/// end of the message.
// Postfix: passes the header on when it has the whole message, so an answer at its end would come no
// earlier than one at the end of the message.
const SUBMISSION_OPTS: ProtoOpts = ProtoOpts::NO_CONNECT
    .union(ProtoOpts::NO_HELO)
    .union(ProtoOpts::NOREPLY_DATA)
    .union(ProtoOpts::NO_EOH)
    .union(ProtoOpts::NO_BODY)
    .union(ProtoOpts::NOREPLY_HEADER)
    .union(ProtoOpts::LEADING_SPACE);

/// An outgoing message.
pub(in crate::milter) type Submission<P> = Whole<P, <P as Policy>::Submission>;

/// The callbacks of the submission socket.
pub(in crate::milter) fn submission<P: Policy>(shell: &Arc<Shell<P>>) -> Callbacks<Submission<P>> {
    let [negotiate, mail, rcpt, header, eom, asked] = std::array::from_fn(|_| Arc::clone(shell));
    Callbacks::new()
        .on_negotiate(move |cx, actions, opts| {
            let shell = Arc::clone(&negotiate);
            Box::pin(async move { negotiate_submission(&shell, cx, actions, opts).await })
        })
        .on_mail(move |cx, args| {
            let shell = Arc::clone(&mail);
            Box::pin(async move { submission_mail(&shell, cx, args).await })
        })
        .on_rcpt(move |cx, args| {
            let shell = Arc::clone(&rcpt);
            Box::pin(async move { submission_rcpt(&shell, cx, args).await })
        })
        // See `FRONT_OPTS`.
        .on_data(|_| Box::pin(ready(Status::Noreply)))
        .on_header(move |cx, name, value| {
            let shell = Arc::clone(&header);
            Box::pin(async move { submission_header(&shell, cx, name, value).await })
        })
        .on_eom(move |cx| {
            let shell = Arc::clone(&eom);
            Box::pin(async move { submission_eom(&shell, cx).await })
        })
        .on_unknown(move |cx, command| {
            let shell = Arc::clone(&asked);
            Box::pin(async move { unknown(&shell, cx, Pass::Submission, command).await })
        })
        .on_abort(|cx| forget(cx))
        .on_close(|cx| forget(cx))
}

async fn negotiate_submission<P: Policy>(
    shell: &Shell<P>,
    cx: &mut NegotiateContext<Submission<P>>,
    actions: Actions,
    opts: ProtoOpts,
) -> Status {
    let macros = [
        (MacroStage::Connect, NO_MACROS),
        (MacroStage::Helo, NO_MACROS),
        // The address is there always: see `negotiate_front`.
        (MacroStage::Mail, c"{auth_authen} {client_addr}"),
        (MacroStage::Rcpt, c"{rcpt_addr} {rcpt_mailer}"),
        (MacroStage::Data, NO_MACROS),
        (MacroStage::Eoh, NO_MACROS),
        (MacroStage::Eom, c"i"),
    ];
    let at = at(&*shell.policy(), Pass::Submission, Stage::Negotiate, None);
    let (actions, opts) = ((execute::SUBMISSION_ACTIONS, actions), (SUBMISSION_OPTS, opts));
    negotiate(shell, cx, at, actions, opts, &macros).await
}

async fn submission_mail<P: Policy>(
    shell: &Shell<P>,
    cx: &mut Context<Submission<P>>,
    mail: Vec<CString>,
) -> Status {
    cx.data = None;
    let policy = shell.policy();
    let at = at(&*policy, Pass::Submission, Stage::Mail, None);
    let opening = opening(mail, origin(&cx.macros));
    match shell.step(at, || policy.submission(opening)).await {
        Some(Ok(message)) => {
            cx.data = Some(Whole { policy, message: Some(message) });
            Status::Continue
        }
        Some(Err(reply)) => execute::reply(reply, &mut cx.reply),
        None => execute::try_again(&mut cx.reply),
    }
}

async fn submission_rcpt<P: Policy>(
    shell: &Shell<P>,
    cx: &mut Context<Submission<P>>,
    args: Vec<CString>,
) -> Status {
    let macros = &cx.macros;
    let Some(submission) = cx.data.as_mut() else {
        return out_of_order(shell, Pass::Submission, Stage::Rcpt, &mut cx.reply);
    };
    let at = at(&*submission.policy, Pass::Submission, Stage::Rcpt, None);
    let take = |message: &mut P::Submission| {
        let (recipient, _) = recipient(resolved(macros, &args), args);
        message.rcpt(recipient, text(macros, c"{rcpt_mailer}").as_deref())
    };
    match submission.step(shell, at, take).await {
        Some(Ok(())) => Status::Continue,
        Some(Err(reply)) => execute::reply(reply, &mut cx.reply),
        None => execute::try_again(&mut cx.reply),
    }
}

async fn submission_header<P: Policy>(
    shell: &Shell<P>,
    cx: &mut Context<Submission<P>>,
    name: CString,
    body: CString,
) -> Status {
    if let Some(submission) = &mut cx.data {
        let at = at(&*submission.policy, Pass::Submission, Stage::Header, None);
        let take = |message: &mut P::Submission| message.field(name.as_bytes(), body.as_bytes());
        submission.step(shell, at, take).await;
    }
    Status::Noreply
}

async fn submission_eom<P: Policy>(shell: &Shell<P>, cx: &mut EomContext<Submission<P>>) -> Status {
    let Some(submission) = cx.data.take() else {
        return out_of_order(shell, Pass::Submission, Stage::Eom, &mut cx.reply);
    };
    let Some(message) = submission.message else {
        return execute::try_again(&mut cx.reply);
    };
    let decide = |queue_id: Option<&str>| Some(message.finish(queue_id));
    conclude(shell, &submission.policy, Pass::Submission, cx, decide).await
}
