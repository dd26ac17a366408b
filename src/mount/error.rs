//! Errors of a mount, and their conversion to a gRPC status.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;

use super::advice::{Asked, advice};
use crate::auth;
use crate::cloud;
use crate::cloud::error::Kind;
use crate::fetch;
use crate::grpc::{Code, Status};
use crate::limits;
use crate::params::Problems;
use crate::policy::{REMEDY, Refusal};
use crate::sync::memory_budget::Exhausted;

/// A failed mount.
#[derive(Debug)]
pub enum Error {
    /// Denied by the access policy.
    Access {
        /// The policy's file.
        path: String,
        /// What is missing.
        reason: String,
    },
    /// Timed out waiting to parse parameters because of too many other mounts.
    Crowded,
    /// No identity could be obtained.
    Auth(Box<auth::Failure>),
    /// Every object is optional and none exists: the driver cannot mount a volume without files.
    Empty,
    /// An endpoint that is invalid or not allowed.
    Endpoint {
        /// The object, as messages name it.
        object: String,
        /// The problem.
        problem: String,
    },
    /// Values that could not be read.
    Fetch {
        /// The objects.
        failures: Vec<Failed>,
        /// The identity used to read them.
        identity: String,
        /// The identity sources skipped before it, in the words of messages.
        skipped: String,
    },
    /// Invalid parameters, or values that cannot be rendered into files.
    Parameters(Problems),
    /// An access policy is configured but could not be read yet.
    NoPolicy(String),
    /// The region is unknown.
    Region(String),
    /// No room in the memory budget.
    Memory(Exhausted),
    /// The values together exceed a volume's memory limit.
    TooMuch,
    /// The response is larger than the driver accepts.
    TooLarge {
        /// Encoded size in bytes.
        bytes: usize,
        /// The limit.
        max_bytes: usize,
        /// The largest files with their sizes, largest first.
        largest: String,
    },
}

/// An object that could not be read.
#[derive(Debug)]
pub struct Failed {
    /// The object, as messages name it.
    pub object: String,
    /// The request, as far as advice depends on it.
    pub asked: Asked,
    /// Why it failed.
    pub error: fetch::Error,
}

impl Error {
    /// The status for the driver. Only final codes: after any other, kubelet would treat the driver's next response
    /// as success and start the pod with an empty volume.
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
            Self::Crowded | Self::Memory(_) => Code::Internal,
            Self::Auth(_) => Code::Unauthenticated,
            Self::Endpoint { .. } | Self::Parameters(_) => Code::InvalidArgument,
            Self::Fetch { failures, .. } => {
                // The most severe failure gives the code: problems that need a person come before temporary ones.
                failures
                    .iter()
                    .map(|failed| code_of(&failed.error))
                    .max_by_key(|code| severity(*code))
                    .unwrap_or(Code::Internal)
            }
            Self::Empty => Code::NotFound,
            Self::Region(_) | Self::TooLarge { .. } | Self::TooMuch => Code::FailedPrecondition,
        }
    }
}

/// Whether the cloud reported that the object does not exist.
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
        fetch::Error::TooMuch => Code::FailedPrecondition,
        fetch::Error::Cloud(error) => match error.kind() {
            Kind::Credentials => Code::Unauthenticated,
            Kind::Denied => Code::PermissionDenied,
            Kind::NotFound => Code::NotFound,
            // The request is valid, but the object's state is not: a disabled key, a secret scheduled for deletion.
            Kind::Refused if is_rejected(error) => Code::FailedPrecondition,
            Kind::Refused => Code::InvalidArgument,
            Kind::Broken | Kind::Throttled | Kind::Unavailable => Code::Internal,
        },
    }
}

fn is_rejected(error: &cloud::Error) -> bool {
    matches!(error, cloud::Error::Api(error) if error.code.starts_with("Rejected."))
}

const fn severity(code: Code) -> u8 {
    match code {
        Code::Unauthenticated => 4,
        Code::PermissionDenied => 3,
        Code::NotFound => 2,
        Code::FailedPrecondition | Code::InvalidArgument => 1,
        _ => 0,
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NoPolicy(problem) => Self::NoPolicy(problem),
            Refusal::Region(problem) => Self::Region(problem),
            Refusal::Rules { path, reason } => Self::Access { path, reason },
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Access { path, reason } => write!(f, "access policy {path}: {reason}; {REMEDY}"),
            Self::Auth(error) => error.fmt(f),
            Self::NoPolicy(problem) => f.write_str(problem),
            Self::Empty => f.write_str(
                "none of the objects exists, and the driver cannot mount a volume without files; create one of them, or add one that exists",
            ),
            Self::Endpoint { object, problem } => write!(f, "{object}: {problem}"),
            Self::Fetch {
                failures,
                identity,
                skipped,
            } => {
                write_summary(f, failures)?;
                // Skipped sources matter only if the identity is the problem.
                let skipped = match self.code() {
                    Code::PermissionDenied | Code::Unauthenticated => skipped,
                    _ => "",
                };
                write!(f, " (read as: {identity}{skipped})")
            }
            Self::Parameters(problems) => problems.fmt(f),
            Self::Region(problem) => write!(
                f,
                "no region: {problem}; set parameters.region in the SecretProviderClass, or --region of the provider"
            ),
            Self::Crowded => f.write_str(
                "timed out waiting to parse parameters: too many mounts at once; kubelet retries",
            ),
            Self::Memory(exhausted) => exhausted.fmt(f),
            Self::TooMuch => f.write_str(&too_much()),
            Self::TooLarge {
                bytes,
                max_bytes,
                largest,
            } => {
                write!(
                    f,
                    "the files of this volume need {bytes} bytes, but the driver accepts {max_bytes}; split them across several SecretProviderClasses, or raise --max-call-recv-msg-size of the driver and --max-response-bytes of the provider. Largest: {largest}"
                )
            }
        }
    }
}

impl std::error::Error for Error {}

/// The message of [`Error::TooMuch`].
fn too_much() -> String {
    let most = limits::VALUES_BYTES;
    format!(
        "the values of this volume's objects take more than {most} bytes together; split the objects across several SecretProviderClasses"
    )
}

/// Writes failures for a pod event, of which some 800 bytes are visible: the most severe first, identical ones
/// grouped.
fn write_summary(f: &mut fmt::Formatter<'_>, failures: &[Failed]) -> fmt::Result {
    let is_asked = |failed: &&Failed| !matches!(failed.error, fetch::Error::Skipped);
    let mut asked: Vec<&Failed> = failures.iter().filter(is_asked).collect();
    if asked.is_empty() {
        // The other objects were served older values.
        asked = failures.iter().collect();
    }
    let not_asked = failures.len().saturating_sub(asked.len());
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    let mut groups: Vec<(&Failed, Vec<&str>)> = Vec::new();
    for failed in asked {
        let place = *places.entry(failed.way()).or_insert(groups.len());
        match groups.get_mut(place) {
            Some((_, others)) => others.push(&failed.object),
            None => groups.push((failed, Vec::new())),
        }
    }
    groups.sort_by_key(|(first, _)| Reverse(severity(code_of(&first.error))));
    for (at, (first, others)) in groups.iter().enumerate() {
        let separator = if at == 0 { "" } else { "; " };
        write!(f, "{separator}{first}")?;
        let (named, more) = others.split_at(others.len().min(limits::OBJECTS_NAMED));
        if !named.is_empty() {
            write!(f, "; the same for {}", named.join(", "))?;
        }
        if !more.is_empty() {
            write!(f, " and {} more", more.len())?;
        }
        // Comes before the other groups because long messages are cut.
        if at == 0 && not_asked > 0 {
            write!(
                f,
                "; {not_asked} more not requested because the service did not answer"
            )?;
        }
    }
    Ok(())
}

impl Failed {
    /// The grouping key: equal for failures that differ only in the request id or in the object's name in the cloud's
    /// message.
    fn way(&self) -> String {
        match &self.error {
            fetch::Error::Cloud(error @ cloud::Error::Api(api)) if !api.code.is_empty() => {
                let remedy = advice(error, self.asked).unwrap_or(&api.message);
                format!("{} {} {} {remedy}", api.host, api.status, api.code)
            }
            _ => self.explanation(),
        }
    }

    /// The reason and the remedy.
    fn explanation(&self) -> String {
        let fixed = match &self.error {
            fetch::Error::Auth(error) => return error.to_string(),
            fetch::Error::Cloud(error) => {
                return match advice(error, self.asked) {
                    Some(advice) => format!("{error}; {advice}"),
                    None => error.to_string(),
                };
            }
            fetch::Error::TooMuch => return too_much(),
            fetch::Error::Broken => "internal error; see the provider's log",
            fetch::Error::Cancelled => "the driver cancelled the call",
            fetch::Error::Skipped => {
                "not requested because the service did not answer for other objects; kubelet retries"
            }
            fetch::Error::Waited => {
                "the driver's deadline passed before the service answered; kubelet retries"
            }
        };
        fixed.to_owned()
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.object, self.explanation())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Source;
    use crate::params::Service;

    /// Skipped objects are reported even if the objects that failed were served older values.
    #[test]
    fn objects_that_were_not_asked_for_are_told_of() {
        let failed = |object: &str, error| Failed {
            object: object.to_owned(),
            asked: Asked {
                service: Service::Kms,
                is_pinned: false,
                source: Source::AccessKey,
            },
            error,
        };
        let told = |failures: Vec<Failed>| {
            let (identity, skipped) = (String::new(), String::new());
            let error = Error::Fetch {
                failures,
                identity,
                skipped,
            };
            error.to_string()
        };
        let skipped = || failed("b", fetch::Error::Skipped);
        let alone = told(vec![skipped()]);
        assert!(
            alone.starts_with("b: not requested because the service did not"),
            "{alone}"
        );
        let beside = told(vec![skipped(), failed("a", fetch::Error::Waited), skipped()]);
        assert!(
            beside.starts_with("a: the driver's deadline") && beside.contains("; 2 more not requested"),
            "{beside}"
        );
    }
}
