# shellcheck shell=bash
# Independent clients and a conformance suite, against the static binary. See harness/interop/README.md.

step 'interop: grpc-go and the driver'\''s own client' scripts/interop.sh "$static" go
step 'interop: Python grpcio (C core)' scripts/interop.sh "$static" python
step 'conformance: h2spec' scripts/interop.sh "$static" h2spec
