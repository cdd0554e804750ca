//! `postfix`: what Postfix must have for this configuration; shown, applied, removed or compared.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::os::unix::net::UnixStream;

use super::{Exit, PostfixArgs, answer, load_with, say};
use crate::config::{Config, Loaded, Problems, Socket, Surroundings};
use crate::findings::Severity;
use crate::postfix::{self, Error, Instance, Site, Wanted};
use crate::way;

pub(super) fn postfix(args: &PostfixArgs) -> Exit {
    let done = if args.remove { remove(args) } else { with_config(args) };
    done.unwrap_or_else(|failure| match failure {
        Failure::Config(exit) => exit,
        Failure::Postfix(error) => {
            say(&format!("error: {}", chain(&error)));
            exit_for(&error)
        }
    })
}

enum Failure {
    Config(Exit),
    Postfix(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Postfix(error)
    }
}

fn with_config(args: &PostfixArgs) -> Result<Exit, Failure> {
    let instance = &args.config_dir.as_ref().map_or_else(Instance::system, Instance::at);
    let around = Surroundings { state: false, ..Surroundings::of_process() };
    let config = load_with(&args.config.config, &around).map_err(Failure::Config)?;
    if config.rules.is_idle() {
        say("no recruiting addresses are configured yet: nothing to do in Postfix");
        return Ok(Exit::Ok);
    }
    if args.check {
        return check(&config, instance);
    }
    let site = Site::read(instance)?;
    let wanted = Wanted::from(&config, &site)?;
    if !args.apply {
        answer(&wanted.print());
        return Ok(Exit::Ok);
    }
    let changes = postfix::diff(&site, &wanted);
    if changes.is_empty() {
        keep_place(&config, instance)?;
        answer("Postfix has all of it already: nothing changed");
        return Ok(Exit::Ok);
    }
    answer(&postfix::show(&changes));
    warn_of_silent_sockets(&config);
    postfix::apply(instance, &wanted)?;
    keep_place(&config, instance)?;
    tell_running(instance)?;
    Ok(Exit::Ok)
}

/// Keeps for `status` and the agent where Postfix asks our milter.
pub(super) fn keep_place(config: &Config, instance: &Instance) -> Result<(), Error> {
    let behind = postfix::behind(instance, config)?;
    if let Err(error) = way::keep_behind(config, behind.as_deref()) {
        // Without it they take the milter to be missing where it is behind a filter alone.
        say(&format!("warning: cannot write into {}: {error}", config.state_dir.display()));
    }
    let settings = way::settings(postfix::check(instance, config), config);
    let _ = way::keep_settings(config, instance, &settings);
    Ok(())
}

/// Postfix puts off all mail whose milter does not answer.
fn warn_of_silent_sockets(config: &Config) {
    let settings = config.listening();
    for socket in settings.front.iter().chain(&settings.submission).chain(&settings.handoff) {
        if let Socket::Unix(path) = socket
            && UnixStream::connect(path).is_err()
        {
            say(&format!(
                "warning: nobody answers at {}: until recruit-milter runs (or was restarted), mail \
                 that passes there is put off",
                path.display()
            ));
        }
    }
}

/// Removes everything of ours: from the instance that was named, else from all of this host.
fn remove(args: &PostfixArgs) -> Result<Exit, Failure> {
    let instances = match &args.config_dir {
        Some(folder) => vec![Instance::at(folder)],
        None => Instance::all(),
    };
    if instances.iter().any(|instance| handoffs_wait(args, instance)) {
        say("error: copies wait in Postfix's queue for pass 2, and would bounce unseen\n  \
             = start recruit-milter, run postqueue -f, and remove it when they are through");
        return Ok(Exit::NotWorking);
    }
    let mut had_ours = false;
    for instance in &instances {
        let changes = postfix::remove(instance)?;
        if !changes.is_empty() {
            had_ours = true;
            if let (None, Some(folder)) = (&args.config_dir, instance.config_dir()) {
                answer(&format!("In {}:", folder.display()));
            }
            answer(&postfix::show(&changes));
            tell_running(instance)?;
        }
    }
    // Whoever asks for the milter from now on shall find it missing.
    if let Ok(loaded) = configuration(args) {
        let _ = way::keep_behind(&loaded.config, None);
    }
    if !had_ours {
        answer("Postfix has nothing of ours: nothing changed");
    }
    Ok(Exit::Ok)
}

/// The configuration as far as it can be read without what it names.
fn configuration(args: &PostfixArgs) -> Result<Loaded, Problems> {
    let around = Surroundings { keys: false, sockets: false, state: false, credentials: None };
    crate::config::load_with(&args.config.config, &around)
}

/// Whether handoffs wait in the queue. Where Postfix does not run it cannot be asked.
fn handoffs_wait(args: &PostfixArgs, instance: &Instance) -> bool {
    let domain = configuration(args)
        .map_or_else(|_| ".recruit-milter.internal".to_owned(), |l| l.config.rules.handoff_domain);
    match instance.run("postqueue", &["-j"]) {
        Ok(queue) => queue.contains(&domain),
        Err(Error::Command { said, .. }) if !said.contains("ail system is down") => {
            say(&format!("warning: whether copies wait in the queue is not known: {said}"));
            false
        }
        Err(_) => false,
    }
}

fn check(config: &Config, instance: &Instance) -> Result<Exit, Failure> {
    let findings = postfix::check(instance, config)?;
    // Whoever may not write there leaves it as it is.
    let _ = way::keep_settings(config, instance, &way::settings(Ok(findings.clone()), config));
    for finding in &findings {
        answer(&finding.to_string());
    }
    match findings.iter().map(|finding| finding.severity).max() {
        None => answer("ok: Postfix has what recruit-milter needs"),
        Some(Severity::NotTested) => {
            answer("ok: Postfix has what recruit-milter needs, as far as it can be looked at");
        }
        Some(Severity::Warning | Severity::Error) => {}
    }
    let errors = findings.iter().any(|finding| finding.severity == Severity::Error);
    if !errors {
        // An admin may have moved the milter himself. Whoever may not write there has not.
        let behind = postfix::behind(instance, config)?;
        let _ = way::keep_behind(config, behind.as_deref());
    }
    Ok(if errors { Exit::NotWorking } else { Exit::Ok })
}

fn tell_running(instance: &Instance) -> Result<(), Failure> {
    say(if instance.reload()? {
        "done, and Postfix was reloaded"
    } else {
        "done; Postfix is not running"
    });
    Ok(())
}

pub(super) fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

pub(super) fn exit_for(error: &Error) -> Exit {
    match error {
        Error::NotInstalled(_) | Error::Run { .. } => Exit::Unavailable,
        Error::File { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied => {
            Exit::NoPermission
        }
        Error::File { .. } => Exit::CannotCreate,
        Error::NoSocket(_) | Error::Value { .. } | Error::Taken { .. } | Error::Occupied { .. } => {
            Exit::Config
        }
        Error::Command { .. } | Error::NotTaken(_) | Error::NotRestored { .. } => Exit::Os,
    }
}
