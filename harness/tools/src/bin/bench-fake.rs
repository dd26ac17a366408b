//! How fast the fake cloud is: requests a second over kept connections and over new TLS connections, and its start.
//! `bench-fake` prints three lines; run it from a release build (`just bench-fake`).

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use harness::http::message::Request;
use harness::http::percent;
use harness::sign::v3;
use harness::{FakeCloud, clock};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> Outcome<()> {
    let out = &mut io::stdout();
    let began = clock::monotonic();
    for _ in 0..STARTS {
        FakeCloud::start()?;
    }
    let start = began.elapsed() / STARTS;
    writeln!(out, "start: {:.1} ms", start.as_secs_f64() * 1000.0)?;

    let cloud = FakeCloud::start()?;
    let kept = rate(CLIENTS * KEPT, || kept_connection(&cloud))?;
    writeln!(
        out,
        "kept connections: {kept:.0} requests/s over {CLIENTS} connections"
    )?;
    let config = tls_config(&cloud)?;
    let new = rate(CLIENTS * NEW, || new_connections(&cloud, &config))?;
    writeln!(
        out,
        "new TLS connections: {new:.0} requests/s, a full handshake each"
    )?;
    Ok(())
}

/// Requests a second when so many clients do the same at once.
fn rate(requests: u32, client: impl Fn() -> Outcome<()> + Sync) -> Outcome<f64> {
    let began: Instant = clock::monotonic();
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(&client)).collect();
        clients
            .into_iter()
            .try_for_each(|client| client.join().map_err(|_| "a client broke down")?)
    })?;
    Ok(f64::from(requests) / began.elapsed().as_secs_f64())
}

fn kept_connection(cloud: &FakeCloud) -> Outcome<()> {
    let mut stream = TcpStream::connect(cloud.http_address())?;
    stream.set_nodelay(true)?;
    let mut buffer = Vec::new();
    for _ in 0..KEPT {
        ask(&mut stream, &mut buffer, cloud)?;
    }
    Ok(())
}

fn new_connections(cloud: &FakeCloud, config: &Arc<ClientConfig>) -> Outcome<()> {
    for _ in 0..NEW {
        let session = ClientConnection::new(Arc::clone(config), ServerName::try_from("localhost")?)?;
        let stream = TcpStream::connect(cloud.https_address())?;
        stream.set_nodelay(true)?;
        ask(&mut StreamOwned::new(session, stream), &mut Vec::new(), cloud)?;
    }
    Ok(())
}

/// One signed GetSecretValue, verified, authorised, logged and answered.
fn ask(stream: &mut (impl Read + Write), buffer: &mut Vec<u8>, cloud: &FakeCloud) -> Outcome<()> {
    static NONCE: AtomicU64 = AtomicU64::new(0);
    let (id, secret) = cloud.access_key();
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let mut request = Request {
        method: "POST".into(),
        path: "/".into(),
        query: vec![header("SecretName", "test-kms")],
        headers: vec![
            header("host", "localhost"),
            header("x-acs-action", "GetSecretValue"),
            header("x-acs-content-sha256", &v3::payload_hash(b"")),
            header("x-acs-date", &clock::format(clock::Clock::system().now())),
            header(
                "x-acs-signature-nonce",
                &NONCE.fetch_add(1, Ordering::Relaxed).to_string(),
            ),
            header("x-acs-version", "2016-01-20"),
        ],
        ..Request::default()
    };
    let names: Vec<String> = request.headers.iter().map(|(name, _)| name.clone()).collect();
    let canonical = v3::canonical_request(&request, &names, &v3::payload_hash(b""));
    let signature = v3::signature(&secret, &v3::string_to_sign(&canonical));
    let authorization = format!(
        "ACS3-HMAC-SHA256 Credential={id},SignedHeaders={},Signature={signature}",
        names.join(";")
    );
    request.headers.push(("authorization".into(), authorization));
    let mut text = format!("POST /?{} HTTP/1.1\r\n", percent::canonical_query(&request.query));
    for (name, value) in &request.headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all(format!("{text}content-length: 0\r\n\r\n").as_bytes())?;
    stream.flush()?;
    receive(stream, buffer)
}

fn receive(stream: &mut impl Read, buffer: &mut Vec<u8>) -> Outcome<()> {
    loop {
        let text = String::from_utf8_lossy(buffer);
        let length = text
            .split_once("Content-Length: ")
            .and_then(|(_, rest)| rest.split("\r\n").next()?.parse::<usize>().ok());
        let head = text.find("\r\n\r\n").map(|at| at + 4);
        if let (Some(head), Some(length)) = (head, length)
            && buffer.len() >= head + length
        {
            let good = text.starts_with("HTTP/1.1 200") && text.contains("hello from KMS");
            if !good {
                return Err(format!("a wrong answer: {text}").into());
            }
            buffer.drain(..head + length);
            return Ok(());
        }
        let mut piece = [0; 4096];
        let count = stream.read(&mut piece)?;
        if count == 0 {
            return Err("the connection ended".into());
        }
        buffer.extend_from_slice(&piece[..count]);
    }
}

/// A client that resumes no session.
fn tls_config(cloud: &FakeCloud) -> Outcome<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(cloud.ca_pem().as_bytes())?)?;
    let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.resumption = rustls::client::Resumption::disabled();
    Ok(Arc::new(config))
}

const STARTS: u32 = 20;
const CLIENTS: u32 = 4;
/// Requests of one client over one connection.
const KEPT: u32 = 5000;
/// Connections of one client.
const NEW: u32 = 500;
