//! An identity provider's keys in a file.

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use support::app::Answer;
use switchboard_domain::SystemClock;
use switchboard_domain::ports::Clock as _;
use switchboard_waha_fake::Options;
use tempfile::TempDir;

use super::server::Server;
use super::sign_in::{document, ed25519, rsa};

/// The settings of a server whose provider's keys are in that file.
fn settings(file: &str) -> [(&str, &str); 3] {
    [("AUTH__JWKS_FILE", file), ("AUTH__ISSUER", "https://id.example"), ("AUTH__AUDIENCE", "switchboard")]
}

/// A token of Ana's.
fn token(kid: &str, (key, algorithm): (&EncodingKey, Algorithm), audience: &str) -> String {
    let exp = SystemClock.now().timestamp() + 60;
    let claims = json!({ "iss": "https://id.example", "aud": audience, "sub": "ana", "exp": exp });
    let header = Header { kid: Some(kid.to_owned()), ..Header::new(algorithm) };
    jsonwebtoken::encode(&header, &claims, key).unwrap()
}

async fn connect(server: &Server, token: &str) -> Answer {
    let request = server.request(reqwest::Method::POST, "/api/trpc/user.initiateWhatsAppSession");
    support::app::Replica::answer(request.bearer_auth(token).json(&Value::Null)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_taken_by_a_key_that_is_in_the_file_and_by_no_other() {
    let (folder, waha) = (TempDir::new().unwrap(), switchboard_waha_fake::start(Options::default()).await.unwrap());
    let file = folder.path().join("keys.json");
    let (rsa, ed) = (rsa(), ed25519());
    let (by_rsa, by_ed) = ((&rsa, Algorithm::RS256), (&ed, Algorithm::EdDSA));
    std::fs::write(&file, document(&[("now", &rsa, Algorithm::RS256)]).to_string()).unwrap();
    let server = Server::with(&settings(file.to_str().unwrap()), &waha).await;

    let connected = connect(&server, &token("now", by_rsa, "switchboard")).await;
    assert!(connected.data()["sessionName"].is_string(), "{connected:?}");
    for bad in
        [token("now", by_rsa, "another"), token("now", by_ed, "switchboard"), token("next", by_ed, "switchboard")]
    {
        let refused = connect(&server, &bad).await;
        assert_eq!((refused.status, refused.error().0), (401, "UNAUTHORIZED"), "{refused:?}");
    }

    // The next one that is started has the keys that are there then.
    std::fs::write(&file, document(&[("next", &ed, Algorithm::EdDSA)]).to_string()).unwrap();
    let server = Server::with(&settings(file.to_str().unwrap()), &waha).await;
    assert_eq!(connect(&server, &token("next", by_ed, "switchboard")).await.status, 200);
    assert_eq!(connect(&server, &token("now", by_rsa, "switchboard")).await.status, 401);
}
