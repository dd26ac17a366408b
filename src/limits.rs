//! Every bound of the provider, with its reason.
//!
//! What comes from the socket, from a SecretProviderClass, from the cloud or from a file is hostile until it has
//! passed one of these. Each constant has an error of its own and a test where it is used.

use std::time::Duration;

// ---- A Mount (src/mount) ----

/// Default of the most bytes of one `MountResponse`, encoded (flag `max-response-bytes`): what the driver accepts by
/// default (`--max-call-recv-msg-size`).
pub const MOUNT_RESPONSE_BYTES: usize = 4_194_304;

/// Most memory that a volume takes, in responses: values, files, the response as a message and encoded.
pub const VOLUME_MEMORY_FACTOR: usize = 4;

/// Least bytes of one response that a flag may ask for: a few small files.
pub const CONFIG_MIN_RESPONSE_BYTES: usize = 4_096;

/// From this size on, encoded, the driver can no longer sync a volume into a Kubernetes Secret; worth a warning.
pub const MOUNT_RESPONSE_WARN_BYTES: usize = 1_048_576;

/// Most objects that a message names as having failed in the same way as the one it tells about: what a pod event has
/// room for.
pub const OBJECTS_NAMED: usize = 8;

/// Most keys of a Secret, or files of a directory, that a message names where an AccessKey pair was expected: a pair,
/// and some of what may stand beside it.
pub const NAMES_SHOWN: usize = 6;

/// Most bytes of each, as they are shown: the longest usual name, `ALIBABA_CLOUD_ACCESS_KEY_SECRET`, has 31.
pub const NAME_SHOWN_BYTES: usize = 40;

/// Most bytes of a pod event's message that we fill; kubelet cuts events at 1 KiB, logs keep the whole.
pub const ERROR_MESSAGE_BYTES: usize = 4_096;

// ---- Calls to the cloud (src/http, src/cloud, src/auth, src/fetch) ----

/// Most bytes of one answer. The largest true one is a KMS secret: 30,720 bytes, a third more in base64, and its
/// metadata. Ten times that leaves room for growth without letting an endpoint fill our memory.
pub const HTTP_RESPONSE_BODY_BYTES: u64 = 512 * 1024;

/// Most bytes of an answer's headers.
pub const HTTP_RESPONSE_HEADER_BYTES: usize = 16 * 1024;

/// Each of a connection's two buffers, kept with it: the heads of requests and answers must fit, bodies pass through.
/// The library's own 128 KiB would make ten connections the largest part of our memory.
pub const HTTP_BUFFER_BYTES: usize = 32 * 1024;

/// Unused connections kept beside those that pulls may have: for STS and instance metadata.
pub const HTTP_SPARE_CONNECTIONS: usize = 8;

/// How long an unused connection is kept. The gateways close theirs after about a minute.
pub const HTTP_IDLE_AGE: Duration = Duration::from_secs(50);

/// TCP and TLS together. Inside a VPC both take milliseconds.
pub const HTTP_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Most lookups of host names under way. The names are few and kept connections need none; with a name server that
/// does not answer, each holds a thread for as long as the system asks it, half a minute by default.
pub const LOOKUPS: usize = 32;

/// The stack of a lookup: the C library's resolver keeps questions and answers on it, some 20 KiB with musl, more
/// with the modules of glibc.
pub const LOOKUP_STACK: usize = 256 * 1024;

/// From the request sent to the answer's headers.
pub const HTTP_RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);

/// One whole call.
pub const HTTP_TOTAL_TIMEOUT: Duration = Duration::from_secs(15);

/// The instance metadata service is on the host itself: what does not answer at once is not there.
pub const METADATA_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a session token of the metadata service shall live: its own maximum.
pub const METADATA_TOKEN_TTL: Duration = Duration::from_secs(21_600);

/// After a question for a session token went without an answer, none is asked for so long: where answers are kept from
/// containers, each Mount would wait for the same silence.
pub const METADATA_TOKEN_PAUSE: Duration = Duration::from_secs(60);

/// How long before its end a session token is no longer used.
pub const METADATA_TOKEN_MARGIN: Duration = Duration::from_secs(300);

/// How long before a Mount's deadline its pulls give up, so that the answer names the object and the step. The
/// server would answer in time without it, and could only say that time ran out.
pub const FETCH_MARGIN: Duration = Duration::from_millis(500);

/// How long before a Mount's deadline it no longer waits for memory: there would be no time to ask for anything, and
/// the answer would name the cloud for what memory is to blame for.
pub const MEMORY_MARGIN: Duration = Duration::from_secs(1);

/// Most bytes of all different values that one Mount gets: as many as its files may have, [`RENDERED_BYTES`]. Any secret
/// alone may be mounted, and so may parts of some hundred of the largest.
pub const VALUES_BYTES: usize = RENDERED_BYTES;

/// What a pull is taken to need of the memory budget: the largest KMS secret as it arrives, as a value, as a file
/// and as part of the response.
pub const FETCH_OBJECT_BYTES: usize = 4 * 32 * 1024;

/// How many seconds before their end temporary credentials are renewed: what the official SDK leaves, and more than
/// any Mount takes.
pub const CREDENTIAL_RENEWAL_SECONDS: i64 = 180;

/// After a failed renewal, credentials that are still valid are used for so long before the next try, so that an
/// STS that is out of reach does not hold up every Mount.
pub const CREDENTIAL_RETRY_PAUSE: Duration = Duration::from_secs(10);

/// Most identities whose credentials are kept, of pods and of cross-account roles each: a node has at most 256
/// pods, and a pod a few roles.
pub const IDENTITIES: usize = 1_024;

/// Credentials that nobody has asked for in so long are dropped.
pub const IDENTITY_UNUSED: Duration = Duration::from_secs(3_600);

/// How long a ServiceAccount's role annotation is taken for true: the pods of one rollout are one read, and a change
/// is seen by the next rotation.
pub const ANNOTATION_AGE: Duration = Duration::from_secs(30);

/// One read of the Kubernetes API.
pub const KUBERNETES_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest ServiceAccount token that STS takes.
pub const TOKEN_BYTES: usize = 20_000;

/// Most bytes of a file of CA certificates: Mozilla's whole bundle has 230 KiB.
pub const CA_FILE_BYTES: usize = 1_048_576;

/// Most bytes of a file with half of an AccessKey pair.
pub const ACCESS_KEY_FILE_BYTES: usize = 256;

/// After the node's metadata service did not say the region, STS is asked at its global endpoint for so long.
pub const REGION_RETRY_PAUSE: Duration = Duration::from_secs(60);

/// Longest name of a role session.
pub const SESSION_NAME_BYTES: usize = 64;

/// Most tries of one call that finds the service out of reach or out of order.
pub const FETCH_ATTEMPTS: u32 = 4;

/// Most tries of one call that is throttled. More than of others: the whole process has slowed down meanwhile, and
/// a Mount that fails is tried again by kubelet with all of its objects.
pub const FETCH_ATTEMPTS_THROTTLED: u32 = 12;

/// The first pause between two tries lies between zero and this; each further one may be twice as long.
pub const FETCH_BACKOFF: Duration = Duration::from_millis(250);

/// No pause between two tries is longer.
pub const FETCH_BACKOFF_CAP: Duration = Duration::from_secs(8);

/// Longest time that a throttled answer may ask for. Quotas are counted per second and per minute; what asks for
/// more is not waited for.
pub const THROTTLE_HINT_CAP: Duration = Duration::from_secs(10);

/// A process that made fewer calls per second than this when it was throttled is first slowed down from here: others
/// use the quota up, and its next burst must not take minutes.
pub const THROTTLED_RATE_BASE: f64 = 10.0;

/// So long after an outage, values that are read are shared for a random part of the refresh interval: nodes that
/// came out of it together shall not ask together from then on.
pub const OUTAGE_REMEMBERED: Duration = Duration::from_secs(60);

/// After throttles, calls of a service per second do not fall below this, per node: a thousand nodes then make two
/// hundred a second, less than half of the smallest documented quota.
pub const THROTTLED_RATE_FLOOR: f64 = 0.2;

/// After a throttle, the rate doubles in this time.
pub const THROTTLE_RECOVERY_DOUBLING: Duration = Duration::from_secs(30);

/// Retries that the process may make at once.
pub const RETRY_BUDGET: f64 = 20.0;

/// Retries that each first try earns: an outage adds a fifth to the load, no more.
pub const RETRIES_PER_TRY: f64 = 0.2;

/// Retries that each second earns, for a node with little to do.
pub const RETRIES_PER_SECOND: f64 = 0.5;

/// Calls started per second that a flag may ask for.
pub const CONFIG_MAX_PULLS_PER_SECOND: u32 = 100_000;

/// Shared copies at once, and values kept for an outage: ten times what a node of 110 pods with 5 objects each can
/// use, and more.
pub const COPIES: usize = 8_192;

/// Copies of one secret's versions that were read so far apart at most may stand together in one volume. The calls of
/// one Mount leave within far less, unless there is a queue.
pub const READ_TOGETHER: Duration = Duration::from_secs(2);

/// What a shared copy is taken to need beside its value: key, version and tables.
pub const COPY_OVERHEAD_BYTES: usize = 768;

/// Part of the memory budget that shared copies may take, as a divisor, and values kept for an outage likewise; less
/// if a full volume would no longer fit.
pub const COPIES_BUDGET_DIVISOR: usize = 4;

/// With values kept for an outage, a Mount that can be served from them waits so long for the cloud: twice as long
/// as a connection may take, so that a stumble is not taken for an outage, and short enough for pods to start.
pub const STALE_PATIENCE: Duration = Duration::from_secs(10);

/// Once it has waited so long, a Mount that cannot be served so yet looks again this often.
pub const STALE_LOOK: Duration = Duration::from_secs(1);

/// A call that is not answered for so long when its Mount's time is over counts as unanswered: answers take some
/// 20 ms. What was sent later was held up by our own limits, not by the cloud.
pub const STALE_UNANSWERED: Duration = Duration::from_secs(1);

/// A machine that has slept for longer gives up its copies, whose ages it no longer knows. Steps of the clock by NTP are
/// smaller.
pub const SLEEP: Duration = Duration::from_secs(10);

/// Longest time that values may be kept for an outage: rotated secrets must not come back after days.
pub const CONFIG_MAX_SERVE_STALE_FOR: Duration = Duration::from_secs(24 * 3_600);

/// Volumes that are known to have been mounted. A node has some hundred at most.
pub const VOLUMES: usize = 4_096;

/// A volume that has not been seen for so long is forgotten, and its next Mount reads from the cloud. The driver
/// asks for running pods every one or two minutes, or after its rotation poll interval.
pub const VOLUME_FORGOTTEN: Duration = Duration::from_secs(3_600);

/// A thread that pulls ends after this time without work.
pub const PULLER_IDLE: Duration = Duration::from_secs(10);

/// Threads that assume cross-account roles beside the Mounts' own, over all Mounts: each lives for a call or a few.
/// Where none is to be had, a Mount assumes its roles one after the other.
pub const ROLE_HELPERS: usize = 16;

/// The stack of a thread that pulls or assumes a role: TLS handshakes are its deepest point.
pub const PULLER_STACK: usize = 256 * 1024;

// ---- Configuration (src/config) ----

/// Most pulls under way at once that a flag may ask for: each is a thread and a connection.
pub const CONFIG_MAX_PULLS: usize = 512;

/// The least memory budget: one volume of full size is held as values, as files and as a response.
pub const CONFIG_MIN_MEMORY_BUDGET: usize = VOLUME_MEMORY_FACTOR * MOUNT_RESPONSE_BYTES;

/// What the process may need beside its memory budget: itself, a worker and a parsed request for each Mount that waits,
/// the kernel's buffers of sockets. A flood of large Mounts takes 7 MB; the rest is for gaps between allocations.
pub const MEMORY_BESIDE_BUDGET: usize = 12 * 1024 * 1024;

/// And for each pull that may be under way: a thread's stack, a connection's buffers, its TLS.
pub const MEMORY_PER_PULL: usize = 192 * 1024;

/// A volume that turns out to be larger than was taken for it waits so long for more memory: those behind it wait as
/// well, and one of full size is made and sent in a tenth of that.
pub const GROWTH_PATIENCE: Duration = Duration::from_secs(10);

/// Part of the memory budget that a single volume leaves to others that wait, as a divisor. They hold their requests, and
/// some what they have read so far: a hundred kilobytes each, of four megabytes in the least budget.
pub const REQUESTS_BUDGET_DIVISOR: usize = 4;

/// Part of a memory limit that the budget gets even if the above leave less, as a divisor.
pub const LEAST_BUDGET_DIVISOR: usize = 4;

// ---- The health endpoint (src/health) ----

/// Connections at once. kubelet and Prometheus have one each for a moment; the port is open to the node's network. One
/// more, and the oldest that is waited for has to go.
pub const HEALTH_CONNECTIONS: usize = 128;

/// Time in which a connection keeps its place, however many come after it. kubelet sends its request at once; with all
/// places in turns, this is some six hundred newcomers a second.
pub const HEALTH_GUARDED_TIME: Duration = Duration::from_millis(200);

/// Most bytes of a request's head. All connections at once hold a mebibyte of them.
pub const HEALTH_REQUEST_BYTES: usize = 8 * 1024;

/// Time from a connection to the end of its request's head, however many pieces it comes in. kubelet sends it at once.
pub const HEALTH_HEAD_TIME: Duration = Duration::from_secs(2);

/// What finding an answer may take beside the socket's time (`--healthz-timeout`): readiness looks at a few files.
pub const HEALTH_ANSWER_TIME: Duration = Duration::from_secs(2);

/// Time from a connection to the last byte of its answer. What we take to find the answer does not count.
pub const HEALTH_EXCHANGE_TIME: Duration = Duration::from_secs(5);

// ---- The log of Mounts (src/mount/mount_log.rs) ----

/// Most volumes and oddities whose repetition is remembered; those unheard of for longest give way. A node has some hundred volumes.
pub const MOUNT_LOG_TOPICS: usize = 1024;

/// How long a volume's failure goes without another line while it stays the same. kubelet tries about once a minute.
pub const MOUNT_LOG_PAUSE: Duration = Duration::from_secs(600);

// ---- Access policy (src/policy) ----

/// Most bytes of a policy file. A ConfigMap holds a mebibyte; a thousand rules of the usual length need a fifth of this.
pub const POLICY_BYTES: usize = 262_144;

/// Most rules of a policy. Every Mount looks at all of them.
pub const POLICY_RULES: usize = 4_096;

/// Most bytes of one pattern or name in a policy. The longest thing to match is the ARN of a secret.
pub const POLICY_PATTERN_BYTES: usize = 512;

// ---- Parameters (src/params) ----

/// Most bytes of the `attributes` text. A SecretProviderClass cannot exceed what etcd stores, 1.5 MiB.
pub const ATTRIBUTES_BYTES: usize = 1_572_864;

/// Mounts whose parameters are read at the same time. That is milliseconds of one core, and for hostile ones megabytes of
/// memory, which a hundred at once would take a hundred times.
pub const PARSERS: usize = 2;

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

/// Most components of a file's path. The driver has no bound, and makes a directory for each but the last.
pub const PATH_COMPONENTS: usize = 32;

/// Most characters of a region. The longest today has 21; a DNS label ends at 63, and `kms-vpc.` precedes.
pub const REGION_BYTES: usize = 48;

/// Most bytes of a host name (RFC 1035).
pub const HOST_BYTES: usize = 253;

/// Most characters of a KMS VersionId or VersionStage, as the API documents it.
pub const VERSION_BYTES: usize = 64;

/// Most unknown keys of one Mount that are compared with those that decide as whom is read: each costs microseconds, and
/// a hundred thousand fit into a request.
pub const UNKNOWN_KEYS_COMPARED: usize = 4_096;

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

/// Most steps that taking values apart may take in one Mount, reading and writing JSON included: some 100 ms.
pub const EVALUATION_STEPS: usize = 2_000_000;

/// Most memory that the evaluation of one expression may build, its result as text included.
pub const EVALUATION_BYTES: usize = 4_194_304;

/// Most steps, for each byte of an expression, that finding out whether it reads the value may take. All expressions of a
/// class together may take about as many as [`EVALUATION_STEPS`].
pub const CONSTANT_STEPS_PER_BYTE: usize = 2;

/// Most memory that finding out whether an expression reads the value may build.
pub const CONSTANT_BYTES: usize = 65_536;

/// Most bytes of all files of one Mount, before the response is made. Twice what the driver accepts by default,
/// so that its limit may be raised.
pub const RENDERED_BYTES: usize = 8_388_608;

// ---- The socket: HTTP/2 and gRPC (src/h2, src/grpc, src/server) ----

/// Streams that a client may have open at once, advertised to it. The driver sends every volume of a node at once after a
/// reboot; what exceeds this waits inside the client.
pub const CONCURRENT_STREAMS: u32 = 256;

/// Streams accepted before the client has acknowledged our settings, and so may not know the limit yet. Clients
/// that do not wait for the server's SETTINGS (tonic, the C core) may have this many calls in their first burst.
pub const STREAMS_BEFORE_ACK: usize = 1_024;

/// Closed streams whose manner of closing is remembered: twice what can be open, so that a late frame always
/// finds its stream.
pub const CLOSED_STREAMS: usize = 512;

/// Window that each stream starts with: one full frame. A usual Mount request (4 to 8 KiB) fits; a larger one is
/// let in once the memory budget has room for it.
pub const STREAM_WINDOW: u32 = 16_384;

/// Window of a connection: what all streams together may send ahead of being taken care of.
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

/// Frames that wait to acknowledge, update or reset. A client that makes us produce more without reading them
/// is flooding (CVE-2019-9512, -9514, -9515).
pub const CONTROL_BACKLOG: usize = 1_024;

/// Control frames in a burst. What counts as one is PING, SETTINGS, PRIORITY, WINDOW_UPDATE, empty DATA and unknown frames
/// (CVE-2019-9512, -9513, -9515, -9518, RUSTSEC-2026-0258).
pub const CONTROL_FRAMES_BURST: u32 = 10_000;

/// Control frames per second, on average, for a client that does nothing else.
pub const CONTROL_FRAMES_PER_SECOND: u32 = 1_000;

/// Control frames that each request, and each DATA frame of content in either direction, allows on top.
/// Clients update two windows and measure with a PING for each.
pub const CONTROL_FRAMES_PER_PROGRESS: u32 = 8;

/// Streams reset by the client or for its mistakes, in a burst (rapid reset, RUSTSEC-2023-0034, and
/// MadeYouReset, CVE-2025-8671): every open stream several times over.
pub const RESETS_BURST: u32 = 2_000;

/// Streams reset per second, on average. A client that cancels every call at its deadline stays far below.
pub const RESETS_PER_SECOND: u32 = 1_000;

/// Time for the connection preface with its SETTINGS. grpc-go gives the server 20 s for the same.
pub const PREFACE_TIMEOUT: Duration = Duration::from_secs(20);

/// Time from the first octet of a frame or header block to its last.
pub const FRAME_TIMEOUT: Duration = Duration::from_secs(30);

/// A connection without streams is closed after this silence. The driver itself closes after 30 minutes.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(3_600);

/// Between the two GOAWAYs of a graceful end, if the PING between them is not answered.
pub const GOAWAY_ROUND_TRIP: Duration = Duration::from_secs(1);

/// A request's message. Mounts of 1 MiB and more must pass; etcd keeps a SecretProviderClass and a Secret below
/// 1.5 MiB each.
pub const REQUEST_MESSAGE_BYTES: usize = 4_194_304;

/// A request's message to any method but Mount: a version or a service name.
pub const SMALL_MESSAGE_BYTES: usize = 4_096;

/// Octets of requests that one connection may hold outside the memory budget: what has arrived of calls that
/// wait for their share, and small requests. The volumes of a whole node, which arrive at once after a reboot, wait
/// within it. The connection's window leaves room for others beside them.
pub const UNCOVERED_BYTES: usize = 1_048_576;

/// Body of a refused request that is read, and thrown away, before the refusal is sent without waiting for its end.
pub const REFUSED_BODY_BYTES: usize = 65_536;

/// Time for the body of a refused request, likewise.
pub const REFUSED_BODY_TIME: Duration = Duration::from_secs(10);

/// A status message. It ends up in a pod event, which holds 1 KiB.
pub const STATUS_MESSAGE_BYTES: usize = 2_048;

/// Longest time a call may take, whatever its caller grants: kubelet gives each Mount two minutes.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(110);

/// Time for a caller to receive its answer, once there is one or the call is out of time.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// Connections at once. The driver has one, or two while it restarts; probes come and go. One more, and the one that
/// is missed least has to go.
pub const CONNECTIONS: usize = 32;

/// Idle connections that do not give way to new ones that have not asked for anything: the driver's, and some more.
pub const CONNECTIONS_KEPT: usize = 8;

/// A new connection has its first request on the way for so long. On one machine that is a millisecond; a busy one may
/// take longer.
pub const NEWCOMER_TIME: Duration = Duration::from_secs(1);

/// Connections beside these that have been told to go. Most are gone at once, and those of clients that do not react
/// after [`GOAWAY_ROUND_TRIP`].
pub const CONNECTIONS_LEAVING: usize = 8;

/// How long a new connection waits for those that have been told to go: as long as the one that takes longest, whose
/// client reads nothing.
pub const ROOM_PATIENCE: Duration = Duration::from_secs(5);

/// Time for a client that was told to go to complete the requests that it has begun. It is through before a newcomer's
/// patience ([`ROOM_PATIENCE`]), even if the client then reads nothing ([`GOAWAY_STALL`]).
pub const LEAVING_TIME: Duration = Duration::from_secs(2);

/// Mounts that run at the same time: a node's volumes after a reboot, more than a hundred.
pub const WORKERS: usize = 128;

/// Mounts that wait for a worker; past it the answer is a final status. Twice the streams of a connection.
pub const QUEUED_MOUNTS: usize = 512;

/// A worker's stack: TLS, JSON and YAML of bounded depth take a fraction.
pub const WORKER_STACK: usize = 512 * 1024;

/// The stack of a connection's reader and of its writer. The deepest is a message of unknown groups within groups, a
/// hundred at most, which takes more than 32 KiB in a debug build.
pub const CONNECTION_STACK: usize = 256 * 1024;

/// A write that the peer's full socket blocks is looked at this often, to notice what else is due.
pub const WRITE_SLICE: Duration = Duration::from_secs(1);

/// A peer that takes no octet for so long is gone.
pub const WRITE_STALL: Duration = Duration::from_secs(30);

/// The same when only GOAWAY is left to be taken: after a connection error, or when another needs the place.
pub const GOAWAY_STALL: Duration = Duration::from_secs(2);

/// Pause after a failed accept, which is mostly a lack of file descriptors.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Default of the process-wide memory budget (flag `memory-budget`).
pub const MEMORY_BUDGET_BYTES: usize = 64 * 1024 * 1024;

/// A Unix socket's path, without the terminating NUL (`sun_path` on Linux).
pub const SOCKET_PATH_BYTES: usize = 107;

/// Most bytes of the kernel's mount table that are read. A container has some thirty mounts of a hundred bytes.
pub const MOUNT_TABLE_BYTES: u64 = 262_144;

/// Log lines that peers can cause, per kind and minute.
pub const PEER_LOG_LINES: u32 = 10;

// ---- Manifests (src/commands/validate) ----

/// Most bytes of one file of manifests. `kubectl get -A -o yaml` of a thousand classes makes about a third.
pub const MANIFEST_BYTES: usize = 16 * 1024 * 1024;

/// Most YAML nodes of one document.
pub const MANIFEST_NODES: usize = 1_000_000;

/// Most bytes of text of one document, aliases expanded.
pub const MANIFEST_EXPANDED_BYTES: usize = 32 * 1024 * 1024;

/// Most files, findings and verdicts of the access policy in one file, each of some hundred bytes: a cluster of ten
/// thousand classes has about half.
pub const MANIFEST_LINES: usize = 250_000;

/// Deepest nesting of a document. The schema of any resource is less deep.
pub const MANIFEST_DEPTH: usize = 64;
