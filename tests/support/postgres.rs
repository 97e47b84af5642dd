//! A PostgreSQL server for the tests: yours, if `SWITCHBOARD_TEST_POSTGRES` holds a superuser's URL, or else a throwaway
//! one, started once in each test process from the programs on this machine.
//!
//! Without either, tests on PostgreSQL are skipped, which is said once. With `SWITCHBOARD_REQUIRE_POSTGRES=1` they fail.

use std::fs::Metadata;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, fs, io};

use secrecy::SecretString;
use switchboard_pg_adapter::{PgOptions, PgStore};
use tokio::sync::OnceCell;
use tokio_postgres::NoTls;
use url::Url;

/// What the databases we make are called. On a server of yours, those of earlier runs are dropped, so that one run at
/// a time can use it.
const PREFIX: &str = "switchboard_test";

/// A running server.
#[derive(Debug)]
pub struct Cluster {
    /// A superuser's URL, of the database `postgres`.
    admin: Url,
    /// Done once what earlier runs left is gone.
    tidied: OnceCell<()>,
    /// The database that all others are copies of, once it is migrated.
    template: OnceCell<()>,
    made: AtomicU32,
    supervisor: Option<Supervisor>,
}

/// What looks after a server of ours: it waits for our end of the pipe to close.
#[derive(Debug)]
struct Supervisor {
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// The server, if there can be one.
///
/// # Panics
/// If there cannot, and `SWITCHBOARD_REQUIRE_POSTGRES=1`.
pub fn cluster() -> Option<&'static Cluster> {
    static CLUSTER: OnceLock<Option<Cluster>> = OnceLock::new();
    CLUSTER
        .get_or_init(|| match Cluster::start() {
            Ok(cluster) => Some(cluster),
            Err(reason) => {
                assert!(env::var("SWITCHBOARD_REQUIRE_POSTGRES").as_deref() != Ok("1"), "no PostgreSQL: {reason}");
                // Not `eprintln`, which the test harness hides in a test that passes.
                let _ = writeln!(io::stderr(), "\nSKIPPED: all tests on PostgreSQL, because {reason}\n");
                None
            }
        })
        .as_ref()
}

/// A server for one test alone, to be stopped and started, if there can be one.
pub fn own_cluster() -> Option<Cluster> {
    // Without the common one, it is said why there is none, or that there must be one.
    cluster().and_then(|_| Cluster::throwaway().ok())
}

impl Cluster {
    /// Stops a server of one's own: at once, as if it had crashed.
    ///
    /// # Panics
    /// If that fails.
    pub fn stop(&mut self) {
        self.order("stop");
    }

    /// Starts it again.
    ///
    /// # Panics
    /// If that fails.
    pub fn start_again(&mut self) {
        self.order("start");
    }

    /// Has a server of one's own listen on `localhost` too, with the certificate in `tests/fixtures/tls`. Returns the URL of
    /// a database there, without a word on encryption.
    ///
    /// # Panics
    /// If that fails.
    pub async fn encrypted(&mut self) -> String {
        // Free a moment ago; nobody else is given it so soon.
        let free = TcpListener::bind("localhost:0").and_then(|listener| listener.local_addr());
        let port = free.expect("there is a free port").port();
        self.order(&format!("encrypt {port}"));
        self.admin.set_port(Some(port)).expect("a URL with a host");
        let mut url: Url = self.database().await.parse().expect("a URL of our own making");
        url.set_host(Some("localhost")).expect("a host");
        url.into()
    }

    fn order(&mut self, order: &str) {
        let supervisor = self.supervisor.as_mut().expect("a server of our own");
        writeln!(supervisor.orders, "{order}").expect("the supervisor takes orders");
        let mut answer = String::new();
        supervisor.answers.read_line(&mut answer).expect("the supervisor answers");
        assert_eq!(answer.trim(), "done", "{order}");
    }

    /// A new database with all tables, for one test alone. Returns its URL.
    ///
    /// # Panics
    /// If the server refuses.
    pub async fn database(&self) -> String {
        self.template.get_or_init(|| self.make_template()).await;
        let name = format!("{PREFIX}_{}_{}", std::process::id(), self.made.fetch_add(1, Ordering::Relaxed));
        self.execute(&format!("CREATE DATABASE {name} TEMPLATE {}", template_name())).await;
        self.url(&name)
    }

    /// A new database with nothing in it. Returns its URL.
    ///
    /// # Panics
    /// If the server refuses.
    pub async fn empty_database(&self) -> String {
        self.tidied.get_or_init(|| self.drop_leftovers()).await;
        let name = format!("{PREFIX}_{}_{}", std::process::id(), self.made.fetch_add(1, Ordering::Relaxed));
        self.execute(&format!("CREATE DATABASE {name} TEMPLATE template0")).await;
        self.url(&name)
    }

    async fn make_template(&self) {
        self.tidied.get_or_init(|| self.drop_leftovers()).await;
        self.execute(&format!("CREATE DATABASE {} TEMPLATE template0", template_name())).await;
        let url = SecretString::from(self.url(&template_name()));
        let store = PgStore::new(&url, PgOptions::default()).expect("a URL of our own making");
        store.migrate().await.expect("the migrations run on an empty database");
    }

    async fn drop_leftovers(&self) {
        let client = self.client().await;
        let names = client
            .query("SELECT datname FROM pg_database WHERE datname LIKE $1", &[&format!("{PREFIX}\\_%")])
            .await
            .expect("a superuser may list databases");
        for name in names {
            let name: String = name.get(0);
            client.execute(&format!("DROP DATABASE {name}"), &[]).await.expect("a superuser may drop databases");
        }
    }

    async fn execute(&self, statement: &str) {
        self.client().await.batch_execute(statement).await.expect("a superuser may make databases");
    }

    async fn client(&self) -> tokio_postgres::Client {
        let (client, connection) =
            tokio_postgres::connect(self.admin.as_str(), NoTls).await.expect("the server takes connections");
        tokio::spawn(connection);
        client
    }

    fn url(&self, database: &str) -> String {
        let mut url = self.admin.clone();
        url.set_path(database);
        url.into()
    }

    fn start() -> Result<Self, String> {
        match env::var("SWITCHBOARD_TEST_POSTGRES") {
            Ok(url) if !url.is_empty() => {
                let admin = url.parse().map_err(|_| "SWITCHBOARD_TEST_POSTGRES is not a URL")?;
                Ok(Self::at(admin, None))
            }
            _ => Self::throwaway(),
        }
    }

    fn throwaway() -> Result<Self, String> {
        let bin = programs().ok_or("initdb is neither under /usr/lib/postgresql nor on the PATH")?;
        let dir = tempfile::Builder::new().prefix("switchboard-pg-").tempdir().map_err(|e| e.to_string())?;
        let mut command = supervisor(dir.path())?;
        let mut supervisor = command
            .arg("/bin/sh")
            .args(["-c", include_str!("postgres.sh"), "postgres.sh"])
            .arg(&bin)
            .arg(dir.path())
            .env("SERVER_CERTIFICATE", include_str!("../fixtures/tls/server.pem"))
            .env("SERVER_KEY", include_str!("../fixtures/tls/server-key.pem"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // In a group of its own: a Ctrl-C is for the tests, whose end it then notices.
            .process_group(0)
            .spawn()
            .map_err(|e| e.to_string())?;
        let mut answer = String::new();
        let mut answers = BufReader::new(supervisor.stdout.take().expect("it is piped"));
        answers.read_line(&mut answer).map_err(|e| e.to_string())?;
        if answer.trim() != "ready" {
            let said = supervisor.wait_with_output().map_err(|e| e.to_string())?;
            return Err(format!("PostgreSQL did not start: {}", String::from_utf8_lossy(&said.stderr)));
        }
        // From here on the supervisor removes it.
        let dir = dir.keep();
        let socket = dir.to_string_lossy().replace('/', "%2F");
        let admin = format!("postgres://postgres@{socket}/postgres").parse().map_err(|_| "an odd temporary folder")?;
        let orders = supervisor.stdin.take().expect("it is piped");
        Ok(Self::at(admin, Some(Supervisor { orders, answers })))
    }

    fn at(admin: Url, supervisor: Option<Supervisor>) -> Self {
        Self { admin, tidied: OnceCell::new(), template: OnceCell::new(), made: AtomicU32::new(0), supervisor }
    }
}

fn template_name() -> String {
    format!("{PREFIX}_{}_template", std::process::id())
}

/// The folder of the newest `initdb` on this machine.
fn programs() -> Option<PathBuf> {
    let version = |bin: &PathBuf| bin.parent()?.file_name()?.to_str()?.parse::<u32>().ok();
    let packaged = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|e| e.path().join("bin"));
    let newest = packaged.filter(|bin| bin.join("initdb").exists()).max_by_key(version);
    newest.or_else(|| env::split_paths(&env::var_os("PATH")?).find(|bin| bin.join("initdb").exists()))
}

/// What runs a program as somebody PostgreSQL accepts: it refuses to run as root.
fn supervisor(dir: &Path) -> Result<Command, String> {
    let uid = fs::metadata(dir).as_ref().map(Metadata::uid).map_err(ToString::to_string)?;
    if uid != 0 {
        return Ok(Command::new("env"));
    }
    let given = Command::new("chown").arg("postgres").arg(dir).status();
    if !given.is_ok_and(|status| status.success()) {
        return Err("PostgreSQL does not run as root, and there is no user `postgres`".to_owned());
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]);
    Ok(command)
}
