"""Asks a running provider as Python programs do, that is by gRPC's C core.

Started by the harness program `stage`, which says in the environment where everything is, with the directory of the
generated message classes as its argument. Prints a line per case and a count, and fails if a case fails.
"""

import concurrent.futures
import json
import os
import sys
import threading
import urllib.request

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

sys.path.insert(0, sys.argv[1])
# Generated from proto/ by grpcio-tools just before.
from v1alpha1 import service_pb2, service_pb2_grpc  # noqa: E402

SOCKET = "unix:" + os.path.join(os.environ["STAGE_VOLUME"], "alibabacloud.sock")
CLOUD = os.environ["STAGE_CLOUD"]
MESSAGE_LIMIT = ("grpc.max_receive_message_length", 4_194_304)

cases = []


def case(function):
    cases.append(function)
    return function


def control(method, path, body=b""):
    request = urllib.request.Request(f"{CLOUD}/_fake/{path}", data=body, method=method)
    with urllib.request.urlopen(request) as response:
        return response.read()


def set_secret(name, value):
    control("PUT", f"kms/{name}?type=binary", value)


def hold(name):
    control("POST", "faults", json.dumps({"service": "kms", "name": name, "then": "hold"}).encode())


def release():
    control("DELETE", "faults")


numbers = iter(range(1_000_000))


def request(objects, **more):
    """A Mount of a volume never seen before."""
    number = next(numbers)
    attributes = {
        "objects": objects,
        "secretProviderClass": "interop",
        "csi.storage.k8s.io/pod.name": f"python-{number}",
        "csi.storage.k8s.io/pod.namespace": "default",
        "csi.storage.k8s.io/pod.uid": f"python-uid-{number}",
        "csi.storage.k8s.io/serviceAccount.name": "default",
    } | more
    return service_pb2.MountRequest(
        attributes=json.dumps(attributes), secrets="null", target_path="/nowhere", permission="420"
    )


def channel(*options):
    # The C core shares connections between equal channels unless they are told to have pools of their own.
    return grpc.insecure_channel(SOCKET, options=[MESSAGE_LIMIT, ("grpc.use_local_subchannel_pool", 1), *options])


def provider(on):
    return service_pb2_grpc.CSIDriverProviderStub(on)


def expect(code, words, call):
    """The call must fail so, with these words in its message."""
    try:
        call()
    except grpc.RpcError as error:
        assert error.code() == code, f"{error.code()}: {error.details()}"
        assert words in error.details(), error.details()
    else:
        raise AssertionError(f"succeeded instead of {code}")


@case
def a_volume():
    set_secret("py-plain", b"plain\0\xff")
    with channel() as on:
        response = provider(on).Mount(request("- objectName: py-plain\n"), timeout=60)
    (file,) = response.files
    assert (file.path, file.mode, file.contents) == ("py-plain", 0o644, b"plain\0\xff"), response
    assert [version.id for version in response.object_version] == ["py-plain"]


@case
def a_volume_of_3_9_mb_and_one_too_large():
    set_secret("py-large", b"0123456789" * 3000)
    objects = [f"- objectName: py-large\n  objectAlias: f{number}\n" for number in range(150)]
    with channel() as on:
        response = provider(on).Mount(request("".join(objects[:130])), timeout=60)
        assert sum(len(file.contents) for file in response.files) == 3_900_000
        expect(
            grpc.StatusCode.FAILED_PRECONDITION,
            "Largest",
            lambda: provider(on).Mount(request("".join(objects)), timeout=60),
        )


@case
def a_request_of_1_mib():
    set_secret("py-bulky", b"bulky")
    with channel() as on:
        response = provider(on).Mount(request("- objectName: py-bulky\n", padding="x" * 2**20), timeout=60)
    assert response.files[0].contents == b"bulky"


@case
def version_without_a_timeout():
    with channel() as on:
        response = provider(on).Version(service_pb2.VersionRequest(version="v1alpha1"))
    assert response.version == "v1alpha1" and response.runtime_version.count(".") == 2, response


@case
def health_check():
    with channel() as on:
        stub = health_pb2_grpc.HealthStub(on)
        assert stub.Check(health_pb2.HealthCheckRequest(), timeout=10).status == 1
        expect(
            grpc.StatusCode.NOT_FOUND,
            "",
            lambda: stub.Check(health_pb2.HealthCheckRequest(service="nobody"), timeout=10),
        )


@case
def health_watch_stays_open():
    with channel() as on:
        for service, status in (("", 1), ("nobody", 3)):
            stream = health_pb2_grpc.HealthStub(on).Watch(health_pb2.HealthCheckRequest(service=service), timeout=60)
            assert next(stream).status == status
            ended = threading.Event()
            stream.add_callback(ended.set)
            provider(on).Version(service_pb2.VersionRequest(version="v1alpha1"), timeout=10)
            assert not ended.wait(0.1)
            stream.cancel()


@case
def errors_arrive_whole():
    with channel() as on:
        expect(
            grpc.StatusCode.INVALID_ARGUMENT,
            "参数 100% ünï",
            lambda: provider(on).Mount(request('- objectName: x\n  objectType: "参数 100% ünï"\n'), timeout=10),
        )
        expect(
            grpc.StatusCode.NOT_FOUND,
            "py-nowhere",
            lambda: provider(on).Mount(request("- objectName: py-nowhere\n"), timeout=60),
        )


@case
def unknown_method():
    with channel() as on:
        call = on.unary_unary("/v1alpha1.CSIDriverProvider/Unmount")
        expect(grpc.StatusCode.UNIMPLEMENTED, "", lambda: call(b"", timeout=10))


@case
def compressed_request():
    with channel() as on:
        message = service_pb2.VersionRequest(version="v" * 300)
        expect(
            grpc.StatusCode.UNIMPLEMENTED,
            "",
            lambda: provider(on).Version(message, timeout=10, compression=grpc.Compression.Gzip),
        )


@case
def two_messages_where_one_is_due():
    with channel() as on:
        call = on.stream_unary("/v1alpha1.CSIDriverProvider/Version")
        for messages in ([], [b"", b""]):
            try:
                call(iter(messages), timeout=10)
            except grpc.RpcError as error:
                assert error.code() in (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNIMPLEMENTED), error.code()
            else:
                raise AssertionError(f"{len(messages)} messages were accepted")


@case
def a_message_that_is_none():
    with channel() as on:
        call = on.unary_unary("/v1alpha1.CSIDriverProvider/Mount")
        try:
            call(b"\x0a\xff\xff\xff\xff\x0f", timeout=10)
        except grpc.RpcError as error:
            assert error.code() in (grpc.StatusCode.INTERNAL, grpc.StatusCode.INVALID_ARGUMENT), error.code()
        else:
            raise AssertionError("accepted")


@case
def metadata_of_all_kinds():
    with channel() as on:
        metadata = [("x-text", "t" * 4000), ("x-bytes-bin", bytes(range(256))), *(("x-many", str(n)) for n in range(50))]
        provider(on).Version(service_pb2.VersionRequest(version="v1alpha1"), timeout=10, metadata=metadata)


@case
def a_deadline_is_answered_before_it_passes():
    set_secret("py-slow", b"slow")
    hold("py-slow")
    try:
        with channel() as on:
            expect(
                grpc.StatusCode.INTERNAL,
                "py-slow",
                lambda: provider(on).Mount(request("- objectName: py-slow\n"), timeout=3),
            )
    finally:
        release()


@case
def a_cancelled_call():
    set_secret("py-left", b"left")
    hold("py-left")
    with channel() as on:
        future = provider(on).Mount.future(request("- objectName: py-left\n"), timeout=60)
        try:
            provider(on).Version(service_pb2.VersionRequest(version="v1alpha1"), timeout=10)
            future.cancel()
        finally:
            release()
        assert future.cancelled()
        provider(on).Mount(request("- objectName: py-left\n"), timeout=60)


@case
def two_hundred_volumes_at_once():
    set_secret("py-many", b"many")
    with channel() as on, concurrent.futures.ThreadPoolExecutor(200) as pool:
        mounts = [
            pool.submit(provider(on).Mount, request("- objectName: py-many\n"), timeout=110) for _ in range(200)
        ]
        for mount in mounts:
            assert mount.result().files[0].contents == b"many"


@case
def five_hundred_calls_with_as_many_timeouts():
    with channel() as on:
        for number in range(500):
            provider(on).Version(service_pb2.VersionRequest(version="v1alpha1"), timeout=10 + number / 1000)


@case
def small_frames_and_keepalive():
    options = (
        ("grpc.http2.max_frame_size", 16384),
        ("grpc.http2.lookahead_bytes", 8192),
        ("grpc.http2.bdp_probe", 0),
        ("grpc.keepalive_time_ms", 10_000),
    )
    set_secret("py-frames", b"0123456789" * 3000)
    objects = "".join(f"- objectName: py-frames\n  objectAlias: f{number}\n" for number in range(60))
    with channel(*options) as on:
        response = provider(on).Mount(request(objects), timeout=60)
    assert sum(len(file.contents) for file in response.files) == 1_800_000


def main():
    passed = failed = 0
    for each in cases:
        name = each.__name__.replace("_", " ")
        try:
            each()
        except Exception as error:  # a case may fail in any way, and the others shall run
            failed += 1
            print(f"FAIL grpcio: {name}: {type(error).__name__}: {error}")
        else:
            passed += 1
            print(f"ok   grpcio: {name}")
    print(f"grpcio {grpc.__version__} (C core): {passed} passed, {failed} failed")
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
