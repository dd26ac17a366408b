//! Why a Mount failed, and the one place where that becomes a gRPC status.

use std::fmt;

use crate::access::REMEDY;
use crate::auth;
use crate::cloud;
use crate::cloud::endpoint::is_kms_instance;
use crate::cloud::error::Kind;
use crate::fetch;
use crate::grpc::{Code, Status};
use crate::http::ErrorKind;
use crate::limits;
use crate::params::Problems;

/// A failed Mount.
#[derive(Debug)]
pub enum Error {
    /// The access policy denies it.
    Access {
        /// The policy's file.
        path: String,
        /// What is missing.
        reason: String,
    },
    /// No identity.
    Auth(Box<auth::Failure>),
    /// Every object is optional and none exists: the driver cannot mount a volume without a file.
    Empty,
    /// An endpoint that cannot be asked.
    Endpoint {
        /// The object, as messages name it.
        object: String,
        /// What is wrong.
        problem: String,
    },
    /// Values that were not obtained.
    Fetch {
        /// Objects, as messages name them, with what happened to each.
        failures: Vec<(String, fetch::Error)>,
        /// The identity they were asked for with.
        identity: String,
    },
    /// Parameters or values that make no files.
    Parameters(Problems),
    /// There is an access policy to come, and none that could be read so far.
    NoPolicy(String),
    /// No region.
    Region(String),
    /// More than the driver accepts.
    TooLarge {
        /// Encoded size in bytes.
        bytes: usize,
        /// The limit.
        max_bytes: usize,
        /// The largest files with their sizes, largest first.
        largest: Vec<(String, usize)>,
    },
}

impl Error {
    /// The status that the driver gets. Only final codes: after any other, kubelet would take the driver's next
    /// answer for success and start the pod with an empty volume.
    pub fn status(&self) -> Status {
        let mut message = self.to_string();
        if message.len() > limits::ERROR_MESSAGE_BYTES {
            let end = message.floor_char_boundary(limits::ERROR_MESSAGE_BYTES);
            message.truncate(end);
            message.push('…');
        }
        Status::new(self.code(), message)
    }

    fn code(&self) -> Code {
        match self {
            Self::Access { .. } | Self::NoPolicy(_) => Code::PermissionDenied,
            Self::Auth(failure) if failure.error.is_outage() => Code::Internal,
            Self::Auth(_) => Code::Unauthenticated,
            Self::Endpoint { .. } | Self::Parameters(_) => Code::InvalidArgument,
            Self::Fetch { failures, .. } => {
                // The gravest failure gives the code: what only a person can mend comes before what may pass.
                failures
                    .iter()
                    .map(|(_, error)| code_of(error))
                    .max_by_key(|code| gravity(*code))
                    .unwrap_or(Code::Internal)
            }
            Self::Empty => Code::NotFound,
            Self::Region(_) | Self::TooLarge { .. } => Code::FailedPrecondition,
        }
    }
}

/// Whether the cloud said that there is no such object, rather than failing to say anything.
pub(super) fn is_not_found(error: &fetch::Error) -> bool {
    matches!(error, fetch::Error::Cloud(error) if error.is_about_absence())
}

fn code_of(error: &fetch::Error) -> Code {
    match error {
        fetch::Error::Auth(error) if error.is_outage() => Code::Internal,
        fetch::Error::Auth(_) => Code::Unauthenticated,
        fetch::Error::Broken | fetch::Error::Cancelled | fetch::Error::Skipped | fetch::Error::Waited => {
            Code::Internal
        }
        fetch::Error::Cloud(error) => match error.kind() {
            Kind::Credentials => Code::Unauthenticated,
            Kind::Denied => Code::PermissionDenied,
            Kind::NotFound => Code::NotFound,
            Kind::Refused => Code::InvalidArgument,
            Kind::Broken | Kind::Throttled | Kind::Unavailable => Code::Internal,
        },
    }
}

const fn gravity(code: Code) -> u8 {
    match code {
        Code::Unauthenticated => 4,
        Code::PermissionDenied => 3,
        Code::NotFound => 2,
        Code::InvalidArgument => 1,
        _ => 0,
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Access { path, reason } => write!(f, "access policy {path}: {reason}; {REMEDY}"),
            Self::Auth(error) => error.fmt(f),
            Self::NoPolicy(problem) => f.write_str(problem),
            Self::Empty => f.write_str(
                "none of the objects exists, and the driver cannot mount a volume without a file; create one of them or make one that exists not optional",
            ),
            Self::Endpoint { object, problem } => write!(f, "{object}: {problem}"),
            Self::Fetch { failures, identity } => {
                let is_skipped = |error: &fetch::Error| matches!(error, fetch::Error::Skipped);
                let skipped = failures.iter().filter(|(_, error)| is_skipped(error)).count();
                let told = failures.iter().filter(|(_, error)| !is_skipped(error));
                for (at, (object, error)) in told.enumerate() {
                    let separator = if at == 0 { "" } else { "; " };
                    write!(f, "{separator}{object}: {}", Fetched(error))?;
                    // Before the others, for a long message is cut.
                    if at == 0 && skipped > 0 {
                        write!(f, "; {skipped} more not asked for, as the service did not answer for others")?;
                    }
                }
                write!(f, " (read as: {identity})")
            }
            Self::Parameters(problems) => problems.fmt(f),
            Self::Region(problem) => write!(
                f,
                "no region: {problem}; name one in the SecretProviderClass (parameters.region) or start the provider with --region"
            ),
            Self::TooLarge {
                bytes,
                max_bytes,
                largest,
            } => {
                write!(
                    f,
                    "the files of this volume need {bytes} bytes, the driver accepts {max_bytes}; split them over several SecretProviderClasses, or raise --max-call-recv-msg-size of the driver and --max-response-bytes of the provider. Largest:"
                )?;
                for (at, (path, size)) in largest.iter().enumerate() {
                    write!(f, "{} {path} ({size} bytes)", if at == 0 { "" } else { "," })?;
                }
                Ok(())
            }
        }
    }
}

impl std::error::Error for Error {}

/// A failed pull with advice.
pub(super) struct Fetched<'a>(pub(super) &'a fetch::Error);

impl fmt::Display for Fetched<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            fetch::Error::Auth(error) => error.fmt(f),
            fetch::Error::Broken => f.write_str("internal error; the provider's log shows where"),
            fetch::Error::Cancelled => f.write_str("the driver took the call back"),
            fetch::Error::Skipped => f.write_str(
                "not asked for, as the service did not answer for others; the driver will try again",
            ),
            fetch::Error::Waited => {
                f.write_str("the driver's deadline passed before there was an answer; it will try again")
            }
            fetch::Error::Cloud(error) => {
                write!(f, "{error}")?;
                match advice(error) {
                    Some(advice) => write!(f, "; {advice}"),
                    None => Ok(()),
                }
            }
        }
    }
}

/// What the reader can do about it, where the cloud's own words do not say.
fn advice(error: &cloud::Error) -> Option<&'static str> {
    if let cloud::Error::Http(http) = error
        && http.kind == ErrorKind::Tls
    {
        return Some(if is_kms_instance(&http.host) {
            "a KMS instance has a certificate of its own CA: download it in the KMS console (Instances, the instance's details) and name the file by --kms-ca-file (see docs/migrate.md)"
        } else {
            "trust a private CA by SSL_CERT_FILE if the endpoint has one"
        });
    }
    if error.is_about_time() {
        return Some("set the node's clock (NTP); the driver will try again");
    }
    match error.kind() {
        Kind::Credentials => Some("check the provider's AccessKey pair and the node's clock"),
        Kind::Denied => Some(
            "grant the identity kms:GetSecretValue, and oos:GetSecretParameter for OOS parameters (a new policy takes up to 5 minutes)",
        ),
        Kind::NotFound => Some("check objectName, objectType and region"),
        Kind::Throttled => Some("the quota of the account and region is used up; the driver will try again"),
        Kind::Unavailable => Some(
            "check the node's way to this endpoint (VPC, DNS, security group); the driver will try again",
        ),
        Kind::Broken | Kind::Refused => None,
    }
}
