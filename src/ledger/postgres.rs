//! The ledger in PostgreSQL: for several hosts that share one.
//!
//! Must not know what the tables mean.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::collections::HashMap;
use std::error::Error as _;
use std::time::Duration;

use postgres::config::{Host, SslMode};
use postgres::error::SqlState;
use postgres::types::private::BytesMut;
use postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use postgres::{Client, Config, NoTls, Statement};
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::engine::{Engine, Row, Value};
use super::{Access, Error};

/// How long the connection may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long the server may work on a statement, and wait for a lock. After that the network is held
/// to be gone as well.
const SESSION: &str = "SET statement_timeout = '30s'; SET lock_timeout = '10s'; \
                       SET idle_in_transaction_session_timeout = '60s';";

pub(super) struct Postgres {
    client: Client,
    statements: HashMap<String, Statement>,
    in_transaction: bool,
}

impl Postgres {
    pub(super) fn open(url: &str, password: Option<&str>, access: Access) -> Result<Self, Error> {
        let mut config: Config = url.parse().map_err(failed)?;
        if let Some(password) = password {
            config.password(password);
        }
        config.application_name("recruit-milter").connect_timeout(CONNECT);
        config.tcp_user_timeout(Duration::from_secs(30)).keepalives_idle(Duration::from_secs(30));
        let client = if is_local(&config) {
            config.ssl_mode(SslMode::Disable).connect(NoTls)
        } else {
            // Passwords and entries cross a network: never without encryption, never to somebody else.
            config.ssl_mode(SslMode::Require).connect(MakeRustlsConnect::new(verifying()?))
        };
        let mut this = Self {
            client: client.map_err(failed)?,
            statements: HashMap::new(),
            in_transaction: false,
        };
        this.script(SESSION)?;
        if access == Access::Read {
            this.script("SET default_transaction_read_only = on")?;
        }
        Ok(this)
    }

    fn prepared(&mut self, sql: &str) -> Result<Statement, Error> {
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare(sql).map_err(failed)?;
        self.statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }
}

/// Whether all hosts are on this machine.
fn is_local(config: &Config) -> bool {
    let local = |host: &Host| match host {
        Host::Tcp(name) => {
            name == "localhost" || name.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
        }
        Host::Unix(_) => true,
    };
    config.get_hosts().iter().all(local)
}

/// TLS with the system's certification authorities, for the name in the URL.
fn verifying() -> Result<ClientConfig, Error> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| Error::Other(error.to_string()))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

impl ToSql for Value {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Int(int) => int.to_sql(ty, out),
            Self::Text(text) => text.to_sql(ty, out),
        }
    }

    fn accepts(ty: &Type) -> bool {
        matches!(*ty, Type::INT8 | Type::TEXT)
    }

    to_sql_checked!();
}

impl Engine for Postgres {
    fn run(&mut self, sql: &'static str, values: &[Value]) -> Result<u64, Error> {
        let statement = self.prepared(sql)?;
        self.client.execute(&statement, &references(values)).map_err(failed)
    }

    fn rows(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>, Error> {
        let statement = self.prepared(sql)?;
        let rows = self.client.query(&statement, &references(values)).map_err(failed)?;
        let read = |row: &postgres::Row| {
            let column = |at: usize| match *row.columns()[at].type_() {
                Type::INT8 => row.try_get::<_, Option<i64>>(at).map(Value::from),
                _ => row.try_get::<_, Option<String>>(at).map(Value::from),
            };
            let values: Result<Vec<Value>, _> = (0..row.len()).map(column).collect();
            Ok(Row(values.map_err(failed)?.into_iter()))
        };
        rows.iter().map(read).collect()
    }

    fn script(&mut self, sql: &str) -> Result<(), Error> {
        self.client.batch_execute(sql).map_err(failed)
    }

    fn begin(&mut self) -> Result<(), Error> {
        self.script("BEGIN")?;
        self.in_transaction = true;
        Ok(())
    }

    fn commit(&mut self) -> Result<(), Error> {
        self.in_transaction = false;
        self.script("COMMIT")
    }

    fn rollback(&mut self) {
        if std::mem::take(&mut self.in_transaction) {
            let _ = self.script("ROLLBACK");
        }
    }

    fn is_in_place(&mut self) -> bool {
        true
    }

    fn size(&mut self) -> Result<u64, Error> {
        let mut rows = self.rows("SELECT pg_database_size(current_database())", &[])?;
        let size = rows.first_mut().map_or(Ok(0), Row::int)?;
        Ok(u64::try_from(size).unwrap_or(0))
    }
}

fn references(values: &[Value]) -> Vec<&(dyn ToSql + Sync)> {
    values.iter().map(|value| value as &(dyn ToSql + Sync)).collect()
}

#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
fn failed(error: postgres::Error) -> Error {
    let text = match (error.as_db_error(), error.source()) {
        (Some(said), _) => said.message().to_owned(),
        (None, Some(source)) => format!("{error}: {source}"),
        (None, None) => error.to_string(),
    };
    match error.code() {
        None | Some(&SqlState::INVALID_CATALOG_NAME) => Error::Unreachable(text),
        Some(code)
            if [SqlState::T_R_DEADLOCK_DETECTED, SqlState::LOCK_NOT_AVAILABLE].contains(code) =>
        {
            Error::Locked
        }
        Some(&SqlState::T_R_SERIALIZATION_FAILURE | &SqlState::QUERY_CANCELED) => Error::Locked,
        Some(&SqlState::DISK_FULL) => Error::Full,
        Some(
            &SqlState::INSUFFICIENT_PRIVILEGE
            | &SqlState::INVALID_PASSWORD
            | &SqlState::INVALID_AUTHORIZATION_SPECIFICATION
            | &SqlState::READ_ONLY_SQL_TRANSACTION,
        ) => Error::NotPermitted(text),
        Some(&SqlState::UNDEFINED_TABLE) => Error::Missing(text),
        Some(code) if ["08", "53", "57"].contains(&&code.code()[..2]) => Error::Unreachable(text),
        Some(_) => Error::Other(text),
    }
}
