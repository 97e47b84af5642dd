//! What `ApiKeyRepository` promises.

use std::time::Duration;

use support::stores::Stores;
use switchboard_domain::ports::StorageError;
use switchboard_domain::{ApiKey, ApiKeyHash, ApiKeySecret, Scope, SystemRandom};

use super::fixtures::{all_at_once, at, user};

contract! {
    a_key_is_found_by_its_hash_as_it_was_stored,
    no_two_keys_have_an_id_or_a_hash_in_common,
    keys_are_listed_as_they_were_made_and_a_users_alone_if_asked,
    a_revoked_key_stays_revoked_since_the_first_time,
    a_revoked_key_is_so_after_a_restart,
}

/// A key of user n's, made in second n.
fn new(n: u32, scope: Scope, ttl: Option<Duration>) -> (ApiKey, ApiKeySecret) {
    let name = format!("key {n}").parse().unwrap();
    ApiKey::new(&SystemRandom, user(n), name, scope, ttl, at(i64::from(n))).unwrap()
}

/// A stored one.
async fn have(stores: &Stores, n: u32) -> (ApiKey, ApiKeyHash) {
    let (key, secret) = new(n, Scope::Full, None);
    stores.api_keys.insert(&key, &secret.hash()).await.unwrap();
    (key, secret.hash())
}

async fn a_key_is_found_by_its_hash_as_it_was_stored(stores: &Stores) {
    for (n, scope) in [(1, Scope::Full), (2, Scope::Read), (3, Scope::Connect)] {
        for ttl in [None, Some(Duration::from_millis(1500))] {
            let (key, secret) = new(n, scope, ttl);
            let key = ApiKey { revoked_at: ttl.map(|_| at(7)), ..key };
            stores.api_keys.insert(&key, &secret.hash()).await.unwrap();
            assert_eq!(stores.api_keys.find(&secret.hash()).await.unwrap(), Some(key));
        }
    }
    let (_, unknown) = new(4, Scope::Full, None);
    assert_eq!(stores.api_keys.find(&unknown.hash()).await.unwrap(), None);
}

async fn no_two_keys_have_an_id_or_a_hash_in_common(stores: &Stores) {
    let (first, hash) = have(stores, 1).await;
    let (other, others_hash) = new(2, Scope::Full, None);
    let same_id = ApiKey { id: first.id.clone(), ..other.clone() };
    for (key, hash) in [(same_id, others_hash.hash()), (other, hash)] {
        let again = stores.api_keys.insert(&key, &hash).await;
        assert!(matches!(again, Err(StorageError::Conflict)), "{again:?}");
    }
    assert_eq!(stores.api_keys.list(None).await.unwrap(), [first]);
}

async fn keys_are_listed_as_they_were_made_and_a_users_alone_if_asked(stores: &Stores) {
    assert_eq!(stores.api_keys.list(None).await.unwrap(), []);
    let (third, _) = have(stores, 3).await;
    let (first, _) = have(stores, 1).await;
    let mut seconds = [have(stores, 2).await.0, have(stores, 2).await.0];
    seconds.sort_by(|a, b| a.id.cmp(&b.id));
    let [second, another] = seconds;
    assert_eq!(stores.api_keys.list(Some(&user(2))).await.unwrap(), [second.clone(), another.clone()]);
    assert_eq!(stores.api_keys.list(None).await.unwrap(), [first, second, another, third]);
    assert_eq!(stores.api_keys.list(Some(&user(9))).await.unwrap(), []);
}

async fn a_revoked_key_stays_revoked_since_the_first_time(stores: &Stores) {
    let (key, hash) = have(stores, 1).await;
    let (other, _) = have(stores, 2).await;
    let revoked = ApiKey { revoked_at: Some(at(20)), ..key.clone() };
    for now in [at(20), at(30)] {
        assert_eq!(stores.api_keys.revoke(&key.id, now).await.unwrap(), Some(revoked.clone()));
    }
    assert_eq!(stores.api_keys.find(&hash).await.unwrap(), Some(revoked.clone()));
    assert_eq!(stores.api_keys.list(None).await.unwrap(), [revoked, other]);
    let (unknown, _) = new(3, Scope::Full, None);
    assert_eq!(stores.api_keys.revoke(&unknown.id, at(20)).await.unwrap(), None);
}

async fn a_revoked_key_is_so_after_a_restart(stores: &Stores) {
    let (key, hash) = have(stores, 1).await;
    let all = all_at_once(stores, 10, |stores, n| {
        let id = key.id.clone();
        async move { stores.api_keys.revoke(&id, at(i64::from(n))).await.unwrap().unwrap().revoked_at }
    });
    let since = all.await;
    assert!(since.iter().all(|one| one.is_some() && one == &since[0]), "{since:?}");
    let found = stores.reopened().await.api_keys.find(&hash).await.unwrap();
    assert_eq!(found, Some(ApiKey { revoked_at: since[0], ..key }));
}
