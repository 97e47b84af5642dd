//! The two databases hold the same: tables, columns, what may be absent, keys and indexes.

use std::collections::{BTreeMap, BTreeSet};

use diesel::prelude::*;
use diesel::sql_types::Text;
use diesel::{Connection, SqliteConnection, sql_query};
use support::postgres;
use switchboard_sqlite_adapter::{SqliteOptions, SqliteStore};
use tokio_postgres::NoTls;

/// What is said of each table, in one form for both databases.
type Schema = BTreeMap<String, BTreeSet<String>>;

#[derive(Debug, QueryableByName)]
struct Fact {
    #[diesel(sql_type = Text)]
    table: String,
    #[diesel(sql_type = Text)]
    fact: String,
}

const SQLITE: [&str; 4] = [
    // A time is text; whether it is one is asked of PostgreSQL alone.
    "SELECT t.name AS \"table\", 'column ' || c.name || ' ' || lower(c.type) || iif(c.\"notnull\", ' not null', '') \
     || iif(c.dflt_value IS NULL, '', ' default ' || c.dflt_value) AS fact \
     FROM sqlite_schema t, pragma_table_info(t.name) c WHERE t.type = 'table'",
    "SELECT t.name AS \"table\", 'primary key ' || group_concat(c.name, ',' ORDER BY c.pk) AS fact \
     FROM sqlite_schema t, pragma_table_info(t.name) c WHERE t.type = 'table' AND c.pk > 0 GROUP BY 1",
    "SELECT t.name AS \"table\", iif(i.\"unique\", 'unique ', 'index ') || \
     (SELECT group_concat(c.name, ',' ORDER BY c.seqno) FROM pragma_index_info(i.name) c) || iif(i.partial, ' where ' || \
     (SELECT substr(s.sql, instr(s.sql, 'WHERE ') + 6) FROM sqlite_schema s WHERE s.name = i.name), '') AS fact \
     FROM sqlite_schema t, pragma_index_list(t.name) i WHERE t.type = 'table' AND i.origin <> 'pk'",
    "SELECT t.name AS \"table\", 'reference ' || f.\"from\" || ' to ' || f.\"table\" || '.' || f.\"to\" AS fact \
     FROM sqlite_schema t, pragma_foreign_key_list(t.name) f WHERE t.type = 'table'",
];

const POSTGRES: [&str; 3] = [
    "SELECT table_name::text, 'column ' || column_name || ' ' || \
     CASE data_type WHEN 'bigint' THEN 'integer' WHEN 'boolean' THEN 'integer' WHEN 'bytea' THEN 'blob' \
     WHEN 'timestamp with time zone' THEN 'text' ELSE data_type END || \
     CASE is_nullable WHEN 'NO' THEN ' not null' ELSE '' END || coalesce(' default ' || column_default, '') \
     FROM information_schema.columns WHERE table_schema = 'switchboard'",
    "SELECT c.relname::text, \
     CASE WHEN i.indisprimary THEN 'primary key ' WHEN i.indisunique THEN 'unique ' ELSE 'index ' END || \
     (SELECT string_agg(a.attname, ',' ORDER BY k.n) FROM unnest(i.indkey) WITH ORDINALITY k(attnum, n) \
      JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum) || \
     coalesce(' where ' || replace(trim(pg_get_expr(i.indpred, i.indrelid), '()'), '::text', ''), '') \
     FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid WHERE c.relnamespace = 'switchboard'::regnamespace",
    "SELECT c.relname::text, 'reference ' || a.attname || ' to ' || r.relname || '.' || b.attname \
     FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_class r ON r.oid = k.confrelid \
     JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.conkey[1] \
     JOIN pg_attribute b ON b.attrelid = r.oid AND b.attnum = k.confkey[1] \
     WHERE k.contype = 'f' AND c.relnamespace = 'switchboard'::regnamespace",
];

fn add(schema: &mut Schema, table: String, fact: String) {
    // diesel's own.
    if table != "__diesel_schema_migrations" {
        schema.entry(table).or_default().insert(fact);
    }
}

async fn of_sqlite() -> Schema {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("switchboard.sqlite");
    SqliteStore::at(&file, SqliteOptions::default()).unwrap().migrate().await.unwrap();
    let mut conn = SqliteConnection::establish(file.to_str().unwrap()).unwrap();
    let mut schema = Schema::new();
    for query in SQLITE {
        for Fact { table, fact } in sql_query(query).load(&mut conn).unwrap() {
            add(&mut schema, table, fact);
        }
    }
    schema
}

async fn of_postgres(url: &str) -> Schema {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    let mut schema = Schema::new();
    for query in POSTGRES {
        for row in client.query(query, &[]).await.unwrap() {
            add(&mut schema, row.get(0), row.get(1));
        }
    }
    schema
}

#[tokio::test]
async fn both_databases_have_the_same_schema() {
    let sqlite = of_sqlite().await;
    let tables = [
        "api_keys",
        "audit_log",
        "campaigns",
        "deployment",
        "directory_snapshots",
        "linked_groups",
        "sessions",
        "strays",
        "task_leases",
        "worker_loads",
        "workers",
    ];
    assert_eq!(sqlite.keys().collect::<Vec<_>>(), tables);
    for expected in ["primary key session_id,kind", "reference session_id to sessions.id", "column data blob not null"]
    {
        assert!(sqlite["directory_snapshots"].contains(expected), "{expected} of {sqlite:#?}");
    }
    let partial = "index worker,id where lifecycle <> 'disconnected'";
    assert!(sqlite["sessions"].contains(partial), "{sqlite:#?}");
    for expected in ["primary key id", "unique owner", "unique name", "column phone text", "column id text not null"] {
        assert!(sqlite["sessions"].contains(expected), "{expected} of {sqlite:#?}");
    }
    let Some(cluster) = postgres::cluster() else { return };
    assert_eq!(of_postgres(&cluster.database().await).await, sqlite);
}

#[tokio::test]
async fn every_text_in_postgresql_is_compared_byte_by_byte_and_every_time_has_a_zone() {
    let Some(cluster) = postgres::cluster() else { return };
    let (client, connection) = tokio_postgres::connect(&cluster.database().await, NoTls).await.unwrap();
    tokio::spawn(connection);
    let odd = "SELECT table_name::text || '.' || column_name FROM information_schema.columns \
               WHERE table_schema = 'switchboard' AND table_name <> '__diesel_schema_migrations' \
               AND (data_type NOT IN ('text', 'bigint', 'boolean', 'bytea', 'timestamp with time zone') \
                    OR data_type = 'text' AND collation_name IS DISTINCT FROM 'C' \
                    OR (column_name LIKE '%\\_at' OR column_name IN ('start_date', 'lease_until', 'until')) \
                       AND data_type <> 'timestamp with time zone')";
    let odd: Vec<String> = client.query(odd, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
    assert_eq!(odd, Vec::<String>::new());
}
