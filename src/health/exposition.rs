//! Metrics of the gRPC server, for `/metrics`.

use crate::grpc::Code;
use crate::metrics::Text;
use crate::server::Observer;

/// Writes the server's metrics.
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
        // Other codes are shown only once they occur, because a mount must not answer with them.
        if count > 0 || USUAL.contains(&code) {
            text.value(&[("result", result), ("code", code.name())], count);
        }
    }
    for (name, help, counter) in [
        (
            "mounts_cancelled_total",
            "Mounts cancelled by the driver.",
            &counters.mounts_cancelled,
        ),
        (
            "mounts_overloaded_total",
            "Mounts rejected because all workers were busy and the queue was full.",
            &counters.mounts_overloaded,
        ),
        (
            "mounts_timed_out_total",
            "Mounts that timed out.",
            &counters.mounts_timed_out,
        ),
        (
            "panics_total",
            "Caught panics, each limited to one call.",
            &counters.panics,
        ),
        (
            "codes_replaced_total",
            "Answers whose code was replaced because kubelet would not treat it as final.",
            &counters.codes_replaced,
        ),
        (
            "connections_total",
            "Connections accepted on the socket.",
            &counters.connections,
        ),
        (
            "connections_refused_total",
            "Connections refused because the limit was reached and all had calls.",
            &counters.connections_refused,
        ),
        (
            "connections_displaced_total",
            "Idle connections closed to make room for new ones.",
            &counters.connections_displaced,
        ),
        (
            "protocol_errors_total",
            "Connections closed because the peer broke the protocol.",
            &counters.connection_errors,
        ),
    ] {
        text.family("counter", name, help);
        text.value(&[], counter.value());
    }
    text.family(
        "counter",
        "socket_rebinds_total",
        "Rebinds of the socket, by reason: its path was removed, or its new owner refused connections.",
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
            "Open connections on the socket.",
            server.connections(),
        ),
        (
            "mounts_queued",
            "Mounts waiting for a worker.",
            server.queued_mounts(),
        ),
        (
            "memory_budget_bytes",
            "Memory budget for requests, values and responses, in bytes.",
            server.budget().total(),
        ),
        (
            "memory_budget_used_bytes",
            "Used part of the memory budget, in bytes.",
            server.budget().used(),
        ),
    ] {
        text.family("gauge", name, help);
        text.value(&[], value);
    }
}

/// The usual codes of mounts, shown from the start so that Prometheus sees their first increase.
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
