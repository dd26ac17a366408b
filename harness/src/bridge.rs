//! A bridge from a TCP port of loopback to a Unix socket, for test tools that speak nothing but TCP.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread;

/// A bridge that runs until the process ends.
#[derive(Debug)]
pub struct Bridge {
    address: SocketAddr,
}

impl Bridge {
    /// Listens on any free port of loopback; each connection becomes one to `socket`.
    ///
    /// # Errors
    /// No port or no thread is to be had.
    pub fn start(socket: &Path) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let socket = socket.to_owned();
        thread::Builder::new()
            .name("bridge".to_owned())
            .spawn(move || accept(&listener, &socket))?;
        Ok(Self { address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

fn accept(listener: &TcpListener, socket: &Path) {
    for tcp in listener.incoming().map_while(Result::ok) {
        let socket: PathBuf = socket.to_owned();
        thread::spawn(move || {
            // What fails on either side ends the connection, which is all that the test tool may see of it.
            let _ = join(&tcp, &socket);
            let _ = tcp.shutdown(Shutdown::Both);
        });
    }
}

fn join(tcp: &TcpStream, socket: &Path) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    let unix = UnixStream::connect(socket)?;
    let (from_tcp, to_unix) = (tcp.try_clone()?, unix.try_clone()?);
    let forth = thread::spawn(move || {
        let _ = io::copy(&mut &from_tcp, &mut &to_unix);
        let _ = to_unix.shutdown(Shutdown::Write);
    });
    let back = io::copy(&mut &unix, &mut &*tcp);
    let _ = tcp.shutdown(Shutdown::Write);
    let _ = forth.join();
    back.map(drop)
}
