//! TLS for the client's connections, by rustls with ring.
//!
//! One configuration for the process, so that sessions are resumed and the roots are parsed once.

use std::fmt;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use ureq::Error;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout, Transport, TransportAdapter,
};

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

impl Roots {
    /// The built-in roots alone.
    pub fn built_in() -> Self {
        Self(webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect())
    }

    /// Adds every certificate of a PEM file.
    ///
    /// # Errors
    /// The file cannot be read, is not PEM, holds no certificate or one that no TLS stack could use.
    pub fn add_file(&mut self, path: &Path) -> Result<(), RootError> {
        let failed = |problem: String| RootError {
            path: path.to_owned(),
            problem,
        };
        let pem = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
        let mut found = false;
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let certificate = certificate.map_err(|error| failed(format!("not PEM: {error}")))?;
            self.0
                .add(certificate)
                .map_err(|error| failed(format!("not a usable CA certificate: {error}")))?;
            found = true;
        }
        if found {
            Ok(())
        } else {
            Err(failed("holds no PEM certificate".to_owned()))
        }
    }

    /// Adds every certificate of every PEM file directly in a directory. Files without one are passed over, as
    /// such directories also hold hashes, keys and notes.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn add_directory(&mut self, path: &Path) -> Result<(), RootError> {
        let failed = |error: std::io::Error| RootError {
            path: path.to_owned(),
            problem: error.to_string(),
        };
        for entry in std::fs::read_dir(path).map_err(failed)? {
            let file = entry.map_err(failed)?.path();
            if file.is_file()
                && let Err(error) = self.add_file(&file)
            {
                log::debug!("certificate file passed over: {error}");
            }
        }
        Ok(())
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

/// Wraps connections to `https` hosts in TLS.
pub(super) struct TlsConnector {
    config: Arc<ClientConfig>,
}

impl TlsConnector {
    pub(super) fn new(roots: &Roots) -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = match ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()
        {
            Ok(builder) => builder
                .with_root_certificates(roots.0.clone())
                .with_no_client_auth(),
            Err(_) => unreachable!("ring has cipher suites for TLS 1.2 and 1.3"),
        };
        Self {
            config: Arc::new(config),
        }
    }
}

impl<In: Transport> Connector<In> for TlsConnector {
    type Out = Either<In, TlsTransport>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, Error> {
        let Some(transport) = chained else { return Ok(None) };
        if !details.needs_tls() {
            return Ok(Some(Either::A(transport)));
        }
        let host = details.uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let name = ServerName::try_from(host)
            .map_err(|_| Error::Tls("the host is no name that a certificate can carry"))?
            .to_owned();
        let mut conn = ClientConnection::new(Arc::clone(&self.config), name)
            .map_err(|error| Error::Io(std::io::Error::other(error)))?;
        let mut sock = TransportAdapter::new(transport.boxed(), Arc::clone(&details.current_time));
        sock.set_timeout(details.timeout);
        // The handshake runs here rather than with the first byte, so that its failure counts as a connection's.
        conn.complete_io(&mut sock)?;
        let buffers = LazyBuffers::new(
            details.config.input_buffer_size(),
            details.config.output_buffer_size(),
        );
        Ok(Some(Either::B(TlsTransport {
            buffers,
            stream: StreamOwned { conn, sock },
        })))
    }
}

impl fmt::Debug for TlsConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsConnector")
    }
}

/// An encrypted connection.
pub(super) struct TlsTransport {
    buffers: LazyBuffers,
    stream: StreamOwned<ClientConnection, TransportAdapter>,
}

impl Transport for TlsTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.stream.sock.set_timeout(timeout);
        let output = self.buffers.output().get(..amount).unwrap_or_default();
        self.stream.write_all(output)?;
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.stream.sock.set_timeout(timeout);
        let read = self.stream.read(self.buffers.input_append_buf())?;
        self.buffers.input_appended(read);
        Ok(read > 0)
    }

    fn is_open(&mut self) -> bool {
        self.stream.sock.get_mut().is_open()
    }

    fn is_tls(&self) -> bool {
        true
    }
}

impl fmt::Debug for TlsTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsTransport")
    }
}
