//! Encryption of the server's own, where no proxy does it.

use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use anyhow::{Context as _, bail};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use switchboard_domain::SystemClock;
use switchboard_domain::ports::Clock as _;

/// Where a certificate and its key are, each as PEM.
#[derive(Clone, Debug)]
pub(crate) struct TlsFiles {
    /// The certificate, followed by those between it and the authority that clients trust.
    pub(crate) certificate: PathBuf,
    /// Its private key.
    pub(crate) key: PathBuf,
}

/// A certificate that is taken up again whenever its files change, so that a renewed one needs no restart.
pub(crate) struct Tls {
    files: TlsFiles,
    current: RwLock<Current>,
}

struct Current {
    /// What the files held, also if it was no use: said once.
    read: Pem,
    shown: Arc<CertifiedKey>,
}

#[derive(Clone, PartialEq, Eq)]
struct Pem {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl Tls {
    /// How often the files are looked at.
    const LOOK_EVERY: Duration = Duration::from_mins(1);

    /// Reads them.
    ///
    /// # Errors
    /// What is wrong with them, naming the key of the configuration.
    pub(crate) fn read(files: TlsFiles) -> anyhow::Result<Self> {
        let read = Pem::read(&files)?;
        let shown = read.certified(&files)?;
        Ok(Self { files, current: RwLock::new(Current { read, shown }) })
    }

    /// What a server encrypts with.
    pub(crate) fn server_config(self: &Arc<Self>) -> anyhow::Result<ServerConfig> {
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let config = config.with_safe_default_protocol_versions().context("server.tls_certificate")?;
        Ok(config.with_no_client_auth().with_cert_resolver(Arc::<Self>::clone(self)))
    }

    /// Takes up what is renewed, for ever. What is no use is said and left alone: connections go on as before.
    pub(crate) async fn keep_fresh(&self) {
        loop {
            SystemClock.sleep(Self::LOOK_EVERY).await;
            match self.take_up() {
                Ok(false) => {}
                Ok(true) => tracing::info!("the TLS certificate was renewed"),
                Err(error) => tracing::error!(error = format!("{error:#}"), "the TLS certificate was not renewed"),
            }
        }
    }

    /// Whether there was something new.
    fn take_up(&self) -> anyhow::Result<bool> {
        let found = Pem::read(&self.files)?;
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if current.read == found {
            return Ok(false);
        }
        let certified = found.certified(&self.files);
        current.read = found;
        current.shown = certified?;
        Ok(true)
    }
}

impl ResolvesServerCert for Tls {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner).shown))
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tls").field(&self.files).finish()
    }
}

impl Pem {
    fn read(files: &TlsFiles) -> anyhow::Result<Self> {
        Ok(Self {
            certificate: bytes(&files.certificate).context("server.tls_certificate")?,
            key: bytes(&files.key).context("server.tls_key")?,
        })
    }

    fn certified(&self, files: &TlsFiles) -> anyhow::Result<Arc<CertifiedKey>> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.certificate).collect();
        let Some(chain) = chain.ok().filter(|chain| !chain.is_empty()) else {
            bail!("server.tls_certificate: expected certificates as PEM in {}", files.certificate.display());
        };
        let Ok(key) = PrivateKeyDer::from_pem_slice(&self.key) else {
            bail!("server.tls_key: expected a private key as PEM in {}", files.key.display());
        };
        let certified = CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider());
        Ok(Arc::new(certified.context("server.tls_key: expected the key of server.tls_certificate")?))
    }
}

/// What is in a file, which is not large.
fn bytes(path: &Path) -> anyhow::Result<Vec<u8>> {
    const MOST: u64 = 1024 * 1024;
    let named = || path.display().to_string();
    let mut read = Vec::new();
    std::fs::File::open(path).and_then(|file| file.take(MOST + 1).read_to_end(&mut read)).with_context(named)?;
    if read.len() as u64 > MOST {
        bail!("{}: larger than {MOST} bytes", path.display());
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/tls");

    /// A certificate of one's own in a folder of one's own.
    fn files() -> (tempfile::TempDir, TlsFiles) {
        let folder = tempfile::tempdir().unwrap();
        let files =
            TlsFiles { certificate: folder.path().join("server.pem"), key: folder.path().join("server-key.pem") };
        for path in [&files.certificate, &files.key] {
            std::fs::copy(Path::new(FIXTURES).join(path.file_name().unwrap()), path).unwrap();
        }
        (folder, files)
    }

    fn shown(tls: &Tls) -> Vec<Vec<u8>> {
        tls.current.read().unwrap().shown.cert.iter().map(|certificate| certificate.to_vec()).collect()
    }

    #[test]
    fn a_renewed_certificate_is_taken_up_and_a_broken_one_is_said_once_and_left() {
        let (_folder, files) = files();
        let tls = Tls::read(files.clone()).unwrap();
        assert_eq!(shown(&tls).len(), 1);
        assert!(!tls.take_up().unwrap(), "nothing new");

        std::fs::write(&files.certificate, "half of a file").unwrap();
        let error = tls.take_up().unwrap_err().to_string();
        assert!(error.starts_with("server.tls_certificate: expected certificates as PEM in "), "{error}");
        assert!(!tls.take_up().unwrap(), "said already");
        assert_eq!(shown(&tls).len(), 1, "the old one goes on");

        let chain =
            ["server.pem", "ca.pem"].map(|name| std::fs::read_to_string(Path::new(FIXTURES).join(name)).unwrap());
        std::fs::write(&files.certificate, chain.concat()).unwrap();
        assert!(tls.take_up().unwrap());
        assert_eq!(shown(&tls).len(), 2);
    }

    #[test]
    fn files_that_are_no_use_are_named() {
        let (folder, files) = files();
        let other = TlsFiles { certificate: Path::new(FIXTURES).join("ca.pem"), ..files.clone() };
        let error = format!("{:#}", Tls::read(other).unwrap_err());
        assert!(error.starts_with("server.tls_key: expected the key of server.tls_certificate"), "{error}");
        let none = TlsFiles { key: folder.path().join("none"), ..files.clone() };
        let error = format!("{:#}", Tls::read(none).unwrap_err());
        assert!(error.starts_with("server.tls_key: ") && error.contains("none: No such file"), "{error}");
        let swapped = TlsFiles { certificate: files.certificate.clone(), key: files.certificate };
        let error = format!("{:#}", Tls::read(swapped).unwrap_err());
        assert!(error.starts_with("server.tls_key: expected a private key as PEM in "), "{error}");
    }
}
