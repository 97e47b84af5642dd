//! Encrypted connections.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres::Socket;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::options::PgUrlError;

/// What an encrypted connection goes through.
pub(crate) type Stream = <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream;

/// What makes connections encrypted, to servers whose certificate one of these authorities signed for their name.
pub(crate) fn encrypting(roots: RootCertStore) -> Result<MakeRustlsConnect, PgUrlError> {
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let config = config.with_safe_default_protocol_versions().map_err(|_| PgUrlError::RootCertificates)?;
    Ok(MakeRustlsConnect::new(config.with_root_certificates(roots).with_no_client_auth()))
}

/// The authorities in that file.
pub(crate) fn roots_in(file: &Path) -> Result<RootCertStore, PgUrlError> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).map_err(|_| PgUrlError::RootCertificates)? {
        let certificate = certificate.map_err(|_| PgUrlError::RootCertificates)?;
        roots.add(certificate).map_err(|_| PgUrlError::RootCertificates)?;
    }
    if roots.is_empty() { Err(PgUrlError::RootCertificates) } else { Ok(roots) }
}

/// The authorities that this machine trusts.
pub(crate) fn roots_of_this_machine() -> Result<RootCertStore, PgUrlError> {
    let mut roots = RootCertStore::empty();
    // Some that cannot be read are no reason to trust none.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() { Err(PgUrlError::NoRootCertificates) } else { Ok(roots) }
}
