//! Every bound of the provider, with its reason.
//!
//! What comes from the socket, from a SecretProviderClass, from the cloud or from a file is hostile until it has
//! passed one of these. Each constant has an error of its own and a test where it is used.

use std::time::Duration;

/// Most bytes of one `MountResponse`, encoded: what the driver accepts by default (`--max-call-recv-msg-size`).
pub const MOUNT_RESPONSE_BYTES: usize = 4_194_304;

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
pub const CONNECTION_WINDOW: u32 = 262_144;

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

/// Frames without progress in a burst: PING, SETTINGS, PRIORITY, WINDOW_UPDATE, empty DATA and unknown ones
/// (CVE-2019-9512, -9513, -9515, -9518, RUSTSEC-2026-0258).
pub const CHATTER_BURST: u32 = 10_000;

/// Frames without progress per second, on average, for a client that does nothing else.
pub const CHATTER_PER_SECOND: u32 = 1_000;

/// Frames without progress that each request and each DATA frame of content, in either direction, pays for.
/// Clients update two windows and measure with a PING for each.
pub const CHATTER_PER_PROGRESS: u32 = 8;

/// Streams reset by the client or for its mistakes, in a burst (rapid reset, RUSTSEC-2023-0034, and
/// MadeYouReset, CVE-2025-8671): every open stream several times over.
pub const RESET_BURST: u32 = 2_000;

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
/// wait for their share, and small requests.
pub const UNCOVERED_BYTES: usize = 65_536;

/// Body of a refused request that is read, and thrown away, before the refusal is sent without waiting for its end.
pub const REFUSED_BODY_BYTES: usize = 65_536;

/// Time for the body of a refused request, likewise.
pub const REFUSED_BODY_TIME: Duration = Duration::from_secs(10);

/// A status message. It ends up in a pod event, which holds 1 KiB.
pub const STATUS_MESSAGE_BYTES: usize = 2_048;

/// Between our answer and the caller's deadline, at most; of shorter timeouts it is a tenth.
pub const DEADLINE_MARGIN: Duration = Duration::from_secs(3);

/// Longest time a call may take, whatever its caller grants: kubelet gives each Mount two minutes.
pub const CALL_TIME: Duration = Duration::from_secs(110);

/// Time for a caller to take its answer, once there is one or the call is out of time.
pub const ANSWER_TAKING: Duration = Duration::from_secs(30);

/// Connections at once. The driver has one, or two while it restarts; probes come and go.
pub const CONNECTIONS: usize = 32;

/// Mounts that run at the same time: a node's volumes after a reboot, more than a hundred.
pub const WORKERS: usize = 128;

/// Mounts that wait for a worker; past it the answer is a final status. Twice the streams of a connection.
pub const QUEUED_MOUNTS: usize = 512;

/// A worker without work ends after this time, and gives its stack back.
pub const WORKER_IDLE: Duration = Duration::from_secs(10);

/// A worker's stack: TLS, JSON and YAML of bounded depth take a fraction.
pub const WORKER_STACK: usize = 512 * 1024;

/// The stack of a connection's reader and of its writer.
pub const CONNECTION_STACK: usize = 256 * 1024;

/// Octets that one read of the socket takes at most.
pub const READ_BYTES: usize = 32_768;

/// Octets that one write to the socket is given at most, plus one frame.
pub const WRITE_BYTES: usize = 49_152;

/// A write that the peer's full socket blocks is looked at this often, to notice what else is due.
pub const WRITE_SLICE: Duration = Duration::from_secs(1);

/// A peer that takes no octet for so long is gone.
pub const WRITE_STALL: Duration = Duration::from_secs(30);

/// The same after a connection error, when only GOAWAY is left to be taken.
pub const GOAWAY_STALL: Duration = Duration::from_secs(2);

/// Pause after a failed accept, which is mostly a lack of file descriptors.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Time for the last answers to leave at the end of the grace period.
pub const SHUTDOWN_FLUSH: Duration = Duration::from_secs(2);

/// Default of the process-wide memory budget (flag `memory-budget`).
pub const MEMORY_BUDGET_BYTES: usize = 64 * 1024 * 1024;

/// A Unix socket's path, without the terminating NUL (`sun_path` on Linux).
pub const SOCKET_PATH_BYTES: usize = 107;

/// Log lines that peers can cause, per kind and minute.
pub const PEER_LOG_LINES: u32 = 10;
