//! API keys.

use std::sync::Arc;

use chrono::TimeDelta;
use switchboard_domain::ports::{ApiKeyRepository, Clock};
use switchboard_domain::{ApiKeyHash, ApiKeySecret};

use super::lately::{Lately, Strangers};
use super::{Credential, NotSignedIn, Principal};

/// Who signs in with a key.
pub(super) struct Keys {
    repository: Arc<dyn ApiKeyRepository>,
    lately: Lately<ApiKeyHash, Arc<Principal>>,
    clock: Arc<dyn Clock>,
}

impl Keys {
    /// How long it is remembered what the database said of a key: a revoked one is dead after that, and streams notice it
    /// a second later at most.
    const REMEMBERED: TimeDelta = TimeDelta::seconds(3);

    pub(super) fn new(repository: Arc<dyn ApiKeyRepository>, strangers: Arc<Strangers>, clock: Arc<dyn Clock>) -> Self {
        Self { repository, lately: Lately::new(Self::REMEMBERED, strangers, clock.clone()), clock }
    }

    /// Whose key that is.
    pub(super) async fn principal(&self, key: &str) -> Result<Arc<Principal>, NotSignedIn> {
        let secret: ApiKeySecret = key.parse().map_err(|_| NotSignedIn::refused("not quite an API key"))?;
        self.of(&secret.hash()).await
    }

    /// The same by the key's hash. Nothing is compared but hashes, of which nobody can choose a part: so no time that this
    /// takes tells anything of a key that is not known already.
    pub(super) async fn of(&self, hash: &ApiKeyHash) -> Result<Arc<Principal>, NotSignedIn> {
        let ask = || {
            let (repository, clock, hash) = (Arc::clone(&self.repository), Arc::clone(&self.clock), *hash);
            async move {
                let found = repository.find(&hash).await?;
                Ok(found.filter(|key| key.is_good(clock.now())).map(|key| {
                    let credential = Credential::Key(hash);
                    Arc::new(Principal { user: key.user, scope: key.scope, expires_at: key.expires_at, credential })
                }))
            }
        };
        let known = self.lately.get(hash, ask).await?;
        let principal =
            known.ok_or_else(|| NotSignedIn::refused("no such API key, or one that is no good any more"))?;
        principal.in_time(self.clock.now())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chrono::{DateTime, Utc};
    use switchboard_domain::ports::{MockApiKeyRepository, StorageError};
    use switchboard_domain::{ApiKey, Scope, SystemRandom};

    use super::super::testing::FakeClock;
    use super::*;

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).unwrap()
    }

    fn key(ttl: Option<Duration>) -> (ApiKey, ApiKeySecret) {
        let (user, name) = ("ana".parse().unwrap(), "reports".parse().unwrap());
        ApiKey::new(&SystemRandom, user, name, Scope::Read, ttl, now()).unwrap()
    }

    fn keys(repository: MockApiKeyRepository, clock: &Arc<FakeClock>) -> Keys {
        Keys::new(Arc::new(repository), Strangers::new(clock.clone()), clock.clone())
    }

    #[tokio::test]
    async fn a_key_is_looked_up_once_in_three_seconds_however_often_it_is_shown() {
        let (key, secret) = key(None);
        let (hash, clock) = (secret.hash(), FakeClock::at(now()));
        let mut repository = MockApiKeyRepository::new();
        let found = key.clone();
        repository
            .expect_find()
            .withf(move |asked| *asked == hash)
            .times(2)
            .returning(move |_| Ok(Some(found.clone())));
        let keys = keys(repository, &clock);
        for seconds in [0, 0, 2, 1, 2] {
            clock.advance(Duration::from_secs(seconds));
            for _ in 0..100 {
                let principal = keys.principal(secret.expose()).await.unwrap();
                assert_eq!((principal.user.as_str(), principal.scope), ("ana", Scope::Read));
            }
        }
    }

    #[tokio::test]
    async fn a_key_is_refused_once_it_is_revoked_expires_or_is_unknown() {
        let ((key, secret), clock) = (key(Some(Duration::from_secs(2))), FakeClock::at(now()));
        let mut repository = MockApiKeyRepository::new();
        let mut answers =
            [Some(key.clone()), Some(ApiKey { revoked_at: Some(now()), ..key.clone() }), None].into_iter();
        repository.expect_find().times(3).returning(move |_| Ok(answers.next().unwrap()));
        let keys = keys(repository, &clock);
        let is_good = async || keys.principal(secret.expose()).await.map(|principal| principal.expires_at);
        assert_eq!(is_good().await, Ok(key.expires_at));
        for seconds in [2, 1, 3] {
            clock.advance(Duration::from_secs(seconds));
            assert_eq!(is_good().await, Err(NotSignedIn::Refused), "{seconds} s later");
        }
    }

    #[tokio::test]
    async fn what_is_not_quite_a_key_asks_nothing_and_a_failing_database_lets_nobody_in() {
        let ((_, secret), clock) = (key(None), FakeClock::at(now()));
        let mut repository = MockApiKeyRepository::new();
        let unavailable = || StorageError::unavailable(std::io::Error::other("gone"));
        repository.expect_find().times(1).returning(move |_| Err(unavailable()));
        repository.expect_find().times(1).returning(|_| Err(StorageError::Conflict));
        let keys = keys(repository, &clock);
        for bad in ["swb_", "swb_x", &secret.expose().to_uppercase()] {
            assert_eq!(keys.principal(bad).await, Err(NotSignedIn::Refused), "{bad}");
        }
        assert_eq!(keys.principal(secret.expose()).await, Err(NotSignedIn::UNAVAILABLE));
        assert_eq!(keys.principal(secret.expose()).await, Err(NotSignedIn::Failed));
    }
}
