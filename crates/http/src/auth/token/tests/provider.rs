//! Tokens of an identity provider, and of those who pretend to be one.

use std::sync::atomic::Ordering;

use jsonwebtoken::DecodingKey;

use super::super::super::testing::{FakeProvider, document, settle};
use super::*;

/// Tokens that are checked with a provider's keys.
struct Checked {
    tokens: Arc<Tokens>,
    clock: Arc<FakeClock>,
    provider: Arc<FakeProvider>,
}

impl Checked {
    async fn with(provider: Arc<FakeProvider>) -> Self {
        let clock = FakeClock::at(at_second(NOW));
        let tokens = Tokens::new(rules(Some("https://id.example/"), Some("switchboard")), clock.clone());
        let tokens = tokens.with_secret(&secret()).with_jwks(Jwks::new(provider.clone(), clock.clone()));
        let tokens = Arc::new(tokens);
        let keeper = Arc::clone(&tokens);
        tokio::spawn(async move { keeper.keep_fresh().await });
        settle().await;
        Self { tokens, clock, provider }
    }

    async fn verify(&self, token: &str) -> Result<Arc<Principal>, NotSignedIn> {
        match self.tokens.at_once(token) {
            Some(known) => known,
            None => self.tokens.with_newer_keys(token).await,
        }
    }

    async fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
        settle().await;
    }
}

fn good() -> Value {
    json!({ "sub": "alice", "exp": NOW + 100_000, "iss": "https://id.example/", "aud": ["switchboard", "userinfo"] })
}

#[tokio::test]
async fn tokens_of_each_kind_of_key_name_their_user() {
    let (rsa, ec, ed) = (Signer::rsa("r"), Signer::ec("e"), Signer::ed("d"));
    let checked = Checked::with(FakeProvider::with(&document(&[&rsa, &ec, &ed]))).await;
    for signer in [&rsa, &ec, &ed] {
        for _ in 0..2 {
            assert_eq!(
                checked.verify(&signer.token(&good())).await.unwrap().user.as_str(),
                "alice",
                "{}",
                signer.header()
            );
        }
        let mut nameless = signer.header();
        nameless.as_object_mut().unwrap().remove("kid");
        let token = signer.token_with(&nameless, &good());
        assert!(checked.verify(&token).await.is_ok(), "the only key for its algorithm");
    }
    assert!(checked.verify(&hs256(&good())).await.is_ok(), "our own secret beside");
}

#[tokio::test]
async fn no_key_is_used_for_another_algorithm_than_its_own() {
    let (rsa, ec, ed) = (Signer::rsa("r"), Signer::ec("e"), Signer::ed("d"));
    let checked = Checked::with(FakeProvider::with(&document(&[&rsa, &ec, &ed]))).await;
    // What everybody knows of the keys, in every form in which somebody might take it for a secret.
    let public = |signer: &Signer| {
        let jwk = signer.jwk();
        let decoding = DecodingKey::from_jwk(&serde_json::from_value(jwk.clone()).unwrap()).unwrap();
        let raw = decoding.try_get_as_bytes().map(<[u8]>::to_vec).unwrap_or_default();
        [jwk.to_string().into_bytes(), jwk["n"].as_str().or(jwk["x"].as_str()).unwrap().as_bytes().to_vec(), raw]
    };
    let mut tried = 0;
    for (signer, kid) in [(&rsa, "r"), (&ec, "e"), (&ed, "d")] {
        for secret in public(signer) {
            for kid in [kid, "ours", ""] {
                let token =
                    Signer::hs256(&secret, "forged").token_with(&json!({ "alg": "HS256", "kid": kid }), &good());
                assert_eq!(checked.verify(&token).await, Err(NotSignedIn::Refused), "{kid}");
                tried += 1;
            }
        }
        for algorithm in ["none", "HS256", "RS256", "ES256", "EdDSA", "RS512", "PS256", "ES384"] {
            let mut header = signer.header();
            if header["alg"] == algorithm {
                continue;
            }
            header["alg"] = json!(algorithm);
            let token = signer.token_with(&header, &good());
            let unsigned = format!("{}.", token.rsplit_once('.').unwrap().0);
            for token in [token, unsigned] {
                assert_eq!(checked.verify(&token).await, Err(NotSignedIn::Refused), "{header}");
                tried += 1;
            }
        }
    }
    println!("algorithms: {tried} cases, 0 taken");
    assert_eq!(checked.provider.fetches(), 1, "none of them made us ask");
}

#[tokio::test]
async fn what_a_provider_did_not_sign_or_not_for_us_is_refused() {
    let rsa = Signer::rsa("r");
    let checked = Checked::with(FakeProvider::with(&document(&[&rsa]))).await;
    assert!(checked.verify(&rsa.token(&good())).await.is_ok());
    let with = |field: &str, value: Value| {
        let mut claims = good();
        claims[field] = value;
        rsa.token(&claims)
    };
    let header = |field: &str, value: Value| {
        let mut header = rsa.header();
        header[field] = value;
        rsa.token_with(&header, &good())
    };
    let stranger = Signer::other_rsa("r");
    for (bad, why) in [
        (stranger.token(&good()), "another key of that name"),
        (stranger.token_with(&json!({ "alg": "RS256", "kid": "r", "jwk": stranger.jwk() }), &good()), "its own key"),
        (header("jku", json!("https://evil.example/jwks")), "jku"),
        (header("x5u", json!("https://evil.example/x509")), "x5u"),
        (header("crit", json!(["exp"])), "crit"),
        (header("typ", json!("logout+jwt")), "typ"),
        (with("iss", json!("https://id.example")), "the issuer without its slash"),
        (with("iss", json!("https://evil.example/")), "another issuer"),
        (with("aud", json!("userinfo")), "another audience"),
        (with("exp", json!(NOW - 31)), "expired"),
        (with("nbf", json!(NOW + 31)), "not yet valid"),
        (with("sub", json!(null)), "nobody"),
    ] {
        assert_eq!(checked.verify(&bad).await, Err(NotSignedIn::Refused), "{why}");
    }
    assert_eq!(checked.provider.fetches(), 1);
}

#[tokio::test]
async fn an_unknown_key_is_refused_and_asked_for_once_in_half_a_minute_whatever_it_is_called() {
    let rsa = Signer::rsa("r");
    let checked = Checked::with(FakeProvider::with(&document(&[&rsa]))).await;
    checked.pass(60).await;
    let signer = Signer::hs256(&[7; 32], "whatever");
    let named = |kid: &str| signer.token_with(&json!({ "alg": "RS256", "kid": kid }), &good());
    // No name for a key: nothing is asked.
    for hostile in ["\u{0}", "a\r\nhost: evil.example", &"x".repeat(257), &"../".repeat(200)] {
        assert_eq!(checked.verify(&named(hostile)).await, Err(NotSignedIn::Refused), "{hostile:?}");
    }
    assert_eq!(checked.provider.fetches(), 1);
    let hostile = ["", "../../etc/passwd", "' OR 1=1 --", "https://evil.example/jwks", "%00", "r ", "R", "🗝"];
    for (n, kid) in (0..100).flat_map(|n| hostile.map(|kid| (n, kid))) {
        assert_eq!(checked.verify(&named(&format!("{kid}{n}"))).await, Err(NotSignedIn::Refused), "{kid}");
    }
    assert_eq!(checked.provider.fetches(), 2, "for the first of 800");
    assert!(checked.verify(&rsa.token(&good())).await.is_ok());
}

#[tokio::test]
async fn a_new_key_is_fetched_when_its_first_token_comes() {
    let (old, new) = (Signer::rsa("old"), Signer::other_rsa("new"));
    let checked = Checked::with(FakeProvider::with(&document(&[&old]))).await;
    checked.pass(60).await;
    checked.provider.have(document(&[&old, &new]).to_string());
    for token in [new.token(&good()), old.token(&good())] {
        assert!(checked.verify(&token).await.is_ok());
    }
    assert_eq!(checked.provider.fetches(), 2);
}

#[tokio::test]
async fn tokens_of_a_key_that_is_withdrawn_are_dead_with_the_next_renewal() {
    let (old, new) = (Signer::rsa("old"), Signer::other_rsa("new"));
    let checked = Checked::with(FakeProvider::with(&document(&[&old, &new]))).await;
    let (olds, news) = (old.token(&good()), new.token(&good()));
    for token in [&olds, &news] {
        assert!(checked.verify(token).await.is_ok());
    }
    checked.provider.have(document(&[&new]).to_string());
    checked.pass(30).await;
    checked.pass(269).await;
    assert!(checked.verify(&olds).await.is_ok(), "nobody has told us yet");
    checked.pass(1).await;
    assert_eq!(checked.verify(&olds).await, Err(NotSignedIn::Refused));
    assert!(checked.verify(&news).await.is_ok());
}

#[tokio::test]
async fn a_provider_that_is_down_lets_nobody_new_in_and_keeps_nobody_out() {
    let (known, other) = (Signer::rsa("known"), Signer::other_rsa("other"));
    let checked = Checked::with(FakeProvider::with(&document(&[&known]))).await;
    checked.provider.go_down();
    for _ in 0..20 {
        checked.pass(300).await;
        assert!(checked.verify(&known.token(&good())).await.is_ok());
        assert_eq!(checked.verify(&other.token(&good())).await, Err(NotSignedIn::Refused));
    }
    let fetches = checked.provider.fetches();
    checked.pass(1).await;
    assert_eq!(checked.provider.fetches(), fetches);
}

#[tokio::test]
async fn a_provider_that_was_never_up_is_no_reason_to_refuse_anybody_nor_to_let_them_in() {
    let rsa = Signer::rsa("r");
    let checked = Checked::with(Arc::default()).await;
    let told = checked.verify(&rsa.token(&good())).await;
    assert!(matches!(told, Err(NotSignedIn::Unavailable { .. })), "{told:?}");
    assert!(checked.verify(&hs256(&good())).await.is_ok(), "our own secret needs no provider");
    checked.provider.have(document(&[&rsa]).to_string());
    checked.pass(30).await;
    assert!(checked.verify(&rsa.token(&good())).await.is_ok());
}

#[tokio::test]
async fn whoever_has_a_known_key_does_not_wait_for_a_slow_provider() {
    let known = Signer::rsa("known");
    let checked = Checked::with(FakeProvider::with(&document(&[&known]))).await;
    checked.pass(60).await;
    checked.provider.is_slow.store(true, Ordering::SeqCst);
    let other = Signer::other_rsa("other").token(&good());
    let (unknown, ()) = tokio::join!(checked.verify(&other), async {
        settle().await;
        assert!(checked.tokens.at_once(&known.token(&good())).unwrap().is_ok());
        checked.clock.advance(Jwks::DEADLINE);
    });
    assert_eq!(unknown, Err(NotSignedIn::Refused));
}
