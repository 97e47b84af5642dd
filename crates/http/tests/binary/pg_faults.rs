//! A PostgreSQL server that stops, that loses connections, and that has no time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::events::LiveStream;
use support::postgres;
use support::proxy::Proxy;
use switchboard_waha_fake::{FakeWaha, Options};
use tokio::time::sleep;
use tokio_postgres::{Client, NoTls};

use super::load::{Load, everybody_comes_and_goes};
use super::server::Server;

/// How long a call waits for the database at most: for a connection, and for a statement. A call that met others who wait
/// has to wait for them first.
const DEADLINE: Duration = Duration::from_secs(20);

/// What may be answered while the database comes and goes: a session that is logged out, or not paired, has no lists.
const EXPECTED: [&str; 4] = ["200", "503 database_unavailable", "412 not_connected", "412 not_paired"];

type Users = Vec<(String, String)>;

struct Scene {
    server: Arc<Server>,
    waha: FakeWaha,
    /// Paired users, and their open streams.
    steady: Users,
    streams: Vec<LiveStream>,
    /// Users who come and go.
    restless: Users,
}

impl Scene {
    async fn on(database: &str) -> Self {
        let waha = switchboard_waha_fake::start(Options { time_scale: 50.0, ..Options::default() }).await.unwrap();
        let server = Arc::new(Server::start(database, &waha, None).await);
        let (mut steady, mut streams, mut restless) = (Users::new(), Vec::new(), Users::new());
        for n in 0..4 {
            let user = format!("steady{n}");
            let name = server.pair(&waha, &user, &format!("3460011122{n}")).await;
            for mut stream in [server.watch(&user, &name).await, server.subscribe(&user, &name).await] {
                stream.until(|state| state["status"] == "WORKING").await;
                streams.push(stream);
            }
            steady.push((user, name));
        }
        for n in 0..8 {
            let user = format!("restless{n}");
            let name = server.connect(&user).await;
            restless.push((user, name));
        }
        Self { server, waha, steady, streams, restless }
    }

    fn load(&self) -> Load {
        Load::start(&self.server, &self.steady, &self.restless)
    }

    /// Nobody's stream was closed, and each tells what is so now; everybody's session can be used.
    async fn come_to_rest(mut self, admin: &Client) {
        for (_, name) in &self.steady {
            assert!(self.waha.set_status(name, "FAILED"));
        }
        for stream in &mut self.streams {
            stream.until(|state| state["status"] == "FAILED" && state["reason"] == "connection_lost").await;
        }
        let everybody = [self.steady, self.restless].concat();
        everybody_comes_and_goes(&self.server, &self.waha, &everybody).await;
        let rows = "SELECT lifecycle, count(*) FROM switchboard.sessions GROUP BY lifecycle";
        let rows = admin.query(rows, &[]).await.unwrap();
        let rows: Vec<(String, i64)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        assert_eq!(rows, [("disconnected".to_owned(), i64::try_from(everybody.len()).unwrap())]);
    }
}

async fn admin(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn a_server_that_is_gone(how_often: usize, for_how_long: Duration) {
    let Some(mut cluster) = postgres::own_cluster() else { return };
    let database = cluster.database().await;
    let scene = Scene::on(&database).await;
    let load = scene.load();
    for n in 0..how_often {
        // Each time in the middle of something else.
        sleep(Duration::from_millis(500 + 37 * n as u64)).await;
        let began = Instant::now();
        cluster.stop();
        let gone = Instant::now();
        scene.server.until_red().await;
        assert_eq!(scene.server.status("/healthz").await, 200);
        sleep(for_how_long.saturating_sub(began.elapsed())).await;
        let refused = load.seen().count("503 database_unavailable", gone);
        assert!(refused > 0, "{refused} refused, {}", load.seen());
        cluster.start_again();
        let ready = scene.server.until_ready(Duration::from_secs(10)).await;
        println!("{for_how_long:?} without a server: {refused} refused; ready {ready:?} after it is back");
    }
    // Whoever's operation was broken off is waited for.
    sleep(Duration::from_millis(500)).await;
    let seen = load.stop().await;
    println!("{seen}the slowest: {:?}", seen.slowest());
    assert!(seen.others(&EXPECTED).is_empty(), "{:?}\n{}", seen.others(&EXPECTED), scene.server.log());
    assert!(seen.slowest().1 < DEADLINE, "{:?}", seen.slowest());
    scene.come_to_rest(&admin(&database).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stops_again_and_again_is_unavailable_meanwhile_and_leaves_nothing_half_done() {
    a_server_that_is_gone(4, Duration::from_millis(700)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes more than a minute"]
async fn a_server_that_is_gone_for_a_minute_is_unavailable_for_a_minute() {
    a_server_that_is_gone(1, Duration::from_mins(1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_are_reset_again_and_again_leave_nothing_half_done() {
    let Some(cluster) = postgres::cluster() else { return };
    let database = cluster.database().await;
    let proxy = Proxy::to(&database).await;
    let scene = Scene::on(&proxy.url()).await;
    let load = scene.load();
    let (began, mut cuts, mut reset) = (Instant::now(), 0, 0);
    while began.elapsed() < Duration::from_secs(4) {
        sleep(Duration::from_millis(20 + 7 * (cuts % 11))).await;
        reset += proxy.cut();
        cuts += 1;
        if cuts % 10 == 0 {
            assert_eq!(scene.server.status("/healthz").await, 200);
        }
    }
    let calm = Instant::now();
    let ready = scene.server.until_ready(Duration::from_secs(5)).await;
    sleep(Duration::from_millis(500)).await;
    let seen = load.stop().await;
    println!(
        "{reset} connections reset in {cuts} cuts: {seen}the slowest: {:?}; ready after {ready:?}",
        seen.slowest()
    );
    assert!(seen.others(&EXPECTED).is_empty(), "{:?}\n{}", seen.others(&EXPECTED), scene.server.log());
    assert!(seen.count("503 database_unavailable", began) > 0, "no call met a reset: {seen}");
    assert!(seen.count("200", calm) > 0, "{seen}");
    assert!(seen.slowest().1 < DEADLINE, "{:?}", seen.slowest());
    scene.come_to_rest(&admin(&database).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_whose_connections_all_wait_refuses_the_others_in_time_and_goes_on_at_once() {
    /// Connections, and as many callers as would be a long queue for them.
    const CONNECTIONS: &str = "4";
    const CALLERS: usize = 100;
    let Some(cluster) = postgres::cluster() else { return };
    let database = cluster.database().await;
    let waha = switchboard_waha_fake::start(Options { time_scale: 50.0, ..Options::default() }).await.unwrap();
    let settings = [("DATABASE__URL", &*database), ("DATABASE__MAX_CONNECTIONS", CONNECTIONS)];
    let server = Server::with(&settings, &waha).await;
    let name = server.connect("ana").await;
    let (blocker, watcher) = (admin(&database).await, admin(&database).await);
    blocker.batch_execute("BEGIN; LOCK TABLE switchboard.sessions").await.unwrap();

    let began = Instant::now();
    let calls = (0..CALLERS).map(|n| {
        let (server, session) = (&server, json!({ "sessionName": name }));
        async move {
            match n % 3 {
                0 => server.ask("ana", "user.getSessionStatus", session).await,
                1 => server.ask(&format!("user{n}"), "user.initiateWhatsAppSession", Value::Null).await,
                _ => server.ask(&format!("user{n}"), "user.getWhatsAppSession", Value::Null).await,
            }
        }
    });
    let most = async {
        let count = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()";
        let mut most = 0;
        loop {
            let connections: i64 = watcher.query_one(count, &[]).await.unwrap().get(0);
            most = most.max(connections - 2);
            assert_eq!(server.status("/healthz").await, 200);
            sleep(Duration::from_millis(100)).await;
            if began.elapsed() > Duration::from_millis(7500) {
                return most;
            }
        }
    };
    let ready = async {
        // What it knew before is forgotten by then.
        sleep(Duration::from_millis(1100)).await;
        (server.status("/readyz").await, began.elapsed())
    };
    let calls = async {
        let answers = futures_util::future::join_all(calls).await;
        (answers, began.elapsed())
    };
    let ((answers, took), most, (ready, told)) = tokio::join!(calls, most, ready);
    println!("{CALLERS} calls refused within {took:?}, on at most {most} connections; /readyz {ready} after {told:?}");
    for answer in &answers {
        assert_eq!((answer.status, answer.error().1), (503, "database_unavailable"), "{answer:?}");
    }
    // Five seconds for a connection, five for a statement, and what a busy machine adds.
    assert!(took < Duration::from_secs(15), "{took:?}");
    assert_eq!(ready, 503);
    // Those that the server has not given up yet, those that took their places, and the bus.
    assert!(most <= 2 * 4 + 1, "{most}");

    let waiting = server.ask("ana", "user.getSessionStatus", json!({ "sessionName": name }));
    let free = async {
        sleep(Duration::from_millis(300)).await;
        blocker.batch_execute("COMMIT").await.unwrap();
        Instant::now()
    };
    let (answer, free) = tokio::join!(waiting, free);
    assert_eq!(answer.status, 200, "{answer:?}");
    server.until_ready(Duration::from_secs(10)).await;
    println!("answered and ready {:?} after the table is free", free.elapsed());
    assert!(free.elapsed() < Duration::from_secs(3), "{:?}", free.elapsed());
    server.connect("user1").await;
    assert_eq!(waha.sessions().len(), 2, "nobody who was refused has a session");
}
