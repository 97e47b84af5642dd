use chrono::TimeDelta;
use serde_json::{Value, json};
use switchboard_domain::UserId;

use super::super::testing::{FakeClock, Signer};
use super::*;

mod provider;

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const NOW: i64 = 1_800_000_000;

fn at_second(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

fn secret() -> Secret {
    Secret::new(SECRET.to_owned().into()).unwrap()
}

/// What is signed with our secret.
fn hs256(claims: &Value) -> String {
    Signer::hs256(SECRET.as_bytes(), "ours").token(claims)
}

fn rules(issuer: Option<&str>, audience: Option<&str>) -> TokenRules {
    TokenRules { issuer: issuer.map(str::to_owned), audience: audience.map(str::to_owned), ..TokenRules::default() }
}

fn tokens(rules: TokenRules) -> (Tokens, Arc<FakeClock>) {
    let clock = FakeClock::at(at_second(NOW));
    (Tokens::new(rules, clock.clone()).with_secret(&secret()), clock)
}

/// Who that is, as far as our secret tells.
fn verify(tokens: &Tokens, token: &str) -> Result<Arc<Principal>, NotSignedIn> {
    tokens.at_once(token).expect("no keys are waited for")
}

fn is_good(tokens: &Tokens, token: &str) -> bool {
    verify(tokens, token).is_ok()
}

#[test]
fn a_signed_token_names_its_user_until_it_expires() {
    let rules = rules(Some("us"), Some("switchboard"));
    let (tokens, clock) = tokens(rules.clone());
    let (key, user): (_, UserId) = (TokenKey::new(&secret(), rules, clock), "alice".parse().unwrap());
    let principal = verify(&tokens, &key.sign(&user, Duration::from_mins(1)).unwrap()).unwrap();
    let expires_at = Some(at_second(NOW + 90));
    assert_eq!(*principal, Principal { user, scope: Scope::Full, expires_at, credential: Credential::Token(None) });
    let expired = json!({ "sub": "alice", "exp": NOW - 31, "iss": "us", "aud": "switchboard" });
    assert_eq!(verify(&tokens, &hs256(&expired)), Err(NotSignedIn::Refused));
}

#[test]
fn a_token_that_was_good_before_is_refused_once_its_time_is_over() {
    let (tokens, clock) = tokens(TokenRules::default());
    let token = hs256(&json!({ "sub": "alice", "exp": NOW + 60 }));
    for (seconds, good) in [(0, true), (89, true), (1, false)] {
        clock.advance(Duration::from_secs(seconds));
        assert_eq!(is_good(&tokens, &token), good, "{seconds} s later");
    }
    assert!(!is_good(&tokens, &format!("{token}x")), "one that only begins like it");
}

#[test]
fn a_principal_expires_at_the_first_moment_at_which_its_token_is_refused() {
    for exp in [json!(NOW + 1), json!(1_800_000_000.25), json!(1_800_000_000.123_456_7)] {
        let (tokens, clock) = tokens(TokenRules::default());
        let token = hs256(&json!({ "sub": "alice", "exp": exp }));
        let left = verify(&tokens, &token).unwrap().expires_at.unwrap() - clock.now();
        clock.advance((left - TimeDelta::milliseconds(1)).to_std().unwrap());
        assert!(is_good(&tokens, &token), "{exp}");
        clock.advance(Duration::from_millis(1));
        assert!(!is_good(&tokens, &token), "{exp}");
    }
}

#[test]
fn a_time_beyond_all_calendars_is_far_in_the_future_or_refused() {
    let (tokens, _) = tokens(TokenRules::default());
    let good = |exp: f64, nbf: f64| is_good(&tokens, &hs256(&json!({ "sub": "alice", "exp": exp, "nbf": nbf })));
    assert!(good(1e18, 0.0));
    assert!(!good(1e18, 1e18));
    assert!(!good(-1e18, 0.0));
    assert!(good(1e300, 0.0));
}

#[test]
fn a_token_is_good_for_what_its_scope_says_however_often_it_is_shown() {
    let (tokens, clock) = tokens(TokenRules::default());
    for (scope, expected) in [
        (json!("openid profile"), Some(Scope::Full)),
        (json!("openid switchboard:read"), Some(Scope::Read)),
        (json!("switchboard:connect"), Some(Scope::Connect)),
        (json!("switchboard:admin"), None),
        (json!(["switchboard:read"]), None),
        (json!(7), None),
        (json!(null), None),
    ] {
        let token = hs256(&json!({ "sub": "alice", "iat": NOW, "exp": NOW + 60, "scope": scope }));
        for _ in 0..2 {
            assert_eq!(verify(&tokens, &token).ok().map(|principal| principal.scope), expected, "{scope}");
        }
    }
    let (key, user) = (TokenKey::new(&secret(), TokenRules::default(), clock), "alice".parse().unwrap());
    for scope in [Scope::Connect, Scope::Read, Scope::Full] {
        let token = key.sign_scoped(&user, Scope::CONNECT_TTL, scope).unwrap();
        assert_eq!(verify(&tokens, &token).unwrap().scope, scope);
    }
}

#[test]
fn a_token_that_connects_is_good_for_a_quarter_of_an_hour_in_all() {
    let (tokens, clock) = tokens(TokenRules::default());
    let token = |scope: &str, from: i64, to: i64| {
        hs256(&json!({ "sub": "alice", "iat": NOW + from, "exp": NOW + to, "scope": scope }))
    };
    assert!(is_good(&tokens, &token("switchboard:connect", 30, 930)), "a clock that is ahead, within the leeway");
    let ahead = token("switchboard:connect switchboard:full", 31, 931);
    assert!(!is_good(&tokens, &ahead));
    let long = token("switchboard:connect", 0, 901);
    let undated = hs256(&json!({ "sub": "alice", "exp": NOW + 60, "scope": "switchboard:connect" }));
    assert_eq!([&long, &undated].map(|token| is_good(&tokens, token)), [false, false]);
    assert!(is_good(&tokens, &token("switchboard:read", 0, 24 * 3600)));
    clock.advance(Duration::from_secs(1));
    assert!(is_good(&tokens, &ahead));
    clock.advance(Duration::from_secs(899));
    assert!(!is_good(&tokens, &long), "nor is it good for its last quarter of an hour");
}

#[test]
fn what_is_not_quite_a_good_token_is_refused() {
    let (tokens, _) = tokens(rules(Some("us"), Some("switchboard")));
    let good = json!({ "sub": "alice", "exp": NOW + 60, "iss": "us", "aud": ["x", "switchboard"] });
    assert!(is_good(&tokens, &hs256(&good)));
    let fraction = json!({ "sub": "alice", "exp": 1_800_000_000.5, "iss": "us", "aud": "switchboard" });
    assert!(is_good(&tokens, &hs256(&fraction)));

    let with = |field: &str, value: Value| {
        let mut claims = good.clone();
        claims[field] = value;
        hs256(&claims)
    };
    let without = |field: &str| {
        let mut claims = good.clone();
        claims.as_object_mut().unwrap().remove(field);
        hs256(&claims)
    };
    let unsigned = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJzdWIiOiJhbGljZSIsImV4cCI6MTkwMDAwMDAwMH0.";
    for bad in [
        with("iss", json!("them")),
        with("iss", json!("us/")),
        with("iss", json!(["us"])),
        without("iss"),
        with("aud", json!("else")),
        with("aud", json!([])),
        with("aud", json!({ "switchboard": true })),
        with("aud", json!("switchboard2")),
        without("aud"),
        with("exp", json!("1900000000")),
        with("exp", json!(null)),
        without("exp"),
        without("sub"),
        with("sub", json!("")),
        with("sub", json!(7)),
        with("sub", json!("a\nb")),
        with("nbf", json!(NOW + 31)),
        with("nbf", json!("soon")),
        with("padding", json!("x".repeat(9000))),
        format!("{}x", hs256(&good)),
        hs256(&json!(["sub"])),
        unsigned.to_owned(),
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        "a.b.c".to_owned(),
        format!("{}.", hs256(&good)),
        hs256(&good).replace('.', ""),
    ] {
        assert_eq!(verify(&tokens, &bad), Err(NotSignedIn::Refused), "{bad}");
    }
}

#[test]
fn a_token_says_nothing_of_how_it_is_to_be_checked() {
    let (tokens, _) = tokens(TokenRules::default());
    let (signer, claims) = (Signer::hs256(SECRET.as_bytes(), "ours"), json!({ "sub": "alice", "exp": NOW + 60 }));
    let with = |change: Value| {
        let mut header = signer.header();
        header.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        signer.token_with(&header, &claims)
    };
    for good in
        [json!({}), json!({ "typ": "at+jwt" }), json!({ "typ": "jwt" }), json!({ "kid": "any" }), json!({ "x": 1 })]
    {
        assert!(is_good(&tokens, &with(good.clone())), "{good}");
    }
    let jwk = Signer::hs256(&[7; 32], "theirs").jwk();
    for bad in [
        json!({ "crit": ["b64"] }),
        json!({ "crit": [] }),
        json!({ "b64": false }),
        json!({ "jwk": jwk }),
        json!({ "jku": "https://evil.example/keys" }),
        json!({ "x5u": "https://evil.example/keys" }),
        json!({ "x5c": ["AA"] }),
        json!({ "typ": "dpop+jwt" }),
        json!({ "typ": "JWE" }),
        json!({ "typ": 7 }),
        json!({ "alg": "none" }),
        json!({ "alg": "None" }),
        json!({ "alg": "hs256" }),
        json!({ "alg": "HS384" }),
        json!({ "alg": "RS256" }),
        json!({ "alg": null }),
        json!({ "alg": ["HS256"] }),
        json!({ "kid": 7 }),
        json!({ "kid": "x".repeat(257) }),
        json!({ "kid": "a\nb" }),
        json!({ "kid": "a\u{0}b" }),
    ] {
        assert_eq!(verify(&tokens, &with(bad.clone())), Err(NotSignedIn::Refused), "{bad}");
    }
}

#[test]
fn without_a_configured_audience_any_will_do() {
    let claims = json!({ "sub": "alice", "exp": NOW + 60, "aud": "anything" });
    assert!(is_good(&tokens(TokenRules::default()).0, &hs256(&claims)));
}

#[test]
fn only_an_authorized_party_is_let_in_where_some_are_named() {
    let authorized_parties = vec!["https://app.example.com".to_owned(), "http://localhost:3000".to_owned()];
    let rules = TokenRules { authorized_parties, ..TokenRules::default() };
    let (tokens, clock) = tokens(rules.clone());
    for (azp, good) in [
        (json!("https://app.example.com"), true),
        (json!("http://localhost:3000"), true),
        (json!("https://app.example.com/"), false),
        (json!(["https://app.example.com"]), false),
        (json!(""), false),
        (json!(null), false),
    ] {
        let token = hs256(&json!({ "sub": "alice", "exp": NOW + 60, "azp": azp }));
        assert_eq!(is_good(&tokens, &token), good, "{azp}");
    }
    assert!(!is_good(&tokens, &hs256(&json!({ "sub": "alice", "exp": NOW + 60 }))));
    let ours = TokenKey::new(&secret(), rules, clock).sign(&"alice".parse().unwrap(), Duration::from_mins(1)).unwrap();
    assert!(is_good(&tokens, &ours));
}

#[test]
fn the_user_is_named_by_the_claim_that_was_chosen_and_by_no_other() {
    let user_claim = "https://example.com/user_id".to_owned();
    let rules = TokenRules { user_claim: user_claim.clone(), ..TokenRules::default() };
    let (tokens, clock) = tokens(rules.clone());
    let token = hs256(&json!({ "sub": "auth0|1", "exp": NOW + 60, &user_claim: "alice" }));
    assert_eq!(verify(&tokens, &token).unwrap().user.as_str(), "alice");
    let nested = json!({ "https://example": { "com/user_id": "alice" } });
    for bad in [json!({ "sub": "alice" }), json!({ &user_claim: 7 }), json!({ &user_claim: ["alice"] }), nested] {
        let mut claims = bad.clone();
        claims["exp"] = json!(NOW + 60);
        assert!(!is_good(&tokens, &hs256(&claims)), "{bad}");
    }
    let ours = TokenKey::new(&secret(), rules, clock).sign(&"alice".parse().unwrap(), Duration::from_mins(1)).unwrap();
    assert_eq!(verify(&tokens, &ours).unwrap().user.as_str(), "alice");
}

#[test]
fn the_leeway_is_what_was_chosen_on_both_sides() {
    for leeway in [0, 5, 300] {
        let (tokens, _) = tokens(TokenRules { leeway: Duration::from_secs(leeway), ..TokenRules::default() });
        let leeway = i64::try_from(leeway).unwrap();
        let good = |exp: i64, nbf: i64| {
            is_good(&tokens, &hs256(&json!({ "sub": "alice", "exp": NOW + exp, "nbf": NOW + nbf })))
        };
        assert!(good(1 - leeway, leeway) && !good(-leeway, 0) && !good(600, leeway + 1), "{leeway} s");
    }
}
