//! What `WebSessions` promises, on tables as web applications have them. They are in PostgreSQL only.

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use support::postgres;
use switchboard_domain::ports::{StorageError, WebSession, WebSessionToken, WebSessions};
use switchboard_pg_adapter::{PgOptions, PgStore, WebSessionTable};
use tokio_postgres::NoTls;

/// A database in which an application has made its table, and in which times are not those of UTC.
struct Application(String);

impl Application {
    async fn new(tables: &str) -> Option<Self> {
        let url = postgres::cluster()?.database().await;
        let application = Self(url);
        application.execute(tables).await;
        let zone = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET timezone = ''America/New_York''', \
                    current_database()); END $$";
        application.execute(zone).await;
        Some(application)
    }

    async fn execute(&self, statements: &str) {
        let (client, connection) = tokio_postgres::connect(&self.0, NoTls).await.unwrap();
        tokio::spawn(connection);
        client.batch_execute(statements).await.unwrap();
    }

    fn sessions(&self, names: [&str; 5]) -> impl WebSessions + use<> {
        let [schema, table, token, user, expires] = names.map(|name| name.parse().unwrap());
        let store = PgStore::new(&SecretString::from(self.0.clone()), PgOptions::default()).unwrap();
        store.web_sessions(&WebSessionTable { schema, table, token, user, expires })
    }
}

async fn find(sessions: &impl WebSessions, token: &str) -> Option<WebSession> {
    sessions.find(&WebSessionToken(token.to_owned())).await.unwrap()
}

fn at(time: &str) -> DateTime<Utc> {
    time.parse().unwrap()
}

#[tokio::test]
async fn sessions_are_found_in_the_tables_of_each_library() {
    // As better-auth, Prisma, Auth.js on pg, and Drizzle in T3's way make them.
    let tables = r#"
        CREATE TABLE session (id text PRIMARY KEY, "expiresAt" timestamptz NOT NULL, token text NOT NULL UNIQUE,
                              "userId" text NOT NULL);
        INSERT INTO session VALUES ('1', '2026-11-23T10:00:00.123Z', 'one', 'ana'),
                                   ('2', '2001-01-01T00:00:00Z', 'old', 'ben');
        CREATE TABLE "Session" (id text PRIMARY KEY, "sessionToken" text UNIQUE, "userId" text, expires timestamp(3));
        INSERT INTO "Session" VALUES ('1', 'one', 'ana', '2026-11-23 10:00:00.123'), ('2', 'nobody', NULL, now()),
                                     ('3', 'never', 'ana', NULL);
        CREATE TABLE sessions (id serial, "userId" integer NOT NULL, expires timestamptz NOT NULL,
                               "sessionToken" varchar(255) NOT NULL);
        INSERT INTO sessions VALUES (1, 7, '2026-11-23T11:00:00.123+01', 'one');
        CREATE SCHEMA web;
        CREATE TABLE web."my app_session" (session_token varchar(255) PRIMARY KEY, user_id uuid, expires timestamptz);
        INSERT INTO web."my app_session" VALUES
            ('one', '01890a5d-ac96-774b-bcce-b302099a8057', '2026-11-23T10:00:00.123Z');
    "#;
    let Some(application) = Application::new(tables).await else { return };
    let expires_at = at("2026-11-23T10:00:00.123Z");
    for (names, user) in [
        (["public", "session", "token", "userId", "expiresAt"], "ana"),
        (["public", "Session", "sessionToken", "userId", "expires"], "ana"),
        (["public", "sessions", "sessionToken", "userId", "expires"], "7"),
        (["web", "my app_session", "session_token", "user_id", "expires"], "01890a5d-ac96-774b-bcce-b302099a8057"),
    ] {
        let sessions = application.sessions(names);
        let expected = WebSession { user: user.parse().unwrap(), expires_at };
        assert_eq!(find(&sessions, "one").await, Some(expected), "{names:?}");
        for nobodys in ["", "ONE", "one ", "' OR true --", "nobody", "never"] {
            assert_eq!(find(&sessions, nobodys).await, None, "{names:?} {nobodys}");
        }
    }
    let sessions = application.sessions(["public", "session", "token", "userId", "expiresAt"]);
    let old = WebSession { user: "ben".parse().unwrap(), expires_at: at("2001-01-01T00:00:00Z") };
    assert_eq!(find(&sessions, "old").await, Some(old), "whether it is over is not for the table to say");
}

#[tokio::test]
async fn a_name_is_never_taken_for_sql() {
    let tables = r#"
        CREATE TABLE "s"" WHERE true; DROP TABLE kept; --" ("t""" text, "u;" text, "e'" timestamptz);
        INSERT INTO "s"" WHERE true; DROP TABLE kept; --" VALUES ('one', 'ana', '2026-11-23T10:00:00Z');
        CREATE TABLE kept (id text);
    "#;
    let Some(application) = Application::new(tables).await else { return };
    let names = ["public", "s\" WHERE true; DROP TABLE kept; --", "t\"", "u;", "e'"];
    let sessions = application.sessions(names);
    assert_eq!(find(&sessions, "one").await.unwrap().user.as_str(), "ana");
    application.execute("SELECT FROM kept").await;
}

#[tokio::test]
async fn a_table_that_is_not_there_is_a_failure_and_nobody() {
    let Some(application) = Application::new("").await else { return };
    let sessions = application.sessions(["public", "session", "token", "userId", "expiresAt"]);
    let failed = sessions.find(&WebSessionToken("one".to_owned())).await;
    assert!(matches!(failed, Err(StorageError::Failed(_))), "{failed:?}");
}
