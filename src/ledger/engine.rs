//! What the ledger needs of a database: the same statements, whichever it is.
//!
//! Parameters are `$1`, `$2` ..., first used in this order. Must not know what the tables mean.
// SPDX-License-Identifier: GPL-3.0-or-later

use super::Error;

/// A value in a row or for a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Null,
    Int(i64),
    Text(String),
}

/// A row of an answer.
pub(super) struct Row(pub(super) std::vec::IntoIter<Value>);

impl Row {
    /// The next column as text.
    pub(super) fn text(&mut self) -> Result<String, Error> {
        self.maybe_text()?.ok_or_else(unexpected)
    }

    /// The next column as text, or NULL.
    pub(super) fn maybe_text(&mut self) -> Result<Option<String>, Error> {
        match self.0.next() {
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(Value::Null) => Ok(None),
            _ => Err(unexpected()),
        }
    }

    /// The next column as a number.
    pub(super) fn int(&mut self) -> Result<i64, Error> {
        self.maybe_int()?.ok_or_else(unexpected)
    }

    /// The next column as a number, or NULL.
    pub(super) fn maybe_int(&mut self) -> Result<Option<i64>, Error> {
        match self.0.next() {
            Some(Value::Int(int)) => Ok(Some(int)),
            Some(Value::Null) => Ok(None),
            _ => Err(unexpected()),
        }
    }
}

fn unexpected() -> Error {
    Error::Damaged("a column is not of its type".into())
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        // PostgreSQL takes no NUL in a text.
        Self::Text(text.replace('\0', "\u{fffd}"))
    }
}

impl From<&String> for Value {
    fn from(text: &String) -> Self {
        text.as_str().into()
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        text.as_str().into()
    }
}

impl From<i64> for Value {
    fn from(int: i64) -> Self {
        Self::Int(int)
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// A database with a connection of its own.
pub(super) trait Engine: Send {
    /// Runs a statement; how many rows it changed.
    fn run(&mut self, sql: &'static str, values: &[Value]) -> Result<u64, Error>;

    /// Asks for rows.
    fn rows(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>, Error>;

    /// Runs statements without parameters.
    fn script(&mut self, sql: &str) -> Result<(), Error>;

    /// Begins a transaction that will write.
    fn begin(&mut self) -> Result<(), Error>;

    /// Ends the transaction.
    fn commit(&mut self) -> Result<(), Error>;

    /// Takes the transaction back. Where there is none, nothing happens.
    fn rollback(&mut self);

    /// Whether what is written is what others read who open the database now. A file can be deleted or
    /// replaced under whoever has it open, and nothing fails.
    fn is_in_place(&mut self) -> bool;

    /// How large the database is, in octets.
    fn size(&mut self) -> Result<u64, Error>;
}
