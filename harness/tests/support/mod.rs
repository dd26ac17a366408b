//! A client for the fake cloud's own tests: raw sockets, and signatures that the vectors vouch for.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use harness::http::message::Request;
use harness::http::percent;
use harness::sign::v3;
use harness::{FakeCloud, clock};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::Value;

/// An answer as read from the wire.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("a text body")
    }

    /// The `Code` of an error body; the empty text for a success.
    pub(crate) fn code(&self) -> String {
        self.json()["Code"].as_str().unwrap_or_default().to_owned()
    }
}

/// Keys to sign with.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    pub(crate) id: String,
    pub(crate) secret: String,
    pub(crate) token: Option<String>,
}

impl Keys {
    pub(crate) fn new(id: &str, secret: &str) -> Self {
        Self {
            id: id.into(),
            secret: secret.into(),
            token: None,
        }
    }

    pub(crate) fn of(cloud: &FakeCloud) -> Self {
        let (id, secret) = cloud.access_key();
        Self {
            id,
            secret,
            token: None,
        }
    }

    pub(crate) fn operator() -> Self {
        Self::new("LTAI5tFakeCloudOperator1", "FakeCloudOperatorSecret000001")
    }

    pub(crate) fn outsider() -> Self {
        Self::new("LTAI5tFakeCloudOutsider1", "FakeCloudOutsiderSecret000001")
    }
}

/// One open connection.
pub(crate) struct Client<S> {
    stream: S,
    buffer: Vec<u8>,
}

pub(crate) fn plain(cloud: &FakeCloud) -> Client<TcpStream> {
    Client {
        stream: TcpStream::connect(cloud.http_address()).expect("the cloud listens"),
        buffer: Vec::new(),
    }
}

pub(crate) fn tls(
    cloud: &FakeCloud,
    host: &str,
) -> io::Result<Client<StreamOwned<ClientConnection, TcpStream>>> {
    let mut roots = RootCertStore::empty();
    // KMS instances have a private authority of their own, as in the real cloud.
    for pem in [cloud.ca_pem(), cloud.kms_instances_pem()] {
        roots
            .add(CertificateDer::from_pem_slice(pem.as_bytes()).expect("a PEM certificate"))
            .expect("a CA");
    }
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned()).expect("a host name");
    let mut session = ClientConnection::new(Arc::new(config), name).expect("a session");
    let mut stream = TcpStream::connect(cloud.https_address())?;
    session.complete_io(&mut stream)?;
    Ok(Client {
        stream: StreamOwned::new(session, stream),
        buffer: Vec::new(),
    })
}

impl<S: Read + Write> Client<S> {
    pub(crate) fn send(&mut self, request: &Request) -> io::Result<Answer> {
        let query: Vec<_> = request
            .query
            .iter()
            .map(|(n, v)| format!("{}={}", percent::encode(n), percent::encode(v)))
            .collect();
        let mut text = format!(
            "{} {}?{} HTTP/1.1\r\n",
            request.method,
            request.path,
            query.join("&")
        );
        for (name, value) in &request.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str(&format!("Content-Length: {}\r\n\r\n", request.body.len()));
        self.stream.write_all(text.as_bytes())?;
        self.stream.write_all(&request.body)?;
        self.stream.flush()?;
        self.receive()
    }

    pub(crate) fn send_bytes(&mut self, request: &[u8]) -> io::Result<Answer> {
        self.stream.write_all(request)?;
        self.stream.flush()?;
        self.receive()
    }

    pub(crate) fn receive(&mut self) -> io::Result<Answer> {
        let end = self.read_until(|buffer| {
            buffer
                .windows(4)
                .position(|four| four == b"\r\n\r\n")
                .map(|at| at + 4)
        })?;
        let head = String::from_utf8(self.buffer.drain(..end).collect()).expect("a text head");
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("Content-Length: "))
            .and_then(|length| length.parse().ok())
            .expect("a Content-Length");
        self.read_until(|buffer| (buffer.len() >= length).then_some(length))?;
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .expect("a status");
        Ok(Answer {
            status,
            head,
            body: self.buffer.drain(..length).collect(),
        })
    }

    fn read_until(&mut self, done: impl Fn(&[u8]) -> Option<usize>) -> io::Result<usize> {
        loop {
            if let Some(end) = done(&self.buffer) {
                return Ok(end);
            }
            let mut piece = [0; 4096];
            let count = self.stream.read(&mut piece)?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.buffer.extend_from_slice(&piece[..count]);
        }
    }
}

/// A signed V3 request with everything in the query.
pub(crate) fn signed(
    keys: &Keys,
    host: &str,
    version: &str,
    action: &str,
    params: &[(&str, &str)],
) -> Request {
    static NONCE: AtomicU64 = AtomicU64::new(0);
    let mut headers = vec![
        ("Host".to_owned(), host.to_owned()),
        ("x-acs-action".into(), action.into()),
        ("x-acs-version".into(), version.into()),
        ("x-acs-date".into(), clock::format(clock::Clock::system().now())),
        (
            "x-acs-signature-nonce".into(),
            format!("nonce-{}", NONCE.fetch_add(1, Ordering::Relaxed)),
        ),
        ("x-acs-content-sha256".into(), v3::payload_hash(b"")),
    ];
    if let Some(token) = &keys.token {
        headers.push(("x-acs-security-token".into(), token.clone()));
    }
    let mut request = Request {
        method: "POST".into(),
        path: "/".into(),
        query: params
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        headers,
        ..Request::default()
    };
    sign(&mut request, keys);
    request
}

/// Reads the secret `test-kms`.
pub(crate) fn read_kms(keys: &Keys) -> Request {
    signed(
        keys,
        "127.0.0.1",
        "2016-01-20",
        "GetSecretValue",
        &[("SecretName", "test-kms")],
    )
}

/// Signs a request as it stands, over all its headers but an earlier `Authorization`.
pub(crate) fn sign(request: &mut Request, keys: &Keys) {
    request.headers.retain(|(name, _)| name != "Authorization");
    let mut names: Vec<_> = request
        .headers
        .iter()
        .map(|(name, _)| name.to_ascii_lowercase())
        .collect();
    names.sort();
    let canonical = v3::canonical_request(request, &names, &v3::payload_hash(&request.body));
    let signature = v3::signature(&keys.secret, &v3::string_to_sign(&canonical));
    let value = format!(
        "ACS3-HMAC-SHA256 Credential={},SignedHeaders={},Signature={signature}",
        keys.id,
        names.join(";")
    );
    request.headers.push(("Authorization".into(), value));
}

pub(crate) fn kms(cloud: &FakeCloud, keys: &Keys, action: &str, params: &[(&str, &str)]) -> Answer {
    plain(cloud)
        .send(&signed(keys, "127.0.0.1", "2016-01-20", action, params))
        .expect("an answer")
}

pub(crate) fn oos(cloud: &FakeCloud, keys: &Keys, action: &str, params: &[(&str, &str)]) -> Answer {
    plain(cloud)
        .send(&signed(keys, "127.0.0.1", "2019-06-01", action, params))
        .expect("an answer")
}
