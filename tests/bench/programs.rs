//! Programs to compare with: a do-nothing milter in C, and PostSRSd.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fs;
use std::net::TcpStream;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::harness::process::Guarded;
use crate::harness::socket::Endpoint;
use crate::harness::{LIMIT, Port, Scratch, wait_until};

/// The milter of `nothing.c`, running.
pub(crate) struct Nothing {
    /// Where it listens.
    pub(crate) endpoint: Endpoint,
    process: Guarded,
}

impl Nothing {
    /// Compiles and starts it.
    pub(crate) fn start(scratch: &Scratch) -> Self {
        Self::with(scratch, &[])
    }

    /// The same, given the header as well.
    pub(crate) fn with_header(scratch: &Scratch) -> Self {
        Self::with(scratch, &["header"])
    }

    fn with(scratch: &Scratch, more: &[&str]) -> Self {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bench/nothing.c");
        let program = scratch.join("nothing");
        let status = Command::new("cc")
            .args(["-O2", "-Wall", "-o"])
            .args([&program, &source])
            .args(["-lmilter", "-lpthread"])
            .status()
            .unwrap();
        assert!(status.success(), "{} does not compile: libmilter-dev?", source.display());
        let socket = scratch.join("nothing.sock");
        let endpoint = Endpoint::Unix(socket.clone());
        let mut command = Command::new(program);
        command.arg(format!("unix:{}", socket.display())).args(more);
        let process = spawn(&mut command);
        wait_until("the C milter listens", LIMIT, || endpoint.connect().is_ok());
        let status = Command::new("chmod").arg("777").arg(&socket).status().unwrap();
        assert!(status.success());
        Self { endpoint, process }
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }
}

/// PostSRSd, running for the domain acme.example.
pub(crate) struct PostSrsd {
    ports: [Port; 2],
    process: Guarded,
}

impl PostSrsd {
    /// Starts it on free ports.
    pub(crate) fn start(scratch: &Scratch) -> Self {
        let secret = scratch.join("postsrsd.secret");
        fs::write(&secret, "no secret at all\n").unwrap();
        let ports = [Port::reserve(), Port::reserve()];
        let mut command = Command::new("/usr/sbin/postsrsd");
        command.args(["-4", "-d", "acme.example", "-s"]).arg(&secret).args([
            "-f",
            &ports[0].number().to_string(),
            "-r",
            &ports[1].number().to_string(),
        ]);
        let process = spawn(&mut command);
        wait_until("PostSRSd listens", LIMIT, || {
            ports.iter().all(|port| TcpStream::connect(("127.0.0.1", port.number())).is_ok())
        });
        Self { ports, process }
    }

    /// The ports of the look-ups for senders and for recipients.
    pub(crate) fn ports(&self) -> [u16; 2] {
        self.ports.each_ref().map(Port::number)
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }
}

fn spawn(command: &mut Command) -> Guarded {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    Guarded::spawn(command)
}
