# shellcheck shell=bash
# The images from scratch, built without a daemon and run as a cluster would. `$static` is built by then.

images() {
    scripts/static.sh x86_64 fake-cloud && cargo build --quiet --locked -p harness-tools --bin driver-smoke || return 1
    local IMAGES_STORAGE
    IMAGES_STORAGE=$(mktemp -d) || return 1
    export IMAGES_STORAGE
    scripts/images.sh x86_64 && scripts/image-smoke.sh
    local result=$?
    rm -rf "$IMAGES_STORAGE"
    unset IMAGES_STORAGE
    return $result
}

step 'images from scratch, built by buildah and run by podman and runc' images
