//! Makes changes in Postfix's configuration, all or none, and undoes them.
//!
//! Every change goes through `postconf`. Before the first one, main.cf and master.cf are saved, so
//! that removal can give back the very bytes: `postconf` keeps values, not the way they were
//! written. Where the admin has edited a file since, it is left to `postconf` to take ours out.
//!
//! Must not decide what is wanted.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fs::{self, Permissions};
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use super::change::{self, Change};
use super::error::Error;
use super::instance::Instance;
use super::names::MILTERS;
use super::site::Site;
use super::wanted::Wanted;

/// The two files of Postfix that are changed.
const CONFIGS: [&str; 2] = ["main.cf", "master.cf"];
/// How long a greeting may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// The folder, in the configuration directory, that holds them as they were before.
const SAVED: &str = "recruit-milter.saved";

/// Brings an instance to what is wanted. Returns what was changed: nothing if all was there.
///
/// If a step fails, everything is as it was before. A running Postfix goes on with its old
/// configuration until [`Instance::reload`].
pub fn apply(instance: &Instance, wanted: &Wanted) -> Result<Vec<Change>, Error> {
    let site = Site::read(instance)?;
    let changes = change::diff(&site, wanted);
    if changes.is_empty() {
        return Ok(changes);
    }
    ports_are_free(&changes)?;
    let before = Snapshot::take(&site.config_dir)?;
    let done = save_originals(&site)
        .and_then(|()| make(instance, &site.config_dir, &changes))
        .and_then(|()| before.keep_owners())
        .and_then(|()| settled(&change::diff(&Site::read(instance)?, wanted)))
        .and_then(|()| record(&site.config_dir));
    undo_unless(done, &before)?;
    Ok(changes)
}

/// Whether nobody listens yet where a new service of ours is to.
// Postfix: where master(8) cannot listen for one service it ends, and with it all mail.
fn ports_are_free(changes: &[Change]) -> Result<(), Error> {
    for change in changes {
        if let Change::Service { old: None, new: Some(service), .. } = change
            && service.kind == "inet"
            && let Ok(address) = service.name.parse()
        {
            is_free(address)?;
        }
    }
    Ok(())
}

/// Whether an address can be listened on, or Postfix still does: master.cf may have been written anew
/// since it read it.
fn is_free(address: SocketAddr) -> Result<(), Error> {
    match TcpListener::bind(address) {
        Err(source) if !greets(address) => Err(Error::Occupied { address, source }),
        _ => Ok(()),
    }
}

/// Whether whoever listens greets as a mail server.
fn greets(address: SocketAddr) -> bool {
    let greeting = || {
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut code = [0; 3];
        stream.read_exact(&mut code)?;
        io::Result::Ok(code)
    };
    greeting().is_ok_and(|code| code == *b"220")
}

/// Takes everything of ours out of an instance. Returns what was changed.
pub fn remove(instance: &Instance) -> Result<Vec<Change>, Error> {
    let site = Site::read(instance)?;
    let changes = change::undo(&site);
    let saved = site.config_dir.join(SAVED);
    if changes.is_empty() && !saved.exists() {
        return Ok(changes);
    }
    let before = Snapshot::take(&site.config_dir)?;
    let done = take_out(instance, &site, &changes)
        .and_then(|()| before.keep_owners())
        .and_then(|()| settled(&change::undo(&Site::read(instance)?)));
    undo_unless(done, &before)?;
    if saved.exists() {
        fs::remove_dir_all(&saved).map_err(at(&saved))?;
    }
    Ok(changes)
}

/// Puts back the original of a file that nobody has edited since; takes ours out of the others.
fn take_out(instance: &Instance, site: &Site, changes: &[Change]) -> Result<(), Error> {
    let dir = &site.config_dir;
    let mut restored = Vec::new();
    for name in CONFIGS {
        if is_as_we_left_it(dir, name) {
            let original = dir.join(SAVED).join(name);
            let bytes = fs::read(&original).map_err(at(&original))?;
            replace(&dir.join(name), &bytes)?;
            restored.push(name);
        }
    }
    let left = changes.iter().filter(|change| !restored.contains(&change.place()));
    make(instance, dir, &left.cloned().collect::<Vec<_>>())
}

fn settled(left: &[Change]) -> Result<(), Error> {
    if left.is_empty() {
        return Ok(());
    }
    Err(Error::NotTaken(change::show(left)))
}

fn undo_unless(done: Result<(), Error>, before: &Snapshot) -> Result<(), Error> {
    let Err(error) = done else { return Ok(()) };
    match before.restore() {
        Ok(()) => Err(error),
        Err(restoring) => {
            Err(Error::NotRestored { error: Box::new(error), restoring: Box::new(restoring) })
        }
    }
}

/// Makes changes. Services come before parameters, since a parameter named after a service is not
/// known without it; tables come before both.
fn make(instance: &Instance, dir: &Path, changes: &[Change]) -> Result<(), Error> {
    let (mut set, mut unset, mut entries, mut removed) = (vec![], vec![], vec![], vec![]);
    let (mut options, mut dropped, mut unlinked) = (vec![], vec![], vec![]);
    for change in changes {
        match change {
            Change::Param { name, new: Some(value), .. } => set.push(format!("{name}={value}")),
            Change::Param { name, new: None, .. } => unset.push(name.clone()),
            Change::Service { key, new: Some(entry), .. } => entries.push(format!("{key}={entry}")),
            Change::Service { key, new: None, .. } => removed.push(key.clone()),
            Change::Milters { new, .. } => match new.option(MILTERS) {
                // Postfix: -P takes no value with white space.
                Some(value) if value.contains(char::is_whitespace) => {
                    entries.push(format!("{}={new}", new.key()));
                }
                Some(value) => options.push(format!("{}/{MILTERS}={value}", new.key())),
                None => dropped.push(format!("{}/{MILTERS}", new.key())),
            },
            Change::File { name, new: Some(text), .. } => {
                replace(&dir.join(name), text.as_bytes())?;
            }
            Change::File { name, new: None, .. } => unlinked.push(dir.join(name)),
        }
    }
    let postconf = |flags: &[&str], arguments: &[String]| -> Result<(), Error> {
        if arguments.is_empty() {
            return Ok(());
        }
        let words = flags.iter().copied().chain(arguments.iter().map(String::as_str));
        instance.run("postconf", &words.collect::<Vec<_>>()).map(drop)
    };
    postconf(&["-M", "-e"], &entries)?;
    postconf(&["-P", "-e"], &options)?;
    postconf(&["-P", "-X"], &dropped)?;
    postconf(&["-e"], &set)?;
    postconf(&["-X"], &unset)?;
    postconf(&["-M", "-X"], &removed)?;
    for path in unlinked {
        fs::remove_file(&path).map_err(at(&path))?;
    }
    Ok(())
}

/// Saves main.cf and master.cf as they are, unless what is saved is still their original.
fn save_originals(site: &Site) -> Result<(), Error> {
    let dir = &site.config_dir;
    let saved = dir.join(SAVED);
    let untouched = change::undo(site).is_empty();
    fs::create_dir_all(&saved).map_err(at(&saved))?;
    // main.cf may hold passwords of look-up tables.
    fs::set_permissions(&saved, Permissions::from_mode(0o700)).map_err(at(&saved))?;
    for name in CONFIGS {
        let (original, current) = (saved.join(name), dir.join(name));
        if untouched {
            fs::copy(&current, &original).map_err(at(&original))?;
        } else if !is_as_we_left_it(dir, name) && original.exists() {
            // The admin has edited the file: giving back what it was would lose that.
            fs::remove_file(&original).map_err(at(&original))?;
        }
    }
    Ok(())
}

/// Notes how we leave main.cf and master.cf.
fn record(dir: &Path) -> Result<(), Error> {
    for name in CONFIGS {
        let note = note(dir, name);
        let hash = hash(&dir.join(name))?;
        fs::write(&note, hash).map_err(at(&note))?;
    }
    Ok(())
}

fn note(dir: &Path, name: &str) -> PathBuf {
    dir.join(SAVED).join(format!("{name}.applied"))
}

/// Whether a file is, byte for byte, as the last `apply` left it, and its original is there.
fn is_as_we_left_it(dir: &Path, name: &str) -> bool {
    let noted = fs::read_to_string(note(dir, name)).ok();
    noted.is_some() && noted == hash(&dir.join(name)).ok() && dir.join(SAVED).join(name).exists()
}

fn hash(path: &Path) -> Result<String, Error> {
    let bytes = fs::read(path).map_err(at(path))?;
    Ok(HEXLOWER.encode(&Sha256::digest(bytes)))
}

/// Replaces a file's content in one step, keeping its owner and mode. Where it is a symbolic link, what it
/// leads to is replaced.
fn replace(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let new = path.with_extension("recruit-milter.new");
    let write = || -> io::Result<()> {
        let mut file = fs::File::create(&new)?;
        file.write_all(bytes)?;
        match fs::metadata(&path) {
            Ok(old) => {
                file.set_permissions(old.permissions())?;
                chown(&new, Some(old.uid()), Some(old.gid()))?;
            }
            // Postfix's programs and postmap read our tables under several users.
            Err(_) => file.set_permissions(Permissions::from_mode(0o644))?,
        }
        file.sync_all()?;
        fs::rename(&new, &path)
    };
    write().map_err(at(&path))
}

fn at(path: &Path) -> impl Fn(io::Error) -> Error + use<> {
    let path = path.to_owned();
    move |source| Error::File { path: path.clone(), source }
}

/// The files of a configuration directory that we may touch, as they were.
struct Snapshot(Vec<(PathBuf, Option<Original>)>);

/// A file as it was.
struct Original {
    bytes: Vec<u8>,
    metadata: fs::Metadata,
}

impl Snapshot {
    fn take(dir: &Path) -> Result<Self, Error> {
        let saved = CONFIGS
            .iter()
            .flat_map(|name| [format!("{SAVED}/{name}"), format!("{SAVED}/{name}.applied")]);
        let names = CONFIGS.iter().chain(&super::names::FILES);
        let names = names.map(|name| (*name).to_owned()).chain(saved);
        let read = |name: String| {
            let path = dir.join(name);
            let original = || -> io::Result<Original> {
                let metadata = fs::metadata(&path)?;
                let bytes = fs::read(&path)?;
                Ok(Original { bytes, metadata })
            };
            match original() {
                Ok(original) => Ok((path, Some(original))),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok((path, None)),
                Err(source) => Err(Error::File { path, source }),
            }
        };
        names.map(read).collect::<Result<_, _>>().map(Self)
    }

    fn restore(&self) -> Result<(), Error> {
        for (path, original) in &self.0 {
            match original {
                Some(Original { bytes, .. }) if fs::read(path).ok().as_ref() != Some(bytes) => {
                    replace(path, bytes)?;
                }
                None if path.exists() => fs::remove_file(path).map_err(at(path))?,
                _ => {}
            }
        }
        self.keep_owners()
    }

    /// Gives the files that are still there the owner, group and mode that they had.
    // Postfix: postconf leaves an edited file to root and readable for everybody.
    fn keep_owners(&self) -> Result<(), Error> {
        for (path, original) in &self.0 {
            if let Some(Original { metadata, .. }) = original.as_ref().filter(|_| path.exists()) {
                chown(path, Some(metadata.uid()), Some(metadata.gid()))
                    .and_then(|()| fs::set_permissions(path, metadata.permissions()))
                    .map_err(at(path))?;
            }
        }
        Ok(())
    }
}
