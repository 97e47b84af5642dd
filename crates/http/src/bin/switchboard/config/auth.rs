//! The section `auth`: who may sign in, and with what.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use switchboard_http::{CookieForm, Jwks, Secret, TokenRules};
use switchboard_pg_adapter::{SqlName, WebSessionTable};
use url::{Host, Url};

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

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Cookie {
    kind: Option<String>,
    secret: Option<SecretString>,
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
        self.cookie.is_set()
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
            (Some(url), None) => {
                let url = web_url("auth.jwks_url", url, URL)?;
                if url.scheme() == "http" && !is_near(&url) {
                    let why = "by http, anybody on the way could put their own keys there";
                    bail!("auth.jwks_url: expected https, unless the host is of this machine or network: {why}");
                }
                Ok(Some(KeysAt::Url(url)))
            }
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
    fn is_set(&self) -> bool {
        let Self { kind, secret, names, schema, table, token_column, user_column, expires_column } = self;
        let texts = [kind, schema, table, token_column, user_column, expires_column];
        let is_secret = secret.as_ref().is_some_and(|secret| !secret.expose_secret().is_empty());
        is_secret || !names.is_empty() || texts.into_iter().any(|text| set(text.as_ref()).is_some())
    }

    fn check(&self, has_postgres: bool, is_https: bool) -> anyhow::Result<CookieConfig> {
        const KIND: &str = "better-auth or authjs (which is NextAuth, too)";
        const SECRET: &str = "the secret of your application, its BETTER_AUTH_SECRET";
        let kind = set(self.kind.as_ref()).ok_or_else(|| missing("auth.cookie.kind", KIND))?;
        let secret = self.secret.as_ref().filter(|secret| !secret.expose_secret().is_empty());
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
            // What the application calls its cookies is known for the usual names alone.
            secure_only: is_https && self.names.is_empty(),
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
        Ok(self.names.clone())
    }
}

/// Whether the host can only be one of this machine or a network of its own.
fn is_near(url: &Url) -> bool {
    let is_near = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    };
    match url.host() {
        Some(Host::Domain(name)) => {
            let name = name.strip_suffix('.').unwrap_or(name);
            // A name without a dot is found on no other network.
            !name.contains('.') || NEAR.iter().any(|suffix| name.ends_with(suffix))
        }
        Some(Host::Ipv4(ip)) => is_near(ip.into()),
        Some(Host::Ipv6(ip)) => is_near(IpAddr::from(ip).to_canonical()),
        None => false,
    }
}

/// What the names end in that no public server answers for (RFC 6761, RFC 6762, and ICANN's reservation of `internal`), and
/// what Kubernetes calls its services.
const NEAR: [&str; 4] = [".localhost", ".local", ".internal", ".svc"];

/// A secret that only its owner knows.
fn strong(key: &str, secret: &SecretString) -> anyhow::Result<Secret> {
    if PUBLISHED.iter().any(|published| secret.expose_secret().starts_with(published)) {
        return Err(anyhow!("{key}: expected a secret of your own, and this one stands in documentation"));
    }
    Secret::new(secret.clone()).with_context(|| key.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys_at(url: &str) -> anyhow::Result<Option<KeysAt>> {
        Auth { jwks_url: Some(url.to_owned()), ..Auth::default() }.keys()
    }

    #[test]
    fn keys_come_by_http_only_from_near() {
        let addresses =
            ["127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "[::1]", "[fd00::1]", "[::ffff:10.0.0.1]"];
        let names = ["localhost:8080", "keycloak", "id.localhost", "host.docker.internal", "keycloak.auth.svc"];
        for near in addresses.into_iter().chain(names).chain(["keycloak.auth.svc.cluster.local.:8080"]) {
            assert!(keys_at(&format!("http://{near}/jwks")).is_ok(), "{near}");
        }
        for far in [
            "id.example.com",
            "8.8.8.8",
            "172.32.0.1",
            "localhost.example.com",
            "10.example.com",
            "evil-internal.com",
            "[2001:db8::1]",
        ] {
            let refused = keys_at(&format!("http://hunter2@{far}/jwks")).unwrap_err().to_string();
            assert!(refused.starts_with("auth.jwks_url: expected https") && !refused.contains("hunter2"), "{refused}");
            assert!(keys_at(&format!("https://{far}/jwks")).is_ok(), "{far}");
        }
    }

    #[test]
    fn by_https_the_usual_names_have_their_prefix_and_others_are_as_they_were_said() {
        let cookie = |names: &[&str]| {
            let names = names.iter().map(|&name| name.to_owned()).collect();
            let cookie = Cookie { kind: Some("authjs".to_owned()), names, ..Cookie::default() };
            let CookieConfig { names, secure_only, .. } = cookie.check(true, true).unwrap();
            (names, secure_only)
        };
        assert!(cookie(&[]).1);
        assert_eq!(cookie(&["own", "__Secure-app"]), (vec!["own".to_owned(), "__Secure-app".to_owned()], false));
    }

    #[test]
    fn a_variable_that_is_set_to_nothing_configures_no_cookies() {
        let nothing = || Some(String::new());
        let cookie = Cookie { kind: nothing(), secret: Some("".into()), schema: nothing(), ..Cookie::default() };
        assert!(!Auth { cookie, ..Auth::default() }.has_cookie());
        let cookie = Cookie { secret: Some("x".into()), ..Cookie::default() };
        let refused = Auth { cookie, ..Auth::default() }.check(true, false).unwrap_err().to_string();
        assert!(refused.starts_with("auth.cookie.kind"), "{refused}");
    }
}
