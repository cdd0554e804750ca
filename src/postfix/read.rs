//! Reads what a Postfix instance has.
//!
//! Must not know what recruit-milter wants there.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fs;
use std::path::PathBuf;

use super::error::Error;
use super::filters_read;
use super::instance::Instance;
use super::names::FILES;
use super::site::{Looked, Site};
use super::syntax;

impl Site {
    /// Reads an instance's configuration.
    pub fn read(instance: &Instance) -> Result<Self, Error> {
        let postconf = |arguments: &[&str]| instance.run("postconf", arguments);
        let effective = syntax::settings(&postconf(&["-x"])?);
        let config_dir = match instance.config_dir() {
            Some(dir) => dir.to_owned(),
            None => PathBuf::from(effective.get("config_directory").map_or("", |v| v)),
        };
        let path = config_dir.join("main.cf");
        let main = fs::read_to_string(&path).map_err(|source| Error::File { path, source })?;
        let files = FILES
            .iter()
            .filter_map(|name| {
                let content = fs::read_to_string(config_dir.join(name)).ok()?;
                Some(((*name).to_owned(), content))
            })
            .collect();
        let mut site = Self {
            main: syntax::main_cf(&main),
            defaults: syntax::settings(&postconf(&["-d"])?),
            effective,
            services: syntax::master_cf(&postconf(&["-M"])?),
            table_types: postconf(&["-m"])?.lines().map(str::to_owned).collect(),
            files,
            filters: Looked::default(),
            config_dir,
        };
        site.filters = filters_read::look(&site);
        Ok(site)
    }
}
