//! A rustls configuration from the settings: certificates and keys out of their files, ring as the provider (given to each
//! configuration, never installed for the process).

use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::error::Error;

use super::tls_settings::{Identity, Mode, Roots, TlsSettings};
use super::verify::{Unverified, Verified};

/// What makes TLS connections, for the connection itself and for cancelling; and what the user should know about it.
///
/// A client certificate that only lies where libpq looks for one, and cannot be used, must not keep anyone from a server that
/// need not even have TLS.
pub(super) fn connector(
    settings: &TlsSettings,
) -> Result<(MakeRustlsConnect, Option<String>), Error> {
    let optional = settings.mode < Mode::Require
        && settings
            .identity
            .as_ref()
            .is_some_and(|identity| !identity.named);
    match build(settings) {
        Err(error) if optional => {
            let without = TlsSettings {
                identity: None,
                ..settings.clone()
            };
            let warning = format!("the client certificate was not used: {error}");
            Ok((build(&without)?, Some(warning)))
        }
        result => Ok((result?, None)),
    }
}

fn build(settings: &TlsSettings) -> Result<MakeRustlsConnect, Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let algorithms = provider.signature_verification_algorithms;
    let versions: &[&SupportedProtocolVersion] = match settings.versions {
        (true, true) => &[&rustls::version::TLS13, &rustls::version::TLS12],
        (true, false) => &[&rustls::version::TLS12],
        (false, _) => &[&rustls::version::TLS13],
    };
    let verifier: Arc<dyn ServerCertVerifier> = match &settings.roots {
        None => Arc::new(Unverified { algorithms }),
        Some(roots) => {
            let (store, pinned) = load_roots(roots)?;
            let mut builder =
                WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider.clone());
            if let Some(path) = &settings.revoked {
                // libpq asks OpenSSL for the same: every certificate of the chain, and no stale list.
                builder = builder
                    .with_crls(load_revoked(path)?)
                    .enforce_revocation_expiration();
            }
            let chain = builder.build().map_err(|error| {
                Error::failed("the root certificates cannot be used").note(error.to_string())
            })?;
            Arc::new(Verified {
                chain,
                pinned,
                check_name: settings.mode == Mode::VerifyFull,
            })
        }
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .map_err(|error| unusable(&error))?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match &settings.identity {
        None => builder.with_no_client_auth(),
        Some(Identity {
            certificate,
            key,
            named: _,
        }) => {
            let chain = load_certificates(certificate, "client certificate")?;
            let private_key = load_key(key)?;
            builder
                .with_client_auth_cert(chain, private_key)
                .map_err(|error| {
                    unusable(&error).note(format!(
                        "the client certificate is `{}`, its key `{}`",
                        certificate.display(),
                        key.display()
                    ))
                })?
        }
    };
    config.enable_sni = settings.sni;
    if settings.direct {
        // The server insists on it (manual, section 54.2.10).
        config.alpn_protocols = vec![b"postgresql".to_vec()];
    }
    Ok(MakeRustlsConnect::new(config))
}

fn unusable(error: &rustls::Error) -> Error {
    Error::failed("TLS cannot be set up").note(error.to_string())
}

/// The authorities, and the certificates of the file as they are, to recognise a server's own among them.
fn load_roots(roots: &Roots) -> Result<(RootCertStore, Vec<CertificateDer<'static>>), Error> {
    let mut store = RootCertStore::empty();
    match roots {
        Roots::System => {
            let loaded = rustls_native_certs::load_native_certs();
            // Some of the system's may be odd; that is no reason to refuse the others.
            store.add_parsable_certificates(loaded.certs);
            if store.is_empty() {
                let error = Error::failed("the operating system has no root certificates");
                return Err(loaded
                    .errors
                    .iter()
                    .fold(error, |error, why| error.note(why.to_string()))
                    .help("install its package of them (`ca-certificates`), or name a file with `sslrootcert=FILE`"));
            }
            Ok((store, vec![]))
        }
        Roots::File(path) => {
            let certificates = load_certificates(path, "root certificate")?;
            for certificate in &certificates {
                store.add(certificate.clone()).map_err(|error| {
                    Error::failed(format!(
                        "a certificate in `{}` cannot be used as a root",
                        path.display()
                    ))
                    .note(error.to_string())
                })?;
            }
            Ok((store, certificates))
        }
    }
}

fn load_certificates(path: &Path, what: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    let bytes = read(path, what)?;
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&bytes)
        .collect::<Result<_, _>>()
        .map_err(|error| not_pem(path, what, &error))?;
    if certificates.is_empty() {
        return Err(Error::failed(format!(
            "the {what} file `{}` holds no certificate",
            path.display()
        ))
        .help("it must be in PEM form: `-----BEGIN CERTIFICATE-----`"));
    }
    Ok(certificates)
}

fn load_revoked(path: &Path) -> Result<Vec<CertificateRevocationListDer<'static>>, Error> {
    let what = "certificate revocation list";
    let bytes = read(path, what)?;
    let lists: Vec<_> = CertificateRevocationListDer::pem_slice_iter(&bytes)
        .collect::<Result<_, _>>()
        .map_err(|error| not_pem(path, what, &error))?;
    if lists.is_empty() {
        return Err(Error::failed(format!(
            "the {what} file `{}` holds no list",
            path.display()
        ))
        .help("it must be in PEM form: `-----BEGIN X509 CRL-----`"));
    }
    Ok(lists)
}

fn load_key(path: &Path) -> Result<PrivateKeyDer<'static>, Error> {
    let what = "client key";
    let bytes = read(path, what)?;
    refuse_open_key(path)?;
    let text = String::from_utf8_lossy(&bytes);
    if text.contains("ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(Error::failed(format!(
            "the {what} `{}` is encrypted, which is not supported",
            path.display()
        ))
        .help("decrypt it with `openssl pkey -in KEY -out NEW`, and keep NEW readable for its owner alone"));
    }
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| not_pem(path, what, &error))
}

/// As libpq does: a key of one's own must be closed to everyone else; root's may be readable for a group.
#[cfg(unix)]
fn refuse_open_key(path: &Path) -> Result<(), Error> {
    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::metadata(path).map_err(|error| {
        Error::failed(format!("cannot read the client key `{}`", path.display()))
            .note(error.to_string())
    })?;
    let others = if metadata.uid() == 0 { 0o027 } else { 0o077 };
    if metadata.mode() & others == 0 {
        return Ok(());
    }
    Err(Error::failed(format!(
        "the client key `{}` is open to others",
        path.display()
    ))
    .help(format!(
        "make it readable for its owner alone: `chmod 600 {}`",
        path.display()
    )))
}

#[cfg(not(unix))]
fn refuse_open_key(_: &Path) -> Result<(), Error> {
    Ok(())
}

fn read(path: &Path, what: &str) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|error| {
        Error::failed(format!("cannot read the {what} `{}`", path.display()))
            .note(error.to_string())
    })
}

fn not_pem(path: &Path, what: &str, error: &pem::Error) -> Error {
    Error::failed(format!(
        "the {what} file `{}` is not in PEM form",
        path.display()
    ))
    .note(error.to_string())
}
