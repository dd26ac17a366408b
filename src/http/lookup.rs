//! Host names to addresses. `getaddrinfo` knows no deadline, so each lookup has a thread of its own, which a silent
//! name server may keep after the request has given up; so many at most, and who comes then waits.
//!
//! The library's own resolver does the same, without the bound, and panics where no thread can be started.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::{fmt, io, thread};

use ureq::config::Config;
use ureq::http::Uri;
use ureq::http::uri::Scheme;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

use crate::limits;
use crate::sync::Semaphore;

/// Looks names up as the system does.
pub(super) struct Lookup {
    system: fn(&str, u16) -> io::Result<Vec<SocketAddr>>,
    /// How many lookups are under way.
    semaphore: Arc<Semaphore>,
}

/// Why a name was not even looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LookupError {
    /// The process may have no more threads.
    NoThread,
    /// Others wait for a name server that does not answer.
    Busy,
}

impl Default for Lookup {
    fn default() -> Self {
        Self::with(|host, port| Ok((host, port).to_socket_addrs()?.collect()))
    }
}

impl Lookup {
    fn with(system: fn(&str, u16) -> io::Result<Vec<SocketAddr>>) -> Self {
        Self {
            system,
            semaphore: Semaphore::new(limits::LOOKUPS),
        }
    }

    fn addresses(&self, host: &str, port: u16, timeout: NextTimeout) -> Result<Vec<SocketAddr>, ureq::Error> {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        if let Ok(address) = bare.parse() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        let permit = self.semaphore.acquire(*timeout.after).ok_or(LookupError::Busy)?;
        let (sender, receiver) = mpsc::sync_channel(1);
        let (system, name) = (self.system, host.to_owned());
        let thread = thread::Builder::new()
            .name("lookup".to_owned())
            .stack_size(limits::LOOKUP_STACK);
        thread
            .spawn(move || {
                // The request may have given up meanwhile.
                let _ = sender.send(system(&name, port));
                drop(permit);
            })
            .map_err(|_| LookupError::NoThread)?;
        match receiver.recv_timeout(*timeout.after) {
            Ok(addresses) => Ok(addresses?),
            Err(RecvTimeoutError::Timeout) => Err(ureq::Error::Timeout(timeout.reason)),
            Err(RecvTimeoutError::Disconnected) => Err(LookupError::NoThread.into()),
        }
    }
}

/// Whether a URL asks for TLS, and the port that it means.
pub(super) fn port_of(uri: &Uri) -> (bool, u16) {
    let is_tls = uri.scheme() == Some(&Scheme::HTTPS);
    (is_tls, uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 }))
}

impl Resolver for Lookup {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let host = uri
            .host()
            .ok_or_else(|| ureq::Error::BadUri("no host".to_owned()))?;
        let (_, port) = port_of(uri);
        let found = self.addresses(host, port, timeout)?;
        let mut addresses = self.empty();
        for address in config.ip_family().keep_wanted(found.into_iter()) {
            if addresses.try_push(address).is_err() {
                break; // more than are ever tried
            }
        }
        if addresses.is_empty() {
            return Err(ureq::Error::HostNotFound);
        }
        Ok(addresses)
    }
}

impl fmt::Debug for Lookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lookup")
    }
}

impl fmt::Display for LookupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoThread => {
                f.write_str("cannot start a thread for the DNS lookup; raise the limit of processes")
            }
            Self::Busy => write!(
                f,
                "{} lookups already wait for a name server that does not answer",
                limits::LOOKUPS
            ),
        }
    }
}

impl std::error::Error for LookupError {}

impl From<LookupError> for ureq::Error {
    fn from(error: LookupError) -> Self {
        Self::Io(io::Error::other(error))
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::{Condvar, Mutex};
    use std::time::Duration;

    use ureq::Timeout;
    use ureq::unversioned::transport::time;

    use super::*;

    fn within(milliseconds: u64) -> NextTimeout {
        NextTimeout {
            after: time::Duration::from(Duration::from_millis(milliseconds)),
            reason: Timeout::Connect,
            ..NextTimeout::default()
        }
    }

    fn resolve(lookup: &Lookup, url: &str, timeout: NextTimeout) -> Result<Vec<String>, String> {
        let uri: Uri = url.parse().expect("URL");
        let found = lookup.resolve(&uri, &Config::default(), timeout);
        found
            .map(|addresses| addresses.iter().map(ToString::to_string).collect())
            .map_err(|error| error.to_string())
    }

    fn strings(addresses: &[&str]) -> Result<Vec<String>, String> {
        Ok(addresses.iter().map(|address| (*address).to_owned()).collect())
    }

    #[test]
    fn addresses_are_taken_as_they_are() {
        let lookup = Lookup::with(|host, _| panic!("{host} was looked up"));
        for (url, address) in [
            ("http://100.100.100.200/latest", "100.100.100.200:80"),
            ("https://127.0.0.1/", "127.0.0.1:443"),
            ("https://[::1]:8443/", "[::1]:8443"),
        ] {
            assert_eq!(
                resolve(&lookup, url, within(60_000)),
                strings(&[address]),
                "{url}"
            );
        }
    }

    #[test]
    fn a_name_has_what_the_system_says() {
        let lookup = Lookup::with(|host, port| match host {
            "two.example" => Ok(vec![
                (Ipv4Addr::LOCALHOST, port).into(),
                (Ipv4Addr::BROADCAST, port).into(),
            ]),
            "many.example" => Ok(vec![(Ipv4Addr::LOCALHOST, port).into(); 100]),
            "none.example" => Ok(Vec::new()),
            _ => Err(io::Error::other(
                "failed to lookup address information: no such name",
            )),
        });
        let resolve = |url: &str| resolve(&lookup, url, within(60_000));
        assert_eq!(
            resolve("https://two.example/"),
            strings(&["127.0.0.1:443", "255.255.255.255:443"])
        );
        assert_eq!(
            resolve("http://many.example:81/").map(|found| found.len()),
            Ok(16)
        );
        assert_eq!(resolve("http://none.example/"), Err("host not found".to_owned()));
        assert!(resolve("http://other.example/").is_err_and(|error| error.contains("no such name")));
    }

    #[test]
    fn a_silent_name_server_holds_up_so_many_lookups_and_no_more() {
        static SILENT: (Mutex<bool>, Condvar) = (Mutex::new(true), Condvar::new());
        let lookup = Lookup::with(|_, port| {
            let silent = SILENT.0.lock().expect("lock");
            drop(SILENT.1.wait_while(silent, |silent| *silent).expect("lock"));
            Ok(vec![(Ipv4Addr::LOCALHOST, port).into()])
        });
        for _ in 0..limits::LOOKUPS {
            let error = resolve(&lookup, "http://slow.example/", within(1)).expect_err("silence");
            assert!(error.contains("timeout"), "{error}");
        }
        let error = resolve(&lookup, "http://slow.example/", within(1)).expect_err("one too many");
        assert!(error.contains(&LookupError::Busy.to_string()), "{error}");
        assert!(
            resolve(&lookup, "http://127.0.0.1/", within(1)).is_ok(),
            "no name"
        );
        *SILENT.0.lock().expect("lock") = false;
        SILENT.1.notify_all();
        // It waits until one of the others has ended.
        assert!(resolve(&lookup, "http://slow.example/", within(60_000)).is_ok());
    }

    #[test]
    fn a_crowd_takes_turns() {
        let lookup = Lookup::with(|_, port| {
            thread::sleep(Duration::from_millis(5));
            Ok(vec![(Ipv4Addr::LOCALHOST, port).into()])
        });
        thread::scope(|scope| {
            for _ in 0..4 * limits::LOOKUPS {
                scope.spawn(|| {
                    let found = resolve(&lookup, "http://name.example/", within(60_000));
                    assert_eq!(found, strings(&["127.0.0.1:80"]));
                });
            }
        });
    }
}
