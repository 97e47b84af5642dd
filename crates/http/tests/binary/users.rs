//! Taking users over from a T3 app, writing out what is kept of them, and erasing them, by command.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::{Value, json};
use support::events::Told;
use support::postgres;
use switchboard_waha_fake::{FakeWaha, Options};
use tempfile::TempDir;
use tokio_postgres::NoTls;

use crate::commands::{SECRET, failure, switchboard};
use crate::server::Server;

/// What commands run with.
struct Shell {
    folder: TempDir,
    settings: Vec<(&'static str, String)>,
}

impl Shell {
    fn new(database: &str, waha: &FakeWaha) -> Self {
        let settings = vec![
            ("DATABASE__URL", database.to_owned()),
            ("WAHA__URL", waha.url()),
            ("WAHA__API_KEY", waha.api_key().to_owned()),
            ("AUTH__HS256_SECRET", SECRET.to_owned()),
        ];
        Self { folder: TempDir::new().unwrap(), settings }
    }

    /// On a thread of its own: the fake WAHA lives in this process.
    async fn run(&self, arguments: &[&str]) -> Output {
        let settings: Vec<_> = self.settings.iter().map(|(key, value)| (*key, value.as_str())).collect();
        let mut command = switchboard(self.folder.path(), &settings, arguments);
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }

    async fn printed(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments).await;
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    async fn refused(&self, arguments: &[&str]) -> String {
        failure(&self.run(arguments).await)
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }
}

async fn waha() -> FakeWaha {
    switchboard_waha_fake::start(Options { time_scale: 50.0, ..Options::default() }).await.unwrap()
}

fn read(file: &Path) -> Value {
    assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_of_a_t3_app_are_taken_over_written_out_and_erased_while_it_is_served() {
    let Some(cluster) = postgres::cluster() else { return };
    let database = cluster.empty_database().await;
    let (client, connection) = tokio_postgres::connect(&database, NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute(include_str!("../../../../tests/fixtures/prisma/t3-app.sql")).await.unwrap();
    let waha = waha().await;
    for (session, phone) in [("ana-phone", "34600111222"), ("user_ben_2", "34600333444")] {
        waha.restore(session, phone);
    }
    let shell = Shell::new(&database, &waha);
    shell.printed(&["migrate"]).await;

    let import = ["import", "--from", database.as_str()];
    let rehearsed = shell.printed(&[&import[..], &["--dry-run"]].concat()).await;
    assert!(rehearsed.contains("ana ana-phone: taken over, WORKING on default"), "{rehearsed}");
    assert!(rehearsed.contains("Nothing was written. There would be 3 sessions"), "{rehearsed}");
    let wrong = shell.refused(&[&import[..], &["--groups-table", "Group"]].concat()).await;
    assert!(wrong.contains("there is no table Group in the schema public"), "{wrong}");
    assert!(!wrong.contains("postgres://"), "{wrong}");
    let done = shell.printed(&import).await;
    for expected in [
        "ana ana-phone: taken over, WORKING on default; 1 groups and 2 campaigns added; 1 groups left out",
        "dora dora\\'s phone: skipped: WAHA takes names",
        "ben user_ben_1: skipped: another session of this user",
        "Taken over: 3 sessions, 3 linked groups, 3 campaigns.",
    ] {
        assert!(done.contains(expected), "{expected} in {done}");
    }
    let again = shell.printed(&import).await;
    assert!(again.contains("Taken over: 0 sessions") && again.contains("Nothing is new."), "{again}");

    let server = Server::start(&database, &waha, None).await;
    let session = server.ask("ana", "user.getWhatsAppSession", Value::Null).await;
    assert_eq!(session.data()["WhatsAppGroups"][0]["groupName"], "Family", "{session:?}");
    server.until_status("ana", "ana-phone", "WORKING").await;
    let groups = server.ask("ana", "user.getWhatsAppGroups", json!({ "sessionName": "ana-phone" })).await;
    assert!(groups.data()["total"].as_u64().unwrap() > 0, "{groups:?}");

    let key = shell.printed(&["keys", "create", "--user", "ana", "--name", "reports"]).await;
    shell.printed(&["users", "export", "--user", "ana", "--output", "ana.json"]).await;
    let exported = read(&shell.path("ana.json"));
    assert_eq!((&exported["format"], &exported["user"]), (&json!("switchboard-user/1"), &json!("ana")));
    assert_eq!(exported["session"]["sessionName"], "ana-phone");
    let said = &exported["waha"]["session"];
    assert_eq!((&said["status"], &said["account"]), (&json!("WORKING"), &json!("34600111222@c.us")));
    assert!(said["lid"].as_str().unwrap().ends_with("@lid"), "{said}");
    assert_eq!(exported["waha"]["reason"], Value::Null);
    assert_eq!((&exported["waha"]["worker"], &exported["waha"]["engine"]), (&json!("default"), &json!("NOWEB")));
    assert!(exported["waha"]["version"].as_str().unwrap().starts_with("202"), "{}", exported["waha"]);
    assert_eq!(exported["linkedGroups"][0]["groupName"], "Family");
    assert_eq!(exported["campaigns"].as_array().unwrap().len(), 2);
    assert_eq!(exported["apiKeys"][0]["name"], "reports");
    let actions: Vec<_> = exported["audit"].as_array().unwrap().iter().map(|entry| &entry["action"]).collect();
    assert_eq!(json!(actions), json!(["import", "create_key"]));
    let text = std::fs::read_to_string(shell.path("ana.json")).unwrap();
    for secret in [key.trim(), SECRET, waha.api_key()] {
        assert!(!text.contains(secret));
    }
    let taken = shell.refused(&["users", "export", "--user", "ana", "--output", "ana.json"]).await;
    assert!(taken.contains("--output") && taken.contains("ana.json"), "{taken}");
    let audit = shell.printed(&["audit", "--user", "ana", "--since", "1h", "--json"]).await;
    let last: Value = serde_json::from_str(audit.lines().last().unwrap()).unwrap();
    assert_eq!((&last["action"], &last["by"], &last["user"]), (&json!("export"), &json!("cli"), &json!("ana")));

    let mut stream = server.watch("ana", "ana-phone").await;
    stream.state().await;
    let kept = shell.refused(&["users", "erase", "--user", "ana"]).await;
    assert!(kept.contains("nothing was erased") && kept.contains("--yes"), "{kept}");
    let rehearsed = shell.printed(&["users", "erase", "--user", "ana", "--dry-run"]).await;
    assert!(rehearsed.contains("ana-phone would be logged out") && rehearsed.contains("Campaigns: 2."), "{rehearsed}");
    assert!(waha.session("ana-phone").is_some());
    let erased = shell.printed(&["users", "erase", "--user", "ana", "--yes"]).await;
    assert!(erased.contains("ana is erased. Sessions: 1,") && erased.contains("API keys: 1."), "{erased}");
    assert!(waha.session("ana-phone").is_none());
    assert_eq!(stream.ending().await, Told::Over);
    let session = server.ask("ana", "user.getWhatsAppSession", Value::Null).await;
    assert_eq!(*session.data(), Value::Null);
    assert_eq!(shell.printed(&["users", "erase", "--user", "ana", "--yes"]).await, "Nothing is kept of ana.\n");
    let audit = shell.printed(&["audit", "--user", "ana", "--json"]).await;
    for line in audit.lines() {
        let left: Value = serde_json::from_str(line).unwrap();
        assert_eq!((&left["action"], left["user"].as_str().unwrap().starts_with("sha256:")), (&json!("erase"), true));
    }

    // WAHA off: it is said what is left, and the next attempt does it.
    waha.set_reachable(false).await;
    let exported: Value = serde_json::from_str(&shell.printed(&["users", "export", "--user", "ben"]).await).unwrap();
    assert_eq!(exported["session"]["sessionName"], "user_ben_2");
    assert_eq!(exported["waha"]["session"], Value::Null);
    assert_eq!(exported["waha"]["reason"], "waha_unavailable");
    let unfinished = shell.refused(&["users", "erase", "--user", "ben", "--yes"]).await;
    assert!(
        unfinished.contains("ben is not erased yet") && unfinished.contains("run the same command again"),
        "{unfinished}"
    );
    waha.set_reachable(true).await;
    let erased = shell.printed(&["users", "erase", "--user", "ben", "--yes"]).await;
    assert!(erased.contains("ben is erased."), "{erased}");
    assert!(waha.session("user_ben_2").is_none());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_erased_behind_the_back_of_a_server_that_has_the_database_alone() {
    let waha = waha().await;
    let folder = TempDir::new().unwrap();
    let database = format!("sqlite://{}", folder.path().join("switchboard.sqlite").display());
    let server = Server::start(&database, &waha, None).await;
    let name = server.connect("ana").await;
    let shell = Shell::new(&database, &waha);
    let refused = shell.refused(&["users", "erase", "--user", "ana", "--yes"]).await;
    assert!(refused.contains("switchboard.sqlite"), "{refused}");
    server.stop().await;
    shell.printed(&["users", "erase", "--user", "ana", "--yes"]).await;
    assert!(waha.session(&name).is_none());
}

#[test]
fn how_long_entries_are_kept_is_checked() {
    let folder = TempDir::new().unwrap();
    let settings = |days| {
        [
            ("WAHA__URL", "http://h"),
            ("WAHA__API_KEY", "k"),
            ("AUTH__HS256_SECRET", SECRET),
            ("AUDIT__RETENTION_DAYS", days),
        ]
    };
    let check = |days| switchboard(folder.path(), &settings(days), &["config", "check"]).output().unwrap();
    assert!(check("1").status.success());
    for bad in ["0", "40000"] {
        let line = failure(&check(bad));
        assert!(line.contains("audit.retention_days") && line.contains(bad), "{line}");
    }
}
