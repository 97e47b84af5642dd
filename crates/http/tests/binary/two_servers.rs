//! Two `switchboard serve` on one PostgreSQL database, before one fake WAHA.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use secrecy::SecretString;
use serde_json::{Value, json};
use support::events::{LiveStream, Told};
use support::postgres;
use switchboard_domain::SystemClock;
use switchboard_http::{Secret, TokenKey};
use switchboard_waha_fake::{FakeWaha, Options};
use tempfile::TempDir;
use tokio_postgres::NoTls;

const SECRET: &str = "a secret of the tests, long enough";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waha_reports_to_one_server_is_told_by_the_other_even_after_the_line_between_them_was_cut() {
    const CHANGES: usize = 50;
    let Some(cluster) = postgres::cluster() else { return };
    let database = cluster.database().await;
    let waha = switchboard_waha_fake::start(Options { time_scale: 50.0, ..Options::default() }).await.unwrap();
    let first = Server::start(&database, &waha, None).await;
    let second = Server::start(&database, &waha, Some(&first)).await;
    let name = first.connect().await;
    let mut stream = second.watch(&name).await;
    stream.until(|state| state["status"] == "SCAN_QR_CODE").await;
    assert!(waha.scan(&name, "34600111222"));
    stream.until(|state| state["status"] == "WORKING").await;

    let mut took = Vec::new();
    for n in 0..CHANGES {
        took.push(change(&waha, &name, n, &mut stream).await);
    }
    took.sort_unstable();
    let (median, worst) = (took[CHANGES / 2], took[CHANGES - 1]);
    println!("from a change in WAHA to the other server's stream: median {median:?}, worst {worst:?} of {CHANGES}");
    assert!(worst < Duration::from_secs(2), "{took:?}");

    let (admin, connection) = tokio_postgres::connect(&database, NoTls).await.unwrap();
    tokio::spawn(connection);
    let lines = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = current_database() \
                 AND pid <> pg_backend_pid() AND (query ~ '^(LISTEN|SELECT pg_notify)' OR query = '')";
    for n in 0..3 {
        assert_eq!(admin.query(lines, &[]).await.unwrap().len(), 2, "each server has one");
        // By themselves they would ask WAHA in a minute.
        let took = change(&waha, &name, n, &mut stream).await;
        println!("after the line was cut: {took:?}");
        assert!(took < Duration::from_secs(20), "{took:?}");
        // The line is up when the next change comes through it at once.
        let took = change(&waha, &name, n + 1, &mut stream).await;
        assert!(took < Duration::from_secs(20), "{took:?}");
        change(&waha, &name, n + 2, &mut stream).await;
        // From here on there are two again.
        let deadline = Instant::now() + Duration::from_secs(20);
        let listening = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() \
                         AND pid <> pg_backend_pid() AND (query ~ '^(LISTEN|SELECT pg_notify)' OR query = '')";
        while admin.query(listening, &[]).await.unwrap().len() < 2 {
            assert!(Instant::now() < deadline, "a server does not listen again");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    let mut own = first.watch(&name).await;
    own.state().await;
    for (server, mut stream) in [(first, own), (second, stream)] {
        let took = server.stop().await;
        println!("a stop with an open stream took {took:?}");
        assert!(took < Duration::from_secs(10), "{took:?}");
        assert_eq!(stream.ending().await, Told::Closed, "clients come back");
    }
}

/// Has WAHA report a status other than the one before; returns how long the stream took to tell it.
async fn change(waha: &FakeWaha, name: &str, n: usize, stream: &mut LiveStream) -> Duration {
    let status = ["FAILED", "WORKING"][n % 2];
    let other = waha.session(name).unwrap().status != status;
    let status = if other { status } else { ["FAILED", "WORKING"][(n + 1) % 2] };
    let began = Instant::now();
    assert!(waha.set_status(name, status));
    stream.until(|state| state["status"] == status).await;
    began.elapsed()
}

/// One of the two.
struct Server {
    child: Child,
    url: String,
    token: String,
    client: reqwest::Client,
    _folder: TempDir,
}

impl Server {
    /// Starts one that has WAHA report to itself, or to another.
    async fn start(database: &str, waha: &FakeWaha, reported_to: Option<&Self>) -> Self {
        let folder = TempDir::new().unwrap();
        // Freed before the server takes it; nobody else is given it so soon.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let url = format!("http://{address}");
        let reports = reported_to.map_or(&*url, |other| &*other.url);
        let child = Command::new(env!("CARGO_BIN_EXE_switchboard"))
            .arg("serve")
            .current_dir(folder.path())
            .env_clear()
            .env("SWITCHBOARD__SERVER__BIND", address.to_string())
            .env("SWITCHBOARD__SERVER__WORKERS", "1")
            .env("SWITCHBOARD__DATABASE__URL", database)
            .env("SWITCHBOARD__WAHA__URL", waha.url())
            .env("SWITCHBOARD__WAHA__API_KEY", waha.api_key())
            .env("SWITCHBOARD__WAHA__WEBHOOK_URL", format!("{reports}/webhooks/waha"))
            .env("SWITCHBOARD__WAHA__WEBHOOK_SECRET", "what the fake WAHA signs with")
            .env("SWITCHBOARD__AUTH__HS256_SECRET", SECRET)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let secret = Secret::new(SecretString::from(SECRET)).unwrap();
        let key = TokenKey::new(&secret, None, None, Arc::new(SystemClock));
        let token = key.sign(&"ana".parse().unwrap(), Duration::from_hours(1)).unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let server = Self { child, url, token, client, _folder: folder };
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let ready = server.client.get(format!("{}/readyz", server.url)).send().await;
            if ready.is_ok_and(|answer| answer.status() == 200) {
                return server;
            }
            assert!(Instant::now() < deadline, "the server does not get ready");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Connects the user; returns the session's name.
    async fn connect(&self) -> String {
        let request = self.client.post(format!("{}/api/trpc/user.initiateWhatsAppSession", self.url));
        let answer = request.bearer_auth(&self.token).json(&json!(null)).send().await.unwrap();
        let body: Value = answer.json().await.unwrap();
        body["result"]["data"]["sessionName"].as_str().unwrap_or_else(|| panic!("{body}")).to_owned()
    }

    async fn watch(&self, name: &str) -> LiveStream {
        let request = self.client.get(format!("{}/v1/sessions/{name}/events", self.url));
        LiveStream::open(request.bearer_auth(&self.token)).await
    }

    /// Asks it to stop; returns how long that takes.
    async fn stop(mut self) -> Duration {
        let began = Instant::now();
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        while self.child.try_wait().unwrap().is_none() {
            assert!(began.elapsed() < Duration::from_mins(1), "it does not stop");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        began.elapsed()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Ended already, as a rule.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
