//! Where a service is: scheme, host and port, and templates of them with a `{region}` in the host.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU16;
use std::str::FromStr;

use crate::params::is_storage_gateway;

/// The address of the instance metadata service, the one host beside loopback that may be asked in plain text.
pub const METADATA_HOST: &str = "100.100.100.200";

/// Scheme, host and port of a service. Plain `http` only for loopback and the metadata address: anywhere else a
/// secret would cross the network in the clear.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    tls: bool,
    authority: String,
}

/// Whether a host is the gateway of a KMS instance, which has a certificate of a private authority.
pub fn is_kms_instance(host: &str) -> bool {
    host.strip_suffix(".cryptoservice.kms.aliyuncs.com")
        .is_some_and(|instance| !instance.is_empty() && !instance.contains('.'))
}

/// Why a text is not an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndpointError {
    /// Not of the form `[scheme://]host[:port]`.
    Malformed(String),
    /// Not a host whose last two labels stand in full.
    Pattern(String),
    /// Plain `http` to a host that is neither loopback nor the metadata service.
    PlainText(String),
    /// A scheme other than `http` and `https`.
    Scheme(String),
    /// A host that a SecretProviderClass may not name.
    NotAllowed {
        /// The host.
        host: String,
        /// Those that it may.
        allowed: String,
    },
}

impl Endpoint {
    /// The host with its port, as the `host` header and the signature name it.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Scheme and authority, without a path.
    pub fn url(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{}", self.authority)
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    /// `host`, `host:port`, `https://host[:port]` or `http://host[:port]`; one trailing slash is ignored.
    fn from_str(text: &str) -> Result<Self, EndpointError> {
        Self::parse(text, text)
    }
}

impl Endpoint {
    /// Reads `text`, which errors show as `written`.
    fn parse(text: &str, written: &str) -> Result<Self, EndpointError> {
        let malformed = || EndpointError::Malformed(written.to_owned());
        let (tls, rest) = match text.split_once("://") {
            None => (true, text),
            Some(("https", rest)) => (true, rest),
            Some(("http", rest)) => (false, rest),
            Some(_) => return Err(EndpointError::Scheme(written.to_owned())),
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        // The colons of an IPv6 address stand within brackets.
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, Some(port)),
            _ => (authority, None),
        };
        if !is_host(host) || port.is_some_and(|port| port.parse::<NonZeroU16>().is_err()) {
            return Err(malformed());
        }
        if !tls && !may_be_plain(host) {
            return Err(EndpointError::PlainText(written.to_owned()));
        }
        // The default port does not stand in the `host` header, so it must not be signed either.
        let default_port = if tls { "443" } else { "80" };
        let authority = match port {
            Some(port) if port != default_port => format!("{}:{port}", host.to_ascii_lowercase()),
            _ => host.to_ascii_lowercase(),
        };
        Ok(Self { tls, authority })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.authority)
    }
}

fn is_host(host: &str) -> bool {
    if let Some(v6) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return v6.parse::<Ipv6Addr>().is_ok();
    }
    !host.is_empty()
        && host.len() <= 253
        && host.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
                && !label.starts_with('-')
                && !label.ends_with('-')
        })
}

fn may_be_plain(host: &str) -> bool {
    let bare = host.trim_matches(['[', ']']);
    bare == METADATA_HOST
        || bare.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

impl fmt::Display for EndpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(text) => write!(
                f,
                "\"{text}\" is not an endpoint; write host, host:port or https://host:port"
            ),
            Self::Pattern(text) => write!(
                f,
                "\"{text}\" is not a valid host pattern; write host names such as kms.example.com or *.kms.example.com, without scheme and port"
            ),
            Self::PlainText(text) => write!(
                f,
                "\"{text}\" would send secrets in plain text; http:// is for loopback and {METADATA_HOST} only, use https://"
            ),
            Self::NotAllowed { host, allowed } => write!(
                f,
                "\"{host}\" is not an endpoint that a SecretProviderClass may name ({allowed}); ask the operator to extend --allowed-endpoints if it is yours"
            ),
            Self::Scheme(text) => write!(f, "\"{text}\" has a scheme other than https:// and http://"),
        }
    }
}

impl std::error::Error for EndpointError {}

/// An endpoint whose host may depend on the region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointTemplate(String);

impl EndpointTemplate {
    const PLACEHOLDER: &str = "{region}";

    /// The endpoint in a region. The region's text is part of a host name only because `Region` allows nothing
    /// but letters, digits and hyphens.
    ///
    /// # Errors
    /// The host would not be valid, as with a region of more letters than a label may have.
    pub fn in_region(&self, region: &str) -> Result<Endpoint, EndpointError> {
        self.0.replace(Self::PLACEHOLDER, region).parse()
    }
}

impl FromStr for EndpointTemplate {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        Endpoint::parse(&text.replace(Self::PLACEHOLDER, "cn-hangzhou"), text)?;
        Ok(Self(text.to_owned()))
    }
}

/// The hosts that a SecretProviderClass may name. Its author is not the operator: signed requests go to KMS itself
/// and to KMS instances, and never to another host below the same suffix, where customers have names of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedHosts(Vec<String>);

impl AllowedHosts {
    /// The endpoint of `host`.
    ///
    /// # Errors
    /// The host matches no pattern, or is no bare host name.
    pub fn endpoint(&self, host: &str) -> Result<Endpoint, EndpointError> {
        let lower = host.to_ascii_lowercase();
        let refused = || EndpointError::NotAllowed {
            host: host.to_owned(),
            allowed: self.to_string(),
        };
        if !self.0.iter().any(|pattern| matches_by_label(pattern, &lower)) {
            return Err(refused());
        }
        let endpoint: Endpoint = host.parse()?;
        // What the labels were read from is all that there is: no scheme, no port.
        if endpoint.authority == lower {
            Ok(endpoint)
        } else {
            Err(refused())
        }
    }
}

/// `*` stands for one whole label that is no [gateway of object storage](is_storage_gateway), nothing else for anything
/// but itself.
fn matches_by_label(pattern: &str, host: &str) -> bool {
    let is_any = |label: &str| !label.is_empty() && !is_storage_gateway(label);
    let mut labels = pattern.split('.').zip(host.split('.'));
    pattern.split('.').count() == host.split('.').count()
        && labels.all(|(wanted, label)| wanted == label || wanted == "*" && is_any(label))
}

impl FromStr for AllowedHosts {
    type Err = EndpointError;

    /// Patterns with commas between them; none for none. The last two labels stand in full, so that no pattern means
    /// a whole domain of another owner.
    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        let patterns = entries.map(|entry| {
            let pattern = entry.to_ascii_lowercase();
            let stars = pattern.split('.').rev().map(|label| label.contains('*')).take(2);
            let is_whole = |label: &str| label == "*" || !label.contains('*');
            let is_named = stars.filter(|is_star| !is_star).count() == 2;
            if is_named && is_host(&pattern.replace('*', "x")) && pattern.split('.').all(is_whole) {
                Ok(pattern)
            } else {
                Err(EndpointError::Pattern(entry.to_owned()))
            }
        });
        patterns.collect::<Result<_, _>>().map(Self)
    }
}

impl fmt::Display for AllowedHosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.is_empty() {
            true => f.write_str("none"),
            false => f.write_str(&self.0.join(", ")),
        }
    }
}

impl fmt::Display for EndpointTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepted() {
        let cases = [
            (
                "kms-vpc.cn-hangzhou.aliyuncs.com",
                "https://kms-vpc.cn-hangzhou.aliyuncs.com",
                "kms-vpc.cn-hangzhou.aliyuncs.com",
            ),
            ("https://KMS.example/", "https://kms.example", "kms.example"),
            ("https://kms.example:443", "https://kms.example", "kms.example"),
            ("kms.example:8443", "https://kms.example:8443", "kms.example:8443"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080", "127.0.0.1:8080"),
            ("http://127.8.8.8", "http://127.8.8.8", "127.8.8.8"),
            ("http://localhost:80", "http://localhost", "localhost"),
            ("http://[::1]:8080", "http://[::1]:8080", "[::1]:8080"),
            (
                "http://100.100.100.200",
                "http://100.100.100.200",
                "100.100.100.200",
            ),
        ];
        for (text, url, authority) in cases {
            let endpoint: Endpoint = text.parse().expect(text);
            assert_eq!(
                (endpoint.url().as_str(), endpoint.authority()),
                (url, authority),
                "{text}"
            );
        }
    }

    #[test]
    fn refused() {
        let malformed = |text: &str| EndpointError::Malformed(text.to_owned());
        for text in [
            "",
            "https://",
            "a/b",
            "https://a/b",
            "a?b",
            "a#b",
            "user@host",
            "host:",
            "host:0",
            "host:65536",
            "host:x",
            "a b",
            "a..b",
            "-a.b",
            "[::1",
            "[::1]x",
            "[zz]",
            "https://a%2fb",
            "a\nb",
            "a:1:2",
        ] {
            assert_eq!(text.parse::<Endpoint>(), Err(malformed(text)), "{text:?}");
        }
        for text in [
            "http://kms.example",
            "http://10.0.0.1",
            "http://localhost.example",
            "http://100.100.100.201",
        ] {
            assert_eq!(
                text.parse::<Endpoint>(),
                Err(EndpointError::PlainText(text.to_owned())),
                "{text:?}"
            );
        }
        assert_eq!(
            "ftp://a".parse::<Endpoint>(),
            Err(EndpointError::Scheme("ftp://a".to_owned()))
        );
    }

    #[test]
    fn classes_may_name_what_the_list_allows() {
        let allowed: AllowedHosts =
            "kms.*.aliyuncs.com,kms-vpc.*.aliyuncs.com, *.cryptoservice.kms.aliyuncs.com"
                .parse()
                .expect("list");
        for host in [
            "kms.cn-hangzhou.aliyuncs.com",
            "kms-vpc.eu-west-1.aliyuncs.com",
            "kst-hzz65f176a0ogplgq0000.cryptoservice.kms.aliyuncs.com",
        ] {
            assert_eq!(
                allowed.endpoint(host).map(|endpoint| endpoint.url()),
                Ok(format!("https://{host}"))
            );
        }
        for host in [
            "evil.example",
            "bucket.oss-cn-hangzhou.aliyuncs.com",
            "kms.oss-cn-hangzhou.aliyuncs.com",
            "kms.oss.aliyuncs.com",
            "kms.img-cn-hangzhou.aliyuncs.com",
            "kms-vpc.vpc100-oss-cn-hangzhou.aliyuncs.com",
            "KMS-VPC.OSS-cn-hangzhou-internal.aliyuncs.com",
            "kms.cn-hangzhou.aliyuncs.com.evil.example",
            "x.y.cryptoservice.kms.aliyuncs.com",
            "kms.cn-hangzhou.aliyuncs.com:8443",
            "http://kms.cn.aliyuncs.com",
            "kms.cn-hangzhou.aliyuncs.com/",
            "user@kms.cn-hangzhou.aliyuncs.com",
            "kms.a/b.aliyuncs.com",
            "kms..aliyuncs.com",
            "",
        ] {
            assert!(allowed.endpoint(host).is_err(), "{host}");
        }
        let own: AllowedHosts = "kms.internal.example".parse().expect("list");
        assert!(own.endpoint("KMS.internal.example").is_ok());
        assert!(own.endpoint("kms.cn-hangzhou.aliyuncs.com").is_err());
        for wrong in [
            "*",
            "*.com",
            "kms.*",
            "a*.example.com",
            "https://a.example",
            "a.example:443",
            "a..example",
        ] {
            assert!(wrong.parse::<AllowedHosts>().is_err(), "{wrong}");
        }
        let none: AllowedHosts = "".parse().expect("list");
        assert_eq!(none.to_string(), "none");
        assert!(none.endpoint("kms.cn-hangzhou.aliyuncs.com").is_err());
    }

    #[test]
    fn templates_take_a_region() {
        let template: EndpointTemplate = "https://kms-vpc.{region}.aliyuncs.com".parse().expect("template");
        assert_eq!(
            template.in_region("eu-central-1").map(|endpoint| endpoint.url()),
            Ok("https://kms-vpc.eu-central-1.aliyuncs.com".to_owned())
        );
        assert!("http://{region}.example".parse::<EndpointTemplate>().is_err());
        assert!("https://kms.{zone}.example".parse::<EndpointTemplate>().is_err());
    }
}
