//! The callbacks of the submission socket: outgoing mail.
//!
//! Must not know why anything is decided.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::ffi::CString;
use std::future::ready;
use std::sync::Arc;

use indymilter::{Callbacks, Context, MacroStage, ProtoOpts, Status};

use super::envelope::{opening, origin};
use super::steps::{NO_MACROS, Terms, at};
use super::whole::{self, WholeDialogue};
use crate::milter::decide::Decide;
use crate::milter::execute;
use crate::milter::shell::Shell;
use crate::milter::stage::{Pass, Stage};

/// What a session asks for. Who may send is decided at MAIL, RCPT and the end of the message.
// Postfix: passes the header on when it has the whole message, so an answer at its end would come no
// earlier than one at the end of the message.
const TERMS: Terms = Terms {
    actions: execute::SUBMISSION_ACTIONS,
    opts: ProtoOpts::NO_CONNECT
        .union(ProtoOpts::NO_HELO)
        .union(ProtoOpts::NOREPLY_DATA)
        .union(ProtoOpts::NO_EOH)
        .union(ProtoOpts::NO_BODY)
        .union(ProtoOpts::NOREPLY_HEADER)
        .union(ProtoOpts::LEADING_SPACE),
    macros: &[
        (MacroStage::Connect, NO_MACROS),
        (MacroStage::Helo, NO_MACROS),
        // The address is there always: see the front socket.
        (MacroStage::Mail, c"{auth_authen} {client_addr}"),
        (MacroStage::Rcpt, c"{rcpt_addr} {rcpt_mailer}"),
        (MacroStage::Data, NO_MACROS),
        (MacroStage::Eoh, NO_MACROS),
        (MacroStage::Eom, c"i"),
    ],
};

/// The dialogue about an outgoing message.
type Dialogue<D> = WholeDialogue<D, <D as Decide>::Submission>;

/// The callbacks of the submission socket.
pub(in crate::milter) fn callbacks<D: Decide>(shell: &Arc<Shell<D>>) -> Callbacks<Dialogue<D>> {
    let begin = Arc::clone(shell);
    whole::callbacks(shell, Pass::Submission, &TERMS)
        .on_mail(move |cx, args| {
            let shell = Arc::clone(&begin);
            Box::pin(async move { mail(&shell, cx, args).await })
        })
        // DATA is wanted for the same reason as on the front socket, and needs no answer.
        .on_data(|_| Box::pin(ready(Status::Noreply)))
}

async fn mail<D: Decide>(
    shell: &Shell<D>,
    cx: &mut Context<Dialogue<D>>,
    args: Vec<CString>,
) -> Status {
    cx.data = None;
    let decider = shell.current();
    let at = at(&*decider, Pass::Submission, Stage::Mail, None);
    let opening = opening(args, origin(&cx.macros));
    match shell.step(at, || decider.submission(opening)).await {
        Some(Ok(message)) => {
            cx.data = Some(WholeDialogue { decider, message: Some(message) });
            Status::Continue
        }
        Some(Err(reply)) => execute::reply(reply, &mut cx.reply),
        None => execute::try_again(&mut cx.reply),
    }
}
