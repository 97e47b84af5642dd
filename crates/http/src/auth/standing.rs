//! Whether somebody who was let in still is, for as long as a stream lasts.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::{NotSignedIn, Principal, SignIn};

/// Somebody who was let in, and when that is looked at next.
pub(crate) struct Standing {
    principal: Arc<Principal>,
    next: DateTime<Utc>,
    /// Since when nothing can be asked of them.
    failing_since: Option<DateTime<Utc>>,
}

impl Standing {
    /// How long a look may take.
    const PATIENCE: Duration = Duration::from_secs(1);
    /// When it is looked again after one that failed.
    const AGAIN: TimeDelta = TimeDelta::seconds(1);
    /// A clock's sleep has an end.
    const LONGEST: Duration = Duration::from_hours(24);

    pub(crate) fn new(principal: Arc<Principal>, sign_in: &SignIn) -> Self {
        let now = sign_in.clock().now();
        Self { principal, next: now, failing_since: None }
    }

    /// Returns, with the reason, when they are no longer let in. Nothing is lost if the caller does not wait for it.
    pub(crate) async fn lost(&mut self, sign_in: &SignIn) -> NotSignedIn {
        loop {
            let now = sign_in.clock().now();
            let expires_at = self.principal.expires_at.unwrap_or(DateTime::<Utc>::MAX_UTC);
            let every = self.principal.credential.seen_every();
            // Of a token that is signed with our secret that is all there is to know.
            let until = if every.is_some() { self.next.min(expires_at) } else { expires_at };
            if let Ok(left) = (until - now).to_std()
                && !left.is_zero()
            {
                sign_in.clock().sleep(left.min(Self::LONGEST)).await;
                continue;
            }
            let seen = tokio::select! {
                biased;
                seen = sign_in.see_again(&self.principal) => seen,
                () = sign_in.clock().sleep(Self::PATIENCE) => Err(NotSignedIn::UNAVAILABLE),
            };
            self.next = now
                + match seen {
                    // Its time may have been extended.
                    Ok(principal) => {
                        (self.principal, self.failing_since) = (principal, None);
                        every.unwrap_or_default()
                    }
                    Err(NotSignedIn::Refused) => return NotSignedIn::Refused,
                    Err(error) => {
                        let failing_since = *self.failing_since.get_or_insert(now);
                        let now = sign_in.clock().now();
                        if now >= expires_at || now - failing_since >= self.principal.credential.grace() {
                            return error;
                        }
                        Self::AGAIN
                    }
                };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

    use actix_web::test::TestRequest;
    use serde_json::json;
    use switchboard_domain::ports::{
        Clock as _, MockApiKeyRepository, MockWebSessions, StorageError, WebSession, WebSessionToken,
    };
    use switchboard_domain::{ApiKey, ApiKeySecret, Scope, SystemRandom};

    use super::super::testing::{FakeClock, FakeProvider, Signer, document, settle};
    use super::super::{CookieForm, CookieRules, Credential, Jwks, TokenRules, Tokens};
    use super::*;

    fn start() -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).unwrap()
    }

    fn principal(credential: Credential, expires_at: Option<DateTime<Utc>>) -> Arc<Principal> {
        Arc::new(Principal { user: "ana".parse().unwrap(), scope: Scope::Full, expires_at, credential })
    }

    /// A stream that is asked once a second whether it goes on.
    struct Streamed {
        standing: Standing,
        sign_in: Arc<SignIn>,
        clock: Arc<FakeClock>,
    }

    impl Streamed {
        fn new(principal: Arc<Principal>, with: impl FnOnce(SignIn) -> SignIn) -> Self {
            let clock = FakeClock::at(start());
            let sign_in = Arc::new(with(SignIn::new(clock.clone())));
            Self { standing: Standing::new(principal, &sign_in), sign_in, clock }
        }

        /// Why it is lost, if it is by now.
        async fn lost_now(&mut self) -> Option<NotSignedIn> {
            tokio::select! {
                biased;
                why = self.standing.lost(&self.sign_in) => Some(why),
                () = settle() => None,
            }
        }

        /// After how many seconds it is lost, and why.
        async fn lost_after(&mut self) -> (i64, NotSignedIn) {
            loop {
                // Each time anew, as a stream does with each event.
                if let Some(why) = self.lost_now().await {
                    return ((self.clock.now() - start()).num_seconds(), why);
                }
                self.clock.advance(Duration::from_secs(1));
            }
        }
    }

    fn key() -> (ApiKey, ApiKeySecret) {
        let (user, name) = ("ana".parse().unwrap(), "reports".parse().unwrap());
        ApiKey::new(&SystemRandom, user, name, Scope::Full, None, start()).unwrap()
    }

    #[tokio::test]
    async fn a_token_by_our_secret_is_good_until_it_expires_and_nobody_is_asked() {
        let expires_at = Some(start() + TimeDelta::seconds(90));
        let mut streamed = Streamed::new(principal(Credential::Token(None), expires_at), |sign_in| sign_in);
        assert_eq!(streamed.lost_after().await, (90, NotSignedIn::Refused));
    }

    #[tokio::test]
    async fn a_token_is_lost_soon_after_its_provider_withdrew_the_key_and_with_the_other_keys_when_it_expires() {
        let clock = FakeClock::at(start());
        let (withdrawn, kept) = (Signer::rsa("withdrawn"), Signer::ec("kept"));
        let provider = FakeProvider::with(&document(&[&withdrawn, &kept]));
        let tokens = Tokens::new(TokenRules::default(), clock.clone());
        let tokens = tokens.with_jwks(Jwks::new(provider.clone(), clock.clone()));
        let sign_in = Arc::new(SignIn::new(clock.clone()).with_tokens(tokens));
        let keeper = Arc::clone(&sign_in);
        tokio::spawn(async move { keeper.keep_fresh().await });
        settle().await;
        let mut streams = Vec::new();
        for signer in [&withdrawn, &kept] {
            let token = signer.token(&json!({ "sub": "ana", "exp": start().timestamp() + 1000 }));
            let request = TestRequest::default().insert_header(("authorization", format!("Bearer {token}")));
            let principal = sign_in.principal(&request.to_http_request()).await.unwrap();
            let (standing, sign_in) = (Standing::new(principal, &sign_in), Arc::clone(&sign_in));
            streams.push(Streamed { standing, sign_in, clock: clock.clone() });
        }
        let [of_withdrawn, of_kept] = &mut streams[..] else { unreachable!("there are two") };

        assert_eq!(of_withdrawn.lost_now().await, None);
        // The key that stays is told of anew, with a word more.
        let mut other_words = kept.jwk();
        other_words["x5t"] = json!("AA");
        provider.have(json!({ "keys": [other_words] }).to_string());
        let (after, why) = of_withdrawn.lost_after().await;
        assert_eq!(why, NotSignedIn::Refused);
        let renewed = i64::try_from(Jwks::EVERY.as_secs()).unwrap();
        assert!((renewed..=renewed + 30).contains(&after), "lost after {after} s");
        assert_eq!(of_kept.lost_after().await, (1030, NotSignedIn::Refused), "at its end, and no sooner");
    }

    #[tokio::test]
    async fn a_key_that_is_revoked_is_lost_within_five_seconds_wherever_one_is_between_two_looks() {
        for revoked_after in 0..7 {
            let (key, secret) = key();
            let told = Arc::new(AtomicI64::new(0));
            let (now, mut keys) = (Arc::clone(&told), MockApiKeyRepository::new());
            keys.expect_find().returning(move |_| {
                let is_revoked = now.load(Ordering::SeqCst) >= revoked_after;
                Ok(Some(ApiKey { revoked_at: is_revoked.then(start), ..key.clone() }))
            });
            let of_key = principal(Credential::Key(secret.hash()), None);
            let mut streamed = Streamed::new(of_key, |sign_in| sign_in.with_api_keys(Arc::new(keys)));
            let (lost_after, why) = loop {
                if let Some(why) = streamed.lost_now().await {
                    break (told.load(Ordering::SeqCst), why);
                }
                streamed.clock.advance(Duration::from_secs(1));
                told.fetch_add(1, Ordering::SeqCst);
            };
            assert_eq!(why, NotSignedIn::Refused);
            assert!(lost_after - revoked_after < 5, "revoked after {revoked_after} s, lost after {lost_after} s");
        }
    }

    #[tokio::test]
    async fn a_database_that_is_away_for_a_moment_ends_no_stream_and_one_that_stays_away_does() {
        for (away, expected) in [(1, None), (100, Some(NotSignedIn::UNAVAILABLE))] {
            let ((key, secret), asked) = (key(), AtomicUsize::new(0));
            let mut keys = MockApiKeyRepository::new();
            keys.expect_find().returning(move |_| match asked.fetch_add(1, Ordering::SeqCst) {
                0 => Ok(Some(key.clone())),
                n if n <= away => Err(StorageError::unavailable(std::io::Error::other("gone"))),
                _ => Ok(Some(ApiKey { revoked_at: Some(start()), ..key.clone() })),
            });
            let of_key = principal(Credential::Key(secret.hash()), None);
            let mut streamed = Streamed::new(of_key, |sign_in| sign_in.with_api_keys(Arc::new(keys)));
            let (after, why) = streamed.lost_after().await;
            assert_eq!(why, expected.unwrap_or(NotSignedIn::Refused), "after {after} s");
        }
    }

    #[tokio::test]
    async fn a_database_that_is_away_for_a_moment_ends_no_stream_of_a_session_that_is_seldom_looked_at() {
        for (away, expected) in [(3, (63, NotSignedIn::Refused)), (100, (35, NotSignedIn::UNAVAILABLE))] {
            let (asked, mut sessions) = (AtomicUsize::new(0), MockWebSessions::new());
            sessions.expect_find().returning(move |_| {
                let session = WebSession { user: "ana".parse().unwrap(), expires_at: start() + TimeDelta::days(7) };
                match asked.fetch_add(1, Ordering::SeqCst) {
                    0 => Ok(Some(session)),
                    n if n <= away => Err(StorageError::unavailable(std::io::Error::other("gone"))),
                    n if n == away + 1 => Ok(Some(session)),
                    _ => Ok(None),
                }
            });
            let rules = CookieRules {
                names: vec!["s".to_owned()],
                secure_only: false,
                form: CookieForm::Plain,
                origins: Vec::new(),
            };
            let of_session = principal(Credential::WebSession(WebSessionToken("t".to_owned())), None);
            let mut streamed = Streamed::new(of_session, |sign_in| sign_in.with_cookies(rules, Arc::new(sessions)));
            assert_eq!(streamed.lost_after().await, expected, "away for {away} looks");
        }
    }

    #[tokio::test]
    async fn a_session_that_its_application_extends_goes_on_and_ends_when_that_ends() {
        let asked = AtomicUsize::new(0);
        let mut sessions = MockWebSessions::new();
        sessions.expect_find().returning(move |_| {
            let expires_after = if asked.fetch_add(1, Ordering::SeqCst) < 2 { 70 } else { 100 };
            let expires_at = start() + TimeDelta::seconds(expires_after);
            Ok(Some(WebSession { user: "ana".parse().unwrap(), expires_at }))
        });
        let rules = CookieRules {
            names: vec!["s".to_owned()],
            secure_only: false,
            form: CookieForm::Plain,
            origins: Vec::new(),
        };
        let first = Some(start() + TimeDelta::seconds(70));
        let of_session = principal(Credential::WebSession(WebSessionToken("t".to_owned())), first);
        let mut streamed = Streamed::new(of_session, |sign_in| sign_in.with_cookies(rules, Arc::new(sessions)));
        assert_eq!(streamed.lost_after().await, (100, NotSignedIn::Refused));
    }

    #[tokio::test]
    async fn a_session_that_is_signed_out_is_lost_within_half_a_minute_and_a_little() {
        let asked = Arc::new(AtomicUsize::new(0));
        let (counted, mut sessions) = (Arc::clone(&asked), MockWebSessions::new());
        sessions.expect_find().returning(move |_| {
            let is_there = counted.fetch_add(1, Ordering::SeqCst) < 3;
            let session = || WebSession { user: "ana".parse().unwrap(), expires_at: start() + TimeDelta::days(7) };
            Ok(is_there.then(session))
        });
        let rules = CookieRules {
            names: vec!["s".to_owned()],
            secure_only: false,
            form: CookieForm::Plain,
            origins: Vec::new(),
        };
        let of_session = principal(Credential::WebSession(WebSessionToken("t".to_owned())), None);
        let mut streamed = Streamed::new(of_session, |sign_in| sign_in.with_cookies(rules, Arc::new(sessions)));
        assert_eq!(streamed.lost_after().await, (90, NotSignedIn::Refused));
        assert_eq!(asked.load(Ordering::SeqCst), 4, "once in half a minute");
    }
}
