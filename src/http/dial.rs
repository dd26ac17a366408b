//! Opening a connection: the name is looked up here and not for each request, as the library would.

use std::fmt;
use std::time::Duration;

use ureq::config::Config;
use ureq::http::Uri;
use ureq::http::uri::Scheme;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::time::Instant;
use ureq::unversioned::transport::{ConnectionDetails, Connector, NextTimeout};
use ureq::{Error, Timeout};

use super::lookup::{Found, Lookup, LookupError};

/// Takes the place of the library's resolver, which is asked before the pool: leaves the addresses to [`Dial`].
#[derive(Debug)]
pub(super) struct LaterResolver;

impl Resolver for LaterResolver {
    fn resolve(&self, _: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        Ok(self.empty())
    }
}

/// Looks the host up, then connects by `inner`.
pub(super) struct Dial<C> {
    pub(super) lookup: Lookup,
    pub(super) inner: C,
}

impl<C: Connector> Connector for Dial<C> {
    type Out = C::Out;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<()>,
    ) -> Result<Option<Self::Out>, Error> {
        if details.config.proxy().is_some() {
            // The proxy looks the host up; the connection to the proxy comes through here by itself.
            return self.inner.connect(details, chained);
        }
        let host = details
            .uri
            .host()
            .ok_or_else(|| Error::BadUri("no host".to_owned()))?;
        let (_, port) = port_of(details.uri);
        let found = self.lookup.find(host, port, remaining(details))?;
        match self.connect_to(details, &found) {
            Err(error) if found.is_kept && is_unreachable(&error) => {
                let now = self.lookup.find_again(host, port, remaining(details));
                match now {
                    Ok(now) if now.addresses != found.addresses => self.connect_to(details, &now),
                    _ => Err(error),
                }
            }
            result => result,
        }
    }
}

impl<C: Connector> Dial<C> {
    fn connect_to(&self, details: &ConnectionDetails<'_>, found: &Found) -> Result<Option<C::Out>, Error> {
        let after = remaining(details).min(*details.timeout.after);
        if after.is_zero() {
            return Err(Error::Timeout(details.timeout.reason));
        }
        let details = ConnectionDetails {
            uri: details.uri,
            addrs: wanted(found, details.config)?,
            config: details.config,
            request_level: details.request_level,
            resolver: details.resolver,
            now: (details.current_time)(),
            timeout: NextTimeout {
                after: after.into(),
                ..details.timeout
            },
            current_time: details.current_time.clone(),
            run_connector: details.run_connector.clone(),
            register_shutdown: details.register_shutdown.clone(),
        };
        self.inner.connect(&details, None)
    }
}

/// What is left of the time for the whole request. A lookup may need more than the time to connect: the C library
/// sends a lost query again after five seconds.
fn remaining(details: &ConnectionDetails<'_>) -> Duration {
    let elapsed = match ((details.current_time)(), details.now) {
        (Instant::Exact(now), Instant::Exact(start)) => now.saturating_duration_since(start),
        _ => Duration::ZERO,
    };
    let whole = details.config.timeouts().global;
    whole.unwrap_or(*details.timeout.after).saturating_sub(elapsed)
}

/// The addresses of the wanted kind, no more than are ever tried.
fn wanted(found: &Found, config: &Config) -> Result<ResolvedSocketAddrs, Error> {
    let mut addresses = LaterResolver.empty();
    for address in config.ip_family().keep_wanted(found.addresses.iter().copied()) {
        if addresses.try_push(address).is_err() {
            break;
        }
    }
    if addresses.is_empty() {
        return Err(Error::HostNotFound);
    }
    Ok(addresses)
}

fn is_unreachable(error: &Error) -> bool {
    use std::io::ErrorKind as Kind;
    match error {
        Error::Io(error) => matches!(
            error.kind(),
            Kind::ConnectionRefused | Kind::HostUnreachable | Kind::NetworkUnreachable
        ),
        Error::Timeout(Timeout::Connect) => true,
        _ => false,
    }
}

/// Whether a URL asks for TLS, and the port that it means.
pub(super) fn port_of(uri: &Uri) -> (bool, u16) {
    let is_tls = uri.scheme() == Some(&Scheme::HTTPS);
    (is_tls, uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 }))
}

impl From<LookupError> for Error {
    fn from(error: LookupError) -> Self {
        match error {
            LookupError::Timeout => Self::Timeout(Timeout::Resolve),
            error => Self::Io(std::io::Error::other(error)),
        }
    }
}

impl<C> fmt::Debug for Dial<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Dial")
    }
}
