//! Content filters that change nothing: one that speaks SMTP, with or without DSN, and one that is a
//! program for pipe(8) and gives mail back by sendmail(1).
//!
//! Must not know recruit-milter.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::postfix::command_directory;

/// Passes each session on to the smtpd behind it. Where that does not run yet it answers EHLO itself.
pub struct SmtpFilter {
    port: u16,
}

impl SmtpFilter {
    /// A filter that gives mail back at a port, and lives as long as the test.
    pub fn start(behind: u16, dsn: bool) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                thread::spawn(move || {
                    // A session that ends early is Postfix's affair.
                    let _ = match TcpStream::connect(("127.0.0.1", behind)) {
                        Ok(server) => between(&client, &server, dsn),
                        Err(_) => alone(&client, dsn),
                    };
                });
            }
        });
        Self { port }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }
}

fn between(client: &TcpStream, server: &TcpStream, dsn: bool) -> std::io::Result<()> {
    let (mut from, mut to) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(std::net::Shutdown::Write);
    });
    let mut out = client.try_clone()?;
    for line in BufReader::new(server).split(b'\n') {
        let mut line = line?;
        if !dsn && line.len() > 4 && line[4..].trim_ascii_end() == b"DSN" {
            line.splice(4.., *b"X-NONE\r");
        }
        line.push(b'\n');
        out.write_all(&line)?;
    }
    out.shutdown(std::net::Shutdown::Both)
}

fn alone(client: &TcpStream, dsn: bool) -> std::io::Result<()> {
    let mut out = client.try_clone()?;
    out.write_all(b"220 filter ESMTP\r\n")?;
    for line in BufReader::new(client).lines() {
        let answer = match line?.split(' ').next() {
            Some("EHLO") if dsn => "250-filter\r\n250 DSN\r\n",
            Some("EHLO") => "250 filter\r\n",
            Some("QUIT") => "221 bye\r\n",
            _ => "421 later\r\n",
        };
        out.write_all(answer.as_bytes())?;
    }
    Ok(())
}

/// A program for pipe(8).
///
/// It runs as nobody, and sendmail(1) takes no other configuration from him; so the test itself gives the
/// mail back, while the program waits for that.
pub struct PipeFilter {
    program: PathBuf,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl PipeFilter {
    /// A filter for an instance, by its configuration folder.
    pub fn start(folder: &Path, config_dir: &Path) -> Self {
        use std::os::unix::fs::PermissionsExt as _;
        let open = fs::Permissions::from_mode(0o777);
        let spool = folder.join("spool");
        fs::create_dir_all(&spool).unwrap();
        fs::set_permissions(&spool, open.clone()).unwrap();
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
        let program = folder.join("filter");
        let script = format!(
            "#!/bin/sh\ncd {} || exit 75\ncat > $$.part || exit 75\nprintf '%s\\n' \"$@\" > $$.args\n\
             mv $$.part $$.mail\nn=0\nwhile [ -e $$.mail ] && [ $n -lt 300 ]; do sleep 0.1; n=$((n+1)); done\n\
             [ ! -e $$.mail ] || exit 75\n",
            spool.display()
        );
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, open).unwrap();
        let ends = Arc::new(AtomicBool::new(false));
        let (ended, etc) = (Arc::clone(&ends), config_dir.to_owned());
        let thread = thread::spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                for entry in fs::read_dir(&spool).into_iter().flatten().flatten() {
                    if entry.path().extension().is_some_and(|e| e == "mail") {
                        give_back(&entry.path(), &etc);
                    }
                }
                thread::sleep(Duration::from_millis(50));
            }
        });
        Self { program, ends, thread: Some(thread) }
    }

    /// Its lines for master.cf.
    pub fn service(&self, name: &str) -> String {
        format!(
            "{name} unix - n n - - pipe\n  flags=Rq user=nobody argv={} -f ${{sender}} -- ${{recipient}}\n",
            self.program.display()
        )
    }
}

fn give_back(mail: &Path, config_dir: &Path) {
    let args = fs::read_to_string(mail.with_extension("args")).unwrap();
    let mut sendmail = Command::new(command_directory().join("sendmail"));
    sendmail.arg("-C").arg(config_dir).args(["-G", "-oi"]).args(args.lines());
    let mut child = sendmail.current_dir("/").stdin(Stdio::piped()).spawn().unwrap();
    let mut bytes = Vec::new();
    fs::File::open(mail).unwrap().read_to_end(&mut bytes).unwrap();
    child.stdin.take().unwrap().write_all(&bytes).unwrap();
    assert!(child.wait().unwrap().success(), "sendmail {args:?}");
    fs::remove_file(mail).unwrap();
}

impl Drop for PipeFilter {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
