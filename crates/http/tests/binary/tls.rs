//! A server that encrypts by itself.

use std::time::Duration;

use support::events::Told;
use switchboard_waha_fake::{FakeWaha, Options};

use super::server::Server;
use super::wire::Wire;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/tls");

async fn server(waha: &FakeWaha) -> Server {
    let (certificate, key) = (format!("{FIXTURES}/server.pem"), format!("{FIXTURES}/server-key.pem"));
    Server::with(&[("SERVER__TLS_CERTIFICATE", &certificate), ("SERVER__TLS_KEY", &key)], waha).await
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_works_encrypted_and_nothing_in_the_clear() {
    let waha = switchboard_waha_fake::start(Options::default()).await.unwrap();
    let mut server = server(&waha).await;
    let name = server.pair(&waha, "ana", "34600111222").await;
    assert_eq!(server.get("/healthz").await.version(), reqwest::Version::HTTP_11);

    let mut plain = Wire::to(server.authority()).await.unwrap();
    let request = format!("GET /healthz HTTP/1.1\r\nhost: {}\r\n\r\n", server.authority());
    assert!(plain.exchange(request.as_bytes()).await.is_err(), "no answer in the clear");

    let mut streams = [server.watch("ana", &name).await, server.subscribe("ana", &name).await];
    for stream in &mut streams {
        assert_eq!(stream.state().await["status"], "WORKING");
    }
    server.terminate();
    for stream in &mut streams {
        assert_eq!(stream.ending().await, Told::Closed);
    }
    let took = server.until_ended().await;
    assert!(took < Duration::from_secs(20), "an open connection does not hold up the stop: {took:?}");
}
