//! A CONNECT proxy on loopback that leads every tunnel to one address, whatever host it was asked for: the real
//! cloud's host names reach the fake cloud without a name server.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// A running proxy; it listens until the process ends.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    targets: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// Leads every tunnel to `backend`; without one, refuses them all with 403.
    ///
    /// # Errors
    /// There is no free port.
    pub fn start(backend: Option<SocketAddr>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let targets = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&targets);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let seen = Arc::clone(&seen);
                thread::spawn(move || serve(client, backend, &seen));
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
fn serve(mut client: TcpStream, backend: Option<SocketAddr>, seen: &Mutex<Vec<String>>) -> Option<()> {
    let head = read_head(&mut client)?;
    let target = head.strip_prefix("CONNECT ")?.split(' ').next()?.to_owned();
    seen.lock().unwrap_or_else(PoisonError::into_inner).push(target);
    let Some(backend) = backend else {
        client
            .write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n")
            .ok()?;
        return None;
    };
    let server = TcpStream::connect(backend).ok()?;
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
