//! Every bound of the provider, with its reason.
//!
//! What comes from the socket, from a SecretProviderClass, from the cloud or from a file is hostile until it has
//! passed one of these. Each constant has an error of its own and a test where it is used.

use std::time::Duration;

// Mount

/// Most bytes of one `MountResponse`, encoded: what the driver accepts by default (`--max-call-recv-msg-size`).
pub const MOUNT_RESPONSE_BYTES: usize = 4_194_304;

/// From this size on, encoded, the driver can no longer sync a volume into a Kubernetes Secret; worth a warning.
pub const MOUNT_RESPONSE_WARN_BYTES: usize = 1_048_576;

/// Most bytes of a pod event's message that we fill; kubelet cuts events at 1 KiB, logs keep the whole.
pub const ERROR_MESSAGE_BYTES: usize = 4_096;

// Calls to the cloud

/// Most bytes of one answer. The largest true one is a KMS secret: 30,720 bytes, a third more in base64, and its
/// metadata. Ten times that leaves room for growth without letting an endpoint fill our memory.
pub const HTTP_RESPONSE_BODY_BYTES: u64 = 512 * 1024;

/// Most bytes of an answer's headers.
pub const HTTP_RESPONSE_HEADER_BYTES: usize = 16 * 1024;

/// Most unused connections kept, over all hosts.
pub const HTTP_IDLE_CONNECTIONS: usize = 64;

/// How long an unused connection is kept. The gateways close theirs after about a minute.
pub const HTTP_IDLE_AGE: Duration = Duration::from_secs(50);

/// TCP and TLS together. Inside a VPC both take milliseconds.
pub const HTTP_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// From the request sent to the answer's headers.
pub const HTTP_RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);

/// One whole call.
pub const HTTP_TOTAL_TIMEOUT: Duration = Duration::from_secs(15);

/// The instance metadata service is on the host itself: what does not answer at once is not there.
pub const METADATA_TIMEOUT: Duration = Duration::from_secs(2);

/// Most tries of one call.
pub const FETCH_ATTEMPTS: u32 = 4;

/// The first pause between two tries lies between zero and this; each further one may be twice as long.
pub const FETCH_BACKOFF: Duration = Duration::from_millis(250);

/// No pause between two tries is longer.
pub const FETCH_BACKOFF_CAP: Duration = Duration::from_secs(8);

// Configuration

/// Most pulls under way at once that a flag may ask for: each is a thread and a connection.
pub const CONFIG_MAX_PULLS: usize = 512;

/// The least memory budget: one volume of full size is held as values, as files and as a response.
pub const CONFIG_MIN_MEMORY_BUDGET: usize = 4 * MOUNT_RESPONSE_BYTES;

// Health endpoint

/// Most probes answered at once. kubelet sends one at a time; the port is open to the node's network.
pub const HEALTH_CONNECTIONS: usize = 16;

/// Most bytes of a probe's request head.
pub const HEALTH_REQUEST_BYTES: usize = 8 * 1024;

/// How long a probe may take to send its request.
pub const HEALTH_REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
