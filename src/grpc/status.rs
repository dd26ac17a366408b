//! The status that ends every call.

use std::fmt;

macro_rules! codes {
    ($(#[$doc:meta])* $type:ident { $($(#[$code_doc:meta])* $code:ident = $number:literal, $name:literal;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $type {
            $($(#[$code_doc])* $code,)*
        }

        impl $type {
            /// Every code, in the order of their numbers.
            pub const ALL: [Self; [$($number),*].len()] = [$(Self::$code),*];

            /// The number on the wire.
            pub const fn number(self) -> u8 {
                match self {
                    $(Self::$code => $number,)*
                }
            }

            /// The name in upper case, as logs, metrics and documentation write it.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$code => $name,)*
                }
            }
        }
    };
}

codes! {
    /// gRPC status codes (grpc/grpc, `doc/statuscodes.md`).
    Code {
        /// The call succeeded.
        Ok = 0, "OK";
        /// The caller cancelled the call.
        Cancelled = 1, "CANCELLED";
        /// An error without a better code.
        Unknown = 2, "UNKNOWN";
        /// The request is invalid.
        InvalidArgument = 3, "INVALID_ARGUMENT";
        /// Timed out.
        DeadlineExceeded = 4, "DEADLINE_EXCEEDED";
        /// The object does not exist.
        NotFound = 5, "NOT_FOUND";
        /// The object exists already.
        AlreadyExists = 6, "ALREADY_EXISTS";
        /// The identity lacks the permission.
        PermissionDenied = 7, "PERMISSION_DENIED";
        /// A quota or the memory is used up.
        ResourceExhausted = 8, "RESOURCE_EXHAUSTED";
        /// The system is not in the state that the call needs.
        FailedPrecondition = 9, "FAILED_PRECONDITION";
        /// Aborted by a conflict.
        Aborted = 10, "ABORTED";
        /// Outside the valid range.
        OutOfRange = 11, "OUT_OF_RANGE";
        /// No such method.
        Unimplemented = 12, "UNIMPLEMENTED";
        /// A broken invariant or a broken backend.
        Internal = 13, "INTERNAL";
        /// Not now; try again.
        Unavailable = 14, "UNAVAILABLE";
        /// Lost data.
        DataLoss = 15, "DATA_LOSS";
        /// No valid credential.
        Unauthenticated = 16, "UNAUTHENTICATED";
    }
}

impl Code {
    /// Whether kubelet treats the code as final. After the five others it keeps the target
    /// directory and retries, and with rotation on the driver would then report success for an empty volume:
    /// Mount must never answer with one of them.
    pub const fn is_final(self) -> bool {
        !matches!(
            self,
            Self::Cancelled
                | Self::DeadlineExceeded
                | Self::ResourceExhausted
                | Self::Aborted
                | Self::Unavailable
        )
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A failed call: the code, and a message for the person who reads the pod's events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The code.
    pub code: Code,
    /// What went wrong and what to do, without a secret in it.
    pub message: String,
}

impl Status {
    /// A status.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Status {}
