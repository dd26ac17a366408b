//! TLS with a throw-away certificate authority, made new at each start.
//!
//! The server certificate names `localhost` and the loopback addresses; for any host below `aliyuncs.com` that a
//! client asks for (SNI), and for the extra names given at start, a certificate with that name is made on the spot.

use std::collections::HashMap;
use std::fmt;
use std::io::{self, Write as _};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};
use rustls::crypto::ring as provider;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{Acceptor, ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, ServerConnection};
use serde::{Deserialize, Serialize};

use crate::service::Service;

/// Ways in which the server's certificate can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CertificateFault {
    /// Right name and authority, but past its end.
    Expired,
    /// Right authority, but for another host.
    WrongHost,
    /// Right name, but signed by an authority that nobody was told of.
    UnknownAuthority,
}

/// Ways in which a handshake can fail, certificates aside, once the client's hello has arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HandshakeFault {
    /// The connection is closed without an answer.
    Closed,
    /// The connection is closed in the middle of the server's first messages.
    Cut,
    /// Nothing is answered until the rule is released or cleared.
    Hold,
    /// The answer is an HTTP error in plain text, as of a port that speaks no TLS.
    PlainHttp,
    /// The answer is the alert `handshake_failure`, as for want of a common cipher suite.
    Refused,
}

/// What shall happen to one handshake.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Handshake {
    /// What is wrong with the certificate.
    pub certificate: Option<CertificateFault>,
    /// How the handshake fails.
    pub failure: Option<HandshakeFault>,
}

/// Says what shall happen to a handshake.
pub trait HandshakePolicy: Send + Sync {
    /// `port` is the service whose own port it is; `host` is the name that the client asked for, in lower case, none if
    /// it asked for an address. May take its time.
    fn handshake(&self, port: Option<Service>, host: Option<&str>) -> Handshake;
}

/// A certificate authority and the certificates it has made.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    stranger: CertifiedIssuer<'static, KeyPair>,
    kms_instances: CertifiedIssuer<'static, KeyPair>,
    extra_names: Vec<String>,
    made: Mutex<HashMap<Wanted, Arc<CertifiedKey>>>,
}

/// A host name, and what shall be wrong with its certificate.
type Wanted = (String, Option<CertificateFault>);

impl Authority {
    /// Makes the keys; takes well under a millisecond. `extra_names` are served besides the names above.
    pub fn generate(extra_names: Vec<String>) -> Result<Self, rcgen::Error> {
        let root = authority("fake-cloud Private KMS Root CA")?;
        Ok(Self {
            issuer: authority("fake-cloud throw-away CA")?,
            kms_instances: intermediate("fake-cloud Private KMS Second CA", &root)?,
            stranger: authority("fake-cloud CA that nobody trusts")?,
            extra_names,
            made: Mutex::default(),
        })
    }

    /// The authority's certificate, for the clients' trust store.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// The authority of KMS instances, an intermediate whose root nobody has, as the KMS console gives it out.
    pub fn kms_instances_pem(&self) -> String {
        self.kms_instances.pem()
    }

    fn certificate(
        &self,
        host: Option<&str>,
        fault: Option<CertificateFault>,
    ) -> Result<Arc<CertifiedKey>, Box<dyn std::error::Error>> {
        let host = host.filter(|host| self.serves(host)).unwrap_or("localhost");
        let mut made = self
            .made
            .lock()
            .expect("no code panics while it holds the certificates");
        if let Some(key) = made.get(&(host.to_owned(), fault)) {
            return Ok(Arc::clone(key));
        }
        let key = Arc::new(self.make(host, fault)?);
        if made.len() < MAX_CERTIFICATES {
            made.insert((host.to_owned(), fault), Arc::clone(&key));
        }
        Ok(key)
    }

    fn serves(&self, host: &str) -> bool {
        host.ends_with(".aliyuncs.com") || self.extra_names.iter().any(|name| name == host)
    }

    fn make(
        &self,
        host: &str,
        fault: Option<CertificateFault>,
    ) -> Result<CertifiedKey, Box<dyn std::error::Error>> {
        let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(String::from).into();
        if !names.iter().any(|name| name == host) {
            names.push(host.to_owned());
        }
        if fault == Some(CertificateFault::WrongHost) {
            names = vec!["wrong-host.invalid".into()];
        }
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name.push(DnType::CommonName, "fake-cloud");
        if fault == Some(CertificateFault::Expired) {
            params.not_after = rcgen::date_time_ymd(2020, 1, 1);
        }
        let issuer = if fault == Some(CertificateFault::UnknownAuthority) {
            &self.stranger
        } else if host.ends_with(".cryptoservice.kms.aliyuncs.com") {
            &self.kms_instances
        } else {
            &self.issuer
        };
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, issuer)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let signer = provider::sign::any_ecdsa_type(&key)?;
        Ok(CertifiedKey::new(vec![certificate.der().clone()], signer))
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority")
            .field("extra_names", &self.extra_names)
            .finish_non_exhaustive()
    }
}

/// The server's side of TLS 1.2 and 1.3, HTTP/1.1 only.
pub struct Tls {
    authority: Arc<Authority>,
    policy: Arc<dyn HandshakePolicy>,
    good: Arc<ServerConfig>,
}

impl Tls {
    /// Certificates come from `authority`, and go wrong as `policy` says.
    pub fn new(authority: Arc<Authority>, policy: Arc<dyn HandshakePolicy>) -> Result<Self, rustls::Error> {
        let good = Arc::new(server_config(&authority, None)?);
        Ok(Self {
            authority,
            policy,
            good,
        })
    }

    /// One handshake, from the client's hello to its end. `port` is the service whose own port it is.
    pub fn accept(&self, stream: &mut TcpStream, port: Option<Service>) -> io::Result<ServerConnection> {
        let mut acceptor = Acceptor::default();
        let accepted = loop {
            if acceptor.read_tls(stream)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            match acceptor.accept() {
                Ok(Some(accepted)) => break accepted,
                Ok(None) => {}
                Err((error, mut alert)) => {
                    alert.write_all(stream)?;
                    return Err(io::Error::other(error));
                }
            }
        };
        let host = accepted.client_hello().server_name().map(str::to_ascii_lowercase);
        let outcome = self.policy.handshake(port, host.as_deref());
        let config = match outcome.certificate {
            None => Arc::clone(&self.good),
            fault => Arc::new(server_config(&self.authority, fault).map_err(io::Error::other)?),
        };
        let instead: Option<&[u8]> = match outcome.failure {
            Some(HandshakeFault::Closed) => Some(b""),
            Some(HandshakeFault::PlainHttp) => Some(PLAIN_HTTP),
            Some(HandshakeFault::Refused) => Some(HANDSHAKE_FAILURE),
            Some(HandshakeFault::Cut | HandshakeFault::Hold) | None => None,
        };
        if let Some(answer) = instead {
            stream.write_all(answer)?;
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        let mut session = match accepted.into_connection(config) {
            Ok(session) => session,
            Err((error, mut alert)) => {
                alert.write_all(stream)?;
                return Err(io::Error::other(error));
            }
        };
        if outcome.failure == Some(HandshakeFault::Cut) {
            let mut answer = Vec::new();
            while session.wants_write() {
                session.write_tls(&mut answer)?;
            }
            stream.write_all(&answer[..answer.len() / 2])?;
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        session.complete_io(stream)?;
        Ok(session)
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

/// Sessions are resumed only where certificates are as they should be: a resumed one would show none.
fn server_config(
    authority: &Arc<Authority>,
    fault: Option<CertificateFault>,
) -> Result<ServerConfig, rustls::Error> {
    let authority = Arc::clone(authority);
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Resolver { authority, fault }));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    if fault.is_some() {
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    Ok(config)
}

struct Resolver {
    authority: Arc<Authority>,
    fault: Option<CertificateFault>,
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Resolver")
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let host = hello.server_name().map(str::to_ascii_lowercase);
        self.authority.certificate(host.as_deref(), self.fault).ok()
    }
}

fn intermediate(
    name: &str,
    root: &CertifiedIssuer<'static, KeyPair>,
) -> Result<CertifiedIssuer<'static, KeyPair>, rcgen::Error> {
    CertifiedIssuer::signed_by(authority_params(name), KeyPair::generate()?, root)
}

fn authority(name: &str) -> Result<CertifiedIssuer<'static, KeyPair>, rcgen::Error> {
    CertifiedIssuer::self_signed(authority_params(name), KeyPair::generate()?)
}

fn authority_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// Names are chosen by the client; past this many, certificates are made anew each time instead of being kept.
const MAX_CERTIFICATES: usize = 1024;
/// What an HTTP server answers to the hello of TLS.
const PLAIN_HTTP: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 12\r\nConnection: close\r\n\r\nBad Request\n";
/// A record of type alert, TLS 1.2, with two bytes: fatal, handshake_failure (RFC 8446, section 6).
const HANDSHAKE_FAILURE: &[u8] = &[21, 3, 3, 0, 2, 2, 40];
