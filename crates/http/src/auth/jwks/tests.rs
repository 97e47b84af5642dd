use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use super::super::testing::{FakeClock, FakeProvider, Signer, document, settle};
use super::*;

fn start() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

/// Keys that are kept fresh.
struct Kept {
    jwks: Arc<Jwks>,
    clock: Arc<FakeClock>,
    provider: Arc<FakeProvider>,
}

impl Kept {
    async fn of(provider: Arc<FakeProvider>) -> Self {
        let clock = FakeClock::at(start());
        let jwks = Arc::new(Jwks::new(provider.clone(), clock.clone()));
        let keeper = Arc::clone(&jwks);
        tokio::spawn(async move { keeper.keep_fresh().await });
        settle().await;
        Self { jwks, clock, provider }
    }

    /// Time passes, and whoever waited for it has had its turn.
    async fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
        settle().await;
    }

    fn has(&self, kid: &str) -> bool {
        matches!(self.jwks.find(Some(kid), Algorithm::RS256), Wanted::Key(..))
    }
}

#[tokio::test]
async fn keys_are_fetched_at_once_and_then_every_five_minutes() {
    let kept = Kept::of(FakeProvider::with(&document(&[&Signer::rsa("a")]))).await;
    assert!(kept.has("a"));
    kept.provider.have(document(&[&Signer::other_rsa("b")]).to_string());
    // The last second of the five minutes, and the one after it.
    let times = [(30, 1, false), (269, 1, false), (1, 2, true), (30, 2, true), (269, 2, true), (1, 3, true)];
    for (seconds, fetches, newer) in times {
        kept.pass(seconds).await;
        assert_eq!(
            (kept.provider.fetches(), kept.has("b"), kept.has("a")),
            (fetches, newer, !newer),
            "{seconds} s later"
        );
    }
}

#[tokio::test]
async fn an_unknown_key_is_fetched_for_and_then_not_again_for_half_a_minute() {
    let kept = Kept::of(FakeProvider::with(&document(&[&Signer::rsa("a")]))).await;
    kept.pass(60).await;
    kept.provider.have(document(&[&Signer::other_rsa("b")]).to_string());
    kept.jwks.renewed().await.unwrap();
    assert!(kept.has("b"));
    assert_eq!(kept.provider.fetches(), 2);
    for _ in 0..1000 {
        // At once, or this would wait for ever.
        kept.jwks.renewed().await.unwrap();
    }
    kept.pass(29).await;
    assert_eq!(kept.provider.fetches(), 2);
    kept.pass(1).await;
    assert_eq!(kept.provider.fetches(), 3, "all of them together are one more");
    kept.pass(60).await;
    assert_eq!(kept.provider.fetches(), 3);
}

#[tokio::test]
async fn all_who_wait_share_one_fetch() {
    let kept = Kept::of(FakeProvider::with(&document(&[&Signer::rsa("a")]))).await;
    kept.pass(60).await;
    kept.provider.is_slow.store(true, Ordering::SeqCst);
    let waiting = (0..100).map(|_| kept.jwks.renewed());
    let release = async {
        settle().await;
        assert_eq!(kept.provider.fetches(), 2);
        kept.provider.is_slow.store(false, Ordering::SeqCst);
    };
    let (waited, ()) = tokio::join!(futures_util::future::join_all(waiting), release);
    assert_eq!(waited, vec![Ok(()); 100]);
    assert_eq!(kept.provider.fetches(), 2);
}

#[tokio::test]
async fn nobody_waits_longer_than_a_fetch_may_take() {
    let kept = Kept::of(FakeProvider::with(&document(&[&Signer::rsa("a")]))).await;
    kept.pass(60).await;
    kept.provider.is_slow.store(true, Ordering::SeqCst);
    let (waited, ()) = tokio::join!(kept.jwks.renewed(), async {
        settle().await;
        kept.clock.advance(Jwks::DEADLINE);
    });
    assert_eq!(waited, Ok(()), "with the keys that are held");
}

#[tokio::test]
async fn a_fetch_that_never_ends_is_given_up_and_the_next_one_follows() {
    let provider = FakeProvider::with(&document(&[&Signer::rsa("a")]));
    provider.is_slow.store(true, Ordering::SeqCst);
    let kept = Kept::of(provider).await;
    kept.pass(Jwks::DEADLINE.as_secs()).await;
    kept.provider.is_slow.store(false, Ordering::SeqCst);
    assert!(!kept.has("a"));
    kept.pass(Jwks::APART.as_secs()).await;
    assert_eq!((kept.provider.fetches(), kept.has("a")), (2, true));
}

#[tokio::test]
async fn keys_that_are_held_go_on_while_the_provider_is_down_or_talks_nonsense() {
    let kept = Kept::of(FakeProvider::with(&document(&[&Signer::rsa("a")]))).await;
    let generation = kept.jwks.generation();
    kept.provider.go_down();
    kept.pass(30).await;
    for nonsense in ["", "<html>", "{}", "[]", r#"{"keys":7}"#, r#"{"keys":{}}"#] {
        kept.pass(600).await;
        kept.pass(30).await;
        assert!(kept.has("a"), "before {nonsense}");
        kept.provider.have(nonsense);
    }
    kept.pass(30).await;
    assert!(kept.has("a"));
    assert_eq!(kept.jwks.generation(), generation);
    kept.provider.have(document(&[&Signer::rsa("b")]).to_string());
    kept.pass(30).await;
    assert!(kept.has("b"), "it is asked every half a minute until it answers");
}

#[tokio::test]
async fn without_any_keys_ever_it_cannot_be_said_and_that_is_no_refusal() {
    let kept = Kept::of(Arc::default()).await;
    let told = kept.jwks.renewed().await;
    assert_eq!(told, Err(NotSignedIn::Unavailable { retry_after: Jwks::APART }));
    kept.provider.have(document(&[&Signer::rsa("a")]).to_string());
    kept.pass(30).await;
    assert_eq!(kept.jwks.renewed().await, Ok(()));
    assert!(kept.has("a"));
}

#[tokio::test]
async fn a_provider_that_has_no_keys_any_more_is_believed() {
    let kept = Kept::of(FakeProvider::with(&document(&[&Signer::rsa("a")]))).await;
    kept.provider.have(document(&[]).to_string());
    kept.pass(30).await;
    kept.pass(270).await;
    assert!(!kept.has("a"));
    assert_eq!(kept.jwks.renewed().await, Ok(()), "it is known that there is none");
}

#[tokio::test]
async fn the_same_keys_again_change_nothing() {
    let kept = Kept::of(FakeProvider::with(&document(&[&Signer::rsa("a"), &Signer::ec("b")]))).await;
    let generation = kept.jwks.generation();
    kept.pass(30).await;
    kept.pass(270).await;
    assert_eq!((kept.provider.fetches(), kept.jwks.generation()), (2, generation));
}

/// Keys that are in the document, changed by `change`.
fn with(signer: &Signer, change: impl FnOnce(&mut Value)) -> Value {
    let mut jwk = signer.jwk();
    change(&mut jwk);
    jwk
}

#[test]
fn only_public_keys_to_sign_with_are_taken_each_for_one_algorithm() {
    let without_use = |jwk: &mut Value| drop(jwk.as_object_mut().unwrap().remove("use"));
    let good = [
        with(&Signer::rsa("rsa"), |_| ()),
        with(&Signer::ec("ec"), without_use),
        with(&Signer::ed("ed"), |jwk| {
            without_use(jwk);
            jwk["key_ops"] = json!(["verify"]);
        }),
        with(&Signer::other_rsa("plain"), |jwk| {
            without_use(jwk);
            jwk.as_object_mut().unwrap().remove("alg");
        }),
    ];
    let bad = [
        with(&Signer::rsa("enc"), |jwk| jwk["use"] = json!("enc")),
        with(&Signer::rsa("oaep"), |jwk| jwk["alg"] = json!("RSA-OAEP")),
        with(&Signer::rsa("rs512"), |jwk| jwk["alg"] = json!("RS512")),
        with(&Signer::rsa("hs256"), |jwk| jwk["alg"] = json!("HS256")),
        with(&Signer::ec("p384"), |jwk| jwk["crv"] = json!("P-384")),
        with(&Signer::ec("wrap"), |jwk| jwk["key_ops"] = json!(["deriveKey"])),
        with(&Signer::hs256(&[7; 32], "oct"), |_| ()),
        json!({ "kty": "AKP", "kid": "new", "alg": "ML-DSA-44", "pub": "AA" }),
        json!({ "kty": "RSA", "kid": "half" }),
        json!({ "kty": "RSA", "kid": "odd", "n": "!", "e": "!" }),
        json!(7),
        json!(null),
    ];
    let all = [bad.to_vec(), good.to_vec()].concat();
    let keys = KeySet::parse(json!({ "keys": all }).to_string().as_bytes()).unwrap();
    assert_eq!(keys.len(), good.len());
    let is_found = |kid: &str, algorithm| matches!(keys.find(Some(kid), algorithm), Found::Key(_));
    let (rs, es, ed) = (Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA);
    for (kid, its) in [("rsa", rs), ("plain", rs), ("ec", es), ("ed", ed)] {
        for algorithm in [rs, es, ed, Algorithm::HS256] {
            assert_eq!(is_found(kid, algorithm), algorithm == its, "{kid} {algorithm:?}");
            let is_mismatch = matches!(keys.find(Some(kid), algorithm), Found::Mismatch);
            assert_eq!(is_mismatch, algorithm != its, "{kid} {algorithm:?}");
        }
    }
    assert!(matches!(keys.find(Some("oct"), Algorithm::HS256), Found::None), "a secret that everybody knows");
    assert!(matches!(keys.find(None, es), Found::Key(_)), "the only one for its algorithm needs no name");
    assert!(matches!(keys.find(None, rs), Found::Ambiguous));
    assert_eq!(Jwks::check(json!({ "keys": bad }).to_string().as_bytes()), Err(NoUsableKey));
    assert_eq!(Jwks::check(json!({ "keys": good }).to_string().as_bytes()), Ok(()));
    assert_eq!(Jwks::check(b"{}"), Err(NoUsableKey));
}
