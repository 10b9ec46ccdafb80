//! Judging a server's certificate as libpq does, on top of webpki: which refuses three kinds that libpq takes.
//!
//! - A self-signed certificate that is itself the root file's, with CA:TRUE (what `openssl req -x509` makes): taken when it
//!   is there to the byte and within its dates.
//! - A certificate without any alternative name: its common name counts.
//! - X.509 version 1: still refused, in words that say so ([`super::explain`]).

use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};
use x509_cert::Certificate;
use x509_cert::der::asn1::{Ia5StringRef, PrintableStringRef, TeletexStringRef, Utf8StringRef};
use x509_cert::der::oid::AssociatedOid;
use x509_cert::der::oid::db::rfc4519::COMMON_NAME;
use x509_cert::der::{Decode, Tag, Tagged};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// Takes any certificate (`allow`, `prefer`, `require`), but only from who has its key: channel binding rests on that.
#[derive(Debug)]
pub(super) struct Unverified {
    /// How to check signatures.
    pub(super) algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// `verify-ca` and `verify-full`.
#[derive(Debug)]
pub(super) struct Verified {
    /// Checks the chain first, then the name.
    pub(super) chain: Arc<WebPkiServerVerifier>,
    /// The root file's certificates.
    pub(super) pinned: Vec<CertificateDer<'static>>,
    /// Whether the name counts: `verify-full`.
    pub(super) check_name: bool,
}

impl ServerCertVerifier for Verified {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        use CertificateError as Bad;
        let judged = self
            .chain
            .verify_server_cert(certificate, intermediates, name, ocsp, now);
        match judged {
            // The name is looked at last: everything else is in order.
            Err(
                error @ Error::InvalidCertificate(
                    Bad::NotValidForName | Bad::NotValidForNameContext { .. },
                ),
            ) => self.judge_name(certificate, name, error),
            // These hold for a pinned certificate too.
            Err(Error::InvalidCertificate(
                Bad::Expired
                | Bad::ExpiredContext { .. }
                | Bad::NotValidYet
                | Bad::NotValidYetContext { .. }
                | Bad::Revoked,
            )) => judged,
            Err(error) => {
                if !self.pinned.iter().any(|pinned| pinned == certificate) {
                    return Err(error);
                }
                let parsed = Certificate::from_der(certificate)
                    .map_err(|_| Error::InvalidCertificate(Bad::BadEncoding))?;
                if parsed.tbs_certificate.issuer != parsed.tbs_certificate.subject {
                    return Err(error);
                }
                within_dates(&parsed, now)?;
                match verify_server_name(&ParsedCertificate::try_from(certificate)?, name) {
                    Ok(()) => Ok(ServerCertVerified::assertion()),
                    Err(error) => self.judge_name(certificate, name, error),
                }
            }
            Ok(verified) => Ok(verified),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}

impl Verified {
    /// The alternative names do not fit: is the name of interest at all, and is there a common name to go by?
    fn judge_name(
        &self,
        certificate: &CertificateDer<'_>,
        name: &ServerName<'_>,
        error: Error,
    ) -> Result<ServerCertVerified, Error> {
        let fits = !self.check_name
            || Certificate::from_der(certificate).is_ok_and(|parsed| {
                !has_alternative_names(&parsed)
                    && common_names(&parsed)
                        .iter()
                        .any(|common| name_fits(common, &name.to_str()))
            });
        if fits {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(error)
        }
    }
}

fn within_dates(certificate: &Certificate, now: UnixTime) -> Result<(), Error> {
    let now = Duration::from_secs(now.as_secs());
    let validity = &certificate.tbs_certificate.validity;
    if now < validity.not_before.to_unix_duration() {
        return Err(Error::InvalidCertificate(CertificateError::NotValidYet));
    }
    if now > validity.not_after.to_unix_duration() {
        return Err(Error::InvalidCertificate(CertificateError::Expired));
    }
    Ok(())
}

/// Whether any alternative name could name a server; one that cannot be read counts as one.
fn has_alternative_names(certificate: &Certificate) -> bool {
    certificate
        .tbs_certificate
        .extensions
        .iter()
        .flatten()
        .filter(|extension| extension.extn_id == SubjectAltName::OID)
        .any(|extension| {
            SubjectAltName::from_der(extension.extn_value.as_bytes()).map_or(true, |names| {
                names
                    .0
                    .iter()
                    .any(|name| matches!(name, GeneralName::DnsName(_) | GeneralName::IpAddress(_)))
            })
        })
}

/// The subject's common names. One with a NUL is left out: it is there to deceive.
fn common_names(certificate: &Certificate) -> Vec<String> {
    certificate
        .tbs_certificate
        .subject
        .0
        .iter()
        .flat_map(|part| part.0.iter())
        .filter(|attribute| attribute.oid == COMMON_NAME)
        .filter_map(|attribute| {
            let value = &attribute.value;
            match value.tag() {
                Tag::Utf8String => value
                    .decode_as::<Utf8StringRef<'_>>()
                    .ok()
                    .map(|text| text.as_str().to_owned()),
                Tag::PrintableString => value
                    .decode_as::<PrintableStringRef<'_>>()
                    .ok()
                    .map(|text| text.as_str().to_owned()),
                Tag::Ia5String => value
                    .decode_as::<Ia5StringRef<'_>>()
                    .ok()
                    .map(|text| text.as_str().to_owned()),
                Tag::TeletexString => value
                    .decode_as::<TeletexStringRef<'_>>()
                    .ok()
                    .map(|text| text.as_str().to_owned()),
                _ => None,
            }
        })
        .filter(|name| !name.contains('\0'))
        .collect()
}

/// libpq's rule (manual, section 32.19.1): letters' case does not count; a leading `*.` stands for exactly one label, and
/// never for a part of an address.
fn name_fits(pattern: &str, name: &str) -> bool {
    let name = name.trim_end_matches('.');
    if pattern.eq_ignore_ascii_case(name) {
        return true;
    }
    let Some(domain) = pattern.strip_prefix("*.") else {
        return false;
    };
    name.parse::<std::net::IpAddr>().is_err()
        && name
            .split_once('.')
            .is_some_and(|(label, rest)| !label.is_empty() && rest.eq_ignore_ascii_case(domain))
}

#[cfg(test)]
mod tests {
    use super::name_fits;

    #[test]
    fn common_names_fit_as_in_libpq() {
        for (pattern, name, fits) in [
            ("db.example.com", "DB.example.com", true),
            ("db.example.com", "db.example.com.", true),
            ("*.example.com", "db.example.com", true),
            ("*.example.com", "a.db.example.com", false),
            ("*.example.com", "example.com", false),
            ("*.example.com", ".example.com", false),
            ("*", "db", false),
            ("*.0.0.1", "127.0.0.1", false),
            ("127.0.0.1", "127.0.0.1", true),
            ("d*.example.com", "db.example.com", false),
        ] {
            assert_eq!(name_fits(pattern, name), fits, "{pattern} {name}");
        }
    }
}
