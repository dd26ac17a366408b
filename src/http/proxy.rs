//! Which requests go through a proxy: one rule for every service, as Go's `net/http` has it. `HTTPS_PROXY` names
//! the proxy; `NO_PROXY` lists what is asked directly: `*`, addresses, CIDR ranges, hosts (which cover what lies
//! below them) and `.suffix` (which covers only what lies below), each with a port or without. Loopback is always
//! asked directly. Plain HTTP never goes through a proxy: it is used for loopback and instance metadata alone.

use std::fmt;
use std::net::IpAddr;

use ureq::{Proxy, ProxyProtocol};

/// The proxy, and who is asked without it.
#[derive(Clone, Default)]
pub struct Proxies {
    proxy: Option<Proxy>,
    direct: Vec<Direct>,
}

/// A proxy setting that cannot be used. The text itself is not quoted: it may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProxyError(&'static str);

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for ProxyError {}

/// One entry of `NO_PROXY`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Direct {
    target: Target,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Target {
    All,
    /// First address of a range and how many bits of it count.
    Network(IpAddr, u8),
    /// A host and all below it.
    Host(String),
    /// `.suffix`: all below, not itself.
    Below(String),
}

impl Proxies {
    /// Reads both settings; empty ones are none.
    ///
    /// # Errors
    /// The proxy is no `http://` or `https://` URL. Entries of `no_proxy` that make no sense are passed over, as
    /// everybody does.
    pub fn new(https_proxy: &str, no_proxy: &str) -> Result<Self, ProxyError> {
        let https_proxy = https_proxy.trim();
        let proxy = if https_proxy.is_empty() {
            None
        } else {
            let expected = ProxyError("expected http://[user:password@]host:port");
            let proxy = Proxy::new(https_proxy).map_err(|_| expected)?;
            match proxy.protocol() {
                ProxyProtocol::Http | ProxyProtocol::Https => Some(proxy),
                _ => return Err(ProxyError("only http:// and https:// proxies are supported")),
            }
        };
        Ok(Self {
            proxy,
            direct: no_proxy.split([',', ' ']).filter_map(Direct::read).collect(),
        })
    }

    /// The proxy for a request to `host` and `port`, if any.
    pub(super) fn of(&self, tls: bool, host: &str, port: u16) -> Option<&Proxy> {
        let proxy = self.proxy.as_ref().filter(|_| tls)?;
        let host = host
            .trim_matches(['[', ']'])
            .trim_end_matches('.')
            .to_ascii_lowercase();
        let address: Option<IpAddr> = host.parse().ok();
        let loopback = host == "localhost" || address.is_some_and(|address| address.is_loopback());
        let direct = || self.direct.iter().any(|entry| entry.covers(&host, address, port));
        (!loopback && !direct()).then_some(proxy)
    }
}

/// A proxy as messages name it: host and port, never its user.
pub(super) fn name(proxy: &Proxy) -> String {
    format!("{}:{}", proxy.host(), proxy.port())
}

impl Direct {
    fn read(entry: &str) -> Option<Self> {
        let entry = entry.trim().to_ascii_lowercase();
        if let Some((address, bits)) = entry.split_once('/') {
            let (address, bits): (IpAddr, u8) = (address.parse().ok()?, bits.parse().ok()?);
            let most = if address.is_ipv4() { 32 } else { 128 };
            let target = Target::Network(address, bits);
            return (bits <= most).then_some(Self { target, port: None });
        }
        let address = |host: &str| host.trim_matches(['[', ']']).parse::<IpAddr>().ok();
        let (host, port) = match entry.rsplit_once(':') {
            Some((host, port)) if address(&entry).is_none() => (host, Some(port.parse().ok()?)),
            _ => (entry.as_str(), None),
        };
        let target = match host.strip_prefix("*.").or_else(|| host.strip_prefix('.')) {
            Some(suffix) => Target::Below(suffix.to_owned()),
            None if host == "*" => Target::All,
            // All bits count.
            None => address(host).map_or_else(
                || Target::Host(host.to_owned()),
                |address| Target::Network(address, u8::MAX),
            ),
        };
        let is_empty = matches!(&target, Target::Below(name) | Target::Host(name) if name.is_empty());
        (!is_empty).then_some(Self { target, port })
    }

    fn covers(&self, host: &str, address: Option<IpAddr>, port: u16) -> bool {
        let below = |suffix: &str| host.strip_suffix(suffix).is_some_and(|rest| rest.ends_with('.'));
        self.port.is_none_or(|wanted| wanted == port)
            && match &self.target {
                Target::All => true,
                Target::Network(first, bits) => address.is_some_and(|address| within(address, *first, *bits)),
                Target::Host(name) => host == name || below(name),
                Target::Below(suffix) => below(suffix),
            }
    }
}

/// Whether the first `bits` bits of both addresses agree.
fn within(address: IpAddr, first: IpAddr, bits: u8) -> bool {
    let (address, first, width) = match (address, first) {
        (IpAddr::V4(address), IpAddr::V4(first)) => {
            (u128::from(address.to_bits()), u128::from(first.to_bits()), 32_u32)
        }
        (IpAddr::V6(address), IpAddr::V6(first)) => (address.to_bits(), first.to_bits(), 128),
        _ => return false,
    };
    let ignored = width.saturating_sub(u32::from(bits));
    let high = |bits: u128| bits.checked_shr(ignored).unwrap_or_default();
    high(address) == high(first)
}

impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxies")
            .field("proxy", &self.proxy.as_ref().map(name))
            .field("direct", &self.direct)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxied(no_proxy: &str, host: &str) -> bool {
        let proxies = Proxies::new("http://proxy.example:3128", no_proxy).expect("proxy");
        proxies.of(true, host, 443).is_some()
    }

    #[test]
    fn no_proxy_as_everybody_reads_it() {
        let kms = "kms-vpc.cn-hangzhou.aliyuncs.com";
        for (no_proxy, host, through) in [
            ("", kms, true),
            ("*", kms, false),
            ("kms-vpc.cn-hangzhou.aliyuncs.com", kms, false),
            ("KMS-VPC.cn-hangzhou.aliyuncs.com", kms, false),
            ("aliyuncs.com", kms, false),
            (".aliyuncs.com", kms, false),
            ("*.aliyuncs.com", kms, false),
            (".aliyuncs.com", "aliyuncs.com", true),
            ("aliyuncs.com", "aliyuncs.com", false),
            ("yuncs.com", kms, true),
            ("other.example, .aliyuncs.com", kms, false),
            ("other.example .aliyuncs.com", kms, false),
            ("aliyuncs.com:443", kms, false),
            ("aliyuncs.com:8443", kms, true),
            ("10.0.0.0/8", "10.250.1.1", false),
            ("10.0.0.0/8", "11.0.0.1", true),
            ("10.1.2.3", "10.1.2.3", false),
            ("10.1.2.3", "10.1.2.4", true),
            ("0.0.0.0/0", "8.8.8.8", false),
            ("0.0.0.0/0", "[2001:db8::1]", true),
            ("2001:db8::/32", "[2001:db8::1]", false),
            ("2001:db8::/32", "[2001:db9::1]", true),
            ("10.0.0.0/33", "10.0.0.1", true),
            ("10.0.0.0/8", kms, true),
            ("", "127.0.0.1", false),
            ("", "[::1]", false),
            ("", "localhost", false),
        ] {
            assert_eq!(proxied(no_proxy, host), through, "{no_proxy:?} {host}");
        }
    }

    #[test]
    fn plain_http_and_no_setting_go_directly() {
        let proxies = Proxies::new("http://proxy.example:3128", "").expect("proxy");
        assert!(proxies.of(false, "100.100.100.200", 80).is_none());
        let none = Proxies::new("", "").expect("none");
        assert!(none.of(true, "kms.example", 443).is_none());
    }

    #[test]
    fn a_password_never_prints() {
        let proxies = Proxies::new("http://user:canary@proxy.example:3128", "").expect("proxy");
        let printed = format!("{proxies:?}");
        assert!(
            printed.contains("proxy.example:3128") && !printed.contains("canary"),
            "{printed}"
        );
        for wrong in [
            "socks5://canary@host",
            "http://",
            "http://[canary",
            "ftp://canary",
        ] {
            let error = Proxies::new(wrong, "").expect_err(wrong).to_string();
            assert!(!error.contains("canary"), "{error}");
        }
    }
}
