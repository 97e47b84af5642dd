//! The session cookie of a web application that uses Auth.js or NextAuth, and keeps its sessions in our PostgreSQL.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use support::app::{Answer, Replica};
use support::postgres;
use switchboard_waha_fake::Options;
use tokio_postgres::{Client, NoTls};

use super::server::Server;

/// As `prisma migrate` makes them of Auth.js's schema.
const TABLES: &str = r#"
    CREATE TABLE "User" ("id" TEXT NOT NULL, "email" TEXT, CONSTRAINT "User_pkey" PRIMARY KEY ("id"));
    CREATE TABLE "Session" (
        "id" TEXT NOT NULL,
        "sessionToken" TEXT NOT NULL,
        "userId" TEXT NOT NULL,
        "expires" TIMESTAMP(3) NOT NULL,
        CONSTRAINT "Session_pkey" PRIMARY KEY ("id")
    );
    CREATE UNIQUE INDEX "Session_sessionToken_key" ON "Session"("sessionToken");
    ALTER TABLE "Session" ADD CONSTRAINT "Session_userId_fkey" FOREIGN KEY ("userId") REFERENCES "User"("id")
        ON DELETE CASCADE ON UPDATE CASCADE;
"#;

/// The application.
struct Application(Client);

impl Application {
    /// One that has nobody yet.
    async fn beside(database: &str) -> Self {
        let (client, connection) = tokio_postgres::connect(database, NoTls).await.unwrap();
        tokio::spawn(connection);
        client.batch_execute(TABLES).await.unwrap();
        Self(client)
    }

    /// Signs somebody in, for so many minutes from now on.
    async fn sign_in(&self, user: &str, token: &str, minutes: f64) {
        self.0.execute(r#"INSERT INTO "User" VALUES ($1) ON CONFLICT DO NOTHING"#, &[&user]).await.unwrap();
        let session = r#"INSERT INTO "Session" VALUES (gen_random_uuid()::text, $1, $2,
                         (now() AT TIME ZONE 'UTC') + $3 * interval '1 minute')"#;
        self.0.execute(session, &[&token, &user, &minutes]).await.unwrap();
    }

    /// As Auth.js signs somebody out.
    async fn sign_out(&self, token: &str) {
        let gone = self.0.execute(r#"DELETE FROM "Session" WHERE "sessionToken" = $1"#, &[&token]).await.unwrap();
        assert_eq!(gone, 1);
    }
}

/// What the server says to that cookie.
async fn ask(server: &Server, method: Method, procedure: &str, cookie: &str) -> Answer {
    let request = server.request(method.clone(), &format!("/api/trpc/{procedure}")).header("cookie", cookie);
    let request = request.header("origin", format!("http://{}", server.authority()));
    Replica::answer(if method == Method::POST { request.json(&Value::Null) } else { request }).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_in_the_table_of_authjs_signs_in_until_it_expires_or_is_gone() {
    let Some(cluster) = postgres::cluster() else { return };
    let (database, waha) = (cluster.database().await, switchboard_waha_fake::start(Options::default()).await.unwrap());
    let application = Application::beside(&database).await;
    application.sign_in("ana", "2f0e9f6a-anas", 60.0).await;
    application.sign_in("ana", "2f0e9f6a-over", -0.01).await;
    application.sign_in("ben", "2f0e9f6a-bens", 60.0).await;
    let server = Server::with(&[("DATABASE__URL", &*database), ("AUTH__COOKIE__KIND", "authjs")], &waha).await;

    for (user, cookie) in [
        ("ana", "authjs.session-token=2f0e9f6a-anas"),
        ("ana", "theme=dark; next-auth.session-token=2f0e9f6a-anas"),
        ("ana", "__Secure-authjs.session-token=2f0e9f6a-anas"),
        ("ben", "next-auth.session-token=2f0e9f6a-bens"),
    ] {
        let connected = ask(&server, Method::POST, "user.initiateWhatsAppSession", cookie).await;
        assert_eq!(connected.status, 200, "{cookie}: {connected:?}\n{}", server.log());
        let session = ask(&server, Method::GET, "user.getWhatsAppSession", cookie).await;
        assert_eq!(session.data()["userId"], json!(user), "{cookie}");
    }
    for cookie in [
        "authjs.session-token=2f0e9f6a-over",
        "authjs.session-token=2f0e9f6a-nobodys",
        "authjs.session-token=2f0e9f6a",
        "session=2f0e9f6a-anas",
    ] {
        let refused = ask(&server, Method::GET, "user.getWhatsAppSession", cookie).await;
        assert_eq!((refused.status, refused.error().0), (401, "UNAUTHORIZED"), "{cookie}: {refused:?}");
    }

    let (anas, bens) = ("authjs.session-token=2f0e9f6a-anas", "authjs.session-token=2f0e9f6a-bens");
    application.sign_out("2f0e9f6a-anas").await;
    let began = Instant::now();
    let refused_after = loop {
        let asked_after = began.elapsed();
        if ask(&server, Method::GET, "user.getWhatsAppSession", anas).await.status == 401 {
            break asked_after;
        }
        // However long the answer took.
        assert!(asked_after < Duration::from_secs(5), "a session that is signed out is refused within 5 s");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    println!("a session that was signed out was refused after {refused_after:?}");
    assert_eq!(ask(&server, Method::GET, "user.getWhatsAppSession", bens).await.status, 200, "others are not");
}
