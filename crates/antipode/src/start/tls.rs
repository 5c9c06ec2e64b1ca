//! The certificate.

use crate::settings::TlsFiles;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;

/// What a client that begins with TLS may say it will speak.
pub const HTTP2: &[u8] = b"h2";
const POSTGRESQL: &[u8] = b"postgresql";

/// Reads certificate and key. The error is one line that names the file.
pub fn acceptor(files: &TlsFiles) -> Result<TlsAcceptor, String> {
    let (cert, key) = (files.cert.display(), files.key.display());
    let chain = CertificateDer::pem_file_iter(&files.cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|e| format!("tls-cert: cannot read {cert}: {e}"))?;
    if chain.is_empty() {
        return Err(format!("tls-cert: there is no certificate in {cert}"));
    }
    let secret = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|e| format!("tls-key: cannot read {key}: {e}"))?;
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, secret)
        .map_err(|e| format!("tls-cert: {cert} and {key} cannot be used: {e}"))?;
    config.alpn_protocols = vec![HTTP2.to_vec(), POSTGRESQL.to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
