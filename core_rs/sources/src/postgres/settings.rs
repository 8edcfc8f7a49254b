//! What Python says of a PostgreSQL source: one frozen JSON document.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use crate::SourceError;

/// How to reach a database, and which tables are which entities.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where the database is.
    pub connection: Connection,
    /// The replication slot; made by the feed, one for each organization.
    pub slot: String,
    /// The publication whose tables are followed.
    pub publication: String,
    /// Milliseconds between looks at the tables, while changes are followed: what no change tells is seen then.
    pub look_ms: u64,
    /// Entities and where their rows come from.
    pub entities: Vec<EntityMapping>,
}

/// Where a database is and who asks.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Connection {
    /// Name or address; a folder of Unix sockets if it begins with a slash.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Role; it must be allowed to replicate.
    pub user: String,
    /// Its password; empty where the server asks for none.
    pub password: String,
    /// Database.
    pub database: String,
    /// How the connection is kept secret.
    pub sslmode: SslMode,
    /// PEM file of the authorities whose certificates are trusted; needed where certificates are verified.
    pub ca_file: Option<PathBuf>,
}

/// The names are libpq's, and so is what they mean; those that fall back to plain text are left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SslMode {
    /// Plain text: for sockets of this machine and for networks that are trusted.
    Disable,
    /// TLS with whoever answers.
    Require,
    /// TLS with a server whose certificate is of a trusted authority.
    VerifyCa,
    /// That, and the certificate names the host. What operators should use.
    VerifyFull,
}

/// One entity and where its rows come from: a table, or the mapping itself.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntityMapping {
    /// Logical name.
    pub entity: String,
    /// Where its rows are; `None` if they are in `rows`.
    pub table: Option<Table>,
    /// Rows that the mapping itself has, as texts by attribute.
    #[serde(default)]
    pub rows: Vec<BTreeMap<String, String>>,
    /// What its attributes hold.
    #[serde(default)]
    pub attributes: Vec<AttributeMapping>,
}

/// A table whose rows are an entity's.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// Schema.
    pub schema: String,
    /// Name.
    pub name: String,
    /// The columns that make the row's id; several make a text id.
    pub key: Vec<String>,
    /// A column by which rows are marked as deleted: true, or not NULL where it is no boolean.
    pub deleted: Option<String>,
    /// A column that has another value after each change of a row; staging keeps it as the row's version.
    pub version: Option<String>,
}

/// Where an attribute's values come from.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttributeMapping {
    /// Logical name.
    pub attribute: String,
    /// The column; `None` if the value is the row's id, or the same in every row.
    pub column: Option<String>,
    /// The value of every row, as text.
    pub value: Option<String>,
    /// The entity that a lookup points at, where the metadata allows for several.
    pub target: Option<String>,
    /// The choices that stand for a column's texts.
    #[serde(default)]
    pub choices: BTreeMap<String, i64>,
}

impl Settings {
    /// Reads them.
    ///
    /// # Errors
    /// [`SourceError::Invalid`] if they are none.
    pub fn read(json: &str) -> Result<Self, SourceError> {
        let invalid = |error: serde_json::Error| SourceError::Invalid(format!("the source's settings: {error}"));
        let settings: Self = serde_json::from_str(json).map_err(invalid)?;
        if is_plain(&settings.slot) && is_plain(&settings.publication) {
            return Ok(settings);
        }
        Err(SourceError::Invalid(
            "names of slot and publication have lower-case letters, digits and underscores; give others".into(),
        ))
    }
}

/// Whether a name needs no quotes, in SQL or in a replication command.
fn is_plain(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    !name.is_empty() && name.len() <= 63 && name.bytes().all(allowed)
}

/// A name quoted for SQL.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { host, port, user, database, sslmode, .. } = self;
        write!(out, "{user}@{host}:{port}/{database} ({sslmode:?})")
    }
}
