//! What the sessions of all three sockets have in common: how they begin, how a message is concluded,
//! and the answer to whoever asks if we are here.
//!
//! Must not know why anything is decided.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::ffi::{CStr, CString};

use indymilter::{
    Actions, Context, EomContext, MacroStage, NegotiateContext, ProtoOpts, SetErrorReply, Status,
};

use super::envelope::text;
use crate::milter::decide::Decide;
use crate::milter::execute;
use crate::milter::notice::Notice;
use crate::milter::shell::{At, Shell};
use crate::milter::stage::{Pass, Stage};
use crate::plan::{Plan, Reply, ReplyText};

/// What a session asks of the MTA when it begins.
pub(super) struct Terms {
    pub(super) actions: Actions,
    pub(super) opts: ProtoOpts,
    pub(super) macros: &'static [(MacroStage, &'static CStr)],
}

/// Asks for no macros at a stage.
// Postfix: where a milter asks for nothing, or with an empty list, the lists of its own settings
// are sent (119 octets at connect). So we ask for one that does not exist.
pub(super) const NO_MACROS: &CStr = c"-";

/// Asks for its terms out of what is offered. Where something is missing the session ends, and the
/// admin is told what: the library says so at its trace level only.
pub(super) async fn negotiate<D: Decide, T: Send>(
    shell: &Shell<D>,
    cx: &mut NegotiateContext<T>,
    pass: Pass,
    terms: &Terms,
    (offered_actions, offered_opts): (Actions, ProtoOpts),
) -> Status {
    let missing_actions = terms.actions.difference(offered_actions);
    let missing_opts = terms.opts.difference(offered_opts);
    let missing: Vec<&str> = missing_actions
        .iter_names()
        .map(|(name, _)| name)
        .chain(missing_opts.iter_names().map(|(name, _)| name))
        .collect();
    if !missing.is_empty() {
        let missing = missing.join(", ");
        shell.notices().tell(&Notice::Negotiation { pass, missing });
    }
    cx.requested_actions = terms.actions;
    cx.requested_opts = terms.opts;
    let macros = terms.macros.iter();
    cx.requested_macros = macros.map(|(stage, list)| (*stage, (*list).to_owned())).collect();
    let at = at(&*shell.current(), pass, Stage::Negotiate, None);
    match shell.step(at, || ()).await {
        Some(()) => Status::Continue,
        // No answer to a negotiation: the library ends the session, and Postfix defers.
        None => Status::Tempfail,
    }
}

/// Where a step is, with the deadline of who decides.
pub(super) fn at<'a, D: Decide>(
    decider: &D,
    pass: Pass,
    stage: Stage,
    queue_id: Option<&'a str>,
) -> At<'a> {
    At { pass, stage, deadline: decider.deadline(), queue_id }
}

/// Answers the question whether we are here, which is of no message. Any other command that the MTA does
/// not know is answered by the MTA.
pub(super) async fn unknown<D: Decide, T: Send>(
    shell: &Shell<D>,
    cx: &mut Context<T>,
    pass: Pass,
    command: CString,
) -> Status {
    let decider = shell.current();
    let at = at(&*decider, pass, Stage::Negotiate, None);
    match shell.guard(at, async { decider.is_asked_for(command.as_bytes()) }).await {
        Some(true) => execute::reply(Reply::Tempfail(ReplyText::Here), &mut cx.reply),
        _ => Status::Continue,
    }
}

/// Decides, carries the plan out and has it recorded. Without a decision the message goes on as it
/// is.
pub(super) async fn conclude<D: Decide, T: Send>(
    shell: &Shell<D>,
    decider: &D,
    pass: Pass,
    cx: &mut EomContext<T>,
    decide: impl FnOnce(Option<&str>) -> Option<(Plan, D::Record)>,
) -> Status {
    let queue_id = text(&cx.macros, c"i");
    let queue_id = queue_id.as_deref();
    let at_eom = at(decider, pass, Stage::Eom, queue_id);
    let (plan, record) = match shell.step(at_eom, || decide(queue_id)).await {
        Some(Some(decision)) => decision,
        Some(None) => return Status::Continue,
        None => return execute::try_again(&mut cx.reply),
    };
    let at_edit = at(decider, pass, Stage::Edited, queue_id);
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
    let recorded = async { decider.record(record, edited) };
    shell.guard(at_edit, recorded).await;
    status
}

/// The reply to what came without a message.
pub(super) fn out_of_order<D: Decide>(
    shell: &Shell<D>,
    pass: Pass,
    stage: Stage,
    texts: &mut impl SetErrorReply,
) -> Status {
    shell.notices().tell(&Notice::OutOfOrder { pass, stage });
    execute::try_again(texts)
}
