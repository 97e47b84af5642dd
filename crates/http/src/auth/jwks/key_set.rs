//! A document of keys, and which of them can be used.

use std::fmt;
use std::sync::Arc;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde_json::{Map, Value};

/// Those keys of a document with which tokens can be checked. Others are none of our business: a provider also has keys to
/// encrypt with, and keys of kinds that nobody knew when this was written.
#[derive(Default, PartialEq)]
pub(super) struct KeySet(Vec<Arc<Key>>);

/// A key, and the one algorithm that it is for: what a token says of that is only compared.
pub(crate) struct Key {
    kid: Option<String>,
    algorithm: Algorithm,
    checking: DecodingKey,
    validation: Validation,
    /// The whole of it, if it is a public one.
    jwk: Option<Jwk>,
}

/// What there is of the key that a token is signed with.
pub(super) enum Found {
    Key(Arc<Key>),
    /// It is for another algorithm.
    Mismatch,
    /// The token does not say which of several.
    Ambiguous,
    None,
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

impl KeySet {
    /// More than any provider has.
    const MOST: usize = 100;

    pub(super) fn parse(document: &[u8]) -> Result<Self, serde_json::Error> {
        let Document { keys } = serde_json::from_slice(document)?;
        // One that cannot be read must not take the others with it.
        let usable = |key| Key::public(serde_json::from_value(key).ok()?).map(Arc::new);
        Ok(Self(keys.into_iter().filter_map(usable).take(Self::MOST).collect()))
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn has(&self, key: &Key) -> bool {
        self.0.iter().any(|held| held.is_same_as(key))
    }

    pub(super) fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> Found {
        let named = || self.0.iter().filter(|key| kid.is_none() || key.kid.as_deref() == kid);
        let mut fitting = named().filter(|key| key.algorithm == algorithm);
        match (fitting.next(), fitting.next()) {
            (Some(key), None) => Found::Key(Arc::clone(key)),
            (Some(_), Some(_)) => Found::Ambiguous,
            (None, _) if named().next().is_some() => Found::Mismatch,
            (None, _) => Found::None,
        }
    }
}

impl Key {
    /// A secret, which is for HS256 and nothing else.
    pub(crate) fn secret(secret: &[u8]) -> Self {
        Self::new(None, Algorithm::HS256, DecodingKey::from_secret(secret), None)
    }

    /// A provider's key, if it is public, to sign with, and for an algorithm that we take. A secret in such a document would
    /// be one that everybody knows.
    fn public(jwk: Jwk) -> Option<Self> {
        let common = &jwk.common;
        let is_to_sign = common.public_key_use.as_ref().is_none_or(|its_use| *its_use == PublicKeyUse::Signature);
        let may_verify =
            common.key_operations.as_ref().is_none_or(|operations| operations.contains(&KeyOperations::Verify));
        if !is_to_sign || !may_verify {
            return None;
        }
        let algorithm = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => Algorithm::RS256,
            AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => Algorithm::ES256,
            AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => Algorithm::EdDSA,
            _ => return None,
        };
        if common.key_algorithm.is_some_and(|its| its != KeyAlgorithm::from(algorithm)) {
            return None;
        }
        let checking = DecodingKey::from_jwk(&jwk).ok()?;
        Some(Self::new(common.key_id.clone(), algorithm, checking, Some(jwk)))
    }

    fn new(kid: Option<String>, algorithm: Algorithm, checking: DecodingKey, jwk: Option<Jwk>) -> Self {
        let mut validation = Validation::new(algorithm);
        // What a token says is checked where its reasons can be told, and its times against the clock we were given.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        Self { kid, algorithm, checking, validation, jwk }
    }

    /// Whether both are the same public key.
    fn is_same_as(&self, other: &Self) -> bool {
        match (&self.jwk, &other.jwk) {
            (Some(one), Some(other)) => one.algorithm == other.algorithm,
            _ => false,
        }
    }

    /// What a token says, if it is signed with this key.
    pub(crate) fn claims(&self, token: &str) -> Result<Map<String, Value>, &'static str> {
        jsonwebtoken::decode(token, &self.checking, &self.validation)
            .map(|token| token.claims)
            .map_err(|_| "form or signature")
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.jwk == other.jwk
    }
}

impl Eq for Key {}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}
