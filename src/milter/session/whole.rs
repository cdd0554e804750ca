//! What the submission and the handoff socket have in common: the dialogue about a message of which
//! more is seen than its envelope.
//!
//! Must not know why anything is decided.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::ffi::CString;
use std::future::ready;
use std::sync::Arc;

use indymilter::{CallbackFuture, Callbacks, Context, EomContext, Status};

use super::envelope::{recipient, resolved, text};
use super::steps::{Terms, at, conclude, negotiate, out_of_order, unknown};
use crate::milter::decide::{Decide, WholeMessage};
use crate::milter::execute;
use crate::milter::shell::{At, Shell};
use crate::milter::stage::{Pass, Stage};

/// The dialogue about one message.
pub(in crate::milter) struct WholeDialogue<D, M> {
    /// By whom it is decided on, to its end.
    pub(super) decider: Arc<D>,
    /// None if a step failed.
    pub(super) message: Option<M>,
}

/// The callbacks that both have. How a message begins is left to each of them.
pub(super) fn callbacks<D, M>(
    shell: &Arc<Shell<D>>,
    pass: Pass,
    terms: &'static Terms,
) -> Callbacks<WholeDialogue<D, M>>
where
    D: Decide,
    M: WholeMessage<Record = D::Record> + 'static,
{
    let [begin, to, field, end, asked] = std::array::from_fn(|_| Arc::clone(shell));
    Callbacks::new()
        .on_negotiate(move |cx, actions, opts| {
            let shell = Arc::clone(&begin);
            Box::pin(async move { negotiate(&shell, cx, pass, terms, (actions, opts)).await })
        })
        .on_rcpt(move |cx, args| {
            let shell = Arc::clone(&to);
            Box::pin(async move { rcpt(&shell, cx, pass, args).await })
        })
        .on_header(move |cx, name, value| {
            let shell = Arc::clone(&field);
            Box::pin(async move { header(&shell, cx, pass, name, value).await })
        })
        .on_eom(move |cx| {
            let shell = Arc::clone(&end);
            Box::pin(async move { eom(&shell, cx, pass).await })
        })
        .on_unknown(move |cx, command| {
            let shell = Arc::clone(&asked);
            Box::pin(async move { unknown(&shell, cx, pass, command).await })
        })
        .on_abort(|cx| forget(cx))
        .on_close(|cx| forget(cx))
}

fn forget<T: Send>(cx: &mut Context<T>) -> CallbackFuture<'_> {
    cx.data = None;
    Box::pin(ready(Status::Continue))
}

async fn rcpt<D: Decide, M: WholeMessage>(
    shell: &Shell<D>,
    cx: &mut Context<WholeDialogue<D, M>>,
    pass: Pass,
    args: Vec<CString>,
) -> Status {
    let macros = &cx.macros;
    let Some(dialogue) = cx.data.as_mut() else {
        return out_of_order(shell, pass, Stage::Rcpt, &mut cx.reply);
    };
    let at = at(&*dialogue.decider, pass, Stage::Rcpt, None);
    let take = |message: &mut M| {
        let (recipient, _) = recipient(resolved(macros, &args), args);
        message.rcpt(recipient, text(macros, c"{rcpt_mailer}").as_deref())
    };
    match dialogue.step(shell, at, take).await {
        Some(Ok(())) => Status::Continue,
        Some(Err(reply)) => execute::reply(reply, &mut cx.reply),
        None => execute::try_again(&mut cx.reply),
    }
}

async fn header<D: Decide, M: WholeMessage>(
    shell: &Shell<D>,
    cx: &mut Context<WholeDialogue<D, M>>,
    pass: Pass,
    name: CString,
    body: CString,
) -> Status {
    if let Some(dialogue) = &mut cx.data {
        let at = at(&*dialogue.decider, pass, Stage::Header, None);
        let take = |message: &mut M| message.field(name.as_bytes(), body.as_bytes());
        dialogue.step(shell, at, take).await;
    }
    Status::Noreply
}

async fn eom<D: Decide, M: WholeMessage<Record = D::Record>>(
    shell: &Shell<D>,
    cx: &mut EomContext<WholeDialogue<D, M>>,
    pass: Pass,
) -> Status {
    let Some(dialogue) = cx.data.take() else {
        return out_of_order(shell, pass, Stage::Eom, &mut cx.reply);
    };
    let Some(mut message) = dialogue.message else {
        return execute::try_again(&mut cx.reply);
    };
    let queue_id = text(&cx.macros, c"i");
    let queue_id = queue_id.as_deref();
    let at = at(&*dialogue.decider, pass, Stage::Eom, queue_id);
    shell.reading(at, message.read(queue_id)).await;
    let decide = |queue_id: Option<&str>| Some(message.finish(queue_id));
    conclude(shell, &dialogue.decider, pass, cx, decide).await
}

impl<D: Decide, M> WholeDialogue<D, M> {
    /// Takes a step with the message. If that fails the message is given up.
    pub(super) async fn step<T>(
        &mut self,
        shell: &Shell<D>,
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
