//! The callbacks of the handoff socket: pass 2.
//!
//! Must not know why anything is decided.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::ffi::CString;
use std::sync::Arc;

use indymilter::{Callbacks, Context, MacroStage, ProtoOpts, Status};

use super::envelope::{opening, server};
use super::steps::{NO_MACROS, Terms, at, out_of_order};
use super::whole::{self, WholeDialogue};
use crate::milter::decide::{Decide, Origin, WholeMessage};
use crate::milter::execute;
use crate::milter::shell::Shell;
use crate::milter::stage::{Pass, Stage};

/// What a session asks for.
const TERMS: Terms = Terms {
    actions: execute::HANDOFF_ACTIONS,
    opts: ProtoOpts::NO_CONNECT
        .union(ProtoOpts::NO_HELO)
        .union(ProtoOpts::NO_DATA)
        .union(ProtoOpts::NO_EOH)
        .union(ProtoOpts::NOREPLY_MAIL)
        .union(ProtoOpts::NOREPLY_HEADER)
        .union(ProtoOpts::LEADING_SPACE)
        .union(ProtoOpts::SKIP),
    macros: &[
        (MacroStage::Connect, NO_MACROS),
        (MacroStage::Helo, NO_MACROS),
        (MacroStage::Mail, c"{daemon_addr} {daemon_port}"),
        (MacroStage::Rcpt, c"{rcpt_addr}"),
        (MacroStage::Data, NO_MACROS),
        (MacroStage::Eoh, NO_MACROS),
        (MacroStage::Eom, c"i"),
    ],
};

/// The dialogue about a message in pass 2.
type Dialogue<D> = WholeDialogue<D, <D as Decide>::Handoff>;

/// The callbacks of the handoff socket.
pub(in crate::milter) fn callbacks<D: Decide>(shell: &Arc<Shell<D>>) -> Callbacks<Dialogue<D>> {
    let [begin, piece] = std::array::from_fn(|_| Arc::clone(shell));
    whole::callbacks(shell, Pass::Handoff, &TERMS)
        .on_mail(move |cx, args| {
            let shell = Arc::clone(&begin);
            Box::pin(async move { mail(&shell, cx, args).await })
        })
        .on_body(move |cx, octets| {
            let shell = Arc::clone(&piece);
            Box::pin(async move { body(&shell, cx, &octets).await })
        })
}

async fn mail<D: Decide>(
    shell: &Shell<D>,
    cx: &mut Context<Dialogue<D>>,
    args: Vec<CString>,
) -> Status {
    cx.data = None;
    let decider = shell.current();
    let at = at(&*decider, Pass::Handoff, Stage::Mail, None);
    let origin = Origin { server: server(&cx.macros), ..Origin::default() };
    let begin = || decider.handoff(opening(args, origin));
    let message = shell.step(at, begin).await;
    cx.data = Some(WholeDialogue { decider, message });
    Status::Noreply
}

async fn body<D: Decide>(shell: &Shell<D>, cx: &mut Context<Dialogue<D>>, piece: &[u8]) -> Status {
    let Some(dialogue) = cx.data.as_mut() else {
        return out_of_order(shell, Pass::Handoff, Stage::Body, &mut cx.reply);
    };
    let at = at(&*dialogue.decider, Pass::Handoff, Stage::Body, None);
    if let Some(message) = &mut dialogue.message {
        shell.reading(at, message.look()).await;
    }
    let take = |message: &mut D::Handoff| {
        if message.wants_body() {
            message.body(piece);
        }
        message.wants_body()
    };
    match dialogue.step(shell, at, take).await {
        Some(true) => Status::Continue,
        Some(false) => Status::Skip,
        None => {
            cx.data = None;
            execute::try_again(&mut cx.reply)
        }
    }
}
