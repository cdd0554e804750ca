//! Values about keeping books: the ledger, probes, alerts.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::{Complaints, Input, Items, bare, duration, why};
use crate::config::Database;
use crate::mail::Address;

/// A time, or "off".
pub(in crate::config) fn interval(v: &Input<'_>) -> Result<Option<Duration>, Complaints> {
    if v.text("a time or \"off\"", |text| Ok(text == "off"))? {
        return Ok(None);
    }
    duration(v, 3600, 86_400 * 366).map(Some)
}

/// A file, or the URL of a PostgreSQL database. Passwords do not belong there.
pub(in crate::config) fn database(v: &Input<'_>) -> Result<Database, Complaints> {
    let (database, has_password) = v.text("a file or database", |text| {
        if !text.starts_with("postgresql:") && !text.starts_with("postgres:") {
            if text.is_empty() || text.contains('\0') {
                return Err("it is not a path".into());
            }
            return Ok((Database::File(PathBuf::from(text)), false));
        }
        let form = "write \"postgresql://user@host/database\"";
        let parsed: Result<postgres::Config, _> = text.parse();
        let parsed = parsed.map_err(|_| why("it is not the URL of a database", form))?;
        Ok((Database::Postgres(text.to_owned()), parsed.get_password().is_some()))
    })?;
    if has_password {
        // It must not stand in a message, which may be logged.
        let remedy = "put it into a credential, and its name into [ledger] credential";
        let text = format!("there is a password in {:?}", v.info.name);
        return Err(v.complain(text, Some(remedy.to_owned())));
    }
    Ok(database)
}

/// An IP address and a port.
pub(in crate::config) fn server(v: &Input<'_>) -> Result<SocketAddr, Complaints> {
    v.text("an address and port", |text| {
        let remedy = format!("write {}", v.info.example());
        let address: Option<SocketAddr> = text.parse().ok();
        address
            .filter(|address| address.port() != 0)
            .ok_or_else(|| why("it is not an IP address with a port", remedy))
    })
}

/// A list of addresses.
pub(in crate::config) fn addresses(v: &Input<'_>) -> Result<Items<Address>, Complaints> {
    v.list("a list of addresses", |text| {
        Address::parse(text).map_err(|error| bare(text, error.to_string()))
    })
}
