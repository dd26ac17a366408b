#!/usr/bin/env bats

# The driver with the provider for Alibaba Cloud (KMS secrets, OOS encrypted parameters), against a fake cloud in the
# cluster. The driver is installed in kube-system with secret rotation, sync, and tokens of audience sts.aliyuncs.com.
#
#   PROVIDER_CHART      chart of the provider
#   PROVIDER_IMAGE      its image, without the tag
#   PROVIDER_TAG
#   FAKE_CLOUD_IMAGE    image of the fake cloud

load helpers

BATS_TESTS_DIR=test/bats/tests/alibabacloud
WAIT_TIME=90
SLEEP_TIME=1

export NODE_SELECTOR_OS=linux
export API_VERSION=secrets-store.csi.x-k8s.io/v1
export LABEL_VALUE=${LABEL_VALUE:-"test"}

# read_file POD FILE [NAMESPACE]
read_file() {
  local result
  result=$(kubectl exec -n "${3:-default}" "$1" -- cat "/mnt/secrets-store/$2")
  echo "${result//$'\r'}"
}

# wait_for_event POD PATTERN [NAMESPACE]
wait_for_event() {
  wait_for_process $WAIT_TIME $SLEEP_TIME "kubectl describe pod $1 -n ${3:-default} | grep -E 'FailedMount.*$2'"
}

# deploy_pod POD CLASS [NAMESPACE [SERVICEACCOUNT]]
deploy_pod() {
  POD=$1 CLASS=$2 SERVICE_ACCOUNT=${4:-default} envsubst < $BATS_TESTS_DIR/pod.yaml | kubectl apply -n "${3:-default}" -f -
}

ready_pod() {
  deploy_pod "$@"
  kubectl wait --for=condition=Ready --timeout=120s -n "${3:-default}" "pod/$1"
}

# set_secret kms/NAME VALUE: a new version in the fake cloud
set_secret() {
  kubectl exec -n fake-cloud curl -- curl -s -X PUT -d "$2" "http://fake-cloud.fake-cloud.svc.cluster.local:8480/_fake/$1"
}

@test "install fake cloud" {
  export ISSUER=$(kubectl get --raw /.well-known/openid-configuration | jq -r .issuer)
  export JWKS=$(kubectl get --raw /openid/v1/jwks)
  kubectl create namespace fake-cloud --dry-run=client -o yaml | kubectl apply -f -
  envsubst < $BATS_TESTS_DIR/state.yaml > "$BATS_FILE_TMPDIR/state.yaml"
  kubectl create configmap state -n fake-cloud --from-file=state.yaml="$BATS_FILE_TMPDIR/state.yaml"
  envsubst < $BATS_TESTS_DIR/fake-cloud.yaml | kubectl apply -n fake-cloud -f -
  kubectl run curl -n fake-cloud --image=curlimages/curl:7.75.0 -- tail -f /dev/null
  kubectl wait --for=condition=Ready --timeout=120s -n fake-cloud pod/fake-cloud pod/curl
}

@test "install alibabacloud provider" {
  kubectl exec -n fake-cloud curl -- curl -s http://fake-cloud.fake-cloud.svc.cluster.local:8480/_fake/ca > "$BATS_FILE_TMPDIR/ca.crt"
  kubectl create configmap fake-cloud-ca -n kube-system --from-file=ca.crt="$BATS_FILE_TMPDIR/ca.crt"
  kubectl create secret generic alibaba-credentials -n kube-system --from-literal=id=LTAI5tBatsProvider00001 \
    --from-literal=secret=BatsProviderSecret0000000001 --from-literal=oidcproviderarn=acs:ram::1234567890120000:oidc-provider/bats
  helm install alibabacloud-provider "$PROVIDER_CHART" -n kube-system -f $BATS_TESTS_DIR/values.yaml \
    --set linux.image.repository="$PROVIDER_IMAGE" --set linux.image.tag="$PROVIDER_TAG" --wait --timeout 120s
  kubectl wait --for=condition=Ready --timeout=120s -n kube-system pod -l app=csi-secrets-store-provider-alibabacloud
}

@test "secretproviderclasses crd is established" {
  kubectl wait --for condition=established --timeout=60s crd/secretproviderclasses.secrets-store.csi.x-k8s.io

  run kubectl get crd/secretproviderclasses.secrets-store.csi.x-k8s.io
  assert_success
}

@test "deploy alibabacloud secretproviderclasses" {
  envsubst < $BATS_TESTS_DIR/secretproviderclasses.yaml | kubectl apply -f -

  cmd="kubectl get secretproviderclasses.secrets-store.csi.x-k8s.io/alibabacloud -o yaml | grep alibabacloud"
  wait_for_process $WAIT_TIME $SLEEP_TIME "$cmd"
}

@test "CSI inline volume test with pod portability" {
  ready_pod basic alibabacloud

  run kubectl get pod/basic
  assert_success
}

@test "read KMS secret by name" {
  [[ "$(read_file basic api-token)" == "the current token" ]]
}

@test "read KMS secret by ARN" {
  [[ "$(read_file basic by-arn)" == "the current token" ]]
}

@test "read KMS secret by version" {
  [[ "$(read_file basic by-version)" == "the oldest token" ]]
}

@test "read KMS secret by version stage" {
  [[ "$(read_file basic by-stage)" == "the previous token" ]]
}

@test "read binary KMS secret" {
  result=$(kubectl exec basic -- base64 /mnt/secrets-store/keystore)
  [[ "${result//$'\r'}" == "AAECA/79/v8=" ]]
}

@test "read OOS parameter by name" {
  [[ "$(read_file basic greeting)" == "hello from OOS" ]]
}

@test "read OOS parameter by version" {
  [[ "$(read_file basic greeting-one)" == "an earlier hello" ]]
}

@test "slashes in names become underscores" {
  [[ "$(read_file basic app_db_password)" == "below a path" ]]
}

@test "file permission" {
  result=$(kubectl exec basic -- stat -L -c %a /mnt/secrets-store/by-stage)
  [[ "${result//$'\r'}" == "400" ]]
}

@test "jmesPath takes a JSON secret apart" {
  ready_pod json alibabacloud-json
  [[ "$(read_file json user)" == "dbuser" ]]
  [[ "$(read_file json password)" == "dbpassword" ]]
  result=$(kubectl exec json -- ls /mnt/secrets-store)
  [[ "$(echo ${result//$'\r'})" == "password user" ]]
}

@test "slashes in names become directories" {
  ready_pod directories alibabacloud-directories
  [[ "$(read_file directories app/db/password)" == "below a path" ]]
}

@test "an optional object may be missing" {
  ready_pod optional alibabacloud-optional
  result=$(kubectl exec optional -- ls /mnt/secrets-store)
  [[ "${result//$'\r'}" == "greeting" ]]
}

@test "CSI inline volume test with pod portability - unmount succeeds" {
  run kubectl delete pod basic json directories optional
  assert_success

  kubectl wait --for=delete --timeout=${WAIT_TIME}s pod/basic
  archive_info

  run bash -c "kubectl logs -l app=secrets-store-csi-driver --tail -1 -c secrets-store -n kube-system | grep '^E.*failed to clean and unmount target path.*$'"
  assert_failure
}

@test "Sync with K8s secrets - create deployment" {
  kubectl apply -f <(envsubst < $BATS_TESTS_DIR/synced.yaml)
  kubectl apply -f <(NAME=synced envsubst < $BATS_TESTS_DIR/deployment.yaml)
  kubectl apply -f <(NAME=synced-two envsubst < $BATS_TESTS_DIR/deployment.yaml)

  kubectl wait --for=condition=Available --timeout=120s deployment/synced deployment/synced-two
}

@test "Sync with K8s secrets - read secret from pod, read K8s secret, read env var, check secret ownerReferences" {
  POD=$(kubectl get pod -l app=synced -o jsonpath="{.items[0].metadata.name}")
  [[ "$(read_file $POD user)" == "dbuser" ]]

  result=$(kubectl get secret database -o jsonpath="{.data.username}" | base64 -d)
  [[ "${result//$'\r'}" == "dbuser" ]]

  result=$(kubectl exec $POD -- printenv SECRET_USERNAME)
  [[ "${result//$'\r'}" == "dbuser" ]]

  result=$(kubectl get secret database -o jsonpath="{.metadata.labels.environment}")
  [[ "${result//$'\r'}" == "${LABEL_VALUE}" ]]

  run wait_for_process $WAIT_TIME $SLEEP_TIME "compare_owner_count database default 2"
  assert_success
}

@test "Sync with K8s secrets - delete deployment, check owner ref updated, check secret deleted" {
  run kubectl delete deployment synced-two
  assert_success
  run wait_for_process $WAIT_TIME $SLEEP_TIME "compare_owner_count database default 1"
  assert_success

  run kubectl delete deployment synced
  assert_success
  run wait_for_process $WAIT_TIME $SLEEP_TIME "check_secret_deleted database default"
  assert_success
}

@test "Test Namespaced scope SecretProviderClass" {
  kubectl create namespace test-ns --dry-run=client -o yaml | kubectl apply -f -
  envsubst < $BATS_TESTS_DIR/namespaced.yaml | kubectl apply -f -
  ready_pod namespaced alibabacloud-namespaced test-ns
  [[ "$(read_file namespaced token test-ns)" == "the current token" ]]
}

@test "Test Namespaced scope SecretProviderClass - Should fail when no secret provider class in same namespace" {
  kubectl create namespace negative-test-ns --dry-run=client -o yaml | kubectl apply -f -
  deploy_pod namespaced alibabacloud-namespaced negative-test-ns
  wait_for_event namespaced 'failed to get secretproviderclass negative-test-ns/alibabacloud-namespaced.*not found' negative-test-ns
  run kubectl delete ns negative-test-ns
  assert_success
}

@test "CSI inline volume test with multiple secret provider class" {
  envsubst < $BATS_TESTS_DIR/pod-multiple.yaml | kubectl apply -f -
  kubectl wait --for=condition=Ready --timeout=120s pod/multiple

  result=$(kubectl exec multiple -- cat /mnt/secrets-store-0/user)
  [[ "${result//$'\r'}" == "dbuser" ]]
  result=$(kubectl exec multiple -- cat /mnt/secrets-store-1/app/db/password)
  [[ "${result//$'\r'}" == "below a path" ]]
}

@test "Test auto rotation of mount contents and K8s secrets - create pod" {
  set_secret kms/turning first
  set_secret oos/turning first
  envsubst < $BATS_TESTS_DIR/rotation.yaml | kubectl apply -f -
  ready_pod turning alibabacloud-rotation

  [[ "$(read_file turning turning)" == "first" ]]
  [[ "$(read_file turning parameter)" == "first" ]]
  result=$(kubectl get secret turning -o jsonpath="{.data.value}" | base64 -d)
  [[ "${result//$'\r'}" == "first" ]]
}

@test "Test auto rotation of mount contents and K8s secrets" {
  set_secret kms/turning second
  set_secret oos/turning second

  wait_for_process 180 $SLEEP_TIME "kubectl exec turning -- cat /mnt/secrets-store/turning | grep second"
  wait_for_process 180 $SLEEP_TIME "kubectl exec turning -- cat /mnt/secrets-store/parameter | grep second"
  wait_for_process 180 $SLEEP_TIME "kubectl get secret turning -o jsonpath='{.data.value}' | base64 -d | grep second"
}

@test "pod identity - reads with the role of the pod's service account" {
  kubectl create namespace identity --dry-run=client -o yaml | kubectl apply -f -
  envsubst < $BATS_TESTS_DIR/identity.yaml | kubectl apply -n identity -f -
  ready_pod reader alibabacloud-identity identity reader
  [[ "$(read_file reader greeting identity)" == "hello from OOS" ]]
}

@test "pod identity - a role without the right is refused" {
  deploy_pod guest alibabacloud-identity identity guest
  wait_for_event guest 'PermissionDenied.*greeting' identity
}

@test "pod identity - a service account without a role is refused" {
  deploy_pod nobody alibabacloud-identity identity default
  wait_for_event nobody 'Unauthenticated.*ack.alibabacloud.com/role-arn' identity
}

@test "a missing secret is told in the pod's events, and the pod starts once it is there" {
  deploy_pod missing alibabacloud-missing
  wait_for_event missing 'NotFound.*not-there'
  set_secret kms/not-there "there after all"
  kubectl wait --for=condition=Ready --timeout=180s pod/missing
  [[ "$(read_file missing not-there)" == "there after all" ]]
}

@test "invalid parameters are told in the pod's events" {
  deploy_pod invalid alibabacloud-invalid
  wait_for_event invalid 'InvalidArgument.*objectType'
}

teardown_file() {
  archive_provider "app=csi-secrets-store-provider-alibabacloud" || true
  kubectl delete pod turning missing invalid multiple --force --grace-period 0 --ignore-not-found || true
  kubectl delete namespace test-ns identity --ignore-not-found || true
  kubectl delete secretproviderclasses --all || true
  helm uninstall alibabacloud-provider -n kube-system --wait || true
  kubectl delete configmap fake-cloud-ca -n kube-system --ignore-not-found || true
  kubectl delete secret alibaba-credentials -n kube-system --ignore-not-found || true
  kubectl delete namespace fake-cloud --ignore-not-found || true
}
