//! Which certificate authorities are trusted for which host: the process's own for all, and files of private ones,
//! read again when they change.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use crate::limits;
use crate::os::file::{self, WatchedFile};
use crate::secret::Secret;

/// The certificate authorities that are trusted: Mozilla's, built in, and those of files.
#[derive(Clone)]
pub struct Roots(RootCertStore);

/// A file of certificates that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootError {
    /// The file or directory.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: String,
}

impl RootError {
    fn new(path: &Path, problem: String) -> Self {
        Self {
            path: path.to_owned(),
            problem,
        }
    }
}

impl Roots {
    /// The built-in roots alone.
    pub fn built_in() -> Self {
        Self(webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect())
    }

    /// Adds every certificate of a PEM file. An intermediate is an anchor like any other.
    ///
    /// # Errors
    /// The file cannot be read, is not PEM, holds no certificate or one that no TLS stack could use.
    pub fn add_file(&mut self, path: &Path) -> Result<(), RootError> {
        let pem = file::read(path, limits::CA_FILE_BYTES);
        self.add(pem).map_err(|problem| RootError::new(path, problem))
    }

    fn add(&mut self, pem: io::Result<Secret>) -> Result<(), String> {
        let pem = pem.map_err(|error| error.to_string())?;
        let before = self.0.len();
        for certificate in CertificateDer::pem_slice_iter(pem.expose()) {
            let certificate = certificate.map_err(|error| format!("not PEM: {error}"))?;
            let added = self.0.add(certificate);
            added.map_err(|error| format!("not a usable CA certificate: {error}"))?;
        }
        if self.0.len() == before {
            return Err("holds no PEM certificate".to_owned());
        }
        Ok(())
    }

    /// Adds every certificate of every PEM file directly in a directory. Files without one are passed over, as
    /// such directories also hold hashes, keys and notes.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn add_directory(&mut self, path: &Path) -> Result<(), RootError> {
        let entries = std::fs::read_dir(path).map_err(|error| RootError::new(path, error.to_string()))?;
        for file in entries.flatten().map(|entry| entry.path()) {
            if file.is_file()
                && let Err(error) = self.add_file(&file)
            {
                log::debug!("skipped certificate file: {error}");
            }
        }
        Ok(())
    }

    fn config(&self) -> Arc<ClientConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        match ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions() {
            Ok(builder) => Arc::new(
                builder
                    .with_root_certificates(self.0.clone())
                    .with_no_client_auth(),
            ),
            Err(_) => unreachable!("ring has cipher suites for TLS 1.2 and 1.3"),
        }
    }
}

impl fmt::Display for RootError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "certificates of {}: {}", self.path.display(), self.problem)
    }
}

impl std::error::Error for RootError {}

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Roots({})", self.0.len())
    }
}

/// A PEM file of authorities, read again when it changes. What it held before stays good while the new contents
/// cannot be used.
#[derive(Debug)]
pub struct CaFile {
    file: WatchedFile<Arc<ClientConfig>>,
    beside: Roots,
}

impl CaFile {
    /// The authorities of `path` and no others. The file is read when a connection first needs it.
    pub fn alone(path: impl Into<PathBuf>) -> Self {
        Self {
            file: WatchedFile::new(path.into()),
            beside: Roots(RootCertStore::empty()),
        }
    }

    /// The authorities of `path` beside `roots`.
    ///
    /// # Errors
    /// The file cannot be used.
    pub fn beside(roots: &Roots, path: impl Into<PathBuf>) -> Result<Self, RootError> {
        let file = Self {
            file: WatchedFile::new(path.into()),
            beside: roots.clone(),
        };
        file.config()?;
        Ok(file)
    }

    fn config(&self) -> Result<Arc<ClientConfig>, RootError> {
        let seen = self.file.look(limits::CA_FILE_BYTES, |pem| {
            let mut roots = self.beside.clone();
            roots.add(pem).map(|()| roots.config())
        });
        let path = self.file.path();
        let error = seen.problem.map(|problem| RootError::new(path, problem));
        match (seen.value, error) {
            (Some(config), error) => {
                match error {
                    _ if !seen.is_news => {}
                    None => log::info!("loaded certificates from {}", path.display()),
                    Some(error) => log::warn!("{error}; its previous certificates stay trusted"),
                }
                Ok(config)
            }
            (None, Some(error)) => Err(error),
            (None, None) => unreachable!("a look yields a value or a problem"),
        }
    }
}

/// The CA certificates that a client's connections trust.
pub struct Trust {
    everywhere: Everywhere,
    private: Option<Private>,
}

/// Authorities, and which hosts they are for.
type Private = (CaFile, fn(&str) -> bool);

enum Everywhere {
    Roots(Arc<ClientConfig>),
    File(CaFile),
}

impl Trust {
    /// `roots` for every host.
    pub fn roots(roots: &Roots) -> Self {
        Self {
            everywhere: Everywhere::Roots(roots.config()),
            private: None,
        }
    }

    /// The authorities of `file` for every host.
    pub const fn only(file: CaFile) -> Self {
        Self {
            everywhere: Everywhere::File(file),
            private: None,
        }
    }

    /// And those of `file` instead for the hosts that `is_meant` recognises, in lower case.
    #[must_use]
    pub fn with_private(mut self, file: CaFile, is_meant: fn(&str) -> bool) -> Self {
        self.private = Some((file, is_meant));
        self
    }

    pub(super) fn config(&self, host: &str) -> Result<Arc<ClientConfig>, RootError> {
        match (&self.private, &self.everywhere) {
            (Some((file, is_meant)), _) if is_meant(host) => file.config(),
            (_, Everywhere::Roots(config)) => Ok(Arc::clone(config)),
            (_, Everywhere::File(file)) => file.config(),
        }
    }
}
