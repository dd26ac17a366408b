#!/usr/bin/env bash
# Runs the images of scripts/images.sh as a cluster would, by podman and runc: root file system read-only, every
# capability dropped, no new privileges, the default seccomp profile, and a network that is nothing but loopback,
# which the fake cloud's container shares. The driver asks over the socket in a shared directory: Version, health, and
# a Mount from OOS and KMS over TLS. Then once more as a user that is not root, behind `prepare-dir`.
#
# Needs root, buildah, podman, runc, and a built harness (driver-smoke).
set -euo pipefail
cd "$(dirname "$0")/.."

name=csi-secrets-store-provider-alibabacloud
tag=$(sed -n '/^\[workspace.package\]/,/^version/s/^version = "\(.*\)"/\1/p' Cargo.toml)
scripts/debian.sh podman=podman runc=runc nsenter=util-linux ip=iproute2
storage=()
[ -z "${IMAGES_STORAGE:-}" ] || storage=(--storage-driver vfs --root "$IMAGES_STORAGE/root" --runroot "$IMAGES_STORAGE/run")
podman=(podman "${storage[@]}" --cgroup-manager cgroupfs --runtime runc)
# The limits are named, for a machine may forbid podman's own, which are higher than what it has.
restricted=(--read-only --cap-drop all --security-opt no-new-privileges --ulimit nofile=4096:4096 --ulimit nproc=4096:4096 --pull never)
place=$(mktemp -d)
chmod 0755 "$place" # mktemp makes it for us alone; the containers' users look into it
containers=()
finish() {
    local result=$?
    if [ $result -ne 0 ]; then
        for container in "${containers[@]}"; do "${podman[@]}" logs "$container" 2>&1 | tail -20; done
    fi
    # The last one first: the others have their network from the first.
    local at
    for ((at = ${#containers[@]} - 1; at >= 0; at--)); do
        "${podman[@]}" rm -f -t 5 "${containers[at]}" >/dev/null || result=1
    done
    rm -rf "$place"
    exit $result
}
trap finish EXIT

start() { # start NAME ARGUMENT…: a container in the background; its id goes into $started
    started=$("${podman[@]}" run -d --name "$1-$$" "${restricted[@]}" "${@:2}")
    containers+=("$started")
}
ask() { # ask PATH: an HTTP GET on the health port, from inside the network
    nsenter -t "$pid" -n bash -c 'exec 3<>/dev/tcp/127.0.0.1/8989 && printf "GET %s HTTP/1.1\r\n\r\n" "$0" >&3 && cat <&3' "$1"
}
refuse() { echo "image smoke: $*"; exit 1; }

mkdir -m 0777 "$place/ca"
start cloud --network none -v "$place/ca:/ca" "localhost/fake-cloud:$tag" serve --http 127.0.0.1:9080 --https 127.0.0.1:9443 --ca /ca/ca.pem
cloud=$started
for _ in $(seq 500); do [ -s "$place/ca/ca.pem" ] && break; sleep 0.02; done
[ -s "$place/ca/ca.pem" ] || refuse 'the fake cloud does not start'

key=$("${podman[@]}" run --rm "${restricted[@]}" --network none "localhost/fake-cloud:$tag" env --http 127.0.0.1:9080 --https 127.0.0.1:9443)
id=$(sed -n 's/^export ACCESS_KEY_ID=//p; s/^ACCESS_KEY_ID=//p' <<<"$key" | tr -d "'\"" | head -1)
secret=$(sed -n 's/^export SECRET_ACCESS_KEY=//p; s/^SECRET_ACCESS_KEY=//p' <<<"$key" | tr -d "'\"" | head -1)
[ -n "$id" ] && [ -n "$secret" ] || refuse "the fake cloud names no AccessKey pair: $key"

provide() { # provide USER DIRECTORY: one provider, asked, looked at, stopped
    echo "== as $1"
    start "provider-$1" --network "container:$cloud" --user "$1:$1" -v "$2:/provider" -v "$place/ca:/ca:ro" \
        -e ACCESS_KEY_ID="$id" -e SECRET_ACCESS_KEY="$secret" -e SSL_CERT_FILE=/ca/ca.pem \
        "localhost/$name:$tag" --provider-volume=/provider --region=cn-hangzhou \
        --kms-endpoint=https://localhost:9443 --oos-endpoint=https://localhost:9443
    target/debug/driver-smoke "$2/alibabacloud.sock"
    pid=$("${podman[@]}" inspect --format '{{.State.Pid}}' "$started")
    local status answer path line
    for path in /healthz /readyz /metrics; do
        answer=$(ask $path)
        [[ $answer == "HTTP/1.1 200 OK"* ]] || refuse "$path: $answer"
    done
    echo "/healthz, /readyz and /metrics answer 200"
    status=$(cat "/proc/$pid/status")
    for line in "CapEff:	0000000000000000" "CapBnd:	0000000000000000" "NoNewPrivs:	1" "Seccomp:	2" "Uid:	$1	$1	$1	$1"; do
        [[ $status == *"$line"* ]] || refuse "the process lacks: $line"
    done
    echo 'no capability, no new privileges, seccomp filter'
    [[ $(nsenter -t "$pid" -n ip -o link | wc -l) == 1 ]] || refuse 'there is more network than loopback'
    [[ $(awk '$5 == "/" {print $6}' "/proc/$pid/mountinfo") == ro,* ]] || refuse 'the root file system can be written'
    echo "loopback only, read-only root; files in it: $(cd "/proc/$pid/root" && find . -xdev -type f -size +0 | sort | tr '\n' ' ')"
    "${podman[@]}" stop -t 15 "$started" >/dev/null
    [ "$("${podman[@]}" inspect --format '{{.State.ExitCode}}' "$started")" = 0 ] || refuse 'it did not end well'
    [ ! -e "$2/alibabacloud.sock" ] || refuse 'it left its socket'
}

# As kubelet makes the directory, and as the chart runs the provider by default.
mkdir -m 0755 "$place/root"
provide 0 "$place/root"

# As somebody else: the init container first, with the one capability it needs, and a dead socket in its way.
mkdir -m 0755 "$place/other" "$place/old"
python3 -c 'import socket, sys; s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1])' "$place/old/alibabacloud.sock"
"${podman[@]}" run --rm --network none "${restricted[@]}" --cap-add CHOWN -v "$place/other:/provider" -v "$place/old:/old" \
    "localhost/$name:$tag" prepare-dir --provider-volume=/provider --group=65532 /old
[ "$(stat -c '%u:%g %a' "$place/other")" = '0:65532 775' ] || refuse "the directory is $(stat -c '%u:%g %a' "$place/other")"
[ ! -e "$place/old/alibabacloud.sock" ] || refuse 'the dead socket is still there'
provide 65532 "$place/other"
echo 'both images run'
