//! Who is believed when a receiver shows its certificate.

use crate::notify::ChannelError;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::Arc;

/// Those who vouch for receivers: of a file, or of the system.
pub(super) fn authorities(file: Option<&Path>) -> Result<Vec<CertificateDer<'static>>, ChannelError> {
    let Some(path) = file else {
        let of_system = rustls_native_certs::load_native_certs().certs;
        return if of_system.is_empty() { Err(ChannelError::NoSystemAuthorities) } else { Ok(of_system) };
    };
    let bytes = std::fs::read(path).map_err(|source| ChannelError::Read { path: path.to_owned(), source })?;
    let unusable = |why| ChannelError::NoAuthorities { path: path.to_owned(), why };
    let certificates = CertificateDer::pem_slice_iter(&bytes).collect::<Result<Vec<_>, _>>();
    let certificates = certificates.map_err(|error| unusable(error.to_string()))?;
    if certificates.is_empty() { Err(unusable("it is empty".to_owned())) } else { Ok(certificates) }
}

/// The client side of TLS that believes whom `authorities` vouch for.
pub(super) fn client(file: Option<&Path>) -> Result<Arc<ClientConfig>, ChannelError> {
    let mut roots = RootCertStore::empty();
    let (believed, _odd) = roots.add_parsable_certificates(authorities(file)?);
    if let (0, Some(path)) = (believed, file) {
        let why = "none can be parsed".to_owned();
        return Err(ChannelError::NoAuthorities { path: path.to_owned(), why });
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = versions.map_err(|error| ChannelError::Tls(error.to_string()))?;
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}
