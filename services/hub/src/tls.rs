//! TLS 1.3 on ring: with client certificates for gRPC, without for tiles. No tickets: a resumed session would skip the
//! certificate check.

use std::sync::Arc;

use anyhow::{Context, ensure};
use rustls::{
    ConfigBuilder, RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{NoServerSessionStorage, WantsServerCert, WebPkiClientVerifier},
    version::TLS13,
};

use crate::config::{Tls, read};

pub(crate) fn server_config(files: &Tls) -> anyhow::Result<ServerConfig> {
    let provider = Arc::new(ring::default_provider());
    let mut roots = RootCertStore::empty();
    for certificate in certificates("tls.client_ca", &files.client_ca)? {
        roots.add(certificate).context("tls.client_ca: not a CA certificate")?;
    }
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .build()
        .context("tls.client_ca")?;
    let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(&[&TLS13]);
    let builder = builder.context("TLS 1.3")?.with_client_cert_verifier(verifier);
    finish(builder, files, b"h2")
}

/// For those who hold no account.
pub(crate) fn public_config(files: &Tls) -> anyhow::Result<ServerConfig> {
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_protocol_versions(&[&TLS13]).context("TLS 1.3")?.with_no_client_auth();
    finish(builder, files, b"http/1.1")
}

fn finish(
    builder: ConfigBuilder<ServerConfig, WantsServerCert>,
    files: &Tls,
    protocol: &[u8],
) -> anyhow::Result<ServerConfig> {
    let chain = certificates("tls.certificate", &files.certificate)?;
    let key = PrivateKeyDer::from_pem_slice(&read("tls.key", &files.key)?)
        .map_err(|_| anyhow::anyhow!("tls.key: {} holds no private key", files.key.display()))?;
    let config = builder.with_single_cert(chain, key);
    let mut config = config.context("tls.certificate and tls.key do not fit together")?;
    config.alpn_protocols = vec![protocol.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

fn certificates(key: &str, path: &std::path::Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let pem = read(key, path)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let certificates = certificates.with_context(|| format!("{key}: {} is not PEM", path.display()))?;
    ensure!(!certificates.is_empty(), "{key}: {} holds no certificate", path.display());
    Ok(certificates)
}
