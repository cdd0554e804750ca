//! A private amavisd-new: it passes all mail on, as its own process and by its own rules.
//!
//! Must not know recruit-milter.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::process::Guarded;
use super::{Port, wait_until};

/// A running amavisd. Stopped when dropped.
pub struct Amavis {
    port: Port,
    process: Guarded,
}

impl Amavis {
    /// Starts one in a folder, which gives mail back at a port.
    pub fn start(folder: &Path, behind: u16) -> Self {
        let port = Port::reserve();
        for name in ["", "tmp", "db", "var"] {
            fs::create_dir_all(folder.join(name)).unwrap();
        }
        // It takes its configuration from a folder that it cannot write to, and from nobody but root.
        let config = folder.with_extension("conf");
        let text = format!(
            "use strict;\n$daemon_user = 'amavis'; $daemon_group = 'amavis';\n\
             $MYHOME = '{dir}'; $TEMPBASE = '{dir}/tmp'; $db_home = '{dir}/db'; $QUARANTINEDIR = undef;\n\
             $pid_file = '{dir}/var/amavisd.pid'; $lock_file = '{dir}/var/amavisd.lock';\n\
             $max_servers = 2; $enable_db = 0; $do_syslog = 0; $logfile = '{dir}/log'; $log_level = 2;\n\
             $inet_socket_bind = '127.0.0.1'; $inet_socket_port = {port}; $unix_socketname = undef;\n\
             @inet_acl = qw( 127.0.0.1 ); @mynetworks = qw( 127.0.0.0/8 );\n\
             $forward_method = 'smtp:[127.0.0.1]:{behind}'; $notify_method = $forward_method;\n\
             $mydomain = 'acme.example'; $myhostname = 'mx.example'; @local_domains_maps = (1);\n\
             @bypass_virus_checks_maps = (1); @bypass_spam_checks_maps = (1);\n\
             @bypass_banned_checks_maps = (1); @bypass_header_checks_maps = (1);\n1;\n",
            dir = folder.display(),
            port = port.number(),
        );
        fs::write(&config, text).unwrap();
        let owned = Command::new("chown").args(["-R", "amavis:amavis"]).arg(folder).status();
        assert!(owned.unwrap().success(), "make acceptance installs amavisd-new");
        let mut command = Command::new("/usr/sbin/amavisd");
        command.arg("-c").arg(&config).arg("foreground").current_dir("/").stdin(Stdio::null());
        let out = fs::File::create(folder.join("out")).unwrap();
        command.stdout(out.try_clone().unwrap()).stderr(out);
        let mut process = Guarded::spawn(&mut command);
        let number = port.number();
        wait_until("amavisd takes connections", Duration::from_secs(60), || {
            if let Some(status) = process.ended() {
                let out = fs::read_to_string(folder.join("out")).unwrap();
                panic!("amavisd ended with {status}: {out}");
            }
            TcpStream::connect(("127.0.0.1", number)).is_ok()
        });
        Self { port, process }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port.number()
    }
}

impl Drop for Amavis {
    fn drop(&mut self) {
        self.process.stop(Duration::from_secs(10));
    }
}
