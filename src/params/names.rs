//! The values that parameters are made of, each impossible to build wrong: parse, don't validate.
//!
//! Formats are those of the cloud's API reference: region ids, RAM role ARNs, KMS secret ARNs, external ids.

use std::fmt;

use crate::diagnostic::{Diagnostic, quoted};
use crate::limits;

/// Which service an object lives in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Service {
    /// Key Management Service: secrets. The default.
    Kms,
    /// CloudOps Orchestration Service: encrypted parameters.
    Oos,
}

impl Service {
    /// Reads an `objectType`: exactly `kms` or `oos`.
    pub(crate) fn parse(text: &str) -> Result<Self, Diagnostic> {
        match text {
            "kms" => Ok(Self::Kms),
            "oos" => Ok(Self::Oos),
            other => {
                let remedy = "write \"kms\" for a KMS secret or \"oos\" for an OOS encrypted parameter";
                Err(Diagnostic::not(other, "a type of object", remedy))
            }
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kms => "kms",
            Self::Oos => "oos",
        })
    }
}

/// What is read as text once checked, and printed as it is.
macro_rules! checked_text {
    ($($name:ident),*) => {$(
        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

pub(super) use checked_text;

checked_text!(Region, Endpoint, RoleArn, ExternalId);

/// A region id such as `cn-hangzhou`: lower-case letters, digits and inner hyphens. It becomes part of a host
/// name, so nothing else may pass, nor a [gateway of object storage](is_storage_gateway).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Region(String);

impl Region {
    /// The region that `text` names; nothing if it cannot be one.
    pub fn new(text: &str) -> Option<Self> {
        let fits = is_label(text, limits::REGION_BYTES) && !is_storage_gateway(text);
        fits.then(|| Self(text.to_owned()))
    }

    pub(super) fn parse(text: &str) -> Result<Self, Diagnostic> {
        Self::new(text).ok_or_else(|| {
            let remedy = match Self::new(&text.trim().to_ascii_lowercase()) {
                Some(near) => format!("write {:?}", near.as_str()),
                None => "write a region id such as \"cn-hangzhou\"".to_owned(),
            };
            Diagnostic::not(text, "a region", remedy)
        })
    }
}

/// Whether `text` can be a label of a host name, in lower case.
fn is_label(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.len())
        && text
            .bytes()
            .all(|c| matches!(c, b'a'..=b'z' | b'0'..=b'9' | b'-'))
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// Whether a label of a host name is a gateway of object storage, such as `oss-cn-hangzhou`, `oss`, `img-cn-beijing` or
/// `vpc100-oss-cn-hangzhou`. Where a region stands in a host name it must not be one: below it everybody's buckets are
/// hosts, and a bucket may be called `kms` or `kms-vpc`.
pub fn is_storage_gateway(label: &str) -> bool {
    label
        .split('-')
        .any(|word| word.eq_ignore_ascii_case("oss") || word.eq_ignore_ascii_case("img"))
}

/// A host name for `kmsEndpoint`: no scheme, port, path or user. Whether it may be asked is for the operator's
/// allow-list to say.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Endpoint(String);

impl Endpoint {
    pub(super) fn parse(text: &str) -> Result<Self, Diagnostic> {
        let host = text.to_ascii_lowercase();
        if host.len() <= limits::HOST_BYTES && host.split('.').all(|label| is_label(label, 63)) {
            return Ok(Self(host));
        }
        let bare = host
            .trim()
            .trim_start_matches("https://")
            .trim_start_matches("http://");
        let bare = bare.split(['/', ':', '?', '#']).next().unwrap_or_default();
        let remedy = if bare != host && !bare.contains('@') && Self::parse(bare).is_ok() {
            format!("write only the host: {bare:?}")
        } else {
            "write a host name such as \"kst-example.cryptoservice.kms.aliyuncs.com\"".to_owned()
        };
        Err(Diagnostic::not(text, "a host name", remedy))
    }
}

/// The ARN of a RAM role: `acs:ram::<account id>:role/<name>`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoleArn(String);

impl RoleArn {
    /// The role that `text` names; nothing if it is not an ARN of a role.
    pub fn new(text: &str) -> Option<Self> {
        let (account, name) = text.strip_prefix("acs:ram::")?.split_once(":role/")?;
        let name_fits = (1..=64).contains(&name.len())
            && name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
        (is_account(account) && name_fits).then(|| Self(text.to_owned()))
    }

    pub(super) fn parse(text: &str) -> Result<Self, Diagnostic> {
        let remedy = "write \"acs:ram::<account id>:role/<role name>\"";
        Self::new(text).ok_or_else(|| Diagnostic::not(text, "the ARN of a RAM role", remedy))
    }
}

/// What AssumeRole passes as `ExternalId`: 2 to 1,224 characters of `[\w+=,.@:/-]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ExternalId(String);

impl ExternalId {
    pub(super) fn parse(text: &str) -> Result<Self, Diagnostic> {
        let fits = (2..=1_224).contains(&text.len())
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "_+=,.@:/-".contains(c));
        let wrong = || {
            let remedy = "write 2 to 1224 letters, digits or characters of _+=,.@:/-";
            Diagnostic::new("not an external id", remedy)
        };
        fits.then(|| Self(text.to_owned())).ok_or_else(wrong)
    }
}

/// Reads an `objectVersion`: a KMS `VersionId`, or an OOS `ParameterVersion`, which is a number from 1.
pub(super) fn parse_version(service: Service, text: &str) -> Result<String, Diagnostic> {
    let is_number = || {
        text.parse()
            .is_ok_and(|number: i32| number >= 1 && number.to_string() == text)
    };
    match service {
        Service::Kms => kms_version(text, "a version id", "the VersionId of the secret"),
        Service::Oos if is_number() => Ok(text.to_owned()),
        Service::Oos => {
            let remedy = "write a whole number from 1, or leave it out for the newest";
            Err(Diagnostic::not(text, "a parameter version", remedy))
        }
    }
}

/// Reads an `objectVersionLabel`: a KMS `VersionStage`.
pub(super) fn parse_stage(service: Service, text: &str) -> Result<String, Diagnostic> {
    match service {
        Service::Kms => kms_version(text, "a version label", "a VersionStage such as \"ACSPrevious\""),
        Service::Oos => Err(Diagnostic::new(
            "OOS parameters have no version labels",
            "pin a number with objectVersion, or leave it out for the newest",
        )),
    }
}

/// A KMS VersionId or VersionStage.
fn kms_version(text: &str, what: &str, form: &str) -> Result<String, Diagnostic> {
    let most = limits::VERSION_BYTES;
    let fits = (1..=most).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    let remedy = || format!("write {form}, at most {most} characters");
    fits.then(|| text.to_owned())
        .ok_or_else(|| Diagnostic::not(text, what, remedy()))
}

/// The region of an `objectName` that begins with `acs:`: the ARN `acs:kms:<region>:<account>:secret/<name>`.
pub(super) fn arn_region(text: &str) -> Result<Region, Diagnostic> {
    let parts: Vec<&str> = text.splitn(5, ':').collect();
    let is_secret = |resource: &str| resource.len() > "secret/".len() && resource.starts_with("secret/");
    let region = match parts[..] {
        [_, "kms", region, account, secret] if is_account(account) && is_secret(secret) => {
            Region::new(region)
        }
        _ => None,
    };
    let remedy = "write \"acs:kms:<region>:<account id>:secret/<name>\"";
    region.ok_or_else(|| Diagnostic::not(text, "the ARN of a KMS secret", remedy))
}

/// Whether `text` is an account id: digits only.
fn is_account(text: &str) -> bool {
    (1..=32).contains(&text.len()) && text.chars().all(|c| c.is_ascii_digit())
}

/// A file mode, 0 to 0o777.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Mode(u16);

impl Mode {
    /// What the driver always sends: read for all, write for the owner.
    pub const DEFAULT: Self = Self(0o644);

    /// Reads the driver's `permission`, decimal: bits above 0o777 are dropped, and what is empty or no number
    /// is the default.
    pub fn from_permission(text: &str) -> Self {
        match serde_json::from_str::<u32>(text).map(|bits| u16::try_from(bits & 0o777)) {
            Ok(Ok(bits)) => Self(bits),
            _ => Self::DEFAULT,
        }
    }

    /// Reads a `filePermission`: four octal digits, the first of them 0, or `0o` and three.
    pub(super) fn parse(text: &str) -> Result<Self, Diagnostic> {
        let digits = text
            .strip_prefix("0o")
            .or_else(|| text.strip_prefix('0'))
            .unwrap_or_default();
        let is_octal = |text: &str| text.len() == 3 && text.chars().all(|c| c.is_digit(8));
        match u16::from_str_radix(digits, 8) {
            Ok(bits) if is_octal(digits) => Ok(Self(bits)),
            _ => {
                let octal = is_octal(text)
                    .then(|| u16::from_str_radix(text, 8).ok())
                    .flatten();
                let decimal = text
                    .parse()
                    .ok()
                    .filter(|bits| *bits <= 0o777 && !text.starts_with('0'));
                let remedy = if let Some(bits) =
                    octal.filter(|bits| is_usual(*bits) || !decimal.is_some_and(is_usual))
                {
                    format!("write \"{bits:04o}\" for the octal mode")
                } else if let Some(bits) = decimal.filter(|bits| *bits > 7) {
                    format!("{text} is {bits:04o} in octal: write \"{bits:04o}\"")
                } else {
                    "write four octal digits such as \"0400\"".to_owned()
                };
                Err(Diagnostic::not(text, "a file mode", remedy))
            }
        }
    }

    /// The permission bits, 0 to 0o777.
    pub fn bits(self) -> u16 {
        self.0
    }
}

impl fmt::Display for Mode {
    /// Four octal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

/// Whether the group has no rights that the owner lacks, and others none that the group lacks.
fn is_usual(bits: u16) -> bool {
    let (owner, group, other) = (bits >> 6, bits >> 3 & 7, bits & 7);
    group & !owner == 0 && other & !group == 0
}

/// Reads a yes or no as people write it in YAML: `true`, `yes`, `on`, `1` and their opposites, in any case.
pub(super) fn parse_boolean(text: &str) -> Result<bool, Diagnostic> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Ok(true),
        "false" | "no" | "off" | "0" => Ok(false),
        _ => Err(Diagnostic::new(
            format!("{} is neither true nor false", quoted(text)),
            "write \"true\" or \"false\"",
        )),
    }
}
