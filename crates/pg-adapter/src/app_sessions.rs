//! The sessions of an application that keeps them in PostgreSQL, in tables of its own, as Prisma makes them.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::query_builder::SqlQuery;
use diesel::sql_types::{Array, BigInt, Nullable, Text};
use diesel_async::RunQueryDsl;
use secrecy::SecretString;
use switchboard_domain::ports::{AppCampaign, AppGroup, AppSession, AppSessions, StorageError};

use crate::options::{PgOptions, PgUrlError};
use crate::pg_store::PgStore;
use crate::web_sessions::SqlName;

/// Where the application keeps what. The names are those of a Prisma schema's models and fields, unless told otherwise.
#[derive(Clone, Debug)]
pub struct AppTables {
    /// The schema of its tables.
    pub schema: SqlName,
    /// The table of sessions.
    pub sessions: SqlName,
    /// The table of linked groups.
    pub groups: SqlName,
    /// The table of campaigns, if there is one.
    pub campaigns: Option<SqlName>,
    /// Columns that have another name: `sessions.userId` and the like, and what it is called.
    pub columns: BTreeMap<String, SqlName>,
}

/// Why an application's tables cannot be read as they are described.
#[derive(Debug, thiserror::Error)]
pub enum AppTablesError {
    /// The address is of no use.
    #[error(transparent)]
    Url(#[from] PgUrlError),
    /// There is no such table.
    #[error("there is no table {table} in the schema {schema}")]
    NoTable {
        /// In which schema.
        schema: String,
        /// Which table.
        table: String,
    },
    /// A table lacks a column.
    #[error("{table} has no column {column} ({field}), but {}", .known.join(", "))]
    NoColumn {
        /// Which table.
        table: String,
        /// The column.
        column: String,
        /// What it was looked for as: `sessions.userId`.
        field: &'static str,
        /// The columns that it has.
        known: Vec<String>,
    },
    /// A column has another name that no column is asked for by.
    #[error("{field} is no column that is asked for: expected one of {}", FIELDS.join(", "))]
    UnknownField {
        /// What it was named.
        field: String,
    },
    /// The database does not do its part.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// What is asked for, by table and field.
const FIELDS: [&str; 18] = [
    "sessions.id",
    "sessions.sessionName",
    "sessions.userId",
    "sessions.phoneNumber",
    "sessions.createdAt",
    "sessions.updatedAt",
    "groups.id",
    "groups.sessionId",
    "groups.groupId",
    "groups.groupName",
    "groups.createdAt",
    "groups.updatedAt",
    "campaigns.id",
    "campaigns.groupId",
    "campaigns.status",
    "campaigns.startDate",
    "campaigns.isDeleted",
    "campaigns.deletedAt",
];

/// Those that a table may lack.
const OPTIONAL: [&str; 7] = [
    "sessions.phoneNumber",
    "sessions.createdAt",
    "sessions.updatedAt",
    "groups.createdAt",
    "groups.updatedAt",
    "campaigns.isDeleted",
    "campaigns.deletedAt",
];

/// The sessions in such tables. Every connection is one that may only read.
#[derive(Clone, Debug)]
pub struct PgAppSessions {
    store: PgStore,
    sessions: String,
    groups: String,
    campaigns: Option<String>,
}

/// A table, and what its columns are called.
struct Table<'a> {
    name: String,
    columns: BTreeSet<String>,
    of: &'static str,
    renamed: &'a BTreeMap<String, SqlName>,
    plain: String,
}

#[derive(QueryableByName)]
struct Column {
    #[diesel(sql_type = Text)]
    name: String,
}

#[derive(QueryableByName)]
struct SessionRow {
    #[diesel(sql_type = Text)]
    id: String,
    #[diesel(sql_type = Nullable<Text>)]
    name: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    owner: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    phone: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    created_us: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    updated_us: Option<i64>,
}

#[derive(QueryableByName)]
struct GroupRow {
    #[diesel(sql_type = Text)]
    id: String,
    #[diesel(sql_type = Text)]
    session: String,
    #[diesel(sql_type = Nullable<Text>)]
    chat: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    name: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    created_us: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    updated_us: Option<i64>,
}

#[derive(QueryableByName)]
struct CampaignRow {
    #[diesel(sql_type = Text)]
    id: String,
    #[diesel(sql_type = Text)]
    link: String,
    #[diesel(sql_type = Nullable<Text>)]
    status: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    start_us: Option<i64>,
}

impl PgAppSessions {
    /// The sessions in the database at `url`, once it is clear that its tables are as they are described.
    ///
    /// # Errors
    /// [`AppTablesError`]
    pub async fn open(url: &SecretString, options: PgOptions, at: &AppTables) -> Result<Self, AppTablesError> {
        if let Some(unknown) = at.columns.keys().find(|field| !FIELDS.contains(&field.as_str())) {
            return Err(AppTablesError::UnknownField { field: unknown.clone() });
        }
        let store = PgStore::new(url, PgOptions { read_only: true, ..options })?;
        let table = async |of: &'static str, name: &SqlName| Table::find(&store, at, of, name).await;
        let sessions = table("sessions", &at.sessions).await?;
        let groups = table("groups", &at.groups).await?;
        let campaigns = match &at.campaigns {
            Some(name) => Some(table("campaigns", name).await?.select_campaigns()?),
            None => None,
        };
        Ok(Self {
            sessions: format!(
                "SELECT {}::text AS id, {}::text AS name, {}::text AS owner, {} AS phone, {} AS created_us, \
                 {} AS updated_us FROM {}",
                sessions.column("sessions.id")?,
                sessions.column("sessions.sessionName")?,
                sessions.column("sessions.userId")?,
                sessions.text("sessions.phoneNumber")?,
                sessions.micros("sessions.createdAt")?,
                sessions.micros("sessions.updatedAt")?,
                sessions.name,
            ),
            groups: format!(
                "SELECT {}::text AS id, {session}::text AS session, {}::text AS chat, {}::text AS name, \
                 {} AS created_us, {} AS updated_us FROM {} WHERE {session}::text = ANY($1)",
                groups.column("groups.id")?,
                groups.column("groups.groupId")?,
                groups.column("groups.groupName")?,
                groups.micros("groups.createdAt")?,
                groups.micros("groups.updatedAt")?,
                groups.name,
                session = groups.column("groups.sessionId")?,
            ),
            campaigns,
            store,
        })
    }

    fn of(query: &str, ids: &[String]) -> diesel::query_builder::BoxedSqlQuery<'static, diesel::pg::Pg, SqlQuery> {
        diesel::sql_query(query.to_owned()).into_boxed().bind::<Array<Text>, _>(ids.to_vec())
    }
}

impl<'a> Table<'a> {
    async fn find(
        store: &PgStore,
        at: &'a AppTables,
        of: &'static str,
        table: &SqlName,
    ) -> Result<Self, AppTablesError> {
        let query = diesel::sql_query(
            "SELECT column_name::text AS name FROM information_schema.columns \
             WHERE table_schema = $1 AND table_name = $2",
        )
        .bind::<Text, _>(at.schema.as_str().to_owned())
        .bind::<Text, _>(table.as_str().to_owned());
        let columns: Vec<Column> = store.reader().await?.run(async |conn| query.load(conn).await).await?;
        if columns.is_empty() {
            let (schema, table) = (at.schema.as_str().to_owned(), table.as_str().to_owned());
            return Err(AppTablesError::NoTable { schema, table });
        }
        Ok(Self {
            name: format!("{}.{}", at.schema.quoted(), table.quoted()),
            columns: columns.into_iter().map(|column| column.name).collect(),
            of,
            renamed: &at.columns,
            plain: table.as_str().to_owned(),
        })
    }

    /// A column, quoted; `None` if it lacks one that it may lack.
    fn find_column(&self, field: &'static str) -> Result<Option<String>, AppTablesError> {
        let given = self.renamed.get(field);
        let plain = field.strip_prefix(self.of).and_then(|rest| rest.strip_prefix('.')).unwrap_or(field);
        let column = given.map_or(plain, SqlName::as_str);
        if self.columns.contains(column) {
            return Ok(Some(format!("\"{}\"", column.replace('"', "\"\""))));
        }
        if given.is_none() && OPTIONAL.contains(&field) {
            return Ok(None);
        }
        let known = self.columns.iter().cloned().collect();
        Err(AppTablesError::NoColumn { table: self.plain.clone(), column: column.to_owned(), field, known })
    }

    fn column(&self, field: &'static str) -> Result<String, AppTablesError> {
        Ok(self.find_column(field)?.unwrap_or_else(|| "NULL".to_owned()))
    }

    fn text(&self, field: &'static str) -> Result<String, AppTablesError> {
        Ok(format!("{}::text", self.column(field)?))
    }

    /// A time as microseconds. The epoch of one without a zone is what it would be in UTC, which is what Prisma writes.
    fn micros(&self, field: &'static str) -> Result<String, AppTablesError> {
        Ok(match self.find_column(field)? {
            Some(column) => format!("floor(extract(epoch FROM {column}) * 1000000)::bigint"),
            None => "NULL::bigint".to_owned(),
        })
    }

    fn select_campaigns(&self) -> Result<String, AppTablesError> {
        let is_deleted = self.find_column("campaigns.isDeleted")?.map(|column| format!(" AND {column} IS NOT TRUE"));
        let deleted_at = self.find_column("campaigns.deletedAt")?.map(|column| format!(" AND {column} IS NULL"));
        Ok(format!(
            "SELECT {}::text AS id, {link}::text AS link, {}::text AS status, {} AS start_us FROM {} \
             WHERE {link}::text = ANY($1){}{}",
            self.column("campaigns.id")?,
            self.column("campaigns.status")?,
            self.micros("campaigns.startDate")?,
            self.name,
            is_deleted.unwrap_or_default(),
            deleted_at.unwrap_or_default(),
            link = self.column("campaigns.groupId")?,
        ))
    }
}

#[async_trait]
impl AppSessions for PgAppSessions {
    async fn sessions(&self) -> Result<Vec<AppSession>, StorageError> {
        let query = diesel::sql_query(self.sessions.clone());
        let rows: Vec<SessionRow> = self.store.reader().await?.run(async |conn| query.load(conn).await).await?;
        Ok(rows.into_iter().map(AppSession::from).collect())
    }

    async fn groups(&self, sessions: &[String]) -> Result<Vec<AppGroup>, StorageError> {
        let query = Self::of(&self.groups, sessions);
        let rows: Vec<GroupRow> = self.store.reader().await?.run(async |conn| query.load(conn).await).await?;
        Ok(rows.into_iter().map(AppGroup::from).collect())
    }

    async fn campaigns(&self, groups: &[String]) -> Result<Vec<AppCampaign>, StorageError> {
        let Some(campaigns) = &self.campaigns else { return Ok(Vec::new()) };
        let query = Self::of(campaigns, groups);
        let rows: Vec<CampaignRow> = self.store.reader().await?.run(async |conn| query.load(conn).await).await?;
        Ok(rows.into_iter().map(AppCampaign::from).collect())
    }
}

fn time(micros: Option<i64>) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_micros(micros?)
}

impl From<SessionRow> for AppSession {
    fn from(row: SessionRow) -> Self {
        Self {
            id: row.id,
            name: row.name.unwrap_or_default(),
            user: row.owner.unwrap_or_default(),
            phone: row.phone,
            created_at: time(row.created_us),
            updated_at: time(row.updated_us),
        }
    }
}

impl From<GroupRow> for AppGroup {
    fn from(row: GroupRow) -> Self {
        Self {
            id: row.id,
            session: row.session,
            group: row.chat.unwrap_or_default(),
            name: row.name.unwrap_or_default(),
            created_at: time(row.created_us),
            updated_at: time(row.updated_us),
        }
    }
}

impl From<CampaignRow> for AppCampaign {
    fn from(row: CampaignRow) -> Self {
        Self {
            id: row.id,
            group: row.link,
            status: row.status.unwrap_or_default(),
            start_date: time(row.start_us).unwrap_or_default(),
        }
    }
}
