//! `resend`: sends the copy of a mail to its recruiting system once more.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Args;
use jiff::Timestamp;

use super::{ConfigArg, Exit, answer, load, say};
use crate::config::Config;
use crate::journal::{Action, Entry, Pass};
use crate::ledger::{self, Access, Needle};
use crate::mail::{Address, Orcpt};
use crate::policy::outcome::Outcome;
use crate::policy::resend::{Original, original};
use crate::policy::token::{Flags, Handoff, TokenId, Way};
use crate::submit::{self, Content, Submission, submit};

#[derive(Debug, Args)]
pub(super) struct ResendArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// A mail as it lies in the mailbox, or the report with which it came back; `-` for standard
    /// input.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// The recruiting address, where the mail does not tell.
    #[arg(long, value_name = "ADDRESS")]
    address: Option<String>,
    /// The token of the copy that failed: what becomes of it is known under the same name then.
    #[arg(long, value_name = "TOKEN")]
    token: Option<String>,
    /// Send it though its copy was delivered already: the system gets it twice.
    #[arg(long)]
    force: bool,
    /// Say what would be sent, and send nothing.
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn resend(args: &ResendArgs) -> Exit {
    let config = match load(&args.config.config) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    let token = match args.token.as_deref().map(|text| (text, TokenId::parse(text))) {
        Some((text, None)) => {
            say(&format!("error: {text:?} is not a token\n  = recruit-milter list shows them"));
            return Exit::Usage;
        }
        Some((_, token)) => token,
        None => None,
    };
    if token.is_some() && args.files.len() > 1 {
        say("error: a token is that of one mail");
        return Exit::Usage;
    }
    if let Some(exit) = token.and_then(|token| delivered_already(&config, token, args.force)) {
        return exit;
    }
    let mut worst = Exit::Ok;
    for file in &args.files {
        if let Err(exit) = one(&config, args, file, token) {
            worst = exit;
        }
    }
    worst
}

/// Whether the ledger says that the copy has arrived.
fn delivered_already(config: &Config, token: TokenId, force: bool) -> Option<Exit> {
    let mut ledger = ledger::open(config, Access::Read).ok()?;
    let copies = ledger.find(&Needle::Token(token.to_string())).ok()?;
    let delivered = copies.iter().any(|copy| copy.state == Outcome::Delivered);
    if !delivered || force {
        return None;
    }
    say(&format!(
        "error: the copy {token} was delivered already\n  = --force sends it a second time"
    ));
    Some(Exit::NotWorking)
}

fn one(
    config: &Config,
    args: &ResendArgs,
    file: &Path,
    token: Option<TokenId>,
) -> Result<(), Exit> {
    let shown = file.display();
    let bytes = read(file).map_err(|error| {
        say(&format!("error: {shown}: {error}"));
        Exit::NoInput
    })?;
    let found = original(&bytes, &config.rules).map_err(|why| {
        say(&format!("error: {shown}: {why}"));
        Exit::Data
    })?;
    let address = address(config, args, &found).map_err(|why| {
        say(&format!("error: {shown}: {why}"));
        Exit::Usage
    })?;
    let token = token.or_else(new_token).ok_or(Exit::Os)?;
    let from = found.sender.printable();
    if args.dry_run {
        let octets = found.message.len();
        answer(&format!("{shown}: {octets} octets from <{from}> for {address}; nothing was sent"));
        return Ok(());
    }
    // The mailbox has it: that is where it was taken from.
    let flags = Flags { kept: true, ..Flags::default() };
    let handoff = Handoff { way: Way::Forward, id: token, flags, leader: [0; 4] };
    let sent = send(config, &found, &handoff, &address);
    match sent {
        Ok(said) => {
            record(config, &address, token, &said);
            answer(&format!("{shown}: sent once more for {address}, token {token}: {said}"));
            Ok(())
        }
        Err(error) => {
            say(&format!("error: {shown}: not sent: {}", submit::words(&error)));
            Err(if error.is_permanent() { Exit::NotWorking } else { Exit::TryAgain })
        }
    }
}

fn read(file: &Path) -> std::io::Result<Vec<u8>> {
    if file != Path::new("-") {
        return fs::read(file);
    }
    let mut bytes = Vec::new();
    std::io::stdin().read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn address(config: &Config, args: &ResendArgs, found: &Original) -> Result<Address, String> {
    let Some(text) = &args.address else {
        return found
            .address
            .as_ref()
            .map(Address::in_ascii)
            .ok_or_else(|| "it names no recruiting address: say which with --address".into());
    };
    let address = Address::parse(text).map_err(|error| error.to_string())?;
    if config.rules.lookup(text).is_none() {
        return Err(format!("{text} is not a recruiting address of the configuration"));
    }
    Ok(address.in_ascii())
}

fn new_token() -> Option<TokenId> {
    let mut nonce = [0; 6];
    getrandom::fill(&mut nonce).ok()?;
    Some(TokenId { time: u32::try_from(Timestamp::now().as_second()).ok()?, nonce })
}

/// Hands it to the second smtpd, as Postfix hands over what pass 1 made.
fn send(
    config: &Config,
    found: &Original,
    handoff: &Handoff,
    address: &Address,
) -> Result<String, submit::Error> {
    let local = handoff.local_part(&config.keys, address).ok_or(submit::Error::Recipient)?;
    let recipient = Address::parse(&format!("{local}@{}", config.rules.handoff_domain))
        .map_err(|_| submit::Error::Recipient)?;
    let orcpt = Orcpt::new(address.clone());
    let submission = Submission {
        sender: &found.sender,
        recipient: &recipient,
        orcpt: Some(&orcpt),
        smtputf8: false,
        content: Content::new(&found.message)?,
    };
    let runtime = super::runtime().map_err(submit::Error::Unreachable)?;
    runtime.block_on(submit(config.handoff.smtpd, &submission))
}

fn record(config: &Config, address: &Address, token: TokenId, said: &str) {
    let mut entry = Entry::new(Timestamp::now(), Pass::Agent, Action::Resent);
    entry.address = Some(config.rules.known_as(address.as_str()));
    entry.token = Some(token.to_string());
    entry.queue_id = said.rsplit_once("queued as ").map(|(_, id)| id.trim().to_owned());
    let system = config.rules.lookup(address.as_str()).map(|(_, rule)| config.rules.system(rule));
    entry.system = system.map(|system| system.id.clone());
    let kept = ledger::open(config, Access::Write)
        .and_then(|mut ledger| ledger.record(&ledger::host_of(config), &entry));
    if let Err(error) = kept {
        say(&format!("warning: not kept in the ledger: {error}"));
    }
}
