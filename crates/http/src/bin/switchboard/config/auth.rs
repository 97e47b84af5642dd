//! The section `auth`: who may sign in, and with what.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use switchboard_http::{CookieForm, Jwks, Secret, TokenRules};
use switchboard_pg_adapter::{SqlName, WebSessionTable};
use url::Url;

use super::{list_or_commas, missing, parsed, present, set, web_url};

/// The section, as it was written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Auth {
    hs256_secret: Option<SecretString>,
    jwks_url: Option<String>,
    jwks_file: Option<PathBuf>,
    issuer: Option<String>,
    audience: Option<String>,
    #[serde(deserialize_with = "list_or_commas")]
    authorized_parties: Vec<String>,
    leeway_seconds: Option<u64>,
    user_claim: Option<String>,
    api_keys: Option<bool>,
    cookie: Cookie,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Cookie {
    kind: Option<String>,
    secret: Option<Hidden>,
    #[serde(deserialize_with = "list_or_commas")]
    names: Vec<String>,
    schema: Option<String>,
    table: Option<String>,
    token_column: Option<String>,
    user_column: Option<String>,
    expires_column: Option<String>,
}

/// Who may sign in.
#[derive(Debug)]
pub(crate) struct AuthConfig {
    /// What tokens are signed with here.
    pub(crate) secret: Option<Secret>,
    /// Where the keys are that they are signed with elsewhere.
    pub(crate) keys: Option<KeysAt>,
    pub(crate) rules: TokenRules,
    pub(crate) api_keys: bool,
    pub(crate) cookie: Option<CookieConfig>,
}

/// Where an identity provider's keys are.
#[derive(Clone, Debug)]
pub(crate) enum KeysAt {
    Url(Url),
    File(PathBuf),
}

/// Whose session cookies are taken.
#[derive(Debug)]
pub(crate) struct CookieConfig {
    pub(crate) names: Vec<String>,
    /// Whether they come by https only.
    pub(crate) secure_only: bool,
    pub(crate) form: CookieForm,
    pub(crate) table: WebSessionTable,
}

/// Secrets that stand in documentation: whoever reads it can sign with them.
const PUBLISHED: [&str; 2] = ["a-string-secret-at-least-256-bits-long", "better-auth-secret-"];

impl Auth {
    /// The largest leeway: more is a clock that is wrong.
    const MOST_LEEWAY: u64 = 300;

    /// Claims that mean something else.
    const TAKEN: [&str; 8] = ["iss", "aud", "azp", "exp", "nbf", "iat", "jti", "scope"];

    /// What is said of cookies, if anything is.
    pub(super) fn has_cookie(&self) -> bool {
        self.cookie != Cookie::default()
    }

    pub(super) fn check(&self, has_postgres: bool, is_https: bool) -> anyhow::Result<AuthConfig> {
        let secret = self.hs256_secret.as_ref().filter(|secret| !secret.expose_secret().is_empty());
        let secret = secret.map(|secret| strong("auth.hs256_secret", secret)).transpose()?;
        let keys = self.keys()?;
        let rules = self.rules(keys.is_some())?;
        let cookie = if self.has_cookie() { Some(self.cookie.check(has_postgres, is_https)?) } else { None };
        let is_anything_else = secret.is_some() || keys.is_some() || cookie.is_some();
        if !is_anything_else && self.api_keys != Some(true) {
            let needed =
                "one of auth.hs256_secret, auth.jwks_url, auth.jwks_file, auth.cookie.kind or auth.api_keys = true";
            bail!("auth: nobody could sign in: expected {needed} (here, or like SWITCHBOARD__AUTH__HS256_SECRET)");
        }
        Ok(AuthConfig { secret, keys, rules, api_keys: self.api_keys.unwrap_or(true), cookie })
    }

    fn keys(&self) -> anyhow::Result<Option<KeysAt>> {
        const URL: &str = "the address of a JSON Web Key Set, like https://id.example.com/.well-known/jwks.json";
        let file = self.jwks_file.as_ref().filter(|path| !path.as_os_str().is_empty());
        match (set(self.jwks_url.as_ref()), file) {
            (Some(_), Some(_)) => bail!("auth.jwks_file: expected either a file or auth.jwks_url, but both are set"),
            (Some(url), None) => Ok(Some(KeysAt::Url(web_url("auth.jwks_url", url, URL)?))),
            (None, Some(path)) => {
                let document = std::fs::read(path).with_context(|| format!("auth.jwks_file: {}", path.display()))?;
                Jwks::check(&document).with_context(|| format!("auth.jwks_file: {}", path.display()))?;
                Ok(Some(KeysAt::File(path.clone())))
            }
            (None, None) => Ok(None),
        }
    }

    fn rules(&self, has_keys: bool) -> anyhow::Result<TokenRules> {
        let (issuer, audience) = (set(self.issuer.as_ref()), set(self.audience.as_ref()));
        if has_keys && issuer.is_none() {
            return Err(missing("auth.issuer", "the `iss` of the provider's tokens, letter by letter"));
        }
        // A provider signs the tokens of all applications with the same keys.
        if has_keys && audience.is_none() && self.authorized_parties.is_empty() {
            let expected =
                "the `aud` of tokens that are meant for this server (or their `azp`, auth.authorized_parties)";
            return Err(missing("auth.audience", expected));
        }
        let leeway = self.leeway_seconds.unwrap_or(TokenRules::LEEWAY.as_secs());
        if leeway > Self::MOST_LEEWAY {
            bail!("auth.leeway_seconds: expected 0 to {} seconds, found {leeway}", Self::MOST_LEEWAY);
        }
        let user_claim = set(self.user_claim.as_ref()).unwrap_or(TokenRules::USER_CLAIM);
        if Self::TAKEN.contains(&user_claim) {
            bail!("auth.user_claim: expected the claim that names the user, like sub, found {user_claim:?}");
        }
        Ok(TokenRules {
            issuer: issuer.map(str::to_owned),
            audience: audience.map(str::to_owned),
            authorized_parties: self.authorized_parties.clone(),
            leeway: Duration::from_secs(leeway),
            user_claim: user_claim.to_owned(),
        })
    }
}

impl Cookie {
    fn check(&self, has_postgres: bool, is_https: bool) -> anyhow::Result<CookieConfig> {
        const KIND: &str = "better-auth or authjs (which is NextAuth, too)";
        const SECRET: &str = "the secret of your application, its BETTER_AUTH_SECRET";
        let kind = set(self.kind.as_ref()).ok_or_else(|| missing("auth.cookie.kind", KIND))?;
        let secret = self.secret.as_ref().map(|hidden| &hidden.0).filter(|secret| !secret.expose_secret().is_empty());
        let (form, names, [table, token, user, expires]) = match kind {
            "better-auth" => {
                let secret = strong("auth.cookie.secret", present("auth.cookie.secret", secret, SECRET)?)?;
                let columns = ["session", "token", "userId", "expiresAt"];
                (CookieForm::Signed(secret), &["better-auth.session_token"][..], columns)
            }
            "authjs" if secret.is_some() => {
                bail!("auth.cookie.secret: expected none: Auth.js does not sign the cookies of database sessions")
            }
            "authjs" => {
                let names = &["authjs.session-token", "next-auth.session-token"][..];
                (CookieForm::Plain, names, ["Session", "sessionToken", "userId", "expires"])
            }
            other => bail!("auth.cookie.kind: expected {KIND}, found {other:?}"),
        };
        if !has_postgres {
            bail!("auth.cookie: expected the PostgreSQL database of your application as database.url, which is SQLite");
        }
        let name = |key: &str, own: Option<&String>, usual: &str| -> anyhow::Result<SqlName> {
            parsed(&format!("auth.cookie.{key}"), set(own).unwrap_or(usual), "a name of 1 to 63 bytes")
        };
        Ok(CookieConfig {
            names: self.names(names)?,
            secure_only: is_https,
            form,
            table: WebSessionTable {
                schema: name("schema", self.schema.as_ref(), "public")?,
                table: name("table", self.table.as_ref(), table)?,
                token: name("token_column", self.token_column.as_ref(), token)?,
                user: name("user_column", self.user_column.as_ref(), user)?,
                expires: name("expires_column", self.expires_column.as_ref(), expires)?,
            },
        })
    }

    fn names(&self, usual: &[&str]) -> anyhow::Result<Vec<String>> {
        if self.names.is_empty() {
            return Ok(usual.iter().map(|&name| name.to_owned()).collect());
        }
        // RFC 6265, 4.1.1.
        let is_token = |name: &str| name.bytes().all(|b| b.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?={}".contains(&b));
        if let Some(name) = self.names.iter().find(|name| name.is_empty() || !is_token(name)) {
            bail!("auth.cookie.names: expected names like better-auth.session_token, found {name:?}");
        }
        let bare = |name: &String| name.strip_prefix("__Secure-").unwrap_or(name).to_owned();
        Ok(self.names.iter().map(bare).collect())
    }
}

/// A secret that only its owner knows.
fn strong(key: &str, secret: &SecretString) -> anyhow::Result<Secret> {
    if PUBLISHED.iter().any(|published| secret.expose_secret().starts_with(published)) {
        return Err(anyhow!("{key}: expected a secret of your own, and this one stands in documentation"));
    }
    Secret::new(secret.clone()).with_context(|| key.to_owned())
}

/// A secret, of which it can be said whether it is there.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
struct Hidden(SecretString);

impl PartialEq for Hidden {
    fn eq(&self, other: &Self) -> bool {
        self.0.expose_secret() == other.0.expose_secret()
    }
}
