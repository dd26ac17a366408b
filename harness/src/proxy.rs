//! A CONNECT proxy on loopback that leads the real cloud's host names to the fake cloud, without a name server.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// Where a tunnel leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lead {
    /// To the fake cloud.
    Cloud(SocketAddr),
    /// To the host that it was asked for.
    Through,
    /// Nowhere: the host name does not resolve.
    Unknown,
    /// Nowhere: the proxy refuses with 403.
    Refused,
}

/// A running proxy; it listens until the process ends.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    targets: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// Leads every tunnel to `backend`, whatever host it was asked for; without one, refuses them all with 403.
    ///
    /// # Errors
    /// No port is free.
    pub fn start(backend: Option<SocketAddr>) -> io::Result<Self> {
        Self::leading(move |_| backend.map_or(Lead::Refused, Lead::Cloud))
    }

    /// Leads each tunnel where `lead` says for its host name.
    ///
    /// # Errors
    /// No port is free.
    pub fn leading(lead: impl Fn(&str) -> Lead + Send + Sync + 'static) -> io::Result<Self> {
        let lead = Arc::new(lead);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let targets = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&targets);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let (seen, lead) = (Arc::clone(&seen), Arc::clone(&lead));
                thread::spawn(move || serve(client, &*lead, &seen));
            }
        });
        Ok(Self { address, targets })
    }

    /// `127.0.0.1:PORT`
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The hosts with ports that were asked for so far.
    pub fn targets(&self) -> Vec<String> {
        self.targets
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// Whatever breaks ends the tunnel; the client sees a closed connection.
fn serve(mut client: TcpStream, lead: &dyn Fn(&str) -> Lead, seen: &Mutex<Vec<String>>) -> Option<()> {
    let head = read_head(&mut client)?;
    let target = head.strip_prefix("CONNECT ")?.split(' ').next()?.to_owned();
    let host = target.rsplit_once(':').map_or(target.as_str(), |(host, _)| host);
    let lead = lead(host);
    seen.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(target.clone());
    let server = match lead {
        Lead::Cloud(address) => Some(TcpStream::connect(address).ok()?),
        Lead::Through => TcpStream::connect(&target).ok(),
        Lead::Unknown | Lead::Refused => None,
    };
    let Some(server) = server else {
        let status = match lead {
            Lead::Refused => "403 Forbidden".to_owned(),
            _ => format!("502 cannot reach {host}"),
        };
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
        client.write_all(answer.as_bytes()).ok()?;
        return None;
    };
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").ok()?;
    let (from_client, to_server) = (client.try_clone().ok()?, server.try_clone().ok()?);
    thread::spawn(move || pump(from_client, to_server));
    pump(server, client);
    Some(())
}

fn read_head(client: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && head.len() < MAX_HEAD {
        client.read_exact(&mut byte).ok()?;
        head.extend(byte);
    }
    String::from_utf8(head).ok()
}

fn pump(mut from: TcpStream, mut to: TcpStream) {
    // A tunnel that breaks is a tunnel that ends.
    let _ended = io::copy(&mut from, &mut to);
    let _closed = to.shutdown(Shutdown::Write);
}

const MAX_HEAD: usize = 8 * 1024;
