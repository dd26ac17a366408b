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
// ---- Parameters (src/params) ----

/// Most bytes of the `attributes` text. A SecretProviderClass cannot exceed what etcd stores, 1.5 MiB.
pub const ATTRIBUTES_BYTES: usize = 1_572_864;

/// Most bytes of `objects`. A thousand items of the longest documented form need about half of it.
pub const OBJECTS_BYTES: usize = 262_144;

/// Deepest nesting of `objects`, aliases expanded. The grammar needs five levels; the rest is for keys that are
/// ignored.
pub const OBJECTS_DEPTH: usize = 32;

/// Most YAML nodes of `objects`, aliases and merge keys expanded. A thousand items of thirty nodes fit.
pub const OBJECTS_NODES: usize = 32_768;

/// Most bytes of text in all scalars of `objects`, aliases and merge keys expanded.
pub const OBJECTS_EXPANDED_BYTES: usize = 1_048_576;

/// Most items of one class: past it, one Mount would hold the node's share of the cloud's quota for minutes.
pub const OBJECTS: usize = 1_000;

/// Most files of one class, so that a document with many keys cannot fill the volume with directory entries.
pub const FILES: usize = 4_096;

/// Most bytes of an `objectName`. The longest name the cloud admits has 192 characters, an ARN adds 90.
pub const OBJECT_NAME_BYTES: usize = 512;

/// Most bytes of a path component, as the driver checks it (`writer.go`).
pub const PATH_COMPONENT_BYTES: usize = 255;

/// Most bytes of a file's path. The driver admits 4,096 but the kernel counts the target directory as well, so
/// that real paths must be shorter.
pub const PATH_BYTES: usize = 3_072;

/// Most characters of a region. The longest today has 21; a DNS label ends at 63, and `kms-vpc.` precedes.
pub const REGION_BYTES: usize = 48;

/// Most bytes of a host name (RFC 1035).
pub const HOST_BYTES: usize = 253;

/// Most characters of a KMS VersionId or VersionStage, as the API documents it.
pub const VERSION_BYTES: usize = 64;

/// Most problems, and most warnings, that one Mount reports.
pub const PROBLEMS: usize = 100;

/// Most bytes of all problems in one message: a pod event holds about 1 KiB, kubelet's prefix included, and the
/// log the rest.
pub const PROBLEMS_MESSAGE_BYTES: usize = 2_048;

/// Most bytes of one quoted name in a message.
pub const QUOTED_BYTES: usize = 200;

/// Most bytes of one JMESPath expression.
pub const EXPRESSION_BYTES: usize = 1_024;

/// Deepest nesting of a JMESPath expression. The parser is recursive, and a worker's stack is small.
pub const EXPRESSION_DEPTH: usize = 16;
