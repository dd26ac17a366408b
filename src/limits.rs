//! Every bound of the provider, with its reason.
//!
//! What comes from the socket, from a SecretProviderClass, from the cloud or from a file is hostile until it has
//! passed one of these. Each constant has an error of its own and a test where it is used.

/// Most bytes of one `MountResponse`, encoded: what the driver accepts by default (`--max-call-recv-msg-size`).
pub const MOUNT_RESPONSE_BYTES: usize = 4_194_304;

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

/// Deepest nesting of a JMESPath expression: brackets, and operators chained in one part of them. The parser is
/// recursive; in a debug build it takes 7 KiB of stack a level, and a worker's stack may have 512 KiB.
pub const EXPRESSION_DEPTH: usize = 32;

/// Most values in a JSON document that `jmesPath` is applied to. The longest secret, 30,720 bytes, can hold half
/// of it.
pub const JSON_NODES: usize = 32_768;

/// Most steps that all expressions of one Mount may take together: some 20 ms.
pub const EVALUATION_STEPS: usize = 2_000_000;

/// Most memory that the evaluation of one expression may build, its result as text included.
pub const EVALUATION_BYTES: usize = 4_194_304;

/// Most bytes of all files of one Mount, before the response is made. Twice what the driver accepts by default,
/// so that its limit may be raised.
pub const RENDERED_BYTES: usize = 8_388_608;
