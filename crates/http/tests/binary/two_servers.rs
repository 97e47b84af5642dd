//! Two `switchboard serve` on one PostgreSQL database, before one fake WAHA.

use std::time::{Duration, Instant};

use support::events::{LiveStream, Told};
use support::postgres;
use switchboard_waha_fake::{FakeWaha, Options};
use tokio_postgres::NoTls;

use super::server::Server;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waha_reports_to_one_server_is_told_by_the_other_even_after_the_line_between_them_was_cut() {
    const CHANGES: usize = 50;
    let Some(cluster) = postgres::cluster() else { return };
    let database = cluster.database().await;
    let waha = switchboard_waha_fake::start(Options { time_scale: 50.0, ..Options::default() }).await.unwrap();
    let first = Server::start(&database, &waha, None).await;
    let second = Server::start(&database, &waha, Some(&first)).await;
    let name = first.connect("ana").await;
    let mut stream = second.watch("ana", &name).await;
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
    assert!(median < Duration::from_millis(250) && worst < Duration::from_secs(2), "{took:?}");

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

    let mut own = first.watch("ana", &name).await;
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
