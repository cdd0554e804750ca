//! The callbacks of the front socket: pass 1.
//!
//! Must not know why anything is decided.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::ffi::CString;
use std::future::ready;
use std::sync::Arc;

use indymilter::{
    Actions, Callbacks, Context, EomContext, MacroStage, Macros, NegotiateContext, ProtoOpts,
    Status,
};

use super::envelope::{opening, origin, recipient, resolved};
use super::steps::{NO_MACROS, Terms, at, conclude, negotiate, out_of_order, unknown};
use crate::milter::decide::{Decide, FrontMessage};
use crate::milter::execute;
use crate::milter::notice::Notice;
use crate::milter::shell::Shell;
use crate::milter::stage::{Pass, Stage};

/// How many octets of recipients are kept for one message. Postfix's `smtpd_recipient_limit` lets a
/// thousand recipients in, which are a quarter of this at their longest.
const MAX_RECIPIENTS: usize = 1024 * 1024;

/// What a session asks for, besides an answer to DATA: see [`begin`].
///
/// DATA itself has to come since there are commands that the MTA does not know (see [`unknown`]): the
/// library takes no end of a message right after one of these, and would leave it without an answer.
const TERMS: Terms = Terms {
    actions: execute::FRONT_ACTIONS,
    opts: ProtoOpts::NO_CONNECT
        .union(ProtoOpts::NO_HELO)
        .union(ProtoOpts::NO_HEADER)
        .union(ProtoOpts::NO_EOH)
        .union(ProtoOpts::NO_BODY)
        .union(ProtoOpts::NOREPLY_MAIL)
        .union(ProtoOpts::NOREPLY_RCPT),
    macros: &[
        (MacroStage::Connect, NO_MACROS),
        (MacroStage::Helo, NO_MACROS),
        // The address is the same for the whole session. Being there always, it makes the list for
        // each MAIL replace the one before, so that no login outlives its message.
        (MacroStage::Mail, c"{auth_authen} {client_addr}"),
        (MacroStage::Rcpt, c"{rcpt_addr}"),
        (MacroStage::Data, NO_MACROS),
        (MacroStage::Eom, c"i"),
    ],
};

/// The dialogue about a message in pass 1.
struct FrontDialogue<D: Decide> {
    decider: Arc<D>,
    /// MAIL FROM as received.
    mail: Vec<CString>,
    /// None until a recipient concerns us: all other mail costs no more than that.
    ours: Option<Box<D::Front>>,
    /// The octets of recipients kept.
    size: usize,
    failed: bool,
}

/// A session of pass 1.
pub(in crate::milter) struct FrontSession<D: Decide> {
    /// Whether an answer to DATA was negotiated.
    answers_data: bool,
    message: Option<FrontDialogue<D>>,
}

impl<D: Decide> Default for FrontSession<D> {
    fn default() -> Self {
        Self { answers_data: true, message: None }
    }
}

/// The callbacks of the front socket.
pub(in crate::milter) fn callbacks<D: Decide>(shell: &Arc<Shell<D>>) -> Callbacks<FrontSession<D>> {
    let [start, sender, to, data_asked, end, asked] = std::array::from_fn(|_| Arc::clone(shell));
    Callbacks::new()
        .on_negotiate(move |cx, actions, opts| {
            let shell = Arc::clone(&start);
            Box::pin(async move { begin(&shell, cx, (actions, opts)).await })
        })
        .on_mail(move |cx, args| {
            let shell = Arc::clone(&sender);
            Box::pin(async move { mail(&shell, cx, args).await })
        })
        .on_rcpt(move |cx, args| {
            let shell = Arc::clone(&to);
            Box::pin(async move { rcpt(&shell, cx, args).await })
        })
        .on_data(move |cx| {
            let shell = Arc::clone(&data_asked);
            Box::pin(async move { data(&shell, cx).await })
        })
        .on_eom(move |cx| {
            let shell = Arc::clone(&end);
            Box::pin(async move { eom(&shell, cx).await })
        })
        .on_unknown(move |cx, command| {
            let shell = Arc::clone(&asked);
            Box::pin(async move { unknown(&shell, cx, Pass::Front, command).await })
        })
        .on_abort(|cx| {
            forget(cx);
            Box::pin(ready(Status::Continue))
        })
        .on_close(|cx| {
            forget(cx);
            Box::pin(ready(Status::Continue))
        })
}

/// Lets go of the message, not of what was negotiated.
fn forget<D: Decide>(cx: &mut Context<FrontSession<D>>) {
    if let Some(session) = &mut cx.data {
        session.message = None;
    }
}

async fn begin<D: Decide>(
    shell: &Shell<D>,
    cx: &mut NegotiateContext<FrontSession<D>>,
    offered: (Actions, ProtoOpts),
) -> Status {
    // An answer to DATA is of use only where a message can end there. Without it a message costs one
    // round trip.
    let answers_data = shell.current().accept_early();
    let mut terms = TERMS;
    terms.opts.set(ProtoOpts::NOREPLY_DATA, !answers_data);
    cx.data = Some(FrontSession { answers_data, message: None });
    negotiate(shell, cx, Pass::Front, &terms, offered).await
}

async fn mail<D: Decide>(
    shell: &Shell<D>,
    cx: &mut Context<FrontSession<D>>,
    args: Vec<CString>,
) -> Status {
    forget(cx);
    let decider = shell.current();
    let at = at(&*decider, Pass::Front, Stage::Mail, None);
    let failed = shell.step(at, || ()).await.is_none();
    let session = cx.data.get_or_insert_with(FrontSession::default);
    session.message = Some(FrontDialogue { decider, mail: args, ours: None, size: 0, failed });
    Status::Noreply
}

async fn rcpt<D: Decide>(
    shell: &Shell<D>,
    cx: &mut Context<FrontSession<D>>,
    args: Vec<CString>,
) -> Status {
    let macros = &cx.macros;
    let message = cx.data.as_mut().and_then(|session| session.message.as_mut());
    let Some(front) = message.filter(|front| !front.failed) else {
        return Status::Noreply;
    };
    let at = at(&*front.decider, Pass::Front, Stage::Rcpt, None);
    let taken = shell.step(at, || front.rcpt(macros, args)).await;
    front.failed = taken.is_none();
    if front.size > MAX_RECIPIENTS {
        front.failed = true;
        let pass = Pass::Front;
        shell.notices().tell(&Notice::TooLarge { pass });
    }
    Status::Noreply
}

impl<D: Decide> FrontDialogue<D> {
    fn rcpt(&mut self, macros: &Macros, args: Vec<CString>) {
        let resolved = resolved(macros, &args);
        if !self.decider.concerns(&resolved) {
            return;
        }
        let ours = self.ours.get_or_insert_with(|| {
            let mail = std::mem::take(&mut self.mail);
            Box::new(self.decider.front(opening(mail, origin(macros))))
        });
        let (recipient, size) = recipient(resolved, args);
        self.size += size;
        ours.rcpt(recipient);
    }
}

async fn data<D: Decide>(shell: &Shell<D>, cx: &mut Context<FrontSession<D>>) -> Status {
    if cx.data.as_ref().is_some_and(|session| !session.answers_data) {
        return Status::Noreply;
    }
    let message = cx.data.as_mut().and_then(|session| session.message.as_mut());
    let Some(front) = message else {
        return out_of_order(shell, Pass::Front, Stage::Data, &mut cx.reply);
    };
    let at = at(&*front.decider, Pass::Front, Stage::Data, None);
    let step = shell.step(at, || front.decider.accept_early()).await;
    let status = match step {
        Some(accept_early) if !front.failed => {
            if front.ours.is_some() || !accept_early {
                return Status::Continue;
            }
            Status::Accept
        }
        _ => execute::try_again(&mut cx.reply),
    };
    forget(cx);
    status
}

async fn eom<D: Decide>(shell: &Shell<D>, cx: &mut EomContext<FrontSession<D>>) -> Status {
    let Some(front) = cx.data.as_mut().and_then(|session| session.message.take()) else {
        return out_of_order(shell, Pass::Front, Stage::Eom, &mut cx.reply);
    };
    if front.failed {
        return execute::try_again(&mut cx.reply);
    }
    let ours = front.ours;
    let decide = |queue_id: Option<&str>| ours.map(|ours| ours.finish(queue_id));
    conclude(shell, &front.decider, Pass::Front, cx, decide).await
}
