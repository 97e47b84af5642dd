//! Where an identity provider's keys come from.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use async_trait::async_trait;
use reqwest::redirect;
use switchboard_http::{Jwks, KeySource, KeysOutOfReach};
use tokio::io::AsyncReadExt as _;
use tokio::sync::Semaphore;
use url::Url;

use super::config::KeysAt;

/// What fetches the keys from there.
pub(crate) fn source(at: &KeysAt) -> anyhow::Result<Arc<dyn KeySource>> {
    Ok(match at {
        KeysAt::Url(url) => Arc::new(Web { client: client(url)?, url: url.clone() }),
        KeysAt::File(path) => Arc::new(File { path: path.clone(), turn: Arc::new(Semaphore::new(1)) }),
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

struct File {
    path: PathBuf,
    /// Whose turn it is to read. A read that hangs cannot be ended: there is no other until it has come to its end.
    turn: Arc<Semaphore>,
}

#[async_trait]
impl KeySource for File {
    async fn fetch(&self) -> Result<Vec<u8>, KeysOutOfReach> {
        let unreadable = |error: std::io::Error| KeysOutOfReach(format!("{}: {error}", self.path.display()));
        let turn = Arc::clone(&self.turn).acquire_owned().await.expect("nobody closes it");
        let path = self.path.clone();
        let reading = tokio::spawn(async move {
            let _turn = turn;
            read(&path).await
        });
        let document = reading.await.map_err(std::io::Error::other).flatten().map_err(unreadable)?;
        if document.len() > Jwks::MAX_BYTES { Err(too_large()) } else { Ok(document) }
    }
}

/// One byte more than it may have tells whether it is too large.
async fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut document = Vec::new();
    let file = tokio::fs::File::open(path).await?;
    file.take(Jwks::MAX_BYTES as u64 + 1).read_to_end(&mut document).await?;
    Ok(document)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

    /// A source of keys in a file, and where that is.
    fn file() -> (tempfile::TempDir, PathBuf, Arc<dyn KeySource>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        let source = source(&KeysAt::File(path.clone())).unwrap();
        (folder, path, source)
    }

    #[tokio::test]
    async fn a_file_is_read_anew_each_time_also_when_another_was_put_in_its_place() {
        let (folder, path, source) = file();
        for document in [KEYS, r#"{"keys":[]}"#, KEYS] {
            std::fs::write(&path, document).unwrap();
            assert_eq!(source.fetch().await.unwrap(), document.as_bytes());
        }
        let newer = folder.path().join("newer.json");
        std::fs::write(&newer, "newer").unwrap();
        std::fs::rename(newer, path).unwrap();
        assert_eq!(source.fetch().await.unwrap(), b"newer");
    }

    #[tokio::test]
    async fn a_file_that_is_too_large_is_not_taken_nor_cut_off() {
        let (_folder, path, source) = file();
        for (bytes, is_taken) in [(Jwks::MAX_BYTES, true), (Jwks::MAX_BYTES + 1, false), (3 * Jwks::MAX_BYTES, false)] {
            std::fs::write(&path, vec![b' '; bytes]).unwrap();
            let fetched = source.fetch().await;
            assert_eq!(fetched.as_ref().map(Vec::len).ok(), is_taken.then_some(bytes), "{bytes} bytes");
            let told = fetched.err().map(|error| error.to_string()).unwrap_or_default();
            assert_eq!(told.contains("larger than 262144 bytes"), !is_taken, "{told}");
        }
    }

    #[tokio::test]
    async fn a_file_that_is_missing_is_told_of_by_its_name_and_taken_once_it_is_there() {
        let (_folder, path, source) = file();
        let told = source.fetch().await.unwrap_err().to_string();
        assert!(told.starts_with(&format!("{}: ", path.display())), "{told}");
        std::fs::write(&path, KEYS).unwrap();
        assert_eq!(Jwks::check(&source.fetch().await.unwrap()), Ok(()));
    }

    #[tokio::test]
    async fn a_file_that_holds_something_else_than_keys_is_none_of_keys() {
        let (_folder, path, source) = file();
        for document in ["", "-----BEGIN PUBLIC KEY-----", "<html>", "[]", "{}", &KEYS[..KEYS.len() - 1]] {
            std::fs::write(&path, document).unwrap();
            assert!(Jwks::check(&source.fetch().await.unwrap()).is_err(), "{document}");
        }
    }
}
