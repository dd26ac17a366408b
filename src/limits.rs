//! Every bound of the provider, with its reason.
//!
//! What comes from the socket, from a SecretProviderClass, from the cloud or from a file is hostile until it has
//! passed one of these. Each constant has an error of its own and a test where it is used.

/// Most bytes of one `MountResponse`, encoded: what the driver accepts by default (`--max-call-recv-msg-size`).
pub const MOUNT_RESPONSE_BYTES: usize = 4_194_304;
