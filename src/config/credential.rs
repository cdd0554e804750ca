//! Credentials: secrets that the configuration names and does not hold.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::Config;

/// No password is longer.
const MAX: u64 = 4096;

/// A secret by its name: in the folder that systemd passes in (`$CREDENTIALS_DIRECTORY`), else in
/// `credentials/` beside the configuration file, where only its owner may read it. Without its line end.
pub fn credential(config: &Config, name: &str) -> Result<String, String> {
    let passed_in = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    find(name, passed_in.as_deref(), config.path.parent().unwrap_or(Path::new("")))
}

fn find(name: &str, passed_in: Option<&Path>, beside: &Path) -> Result<String, String> {
    if let Some(folder) = passed_in {
        match File::open(folder.join(name)) {
            // Whoever passes it in sees to its mode.
            Ok(file) => return read(file, &folder.join(name)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(format!("{}: {error}", folder.join(name).display())),
        }
    }
    let path = beside.join("credentials").join(name);
    let file = File::open(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mode = file.metadata().map_err(|e| e.to_string())?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        let path = path.display();
        return Err(format!("{path} is open to others (mode {mode:04o}): chmod 600 {path}"));
    }
    read(file, &path)
}

fn read(file: File, path: &Path) -> Result<String, String> {
    let mut text = String::new();
    let read = file.take(MAX).read_to_string(&mut text);
    read.map_err(|error| format!("{}: {error}", path.display()))?;
    let line = text.lines().next().unwrap_or_default();
    if line.is_empty() {
        return Err(format!("{} is empty", path.display()));
    }
    Ok(line.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};

    #[test]
    fn a_credential_is_found_where_systemd_puts_it_or_beside_the_file_if_nobody_else_may_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let (given, beside) = (folder.path().join("given"), folder.path().join("etc"));
        fs::create_dir_all(&given).unwrap();
        fs::create_dir_all(beside.join("credentials")).unwrap();
        let find = |name: &str| find(name, Some(&given), &beside);
        let error = find("password").unwrap_err();
        assert!(
            error.ends_with("etc/credentials/password: No such file or directory (os error 2)")
        );
        let file = beside.join("credentials/password");
        fs::write(&file, "beside\n").unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
        assert!(find("password").unwrap_err().contains("is open to others (mode 0640)"));
        fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
        assert_eq!(find("password").unwrap(), "beside");
        fs::write(given.join("password"), "given\nand more").unwrap();
        assert_eq!(find("password").unwrap(), "given");
        fs::write(given.join("password"), "\n").unwrap();
        assert!(find("password").unwrap_err().ends_with("is empty"));
    }
}
