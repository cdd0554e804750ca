//! The milter's sockets: there, open to Postfix, and answering.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fs;
use std::io;
use std::net::TcpStream;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::{Line, Mark};
use crate::config::Socket;
use crate::findings::id;
use crate::way::{Place, Spot, State, Way};

const PART: &str = "Socket";

pub(super) fn examine(way: &Way) -> Vec<Line> {
    let sockets = way.spots().iter().filter_map(|spot| match &spot.place {
        Place::Socket(_, socket) => Some((spot, one(socket))),
        _ => None,
    });
    let finding = |(spot, found): (&Spot, Line)| match (&spot.state, found.mark()) {
        // The kernel lets clients in for a process that hangs.
        (State::Silent(_), Mark::Ok) => hanging(spot),
        _ => found,
    };
    sockets.map(finding).collect()
}

fn one(socket: &Socket) -> Line {
    match socket {
        Socket::Unix(path) => unix(path),
        Socket::Inet(address) => {
            match TcpStream::connect_timeout(address, Duration::from_secs(3)) {
                Ok(_) => Line::ok(PART, format!("{socket}: answers")),
                Err(error) => silent(&socket.to_string(), &error),
            }
        }
    }
}

fn hanging(spot: &Spot) -> Line {
    Line::new(PART, id::SOCKET_SILENT, spot.english(), spot.remedy())
}

fn silent(socket: &str, error: &io::Error) -> Line {
    let text = format!("{socket}: nobody answers ({error}): mail is put off");
    Line::new(PART, id::SOCKET_SILENT, text, "systemctl start recruit-milter")
}

fn unix(path: &Path) -> Line {
    let shown = path.display().to_string();
    let bad = |id, text: String, remedy: String| Line::new(PART, id, text, remedy);
    let file = match fs::metadata(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let text = format!("{shown}: cannot be looked at by this user");
            return Line::new(PART, id::SOCKET_NOT_SHOWN, text, "run it as root");
        }
        Err(error) => return silent(&shown, &error),
    };
    if !file.file_type().is_socket() {
        return bad(id::NOT_A_SOCKET, format!("{shown} is not a socket"), format!("rm {shown}"));
    }
    if let Err(error) = UnixStream::connect(path) {
        return silent(&shown, &error);
    }
    // Postfix's processes run as this user, whatever groups it has.
    let Some((uid, gid)) = user("postfix") else {
        return Line::ok(PART, format!("{shown}: answers"));
    };
    let mode = file.mode() & 0o777;
    if !may(&file, uid, gid, 2) {
        return bad(
            id::SOCKET_MODE,
            format!("{shown}: Postfix may not write to it (mode {mode:04o})"),
            format!("chgrp postfix {shown}; chmod 0660 {shown}"),
        );
    }
    let closed = path
        .ancestors()
        .skip(1)
        .find(|folder| fs::metadata(folder).is_ok_and(|folder| !may(&folder, uid, gid, 1)));
    if let Some(folder) = closed {
        let folder = folder.display();
        return bad(
            id::SOCKET_FOLDER,
            format!("{shown}: Postfix may not enter {folder}"),
            format!("chgrp postfix {folder}; chmod g+x {folder}"),
        );
    }
    Line::ok(PART, format!("{shown}: answers, Postfix may write ({mode:04o})"))
}

/// Whether a user may do something (4 read, 2 write, 1 enter) with a file, by its mode.
fn may(file: &fs::Metadata, uid: u32, gid: u32, what: u32) -> bool {
    let mode = file.mode();
    let bits = match () {
        () if file.uid() == uid => mode >> 6,
        () if file.gid() == gid => mode >> 3,
        () => mode,
    };
    bits & what == what
}

/// A user's number and that of his group.
fn user(name: &str) -> Option<(u32, u32)> {
    let users = fs::read_to_string("/etc/passwd").ok()?;
    let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
    let mut fields = line.split(':').skip(2);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}
