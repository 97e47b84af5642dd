//! What the tests of signing in share.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};
use switchboard_domain::ports::Clock;
use tokio::sync::watch;

use super::{KeySource, KeysOutOfReach};

/// A clock that stands still until it is put forward.
pub(super) struct FakeClock(watch::Sender<DateTime<Utc>>);

impl FakeClock {
    pub(super) fn at(time: DateTime<Utc>) -> Arc<Self> {
        Arc::new(Self(watch::Sender::new(time)))
    }

    pub(super) fn advance(&self, by: Duration) {
        self.0.send_modify(|now| *now += TimeDelta::from_std(by).unwrap());
    }
}

#[async_trait]
impl Clock for FakeClock {
    fn now(&self) -> DateTime<Utc> {
        *self.0.borrow()
    }

    async fn sleep(&self, duration: Duration) {
        let until = self.now() + TimeDelta::from_std(duration).unwrap();
        // The sender is `self`.
        let _ = self.0.subscribe().wait_for(|now| *now >= until).await;
    }
}

/// Somebody who signs tokens.
pub(super) struct Signer {
    key: EncodingKey,
    algorithm: Algorithm,
    kid: &'static str,
}

impl Signer {
    pub(super) fn rsa(kid: &'static str) -> Self {
        let pem = include_bytes!("../../../../tests/fixtures/keys/rsa.pem");
        Self { key: EncodingKey::from_rsa_pem(pem).unwrap(), algorithm: Algorithm::RS256, kid }
    }

    pub(super) fn other_rsa(kid: &'static str) -> Self {
        let pem = include_bytes!("../../../../tests/fixtures/keys/other-rsa.pem");
        Self { key: EncodingKey::from_rsa_pem(pem).unwrap(), algorithm: Algorithm::RS256, kid }
    }

    pub(super) fn ec(kid: &'static str) -> Self {
        let pem = include_bytes!("../../../../tests/fixtures/keys/ec.pem");
        Self { key: EncodingKey::from_ec_pem(pem).unwrap(), algorithm: Algorithm::ES256, kid }
    }

    pub(super) fn ed(kid: &'static str) -> Self {
        let pem = include_bytes!("../../../../tests/fixtures/keys/ed.pem");
        Self { key: EncodingKey::from_ed_pem(pem).unwrap(), algorithm: Algorithm::EdDSA, kid }
    }

    pub(super) fn hs256(secret: &[u8], kid: &'static str) -> Self {
        Self { key: EncodingKey::from_secret(secret), algorithm: Algorithm::HS256, kid }
    }

    /// The public part.
    pub(super) fn jwk(&self) -> Value {
        let mut jwk = serde_json::to_value(Jwk::from_encoding_key(&self.key, self.algorithm).unwrap()).unwrap();
        jwk["kid"] = self.kid.into();
        jwk["use"] = "sig".into();
        jwk
    }

    pub(super) fn header(&self) -> Value {
        json!({ "alg": format!("{:?}", self.algorithm), "typ": "JWT", "kid": self.kid })
    }

    /// What a provider would sign.
    pub(super) fn token(&self, claims: &Value) -> String {
        self.token_with(&self.header(), claims)
    }

    /// The same under any header.
    pub(super) fn token_with(&self, header: &Value, claims: &Value) -> String {
        let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let signature = jsonwebtoken::crypto::sign(signed.as_bytes(), &self.key, self.algorithm).unwrap();
        format!("{signed}.{signature}")
    }
}

/// The document of these signers' keys.
pub(super) fn document(signers: &[&Signer]) -> Value {
    json!({ "keys": signers.iter().map(|signer| signer.jwk()).collect::<Vec<_>>() })
}

/// A provider that has a document, or is down.
#[derive(Default)]
pub(super) struct FakeProvider {
    document: Mutex<Option<Vec<u8>>>,
    fetches: AtomicUsize,
    /// Whether it lets those wait who fetch.
    pub(super) is_slow: AtomicBool,
}

impl FakeProvider {
    pub(super) fn with(document: &Value) -> Arc<Self> {
        let provider = Self::default();
        provider.have(document.to_string());
        Arc::new(provider)
    }

    pub(super) fn have(&self, document: impl Into<Vec<u8>>) {
        *self.document.lock().unwrap() = Some(document.into());
    }

    pub(super) fn go_down(&self) {
        *self.document.lock().unwrap() = None;
    }

    pub(super) fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl KeySource for FakeProvider {
    async fn fetch(&self) -> Result<Vec<u8>, KeysOutOfReach> {
        self.fetches.fetch_add(1, Ordering::SeqCst);
        while self.is_slow.load(Ordering::SeqCst) {
            tokio::task::yield_now().await;
        }
        self.document.lock().unwrap().clone().ok_or_else(|| KeysOutOfReach("down".to_owned()))
    }
}

/// Whoever can go on does so: on a runtime of one thread, until they wait for something else than a turn.
pub(super) async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}
