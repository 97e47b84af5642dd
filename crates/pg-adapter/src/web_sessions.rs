//! The sessions of a web application that keeps them in the same database.

use std::str::FromStr;

use async_trait::async_trait;
use chrono::DateTime;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};
use diesel_async::RunQueryDsl;
use switchboard_domain::ParseError;
use switchboard_domain::ports::{StorageError, WebSession, WebSessionToken, WebSessions};

use crate::pg_store::PgStore;

/// What a schema, a table or a column is called: 1 to 63 bytes, which is all that PostgreSQL looks at, without control
/// characters. It is quoted wherever it is written, so that it is nothing but a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlName(String);

impl FromStr for SqlName {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        if (1..=63).contains(&text.len()) && !text.chars().any(char::is_control) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ParseError { expected: "a name of 1 to 63 bytes, as the database has it" })
        }
    }
}

impl SqlName {
    /// The name as it is.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn quoted(&self) -> String {
        format!("\"{}\"", self.0.replace('"', "\"\""))
    }
}

/// Where the web application keeps its sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebSessionTable {
    /// The schema of its table.
    pub schema: SqlName,
    /// The table.
    pub table: SqlName,
    /// The column of what names a session: text.
    pub token: SqlName,
    /// The column of who is signed in: text, a number or a UUID.
    pub user: SqlName,
    /// The column of when it expires: a time, in UTC if it has no zone.
    pub expires: SqlName,
}

/// The sessions in such a table, asked for over the connections of a store.
#[derive(Clone, Debug)]
pub struct PgWebSessions {
    store: PgStore,
    query: String,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Nullable<Text>)]
    owner: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    expires_ms: Option<i64>,
}

impl PgStore {
    /// The sessions of a web application that shares the database.
    pub fn web_sessions(&self, at: &WebSessionTable) -> PgWebSessions {
        let [schema, table, token, user, expires] =
            [&at.schema, &at.table, &at.token, &at.user, &at.expires].map(SqlName::quoted);
        // The epoch of a time without a zone is what it would be in UTC.
        let query = format!(
            "SELECT {user}::text AS owner, floor(extract(epoch FROM {expires}) * 1000)::bigint AS expires_ms \
             FROM {schema}.{table} WHERE {token} = $1 LIMIT 1"
        );
        PgWebSessions { store: self.clone(), query }
    }
}

#[async_trait]
impl WebSessions for PgWebSessions {
    async fn find(&self, token: &WebSessionToken) -> Result<Option<WebSession>, StorageError> {
        let query = diesel::sql_query(self.query.clone()).bind::<Text, _>(&token.0);
        let row: Option<Row> =
            self.store.reader().await?.run(async |conn| query.get_result(conn).await.optional()).await?;
        let Some(Row { owner: Some(owner), expires_ms: Some(expires_ms) }) = row else { return Ok(None) };
        let user = owner.parse().map_err(StorageError::failed)?;
        // What is beyond all calendars is far in the future.
        let expires_at = DateTime::from_timestamp_millis(expires_ms).unwrap_or(DateTime::<chrono::Utc>::MAX_UTC);
        Ok(Some(WebSession { user, expires_at }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_quoted_and_never_more_than_a_name() {
        for (name, quoted) in [
            ("session", r#""session""#),
            ("Session", r#""Session""#),
            (r#"a" --"#, r#""a"" --""#),
            ("größe", r#""größe""#),
        ] {
            assert_eq!(name.parse::<SqlName>().unwrap().quoted(), quoted);
        }
        for bad in ["", "a\0b", "a\nb", &"x".repeat(64)] {
            assert!(bad.parse::<SqlName>().is_err(), "{bad:?}");
        }
    }
}
