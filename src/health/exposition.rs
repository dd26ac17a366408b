//! What the gRPC server has counted, for `/metrics`.

use crate::grpc::Code;
use crate::metrics::Text;
use crate::server::Observer;

/// Writes the server's part.
pub(super) fn write(text: &mut Text, server: &Observer) {
    let counters = server.counters();
    text.family(
        "counter",
        "mounts_total",
        "Mounts answered, by result and gRPC code.",
    );
    for code in Code::ALL {
        let result = if code == Code::Ok { "success" } else { "failure" };
        let count = counters.answered(code).value();
        // Most codes never come out of a Mount; those that must not would show.
        if count > 0 || USUAL.contains(&code) {
            text.value(&[("result", result), ("code", code.name())], count);
        }
    }
    for (name, help, counter) in [
        (
            "mounts_cancelled_total",
            "Mounts that the driver gave up before they were answered.",
            &counters.mounts_cancelled,
        ),
        (
            "mounts_overloaded_total",
            "Mounts rejected because all workers were busy and the queue was full.",
            &counters.mounts_overloaded,
        ),
        (
            "mounts_timed_out_total",
            "Mounts answered in the handler's place because it was out of time.",
            &counters.mounts_timed_out,
        ),
        (
            "panics_total",
            "Defects of the provider that one call ran into.",
            &counters.panics,
        ),
        (
            "codes_replaced_total",
            "Answers whose code kubelet would not have taken for final; each is a defect of the provider.",
            &counters.codes_replaced,
        ),
        (
            "connections_total",
            "Connections accepted on the socket.",
            &counters.connections,
        ),
        (
            "connections_refused_total",
            "Connections closed at once because there were too many, all with calls.",
            &counters.connections_refused,
        ),
        (
            "connections_displaced_total",
            "Connections without calls closed to make room for others.",
            &counters.connections_displaced,
        ),
        (
            "protocol_errors_total",
            "Connections ended because the peer broke the protocol.",
            &counters.connection_errors,
        ),
    ] {
        text.family("counter", name, help);
        text.value(&[], counter.value());
    }
    text.family(
        "counter",
        "socket_rebinds_total",
        "Rebinds of the socket, by reason: its path was removed, or the process that had taken it refused connections.",
    );
    for (reason, counter) in [
        ("removed", &counters.socket_removed),
        ("refused", &counters.socket_refused),
    ] {
        text.value(&[("reason", reason)], counter.value());
    }
    for (name, help, value) in [
        (
            "socket_owned",
            "1 if clients that connect to the socket's path reach this process, otherwise 0.",
            usize::from(server.socket_trouble().is_none()),
        ),
        (
            "connections_open",
            "Connections that are open on the socket.",
            server.connections(),
        ),
        (
            "mounts_queued",
            "Mounts that wait for a worker.",
            server.queued_mounts(),
        ),
        (
            "memory_budget_bytes",
            "Most bytes that requests, values and responses may take together.",
            server.budget().total(),
        ),
        (
            "memory_budget_used_bytes",
            "Bytes of the memory budget that are taken.",
            server.budget().used(),
        ),
    ] {
        text.family("gauge", name, help);
        text.value(&[], value);
    }
}

/// The codes that a Mount answers with: shown from the start, so that their first increase is seen as one.
const USUAL: [Code; 8] = [
    Code::Ok,
    Code::InvalidArgument,
    Code::NotFound,
    Code::PermissionDenied,
    Code::FailedPrecondition,
    Code::Unimplemented,
    Code::Internal,
    Code::Unauthenticated,
];
