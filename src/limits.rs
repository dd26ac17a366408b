//! Every bound of the provider, with its reason.
//!
//! Input from the socket, a SecretProviderClass, the cloud or a file is untrusted until it has passed one of these.
//! Each constant has an error of its own and a test where it is used.

use std::time::Duration;

// ---- A mount (src/mount) ----

/// Default of the maximum bytes of one `MountResponse`, encoded (flag `max-response-bytes`): what the driver accepts by
/// default (`--max-call-recv-msg-size`).
pub const MOUNT_RESPONSE_BYTES: usize = 4_194_304;

/// Maximum memory of a volume, in responses: values, files, the response as a message and encoded.
pub const VOLUME_MEMORY_FACTOR: usize = 4;

/// Minimum value of `max-response-bytes`: a few small files.
pub const CONFIG_MIN_RESPONSE_BYTES: usize = 4_096;

/// From this encoded size on, the driver cannot sync a volume into a Kubernetes Secret, so a warning is logged.
pub const MOUNT_RESPONSE_WARN_BYTES: usize = 1_048_576;

/// Maximum number of objects that a message lists for one failure, so that it fits into a pod event.
pub const OBJECTS_NAMED: usize = 8;

/// Maximum number of keys of a Secret, or files of a directory, that a message lists where an AccessKey pair was
/// expected: a pair and a few others.
pub const NAMES_SHOWN: usize = 6;

/// Maximum bytes of each listed name: the longest usual one, `ALIBABA_CLOUD_ACCESS_KEY_SECRET`, has 31.
pub const NAME_SHOWN_BYTES: usize = 40;

/// Maximum bytes of a message for a pod event; kubelet cuts events at 1 KiB, logs have the whole message.
pub const ERROR_MESSAGE_BYTES: usize = 4_096;

// ---- Calls to the cloud (src/http, src/cloud, src/auth, src/fetch) ----

/// Maximum bytes of one answer. The largest real one is a KMS secret: 30,720 bytes, a third more in base64, and its
/// metadata. Ten times that leaves room for growth, and no endpoint can fill the memory.
pub const HTTP_RESPONSE_BODY_BYTES: u64 = 512 * 1024;

/// Maximum bytes of an answer's headers.
pub const HTTP_RESPONSE_HEADER_BYTES: usize = 16 * 1024;

/// Size of each of a connection's two buffers: the heads of requests and answers must fit, bodies are streamed. With
/// the library's default of 128 KiB, ten connections would use most of the memory.
pub const HTTP_BUFFER_BYTES: usize = 32 * 1024;

/// Idle connections kept in addition to those of pulls: for STS and instance metadata.
pub const HTTP_SPARE_CONNECTIONS: usize = 8;

/// How long an idle connection is kept. The gateways close theirs after about a minute.
pub const HTTP_IDLE_AGE: Duration = Duration::from_secs(50);

/// TCP and TLS together. Inside a VPC both take milliseconds.
pub const HTTP_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Maximum number of concurrent DNS lookups. The names are few and kept connections need none; with a name server that
/// does not answer, each lookup holds a thread until the system's timeout, half a minute by default.
pub const LOOKUPS: usize = 32;

/// How long the addresses of a name serve new connections without another lookup. A burst of mounts needs one.
pub const LOOKUP_KEPT: Duration = Duration::from_secs(1);

/// How long the last addresses of a name are used while the name server fails.
pub const LOOKUP_STALE: Duration = Duration::from_secs(60 * 60);

/// How long to wait for a name server before the last addresses are used: RFC 8767's client response timer.
pub const LOOKUP_STALE_WAIT: Duration = Duration::from_millis(1_800);

/// How long the last addresses are used before a failed lookup is tried again: RFC 8767's failure recheck timer.
pub const LOOKUP_RETRY_PAUSE: Duration = Duration::from_secs(30);

/// Maximum number of names whose addresses are kept: services, regions and KMS instances.
pub const LOOKUP_NAMES: usize = 256;

/// Stack of a lookup's thread: the C library's resolver keeps its messages on it, about 20 KiB with musl, more with the
/// modules of glibc.
pub const LOOKUP_STACK: usize = 256 * 1024;

/// Timeout from the sent request to the answer's headers.
pub const HTTP_RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);

/// Timeout of one whole call.
pub const HTTP_TOTAL_TIMEOUT: Duration = Duration::from_secs(15);

/// Timeout of the instance metadata service, which is on the host itself and answers at once if it exists.
pub const METADATA_TIMEOUT: Duration = Duration::from_secs(2);

/// Lifetime requested for a session token of the metadata service: its maximum.
pub const METADATA_TOKEN_TTL: Duration = Duration::from_secs(21_600);

/// Pause after an unanswered request for a session token. Without it, every mount would wait for the timeout where
/// answers do not reach containers.
pub const METADATA_TOKEN_PAUSE: Duration = Duration::from_secs(60);

/// How long before its expiry a session token is no longer used.
pub const METADATA_TOKEN_MARGIN: Duration = Duration::from_secs(300);

/// How long before a mount's deadline its pulls give up, so that the error names the object and the step. Without it,
/// the server would answer in time, but only with a general timeout message.
pub const FETCH_MARGIN: Duration = Duration::from_millis(500);

/// How long before a mount's deadline it stops waiting for memory: no time would be left for calls, and the error would
/// name the cloud as the cause instead of memory.
pub const MEMORY_MARGIN: Duration = Duration::from_secs(1);

/// Maximum bytes of all distinct values of one mount: the same as of its files, [`RENDERED_BYTES`]. Enough for parts of
/// some hundred of the largest secrets.
pub const VALUES_BYTES: usize = RENDERED_BYTES;

/// Estimated memory of a pull: the largest KMS secret as received, as a value, as a file and as part of the response.
pub const FETCH_OBJECT_BYTES: usize = 4 * 32 * 1024;

/// How many seconds before their expiry temporary credentials are renewed: as in the official SDK, and longer than any
/// mount.
pub const CREDENTIAL_RENEWAL_SECONDS: i64 = 180;

/// Pause after a failed renewal while the credentials are still valid, so that an unreachable STS does not delay every
/// mount.
pub const CREDENTIAL_RETRY_PAUSE: Duration = Duration::from_secs(10);

/// Maximum number of identities whose credentials are kept, of pods and of cross-account roles each: a node has at
/// most 256 pods, and a pod a few roles.
pub const IDENTITIES: usize = 1_024;

/// Credentials that were not used for this long are dropped.
pub const IDENTITY_UNUSED: Duration = Duration::from_secs(3_600);

/// How long a ServiceAccount's role annotation is cached: the pods of one rollout share one read, and the next rotation
/// sees a change.
pub const ANNOTATION_AGE: Duration = Duration::from_secs(30);

/// Timeout of one read of the Kubernetes API.
pub const KUBERNETES_TIMEOUT: Duration = Duration::from_secs(5);

/// Maximum bytes of a ServiceAccount token that STS accepts.
pub const TOKEN_BYTES: usize = 20_000;

/// Maximum bytes of a file of CA certificates: Mozilla's whole bundle has 230 KiB.
pub const CA_FILE_BYTES: usize = 1_048_576;

/// Maximum bytes of a file with half of an AccessKey pair.
pub const ACCESS_KEY_FILE_BYTES: usize = 256;

/// How long STS's global endpoint is used after the metadata service did not return the region.
pub const REGION_RETRY_PAUSE: Duration = Duration::from_secs(60);

/// Maximum length of a role session name.
pub const SESSION_NAME_BYTES: usize = 64;

/// Maximum attempts of one call while the service is unreachable or fails.
pub const FETCH_ATTEMPTS: u32 = 4;

/// Maximum attempts of one throttled call. More than for other errors, because the whole process slows down meanwhile,
/// and kubelet retries a failed mount with all of its objects.
pub const FETCH_ATTEMPTS_THROTTLED: u32 = 12;

/// Upper bound of the random pause before the first retry; it doubles with each further one.
pub const FETCH_BACKOFF: Duration = Duration::from_millis(250);

/// Maximum pause between two attempts.
pub const FETCH_BACKOFF_CAP: Duration = Duration::from_secs(8);

/// Maximum pause that a throttled answer may ask for. Quotas are counted per second and per minute; a call that would
/// wait longer fails.
pub const THROTTLE_HINT_CAP: Duration = Duration::from_secs(10);

/// Initial rate, in calls per second, of a process that was throttled at a lower rate: others use up the quota, and its
/// next burst must not take minutes.
pub const THROTTLED_RATE_BASE: f64 = 10.0;

/// For this long after an outage, values are shared for a random part of the refresh interval, so that nodes that
/// recovered together do not read together from then on.
pub const OUTAGE_REMEMBERED: Duration = Duration::from_secs(60);

/// Maximum number of endpoints whose last outage is remembered, and of retry budgets.
pub const FEEDBACK_RECORDS: usize = 1_024;

/// Minimum rate after throttling, in calls per second per service and node: a thousand nodes then make two hundred a
/// second, less than half of the smallest documented quota.
pub const THROTTLED_RATE_FLOOR: f64 = 0.2;

/// Time in which the rate doubles after throttling.
pub const THROTTLE_RECOVERY_DOUBLING: Duration = Duration::from_secs(30);

/// Maximum burst of retries of the process.
pub const RETRY_BUDGET: f64 = 20.0;

/// Retries allowed per first attempt: an outage adds at most a fifth to the load.
pub const RETRIES_PER_TRY: f64 = 0.2;

/// Retries allowed per second in addition, for a node with few calls.
pub const RETRIES_PER_SECOND: f64 = 0.5;

/// Maximum value of the rate flags, in calls per second.
pub const CONFIG_MAX_PULLS_PER_SECOND: u32 = 100_000;

/// Maximum number of shared copies, and of values kept for an outage: over ten times what a node of 110 pods with 5
/// objects each can use.
pub const COPIES: usize = 8_192;

/// Maximum time between the reads of two versions of one secret in one volume. The calls of one mount start within far
/// less, unless there is a queue.
pub const READ_TOGETHER: Duration = Duration::from_secs(2);

/// Estimated bytes of a shared copy in addition to its value: key, version and tables.
pub const COPY_OVERHEAD_BYTES: usize = 768;

/// Maximum part of the memory budget for shared copies, and for values kept for an outage, as a divisor; less if a full
/// volume would not fit.
pub const COPIES_BUDGET_DIVISOR: usize = 4;

/// How long a mount waits for the cloud if values kept for an outage can serve it: twice the connection timeout, so
/// that a short failure is not treated as an outage, and short enough for pods to start.
pub const STALE_PATIENCE: Duration = Duration::from_secs(10);

/// How often such a mount checks again after that time, while it cannot be served yet.
pub const STALE_LOOK: Duration = Duration::from_secs(1);

/// A call that ran at least this long when its mount timed out counts as unanswered: answers take about 20 ms. A later
/// call was delayed by the provider's own limits, not by the cloud.
pub const STALE_UNANSWERED: Duration = Duration::from_secs(1);

/// After a suspend longer than this, shared copies are dropped because their age is unknown. Clock steps by NTP are
/// smaller.
pub const SLEEP: Duration = Duration::from_secs(10);

/// Maximum time that values are kept for an outage: rotated secrets must not come back after days.
pub const CONFIG_MAX_SERVE_STALE_FOR: Duration = Duration::from_secs(24 * 3_600);

/// Maximum number of volumes remembered as mounted. A node has a few hundred at most.
pub const VOLUMES: usize = 4_096;

/// A volume that was not mounted for this long is forgotten, and its next mount reads from the cloud. The driver mounts
/// the volumes of running pods again every one or two minutes, or after its rotation poll interval.
pub const VOLUME_FORGOTTEN: Duration = Duration::from_secs(3_600);

/// Idle time after which a pulling thread ends.
pub const PULLER_IDLE: Duration = Duration::from_secs(10);

/// Maximum number of extra threads that assume cross-account roles, over all mounts: each lives for a few calls.
/// Without a free one, a mount assumes its roles one after the other.
pub const ROLE_HELPERS: usize = 16;

/// Stack of a thread that pulls or assumes a role; TLS handshakes need the most.
pub const PULLER_STACK: usize = 256 * 1024;

// ---- Configuration (src/config) ----

/// Maximum value of the flag for concurrent pulls: each is a thread and a connection.
pub const CONFIG_MAX_PULLS: usize = 512;

/// Minimum memory budget: one volume of full size is held as values, as files and as a response.
pub const CONFIG_MIN_MEMORY_BUDGET: usize = VOLUME_MEMORY_FACTOR * MOUNT_RESPONSE_BYTES;

/// Memory of the process outside its budget: the process itself, a worker and a parsed request for each waiting
/// mount, and socket buffers. A flood of large mounts takes 7 MB; the rest is for fragmentation.
pub const MEMORY_BESIDE_BUDGET: usize = 12 * 1024 * 1024;

/// The same for each concurrent pull: a thread's stack, a connection's buffers, its TLS state.
pub const MEMORY_PER_PULL: usize = 192 * 1024;

/// How long a volume that is larger than its estimate waits for more memory: those behind it wait as well, and one of
/// full size is made and sent in a tenth of that.
pub const GROWTH_PATIENCE: Duration = Duration::from_secs(10);

/// Part of the memory budget that a single volume leaves to waiting ones, as a divisor. They hold their requests, and
/// some of them values: a hundred kilobytes each, of four megabytes in the smallest budget.
pub const REQUESTS_BUDGET_DIVISOR: usize = 4;

/// Minimum part of a memory limit for the budget, as a divisor, even if the above leave less.
pub const LEAST_BUDGET_DIVISOR: usize = 4;

// ---- The health endpoint (src/health) ----

/// Maximum number of connections. kubelet and Prometheus have one each for a moment; the port is open to the node's
/// network. A further one closes the oldest that waits for its client.
pub const HEALTH_CONNECTIONS: usize = 128;

/// Time in which a connection keeps its place, however many follow. kubelet sends its request at once; with all
/// places in turn, this allows some six hundred new connections a second.
pub const HEALTH_GUARDED_TIME: Duration = Duration::from_millis(200);

/// Maximum bytes of a request's head. All connections at once hold a mebibyte of them.
pub const HEALTH_REQUEST_BYTES: usize = 8 * 1024;

/// Time from a connection to the end of its request's head, however many pieces it comes in. kubelet sends it at once.
pub const HEALTH_HEAD_TIME: Duration = Duration::from_secs(2);

/// Time to find an answer in addition to the socket's (`--healthz-timeout`): readiness reads a few files.
pub const HEALTH_ANSWER_TIME: Duration = Duration::from_secs(2);

/// Time from a connection to the last byte of its answer, not counting the time to find the answer.
pub const HEALTH_EXCHANGE_TIME: Duration = Duration::from_secs(5);

// ---- The log of mounts (src/mount/mount_log.rs) ----

/// Maximum number of volumes and warnings whose repetition is suppressed; the least recent are dropped. A node has some
/// hundred volumes.
pub const MOUNT_LOG_TOPICS: usize = 1024;

/// How long the same failure of a volume is not logged again. kubelet retries about once a minute.
pub const MOUNT_LOG_PAUSE: Duration = Duration::from_secs(600);

// ---- Access policy (src/policy) ----

/// Maximum bytes of a policy file. A ConfigMap holds a mebibyte; a thousand rules of the usual length need a fifth of
/// this.
pub const POLICY_BYTES: usize = 262_144;

/// Maximum number of rules of a policy. Every mount checks all of them.
pub const POLICY_RULES: usize = 4_096;

/// Maximum bytes of one pattern or name in a policy. The longest thing to match is the ARN of a secret.
pub const POLICY_PATTERN_BYTES: usize = 512;

// ---- Parameters (src/params) ----

/// Maximum bytes of the `attributes` text. A SecretProviderClass cannot exceed what etcd stores, 1.5 MiB.
pub const ATTRIBUTES_BYTES: usize = 1_572_864;

/// Maximum number of mounts whose parameters are parsed at the same time: parsing takes milliseconds of one core, and
/// megabytes of memory for hostile input.
pub const PARSERS: usize = 2;

/// Maximum bytes of `objects`. A thousand items of the longest documented form need about half of it.
pub const OBJECTS_BYTES: usize = 262_144;

/// Deepest nesting of `objects`, aliases expanded. The grammar needs five levels; the rest is for keys that are
/// ignored.
pub const OBJECTS_DEPTH: usize = 32;

/// Maximum number of YAML nodes of `objects`, aliases and merge keys expanded. A thousand items of thirty nodes fit.
pub const OBJECTS_NODES: usize = 32_768;

/// Maximum bytes of text in all scalars of `objects`, aliases and merge keys expanded.
pub const OBJECTS_EXPANDED_BYTES: usize = 1_048_576;

/// Maximum number of items of one class: more would use the node's share of the cloud's quota for minutes.
pub const OBJECTS: usize = 1_000;

/// Maximum number of files of one class, so that a document with many keys cannot fill the volume with directory
/// entries.
pub const FILES: usize = 4_096;

/// Maximum bytes of an `objectName`. The longest name the cloud admits has 192 characters, an ARN adds 90.
pub const OBJECT_NAME_BYTES: usize = 512;

/// Maximum bytes of a path component, as the driver checks it (`writer.go`).
pub const PATH_COMPONENT_BYTES: usize = 255;

/// Maximum bytes of a file's path. The driver admits 4,096 but the kernel counts the target directory as well, so
/// that real paths must be shorter.
pub const PATH_BYTES: usize = 3_072;

/// Maximum number of components of a file's path. The driver has no bound, and makes a directory for each but the last.
pub const PATH_COMPONENTS: usize = 32;

/// Maximum characters of a region. The longest today has 21; a DNS label ends at 63, and `kms-vpc.` precedes.
pub const REGION_BYTES: usize = 48;

/// Maximum bytes of a host name (RFC 1035).
pub const HOST_BYTES: usize = 253;

/// Maximum characters of a KMS VersionId or VersionStage, as the API documents it.
pub const VERSION_BYTES: usize = 64;

/// Maximum number of unknown keys of one mount that are compared with the identity keys: each costs microseconds, and a
/// hundred thousand fit into a request.
pub const UNKNOWN_KEYS_COMPARED: usize = 4_096;

/// Maximum number of problems, and of warnings, that one mount reports.
pub const PROBLEMS: usize = 100;

/// Maximum bytes of all problems in one message: a pod event holds about 1 KiB, kubelet's prefix included, and the
/// log the rest.
pub const PROBLEMS_MESSAGE_BYTES: usize = 2_048;

/// Maximum bytes of one quoted name in a message.
pub const QUOTED_BYTES: usize = 200;

/// Maximum bytes of one JMESPath expression.
pub const EXPRESSION_BYTES: usize = 1_024;

/// Deepest nesting of a JMESPath expression: brackets, and operators chained in one part of them. The parser is
/// recursive; in a debug build it takes 7 KiB of stack a level, and a worker's stack may have 512 KiB.
pub const EXPRESSION_DEPTH: usize = 32;

/// Maximum number of values in a JSON document that `jmesPath` is applied to. The longest secret, 30,720 bytes, can
/// hold half of it.
pub const JSON_NODES: usize = 32_768;

/// Maximum steps of extracting JSON values in one mount, including parsing and writing: about 100 ms.
pub const EVALUATION_STEPS: usize = 2_000_000;

/// Maximum bytes built by the evaluation of one expression, including its result as text.
pub const EVALUATION_BYTES: usize = 4_194_304;

/// Maximum steps per byte of an expression to find out whether it reads the value. All expressions of a class together
/// take about [`EVALUATION_STEPS`].
pub const CONSTANT_STEPS_PER_BYTE: usize = 2;

/// Maximum bytes built to find out whether an expression reads the value.
pub const CONSTANT_BYTES: usize = 65_536;

/// Maximum bytes of all files of one mount, before the response is made. Twice what the driver accepts by default,
/// so that its limit may be raised.
pub const RENDERED_BYTES: usize = 8_388_608;

// ---- The socket: HTTP/2 and gRPC (src/h2, src/grpc, src/server) ----

/// Streams that a client may have open at once, advertised to it. The driver sends every volume of a node at once
/// after a reboot; what exceeds this waits inside the client.
pub const CONCURRENT_STREAMS: u32 = 256;

/// Streams accepted before the client has acknowledged our settings, because it may not know the limit yet. Clients
/// that do not wait for the server's SETTINGS (tonic, the C core) may have this many calls in their first burst.
pub const STREAMS_BEFORE_ACK: usize = 1_024;

/// Closed streams that are remembered with how they were closed: twice what can be open, so that a late frame always
/// finds its stream.
pub const CLOSED_STREAMS: usize = 512;

/// Window that each stream starts with: one full frame. A usual mount request (4 to 8 KiB) fits; a larger one
/// continues once the memory budget has room for it.
pub const STREAM_WINDOW: u32 = 16_384;

/// Window of a connection: octets that all streams together may send before they are processed.
pub const CONNECTION_WINDOW: u32 = 4_194_304;

/// A request's header list, counted as RFC 9113 section 6.5.2 does and advertised. The driver's is below 1 KiB;
/// gRPC asks for 8 KiB at least.
pub const HEADER_LIST_BYTES: u32 = 16_384;

/// A compressed header block. No conforming block is longer than its list, so this is generous.
pub const HEADER_BLOCK_BYTES: usize = 65_536;

/// CONTINUATION frames in one block (the CONTINUATION flood, RUSTSEC-2024-0332): a block within its bound needs 4.
pub const CONTINUATION_FRAMES: u32 = 16;

/// The HPACK dynamic table: the protocol's initial value, which grpc-go fills.
pub const HEADER_TABLE_BYTES: usize = 4_096;

/// Queued control frames (acknowledgements, updates, resets). A client that causes more without reading them is
/// flooding (CVE-2019-9512, -9514, -9515).
pub const CONTROL_BACKLOG: usize = 1_024;

/// Control frames in a burst. What counts as one is PING, SETTINGS, PRIORITY, WINDOW_UPDATE, empty DATA and unknown
/// frames (CVE-2019-9512, -9513, -9515, -9518, RUSTSEC-2026-0258).
pub const CONTROL_FRAMES_BURST: u32 = 10_000;

/// Control frames per second, on average, for a client that does nothing else.
pub const CONTROL_FRAMES_PER_SECOND: u32 = 1_000;

/// Control frames that each request, and each DATA frame of content in either direction, allows on top.
/// Clients update two windows and measure with a PING for each.
pub const CONTROL_FRAMES_PER_PROGRESS: u32 = 8;

/// Streams reset by the client or because of its errors, in a burst (rapid reset, RUSTSEC-2023-0034, and
/// MadeYouReset, CVE-2025-8671): every open stream several times over.
pub const RESETS_BURST: u32 = 2_000;

/// Streams reset per second, on average. A client that cancels every call at its deadline stays far below.
pub const RESETS_PER_SECOND: u32 = 1_000;

/// Time for the connection preface with its SETTINGS. grpc-go gives the server 20 s for the same.
pub const PREFACE_TIMEOUT: Duration = Duration::from_secs(20);

/// Time from the first octet of a frame or header block to its last.
pub const FRAME_TIMEOUT: Duration = Duration::from_secs(30);

/// A connection without streams is closed after this idle time. The driver itself closes after 30 minutes.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(3_600);

/// Time between the two GOAWAYs of a graceful shutdown, if the PING between them is not answered.
pub const GOAWAY_ROUND_TRIP: Duration = Duration::from_secs(1);

/// Maximum bytes of a request's message. Mounts of 1 MiB and more must pass; etcd keeps a SecretProviderClass and a
/// Secret below
/// 1.5 MiB each.
pub const REQUEST_MESSAGE_BYTES: usize = 4_194_304;

/// Maximum bytes of a request's message to any method except `Mount`: a version or a service name.
pub const SMALL_MESSAGE_BYTES: usize = 4_096;

/// Octets of requests that one connection may hold outside the memory budget: received parts of calls that wait for
/// memory, and small requests. The volumes of a whole node, which arrive at once after a reboot, fit. The connection's
/// window leaves room for further ones.
pub const UNCOVERED_BYTES: usize = 1_048_576;

/// Octets of a refused request's body that are discarded; after them the refusal is sent without waiting for its end.
pub const REFUSED_BODY_BYTES: usize = 65_536;

/// The same for the time.
pub const REFUSED_BODY_TIME: Duration = Duration::from_secs(10);

/// Maximum bytes of a status message. It becomes a pod event, which holds 1 KiB.
pub const STATUS_MESSAGE_BYTES: usize = 2_048;

/// Maximum timeout of a call, even if its caller allows more: kubelet's timeout of a mount is two minutes.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(110);

/// Time for a caller to read its answer, once there is one or the call has timed out.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// Maximum number of connections. The driver has one, or two while it restarts; probes are short. A further one
/// closes an idle one.
pub const CONNECTIONS: usize = 32;

/// Idle connections that are kept when new ones arrive without a request: the driver's, and some more.
pub const CONNECTIONS_KEPT: usize = 8;

/// Time for the first request of a new connection. On one machine that takes a millisecond; a busy one may take longer.
pub const NEWCOMER_TIME: Duration = Duration::from_secs(1);

/// Maximum number of further connections that are being closed. Most end at once, those of clients that do not react
/// after [`GOAWAY_ROUND_TRIP`].
pub const CONNECTIONS_LEAVING: usize = 8;

/// How long a new connection waits for those that are being closed: as long as the slowest takes, whose client reads
/// nothing.
pub const ROOM_PATIENCE: Duration = Duration::from_secs(5);

/// Time for a client whose connection is being closed to complete its requests. It ends before a new connection's wait
/// ([`ROOM_PATIENCE`]), even if the client then reads nothing ([`GOAWAY_STALL`]).
pub const LEAVING_TIME: Duration = Duration::from_secs(2);

/// Mounts that run at the same time: a node's volumes after a reboot, more than a hundred.
pub const WORKERS: usize = 128;

/// Maximum number of mounts waiting for a worker; further ones get a final status. Twice the streams of a connection.
pub const QUEUED_MOUNTS: usize = 512;

/// A worker's stack: TLS, JSON and YAML of bounded depth need a fraction.
pub const WORKER_STACK: usize = 512 * 1024;

/// The stack of a connection's reader and of its writer. The deepest is a message of unknown groups within groups, a
/// hundred at most, which takes more than 32 KiB in a debug build.
pub const CONNECTION_STACK: usize = 256 * 1024;

/// How often a write that blocks on a full socket is interrupted, to notice other pending work.
pub const WRITE_SLICE: Duration = Duration::from_secs(1);

/// A peer that reads no octet for this long is considered gone.
pub const WRITE_STALL: Duration = Duration::from_secs(30);

/// The same when only GOAWAY is left to send: after a connection error, or when another needs the place.
pub const GOAWAY_STALL: Duration = Duration::from_secs(2);

/// Pause after a failed accept, which is mostly a lack of file descriptors.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Default of the process-wide memory budget (flag `memory-budget`).
pub const MEMORY_BUDGET_BYTES: usize = 64 * 1024 * 1024;

/// A Unix socket's path, without the terminating NUL (`sun_path` on Linux).
pub const SOCKET_PATH_BYTES: usize = 107;

/// Maximum bytes of the kernel's mount table that are read. A container has some thirty mounts of a hundred bytes.
pub const MOUNT_TABLE_BYTES: u64 = 262_144;

/// Log lines per kind and minute that peers can cause.
pub const PEER_LOG_LINES: u32 = 10;

// ---- Manifests (src/commands/validate) ----

/// Maximum bytes of one file of manifests. `kubectl get -A -o yaml` of a thousand classes makes about a third.
pub const MANIFEST_BYTES: usize = 16 * 1024 * 1024;

/// Maximum number of YAML nodes of one document.
pub const MANIFEST_NODES: usize = 1_000_000;

/// Maximum bytes of text of one document, aliases expanded.
pub const MANIFEST_EXPANDED_BYTES: usize = 32 * 1024 * 1024;

/// Maximum number of files, findings and access policy results, each of some hundred bytes: a cluster of ten thousand
/// classes has about half.
pub const MANIFEST_LINES: usize = 250_000;

/// Deepest nesting of a document. The schema of any resource is less deep.
pub const MANIFEST_DEPTH: usize = 64;
