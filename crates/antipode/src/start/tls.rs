//! The certificate.

use crate::settings::TlsFiles;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::path::Path;
use std::sync::Arc;

/// What a client that begins with TLS may say it will speak.
pub const HTTP2: &[u8] = b"h2";
const POSTGRESQL: &[u8] = b"postgresql";

/// Reads certificate and key. The error is one line that names the file.
pub fn config(files: &TlsFiles) -> Result<Arc<ServerConfig>, String> {
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
    Ok(Arc::new(config))
}

/// Reads certificates of authorities. They are checked here, so that a wrong file is told at the
/// start and not by a link much later.
pub fn authorities(file: &Path) -> Result<Vec<u8>, String> {
    let shown = file.display();
    let pem = std::fs::read(file).map_err(|e| format!("tls-ca: cannot read {shown}: {e}"))?;
    match CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>() {
        Ok(found) if !found.is_empty() => Ok(pem),
        Ok(_) => Err(format!("tls-ca: there is no certificate in {shown}")),
        Err(e) => Err(format!("tls-ca: cannot read {shown}: {e}")),
    }
}
