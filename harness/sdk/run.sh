#!/usr/bin/env bash
# run.sh FAKE-CLOUD COMMAND…: runs COMMAND in namespaces of its own, without a network, where the names of the
# real cloud and the address of the metadata service are the fake cloud's. So SDKs need no other setting than trust in
# its certificate authority. Needs root.
set -euo pipefail
cloud=$(realpath "$1"); shift
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
{
    echo '127.0.0.1 localhost sts.aliyuncs.com'
    for region in cn-hangzhou cn-shanghai; do
        for service in kms oos sts; do echo "127.0.0.1 $service.$region.aliyuncs.com $service-vpc.$region.aliyuncs.com"; done
    done
} >"$work/hosts"
export WORK=$work CLOUD=$cloud
unshare --net --mount -- bash -euo pipefail -c '
    mount --bind "$WORK/hosts" /etc/hosts
    ip link set lo up
    ip address add 100.100.100.200/32 dev lo
    "$CLOUD" serve --https 127.0.0.1:443 --port metadata=http://100.100.100.200:80 --ca "$WORK/ca.pem" >"$WORK/out" &
    pid=$!
    trap "kill $pid" EXIT
    until [ -s "$WORK/out" ]; do kill -0 $pid; sleep 0.05; done
    export FAKE_CLOUD_HTTP=http://127.0.0.1:8480 FAKE_CLOUD_CA=$WORK/ca.pem REQUESTS_CA_BUNDLE=$WORK/ca.pem SSL_CERT_FILE=$WORK/ca.pem
    "$@"' run.sh "$@"
