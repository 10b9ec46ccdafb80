//! Certificates of every kind, made by OpenSSL.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::server::close;

/// A folder of certificates: `NAME.crt` and `NAME.key`.
pub(crate) struct Certificates {
    folder: tempfile::TempDir,
}

impl Certificates {
    /// An empty folder.
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// The certificate's file.
    pub(crate) fn certificate(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.crt"))
    }

    /// The key's file.
    pub(crate) fn key(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.key"))
    }

    /// A self-signed certificate, which OpenSSL marks as CA:TRUE.
    pub(crate) fn self_signed(&self, name: &str, common_name: &str, more: &[&str]) {
        let mut arguments = vec![
            "req",
            "-x509",
            "-nodes",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
        ];
        let (key, certificate) = (format!("{name}.key"), format!("{name}.crt"));
        let subject = format!("/CN={common_name}");
        arguments.extend(["-keyout", &key, "-out", &certificate, "-subj", &subject]);
        arguments.extend(more);
        self.openssl(&arguments);
        close(&self.key(name));
    }

    /// The same, and its last day was yesterday.
    pub(crate) fn self_signed_expired(&self, name: &str, common_name: &str) {
        self.self_signed(name, common_name, &[]);
        let (key, request) = (format!("{name}.key"), format!("{name}.csr"));
        let (certificate, extension_file) = (format!("{name}.crt"), format!("{name}.ext"));
        let subject = format!("/CN={common_name}");
        self.openssl(&[
            "req", "-new", "-key", &key, "-out", &request, "-subj", &subject,
        ]);
        let extensions =
            format!("basicConstraints = CA:TRUE\nsubjectAltName = DNS:{common_name}\n");
        std::fs::write(self.folder.path().join(&extension_file), extensions).unwrap();
        self.openssl(&[
            "x509",
            "-req",
            "-in",
            &request,
            "-signkey",
            &key,
            "-days",
            "-1",
            "-extfile",
            &extension_file,
            "-out",
            &certificate,
        ]);
    }

    /// A certificate that `authority` signs. Without extensions it is of version 1.
    pub(crate) fn signed(
        &self,
        name: &str,
        authority: &str,
        common_name: &str,
        extensions: &str,
        days: &str,
    ) {
        let (key, request) = (format!("{name}.key"), format!("{name}.csr"));
        let subject = format!("/CN={common_name}");
        self.openssl(&[
            "req",
            "-new",
            "-nodes",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-keyout",
            &key,
            "-out",
            &request,
            "-subj",
            &subject,
        ]);
        close(&self.key(name));
        let certificate = format!("{name}.crt");
        let (ca, ca_key) = (format!("{authority}.crt"), format!("{authority}.key"));
        let extension_file = format!("{name}.ext");
        let mut arguments = vec![
            "x509",
            "-req",
            "-in",
            &request,
            "-CA",
            &ca,
            "-CAkey",
            &ca_key,
            "-CAcreateserial",
            "-out",
            &certificate,
            "-days",
            days,
        ];
        if !extensions.is_empty() {
            std::fs::write(self.folder.path().join(&extension_file), extensions).unwrap();
            arguments.extend(["-extfile", &extension_file]);
        }
        self.openssl(&arguments);
    }

    /// A list by `authority` that revokes these certificates.
    pub(crate) fn revoke(&self, authority: &str, revoked: &[&str]) -> PathBuf {
        let write =
            |name: &str, text: &str| std::fs::write(self.folder.path().join(name), text).unwrap();
        write("index.txt", "");
        write("crlnumber", "01\n");
        write(
            "ca.cnf",
            "[ca]\ndefault_ca = me\n[me]\ndatabase = index.txt\ncrlnumber = crlnumber\ndefault_md = sha256\ndefault_crl_days = 5\n",
        );
        let (ca, ca_key) = (format!("{authority}.crt"), format!("{authority}.key"));
        let base = ["ca", "-config", "ca.cnf", "-cert", &ca, "-keyfile", &ca_key];
        for name in revoked {
            let certificate = format!("{name}.crt");
            self.openssl(&[&base[..], &["-revoke", &certificate]].concat());
        }
        self.openssl(&[&base[..], &["-gencrl", "-out", "list.crl"]].concat());
        self.folder.path().join("list.crl")
    }

    /// The folder.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn openssl(&self, arguments: &[&str]) {
        let output = Command::new("openssl")
            .args(arguments)
            .current_dir(self.folder.path())
            .output()
            .expect("openssl runs");
        assert!(
            output.status.success(),
            "openssl {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}
