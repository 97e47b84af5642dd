//! Where an identity provider's keys come from.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use async_trait::async_trait;
use reqwest::redirect;
use switchboard_http::{Jwks, KeySource, KeysOutOfReach};
use tokio::io::AsyncReadExt as _;
use url::Url;

use super::config::KeysAt;

/// What fetches the keys from there.
pub(crate) fn source(at: &KeysAt) -> anyhow::Result<Arc<dyn KeySource>> {
    Ok(match at {
        KeysAt::Url(url) => Arc::new(Web { client: client(url)?, url: url.clone() }),
        KeysAt::File(path) => Arc::new(File(path.clone())),
    })
}

fn client(url: &Url) -> anyhow::Result<reqwest::Client> {
    let mut client = reqwest::Client::builder()
        .user_agent(concat!("switchboard/", env!("CARGO_PKG_VERSION")))
        .timeout(Jwks::DEADLINE)
        // The keys are where the operator said, and nowhere else.
        .redirect(redirect::Policy::none())
        .referer(false);
    if url.scheme() == "http" {
        // Nobody's certificate will be asked for, so a machine that trusts none will do.
        client = client.tls_certs_only([]);
    }
    client.build().context("auth.jwks_url: no client for it can be made")
}

struct Web {
    client: reqwest::Client,
    url: Url,
}

#[async_trait]
impl KeySource for Web {
    async fn fetch(&self) -> Result<Vec<u8>, KeysOutOfReach> {
        let mut response = self.client.get(self.url.clone()).send().await.map_err(|error| failed(&error))?;
        if !response.status().is_success() {
            return Err(KeysOutOfReach(format!("it was answered with {}", response.status())));
        }
        let mut document = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| failed(&error))? {
            if document.len() + chunk.len() > Jwks::MAX_BYTES {
                return Err(too_large());
            }
            document.extend_from_slice(&chunk);
        }
        Ok(document)
    }
}

/// Without the address, which may hold a password.
fn failed(error: &reqwest::Error) -> KeysOutOfReach {
    let what = if error.is_timeout() {
        "no answer in time"
    } else if error.is_connect() {
        "no connection"
    } else {
        "the answer broke off or is none"
    };
    KeysOutOfReach(what.to_owned())
}

fn too_large() -> KeysOutOfReach {
    KeysOutOfReach(format!("it is larger than {} bytes", Jwks::MAX_BYTES))
}

struct File(PathBuf);

#[async_trait]
impl KeySource for File {
    async fn fetch(&self) -> Result<Vec<u8>, KeysOutOfReach> {
        let unreadable = |error: std::io::Error| KeysOutOfReach(format!("{}: {error}", self.0.display()));
        let file = tokio::fs::File::open(&self.0).await.map_err(unreadable)?;
        let mut document = Vec::new();
        // One byte more tells whether it is too large.
        file.take(Jwks::MAX_BYTES as u64 + 1).read_to_end(&mut document).await.map_err(unreadable)?;
        if document.len() > Jwks::MAX_BYTES { Err(too_large()) } else { Ok(document) }
    }
}
